//! Globs against recorded answers of gobwas/glob.

use super::Glob;

#[test]
fn globs_match_as_in_argo_cd() {
    for line in include_str!("../../../fixtures/k8s/globs.txt").lines().filter(|line| !line.starts_with('#')) {
        let [pattern, separators, text, expected] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let answer = match Glob::new(pattern, separators.trim()) {
            None => "malformed",
            Some(glob) if glob.matches(text) => "yes",
            Some(_) => "no",
        };
        assert_eq!(answer, expected, "{line}");
    }
}
