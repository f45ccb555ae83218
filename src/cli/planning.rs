//! What `plan` and `apply` share: what is to be on every cluster, from a build in memory or a folder of bundles, and how it is reached.
//!
//! Nothing is written. After an error that leaves open which application is where, there is no plan; a cluster that cannot be reached is
//! one that failed, and the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fleetc::bundle::{self, Contents, Entry, ObjectRef};
use fleetc::cluster::Cluster;
use fleetc::diag::{Cause, Diagnostic, Diagnostics, did_you_mean};
use fleetc::host::cluster::{ClusterConnection, Driver, RunOptions, connect};
use fleetc::inventory::NAMESPACE;
use fleetc::k8s::glob::Glob;
use fleetc::k8s::selector::Selector;
use fleetc::machine::Machine;
use fleetc::plan::{
    self, ClusterInput, ClusterPlan, Context, DesiredSlice, Filter, Fleetwide, Ground, HookRuns, LiveApplication,
    Options, Prune, Removals,
};
use fleetc::read::{Fleet, KeyPlace};
use fleetc::resolve::ResolvedUnit;
use fleetc::rollout::{Rollout, Rule};
use fleetc::sops::{self, Identity};
use fleetc::span::Span;
use fleetc::yaml::Node;

use super::args::{Build, FilterArgs, PlanningArgs, PruneChoice};
use super::assembly::Assembly;
use super::dangers::{self, Says};
use super::lying;
use super::reach;
use super::session::Session;

/// Everything that a plan starts from.
pub(crate) struct Planning {
    pub(crate) session: Session,
    pub(crate) diagnostics: Diagnostics,
    /// `metadata.name` of fleet.yaml.
    pub(crate) name: String,
    pub(crate) driver: Driver,
    /// The clusters that are planned, by name.
    pub(crate) targets: Vec<Target>,
    /// How many requests to a cluster at a time, and when it must be done.
    pub(crate) run: RunOptions,
    /// `rollout` of fleet.yaml.
    pub(crate) rules: Vec<Rule>,
    /// What was declared, and what is to be on the clusters by their names.
    pub(crate) fleet: Fleet,
    pub(crate) sites: BTreeMap<String, Contents>,
    /// By cluster: its wave by each of the rules.
    waves: BTreeMap<String, Vec<usize>>,
    /// The ApplicationSets that there are.
    sets: BTreeSet<String>,
    /// What the fleet says of dangers.
    says: Says,
}

/// A cluster.
pub(crate) struct Target {
    /// What is to be there.
    pub(crate) input: ClusterInput,
    /// The way to it, or why there is none.
    pub(crate) connection: Result<ClusterConnection, String>,
    /// Whether the fleet has anything for it: one that has nothing and cannot be reached is no failure.
    pub(crate) is_used: bool,
}

impl Planning {
    /// Compiles or reads, and connects.
    ///
    /// # Errors
    /// The exit code, after the reason was printed.
    pub(crate) fn make(args: &PlanningArgs) -> Result<Planning, ExitCode> {
        let (session, fleet, sites, mut diagnostics) = match &args.target.bundles {
            None => compiled(args)?,
            Some(folder) => read(args, folder)?,
        };
        let Some(name) = fleet.name.clone() else {
            let message = "the fleet has no name, and what is applied belongs to a name";
            let error = Diagnostic::error("plan/no-name", Span::NONE, message);
            diagnostics.push(error.hint("write `metadata: {name: …}` into fleet.yaml, and never change it"));
            return Err(session.refuse(diagnostics));
        };
        let driver = match Driver::start() {
            Ok(driver) => driver,
            Err(error) => {
                let message = format!("cannot start threads: {error}");
                diagnostics.push(Diagnostic::error("cli/threads", Span::NONE, message).cause(Cause::Usage));
                return Err(session.refuse(diagnostics));
            }
        };
        let chosen = match Chosen::of(&args.target.filter, &fleet) {
            Ok(chosen) => chosen,
            Err(error) => {
                diagnostics.push(*error);
                return Err(session.refuse(diagnostics));
            }
        };
        let members = members(&fleet);
        let named: Vec<(&String, usize)> = members
            .iter()
            .filter_map(|(name, places)| Some((name, *places.first()?)))
            .filter(|(name, place)| fleet.clusters.get(*place).is_some_and(|cluster| chosen.has(name, cluster)))
            .collect();
        let which: Vec<usize> = named.iter().map(|(_, place)| *place).collect();
        let options = reach::options(&args.target.connection, &fleet);
        let reached = connect(&driver, session.world.sources(), &fleet.clusters, &which, &options);
        diagnostics.extend(reached.diagnostics);
        if diagnostics.iter().any(|found| found.is_error() && found.cause == Cause::Usage) {
            return Err(session.refuse(diagnostics));
        }
        // Nobody knows which commit a folder of bundles is of.
        let revision = if args.target.bundles.is_none() { session.world.head() } else { String::new() };
        let management = match reach::management(&driver, &options) {
            Ok(applications) => applications,
            Err(unknown) => {
                let is_error = unknown.is_error();
                diagnostics.push(*unknown);
                if is_error {
                    return Err(session.refuse(diagnostics));
                }
                Vec::new()
            }
        };
        let management = management.into();
        let shared = Shared {
            management,
            ..Shared::of(&name, &fleet, &members, args, chosen.filter, (revision, session.world.folder()))
        };
        let empty = Contents::default();
        let inputs = session.pool.map(&named, &|(name, place)| {
            shared.input(name, fleet.clusters.get(*place), sites.get(*name).unwrap_or(&empty))
        });
        let connections = reached.connections.into_iter();
        let targets = inputs.into_iter().zip(connections).map(|(input, connection)| Target {
            is_used: sites.get(&input.cluster).is_some_and(|site| !site.index.applications.is_empty()),
            input,
            connection: connection.map_err(|refused| {
                let hint = refused.hints.first().map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("{}{hint}", reach::short(&refused.message))
            }),
        });
        let targets = targets.collect();
        let run = RunOptions { requests: shared.options.in_flight, ..RunOptions::default() };
        let says = Says::of(&fleet);
        diagnostics.extend(dangers::unknown(&fleet));
        let rules = fleet.rollout.clone();
        let waves = named.iter().filter_map(|(name, place)| Some((*name, fleet.clusters.get(*place)?)));
        let waves =
            waves.map(|(name, cluster)| (name.clone(), rules.iter().map(|rule| rule.wave_of(name, cluster)).collect()));
        let declared = fleet.application_sets.iter();
        let declared = declared.map(|set| plan::set_name(&set.instance, &format!("{}/{}", set.namespace, set.name)));
        let entries = sites.values().flat_map(|site| &site.index.applications);
        let made = entries.map(|entry| plan::set_name(&entry.key.instance, &entry.application_set));
        let sets = declared.chain(made).collect();
        let waves = waves.collect();
        Ok(Planning { says, session, diagnostics, name, driver, targets, run, rules, fleet, sites, waves, sets })
    }

    /// In which waves these plans go: one for each target, in their order.
    pub(crate) fn rollout<'p>(&self, plans: impl Iterator<Item = &'p ClusterPlan>) -> Rollout {
        let wave_of = |rule: usize, cluster: &str| {
            self.waves.get(cluster).and_then(|waves| waves.get(rule)).copied().unwrap_or_default()
        };
        let fleet = Fleetwide { rules: &self.rules, wave_of: &wave_of, sets: &self.sets };
        // A cluster that the fleet has nothing for and that cannot be reached holds up nobody.
        let planned: Vec<(&ClusterInput, &ClusterPlan)> =
            self.targets.iter().map(|target| &target.input).zip(plans).collect();
        plan::waves(&fleet, &planned)
    }

    /// Plans every cluster, and bounds the run. A plan for each target, in their order, and the ground that its slices stand on.
    pub(crate) fn plan(&self, limits: plan::guard::Limits) -> Vec<(ClusterPlan, Option<Arc<Ground>>)> {
        let progress = self.session.progress("planning");
        let (mut work, mut at) = (Vec::new(), Vec::new());
        let mut plans: Vec<(ClusterPlan, Option<Arc<Ground>>)> = Vec::new();
        for (place, target) in self.targets.iter().enumerate() {
            let mut plan = ClusterPlan { cluster: target.input.cluster.clone(), ..ClusterPlan::default() };
            match &target.connection {
                Ok(connection) => {
                    let input = target.input.clone();
                    work.push((connection.clone(), Machine::new(|port| plan::cluster(port, input))));
                    at.push(place);
                    plan.failed = Some("the work broke off".to_owned());
                }
                Err(why) if target.is_used => plan.failed = Some(why.clone()),
                Err(why) => plan.notes.push(format!("not looked at, and the fleet has nothing for it: {why}")),
            }
            plans.push((plan, None));
        }
        let results = self.driver.run(work, self.run, &mut |_, text| progress.set_message(text));
        for (place, result) in at.into_iter().zip(results) {
            if let (Some(result), Some(slot), Some(target)) = (result, plans.get_mut(place), self.targets.get(place)) {
                *slot = result;
                if let Some(why) = slot.0.failed.take() {
                    match target.is_used {
                        true => slot.0.failed = Some(why),
                        false => slot.0.notes.push(format!("not looked at, and the fleet has nothing for it: {why}")),
                    }
                }
            }
        }
        progress.finish_and_clear();
        let (mut only, grounds): (Vec<ClusterPlan>, Vec<Option<Arc<Ground>>>) = plans.into_iter().unzip();
        plan::guard::run(&mut only, limits);
        self.says.judge(only.iter_mut());
        only.into_iter().zip(grounds).collect()
    }
}

/// The fleet compiled in memory.
fn compiled(args: &PlanningArgs) -> Result<(Session, Fleet, BTreeMap<String, Contents>, Diagnostics), ExitCode> {
    let management = (&args.target.connection).into();
    let fleet = args.target.fleet.clone();
    let build = Build { fleet, output: None, keep_going: false, no_cache: true, management };
    let mut assembly = Assembly::make(&build, false)?;
    let mut diagnostics = Diagnostics::new();
    // What lies in the folder of the bundles, and would stand in the way of writing them, is nothing to a plan.
    let of_fleet = std::mem::take(&mut assembly.diagnostics).into_iter().filter(|found| found.cause != Cause::Answer);
    diagnostics.extend(of_fleet);
    let Some(assembled) = assembly.assembled.take() else {
        let why = "an error leaves open which application is where, and a missing one would read as a removal";
        diagnostics.push(Diagnostic::note("plan/nothing-planned", Span::NONE, format!("nothing was planned: {why}")));
        return Err(assembly.session.refuse(diagnostics));
    };
    if assembly.session.is_strict() && diagnostics.has_errors() {
        return Err(assembly.session.refuse(diagnostics));
    }
    let bundles = assembled.bundled.bundles.into_iter();
    let bundles = bundles.map(|bundle| (bundle.cluster.clone(), Contents::from(bundle)));
    Ok((assembly.session, ManuallyDrop::into_inner(assembly.fleet), bundles.collect(), diagnostics))
}

/// What to do about bundles that do not lie there as their lock says.
const ANEW: &str = "run `fleetc build`, or leave out `--bundles` to compile now";

/// The bundles of a folder, as its lock says.
fn read(
    args: &PlanningArgs,
    output: &Path,
) -> Result<(Session, Fleet, BTreeMap<String, Contents>, Diagnostics), ExitCode> {
    let session = Session::open(&args.target.fleet.knowing(&args.target.connection), Some(output))?;
    let declared = session.declared();
    if declared.diagnostics.has_errors() {
        return Err(session.refuse(declared.diagnostics));
    }
    let mut diagnostics = declared.diagnostics;
    let read = lying::bundles(output, session.world.folder());
    let read = match read {
        Ok(read) => read,
        Err(errors) => {
            diagnostics.extend(errors.into_iter().map(|error| error.hint(ANEW)));
            return Err(session.refuse(diagnostics));
        }
    };
    let shown = output.display();
    let known: BTreeSet<String> = members(&declared.value).into_keys().collect();
    let mut sites = BTreeMap::new();
    for (cluster, contents) in read {
        if known.contains(&cluster) {
            sites.insert(cluster, contents);
            continue;
        }
        let message = format!("`{shown}` has a bundle for `{cluster}`, which is no cluster of the fleet");
        let mut error = Diagnostic::error("plan/bundles", Span::NONE, message);
        error.hints.extend(did_you_mean(&cluster, known.iter().map(String::as_str)));
        diagnostics.push(error);
    }
    if diagnostics.has_errors() {
        return Err(session.refuse(diagnostics));
    }
    Ok((session, declared.value, sites, diagnostics))
}

/// Where parents may lie, the fleet's own namespace first.
pub(crate) fn parent_namespaces(fleet: &Fleet) -> Vec<String> {
    let apply = &fleet.apply;
    let mut namespaces = vec![apply.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned())];
    namespaces.extend(apply.projects.iter().map(|(_, namespace)| namespace.clone()));
    namespaces.dedup();
    namespaces
}

/// The clusters of a fleet by the names that their bundles have.
fn members(fleet: &Fleet) -> BTreeMap<String, Vec<usize>> {
    let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, cluster) in fleet.clusters.iter().enumerate() {
        members.entry(bundle::cluster_name(cluster, fleet)).or_default().push(place);
    }
    members
}

const NO_KEY: &str = "SOPS encrypted it, and fleet.yaml does not say where the key of age is (`apply: {sops: {age: {environment: NAME}}}`)";

/// The keys in a place.
fn identities(place: &KeyPlace, folder: &Path) -> Result<Vec<Identity>, String> {
    let bytes = super::keys::read(place, folder).map_err(|why| format!("the key for SOPS: {why}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{place} is no text"))?;
    Identity::all(&text).map_err(|why| format!("the key for SOPS: in {place}, {why}"))
}

/// What the filters say.
pub(crate) struct Chosen {
    clusters: Vec<Glob>,
    selector: Selector,
    filter: Filter,
}

impl Chosen {
    /// What the arguments say of a fleet.
    ///
    /// # Errors
    /// A pattern that is none, or names no cluster; a selector that is none.
    pub(crate) fn of(args: &FilterArgs, fleet: &Fleet) -> Result<Chosen, Box<Diagnostic>> {
        let clusters = globs(&args.clusters)?;
        let names: Vec<String> = members(fleet).into_keys().collect();
        for glob in &clusters {
            if !names.iter().any(|name| glob.matches(name))
                && !fleet.clusters.iter().any(|cluster| glob.matches(&cluster.name))
            {
                let mut error = unusable(format!("no cluster of the fleet is called `{}`", glob.pattern()));
                error.hints.extend(did_you_mean(glob.pattern(), names.iter().map(String::as_str)));
                return Err(Box::new(error));
            }
        }
        let selector = match &args.selector {
            None => Selector::default(),
            Some(text) => {
                Selector::parse(text).map_err(|why| unusable(format!("`{text}` is no selector of labels: {why}")))?
            }
        };
        let filter = Filter { applications: globs(&args.apps)?, projects: globs(&args.projects)? };
        Ok(Chosen { clusters, selector, filter })
    }

    /// The names that bundles of the chosen clusters have.
    pub(crate) fn clusters_of(&self, fleet: &Fleet) -> BTreeSet<String> {
        let chosen = |places: &[usize]| {
            let clusters = places.iter().filter_map(|place| fleet.clusters.get(*place));
            clusters.map(|cluster| (bundle::cluster_name(cluster, fleet), cluster)).any(|(name, c)| self.has(&name, c))
        };
        members(fleet).into_iter().filter(|(_, places)| chosen(places)).map(|(name, _)| name).collect()
    }

    /// Whether nothing is filtered out.
    pub(crate) fn is_everything(&self) -> bool {
        let Filter { applications, projects } = &self.filter;
        self.clusters.is_empty() && self.selector.is_empty() && applications.is_empty() && projects.is_empty()
    }

    /// Whether an application on its cluster is meant.
    pub(crate) fn has_unit(&self, unit: &ResolvedUnit, fleet: &Fleet) -> bool {
        let application = &unit.unit.application;
        let cluster = fleet.clusters.get(unit.cluster);
        self.filter.lets(&application.key, &application.project)
            && cluster.is_some_and(|cluster| self.has(&bundle::cluster_name(cluster, fleet), cluster))
    }

    fn has(&self, name: &str, cluster: &Cluster) -> bool {
        let named = |glob: &Glob| glob.matches(name) || glob.matches(&cluster.name);
        (self.clusters.is_empty() || self.clusters.iter().any(named))
            && self.selector.matches(|key| cluster.labels.get(key).map(|value| value.as_str().into()))
    }
}

fn unusable(message: String) -> Diagnostic {
    Diagnostic::error("cli/filter", Span::NONE, message).cause(Cause::Usage)
}

/// Patterns of names.
///
/// # Errors
/// One is no pattern.
pub(crate) fn globs(patterns: &[String]) -> Result<Vec<Glob>, Box<Diagnostic>> {
    let glob = |pattern: &String| {
        Glob::new(pattern, "").ok_or_else(|| Box::new(unusable(format!("`{pattern}` is no pattern"))))
    };
    patterns.iter().map(glob).collect()
}

/// What all clusters have in common.
struct Shared<'a> {
    name: &'a str,
    fleet: &'a Fleet,
    filter: Filter,
    settings: BTreeMap<String, Node>,
    clusters: BTreeSet<String>,
    parent_namespaces: Vec<String>,
    management: Arc<[LiveApplication]>,
    options: Options,
    /// The commit that was compiled.
    revision: String,
    /// The keys that open what SOPS encrypted; `None` where fleet.yaml names none.
    keys: Option<Result<Vec<Identity>, String>>,
}

impl<'a> Shared<'a> {
    fn of(
        name: &'a str,
        fleet: &'a Fleet,
        members: &BTreeMap<String, Vec<usize>>,
        args: &PlanningArgs,
        filter: Filter,
        (revision, folder): (String, &Path),
    ) -> Self {
        let settings = fleet.instances.iter().map(|(name, instance)| {
            let data = instance.settings.data.iter();
            (
                name.clone(),
                Node::map(
                    data.map(|(key, value)| (Node::str(key.as_str()), Node::str(value.value.as_str()))).collect(),
                ),
            )
        });
        let apply = &fleet.apply;
        let options = Options {
            prune: match args.deletions.prune {
                None => Prune::Policy,
                Some(PruneChoice::Always) => Prune::Always,
                Some(PruneChoice::Never) => Prune::Never,
            },
            cluster_deletes: args.deletions.max_deletes,
            take_ownership: args.deletions.take_ownership,
            read_only: false,
            compare_as: None,
            hooks: if apply.hooks_on_every_sync { HookRuns::EverySync } else { HookRuns::OnChange },
            allow_delete: args.deletions.allow_delete.iter().cloned().collect(),
            allow_empty: args.deletions.allow_empty,
            ..Options::default()
        };
        Shared {
            name,
            fleet,
            filter,
            settings: settings.collect(),
            clusters: members.keys().cloned().collect(),
            parent_namespaces: parent_namespaces(fleet),
            management: Arc::default(),
            options,
            revision,
            keys: fleet.apply.sops.as_ref().map(|sops| identities(&sops.age, folder)),
        }
    }

    /// A Secret that SOPS encrypted as it is sent; and what must not be sent because somebody else has still to complete it.
    fn open(&self, object: &Node) -> Option<Result<Node, String>> {
        if !sops::is_encrypted(object) {
            return bundle::has_placeholders(object).then(|| {
                Err("it has placeholders of a secret manager, which would be written as they are".to_owned())
            });
        }
        let keys = match &self.keys {
            Some(Ok(keys)) => keys,
            Some(Err(why)) => return Some(Err(why.clone())),
            None => return Some(Err(NO_KEY.to_owned())),
        };
        let whole = self.fleet.apply.sops.as_ref().is_some_and(|sops| sops.whole);
        Some(sops::open(object, keys).and_then(|opened| match opened.whole || !whole {
            true => Ok(opened.object),
            false => Err("the MAC of SOPS over all its values does not hold, which `mac: require` asks for".to_owned()),
        }))
    }

    /// Where the parent of an application of a project lies.
    fn parent_namespace(&self, project: &str) -> &str {
        let of_project = self.fleet.apply.projects.iter().find(|(glob, _)| glob.matches(project));
        of_project
            .map(|(_, namespace)| namespace.as_str())
            .or(self.parent_namespaces.first().map(String::as_str))
            .unwrap_or(NAMESPACE)
    }

    fn slice(&self, cluster: &str, site: &Contents, entry: &Entry) -> DesiredSlice {
        let parent_namespace = self.parent_namespace(&entry.project);
        let context = Context { fleet: self.name, cluster, parent_namespace };
        let open = |object: &Node| self.open(object);
        let slice = DesiredSlice::opened(context, entry, &|path| site.texts.get(path).cloned(), &open);
        DesiredSlice { revision: self.revision.clone(), ..slice }
    }

    fn input(&self, name: &str, cluster: Option<&Cluster>, site: &Contents) -> ClusterInput {
        let entries = &site.index.applications;
        let (meant, others): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|entry| self.filter.lets(&entry.key, &entry.project));
        let mut elsewhere: BTreeMap<ObjectRef, _> = BTreeMap::new();
        for entry in others {
            // Only names count.
            let context =
                Context { fleet: self.name, cluster: name, parent_namespace: self.parent_namespace(&entry.project) };
            let slice = DesiredSlice::new(context, entry, &|path| site.texts.get(path).cloned());
            let plain = slice.objects.iter().filter(|object| object.is_plain());
            elsewhere.extend(plain.map(|object| (object.reference(), entry.key.clone())));
        }
        ClusterInput {
            fleet: self.name.to_owned(),
            cluster: name.to_owned(),
            server: cluster.map(|cluster| cluster.server_key().to_owned()).unwrap_or_default(),
            management: Arc::clone(&self.management),
            parent_namespaces: self.parent_namespaces.clone(),
            slices: meant.iter().map(|entry| self.slice(name, site, entry)).collect(),
            known: entries.iter().map(|entry| entry.key.clone()).collect(),
            elsewhere,
            removals: if self.filter.is_empty() { Removals::All } else { Removals::Only(self.filter.clone()) },
            clusters: self.clusters.clone(),
            facts: cluster.map(|cluster| cluster.facts.clone()).unwrap_or_default(),
            settings: self.settings.clone(),
            conflicts: self.fleet.apply.conflicts.clone(),
            options: self.options.clone(),
        }
    }
}
