//! A Lease beside the parent of a slice keeps two applies apart. It is renewed while its holder works, deleted at the end, and taken over
//! when its holder is gone.
//!
//! Clocks of two machines may differ, so whether a holder is gone is not read from the times in the Lease but from watching it: a Lease that
//! nobody renewed for its whole duration, on our clock, is dead. Only one that is ten durations old is dead at first sight. Every
//! write carries the resource version that was read, so of two who take over one wins. No Lease is taken where there is nothing to do.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::{Client, Problem};
use crate::api::{Content, Method, Millis, Request, encode};
use crate::inventory::ParentName;
use crate::yaml::{Map, Node, json};

/// How long a Lease holds without being renewed.
const SECONDS: i64 = 15;
/// How often it is renewed, and looked at by whoever waits for it.
const EVERY: Millis = 4_000;

/// A Lease that we hold, or try to.
#[derive(Debug)]
pub(super) struct Lease {
    client: Client,
    name: ParentName,
    holder: String,
    /// What was last written or read.
    version: Mutex<Version>,
    /// Set when somebody else has it: whoever works under it stops.
    lost: Arc<AtomicBool>,
}

#[derive(Clone, Debug, Default)]
struct Version {
    uid: String,
    resource_version: String,
}

/// Whether a Lease is still held; copies go to those who work under it.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<AtomicBool>);

impl Watch {
    /// An error once the Lease is lost: nothing is written any more.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Problem::Stopped("another apply has taken over this application".to_owned()));
        }
        Ok(())
    }
}

impl Lease {
    /// Takes the Lease; waits for a dead holder's to run out.
    ///
    /// # Errors
    /// Somebody else is at work, or the cluster refuses.
    pub(super) async fn take(client: &Client, name: &ParentName, holder: &str) -> Result<Lease, Problem> {
        let lease = Lease {
            client: client.clone(),
            name: name.clone(),
            holder: holder.to_owned(),
            version: Mutex::default(),
            lost: Arc::default(),
        };
        let mut seen: Option<(String, Millis)> = None;
        loop {
            let Some(live) = client.read(&lease.path()).await? else {
                match lease.write(Method::Post).await {
                    Err(Problem::Refused(refusal)) if refusal.status == 409 => continue,
                    Err(problem) => return Err(problem),
                    Ok(()) => return Ok(lease),
                }
            };
            let now = client.port().now();
            let other = live.str_at(&["spec", "holderIdentity"]);
            let version = live.str_at(&["metadata", "resourceVersion"]).to_owned();
            let duration = whole(&live, "leaseDurationSeconds").clamp(1, 600) as Millis * 1_000;
            let renewed = millis(live.str_at(&["spec", "renewTime"])).unwrap_or(0);
            let unchanged = match &seen {
                Some((before, since)) if *before == version => now.saturating_sub(*since),
                // Somebody renews it.
                Some(_) if !other.is_empty() => return Err(held(other)),
                _ => {
                    seen = Some((version.clone(), now));
                    0
                }
            };
            let dead = other.is_empty()
                || other == holder
                || unchanged >= duration
                || now.saturating_sub(renewed) >= 10 * duration;
            if dead {
                lease.know(&live);
                match lease.write(Method::Put).await {
                    Err(Problem::Refused(refusal)) if refusal.status == 409 || refusal.status == 404 => continue,
                    Err(problem) => return Err(problem),
                    Ok(()) => return Ok(lease),
                }
            }
            if unchanged == 0 {
                client.port().say(format!("waiting for {other}, which works on the same application or was killed"));
            }
            client.port().sleep(EVERY.min(duration)).await;
        }
    }

    /// For those who work under it.
    pub(super) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.lost))
    }

    /// Does some work and renews the Lease meanwhile.
    pub(super) async fn hold<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut renewal = pin!(self.renew());
        std::future::poll_fn(|context| {
            // Renewal first: who has lost the Lease must hear of it before he writes.
            let _ = renewal.as_mut().poll(context);
            work.as_mut().poll(context)
        })
        .await
    }

    async fn renew(&self) {
        loop {
            self.client.port().sleep(EVERY).await;
            match self.write(Method::Put).await {
                Ok(()) => {}
                Err(Problem::Refused(refusal)) if refusal.status == 409 || refusal.status == 404 => break,
                // Nobody else can have it before it ran out; who cannot renew it cannot write either.
                Err(_) => {}
            }
        }
        self.lost.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    }

    /// Gives it back. What cannot be given back runs out.
    pub(super) async fn release(self) {
        if self.lost.load(Ordering::Relaxed) {
            return;
        }
        for _ in 0..2 {
            let Version { uid, resource_version } = self.known();
            let body = super::client::deletion("", &uid, &resource_version);
            let called = self.client.call(Request::new(Method::Delete, self.path()).body(Content::Json, body)).await;
            // A renewal that was under way when the work ended may have come through.
            match called.outcome {
                Err(problem) if problem.status() == 409 => match self.client.read(&self.path()).await {
                    Ok(Some(live)) if live.str_at(&["spec", "holderIdentity"]) == self.holder => self.know(&live),
                    _ => return,
                },
                _ => return,
            }
        }
    }

    /// Writes it with what was last known of it, and knows the new version afterwards. A write whose answer got lost counts if the Lease is
    /// ours when it is read again.
    async fn write(&self, method: Method) -> Result<(), Problem> {
        let stamp = stamp(self.client.port().now());
        let path = if method == Method::Post { self.collection() } else { self.path() };
        let body = self.manifest(&stamp, &self.known())?;
        let called = self.client.call(Request::new(method, path).body(Content::Json, body)).await;
        let live = match called.outcome {
            Ok(response) => super::client::node(&response)?,
            Err(problem) if called.uncertain && problem.status() == 409 => {
                match self.client.read(&self.path()).await? {
                    Some(live) if live.str_at(&["spec", "holderIdentity"]) == self.holder => live,
                    _ => return Err(problem),
                }
            }
            Err(problem) => return Err(problem),
        };
        self.know(&live);
        Ok(())
    }

    fn known(&self) -> Version {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn know(&self, live: &Node) {
        let of = |key| live.str_at(&["metadata", key]).to_owned();
        let version = Version { uid: of("uid"), resource_version: of("resourceVersion") };
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }

    fn manifest(&self, stamp: &str, known: &Version) -> Result<String, Problem> {
        let map = |entries: Vec<(&str, Node)>| {
            let mut map = Map::with_capacity(entries.len());
            entries.into_iter().for_each(|(key, value)| map.insert(key, value));
            Node::map(map)
        };
        let mut metadata = vec![("name", Node::str(&*self.name.name)), ("namespace", Node::str(&*self.name.namespace))];
        if !known.uid.is_empty() {
            metadata.push(("uid", Node::str(&*known.uid)));
            metadata.push(("resourceVersion", Node::str(&*known.resource_version)));
        }
        let spec = vec![
            ("holderIdentity", Node::str(&*self.holder)),
            ("leaseDurationSeconds", Node::int(SECONDS)),
            ("renewTime", Node::str(stamp)),
        ];
        let lease = map(vec![
            ("apiVersion", Node::str("coordination.k8s.io/v1")),
            ("kind", Node::str("Lease")),
            ("metadata", map(metadata)),
            ("spec", map(spec)),
        ]);
        json::to_json(&lease).map_err(|_| Problem::Stopped("the lease has no JSON".to_owned()))
    }

    fn collection(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", encode(&self.name.namespace))
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), encode(&self.name.name))
    }
}

fn held(other: &str) -> Problem {
    Problem::Stopped(format!("another apply is at work on it ({other})"))
}

fn whole(lease: &Node, key: &str) -> i64 {
    lease.at(&["spec", key]).and_then(Node::text).and_then(|text| text.parse().ok()).unwrap_or(SECONDS)
}

/// RFC 3339 with microseconds, as `MicroTime` wants it.
pub(super) fn stamp(now: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(now).unwrap_or(0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.6}")
}

/// RFC 3339 in whole seconds, as the API server writes times.
pub(super) fn when(now: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(now).unwrap_or(0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.0}")
}

fn millis(stamp: &str) -> Option<Millis> {
    let at: jiff::Timestamp = stamp.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_api() {
        assert_eq!(stamp(1_700_000_000_123), "2023-11-14T22:13:20.123000Z");
        assert_eq!(millis("2023-11-14T22:13:20.123000Z"), Some(1_700_000_000_123));
    }
}
