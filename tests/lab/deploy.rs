//! Plans that are applied to hosts that booted.

use super::estate::Estate;
use super::runs::can;
use super::{Host, Lab, Release};
use crate::build::ended;

const SPEC: &str = r##"
import "catalogue"

image "lab-box" {
    from "base"
    account "box" uid=42999 gid=42999 home="/nonexistent"
    dir "/var/lib/box" owner="box" mode="0750"
    user "box"
    command "sleep" "infinity"
    health "test" "-e" "/etc/box/box.conf" interval="3s" timeout="5s" retries=3 start="5s"
}

service "lab-cache" {
    image "memcached"
    role "box"
    provides "lab-cache" port=11311
    command "memcached" "-v" "-l" "${address}" "-p" "${port}"
    health "healthcheck_port" "${port}" "${address}" interval="3s" timeout="5s" retries=5 start="5s"
    update healthy-for="1s" deadline="60s"
}

service "lab-box" {
    role "box"
    needs "lab-cache" as="cache"
    var word="one"
    config "/etc/box/box.conf" "[box]\ncache = ${needs.cache.host}:${needs.cache.port}\nword = ${vars.word}\n" owner="box" mode="0440"
    secret "lab-token" path="/run/secrets/token" owner="box" mode="0400"
    generate "lab-token" length=32
    mount "/var/lib/box" volume="data"
    stop timeout="2s"
    task "note" run="echo noted >> /var/lib/box/notes" before="start" once-per="host" on="bootstrap"
    update healthy-for="1s" deadline="60s"
}
"##;

const TARGET: &str = r#"
estate "lab-deploy" {
    registry "registry.lab.example/wharf"
    distro "debian-trixie"
    limits "unenforced"
    RECIPIENT
    host "d1" address="10.77.0.31" { role "box" }
    host "d2" address="10.77.0.32" { role "box" }
}
"#;

fn since(host: &Host, unit: &str) -> String {
    host.run(&["systemctl", "show", "--value", "--property=ActiveEnterTimestampMonotonic", unit])
}

#[test]
fn an_estate_comes_up_by_one_apply_and_a_second_one_changes_nothing() {
    if !can() {
        return;
    }
    let estate = Estate::new("lab-deploy", "lab-deploy");
    estate.write("specs/lab.kdl", SPEC);
    estate.write("targets/lab.kdl", &TARGET.replace("RECIPIENT", &estate.recipient()));
    let Some(estate) = estate.make(&["memcached", "lab-box"]) else { return };
    let lab = Lab::new();
    let boot = |name, address| lab.boot(Release::Trixie, name, address, None);
    let (Some(d1), Some(d2)) = (boot("d1", "10.77.0.31"), boot("d2", "10.77.0.32")) else { return };
    let hosts = [&d1, &d2];
    let wharf = |code: i32, arguments: &[&str]| {
        let (out, err) = ended(code, &estate.operate(&lab, &hosts, arguments).output().unwrap());
        eprintln!("{out}{err}");
        out
    };
    wharf(2, &["plan"]);
    wharf(0, &["apply", "--yes"]);
    for host in hosts {
        assert_eq!(host.run(&["systemctl", "is-active", "lab-box.service", "lab-cache.service"]), "active\nactive\n");
        assert_eq!(host.run(&["podman", "exec", "lab-box", "cat", "/var/lib/box/notes"]), "noted\n");
    }
    let before: Vec<String> = hosts.iter().map(|host| since(host, "lab-box.service")).collect();
    wharf(0, &["plan"]);
    wharf(0, &["apply", "--yes"]);
    let after: Vec<String> = hosts.iter().map(|host| since(host, "lab-box.service")).collect();
    assert_eq!(before, after);
}
