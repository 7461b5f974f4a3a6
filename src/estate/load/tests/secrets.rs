//! `generate` and `recipient`: the exact words, and what an estate makes of them.

use super::{Written, mistakes, mistakes_of, plain, project};
use crate::estate::{Project, Rule, Secrets};
use insta::assert_snapshot;

const HOST: &str = "host \"h\" address=\"10.0.0.1\" { role \"r\" }";

fn files(service: &str, estate: &str) -> [(&'static str, String); 3] {
    [
        ("specs/a.kdl", format!("image \"a\"\nservice \"a\" {{\nrole \"r\"\n{service}\n}}\n")),
        ("targets/e.kdl", format!("estate \"e\" {{\n{HOST}\n{estate}\n}}\n")),
        ("templates/a.conf", "{{ secret(\"from-template\") }}".to_owned()),
    ]
}

fn wrong(service: &str, estate: &str) -> String {
    let files = files(service, estate);
    mistakes_of(&files.each_ref().map(|(path, text)| (*path, text.as_str())))
}

fn secrets(service: &str, estate: &str) -> Secrets {
    let files = files(service, estate);
    let written = Written::new(&files.each_ref().map(|(path, text)| (*path, text.as_str())));
    let project: Project = written.load().unwrap_or_else(|mistakes| panic!("{}", plain(&mistakes)));
    project.placed.values().next().unwrap().secrets.clone()
}

#[test]
fn texts_that_can_be_guessed_are_refused() {
    assert_snapshot!(wrong("generate \"x\" length=6 alphabet=\"digits\"", ""), @"
    specs/a.kdl:4:21 a length of 6 is out of range: 20 to 4096 is allowed
        [6] should be 20 to 4096
        help: what must be shorter can be set by hand: wharf secrets set NAME
    ");
    assert_snapshot!(wrong("generate \"x\" length=9000\ngenerate \"y\" alphabet=\"alnun\"", ""), @r#"
    specs/a.kdl:4:21 a length of 9000 is out of range: 11 to 4096 is allowed
        [9000] should be 11 to 4096
    specs/a.kdl:5:23 `alnun` is not an alphabet
        ["alnun"] not an alphabet
        help: did you mean `alnum`?
    "#);
}

#[test]
fn kinds_take_what_they_know() {
    assert_snapshot!(wrong("generate \"x\" kind=\"ssh-ed2551\"", ""), @r#"
    specs/a.kdl:4:19 `ssh-ed2551` is not a kind of secret that can be made
        ["ssh-ed2551"] not a kind of secret that can be made
        help: did you mean `ssh-ed25519`?
    "#);
    assert_snapshot!(wrong("generate \"x\" kind=\"fernet\" length=9", ""), @"
    specs/a.kdl:4:35 a secret of the kind `fernet` has no `length`
        [9] take this away
        help: this kind takes no other property
    ");
    assert_snapshot!(wrong("generate \"x\" kind=\"bytes\" alphabet=\"hex\" lenght=9", ""), @r#"
    specs/a.kdl:4:36 a secret of the kind `bytes` has no `alphabet`
        ["hex"] take this away
        help: this kind takes `length`
    specs/a.kdl:4:42 unknown property `lenght` of `generate`
        [lenght] not known here
        help: did you mean `length`?
    "#);
    assert_snapshot!(wrong("generate \"X\"\ngenerate", ""), @r#"
    specs/a.kdl:4:10 `X` cannot be a secret's name: lower-case letters, digits and single `-`, `_` or `.` between them
        ["X"] not a secret's name
    specs/a.kdl:5:1 `generate` needs a secret's name
        [generate] a secret's name expected
    "#);
}

#[test]
fn certificates_need_names_times_and_an_authority() {
    assert_snapshot!(wrong("", "generate \"c\" kind=\"certificate\""), @r#"
    targets/e.kdl:3:1 `generate` needs the property `ca`
        [generate "c" kind="certificate"] `ca` is missing
        help: write ca="internal-ca", the name of a secret of kind="ca"
    targets/e.kdl:3:1 `generate` needs the property `names`
        [generate "c" kind="certificate"] `names` is missing
        help: write names="internal.example|10.0.0.1"
    "#);
    let ca = "generate \"ca\" kind=\"ca\" common-name=\"X\" days=30";
    let cert = |rest: &str| format!("{ca}\ngenerate \"c\" kind=\"certificate\" ca=\"ca\" names=\"a.example\" {rest}");
    assert_snapshot!(wrong("", &cert("days=31")), @r#"
    targets/e.kdl:4:1 `c` would hold 31 days, and `ca` holds 30
        [generate "c" kind="certificate" ca="ca" names="a.example" days=31] longer than its authority
        targets/e.kdl:3:1 [generate "ca" kind="ca" common-name="X" days=30] its authority
        help: give `days` less
    "#);
    assert_snapshot!(wrong("", &cert("days=10 renew=\"10d\"")), @r#"
    targets/e.kdl:4:73 `renew` is 10 days before the end of what holds 10 days
        ["10d"] would be made anew each time
        help: give `renew` less than `days`
    "#);
    assert_snapshot!(wrong("", &cert("days=10 renew=5")), @r#"
    targets/e.kdl:4:73 a time needs its unit
        [5] no unit
        help: write "5d" for days
    "#);
    assert_snapshot!(wrong("", &cert("days=\"10d\" renew=\"5h\"")), @r#"
    targets/e.kdl:4:64 expected a whole number, found a text
        ["10d"] should be a whole number
    "#);
    assert_snapshot!(wrong("", &format!("{ca}\ngenerate \"c\" kind=\"certificate\" ca=\"cb\" names=\"a|10.0.0.256\"")), @r#"
    targets/e.kdl:4:47 `10.0.0.256` is neither a host's name nor an address
        ["a|10.0.0.256"] in this list
        help: names are joined by `|`: names="internal.example|*.apps.example|10.0.0.1"
    "#);
    assert_snapshot!(wrong("", &format!("{ca}\ngenerate \"c\" kind=\"certificate\" ca=\"cab\" names=\"a\" days=9")), @r#"
    targets/e.kdl:4:1 there is no certificate authority `cab`
        [generate "c" kind="certificate" ca="cab" names="a" days=9] its `ca`
        help: did you mean `ca`?
    "#);
    assert_snapshot!(wrong("", "generate \"t\"\ngenerate \"c\" kind=\"certificate\" ca=\"t\" names=\"a\""), @r#"
    targets/e.kdl:4:1 `t` is no certificate authority
        [generate "c" kind="certificate" ca="t" names="a"] its `ca`
        targets/e.kdl:3:1 [generate "t"] this is `kind="text"`
    "#);
    assert_snapshot!(wrong("", "generate \"c\" kind=\"certificate\" ca=\"corp\" names=\"a\""), @r#"
    targets/e.kdl:3:1 there is no certificate authority `corp`
        [generate "c" kind="certificate" ca="corp" names="a"] its `ca`
        help: write generate "corp" kind="ca" common-name="…"; a certificate and key that were set by hand as `corp` and `corp.key` stay as they are
    "#);
    assert_snapshot!(wrong("", "generate \"c\" kind=\"ca\" common-name=\"\""), @r#"
    targets/e.kdl:3:36 a common name has 1 to 64 letters (RFC 5280, ub-common-name)
        [""] not a common name
    "#);
}

#[test]
fn names_that_two_rules_give_are_refused() {
    assert_snapshot!(wrong("generate \"k\" kind=\"ssh-ed25519\"\ngenerate \"k.pub\"", ""), @r#"
    specs/a.kdl:5:1 `k.pub` is the other half of `k`, and made by itself too
        [generate "k.pub"] this one
        specs/a.kdl:4:1 [generate "k" kind="ssh-ed25519"] makes it as well
        help: give one of them another name
    "#);
    let files = [
        ("specs/a.kdl", "image \"a\"\nimage \"b\"\nservice \"a\" { role \"r\"; generate \"x\" length=20 }\n"),
        ("specs/b.kdl", "service \"b\" { role \"r\"; generate \"x\" length=21 }\n"),
        ("targets/e.kdl", &format!("estate \"e\" {{ {HOST} }}\n")),
    ];
    assert_snapshot!(mistakes_of(&files), @r#"
    specs/b.kdl:1:25 `x` is made in two ways
        [generate "x" length=21] otherwise here
        specs/a.kdl:3:25 [generate "x" length=20] first here
        help: a `generate "x"` in the estate decides
    "#);
    // The estate decides.
    let with =
        [files[0], files[1], ("targets/e.kdl", &format!("estate \"e\" {{ {HOST}; generate \"x\" length=22 }}\n"))];
    assert_eq!(mistakes_of(&with), "none");
}

#[test]
fn a_secret_key_among_the_recipients_is_not_shown() {
    let key = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    assert_snapshot!(wrong("", "recipient \"bob\""), @r#"
    targets/e.kdl:3:11 this is no age recipient
        ["bob"] not a recipient
        help: it begins with age1, ssh-ed25519 or ssh-rsa; `wharf secrets keygen` makes one
    "#);
    let said = wrong("", &format!("recipient \"{key}\" \"bob\""));
    assert!(!said.contains(key), "{said}");
    assert_snapshot!(said.replace(key, "KEY"), @r#"
    a `recipient` of the estate `e` is a secret key
        help: whoever reads the spec has it: take it away, make another by `wharf secrets keygen`, and rotate what it could read
    "#);
}

#[test]
fn an_estate_knows_what_is_made_and_who_uses_it() {
    let service = "secret \"by-hand\"\nsecret \"k.pub\"\ngenerate \"k\" kind=\"ssh-ed25519\"\ngenerate \"x\" length=20\n\
                   config \"/etc/a.conf\" template=\"a.conf\"\nneeds \"p\" as=\"own\" secret=\"binding\"\n}\n\
                   image \"b\"\nservice \"b\" {\nrole \"r\"\nprovides \"p\" { grant run=\"true\" secret=\"root\" }";
    let found = secrets(service, "generate \"x\" length=40");
    let names: Vec<String> = found.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["binding", "by-hand", "from-template", "k", "k.pub", "root", "x"]);
    let used: Vec<&str> = found.uses.keys().map(|name| name.as_str()).collect();
    assert_eq!(used, ["binding", "by-hand", "from-template", "k.pub", "root"]);
    let rule = |name: &str| found.rule(&crate::name::SecretName::new(name).unwrap()).map(|(_, rule)| rule.to_string());
    assert_eq!(rule("x").unwrap(), "length=40 alphabet=\"alnum\"");
    assert_eq!(rule("k.pub").unwrap(), "kind=\"ssh-ed25519\"");
    assert_eq!(rule("by-hand"), None);
    assert_eq!(rule("x.pub"), None);
}

#[test]
fn rules_have_their_defaults() {
    let found = secrets(
        "generate \"a\"\ngenerate \"b\" alphabet=\"digits\"\ngenerate \"c\" kind=\"bytes\"",
        "generate \"ca\" kind=\"ca\" common-name=\"X\"\ngenerate \"cert\" kind=\"certificate\" ca=\"ca\" names=\"a | ::1\"",
    );
    let rules: Vec<String> = found.rules.iter().map(|(name, made)| format!("{name}: {}", made.rule)).collect();
    assert_eq!(
        rules,
        [
            "a: length=32 alphabet=\"alnum\"",
            "b: length=32 alphabet=\"digits\"",
            "c: kind=\"bytes\" length=32",
            "ca: kind=\"ca\" common-name=\"X\" days=3650",
            "cert: kind=\"certificate\" ca=\"ca\" names=\"a|::1\" days=365",
        ]
    );
    let renew: Vec<u32> = found
        .rules
        .values()
        .filter_map(|made| match &made.rule {
            Rule::Authority { lifetime, .. } | Rule::Certificate { lifetime, .. } => Some(lifetime.renew),
            _ => None,
        })
        .collect();
    assert_eq!(renew, [365, 30]);
}

#[test]
fn each_cell_has_its_own_of_a_secret_that_says_so() {
    let text = "image \"web\" {}\n\
         service \"agent\" { image \"web\"; scope \"cell\"; role \"compute\"; secret \"agent-db\"; secret \"agent-key.pub\"\n\
             generate \"agent-db\" per=\"cell\"; generate \"agent-key\" kind=\"ssh-ed25519\" per=\"cell\"\n\
             generate \"agent-ca\" kind=\"ca\" common-name=\"x\" per=\"cell\"\n\
             generate \"agent-cert\" kind=\"certificate\" ca=\"agent-ca\" names=\"x\" per=\"cell\"\n\
             task \"join\" run=\"a b\" { secret \"agent-cert\"; secret \"all\" env=\"ALL\" }\n\
             generate \"all\" }\n\
         service \"api\" { image \"web\"; role \"control\"; secret \"agent-db\" }\n\
         estate \"one\" {\n\
             host \"h\" address=\"10.0.0.1\" { role \"control\" }\n\
             cell \"cell1\" { host \"n1\" address=\"10.0.1.1\" { role \"compute\" } }\n\
             cell \"cell2\" { host \"n2\" address=\"10.0.2.1\" { role \"compute\" } }\n\
             cell \"cell3\" { host \"n3\" address=\"10.0.3.1\" }\n\
         }\n";
    let project = project(text);
    let secrets = &project.placed.values().next().unwrap().secrets;
    let users = |name: &crate::name::SecretName| {
        let users = secrets.uses.get(name).into_iter().flatten().map(|user| user.service.to_string());
        users.collect::<Vec<_>>().join(" ")
    };
    let lines: Vec<String> = secrets
        .names()
        .iter()
        .map(|name| format!("{name}: {} ({})", secrets.rule(name).unwrap().1, users(name)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    agent-ca-cell1: kind="ca" common-name="x" days=3650 ()
    agent-ca-cell1.key: kind="ca" common-name="x" days=3650 ()
    agent-ca-cell2: kind="ca" common-name="x" days=3650 ()
    agent-ca-cell2.key: kind="ca" common-name="x" days=3650 ()
    agent-cert-cell1: kind="certificate" ca="agent-ca-cell1" names="x" days=365 (agent)
    agent-cert-cell1.key: kind="certificate" ca="agent-ca-cell1" names="x" days=365 ()
    agent-cert-cell2: kind="certificate" ca="agent-ca-cell2" names="x" days=365 (agent)
    agent-cert-cell2.key: kind="certificate" ca="agent-ca-cell2" names="x" days=365 ()
    agent-db: length=32 alphabet="alnum" (api)
    agent-db-cell1: length=32 alphabet="alnum" (agent)
    agent-db-cell2: length=32 alphabet="alnum" (agent)
    agent-key-cell1: kind="ssh-ed25519" ()
    agent-key-cell1.pub: kind="ssh-ed25519" (agent)
    agent-key-cell2: kind="ssh-ed25519" ()
    agent-key-cell2.pub: kind="ssh-ed25519" (agent)
    all: length=32 alphabet="alnum" (agent)
    "#);
    let name = |text: &str| crate::name::SecretName::new(text).unwrap();
    let cell = crate::name::CellName::new("cell2").unwrap();
    let of = |text: &str| (secrets.of(&name(text), Some(&cell)).to_string(), secrets.of(&name(text), None).to_string());
    assert_eq!(of("agent-key.pub"), ("agent-key-cell2.pub".to_owned(), "agent-key.pub".to_owned()));
    assert_eq!(of("all"), ("all".to_owned(), "all".to_owned()));
}

#[test]
fn a_secret_of_a_cell_meets_no_other() {
    let found = mistakes(
        "image \"web\" {}\n\
         service \"agent\" { image \"web\"; scope \"cell\"; role \"compute\"; secret \"db\"; secret \"db-cell1\"\n\
             generate \"db\" per=\"cell\"; generate \"db-cell1\"; generate \"x\" per=\"host\" }\n\
         service \"other\" { image \"web\"; scope \"cell\"; role \"compute\"; secret \"db\"; generate \"db\" }\n\
         estate \"one\" { cell \"cell1\" { host \"n1\" address=\"10.0.1.1\" { role \"compute\" } } }\n",
    );
    insta::assert_snapshot!(found, @r#"
    specs/a.kdl:3:27 `db-cell1` is made for the cell `cell1`, and by a rule of that name
        [generate "db-cell1"] this one
        specs/a.kdl:3:1 [generate "db" per="cell"] makes it as well
        help: give one of them another name
    specs/a.kdl:3:65 `host` is not a part with secrets of its own
        ["host"] not a part with secrets of its own
        help: there is only `cell`
    specs/a.kdl:4:75 `db` is made in two ways
        [generate "db"] otherwise here
        specs/a.kdl:3:1 [generate "db" per="cell"] first here
        help: a `generate "db"` in the estate decides
    "#);
}
