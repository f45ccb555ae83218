//! Taking over on simulated clusters: what is asked for a comparison, and an adoption in which every call fails in every way.

use std::collections::BTreeSet;

use fleetc::api::{Content, Method, Request};
use fleetc::apply::adopt as moving;
use fleetc::machine::Machine;
use fleetc::memory_cluster::{Fault, Faults, MemoryCluster, drive};
use fleetc::plan::Deployer;
use fleetc::plan::adopt::{ClusterAdoption, Route, adopt};
use fleetc::plan::verify::{self, Verdict, report};
use fleetc::yaml::{Node, json};

use crate::plan::{App, input, slices};

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/default/configmaps/{name}")
}

fn manifest(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{key: {value}}}\n")
}

/// An object as Argo CD applies it, with a key that Git does not have.
fn deploy(cluster: &mut MemoryCluster, name: &str, old: &str) {
    let body = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"default"}},"data":{{"key":"x"{old}}}}}"#
    );
    let request =
        Request::new(Method::Patch, path(name)).with("fieldManager", "argocd-controller").with("force", "true");
    let response = cluster.answer(&request.body(Content::Apply, body));
    assert!(response.is_success(), "{}", response.text);
}

#[test]
fn a_comparison_lists_and_does_not_ask_per_object() {
    let mut cluster = MemoryCluster::default();
    let names: Vec<String> = (0..2_000).map(|at| format!("c{at:04}")).collect();
    for (at, name) in names.iter().enumerate().skip(3) {
        deploy(&mut cluster, name, if at < 8 { r#","old":"x""# } else { "" });
    }
    let texts: Vec<String> =
        names.iter().enumerate().map(|(at, name)| manifest(name, if at % 500 == 499 { "y" } else { "x" })).collect();
    let input = input(slices(&[App("shop", "", &texts.join("---\n"))]));
    let run = drive(Machine::new(|port| verify::verify(port, input)), &mut cluster, &Faults::none());
    // What it serves of one group, and four pages.
    assert_eq!(run.calls.len(), 5);
    assert!(run.calls.iter().all(|call| call.request.method == Method::Get));
    let clusters = [run.result.expect("a result")];
    let counts = report::Counts::of(&clusters[0].slices);
    let of = [Verdict::Missing, Verdict::More, Verdict::Differs].map(|verdict| counts.number(verdict));
    assert_eq!((counts.identical(), of), (1_988, [3, 5, 4]));
    let sentence = report::sentence(&clusters);
    assert!(sentence.starts_with("1,988 of 2,000 objects identical, the other 12 are: "), "{sentence}");
}

fn planned(cluster: &mut MemoryCluster, manifests: &str) -> ClusterAdoption {
    let input = input(slices(&[App("shop", "", manifests)]));
    let route = Route::From(BTreeSet::from([Deployer::ArgoCd]));
    let run = drive(Machine::new(|port| adopt(port, input, route)), cluster, &Faults::none());
    let plan = run.result.expect("a plan");
    assert_eq!(plan.failed, None);
    plan
}

/// Carries a plan out; whether it came to an end, and how many calls it took.
fn carried_out(cluster: &mut MemoryCluster, plan: ClusterAdoption, faults: &Faults) -> (bool, usize) {
    let route = Route::From(BTreeSet::from([Deployer::ArgoCd]));
    let run = drive(Machine::new(|port| moving::adopt(port, plan, route, 2)), cluster, faults);
    let done = run.result.is_some_and(|adopted| adopted.failed.is_none() && adopted.errors.is_empty());
    (done, run.calls.len())
}

/// Managers and data of an object.
fn state(cluster: &mut MemoryCluster, name: &str) -> (String, String) {
    let live = cluster.answer(&Request::get(path(name))).node().expect("JSON");
    let entries = live.at(&["metadata", "managedFields"]).and_then(Node::as_seq).unwrap_or_default();
    let managers: Vec<String> =
        entries.iter().map(|one| format!("{} {}", one.str_at(&["manager"]), one.str_at(&["operation"]))).collect();
    (managers.join(", "), json::to_json(live.get("data").expect("data")).expect("JSON"))
}

#[test]
fn an_adoption_ends_whichever_call_fails_in_whichever_way() {
    let names = ["a", "b", "c"];
    let manifests: Vec<String> = names.iter().map(|name| manifest(name, "x")).collect();
    let manifests = manifests.join("---\n");
    let fresh = || {
        let mut cluster = MemoryCluster::default();
        names.iter().for_each(|name| deploy(&mut cluster, name, r#","old":"x""#));
        cluster
    };
    let mut cluster = fresh();
    let plan = planned(&mut cluster, &manifests);
    assert!(plan.objects().all(|one| one.going == [".data.old"] && one.fields == [".data.key", ".data.old"]));
    let (done, calls) = carried_out(&mut cluster, plan, &Faults::none());
    // Who it is, and of each object a read and a patch.
    assert_eq!((done, calls), (true, 7));
    for call in 0..calls {
        for fault in Fault::ALL {
            let mut cluster = fresh();
            let plan = planned(&mut cluster, &manifests);
            let faults = Faults { at: [(call, fault)].into(), ..Faults::default() };
            carried_out(&mut cluster, plan, &faults);
            for name in names {
                // Whole or not at all, and never a value.
                let (managers, data) = state(&mut cluster, name);
                assert!(
                    ["argocd-controller Apply", "fleetc Apply"].contains(&managers.as_str()),
                    "{call} {fault:?}: {managers}"
                );
                assert_eq!(data, r#"{"key":"x","old":"x"}"#, "{call} {fault:?}");
            }
            let plan = planned(&mut cluster, &manifests);
            assert!(carried_out(&mut cluster, plan, &Faults::none()).0, "{call} {fault:?}");
            for name in names {
                assert_eq!(state(&mut cluster, name).0, "fleetc Apply", "{call} {fault:?}");
            }
        }
    }
}
