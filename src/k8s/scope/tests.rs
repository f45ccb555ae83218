//! The tables against kyaml's recorded answers, and against each other.

use super::*;

#[test]
fn kustomize_scopes_equal_the_original() {
    for line in include_str!("../../../fixtures/k8s/scope-kustomize.txt").lines().filter(|line| !line.starts_with('#'))
    {
        let [api_version, kind, expected] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let answer = match kustomize(api_version, kind) {
            Some(Scope::Namespaced) => "namespaced",
            Some(Scope::Cluster) => "cluster",
            None => "unknown",
        };
        assert_eq!(answer, expected, "{line}");
    }
}

#[test]
fn current_scopes_agree_with_the_old_ones_and_know_more() {
    for (api_version, kind, scope) in KUSTOMIZE.iter() {
        let gvk = Gvk::new(api_version, kind);
        // The options of subresources and Scale are no objects.
        if !kind.ends_with("Options") && *kind != "Scale" {
            assert_eq!(current(&gvk.group, &gvk.kind), Some(*scope), "{api_version} {kind}");
        }
    }
    for (group, kind, scope) in [
        ("networking.k8s.io", "ServiceCIDR", Some(Scope::Cluster)),
        ("resource.k8s.io", "ResourceClaim", Some(Scope::Namespaced)),
        ("argoproj.io", "AppProject", Some(Scope::Namespaced)),
        ("cert-manager.io", "ClusterIssuer", None),
        ("apps", "ConfigMap", None),
    ] {
        assert_eq!(current(group, kind), scope, "{group} {kind}");
    }
}

#[test]
fn custom_kinds_are_none_of_the_built_in_ones() {
    for (group, kind, _) in CUSTOM.iter() {
        assert_eq!(current(group, kind), None, "{group} {kind}");
    }
    for pair in CUSTOM.windows(2) {
        assert_ne!((pair[0].0, pair[0].1), (pair[1].0, pair[1].1));
    }
    for (group, kind, scope) in [
        ("cert-manager.io", "ClusterIssuer", Some(Scope::Cluster)),
        ("cert-manager.io", "Certificate", Some(Scope::Namespaced)),
        ("kyverno.io", "ClusterPolicy", Some(Scope::Cluster)),
        ("security.openshift.io", "SecurityContextConstraints", Some(Scope::Cluster)),
        ("cert-manager.io", "Deployment", None),
        ("example.com", "Widget", None),
    ] {
        assert_eq!(custom(group, kind), scope, "{group} {kind}");
    }
}
