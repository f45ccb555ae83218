//! Argo CD's other template language, `valyala/fasttemplate` as ApplicationSets use it without `goTemplate`: `{{ key }}` and nothing else.
//!
//! Facts (argocd.md 1.3): a text without a tag on one line is left alone; a tag's name is trimmed and looked up as it is; a name that is not known, or
//! whose value is no string, stays in the text as it was written; what is put in is not looked at again.

use std::collections::BTreeMap;

/// Replaces the tags of a text.
///
/// # Errors
/// An opening `{{` without its `}}` after a complete tag, in fasttemplate's words.
pub fn render(text: &str, parameters: &BTreeMap<String, String>) -> Result<String, String> {
    if !text.lines().any(has_tag) {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((tag, after)) = tail.split_once("}}") else {
            let (text, tail) = (super::fmt::quote(text.as_bytes()), super::fmt::quote(tail.as_bytes()));
            return Err(format!(
                "invalid template: Cannot find end tag=\"}}}}\" in the template={text} starting from {tail}"
            ));
        };
        match parameters.get(tag.trim()) {
            Some(value) => out.push_str(value),
            None => {
                out.push_str("{{");
                out.push_str(tag);
                out.push_str("}}");
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Argo CD's test whether there is anything to do: Go's regular expression `.*{{.*}}.*`, whose dot stays on its line.
fn has_tag(line: &str) -> bool {
    match (line.find("{{"), line.rfind("}}")) {
        (Some(open), Some(close)) => close >= open + 2,
        _ => false,
    }
}
