//! Field tables of an Application's `spec`.
//!
//! Source: argo-cd `pkg/apis/application/v1alpha1/types.go` at v3.5.1, compared with v3.2.9, v3.3.9 and v3.4.7 for what changed between them.
//! `destination.servers` is not of Argo CD but ours.

use crate::argo::schema::Shape::{Bool, Int, IntOrString, List, Map, RawObject, String, StringOr, Struct};
use crate::argo::schema::{Type, opt, req};

/// `ApplicationSpec`.
pub static APPLICATION_SPEC: Type = Type::open(
    "ApplicationSpec",
    &[
        opt("source", Struct(&APPLICATION_SOURCE)).ptr(),
        req("destination", Struct(&APPLICATION_DESTINATION)),
        req("project", String),
        opt("syncPolicy", Struct(&SYNC_POLICY)).ptr(),
        opt("ignoreDifferences", List(&Struct(&RESOURCE_IGNORE_DIFFERENCES))),
        opt("info", List(&Struct(&INFO))),
        opt("revisionHistoryLimit", Int).ptr(),
        opt("sources", List(&Struct(&APPLICATION_SOURCE))),
        opt("sourceHydrator", Struct(&SOURCE_HYDRATOR)).ptr(),
    ],
);

/// `ApplicationSource`.
pub static APPLICATION_SOURCE: Type = Type::open(
    "ApplicationSource",
    &[
        req("repoURL", String),
        opt("path", String),
        opt("targetRevision", String),
        opt("helm", Struct(&APPLICATION_SOURCE_HELM)).ptr(),
        opt("kustomize", Struct(&APPLICATION_SOURCE_KUSTOMIZE)).ptr(),
        opt("directory", Struct(&APPLICATION_SOURCE_DIRECTORY)).ptr(),
        opt("plugin", Struct(&APPLICATION_SOURCE_PLUGIN)).ptr(),
        opt("chart", String),
        opt("ref", String),
        opt("name", String),
        opt("tagPrefix", String).since(3, 5),
    ],
);

/// `ApplicationDestination`.
pub static APPLICATION_DESTINATION: Type = Type::open(
    "ApplicationDestination",
    &[
        opt("server", String),
        opt("namespace", String),
        opt("name", String),
        opt("servers", List(&StringOr(&DESTINATION_SERVER))).ours(),
    ],
);

/// `SyncPolicy`.
pub static SYNC_POLICY: Type = Type::open(
    "SyncPolicy",
    &[
        opt("automated", Struct(&SYNC_POLICY_AUTOMATED)).ptr(),
        opt("syncOptions", List(&String)),
        opt("retry", Struct(&RETRY_STRATEGY)).ptr(),
        opt("managedNamespaceMetadata", Struct(&MANAGED_NAMESPACE_METADATA)).ptr(),
    ],
);

pub(super) static RESOURCE_IGNORE_DIFFERENCES: Type = Type::open(
    "ResourceIgnoreDifferences",
    &[
        opt("group", String),
        req("kind", String),
        opt("name", String),
        opt("namespace", String),
        opt("jsonPointers", List(&String)),
        opt("jqPathExpressions", List(&String)),
        opt("managedFieldsManagers", List(&String)),
    ],
);

pub(super) static INFO: Type = Type::open("Info", &[req("name", String), req("value", String)]);

pub(super) static SOURCE_HYDRATOR: Type = Type::open(
    "SourceHydrator",
    &[
        req("drySource", Struct(&DRY_SOURCE)),
        req("syncSource", Struct(&SYNC_SOURCE)),
        opt("hydrateTo", Struct(&HYDRATE_TO)).ptr(),
    ],
);

/// `ApplicationSourceHelm`.
pub static APPLICATION_SOURCE_HELM: Type = Type::open(
    "ApplicationSourceHelm",
    &[
        opt("valueFiles", List(&String)),
        opt("parameters", List(&Struct(&HELM_PARAMETER))),
        opt("releaseName", String),
        opt("values", String),
        opt("fileParameters", List(&Struct(&HELM_FILE_PARAMETER))),
        opt("version", String),
        opt("passCredentials", Bool),
        opt("ignoreMissingValueFiles", Bool),
        opt("skipCrds", Bool),
        opt("valuesObject", RawObject).ptr(),
        opt("namespace", String),
        opt("kubeVersion", String),
        opt("apiVersions", List(&String)),
        opt("skipTests", Bool),
        opt("skipSchemaValidation", Bool),
    ],
);

/// `ApplicationSourceKustomize`.
pub static APPLICATION_SOURCE_KUSTOMIZE: Type = Type::open(
    "ApplicationSourceKustomize",
    &[
        opt("namePrefix", String),
        opt("nameSuffix", String),
        opt("images", List(&String)),
        opt("commonLabels", Map(&String)),
        opt("version", String),
        opt("commonAnnotations", Map(&String)),
        opt("forceCommonLabels", Bool),
        opt("forceCommonAnnotations", Bool),
        opt("namespace", String),
        opt("commonAnnotationsEnvsubst", Bool),
        opt("replicas", List(&Struct(&KUSTOMIZE_REPLICA))),
        opt("patches", List(&Struct(&KUSTOMIZE_PATCH))),
        opt("components", List(&String)),
        opt("ignoreMissingComponents", Bool),
        opt("labelWithoutSelector", Bool),
        opt("kubeVersion", String),
        opt("apiVersions", List(&String)),
        opt("labelIncludeTemplates", Bool),
    ],
);

/// `ApplicationSourceDirectory`.
pub static APPLICATION_SOURCE_DIRECTORY: Type = Type::open(
    "ApplicationSourceDirectory",
    &[
        opt("recurse", Bool),
        opt("jsonnet", Struct(&APPLICATION_SOURCE_JSONNET)).until(3, 3),
        opt("jsonnet", Struct(&APPLICATION_SOURCE_JSONNET)).omit_zero().since(3, 4),
        opt("exclude", String),
        opt("include", String),
    ],
);

/// `ApplicationSourcePlugin`.
pub static APPLICATION_SOURCE_PLUGIN: Type = Type::open(
    "ApplicationSourcePlugin",
    &[
        opt("name", String),
        opt("env", List(&Struct(&ENV_ENTRY))),
        opt("parameters", List(&Struct(&APPLICATION_SOURCE_PLUGIN_PARAMETER))),
    ],
);

pub(super) static SYNC_POLICY_AUTOMATED: Type = Type::open(
    "SyncPolicyAutomated",
    &[
        opt("prune", Bool).until(3, 3),
        opt("selfHeal", Bool).until(3, 3),
        opt("allowEmpty", Bool).until(3, 3),
        opt("prune", Bool).ptr().since(3, 4),
        opt("selfHeal", Bool).ptr().since(3, 4),
        opt("allowEmpty", Bool).ptr().since(3, 4),
        opt("enabled", Bool).ptr(),
    ],
);

pub(super) static RETRY_STRATEGY: Type =
    Type::open("RetryStrategy", &[opt("limit", Int), opt("backoff", Struct(&BACKOFF)).ptr(), opt("refresh", Bool)]);

pub(super) static MANAGED_NAMESPACE_METADATA: Type =
    Type::open("ManagedNamespaceMetadata", &[opt("labels", Map(&String)), opt("annotations", Map(&String))]);

pub(super) static DRY_SOURCE: Type = Type::open(
    "DrySource",
    &[
        req("repoURL", String),
        req("targetRevision", String),
        req("path", String),
        opt("helm", Struct(&APPLICATION_SOURCE_HELM)).ptr().since(3, 3),
        opt("kustomize", Struct(&APPLICATION_SOURCE_KUSTOMIZE)).ptr().since(3, 3),
        opt("directory", Struct(&APPLICATION_SOURCE_DIRECTORY)).ptr().since(3, 3),
        opt("plugin", Struct(&APPLICATION_SOURCE_PLUGIN)).ptr().since(3, 3),
    ],
);

pub(super) static SYNC_SOURCE: Type =
    Type::open("SyncSource", &[req("targetBranch", String), req("path", String), opt("repoURL", String).since(3, 5)]);

pub(super) static HYDRATE_TO: Type = Type::open("HydrateTo", &[req("targetBranch", String)]);

pub(super) static HELM_PARAMETER: Type =
    Type::open("HelmParameter", &[opt("name", String), opt("value", String), opt("forceString", Bool)]);

pub(super) static HELM_FILE_PARAMETER: Type =
    Type::open("HelmFileParameter", &[opt("name", String), opt("path", String)]);

pub(super) static KUSTOMIZE_REPLICA: Type =
    Type::open("KustomizeReplica", &[req("name", String), req("count", IntOrString)]);

pub(super) static KUSTOMIZE_PATCH: Type = Type::open(
    "KustomizePatch",
    &[
        opt("path", String),
        opt("patch", String),
        opt("target", Struct(&KUSTOMIZE_SELECTOR)).ptr(),
        opt("options", Map(&Bool)),
    ],
);

pub(super) static APPLICATION_SOURCE_JSONNET: Type = Type::open(
    "ApplicationSourceJsonnet",
    &[
        opt("extVars", List(&Struct(&JSONNET_VAR))),
        opt("tlas", List(&Struct(&JSONNET_VAR))),
        opt("libs", List(&String)),
    ],
);

pub(super) static ENV_ENTRY: Type = Type::open("EnvEntry", &[req("name", String), req("value", String)]);

pub(super) static APPLICATION_SOURCE_PLUGIN_PARAMETER: Type = Type::open(
    "ApplicationSourcePluginParameter",
    &[
        req("name", String),
        opt("string", String).ptr(),
        opt("map", Map(&String)).ptr(),
        opt("array", List(&String)).ptr(),
    ],
);

pub(super) static BACKOFF: Type =
    Type::open("Backoff", &[opt("duration", String), opt("factor", Int).ptr(), opt("maxDuration", String)]);

pub(super) static KUSTOMIZE_SELECTOR: Type = Type::open(
    "KustomizeSelector",
    &[
        opt("group", String),
        opt("version", String),
        opt("kind", String),
        opt("name", String),
        opt("namespace", String),
        opt("annotationSelector", String),
        opt("labelSelector", String),
    ],
);

pub(super) static JSONNET_VAR: Type =
    Type::open("JsonnetVar", &[req("name", String), req("value", String), opt("code", Bool)]);

/// An object of `destination.servers`, which is ours: one destination of several, and what is different there.
pub static DESTINATION_SERVER: Type = Type::closed(
    "DestinationServer",
    &[
        opt("server", String),
        opt("name", String),
        opt("namespace", String),
        opt("path", String),
        opt("targetRevision", String),
        opt("helm", Struct(&APPLICATION_SOURCE_HELM)).ptr(),
        opt("kustomize", Struct(&APPLICATION_SOURCE_KUSTOMIZE)).ptr(),
    ],
);
