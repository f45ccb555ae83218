//! `fleetc kustomize` against the original, process against process, in one run: `cargo bench --bench kustomize`.
//!
//! Prints the ratio at the median directory of `fixtures/render/kustomize` (and of the folders given as arguments), time and peak
//! memory of one kustomization of 1,000, 2,000 and 4,000 Deployments, and how our time grows where everything is four times as much.
//! The original is `KUSTOMIZE`, else `kustomize` of the PATH; without one only our own figures are printed. It takes about a minute for
//! the 4,000 and so runs there only with `FLEETC_BENCH_FULL=1`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures: it runs programs, looks at the clock and prints"
)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const OURS: &str = env!("CARGO_BIN_EXE_fleetc");

/// One run of a program.
struct Run {
    seconds: f64,
    /// Peak resident memory; 0 where it cannot be known.
    mebibytes: f64,
    output: Vec<u8>,
    good: bool,
}

fn main() -> io::Result<()> {
    let original = std::env::var_os("KUSTOMIZE").unwrap_or_else(|| "kustomize".into());
    let original = Command::new(&original).arg("version").output().is_ok().then_some(original);
    if original.is_none() {
        println!("no original: set KUSTOMIZE, or put kustomize on the PATH");
    }
    let mut roots = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/render/kustomize")];
    roots.extend(std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from));
    for root in roots {
        directories(&root, original.as_deref())?;
    }
    let scratch = tempfile::tempdir()?;
    for count in [1000, 2000, 4000] {
        deployments(scratch.path(), count, original.as_deref())?;
    }
    println!("growth, ours: seconds for 1,000, 4,000 and 16,000, and the factors between them (4 is linear)");
    for shape in SHAPES {
        growth(scratch.path(), shape)?;
    }
    Ok(())
}

/// The ratio of times at the median directory below a folder, over those that both build.
fn directories(root: &Path, original: Option<&OsStr>) -> io::Result<()> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        if dir.join("kustomization.yaml").is_file() {
            found.push(dir.clone());
        }
        todo.extend(std::fs::read_dir(&dir)?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    found.sort();
    let (mut ours, mut ratios, mut equal) = (Vec::new(), Vec::new(), 0);
    for dir in &found {
        let own = best_of_three(|| run(OURS.as_ref(), "kustomize", dir, false))?;
        if !own.good {
            continue;
        }
        ours.push(own.seconds);
        if let Some(original) = original {
            let theirs = best_of_three(|| run(original, "build", dir, false))?;
            if theirs.good {
                ratios.push(theirs.seconds / own.seconds);
                if theirs.output == own.output {
                    equal += 1;
                } else {
                    println!("  other bytes: {}", dir.display());
                }
            }
        }
    }
    println!("{}: {} directories, {} build", root.display(), found.len(), ours.len());
    println!("  ours      {:8.2} ms at the median", median(&mut ours) * 1e3);
    if !ratios.is_empty() {
        let count = ratios.len();
        println!(
            "  original  {:8.1} times ours at the median of {count}, {equal} with equal bytes",
            median(&mut ratios)
        );
    }
    Ok(())
}

/// One kustomization of many Deployments with namePrefix, namespace, labels with selectors, images and a patch on all.
fn deployments(scratch: &Path, count: usize, original: Option<&OsStr>) -> io::Result<()> {
    let dir = scratch.join(count.to_string());
    std::fs::create_dir(&dir)?;
    std::fs::write(dir.join("all.yaml"), (0..count).map(deployment).collect::<String>())?;
    std::fs::write(
        dir.join("kustomization.yaml"),
        "resources: [all.yaml]\nnamePrefix: p-\nnamespace: ns\nlabels:\n- pairs: {team: a}\n  includeSelectors: true\nimages:\n- name: nginx\n  \
         newTag: \"2.0\"\npatches:\n- target: {kind: Deployment}\n  patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata:\n      \
         name: any\n    spec:\n      replicas: 3\n",
    )?;
    let own = best_of_three(|| run(OURS.as_ref(), "kustomize", &dir, true))?;
    println!("{count} Deployments: ours {:.3} s, {:.0} MiB", own.seconds, own.mebibytes);
    let full = std::env::var_os("FLEETC_BENCH_FULL").is_some_and(|value| value == "1");
    if let Some(original) = original.filter(|_| full || count < 4000) {
        let theirs = run(original, "build", &dir, true)?;
        println!(
            "  original {:.2} s, {:.0} MiB: {:.0} times ours, memory {:.1} times, bytes {}",
            theirs.seconds,
            theirs.mebibytes,
            theirs.seconds / own.seconds,
            theirs.mebibytes / own.mebibytes,
            if theirs.output == own.output { "equal" } else { "DIFFERENT" }
        );
    }
    Ok(())
}

/// A kustomization that grows in one way: its name, and the files for a number of things.
type Shape = (&'static str, fn(usize) -> Vec<(String, String)>);

/// What must not cost more than linear, each by itself.
const SHAPES: [Shape; 12] = [
    ("resources alone", |n| all(n, "")),
    ("namePrefix", |n| all(n, "namePrefix: p-\n")),
    ("namespace", |n| all(n, "namespace: ns\n")),
    ("labels with selectors", |n| all(n, "labels:\n- pairs: {team: a}\n  includeSelectors: true\n")),
    ("images", |n| all(n, "images:\n- name: nginx\n  newTag: \"2.0\"\n")),
    ("a patch on all", |n| {
        all(
            n,
            "patches:\n- target: {kind: Deployment}\n  patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: any}\n    spec: {replicas: 3}\n",
        )
    }),
    ("a replacement into all", |n| {
        all(
            n,
            "replacements:\n- source: {kind: Deployment, name: app-00000}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: [metadata.annotations.a]\n    options: {create: true}\n",
        )
    }),
    ("a file each", |n| {
        let file = |at: usize| (format!("r{at}.yaml"), deployment(at));
        let list = (0..n).map(|at| format!("- r{at}.yaml\n")).collect::<String>();
        (0..n).map(file).chain([("kustomization.yaml".to_owned(), format!("resources:\n{list}"))]).collect()
    }),
    ("a patch each", |n| {
        let patch = |at| {
            format!(
                "- patch: '{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: app-{at:05}}}, spec: {{replicas: 3}}}}'\n"
            )
        };
        all(n, &format!("patches:\n{}", (0..n).map(patch).collect::<String>()))
    }),
    ("configMapGenerator", |n| {
        let list = (0..n).map(|at| format!("- name: map-{at}\n  literals: [a={at}]\n")).collect::<String>();
        all(1, &format!("configMapGenerator:\n{list}"))
    }),
    ("images, as many, of one resource", |n| {
        let list = (0..n).map(|at| format!("- name: image-{at}\n  newTag: \"2.0\"\n")).collect::<String>();
        all(1, &format!("images:\n{list}"))
    }),
    ("containers that a patch merges", |n| {
        let list = |image: &str| (0..n).map(|at| format!("      - name: c{at}\n        {image}\n")).collect::<String>();
        let head = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      containers:\n";
        vec![
            ("all.yaml".to_owned(), format!("{head}{}", list("image: nginx"))),
            ("patch.yaml".to_owned(), format!("{head}{}", list("args: [a]"))),
            ("kustomization.yaml".to_owned(), "resources: [all.yaml]\npatches:\n- path: patch.yaml\n".to_owned()),
        ]
    }),
];

fn deployment(n: usize) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{n:05}\n  labels:\n    app: app-{n:05}\nspec:\n  selector:\n    \
         matchLabels:\n      app: app-{n:05}\n  template:\n    metadata:\n      labels:\n        app: app-{n:05}\n    spec:\n      \
         containers:\n      - name: main\n        image: nginx:1.0\n        ports:\n        - containerPort: 80\n"
    )
}

/// A file of Deployments and a kustomization that does something to them.
fn all(count: usize, does: &str) -> Vec<(String, String)> {
    vec![
        ("all.yaml".to_owned(), (0..count).map(deployment).collect()),
        ("kustomization.yaml".to_owned(), format!("resources: [all.yaml]\n{does}")),
    ]
}

fn growth(scratch: &Path, (name, files): Shape) -> io::Result<()> {
    let mut seconds = Vec::new();
    for count in [1000, 4000, 16000] {
        let dir = scratch.join(format!("{name} {count}"));
        std::fs::create_dir(&dir)?;
        for (file, text) in files(count) {
            std::fs::write(dir.join(file), text)?;
        }
        let own = best_of_three(|| run(OURS.as_ref(), "kustomize", &dir, false))?;
        if !own.good {
            return Err(io::Error::other(format!("`{name}` does not build")));
        }
        seconds.push(own.seconds);
        std::fs::remove_dir_all(&dir)?;
    }
    if let [small, middle, large] = seconds.as_slice() {
        println!("  {name:<34} {small:7.3} {middle:7.3} {large:7.3}   {:4.1} {:4.1}", middle / small, large / middle);
    }
    Ok(())
}

/// Runs a program on a directory. With `memory` below GNU time, where that is there: it knows the peak, but costs a millisecond.
fn run(program: &OsStr, verb: &str, dir: &Path, memory: bool) -> io::Result<Run> {
    let time = Path::new("/usr/bin/time");
    let mut words: Vec<OsString> = vec![program.into(), verb.into(), dir.into()];
    if memory && time.is_file() {
        words.splice(0..0, [time.into(), "-f".into(), "%M".into()]);
    }
    let start = Instant::now();
    let output = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).output()?;
    let seconds = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    let kibibytes: f64 = said.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or_default();
    Ok(Run { seconds, mebibytes: kibibytes / 1024.0, output: output.stdout, good: output.status.success() })
}

/// The fastest of three runs: others disturb the rest.
fn best_of_three(mut run: impl FnMut() -> io::Result<Run>) -> io::Result<Run> {
    let mut best = run()?;
    for _ in 0..2 {
        let next = run()?;
        if next.seconds < best.seconds {
            best = next;
        }
    }
    Ok(best)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
