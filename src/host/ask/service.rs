//! The services that are asked, and to which host a token of the environment goes.
//!
//! The address of an API stands in the files of a fleet, which may come from a pull request; a token stands in the environment of who runs
//! `fleetc update`. So a token goes to the public host of its service only, and to the host that a variable of the same environment names:
//! those that the CI systems of these services set for themselves. Scheme, host and port must be the same. Where a token is
//! held back and the service refuses, the hint says so.

use super::{Host, Token, Web, origin};
use crate::host::fetch::Fault;
use crate::yaml::Node;

/// A service.
pub(super) struct Service {
    /// Where the public one has its API.
    public: &'static str,
    /// Variables with a token, the first that is set counts.
    tokens: &'static [&'static str],
    /// Variables with a URL of the host that the token is for.
    hosts: &'static [&'static str],
    shown: fn(String) -> Token,
}

pub(super) const GITHUB: Service = Service {
    public: "https://api.github.com",
    tokens: &["GITHUB_TOKEN", "GH_TOKEN"],
    hosts: &["GITHUB_API_URL", "GITHUB_SERVER_URL"],
    shown: Token::Bearer,
};

pub(super) const GITLAB: Service = Service {
    public: "https://gitlab.com",
    tokens: &["GITLAB_TOKEN"],
    hosts: &["CI_API_V4_URL", "CI_SERVER_URL"],
    shown: Token::Bearer,
};

pub(super) const GITEA: Service = Service {
    public: "https://gitea.com",
    tokens: &["GITEA_TOKEN"],
    hosts: &["GITEA_SERVER_URL"],
    shown: Token::Bearer,
};

impl Service {
    /// The host that a generator asks. `below` is where the API is below the address, unless that ends with it already or `is_api` knows
    /// better.
    pub(super) fn host<'a>(
        &self,
        node: &Node,
        below: &str,
        is_api: fn(&str) -> bool,
        web: &'a dyn Web,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Host<'a> {
        let written = node.str_at(&["api"]).trim_end_matches('/');
        let mut base = if written.is_empty() { self.public } else { written }.to_owned();
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let token = self.tokens.iter().find_map(|name| Some((*name, set(name)?)));
        let is_same = |other: &str| origin(other).eq_ignore_ascii_case(origin(&base));
        let may_have_it = is_same(self.public) || self.hosts.iter().filter_map(set).any(|named| is_same(&named));
        let (token, held_back) = match token {
            Some((_, token)) if may_have_it => (Some((self.shown)(token)), None),
            Some((name, _)) => (None, Some(self.held_back(name, origin(&base)))),
            None => (None, None),
        };
        if !base.ends_with(below) && !is_api(&base) {
            base.push_str(below);
        }
        Host { web, base, token, held_back }
    }

    fn held_back(&self, token: &str, host: &str) -> String {
        let public = self.public;
        match self.hosts.first() {
            Some(named) => format!(
                "`{token}` goes to {public} only; `{named}={host}` in the environment says that it is for this host"
            ),
            None => format!("`{token}` goes to {public} only"),
        }
    }
}

impl Host<'_> {
    /// A refusal, with the reason why no token was shown, or `otherwise`.
    pub(super) fn refuses(&self, reason: String, otherwise: &str) -> Fault {
        Fault::lasting(reason).hint(self.held_back.as_deref().unwrap_or(otherwise))
    }
}
