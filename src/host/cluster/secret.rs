//! The credentials in a cluster Secret: the key `config` (argo-cd `pkg/apis/application/v1alpha1/types.go`: `ClusterConfig`, `RawRestConfig`).
//!
//! `awsAuthConfig` goes before `execProviderConfig`, and that before a password, token or certificate. Unknown keys are ignored, as Go
//! does. The Secret is read again here, because the core's clusters never hold credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, ExecConfig, ExecInteractiveMode, NamedExtension};

use super::access::{Access, EXEC_EXTENSION};
use super::exec::{Origin, Programs, Refusal};
use crate::span::{FileId, SourceFile, Span};
use crate::yaml::{self, Dialect, Limits, Node, json};

/// The program that Argo CD ships for clouds.
const ARGOCD_AUTH: &str = "argocd-k8s-auth";

/// The object at a place of a file; in a list too.
pub(super) fn object_at(file: &SourceFile, span: Span) -> Option<Node> {
    let parsed = yaml::parse(file.id, &file.bytes, Dialect::V2, &Limits::default());
    let mut objects: Vec<Node> = parsed.documents.into_iter().map(|document| document.root).collect();
    while let Some(object) = objects.pop() {
        if object.span() == span {
            return Some(object);
        }
        objects.extend(object.get("items").and_then(Node::as_seq).unwrap_or_default().iter().cloned());
    }
    None
}

/// A value of a Secret: `stringData`, else `data` in base64.
pub(super) fn value(secret: &Node, key: &str) -> Option<String> {
    if let Some(plain) = secret.at(&["stringData", key]).and_then(Node::as_str) {
        return Some(plain.to_owned());
    }
    let packed: String = secret.at(&["data", key])?.text()?.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(packed).ok()?).ok()
}

/// Credentials from `config`, for a server.
pub(super) fn access(server: &str, config: &str, programs: &Programs) -> Result<Access, Refusal> {
    let refuse =
        |message: String| Err(Refusal { message, hint: "see Argo CD's documentation of cluster Secrets".to_owned() });
    let config = if config.trim().is_empty() { "{}" } else { config };
    let Ok(config) = json::parse(FileId::NONE, config.as_bytes()) else {
        return refuse("the `config` of its Secret is no JSON".to_owned());
    };
    if config.as_map().is_none() {
        return refuse("the `config` of its Secret is no JSON object".to_owned());
    }
    let mut wrong = None;
    let mut text = |path: &[&str]| -> Option<String> {
        let node = config.at(path).filter(|node| !node.is_null())?;
        let text = node.as_str().map(str::to_owned);
        if text.is_none() {
            wrong.get_or_insert_with(|| path.join("."));
        }
        text.filter(|text| !text.is_empty())
    };
    let tls = |name: &'static str| ["tlsClientConfig", name];
    let mut cluster = Cluster {
        server: Some(server.trim_end_matches('/').to_owned()),
        certificate_authority_data: text(&tls("caData")),
        tls_server_name: text(&tls("serverName")),
        proxy_url: text(&["proxyUrl"]),
        ..Cluster::default()
    };
    let mut user = AuthInfo {
        username: text(&["username"]),
        password: text(&["password"]).map(Into::into),
        token: text(&["bearerToken"]).map(Into::into),
        client_certificate_data: text(&tls("certData")),
        client_key_data: text(&tls("keyData")).map(Into::into),
        ..AuthInfo::default()
    };
    let aws = ["clusterName", "roleARN", "profile"].map(|name| text(&["awsAuthConfig", name]));
    let exec = ["command", "apiVersion", "installHint"].map(|name| text(&["execProviderConfig", name]));
    if let Some(path) = wrong {
        return refuse(format!("`{path}` in the `config` of its Secret must be a string"));
    }
    let flag = |path: &[&str]| config.at(path).and_then(Node::as_bool).unwrap_or_default();
    cluster.insecure_skip_tls_verify = flag(&tls("insecure")).then_some(true);
    cluster.disable_compression = flag(&["disableCompression"]).then_some(true);
    if cluster.insecure_skip_tls_verify.is_some() && cluster.certificate_authority_data.is_some() {
        return refuse("`tlsClientConfig` has both `insecure` and `caData`".to_owned());
    }
    if user.username.is_some() && user.token.is_some() {
        return refuse("its Secret has both a user name and a token".to_owned());
    }
    let given = |name: &str| config.get(name).is_some_and(|node| !node.is_null());
    let program = if given("awsAuthConfig") {
        let [name, role, profile] = aws;
        let mut args = vec!["aws".to_owned(), "--cluster-name".to_owned(), name.unwrap_or_default()];
        for (flag, value) in [("--role-arn", role), ("--profile", profile)] {
            args.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
        }
        Some(ExecConfig {
            command: Some(ARGOCD_AUTH.to_owned()),
            args: Some(args),
            api_version: Some("client.authentication.k8s.io/v1beta1".to_owned()),
            interactive_mode: Some(ExecInteractiveMode::Never),
            ..ExecConfig::default()
        })
    } else if given("execProviderConfig") {
        let [command, api_version, install_hint] = exec;
        let part = |name: &str| config.at(&["execProviderConfig", name]);
        let args = part("args").and_then(Node::as_seq).unwrap_or_default();
        let env = part("env").and_then(Node::as_map).into_iter().flat_map(|env| env.iter());
        let pair = |name: &str, value: &str| {
            [("name", name), ("value", value)].map(|(key, text)| (key.to_owned(), text.to_owned())).into()
        };
        if let Some(extension) = part("config").filter(|config| !config.is_null())
            && let Some(extension) = json::to_json(extension).ok().and_then(|text| serde_json::from_str(&text).ok())
        {
            cluster.extensions = Some(vec![NamedExtension { name: EXEC_EXTENSION.to_owned(), extension }]);
        }
        Some(ExecConfig {
            command,
            args: Some(args.iter().filter_map(|arg| arg.as_str().map(str::to_owned)).collect()),
            env: Some(env.filter_map(|(name, value)| Some(pair(name.as_str()?, value.as_str()?))).collect()),
            api_version,
            install_hint,
            interactive_mode: Some(ExecInteractiveMode::Never),
            provide_cluster_info: flag(&["execProviderConfig", "provideClusterInfo"]),
            ..ExecConfig::default()
        })
    } else {
        None
    };
    if program.is_some() {
        // As in Argo CD, the rest does not count then.
        user = AuthInfo { exec: program, ..AuthInfo::default() };
    }
    Access::new(cluster, user, Origin::Secret, programs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn programs() -> Programs {
        Programs::named(&["argocd-k8s-auth".to_owned(), "my-auth".to_owned()])
    }

    #[test]
    fn forms_of_credentials() {
        let good = [
            "{}",
            "",
            r#"{"bearerToken":"t","tlsClientConfig":{"insecure":true}}"#,
            r#"{"username":"u","password":"p","unknown":1}"#,
            r#"{"tlsClientConfig":{"certData":"YQ==","keyData":"Yg==","caData":"Yw==","serverName":"n"}}"#,
            r#"{"bearerToken":null}"#,
        ];
        for config in good {
            let access = access("https://c:6443/", config, &Programs::default()).unwrap();
            assert!(!access.asks_program(), "{config}");
            assert_eq!(access.server(), "https://c:6443");
        }
        let bad = [
            ("[]", "no JSON object"),
            ("{", "no JSON"),
            (r#"{"bearerToken":5}"#, "`bearerToken`"),
            (r#"{"tlsClientConfig":{"insecure":true,"caData":"YQ=="}}"#, "both"),
            (r#"{"username":"u","password":"p","bearerToken":"t"}"#, "both"),
            (r#"{"execProviderConfig":{}}"#, "names no program"),
            (r#"{"execProviderConfig":{"command":"curl"}}"#, "`curl`"),
            (r#"{"execProviderConfig":{"command":"my-auth"}}"#, "is to speak"),
        ];
        for (config, message) in bad {
            let refusal = access("https://c:6443", config, &programs()).unwrap_err();
            assert!(refusal.message.contains(message), "{config}: {}", refusal.message);
        }
        assert!(access("c", "{}", &programs()).is_err());
    }

    #[test]
    fn programs_of_clouds() {
        let aws = r#"{"awsAuthConfig":{"clusterName":"c","roleARN":"r"},"bearerToken":"ignored"}"#;
        assert!(access("https://c", aws, &programs()).unwrap().asks_program());
        let refusal = access("https://c", aws, &Programs::default()).unwrap_err();
        assert!(refusal.message.contains("`argocd-k8s-auth`"), "{}", refusal.message);
        let exec = r#"{"execProviderConfig":{"command":"my-auth","apiVersion":"client.authentication.k8s.io/v1","args":["a"],"env":{"X":"y"},"provideClusterInfo":true,"config":{"k":1}}}"#;
        assert!(access("https://c", exec, &programs()).unwrap().asks_program());
        let hijack = r#"{"execProviderConfig":{"command":"my-auth","apiVersion":"client.authentication.k8s.io/v1","env":{"PATH":"/x"}}}"#;
        assert!(access("https://c", hijack, &programs()).unwrap_err().message.contains("`PATH`"));
    }

    #[test]
    fn secrets_are_found_again_by_their_place() {
        let text = "kind: Secret\nmetadata: {name: a}\n---\nkind: List\nitems:\n- kind: Secret\n  stringData: {config: '{}'}\n  data: {name: Yg==}\n";
        let sources = crate::span::SourceMap::default();
        let path = crate::path::TreePath::new("a.yaml").unwrap();
        let file = sources.add(path, "a.yaml".to_owned(), Arc::from(text.as_bytes()));
        let parsed = yaml::parse(file.id, &file.bytes, Dialect::V2, &Limits::default());
        let inner = parsed.documents.iter().find_map(|document| document.root.get("items")?.as_seq()?.first()).unwrap();
        let found = object_at(&file, inner.span()).unwrap();
        assert_eq!(value(&found, "config").as_deref(), Some("{}"));
        assert_eq!(value(&found, "name").as_deref(), Some("b"));
        assert_eq!(value(&found, "server"), None);
        assert!(object_at(&file, Span::new(file.id, 1, 2)).is_none());
    }
}
