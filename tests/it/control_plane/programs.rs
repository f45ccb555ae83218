//! The programs of a control plane: from `FLEETC_CONTROL_PLANE_DIR`, or built once from the versions in `tests/control_plane/go.mod`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

/// All that a control plane is made of, with their packages; etcd's package has another name than its program.
const KUBERNETES: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"];
const ETCD: &str = "go.etcd.io/etcd/server/v3";
const KWOK: &str = "sigs.k8s.io/kwok/cmd/kwok@v0.7.0";
/// What `tests/control_plane/go.mod` pins.
pub(super) const VERSION: &str = "v1.34.4";

/// The folder with the programs.
pub(super) fn programs() -> Result<&'static Path, &'static str> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(find).as_deref().map_err(String::as_str)
}

fn find() -> Result<PathBuf, String> {
    if let Some(dir) = std::env::var_os("FLEETC_CONTROL_PLANE_DIR") {
        let dir = PathBuf::from(dir);
        return match missing(&dir) {
            None => Ok(dir),
            Some(name) => Err(format!("`{name}` is not in FLEETC_CONTROL_PLANE_DIR")),
        };
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control_plane");
    let mut pins = KWOK.as_bytes().to_vec();
    for file in ["go.mod", "go.sum", "tools.go"] {
        pins.extend(fs::read(module.join(file)).map_err(|error| format!("tests/control_plane/{file}: {error}"))?);
    }
    let digest = fleetc::digest::Digest::of(&pins).hex();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target folder")?;
    let home = target.join("control-plane");
    let dir = home.join(format!("{VERSION}-{}", &digest[..12]));
    if missing(&dir).is_none() {
        return Ok(dir);
    }
    fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    // Several test processes may want to build at once.
    let lock = File::create(home.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if missing(&dir).is_none() {
        return Ok(dir);
    }
    build(&module, &home, &dir)?;
    Ok(dir)
}

fn missing(dir: &Path) -> Option<&'static str> {
    KUBERNETES.into_iter().chain(["etcd", "kwok"]).find(|name| !dir.join(name).is_file())
}

fn build(module: &Path, home: &Path, dir: &Path) -> Result<(), String> {
    let version = Command::new("go").arg("version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        return Err("Go (1.24 or newer) is needed to build it".to_owned());
    }
    let begin = Instant::now();
    let _ =
        writeln!(std::io::stderr(), "building the control plane for tests in {} (once, some minutes)", dir.display());
    let work = home.join("work");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(|error| error.to_string())?;
    let base = "k8s.io/component-base/version";
    let minor = VERSION.split('.').nth(1).unwrap_or_default();
    let flags = format!("-s -w -X {base}.gitVersion={VERSION} -X {base}.gitMajor=1 -X {base}.gitMinor={minor}");
    let folder = work.to_string_lossy().into_owned();
    let etcd = work.join("etcd").to_string_lossy().into_owned();
    let mut kubernetes = vec!["build".to_owned(), "-ldflags".to_owned(), flags, "-o".to_owned(), format!("{folder}/")];
    kubernetes.extend(KUBERNETES.iter().map(|name| format!("k8s.io/kubernetes/cmd/{name}")));
    go(module, &work, ["build", "-ldflags", "-s -w", "-o", &etcd, ETCD].map(str::to_owned).to_vec())?;
    go(module, &work, kubernetes)?;
    go(module, &work, ["install", "-ldflags", "-s -w", KWOK].map(str::to_owned).to_vec())?;
    fs::rename(&work, dir).map_err(|error| error.to_string())?;
    let _ = writeln!(std::io::stderr(), "built the control plane for tests in {} s", begin.elapsed().as_secs());
    Ok(())
}

fn go(module: &Path, bin: &Path, args: Vec<String>) -> Result<(), String> {
    let mut command = Command::new("go");
    command.args(&args).current_dir(module).env("GOBIN", bin).env("CGO_ENABLED", "0").env_remove("GOFLAGS");
    let output = command.output().map_err(|error| format!("go: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    Err(format!("`go {}` failed: {}", args.join(" "), last.into_iter().rev().collect::<Vec<_>>().join("; ")))
}
