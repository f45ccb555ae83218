//! `url`: absolute URLs and paths. (apiserver pkg/cel/library/urls.go, on Go's net/url)

use std::collections::BTreeMap;

use cel::common::types::{CelList, CelMap, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env};
use percent_encoding::percent_decode_str;

use super::slots::{bool_of, failed, of, own, own_type, text, text_of, texts_of};
use super::values::map_of;
use crate::template::sprig::{RequestUrl, request_url};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Url(RequestUrl);

own_type!(Url, "kubernetes.URL");

/// Host and port.
fn split(host: &str) -> (&str, &str) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            (name, port)
        }
        _ => (host, ""),
    };
    (name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name), port)
}

/// Go's `url.ParseQuery`; what is malformed is left out.
fn query(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        let escapes = text.split('%').skip(1);
        let good = escapes.into_iter().all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
        good.then(|| percent_decode_str(&text).decode_utf8_lossy().into_owned())
    };
    for pair in text.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(key), Some(value)) = (plain(key), plain(value)) {
            values.entry(key).or_default().push(value);
        }
    }
    values
}

/// A copy of a value of this type.
pub(super) fn kept(value: &dyn Val) -> Option<Box<dyn Val>> {
    value.downcast_ref::<Url>().map(|value| Box::new(value.clone()) as Box<dyn Val>)
}

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    let url = || of(&TYPE);
    env.add_overload("url", "string_to_url", vec![STRING_TYPE], |args| {
        let read = request_url(text(&args, 0)?).ok_or_else(|| failed("url", "no absolute URL"))?;
        Ok(CowVal::owned(Url(read)))
    })?;
    env.add_overload("isURL", "is_url_string", vec![STRING_TYPE], |args| {
        Ok(bool_of(request_url(text(&args, 0)?).is_some()))
    })?;
    env.add_member_overload("getScheme", "url_get_scheme", url(), vec![], |args| {
        Ok(text_of(own::<Url>(&args, 0)?.0.scheme.clone()))
    })?;
    env.add_member_overload("getHost", "url_get_host", url(), vec![], |args| {
        Ok(text_of(own::<Url>(&args, 0)?.0.host.clone()))
    })?;
    env.add_member_overload("getHostname", "url_get_hostname", url(), vec![], |args| {
        Ok(text_of(split(&own::<Url>(&args, 0)?.0.host).0))
    })?;
    env.add_member_overload("getPort", "url_get_port", url(), vec![], |args| {
        Ok(text_of(split(&own::<Url>(&args, 0)?.0.host).1))
    })?;
    env.add_member_overload("getEscapedPath", "url_get_escaped_path", url(), vec![], |args| {
        Ok(text_of(own::<Url>(&args, 0)?.0.path.clone()))
    })?;
    env.add_member_overload("getQuery", "url_get_query", url(), vec![], |args| {
        let values = query(&own::<Url>(&args, 0)?.0.query).into_iter();
        let entries = values.map(|(key, values)| (key, Box::new(CelList::from(texts_of(values))) as Box<dyn Val>));
        let map: CelMap<'_> = map_of(entries);
        Ok(CowVal::owned(map))
    })
}
