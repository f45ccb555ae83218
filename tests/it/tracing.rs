//! What a traced render says happened to an object is all that happened: it renders the same as without tracer, and each step begins where
//! the one before it ended, up to the object that comes out.

use std::fs;
use std::path::{Path, PathBuf};

use fleetc::host::files::FileWorld;
use fleetc::path::{FilePath, TreePath};
use fleetc::render::kustomize::{self, Options};
use fleetc::render::{Rendered, Stop};
use fleetc::yaml::emit;

/// The inputs of kustomize cases that have a kustomization at the top: ours, and those of `../shared/conformance` where that is here.
fn inputs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["fixtures/render/kustomize", "../shared/conformance/kustomize", "../../shared/conformance/kustomize"];
    let cases = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).into_iter().flatten().flatten());
    let mut inputs: Vec<PathBuf> = cases.map(|entry| entry.path().join("input")).collect();
    inputs.retain(|input| input.join("kustomization.yaml").is_file());
    inputs.sort();
    inputs
}

fn build(input: &Path, trace: bool) -> Result<Rendered, Stop> {
    let world = FileWorld::open(input).unwrap();
    let options = Options { trace, ..Options::default() };
    kustomize::build(&world, &FilePath::new(FileWorld::TREE, TreePath::root()), &options, &kustomize::Tools::new())
}

#[test]
fn steps_are_complete() {
    let (mut objects, mut steps) = (0, 0);
    let mut wrong = Vec::new();
    for input in inputs() {
        let name = input.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let (Ok(plain), Ok(traced)) = (build(&input, false), build(&input, true)) else { continue };
        assert_eq!(plain.to_yaml(), traced.to_yaml(), "{name}: differs when traced");
        assert!(
            plain.resources.iter().all(|resource| resource.origin.steps.is_empty()),
            "{name}: steps without tracer"
        );
        // Build metadata is written between the steps, about them.
        if fs::read_to_string(input.join("kustomization.yaml")).is_ok_and(|text| text.contains("buildMetadata")) {
            continue;
        }
        for resource in &traced.resources {
            objects += 1;
            steps += resource.origin.steps.len();
            for pair in resource.origin.steps.windows(2) {
                if pair[1].before.as_ref() != Some(&pair[0].after) {
                    wrong.push(format!("{name}: something happened between `{}` and `{}`", pair[0].what, pair[1].what));
                }
            }
            if let Some(last) = resource.origin.steps.last()
                && emit::through_kyaml(&last.after) != resource.body
            {
                wrong.push(format!("{name}: something happened after `{}`", last.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(objects > 100 && steps > 100, "{objects} objects, {steps} steps: too few to say anything");
}
