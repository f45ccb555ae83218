//! `helmCharts`: not rendered yet, and said so per chart. What later steps must know of objects from charts is here already.

use crate::diag::Diagnostic;
use crate::yaml::Node;

/// Whether an object came from a chart: then it keeps the namespace that the chart gave it.
pub(super) fn is_from_chart(body: &Node) -> bool {
    body.at(&["metadata", "annotations"])
        .and_then(|annotations| annotations.get("internal.config.kubernetes.io/helm-generated"))
        .is_some_and(|value| value.text() == Some("true"))
}

/// The error for a chart in a kustomization.
pub(super) fn unsupported(chart: &Node, enabled: bool) -> Diagnostic {
    let name = chart.get("name").or_else(|| chart.get("chartName")).and_then(Node::text).unwrap_or("?");
    let error = Diagnostic::error(
        "kustomize/helm-chart",
        chart.span(),
        format!("the chart `{name}` in a kustomization is not yet supported"),
    );
    if enabled {
        error.hint("make the chart a source of its own, or render it into a file and name that under `resources`")
    } else {
        error.hint("kustomize itself would ask for --enable-helm")
    }
}
