//! Boxes of age for X25519 keys, as <https://age-encryption.org/v1> says: what SOPS keeps the key of its values in.
//!
//! Refused: other kinds of keys (ssh, passphrases, plugins), boxes without armor, and more than one piece of content (64 KiB). Nothing is
//! drawn at random: who seals gives the secrets, see [`Secrets`].

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bech32::{Bech32, Hrp};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
const VERSION: &str = "age-encryption.org/v1";
const RECIPIENT: &str = "age";
const IDENTITY: &str = "age-secret-key-";
/// Characters of a full line in header and armor.
const COLUMNS: usize = 64;
/// Bytes of a piece of content.
const PIECE: usize = 64 * 1024;
/// The end of a nonce of the last piece.
const LAST: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// A secret key (`AGE-SECRET-KEY-1…`). Never shown.
#[derive(Clone)]
pub struct Identity(StaticSecret);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// The keys of a file: one a line, beside comments.
    ///
    /// # Errors
    /// A line that is no such key, or there is none; never what the line says.
    pub fn all(text: &str) -> Result<Vec<Self>, String> {
        let mut found = Vec::new();
        for (at, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = decode(IDENTITY, line);
            found.push(Identity(StaticSecret::from(
                key.ok_or_else(|| format!("line {} is no X25519 key of age (`AGE-SECRET-KEY-1…`)", at + 1))?,
            )));
        }
        if found.is_empty() { Err("there is no key of age".to_owned()) } else { Ok(found) }
    }

    /// Whom one encrypts for.
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0).to_bytes())
    }
}

/// A public key (`age1…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient([u8; 32]);

impl Recipient {
    /// Reads `age1…`.
    pub fn parse(text: &str) -> Option<Self> {
        decode(RECIPIENT, text).map(Recipient)
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = bech32::encode::<Bech32>(Hrp::parse_unchecked(RECIPIENT), &self.0);
        f.write_str(&text.unwrap_or_default())
    }
}

fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32>(text).ok()?;
    let fits = checked.hrp().to_lowercase() == prefix;
    let bytes: Vec<u8> = checked.byte_iter().collect();
    <[u8; 32]>::try_from(bytes).ok().filter(|_| fits)
}

/// What sealing needs, different for each content and recipient.
pub(super) struct Secrets {
    /// The key of the box.
    pub(super) file_key: [u8; 16],
    /// The sender's half of the agreement.
    pub(super) ephemeral: [u8; 32],
    /// The nonce of the content.
    pub(super) nonce: [u8; 16],
}

fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &str) -> [u8; N] {
    let mut key = [0; N];
    // Shorter than the longest that there is.
    let _ = Hkdf::<Sha256>::new(Some(salt), secret).expand(info.as_bytes(), &mut key);
    key
}

/// The key that wraps the key of a box.
fn wrapping(shared: &[u8; 32], share: &[u8; 32], recipient: &[u8; 32]) -> [u8; 32] {
    derive(&[share.as_slice(), recipient].concat(), shared, "age-encryption.org/v1/X25519")
}

fn header_mac(file_key: &[u8], header: &str) -> Option<Hmac<Sha256>> {
    let key: [u8; 32] = derive(&[], file_key, "header");
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&key).ok()?;
    mac.update(header.as_bytes());
    Some(mac)
}

/// Opens an armored box with one of some keys; `None` where it is for none of them.
///
/// # Errors
/// It is no box that this reads, or was changed: a sentence without its content.
pub(super) fn open(armored: &str, keys: &[Identity]) -> Result<Option<Vec<u8>>, String> {
    let damaged = || "a box of age is damaged".to_owned();
    let body = armored.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let body: String = body.ok_or("it is no armored box of age")?.split_whitespace().collect();
    let bytes = STANDARD.decode(body).map_err(|_| damaged())?;
    let start = bytes.windows(5).position(|window| window == b"\n--- ").ok_or_else(damaged)?;
    let (head, rest) = bytes.split_at_checked(start + 1).ok_or_else(damaged)?;
    let head = std::str::from_utf8(head).map_err(|_| damaged())?;
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let (mac, content) = rest.split_at_checked(end).ok_or_else(damaged)?;
    let mac = mac.get(4..).and_then(|mac| STANDARD_NO_PAD.decode(mac).ok()).ok_or_else(damaged)?;
    let content = content.get(1..).ok_or_else(damaged)?;
    let mut lines = head.lines();
    if lines.next() != Some(VERSION) {
        return Err("it is a box of another version of age".to_owned());
    }
    let mut file_key = None;
    while let Some(line) = lines.next() {
        let arguments: Vec<&str> = line.strip_prefix("-> ").ok_or_else(damaged)?.split(' ').collect();
        let mut wrapped = String::new();
        loop {
            let line = lines.next().ok_or_else(damaged)?;
            wrapped.push_str(line);
            if line.len() < COLUMNS {
                break;
            }
        }
        if let ["X25519", share] = arguments.as_slice()
            && file_key.is_none()
        {
            let share = STANDARD_NO_PAD.decode(share).ok().and_then(|share| <[u8; 32]>::try_from(share).ok());
            let (share, wrapped) =
                (share.ok_or_else(damaged)?, STANDARD_NO_PAD.decode(wrapped).map_err(|_| damaged())?);
            file_key = keys.iter().find_map(|key| unwrap(key, &share, &wrapped));
        }
    }
    let Some(file_key) = file_key else { return Ok(None) };
    let judged = header_mac(&file_key, &format!("{head}---")).ok_or_else(damaged)?;
    judged.verify_slice(&mac).map_err(|_| damaged())?;
    let (nonce, sealed) = content.split_at_checked(16).ok_or_else(damaged)?;
    if sealed.len() > PIECE + 16 {
        return Err("a box of age is larger than a key of SOPS".to_owned());
    }
    let key: [u8; 32] = derive(nonce, &file_key, "payload");
    let opened = ChaCha20Poly1305::new(&key.into()).decrypt(&LAST.into(), sealed);
    opened.map(Some).map_err(|_| damaged())
}

fn unwrap(key: &Identity, share: &[u8; 32], wrapped: &[u8]) -> Option<[u8; 16]> {
    let shared = key.0.diffie_hellman(&PublicKey::from(*share));
    if !shared.was_contributory() {
        return None;
    }
    let wrapping = wrapping(shared.as_bytes(), share, &key.recipient().0);
    let opened = ChaCha20Poly1305::new(&wrapping.into()).decrypt(&[0; 12].into(), wrapped).ok()?;
    opened.try_into().ok()
}

/// Puts something short into an armored box for one recipient; `None` where it is too long, or the recipient no point of the curve.
pub(super) fn seal(content: &[u8], recipient: &Recipient, secrets: &Secrets) -> Option<String> {
    let ephemeral = StaticSecret::from(secrets.ephemeral);
    let share = PublicKey::from(&ephemeral).to_bytes();
    let shared = ephemeral.diffie_hellman(&PublicKey::from(recipient.0));
    if content.len() > PIECE || !shared.was_contributory() {
        return None;
    }
    let wrapping = wrapping(shared.as_bytes(), &share, &recipient.0);
    let wrapped = ChaCha20Poly1305::new(&wrapping.into()).encrypt(&[0; 12].into(), secrets.file_key.as_slice()).ok()?;
    let (share, wrapped) = (STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(wrapped));
    let header = format!("{VERSION}\n-> X25519 {share}\n{wrapped}\n---");
    let mac = STANDARD_NO_PAD.encode(header_mac(&secrets.file_key, &header)?.finalize().into_bytes());
    let key: [u8; 32] = derive(&secrets.nonce, &secrets.file_key, "payload");
    let sealed = ChaCha20Poly1305::new(&key.into()).encrypt(&LAST.into(), content).ok()?;
    let bytes = [format!("{header} {mac}\n").as_bytes(), &secrets.nonce, &sealed].concat();
    let body = STANDARD.encode(bytes);
    let mut armored = format!("{BEGIN}\n");
    for (at, character) in body.chars().enumerate() {
        if at > 0 && at % COLUMNS == 0 {
            armored.push('\n');
        }
        armored.push(character);
    }
    armored.push_str(&format!("\n{END}\n"));
    Some(armored)
}
