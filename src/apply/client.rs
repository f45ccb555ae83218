//! Requests that are tried again: what passes by itself (a busy server, a new leader, a webhook that starts) is waited for, the rest comes
//! back as a [`Problem`]. Only what may be repeated goes through here: reads, server-side apply, and writes with preconditions.
//!
//! It decides nothing about objects. Whether an earlier try may have been carried out ([`Called::uncertain`]) is told to whoever asked, who
//! reads again before he concludes anything from a refusal. Messages of the server are passed on, except about Secrets.

use crate::api::{Cause, Content, Failure, Method, Millis, Request, Response};
use crate::machine::Port;
use crate::yaml::{Node, json};

/// How often and how long something is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Tries in all where the server answers that it cannot now, or cannot be reached.
    tries: u32,
    /// Tries in all where no answer came: each may have taken the carrier's whole time-out.
    lost: u32,
    /// The first pause; each following one is twice as long.
    first: Millis,
    /// The longest pause.
    longest: Millis,
}

/// About half a minute in all: a change of leader and a restart of an API server take seconds.
const PATIENCE: Patience = Patience { tries: 8, lost: 3, first: 250, longest: 10_000 };

/// How one who asks reaches a cluster: the port of the machine, and whom he acts as.
#[derive(Clone, Debug)]
pub(super) struct Client {
    port: Port,
    /// The service account to act as; empty for oneself.
    user: String,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The server refused it.
    Refused(Refusal),
    /// There was no answer. Nothing on the cluster is pruned after that.
    Unreachable(String),
    /// It was not asked for, or not to its end.
    Stopped(String),
}

/// What a server says when it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Refusal {
    /// HTTP status.
    pub(super) status: u16,
    /// `reason` of the Status.
    pub(super) reason: String,
    /// `message` of the Status.
    pub(super) message: String,
    /// `details.causes`.
    pub(super) causes: Vec<Cause>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::Refused(refusal) => f.write_str(&refusal.message),
            Problem::Unreachable(why) => write!(f, "no answer: {why}"),
            Problem::Stopped(why) => f.write_str(why),
        }
    }
}

impl Problem {
    /// The status of the refusal; 0 where there was none.
    pub(super) fn status(&self) -> u16 {
        if let Problem::Refused(refusal) = self { refusal.status } else { 0 }
    }
}

impl Refusal {
    fn of(response: &Response) -> Refusal {
        let status = response.node().unwrap_or_else(|_| Node::null());
        let mut message = status.str_at(&["message"]).to_owned();
        if message.is_empty() {
            message = format!("the server answered {}", response.status);
        }
        let reason = status.str_at(&["reason"]).to_owned();
        Refusal { status: response.status, reason, message, causes: Cause::all(&status) }
    }

    /// Whether it is about fields that belong to other managers.
    pub(super) fn is_field_conflict(&self) -> bool {
        self.status == 409 && self.causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
    }

    /// Without what may quote a value: for Secrets, whose values are in no output.
    pub(super) fn without_values(mut self) -> Refusal {
        let fields: Vec<&str> =
            self.causes.iter().map(|cause| cause.field.as_str()).filter(|f| !f.is_empty()).collect();
        let of = if fields.is_empty() { String::new() } else { format!(" of {}", fields.join(", ")) };
        let reason = if self.reason.is_empty() { "an error" } else { &self.reason };
        self.message = format!(
            "the server answered {} ({reason}{of}); its words are not shown, since it is a Secret",
            self.status
        );
        for cause in &mut self.causes {
            // Who owns a field is no value.
            if cause.reason != "FieldManagerConflict" {
                cause.message.clear();
            }
        }
        self
    }
}

/// What passes by itself although its status does not say so.
const PASSING: [(u16, &str); 6] = [
    (403, "status unknown for quota"),
    (403, "not yet ready to handle request"),
    (403, "error looking up service account"),
    (409, "Operation cannot be fulfilled on resourcequotas"),
    (409, "please apply your changes to the latest version"),
    (400, "etcdserver: "),
];

/// What became of a request.
#[derive(Debug)]
pub(super) struct Called {
    /// The answer to the last try.
    pub(super) outcome: Result<Response, Problem>,
    /// Whether an earlier try may have been carried out: a refusal of the last one may then be its consequence.
    pub(super) uncertain: bool,
}

impl Client {
    pub(super) fn new(port: Port, user: &str) -> Self {
        Client { port, user: user.to_owned() }
    }

    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    /// Sends a request until it is answered for good.
    pub(super) async fn call(&self, request: Request) -> Called {
        self.call_until(request, |_| false).await
    }

    /// The same; `passing` says which further refusals pass by themselves.
    pub(super) async fn call_until(&self, request: Request, passing: impl Fn(&Refusal) -> bool) -> Called {
        let request = if self.user.is_empty() { request } else { request.acting_as(&self.user) };
        let names_version = matches!(request.body, Some((Content::JsonPatch, _)));
        let conditional = names_version || matches!(request.method, Method::Put | Method::Delete);
        let (mut tries, mut lost, mut pause, mut uncertain) = (0, 0, PATIENCE.first, false);
        loop {
            tries += 1;
            let (problem, wish) = match self.port.send(request.clone()).await {
                Ok(response) if response.is_success() => return Called { outcome: Ok(response), uncertain },
                Ok(response) => {
                    let refusal = Refusal::of(&response);
                    // What a precondition refuses is refused again.
                    let listed = PASSING.iter().any(|(status, words)| {
                        *status == refusal.status && refusal.message.contains(words) && !(conditional && *status == 409)
                    });
                    let busy = refusal.status == 429 || refusal.status >= 500;
                    if !(busy || (listed && !refusal.is_field_conflict()) || passing(&refusal)) {
                        return Called { outcome: Err(Problem::Refused(refusal)), uncertain };
                    }
                    uncertain |= refusal.status >= 500;
                    (Problem::Refused(refusal), response.retry_after)
                }
                Err(Failure::NotSent(why)) => (Problem::Unreachable(why), None),
                Err(Failure::Lost(why)) => {
                    lost += 1;
                    uncertain = true;
                    (Problem::Unreachable(why), None)
                }
            };
            if tries >= PATIENCE.tries || lost >= PATIENCE.lost {
                return Called { outcome: Err(problem), uncertain };
            }
            self.port.sleep(pause.max(wish.unwrap_or(0).min(60_000))).await;
            pause = (pause * 2).min(PATIENCE.longest);
        }
    }

    /// An object; `None` where there is none.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Node>, Problem> {
        match self.call(Request::get(path)).await.outcome {
            Ok(response) => node(&response).map(Some),
            Err(Problem::Refused(refusal)) if refusal.status == 404 => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// The object that was answered.
pub(super) fn node(response: &Response) -> Result<Node, Problem> {
    response.node().map_err(|_| Problem::Unreachable("what was answered is no JSON".to_owned()))
}

/// The options of a deletion: how it spreads to what the object owns (empty: as the kind has it), and what it must still be.
pub(super) fn deletion(propagation: &str, uid: &str, resource_version: &str) -> String {
    let mut out = String::from("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":");
    json::quote(uid, &mut out);
    out.push_str(",\"resourceVersion\":");
    json::quote(resource_version, &mut out);
    out.push('}');
    if !propagation.is_empty() {
        out.push_str(",\"propagationPolicy\":");
        json::quote(propagation, &mut out);
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Command, Event, Machine};

    /// Answers the requests of a machine one after another; the times at which they were sent, and the result.
    fn run(answers: Vec<crate::api::Answer>) -> (Vec<Millis>, Called) {
        let mut machine = Machine::new(|port| async move {
            Client::new(port, "system:serviceaccount:shop:deployer").call(Request::get("/x")).await
        });
        let (mut now, mut events, mut times) = (0, Vec::new(), Vec::new());
        let mut answers = answers.into_iter();
        loop {
            let step = machine.step(now, std::mem::take(&mut events));
            if let Some(called) = step.result {
                return (times, called);
            }
            for command in step.commands {
                match command {
                    Command::Send { id, request } => {
                        assert_eq!(request.impersonate.as_deref(), Some("system:serviceaccount:shop:deployer"));
                        times.push(now);
                        events.push(Event::Answered { id, answer: answers.next().unwrap() });
                    }
                    Command::Wake { id, at } => {
                        now = at;
                        events.push(Event::Woken { id });
                    }
                    Command::Say(_) => {}
                }
            }
        }
    }

    fn status(status: u16, retry_after: Option<Millis>, message: &str) -> crate::api::Answer {
        Ok(Response { status, retry_after, text: format!("{{\"message\":\"{message}\"}}").into() })
    }

    #[test]
    fn what_passes_is_tried_again() {
        let (times, called) = run(vec![status(429, Some(3_000), ""), status(503, None, ""), status(200, None, "")]);
        assert_eq!(times, [0, 3_000, 3_500]);
        assert!(called.outcome.is_ok() && called.uncertain);
        let (times, called) = run(vec![status(429, None, ""), status(404, None, "gone")]);
        assert_eq!(times, [0, 250]);
        assert_eq!(called.outcome.unwrap_err().status(), 404);
        assert!(!called.uncertain);
        let (times, _) =
            run(vec![status(403, None, "error looking up service account shop/default"), status(200, None, "")]);
        assert_eq!(times.len(), 2);
    }

    #[test]
    fn patience_ends() {
        let lost = || Err(Failure::Lost("reset".into()));
        let (times, called) = run(vec![lost(), lost(), lost()]);
        assert_eq!(times.len(), 3);
        assert_eq!(called.outcome.unwrap_err(), Problem::Unreachable("reset".into()));
        let (times, called) = run((0..8).map(|_| status(500, None, "etcdserver: leader changed")).collect());
        assert_eq!(times.len(), 8);
        assert_eq!(called.outcome.unwrap_err().to_string(), "etcdserver: leader changed");
    }

    #[test]
    fn refusals_about_secrets_quote_nothing() {
        let text = r#"{"reason":"Invalid","message":"data: hunter2","details":{"causes":[{"field":"data[x]","message":"hunter2","reason":"FieldValueInvalid"}]}}"#;
        let refusal = Refusal::of(&Response { status: 422, retry_after: None, text: text.into() }).without_values();
        assert!(!format!("{refusal:?}").contains("hunter2"));
        assert!(refusal.message.contains("Invalid of data[x]"), "{}", refusal.message);
    }
}
