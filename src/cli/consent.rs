//! The question before something is done. Nobody at a terminal is nobody who agrees: nothing is done without `--yes` then.

use std::io::{BufRead as _, IsTerminal as _};

use fleetc::diag::{Cause, Diagnostic, Diagnostics};
use fleetc::span::Span;

use super::report;
use super::session::{Session, eprint_line};

/// What is asked, and what is said where nobody agrees.
pub(crate) struct Question {
    /// What somebody reads; how it is agreed to is part of it.
    pub(crate) asks: &'static str,
    /// What counts as agreement.
    pub(crate) agrees: &'static [&'static str],
    /// What has not happened: `nothing was applied`.
    pub(crate) undone: &'static str,
    /// Code of the error where nobody is there.
    pub(crate) code: &'static str,
    /// How it is agreed to without a terminal.
    pub(crate) hint: &'static str,
}

impl Question {
    /// Asks, on a terminal.
    ///
    /// # Errors
    /// The exit code, where somebody says no or nobody is there; the reason was printed.
    pub(crate) fn put(&self, session: &Session, diagnostics: &Diagnostics) -> Result<(), u8> {
        if !std::io::stdin().is_terminal() {
            let message = format!("{}: nobody is here to agree", self.undone);
            let error = Diagnostic::error(self.code, Span::NONE, message).cause(Cause::Usage);
            session.refuse(error.hint(self.hint).into());
            return Err(2);
        }
        eprint_line(self.asks);
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).is_ok();
        if read && self.agrees.contains(&line.trim().to_lowercase().as_str()) {
            return Ok(());
        }
        session.say(self.undone);
        Err(report::exit_code(diagnostics, true))
    }
}
