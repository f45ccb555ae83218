//! Where a source lies, for the question who may be told a login: scheme, host and port, and the path below.
//!
//! A registry without a scheme (`ghcr.io/org`, as Argo CD writes Helm's) is `oci://`. Names and passwords are no part of a place, except the
//! user of ssh.

use crate::source::{Parts, normalize_git_url, parts, usual_port};

/// A place, in the form in which places are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    scheme: String,
    /// User of ssh, host and port, where the port is not the usual one.
    authority: String,
    host: String,
    /// Begins with `/`, or is empty.
    path: String,
    text: String,
}

impl Place {
    /// The place of a URL; `None` for folders and for what is no URL.
    pub(super) fn of(url: &str) -> Option<Self> {
        let url = url.trim();
        let head = url.split('/').next().unwrap_or_default();
        if url.is_empty() || url.starts_with(['/', '.']) {
            return None;
        }
        let normal = match url.contains("://") {
            true => normalize_git_url(url),
            false if head.contains('@') && head.contains(':') => normalize_git_url(url),
            false if head.contains('@') => format!("ssh://{}", url.trim_end_matches('/').to_lowercase()),
            false => format!("oci://{}", url.trim_end_matches('/').to_lowercase()),
        };
        let Parts { scheme, user, host, port, path } = parts(&normal)?;
        let port = if port == usual_port(scheme) { "" } else { port };
        let user = if scheme == "ssh" { user } else { "" };
        let at = if user.is_empty() { "" } else { "@" };
        let colon = if port.is_empty() { "" } else { ":" };
        let authority = format!("{user}{at}{host}{colon}{port}");
        Some(Place {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            text: format!("{scheme}://{authority}{path}"),
            authority,
        })
    }

    /// Host and port (and the user of ssh).
    pub(super) fn authority(&self) -> String {
        self.authority.clone()
    }

    /// The name of the host.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The whole, as it is compared.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the other's URL is a beginning of this one, on the same host.
    pub(super) fn lies_in(&self, other: &Place) -> bool {
        let same = self.scheme == other.scheme && self.authority == other.authority;
        // A server would read `/org/../other` as `/other`.
        let climbs = self.path.contains("..") || self.path.contains("%2e");
        same && (other.path.is_empty() || !climbs && self.path.starts_with(&other.path))
    }

    /// Whether both are on one server, so that what one may be told the other may.
    pub(super) fn same_server(&self, other: &Place) -> bool {
        self.scheme == other.scheme && self.authority == other.authority
    }

    /// Registry and path in it, of a registry.
    pub(super) fn registry(&self) -> Option<(String, &str)> {
        let authority = match self.authority.as_str() {
            "registry-1.docker.io" | "index.docker.io" => "docker.io",
            authority => authority,
        };
        (self.scheme == "oci").then(|| (authority.to_owned(), self.path.as_str()))
    }

    /// Host and port where the connection is encrypted: what netrc names. Passwords of netrc are sent over no other.
    pub(super) fn secure_authority(&self) -> Option<&str> {
        matches!(self.scheme.as_str(), "https" | "oci").then_some(self.authority.as_str())
    }
}
