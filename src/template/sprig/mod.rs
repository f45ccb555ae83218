//! sprig 3.3.0, the function library of Argo CD's and Helm's templates: one module a family, each a table name → signature → function.
//!
//! Same results and same error texts as sprig, with these exceptions, each deliberate: `keys` and `values` are sorted by key, where Go's
//! order is random; `Local` is UTC, since the core has no environment, and other zones are those of the database that is built in; functions that need a clock or
//! randomness fail unless [`Options`](super::Options) brings [`Effects`](super::Effects); of private keys that templates bring along only
//! RSA, P-256, Ed25519 and DSA are read, and signatures of P-256 need no randomness; `env`, `expandenv` and `getHostByName` do not exist.
//! Results are limited in size, where Go would run out of memory.

mod cast;
mod certificates;
mod date;
mod defaults;
mod dicts;
mod effects;
mod equal;
mod json;
mod kinds;
mod lists;
mod maths;
mod names;
mod passwords;
mod paths;
mod regexes;
mod semver;
mod strings;
mod urls;

use super::function::{Failure, Functions};
pub(super) use json::parse as parse_json;
pub use regexes::go_regex;
pub(super) use semver::{is_version, satisfies};
pub use urls::{RequestUrl, request_url};

/// Bytes of one string that a function makes.
const MAX_BYTES: usize = 64 << 20;
/// Elements of one list that a function makes.
const MAX_ITEMS: usize = 4_000_000;

/// Adds all of sprig's functions.
pub fn extend(functions: &mut Functions) {
    for table in [
        certificates::TABLE,
        date::TABLE,
        defaults::TABLE,
        dicts::TABLE,
        effects::TABLE,
        json::TABLE,
        lists::TABLE,
        maths::TABLE,
        names::TABLE,
        passwords::TABLE,
        paths::TABLE,
        regexes::TABLE,
        semver::TABLE,
        strings::TABLE,
        kinds::TABLE,
        urls::TABLE,
    ] {
        functions.extend(table);
    }
}

/// The panic of a Go slice expression.
fn out_of_range(what: impl std::fmt::Display) -> Failure {
    Failure::new(format!("runtime error: slice bounds out of range {what}"))
}

/// What a nil pointer makes of a Go program.
fn nil_pointer() -> Failure {
    Failure::new("runtime error: invalid memory address or nil pointer dereference")
}

fn too_large() -> Failure {
    Failure::new("the result is too large")
}

fn length_of(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
