//! The table of default fields as it is read without sorting.

use super::{Config, DEFAULTS};

#[test]
fn the_table_is_in_the_order_that_merging_makes() {
    let mut sorted = (**DEFAULTS).clone();
    sorted.sort();
    assert_eq!(sorted, **DEFAULTS);
}

#[test]
fn every_row_of_the_table_is_read() {
    let table = include_str!("../../../../schema/kubernetes/kustomize-fields.txt");
    let rows = table.lines().filter(|line| !line.starts_with('#')).count();
    let mut config: Config = (**DEFAULTS).clone();
    let lists: usize = config.lists_mut().into_iter().map(|(_, list)| list.len()).sum();
    let references: usize = config.name_reference.iter().map(|referral| 1 + referral.fields.len()).sum();
    assert_eq!(lists + references, rows);
    let all = config.lists_mut().into_iter().flat_map(|(_, list)| list.clone()).collect::<Vec<_>>();
    assert!(all.iter().all(|spec| !spec.path.is_empty() && spec.segments().iter().all(|part| !part.name.is_empty())));
}
