//! Which of two versions is the older one, as far as that can be told: numbers with dots, as tags and charts have them.

use std::cmp::Ordering;

/// Whether `new` is an older version than `old`. Branches, commits and digests have no order: `false`.
pub fn is_older(new: &str, old: &str) -> bool {
    match (parse(new), parse(old)) {
        (Some(new), Some(old)) => order(&new, &old) == Ordering::Less,
        _ => false,
    }
}

/// Numbers, and the pre-release behind `-`.
type Parsed<'t> = (Vec<u64>, &'t str);

fn parse(text: &str) -> Option<Parsed<'_>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split_once('+').map_or(text, |(text, _)| text);
    let (core, pre) = text.split_once('-').unwrap_or((text, ""));
    // A single number is as likely a commit as a version.
    let numbers: Vec<u64> = core.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    (numbers.len() > 1).then_some((numbers, pre))
}

fn order((a, pre_a): &Parsed<'_>, (b, pre_b): &Parsed<'_>) -> Ordering {
    let longest = a.len().max(b.len());
    let number = |list: &[u64], at: usize| list.get(at).copied().unwrap_or_default();
    let numbers = (0..longest).map(|at| number(a, at).cmp(&number(b, at))).find(|order| order.is_ne());
    numbers.unwrap_or_else(|| match (pre_a.is_empty(), pre_b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => identifiers(pre_a, pre_b),
    })
}

fn identifiers(a: &str, b: &str) -> Ordering {
    let pairs = a.split('.').zip(b.split('.')).map(|(a, b)| match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    });
    pairs.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.split('.').count().cmp(&b.split('.').count()))
}
