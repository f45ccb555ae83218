//! The fields of `fleet.yaml`: the one source for reading it, for its errors, and for its JSON Schema.

use crate::argo::schema::Shape::{Bool, Int, IntOrString, List, Map, OneOf, Raw, String, Struct};
use crate::argo::schema::{Field, Type, opt, req};
use crate::argo::tables::LABEL_SELECTOR;
use crate::cluster::{FACTS_API_VERSION, FACTS_KIND};

/// The `apiVersion` that this fleetc reads.
pub(super) const API_VERSION: &str = "fleetc.dev/v1alpha1";

/// `fleet.yaml`.
pub(super) static FLEET: Type = Type::closed(
    "Fleet",
    &[
        req("apiVersion", OneOf(&[API_VERSION])).must().doc("The version of this format."),
        req("kind", OneOf(&["Fleet"])).must().doc("Always `Fleet`."),
        opt("metadata", Struct(&METADATA)).doc("The fleet's identity."),
        opt("definitions", List(&String)).doc(
            "Where clusters, projects, Applications and ApplicationSets are: files, folders, globs and kustomizations, relative to this file. Without it they are found by looking.",
        ),
        opt("repositories", List(&Struct(&REPOSITORY)))
            .doc("Which repoURL is which folder, and which are followed. The checkout itself is known by its git remotes."),
        opt("instances", List(&Struct(&INSTANCE)))
            .doc("Several Argo CD instances in one repository, each with its own definitions."),
        opt("clusters", List(&Struct(&CLUSTER)))
            .doc("Clusters that no Secret in the repository declares, and facts about clusters that a render may depend on."),
        opt("contexts", Map(&String)).doc(
            "Which kubeconfig context reaches which cluster, by the cluster's name (`instance/name` where several instances have one of that name).",
        ),
        opt("engines", Struct(&ENGINES)).doc("Whose semantics the fleet is compiled with."),
        opt("output", Struct(&OUTPUT)).doc("How bundles are laid out."),
        opt("apply", Struct(&APPLY)).doc("How the fleet is planned and applied."),
        opt("environments", List(&Struct(&ENVIRONMENT))).doc(
            "The stages that `fleetc promote` moves versions between. Without it the values of the clusters' label `environment` are, else `env`, `stage` or `tier`.",
        ),
        opt("rollout", List(&Struct(&ROLLOUT))).doc(
            "In which waves changes go over the clusters; for each application the first entry counts that is about it. Applications that no entry is about go at once.",
        ),
        opt("applications", List(&Struct(&APPLICATION_RULE)))
            .doc("What holds for single applications; for each field the first entry counts that has it and that an application's name matches."),
        opt("plugins", List(&Struct(&PLUGIN)))
            .doc("Config management plugins that may render, each by one program. Without an entry here no program is ever started."),
        opt("publish", Struct(&PUBLISH)).doc("Where `fleetc publish` commits bundles; what the command line says wins."),
        opt("secrets", OneOf(&["warn", "allow", "omit", "refuse"])).doc(
            "What happens to Secrets whose data stands readable in the bundles: they are written with a warning (default) or without, left out (and not deleted where they are), or their application is held. Placeholders of secret managers are no readable data.",
        ),
        opt("digestKey", Struct(&KEY_PLACE)).doc(
            "A secret key for digests of clear data of Secrets: by them every change shows (in bundles.lock, inventories, saved plans) and nobody without the key can check a guess. Without a key such digests leave the values out. At least 16 bytes.",
        ),
        opt("shared", List(&Struct(&SHARED))).doc("Objects that several applications may claim on one cluster."),
        opt("lint", Struct(&LINT)).doc("What the rules of `fleetc lint` count as."),
        opt("policies", List(&Struct(&POLICY))).doc("Rules of one's own for rendered objects, in CEL, which `fleetc lint` applies."),
    ],
);

static METADATA: Type = Type::closed(
    "Metadata",
    &[opt("name", String).doc("The name of the fleet. What is applied to clusters belongs to this name.")],
);

static REPOSITORY: Type = Type::closed(
    "Repository",
    &[
        req("url", String).must().doc("The repoURL as Applications write it."),
        opt("path", String).doc("The folder, relative to this file; `.` is the fleet's own."),
        opt("pin", OneOf(&["follow"])).doc(
            "Instead of `path`: `follow`, resolve its revisions at each build; bundles.lock records them, fleet.lock does not pin them.",
        ),
        opt("submodules", Bool).doc("`false`: fetch it without its submodules."),
        opt("lfs", Bool).doc("`true`: fetch the content of its large files (Git LFS); else a file that is a pointer to one is an error where it is read."),
    ],
);

static INSTANCE: Type = Type::closed(
    "Instance",
    &[
        req("name", String).must().doc("The name of the instance."),
        opt("definitions", List(&String)).doc("Its definitions, as in the field of the same name above."),
        opt("namespace", String).doc("The namespace of its control plane; default `argocd`."),
        opt("inCluster", String).doc("The name of the cluster that it runs in, which it calls `in-cluster` itself."),
    ],
);

static CLUSTER: Type = Type::closed(
    "Cluster",
    &[
        opt("name", String).doc(
            "The name of the cluster. With `server` this entry declares it; without, it adds to one that is declared elsewhere.",
        ),
        opt("server", String).doc("URL of its API server."),
        opt("secret", String)
            .doc("Name of a SealedSecret or ExternalSecret that declares it without readable name or server; its labels and annotations count."),
        opt("labels", Map(&String)).doc("What selectors see, as the labels of a cluster Secret."),
        opt("annotations", Map(&String)).doc("As the annotations of a cluster Secret."),
        opt("project", String).doc("The project that the cluster is scoped to."),
        opt("instance", String).doc("The Argo CD instance that it is registered with; default all."),
        opt("selector", Struct(&LABEL_SELECTOR)).ptr().doc("Instead of `name`: the clusters that have these facts."),
        opt("facts", String).doc(
            "A file with the three fields below, as `fleetc cluster facts` writes it, relative to this file. What stands here wins.",
        ),
        KUBE_VERSION,
        API_VERSIONS,
        SCOPES,
    ],
);

const KUBE_VERSION: Field = opt("kubeVersion", String).doc("Kubernetes version, for example \"1.34.1\".");
const API_VERSIONS: Field =
    opt("apiVersions", List(&String)).doc("API versions as `group/version` or `group/version/Kind`.");
const SCOPES: Field = opt("scopes", Map(&OneOf(&["Cluster", "Namespaced"])))
    .doc("Scope of custom kinds, by `group/Kind`, where no CustomResourceDefinition of the fleet says it.");

/// A file that `facts` names.
pub(super) static FACTS: Type = Type::closed(
    "ClusterFacts",
    &[
        req("apiVersion", OneOf(&[FACTS_API_VERSION])).must().doc("The version of this format."),
        req("kind", OneOf(&[FACTS_KIND])).must().doc("Always `ClusterFacts`."),
        opt("metadata", Struct(&METADATA)).doc("The cluster that was asked; for people."),
        KUBE_VERSION,
        API_VERSIONS,
        SCOPES,
    ],
);

static ENGINES: Type = Type::closed(
    "Engines",
    &[
        opt("argocd", String).doc("Argo CD, \"3.2\" to \"3.5\"."),
        opt("kustomize", String).doc("kustomize, \"5.8\"."),
        opt("helm", String).doc("Helm, \"3.22\" or \"4.3\"; default as that Argo CD ships."),
    ],
);

static OUTPUT: Type = Type::closed(
    "Output",
    &[
        opt("files", OneOf(&["app", "resource"])).doc("One file per application, or one per object."),
        opt("path", String).doc("minijinja template of the paths below `bundles/<cluster>/apps/`."),
        opt("tracking", OneOf(&["none", "annotation", "label", "annotation+label"]))
            .doc("Argo CD's tracking marks to add; default none, since an Argo CD that reads rendered folders adds its own."),
        opt("applications", OneOf(&["list", "emit"]))
            .doc("What happens to Applications and ApplicationSets that were compiled: listed in bundle.yaml, or written too."),
    ],
);

static APPLY: Type = Type::closed(
    "Apply",
    &[
        opt("namespace", String)
            .doc("Namespace of the inventories on every cluster; default `fleetc-system`. They stay where they are when this changes."),
        opt("projects", List(&Struct(&APPLY_PROJECT))).doc("Other namespaces of inventories, by project; the first that matches counts."),
        opt("hooks", OneOf(&["on-change", "argocd"]))
            .doc("When hooks run: when their application changes, Helm's install hooks only the first time (default); or with every sync, as in Argo CD."),
        opt("conflicts", List(&Struct(&CONFLICT)))
            .doc("What to do about fields that other managers hold; the first rule that matches counts, then fleetc's own table."),
        opt("sops", Struct(&SOPS)).doc(
            "How Secrets that SOPS encrypted are decrypted: when they are planned and applied, in memory, never in a build. Without this an application with one is refused.",
        ),
    ],
);

static ENCRYPT: Type = Type::closed(
    "Encrypt",
    &[req("age", List(&String)).must().doc("Public keys of age (`age1…`) of those who may read.")],
);

static SOPS: Type = Type::closed(
    "Sops",
    &[
        req("age", Struct(&KEY_PLACE)).must().doc("Where the secret keys of age are (`AGE-SECRET-KEY-1…`), one a line."),
        opt("mac", OneOf(&["require"])).doc(
            "`require`: refuse a Secret whose values are not in the order that SOPS saw, or whose other fields were changed since. Builds sort keys and add namespaces, so that few Secrets pass; each value is authenticated by itself in any case.",
        ),
    ],
);

static PUBLISH: Type = Type::closed(
    "Publish",
    &[
        opt("to", String).doc(
            "`BRANCH` of the fleet's own repository (its remote `origin`), or `URL#BRANCH`. The branch may be a minijinja template over the labels of each cluster, as in `rendered/{{ region }}`.",
        ),
        opt("path", String).doc("Folder on the branch; default all of it."),
        opt("layout", OneOf(&["bundles", "argocd", "flux", "hydrator"])).doc(
            "How the files are laid out: as `fleetc build` writes them (default); a folder an application with Applications of Argo CD or Kustomizations of Flux that point there; or as Argo CD's source hydrator leaves a branch.",
        ),
        opt("url", String).doc("The repository as Argo CD or Flux reach it, for what points there; default where it is pushed to."),
        opt("author", String).doc("`Name <address>` of the commits."),
        opt("encrypt", Struct(&ENCRYPT)).doc(
            "Secrets with clear data are published as SOPS encrypts them, so that `fleetc apply --bundles` (`apply.sops`), Flux and sops read them. Needs `digestKey`, from which the ciphertext follows: what has not changed is no commit.",
        ),
    ],
);

static KEY_PLACE: Type = Type::closed(
    "KeyPlace",
    &[
        opt("environment", String).doc("The variable that has it."),
        opt("file", String)
            .doc("The file that has it: `~/` is the home folder, else relative to this file. Never commit it."),
    ],
);

static APPLY_PROJECT: Type = Type::closed(
    "ApplyProject",
    &[
        req("name", String).must().doc("Glob of projects."),
        req("namespace", String).must().doc("Namespace of the inventories of their applications."),
    ],
);

static CONFLICT: Type = Type::closed(
    "Conflict",
    &[
        opt("manager", String).doc("Glob of field managers; default any."),
        opt("group", String).doc("Glob of API groups, empty for the core group; default any."),
        opt("kind", String).doc("Glob of kinds; default any."),
        req("field", String).must().doc(
            "The field and all below it, as in `.spec.template.spec.containers[*].image`: `*` for any run within a name, `[*]` for any item.",
        ),
        req("action", OneOf(&["yield", "fail", "take"])).must()
            .doc("Leave the field to the other manager, stop, or take it."),
    ],
);

static ENVIRONMENT: Type = Type::closed(
    "Environment",
    &[
        req("name", String).must().doc("The name, as in `fleetc promote staging prod`."),
        opt("clusters", List(&String)).doc("Globs of names of clusters; default all."),
        opt("selector", Struct(&LABEL_SELECTOR)).ptr().doc("Labels that its clusters have."),
        opt("applications", List(&String)).doc("Globs of names of Applications; default all on its clusters."),
        opt("from", List(&String)).doc("The environments from which a promotion to this one may come; default any."),
        opt("soak", String).doc(
            "How long the other environment must have had what comes, as in `24h`: from the commit that wrote it there.",
        ),
    ],
);

static ROLLOUT: Type = Type::closed(
    "Rollout",
    &[
        opt("name", String).doc("For people, and for `--continue`."),
        opt("applications", List(&String)).doc("Globs of names of Applications that it is about, as `--app` takes them; default all."),
        opt("projects", List(&String)).doc("Globs of projects that it is about; default all."),
        opt("maxFailures", IntOrString)
            .doc("How many clusters may fail in all waves together, as a number or percent; default what the waves say."),
        opt("timeout", String).doc(
            "How long the work on a cluster may take, as in `15m`; then it is given up and counts as failed. Default: what its waits and the requests to it take.",
        ),
        req("waves", List(&Struct(&ROLLOUT_WAVE))).must()
            .doc("The waves in their order. Clusters that are in none go last, in a wave `rest`."),
    ],
);

static ROLLOUT_WAVE: Type = Type::closed(
    "RolloutWave",
    &[
        opt("name", String).doc("For people, and for `--continue`."),
        opt("clusters", List(&String))
            .doc("Globs of names of clusters. A wave without `clusters` and `selector`, at the end, has all that are in no other."),
        opt("selector", Struct(&LABEL_SELECTOR)).ptr().doc("Clusters with these labels are in it, too."),
        opt("maxUpdate", IntOrString)
            .doc("How many clusters are worked on at once, as a number or percent (rounded down, at least one); default all."),
        opt("maxFailures", IntOrString)
            .doc("How many clusters may fail before the rollout stops, as a number or percent (rounded down); default none."),
        opt("soak", String).doc("How long its clusters must have been well before the next wave begins, as in `10m`; they are looked at again then."),
        opt("pause", Bool).doc("Whether the next wave waits until somebody agrees: on a terminal, or with `--continue`."),
        opt("health", Bool).doc("`false`: it is over when its objects are applied, whether they become healthy or not."),
    ],
);

static APPLICATION_RULE: Type = Type::closed(
    "ApplicationRule",
    &[
        req("name", String).must().doc("Glob of names of Applications."),
        opt("nondeterminism", OneOf(&["derive", "allow"])).doc(
            "What templates get that ask for randomness or the clock, which is an error otherwise: `derive`, values that follow from a secret key (`--derive-key`), the same on every run; `allow`, new ones on every run.",
        ),
        opt("since", String).doc(
            "With `derive`: the day that templates take for today, as \"2026-01-31\"; certificates are valid from then on.",
        ),
        opt("templates", OneOf(&["minijinja"])).doc(
            "Files of the application's folder that end in `.yaml.j2`, `.yml.j2` or `.json.j2` are minijinja templates of manifests, with `app`, `cluster` and `values` in scope. Argo CD itself does not read such files.",
        ),
        opt("values", Raw).doc("With `templates`: what they see as `values`."),
    ],
);

static PLUGIN: Type = Type::closed(
    "Plugin",
    &[
        req("name", String).must().doc("The plugin's name, as `spec.source.plugin.name` has it."),
        req("command", List(&String)).must().doc(
            "The program with its arguments. It prints manifests; it is started in a copy of the application's folder, with Argo CD's variables (ARGOCD_APP_…, ARGOCD_ENV_…, PARAM_…).",
        ),
        opt("environment", List(&String)).doc("Names of variables of fleetc's own environment that it gets too, such as PATH; default none."),
        opt("timeoutSeconds", Int).doc("How long it may take; default 60."),
        opt("files", OneOf(&["application", "repository"]))
            .doc("What it sees: the application's folder (default), or the whole repository, started in the application's folder."),
    ],
);

const LEVELS: crate::argo::schema::Shape = OneOf(&["off", "warn", "error"]);

static LINT: Type = Type::closed(
    "Lint",
    &[
        opt("rules", Map(&LEVELS))
            .doc("By the id of a rule (`fleetc lint --rules` lists them), a family as `schema/*`, or `*`."),
        opt("scopes", List(&Struct(&LINT_SCOPE)))
            .doc("The same for some clusters and applications; the last entry that fits counts."),
        opt("labels", List(&Struct(&LINT_LABEL))).doc("Labels that objects have to have (`danger/missing-label`)."),
    ],
);

static LINT_LABEL: Type = Type::closed(
    "LintLabel",
    &[
        req("name", String).must().doc("The label."),
        opt("kinds", List(&String)).doc("Globs of kinds, `Kind` or `Kind.group`; default all."),
        opt("values", List(&String)).doc("Values that it may have; default any."),
    ],
);

static LINT_SCOPE: Type = Type::closed(
    "LintScope",
    &[
        opt("applications", List(&String)).doc("Globs of names of Applications; default all."),
        opt("clusters", List(&String)).doc("Globs of names of clusters; default all."),
        opt("selector", Struct(&LABEL_SELECTOR)).ptr().doc("Labels of clusters."),
        req("rules", Map(&LEVELS)).must().doc("As above."),
    ],
);

static POLICY: Type = Type::closed(
    "Policy",
    &[
        req("name", String).must().doc("Its name: in findings and in suppressions."),
        opt("match", Struct(&POLICY_MATCH)).doc("Which objects it is about; default all."),
        opt("matchConditions", List(&Struct(&POLICY_VARIABLE)))
            .doc("Expressions that an object must fulfil to be looked at; each has a name."),
        opt("variables", List(&Struct(&POLICY_VARIABLE)))
            .doc("Values that expressions have as `variables.NAME`; each may use those before it."),
        req("validations", List(&Struct(&POLICY_VALIDATION))).must().doc("What must hold for each object."),
        opt("severity", OneOf(&["warn", "error"])).doc("What a violation counts as; default `error`."),
    ],
);

static POLICY_MATCH: Type = Type::closed(
    "PolicyMatch",
    &[
        opt("kinds", List(&String))
            .doc("Globs of kinds, with their group where they have one: `Service`, `Deployment.apps`, `*.apps`."),
        opt("clusters", List(&String)).doc("Globs of names of clusters."),
        opt("selector", Struct(&LABEL_SELECTOR)).ptr().doc("Labels of clusters."),
        opt("applications", List(&String)).doc("Globs of names of Applications."),
        opt("namespaces", List(&String))
            .doc("Globs of namespaces that objects go to; objects without namespace do not match."),
    ],
);

static POLICY_VARIABLE: Type = Type::closed(
    "PolicyVariable",
    &[req("name", String).must().doc("Its name."), req("expression", String).must().doc("In CEL.")],
);

static POLICY_VALIDATION: Type = Type::closed(
    "PolicyValidation",
    &[
        req("expression", String).must().doc(
            "In CEL, true where all is well. It has `object` (as rendered), `cluster` (name, server, labels, annotations, kubeVersion), `application` (name, namespace, project) and `variables`, and Kubernetes' functions.",
        ),
        opt("message", String).doc("What is said where it does not hold."),
        opt("messageExpression", String).doc("The same in CEL; `message` counts where it fails."),
        opt("severity", OneOf(&["warn", "error"])).doc("Instead of that of the policy."),
    ],
);

static SHARED: Type = Type::closed(
    "SharedObject",
    &[
        opt("group", String).doc("API group; empty for the core group, `*` for any."),
        req("kind", String).must().doc("Kind; `*` for any."),
        opt("name", String).doc("Glob of names; default any."),
        opt("namespace", String).doc("Glob of namespaces; default any."),
    ],
);
