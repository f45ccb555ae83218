//! `fleetc publish --pull-request`: what is published goes to a branch beside the one that is named, and a pull request asks for it.
//!
//! One pull request for a branch: an open one of ours is brought up to date by a further commit, never by force. Ours are those whose branch
//! begins with `fleetc/` and the name of the target.

use fleetc::diag::{Cause, Checked, Diagnostic};
use fleetc::host::ask;
use fleetc::host::fetch::Fault;
use fleetc::host::publish::{Forge, Outcome, Publisher, Request, Seen, Service, Work};
use fleetc::publish::{self, Said};
use fleetc::span::Span;

use super::args::ServiceChoice;
use super::session::Session;

/// Where pull requests are opened.
pub(crate) struct Requests {
    forge: Forge,
    /// What new branches have in their name.
    mark: String,
}

fn failed(fault: Fault) -> Diagnostic {
    let error = Diagnostic::error("publish/pull-request", Span::NONE, fault.reason).cause(Cause::Source);
    match fault.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

impl Requests {
    /// Those of a repository; `mark` names new branches.
    pub(crate) fn of(choice: ServiceChoice, url: &str, session: &Session, mark: &str) -> Checked<Requests> {
        let named = match choice {
            ServiceChoice::Auto => None,
            ServiceChoice::Github => Some(Service::GitHub),
            ServiceChoice::Gitlab => Some(Service::GitLab),
            ServiceChoice::Gitea => Some(Service::Gitea),
        };
        let client = ask::client(session.logins.clone());
        let variable = |name: &str| std::env::var(name).ok();
        let forge = Forge::of(url, named, &variable, client).map_err(|fault| failed(fault).cause(Cause::Usage))?;
        Ok(Requests { forge, mark: mark.to_owned() })
    }

    /// Publishes for a branch, seen what lies on it.
    pub(crate) fn publish(
        &self,
        publisher: &Publisher,
        branch: &str,
        seen: &Seen,
        said: &Said,
        decide: &dyn Fn(&Seen) -> Checked<Option<Work>>,
    ) -> Checked<(Outcome, Option<Request>)> {
        let Some(base) = seen.commit else {
            let message = format!("`{branch}` does not exist, so nothing can be merged into it");
            let error = Diagnostic::error("publish/pull-request", Span::NONE, message).cause(Cause::Answer);
            return Err(error.hint("publish once without `--pull-request`").into());
        };
        let prefix = format!("fleetc/{branch}-");
        let open = self.forge.open(branch, &prefix).map_err(failed)?;
        // What it all comes to, for the title and the text.
        let whole = decide(seen)?;
        let head = match (&open, &whole) {
            (Some(open), _) => open.head.clone(),
            (None, Some(_)) => format!("{prefix}{}", self.mark),
            (None, None) => {
                let at = Some(base.to_string());
                let outcome = Outcome { old: at.clone(), new: at, holds: None, message: String::new(), again: 0 };
                return Ok((outcome, None));
            }
        };
        let outcome = publisher.publish(&head, Some(base), None, false, decide)?;
        let Some(whole) = whole else { return Ok((outcome, open)) };
        let title = whole.message.lines().next().unwrap_or_default();
        let text = publish::pull_request(&[(branch, &whole.holds)], said);
        let request = match open {
            Some(open) => {
                if outcome.holds.is_some() {
                    self.forge.update(&open, title, &text).map_err(failed)?;
                }
                open
            }
            None => self.forge.create(&head, branch, title, &text).map_err(failed)?,
        };
        Ok((outcome, Some(request)))
    }
}
