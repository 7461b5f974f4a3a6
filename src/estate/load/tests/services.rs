//! Services and estates: what they mean, and the exact words for what cannot be.

use std::fmt::Write as _;

use super::{mistakes, project};
use crate::estate::{Placed, Project, Provider};
use insta::assert_snapshot;

pub(super) const HEALTHY: &str = "health \"healthcheck_port\" \"80\" interval=\"10s\" retries=3 timeout=\"5s\"";

/// Images, services and one host that runs all of them.
pub(super) fn estate(services: &str, estate: &str) -> String {
    format!(
        "image \"web\" {{ {HEALTHY} }}\nimage \"db\" {{ {HEALTHY} }}\n{services}\n\
         estate \"one\" {{\n    host \"h1\" address=\"10.0.0.1\" {{ role \"control\" }}\n    {estate}\n}}\n"
    )
}

fn placed(project: &Project) -> String {
    let mut text = String::new();
    for (name, placed) in &project.placed {
        let _ = writeln!(text, "{name}");
        groups(&mut text, placed);
    }
    text
}

fn groups(text: &mut String, placed: &Placed) {
    for group in placed.groups.values() {
        let members: Vec<&str> = group.members.iter().map(|host| host.as_str()).collect();
        let _ = write!(text, "  {} on {}", group.name, members.join(" "));
        for (name, port) in &group.ports {
            let _ = write!(text, ", {name} at {}/{}", port.number, port.transport.as_str());
        }
        for (name, need) in &group.needs {
            let who = match &need.provider {
                Provider::Nobody => "nobody",
                Provider::Group(name) | Provider::External(name) => name.as_str(),
            };
            let _ = write!(text, ", {name} from {who}");
        }
        text.push('\n');
    }
    for (vip, fronts) in &placed.fronts {
        for front in fronts {
            let _ = writeln!(text, "  {vip}:{} before {} of {}", front.port, front.capability, front.group);
        }
    }
}

#[test]
fn nodes_that_services_and_estates_do_not_know() {
    let found = mistakes(&estate(
        "service \"web\" { rol \"control\"; provides \"web\" prot=80; config \"etc\"; mount \"/x\"; limits memry=\"1G\" }",
        "hst \"h2\"; host \"h3\"; host \"h1\" address=\"10.0.0.2\"; cell \"c1\" { hosts \"x\" }",
    ));
    assert_snapshot!(found);
}

#[test]
fn names_that_nothing_has() {
    let found = mistakes(&estate(
        "service \"web\" { image \"wbe\"; role \"control\"; needs \"databas\"; after \"bd\" }\n\
         service \"db\" { role \"control\"; provides \"database\" port=3306 }",
        "role \"contrl\" { var x=1 }; stamp \"dbb\" as=\"x\" { on \"h9\" }; bind \"wbe\" databas=\"db\"; \
         override \"web\" file=\"web.conf\" { section \"a\" { b 1 } }",
    ));
    assert_snapshot!(found);
}

#[test]
fn needs_that_nobody_or_too_many_answer() {
    let unmet = mistakes(&estate(
        "service \"web\" { role \"control\"; needs \"database\" }\nservice \"db\" { role \"data\"; provides \"database\" port=1 }",
        "",
    ));
    assert_snapshot!(unmet, @r#"
    specs/a.kdl:3:39 `web` needs `database`, which nothing in the estate `one` provides
        ["database"] not met
        help: `db` provides it: give a host the role `data`
    "#);
    let two = mistakes(&estate(
        "service \"web\" { role \"control\"; needs \"database\" }\n\
         service \"db\" { role \"control\"; provides \"database\" port=1 }\n\
         service \"web2\" { image \"web\"; role \"control\"; provides \"database\" port=2 }",
        "",
    ));
    assert_snapshot!(two, @r#"
    specs/a.kdl:3:33 `web` needs `database`, which `db` and `web2` provide
        [needs "database"] which of them?
        specs/a.kdl:4:1 [service "db"] `db` provides it
        specs/a.kdl:5:1 [service "web2"] `web2` provides it
        help: write bind "web" database="db" in the estate
    "#);
    let cell = mistakes(&estate(
        "service \"web\" { role \"control\"; needs \"database\" }\nservice \"db\" { role \"data\"; scope \"cell\"; provides \"database\" port=1 }",
        "cell \"c1\" { host \"d1\" address=\"10.0.0.2\" { role \"data\" } }",
    ));
    assert_snapshot!(cell, @r#"
    specs/a.kdl:3:39 `web` needs `database`, which nothing in the estate `one` provides to it
        ["database"] not met
        help: `db-c1` is for cells: write bind "web" database="db-c1"
    "#);
}

#[test]
fn two_on_one_port() {
    let found = mistakes(&estate(
        "service \"web\" { role \"control\"; provides \"web\" port=80 }\n\
         service \"db\" { role \"control\"; provides \"sql\" port=80 listen=\"all\" }",
        "",
    ));
    assert_snapshot!(found, @r#"
    specs/a.kdl:3:33 `db` and `web` both listen on 10.0.0.1 port 80/tcp of h1
        [provides "web" port=80] this port
        specs/a.kdl:4:32 [provides "sql" port=80 listen="all"] and this one
        help: give one another port, another network, or another host; a stamp takes `shift=` or `port`
    "#);
}

#[test]
fn a_front_and_a_listener_on_every_address() {
    let found = mistakes(&estate(
        "service \"web\" { role \"control\"; provides \"web\" port=80 listen=\"all\" balance=\"internal\" }",
        "services \"web\"; vip \"internal\" address=\"10.0.0.100\" on=\"control\"",
    ));
    assert_snapshot!(found, @r#"
    specs/a.kdl:6:21 `web` and the load balancer before `web` both listen on 10.0.0.100 port 80/tcp of h1
        [vip "internal" address="10.0.0.100" on="control"] this port
        specs/a.kdl:3:33 [provides "web" port=80 listen="all" balance="internal"] and this one
        help: give one another port, another network, or another host; a stamp takes `shift=` or `port`
    "#);
}

#[test]
fn services_that_wait_for_one_another() {
    let found = mistakes(&estate(
        "service \"web\" { role \"control\"; needs \"sql\"; provides \"web\" port=80 }\n\
         service \"db\" { role \"control\"; needs \"web\"; provides \"sql\" port=1 }",
        "",
    ));
    assert_snapshot!(found, @r#"
    specs/a.kdl:4:1 services wait for one another: `db` → `web` → `db`
        [service "db"] in this circle
        help: a need that may come up later says order=#false
    "#);
}

#[test]
fn gates_and_times_that_cannot_hold() {
    let found = mistakes(&estate(
        "service \"web\" { role \"control\"; health #null; notify \"healthy\" }\n\
         service \"db\" { role \"control\"; start-timeout \"10s\"; update deadline=\"20s\"; config \"/x\" \"y\" on-change=\"reload\" }",
        "",
    ));
    assert_snapshot!(found, @r#"
    specs/a.kdl:3:54 `web` counts as started when it is healthy, and has no health check
        ["healthy"] never holds
        help: write health "healthcheck_http" "http://localhost:80/" in the service or its image
    specs/a.kdl:4:46 `db` may take 10 s to start, and its health check allows itself 60 s
        ["10s"] ends it while it still starts
        help: the budget is start + (interval + timeout) × (retries + 1) of the health check
    specs/a.kdl:4:53 an update of `db` may take 20 s, and it is healthy after 60 s at the latest, plus 10 s to stay so
        [update deadline="20s"] longer than `deadline` of its `update`
        help: give `update deadline=` more, or the health check less
    specs/a.kdl:4:76 `db` is not told how to read /x again
        [config "/x" "y" on-change="reload"] on-change="reload" needs a `reload`
        help: write reload signal="SIGHUP", or reload "program" "argument"
    "#);
}

#[test]
fn units_that_would_reach_across_hosts() {
    let found = mistakes(&estate(
        "service \"web\" { role \"control\"; after \"db\" }\nservice \"db\" { role \"data\" }",
        "host \"h2\" address=\"10.0.0.2\" { role \"data\" }",
    ));
    assert_snapshot!(found, @r#"
    specs/a.kdl:3:39 `web` is to start after `db`, which does not run on h1
        ["db"] not on every host of it
        help: units order on their own host only; what is needed of others is said with `needs`
    "#);
}

#[test]
fn changes_that_nothing_uses() {
    let found = mistakes(&estate(
        "service \"web\" { role \"control\"; config \"/etc/web.conf\" \"[a]\\nb = 1\\n\"; config \"/etc/w.ini\" \"[a]\\n\" }\n\
         service \"db\" { role \"data\" }",
        "override \"db\" file=\"x\" { section \"a\" { b 1 } }\n\
         override \"web\" file=\"web.cnf\" { section \"a\" { b 1 } }\n\
         override \"web\" file=\"web.conf\" { section \"a\" { b 1 } }\n\
         override \"web\" file=\"w.ini\" { keys { b 1 } }\n\
         override \"web\" file=\"w.ini\" { section \"a\" { b 2; c #null; d \"1\" \"2\" } }",
    ));
    assert_snapshot!(found);
}

#[test]
fn texts_that_only_a_host_completes_stand_where_they_can() {
    let found = mistakes(&estate(
        "let who=\"me\"\nservice \"web\" { role \"control\"; env A=\"${address}\" B=\"${who}\" C=\"${whom}\"; user \"${host}\" }",
        "",
    ));
    assert_snapshot!(found, @r#"
    specs/a.kdl:4:65 unknown variable `whom`
        ["${whom}"] in this text
        help: did you mean `who`?
    specs/a.kdl:4:81 what is known only on a host cannot stand here
        ["${host}"] in this text
        help: `${host}`, `${address}`, `${port}` and their like stand in env, command, health, config and the like
    "#);
    let project = project(&estate(
        "let who=\"$${me}\"\nservice \"web\" { role \"control\"; env A=\"${address}:${port.x}\" B=\"${who} $${c}\" }",
        "",
    ));
    let env = &project.services.values().next().unwrap().container.env;
    let fill = |name: &str| Some(format!("<{name}>"));
    assert_eq!(env["A"].fill(fill).unwrap(), "<address>:<port.x>");
    assert_eq!(env["B"].fill(fill).unwrap(), "${me} ${c}");
}

#[test]
fn what_is_needed_is_known_where_it_is_granted() {
    let found = mistakes(&estate("service \"web\" { role \"control\"; env A=\"${need.name}\" }", ""));
    assert_snapshot!(found, @r#"
    specs/a.kdl:3:39 unknown variable `need.name`
        ["${need.name}"] in this text
        help: write `$${need.name}` where the text itself is meant
    "#);
    let project = project(&estate(
        "service \"db\" { role \"control\"; provides \"sql\" port=1 { grant { run \"make\" \"${need.name}\" \"${need.user}\" } } }",
        "",
    ));
    let service = project.services.values().next().unwrap();
    let grant = service.provides.values().next().unwrap().grant.as_ref().unwrap();
    let filled: Vec<String> =
        grant.run.iter().map(|word| word.fill(|name| Some(format!("<{name}>"))).unwrap()).collect();
    assert_eq!(filled, ["make", "<need.name>", "<need.user>"]);
}

#[test]
fn cells_share_hosts_and_their_names_and_ports_never_clash() {
    let project = project(
        "image \"db\" {}\nimage \"agent\" {}\nimage \"conductor\" {}\nimage \"proxy\" {}\n\
         service \"db\" { role \"control\"; provides \"database\" port=3306; port \"peers\" 4567 }\n\
         service \"conductor\" { scope \"cell\"; role \"cell-control\"; needs \"database\"; provides \"console\" port=6080 }\n\
         service \"agent\" { scope \"cell\"; role \"compute\"; needs \"database\" }\n\
         service \"proxy\" { scope \"host\"; image \"proxy\" }\n\
         estate \"two-cells\" {\n\
             host \"api1\" address=\"10.0.0.1\" { role \"control\" }\n\
             cell \"cell1\" {\n\
                 host \"c1\" address=\"10.0.1.1\" { role \"cell-control\" }\n\
                 host \"n1\" address=\"10.0.1.9\" { role \"compute\" }\n\
                 stamp \"db\" { on \"c1\" }\n\
             }\n\
             cell \"cell2\" {\n\
                 share \"c1\" { role \"cell-control\" }\n\
                 host \"n2\" address=\"10.0.2.9\" { role \"compute\" }\n\
                 stamp \"db\" { on \"c1\" }\n\
             }\n\
             cell \"cell3\" { host \"n3\" address=\"10.0.3.9\" { role \"compute\" }; external \"old\" { provides \"database\" address=\"db.example\" port=3306 } }\n\
             bind \"agent\" in=\"cell1\" database=\"db\"\n\
         }\n",
    );
    assert_snapshot!(placed(&project), @"
    two-cells
      agent-cell1 on n1, database from db
      agent-cell2 on n2, database from db-cell2
      agent-cell3 on n3, database from old
      conductor-cell1 on c1, console at 6090/tcp, database from db-cell1
      conductor-cell2 on c1, console at 6100/tcp, database from db-cell2
      db on api1, database at 3306/tcp, peers at 4567/tcp
      db-cell1 on c1, database at 3316/tcp, peers at 4577/tcp
      db-cell2 on c1, database at 3326/tcp, peers at 4587/tcp
      proxy on api1 c1 n1 n2 n3
    ");
}

#[test]
fn instances_are_groups_of_their_own() {
    let project = project(&estate(
        "service \"web\" { role \"control\"; provides \"web\" port=80; instance \"blue\" {}; instance \"green\" { port \"web\" 81; env A=\"b\" } }",
        "",
    ));
    assert_snapshot!(placed(&project), @"
    one
      web-blue on h1, web at 80/tcp
      web-green on h1, web at 81/tcp
    ");
}

#[test]
fn a_balanced_service_has_a_front_where_the_estate_has_the_vip() {
    let project = project(&estate(
        "service \"web\" { role \"control\"; provides \"web\" port=80 balance=\"internal\" check=\"GET /\" }",
        "vip \"internal\" address=\"10.0.0.100\" on=\"control\"",
    ));
    assert_snapshot!(placed(&project), @"
    one
      web on h1, web at 80/tcp
      internal:80 before web of web
    ");
}

#[test]
fn extends_reach_services_estates_and_their_hosts() {
    let project = project(&estate(
        "service \"web\" { role \"control\"; env A=\"1\"; provides \"web\" port=80 }\n\
         extend service \"web\" { env B=\"2\"; provides \"web\" protocol=\"http\" }\n\
         extend estate \"one\" { host \"h1\" { network \"internal\" address=\"10.1.0.1\" }; host \"h2\" address=\"10.0.0.2\" { role \"control\" } }",
        "",
    ));
    let service = project.services.values().next().unwrap();
    assert_eq!(service.container.env.len(), 2);
    let provide = service.provides.values().next().unwrap();
    assert_eq!((provide.port.as_ref().unwrap().number, provide.protocol.as_deref()), (80, Some("http")));
    assert_snapshot!(placed(&project), @"
    one
      web on h1 h2, web at 80/tcp
    ");
}

#[test]
fn images_of_services_are_wanted() {
    let project = project(&estate("service \"web\" { role \"control\" }", ""));
    assert!(project.wanted.iter().any(|name| name.as_str() == "web"));
}

/// A host with two roles that both change something.
fn roles(one: &str, other: &str, more: &str) -> String {
    estate(
        "service \"web\" { role \"control\"; config \"/etc/w.ini\" \"[a]\\n\"; config \"/etc/w.yaml\" \"a: 1\\n\" }",
        &format!(
            "role \"control\" {{ {one} }}; role \"second\" {{ {other} }}\n\
             host \"h2\" address=\"10.0.0.2\" {{ role \"second\" \"control\"; {more} }}"
        ),
    )
    .replace("estate \"one\"", "service \"db\" { role \"second\" }\nestate \"one\"")
}

#[test]
fn two_roles_of_one_host_that_change_an_option_differently() {
    let one = "override \"web\" file=\"w.ini\" { section \"a\" { b 1; c \"x\" \"y\" } }";
    let other = "override \"web\" file=\"/etc/w.ini\" { section \"a\" { b 2; c \"x\" \"y\"; d 3 } }; var v=1";
    assert_snapshot!(mistakes(&roles(&format!("{one}; var v=2"), other, "")), @"
    specs/a.kdl:7:66 two roles of h2 give `a.b` in /etc/w.ini of `web` different values
        [b 1] this one
        specs/a.kdl:7:162 [b 2] and this one
        help: set it in the host itself: that counts most
    specs/a.kdl:7:90 two roles of h2 give `v` different values
        [v] this one
        specs/a.kdl:7:191 [v] and this one
        help: set it in the host itself: that counts most
    ");
    let keys = |value: &str| format!("override \"web\" file=\"w.yaml\" {{ keys {{ a {{ {value} }} }} }}");
    assert_snapshot!(mistakes(&roles(&keys("b { c 1 }"), &keys("b 2"), "")), @"
    specs/a.kdl:7:68 two roles of h2 give `a.b.c` in /etc/w.yaml of `web` different values
        [c 1] this one
        specs/a.kdl:7:141 [b 2] and this one
        help: set it in the host itself: that counts most
    ");
    // The same value is none, nor is what the host itself decides.
    project(&roles(&keys("b 2"), &keys("b 2; c 3"), ""));
    project(&roles(one, "override \"web\" file=\"w.ini\" { section \"b\" { b 2 } }", ""));
    project(&roles(one, other, "override \"web\" file=\"w.ini\" { section \"a\" { b 5 } }"));
}

#[test]
fn an_extend_changes_one_variable_and_one_option() {
    let text = estate(
        "service \"web\" { role \"control\"; var a=1 b=2; var \"l\" 1 2; config \"/etc/w.ini\" \"[a]\\n\" }",
        "var e=1 f=2; override \"web\" file=\"w.ini\" { section \"a\" { b 1 } }; role \"control\" { var r=1 s=2 }",
    ) + "extend service \"web\" { var b=3; var \"l\" 3 }\n\
         extend estate \"one\" { remove \"var\" \"e\"; var f=3 g=4; role \"control\" { var r=3 }\n\
         remove \"override\" \"w.ini\"; override \"web\" file=\"w.ini\" { section \"a\" { c 1 } } }\n";
    let project = project(&text);
    let all = |vars: &std::collections::BTreeMap<String, crate::spec::Spanned<crate::estate::VarValue>>| {
        vars.iter().map(|(name, value)| format!("{name}={:?}", value.value)).collect::<Vec<_>>().join(" ")
    };
    let estate = project.estates.values().next().unwrap();
    assert_snapshot!(all(&project.services.values().next().unwrap().own.vars), @"a=One(Integer(1)) b=One(Integer(3)) l=One(Integer(3))");
    assert_snapshot!(all(&estate.own.vars), @"f=One(Integer(3)) g=One(Integer(4))");
    assert_snapshot!(all(&estate.roles.values().next().unwrap().own.vars), @"r=One(Integer(3)) s=One(Integer(2))");
    assert_eq!(estate.own.files.len(), 1);
    let crate::estate::Change::Sections(sections) = &estate.own.files[0].change else { panic!() };
    assert_eq!(sections["a"].keys().collect::<Vec<_>>(), ["c"]);
}

#[test]
fn two_extends_that_change_one_thing_differently() {
    let base = estate("service \"web\" { role \"control\"; var a=1; config \"/etc/w.ini\" \"[a]\\n\" }", "var e=1 e=2");
    let change = |value: u32| {
        format!(
            "extend service \"web\" {{ var a={value} }}\n\
             extend estate \"one\" {{ override \"web\" file=\"w.ini\" {{ section \"a\" {{ b {value}; c 1 }} }} }}\n"
        )
    };
    assert_snapshot!(mistakes(&(base + &change(2) + &change(3) + "extend estate \"one\" { remove \"var\" \"x\" }\n")), @r#"
    specs/a.kdl:6:13 `e` of estate `one` is set twice
        [e] set again here
        specs/a.kdl:6:9 [e] set first here
        help: keep one of them
    specs/a.kdl:10:28 `a` is set by two extends of service `web`
        [a] set again here
        specs/a.kdl:8:28 [a] set first here
        help: extends have no order, so neither can win: set it in one of them
    specs/a.kdl:11:67 `b` of w.ini is set by two extends of estate `one`
        [b 3] set again here
        specs/a.kdl:9:67 [b 2] set first here
        help: extends have no order, so neither can win: set it in one of them
    specs/a.kdl:12:36 estate `one` has no `var "x"` to remove
        ["x"] not there
        help: `remove` takes away what the spec itself says, not what other extends add
    "#);
}

#[test]
fn names_are_those_of_members() {
    let found = mistakes(&estate("service \"web\" { role \"control\"; names #true; names \"all\" }", ""));
    assert_snapshot!(found, @r#"
    specs/a.kdl:3:46 `names` of service `web` is set twice
        [names "all"] set again here
        specs/a.kdl:3:33 [names #true] set first here
        help: keep one of them
    specs/a.kdl:3:52 `all` is not a choice of names
        ["all"] not a choice of names
        help: there is only `members`
    "#);
}

#[test]
fn a_file_of_a_rootless_service_that_stays_and_is_not_roots() {
    let found = mistakes(&estate(
        "service \"web\" { role \"control\"; run-as \"web\" uid=2001; reload signal=\"SIGHUP\"\n\
         config \"/a/x\" \"y\" owner=\"web\" on-change=\"reload\"; config \"/b/x\" \"y\" group=5 on-change=\"nothing\"\n\
         config \"/c/x\" \"y\" owner=\"root\" group=0 on-change=\"nothing\"; config \"/d/x\" \"y\" owner=\"web\" }",
        "",
    ));
    assert_snapshot!(found, @r#"
    specs/a.kdl:4:1 /a/x cannot be replaced while `web` runs: its owner has no number on a host
        [config "/a/x" "y" owner="web" on-change="reload"] the superuser's alone can be
        specs/a.kdl:3:40 ["web"] rootless
        help: make it root's, with a mode that the program can read it by, or leave `on-change` away: then it is a secret of podman's
    specs/a.kdl:4:51 /b/x cannot be replaced while `web` runs: its owner has no number on a host
        [config "/b/x" "y" group=5 on-change="nothing"] the superuser's alone can be
        specs/a.kdl:3:40 ["web"] rootless
        help: make it root's, with a mode that the program can read it by, or leave `on-change` away: then it is a secret of podman's
    "#);
}
