//! Clusters that join and leave, on real control planes of their own (the names of accounts and roles are the same on every cluster): with full
//! and with the smallest rights, renewed, examined, released, drained; and what a new user gets wrong.

use std::fs;
use std::path::{Path, PathBuf};

use crate::control_plane::fleet::{Fleet, Ran};
use crate::control_plane::{self, ControlPlane, dead_port};

/// A fleet that knows no cluster yet, with a kubeconfig whose contexts `k0`, `k1`… reach the servers as administrator; and a folder beside it.
fn fleet(name: &str, planes: &[&ControlPlane]) -> (Fleet, PathBuf) {
    let fleet = Fleet::new(name, planes);
    fleet.write(
        "fleet.yaml",
        &format!(
            "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: {name}}} # ours\ndefinitions: [apps.yaml, more/]\n\
             repositories: [{{url: {}, path: .}}]\n",
            control_plane::fleet::REPOSITORY
        ),
    );
    let beside = fleet.path().parent().unwrap().to_owned();
    (fleet, beside)
}

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: \"{value}\"}}\n")
}

/// What the API server answers with the login that is kept in a kubeconfig.
fn can(plane: &ControlPlane, login: &Path, context: &str, what: &[&str]) -> bool {
    let login = login.to_string_lossy().into_owned();
    let mut args = vec!["--kubeconfig", login.as_str(), "--context", context, "auth", "can-i", "-q"];
    args.extend(what);
    plane.kubectl(&args).status.success()
}

fn token(login: &Path) -> String {
    let text = fs::read_to_string(login).unwrap();
    text.lines().find_map(|line| line.trim().strip_prefix("token: ")).unwrap_or_default().to_owned()
}

fn is_refused(plane: &ControlPlane, token: &str) -> bool {
    let text = plane.kubeconfig_text(&format!("token: {token}"));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let path = file.path().to_string_lossy().into_owned();
    let output = plane.kubectl(&["--kubeconfig", &path, "get", "ns"]);
    String::from_utf8_lossy(&output.stderr).contains("Unauthorized")
        || String::from_utf8_lossy(&output.stderr).contains("logged in")
}

fn said(ran: &Ran, words: &[&str]) {
    for word in words {
        assert!(ran.text().contains(word), "fleetc {}: no `{word}` in\n{}", ran.args, ran.text());
    }
}

#[test]
fn a_cluster_joins_with_full_rights_is_renewed_and_released() {
    if !control_plane::available() {
        return;
    }
    let plane = ControlPlane::start();
    let management = control_plane::cluster().unwrap();
    let (fleet, beside) = fleet("joining", &[&plane, management]);
    let login = beside.join("login");
    let shown = login.display().to_string();
    fleet.application("web", "east", "web", "syncPolicy: {syncOptions: [CreateNamespace=true]}");
    fleet.write("apps/web/map.yaml", &config_map("web", "1"));

    // What a dry run shows is not made.
    let dry =
        fleet.run(&format!("cluster add k0 --name east --label place=east --credentials {shown} --dry-run")).expect(0);
    said(&dry, &["WARNING", "argocd-manager", "full cluster level privileges", "+ create", "ClusterRoleBinding"]);
    assert!(!login.exists());
    assert!(!plane.kubectl(&["get", "sa", "argocd-manager", "-n", "kube-system"]).status.success());
    // Nobody is asked where nobody is.
    let nobody = fleet.run(&format!("cluster add k0 --name east --credentials {shown}")).expect(2);
    said(&nobody, &["nobody is here to agree", "`--yes`"]);

    let added =
        fleet.run(&format!("cluster add k0 --name east --label place=east --credentials {shown} --yes")).expect(0);
    said(&added, &["Cluster 'https://127.0.0.1:", "' added", "reaches it from now on"]);
    let yaml = fs::read_to_string(fleet.file("fleet.yaml")).unwrap();
    assert!(yaml.contains("# ours") && yaml.contains("- name: east"), "{yaml}");
    let first = token(&login);
    assert!(first.len() > 100 && !yaml.contains(&first) && !added.text().contains(&first));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&login).unwrap().permissions()) & 0o777, 0o600);
    assert!(can(&plane, &login, "east", &["*", "*", "-A"]) && can(&plane, &login, "east", &["get", "/anything"]));
    // Again it is no failure, and changes nothing.
    let again =
        fleet.run(&format!("cluster add k0 --name east --label place=east --credentials {shown} --yes")).expect(0);
    said(&again, &["= unchanged", "is in the fleet already"]);
    assert_eq!(fs::read_to_string(fleet.file("fleet.yaml")).unwrap(), yaml);
    assert_eq!(token(&login), first);

    let reach = format!("--kubeconfig {shown} --context east=east");
    fleet.apply(&reach).expect(0);
    assert!(
        plane
            .kubectl_ok(&["get", "configmap", "web", "-n", "web", "-o", "yaml"])
            .contains("applyset.kubernetes.io/part-of")
    );
    let get = fleet.run(&format!("cluster get east {reach}")).expect(0);
    said(&get, &["place=east", "Successful", "1 application of the fleet", "1 application there, 1 object"]);
    let json: serde_json::Value =
        serde_json::from_str(&fleet.run(&format!("cluster get east {reach} --format json")).expect(0).stdout).unwrap();
    assert_eq!(json["inventory"][0]["application"], "web");
    assert_eq!(json["labels"]["place"], "east");

    // A new token, and the old one ends.
    let rotated = fleet.run(&format!("cluster rotate east --credentials {shown} --yes")).expect(0);
    said(&rotated, &["has a new token; the old one is refused"]);
    let second = token(&login);
    assert!(second != first && is_refused(&plane, &first) && !is_refused(&plane, &second));
    assert!(!rotated.text().contains(&second));

    let healthy = fleet.run(&format!("cluster doctor east {reach}")).expect(0);
    said(
        &healthy,
        &[
            "system:serviceaccount:kube-system:argocd-manager",
            "everything is allowed",
            "1 applications, 1 objects",
            "that of the server ends on",
            "clock",
        ],
    );
    fs::write(fleet.file("fleet.yaml"), yaml.replace("- name: east", "- name: east\n  kubeVersion: \"1.20.1\""))
        .unwrap();
    let told = fleet.run(&format!("cluster doctor east {reach} --format json")).expect(5);
    let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(json["failed"], 1, "{}", told.stdout);
    fs::write(fleet.file("fleet.yaml"), &yaml).unwrap();

    // In the Argo CD of another cluster, as Argo CD keeps it.
    management.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: argocd}\n");
    fleet.run("cluster add k0 --name east --label place=east --management-context k1 --yes").expect(0);
    let secrets = management.kubectl_ok(&[
        "get",
        "secret",
        "-n",
        "argocd",
        "-l",
        "argocd.argoproj.io/secret-type=cluster,place=east",
        "-o",
        "name",
    ]);
    assert_eq!(secrets.lines().filter(|name| name.starts_with("secret/cluster-127.0.0.1-")).count(), 1, "{secrets}");
    let by_secret = fleet.run("cluster get east --management-context k1").expect(0);
    said(&by_secret, &["Successful"]);

    // Taken out by hand, it is left alone; released, nothing there is the fleet's any more.
    let head = yaml.split("clusters:").next().unwrap();
    let other = format!("{head}clusters: [{{name: other, server: \"{}\"}}]\n", management.server());
    fs::write(fleet.file("fleet.yaml"), other).unwrap();
    let apps = fs::read_to_string(fleet.file("apps.yaml")).unwrap();
    fleet.write("apps.yaml", "");
    fleet.application("another", "other", "default", "");
    fleet.write("apps/another/map.yaml", &config_map("another", "1"));
    let alone = fleet.run("plan . --context other=k1").expect(0);
    assert!(alone.stdout.contains("create") && !alone.stdout.contains("delete"), "{}", alone.stdout);
    let unknown = fleet.run("cluster rm east --yes").expect(2);
    said(&unknown, &["no cluster `east`", "`--context east=CONTEXT`"]);
    fs::write(fleet.file("fleet.yaml"), &yaml).unwrap();
    fleet.write("apps.yaml", &apps);

    let shown_first = fleet.run(&format!("cluster rm east {reach} --dry-run")).expect(0);
    said(&shown_first, &["release", "nothing was done"]);
    assert!(
        plane.kubectl(&["get", "configmap", "-n", "fleetc-system", "-o", "name"]).stdout.starts_with(b"configmap/")
    );
    let removed = fleet.run("cluster rm east --context east=k0 --yes").expect(0);
    said(&removed, &["Cluster 'east' removed", "1 released"]);
    let left = plane.kubectl_ok(&["get", "configmap", "web", "-n", "web", "-o", "yaml"]);
    assert!(left.contains("a: \"1\"") && !left.contains("applyset.kubernetes.io"), "{left}");
    let parents =
        plane.kubectl_ok(&["get", "configmap", "-n", "fleetc-system", "-l", "fleetc.dev/fleet", "-o", "name"]);
    assert_eq!(parents.trim(), "", "inventories are gone");
    let yaml = fs::read_to_string(fleet.file("fleet.yaml")).unwrap();
    assert!(!yaml.contains("east") && yaml.contains("# ours"), "{yaml}");
}

#[test]
fn a_cluster_joins_with_the_smallest_rights_and_is_drained() {
    if !control_plane::available() {
        return;
    }
    let plane = ControlPlane::start();
    let (fleet, beside) = fleet("smallest", &[&plane]);
    let login = beside.join("login");
    let shown = login.display().to_string();
    plane.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    fleet.application("maps", "west", "shop", "");
    fleet.write("apps/maps/map.yaml", &config_map("one", "1"));
    fleet.write(
        "apps/maps/role.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader}\nrules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: viewer}\n\
         roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: default, namespace: shop}]\n",
    );
    fleet.application("services", "west", "shop", "");
    fleet.write(
        "apps/services/service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
    );

    let added = fleet.run(&format!("cluster add k0 --name west --minimal --credentials {shown} --yes")).expect(0);
    said(&added, &["cluster level privileges for 4 kinds", "what the roles of the fleet hand out (1 rule)"]);
    let may = |what: &[&str]| can(&plane, &login, "west", what);
    assert!(may(&["patch", "configmaps", "-n", "shop"]) && may(&["delete", "services", "-n", "shop"]));
    assert!(may(&["get", "pods", "-n", "shop"]), "what a role hands out");
    for never in [
        ["delete", "pods", "-n", "shop"],
        ["get", "secrets", "-n", "shop"],
        ["create", "deployments.apps", "-n", "shop"],
        ["get", "nodes", "", ""],
        ["create", "namespaces", "", ""],
        ["escalate", "roles", "-n", "shop"],
        ["bind", "clusterroles/cluster-admin", "", ""],
    ] {
        let words: Vec<&str> = never.into_iter().filter(|word| !word.is_empty()).collect();
        assert!(!may(&words), "{words:?}");
    }
    let reach = format!("--kubeconfig {shown} --context west=west");
    fleet.apply(&reach).expect(0);
    plane.kubectl_ok(&["get", "rolebinding", "viewer", "-n", "shop"]);
    let healthy = fleet.run(&format!("cluster doctor west {reach}")).expect(0);
    said(&healthy, &["that the fleet needs"]);
    // The fleet comes to need more than the cluster allows: doctor says what, and a plan does not get through.
    fleet.write("apps/maps/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n");
    let ill = fleet.run(&format!("cluster doctor west {reach}")).expect(5);
    said(&ill, &["missing", "create secrets in shop"]);
    assert_ne!(fleet.apply(&reach).code, 0);
    fleet.remove("apps/maps/secret.yaml");
    // A narrow login cannot renew itself; an administrator can.
    let old = token(&login);
    let narrow = fleet.run(&format!("cluster rotate west --credentials {shown} --yes")).expect(5);
    said(&narrow, &["`--admin-context CONTEXT`"]);
    assert_eq!(token(&login), old);
    fleet.run(&format!("cluster rotate west --credentials {shown} --admin-context k0 --yes")).expect(0);
    assert!(is_refused(&plane, &old) && token(&login) != old);

    // More applications go than may in one run, so nothing is done; then all of it is.
    let much = fleet.run(&format!("cluster rm west {reach} --drain --yes")).expect(1);
    said(&much, &["stays in the fleet", "--max-removals 2"]);
    plane.kubectl_ok(&["get", "service", "web", "-n", "shop"]);
    fleet.run(&format!("cluster rm west {reach} --drain --max-removals 2 --yes")).expect(0);
    for gone in [["service", "web"], ["configmap", "one"], ["role", "reader"], ["rolebinding", "viewer"]] {
        assert!(!plane.kubectl(&["get", gone[0], gone[1], "-n", "shop"]).status.success(), "{gone:?}");
    }
    assert!(!fs::read_to_string(fleet.file("fleet.yaml")).unwrap().contains("west"));
    plane.kubectl_ok(&["get", "clusterrole", "argocd-manager-role"]);

    // In one namespace only: there everything, elsewhere nothing; and the roles are taken away when somebody asks for it.
    plane.kubectl_ok(&["delete", "clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/managed-by=fleetc"]);
    fleet.write("apps.yaml", "");
    fleet
        .run(&format!(
            "cluster add k0 --name narrow --namespace shop --credentials {shown} --yes --stub more/narrow.yaml"
        ))
        .expect(0);
    let may = |what: &[&str]| can(&plane, &login, "narrow", what);
    assert!(may(&["*", "*", "-n", "shop"]) && !may(&["get", "configmaps", "-n", "default"]) && !may(&["get", "nodes"]));
    fleet.application("maps", "narrow", "shop", "");
    let reach = format!("--kubeconfig {shown} --context narrow=narrow");
    fleet.apply(&reach).expect(0);
    fleet.write("apps.yaml", "");
    let removed = fleet
        .run(&format!(
            "cluster rm narrow --context narrow=k0 --admin-context k0 --delete-login --credentials {shown} --yes"
        ))
        .expect(0);
    said(&removed, &["ServiceAccount kube-system/argocd-manager", "Role shop/argocd-manager-role"]);
    assert!(!fleet.file("more/narrow.yaml").exists());
    assert!(!fs::read_to_string(&login).unwrap().contains("narrow"));
    assert!(!plane.kubectl(&["get", "sa", "argocd-manager", "-n", "kube-system"]).status.success());
    plane.kubectl_ok(&["get", "configmap", "one", "-n", "shop"]);
}

#[test]
fn what_a_new_user_gets_wrong() {
    let server = format!("https://127.0.0.1:{}", dead_port());
    let fleet = Fleet::reaching("wrong", &[(server, String::new())]);
    let beside = fleet.path().parent().unwrap().join("login").display().to_string();
    let cases = [
        ("cluster add", 2, vec!["a context of the kubeconfig must be named", "`k0` (https://127.0.0.1:"]),
        (
            "cluster add k0",
            2,
            vec!["nothing says where the login", "`--management-context CONTEXT`", "`--credentials FILE`"],
        ),
        ("cluster add k9 --credentials BESIDE", 2, vec!["no context `k9`", "did you mean `k0`"]),
        (
            "cluster add k0 --credentials login.yaml",
            2,
            vec!["the login does not go into `login.yaml`", "--credentials-in-tree"],
        ),
        ("cluster add k0 --name .. --credentials BESIDE", 2, vec!["relative path", "--name NAME"]),
        ("cluster add k0 --name other --credentials BESIDE", 2, vec!["as cluster `c0`"]),
        ("cluster add k0 --label nonsense --credentials BESIDE", 2, vec!["expected KEY=VALUE"]),
        ("cluster add k0 --label a=b/c --credentials BESIDE", 2, vec!["no value of a label"]),
        ("cluster add k0 --minimal --service-account x --credentials BESIDE", 2, vec!["cannot be used with"]),
        ("cluster add k0 --name c0 --management-context k0 --credentials BESIDE", 2, vec!["one place"]),
        ("cluster add k0 --name c0 --credentials BESIDE --yes", 5, vec!["cannot connect"]),
        ("cluster get c1", 2, vec!["no cluster `c1`", "did you mean `c0`"]),
        ("cluster get c0", 0, vec!["Failed", "cannot connect", "place=c0"]),
        ("cluster rm c1 --yes", 2, vec!["no cluster `c1`"]),
        ("cluster rm c0 --yes", 5, vec!["cannot be looked at", "`--unreachable`"]),
        ("cluster rm in-cluster --yes", 2, vec!["which no file declares"]),
        ("cluster rm c0 --max-removals 3", 2, vec!["--drain"]),
        ("cluster rotate c0", 2, vec!["nothing says where the login"]),
        ("cluster rotate c0 --credentials BESIDE", 2, vec!["login"]),
        ("cluster doctor c1", 2, vec!["no cluster `c1`"]),
        ("cluster doctor c0", 5, vec!["reached", "failed", "cannot connect"]),
        ("cluster remove", 2, vec!["<NAME>"]),
        ("cluster lst", 2, vec!["list"]),
    ];
    for (args, code, words) in cases {
        let ran = fleet.run(&args.replace("BESIDE", &beside)).expect(code);
        said(&ran, &words);
    }
    // What cannot be reached can still leave, and takes its context with it.
    let gone = fleet.run("cluster rm c0 --unreachable --yes").expect(0);
    said(&gone, &["stays marked as the fleet's"]);
    let yaml = fs::read_to_string(fleet.file("fleet.yaml")).unwrap();
    assert!(!yaml.contains("c0"), "{yaml}");
}

#[test]
fn who_may_sync_what() {
    let fleet = Fleet::reaching("rbac", &[("https://127.0.0.1:1".to_owned(), String::new())]);
    fleet.application("web", "c0", "web", "");
    fleet.write("apps/web/map.yaml", &config_map("web", "1"));
    fleet.write(
        "apps/web/role.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: dev}\n\
         rules: [{apiGroups: [''], resources: [secrets], resourceNames: [\"dev-*\"], verbs: [get]}]\n",
    );
    fleet.write(
        "more/project.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: shop, namespace: argocd}\nspec:\n  roles:\n  - name: ci\n\
         \x20   policies: ['p, proj:shop:ci, applications, sync, shop/*, allow']\n    groups: [shop-team]\n",
    );
    fleet.write(
        "policy.csv",
        "p, role:dev, applications, sync, default/*, allow\ng, team:dev, role:dev\np, bob, applications, sync, */*, allow\n\
         p, bob, applications, sync, default/web, deny\n",
    );
    fleet.run("build .").expect(0);
    let stars = fleet.run("check .").expect(0);
    said(&stars, &["`dev-*` in `resourceNames`, which Kubernetes does not expand"]);
    let table = fleet.run("check . --rbac policy.csv").expect(0);
    let row = table.stdout.lines().find(|line| line.starts_with("default/web")).unwrap();
    assert_eq!(row.split_whitespace().skip(1).collect::<Vec<_>>(), ["admin,", "team:dev"]);
    for (question, code, words) in [
        ("team:dev sync app default/web", 0, vec!["Yes", "line 1"]),
        ("bob sync applications default/web", 1, vec!["No", "line 4"]),
        ("bob sync applications default/other", 0, vec!["Yes", "line 3"]),
        ("shop-team sync applications shop/web", 0, vec!["Yes", "project `shop`"]),
        ("shop-team sync applications default/web", 1, vec!["No", "no line allows it"]),
        ("proj:shop:ci sync applications shop/web", 0, vec!["Yes"]),
        ("alice syn applications default/web", 2, vec!["no action `syn`", "did you mean `sync`"]),
        ("alice sync applicatons default/web", 2, vec!["no resource `applicatons`", "did you mean `applications`"]),
        ("alice get clusters", 1, vec!["No"]),
    ] {
        let ran = fleet.run(&format!("check . --rbac policy.csv --can {question}")).expect(code);
        said(&ran, &words);
    }
    fleet.run("check . --rbac policy.csv --default-role role:readonly --can alice get clusters").expect(0);
    fleet.write("policy.csv", "p, role:dev, applications, synch, default/*, allow\np, bob\n");
    let wrong = fleet.run("check . --rbac policy.csv").expect(3);
    said(
        &wrong,
        &[
            "policy.csv:1",
            "no action `synch`",
            "did you mean `sync`",
            "nobody has the role `role:dev`",
            "policy.csv:2",
            "refuses the whole policy",
        ],
    );
    fleet.run("check . --rbac none.csv").expect(2);
    said(&fleet.run("check . --rbac more").expect(2), &["no file below `more`"]);
    fleet.write(
        "more/rbac.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-rbac-cm}\ndata:\n  policy.default: role:readonly\n  policy.csv: |\n    p, alice, applications, sync, */*, allow\n    p, alice, applications, snc, */*, allow\n",
    );
    let map = fleet.run("check . --rbac more").expect(1);
    said(&map, &["rbac.yaml:8", "no action `snc`", "alice"]);
    fleet.run("check . --can alice get clusters").expect(2);
}
