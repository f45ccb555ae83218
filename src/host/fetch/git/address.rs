//! Where a git repository is: what a URL means, and which URLs are refused.
//!
//! https, http, ssh (also as `user@host:path`), `file://` and absolute paths. A URL comes from repositories of others and may reach the
//! command line of ssh and a shell on a server, so what could be taken for anything but a host or a path is refused here, once: control
//! characters, a leading `-`, helpers such as `ext::` (CVE-2017-1000117, CVE-2025-21613). Nothing is looked up.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::super::Fault;
use crate::source::without_credentials;

/// Where a repository is. Logins are no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// The URL without login and without a slash at the end.
    Http(String),
    Ssh(Ssh),
    /// A folder on this machine.
    Local(PathBuf),
}

/// A repository behind ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ssh {
    /// `user@host` or `host`, fit for a command line.
    pub(super) destination: String,
    pub(super) port: Option<u16>,
    /// The path for the server's shell, not quoted.
    pub(super) path: String,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is none that names a repository, or it is refused.
    pub(super) fn parse(url: &str) -> Result<Self, Fault> {
        let shown = || without_credentials(&url.replace(char::is_control, "?"));
        let wrong = |why: &str| Fault::lasting(format!("`{}` is no URL of a git repository: {why}", shown()));
        if url.is_empty() || url.chars().any(char::is_control) {
            return Err(wrong("it is empty or has control characters"));
        }
        if url.starts_with('-') {
            return Err(wrong("it begins with `-`"));
        }
        if let Some((scheme, rest)) = url.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                scheme @ ("http" | "https") => http(scheme, rest).map_err(wrong),
                "ssh" | "git+ssh" | "ssh+git" => ssh_url(rest).map_err(wrong),
                "file" => file(rest).map_err(wrong),
                "git" => Err(wrong("git:// is neither encrypted nor authenticated").hint("use https or ssh")),
                _ => Err(wrong("only https, http, ssh and file are known")),
            };
        }
        if url.starts_with('/') {
            return Ok(Address::Local(PathBuf::from(url)));
        }
        // Helpers of git are programs that it starts.
        if let Some((helper, _)) = url.split_once("::")
            && helper.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err(wrong("remote helpers are not run"));
        }
        scp(url).map_err(wrong)
    }

    /// What names it in the store: all that leads to this repository and to no other, as far as the text says.
    pub(super) fn name(&self) -> String {
        let tidy = |path: &str| {
            let path = path.trim_end_matches('/');
            path.strip_suffix(".git").unwrap_or(path).to_owned()
        };
        match self {
            Address::Http(url) => tidy(url),
            Address::Ssh(Ssh { destination, port, path }) => {
                format!("ssh://{destination}:{}/{}", port.unwrap_or(22), tidy(path.trim_start_matches('/')))
            }
            Address::Local(path) => format!("file://{}", path.display()),
        }
    }
}

type Parsed = Result<Address, &'static str>;

fn http(scheme: &str, rest: &str) -> Parsed {
    let rest = rest.split('#').next().unwrap_or_default();
    if rest.contains('?') {
        return Err("it has a query");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let (name, port) = host_and_port(&host)?;
    let port = match (scheme, port) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    if path.contains(' ') {
        return Err("it has a space");
    }
    Ok(Address::Http(format!("{scheme}://{name}{port}/{}", path.trim_end_matches('/'))))
}

fn ssh_url(rest: &str) -> Parsed {
    let (authority, path) = rest.split_once('/').ok_or("it has no path")?;
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user.split_once(':').map_or(user, |(user, _)| user)), host),
        None => (None, authority),
    };
    let (host, port) = host_and_port(host)?;
    let path = percent_decode_str(path).decode_utf8().map_err(|_| "its path is not UTF-8")?;
    // A home directory is meant from the root of the URL on.
    let path = if path.starts_with('~') { path.into_owned() } else { format!("/{path}") };
    ssh(user, host, port, path)
}

fn scp(url: &str) -> Parsed {
    let at_bracket = url.find("]:").map(|at| at + 1);
    let colon = at_bracket.or_else(|| url.find(':')).ok_or("it is neither a URL nor an absolute path")?;
    let (authority, path) = url.split_at_checked(colon).ok_or("it is no URL")?;
    if authority.contains('/') {
        return Err("it is a relative path");
    }
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (host, port) = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // `[host:port]:path`, as git takes it.
        Some(inner) if inner.matches(':').count() == 1 => host_and_port(inner)?,
        _ => host_and_port(host)?,
    };
    ssh(user, host, port, path.trim_start_matches(':').to_owned())
}

fn ssh(user: Option<&str>, host: &str, port: Option<u16>, path: String) -> Parsed {
    let user_fits = |user: &str| {
        !user.is_empty()
            && !user.starts_with('-')
            && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+@%\\".contains(&b))
    };
    if user.is_some_and(|user| !user_fits(user)) {
        return Err("its user could be taken for something else");
    }
    if path.is_empty() || path == "/" || path.chars().any(char::is_control) {
        return Err("it has no path");
    }
    if path.starts_with('-') {
        return Err("its path begins with `-`");
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let destination = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    Ok(Address::Ssh(Ssh { destination, port, path }))
}

/// A host that is one, and its port. IPv6 addresses keep their brackets.
fn host_and_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inside, behind)) => {
            if inside.is_empty() || !inside.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b)) {
                return Err("its host is no address");
            }
            let host = text.get(..inside.len() + 2).unwrap_or(text);
            (host, behind.strip_prefix(':').or((!behind.is_empty()).then_some("x")))
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b) || !b.is_ascii();
            if host.is_empty() || host.starts_with('-') || !host.bytes().all(fits) {
                return Err("its host is no host name");
            }
            (host, port)
        }
    };
    match port {
        None | Some("") => Ok((host, None)),
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((host, Some(port.parse().map_err(|_| "its port is no port")?)))
        }
        Some(_) => Err("its port is no port"),
    }
}

fn file(rest: &str) -> Parsed {
    let rest = rest.strip_prefix("localhost/").map_or(rest, |_| rest.get("localhost".len()..).unwrap_or(rest));
    if !rest.starts_with('/') {
        return Err("the path is not absolute");
    }
    let path = percent_decode_str(rest).decode_utf8().map_err(|_| "its path is not UTF-8")?;
    if path.chars().any(char::is_control) {
        return Err("it has control characters");
    }
    Ok(Address::Local(PathBuf::from(path.as_ref())))
}

/// The URL that a submodule's relative one means (`git help submodule add`: relative to the superproject's own URL, `../` takes a part
/// off, also behind the colon of `host:path`); others are as they are.
pub(super) fn relative(base: &str, url: &str) -> Result<String, Fault> {
    if !url.starts_with("./") && !url.starts_with("../") {
        return Ok(url.to_owned());
    }
    let too_far =
        || Fault::lasting(format!("the URL `{url}` of a submodule leads out of `{}`", without_credentials(base)));
    let mut base = base.trim_end_matches('/');
    let mut rest = url;
    let mut colon = false;
    loop {
        if let Some(behind) = rest.strip_prefix("./") {
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("../") {
            rest = behind;
            let floor = base.find("://").map_or(0, |at| at + 3);
            let tail = base.get(floor..).unwrap_or_default();
            base = match (tail.rfind('/'), tail.rfind(':')) {
                (Some(at), _) => base.get(..floor + at).unwrap_or_default(),
                (None, Some(at)) if floor == 0 && !colon => {
                    colon = true;
                    base.get(..at).unwrap_or_default()
                }
                _ => return Err(too_far()),
            };
        } else {
            break;
        }
    }
    let rest = rest.trim_end_matches('/');
    Ok(if colon { format!("{base}:{rest}") } else { format!("{base}/{rest}") })
}

#[cfg(test)]
mod tests {
    use super::{Address, Ssh, relative};
    use std::path::PathBuf;

    fn http(url: &str) -> Option<Address> {
        Some(Address::Http(url.to_owned()))
    }

    fn ssh(destination: &str, port: Option<u16>, path: &str) -> Option<Address> {
        Some(Address::Ssh(Ssh { destination: destination.to_owned(), port, path: path.to_owned() }))
    }

    #[test]
    fn urls_mean_what_git_takes_them_for() {
        for (url, want) in [
            ("https://github.com/org/repo.git", http("https://github.com/org/repo.git")),
            ("https://user:pw@GitHub.com:443/org/Repo/", http("https://github.com/org/Repo")),
            ("HTTP://host:8080/r", http("http://host:8080/r")),
            ("https://[::1]:8443/r", http("https://[::1]:8443/r")),
            ("git@github.com:org/repo.git", ssh("git@github.com", None, "org/repo.git")),
            ("ssh://git@host:2222/org/repo", ssh("git@host", Some(2222), "/org/repo")),
            ("ssh://host/~user/repo", ssh("host", None, "~user/repo")),
            ("host:repo", ssh("host", None, "repo")),
            ("git@[::1]:repo", ssh("git@::1", None, "repo")),
            ("[git.host:2222]:repo", ssh("git.host", Some(2222), "repo")),
            ("ssh://git@[fe80::1]:22/r", ssh("git@fe80::1", Some(22), "/r")),
            ("file:///srv/a%20b", Some(Address::Local(PathBuf::from("/srv/a b")))),
            ("/srv/repo.git", Some(Address::Local(PathBuf::from("/srv/repo.git")))),
            ("", None),
            ("-oProxyCommand=x", None),
            ("ssh://-oProxyCommand=touch%20x/r", None),
            ("ssh://git@-oProxyCommand=x/r", None),
            ("-oProxyCommand=x:repo", None),
            ("ssh://-x@host/r", None),
            ("host:-oProxyCommand=x", None),
            ("ssh://host", None),
            ("ssh://host/", None),
            ("ext::sh -c touch% /tmp/x", None),
            ("fd::17", None),
            ("https://host/r\nextra: header", None),
            ("https://host/%0a/r", http("https://host/%0a/r")),
            ("ssh://host/a%0ab", None),
            ("https:///r", None),
            ("https://host:port/r", None),
            ("https://host name/r", None),
            ("https://host/r?x=y", None),
            ("git://host/r", None),
            ("ftp://host/r", None),
            ("file://host/r", None),
            ("../repo", None),
            ("repo", None),
            ("a b@host:repo", None),
            ("host;x:repo", None),
        ] {
            assert_eq!(Address::parse(url).ok(), want, "{url:?}");
        }
    }

    #[test]
    fn refusals_show_no_login() {
        let refused = Address::parse("https://user:secret@host/r?x").unwrap_err();
        assert!(!refused.reason.contains("secret"), "{}", refused.reason);
    }

    #[test]
    fn submodules_may_be_relative() {
        for (base, url, want) in [
            ("https://host/org/app.git", "../lib.git", Some("https://host/org/lib.git")),
            ("https://host/org/app.git/", "../../other/lib", Some("https://host/other/lib")),
            ("https://host/org/app", "./sub", Some("https://host/org/app/sub")),
            ("git@host:org/app.git", "../lib", Some("git@host:org/lib")),
            ("git@host:app.git", "../lib", Some("git@host:lib")),
            ("/srv/app", "../lib", Some("/srv/lib")),
            ("https://host/app", "https://else/lib", Some("https://else/lib")),
            ("https://host/app", "../../lib", None),
            ("git@host:app", "../../lib", None),
        ] {
            assert_eq!(relative(base, url).ok().as_deref(), want, "{base} {url}");
        }
    }
}
