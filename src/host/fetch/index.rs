//! The index of a Helm repository: which versions of a chart there are, where their archives lie, and their digests.
//!
//! Indexes have tens of megabytes, of which a fleet wants a few charts. So the text is kept, and of it only the part of a chart is parsed,
//! cut out by its indentation as Helm writes it; whatever is written otherwise is parsed as a whole. Entries without version or URL are
//! left aside, as Helm does.

use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

/// A version of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// As written.
    pub(super) version: String,
    /// Where the archive lies, as written.
    pub(super) url: String,
    /// SHA-256 in hexadecimal, as written; empty where there is none.
    pub(super) digest: String,
}

/// An index as it came.
#[derive(Debug)]
pub(super) struct Index {
    text: Vec<u8>,
}

/// Bytes of an index.
pub(super) const MAX_INDEX: u64 = 128 << 20;

impl Index {
    /// The text of an index; nothing is looked at yet.
    pub(super) fn new(text: Vec<u8>) -> Self {
        Index { text }
    }

    /// The versions of a chart; none where it has none.
    ///
    /// # Errors
    /// The text is no index: a sentence.
    pub(super) fn chart(&self, name: &str) -> Result<Vec<Entry>, String> {
        if let Some(part) = section(&self.text, name)
            && let Ok(found) = read(&part, name)
        {
            return Ok(found);
        }
        read(&self.text, name)
    }
}

fn read(text: &[u8], name: &str) -> Result<Vec<Entry>, String> {
    let limits = Limits { bytes: MAX_INDEX as usize, ..Limits::default() };
    let parsed = yaml::parse(FileId::NONE, text, Dialect::V2, &limits);
    if let Some(error) = parsed.error {
        return Err(format!("it is no YAML: {}", error.message));
    }
    let root = parsed.documents.into_iter().next().map(|document| document.root);
    let Some(entries) = root.as_ref().and_then(|root| root.get("entries")) else {
        return Err("it has no `entries`".to_owned());
    };
    let list = entries.get(name).and_then(Node::as_seq).unwrap_or_default();
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::text).unwrap_or_default().trim().to_owned();
    let entry = |node: &Node| Entry {
        version: text(node, "version"),
        url: node
            .get("urls")
            .and_then(Node::as_seq)
            .and_then(|urls| urls.first()?.text())
            .unwrap_or_default()
            .to_owned(),
        digest: text(node, "digest"),
    };
    Ok(list.iter().map(entry).filter(|entry| !entry.version.is_empty() && !entry.url.is_empty()).collect())
}

/// The lines of a chart's entry, as an index of their own. `None` where the text is not as Helm writes it.
fn section(text: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut lines = text.split_inclusive(|b| *b == b'\n');
    lines.find(|line| line.trim_ascii_end() == b"entries:")?;
    let plain = format!("  {name}:").into_bytes();
    let quoted = format!("  \"{name}\":").into_bytes();
    let mut part: Option<Vec<u8>> = None;
    for line in lines {
        // Entries are at two spaces, their lists at two spaces and a dash or deeper.
        let inner = line.starts_with(b"   ") || line.starts_with(b"  -") || line.trim_ascii().is_empty();
        match (&mut part, inner) {
            (Some(part), true) => part.extend_from_slice(line),
            (Some(_), false) => break,
            (None, false) if !line.starts_with(b"  ") => break,
            (None, false) if line.trim_ascii_end() == plain || line.trim_ascii_end() == quoted => {
                part = Some([b"entries:\n", line].concat());
            }
            (None, _) => {}
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::{Index, section};

    const INDEX: &str = "apiVersion: v1\nentries:\n  web-extra:\n  - name: web-extra\n    urls: [x.tgz]\n    version: 9.0.0\n  web:\n  - name: web\n    description: |-\n      entries:\n        web: {}\n    digest: aa\n    urls:\n    - web-1.0.0.tgz\n    - other\n    version: 1.0.0\n  - version: 2.0.0\n    urls: []\n  - urls: [https://elsewhere/web-0.9.0.tgz]\n    version: 0.9.0\ngenerated: now\n";

    #[test]
    fn a_chart_is_cut_out_as_it_is_read_from_the_whole() {
        let index = Index::new(INDEX.as_bytes().to_vec());
        let found = index.chart("web").unwrap();
        let shown: Vec<_> = found.iter().map(|e| (e.version.as_str(), e.url.as_str(), e.digest.as_str())).collect();
        assert_eq!(shown, [("1.0.0", "web-1.0.0.tgz", "aa"), ("0.9.0", "https://elsewhere/web-0.9.0.tgz", "")]);
        let part = section(INDEX.as_bytes(), "web").unwrap();
        assert_eq!(super::read(&part, "web").unwrap(), super::read(INDEX.as_bytes(), "web").unwrap());
        assert!(part.len() < INDEX.len() - 80, "{}", part.len());
        assert!(index.chart("other").unwrap().is_empty());
    }

    #[test]
    fn indexes_of_other_writers_are_read_whole() {
        let json = br#"{"apiVersion":"v1","entries":{"web":[{"version":"1.0.0","urls":["a.tgz"]}]}}"#;
        assert_eq!(Index::new(json.to_vec()).chart("web").unwrap().len(), 1);
        let indented = "entries:\n    web:\n        - version: 1.0.0\n          urls: [a.tgz]\n";
        assert_eq!(Index::new(indented.into()).chart("web").unwrap().len(), 1);
        let anchors = "entries:\n  base: &b\n  - version: 1.0.0\n    urls: [a.tgz]\n  web: *b\n";
        assert_eq!(Index::new(anchors.into()).chart("web").unwrap().len(), 1);
        assert!(Index::new(b"<html>".to_vec()).chart("web").is_err());
    }
}
