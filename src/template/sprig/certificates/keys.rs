//! Private keys: made, read from PEM and written to it as sprig does (PKCS #1 for RSA, SEC 1 for P-256, PKCS #8 for Ed25519, sprig's own for
//! DSA), and what certificates need of them: the public half and signatures.
//!
//! Refused: elliptic curves other than P-256, encrypted keys, RSA with more than two primes.

use ed25519_dalek::Signer as _;
use num_bigint::BigUint;
use rsa::BoxedUint;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use sha2::{Digest as _, Sha256};

use super::primes::{has_small_factor, is_probable_prime, random_prime, small_primes};
use crate::template::der::{self, Reader};
use crate::template::effects::Stream;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The public exponent that Go takes.
const EXPONENT: u32 = 65_537;

/// A private key.
pub(super) enum Key {
    Rsa(Box<rsa::RsaPrivateKey>),
    Ecdsa(Box<p256::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// `p`, `q`, `g`, `y`, `x`; it signs no certificate.
    Dsa(Box<[BigUint; 5]>),
}

fn boxed(number: &BigUint, bits: u32) -> Option<BoxedUint> {
    BoxedUint::from_be_slice(&number.to_bytes_be(), bits.next_multiple_of(64)).ok()
}

impl Key {
    /// A new RSA key.
    pub(super) fn new_rsa(random: &mut Stream<'_>, bits: usize) -> Option<Self> {
        let half = u32::try_from(bits / 2).ok()?;
        loop {
            let (p, q) = (random_prime(random, bits / 2, EXPONENT), random_prime(random, bits / 2, EXPONENT));
            if p == q {
                continue;
            }
            let (p, q) = if p > q { (p, q) } else { (q, p) };
            let key = rsa::RsaPrivateKey::from_p_q(boxed(&p, half)?, boxed(&q, half)?, BoxedUint::from(EXPONENT));
            return key.ok().map(|key| Self::Rsa(Box::new(key)));
        }
    }

    pub(super) fn new_ecdsa(random: &mut Stream<'_>) -> Self {
        loop {
            // All but a few of the 2²⁵⁶ numbers are scalars of the curve.
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&random.bytes(32)) {
                return Self::Ecdsa(Box::new(key));
            }
        }
    }

    pub(super) fn new_ed25519(random: &mut Stream<'_>) -> Self {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// A new DSA key with a 2048 bit modulus and a 256 bit order (FIPS 186-4, without its proof of how the primes were made).
    pub(super) fn new_dsa(random: &mut Stream<'_>) -> Self {
        let q = random_prime(random, 256, 1);
        let twice = &q << 1u32;
        let small = small_primes();
        let p = loop {
            let mut bytes = random.bytes(256);
            if let Some(first) = bytes.first_mut() {
                *first |= 0x80;
            }
            let start = BigUint::from_bytes_be(&bytes);
            let candidate = &start - (&start % &twice) + 1u32;
            if candidate.bits() == 2048 && !has_small_factor(&candidate, &small) && is_probable_prime(&candidate) {
                break candidate;
            }
        };
        let exponent = (&p - 1u32) / &q;
        let one = BigUint::from(1u32);
        let g = (2u32..).map(|base| BigUint::from(base).modpow(&exponent, &p)).find(|g| *g != one).unwrap_or(one);
        let x = loop {
            let x = BigUint::from_bytes_be(&random.bytes(32));
            if x < q && x.bits() > 0 {
                break x;
            }
        };
        let y = g.modpow(&x, &p);
        Self::Dsa(Box::new([p, q, g, y, x]))
    }

    /// Reads a PEM text; errors are sprig's, with a plain word for what is wrong inside.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        let (label, bytes) = der::from_pem(text).ok_or("no PEM data in input")?;
        if label == "PRIVATE KEY" {
            return pkcs8(&bytes).map_err(|why| format!("decoding PEM as PKCS#8: {why}"));
        }
        let kind = label
            .strip_suffix(" PRIVATE KEY")
            .ok_or_else(|| format!("no private key data in PEM block of type {label}"))?;
        match kind {
            "RSA" => pkcs1(&bytes).map_err(|why| format!("parsing RSA private key from PEM: {why}")),
            "EC" => sec1(&bytes, false).map_err(|why| format!("parsing EC private key from PEM: {why}")),
            "DSA" => dsa(&bytes).ok_or_else(|| format!("parsing DSA private key from PEM: {MALFORMED}")),
            kind => Err(format!("invalid private key type {kind}")),
        }
    }

    pub(super) fn to_pem(&self) -> String {
        match self {
            Self::Rsa(key) => der::to_pem("RSA PRIVATE KEY", &rsa_to_der(key)),
            Self::Ecdsa(key) => {
                let parts = [
                    der::unsigned(&[1]),
                    der::element(der::OCTET_STRING, &key.to_bytes()),
                    der::group(0xa0, &[der::object(P256)]),
                    der::group(0xa1, &[der::bits(&self.public_bytes())]),
                ];
                der::to_pem("EC PRIVATE KEY", &der::group(der::SEQUENCE, &parts))
            }
            Self::Ed25519(key) => {
                let inner = der::element(der::OCTET_STRING, key.as_bytes());
                let parts = [
                    der::unsigned(&[0]),
                    der::group(der::SEQUENCE, &[der::object(ED25519)]),
                    der::element(der::OCTET_STRING, &inner),
                ];
                der::to_pem("PRIVATE KEY", &der::group(der::SEQUENCE, &parts))
            }
            Self::Dsa(numbers) => {
                let mut parts = vec![der::unsigned(&[0])];
                parts.extend(numbers.iter().map(|number| der::unsigned(&number.to_bytes_be())));
                der::to_pem("DSA PRIVATE KEY", &der::group(der::SEQUENCE, &parts))
            }
        }
    }

    /// The bits of the public key, as certificates hold them.
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let numbers = [der::unsigned(&key.n_bytes()), der::unsigned(&key.e_bytes())];
                der::group(der::SEQUENCE, &numbers)
            }
            Self::Ecdsa(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
            Self::Dsa(_) => Vec::new(),
        }
    }

    /// The algorithm of the public key; DSA keys get no certificates.
    pub(super) fn public_algorithm(&self) -> Result<Vec<u8>, String> {
        Ok(match self {
            Self::Rsa(_) => der::group(der::SEQUENCE, &[der::object(RSA), der::element(der::NULL, &[])]),
            Self::Ecdsa(_) => der::group(der::SEQUENCE, &[der::object(EC), der::object(P256)]),
            Self::Ed25519(_) => der::group(der::SEQUENCE, &[der::object(ED25519)]),
            Self::Dsa(_) => return Err("x509: unsupported public key type: *dsa.PublicKey".to_owned()),
        })
    }

    /// The algorithm of its signatures.
    pub(super) fn signature_algorithm(&self) -> Result<Vec<u8>, String> {
        Ok(match self {
            Self::Rsa(_) => der::group(der::SEQUENCE, &[der::object(SHA256_WITH_RSA), der::element(der::NULL, &[])]),
            Self::Ecdsa(_) => der::group(der::SEQUENCE, &[der::object(ECDSA_WITH_SHA256)]),
            Self::Ed25519(_) => der::group(der::SEQUENCE, &[der::object(ED25519)]),
            Self::Dsa(_) => return Err("x509: certificate private key does not implement crypto.Signer".to_owned()),
        })
    }

    /// Signs a message; ECDSA's nonces are those of RFC 6979, so that no signature needs randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Rsa(key) => key
                .sign(rsa::Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))
                .map_err(|error| error.to_string()),
            Self::Ecdsa(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Self::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
            Self::Dsa(_) => Err("x509: certificate private key does not implement crypto.Signer".to_owned()),
        }
    }
}

const MALFORMED: &str = "asn1: structure error: the key is malformed";

fn pkcs1(bytes: &[u8]) -> Result<Key, String> {
    let mut outer = Reader(bytes);
    let mut inner = outer.inside(der::SEQUENCE).ok_or(MALFORMED)?;
    let mut numbers = Vec::new();
    while let Some(number) = inner.unsigned() {
        numbers.push(BigUint::from_bytes_be(&number));
    }
    let [_, n, e, d, p, q, ..] = numbers.as_slice() else { return Err(MALFORMED.to_owned()) };
    let bits = u32::try_from(n.bits()).unwrap_or(u32::MAX);
    if bits > 16_384 {
        return Err("the key is larger than 16384 bits".to_owned());
    }
    let half = bits.div_ceil(2);
    let parts = [(n, bits), (e, 64), (d, bits), (p, half), (q, half)].map(|(number, bits)| boxed(number, bits));
    let [Some(n), Some(e), Some(d), Some(p), Some(q)] = parts else { return Err(MALFORMED.to_owned()) };
    let key = rsa::RsaPrivateKey::from_components(n, e, d, vec![p, q]).map_err(|error| error.to_string())?;
    Ok(Key::Rsa(Box::new(key)))
}

/// `known`: the curve was named outside, as PKCS #8 does.
fn sec1(bytes: &[u8], known: bool) -> Result<Key, String> {
    let mut outer = Reader(bytes);
    let mut inner = outer.inside(der::SEQUENCE).ok_or(MALFORMED)?;
    inner.unsigned().ok_or(MALFORMED)?;
    let secret = inner.next(der::OCTET_STRING).ok_or(MALFORMED)?.content;
    let curve = inner.inside(0xa0).and_then(|mut tagged| tagged.next(der::OBJECT));
    if !known && curve.is_none_or(|curve| curve.content != P256) {
        return Err("only the curve P-256 is supported".to_owned());
    }
    let key = p256::ecdsa::SigningKey::from_slice(secret).map_err(|_| MALFORMED)?;
    Ok(Key::Ecdsa(Box::new(key)))
}

fn dsa(bytes: &[u8]) -> Option<Key> {
    let mut outer = Reader(bytes);
    let mut inner = outer.inside(der::SEQUENCE)?;
    inner.unsigned()?;
    let mut next = || inner.unsigned().map(|digits| BigUint::from_bytes_be(&digits));
    Some(Key::Dsa(Box::new([next()?, next()?, next()?, next()?, next()?])))
}

fn pkcs8(bytes: &[u8]) -> Result<Key, String> {
    let mut outer = Reader(bytes);
    let mut inner = outer.inside(der::SEQUENCE).ok_or(MALFORMED)?;
    inner.unsigned().ok_or(MALFORMED)?;
    let mut algorithm = inner.inside(der::SEQUENCE).ok_or(MALFORMED)?;
    let name = algorithm.next(der::OBJECT).ok_or(MALFORMED)?.content;
    let secret = inner.next(der::OCTET_STRING).ok_or(MALFORMED)?.content;
    match name {
        RSA => pkcs1(secret),
        EC if algorithm.next(der::OBJECT).is_some_and(|curve| curve.content == P256) => sec1(secret, true),
        EC => Err("only the curve P-256 is supported".to_owned()),
        ED25519 => {
            let seed = Reader(secret).next(der::OCTET_STRING).ok_or(MALFORMED)?.content;
            let seed: [u8; 32] = seed.try_into().map_err(|_| MALFORMED)?;
            Ok(Key::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed))))
        }
        _ => Err("x509: PKCS#8 wrapping contained private key with unknown algorithm".to_owned()),
    }
}

/// RSAPrivateKey of RFC 8017 with the values of the Chinese remainder theorem.
fn rsa_to_der(key: &rsa::RsaPrivateKey) -> Vec<u8> {
    let number = |number: &BoxedUint| BigUint::from_bytes_be(&number.to_be_bytes());
    let one = BigUint::from(1u32);
    let primes: Vec<BigUint> = key.primes().iter().map(|prime| number(prime)).collect();
    let [p, q] = primes.as_slice() else { return Vec::new() };
    let d = number(key.d());
    let inverse = q.modpow(&(p - 2u32), p);
    let parts = [
        BigUint::from_bytes_be(&key.n_bytes()),
        BigUint::from_bytes_be(&key.e_bytes()),
        d.clone(),
        p.clone(),
        q.clone(),
        &d % (p - &one),
        &d % (q - &one),
        inverse,
    ];
    let mut elements = vec![der::unsigned(&[0])];
    elements.extend(parts.iter().map(|part| der::unsigned(&part.to_bytes_be())));
    der::group(der::SEQUENCE, &elements)
}
