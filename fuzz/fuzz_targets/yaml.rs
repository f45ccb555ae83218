//! YAML of both dialects: whatever can be read can be printed, and reads back as the same value.
#![no_main]

use fleetc::span::FileId;
use fleetc::yaml::{Dialect, Limits, Node, emit, parse};
use libfuzzer_sys::fuzz_target;

/// What does not read back as it was: a key `<<` that was a text is printed plain, as the originals do, and then is a merge; and of keys that
/// are one when they are texts (`5` and `0x5`) only the last is read.
fn has_lost_key(node: &Node) -> bool {
    let inside = |map: &fleetc::yaml::Map| {
        let mut texts = std::collections::BTreeSet::new();
        map.iter().any(|(key, value)| {
            let printed = emit::to_yaml(&Node::map(std::iter::once((key.clone(), Node::null())).collect()));
            key.as_str() == Some("<<") || !texts.insert(printed) || has_lost_key(value)
        })
    };
    node.as_map().is_some_and(inside) || node.as_seq().is_some_and(|items| items.iter().any(has_lost_key))
}

fuzz_target!(|data: &[u8]| {
    for dialect in [Dialect::V2, Dialect::V3] {
        for document in parse(FileId::NONE, data, dialect, &Limits::default()).documents {
            // Printing goes through JSON and go-yaml v2, so that is the dialect in which it reads back, and keys are strings then.
            let text = emit::to_yaml(&document.root);
            // Aliases may stand for millions of nodes, as in go-yaml; printing them once is enough.
            if text.len() > 1 << 20 || has_lost_key(&document.root) {
                continue;
            }
            std::hint::black_box(emit::to_yaml_v3(&document.root));
            let again = parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
            assert!(again.error.is_none(), "{:?}\n{text}", again.error);
            assert_eq!(again.documents.len(), 1, "{text}");
            assert_eq!(emit::to_yaml(&again.documents[0].root), text);
        }
    }
});
