//! Giving commits to a repository: git's receive-pack, over http, ssh, and into a folder of this machine.
//!
//! A reference moves from the commit that we have seen to ours, or not at all: the server compares (`old new name`), so whoever was faster
//! is never overwritten, and nothing is ever forced. What moved meanwhile is told apart from what a server will not have, with the words
//! of its hooks. gix has no push; its wire format of packs is taken. A redirect to another server is an error, since a pack is not for it.
//! Into a repository on this machine objects are written first, as one pack, and the reference last; its hooks are programs that only git
//! runs, so a repository that has some which may refuse is left to git.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write as _};
use std::path::Path;

use gix::ObjectId;
use gix::refs::Target;
use gix::refs::transaction::{PreviousValue, RefEdit};
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::super::super::git::causes;
use super::super::http::{Ask, Client, Method};
use super::super::{Access, Fault, Hidden};
use super::address::{Address, Ssh};
use super::wire::{Meter, broken, scrubbed};
use super::{Git, foreign_objects, local, repository, ssh};

/// A reference to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// `refs/heads/…`.
    pub name: String,
    /// Where it was seen; `None` where it was not there.
    pub old: Option<ObjectId>,
    /// Where it is to be.
    pub new: ObjectId,
}

/// How a push went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All references are where they are to be.
    Done,
    /// One of them was not where it had been seen: somebody else was faster.
    Moved,
    /// The server will not have it; what it says.
    Refused(String),
}

/// What a server offers.
struct Offer {
    references: BTreeMap<String, ObjectId>,
    abilities: BTreeSet<String>,
}

/// Reasons in a report that mean that a reference moved.
const MOVED: [&str; 7] = [
    "failed to update ref",
    "incorrect old value",
    "cannot lock",
    "failed to lock",
    "reference already exists",
    "fetch first",
    "stale info",
];

/// Hooks of git that may refuse a push.
const HOOKS: [&str; 4] = ["pre-receive", "update", "proc-receive", "reference-transaction"];

impl Git {
    /// Where references of a repository are now; those that are not there are left out.
    ///
    /// # Errors
    /// The server is not reached or refuses.
    pub fn look(&self, url: &str, names: &[String]) -> Result<BTreeMap<String, ObjectId>, Fault> {
        let to = Address::parse(url)?;
        if let Address::Local(path) = &to {
            let opened = local(path)?.to_thread_local();
            let mut found = BTreeMap::new();
            for name in names {
                found.extend(at(&opened, name)?.map(|id| (name.clone(), id)));
            }
            return Ok(found);
        }
        let prefixes: Vec<&str> = names.iter().map(String::as_str).collect();
        let all = self.talk(url, &to, |mut session| session.references(&prefixes))?;
        let wanted: BTreeSet<&String> = names.iter().collect();
        Ok(all.into_iter().filter(|one| wanted.contains(&one.name)).map(|one| (one.name, one.id)).collect())
    }

    /// A repository on this machine that has a commit of another one with all its files: that one itself, or the store's.
    ///
    /// # Errors
    /// The server is not reached, or does not have it any more.
    pub fn with_commit(&self, url: &str, commit: ObjectId) -> Result<gix::ThreadSafeRepository, Fault> {
        let to = Address::parse(url)?;
        self.bring(url, &to, commit, None)?;
        match &to {
            Address::Local(path) => local(path),
            _ => self.stored(&to).open(),
        }
    }

    /// Moves references, all or (where the server can do that) none, with the objects that they need.
    ///
    /// # Errors
    /// The server is not reached or breaks off; then nobody knows, and looking tells.
    pub fn push(&self, url: &str, updates: &[Update], pack: &[u8]) -> Result<Verdict, Fault> {
        let to = Address::parse(url)?;
        let access = self.client.credentials().access(url)?;
        let meter = Meter::new(self.options.max_references);
        match &to {
            Address::Http(bare) => over_http(&self.client, bare, &access, &meter, updates, pack),
            Address::Ssh(to) => self.over_ssh(to, &access, &meter, updates, pack),
            Address::Local(path) => into_folder(path, updates, pack),
        }
    }

    fn over_ssh(
        &self,
        to: &Ssh,
        access: &Access,
        meter: &Meter,
        updates: &[Update],
        pack: &[u8],
    ) -> Result<Verdict, Fault> {
        let key = access.ssh_key.as_ref().map(Hidden::reveal);
        let known_hosts = self.client.credentials().known_hosts();
        let identity = ssh::Identity::new(key, Some(known_hosts), access.insecure)?;
        let (output, mut input, mut running) =
            ssh::run(&self.options, to, &identity, meter, ("git-receive-pack", "version=0"))?;
        let talk = || {
            let mut lines = Lines(output);
            let offer = Offer::read(&mut lines)?;
            if offer.moved(updates) {
                let _ = input.write_all(b"0000");
                return Ok(Verdict::Moved);
            }
            let head = offer.request(updates)?;
            // ssh that ends early has said why; what is written then is lost anyhow.
            let written = input.write_all(&head).and_then(|()| input.write_all(pack)).and_then(|()| input.flush());
            let verdict = offer.verdict(&mut lines);
            match (written, verdict) {
                (_, Ok(verdict)) => Ok(verdict),
                (Err(error), Err(_)) => Err(broken(&error)),
                (Ok(()), Err(fault)) => Err(fault),
            }
        };
        talk().map_err(|fault| running.explain(meter.fault().unwrap_or(fault)))
    }
}

/// Where a reference is in a repository of this machine.
fn at(repository: &gix::Repository, name: &str) -> Result<Option<ObjectId>, Fault> {
    let wrong = |error: gix::Error| Fault::lasting(causes(&error));
    let full = gix::refs::FullName::try_from(name).map_err(|_| Fault::lasting(format!("`{name}` is no reference")))?;
    let found = repository.try_find_reference(full.as_ref()).map_err(wrong)?;
    let Some(mut found) = found.filter(|found| found.name() == full.as_ref()) else { return Ok(None) };
    Ok(Some(found.peel_to_id().map_err(wrong)?.detach()))
}

fn over_http(
    client: &Client,
    base: &str,
    access: &Access,
    meter: &Meter,
    updates: &[Update],
    pack: &[u8],
) -> Result<Verdict, Fault> {
    let base = base.trim_end_matches('/');
    let url = format!("{base}/info/refs?service=git-receive-pack");
    let ask = Ask { method: Method::GET, url: &url, headers: Vec::new(), body: None, access, limit: u64::MAX };
    let stream = client.stream(&ask)?;
    if stream.url != url {
        let place = stream.url.split("/info/refs").next().unwrap_or_default().to_owned();
        return Err(Fault::lasting(format!("the server redirects to `{place}`, and nothing is pushed to a redirect"))
            .hint("publish to that URL"));
    }
    if !stream.header("content-type").unwrap_or_default().starts_with("application/x-git-receive-pack-advertisement") {
        return Err(Fault::lasting("the answer is not in git's smart protocol")
            .hint("is it the URL of a git repository, and may it be pushed to over HTTP?"));
    }
    let mut lines = Lines(meter.wrap(stream));
    let told = |fault: Fault| meter.fault().unwrap_or(fault);
    // `# service=git-receive-pack`, and the end of that part.
    while lines.next().map_err(told)?.is_some() {}
    let offer = Offer::read(&mut lines).map_err(told)?;
    if offer.moved(updates) {
        return Ok(Verdict::Moved);
    }
    let mut body = offer.request(updates)?;
    body.extend_from_slice(pack);
    let url = format!("{base}/git-receive-pack");
    let headers = vec![
        (CONTENT_TYPE, "application/x-git-receive-pack-request".to_owned()),
        (ACCEPT, "application/x-git-receive-pack-result".to_owned()),
    ];
    let stream =
        client.stream(&Ask { method: Method::POST, url: &url, headers, body: Some(body), access, limit: u64::MAX })?;
    offer.verdict(&mut Lines(meter.wrap(stream))).map_err(told)
}

/// Lines with their length in front (`gitprotocol-common`).
struct Lines<R>(R);

impl<R: Read> Lines<R> {
    /// The next line; `None` for the mark that ends a part.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut head = [0; 4];
        self.0.read_exact(&mut head).map_err(|error| broken(&error))?;
        let length = std::str::from_utf8(&head).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let length = match length {
            Some(0..=2) => return Ok(None),
            Some(length) if length >= 4 => length - 4,
            _ => return Err(Fault::lasting("the answer is not in git's protocol")),
        };
        let mut line = vec![0; length];
        self.0.read_exact(&mut line).map_err(|error| broken(&error))?;
        if let Some(said) = line.strip_prefix(b"ERR ") {
            return Err(Fault::lasting(format!("the server says: {}", scrubbed(said))));
        }
        Ok(Some(line))
    }
}

fn line(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(format!("{:04x}", text.len() + 4).as_bytes());
    out.extend_from_slice(text);
}

impl Offer {
    fn read(lines: &mut Lines<impl Read>) -> Result<Self, Fault> {
        let mut offer = Offer { references: BTreeMap::new(), abilities: BTreeSet::new() };
        let mut first = true;
        while let Some(found) = lines.next()? {
            let text = String::from_utf8_lossy(&found);
            let text = text.trim_end_matches('\n');
            if text.starts_with("version ") || text.starts_with("shallow ") {
                continue;
            }
            let (named, abilities) = text.split_once('\0').unwrap_or((text, ""));
            if std::mem::take(&mut first) {
                offer.abilities = abilities.split_whitespace().map(str::to_owned).collect();
            }
            let Some((id, name)) = named.split_once(' ') else {
                return Err(Fault::lasting("the answer is not in git's protocol"));
            };
            if id.len() == 64 {
                return Err(foreign_objects());
            }
            let id =
                ObjectId::from_hex(id.as_bytes()).map_err(|_| Fault::lasting("the answer is not in git's protocol"))?;
            if !id.is_null() && name != ".have" {
                offer.references.insert(name.to_owned(), id);
            }
        }
        let format = offer.abilities.iter().find_map(|ability| ability.strip_prefix("object-format="));
        if format.is_some_and(|format| format != "sha1") {
            return Err(foreign_objects());
        }
        if !offer.can("report-status") {
            return Err(Fault::lasting("the server does not say whether a push succeeds"));
        }
        Ok(offer)
    }

    fn can(&self, ability: &str) -> bool {
        self.abilities.contains(ability)
    }

    /// Whether a reference is not where it was seen.
    fn moved(&self, updates: &[Update]) -> bool {
        updates.iter().any(|update| self.references.get(&update.name).copied() != update.old)
    }

    /// What goes before the pack.
    fn request(&self, updates: &[Update]) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        for (at, update) in updates.iter().enumerate() {
            if !update.name.starts_with("refs/") || update.name.contains(|c: char| c.is_control() || c == ' ') {
                return Err(Fault::lasting(format!("`{}` is no reference", update.name.escape_debug())));
            }
            let old = update.old.unwrap_or_else(|| gix::hash::Kind::Sha1.null());
            let mut text = format!("{old} {} {}", update.new, update.name);
            if at == 0 {
                text.push_str("\0 report-status");
                for ability in ["side-band-64k", "atomic"] {
                    if self.can(ability) && (ability != "atomic" || updates.len() > 1) {
                        text.push(' ');
                        text.push_str(ability);
                    }
                }
                text.push_str(concat!(" agent=fleetc/", env!("CARGO_PKG_VERSION")));
            }
            line(&mut out, text.as_bytes());
        }
        out.extend_from_slice(b"0000");
        Ok(out)
    }

    /// What the server makes of it.
    fn verdict(&self, lines: &mut Lines<impl Read>) -> Result<Verdict, Fault> {
        let mut said = Vec::new();
        let mut report = Vec::new();
        if self.can("side-band-64k") {
            while let Some(found) = lines.next()? {
                match found.split_first() {
                    Some((1, data)) => report.extend_from_slice(data),
                    Some((2, data)) => said.extend_from_slice(data),
                    Some((3, data)) => {
                        return Err(Fault::lasting(format!("the server says: {}", scrubbed(data))));
                    }
                    _ => {}
                }
            }
            judge(&mut Lines(report.as_slice()), &said)
        } else {
            judge(lines, &said)
        }
    }
}

fn judge(report: &mut Lines<impl Read>, said: &[u8]) -> Result<Verdict, Fault> {
    let (mut wrong, mut heard) = (Vec::new(), false);
    while let Some(found) = report.next()? {
        let text = scrubbed(&found);
        match text.split_once(' ') {
            Some(("unpack", "ok")) => heard = true,
            Some(("unpack", why)) => (heard, _) = (true, wrong.push(format!("it cannot unpack the objects: {why}"))),
            Some(("ng", rest)) => wrong.push(rest.split_once(' ').map_or(rest, |(_, why)| why).to_owned()),
            _ => {}
        }
    }
    if !heard {
        return Err(Fault::passing("the server did not say whether the push succeeded"));
    }
    if wrong.is_empty() {
        return Ok(Verdict::Done);
    }
    if wrong.iter().any(|why| MOVED.iter().any(|words| why.contains(words))) {
        return Ok(Verdict::Moved);
    }
    wrong.dedup();
    let mut text = wrong.join("; ");
    let said = scrubbed(said);
    if !said.is_empty() {
        text = format!("{text}: {said}");
    }
    Ok(Verdict::Refused(text))
}

/// Into a repository of this machine.
fn into_folder(path: &Path, updates: &[Update], pack: &[u8]) -> Result<Verdict, Fault> {
    let wrong = |error: gix::Error| Fault::lasting(causes(&error));
    let opened = local(path)?.to_thread_local();
    let common = opened.common_dir().to_owned();
    if let Some(hook) = HOOKS.iter().find(|hook| common.join("hooks").join(hook).is_file()) {
        return Ok(Verdict::Refused(format!(
            "it has the hook `{hook}`, which only git runs: publish to it over ssh or https"
        )));
    }
    for tree in opened.worktrees_including_main().map_err(wrong)?.flatten() {
        let head = tree.head_name().ok().flatten().map(|name| name.as_bstr().to_string());
        if tree.workdir().is_some() && updates.iter().any(|update| head.as_ref() == Some(&update.name)) {
            let place = tree.workdir().unwrap_or(path).display().to_string();
            return Ok(Verdict::Refused(format!("the branch is checked out at `{place}`, which would not follow")));
        }
    }
    for update in updates {
        if at(&opened, &update.name)? != update.old {
            return Ok(Verdict::Moved);
        }
    }
    repository::take_into(&opened, pack)?;
    let mut edits = Vec::new();
    for update in updates {
        let name = gix::refs::FullName::try_from(update.name.as_str());
        let name = name.map_err(|_| Fault::lasting(format!("`{}` is no reference", update.name)))?;
        let expected = match update.old {
            Some(old) => PreviousValue::MustExistAndMatch(Target::Object(old)),
            None => PreviousValue::MustNotExist,
        };
        edits.push(RefEdit::update(name, update.new, expected, "fleetc publish"));
    }
    let time = gix::date::Time::now_utc().to_string();
    let committer = gix::actor::SignatureRef { name: "fleetc".into(), email: "fleetc@localhost".into(), time: &time };
    match opened.edit_references_as(edits, Some(committer)) {
        Ok(_) => Ok(Verdict::Done),
        Err(error) => {
            for update in updates {
                if at(&opened, &update.name)? != update.old {
                    return Ok(Verdict::Moved);
                }
            }
            let text = causes(&error);
            Err(Fault { temporary: text.contains("lock"), ..Fault::lasting(text) }
                .hint("a file `.lock` beside a reference that no git owns was left by a killed one: remove it"))
        }
    }
}

/// The objects as a pack, each as it is: a server makes deltas itself.
///
/// # Errors
/// They are more than a pack can have.
pub(in crate::host) fn pack(objects: &[(ObjectId, gix::objs::Kind, std::sync::Arc<[u8]>)]) -> io::Result<Vec<u8>> {
    use gix_pack::data::entry::Header;
    let count = u32::try_from(objects.len()).map_err(io::Error::other)?;
    let mut out = gix_pack::data::header::encode(gix_pack::data::Version::V2, count).to_vec();
    for (_, kind, data) in objects {
        let header = match kind {
            gix::objs::Kind::Blob => Header::Blob,
            gix::objs::Kind::Tree => Header::Tree,
            gix::objs::Kind::Commit => Header::Commit,
            gix::objs::Kind::Tag => Header::Tag,
        };
        header.write_to(data.len() as u64, &mut out)?;
        let mut packed = flate2::write::ZlibEncoder::new(out, flate2::Compression::fast());
        packed.write_all(data)?;
        out = packed.finish()?;
    }
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&out);
    let digest = hasher.try_finalize().map_err(|error| io::Error::other(causes(&error)))?;
    out.extend_from_slice(digest.as_slice());
    Ok(out)
}
