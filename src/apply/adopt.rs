//! Moves the fields that an approved [`ClusterAdoption`] names: one patch an object, which only changes who owns what.
//!
//! Every patch names the version that it was made for. An object that changed meanwhile is read again, and what is left to move is moved;
//! an object that is another one by now is left alone. Killed anywhere, the same command does the rest.

use super::client::{Client, Problem};
use crate::api::{Content, Method, Request};
use crate::bundle::ObjectRef;
use crate::machine::{Port, all};
use crate::plan::Seen;
use crate::plan::adopt::{Adoption, ClusterAdoption, Route, Step, transfer};
use crate::yaml::Node;

/// What became of the objects of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Adopted {
    /// Its name.
    pub cluster: String,
    /// Objects whose fields moved.
    pub moved: Vec<ObjectRef>,
    /// Objects of which something went wrong, and what.
    pub errors: Vec<(ObjectRef, String)>,
    /// Why nothing was done.
    pub failed: Option<String>,
}

/// Reads and patches of one object before it is given up.
const ROUNDS: usize = 4;

/// Moves what the plan says.
pub async fn adopt(port: Port, plan: ClusterAdoption, route: Route, at_once: usize) -> Adopted {
    let client = Client::new(port, "");
    let mut adopted = Adopted { cluster: plan.cluster.clone(), ..Adopted::default() };
    let uid = match client.read("/api/v1/namespaces/kube-system").await {
        Ok(live) => live.map(|live| live.str_at(&["metadata", "uid"]).to_owned()).unwrap_or_default(),
        Err(problem) => {
            adopted.failed = Some(problem.to_string());
            return adopted;
        }
    };
    if uid != plan.identity {
        adopted.failed = Some("this is another cluster than the one that was planned".to_owned());
        return adopted;
    }
    let moving: Vec<&Adoption> = plan.objects().filter(|adoption| adoption.step == Step::Move).collect();
    let done = all(at_once, moving.iter().map(|adoption| one(&client, adoption, &route))).await;
    for (adoption, done) in moving.iter().zip(done) {
        match done {
            Ok(()) => adopted.moved.push(adoption.object.clone()),
            Err(why) => adopted.errors.push((adoption.object.clone(), why)),
        }
    }
    adopted
}

async fn one(client: &Client, adoption: &Adoption, route: &Route) -> Result<(), String> {
    let secret = adoption.object.group.is_empty() && adoption.object.kind == "Secret";
    let shown = |problem: Problem| match problem {
        Problem::Refused(refusal) if secret => refusal.without_values().message,
        problem => problem.to_string(),
    };
    for _ in 0..ROUNDS {
        let Some(live) = client.read(&adoption.path).await.map_err(shown)? else {
            return Err("it is gone".to_owned());
        };
        let of = |key: &str| live.at(&["metadata", key]).and_then(Node::smol).unwrap_or_default();
        let seen = Seen { uid: of("uid"), resource_version: of("resourceVersion") };
        if seen.uid != adoption.seen.uid {
            return Err("another object has its name by now; plan again".to_owned());
        }
        // What an earlier try, or an earlier run, has moved is moved.
        let Some(left) = transfer(&live, &adoption.api_version, route)? else { return Ok(()) };
        let patch = left.patch(&seen)?;
        let request = Request::new(Method::Patch, &*adoption.path).with("fieldManager", "fleetc-adopt");
        match client.call(request.body(Content::JsonPatch, patch)).await.outcome {
            Ok(_) => return Ok(()),
            Err(problem) if problem.status() == 409 => {}
            Err(problem) => return Err(shown(problem)),
        }
    }
    Err("it changes faster than its fields can be moved; run it again".to_owned())
}
