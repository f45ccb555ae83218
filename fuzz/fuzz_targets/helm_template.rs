//! Any template as the only one of a chart, in both profiles, within limits of steps and bytes.
#![no_main]

use std::sync::Arc;

use fleetc::render::helm::{Capabilities, Chart, Profile, Release, Request, Tools, no_values, render, values_file};
use fleetc::span::FileId;
use fleetc::template::{Derived, Options};
use libfuzzer_sys::fuzz_target;

const VALUES: &str = "name: web\nlist: [1, 2.5, a, null]\nmap: {a: {b: c}, d: true}\nn: -3\ntext: \"a\\nb — c\"\n";

fuzz_target!(|data: &[u8]| {
    for profile in [Profile::V3, Profile::V4] {
        let files = [("Chart.yaml", &b"apiVersion: v2\nname: c\nversion: 0.1.0\n"[..]), ("values.yaml", VALUES.as_bytes()), ("templates/a.yaml", data)];
        let files = files.map(|(name, bytes)| values_file(name, FileId::NONE, bytes)).to_vec();
        let Ok(chart) = Chart::from_files(files, profile) else { continue };
        let derived = Derived::new(b"key", "fuzz", 0);
        let options = Options { max_steps: 50_000, max_bytes: 1 << 20, effects: Some(&derived), ..Options::default() };
        let release = Release { name: "rel".to_owned(), namespace: "ns".to_owned(), is_upgrade: false };
        let capabilities = Capabilities::new(profile, None, &[]);
        let request = Request { profile, release, capabilities, skip_schemas: false, options };
        let _ = std::hint::black_box(render(&Arc::new(chart), &no_values(), &request, &Tools::default()));
    }
});
