//! Any Chart.yaml, values.yaml and values file of a chart with a subchart: three texts with `%%%%` between them.
#![no_main]

use std::sync::Arc;

use fleetc::render::helm::{Capabilities, Chart, Profile, Release, Request, Tools, read_values, render, values_file};
use fleetc::span::FileId;
use fleetc::template::Options;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.split("\n%%%%\n");
    let mut next = || parts.next().unwrap_or_default();
    let (chart, values, given) = (next(), next(), next());
    let chart = format!("apiVersion: v2\nname: c\nversion: 0.1.0\n{chart}");
    for profile in [Profile::V3, Profile::V4] {
        let file = |name: &str, text: &str| values_file(name, FileId::NONE, text.as_bytes());
        let files = vec![
            file("Chart.yaml", &chart),
            file("values.yaml", values),
            file("templates/a.yaml", "v: {{ .Values | toJson }}\n"),
            file("charts/s/Chart.yaml", "apiVersion: v2\nname: s\nversion: 0.1.0\n"),
            file("charts/s/values.yaml", "a: 1\nb: {c: null, d: [1]}\nglobal: {g: 1}\n"),
            file("charts/s/templates/a.yaml", "v: {{ .Values | toYaml | quote }}\n"),
        ];
        let Ok(chart) = Chart::from_files(files, profile) else { continue };
        let Ok(user) = read_values(&file("v.yaml", given), profile) else { continue };
        let release = Release { name: "rel".to_owned(), namespace: "ns".to_owned(), is_upgrade: false };
        let capabilities = Capabilities::new(profile, None, &[]);
        let request = Request { profile, release, capabilities, skip_schemas: false, options: Options::default() };
        let _ = std::hint::black_box(render(&Arc::new(chart), &user, &request, &Tools::default()));
    }
});
