//! Small parts of promotion: which version is older, names, references of templates, parts of images.

use std::collections::BTreeMap;

use super::chase::references;
use super::images::{join, split};
use super::names::{Names, identity};
use super::{Kind, is_older};
use crate::cluster::{Cluster, ClusterOrigin, Facts};
use crate::span::Span;

#[test]
fn versions_with_dots_have_an_order() {
    for (new, old, older) in [
        ("1.2.0", "1.10.0", true),
        ("1.10.0", "1.2.0", false),
        ("v1.2.0", "1.2.1", true),
        ("1.2", "1.2.0", false),
        ("1.2.0-rc.1", "1.2.0", true),
        ("1.2.0-rc.2", "1.2.0-rc.10", true),
        ("1.2.0+b", "1.2.0", false),
        ("main", "1.2.0", false),
        ("1234567", "1234568", false),
        ("sha256:00", "sha256:01", false),
        ("", "1.0.0", false),
    ] {
        assert_eq!(is_older(new, old), older, "{new} {old}");
    }
}

#[test]
fn references_of_templates() {
    for (template, names) in [
        ("{{version}}", vec!["version"]),
        ("{{ .version }}", vec!["version"]),
        ("{{- .chart.version -}}", vec!["chart.version"]),
        ("{{metadata.labels.env}}", vec!["metadata.labels.env"]),
        ("{{ index .metadata.labels \"a.b/c\" }}", vec!["metadata.labels.a.b/c"]),
        ("v{{ .a }}-{{ .b | default \"x\" }}", vec!["a", "b"]),
        ("{{ if eq .env \"dev\" }}x{{ else }}{{ .v }}{{ end }}", vec!["env", "v"]),
        ("plain", vec![]),
        ("{{ unclosed", vec![]),
    ] {
        let found: Vec<String> = references(template).iter().map(|name| name.join(".")).collect();
        assert_eq!(found, names, "{template}");
    }
}

#[test]
fn parts_of_images() {
    for (image, name, tag, digest) in [
        ("web", "web", "", ""),
        ("web:1.0", "web", "1.0", ""),
        ("localhost:5000/web", "localhost:5000/web", "", ""),
        ("localhost:5000/a/web:1@sha256:00", "localhost:5000/a/web", "1", "sha256:00"),
        ("example.com/web@sha256:00", "example.com/web", "", "sha256:00"),
    ] {
        let (found, version) = split(image);
        assert_eq!((found, version.tag.as_str(), version.digest.as_str()), (name, tag, digest), "{image}");
        assert_eq!(join(found, &version), image);
    }
}

fn cluster(name: &str, labels: &[(&str, &str)]) -> Cluster {
    Cluster {
        name: name.to_owned(),
        server: format!("https://{name}.example.com"),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        annotations: BTreeMap::new(),
        project: String::new(),
        instance: String::new(),
        facts: Facts::default(),
        object: name.to_owned(),
        origin: ClusterOrigin::Secret,
        span: Span::NONE,
    }
}

#[test]
fn names_of_environments_are_no_difference() {
    let here = cluster("dev-eu-1", &[("env", "dev"), ("region", "eu"), ("size", "1"), ("wide", "true"), ("v", "1.0")]);
    let there =
        cluster("prod-us-1", &[("env", "prod"), ("region", "us"), ("size", "3"), ("wide", "false"), ("v", "2.0")]);
    let (a, b) = (Names::of("dev", &here, &there.labels), Names::of("prod", &there, &here.labels));
    for (left, right, same) in [
        ("https://web.dev.example.com", "https://web.prod.example.com", true),
        ("db.dev-eu-1.internal", "db.prod-us-1.internal", true),
        ("bucket-eu", "bucket-us", true),
        ("developer", "producer", false),
        ("1", "3", false),
        ("true", "false", false),
        ("1.0", "2.0", false),
    ] {
        let alike = a.without(Kind::Values, left) == b.without(Kind::Values, right);
        assert_eq!(alike, same, "{left} {right}");
    }
    // A version may be called as a label of its cluster is.
    assert_ne!(a.without(Kind::Charts, "eu"), b.without(Kind::Charts, "us"));
    assert_eq!(a.in_text(Kind::Values, "ops@dev.example.com"), Some("dev"));
    assert_eq!(a.in_text(Kind::Values, "developer"), None);
    for (name, called) in
        [("web-dev-eu-1", "web"), ("dev-web", "web"), ("dev-eu-1-web-api", "web-api"), ("dev", "dev"), ("web", "web")]
    {
        assert_eq!(identity(&a, name), called, "{name}");
    }
}
