//! Runs of `build`, `check` and `diff` that need not be done: one before said everything there is to say, and nothing that it looked at has changed.
//! Where a build or check has to be done, renders are taken from the one before as far as they would come out the same.
//!
//! Only runs that went well and left nothing to do are remembered, by everything that they depend on beside files: program, arguments,
//! current folder, environment. Not those with a key to derive values from, which would leave a trace of it.

use std::fmt::Debug;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use fleetc::host::fetch::default_folder;
use fleetc::host::record::{RecordPlace, Said};
use fleetc::host::seen::Seen;
use fleetc::host::shelf::Shelf;

use super::args::FleetOptions;
use super::session;

/// A run that may be remembered.
pub(crate) struct Remembered {
    /// `None` where it may not be.
    place: Option<RecordPlace>,
    began: SystemTime,
    seen: Seen,
    threads: usize,
}

impl Remembered {
    /// The run of this command with these arguments, of which `options` are a part.
    pub(crate) fn of(command: &str, args: &impl Debug, options: &FleetOptions, no_cache: bool) -> Remembered {
        let place = if no_cache { None } else { place(command, args, options) };
        let seen = if place.is_some() { Seen::noting() } else { Seen::default() };
        let threads = options.threads.or_else(|| Some(std::thread::available_parallelism().ok()?.get()));
        Remembered { place, began: SystemTime::now(), seen, threads: threads.unwrap_or(1) }
    }

    /// Where the run notes what it looks at: it goes into the options.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Where the renders of the fleet in this folder are kept. They rest on nothing but what they ask, so options do not count.
    pub(crate) fn renders(&self, fleet: &Path) -> Option<Shelf> {
        self.place.as_ref()?;
        let (folder, program) = (std::fs::canonicalize(fleet).ok()?, program()?);
        let key = [program.as_bytes(), folder.as_os_str().as_encoded_bytes()];
        Some(Shelf::new(&default_folder()?, "renders", &key))
    }

    /// Says what the run before said, where this one would say the same.
    pub(crate) fn replay(&self) -> bool {
        let Some(Said { out, err }) = self.place.as_ref().and_then(|place| place.replay(self.threads)) else {
            return false;
        };
        let _ = std::io::stderr().lock().write_all(err.as_bytes());
        session::print_out(&out);
        true
    }

    /// Remembers a run that went well and left nothing to do.
    pub(crate) fn keep(&self, said: &Said) {
        if let Some(place) = &self.place {
            place.keep(self.began, said, &self.seen);
        }
    }
}

/// What tells programs apart: another build of the same version may lie at the same place.
fn program() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let found = std::fs::metadata(&program).ok()?;
    let made = found.modified().ok()?;
    Some(format!("{} {} {} {made:?}", env!("CARGO_PKG_VERSION"), program.display(), found.len()))
}

fn place(command: &str, args: &impl Debug, options: &FleetOptions) -> Option<RecordPlace> {
    let has_key = std::env::var_os("FLEETC_DERIVE_KEY").is_some_and(|key| !key.is_empty());
    if session::is_set("FLEETC_NO_CACHE") || options.derive_key.is_some() || has_key {
        return None;
    }
    let program = program()?;
    let folder = std::env::current_dir().ok()?;
    let environment =
        [options.color.is_on(&std::io::stdout()), options.color.is_on(&std::io::stderr()), session::is_offline()];
    let environment = format!("{environment:?}");
    let store = default_folder()?;
    let key = [
        program.as_bytes(),
        command.as_bytes(),
        format!("{args:?}").as_bytes(),
        folder.as_os_str().as_encoded_bytes(),
        environment.as_bytes(),
        store.as_os_str().as_encoded_bytes(),
    ]
    .map(<[u8]>::to_vec);
    let key: Vec<&[u8]> = key.iter().map(Vec::as_slice).collect();
    Some(RecordPlace::new(&store, &key))
}
