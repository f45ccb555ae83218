//! Version constraints over tags, as Argo CD resolves a `targetRevision` such as `v1.*` or `>=1.2 <2`.
//!
//! Semantics of Masterminds/semver 3: operators `= != > < >= => <= =< ~ ~> ^`, wildcards, hyphen ranges, comma or space for
//! "and", `||` for "or"; a constraint without pre-release does not admit pre-releases. A plain version (`1.2`, `v1.0`) is no constraint:
//! it must equal a tag. Checked against recorded answers of the original. Nothing here knows of git.

use std::cmp::Ordering;

/// A version: three numbers and a pre-release; build metadata does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    numbers: [u64; 3],
    pre: Vec<String>,
}

impl Version {
    /// Reads `v1`, `1.2`, `1.2.3-rc.1+build`; missing numbers are zero.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let partial = Partial::parse(text)?;
        let mut numbers = [0; 3];
        if partial.wild {
            return None;
        }
        for (number, given) in numbers.iter_mut().zip(&partial.numbers) {
            *number = *given;
        }
        Some(Version { numbers, pre: partial.pre })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let pairs = self.pre.iter().zip(&other.pre).map(|(a, b)| match (a.parse::<u64>(), b.parse::<u64>()) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                });
                let first = pairs.into_iter().find(|order| order.is_ne());
                first.unwrap_or_else(|| self.pre.len().cmp(&other.pre.len()))
            }
        })
    }
}

/// A version with some numbers left open.
#[derive(Clone, Debug)]
struct Partial {
    /// The numbers that are given, at most three.
    numbers: Vec<u64>,
    /// Whether a wildcard stands for the next one.
    wild: bool,
    pre: Vec<String>,
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let identifiers = |text: &str| -> Option<Vec<String>> {
            let fine = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            text.split('.').map(|part| fine(part).then(|| part.to_owned())).collect()
        };
        let pre = pre.map_or(Some(Vec::new()), identifiers)?;
        build.map_or(Some(Vec::new()), identifiers)?;
        let mut partial = Partial { numbers: Vec::new(), wild: false, pre };
        for (index, part) in core.split('.').enumerate() {
            if index > 2 {
                return None;
            }
            match part {
                "x" | "X" | "*" => partial.wild = true,
                _ if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) => return None,
                // What follows a wildcard does not count.
                _ if partial.wild => {}
                _ => partial.numbers.push(part.parse().ok()?),
            }
        }
        Some(partial)
    }

    /// The lowest version that it stands for.
    fn low(&self) -> Version {
        let number = |index: usize| self.numbers.get(index).copied().unwrap_or_default();
        Version { numbers: [number(0), number(1), number(2)], pre: self.pre.clone() }
    }

    /// The first version above all that share the first `keep` numbers.
    fn above(&self, keep: usize) -> Option<Version> {
        let mut numbers = [0; 3];
        let last = keep.checked_sub(1)?;
        for (index, number) in numbers.iter_mut().enumerate().take(keep) {
            *number = self.numbers.get(index).copied().unwrap_or_default();
            if index == last {
                *number += 1;
            }
        }
        Some(Version { numbers, pre: Vec::new() })
    }

    fn is_open(&self) -> bool {
        self.numbers.len() < 3
    }
}

/// What a version must satisfy: one of the groups, all of its comparisons.
#[derive(Clone, Debug)]
pub(super) struct Constraint {
    groups: Vec<Vec<(Operator, Partial)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Greater,
    Less,
    AtLeast,
    AtMost,
    Tilde,
    Caret,
}

/// Longer spellings first.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::Unequal),
    (">=", Operator::AtLeast),
    ("=>", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=<", Operator::AtMost),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

impl Constraint {
    /// Reads a constraint; `None` for plain versions and for everything that is no constraint, such as names of branches.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if Version::parse(text).is_some() {
            return None;
        }
        let groups = text.split("||").map(group).collect::<Option<Vec<_>>>()?;
        Some(Constraint { groups })
    }

    /// Whether a version satisfies it.
    pub(super) fn admits(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| group.iter().all(|(operator, want)| satisfies(version, *operator, want)))
    }
}

fn group(text: &str) -> Option<Vec<(Operator, Partial)>> {
    let mut rest = text.trim();
    if let Some((low, high)) = rest.split_once(" - ") {
        let (low, high) = (Partial::parse(low.trim())?, Partial::parse(high.trim())?);
        return Some(vec![(Operator::AtLeast, low), (Operator::AtMost, high)]);
    }
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (operator, behind) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| rest.strip_prefix(sign).map(|behind| (*operator, behind)))
            .unwrap_or((Operator::Equal, rest));
        let behind = behind.trim_start();
        let end = behind.find([',', ' ', '<', '>', '=', '!', '~', '^']).unwrap_or(behind.len());
        let (version, after) = behind.split_at_checked(end)?;
        all.push((operator, Partial::parse(version)?));
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    if all.is_empty() { None } else { Some(all) }
}

fn satisfies(version: &Version, operator: Operator, want: &Partial) -> bool {
    if !version.pre.is_empty() && want.pre.is_empty() {
        return false;
    }
    let low = want.low();
    // A pre-release of the first version above is above, too.
    let below = |keep: usize| want.above(keep).is_none_or(|high| version.numbers < high.numbers);
    let given = want.numbers.len();
    match operator {
        // A wildcard alone is read as 0.0.0 by some operators.
        Operator::Unequal if given == 0 => true,
        Operator::Greater if given == 0 => *version > low,
        Operator::AtMost if given == 0 => matches!(version.numbers, [0, 0, _]),
        Operator::Caret if given == 0 => version.numbers == [0; 3],
        // An open version equals all that it stands for.
        Operator::Equal if want.is_open() => *version >= low && below(given),
        Operator::Equal => *version == low,
        Operator::Unequal if want.is_open() => !(*version >= low && below(given)),
        Operator::Unequal => *version != low,
        Operator::Greater if want.is_open() => !below(given),
        Operator::Greater => *version > low,
        Operator::Less => *version < low,
        Operator::AtLeast => *version >= low,
        Operator::AtMost if want.is_open() => below(given),
        Operator::AtMost => *version <= low,
        Operator::Tilde => *version >= low && below(given.min(2)),
        Operator::Caret => {
            let first = want.numbers.iter().position(|number| *number > 0);
            // All given numbers zero: `^0.0` keeps both, `^0.0.0` all three.
            let keep = first.map_or(given, |at| at + 1);
            *version >= low && below(keep)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Constraint, Version};

    /// The answers of Masterminds/semver, recorded (`fixtures/host/record`).
    const RECORDED: &str = include_str!("../../fixtures/host/constraints.txt");

    #[test]
    fn constraints_admit_what_masterminds_admits() {
        let mut lines = RECORDED.lines().skip(1);
        let versions: Vec<&str> = lines.next().unwrap().trim_start_matches("# versions: ").split(' ').collect();
        let mut wrong = Vec::new();
        for line in lines {
            let (text, want) = line.split_once('\t').unwrap();
            let got = Constraint::parse(text).map_or("-".to_owned(), |constraint| {
                let admitted = |version: &&&str| constraint.admits(&Version::parse(version).unwrap());
                versions.iter().filter(admitted).copied().collect::<Vec<_>>().join(" ")
            });
            if got != want {
                wrong.push(format!("{text:?}\n  want {want}\n  got  {got}"));
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn names_and_versions_are_no_constraints() {
        for text in ["1.2", "v1.0", "1.2.3-rc.1", "main", "feature/x", "release-1.2", "", "v", "1.2.3.4"] {
            assert!(Constraint::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn pre_releases_are_older() {
        let order =
            ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0", "v1.0.1"];
        for pair in order.windows(2) {
            assert!(Version::parse(pair[0]).unwrap() < Version::parse(pair[1]).unwrap(), "{pair:?}");
        }
    }
}
