//! What people see of sources that are fetched: a line each that moves on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fleetc::host::fetch::Progress;
use fleetc::lock::Pin;
use fleetc::source::{SourceRequest, without_credentials};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::session::eprint_line;

/// Shows progress.
pub(crate) struct Fetching {
    quiet: bool,
    bars: Option<(MultiProgress, Mutex<BTreeMap<SourceRequest, ProgressBar>>)>,
}

impl Fetching {
    /// Shows it on standard error, or nothing where it is `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let moving = !quiet && std::io::stderr().is_terminal();
        Fetching { quiet, bars: moving.then(|| (MultiProgress::new(), Mutex::default())) }
    }

    /// Shows it on a terminal only: the originals of the renderers say nothing elsewhere.
    pub(crate) fn on_terminals() -> Self {
        Self::new(!std::io::stderr().is_terminal())
    }

    /// Tells what happens to a source.
    pub(crate) fn tell(&self, request: &SourceRequest, progress: &Progress<'_>) {
        if self.quiet {
            return;
        }
        let source = shown(request);
        let Some((all, bars)) = &self.bars else {
            match progress {
                Progress::Started => {}
                Progress::Waiting(fault) => eprint_line(&format!("waiting  {source}: {}; trying again", fault.reason)),
                Progress::Fetched(pin, took) => {
                    eprint_line(&format!("fetched  {source}: {} in {:.1} s", short(pin), took.as_secs_f64()));
                }
                Progress::Failed(fault) => eprint_line(&format!("failed   {source}: {}", fault.reason)),
            }
            return;
        };
        let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Started => {
                let bar = all.add(ProgressBar::new_spinner().with_message(format!("fetching {source}")));
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(100));
                bars.insert(request.clone(), bar);
            }
            Progress::Waiting(fault) => {
                if let Some(bar) = bars.get(request) {
                    bar.set_message(format!("fetching {source} again: {}", fault.reason));
                }
            }
            Progress::Fetched(pin, took) => {
                let line = format!("fetched  {source}: {} in {:.1} s", short(pin), took.as_secs_f64());
                finish(all, bars.remove(request), &line);
            }
            Progress::Failed(fault) => {
                finish(all, bars.remove(request), &format!("failed   {source}: {}", fault.reason));
            }
        }
    }
}

fn finish(all: &MultiProgress, bar: Option<ProgressBar>, line: &str) {
    if let Some(bar) = bar {
        bar.finish_and_clear();
        all.remove(&bar);
    }
    let _ = all.println(line);
}

/// A source without credentials.
pub(crate) fn shown(request: &SourceRequest) -> SourceRequest {
    SourceRequest { url: without_credentials(&request.url), ..request.clone() }
}

/// What a source was resolved to, short: of a commit twelve digits, of a version its digest with it.
pub(crate) fn short(pin: &Pin) -> String {
    let is_commit = matches!(pin.resolved.len(), 40 | 64) && pin.resolved.bytes().all(|b| b.is_ascii_hexdigit());
    let resolved = pin.resolved.get(..12).filter(|_| is_commit).unwrap_or(&pin.resolved);
    match pin.digest.map(|digest| digest.hex()) {
        Some(digest) if resolved.is_empty() => format!("sha256:{}", digest.get(..12).unwrap_or(&digest)),
        Some(digest) => format!("{resolved} (sha256:{})", digest.get(..12).unwrap_or(&digest)),
        None => resolved.to_owned(),
    }
}
