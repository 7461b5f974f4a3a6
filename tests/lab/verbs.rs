//! `wharf lab`: a lab for people.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::estate::Estate;
use super::runs::can;
use crate::build::{WHARF, ended};
use crate::support::place::as_user;

const SPEC: &str = r##"
import "catalogue"

service "lab-cache" {
    image "memcached"
    role "cache"
    provides "lab-cache" port=11311
    command "memcached" "-v" "-l" "${address}" "-p" "${port}"
    health "healthcheck_port" "${port}" "${address}" interval="2s" timeout="5s" retries=5 start="5s"
    secret "lab-token" path="/run/secrets/token" mode="0400"
    generate "lab-token" length=32
}
"##;

const TARGET: &str = r#"
estate "lab-verbs" {
    registry "registry.lab.example/wharf"
    distro "debian-trixie"
    limits "unenforced"
    RECIPIENT
    host "va" address="10.77.9.11" { role "cache" }
    host "vb" address="10.77.9.12" { role "cache" }
}
"#;

/// A small estate, its images and that of its hosts built. None where no archive answers.
fn estate() -> Option<Estate> {
    let estate = Estate::new("lab-verbs", "lab-verbs");
    estate.write("specs/lab.kdl", SPEC);
    estate.write("targets/lab.kdl", &TARGET.replace("RECIPIENT", &estate.recipient()));
    estate.make(&["memcached", "lab-host"])
}

/// What of a lab is on this machine: processes that name its folder, mounts of its hosts, control groups, links.
fn left(folder: &Path) -> Vec<String> {
    let text = folder.to_str().unwrap();
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let is_process = entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        let read =
            |name: &str| String::from_utf8_lossy(&fs::read(entry.path().join(name)).unwrap_or_default()).into_owned();
        if is_process && (read("cmdline").contains(text) || read("mountinfo").contains(text)) {
            left.push(format!("{} {}", entry.file_name().display(), read("cmdline").replace('\0', " ")));
        }
    }
    let script =
        "mount -t cgroup2 cgroup2 /mnt && ls -d /mnt/wharf-lab-*.va-* /mnt/wharf-lab-*.vb-* 2>/dev/null || true";
    let output =
        Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", script]).output().unwrap();
    left.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
    left
}

#[test]
fn a_lab_is_made_reached_broken_mended_and_leaves_nothing() {
    if !can() {
        return;
    }
    let Some(estate) = estate() else { return };
    let folder = estate.project().join(".wharf/lab");
    let wharf = |arguments: &[&str]| -> Output {
        let mut command = estate.operator(arguments);
        command.output().unwrap()
    };
    let run = |code: i32, arguments: &[&str]| {
        let (out, err) = ended(code, &wharf(arguments));
        out + &err
    };
    assert!(run(0, &["lab", "down"]).contains("there was no lab"));
    assert!(run(1, &["lab", "ssh", "va", "true"]).contains("there is no lab"));
    // All of it, from up to a plan.
    let said = run(0, &["lab", "up"]);
    assert!(said.contains("va              10.77.9.11      up") && said.contains("ssh_config"), "{said}");
    assert!(run(1, &["lab", "up"]).contains("is up"));
    assert_eq!(run(0, &["lab", "ssh", "va", "hostname"]), "va\n");
    let said = run(1, &["lab", "ssh", "vc", "true"]);
    assert!(said.contains("there is no host `vc`"), "{said}");
    let config = folder.join("ssh_config");
    let plan = ["plan", "--ssh-config", config.to_str().unwrap()];
    let said = run(2, &plan);
    assert!(said.contains("on 2 of 2"), "{said}");
    // Hosts have names and keys of their own.
    let id = |host: &str| run(0, &["lab", "ssh", host, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"]);
    assert_ne!(id("va"), id("vb"));
    // A host that is cut off does not answer; one that crashed comes again with its disk.
    run(0, &["lab", "ssh", "vb", "touch /root/mine && sync"]);
    run(0, &["lab", "cut", "va"]);
    run(0, &["lab", "crash", "vb"]);
    let said = run(0, &["lab", "list"]);
    assert!(said.contains("cut") && said.contains("crashed"), "{said}");
    run(0, &["lab", "join", "va"]);
    run(0, &["lab", "boot", "vb"]);
    run(0, &["lab", "ssh", "vb", "test -e /root/mine"]);
    run(0, &["lab", "ssh", "va", "true"]);
    // Its end, and that of one whose beginning was killed.
    assert!(run(0, &["lab", "down"]).contains("the lab is down"));
    assert_eq!(left(&folder), Vec::<String>::new());
    let mut half = estate.operator(&["lab", "up"]).spawn().unwrap();
    let begun = Instant::now();
    while !folder.join("hosts/va/console").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no host began");
        std::thread::sleep(Duration::from_millis(20));
    }
    half.kill().unwrap();
    half.wait().unwrap();
    assert_ne!(left(&folder), Vec::<String>::new());
    run(0, &["lab", "down"]);
    assert_eq!(left(&folder), Vec::<String>::new());
    assert!(folder.join("roots").exists() && !folder.join("hosts").exists() && !config.exists());
}

#[test]
fn whoever_is_not_root_hears_why_there_is_no_lab() {
    let project = tempfile::tempdir().unwrap();
    fs::create_dir(project.path().join("specs")).unwrap();
    fs::create_dir(project.path().join("targets")).unwrap();
    let wharf = project.path().join("wharf");
    fs::copy(WHARF, &wharf).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(project.path(), mode).unwrap();
    let mut command = as_user(&wharf);
    command.args(["lab", "up", "-C"]).arg(project.path()).current_dir("/");
    let (_, err) = ended(1, &command.output().unwrap());
    assert!(err.contains("a lab takes root") && err.contains("sudo wharf lab"), "{err}");
}
