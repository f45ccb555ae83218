//! Where manifests come from: repositories, charts, artifacts, and how their URLs compare.

/// A source that some application, generator or base asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceRequest {
    /// What kind of source.
    pub kind: SourceKind,
    /// The URL as written.
    pub url: String,
    /// Branch, tag, commit, version or constraint as written; empty stands for HEAD.
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

/// The form in which two git URLs are compared: lower case, without scheme differences between the ssh forms, user, `.git` and trailing slash.
///
/// Rules of Argo CD `util/git/git.go` `NormalizeGitURL`: `git@host:org/repo.git` equals `ssh://git@host/org/repo`.
pub fn normalize_git_url(url: &str) -> String {
    let mut text = url.trim().to_lowercase();
    text = text.trim_end_matches('/').to_owned();
    if let Some(stripped) = text.strip_suffix(".git") {
        text = stripped.to_owned();
    }
    if !text.contains("://")
        && let Some((host, path)) = text.split_once(':')
        && !host.contains('/')
    {
        text = format!("ssh://{host}/{}", path.trim_start_matches('/'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::normalize_git_url;

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
        assert_eq!(normalize_git_url("https://github.com/Org/Repo.git"), "https://github.com/org/repo");
    }
}
