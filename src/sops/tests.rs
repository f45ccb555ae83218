//! Files of the real sops are opened, nothing that was changed is, and what is sealed is what sops reads.

use super::*;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, emit};

const PLAIN: &str = include_str!("recorded/plain.yaml");
const TWO: &str = include_str!("recorded/two-recipients.yaml");
const ONLY_ENCRYPTED: &str = include_str!("recorded/mac-only-encrypted.yaml");
const SEALED: &str = include_str!("recorded/sealed.yaml");

fn node(text: &str) -> Node {
    yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default()).unwrap().remove(0)
}

fn keys(number: usize) -> Vec<Identity> {
    Identity::all([include_str!("recorded/key1.txt"), include_str!("recorded/key2.txt")][number - 1]).unwrap()
}

fn opened(text: &str, keys: &[Identity]) -> Result<Opened, String> {
    open(&node(text), keys)
}

#[test]
fn files_of_sops_are_opened_and_their_mac_holds() {
    for (text, key) in [(TWO, 1), (TWO, 2), (ONLY_ENCRYPTED, 1)] {
        let opened = opened(text, &keys(key)).unwrap();
        assert!(opened.whole);
        assert_eq!(opened.object, node(PLAIN));
    }
}

#[test]
fn what_a_render_adds_and_sorts_leaves_values_authentic() {
    let sorted = emit::to_yaml(&node(TWO)).replace("  namespace: shop\n", "  namespace: other\n");
    let found = opened(&sorted, &keys(1)).unwrap();
    assert!(!found.whole);
    let values = |object: &Node| emit::to_yaml(object.get("stringData").unwrap());
    assert_eq!(values(&found.object), values(&node(PLAIN)));
    // The MAC over encrypted values does not mind other fields.
    let moved = ONLY_ENCRYPTED.replace("namespace: shop", "namespace: other");
    assert!(moved != ONLY_ENCRYPTED && opened(&moved, &keys(1)).unwrap().whole);
}

#[test]
fn what_was_changed_or_moved_is_not_opened() {
    let changed = |from: &str, to: &str| {
        let text = TWO.replacen(from, to, 1);
        assert_ne!(text, TWO, "{from}");
        opened(&text, &keys(1)).err()
    };
    let says = |error: Option<String>, what: &str| {
        let error = error.unwrap_or_default();
        assert!(error.contains(what) && !error.contains("admin"), "{error}");
    };
    says(changed("data:1PsMZVU=", "data:1PsMZVV="), "`stringData.user` cannot be decrypted");
    says(changed("    user: ENC", "    other: ENC"), "`stringData.other` cannot be decrypted");
    says(changed("data:2BBU5Lth", "data:2BBU5Lti"), "the MAC of SOPS cannot be opened");
    says(changed("2026-11-22T02:56:46Z", "2026-11-22T02:56:47Z"), "the MAC of SOPS cannot be opened");
    says(changed("YWdlLWVuY3J5cHRpb24ub3JnL3Yx", "YWdlLWVuY3J5cHRpb24ub3JnL3Yy"), "another version of age");
    says(changed("WWqaqJBViyqlNIYaCqY", "WWqaqJBViyqlNIYaCqZ"), "damaged");
    says(changed("kind: Secret", "kind: ConfigMap"), "only Secrets are decrypted");
    // A value that goes is seen by the MAC.
    let gone: String = TWO.split_inclusive('\n').filter(|line| !line.starts_with("    user:")).collect();
    assert!(!opened(&gone, &keys(1)).unwrap().whole);
}

#[test]
fn what_is_not_for_us_or_not_supported_is_said() {
    let other = opened(ONLY_ENCRYPTED, &keys(2)).err().unwrap();
    assert!(other.contains("opens none of its boxes, which are for age1utgaszr"), "{other}");
    let name = opened(include_str!("recorded/name-too.yaml"), &keys(1)).err().unwrap();
    assert!(name.contains("`metadata.name` is encrypted"), "{name}");
    let number = opened(include_str!("recorded/number.yaml"), &keys(1)).err().unwrap();
    assert!(number.contains("`stringData.port` is no text but `int`") && !number.contains("5432"), "{number}");
    let split = opened(&TWO.replace("    pgp: []", "    shamir_threshold: 2"), &keys(1)).err().unwrap();
    assert!(split.contains("split"), "{split}");
    let kms: String = TWO.replace("    age:\n", "    other:\n");
    assert!(opened(&kms, &keys(1)).err().unwrap().contains("not encrypted for keys of age"));
    for (file, says) in [("", "there is no key"), ("# a\nssh-ed25519 AAAA\n", "line 2 is no X25519 key")] {
        let error = Identity::all(file).err().unwrap();
        assert!(error.contains(says) && !error.contains("AAAA"), "{error}");
    }
}

#[test]
fn sealing_gives_what_sops_reads_and_the_same_every_time() {
    let key = Key::new(b"a key of more than 16 bytes").unwrap();
    let recipients: Vec<Recipient> = [keys(1), keys(2)].concat().iter().map(Identity::recipient).collect();
    assert_eq!(Recipient::parse(&recipients[0].to_string()), Some(recipients[0]));
    let plain = node(&emit::to_yaml(&node(PLAIN)));
    let sealed = emit::to_yaml(&seal(&plain, &recipients, &key).unwrap());
    assert_eq!(sealed, SEALED);
    for number in [1, 2] {
        let found = opened(&sealed, &keys(number)).unwrap();
        assert!(found.whole && found.object == plain);
    }
    // Another value, another key: nothing of the old ciphertext stays.
    let other = node(&emit::to_yaml(&plain).replace("admin", "root"));
    let lines =
        |text: &str| -> Vec<String> { text.lines().filter(|line| line.contains("ENC[")).map(str::to_owned).collect() };
    let other = lines(&emit::to_yaml(&seal(&other, &recipients, &key).unwrap()));
    assert!(lines(&sealed).iter().all(|line| !other.contains(line)));
    let key = Key::new(b"another key of 24 bytes.").unwrap();
    let other = lines(&emit::to_yaml(&seal(&plain, &recipients, &key).unwrap()));
    assert!(lines(&sealed).iter().all(|line| !other.contains(line)));
    assert!(seal(&node("kind: ConfigMap\napiVersion: v1\ndata: {a: b}\n"), &recipients, &key).is_none());
    assert!(seal(&plain, &[], &key).is_none());
}

#[test]
fn damaged_boxes_are_errors_and_never_panics() {
    let text = node(TWO);
    let armored = text.at(&["sops", "age"]).and_then(Node::as_seq).unwrap()[0].str_at(&["enc"]).to_owned();
    let keys = keys(1);
    assert!(age::open(&armored, &keys).unwrap().is_some());
    for at in 0..armored.len() {
        let mut bytes = armored.clone().into_bytes();
        bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
        let changed = String::from_utf8(bytes).unwrap();
        // White space within the armor does not count.
        assert!(!matches!(age::open(&changed, &keys), Ok(Some(_))), "{at}");
        let _ = age::open(&armored[..at], &keys);
    }
}
