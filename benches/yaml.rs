//! How fast YAML is read and printed: `cargo bench --no-default-features --bench yaml -- FILE…`, or over a text made here.
//!
//! Prints megabytes a second (best of several runs) of reading to nodes, of printing, and the memory that a node takes.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures: it reads files, looks at the clock and prints"
)]

use std::time::Instant;

use fleetc::span::FileId;
use fleetc::yaml::{Dialect, Limits, Node, View, emit, parse};

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let texts: Vec<Vec<u8>> = if files.is_empty() {
        vec![made()]
    } else {
        files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let megabytes = texts.iter().map(Vec::len).sum::<usize>() as f64 / 1e6;
    let read = || -> Vec<Node> {
        texts
            .iter()
            .flat_map(|text| parse(FileId::NONE, text, Dialect::V3, &Limits::default()).documents)
            .map(|document| document.root)
            .collect()
    };
    let before = resident();
    let nodes = read();
    let taken = resident().saturating_sub(before);
    let count: usize = nodes.iter().map(size).sum();
    let reading = best(|| {
        std::hint::black_box(read());
    });
    let mut out = String::new();
    let printing = best(|| {
        out.clear();
        for node in &nodes {
            emit::to_yaml_into(node, &mut out);
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let printed = out.len() as f64 / 1e6;
    println!("{} files, {megabytes:.1} MB, {} documents, {count} nodes", texts.len(), nodes.len());
    println!("read   {:7.1} MB/s", megabytes / reading);
    println!("print  {:7.1} MB/s", printed / printing);
    println!(
        "memory {:7.1} bytes a node ({} bytes in the node itself)",
        taken as f64 / count.max(1) as f64,
        size_of::<Node>()
    );
}

/// Seconds of the best run, on the processor where the system says so: other programs do not count then.
fn best(mut run: impl FnMut()) -> f64 {
    (0..9)
        .map(|_| {
            let (start, clock) = (on_processor(), Instant::now());
            run();
            match (start, on_processor()) {
                (Some(start), Some(end)) if end > start => end - start,
                _ => clock.elapsed().as_secs_f64(),
            }
        })
        .fold(f64::INFINITY, f64::min)
}

/// Seconds that this thread has been running.
fn on_processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn size(node: &Node) -> usize {
    1 + match node.view() {
        View::Scalar(..) => 0,
        View::Seq(items) => items.iter().map(size).sum(),
        View::Map(map) => map.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}

/// Resident bytes of this process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()));
    pages.unwrap_or(0) * 4096
}

fn made() -> Vec<u8> {
    let mut text = String::new();
    for at in 0..4000 {
        text.push_str(&format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{at}\n  namespace: \"team-{}\"\n  labels:\n    app.kubernetes.io/name: app-{at}\n  annotations:\n    description: a longer text with several words that says what this application is for, and for whom\nspec:\n  replicas: {}\n  selector:\n    matchLabels: {{app: app-{at}}}\n  template:\n    spec:\n      containers:\n      - name: main\n        image: registry.example.com/team/app:v1.{at}.0\n        args: ['--port', \"8080\"]\n        ports:\n        - containerPort: 8080\n        resources:\n          limits:\n            cpu: 500m\n            memory: 512Mi\n        command:\n        - /bin/sh\n        - -c\n        - |\n          set -e\n          exec main --config /etc/config.yaml\n",
            at % 40,
            at % 5
        ));
    }
    text.into_bytes()
}
