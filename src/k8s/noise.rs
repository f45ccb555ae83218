//! Changes that say nothing about what runs: versions and checksums in labels and annotations.

use std::collections::BTreeSet;

/// Labels and annotations that change with every release of a chart.
const KEYS: [&str; 9] = [
    "helm.sh/chart",
    "chart",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "heritage",
    "argocd.argoproj.io/tracking-id",
    "app.kubernetes.io/instance",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
];

/// Beginnings of annotations that repeat what another object says, so that pods are made anew when it changes.
const CHECKSUMS: [&str; 2] = ["checksum/", "kustomize.toolkit.fluxcd.io/checksum"];

/// `only helm.sh/chart, checksum/config` where all of these paths are noise; `None` where one is not, or there is none.
pub fn only<'p>(paths: impl Iterator<Item = &'p str>) -> Option<String> {
    let keys: Option<BTreeSet<&str>> = paths.map(key).collect();
    let keys: Vec<&str> = keys?.into_iter().collect();
    (!keys.is_empty()).then(|| format!("only {}", keys.join(", ")))
}

/// The key of a label or annotation that is noise.
fn key(path: &str) -> Option<&str> {
    let below = ["metadata.labels", "metadata.annotations"].into_iter().find_map(|parent| {
        let (before, rest) = path.rsplit_once(parent)?;
        before.ends_with('.').then_some(rest)
    })?;
    let key = match below.strip_prefix("[\"") {
        Some(quoted) => quoted.strip_suffix("\"]")?,
        None => below.strip_prefix('.')?,
    };
    (KEYS.contains(&key) || CHECKSUMS.iter().any(|start| key.starts_with(start))).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::only;

    #[test]
    fn versions_and_checksums_are_noise_and_nothing_else_is() {
        let chart = r#".metadata.labels["helm.sh/chart"]"#;
        let checksum = r#".spec.template.metadata.annotations["checksum/config"]"#;
        assert_eq!(only([chart, checksum].into_iter()).as_deref(), Some("only checksum/config, helm.sh/chart"));
        assert_eq!(only([".metadata.labels.chart"].into_iter()).as_deref(), Some("only chart"));
        for path in [".spec.replicas", ".metadata.labels.app", ".metadata.labels", ".metadata.name", ".data.chart"] {
            assert_eq!(only([chart, path].into_iter()), None, "{path}");
        }
        assert_eq!(only(std::iter::empty()), None);
    }
}
