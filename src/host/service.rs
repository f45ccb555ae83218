//! The services that have repositories and an API for them, and to which server a login of the environment goes.
//!
//! The address of an API stands in the files of a fleet, which may come from a pull request, and that of a repository on the command line;
//! the login stands in the environment of who runs fleetc. So a login goes to the servers that the variables of its service name (those that the
//! CI systems of these services set for themselves, and more), and where none is named, to the public one. Scheme, host and port must be the
//! same. Why a login is not shown is known, for who is refused without it.

use super::fetch::{Hidden, Login};
use crate::source::parts;

/// Gives the value of an environment variable.
pub(super) type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

/// A service.
#[derive(Debug)]
pub(super) struct Service {
    /// Its name, for people.
    pub(super) name: &'static str,
    /// Where the public one has its repositories; empty where there is none.
    pub(super) host: &'static str,
    /// Where the public one has its API.
    api: &'static str,
    /// Where the API is below the address of a server of one's own.
    below: &'static str,
    /// Whether a host whose name says so is the API itself.
    by_name: bool,
    /// Variables with the URL of a server that the login is for, or of its API.
    hosts: &'static [&'static str],
    /// Logins, the first that is set counts.
    logins: &'static [Way],
}

/// How a service is logged in to.
#[derive(Debug)]
enum Way {
    /// By the token in this variable.
    Bearer(&'static str),
    /// By the password in this variable, for the user in that one, or for the one that is named with the question.
    Basic { password: &'static str, user: &'static str },
    /// By the token in this variable in place of a password, without a user.
    Token(&'static str),
}

pub(super) static GITHUB: Service = Service {
    name: "GitHub",
    host: "github.com",
    api: "https://api.github.com",
    below: "/api/v3",
    by_name: true,
    hosts: &["GITHUB_API_URL", "GITHUB_SERVER_URL"],
    logins: &[Way::Bearer("GITHUB_TOKEN"), Way::Bearer("GH_TOKEN")],
};

pub(super) static GITLAB: Service = Service {
    name: "GitLab",
    host: "gitlab.com",
    api: "https://gitlab.com/api/v4",
    below: "/api/v4",
    by_name: false,
    hosts: &["GITLAB_API_URL", "CI_API_V4_URL", "CI_SERVER_URL"],
    logins: &[Way::Bearer("GITLAB_TOKEN")],
};

pub(super) static GITEA: Service = Service {
    name: "Gitea",
    host: "gitea.com",
    api: "https://gitea.com/api/v1",
    below: "/api/v1",
    by_name: false,
    hosts: &["GITEA_API_URL", "GITEA_SERVER_URL"],
    logins: &[Way::Bearer("GITEA_TOKEN")],
};

pub(super) static BITBUCKET_CLOUD: Service = Service {
    name: "Bitbucket Cloud",
    host: "bitbucket.org",
    api: "https://api.bitbucket.org/2.0",
    below: "",
    by_name: false,
    hosts: &["BITBUCKET_API_URL"],
    logins: &[
        Way::Bearer("BITBUCKET_TOKEN"),
        Way::Basic { password: "BITBUCKET_APP_PASSWORD", user: "BITBUCKET_USERNAME" },
    ],
};

pub(super) static BITBUCKET_SERVER: Service = Service {
    name: "Bitbucket Server",
    host: "",
    api: "",
    below: "/rest",
    by_name: false,
    hosts: &["BITBUCKET_SERVER_URL"],
    logins: &[
        Way::Bearer("BITBUCKET_SERVER_TOKEN"),
        Way::Basic { password: "BITBUCKET_SERVER_PASSWORD", user: "BITBUCKET_SERVER_USERNAME" },
    ],
};

pub(super) static AZURE_DEVOPS: Service = Service {
    name: "Azure DevOps",
    host: "",
    api: "https://dev.azure.com",
    below: "",
    by_name: false,
    hosts: &["AZURE_DEVOPS_URL", "SYSTEM_COLLECTIONURI"],
    logins: &[Way::Token("AZURE_DEVOPS_EXT_PAT"), Way::Token("SYSTEM_ACCESSTOKEN")],
};

impl Way {
    fn variable(&self) -> &'static str {
        match self {
            Way::Bearer(name) | Way::Token(name) => name,
            Way::Basic { password, .. } => password,
        }
    }
}

fn set(variable: Variable<'_>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

impl Service {
    /// The address of an API, without slash at the end: that of the public service, or of the server that is named by its URL or by that of its API.
    pub(super) fn api(&self, server: &str) -> String {
        let server = server.trim().trim_end_matches('/');
        let host = parts(server).map(|parts| parts.host).unwrap_or_default();
        if server.is_empty() || (!self.host.is_empty() && host.eq_ignore_ascii_case(self.host)) {
            return self.api.to_owned();
        }
        let says_so = self.by_name && (host.starts_with("api.") || host.contains(".api."));
        let below = if says_so || server.ends_with(self.below) { "" } else { self.below };
        format!("{server}{below}")
    }

    /// The addresses of the APIs that the environment names.
    pub(super) fn named<'v>(&self, variable: Variable<'v>) -> impl Iterator<Item = String> + use<'_, 'v> {
        self.hosts.iter().filter_map(move |name| set(variable, name)).map(|url| self.api(&url))
    }

    /// The variables with the address and with the login that people are told of.
    pub(super) fn variables(&self) -> (&'static str, &'static str) {
        let login = self.logins.first().map(Way::variable).unwrap_or_default();
        (self.hosts.first().copied().unwrap_or_default(), login)
    }

    /// What an API is shown; `None` where the environment has no login. `user` is whom a password is for, where the environment does not say.
    ///
    /// # Errors
    /// There is one, and it is not for this API: why.
    pub(super) fn login(&self, api: &str, user: &str, variable: Variable<'_>) -> Result<Option<Login>, String> {
        let Some((way, secret)) = self.logins.iter().find_map(|way| Some((way, set(variable, way.variable())?))) else {
            return Ok(None);
        };
        let mut homes: Vec<String> = self.named(variable).collect();
        if homes.is_empty() && !self.api.is_empty() {
            homes.push(self.api.to_owned());
        }
        let (token, here) = (way.variable(), origin(api));
        if !homes.iter().any(|home| origin(home).eq_ignore_ascii_case(here)) {
            let goes = match homes.first() {
                Some(home) => format!("goes to {} only", origin(home)),
                None => "goes nowhere yet".to_owned(),
            };
            let named = self.variables().0;
            return Err(format!("`{token}` {goes}; `{named}={here}` in the environment says that it is for this host"));
        }
        match way {
            Way::Bearer(_) => Ok(Some(Login::Bearer(Hidden::from(secret)))),
            Way::Token(_) => Ok(Some(Login::Basic { user: String::new(), password: Hidden::from(secret) })),
            Way::Basic { user: named, .. } => {
                let user = set(variable, named).unwrap_or_else(|| user.to_owned());
                if user.is_empty() {
                    return Err(format!("`{token}` is a password, and nothing says whose: set `{named}`"));
                }
                Ok(Some(Login::Basic { user, password: Hidden::from(secret) }))
            }
        }
    }
}

/// Scheme, host and port.
pub(super) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::{AZURE_DEVOPS, BITBUCKET_CLOUD, BITBUCKET_SERVER, GITEA, GITHUB, GITLAB};
    use crate::host::fetch::Login;

    #[test]
    fn addresses() {
        for (service, written, want) in [
            (&GITHUB, "", "https://api.github.com"),
            (&GITHUB, "https://github.com", "https://api.github.com"),
            (&GITHUB, "https://ghe.example.com/", "https://ghe.example.com/api/v3"),
            (&GITHUB, "https://ghe.example.com/api/v3/", "https://ghe.example.com/api/v3"),
            (&GITHUB, "https://api.tenant.ghe.com", "https://api.tenant.ghe.com"),
            (&GITHUB, "https://x.example.com/api.github.com", "https://x.example.com/api.github.com/api/v3"),
            (&GITLAB, "https://api.example.com", "https://api.example.com/api/v4"),
            (&GITEA, "http://127.0.0.1:3000", "http://127.0.0.1:3000/api/v1"),
            (&BITBUCKET_CLOUD, "", "https://api.bitbucket.org/2.0"),
            (&BITBUCKET_CLOUD, "https://bb.example.com/2.0/", "https://bb.example.com/2.0"),
            (&BITBUCKET_SERVER, "https://bb.example.com/bitbucket", "https://bb.example.com/bitbucket/rest"),
            (&BITBUCKET_SERVER, "https://bb.example.com/rest/", "https://bb.example.com/rest"),
            (&AZURE_DEVOPS, "", "https://dev.azure.com"),
        ] {
            assert_eq!(service.api(written), want, "{written}");
        }
    }

    /// What the environment names is where the login belongs; a token of one's own server is not for the public one.
    #[test]
    fn logins_go_home() {
        let login = |service: &super::Service, api: &str, user: &str, environment: &[(&str, &str)]| {
            let variable =
                |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            match service.login(api, user, &variable) {
                Ok(None) => "none".to_owned(),
                Ok(Some(Login::Bearer(token))) => format!("bearer {}", token.reveal()),
                Ok(Some(Login::Basic { user, password })) => format!("{user}:{}", password.reveal()),
                Ok(Some(Login::Identity(_))) => "identity".to_owned(),
                Err(why) => why,
            }
        };
        let server = ("BITBUCKET_SERVER_URL", "https://bb.example.com");
        let (password, pat) = (("BITBUCKET_SERVER_PASSWORD", "p"), ("AZURE_DEVOPS_EXT_PAT", "t"));
        let cloud = ("BITBUCKET_APP_PASSWORD", "p");
        for (service, api, user, environment, want) in [
            (&BITBUCKET_SERVER, "https://bb.example.com/rest", "joe", &[password, server][..], "joe:p"),
            (
                &BITBUCKET_SERVER,
                "https://bb.example.com/rest",
                "joe",
                &[password, server, ("BITBUCKET_SERVER_USERNAME", "ann")],
                "ann:p",
            ),
            (&BITBUCKET_SERVER, "https://bb.example.com/rest", "", &[password, server], "nothing says whose"),
            (&BITBUCKET_SERVER, "https://bb.example.com/rest", "joe", &[password], "goes nowhere yet"),
            (&BITBUCKET_SERVER, "https://bb.example.com:8443/rest", "joe", &[password, server], "goes to https://bb"),
            (&BITBUCKET_CLOUD, "https://api.bitbucket.org/2.0", "joe", &[cloud], "joe:p"),
            (&BITBUCKET_CLOUD, "https://api.bitbucket.org/2.0", "joe", &[cloud, ("BITBUCKET_TOKEN", "b")], "bearer b"),
            (&AZURE_DEVOPS, "https://dev.azure.com/acme", "", &[pat], ":t"),
            (&AZURE_DEVOPS, "https://evil.example.com/acme", "", &[pat], "goes to https://dev.azure.com only"),
            (
                &AZURE_DEVOPS,
                "https://tfs.example.com/x",
                "",
                &[("SYSTEM_ACCESSTOKEN", "s"), ("SYSTEM_COLLECTIONURI", "https://tfs.example.com/x/")],
                ":s",
            ),
            (
                &GITHUB,
                "https://api.github.com",
                "",
                &[("GITHUB_TOKEN", "t"), ("GITHUB_API_URL", "https://ghe.example.com/api/v3")],
                "goes to https://ghe.example.com only",
            ),
            (
                &GITHUB,
                "https://api.github.com",
                "",
                &[("GITHUB_TOKEN", "t"), ("GITHUB_SERVER_URL", "https://github.com")],
                "bearer t",
            ),
            (&GITHUB, "https://api.github.com", "", &[("GITLAB_TOKEN", "t")], "none"),
        ] {
            let found = login(service, api, user, environment);
            assert!(found.contains(want), "{api}: {found}, not {want}");
        }
    }
}
