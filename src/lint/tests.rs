//! Suppressions in files and annotations, and what settings make of rules.

use super::Level;
use super::suppress::{Comments, means, of_object, problem};
use super::{FAMILIES, rule, rules};
use crate::k8s::glob::Glob;
use crate::path::TreePath;
use crate::read::{ClusterChoice, LintScope, LintSettings};
use crate::span::{FileId, SourceMap, Span, Spanned};
use crate::yaml::{self, Dialect, Limits};

#[test]
fn ids_are_unique_and_rules_say_what_they_are() {
    let mut ids: Vec<&str> = rules().map(|rule| rule.id).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert_eq!(FAMILIES.iter().map(|family| family.rules.len()).sum::<usize>(), all);
    for rule in rules() {
        assert!(rule.id.contains('/') && !rule.summary.is_empty() && !rule.why.is_empty() && !rule.fix.is_empty());
        assert_ne!(rule.level, Level::Off, "{}", rule.id);
    }
}

#[test]
fn comments_suppress_what_is_on_their_line_or_below() {
    let text = "a: 1 # fleetc.dev/ignore: schema/wrong-type: known\n\
                # fleetc.dev/ignore: schema/*: first\n\
                # fleetc.dev/ignore: schema/bad-value: second\n\
                b: 2\n\
                c: 3\n";
    let sources = SourceMap::default();
    let file = sources.add(TreePath::new("a.yaml").unwrap(), "a.yaml".to_owned(), text.as_bytes().into());
    let mut comments = Comments::of(&sources);
    let at = |key: &str| {
        let start = text.find(&format!("{key}: ")).unwrap();
        Span::new(file.id, start, start + 4)
    };
    let wrong = rule("schema/wrong-type").unwrap();
    let bad = rule("schema/bad-value").unwrap();
    let other = rule("lint/suppression").unwrap();
    let mut reason = |key: &str, rule| comments.suppresses(at(key), rule, None).map(|by| by.reason);
    assert_eq!(reason("a", wrong).as_deref(), Some("known"));
    assert_eq!(reason("a", bad), None);
    assert_eq!(reason("b", bad).as_deref(), Some("second"));
    assert_eq!(reason("b", wrong).as_deref(), Some("first"));
    assert_eq!(reason("b", other), None);
    assert_eq!(reason("c", wrong), None);
    assert_eq!(comments.all().iter().map(|(_, _, used)| *used).collect::<Vec<_>>(), [true, true, true]);
}

#[test]
fn annotations_suppress_what_they_name() {
    let text =
        "metadata:\n  annotations:\n    fleetc.dev/ignore: |\n      my-policy: because\n      schema/bad-value\n";
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    let (found, _) = of_object(&parsed.documents[0].root);
    let bad = rule("schema/bad-value").unwrap();
    assert!(means(&found[0], bad, Some("my-policy")) && !means(&found[0], bad, None));
    assert_eq!(found[0].reason, "because");
    assert!(means(&found[1], bad, None));
    let policies = ["my-policy"].into();
    assert_eq!(problem(&found[0], &policies), None);
    assert!(problem(&found[0], &std::collections::BTreeSet::new()).unwrap().0.contains("there is no rule"));
    assert!(problem(&found[1], &policies).unwrap().0.contains("no reason"));
}

#[test]
fn the_most_exact_setting_counts_and_scopes_come_last() {
    let levels = |pairs: &[(&str, Level)]| {
        pairs.iter().map(|(pattern, level)| (Spanned::detached((*pattern).to_owned()), *level)).collect()
    };
    let scope = LintScope {
        applications: vec![Glob::new("shop*", "").unwrap()],
        clusters: ClusterChoice::default(),
        rules: levels(&[("schema/*", Level::Off)]),
    };
    let settings = LintSettings {
        rules: levels(&[("*", Level::Warn), ("schema/bad-value", Level::Error), ("schema/*", Level::Off)]),
        scopes: vec![scope],
        labels: Vec::new(),
    };
    let level = |id: &str| settings.level(id, Level::Error, "shop", None);
    assert_eq!(level("schema/bad-value"), Level::Error);
    assert_eq!(level("schema/wrong-type"), Level::Off);
    assert_eq!(level("lint/suppression"), Level::Warn);
    assert!(settings.is_ever_off("schema/bad-value") && !settings.is_ever_off("lint/suppression"));
    assert_eq!(LintSettings::default().level("x/y", Level::Warn, "", None), Level::Warn);
}

#[test]
fn places_in_texts_are_places_in_files() {
    let sources = SourceMap::default();
    let text = "a: object.spec.\nb: 'x == 1'\nc: |\n  first &&\n    second\nd: >-\n  one\n";
    let file = sources.add(TreePath::new("fleet.yaml").unwrap(), "fleet.yaml".to_owned(), text.as_bytes().into());
    let place = |from: &str, to: &str, at| {
        let (start, end) = (text.find(from).unwrap(), text.find(to).unwrap());
        let span = super::within(&sources, Span::new(file.id, start, end), at)?;
        sources.locate(span).map(|found| (found.line, found.column))
    };
    assert_eq!(place("object", "\nb", (1, 8)), Some((1, 11)));
    assert_eq!(place("'x", "\nc", (1, 3)), Some((2, 7)));
    assert_eq!(place("|", "d:", (2, 5)), Some((5, 9)));
    assert_eq!(place("|", "d:", (1, 1)), Some((4, 3)));
    // What is beyond the text is its end, or nowhere.
    assert_eq!(place("object", "\nb", (1, 99)), Some((1, 16)));
    assert_eq!(place("object", "\nb", (9, 1)), None);
}
