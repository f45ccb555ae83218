//! `fleetc update`: what revisions stand for now, in fleet.lock. Bundles are left to `fleetc build`.

use std::fmt;
use std::process::ExitCode;

use fleetc::compile::{Compiled, Pins, parts, pins};
use fleetc::diag::{Cause, Diagnostic, Diagnostics, Warned};
use fleetc::host;
use fleetc::lock::{FleetLock, Pin};
use fleetc::source::{SourceKind, SourceRequest};
use fleetc::span::Span;
use serde_json::json;

use super::args::Update;
use super::assembly::nothing_written;
use super::progress::{short, shown};
use super::report::{self, plural};
use super::session::{Session, print_out, write_file};

/// A source whose pin is not what it was.
pub(crate) struct Moved {
    source: SourceRequest,
    /// What it was; `None` for one that is pinned now for the first time.
    from: Option<Pin>,
    /// What it is; `None` for one that nothing uses any more.
    to: Option<Pin>,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = shown(&self.source);
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{source}: {} → {}", short(from), short(to)),
            (None, Some(to)) => write!(f, "{source}: {} (new)", short(to)),
            (Some(from), None) => write!(f, "{source}: {} (no longer used)", short(from)),
            (None, None) => write!(f, "{source}"),
        }
    }
}

/// What differs between the pins of two locks, in the order of the sources.
pub(crate) fn moves(old: &Pins, new: &Pins) -> Vec<Moved> {
    let mut sources: Vec<&SourceRequest> = old.keys().chain(new.keys()).collect();
    sources.sort();
    sources.dedup();
    let moved = sources.into_iter().filter(|source| old.get(source) != new.get(source));
    moved
        .map(|source| Moved { source: source.clone(), from: old.get(source).cloned(), to: new.get(source).cloned() })
        .collect()
}

/// Whether a source is meant by one of the texts; all are by none.
fn is_meant(texts: &[String], source: &SourceRequest) -> bool {
    let chart = if let SourceKind::Chart(name) = &source.kind { name.as_str() } else { "" };
    texts.is_empty() || texts.iter().any(|text| source.url.contains(text.as_str()) || chart.contains(text.as_str()))
}

/// Asks what the generators of the fleet ask, and records the answers; how many are not what they were.
fn ask(session: &Session, compiled: &Compiled, diagnostics: &mut Diagnostics) -> usize {
    if compiled.questions.is_empty() {
        return 0;
    }
    if session.is_offline() {
        session.say("offline: what generators ask is not asked; recorded answers stay");
        return 0;
    }
    let folder = session.world.folder();
    let web = host::ask::client(folder);
    let mut changed = 0;
    for (path, answer) in host::ask::ask_all(compiled.questions.values(), &web, &|name| std::env::var(name).ok()) {
        let file = folder.join(&path);
        let failed = |why: String| {
            Diagnostic::error("update/answer", Span::NONE, format!("`{path}`: {why}")).cause(Cause::Source)
        };
        match answer {
            Ok(text) if std::fs::read_to_string(&file).is_ok_and(|old| old == text) => {}
            Ok(text) => {
                match file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| write_file(&file, &text)) {
                    Ok(()) => changed += 1,
                    Err(error) => diagnostics.push(failed(error.to_string())),
                }
            }
            Err(fault) => diagnostics.push(fault.hint.into_iter().fold(failed(fault.reason), Diagnostic::hint)),
        }
    }
    changed
}

/// Runs the command.
pub(crate) fn run(args: &Update) -> ExitCode {
    let anew = |source: &SourceRequest| is_meant(&args.sources, source);
    let session = match Session::open_with(&args.fleet_dir, &args.options, None, &anew) {
        Ok(session) => session,
        Err(code) => return code,
    };
    if session.is_locked() {
        let message = "`update` moves pins, and `--locked` and `--frozen` say that none may move";
        return session.refuse(Diagnostic::error("cli/usage", Span::NONE, message).cause(Cause::Usage).into());
    }
    let lock_file = session.world.folder().join("fleet.lock");
    let text = std::fs::read_to_string(&lock_file).unwrap_or_default();
    let mut diagnostics = Diagnostics::new();
    if !text.is_empty() && diagnostics.take(FleetLock::parse(fleetc::span::FileId::NONE, &text)).is_none() {
        return session.refuse(diagnostics);
    }
    let Warned { value: compiled, diagnostics: found } = session.compile();
    let parts = parts(&compiled, session.world.sources());
    diagnostics.extend(found);
    diagnostics.extend(parts.diagnostics);
    let (new, _) = pins(&compiled, &parts.value, session.pins.clone());
    let moved = moves(&session.pins, &new);
    let known = session.pins.keys().chain(new.keys());
    let unknown: Vec<&String> =
        args.sources.iter().filter(|text| !known.clone().any(|source| is_meant(&[(*text).clone()], source))).collect();
    for text in unknown {
        let message = format!("no source that this fleet uses has `{text}` in its URL or chart");
        diagnostics.push(Diagnostic::error("update/unknown", Span::NONE, message).cause(Cause::Usage));
    }
    let recorded = if args.dry_run { 0 } else { ask(&session, &compiled, &mut diagnostics) };
    let mut written = false;
    if compiled.unknown_applications {
        diagnostics.push(nothing_written("an error leaves open which applications there are, and so which sources"));
    } else if !args.dry_run {
        let lock = FleetLock { engines: fleetc::compile::engine_versions(&compiled.fleet.engines), pins: new };
        match write_file(&lock_file, &lock.to_text()) {
            Ok(()) => written = true,
            Err(error) => {
                let message = format!("cannot write `{}`: {error}", lock_file.display());
                diagnostics.push(Diagnostic::error("update/write", Span::NONE, message));
            }
        }
    }
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        let pin = |pin: &Option<Pin>| {
            pin.as_ref().map(|pin| json!({"resolved": pin.resolved, "digest": pin.digest.map(|d| d.to_string())}))
        };
        let list: Vec<_> = moved
            .iter()
            .map(|moved| {
                let source = shown(&moved.source);
                let kind = match &source.kind {
                    SourceKind::Git => "git",
                    SourceKind::Chart(_) => "chart",
                    SourceKind::Oci => "oci",
                    SourceKind::File => "file",
                };
                let chart = if let SourceKind::Chart(name) = &source.kind { Some(name) } else { None };
                json!({
                    "kind": kind, "url": source.url, "chart": chart, "revision": source.revision,
                    "from": pin(&moved.from), "to": pin(&moved.to),
                })
            })
            .collect();
        session.print_json(&diagnostics, json!({"moved": list, "written": written}));
    } else {
        print_out(&moved.iter().map(|moved| format!("{moved}\n")).collect::<String>());
        let what = match (moved.len(), args.dry_run) {
            (0, _) => "nothing moved".to_owned(),
            (count, false) => format!("{} moved in fleet.lock", plural(count, "pin")),
            (count, true) => format!("{} would move", plural(count, "pin")),
        };
        session.say(&what);
        if recorded > 0 {
            session.say(&format!(
                "{} recorded in fleet.answers; run `fleetc update` again to pin what they name",
                plural(recorded, "answer")
            ));
        }
    }
    ExitCode::from(report::exit_code(&diagnostics, false))
}
