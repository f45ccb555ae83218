//! Passwords and what is encrypted with them: bcrypt, htpasswd, derivePassword, AES in CBC mode. Salts and initial vectors come from
//! [`Effects`](crate::template::Effects).

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use base64::Engine as _;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::out_of_range;
use crate::template::encoding;
use crate::template::function::{Arguments, Context, Entry, Failure, Outcome};
use crate::template::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("bcrypt", "s", |context, args| hashed(context, "bcrypt", args.bytes(0)).map(Value::from)),
    ("decryptAES", "ss", decrypt),
    ("derivePassword", "ussss", derive),
    ("encryptAES", "ss", encrypt),
    ("htpasswd", "ss", htpasswd),
];

/// The cost that Go's bcrypt takes by default.
const BCRYPT_COST: u32 = 10;
/// What a hash of that cost counts for, in nodes of a template: with the default limit a template makes 500 of them, in half a minute.
const BCRYPT_WORK: u64 = 40_000;
/// What the scrypt of derivePassword counts for.
const SCRYPT_WORK: u64 = 100_000;
/// bcrypt sees no more of a password.
const BCRYPT_MAX: usize = 72;

fn hashed(context: &mut Context<'_>, function: &'static str, password: &[u8]) -> Result<String, Failure> {
    let mut salt = [0; 16];
    context.random(function)?.fill(&mut salt);
    if password.len() > BCRYPT_MAX {
        return Ok("failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned());
    }
    let mut ended = password.to_vec();
    ended.push(0);
    ended.truncate(BCRYPT_MAX);
    context.work(BCRYPT_WORK)?;
    let hash = bcrypt::bcrypt(BCRYPT_COST, salt, &ended);
    let alphabet = base64::alphabet::BCRYPT;
    let engine = base64::engine::GeneralPurpose::new(&alphabet, base64::engine::general_purpose::NO_PAD);
    // The last of the 24 bytes is left out by everyone.
    let digest = hash.get(..23).unwrap_or_default();
    Ok(format!("$2a${BCRYPT_COST:02}${}{}", engine.encode(salt), engine.encode(digest)))
}

fn htpasswd(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let user = args.text(0);
    if user.contains(':') {
        return Ok(Value::from(format!("invalid username: {user}")));
    }
    Ok(Value::from(format!("{user}:{}", hashed(context, "htpasswd", args.bytes(1))?)))
}

/// Passwords by the Master Password algorithm, as sprig has it: templates of character classes by type.
const SEED: &[u8] = b"com.lyndir.masterpassword";
const LONG: &[&str] = &[
    "CvcvnoCvcvCvcv",
    "CvcvCvcvnoCvcv",
    "CvcvCvcvCvcvno",
    "CvccnoCvcvCvcv",
    "CvccCvcvnoCvcv",
    "CvccCvcvCvcvno",
    "CvcvnoCvccCvcv",
    "CvcvCvccnoCvcv",
    "CvcvCvccCvcvno",
    "CvcvnoCvcvCvcc",
    "CvcvCvcvnoCvcc",
    "CvcvCvcvCvccno",
    "CvccnoCvccCvcv",
    "CvccCvccnoCvcv",
    "CvccCvccCvcvno",
    "CvcvnoCvccCvcc",
    "CvcvCvccnoCvcc",
    "CvcvCvccCvccno",
    "CvccnoCvcvCvcc",
    "CvccCvcvnoCvcc",
    "CvccCvcvCvccno",
];

fn password_templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => LONG,
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn class(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn derive(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let kind = args.text(1);
    let Some(templates) = password_templates(&kind) else {
        return Ok(Value::from(format!("cannot find password template {kind}")));
    };
    let prefixed = |text: &[u8]| {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        [SEED, &length.to_be_bytes(), text].concat()
    };
    context.work(SCRYPT_WORK)?;
    let mut key = [0; 64];
    let counter = u32::try_from(args.int(0)).unwrap_or(0);
    let failed = || Failure::new("failed to derive password");
    let params = scrypt::Params::new(15, 8, 2).map_err(|_| failed())?;
    scrypt::scrypt(args.bytes(2), &prefixed(args.bytes(3)), &params, &mut key).map_err(|_| failed())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| failed())?;
    mac.update(&prefixed(args.bytes(4)));
    mac.update(&counter.to_be_bytes());
    let seed = mac.finalize().into_bytes();
    let mut digits = seed.iter().map(|byte| usize::from(*byte));
    let chosen = digits.next().and_then(|digit| templates.get(digit % templates.len())).copied().unwrap_or_default();
    let letter = |(letter, digit): (u8, usize)| class(letter).get(digit % class(letter).len()).copied();
    Ok(Value::from(chosen.bytes().zip(digits).filter_map(letter).collect::<Vec<u8>>()))
}

const AES_BLOCK: usize = 16;

fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    key.iter_mut().zip(password).for_each(|(slot, byte)| *slot = *byte);
    Aes256::new(&key.into())
}

fn encrypt(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let text = args.bytes(1);
    if text.is_empty() {
        return Ok(Value::from(""));
    }
    let cipher = cipher(args.bytes(0));
    let mut last = [0; AES_BLOCK];
    context.random("encryptAES")?.fill(&mut last);
    let padding = AES_BLOCK - text.len() % AES_BLOCK;
    let mut padded = text.to_vec();
    padded.extend(std::iter::repeat_n(u8::try_from(padding).unwrap_or(0), padding));
    let mut out = last.to_vec();
    for chunk in padded.chunks(AES_BLOCK) {
        last.iter_mut().zip(chunk).for_each(|(slot, byte)| *slot ^= byte);
        let mut block = last.into();
        cipher.encrypt_block(&mut block);
        last = block.into();
        out.extend(last);
    }
    Ok(Value::from(encoding::base64(&out)))
}

fn decrypt(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let text = args.bytes(1);
    if text.is_empty() {
        return Ok(Value::from(""));
    }
    let bytes =
        encoding::base64_decode(text).map_err(|at| Failure::new(format!("illegal base64 data at input byte {at}")))?;
    let Some((vector, content)) = bytes.split_at_checked(AES_BLOCK) else {
        return Err(out_of_range(format_args!("[:16] with capacity {}", text.len() / 4 * 3)));
    };
    if content.len() % AES_BLOCK != 0 {
        return Err(Failure::new("crypto/cipher: input not full blocks"));
    }
    let cipher = cipher(args.bytes(0));
    let mut out = Vec::with_capacity(content.len());
    let mut before = vector;
    for chunk in content.chunks(AES_BLOCK) {
        let mut fixed = [0; AES_BLOCK];
        fixed.copy_from_slice(chunk);
        let mut block = fixed.into();
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(before).map(|(byte, other)| byte ^ other));
        before = chunk;
    }
    let Some(padding) = out.last().map(|byte| usize::from(*byte)) else {
        return Err(Failure::new("runtime error: index out of range [-1]"));
    };
    match out.len().checked_sub(padding) {
        Some(length) => out.truncate(length),
        None => return Err(out_of_range(format_args!("[:-{}]", padding - out.len()))),
    }
    Ok(Value::from(out))
}
