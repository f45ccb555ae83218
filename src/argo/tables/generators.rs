//! Field tables of the generators of an ApplicationSet: all kinds, also those that only the network can answer.
//!
//! Source: argo-cd `pkg/apis/application/v1alpha1/applicationset_types.go` at v3.5.1. A matrix or merge inside a matrix or merge is raw
//! JSON there and decoded later; here it is checked like the rest. All of them are closed: an unknown field is an error, because a
//! generator or selector that is half understood yields the wrong set of applications.

use super::application_set::APPLICATION_SET_TEMPLATE;
use super::metadata::LABEL_SELECTOR;
use crate::argo::schema::Shape::{Bool, Int, List, Map, Raw, RawOf, Refused, String, Struct};
use crate::argo::schema::{Type, opt, req};

const NESTING: &str = "a matrix or merge can be nested in another, but not deeper";

/// `ApplicationSetGenerator`.
pub static APPLICATION_SET_GENERATOR: Type = Type::closed(
    "ApplicationSetGenerator",
    &[
        opt("list", Struct(&LIST_GENERATOR)).ptr(),
        opt("clusters", Struct(&CLUSTER_GENERATOR)).ptr(),
        opt("git", Struct(&GIT_GENERATOR)).ptr(),
        opt("scmProvider", Struct(&SCM_PROVIDER_GENERATOR)).ptr(),
        opt("clusterDecisionResource", Struct(&DUCK_TYPE_GENERATOR)).ptr(),
        opt("pullRequest", Struct(&PULL_REQUEST_GENERATOR)).ptr(),
        opt("matrix", Struct(&MATRIX_GENERATOR)).ptr(),
        opt("merge", Struct(&MERGE_GENERATOR)).ptr(),
        opt("selector", Struct(&LABEL_SELECTOR)).ptr(),
        opt("plugin", Struct(&PLUGIN_GENERATOR)).ptr(),
    ],
);

/// `ListGenerator`.
pub static LIST_GENERATOR: Type = Type::closed(
    "ListGenerator",
    &[req("elements", List(&Raw)), opt("template", Struct(&APPLICATION_SET_TEMPLATE)), opt("elementsYaml", String)],
);

/// `ClusterGenerator`.
pub static CLUSTER_GENERATOR: Type = Type::closed(
    "ClusterGenerator",
    &[
        opt("selector", Struct(&LABEL_SELECTOR)),
        opt("template", Struct(&APPLICATION_SET_TEMPLATE)),
        opt("values", Map(&String)),
        opt("flatList", Bool),
    ],
);

/// `GitGenerator`.
pub static GIT_GENERATOR: Type = Type::closed(
    "GitGenerator",
    &[
        req("repoURL", String).must(),
        opt("directories", List(&Struct(&GIT_DIRECTORY_GENERATOR_ITEM))),
        opt("files", List(&Struct(&GIT_FILE_GENERATOR_ITEM))),
        req("revision", String).must(),
        opt("requeueAfterSeconds", Int).ptr(),
        opt("template", Struct(&APPLICATION_SET_TEMPLATE)),
        opt("pathParamPrefix", String),
        opt("values", Map(&String)),
    ],
);

pub(super) static SCM_PROVIDER_GENERATOR: Type = Type::closed(
    "SCMProviderGenerator",
    &[
        opt("github", Struct(&SCM_PROVIDER_GENERATOR_GITHUB)).ptr(),
        opt("gitlab", Struct(&SCM_PROVIDER_GENERATOR_GITLAB)).ptr(),
        opt("bitbucket", Struct(&SCM_PROVIDER_GENERATOR_BITBUCKET)).ptr(),
        opt("bitbucketServer", Struct(&SCM_PROVIDER_GENERATOR_BITBUCKET_SERVER)).ptr(),
        opt("gitea", Struct(&SCM_PROVIDER_GENERATOR_GITEA)).ptr(),
        opt("azureDevOps", Struct(&SCM_PROVIDER_GENERATOR_AZURE_DEV_OPS)).ptr(),
        opt("filters", List(&Struct(&SCM_PROVIDER_GENERATOR_FILTER))),
        opt("cloneProtocol", String),
        opt("requeueAfterSeconds", Int).ptr(),
        opt("template", Struct(&APPLICATION_SET_TEMPLATE)),
        opt("values", Map(&String)),
        opt("awsCodeCommit", Struct(&SCM_PROVIDER_GENERATOR_AWS_CODE_COMMIT)).ptr(),
    ],
);

pub(super) static DUCK_TYPE_GENERATOR: Type = Type::closed(
    "DuckTypeGenerator",
    &[
        req("configMapRef", String).must(),
        opt("name", String),
        opt("requeueAfterSeconds", Int).ptr(),
        opt("labelSelector", Struct(&LABEL_SELECTOR)),
        opt("template", Struct(&APPLICATION_SET_TEMPLATE)),
        opt("values", Map(&String)),
    ],
);

pub(super) static PULL_REQUEST_GENERATOR: Type = Type::closed(
    "PullRequestGenerator",
    &[
        opt("github", Struct(&PULL_REQUEST_GENERATOR_GITHUB)).ptr(),
        opt("gitlab", Struct(&PULL_REQUEST_GENERATOR_GIT_LAB)).ptr(),
        opt("gitea", Struct(&PULL_REQUEST_GENERATOR_GITEA)).ptr(),
        opt("bitbucketServer", Struct(&PULL_REQUEST_GENERATOR_BITBUCKET_SERVER)).ptr(),
        opt("filters", List(&Struct(&PULL_REQUEST_GENERATOR_FILTER))),
        opt("requeueAfterSeconds", Int).ptr(),
        opt("template", Struct(&APPLICATION_SET_TEMPLATE)),
        opt("bitbucket", Struct(&PULL_REQUEST_GENERATOR_BITBUCKET)).ptr(),
        opt("azuredevops", Struct(&PULL_REQUEST_GENERATOR_AZURE_DEV_OPS)).ptr(),
        opt("values", Map(&String)),
        opt("continueOnRepoNotFoundError", Bool),
    ],
);

/// `MatrixGenerator`.
pub static MATRIX_GENERATOR: Type = Type::closed(
    "MatrixGenerator",
    &[
        req("generators", List(&Struct(&APPLICATION_SET_NESTED_GENERATOR))).must(),
        opt("template", Struct(&APPLICATION_SET_TEMPLATE)),
    ],
);

/// `MergeGenerator`.
pub static MERGE_GENERATOR: Type = Type::closed(
    "MergeGenerator",
    &[
        req("generators", List(&Struct(&APPLICATION_SET_NESTED_GENERATOR))).must(),
        req("mergeKeys", List(&String)).must(),
        opt("template", Struct(&APPLICATION_SET_TEMPLATE)),
    ],
);

pub(super) static PLUGIN_GENERATOR: Type = Type::closed(
    "PluginGenerator",
    &[
        req("configMapRef", Struct(&PLUGIN_CONFIG_MAP_REF)).must(),
        opt("input", Struct(&PLUGIN_INPUT)),
        opt("requeueAfterSeconds", Int).ptr(),
        opt("template", Struct(&APPLICATION_SET_TEMPLATE)),
        opt("values", Map(&String)),
    ],
);

pub(super) static GIT_DIRECTORY_GENERATOR_ITEM: Type =
    Type::closed("GitDirectoryGeneratorItem", &[req("path", String).must(), opt("exclude", Bool)]);

pub(super) static GIT_FILE_GENERATOR_ITEM: Type =
    Type::closed("GitFileGeneratorItem", &[req("path", String).must(), opt("exclude", Bool)]);

pub(super) static SCM_PROVIDER_GENERATOR_GITHUB: Type = Type::closed(
    "SCMProviderGeneratorGithub",
    &[
        req("organization", String),
        opt("api", String),
        opt("tokenRef", Struct(&SECRET_REF)).ptr(),
        opt("appSecretName", String),
        opt("allBranches", Bool),
        opt("excludeArchivedRepos", Bool).since(3, 5),
    ],
);

pub(super) static SCM_PROVIDER_GENERATOR_GITLAB: Type = Type::closed(
    "SCMProviderGeneratorGitlab",
    &[
        req("group", String),
        opt("includeSubgroups", Bool),
        opt("api", String),
        opt("tokenRef", Struct(&SECRET_REF)).ptr(),
        opt("allBranches", Bool),
        opt("insecure", Bool),
        opt("includeSharedProjects", Bool).ptr(),
        opt("topic", String),
        opt("caRef", Struct(&CONFIG_MAP_KEY_REF)).ptr(),
        opt("includeArchivedRepos", Bool).since(3, 5),
    ],
);

pub(super) static SCM_PROVIDER_GENERATOR_BITBUCKET: Type = Type::closed(
    "SCMProviderGeneratorBitbucket",
    &[
        req("owner", String),
        req("user", String),
        req("appPasswordRef", Struct(&SECRET_REF)).ptr(),
        opt("allBranches", Bool),
    ],
);

pub(super) static SCM_PROVIDER_GENERATOR_BITBUCKET_SERVER: Type = Type::closed(
    "SCMProviderGeneratorBitbucketServer",
    &[
        req("project", String),
        req("api", String),
        opt("basicAuth", Struct(&BASIC_AUTH_BITBUCKET_SERVER)).ptr(),
        opt("allBranches", Bool),
        opt("bearerToken", Struct(&BEARER_TOKEN_BITBUCKET)).ptr(),
        opt("insecure", Bool),
        opt("caRef", Struct(&CONFIG_MAP_KEY_REF)).ptr(),
    ],
);

pub(super) static SCM_PROVIDER_GENERATOR_GITEA: Type = Type::closed(
    "SCMProviderGeneratorGitea",
    &[
        req("owner", String),
        req("api", String),
        opt("tokenRef", Struct(&SECRET_REF)).ptr(),
        opt("allBranches", Bool),
        opt("insecure", Bool),
        opt("excludeArchivedRepos", Bool).since(3, 5),
    ],
);

pub(super) static SCM_PROVIDER_GENERATOR_AZURE_DEV_OPS: Type = Type::closed(
    "SCMProviderGeneratorAzureDevOps",
    &[
        req("organization", String),
        opt("api", String),
        req("teamProject", String),
        req("accessTokenRef", Struct(&SECRET_REF)).ptr(),
        opt("allBranches", Bool),
    ],
);

pub(super) static SCM_PROVIDER_GENERATOR_FILTER: Type = Type::closed(
    "SCMProviderGeneratorFilter",
    &[
        opt("repositoryMatch", String).ptr(),
        opt("pathsExist", List(&String)),
        opt("pathsDoNotExist", List(&String)),
        opt("labelMatch", String).ptr(),
        opt("branchMatch", String).ptr(),
    ],
);

pub(super) static SCM_PROVIDER_GENERATOR_AWS_CODE_COMMIT: Type = Type::closed(
    "SCMProviderGeneratorAWSCodeCommit",
    &[
        opt("tagFilters", List(&Struct(&TAG_FILTER))),
        opt("role", String),
        opt("region", String),
        opt("allBranches", Bool),
    ],
);

pub(super) static PULL_REQUEST_GENERATOR_GITHUB: Type = Type::closed(
    "PullRequestGeneratorGithub",
    &[
        req("owner", String),
        req("repo", String),
        opt("api", String),
        opt("tokenRef", Struct(&SECRET_REF)).ptr(),
        opt("appSecretName", String),
        opt("labels", List(&String)),
    ],
);

pub(super) static PULL_REQUEST_GENERATOR_GIT_LAB: Type = Type::closed(
    "PullRequestGeneratorGitLab",
    &[
        req("project", String),
        opt("api", String),
        opt("tokenRef", Struct(&SECRET_REF)).ptr(),
        opt("labels", List(&String)),
        opt("pullRequestState", String),
        opt("insecure", Bool),
        opt("caRef", Struct(&CONFIG_MAP_KEY_REF)).ptr(),
    ],
);

pub(super) static PULL_REQUEST_GENERATOR_GITEA: Type = Type::closed(
    "PullRequestGeneratorGitea",
    &[
        req("owner", String),
        req("repo", String),
        req("api", String),
        opt("tokenRef", Struct(&SECRET_REF)).ptr(),
        opt("insecure", Bool),
        opt("labels", List(&String)),
    ],
);

pub(super) static PULL_REQUEST_GENERATOR_BITBUCKET_SERVER: Type = Type::closed(
    "PullRequestGeneratorBitbucketServer",
    &[
        req("project", String),
        req("repo", String),
        req("api", String),
        opt("basicAuth", Struct(&BASIC_AUTH_BITBUCKET_SERVER)).ptr(),
        opt("bearerToken", Struct(&BEARER_TOKEN_BITBUCKET)).ptr(),
        opt("insecure", Bool),
        opt("caRef", Struct(&CONFIG_MAP_KEY_REF)).ptr(),
    ],
);

pub(super) static PULL_REQUEST_GENERATOR_FILTER: Type = Type::closed(
    "PullRequestGeneratorFilter",
    &[opt("branchMatch", String).ptr(), opt("targetBranchMatch", String).ptr(), opt("titleMatch", String).ptr()],
);

pub(super) static PULL_REQUEST_GENERATOR_BITBUCKET: Type = Type::closed(
    "PullRequestGeneratorBitbucket",
    &[
        req("owner", String),
        req("repo", String),
        opt("api", String),
        opt("basicAuth", Struct(&BASIC_AUTH_BITBUCKET_SERVER)).ptr(),
        opt("bearerToken", Struct(&BEARER_TOKEN_BITBUCKET_CLOUD)).ptr(),
    ],
);

pub(super) static PULL_REQUEST_GENERATOR_AZURE_DEV_OPS: Type = Type::closed(
    "PullRequestGeneratorAzureDevOps",
    &[
        req("organization", String),
        req("project", String),
        req("repo", String),
        opt("api", String),
        opt("tokenRef", Struct(&SECRET_REF)).ptr(),
        opt("labels", List(&String)),
    ],
);

/// `ApplicationSetNestedGenerator`.
pub static APPLICATION_SET_NESTED_GENERATOR: Type = Type::closed(
    "ApplicationSetNestedGenerator",
    &[
        opt("list", Struct(&LIST_GENERATOR)).ptr(),
        opt("clusters", Struct(&CLUSTER_GENERATOR)).ptr(),
        opt("git", Struct(&GIT_GENERATOR)).ptr(),
        opt("scmProvider", Struct(&SCM_PROVIDER_GENERATOR)).ptr(),
        opt("clusterDecisionResource", Struct(&DUCK_TYPE_GENERATOR)).ptr(),
        opt("pullRequest", Struct(&PULL_REQUEST_GENERATOR)).ptr(),
        opt("matrix", RawOf(&NESTED_MATRIX_GENERATOR)).ptr(),
        opt("merge", RawOf(&NESTED_MERGE_GENERATOR)).ptr(),
        opt("selector", Struct(&LABEL_SELECTOR)).ptr(),
        opt("plugin", Struct(&PLUGIN_GENERATOR)).ptr(),
    ],
);

pub(super) static PLUGIN_CONFIG_MAP_REF: Type = Type::closed("PluginConfigMapRef", &[req("name", String)]);

pub(super) static PLUGIN_INPUT: Type = Type::closed("PluginInput", &[opt("parameters", Map(&Raw))]);

pub(super) static SECRET_REF: Type = Type::closed("SecretRef", &[req("secretName", String), req("key", String)]);

pub(super) static CONFIG_MAP_KEY_REF: Type =
    Type::closed("ConfigMapKeyRef", &[req("configMapName", String), req("key", String)]);

pub(super) static BASIC_AUTH_BITBUCKET_SERVER: Type =
    Type::closed("BasicAuthBitbucketServer", &[req("username", String), req("passwordRef", Struct(&SECRET_REF)).ptr()]);

pub(super) static BEARER_TOKEN_BITBUCKET: Type =
    Type::closed("BearerTokenBitbucket", &[req("tokenRef", Struct(&SECRET_REF)).ptr()]);

pub(super) static TAG_FILTER: Type = Type::closed("TagFilter", &[req("key", String), opt("value", String)]);

pub(super) static BEARER_TOKEN_BITBUCKET_CLOUD: Type =
    Type::closed("BearerTokenBitbucketCloud", &[req("tokenRef", Struct(&SECRET_REF)).ptr()]);

/// `NestedMatrixGenerator`.
pub static NESTED_MATRIX_GENERATOR: Type = Type::closed(
    "NestedMatrixGenerator",
    &[req("generators", List(&Struct(&APPLICATION_SET_TERMINAL_GENERATOR))).must()],
);

/// `NestedMergeGenerator`.
pub static NESTED_MERGE_GENERATOR: Type = Type::closed(
    "NestedMergeGenerator",
    &[
        req("generators", List(&Struct(&APPLICATION_SET_TERMINAL_GENERATOR))).must(),
        req("mergeKeys", List(&String)).must(),
    ],
);

/// `ApplicationSetTerminalGenerator`.
pub static APPLICATION_SET_TERMINAL_GENERATOR: Type = Type::closed(
    "ApplicationSetTerminalGenerator",
    &[
        opt("list", Struct(&LIST_GENERATOR)).ptr(),
        opt("clusters", Struct(&CLUSTER_GENERATOR)).ptr(),
        opt("git", Struct(&GIT_GENERATOR)).ptr(),
        opt("scmProvider", Struct(&SCM_PROVIDER_GENERATOR)).ptr(),
        opt("clusterDecisionResource", Struct(&DUCK_TYPE_GENERATOR)).ptr(),
        opt("pullRequest", Struct(&PULL_REQUEST_GENERATOR)).ptr(),
        opt("matrix", Refused(NESTING)),
        opt("merge", Refused(NESTING)),
        opt("plugin", Struct(&PLUGIN_GENERATOR)).ptr(),
        opt("selector", Struct(&LABEL_SELECTOR)).ptr(),
    ],
);
