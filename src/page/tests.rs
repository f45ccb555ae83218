//! The text of a page: hostile names stay text, the policy fits what is in the file, equal pages have equal bytes; and the small rules of
//! packing. What the script makes of it is tested in a browser (`tests/it/pages.rs`).

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Change, Content, Object, Origin, Page, SCRIPT, STYLE, Site, Slice, Status, html};
use crate::application::AppKey;
use crate::bundle::{self, ObjectRef};

const HOSTILE: &str = "</script><script>alert(1)</script><!-- \" ' & \u{2028}\u{202e} {{index}}";

fn slice(name: &str) -> Slice {
    Slice {
        site: 0,
        key: AppKey { instance: String::new(), namespace: "argocd".to_owned(), name: name.to_owned() },
        project: "default".to_owned(),
        namespace: String::new(),
        set: String::new(),
        sources: Vec::new(),
        made: Vec::new(),
        status: Status::Fine,
        danger: false,
        notes: vec![HOSTILE.to_owned()],
        before: None,
        after: Some(0),
    }
}

fn page() -> Page {
    let reference = ObjectRef { group: "".into(), kind: "ConfigMap".into(), namespace: "".into(), name: "a".into() };
    let object =
        Object { reference, text: format!("data: {HOSTILE}\n"), images: Vec::new(), origin: Some(Origin::default()) };
    Page {
        title: HOSTILE.to_owned(),
        summary: HOSTILE.to_owned(),
        facts: vec![(HOSTILE.to_owned(), HOSTILE.to_owned())],
        sites: vec![Site { name: HOSTILE.to_owned(), ..Site::default() }],
        slices: vec![slice(HOSTILE), slice("web")],
        contents: vec![Content { objects: vec![object.clone(), object] }],
        changes: vec![Change { what: HOSTILE.to_owned(), places: vec![0, 1], ..Change::default() }],
        remarks: vec![("plain", HOSTILE.to_owned())],
        ..Page::default()
    }
}

/// What lies between two texts, the first time.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or("", |(inside, _)| inside)
}

fn unpacked(html: &str, id: &str) -> serde_json::Value {
    let packed = STANDARD.decode(between(html, &format!("id=\"{id}\">"), "<")).expect("base64");
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("deflated");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn hostile_names_stay_text() {
    let text = html(&page(), &bundle::in_order);
    assert!(!text.contains("alert(1)</script>") && !text.contains('\u{202e}') && !text.contains('\u{2028}'));
    assert_eq!(between(&text, "<title>", "</title>").matches('<').count(), 0);
    assert!(text.contains("&lt;/script&gt;&lt;script&gt;alert(1)"), "{}", between(&text, "<h1>", "</h1>"));
    // The index, one block of objects, the script; and nothing was put in twice.
    assert_eq!((text.matches("<script").count(), text.matches("</script>").count()), (3, 3));
    assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style") && !SCRIPT.contains("innerHTML"));
    let index = unpacked(&text, "index");
    assert_eq!(index["summary"], HOSTILE);
    assert_eq!(unpacked(&text, "block-0")[0], format!("data: {HOSTILE}\n"));
}

#[test]
fn the_policy_lets_this_script_and_this_style_only() {
    let text = html(&page(), &bundle::in_order);
    let policy = between(&text, "Content-Security-Policy\" content=\"", "\"");
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let script = text.rsplit_once("<script>").and_then(|(_, rest)| rest.split_once("</script>")).map_or("", |(s, _)| s);
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains(&format!("script-src {};", hash(script))), "{policy}");
    assert!(policy.contains(&format!("style-src {};", hash(between(&text, "<style>", "</style>")))), "{policy}");
    // Nothing is fetched: every address in the file is a fragment or empty data.
    for attribute in ["src=\"", "href=\""] {
        for value in text.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(value.starts_with('#') || value == "data:,", "{attribute}{value}");
        }
    }
}

#[test]
fn equal_pages_have_equal_bytes_and_equal_objects_are_there_once() {
    assert_eq!(html(&page(), &bundle::in_order), html(&page(), &bundle::in_order));
    let text = html(&page(), &bundle::in_order);
    let index = unpacked(&text, "index");
    let content = index["contents"][0].as_array().expect("numbers");
    assert_eq!((content.len(), &content[4], &content[11]), (14, &content[11], &content[4]));
    assert_eq!(unpacked(&text, "block-0").as_array().map(Vec::len), Some(2));
    assert_eq!(index["changes"][0]["places"], serde_json::json!([0, 2]));
}

/// Cluster, application, and the name that the rows of the map have.
const FAMILIES: [(&str, &str, &str); 8] = [
    ("b", "web-b", "web"),
    ("eu", "neu-eu-web", "neu-web"),
    ("prod-eu", "web-prod-eu", "web"),
    ("prod-eu", "prod-eu-web", "web"),
    ("prod-eu", "a-prod-eu-b", "a-b"),
    ("prod-eu", "web", "web"),
    ("prod-eu", "prod-eu", "prod-eu"),
    ("", "web", "web"),
];

#[test]
fn rows_of_the_map_leave_the_cluster_out_of_names() {
    for (cluster, name, family) in FAMILIES {
        let site = Site { name: cluster.to_owned(), ..Site::default() };
        let page = Page { sites: vec![site], slices: vec![slice(name)], ..Page::default() };
        let index = unpacked(&html(&page, &bundle::in_order), "index");
        let number = index["slices"]["family"][0].as_u64().expect("a number");
        assert_eq!(index["texts"][usize::try_from(number).expect("small")], family, "{name} on {cluster}");
    }
}
