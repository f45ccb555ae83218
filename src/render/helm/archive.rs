//! A packed chart (.tgz) as its files. Nothing is written anywhere: entries are read into memory, within Helm's own limits.
//!
//! Refused: links and devices, names that leave the folder, more or larger files than the limits allow. (Helm: pkg/chart/loader/archive.)

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

/// The files of an archive, without the folder that all of them lie in.
///
/// # Errors
/// What is wrong with the archive: one sentence.
pub fn read(bytes: &[u8]) -> Result<Vec<ChartFile>, String> {
    let unpacked = flate2::read::GzDecoder::new(bytes);
    let mut archive = tar::Archive::new(unpacked.take(MAX_CHART + MAX_CHART / 4));
    let broken = |error: std::io::Error| format!("the archive cannot be read: {error}");
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
        let path = String::from_utf8_lossy(&entry.path_bytes()).replace('\\', "/");
        let Some(name) = inner_name(&path)? else { continue };
        let size = entry.size();
        if size > MAX_FILE {
            return Err(format!("`{name}` is larger than the maximum file size of {MAX_FILE} bytes"));
        }
        left = left.checked_sub(size).ok_or_else(|| format!("the chart is larger than {MAX_CHART} bytes"))?;
        let mut data = Vec::new();
        entry.read_to_end(&mut data).map_err(broken)?;
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

/// The path below the top folder; `None` for what lies beside it.
fn inner_name(path: &str) -> Result<Option<String>, String> {
    let Some((_, name)) = path.split_once('/') else {
        return if path == "Chart.yaml" { Err("chart yaml not in base directory".to_owned()) } else { Ok(None) };
    };
    if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        return Err(format!("the archive holds an absolute path, `{path}`"));
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(format!("the archive holds a path that leaves it, `{path}`")),
            part => parts.push(part),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}
