//! The driver against servers that exist in a test only: what is asked when, what the lock and the store decide, what fails for whom.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::tree::{self, RawEntry, RawKind, ReadFault};
use super::super::{HostOptions, HostWorld, Pool};
use super::patience::Patience;
use super::sources::{Allowed, Known, Sources, Table};
use super::{Fault, Fetcher, Store};
use crate::compile::{Compiled, Input, Pins, compile, parts, pins};
use crate::diag::Warned;
use crate::digest::Digest;
use crate::lock::Pin;
use crate::path::TreePath;
use crate::render::Tools;
use crate::source::{SourceKind, SourceRequest};
use crate::world::{Lookup, World as _};

/// Files by path.
type Texts = BTreeMap<String, String>;

/// All servers of a test.
#[derive(Default)]
struct Servers {
    /// URL (with the chart) and revision to what it stands for.
    revisions: Mutex<BTreeMap<(String, String), String>>,
    /// URL (with the chart) and resolved revision to its files.
    contents: Mutex<BTreeMap<(String, String), Texts>>,
    /// What was asked.
    log: Mutex<Vec<String>>,
    /// How often everything still fails, and how.
    faults: Mutex<BTreeMap<String, (u32, Fault)>>,
    at_once: AtomicU32,
    most_at_once: AtomicU32,
}

fn name(request: &SourceRequest) -> String {
    match &request.kind {
        SourceKind::Chart(chart) => format!("{} {chart}", request.url),
        _ => request.url.clone(),
    }
}

impl Servers {
    fn serve(&self, url: &str, revision: &str, resolved: &str, files: &[(&str, &str)]) {
        let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        self.revisions.lock().unwrap().insert((url.to_owned(), revision.to_owned()), resolved.to_owned());
        self.contents.lock().unwrap().insert((url.to_owned(), resolved.to_owned()), texts);
    }

    fn fail(&self, url: &str, times: u32, fault: Fault) {
        self.faults.lock().unwrap().insert(url.to_owned(), (times, fault));
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn answer(&self, what: &str, request: &SourceRequest) -> Result<(), Fault> {
        self.log.lock().unwrap().push(format!("{what} {}@{}", name(request), request.revision));
        if let Some((times, fault)) = self.faults.lock().unwrap().get_mut(&request.url)
            && *times > 0
        {
            *times -= 1;
            return Err(fault.clone());
        }
        Ok(())
    }
}

/// Fetches from the servers of a test.
struct Fake {
    servers: Arc<Servers>,
    store: Store,
}

impl Fake {
    fn key(request: &SourceRequest, pin: &Pin) -> String {
        format!("{} {}", name(request), pin.resolved)
    }
}

fn digest_of(texts: &Texts) -> Digest {
    Digest::of(format!("{texts:?}").as_bytes())
}

impl Fetcher for Fake {
    fn resolve(&self, request: &SourceRequest) -> Result<Pin, Fault> {
        self.servers.answer("resolve", request)?;
        let key = (name(request), request.revision.clone());
        let resolved = self.servers.revisions.lock().unwrap().get(&key).cloned();
        let resolved = resolved.ok_or_else(|| Fault::lasting(format!("there is no revision `{}`", key.1)))?;
        let is_content = matches!(request.kind, SourceKind::Chart(_));
        let contents = self.servers.contents.lock().unwrap();
        let digest = contents.get(&(key.0, resolved.clone())).filter(|_| is_content).map(digest_of);
        Ok(Pin { resolved, digest })
    }

    fn fetch(&self, request: &SourceRequest, pin: &Pin) -> Result<(), Fault> {
        let now = self.servers.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.servers.most_at_once.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
        self.servers.at_once.fetch_sub(1, Ordering::SeqCst);
        let key = Self::key(request, pin);
        let _guard = self.store.guard("fake", &key)?;
        let folder = self.store.folder("fake", &key);
        if folder.is_dir() {
            return Ok(());
        }
        self.servers.answer("fetch", request)?;
        let contents = self.servers.contents.lock().unwrap();
        let texts = contents.get(&(name(request), pin.resolved.clone()));
        let texts = texts.ok_or_else(|| Fault::lasting(format!("there is no commit `{}`", pin.resolved)))?;
        if pin.digest.is_some_and(|digest| digest != digest_of(texts)) {
            return Err(Fault::lasting("what the server gives is not what fleet.lock pins"));
        }
        let unfinished = folder.with_extension("new");
        for (path, text) in texts {
            let path = unfinished.join(path);
            fs::create_dir_all(path.parent().unwrap())?;
            fs::write(path, text)?;
        }
        fs::rename(unfinished, folder)?;
        Ok(())
    }

    fn open(&self, request: &SourceRequest, pin: &Pin) -> Result<Option<Box<dyn tree::Store>>, Fault> {
        let folder = self.store.folder("fake", &Self::key(request, pin));
        Ok(folder.is_dir().then(|| Box::new(Plain(folder)) as Box<dyn tree::Store>))
    }
}

/// A folder on disk.
struct Plain(std::path::PathBuf);

impl tree::Store for Plain {
    fn names(&self, directory: &TreePath, _: Option<gix::ObjectId>) -> Result<Vec<RawEntry>, String> {
        let entries = fs::read_dir(self.0.join(directory.as_str())).map_err(|error| error.to_string())?;
        let raw = |entry: fs::DirEntry| RawEntry {
            name: entry.file_name().into_string().unwrap(),
            kind: if entry.path().is_dir() { RawKind::Directory } else { RawKind::File },
            object: None,
        };
        Ok(entries.map(|entry| raw(entry.unwrap())).collect())
    }

    fn link(&self, _: &TreePath, _: &RawEntry) -> Result<String, String> {
        Err("no links".to_owned())
    }

    fn bytes(&self, path: &TreePath, _: &RawEntry, _: u64) -> Result<Vec<u8>, ReadFault> {
        fs::read(self.0.join(path.as_str())).map_err(|error| ReadFault::Failed(error.to_string()))
    }
}

/// A fleet on disk, its servers and a store.
struct Bench {
    scratch: tempfile::TempDir,
    servers: Arc<Servers>,
    pool: Pool,
    store: &'static str,
}

/// What a run came to.
struct Run {
    compiled: Compiled,
    errors: Vec<String>,
    rendered: BTreeMap<String, String>,
    pins: Pins,
    followed: Pins,
    asked: Vec<String>,
}

/// The fleet's own repository.
const OWN: &str = "https://git.example.com/fleet.git";
const BASE: &str = "https://git.example.com/base.git";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {from: TEXT}\n";

fn config(text: &str) -> String {
    CONFIG.replace("TEXT", text)
}

fn application(name: &str, source: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  project: default\n  \
         destination: {{server: https://kubernetes.default.svc, namespace: {name}}}\n  source: {source}\n---\n"
    )
}

impl Bench {
    fn new(applications: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let bench = Bench { scratch, servers: Arc::default(), pool: Pool::new(Some(2)).unwrap(), store: "store" };
        bench.write("apps.yaml", applications);
        bench
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.scratch.path().join("fleet").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sources(&self, allowed: Allowed, known: Known) -> Sources {
        let store = Store::new(self.scratch.path().join(self.store));
        let fake = |_| Arc::new(Fake { servers: Arc::clone(&self.servers), store: store.clone() }) as Arc<dyn Fetcher>;
        let table = Table { git: fake(0), chart: fake(1), oci: fake(2), file: fake(3) };
        let patience = Patience { attempts: 3, pause: Duration::from_millis(1), limit: Duration::from_secs(60) };
        Sources::with(store, table, allowed, known).patience(patience)
    }

    fn world(&self, allowed: Allowed, known: Known) -> HostWorld {
        let folder = self.scratch.path().join("fleet");
        let options = HostOptions { repositories: vec![(OWN.to_owned(), folder.clone())], ..HostOptions::default() };
        HostWorld::open(&folder, &options).unwrap().fetching(Arc::new(self.sources(allowed, known)))
    }

    fn run(&self, allowed: Allowed, known: Known) -> Run {
        let before = known.pins.clone();
        let world = self.world(allowed, known);
        let input = Input { root: world.fleet().clone(), read: Default::default() };
        let (Warned { value: compiled, diagnostics }, settled) = world.settle(&|_, _| {}, || {
            let compiled = compile(&input, &world, &self.pool, &Tools::default());
            let wants = compiled.value.wants.clone();
            (compiled, wants)
        });
        assert!(settled);
        let found = parts(&compiled, world.sources());
        let errors = diagnostics.iter().chain(found.diagnostics.iter()).filter(|d| d.is_error());
        let errors = errors.map(|d| format!("{} {:?}", d.message, d.hints)).collect();
        let rendered = found.value.iter().filter_map(|part| {
            let texts: Vec<String> = part.renders.as_ref().ok()?.iter().map(|rendered| rendered.to_yaml()).collect();
            Some((part.unit.unit.application.key.name.clone(), texts.concat()))
        });
        let rendered = rendered.collect();
        let (pins, followed) = pins(&compiled, &found.value, before);
        Run { errors, rendered, pins, followed, asked: self.servers.asked(), compiled }
    }

    fn build(&self, pins: &Pins) -> Run {
        self.run(Allowed::default(), Known { pins: pins.clone(), ..Known::default() })
    }

    fn offline(&self, pins: &Pins) -> Run {
        self.run(Allowed { offline: true, locked: false }, Known { pins: pins.clone(), ..Known::default() })
    }
}

fn one_application() -> Bench {
    let bench = Bench::new(&application("web", &format!("{{repoURL: {BASE}, path: web, targetRevision: main}}")));
    bench.servers.serve(BASE, "main", "1111111111111111111111111111111111111111", &[("web/x.yaml", &config("one"))]);
    bench
}

#[test]
fn a_source_is_fetched_and_pinned_and_stays_what_it_is() {
    let bench = one_application();
    let first = bench.build(&Pins::new());
    assert_eq!(first.errors, Vec::<String>::new());
    assert!(first.rendered["web"].contains("from: one"));
    assert_eq!(first.asked, [format!("resolve {BASE}@main"), format!("fetch {BASE}@main")]);
    let request = SourceRequest::git(BASE, "main");
    assert_eq!(first.pins[&request].resolved, "1111111111111111111111111111111111111111");

    // The branch moves, and a build does not.
    bench.servers.serve(BASE, "main", "2222222222222222222222222222222222222222", &[("web/x.yaml", &config("two"))]);
    let second = bench.build(&first.pins);
    assert!(second.rendered["web"].contains("from: one"));
    assert_eq!((second.asked.len(), &second.pins), (0, &first.pins));

    // On another machine what the lock says is fetched, not what the branch is now.
    let other = Bench { store: "other", ..bench };
    let third = other.build(&first.pins);
    assert!(third.rendered["web"].contains("from: one"));
    assert_eq!((third.asked, &third.pins), (vec![format!("fetch {BASE}@main")], &first.pins));

    // Without the pin, as `update` has it, it moves.
    let moved = other.build(&Pins::new());
    assert!(moved.rendered["web"].contains("from: two"));
}

#[test]
fn offline_and_locked_ask_nothing() {
    let bench = one_application();
    let cold = bench.offline(&Pins::new());
    assert!(cold.errors[0].contains("fleet.lock does not pin it, and nothing is asked"), "{:?}", cold.errors);
    assert!(cold.rendered.is_empty() && cold.asked.is_empty());
    let locked = bench.run(Allowed { locked: true, offline: false }, Known::default());
    assert!(locked.errors[0].contains("fleet.lock does not pin it, and nothing is pinned anew"), "{:?}", locked.errors);
    assert!(locked.errors[0].contains("fleetc update"));
    assert!(locked.asked.is_empty());

    let built = bench.build(&Pins::new());
    let warm = bench.offline(&built.pins);
    assert_eq!((warm.errors.len(), warm.asked.len()), (0, 0));
    assert_eq!((&warm.rendered, &warm.pins), (&built.rendered, &built.pins));

    // Pinned, but not in this store.
    let other = Bench { store: "other", ..bench };
    let gone = other.offline(&built.pins);
    assert!(gone.errors[0].contains("the store does not have it"), "{:?}", gone.errors);
    assert_eq!(gone.pins, built.pins, "the pin of what cannot be had stays");
}

#[test]
fn a_full_commit_needs_no_pin_and_no_question() {
    let commit = "3333333333333333333333333333333333333333";
    let bench = Bench::new(&application("web", &format!("{{repoURL: {BASE}, path: web, targetRevision: '{commit}'}}")));
    bench.servers.serve(BASE, commit, commit, &[("web/x.yaml", &config("fixed"))]);
    let run = bench.build(&Pins::new());
    assert_eq!(run.asked, [format!("fetch {BASE}@{commit}")]);
    assert_eq!(run.pins[&SourceRequest::git(BASE, commit)].resolved, commit);
    assert!(bench.offline(&Pins::new()).rendered["web"].contains("fixed"));
}

#[test]
fn one_that_fails_holds_its_own_application_only() {
    let other = "https://git.example.com/other.git";
    let mut text = application("web", &format!("{{repoURL: {BASE}, path: web, targetRevision: main}}"));
    text.push_str(&application("api", &format!("{{repoURL: {other}, path: ., targetRevision: main}}")));
    let bench = Bench::new(&text);
    bench.servers.serve(BASE, "main", "1111111111111111111111111111111111111111", &[("web/x.yaml", &config("one"))]);
    bench.servers.serve(other, "main", "2222222222222222222222222222222222222222", &[("x.yaml", &config("two"))]);

    // What passes is tried again.
    bench.servers.fail(other, 2, Fault::passing("the server is busy"));
    let run = bench.build(&Pins::new());
    assert_eq!(run.errors, Vec::<String>::new());
    assert_eq!(run.asked.iter().filter(|line| line.contains("other")).count(), 4, "{:?}", run.asked);

    let bench = Bench { store: "second", ..bench };
    bench.servers.fail(other, 99, Fault::passing("the server is busy").hint("wait"));
    let run = bench.build(&Pins::new());
    assert_eq!(run.rendered.keys().collect::<Vec<_>>(), ["web"]);
    assert_eq!(run.errors.len(), 1, "{:?}", run.errors);
    assert!(run.errors[0].contains("the server is busy (3 attempts) [\"wait\"]"), "{:?}", run.errors);
    assert_eq!(run.pins.len(), 1);

    // A pin of what failed is kept; when it can be had again, it is what it was.
    let pinned = Pins::from([(SourceRequest::git(other, "main"), Pin { resolved: "4".repeat(40), digest: None })]);
    let run = bench.build(&pinned);
    assert_eq!(run.pins[&SourceRequest::git(other, "main")].resolved, "4".repeat(40));
}

#[test]
fn bases_lead_to_bases() {
    let bench = Bench::new(&application("web", &format!("{{repoURL: {BASE}, path: web, targetRevision: main}}")));
    let next = |at: usize| format!("https://git.example.com/next{at}.git");
    let kustomization = |at: usize| format!("resources: ['{}?ref=v1']\n", next(at).replace(".git", ".git//base"));
    let commit = |at: usize| format!("{at:040}");
    bench.servers.serve(BASE, "main", &commit(9), &[("web/kustomization.yaml", &kustomization(1))]);
    for at in 1..4 {
        bench.servers.serve(&next(at), "v1", &commit(at), &[("base/kustomization.yaml", &kustomization(at + 1))]);
    }
    let last = [("base/kustomization.yaml", "resources: [x.yaml]\n"), ("base/x.yaml", &config("deep"))];
    bench.servers.serve(&next(4), "v1", &commit(4), &last);
    let run = bench.build(&Pins::new());
    assert_eq!(run.errors, Vec::<String>::new());
    assert!(run.rendered["web"].contains("from: deep"));
    assert_eq!((run.pins.len(), run.asked.len()), (5, 10));
    // With pins and a warm store everything is found in the first round.
    let again = bench.offline(&run.pins);
    assert_eq!((again.rendered, again.asked.len()), (run.rendered, 0));
}

#[test]
fn a_thousand_applications_fetch_each_repository_once() {
    let url = |at: usize| format!("https://git.example.com/team{at}.git");
    let text: String = (0..1000)
        .map(|at| {
            application(
                &format!("app{at}"),
                &format!("{{repoURL: {}, path: app{at}, targetRevision: v1}}", url(at % 20)),
            )
        })
        .collect();
    let bench = Bench::new(&text);
    for team in 0..20 {
        let files: Vec<(String, String)> =
            (team..1000).step_by(20).map(|at| (format!("app{at}/x.yaml"), config(&at.to_string()))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        bench.servers.serve(&url(team), "v1", &format!("{team:040}"), &files);
    }
    let run = bench.build(&Pins::new());
    assert_eq!((&run.errors, run.rendered.len(), run.pins.len()), (&Vec::new(), 1000, 20));
    let mut fetched: Vec<&String> = run.asked.iter().filter(|line| line.starts_with("fetch")).collect();
    fetched.sort();
    let count = fetched.len();
    fetched.dedup();
    assert_eq!((count, fetched.len(), run.asked.len()), (20, 20, 40));
    let most = bench.servers.most_at_once.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most} at once");
}

#[test]
fn equal_commits_are_one_tree_and_two_revisions_are_two() {
    let bench = Bench::new("");
    let commit = "1".repeat(40);
    for revision in ["main", "v1"] {
        bench.servers.serve(BASE, revision, &commit, &[("x.yaml", &config("one"))]);
    }
    bench.servers.serve(BASE, "v2", &"2".repeat(40), &[("x.yaml", &config("two"))]);
    let world = bench.world(Allowed::default(), Known::default());
    let requests = ["main", "v1", "v2", &commit].map(|revision| SourceRequest::git(BASE, revision));
    let spelled = SourceRequest::git("https://git.example.com/Base", commit.as_str());
    bench.servers.serve(&spelled.url, &commit, &commit, &[("x.yaml", &config("one"))]);
    let wanted = requests.iter().cloned().chain([spelled.clone()]).collect();
    let (trees, settled) = world.settle(&|_, _| {}, || {
        let looked: Vec<Lookup> = requests.iter().chain([&spelled]).map(|request| world.tree(request)).collect();
        let missing = looked.iter().any(|found| matches!(found, Lookup::Absent { .. }));
        (looked, if missing { std::collections::BTreeSet::clone(&wanted) } else { std::collections::BTreeSet::new() })
    });
    assert!(settled);
    let ids: Vec<u32> = trees
        .iter()
        .map(|found| match found {
            Lookup::Here(tree) => tree.id.0,
            absent => panic!("{absent:?}"),
        })
        .collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[3] && ids[3] == ids[4] && ids[2] != ids[0], "{ids:?}");
}

#[test]
fn what_is_followed_is_resolved_each_time() {
    let bench = one_application();
    let known =
        |followed: &Pins| Known { following: vec![BASE.to_owned()], followed: followed.clone(), ..Known::default() };
    bench.write(
        "fleet.yaml",
        &format!("apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nrepositories: [{{url: {BASE}, pin: follow}}]\n"),
    );
    let first = bench.run(Allowed { locked: true, offline: false }, known(&Pins::new()));
    assert_eq!(first.errors, Vec::<String>::new());
    assert_eq!((first.pins.len(), first.followed.len()), (0, 1));
    bench.servers.serve(BASE, "main", "2222222222222222222222222222222222222222", &[("web/x.yaml", &config("two"))]);
    let offline = bench.run(Allowed { locked: true, offline: true }, known(&first.followed));
    assert!(offline.rendered["web"].contains("from: one") && offline.asked.is_empty());
    let second = bench.run(Allowed::default(), known(&first.followed));
    assert!(second.rendered["web"].contains("from: two"));
    assert_ne!(second.followed, first.followed);
    let cold = bench.run(Allowed { locked: false, offline: true }, known(&Pins::new()));
    assert!(cold.errors[0].contains("bundles.lock does not say what it was"), "{:?}", cold.errors);
}

#[test]
fn a_chart_that_is_not_what_was_pinned_is_refused() {
    let url = "https://charts.example.com";
    let source = format!("{{repoURL: {url}, chart: web, targetRevision: ^1}}");
    let bench = Bench::new(&application("web", &source));
    let chart = |text: &str| {
        [
            ("Chart.yaml".to_owned(), "apiVersion: v2\nname: web\nversion: 1.2.0\n".to_owned()),
            ("templates/x.yaml".to_owned(), config(text)),
        ]
    };
    let serve = |text: &str| {
        let files = chart(text);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        bench.servers.serve(&format!("{url} web"), "^1", "1.2.0", &files);
    };
    serve("one");
    let first = bench.build(&Pins::new());
    assert_eq!(first.errors, Vec::<String>::new());
    let (request, pin) = first.pins.iter().next().unwrap();
    assert_eq!((&request.kind, pin.resolved.as_str()), (&SourceKind::Chart("web".to_owned()), "1.2.0"));
    assert!(pin.digest.is_some());
    // The server gives something else under the same version.
    serve("other");
    let bench = Bench { store: "other", ..bench };
    let second = bench.build(&first.pins);
    assert!(second.errors[0].contains("is not what fleet.lock pins"), "{:?}", second.errors);
    assert_eq!(second.pins, first.pins);
}

#[test]
fn pins_that_nothing_uses_go_when_all_is_known() {
    let bench = one_application();
    let unused = SourceRequest::git("https://git.example.com/gone.git", "main");
    let pins = Pins::from([(unused.clone(), Pin { resolved: "5".repeat(40), digest: None })]);
    let run = bench.build(&pins);
    assert!(!run.pins.contains_key(&unused) && run.pins.len() == 1);
    assert!(run.compiled.wants.is_empty());
    // While something cannot be had, nobody knows what it would use.
    let bench = one_application();
    bench.servers.fail(BASE, 99, Fault::lasting("no"));
    assert!(bench.build(&pins).pins.contains_key(&unused));
}

#[test]
fn the_store_is_collected_when_nobody_reads_it() {
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::new(scratch.path().join("store"));
    let month = Duration::from_secs(30 * 24 * 60 * 60);
    assert_eq!(store.collect(month).unwrap().unwrap().removed, 0);
    let (old, new) = (store.put(b"old").unwrap(), store.put(b"new").unwrap());
    let repository = store.folder("git", "https://git.example.com/base.git");
    fs::create_dir_all(repository.join("objects")).unwrap();
    fs::write(repository.join("objects/pack"), b"1234567").unwrap();
    let left_over = store.place(&new).with_file_name(".tmpAbC");
    fs::write(&left_over, b"half").unwrap();
    let age = |path: &Path, age: Duration| {
        fs::File::open(path).unwrap().set_modified(std::time::SystemTime::now() - age).unwrap();
    };
    age(&store.place(&old), month * 2);
    age(&repository, month * 2);
    let reader = store.read_lock().unwrap();
    assert_eq!(store.collect(month).unwrap(), None, "somebody reads it");
    drop(reader);
    // What is read is used, however old it is.
    assert_eq!(store.get(&old).unwrap().as_deref(), Some(b"old".as_slice()));
    let done = store.collect(month).unwrap().unwrap();
    assert_eq!((done.removed, done.removed_bytes, done.kept_bytes), (2, 11, 6));
    assert!(!repository.exists() && !left_over.exists());
    assert_eq!(store.get(&new).unwrap().as_deref(), Some(b"new".as_slice()));
    // What is damaged is not given out.
    fs::write(store.place(&new), b"bad").unwrap();
    assert_eq!(store.get(&new).unwrap(), None);
    assert!(!store.place(&new).exists());
}

#[test]
fn what_went_in_is_the_same_however_many_rounds_there_were() {
    let charts = "https://charts.example.com";
    let mut text = application("own", &format!("{{repoURL: {OWN}, path: own}}"));
    text.push_str(&application("web", &format!("{{repoURL: {BASE}, path: web, targetRevision: main}}")));
    text.push_str(&application("db", &format!("{{repoURL: {charts}, chart: db, targetRevision: ^1}}")));
    let bench = Bench::new(&text);
    bench.write("own/kustomization.yaml", "resources: [own.yaml]\n");
    bench.write("own/own.yaml", &config("own"));
    let base = "https://git.example.com/next.git";
    let kustomization = format!("resources: ['{base}//base?ref=main']\n");
    bench.servers.serve(BASE, "main", &"1".repeat(40), &[("web/kustomization.yaml", &kustomization)]);
    let files = [("base/kustomization.yaml", "resources: [x.yaml]\n"), ("base/x.yaml", &*config("base"))];
    bench.servers.serve(base, "main", &"2".repeat(40), &files);
    let chart = [("Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"), ("templates/x.yaml", &*config("db"))];
    bench.servers.serve(&format!("{charts} db"), "^1", "1.0.0", &chart);
    let cold = bench.build(&Pins::new());
    assert_eq!((&cold.errors, cold.pins.len()), (&Vec::new(), 3));
    let warm = bench.offline(&cold.pins);
    assert!(warm.compiled.inputs.keys().any(|path| path.as_str() == "own/own.yaml"));
    assert_eq!(
        (&warm.compiled.inputs, &warm.pins, &warm.rendered),
        (&cold.compiled.inputs, &cold.pins, &cold.rendered)
    );
    // With one source missing, what the others need is known all the same.
    let mut some = cold.pins.clone();
    some.retain(|request, _| request.kind == SourceKind::Git);
    let other = bench.build(&some);
    assert_eq!((&other.compiled.inputs, &other.pins), (&cold.compiled.inputs, &cold.pins));
}

#[test]
fn several_sources_of_one_application() {
    // Values from the same repository at another revision, by a source that has a path too; the later of two equal objects counts.
    let sources = format!(
        "[{{repoURL: {BASE}, path: chart, targetRevision: v1, helm: {{valueFiles: [$values/env/prod.yaml]}}}}, \
         {{repoURL: {BASE}, path: extra, targetRevision: main, ref: values}}]"
    );
    let text = application("web", "{}").replace("source: {}", &format!("sources: {sources}"));
    let bench = Bench::new(&text);
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {from: {{ .Values.from }}}\n";
    let chart = [
        ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("chart/templates/x.yaml", template),
        ("env/prod.yaml", "from: wrong\n"),
    ];
    bench.servers.serve(BASE, "v1", &"1".repeat(40), &chart);
    let main = [("env/prod.yaml", "from: main\n"), ("extra/z.yaml", &*config("extra").replace("name: x", "name: z"))];
    bench.servers.serve(BASE, "main", &"2".repeat(40), &main);
    let run = bench.build(&Pins::new());
    assert_eq!(run.errors, Vec::<String>::new());
    assert!(
        run.rendered["web"].contains("from: main") && run.rendered["web"].contains("from: extra"),
        "{:?}",
        run.rendered
    );
    assert_eq!((run.pins.len(), run.asked.len()), (2, 4));
}
