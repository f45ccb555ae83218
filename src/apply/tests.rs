//! Slices carried out on a cluster in memory. The plans are made here by a rule that fits on a page, so that nothing but `apply` is tested.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::Client;
use super::lease::Lease;
use super::ledger::{self, Ledger};
use super::outcome::{Counts, SliceOutcome, SliceResult};
use super::site::{Options, Site, Wait};
use super::slice::Work;
use crate::api::{Content, Method, Request};
use crate::bundle::{Index, ObjectRef};
use crate::digest::Digest;
use crate::inventory::{PART_OF_LABEL, Parent};
use crate::k8s::health::Scripts;
use crate::k8s::order::Phase;
use crate::machine::Machine;
use crate::memory_cluster::{FAIL, Faults, MemoryCluster, Run, drive};
use crate::plan::{
    Action, Context, DesiredSlice, HookDelete, Propagation, Record, Same, Seen, SlicePlan, Status, Task, Verb, arrange,
    defined_kind, item_reference,
};
use crate::yaml::Node;

fn desired(app: &str, objects: &str) -> DesiredSlice {
    let digest = Digest::of(objects.as_bytes());
    let text = format!(
        "apiVersion: fleetc.dev/v1alpha1\nkind: Bundle\ncluster: {{name: eu}}\napplications:\n- name: {app}\n  namespace: argocd\n  state: ok\n  project: default\n  files: {{all.yaml: '{digest}'}}\n"
    );
    let index = Index::parse(&text).expect("an index");
    let entry = index.applications.first().expect("an application");
    let context = Context { fleet: "test", cluster: "eu", parent_namespace: "fleetc-system" };
    let slice = DesiredSlice::new(context, entry, &|_| Some(Arc::from(objects)));
    assert_eq!(slice.state, crate::plan::SliceState::Fresh);
    slice
}

fn options() -> Options {
    Options {
        holder: "me".into(),
        wait: Wait::Steps,
        timeout: 60_000,
        at_once: 16,
        slices_at_once: 4,
        manual: false,
        ignore_windows: false,
        scripts: Scripts::default(),
    }
}

/// What lies on the cluster of an application.
fn parent_of(cluster: &mut MemoryCluster, slice: &DesiredSlice) -> Option<Parent> {
    let name = &slice.parent;
    let path = format!("/api/v1/namespaces/{}/configmaps/{}", name.namespace, name.name);
    let response = cluster.answer(&Request::get(path));
    response.is_success().then(|| Parent::read(&response.node().expect("JSON")).expect("a parent"))
}

/// Create what is not there, change what is, delete what is listed and not desired; hooks always run.
fn plan(cluster: &mut MemoryCluster, slice: &DesiredSlice) -> SlicePlan {
    let parent = parent_of(cluster, slice);
    let mut actions = Vec::new();
    let mut tasks = Vec::new();
    let mut same = Vec::new();
    for (at, object) in slice.objects.iter().enumerate() {
        let reference = object.reference();
        for phase in object.sync_phases() {
            let mut action = Action::new(reference.clone(), object.gvk.clone(), Verb::Hook);
            action.desired = Some(at);
            actions.push(action);
            tasks.push(Task::new(reference.clone(), phase, object.wave));
        }
        if !object.is_plain() {
            continue;
        }
        let live = cluster.find(&object.gvk.api_version(), &object.gvk.kind, &object.namespace, &object.name);
        let item = parent
            .as_ref()
            .and_then(|parent| parent.item(&object.gvk.group, &object.gvk.kind, &object.namespace, &object.name));
        if let (Some(live), Some(item)) = (live, item)
            && item.applied == Some(object.digest)
        {
            let uid = live.at(&["metadata", "uid"]).and_then(Node::smol).expect("a UID");
            same.push(Same { desired: at, uid });
            continue;
        }
        let verb = if live.is_some() { Verb::Change } else { Verb::Create };
        let mut action = Action::new(reference.clone(), object.gvk.clone(), verb);
        action.desired = Some(at);
        action.live = live.map(|live| Seen {
            uid: live.at(&["metadata", "uid"]).and_then(Node::smol).expect("a UID"),
            ..Seen::default()
        });
        actions.push(action);
        let mut task = Task::new(reference, Phase::Sync, object.wave);
        task.defines = defined_kind(&object.body);
        tasks.push(task);
    }
    for item in parent.iter().flat_map(|parent| &parent.items) {
        let reference = item_reference(item);
        if slice.object(&reference).is_none() {
            actions.push(Action::new(reference.clone(), item.gvk.clone(), Verb::Delete(Propagation::Foreground)));
            tasks.push(Task { prune: true, ..Task::new(reference, Phase::Sync, 0) });
        }
    }
    for (action, place) in actions.iter_mut().zip(arrange(&tasks)) {
        action.place = place;
    }
    actions.sort_by_key(|action| action.place);
    SlicePlan {
        key: slice.key.clone(),
        project: "default".into(),
        status: Status::Ready,
        removal: false,
        withheld: None,
        bundle: Some(slice.digest),
        parent_name: slice.parent.clone(),
        parent,
        record: slice.record.clone(),
        actions,
        same,
        digest: Digest::of(b""),
        notes: Vec::new(),
    }
}

/// Carries out a plan under a lease, and then lets go what others took over.
fn carry_out(
    cluster: &mut MemoryCluster,
    slice: &DesiredSlice,
    plan: SlicePlan,
    options: Options,
    faults: &Faults,
) -> Run<SliceOutcome> {
    let desired = (!plan.removal).then(|| slice.clone());
    let machine = Machine::new(move |port| async move {
        let site = Site::new(&port, &options, Default::default());
        let own = Client::new(port.clone(), "");
        let mut outcome = SliceOutcome {
            application: plan.key.application.clone(),
            result: SliceResult::Skipped,
            why: String::new(),
            errors: Vec::new(),
            notes: Vec::new(),
            withheld: 0,
            counts: Counts::default(),
        };
        if let Err(problem) = ledger::ensure_namespace(&own, &plan.parent_name.namespace).await {
            outcome.why = problem.to_string();
            return outcome;
        }
        let lease = match Lease::take(&own, &plan.parent_name, &site.options.holder).await {
            Ok(lease) => lease,
            Err(problem) => {
                outcome.why = problem.to_string();
                return outcome;
            }
        };
        let parent = plan.parent.clone().unwrap_or_else(|| Parent {
            name: plan.parent_name.clone(),
            key: plan.key.clone(),
            uid: Default::default(),
            resource_version: Default::default(),
            record: Node::null(),
            items: Vec::new(),
        });
        let watch = lease.watch();
        let mut work = Work {
            site: &site,
            desired: desired.as_ref(),
            plan: &plan,
            client: Client::new(port.clone(), ""),
            ledger: Ledger::new(&own, &watch, parent),
            watch,
            record: plan.record.clone(),
            outcome,
        };
        let handing = plan.actions.iter().any(|action| matches!(action.verb, Verb::HandOver { .. }));
        lease
            .hold(async {
                work.run().await;
                if handing {
                    work.hand_over().await;
                }
            })
            .await;
        let outcome = work.outcome.clone();
        lease.release().await;
        outcome
    });
    drive(machine, cluster, faults)
}

fn apply(cluster: &mut MemoryCluster, slice: &DesiredSlice) -> Run<SliceOutcome> {
    let plan = plan(cluster, slice);
    carry_out(cluster, slice, plan, options(), &Faults::none())
}

fn good(run: &Run<SliceOutcome>) -> &SliceOutcome {
    let outcome = run.result.as_ref().expect("a result");
    assert_eq!(outcome.result, SliceResult::Applied, "{outcome:?}\n{}", run.trace());
    outcome
}

/// The writes of a run beside those of leases: method and the end of the path.
fn writes(run: &Run<SliceOutcome>) -> Vec<String> {
    let calls = run.calls.iter().filter(|call| !call.request.is_harmless() && !call.request.path.contains("/leases"));
    calls
        .map(|call| {
            let name = call.request.path.rsplit('/').next().unwrap_or_default();
            let name = if name.starts_with("fleetc-") { "PARENT" } else { name };
            format!("{} {name}", call.request.method.name())
        })
        .collect()
}

const NAMESPACE: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n";

fn config(name: &str, more: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: shop{more}}}, data: {{a: b}}}}\n---\n"
    )
}

fn workload(kind: &str, name: &str, annotations: &str) -> String {
    let api = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    let selector = if kind == "Job" { "" } else { "selector: {matchLabels: {app: x}}, " };
    format!(
        "{{apiVersion: {api}, kind: {kind}, metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}, spec: {{{selector}template: {{metadata: {{labels: {{app: x}}}}, spec: {{restartPolicy: Never, containers: [{{name: c, image: i}}]}}}}}}}}\n---\n"
    )
}

fn there(cluster: &MemoryCluster, kind: &str, name: &str) -> bool {
    let api = match kind {
        "Job" => "batch/v1",
        "Deployment" => "apps/v1",
        _ => "v1",
    };
    cluster.find(api, kind, "shop", name).is_some()
}

#[test]
fn the_parent_is_first_and_last_and_knows_what_it_owns() {
    let mut cluster = MemoryCluster::default();
    let slice = desired("web", &format!("{NAMESPACE}{}{}", config("a", ""), config("b", "")));
    let run = apply(&mut cluster, &slice);
    assert_eq!(good(&run).counts.created, 3);
    assert_eq!(
        writes(&run),
        ["POST namespaces", "POST configmaps", "PATCH shop", "PATCH a", "PATCH b", "PUT PARENT"],
        "{}",
        run.trace()
    );
    let parent = parent_of(&mut cluster, &slice).expect("a parent");
    assert_eq!(parent.items.len(), 3);
    assert!(parent.items.iter().all(|item| !item.uid.is_empty() && item.applied.is_some() && item.owned.is_some()));
    assert!(Record::read(&parent.record).installed);
    assert_eq!(Record::read(&parent.record).bundle, Some(slice.digest));
    let leases = cluster.all().filter(|object| object.get("kind").and_then(Node::as_str) == Some("Lease")).count();
    assert_eq!(leases, 0, "the lease is given back");
}

#[test]
fn what_leaves_is_deleted_after_all_is_applied_and_forgotten_when_gone() {
    let mut cluster = MemoryCluster::default();
    good(&apply(&mut cluster, &desired("web", &format!("{NAMESPACE}{}{}", config("a", ""), config("b", "")))));
    let slice = desired("web", &format!("{NAMESPACE}{}{}", config("a", ", labels: {x: y}"), config("c", "")));
    let run = apply(&mut cluster, &slice);
    assert_eq!(good(&run).counts, Counts { created: 1, changed: 1, deleted: 1, ..Counts::default() });
    assert_eq!(writes(&run), ["PUT PARENT", "PATCH a", "PATCH c", "PUT PARENT", "DELETE b", "PUT PARENT"]);
    let delete =
        run.calls.iter().find(|call| call.request.path.ends_with("/b") && call.request.method == Method::Delete);
    let (_, body) = delete.and_then(|call| call.request.body.clone()).expect("options");
    assert!(body.contains("\"uid\":\"") && body.contains("\"resourceVersion\":\""), "{body}");
    let names: Vec<String> =
        parent_of(&mut cluster, &slice).expect("a parent").items.iter().map(|item| item.name.to_string()).collect();
    assert_eq!(names, ["a", "c", "shop"]);
}

#[test]
fn nothing_is_deleted_after_a_failure_and_what_failed_stays_listed() {
    let mut cluster = MemoryCluster::default();
    good(&apply(&mut cluster, &desired("web", &format!("{NAMESPACE}{}", config("a", "")))));
    // A kind that nobody serves.
    let slice = desired(
        "web",
        &format!(
            "{NAMESPACE}{}{{apiVersion: x.example.com/v1, kind: Odd, metadata: {{name: o, namespace: shop}}}}\n",
            config("c", "")
        ),
    );
    let run = apply(&mut cluster, &slice);
    let outcome = run.result.as_ref().expect("a result");
    assert_eq!(outcome.result, SliceResult::Failed);
    assert_eq!(outcome.errors.len(), 1, "{outcome:?}");
    assert!(there(&cluster, "ConfigMap", "a") && there(&cluster, "ConfigMap", "c"));
    let parent = parent_of(&mut cluster, &slice).expect("a parent");
    let uid = |name: &str| parent.items.iter().find(|item| item.name == name).map(|item| item.uid.is_empty());
    assert_eq!((uid("a"), uid("c"), uid("o")), (Some(false), Some(false), Some(true)));
}

#[test]
fn a_child_or_a_stranger_of_the_same_name_is_not_deleted() {
    let mut cluster = MemoryCluster::default();
    let slice = desired("web", &format!("{NAMESPACE}{}{}{}", config("a", ""), config("b", ""), config("c", "")));
    good(&apply(&mut cluster, &slice));
    let path = |name: &str| format!("/api/v1/namespaces/shop/configmaps/{name}");
    // Another object of that name, with our label.
    cluster.act("somebody", Method::Delete, &path("a"), "");
    let id = slice.parent.id();
    let body = |name: &str, more: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","labels":{{"{PART_OF_LABEL}":"{id}"}}{more}}}}}"#
        )
    };
    cluster.act("somebody", Method::Post, "/api/v1/namespaces/shop/configmaps", &body("a", ""));
    // Ours, but a controller has adopted it.
    let made = cluster.act(
        "somebody",
        Method::Post,
        "/api/v1/namespaces/shop/configmaps",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"owner"}}"#,
    );
    let uid = made.node().expect("JSON").at(&["metadata", "uid"]).and_then(Node::smol).expect("a UID");
    let owner = format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{uid}","controller":true}}"#);
    cluster.act("somebody", Method::Patch, &path("b"), &format!("{{\"metadata\":{{\"ownerReferences\":[{owner}]}}}}"));
    let run = apply(&mut cluster, &desired("web", NAMESPACE));
    let outcome = run.result.as_ref().expect("a result");
    assert!(there(&cluster, "ConfigMap", "a") && there(&cluster, "ConfigMap", "b"), "{}", run.trace());
    assert!(!there(&cluster, "ConfigMap", "c"));
    assert_eq!(outcome.result, SliceResult::Failed);
    assert!(outcome.errors.iter().any(|(_, why)| why.contains("controller")), "{outcome:?}");
    let names: Vec<String> =
        parent_of(&mut cluster, &slice).expect("a parent").items.iter().map(|item| item.name.to_string()).collect();
    assert_eq!(names, ["b", "shop"], "the stranger is forgotten, what could not be deleted is not");
}

#[test]
fn waves_wait_for_health_and_a_failed_one_stops_the_next() {
    let mut cluster = MemoryCluster::default();
    let wave = |number: i32| format!("argocd.argoproj.io/sync-wave: '{number}'");
    let of = |annotation: &str| {
        format!(
            "{NAMESPACE}{}{}",
            workload("Deployment", "first", annotation),
            config("second", &format!(", annotations: {{{}}}", wave(1)))
        )
    };
    let slice = desired("web", &of(&format!("{}, {FAIL}: 'true'", wave(-1))));
    let run = apply(&mut cluster, &slice);
    assert_eq!(run.result.as_ref().expect("a result").result, SliceResult::Failed, "{}", run.trace());
    assert!(there(&cluster, "Deployment", "first") && !there(&cluster, "ConfigMap", "second"));
    let slice = desired("web", &of(&wave(-1)));
    let run = apply(&mut cluster, &slice);
    good(&run);
    let sent = |name: &str| {
        run.calls
            .iter()
            .find(|call| call.request.path.ends_with(name) && call.request.method == Method::Patch)
            .expect("sent")
            .at
    };
    assert!(sent("/second") - sent("/first") >= 2_000, "{}", run.trace());
}

#[test]
fn without_steps_nobody_waits_unless_asked_to() {
    let objects = format!("{NAMESPACE}{}", workload("Deployment", "web", ""));
    let time = |wait: Wait| {
        let mut cluster = MemoryCluster::default();
        let slice = desired("web", &objects);
        let before = cluster.now();
        let plan = plan(&mut cluster, &slice);
        good(&carry_out(&mut cluster, &slice, plan, Options { wait, ..options() }, &Faults::none()));
        cluster.now() - before
    };
    assert!(time(Wait::Steps) < 1_500);
    assert!(time(Wait::Always) >= 2_000);
}

fn hooked(name: &str, phase: &str, more: &str) -> String {
    workload("Job", name, &format!("argocd.argoproj.io/hook: {phase}{more}"))
}

#[test]
fn hooks_run_in_their_phases_and_are_deleted_as_they_say() {
    let mut cluster = MemoryCluster::default();
    let policy = |policy: &str| format!(", argocd.argoproj.io/hook-delete-policy: {policy}");
    let objects = format!(
        "{}{}{}{}{}",
        hooked("before", "PreSync", &policy("HookSucceeded")),
        config("a", ""),
        hooked("after", "PostSync", ""),
        hooked("sad", "SyncFail", ""),
        "{apiVersion: batch/v1, kind: Job, metadata: {generateName: gen-, namespace: shop, annotations: {argocd.argoproj.io/hook: PostSync}}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}\n",
    );
    good(&apply(&mut cluster, &desired("ns", NAMESPACE)));
    let slice = desired("web", &objects);
    let run = apply(&mut cluster, &slice);
    assert_eq!(good(&run).counts.hooks, 3, "{}", run.trace());
    let order: Vec<String> = writes(&run).into_iter().filter(|write| write.starts_with("PATCH")).collect();
    assert_eq!(order[..2], ["PATCH before", "PATCH a"]);
    assert!(!there(&cluster, "Job", "before") && there(&cluster, "Job", "after") && !there(&cluster, "Job", "sad"));
    let generated = |cluster: &MemoryCluster| {
        let jobs = cluster.all().filter(|object| object.get("kind").and_then(Node::as_str) == Some("Job"));
        let names = jobs.filter_map(|object| object.at(&["metadata", "name"]).and_then(Node::as_str));
        names.filter(|name| name.starts_with("gen-") && name.contains("-postsync-")).count()
    };
    assert_eq!(generated(&cluster), 1);
    assert_eq!(parent_of(&mut cluster, &slice).expect("a parent").items.len(), 1, "hooks are in no inventory");
    // Again: the one of before goes first.
    let uid = |cluster: &MemoryCluster| {
        cluster.find("batch/v1", "Job", "shop", "after").and_then(|job| job.at(&["metadata", "uid"])?.smol())
    };
    let before = uid(&cluster);
    good(&apply(&mut cluster, &slice));
    assert_ne!(uid(&cluster), before);
    assert_eq!(slice.objects.iter().filter(|object| object.hook_delete == [HookDelete::BeforeHookCreation]).count(), 3);
}

#[test]
fn a_failed_hook_stops_the_sync_and_runs_the_hooks_of_failure() {
    let mut cluster = MemoryCluster::default();
    good(&apply(&mut cluster, &desired("ns", NAMESPACE)));
    let policy = ", argocd.argoproj.io/hook-delete-policy: HookFailed";
    let objects = format!(
        "{}{}{}",
        hooked("before", "PreSync", &format!("{policy}, {FAIL}: 'true'")),
        config("a", ""),
        hooked("sad", "SyncFail", "")
    );
    let slice = desired("web", &objects);
    let run = apply(&mut cluster, &slice);
    assert_eq!(run.result.as_ref().expect("a result").result, SliceResult::Failed);
    assert!(!there(&cluster, "ConfigMap", "a") && there(&cluster, "Job", "sad"), "{}", run.trace());
    assert!(!there(&cluster, "Job", "before"), "HookFailed deletes it");
    let record = Record::read(&parent_of(&mut cluster, &slice).expect("a parent").record);
    assert!(!record.installed && record.bundle.is_none(), "it runs again");
}

#[test]
fn a_foreign_object_with_the_name_of_a_hook_stays() {
    let mut cluster = MemoryCluster::default();
    good(&apply(&mut cluster, &desired("ns", NAMESPACE)));
    let body = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"before","namespace":"shop"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"other"}]}}}}"#;
    cluster.act("somebody", Method::Post, "/apis/batch/v1/namespaces/shop/jobs", body);
    let run = apply(&mut cluster, &desired("web", &hooked("before", "PreSync", "")));
    let outcome = run.result.as_ref().expect("a result");
    assert!(outcome.errors.iter().any(|(_, why)| why.contains("no hook of this application")), "{outcome:?}");
    assert!(cluster.removed().iter().all(|(id, _)| id.name != "before"));
}

#[test]
fn definitions_are_established_before_their_objects() {
    let mut cluster = MemoryCluster::default();
    let objects = format!(
        "{NAMESPACE}{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: one, namespace: shop}}}}\n---\n{}",
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.example.com}, spec: {group: example.com, scope: Namespaced, names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}\n"
    );
    let run = apply(&mut cluster, &desired("web", &objects));
    assert_eq!(good(&run).counts.created, 3);
    assert!(cluster.find("example.com/v1", "Widget", "shop", "one").is_some());
}

#[test]
fn a_removed_application_goes_and_its_parent_last() {
    let mut cluster = MemoryCluster::default();
    let slice = desired("web", &format!("{NAMESPACE}{}{}", config("a", ""), config("b", "")));
    good(&apply(&mut cluster, &slice));
    let empty = desired("web", "");
    let mut gone = plan(&mut cluster, &empty);
    gone.removal = true;
    for action in &mut gone.actions {
        if action.object.name == "b" {
            action.verb = Verb::Release;
        }
    }
    let run = carry_out(&mut cluster, &slice, gone, options(), &Faults::none());
    assert_eq!(good(&run).counts, Counts { deleted: 2, released: 1, ..Counts::default() }, "{}", run.trace());
    assert_eq!(writes(&run).last().map(String::as_str), Some("DELETE PARENT"));
    assert!(parent_of(&mut cluster, &slice).is_none());
}

#[test]
fn released_objects_stay_without_our_label() {
    let mut cluster = MemoryCluster::default();
    let slice = desired("web", &format!("{NAMESPACE}{}", config("a", "")));
    good(&apply(&mut cluster, &slice));
    let rest = desired("web", NAMESPACE);
    let mut plan = plan(&mut cluster, &rest);
    plan.actions.iter_mut().filter(|action| action.object.name == "a").for_each(|action| action.verb = Verb::Release);
    good(&carry_out(&mut cluster, &rest, plan, options(), &Faults::none()));
    let live = cluster.find("v1", "ConfigMap", "shop", "a").expect("it stays");
    assert!(live.at(&["metadata", "labels", PART_OF_LABEL]).is_none());
    assert_eq!(parent_of(&mut cluster, &slice).expect("a parent").items.len(), 1);
}

#[test]
fn what_moves_to_another_application_is_never_deleted() {
    let mut cluster = MemoryCluster::default();
    let old = desired("old", &format!("{NAMESPACE}{}", config("a", "")));
    good(&apply(&mut cluster, &old));
    let uid = |cluster: &MemoryCluster| {
        cluster.find("v1", "ConfigMap", "shop", "a").and_then(|o| o.at(&["metadata", "uid"])?.smol())
    };
    let before = uid(&cluster);
    let new = desired("new", &config("a", ""));
    let hand_over = |cluster: &mut MemoryCluster| {
        let rest = desired("old", NAMESPACE);
        let mut plan = plan(cluster, &rest);
        for action in plan.actions.iter_mut().filter(|action| action.object.name == "a") {
            action.verb = Verb::HandOver { to: new.key.application.clone() };
        }
        carry_out(cluster, &rest, plan, options(), &Faults::none())
    };
    let run = hand_over(&mut cluster);
    assert!(good(&run).notes.iter().any(|(_, note)| note.contains("not taken it over")));
    assert_eq!(parent_of(&mut cluster, &old).expect("a parent").items.len(), 2, "it stays listed until then");
    good(&apply(&mut cluster, &new));
    good(&hand_over(&mut cluster));
    assert_eq!(uid(&cluster), before);
    assert!(cluster.removed().iter().all(|(id, _)| id.name != "a"));
    assert_eq!(parent_of(&mut cluster, &old).expect("a parent").items.len(), 1);
    assert_eq!(parent_of(&mut cluster, &new).expect("a parent").items.len(), 1);
}

#[test]
fn what_cannot_be_changed_is_made_anew() {
    let mut cluster = MemoryCluster::default();
    let slice = desired("web", &format!("{NAMESPACE}{}", config("a", "")));
    good(&apply(&mut cluster, &slice));
    let slice = desired("web", &format!("{NAMESPACE}{}", config("a", ", labels: {x: y}")));
    let mut plan = plan(&mut cluster, &slice);
    for action in plan.actions.iter_mut().filter(|action| action.object.name == "a") {
        action.verb = Verb::Recreate;
    }
    let run = carry_out(&mut cluster, &slice, plan, options(), &Faults::none());
    assert_eq!(good(&run).counts.replaced, 1);
    assert_eq!(writes(&run), ["PUT PARENT", "DELETE a", "PATCH a", "PUT PARENT"]);
    let live = cluster.find("v1", "ConfigMap", "shop", "a").and_then(|o| o.at(&["metadata", "uid"])?.smol());
    let item =
        parent_of(&mut cluster, &slice).expect("a parent").item("", "ConfigMap", "shop", "a").map(|i| i.uid.clone());
    assert_eq!(item, live);
}

#[test]
fn what_is_overwritten_keeps_nothing_of_others() {
    let mut cluster = MemoryCluster::default();
    let slice = desired("web", &format!("{NAMESPACE}{}", config("a", "")));
    good(&apply(&mut cluster, &slice));
    cluster.act("somebody", Method::Patch, "/api/v1/namespaces/shop/configmaps/a", r#"{"data":{"more":"x"}}"#);
    let slice = desired("web", &format!("{NAMESPACE}{}", config("a", ", labels: {x: y}")));
    let mut plan = plan(&mut cluster, &slice);
    for action in plan.actions.iter_mut().filter(|action| action.object.name == "a") {
        action.verb = Verb::Overwrite;
    }
    good(&carry_out(&mut cluster, &slice, plan, options(), &Faults::none()));
    let live = cluster.find("v1", "ConfigMap", "shop", "a").expect("it is there");
    assert!(live.at(&["data", "more"]).is_none() && live.at(&["data", "a"]).is_some());
}

#[test]
fn two_applies_exclude_each_other_and_a_dead_one_is_succeeded() {
    let mut cluster = MemoryCluster::default();
    let slice = desired("web", &format!("{NAMESPACE}{}", config("a", "")));
    good(&apply(&mut cluster, &slice));
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/fleetc-system/leases/{}", slice.parent.name);
    let lease = |renewed: &str| {
        let name = &slice.parent.name;
        format!(
            r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"name":"{name}"}},"spec":{{"holderIdentity":"other","leaseDurationSeconds":15,"renewTime":"{renewed}"}}}}"#
        )
    };
    let stamp = |cluster: &MemoryCluster| {
        format!("{:.6}", jiff::Timestamp::from_millisecond(cluster.now() as i64).expect("a time"))
    };
    let collection = path.rsplit_once('/').expect("a path").0;
    let body = lease(&stamp(&cluster));
    cluster.act("other", Method::Post, collection, &body);
    // Its holder is dead: after its duration on our clock it is ours.
    let before = cluster.now();
    let run = apply(&mut cluster, &slice);
    good(&run);
    assert!((15_000..25_000).contains(&(cluster.now() - before)), "{}", cluster.now() - before);
    assert!(run.said.iter().any(|line| line.contains("other")));
    // One that is renewed is alive. The clock of a machine of which nothing is known is an hour behind.
    let body = lease("2025-12-31T23:59:00.000000Z");
    cluster.act("other", Method::Post, collection, &body);
    let plan = plan(&mut cluster, &slice);
    let options = options();
    let mut machine = Machine::new(move |port| async move {
        let client = Client::new(port, "");
        Lease::take(&client, &plan.parent_name, &options.holder).await.map(|_| ())
    });
    let mut events = Vec::new();
    let refused = loop {
        let step = machine.step(cluster.now(), std::mem::take(&mut events));
        if let Some(result) = step.result {
            break result;
        }
        for command in step.commands {
            match command {
                crate::machine::Command::Send { id, request } => {
                    let answer = Ok(cluster.answer(&request));
                    events.push(crate::machine::Event::Answered { id, answer });
                }
                crate::machine::Command::Wake { id, at } => {
                    cluster.advance(at);
                    let body = lease(&stamp(&cluster));
                    let renewal = Request::new(Method::Put, path.as_str()).body(Content::Json, body);
                    assert!(cluster.answer(&renewal).is_success());
                    events.push(crate::machine::Event::Woken { id });
                }
                crate::machine::Command::Say(_) => {}
            }
        }
    };
    // Ten durations old at first sight: dead. Renewed since it was seen: alive.
    assert!(refused.is_ok() || refused.as_ref().is_err_and(|why| why.to_string().contains("other")), "{refused:?}");
}

/// What is left of a run that ended anywhere: nothing that is ours is unknown to the parent.
fn nothing_is_forgotten(cluster: &mut MemoryCluster, slice: &DesiredSlice, what: &str) {
    let id = slice.parent.id();
    let listed: BTreeMap<ObjectRef, bool> = parent_of(cluster, slice)
        .map(|parent| parent.items.iter().map(|item| (item_reference(item), true)).collect())
        .unwrap_or_default();
    for object in cluster.all() {
        if object.at(&["metadata", "labels", PART_OF_LABEL]).and_then(Node::as_str) == Some(&id) {
            assert!(listed.contains_key(&ObjectRef::of(object)), "{what}: {} is forgotten", ObjectRef::of(object));
        }
    }
}

#[test]
fn after_any_fault_at_any_call_a_second_run_ends_well() {
    use crate::memory_cluster::Fault;
    let first = format!("{NAMESPACE}{}{}{}", config("a", ""), config("b", ""), workload("Deployment", "web", ""));
    let second = format!(
        "{NAMESPACE}{}{}{}{}",
        hooked("before", "PreSync", ""),
        config("a", ", labels: {x: y}"),
        config("c", ""),
        workload("Deployment", "web", "more: x")
    );
    let (first, second) = (desired("web", &first), desired("web", &second));
    let start = || {
        let mut cluster = MemoryCluster::default();
        good(&apply(&mut cluster, &first));
        cluster.act(
            "somebody",
            Method::Post,
            "/api/v1/namespaces/shop/configmaps",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"foreign"}}"#,
        );
        cluster
    };
    let mut cluster = start();
    let plan_of = |cluster: &mut MemoryCluster| plan(cluster, &second);
    let whole = plan_of(&mut cluster);
    let calls = carry_out(&mut cluster, &second, whole, options(), &Faults::none()).calls.len();
    let mut points = 0;
    for call in 0..calls {
        for fault in Fault::ALL {
            let what = format!("{fault:?} at call {call}");
            let mut cluster = start();
            let planned = plan_of(&mut cluster);
            carry_out(&mut cluster, &second, planned, options(), &Faults::at(call, fault));
            nothing_is_forgotten(&mut cluster, &second, &what);
            cluster.settle();
            // Another machine, another holder.
            let planned = plan_of(&mut cluster);
            let run = carry_out(
                &mut cluster,
                &second,
                planned,
                Options { holder: "next".into(), ..options() },
                &Faults::none(),
            );
            let outcome = run.result.as_ref().expect("a result");
            assert_eq!(outcome.result, SliceResult::Applied, "{what}: {outcome:?}\n{}", run.trace());
            assert!(there(&cluster, "ConfigMap", "foreign") && there(&cluster, "ConfigMap", "c"), "{what}");
            assert!(!there(&cluster, "ConfigMap", "b"), "{what}");
            let parent = parent_of(&mut cluster, &second).expect("a parent");
            assert_eq!(parent.items.len(), 4, "{what}");
            assert!(parent.items.iter().all(|item| !item.uid.is_empty()), "{what}");
            points += 1;
        }
    }
    assert!(points >= 100, "{points} points");
}
