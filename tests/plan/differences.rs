//! `plan --diff`: what files and units say now beside what they will say.

use serde_json::Value;

use super::applied::Small;

#[test]
fn what_differs_is_shown_once_for_hosts_that_are_alike() {
    let small = Small::new();
    let facts = small.applied();
    small.change("word = one", "word = two");
    insta::assert_snapshot!(small.said(&facts, &["plan", "--diff"]), @"");
}

#[test]
fn what_is_new_and_what_is_gone_is_shown_whole() {
    let small = Small::new();
    let facts = small.applied();
    let start = super::applied::SPEC.find("    mount").unwrap();
    small.write("specs/small.kdl", &format!("{}\n}}\n", &super::applied::SPEC[..start]));
    insta::assert_snapshot!(small.said(&facts, &["plan", "--diff", "--limit", "a"]), @"");
}

#[test]
fn a_text_that_is_on_no_host_any_more_is_said_and_differences_are_in_the_document() {
    let small = Small::new();
    let facts = small.applied();
    small.forget();
    small.change("word = one", "word = two");
    let output = small.run(&facts, &["--json", "plan", "--diff"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let differences = document["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2, "{differences:?}");
    for difference in differences {
        assert_eq!(difference["text"], "the host no longer has its old text, or was not asked\n");
        assert_eq!(difference["hosts"], serde_json::json!(["a", "b"]));
    }
    // They are no part of what a plan is.
    let plain: Value = serde_json::from_slice(&small.run(&facts, &["--json", "plan"]).stdout).unwrap();
    assert_eq!(plain["id"], document["id"]);
    assert!(plain.get("differences").is_none());
}
