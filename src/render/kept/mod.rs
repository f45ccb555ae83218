//! Renders of an earlier run that need not be done again: each with everything it asked of the world, and the answers.
//!
//! A kept render stands for a job when the job is equal and every question that it asked, in its order, has the same answer now: the bytes
//! of files, the names in directories, what paths are, links on the way to them, and which tree a source is. A render is a function of its
//! job and these answers (and of this program, which is the business of who keeps the bytes), so it would come out the same, places
//! included. The questions are asked through the compile's own world, so that what a kept render has read counts as an input; and in order, up
//! to the first other answer: as far as that, rendering anew asks them as well.
//!
//! Not kept are renders that fail, that have the clock or randomness, that start a program, or that name places in files they did not
//! read (edits written in an Application).

pub mod bytes;
mod pack;

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use super::{Rendered, Stop, Tools, render};
use crate::digest::Digest;
use crate::path::{FilePath, TreeId, TreePath};
use crate::resolve::{HelmFilePlace, Job, Nondeterminism, Renderer};
use crate::source::SourceRequest;
use crate::span::FileId;
use crate::world::{Access, EntryKind, Lookup, Reading, World};

/// Renders of an earlier run, and those of this one.
#[derive(Default)]
pub struct Kept {
    /// Whether results are to be kept at all.
    keeping: bool,
    /// What an earlier run kept, in which the results lie.
    bytes: Arc<[u8]>,
    questions: Vec<Question>,
    /// Renders by their job.
    renders: FxHashMap<Digest, Vec<KeptRender>>,
    trees: RwLock<Trees>,
    fresh: Mutex<Vec<Fresh>>,
    reused: AtomicUsize,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

/// A question of an earlier run. Trees go by the request that they answered there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Asked {
    Read(SourceRequest, TreePath),
    List(SourceRequest, TreePath),
    Stat(SourceRequest, TreePath),
    Tree(SourceRequest),
}

struct Question {
    asked: Asked,
    answer: Digest,
    /// Whether the answer is the same now, and which file it is about.
    now: OnceLock<Option<FileId>>,
}

struct KeptRender {
    /// Numbers of its questions, in order.
    questions: Vec<u32>,
    /// Where its result lies.
    body: Range<usize>,
    used: OnceLock<()>,
}

/// A render of this run.
struct Fresh {
    job: Digest,
    questions: Arc<[Access]>,
    rendered: Arc<Rendered>,
}

#[derive(Default)]
struct Trees {
    request: FxHashMap<TreeId, SourceRequest>,
    id: FxHashMap<SourceRequest, TreeId>,
    /// For directories: what they and all above are, links included.
    ways: FxHashMap<FilePath, Digest>,
}

impl Kept {
    /// Nothing kept yet; what is rendered will be.
    pub fn keeping() -> Self {
        Kept { keeping: true, ..Kept::default() }
    }

    /// What an earlier run kept; nothing where the bytes are something else.
    pub fn parse(bytes: Arc<[u8]>) -> Self {
        Kept { keeping: true, ..pack::parse(bytes).unwrap_or_default() }
    }

    /// The result of a render.
    fn body(&self, render: &KeptRender) -> &[u8] {
        self.bytes.get(render.body.clone()).unwrap_or_default()
    }

    /// How many renders of this run were kept ones.
    pub fn reused(&self) -> usize {
        self.reused.load(Ordering::Relaxed)
    }

    /// How many were not, and can be kept.
    pub fn fresh(&self) -> usize {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The renders of this run, for the next one.
    pub fn to_bytes(&self, world: &dyn World) -> Vec<u8> {
        pack::write(self, world)
    }

    /// Notes which tree answers a source.
    pub fn tree(&self, source: &SourceRequest, tree: TreeId) {
        if self.keeping {
            let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
            trees.request.entry(tree).or_insert_with(|| source.clone());
            trees.id.insert(source.clone(), tree);
        }
    }

    /// Renders a job, or takes the kept render of it.
    ///
    /// # Errors
    /// Those of [`render`].
    pub fn render(&self, job: &Job, world: &dyn World, tools: &Tools) -> Result<Arc<Rendered>, Stop> {
        let Some(key) = self.key(job) else { return render(job, world, tools).map(Arc::new) };
        for kept in self.renders.get(&key).into_iter().flatten() {
            if let Some(rendered) = self.take(kept, job, world) {
                self.reused.fetch_add(1, Ordering::Relaxed);
                let _ = kept.used.set(());
                return Ok(Arc::new(rendered));
            }
        }
        let reading = Reading::new(world);
        let rendered = render(job, &reading, tools).map(Arc::new)?;
        let fresh = Fresh { job: key, questions: reading.finish(), rendered: Arc::clone(&rendered) };
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).push(fresh);
        Ok(rendered)
    }

    fn take(&self, kept: &KeptRender, job: &Job, world: &dyn World) -> Option<Rendered> {
        let mut files = Vec::with_capacity(kept.questions.len());
        for number in &kept.questions {
            let question = self.questions.get(usize::try_from(*number).ok()?)?;
            let now = question.now.get_or_init(|| {
                let (answer, file) = self.ask(&self.access(&question.asked)?, world)?;
                (answer == question.answer).then_some(file)
            });
            files.push((*now)?);
        }
        let mut rendered = pack::rendered(self.body(kept), &files)?;
        if let Some(facts) = &job.facts {
            if !rendered.facts.holds_for(facts) {
                return None;
            }
            rendered.facts.known = (**facts).clone();
        }
        Some(rendered)
    }

    /// The digest of a job, whatever is known of the cluster; none where its result may not be kept.
    fn key(&self, job: &Job) -> Option<Digest> {
        if !self.keeping {
            return None;
        }
        let mut job = job.without_facts();
        let mut named = vec![self.request(job.directory.tree)?];
        job.directory.tree = TreeId(0);
        if let Renderer::Helm(options) = &mut job.renderer {
            if options.nondeterminism != Nondeterminism::Refuse {
                return None;
            }
            let options = Arc::make_mut(options);
            let files = options.value_files.iter_mut().chain(options.set_file.iter_mut().map(|(_, file)| file));
            for file in files {
                if let HelmFilePlace::Tree(path) = &mut file.place {
                    named.push(self.request(path.tree)?);
                    path.tree = TreeId(0);
                }
            }
        }
        let mut hasher = Sha(Sha256::new());
        (job, named).hash(&mut hasher);
        Some(Digest::from_bytes(hasher.0.finalize().into()))
    }

    fn request(&self, tree: TreeId) -> Option<SourceRequest> {
        self.trees.read().unwrap_or_else(PoisonError::into_inner).request.get(&tree).cloned()
    }

    /// A question of an earlier run as one of this run; none where its tree has not come up.
    fn access(&self, asked: &Asked) -> Option<Access> {
        let file = |request: &SourceRequest, path: &TreePath| {
            let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
            Some(FilePath::new(*trees.id.get(request)?, path.clone()))
        };
        Some(match asked {
            Asked::Read(request, path) => Access::Read(file(request, path)?),
            Asked::List(request, path) => Access::List(file(request, path)?),
            Asked::Stat(request, path) => Access::Stat(file(request, path)?),
            Asked::Tree(request) => Access::Tree(request.clone()),
        })
    }

    /// The opposite of [`Kept::access`]; none also for what must not be kept.
    fn asked(&self, access: &Access) -> Option<Asked> {
        Some(match access {
            Access::Read(file) => Asked::Read(self.request(file.tree)?, file.path.clone()),
            Access::List(file) => Asked::List(self.request(file.tree)?, file.path.clone()),
            Access::Stat(file) => Asked::Stat(self.request(file.tree)?, file.path.clone()),
            Access::Tree(request) => Asked::Tree(request.clone()),
            Access::Program => return None,
        })
    }

    /// What the world answers now, and which file that is about.
    fn ask(&self, access: &Access, world: &dyn World) -> Option<(Digest, FileId)> {
        let (answer, file) = match access {
            Access::Read(file) => match world.read(file) {
                Ok(source) => {
                    (Digest::of_parts([self.way(file, world).as_bytes().as_slice(), &source.bytes]), source.id)
                }
                Err(_) => return None,
            },
            Access::List(directory) => {
                let mut text = Vec::new();
                for entry in world.list(directory).ok()?.iter() {
                    text.extend_from_slice(entry.name.as_bytes());
                    text.push(0);
                    spell(Some(&entry.kind), &mut text);
                }
                (Digest::of_parts([self.way(directory, world).as_bytes().as_slice(), &text]), FileId::NONE)
            }
            Access::Stat(path) => {
                let mut text = Vec::new();
                spell(world.stat(path).as_ref(), &mut text);
                (Digest::of_parts([self.way(path, world).as_bytes().as_slice(), &text]), FileId::NONE)
            }
            Access::Tree(request) => {
                let Lookup::Here(tree) = world.tree(request) else { return None };
                self.tree(request, tree.id);
                (Digest::of_parts([b"here".as_slice()]), FileId::NONE)
            }
            Access::Program => return None,
        };
        Some((answer, file))
    }

    /// What the directories above a path are.
    fn way(&self, path: &FilePath, world: &dyn World) -> Digest {
        let Some(above) = path.path.parent() else { return Digest::of(b"") };
        let above = FilePath::new(path.tree, above);
        if let Some(known) = self.trees.read().unwrap_or_else(PoisonError::into_inner).ways.get(&above) {
            return *known;
        }
        let mut text = Vec::new();
        spell(world.stat(&above).as_ref(), &mut text);
        let way = Digest::of_parts([self.way(&above, world).as_bytes().as_slice(), &text]);
        self.trees.write().unwrap_or_else(PoisonError::into_inner).ways.insert(above, way);
        way
    }
}

fn spell(kind: Option<&EntryKind>, text: &mut Vec<u8>) {
    let (letter, target) = match kind {
        None => (b'-', None),
        Some(EntryKind::File) => (b'f', None),
        Some(EntryKind::Directory) => (b'd', None),
        Some(EntryKind::FileLink(target)) => (b'F', Some(target)),
        Some(EntryKind::DirectoryLink(target)) => (b'D', Some(target)),
        Some(EntryKind::BrokenLink) => (b'b', None),
        Some(EntryKind::EscapingLink) => (b'e', None),
        Some(EntryKind::Other) => (b'o', None),
    };
    text.push(letter);
    text.extend_from_slice(target.map(TreePath::as_str).unwrap_or_default().as_bytes());
    text.push(0);
}

/// SHA-256 over what a value's own [`Hash`] looks at, which is what makes it equal to others.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
