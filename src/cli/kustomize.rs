//! `fleetc kustomize DIR`: the bytes of `kustomize build DIR`, and its exit codes (0 or 1).

use std::mem::ManuallyDrop;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fleetc::diag::{Diagnostic, Diagnostics};
use fleetc::host::fetch::{self, Allowed};
use fleetc::host::{Clock, FileWorld};
use fleetc::path::{FilePath, TreePath};
use fleetc::render::helm::Profile;
use fleetc::render::kustomize::{Helm, LoadRestrictor, Options, Reorder, Tools, build};
use fleetc::render::{Rendered, Stop};
use fleetc::span::{SourceMap, Span};

use super::args::{Kustomize, SourceArgs};
use super::progress::Fetching;
use super::session::{is_offline, print_findings, print_out};

/// Runs the command.
pub(crate) fn run(args: &Kustomize) -> ExitCode {
    if args.enable_helm { super::helm::on_deep_stack(|| build_and_print(args)) } else { build_and_print(args) }
}

fn build_and_print(args: &Kustomize) -> ExitCode {
    let options = Options {
        load_restrictor: match args.load_restrictor.as_str() {
            "LoadRestrictionsNone" | "none" => LoadRestrictor::None,
            _ => LoadRestrictor::RootOnly,
        },
        reorder: if args.reorder == "none" { Reorder::None } else { Reorder::Legacy },
        helm: Helm {
            enabled: args.enable_helm,
            profile: if args.engine.as_deref() == Some("helm=3") { Profile::V3 } else { Profile::V4 },
            kube_version: args.helm_kube_version.as_deref().unwrap_or_default().into(),
            api_versions: args.helm_api_versions.clone(),
            cluster: None,
        },
        managed_by_label: args.enable_managedby_label,
        ..Options::default()
    };
    // Bases may lie anywhere above, so the tree is the whole disk, listed only where the build looks.
    let opened = std::fs::canonicalize(&args.dir).and_then(|dir| Ok((dir, open_disk(&args.sources)?)));
    let (dir, world) = match opened {
        Ok(opened) => opened,
        Err(error) => return refused(&args.dir, &error.to_string(), args),
    };
    let Some(directory) = dir.to_str().and_then(|dir| TreePath::new(dir.trim_start_matches('/')).ok()) else {
        return refused(&args.dir, "its path is not UTF-8", args);
    };
    let tools = ManuallyDrop::new(Tools::with_effects(Box::new(Clock)));
    let directory = FilePath::new(FileWorld::TREE, directory);
    let fetching = Fetching::on_terminals();
    let (built, _) = world.settle(&|request, progress| fetching.tell(request, &progress), || {
        let built = build(&world, &directory, &options, &tools);
        let wants = built.as_ref().err().map(Stop::wants).unwrap_or_default();
        (built, wants)
    });
    match built {
        Ok(rendered) => {
            // The process ends here, and its memory with it: to take thousands of objects apart first would be for nothing.
            let (rendered, world) = (ManuallyDrop::new(rendered), ManuallyDrop::new(world));
            if !rendered.warnings.is_empty() {
                print_findings(&rendered.warnings, world.sources(), args.color);
            }
            finish(&rendered, args)
        }
        Err(Stop::Failed(mut errors)) => {
            errors.settle(world.sources());
            print_findings(&errors, world.sources(), args.color);
            ExitCode::from(1)
        }
        Err(Stop::Wants(wants)) => {
            let mut errors = Diagnostics::new();
            for want in wants {
                errors.push(want.error("kustomize/remote"));
            }
            print_findings(&errors, world.sources(), args.color);
            ExitCode::from(1)
        }
    }
}

/// The whole disk as a world, and what can be fetched. Nothing is pinned: that is what fleets are for.
pub(super) fn open_disk(args: &SourceArgs) -> std::io::Result<FileWorld> {
    let world = FileWorld::open(Path::new("/"))?;
    let allowed = Allowed { locked: false, offline: args.offline || is_offline() };
    let options = fetch::Options { store: args.store.clone(), allowed, ..fetch::Options::default() };
    Ok(match fetch::sources(options) {
        Some(sources) => world.fetching(Arc::new(sources)),
        None => world,
    })
}

/// Prints the objects, or writes them where `--output` says: a file, or one file an object into a folder that is there.
fn finish(rendered: &Rendered, args: &Kustomize) -> ExitCode {
    let Some(output) = &args.output else {
        print_out(&rendered.to_yaml());
        return ExitCode::SUCCESS;
    };
    let written =
        if output.is_dir() { write_folder(rendered, output) } else { std::fs::write(output, rendered.to_yaml()) };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refused(output, &error.to_string(), args),
    }
}

/// One file an object, named `[namespace_]group_version_kind_name.yaml` in lower case (kustomize `writeIndividualFiles`).
fn write_folder(rendered: &Rendered, folder: &Path) -> std::io::Result<()> {
    for (name, text) in rendered.to_files() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

fn refused(path: &Path, why: &str, args: &Kustomize) -> ExitCode {
    let error = Diagnostic::error("kustomize/folder", Span::NONE, format!("`{}`: {why}", path.display()));
    print_findings(&error.into(), &SourceMap::default(), args.color);
    ExitCode::from(1)
}
