//! Base64, base32, hexadecimal, and the digests that Rust's crates of this project do not bring (SHA-1, Adler-32).

use base64::Engine as _;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Go's base64.StdEncoding: line breaks are skipped, padding is required; else the offset of the first wrong byte.
pub(super) fn base64_decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut group: Vec<u8> = Vec::with_capacity(4);
    let mut bytes = text.iter().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    while let Some((offset, byte)) = bytes.next() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                // Padding fills the group and ends the text.
                match group.len() {
                    0 | 1 => return Err(offset),
                    2 => match bytes.next() {
                        None => return Err(text.len()),
                        Some((_, b'=')) => {}
                        Some((second, _)) => return Err(second),
                    },
                    _ => {}
                }
                if let Some((rest, _)) = bytes.next() {
                    return Err(rest);
                }
                decode_group(&group, &mut out);
                return Ok(out);
            }
            _ => return Err(offset),
        };
        group.push(digit);
        if group.len() == 4 {
            decode_group(&group, &mut out);
            group.clear();
        }
    }
    // Go names the first byte of what is left over.
    if group.is_empty() { Ok(out) } else { Err(text.len().saturating_sub(group.len())) }
}

fn decode_group(group: &[u8], out: &mut Vec<u8>) {
    let bits = group.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - group.len()));
    let [_, a, b, c] = bits.to_be_bytes();
    out.extend([a, b, c].iter().take(group.len() - 1));
}

/// Standard base32 with padding.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut bits = 0u64;
        for index in 0..5 {
            bits = bits << 8 | u64::from(chunk.get(index).copied().unwrap_or(0));
        }
        let digits = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let digit = usize::try_from(bits >> (35 - 5 * index) & 31).unwrap_or(0);
            out.push(if index < digits { BASE32.get(digit).map_or('=', |byte| char::from(*byte)) } else { '=' });
        }
    }
    out
}

/// Go's base32.StdEncoding; else the offset that Go reports, which is not always that of the wrong byte.
pub(super) fn base32_decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let mut out = Vec::new();
    for (number, chunk) in text.chunks(8).enumerate() {
        let start = number * 8;
        let mut bits = 0u64;
        let mut digits = 8;
        for index in 0..8 {
            let Some(byte) = chunk.get(index) else { return Err(start) };
            let behind = text.len() - start - index - 1;
            if *byte == b'=' && index >= 2 && behind < 8 {
                if behind + index < 7 {
                    return Err(text.len());
                }
                let padding = chunk.get(index + 1..).unwrap_or(&[]);
                if let Some(wrong) = padding.iter().position(|byte| *byte != b'=') {
                    return Err(start + index + wrong);
                }
                if matches!(index, 3 | 6) {
                    return Err(start + index);
                }
                digits = index;
                break;
            }
            let digit = BASE32.iter().position(|known| known == byte).ok_or(start + index)?;
            bits |= u64::try_from(digit).unwrap_or(0) << (35 - 5 * index);
        }
        out.extend(bits.to_be_bytes().iter().skip(3).take(digits * 5 / 8));
        if digits < 8 {
            break;
        }
    }
    Ok(out)
}

/// Lower case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-1, FIPS 180-4.
pub(super) fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    let bits = u64::try_from(message.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    padded.extend_from_slice(&bits.to_be_bytes());
    for block in padded.chunks(64) {
        let mut words: Vec<u32> =
            block.chunks(4).map(|chunk| chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte))).collect();
        for index in 16..80 {
            let back = |by: usize| words.get(index - by).copied().unwrap_or(0);
            words.push((back(3) ^ back(8) ^ back(14) ^ back(16)).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (f, k) = match round {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (slot, value) in state.iter_mut().zip([a, b, c, d, e]) {
            *slot = slot.wrapping_add(value);
        }
    }
    let mut out = [0; 20];
    for (slot, byte) in out.iter_mut().zip(state.iter().flat_map(|word| word.to_be_bytes())) {
        *slot = byte;
    }
    out
}

/// Adler-32, RFC 1950.
pub(super) fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}
