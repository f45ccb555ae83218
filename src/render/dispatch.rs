//! One job to the renderer that it names. What is not allowed fails for that application, and says so.

use super::{Rendered, Stop, Tools, directory, helm, kustomize, plugin};
use crate::resolve::{Job, Renderer};
use crate::world::World;

/// Renders a job.
///
/// # Errors
/// [`Stop`]: what is wrong in the files, what is not here, or that a plugin is not allowed.
pub fn render(job: &Job, world: &dyn World, tools: &Tools) -> Result<Rendered, Stop> {
    match &job.renderer {
        Renderer::Directory { options, jsonnet, templates } => {
            directory::build(world, &job.directory, options.as_ref(), *jsonnet, templates.as_ref())
        }
        Renderer::Kustomize { edits, build_options } => {
            let options = kustomize::Options::for_application(edits.clone(), build_options, job.facts.as_deref());
            kustomize::build(world, &job.directory, &options, &tools.kustomize)
        }
        Renderer::Helm(options) => helm::build(world, &job.directory, options, job.facts.as_deref(), &tools.helm),
        Renderer::Plugin(options) => plugin::build(world, &job.directory, options),
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
            let options = kustomize::Options::for_application(edits.clone(), build_options, job.facts.as_deref());
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
