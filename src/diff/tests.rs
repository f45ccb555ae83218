//! What comparisons show once, recognise and never hide.

use super::report::{human, markdown, summary};
use super::*;
use crate::bundle::{Index, SourceRecord, in_order};
use crate::digest::Digest;
use crate::report::Detail;

/// An application with one file.
fn entry(name: &str, text: &str) -> (Entry, String, Arc<str>) {
    let path = format!("apps/{name}.yaml");
    let key = AppKey { instance: String::new(), namespace: "argocd".into(), name: name.into() };
    let entry = Entry {
        key,
        state: State::Ok,
        why: String::new(),
        project: "default".into(),
        project_known: true,
        impersonate: None,
        windows: Vec::new(),
        application_set: String::new(),
        step: None,
        parent: None,
        sources: vec![SourceRecord { repo_url: "https://g/r".into(), path: name.into(), ..SourceRecord::default() }],
        namespace: "shop".into(),
        sync_policy: None,
        sync_options: Vec::new(),
        finalizers: Vec::new(),
        ignore_differences: None,
        wave: 0,
        namespaces: Vec::new(),
        declares: Vec::new(),
        excluded: Vec::new(),
        facts: Default::default(),
        yields: Vec::new(),
        files: [(path.clone(), Digest::of(text.as_bytes()))].into(),
        shown: BTreeMap::new(),
    };
    (entry, path, Arc::from(text))
}

/// A side: clusters with applications, each with the text of its objects.
fn side(clusters: &[(&str, &[(&str, &str)])]) -> Side {
    let mut side = Side::new();
    for (cluster, applications) in clusters {
        let mut contents =
            Contents { index: Index { cluster: (*cluster).into(), ..Index::default() }, texts: BTreeMap::new() };
        for (name, text) in *applications {
            let (entry, path, text) = entry(name, text);
            contents.index.applications.push(entry);
            contents.texts.insert(path, text);
        }
        side.insert((*cluster).to_owned(), contents);
    }
    side
}

fn compared(before: &Side, after: &Side) -> Comparison {
    compare(before, after, &in_order)
}

fn text(before: &Side, after: &Side) -> String {
    human(&compared(before, after), Detail::default())
}

fn deployment(namespace: &str, image: &str, labels: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}, labels: {{{labels}}}}}\nspec:\n  \
         template: {{spec: {{containers: [{{name: web, image: '{image}'}}]}}}}\n"
    )
}

#[test]
fn a_change_of_one_base_is_one_change_wherever_it_is() {
    let names: Vec<String> = (0..300).map(|at| format!("c{at:03}")).collect();
    let of = |image: &str| -> Side {
        let all = names.iter().map(|name| {
            // Each cluster has a namespace and an application of its own.
            let object = deployment(&format!("shop-{name}"), image, "");
            let app = format!("web-{name}");
            let mut one = side(&[(
                name,
                &[(&app, &object), ("other", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")],
            )]);
            (name.clone(), one.remove(name).expect("the cluster"))
        });
        all.collect()
    };
    let comparison = compared(&of("web:1"), &of("web:2"));
    assert_eq!(comparison.changes.len(), 1);
    assert_eq!(comparison.changes[0].places.len(), 300);
    assert_eq!(summary(&comparison), "1 change on 300 clusters, of 600 applications");
    let shown = human(&comparison, Detail::default());
    assert_eq!(
        shown,
        "\
web-* on 300 clusters: c000, c001, c002, c003, c004, c005 and 294 more
  ~ change Deployment.apps web in 300 namespaces
    ~ .spec.template.spec.containers[name=web].image: web:1 → web:2

1 change on 300 clusters, of 600 applications
"
    );
}

#[test]
fn applications_come_and_leave_and_what_is_dangerous_is_shown() {
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: db}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: db}\n";
    let before = side(&[("eu", &[("db", claim)]), ("us", &[("db", claim)]), ("old", &[])]);
    let after = side(&[("eu", &[("new", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")]), ("us", &[])]);
    assert_eq!(
        text(&before, &after),
        "\
- 1 cluster leaves: old
- leaves: db on 2 clusters: eu, us (2 objects each)
+ comes: new on eu (1 object)

db on 2 clusters: eu, us
  - remove PersistentVolumeClaim db/data with its application
    ! danger: its data may go with it [danger/volume-goes]

2 applications leave, 1 application comes, 1 danger, of 3 applications
"
    );
}

#[test]
fn hashes_in_names_are_changes_and_objects_between_applications_move() {
    let config = |hash: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: conf-{hash}, namespace: x}}\ndata: {{a: '{value}'}}\n"
        )
    };
    let shared = "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: x}\n";
    let before = side(&[("c", &[("a", &config("78bk9459cb", "1")), ("b", shared)])]);
    let after = side(&[("c", &[("a", &format!("{}---\n{shared}", config("2fd7hm8g4t", "2"))), ("b", "")])]);
    assert_eq!(
        text(&before, &after),
        "\
a on c
  ~ rename ConfigMap x/conf-2fd7hm8g4t (was conf-78bk9459cb)
    ~ .data.a: 1 → 2
    ~ .metadata.name: conf-78bk9459cb → conf-2fd7hm8g4t
  ~ move Service x/s (from the application b)

2 changes on 1 cluster, of 2 applications
"
    );
    // Names that only look alike are two objects.
    let after = side(&[("c", &[("a", &config("somethings", "2")), ("b", shared)])]);
    let comparison = compared(&before, &after);
    let what: Vec<&str> = comparison.changes.iter().map(|change| change.what.name()).collect();
    assert_eq!(what, ["remove", "add"]);
}

#[test]
fn labels_of_charts_are_folded_and_never_lost() {
    let of = |version: &str, image: &str| {
        let labels = format!("helm.sh/chart: web-{version}");
        side(&[(
            "c",
            &[("a", &format!("{}---\n{}", deployment("x", image, &labels), deployment("y", "same", &labels)))],
        )])
    };
    assert_eq!(
        text(&of("1", "web:1"), &of("2", "web:2")),
        "\
a on c
  ~ change Deployment.apps x/web
    ~ .metadata.labels[\"helm.sh/chart\"]: web-1 → web-2
    ~ .spec.template.spec.containers[name=web].image: web:1 → web:2

= 1 object on 1 cluster: only helm.sh/chart
1 change on 1 cluster, 1 change that says nothing, of 1 application
"
    );
    let verbose = human(&compared(&of("1", "i"), &of("2", "i")), Detail { verbose: true, color: false });
    assert!(verbose.contains("= only helm.sh/chart\n    ~ .metadata.labels"), "{verbose}");
}

#[test]
fn values_of_secrets_are_masked_in_every_form() {
    let of = |value: &str| {
        let object = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{p: {value}}}\n");
        side(&[("c", &[("a", &object)])])
    };
    let comparison = compared(&of("hunter1"), &of("hunter2"));
    let forms = [human(&comparison, Detail { verbose: true, color: true }), markdown(&comparison)];
    for form in forms {
        assert!(!form.contains("hunter") && form.contains("another value"), "{form}");
    }
}

#[test]
fn what_could_not_be_rendered_is_no_removal() {
    let before = side(&[("c", &[("a", &deployment("x", "web:1", ""))])]);
    let mut after = before.clone();
    let entry = after.get_mut("c").and_then(|contents| contents.index.applications.first_mut()).expect("the entry");
    (entry.state, entry.why) = (State::Absent, "render: no such folder".into());
    entry.files.clear();
    assert_eq!(
        text(&before, &after),
        "! a on c: could not be rendered after: render: no such folder\n1 application could not be compared, of 1 application\n"
    );
}

#[test]
fn markdown_stays_within_its_budget_and_keeps_the_dangers() {
    let many = |image: &str| -> String {
        let one = |at: usize| {
            deployment(&format!("n{at}"), &format!("{image}-{at}"), "").replace("name: web,", &format!("name: w{at},"))
        };
        (0..400).map(|at| format!("---\n{}", one(at))).collect()
    };
    let zero = |replicas: u8| {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: zero}}\nspec: {{replicas: {replicas}}}\n"
        )
    };
    let before = side(&[("c", &[("a", &format!("{}{}", many("web:1"), zero(3)))])]);
    let after = side(&[("c", &[("a", &format!("{}{}", many("web:2"), zero(0)))])]);
    let comparison = compared(&before, &after);
    for budget in [1500, 4000, 20_000] {
        let text = super::report::within(&comparison, budget);
        assert!(text.len() <= budget, "{} of {budget}", text.len());
        assert!(text.contains("401 changes on 1 cluster, 1 danger"), "{text}");
        assert!(text.contains("nothing of it runs any more"), "{text}");
        assert!(text.contains("that have no room here"), "{text}");
    }
}

#[test]
fn many_values_of_one_path_are_one_change_with_an_example() {
    let of = |suffix: &str| -> Side {
        let names = ["a", "b", "c", "d", "e"];
        let all = names.map(|name| {
            let mut one = side(&[(name, &[("web", &deployment("x", &format!("{name}:{suffix}"), ""))])]);
            (name.to_owned(), one.remove(name).expect("the cluster"))
        });
        all.into_iter().collect()
    };
    assert_eq!(
        text(&of("1"), &of("2")),
        "\
web on 5 clusters: a, b, c, d, e
  ~ change Deployment.apps x/web, with 5 sets of values, such as
    ~ .spec.template.spec.containers[name=web].image: a:1 → a:2

1 change on 5 clusters, of 5 applications
"
    );
}
