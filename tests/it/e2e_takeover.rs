//! Taking over what others deploy, on a real cluster: how much of it equals what would be applied, moving fields, who still fights.

use crate::control_plane::fleet::Fleet;
use crate::control_plane::proxy::{Fault, Proxy};
use crate::control_plane::{self, ControlPlane};
use crate::e2e_slices::{config_map, deployment, exists, field};

const PRUNE: &str = "syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}";

/// Runs kubectl on a file with an object in a namespace, as a deployer would: `apply --server-side --field-manager=argocd-controller`.
fn deploy(plane: &ControlPlane, namespace: &str, command: &str, yaml: &str) {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(file.path(), yaml).unwrap();
    let path = file.path().to_string_lossy().into_owned();
    let args: Vec<&str> = command.split(' ').chain(["-n", namespace, "-f", &path]).collect();
    plane.kubectl_ok(&args);
}

const ARGO: &str = "apply --server-side --force-conflicts --field-manager=argocd-controller";
const HELM: &str = "create --field-manager=helm";
const KUBECTL: &str = "apply";

/// An object with Argo CD's annotation.
fn tracked(yaml: &str, application: &str, namespace: &str) -> String {
    let name = yaml.split("name: ").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    let id = format!("{application}:/ConfigMap:{namespace}/{name}");
    yaml.replace(
        &format!("{{name: {name}}}"),
        &format!("{{name: {name}, annotations: {{argocd.argoproj.io/tracking-id: \"{id}\"}}}}"),
    )
}

#[test]
fn verify_counts_what_a_hand_counts() {
    let Some(plane) = control_plane::cluster() else { return };
    let namespace = "e2e-verify";
    plane.kubectl_ok(&["create", "namespace", namespace]);
    let fleet = Fleet::new(namespace, &[plane]);
    fleet.application("web", "c0", namespace, PRUNE);
    fleet.application("other", "c0", namespace, PRUNE);
    // Nine equal ones, so that they are listed; Argo CD's annotation is no difference.
    for at in 0..9 {
        let yaml = config_map(&format!("same-{at}"), "one");
        fleet.write(&format!("apps/web/same-{at}.yaml"), &yaml);
        deploy(plane, namespace, ARGO, &tracked(&yaml, "web", namespace));
    }
    // One with another value, one with a key that is declared no more, one that is not there.
    fleet.write("apps/web/differs.yaml", &config_map("differs", "one"));
    deploy(plane, namespace, ARGO, &config_map("differs", "two"));
    fleet.write("apps/web/more.yaml", &config_map("more", "one"));
    deploy(plane, namespace, KUBECTL, &config_map("more", "one").replace("\ndata: {", "\ndata: {old: \"x\", "));
    fleet.write("apps/web/missing.yaml", &config_map("missing", "one"));
    // What Helm made has all defaults, which count for nothing; what an autoscaler holds is told apart.
    fleet.write("apps/other/equal.yaml", &deployment("equal", "replicas: 2, ", "nginx:1"));
    deploy(plane, namespace, HELM, &deployment("equal", "replicas: 2, ", "nginx:1"));
    fleet.write("apps/other/scaled.yaml", &deployment("scaled", "replicas: 2, ", "nginx:1"));
    deploy(plane, namespace, HELM, &deployment("scaled", "replicas: 2, ", "nginx:1"));
    let patch = ["patch", "deployment", "scaled", "-n", namespace, "--subresource=scale", "--type=merge"];
    plane.kubectl_ok(
        &[&patch[..], &["--field-manager=kube-controller-manager", "-p", r#"{"spec":{"replicas":5}}"#]].concat(),
    );
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: password}}\nstringData: {{password: {value}}}\n")
    };
    fleet.write("apps/other/secret.yaml", &secret("open-sesame"));
    deploy(plane, namespace, HELM, &secret("swordfish"));
    // 15 objects: 9 + `equal` are identical.
    let ran = fleet.run("verify").expect(1);
    assert!(ran.stdout.starts_with("10 of 15 objects identical, the other 5 are: "), "{}", ran.stdout);
    for cause in ["1 missing", "2 different", "1 with fields of a deployer", "1 different only in fields that others"] {
        assert!(ran.stdout.contains(cause), "{cause}: {}", ran.stdout);
    }
    for row in ["ConfigMap .data.old", "Deployment.apps .spec.replicas (held by kube-controller-manager)"] {
        assert!(ran.stdout.contains(row), "{row}: {}", ran.stdout);
    }
    let json = fleet.run("verify --format json").expect(1);
    let data: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let number = |name: &str| data["counts"][name].as_u64().unwrap();
    let all = ["objects", "identical", "marks", "written", "missing", "differs", "more", "held", "unknown"].map(number);
    assert_eq!(all, [15, 10, 9, 1, 1, 2, 1, 1, 0], "{}", data["counts"]);
    for hidden in ["swordfish", "open-sesame", "c3dvcmRmaXNo", "b3Blbi1zZXNhbWU="] {
        assert!(!ran.text().contains(hidden) && !json.text().contains(hidden));
    }
    assert_eq!(fleet.writes(plane), [], "verify wrote");
    // A dry run is a write to whoever may only read.
    let dry = dry_runs(plane, &fleet.user);
    assert_eq!(dry, 0, "verify asked for dry runs");
    // Filters count what they let through.
    let one = fleet.run("verify --app other").expect(1);
    assert!(one.stdout.starts_with("1 of 3 objects identical"), "{}", one.stdout);
    let nothing = fleet.run("verify --app nothing-is-called-so").expect(0);
    assert!(nothing.stderr.contains("no application is compared"), "{}", nothing.stderr);
    let usage = fleet.run("adopt").expect(2);
    assert!(usage.stderr.contains("--from"), "{}", usage.stderr);
    let usage = fleet.run("adopt --from argo").expect(2);
    assert!(usage.stderr.contains("argocd"), "{}", usage.stderr);
    // When it is all as it should be the answer is yes.
    fleet.write("apps/web/differs.yaml", &config_map("differs", "two"));
    fleet.write("apps/web/more.yaml", &config_map("more", "one").replace("\ndata: {", "\ndata: {old: \"x\", "));
    fleet.remove("apps/web/missing.yaml");
    let yes = fleet.run("verify --app web").expect(0);
    assert!(yes.stdout.starts_with("11 of 11 objects identical\n"), "{}", yes.stdout);
}

/// Dry runs that somebody asked for.
fn dry_runs(plane: &ControlPlane, user: &str) -> usize {
    let log = std::fs::read_to_string(plane.file("audit.log")).unwrap_or_default();
    log.lines().filter(|line| line.contains(&format!("\"{user}\"")) && line.contains("dryRun=All")).count()
}

/// A ConfigMap with a key that Git does not have.
fn with_old(name: &str) -> String {
    config_map(name, "one").replace("\ndata: {", "\ndata: {old: \"x\", ")
}

fn managers(plane: &ControlPlane, namespace: &str, object: &str) -> String {
    plane.kubectl_ok(&[
        "get",
        object,
        "-n",
        namespace,
        "--show-managed-fields",
        "-o",
        "jsonpath={range .metadata.managedFields[*]}{.manager} {.operation};{end}",
    ])
}

#[test]
fn what_leaves_git_really_goes_after_adoption() {
    let Some(plane) = control_plane::cluster() else { return };
    let namespace = "e2e-takeover";
    plane.kubectl_ok(&["create", "namespace", namespace]);
    let fleet = Fleet::new(namespace, &[plane]);
    fleet.application("web", "c0", namespace, PRUNE);
    // How each of them deploys; Argo CD does it in two ways.
    let deployers = [
        ("by-csa", KUBECTL),
        ("by-ssa", "apply --server-side"),
        ("by-argo", ARGO),
        ("by-argo-csa", "apply --field-manager=argocd-controller"),
        ("by-helm", HELM),
        ("by-flux", "apply --server-side --field-manager=kustomize-controller"),
    ];
    for (name, command) in deployers {
        deploy(plane, namespace, command, &with_old(name));
        fleet.write(&format!("apps/web/{name}.yaml"), &config_map(name, "one"));
    }
    // Helm's Deployment: its manager holds the server's defaults, too. Git has a label less.
    let release =
        "labels: {old: x}, annotations: {meta.helm.sh/release-name: shop, meta.helm.sh/release-namespace: shop}";
    let chart = deployment("chart", "replicas: 2, ", "nginx:1");
    deploy(plane, namespace, HELM, &chart.replace("{name: chart}\nspec", &format!("{{name: chart, {release}}}\nspec")));
    fleet.write("apps/web/chart.yaml", &chart);
    // What a person wrote beside stays, and so does what was there before the first server-side apply.
    deploy(plane, namespace, ARGO, &with_old("edited"));
    fleet.write("apps/web/edited.yaml", &config_map("edited", "one"));
    let by_hand = r#"{"data":{"hand":"x"}}"#;
    let edit = ["patch", "configmap", "edited", "-n", namespace, "--type=merge", "-p", by_hand];
    plane.kubectl_ok(&[&edit[..], &["--field-manager=kubectl-edit"]].concat());
    deploy(plane, namespace, "create", &with_old("first"));
    let reset = ["patch", "configmap", "first", "-n", namespace, "--type=merge", "-p"];
    plane.kubectl_ok(&[&reset[..], &[r#"{"metadata":{"managedFields":[{}]}}"#]].concat());
    deploy(plane, namespace, ARGO, &with_old("first").replace("\ndata: {", "\ndata: {new: \"y\", "));
    fleet.write("apps/web/first.yaml", &config_map("first", "one"));
    assert!(managers(plane, namespace, "configmap/first").contains("before-first-apply Update;"));

    let all = "--from argocd,helm,flux,kubectl";
    let shown = fleet.run(&format!("adopt {all} --dry-run")).expect(0);
    for said in [
        "goes with the next apply: .data.old",
        "of kubectl-client-side-apply (Update)",
        "of helm (Update)",
        "kustomize-controller (Apply)",
        "release shop/shop stays",
        "`before-first-apply` holds fields of 1 object",
        ".data.old (before-first-apply)",
        "of 9 objects move",
    ] {
        assert!(shown.stdout.contains(said), "{said}\n{}", shown.stdout);
    }
    fleet.run(&format!("adopt {all}")).expect(2);
    assert_eq!(fleet.writes(plane), [], "asking wrote");
    fleet.run(&format!("adopt {all} --yes")).expect(0);
    let written = fleet.writes(plane);
    assert!(
        written.len() == 9 && written.iter().all(|write| write.verb == "patch" && write.code == 200),
        "{written:?}"
    );
    let value = |name: &str, key: &str| field(plane, namespace, &format!("configmap/{name}"), &format!(".data.{key}"));
    for (name, _) in deployers {
        assert_eq!(value(name, "old"), "x", "{name}: no value changes");
        let found = managers(plane, namespace, &format!("configmap/{name}"));
        assert_eq!(found, "fleetc Apply;", "{name}");
    }
    assert_eq!(managers(plane, namespace, "configmap/edited"), "fleetc Apply;kubectl-edit Update;");
    assert_eq!(managers(plane, namespace, "configmap/first"), "fleetc Apply;before-first-apply Update;");
    // There is nothing left to move.
    let again = fleet.run(&format!("adopt {all} --yes --format json")).expect(0);
    let data: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((data["counts"]["moving"].as_u64(), data["counts"]["nothing"].as_u64()), (Some(0), Some(9)));
    assert_eq!(fleet.writes(plane).len(), 9);

    let planned = fleet.run("plan .").expect(0);
    assert!(planned.stdout.contains(".data.old"), "the plan shows what goes: {}", planned.stdout);
    fleet.apply("").expect(0);
    for (name, _) in deployers {
        assert_eq!((value(name, "old"), value(name, "value")), (String::new(), "one".to_owned()), "{name}");
        let annotation = field(plane, namespace, &format!("configmap/{name}"), ".metadata.annotations");
        assert_eq!(annotation, "", "kubectl's annotation goes, too: {name}");
    }
    assert_eq!((value("edited", "old"), value("edited", "hand")), (String::new(), "x".to_owned()));
    assert_eq!((value("first", "old"), value("first", "new")), ("x".to_owned(), String::new()));
    let of_chart = |path: &str| field(plane, namespace, "deployment/chart", path);
    assert_eq!(
        (of_chart(".metadata.labels.old"), of_chart(".metadata.annotations.meta\\.helm\\.sh/release-name")),
        Default::default()
    );
    assert_eq!((of_chart(".spec.replicas"), of_chart(".spec.revisionHistoryLimit")), ("2".to_owned(), "10".to_owned()));
    fleet.run("plan . --exit-code").expect(0);
    fleet.run("verify").expect(0);
}

#[test]
fn an_adoption_that_is_cut_off_is_run_again() {
    let Some(plane) = control_plane::cluster() else { return };
    let (namespace, names) = ("e2e-takeover-cut", ["a", "b", "c", "d", "e"]);
    plane.kubectl_ok(&["create", "namespace", namespace]);
    let proxy = Proxy::start(plane);
    let fleet = Fleet::reaching(namespace, &[(proxy.url(), String::new())]);
    fleet.application("web", "c0", namespace, PRUNE);
    let objects: Vec<String> = names.iter().map(|name| config_map(name, "one")).collect();
    fleet.write("apps/web/all.yaml", &objects.join("---\n"));
    let kinds = [Fault::Killed, Fault::After, Fault::Before, Fault::Status(409), Fault::Status(500)];
    let (mut at, mut tries) = (0, 0);
    loop {
        // Argo CD once more: it holds the fields again.
        deploy(plane, namespace, ARGO, &objects.join("---\n"));
        let fault = Some((at, kinds[tries % kinds.len()]));
        let (_, _, sent) = proxy.run(&mut fleet.command("adopt --from argocd --yes"), fault);
        let (code, text, _) = proxy.run(&mut fleet.command("adopt --from argocd --yes"), None);
        assert_eq!(code, Some(0), "after {fault:?}: {text}");
        for name in names {
            let found = managers(plane, namespace, &format!("configmap/{name}"));
            assert_eq!(found, "fleetc Apply;", "{name} after {fault:?}");
        }
        tries += 1;
        // The later requests are those that write.
        at += if at < sent / 2 { 3 } else { 1 };
        if at >= sent && tries >= 8 {
            break;
        }
        assert!(tries < 40, "{sent} requests");
    }
}

/// The definitions of Argo CD, as far as tests need them.
const ARGO_KINDS: [(&str, &str); 3] =
    [("applications", "Application"), ("applicationsets", "ApplicationSet"), ("appprojects", "AppProject")];

fn install_argocd(plane: &ControlPlane) {
    let mut text = String::new();
    for (plural, kind) in ARGO_KINDS {
        let singular = kind.to_lowercase();
        text.push_str(&format!(
            "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {plural}.argoproj.io}}\nspec:\n  \
             group: argoproj.io\n  scope: Namespaced\n  names: {{plural: {plural}, singular: {singular}, kind: {kind}}}\n  versions:\n  \
             - {{name: v1alpha1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}\n"
        ));
    }
    plane.apply(&text);
    let crds: Vec<String> = ARGO_KINDS.iter().map(|(plural, _)| format!("crd/{plural}.argoproj.io")).collect();
    let args: Vec<&str> = ["wait", "--for=condition=Established", "--timeout=60s"]
        .into_iter()
        .chain(crds.iter().map(String::as_str))
        .collect();
    plane.kubectl_ok(&args);
}

#[test]
fn what_an_automated_application_tracks_is_left_alone() {
    let Some(planes) = control_plane::clusters(2) else { return };
    let (plane, management) = (planes[0], planes[1]);
    let namespace = "e2e-tracked";
    for plane in [plane, management] {
        install_argocd(plane);
        plane.kubectl_ok(&["create", "namespace", namespace]);
    }
    let fleet = Fleet::new(namespace, &planes);
    for name in ["mine", "free", "afar"] {
        fleet.application(name, "c0", namespace, PRUNE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map(name, "two"));
    }
    deploy(plane, namespace, ARGO, &tracked(&config_map("mine", "one"), "tracked-app", namespace));
    deploy(plane, namespace, ARGO, &config_map("afar", "one"));
    deploy(plane, namespace, ARGO, &tracked(&config_map("free", "two"), "unknown-app", namespace));
    let application = |name: &str, destination: &str, more: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec: {{project: default, destination: {{{destination}}}, syncPolicy: {{automated: {{}}}}}}\n{more}"
        )
    };
    plane.apply(&application("tracked-app", "server: https://kubernetes.default.svc", ""));
    // The Argo CD elsewhere tracks by a label; its status says what it has.
    let server = format!("server: \"{}\"", plane.server());
    let status =
        format!("status: {{resources: [{{version: v1, kind: ConfigMap, namespace: {namespace}, name: afar}}]}}\n");
    management.apply(&application("afar-app", &server, &status));

    let with = "--management-context k1";
    let planned = fleet.run("plan . --app free").expect(0);
    assert!(planned.stdout.contains("part of `unknown-app`"), "{}", planned.stdout);
    let refused = fleet.apply(with).expect(5);
    for said in ["e2e-tracked/tracked-app", "e2e-tracked/afar-app", "--sync-policy none", "docs/taking-over.md"] {
        assert!(refused.text().contains(said), "{said}: {}", refused.text());
    }
    let value = |name: &str| field(plane, namespace, &format!("configmap/{name}"), ".data.value");
    assert_eq!((value("mine"), value("afar"), value("free")), ("one".to_owned(), "one".to_owned(), "two".to_owned()));
    let adopted = fleet.run(&format!("adopt --from argocd --yes {with}")).expect(5);
    assert!(adopted.stdout.contains("! ConfigMap e2e-tracked/mine"), "{}", adopted.stdout);
    assert!(managers(plane, namespace, "configmap/mine").starts_with("argocd-controller"));
    // Automated sync off, and the steps of the guide go on.
    for (plane, name) in [(plane, "tracked-app"), (management, "afar-app")] {
        let off = r#"{"spec":{"syncPolicy":{"automated":null}}}"#;
        plane.kubectl_ok(&["patch", "application", name, "-n", namespace, "--type=merge", "-p", off]);
    }
    let adopted = fleet.run(&format!("adopt --from argocd --yes {with}")).expect(0);
    assert!(adopted.stdout.contains("Application e2e-tracked/tracked-app still tracks"), "{}", adopted.stdout);
    fleet.apply(with).expect(0);
    assert_eq!((value("mine"), value("afar")), ("two".to_owned(), "two".to_owned()));
    let id = field(plane, namespace, "configmap/mine", ".metadata.annotations");
    assert_eq!(id, "", "the tracking id goes with the other fields");
    // What it tracks again is not deleted either.
    let id = format!("argocd.argoproj.io/tracking-id=tracked-app:/ConfigMap:{namespace}/free");
    plane.kubectl_ok(&["annotate", "--overwrite", "configmap", "free", "-n", namespace, &id]);
    let on = r#"{"spec":{"syncPolicy":{"automated":{}}}}"#;
    plane.kubectl_ok(&["patch", "application", "tracked-app", "-n", namespace, "--type=merge", "-p", on]);
    fleet.remove("apps/free/a.yaml");
    fleet.write("apps/free/b.yaml", &config_map("other", "two"));
    fleet.apply("").expect(0);
    assert!(exists(plane, namespace, "configmap/free") && exists(plane, namespace, "configmap/other"));
}

#[test]
fn what_was_taken_can_be_given_back() {
    let Some(plane) = control_plane::cluster() else { return };
    let namespace = "e2e-give-back";
    plane.kubectl_ok(&["create", "namespace", namespace]);
    let fleet = Fleet::new(namespace, &[plane]);
    for name in ["leaves", "stays"] {
        fleet.application(name, "c0", namespace, PRUNE);
        fleet.write(&format!("apps/{name}/a.yaml"), &config_map(name, "one"));
        deploy(plane, namespace, ARGO, &config_map(name, "one"));
    }
    fleet.run("adopt --from argocd --yes").expect(0);
    fleet.apply("").expect(0);
    fleet.run("adopt --back-to argocd --app leaves --yes").expect(0);
    let found = managers(plane, namespace, "configmap/leaves");
    assert_eq!(found, "argocd-controller Apply;");
    // It leaves the fleet, and its objects stay although it prunes.
    fleet.drop_application("leaves");
    fleet.apply("").expect(0);
    assert!(exists(plane, namespace, "configmap/leaves") && exists(plane, namespace, "configmap/stays"));
    let yaml = config_map("leaves", "one").replace("value:", "other:");
    deploy(plane, namespace, ARGO, &yaml);
    let value = |key: &str| field(plane, namespace, "configmap/leaves", &format!(".data.{key}"));
    assert_eq!((value("value"), value("other")), (String::new(), "one".to_owned()), "Argo CD owns it as before");
    fleet.run("plan . --exit-code").expect(0);
}

/// A root Application in git whose folder declares a child; the child was changed by hand. One ApplicationSet makes another.
#[test]
fn init_reads_a_live_argocd_and_what_it_writes_builds() {
    let Some(plane) = control_plane::cluster() else { return };
    install_argocd(plane);
    let namespace = "e2e-argocd";
    plane.kubectl_ok(&["create", "namespace", namespace]);
    let put = |text: &str| deploy(plane, namespace, KUBECTL, text);
    let (apps, git) = ("apiVersion: argoproj.io/v1alpha1\n", "https://git.example.com/e2e.git");
    let labels = "labels: {app.kubernetes.io/part-of: argocd}";
    put(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: argocd-cm, {labels}}}\n\
         data: {{kustomize.buildOptions: --load-restrictor LoadRestrictionsNone, oidc.config: \"clientSecret: swordfish\"}}\n"
    ));
    put(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: cluster-eu, labels: {argocd.argoproj.io/secret-type: cluster, env: prod}, \
         annotations: {team: shop}}\nstringData: {name: eu, server: \"https://eu.example.com\", config: '{\"bearerToken\": \"swordfish\"}'}\n",
    );
    put(&format!(
        "{apps}kind: AppProject\nmetadata: {{name: default}}\nspec: {{sourceRepos: [\"*\"], destinations: [{{server: \"*\", namespace: \"*\"}}], \
         clusterResourceWhitelist: [{{group: \"*\", kind: \"*\"}}]}}\n"
    ));
    let application = |name: &str, metadata: &str, path: &str| {
        format!(
            "{apps}kind: Application\nmetadata: {{name: {name}{metadata}}}\nspec: {{project: default, source: {{repoURL: {git}, path: {path}, \
             targetRevision: HEAD}}, destination: {{name: eu, namespace: shop}}}}\n"
        )
    };
    put(&application("web", "", "apps/web"));
    let tracking = format!(
        ", annotations: {{argocd.argoproj.io/tracking-id: \"root:argoproj.io/Application:{namespace}/child\"}}"
    );
    let child = application("child", &tracking, "apps/child");
    deploy(plane, namespace, ARGO, &child);
    deploy(
        plane,
        namespace,
        ARGO,
        &application("root", "", "root").replace("name: eu, ", "server: https://kubernetes.default.svc, "),
    );
    let by_hand = r#"{"spec":{"source":{"kustomize":{"namePrefix":"by-hand-"}}}}"#;
    let set = ["patch", "application", "child", "-n", namespace, "--type=merge", "-p", by_hand];
    plane.kubectl_ok(&[&set[..], &["--field-manager=argocd-server"]].concat());
    put(&format!(
        "{apps}kind: ApplicationSet\nmetadata: {{name: all}}\nspec: {{generators: [{{clusters: {{selector: {{matchLabels: {{env: prod}}}}}}}}], \
         template: {{metadata: {{name: \"all-{{{{name}}}}\"}}, spec: {{project: default, source: {{repoURL: {git}, path: apps/web, targetRevision: HEAD}}, \
         destination: {{name: \"{{{{name}}}}\", namespace: all}}}}}}}}\n"
    ));
    let uid = field(plane, namespace, "applicationset/all", ".metadata.uid");
    let owner = format!("apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet, name: all, uid: {uid}");
    put(&application("all-eu", &format!(", ownerReferences: [{{{owner}}}]"), "apps/web"));

    let fleet = Fleet::new("e2e-init", &[plane]);
    let from = format!("init made --from-argocd k0 --namespace {namespace}");
    let dry = fleet.run(&format!("{from} --dry-run")).expect(0);
    assert!(dry.stdout.contains("new clusters/eu.yaml") && !fleet.file("made").exists(), "{}", dry.stdout);
    fleet.run(&from).expect(0);
    let files = files_of(&fleet.file("made"));
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            ".fleetc/fleet.schema.json",
            "applications/root.yaml",
            "applications/web.yaml",
            "applicationsets/all.yaml",
            "clusters/eu.yaml",
            "fleet.yaml",
            "overrides/child.argocd-source.yaml",
            "overrides/child.yaml",
            "projects/default.yaml",
            "settings/argocd-cm.yaml",
        ]
    );
    let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
    for hidden in ["swordfish", "c3dvcmRmaXNo", "last-applied", "oidc", "bearerToken"] {
        assert!(!all.contains(hidden), "{hidden}");
    }
    assert!(all.contains("namePrefix: by-hand-") && all.contains("env: prod") && all.contains("team: shop"));
    assert_eq!(fleet.writes(plane), [], "reading wrote");
    // Once more: nothing changes, and what somebody changed is not written over.
    let again = fleet.run(&from).expect(0);
    assert!(again.stderr.contains("0 files written, 10 unchanged"), "{}", again.stderr);
    fleet.write("made/clusters/eu.yaml", "# mine\n");
    let refused = fleet.run(&from).expect(1);
    assert!(
        refused.stderr.contains("clusters/eu.yaml") && refused.stderr.contains("--overwrite"),
        "{}",
        refused.stderr
    );
    assert_eq!(std::fs::read_to_string(fleet.file("made/clusters/eu.yaml")).unwrap(), "# mine\n");
    fleet.run(&format!("{from} --overwrite")).expect(0);
    assert_eq!(files_of(&fleet.file("made")), files);

    // What was written compiles: the set makes its application, the root declares the child.
    fleet.write("made/apps/web/a.yaml", &config_map("web", "one"));
    fleet.write("made/apps/child/kustomization.yaml", "resources: [a.yaml]\n");
    fleet.write("made/apps/child/a.yaml", &config_map("child", "one"));
    fleet.write("made/root/child.yaml", &child.replace("name: child", &format!("name: child, namespace: {namespace}")));
    let beside = std::fs::read_to_string(fleet.file("made/overrides/child.argocd-source.yaml")).unwrap();
    fleet.write("made/apps/child/.argocd-source-child.yaml", &beside);
    fleet.run(&format!("build made --repo {git}=made")).expect(0);
    let bundle = std::fs::read_to_string(fleet.file("made/bundles/eu/bundle.yaml")).unwrap();
    for name in ["all-eu", "child", "web"] {
        assert!(bundle.contains(&format!("name: {name}\n")), "{name}: {bundle}");
    }
    let built: String = files_of(&fleet.file("made/bundles/eu")).into_iter().map(|(_, text)| text).collect();
    assert!(built.contains("name: by-hand-child"), "what was set by hand is rendered: {built}");
    // As a new user would.
    let wrong = fleet.run("init other --from-argocd k9").expect(2);
    assert!(wrong.stderr.contains("k0"), "{}", wrong.stderr);
    let nowhere = fleet.run("init other --from-argocd k0 --namespace default").expect(5);
    assert!(nowhere.stderr.contains("no argocd-cm") && nowhere.stderr.contains("--namespace"), "{}", nowhere.stderr);
    fleet.run("init other").expect(0);
    let starter = std::fs::read_to_string(fleet.file("other/fleet.yaml")).unwrap();
    assert!(starter.contains("  name: other\n"), "{starter}");
    assert!(fleet.run("init other").expect(0).stderr.contains("stays as it is"));
}

/// The texts of all files below a folder, by path.
fn files_of(folder: &std::path::Path) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.push((below, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
