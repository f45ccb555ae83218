//! What reports show once, fold, and never leave out.

use super::*;
use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::digest::Digest;
use crate::inventory::{ParentName, SliceKey};
use crate::k8s::object::Gvk;
use crate::plan::{ChangedField, Propagation, Record};
use crate::yaml::Node;

fn slice(app: &str, actions: Vec<Action>) -> SlicePlan {
    let application = AppKey { instance: String::new(), namespace: "argocd".into(), name: app.into() };
    let key = SliceKey { fleet: "platform".into(), application };
    SlicePlan {
        project: "default".into(),
        status: Status::Ready,
        removal: false,
        withheld: None,
        bundle: None,
        parent_name: ParentName::of(&key, "fleetc-system"),
        parent: None,
        record: Record::default(),
        actions,
        same: Vec::new(),
        digest: Digest::of(b""),
        notes: Vec::new(),
        key,
    }
}

fn action(object: &str, verb: Verb) -> Action {
    let object = ObjectRef::parse(object).expect("a reference");
    let gvk = Gvk { group: object.group.clone(), version: "v1".into(), kind: object.kind.clone() };
    Action::new(object, gvk, verb)
}

fn change(object: &str, path: &str, before: &str, after: &str) -> Action {
    let mut action = action(object, Verb::Change);
    action.changes.push(ChangedField {
        path: path.into(),
        before: Some(Node::str(before)),
        after: Some(Node::str(after)),
    });
    action
}

fn cluster(name: &str, slices: Vec<SlicePlan>) -> ClusterPlan {
    ClusterPlan { cluster: name.into(), identity: format!("uid of {name}"), slices, ..ClusterPlan::default() }
}

const IMAGE: &str = ".spec.template.spec.containers[name=web].image";

#[test]
fn equal_changes_are_shown_once() {
    let image = |tag: &str| change("Deployment.apps shop/web", IMAGE, "web:1", tag);
    let plans = [
        cluster("eu-1", vec![slice("shop", vec![image("web:2"), action("ConfigMap shop/eu", Verb::Create)])]),
        cluster("eu-2", vec![slice("shop", vec![image("web:2")])]),
        cluster("us-1", vec![slice("shop", vec![image("web:3")]), slice("other", vec![image("web:2")])]),
    ];
    let text = human(&plans, Detail::default());
    assert_eq!(
        text,
        "\
3 applications: other@us-1, shop@eu-1, shop@eu-2
  ~ change Deployment.apps shop/web
    ~ .spec.template.spec.containers[name=web].image: web:1 → web:2

shop on eu-1
  + create ConfigMap shop/eu

shop on us-1
  ~ change Deployment.apps shop/web
    ~ .spec.template.spec.containers[name=web].image: web:1 → web:3

4 applications on 3 clusters; 4 with changes; 4 to change, 1 to create
"
    );
}

#[test]
fn noise_is_folded_and_dangers_are_not() {
    let label =
        |at: usize| change(&format!("Service shop/s{at}"), ".metadata.labels[\"helm.sh/chart\"]", "web-1", "web-2");
    let mut all: Vec<Action> = (0..8).map(label).collect();
    all.push(change("Service shop/real", ".metadata.labels.chart-name", "a", "b"));
    let mut kept = action("ConfigMap shop/old", Verb::Keep);
    kept.why = "prune off".into();
    all.push(kept);
    let mut dangerous = label(9);
    dangerous.dangers.add("danger/service-goes", "its addresses go with it");
    all.push(dangerous);
    for (at, action) in all.iter_mut().enumerate() {
        action.place.position = at;
    }
    let plans = [cluster("eu", vec![slice("shop", all)])];
    let text = human(&plans, Detail::default());
    assert!(text.contains("~ change 8 objects (only helm.sh/chart): Service shop/s0, Service shop/s1"), "{text}");
    assert!(
        text.contains("chart-name: a → b") && text.contains("! danger: its addresses go with it [danger/service-goes]"),
        "{text}"
    );
    assert!(text.contains("= keep ConfigMap shop/old (prune off)"), "{text}");
    assert!(human(&plans, Detail { verbose: true, ..Detail::default() }).contains("Service shop/s7\n"));
}

#[test]
fn states_and_refusals_are_said() {
    let mut held = slice("held", Vec::new());
    held.status = Status::Held("render: no kustomization".into());
    let mut gone = slice("gone", vec![action("ConfigMap shop/a", Verb::Delete(Propagation::Foreground))]);
    gone.removal = true;
    gone.withheld = Some("2 applications leave".into());
    let mut failed = cluster("far", Vec::new());
    failed.failed = Some("connection refused".into());
    let plans = [cluster("eu", vec![held.clone(), gone]), cluster("us", vec![held]), failed];
    let text = human(&plans, Detail::default());
    assert!(
        text.contains(
            "gone on eu: removed from the fleet (withheld: 2 applications leave)\n  - delete ConfigMap shop/a"
        ),
        "{text}"
    );
    assert!(text.contains("held on 2 clusters: eu, us: held: render: no kustomization"), "{text}");
    assert!(text.contains("cluster far could not be planned: connection refused"), "{text}");
    assert_eq!(counts(&plans).withheld, 1);
}

#[test]
fn texts_are_compared_by_line_and_nothing_reaches_the_terminal() {
    let before = "a\nb\nc\nd\n";
    let after = "a\nB\x1b[2Jx\nc\nd\n";
    let plans = [cluster("eu", vec![slice("shop", vec![change("ConfigMap shop/a", ".data[\"x\"]", before, after)])])];
    let text = human(&plans, Detail::default());
    assert!(
        text.contains("      - b\n      + B\\u{1b}[2Jx\n") && !text.contains("- c") && !text.contains('\x1b'),
        "{text}"
    );
}

#[test]
fn markdown_fits_into_a_comment() {
    let many: Vec<ClusterPlan> = (0..400)
        .map(|at| {
            let text = format!("web:{at} ``` `{}`", "x".repeat(300));
            let mut actions = vec![change("Deployment.apps shop/web", IMAGE, "web:1", &text)];
            if at == 399 {
                actions.push(action("Namespace shop", Verb::Delete(Propagation::Foreground)));
                actions[1].dangers.add("danger/namespace-goes", "everything in it goes with it");
            }
            cluster(&format!("c{at:03}"), vec![slice("shop", actions)])
        })
        .collect();
    let text = markdown(&many, &Rollout::default());
    assert!(text.len() <= 60_000 && text.len() > 30_000, "{}", text.len());
    assert!(text.contains("everything in it goes with it"), "a danger is never cut");
    assert!(
        text.contains("400 applications on 400 clusters")
            && text.contains("````diff")
            && text.contains("not shown in full"),
        "{text}"
    );
    let tiny = super::markdown::within(&many, &Rollout::default(), 700);
    assert!(tiny.len() <= 700 && tiny.contains("and more"), "{tiny}");
    let one = [cluster("eu", vec![slice("a_b<i>", vec![action("ConfigMap shop/a", Verb::Create)])])];
    assert!(
        markdown(&one, &Rollout::default())
            .contains("#### a\\_b&lt;i> on eu\n\n```diff\n+  + create ConfigMap shop/a\n```"),
        "{}",
        markdown(&one, &Rollout::default())
    );
}
