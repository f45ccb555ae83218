//! Directories of manifests on disk: what links do. Everything else is tested beside `render::directory`.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test makes its own folders"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use fleetc::host::FileWorld;
use fleetc::path::{FilePath, TreePath};
use fleetc::render::{Stop, directory};
use fleetc::yaml::{Map, Node};

fn render(folder: &Path) -> Result<Vec<String>, Vec<String>> {
    let world = FileWorld::open(folder).unwrap();
    let directory = FilePath::new(FileWorld::TREE, TreePath::new("app").unwrap());
    let options = Node::map(Map::from_iter([(Node::str("recurse"), Node::bool(true))]));
    match directory::build(&world, &directory, Some(&options), true, None) {
        Ok(rendered) => {
            let name =
                |body: &Node| body.at(&["metadata", "name"]).and_then(Node::as_str).unwrap_or_default().to_owned();
            let names = rendered.resources.iter().map(|resource| name(&resource.body));
            Ok(names.chain(rendered.warnings.iter().map(|found| found.message.clone())).collect())
        }
        Err(Stop::Failed(errors)) => Err(errors.iter().map(|found| found.message.clone()).collect()),
        Err(Stop::Wants(_)) => unreachable!("plain manifests want nothing"),
    }
}

#[test]
fn links_to_files_are_followed_and_links_to_directories_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("app")).unwrap();
    fs::create_dir_all(root.join("shared")).unwrap();
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\n";
    fs::write(root.join("shared/x.yaml"), manifest).unwrap();
    symlink("../shared/x.yaml", root.join("app/a.yaml")).unwrap();
    symlink("../shared", root.join("app/directory")).unwrap();
    symlink("../shared", root.join("app/named.yaml")).unwrap();
    symlink("nothing", root.join("app/gone.yaml")).unwrap();
    symlink("nothing", root.join("app/gone.txt")).unwrap();
    assert_eq!(
        render(root).unwrap(),
        [
            "shared",
            "`app/gone.yaml` is a symbolic link whose target does not exist; it is left out, as Argo CD does",
            "`app/named.yaml` is no file; it is left out, as Argo CD does",
        ]
    );
    // Out of the repository: an error, whatever the pattern says and the link is called.
    symlink("../../x.yaml", root.join("app/out.yaml")).unwrap();
    symlink("/etc", root.join("app/text")).unwrap();
    assert_eq!(
        render(root).unwrap_err(),
        [
            "`app/out.yaml` is a symbolic link out of the repository",
            "`app/text` is a symbolic link out of the repository",
        ]
    );
}

#[test]
fn a_file_of_200_megabytes_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("app")).unwrap();
    fs::File::create(folder.path().join("app/big.yaml")).unwrap().set_len(200 << 20).unwrap();
    let found = render(folder.path()).unwrap_err();
    assert_eq!(found, ["`app/big.yaml` is too large: 209715200 bytes, at most 67108864 are read"]);
}
