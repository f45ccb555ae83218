//! Headings of reports.

use super::{pattern, places};

#[test]
fn the_name_of_the_cluster_is_a_star() {
    for (name, cluster, expected) in [
        ("web-eu", "eu", "web-*"),
        ("eu-web", "eu", "*-web"),
        ("team-a/web-eu", "eu", "team-a/web-*"),
        ("web-eu-1", "eu-1", "web-*"),
        ("web-eu-10", "eu-1", "web-eu-10"),
        ("europe", "eu", "europe"),
        ("eu", "eu", "eu"),
        ("eu-eu", "eu", "eu-*"),
        ("web", "", "web"),
    ] {
        assert_eq!(pattern(name, cluster), expected, "{name} on {cluster}");
    }
}

#[test]
fn places_are_named_by_what_they_share() {
    let said = |list: &[(&str, &'static str)], most: usize| {
        places(&list.iter().map(|(name, cluster)| ((*name).to_owned(), *cluster)).collect::<Vec<_>>(), most)
    };
    assert_eq!(said(&[], 6), "");
    assert_eq!(said(&[("web-eu", "eu")], 6), "web-eu on eu");
    assert_eq!(said(&[("web", "eu"), ("web", "us")], 6), "web on 2 clusters: eu, us");
    assert_eq!(
        said(&[("web-eu", "eu"), ("web-us", "us"), ("web-ap", "ap")], 2),
        "web-* on 3 clusters: ap, eu and 1 more"
    );
    assert_eq!(said(&[("a-eu", "eu"), ("b", "eu"), ("a-us", "us"), ("b", "us")], 6), "a-*, b on 2 clusters: eu, us");
    assert_eq!(said(&[("a", "eu"), ("b", "eu")], 6), "a, b on eu");
    // Not the same applications everywhere, or two that differ in the star only.
    assert_eq!(said(&[("a", "eu"), ("a", "us"), ("b", "us")], 6), "3 applications: a@eu, a@us, b@us");
    assert_eq!(said(&[("a-eu", "eu"), ("a-*", "eu")], 6), "2 applications: a-eu@eu, a-*@eu");
}
