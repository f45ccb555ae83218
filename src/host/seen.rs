//! What a run looks at on disk: each question with the digest of its answer, so that a later run can tell whether it would see the same.
//!
//! A question is noted before, or with, the look itself: an answer that changes in between then differs from the one that is noted, and
//! never the other way round. What cannot be asked again (a program that ran, a clock that was read, a repository that is followed) makes
//! the whole run one that nothing is remembered of. Contents are not kept, only their digests.

use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix::index::entry::{Flags, Mode};
use rustc_hash::FxHashMap;

use crate::digest::Digest;

/// What is asked of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// The bytes of a file, links followed.
    Content,
    /// The names in a folder and what they are, links not followed.
    Names,
    /// What of git's index decides which names count, not the times and sizes that `git status` keeps there.
    Index,
    /// What it is, links not followed.
    Kind,
    /// Where a link leads.
    Link,
    /// Its real path.
    Place,
    /// Whether something lies there, as for what a store holds, which is known by its name.
    Presence,
}

impl Question {
    /// All of them; their places are the numbers that they are kept as.
    pub(super) const ALL: [Question; 7] = [
        Question::Content,
        Question::Names,
        Question::Index,
        Question::Kind,
        Question::Link,
        Question::Place,
        Question::Presence,
    ];

    /// Whether the answer stays the same as long as `stat` says the same.
    pub(super) fn is_told_by_stat(self) -> bool {
        matches!(self, Question::Content | Question::Names | Question::Index)
    }

    /// Asks, now.
    pub(super) fn answer(self, path: &Path) -> Digest {
        let answered = match self {
            Question::Content => fs::read(path).map(|bytes| Digest::of(&bytes)),
            Question::Names => names(path).map(|names| digest_of_names(&names)),
            Question::Index => index(path),
            Question::Kind => fs::symlink_metadata(path).map(|found| Digest::of(&[letter(found.file_type())])),
            Question::Link => fs::read_link(path).map(|target| Digest::of(target.as_os_str().as_encoded_bytes())),
            Question::Place => path.canonicalize().map(|place| Digest::of(place.as_os_str().as_encoded_bytes())),
            Question::Presence => fs::metadata(path).map(|_| Digest::of(b"here")),
        };
        answered.unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => absent(),
            _ => Digest::of_parts([b"unreadable".as_slice()]),
        })
    }
}

/// The answer where there is nothing.
pub(super) fn absent() -> Digest {
    Digest::of_parts([b"absent".as_slice()])
}

/// A question with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) path: PathBuf,
    pub(super) question: Question,
    pub(super) answer: Digest,
}

/// Where a run notes what it looks at. A clone notes in the same place; the default notes nothing.
#[derive(Clone, Debug, Default)]
pub struct Seen(Option<Arc<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    looks: Mutex<FxHashMap<PathBuf, Vec<(Question, Digest)>>>,
    beyond: AtomicBool,
}

impl Seen {
    /// One that notes.
    pub fn noting() -> Self {
        Seen(Some(Arc::default()))
    }

    /// Notes what is about to be looked at; the answer is looked up here.
    pub fn ask(&self, question: Question, path: &Path) {
        if self.0.is_some() {
            self.add(question, path, question.answer(path));
        }
    }

    /// Notes a file that was read.
    pub(super) fn content(&self, path: &Path, bytes: &[u8]) {
        if self.0.is_some() {
            self.add(Question::Content, path, Digest::of(bytes));
        }
    }

    /// Notes an answer that is known.
    pub(super) fn add(&self, question: Question, path: &Path, answer: Digest) {
        let Some(notes) = &self.0 else { return };
        let mut looks = notes.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let of_path = match looks.get_mut(path) {
            Some(known) => known,
            None => looks.entry(path.to_owned()).or_default(),
        };
        match of_path.iter().find(|(known, _)| *known == question) {
            None => of_path.push((question, answer)),
            // Two looks that saw different things: no later state can be that of both.
            Some((_, before)) if *before != answer => self.beyond(),
            Some(_) => {}
        }
    }

    /// Notes that the run rests on something that cannot be asked again.
    pub fn beyond(&self) {
        if let Some(notes) = &self.0 {
            notes.beyond.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it notes at all.
    pub(super) fn is_noting(&self) -> bool {
        self.0.is_some()
    }

    /// Everything that was looked at, sorted; `None` where that is not all that the run rests on.
    pub(super) fn looks(&self) -> Option<Vec<Look>> {
        let notes = self.0.as_ref().filter(|notes| !notes.beyond.load(Ordering::Relaxed))?;
        let known = notes.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let of_path = |(path, answers): (&PathBuf, &Vec<(Question, Digest)>)| {
            let look = |(question, answer): &(Question, Digest)| Look {
                path: path.clone(),
                question: *question,
                answer: *answer,
            };
            answers.iter().map(look).collect::<Vec<_>>()
        };
        let mut looks: Vec<Look> = known.iter().flat_map(of_path).collect();
        drop(known);
        looks.sort_by(|a, b| (&a.path, a.question).cmp(&(&b.path, b.question)));
        Some(looks)
    }
}

/// What a name is, in a letter.
pub(super) fn letter(kind: FileType) -> u8 {
    match kind {
        kind if kind.is_file() => b'f',
        kind if kind.is_dir() => b'd',
        kind if kind.is_symlink() => b'l',
        _ => b'o',
    }
}

fn names(folder: &Path) -> io::Result<Vec<(Vec<u8>, u8)>> {
    let named = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().into_encoded_bytes(), letter(entry.file_type()?)))
    };
    let mut names = fs::read_dir(folder)?.map(named).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The answer to [`Question::Names`], from sorted names with their letters.
pub(super) fn digest_of_names(sorted: &[(Vec<u8>, u8)]) -> Digest {
    let mut text = Vec::with_capacity(sorted.len() * 24);
    for (name, letter) in sorted {
        text.push(*letter);
        text.extend_from_slice(name);
        text.push(0);
    }
    Digest::of(&text)
}

fn index(path: &Path) -> io::Result<Digest> {
    fs::metadata(path)?;
    let options = gix::index::decode::Options::default();
    let index = gix::index::File::at(path, gix::hash::Kind::Sha1, true, options).map_err(io::Error::other)?;
    let mut text = vec![u8::from(index.is_sparse())];
    for entry in index.entries() {
        let left_out = entry.flags.contains(Flags::SKIP_WORKTREE);
        text.extend_from_slice(entry.path(&index));
        text.push(0);
        text.extend_from_slice(&entry.mode.bits().to_le_bytes());
        text.extend_from_slice(&entry.flags.stage_raw().to_le_bytes());
        text.push(u8::from(left_out));
        if left_out || entry.mode == Mode::DIR || entry.mode == Mode::COMMIT {
            text.extend_from_slice(entry.id.as_slice());
        }
    }
    Ok(Digest::of(&text))
}
