//! YAML that wharf writes, beside PyYAML's reading of it.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use wharf::config::document::{Document, Syntax};

use super::{ask, many, python};

/// JSON values whose texts are what YAML is apt to take for something else.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        3 => "[a-zA-Z0-9 :#,.&*!|>'\"%@`?~=\n\t\\[\\]{}_+-]{0,8}",
        2 => "no|yes|on|off|y|n|null|~|true|NO|012|0o14|1e3|0x1f|1_0|2026-01-01|1:30|12:30:45|<<|=|\\.inf|---|- a|\\.\\.\\.|\\+1|\\.5|0b1",
        1 => "[ü😀\u{85}\u{a0}\u{2028}\u{feff}\u{7f}a]{0,4}",
    ];
    let scalar = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        6 => text.clone().prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 24, 4, move |inner| {
        let map = proptest::collection::btree_map(text.clone(), inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            map.prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn texts_stay_texts_for_readers_of_yaml_1_1_too() {
    let Some(python) = python() else { return };
    let values = many(value(), 500);
    let name = Arc::from("x");
    let written: Vec<String> = values
        .iter()
        .map(|value| {
            // JSON is YAML: what comes in is quoted throughout, what goes out as wharf chooses.
            let document = Document::parse(Syntax::Yaml, &name, &value.to_string()).unwrap();
            document.render()
        })
        .collect();
    let answers = ask(&python, "tests/config/yaml.py", &json!(written));
    for ((value, text), answer) in values.iter().zip(&written).zip(answers.as_array().unwrap()) {
        assert_eq!(answer.get("value"), Some(value), "{text}\n{answer}");
    }
}

#[test]
fn what_is_written_bare_means_to_pyyaml_what_it_meant_before() {
    let Some(python) = python() else { return };
    let line = prop_oneof![
        "[a-c]: [a-z0-9:._+~=-]{0,6}",
        "[a-c]: (no|yes|on|012|0o14|1e3|1_000|2026-01-01|12:30:45|\\.5|\\.inf|~|Null|True|0x1F|\\+1|'no'|\"12\"|!!str 3)",
        "[a-c]:\n- [a-z0-9]{1,3}\n- \\{x: [a-z0-9]{1,3}\\}",
        "[a-c]: &[xy] [a-z]{1,3}\n[d-f]: \\*[xy]",
        "[a-c]: [|>]-?\n  [a-z ]{1,5}\n  [a-z]{1,3}",
    ];
    let texts = many(proptest::collection::vec(line, 1..4).prop_map(|lines| lines.join("\n") + "\n"), 600);
    let name = Arc::from("x");
    let mut pairs = Vec::new();
    for text in &texts {
        if let Ok(document) = Document::parse(Syntax::Yaml, &name, text) {
            pairs.push((text.as_str(), document.render()));
        }
    }
    assert!(pairs.len() > 150, "only {} of the texts were readable", pairs.len());
    let before = ask(&python, "tests/config/yaml.py", &json!(pairs.iter().map(|(text, _)| *text).collect::<Vec<_>>()));
    let after = ask(&python, "tests/config/yaml.py", &json!(pairs.iter().map(|(_, text)| text).collect::<Vec<_>>()));
    for (((text, ours), before), after) in pairs.iter().zip(before.as_array().unwrap()).zip(after.as_array().unwrap()) {
        // YAML 1.2 lets an anchor's name be used again (3.2.2.2), and PyYAML knows no value for YAML 1.1's `=`.
        let known =
            ["found duplicate anchor", "could not determine a constructor for the tag 'tag:yaml.org,2002:value'"];
        if before["refused"].as_str().is_some_and(|why| known.iter().any(|start| why.starts_with(start))) {
            continue;
        }
        assert!(before.get("value").is_some(), "PyYAML refuses {text:?}, which wharf reads: {before}");
        assert_eq!(before, after, "{text}---\n{ours}");
    }
}
