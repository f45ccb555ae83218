//! What is judged, each once: a render, together with what of a cluster the verdicts on it depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use super::admission::{self, Admission, Arriving, Marks};
use super::policy::{Around, Policies, Seen, placed};
use super::rules::{FAMILIES, Found};
use super::subject::{Site, Subject};
use super::{Input, schema};
use crate::application::{ANY_NAMESPACE, AppKey, Application};
use crate::bundle::{Spread, cluster_name, mark_keys};
use crate::k8s::object::Gvk;
use crate::k8s::scope::{self, Scope};
use crate::read::Fleet;
use crate::render::{Rendered, Resource};
use crate::resolve::ResolvedUnit;
use crate::validate::apis::{Serving, serving};
use crate::validate::crd::Definition;
use crate::validate::table::Minor;

/// A render for clusters of one kind.
pub(super) struct Task {
    /// Which render.
    pub(super) render: usize,
    /// What counts of the cluster.
    pub(super) site: Site,
    /// The policies to apply, in place of the rules.
    run: Option<Run>,
}

/// Policies that are about an application, with what they look at.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Run {
    policies: Vec<usize>,
    /// Which of the sets of admission policies its cluster has.
    admission: Option<usize>,
    marks: Marks,
    namespace: String,
    /// Index of the cluster, and of the part, where a policy looks at them.
    cluster: Option<usize>,
    application: Option<usize>,
}

/// An application on a cluster.
pub(super) struct Unit<'a> {
    pub(super) application: &'a AppKey,
    /// Index of the cluster.
    pub(super) cluster: usize,
    /// What its renders are judged as.
    pub(super) tasks: Vec<usize>,
}

/// A render with what is looked up of it again and again.
struct Known<'a> {
    render: &'a Arc<Rendered>,
    /// The kind of each object.
    kinds: Vec<Gvk>,
    /// Kinds among them of which facts or CRDs may say something, without repetition.
    custom: Vec<Gvk>,
    /// What it declares.
    definitions: Vec<Arc<Definition>>,
}

/// All that is judged.
pub(super) struct Sites<'a> {
    fleet: &'a Fleet,
    policies: Policies<'a>,
    admissions: Vec<Admission>,
    /// The application of each part.
    applications: Vec<&'a Application>,
    renders: Vec<Known<'a>>,
    pub(super) tasks: Vec<Task>,
    pub(super) units: Vec<Unit<'a>>,
    /// Clusters in use whose version nobody said.
    pub(super) assumed: usize,
}

/// What one cluster is, for all renders on it.
struct Cluster {
    minor: Minor,
    told: bool,
    /// By group and kind.
    definitions: BTreeMap<(String, String), Arc<Definition>>,
    served: Option<Arc<BTreeSet<String>>>,
}

/// What makes two uses of a render the same: version and whether it is told, and for each custom kind its definition and whether facts serve it.
type Signature = (usize, Minor, bool, Vec<(Option<usize>, Option<bool>)>);

impl<'a> Sites<'a> {
    pub(super) fn of(input: &Input<'a>, spread: Spread<'_>) -> Sites<'a> {
        let mut places: FxHashMap<usize, usize> = FxHashMap::default();
        let mut list: Vec<&'a Arc<Rendered>> = Vec::new();
        let mut of_part: Vec<Vec<usize>> = Vec::with_capacity(input.parts.len());
        for part in input.parts {
            let renders = part.renders.iter().flatten();
            let numbers = renders.map(|render| {
                *places.entry(Arc::as_ptr(render) as usize).or_insert_with(|| {
                    list.push(render);
                    list.len() - 1
                })
            });
            of_part.push(numbers.collect());
        }
        let cells: Vec<OnceLock<Known<'a>>> = list.iter().map(|_| OnceLock::new()).collect();
        spread(list.len(), &|at| {
            if let (Some(render), Some(cell)) = (list.get(at), cells.get(at)) {
                let _ = cell.set(Known::of(render));
            }
        });
        let renders: Vec<Known<'a>> = cells.into_iter().filter_map(OnceLock::into_inner).collect();
        let fleet = &input.compiled.fleet;
        let applications = input.parts.iter().map(|part| &*part.unit.unit.application).collect();
        let policies = Policies::of(fleet);
        let mut sites = Sites {
            fleet,
            policies,
            admissions: Vec::new(),
            applications,
            renders,
            tasks: Vec::new(),
            units: Vec::new(),
            assumed: 0,
        };
        sites.place(input, &of_part);
        sites
    }

    /// Finds the tasks of every application that is meant.
    fn place(&mut self, input: &Input<'a>, of_part: &[Vec<usize>]) {
        let fleet = &input.compiled.fleet;
        let mut clusters: BTreeMap<usize, Cluster> = BTreeMap::new();
        for (part, renders) in input.parts.iter().zip(of_part) {
            let cluster = clusters.entry(part.unit.cluster).or_insert_with(|| {
                let facts = fleet.clusters.get(part.unit.cluster).map(|cluster| &cluster.facts);
                let told = facts.and_then(|facts| Minor::parse(facts.kube_version.as_ref()?));
                let served = facts.map(|facts| &facts.api_versions).filter(|list| !list.is_empty());
                Cluster {
                    minor: told.unwrap_or_else(Minor::newest),
                    told: told.is_some(),
                    definitions: BTreeMap::new(),
                    served: served.map(|list| Arc::new(list.iter().cloned().collect())),
                }
            });
            for definition in renders.iter().filter_map(|at| self.renders.get(*at)).flat_map(|known| &known.definitions)
            {
                let key = (definition.group.to_string(), definition.kind.to_string());
                cluster.definitions.entry(key).or_insert_with(|| Arc::clone(definition));
            }
        }
        let admissions = self.admissions(input, of_part, &clusters);
        let mut known: FxHashMap<Signature, usize> = FxHashMap::default();
        let mut runs: FxHashMap<(usize, usize, Run), usize> = FxHashMap::default();
        let mut assumed = BTreeSet::new();
        for (number, (part, renders)) in input.parts.iter().zip(of_part).enumerate() {
            if !(input.chosen)(part.unit) {
                continue;
            }
            let run = self.run(part.unit, number, admissions.get(&part.unit.cluster).copied());
            let Some(cluster) = clusters.get(&part.unit.cluster) else { continue };
            if !cluster.told {
                assumed.insert(part.unit.cluster);
            }
            let mut tasks = Vec::with_capacity(renders.len());
            for at in renders {
                let Some(render) = self.renders.get(*at) else { continue };
                let (signature, definitions) = cluster.signature(*at, render);
                let new = self.tasks.len();
                let task = *known.entry(signature).or_insert(new);
                if task == new {
                    let Cluster { minor, told, served, .. } = cluster;
                    let site = Site { minor: *minor, told: *told, definitions, served: served.clone() };
                    self.tasks.push(Task { render: *at, site, run: None });
                }
                tasks.push(task);
                // Scopes of custom kinds come with the site.
                if let Some(run) = &run {
                    let new = self.tasks.len();
                    let applied = *runs.entry((*at, task, run.clone())).or_insert(new);
                    if applied == new {
                        let site = self.tasks.get(task).map(|task| task.site.clone());
                        self.tasks.extend(site.map(|site| Task { render: *at, site, run: Some(run.clone()) }));
                    }
                    tasks.push(applied);
                }
            }
            self.units.push(Unit { application: &part.unit.unit.application.key, cluster: part.unit.cluster, tasks });
        }
        self.assumed = assumed.len();
    }

    /// The admission policies of each cluster that has some; clusters with the same ones share them.
    fn admissions(
        &mut self,
        input: &Input<'a>,
        of_part: &[Vec<usize>],
        clusters: &BTreeMap<usize, Cluster>,
    ) -> BTreeMap<usize, usize> {
        // By what is rendered there, and the namespace it goes to: the same has the same policies, namespaces and parameters.
        let mut on: BTreeMap<usize, Sent> = BTreeMap::new();
        for (part, renders) in input.parts.iter().zip(of_part) {
            let namespace = namespace_of(part.unit);
            on.entry(part.unit.cluster).or_default().extend(renders.iter().map(|at| (*at, namespace.clone())));
        }
        on.retain(|_, renders| {
            let mut kinds = renders.iter().filter_map(|(at, _)| self.renders.get(*at)).flat_map(|known| &known.kinds);
            kinds.any(admission::is_policy)
        });
        let mut known: BTreeMap<(Sent, Minor), Option<usize>> = BTreeMap::new();
        let mut found = BTreeMap::new();
        for (cluster, renders) in on {
            let Some(Cluster { minor, definitions, .. }) = clusters.get(&cluster) else { continue };
            let at = *known.entry((renders.clone(), *minor)).or_insert_with(|| {
                let mut objects = Vec::new();
                for (at, namespace) in &renders {
                    let Some(known) = self.renders.get(*at) else { continue };
                    for (resource, gvk) in known.render.resources.iter().zip(&known.kinds) {
                        let definition = definitions.get(&(gvk.group.to_string(), gvk.kind.to_string()));
                        objects.push(placed(
                            &resource.body,
                            is_namespaced(gvk, definition.map(|one| &**one)),
                            namespace,
                        ));
                    }
                }
                let admission = Admission::of(&objects.iter().collect::<Vec<_>>(), *minor)?;
                self.admissions.push(admission);
                Some(self.admissions.len() - 1)
            });
            found.extend(at.map(|at| (cluster, at)));
        }
        found
    }

    /// The policies that are about an application; `None` where there are none.
    fn run(&self, unit: &ResolvedUnit, part: usize, admission: Option<usize>) -> Option<Run> {
        let cluster = self.fleet.clusters.get(unit.cluster)?;
        let application = &unit.unit.application;
        let all = self.policies.list.iter().enumerate();
        let about = all.filter(|(_, policy)| policy.is_about(&application.key.name, cluster));
        let (policies, list): (Vec<usize>, Vec<_>) = about.unzip();
        let marks = admission.map(|_| mark_keys(&application.key, self.fleet));
        (!policies.is_empty() || admission.is_some()).then(|| Run {
            policies,
            admission,
            marks: marks.map(|(annotations, labels)| Marks { annotations, labels }).unwrap_or_default(),
            namespace: namespace_of(unit),
            cluster: list.iter().any(|policy| policy.cluster).then_some(unit.cluster),
            application: list.iter().any(|policy| policy.application).then_some(part),
        })
    }

    /// What every task finds, each with the number of the object.
    pub(super) fn judge(&self, spread: Spread<'_>) -> Vec<Vec<(usize, Found)>> {
        let cells: Vec<OnceLock<Vec<(usize, Found)>>> = self.tasks.iter().map(|_| OnceLock::new()).collect();
        spread(self.tasks.len(), &|at| {
            if let (Some(task), Some(cell)) = (self.tasks.get(at), cells.get(at)) {
                let _ = cell.set(self.judged(task));
            }
        });
        cells.into_iter().map(|cell| cell.into_inner().unwrap_or_default()).collect()
    }

    fn judged(&self, task: &Task) -> Vec<(usize, Found)> {
        let Some(known) = self.renders.get(task.render) else { return Vec::new() };
        let neighbours = known.render.resources.as_slice();
        let labels = self.fleet.lint.labels.as_slice();
        let mut all = Vec::new();
        let mut found = Vec::new();
        if let Some(run) = &task.run {
            for (at, (resource, gvk)) in neighbours.iter().zip(&known.kinds).enumerate() {
                self.apply(run, &Subject { resource, gvk, neighbours, site: &task.site, labels }, &mut found);
                all.extend(found.drain(..).map(|found| (at, found)));
            }
            return all;
        }
        for (at, (resource, gvk)) in neighbours.iter().zip(&known.kinds).enumerate() {
            let subject = Subject { resource, gvk, neighbours, site: &task.site, labels };
            FAMILIES.iter().for_each(|family| (family.check)(&subject, &mut found));
            all.extend(found.drain(..).map(|found| (at, found)));
        }
        all
    }

    /// Applies policies to an object.
    fn apply(&self, run: &Run, subject: &Subject<'_>, found: &mut Vec<Found>) {
        let Subject { resource, gvk, .. } = *subject;
        let object = placed(&resource.body, is_namespaced(gvk, subject.definition()), &run.namespace);
        let cluster = run.cluster.and_then(|at| self.fleet.clusters.get(at));
        let name = cluster.map(|cluster| cluster_name(cluster, self.fleet)).unwrap_or_default();
        let around = Around {
            cluster: cluster.map(|cluster| (cluster, name.as_str())),
            application: run.application.and_then(|at| self.applications.get(at).copied()),
        };
        let place = subject.place(resource.body.span());
        if let Some(admission) = run.admission.and_then(|at| self.admissions.get(at)) {
            let of_crd = subject.definition().map(|known| known.object.str_at(&["spec", "names", "plural"]).to_owned());
            let plural = of_crd.filter(|name| !name.is_empty()).unwrap_or_else(|| plural(&gvk.kind));
            let arriving = Arriving { object: &object, subject, plural: &plural, marks: &run.marks };
            admission.check(&arriving, place, found);
        }
        let seen = Seen::new(&object, around);
        for policy in run.policies.iter().filter_map(|at| self.policies.list.get(*at)) {
            policy.check(&seen, gvk, place, found);
        }
    }

    /// What is wrong with the policies themselves.
    pub(super) fn broken_policies(&self) -> &[Found] {
        &self.policies.broken
    }

    /// The objects of a task.
    pub(super) fn resources(&self, task: &Task) -> &'a [Resource] {
        self.renders.get(task.render).map_or(&[], |known| known.render.resources.as_slice())
    }

    /// The kinds that nothing is known of, with their number.
    pub(super) fn unjudged(&self, task: &Task) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for gvk in self.renders.get(task.render).into_iter().flat_map(|known| &known.kinds) {
            let of = |known: &&Arc<Definition>| known.group == gvk.group && known.kind == gvk.kind;
            let definition = task.site.definitions.iter().find(of);
            if schema::is_unjudged(gvk, definition.map(|known| &**known), task.site.minor) {
                *kinds.entry(gvk.to_string()).or_default() += 1;
            }
        }
        kinds
    }

    /// The names of the policies that were applied.
    pub(super) fn policies(&self) -> impl Iterator<Item = &str> {
        let own = self.fleet.policies.iter().map(|policy| policy.name.as_str());
        own.chain(self.admissions.iter().flat_map(Admission::names))
    }
}

/// What a cluster gets: renders, each with the namespace that it goes to.
type Sent = BTreeSet<(usize, String)>;

/// The namespace that objects of an application go to; empty where it is not known.
fn namespace_of(unit: &ResolvedUnit) -> String {
    let to = unit.unit.application.destinations.get(unit.unit.destination);
    to.map(|to| to.namespace.clone()).filter(|name| name != ANY_NAMESPACE).unwrap_or_default()
}

/// Whether objects of a kind live in namespaces, by its definition where it is custom.
pub(super) fn is_namespaced(gvk: &Gvk, definition: Option<&Definition>) -> bool {
    let of_crd = || definition.and_then(|definition| scope::of_crd(&definition.object)).map(|(_, _, scope)| scope);
    let scope = scope::current(&gvk.group, &gvk.kind).or_else(of_crd);
    scope.or_else(|| scope::custom(&gvk.group, &gvk.kind)) != Some(Scope::Cluster)
}

/// The name of a kind's resource, as apimachinery guesses it (`meta.UnsafeGuessKindToResource`); built-in kinds are called so.
fn plural(kind: &str) -> String {
    let name = kind.to_lowercase();
    match name.chars().last() {
        _ if name == "endpoints" => name,
        Some('s') => format!("{name}es"),
        Some('y') => format!("{}ies", name.trim_end_matches('y')),
        _ => format!("{name}s"),
    }
}

impl<'a> Known<'a> {
    fn of(render: &'a Arc<Rendered>) -> Known<'a> {
        let kinds: Vec<Gvk> = render.resources.iter().map(|resource| Gvk::of(&resource.body)).collect();
        let mut custom: Vec<Gvk> =
            kinds.iter().filter(|gvk| serving(gvk, Minor::newest()) != Serving::Served).cloned().collect();
        custom.sort();
        custom.dedup();
        let definitions = render.resources.iter().filter_map(|resource| Definition::of(&resource.body));
        Known { definitions: definitions.map(Arc::new).collect(), render, kinds, custom }
    }
}

impl Cluster {
    fn signature(&self, at: usize, render: &Known<'_>) -> (Signature, Vec<Arc<Definition>>) {
        let mut definitions = Vec::new();
        let kinds = render.custom.iter().map(|gvk| {
            let definition = self.definitions.get(&(gvk.group.to_string(), gvk.kind.to_string()));
            definitions.extend(definition.cloned());
            let served = self.served.as_ref().map(|all| all.contains(&format!("{}/{}", gvk.api_version(), gvk.kind)));
            (definition.map(|known| Arc::as_ptr(known) as usize), served)
        });
        let kinds = kinds.collect();
        ((at, self.minor, self.told, kinds), definitions)
    }
}
