//! The recorded answers of generators: every file of `fleet.answers/`. One that cannot be read is an error; what nobody asks is nobody's concern.

use std::collections::BTreeMap;

use crate::diag::Warned;
use crate::path::FilePath;
use crate::question;
use crate::span::{Span, Spanned};
use crate::world::World;
use crate::yaml::Node;

/// Answers by the id of their question, each with its place.
pub(super) fn answers(world: &dyn World, root: &FilePath) -> Warned<BTreeMap<String, Spanned<Node>>> {
    let mut out = Warned { value: BTreeMap::new(), diagnostics: crate::diag::Diagnostics::new() };
    let Ok(folder) = root.join(question::FOLDER) else { return out };
    if !world.stat(&folder).is_some_and(|kind| kind.is_directory()) {
        return out;
    }
    let Some(entries) = out.diagnostics.take(world.list(&folder)) else { return out };
    for entry in entries.iter().filter(|entry| entry.kind.is_file() && entry.name.ends_with(".yaml")) {
        let Ok(path) = folder.join(&entry.name) else { continue };
        let Some(file) = out.diagnostics.take(world.read(&path)) else { continue };
        if let Some((id, answer)) = out.diagnostics.take(question::read(file.id, &file.bytes)) {
            out.value.insert(id, Spanned::new(answer, Span::new(file.id, 0, 0)));
        }
    }
    out
}
