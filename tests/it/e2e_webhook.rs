//! A real mutating webhook, on loopback, that injects a container and writes another image than was applied: no drift, now or after healing.
#![expect(clippy::disallowed_types, reason = "the webhook listens")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::control_plane::fleet::Fleet;
use crate::control_plane::{self, ControlPlane};
use crate::e2e_slices::{deployment, field};

/// Starts the webhook with the certificate of an API server; its port. It ends with the process.
fn serve(plane: &ControlPlane) -> u16 {
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(plane.file("server.crt")).unwrap().map(|one| one.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_file(plane.file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(certificates, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || answer(stream, config));
        }
    });
    port
}

/// One request, one answer.
fn answer(stream: TcpStream, config: Arc<ServerConfig>) -> Option<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
    let (mut seen, mut part) = (Vec::new(), [0; 8192]);
    let body = loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        seen.extend_from_slice(&part[..read]);
        let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>().ok()?;
        if seen.len() >= end + 4 + length {
            break seen.split_off(end + 4);
        }
    };
    let review: Value = serde_json::from_slice(&body).ok()?;
    let containers = review["request"]["object"]["spec"]["template"]["spec"]["containers"].as_array()?.clone();
    let mut patch = Vec::new();
    for (at, container) in containers.iter().enumerate() {
        let image = container["image"].as_str().unwrap_or_default();
        if !image.starts_with("mirror.local/") {
            let path = format!("/spec/template/spec/containers/{at}/image");
            patch.push(json!({"op": "replace", "path": path, "value": format!("mirror.local/{image}")}));
        }
    }
    if !containers.iter().any(|container| container["name"] == "proxy") {
        let proxy = json!({"name": "proxy", "image": "mirror.local/proxy:1"});
        patch.push(json!({"op": "add", "path": "/spec/template/spec/containers/-", "value": proxy}));
    }
    let patch = STANDARD.encode(Value::Array(patch).to_string());
    let response = json!({"uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": patch});
    let text =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(format!("{head}{text}").as_bytes()).ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}

#[test]
fn what_a_webhook_writes_with_our_own_apply_is_no_drift() {
    let Some(plane) = control_plane::cluster() else { return };
    let space = "e2e-webhook";
    let port = serve(plane);
    let bundle = STANDARD.encode(std::fs::read(plane.file("ca.crt")).unwrap());
    plane.kubectl_ok(&["create", "namespace", space]);
    plane.apply(&format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {{name: {space}}}\n\
         webhooks: [{{name: inject.example.com, admissionReviewVersions: [v1], sideEffects: None, failurePolicy: Fail, \
         namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {space}}}}}, \
         rules: [{{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE]}}], \
         clientConfig: {{url: 'https://127.0.0.1:{port}/mutate', caBundle: {bundle}}}}}]\n"
    ));
    // The API server takes a moment to hear of it.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let fleet = Fleet::new(space, &[plane]);
    fleet.application("web", "c0", space, "");
    fleet.write("apps/web/a.yaml", &deployment("web", "replicas: 2, ", "nginx:1"));
    fleet.apply("").expect(0);
    let images = || field(plane, space, "deployment/web", ".spec.template.spec.containers[*].image");
    assert_eq!(images(), "mirror.local/nginx:1 mirror.local/proxy:1", "the webhook was not asked");
    fleet.run("drift .").expect(0);
    fleet.run("drift . --read-only").expect(0);
    fleet.run("status . --exit-code").expect(0);
    // A person's change is seen alone, and healing it leaves what the webhook wrote.
    plane.kubectl_ok(&["scale", "deployment/web", "-n", space, "--replicas=7"]);
    let ran = fleet.run("drift .").expect(1);
    assert!(ran.stdout.contains(".spec.replicas: 2 → 7") && !ran.stdout.contains("image"), "{}", ran.stdout);
    fleet.run("drift . --heal=all --yes").expect(0);
    assert_eq!(field(plane, space, "deployment/web", ".spec.replicas"), "2");
    assert_eq!(images(), "mirror.local/nginx:1 mirror.local/proxy:1");
    fleet.run("drift .").expect(0);
    plane.kubectl_ok(&["delete", "mutatingwebhookconfiguration", space]);
}
