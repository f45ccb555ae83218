//! Dangers that an object shows by itself, or beside the others of its application: the rules are those of [`crate::danger`], which
//! `diff` and `plan` apply to changes. And labels that the fleet wants of its objects.

use super::rules::Found;
use super::subject::Subject;
use crate::danger::{self, Mark, Others, State};
use crate::k8s::glob::Glob;
use crate::render::Resource;
use crate::yaml::Node;

/// What the application renders.
struct Neighbours<'a>(&'a [Resource]);

impl Others for Neighbours<'_> {
    fn all(&self) -> Vec<&Node> {
        self.0.iter().map(|resource| &resource.body).collect()
    }
}

/// Applies the rules.
pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let object = &subject.resource.body;
    let mut marks = danger::state(subject.gvk, &State { object, others: &Neighbours(subject.neighbours) });
    marks.extend(unlabelled(subject));
    found.extend(marks.into_iter().map(|Mark { rule, path, span, message }| {
        let span = subject.place(span);
        Found::new(rule, path, span, message)
    }));
}

/// Labels that it has not, or with a value that is none of those that there are.
fn unlabelled<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = Mark> + 's {
    let (object, shown) = (&subject.resource.body, subject.gvk.to_string());
    let is_meant = move |glob: &Glob| glob.matches(&subject.gvk.kind) || glob.matches(&shown);
    let wanted = subject.labels.iter().filter(move |label| label.kinds.is_empty() || label.kinds.iter().any(&is_meant));
    wanted.filter_map(move |label| {
        let value = object.at(&["metadata", "labels"]).and_then(|all| all.get(&label.name)?.text());
        let message = match value {
            None | Some("") => format!("it has no label `{}`", label.name),
            Some(value) if !label.values.is_empty() && !label.values.iter().any(|one| one == value) => {
                format!("its label `{}` is `{value}`, which is none of {}", label.name, label.values.join(", "))
            }
            Some(_) => return None,
        };
        danger::missing_label(object, message)
    })
}
