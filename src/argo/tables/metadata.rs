//! Field tables of what all objects share: metadata, selectors, and the three objects themselves.
//!
//! Source: k8s.io/apimachinery `pkg/apis/meta/v1/types.go`, with its strategic-merge keys; the types of Argo CD have none.

use super::application::APPLICATION_SPEC;
use super::application_set::APPLICATION_SET_SPEC;
use super::project::APP_PROJECT_SPEC;
use crate::argo::schema::Shape::{Bool, Int, List, Map, Opaque, String, Struct, Time};
use crate::argo::schema::{Merge, Type, opt, req};

/// An Application as an API object.
pub static APPLICATION: Type = Type::open(
    "Application",
    &[
        opt("kind", String),
        opt("apiVersion", String),
        req("metadata", Struct(&OBJECT_META)).must(),
        req("spec", Struct(&APPLICATION_SPEC)).must(),
        opt("status", Opaque),
        opt("operation", Opaque).ptr(),
    ],
);

/// An ApplicationSet as an API object.
pub static APPLICATION_SET: Type = Type::open(
    "ApplicationSet",
    &[
        opt("kind", String),
        opt("apiVersion", String),
        req("metadata", Struct(&OBJECT_META)).must(),
        req("spec", Struct(&APPLICATION_SET_SPEC)).must(),
        opt("status", Opaque),
    ],
);

/// An AppProject as an API object.
pub static APP_PROJECT: Type = Type::open(
    "AppProject",
    &[
        opt("kind", String),
        opt("apiVersion", String),
        req("metadata", Struct(&OBJECT_META)).must(),
        req("spec", Struct(&APP_PROJECT_SPEC)).must(),
        opt("status", Opaque),
    ],
);

/// `ObjectMeta`.
pub static OBJECT_META: Type = Type::open(
    "ObjectMeta",
    &[
        opt("name", String),
        opt("generateName", String),
        opt("namespace", String),
        opt("selfLink", String),
        opt("uid", String),
        opt("resourceVersion", String),
        opt("generation", Int),
        opt("creationTimestamp", Time).omit_zero(),
        opt("deletionTimestamp", Time).ptr(),
        opt("deletionGracePeriodSeconds", Int).ptr(),
        opt("labels", Map(&String)),
        opt("annotations", Map(&String)),
        opt("ownerReferences", List(&Struct(&OWNER_REFERENCE))).merge(Merge::By("uid")),
        opt("finalizers", List(&String)).merge(Merge::Values),
        opt("managedFields", Opaque),
    ],
);

pub(super) static OWNER_REFERENCE: Type = Type::open(
    "OwnerReference",
    &[
        req("apiVersion", String),
        req("kind", String),
        req("name", String),
        req("uid", String),
        opt("controller", Bool).ptr(),
        opt("blockOwnerDeletion", Bool).ptr(),
    ],
);

/// `LabelSelector`.
pub static LABEL_SELECTOR: Type = Type::closed(
    "LabelSelector",
    &[
        opt("matchLabels", Map(&String)).doc("Labels that must be there with these values."),
        opt("matchExpressions", List(&Struct(&LABEL_SELECTOR_REQUIREMENT))).doc("Conditions that must hold, too."),
    ],
);

pub(super) static LABEL_SELECTOR_REQUIREMENT: Type = Type::closed(
    "LabelSelectorRequirement",
    &[
        req("key", String).must().doc("The label."),
        req("operator", String).must().doc("`In`, `NotIn`, `Exists` or `DoesNotExist`."),
        opt("values", List(&String)).doc("With `In` and `NotIn`: the values."),
    ],
);

pub(super) static GROUP_KIND: Type = Type::open("GroupKind", &[req("group", String), req("kind", String)]);
