//! Programs that behave, and programs that do not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::run;
use crate::memory_world::MemoryWorld;
use crate::path::TreePath;
use crate::world::{Program, World};

fn program(script: &str, seconds: u32) -> Program {
    let (world, root) = MemoryWorld::of([("app/a.yaml", "a: 1\n"), ("b.txt", "b")]).unwrap();
    let files = ["app/a.yaml", "b.txt"]
        .map(|path| (TreePath::new(path).unwrap(), world.read(&root.join(path).unwrap()).unwrap()));
    Program {
        command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
        variables: BTreeMap::from([("ARGOCD_APP_NAME".to_owned(), "web".to_owned())]),
        passed: vec!["PATH".to_owned()],
        seconds,
        files: files.map(|(path, file)| (path, Arc::clone(&file))).to_vec(),
        directory: TreePath::new("app").unwrap(),
    }
}

fn said(script: &str, seconds: u32) -> String {
    match run(&program(script, seconds)) {
        Ok(output) => String::from_utf8(output).unwrap(),
        Err(found) => found.iter().next().unwrap().message.clone(),
    }
}

#[test]
fn a_program_sees_a_copy_and_what_is_listed() {
    assert_eq!(said("cat a.yaml ../b.txt; echo; echo $ARGOCD_APP_NAME", 10), "a: 1\nb\nweb\n");
    let names = said("env | cut -d= -f1 | sort", 10);
    let names: Vec<&str> = names.lines().filter(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name)).collect();
    assert_eq!(names, ["ARGOCD_APP_NAME", "PATH"]);
    assert_eq!(said("cat", 10), "");
}

#[test]
fn a_program_that_fails_or_goes_on_is_said() {
    assert_eq!(
        said("echo no such chart >&2; exit 3", 10),
        "the plugin's program `/bin/sh` fails (exit status: 3): no such chart"
    );
    let begun = std::time::Instant::now();
    assert_eq!(
        said("echo here >&2; sleep 60 & sleep 60", 1),
        "the plugin's program `/bin/sh` takes more than 1 seconds: here"
    );
    assert_eq!(said("sleep 60 & echo done", 10), "done\n");
    assert!(begun.elapsed().as_secs() < 20, "what it started is killed too");
    assert_eq!(
        said("while true; do cat /dev/zero; done", 30),
        "the plugin's program `/bin/sh` prints more than 64 MiB"
    );
    let mut nobody = program("", 1);
    nobody.command = vec!["/nowhere/program".to_owned()];
    assert!(run(&nobody).unwrap_err().iter().next().unwrap().message.contains("does not start"));
}
