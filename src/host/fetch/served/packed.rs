//! Layers of artifacts: what an archive may hold.

use super::{Entry, gzip, tar};
use crate::host::archive::Archive;
use crate::host::tree::Files;
use crate::path::TreePath;
use std::sync::Arc;

fn file(name: &'static str, text: &str) -> Entry {
    Entry::File(name, text.as_bytes().to_vec())
}

#[test]
fn links_inside_are_followed() {
    let bytes =
        tar(&[file("./base/a.yaml", "a"), Entry::Link("env/b.yaml", "../base/a.yaml"), Entry::Link("all", "base")]);
    for (bytes, packed) in [(gzip(&bytes), true), (bytes, false)] {
        let archive = Archive::layer(&bytes, packed).unwrap();
        let files = Files::new(Box::new(archive), Arc::default(), String::new(), 100);
        for path in ["base/a.yaml", "env/b.yaml", "all/a.yaml"] {
            assert_eq!(&*files.read(&TreePath::new(path).unwrap()).unwrap().bytes, b"a", "{path}");
        }
    }
}

#[test]
fn what_leaves_an_archive_is_refused_whole() {
    for (entry, words) in [
        (file("../x", ""), "leaves it"),
        (file("a/../../x", ""), "leaves it"),
        (file("/etc/x", ""), "absolute"),
        (file("C:/x", ""), "absolute"),
        (file("a\\..\\x", ""), "absolute"),
        (Entry::Link("a", "/etc/passwd"), "a link that leaves it"),
        (Entry::Link("a/b", "../../x"), "a link that leaves it"),
        (Entry::Link("a", "b/../../x"), "a link that leaves it"),
        (Entry::HardLink("a", "fine"), "a hard link or a device"),
    ] {
        let bytes = gzip(&tar(&[file("fine", "1"), entry]));
        let why = Archive::layer(&bytes, true).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn bombs_are_refused() {
    let bytes = gzip(&tar(&[Entry::File("zeros", vec![0; 64 << 20])]));
    assert!(bytes.len() < 1 << 20);
    assert!(Archive::layer(&bytes, true).unwrap_err().contains("too much for its size"));
    // What looks small in its head and is not, cut off in the middle, and no archive at all.
    let whole = gzip(&tar(&[Entry::File("a", vec![7; 1 << 20])]));
    let cut = &whole[..whole.len() / 2];
    for bytes in [cut, b"no archive at all".as_slice()] {
        assert!(Archive::layer(bytes, true).unwrap_err().contains("cannot be read"));
    }
    let many: Vec<Entry> = (0..100_001).map(|_| file("same", "")).collect();
    assert!(Archive::layer(&gzip(&tar(&many)), true).unwrap_err().contains("more than 100000 entries"));
}
