//! Clusters over the network, against real control planes: credentials of every kind, the driver.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fleetc::api::{Content, Failure, Method, Request};
use fleetc::cluster::{Cluster, ClusterOrigin, Facts};
use fleetc::diag::Diagnostic;
use fleetc::host::cluster::{ClusterConnection, ConnectOptions, Driver, Programs, RunOptions, connect};
use fleetc::machine::{Machine, all};
use fleetc::span::{SourceMap, Span};

use crate::control_plane::fleet::Fleet;
use crate::control_plane::{self, ControlPlane, dead_port};

fn named(name: &str, server: &str) -> Cluster {
    Cluster {
        name: name.to_owned(),
        server: server.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        project: String::new(),
        instance: String::new(),
        facts: Facts::default(),
        object: name.to_owned(),
        origin: ClusterOrigin::Fleet,
        span: Span::NONE,
    }
}

fn reach(
    driver: &Driver,
    kubeconfig: &Path,
    context: &str,
    programs: &[&str],
) -> Result<ClusterConnection, Box<Diagnostic>> {
    let programs: Vec<String> = programs.iter().map(|name| (*name).to_owned()).collect();
    let options = ConnectOptions {
        contexts: vec![("c".to_owned(), context.to_owned())],
        kubeconfig: Some(kubeconfig.to_owned()),
        programs: Programs::named(&programs),
        ..ConnectOptions::default()
    };
    let mut reached = connect(driver, &SourceMap::default(), &[named("c", "https://elsewhere")], &[0], &options);
    assert!(reached.diagnostics.is_empty(), "{:?}", reached.diagnostics);
    reached.connections.pop().unwrap()
}

/// Status of one request with the credentials of a `user:` section.
fn status_as(driver: &Driver, plane: &ControlPlane, user: &str, programs: &[&str], path: &str) -> Result<u16, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kubeconfig");
    fs::write(&file, plane.kubeconfig_text(user)).unwrap();
    let connection = reach(driver, &file, &plane.context(), programs).map_err(|refused| refused.message)?;
    let request = Request::get(path);
    let machine = Machine::new(|port| async move { port.send(request).await });
    let answer =
        driver.run(vec![(connection, machine)], RunOptions::default(), &mut |_, _| {}).pop().flatten().unwrap();
    answer.map(|response| response.status).map_err(|failure| failure.to_string())
}

const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";

#[test]
fn tokens_certificates_and_programs() {
    let Some(plane) = control_plane::cluster() else { return };
    let driver = Driver::start().unwrap();
    let ask = |user: &str, programs: &[&str]| status_as(&driver, plane, user, programs, SECRETS);
    assert_eq!(ask("token: admin-token", &[]), Ok(200));
    assert_eq!(ask("token: guest-token", &[]), Ok(403));
    assert_eq!(ask("token: no-token", &[]), Ok(401));
    assert_eq!(ask("", &[]), Ok(403));
    let [cert, key] = ["admin.crt", "admin.key"].map(|name| plane.file(name));
    assert_eq!(ask(&format!("client-certificate: {cert:?}, client-key: {key:?}"), &[]), Ok(200));
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "admin-token").unwrap();
    assert_eq!(ask(&format!("tokenFile: {:?}", token.path()), &[]), Ok(200));
    assert_eq!(ask("token: admin-token, as: nobody", &[]), Ok(403));

    let program = |script: &str| {
        format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: [\"-c\", {script:?}]}}"
        )
    };
    let good = program("printf '{\"status\":{\"token\":\"admin-token\"}}'");
    let refused = ask(&good, &[]).unwrap_err();
    assert!(refused.contains("program `sh`") && refused.contains("not allowed"), "{refused}");
    assert!(ask(&good, &["bash"]).is_err());
    assert_eq!(ask(&good, &["sh"]), Ok(200));
    let failed = ask(&program("echo hush-on-stdout; echo no login >&2; exit 3"), &["sh"]).unwrap_err();
    assert!(failed.contains("no login") && !failed.contains("hush"), "{failed}");
    let odd = ask(&program("echo hush"), &["sh"]).unwrap_err();
    assert!(odd.contains("`sh`") && !odd.contains("hush"), "{odd}");
    let pair = program(&format!(
        "printf 'status:\\n  clientCertificateData: |\\n%s\\n  clientKeyData: |\\n%s\\n' \"$(sed 's/^/    /' {})\" \"$(sed 's/^/    /' {})\"",
        cert.display(),
        key.display()
    ));
    assert_eq!(ask(&pair, &["sh"]), Ok(200));
}

#[test]
fn a_server_that_is_not_trusted_or_not_there_was_sent_nothing() {
    let Some(plane) = control_plane::cluster() else { return };
    let driver = Driver::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kubeconfig");
    let text = plane.kubeconfig_text("token: admin-token");
    let strange = text.replace(&format!(", certificate-authority: {:?}", plane.file("ca.crt")), "");
    assert_ne!(strange, text);
    let dead = text.replace(&plane.server(), &format!("https://127.0.0.1:{}", dead_port()));
    for text in [strange, dead] {
        fs::write(&file, text).unwrap();
        let connection = reach(&driver, &file, &plane.context(), &[]).unwrap();
        let machine = Machine::new(|port| async move { port.send(Request::get("/version")).await });
        let answer = driver.run(vec![(connection, machine)], RunOptions::default(), &mut |_, _| {}).pop().flatten();
        let Some(Err(Failure::NotSent(why))) = answer else { panic!("{answer:?}") };
        assert!(why.starts_with("cannot connect: "), "{why}");
    }
}

#[test]
fn fifty_requests_at_once() {
    let Some(plane) = control_plane::cluster() else { return };
    let driver = Driver::start().unwrap();
    let connection = reach(&driver, &plane.kubeconfig(), &plane.context(), &[]).unwrap();
    plane.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: fifty}\n");
    let machine = Machine::new(|port| async move {
        let pieces = (0..50).map(|at| {
            let port = port.clone();
            async move {
                let path = format!("/api/v1/namespaces/fifty/configmaps/m{at}");
                let body = format!(
                    r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"m{at}"}},"data":{{"a":"{at}"}}}}"#
                );
                let request =
                    Request::new(Method::Patch, path).with("fieldManager", "fleetc").body(Content::Apply, body);
                let response = port.send(request).await.unwrap();
                port.say(format!("m{at}"));
                response.status
            }
        });
        all(50, pieces).await
    });
    let begin = Instant::now();
    let mut said = Vec::new();
    let results = driver.run(vec![(connection, machine)], RunOptions::default(), &mut |_, text| said.push(text));
    assert_eq!(results, [Some(vec![201; 50])]);
    assert_eq!(said.len(), 50);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    let names = plane.kubectl_ok(&["get", "configmap", "-n", "fifty", "-o", "name"]);
    assert_eq!(names.lines().filter(|name| name.starts_with("configmap/m")).count(), 50);
}

#[test]
fn list_shows_every_cluster_and_facts_come_back() {
    let Some(planes) = control_plane::clusters(2) else { return };
    let fleet = Fleet::new("listed", &planes);
    let dead = format!("https://127.0.0.1:{}", dead_port());
    fleet.write(
        "more/secrets.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: gone, labels: {{argocd.argoproj.io/secret-type: cluster}}}}\n\
             stringData: {{name: gone, server: \"{dead}\", project: shop, config: '{{\"bearerToken\":\"hush\"}}'}}\n"
        ),
    );
    let ran = fleet.run("cluster list .").expect(0);
    let lines: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["SERVER", "NAME", "VERSION", "STATUS", "MESSAGE", "PROJECT"]);
    for (line, (plane, name)) in lines[1..].iter().zip(planes.iter().zip(["c0", "c1"])) {
        assert_eq!(line[..], [plane.server().as_str(), name, "1.34.4", "Successful"]);
    }
    let gone = lines.iter().find(|line| line.first() == Some(&dead.as_str())).unwrap();
    assert_eq!((gone[1], gone[2], gone[gone.len() - 1]), ("gone", "Failed", "shop"));
    assert!(!ran.text().contains("hush"));

    let wide = fleet.run("cluster list . -o wide").expect(0).stdout;
    let identity = planes[0].kubectl_ok(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
    assert!(wide.contains(&identity) && wide.contains("place=c0"), "{wide}");
    let json: serde_json::Value = serde_json::from_str(&fleet.run("cluster list . -o json").expect(0).stdout).unwrap();
    assert_eq!(json[0]["info"]["connectionState"]["status"], "Successful");
    assert_eq!(json[2]["info"]["connectionState"]["status"], "Failed");

    planes[0].apply(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gauges.facts.example.com}\nspec: {group: facts.example.com, \
         scope: Cluster, names: {kind: Gauge, plural: gauges}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}\n",
    );
    planes[0].kubectl_ok(&["wait", "--for=condition=Established", "crd/gauges.facts.example.com", "--timeout=30s"]);
    fleet.run("cluster facts c0 . -o c0.yaml").expect(0);
    let text = fs::read_to_string(fleet.file("c0.yaml")).unwrap();
    for line in [
        "kind: ClusterFacts",
        "kubeVersion: 1.34.4",
        "- apps/v1/Deployment",
        "- v1/ConfigMap",
        "  facts.example.com/Gauge: Cluster",
    ] {
        assert!(text.lines().any(|one| one == line), "no `{line}` in {text}");
    }
    // What was written is what a fleet reads: the same file comes out when it is in use.
    let yaml = fs::read_to_string(fleet.file("fleet.yaml")).unwrap();
    fleet.write("fleet.yaml", &yaml.replacen("labels: {place: c0}", "labels: {place: c0}, facts: c0.yaml", 1));
    let read = fleet.run("cluster facts c0 .").expect(0);
    assert_eq!(read.stdout, text);
    fleet.write("c0.yaml", &text.replace("kubeVersion: 1.34.4", "kubeVersion: newest"));
    let refused = fleet.run("cluster facts c0 .").expect(3);
    assert!(
        refused.stderr.contains("c0.yaml:") && refused.stderr.contains("not a Kubernetes version"),
        "{}",
        refused.stderr
    );
    fleet.write("fleet.yaml", &yaml);
    let unknown = fleet.run("cluster facts c9 .").expect(2);
    assert!(unknown.stderr.contains("no cluster `c9`"), "{}", unknown.stderr);
    let failed = fleet.run("cluster facts gone .").expect(5);
    assert!(failed.stderr.contains("cannot connect"), "{}", failed.stderr);
}
