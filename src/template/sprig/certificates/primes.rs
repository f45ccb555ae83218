//! Primes for keys. The search is written here and not left to a crate: derived keys must stay the same with every release, so which
//! bytes are taken and which candidate wins is ours.

use num_bigint::BigUint;

use crate::template::effects::Stream;

/// Candidates are divided by the primes below this before they are tested.
const SIEVE: u32 = 20_000;

/// Bases of the Miller-Rabin test. The candidates are random, not chosen by an adversary, so fixed bases do; for 1,024 random bits even
/// a handful leaves less than one chance in 2¹⁰⁰ (Damgård, Landrock, Pomerance 1993).
const BASES: [u32; 16] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53];

/// Whether an odd number is prime, by Miller and Rabin.
pub(super) fn is_probable_prime(number: &BigUint) -> bool {
    let one = BigUint::from(1u32);
    let less = number - &one;
    let Some(twos) = less.trailing_zeros().filter(|twos| *twos > 0) else { return false };
    let odd = &less >> twos;
    BASES.iter().all(|base| {
        let mut power = BigUint::from(*base).modpow(&odd, number);
        if power == one {
            return true;
        }
        for _ in 1..twos {
            if power == less {
                break;
            }
            power = &power * &power % number;
        }
        power == less
    })
}

/// A prime of so many bits, the two highest of them set, so that the product of two has twice as many: a random odd number and those after
/// it by twos, up to the first prime. `p - 1` shares no factor with `coprime`.
pub(super) fn random_prime(random: &mut Stream<'_>, bits: usize, coprime: u32) -> BigUint {
    let small = small_primes();
    loop {
        let mut bytes = random.bytes(bits / 8);
        if let Some(first) = bytes.first_mut() {
            *first |= 0xc0;
        }
        if let Some(last) = bytes.last_mut() {
            *last |= 1;
        }
        let start = BigUint::from_bytes_be(&bytes);
        let remainders: Vec<u32> = small.iter().map(|prime| remainder(&start, *prime)).collect();
        let first = remainder(&start, coprime);
        // The gap to the next prime is far shorter; only a start just below a power of two runs out.
        for step in (0..=100_000u32).step_by(2) {
            let divisible = small.iter().zip(&remainders).any(|(prime, rest)| (rest + step) % prime == 0);
            if divisible || (coprime > 1 && (first + step % coprime) % coprime == 1) {
                continue;
            }
            let candidate = &start + step;
            if candidate.bits() == u64::try_from(bits).unwrap_or(0) && is_probable_prime(&candidate) {
                return candidate;
            }
        }
    }
}

/// Whether one of the primes below [`SIEVE`] divides a number; costs much less than testing it.
pub(super) fn has_small_factor(number: &BigUint, small: &[u32]) -> bool {
    small.iter().any(|prime| remainder(number, *prime) == 0)
}

fn remainder(number: &BigUint, by: u32) -> u32 {
    let rest =
        number.to_bytes_be().iter().fold(0u64, |rest, byte| (rest << 8 | u64::from(*byte)) % u64::from(by.max(1)));
    u32::try_from(rest).unwrap_or(0)
}

/// The odd primes below [`SIEVE`].
pub(super) fn small_primes() -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    for number in (3..SIEVE).step_by(2) {
        if found.iter().take_while(|prime| **prime * **prime <= number).all(|prime| number % prime != 0) {
            found.push(number);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{is_probable_prime, remainder};
    use num_bigint::BigUint;

    #[test]
    fn small_numbers_are_told_apart() {
        // 3,215,031,751 passes for the bases 2, 3, 5, 7; 561 and 41,041 are Carmichael numbers.
        for (number, prime) in
            [(59u64, true), (561, false), (41_041, false), (3_215_031_751, false), (4_294_967_291, true)]
        {
            assert_eq!(is_probable_prime(&BigUint::from(number)), prime, "{number}");
        }
        assert_eq!(remainder(&BigUint::from(1_000_003u32), 7), 1_000_003 % 7);
    }
}
