//! Applications against small trees in memory: which cluster, which tool, which options, what is wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::argo::{Lowering, lower};
use crate::cluster::{Cluster, ClusterOrigin, Facts};
use crate::diag::Checked;
use crate::expand::AppOrigin;
use crate::memory_world::MemoryWorld;
use crate::path::{FilePath, TreeId};
use crate::source::SourceRequest;
use crate::span::{FileId, SourceFile, Span, Spanned};
use crate::world::{Entry, Lookup, Tree};
use crate::yaml::{Dialect, Limits, emit, parse};

const URL: &str = "https://git.example.com/fleet.git";

fn cluster(name: &str, server: &str) -> Cluster {
    Cluster {
        name: name.to_owned(),
        server: server.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        project: String::new(),
        instance: String::new(),
        facts: Facts::default(),
        origin: ClusterOrigin::Secret,
        object: name.to_owned(),
        span: Span::NONE,
    }
}

fn fleet(settings: &[(&str, &str)]) -> Fleet {
    let data =
        settings.iter().map(|(key, value)| ((*key).to_owned(), Spanned::detached((*value).to_owned()))).collect();
    let instance =
        Instance { namespace: "argocd".to_owned(), settings: crate::read::Settings { data }, ..Instance::default() };
    Fleet {
        clusters: vec![
            cluster("prod-eu", "https://eu.example.com/"),
            cluster("prod-us", "https://us.example.com"),
            cluster("twin", "https://twin.example.com"),
            cluster("twin", "https://other.example.com"),
        ],
        instances: [(String::new(), instance)].into(),
        ..Fleet::default()
    }
}

fn units(spec: &str) -> Vec<Unit> {
    let text = format!("metadata: {{name: web, namespace: argocd}}\nspec: {spec}\n");
    let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    assert!(parsed.error.is_none(), "{:?}", parsed.error);
    let lowering = Lowering { instance: String::new(), namespace: "argocd".to_owned(), engine: (3, 5) };
    let application = Arc::new(lower(&parsed.documents[0].root, &lowering).unwrap());
    let unit = |destination| Unit {
        application: Arc::clone(&application),
        destination,
        origin: Arc::new(AppOrigin::default()),
    };
    (0..application.destinations.len()).map(unit).collect()
}

fn world(files: &[(&str, &str)]) -> MemoryWorld {
    let (mut world, root) = MemoryWorld::of(files.iter().copied()).unwrap();
    for revision in ["", "HEAD"] {
        world.answer(URL, revision, &root, "0123456789abcdef", true);
    }
    world
}

/// The jobs of the units in one line each, or the messages.
fn summary(warned: &Warned<Resolved>, fleet: &Fleet) -> Vec<String> {
    let mut lines = Vec::new();
    for unit in &warned.value.units {
        let cluster = &fleet.clusters[unit.cluster].name;
        match &unit.sources {
            Err(errors) => lines.extend(errors.iter().map(said)),
            Ok(sources) => lines.extend(sources.iter().map(|source| {
                let job = source.job.as_ref().map(|job| {
                    let yaml = |node: &Option<crate::yaml::Node>| {
                        let text = node.as_ref().map(emit::to_yaml).unwrap_or_default();
                        text.trim_end().replace('\n', "; ")
                    };
                    let what = match &job.renderer {
                        Renderer::Directory { options, jsonnet, .. } => {
                            format!("directory {}{}", yaml(options), if *jsonnet { "" } else { "no jsonnet" })
                        }
                        Renderer::Kustomize { edits, build_options } => {
                            format!("kustomize {}{build_options}", yaml(edits))
                        }
                        Renderer::Helm(options) => helm_line(options),
                        Renderer::Plugin(options) => format!("plugin name: {}", options.name),
                    };
                    format!("{} {}", job.directory.path, what.trim_end())
                });
                format!("{cluster}: {}", job.unwrap_or_else(|| "nothing".to_owned()))
            })),
        }
    }
    lines.extend(warned.value.diagnostics.iter().map(said));
    lines.extend(warned.diagnostics.iter().map(|found| format!("warning: {}", found.message)));
    lines
}

/// What differs from an empty call of Helm.
fn helm_line(options: &HelmOptions) -> String {
    let mut line = format!("helm {}", options.release);
    let file = |file: &HelmFile| match &file.place {
        HelmFilePlace::Tree(path) => path.path.to_string(),
        HelmFilePlace::Url(url) => url.clone(),
    };
    if !options.namespace.is_empty() {
        line.push_str(&format!(" in {}", options.namespace));
    }
    options.value_files.iter().for_each(|one| line.push_str(&format!(" -f {}", file(one))));
    if let Some(values) = &options.values {
        line.push_str(&format!(" values {}", emit::to_yaml(values).trim_end().replace('\n', "; ")));
    }
    for (flag, list) in [("--set", &options.set), ("--set-string", &options.set_string)] {
        list.iter().for_each(|(name, value)| line.push_str(&format!(" {flag} {name}={value}")));
    }
    options.set_file.iter().for_each(|(name, one)| line.push_str(&format!(" --set-file {name}={}", file(one))));
    if let Some(version) = &options.kube_version {
        line.push_str(&format!(" --kube-version {version}"));
    }
    line
}

fn said(found: &Diagnostic) -> String {
    match found.hints.first() {
        Some(hint) => format!("{} ({hint})", found.message),
        None => found.message.clone(),
    }
}

fn check(files: &[(&str, &str)], settings: &[(&str, &str)], spec: &str, want: &[&str]) {
    let fleet = fleet(settings);
    let resolved = resolve(units(spec), &fleet, &world(files));
    assert_eq!(summary(&resolved, &fleet), want, "{spec}");
}

fn check_source(files: &[(&str, &str)], source: &str, want: &[&str]) {
    let spec = format!("{{destination: {{name: prod-eu, namespace: web}}, source: {{repoURL: '{URL}', {source}}}}}");
    check(files, &[], &spec, want);
}

#[test]
fn destinations_name_clusters() {
    for (destination, want) in [
        ("{name: prod-eu}", "prod-eu: app directory"),
        ("{server: 'https://eu.example.com'}", "prod-eu: app directory"),
        ("{server: 'https://us.example.com///'}", "prod-us: app directory"),
        ("{name: prod-ue}", "no cluster has the name `prod-ue` (did you mean `prod-eu` or `prod-us`?)"),
        (
            "{server: 'https://eu.exampel.com'}",
            "no cluster has the server `https://eu.exampel.com` (did you mean \
             `https://eu.example.com` or `https://us.example.com` or `https://other.example.com`?)",
        ),
        (
            "{name: 'https://us.example.com/'}",
            "no cluster has the name `https://us.example.com/` (it is the server of a cluster: write `server:` instead of `name:`)",
        ),
        (
            "{name: in-cluster}",
            "no cluster has the name `in-cluster` (argocd-cm switches the cluster that Argo CD runs in off \
             (`cluster.inClusterEnabled`), or a Secret renames it)",
        ),
        ("{name: twin}", "several clusters have the name `twin`, so the destination of `web` is not clear"),
    ] {
        let spec = format!("{{destination: {destination}, source: {{repoURL: '{URL}', path: app}}}}");
        check(&[("app/x.yaml", "")], &[], &spec, &[want]);
    }
}

#[test]
fn other_instances_have_other_clusters() {
    let mut fleet = fleet(&[]);
    fleet.clusters[0].instance = "eu".to_owned();
    let spec = format!("{{destination: {{name: prod-eu}}, source: {{repoURL: '{URL}', path: app}}}}");
    let resolved = resolve(units(&spec), &fleet, &world(&[("app/x.yaml", "")]));
    assert!(resolved.value.units.is_empty() && resolved.value.diagnostics.has_errors());
}

#[test]
fn servers_override_the_source() {
    let files = [("app/kustomization.yaml", ""), ("eu/kustomization.yaml", "")];
    let spec = format!(
        "{{destination: {{servers: [prod-us, {{name: prod-eu, path: eu, kustomize: {{nameSuffix: -eu}}}}]}}, \
         source: {{repoURL: '{URL}', path: app, kustomize: {{namePrefix: a-, nameSuffix: -b}}}}}}"
    );
    let want = [
        "prod-us: app kustomize namePrefix: a-; nameSuffix: -b",
        "prod-eu: eu kustomize namePrefix: a-; nameSuffix: -eu",
    ];
    check(&files, &[], &spec, &want);
}

#[test]
fn names_of_files_decide_the_tool() {
    let off = [("kustomize.enable", "false"), ("jsonnet.enable", "no")];
    for (files, settings, options, want) in [
        (&["x.yaml"][..], &[][..], "", "directory"),
        (&["kustomization.yml"], &[], "", "kustomize"),
        (&["Kustomization"], &[("kustomize.buildOptions", "--enable-helm")], "", "kustomize --enable-helm"),
        (&["Chart.yaml"], &[], "", "helm web"),
        (&["myChart.yaml"], &[], "", "helm web"),
        (&["Chart.yaml", "kustomization.yaml"], &[], "", "kustomize"),
        (&["kustomization.yaml", "zChart.yaml"], &[], "", "helm web"),
        (&["Chart.yaml", "kustomization.yaml"], &off, "", "helm web"),
        (&["kustomization.yaml"], &off, "", "directory no jsonnet"),
        (&["sub/kustomization.yaml"], &[], "", "directory"),
        (&["kustomization.yaml"], &[], ", directory: {recurse: true}", "directory recurse: true"),
        (&["kustomization.yaml"], &off, ", kustomize: {namePrefix: a}", "directory no jsonnet"),
        (&["x.yaml"], &[], ", plugin: {name: p}", "plugin name: p"),
    ] {
        let files: Vec<String> = files.iter().map(|name| format!("app/{name}")).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|name| (name.as_str(), "")).collect();
        let spec = format!("{{destination: {{name: prod-eu}}, source: {{repoURL: '{URL}', path: app{options}}}}}");
        check(&files, settings, &spec, &[&format!("prod-eu: app {want}")]);
    }
    check_source(
        &[("app/x.yaml", "")],
        "path: app, kustomize: {namePrefix: a}, directory: {recurse: true}",
        &[
            "the source of `web` has options of several tools: kustomize, directory (keep those of the one that renders it)",
        ],
    );
}

#[test]
fn paths_must_be_directories_of_the_repository() {
    let files = [("apps/guestbook/x.yaml", "")];
    for (path, want) in [
        ("apps/guestbook", "prod-eu: apps/guestbook directory"),
        ("./apps/../apps/guestbook/", "prod-eu: apps/guestbook directory"),
        (".", "prod-eu: . directory"),
        (
            "/apps/guestbook",
            "the path `/apps/guestbook` of `web` is absolute (write it without the leading slash: paths begin at the root of the repository)",
        ),
        ("apps/../../x", "the path `apps/../../x` of `web` leaves the repository"),
    ] {
        check_source(&files, &format!("path: '{path}'"), &[want]);
    }
    for path in ["apps/guestbok", "apps/guestbook/x.yaml"] {
        let spec = format!("{{destination: {{name: prod-eu}}, source: {{repoURL: '{URL}', path: {path}}}}}");
        let resolved = resolve(units(&spec), &fleet(&[]), &world(&files));
        let found = resolved.value.units[0].sources.clone().unwrap_err();
        let want = format!("the path `{path}` of `web` cannot be used in {URL}: ");
        assert!(found.iter().next().unwrap().message.starts_with(&want), "{found:?}");
    }
}

#[test]
fn source_files_are_merged_over_the_source() {
    let files = [
        ("app/kustomization.yaml", ""),
        ("app/.argocd-source.yaml", "path: elsewhere\nkustomize: {images: [a=b], namePrefix: x-}\n"),
        ("app/.argocd-source-web.yaml", "kustomize: {images: [c=d], nameSuffix: null, commonLabels: {a: b}}\n"),
        ("app/.argocd-source-other.yaml", "kustomize: {images: [no]}\n"),
    ];
    check_source(
        &files,
        "path: app, kustomize: {nameSuffix: -s}",
        &["prod-eu: app kustomize commonLabels:;   a: b; images:; - c=d; namePrefix: x-; nameSuffix: -s"],
    );
    let file = |text| [("app/.argocd-source.yaml", text)];
    check_source(&file("directory: {recurse: true}"), "path: app", &["prod-eu: app directory recurse: true"]);
    check_source(&file("# nothing"), "path: app", &["prod-eu: app directory"]);
    check_source(&file("[]"), "path: app", &["`.argocd-source.yaml` must be a mapping, not a list"]);
    for (text, want) in [
        ("helm: {parameters: 3}", "list"),
        ("a: [", ""),
        ("kustomize: {}\nhelm: {releaseName: a}", "several tools: helm, kustomize"),
    ] {
        let spec = format!("{{destination: {{name: prod-eu}}, source: {{repoURL: '{URL}', path: app}}}}");
        let resolved = resolve(units(&spec), &fleet(&[]), &world(&file(text)));
        let found = resolved.value.units[0].sources.clone().unwrap_err();
        assert!(found.iter().any(|found| found.message.contains(want)), "{text}: {found:?}");
    }
    let fleet = fleet(&[]);
    let spec = format!("{{destination: {{name: prod-eu}}, source: {{repoURL: '{URL}', path: app}}}}");
    let resolved = resolve(units(&spec), &fleet, &world(&file("kustomise: {}")));
    assert_eq!(resolved.diagnostics.iter().count(), 1, "{:?}", resolved.diagnostics);
}

#[test]
fn charts_are_called_as_argo_cd_calls_them() {
    let files = [("charts/web/Chart.yaml", "")];
    for (options, want) in [
        ("", "web in prod"),
        (
            "releaseName: r, namespace: other, kubeVersion: v1.31.2+k3s1, version: v3, passCredentials: true",
            "r in other --kube-version 1.31.2",
        ),
        (
            "valueFiles: [a.yaml, ../b.yaml, /c/d.yaml, 'https://x/y.yaml']",
            "web in prod -f charts/web/a.yaml -f charts/b.yaml -f c/d.yaml -f https://x/y.yaml",
        ),
        ("valueFiles: [$ARGOCD_APP_NAME.yaml, $values/x.yaml]", "web in prod -f charts/web/web.yaml -f x.yaml"),
        ("values: 'a: b', valuesObject: {c: d}", "web in prod values c: d"),
        ("values: 'a: $ARGOCD_APP_NAME'", "web in prod values 'a: $ARGOCD_APP_NAME'"),
        (
            "parameters: [{name: a, value: 'x,y'}, {name: b, value: '{x,y}'}, {name: a, value: 'x\\,$ARGOCD_APP_NAME'}, {name: c, value: '1', forceString: true}]",
            "web in prod --set a=x\\,web --set b={x,y} --set-string c=1",
        ),
        ("fileParameters: [{name: f, path: files/f.txt}]", "web in prod --set-file f=charts/web/files/f.txt"),
    ] {
        let spec = format!(
            "{{destination: {{name: prod-eu, namespace: prod}}, source: {{repoURL: '{URL}', path: charts/web, helm: {{{options}}}}}}}"
        );
        check(&files, &[], &spec, &[&format!("prod-eu: charts/web helm {want}")]);
    }
    for (options, want) in [
        ("valueFiles: [../../../x.yaml]", "the values file `../../../x.yaml` leaves the repository"),
        ("valueFiles: [/]", "`/` is the repository itself, not a file"),
        (
            "valueFiles: ['git://x']",
            "`git://x`: the URL scheme `git` is not allowed (`helm.valuesFileSchemes` of argocd-cm lists those that are)",
        ),
        ("kubeVersion: latest", "`latest` is not a Kubernetes version (write it as \"1.34.1\")"),
    ] {
        check_source(&files, &format!("path: charts/web, helm: {{{options}}}"), &[want]);
    }
    let spec = format!(
        "{{destination: {{name: prod-eu}}, sources: [{{repoURL: '{URL}', path: charts/web, helm: {{valueFiles: [$v/x.yaml, $o/y.yaml]}}}}, \
         {{repoURL: '{URL}', ref: v}}, {{repoURL: 'https://charts.example.com', chart: c, targetRevision: 1.0.0, ref: o}}]}}"
    );
    let resolved = resolve(units(&spec), &fleet(&[]), &world(&files));
    let errors = resolved.value.units[0].sources.clone().unwrap_err();
    assert!(
        errors.iter().any(|error| error.message == "`$o/y.yaml`: a source with `ref` must be a git repository"),
        "{errors:?}"
    );
}

#[test]
fn variables_are_substituted_where_argo_cd_does() {
    let files = [("app/kustomization.yaml", "")];
    check_source(
        &files,
        "path: app, kustomize: {images: ['web:${ARGOCD_APP_REVISION_SHORT}'], commonLabels: {a: '$ARGOCD_APP_NAME-$NO$$'}, \
         commonAnnotations: {a: $ARGOCD_APP_NAME}, namePrefix: $ARGOCD_APP_NAME}",
        &[
            "prod-eu: app kustomize commonAnnotations:;   a: $ARGOCD_APP_NAME; commonLabels:;   a: web-$; images:; - web:0123456; \
           namePrefix: $ARGOCD_APP_NAME",
        ],
    );
    check_source(
        &files,
        "path: app, kustomize: {commonAnnotations: {a: '${ARGOCD_APP_NAMESPACE}/${ARGOCD_APP_SOURCE_PATH}'}, commonAnnotationsEnvsubst: true}",
        &["prod-eu: app kustomize commonAnnotations:;   a: web/app; commonAnnotationsEnvsubst: true"],
    );
}

#[test]
fn dollars_follow_go() {
    let environment = environment::Environment {
        app_name: "web",
        namespace: "",
        project: "default",
        revision: "",
        repo_url: "",
        path: "",
        target_revision: "",
    };
    for (text, want) in [
        ("$ARGOCD_APP_NAME", "web"),
        ("a${ARGOCD_APP_NAME}b", "awebb"),
        ("$UNKNOWN!", "!"),
        ("$$x", "$x"),
        ("${", ""),
        ("${}x", "x"),
        ("a${b", "ab"),
        ("$(A)", "$(A)"),
        ("end$", "end$"),
        ("$1x", "x"),
        ("$-x$*", "x"),
        ("${1}x", "x"),
        ("${$}", "$"),
        ("$ü", "$ü"),
        ("${ü}x", "x"),
    ] {
        assert_eq!(environment.expand(text, Span::NONE).unwrap(), want, "{text}");
    }
    assert!(environment.expand("$ARGOCD_APP_REVISION", Span::NONE).is_err());
}

#[test]
fn equal_sources_are_one_job() {
    let mut all = Vec::new();
    for name in ["prod-eu", "prod-us"] {
        let spec = format!(
            "{{destination: {{name: {name}}}, source: {{repoURL: '{URL}', path: app, kustomize: {{namePrefix: a}}}}}}"
        );
        all.extend(units(&spec));
    }
    let resolved = resolve(all, &fleet(&[]), &world(&[("app/kustomization.yaml", "")]));
    let jobs: Vec<_> =
        resolved.value.units.iter().map(|unit| unit.sources.as_ref().unwrap()[0].job.clone().unwrap()).collect();
    assert!(Arc::ptr_eq(&jobs[0], &jobs[1]));
}

#[test]
fn several_sources_are_several_jobs() {
    let files = [("a/x.yaml", ""), ("b/x.yaml", "")];
    let source = |rest: &str| format!("{{repoURL: '{URL}', {rest}}}");
    let sources = [source("path: a"), source("ref: values"), source("ref: both, path: b")].join(", ");
    let spec = format!("{{destination: {{name: prod-eu}}, sources: [{sources}]}}");
    check(&files, &[], &spec, &["prod-eu: a directory", "prod-eu: nothing", "prod-eu: b directory"]);
}

/// A world that has a repository only after it was fetched.
struct Later {
    inner: MemoryWorld,
    fetched: Mutex<bool>,
}

impl World for Later {
    fn tree(&self, source: &SourceRequest) -> Lookup {
        if *self.fetched.lock().unwrap() {
            return Lookup::Here(Tree { id: TreeId(0), commit: "abc".to_owned(), working: false, digest: None });
        }
        Lookup::Absent { reason: format!("{} was not fetched", source.url), hint: Some("fetch it".to_owned()) }
    }
    fn list(&self, directory: &FilePath) -> Checked<Arc<[Entry]>> {
        self.inner.list(directory)
    }
    fn read(&self, file: &FilePath) -> Checked<Arc<SourceFile>> {
        self.inner.read(file)
    }
}

#[test]
fn what_is_not_here_is_wanted_and_used_when_it_came() {
    let later = Later { inner: world(&[("app/x.yaml", "")]), fetched: Mutex::new(false) };
    let spec = "{destination: {name: prod-eu}, source: {repoURL: 'https://me:pw@else.example.com/r', path: app, targetRevision: v1}}";
    let fleet = fleet(&[]);
    let first = resolve(units(spec), &fleet, &later);
    assert_eq!(first.value.wants, [SourceRequest::git("https://me:pw@else.example.com/r", "v1")]);
    assert!(!first.value.diagnostics.has_errors(), "a missing source holds its application only");
    let errors = first.value.units[0].sources.clone().unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!(error.cause, crate::diag::Cause::Source);
    assert!(
        error.message.starts_with("the source https://else.example.com/r at v1 cannot be had"),
        "{}",
        error.message
    );
    assert_eq!(error.hints, ["fetch it"]);

    *later.fetched.lock().unwrap() = true;
    let second = resolve(units(spec), &fleet, &later);
    assert_eq!(summary(&second, &fleet), ["prod-eu: app directory"]);
    assert_eq!((second.value.wants.len(), &*second.value.units[0].sources.as_ref().unwrap()[0].commit), (0, "abc"));
}

#[test]
fn charts_are_wanted_too() {
    let spec = "{destination: {name: prod-eu}, source: {repoURL: 'https://charts.example.com', chart: redis, targetRevision: 1.*}}";
    let resolved = resolve(units(spec), &fleet(&[]), &world(&[]));
    let request = SourceRequest {
        kind: crate::source::SourceKind::Chart("redis".to_owned()),
        url: "https://charts.example.com".to_owned(),
        revision: "1.*".to_owned(),
    };
    assert_eq!(resolved.value.wants, [request]);
    assert!(resolved.value.units[0].sources.is_err());
}

#[test]
fn prefixes_of_tags_narrow_constraints() {
    for (revision, want) in [("1.x", "web/:1.x"), ("''", "")] {
        let spec = format!(
            "{{destination: {{name: prod-eu}}, source: {{repoURL: 'https://else.example.com/r', path: app, tagPrefix: web/, \
             targetRevision: {revision}}}}}"
        );
        let resolved = resolve(units(&spec), &fleet(&[]), &world(&[]));
        assert_eq!(resolved.value.wants, [SourceRequest::git("https://else.example.com/r", want)]);
    }
}
