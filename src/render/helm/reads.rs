//! What templates read of `.Capabilities`, and where: the facts of a cluster that a render depends on.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Capabilities, HELM_CONSTRAINT};
use crate::cluster::ApiFacts;
use crate::diag::{Diagnostic, Diagnostics};
use crate::render::facts::{API_VERSIONS, FactsRead, KUBE_VERSION};
use crate::resolve::HelmOptions;
use crate::span::{FileId, Span};
use crate::template::{FieldRead, Watch};

/// Notes reads of one render.
#[derive(Debug, Default)]
pub(in crate::render) struct Reads(RefCell<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Where the version was first read.
    version: Option<Place>,
    /// Where the list was first read.
    list: Option<Place>,
    /// Whether it was read other than by questions.
    whole: bool,
    asked: BTreeMap<String, bool>,
}

/// A file of the chart and a byte offset in it.
type Place = (String, usize);

impl Watch for Reads {
    fn read(&self, read: &FieldRead<'_>) {
        let mut noted = self.0.borrow_mut();
        let place = || (read.name.to_owned(), read.offset);
        if read.type_name == HELM_CONSTRAINT {
            noted.version.get_or_insert_with(place);
        }
        if !read.type_name.ends_with(".Capabilities") {
            return;
        }
        match read.field {
            "KubeVersion" => {
                noted.version.get_or_insert_with(place);
            }
            "APIVersions" => {
                noted.list.get_or_insert_with(place);
                noted.whole |= read.next != Some("Has");
            }
            _ => {}
        }
    }

    fn asked(&self, question: &str, answer: bool) {
        self.0.borrow_mut().asked.insert(question.to_owned(), answer);
    }
}

impl Reads {
    /// What was read of the cluster, as far as version and API are facts of it and not said otherwise.
    pub(in crate::render) fn facts(
        &self,
        used: &Capabilities,
        version: bool,
        api: bool,
        known: &ApiFacts,
    ) -> FactsRead {
        let noted = self.0.take();
        let mut read = FactsRead::default();
        if version && noted.version.is_some() {
            read.kube_version = Some(used.kube_version.version.clone());
            read.assumed.extend(known.kube_version.is_none().then_some(KUBE_VERSION));
        }
        if api && noted.list.is_some() {
            read.all_api_versions = noted.whole;
            read.api_versions = noted.asked;
            read.assumed.extend(known.api_versions.is_empty().then_some(API_VERSIONS));
        }
        read
    }

    /// What was read of the cluster, and warnings where nobody had said it. What the application itself says is no fact of the cluster.
    pub(super) fn finish(
        &self,
        used: &Capabilities,
        options: &HelmOptions,
        known: ApiFacts,
        files: &BTreeMap<String, FileId>,
        (chart, constraint): (Span, Span),
    ) -> (FactsRead, Diagnostics) {
        let noted = self.0.take();
        let mut read = FactsRead { known, ..FactsRead::default() };
        let mut warnings = Diagnostics::new();
        let span = |(name, offset): &Place| match files.get(name) {
            None if name.is_empty() => constraint,
            Some(file) if *file != FileId::NONE => Span::new(*file, *offset, offset + 1),
            _ => chart,
        };
        if let Some(place) = noted.version.filter(|_| options.kube_version.is_none()) {
            read.kube_version = Some(used.kube_version.version.clone());
            if read.known.kube_version.is_none() {
                read.assumed.push(KUBE_VERSION);
                let message = format!(
                    "this reads the cluster's version of Kubernetes, which is not known; {} is assumed",
                    used.kube_version.version
                );
                warnings.push(
                    Diagnostic::warning("helm/assumed", span(&place), message)
                        .hint("say it in fleet.yaml: `clusters: [{selector: {}, kubeVersion: \"1.34.1\"}]`"),
                );
            }
        }
        if let Some(place) = noted.list.filter(|_| options.api_versions.is_empty()) {
            read.all_api_versions = noted.whole;
            read.api_versions = noted.asked;
            if read.known.api_versions.is_empty() {
                read.assumed.push(API_VERSIONS);
                let asked: Vec<String> = read.api_versions.keys().map(|asked| format!("`{asked}`")).collect();
                let message = format!(
                    "this asks what the cluster's API serves, which is not known; Helm's own list is assumed{}",
                    if asked.is_empty() { String::new() } else { format!(" (asked for {})", asked.join(", ")) }
                );
                warnings.push(Diagnostic::warning("helm/assumed", span(&place), message).hint(
                    "say it in fleet.yaml: `clusters: [{selector: {}, apiVersions: [monitoring.coreos.com/v1]}]`",
                ));
            }
        }
        read.assumed.sort_unstable();
        (read, warnings)
    }
}
