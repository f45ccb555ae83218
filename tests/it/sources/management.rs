//! The Argo CD of a management cluster: its logins fetch sources, and `fleetc update` asks it what only it knows. The cluster is a server of
//! files that answers get and list as an API server does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Site, application, config, output, stderr, succeed, text_of, write};

const NAMESPACE: &str = "api/v1/namespaces/argocd";
const SECRETS: &str =
    "secrets?limit=500&labelSelector=argocd.argoproj.io%2Fsecret-type%20in%20%28repository%2Crepo-creds%29";

fn data(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!(r#""{key}": "{}""#, STANDARD.encode(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A fleet with a cluster, and a kubeconfig for the server.
fn site() -> (Site, PathBuf) {
    let site = Site::new();
    let fleet = site.path("fleet");
    let settings = "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nrepositories: [{url: https://git.example.com/fleet.git, path: .}]\n";
    write(&fleet.join("fleet.yaml"), settings);
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: '{}'}}}}]\nusers: [{{name: u, user: {{token: kube-t0ken}}}}]\n\
         contexts: [{{name: mgmt, context: {{cluster: c, user: u}}}}]\n",
        site.server.url()
    );
    write(&site.path("kubeconfig"), &kubeconfig);
    (site, fleet)
}

fn run(site: &Site, fleet: &Path, arguments: &[&str]) -> Output {
    let mut command = site.command(fleet, "store", arguments);
    command.env("KUBECONFIG", site.path("kubeconfig")).output().unwrap()
}

fn secrets(site: &Site, items: &[String]) {
    let list =
        format!(r#"{{"apiVersion": "v1", "kind": "SecretList", "metadata": {{}}, "items": [{}]}}"#, items.join(", "));
    write(&site.path("served").join(NAMESPACE).join(SECRETS), &list);
}

#[test]
fn logins_come_from_the_argo_cd_of_a_context() {
    let (site, fleet) = site();
    site.chart("db", &[("1.0.0", "old")]);
    let charts = site.charts();
    write(
        &fleet.join("apps.yaml"),
        &application("db", &format!("{{repoURL: {charts}, chart: db, targetRevision: 1.0.0}}")),
    );
    let secret = |name: &str, kind: &str, pairs: &[(&str, &str)]| {
        format!(
            r#"{{"metadata": {{"name": "{name}", "labels": {{"argocd.argoproj.io/secret-type": "{kind}"}}}}, "data": {}}}"#,
            data(pairs)
        )
    };
    let url = site.server.url();
    secrets(
        &site,
        &[
            secret("charts", "repository", &[("url", &charts), ("type", "helm")]),
            secret("all", "repo-creds", &[("url", &url), ("username", "joe"), ("password", "pa55word")]),
        ],
    );
    // A file of the fleet names another login for the same place; that of the cluster counts.
    let file = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: mine, labels: {{argocd.argoproj.io/secret-type: repo-creds}}}}\nstringData: {{url: '{url}', username: eve, password: other}}\n"
    );
    write(&fleet.join("creds.yaml"), &file);

    let built = run(&site, &fleet, &["build", ".", "--management-context", "mgmt"]);
    succeed(&built, &["build"]);
    let seen = site.server.asked();
    let shown = format!("(Basic {})", STANDARD.encode("joe:pa55word"));
    let of = |place: &str| seen.iter().filter(|line| line.contains(place)).cloned().collect::<Vec<_>>();
    assert!(!of("/charts/").is_empty() && of("/charts/").iter().all(|line| line.ends_with(&shown)), "{seen:?}");
    assert!(of("/api/v1/").iter().all(|line| line.ends_with("(Bearer kube-t0ken)")), "{seen:?}");
    assert_eq!(of("/secrets").len(), 1, "it is asked once: {seen:?}");

    // What is in the store needs no login, and nobody is asked.
    let again = run(&site, &fleet, &["build", ".", "--management-context", "mgmt"]);
    succeed(&again, &["build"]);
    assert_eq!(site.server.asked(), Vec::<String>::new());
    let written = text_of(&output(&fleet)) + &stderr(&built);
    assert!(
        !["pa55word", "kube-t0ken", &STANDARD.encode("joe:pa55word")].iter().any(|secret| written.contains(secret))
    );

    // A folder for sites without a network is filled by the same logins.
    let folder = site.path("vendored");
    succeed(&run(&site, &fleet, &["vendor", folder.to_str().unwrap(), "--management-context", "mgmt"]), &["vendor"]);
    assert!(site.server.asked().iter().any(|line| line.contains("/charts/") && line.ends_with(&shown)));

    // Who names an Argo CD wants it to count: where it cannot be asked, nothing is fetched without it.
    fs::remove_dir_all(site.path("store")).unwrap();
    for (context, why) in [("mgmt", "cannot be asked for the logins of Argo CD"), ("mgmmt", "mgmmt")] {
        fs::remove_file(site.path("served").join(NAMESPACE).join(SECRETS)).ok();
        write(&site.path("served").join(NAMESPACE).join(SECRETS), "no JSON, but pa55word");
        let failed = run(&site, &fleet, &["build", ".", "--management-context", context]);
        let said = stderr(&failed);
        assert_eq!(failed.status.code(), Some(4), "{said}");
        assert!(said.contains(why) && !said.contains("pa55word"), "{said}");
        assert!(!site.server.asked().iter().any(|line| line.contains("/charts/")));
    }
}

fn application_set(name: &str, generator: &str, application: &str, text: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  goTemplate: true\n  \
         generators: [{generator}]\n  template:\n    metadata: {{name: '{application}'}}\n    spec:\n      project: default\n      \
         destination: {{server: '{{{{.server}}}}', namespace: x}}\n      \
         source: {{repoURL: https://git.example.com/fleet.git, path: own, kustomize: {{namePrefix: '{text}-'}}}}\n---\n"
    )
}

#[test]
fn what_only_a_live_argo_cd_knows_is_asked_there() {
    let (site, fleet) = site();
    let url = site.server.url();
    let cluster = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, labels: {{argocd.argoproj.io/secret-type: cluster}}}}\nstringData: {{name: {name}, server: 'https://{name}.example.com'}}\n---\n"
        )
    };
    let sets = [
        cluster("eu"),
        cluster("us"),
        application_set(
            "placed",
            "{clusterDecisionResource: {configMapRef: duck, labelSelector: {matchLabels: {app: shop}, matchExpressions: [{key: env, operator: In, values: [prod, test]}]}}}",
            "shop-{{.name}}",
            "{{.reason}}",
        ),
        application_set(
            "ruled",
            "{clusterDecisionResource: {configMapRef: rule, name: one}}",
            "rule-{{.name}}",
            "ruled",
        ),
        application_set(
            "plugged",
            "{plugin: {configMapRef: {name: plugin}, input: {parameters: {team: a}}}}",
            "plug-{{.name}}",
            "{{.size}}-{{.generator.input.parameters.team}}",
        ),
    ];
    write(&fleet.join("sets.yaml"), &sets.concat());
    write(&fleet.join("own/kustomization.yaml"), "resources: [own.yaml]\n");
    write(&fleet.join("own/own.yaml"), &config("own", "own"));

    let served = site.path("served");
    let maps = served.join(NAMESPACE).join("configmaps");
    let map = |pairs: &str| format!(r#"{{"apiVersion": "v1", "kind": "ConfigMap", "data": {{{pairs}}}}}"#);
    let duck = r#""apiVersion": "cluster.example.com/v1beta1", "kind": "placementdecisions", "matchKey": "clusterName", "statusListKey": "decisions""#;
    write(&maps.join("duck"), &map(duck));
    write(&maps.join("rule"), &map(r#""apiVersion": "rules.example.com/v1", "kind": "rules", "matchKey": "cluster""#));
    let decisions = r#"{"items": [{"metadata": {"name": "d1"}, "status": {"decisions": [{"clusterName": "eu", "reason": "near"}, {"clusterName": "gone", "reason": "x"}]}},
      {"metadata": {"name": "d2"}, "status": {}}]}"#;
    let selector = "labelSelector=app%3Dshop%2Cenv%20in%20%28prod%2Ctest%29";
    let group = served.join("apis/cluster.example.com/v1beta1/namespaces/argocd");
    write(&group.join(format!("placementdecisions?limit=500&{selector}")), decisions);
    let rules = served.join("apis/rules.example.com/v1/namespaces/argocd/rules/one");
    write(&rules, r#"{"metadata": {"name": "one"}, "status": {"clusters": [{"cluster": "us"}]}}"#);
    // In the cluster it has another name, under which nobody else reaches it.
    write(
        &maps.join("plugin"),
        &map(r#""baseUrl": "http://plugin.argocd.svc.invalid", "token": "$plug:token", "requestTimeout": "5""#),
    );
    let secret = format!(r#"{{"metadata": {{"name": "plug"}}, "data": {}}}"#, data(&[("token", "plug-t0ken\n")]));
    write(&served.join(NAMESPACE).join("secrets/plug"), &secret);
    secrets(&site, &[]);
    let answer = r#"{"output": {"parameters": [{"name": "one", "server": "https://eu.example.com", "size": "big"}]}}"#;
    write(&served.join("plugin/api/v1/getparams.execute"), answer);

    // Without a context nobody knows whom to ask.
    let unknown = run(&site, &fleet, &["update"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", stderr(&unknown));
    assert!(stderr(&unknown).contains("`--management-context CONTEXT`"), "{}", stderr(&unknown));
    assert_eq!(site.server.asked(), Vec::<String>::new());

    let plugin = format!("plugin={url}/plugin");
    let arguments = ["update", "--management-context", "mgmt", "--plugin-url", &plugin];
    let updated = run(&site, &fleet, &arguments);
    succeed(&updated, &arguments);
    assert!(stderr(&updated).contains("3 answers recorded in fleet.answers"), "{}", stderr(&updated));
    let seen = site.server.asked();
    let told = r#"POST /plugin/api/v1/getparams.execute (Bearer plug-t0ken) {"applicationSetName":"plugged","input":{"parameters":{"team":"a"}}}"#;
    assert!(seen.iter().any(|line| line == told), "{seen:?}");
    let answers = text_of(&super::tree(&fleet.join("fleet.answers")));
    assert!(!answers.contains("t0ken") && !answers.contains("svc.invalid"), "{answers}");

    // Builds replay; an update without the context keeps what there is.
    let lock = fs::read_to_string(fleet.join("fleet.lock")).unwrap();
    let kept = run(&site, &fleet, &["update"]);
    succeed(&kept, &["update"]);
    assert!(stderr(&kept).contains("3 answers of a live Argo CD stay as recorded"), "{}", stderr(&kept));
    assert_eq!(fs::read_to_string(fleet.join("fleet.lock")).unwrap(), lock);
    let text = text_of(&site.build(&fleet, "store", &["--locked", "--offline"]));
    for want in
        ["name: near-own", "name: ruled-own", "name: big-a-own", "name: shop-eu", "name: rule-us", "name: plug-one"]
    {
        assert!(text.contains(want), "{want} is not in {text}");
    }
    assert!(!text.contains("shop-gone"), "the fleet has no such cluster");
    site.server.asked();

    // What is wrong is said, and the answers stay.
    let before = (super::tree(&fleet.join("fleet.answers")), lock);
    for (file, wrong, why) in [
        ("duck", map(r#""apiVersion": "v1", "kind": "secrets""#), "needs `apiVersion` (group/version)"),
        (
            "plugin",
            map(r#""baseUrl": "http://x.invalid", "token": "plain""#),
            "no `token` that names a key of a Secret",
        ),
        ("plugin", map(r#""baseUrl": "http://x.invalid", "token": "$plug:other""#), "has no key `other`"),
        (
            "rule",
            map(r#""apiVersion": "rules.example.com/v2", "kind": "rules""#),
            "has no such `rules.rules.example.com`",
        ),
    ] {
        let good = fs::read_to_string(maps.join(file)).unwrap();
        write(&maps.join(file), &wrong);
        let failed = run(&site, &fleet, &arguments);
        let said = stderr(&failed);
        assert_eq!(failed.status.code(), Some(4), "{said}");
        assert!(said.contains(why) && !said.contains("t0ken"), "{why}: {said}");
        write(&maps.join(file), &good);
        let after = (super::tree(&fleet.join("fleet.answers")), fs::read_to_string(fleet.join("fleet.lock")).unwrap());
        assert_eq!(after, before);
    }
    // The name of the service in the cluster reaches nobody here.
    let failed = run(&site, &fleet, &["update", "--management-context", "mgmt"]);
    assert!(stderr(&failed).contains("--plugin-url plugin=URL"), "{}", stderr(&failed));
}
