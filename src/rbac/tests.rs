//! Against the answers of Argo CD 3.5.7 (`recorded.jsonl`: random policies, and questions that `util/rbac.Enforcer` was asked), and what is
//! found in policies.

use serde_json::Value;

use super::policy::parse;
use super::*;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

fn node(text: &str) -> Node {
    yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default()).unwrap().remove(0)
}

/// The lines of Argo CD, a policy and a project, and what is refused of the policy.
fn lines(policy: &str, project: &str) -> (Vec<Line>, Vec<Problem>) {
    let (mut lines, _) = parse(BUILTIN, &Source::Builtin);
    let (own, problems) = parse(policy, &Source::Policy);
    lines.extend(own);
    let (of_project, wrong) = parse(project, &Source::Project("p".to_owned()));
    // Argo CD goes on without the lines of a project when one of them is wrong.
    if wrong.is_empty() {
        lines.extend(of_project);
    }
    (lines, problems)
}

#[test]
fn answers_are_argo_cds() {
    let (mut asked, mut refused) = (0, 0);
    for (at, case) in include_str!("recorded.jsonl").lines().enumerate() {
        let case: Value = serde_json::from_str(case).unwrap();
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let (lines, problems) = lines(text("policy"), text("project"));
        if case.get("refused").is_some() {
            assert!(!problems.is_empty(), "case {at}: {}", text("policy"));
            refused += 1;
            continue;
        }
        assert_eq!(problems, [], "case {at}");
        let mode = if text("mode") == "regex" { Mode::Regex } else { Mode::Glob };
        let enforcer = Enforcer::new(&lines, text("default"), mode);
        for (question, answer) in case["questions"].as_array().unwrap().iter().zip(text("answers").chars()) {
            let part = |at: usize| question[at].as_str().unwrap();
            let verdict = enforcer.ask(part(0), part(1), part(2), part(3));
            assert_eq!(verdict.allowed, answer == 'y', "case {at}, {question}: {}\n{verdict:?}", text("policy"));
            asked += 1;
        }
    }
    assert!(asked > 3_500 && refused > 20, "{asked} asked, {refused} refused");
}

fn found(policy: &str, default_role: &str) -> Vec<String> {
    let (lines, problems) = lines(policy, "");
    assert_eq!(problems, []);
    let say = |(at, message, hint): (usize, String, Option<String>)| {
        format!("{}: {message}{}", lines[at].number, hint.map(|hint| format!(" ({hint})")).unwrap_or_default())
    };
    lint(&lines, default_role, Mode::Glob).into_iter().map(say).collect()
}

#[test]
fn what_has_no_effect_is_found() {
    let cases = [
        (
            "p, alice, applicatons, get, */*, allow",
            "1: no resource is called `applicatons` (did you mean `applications`",
        ),
        ("p, alice, applications, synch, */*, allow", "1: `applications` has no action `synch` (did you mean `sync`?)"),
        ("p, alice, logs, sync, */*, allow", "`logs` has no action `sync`"),
        ("p, alice, applications, sync, shop, allow", "`shop` never is (`shop/*` is everything"),
        ("p, alice, applications, sync, shop/*, allowed", "neither `allow` nor `deny`"),
        ("p, role:dev, applications, sync, shop/*, allow", "nobody has the role `role:dev`"),
        (
            "p, role:dev, applications, sync, shop/*, allow\ng, alice, role:dve",
            "2: `role:dve` may do nothing: no line speaks of it (did you mean `role:dev`",
        ),
        (
            "p, alice, applications, sync, shop/*, allow\np, alice, applications, sync, shop/web, allow",
            "2: it has no effect: line 1 says it already",
        ),
        (
            "p, alice, applications, *, */*, deny\np, alice, applications, sync, shop/web, allow",
            "2: it has no effect: line 1 denies all of it",
        ),
        ("g, alice, role:admin\ng, alice, role:admin", "2: it has no effect: line 1 says the same"),
        ("p, alice , applications, get, */*, allow", "the space after `alice` counts"),
        ("p, alice, applications, sync, sh[op/*, allow", "`sh[op/*` is no pattern"),
    ];
    for (policy, wanted) in cases {
        let found = found(policy, "");
        assert!(found.iter().any(|one| one.contains(wanted)), "{policy}: {found:?}");
    }
    let good = "p, role:dev, applications, sync, shop/*, allow\np, role:dev, applications, action/*, shop/*, allow\n\
        p, role:dev, applications, update/apps/Deployment/*, shop/*, deny\ng, team:dev, role:dev\np, bob, *, get, *, allow\n\
        p, role:base, logs, get, */*, allow\np, alice, clusters, get, https://1.2.3.4, allow\n";
    assert_eq!(found(good, "role:base"), Vec::<String>::new());
}

#[test]
fn policies_are_read_from_files_and_config_maps() {
    assert_eq!(Policy::read(b"p, a, b, c, d, allow\n").unwrap().text, "p, a, b, c, d, allow\n");
    assert_eq!(Policy::read(b"# only a comment\n").unwrap().text, "# only a comment\n");
    let map = "kind: ConfigMap\nmetadata: {name: argocd-rbac-cm}\ndata:\n  policy.b.csv: B\n  policy.csv: A\n  policy.default: role:readonly\n  policy.a.csv: C\n  policy.matchMode: regex\n  scopes: '[groups, email]'\n";
    let policy = Policy::read(map.as_bytes()).unwrap();
    assert_eq!(
        (policy.text.as_str(), policy.default_role.as_str(), policy.mode),
        ("A\nC\nB", "role:readonly", Mode::Regex)
    );
    assert!(Policy::read(b"kind: ConfigMap\nmetadata: {name: other}\n").is_err());
    let project = "metadata: {name: shop}\nspec:\n  roles:\n  - name: ci\n    policies: ['p, proj:shop:ci, applications, sync, shop/*, allow']\n    groups: [team-a]\n";
    assert_eq!(
        of_project(&node(project)),
        "p, proj:shop:ci, projects, get, shop, allow\np, proj:shop:ci, applications, sync, shop/*, allow\ng, team-a, proj:shop:ci"
    );
}

#[test]
fn roles_that_argo_cd_refuses_the_project_for() {
    let of = |line: &str| {
        let text = format!("metadata: {{name: shop}}\nspec: {{roles: [{{name: ci, policies: ['{line}']}}]}}\n");
        refused(&node(&text)).into_iter().map(|(_, why)| why).next().unwrap_or_default()
    };
    for good in [
        "p, proj:shop:ci, applications, sync, shop/*, allow",
        "p, proj:shop:ci, applications, action/apps/Deployment/restart, shop/argocd/web-*, deny",
        "p,proj:shop:ci,repositories,*,shop/*,allow",
    ] {
        assert_eq!(of(good), "", "{good}");
    }
    for (wrong, why) in [
        ("p, proj:shop:cd, applications, sync, shop/*, allow", "its subject must be `proj:shop:ci`"),
        ("p, proj:shop:ci, projects, get, shop/*, allow", "resources of projects are"),
        ("p, proj:shop:ci, applications, syn, shop/*, allow", "`syn` is no action"),
        ("p, proj:shop:ci, applications, sync, */*, allow", "its object must be"),
        ("p, proj:shop:ci, applications, sync, shop, allow", "its object must be"),
        ("p, proj:shop:ci, applications, sync, shop/a/b/c, allow", "its object must be"),
        ("p, proj:shop:ci, applications, sync, shop/*, yes", "neither with `allow`"),
        ("g, proj:shop:ci, role:admin", "not of the form"),
    ] {
        assert!(of(wrong).contains(why), "{wrong}: {}", of(wrong));
    }
}

#[test]
fn stars_that_kubernetes_does_not_expand() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nrules:\n\
        - {apiGroups: ['*', '*.example.com'], resources: ['*', '*/scale', 'pods*'], resourceNames: ['dev-*', '*', a], verbs: ['*', 'get*']}\n\
        - {nonResourceURLs: ['/healthz*', '*', '/a/*/b'], verbs: [get]}\n";
    let found = unexpanded(&node(role));
    let found: Vec<String> = found.into_iter().map(|(field, text)| format!("{field} {text}")).collect();
    assert_eq!(
        found,
        [
            "apiGroups *.example.com",
            "resources pods*",
            "resourceNames dev-*",
            "resourceNames *",
            "verbs get*",
            "nonResourceURLs /a/*/b"
        ]
    );
    assert!(unexpanded(&node("apiVersion: v1\nkind: ConfigMap\nrules: [{resourceNames: ['*']}]\n")).is_empty());
}
