//! What a commit holds, and what is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Branches, Commit, File, MANIFEST, Manifest, Owner, Role, Said, Target, Tip, Wanted, What, branch_problem, compare,
    message,
};

fn id(text: &str) -> String {
    crate::digest::Digest::of(text.as_bytes()).hex()
}

fn owner(cluster: &str, application: &str) -> Owner {
    Owner { cluster: cluster.to_owned(), application: application.to_owned() }
}

fn wanted(files: &[(&str, &str)]) -> Wanted {
    let file = |path: &str, text: &str| {
        let role = if path.ends_with(".lock") { Role::Beside } else { Role::Content };
        let (cluster, rest) = path.split_once('/').unwrap_or(("", path));
        let owner = owner(cluster, rest);
        (path.to_owned(), File { text: Some(Arc::from(text)), owner, role })
    };
    let files = files.iter().map(|(path, text)| file(path, text)).collect();
    Wanted { fleet: "f".to_owned(), layout: "bundles".to_owned(), files, keep: false }
}

/// The tip after a commit.
fn after(tip: &Tip, commit: &Commit) -> Tip {
    let mut tip = tip.clone();
    tip.files.retain(|path, _| !commit.remove.contains(path));
    for (path, text) in &commit.put {
        match path.as_str() {
            MANIFEST => tip.manifest = Some(Manifest::parse(text).unwrap()),
            path => drop(tip.files.insert(path.to_owned(), Some(id(text)))),
        }
    }
    tip
}

fn compared(wanted: &Wanted, tip: &Tip) -> Option<Commit> {
    compare(wanted, tip, &id, &BTreeMap::new(), false).unwrap()
}

fn refused(wanted: &Wanted, tip: &Tip, adopt: bool) -> Option<&'static str> {
    compare(wanted, tip, &id, &BTreeMap::new(), adopt).err().and_then(|found| found.into_iter().next()).map(|d| d.code)
}

#[test]
fn stale_files_go_and_foreign_ones_stay() {
    let first = compared(&wanted(&[("a/web", "1"), ("a/db", "1"), ("x.lock", "1")]), &Tip::default()).unwrap();
    let mut tip = after(&Tip::default(), &first);
    tip.files.insert("notes.txt".to_owned(), Some(id("mine")));
    assert_eq!(compared(&wanted(&[("a/web", "1"), ("a/db", "1"), ("x.lock", "1")]), &tip), None);
    // What only says where the rest came from makes no commit.
    assert_eq!(compared(&wanted(&[("a/web", "1"), ("a/db", "1"), ("x.lock", "2")]), &tip), None);
    let next = compared(&wanted(&[("a/web", "2"), ("x.lock", "2")]), &tip).unwrap();
    assert_eq!(next.remove.iter().collect::<Vec<_>>(), ["a/db"]);
    assert_eq!(next.put.keys().collect::<Vec<_>>(), [MANIFEST, "a/web", "x.lock"]);
    let tip = after(&tip, &next);
    assert!(tip.files.contains_key("notes.txt"));
    assert_eq!(tip.manifest.unwrap().files.len(), 2);
}

#[test]
fn what_somebody_edited_stays_or_is_written_anew() {
    let first = compared(&wanted(&[("a/web", "1"), ("a/db", "1")]), &Tip::default()).unwrap();
    let mut tip = after(&Tip::default(), &first);
    tip.files.insert("a/web".to_owned(), Some(id("edited")));
    tip.files.insert("a/db".to_owned(), Some(id("edited")));
    let next = compared(&wanted(&[("a/web", "1")]), &tip).unwrap();
    assert!(next.remove.is_empty(), "{:?}", next.remove);
    assert_eq!(next.put.get("a/web").map(|text| &**text), Some("1"));
    let codes: Vec<_> = next.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["publish/edited", "publish/left"]);
    assert!(!after(&tip, &next).manifest.unwrap().files.contains_key("a/db"));
}

#[test]
fn what_is_not_ours_is_refused() {
    let mut tip = Tip::default();
    tip.files.insert("src/main.rs".to_owned(), Some(id("x")));
    let ours = wanted(&[("a/web", "1")]);
    assert_eq!(refused(&ours, &tip, false), Some("publish/foreign-branch"));
    assert_eq!(refused(&ours, &tip, true), None);
    let mut tip = after(&Tip::default(), &compared(&ours, &Tip::default()).unwrap());
    for (path, text) in [("a/db", "x"), ("b", "x"), ("c/d/e", "x")] {
        let mut tip = tip.clone();
        tip.files.insert(path.to_owned(), Some(id(text)));
        for way in ["a/db", "b/web", "c/d"] {
            let in_way = path == way || (path, way) == ("b", "b/web") || (path, way) == ("c/d/e", "c/d");
            let want = if in_way { Some("publish/foreign-file") } else { None };
            assert_eq!(refused(&wanted(&[("a/web", "1"), (way, "1")]), &tip, false), want, "{path} {way}");
        }
        // The same content is nobody's loss.
        if path == "a/db" {
            assert_eq!(refused(&wanted(&[("a/web", "2"), (path, text)]), &tip, false), None);
        }
    }
    // A link is never ours.
    tip.files.insert("a/db".to_owned(), None);
    assert_eq!(refused(&wanted(&[("a/web", "1"), ("a/db", "1")]), &tip, false), Some("publish/foreign-file"));
    let other = Wanted { fleet: "g".to_owned(), ..ours };
    assert_eq!(refused(&other, &tip, false), Some("publish/other-fleet"));
}

#[test]
fn what_is_held_stays_as_it_was_seen() {
    let first = compared(&wanted(&[("a/web", "1"), ("a/db", "1")]), &Tip::default()).unwrap();
    let mut tip = after(&Tip::default(), &first);
    let mut next = wanted(&[("a/web", "2"), ("a/db", "1")]);
    next.files.get_mut("a/db").unwrap().text = None;
    let held = BTreeMap::from([("a/db".to_owned(), id("1"))]);
    let commit = compare(&next, &tip, &id, &held, false).unwrap().unwrap();
    assert_eq!(commit.put.keys().collect::<Vec<_>>(), [MANIFEST, "a/web"]);
    assert!(after(&tip, &commit).manifest.unwrap().files.contains_key("a/db"));
    tip.files.insert("a/db".to_owned(), Some(id("2")));
    let error = compare(&next, &tip, &id, &held, false).unwrap_err();
    assert_eq!(error.into_iter().next().unwrap().code, "publish/moved");
}

#[test]
fn manifests_are_read_as_they_are_written() {
    let first = compared(&wanted(&[("a/we b%", "1"), ("ä/ö", "1")]), &Tip::default()).unwrap();
    let text = &first.put[MANIFEST];
    let manifest = Manifest::parse(text).unwrap();
    assert_eq!(manifest.to_text(), **text);
    assert_eq!(manifest.files["a/we b%"].owner, owner("a", "we b%"));
    for wrong in ["", "format 2\n", "format 1\nwhat is this\n", "format 1\nzz a b c\n"] {
        assert!(Manifest::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn messages_say_what_and_have_a_bound() {
    let mut commit = Commit::default();
    for n in 0..60 {
        commit.changes.insert(format!("a/{n}"), (What::Changed, owner("a", &format!("app-{n:02}"))));
    }
    for n in 0..9 {
        commit.changes.insert(format!("new/{n}"), (What::Added, owner(&format!("c{n}"), "app")));
    }
    let said = Said { fleet: "f".to_owned(), trailers: vec![("Source-Commit".to_owned(), "abc".to_owned())] };
    let text = message(&commit, &said);
    assert!(
        text.starts_with("Publish f: 9 applications added, 60 applications changed on 10 clusters\n\n+ app: c0, c1, c2, c3, c4 and 4 more\n~ app-00: a\n"),
        "{text}"
    );
    assert!(text.ends_with("… and 21 more\n\nSource-Commit: abc\n"), "{text}");
}

#[test]
fn branches_are_made_of_labels() {
    let labels = BTreeMap::from([("region".to_owned(), "eu".to_owned()), ("a/b".to_owned(), "c".to_owned())]);
    for (template, want) in [
        ("main", Some("main")),
        ("rendered/{{ region }}", Some("rendered/eu")),
        ("{{ cluster.labels['a/b'] }}/{{ cluster.name | upper }}", Some("c/X")),
        ("r/{{ zone }}", None),
        ("r/{{ zone | default('none') }}", Some("r/none")),
        ("r/{{ region }}..{{ region }}", None),
    ] {
        let branch = Branches::new(template).unwrap().of("x", "https://x", &labels);
        assert_eq!(branch.ok().as_deref(), want, "{template}");
    }
    assert!(Branches::new("r/{{ region").is_err());
    for wrong in
        ["", "a b", "-a", "a..b", "a.lock", "a/.b", "/a", "a/", "a//b", "@", "a@{1", "a\n", "HEAD", "a.", "a:b"]
    {
        assert!(branch_problem(wrong).is_some(), "{wrong:?}");
    }
}

#[test]
fn targets_name_a_branch() {
    for (text, want) in [
        ("rendered", Some((None, "rendered"))),
        ("refs/heads/rendered", Some((None, "rendered"))),
        ("https://git/r.git#main", Some((Some("https://git/r.git"), "main"))),
        (".#main", Some((Some("."), "main"))),
        ("git@host:r#a/{{ region }}", Some((Some("git@host:r"), "a/{{ region }}"))),
        ("https://git/r.git", None),
        ("git@host:r", None),
        ("https://git/r.git#", None),
        ("#main", None),
        ("", None),
    ] {
        let target = Target::parse(text).ok();
        let want = want.map(|(url, branch)| Target { url: url.map(str::to_owned), branch: branch.to_owned() });
        assert_eq!(target, want, "{text}");
    }
}
