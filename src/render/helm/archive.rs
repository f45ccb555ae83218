//! A packed chart (.tgz) as its files. Nothing is written anywhere: entries are read into memory, within Helm's own limits.
//!
//! Refused: links and devices (Helm takes them for empty files), names that leave the folder, more or larger files than the limits allow.
//! Rules and words are those of Helm's pkg/chart/loader/archive.

use std::io::Read as _;

use super::chart::ChartFile;
use crate::span::FileId;
use crate::template::Bytes;

/// Bytes of all files of a chart together.
const MAX_CHART: u64 = 100 << 20;
/// Bytes of one file.
pub(super) const MAX_FILE: u64 = 5 << 20;
/// Entries of an archive; Helm counts bytes only.
const MAX_ENTRIES: usize = 50_000;

/// Whether a file begins as one that gzip has packed.
pub fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b, 8])
}

/// The files of an archive, without the folder that all of them lie in.
///
/// # Errors
/// What is wrong with the archive: one sentence, in the words of Helm where it refuses the same.
pub fn read(bytes: &[u8]) -> Result<Vec<ChartFile>, String> {
    if !is_packed(bytes) {
        return Err("gzip: invalid header".to_owned());
    }
    let unpacked = flate2::read::GzDecoder::new(bytes);
    let mut archive = tar::Archive::new(unpacked.take(MAX_CHART + MAX_CHART / 4));
    let mut files = Vec::new();
    let mut left = MAX_CHART;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if files.len() == MAX_ENTRIES {
            return Err(format!("the archive has more than {MAX_ENTRIES} files"));
        }
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err("the archive holds a link or a device".to_owned());
        }
        let name = inner_name(&String::from_utf8_lossy(&entry.path_bytes()))?;
        let size = entry.size();
        left = left
            .checked_sub(size)
            .ok_or_else(|| format!("decompressed chart is larger than the maximum size {MAX_CHART}"))?;
        if size > MAX_FILE {
            return Err(format!("decompressed chart file {name:?} is larger than the maximum file size {MAX_FILE}"));
        }
        let mut data = Vec::new();
        entry.read_to_end(&mut data).map_err(broken)?;
        if (data.len() as u64) < size {
            return Err(CUT_OFF.to_owned());
        }
        let data = match data.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => Bytes::from(rest),
            None => Bytes::from(data),
        };
        files.push(ChartFile { name, data, file: FileId::NONE });
    }
    if files.is_empty() {
        return Err("no files in chart archive".to_owned());
    }
    Ok(files)
}

const CUT_OFF: &str = "unexpected EOF";

fn broken(error: std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => CUT_OFF.to_owned(),
        _ => format!("the archive cannot be read: {error}"),
    }
}

/// The path below the top folder, which may have any name and need not be the same for all; with `/` between its parts.
fn inner_name(path: &str) -> Result<String, String> {
    let delimiter = if path.contains('\\') { '\\' } else { '/' };
    let (top, below) = path.split_once(delimiter).unwrap_or((path, ""));
    let below = below.replace(delimiter, "/");
    if below.starts_with('/') {
        return Err("chart illegally contains absolute paths".to_owned());
    }
    let mut parts = Vec::new();
    for part in below.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Err("chart illegally references parent directory".to_owned()),
            ".." => {}
            part => parts.push(part),
        }
    }
    let name = parts.join("/");
    if name.is_empty() {
        return Err(format!("chart illegally contains content outside the base directory: {path:?}"));
    }
    if name.starts_with("..") {
        return Err("chart illegally references parent directory".to_owned());
    }
    let bytes = name.as_bytes();
    if bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1..3) == Some(b":/") {
        return Err("chart contains illegally named files".to_owned());
    }
    if top == "Chart.yaml" {
        return Err("chart yaml not in base directory".to_owned());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tar::{Builder, EntryType, Header};

    use super::{MAX_CHART, MAX_ENTRIES, MAX_FILE, read};

    fn packed(entries: impl IntoIterator<Item = (String, EntryType, u64)>) -> Vec<u8> {
        let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut builder = Builder::new(packer);
        for (name, kind, size) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(size);
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name("/etc/passwd").expect("a link name");
            }
            builder.append_data(&mut header, name, std::io::Read::take(std::io::repeat(b'a'), size)).expect("packed");
        }
        builder.into_inner().expect("a tar").finish().expect("a gzip")
    }

    fn chart() -> Vec<(String, EntryType, u64)> {
        vec![("c/Chart.yaml".to_owned(), EntryType::Regular, 10)]
    }

    fn refusal(more: impl IntoIterator<Item = (String, EntryType, u64)>) -> String {
        read(&packed(chart().into_iter().chain(more))).err().unwrap_or_default()
    }

    #[test]
    fn links_and_devices_are_refused() {
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Block, EntryType::Fifo] {
            let found = refusal([("c/templates/l.yaml".to_owned(), kind, 0)]);
            assert_eq!(found, "the archive holds a link or a device", "{kind:?}");
        }
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let large = refusal([("c/large".to_owned(), EntryType::Regular, MAX_FILE + 1)]);
        assert_eq!(large, "decompressed chart file \"large\" is larger than the maximum file size 5242880");
        // A hundred thousand times smaller than what it holds.
        let bomb = packed((0..=MAX_CHART / MAX_FILE).map(|at| (format!("c/{at}"), EntryType::Regular, MAX_FILE)));
        assert!((bomb.len() as u64) < MAX_CHART / 50);
        assert_eq!(read(&bomb).err().as_deref(), Some("decompressed chart is larger than the maximum size 104857600"));
    }

    #[test]
    fn more_entries_than_a_chart_has_are_refused() {
        let found = refusal((0..MAX_ENTRIES).map(|at| (format!("c/{at}"), EntryType::Regular, 0)));
        assert_eq!(found, "the archive has more than 50000 files");
    }

    #[test]
    fn an_archive_cut_anywhere_is_refused_or_the_same() {
        let whole = packed(chart().into_iter().chain([("c/values.yaml".to_owned(), EntryType::Regular, 3000)]));
        for end in 0..whole.len() {
            if let Ok(files) = read(&whole[..end]) {
                assert_eq!(files.len(), 2, "cut at {end}");
                assert_eq!(files[1].data.len(), 3000, "cut at {end}");
            }
        }
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(2000);
        tar.append_data(&mut header, "c/Chart.yaml", std::io::Read::take(std::io::repeat(b'a'), 2000)).expect("packed");
        packer.write_all(&tar.into_inner().expect("a tar")[..1000]).expect("written");
        let found = read(&packer.finish().expect("a gzip"));
        assert!(found.is_err(), "a tar that ends in the middle of a file");
    }
}
