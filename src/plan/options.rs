//! Sync options, typed: those of an application with those of an object (argocd.md 3.3), and what of them holds for pruning.
//!
//! For `Prune` and `Delete` the object's word replaces the application's; booleans hold if either says so, and only `ServerSideApply=false`
//! turns one off. Options that Argo CD does not know have no effect here either. `Validate=false` and `ApplyOutOfSyncOnly` are no-ops:
//! a server-side apply is always validated by the server, and what is in sync is never applied.

use crate::k8s::object::{annotation, annotation_list};
use crate::yaml::Node;

/// Annotation with the sync options of an object.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// Whether something may be done to an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Approval {
    /// Yes.
    #[default]
    Yes,
    /// No (`=false`).
    No,
    /// When somebody has confirmed it (`=confirm`).
    Confirm,
}

/// How what depends on a deleted object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Propagation {
    /// First, and the object after it.
    #[default]
    Foreground,
    /// By the garbage collector afterwards.
    Background,
    /// Not at all.
    Orphan,
}

impl Propagation {
    /// As `DeleteOptions.propagationPolicy` has it.
    pub fn name(self) -> &'static str {
        match self {
            Propagation::Foreground => "Foreground",
            Propagation::Background => "Background",
            Propagation::Orphan => "Orphan",
        }
    }

    /// Reads it, whatever its case.
    pub fn parse(text: &str) -> Option<Self> {
        [Propagation::Foreground, Propagation::Background, Propagation::Orphan]
            .into_iter()
            .find(|one| one.name().eq_ignore_ascii_case(text))
    }
}

/// When a hook's object is deleted (`argocd.argoproj.io/hook-delete-policy`, `helm.sh/hook-delete-policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookDelete {
    /// Before it is made anew; where nothing is said, this.
    BeforeHookCreation,
    /// When it has succeeded.
    HookSucceeded,
    /// When it has failed.
    HookFailed,
}

const HOOK_DELETES: [(&str, &str, HookDelete); 3] = [
    ("BeforeHookCreation", "before-hook-creation", HookDelete::BeforeHookCreation),
    ("HookSucceeded", "hook-succeeded", HookDelete::HookSucceeded),
    ("HookFailed", "hook-failed", HookDelete::HookFailed),
];

impl HookDelete {
    /// The policies of a hook: Argo CD's words, else Helm's, else the default.
    pub fn of(object: &Node) -> Vec<Self> {
        let argo = annotation_list(object, "argocd.argoproj.io/hook-delete-policy");
        let helm = annotation_list(object, "helm.sh/hook-delete-policy");
        let mut found: Vec<Self> = HOOK_DELETES
            .iter()
            .filter(|row| if argo.is_empty() { helm.contains(&row.1) } else { argo.contains(&row.0) })
            .map(|row| row.2)
            .collect();
        if found.is_empty() {
            found.push(HookDelete::BeforeHookCreation);
        }
        found
    }
}

/// The sync options that hold for one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectOptions {
    /// `Prune=`: whether it is deleted when it is no longer declared.
    pub prune: Approval,
    /// `Delete=` and `helm.sh/resource-policy: keep`: whether it is deleted with its application.
    pub delete: Approval,
    /// `PruneLast=true`.
    pub prune_last: bool,
    /// `Replace=true`: written whole, not merged.
    pub replace: bool,
    /// `Force=true`: deleted and made anew where it cannot be changed.
    pub force: bool,
    /// `SkipDryRunOnMissingResource=true`.
    pub skip_dry_run: bool,
    /// `FailOnSharedResource=true` of the application.
    pub fail_on_shared: bool,
    /// `RespectIgnoreDifferences=true` of the application: ignored fields are not applied where they are live.
    pub respect_ignore: bool,
}

impl ObjectOptions {
    /// What an application says, and the object's own annotations.
    pub fn of(application: &[String], object: &Node) -> Self {
        let own = annotation_list(object, SYNC_OPTIONS);
        let of_app: Vec<&str> = application.iter().map(|option| option.trim()).collect();
        let either = |option: &str| own.contains(&option) || of_app.contains(&option);
        let approval = |name: &str| {
            let word = |list: &[&str]| {
                let value = list.iter().rev().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))?;
                Some(match value {
                    "false" => Approval::No,
                    "confirm" => Approval::Confirm,
                    _ => Approval::Yes,
                })
            };
            word(&own).or_else(|| word(&of_app)).unwrap_or_default()
        };
        let keep = annotation(object, "helm.sh/resource-policy") == Some("keep");
        ObjectOptions {
            prune: approval("Prune"),
            delete: if keep { Approval::No } else { approval("Delete") },
            prune_last: either("PruneLast=true"),
            replace: either("Replace=true"),
            force: own.contains(&"Force=true"),
            skip_dry_run: either("SkipDryRunOnMissingResource=true"),
            fail_on_shared: of_app.contains(&"FailOnSharedResource=true"),
            respect_ignore: of_app.contains(&"RespectIgnoreDifferences=true"),
        }
    }

    /// The same with what the live object says: its annotation counts for Replace and Force, too.
    #[must_use]
    pub fn with_live(mut self, live: &Node) -> Self {
        let own = annotation_list(live, SYNC_OPTIONS);
        self.replace |= own.contains(&"Replace=true");
        self.force |= own.contains(&"Force=true");
        self
    }
}

/// What an application says about what it no longer declares, and about its own end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `automated.prune`.
    pub prune: bool,
    /// `automated.allowEmpty`.
    pub allow_empty: bool,
    /// `PrunePropagationPolicy=`.
    pub propagation: Propagation,
    /// The resources finalizer: what the application has is deleted with it. Without it, it is released.
    pub cascade: bool,
    /// `spec.syncPolicy.syncOptions`.
    pub sync_options: Vec<String>,
}

/// The finalizer by which Argo CD deletes what an application has; `/background` and `/foreground` may follow.
const RESOURCES_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

impl Policy {
    /// From what bundle.yaml says of an application.
    pub fn of(sync_policy: Option<&Node>, sync_options: &[String], finalizers: &[String]) -> Self {
        let automated = sync_policy.and_then(|policy| policy.get("automated"));
        let enabled = automated.and_then(|node| node.get("enabled")).and_then(Node::as_bool) != Some(false);
        let flag = |name| enabled && automated.and_then(|node| node.get(name)).and_then(Node::as_bool) == Some(true);
        let named = sync_options.iter().filter_map(|option| option.trim().strip_prefix("PrunePropagationPolicy="));
        let of_finalizer = |finalizer: &String| {
            let rest = finalizer.strip_prefix(RESOURCES_FINALIZER)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(())
        };
        Policy {
            prune: flag("prune"),
            allow_empty: flag("allowEmpty"),
            propagation: named.filter_map(Propagation::parse).next_back().unwrap_or_default(),
            cascade: finalizers.iter().any(|finalizer| of_finalizer(finalizer).is_some()),
            sync_options: sync_options.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;
    use crate::yaml::json;

    fn object(annotations: &str) -> Node {
        let text = format!(r#"{{"metadata":{{"annotations":{{{annotations}}}}}}}"#);
        json::parse(FileId::NONE, text.as_bytes()).expect("JSON")
    }

    #[test]
    fn an_objects_word_replaces_the_applications_for_prune_and_delete_only() {
        let app = ["Prune=false".to_owned(), "Replace=true".to_owned(), "Delete=confirm".to_owned()];
        let plain = ObjectOptions::of(&app, &object(""));
        assert_eq!((plain.prune, plain.delete, plain.replace), (Approval::No, Approval::Confirm, true));
        let own = object(r#""argocd.argoproj.io/sync-options":"Prune=true, Replace=false,Delete=false,Force=true""#);
        let own = ObjectOptions::of(&app, &own);
        assert_eq!((own.prune, own.delete, own.replace, own.force), (Approval::Yes, Approval::No, true, true));
        let keep = ObjectOptions::of(&[], &object(r#""helm.sh/resource-policy":"keep""#));
        assert_eq!((keep.prune, keep.delete), (Approval::Yes, Approval::No));
        // Force is no option of applications.
        assert!(!ObjectOptions::of(&["Force=true".to_owned()], &object("")).force);
        let live = object(r#""argocd.argoproj.io/sync-options":"Force=true""#);
        assert!(ObjectOptions::of(&[], &object("")).with_live(&live).force);
    }

    #[test]
    fn policies_come_from_automated_and_the_finalizers() {
        let policy = json::parse(FileId::NONE, br#"{"automated":{"prune":true,"allowEmpty":true}}"#).expect("JSON");
        let options = ["PrunePropagationPolicy=background".to_owned()];
        let finalizers = ["resources-finalizer.argocd.argoproj.io/background".to_owned()];
        let found = Policy::of(Some(&policy), &options, &finalizers);
        assert!(found.prune && found.allow_empty && found.cascade);
        assert_eq!(found.propagation, Propagation::Background);
        let off = json::parse(FileId::NONE, br#"{"automated":{"prune":true,"enabled":false}}"#).expect("JSON");
        assert!(!Policy::of(Some(&off), &[], &["other".to_owned()]).prune);
        assert!(!Policy::of(None, &[], &["resources-finalizer.argocd.argoproj.iox".to_owned()]).cascade);
    }

    #[test]
    fn hooks_go_before_they_come_where_nothing_is_said() {
        assert_eq!(HookDelete::of(&object("")), [HookDelete::BeforeHookCreation]);
        let both = object(
            r#""helm.sh/hook-delete-policy":"hook-failed","argocd.argoproj.io/hook-delete-policy":"HookSucceeded""#,
        );
        assert_eq!(HookDelete::of(&both), [HookDelete::HookSucceeded]);
        assert_eq!(HookDelete::of(&object(r#""helm.sh/hook-delete-policy":"hook-failed""#)), [HookDelete::HookFailed]);
    }
}
