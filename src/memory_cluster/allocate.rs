//! What a server gives to a new object that is no static default: addresses of Services, labels and selector of Jobs.

use smol_str::SmolStr;

use super::MemoryCluster;
use super::kinds::Kind;
use super::node::{default, set, str_at, text};
use crate::yaml::Node;

impl MemoryCluster {
    pub(super) fn allocate(&mut self, kind: &Kind, new: &mut Node, dry: bool) {
        if kind.custom.is_some() {
            return;
        }
        match kind.kind.as_str() {
            "Service" if str_at(new, &["spec", "type"]) != "ExternalName" => {
                if str_at(new, &["spec", "clusterIP"]).is_empty() {
                    if !dry {
                        self.uids += 1;
                    }
                    let number = self.uids + u64::from(dry);
                    let address = format!("10.0.{}.{}", number / 250 % 250, number % 250 + 1);
                    set(new, &["spec", "clusterIP"], text(address));
                }
                let address = str_at(new, &["spec", "clusterIP"]).to_owned();
                default(new, &["spec", "clusterIPs"], Node::seq(vec![text(address)]));
                default(new, &["spec", "ipFamilies"], Node::seq(vec![text("IPv4")]));
                default(new, &["spec", "ipFamilyPolicy"], text("SingleStack"));
            }
            "Job" => {
                let uid: SmolStr = str_at(new, &["metadata", "uid"]).into();
                let name: SmolStr = str_at(new, &["metadata", "name"]).into();
                for (key, value) in [
                    ("batch.kubernetes.io/controller-uid", &uid),
                    ("batch.kubernetes.io/job-name", &name),
                    ("controller-uid", &uid),
                    ("job-name", &name),
                ] {
                    set(new, &["spec", "template", "metadata", "labels", key], text(value.clone()));
                }
                default(new, &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"], text(uid));
            }
            _ => {}
        }
    }
}
