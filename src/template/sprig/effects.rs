//! Random letters, numbers and bytes, through [`Effects`](crate::template::Effects).

use super::{MAX_BYTES, too_large};
use crate::template::encoding;
use crate::template::function::{Arguments, Context, Entry, Failure, Native, Outcome};
use crate::template::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("randAlpha", "i", |context, args| letters(context, args, "randAlpha", |c| c.is_ascii_alphabetic())),
    ("randAlphaNum", "i", |context, args| letters(context, args, "randAlphaNum", |c| c.is_ascii_alphanumeric())),
    ("randAscii", "i", |context, args| letters(context, args, "randAscii", |c| (32..127).contains(c))),
    ("randBytes", "i", RAND_BYTES),
    ("randInt", "ii", rand_int),
    ("randNumeric", "i", |context, args| letters(context, args, "randNumeric", |c| c.is_ascii_digit())),
    ("shuffle", "s", shuffle),
    ("uuidv4", "", uuid),
];

fn letters(context: &mut Context<'_>, args: Arguments<'_>, name: &'static str, wanted: fn(&u8) -> bool) -> Outcome {
    let count = usize::try_from(args.int(0)).unwrap_or(0);
    if count > MAX_BYTES {
        return Err(too_large());
    }
    let alphabet: Vec<u8> = (0..128).filter(wanted).collect();
    let mut out = Vec::with_capacity(count);
    let mut random = context.random(name)?;
    while out.len() < count {
        // A byte beyond the largest multiple of the alphabet would favour its beginning.
        let fair = 256 - 256 % alphabet.len();
        for byte in random.bytes(count - out.len()) {
            let byte = usize::from(byte);
            if byte < fair && out.len() < count {
                out.extend(alphabet.get(byte % alphabet.len()));
            }
        }
    }
    Ok(Value::from(out))
}

const RAND_BYTES: Native = |context, args| {
    let Ok(count) = usize::try_from(args.int(0)) else {
        return Err(Failure::new("runtime error: makeslice: len out of range"));
    };
    if count > MAX_BYTES {
        return Err(too_large());
    }
    Ok(Value::from(encoding::base64(&context.random("randBytes")?.bytes(count))))
};

fn rand_int(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let (min, max) = (args.int(0), args.int(1));
    match u64::try_from(i128::from(max) - i128::from(min)) {
        Ok(width) if width > 0 && width <= i64::MAX.cast_unsigned() => {
            Ok(Value::int(min.wrapping_add_unsigned(context.random("randInt")?.below(width))))
        }
        _ => Err(Failure::new("invalid argument to Intn")),
    }
}

fn shuffle(context: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let mut chars: Vec<char> = args.text(0).chars().collect();
    let mut random = context.random("shuffle")?;
    for index in (1..chars.len()).rev() {
        let other = random.below(u64::try_from(index + 1).unwrap_or(1));
        chars.swap(index, usize::try_from(other).unwrap_or(0));
    }
    Ok(Value::from(chars.into_iter().collect::<String>()))
}

fn uuid(context: &mut Context<'_>, _: Arguments<'_>) -> Outcome {
    let mut bytes = [0; 16];
    context.random("uuidv4")?.fill(&mut bytes);
    let wide = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{wide:032x}");
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or("");
    Ok(Value::from(format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))))
}
