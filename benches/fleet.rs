//! Compiles a synthetic fleet with the release binary and prints wall time, units a second, peak memory, and ratios: to `cp -r` of its
//! own output, to a second run with nothing changed, and to `kustomize build` of the same overlays where `kustomize` is on the PATH. With
//! charts also to `kustomize build` and `helm template` of all that is different, two at a time.
//!
//! `cargo bench --bench fleet [-- CLUSTERS APPS [unique | CHARTS]]`; default 100 clusters × 40 applications, shared overlays. No thresholds:
//! it prints.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark runs programs and prints")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const REPO: &str = "https://git.example.com/platform/fleet.git";
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let number = |at: usize, default| words.get(at).and_then(|w| w.parse().ok()).unwrap_or(default);
    let (clusters, apps) = (number(0, 100), number(1, 40));
    let unique = words.get(2).is_some_and(|w| w == "unique");
    let charts = number(2, 0);
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let fleet = scratch.path().join("fleet");
    write_fleet(&fleet, clusters, apps, unique);

    write_charts(&fleet, charts);
    let units = (clusters * (apps + charts)) as f64;
    let (first, memory) = build(&fleet, &[]);
    let copied = time(Command::new("cp").arg("-r").arg(fleet.join("bundles")).arg(scratch.path().join("copy")));
    let (again, _) = build(&fleet, &[]);
    // Into another folder: writing right after a large removal measures the file system's journal.
    let other = scratch.path().join("single");
    let (single, _) = build(&fleet, &["--threads", "1", "-o", &other.to_string_lossy()]);
    println!("{clusters} clusters x {apps} applications{}", if unique { ", every render different" } else { "" });
    if charts > 0 {
        println!("and {charts} charts on each");
        compare_with_both(&fleet, apps, charts, first);
    }
    println!(
        "build            {:>9.3} s   {:>9.0} units/s   {memory:>6} KiB peak",
        first.as_secs_f64(),
        units / first.as_secs_f64()
    );
    println!(
        "build, 1 thread  {:>9.3} s   {:>9.2} x build",
        single.as_secs_f64(),
        single.as_secs_f64() / first.as_secs_f64()
    );
    println!(
        "build, no change {:>9.3} s   {:>9.2} x build",
        again.as_secs_f64(),
        again.as_secs_f64() / first.as_secs_f64()
    );
    println!(
        "cp -r of output  {:>9.3} s   build is {:.1} x of it",
        copied.as_secs_f64(),
        first.as_secs_f64() / copied.as_secs_f64()
    );
    if Command::new("kustomize").arg("version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()) {
        compare_with_kustomize(&fleet, apps, first);
    }
}

/// One process after the other, over a sample of the overlays that all clusters share.
fn compare_with_kustomize(fleet: &Path, apps: usize, ours: Duration) {
    let overlays: Vec<_> = (0..apps)
        .flat_map(|app| ENVIRONMENTS.map(|environment| fleet.join(format!("apps/app-{app:03}/overlays/{environment}"))))
        .collect();
    let sample: Vec<_> = overlays.iter().take(60).collect();
    let start = Instant::now();
    for overlay in &sample {
        let ok = Command::new("kustomize").arg("build").arg(overlay).stdout(Stdio::null()).status();
        assert!(ok.is_ok_and(|s| s.success()), "kustomize build {}", overlay.display());
    }
    let whole = start.elapsed().as_secs_f64() / sample.len() as f64 * overlays.len() as f64;
    println!(
        "kustomize build  {whole:>9.3} s   for the {} shared overlays one after the other ({:.1} x build)",
        overlays.len(),
        whole / ours.as_secs_f64()
    );
}

const REGIONS: [&str; 4] = ["eu-west-1", "us-east-1", "ap-south-1", "sa-east-1"];

/// Every different overlay and every different release once, two processes at a time.
fn compare_with_both(fleet: &Path, apps: usize, charts: usize, ours: Duration) {
    let there = |program: &str| Command::new(program).arg("version").stdout(Stdio::null()).status().is_ok();
    if !there("kustomize") || !there("helm") {
        return;
    }
    let mut commands: Vec<Vec<String>> = Vec::new();
    for app in 0..apps {
        for environment in ENVIRONMENTS {
            let overlay = fleet.join(format!("apps/app-{app:03}/overlays/{environment}"));
            commands.push(["kustomize", "build", &overlay.to_string_lossy()].map(str::to_owned).into());
        }
    }
    for chart in 0..charts {
        let name = format!("chart-{chart:02}");
        let folder = fleet.join("charts").join(&name).to_string_lossy().into_owned();
        for region in REGIONS {
            for level in ["debug", "warn"] {
                let sets = [format!("region={region}"), format!("config.level={level}")];
                let words = ["helm", "template", &name, &folder, "--kube-version", "1.34.0", "--include-crds"];
                let words = words.into_iter().chain(["--set", &sets[0], "--set", &sets[1]]);
                commands.push(words.map(str::to_owned).collect());
            }
        }
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(words) = commands.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let status = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::null()).status();
                    assert!(status.is_ok_and(|status| status.success()), "{words:?}");
                }
            });
        }
    });
    let theirs = start.elapsed();
    println!(
        "kustomize, helm  {:>9.3} s   for {} different renders, two at a time ({:.1} x build)",
        theirs.as_secs_f64(),
        commands.len(),
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
}

fn build(fleet: &Path, more: &[&str]) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fleetc"))
        .args(["build", ".", "--quiet"])
        .args(more)
        .current_dir(fleet)
        .stdout(Stdio::null())
        .spawn()
        .expect("fleetc starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // VmHWM is the kernel's own high-water mark, so polling misses only what grows in the last two milliseconds.
        if let Ok(text) = fs::read_to_string(&status)
            && let Some(line) = text.lines().find(|l| l.starts_with("VmHWM:"))
        {
            peak = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(peak);
        }
        if let Some(status) = child.try_wait().expect("fleetc runs") {
            assert!(status.success(), "fleetc build failed");
            return (start.elapsed(), peak);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    assert!(command.status().expect("runs").success());
    start.elapsed()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn write_fleet(root: &Path, clusters: usize, apps: usize, unique: bool) {
    write(
        &root.join("fleet.yaml"),
        &format!(
            "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: bench}}\nrepositories:\n  - {{url: {REPO}, path: .}}\ndefinitions: [clusters/, appsets/]\n"
        ),
    );
    let names: Vec<String> = (0..clusters).map(|i| format!("{}-{i:04}", ENVIRONMENTS[i % 3])).collect();
    for (i, name) in names.iter().enumerate() {
        write(
            &root.join(format!("clusters/{name}.yaml")),
            &format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: cluster-{name}\n  namespace: argocd\n  labels:\n    argocd.argoproj.io/secret-type: cluster\n    environment: {}\n    region: {}\nstringData:\n  name: {name}\n  server: https://{name}.example.com\n",
                ENVIRONMENTS[i % 3],
                REGIONS[i % 4]
            ),
        );
    }
    for app in 0..apps {
        write_app(
            &root.join(format!("apps/app-{app:03}")),
            &format!("app-{app:03}"),
            if unique { &names } else { &[] },
        );
    }
    let path = if unique { "apps/*/clusters/{{.name}}" } else { "apps/*/overlays/{{.metadata.labels.environment}}" };
    write(
        &root.join("appsets/apps.yaml"),
        &format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: apps, namespace: argocd}}\nspec:\n  goTemplate: true\n  goTemplateOptions: [missingkey=error]\n  generators:\n    - matrix:\n        generators:\n          - clusters: {{selector: {{matchExpressions: [{{key: environment, operator: Exists}}]}}}}\n          - git: {{repoURL: {REPO}, revision: HEAD, directories: [{{path: '{path}'}}]}}\n  template:\n    metadata: {{name: '{{{{index .path.segments 1}}}}-{{{{.name}}}}'}}\n    spec:\n      project: default\n      source: {{repoURL: {REPO}, targetRevision: HEAD, path: '{{{{.path.path}}}}'}}\n      destination: {{name: '{{{{.name}}}}', namespace: '{{{{index .path.segments 1}}}}'}}\n"
        ),
    );
}

fn write_app(dir: &Path, app: &str, own: &[String]) {
    let environment: String =
        (0..8).map(|i| format!("            - {{name: SETTING_{i}, value: \"{i}\"}}\n")).collect();
    write(
        &dir.join("base/deployment.yaml"),
        &format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {app}}}\nspec:\n  selector: {{matchLabels: {{app: {app}}}}}\n  template:\n    metadata: {{labels: {{app: {app}}}}}\n    spec:\n      serviceAccountName: {app}\n      containers:\n        - name: {app}\n          image: registry.example.com/{app}:latest\n          env:\n{environment}          envFrom: [{{configMapRef: {{name: {app}-config}}}}]\n          readinessProbe: {{httpGet: {{path: /ready, port: http}}}}\n"
        ),
    );
    write(
        &dir.join("base/service.yaml"),
        &format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {app}}}\nspec:\n  selector: {{app: {app}}}\n  ports: [{{name: http, port: 80}}]\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {app}}}\n"
        ),
    );
    write(
        &dir.join("base/kustomization.yaml"),
        &format!(
            "resources: [deployment.yaml, service.yaml]\nconfigMapGenerator:\n  - {{name: {app}-config, literals: [LOG_LEVEL=info]}}\n"
        ),
    );
    for environment in ENVIRONMENTS {
        write(&dir.join(format!("overlays/{environment}/kustomization.yaml")), &overlay(app, environment));
    }
    for cluster in own {
        write(&dir.join(format!("clusters/{cluster}/kustomization.yaml")), &overlay(app, cluster));
    }
}

fn overlay(app: &str, what: &str) -> String {
    format!(
        "namespace: {app}\nresources: [../../base]\nlabels:\n  - {{pairs: {{variant: {what}}}, includeTemplates: true}}\nimages:\n  - {{name: registry.example.com/{app}, newTag: 1.2.3}}\nreplicas:\n  - {{name: {app}, count: 3}}\nconfigMapGenerator:\n  - {{name: {app}-config, behavior: merge, literals: [VARIANT={what}]}}\npatches:\n  - patch: |-\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {{name: {app}}}\n      spec: {{template: {{spec: {{containers: [{{name: {app}, resources: {{limits: {{memory: 256Mi}}}}}}]}}}}}}\n"
    )
}

/// Charts as `helm create` leaves them, and an ApplicationSet that puts every chart on every cluster, with values by label.
fn write_charts(root: &Path, charts: usize) {
    if charts == 0 {
        return;
    }
    let mut elements = String::new();
    for chart in 0..charts {
        let name = format!("chart-{chart:02}");
        elements.push_str(&format!("{{chart: {name}}}, "));
        let folder = root.join("charts").join(&name);
        write(
            &folder.join("Chart.yaml"),
            &format!("apiVersion: v2\nname: {name}\nversion: 0.3.1\nappVersion: \"2.4.0\"\n"),
        );
        write(&folder.join("values.yaml"), CHART_VALUES);
        for (file, text) in CHART_TEMPLATES {
            write(&folder.join("templates").join(file), text);
        }
    }
    write(
        &root.join("appsets/charts.yaml"),
        &format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: charts, namespace: argocd}}\nspec:\n  goTemplate: true\n  goTemplateOptions: [missingkey=error]\n  generators:\n    - matrix:\n        generators:\n          - clusters: {{selector: {{matchExpressions: [{{key: environment, operator: Exists}}]}}}}\n          - list: {{elements: [{elements}]}}\n  template:\n    metadata: {{name: '{{{{.chart}}}}-{{{{.name}}}}'}}\n    spec:\n      project: default\n      source:\n        repoURL: {REPO}\n        targetRevision: HEAD\n        path: 'charts/{{{{.chart}}}}'\n        helm:\n          releaseName: '{{{{.chart}}}}'\n          valuesObject:\n            region: '{{{{.metadata.labels.region}}}}'\n            config: {{level: '{{{{if eq .metadata.labels.environment \"dev\"}}}}debug{{{{else}}}}warn{{{{end}}}}'}}\n      destination: {{name: '{{{{.name}}}}', namespace: '{{{{.chart}}}}'}}\n"
        ),
    );
}

const CHART_VALUES: &str = "replicaCount: 1\nimage: {repository: registry.example.com/app, tag: \"\", pullPolicy: IfNotPresent}\nservice: {type: ClusterIP, port: 8080}\ningress:\n  enabled: true\n  hosts:\n    - host: \"{{ .Release.Name }}.example.com\"\n      paths: [/]\nresources: {requests: {cpu: 50m, memory: 64Mi}}\nconfig: {level: info, features: {alpha: true, beta: false}}\nextraEnv: []\ntolerations: []\n";

const CHART_TEMPLATES: [(&str, &str); 5] = [
    (
        "_helpers.tpl",
        r#"{{- define "fullname" -}}
{{- if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- define "labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
"#,
    ),
    (
        "deployment.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "fullname" . }}
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicaCount }}
  selector:
    matchLabels:
      app.kubernetes.io/instance: {{ .Release.Name }}
  template:
    metadata:
      annotations:
        checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
      labels:
        {{- include "labels" . | nindent 8 }}
    spec:
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .Chart.Name }}
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          ports:
            - name: http
              containerPort: {{ .Values.service.port }}
          env:
            - name: REGION
              value: {{ .Values.region | default "none" | quote }}
            {{- range .Values.extraEnv }}
            - name: {{ .name }}
              value: {{ .value | quote }}
            {{- end }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
"#,
    ),
    (
        "configmap.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "fullname" . }}
  labels:
    {{- include "labels" . | nindent 4 }}
data:
  level: {{ .Values.config.level }}
  {{- range $k, $v := .Values.config.features }}
  feature.{{ $k }}: {{ $v | quote }}
  {{- end }}
  config.yaml: |
    {{- toYaml .Values.config | nindent 4 }}
"#,
    ),
    (
        "service.yaml",
        r#"apiVersion: v1
kind: Service
metadata:
  name: {{ include "fullname" . }}
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  type: {{ .Values.service.type }}
  ports:
    - {port: {{ .Values.service.port }}, targetPort: http, name: http}
  selector:
    app.kubernetes.io/instance: {{ .Release.Name }}
"#,
    ),
    (
        "ingress.yaml",
        r#"{{- if .Values.ingress.enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "fullname" . }}
spec:
  rules:
    {{- range .Values.ingress.hosts }}
    - host: {{ tpl .host $ | quote }}
      http:
        paths:
          {{- range .paths }}
          - path: {{ . }}
            pathType: Prefix
            backend: {service: {name: {{ include "fullname" $ }}, port: {name: http}}}
          {{- end }}
    {{- end }}
{{- end }}
"#,
    ),
];
