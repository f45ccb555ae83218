//! What a resource path means that is no path: a file by HTTP or a git repository, by the rules of `api/internal/git/repospec.go`.
//!
//! Only names what is wanted; getting it is somebody else's. The original downloads every http URL first and takes it for a repository where
//! that gives no resources; here the URL alone decides: one that names a YAML or JSON file, or that cannot be a repository, is a file.
//! `timeout` does not count: how long is waited is the same for all sources.

use percent_encoding::percent_decode_str;
use smol_str::SmolStr;

use crate::source::{SourceKind, SourceRequest, WITHOUT_SUBMODULES};

/// A resource that lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    /// The repository and revision, or the file.
    pub request: SourceRequest,
    /// The path in it.
    pub path: SmolStr,
}

const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];

/// Reads a URL; `None` for what is a plain path.
pub(super) fn parse(text: &str) -> Option<Remote> {
    if text.starts_with('/') {
        return None;
    }
    let (url, query) = text.split_once('?').unwrap_or((text, ""));
    let is_http = ["https://", "http://"].iter().any(|scheme| after(text, scheme).is_some());
    let names_file = [".yaml", ".yml", ".json"].iter().any(|end| url.ends_with(end));
    let repository = if is_http && names_file { None } else { repository(url) };
    let Some((repository, path)) = repository else {
        let name = url.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index");
        let request = SourceRequest { kind: SourceKind::File, url: text.to_owned(), revision: String::new() };
        return is_http.then(|| Remote { request, path: name.into() });
    };
    let values = query_values(query).unwrap_or_default();
    let value = |name: &str| values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let revision = value("ref").filter(|value| !value.is_empty()).or_else(|| value("version")).unwrap_or_default();
    // Go's strconv.ParseBool; anything else is the default.
    let without = matches!(value("submodules"), Some("0" | "f" | "F" | "false" | "FALSE" | "False"));
    let repository = if without { format!("{repository}{WITHOUT_SUBMODULES}") } else { repository };
    Some(Remote { request: SourceRequest::git(repository, revision), path: path.trim_matches('/').into() })
}

/// What follows a beginning in whatever case.
fn after<'t>(text: &'t str, beginning: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then_some(rest)
}

/// A query as Go's `url.ParseQuery` reads it; `None` where it does not.
fn query_values(query: &str) -> Option<Vec<(String, String)>> {
    let plain = |text: &str| {
        let escapes = text.split('%').skip(1);
        for escape in escapes {
            escape.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        }
        let text = text.replace('+', " ");
        Some(percent_decode_str(&text).decode_utf8_lossy().into_owned())
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if pair.contains(';') { None } else { Some((plain(name)?, plain(value)?)) }
        })
        .collect()
}

/// The repository that a URL names, and the path in it.
fn repository(url: &str) -> Option<(String, String)> {
    // A prefix of go-getter, which the original ignores.
    let url = after(url, "git::").unwrap_or(url);
    let (scheme, rest) = SCHEMES.iter().find_map(|scheme| Some((*scheme, after(url, scheme)?))).unwrap_or(("", url));
    if scheme == "file://" {
        let (repository, path) = split(rest, usize::MAX)?;
        return Some((format!("{scheme}{repository}"), path));
    }
    let (user, rest) = user(rest);
    let github = ["github.com/", "github.com:"].iter().any(|host| after(rest, host).is_some());
    // Without a scheme it is `user@host:path`, or a repository of GitHub.
    let short = scheme.is_empty();
    if short && user.is_empty() && !github {
        return None;
    }
    let slash = rest.find('/');
    let colon = rest.find(':').filter(|at| short && *at > 0 && slash.is_none_or(|slash| *at < slash));
    let (host, rest) = rest.split_at_checked(colon.or(slash)? + 1)?;
    let (repository, path) = split(rest, 2)?;
    let server = match (github, scheme, user) {
        (true, "https://" | "http://" | "", "") => "https://github.com/".to_owned(),
        (true, ..) => format!("{user}github.com:"),
        (false, ..) => format!("{scheme}{user}{host}"),
    };
    Some((format!("{server}{repository}"), path))
}

/// `name@` at the beginning.
fn user(text: &str) -> (&str, &str) {
    let name = text.find('@').and_then(|at| text.split_at_checked(at + 1)).filter(|(user, _)| {
        let name = user.trim_end_matches('@');
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    name.unwrap_or(("", text))
}

/// Repository and path in it: behind the name after `_git/`, at `//`, behind `.git`, else behind so many names.
fn split(text: &str, names: usize) -> Option<(String, String)> {
    let cut = |at: usize| text.split_at_checked(at);
    let (repository, path) = if let Some(at) = text.find("_git/") {
        let begin = at + "_git/".len();
        let name = text.get(begin..)?.find('/').unwrap_or(text.len() - begin);
        cut(begin + name)?
    } else if let Some(at) = text.find("//") {
        cut(at)?
    } else if let Some(at) = text.find(".git") {
        cut(at + ".git".len())?
    } else if names == usize::MAX {
        (text, "")
    } else {
        match text.match_indices('/').nth(names - 1) {
            Some((at, _)) => cut(at)?,
            None if text.split('/').count() == names => (text, ""),
            None => return None,
        }
    };
    if repository.is_empty() || leaves(path) {
        return None;
    }
    Some((repository.to_owned(), path.to_owned()))
}

/// Whether a path leads out of where it begins.
fn leaves(path: &str) -> bool {
    let mut depth = 0_i64;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::source::SourceKind;

    /// Repository, revision and path; `file` before those that are downloaded.
    fn shown(text: &str) -> String {
        let Some(remote) = parse(text) else { return "none".to_owned() };
        match remote.request.kind {
            SourceKind::File => format!("file {} {}", remote.request.url, remote.path),
            _ => format!("{} {} {}", remote.request.url, remote.request.revision, remote.path).trim_end().to_owned(),
        }
    }

    #[test]
    fn urls_are_split_as_kustomize_splits_them() {
        for (text, want) in [
            // Servers.
            ("gitHub.com/org/repo", "https://github.com/org/repo"),
            ("github.com:org/repo/sub?ref=v1", "https://github.com/org/repo v1 sub"),
            ("http://github.com/org/repo/sub", "https://github.com/org/repo  sub"),
            ("hTTps://github.com/org/repo.git/a/b", "https://github.com/org/repo.git  a/b"),
            ("git::https://gitlab.com/org/repo", "https://gitlab.com/org/repo"),
            ("GIT::http://git.example.com/org/repo/x", "http://git.example.com/org/repo  x"),
            ("ssh://git.example.com:7999/org/repo", "ssh://git.example.com:7999/org/repo"),
            ("ssh://git@github.com/org/repo//x?ref=v1", "git@github.com:org/repo v1 x"),
            ("ssh://git@ssh.github.com:443/A/B.git", "ssh://git@ssh.github.com:443/A/B.git"),
            ("git@github.com/org/repo/x", "git@github.com:org/repo  x"),
            ("org-1@github.com:org/repo", "org-1@github.com:org/repo"),
            ("git@host.example:infra/k8s/base.git?ref=v0.1.0", "git@host.example:infra/k8s/base.git v0.1.0"),
            ("git@host.example:org/repo.git//x?ref=b", "git@host.example:org/repo.git b x"),
            ("git@gist.github.com:0123.git", "git@gist.github.com:0123.git"),
            ("git@gitlab.com/user:name/repo.git/p", "git@gitlab.com/user:name/repo.git  p"),
            ("http://git@home.com/path/to/repo.git//p", "http://git@home.com/path/to/repo.git  p"),
            // Where the repository ends.
            ("https://example.org/path/to/repo//a/b/?ref=x", "https://example.org/path/to/repo x a/b"),
            ("https://example.org/path/to/repo.git/a/b", "https://example.org/path/to/repo.git  a/b"),
            ("https://u@dev.azure.com/org/p/_git/repo//a", "https://u@dev.azure.com/org/p/_git/repo  a"),
            ("https://tfs.example/c/p/_git/r/d?version=v1", "https://tfs.example/c/p/_git/r v1 d"),
            ("https://tfs.example/c/p/_git/r", "https://tfs.example/c/p/_git/r"),
            ("file://a/b/repo.git/p?ref=x", "file://a/b/repo.git x p"),
            ("file:///a/b/repo//p?ref=x", "file:///a/b/repo x p"),
            ("file:///a/b/repo", "file:///a/b/repo"),
            // The query.
            ("https://h/o/r?ref=group/version", "https://h/o/r group/version"),
            ("https://h/o/r/?ref=includes_git/x", "https://h/o/r includes_git/x"),
            ("https://h/o/r?version=main&ref=v1", "https://h/o/r v1"),
            ("https://h/o/r?version=main&ref=", "https://h/o/r main"),
            ("https://h/o/r?timeout=61s&version=a%2Fb", "https://h/o/r a/b"),
            ("https://h/o/r?ref=%zz", "https://h/o/r"),
            ("https://h/o/r?submodules=false&ref=v1", "https://h/o/r?submodules=false v1"),
            ("https://h/o/r?submodules=maybe&ref=v1", "https://h/o/r v1"),
            ("https://h/o/r?ref=a&ref=b", "https://h/o/r a"),
            // Files.
            ("https://raw.example/o/r/main/x.yaml", "file https://raw.example/o/r/main/x.yaml x.yaml"),
            ("https://h/a.yml?token=1", "file https://h/a.yml?token=1 a.yml"),
            ("HTTPS://h/a.json", "file HTTPS://h/a.json a.json"),
            ("https://github.com/thisisa404.yaml", "file https://github.com/thisisa404.yaml thisisa404.yaml"),
            ("https://h/manifest", "file https://h/manifest manifest"),
            ("https://host?ref=group/version", "file https://host?ref=group/version host"),
            // Paths.
            ("/tmp", "none"),
            ("../../tmp", "none"),
            ("base", "none"),
            ("base/x.yaml", "none"),
            ("src/github.com/org/repo/path", "none"),
            ("htxxxtp://github.com/", "none"),
            ("ssh://git.example.com", "none"),
            ("git::___", "none"),
            ("github.com!org/repo.git//path", "none"),
            ("gh:org/repo", "none"),
            ("file:////tmp//path", "none"),
            ("git@github.com:org/repo.git//path/../../x", "none"),
            ("git@ssh://github.com/org/repo.git//path", "none"),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }
}
