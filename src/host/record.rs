//! The record of a run that went well: what it said, and everything it looked at ([`Seen`]). As long as all of that is as it was, the next
//! run would say the same, and need not be done.
//!
//! As in git's index a file counts as unchanged when `stat` says what it said then. What was changed so late that a second change could
//! have left the same times is read again, as is everything whose `stat` differs: only a different answer is a difference. So touching
//! files, or checking them out anew, costs a look and no run. Never is anything concluded from a record but that a run would say the same again.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fetch::mark_used;
use super::seen::{Look, Question, Seen};
use super::shelf::Shelf;
use crate::digest::Digest;
use crate::render::kept::bytes::{Reader, Writer};

/// How close to the begin of a run a change may be so that a second one would have the same times: file systems count in up to two seconds.
const MARGIN: Duration = Duration::from_secs(2);

/// A place for a record.
#[derive(Clone, Debug)]
pub struct RecordPlace(Shelf);

/// What a run printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// On standard output.
    pub out: String,
    /// On standard error.
    pub err: String,
}

/// What `stat` says of something: nothing where it is not there.
type Stat = Option<[u64; 6]>;

struct Noted {
    look: Look,
    stat: Stat,
}

impl RecordPlace {
    /// The place of the record with this key below the folder of the store. The key is everything that a run depends on and that is not
    /// looked up on disk: what program, on which fleet, with which options, in what environment.
    pub fn new(store: &Path, key: &[&[u8]]) -> Self {
        RecordPlace(Shelf::new(store, "records", key))
    }

    /// Keeps what a run that began then has said. Where that cannot be kept, the next run is done in full.
    pub fn keep(&self, began: SystemTime, said: &Said, seen: &Seen) {
        let Some(looks) = seen.looks() else { return self.0.clear() };
        let noted: Vec<Noted> = looks.into_iter().map(|look| Noted { stat: stat(&look), look }).collect();
        self.write(began, said, &noted);
    }

    fn write(&self, began: SystemTime, said: &Said, noted: &[Noted]) {
        let mut body = Writer::default();
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        body.number(u64::try_from(began.as_nanos()).unwrap_or_default());
        body.bytes(said.out.as_bytes());
        body.bytes(said.err.as_bytes());
        body.number(noted.len() as u64);
        let mut before: &[u8] = &[];
        for Noted { look, stat } in noted {
            let path = look.path.as_os_str().as_encoded_bytes();
            let shared = path.iter().zip(before).take_while(|(a, b)| a == b).count();
            body.number(shared as u64);
            body.bytes(path.get(shared..).unwrap_or_default());
            body.0.push(look.question as u8);
            body.0.extend_from_slice(look.answer.as_bytes());
            body.0.push(u8::from(stat.is_some()));
            stat.iter().flatten().for_each(|number| body.number(*number));
            before = path;
        }
        self.0.save(&body.0);
    }

    /// What the run would say, where the record tells.
    pub fn replay(&self, threads: usize) -> Option<Said> {
        let began = SystemTime::now();
        let Record { began: then, said, mut noted } = Record::parse(&self.0.load()?)?;
        if compare(&mut noted, then, threads)? {
            self.write(began, &said, &noted);
        } else {
            self.0.mark_used();
        }
        Some(said)
    }
}

struct Record {
    began: u64,
    said: Said,
    noted: Vec<Noted>,
}

impl Record {
    fn parse(bytes: &[u8]) -> Option<Record> {
        let mut body = Reader(bytes);
        let began = body.number()?;
        let said = Said { out: body.text()?, err: body.text()? };
        let count = body.count()?;
        let mut noted = Vec::with_capacity(count);
        let mut path: Vec<u8> = Vec::new();
        for _ in 0..count {
            path.truncate(usize::try_from(body.number()?).ok()?);
            path.extend_from_slice(body.bytes()?);
            let question = *Question::ALL.get(usize::from(body.byte()?))?;
            let answer = Digest::from_bytes(body.take(32)?.try_into().ok()?);
            let stat = if body.flag()? {
                let mut stat = [0; 6];
                for number in &mut stat {
                    *number = body.number()?;
                }
                Some(stat)
            } else {
                None
            };
            let path = PathBuf::from(std::ffi::OsString::from(os_text(&path)));
            noted.push(Noted { look: Look { path, question, answer }, stat });
        }
        body.0.is_empty().then_some(Record { began, said, noted })
    }
}

fn os_text(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

fn stat(look: &Look) -> Stat {
    if !look.question.is_told_by_stat() {
        return None;
    }
    fs::metadata(&look.path).ok().map(|found| numbers(&found))
}

/// What must not change. The device is left out: it may have another number after a restart.
fn numbers(found: &Metadata) -> [u64; 6] {
    let time = |seconds: i64, nanos: i64| (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(nanos as u64);
    [
        found.ino(),
        found.size(),
        u64::from(found.mode()),
        u64::from(found.uid()) << 32 | u64::from(found.gid()),
        time(found.mtime(), found.mtime_nsec()),
        time(found.ctime(), found.ctime_nsec()),
    ]
}

/// Whether everything is as it was, and then whether something had to be read to know; `None` where something is different.
fn compare(noted: &mut [Noted], began: u64, threads: usize) -> Option<bool> {
    let trusted = began.saturating_sub(u64::try_from(MARGIN.as_nanos()).unwrap_or_default());
    let (differs, refreshed) = (AtomicBool::new(false), AtomicBool::new(false));
    let look_at = |noted: &mut Noted| {
        let now = stat(&noted.look);
        let is_old = |stat: &[u64; 6]| stat.iter().skip(4).all(|time| *time < trusted);
        if now.as_ref().is_some_and(|stat| noted.stat.as_ref() == Some(stat) && is_old(stat)) {
            return true;
        }
        if noted.look.question == Question::Presence {
            mark_used(&noted.look.path);
        }
        if now.is_some() {
            noted.stat = now;
            refreshed.store(true, Ordering::Relaxed);
        }
        noted.look.question.answer(&noted.look.path) == noted.look.answer
    };
    let share = noted.len().div_ceil(threads.max(1)).max(256);
    std::thread::scope(|scope| {
        for part in noted.chunks_mut(share) {
            scope.spawn(|| {
                for noted in part {
                    if differs.load(Ordering::Relaxed) {
                        return;
                    }
                    if !look_at(noted) {
                        differs.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (!differs.into_inner()).then_some(refreshed.into_inner())
}

#[cfg(test)]
mod tests;
