//! Where a published commit comes from, and who makes it.
//!
//! The source is the checkout that the fleet lies in: its commit, its remote, and what differs from the commit among what went into the
//! render. Names come from the command line, git's variables, fleet.yaml and git's configuration, in this order; times are those of the
//! source commit, so that two machines make the same commit. No git program runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;

use super::super::git::{Checkout, causes};
use super::super::seen::Seen;
use super::Stamp;
use crate::digest::Digest;
use crate::source::{same_repository, without_credentials};

/// A name and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
}

impl Person {
    /// Reads `Name <address>`.
    pub fn parse(text: &str) -> Option<Person> {
        let (name, rest) = text.split_once('<')?;
        let email = rest.trim().strip_suffix('>')?;
        Person::of(name, email)
    }

    fn of(name: &str, email: &str) -> Option<Person> {
        let fits = |text: &str| !text.is_empty() && !text.contains(|c: char| "<>".contains(c) || c.is_control());
        let (name, email) = (name.trim(), email.trim());
        (fits(name) && fits(email)).then(|| Person { name: name.to_owned(), email: email.to_owned() })
    }
}

/// The commit that a fleet lies at.
pub struct Source {
    checkout: Checkout,
    workdir: PathBuf,
    /// The commit.
    pub commit: String,
    /// When it was committed.
    pub time: Stamp,
    /// Who wrote it, as `Name <address>`, and when.
    pub author: (String, i64),
    /// Its message.
    pub message: String,
    /// The branch checked out; `None` for a detached HEAD.
    pub branch: Option<String>,
}

impl Source {
    /// That of the fleet in this folder; `None` where it lies in no checkout, or before the first commit.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn of(folder: &Path) -> Result<Option<Source>, String> {
        let Some(checkout) = Checkout::discover(folder, &Seen::default())? else { return Ok(None) };
        let Some(workdir) = checkout.workdir().map(Path::to_owned) else { return Ok(None) };
        let commit = checkout.head();
        if commit.is_empty() {
            return Ok(None);
        }
        let wrong = |error: gix::Error| causes(&error);
        let local = checkout.repository().to_thread_local();
        let head = local.head_commit().map_err(wrong)?;
        let time = head.time().map_err(wrong)?;
        let written = head.author().map_err(wrong)?;
        let name = format!("{} <{}>", written.name.to_str_lossy().trim(), written.email.to_str_lossy().trim());
        let author = (name, written.time().map_or(time.seconds, |time| time.seconds));
        let message = head.message_raw().map(|text| text.to_str_lossy().into_owned()).unwrap_or_default();
        let branch = local.head_name().map_err(wrong)?;
        let branch =
            branch.and_then(|name| Some(name.as_bstr().strip_prefix(b"refs/heads/")?.to_str_lossy().into_owned()));
        let time = Stamp { seconds: time.seconds, offset: time.offset };
        Ok(Some(Source { checkout, workdir, commit, time, author, message, branch }))
    }

    /// Where its branches are pushed to: `origin`, else the only remote; the repository itself where there is none.
    ///
    /// # Errors
    /// There are several remotes, and none is `origin`.
    pub fn home(&self) -> Result<String, String> {
        let local = self.checkout.repository().to_thread_local();
        let snapshot = local.config_snapshot();
        let names: Vec<String> =
            local.remote_names().into_iter().map(|name| name.to_str_lossy().into_owned()).collect();
        let name = match (names.iter().find(|name| *name == "origin"), names.as_slice()) {
            (Some(origin), _) => origin,
            (None, []) => return Ok(self.workdir.display().to_string()),
            (None, [one]) => one,
            (None, several) => return Err(format!("the checkout has the remotes {}", several.join(", "))),
        };
        let value = |key: &str| {
            snapshot.string(format!("remote.{name}.{key}").as_str()).map(|url| url.to_str_lossy().into_owned())
        };
        let url = value("pushurl").or_else(|| value("url")).ok_or_else(|| format!("the remote `{name}` has no URL"))?;
        let url = self.checkout.rewritten(&url);
        // A path in the configuration is one from the checkout.
        Ok(if url.starts_with('.') { self.workdir.join(url).display().to_string() } else { url })
    }

    /// The URL of the remote for people and metadata; the folder where there is none.
    pub fn shown(&self) -> String {
        self.home().map_or_else(|_| self.workdir.display().to_string(), |url| without_credentials(&url))
    }

    /// Whether a URL is that of this checkout or of one of its remotes.
    pub fn is_at(&self, url: &str) -> bool {
        let path = url.strip_prefix("file://").unwrap_or(url);
        let same = || {
            Path::new(path).canonicalize().is_ok_and(|path| path == self.workdir || path == self.workdir.join(".git"))
        };
        self.checkout.answers(url) || self.home().is_ok_and(|home| same_repository(&home, url)) || same()
    }

    /// What differs from the commit: among `inputs` (paths from the root of the checkout), and files of the commit below `fleet` that are
    /// gone.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn differences(&self, fleet: &str, inputs: &BTreeMap<String, Digest>) -> Result<Vec<String>, String> {
        let wrong = |error: gix::Error| causes(&error);
        let local = self.checkout.repository().to_thread_local();
        let tree = local.head_commit().and_then(|head| head.tree()).map_err(wrong)?;
        let mut files = BTreeMap::new();
        let mut todo = vec![(String::new(), tree.id)];
        while let Some((path, tree)) = todo.pop() {
            for entry in local.find_tree(tree).map_err(wrong)?.iter() {
                let entry = entry.map_err(wrong)?;
                let name = entry.filename().to_str_lossy();
                let inside = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
                match entry.mode().kind() {
                    gix::objs::tree::EntryKind::Tree => todo.push((inside, entry.object_id())),
                    gix::objs::tree::EntryKind::Commit => {}
                    _ => drop(files.insert(inside, entry.object_id())),
                }
            }
        }
        let mut found = Vec::new();
        for (path, digest) in inputs {
            let same = match files.get(path) {
                Some(id) => Digest::of(&local.find_object(*id).map_err(wrong)?.data) == *digest,
                None => false,
            };
            if !same {
                found.push(path.clone());
            }
        }
        let below = |path: &str| fleet.is_empty() || path.strip_prefix(fleet).is_some_and(|rest| rest.starts_with('/'));
        found.extend(
            files.keys().filter(|path| below(path) && self.workdir.join(path).symlink_metadata().is_err()).cloned(),
        );
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The folder that paths of [`Source::differences`] begin at.
    pub fn workdir(&self) -> &Path {
        &self.workdir
    }

    /// Whether a commit that is known here comes after ours; `None` where it is not known, as in a shallow clone.
    pub fn is_before(&self, other: &str) -> Option<bool> {
        let local = self.checkout.repository().to_thread_local();
        let (ours, other) = (self.checkout.commit(&self.commit)?, self.checkout.commit(other)?);
        if ours == other {
            return Some(false);
        }
        for (count, found) in local.rev_walk([other]).all().ok()?.enumerate() {
            if found.ok()?.id == ours {
                return Some(true);
            }
            if count > 200_000 {
                return None;
            }
        }
        Some(false)
    }

    fn configured(&self) -> Option<Person> {
        let local = self.checkout.repository().to_thread_local();
        let snapshot = local.config_snapshot();
        let value = |key: &str| snapshot.string(key).map(|text| text.to_str_lossy().into_owned());
        Person::of(&value("user.name")?, &value("user.email")?)
    }
}

/// Who is named: by `--author`, git's variables, fleet.yaml, the configuration of the checkout, that of the user.
pub fn author(flag: Option<&Person>, role: &str, fleet: Option<&Person>, source: Option<&Source>) -> Person {
    let set = |name: &str| std::env::var(format!("GIT_{role}_{name}")).ok();
    let environment = || Person::of(&set("NAME")?, &set("EMAIL")?);
    let user = || {
        let home = std::env::var_os("HOME").map(PathBuf::from)?;
        let file = gix::config::File::from_path_no_includes(home.join(".gitconfig"), gix::config::Source::User).ok()?;
        let value = |key: &str| file.string(key).map(|text| text.to_str_lossy().into_owned());
        Person::of(&value("user.name")?, &value("user.email")?)
    };
    let found = flag.cloned().or_else(environment).or_else(|| fleet.cloned());
    let found = found.or_else(|| source.and_then(Source::configured)).or_else(user);
    found.unwrap_or_else(|| Person { name: "fleetc".to_owned(), email: "fleetc@localhost".to_owned() })
}

/// When: what git's variable says, SOURCE_DATE_EPOCH, the time of the source commit, now.
///
/// # Errors
/// A variable holds no time.
pub fn stamp(role: &str, source: Option<&Source>) -> Result<Stamp, String> {
    for name in [format!("GIT_{role}_DATE"), "SOURCE_DATE_EPOCH".to_owned()] {
        let Ok(text) = std::env::var(&name) else { continue };
        let epoch = || text.parse().ok().map(|seconds| Stamp { seconds, offset: 0 });
        let git =
            || gix::date::parse(&text, None).ok().map(|time| Stamp { seconds: time.seconds, offset: time.offset });
        return epoch().or_else(git).ok_or_else(|| format!("{name} holds no time that git would take"));
    }
    if let Some(source) = source {
        return Ok(source.time);
    }
    let now = gix::date::Time::now_utc();
    Ok(Stamp { seconds: now.seconds, offset: now.offset })
}
