//! One job to the renderer that it names. What is not yet supported fails for that application, and says so.

use super::{Rendered, Stop, Tools, directory, helm, kustomize};
use crate::diag::Diagnostic;
use crate::resolve::{Job, Renderer};
use crate::span::Span;
use crate::world::World;

/// Renders a job.
///
/// # Errors
/// [`Stop`]: what is wrong in the files, what is not here, or that the tool is not yet supported.
pub fn render(job: &Job, world: &dyn World, tools: &Tools) -> Result<Rendered, Stop> {
    match &job.renderer {
        Renderer::Directory { options, jsonnet } => directory::build(world, &job.directory, options.as_ref(), *jsonnet),
        Renderer::Kustomize { edits, build_options } => {
            let options = kustomize::Options::for_application(edits.clone(), build_options);
            kustomize::build(world, &job.directory, &options, &tools.kustomize)
        }
        Renderer::Helm(options) => helm::build(world, &job.directory, options, job.facts.as_deref(), &tools.helm),
        Renderer::Plugin(_) => Err(unsupported("for a plugin", job)),
    }
}

/// Renders a job once more, so that every object says what happened to it. Shares nothing with other renders of kustomizations, whose
/// objects do not know.
///
/// # Errors
/// Those of [`render`].
pub fn render_traced(job: &Job, world: &dyn World, tools: &Tools) -> Result<Rendered, Stop> {
    match &job.renderer {
        Renderer::Kustomize { edits, build_options } => {
            let options = kustomize::Options::for_application(edits.clone(), build_options);
            let options = kustomize::Options { trace: true, ..options };
            kustomize::build(world, &job.directory, &options, &kustomize::Tools::default())
        }
        Renderer::Helm(options) => {
            let rendered = helm::build(world, &job.directory, options, job.facts.as_deref(), &tools.helm)?;
            Ok(helm::traced(rendered, options))
        }
        _ => render(job, world, tools),
    }
}

/// Without a place: the job is many applications', and its options say nothing about where each names the folder.
fn unsupported(what: &str, job: &Job) -> Stop {
    let message = format!("`{}` is {what}, which is not yet supported", job.directory.path);
    Diagnostic::error("render/unsupported", Span::NONE, message)
        .hint("the application keeps its last good files; the others are written")
        .into()
}
