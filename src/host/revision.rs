//! What a revision stands for among the references of a repository, here or on a server: the rules of Argo CD, once.
//!
//! A full commit is itself; a version constraint is the newest tag that it admits; then come branches, tags and full names, and at last
//! abbreviated commits. `prefix:text` is how a `tagPrefix` of Argo CD 3.5 is written: the newest tag `prefix…` whose rest the constraint
//! admits, or the tag `prefixtext` where the text is a plain version; a prefix does nothing to any other text
//! (`util/git/client.go` `lsRemote`, `util/versions/tags.go` `MaxVersion`). No other revision has a colon: git allows none in a name.
//! Where a branch and a tag have one name the branch is taken; Argo CD takes the one that the server happens to name first.

use gix::ObjectId;

use super::versions::{Constraint, Version};

/// The references of a repository.
pub(super) trait References {
    /// Remotes whose branches come first, best first; none where the repository itself is asked.
    fn remotes(&self) -> Vec<&str>;
    /// The commit that a full name leads to, tags peeled.
    fn reference(&self, name: &str) -> Result<Option<ObjectId>, String>;
    /// The tags, without `refs/tags/`.
    fn tags(&self) -> Vec<String>;
    /// The commit with this id, as far as that can be told.
    fn commit(&self, id: ObjectId) -> Option<ObjectId>;
    /// The only commit that begins with these digits.
    fn abbreviated(&self, digits: &str) -> Result<Option<ObjectId>, String>;
}

/// The commit that a revision stands for; `None` where there is none.
///
/// # Errors
/// A name leads nowhere, or an abbreviated commit stands for several: the reason for people.
pub(super) fn find(text: &str, among: &dyn References) -> Result<Option<ObjectId>, String> {
    let (prefix, text) = text.rsplit_once(':').unwrap_or(("", text));
    if let Some(id) = full(text) {
        return Ok(among.commit(id));
    }
    if let Some(constraint) = Constraint::parse(text)
        && let Some(tag) = newest(&among.tags(), prefix, &constraint)
        && let Some(commit) = among.reference(&format!("refs/tags/{tag}"))?
    {
        return Ok(Some(commit));
    }
    let name = if Version::parse(text).is_some() { format!("{prefix}{text}") } else { text.to_owned() };
    for name in candidates(&name, &among.remotes()) {
        if let Some(commit) = among.reference(&name)? {
            return Ok(Some(commit));
        }
    }
    if is_abbreviated(text) { among.abbreviated(text) } else { Ok(None) }
}

/// The id that a full commit names.
pub(super) fn full(text: &str) -> Option<ObjectId> {
    let whole = text.len() == gix::hash::Kind::Sha1.len_in_hex();
    if whole { ObjectId::from_hex(text.to_ascii_lowercase().as_bytes()).ok() } else { None }
}

/// Whether a revision may be an abbreviated commit: Argo CD takes seven digits and more.
pub(super) fn is_abbreviated(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Full names that a revision may stand for, best first.
fn candidates(text: &str, remotes: &[&str]) -> Vec<String> {
    let branch = text.strip_prefix("refs/heads/").unwrap_or(text);
    let mut names: Vec<String> = remotes.iter().map(|remote| format!("refs/remotes/{remote}/{branch}")).collect();
    if matches!(text, "" | "HEAD") {
        names.push("HEAD".to_owned());
    }
    names.push(format!("refs/heads/{branch}"));
    if text.starts_with("refs/") {
        names.push(text.to_owned());
    } else {
        names.push(format!("refs/tags/{text}"));
        names.push(format!("refs/{text}"));
    }
    names
}

/// The tag with the highest version that a constraint admits, among those with the prefix.
fn newest(tags: &[String], prefix: &str, constraint: &Constraint) -> Option<String> {
    let versions = tags.iter().filter_map(|tag| Some((Version::parse(tag.strip_prefix(prefix)?)?, tag)));
    versions.filter(|(version, _)| constraint.admits(version)).max().map(|(_, tag)| tag.clone())
}

#[cfg(test)]
mod tests {
    use super::{References, find};
    use gix::ObjectId;

    struct Fake(Vec<(&'static str, u8)>);

    impl References for Fake {
        fn remotes(&self) -> Vec<&str> {
            Vec::new()
        }
        fn reference(&self, name: &str) -> Result<Option<ObjectId>, String> {
            Ok(self.0.iter().find(|(known, _)| *known == name).map(|(_, number)| id(*number)))
        }
        fn tags(&self) -> Vec<String> {
            self.0.iter().filter_map(|(name, _)| Some(name.strip_prefix("refs/tags/")?.to_owned())).collect()
        }
        fn commit(&self, id: ObjectId) -> Option<ObjectId> {
            Some(id)
        }
        fn abbreviated(&self, digits: &str) -> Result<Option<ObjectId>, String> {
            Ok((digits == "0909090").then(|| id(9)))
        }
    }

    fn id(number: u8) -> ObjectId {
        ObjectId::from_bytes_or_panic(&[number; 20])
    }

    #[test]
    fn revisions_are_found_as_argo_cd_finds_them() {
        let among = Fake(vec![
            ("HEAD", 1),
            ("refs/heads/main", 1),
            ("refs/heads/v1.0", 2),
            ("refs/tags/v1.0", 3),
            ("refs/tags/v1.2.0", 4),
            ("refs/tags/v1.10.0", 5),
            ("refs/tags/v2.0.0-rc.1", 6),
            ("refs/tags/web/1.4.0", 7),
            ("refs/tags/web/1.5.1", 8),
            ("refs/pull/7/head", 11),
        ]);
        for (text, want) in [
            ("", Some(1)),
            ("HEAD", Some(1)),
            ("main", Some(1)),
            ("refs/heads/main", Some(1)),
            ("v1.0", Some(2)),
            ("refs/tags/v1.0", Some(3)),
            ("tags/v1.0", Some(3)),
            ("v1.*", Some(5)),
            (">=1.2 <1.10", Some(4)),
            (">=2.0.0-0", Some(6)),
            ("3.x", None),
            ("1.2.0", None),
            ("web/:1.*", Some(8)),
            ("web/:1.4.0", Some(7)),
            ("web/:~1.4", Some(7)),
            ("web/:main", Some(1)),
            ("api/:1.*", None),
            ("refs/pull/7/head", Some(11)),
            ("pull/7/head", Some(11)),
            ("0909090", Some(9)),
            ("090909", None),
            ("none", None),
        ] {
            assert_eq!(find(text, &among), Ok(want.map(id)), "{text:?}");
        }
        let full = "0C".repeat(20);
        assert_eq!(find(&full, &among), Ok(Some(id(12))));
    }
}
