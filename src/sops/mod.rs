//! Secrets that SOPS encrypted for keys of age: opened, and made.
//!
//! A value is AES-256-GCM with its path as what it is bound to, so that a changed or moved value is an error. The MAC over all values is in
//! the order in which the file had them; a render sorts keys and adds namespaces and labels, so it holds only where nobody did, and who opens
//! a Secret is told whether it does. Flux does not look at it at all.
//!
//! Refused: values beyond `data` and `stringData` (what decrypts anything else would show it in plans and digests), other kinds of objects,
//! keys that are split (`shamir_threshold`), keys that are not age's. No value is in an error.
//!
//! What is sealed follows from the Secret and a key: the same Secret gives the same bytes, so that publishing it again changes nothing, and
//! nobody has to remember what a ciphertext was of. The key of its values is an HMAC of all of them; who has that key can check a guess, who has
//! not cannot, and only a recipient can read. All else is derived from the key of the values, which is different for different Secrets.

mod age;
#[cfg(test)]
mod tests;

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha512};

use crate::digest::Key;
use crate::k8s::difference::LAST_APPLIED;
use crate::k8s::object::{Gvk, ObjectId};
use crate::yaml::{Map, Node};

pub use age::{Identity, Recipient};

/// AES-256-GCM with nonces as long as the key: SOPS's own choice.
type Cipher = AesGcm<Aes256, U32>;

/// What the MAC over encrypted values alone begins with: SHA-256 of `sops`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

const METADATA: &str = "sops";
const FIELDS: [&str; 2] = ["data", "stringData"];
const PREFIX: &str = "ENC[AES256_GCM,";

/// A Secret that was opened.
#[derive(Clone)]
pub struct Opened {
    /// Without what SOPS added.
    pub object: Node,
    /// Whether the MAC over all values holds.
    pub whole: bool,
}

/// Whether SOPS encrypted values of an object.
pub fn is_encrypted(object: &Node) -> bool {
    object.at(&[METADATA, "mac"]).is_some()
}

/// Opens a Secret.
///
/// # Errors
/// Why it cannot be opened: a sentence without values.
pub fn open(object: &Node, keys: &[Identity]) -> Result<Opened, String> {
    if !Gvk::of(object).is("", "Secret") {
        return Err("only Secrets are decrypted: the values of others are shown in plans and digests".to_owned());
    }
    let metadata = object.get(METADATA).ok_or("SOPS did not encrypt it")?;
    let key = data_key(metadata, keys)?;
    let cipher = Cipher::new_from_slice(&key).map_err(|_| "its key has a wrong length".to_owned())?;
    let only_encrypted = metadata.get("mac_only_encrypted").and_then(Node::as_bool) == Some(true);
    let mut mac = Sha512::new();
    if only_encrypted {
        mac.update(ONLY_ENCRYPTED);
    }
    let mut opened = object.clone();
    if let Some(map) = opened.map_mut() {
        map.remove(METADATA);
    }
    leaves(&mut opened, &mut Vec::new(), &mut |path, node| {
        let text = node.text().unwrap_or_default();
        if !text.starts_with(PREFIX) {
            if !only_encrypted {
                mac.update(counted(node).as_bytes());
            }
            return Ok(());
        }
        let place = path.join(".");
        if !is_secret(path) {
            return Err(format!(
                "`{place}` is encrypted: only `data` and `stringData` may be, since plans show the rest"
            ));
        }
        let (plain, kind) = value(&cipher, text, &bound_to(path))
            .ok_or_else(|| format!("`{place}` cannot be decrypted: it was changed or moved"))?;
        if !matches!(kind.as_str(), "str" | "bytes") {
            return Err(format!("`{place}` is no text but `{kind}`: quote it before it is encrypted"));
        }
        mac.update(plain.as_bytes());
        *node = Node::str(plain);
        Ok(())
    })?;
    let bound = metadata.get("lastmodified").and_then(Node::text).unwrap_or_default();
    let told = metadata.get("mac").and_then(Node::as_str).and_then(|mac| value(&cipher, mac, bound));
    let told = told.ok_or("the MAC of SOPS cannot be opened: its metadata was changed")?;
    Ok(Opened { object: opened, whole: told.0 == digits(mac) })
}

/// The key of the values.
fn data_key(metadata: &Node, keys: &[Identity]) -> Result<Vec<u8>, String> {
    let groups = metadata.get("key_groups").and_then(Node::as_seq).unwrap_or_default();
    if groups.len() > 1 || metadata.get("shamir_threshold").and_then(Node::text).is_some_and(|number| number != "0") {
        return Err("its key is split among groups of keys, which is not supported".to_owned());
    }
    let boxes = |node: &'_ Node| node.get("age").and_then(Node::as_seq).unwrap_or_default().to_vec();
    let mut names = Vec::new();
    for entry in std::iter::once(metadata).chain(groups).flat_map(boxes) {
        if let Some(key) = age::open(entry.str_at(&["enc"]), keys)? {
            return Ok(key);
        }
        names.push(entry.str_at(&["recipient"]).to_owned());
    }
    Err(match names.is_empty() {
        true => "it is not encrypted for keys of age".to_owned(),
        false => format!("the key that is given opens none of its boxes, which are for {}", names.join(", ")),
    })
}

/// The MAC as SOPS writes it.
fn digits(mac: Sha512) -> String {
    mac.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// What of a plain value is in the MAC.
fn counted(node: &Node) -> &str {
    match node.as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => node.text().unwrap_or_default(),
    }
}

/// Whether a path is one of those whose values plans do not show.
fn is_secret(path: &[String]) -> bool {
    path.first().is_some_and(|first| FIELDS.contains(&first.as_str()))
}

/// What is done with a value, by its path.
type Visit<'a> = &'a mut dyn FnMut(&[String], &mut Node) -> Result<(), String>;

/// Calls something for each value that is not null, in order. Items of lists have the path of their list, as in SOPS.
fn leaves(node: &mut Node, path: &mut Vec<String>, found: Visit<'_>) -> Result<(), String> {
    if let Some(map) = node.map_mut() {
        for (key, value) in map.entries_mut() {
            path.push(key.text().unwrap_or_default().to_owned());
            leaves(value, path, found)?;
            path.pop();
        }
        return Ok(());
    }
    if let Some(items) = node.seq_mut() {
        return items.iter_mut().try_for_each(|item| leaves(item, path, found));
    }
    if node.is_null() { Ok(()) } else { found(path, node) }
}

/// What the value at a path is bound to.
fn bound_to(path: &[String]) -> String {
    format!("{}:", path.join(":"))
}

/// `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]` and its type.
fn value(cipher: &Cipher, text: &str, bound: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = text.strip_prefix(PREFIX)?.strip_suffix(']')?.split(',').collect();
    let [data, nonce, tag, kind] = parts.as_slice() else { return None };
    let bytes = |part: &str, name: &str| STANDARD.decode(part.strip_prefix(name)?).ok();
    let sealed = [bytes(data, "data:")?, bytes(tag, "tag:")?].concat();
    let nonce: [u8; 32] = bytes(nonce, "iv:")?.try_into().ok()?;
    let opened = cipher.decrypt(&nonce.into(), Payload { msg: &sealed, aad: bound.as_bytes() }).ok()?;
    Some((String::from_utf8(opened).ok()?, kind.strip_prefix("type:")?.to_owned()))
}

// ------------------------------------------------------------------------------------------------------------------------ sealing

/// The time of its last change, which SOPS binds the MAC to: one for all, so that nothing changes without a change.
const MODIFIED: &str = "1970-01-01T00:00:00Z";
/// The version of SOPS whose format it is.
const VERSION: &str = "3.9.4";

/// Seals the values of a Secret; `None` for what is none, or without recipients.
pub fn seal(object: &Node, recipients: &[Recipient], key: &Key) -> Option<Node> {
    if recipients.is_empty() || !Gvk::of(object).is("", "Secret") {
        return None;
    }
    let mut sealed = object.clone();
    if let Some(annotations) = sealed.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"))
        && let Some(map) = annotations.map_mut()
    {
        map.remove(LAST_APPLIED);
    }
    let id = ObjectId::of(object);
    let mut parts = vec![id.namespace.to_string(), id.name.to_string()];
    for field in FIELDS {
        for (name, value) in object.get(field).and_then(Node::as_map).into_iter().flat_map(Map::iter) {
            parts.extend([field, name.text().unwrap_or_default(), value.text().unwrap_or_default()].map(str::to_owned));
        }
    }
    let content: String = parts.iter().map(|part| format!("{} {part}\n", part.len())).collect();
    let data_key = key.digest("fleetc.dev/sops/key", content.as_bytes());
    let derived = Key::new(data_key.as_bytes()).ok()?;
    let cipher = Cipher::new_from_slice(data_key.as_bytes()).ok()?;
    let seal = |text: &str, bound: &str| -> Option<String> {
        let nonce = *derived.digest("fleetc.dev/sops/nonce", bound.as_bytes()).as_bytes();
        let payload = Payload { msg: text.as_bytes(), aad: bound.as_bytes() };
        let bytes = cipher.encrypt(&nonce.into(), payload).ok()?;
        let (data, tag) = bytes.split_at_checked(bytes.len().checked_sub(16)?)?;
        let [data, nonce, tag] = [data, &nonce, tag].map(|part| STANDARD.encode(part));
        Some(format!("{PREFIX}data:{data},iv:{nonce},tag:{tag},type:str]"))
    };
    let mut mac = Sha512::new();
    leaves(&mut sealed, &mut Vec::new(), &mut |path, node| {
        if !is_secret(path) {
            mac.update(counted(node).as_bytes());
            return Ok(());
        }
        let text = node.text().unwrap_or_default().to_owned();
        mac.update(text.as_bytes());
        if !text.is_empty() {
            *node = Node::str(seal(&text, &bound_to(path)).ok_or_else(String::new)?);
        }
        Ok(())
    })
    .ok()?;
    let mac = digits(mac);
    let mut boxes = Vec::new();
    for recipient in recipients {
        let name = recipient.to_string();
        let part = |what: &str| *derived.digest(&format!("fleetc.dev/sops/age/{what}"), name.as_bytes()).as_bytes();
        let short = |bytes: [u8; 32]| -> Option<[u8; 16]> { bytes.get(..16)?.try_into().ok() };
        let secrets = age::Secrets {
            file_key: short(part("file"))?,
            ephemeral: part("ephemeral"),
            nonce: short(part("content"))?,
        };
        let mut entry = Map::new();
        entry.insert("enc", Node::str(age::seal(data_key.as_bytes(), recipient, &secrets)?));
        entry.insert("recipient", Node::str(name));
        boxes.push(Node::map(entry));
    }
    let mut metadata = Map::new();
    metadata.insert("age", Node::seq(boxes));
    metadata.insert("encrypted_regex", Node::str("^(data|stringData)$"));
    metadata.insert("lastmodified", Node::str(MODIFIED));
    metadata.insert("mac", Node::str(seal(&mac, MODIFIED)?));
    metadata.insert("version", Node::str(VERSION));
    sealed.map_mut()?.insert(METADATA, Node::map(metadata));
    Some(sealed)
}
