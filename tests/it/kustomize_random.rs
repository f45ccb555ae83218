//! Random kustomizations against the original, to be run at will: `KUSTOMIZE=/path/to/kustomize cargo test --test it kustomize_random`.
//!
//! Bases, overlays, components, generators and every transformer over objects with odd texts are made from a seed and built by both; equal
//! bytes, or both refusing, is right. `FLEETC_RANDOM_CASES` says how many (200), `FLEETC_RANDOM_SEED` where to begin. The folders of those
//! that differ are kept, and their paths printed. Without `KUSTOMIZE` nothing is tested, and the test says so.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use fleetc::host::files::FileWorld;
use fleetc::path::{FilePath, TreePath};
use fleetc::render::{Stop, kustomize};

mod changes;
mod objects;
pub(super) mod random;
mod sources;

use changes::{Place, transformers, vars};
use objects::{Files, Made, objects};
use random::Random;
use sources::{Generated, generators, knowledge, plugins};

/// The files of a random kustomization whose root is `ov`.
fn kustomization(random: &mut Random) -> Files {
    let mut files = Files::new();
    let mut all: Vec<Made> = Vec::new();
    let mut known: Vec<Generated> = Vec::new();
    let bases: &[&str] = if random.chance(30) { &["base", "more"] } else { &["base"] };
    for (at, base) in bases.iter().enumerate() {
        let made = objects(random, base, &mut files, &all);
        let mut out = String::from("resources: [r.yaml]\n");
        let mut place = Place { dir: base, files: &mut files, made: &made };
        if random.chance(40) && at == 0 {
            known.extend(generators(random, &mut place, &[], &mut out));
        }
        if random.chance(20) {
            knowledge(random, &mut place, false, &mut out);
        }
        if random.chance(50) {
            transformers(random, &mut place, &mut out);
        }
        if random.chance(10) {
            plugins(random, &mut place, &mut out);
        }
        if random.chance(10) && at == 0 {
            vars(random, &place, &["VAR_A"], &mut out);
        }
        files.insert(format!("{base}/kustomization.yaml"), out);
        all.extend(made);
    }
    let mut bases: Vec<String> = bases.iter().map(|base| format!("../{base}")).collect();
    if random.chance(20) {
        // A kustomization between the base and the overlay.
        let mut out = format!("resources: [{}]\n", bases.join(", "));
        let mut place = Place { dir: "mid", files: &mut files, made: &all };
        transformers(random, &mut place, &mut out);
        files.insert("mid/kustomization.yaml".to_owned(), out);
        bases = vec!["../mid".to_owned()];
    }
    let mut out = String::new();
    let mut own = "";
    if random.chance(40) {
        let made = objects(random, "ov", &mut files, &all);
        all.extend(made);
        own = "r.yaml";
    }
    if random.chance(10) {
        let _ = writeln!(out, "bases: [{}]\nresources: [{own}]", bases.join(", "));
    } else {
        let _ = writeln!(out, "resources: [{}, {own}]", bases.join(", "));
    }
    let mut place = Place { dir: "ov", files: &mut files, made: &all };
    if random.chance(25) {
        let made = generators(random, &mut place, &known, &mut out);
        known.extend(made);
    }
    if random.chance(30) {
        out.push_str(components(random, &all, &known, &mut files));
    }
    let mut place = Place { dir: "ov", files: &mut files, made: &all };
    knowledge(random, &mut place, true, &mut out);
    transformers(random, &mut place, &mut out);
    plugins(random, &mut place, &mut out);
    if random.chance(15) {
        vars(random, &place, &["VAR_B"], &mut out);
    }
    files.insert("ov/kustomization.yaml".to_owned(), out);
    files
}

/// A component, or two, or one within another.
fn components(random: &mut Random, all: &[Made], known: &[Generated], files: &mut Files) -> &'static str {
    let head = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
    let mut one = |dir: &str, more: &str, own: bool| {
        let mut out = format!("{head}{more}");
        let mut seen = all.to_vec();
        if own && random.chance(30) {
            seen.extend(objects(random, dir, files, all));
            out.push_str("resources: [r.yaml]\n");
        }
        let mut place = Place { dir, files: &mut *files, made: &seen };
        if own && random.chance(25) {
            generators(random, &mut place, known, &mut out);
        }
        transformers(random, &mut place, &mut out);
        if random.chance(10) {
            plugins(random, &mut place, &mut out);
        }
        if out.lines().count() == 2 {
            out.push_str("commonAnnotations: {part: x}\n");
        }
        files.insert(format!("{dir}/kustomization.yaml"), out);
    };
    match all.len() % 3 {
        0 => {
            one("part", "", true);
            "components: [../part]\n"
        }
        1 => {
            one("part", "", true);
            one("part-2", "", false);
            "components: [../part, ../part-2]\n"
        }
        _ => {
            one("inner", "", false);
            one("part", "components: [../inner]\n", true);
            "components: [../part]\n"
        }
    }
}

/// What our build prints, or why it does not.
fn ours(root: &Path) -> Result<String, String> {
    let world = FileWorld::open(root).map_err(|e| e.to_string())?;
    let dir = FilePath::new(FileWorld::TREE, TreePath::new("ov").map_err(|e| e.to_string())?);
    match kustomize::build(&world, &dir, &kustomize::Options::default(), &kustomize::Tools::new()) {
        Ok(rendered) => Ok(rendered.to_yaml()),
        Err(Stop::Wants(wants)) => Err(format!("wants {wants:?}")),
        Err(Stop::Failed(errors)) => Err(errors.iter().map(|e| e.message.clone()).collect::<Vec<_>>().join("\n")),
    }
}

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

#[test]
fn random_kustomizations_are_as_the_original_has_them() {
    let Some(original) = std::env::var_os("KUSTOMIZE") else {
        println!("skipped: KUSTOMIZE does not say where the original is");
        return;
    };
    let (cases, first) = (number("FLEETC_RANDOM_CASES", 200), number("FLEETC_RANDOM_SEED", 1));
    println!("seeds {first} to {}", first + cases - 1);
    let (mut equal, mut refused, mut failures) = (0, 0, Vec::new());
    for seed in first..first + cases {
        let scratch = tempfile::tempdir().unwrap();
        for (path, text) in kustomization(&mut Random::new(seed)) {
            let path = scratch.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let output = Command::new(&original).args(["build", "ov"]).current_dir(scratch.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let difference = match (output.status.success(), ours(scratch.path())) {
            (true, Ok(text)) if text.as_bytes() == output.stdout => {
                equal += 1;
                continue;
            }
            (false, Err(_)) => {
                refused += 1;
                continue;
            }
            (true, Ok(text)) => similar::TextDiff::from_lines(&*String::from_utf8_lossy(&output.stdout), &text)
                .unified_diff()
                .context_radius(2)
                .to_string(),
            (true, Err(why)) => format!("only we refuse: {why}"),
            (false, Ok(_)) => format!("only the original refuses: {error}"),
        };
        let kept = scratch.keep();
        failures.push(format!("seed {seed}, {}:\n{difference}", kept.display()));
    }
    println!("random kustomizations: {equal} equal, {refused} refused by both, {} differ", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
