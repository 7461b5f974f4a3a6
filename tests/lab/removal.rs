//! What ends on a host: services stopped, gone from the specs, destroyed; what it leaves, and what is said of it.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

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
    health "true" interval="10s" timeout="5s" retries=2 start="5s"
}

service "lab-one" {
    image "lab-box"
    role "box"
    provides "lab-one" port=11411
    command "sh" "-c" "echo one is up; exec sleep infinity"
    stop timeout="1s"
    update healthy-for="1s" deadline="60s"
}

service "lab-two" {
    image "lab-box"
    role "box"
    needs "lab-one"
    stateful
    secret "lab-token" env="TOKEN"
    generate "lab-token" length=32
    command "sh" "-c" "echo two is up; echo kept >> /var/lib/box/kept; exec sleep infinity"
    mount "/var/lib/box" volume="data"
    stop timeout="1s"
    update healthy-for="1s" deadline="60s"
}
"##;

const TARGET: &str = r#"
estate "lab-removal" {
    registry "registry.lab.example/wharf"
    distro "debian-trixie"
    limits "unenforced"
    RECIPIENT
    host "r1" address="10.77.0.41" { role "box" }
}
"#;

fn state(host: &Host, unit: &str) -> String {
    let output = host.try_run(&["systemctl", "is-active", unit]);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Somebody looks on and goes: nothing of it stays on the host, however they go.
fn followers(estate: &Estate, lab: &Lab, host: &Host) {
    let followed = || host.try_run(&["pgrep", "-f", "journalctl .*--follow"]).status.success();
    for signal in [Signal::INT, Signal::KILL] {
        let mut command = estate.operate(lab, &[host], &["logs", "lab-two", "--follow"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("two is up")));
        assert!(followed());
        // As it is: the journal is quiet, and writes to nobody.
        std::thread::sleep(Duration::from_secs(3));
        assert!(followed() && child.try_wait().unwrap().is_none());
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
        let begun = Instant::now();
        child.wait().unwrap();
        host.until("the end of what was followed", || (!followed()).then_some(()));
        eprintln!("after {signal:?} nothing is followed after {:.1} s", begun.elapsed().as_secs_f64());
    }
}

#[test]
fn what_ends_leaves_its_data_and_nothing_else() {
    if !can() {
        return;
    }
    let estate = Estate::new("lab-removal", "lab-removal");
    estate.write("specs/lab.kdl", SPEC);
    let target = TARGET.replace("RECIPIENT", &estate.recipient());
    estate.write("targets/lab.kdl", &target);
    let Some(estate) = estate.make(&["lab-box"]) else { return };
    let lab = Lab::new();
    let Some(host) = lab.boot(Release::Trixie, "r1", "10.77.0.41", None) else { return };
    let wharf = |code: i32, arguments: &[&str]| {
        let (out, err) = ended(code, &estate.operate(&lab, &[&host], arguments).output().unwrap());
        eprintln!("$ wharf {}\n{out}{err}", arguments.join(" "));
        out + &err
    };
    let kept = || host.run(&["cat", "/var/lib/containers/storage/volumes/lab-two-data/_data/kept"]);
    let both = || [state(&host, "lab-one.service"), state(&host, "lab-two.service")];

    let said = wharf(0, &["apply", "--yes"]);
    assert_eq!(both(), ["active", "active"]);
    assert_eq!(host.run(&["cat", "/etc/wharf/estate"]), "lab-removal\n");

    // A log for the host, without the secret that it has.
    let folder = said.lines().find_map(|line| line.strip_prefix("what each host said is in ")).unwrap();
    let log = std::fs::read_to_string(std::path::Path::new(folder).join("r1.log")).unwrap();
    assert!(log.contains("activate: begins") && log.contains("begin start"), "{log}");
    assert!(!log.contains(&estate.secret("lab-token")));

    // What services say, in the order of its time, the host's name first.
    let said = wharf(0, &["logs", "lab-two"]);
    assert!(said.lines().any(|line| line.starts_with("r1  ") && line.ends_with("two is up")), "{said}");
    assert!(!said.contains("one is up"), "{said}");
    let said = wharf(1, &["logs", "lab-tow"]);
    assert!(said.contains("lab-two"), "{said}");

    let said = wharf(1, &["rollback", "--yes", "--plan", "0123456789ab"]);
    assert!(said.contains("of the plan `0123456789ab`") && said.contains("wharf history"), "{said}");

    followers(&estate, &lab, &host);

    // Whoever stops has opened no secrets; what a program of the service prints of its own holds none all the same.
    let tells = "drain \"sh\" \"-c\" \"tr '\\\\0' '\\\\n' < /proc/1/environ; exit 3\"";
    let plain = "mount \"/var/lib/box\" volume=\"data\"\n    stop timeout=\"1s\"\n    update healthy-for=\"1s\" deadline=\"60s\"";
    assert!(SPEC.contains(plain));
    estate.write("specs/lab.kdl", &SPEC.replace(plain, &format!("{plain} {{ {tells} }}")));
    let said = wharf(7, &["stop", "--yes", "--limit", "lab-two"]);
    assert!(said.contains("TOKEN=<secret lab-token-"), "{said}");
    assert!(!said.contains(&estate.secret("lab-token")), "{said}");
    assert!(said.contains("/proc/1/environ; exit 3': it ended with 3"), "{said}");
    assert_eq!(both(), ["active", "active"]);
    estate.write("specs/lab.kdl", SPEC);

    // What is stopped stays so, also over a boot, until the next apply.
    wharf(0, &["stop", "--yes", "--limit", "lab-two"]);
    assert_eq!(both(), ["active", "inactive"]);
    assert!(wharf(0, &["status"]).contains("stopped, until the next apply: lab-two"));
    wharf(0, &["drift"]);
    host.run(&["systemctl", "restart", "wharf-lab-removal.target"]);
    assert_eq!(both(), ["active", "inactive"]);
    assert!(wharf(2, &["plan"]).contains("start     lab-two.container  was stopped"));
    wharf(0, &["apply", "--yes"]);
    assert_eq!(both(), ["active", "active"]);
    assert_eq!(kept(), "kept\nkept\n");

    // What the specs no longer have goes when somebody says that it is meant; its data stays.
    let start = SPEC.find("service \"lab-two\"").unwrap();
    estate.write("specs/lab.kdl", &SPEC[..start]);
    let said = wharf(1, &["apply", "--yes"]);
    assert!(said.contains("--allow-remove") && said.contains("kept: volume lab-two-data ("), "{said}");
    assert_eq!(both(), ["active", "active"]);
    wharf(0, &["apply", "--yes", "--allow-remove", "2"]);
    assert_eq!(both(), ["active", "inactive"]);
    assert!(!host.try_run(&["test", "-e", "/etc/containers/systemd/lab-two.container"]).status.success());
    assert_eq!(kept(), "kept\nkept\n");
    let said = wharf(0, &["status"]);
    assert!(said.contains("left over: volume lab-two-data ("), "{said}");

    // A plan that is kept is applied as it is, and takes nothing else with it.
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("end.plan");
    let plan = plan.to_str().unwrap();
    wharf(2, &["destroy", "--volume", "lab-two-data", "--out", plan]);
    assert_eq!(kept(), "kept\nkept\n");
    wharf(0, &["apply", plan, "--yes"]);
    assert!(!host.try_run(&["podman", "volume", "exists", "lab-two-data"]).status.success());
    assert_eq!(state(&host, "lab-one.service"), "active");
    assert!(!wharf(0, &["status"]).contains("left over"));

    // All of it: the host is nobody's then.
    wharf(0, &["destroy", "--yes"]);
    assert_eq!(both(), ["inactive", "inactive"]);
    assert_eq!(host.run(&["podman", "ps", "--all", "--quiet"]), "");
    assert!(!host.try_run(&["test", "-e", "/etc/wharf/estate"]).status.success());
    assert!(wharf(0, &["status"]).contains("empty"));
}
