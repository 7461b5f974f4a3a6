//! What `check` finds in services before anything is rendered, a test for each.

use super::services::estate;
use super::{mistakes, project};
use insta::assert_snapshot;

/// What is wrong with a service `web` of these nodes, on a host.
fn web(nodes: &str) -> String {
    mistakes(&estate(&format!("service \"web\" {{ role \"control\"\n{nodes}\n}}"), ""))
}

/// What is warned of in the same, on hosts with these podmans.
fn warned(nodes: &str, podmans: &[&str]) -> String {
    let hosts: Vec<String> = podmans
        .iter()
        .enumerate()
        .map(|(at, podman)| format!("host \"p{at}\" address=\"10.0.1.{at}\" podman=\"{podman}\" {{ role \"web\" }}"))
        .collect();
    let project = project(&estate(
        &format!("service \"web\" {{ role \"web\"\n{nodes}\n}}\nservice \"db\" {{ role \"control\" }}"),
        &hosts.join("\n"),
    ));
    let lines = project.placed.values().flat_map(|placed| &placed.warnings).map(|warning| {
        let place = warning.span.map(|span| project.sources.place(span)).unwrap_or_default();
        format!(
            "{place} {}\n    {}\n    {}\n",
            warning.message,
            warning.label,
            warning.help.as_deref().unwrap_or_default()
        )
    });
    lines.collect()
}

#[test]
fn ports_are_published_from_networks_of_their_own_alone() {
    assert_snapshot!(web("publish 8080 to=80"), @r#"
    specs/a.kdl:4:1 `web` publishes port 8080, and is on the host's network
        [publish 8080 to=80] leads nowhere
        help: `port "NAME" NUMBER` says where it listens on its host; `publish` is for a `network "NAME"` of its own
    "#);
    assert_snapshot!(web("network \"none\"; publish 8080"), @r#"
    specs/a.kdl:4:17 `web` publishes port 8080, and has no network
        [publish 8080] leads nowhere
        help: `port "NAME" NUMBER` says where it listens on its host; `publish` is for a `network "NAME"` of its own
    "#);
    project(&estate("service \"web\" { role \"control\"; network \"shop\"; publish 8080 to=80 }", ""));
}

#[test]
fn cores_are_a_number() {
    assert_snapshot!(web("limits cpus=\"x\""), @r#"
    specs/a.kdl:4:13 `x` is no number of cores
        ["x"] as 2 or "1.5"
    "#);
    for bad in ["0", "\"-1\"", "\"inf\"", "\"\""] {
        assert!(web(&format!("limits cpus={bad}")).contains("is no number of cores"), "{bad}");
    }
    project(&estate("service \"web\" { role \"control\"; limits cpus=1.5 }", ""));
}

#[test]
fn a_name_of_hosts_has_an_address() {
    assert_snapshot!(web("add-host db=\"db.example\" here=\"${address}\" \"and\"=\"\""), @r#"
    specs/a.kdl:4:10 `db.example` of `db` is no address
        [db] a name of which address?
        help: write add-host NAME="10.0.0.9", or `${needs.NAME.host}` where that is an address
    specs/a.kdl:4:44 `` of `and` is no address
        ["and"] a name of which address?
        help: write add-host NAME="10.0.0.9", or `${needs.NAME.host}` where that is an address
    "#);
    project(&estate("service \"web\" { role \"control\"; add-host a=\"::1\" b=\"${address}\" }", ""));
}

#[test]
fn kernel_parameters_of_the_hosts_namespaces_are_the_hosts() {
    assert_snapshot!(web("sysctl \"net.core.somaxconn\" 1024; sysctl \"kernel.shmmax\" 1; share \"ipc\""), @r#"
    specs/a.kdl:4:1 `web` sets `net.core.somaxconn`, and its network is the host's
        [sysctl "net.core.somaxconn" 1024] podman refuses this
        help: write host-sysctl "net.core.somaxconn" "1024": it holds for all of the host
    specs/a.kdl:4:35 `web` sets `kernel.shmmax`, and its IPC namespace is the host's
        [sysctl "kernel.shmmax" 1] podman refuses this
        help: write host-sysctl "kernel.shmmax" "1": it holds for all of the host
    "#);
    project(&estate(
        "service \"web\" { role \"control\"; network \"shop\"; sysctl \"net.core.somaxconn\" 1; sysctl \"kernel.shmmax\" 1 }",
        "",
    ));
}

#[test]
fn who_is_killed_when_unhealthy_is_started_again() {
    let check = "health \"true\" interval=\"3s\" timeout=\"1s\"";
    assert_snapshot!(web(&format!("{check} on-failure=\"kill\"; restart \"no\"")), @r#"
    specs/a.kdl:4:1 `web` is killed when it is unhealthy, and never started again
        [health "true" interval="3s" timeout="1s" on-failure="kill"] ends it for good
        help: take `restart "no"` away, or `on-failure="kill"`
    "#);
    project(&estate(
        &format!("service \"web\" {{ role \"control\"; {check} on-failure=\"kill\"; restart \"on-failure\" }}"),
        "",
    ));
}

#[test]
fn a_check_may_not_take_longer_than_an_update_of_the_default_deadline() {
    assert_snapshot!(web("health \"true\" interval=\"3s\" timeout=\"1s\" start=\"6m\""), @r#"
    specs/a.kdl:4:1 an update of `web` may take 300 s, and it is healthy after 376 s at the latest, plus 10 s to stay so
        [health "true" interval="3s" timeout="1s" start="6m"] longer than `deadline` of its `update`
        help: give `update deadline=` more, or the health check less
    "#);
}

#[test]
fn a_health_check_is_overridden_whole() {
    assert_snapshot!(web("health interval=\"3s\""), @r#"
    specs/a.kdl:4:1 `health` needs a program
        [health interval="3s"] a program expected
    "#);
}

#[test]
fn a_version_of_podman_is_one() {
    assert_snapshot!(mistakes(&estate("service \"web\" { role \"control\" }", "host \"h2\" address=\"10.0.0.2\" podman=\"five\"")), @r#"
    specs/a.kdl:6:41 `five` is no version of podman: expected numbers, as in `5.4` or `5.4.2`
        ["five"] not a version
        help: write what `podman --version` says: podman="5.4"
    "#);
}

#[test]
fn units_of_one_name() {
    let found = mistakes(&estate(
        "service \"web\" { role \"control\"; task \"sync\" run=\"a b\"; pod \"x\"; mount \"/v\" volume=\"data\"; network \"n\" }\n\
         service \"web-task-sync\" { image \"web\"; role \"control\" }\n\
         service \"x-pod\" { image \"web\"; role \"control\" }\n\
         service \"web-data-volume\" { image \"web\"; role \"control\"; network \"n\" internal=#true }\n\
         service \"n-network\" { image \"web\"; role \"control\"; mount \"/v\" volume=\"s\" shared=#true }\n\
         service \"db\" { role \"control\"; mount \"/v\" volume=\"s\" shared=#true; pod \"x\" }",
        "",
    ));
    assert_snapshot!(found, @r#"
    specs/a.kdl:3:99 `n-network` and the network `n` would both be the unit `n-network.service` of h1
        ["n"] the second
        specs/a.kdl:7:1 [service "n-network"] the first
        help: give one of them another name
    specs/a.kdl:4:1 the task `sync` of `web` and `web-task-sync` would both be the unit `web-task-sync.service` of h1
        [service "web-task-sync"] the second
        specs/a.kdl:3:33 [task "sync" run="a b"] the first
        help: give one of them another name
    specs/a.kdl:5:1 the pod `x` and `x-pod` would both be the unit `x-pod.service` of h1
        [service "x-pod"] the second
        specs/a.kdl:3:60 ["x"] the first
        help: give one of them another name
    specs/a.kdl:6:1 the volume `web-data` and `web-data-volume` would both be the unit `web-data-volume.service` of h1
        [service "web-data-volume"] the second
        specs/a.kdl:3:65 [mount "/v" volume="data"] the first
        help: give one of them another name
    specs/a.kdl:6:66 `n-network` and the network `n` would both be the unit `n-network.service` of h1
        ["n"] the second
        specs/a.kdl:7:1 [service "n-network"] the first
        help: give one of them another name
    specs/a.kdl:6:66 the network `n` of h1 would be two different ones
        ["n"] otherwise here
        specs/a.kdl:3:99 ["n"] first here
        help: give one of them another name, or both the same `subnet` and `internal`
    "#);
}

#[test]
fn checks_that_systemd_would_leave_out_are_warned_of() {
    let check = |interval: &str| format!("health \"true\" interval=\"{interval}\" timeout=\"1s\"");
    assert_snapshot!(warned(&check("1500ms"), &["5.8", "5.4.2"]), @"
    specs/a.kdl:4:1 `web` is to be checked every 1.500 s, and systemd starts no unit more than five times in ten seconds
        checks are left out
        give `interval` 2s or more; podman 5.4.2 of p1 is bound to it, 5.8 is not
    ");
    assert_eq!(warned(&check("2s"), &["5.4", "4.3"]), "");
    assert_eq!(warned(&check("1s"), &["5.8", "6.0"]), "");
}

#[test]
fn secrets_that_runc_of_podman_4_3_does_not_mount_are_warned_of() {
    let secrets = "secret \"a\"; secret \"b\" path=\"/var/run/b\"; secret \"c\" path=\"/etc/c\"; secret \"d\" env=\"D\"\n\
                   generate \"a\"; generate \"b\"; generate \"c\"; generate \"d\"";
    assert_snapshot!(warned(secrets, &["5.4", "4.3"]), @r#"
    specs/a.kdl:4:1 podman 4.3 of p1 mounts the secret `a` below /run on a read-only root with crun alone, not with runc
        not there with runc
        crun is what Debian installs; else write path="/etc/web/a"
    specs/a.kdl:4:13 podman 4.3 of p1 mounts the secret `b` below /run on a read-only root with crun alone, not with runc
        not there with runc
        crun is what Debian installs; else write path="/etc/web/b"
    "#);
    assert_eq!(warned(secrets, &["5.4", "4.4"]), "");
    assert_eq!(warned(&format!("{secrets}; relax \"read-only\" reason=\"x\""), &["4.3"]), "");
}

#[test]
fn a_format_is_one_of_those_that_there_are() {
    assert_snapshot!(web("config \"/etc/a\" \"b\" as=\"yml\"; config \"/etc/c\" \"b\" as=\"toml\""), @r#"
    specs/a.kdl:4:24 `yml` is no format of a file
        ["yml"] not a format
        help: did you mean `yaml`?
    specs/a.kdl:4:54 `toml` is no format of a file
        ["toml"] not a format
        help: the formats are `text`, `ini`, `oslo`, `yaml`, `json`
    "#);
}

#[test]
fn tasks_keep_the_order_of_the_spec() {
    let text = "service \"web\" { role \"control\"; task \"sync\" run=\"a\"; task \"boot\" run=\"b\"; task \"after\" run=\"c\" }\n\
                extend service \"web\" { task \"all\" run=\"d\"; task \"boot\" timeout=\"1m\" }";
    let project = project(&estate(text, ""));
    let service = project.services.values().next().unwrap();
    let names: Vec<&str> = service.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["sync", "boot", "after", "all"]);
}

/// What is wrong with cells of these releases in an estate of those.
fn released(estate: &str, cells: &[&str]) -> String {
    let cells = cells.iter().enumerate();
    let cells = cells.map(|(at, release)| format!("cell \"c{at}\" number={at} {{ release \"{release}\" }}\n"));
    let text = super::services::estate(
        "service \"web\" { role \"control\" }",
        &format!("{estate}\n{}", cells.collect::<String>()),
    );
    mistakes(&text)
}

#[test]
fn cells_are_at_most_so_far_behind() {
    assert_snapshot!(released("releases \"2024.2\" \"2025.1\" \"2025.2\"", &["2024.2", "2025.1", "2025.2", "2025.3"]), @r#"
    specs/a.kdl:7:30 the cell `c0` stays on `2024.2`, which is 2 releases behind `2025.2`
        ["2024.2"] too old
        specs/a.kdl:6:32 ["2025.2"] what the estate runs
        help: a cell may be one release behind: move it on first, or write skew=2 behind `releases`
    specs/a.kdl:10:30 there is no release of the estate called `2025.3`
        ["2025.3"] not known
        help: did you mean `2025.1`, `2025.2` or `2024.2`?
    "#);
    assert_snapshot!(released("releases \"a\" \"b\" \"c\" \"d\" \"b\" skew=2", &["a"]), @r#"
    specs/a.kdl:6:30 the release `b` is named twice
        ["b"] again here
        specs/a.kdl:6:18 ["b"] first here
    specs/a.kdl:7:30 the cell `c0` stays on `a`, which is 4 releases behind `b`
        ["a"] too old
        specs/a.kdl:6:30 ["b"] what the estate runs
        help: a cell may be 2 releases behind (`skew=`): move it on first
    "#);
    assert_snapshot!(released("", &["2025.1"]), @r#"
    specs/a.kdl:7:30 the estate `one` does not say in which order its releases are
        ["2025.1"] how old is this?
        help: write releases "2025.1" "current" in the estate: the oldest first, and last what it runs
    "#);
    let two = "releases \"2024.2\" \"2025.1\" \"2025.2\" skew=2; cell \"c1\" { release \"2024.2\" }";
    project(&super::services::estate("service \"web\" { role \"control\" }", two));
}
