//! The recorded answers of generators: every file of `fleet.answers/`. One that cannot be read, or is not the one that fleet.lock pins, is an
//! error; what nobody asks is nobody's concern.

use std::collections::BTreeMap;

use crate::diag::{Checked, Diagnostic, Diagnostics, Warned};
use crate::digest::Digest;
use crate::path::FilePath;
use crate::question;
use crate::span::{Span, Spanned};
use crate::world::World;
use crate::yaml::Node;

/// Answers by the id of their question, each with its place.
pub(super) fn answers(
    world: &dyn World,
    root: &FilePath,
    pinned: &BTreeMap<String, Digest>,
) -> Warned<BTreeMap<String, Spanned<Node>>> {
    let mut out = Warned { value: BTreeMap::new(), diagnostics: Diagnostics::new() };
    let Ok(folder) = root.join(question::FOLDER) else { return out };
    if !world.stat(&folder).is_some_and(|kind| kind.is_directory()) {
        return out;
    }
    let Some(entries) = out.diagnostics.take(world.list(&folder)) else { return out };
    for entry in entries.iter().filter(|entry| entry.kind.is_file() && entry.name.ends_with(".yaml")) {
        let Ok(path) = folder.join(&entry.name) else { continue };
        let Some(file) = out.diagnostics.take(world.read(&path)) else { continue };
        let place = Span::new(file.id, 0, 0);
        let read = question::read(file.id, &file.bytes);
        let read = read.and_then(|(id, answer)| fits(&id, &answer, pinned, place).map(|()| (id, answer)));
        if let Some((id, answer)) = out.diagnostics.take(read) {
            out.value.insert(id, Spanned::new(answer, place));
        }
    }
    out
}

/// Whether an answer is the one that fleet.lock pins.
fn fits(id: &str, answer: &Node, pinned: &BTreeMap<String, Digest>, place: Span) -> Checked<()> {
    let (Some(pinned), found) = (pinned.get(id), question::digest(answer)?) else { return Ok(()) };
    if *pinned == found {
        return Ok(());
    }
    let message = format!("the recorded answer `{id}` is {found}, and fleet.lock pins {pinned}");
    let error = Diagnostic::error("read/answer", place, message);
    Err(error.hint("restore the file, or run `fleetc update`, which asks again and pins what is answered").into())
}
