//! Which source is what, and where it lies: pins before all else, then the store, and the network only in [`Sources::fetch`].
//!
//! A source that fleet.lock pins is that, whatever its revision stands for now. One without a pin is resolved once in a run, and pinned.
//! One that is followed (`pin: follow`) is resolved in every run. Nothing is fetched while something is looked up: what is not in the
//! store is missing until [`Sources::fetch`] has brought it. Here is decided what the lock and the command line allow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::super::tree;
use super::patience::{Patience, patiently};
use super::{Fault, Fetcher, Guard, Store};
use crate::lock::Pin;
use crate::source::{SourceKind, SourceRequest, is_answered_by, normalize_git_url, without_credentials};

/// What the command line allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Nothing is pinned anew: `--locked`.
    pub locked: bool,
    /// Nothing is asked of the network: `--offline`.
    pub offline: bool,
}

/// What is known of sources when a run begins.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What fleet.lock pins, without what is to be resolved anew.
    pub pins: BTreeMap<SourceRequest, Pin>,
    /// URLs of repositories that are followed.
    pub following: Vec<String>,
    /// What these were at the last build; used where the network may not be asked.
    pub followed: BTreeMap<SourceRequest, Pin>,
}

/// What happens to a source while it is fetched.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// It is asked for.
    Started,
    /// It failed, and is asked for again after a while.
    Waiting(&'a Fault),
    /// It is in the store.
    Fetched(&'a Pin, Duration),
    /// It cannot be had.
    Failed(&'a Fault),
}

/// Who hears of [`Progress`]. Called from several threads.
pub type Report<'r> = &'r (dyn Fn(&SourceRequest, Progress<'_>) + Sync);

/// Why a source is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) struct Missing {
    pub(in crate::host) reason: String,
    pub(in crate::host) hint: Option<String>,
    /// Whether [`Sources::fetch`] may bring it.
    pub(in crate::host) fetchable: bool,
}

/// The sources of a run.
pub struct Sources {
    store: Store,
    /// Held from the first look into the store on, so that nothing in it is removed.
    in_use: OnceLock<Option<Guard>>,
    fetchers: Table,
    patience: Patience,
    allowed: Allowed,
    known: Known,
    state: Mutex<State>,
}

/// Who fetches what kind of source.
pub(in crate::host) struct Table {
    pub(in crate::host) git: Arc<dyn Fetcher>,
    pub(in crate::host) chart: Arc<dyn Fetcher>,
    pub(in crate::host) oci: Arc<dyn Fetcher>,
    pub(in crate::host) file: Arc<dyn Fetcher>,
}

/// What this run has found out.
#[derive(Default)]
struct State {
    pins: BTreeMap<SourceRequest, Pin>,
    /// What was asked for, and how it failed.
    asked: BTreeMap<SourceRequest, Option<Fault>>,
}

/// Sources that are fetched at once.
const AT_ONCE: usize = 8;

impl Sources {
    /// The sources of a run that reads this store.
    pub(in crate::host) fn with(store: Store, fetchers: Table, allowed: Allowed, known: Known) -> Self {
        Sources {
            store,
            in_use: OnceLock::new(),
            fetchers,
            patience: Patience::default(),
            allowed,
            known,
            state: Mutex::default(),
        }
    }

    /// The same with other times to wait, for tests.
    #[cfg(test)]
    pub(super) fn patience(self, patience: Patience) -> Self {
        Sources { patience, ..self }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn hold(&self) {
        // A store that cannot be written to, such as a vendored one, is not collected either.
        self.in_use.get_or_init(|| self.store.read_lock().ok());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetcher(&self, kind: &SourceKind) -> &Arc<dyn Fetcher> {
        match kind {
            SourceKind::Git => &self.fetchers.git,
            SourceKind::Chart(_) => &self.fetchers.chart,
            SourceKind::Oci => &self.fetchers.oci,
            SourceKind::File => &self.fetchers.file,
        }
    }

    fn is_followed(&self, request: &SourceRequest) -> bool {
        follows(&self.known.following, request)
    }

    /// What a source is in this run; `None` where that is not known yet.
    pub(in crate::host) fn pin(&self, request: &SourceRequest) -> Option<Pin> {
        if let Some(pin) = self.state().pins.get(request) {
            return Some(pin.clone());
        }
        if self.is_followed(request) {
            return if self.allowed.offline { self.known.followed.get(request).cloned() } else { None };
        }
        self.known.pins.get(request).cloned().or_else(|| exact(request))
    }

    /// The files of a source, and what it is, from the store.
    pub(in crate::host) fn open(&self, request: &SourceRequest) -> Result<(Pin, Box<dyn tree::Store>), Missing> {
        let lasting = |fault: Fault| Missing { reason: fault.reason, hint: fault.hint, fetchable: false };
        let pin = self.pin(request);
        if pin.is_some() && self.store.root().is_dir() {
            self.hold();
        }
        if let Some(pin) = &pin
            && let Some(files) = self.fetcher(&request.kind).open(request, pin).map_err(lasting)?
        {
            return Ok((pin.clone(), files));
        }
        Err(self.missing(request, pin.is_some()))
    }

    fn missing(&self, request: &SourceRequest, pinned: bool) -> Missing {
        match self.state().asked.get(request) {
            Some(Some(fault)) => {
                return Missing { reason: fault.reason.clone(), hint: fault.hint.clone(), fetchable: false };
            }
            Some(None) => {
                let reason = "it was fetched, but is not in the store now".to_owned();
                return Missing { reason, hint: Some("run this again".to_owned()), fetchable: false };
            }
            None => {}
        }
        let refused = |reason: &str, hint: &str| {
            let hint = Some(hint.to_owned());
            Missing { reason: reason.to_owned(), hint, fetchable: false }
        };
        let Allowed { locked, offline } = self.allowed;
        match (pinned, self.is_followed(request)) {
            (true, _) if offline => refused(
                "the store does not have it, and nothing is fetched (`--offline`)",
                "run once without `--offline`, or name a store that has it: `fleetc vendor DIR` makes one for `--store DIR`",
            ),
            (false, true) if offline => refused(
                "it is followed, bundles.lock does not say what it was, and nothing is asked (`--offline`)",
                "run `fleetc build` once without `--offline`",
            ),
            (false, false) if locked => refused(
                "fleet.lock does not pin it, and nothing is pinned anew (`--locked`)",
                "run `fleetc update`, and commit fleet.lock",
            ),
            (false, false) if offline => refused(
                "fleet.lock does not pin it, and nothing is asked (`--offline`)",
                "run `fleetc update` where there is a network, and commit fleet.lock",
            ),
            _ => Missing { reason: "it has not been fetched".to_owned(), hint: None, fetchable: true },
        }
    }

    /// Whether [`Sources::fetch`] may bring a source that was not asked for in this run.
    pub(in crate::host) fn may_fetch(&self, request: &SourceRequest) -> bool {
        self.missing(request, self.pin(request).is_some()).fetchable
    }

    /// Fetches sources, several at once, each at most once in a run. What becomes of them is told to `report`, and answered when they
    /// are looked up again.
    pub fn fetch(&self, wanted: &[SourceRequest], report: Report<'_>) {
        let wanted: Vec<&SourceRequest> = wanted.iter().filter(|request| self.may_fetch(request)).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..wanted.len().min(AT_ONCE) {
                scope.spawn(|| {
                    while let Some(request) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.bring(request, report);
                    }
                });
            }
        });
    }

    fn bring(&self, request: &SourceRequest, report: Report<'_>) {
        self.hold();
        report(request, Progress::Started);
        let began = Instant::now();
        let known = self.pin(request);
        let work = {
            let (fetcher, request) = (Arc::clone(self.fetcher(&request.kind)), request.clone());
            move || {
                let pin = match &known {
                    Some(pin) => pin.clone(),
                    None => fetcher.resolve(&request)?,
                };
                fetcher.fetch(&request, &pin)?;
                Ok(pin)
            }
        };
        let outcome = patiently(&self.patience, work, &|fault| report(request, Progress::Waiting(fault)));
        let mut state = self.state();
        match &outcome {
            Ok(pin) => {
                state.pins.insert(request.clone(), pin.clone());
                state.asked.insert(request.clone(), None);
            }
            Err(fault) => {
                state.asked.insert(request.clone(), Some(fault.clone()));
            }
        }
        drop(state);
        match &outcome {
            Ok(pin) => report(request, Progress::Fetched(pin, began.elapsed())),
            Err(fault) => report(request, Progress::Failed(fault)),
        }
    }
}

/// Whether a repository is among those that are followed. Rules as for mapped ones.
pub(in crate::host) fn follows(following: &[String], request: &SourceRequest) -> bool {
    following.iter().any(|url| is_answered_by(url, &request.url))
}

/// A full commit is what it says; nobody needs to be asked.
fn exact(request: &SourceRequest) -> Option<Pin> {
    let revision = &request.revision;
    let is_commit = request.kind == SourceKind::Git
        && matches!(revision.len(), 40 | 64)
        && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| Pin { resolved: revision.to_ascii_lowercase(), digest: None })
}

/// What makes two sources the same files: equal commits of one repository are one tree, however they were asked for.
pub(in crate::host) fn content_key(request: &SourceRequest, pin: &Pin) -> String {
    let digest = pin.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let (kind, name) = match &request.kind {
        SourceKind::Git => ("git", ""),
        SourceKind::Chart(name) => ("chart", name.as_str()),
        SourceKind::Oci => ("oci", ""),
        SourceKind::File => ("file", ""),
    };
    format!("{kind}\n{}\n{name}\n{}\n{digest}", normalize_git_url(&request.url), pin.resolved)
}

/// What goes before paths of a source in names for people. The same for all that are the same files, as far as possible.
pub(in crate::host) fn label(request: &SourceRequest, pin: &Pin) -> String {
    let url = without_credentials(&request.url);
    let url = url.trim_end_matches('/');
    match &request.kind {
        SourceKind::Git => {
            let short = pin.resolved.get(..12).unwrap_or(&pin.resolved);
            format!("{}@{short}:", url.strip_suffix(".git").unwrap_or(url))
        }
        SourceKind::Chart(name) => format!("{url}/{name}-{}/", pin.resolved),
        SourceKind::Oci => format!("{url}:{}/", pin.resolved),
        SourceKind::File => {
            let path = url.split(['?', '#']).next().unwrap_or(url);
            path.rsplit_once('/').map_or_else(String::new, |(folder, _)| format!("{folder}/"))
        }
    }
}
