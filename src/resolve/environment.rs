//! Argo CD's build environment, and the substitution of its variables in the options of a source.
//!
//! Only where Argo CD substitutes, so that options without variables stay equal across applications and their renders are shared.
//! The form is Go's `os.Expand` restricted to the names below: an unknown name becomes nothing, `$$` a dollar, a lone `${` is
//! eaten, and a dollar before anything else stays (argocd.md 2.7; `reposerver/repository`, `newEnv`, and `v1alpha1.Env.Envsubst`).

use crate::diag::{Checked, Diagnostic};
use crate::span::Span;
use crate::yaml::{Map, Node};

/// What the variables of one source of one application stand for.
pub(super) struct Environment<'a> {
    /// Name of the application, with its namespace in front where it lives outside the control plane's.
    pub(super) app_name: &'a str,
    /// Namespace of the destination.
    pub(super) namespace: &'a str,
    pub(super) project: &'a str,
    /// The commit; empty for a folder without git.
    pub(super) revision: &'a str,
    pub(super) repo_url: &'a str,
    pub(super) path: &'a str,
    pub(super) target_revision: &'a str,
}

impl Environment<'_> {
    /// All variables, as programs get them.
    pub(super) fn all(&self) -> Vec<(&'static str, String)> {
        let names = [
            "ARGOCD_APP_NAME",
            "ARGOCD_APP_NAMESPACE",
            "ARGOCD_APP_PROJECT_NAME",
            "ARGOCD_APP_REVISION",
            "ARGOCD_APP_REVISION_SHORT",
            "ARGOCD_APP_REVISION_SHORT_8",
            "ARGOCD_APP_SOURCE_REPO_URL",
            "ARGOCD_APP_SOURCE_PATH",
            "ARGOCD_APP_SOURCE_TARGET_REVISION",
        ];
        // A folder without git has no commit: the variable is empty then.
        names.map(|name| (name, self.value(name, Span::NONE).unwrap_or_default().to_owned())).to_vec()
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// The commit of a folder without git is asked for.
    fn value(&self, name: &str, span: Span) -> Checked<&str> {
        let short = |length: usize| self.revision.get(..length).unwrap_or(self.revision);
        let value = match name {
            "$" => "$",
            "ARGOCD_APP_NAME" => self.app_name,
            "ARGOCD_APP_NAMESPACE" => self.namespace,
            "ARGOCD_APP_PROJECT_NAME" => self.project,
            "ARGOCD_APP_REVISION" => self.revision,
            "ARGOCD_APP_REVISION_SHORT" => short(7),
            "ARGOCD_APP_REVISION_SHORT_8" => short(8),
            "ARGOCD_APP_SOURCE_REPO_URL" => self.repo_url,
            "ARGOCD_APP_SOURCE_PATH" => self.path,
            "ARGOCD_APP_SOURCE_TARGET_REVISION" => self.target_revision,
            _ => return Ok(""),
        };
        if value.is_empty() && name.starts_with("ARGOCD_APP_REVISION") {
            let message = format!("`{name}` is asked for, but the source has no commit: it is a folder without git");
            return Err(Diagnostic::error("resolve/environment", span, message).into());
        }
        Ok(value)
    }

    /// A text with its variables replaced.
    pub(super) fn expand(&self, text: &str, span: Span) -> Checked<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if after.is_empty() {
                out.push('$');
                return Ok(out);
            }
            let (name, width) = shell_name(after);
            match (name, width) {
                ("", 0) => out.push('$'),
                ("", _) => {}
                (name, _) => out.push_str(self.value(name, span)?),
            }
            rest = after.get(width..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(out)
    }

    fn expand_node(&self, node: &mut Node) -> Checked<()> {
        let Some(text) = node.as_str().filter(|text| text.contains('$')) else { return Ok(()) };
        let expanded = self.expand(text, node.span())?;
        *node = Node::str(expanded).with_span(node.span()).with_style(node.style());
        Ok(())
    }

    /// `spec.source.kustomize` with variables replaced: in images and common labels always, in common annotations where asked for.
    pub(super) fn kustomize(&self, options: &mut Node) -> Checked<()> {
        for image in options.get_mut("images").and_then(Node::seq_mut).into_iter().flatten() {
            self.expand_node(image)?;
        }
        let annotations = options.get("commonAnnotationsEnvsubst").and_then(Node::as_bool) == Some(true);
        let fields = [("commonLabels", true), ("commonAnnotations", annotations)];
        for (field, _) in fields.into_iter().filter(|(_, substituted)| *substituted) {
            for (_, value) in options.get_mut(field).and_then(Node::map_mut).into_iter().flat_map(Map::iter_mut) {
                self.expand_node(value)?;
            }
        }
        Ok(())
    }

    /// `spec.source.directory` with variables replaced: in the values of Jsonnet's external variables and arguments.
    pub(super) fn directory(&self, options: &mut Node) -> Checked<()> {
        for field in ["extVars", "tlas"] {
            let variables = options.get_mut("jsonnet").and_then(|jsonnet| jsonnet.get_mut(field));
            for variable in variables.and_then(Node::seq_mut).into_iter().flatten() {
                if let Some(value) = variable.get_mut("value") {
                    self.expand_node(value)?;
                }
            }
        }
        Ok(())
    }
}

/// The name after a dollar and the bytes it takes; an empty name with bytes is malformed and eaten.
fn shell_name(text: &str) -> (&str, usize) {
    let special = |byte: u8| byte.is_ascii_digit() || b"*#$@!?-".contains(&byte);
    let bytes = text.as_bytes();
    match bytes {
        [b'{', name, b'}', ..] if special(*name) => (text.get(1..2).unwrap_or_default(), 3),
        [b'{', ..] => match text.find('}') {
            Some(1) => ("", 2),
            Some(end) => (text.get(1..end).unwrap_or_default(), end + 1),
            None => ("", 1),
        },
        [first, ..] if special(*first) => (text.get(..1).unwrap_or_default(), 1),
        _ => {
            let end = bytes.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(bytes.len());
            (text.get(..end).unwrap_or_default(), end)
        }
    }
}
