//! Links the program without shared libraries, and at a fixed address, where that can be done. It does nothing else: no code is made here.
//!
//! One file that runs everywhere is what users copy into an image, and it starts in about half the time: the dynamic linker with its
//! three libraries costs up to half a millisecond, and writing 21,000 addresses into 106 pages is most of the rest (`fleetc --version`: 236
//! page faults, now 78). Rendering a small kustomization takes less than that.
//! What a fixed address costs is that the program's own code is not moved about in memory; heap and stack still are. And a
//! static glibc looks up names of hosts in files and DNS by itself; other services of nsswitch.conf it can use only where the same glibc
//! is installed.
//!
//! `-C target-feature=+crt-static` would do it as well, but where procedural macros are built it needs `--target`, which moves the
//! program to another folder than `cargo build --release` is known to put it. So the linker gets archives that stand for the shared
//! libraries that rustc names; only the program is linked so, not the tests. Where the C library has no archive (glibc-static is not
//! installed), the program is linked as usual.

#![expect(clippy::disallowed_methods, reason = "it writes files and asks the C compiler where its libraries are")]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// What rustc links the standard library against on this target.
const LIBRARIES: [&str; 6] = ["libc.a", "libm.a", "libpthread.a", "libdl.a", "librt.a", "libutil.a"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let native = env::var_os("HOST") == env::var_os("TARGET");
    // Elsewhere the C compiler speaks of another system; and who asks for a static program gets one without us.
    let asked =
        env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|features| features.split(',').any(|f| f == "crt-static"));
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && native && !asked {
        let _ = link_static();
    }
}

/// Tells the linker; says nothing to it where an archive is missing.
fn link_static() -> Option<()> {
    let folder = env::var("OUT_DIR").ok()?;
    let mut scripts = vec![("libgcc_s.a", "GROUP ( -lgcc_eh -lgcc -lc )\n".to_owned())];
    archive("libgcc_eh.a")?;
    for name in LIBRARIES {
        scripts.push((name, format!("INPUT ( {} )\n", archive(name)?)));
    }
    for (name, script) in scripts {
        fs::write(Path::new(&folder).join(name), script).ok()?;
    }
    for argument in [&format!("-L{folder}"), "-static", "-no-pie"] {
        println!("cargo::rustc-link-arg-bin=fleetc={argument}");
    }
    Some(())
}

/// Where the C compiler has an archive.
fn archive(name: &str) -> Option<String> {
    let found = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    Path::new(&path).is_absolute().then_some(path)
}
