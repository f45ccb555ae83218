//! The graph against what kyaml answers for every kind, recorded in `fixtures/k8s/merge-keys.txt`.

use super::*;

/// Every list that merges below a type, as `PATH KEYS`, in the order of the fields.
fn merges(of: TypeRef, path: &str, depth: usize, found: &mut Vec<String>) {
    assert!(depth < 20, "the graph has a cycle at {path}");
    if let Some(merge) = of.list_merge() {
        let keys = if of.is_primitive_set() { "=".to_owned() } else { merge.keys.join(",") };
        found.push(format!("{path} {keys}"));
    }
    match of.shape {
        Shape::One => {
            let fields = of.target.map(|at| GRAPH.types[usize::from(at)].clone()).unwrap_or(0..0);
            for (name, _) in &GRAPH.fields[fields] {
                merges(of.field(name).unwrap(), &format!("{path}.{name}"), depth + 1, found);
            }
        }
        Shape::List | Shape::Merge { .. } => {
            if let Some(items) = of.items() {
                merges(items, &format!("{path}[]"), depth + 1, found);
            }
        }
    }
}

#[test]
fn same_merging_lists_as_kyaml() {
    let mut recorded: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for line in include_str!("../../../fixtures/k8s/merge-keys.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.splitn(3, ' ');
        let (api_version, kind, rest) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        match recorded.last_mut() {
            Some(last) if (last.0, last.1) == (api_version, kind) => last.2.push(rest),
            _ => recorded.push((api_version, kind, vec![rest])),
        }
    }
    assert!(recorded.len() > 100);
    for (api_version, kind, expected) in recorded {
        let mut found = Vec::new();
        match root(api_version, kind) {
            Some(of) => merges(of, "", 0, &mut found),
            None => found.push("unknown".to_owned()),
        }
        assert_eq!(found, expected, "{api_version} {kind}");
    }
}

#[test]
fn every_row_is_read() {
    let text = include_str!("../../../schema/kubernetes/strategic-merge.txt");
    let count = |prefix| text.lines().filter(|line| line.starts_with(prefix)).count();
    assert_eq!(
        (GRAPH.types.len(), GRAPH.fields.len(), GRAPH.roots.len()),
        (count("type "), count("  "), count("root "))
    );
    let dangling = text.lines().filter(|line| line.starts_with("  ") && line.ends_with(" -")).count();
    assert_eq!(GRAPH.fields.iter().filter(|field| field.1.target.is_none()).count(), dangling);
}
