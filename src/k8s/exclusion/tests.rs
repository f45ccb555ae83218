//! Filters against recorded answers of Argo CD's own code.

use std::collections::BTreeMap;

use super::*;

#[test]
fn filters_answer_as_argo_cd_does() {
    let mut filters = BTreeMap::from([("default", Filter::default())]);
    let empty = || Filter { exclusions: Vec::new(), inclusions: Vec::new() };
    let list = |text: &str| if text == "." { Vec::new() } else { text.split(',').map(str::to_owned).collect() };
    let mut asked = 0;
    for line in include_str!("../../../fixtures/k8s/exclusions.txt").lines().filter(|line| !line.starts_with('#')) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["entry", name, which, groups, kinds, clusters] => {
                let filter = filters.entry(name).or_insert_with(empty);
                let entry = Entry::new(list(groups), list(kinds), list(clusters)).unwrap();
                if which == "exclusion" { filter.exclusions.push(entry) } else { filter.inclusions.push(entry) }
            }
            [name, group, kind, server, expected] => {
                let filter = filters.entry(name).or_insert_with(empty);
                let group = if group == "-" { "" } else { group };
                assert_eq!(filter.excludes(group, kind, server).to_string(), expected, "{line}");
                asked += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert_eq!(asked, 230);
}
