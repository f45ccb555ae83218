//! YAML of both dialects: whatever can be read can be printed, and reads back as the same value.
#![no_main]

use fleetc::span::FileId;
use fleetc::yaml::{Dialect, Limits, emit, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for dialect in [Dialect::V2, Dialect::V3] {
        for document in parse(FileId::NONE, data, dialect, &Limits::default()).documents {
            // Printing goes through JSON and go-yaml v2, so that is the dialect in which it reads back, and keys are strings then.
            let text = emit::to_yaml(&document.root);
            let again = parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
            assert!(again.error.is_none(), "{:?}\n{text}", again.error);
            assert_eq!(again.documents.len(), 1, "{text}");
            assert_eq!(emit::to_yaml(&again.documents[0].root), text);
            std::hint::black_box(emit::to_yaml_v3(&document.root));
        }
    }
});
