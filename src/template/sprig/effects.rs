//! Functions whose result depends on a clock or on randomness, through [`Effects`](crate::template::Effects); and those that are refused.

use super::{MAX_BYTES, too_large};
use crate::template::encoding;
use crate::template::function::{Arguments, Context, Entry, Failure, Native, Outcome};
use crate::template::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("bcrypt", "s", |_, _| refused("bcrypt", "its salt is random")),
    ("buildCustomCert", "ss", |_, _| refused("buildCustomCert", "certificates are not supported")),
    ("decryptAES", "ss", |_, _| refused("decryptAES", "AES is not supported")),
    ("derivePassword", "ussss", |_, _| refused("derivePassword", "scrypt is not supported")),
    ("encryptAES", "ss", |_, _| refused("encryptAES", "its initial vector is random")),
    ("genCA", "si", |_, _| refused("genCA", CERTIFICATE)),
    ("genCAWithKey", "sis", |_, _| refused("genCAWithKey", CERTIFICATE)),
    ("genPrivateKey", "s", |_, _| refused("genPrivateKey", "a new key is different on every run")),
    ("genSelfSignedCert", "sLLi", |_, _| refused("genSelfSignedCert", CERTIFICATE)),
    ("genSelfSignedCertWithKey", "sLLis", |_, _| refused("genSelfSignedCertWithKey", CERTIFICATE)),
    ("genSignedCert", "sLLia", |_, _| refused("genSignedCert", CERTIFICATE)),
    ("genSignedCertWithKey", "sLLias", |_, _| refused("genSignedCertWithKey", CERTIFICATE)),
    ("htpasswd", "ss", |_, _| refused("htpasswd", "its salt is random")),
    ("randAlpha", "i", |context, args| letters(context, args, "randAlpha", |c| c.is_ascii_alphabetic())),
    ("randAlphaNum", "i", |context, args| letters(context, args, "randAlphaNum", |c| c.is_ascii_alphanumeric())),
    ("randAscii", "i", |context, args| letters(context, args, "randAscii", |c| (32..127).contains(c))),
    ("randBytes", "i", RAND_BYTES),
    ("randInt", "ii", rand_int),
    ("randNumeric", "i", |context, args| letters(context, args, "randNumeric", |c| c.is_ascii_digit())),
    ("shuffle", "s", shuffle),
    ("uuidv4", "", uuid),
];

const CERTIFICATE: &str = "a new certificate is different on every run";

fn refused(name: &str, why: &str) -> Outcome {
    Err(Failure::new(format!("the function {name} is not available: {why}, and a render depends on its inputs only")))
}

fn random(context: &Context<'_>, name: &str, count: usize) -> Result<Vec<u8>, Failure> {
    let Some(effects) = context.options().effects else {
        return Err(Failure::new(format!(
            "the function {name} is not available: it needs randomness, and a render depends on its inputs only"
        )));
    };
    let mut buffer = vec![0; count];
    effects.random(&mut buffer);
    Ok(buffer)
}

fn letters(context: &Context<'_>, args: Arguments<'_>, name: &str, wanted: fn(&u8) -> bool) -> Outcome {
    let count = usize::try_from(args.int(0)).unwrap_or(0);
    if count > MAX_BYTES {
        return Err(too_large());
    }
    let alphabet: Vec<u8> = (0..128).filter(wanted).collect();
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        // A byte beyond the largest multiple of the alphabet would favour its beginning.
        let fair = 256 - 256 % alphabet.len();
        for byte in random(context, name, count)? {
            let byte = usize::from(byte);
            if byte < fair && out.len() < count {
                out.extend(alphabet.get(byte % alphabet.len()));
            }
        }
    }
    Ok(Value::from(out))
}

const RAND_BYTES: Native = |context, args| {
    let count = usize::try_from(args.int(0)).unwrap_or(0);
    if count > MAX_BYTES {
        return Err(too_large());
    }
    Ok(Value::from(encoding::base64(&random(context, "randBytes", count)?)))
};

fn number(context: &Context<'_>, name: &str, below: u64) -> Result<u64, Failure> {
    let bytes = random(context, name, 16)?;
    let wide = bytes.iter().fold(0u128, |wide, byte| wide << 8 | u128::from(*byte));
    Ok(u64::try_from(wide % u128::from(below.max(1))).unwrap_or(0))
}

fn rand_int(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let (min, max) = (args.int(0), args.int(1));
    match u64::try_from(i128::from(max) - i128::from(min)) {
        Ok(width) if width > 0 => Ok(Value::int(min.wrapping_add_unsigned(number(context, "randInt", width)?))),
        _ => Err(Failure::new("invalid argument to Intn")),
    }
}

fn shuffle(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut chars: Vec<char> = args.text(0).chars().collect();
    for index in (1..chars.len()).rev() {
        let other = number(context, "shuffle", u64::try_from(index + 1).unwrap_or(1))?;
        chars.swap(index, usize::try_from(other).unwrap_or(0));
    }
    Ok(Value::from(chars.into_iter().collect::<String>()))
}

fn uuid(context: &mut Context<'_>, _: Arguments<'_>) -> Outcome {
    let bytes = random(context, "uuidv4", 16)?;
    let wide = bytes.iter().fold(0u128, |wide, byte| wide << 8 | u128::from(*byte));
    let wide = wide & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{wide:032x}");
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or("");
    Ok(Value::from(format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))))
}
