//! What `build` and `check` share: compile, bundle, compare with what lies in the output folder, and decide whether anything may be written.

use std::mem::ManuallyDrop;
use std::process::ExitCode;

use fleetc::bundle::{self, LockStatus, Previous, State, What, WhatHappened};
use fleetc::compile::{Assembled, Compiled, Pins, assemble, parts};
use fleetc::diag::{Cause, Diagnostic, Diagnostics, Warned};
use fleetc::host::write::Folder;
use fleetc::read::Fleet;
use fleetc::span::Span;
use serde_json::{Value, json};

use super::args::Build;
use super::report::plural;
use super::session::Session;

/// A fleet compiled and compared.
pub(crate) struct Assembly {
    pub(crate) session: Session,
    /// What was compiled. Freeing a fleet of thousands of applications takes longer than writing it; the process ends soon.
    pub(crate) fleet: ManuallyDrop<Fleet>,
    pub(crate) folder: Folder,
    pub(crate) diagnostics: Diagnostics,
    /// `None` where an error leaves open which application is where: nothing may be written.
    pub(crate) assembled: Option<Assembled>,
    /// How many applications on clusters, on how many clusters, from how many different renders.
    pub(crate) units: usize,
    pub(crate) renders: usize,
}

impl Assembly {
    /// Compiles and compares.
    ///
    /// # Errors
    /// The exit code, after the reason was printed: wrong usage.
    pub(crate) fn make(args: &Build, twice: bool) -> Result<Assembly, ExitCode> {
        let session = Session::open(&args.fleet.knowing(&args.management), args.output.as_deref())?;
        Assembly::of(session, args.keep_going, twice)
    }

    /// The same for a fleet that is open.
    ///
    /// # Errors
    /// Those of [`Assembly::make`].
    pub(crate) fn of(session: Session, keep_going: bool, twice: bool) -> Result<Assembly, ExitCode> {
        let folder = Folder::noting(&session.output, session.world.folder(), session.seen());
        let previous = folder.and_then(|folder| folder.previous().map(|previous| (folder, previous)));
        let (folder, mut previous) = previous.map_err(|errors| session.refuse(errors))?;
        let compiled = session.compile();
        let texts = |previous: &mut _, paths: &[_]| folder.read_texts(previous, paths);
        let Bundled { fleet, diagnostics, assembled, units, renders } =
            finish(&session, compiled, &mut previous, &texts, keep_going, twice);
        Ok(Assembly { session, fleet, folder, diagnostics, assembled, units, renders })
    }

    /// How many applications are held or absent.
    pub(crate) fn held(&self) -> usize {
        let bundles = self.assembled.iter().flat_map(|assembled| &assembled.bundled.bundles);
        bundles.flat_map(|bundle| &bundle.index.applications).filter(|entry| entry.state != State::Ok).count()
    }

    /// What differs, one line each, for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Some(assembled) = &self.assembled else { return Vec::new() };
        let changes = &assembled.changes;
        let mut lines = Vec::new();
        for change in &changes.applications {
            let (mark, more) = match &change.what {
                WhatHappened::Added => ("added", String::new()),
                WhatHappened::Removed => ("removed", String::new()),
                WhatHappened::Changed => ("changed", String::new()),
                WhatHappened::Held(why) => ("held", format!(": {why}")),
                WhatHappened::Absent(why) => ("absent", format!(": {why}")),
            };
            lines.push(format!("{mark:<8} {} {}{more}", change.cluster, change.key));
        }
        if changes.lock_only {
            let drift = &changes.drift;
            for (mark, clusters) in [("added", &drift.added), ("removed", &drift.removed), ("changed", &drift.changed)]
            {
                lines.extend(clusters.iter().map(|cluster| format!("{mark:<8} {cluster} (by its digest in the lock)")));
            }
        }
        for change in &changes.files {
            if let Some(what) = match change.what {
                What::Edited => Some("edited by hand"),
                What::ExtraEdited => Some("edited by hand, not ours to remove"),
                What::Foreign => Some("in the way, not ours"),
                What::Missing | What::Stale | What::Extra => None,
            } {
                lines.push(format!("{:<8} {}: {what}", "file", change.path));
            }
        }
        for (name, status) in [("fleet.lock", changes.fleet_lock), (bundle::BUNDLES_LOCK, changes.bundles_lock)] {
            if let Some(word) = lock_word(status) {
                lines.push(format!("{:<8} {name}: {word}", "lock"));
            }
        }
        lines
    }

    /// The same as data.
    pub(crate) fn data(&self) -> Value {
        let Some(assembled) = &self.assembled else { return json!({"applications": [], "files": []}) };
        let changes = &assembled.changes;
        let applications: Vec<Value> = changes
            .applications
            .iter()
            .map(|change| {
                let (what, why) = match &change.what {
                    WhatHappened::Added => ("added", None),
                    WhatHappened::Removed => ("removed", None),
                    WhatHappened::Changed => ("changed", None),
                    WhatHappened::Held(why) => ("held", Some(why)),
                    WhatHappened::Absent(why) => ("absent", Some(why)),
                };
                json!({"cluster": change.cluster, "application": change.key.to_string(), "what": what, "why": why})
            })
            .collect();
        let files: Vec<Value> = changes
            .files
            .iter()
            .map(|change| {
                let what = match change.what {
                    What::Missing => "missing",
                    What::Stale => "stale",
                    What::Edited => "edited",
                    What::Extra => "extra",
                    What::ExtraEdited => "extra-edited",
                    What::Foreign => "foreign",
                };
                json!({"path": change.path, "what": what})
            })
            .collect();
        let lock = |status| lock_word(status).unwrap_or("current");
        json!({
            "applications": applications, "files": files,
            "locks": {"fleet.lock": lock(changes.fleet_lock), "bundles.lock": lock(changes.bundles_lock)},
        })
    }

    /// `4,000 applications on 100 clusters from 120 renders`.
    pub(crate) fn counted(&self) -> String {
        let clusters = self.assembled.as_ref().map_or(0, |assembled| assembled.bundled.bundles.len());
        format!(
            "{} on {} from {}",
            plural(self.units, "application"),
            plural(clusters, "cluster"),
            plural(self.renders, "render")
        )
    }
}

/// A fleet compiled and bundled.
pub(crate) struct Bundled {
    /// What was compiled, not to be freed.
    pub(crate) fleet: ManuallyDrop<Fleet>,
    pub(crate) diagnostics: Diagnostics,
    /// `None` where an error leaves open which application is where.
    pub(crate) assembled: Option<Assembled>,
    pub(crate) units: usize,
    pub(crate) renders: usize,
}

/// The second half: from renders to bundles, compared with what lay there before. `texts` reads what is asked for of that.
pub(crate) fn finish(
    session: &Session,
    compiled: Warned<Compiled>,
    previous: &mut Previous,
    texts: &dyn Fn(&mut Previous, &[String]),
    keep_going: bool,
    twice: bool,
) -> Bundled {
    let mut diagnostics = compiled.diagnostics;
    let compiled = compiled.value;
    let (units, renders) = (compiled.units.len(), compiled.renders.len());
    session.say_taken(&compiled.fleet);
    if twice {
        diagnostics.extend(super::twice::differences(session, &compiled));
    }
    if compiled.unknown_applications || (!compiled.failed_sets.is_empty() && !keep_going) {
        // The failures of single applications are worth knowing in the same run.
        diagnostics.extend(parts(&compiled, session.world.sources()).diagnostics);
        let fleet = ManuallyDrop::new(compiled.fleet);
        return Bundled { fleet, diagnostics, assembled: None, units, renders };
    }
    let parts = parts(&compiled, session.world.sources());
    diagnostics.extend(parts.diagnostics);
    let failed_sets: &[_] = if keep_going { &compiled.failed_sets } else { &[] };
    let Some(key) = diagnostics.take(session.digest_key()) else {
        let fleet = ManuallyDrop::new(compiled.fleet);
        return Bundled { fleet, diagnostics, assembled: None, units, renders };
    };
    let key = key.as_ref();
    let input = bundle::Input { fleet: &compiled.fleet, parts: &parts.value, previous, failed_sets, key };
    let wanted = bundle::held_files(&input);
    texts(previous, &wanted);
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| session.pool.spread(count, work);
    let assembled = assemble(&compiled, &parts.value, previous, (keep_going, key), &spread);
    let locks_refused = assembled.diagnostics.iter().any(|d| d.is_error() && d.code.starts_with("lock/"));
    diagnostics.extend(assembled.diagnostics);
    let refused = assembled.value.bundled.refused || locks_refused;
    let locked_out = session.is_locked() && !refused && assembled.value.changes.fleet_lock != LockStatus::Current;
    if locked_out {
        diagnostics.push(locked(&session.pins, &assembled.value));
    }
    let assembled = if refused || locked_out { None } else { Some(assembled.value) };
    std::mem::forget(compiled.units);
    Bundled { fleet: ManuallyDrop::new(compiled.fleet), diagnostics, assembled, units, renders }
}

/// What fleet.lock would become, and may not.
fn locked(pins: &Pins, assembled: &Assembled) -> Diagnostic {
    let message = match assembled.changes.fleet_lock {
        LockStatus::Missing => "there is no fleet.lock, and none may be written (`--locked`)",
        LockStatus::Conflicted => {
            "fleet.lock holds the markers of a merge conflict, and may not be written (`--locked`)"
        }
        LockStatus::Current | LockStatus::Stale => {
            "fleet.lock is not what this build makes, and may not be written (`--locked`)"
        }
    };
    let moved = super::update::moves(pins, &assembled.pins);
    let error = Diagnostic::error("lock/locked", Span::NONE, message).cause(Cause::Answer);
    let error = moved.iter().fold(error, |error, moved| error.trace(Span::NONE, moved.to_string()));
    error.hint("run `fleetc build` or `fleetc update` without `--locked`, and commit fleet.lock")
}

fn lock_word(status: bundle::LockStatus) -> Option<&'static str> {
    match status {
        bundle::LockStatus::Current => None,
        bundle::LockStatus::Missing => Some("missing"),
        bundle::LockStatus::Stale => Some("stale"),
        bundle::LockStatus::Conflicted => Some("holds the markers of a merge conflict"),
    }
}

/// The note that nothing was written, and why.
pub(crate) fn nothing_written(why: &str) -> Diagnostic {
    Diagnostic::note("build/nothing-written", Span::NONE, format!("nothing was written: {why}"))
}
