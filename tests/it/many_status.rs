//! `fleetc status` of two hundred clusters, of which one hangs, one fails, and on one somebody was at work: short, and soon there.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use fleetc::api::Method;

use crate::control_plane::fleet::Fleet;
use crate::e2e_slices::config_map;
use crate::many_clusters::server::{Mood, Served, serve};

const CLUSTERS: usize = 200;
const HANGS: usize = 17;
const FAILS: usize = 42;
const EDITED: usize = 99;

#[test]
fn what_is_not_fine_of_two_hundred_clusters_is_a_few_lines() {
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let served: Vec<Served> = (0..CLUSTERS)
        .map(|at| {
            let mood = match at {
                HANGS => Mood::Hangs,
                FAILS => Mood::Fails,
                _ => Mood::Well,
            };
            serve(&servers, u32::try_from(at).unwrap() + 1, mood)
        })
        .collect();
    let urls: Vec<(String, String)> = served.iter().map(|one| (one.url.clone(), String::new())).collect();
    let fleet = Fleet::reaching("many-status", &urls);
    let mut applications = String::new();
    for at in 0..CLUSTERS {
        applications.push_str(&format!(
            "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: web-{at}, namespace: argocd}}\n\
             spec: {{project: default, source: {{repoURL: {}, path: apps/web, targetRevision: HEAD}}, \
             destination: {{name: c{at}, namespace: shop}}, syncPolicy: {{syncOptions: [CreateNamespace=true]}}}}\n",
            crate::control_plane::fleet::REPOSITORY
        ));
    }
    fleet.write("apps.yaml", &applications);
    fleet.write("apps/web/a.yaml", &config_map("settings", "one"));
    let others = format!("-l place!=c{HANGS},place!=c{FAILS}");
    fleet.apply(&format!("{others} --max-removals 0")).expect(0);
    {
        let mut cluster = served[EDITED].cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let path = "/api/v1/namespaces/shop/configmaps/settings";
        assert!(cluster.act("kubectl-edit", Method::Patch, path, r#"{"data":{"value":"mine"}}"#).is_success());
    }
    let begin = Instant::now();
    let ran = fleet.run("status . --timeout 10").expect(0);
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    let first = ran.stdout.lines().next().unwrap_or_default();
    let expected = "200 clusters, 2 of which could not be asked; 198 applications: 1 Drifted, 197 Synced; 198 Healthy";
    assert_eq!(first, expected, "{}", ran.stdout);
    let rows: Vec<&str> = ran.stdout.lines().skip(3).collect();
    assert_eq!(rows.len(), 3, "{}", ran.stdout);
    for (row, parts) in rows.iter().zip([["c17 ", "Unknown"], ["c42 ", "Unknown"], ["c99 ", "Drifted"]]) {
        assert!(row.starts_with(parts[0]) && row.contains(parts[1]), "{}", ran.stdout);
    }
    let wide = fleet.run(&format!("status . {others} -o wide")).expect(0);
    assert_eq!(wide.stdout.lines().filter(|line| line.contains(" web-")).count(), 198);
    let ran = fleet.run(&format!("drift . {others}")).expect(1);
    assert!(ran.stdout.contains("by kubectl-edit") && ran.stdout.contains("web-99 on c99"), "{}", ran.stdout);
}
