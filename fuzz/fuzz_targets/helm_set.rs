//! Any text behind `--set` and its kin, over values that are there.
#![no_main]

use fleetc::render::helm::{Profile, SetKind, read_values, set, set_literal, values_file};
use fleetc::span::FileId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for kind in [SetKind::Typed, SetKind::Text, SetKind::Json] {
        let file = values_file("v.yaml", FileId::NONE, b"a: {b: 1}\nl: [1, {k: v}, [2]]\ns: text\nn: null\n");
        let Ok(values) = read_values(&file, Profile::V4) else { return };
        let _ = std::hint::black_box(set(text, kind, &values));
        let _ = std::hint::black_box(set_literal(text, &values));
    }
});
