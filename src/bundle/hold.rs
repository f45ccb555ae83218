//! Holding: what fails keeps the files of the last good build, and nothing that is only unknown reads as a removal.
//!
//! Held are, beside the applications that failed themselves:
//! - what they declared last time (app-of-apps), and what that declared: nobody knows now whether it is still declared;
//! - what an ApplicationSet that failed made last time, with `--keep-going` (without it nothing is written at all);
//! - themselves on clusters where they do not go any more: a move is done when it succeeds.
//!
//! An application that none of this concerns and that is not there any more is really gone, and so are its files.

use std::collections::BTreeSet;

use super::index::{Entry, State};
use super::previous::{OldFile, Previous};
use super::site::{self, Content, Site, Slot};
use super::tally::Tally;
use super::{Input, Part};
use crate::application::AppKey;
use crate::diag::{Diagnostic, Diagnostics};
use crate::span::Span;

/// What stays of an application that fails: the files that the last build listed and that are still there, or nothing.
pub(super) fn last_good(key: &AppKey, why: String, directory: &str, previous: &Previous) -> Content {
    let old = previous.bundles.get(directory).and_then(|bundle| bundle.index().entry(key));
    match old {
        Some(old) if old.state != State::Absent => kept(old, why, directory, previous),
        _ => Content::Absent { why },
    }
}

fn kept(old: &Entry, why: String, directory: &str, previous: &Previous) -> Content {
    let (mut edited, mut lost) = (Vec::new(), Vec::new());
    let mut entry = Entry { state: State::Held, why, ..old.clone() };
    entry.files.retain(|path, digest| match previous.file(directory, path) {
        Some(OldFile::File(found)) if found == *digest => true,
        Some(OldFile::File(_)) => {
            edited.push(format!("{directory}/{path}"));
            true
        }
        // A link is none of ours, and what is not there cannot be listed.
        Some(OldFile::Other) | None => {
            lost.push(format!("{directory}/{path}"));
            false
        }
    });
    Content::Held { entry: Box::new(entry), edited, lost }
}

/// Adds to the sites what the last build had there, and what is held though no part of this build names it.
pub(super) fn carry(sites: &mut Vec<Site<'_>>, input: &Input<'_>) {
    if input.failed_sets.is_empty() && input.parts.iter().all(|part| part.renders.is_ok()) {
        return;
    }
    let key = |part: &Part<'_>| part.unit.unit.application.key.clone();
    let known: BTreeSet<AppKey> = input.parts.iter().map(key).collect();
    let mut held: BTreeSet<AppKey> = input.parts.iter().filter(|part| part.renders.is_err()).map(key).collect();
    // To the fixpoint: what is held may have declared others.
    loop {
        let mut more = Vec::new();
        for (directory, bundle) in &input.previous.bundles {
            for entry in bundle.index().entries() {
                let Some(why) = reason(entry, &held, &known, input) else { continue };
                more.push((directory.clone(), entry.key.clone(), why));
            }
        }
        let mut grown = false;
        for (directory, key, why) in more {
            grown |= add(sites, &directory, &key, why, input);
            grown |= held.insert(key);
        }
        if !grown {
            break;
        }
    }
}

/// Why an application of the last build is held though nothing of this build asks for it on its cluster.
fn reason(entry: &Entry, held: &BTreeSet<AppKey>, known: &BTreeSet<AppKey>, input: &Input<'_>) -> Option<String> {
    if known.contains(&entry.key) {
        return held.contains(&entry.key).then(|| "it does not go here any more, but failed where it goes".to_owned());
    }
    if let Some(parent) = entry.parent.as_ref().filter(|parent| held.contains(*parent)) {
        return Some(format!("application `{parent}`, which declared it, is held"));
    }
    let set = input.failed_sets.iter().find(|(instance, namespace, name)| {
        *instance == entry.key.instance && entry.application_set == format!("{namespace}/{name}")
    });
    set.map(|(_, namespace, name)| format!("ApplicationSet `{namespace}/{name}`, which made it, failed"))
}

/// Adds a held application to the site of a folder, unless it has a slot there.
fn add(sites: &mut Vec<Site<'_>>, directory: &str, key: &AppKey, why: String, input: &Input<'_>) -> bool {
    let Some(old) = input.previous.bundles.get(directory) else { return false };
    let Some(entry) = old.index().entry(key) else { return false };
    let at = match sites.iter().position(|site| site.directory == directory) {
        Some(at) => at,
        None => {
            let Some(index) = old.index().sides.first() else { return false };
            let at = sites.partition_point(|site| site.name < index.cluster);
            sites.insert(at, Site::gone(directory, index));
            at
        }
    };
    let Some(site) = sites.get_mut(at) else { return false };
    if site.slots.iter().any(|slot| slot.key == *key) {
        return false;
    }
    let content = match entry.state {
        State::Absent => {
            let entry = Entry { why, ..entry.clone() };
            Content::Held { entry: Box::new(entry), edited: Vec::new(), lost: Vec::new() }
        }
        _ => kept(entry, why, directory, input.previous),
    };
    let at = site.slots.partition_point(|slot| slot.key < *key);
    site.slots.insert(at, Slot::new(key.clone(), None, content));
    true
}

/// The same for applications that failed in bundling: they stay on clusters where they do not go any more.
pub(super) fn carry_failed(sites: &mut Vec<Site<'_>>, failed: &BTreeSet<AppKey>, input: &Input<'_>) {
    for key in failed {
        for (directory, bundle) in &input.previous.bundles {
            if bundle.index().entry(key).is_some() {
                add(sites, directory, key, "it does not go here any more, but failed where it goes".to_owned(), input);
            }
        }
    }
}

/// Says which files of held applications are not as they were written.
pub(super) fn report(sites: &[Site<'_>], tally: &mut Tally) {
    for slot in sites.iter().flat_map(|site| &site.slots) {
        let Content::Held { edited, lost, .. } = &slot.content else { continue };
        for path in edited {
            let message = format!("`{path}` of a held application is not as it was written; it stays as it is");
            let finding = Diagnostic::warning("bundle/edited", Span::NONE, message);
            tally.add(
                finding.hint("take it back from version control, or mend the application"),
                format!("`{}`", slot.key),
            );
        }
        for path in lost {
            let message = format!("`{path}` of a held application is not there any more");
            let finding = Diagnostic::warning("bundle/lost", Span::NONE, message);
            tally.add(
                finding.hint("take it back from version control, or mend the application"),
                format!("`{}`", slot.key),
            );
        }
    }
}

/// The files whose text [`bundle`](super::bundle) looks at: those of applications that are going to be held, since what they claim
/// is in the files only. Paths below the output folder.
pub fn held_files(input: &Input<'_>) -> Vec<String> {
    if input.failed_sets.is_empty() && input.parts.iter().all(|part| part.renders.is_ok()) {
        return Vec::new();
    }
    let mut sites = site::sites(input, &mut Diagnostics::new());
    carry(&mut sites, input);
    let mut paths = Vec::new();
    for site in &sites {
        for slot in &site.slots {
            if let Content::Held { entry, .. } = &slot.content {
                paths.extend(entry.files.keys().map(|path| format!("{}/{path}", site.directory)));
            }
        }
    }
    paths
}
