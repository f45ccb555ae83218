//! `fleetc update`: what revisions stand for now, and what services answer to generators, in fleet.lock. Bundles are left to `fleetc build`.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;

use fleetc::compile::{Compiled, Pins, answers, parts, pins};
use fleetc::diag::{Cause, Diagnostic, Diagnostics, Warned};
use fleetc::digest::Digest;
use fleetc::host;
use fleetc::host::ask::{Answered, Live};
use fleetc::lock::{Answers, FleetLock, Pin};
use fleetc::source::{SourceKind, SourceRequest};
use fleetc::span::Span;
use serde_json::json;

use super::args::{FleetOptions, Update};
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

/// How often answers may lead to other questions: a matrix may ask for each row of another generator.
const ROUNDS: usize = 8;

/// What came of asking.
#[derive(Default)]
struct Asked {
    /// The answers by the id of their question; `None` where there is none.
    answers: BTreeMap<String, Option<Digest>>,
    /// How many files of answers are not what they were.
    changed: usize,
    /// How many answers stay, since nobody says which Argo CD to ask.
    kept: usize,
    diagnostics: Diagnostics,
}

impl Asked {
    /// Asks what the generators of the fleet ask and was not asked yet, and records the answers; whether a file of them changed.
    fn ask(&mut self, args: &Update, session: &Session, compiled: &Compiled) -> bool {
        let folder = session.world.folder();
        let web = host::ask::client(session.logins.clone());
        let instances = compiled.fleet.instances.iter();
        let namespaces = instances.map(|(name, instance)| (name.clone(), instance.namespace.clone()));
        let management = args.management.argocd(namespaces);
        let live =
            management.as_ref().map(|management| Live { management, urls: &args.plugin_urls, logins: &session.logins });
        let new = compiled.questions.iter().filter(|(id, _)| !self.answers.contains_key(*id));
        // What was recorded stays where nobody says whom to ask.
        let (kept, new): (Vec<_>, Vec<_>) = new.partition(|(id, question)| {
            question.is_live() && live.is_none() && compiled.fleet.answers.contains_key(*id)
        });
        self.kept = kept.len();
        let new = new.into_iter().map(|(_, question)| question);
        let answered = host::ask::ask_all(new, &web, live.as_ref(), &|name| std::env::var(name).ok());
        let before = self.changed;
        for Answered { id, path, recorded } in answered {
            let written = recorded.map_err(|fault| (fault.reason, fault.hint)).and_then(|(text, digest)| {
                let file = folder.join(&path);
                let is_new = !std::fs::read_to_string(&file).is_ok_and(|old| old == text);
                let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
                folder.and_then(|()| write_file(&file, &text)).map_err(|error| (error.to_string(), None))?;
                Ok((digest, is_new))
            });
            let digest = match written {
                Ok((digest, is_new)) => {
                    self.changed += usize::from(is_new);
                    Some(digest)
                }
                Err((why, hint)) => {
                    let error = Diagnostic::error("update/answer", Span::NONE, format!("`{path}`: {why}"));
                    self.diagnostics.push(hint.into_iter().fold(error.cause(Cause::Source), Diagnostic::hint));
                    None
                }
            };
            self.answers.insert(id, digest);
        }
        self.changed > before
    }

    /// What fleet.lock is to pin. Where there is no answer, what was pinned stays, whatever lies there.
    fn pinned(&self, mut known: Answers, before: &Answers) -> Answers {
        for (id, digest) in &self.answers {
            match digest.or_else(|| before.get(id).copied()) {
                Some(digest) => known.insert(id.clone(), digest),
                None => known.remove(id),
            };
        }
        known
    }
}

/// Opens and compiles the fleet, as often as answers that came in change what is asked and which sources there are.
fn compile(args: &Update) -> Result<(Session, Warned<Compiled>, Asked), ExitCode> {
    let anew = |source: &SourceRequest| is_meant(&args.sources, source);
    let mut asked = Asked::default();
    for round in 1.. {
        let options = FleetOptions { management: args.management.clone(), ..args.options.clone() };
        let mut session = Session::open_with(&args.fleet_dir, &options, None, &anew)?;
        if session.is_locked() {
            let message = "`update` moves pins, and `--locked` and `--frozen` say that none may move";
            return Err(session.refuse(Diagnostic::error("cli/usage", Span::NONE, message).cause(Cause::Usage).into()));
        }
        let asks = !args.dry_run && !session.is_offline();
        if asks {
            session = session.without_pinned_answers();
        }
        let compiled = session.compile();
        if !asks && !args.dry_run && !compiled.value.questions.is_empty() {
            session.say("offline: what generators ask is not asked; the recorded answers stay");
        }
        if !asks || !asked.ask(args, &session, &compiled.value) || round == ROUNDS {
            return Ok((session, compiled, asked));
        }
    }
    Err(ExitCode::FAILURE)
}

/// Runs the command.
pub(crate) fn run(args: &Update) -> ExitCode {
    let (session, compiled, asked) = match compile(args) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let lock_file = session.world.folder().join("fleet.lock");
    let text = std::fs::read_to_string(&lock_file).unwrap_or_default();
    let mut diagnostics = Diagnostics::new();
    if !text.is_empty() && diagnostics.take(FleetLock::parse(fleetc::span::FileId::NONE, &text)).is_none() {
        return session.refuse(diagnostics);
    }
    let Warned { value: compiled, diagnostics: found } = compiled;
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
    let answers = asked.pinned(answers(&compiled, &session.answers), &session.answers);
    diagnostics.extend(asked.diagnostics);
    let mut written = false;
    if compiled.unknown_applications {
        diagnostics.push(nothing_written("an error leaves open which applications there are, and so which sources"));
    } else if !args.dry_run {
        let engines = fleetc::compile::engine_versions(&compiled.fleet.engines);
        let lock = FleetLock { engines, pins: new, answers };
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
        session.print_json(&diagnostics, json!({"moved": list, "recorded": asked.changed, "written": written}));
    } else {
        print_out(&moved.iter().map(|moved| format!("{moved}\n")).collect::<String>());
        let what = match (moved.len(), args.dry_run) {
            (0, _) => "nothing moved".to_owned(),
            (count, false) => format!("{} moved in fleet.lock", plural(count, "pin")),
            (count, true) => format!("{} would move", plural(count, "pin")),
        };
        session.say(&what);
        if asked.changed > 0 {
            session.say(&format!("{} recorded in fleet.answers", plural(asked.changed, "answer")));
        }
        if asked.kept > 0 {
            let kept = plural(asked.kept, "answer");
            session
                .say(&format!("{kept} of a live Argo CD stay as recorded; `--management-context CONTEXT` asks again"));
        }
    }
    ExitCode::from(report::exit_code(&diagnostics, false))
}
