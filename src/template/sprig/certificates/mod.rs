//! Keys and X.509 certificates: genPrivateKey, genCA, genSelfSignedCert, genSignedCert, their forms with a given key, buildCustomCert.
//!
//! Certificates have the fields and extensions, in the order, of sprig and Go's crypto/x509: version 3, a serial number of 128 random bits,
//! a common name, key usages, and addresses and names as alternatives. Serial numbers and keys come from
//! [`Effects`](crate::template::Effects), and so does the time from which a certificate is valid.
//!
//! What is given in is read as far as it is needed: of a signing certificate its name, public key and key identifier.

mod keys;
mod primes;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::net::IpAddr;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use self::keys::Key;
use crate::template::clock::Time;
use crate::template::der::{self, Reader};
use crate::template::function::{Arguments, Context, Entry, Failure, Outcome};
use crate::template::value::{Bytes, Value};
use crate::template::{encoding, fmt, object::Object};

pub(super) const TABLE: &[Entry] = &[
    ("buildCustomCert", "ss", build_custom),
    ("genCA", "si", |context, args| authority(context, args, "genCA", None)),
    ("genCAWithKey", "sis", |context, args| authority(context, args, "genCAWithKey", Some(2))),
    ("genPrivateKey", "s", private_key),
    ("genSelfSignedCert", "sLLi", |context, args| self_signed(context, args, "genSelfSignedCert", None)),
    ("genSelfSignedCertWithKey", "sLLis", |context, args| {
        self_signed(context, args, "genSelfSignedCertWithKey", Some(4))
    }),
    ("genSignedCert", "sLLiC", |context, args| signed(context, args, "genSignedCert", None)),
    ("genSignedCertWithKey", "sLLiCs", |context, args| signed(context, args, "genSignedCertWithKey", Some(5))),
];

/// Bits of the keys of certificates.
const CERTIFICATE_BITS: usize = 2048;
/// What the search for the key of a certificate counts for, in nodes of a template: with the default limit a template makes 100 of them, in a
/// minute or so.
const CERTIFICATE_WORK: u64 = 200_000;
/// Bits of the RSA keys that genPrivateKey makes.
const KEY_BITS: usize = 4096;
/// What the search for such a key, or for one of DSA, counts for.
const KEY_WORK: u64 = 1_000_000;

/// sprig's pair of PEM texts.
struct Certificate {
    cert: Bytes,
    key: Bytes,
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        "sprig.certificate"
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Cert", Value::String(self.cert.clone())), ("Key", Value::String(self.key.clone()))]
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| other.cert == self.cert && other.key == self.key)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn pair(cert: impl Into<Bytes>, key: impl Into<Bytes>) -> Value {
    Value::Object(Rc::new(Certificate { cert: cert.into(), key: key.into() }))
}

fn private_key(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let kind = args.text(0);
    let mut random = context.random("genPrivateKey")?;
    let work = match &*kind {
        "" | "rsa" | "dsa" => KEY_WORK,
        _ => 0,
    };
    context.work(work)?;
    let key = match &*kind {
        "" | "rsa" => Key::new_rsa(&mut random, KEY_BITS),
        "dsa" => Some(Key::new_dsa(&mut random)),
        "ecdsa" => Some(Key::new_ecdsa(&mut random)),
        "ed25519" => Some(Key::new_ed25519(&mut random)),
        _ => return Ok(Value::from(format!("Unknown type {kind}"))),
    };
    Ok(Value::from(key.ok_or_else(no_key)?.to_pem()))
}

fn no_key() -> Failure {
    Failure::new("error generating rsa key: the primes make no key")
}

/// The key that the template gives, or a new one; and the serial number, from the same call.
fn key_and_serial(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    function: &'static str,
    given: Option<usize>,
) -> Result<(Key, Vec<u8>), Failure> {
    let mut random = context.random(function)?;
    // The serial number comes first: the search for primes takes as much as it needs.
    let serial = random.bytes(16);
    let key = match given {
        Some(index) => {
            Key::from_pem(&args.text(index)).map_err(|why| Failure::new(format!("parsing private key: {why}")))?
        }
        None => {
            context.work(CERTIFICATE_WORK)?;
            Key::new_rsa(&mut random, CERTIFICATE_BITS).ok_or_else(no_key)?
        }
    };
    Ok((key, serial))
}

/// What a certificate says of its owner.
struct Template {
    name: Vec<u8>,
    alternatives: Vec<Vec<u8>>,
    is_authority: bool,
    validity: Vec<u8>,
    serial: Vec<u8>,
}

/// Who signs.
struct Signer<'a> {
    name: Vec<u8>,
    key: &'a Key,
    key_id: Option<Vec<u8>>,
}

fn authority(context: &mut Context<'_>, args: Arguments<'_>, function: &'static str, given: Option<usize>) -> Outcome {
    let (key, serial) = key_and_serial(context, args, function, given)?;
    let template = Template {
        name: subject(args.bytes(0))?,
        alternatives: Vec::new(),
        is_authority: true,
        validity: validity(context, function, args.int(1))?,
        serial,
    };
    issue(&template, &key, &Signer { name: template.name.clone(), key: &key, key_id: None })
}

fn self_signed(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    function: &'static str,
    given: Option<usize>,
) -> Outcome {
    let (key, serial) = key_and_serial(context, args, function, given)?;
    let template = Template {
        alternatives: alternatives(args)?,
        name: subject(args.bytes(0))?,
        is_authority: false,
        validity: validity(context, function, args.int(3))?,
        serial,
    };
    issue(&template, &key, &Signer { name: template.name.clone(), key: &key, key_id: None })
}

fn signed(context: &mut Context<'_>, args: Arguments<'_>, function: &'static str, given: Option<usize>) -> Outcome {
    let (key, serial) = key_and_serial(context, args, function, given)?;
    let Some(parent) = args.object(4).and_then(|object| object.as_any().downcast_ref::<Certificate>()) else {
        return Err(Failure::new("wrong type for value; expected sprig.certificate"));
    };
    let (_, bytes) = der::from_pem(&parent.cert.to_text())
        .map(|(label, bytes)| (label.to_owned(), bytes))
        .ok_or_else(|| Failure::new("unable to decode certificate"))?;
    let known = read(&bytes)
        .ok_or_else(|| Failure::new("error parsing certificate: decodedCert.Bytes: x509: malformed certificate"))?;
    let signing = Key::from_pem(&parent.key.to_text())
        .map_err(|why| Failure::new(format!("error parsing private key: {why}")))?;
    let template = Template {
        alternatives: alternatives(args)?,
        name: subject(args.bytes(0))?,
        is_authority: false,
        validity: validity(context, function, args.int(3))?,
        serial,
    };
    if signing.public_bytes() != known.public_key {
        return Err(Failure::new(
            "error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey",
        ));
    }
    issue(&template, &key, &Signer { name: known.subject, key: &signing, key_id: known.key_id })
}

/// A certificate that is there already, with its key: both are read, so that what is no certificate or no key is found here.
fn build_custom(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let decode = |index: usize, what: &str| {
        encoding::base64_decode(args.bytes(index)).map_err(|_| Failure::new(format!("unable to decode base64 {what}")))
    };
    let (cert, key) = (decode(0, "certificate")?, decode(1, "private key")?);
    let text = String::from_utf8_lossy(&cert);
    let (_, bytes) = der::from_pem(&text).ok_or_else(|| Failure::new("unable to decode certificate"))?;
    if read(&bytes).is_none() {
        return Err(Failure::new("error parsing certificate: decodedCert.Bytes: x509: malformed certificate"));
    }
    Key::from_pem(&String::from_utf8_lossy(&key))
        .map_err(|why| Failure::new(format!("error parsing private key: {why}")))?;
    Ok(pair(cert, key))
}

/// The common name as a distinguished name; nothing when it is empty.
fn subject(name: &[u8]) -> Result<Vec<u8>, Failure> {
    const COMMON_NAME: &[u8] = &[0x55, 4, 3];
    const PRINTABLE: u8 = 0x13;
    const UTF8: u8 = 0x0c;
    if name.is_empty() {
        return Ok(der::element(der::SEQUENCE, &[]));
    }
    if std::str::from_utf8(name).is_err() {
        return Err(Failure::new("error creating certificate: asn1: string not valid UTF-8"));
    }
    let printable = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(byte));
    let value = der::element(if printable { PRINTABLE } else { UTF8 }, name);
    let attribute = der::group(der::SEQUENCE, &[der::object(COMMON_NAME), value]);
    Ok(der::group(der::SEQUENCE, &[der::group(der::SET, &[attribute])]))
}

/// Names and addresses, in that order.
fn alternatives(args: Arguments<'_>) -> Result<Vec<Vec<u8>>, Failure> {
    const DNS: u8 = 0x82;
    const ADDRESS: u8 = 0x87;
    let items = |index: usize| match args.any(index) {
        Value::List(list) => list.to_vec(),
        _ => Vec::new(),
    };
    let text = |value: &Value, what: &str| match value {
        Value::String(bytes) => Ok(bytes.clone()),
        other => {
            let printed = fmt::sprintf(b"%v", std::slice::from_ref(other))?;
            Err(Failure::new(format!("error {what}: {} is not a string", String::from_utf8_lossy(&printed))))
        }
    };
    let mut addresses = Vec::new();
    for item in items(1) {
        let bytes = text(&item, "parsing ip")?;
        let address = bytes.to_text();
        let bytes = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => address.octets().to_vec(),
            Ok(IpAddr::V6(address)) => {
                address.to_ipv4_mapped().map_or_else(|| address.octets().to_vec(), |short| short.octets().to_vec())
            }
            Err(_) => return Err(Failure::new(format!("error parsing ip: {address}"))),
        };
        addresses.push(der::element(ADDRESS, &bytes));
    }
    let mut names = Vec::new();
    for item in items(2) {
        names.push(text(&item, "processing alternate dns name")?);
    }
    if let Some(name) = names.iter().find(|name| !name.is_ascii()) {
        let quoted = fmt::quote(name);
        return Err(Failure::new(format!(
            "error creating certificate: x509: {quoted} cannot be encoded as an IA5String"
        )));
    }
    Ok(names.iter().map(|name| der::element(DNS, name)).chain(addresses).collect())
}

/// From now for so many days.
fn validity(context: &Context<'_>, function: &str, days: i64) -> Result<Vec<u8>, Failure> {
    let Some(effects) = context.options().effects else {
        return Err(Failure::new(format!(
            "the function {function} is not available: it needs the clock, and a render depends on its inputs only"
        )));
    };
    let now = Time::from_nanoseconds(effects.now());
    let end = now.plus(days.wrapping_mul(24 * 3_600_000_000_000));
    let text = |time: Time| {
        let layout = time.in_utc().format("20060102150405Z");
        match layout.get(..4).and_then(|year| year.parse::<u32>().ok()) {
            Some(1950..2050) => Ok(der::element(0x17, layout.get(2..).unwrap_or_default().as_bytes())),
            Some(_) => Ok(der::element(0x18, layout.as_bytes())),
            None => Err(Failure::new(
                "error creating certificate: asn1: structure error: cannot represent time as GeneralizedTime",
            )),
        }
    };
    Ok(der::group(der::SEQUENCE, &[text(now)?, text(end)?]))
}

fn extension(object: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![der::object(object)];
    if critical {
        parts.push(vec![1, 1, 0xff]);
    }
    parts.push(der::element(der::OCTET_STRING, value));
    der::group(der::SEQUENCE, &parts)
}

const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];

/// Signs a certificate for a key; the certificate and the key.
fn issue(template: &Template, key: &Key, signer: &Signer<'_>) -> Outcome {
    const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
    const SERVER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
    const CLIENT: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
    const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
    const ALTERNATIVES: &[u8] = &[0x55, 0x1d, 17];
    let failed = |why: String| Failure::new(format!("error creating certificate: {why}"));
    let algorithm = signer.key.signature_algorithm().map_err(failed)?;
    let public = key.public_bytes();
    let public_algorithm = key.public_algorithm().map_err(failed)?;
    // Signature and encipherment, and for authorities signing certificates: bits 0, 2 and 5.
    let usage: &[u8] = if template.is_authority { &[2, 0xa4] } else { &[5, 0xa0] };
    let constraints: &[u8] = if template.is_authority { &[1, 1, 0xff] } else { &[] };
    let mut extensions = vec![
        extension(KEY_USAGE, true, &der::element(der::BIT_STRING, usage)),
        extension(EXTENDED_KEY_USAGE, false, &der::group(der::SEQUENCE, &[der::object(SERVER), der::object(CLIENT)])),
        extension(BASIC_CONSTRAINTS, true, &der::element(der::SEQUENCE, constraints)),
    ];
    if template.is_authority {
        // RFC 7093: the first 160 bits of the SHA-256 of the public key.
        let digest = Sha256::digest(&public);
        let id = der::element(der::OCTET_STRING, digest.get(..20).unwrap_or_default());
        extensions.push(extension(SUBJECT_KEY_ID, false, &id));
    }
    if let Some(id) = signer.key_id.as_ref().filter(|_| signer.name != template.name) {
        let id = der::group(der::SEQUENCE, &[der::element(0x80, id)]);
        extensions.push(extension(AUTHORITY_KEY_ID, false, &id));
    }
    if !template.alternatives.is_empty() {
        let nameless = template.name.len() == 2;
        extensions.push(extension(ALTERNATIVES, nameless, &der::group(der::SEQUENCE, &template.alternatives)));
    }
    let body = der::group(
        der::SEQUENCE,
        &[
            der::group(0xa0, &[der::unsigned(&[2])]),
            der::unsigned(&template.serial),
            algorithm.clone(),
            signer.name.clone(),
            template.validity.clone(),
            template.name.clone(),
            der::group(der::SEQUENCE, &[public_algorithm, der::bits(&public)]),
            der::group(0xa3, &[der::group(der::SEQUENCE, &extensions)]),
        ],
    );
    let signature = signer.key.sign(&body).map_err(failed)?;
    let certificate = der::group(der::SEQUENCE, &[body, algorithm, der::bits(&signature)]);
    Ok(pair(der::to_pem("CERTIFICATE", &certificate), key.to_pem()))
}

/// What of a certificate its signatures need.
struct Known {
    subject: Vec<u8>,
    public_key: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

fn read(bytes: &[u8]) -> Option<Known> {
    let mut outer = Reader(bytes);
    let mut certificate = outer.inside(der::SEQUENCE)?;
    let mut body = certificate.inside(der::SEQUENCE)?;
    // Algorithm and signature behind it.
    certificate.next(der::SEQUENCE)?;
    certificate.next(der::BIT_STRING)?;
    let _version = body.next(0xa0);
    body.next(der::INTEGER)?;
    let [_, _, _] = [body.next(der::SEQUENCE)?, body.next(der::SEQUENCE)?, body.next(der::SEQUENCE)?];
    let subject = body.next(der::SEQUENCE)?.whole.to_vec();
    let mut info = body.inside(der::SEQUENCE)?;
    info.next(der::SEQUENCE)?;
    let public_key = info.next(der::BIT_STRING)?.content.get(1..)?.to_vec();
    let mut known = Known { subject, public_key, key_id: None };
    while let Some(part) = body.any() {
        if part.tag != 0xa3 {
            continue;
        }
        let mut extensions = Reader(part.content).inside(der::SEQUENCE)?;
        while let Some(mut extension) = extensions.inside(der::SEQUENCE) {
            let object = extension.next(der::OBJECT)?.content;
            let _critical = extension.next(1);
            let value = extension.next(der::OCTET_STRING)?.content;
            if object == SUBJECT_KEY_ID {
                known.key_id = Some(Reader(value).next(der::OCTET_STRING)?.content.to_vec());
            }
        }
    }
    Some(known)
}
