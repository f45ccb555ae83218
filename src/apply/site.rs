//! What the slices of a cluster share while they are applied: choices, what the server serves, and whether it still answers.

use std::sync::atomic::{AtomicBool, Ordering};

use super::kinds::Kinds;
use super::object::Decision;
use crate::api::{Cause, Millis};
use crate::application::AppKey;
use crate::k8s::conflict::{self, Conflict};
use crate::k8s::fields::{applied::applied, edit, path_text};
use crate::k8s::health::Scripts;
use crate::k8s::object::Gvk;
use crate::machine::Port;
use crate::yaml::Node;

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Health of each wave where a slice has several, or hooks: as in Argo CD.
    #[default]
    Steps,
    /// Health of all that was applied, too.
    Always,
    /// No health. The ends of hooks and what other objects need are waited for all the same.
    Never,
}

/// Choices.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names this run in leases; no other run has the same.
    pub holder: String,
    /// What is waited for.
    pub wait: Wait,
    /// How long: for a wave's health, for a hook, for an object to be gone.
    pub timeout: Millis,
    /// Requests of a slice at a time.
    pub at_once: usize,
    /// Slices of a cluster at a time.
    pub slices_at_once: usize,
    /// A person started it: windows with `manualSync` let it through.
    pub manual: bool,
    /// Sync windows do not count.
    pub ignore_windows: bool,
    /// Health scripts of argocd-cm.
    pub scripts: Scripts,
}

/// A cluster at work.
pub(super) struct Site<'a> {
    pub(super) port: Port,
    conflicts: conflict::Policy,
    pub(super) options: &'a Options,
    pub(super) kinds: Kinds,
    broken: AtomicBool,
}

impl<'a> Site<'a> {
    pub(super) fn new(port: &Port, options: &'a Options, conflicts: conflict::Policy) -> Self {
        Site { port: port.clone(), conflicts, options, kinds: Kinds::default(), broken: AtomicBool::new(false) }
    }

    /// Whether a request to the cluster got no answer, however often it was sent.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    pub(super) fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(super) fn say(&self, application: &AppKey, what: &str) {
        self.port.say(format!("{application}: {what}"));
    }

    /// What is done about a field that has come into somebody else's hands since the plan was made: what the plan would have done.
    pub(super) fn decide(&self, gvk: &Gvk, cause: &Cause, sent: &mut Node) -> Decision {
        let Some(conflict) = Conflict::of_cause(&cause.reason, &cause.field, &cause.message) else {
            return Decision::Fail(cause.message.clone());
        };
        match self.conflicts.decide(gvk, &conflict) {
            conflict::Decision::Take => Decision::Take,
            conflict::Decision::Fail(why) => Decision::Fail(format!("{}: {why}", conflict.field)),
            conflict::Decision::Yield(why) => {
                let paths = applied(sent, None).paths();
                let path = paths.iter().find(|path| path_text(path) == conflict.field);
                if path.is_some_and(|path| edit::remove(sent, path)) {
                    Decision::Yield(format!("{} is {why}", conflict.field))
                } else {
                    Decision::Fail(format!("{}: {why}, but the field cannot be left out by itself", conflict.field))
                }
            }
        }
    }
}
