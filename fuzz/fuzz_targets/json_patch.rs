//! Any patch, JSON 6902 or strategic, over fixed objects: by a target, and as a file without one.
#![no_main]

use fleetc::memory_world::MemoryWorld;
use fleetc::render::kustomize::{Options, Tools, build};
use libfuzzer_sys::fuzz_target;

const OBJECTS: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations: {a/b: c, x~y: z}\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - name: web\n        image: nginx\n        ports: [{containerPort: 80}, {containerPort: 81, protocol: UDP}]\n        env: [{name: A, value: b}]\n      volumes: [{name: v, emptyDir: {}}]\n---\napiVersion: example.com/v1\nkind: Thing\nmetadata: {name: thing}\nspec: {list: [1, 2.5, a, null, {b: [c]}], empty: {}}\n";

fuzz_target!(|data: &[u8]| {
    let Ok(patch) = std::str::from_utf8(data) else { return };
    for kustomization in [
        "resources: [objects.yaml]\npatches:\n- path: patch.yaml\n  target: {name: .*}\n",
        "resources: [objects.yaml]\npatches:\n- path: patch.yaml\n",
    ] {
        let files = [("kustomization.yaml", kustomization), ("objects.yaml", OBJECTS), ("patch.yaml", patch)];
        let Ok((world, root)) = MemoryWorld::of(files) else { return };
        if let Ok(rendered) = build(&world, &root, &Options::default(), &Tools::default()) {
            std::hint::black_box(rendered.to_yaml());
        }
    }
});
