//! Units that run.

use super::estate::{Estate, ODD, PODMAN};
use super::{Host, Lab, Release};
use crate::support::skip;

/// A small estate's host with all that it shall have, its units read.
fn ready(lab: &Lab, release: Release, name: &str, address: &str) -> Option<Host> {
    let estate = Estate::small()?;
    let host = lab.boot(release, name, address, Some(&estate.store()))?;
    estate.install(&host, name, PODMAN);
    host.run(&["systemctl", "daemon-reload"]);
    enable(&host, estate, name);
    Some(host)
}

/// Enables what podman's generator does not.
pub(super) fn enable(host: &Host, estate: &Estate, name: &str) {
    for unit in asked(estate, name, "enable") {
        host.run(&["systemctl", "enable", &unit]);
    }
}

/// The units for which wharf has to do something itself.
fn asked(estate: &Estate, host: &str, what: &str) -> Vec<String> {
    let document = estate.document(host);
    let asks = document["asks"].as_object().unwrap().iter();
    let asks = asks.filter(|(_, asks)| asks.as_array().unwrap().iter().any(|ask| ask == what));
    asks.map(|(path, _)| path.rsplit('/').next().unwrap().to_owned()).collect()
}

/// Whether hosts of this kind can be had here.
pub(super) fn can() -> bool {
    if !rustix::process::geteuid().is_root() {
        skip("hosts of the lab take root");
        return false;
    }
    if !cfg!(target_arch = "x86_64") {
        skip("the lab's images are for x86_64");
        return false;
    }
    ["ip", "nsenter", "setpriv", "unshare"].into_iter().all(crate::oracle::has)
}

/// Starts a unit, which has to come up.
fn start(host: &Host, unit: &str) {
    let output = host.try_run(&["systemctl", "start", unit]);
    assert!(output.status.success(), "{unit}: {}{}", String::from_utf8_lossy(&output.stderr), host.journal("lab-*"),);
}

pub(super) fn state(host: &Host, unit: &str) -> String {
    String::from_utf8(host.try_run(&["systemctl", "is-active", unit]).stdout).unwrap().trim().to_owned()
}

/// A program in a service's container.
fn inside(host: &Host, service: &str, words: &[&str]) -> String {
    host.run(&[&["podman", "exec", service], words].concat())
}

/// What of the container is otherwise than the spec says.
fn judge_box(host: &Host, estate: &Estate, name: &str, address: &str) {
    let seen = inside(host, "lab-box", &["env", "-0"]);
    let seen: Vec<&str> = seen.split('\0').collect();
    for (name, text) in ODD {
        let pair = format!("{name}={text}");
        assert!(seen.contains(&pair.as_str()), "{pair:?} is not in {seen:?}");
    }
    let (token, word) = (estate.secret("lab-token"), estate.secret("lab-word"));
    assert!(seen.contains(&format!("WORD={word}").as_str()), "the secret of the environment");
    let stat =
        |path: &str| inside(host, "lab-box", &["stat", "--dereference", "--format=%u:%g %a", path]).trim().to_owned();
    assert_eq!(inside(host, "lab-box", &["cat", "/etc/box/token"]), token);
    assert_eq!(stat("/etc/box/token"), "42999:42999 440");
    assert_eq!(inside(host, "lab-box", &["cat", "/etc/box/secret.conf"]), format!("host = {name}\ntoken = {token}\n"));
    assert_eq!(stat("/etc/box/secret.conf"), "42999:42999 400");
    assert_eq!(inside(host, "lab-box", &["cat", "/etc/box/box.conf"]), format!("[box]\ncache = {address}:11311\n"));
    assert_eq!(stat("/etc/box/box.conf"), "42999:0 440");
    for path in ["/etc/box/box.conf", "/etc/box/live/live.conf", "/usr/local/bin/box"] {
        let output = host.try_run(&["podman", "exec", "lab-box", "chmod", "0666", path]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("Read-only file system"), "{path}: {said}");
    }
    let status = inside(host, "lab-box", &["cat", "/proc/1/status"]);
    for line in ["NoNewPrivs:\t1", "CapBnd:\t0000000000000000", "CapEff:\t0000000000000000"] {
        assert!(status.contains(line), "{line}: {status}");
    }
}

/// How often a container's program began.
fn starts(host: &Host) -> usize {
    inside(host, "lab-box", &["cat", "/var/lib/box/starts"]).lines().count()
}

/// What units of both kinds do alike.
fn judge_life(host: &Host, document: &serde_json::Value) {
    // A reload reaches the program, and it reads what is there now.
    let paths = document["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap());
    let live: Vec<&str> = paths.filter(|path| path.ends_with("/live.conf")).collect();
    assert_eq!(live.len(), 1, "{live:?}");
    host.write(live[0], b"generation = 2\n", (0, 0), 0o644);
    host.run(&["systemctl", "reload", "lab-box.service"]);
    host.until("the reload", || {
        let output = host.try_run(&["podman", "exec", "lab-box", "cat", "/var/lib/box/reloaded"]);
        (output.stdout == b"generation = 2\n").then_some(())
    });
    assert_eq!(starts(host), 1, "a reload is no restart");
    // Killed, it is started anew, with its volume.
    host.run(&["podman", "kill", "--signal=KILL", "lab-box"]);
    host.until("the next start", || {
        let output = host.try_run(&["podman", "exec", "lab-box", "cat", "/var/lib/box/starts"]);
        (output.status.success() && output.stdout == b"start\nstart\n").then_some(())
    });
    host.until("its health", || {
        host.try_run(&["podman", "healthcheck", "run", "lab-box"]).status.success().then_some(())
    });
    host.until("its unit", || (state(host, "lab-box.service") == "active").then_some(()));
    // A task runs to its end, and its exit code is the unit's.
    host.run(&["systemctl", "start", "lab-box-task-note.service"]);
    assert!(inside(host, "lab-box", &["cat", "/var/lib/box/note"]).starts_with("noted with "));
    host.until("the timer", || {
        host.try_run(&["podman", "exec", "lab-box", "test", "-s", "/var/lib/box/ticks"]).status.success().then_some(())
    });
    // Stopped, it leaves nothing but its volume.
    host.run(&["systemctl", "stop", "lab-box.service"]);
    assert_eq!(host.run(&["podman", "ps", "--all", "--format={{.Names}}", "--filter=name=^lab-box$"]), "");
    assert!(host.run(&["podman", "volume", "ls", "--quiet"]).contains("lab-box-data"));
}

#[test]
fn units_run_on_a_host_with_quadlet_and_are_started_when_they_are_healthy() {
    if !can() {
        return;
    }
    let (Some(estate), lab) = (Estate::small(), Lab::new()) else { return };
    let Some(host) = ready(&lab, Release::Trixie, "new", "10.77.0.21") else { return };
    // The host's own generator took all of them.
    for container in ["lab-box", "lab-cache", "lab-sick", "lab-box-task-note", "lab-box-task-tick"] {
        let loaded =
            host.run(&["systemctl", "show", "--value", "--property=LoadState", &format!("{container}.service")]);
        assert_eq!(loaded, "loaded\n", "{container}");
    }
    host.run(&["systemctl", "start", "lab-box.service", "lab-cache.service"]);
    assert_eq!(host.run(&["podman", "inspect", "--format={{.State.Health.Status}}", "lab-box"]), "healthy\n");
    inside(&host, "lab-box", &["test", "-e", "/tmp/ready"]);
    for service in ["lab-box", "lab-cache"] {
        assert_eq!(state(&host, &format!("{service}.service")), "active");
        host.run(&["podman", "healthcheck", "run", service]);
    }
    assert_eq!(asked(estate, "new", "health"), Vec::<String>::new());
    judge_box(&host, estate, "new", "10.77.0.21");
    start(&host, "wharf-lab.target");
    judge_life(&host, &estate.document("new"));
    // The one that never gets well fails, and says why.
    let output = host.try_run(&["systemctl", "start", "lab-sick.service"]);
    assert!(!output.status.success());
    assert_eq!(host.run(&["systemctl", "show", "--value", "--property=Result", "lab-sick.service"]), "timeout\n");
}

#[test]
fn plain_units_run_on_a_host_without_quadlet_and_get_healthy() {
    if !can() {
        return;
    }
    let (Some(estate), lab) = (Estate::small(), Lab::new()) else { return };
    let Some(mut host) = ready(&lab, Release::Bookworm, "old", "10.77.0.22") else { return };
    let document = estate.document("old");
    let units = document["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap());
    let units: Vec<&str> = units.filter(|path| path.starts_with("/etc/systemd/system/")).collect();
    assert!(units.len() >= 7, "{units:?}");
    let output = host.try_run(&[&["systemd-analyze", "verify", "--man=no"], &units[..]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    assert_eq!(asked(estate, "old", "health"), ["lab-box.service", "lab-cache.service"]);
    start(&host, "wharf-lab.target");
    for service in ["lab-cache", "lab-box"] {
        host.until(service, || (state(&host, &format!("{service}.service")) == "active").then_some(()));
        // What podman does not wait for, wharf asks.
        host.until("its health", || {
            host.try_run(&["podman", "healthcheck", "run", service]).status.success().then_some(())
        });
    }
    judge_box(&host, estate, "old", "10.77.0.22");
    judge_life(&host, &document);
    // After a loss of power they come again by themselves.
    host.crash();
    host.boot_again();
    for service in ["lab-cache", "lab-box"] {
        host.until(service, || (state(&host, &format!("{service}.service")) == "active").then_some(()));
    }
}
