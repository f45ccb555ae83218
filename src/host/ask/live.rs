//! Generators that ask what only the Argo CD they run in knows: clusterDecisionResource, the objects of its cluster
//! (`generators/duck_type.go`), and plugin, a service whose address and token lie there (`generators/plugin.go`, `services/plugin`).
//!
//! The token of a plugin goes to the address that the same ConfigMap has, or to the one that the command line names in its place: a service
//! inside of the cluster is not reached by its own from elsewhere.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;

use super::super::argocd::{Management, Service};
use super::super::fetch::http::{Ask, Client, Method, Timeouts};
use super::super::fetch::{Fault, Login, Logins};
use super::online::LIMIT;
use crate::question::Question;
use crate::source::without_credentials;
use crate::span::FileId;
use crate::yaml::json::{self, to_json};
use crate::yaml::{Map, Node};

/// Who is asked.
pub struct Live<'a> {
    /// The Argo CD.
    pub management: &'a Management,
    /// Addresses of plugins by the name of their ConfigMap, in place of those that these say.
    pub urls: &'a [(String, String)],
    /// Proxies and authorities of this machine and of the fleet.
    pub logins: &'a Logins,
}

impl Live<'_> {
    /// Asks.
    ///
    /// # Errors
    /// Who is asked is not found, not reached, refuses or answers something else.
    pub(super) fn ask(&self, question: &Question) -> Result<Node, Fault> {
        match question.kind.as_str() {
            "plugin" => self.plugin(question),
            _ => self.management.decisions(question),
        }
    }

    fn plugin(&self, question: &Question) -> Result<Node, Fault> {
        let Service { url, token, patience } = self.management.service(question)?;
        let map = question.asked.str_at(&["configMapRef", "name"]);
        let named = self.urls.iter().rfind(|(name, _)| name == map);
        let base = named.map_or(url.as_str(), |(_, url)| url).trim_end_matches('/');
        let url = format!("{base}/api/v1/getparams.execute");
        let patience = Duration::from_secs(patience);
        let logins = self.logins.clone();
        let timeouts = Timeouts { read: patience, total: patience, ..Timeouts::default() };
        let client = Client::lazy(move || std::sync::Arc::new(logins.gather()), timeouts);
        let mut access = client.credentials().access(&url)?;
        access.login = Some(Login::Bearer(token));
        access.origin = format!("the ConfigMap `{map}`");
        let headers = vec![(CONTENT_TYPE, "application/json".to_owned())];
        let body = Some(body(question)?.into_bytes());
        let sent = Ask { method: Method::POST, url: &url, headers, body, access: &access, limit: LIMIT };
        let outside = |fault: Fault| {
            match named {
            None => fault.hint(format!(
                "a service inside of the cluster is not reached by its own name: `kubectl port-forward` it, and say `--plugin-url {map}=URL`"
            )),
            Some(_) => fault,
        }
        };
        let answer = client.send(&sent).map_err(outside)?;
        if !answer.is_success() {
            return Err(client.refused(&url, &access, &answer));
        }
        let wrong = |what: &str| Fault::lasting(format!("the plugin at {} answers {what}", without_credentials(base)));
        let found = json::parse(FileId::NONE, &answer.body).map_err(|_| wrong("something that is no JSON"))?;
        let Some(parameters) = found.at(&["output", "parameters"]) else {
            return Err(wrong("without `output.parameters`"));
        };
        match parameters.as_seq() {
            Some(items) if items.iter().all(|item| item.as_map().is_some()) => Ok(parameters.clone()),
            None if parameters.is_null() => Ok(Node::seq(Vec::new())),
            _ => Err(wrong("with `output.parameters` that is no list of objects")),
        }
    }
}

/// What a plugin is told.
fn body(question: &Question) -> Result<String, Fault> {
    let mut input = Map::new();
    if let Some(parameters) = question.asked.at(&["input", "parameters"]).filter(|node| !node.is_null()) {
        input.insert("parameters", parameters.clone());
    }
    let mut body = Map::new();
    body.insert("applicationSetName", Node::str(question.asked.str_at(&["applicationSetName"])));
    body.insert("input", Node::map(input));
    to_json(&Node::map(body)).map_err(|_| Fault::lasting("the input of the plugin has a number without JSON form"))
}
