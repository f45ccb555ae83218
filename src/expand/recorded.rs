//! Generators that ask a service: their recorded answers, and the rows that Argo CD makes of them (`generators/scm_provider.go`,
//! `pull_request.go`, `plugin.go`, `duck_type.go`).
//!
//! Nothing is asked here. A question without an answer is an error, never an empty list, and noted for `fleetc update`.
//!
//! What an answer holds: `scmProvider`, a list of `organization, repository, repository_id, url, branch, sha, labels`; `pullRequest`, a list
//! of `number, title, branch, target_branch, head_sha, labels, author`, or `notFound: true` in place of the list; `plugin`, the list of
//! `output.parameters`; `clusterDecisionResource`, `matchKey` and the entries of the status list as `decisions`.

use std::collections::BTreeMap;

use super::problems::Reported;
use super::row::{Row, flatten, params, string_map};
use super::set::Set;
use super::trees::dictionary;
use crate::cluster::{IN_CLUSTER_NAME, IN_CLUSTER_SERVER};
use crate::diag::Diagnostic;
use crate::question::Question;
use crate::span::Span;
use crate::template::argo::{normalize, slug_of};
use crate::template::{Bytes, Value, convert};
use crate::yaml::sigs::Numbers;
use crate::yaml::{Map as YamlMap, Node};

impl Set<'_> {
    /// The rows of a generator that asks a service.
    pub(super) fn recorded(
        &self,
        kind: &'static str,
        node: &Node,
        place: Span,
        with: Option<&Row>,
    ) -> Result<Vec<Row>, Reported> {
        let report = |found: crate::diag::Diagnostics| {
            found.into_iter().fold(Reported, |_, found| self.problems.push_in(found, with))
        };
        let question = Question::new(kind, node, &self.declared.name, &self.declared.instance).map_err(report)?;
        let answer = self.fleet.answers.get(&question.id()).cloned();
        self.questions.borrow_mut().entry(question.id()).or_insert_with(|| question.clone());
        let Some(answer) = answer else {
            let what = match kind {
                "clusterDecisionResource" => "a live cluster",
                "plugin" => "a plugin service",
                _ => "the API of a Git host",
            };
            let message = format!("the `{kind}` generator asks {what}, and no answer is recorded");
            let found = Diagnostic::error("expand/network", place, message);
            let update =
                if question.is_live() { "fleetc update --management-context CONTEXT" } else { "fleetc update" };
            return Err(self.problems.push_in(
                found.hint(format!("`{update}` asks and records the answer as `{}`", question.path())),
                with,
            ));
        };
        let rows = match kind {
            "scmProvider" => list(&answer).iter().map(|item| (repository(item), label(item, "repository"))).collect(),
            "pullRequest" => {
                if answer.get("notFound").is_some()
                    && node.get("continueOnRepoNotFoundError").and_then(Node::as_bool) != Some(true)
                {
                    let found = Diagnostic::error(
                        "expand/network",
                        place,
                        "the repository of these pull requests was not found",
                    );
                    return Err(self.problems.push_in(
                        found
                            .hint("`continueOnRepoNotFoundError: true` takes that for an empty list")
                            .label(answer.span, "answered here"),
                        with,
                    ));
                }
                list(&answer).iter().map(|item| (self.pull_request(item), label(item, "number"))).collect()
            }
            "plugin" => self.plugin_rows(node, &answer).map_err(report)?,
            _ => self.decisions(&answer),
        };
        let mut out = Vec::with_capacity(rows.len());
        for (params, element) in rows {
            let row = Row::new(super::row::params(params), kind, place, element, answer.span);
            if kind == "pullRequest" && self.templating.go {
                let at = out.len();
                let labels = list(&answer)
                    .get(at)
                    .and_then(|item| item.get("labels"))
                    .cloned()
                    .unwrap_or_else(|| Node::seq(Vec::new()));
                let labels = convert::from_yaml(&labels, Numbers::Float64).map_err(report)?;
                row.params.insert("labels".into(), labels);
            }
            if kind == "clusterDecisionResource" {
                self.add_raw_values(node, &row);
            } else {
                self.add_values(node, &row)?;
            }
            out.push(row);
        }
        Ok(out)
    }

    fn pull_request(&self, item: &Node) -> BTreeMap<Bytes, Value> {
        let text = |field: &str| {
            item.get(field)
                .and_then(Node::text)
                .filter(|_| item.get(field).is_some_and(|n| !n.is_null()))
                .unwrap_or_default()
        };
        let sha = text("head_sha");
        let (branch, target) = (text("branch"), text("target_branch"));
        entries(&[
            ("number", text("number")),
            ("title", text("title")),
            ("branch", branch),
            ("branch_slug", &slug_of(branch)),
            ("target_branch", target),
            ("target_branch_slug", &slug_of(target)),
            ("head_sha", sha),
            ("head_short_sha", short(sha, 8)),
            ("head_short_sha_7", short(sha, 7)),
            ("author", text("author")),
        ])
    }

    fn plugin_rows(&self, node: &Node, answer: &Node) -> crate::diag::Checked<Vec<(BTreeMap<Bytes, Value>, String)>> {
        let mut rows = Vec::new();
        for (at, item) in list(answer).iter().enumerate() {
            let found = dictionary(item)?;
            let mut out: BTreeMap<Bytes, Value> =
                if self.templating.go { found.entries().into_iter().collect() } else { flatten(&found) };
            let empty = Node::map(YamlMap::new());
            let parameters = node.at(&["input", "parameters"]).filter(|node| !node.is_null()).unwrap_or(&empty);
            let parameters = convert::from_yaml(parameters, Numbers::Float64)?;
            let input = Value::Map(params(BTreeMap::from([(Bytes::from("parameters"), parameters)])));
            let generator = Value::Map(params(BTreeMap::from([(Bytes::from("input"), input)])));
            out.insert(Bytes::from("generator"), generator);
            rows.push((out, format!("element {} of the plugin's answer", at + 1)));
        }
        Ok(rows)
    }

    /// Clusters that the entries of a status list name.
    fn decisions(&self, answer: &Node) -> Vec<(BTreeMap<Bytes, Value>, String)> {
        let key = answer.str_at(&["matchKey"]);
        let entries = answer.get("decisions").and_then(Node::as_seq).unwrap_or_default();
        let mut rows = Vec::new();
        for entry in entries {
            let wanted = entry.get(key).and_then(Node::text).unwrap_or_default();
            let declared = self.clusters.iter().map(|cluster| (cluster.name.as_str(), cluster.server.as_str()));
            let local = (!self.local_is_declared()).then_some((IN_CLUSTER_NAME, IN_CLUSTER_SERVER));
            if let Some((name, server)) = declared.chain(local).find(|(name, _)| *name == wanted) {
                let mut out = BTreeMap::from([
                    (Bytes::from("name"), Value::from(name)),
                    (Bytes::from("server"), Value::from(server)),
                ]);
                for (field, value) in entry.as_map().into_iter().flat_map(YamlMap::iter) {
                    let text = value.text().unwrap_or_default();
                    out.insert(Bytes::from(field.text().unwrap_or_default()), Value::from(text));
                }
                rows.push((out, format!("cluster {name}")));
            }
        }
        rows
    }

    /// `values` as they are written.
    fn add_raw_values(&self, node: &Node, row: &Row) {
        let Some(values) = node.get("values").and_then(Node::as_map).filter(|map| !map.is_empty()) else { return };
        let pairs =
            values.iter().map(|(key, value)| (key.text().unwrap_or_default(), value.text().unwrap_or_default()));
        if self.templating.go {
            row.params.insert("values".into(), string_map(pairs));
        } else {
            for (key, value) in pairs {
                row.params.insert(format!("values.{key}").into(), value.into());
            }
        }
    }
}

fn list(answer: &Node) -> &[Node] {
    answer.as_seq().unwrap_or_default()
}

fn label(item: &Node, field: &str) -> String {
    let text = item.get(field).and_then(Node::text).unwrap_or_default();
    if field == "number" { format!("pull request {text}") } else { format!("repository {text}") }
}

fn entries(pairs: &[(&str, &str)]) -> BTreeMap<Bytes, Value> {
    pairs.iter().map(|(name, text)| (Bytes::from(*name), Value::from(*text))).collect()
}

/// The beginning of a commit.
fn short(sha: &str, length: usize) -> &str {
    sha.get(..length).unwrap_or(sha)
}

fn repository(item: &Node) -> BTreeMap<Bytes, Value> {
    let text = |field: &str| item.get(field).filter(|node| !node.is_null()).and_then(Node::text).unwrap_or_default();
    let labels: Vec<&str> =
        item.get("labels").and_then(Node::as_seq).unwrap_or_default().iter().filter_map(Node::text).collect();
    let sha = text("sha");
    let mut out = entries(&[
        ("organization", text("organization")),
        ("repository", text("repository")),
        ("url", text("url")),
        ("branch", text("branch")),
        ("branchNormalized", &normalize(text("branch"))),
        ("sha", sha),
        ("short_sha", short(sha, 8)),
        ("short_sha_7", short(sha, 7)),
        ("labels", &labels.join(",")),
    ]);
    let id = item.get("repository_id").cloned().unwrap_or_else(Node::null);
    let id = convert::from_yaml(&id, Numbers::Int64).unwrap_or(Value::Nil);
    out.insert(Bytes::from("repository_id"), id);
    out
}
