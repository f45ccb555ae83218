//! Any kustomization over a small fixed tree with a chart in it. After a line `%%` follows the text of `extra.yaml`, which it may name as anything.
#![no_main]

use fleetc::memory_world::MemoryWorld;
use fleetc::render::kustomize::{Helm, Options, Tools, build};
use libfuzzer_sys::fuzz_target;

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {app: web}}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - name: web\n        image: nginx:1.0\n        envFrom: [{configMapRef: {name: settings}}]\n";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (kustomization, extra) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let files = [
        ("app/kustomization.yaml", kustomization),
        ("app/extra.yaml", extra),
        ("app/deployment.yaml", DEPLOYMENT),
        ("app/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}}\n"),
        ("app/values.env", "A=1\nB=two words\n"),
        ("base/kustomization.yaml", "resources: [deployment.yaml]\nconfigMapGenerator: [{name: settings, literals: [a=b]}]\n"),
        ("base/deployment.yaml", DEPLOYMENT),
        ("app/charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("app/charts/web/values.yaml", "a: {b: c}\n"),
        ("app/charts/web/templates/c.yaml", "kind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {{ toYaml .Values | nindent 2 }}\n"),
        ("part/kustomization.yaml", "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nnamePrefix: p-\n"),
    ];
    let Ok((world, root)) = MemoryWorld::of(files) else { return };
    let Ok(dir) = root.join("app") else { return };
    let options = Options { helm: Helm { enabled: true, ..Helm::default() }, ..Options::default() };
    if let Ok(rendered) = build(&world, &dir, &options, &Tools::default()) {
        std::hint::black_box(rendered.to_yaml());
    }
});
