use insta::assert_snapshot;
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::json;
use zeroize::Zeroizing;

use super::*;
use crate::config::RevealError;

mod secrets;

fn context() -> Context {
    let values = json!({
        "self": {"name": "keystone", "port": 5000, "members": [{"name": "c1", "address": "10.0.0.1"}]},
        "host": {"name": "c1", "address": "fd00::1", "debug": false},
        "needs": {"database": {"host": "10.0.0.9", "port": 3306}},
        "vars": {"workers": 4, "text": "a \"b\" $c", "list": ["x", "y"]},
    });
    let members = BTreeMap::from([("memcached".to_owned(), json!([{"address": "10.0.0.1", "port": 11211}]))]);
    let secrets = BTreeSet::from(["keystone-admin".to_owned(), "db".to_owned()]);
    Context::new(values.as_object().unwrap(), &members, secrets).unwrap()
}

fn templates(texts: &[(&str, &str)]) -> Templates {
    Templates::new(texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

fn rendered(format: Format, text: &str) -> Rendered {
    match templates(&[("a.j2", text)]).render("a.j2", format, &context()) {
        Ok(rendered) => rendered,
        Err(fault) => panic!("{}", shown(&fault)),
    }
}

fn text(format: Format, template: &str) -> String {
    rendered(format, template).text
}

pub(crate) fn shown(fault: &Fault) -> String {
    let mut out = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    handler.render_report(&mut out, fault).unwrap();
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

fn faults(templates: &[&str]) -> String {
    let one = |template: &&str| match self::templates(&[("a.j2", template)]).render("a.j2", Format::Text, &context()) {
        Ok(rendered) => panic!("{template:?} gave {:?}", rendered.text),
        Err(fault) => format!("{}: {}", fault.code, shown(&fault)),
    };
    templates.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn an_undefined_name_is_an_error_everywhere_and_gets_the_nearest() {
    assert_snapshot!(faults(&[
        "a = {{ sel.port }}\n",
        "[x]\nurl = {{ needs.databse.host }}\n",
        "{% if vars.debug %}x{% endif %}\n",
        "{% for m in members(\"memcached\") %}\n{{ m.adress }}\n{% endfor %}\n",
        "{{ vars.text ~ hots }}\n",
        "ü {{ host.nam }}\n",
        "{{ vars.list[7] }}\n",
        "{{ vars[\"lsit\"] }}\n",
    ]), @r#"
    undefined:   × `sel` is undefined
       ╭─[a.j2:1:8]
     1 │ a = {{ sel.port }}
       ·        ────────
       ╰────
      help: did you mean `self`?

    undefined:   × `needs.databse` is undefined
       ╭─[a.j2:2:15]
     1 │ [x]
     2 │ url = {{ needs.databse.host }}
       ·               ─────────────
       ╰────
      help: did you mean `database`?

    undefined:   × `vars.debug` is undefined
       ╭─[a.j2:1:7]
     1 │ {% if vars.debug %}x{% endif %}
       ·       ──────────
       ╰────
      help: `vars` has `list`, `text`, `workers`

    undefined:   × `m.adress` is undefined
       ╭─[a.j2:2:4]
     1 │ {% for m in members("memcached") %}
     2 │ {{ m.adress }}
       ·    ────────
     3 │ {% endfor %}
       ╰────
      help: did you mean `address`?

    undefined:   × `hots` is undefined
       ╭─[a.j2:1:4]
     1 │ {{ vars.text ~ hots }}
       ·    ────────────────
       ╰────
      help: did you mean `host`?

    undefined:   × `host.nam` is undefined
       ╭─[a.j2:1:7]
     1 │ ü {{ host.nam }}
       ·      ────────
       ╰────
      help: did you mean `name`?

    undefined:   × `vars.list[7]` is undefined
       ╭─[a.j2:1:4]
     1 │ {{ vars.list[7] }}
       ·    ────────────
       ╰────

    undefined:   × `vars['lsit']` is undefined
       ╭─[a.j2:1:4]
     1 │ {{ vars["lsit"] }}
       ·    ────────────
       ╰────
    "#);
}

#[test]
fn what_is_not_known_is_named() {
    assert_snapshot!(faults(&[
        "{{ vars.list|jion(',') }}\n",
        "{{ secrt('db') }}\n",
        "{{ secret('dbb') }}\n",
        "{{ secret('other-thing') }}\n",
        "{{ members('memcache') }}\n",
        "{% include 'b.j2' %}\n",
        "{{ 1 is prime }}\n",
        "{{ debug() }}\n",
        "{{ now() }}\n",
    ]), @r#"
    unknown-filter:   × no filter is named `jion`
       ╭─[a.j2:1:14]
     1 │ {{ vars.list|jion(',') }}
       ·              ─────────
       ╰────
      help: did you mean `join`?

    unknown-function:   × no function is named `secrt`
       ╭─[a.j2:1:4]
     1 │ {{ secrt('db') }}
       ·    ───────────
       ╰────
      help: did you mean `secret`?

    template:   × the service has no secret `dbb`
       ╭─[a.j2:1:4]
     1 │ {{ secret('dbb') }}
       ·    ─────────────
       ╰────
      help: did you mean `db`?

    template:   × the service has no secret `other-thing`
       ╭─[a.j2:1:4]
     1 │ {{ secret('other-thing') }}
       ·    ─────────────────────
       ╰────
      help: add `secret "other-thing"` to the service

    template:   × no service is named `memcache`
       ╭─[a.j2:1:4]
     1 │ {{ members('memcache') }}
       ·    ───────────────────
       ╰────
      help: did you mean `memcached`?

    no-template:   × there is no template `b.j2`
       ╭─[a.j2:1:4]
     1 │ {% include 'b.j2' %}
       ·    ──────────────
       ╰────
      help: did you mean `a.j2`?

    unknown-test:   × test prime is unknown
       ╭─[a.j2:1:9]
     1 │ {{ 1 is prime }}
       ·         ─────
       ╰────

    unknown-function:   × no function is named `debug`
       ╭─[a.j2:1:4]
     1 │ {{ debug() }}
       ·    ───────
       ╰────

    unknown-function:   × no function is named `now`
       ╭─[a.j2:1:4]
     1 │ {{ now() }}
       ·    ─────
       ╰────
    "#);
}

#[test]
fn what_cannot_be_read_or_goes_on_forever_is_refused() {
    assert_snapshot!(faults(&[
        "a\n{% if x %}\n",
        "{{ a. }}\n",
        "{% for %}\n",
        "{{ \"x\" \n",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}\n",
        "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}\n",
        "\u{e5ec}\n",
        "{{ 'a'|bool }}\n",
        "{{ host_port('h', 70000) }}\n",
        "{{ vars|quote }}\n",
        "{{ vars.list }}\n",
        "{{ vars }}\n",
        "{{ none }}\n",
    ]), @r#"
    template-syntax:   × unexpected end of input, expected end of block
       ╭─[a.j2:2:9]
     1 │ a
     2 │ {% if x %}
       ·         ──
       ╰────

    template-syntax:   × unexpected end of variable block, expected identifier or integer
       ╭─[a.j2:1:7]
     1 │ {{ a. }}
       ·       ──
       ╰────

    template-syntax:   × unexpected end of block, expected in
       ╭─[a.j2:1:8]
     1 │ {% for %}
       ·        ──
       ╰────

    template-syntax:   × unexpected end of input, expected end of variable block
       ╭─[a.j2:1:4]
     1 │ {{ "x"
       ·    ───
       ╰────

    template:   × recursion limit exceeded
       ╭─[a.j2:1:19]
     1 │ {% macro m() %}{{ m() }}{% endmacro %}{{ m() }}
       ·                   ───
       ╰────

    template-work:   × the template takes more steps than a configuration file may
       ╭─[a.j2:1:1]
     1 │ {% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}
       · ──────────────────────────────────────────────────────────────────────────────
       ╰────

    reserved-character:   × the template holds U+E5EC or U+E5ED, which stand for secrets in wharf's texts
       ╭─[a.j2:1:1]
     1 │ 
       · ┬
       · ╰── here
       ╰────

    template:   × `a` is no truth value
       ╭─[a.j2:1:8]
     1 │ {{ 'a'|bool }}
       ·        ────
       ╰────
      help: write `true` or `false`

    template:   × `70000` is no port: expected 1 to 65535
       ╭─[a.j2:1:4]
     1 │ {{ host_port('h', 70000) }}
       ·    ─────────────────────
       ╰────

    template:   × `quote` does not know how a value is quoted here: the file is plain text
       ╭─[a.j2:1:9]
     1 │ {{ vars|quote }}
       ·         ─────
       ╰────
      help: say `as="oslo"`, `"ini"`, `"yaml"` or `"json"` on the config node, or use `to_json`

    template:   × the value is a list, which no file says alike
       ╭─[a.j2:1:4]
     1 │ {{ vars.list }}
       ·    ─────────
       ╰────
      help: write it out with `join`, a `for` loop or `to_json`

    template:   × the value is a mapping, which no file says alike
       ╭─[a.j2:1:4]
     1 │ {{ vars }}
       ·    ────
       ╰────
      help: write it out with `join`, a `for` loop or `to_json`

    template:   × the value is null, which no file says alike
       ╭─[a.j2:1:4]
     1 │ {{ none }}
       ·    ────
       ╰────
      help: give one with `default`, or use `to_json`
    "#);
}

#[test]
fn a_mistake_in_an_included_template_is_shown_there() {
    let templates = templates(&[("a.j2", "x\n{% include 'parts/b.j2' %}\n"), ("parts/b.j2", "y\n{{ nope }}\n")]);
    let fault = templates.render("a.j2", Format::Text, &context()).unwrap_err();
    assert_snapshot!(shown(&fault), @r"
     × `nope` is undefined
      ╭─[parts/b.j2:2:4]
    1 │ y
    2 │ {{ nope }}
      ·    ────
      ╰────
     help: included from a.j2:2
    ");
    assert_eq!(fault.place(), Some(("parts/b.j2", 2)));
}

#[test]
fn blocks_leave_no_lines_behind_and_the_last_line_keeps_its_end() {
    let template = "[a]\n  {% if host.debug %}\nx = 1\n  {% endif %}\n{# c #}\n{% for w in vars.list %}\ny = {{ w }}\n{% endfor %}\n";
    assert_eq!(text(Format::Text, template), "[a]\ny = x\ny = y\n");
    assert_eq!(text(Format::Text, "{% raw %}{{ x }}{% endraw %}<&>{{ '<&>' }}"), "{{ x }}<&><&>");
}

#[test]
fn filters_write_values_as_files_need_them() {
    let oslo = |template| text(Format::Oslo, template);
    assert_eq!(oslo("{{ vars.text|quote }}"), r#"a "b" $$c"#);
    assert_eq!(oslo("{{ ' x'|quote }}{{ '\"x\"'|quote }}"), "\" x\"\"\"x\"\"");
    assert_eq!(oslo("{{ true|quote }} {{ 4|quote }}"), "true 4");
    assert_eq!(text(Format::Ini, "{{ vars.text|quote }}"), r#""a \"b\" $c""#);
    assert_eq!(text(Format::Yaml, "{{ vars.text|quote }}"), r#""a \"b\" $c""#);
    assert_eq!(oslo("{{ vars|to_json }}"), r#"{"list": ["x", "y"], "text": "a \"b\" $c", "workers": 4}"#);
    assert_eq!(oslo("{{ 'a/b c@ü'|urlencode }}"), "a%2Fb%20c%40%C3%BC");
    assert_eq!(oslo("{{ 'ab'|b64encode }} {{ 'abc'|b64encode }} {{ ''|b64encode }}"), "YWI= YWJj ");
    assert_eq!(oslo("{{ 'Yes'|bool }} {{ host.debug|bool }}"), "true false");
    assert_eq!(oslo("{{ host_port(host.address, self.port) }} {{ host_port('h', 1) }}"), "[fd00::1]:5000 h:1");
    assert_eq!(oslo("{{ host.address|bracketed }} {{ vars.list|join(',') }}"), "[fd00::1] x,y");
    assert_eq!(oslo("{{ members('memcached')|map(attribute='address')|join(',') }}"), "10.0.0.1");
}

#[test]
fn each_line_knows_the_line_of_the_template_that_made_it() {
    let templates = templates(&[
        (
            "a.j2",
            "[a]\n{% set n = {\n  'k': 1\n} %}\n{% for w in vars.list %}\n\n  {{- w }} =\n    {{ n.k }}\n{% endfor %}\n{% include 'b.j2' %}\nlast = {{ 'x\ny' }}{#\n#}\nend\n",
        ),
        ("b.j2", "{# c #}\nb1\n{% if true %}b2\n{% endif %}\n"),
    ]);
    let rendered = templates.render("a.j2", Format::Text, &context()).unwrap();
    let lines: Vec<String> = rendered
        .text()
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let source = rendered.source(index + 1).unwrap();
            format!("{}:{:<2} | {line}", source.template, source.line)
        })
        .collect();
    assert_snapshot!(lines.join("\n"), @r"
    a.j2:1  | [a]
    a.j2:7  | x =
    a.j2:8  |     1
    a.j2:7  | y =
    a.j2:8  |     1
    b.j2:2  | b1
    b.j2:3  | b2
    a.j2:11 | last = x
    a.j2:11 | yend
    ");
}

#[test]
fn a_context_with_other_values_sees_those_and_what_it_had() {
    let other = json!({"host": {"name": "c2"}, "cell": {"name": "cell1"}});
    let secrets = BTreeSet::from(["new".to_owned()]);
    let context = context().with(other.as_object().unwrap(), secrets).unwrap();
    let template =
        "{{ host.name }} {{ cell.name }} {{ self.port }} {{ members('memcached')|length }} {{ secret('new') }}";
    let rendered = templates(&[("a.j2", template)]).render("a.j2", Format::Text, &context).unwrap();
    assert_eq!(secret::masked(rendered.text()), "c2 cell1 5000 1 <secret new>");
    assert!(templates(&[("a.j2", "{{ secret('db') }}")]).render("a.j2", Format::Text, &context).is_err());
}

#[test]
fn every_filter_that_messages_offer_is_there_and_in_the_guide() {
    let guide = include_str!("../../../../docs/guide/config.md");
    for name in filter::BUILTIN.into_iter().chain(filter::OWN) {
        let template = format!("{{{{ vars.list|{name} }}}}");
        let result = templates(&[("a.j2", &template)]).render("a.j2", Format::Oslo, &context());
        assert!(result.err().is_none_or(|fault| fault.code != "unknown-filter"), "{name}");
        assert!(guide.contains(&format!("`{name}`")), "{name} is not in the guide");
    }
    for name in ["safe", "escape", "e", "pprint", "random"] {
        let template = format!("{{{{ vars.text|{name} }}}}");
        let fault = templates(&[("a.j2", &template)]).render("a.j2", Format::Oslo, &context()).unwrap_err();
        assert_eq!(fault.code, "unknown-filter", "{name}");
    }
    for name in filter::FUNCTIONS {
        assert!(guide.contains(&format!("`{name}")), "{name} is not in the guide");
    }
}

#[test]
fn the_example_of_the_guide_renders() {
    let guide = include_str!("../../../../docs/guide/config.md");
    let example = guide.split("```jinja\n").nth(1).unwrap().split("```").next().unwrap();
    let members =
        [("10.0.0.1", 5672), ("fd00::1", 5672)].map(|(address, port)| json!({"address": address, "port": port}));
    let values = json!({"vars": {"debug": "no"}, "needs": {"messaging": {"members": members}}});
    let secrets = BTreeSet::from(["nova-mq".to_owned(), "nova-keystone".to_owned()]);
    let context = Context::new(values.as_object().unwrap(), &BTreeMap::new(), secrets).unwrap();
    let rendered = templates(&[("a.j2", example)]).render("a.j2", Format::Oslo, &context).unwrap();
    assert_snapshot!(secret::masked(rendered.text()), @r"
    [DEFAULT]
    debug = false
    transport_url = rabbit://nova:<secret nova-mq>@10.0.0.1:5672,nova:<secret nova-mq>@[fd00::1]:5672/

    [keystone_authtoken]
    password = <secret nova-keystone>
    ");
}

#[test]
fn what_a_template_reads_is_known_whatever_stands_around_it() {
    let reads = |text: &str| {
        let found = templates(&[("a.j2", text)]).reads("a.j2", ["host", "self", "vars"]);
        found.map(|found| found.into_iter().collect::<Vec<_>>().join(" "))
    };
    for (text, expected) in [
        ("{{ self.address | replace('.', ',') }}", "self.address"),
        ("{{ self['address'] }}{{ self.ports.x }}", "self self.ports"),
        ("{% set host = host.name %}{{ host }}", "host host.name"),
        ("{% with vars = vars.a %}{{ vars }}{% endwith %}", "vars vars.a"),
        ("{% for x in [self, host] %}{{ x.address }}{% endfor %}", "host self"),
        ("{{ hosts }} {{ localhost }} {{ my_self }} {{ selfs.x }}", ""),
    ] {
        assert_eq!(reads(text).as_deref(), Some(expected), "{text}");
    }
    assert_eq!(reads("{% include 'b.j2' %}"), None);
    assert_eq!(reads("{{ debug() }}"), None);
    assert_eq!(templates(&[]).reads("a.j2", ["self"]), None);
}
