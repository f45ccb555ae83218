//! `fleetc publish`: compile, and commit the bundles to branches of a repository, without a worktree.
//!
//! What failed applications keep is what lies on the branch. Refused, before anything is pushed: a working tree that is not its commit, the
//! branch that the fleet is made from, Secrets with clear data, an older commit than was published last. Branches do not stop each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fleetc::bundle::{self, Bundle, INDEX, OldBundle, OldFile, Previous};
use fleetc::compile::Assembled;
use fleetc::diag::{Cause, Checked, Diagnostic, Diagnostics};
use fleetc::digest::Digest;
use fleetc::host::fetch;
use fleetc::host::publish::{Key, Outcome, Person, Publisher, Seen, Signed, Source, Work, author, blob_id, stamp};
use fleetc::host::write::FLEET_LOCK;
use fleetc::publish::{self, Branches, Context, LAYOUTS, Layout, NOTES, Origin, Said, Target, Wanted, What};
use fleetc::read::{Fleet, SecretPolicy};
use fleetc::sops::Recipient;
use fleetc::source::without_credentials;
use fleetc::span::{FileId, Span};
use fleetc::yaml::{self, Dialect, Limits};
use serde_json::{Value, json};

use super::args::{LayoutChoice, Publish};
use super::assembly::{Bundled, finish};
use super::pull_request::Requests;
use super::report::{self, plural};
use super::session::{Session, is_offline, print_out, write_file};

/// Branches that are worked on at once.
const AT_ONCE: usize = 8;

/// Runs the command.
pub(crate) fn run(args: &Publish) -> ExitCode {
    let session = match Session::open(&args.fleet.knowing(&args.management), None) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let compiled = session.compile();
    let (place, source) = match place(args, &session, &compiled.value.fleet) {
        Ok(found) => found,
        Err(mut errors) => {
            errors.extend(compiled.diagnostics);
            return session.refuse(errors);
        }
    };
    let mut refusals = Diagnostics::new();
    if let Some(source) = &source {
        refusals.extend(differences(
            args,
            &session,
            source,
            compiled.value.inputs.iter().map(|(p, d)| (p.to_string(), *d)),
        ));
        if !args.allow_source_branch && source.is_at(&place.url) && place.branches.is_one() {
            refusals.extend(source_branch(args, &place.branch, source));
        }
    }
    let mut members: BTreeMap<String, Checked<String>> = BTreeMap::new();
    for cluster in &compiled.value.fleet.clusters {
        let name = bundle::cluster_name(cluster, &compiled.value.fleet);
        let branch = place.branches.of(&name, &cluster.server, &cluster.labels);
        members.entry(name).or_insert(branch);
    }
    if refusals.has_errors() {
        refusals.extend(compiled.diagnostics);
        return session.refuse(refusals);
    }
    // What lies on the branches now.
    let progress = session.progress("looking at branches");
    let names: BTreeSet<String> = members.values().flatten().cloned().collect();
    let seen = see(&place.publisher, names);
    progress.finish_and_clear();
    let seen = match seen {
        Ok(seen) => seen,
        Err(errors) => return session.refuse(errors),
    };
    let mut previous = previous(&seen);
    previous.fleet_lock = std::fs::read_to_string(session.world.folder().join(FLEET_LOCK)).ok().map(Arc::from);
    let texts = |previous: &mut Previous, paths: &[String]| {
        for path in paths {
            if let Some(text) = seen.values().find_map(|seen| seen.text(path)) {
                previous.texts.insert(path.clone(), text.into());
            }
        }
    };
    let bundled = finish(&session, compiled, &mut previous, &texts, args.keep_going, false);
    let Bundled { fleet, diagnostics, assembled, units, renders } = bundled;
    let mut found = Diagnostics::new();
    // How it compares with what lies in the folder of the bundles is nothing to a branch.
    found.extend(diagnostics.into_iter().filter(|found| found.cause != Cause::Answer || found.code == "lock/locked"));
    let Some(mut assembled) = assembled else {
        found.push(nothing(
            "an error leaves open which application is where, and a missing one would read as a removal",
        ));
        return session.refuse(found);
    };
    let held = publish::held(&assembled.bundled.bundles);
    if session.is_strict() && (held > 0 || found.has_errors()) {
        found.push(nothing("with `--strict` every application must render"));
        return session.refuse(found);
    }
    let mut lock = text_of_lock(&assembled);
    if let Some(names) = &fleet.publish.encrypt {
        match sealed(names, &session, std::mem::take(&mut assembled.bundled.bundles)) {
            Ok(bundles) => {
                lock = publish::relocked(&lock, &bundles).into();
                assembled.bundled.bundles = bundles;
                // They are not clear where they are published.
                found.0.retain(|found| found.code != "bundle/clear-secret" || found.is_error());
            }
            Err(errors) => {
                found.extend(errors);
                return session.refuse(found);
            }
        }
    }
    if !args.allow_secrets && fleet.secrets != SecretPolicy::Allow {
        let secrets = clear_secrets(&assembled.bundled.bundles);
        if secrets.has_errors() {
            found.extend(secrets);
            return session.refuse(found);
        }
    }
    let mut branches: BTreeMap<String, Vec<&Bundle>> = BTreeMap::new();
    for bundle in &assembled.bundled.bundles {
        match members.get(&bundle.cluster) {
            Some(Ok(branch)) => branches.entry(branch.clone()).or_default().push(bundle),
            Some(Err(_)) if bundle.index.applications.is_empty() => {}
            Some(Err(errors)) => found.extend(errors.clone()),
            None if place.branches.is_one() => branches.entry(place.branch.clone()).or_default().push(bundle),
            None => {}
        }
    }
    if found.iter().any(|found| found.code == "publish/branch") {
        return session.refuse(found);
    }
    let name = fleet.name.clone().unwrap_or_default();
    let said = Said { fleet: name.clone(), trailers: trailers(args, source.as_ref(), &assembled.output.fleet_lock) };
    let origin = source.as_ref().map(|source| Origin {
        url: source.shown(),
        commit: source.commit.clone(),
        author: source.author.0.clone(),
        time: source.author.1,
        message: source.message.clone(),
    });
    let reached = if fleet.publish.url.is_empty() { &place.url } else { &fleet.publish.url };
    let context = Context {
        fleet: name,
        url: without_credentials(reached),
        branch: String::new(),
        folder: place.folder.clone(),
        origin,
        lock,
        shared: publish::shared(&assembled.bundled.bundles),
        held: held > 0,
        encrypts: fleet.publish.encrypt.is_some(),
    };
    let work: Vec<(String, Wanted, Option<Seen>)> = {
        let mut seen = seen;
        let wanted = branches.into_iter().map(|(branch, bundles)| {
            let context = Context { branch: branch.clone(), ..context.clone() };
            let wanted = publish::wanted(place.layout, &bundles, &context);
            let seen = seen.remove(&branch);
            (branch, wanted, seen)
        });
        wanted.collect()
    };
    let hydrated = context.origin.as_ref().filter(|_| place.layout == Layout::Hydrator);
    let order = |seen: &Seen| match seen.trailers.get(SOURCE_COMMIT).zip(source.as_ref()) {
        Some((theirs, source)) if !args.allow_older && source.is_before(theirs) == Some(true) => {
            Err(older(source, theirs))
        }
        _ => Ok(()),
    };
    let mark =
        source.as_ref().map_or_else(|| Digest::of(context.lock.as_bytes()).hex(), |source| source.commit.clone());
    let mark = mark.get(..12).unwrap_or_default();
    let requests = match args.pull_request.filter(|_| !args.dry_run) {
        Some(choice) => match Requests::of(choice, &place.url, &session, mark) {
            Ok(requests) => Some(requests),
            Err(errors) => {
                found.extend(errors);
                return session.refuse(found);
            }
        },
        None => None,
    };
    let progress = session.progress("publishing");
    let outcomes = each(work, |(branch, wanted, seen)| {
        let held = held_ids(&wanted, seen.as_ref());
        let decide = |seen: &Seen| {
            let commit = publish::compare(&wanted, &seen.tip, &|text| blob_id(text), &held, args.adopt_branch)?;
            let Some(holds) = commit else { return Ok(None) };
            order(seen)?;
            let message = match hydrated {
                Some(origin) => publish::hydrated_message(origin, &said.trailers),
                None => publish::message(&holds, &said),
            };
            Ok(Some(Work { holds, message }))
        };
        let outcome = match (&requests, seen) {
            (Some(requests), Some(seen)) => requests.publish(&place.publisher, &branch, &seen, &said, &decide),
            (_, seen) => {
                place.publisher.publish(&branch, None, seen, args.dry_run, &decide).map(|outcome| (outcome, None))
            }
        };
        (branch.clone(), outcome)
    });
    progress.finish_and_clear();
    let mut results = Vec::new();
    for (branch, outcome) in outcomes {
        match outcome {
            Ok((outcome, request)) => {
                if let Some(request) = request {
                    session.say(&format!("{branch}: pull request {} {}", request.number, request.url));
                }
                let warnings = outcome.holds.iter().flat_map(|holds| holds.warnings.iter().cloned());
                found.extend(warnings);
                results.push((branch, outcome));
            }
            Err(errors) => {
                found.extend(errors.into_iter().map(|error| error.trace(Span::NONE, format!("branch `{branch}`"))));
            }
        }
    }
    if let Some(file) = &args.pr_text {
        let commits: Vec<_> =
            results.iter().filter_map(|(branch, outcome)| Some((branch.as_str(), outcome.holds.as_ref()?))).collect();
        if let Err(error) = write_file(file, &publish::pull_request(&commits, &said)) {
            let message = format!("cannot write `{}`: {error}", file.display());
            found.push(Diagnostic::error("publish/pr-text", Span::NONE, message).cause(Cause::Usage));
        }
    }
    if let Some(origin) = hydrated.filter(|_| !args.dry_run)
        && let Err(errors) = notes(&place.root, origin, &results)
    {
        found.extend(errors);
    }
    let shown = without_credentials(&place.url);
    session.say(&format!("{} from {}", plural(units, "application"), plural(renders, "render")));
    tell(args, &session, &shown, &results, found, held)
}

fn text_of_lock(assembled: &Assembled) -> Arc<str> {
    let lock = assembled.output.files.iter().find(|file| file.path == bundle::BUNDLES_LOCK);
    lock.and_then(|file| file.text.clone()).unwrap_or_default()
}

/// The bundles with their clear Secrets sealed for these recipients.
fn sealed(names: &[String], session: &Session, bundles: Vec<Bundle>) -> Checked<Vec<Bundle>> {
    let wrong = |message: String, hint: &str| -> Diagnostics {
        Diagnostic::error("publish/encrypt", Span::NONE, message).cause(Cause::Usage).hint(hint).into()
    };
    let recipient = |name: &String| {
        let message = || format!("`{name}` is no public key of age for X25519 (`publish.encrypt` of fleet.yaml)");
        Recipient::parse(name).ok_or_else(|| wrong(message(), "`age-keygen -y KEYS` prints it: `age1…`"))
    };
    let recipients: Vec<Recipient> = names.iter().map(recipient).collect::<Checked<_>>()?;
    let Some(key) = session.digest_key()?.filter(|_| !recipients.is_empty()) else {
        let message = "Secrets are encrypted with a key from which the ciphertext follows, and for somebody".to_owned();
        let hint = "write `digestKey: {environment: NAME}` and `publish: {encrypt: {age: [age1…]}}` into fleet.yaml";
        return Err(wrong(message, hint));
    };
    let sealed = bundles.into_iter().map(|bundle| {
        publish::encrypted(bundle, &recipients, &key)
            .map_err(|path| wrong(format!("the Secrets in `{path}` cannot be encrypted"), "this is a bug of fleetc"))
    });
    sealed.collect()
}

/// Where it goes.
struct Place {
    url: String,
    branch: String,
    branches: Branches<'static>,
    /// The folder on it.
    folder: String,
    layout: Layout,
    publisher: Publisher,
    /// The same for all of a branch.
    root: Publisher,
}

fn usage(message: String, hint: &str) -> Diagnostics {
    Diagnostic::error("publish/usage", Span::NONE, message).cause(Cause::Usage).hint(hint).into()
}

fn place(args: &Publish, session: &Session, fleet: &Fleet) -> Checked<(Place, Option<Source>)> {
    let git = |reason: String| Diagnostic::error("host/git", Span::NONE, reason).cause(Cause::Source);
    let source = Source::of(session.world.folder()).map_err(git)?;
    let (text, from) = match (&args.to, &fleet.publish.to) {
        (Some(to), _) => (to, Path::new(".")),
        (None, Some(to)) => (to, session.world.folder()),
        (None, None) => {
            let hint = "say `--to BRANCH` or `--to URL#BRANCH`, or write `publish: {to: …}` into fleet.yaml";
            return Err(usage("nobody says where to publish".to_owned(), hint));
        }
    };
    let target = Target::parse(text)
        .map_err(|why| usage(why, "the branch of bundles is best one of its own, such as `rendered`"))?;
    let branches = Branches::new(&target.branch)?;
    if branches.is_one()
        && let Some(why) = publish::branch_problem(&target.branch)
    {
        return Err(usage(format!("the branch `{}` {why}", target.branch.escape_debug()), "choose another name"));
    }
    let url = match (target.url, &source) {
        (Some(url), _) => located(&url, from),
        (None, Some(source)) => source.home().map_err(|why| usage(why, "say which by `--to URL#BRANCH`"))?,
        (None, None) => {
            let message = format!("`{text}` is a branch of the fleet's repository, and the fleet lies in none");
            return Err(usage(message, "name the repository: `--to URL#BRANCH`"));
        }
    };
    let is_here = url.starts_with('/') || url.starts_with("file://");
    let options = &args.fleet.options;
    if !is_here && (options.offline || options.frozen || is_offline()) {
        let message =
            format!("`{}` is elsewhere, and nothing is asked of the network (`--offline`)", without_credentials(&url));
        return Err(usage(message, "leave it out, or publish to a repository on this machine"));
    }
    let named = |text: &String| {
        let hint = "write it as `Name <address>`";
        Person::parse(text).ok_or_else(|| usage(format!("`{text}` names no author"), hint))
    };
    let flag = args.author.as_ref().map(named).transpose()?;
    let of_fleet = fleet.publish.author.as_ref().map(named).transpose()?;
    let time = |role: &str| stamp(role, source.as_ref()).map_err(|why| usage(why, "write it as `@1700000000 +0000`"));
    let writer = author(flag.as_ref(), "AUTHOR", of_fleet.as_ref(), source.as_ref());
    let committer = author(None, "COMMITTER", Some(&writer), source.as_ref());
    let who = Signed { author: (writer, time("AUTHOR")?), committer: (committer, time("COMMITTER")?) };
    let store = || usage("there is no store".to_owned(), "give `--store DIR`, or set FLEETC_STORE");
    let git = || fetch::repositories(options.store.clone(), session.logins.clone()).ok_or_else(store);
    let folder = args.path.clone().unwrap_or_else(|| fleet.publish.path.clone());
    let folder = folder.trim_matches('/').trim_start_matches("./").to_owned();
    if folder != "." && folder.split('/').any(|part| matches!(part, ".." | "." | ".git")) {
        return Err(usage(format!("`{folder}` is no folder of a branch"), "write it as `path/on/the/branch`"));
    }
    let folder = if folder == "." { String::new() } else { folder };
    let attempts = args.retries.saturating_add(1);
    let key = args.sign.clone().map(Key::new);
    let publisher = Publisher::new(git()?, &url, &folder, who.clone(), attempts).signing(key.clone());
    let root = Publisher::new(git()?, &url, "", who, attempts).signing(key);
    let layout = match args.layout {
        Some(LayoutChoice::Bundles) => Layout::Bundles,
        Some(LayoutChoice::Argocd) => Layout::ArgoCd,
        Some(LayoutChoice::Flux) => Layout::Flux,
        Some(LayoutChoice::Hydrator) => Layout::Hydrator,
        None => LAYOUTS.iter().find(|(name, _)| *name == fleet.publish.layout).map_or(Layout::Bundles, |(_, one)| *one),
    };
    if layout == Layout::Hydrator && source.is_none() {
        let message = "the hydrator's layout says which commit was rendered, and the fleet lies at none".to_owned();
        return Err(usage(message, "publish from a git checkout, or choose another `--layout`"));
    }
    Ok((Place { url, branch: target.branch, branches, folder, layout, publisher, root }, source))
}

/// Notes on the commits that branches are at: which commit of the fleet they have. Written also where nothing changed.
fn notes(root: &Publisher, origin: &Origin, results: &[(String, Outcome)]) -> Checked<()> {
    let text: Arc<str> = publish::note(origin).into();
    let decide = |seen: &Seen| {
        let mut holds = publish::Commit::default();
        for commit in results.iter().filter_map(|(_, outcome)| outcome.new.as_ref()) {
            let path = publish::note_path(commit, &seen.tip.files);
            if seen.tip.files.get(&path) != Some(&Some(blob_id(&text))) {
                holds.put.insert(path, Arc::clone(&text));
            }
        }
        let message = format!("Notes of fleetc: rendered from {}\n", origin.commit);
        Ok(if holds.put.is_empty() { None } else { Some(Work { holds, message }) })
    };
    root.publish(NOTES, None, None, false, &decide).map(drop)
}

/// A repository as it is written; a path that is relative becomes one that is not.
fn located(url: &str, from: &Path) -> String {
    if url.starts_with('.') || (!url.contains(':') && !url.starts_with('/')) {
        let path = from.join(url);
        return path.canonicalize().or_else(|_| std::path::absolute(&path)).unwrap_or(path).display().to_string();
    }
    url.to_owned()
}

fn nothing(why: &str) -> Diagnostic {
    Diagnostic::note("publish/nothing-published", Span::NONE, format!("nothing was published: {why}"))
}

/// A working tree that is not its commit would be published under the name of that commit.
fn differences(
    args: &Publish,
    session: &Session,
    source: &Source,
    inputs: impl Iterator<Item = (String, Digest)>,
) -> Option<Diagnostic> {
    if args.allow_dirty {
        return None;
    }
    let fleet = session.world.fleet().path.to_string();
    let depth = session.world.fleet().path.segments().count();
    let root = session.world.folder().ancestors().nth(depth)?;
    let before = root.strip_prefix(source.workdir()).ok()?.to_str()?.to_owned();
    let join = |path: &str| {
        if before.is_empty() { path.to_owned() } else { format!("{before}/{path}").trim_end_matches('/').to_owned() }
    };
    let inputs = inputs.map(|(path, digest)| (join(&path), digest)).collect();
    let below = if fleet == "." || fleet.is_empty() { before.clone() } else { join(&fleet) };
    let found = match source.differences(&below, &inputs) {
        Ok(found) => found,
        Err(why) => return Some(Diagnostic::error("host/git", Span::NONE, why).cause(Cause::Source)),
    };
    let first = found.first()?;
    let more = match found.len() {
        1 => String::new(),
        more => format!(" and {} more", plural(more - 1, "file")),
    };
    let short = source.commit.get(..12).unwrap_or_default();
    let message = format!("`{first}`{more} is not as in the commit {short} that would be named as the source");
    let error = Diagnostic::error("publish/dirty", Span::NONE, message).cause(Cause::Answer);
    Some(error.hint("commit it first, or say `--allow-dirty`"))
}

fn source_branch(args: &Publish, branch: &str, source: &Source) -> Option<Diagnostic> {
    let named = args.fleet.options.branch.as_deref();
    if source.branch.as_deref() != Some(branch) && named != Some(branch) {
        return None;
    }
    let message = format!("`{branch}` is the branch that the fleet is made from");
    let error = Diagnostic::error("publish/source-branch", Span::NONE, message).cause(Cause::Answer);
    Some(error.hint("publish to another branch, or say `--allow-source-branch` (with `--path`, to a folder of it)"))
}

fn older(source: &Source, theirs: &str) -> Diagnostics {
    let short = |id: &str| id.get(..12).unwrap_or(id).to_owned();
    let message =
        format!("what was published last is from {}, which comes after {}", short(theirs), short(&source.commit));
    let error = Diagnostic::error("publish/older", Span::NONE, message).cause(Cause::Answer);
    error.hint("nothing is to be done when a newer run was faster; to go back on purpose, say `--allow-older`").into()
}

const SOURCE_COMMIT: &str = "Source-Commit";

fn trailers(args: &Publish, source: Option<&Source>, fleet_lock: &str) -> Vec<(String, String)> {
    let mut trailers = Vec::new();
    let mut add = |key: &str, value: String| trailers.push((key.to_owned(), value));
    if let Some(source) = source {
        add("Source-Repository", source.shown());
        add(SOURCE_COMMIT, source.commit.clone());
        if args.allow_dirty {
            add("Source-State", "perhaps modified".to_owned());
        }
    }
    add("Fleet-Lock", Digest::of(fleet_lock.as_bytes()).to_string());
    add("Fleetc-Version", env!("CARGO_PKG_VERSION").to_owned());
    trailers
}

/// Does work on several threads; results in the order of the work.
fn each<T: Send, R: Send>(work: Vec<T>, one: impl Fn(T) -> R + Sync) -> Vec<R> {
    let slots: Vec<Mutex<(Option<T>, Option<R>)>> =
        work.into_iter().map(|item| Mutex::new((Some(item), None))).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..slots.len().min(AT_ONCE) {
            scope.spawn(|| {
                while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let item = slot.lock().unwrap_or_else(PoisonError::into_inner).0.take();
                    let result = item.map(&one);
                    slot.lock().unwrap_or_else(PoisonError::into_inner).1 = result;
                }
            });
        }
    });
    slots.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner).1).collect()
}

/// What lies on each branch.
fn see(publisher: &Publisher, branches: BTreeSet<String>) -> Checked<BTreeMap<String, Seen>> {
    let names: Vec<String> = branches.into_iter().collect();
    let mut tips = publisher.look(&names)?;
    let work: Vec<_> = names.into_iter().map(|name| (tips.remove(&name), name)).collect();
    let mut seen = BTreeMap::new();
    let mut errors = Diagnostics::new();
    for (name, result) in each(work, |(tip, name)| (name, publisher.see(tip))) {
        match result {
            Ok(found) => drop(seen.insert(name, found)),
            Err(found) => errors.extend(found),
        }
    }
    if errors.has_errors() { Err(errors) } else { Ok(seen) }
}

/// What failed applications may keep: bundles on the branches, and their files that nobody edited.
fn previous(seen: &BTreeMap<String, Seen>) -> Previous {
    let mut previous = Previous::default();
    for seen in seen.values() {
        let Some(manifest) = &seen.tip.manifest else { continue };
        let untouched = |path: &String| {
            let id = seen.tip.files.get(path).and_then(Option::as_ref);
            manifest.files.get(path).is_some_and(|known| id == Some(&known.id))
        };
        for path in seen.tip.files.keys() {
            let Some((directory, INDEX)) = path.split_once('/') else { continue };
            let Some(text) = seen.text(path).filter(|_| untouched(path)) else { continue };
            let old = OldBundle::new(text.into());
            for (file, digests) in old.index().files() {
                let path = format!("{directory}/{file}");
                if let Some(digest) = digests.first()
                    && untouched(&path)
                {
                    previous.files.insert(path, OldFile::File(*digest));
                }
            }
            previous.bundles.insert(directory.to_owned(), old);
        }
    }
    previous
}

/// The ids of the files that are to stay as they were seen.
fn held_ids(wanted: &Wanted, seen: Option<&Seen>) -> BTreeMap<String, String> {
    let held = wanted.files.iter().filter(|(_, file)| file.text.is_none());
    held.filter_map(|(path, _)| Some((path.clone(), seen?.tip.files.get(path)?.clone()?))).collect()
}

/// Secrets with clear data, one error for all.
fn clear_secrets(bundles: &[Bundle]) -> Diagnostics {
    let mut looked: BTreeMap<usize, bool> = BTreeMap::new();
    let mut found = Vec::new();
    for bundle in bundles {
        for file in &bundle.files {
            let Some(text) = file.text.as_ref().filter(|text| text.contains("Secret")) else { continue };
            let clear = *looked.entry(Arc::as_ptr(text).cast::<u8>() as usize).or_insert_with(|| {
                let documents = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
                documents.unwrap_or_default().iter().any(bundle::is_clear_secret)
            });
            if clear {
                found.push(format!("`{}/{}`", bundle.directory, file.path));
            }
        }
    }
    let Some(first) = found.first() else { return Diagnostics::new() };
    let more = match found.len() {
        1 => String::new(),
        more => format!(" and {} more", plural(more - 1, "file")),
    };
    let message = format!("{first}{more} would be published with clear data of Secrets");
    Diagnostic::error("publish/clear-secret", Span::NONE, message)
        .cause(Cause::Answer)
        .hint("use SealedSecrets, ExternalSecrets or SOPS, or leave them out (`secrets: omit` in fleet.yaml)")
        .hint("where only those read the branch who may: `--allow-secrets`, or `secrets: allow`")
        .into()
}

/// Prints what became of every branch.
fn tell(
    args: &Publish,
    session: &Session,
    url: &str,
    results: &[(String, Outcome)],
    mut found: Diagnostics,
    held: usize,
) -> ExitCode {
    session.print_findings(&mut found);
    if session.is_json() {
        let branches: Vec<Value> = results.iter().map(|(branch, outcome)| data(branch, outcome)).collect();
        session
            .print_json(&found, json!({"repository": url, "dryRun": args.dry_run, "held": held, "branches": branches}));
        return ExitCode::from(report::exit_code(&found, false));
    }
    let mut unchanged = 0;
    for (branch, outcome) in results {
        let Some(holds) = &outcome.holds else {
            unchanged += 1;
            continue;
        };
        let short = |id: &Option<String>| id.as_deref().and_then(|id| id.get(..12)).unwrap_or("new").to_owned();
        let subject = outcome.message.lines().next().unwrap_or_default();
        if args.dry_run {
            print_out(&format!("{branch}: would be {} (from {})\n", short(&outcome.new), short(&outcome.old)));
            for line in outcome.message.lines() {
                print_out(&format!("    {line}\n").replace("    \n", "\n"));
            }
            for (path, (what, _)) in &holds.changes {
                let mark = match what {
                    What::Added => "+",
                    What::Changed => "~",
                    What::Removed => "-",
                };
                print_out(&format!("  {mark} {path}\n"));
            }
        } else {
            let again = if outcome.again > 0 { format!(", tried {} times", outcome.again + 1) } else { String::new() };
            session.say(&format!("{branch}: {}..{}{again}: {subject}", short(&outcome.old), short(&outcome.new)));
        }
    }
    if unchanged > 0 {
        session.say(&format!("{} of {url} as before", plural(unchanged, "branch").replace("branchs", "branches")));
    }
    if held > 0 {
        session.say(&format!("{held} held at what was published last, or absent"));
    }
    ExitCode::from(report::exit_code(&found, false))
}

fn data(branch: &str, outcome: &Outcome) -> Value {
    let files: Vec<Value> = outcome
        .holds
        .iter()
        .flat_map(|holds| &holds.changes)
        .map(|(path, (what, owner))| {
            let what = match what {
                What::Added => "added",
                What::Changed => "changed",
                What::Removed => "removed",
            };
            json!({"path": path, "what": what, "cluster": owner.cluster, "application": owner.application})
        })
        .collect();
    json!({
        "branch": branch, "before": outcome.old, "commit": outcome.new, "changed": outcome.holds.is_some(),
        "attempts": outcome.again + 1, "message": outcome.message, "files": files,
    })
}
