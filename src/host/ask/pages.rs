//! How services divide a list into pages, and what is said of the next one.

use serde_json::Value;

use super::super::service::origin;
use super::Reply;
use crate::host::fetch::Fault;

/// How the next page of a list is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pages {
    /// The answer is the list, and the `Link` header has the URL of the next page.
    Link,
    /// The list is `values`, and `next` the URL of the next page (Bitbucket Cloud).
    Next,
    /// The list is `values`, and `nextPageStart` where the next page begins, unless `isLastPage` (Bitbucket Server).
    Start,
}

/// A page: its items, and the URL of the next one.
type Page = (Vec<Value>, Option<String>);

impl Pages {
    /// Reads a page. `first` is the URL of the first one, `base` that of the API.
    pub(super) fn read(self, base: &str, first: &str, reply: &Reply, value: Value) -> Result<Page, Fault> {
        let no_list = || Fault::lasting(format!("{base} does not answer with a list"));
        let (items, next) = match (self, value) {
            (Pages::Link, Value::Array(items)) => (items, reply.link.as_deref().and_then(next).map(str::to_owned)),
            (Pages::Next | Pages::Start, Value::Object(mut page)) => {
                let Some(Value::Array(items)) = page.remove("values") else { return Err(no_list()) };
                let next = match self {
                    Pages::Start if page.get("isLastPage").and_then(Value::as_bool) != Some(false) => None,
                    Pages::Start => {
                        let start = page.get("nextPageStart").and_then(Value::as_u64).ok_or_else(|| {
                            Fault::lasting(format!("{base} has a next page, and does not say where it begins"))
                        })?;
                        Some(format!("{first}&start={start}"))
                    }
                    _ => page.get("next").and_then(Value::as_str).map(str::to_owned),
                };
                (items, next)
            }
            _ => return Err(no_list()),
        };
        match &next {
            Some(next) if origin(next) != origin(base) => {
                Err(Fault::lasting(format!("{base} names a next page on another host")))
            }
            _ => Ok((items, next)),
        }
    }
}

/// The URL with `rel="next"` of a `Link` header.
fn next(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (url, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        rest.split(';').any(|attribute| matches!(attribute.trim(), "rel=\"next\"" | "rel=next")).then_some(url)
    })
}
