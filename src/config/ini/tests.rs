use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn text() -> Arc<str> {
    Arc::from("keystone.conf.j2")
}

fn oslo(input: &str) -> Ini {
    Ini::parse(Dialect::Oslo, &text(), input).unwrap()
}

fn plain(input: &str) -> Ini {
    Ini::parse(Dialect::Plain, &text(), input).unwrap()
}

fn change(section: &str, key: &str, values: &[&str]) -> Change {
    let place = Place::line(&Arc::from("host.kdl"), 7);
    let values = values.iter().map(|value| Layered::new(Some((*value).to_owned()), place.clone())).collect();
    Change { section: section.to_owned(), key: key.to_owned(), values, place }
}

fn values(ini: &Ini, section: &str, key: &str) -> Vec<String> {
    let values = ini.get(section, key).unwrap_or_default();
    values.iter().map(|value| value.value.clone().unwrap_or_else(|| "<none>".to_owned())).collect()
}

fn refusals(dialect: Dialect, inputs: &[&str]) -> String {
    let one = |input: &&str| match Ini::parse(dialect, &text(), input) {
        Ok(ini) => panic!("{input:?} gave {ini:?}"),
        Err(error) => format!("{error}{}", error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default()),
    };
    inputs.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_oslo_config_refuses_is_refused_with_its_line() {
    let inputs = ["[DEFAULT]\nx", "[a", "[a] # b", "[]", "\nx = 1\n", "[a]\n= 1", "[a]\n\n x = 1", "[a]\nk=1\n#c\n 2"];
    assert_snapshot!(refusals(Dialect::Oslo, &inputs), @r"
    line 2: expected a section, a comment, or a key with `=` or `:`
    line 1: a section's line must end with `]` (a comment needs a line of its own)
    line 1: a section's line must end with `]` (a comment needs a line of its own)
    line 1: the section has no name
    line 2: `x` stands before the first section (write `[DEFAULT]` above it)
    line 2: the key before `=` is empty
    line 3: an indented line continues a value, and none is open (take the blanks away; a comment or an empty line ends a value of several lines)
    line 4: an indented line continues a value, and none is open (take the blanks away; a comment or an empty line ends a value of several lines)
    ");
}

#[test]
fn a_plain_file_is_refused_only_where_no_program_would_read_it() {
    assert_snapshot!(refusals(Dialect::Plain, &["[a", "[ ]", "= 1"]), @r"
    line 1: a section's line must end with `]` (a comment needs a line of its own)
    line 1: the section has no name
    line 1: the key before `=` is empty
    ");
}

#[test]
fn what_no_line_says_is_refused() {
    let said = |dialect, section: &str, key: &str, value: &str| {
        let refused = Ini::empty(dialect).apply(&change(section, key, &[value])).unwrap_err();
        assert_eq!(refused.place, Place::line(&Arc::from("host.kdl"), 7));
        refused.to_string()
    };
    let oslo = Dialect::Oslo;
    let all = [
        said(oslo, "", "k", "v"),
        said(oslo, "a\nb", "k", "v"),
        said(Dialect::Plain, " a", "k", "v"),
        said(oslo, "a", "", "v"),
        said(oslo, "a", "k\n", "v"),
        said(oslo, "a", "k:v", "v"),
        said(Dialect::Plain, "a", "k=v", "v"),
        said(oslo, "a", "k ", "v"),
        said(oslo, "a", "[k", "v"),
        said(oslo, "a", "#k", "v"),
        said(oslo, "a", "k", "a\rb"),
        said(oslo, "a", "k", "a\n\nb"),
        said(oslo, "a", "k", "a\n b"),
        said(Dialect::Plain, "a", "k", " a"),
        said(Dialect::Plain, "a", "k", "a\n#b"),
    ];
    assert_snapshot!(all.join("\n"), @r"
    the section name `` is empty: oslo.config knows no key outside a section
    the section name `a\nb` holds a line break
    the section name ` a` begins or ends with a blank
    the key `` is empty
    the key `k\n` holds a line break
    the key `k:v` holds what parts a key from its value
    the key `k=v` holds what parts a key from its value
    the key `k ` begins or ends with a blank
    the key `[k` begins as a section does
    the key `#k` begins as a comment does
    the value of `k` holds a carriage return, which would end the line
    the value of `k` has an empty line, which would end it
    the value of `k` has a further line that begins or ends with a blank, which would be lost
    the value of `k` begins or ends with a blank, which would be lost
    the value of `k` has a further line that begins as a comment does
    ");
}

#[test]
fn repeated_keys_and_sections_continuations_and_quotes_are_read_as_oslo_config_does() {
    let ini = oslo(
        "# c\n[DEFAULT]\nservers = a\nservers: b\nlong = one\n  two\n\tthree\nquoted = \" x \"\nlone = '\n\n[Cache]\nempty =\n\
         url = http://h/?a=b # not a comment\n[DEFAULT]\nservers = c\n[cache]\nmore=1\n",
    );
    assert_eq!(values(&ini, "DEFAULT", "servers"), ["a", "b", "c"]);
    assert_eq!(values(&ini, "DEFAULT", "long"), ["one\ntwo\nthree"]);
    assert_eq!(values(&ini, "DEFAULT", "quoted"), [" x "]);
    assert_eq!(values(&ini, "DEFAULT", "lone"), [""]);
    assert_eq!(values(&ini, "cache", "url"), ["http://h/?a=b # not a comment"]);
    assert_snapshot!(ini.render(), @r#"
    [DEFAULT]
    servers = a
    servers = b
    servers = c
    long = one
        two
        three
    quoted = " x "
    lone =

    [Cache]
    empty =
    url = http://h/?a=b # not a comment
    more = 1
    "#);
}

#[test]
fn a_plain_file_has_keys_without_section_and_without_value() {
    let ini =
        plain("listeners.tcp.default = 5672\n\n[mysqld]\n  skip-name-resolve\n  # c\nsql_mode = \"A\"\n[Mysqld]\nx\n");
    assert_snapshot!(ini.render(), @r#"
    listeners.tcp.default = 5672

    [mysqld]
    skip-name-resolve
    sql_mode = "A"

    [Mysqld]
    x
    "#);
}

#[test]
fn a_stronger_layer_replaces_the_whole_list_removes_keys_and_adds_sections() {
    let mut ini = oslo("[DEFAULT]\nservers = a\nservers = b\ndebug = false\n[gone]\nold = 1\n");
    assert!(ini.apply(&change("DEFAULT", "servers", &["c"])).unwrap());
    assert!(ini.apply(&change("GONE", "old", &[])).unwrap());
    assert!(ini.apply(&change("new", "key", &["1", "2"])).unwrap());
    assert_snapshot!(ini.render(), @r"
    [DEFAULT]
    servers = c
    debug = false

    [gone]

    [new]
    key = 1
    key = 2
    ");
}

#[test]
fn a_change_that_changes_nothing_says_so() {
    let mut ini = oslo("[DEFAULT]\ndebug = false\n");
    assert!(!ini.apply(&change("DEFAULT", "debug", &["false"])).unwrap());
    assert!(!ini.apply(&change("DEFAULT", "debgu", &[])).unwrap());
    assert!(!ini.apply(&change("none", "x", &[])).unwrap());
}

#[test]
fn each_value_knows_its_line_and_its_layer() {
    let mut ini = oslo("[DEFAULT]\nservers = a\n\nservers = b\ndebug = false\n");
    ini.apply(&change("DEFAULT", "debug", &["true"])).unwrap();
    let lines: Vec<String> = ini
        .settings()
        .map(|(at, value)| match &value.place {
            Place::Line { text, line } => format!("{at} = {} {text}:{line}", value.value.as_deref().unwrap_or("")),
            Place::Spec(_) => unreachable!(),
        })
        .collect();
    assert_snapshot!(lines.join("\n"), @r"
    [DEFAULT] servers = a keystone.conf.j2:2
    [DEFAULT] servers = b keystone.conf.j2:4
    [DEFAULT] debug = true host.kdl:7
    ");
}

/// Lines that an INI file is likely to be made of, and some that it is not.
fn input() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => "[a-c]{1,2}[ ]?[=:][ ]?[a-c\"' ]{0,4}",
        2 => "\\[[a-bA-B]{1,2}\\]",
        1 => "[ \t]{1,2}[a-c=\"#]{0,3}",
        1 => "[#;][a-c]{0,2}",
        1 => Just(String::new()),
        1 => "\\PC{0,6}",
    ];
    (proptest::collection::vec(line, 0..12), "[\n\r]{1,2}").prop_map(|(lines, end)| lines.join(&end))
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_it_was(input in input(), oslo in any::<bool>()) {
        let dialect = if oslo { Dialect::Oslo } else { Dialect::Plain };
        if let Ok(ini) = Ini::parse(dialect, &text(), &input) {
            let written = ini.render();
            let again = Ini::parse(dialect, &text(), &written);
            prop_assert_eq!(again.as_ref(), Ok(&ini), "{}", written);
        }
    }

    #[test]
    fn any_sayable_change_reads_back(
        section in "[a-b\\PC]{0,3}", key in "[a-b\\PC]{0,3}", value in "[a-b\"' \n\\PC]{0,6}", oslo in any::<bool>(),
    ) {
        let dialect = if oslo { Dialect::Oslo } else { Dialect::Plain };
        let mut ini = Ini::empty(dialect);
        if ini.apply(&change(&section, &key, &[&value, "x"])).is_ok() {
            let again = Ini::parse(dialect, &text(), &ini.render()).unwrap();
            prop_assert_eq!(values(&again, &section, &key), vec![value, "x".to_owned()]);
        }
    }

    #[test]
    fn layers_of_whole_files_agree_key_by_key(below in input(), above in input()) {
        let (Ok(below), Ok(above)) = (Ini::parse(Dialect::Oslo, &text(), &below), Ini::parse(Dialect::Oslo, &text(), &above))
        else { return Ok(()) };
        let mut merged = below.clone();
        for change in above.changes() {
            merged.apply(&change).unwrap();
        }
        for (ini, stronger) in [(&above, None), (&below, Some(&above))] {
            for section in ini.sections() {
                for option in section.options() {
                    let own = stronger.and_then(|above| above.get(section.name(), option.key()));
                    prop_assert_eq!(merged.get(section.name(), option.key()), Some(own.unwrap_or(option.values())));
                }
            }
        }
    }
}
