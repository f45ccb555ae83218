//! Where manifests come from: repositories, charts, artifacts, and how their URLs compare.

/// A source that some application, generator or base asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceRequest {
    /// What kind of source.
    pub kind: SourceKind,
    /// The URL as written.
    pub url: String,
    /// Branch, tag, commit, version or constraint as written; empty stands for HEAD. With a `tagPrefix` of Argo CD `prefix:constraint`.
    pub revision: String,
}

/// What kind of source a URL names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// A git repository.
    Git,
    /// A chart of a Helm repository (index or OCI).
    Chart(String),
    /// An OCI artifact (`oci://`).
    Oci,
    /// A single file by HTTP (kustomize resources).
    File,
}

/// At the end of a git URL: the repository without its submodules, as kustomize has it in the query of its own URLs.
pub const WITHOUT_SUBMODULES: &str = "?submodules=false";

impl SourceRequest {
    /// A git repository at a revision.
    pub fn git(url: impl Into<String>, revision: impl Into<String>) -> Self {
        SourceRequest { kind: SourceKind::Git, url: url.into(), revision: revision.into() }
    }
}

impl std::fmt::Display for SourceRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            SourceKind::Chart(chart) => write!(f, "chart {chart} of {}", self.url)?,
            _ => write!(f, "{}", self.url)?,
        }
        if !self.revision.is_empty() {
            write!(f, " at {}", self.revision)?;
        }
        Ok(())
    }
}

/// The form in which two git URLs are compared: lower case, without scheme differences between the ssh forms, `.git` and trailing slash.
///
/// Rules of Argo CD `util/git/git.go` `NormalizeGitURL`: `git@host:org/repo.git` equals `ssh://git@host/org/repo`.
pub fn normalize_git_url(url: &str) -> String {
    let url = url.trim();
    let mut text = url.strip_suffix(WITHOUT_SUBMODULES).unwrap_or(url).to_lowercase();
    text.truncate(text.trim_end_matches('/').len());
    if let Some(stripped) = text.strip_suffix(".git") {
        text.truncate(stripped.trim_end_matches('/').len());
    }
    if !text.contains("://")
        && let Some((host, path)) = text.split_once(':')
        && !host.contains('/')
    {
        text = format!("ssh://{host}/{}", path.trim_start_matches('/'));
    }
    text
}

/// What a URL is made of. Nothing is decoded and no case is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'u> {
    /// Before `://`.
    pub scheme: &'u str,
    /// What stands before `@`; empty where there is none.
    pub user: &'u str,
    /// The host; one by number of version 6 has its brackets.
    pub host: &'u str,
    /// The port that is written, else the usual one of the scheme; empty where neither is known.
    pub port: &'u str,
    /// What stands behind the host, with the slash.
    pub path: &'u str,
}

/// The port of a scheme where none is written.
pub fn usual_port(scheme: &str) -> &'static str {
    match scheme {
        "https" | "oci" => "443",
        "http" => "80",
        "ssh" => "22",
        _ => "",
    }
}

/// The parts of a URL with a host: `scheme://user@host:port/path`; `None` of any other text.
pub fn parts(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.find(['/', '?', '#']).and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    let (user, server) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        // An IPv6 address ends with a bracket.
        Some(_) if server.ends_with(']') => (server, ""),
        Some(_) => return None,
        None => (server, ""),
    };
    let port = if port.is_empty() { usual_port(scheme) } else { port };
    (!host.is_empty()).then_some(Parts { scheme, user, host, port, path })
}

/// Whether two git URLs name one repository for the question which local tree answers: same host and path, whatever the scheme and user.
///
/// Wider than [`normalize_git_url`], on purpose: people clone by ssh what their Applications name by https. Ports count where the
/// schemes are the same, since they tell servers apart only then.
pub fn same_repository(a: &str, b: &str) -> bool {
    let (a, b) = (normalize_git_url(a), normalize_git_url(b));
    if a == b {
        return true;
    }
    match (parts(&a), parts(&b)) {
        (Some(a), Some(b)) => {
            let (path, other) = (a.path.trim_start_matches('/'), b.path.trim_start_matches('/'));
            let is_path = !path.is_empty() && path == other;
            is_path && a.host == b.host && (a.scheme != b.scheme || a.port == b.port)
        }
        _ => false,
    }
}

/// Whether what `repositories:` of fleet.yaml says of one URL holds for another one.
pub fn is_answered_by(said: &str, url: &str) -> bool {
    normalize_git_url(said) == normalize_git_url(url) || same_repository(said, url)
}

/// A URL for messages: what stands between scheme and host (a token, a password) is left out, except the user of ssh.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    let Some((user, host)) = authority.rsplit_once('@') else { return url.to_owned() };
    if scheme == "ssh" && !user.contains(':') {
        return url.to_owned();
    }
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::{normalize_git_url, same_repository, without_credentials};

    #[test]
    fn ssh_forms_are_one() {
        let want = "ssh://git@github.com/org/repo";
        for url in [
            "git@github.com:org/repo.git",
            "ssh://git@github.com/org/repo.git",
            "git@GitHub.com:Org/Repo",
            "ssh://git@github.com/org/repo/",
        ] {
            assert_eq!(normalize_git_url(url), want, "{url}");
        }
        for url in ["https://github.com/Org/Repo.git", "https://github.com/Org/Repo?submodules=false"] {
            assert_eq!(normalize_git_url(url), "https://github.com/org/repo");
        }
    }

    #[test]
    fn clones_by_other_schemes_are_the_same_repository() {
        let https = "https://github.com/Org/Repo.git";
        for (a, b, same) in [
            (https, "git@github.com:org/repo", true),
            (https, "https://token@github.com/org/repo/", true),
            (https, "https://github.com/org/other", false),
            (https, "https://gitlab.com/org/repo", false),
            ("ssh://git@host:2222/org/repo", "https://host/org/repo.git", true),
            ("https://host:8443/org/repo", "https://host/org/repo", false),
            ("https://host:443/org/repo", "https://host/org/repo", true),
            ("/srv/repo.git", "/srv/repo", true),
            ("repo", "other", false),
        ] {
            assert_eq!(same_repository(a, b), same, "{a} {b}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        for (url, want) in [
            ("https://user:secret@host/org/repo", "https://host/org/repo"),
            ("https://token@host/org", "https://host/org"),
            ("ssh://git@host/org", "ssh://git@host/org"),
            ("git@host:org/repo", "git@host:org/repo"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(without_credentials(url), want);
        }
    }
}
