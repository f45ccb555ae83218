//! What is judged, each once: a render, together with what of a cluster the verdicts on it depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use super::rules::{FAMILIES, Found};
use super::subject::{Site, Subject};
use super::{Input, schema};
use crate::application::AppKey;
use crate::bundle::Spread;
use crate::k8s::object::Gvk;
use crate::render::{Rendered, Resource};
use crate::validate::apis::{Serving, serving};
use crate::validate::crd::Definition;
use crate::validate::table::Minor;

/// A render for clusters of one kind.
pub(super) struct Task {
    /// Which render.
    pub(super) render: usize,
    /// What counts of the cluster.
    pub(super) site: Site,
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
        let mut sites = Sites { renders, tasks: Vec::new(), units: Vec::new(), assumed: 0 };
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
        let mut known: FxHashMap<Signature, usize> = FxHashMap::default();
        let mut assumed = BTreeSet::new();
        for (part, renders) in input.parts.iter().zip(of_part).filter(|(part, _)| (input.chosen)(part.unit)) {
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
                    self.tasks.push(Task { render: *at, site });
                }
                tasks.push(task);
            }
            self.units.push(Unit { application: &part.unit.unit.application.key, cluster: part.unit.cluster, tasks });
        }
        self.assumed = assumed.len();
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
        let mut all = Vec::new();
        let mut found = Vec::new();
        for (at, (resource, gvk)) in neighbours.iter().zip(&known.kinds).enumerate() {
            let subject = Subject { resource, gvk, neighbours, site: &task.site };
            FAMILIES.iter().for_each(|family| (family.check)(&subject, &mut found));
            all.extend(found.drain(..).map(|found| (at, found)));
        }
        all
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
