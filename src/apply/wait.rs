//! Waiting for health, and for what others build on: objects are read again until they are as they should be, failed, or the time is over.
//!
//! What nobody can judge ("no check") is not waited for. `Degraded` counts when it is seen twice, a moment apart: an object that was just
//! changed may still show the failure that the change mends.

use super::client::{Client, Problem};
use super::gone::seconds;
use crate::api::Millis;
use crate::k8s::health::established::{Established, established};
use crate::k8s::health::{Scripts, Status, health};
use crate::machine::all;
use crate::yaml::Node;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Health.
    Health,
    /// That others can be sent that need it.
    Others,
    /// The end of a hook: an unknown health is a failed one.
    Hook,
}

/// Reads that are under way at once.
const AT_ONCE: usize = 16;
/// How long an object must look failed before that counts.
const SETTLING: Millis = 3_000;

/// Waits for all of these paths; what came of each, in their order.
pub(super) async fn until(
    client: &Client,
    paths: &[String],
    what: For,
    scripts: &Scripts,
    timeout: Millis,
) -> Vec<Result<(), Problem>> {
    let end = client.port().now().saturating_add(timeout);
    let waits: Vec<_> = paths.iter().map(|path| one(client, path, what, scripts, end, timeout)).collect();
    all(AT_ONCE, waits).await
}

async fn one(
    client: &Client,
    path: &str,
    what: For,
    scripts: &Scripts,
    end: Millis,
    timeout: Millis,
) -> Result<(), Problem> {
    let mut pause = 200;
    let (mut failing, mut seen): (Option<Millis>, bool) = (None, false);
    loop {
        let live = client.read(path).await?;
        let now = client.port().now();
        let state = match &live {
            Some(live) => judge(live, what, scripts),
            None => State::NotYet("it is not there".to_owned()),
        };
        let why = match state {
            State::Done => return Ok(()),
            State::Failed(why) => match failing {
                _ if what == For::Hook => return Err(Problem::Stopped(why)),
                Some(since) if now.saturating_sub(since) >= SETTLING => return Err(Problem::Stopped(why)),
                _ => {
                    failing.get_or_insert(now);
                    why
                }
            },
            State::NotYet(why) => {
                failing = None;
                // A hook that cleans itself up (`ttlSecondsAfterFinished`) must not be waited for until the time is over.
                if live.is_none() && seen && what == For::Hook {
                    return Err(Problem::Stopped("it is gone, and how it ended was not seen".to_owned()));
                }
                why
            }
        };
        seen |= live.is_some();
        if now >= end {
            return Err(Problem::Stopped(format!("not ready after {}: {why}", seconds(timeout))));
        }
        client.port().sleep(pause.min(end.saturating_sub(now).max(1))).await;
        pause = (pause * 3 / 2).min(2_000);
    }
}

enum State {
    Done,
    NotYet(String),
    Failed(String),
}

fn judge(live: &Node, what: For, scripts: &Scripts) -> State {
    if what == For::Others {
        return match established(live) {
            None | Some(Established::Yes) => State::Done,
            Some(Established::NotYet(why)) => State::NotYet(why),
            Some(Established::Never(why)) => State::Failed(why),
        };
    }
    if live.str_at(&["metadata", "annotations", "argocd.argoproj.io/ignore-healthcheck"]) == "true" {
        return State::Done;
    }
    let found = match health(live, scripts) {
        Ok(found) => found,
        Err(why) => return if what == For::Hook { State::Failed(why) } else { State::NotYet(why) },
    };
    let Some(found) = found else { return State::Done };
    let why = if found.message.is_empty() {
        found.status.to_string()
    } else {
        format!("{}: {}", found.status, found.message)
    };
    match found.status {
        Status::Healthy => State::Done,
        Status::Degraded => State::Failed(why),
        Status::Unknown if what == For::Hook => State::Failed(why),
        Status::Unknown | Status::Suspended | Status::Progressing | Status::Missing => State::NotYet(why),
    }
}
