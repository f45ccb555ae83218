//! The natural order of keys: go-yaml v2's sorter.go.
//!
//! Characters compare by code point, but letters come after everything else, and runs of digits compare as numbers. The relation is not
//! transitive for all texts (numbers wrap at 64 bits), so sorting is a merge that accepts any relation.

use std::cmp::Ordering;

use unicode_general_category::{GeneralCategory as Category, get_general_category};

fn is_letter(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    use Category::{LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter};
    matches!(
        get_general_category(c),
        UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter
    )
}

fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { get_general_category(c) == Category::DecimalNumber }
}

/// Compares two keys in the natural order of go-yaml v2.
pub fn natural(a: &str, b: &str) -> Ordering {
    compare(a, b, false)
}

/// Compares two keys in the natural order of go-yaml v3: behind a digit, letters come first.
pub fn natural_v3(a: &str, b: &str) -> Ordering {
    compare(a, b, true)
}

fn compare(a: &str, b: &str, v3: bool) -> Ordering {
    // Most pairs differ within ASCII letters: no need to look further.
    let (left, right) = (a.as_bytes(), b.as_bytes());
    let common = left.iter().zip(right).take_while(|(x, y)| x == y).count();
    match (left.get(common), right.get(common)) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Less,
        (Some(_), None) => return Ordering::Greater,
        (Some(x), Some(y)) if x.is_ascii_alphabetic() && y.is_ascii_alphabetic() => return x.cmp(y),
        _ => {}
    }
    // Back to the start of the character that differs.
    let start = (0..=common).rev().find(|at| a.is_char_boundary(*at)).unwrap_or(0);
    let (Some(rest_a), Some(rest_b)) = (a.get(start..), b.get(start..)) else { return Ordering::Equal };
    let (Some(x), Some(y)) = (rest_a.chars().next(), rest_b.chars().next()) else {
        return rest_a.len().cmp(&rest_b.len());
    };
    match (is_letter(x), is_letter(y)) {
        (true, true) => return x.cmp(&y),
        (true, false) if v3 && after_digit(a, start) => return Ordering::Less,
        (false, true) if v3 && after_digit(a, start) => return Ordering::Greater,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // After digits that are not all zeros, a zero is part of the number and not a leading one.
    let mut seed = 0i64;
    if x == '0' || y == '0' {
        let before = a.get(..start).unwrap_or_default();
        if before.chars().rev().take_while(|c| is_digit(*c)).any(|c| c != '0') {
            seed = 1;
        }
    }
    let (number_a, length_a) = run(rest_a, seed);
    let (number_b, length_b) = run(rest_b, seed);
    number_a.cmp(&number_b).then(length_a.cmp(&length_b)).then(x.cmp(&y))
}

fn after_digit(text: &str, at: usize) -> bool {
    text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(is_digit)
}

/// The number that a text starts with, and how many characters it has.
fn run(text: &str, seed: i64) -> (i64, usize) {
    text.chars().take_while(|c| is_digit(*c)).fold((seed, 0), |(number, length), c| {
        (number.wrapping_mul(10).wrapping_add(i64::from(u32::from(c)) - i64::from(u32::from('0'))), length + 1)
    })
}

/// Sorts by a key in natural order.
pub fn sort_natural<T>(items: &mut Vec<T>, key: impl Fn(&T) -> &str) {
    sort_by(items, &|a, b| natural(key(a), key(b)));
}

/// Sorts by any relation, whether it is an order or not.
pub(super) fn sort_by<T>(items: &mut Vec<T>, relation: &dyn Fn(&T, &T) -> Ordering) {
    if items.windows(2).all(|pair| match pair {
        [a, b] => relation(a, b) != Ordering::Greater,
        _ => true,
    }) {
        return;
    }
    if items.len() <= 16 {
        for at in 1..items.len() {
            let mut to = at;
            while to > 0 && relation(&items[to], &items[to - 1]) == Ordering::Less {
                items.swap(to, to - 1);
                to -= 1;
            }
        }
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    sort_by(items, relation);
    sort_by(&mut right, relation);
    let left = std::mem::take(items);
    items.reserve(left.len() + right.len());
    let mut left = left.into_iter().peekable();
    let mut right = right.into_iter().peekable();
    loop {
        let from_right = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => relation(b, a) == Ordering::Less,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => break,
        };
        items.extend(if from_right { right.next() } else { left.next() });
    }
}
