//! Git checkouts as worlds: which revision is the working tree, what comes from the object store, what is missing.
//!
//! The repositories are made with gix, object by object; no git program is needed.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes its own folders")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fleetc::compile::{InOrder, Input, compile};
use fleetc::host::world::{HostOptions, HostWorld};
use fleetc::path::{FilePath, TreePath};
use fleetc::read::ReadOptions;
use fleetc::render::Tools;
use fleetc::resolve::ResolvedUnit;
use fleetc::source::SourceRequest;
use fleetc::world::{Lookup, Tree, World};
use gix::ObjectId;
use gix::objs::{Kind, Write as _};

const URL: &str = "https://git.example.com/platform/fleet.git";

/// A repository in the making.
pub(crate) struct Repo {
    folder: PathBuf,
    git: gix::Repository,
}

/// What a path is in a commit.
pub(crate) enum Blob<'a> {
    File(&'a str),
    Link(&'a str),
    Submodule,
}
use Blob::{File, Link, Submodule};

impl Repo {
    pub(crate) fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let git = gix::init(folder).unwrap();
        let repo = Repo { folder: folder.to_owned(), git };
        repo.git_file("HEAD", "ref: refs/heads/main\n");
        repo.git_file(
            "config",
            &format!("[core]\n\trepositoryformatversion = 0\n[remote \"origin\"]\n\turl = {URL}\n"),
        );
        repo
    }

    fn git_file(&self, name: &str, text: &str) {
        let path = self.git.git_dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn tree(&self, files: &[(&str, Blob<'_>)]) -> ObjectId {
        let mut below: BTreeMap<&str, Vec<(&str, &Blob<'_>)>> = BTreeMap::new();
        let mut entries: Vec<(String, &str, ObjectId)> = Vec::new();
        for (path, blob) in files {
            match path.split_once('/') {
                Some((name, rest)) => below.entry(name).or_default().push((rest, blob)),
                None => {
                    let (mode, id) = match blob {
                        File(text) => ("100644", self.git.write_blob(text).unwrap().detach()),
                        Link(target) => ("120000", self.git.write_blob(target).unwrap().detach()),
                        Submodule => ("160000", ObjectId::from_hex(&[b'1'; 40]).unwrap()),
                    };
                    entries.push(((*path).to_owned(), mode, id));
                }
            }
        }
        for (name, inside) in below {
            let inside: Vec<(&str, Blob<'_>)> = inside
                .into_iter()
                .map(|(path, blob)| match blob {
                    File(text) => (path, File(text)),
                    Link(target) => (path, Link(target)),
                    Submodule => (path, Submodule),
                })
                .collect();
            entries.push((name.to_owned(), "40000", self.tree(&inside)));
        }
        entries.sort_by_key(|(name, mode, _)| if *mode == "40000" { format!("{name}/") } else { name.clone() });
        let mut bytes = Vec::new();
        for (name, mode, id) in entries {
            bytes.extend(format!("{mode} {name}\0").bytes());
            bytes.extend(id.as_slice());
        }
        self.git.objects.write_buf(Kind::Tree, &bytes).unwrap()
    }

    fn commit(&self, files: &[(&str, Blob<'_>)]) -> ObjectId {
        self.commit_after(&[], files)
    }

    pub(crate) fn commit_after(&self, parents: &[ObjectId], files: &[(&str, Blob<'_>)]) -> ObjectId {
        let tree = self.tree(files);
        let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
        let text = format!(
            "tree {tree}\n{parents}author a <a@example.com> 0 +0000\ncommitter a <a@example.com> 0 +0000\n\nx\n"
        );
        self.git.objects.write_buf(Kind::Commit, text.as_bytes()).unwrap()
    }

    pub(crate) fn set(&self, reference: &str, id: ObjectId) {
        self.git_file(reference, &format!("{id}\n"));
    }

    fn annotated(&self, name: &str, id: ObjectId) {
        let text = format!("object {id}\ntype commit\ntag {name}\ntagger a <a@example.com> 0 +0000\n\nx\n");
        let tag = self.git.objects.write_buf(Kind::Tag, text.as_bytes()).unwrap();
        self.set(&format!("refs/tags/{name}"), tag);
    }

    /// Puts files on disk.
    pub(crate) fn write(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// Makes the index that of a commit.
    fn index(&self, commit: ObjectId) {
        let tree = self.git.find_commit(commit).unwrap().tree_id().unwrap().detach();
        let mut index = self.git.index_from_tree(&tree).unwrap();
        index.write(gix::index::write::Options::default()).unwrap();
    }

    /// A commit of one file, checked out on `main`.
    fn with_main(folder: &Path, text: &str) -> (Self, ObjectId) {
        let repo = Repo::new(folder);
        let commit = repo.commit(&[("app/x.yaml", File(text))]);
        repo.set("refs/heads/main", commit);
        repo.write(&[("app/x.yaml", text)]);
        repo.index(commit);
        (repo, commit)
    }
}

fn open(folder: &Path) -> HostWorld {
    HostWorld::open(folder, &HostOptions::default()).unwrap()
}

fn on_branch(folder: &Path, branch: &str) -> HostWorld {
    HostWorld::open(folder, &HostOptions { branch: Some(branch.to_owned()), ..HostOptions::default() }).unwrap()
}

fn here(world: &HostWorld, url: &str, revision: &str) -> Tree {
    match world.tree(&SourceRequest::git(url, revision)) {
        Lookup::Here(tree) => tree,
        Lookup::Absent { reason, .. } => panic!("{revision}: {reason}"),
    }
}

fn absent(world: &HostWorld, url: &str, revision: &str) -> (String, String) {
    match world.tree(&SourceRequest::git(url, revision)) {
        Lookup::Here(tree) => panic!("{revision}: {tree:?}"),
        Lookup::Absent { reason, hint } => (reason, hint.unwrap_or_default()),
    }
}

fn text(world: &HostWorld, tree: &Tree, path: &str) -> String {
    let file = world.read(&FilePath::new(tree.id, TreePath::new(path).unwrap())).unwrap();
    String::from_utf8(file.bytes.to_vec()).unwrap()
}

fn names(world: &HostWorld, tree: &Tree, directory: &str) -> Vec<String> {
    let listed = world.list(&FilePath::new(tree.id, TreePath::new(directory).unwrap())).unwrap();
    listed.iter().map(|entry| format!("{} {:?}", entry.name, entry.kind)).collect()
}

#[test]
fn the_working_tree_stands_for_head_and_its_branch_only() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, main) = Repo::with_main(folder.path(), "main\n");
    repo.write(&[("app/x.yaml", "changed\n")]);
    let world = open(folder.path());
    for revision in ["", "HEAD", "main", "refs/heads/main"] {
        let tree = here(&world, URL, revision);
        assert_eq!((tree.working, &*tree.commit), (true, &*main.to_string()), "{revision}");
        assert_eq!(text(&world, &tree, "app/x.yaml"), "changed\n");
    }
    // The commit itself is the commit, not what is on disk now.
    let pinned = here(&world, URL, &main.to_string());
    assert!(!pinned.working);
    assert_eq!(text(&world, &pinned, "app/x.yaml"), "main\n");
}

#[test]
fn other_revisions_come_from_the_object_store() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, main) = Repo::with_main(folder.path(), "main\n");
    let commit = |text: &str| repo.commit(&[("app/x.yaml", File(text))]);
    let (prod, stale, release, old) = (commit("prod\n"), commit("stale\n"), commit("1.10\n"), commit("1.9\n"));
    repo.set("refs/remotes/origin/prod", prod);
    repo.set("refs/heads/prod", stale);
    repo.set("refs/heads/local", stale);
    repo.annotated("v1.10.0", release);
    repo.set("refs/tags/v1.9.0", old);
    repo.set("refs/tags/v2.0.0-rc.1", main);
    repo.set("refs/pull/7/head", prod);
    let world = open(folder.path());
    for (revision, commit, want) in [
        ("prod", prod, "prod\n"),
        ("refs/heads/prod", prod, "prod\n"),
        ("local", stale, "stale\n"),
        ("v1.10.0", release, "1.10\n"),
        ("refs/tags/v1.9.0", old, "1.9\n"),
        ("v1.*", release, "1.10\n"),
        (">=1.0.0 <1.10", old, "1.9\n"),
        ("*", release, "1.10\n"),
        ("refs/pull/7/head", prod, "prod\n"),
        (&prod.to_string(), prod, "prod\n"),
        (&prod.to_string()[..8], prod, "prod\n"),
    ] {
        let tree = here(&world, URL, revision);
        assert_eq!((&*tree.commit, tree.working), (&*commit.to_string(), false), "{revision}");
        assert_eq!(text(&world, &tree, "app/x.yaml"), want, "{revision}");
    }
    // One commit is one tree, however it was asked for.
    assert_eq!(here(&world, URL, "prod").id, here(&world, URL, "refs/pull/7/head").id);
    let (reason, hint) = absent(&world, URL, "prdo");
    assert_eq!(reason, "the local object store has no revision `prdo`");
    assert_eq!(hint, "did you mean `prod`? Otherwise fetch it before: `git fetch origin`");
    absent(&world, URL, "../../config");
    absent(&world, URL, "1.9");
    absent(&world, URL, "deadbeef");
}

/// What each application of a fleet renders to: the name of its one object, or the first error.
fn compiled(world: &HostWorld) -> BTreeMap<String, String> {
    let input = Input { root: world.fleet().clone(), read: ReadOptions::default() };
    let compiled = compile(&input, world, &InOrder, &Tools::default()).value;
    let outcome = |unit: &ResolvedUnit| match &unit.sources {
        Err(errors) => errors.iter().next().unwrap().message.clone(),
        Ok(sources) => {
            let rendered = compiled.renders.get(sources[0].job.as_ref().unwrap()).unwrap().as_ref().unwrap();
            let name = rendered.resources[0].body.at(&["metadata", "name"]).unwrap().text().unwrap().to_owned();
            format!("{name} at {}", &sources[0].commit[..4])
        }
    };
    compiled.units.iter().map(|unit| (unit.unit.application.key.name.clone(), outcome(unit))).collect()
}

#[test]
fn applications_render_the_revisions_that_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::new(folder.path());
    let manifest = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let old = repo.commit(&[("app/x.yaml", File(&manifest("old")))]);
    repo.annotated("v1", old);
    let mut definitions = String::new();
    for (name, revision) in [("head", "HEAD"), ("branch", "main"), ("tag", "v1"), ("gone", "v2")] {
        definitions.push_str(&format!(
            "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  \
             project: default\n  source: {{repoURL: '{URL}', path: app, targetRevision: {revision}}}\n  \
             destination: {{server: 'https://kubernetes.default.svc', namespace: web}}\n"
        ));
    }
    let new = repo.commit(&[("app/x.yaml", File(&manifest("new"))), ("apps.yaml", File(&definitions))]);
    repo.set("refs/heads/main", new);
    repo.index(new);
    repo.write(&[("app/x.yaml", &manifest("new")), ("apps.yaml", &definitions)]);
    let short = |id: ObjectId| id.to_string()[..4].to_owned();
    let names = |found: &BTreeMap<String, String>| -> Vec<String> {
        ["head", "branch", "tag", "gone"].iter().map(|name| found[*name].clone()).collect()
    };
    let found = compiled(&open(folder.path()));
    let absent = |revision: &str, note: &str| {
        format!(
            "the source {URL} at {revision} cannot be had: the local object store has no revision `{revision}`{note}"
        )
    };
    let at_new = format!("new at {}", short(new));
    assert_eq!(names(&found), [at_new.clone(), at_new.clone(), format!("old at {}", short(old)), absent("v2", "")]);

    // As a depth-1 clone of CI: detached, one commit, no branches and tags.
    repo.git_file("HEAD", &format!("{new}\n"));
    repo.git_file("shallow", &format!("{new}\n"));
    fs::remove_dir_all(folder.path().join(".git/refs/tags")).unwrap();
    fs::remove_file(folder.path().join(".git/refs/heads/main")).unwrap();
    let note = " (a shallow clone)";
    let found = compiled(&open(folder.path()));
    assert_eq!(names(&found), [at_new.clone(), absent("main", note), absent("v1", note), absent("v2", note)]);
    let found = compiled(&on_branch(folder.path(), "main"));
    assert_eq!(names(&found), [at_new.clone(), at_new, absent("v1", note), absent("v2", note)]);
}

#[test]
fn a_detached_shallow_clone_has_one_commit_only() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, main) = Repo::with_main(folder.path(), "main\n");
    repo.git_file("HEAD", &format!("{main}\n"));
    repo.git_file("shallow", &format!("{main}\n"));
    fs::remove_file(folder.path().join(".git/refs/heads/main")).unwrap();
    let world = open(folder.path());
    assert!(here(&world, URL, "HEAD").working);
    let (reason, hint) = absent(&world, URL, "main");
    assert_eq!(reason, "the local object store has no revision `main` (a shallow clone)");
    assert_eq!(
        hint,
        "fetch it before: `git fetch --depth 1 origin main:refs/remotes/origin/main`, or a full clone (`fetch-depth: 0`); \
         if the detached working tree is that branch, say `--branch main`"
    );
    let (reason, _) = absent(&world, URL, "v1.2");
    assert_eq!(reason, "the local object store has no revision `v1.2` (a shallow clone)");
    let named = on_branch(folder.path(), "main");
    assert!(here(&named, URL, "main").working);
    absent(&named, URL, "v1.2");
}

#[test]
fn ignored_untracked_files_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::new(folder.path());
    let ignore = "*.log\n/build/\n!keep.log\n";
    let commit = repo.commit(&[
        (".gitignore", File(ignore)),
        ("tracked.log", File("")),
        ("build/tracked.yaml", File("")),
        ("sub/.gitignore", File("local.yaml\n")),
    ]);
    repo.set("refs/heads/main", commit);
    repo.index(commit);
    repo.write(&[
        (".gitignore", ignore),
        ("tracked.log", ""),
        ("new.yaml", ""),
        ("new.log", ""),
        ("keep.log", ""),
        ("build/tracked.yaml", ""),
        ("build/new.yaml", ""),
        ("sub/.gitignore", "local.yaml\n"),
        ("sub/local.yaml", ""),
        ("sub/build/x.yaml", ""),
        ("excluded-by-info.yaml", ""),
    ]);
    repo.git_file("info/exclude", "excluded-by-info.yaml\n");
    let world = open(folder.path());
    let tree = here(&world, URL, "");
    let of = |directory| names(&world, &tree, directory);
    assert_eq!(
        of(""),
        [
            ".gitignore File",
            "build Directory",
            "excluded-by-info.yaml File",
            "keep.log File",
            "new.yaml File",
            "sub Directory",
            "tracked.log File"
        ]
    );
    assert_eq!(of("build"), ["tracked.yaml File"]);
    assert_eq!(of("sub"), [".gitignore File", "build Directory"]);
    assert!(world.read(&FilePath::new(tree.id, TreePath::new("new.log").unwrap())).is_err());
}

#[test]
fn links_and_submodules_of_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, _) = Repo::with_main(folder.path(), "main\n");
    let commit = repo.commit(&[
        ("app/x.yaml", File("x\n")),
        ("app/link.yaml", Link("x.yaml")),
        ("broken", Link("nothing")),
        ("dir", Link("./app")),
        ("out", Link("../app/x.yaml")),
        ("root", Link("/etc/passwd")),
        ("vendor", Submodule),
    ]);
    repo.set("refs/tags/v1", commit);
    let world = open(folder.path());
    let tree = here(&world, URL, "v1");
    assert_eq!(
        names(&world, &tree, ""),
        [
            "app Directory",
            "broken BrokenLink",
            "dir DirectoryLink(app)",
            "out EscapingLink",
            "root EscapingLink",
            "vendor Other"
        ]
    );
    assert_eq!(text(&world, &tree, "dir/link.yaml"), "x\n");
    let found = world.read(&FilePath::new(tree.id, TreePath::new("root").unwrap())).unwrap_err();
    let short = &commit.to_string()[..12];
    assert_eq!(
        found.iter().next().unwrap().message,
        format!("`{short}:root` is a symbolic link out of the repository")
    );
    assert!(world.list(&FilePath::new(tree.id, TreePath::new("vendor").unwrap())).is_err());
}

#[test]
fn a_submodule_counts_when_it_was_checked_out() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::new(folder.path());
    let commit = repo.commit(&[("vendor", Submodule), ("x.yaml", File(""))]);
    repo.set("refs/heads/main", commit);
    repo.index(commit);
    repo.write(&[("x.yaml", "")]);
    fs::create_dir(folder.path().join("vendor")).unwrap();
    let world = open(folder.path());
    assert_eq!(names(&world, &here(&world, URL, "HEAD"), ""), ["vendor Other", "x.yaml File"]);
    repo.write(&[("vendor/.git", "gitdir: ../.git/modules/vendor\n"), ("vendor/y.yaml", "y\n")]);
    let world = open(folder.path());
    let tree = here(&world, URL, "HEAD");
    assert_eq!(names(&world, &tree, ""), ["vendor Directory", "x.yaml File"]);
    assert_eq!(names(&world, &tree, "vendor"), ["y.yaml File"]);
}

#[test]
fn formats_that_cannot_be_read_are_said() {
    for (extension, want) in [("objectformat = sha256", "SHA-256"), ("refStorage = reftable", "reftable")] {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::new(folder.path());
        repo.git_file("config", &format!("[core]\n\trepositoryformatversion = 1\n[extensions]\n\t{extension}\n"));
        let found = HostWorld::open(folder.path(), &HostOptions::default()).err().unwrap();
        assert!(found.iter().next().unwrap().message.contains(want), "{found:?}");
    }
}

#[test]
fn forbidden_names_in_a_tree_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, _) = Repo::with_main(folder.path(), "main\n");
    for (index, name) in ["..", "."].into_iter().enumerate() {
        repo.set(&format!("refs/tags/t{index}"), repo.commit(&[(name, File("x"))]));
        let world = open(folder.path());
        let tree = here(&world, URL, &format!("t{index}"));
        let found = world.list(&FilePath::new(tree.id, TreePath::root())).unwrap_err();
        assert!(found.iter().next().unwrap().message.contains(&format!("forbidden name `{name}`")), "{found:?}");
    }
}

#[test]
fn a_fleet_in_a_folder_of_the_checkout_sees_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, _) = Repo::with_main(folder.path(), "main\n");
    repo.write(&[("fleets/eu/fleet.yaml", "")]);
    let world = open(&folder.path().join("fleets/eu"));
    assert_eq!(world.fleet().path.as_str(), "fleets/eu");
    let tree = here(&world, URL, "HEAD");
    assert_eq!(tree.id, world.fleet().tree);
    assert_eq!(text(&world, &tree, "app/x.yaml"), "main\n");
}

#[test]
fn a_folder_that_the_checkout_ignores_is_a_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, _) = Repo::with_main(folder.path(), "main\n");
    repo.write(&[(".gitignore", "/target\n"), ("target/fleet/app.yaml", "")]);
    let world = open(&folder.path().join("target/fleet"));
    assert_eq!(world.fleet().path.as_str(), "");
    assert_eq!(world.list(world.fleet()).unwrap().len(), 1);
    absent(&world, URL, "HEAD");
}

#[test]
fn a_mapped_folder_above_the_fleet_is_where_paths_begin() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, _) = Repo::with_main(folder.path(), "main\n");
    repo.write(&[("case/input/apps/a/x.yaml", "a\n")]);
    let input = folder.path().join("case/input");
    let options = HostOptions {
        repositories: vec![("https://git.example.com/r.git".to_owned(), input.clone())],
        ..HostOptions::default()
    };
    let world = HostWorld::open(&input, &options).unwrap();
    assert_eq!(world.fleet().path.as_str(), "");
    let tree = here(&world, "https://git.example.com/r.git", "HEAD");
    assert_eq!((tree.id, text(&world, &tree, "apps/a/x.yaml")), (world.fleet().tree, "a\n".to_owned()));
    // The checkout around it still answers its own remotes.
    let outer = here(&world, URL, "HEAD");
    assert_eq!(text(&world, &outer, "app/x.yaml"), "main\n");
    absent(&world, "https://git.example.com/r.git", "main");
}

#[test]
fn a_plain_fleet_may_lie_in_a_mapped_folder() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = folder.path().join("argocd");
    fs::create_dir_all(folder.path().join("apps/a")).unwrap();
    fs::create_dir_all(&fleet).unwrap();
    let url = "https://git.example.com/r.git";
    let options = HostOptions { repositories: vec![(url.to_owned(), fleet.join(".."))], ..HostOptions::default() };
    let world = HostWorld::open(&fleet, &options).unwrap();
    let tree = here(&world, url, "");
    assert_eq!((tree.id, world.fleet().path.as_str()), (world.fleet().tree, "argocd"));
    assert_eq!(names(&world, &tree, ""), ["apps Directory", "argocd Directory"]);
}

#[test]
fn linked_worktrees_of_bare_repositories_work() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, main) = Repo::with_main(&folder.path().join("seed"), "main\n");
    let prod = repo.commit(&[("app/x.yaml", File("prod\n"))]);
    repo.set("refs/heads/prod", prod);
    let bare = folder.path().join("bare.git");
    fs::rename(folder.path().join("seed/.git"), &bare).unwrap();
    let config = fs::read_to_string(bare.join("config")).unwrap();
    fs::write(bare.join("config"), config.replace("[core]", "[core]\n\tbare = true")).unwrap();
    let worktree = folder.path().join("prod");
    let private = bare.join("worktrees/prod");
    fs::create_dir_all(&private).unwrap();
    fs::create_dir_all(worktree.join("app")).unwrap();
    fs::write(worktree.join("app/x.yaml"), "on disk\n").unwrap();
    fs::write(worktree.join(".git"), format!("gitdir: {}\n", private.display())).unwrap();
    fs::write(private.join("HEAD"), "ref: refs/heads/prod\n").unwrap();
    fs::write(private.join("commondir"), "../..\n").unwrap();
    fs::write(private.join("gitdir"), format!("{}\n", worktree.join(".git").display())).unwrap();

    let world = open(&worktree);
    assert_eq!(text(&world, &here(&world, URL, "prod"), "app/x.yaml"), "on disk\n");
    let other = here(&world, URL, "main");
    assert_eq!((&*other.commit, text(&world, &other, "app/x.yaml")), (&*main.to_string(), "main\n".to_owned()));

    // A bare repository can be mapped too: all of it comes from the objects.
    let options =
        HostOptions { repositories: vec![("https://x.example/r".to_owned(), bare)], ..HostOptions::default() };
    let world = HostWorld::open(&worktree, &options).unwrap();
    let head = here(&world, "https://x.example/r", "HEAD");
    assert_eq!((head.working, text(&world, &head, "app/x.yaml")), (false, "main\n".to_owned()));
}

#[test]
fn urls_of_remotes_are_the_checkout() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, _) = Repo::with_main(folder.path(), "main\n");
    repo.git_file(
        "config",
        "[core]\n\trepositoryformatversion = 0\n[remote \"origin\"]\n\turl = git@git.example.com:platform/fleet.git\n\
         \tpushurl = https://push.example.com/p\n[remote \"mirror\"]\n\turl = mirror:fleet\n\
         [url \"https://user:secret@mirror.example.com/\"]\n\tinsteadOf = mirror:\n",
    );
    let world = open(folder.path());
    for url in [
        URL,
        "ssh://git@git.example.com/platform/fleet",
        "https://git.example.com/Platform/Fleet/",
        "mirror:fleet",
        "https://mirror.example.com/fleet.git",
    ] {
        assert!(here(&world, url, "HEAD").working, "{url}");
    }
    let (reason, hint) = absent(&world, "https://push.example.com/p", "HEAD");
    assert_eq!(
        reason,
        "no folder is known for it; the remotes of this checkout are `git@git.example.com:platform/fleet.git`, `mirror:fleet`"
    );
    assert_eq!(
        hint,
        "say which folder it is: `--repo https://push.example.com/p=PATH`, or `repositories:` in fleet.yaml"
    );
}

#[test]
fn mapped_checkouts_have_their_own_revisions() {
    let folder = tempfile::tempdir().unwrap();
    let (_fleet, _) = Repo::with_main(&folder.path().join("fleet"), "fleet\n");
    let (apps, _) = Repo::with_main(&folder.path().join("apps"), "apps\n");
    let old = apps.commit(&[("app/x.yaml", File("old\n"))]);
    apps.set("refs/tags/v1", old);
    fs::create_dir_all(folder.path().join("plain")).unwrap();
    fs::write(folder.path().join("plain/y.yaml"), "plain\n").unwrap();
    let url = |name: &str| format!("https://x.example/{name}");
    let options = HostOptions {
        repositories: ["apps", "plain"].map(|name| (url(name), folder.path().join(name))).to_vec(),
        branch: Some("release".to_owned()),
        ..HostOptions::default()
    };
    let world = HostWorld::open(&folder.path().join("fleet"), &options).unwrap();
    assert_eq!(text(&world, &here(&world, &url("apps"), "main"), "app/x.yaml"), "apps\n");
    assert_eq!(text(&world, &here(&world, &url("apps"), "v1"), "app/x.yaml"), "old\n");
    // `--branch` names the fleet's branch and that of plain folders, not another checkout's.
    absent(&world, &url("apps"), "release");
    assert_eq!(text(&world, &here(&world, &url("plain"), "release"), "y.yaml"), "plain\n");
    let (reason, _) = absent(&world, &url("plain"), "main");
    assert_eq!(reason, "a plain folder has no revision `main`");
    assert_eq!(text(&world, &here(&world, URL, "release"), "app/x.yaml"), "fleet\n");
}

#[test]
fn files_that_a_sparse_checkout_left_out_are_read_from_the_objects() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::new(folder.path());
    let commit = repo.commit(&[("apps/a/x.yaml", File("a\n")), ("apps/b/x.yaml", File("b\n")), ("top.yaml", File(""))]);
    repo.set("refs/heads/main", commit);
    let tree = repo.git.find_commit(commit).unwrap().tree_id().unwrap().detach();
    let mut index = repo.git.index_from_tree(&tree).unwrap();
    for (entry, path) in index.entries_mut_with_paths() {
        if path.starts_with(b"apps/b/") {
            entry.flags.insert(gix::index::entry::Flags::SKIP_WORKTREE | gix::index::entry::Flags::EXTENDED);
        }
    }
    index.write(gix::index::write::Options::default()).unwrap();
    repo.write(&[("apps/a/x.yaml", "a\n"), ("top.yaml", "")]);
    let world = open(folder.path());
    let tree = here(&world, URL, "HEAD");
    assert_eq!(names(&world, &tree, "apps"), ["a Directory", "b Directory"]);
    assert_eq!(text(&world, &tree, "apps/b/x.yaml"), "b\n");
}

#[test]
fn links_out_of_a_working_tree_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_repo, _) = Repo::with_main(&folder.path().join("fleet"), "main\n");
    fs::write(folder.path().join("secret"), "secret").unwrap();
    symlink("../../secret", folder.path().join("fleet/app/secret")).unwrap();
    let world = open(&folder.path().join("fleet"));
    let tree = here(&world, URL, "HEAD");
    assert_eq!(names(&world, &tree, "app"), ["secret EscapingLink", "x.yaml File"]);
    assert!(world.read(&FilePath::new(tree.id, TreePath::new("app/secret").unwrap())).is_err());
}

#[test]
fn a_commit_stands_for_the_working_tree() {
    let folder = tempfile::tempdir().unwrap();
    let (repo, first) = Repo::with_main(folder.path(), "first\n");
    let second = repo.commit_after(&[first], &[("app/x.yaml", File("second\n")), ("fleet/f.yaml", File("f\n"))]);
    let side = repo.commit_after(&[first], &[("app/x.yaml", File("side\n"))]);
    repo.set("refs/heads/main", second);
    repo.set("refs/remotes/origin/side", side);
    repo.write(&[("app/x.yaml", "on disk\n"), ("fleet/f.yaml", "on disk\n")]);
    let at = |revision: &str, below: &str, repositories: &[(&str, &str)]| {
        let options = HostOptions {
            repositories: repositories
                .iter()
                .map(|(url, path)| ((*url).to_owned(), folder.path().join(path)))
                .collect(),
            revision: Some(revision.to_owned()),
            ..HostOptions::default()
        };
        HostWorld::open(&folder.path().join(below), &options)
    };
    for (revision, commit, expected) in [
        ("HEAD", second, "second\n"),
        ("main~1", first, "first\n"),
        ("side", side, "side\n"),
        ("main...side", first, "first\n"),
        (&first.to_string()[..9], first, "first\n"),
    ] {
        let world = at(revision, "", &[]).unwrap();
        assert_eq!((world.is_of_a_commit(), world.head()), (true, commit.to_string()), "{revision}");
        let file = FilePath::new(world.fleet().tree, TreePath::new("app/x.yaml").unwrap());
        assert_eq!(world.read(&file).unwrap().bytes.as_ref(), expected.as_bytes(), "{revision}");
        assert_eq!(world.read(&file).unwrap().display, format!("{}:app/x.yaml", commit.to_hex_with_len(12)));
        // It is what the revision of the working tree stands for, too; other revisions are what they are.
        assert_eq!(text(&world, &here(&world, URL, "HEAD"), "app/x.yaml"), expected, "{revision}");
        assert_eq!(text(&world, &here(&world, URL, "side"), "app/x.yaml"), "side\n", "{revision}");
    }
    // Folders of the checkout that answer other repositories, and a fleet below the root, are those of the commit.
    let world = at("HEAD", "fleet", &[("https://x.example/apps", "app")]).unwrap();
    assert_eq!(text(&world, &here(&world, "https://x.example/apps", ""), "x.yaml"), "second\n");
    let file = world.fleet().join("f.yaml").unwrap();
    assert_eq!(world.read(&file).unwrap().bytes.as_ref(), b"f\n");

    let refused = |revision: &str, below: &str| {
        let errors = at(revision, below, &[("https://x.example/fleet", "fleet")]).err().unwrap();
        let error = errors.iter().next().unwrap().clone();
        (error.message, error.hints)
    };
    let (message, hints) = refused("mian", "");
    assert_eq!(message, "the local object store has no revision `mian`");
    assert!(hints.first().unwrap().starts_with("did you mean `main`?"), "{hints:?}");
    let (message, _) = refused("main~1", "fleet");
    assert_eq!(message, format!("the commit {} has no folder `fleet`", first.to_hex_with_len(12)));
    let plain = tempfile::tempdir().unwrap();
    let options = HostOptions { revision: Some("HEAD".to_owned()), ..HostOptions::default() };
    let error = HostWorld::open(plain.path(), &options).err().unwrap();
    assert!(error.iter().next().unwrap().message.ends_with("lies in no git checkout, so it has no revision `HEAD`"));
}
