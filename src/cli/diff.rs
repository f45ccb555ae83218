//! `fleetc diff A B`: what differs between two revisions of the fleet, two folders of bundles, or two locks. Writes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use fleetc::bundle::{self, Contents, Previous};
use fleetc::compile::{assemble, parts};
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::diff::{self, Change, Comparison, Place, Side, report as diff_report};
use fleetc::k8s::difference::ChangedField;
use fleetc::lock::{self, BundlesLock, FleetLock, State};
use fleetc::plan::Filter;
use fleetc::report::Detail;
use fleetc::span::{FileId, SourceMap, Span};
use fleetc::yaml::{Node, json};
use serde_json::{Value, json as value};

use super::args::{Diff, Format};
use super::planning::{Chosen, globs};
use super::report;
use super::session::{Session, print_findings, print_json, print_out};
use super::{lying, update};

/// What an argument names.
enum Named {
    /// The files of the checkout.
    WorkingTree,
    /// A revision of its repository.
    Revision(String),
    /// A folder of bundles.
    Bundles(PathBuf),
    /// A fleet.lock or bundles.lock.
    Lock(PathBuf),
}

impl Named {
    fn of(text: Option<&str>) -> Named {
        let Some(text) = text else { return Named::WorkingTree };
        let path = Path::new(text);
        if path.is_dir() && path.join(bundle::BUNDLES_LOCK).is_file() {
            Named::Bundles(path.to_owned())
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "lock") {
            Named::Lock(path.to_owned())
        } else {
            Named::Revision(text.to_owned())
        }
    }

    fn is_lock(&self) -> bool {
        matches!(self, Named::Lock(_))
    }
}

/// Runs the command.
pub(crate) fn run(args: &Diff) -> ExitCode {
    let (before, after) = (Named::of(Some(&args.before)), Named::of(args.after.as_deref()));
    if before.is_lock() != after.is_lock() {
        return refuse(args, usage("a lock can only be compared with a lock".to_owned()));
    }
    if let (Named::Lock(before), Named::Lock(after)) = (&before, &after) {
        return locks(args, before, after);
    }
    let (before, after) = match (side(&before, args), side(&after, args)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let failed = before.failed || after.failed;
    let pool = fleetc::host::Pool::new(args.options.threads);
    let comparison = match &pool {
        Ok(pool) => {
            let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| pool.spread(count, work);
            diff::compare(&before.side, &after.side, &spread)
        }
        Err(_) => diff::compare(&before.side, &after.side, &bundle::in_order),
    };
    // The process ends here; taking thousands of applications apart would be for nothing.
    std::mem::forget((before, after));
    match args.options.format {
        Format::Json => print_json(&data(&comparison)),
        Format::Human if args.markdown => print_out(&diff_report::markdown(&comparison)),
        Format::Sarif => return refuse(args, usage("differences are no findings: SARIF has none of them".to_owned())),
        Format::Human | Format::Github => {
            let color = args.options.color.is_on(&std::io::stdout());
            print_out(&diff_report::human(&comparison, Detail { verbose: args.options.verbose, color }));
        }
    }
    match (failed, args.exit_code && !comparison.is_empty()) {
        (true, _) => ExitCode::from(3),
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::SUCCESS,
    }
}

/// One side, and whether an application of it could not be rendered.
struct Compiled {
    side: Side,
    failed: bool,
}

fn side(named: &Named, args: &Diff) -> Result<Compiled, ExitCode> {
    let mut side = match named {
        Named::Bundles(folder) => {
            let around = folder.join("..");
            let side = lying::bundles(folder, &around).map_err(|errors| refuse(args, errors))?;
            Compiled { side, failed: false }
        }
        Named::Revision(revision) => compiled(Session::open_at(&args.fleet_dir, &args.options, revision)?, args)?,
        Named::WorkingTree => compiled(Session::open_with(&args.fleet_dir, &args.options, None, &|_| false)?, args)?,
        Named::Lock(_) => return Err(ExitCode::from(2)),
    };
    let chosen = |applications: &[String]| globs(applications).map_err(|error| refuse(args, (*error).into()));
    let filter = Filter { applications: chosen(&args.filter.apps)?, projects: chosen(&args.filter.projects)? };
    for contents in side.side.values_mut() {
        contents.index.applications.retain(|entry| filter.lets(&entry.key, &entry.project));
    }
    if matches!(named, Named::Bundles(_)) {
        let clusters = chosen(&args.filter.clusters)?;
        side.side.retain(|name, _| clusters.is_empty() || clusters.iter().any(|glob| glob.matches(name)));
    }
    Ok(side)
}

/// The bundles of a fleet, made anew: what lies in its output folder does not count, so nothing is held.
fn compiled(session: Session, args: &Diff) -> Result<Compiled, ExitCode> {
    let compiled = session.compile();
    let mut diagnostics = compiled.diagnostics;
    let compiled = compiled.value;
    let parts = parts(&compiled, session.world.sources());
    diagnostics.extend(parts.diagnostics);
    if compiled.unknown_applications || !compiled.failed_sets.is_empty() {
        let why = "an error leaves open which application is where, and a missing one would read as a removal";
        diagnostics.push(Diagnostic::note("diff/nothing-compared", Span::NONE, format!("nothing was compared: {why}")));
        return Err(session.refuse(diagnostics));
    }
    let previous = Previous::default();
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| session.pool.spread(count, work);
    let assembled = assemble(&compiled, &parts.value, &previous, false, &spread);
    // Locks are not written here, so what is wrong with those of the folder is no matter.
    diagnostics.extend(assembled.diagnostics.into_iter().filter(|found| found.cause != Cause::Answer));
    if assembled.value.bundled.refused {
        return Err(session.refuse(diagnostics));
    }
    let chosen = Chosen::of(&args.filter, &compiled.fleet).map_err(|error| session.refuse((*error).into()))?;
    let names = chosen.clusters_of(&compiled.fleet);
    session.print_findings(&mut diagnostics);
    let bundles = assembled.value.bundled.bundles.into_iter().filter(|bundle| names.contains(&bundle.cluster));
    let side: Side = bundles.map(|bundle| (bundle.cluster.clone(), Contents::from(bundle))).collect();
    std::mem::forget((compiled.units, compiled.fleet, session));
    Ok(Compiled { side, failed: diagnostics.has_errors() })
}

fn usage(message: String) -> Diagnostics {
    Diagnostic::error("diff/sides", Span::NONE, message).cause(Cause::Usage).into()
}

fn refuse(args: &Diff, errors: Diagnostics) -> ExitCode {
    let code = report::exit_code(&errors, true);
    if args.options.format == Format::Json {
        print_json(&value!({ "diagnostics": report::json(&errors, &SourceMap::default()) }));
    } else {
        print_findings(&errors, &SourceMap::default(), args.options.color);
    }
    ExitCode::from(code)
}

// ------------------------------------------------------------------------------------------------------------------------------ locks

/// What differs between two locks of one kind: pins that moved, or clusters whose bundles are others.
fn locks(args: &Diff, before: &Path, after: &Path) -> ExitCode {
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| refuse(args, usage(format!("cannot read `{}`: {error}", path.display()))))
    };
    let (old, new) = match (read(before), read(after)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let lines = match (FleetLock::parse(FileId::NONE, &old), FleetLock::parse(FileId::NONE, &new)) {
        (Ok(State::Here(old)), Ok(State::Here(new))) => {
            update::moves(&old.pins, &new.pins).iter().map(ToString::to_string).collect()
        }
        _ => match (BundlesLock::parse(FileId::NONE, &old), BundlesLock::parse(FileId::NONE, &new)) {
            (Ok(State::Here(old)), Ok(State::Here(new))) => drifted(&lock::drift(&old, &new)),
            _ => {
                let (before, after) = (before.display(), after.display());
                let message = format!("`{before}` and `{after}` are not two locks of one kind that can be read");
                return refuse(args, usage(message));
            }
        },
    };
    if args.options.format == Format::Json {
        print_json(&value!({ "lines": lines }));
    } else {
        lines.iter().for_each(|line| print_out(&format!("{line}\n")));
    }
    ExitCode::from(u8::from(args.exit_code && !lines.is_empty()))
}

fn drifted(drift: &lock::Drift) -> Vec<String> {
    let kinds = [("added", &drift.added), ("removed", &drift.removed), ("changed", &drift.changed)];
    let lines = kinds.into_iter().flat_map(|(mark, names)| names.iter().map(move |name| format!("{mark:<8} {name}")));
    lines.collect()
}

// ------------------------------------------------------------------------------------------------------------------------------- JSON

/// The comparison as data. Schema: `schema/diff.schema.json`.
fn data(comparison: &Comparison) -> Value {
    let applications: Vec<Value> = comparison
        .applications
        .iter()
        .map(|change| {
            value!({
                "what": change.what.name(), "fields": fields(&change.fields), "objects": change.objects,
                "places": places(&change.places),
            })
        })
        .collect();
    let failures: Vec<Value> = comparison
        .failures
        .iter()
        .map(|failure| {
            let side = if failure.after { "after" } else { "before" };
            value!({"side": side, "why": failure.why, "places": places(&failure.places)})
        })
        .collect();
    value!({
        "summary": diff_report::summary(comparison),
        "compared": comparison.compared,
        "clusters": {"added": comparison.clusters_added, "removed": comparison.clusters_removed},
        "applications": applications,
        "changes": comparison.changes.iter().map(change).collect::<Vec<Value>>(),
        "failures": failures,
    })
}

fn change(change: &Change) -> Value {
    let from = match &change.what {
        diff::What::Rename { from } => Some(from.clone()),
        diff::What::Move { from } => Some(from.to_string()),
        diff::What::Come | diff::What::Go | diff::What::Change => None,
    };
    let objects: Vec<Value> = change
        .objects
        .iter()
        .map(|object| value!({"namespace": object.namespace.as_str(), "name": object.name.as_str()}))
        .collect();
    value!({
        "what": change.what.name(), "from": from, "apiVersion": change.gvk.api_version().as_str(),
        "kind": change.gvk.kind.as_str(), "objects": objects, "fields": fields(&change.fields),
        "variants": change.variants, "wholeApplication": change.whole, "noise": change.noise,
        "dangers": change.dangers, "places": places(&change.places),
    })
}

fn fields(fields: &[ChangedField]) -> Vec<Value> {
    let text = |node: &Option<Node>| -> Value {
        let json = node.as_ref().and_then(|node| json::to_json(node).ok());
        json.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    };
    let one = |field: &ChangedField| {
        let mut found = value!({"path": field.path});
        if let Some(map) = found.as_object_mut() {
            for (key, node) in [("before", &field.before), ("after", &field.after)] {
                if node.is_some() {
                    map.insert(key.to_owned(), text(node));
                }
            }
        }
        found
    };
    fields.iter().map(one).collect()
}

/// Clusters by application.
fn places(places: &[Place]) -> Value {
    let mut found: BTreeMap<String, Vec<Arc<str>>> = BTreeMap::new();
    for place in places {
        found.entry(place.application.to_string()).or_default().push(Arc::clone(&place.cluster));
    }
    let list = found.into_iter().map(|(application, clusters)| {
        let clusters: Vec<&str> = clusters.iter().map(|name| &**name).collect();
        value!({"application": application, "clusters": clusters})
    });
    Value::Array(list.collect())
}
