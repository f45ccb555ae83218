//! Folders on disk as trees.

use std::os::unix::fs::symlink;

use super::files::FileWorld;
use crate::path::{FilePath, TreePath};
use crate::world::World;

fn path(text: &str) -> FilePath {
    FilePath::new(FileWorld::TREE, TreePath::new(text).unwrap())
}

fn listing(world: &dyn World, directory: &str) -> Vec<String> {
    let entries = world.list(&path(directory)).unwrap();
    entries.iter().map(|entry| format!("{} {:?}", entry.name, entry.kind)).collect()
}

fn refusal(world: &dyn World, file: &str) -> String {
    let found = world.read(&path(file)).unwrap_err();
    found.iter().map(|d| d.message.clone()).collect()
}

#[test]
fn links_are_classified_and_followed_inside_only() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("apps/a")).unwrap();
    std::fs::create_dir_all(root.join(".git")).unwrap();
    std::fs::write(root.join("apps/a/x.yaml"), "x: 1\n").unwrap();
    symlink("x.yaml", root.join("apps/a/file")).unwrap();
    symlink("../apps/a", root.join("apps/directory")).unwrap();
    symlink("nothing", root.join("apps/broken")).unwrap();
    symlink("loop", root.join("apps/loop")).unwrap();
    symlink("/etc/passwd", root.join("apps/absolute")).unwrap();
    symlink("../../../etc", root.join("apps/out")).unwrap();
    let back = format!("../../{}/apps/a", root.file_name().unwrap().to_str().unwrap());
    symlink(back, root.join("apps/out-and-back")).unwrap();

    let world = FileWorld::open(root).unwrap();
    assert_eq!(listing(&world, ""), ["apps Directory"]);
    assert_eq!(
        listing(&world, "apps"),
        [
            "a Directory",
            "absolute EscapingLink",
            "broken BrokenLink",
            "directory DirectoryLink(apps/a)",
            "loop BrokenLink",
            "out EscapingLink",
            "out-and-back EscapingLink",
        ]
    );
    assert_eq!(listing(&world, "apps/directory"), ["file FileLink(apps/a/x.yaml)", "x.yaml File"]);
    let through = world.read(&path("apps/directory/file")).unwrap();
    assert_eq!((&*through.bytes, &*through.display), (&b"x: 1\n"[..], "apps/directory/file"));
    assert_eq!(through.id, world.read(&path("apps/directory/file")).unwrap().id);
    assert_eq!(refusal(&world, "apps/absolute"), "`apps/absolute` is a symbolic link out of the repository");
    assert_eq!(
        refusal(&world, "apps/out/passwd"),
        "`apps/out/passwd` is a symbolic link out of the repository (through `apps/out`)"
    );
    assert_eq!(refusal(&world, "apps/loop"), "`apps/loop` is a symbolic link whose target does not exist");
    assert_eq!(refusal(&world, "apps"), "`apps` is a directory");
    assert_eq!(refusal(&world, "apps/a/y.yaml"), "`apps/a/y.yaml` does not exist");
    assert_eq!(
        refusal(&world, "apps/a/x.yaml/z"),
        "`apps/a/x.yaml/z` does not exist: `apps/a/x.yaml` is not a directory"
    );
}

#[test]
fn the_whole_disk_is_a_tree_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("closed/open")).unwrap();
    std::fs::write(root.join("closed/open/x.yaml"), "x: 1\n").unwrap();
    symlink(root.join("closed/open"), root.join("link")).unwrap();
    // May be entered, not listed (the superuser can list it all the same).
    std::fs::set_permissions(root.join("closed"), std::fs::Permissions::from_mode(0o111)).unwrap();
    let world = FileWorld::open(std::path::Path::new("/")).unwrap();
    let below = root.to_str().unwrap().trim_start_matches('/');
    for name in ["closed/open/x.yaml", "link/x.yaml"] {
        let file = world.read(&path(&format!("{below}/{name}"))).unwrap();
        assert_eq!((&*file.bytes, &file.display), (&b"x: 1\n"[..], &format!("/{below}/{name}")));
    }
    assert!(refusal(&world, &format!("{below}/none")).contains("does not exist"));
    std::fs::set_permissions(root.join("closed"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn one_path_is_one_file_from_all_threads() {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..50 {
        std::fs::write(folder.path().join(format!("{index}.yaml")), "x: 1\n").unwrap();
    }
    let world = FileWorld::open(folder.path()).unwrap();
    let asked: Vec<usize> = (0..2000).map(|n| n % 50).collect();
    let read = |index: &usize| world.read(&path(&format!("{index}.yaml"))).unwrap();
    let files = super::Pool::new(Some(8)).unwrap().map(&asked, &read);
    for (index, file) in asked.iter().zip(&files) {
        assert_eq!(file.id, read(index).id);
        assert_eq!(world.sources().get(file.id).unwrap().display, format!("{index}.yaml"));
    }
}

#[test]
fn large_files_are_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("big.yaml")).unwrap();
    file.set_len(200 << 20).unwrap();
    let world = FileWorld::open(folder.path()).unwrap();
    assert!(refusal(&world, "big.yaml").starts_with("`big.yaml` is too large: 209715200 bytes"));
}

#[test]
fn results_are_in_the_order_of_the_jobs() {
    let items: Vec<u64> = (0..500).collect();
    for threads in [1, 8] {
        let pool = super::Pool::new(Some(threads)).unwrap();
        assert_eq!(pool.threads(), threads);
        let work = |n: &u64| (0..(n * 7919) % 1000).fold(*n, |sum, step| sum.wrapping_mul(31).wrapping_add(step));
        let want: Vec<u64> = items.iter().map(work).collect();
        assert_eq!(pool.map(&items, &work), want);
    }
}
