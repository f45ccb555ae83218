//! Tables of patterns with what the originals find for them.

use super::glob_pathspec::Pathspec;
use crate::k8s::doublestar::Doublestar;
use crate::k8s::path_match::PathPattern;

/// A table: a comment, a line of paths, then a pattern a line with the paths that it finds, or `!` where it is refused.
fn check(table: &str, find: impl Fn(&str, &[&str]) -> Option<Vec<String>>) {
    let mut lines = table.lines().filter(|line| !line.starts_with("# "));
    let paths: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in lines {
        rows += 1;
        let (pattern, want) = line.split_once('\t').unwrap();
        let got = find(pattern, &paths).map_or("!".to_owned(), |found| found.join("\t"));
        if got != want {
            wrong.push(format!("`{pattern}` finds [{got}], the original [{want}]"));
        }
    }
    assert!(rows > 200, "the table is cut off");
    assert!(wrong.is_empty(), "{} of {rows}:\n{}", wrong.len(), wrong.join("\n"));
}

fn matching<'p>(paths: &[&'p str], matches: impl Fn(&'p str) -> bool) -> Vec<String> {
    paths.iter().filter(|path| matches(path)).map(|path| (*path).to_owned()).collect()
}

#[test]
fn directories_match_as_in_go() {
    check(include_str!("../../fixtures/expand/globs/path-match.txt"), |pattern, paths| {
        let Some(compiled) = PathPattern::new(pattern) else { return Some(Vec::new()) };
        for path in paths.iter().filter(|path| compiled.matches(path)) {
            assert!(path.starts_with(compiled.directory()), "{pattern}: {path} is not below {}", compiled.directory());
        }
        Some(matching(paths, |path| compiled.matches(path)))
    });
}

#[test]
fn files_match_as_in_git() {
    check(include_str!("../../fixtures/expand/globs/pathspec.txt"), |pattern, paths| {
        let compiled = Pathspec::new(pattern).ok()?;
        for path in paths.iter().filter(|path| compiled.matches(path)) {
            assert!(path.starts_with(compiled.directory()), "{pattern}: {path} is not below {}", compiled.directory());
        }
        Some(matching(paths, |path| compiled.matches(path)))
    });
}

#[test]
fn files_match_as_in_doublestar() {
    check(include_str!("../../fixtures/expand/globs/doublestar.txt"), |pattern, paths| {
        let compiled = Doublestar::new(pattern).ok()?;
        let is_directory = |path: &str| paths.iter().any(|other| other.starts_with(&format!("{path}/")));
        Some(matching(paths, |path| {
            if is_directory(path) { compiled.matches_directory(path) } else { compiled.matches(path) }
        }))
    });
}
