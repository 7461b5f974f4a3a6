//! Secrets in templates.

use super::*;

/// Values for the two secrets.
fn lookup(value: &'static [u8]) -> impl Fn(&str) -> Option<Zeroizing<Vec<u8>>> {
    move |name| (name != "none").then(|| Zeroizing::new(value.to_vec()))
}

fn revealed(format: Format, template: &str, value: &'static [u8]) -> Result<String, RevealError> {
    let bytes = secret::reveal(&text(format, template), format, &lookup(value))?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn a_secret_is_a_marker_until_it_is_put_in() {
    let rendered =
        rendered(Format::Oslo, "p = {{ secret('keystone-admin') }}\nq = {{ secret('db')|urlencode }}\nr = 1\n");
    assert_eq!(rendered.secrets().iter().collect::<Vec<_>>(), ["db", "keystone-admin"]);
    assert_snapshot!(secret::masked(rendered.text()), @r"
    p = <secret keystone-admin>
    q = <secret db>
    r = 1
    ");
    let value = secret::reveal(rendered.text(), Format::Oslo, &lookup(b"a/b")).unwrap();
    assert_eq!(value.as_slice(), b"p = a/b\nq = a%2Fb\nr = 1\n");
}

#[test]
fn encodings_are_done_when_the_value_is_there() {
    let url = "{{ ('x y:' ~ secret('db'))|urlencode }}";
    assert_eq!(revealed(Format::Text, url, b"p/").unwrap(), "x%20y%3Ap%2F");
    assert_eq!(revealed(Format::Text, "{{ ('u:' ~ secret('db'))|b64encode }}", b"pw").unwrap(), "dTpwdw==");
    assert_eq!(revealed(Format::Text, "{{ secret('db')|b64encode|urlencode }}", b"\xff").unwrap(), "%2Fw%3D%3D");
    let json = "{{ {'user': 'u', 'password': secret('db')}|to_json }}";
    assert_eq!(revealed(Format::Json, json, b"a\"\\\n").unwrap(), r#"{"password": "a\"\\\n", "user": "u"}"#);
    assert_eq!(revealed(Format::Yaml, "p: {{ secret('db')|quote }}", b"12: #").unwrap(), "p: \"12: #\"");
    assert_eq!(revealed(Format::Oslo, "p = {{ secret('db')|quote }}", b" a$b\"").unwrap(), "p = \" a$$b\"\"");
    assert_eq!(revealed(Format::Ini, "p = {{ secret('db')|quote }}", b"a\"b").unwrap(), "p = \"a\\\"b\"");
    assert_eq!(revealed(Format::Text, "{{ [secret('db'), 'x']|join(',') }}", b"p").unwrap(), "p,x");
    assert_eq!(revealed(Format::Text, "{{ vars.none|default(secret('db')) }}", b"p").unwrap(), "p");
}

#[test]
fn what_would_need_the_value_is_refused() {
    assert_snapshot!(faults(&[
        "{{ secret('db')|upper }}\n",
        "{{ ('x' ~ secret('db'))|length }}\n",
        "{{ secret('db').upper() }}\n",
        "{{ (secret('db') ~ '')[1:] }}\n",
        "{{ secret('db')|bool }}\n",
    ]), @r"
    template:   × `upper` would need the value of a secret, which a template never sees
       ╭─[a.j2:1:17]
     1 │ {{ secret('db')|upper }}
       ·                 ─────
       ╰────
      help: a secret can be written whole, joined to other text, and passed through `quote`,
            `to_json`, `urlencode` and `b64encode`

    template:   × `length` would need the value of a secret, which a template never sees
       ╭─[a.j2:1:25]
     1 │ {{ ('x' ~ secret('db'))|length }}
       ·                         ──────
       ╰────
      help: a secret can be written whole, joined to other text, and passed through `quote`,
            `to_json`, `urlencode` and `b64encode`

    template:   × `upper` would need the value of a secret, which a template never sees
       ╭─[a.j2:1:16]
     1 │ {{ secret('db').upper() }}
       ·                ────────
       ╰────
      help: a secret can be written whole, joined to other text, and passed through `quote`,
            `to_json`, `urlencode` and `b64encode`

    secret-changed:   × a secret is cut or changed here
       ╭─[a.j2:1:4]
     1 │ {{ (secret('db') ~ '')[1:] }}
       ·    ───────────┬───────────
       ·               ╰── here
       ╰────
      help: a secret can be written whole, joined to other text, and passed through `quote`,
            `to_json`, `urlencode` and `b64encode`

    template:   × `bool` would need the value of a secret, which a template never sees
       ╭─[a.j2:1:17]
     1 │ {{ secret('db')|bool }}
       ·                 ────
       ╰────
      help: a secret can be written whole, joined to other text, and passed through `quote`,
            `to_json`, `urlencode` and `b64encode`
    ");
}

#[test]
fn a_value_that_would_be_read_as_something_else_is_refused() {
    let cases: [(Format, &str, &'static [u8]); 12] = [
        (Format::Oslo, "p = {{ secret('db') }}", b"a\nb"),
        (Format::Oslo, "p = {{ secret('db') }}", b"a$b"),
        (Format::Oslo, "p = {{ secret('db') }}", b" a"),
        (Format::Oslo, "p = {{ secret('db') }}", b"'a'"),
        (Format::Oslo, "p = {{ secret('db')|quote }}", b"a\\$"),
        (Format::Oslo, "p = {{ secret('db')|quote }}", b"a\n"),
        (Format::Ini, "p = {{ secret('db') }}", b"a "),
        (Format::Json, "\"{{ secret('db') }}\"", b"a\"b"),
        (Format::Yaml, "p: {{ secret('db') }}", b"1234"),
        (Format::Yaml, "p: {{ secret('db') }}", b"no"),
        (Format::Yaml, "p: {{ secret('db') }}", b"a: b"),
        (Format::Json, "{{ secret('db')|to_json }}", b"\xff"),
    ];
    let said = |(format, template, value)| {
        let error = revealed(format, template, value).unwrap_err();
        let help = miette::Diagnostic::help(&error).map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{error}{help}")
    };
    assert_snapshot!(cases.map(said).join("\n"), @r"
    the value of the secret `db` holds a line break, and a value of an INI file is one line (use `b64encode`)
    the value of the secret `db` holds `$`, with which oslo.config names another option (write `{{ secret(…)|quote }}` in the template, without quotes of its own around it)
    the value of the secret `db` begins or ends with a blank, which would be lost (write `{{ secret(…)|quote }}` in the template, without quotes of its own around it)
    the value of the secret `db` begins or ends with a quote, which oslo.config may take off (write `{{ secret(…)|quote }}` in the template, without quotes of its own around it)
    the value of the secret `db` holds `\$`, which oslo.config has no way to say (make one without that pair)
    the value of the secret `db` holds a line break, and a value of an INI file is one line (use `b64encode`)
    the value of the secret `db` begins or ends with a blank, which would be lost (write `{{ secret(…)|quote }}` in the template, without quotes of its own around it)
    the value of the secret `db` holds characters that JSON does not take as they are (write `{{ secret(…)|quote }}` in the template, without quotes of its own around it)
    the value of the secret `db` could be taken for something else in YAML as it is (write `{{ secret(…)|quote }}` in the template, without quotes of its own around it)
    the value of the secret `db` could be taken for something else in YAML as it is (write `{{ secret(…)|quote }}` in the template, without quotes of its own around it)
    the value of the secret `db` could be taken for something else in YAML as it is (write `{{ secret(…)|quote }}` in the template, without quotes of its own around it)
    the value of the secret `db` is no UTF-8 text, and JSON and YAML hold nothing else (use `b64encode`)
    ");
    let absent = secret::reveal(&secret::marker(Op::Value, "none"), Format::Text, &lookup(b""));
    assert_eq!(absent.unwrap_err().to_string(), "there is no value for the secret `none`");
}

#[test]
fn what_stands_for_a_secret_cannot_come_from_outside() {
    let values = json!({"vars": {"x": [secret::marker(Op::Value, "db")]}});
    let forged = Context::new(values.as_object().unwrap(), &BTreeMap::new(), BTreeSet::new()).unwrap_err();
    assert_eq!(forged.to_string(), "`vars.x` holds U+E5EC or U+E5ED, which stand for secrets in wharf's texts");
}
