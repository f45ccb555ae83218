//! What all commands over a fleet share: opening the world, compiling with progress, printing the findings, the exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetc::bundle::BUNDLES_LOCK;
use fleetc::cluster::Cluster;
use fleetc::compile::{Compiled, Input, Pins, compile, declared};
use fleetc::diag::{Cause, Checked, Diagnostic, Diagnostics, Warned};
use fleetc::digest::Key;
use fleetc::host::fetch::{self, Allowed, Known, Logins, Sources};
use fleetc::host::record::Said;
use fleetc::host::seen::{Question, Seen};
use fleetc::host::write::FLEET_LOCK;
use fleetc::host::{HostOptions, HostWorld, Pool, WatchedClock};
use fleetc::lock::{Answers, BundlesLock, FleetLock, State};
use fleetc::path::TreePath;
use fleetc::read::{self, EngineChoice, Engines, Fleet, KeyPlace, ReadOptions, Repository};
use fleetc::render::Tools;
use fleetc::render::kept::Kept;
use fleetc::source::SourceRequest;
use fleetc::span::{FileId, SourceFile, SourceMap, Span};
use fleetc::world::World as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::annotations;
use super::args::{Color, FleetArgs, FleetOptions, Format};
use super::progress::Fetching;
use super::report::{self, plural};

/// An opened fleet.
pub(crate) struct Session {
    pub(crate) world: HostWorld,
    pub(crate) pool: Pool,
    pub(crate) output: PathBuf,
    /// What fleet.lock pinned when the fleet was opened.
    pub(crate) pins: Pins,
    /// The recorded answers that it pinned.
    pub(crate) answers: Answers,
    input: Input,
    pub(crate) tools: Tools,
    /// Who we are where sources lie.
    pub(crate) logins: Logins,
    options: FleetOptions,
    digest_key: Option<KeyPlace>,
    /// What was printed, for runs that are remembered.
    said: Mutex<Said>,
    /// Renders of this run and of the one before.
    kept: Mutex<Kept>,
}

impl Session {
    /// Opens the fleet that the arguments name; `output` is the folder of the bundles.
    ///
    /// # Errors
    /// The exit code, after the reason was printed: no such folder, a bad `--engine`, no threads.
    pub(crate) fn open(args: &FleetArgs, output: Option<&Path>) -> Result<Session, ExitCode> {
        Self::open_with(&args.dir, &args.options, output, &|_| false)
    }

    /// Opens the fleet as it was in a commit of its repository, in git's syntax; the checkout is not touched. There are no bundles then.
    ///
    /// # Errors
    /// Those of [`Session::open`], and no such commit.
    pub(crate) fn open_at(dir: &Path, options: &FleetOptions, revision: &str) -> Result<Session, ExitCode> {
        Self::open_any(dir, options, None, &|_| false, Some(revision))
    }

    /// The same, with pins that do not hold: what they are of is resolved anew.
    ///
    /// # Errors
    /// Those of [`Session::open`].
    pub(crate) fn open_with(
        dir: &Path,
        options: &FleetOptions,
        output: Option<&Path>,
        anew: &dyn Fn(&SourceRequest) -> bool,
    ) -> Result<Session, ExitCode> {
        Self::open_any(dir, options, output, anew, options.at.as_deref())
    }

    fn open_any(
        dir: &Path,
        options: &FleetOptions,
        output: Option<&Path>,
        anew: &dyn Fn(&SourceRequest) -> bool,
        revision: Option<&str>,
    ) -> Result<Session, ExitCode> {
        let options = options.clone();
        let usage = |message: String| {
            usage_error(&options, &message);
            ExitCode::from(2)
        };
        let engines = engines(&options.engines).map_err(usage)?;
        let pool = Pool::new(options.threads).map_err(|error| usage(format!("cannot start threads: {error}")))?;
        let refused = |errors: Diagnostics| {
            let empty = SourceMap::default();
            match options.format {
                Format::Json => print_json(&serde_json::json!({ "diagnostics": report::json(&errors, &empty) })),
                Format::Sarif => print_json(&annotations::sarif(&errors, &empty)),
                Format::Github | Format::Human => tell(&errors, &empty, &options),
            }
            ExitCode::from(2)
        };
        let mut host = HostOptions { branch: options.branch.clone(), ..HostOptions::default() };
        host.revision = revision.map(str::to_owned);
        host.seen = options.seen.clone();
        let trial = options.trial.iter().map(|text| ("fleet.yaml".to_owned(), text.as_bytes().into()));
        host.trial = trial.collect();
        host.edits = options.edits.clone();
        host.repositories = options.repos.iter().map(|(url, path)| (url.clone(), PathBuf::from(path))).collect();
        let mut world = HostWorld::open(dir, &host).map_err(refused)?;
        // fleet.yaml may map further repositories; what the command line says wins.
        let configuration = read::configuration(&world, world.fleet()).value;
        let instances = configuration.instances.into_iter();
        let namespaces = instances.map(|instance| (instance.name, instance.namespace.unwrap_or_default()));
        let management = options.management.argocd(namespaces).map(Arc::new);
        let (declared, digest_key) = (configuration.repositories, configuration.digest_key);
        let given = host.repositories.len();
        for (url, path) in declared.iter().filter_map(|repository| Some((&repository.url, repository.path.as_ref()?))) {
            if !host.repositories.iter().any(|(known, _)| known == url) {
                host.repositories.push((url.clone(), world.folder().join(path)));
            }
        }
        if host.repositories.len() > given {
            world = HostWorld::open(dir, &host).map_err(refused)?;
        }
        // The key is none of what is noted.
        if declared.iter().any(|repository| repository.follow) || digest_key.is_some() {
            options.seen.beyond();
        }
        let output = output.map_or_else(|| world.folder().join("bundles"), Path::to_owned);
        let logins = Logins { fleet: Some(world.folder().to_owned()), management };
        let (sources, FleetLock { pins, answers, .. }) = sources(&options, &world, &output, (&declared, &logins), anew);
        if let Some(sources) = sources {
            world = world.fetching(Arc::new(sources));
        }
        let output_path = world_path(&world, &output);
        let read = ReadOptions {
            engines,
            strict: options.strict,
            output: output_path,
            answers: answers.clone(),
            ..ReadOptions::default()
        };
        let input = Input { root: world.fleet().clone(), read };
        let mut tools = Tools::default();
        tools.helm.randomness.machine = Some(Arc::new(WatchedClock(options.seen.clone())));
        tools.helm.randomness.key = derive_key(options.derive_key.as_deref()).map_err(usage)?;
        Ok(Session {
            world,
            pool,
            output,
            pins,
            answers,
            input,
            tools,
            logins,
            options,
            digest_key,
            said: Mutex::default(),
            kept: Mutex::default(),
        })
    }

    /// Takes recorded answers as they are: they are about to be asked for anew.
    pub(crate) fn without_pinned_answers(mut self) -> Self {
        self.input.read.answers.clear();
        self
    }

    /// The same fleet with a cluster more, as if a file declared it.
    pub(crate) fn joining(mut self, cluster: Cluster) -> Session {
        self.input.read.joining.push(cluster);
        self
    }

    /// The file on disk of a file of the fleet's own tree; `None` for those of other trees.
    pub(crate) fn on_disk(&self, file: &SourceFile) -> Option<PathBuf> {
        let path = self.root().join(file.path.as_str());
        std::fs::read(&path).is_ok_and(|bytes| bytes == *file.bytes).then_some(path)
    }

    /// The folder on disk where the tree begins that the fleet lies in: that of its checkout.
    pub(crate) fn root(&self) -> PathBuf {
        let depth = self.world.fleet().path.segments().count();
        self.world.folder().ancestors().nth(depth).unwrap_or(self.world.folder()).to_owned()
    }

    /// Where a path of the fleet's own tree is on disk.
    pub(crate) fn path_of(&self, path: &TreePath) -> PathBuf {
        self.root().join(path.as_str())
    }

    /// The folders that `--repo` names.
    pub(crate) fn repository_folders(&self) -> Vec<PathBuf> {
        self.options.repos.iter().map(|(_, path)| PathBuf::from(path)).collect()
    }

    /// Prints errors of usage and says the exit code.
    pub(crate) fn refuse(&self, mut errors: Diagnostics) -> ExitCode {
        self.print_findings(&mut errors);
        if self.is_json() {
            self.print_json(&errors, serde_json::json!({}));
        }
        ExitCode::from(report::exit_code(&errors, true))
    }

    /// Compiles the fleet up to its renders: as often as sources come to light that have to be fetched first.
    pub(crate) fn compile(&self) -> Warned<Compiled> {
        let progress = self.progress("compiling");
        let compiled = self.compile_unseen();
        progress.finish_and_clear();
        compiled
    }

    /// The same without a sign of life: for who shows one of his own.
    pub(crate) fn compile_unseen(&self) -> Warned<Compiled> {
        self.rounds(|| {
            let mut tools = self.fresh_tools();
            if let Some(shelf) = &self.options.renders {
                tools.kept = shelf.load().map_or_else(Kept::keeping, |bytes| Kept::parse(bytes.into()));
            }
            let compiled = compile(&self.input, &self.world, &self.pool, &tools);
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = tools.kept;
            let wants = compiled.value.wants.clone();
            (compiled, wants)
        })
    }

    /// How many renders were taken from an earlier run.
    pub(crate) fn reused(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).reused()
    }

    /// Keeps the renders of this run for the next one, where at least this share of them is new.
    pub(crate) fn keep_renders(&self, share: f64) {
        let Some(shelf) = &self.options.renders else { return };
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.fresh();
        if fresh > 0 && fresh as f64 >= share * (fresh + kept.reused()) as f64 {
            shelf.save(&kept.to_bytes(&self.world));
        }
    }

    /// What the fleet's files declare, without applications being expanded or rendered.
    pub(crate) fn declared(&self) -> Warned<Fleet> {
        self.rounds(|| {
            let tools = self.fresh_tools();
            let Warned { value: (fleet, wants), diagnostics } = declared(&self.input, &self.world, &tools);
            (Warned { value: fleet, diagnostics }, wants)
        })
    }

    /// Tools that have read nothing yet. Each round has its own: what an earlier one has read must be read again, or it would not count
    /// as an input, and the locks would tell how many rounds there were.
    pub(crate) fn fresh_tools(&self) -> Tools {
        let mut tools = Tools::default();
        tools.helm.randomness = self.tools.helm.randomness.clone();
        tools
    }

    /// Works until nothing is wanted any more that can be fetched.
    fn rounds<T>(&self, work: impl FnMut() -> (Warned<T>, BTreeSet<SourceRequest>)) -> Warned<T> {
        let fetching = Fetching::new(self.options.quiet || self.is_json());
        let (mut result, settled) = self.world.settle(&|request, progress| fetching.tell(request, &progress), work);
        if !settled {
            let message = "sources lead to other sources without end";
            let error = Diagnostic::error("source/rounds", Span::NONE, message).cause(Cause::Source);
            result.diagnostics.push(error.hint("look for a base that names itself at another revision"));
        }
        result
    }

    /// The key of digests of Secret data; `None` where fleet.yaml names none.
    ///
    /// # Errors
    /// It names one that is not there.
    pub(crate) fn digest_key(&self) -> Checked<Option<Key>> {
        let Some(place) = &self.digest_key else { return Ok(None) };
        // The key may be another next time, and nothing that follows from it is kept.
        self.options.seen.beyond();
        let key = super::keys::read(place, self.world.folder())
            .and_then(|bytes| Key::new(&bytes).map_err(|why| format!("in {place}: {why}")));
        key.map(Some).map_err(|why| {
            let message = format!("fleet.yaml names a key for digests of Secret data, and {why}");
            let error = Diagnostic::error("lock/digest-key", Span::NONE, message).cause(Cause::Usage);
            error.hint("the locks of this fleet cannot be made without it").into()
        })
    }

    /// Whether fleet.lock may not change.
    pub(crate) fn is_locked(&self) -> bool {
        self.options.locked || self.options.frozen
    }

    /// Whether the network may not be used.
    pub(crate) fn is_offline(&self) -> bool {
        forbids_network(&self.options)
    }

    /// A spinner on a terminal; nothing elsewhere.
    pub(crate) fn progress(&self, what: &'static str) -> ProgressBar {
        if self.options.quiet || self.is_json() || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// Whether what is printed is one document: JSON, or SARIF, which has the findings and no results.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.options.format, Format::Json | Format::Sarif)
    }

    /// Whether `--strict` was given.
    pub(crate) fn is_strict(&self) -> bool {
        self.options.strict
    }

    /// Settles the order of the findings and prints them for people on standard error.
    pub(crate) fn print_findings(&self, diagnostics: &mut Diagnostics) {
        diagnostics.settle(self.world.sources());
        if !self.is_json() {
            self.put_err(&told(diagnostics, self.world.sources(), &self.options));
        }
    }

    /// Prints one JSON document: what the command has to say, and the findings.
    pub(crate) fn print_json(&self, diagnostics: &Diagnostics, result: serde_json::Value) {
        self.print_document(diagnostics, diagnostics, result);
    }

    /// The same, where some of the findings are in the result already: SARIF has all of them, JSON the others beside it.
    pub(crate) fn print_document(&self, all: &Diagnostics, diagnostics: &Diagnostics, mut result: serde_json::Value) {
        if self.options.format == Format::Sarif {
            self.put_out(&json_text(&annotations::sarif(all, self.world.sources())));
            return;
        }
        if let Some(fields) = result.as_object_mut() {
            fields.insert("diagnostics".to_owned(), report::json(diagnostics, self.world.sources()));
        }
        self.put_out(&json_text(&result));
    }

    /// Says which definitions were taken: kinds and numbers, with `--verbose` every file.
    pub(crate) fn say_taken(&self, fleet: &Fleet) {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for object in fleet.taken.iter().flat_map(|taken| &taken.objects) {
            *kinds.entry(object.split(' ').next().unwrap_or_default()).or_default() += 1;
        }
        let counts: Vec<String> = kinds.iter().map(|(kind, number)| plural(*number, kind)).collect();
        if counts.is_empty() {
            return;
        }
        self.say(&format!("definitions: {} from {}", counts.join(", "), plural(fleet.taken.len(), "file")));
        if self.options.verbose {
            for taken in &fleet.taken {
                self.say(&format!("  {}: {}", taken.path, taken.objects.join(", ")));
            }
            for skipped in &fleet.skipped {
                self.say(&format!("  {}: not taken, {}", skipped.path, skipped.reason));
            }
        }
    }

    /// A line for people on standard error, unless `--quiet`.
    pub(crate) fn say(&self, line: &str) {
        if !self.options.quiet && !self.is_json() {
            self.put_err(&format!("{line}\n"));
        }
    }

    /// Text on standard output.
    pub(crate) fn put_out(&self, text: &str) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).out.push_str(text);
        print_out(text);
    }

    /// Text on standard error.
    fn put_err(&self, text: &str) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).err.push_str(text);
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// What was printed so far.
    pub(crate) fn said(&self) -> Said {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where is noted what is looked at.
    pub(crate) fn seen(&self) -> &Seen {
        &self.options.seen
    }
}

/// The sources of a run, and what fleet.lock pins.
fn sources(
    options: &FleetOptions,
    world: &HostWorld,
    output: &Path,
    (declared, logins): (&[Repository], &Logins),
    anew: &dyn Fn(&SourceRequest) -> bool,
) -> (Option<Sources>, FleetLock) {
    // What cannot be read of the locks is said where they are compared with what was compiled; until then nothing is pinned over it.
    options.seen.ask(Question::Content, &world.folder().join(FLEET_LOCK));
    let text = lock_text(world);
    let (lock, readable) = match FleetLock::parse(FileId::NONE, &text) {
        _ if text.is_empty() => (FleetLock::default(), true),
        Ok(State::Here(lock)) => (lock, true),
        Ok(State::Conflicted) => (FleetLock::agreed(&text), true),
        Ok(State::Absent) | Err(_) => (FleetLock::default(), false),
    };
    let those = |said: fn(&Repository) -> bool| -> Vec<String> {
        declared.iter().filter(|repository| said(repository)).map(|repository| repository.url.clone()).collect()
    };
    let following = those(|repository| repository.follow);
    let followed = if following.is_empty() {
        Pins::new()
    } else {
        let text = std::fs::read_to_string(output.join(BUNDLES_LOCK)).unwrap_or_default();
        match BundlesLock::parse(FileId::NONE, &text) {
            Ok(State::Here(lock)) => lock.followed,
            _ => Pins::new(),
        }
    };
    let allowed = Allowed { locked: options.locked || options.frozen, offline: !readable || forbids_network(options) };
    let holding =
        lock.pins.iter().filter(|(request, _)| !anew(request)).map(|(request, pin)| (request.clone(), pin.clone()));
    let known = Known { pins: holding.collect(), following, followed };
    let store = options.store.clone();
    let without_submodules = those(|repository| !repository.submodules);
    let large = those(|repository| repository.lfs);
    let (logins, seen) = (logins.clone(), options.seen.clone());
    let options = fetch::Options { store, allowed, known, logins, without_submodules, large, seen };
    (fetch::sources(options), lock)
}

/// The text of fleet.lock, from the commit where one stands for the working tree; empty where there is none.
fn lock_text(world: &HostWorld) -> String {
    if !world.is_of_a_commit() {
        // Not through the world: what it has read stays as it was, and a build writes this file.
        return std::fs::read_to_string(world.folder().join(FLEET_LOCK)).unwrap_or_default();
    }
    let file = world.fleet().join(FLEET_LOCK).ok().and_then(|file| world.read(&file).ok());
    file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default()
}

/// Whether the arguments or the environment say `--offline`.
fn forbids_network(options: &FleetOptions) -> bool {
    options.offline || options.frozen || is_offline()
}

/// Whether the environment says `--offline`.
pub(crate) fn is_offline() -> bool {
    is_set("FLEETC_OFFLINE")
}

/// Whether a variable of the environment says yes.
pub(crate) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0" && value != "false")
}

/// The path of a folder in the fleet's own tree, where it lies there.
fn world_path(world: &HostWorld, folder: &Path) -> Option<TreePath> {
    let absolute = std::path::absolute(folder).ok()?;
    // The tree may begin above the fleet; the fleet's own path in it says how far.
    let depth = world.fleet().path.segments().count();
    let root = world.folder().ancestors().nth(depth)?;
    let below = absolute.strip_prefix(root).ok()?.to_str()?;
    TreePath::new(below).ok()
}

/// Prints findings on standard error: for people, or as commands for GitHub, which takes them from there, too.
fn tell(diagnostics: &Diagnostics, sources: &SourceMap, options: &FleetOptions) {
    let _ = std::io::stderr().lock().write_all(told(diagnostics, sources, options).as_bytes());
}

fn told(diagnostics: &Diagnostics, sources: &SourceMap, options: &FleetOptions) -> String {
    match options.format {
        Format::Github => annotations::github(diagnostics, sources),
        _ => findings(diagnostics, sources, options.color),
    }
}

/// Prints findings for people on standard error, with a count at the end.
pub(crate) fn print_findings(diagnostics: &Diagnostics, sources: &SourceMap, color: Color) {
    let _ = std::io::stderr().lock().write_all(findings(diagnostics, sources, color).as_bytes());
}

fn findings(diagnostics: &Diagnostics, sources: &SourceMap, color: Color) -> String {
    let mut text = report::human(diagnostics, sources, color.is_on(&std::io::stderr()));
    if let Some(count) = report::count(diagnostics) {
        text.push_str(&count);
        text.push('\n');
    }
    text
}

/// A line on standard error.
pub(crate) fn eprint_line(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Text on standard output; a closed pipe is not an error.
pub(crate) fn print_out(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// A JSON document on standard output.
pub(crate) fn print_json(value: &serde_json::Value) {
    print_out(&json_text(value));
}

pub(crate) fn json_text(value: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes a file as a whole or not at all; one that holds the same already is not touched.
pub(crate) fn write_file(file: &Path, text: &str) -> std::io::Result<()> {
    if std::fs::read(file).is_ok_and(|held| held == text.as_bytes()) {
        return Ok(());
    }
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, file)
}

fn usage_error(options: &FleetOptions, message: &str) {
    let one = || Diagnostics::from(Diagnostic::error("cli/usage", Span::NONE, message));
    let nothing = SourceMap::default();
    match options.format {
        Format::Json => print_json(&serde_json::json!({ "diagnostics": report::json(&one(), &nothing) })),
        Format::Sarif => print_json(&annotations::sarif(&one(), &nothing)),
        Format::Github | Format::Human => eprint_line(&format!("error: {message}")),
    }
}

/// The key of `--derive-key`, else that of the environment.
fn derive_key(file: Option<&Path>) -> Result<Option<Key>, String> {
    let bytes = match file {
        Some(file) => std::fs::read(file).map_err(|error| format!("cannot read `{}`: {error}", file.display()))?,
        None => match std::env::var_os("FLEETC_DERIVE_KEY").filter(|key| !key.is_empty()) {
            Some(key) => key.into_encoded_bytes(),
            None => return Ok(None),
        },
    };
    Key::new(&bytes).map(Some)
}

/// The engines of `--engine`.
fn engines(pairs: &[(String, String)]) -> Result<EngineChoice, String> {
    let mut choice = EngineChoice::default();
    for (name, version) in pairs {
        let parsed = Some(Engines::parse(name, version)?);
        match name.as_str() {
            "argocd" => choice.argocd = parsed,
            "kustomize" => choice.kustomize = parsed,
            _ => choice.helm = parsed,
        }
    }
    Ok(choice)
}
