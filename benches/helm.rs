//! `fleetc helm` against the originals, process against process, in one run: `HELM3=… HELM4=… cargo bench --bench helm [-- FOLDER…]`.
//!
//! Prints, for each profile, the ratio at the median chart of `fixtures/helm` and of the folders given as arguments, over those that both
//! render, and how many have equal bytes; and what an umbrella of 100 charts costs, against the sum of the hundred alone. Without originals
//! only our own figures are printed.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures: it runs programs, looks at the clock and prints"
)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const OURS: &str = env!("CARGO_BIN_EXE_fleetc");

/// The charts below an umbrella.
const PARTS: usize = 100;

fn main() -> io::Result<()> {
    let mut roots = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/helm")];
    roots.extend(std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from));
    for (engine, variable) in [("helm=3", "HELM3"), ("helm=4", "HELM4")] {
        let original = std::env::var(variable).ok();
        if original.is_none() {
            println!("{engine}: no original, set {variable}");
        }
        for root in &roots {
            charts(root, engine, original.as_deref())?;
        }
        umbrella(engine, original.as_deref())?;
    }
    Ok(())
}

/// One render: seconds and output; `None` where it is refused.
fn render(program: &[&str], chart: &Path) -> io::Result<Option<(f64, Vec<u8>)>> {
    let start = Instant::now();
    let output = Command::new(program[0])
        .args(&program[1..])
        .arg("rel")
        .arg(chart)
        .args(["--kube-version", "1.33.0", "--include-crds"])
        .stdin(Stdio::null())
        .output()?;
    Ok(output.status.success().then_some((start.elapsed().as_secs_f64(), output.stdout)))
}

/// The fastest of three: others disturb the rest.
fn fastest(program: &[&str], chart: &Path) -> io::Result<Option<(f64, Vec<u8>)>> {
    let mut best = render(program, chart)?;
    for _ in 0..2 {
        if let (Some((seconds, _)), Some(next)) = (&best, render(program, chart)?)
            && next.0 < *seconds
        {
            best = Some(next);
        }
    }
    Ok(best)
}

fn charts(root: &Path, engine: &str, original: Option<&str>) -> io::Result<()> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        if dir.join("Chart.yaml").is_file() {
            found.push(dir);
            continue;
        }
        todo.extend(std::fs::read_dir(&dir)?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    found.sort();
    let (mut ours, mut ratios, mut equal) = (Vec::new(), Vec::new(), 0);
    for chart in &found {
        let Some((seconds, output)) = fastest(&[OURS, "helm", "--engine", engine], chart)? else { continue };
        ours.push(seconds);
        if let Some(original) = original
            && let Some((theirs, bytes)) = fastest(&[original, "template"], chart)?
        {
            ratios.push(theirs / seconds);
            equal += usize::from(bytes == output);
        }
    }
    println!("{engine}, {}: {} charts, {} render", root.display(), found.len(), ours.len());
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

/// A chart of one Deployment with helpers of its own, as `helm create` makes them.
fn part(dir: &Path, name: &str) -> io::Result<()> {
    std::fs::create_dir_all(dir.join("templates"))?;
    std::fs::write(dir.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n"))?;
    std::fs::write(
        dir.join("values.yaml"),
        "replicas: 2\nimage: {name: nginx, tag: \"1\"}\nlabels: {team: a, tier: web}\n",
    )?;
    let helpers = "{{ define \"NAME.full\" }}{{ printf \"%s-%s\" .Release.Name .Chart.Name | trunc 63 | trimSuffix \"-\" }}{{ end }}{{ define \"NAME.labels\" }}app: {{ include \"NAME.full\" . }}\n{{ toYaml .Values.labels }}{{ end }}";
    std::fs::write(dir.join("templates/_helpers.tpl"), helpers.replace("NAME", name))?;
    let body = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ include \"NAME.full\" . }}\n  labels:\n    {{- include \"NAME.labels\" . | nindent 4 }}\nspec:\n  replicas: {{ .Values.replicas }}\n  template:\n    metadata:\n      labels:\n        {{- include \"NAME.labels\" . | nindent 8 }}\n      annotations:\n        extra: {{ tpl \"{{ .Values.image.name }}\" . | quote }}\n    spec:\n      containers:\n      - name: main\n        image: {{ .Values.image.name }}:{{ .Values.image.tag }}\n";
    std::fs::write(dir.join("templates/deployment.yaml"), body.replace("NAME", name))
}

fn umbrella(engine: &str, original: Option<&str>) -> io::Result<()> {
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("umbrella");
    let mut chart = "apiVersion: v2\nname: umbrella\nversion: 0.1.0\ndependencies:\n".to_owned();
    let mut alone = 0.0;
    let ours = [OURS, "helm", "--engine", engine];
    let refused = || io::Error::other("a chart of the umbrella is refused");
    for number in 0..PARTS {
        let name = format!("part-{number}");
        let dir = root.join("charts").join(&name);
        part(&dir, &name)?;
        chart.push_str(&format!("- {{name: {name}, version: 0.1.0}}\n"));
        alone += fastest(&ours, &dir)?.ok_or_else(refused)?.0;
    }
    std::fs::write(root.join("Chart.yaml"), chart)?;
    let (own, output) = fastest(&ours, &root)?.ok_or_else(refused)?;
    println!("{engine}, umbrella of {PARTS}: ours {:.1} ms, its parts alone {:.1} ms", own * 1e3, alone * 1e3);
    if let Some(original) = original
        && let Some((theirs, bytes)) = render(&[original, "template"], &root)?
    {
        let same = if bytes == output { "equal" } else { "DIFFERENT" };
        println!("  original {:.1} ms: {:.1} times ours, bytes {same}", theirs * 1e3, theirs / own);
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
