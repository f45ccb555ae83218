//! What a resource path means that is no path: a file by HTTP or a git repository
//! (api/internal/git/repospec.go). Only names what is wanted; getting it is somebody else's.

use smol_str::SmolStr;

use crate::source::{SourceKind, SourceRequest};

/// A resource that lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    /// The repository and revision, or the file.
    pub request: SourceRequest,
    /// The path in it.
    pub path: SmolStr,
}

/// Reads a URL; `None` for what is a plain path.
pub(super) fn parse(text: &str) -> Option<Remote> {
    let text = text.strip_prefix("git::").unwrap_or(text);
    let (url, query) = text.split_once('?').unwrap_or((text, ""));
    let is_http = url.starts_with("https://") || url.starts_with("http://");
    let file = [".yaml", ".yml", ".json"].iter().any(|end| url.ends_with(end));
    if is_http && file && query_value(query, "ref").is_none() && !after_scheme(url).contains("//") {
        let name = url.rsplit('/').next().unwrap_or_default();
        let request = SourceRequest { kind: SourceKind::File, url: text.to_owned(), revision: String::new() };
        return Some(Remote { request, path: name.into() });
    }
    let known_host = ["github.com/", "github.com:"].iter().any(|host| url.to_lowercase().starts_with(host));
    let ssh = url.starts_with("ssh://") || (url.contains('@') && url.contains(':') && !is_http);
    if !is_http && !known_host && !ssh && !url.starts_with("file://") {
        return None;
    }
    let revision = query_value(query, "ref").or_else(|| query_value(query, "version")).unwrap_or_default();
    let (repository, path) = split_repository(url);
    let repository = if known_host { format!("https://{}", repository.replacen(':', "/", 1)) } else { repository };
    Some(Remote { request: SourceRequest::git(repository, revision), path: path.trim_matches('/').into() })
}

fn after_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

fn query_value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Repository and path in it: split at `//`, behind `.git`, at `_git/`, or behind owner and name.
fn split_repository(url: &str) -> (String, String) {
    let scheme = url.len() - after_scheme(url).len();
    let cut = |at: usize, skip: usize| {
        let (repository, path) = (url.get(..at).unwrap_or(url), url.get(at + skip..).unwrap_or_default());
        (repository.to_owned(), path.to_owned())
    };
    let rest = after_scheme(url);
    if let Some(at) = rest.find("//") {
        return cut(scheme + at, 2);
    }
    if let Some(at) = rest.find(".git/") {
        return cut(scheme + at + ".git".len(), 1);
    }
    if rest.ends_with(".git") {
        return (url.to_owned(), String::new());
    }
    // Azure: the repository is the name behind `_git/`. Elsewhere owner and name follow the host.
    let names = match rest.find("_git/") {
        Some(at) => rest.get(..at).unwrap_or_default().matches('/').count() + 2,
        None if rest.contains('@') && rest.contains(':') && scheme == 0 => 2,
        None => 3,
    };
    match rest.match_indices('/').nth(names - 1) {
        Some((at, _)) => cut(scheme + at, 1),
        None => (url.to_owned(), String::new()),
    }
}
