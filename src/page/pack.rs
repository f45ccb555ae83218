//! The data of a page as the script reads it: JSON in columns, every text once, deflated and in base64. The objects' texts and origins are in
//! blocks of their own, equal ones once, neighbours of one application in one block.

use std::io::Write as _;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::{Origin, Page, STATUSES, Slice};
use crate::application::AppKey;
use crate::bundle::Spread;

/// Bytes of JSON in a block, about: what is unpacked at once when an object is opened.
const BLOCK: usize = 512 << 10;

/// What goes into the file.
pub(super) struct Packed {
    pub(super) index: String,
    pub(super) blocks: Vec<String>,
}

/// Packs a page.
pub(super) fn pack(page: &Page, spread: Spread<'_>) -> Packed {
    let mut texts = Texts::default();
    let (documents, numbers) = documents(page);
    let (blocks, firsts) = blocks(&documents);
    drop(documents);
    let index = index(page, &mut texts, &numbers, &firsts);
    let mut raw = blocks;
    raw.push(index);
    let cells: Vec<OnceLock<String>> = raw.iter().map(|_| OnceLock::new()).collect();
    spread(raw.len(), &|at| {
        if let (Some(text), Some(cell)) = (raw.get(at), cells.get(at)) {
            let _ = cell.set(deflated(text));
        }
    });
    let mut blocks: Vec<String> = cells.into_iter().map(|cell| cell.into_inner().unwrap_or_default()).collect();
    let index = blocks.pop().unwrap_or_default();
    Packed { index, blocks }
}

fn deflated(text: &str) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(7));
    // Writing into memory does not fail.
    let bytes = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
    STANDARD.encode(bytes)
}

/// Numbers of an object's text and of its origin; the second is negative where nobody knows it.
type Numbers = (usize, i64);

/// Texts and origins in JSON, each once, and the numbers of each object's.
fn documents(page: &Page) -> (Vec<String>, Vec<Vec<Numbers>>) {
    let mut known: FxHashMap<String, usize> = FxHashMap::default();
    let mut list: Vec<String> = Vec::new();
    let mut add = |text: String| {
        *known.entry(text).or_insert_with_key(|text| {
            list.push(text.clone());
            list.len() - 1
        })
    };
    let mut numbers = Vec::with_capacity(page.contents.len());
    for content in &page.contents {
        let of_content = content.objects.iter().map(|object| {
            let text = add(Value::from(object.text.as_str()).to_string());
            let origin = object.origin.as_ref().map(|origin| add(document(origin).to_string()));
            (text, origin.map_or(-1, |number| i64::try_from(number).unwrap_or(-1)))
        });
        numbers.push(of_content.collect());
    }
    (list, numbers)
}

/// An origin: `s` the steps, each with its place and changes; `f` the files and `l` for each line of the text step, file and line there,
/// all counted from one, the line as the difference from the one before it.
fn document(origin: &Origin) -> Value {
    let steps: Vec<Value> = origin
        .steps
        .iter()
        .map(|step| {
            let changes = step.changes.iter().map(|(path, before, after)| json!([path, before, after]));
            json!([step.what, step.place, changes.collect::<Vec<Value>>()])
        })
        .collect();
    let mut files: Vec<&str> = Vec::new();
    let mut lines: Vec<i64> = Vec::with_capacity(origin.lines.len() * 3);
    let mut last = 0;
    for line in &origin.lines {
        let file = match line.file.as_str() {
            "" => 0,
            name => match files.iter().position(|known| *known == name) {
                Some(at) => at + 1,
                None => {
                    files.push(name);
                    files.len()
                }
            },
        };
        let number = i64::try_from(line.line).unwrap_or_default();
        let difference = if file == 0 { 0 } else { number - last };
        if file > 0 {
            last = number;
        }
        lines.extend([line.step, file].map(|n| i64::try_from(n).unwrap_or_default()));
        lines.push(difference);
    }
    json!({"s": steps, "f": files, "l": lines})
}

/// The documents in blocks, and the number of the first of each.
fn blocks(documents: &[String]) -> (Vec<String>, Vec<usize>) {
    let (mut blocks, mut firsts) = (Vec::<String>::new(), Vec::new());
    for (number, document) in documents.iter().enumerate() {
        match blocks.last_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => {
                block.push(',');
                block.push_str(document);
            }
            None => {
                firsts.push(number);
                blocks.push(format!("[{document}"));
            }
        }
    }
    blocks.iter_mut().for_each(|block| block.push(']'));
    (blocks, firsts)
}

/// Texts by number. Zero is the empty one.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    known: FxHashMap<String, usize>,
}

impl Texts {
    fn add(&mut self, text: &str) -> usize {
        if self.list.is_empty() {
            self.list.push(String::new());
            self.known.insert(String::new(), 0);
        }
        if let Some(at) = self.known.get(text) {
            return *at;
        }
        self.list.push(text.to_owned());
        self.known.insert(text.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }

    fn all(&mut self, texts: &[String]) -> Vec<usize> {
        texts.iter().map(|text| self.add(text)).collect()
    }
}

/// Lists by number, equal ones once. Zero is the empty one.
#[derive(Default)]
struct Lists {
    list: Vec<Vec<usize>>,
    known: FxHashMap<Vec<usize>, usize>,
}

impl Lists {
    fn add(&mut self, of: Vec<usize>) -> usize {
        if self.list.is_empty() {
            self.list.push(Vec::new());
            self.known.insert(Vec::new(), 0);
        }
        *self.known.entry(of).or_insert_with_key(|of| {
            self.list.push(of.clone());
            self.list.len() - 1
        })
    }
}

/// The part of an application's name that it has on every cluster: without the cluster's, where that stands in it between separators.
fn family(slice: &Slice, cluster: &str) -> String {
    let name = slice.key.name.as_str();
    let parts = name.match_indices(cluster).filter(|_| !cluster.is_empty()).find_map(|(at, _)| {
        let (before, after) = (name.get(..at)?, name.get(at + cluster.len()..)?);
        let separates = |c: char| matches!(c, '-' | '.' | '_');
        let whole =
            (before.is_empty() || before.ends_with(separates)) && (after.is_empty() || after.starts_with(separates));
        whole.then(|| (before.trim_end_matches(separates), after.trim_start_matches(separates)))
    });
    let rest = match parts {
        None | Some(("", "")) => name.to_owned(),
        Some(("", one) | (one, "")) => one.to_owned(),
        Some((a, b)) => format!("{a}-{b}"),
    };
    AppKey { name: rest, ..slice.key.clone() }.to_string()
}

fn index(page: &Page, texts: &mut Texts, numbers: &[Vec<Numbers>], firsts: &[usize]) -> String {
    texts.add("");
    let mut lists = Lists::default();
    lists.add(Vec::new());
    let sites: Vec<Value> = page
        .sites
        .iter()
        .map(|site| {
            let labels: Vec<usize> =
                site.labels.iter().flat_map(|(key, value)| [texts.add(key), texts.add(value)]).collect();
            json!([texts.add(&site.name), texts.add(&site.server), texts.add(&site.version), labels])
        })
        .collect();
    let slices = slices(page, texts, &mut lists);
    let contents: Vec<Value> = page
        .contents
        .iter()
        .zip(numbers)
        .map(|(content, numbers)| {
            let objects = content.objects.iter().zip(numbers).flat_map(|(object, (text, origin))| {
                let name = &object.reference;
                let parts = [&name.kind, &name.group, &name.namespace, &name.name].map(|text| texts.add(text));
                let images = lists.add(texts.all(&object.images));
                let numbers = parts.into_iter().chain([*text, images]);
                numbers.map(|n| i64::try_from(n).unwrap_or_default()).chain([*origin]).collect::<Vec<_>>()
            });
            Value::from(objects.collect::<Vec<i64>>())
        })
        .collect();
    let changes: Vec<Value> = page
        .changes
        .iter()
        .map(|change| {
            let fields: Vec<Value> =
                change.fields.iter().map(|(path, before, after)| json!([path, before, after])).collect();
            json!({
                "what": change.what, "tone": change.tone, "application": change.application, "kind": change.kind,
                "objects": change.objects, "more": change.more, "fields": fields, "dangers": change.dangers,
                "noise": change.noise, "whole": change.whole, "places": ranges(&change.places),
            })
        })
        .collect();
    let statuses: Vec<Value> =
        STATUSES.iter().map(|status| json!([status.word(page.subject), status.tone()])).collect();
    json!({
        "subject": page.subject.name(), "title": page.title, "facts": page.facts, "summary": page.summary,
        "tool": concat!("fleetc ", env!("CARGO_PKG_VERSION")), "statuses": statuses, "remarks": page.remarks,
        "sites": sites, "slices": slices, "contents": contents, "changes": changes, "blocks": firsts,
        "lists": lists.list, "texts": texts.list,
    })
    .to_string()
}

/// The slices as columns.
fn slices(page: &Page, texts: &mut Texts, lists: &mut Lists) -> Value {
    let site = |slice: &Slice| page.sites.get(slice.site).map_or("", |site| site.name.as_str());
    let optional = |of: Option<usize>| of.map_or(-1, |at| i64::try_from(at).unwrap_or(-1));
    let slices = &page.slices;
    let status = |slice: &Slice| STATUSES.iter().position(|status| *status == slice.status).unwrap_or_default();
    let column = |of: &mut dyn FnMut(&Slice) -> usize| slices.iter().map(of).collect::<Vec<usize>>();
    json!({
        "site": column(&mut |slice| slice.site),
        "name": column(&mut |slice| texts.add(&slice.key.to_string())),
        "family": column(&mut |slice| texts.add(&family(slice, site(slice)))),
        "project": column(&mut |slice| texts.add(&slice.project)),
        "namespace": column(&mut |slice| texts.add(&slice.namespace)),
        "set": column(&mut |slice| texts.add(&slice.set)),
        "sources": column(&mut |slice| {
            let sources = slice.sources.iter().map(|source| lists.add(texts.all(source))).collect();
            lists.add(sources)
        }),
        "made": column(&mut |slice| {
            let made = slice.made.iter().flat_map(|(what, place)| [texts.add(what), texts.add(place)]).collect();
            lists.add(made)
        }),
        "status": column(&mut |slice| status(slice)),
        "danger": column(&mut |slice| usize::from(slice.danger)),
        "notes": column(&mut |slice| lists.add(texts.all(&slice.notes))),
        "before": slices.iter().map(|slice| optional(slice.before)).collect::<Vec<i64>>(),
        "after": slices.iter().map(|slice| optional(slice.after)).collect::<Vec<i64>>(),
    })
}

/// Sorted numbers as first and length of each run.
fn ranges(numbers: &[usize]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for number in numbers {
        let next = match found.as_slice() {
            [.., first, length] => Some(first + length),
            _ => None,
        };
        match (next == Some(*number), found.last_mut()) {
            (true, Some(length)) => *length += 1,
            _ => found.extend([*number, 1]),
        }
    }
    found
}
