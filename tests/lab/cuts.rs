//! What goes wrong in the middle: the operator dies, the link goes, the power goes, the host boots anew. After each, a host runs
//! what it had or what it was to have, wholly; `status` says which; the next apply ends well, and the one after it does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use serde_json::Value;

use super::estate::Estate;
use super::runs::can;
use super::{Host, Lab, Release};
use crate::build::ended;

pub(super) const SPEC: &str = r##"
import "catalogue"

image "lab-box" {
    from "base"
    account "box" uid=42999 gid=42999 home="/nonexistent"
    user "box"
    command "sleep" "infinity"
    health "test" "-e" "/etc/box/box.conf" interval="1s" timeout="5s" retries=3 start="5s"
}

service "lab-box" {
    role "box"
    var word="w0"
    config "/etc/box/box.conf" "word = ${vars.word}\n" owner="box" mode="0440"
    EXTRA
    secret "lab-token" path="/run/secrets/token" owner="box" mode="0400"
    generate "lab-token" length=32
    stop timeout="1s"
    update healthy-for="1s" deadline="32s"
}
"##;

const TARGET: &str = r#"
estate "lab-cuts" {
    registry "registry.lab.example/wharf"
    distro "debian-trixie"
    limits "unenforced"
    RECIPIENT
    host "c1" address="10.77.0.41" { role "box" }
    host "c2" address="10.77.0.42" { role "box" }
}
"#;

/// In front of the host's tar: stops in the middle of what it is sent, and says so.
pub(super) const SLOW_TAR: &str = "#!/bin/sh\n{ head -c 100000; : > /run/middle; while [ ! -e /run/go ]; do sleep 0.1; done; cat; } | exec /usr/bin/tar \"$@\"\n";

/// Where it is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// When this line of the log comes: its event, and its phase or what it says.
    Line(&'static str, &'static str),
    /// When the host has read a part of what it is sent.
    MiddleOfStage,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The operator's process is killed.
    Kill,
    /// The link goes, and comes back when the apply has ended.
    Cut,
    /// The link goes for a moment.
    Blink,
    /// The power goes.
    Crash,
    /// Somebody boots the host anew.
    Reboot,
}

/// An estate on hosts, and who operates it.
pub(super) struct Desk<'a> {
    pub(super) estate: &'a Estate,
    pub(super) lab: &'a Lab,
    /// How often the word was changed.
    pub(super) turn: usize,
    /// A node in the service's place for more.
    pub(super) extra: &'static str,
}

impl Desk<'_> {
    pub(super) fn wharf(&self, hosts: &[&Host], code: i32, arguments: &[&str]) -> String {
        // One host at a time, though the others are members too.
        let skew: &[&str] =
            if arguments.contains(&"apply") && arguments.contains(&"--limit") { &["--allow-skew"] } else { &[] };
        let all = [arguments, &["--connect-timeout", "2"], skew].concat();
        let (out, err) = ended(code, &self.estate.operate(self.lab, hosts, &all).output().unwrap());
        eprintln!("$ wharf {}\n{out}{err}", arguments.join(" "));
        out + &err
    }

    /// Another word for the configuration; it.
    pub(super) fn next(&mut self) -> String {
        self.turn += 1;
        self.spec(self.extra);
        self.word()
    }

    pub(super) fn word(&self) -> String {
        format!("w{}", self.turn)
    }

    pub(super) fn spec(&self, extra: &str) {
        let own = if extra.contains("update ") {
            SPEC.replace("update healthy-for=\"1s\" deadline=\"32s\"", "")
        } else {
            SPEC.to_owned()
        };
        self.estate.write("specs/lab.kdl", &own.replace("w0", &self.word()).replace("EXTRA", extra));
    }

    /// An apply to a host, which is read line by line.
    pub(super) fn begin(&self, hosts: &[&Host], host: &str) -> Apply {
        let arguments = ["apply", "--yes", "--json", "--limit", host, "--connect-timeout", "2", "--allow-skew"];
        let mut command = self.estate.operate(self.lab, hosts, &arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Apply { child, lines }
    }

    /// What `status` says of a host.
    pub(super) fn status(&self, hosts: &[&Host], host: &str) -> Value {
        let text = self.wharf(hosts, 0, &["status", "--json", "--limit", host]);
        let text = &text[..=text.rfind('}').unwrap()];
        serde_json::from_str::<Value>(text).unwrap()["hosts"][0].clone()
    }
}

pub(super) struct Apply {
    pub(super) child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Apply {
    /// Reads on until a line comes; false where the apply ends before.
    pub(super) fn until(&mut self, event: &str, what: &str) -> bool {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            let value: Value = serde_json::from_str(&line).unwrap();
            let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            if text("event") == event && (text("phase") == what || text("says").starts_with(what)) {
                return true;
            }
            line.clear();
        }
        false
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit code and all that it says still.
    pub(super) fn end(mut self) -> (i32, String) {
        let mut said = String::new();
        self.lines.read_to_string(&mut said).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said)
    }
}

/// A live file: its bytes, mode and owner.
type Line = (String, String);

/// Lists of files by generation; and which of them a host keeps.
fn lists(host: &Host) -> BTreeMap<u64, BTreeSet<Line>> {
    let text = host.run(&["sh", "-c", "cd /etc/wharf/generations && grep -H . */files 2>/dev/null || true"]);
    let mut lists: BTreeMap<u64, BTreeSet<Line>> = BTreeMap::from([(0, BTreeSet::new())]);
    for line in text.lines() {
        let (number, line) = line.split_once("/files:").unwrap();
        let (state, path) = line.rsplit_once(' ').unwrap();
        lists.entry(number.parse().unwrap()).or_default().insert((path.to_owned(), state.to_owned()));
    }
    lists
}

/// The word that a host runs with: all that it has is of its live generation, and nothing is of another one. None where it has
/// nothing.
pub(super) fn whole(host: &Host) -> Option<String> {
    // What goes on by itself ends first.
    host.until("an end of what was begun", || {
        let state = |unit| host.try_run(&["systemctl", "is-active", "--quiet", unit]).status.success();
        (!["wharf-activate.service", "wharf-undo.service", "wharf-back.service"].into_iter().any(state)).then_some(())
    });
    let current = host.run(&["sh", "-c", "cat /etc/wharf/current 2>/dev/null || echo 0"]).trim().parse().unwrap();
    let lists =
        if host.at("/etc/wharf/generations").exists() { lists(host) } else { BTreeMap::from([(0, BTreeSet::new())]) };
    let live = &lists[&current];
    for (path, state) in live {
        let script = r#"printf '%s ' "$(sha256sum < "$1" | cut -d ' ' -f 1)"; stat -c '%a %u %g' "$1""#;
        let found = host.run(&["sh", "-c", script, "sh", path]);
        let words = |text: &str| {
            text.split_whitespace().map(|word| word.trim_start_matches('0').to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(words(&found), words(state), "{path} of generation {current}");
    }
    for (path, _) in lists.values().flatten().filter(|(path, _)| !live.iter().any(|(other, _)| other == path)) {
        assert!(!host.at(path).exists(), "{path} is of no live generation");
    }
    let left = host.try_run(&["find", "/etc", "/var/lib/wharf", "-name", "*.wharf", "-o", "-name", ".*.new"]);
    assert_eq!(String::from_utf8(left.stdout).unwrap(), "");
    if current == 0 {
        assert_eq!(host.run(&["podman", "ps", "--quiet"]), "");
        return None;
    }
    for (kind, program) in [("secrets", "secret"), ("images", "image")] {
        for name in host.run(&["cat", &format!("/etc/wharf/generations/{current}/{kind}")]).lines() {
            host.run(&["podman", program, "exists", name]);
        }
    }
    // What runs is what the live unit says.
    host.until("its container", || {
        let state = host.try_run(&["podman", "inspect", "--format", "{{.State.Health.Status}}", "lab-box"]);
        (state.stdout == b"healthy\n").then_some(())
    });
    let unit = host.run(&["cat", "/etc/containers/systemd/lab-box.container"]);
    let used = "{{.ImageDigest}}{{range .Mounts}}{{if eq .Type \"bind\"}}\n{{.Source}}{{end}}{{end}}";
    for used in host.run(&["podman", "inspect", "--format", used, "lab-box"]).lines() {
        assert!(unit.contains(used), "{used} is not what the unit says: {unit}");
    }
    let word = host.run(&["podman", "exec", "lab-box", "sed", "-n", "s/word = //p", "/etc/box/box.conf"]);
    Some(word.trim().to_owned())
}

/// Something goes wrong in an apply to the first host; then all is looked at, and the next apply ends it.
fn hit(desk: &mut Desk<'_>, host: &mut Host, at: At, fault: Fault) {
    eprintln!("--- {fault:?} at {at:?}");
    let name = host.name().to_owned();
    let old = whole(host);
    let new = desk.next();
    if at == At::MiddleOfStage {
        // Larger than what lies on the way.
        desk.spec("config \"/etc/box/big\" source=\"box/big\" as=\"text\" owner=\"box\" mode=\"0440\"");
        host.run(&["rm", "-f", "/run/middle", "/run/go"]);
        host.write("/usr/local/bin/tar", SLOW_TAR.as_bytes(), (0, 0), 0o755);
    }
    let mut apply = desk.begin(&[host], &name);
    match at {
        At::Line(event, what) => assert!(apply.until(event, what), "no {event} {what}: {:?}", apply.end()),
        At::MiddleOfStage => host.until("the middle of what is sent", || host.at("/run/middle").exists().then_some(())),
    }
    match fault {
        Fault::Kill => apply.kill(),
        Fault::Cut => {
            host.cut();
            let (code, said) = apply.end();
            assert!([3, 6].contains(&code), "{code}: {said}");
            host.join();
        }
        Fault::Blink => {
            host.cut();
            assert!(apply.until("step", "is looked for"), "{:?}", apply.end());
            host.join();
            let (code, said) = apply.end();
            assert_eq!(code, 0, "{said}");
        }
        Fault::Crash | Fault::Reboot => {
            if fault == Fault::Crash {
                host.crash()
            } else {
                host.shut_down()
            }
            host.boot_again();
            let (code, said) = apply.end();
            assert!([0, 3].contains(&code), "{code}: {said}");
        }
    }
    if at == At::MiddleOfStage {
        if host.at("/run/middle").exists() {
            host.write("/run/go", b"", (0, 0), 0o644);
        }
        host.run(&["rm", "/usr/local/bin/tar"]);
    }
    // It is the one or the other.
    let now = whole(host);
    assert!(now == old || now.as_ref() == Some(&new), "{now:?} is neither {old:?} nor {new}");
    // And is said to be that.
    let status = desk.status(&[host], &name);
    let current = host.try_run(&["cat", "/etc/wharf/current"]);
    let current: Option<u64> = String::from_utf8(current.stdout).unwrap().trim().parse().ok();
    assert_eq!(status["generation"].as_u64(), current, "{status}");
    let state = match (host.at("/etc/wharf/intent").exists(), current) {
        (true, _) => "unconfirmed",
        (false, None) => "empty",
        (false, Some(_)) => "well",
    };
    assert_eq!(status["state"], state, "{status}");
    if fault != Fault::Kill && fault != Fault::Cut && now.as_ref() != Some(&new) {
        assert_eq!(status["intent"], Value::Null, "{status}");
    }
    // The next apply ends well, and the one after it does nothing.
    desk.wharf(&[host], 0, &["apply", "--yes", "--limit", &name]);
    assert_eq!(whole(host).as_ref(), Some(&new));
    if at != At::MiddleOfStage {
        return;
    }
    let since = || host.run(&["systemctl", "show", "--value", "--property=ActiveEnterTimestampMonotonic", "lab-box"]);
    let before = since();
    let said = desk.wharf(&[host], 0, &["apply", "--yes", "--limit", &name]);
    assert!(said.contains("Nothing to do: 1 host as wanted."), "{said}");
    assert_eq!(since(), before);
    assert_eq!(desk.status(&[host], &name)["state"], "well");
}

#[test]
fn a_host_has_the_old_or_the_new_whatever_happens_in_the_middle() {
    use At::{Line, MiddleOfStage};
    use Fault::{Blink, Crash, Cut, Kill, Reboot};
    if !can() {
        return;
    }
    let estate = Estate::new("lab-cuts", "lab-cuts");
    estate.write("targets/lab.kdl", &TARGET.replace("RECIPIENT", &estate.recipient()));
    let noise: String = (0..600_000_u64).map(|n| format!("{:016x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    estate.write("templates/box/big", &noise);
    estate.write("specs/lab.kdl", &SPEC.replace("EXTRA", ""));
    let Some(estate) = estate.make(&["lab-box"]) else { return };
    let lab = Lab::new();
    let boot = |name, address| lab.boot(Release::Trixie, name, address, None);
    let (Some(mut c1), Some(c2)) = (boot("c1", "10.77.0.41"), boot("c2", "10.77.0.42")) else { return };
    // What wharf keeps below /var is on another file system than /etc.
    c1.run(&["sh", "-c", "mkdir -p /home/wharf /var/lib/wharf && echo /home/wharf /var/lib/wharf none bind 0 0 >> /etc/fstab && systemctl daemon-reload && systemctl start var-lib-wharf.mount"]);
    assert_ne!(c1.run(&["stat", "-c", "%d", "/var/lib/wharf"]), c1.run(&["stat", "-c", "%d", "/etc"]));
    let mut desk = Desk { estate: &estate, lab: &lab, turn: 0, extra: "" };

    // On the other host meanwhile: nobody comes back, and its timer ends.
    desk.wharf(&[&c2], 0, &["apply", "--yes", "--limit", "c2", "--why", "the first"]);
    desk.next();
    let mut lost = desk.begin(&[&c2], "c2");
    assert!(lost.until("step", "begin restart"));
    lost.kill();
    c2.until("the new word", || (whole(&c2) == Some("w1".to_owned())).then_some(()));
    assert_eq!(desk.status(&[&c2], "c2")["state"], "unconfirmed");
    let timers = c2.run(&["systemctl", "list-timers", "--no-legend", "wharf-undo.timer"]);
    assert!(timers.contains("wharf-undo.timer"), "{timers}");

    // Nothing there yet, and the images are on their way.
    for fault in [Kill, Cut] {
        let mut apply = desk.begin(&[&c1], "c1");
        assert!(apply.until("step", "pull "));
        if fault == Cut {
            c1.cut();
            assert_eq!(apply.end().0, 3);
            c1.join();
        } else {
            apply.kill();
        }
        assert_eq!(whole(&c1), None);
        assert_eq!(c1.run(&["podman", "images", "--quiet"]), "", "it came too soon");
        assert_eq!(desk.status(&[&c1], "c1")["state"], "empty");
    }
    // Boundaries that mean the same to a host are hit once.
    let faults = [
        (Line("begin", "activate"), Kill),
        (Line("end", "lease"), Kill),
        (MiddleOfStage, Kill),
        (Line("step", "begin switch"), Kill),
        (Line("step", "begin gate"), Kill),
        (Line("end", "activate"), Kill),
        (Line("end", "confirm"), Kill),
        (MiddleOfStage, Cut),
        (Line("step", "begin restart"), Cut),
        (Line("step", "begin restart"), Blink),
        (MiddleOfStage, Crash),
        (Line("step", "begin switch"), Crash),
        (Line("step", "begin gate"), Crash),
        (Line("end", "confirm"), Crash),
        (Line("step", "begin gate"), Reboot),
    ];
    for (at, fault) in faults {
        hit(&mut desk, &mut c1, at, fault);
    }

    // The timer of the other host has ended, or ends.
    c2.until("its way back", || {
        (!c2.at("/etc/wharf/intent").exists() && !c2.at("/etc/wharf/undoing").exists()).then_some(())
    });
    assert_eq!(whole(&c2), Some("w0".to_owned()));
    let status = desk.status(&[&c2], "c2");
    assert_eq!(status["state"], "well");
    assert_eq!(status["undone"]["why"], "nobody confirmed it in time", "{status}");
    let journal = c2.journal("wharf-undo");
    assert!(
        journal.contains("nobody confirmed generation 2") && journal.contains("generation 1 is live again"),
        "{journal}"
    );
    desk.wharf(&[&c2], 0, &["apply", "--yes", "--limit", "c2"]);
    assert_eq!(whole(&c2), Some(desk.word()));
    assert_eq!(desk.status(&[&c2], "c2")["undone"], Value::Null);
}
