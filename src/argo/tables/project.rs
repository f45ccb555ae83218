//! Field tables of an AppProject's `spec`.
//!
//! Source: argo-cd `pkg/apis/application/v1alpha1/types.go` and `source_integrity.go` at v3.5.1.

use super::application::APPLICATION_DESTINATION;
use super::metadata::GROUP_KIND;
use crate::argo::schema::Shape::{Bool, Int, List, String, Struct};
use crate::argo::schema::{Type, opt, req};

/// `AppProjectSpec`.
pub static APP_PROJECT_SPEC: Type = Type::open(
    "AppProjectSpec",
    &[
        opt("sourceRepos", List(&String)),
        opt("destinations", List(&Struct(&APPLICATION_DESTINATION))),
        opt("description", String),
        opt("roles", List(&Struct(&PROJECT_ROLE))),
        opt("clusterResourceWhitelist", List(&Struct(&CLUSTER_RESOURCE_RESTRICTION_ITEM))),
        opt("namespaceResourceBlacklist", List(&Struct(&GROUP_KIND))),
        opt("orphanedResources", Struct(&ORPHANED_RESOURCES_MONITOR_SETTINGS)).ptr(),
        opt("syncWindows", List(&Struct(&SYNC_WINDOW))),
        opt("namespaceResourceWhitelist", List(&Struct(&GROUP_KIND))),
        opt("signatureKeys", List(&Struct(&SIGNATURE_KEY))),
        opt("clusterResourceBlacklist", List(&Struct(&CLUSTER_RESOURCE_RESTRICTION_ITEM))),
        opt("sourceNamespaces", List(&String)),
        opt("permitOnlyProjectScopedClusters", Bool),
        opt("destinationServiceAccounts", List(&Struct(&APPLICATION_DESTINATION_SERVICE_ACCOUNT))),
        opt("sourceIntegrity", Struct(&SOURCE_INTEGRITY)).ptr().since(3, 5),
    ],
);

pub(super) static PROJECT_ROLE: Type = Type::open(
    "ProjectRole",
    &[
        req("name", String),
        opt("description", String),
        opt("policies", List(&String)),
        opt("jwtTokens", List(&Struct(&JWT_TOKEN))),
        opt("groups", List(&String)),
    ],
);

pub(super) static CLUSTER_RESOURCE_RESTRICTION_ITEM: Type = Type::open(
    "ClusterResourceRestrictionItem",
    &[req("group", String), req("kind", String), opt("name", String).since(3, 3)],
);

pub(super) static ORPHANED_RESOURCES_MONITOR_SETTINGS: Type = Type::open(
    "OrphanedResourcesMonitorSettings",
    &[opt("warn", Bool).ptr(), opt("ignore", List(&Struct(&ORPHANED_RESOURCE_KEY)))],
);

pub(super) static SYNC_WINDOW: Type = Type::open(
    "SyncWindow",
    &[
        opt("kind", String),
        opt("schedule", String),
        opt("duration", String),
        opt("applications", List(&String)),
        opt("namespaces", List(&String)),
        opt("clusters", List(&String)),
        opt("manualSync", Bool),
        opt("timeZone", String),
        opt("andOperator", Bool),
        opt("description", String),
        opt("syncOverrun", Bool).since(3, 5),
    ],
);

pub(super) static SIGNATURE_KEY: Type = Type::open("SignatureKey", &[req("keyID", String)]);

pub(super) static APPLICATION_DESTINATION_SERVICE_ACCOUNT: Type = Type::open(
    "ApplicationDestinationServiceAccount",
    &[req("server", String), opt("namespace", String), req("defaultServiceAccount", String)],
);

pub(super) static SOURCE_INTEGRITY: Type =
    Type::open("SourceIntegrity", &[req("git", Struct(&SOURCE_INTEGRITY_GIT)).ptr()]);

pub(super) static JWT_TOKEN: Type = Type::open("JWTToken", &[req("iat", Int), opt("exp", Int), opt("id", String)]);

pub(super) static ORPHANED_RESOURCE_KEY: Type =
    Type::open("OrphanedResourceKey", &[opt("group", String), opt("kind", String), opt("name", String)]);

pub(super) static SOURCE_INTEGRITY_GIT: Type =
    Type::open("SourceIntegrityGit", &[req("policies", List(&Struct(&SOURCE_INTEGRITY_GIT_POLICY)))]);

pub(super) static SOURCE_INTEGRITY_GIT_POLICY: Type = Type::open(
    "SourceIntegrityGitPolicy",
    &[
        req("repos", List(&Struct(&SOURCE_INTEGRITY_GIT_POLICY_REPO))),
        req("gpg", Struct(&SOURCE_INTEGRITY_GIT_POLICY_GPG)).ptr(),
    ],
);

pub(super) static SOURCE_INTEGRITY_GIT_POLICY_REPO: Type =
    Type::open("SourceIntegrityGitPolicyRepo", &[req("url", String)]);

pub(super) static SOURCE_INTEGRITY_GIT_POLICY_GPG: Type =
    Type::open("SourceIntegrityGitPolicyGPG", &[req("mode", String), req("keys", List(&String))]);
