//! Any declarations in a small fleet: read, then expanded.
#![no_main]

use fleetc::expand::expand;
use fleetc::memory_world::MemoryWorld;
use fleetc::read::{ReadOptions, fleet, survey};
use libfuzzer_sys::fuzz_target;

const CLUSTERS: &str = "apiVersion: fleetc.dev/v1\nkind: Fleet\nclusters:\n- {name: one, server: 'https://one', labels: {env: prod}, annotations: {a: b}}\n- {name: two, server: 'https://two', labels: {env: dev}}\n";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files = [
        ("fleet.yaml", CLUSTERS),
        ("sets.yaml", text),
        ("apps/a/config.json", "{\"name\": \"a\", \"n\": 1, \"list\": [{\"b\": \"c\"}]}"),
        ("apps/b/config.yaml", "name: b\nwave: 2\n"),
    ];
    let Ok((mut world, root)) = MemoryWorld::of(files) else { return };
    for revision in ["", "HEAD"] {
        world.answer("https://git.example.com/r.git", revision, &root, "0123456789012345678901234567890123456789", true);
    }
    let found = fleet(survey(&world, &root, &ReadOptions::default()).value, Vec::new()).value;
    std::hint::black_box(expand(&found, &found.applications, &found.application_sets, &world));
});
