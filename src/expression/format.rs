//! `format`: texts of the forms that Kubernetes names. (apiserver pkg/cel/library/format.go)
//!
//! A check gives what is wrong as texts, or none; the texts are short words of ours, not the server's long ones.

use cel::common::types::STRING_TYPE;
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env};

use super::slots::{list_of, of, optional, own, own_type, text, texts_of};
use crate::template::sprig::request_url;
use crate::validate::has_format;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format(&'static str);

own_type!(Format, "kubernetes.NamedFormat");

const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

fn is_label(text: &str, letter_first: bool) -> bool {
    let ends = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && (!letter_first || bytes.first().is_some_and(u8::is_ascii_lowercase))
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_long_label)
}

/// A label without the limit of its length, which a subdomain does not set for its parts.
fn is_long_label(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(good)
        && bytes.last().copied().is_some_and(good)
        && bytes.iter().all(|b| good(*b) || *b == b'-')
}

fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().copied().is_some_and(good)
        && bytes.last().copied().is_some_and(good)
        && bytes.iter().all(|b| good(*b) || b"-_.".contains(b))
}

/// With a dash at the end that something is put behind.
fn prefix(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if text.len() > 1 => format!("{rest}a"),
        _ => text.to_owned(),
    }
}

fn fits(format: &str, text: &str) -> bool {
    match format {
        "dns1123Label" => is_label(text, false),
        "dns1123LabelPrefix" => is_label(&prefix(text), false),
        "dns1035Label" => is_label(text, true),
        "dns1035LabelPrefix" => is_label(&prefix(text), true),
        "dns1123Subdomain" => is_subdomain(text),
        "dns1123SubdomainPrefix" => is_subdomain(&prefix(text)),
        "qualifiedName" => match text.split_once('/') {
            Some((domain, name)) => is_subdomain(domain) && is_name(name),
            None => is_name(text),
        },
        "labelValue" => text.is_empty() || is_name(text),
        "uri" => request_url(text).is_some(),
        "datetime" => has_format(text, "date-time"),
        other => has_format(text, other),
    }
}

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("format.named", "format_named", vec![STRING_TYPE], |args| {
        let name = text(&args, 0)?;
        let known = NAMES.into_iter().find(|known| *known == name);
        Ok(optional(known.map(|known| Box::new(Format(known)) as Box<dyn Val>)))
    })?;
    macro_rules! named {
        ($($name:literal),*) => {
            $(env.add_overload(concat!("format.", $name), concat!("format_", $name), vec![], |_| {
                Ok(CowVal::owned(Format($name)))
            })?;)*
        };
    }
    named!(
        "dns1123Label",
        "dns1123Subdomain",
        "dns1035Label",
        "qualifiedName",
        "dns1123LabelPrefix",
        "dns1123SubdomainPrefix",
        "dns1035LabelPrefix",
        "labelValue",
        "uri",
        "uuid",
        "byte",
        "date",
        "datetime"
    );
    env.add_member_overload("validate", "format_validate", of(&TYPE), vec![STRING_TYPE], |args| {
        let format = own::<Format>(&args, 0)?.0;
        if fits(format, text(&args, 1)?) {
            return Ok(optional(None));
        }
        let wrong = list_of(texts_of([format!("must be a {format}")]));
        Ok(optional(Some(wrong.into_owned())))
    })
}
