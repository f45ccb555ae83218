//! Any template of Go's text/template with the functions of ApplicationSets, within limits of steps and bytes.
#![no_main]

use fleetc::span::FileId;
use fleetc::template::{MissingKey, Options, Template, argo, convert};
use fleetc::yaml::{Dialect, Limits, parse};
use libfuzzer_sys::fuzz_target;

const DATA: &str = "name: web\nlist: [1, 2.5, a, null]\nmap: {a: {b: c}, d: true}\nn: -3\ntext: \"a\\nb — c\"\nmetadata: {labels: {env: prod}}\n";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(template) = Template::parse("fuzz", text, &argo::functions()) else { return };
    let parsed = parse(FileId::NONE, DATA.as_bytes(), Dialect::V2, &Limits::default());
    for missing_key in [MissingKey::Default, MissingKey::Error] {
        let value = convert::from_json(&parsed.documents[0].root);
        let options = Options { missing_key, max_steps: 100_000, max_bytes: 1 << 20, ..Options::default() };
        let _ = std::hint::black_box(template.execute(&value, &options));
    }
});
