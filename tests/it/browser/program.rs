//! The browser: from `FLEETC_BROWSER`, one that is installed, or Debian's package, fetched once with what it needs into `target/` by apt;
//! nothing is installed.
#![expect(clippy::disallowed_types, reason = "the lock of fetching it is a file")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program and where its libraries are.
#[derive(Clone)]
pub(super) struct Program {
    pub(super) file: PathBuf,
    pub(super) libraries: String,
}

const PACKAGE: &str = "chromium-headless-shell";
const NAMES: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

pub(super) fn program() -> Result<Program, String> {
    static FOUND: OnceLock<Result<Program, String>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<Program, String> {
    if let Some(file) = std::env::var_os("FLEETC_BROWSER") {
        let file = PathBuf::from(file);
        return if file.is_file() { Ok(installed(file)) } else { Err("FLEETC_BROWSER is no file".to_owned()) };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let known = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    if let Some(file) = known.into_iter().find(|file| file.is_file()) {
        return Ok(installed(file));
    }
    fetched()
}

fn installed(file: PathBuf) -> Program {
    Program { file, libraries: std::env::var("LD_LIBRARY_PATH").unwrap_or_default() }
}

/// Debian's package, below `target/`.
fn fetched() -> Result<Program, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target folder")?;
    let home = target.join("browser");
    let root = home.join("root");
    let program = || -> Option<Program> {
        let file = root.join("usr/lib/chromium").join(PACKAGE);
        let arch = fs::read_dir(root.join("usr/lib")).ok()?.flatten().map(|entry| entry.path());
        let libraries: Vec<String> = arch
            .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"))
            .flat_map(|path| [path.join("pulseaudio"), path])
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        file.is_file().then(|| Program { file, libraries: libraries.join(":") })
    };
    if let Some(program) = program() {
        return Ok(program);
    }
    fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    // Several test processes may want it at once.
    let lock = File::create(home.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if let Some(program) = program() {
        return Ok(program);
    }
    let work = home.join("work");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(|error| error.to_string())?;
    let listed = listed().or_else(|why| {
        // The lists of packages may never have been fetched.
        run(&work, "apt-get", &["update"]).map_err(|_| why)?;
        listed()
    })?;
    let mut arguments = vec!["download"];
    arguments.extend(listed.iter().map(String::as_str));
    run(&work, "apt-get", &arguments)?;
    let packages = fs::read_dir(&work).map_err(|error| error.to_string())?.flatten().map(|entry| entry.path());
    for package in packages.filter(|path| path.extension().is_some_and(|extension| extension == "deb")) {
        run(&work, "dpkg-deb", &["-x", &package.to_string_lossy(), "root"])?;
    }
    let _ = fs::remove_dir_all(&root);
    fs::rename(work.join("root"), &root).map_err(|error| error.to_string())?;
    let _ = fs::remove_dir_all(&work);
    program().ok_or_else(|| format!("Debian's {PACKAGE} is not laid out as expected"))
}

/// The package and those that it needs and that are not installed here.
fn listed() -> Result<Vec<String>, String> {
    let arguments = ["install", "--print-uris", "--yes", "--no-install-recommends", PACKAGE];
    let text = run(Path::new("/"), "apt-get", &arguments)?;
    let names: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix('\'')?.split(' ').nth(1)?.split('_').next().map(str::to_owned))
        .collect();
    if names.iter().any(|name| name == PACKAGE) { Ok(names) } else { Err(format!("apt knows no {PACKAGE}")) }
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).current_dir(folder).env("LC_ALL", "C").output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}`: {}", arguments.join(" "), said.lines().last().unwrap_or_default()))
}
