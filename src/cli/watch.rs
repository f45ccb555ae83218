//! `fleetc watch`: compiles anew whenever a file of the fleet changes, and shows what differs from the last good compile. Writes nothing.
//!
//! Saving a file is several events, and a checkout of a branch thousands: what comes within a short time is one change. What cannot be compiled
//! is said, and watched on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use fleetc::bundle::State;
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::diff::{self, Side, report as diff_report};
use fleetc::read;
use fleetc::report::Detail;
use fleetc::span::{SourceMap, Span};
use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::json;

use super::args::{Format, Watch};
use super::diff::{Made, NOTHING_COMPARED, compiled};
use super::report::{self, plural};
use super::session::{Session, eprint_line, print_findings, print_json, print_out};

/// After so long without an event a change is over.
const QUIET: Duration = Duration::from_millis(80);
/// After so long it is looked at even if there is no end of events.
const LONGEST: Duration = Duration::from_secs(2);

/// What the threads that listen say.
enum Heard {
    Changed(Vec<PathBuf>),
    /// The system could not tell, and why.
    Failed(String),
    End,
}

/// Runs the command.
pub(crate) fn run(args: &Watch) -> ExitCode {
    let format = args.fleet.options.format;
    if format == Format::Sarif {
        return refuse(
            args,
            "differences are no findings: SARIF has none of them".to_owned(),
            "`--format json` has them",
        );
    }
    let (send, heard) = channel();
    let mut watching = match Watching::new(args, send.clone()) {
        Ok(watching) => watching,
        Err(why) => return refuse(args, why, "`--poll 2` looks at the files every two seconds instead"),
    };
    end_on_interrupt(send);
    let mut last: Option<Side> = None;
    let mut told = BTreeSet::new();
    let mut shown = 0;
    let mut changed = BTreeSet::new();
    loop {
        let begun = Instant::now();
        let opened = Session::open_with(&args.fleet.dir, &args.fleet.options, None, &|_| false);
        let session = match opened {
            Ok(session) => session,
            // Before anything was seen, a wrong argument is the likely reason.
            Err(code) if watching.roots.is_empty() => return code,
            Err(_) => match wait(&heard, &watching) {
                Some(paths) => {
                    changed = paths;
                    continue;
                }
                None => return ExitCode::SUCCESS,
            },
        };
        // Before compiling, so that what changes meanwhile is seen.
        if let Err(why) = watching.add(&session) {
            return refuse(args, why, "`--poll 2` looks at the files every two seconds instead");
        }
        let session = Box::new(session);
        let mut made = compiled(session, &args.filter, NOTHING_COMPARED);
        say_new(&mut made, &mut told, format);
        let took = format!("{:.2} s", begun.elapsed().as_secs_f64());
        let what = names(&changed, &watching.roots);
        match (&last, made.side.take()) {
            (None, Some(side)) => {
                let count: usize = side.values().map(|contents| contents.index.applications.len()).sum();
                let (applications, clusters) = (plural(count, "application"), plural(side.len(), "cluster"));
                say(
                    args,
                    &format!("watching {}: {applications} on {clusters} in {took}; Ctrl-C ends", watching.shown()),
                );
                last = Some(side);
            }
            (None, None) => {
                say(args, &format!("watching {}: it cannot be compiled yet; Ctrl-C ends", watching.shown()));
            }
            (Some(_), None) => {
                say(args, &format!("{what}: not compiled; the last good compile stays what is compared with"));
            }
            (Some(before), Some(mut side)) => {
                let comparison = diff::compare(before, &side, &fleetc::bundle::in_order);
                if comparison.is_empty() && made.diagnostics.has_errors() {
                    say(
                        args,
                        &format!("{what}: with these errors; of what could be compiled, all is as it was ({took})"),
                    );
                } else if comparison.is_empty() {
                    say(args, &format!("{what}: nothing differs ({took})"));
                } else {
                    shown += 1;
                    say(args, &format!("{what}: ({took})"));
                    show(args, &comparison, &what);
                }
                keep_good(before, &mut side);
                last = Some(side);
            }
        }
        // Not kept until the next compile: two fleets would be in memory.
        drop(made);
        if args.changes.is_some_and(|most| shown >= most) {
            return ExitCode::SUCCESS;
        }
        match wait(&heard, &watching) {
            Some(paths) => changed = paths,
            None => return ExitCode::SUCCESS,
        }
    }
}

/// Says errors, and of all else what was not said before.
fn say_new(made: &mut Made, told: &mut BTreeSet<String>, format: Format) {
    let key = |found: &Diagnostic| format!("{} {}", found.code, found.message);
    let now: BTreeSet<String> = made.diagnostics.iter().map(key).collect();
    made.diagnostics.0.retain(|found| found.is_error() || !told.contains(&key(found)));
    *told = now;
    if let (Some(session), diagnostics) = made.findings()
        && !diagnostics.is_empty()
    {
        session.print_findings(diagnostics);
        if format == Format::Json && diagnostics.has_errors() {
            session.print_json(diagnostics, json!({}));
        }
    }
}

fn show(args: &Watch, comparison: &diff::Comparison, what: &str) {
    let options = &args.fleet.options;
    if options.format == Format::Json {
        let mut data = super::diff::data(comparison);
        if let Some(fields) = data.as_object_mut() {
            fields.insert("changed".to_owned(), json!(what));
        }
        print_json(&data);
    } else {
        let color = options.color.is_on(&std::io::stdout());
        let text = diff_report::human(comparison, Detail { verbose: options.verbose, color });
        print_out(&format!("{}\n\n", text.trim_end()));
    }
}

/// Applications that failed keep what they last were: that is what the next compile is compared with.
fn keep_good(before: &Side, after: &mut Side) {
    for (cluster, contents) in after.iter_mut() {
        let Some(old) = before.get(cluster) else { continue };
        for entry in contents.index.applications.iter_mut().filter(|entry| entry.state != State::Ok) {
            let known = old.index.applications.iter().find(|known| known.key == entry.key && known.state == State::Ok);
            let Some(known) = known else { continue };
            let texts = known.files.keys().filter_map(|path| Some((path.clone(), Arc::clone(old.texts.get(path)?))));
            contents.texts.extend(texts);
            *entry = known.clone();
        }
    }
}

/// Waits for a change that counts, and for its end; `None` when it is to end.
fn wait(heard: &Receiver<Heard>, watching: &Watching) -> Option<BTreeSet<PathBuf>> {
    let mut paths = BTreeSet::new();
    let mut take = |said: Heard| match said {
        Heard::Changed(changed) => {
            paths.extend(changed.into_iter().filter(|path| watching.is_meant(path)));
            Some(!paths.is_empty())
        }
        Heard::Failed(why) => {
            eprint_line(&format!("the system does not tell of all changes: {why}"));
            Some(false)
        }
        Heard::End => None,
    };
    while !take(heard.recv().ok()?)? {}
    let begun = Instant::now();
    while begun.elapsed() < LONGEST {
        match heard.recv_timeout(QUIET) {
            Ok(said) => {
                take(said)?;
            }
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    Some(paths)
}

/// The first Ctrl-C ends the watching, after what is being compiled; the second ends the program.
fn end_on_interrupt(send: Sender<Heard>) {
    let listen = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            let _ = send.send(Heard::End);
            if tokio::signal::ctrl_c().await.is_ok() {
                end_now();
            }
        });
    };
    // Without the thread Ctrl-C ends the program as it does any other.
    let _ = std::thread::Builder::new().name("interrupts".to_owned()).spawn(listen);
}

#[expect(clippy::exit, reason = "somebody who presses Ctrl-C twice does not want to wait; nothing is being written")]
fn end_now() {
    std::process::exit(130)
}

/// What is listened to.
struct Watching {
    watcher: Box<dyn Watcher>,
    /// The folders, those of the fleet first.
    roots: Vec<PathBuf>,
    /// Where bundles are written.
    output: PathBuf,
}

impl Watching {
    fn new(args: &Watch, send: Sender<Heard>) -> Result<Watching, String> {
        let tell = move |event: notify::Result<Event>| {
            let said = match event {
                // Reading is none, and fleetc reads all the time.
                Ok(event) if !is_change(event.kind) => return,
                Ok(event) => Heard::Changed(event.paths),
                Err(error) => Heard::Failed(error.to_string()),
            };
            let _ = send.send(said);
        };
        let watcher: Box<dyn Watcher> = match args.poll {
            Some(seconds) => {
                let config =
                    Config::default().with_poll_interval(Duration::from_secs(seconds)).with_compare_contents(true);
                Box::new(PollWatcher::new(tell, config).map_err(|error| error.to_string())?)
            }
            None => Box::new(RecommendedWatcher::new(tell, Config::default()).map_err(|error| error.to_string())?),
        };
        Ok(Watching { watcher, roots: Vec::new(), output: PathBuf::new() })
    }

    /// Listens to what a fleet is made of: its checkout, and folders that stand for other repositories.
    fn add(&mut self, session: &Session) -> Result<(), String> {
        self.output.clone_from(&session.output);
        let mapped = read::configuration(&session.world, session.world.fleet()).value.repositories;
        let mapped = mapped.into_iter().filter_map(|one| Some(session.world.folder().join(one.path?)));
        let given = session.repository_folders();
        for folder in std::iter::once(session.root()).chain(mapped).chain(given) {
            let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
            if self.roots.iter().any(|root| folder.starts_with(root)) || !folder.is_dir() {
                continue;
            }
            let told = self.watcher.watch(&folder, RecursiveMode::Recursive);
            told.map_err(|error| format!("`{}` cannot be watched: {error}", folder.display()))?;
            self.roots.push(folder);
        }
        Ok(())
    }

    fn is_meant(&self, path: &Path) -> bool {
        let output = std::fs::canonicalize(&self.output).unwrap_or_else(|_| self.output.clone());
        if path.starts_with(&output) || path.components().any(|part| part.as_os_str() == ".git") {
            return false;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // vim, emacs, and what writes a file beside the one that it replaces.
        let beside = name.ends_with('~') || name.starts_with(".#") || name.starts_with('#') || name == "4913";
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        !beside && !["swp", "swx", "swo", "tmp", "new"].contains(&&*ending)
    }

    fn shown(&self) -> String {
        self.roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(what) if what != AccessKind::Close(AccessMode::Write))
}

/// The first of the files that changed, as seen from the folder that is watched.
fn names(paths: &BTreeSet<PathBuf>, roots: &[PathBuf]) -> String {
    let short = |path: &PathBuf| {
        let below = roots.iter().find_map(|root| path.strip_prefix(root).ok());
        below.unwrap_or(path).display().to_string()
    };
    let mut text = paths.iter().take(3).map(short).collect::<Vec<_>>().join(", ");
    if paths.len() > 3 {
        text.push_str(&format!(" and {}", plural(paths.len() - 3, "more file")));
    }
    text
}

fn say(args: &Watch, line: &str) {
    if !args.fleet.options.quiet && args.fleet.options.format != Format::Json {
        eprint_line(line);
    }
}

fn refuse(args: &Watch, why: String, hint: &str) -> ExitCode {
    let errors = Diagnostics::from(Diagnostic::error("watch/listen", Span::NONE, why).cause(Cause::Usage).hint(hint));
    print_findings(&errors, &SourceMap::default(), args.fleet.options.color);
    ExitCode::from(report::exit_code(&errors, false))
}
