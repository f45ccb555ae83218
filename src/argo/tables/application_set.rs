//! Field tables of an ApplicationSet's `spec`, without its generators.
//!
//! Source: argo-cd `pkg/apis/application/v1alpha1/applicationset_types.go` at v3.5.1; required fields and values from
//! `manifests/crds/applicationset-crd.yaml`.

use super::application::APPLICATION_SPEC;
use super::generators::APPLICATION_SET_GENERATOR;
use crate::argo::schema::Shape::{Bool, IntOrString, List, Map, OneOf, String, Struct};
use crate::argo::schema::{Type, opt, req};

/// `ApplicationSetSpec`.
pub static APPLICATION_SET_SPEC: Type = Type::open(
    "ApplicationSetSpec",
    &[
        opt("goTemplate", Bool),
        req("generators", List(&Struct(&APPLICATION_SET_GENERATOR))).must(),
        req("template", Struct(&APPLICATION_SET_TEMPLATE)).must(),
        opt("syncPolicy", Struct(&APPLICATION_SET_SYNC_POLICY)).ptr(),
        opt("strategy", Struct(&APPLICATION_SET_STRATEGY)).ptr(),
        opt("preservedFields", Struct(&APPLICATION_PRESERVED_FIELDS)).ptr(),
        opt("goTemplateOptions", List(&String)),
        opt("applyNestedSelectors", Bool).deprecated("nested selectors always count"),
        opt("ignoreApplicationDifferences", List(&Struct(&APPLICATION_SET_RESOURCE_IGNORE_DIFFERENCES))),
        opt("templatePatch", String).ptr(),
    ],
);

/// `ApplicationSetTemplate`.
pub static APPLICATION_SET_TEMPLATE: Type = Type::open(
    "ApplicationSetTemplate",
    &[req("metadata", Struct(&APPLICATION_SET_TEMPLATE_META)), req("spec", Struct(&APPLICATION_SPEC))],
);

pub(super) static APPLICATION_SET_SYNC_POLICY: Type = Type::open(
    "ApplicationSetSyncPolicy",
    &[
        opt("preserveResourcesOnDeletion", Bool),
        opt("applicationsSync", OneOf(&["create-only", "create-update", "create-delete", "sync"])).ptr(),
    ],
);

pub(super) static APPLICATION_SET_STRATEGY: Type = Type::open(
    "ApplicationSetStrategy",
    &[
        opt("type", String),
        opt("rollingSync", Struct(&APPLICATION_SET_ROLLOUT_STRATEGY)).ptr(),
        opt("deletionOrder", String),
    ],
);

pub(super) static APPLICATION_PRESERVED_FIELDS: Type =
    Type::open("ApplicationPreservedFields", &[opt("annotations", List(&String)), opt("labels", List(&String))]);

pub(super) static APPLICATION_SET_RESOURCE_IGNORE_DIFFERENCES: Type = Type::open(
    "ApplicationSetResourceIgnoreDifferences",
    &[opt("name", String), opt("jsonPointers", List(&String)), opt("jqPathExpressions", List(&String))],
);

pub(super) static APPLICATION_SET_TEMPLATE_META: Type = Type::open(
    "ApplicationSetTemplateMeta",
    &[
        opt("name", String),
        opt("namespace", String),
        opt("labels", Map(&String)),
        opt("annotations", Map(&String)),
        opt("finalizers", List(&String)),
    ],
);

pub(super) static APPLICATION_SET_ROLLOUT_STRATEGY: Type =
    Type::open("ApplicationSetRolloutStrategy", &[opt("steps", List(&Struct(&APPLICATION_SET_ROLLOUT_STEP)))]);

pub(super) static APPLICATION_SET_ROLLOUT_STEP: Type = Type::open(
    "ApplicationSetRolloutStep",
    &[opt("matchExpressions", List(&Struct(&APPLICATION_MATCH_EXPRESSION))), opt("maxUpdate", IntOrString).ptr()],
);

pub(super) static APPLICATION_MATCH_EXPRESSION: Type = Type::open(
    "ApplicationMatchExpression",
    &[opt("key", String), opt("operator", String), opt("values", List(&String))],
);
