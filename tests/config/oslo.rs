//! INI files beside oslo.config's own reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use wharf::config::ini::{Dialect, Ini};
use wharf::config::{Context, Format, Templates};

use super::{ask, many, python};

/// Pairs that people write.
const WRITTEN: [(&str, &str); 9] = [
    ("[DEFAULT]\ndebug = false\n", "[DEFAULT]\ndebug = true\n"),
    ("[DEFAULT]\na = 1\na = 2\n[x]\na = 3\n", "[DEFAULT]\na = 4\n"),
    ("[DEFAULT]\na = 1\n", "[DEFAULT]\na = 2\na = 3\n[new]\na =\n"),
    ("[Cache]\na = 1\nb = 2\n", "[cache]\na = 3\n"),
    ("[DEFAULT]\na = one\n  two\n\tthree\nb = \" x \"\n", "[x]\na = '\"'\n"),
    ("[DEFAULT]\na = http://h/?x=1 # no comment\nb : c = d\n", "[DEFAULT]\nb = \"\n"),
    ("# c\n; d\n[x]\na=\n\n[y]\n[x]\na='b\"\n", "[x]\r\na = 1\r\n"),
    ("[DEFAULT]\na = \u{a0}x\u{2003}\nb = \u{1f}\n", "[DEFAULT]\nb = ü\u{1c}ü\n"),
    ("[DEFAULT]\na =\n  b\n  c\n", "[DEFAULT]\na = \"d\n  e\"\n"),
];

/// What INI files are made of, in keys and sections that may clash.
fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        12 => "[a-c][ ]{0,2}[=:][ ]?[a-z\"'=:#; ]{0,6}",
        3 => "\\[(DEFAULT|x|X|y)\\]",
        2 => "[ \t]{1,2}[a-c=\"#;]{1,3}",
        1 => "[#;][a-c]{0,2}",
        1 => Just(String::new()),
        1 => "[a-c]{0,2}[\\[\\]x= ]{0,3}",
    ];
    let lines = proptest::collection::vec(line, 0..7).prop_map(|lines| lines.join("\n"));
    (prop_oneof![Just("[DEFAULT]\n"), Just("[x]\n"), Just("")], lines)
        .prop_map(|(start, lines)| format!("{start}{lines}"))
}

fn parse(text: &str) -> Option<Ini> {
    Ini::parse(Dialect::Oslo, &Arc::from("x.conf"), text).ok()
}

/// The options that the texts name, if they all read: section names in oslo.config's lower case.
fn options(texts: &[&str]) -> BTreeSet<(String, String)> {
    let files = texts.iter().filter_map(|text| parse(text));
    let mut out = BTreeSet::from([("DEFAULT".to_owned(), "a".to_owned())]);
    for ini in files {
        for section in ini.sections() {
            let name = if section.name() == "DEFAULT" { "DEFAULT".to_owned() } else { section.name().to_lowercase() };
            let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric());
            let keys = section.options().iter().map(|option| option.key()).filter(|key| plain(key) && plain(&name));
            // An option of oslo.config cannot be called as a group is.
            let keys = keys.filter(|key| !["x", "y"].contains(key));
            out.extend(keys.map(|key| (name.clone(), key.to_owned())));
        }
    }
    out
}

fn case(texts: &[&str], options: &BTreeSet<(String, String)>) -> Value {
    json!({"texts": texts, "options": options})
}

#[test]
fn merged_files_read_as_oslo_config_reads_both() {
    let Some(python) = python() else { return };
    let generated = many((text(), text()), 500);
    let pairs: Vec<(&str, &str)> =
        WRITTEN.into_iter().chain(generated.iter().map(|(below, above)| (below.as_str(), above.as_str()))).collect();
    let mut cases = Vec::new();
    let mut merged = BTreeMap::new();
    for (index, (below, above)) in pairs.iter().enumerate() {
        let options = options(&[below, above]);
        cases.extend([case(&[below], &options), case(&[above], &options), case(&[below, above], &options)]);
        let ours = parse(below).zip(parse(above)).map(|(mut below, above)| {
            above.changes().iter().for_each(|change| {
                below.apply(change).unwrap();
            });
            below.render()
        });
        cases.push(case(&[ours.as_deref().unwrap_or("")], &options));
        merged.insert(index, ours);
    }
    let answers = ask(&python, "tests/config/oslo.py", &Value::Array(cases));
    let mut read = 0;
    for (index, ((below, above), answers)) in pairs.iter().zip(answers.as_array().unwrap().chunks(4)).enumerate() {
        let [alone, over, both, ours] = answers else { panic!("four answers a pair") };
        let told = |answer: &Value| answer.get("refused").is_none();
        // What one reads the other reads, and what one refuses the other refuses.
        assert_eq!(parse(below).is_some(), told(alone), "{below:?}: {alone}");
        assert_eq!(parse(above).is_some(), told(over), "{above:?}: {over}");
        let Some(text) = &merged[&index] else { continue };
        read += 1;
        let said = || format!("{below:?} below {above:?} gave {text:?}");
        assert_eq!(both["one"], ours["one"], "{}", said());
        // A list is replaced, where oslo.config joins those of all files: see docs/guide/config.md.
        let (alone, over) = (alone["all"].as_array().unwrap(), over["all"].as_array().unwrap());
        for ((alone, over), ours) in alone.iter().zip(over).zip(ours["all"].as_array().unwrap()) {
            assert_eq!(if over.is_null() { alone } else { over }, ours, "{}", said());
        }
    }
    assert!(read > 150, "only {read} of the pairs were readable");
}

#[test]
fn a_quoted_value_is_read_by_oslo_config_as_it_was() {
    let Some(python) = python() else { return };
    let written = [
        "", "a", " a ", "\"", "'", "\"a\"", "'a'", "a\"", "$", "$$", "a$b", "${a}", "a # b", "[x]", "= x", "ü", "\\",
        "\\\\$",
    ];
    let generated = many("[a-c\"'$ =:#;\\[{}\u{a0}ü]{0,8}", 300);
    let values: Vec<&str> = written.into_iter().chain(generated.iter().map(String::as_str)).collect();
    let templates =
        Templates::new(BTreeMap::from([("x.j2".to_owned(), "[DEFAULT]\na = {{ vars.x|quote }}\n".to_owned())]));
    let mut cases = Vec::new();
    let mut sayable = Vec::new();
    for value in values {
        let names = json!({"vars": {"x": value}});
        let context = Context::new(names.as_object().unwrap(), &BTreeMap::new(), BTreeSet::new()).unwrap();
        match templates.render("x.j2", Format::Oslo, &context) {
            Ok(rendered) => {
                cases.push(case(&[rendered.text()], &BTreeSet::from([("DEFAULT".to_owned(), "a".to_owned())])));
                sayable.push(value);
            }
            Err(fault) => assert!(value.contains("\\$"), "{value:?}: {fault}"),
        }
    }
    let answers = ask(&python, "tests/config/oslo.py", &Value::Array(cases));
    for (value, answer) in sayable.iter().zip(answers.as_array().unwrap()) {
        assert_eq!(answer["one"][0], **value, "{value:?}");
    }
}
