//! `fleetc promote FROM TO`: what differs between two environments, and the edits that move versions from one to the other.
//!
//! Shown first: the differences, then what the edited fleet would be beside the fleet as it is, compiled before anything is written. Refused:
//! edits after which the fleet has new errors, or which change anything outside of the environment; files that differ from their commit, and
//! links. Without `--write`, `--commit` or an answer nothing is written.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fleetc::bundle::{self, Contents, Previous};
use fleetc::compile::{Compiled, parts};
use fleetc::diag::{Cause, Diagnostic, Diagnostics, did_you_mean};
use fleetc::diff::{self, Comparison, Side, report as diff_report};
use fleetc::host::commit;
use fleetc::host::publish::{Key, Person, Signed, Source, author, stamp};
use fleetc::k8s::glob::Glob;
use fleetc::promote::{
    self, Changed, Chosen, Decided, Difference, Kind, State, Survey, Value, report as promote_report,
};
use fleetc::read::{Environment, Fleet, environments};
use fleetc::report::{Detail, listed};
use fleetc::rollout::span_of_time;
use fleetc::span::Span;
use fleetc::yaml::edit;
use serde_json::json;

use super::args::{KindChoice, Promote};
use super::consent::Question;
use super::planning::globs;
use super::report::{self, plural};
use super::session::{Session, print_out};

const QUESTION: Question = Question {
    asks: "write these files? (y/N)",
    agrees: &["y", "yes"],
    undone: "nothing was written",
    code: "promote/agree",
    hint: "`--write` writes without asking",
};

/// How many commits are looked at for how long something has been there.
const COMMITS: usize = 2_000;

/// Runs the command.
pub(crate) fn run(args: &Promote) -> ExitCode {
    let session = match Session::open_with(&args.fleet_dir, &args.options, None, &|_| false) {
        Ok(session) => session,
        Err(code) => return code,
    };
    let compiled = session.compile();
    let mut diagnostics = compiled.diagnostics;
    let compiled = compiled.value;
    if compiled.unknown_applications || !compiled.failed_sets.is_empty() {
        let why = "an error leaves open which applications there are";
        diagnostics.push(Diagnostic::note("promote/nothing", Span::NONE, format!("nothing was compared: {why}")));
        return session.refuse(diagnostics);
    }
    let (from, to, chosen) = match asked(args, &compiled.fleet) {
        Ok(asked) => asked,
        Err(error) => return session.refuse((*error).into()),
    };
    let survey = promote::survey(&compiled, &session.world, session.world.sources(), session.world.fleet().tree);
    let mut comparison = promote::compare(&survey, &from, &to, &chosen);
    if !args.ignore_soak && to.soak > 0 {
        soak(&session, &from, &to, &mut comparison.differences);
    }
    let changed = promote::edits(&survey, &mut comparison.differences);
    let author = compiled.fleet.publish.author.as_deref().and_then(Person::parse);
    let promotion = Promotion { args, session: &session, from: &from, to: &to, author };
    let fleet_change = match promotion.after(&compiled, &survey, &changed, &mut diagnostics) {
        Ok(comparison) => comparison,
        Err(errors) => return session.refuse(errors),
    };
    let refusals = promotion.refusals(&changed);
    if refusals.has_errors() && (args.write || args.commit) {
        return session.refuse(refusals);
    }
    diagnostics.extend(refusals.into_iter().map(|mut found| {
        found.severity = fleetc::diag::Severity::Warning;
        found
    }));
    session.print_findings(&mut diagnostics);
    if !session.is_json() {
        promotion.show(&comparison, &fleet_change, &changed);
    }
    let written = match promotion.write(&changed, &comparison.differences) {
        Ok(written) => written,
        Err(Stop::Refused(errors)) => return session.refuse(errors),
        Err(Stop::Said(code)) => return ExitCode::from(code),
    };
    if session.is_json() {
        session.print_json(&diagnostics, promotion.data(&comparison, &fleet_change, &changed, written.as_ref()));
    }
    let open = args.exit_code && written.is_none() && !changed.is_empty();
    ExitCode::from(report::exit_code(&diagnostics, open))
}

/// The environments and what is to move.
fn asked(args: &Promote, fleet: &Fleet) -> Result<(Environment, Environment, Chosen), Box<Diagnostic>> {
    let usage = |message: String| Diagnostic::error("promote/environment", Span::NONE, message).cause(Cause::Usage);
    let all = environments(&fleet.environments, &fleet.clusters);
    let find = |name: &str| -> Result<Environment, Box<Diagnostic>> {
        if let Some(found) = all.iter().find(|environment| *environment.name == name) {
            return Ok(found.clone());
        }
        let error = usage(format!("there is no environment `{name}`"));
        let names: Vec<String> = all.iter().map(|environment| environment.name.to_string()).collect();
        let error = did_you_mean(name, names.iter().map(String::as_str)).into_iter().fold(error, Diagnostic::hint);
        Err(Box::new(match names.as_slice() {
            [] => error.hint(
                "name them in fleet.yaml: `environments: [{name: staging, selector: {matchLabels: {env: staging}}}]`",
            ),
            _ => error.hint(format!("there are {}", listed(names, 12))),
        }))
    };
    let (from, to) = (find(&args.from)?, find(&args.to)?);
    if from.name == to.name {
        return Err(Box::new(usage("the environments are the same".to_owned())));
    }
    if !to.from.is_empty() && !to.from.iter().any(|name| **name == *from.name) {
        let names: Vec<String> = to.from.iter().map(|name| format!("`{}`", **name)).collect();
        let message =
            format!("promotions to `{}` come from {}, not from `{}`", *to.name, names.join(" or "), *from.name);
        let error = Diagnostic::error("promote/policy", to.from.first().map_or(Span::NONE, |name| name.span), message);
        return Err(Box::new(error.cause(Cause::Answer).hint(format!("promote to {} first", names.join(" or ")))));
    }
    let mut kinds: Vec<Kind> = args.only.iter().map(|kind| kind_of(*kind)).collect();
    if kinds.is_empty() {
        // Whoever names something means it, whatever its kind.
        kinds = if args.keys.is_empty() { Kind::VERSIONS.to_vec() } else { Kind::ALL.to_vec() };
    }
    let applications: Vec<Glob> = globs(&args.apps)?;
    Ok((from, to, Chosen { kinds, applications, keys: globs(&args.keys)?, older: args.allow_older }))
}

fn kind_of(choice: KindChoice) -> Kind {
    match choice {
        KindChoice::Images => Kind::Images,
        KindChoice::Charts => Kind::Charts,
        KindChoice::Revisions => Kind::Revisions,
        KindChoice::Values => Kind::Values,
        KindChoice::Overlays => Kind::Overlays,
    }
}

// ------------------------------------------------------------------------------------------------------------------------------- soak

/// Lets stay what the environment has not had long enough, by the commit that wrote it.
fn soak(session: &Session, from: &Environment, to: &Environment, differences: &mut [Difference]) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    for difference in differences.iter_mut().filter(|difference| difference.state == State::Moves) {
        let Some(side) = &difference.from else { continue };
        let wants = span_of_time(to.soak);
        let (name, other) = (&*from.name, &*to.name);
        let why = match since(session, side) {
            Ok(Some(since)) => {
                let age = u64::try_from(now.saturating_sub(since)).unwrap_or(0).saturating_mul(1_000);
                if age >= to.soak {
                    continue;
                }
                format!("{name} has had it for {}, {other} wants {wants}", span_of_time(age))
            }
            Ok(None) => format!("it is not committed, and {other} wants that {name} has had it for {wants}"),
            Err(why) => format!("nobody knows since when {name} has it: {why}"),
        };
        difference.state = State::Stays(format!("{why}; `--ignore-soak` moves it all the same"));
    }
}

/// When a value came to the place that decides it: seconds since 1970; `None` where it is not committed.
fn since(session: &Session, side: &promote::Side) -> Result<Option<i64>, String> {
    let Decided::At(place, _) = &side.decided else {
        return Err("it is not decided at one place of this repository".to_owned());
    };
    let file = session.path_of(&place.file);
    let read = |text: &str| -> Option<String> {
        if matches!(side.value, Value::File(_)) {
            return Some(text.to_owned());
        }
        let documents = edit::documents(text).ok()?;
        place.address.get(&documents).map(|node| format!("{node:?}"))
    };
    let now = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let now = read(&now);
    let mut since = None;
    for version in session.world.versions(&file, COMMITS)? {
        if read(&version.text) != now {
            break;
        }
        since = Some(version.seconds);
    }
    Ok(since)
}

// -------------------------------------------------------------------------------------------------------------------------- promotion

struct Promotion<'p> {
    args: &'p Promote,
    session: &'p Session,
    from: &'p Environment,
    to: &'p Environment,
    /// `publish.author` of fleet.yaml.
    author: Option<Person>,
}

/// Why nothing was written.
enum Stop {
    Refused(Diagnostics),
    /// It was said already.
    Said(u8),
}

/// What was written.
struct Written {
    commit: Option<String>,
}

impl Promotion<'_> {
    /// How the fleet differs with the edits, compiled without writing them.
    ///
    /// # Errors
    /// It has errors that it did not have, or something changes outside of the environment.
    fn after(
        &self,
        before: &Compiled,
        _survey: &Survey<'_>,
        changed: &[Changed],
        diagnostics: &mut Diagnostics,
    ) -> Result<Comparison, Diagnostics> {
        if changed.is_empty() {
            return Ok(Comparison::default());
        }
        let mut options = self.args.options.clone();
        options.edits = changed.iter().map(|file| (file.path.clone(), file.after.clone())).collect();
        let edited = Session::open_with(&self.args.fleet_dir, &options, None, &|_| false)
            .map_err(|_| refusal("promote/broken", "the fleet cannot be read with these edits".to_owned()))?;
        let compiled = edited.compile();
        let sources = edited.world.sources();
        let place = |found: &Diagnostic, sources: &fleetc::span::SourceMap| {
            (found.code, found.message.clone(), sources.locate(found.span).map(|at| at.file))
        };
        let (old, old_errors) = side(self.session, before);
        let known: BTreeSet<_> =
            diagnostics.iter().chain(old_errors.iter()).map(|one| place(one, self.session.world.sources())).collect();
        let (new, new_errors) = side(&edited, &compiled.value);
        let errors: Vec<Diagnostic> =
            compiled.diagnostics.into_iter().chain(new_errors).filter(Diagnostic::is_error).collect();
        let fresh: Vec<Diagnostic> =
            errors.into_iter().filter(|error| !known.contains(&place(error, sources))).collect();
        if let Some(first) = fresh.first() {
            let at = sources.locate(first.span).map(|at| format!("{at}: ")).unwrap_or_default();
            let message =
                format!("with these edits the fleet has {}: {at}{}", plural(fresh.len(), "new error"), first.message);
            let hint = "nothing was written; move less (`--only`, `--app`, `--key`), or what belongs together at once";
            return Err(Diagnostic::error("promote/broken", Span::NONE, message)
                .cause(Cause::Answer)
                .hint(hint)
                .into());
        }
        let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| edited.pool.spread(count, work);
        let comparison = diff::compare(&old, &new, &spread);
        let outside = self.outside(&comparison, &compiled.value.fleet);
        if !outside.is_empty() {
            let names = listed(outside.into_iter().collect(), 4);
            let message = format!("these edits would also change what is outside of `{}`: {names}", *self.to.name);
            let error = Diagnostic::error("promote/outside", Span::NONE, message).cause(Cause::Answer);
            return Err(error.hint("give the environment a file of its own for it").into());
        }
        Ok(comparison)
    }

    /// What changes outside of the environment.
    fn outside(&self, comparison: &Comparison, fleet: &Fleet) -> BTreeSet<String> {
        let places = comparison.changes.iter().flat_map(|change| &change.places);
        let places = places.chain(comparison.applications.iter().flat_map(|change| &change.places));
        let is_inside = |place: &&diff::Place| {
            let cluster = fleet.clusters.iter().find(|cluster| bundle::cluster_name(cluster, fleet) == *place.cluster);
            cluster.is_some_and(|cluster| self.to.has(&place.application.name, cluster))
        };
        let outside = places.filter(|place| !is_inside(place));
        outside.map(|place| format!("{}@{}", place.application, place.cluster)).collect()
    }

    /// Why files may not be written: links, and what somebody has changed.
    fn refusals(&self, changed: &[Changed]) -> Diagnostics {
        let mut found = Diagnostics::new();
        let mut files = Vec::new();
        for change in changed {
            let file = self.session.path_of(&change.path);
            if leads_elsewhere(&file) {
                found.extend(refusal("promote/link", format!("`{}` is a link, or lies behind one", change.path)));
            } else {
                files.push(file);
            }
        }
        match commit::dirty(self.session.world.folder(), &files) {
            Err(why) => found.extend(refusal("promote/git", format!("the repository cannot be read: {why}"))),
            Ok(dirty) if !dirty.is_empty() && (!self.args.allow_dirty || self.args.commit) => {
                let names: Vec<String> = dirty.iter().map(|file| format!("`{}`", file.display())).collect();
                let message = format!(
                    "{} from their commit: {}",
                    if names.len() == 1 { "a file differs" } else { "files differ" },
                    listed(names, 6)
                );
                let error = Diagnostic::error("promote/dirty", Span::NONE, message).cause(Cause::Answer);
                let hint = match self.args.commit {
                    true => "a commit of them would hold what somebody else changed: commit or stash that first",
                    false => "commit or stash that first, or say `--allow-dirty`",
                };
                found.push(error.hint(hint));
            }
            Ok(_) => {}
        }
        found
    }

    fn show(&self, comparison: &promote::Comparison, fleet: &Comparison, changed: &[Changed]) {
        let color = self.args.options.color.is_on(&std::io::stdout());
        let detail = Detail { verbose: self.args.options.verbose, color };
        let sources = self.session.world.sources();
        print_out(&promote_report::human(&self.from.name, &self.to.name, comparison, sources, detail));
        if !changed.is_empty() {
            let files: Vec<String> = changed.iter().map(|file| file.path.to_string()).collect();
            print_out(&format!("\n{}: {}\n\n", plural(files.len(), "file"), listed(files, 12)));
            print_out(&diff_report::human(fleet, detail));
        }
        if !comparison.failed.is_empty() {
            self.session
                .say(&format!("not compared, since they do not render: {}", listed(comparison.failed.clone(), 6)));
        }
    }

    /// Writes what was shown, where somebody says so. `None` where nobody did, or there is nothing.
    ///
    /// # Errors
    /// It cannot be written, or somebody says no.
    fn write(&self, changed: &[Changed], differences: &[Difference]) -> Result<Option<Written>, Stop> {
        let told = self.args.write || self.args.commit;
        if changed.is_empty() || self.args.dry_run {
            return Ok(None);
        }
        if !told {
            if self.session.is_json() || !std::io::stdin().is_terminal() {
                self.session.say("nothing was written: `--write` writes these files, `--commit` commits them, too");
                return Ok(None);
            }
            QUESTION.put(self.session, &Diagnostics::new()).map_err(Stop::Said)?;
            let refusals = self.refusals(changed);
            if refusals.has_errors() {
                return Err(Stop::Refused(refusals));
            }
        }
        let mut files = Vec::new();
        for change in changed {
            let file = self.session.path_of(&change.path);
            // What somebody changed while it was looked at is not written over.
            let held = std::fs::read(&file).ok();
            if held.as_deref() != change.before.as_deref() {
                return Err(refused_write(&change.path.to_string(), "it was changed meanwhile"));
            }
            files.push(file);
        }
        for (at, change) in changed.iter().enumerate() {
            let Some(file) = files.get(at) else { continue };
            if let Err(error) = put(file, &change.after) {
                // All or nothing: what was written is as it was.
                for (file, change) in files.iter().zip(changed).take(at) {
                    let _ = match &change.before {
                        Some(before) => put(file, before),
                        None => std::fs::remove_file(file),
                    };
                }
                return Err(refused_write(&change.path.to_string(), &error.to_string()));
            }
        }
        self.session.say(&format!("{} written", plural(files.len(), "file")));
        if !self.args.commit {
            return Ok(Some(Written { commit: None }));
        }
        let commit = self.commit(&files, differences).map_err(|why| {
            let message = format!("the files are written, and cannot be committed: {why}");
            Stop::Refused(Diagnostic::error("promote/commit", Span::NONE, message).cause(Cause::Answer).into())
        })?;
        self.session.say(&format!("committed as {}", commit.get(..12).unwrap_or(&commit)));
        Ok(Some(Written { commit: Some(commit) }))
    }

    fn commit(&self, files: &[PathBuf], differences: &[Difference]) -> Result<String, String> {
        let source = Source::of(self.session.world.folder())?;
        let source = source.as_ref();
        let named = match &self.args.author {
            Some(text) => Some(Person::parse(text).ok_or_else(|| format!("`{text}` is not `NAME <ADDRESS>`"))?),
            None => None,
        };
        let writer = author(named.as_ref(), "AUTHOR", self.author.as_ref(), source);
        let committer = author(None, "COMMITTER", Some(&writer), source);
        let signed =
            Signed { author: (writer, stamp("AUTHOR", None)?), committer: (committer, stamp("COMMITTER", None)?) };
        let key = self.args.sign.clone().map(Key::new);
        let head = source.map(|source| source.commit.clone()).unwrap_or_default();
        let message = self.message(&head, differences);
        commit::commit(self.session.world.folder(), files, &message, &signed, key.as_ref())
    }

    /// The message of the commit: what moves, and from where, as trailers.
    fn message(&self, head: &str, differences: &[Difference]) -> String {
        let (from, to) = (&*self.from.name, &*self.to.name);
        let moves: Vec<&Difference> = differences.iter().filter(|one| one.state == State::Moves).collect();
        let mut names: Vec<String> = moves.iter().map(|one| one.application.clone()).collect();
        names.dedup();
        let subject = self.args.message.clone();
        let subject = subject.unwrap_or_else(|| format!("Promote {} from {from} to {to}", listed(names, 3)));
        let lines = moves.iter().map(|one| {
            let shown = |side: &Option<promote::Side>| match side {
                Some(side) => promote_report::value(one, side),
                None => "(none)".to_owned(),
            };
            match one.kind {
                Kind::Overlays => format!("- {}: {} {}\n", one.application, one.kind.one(), one.name),
                _ => format!(
                    "- {}: {} {} {} → {}\n",
                    one.application,
                    one.kind.one(),
                    one.name,
                    shown(&one.to),
                    shown(&one.from)
                ),
            }
        });
        let body: String = lines.collect();
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "{subject}\n\n{body}\nPromoted-From: {from}\nPromoted-To: {to}\nSource-Commit: {head}\nFleetc-Version: {version}\n"
        )
    }

    /// The result as data. Schema: `schema/promote.schema.json`.
    fn data(
        &self,
        comparison: &promote::Comparison,
        fleet: &Comparison,
        changed: &[Changed],
        written: Option<&Written>,
    ) -> serde_json::Value {
        let sources = self.session.world.sources();
        let side = |difference: &Difference, side: &Option<promote::Side>| {
            side.as_ref().map(|side| {
                let place = match &side.decided {
                    Decided::At(place, span) => Some(promote_report::at(&place.file.to_string(), *span, sources)),
                    Decided::Elsewhere(_) => None,
                };
                json!({"value": promote_report::value(difference, side), "place": place})
            })
        };
        let differences = comparison.differences.iter().map(|one| {
            let (state, why) = match &one.state {
                State::Moves => ("moves", None),
                State::NotChosen => ("not-chosen", None),
                State::Stays(why) => ("stays", Some(why)),
            };
            json!({
                "application": one.application, "kind": one.kind.name(), "name": one.name, "state": state, "why": why,
                "from": side(one, &one.from), "to": side(one, &one.to),
                "file": one.target.as_ref().map(|(place, _)| place.file.to_string()),
                "clusters": one.clusters, "applications": one.applications,
            })
        });
        let differences: Vec<serde_json::Value> = differences.collect();
        let files: Vec<serde_json::Value> =
            changed.iter().map(|file| json!({"path": file.path.to_string(), "new": file.before.is_none()})).collect();
        json!({
            "from": *self.from.name, "to": *self.to.name, "compared": comparison.compared,
            "differences": differences, "onlyFrom": comparison.only_from, "onlyTo": comparison.only_to,
            "files": files, "diff": super::diff::data(fleet),
            "written": written.is_some(), "commit": written.and_then(|written| written.commit.clone()),
        })
    }
}

/// The bundles of a compiled fleet, and what is to be said of them.
fn side(session: &Session, compiled: &Compiled) -> (Side, Diagnostics) {
    let parts = parts(compiled, session.world.sources());
    let mut diagnostics = parts.diagnostics;
    let previous = Previous::default();
    let input =
        bundle::Input { fleet: &compiled.fleet, parts: &parts.value, previous: &previous, failed_sets: &[], key: None };
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| session.pool.spread(count, work);
    let bundled = bundle::bundle(&input, &spread);
    diagnostics.extend(bundled.diagnostics);
    let bundles = bundled.value.bundles.into_iter();
    (bundles.map(|bundle| (bundle.cluster.clone(), Contents::from(bundle))).collect(), diagnostics)
}

fn refusal(code: &'static str, message: String) -> Diagnostics {
    Diagnostic::error(code, Span::NONE, message).cause(Cause::Answer).into()
}

fn refused_write(path: &str, why: &str) -> Stop {
    Stop::Refused(refusal("promote/write", format!("`{path}` cannot be written: {why}; nothing was changed")))
}

/// Whether a file is a link or lies behind one: another file would be written.
fn leads_elsewhere(file: &Path) -> bool {
    let is_link = file.symlink_metadata().is_ok_and(|found| found.file_type().is_symlink());
    let folder = file.ancestors().skip(1).find(|folder| folder.exists());
    is_link || folder.is_some_and(|folder| folder.canonicalize().is_ok_and(|real| real != folder))
}

/// Writes a file as a whole, with the rights that it has.
fn put(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let rights = std::fs::metadata(file).map(|found| found.permissions());
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    std::fs::write(&beside, bytes)?;
    if let Ok(rights) = rights {
        std::fs::set_permissions(&beside, rights)?;
    }
    std::fs::rename(&beside, file)
}
