//! The checks: which rule, which kinds, and what is looked at. A rule may have several, with words of their own.

use super::Check::{Any, Becomes, Changes, Comes, Fixed, Goes, Habit, Is, Loses, Stands};
use super::{Row, bounds, definitions, fixed, gone, pods, rights, running, traffic};

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const CRD: &[(&str, &str)] = &[("apiextensions.k8s.io", "CustomResourceDefinition")];
const SNAPSHOTS: &str = "snapshot.storage.k8s.io";
const VALIDATING: (&str, &str) = (ADMISSION, "ValidatingWebhookConfiguration");
const MUTATING: (&str, &str) = (ADMISSION, "MutatingWebhookConfiguration");
const NAMESPACE: &[(&str, &str)] = &[("", "Namespace")];
const SERVICE: &[(&str, &str)] = &[("", "Service")];
const CLAIM: &[(&str, &str)] = &[("", "PersistentVolumeClaim")];
const VOLUME: &[(&str, &str)] = &[("", "PersistentVolume")];
const DEPLOYMENT: &[(&str, &str)] = &[("apps", "Deployment")];
const STATEFUL_SET: &[(&str, &str)] = &[("apps", "StatefulSet")];
const API_SERVICE: &[(&str, &str)] = &[("apiregistration.k8s.io", "APIService")];
const BUDGET: &[(&str, &str)] = &[("policy", "PodDisruptionBudget")];
const SCALER: &[(&str, &str)] = &[("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject")];
const ANY: &[(&str, &str)] = &[];

/// What refuses goes.
const LET_THROUGH: &str = "what it refused is let through";
/// Webhooks change.
const SEES: &str = "which requests of the cluster it sees, or what happens when it fails, changes";
/// What a server may have filled in: only another value is a change.
const NOTHING: &str = "";

/// All of them.
pub(super) static CHECKS: [Row; 101] = [
    // What goes with an object.
    Row("danger/namespace-goes", NAMESPACE, Goes("everything in it goes with it")),
    Row("danger/volume-goes", VOLUME, Goes("its data may go with it")),
    Row("danger/volume-goes", CLAIM, Goes("its data may go with it")),
    Row(
        "danger/volume-goes",
        &[(SNAPSHOTS, "VolumeSnapshot"), (SNAPSHOTS, "VolumeSnapshotContent")],
        Goes("its data may go with it"),
    ),
    Row("danger/service-goes", SERVICE, Goes("its addresses go with it")),
    Row("danger/account-goes", &[("", "ServiceAccount")], Goes("its tokens end with it")),
    Row("danger/crd-goes", CRD, Goes("every object of its kind goes with it")),
    Row(
        "danger/class-goes",
        &[("storage.k8s.io", "StorageClass")],
        Goes("claims of this class wait until it is there again"),
    ),
    Row(
        "danger/class-goes",
        &[("scheduling.k8s.io", "PriorityClass"), ("node.k8s.io", "RuntimeClass")],
        Goes("pods of this class are no longer made"),
    ),
    Row("danger/class-goes", &[("storage.k8s.io", "CSIDriver")], Goes("volumes of this driver are no longer mounted")),
    Row("danger/class-goes", &[("networking.k8s.io", "IngressClass")], Goes("nobody serves Ingresses of this class")),
    Row("danger/admission-goes", &[VALIDATING, (ADMISSION, "ValidatingAdmissionPolicy")], Goes(LET_THROUGH)),
    Row("danger/admission-goes", &[MUTATING], Goes("objects are no longer changed by it")),
    Row(
        "danger/admission-goes",
        &[(ADMISSION, "ValidatingAdmissionPolicyBinding")],
        Goes("what its policy refused is let through"),
    ),
    Row(
        "danger/network-policy-goes",
        &[
            ("networking.k8s.io", "NetworkPolicy"),
            ("cilium.io", "CiliumNetworkPolicy"),
            ("cilium.io", "CiliumClusterwideNetworkPolicy"),
        ],
        Goes("what it kept out is let in"),
    ),
    Row("danger/budget-goes", BUDGET, Goes("a drain may end all of its pods at once")),
    Row(
        "danger/still-used",
        &[("", "ConfigMap"), ("", "Secret"), ("", "PersistentVolumeClaim"), ("", "ServiceAccount")],
        Any(gone::still_used),
    ),
    Row("danger/host-goes", ANY, Any(gone::hosts_go)),
    Row("danger/finalizer-goes", ANY, Any(gone::finalizers_go)),
    Row("danger/protection-goes", ANY, Any(gone::protection_goes)),
    // Data.
    Row(
        "danger/reclaim-delete",
        VOLUME,
        Becomes(&["spec", "persistentVolumeReclaimPolicy"], "Delete", "its data goes when it is released"),
    ),
    Row(
        "danger/claims-deleted",
        STATEFUL_SET,
        Becomes(
            &["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"],
            "Delete",
            "its data goes when it is deleted",
        ),
    ),
    Row(
        "danger/claims-deleted",
        STATEFUL_SET,
        Becomes(
            &["spec", "persistentVolumeClaimRetentionPolicy", "whenScaled"],
            "Delete",
            "its data goes when it is scaled down",
        ),
    ),
    Row("danger/claim-unused", ANY, Any(running::claims_go)),
    Row("danger/volume-shrinks", CLAIM, Any(running::shrinks)),
    // What nobody can change.
    Row(
        "danger/immutable-field",
        &[("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "DaemonSet")],
        Fixed(&[("spec.selector", NOTHING)]),
    ),
    Row(
        "danger/immutable-field",
        STATEFUL_SET,
        Fixed(&[
            ("spec.selector", NOTHING),
            ("spec.serviceName", r#""""#),
            ("spec.volumeClaimTemplates", "[]"),
            ("spec.podManagementPolicy", r#""OrderedReady""#),
        ]),
    ),
    Row(
        "danger/immutable-field",
        &[("batch", "Job")],
        Fixed(&[
            ("spec.selector", NOTHING),
            ("spec.template", NOTHING),
            ("spec.completionMode", r#""NonIndexed""#),
            ("spec.podFailurePolicy", "{}"),
            ("spec.backoffLimitPerIndex", "-1"),
            ("spec.managedBy", r#""kubernetes.io/job-controller""#),
            ("spec.successPolicy", "{}"),
        ]),
    ),
    Row("danger/immutable-field", SERVICE, Fixed(&[("spec.clusterIP", NOTHING), ("spec.loadBalancerClass", NOTHING)])),
    Row(
        "danger/immutable-field",
        CLAIM,
        Fixed(&[
            ("spec.accessModes", NOTHING),
            ("spec.storageClassName", NOTHING),
            ("spec.volumeMode", r#""Filesystem""#),
            ("spec.volumeName", NOTHING),
            ("spec.selector", "{}"),
            ("spec.dataSource", "{}"),
            ("spec.dataSourceRef", "{}"),
        ]),
    ),
    Row(
        "danger/immutable-field",
        VOLUME,
        Fixed(&[
            ("spec.volumeMode", r#""Filesystem""#),
            ("spec.csi", NOTHING),
            ("spec.nfs", NOTHING),
            ("spec.hostPath", NOTHING),
            ("spec.local", NOTHING),
            ("spec.iscsi", NOTHING),
        ]),
    ),
    Row(
        "danger/immutable-field",
        &[("storage.k8s.io", "StorageClass")],
        Fixed(&[
            ("provisioner", NOTHING),
            ("parameters", "{}"),
            ("reclaimPolicy", r#""Delete""#),
            ("volumeBindingMode", r#""Immediate""#),
        ]),
    ),
    Row(
        "danger/immutable-field",
        &[(RBAC, "RoleBinding"), (RBAC, "ClusterRoleBinding")],
        Fixed(&[("roleRef", NOTHING)]),
    ),
    Row(
        "danger/immutable-field",
        &[("scheduling.k8s.io", "PriorityClass")],
        Fixed(&[("value", "0"), ("preemptionPolicy", r#""PreemptLowerPriority""#)]),
    ),
    Row("danger/immutable-field", &[("node.k8s.io", "RuntimeClass")], Fixed(&[("handler", NOTHING)])),
    Row("danger/immutable-field", &[("networking.k8s.io", "IngressClass")], Fixed(&[("spec.controller", NOTHING)])),
    Row("danger/immutable-field", &[("discovery.k8s.io", "EndpointSlice")], Fixed(&[("addressType", NOTHING)])),
    Row("danger/immutable-field", &[("", "ResourceQuota")], Fixed(&[("spec.scopes", "[]")])),
    Row(
        "danger/immutable-field",
        CRD,
        Fixed(&[("spec.group", NOTHING), ("spec.names.plural", NOTHING), ("spec.names.kind", NOTHING)]),
    ),
    Row("danger/immutable-field", &[("", "Secret")], Fixed(&[("type", r#""Opaque""#)])),
    Row("danger/immutable-field", &[("", "Secret"), ("", "ConfigMap")], Any(fixed::immutable_data)),
    // What runs.
    Row(
        "danger/scaled-to-zero",
        &[("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "ReplicaSet"), ("argoproj.io", "Rollout")],
        Becomes(&["spec", "replicas"], "0", "nothing of it runs any more"),
    ),
    Row(
        "danger/suspended",
        &[("batch", "CronJob"), ("batch", "Job")],
        Becomes(&["spec", "suspend"], "true", "it no longer runs"),
    ),
    Row(
        "danger/all-at-once",
        DEPLOYMENT,
        Becomes(&["spec", "strategy", "type"], "Recreate", "all of its pods end before new ones start"),
    ),
    Row(
        "danger/all-at-once",
        DEPLOYMENT,
        Becomes(&["spec", "strategy", "rollingUpdate", "maxUnavailable"], "100%", "all of its pods may end at once"),
    ),
    Row(
        "danger/all-at-once",
        &[("apps", "DaemonSet")],
        Becomes(
            &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"],
            "100%",
            "all of its pods may end at once",
        ),
    ),
    Row("danger/probe-goes", ANY, Any(running::probes_go)),
    Row("danger/limit-goes", ANY, Any(running::limits_go)),
    Row("danger/account-changes", ANY, Any(running::account_changes)),
    Row("danger/tag-moved", ANY, Any(running::tag_moves)),
    Row("danger/digest-goes", ANY, Any(running::digest_goes)),
    Row("danger/registry-changes", ANY, Any(running::registry_changes)),
    Row("danger/image-floating", ANY, Habit(pods::floating)),
    Row("danger/killed-at-once", ANY, Habit(pods::killed_at_once)),
    // Requests and networks.
    Row("danger/load-balancer-goes", SERVICE, Loses(&["spec", "type"], "LoadBalancer", "its external address goes")),
    Row("danger/exposed", SERVICE, Any(traffic::exposed)),
    Row("danger/selector-changes", SERVICE, Any(traffic::selector_changes)),
    Row("danger/pods-leave-service", ANY, Any(traffic::pods_leave)),
    Row("danger/service-matches-nothing", SERVICE, Is(traffic::matches_nothing)),
    Row("danger/port-goes", SERVICE, Any(traffic::ports_go)),
    Row("danger/backend-port-missing", ANY, Is(traffic::backend_port_missing)),
    Row("danger/target-port-missing", SERVICE, Is(traffic::target_port_missing)),
    Row(
        "danger/monitor-port-missing",
        &[("monitoring.coreos.com", "ServiceMonitor"), ("monitoring.coreos.com", "PodMonitor")],
        Is(traffic::monitor_port_missing),
    ),
    Row("danger/tls-goes", &[("networking.k8s.io", "Ingress")], Any(traffic::tls_goes)),
    Row("danger/network-opens", &[("networking.k8s.io", "NetworkPolicy")], Any(traffic::network_opens)),
    // Rights.
    Row("danger/rights-grow", &[(RBAC, "Role"), (RBAC, "ClusterRole")], Any(rights::grow)),
    Row("danger/wildcard-rights", &[(RBAC, "Role"), (RBAC, "ClusterRole")], Stands(rights::much)),
    Row(
        "danger/aggregation-changes",
        &[(RBAC, "ClusterRole")],
        Changes(&["aggregationRule"], "which roles are part of it changes"),
    ),
    Row("danger/binding-grows", &[(RBAC, "RoleBinding"), (RBAC, "ClusterRoleBinding")], Any(rights::bind)),
    Row("danger/mighty-binding", &[(RBAC, "RoleBinding"), (RBAC, "ClusterRoleBinding")], Stands(rights::mighty)),
    Row("danger/privileged", ANY, Is(pods::privileged)),
    Row("danger/host-namespaces", ANY, Is(pods::host_namespaces)),
    Row("danger/host-path", ANY, Is(pods::host_path)),
    Row("danger/runtime-socket", ANY, Is(pods::runtime_socket)),
    Row("danger/capabilities", ANY, Is(pods::capabilities)),
    Row("danger/runs-as-root", ANY, Habit(pods::root)),
    Row("danger/privilege-escalation", ANY, Habit(pods::escalation)),
    Row("danger/pod-security-lowered", NAMESPACE, Any(gone::pod_security_lowered)),
    Row("danger/secret-in-env", ANY, Is(pods::secrets_in_env)),
    // Definitions and admission.
    Row("danger/crd-storage-changes", CRD, Any(definitions::storage)),
    Row("danger/crd-version-goes", CRD, Any(definitions::versions_go)),
    Row(
        "danger/crd-conversion-changes",
        CRD,
        Changes(&["spec", "conversion"], "how its versions are converted changes"),
    ),
    Row("danger/crd-scope-changes", CRD, Changes(&["spec", "scope"], "its scope changes")),
    Row("danger/crd-field-goes", CRD, Any(definitions::fields_go)),
    Row("danger/crd-field-required", CRD, Any(definitions::fields_required)),
    Row("danger/admission-comes", &[VALIDATING, MUTATING], Comes("requests of the whole cluster go through it")),
    Row("danger/admission-changes", &[VALIDATING, MUTATING], Changes(&["webhooks"], SEES)),
    Row(
        "danger/admission-changes",
        &[(ADMISSION, "ValidatingAdmissionPolicy")],
        Changes(&["spec"], "what is let into the cluster changes"),
    ),
    Row("danger/fails-closed", &[VALIDATING, MUTATING], Is(definitions::fails_closed)),
    Row("danger/api-service", API_SERVICE, Comes("a group of the API is served by it")),
    Row("danger/api-service", API_SERVICE, Changes(&["spec"], "who serves a group of the API changes")),
    Row("danger/api-service", API_SERVICE, Goes("a group of the API is no longer served by it")),
    // Bounds.
    Row("danger/budget-blocks", BUDGET, Is(bounds::budget_blocks)),
    Row("danger/budget-matches-nothing", BUDGET, Is(bounds::budget_matches_nothing)),
    Row("danger/budgets-overlap", BUDGET, Is(bounds::budgets_overlap)),
    Row("danger/quota-exceeded", &[("", "ResourceQuota")], Is(bounds::quota_exceeded)),
    Row("danger/quota-without-requests", ANY, Is(bounds::quota_without_requests)),
    Row("danger/limit-range", ANY, Is(bounds::out_of_range)),
    Row("danger/autoscaler-range", SCALER, Is(bounds::scaler_range)),
    Row("danger/autoscaler-replicas", SCALER, Is(bounds::scaler_and_number)),
    Row("danger/autoscaler-without-requests", SCALER, Is(bounds::scaler_without_requests)),
];
