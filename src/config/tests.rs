//! Whole files: rendered, read, overridden, revealed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;
use zeroize::Zeroizing;

use super::document::{Map, Node, Value};
use super::template::shown;
use super::*;
use crate::path::ImagePath;

fn context() -> Context {
    let values = json!({
        "self": {"members": [{"name": "c1", "address": "10.0.0.1"}, {"name": "c2", "address": "fd00::2"}]},
        "host": {"name": "c1"},
        "vars": {"odd": "a: b"},
    });
    let secrets = BTreeSet::from(["db".to_owned(), "admin".to_owned()]);
    Context::new(values.as_object().unwrap(), &BTreeMap::new(), secrets).unwrap()
}

fn make(format: Format, texts: &[&str], layers: &[Layer]) -> Result<File, Vec<Refusal>> {
    let texts = texts.iter().enumerate().map(|(index, text)| (format!("t{index}.j2"), (*text).to_owned()));
    let path = ImagePath::new("/etc/x/x.conf").unwrap();
    File::make(&Templates::new(texts.collect()), "t0.j2", &path, format, &context(), layers)
}

fn refused(format: Format, texts: &[&str], layers: &[Layer]) -> String {
    let refusals = make(format, texts, layers).unwrap_err();
    let one = |refusal: &Refusal| match refusal {
        Refusal::Fault(fault) => shown(fault),
        Refusal::Misfit(misfit) => {
            let place = match &misfit.place {
                Place::Line { text, line } => format!("{text}:{line}"),
                Place::Spec(_) => unreachable!(),
            };
            format!("{place}: {misfit}{}", misfit.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default())
        }
    };
    refusals.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn place(line: usize) -> Place {
    Place::line(&Arc::from("host.kdl"), line)
}

fn change(section: &str, key: &str, values: &[&str]) -> ini::Change {
    let values = values.iter().map(|value| Layered::new(Some((*value).to_owned()), place(4))).collect();
    ini::Change { section: section.to_owned(), key: key.to_owned(), values, place: place(4) }
}

fn map(entries: &[(&str, Value)]) -> Node {
    let mut map = Map::new();
    for (key, value) in entries {
        map.insert(Value::Text((*key).to_owned()), Node::new(value.clone(), place(6))).unwrap();
    }
    Node::new(Value::Map(map), place(6))
}

fn settings(file: &File) -> String {
    let line = |setting: Setting| match setting.place {
        Place::Line { text, line } => format!("{} = {}   {text}:{line}", setting.name, setting.value),
        Place::Spec(_) => unreachable!(),
    };
    file.settings().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_that_is_not_what_it_claims_is_shown_at_the_line_of_the_template() {
    let cases: [(Format, &[&str]); 13] = [
        (
            Format::Oslo,
            &[
                "[a]\n{% for m in self.members %}\n  {{ m.name }}{% if loop.last %} x{% else %}=1{% endif %}\n\n{% endfor %}\n",
            ],
        ),
        (
            Format::Oslo,
            &["# {# c\n#}\n{% include 't1.j2' %}\n", "[a]\n\n{% set x = {\n 'y': 1\n} %}\n{{ host.name }}\n"],
        ),
        (Format::Yaml, &["{# c #}\na: 1\nb:\n{% for m in self.members %}\n  - name: {{ vars.odd }}\n{% endfor %}\n"]),
        (Format::Yaml, &["{% for m in self.members %}\nsame: {{ m.name }}\n{% endfor %}\n"]),
        (Format::Json, &["{\n{% for m in self.members %}\n  \"{{ m.name }}\": 1,\n{% endfor %}\n}\n"]),
        (Format::Json, &["{\"p\": {{ secret('db') }}}\n"]),
        (Format::Json, &["{\"a\": \"{{ 'x\ny' }}\"}\n"]),
        (Format::Ini, &["{% macro m(x) %}\n[{{ x }}\n{% endmacro %}\n\n{{ m('a') }}\n"]),
        (Format::Json, &[""]),
        (Format::Oslo, &["[a]\nx = 1\nurl = mysql://u:{{ secret('db')|quote }}@h\n"]),
        (Format::Ini, &["x = a {{ secret('db')|quote }}\n"]),
        (Format::Yaml, &["a:\n  - b: '{{ secret('db')|quote }}'\n"]),
        (Format::Yaml, &["a: u {{ secret('db')|quote }}\n"]),
    ];
    let all: Vec<String> = cases.iter().map(|(format, texts)| refused(*format, texts, &[])).collect();
    assert_snapshot!(all.join("\n\n"), @r#"
     × the rendered file is not an INI file of oslo.config: an indented line continues a value, and
     │ none is open
      ╭─[t0.j2:3:6]
    2 │ {% for m in self.members %}
    3 │   {{ m.name }}{% if loop.last %} x{% else %}=1{% endif %}
      ·      ───┬──
      ·         ╰── line 2 of the file is `c1=1`
    4 │
      ╰────
     help: take the blanks away; a comment or an empty line ends a value of several lines

     × the rendered file is not an INI file of oslo.config: expected a section, a comment, or a key
     │ with `=` or `:`
      ╭─[t1.j2:6:4]
    5 │ } %}
    6 │ {{ host.name }}
      ·    ────┬────
      ·        ╰── line 3 of the file is `c1`
      ╰────

     × the rendered file is not YAML: mapping values are not allowed in this context
      ╭─[t0.j2:5:14]
    4 │ {% for m in self.members %}
    5 │   - name: {{ vars.odd }}
      ·              ────┬───
      ·                  ╰── line 3 of the file is `- name: a: b`
    6 │ {% endfor %}
      ╰────

     × the rendered file is not YAML: the key `same` stands twice in one mapping
      ╭─[t0.j2:2:1]
    1 │ {% for m in self.members %}
    2 │ same: {{ m.name }}
      · ───┬──
      ·    ╰── line 2 of the file is `same: c2`
    3 │ {% endfor %}
      ╰────
     help: the first is from t0.j2:2

     × the rendered file is not JSON: expected a key in double quotes, found `}`
      ╭─[t0.j2:5:1]
    4 │ {% endfor %}
    5 │ }
      · ┬
      · ╰── line 4 of the file is `}`
      ╰────
     help: no comma stands before `}`

     × the rendered file is not JSON: a secret stands here outside of a text
      ╭─[t0.j2:1:10]
    1 │ {"p": {{ secret('db') }}}
      ·          ──────┬─────
      ·                ╰── line 1 of the file is `{"p": <secret db>}`
      ╰────
     help: write `{{ secret(…)|quote }}` in the template

     × the rendered file is not JSON: `\n` cannot stand in a text as it is
      ╭─[t0.j2:1:11]
    1 │ {"a": "{{ 'x
      ·           ─┬
      ·            ╰── line 1 of the file is `{"a": "x`
    2 │ y' }}"}
      ╰────
     help: end the text with `"`, or write `\n`

     × the rendered file is not an INI file: a section's line must end with `]`
      ╭─[t0.j2:5:4]
    4 │
    5 │ {{ m('a') }}
      ·    ───┬──
      ·       ╰── line 2 of the file is `[a`
      ╰────
     help: a comment needs a line of its own

     × the rendered file is not JSON: expected a value, found the end
      ╭─[t0.j2:1:1]
      ╰────

     × the rendered file is not an INI file of oslo.config: a secret with `quote` is only a part of a
     │ value
      ╭─[t0.j2:3:1]
    2 │ x = 1
    3 │ url = mysql://u:{{ secret('db')|quote }}@h
      · ────────┬───────
      ·         ╰── line 3 of the file is `url = mysql://u:<secret db>@h`
      ╰────
     help: `quote` is for a whole value: quote all of it, or use `urlencode` in a URL

     × the rendered file is not an INI file: a secret with `quote` is only a part of a value
      ╭─[t0.j2:1:1]
    1 │ x = a {{ secret('db')|quote }}
      · ───┬──
      ·    ╰── line 1 of the file is `x = a <secret db>`
      ╰────
     help: `quote` is for a whole value: quote all of it, or use `urlencode` in a URL

     × the rendered file is not YAML: a secret with `quote` stands in single quotes, in a block, or
     │ in a bare word
      ╭─[t0.j2:2:3]
    1 │ a:
    2 │   - b: '{{ secret('db')|quote }}'
      ·   ───┬──
      ·      ╰── line 2 of the file is `- b: '"<secret db>"'`
      ╰────
     help: `quote` brings its own quotes, and is for a whole value

     × the rendered file is not YAML: a secret with `quote` stands in single quotes, in a block, or
     │ in a bare word
      ╭─[t0.j2:1:1]
    1 │ a: u {{ secret('db')|quote }}
      · ──┬──
      ·   ╰── line 1 of the file is `a: u "<secret db>"`
      ╰────
     help: `quote` brings its own quotes, and is for a whole value
    "#);
}

#[test]
fn overrides_that_do_not_fit_are_all_named() {
    let layers = [
        Layer::Ini(vec![
            change("DEFAULT", "debgu", &[]),
            change("DEFUALT", "debug", &[]),
            change("DEFAULT", "k", &["a\rb"]),
            change("DEFAULT", "debug", &[]),
        ]),
        Layer::Ini(vec![change("DEFAULT", "debug", &[])]),
        Layer::Document(map(&[("a", Value::Null)])),
    ];
    let yaml = [
        Layer::Document(map(&[("prot", Value::Null), ("port", Value::Null)])),
        Layer::Document(map(&[("port", Value::Null)])),
        Layer::Ini(vec![change("a", "b", &["c"])]),
    ];
    let all = [
        refused(Format::Oslo, &["[DEFAULT]\ndebug = 1\n"], &layers),
        refused(Format::Yaml, &["port: 1\n"], &yaml),
        refused(Format::Text, &["x"], &layers[..1]),
    ];
    assert_snapshot!(all.join("\n--\n"), @r"
    host.kdl:4: section `DEFAULT` has no key `debgu` to remove (did you mean `debug`?)
    host.kdl:4: there is no section `DEFUALT` to remove `debug` from (did you mean `DEFAULT`?)
    host.kdl:4: the value of `k` holds a carriage return, which would end the line
    host.kdl:6: the file is oslo: its keys stand in sections
    --
    host.kdl:6: there is no key `prot` to remove (did you mean `port`?)
    host.kdl:4: the file is yaml, which has no sections
    --
    host.kdl:4: the file is plain text, of which no part can be overridden (say what the file is by `as=` on its `config` node, or change the template)
    ");
}

#[test]
fn each_option_of_an_ini_file_says_where_it_comes_from() {
    let template = "# c\n[DEFAULT]\n{% for m in self.members %}\nservers = {{ host_port(m.address, 11211) }}\n{% endfor %}\n\
                    debug = false\n[database]\nconnection = mysql://u:{{ secret('db')|urlencode }}@h\n";
    let layers = [
        Layer::Ini(vec![change("DEFAULT", "debug", &["true"]), change("cors", "origin", &["a", "b"])]),
        Layer::Ini(vec![change("DEFAULT", "debug", &["maybe"])]),
    ];
    let file = make(Format::Oslo, &[template], &layers).unwrap();
    assert_snapshot!(settings(&file), @r"
    [DEFAULT] servers = 10.0.0.1:11211   t0.j2:4
    [DEFAULT] servers = [fd00::2]:11211   t0.j2:4
    [DEFAULT] debug = maybe   host.kdl:4
    [database] connection = mysql://u:<secret db>@h   t0.j2:8
    [cors] origin = a   host.kdl:4
    [cors] origin = b   host.kdl:4
    ");
    assert_snapshot!(masked(file.text()), @r"
    [DEFAULT]
    servers = 10.0.0.1:11211
    servers = [fd00::2]:11211
    debug = maybe

    [database]
    connection = mysql://u:<secret db>@h

    [cors]
    origin = a
    origin = b
    ");
}

#[test]
fn each_value_of_a_document_says_where_it_comes_from() {
    let template = "{# c #}\nclouds:\n{% for m in self.members %}\n  {{ m.name }}:\n    auth: {{ m.address|quote }}\n    password: {{ secret('db')|quote }}\n{% endfor %}\n";
    let layer =
        Layer::Document(map(&[("clouds", map(&[("c2", Value::Null), ("new", Value::Text("no".to_owned()))]).value)]));
    let file = make(Format::Yaml, &[template], &[layer]).unwrap();
    assert_snapshot!(settings(&file), @r"
    clouds.c1.auth = 10.0.0.1   t0.j2:5
    clouds.c1.password = <secret db>   t0.j2:6
    clouds.new = no   host.kdl:6
    ");
    assert_snapshot!(masked(file.text()), @r#"
    clouds:
      c1:
        auth: "10.0.0.1"
        password: "<secret db>"
      new: "no"
    "#);
    let bytes = file.reveal(&|_| Some(Zeroizing::new(b"a\"b: #".to_vec()))).unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains(r#"password: "a\"b: #""#), "{text}");
}

#[test]
fn without_overrides_the_file_is_as_the_template_wrote_it() {
    let file = make(Format::Oslo, &["# a comment\n[a]\nx=1\n"], &[]).unwrap();
    assert_eq!(file.text(), "# a comment\n[a]\nx=1\n");
    assert!(file.secrets().is_empty());
}

#[test]
fn a_secret_in_a_file_that_is_written_anew_is_escaped_for_where_it_stands() {
    let reveal = |format, template: &str, layers: &[Layer]| {
        let file = make(format, &[template], layers).unwrap();
        assert_eq!(file.secrets().iter().collect::<Vec<_>>(), ["db"]);
        let bytes = file.reveal(&|_| Some(Zeroizing::new(b"p\"\\: $x".to_vec()))).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let new = [Layer::Document(map(&[("new", Value::Bool(true))]))];
    let json = serde_json::from_str::<serde_json::Value>(&reveal(
        Format::Json,
        r#"{"quoted": {{ secret('db')|quote }}, "raw": "u:{{ secret('db') }}"}"#,
        &new,
    ));
    assert_eq!(json.unwrap(), json!({"quoted": "p\"\\: $x", "raw": "u:p\"\\: $x", "new": true}));
    let yaml = reveal(Format::Yaml, "bare: u:{{ secret('db') }}\nsingle: '{{ secret('db') }}'\n", &new);
    assert_eq!(yaml, "bare: \"u:p\\\"\\\\: $x\"\nsingle: \"p\\\"\\\\: $x\"\nnew: true\n");
    let ini = [Layer::Ini(vec![change("a", "n", &["1"])])];
    let oslo = reveal(Format::Oslo, "[a]\np = {{ secret('db')|quote }}\n", &ini);
    assert_eq!(oslo, "[a]\np = \"p\"\\: $$x\"\nn = 1\n");
}

#[test]
fn an_override_can_take_a_secret_away() {
    let layers = [Layer::Ini(vec![change("a", "p", &[])])];
    let file = make(Format::Oslo, &["[a]\np = {{ secret('db') }}\n"], &layers).unwrap();
    assert!(file.secrets().is_empty());
}

#[test]
fn no_refusal_says_the_value_of_a_secret() {
    for (format, template) in [
        (Format::Oslo, "[a]\np = {{ secret('db') }}\n"),
        (Format::Oslo, "[a]\np = {{ secret('db')|quote }}\n"),
        (Format::Json, "\"{{ secret('db') }}\""),
        (Format::Yaml, "a: {{ secret('db') }}"),
    ] {
        let file = make(format, &[template], &[]).unwrap();
        let error = file.reveal(&|_| Some(Zeroizing::new(b"hunter2\n\"".to_vec()))).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter"), "{error:?}");
    }
}

#[test]
fn files_can_be_made_on_many_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Templates>();
    shared::<Context>();
    shared::<File>();
}

proptest! {
    #[test]
    fn whatever_a_template_says_there_is_a_file_or_a_message(
        text in "([a-z=:\\[\\]\"' \n]|\\{\\{|\\}\\}|\\{%|%\\}|-|host\\.name|self\\.members|secret\\('db'\\)|if |for m in |endif|endfor|\\|quote|\\|urlencode|~|ü){0,12}",
        format in 0..5usize,
    ) {
        match make(Format::ALL[format], &[&text], &[]) {
            Ok(file) => {
                let _ = file.settings();
                let _ = file.reveal(&|_| Some(Zeroizing::new(b"a \"$".to_vec())));
            }
            Err(refusals) => {
                for refusal in refusals {
                    let Refusal::Fault(fault) = refusal else { panic!("nothing was overridden") };
                    prop_assert!(!shown(&fault).is_empty());
                }
            }
        }
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(
        keys in proptest::collection::vec(("[a-c]{1,2}", "[a-z$\" ]{0,5}"), 0..6),
        over in proptest::collection::vec(("[a-c]{1,2}", "[a-z]{0,3}"), 0..6),
    ) {
        let body: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let template = format!("[x]\n{body}{{% for m in self.members %}}\nm = {{{{ m.name }}}}\n{{% endfor %}}\n");
        let layers = [Layer::Ini(over.iter().map(|(key, value)| change("y", key, &[value])).collect())];
        let first = make(Format::Oslo, &[&template], &layers).unwrap();
        let second = make(Format::Oslo, &[&template], &layers).unwrap();
        prop_assert_eq!(first.text(), second.text());
        prop_assert_eq!(first.digest(), second.digest());
        prop_assert_eq!(first.settings(), second.settings());
    }

    #[test]
    fn any_secret_that_goes_in_quoted_comes_out_as_it_was(value in "\\PC{0,8}", format in 0..2usize) {
        let bytes = value.clone().into_bytes();
        let lookup = |_: &str| Some(Zeroizing::new(bytes.clone()));
        let (format, template) = [
            (Format::Json, "{{ {'k': secret('db')}|to_json }}"),
            (Format::Yaml, "k: {{ secret('db')|quote }}\n"),
        ][format];
        let revealed = make(format, &[template], &[]).unwrap().reveal(&lookup).unwrap();
        let text = String::from_utf8(revealed.to_vec()).unwrap();
        let syntax = if format == Format::Json { document::Syntax::Json } else { document::Syntax::Yaml };
        let read = document::Document::parse(syntax, &Arc::from("x"), &text).unwrap();
        let Value::Map(map) = &read.root().value else { panic!("{text}") };
        prop_assert_eq!(&map.get("k").unwrap().value, &Value::Text(value));
    }

    #[test]
    fn any_secret_that_goes_raw_is_read_as_it_was_or_refused(value in "[a-z0-9 $:#'\"\\\\\n{\\[~,.+-]{0,6}", format in 0..4usize) {
        let bytes = value.clone().into_bytes();
        let lookup = |_: &str| Some(Zeroizing::new(bytes.clone()));
        let (format, template) = [
            (Format::Json, "{\"k\": \"{{ secret('db') }}\"}"),
            (Format::Yaml, "k: {{ secret('db') }}\n"),
            (Format::Yaml, "k: '{{ secret('db') }}'\n"),
            (Format::Oslo, "[s]\nk = {{ secret('db') }}\n"),
        ][format];
        let Ok(revealed) = make(format, &[template], &[]).unwrap().reveal(&lookup) else { return Ok(()) };
        let text = String::from_utf8(revealed.to_vec()).unwrap();
        if format == Format::Oslo {
            let ini = ini::Ini::parse(ini::Dialect::Oslo, &Arc::from("x"), &text).unwrap();
            prop_assert_eq!(ini.get("s", "k").unwrap()[0].value.as_deref(), Some(value.as_str()));
            return Ok(());
        }
        let syntax = if format == Format::Json { document::Syntax::Json } else { document::Syntax::Yaml };
        let read = document::Document::parse(syntax, &Arc::from("x"), &text).unwrap();
        let Value::Map(map) = &read.root().value else { panic!("{text}") };
        prop_assert_eq!(&map.get("k").unwrap().value, &Value::Text(value));
    }
}
