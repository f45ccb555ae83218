//! The tracer: where steps of a build are run, it compares the objects before and after, and lets each object that differs keep the step.
//!
//! Only for builds that ask for it ([`super::Options::trace`]); others run the step and nothing else. The history lies in the objects, so
//! that it comes along when a base is used twice.

use super::accumulate::{Build, Done};
use super::file::Kustomization;
use super::objects::Objects;
use crate::render::Step;
use crate::span::{FileId, Span};
use crate::yaml::Node;

/// What a step is called and where it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<'a> {
    what: &'static str,
    detail: &'a str,
    span: Span,
    /// The kustomization's file; what an entry elsewhere asks for is an edit of the Application.
    home: FileId,
}

impl<'a> Mark<'a> {
    /// An entry of a kustomization.
    pub(super) fn entry(k: &Kustomization, what: &'static str, detail: &'a str, span: Span) -> Self {
        Mark { what, detail, span, home: k.span.file }
    }

    /// A step that no kustomization has an entry for: a plugin's, or one of the whole build.
    pub(super) fn other(what: &'static str, detail: &'a str, span: Span) -> Self {
        Mark { what, detail, span, home: FileId::NONE }
    }

    fn step(&self, before: Option<Node>, after: Node) -> Step {
        let by_application = !self.span.is_none() && self.home != FileId::NONE && self.span.file != self.home;
        Step { what: self.what, detail: self.detail.to_owned(), span: self.span, by_application, before, after }
    }
}

impl Build<'_> {
    /// Runs a step.
    ///
    /// # Errors
    /// Those of the step.
    pub(super) fn step<T>(
        &self,
        objects: &mut Objects,
        mark: Mark<'_>,
        run: impl FnOnce(&mut Objects) -> Done<T>,
    ) -> Done<T> {
        if !self.trace {
            return run(objects);
        }
        let before: Vec<(Span, Node)> =
            objects.list().iter().map(|object| (object.span, object.body.clone())).collect();
        let result = run(objects)?;
        let same_length = before.len() == objects.list().len();
        // Steps keep the order: they change in place, drop, and add at the end.
        let mut next = 0;
        for (at, object) in objects.bodies_mut().iter_mut().enumerate() {
            if !same_length {
                let rest = before.get(next..).unwrap_or_default();
                next += rest.iter().position(|(span, _)| *span == object.span).unwrap_or(rest.len());
            } else {
                next = at;
            }
            let old = before.get(next).map(|(_, body)| body);
            if old != Some(&object.body) && !object.is_empty() {
                object.steps.push(mark.step(old.cloned(), object.body.clone()));
            }
            next += 1;
        }
        Ok(result)
    }
}
