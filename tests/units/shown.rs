//! `show service`, `show host`, `list` and `check`, of what runs.

use super::world::{World, filtered};

/// One option changed at three places, from the weakest to the strongest, and one taken away.
const OVERRIDES: &str = r#"extend estate "multinode" {
    var keystone_processes=3
    override "keystone" file="/etc/keystone/keystone.conf" {
        section "database" { connection_recycle_time 100; max_pool_size 5 }
        section "token" { expiration 3600 }
    }
    role "control" {
        override "keystone" file="/etc/keystone/keystone.conf" { section "token" { expiration 7200 } }
    }
    host "control1" {
        override "keystone" file="/etc/keystone/keystone.conf" {
            section "token" { expiration 900 }
            section "fernet_tokens" { max_active_keys #null }
        }
    }
}
"#;

#[test]
fn a_service_on_a_host_is_shown_with_where_each_option_comes_from() {
    let world = World::shared().with(OVERRIDES);
    let show = |host| world.out(&["--estate", "multinode", "show", "service", "keystone", "--host", host]);
    let one = show("control1");
    insta::assert_snapshot!("show_keystone_control1", one);
    let token = |text: &str| text.lines().find(|line| line.contains("expiration")).unwrap().trim().to_owned();
    // The host wins over its role, and a role over the estate, which all hosts of it have.
    assert_eq!(token(&one), "[token] expiration = 900  (targets/more.kdl:12)");
    assert_eq!(token(&show("control2")), "[token] expiration = 7200  (targets/more.kdl:8)");
    assert!(!one.contains("max_active_keys") && show("control2").contains("max_active_keys"));
}

#[test]
fn the_document_of_a_service_on_a_host_holds_the_same() {
    let world = World::shared().with(OVERRIDES);
    let document = world.json(&["--estate", "multinode", "show", "service", "keystone", "--host", "control1"]);
    insta::assert_snapshot!("show_keystone_control1_json", serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn a_cells_conductor_and_compute_are_configured_for_their_cell() {
    let show = |group: &str, host: &str| {
        World::shared().out(&["--estate", "two-cells", "show", "service", group, "--host", host])
    };
    let option = |text: &str, name: &str| {
        let (_, line) = text.lines().find_map(|line| line.split_once(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.trim_start_matches(" = ").split("  (").next().unwrap().to_owned()
    };
    let one = show("nova-conductor-cell1", "c1a");
    assert_eq!(
        option(&one, "[database] connection"),
        "mysql+pymysql://nova_cell:<secret nova-cell-db-cell1>@10.77.0.100:3316/nova_cell?charset=utf8"
    );
    assert_eq!(
        option(&one, "[api_database] connection"),
        "mysql+pymysql://nova_api:<secret nova-api-db>@10.77.0.100:3306/nova_api?charset=utf8"
    );
    let queue = |port: u16| {
        let cell = if port == 5682 { "cell1" } else { "cell2" };
        let member = |last| format!("nova_cell:<secret nova-cell-messaging-{cell}>@10.77.1.{last}:{port}");
        format!("rabbit://{}/nova_cell", [11, 12, 13].map(member).join(","))
    };
    assert_eq!(option(&one, "[DEFAULT] transport_url"), queue(5682));
    let two = show("nova-conductor-cell2", "c1a");
    assert!(option(&two, "[database] connection").contains("@10.77.0.100:3326/"));
    assert_eq!(option(&two, "[DEFAULT] transport_url"), queue(5692));
    for (group, host, port) in [("nova-compute-cell1", "n1a", 5682), ("nova-compute-cell2", "n2b", 5692)] {
        let compute = show(group, host);
        assert_eq!(option(&compute, "[DEFAULT] transport_url"), queue(port));
        assert!(!compute.contains("mysql") && !compute.contains(":3306"), "{compute}");
        assert!(!compute.contains("10.77.0.11:5672"), "{compute}");
    }
}

#[test]
fn an_option_of_a_text_in_a_spec_names_that_spec() {
    let text = "service \"own\" { image \"memcached\"; role \"control\"; config \"/etc/own.ini\" \"[a]\\nb = ${port.x}\\n\"\n\
                port \"x\" 4000\noverride \"own\" file=\"/etc/own.ini\" { section \"a\" { c \"${host} on ${address}\" } }\n}\n\
                extend estate \"all-in-one\" { services \"own\" }\n";
    let world = World::shared().with(text);
    let shown = world.out(&["--estate", "all-in-one", "show", "service", "own", "--host", "aio"]);
    insta::assert_snapshot!(shown.split_once("\n/etc").unwrap().1, @"
    /own.ini
      [a] b = 4000  (targets/more.kdl:1)
      [a] c = aio on 10.77.0.10  (targets/more.kdl:3)
    ");
}

#[test]
fn a_variable_in_a_text_is_what_templates_see() {
    let text = "service \"own\" { image \"memcached\"; role \"control\"; var a=\"${host} of ${vars.b}\" b=\"$${b}\"\n\
                config \"/etc/own.ini\" \"[a]\\ntext = ${vars.a}\\n\"\nconfig \"/etc/seen.ini\" template=\"own.j2\" }\n\
                extend estate \"all-in-one\" { services \"own\" }\n";
    let world = World::shared().with(text);
    world.write("templates/own.j2", "[a]\ntext = {{ vars.a }}\n");
    let shown = world.out(&["--estate", "all-in-one", "show", "service", "own", "--host", "aio"]);
    assert_eq!(shown.matches("[a] text = aio of ${b}  (").count(), 2, "{shown}");
}

#[test]
fn services_and_hosts_are_shown() {
    let show = |arguments: &[&str]| World::shared().out(&[&["--estate", "two-cells", "show"], arguments].concat());
    insta::assert_snapshot!(show(&["service", "keystone"]), @"
    keystone: OpenStack identity
      image    keystone
      hosts    api1 api2 api3
      port     identity 5000/tcp
      needs    cache from memcached
      needs    database from mariadb
      file     /etc/apache2/keystone.conf
      file     /etc/keystone/keystone.conf
      file     /usr/local/bin/keystone-bootstrap
    ");
    insta::assert_snapshot!(show(&["service", "mariadb-cell2"]), @"
    mariadb-cell2: MariaDB as a Galera cluster
      image    mariadb
      cell     cell2
      hosts    c1a c1b c1c
      port     database 3326/tcp
      port     galera 4587/tcp
      port     incremental 4588/tcp
      port     snapshot 4464/tcp
      file     /etc/mysql/mariadb.conf.d/95-service.cnf
      file     /etc/mysql/mariadb.conf.d/96-cluster.cnf
    ");
    insta::assert_snapshot!(show(&["host", "api1"]), @"
    api1
      address  10.77.0.11
      roles    control network logged
      network  internal 10.77.0.11 on eth0
      runs     chrony (time 123)
      runs     etcd (coordination 2379, peers 2380)
      runs     haproxy (load-balancer 8404)
      runs     keepalived
      runs     keystone (identity 5000)
      runs     log-agent
      runs     log-collector (logs 5140)
      runs     mariadb (database 3306, galera 4567, incremental 4568, snapshot 4444)
      runs     memcached (cache 11211)
      runs     nova-api (compute 8774)
      runs     nova-scheduler
      runs     nova-super-conductor
      runs     placement (placement 8778)
      runs     rabbitmq (distribution 25672, epmd 4369, messaging 5672)
      runs     valkey (data-structures 6379)
    ");
    insta::assert_snapshot!(show(&["host", "n2a"]), @"
    n2a
      address  10.77.2.31
      cell     cell2
      roles    compute logged
      runs     chrony (time 123)
      runs     log-agent-cell2
      runs     nova-compute-cell2
    ");
    // All groups of a service, a page each.
    assert_eq!(show(&["service", "mariadb"]).matches("MariaDB as a Galera cluster").count(), 3);
}

#[test]
fn what_runs_is_listed() {
    let list = |arguments: &[&str]| World::shared().out(&[&["list"], arguments].concat());
    insta::assert_snapshot!(list(&["services"]), @"
    NAME                  IMAGE           SCOPE  ROLES                 NEEDS                                                       PROVIDES         SUMMARY
    chrony                chrony          host   -                     -                                                           -                Time on every host
    etcd                  etcd            cloud  control               -                                                           coordination     Keys and values that a majority agrees on
    haproxy               haproxy         host   network               -                                                           load-balancer    Load balancer before an estate's endpoints
    keepalived            keepalived      cloud  network               balancer                                                    -                Virtual addresses that move between hosts
    keystone              keystone        cloud  control               cache database                                              identity         OpenStack identity
    log-agent             log-collector   cell   logged                logs                                                        -                Sends a host's journal to the log collectors
    log-collector         log-collector   cell   control cell-control  -                                                           logs             Keeps the logs of a cell, or of the hosts that are in none
    mariadb               mariadb         cloud  control               -                                                           database         MariaDB as a Galera cluster
    memcached             memcached       cloud  control               -                                                           cache            Shared cache of an estate's services
    nova-api              nova-api        cloud  control               api_db cache cell0 identity messaging placement             compute          OpenStack compute's API
    nova-compute          nova-compute    cell   compute               conductor identity messaging placement                      -                OpenStack compute on a host
    nova-conductor        nova-conductor  cell   cell-control          api_db cache compute database identity messaging placement  conductor        OpenStack compute's conductor in a cell
    nova-scheduler        nova-scheduler  cloud  control               api_db cache cell0 compute identity messaging placement     -                OpenStack compute's choice of a cell and a host
    nova-super-conductor  nova-conductor  cloud  control               api_db cache cell0 compute identity messaging placement     -                OpenStack compute's conductor above the cells
    placement             placement       cloud  control               cache database identity                                     placement        OpenStack placement
    rabbitmq              rabbitmq        cloud  control               -                                                           messaging        RabbitMQ as a cluster
    valkey                valkey          cloud  control               -                                                           data-structures  Data structures in memory, kept on disk
    ");
    insta::assert_snapshot!(list(&["estates"]), @"
    NAME        HOSTS  CELLS  SERVICES  IMPORT     SUMMARY
    all-in-one  1      0      9         catalogue  One host that is the whole cloud
    multinode   7      0      11        catalogue  Controllers in three, the network in two
    two-cells   10     2      27        catalogue  Two cells behind one API, the second on the first's controllers
    ");
    insta::assert_snapshot!(list(&["hosts", "--estate", "multinode"]), @"
    NAME      ADDRESS     CELL  ROLES           RUNS                                                                            STATE
    compute1  10.77.0.31  -     logged          chrony log-agent
    compute2  10.77.0.32  -     logged          chrony log-agent
    control1  10.77.0.11  -     control logged  chrony etcd keystone log-agent log-collector mariadb memcached rabbitmq valkey
    control2  10.77.0.12  -     control logged  chrony etcd keystone log-agent log-collector mariadb memcached rabbitmq valkey
    control3  10.77.0.13  -     control logged  chrony etcd keystone log-agent log-collector mariadb memcached rabbitmq valkey
    network1  10.77.0.21  -     network logged  chrony haproxy keepalived log-agent
    network2  10.77.0.22  -     network logged  chrony haproxy keepalived log-agent
    ");
    insta::assert_snapshot!(list(&["cells", "--estate", "two-cells"]), @"
    NAME   NUMBER  RELEASE  HOSTS                SHARES       RUNS
    cell1  1       current  c1a c1b c1c n1a n1b  -            log-agent-cell1 log-collector-cell1 mariadb-cell1 nova-compute-cell1 nova-conductor-cell1 rabbitmq-cell1
    cell2  2       current  n2a n2b              c1a c1b c1c  log-agent-cell2 log-collector-cell2 mariadb-cell2 nova-compute-cell2 nova-conductor-cell2 rabbitmq-cell2
    ");
}

#[test]
fn check_counts_services_and_names_those_without_a_health_check() {
    let check = |world: &World| String::from_utf8(world.run(&["check"]).stderr).unwrap();
    insta::assert_snapshot!(check(World::shared()), @"
    no mistakes: 22 images on 2 distros and 3 arches, 71 builds in all
    17 services in 3 estates
    ");
    let world = World::shared().with(
        "service \"blind\" { image \"memcached\"; role \"control\"; health #null }\n\
         extend estate \"all-in-one\" { services \"blind\" }\n",
    );
    insta::assert_snapshot!(check(&world), @"
    no mistakes: 22 images on 2 distros and 3 arches, 71 builds in all
    18 services in 3 estates
    without a health check in all-in-one: `blind`
    ");
    let hurried = world.with(
        "extend service \"blind\" { remove \"health\"; health \"true\" interval=\"1s\" timeout=\"1s\" }\n\
         extend estate \"all-in-one\" { host \"aio\" podman=\"5.4\" }\n",
    );
    hurried.write(
        "targets/blind.kdl",
        "service \"blind\" { image \"memcached\"; role \"control\"; health #null }\n\
         extend estate \"all-in-one\" { services \"blind\" }\n",
    );
    insta::assert_snapshot!(check(&hurried), @r#"
    no mistakes: 22 images on 2 distros and 3 arches, 71 builds in all
    18 services in 3 estates
      ! `blind` is to be checked every 1 s, and systemd starts no unit more than five times in ten seconds
       ,-[targets/more.kdl:1:43]
     1 | extend service "blind" { remove "health"; health "true" interval="1s" timeout="1s" }
       :                                           ^^^^^^^^^^^^^^^^^^^^|^^^^^^^^^^^^^^^^^^^
       :                                                               `-- checks are left out
     2 | extend estate "all-in-one" { host "aio" podman="5.4" }
       `----
      help: give `interval` 2s or more; podman 5.4 of aio is bound to it, 5.8 is not
    "#);
    assert_eq!(hurried.json(&["check"])["warnings"][0]["code"], "fast-check");
    let document = world.json(&["check"]);
    assert_eq!(document["warnings"], serde_json::json!([]));
    assert_eq!(document["counts"]["services"], 18);
    assert_eq!(document["counts"]["estates"], 3);
    assert_eq!(document["counts"]["unchecked"]["all-in-one"], serde_json::json!(["blind"]));
    assert_eq!(document["counts"]["unchecked"]["multinode"], serde_json::json!([]));
}

#[test]
fn an_override_that_no_service_uses_is_an_error_at_its_place() {
    let world = World::shared().with(
        "extend estate \"multinode\" {\n    override \"keyston\" file=\"keystone.conf\" { section \"a\" { b 1 } }\n    \
         override \"mariadb\" file=\"95-servce.cnf\" { section \"mariadbd\" { port 1 } }\n}\n",
    );
    let output = world.run(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @r#"
     x no service called `keyston` runs in the estate
      ,-[targets/more.kdl:2:14]
    1 | extend estate "multinode" {
    2 |     override "keyston" file="keystone.conf" { section "a" { b 1 } }
      :              ^^^^|^^^^
      :                  `-- nothing uses this
    3 |     override "mariadb" file="95-servce.cnf" { section "mariadbd" { port 1 } }
      `----
     help: did you mean `keystone`?

     x `mariadb` has no file `95-servce.cnf`
      ,-[targets/more.kdl:3:29]
    2 |     override "keyston" file="keystone.conf" { section "a" { b 1 } }
    3 |     override "mariadb" file="95-servce.cnf" { section "mariadbd" { port 1 } }
      :                             ^^^^^^^|^^^^^^^
      :                                    `-- nothing uses this
    4 | }
      `----
     help: did you mean `95-service.cnf`?

     x 2 mistakes in 1 file
    "#);
    // What hosts would get is not made of it.
    let said = world.said(&["--estate", "multinode", "units"]);
    assert!(said.contains("95-servce.cnf"), "{said}");
}

/// A service whose one file is this template.
fn rendered(config: &str, template: &str) -> World {
    let world = World::shared().with(&format!(
        "service \"own\" {{ image \"memcached\"; role \"control\"; var \"list\" \"a\" \"b\"\n{config}\n}}\n\
         extend estate \"all-in-one\" {{ services \"own\" }}\n"
    ));
    world.write("templates/own.j2", template);
    world
}

fn faults(world: &World) -> String {
    let output = world.run(&["--estate", "all-in-one", "units"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_rendered_file_that_does_not_parse_points_into_its_template() {
    let json = "config \"/etc/own.json\" template=\"own.j2\"";
    insta::assert_snapshot!(faults(&rendered(json, "{\n{% for one in vars.list %}\n  \"{{ one }}\": 1,\n{% endfor %}\n}\n")), @"
     x the rendered file is not JSON: expected a key in double quotes, found `}`, for /etc/own.json of `own` on aio
      ,-[templates/own.j2:5:1]
    4 | {% endfor %}
    5 | }
      : |
      : `-- line 4 of the file is `}`
      `----
     help: no comma stands before `}`
    ");
    let ini = "config \"/etc/own.conf\" template=\"own.j2\" as=\"ini\"";
    insta::assert_snapshot!(faults(&rendered(ini, "[a]\n# {{ host.name }}\n[b\n")), @"
     x the rendered file is not an INI file: a section's line must end with `]`, for /etc/own.conf of `own` on aio
      ,-[templates/own.j2:3:1]
    2 | # {{ host.name }}
    3 | [b
      : ^|
      :  `-- line 3 of the file is `[b`
      `----
     help: a comment needs a line of its own
    ");
    let yaml = "config \"/etc/own.yaml\" template=\"own.j2\"";
    insta::assert_snapshot!(faults(&rendered(yaml, "a: {{ host.name }}\n b: [\n")), @"
     x the rendered file is not YAML: mapping values are not allowed in this context, for /etc/own.yaml of `own` on aio
      ,-[templates/own.j2:2:3]
    1 | a: {{ host.name }}
    2 |  b: [
      :   ^|^
      :    `-- line 2 of the file is `b: [`
      `----
    ");
}

#[test]
fn a_template_that_names_nothing_says_what_there_is() {
    let text = "config \"/etc/own\" template=\"own.j2\"";
    insta::assert_snapshot!(faults(&rendered(text, "{{ vars.lst }}\n")), @"
     x `vars.lst` is undefined, for /etc/own of `own` on aio
      ,-[templates/own.j2:1:4]
    1 | {{ vars.lst }}
      :    ^^^^^^^^
      `----
     help: did you mean `list`?
    ");
    insta::assert_snapshot!(faults(&rendered(text, "a\n{{ secret(\"keystone-admn\") }}\n")), @r#"
     x /etc/own of `own`: there is no value for the secret `keystone-admn`
      ,-[targets/more.kdl:2:1]
    1 | service "own" { image "memcached"; role "control"; var "list" "a" "b"
    2 | config "/etc/own" template="own.j2"
      : ^^^^^^^^^^^^^^^^^|^^^^^^^^^^^^^^^^^
      :                  `-- holds secrets
    3 | }
      `----

     x 1 mistake in 1 file
    "#);
    insta::assert_snapshot!(faults(&rendered(text, "{{ members(\"mariadbx\") }}\n{% if %}\n")), @r#"
     x unexpected end of block, for /etc/own of `own` on aio
      ,-[templates/own.j2:2:7]
    1 | {{ members("mariadbx") }}
    2 | {% if %}
      :       ^^
      `----
    "#);
}

#[test]
fn a_secret_is_shown_as_its_name_wherever_it_stands() {
    let config = "config \"/etc/own.conf\" template=\"own.j2\" as=\"ini\"";
    let world = rendered(config, "[a]\nb = x{{ secret(\"keystone-admin\") }}y\n");
    let shown = world.out(&["--estate", "all-in-one", "show", "service", "own", "--host", "aio"]);
    assert!(shown.contains("[a] b = x<secret keystone-admin>y  (templates/own.j2:2)"), "{shown}");
    assert!(filtered(&world.out(&["--estate", "all-in-one", "units"])).contains("  secret own-own.conf-<key>\n"));
}
