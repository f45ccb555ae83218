//! What is said to an API server and what it answers: requests, answers, and how a request can fail on its way.
//!
//! Vocabulary of plan, apply and whoever carries their requests (`host` to real clusters, `memory_cluster` to simulated ones). Nothing is
//! sent here. Bodies are text, so that who carries them parses nothing.

mod path;

use std::sync::Arc;

use crate::diag::Checked;
use crate::span::FileId;
use crate::yaml::{Node, json};

pub use path::{Resource, encode};

/// Milliseconds since 1970-01-01 UTC, of the clock that the carrier keeps (a real or a virtual one).
pub type Millis = u64;

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Reads an object or a collection.
    Get,
    /// Creates an object in a collection.
    Post,
    /// Replaces an object.
    Put,
    /// Changes an object as its [`Content`] says.
    Patch,
    /// Deletes an object.
    Delete,
}

impl Method {
    /// As HTTP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Whether it changes nothing.
    pub fn reads(self) -> bool {
        self == Method::Get
    }
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// An object, or options of a deletion.
    Json,
    /// A configuration for server-side apply. JSON is YAML.
    Apply,
    /// RFC 7386.
    MergePatch,
    /// RFC 6902.
    JsonPatch,
}

impl Content {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Content::Json => "application/json",
            Content::Apply => "application/apply-patch+yaml",
            Content::MergePatch => "application/merge-patch+json",
            Content::JsonPatch => "application/json-patch+json",
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// Absolute path below the server's URL, percent-encoded, without query: `/api/v1/namespaces/shop/configmaps/web`.
    pub path: String,
    /// Parameters, not yet encoded: `fieldManager`, `dryRun`, `labelSelector`…
    pub query: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<(Content, Arc<str>)>,
    /// The user to act as (`Impersonate-User`).
    pub impersonate: Option<String>,
    /// The form of the answer (`Accept`) where it is not plain JSON.
    pub accept: Option<&'static str>,
}

impl Request {
    /// A request without parameters and body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Request { method, path: path.into(), query: Vec::new(), body: None, impersonate: None, accept: None }
    }

    /// Reads a path.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, content: Content, text: impl Into<Arc<str>>) -> Self {
        self.body = Some((content, text.into()));
        self
    }

    /// Acts as another user; empty stands for oneself.
    #[must_use]
    pub fn acting_as(mut self, user: &str) -> Self {
        self.impersonate = (!user.is_empty()).then(|| user.to_owned());
        self
    }

    /// Asks for a form of the answer; servers that do not know it fall back to plain JSON where the value names that too.
    #[must_use]
    pub fn accepting(mut self, media_types: &'static str) -> Self {
        self.accept = Some(media_types);
        self
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it changes nothing on the server: it reads, or it is a dry run.
    pub fn is_harmless(&self) -> bool {
        self.method.reads() || self.parameter("dryRun") == Some("All")
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, in milliseconds.
    pub retry_after: Option<Millis>,
    /// The body: JSON nearly always.
    pub text: Arc<str>,
}

impl Response {
    /// Whether the server did what was asked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as a value.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn node(&self) -> Checked<Node> {
        json::parse(FileId::NONE, self.text.as_bytes())
    }

    /// The causes that a refusal gives.
    pub fn causes(&self) -> Vec<Cause> {
        self.node().map(|status| Cause::all(&status)).unwrap_or_default()
    }
}

/// One of `details.causes` of a Status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// `FieldManagerConflict`, `FieldValueInvalid`…
    pub reason: String,
    /// The field, as the API server writes it.
    pub field: String,
    /// For people.
    pub message: String,
}

impl Cause {
    /// The causes in a Status.
    pub fn all(status: &Node) -> Vec<Cause> {
        let text = |node: &Node, key: &str| node.get(key).and_then(Node::text).unwrap_or_default().to_owned();
        let causes = status.at(&["details", "causes"]).and_then(Node::as_seq).unwrap_or_default();
        let cause = |node: &Node| Cause {
            reason: text(node, "reason"),
            field: text(node, "field"),
            message: text(node, "message"),
        };
        causes.iter().map(cause).collect()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request never left: no connection, no credentials, a name that does not resolve. The server did nothing.
    NotSent(String),
    /// The connection broke, or nothing came in time: the server may have done it.
    Lost(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::NotSent(why) | Failure::Lost(why) => f.write_str(why),
        }
    }
}

/// The outcome of a request.
pub type Answer = Result<Response, Failure>;
