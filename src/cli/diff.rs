//! `fleetc diff A B`: what differs between two revisions of the fleet, two folders of bundles, or two locks. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use fleetc::bundle::{self, Contents, Previous};
use fleetc::compile::{self, parts};
use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::diff::{self, Change, Comparison, Place, Side, report as diff_report};
use fleetc::host::Pool;
use fleetc::host::record::Said;
use fleetc::host::seen::Question;
use fleetc::k8s::difference::ChangedField;
use fleetc::lock::{self, BundlesLock, FleetLock, State};
use fleetc::page::{Known, Page, html};
use fleetc::plan::Filter;
use fleetc::read::FLEET_FILES;
use fleetc::report::Detail;
use fleetc::span::{FileId, SourceMap, Span};
use fleetc::yaml::{Node, json};
use indicatif::ProgressBar;
use serde_json::{Value, json as value};

use super::args::{Diff, FilterArgs, Format};
use super::dangers::{self, Says};
use super::planning::{Chosen, globs};
use super::remembered::Remembered;
use super::report;
use super::session::{Session, eprint_line, json_text, print_findings, print_json, print_out};
use super::{lying, page, update};

/// What an argument names.
enum Named {
    /// The files of the checkout.
    WorkingTree,
    /// A revision of its repository.
    Revision(String),
    /// A folder of bundles.
    Bundles(PathBuf),
    /// The folder of another fleet, or of the same one in another checkout.
    Fleet(PathBuf),
    /// A fleet.lock or bundles.lock.
    Lock(PathBuf),
}

impl Named {
    fn of(text: Option<&str>) -> Named {
        let Some(text) = text else { return Named::WorkingTree };
        let path = Path::new(text);
        if path.is_dir() && path.join(bundle::BUNDLES_LOCK).is_file() {
            Named::Bundles(path.to_owned())
        } else if path.is_dir() && is_fleet(text) {
            Named::Fleet(path.to_owned())
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

/// Whether a folder is meant, and not a branch of that name.
fn is_fleet(text: &str) -> bool {
    let written = text.starts_with(['.', '/']) || text.ends_with('/');
    written || FLEET_FILES.iter().any(|name| Path::new(text).join(name).is_file())
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
    // A page is written anew: nobody knows whether the file is still what it was.
    let remembered = Remembered::of("diff", args, &args.options, args.no_cache || args.html.is_some());
    if remembered.replay() {
        return ExitCode::SUCCESS;
    }
    let mut noting = args.clone();
    noting.options.seen = remembered.seen();
    let args = &noting;
    let pool = match Pool::new(args.options.threads) {
        Ok(pool) => pool,
        Err(error) => return refuse(args, usage(format!("cannot start threads: {error}"))),
    };
    let (before, after) = match (open(&before, args), open(&after, args)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let progress = [&before, &after].into_iter().find_map(Opened::progress);
    let (mut before, mut after) = pool.both(|| before.side(args), || after.side(args));
    progress.inspect(ProgressBar::finish_and_clear);
    if before.side.is_some() && after.side.is_some() {
        keep_new(&mut before.diagnostics, &mut after.diagnostics);
    }
    let (before, after) = match (before.told(args), after.told(args)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let failed = before.failed || after.failed;
    let err = [before.said.as_str(), after.said.as_str()].concat();
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| pool.spread(count, work);
    let whole = after.whole.as_ref();
    let says = whole.map(|whole| Says::of(&whole.compiled.fleet)).unwrap_or_default();
    let levels = |rule: &str, level, place: &Place| says.level(rule, level, &place.application.name, &place.cluster);
    let comparison = diff::compare_judged(&before.side, &after.side, &spread, &levels);
    if let Some(file) = &args.html
        && let Err(error) = page(args, file, (&before, &after), &comparison, &pool)
    {
        return refuse(args, (*error).into());
    }
    // The process ends here; taking thousands of applications apart would be for nothing.
    std::mem::forget((before, after));
    let out = match args.options.format {
        Format::Json => json_text(&data(&comparison)),
        Format::Human if args.markdown => diff_report::markdown(&comparison),
        Format::Sarif => return refuse(args, usage("differences are no findings: SARIF has none of them".to_owned())),
        Format::Human | Format::Github => {
            let color = args.options.color.is_on(&std::io::stdout());
            diff_report::human(&comparison, Detail { verbose: args.options.verbose, color })
        }
    };
    print_out(&out);
    match (failed, args.exit_code && !comparison.is_empty()) {
        (true, _) => ExitCode::from(3),
        (false, true) => ExitCode::from(1),
        (false, false) => {
            remembered.keep(&Said { out, err });
            ExitCode::SUCCESS
        }
    }
}

/// Writes the comparison as a page.
fn page(
    args: &Diff,
    file: &Path,
    (before, after): (&Told, &Told),
    comparison: &Comparison,
    pool: &Pool,
) -> Result<(), Box<Diagnostic>> {
    let wholes: Vec<&Whole> = [before, after].into_iter().filter_map(|side| side.whole.as_ref()).collect();
    let fleets: Vec<_> = wholes.iter().map(|whole| &whole.compiled.fleet).collect();
    let known = after.whole.as_ref().map(|whole| (whole, page::traced(&whole.session, &whole.compiled, &whole.chosen)));
    let known = known.as_ref().map(|(whole, traced)| Known {
        compiled: &whole.compiled,
        sources: whole.session.world.sources(),
        traced,
    });
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| pool.spread(count, work);
    let mut page = Page::of_comparison((&before.side, &after.side), comparison, &fleets, known, &spread);
    page.title = wholes.last().map_or("fleet".to_owned(), |whole| page::title(&whole.session, &whole.compiled));
    let side = |text: Option<&str>| text.unwrap_or("working tree").to_owned();
    page.facts =
        vec![("before".to_owned(), side(Some(&args.before))), ("after".to_owned(), side(args.after.as_deref()))];
    let text = html(&page, &spread);
    page::written(file, &text)?;
    if !args.options.quiet && args.options.format == Format::Human {
        eprint_line(&page::said(&page, file, &text));
    }
    Ok(())
}

/// One side of which it is known where it comes from.
enum Opened {
    Session(Box<Session>),
    Bundles(PathBuf),
}

fn open(named: &Named, args: &Diff) -> Result<Opened, ExitCode> {
    let session = match named {
        Named::Bundles(folder) => {
            args.options.seen.beyond();
            return Ok(Opened::Bundles(folder.clone()));
        }
        Named::Revision(revision) => {
            // A folder of that name would be meant tomorrow.
            args.options.seen.ask(Question::Kind, Path::new(revision));
            Session::open_at(&args.fleet_dir, &args.options, revision)?
        }
        Named::WorkingTree => Session::open_with(&args.fleet_dir, &args.options, None, &|_| false)?,
        Named::Fleet(folder) => Session::open_with(folder, &args.options, None, &|_| false)?,
        Named::Lock(_) => return Err(ExitCode::from(2)),
    };
    Ok(Opened::Session(Box::new(session)))
}

impl Opened {
    fn progress(&self) -> Option<ProgressBar> {
        match self {
            Opened::Session(session) => Some(session.progress("compiling both sides")),
            Opened::Bundles(_) => None,
        }
    }

    /// Makes the side. Nothing is said here, since both are made at once.
    fn side(self, args: &Diff) -> Made {
        let (mut made, clusters) = match self {
            Opened::Session(session) => (compiled(session, &args.filter, NOTHING_COMPARED), Vec::new()),
            Opened::Bundles(folder) => (lying(&folder), args.filter.clusters.clone()),
        };
        let Some(side) = &mut made.side else { return made };
        let clusters = match narrowed(side, &args.filter).and_then(|()| globs(&clusters)) {
            Ok(clusters) => clusters,
            Err(error) => {
                made.diagnostics.push(*error);
                return Made { side: None, ..made };
            }
        };
        side.retain(|name, _| clusters.is_empty() || clusters.iter().any(|glob| glob.matches(name)));
        made
    }
}

/// Leaves only the applications that the filters let through.
fn narrowed(side: &mut Side, args: &FilterArgs) -> Result<(), Box<Diagnostic>> {
    let filter = Filter { applications: globs(&args.apps)?, projects: globs(&args.projects)? };
    for contents in side.values_mut() {
        contents.index.applications.retain(|entry| filter.lets(&entry.key, &entry.project));
    }
    Ok(())
}

/// The side that a fleet comes to, its findings said, and what it was compiled from: for pages. `nothing` are the code and the words for
/// what does not happen after an error.
pub(super) fn whole(
    session: Session,
    filter: &FilterArgs,
    nothing: (&'static str, &str),
) -> Result<(Side, Whole, bool), ExitCode> {
    let mut made = compiled(Box::new(session), filter, nothing);
    if let Some(Err(error)) = made.side.as_mut().map(|side| narrowed(side, filter)) {
        made.diagnostics.push(*error);
        made.side = None;
    }
    match (made.side, made.whole) {
        (Some(side), Some(whole)) => {
            whole.session.print_findings(&mut made.diagnostics);
            Ok((side, whole, made.diagnostics.has_errors()))
        }
        (_, Some(whole)) => Err(whole.session.refuse(made.diagnostics)),
        (_, None) => Err(made.session.map_or(ExitCode::from(2), |session| session.refuse(made.diagnostics))),
    }
}

/// What became of a side.
pub(crate) struct Made {
    /// `None` where an error leaves open what belongs to it.
    pub(crate) side: Option<Side>,
    /// What is to be said of it.
    pub(crate) diagnostics: Diagnostics,
    /// Whose files they are about, where it was not compiled to the end.
    session: Option<Box<Session>>,
    /// What it was compiled from.
    whole: Option<Whole>,
}

/// What a side was compiled from.
pub(super) struct Whole {
    pub(super) session: Box<Session>,
    pub(super) compiled: compile::Compiled,
    pub(super) chosen: Chosen,
}

/// A side, and whether an application of it could not be rendered.
struct Told {
    side: Side,
    failed: bool,
    /// What was said of it.
    said: String,
    whole: Option<Whole>,
}

/// What is said where a side cannot be made.
pub(crate) const NOTHING_COMPARED: (&str, &str) = ("diff/nothing-compared", "nothing was compared");

impl Made {
    /// What is to be said, and by whom.
    pub(crate) fn findings(&mut self) -> (Option<&Session>, &mut Diagnostics) {
        let session = self.session.as_deref().or(self.whole.as_ref().map(|whole| &*whole.session));
        (session, &mut self.diagnostics)
    }

    /// Says what there is to say.
    fn told(mut self, args: &Diff) -> Result<Told, ExitCode> {
        let Some(side) = self.side.take() else {
            return Err(match self.findings() {
                (Some(session), diagnostics) => session.refuse(std::mem::take(diagnostics)),
                (None, diagnostics) => refuse(args, std::mem::take(diagnostics)),
            });
        };
        let mut said = String::new();
        if let (Some(session), diagnostics) = self.findings() {
            session.print_findings(diagnostics);
            said = session.said().err;
        }
        Ok(Told { side, failed: self.diagnostics.has_errors(), said, whole: self.whole })
    }
}

fn lying(folder: &Path) -> Made {
    match lying::bundles(folder, &folder.join("..")) {
        Ok(side) => Made { side: Some(side), diagnostics: Diagnostics::new(), session: None, whole: None },
        Err(diagnostics) => Made { side: None, diagnostics, session: None, whole: None },
    }
}

/// The bundles of a fleet, made anew: what lies in its output folder does not count, so nothing is held.
pub(crate) fn compiled(session: Box<Session>, filter: &FilterArgs, nothing: (&'static str, &str)) -> Made {
    let compiled = session.compile_unseen();
    let mut diagnostics = compiled.diagnostics;
    let compiled = compiled.value;
    let parts = parts(&compiled, session.world.sources());
    diagnostics.extend(parts.diagnostics);
    if compiled.unknown_applications || !compiled.failed_sets.is_empty() {
        let why = "an error leaves open which application is where, and a missing one would read as a removal";
        diagnostics.push(Diagnostic::note(nothing.0, Span::NONE, format!("{}: {why}", nothing.1)));
        return Made { side: None, diagnostics, session: Some(session), whole: None };
    }
    let previous = Previous::default();
    let spread = |count: usize, work: &(dyn Fn(usize) + Sync)| session.pool.spread(count, work);
    let input =
        bundle::Input { fleet: &compiled.fleet, parts: &parts.value, previous: &previous, failed_sets: &[], key: None };
    let bundled = bundle::bundle(&input, &spread);
    diagnostics.extend(bundled.diagnostics);
    diagnostics.extend(dangers::unknown(&compiled.fleet));
    let chosen = match Chosen::of(filter, &compiled.fleet) {
        Ok(chosen) => chosen,
        Err(error) => {
            return Made { side: None, diagnostics: (*error).into(), session: Some(session), whole: None };
        }
    };
    let names = chosen.clusters_of(&compiled.fleet);
    let bundles = bundled.value.bundles.into_iter().filter(|bundle| names.contains(&bundle.cluster));
    let side: Side = bundles.map(|bundle| (bundle.cluster.clone(), Contents::from(bundle))).collect();
    let side = if bundled.value.refused { None } else { Some(side) };
    Made { side, diagnostics, session: None, whole: Some(Whole { session, compiled, chosen }) }
}

/// Of what is no error, only what the second side says and the first does not is about the difference; `fleetc check` says the rest.
fn keep_new(before: &mut Diagnostics, after: &mut Diagnostics) {
    let known: BTreeSet<(&str, &str)> = before.iter().map(|found| (found.code, found.message.as_str())).collect();
    after.0.retain(|found| found.is_error() || !known.contains(&(found.code, found.message.as_str())));
    before.0.retain(Diagnostic::is_error);
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
pub(crate) fn data(comparison: &Comparison) -> Value {
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
        .map(|failure| value!({"side": failure.side.name(), "why": failure.why, "places": places(&failure.places)}))
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
        "dangers": dangers::data(&change.dangers.list), "suppressed": dangers::data(&change.dangers.suppressed), "places": places(&change.places),
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
