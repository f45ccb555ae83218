//! Which names are allowed. Kubernetes names are checked by its own rules (apimachinery `validation`: RFC 1123), because they become
//! file names here and because an API server would refuse the object; cluster names are free text, as in Argo CD.

/// What is wrong with the name of an object (an RFC 1123 subdomain: Applications, projects); `None` where nothing is.
pub fn dns_subdomain_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    if name.len() > 253 {
        return Some("is longer than 253 characters");
    }
    let labels_fit = name.split('.').all(is_label);
    (!labels_fit).then_some(
        "is no name that Kubernetes accepts: lower case letters, digits, `-` and `.`, each part starting and ending with a letter or digit",
    )
}

/// What is wrong with the name of a namespace (an RFC 1123 label); `None` where nothing is.
pub fn dns_label_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    if name.len() > 63 {
        return Some("is longer than 63 characters");
    }
    (!is_label(name)).then_some(
        "is no name that Kubernetes accepts: lower case letters, digits and `-`, starting and ending with a letter or digit",
    )
}

/// What is wrong with the name of a cluster; `None` where nothing is. ARNs and the like are fine: they are percent-encoded in paths.
pub fn cluster_name_problem(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        "." | ".." => Some("is a relative path, not a name"),
        _ if name.chars().any(char::is_control) => Some("holds a control character"),
        _ if name.trim() != name => Some("starts or ends with white space"),
        _ => None,
    }
}

fn is_label(label: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(label.bytes().next())
        && edge(label.bytes().last())
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
