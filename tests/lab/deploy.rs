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
    health "test" "-e" "/etc/box/box.conf" interval="10s" timeout="5s" retries=2 start="5s"
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

/// When a unit came up last: it differs after every start.
fn since(host: &Host, unit: &str) -> String {
    host.run(&["systemctl", "show", "--value", "--property=ActiveEnterTimestampMonotonic", unit])
}

/// The estate of this file. None where no archive answers.
fn small() -> Option<Estate> {
    let estate = Estate::new("lab-deploy", "lab-deploy");
    estate.write("specs/lab.kdl", SPEC);
    estate.write("targets/lab.kdl", &TARGET.replace("RECIPIENT", &estate.recipient()));
    estate.make(&["memcached", "lab-box"])
}

#[test]
fn an_estate_comes_up_changes_and_goes_back() {
    if !can() {
        return;
    }
    let Some(estate) = small() else { return };
    let lab = Lab::new();
    let boot = |name, address| lab.boot(Release::Trixie, name, address, None);
    let (Some(d1), Some(d2)) = (boot("d1", "10.77.0.31"), boot("d2", "10.77.0.32")) else { return };
    let hosts = [&d1, &d2];
    let wharf = |code: i32, arguments: &[&str]| {
        let (out, err) = ended(code, &estate.operate(&lab, &hosts, arguments).output().unwrap());
        eprintln!("$ wharf {}\n{out}{err}", arguments.join(" "));
        out + &err
    };
    let starts = || -> Vec<[String; 2]> {
        hosts.iter().map(|host| ["lab-box.service", "lab-cache.service"].map(|unit| since(host, unit))).collect()
    };
    let word = |host: &Host| host.run(&["podman", "exec", "lab-box", "sed", "-n", "s/word = //p", "/etc/box/box.conf"]);

    // All of it, by one apply.
    assert!(wharf(0, &["status"]).contains("empty"));
    wharf(2, &["plan"]);
    wharf(0, &["apply", "--yes", "--why", "the first"]);
    for host in hosts {
        assert_eq!(host.run(&["systemctl", "is-active", "lab-box.service", "lab-cache.service"]), "active\nactive\n");
        assert_eq!(host.run(&["podman", "exec", "lab-box", "cat", "/var/lib/box/notes"]), "noted\n");
        assert_eq!(word(host), "one\n");
    }

    // And nothing by another.
    let before = starts();
    wharf(0, &["plan"]);
    wharf(0, &["apply", "--yes"]);
    assert_eq!(before, starts());

    // What a configuration says restarts who reads it, and nobody else.
    let spec = |from: &str, to: &str| estate.write("specs/lab.kdl", &SPEC.replace(from, to));
    spec("word=\"one\"", "word=\"two\"");
    let said = wharf(2, &["plan"]);
    assert!(said.contains("restart   lab-box.container  config /etc/box/box.conf"), "{said}");
    wharf(0, &["apply", "--yes", "--why", "the second"]);
    for (host, (then, now)) in hosts.iter().zip(before.iter().zip(starts())) {
        assert_eq!(word(host), "two\n");
        assert_ne!(then[0], now[0], "lab-box");
        assert_eq!(then[1], now[1], "lab-cache");
    }
    let said = wharf(0, &["history"]);
    assert!(said.contains("the first") && said.contains("the second"), "{said}");

    // What somebody does on a host is seen, said, and put right.
    wharf(0, &["drift"]);
    let unit = "/etc/containers/systemd/lab-cache.container";
    d1.run(&["sh", "-c", &format!("echo '# by hand' >> {unit}")]);
    d2.run(&["systemctl", "stop", "lab-box.service"]);
    let said = wharf(2, &["drift"]);
    assert!(said.contains("lab-cache.container has other bytes") && said.contains("lab-box.service is "), "{said}");
    assert!(wharf(0, &["status"]).contains("drift"));
    let said = wharf(2, &["plan"]);
    assert!(said.contains("Changed outside wharf") && said.contains("changed on the host"), "{said}");
    wharf(0, &["apply", "--yes"]);
    wharf(0, &["drift"]);

    // Back to before: the configuration and nothing else.
    wharf(0, &["rollback", "--yes", "--plan", &plan_of(&wharf(0, &["history", "--json"]), "the first")]);
    for host in hosts {
        assert_eq!(word(host), "one\n");
    }
    wharf(0, &["drift"]);
    wharf(2, &["plan"]);

    // What never gets healthy is left as it is, and said; the next apply ends well.
    spec(
        "\"test\" \"-e\" \"/etc/box/box.conf\" interval=\"10s\" timeout=\"5s\" retries=2 start=\"5s\"",
        "\"false\" interval=\"3s\" timeout=\"1s\" retries=1 start=\"1s\"",
    );
    let said = wharf(3, &["apply", "--yes"]);
    assert!(said.contains("the last lines of lab-box.service"), "{said}");
    assert!(wharf(0, &["status"]).contains("unconfirmed"));
    spec("word=\"one\"", "word=\"three\"");
    wharf(0, &["apply", "--yes"]);
    for host in hosts {
        assert_eq!(word(host), "three\n");
    }
    assert!(wharf(0, &["status"]).contains("well"));

    // No secret is where anybody could read it.
    let secret = estate.secret("lab-token");
    for host in hosts {
        let found = host.try_run(&["grep", "-rlF", &secret, "/etc", "/var/lib/wharf", "/var/log", "/run/wharf"]);
        assert_eq!(String::from_utf8(found.stdout).unwrap(), "");
    }
}

/// The name of the plan that was applied for a reason.
fn plan_of(history: &str, why: &str) -> String {
    let history: serde_json::Value = serde_json::from_str(history).unwrap();
    let plans = history["plans"].as_array().unwrap();
    plans.iter().find(|plan| plan["why"] == why).unwrap()["plan"].as_str().unwrap().to_owned()
}
