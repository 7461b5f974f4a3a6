//! What an operator reads when something is wrong: what, where, why, and what to do. Hosts that are not concerned go on.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::cuts::{Apply, Desk, SLOW_TAR, SPEC, whole};
use super::estate::Estate;
use super::runs::can;
use super::{Host, Lab, Release};

const TARGET: &str = r#"
estate "lab-wrong" {
    registry "registry.lab.example/wharf"
    distro "debian-trixie"
    limits "unenforced"
    RECIPIENT
    host "e1" address="10.77.0.43" { role "box" }
    host "e2" address="10.77.0.44" { role "box" }
}
"#;

/// In the place of podman's generator: it refuses.
const GENERATOR: &str = "#!/bin/sh\necho 'quadlet-generator[1]: Loading source unit file /x/lab-box.container' >&2\n\
                         echo \"quadlet-generator[1]: converting \\\"lab-box.container\\\": unsupported key 'X' in group 'Container'\" >&2\nexit 1\n";

fn has(said: &str, texts: &[&str]) {
    for text in texts {
        assert!(said.contains(text), "`{text}` is not in: {said}");
    }
}

fn signal(apply: &Apply, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(apply.child.id()).unwrap()).unwrap(), signal).unwrap();
}

/// A folder of a host that is full, with what is in it, while something is done.
fn full(host: &Host, folder: &str, what: impl FnOnce()) {
    let script = "cp -a \"$1\" /run/kept && mount -t tmpfs -o size=64k,mode=0755 tmpfs \"$1\" && cp -a /run/kept/. \"$1\" && { cat /dev/zero > \"$1/zero\" 2>/dev/null || true; }";
    host.run(&["sh", "-c", script, "sh", folder]);
    what();
    host.run(&["sh", "-c", "umount \"$1\" && rm -rf /run/kept", "sh", folder]);
}

/// Two who come at once, one whose lease is broken, one who is gone.
fn leases(desk: &mut Desk<'_>, host: &Host) {
    let name = host.name();
    let new = desk.next();
    let mut first = desk.begin(&[host], name);
    assert!(first.until("step", "begin gate"));
    signal(&first, Signal::STOP);
    let said = desk.wharf(&[host], 5, &["apply", "--yes", "--limit", name]);
    has(
        &said,
        &[
            "somebody else is changing e1: ",
            " since 20",
            "plan ",
            "`--wait SECONDS` waits",
            "wharf lease break --limit e1",
        ],
    );
    has(&desk.wharf(&[host], 0, &["lease", "show", "--limit", name]), &["e1", "WHO"]);
    let mut second =
        desk.estate.operate(desk.lab, &[host], &["apply", "--yes", "--wait", "100", "--allow-skew", "--limit", name]);
    let second = second
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut second = second.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(second.stderr.as_mut().unwrap()), &mut line).unwrap();
    has(&line, &["waits for e1: "]);
    signal(&first, Signal::CONT);
    let (code, said) = first.end();
    assert_eq!(code, 0, "{said}");
    let output = second.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    has(&String::from_utf8(output.stdout).unwrap(), &["Nothing to do"]);
    assert_eq!(whole(host), Some(new.clone()));
    // A lease that is lost ends an apply before its next phase.
    desk.next();
    host.write("/usr/local/bin/tar", SLOW_TAR.as_bytes(), (0, 0), 0o755);
    let first = desk.begin(&[host], name);
    host.until("the middle of what is sent", || host.at("/run/middle").exists().then_some(()));
    desk.wharf(&[host], 0, &["lease", "break", "--limit", name]);
    host.write("/run/go", b"", (0, 0), 0o644);
    let (code, said) = first.end();
    host.run(&["rm", "/usr/local/bin/tar"]);
    assert_eq!(code, 3, "{said}");
    has(&said, &["stage: the lease of this host is gone: somebody broke it"]);
    assert_eq!(whole(host), Some(new));
    // Of another machine nobody here knows whether it is gone: it ends by itself.
    let lease = "until=$((${1} + $(cut -d . -f 1 /proc/uptime))); printf 'token t\\nuntil %s\\nwho op@far\\nwhen 2026-01-01T00:00:00Z\\nplan p1\\nwhy a new kernel\\n' $until > /run/wharf/lease";
    host.run(&["sh", "-c", lease, "sh", "500"]);
    let said = desk.wharf(&[host], 5, &["apply", "--yes", "--limit", name]);
    has(&said, &["e1: op@far since 2026-01-01T00:00:00Z, plan p1 (a new kernel)", "it ends in 49"]);
    host.run(&["sh", "-c", lease, "sh", "0"]);
    desk.wharf(&[host], 0, &["apply", "--yes", "--limit", name]);
    assert_eq!(whole(host), Some(desk.word()));
}

/// Services that do not come up.
fn services(desk: &mut Desk<'_>, host: &Host) {
    let name = host.name();
    let old = whole(host);
    // It goes back at once where its spec says so.
    desk.extra = "command \"sh\" \"-c\" \"echo the config is bad; exit 3\"\n    update healthy-for=\"1s\" deadline=\"32s\" on-failure=\"rollback\"";
    desk.next();
    let said = desk.wharf(&[host], 7, &["apply", "--yes", "--limit", name]);
    has(
        &said,
        &[
            "the last lines of lab-box.service",
            "the config is bad",
            "activate: restart lab-box.service: ",
            "is back on what it had",
        ],
    );
    assert_eq!(whole(host), old);
    has(
        &desk.wharf(&[host], 0, &["status", "--limit", name]),
        &["well", "was taken back at 20", "its activation did not end well"],
    );
    // Else it is left for a person to look at.
    desk.extra = "command \"sh\" \"-c\" \"echo the config is bad; exit 3\"";
    desk.next();
    let said = desk.wharf(&[host], 3, &["apply", "--yes", "--limit", name]);
    has(&said, &["lab-box.service is ", "left as they are, not confirmed: e1"]);
    has(
        &desk.wharf(&[host], 0, &["status", "--limit", name]),
        &["unconfirmed", "`wharf apply` goes on, `wharf rollback` goes back"],
    );
    // The same again ends as badly; mended, the next apply goes on from there.
    desk.wharf(&[host], 3, &["apply", "--yes", "--limit", name]);
    desk.extra = "";
    let mended = Some(desk.next());
    desk.wharf(&[host], 0, &["apply", "--yes", "--limit", name]);
    assert_eq!(whole(host), mended);
    assert_eq!(desk.status(&[host], name)["state"], "well");
    has(&desk.wharf(&[host], 0, &["apply", "--yes", "--limit", name]), &["Nothing to do"]);
    // Back is back, also from there.
    desk.extra = "command \"sh\" \"-c\" \"echo the config is bad; exit 3\"";
    desk.next();
    desk.wharf(&[host], 3, &["apply", "--yes", "--limit", name]);
    desk.wharf(&[host], 0, &["rollback", "--yes", "--limit", name]);
    assert_eq!(whole(host), mended);
    desk.extra = "";
    let new = desk.next();
    desk.wharf(&[host], 0, &["apply", "--yes", "--limit", name]);
    assert_eq!(whole(host), Some(new));
}

/// Disks that are full.
fn disks(desk: &mut Desk<'_>, host: &Host) {
    let name = host.name();
    let old = whole(host);
    desk.next();
    full(host, "/var/lib/wharf/files", || {
        let said = desk.wharf(&[host], 3, &["apply", "--yes", "--limit", name]);
        has(&said, &["e1: stage: ", "No space left on device", "no place for ", "/var/lib/wharf/files"]);
        assert_eq!(whole(host), old);
    });
    full(host, "/etc/containers/systemd", || {
        let said = desk.wharf(&[host], 7, &["apply", "--yes", "--limit", name]);
        has(
            &said,
            &[
                "e1: activate: switch",
                "No space left on device",
                "/etc/containers/systemd/lab-box.container cannot be written",
            ],
        );
        assert_eq!(whole(host), old);
    });
    desk.wharf(&[host], 0, &["apply", "--yes", "--limit", name]);
    assert_eq!(whole(host), Some(desk.word()));
}

/// Images that cannot be had, on a host that has none.
fn images(desk: &Desk<'_>, host: &Host) {
    let apply = ["apply", "--yes", "--limit", host.name()];
    full(host, "/var/tmp", || {
        has(
            &desk.wharf(&[host], 3, &apply),
            &["e2: pull: podman pull registry.lab.example/wharf/lab-box@", "no space left on device"],
        );
    });
    // The largest blob is the image's packages.
    let blobs = desk.estate.store().join("blobs/sha256");
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    let largest =
        fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path()).max_by_key(|path| size(path)).unwrap();
    let kept = fs::read(&largest).unwrap();
    fs::write(&largest, &kept[..kept.len() / 2]).unwrap();
    has(
        &desk.wharf(&[host], 3, &apply),
        &["e2: pull: podman pull registry.lab.example/wharf/lab-box@", "the store's copy of it is damaged"],
    );
    fs::write(&largest, &kept).unwrap();
    let release = fs::read_to_string(desk.estate.project().join("releases/current.kdl")).unwrap();
    let manifest = release.split("sha256:").nth(1).unwrap().chars().take(64).collect::<String>();
    let (there, away) = (blobs.join(&manifest), blobs.join("away"));
    fs::rename(&there, &away).unwrap();
    has(
        &desk.wharf(&[host], 1, &[&apply[..], &["--images", "ssh"]].concat()),
        &["the store does not have lab-box, which hosts lack", "wharf build lab-box"],
    );
    fs::rename(&away, &there).unwrap();
    assert_eq!(whole(host), None);
}

/// Hosts that cannot be changed, beside one that can.
fn hosts(desk: &mut Desk<'_>, well: &Host, wrong: &Host) {
    let both = [well, wrong];
    // An apply to both: the one gets it.
    let go = |desk: &mut Desk<'_>, code, options: &[&str], texts: &[&str]| {
        let (new, old) = (desk.next(), whole(wrong));
        let said = desk.wharf(&both, code, &[&["apply", "--yes"], options].concat());
        has(&said, texts);
        assert_eq!(whole(well), Some(new));
        assert_eq!(whole(wrong), old);
    };
    let home = desk.estate.project().join("../ssh");
    fs::create_dir_all(&home).unwrap();
    let path = |name: &str| home.join(name).display().to_string();
    let config = fs::read_to_string(desk.lab.ssh(&both)).unwrap();
    let known = config.lines().find_map(|line| line.trim().strip_prefix("UserKnownHostsFile ")).unwrap().to_owned();
    let keys = fs::read_to_string(&known).unwrap();
    // Another key than the one that is known.
    let key = keys.lines().find(|line| line.starts_with("10.77.0.43 ")).unwrap().replace("10.77.0.43", "10.77.0.44");
    let right = keys.lines().find(|line| line.starts_with("10.77.0.43 ")).unwrap();
    fs::write(path("known_hosts"), format!("{right}\n{key}\n")).unwrap();
    fs::write(path("key"), config.replace(&known, &path("known_hosts"))).unwrap();
    go(
        desk,
        6,
        &["--ssh-config", &path("key")],
        &["Left out: e2: unreachable: its host key is not the one that is known: ", "ssh-keygen -R"],
    );
    // Nobody whom it knows.
    let status = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path("stranger")]).status();
    assert!(status.unwrap().success());
    fs::write(path("denied"), format!("Host 10.77.0.44\n    IdentityFile {}\n    IdentitiesOnly yes\n    User root\n    UserKnownHostsFile {known}\n{}", path("stranger"), config.replace("Host *", "Host 10.77.0.43"))).unwrap();
    go(
        desk,
        6,
        &["--ssh-config", &path("denied")],
        &[
            "Left out: e2: unreachable: it does not let us in: ",
            "Permission denied",
            "an agent or a key without a passphrase",
        ],
    );
    fs::remove_dir_all(&home).unwrap();
    // Nobody there.
    wrong.cut();
    let (new, said) = (desk.next(), desk.wharf(&both, 6, &["apply", "--yes"]));
    has(
        &said,
        &[
            "Left out: e2: unreachable: it cannot be reached: ",
            "`maintenance \"reason\"` in the host's node leaves it out",
        ],
    );
    assert_eq!(whole(well), Some(new.clone()));
    // Back goes who answers, and who does not is no success.
    has(&desk.wharf(&both, 6, &["rollback", "--yes"]), &["Left out: e2: unreachable: "]);
    assert_ne!(whole(well), Some(new));
    wrong.join();
    // Not all that wharf runs there.
    wrong.run(&["mv", "/usr/bin/tar", "/usr/bin/podman", "/root/"]);
    let (new, said) = (desk.next(), desk.wharf(&both, 3, &["apply", "--yes"]));
    has(&said, &["Left out: e2: it has no podman, no tar: install what has them there"]);
    assert_eq!(whole(well), Some(new));
    wrong.run(&["mv", "/root/tar", "/root/podman", "/usr/bin/"]);
    // A generator that refuses; nothing has changed there.
    wrong.run(&["mv", "/usr/libexec/podman/quadlet", "/root/"]);
    wrong.write("/usr/libexec/podman/quadlet", GENERATOR.as_bytes(), (0, 0), 0o755);
    let said = desk.wharf(&[wrong], 3, &["apply", "--yes", "--limit", "e2"]);
    has(&said, &["e2: stage: ", "refuses a unit: ", "unsupported key 'X' in group 'Container'"]);
    assert!(!said.contains("Loading source"), "{said}");
    assert_eq!(whole(wrong), None);
    wrong.run(&["mv", "/root/quadlet", "/usr/libexec/podman/quadlet"]);
    // A task that never ended well is run again by the next apply, though its image and files are there.
    desk.extra = "task \"once\" run=\"echo it cannot be; exit 1\" before=\"start\" on=\"bootstrap\"";
    desk.next();
    let said = desk.wharf(&[wrong], 3, &["apply", "--yes", "--limit", "e2"]);
    has(&said, &["e2: activate: task lab-box.once", "it cannot be", "left as they are, not confirmed: e2"]);
    desk.extra = "task \"once\" run=\"true\" before=\"start\" on=\"bootstrap\"";
    desk.next();
    desk.wharf(&[wrong], 0, &["apply", "--yes", "--limit", "e2"]);
    assert_eq!(wrong.run(&["cat", "/var/lib/wharf/tasks/lab-box.once"]), "done bootstrap\n");
    assert_eq!(whole(wrong), Some(desk.word()));
    desk.next();
    // A clock that is wrong is said, and changes nothing.
    wrong.write(
        "/usr/local/bin/date",
        b"#!/bin/sh\n[ \"$1\" != +%s ] || exec echo $(($(/usr/bin/date +%s) + 7200))\nexec /usr/bin/date \"$@\"\n",
        (0, 0),
        0o755,
    );
    let said = desk.wharf(&both, 0, &["apply", "--yes"]);
    has(&said, &["e2: its clock is 7", " s ahead of this machine's", "chronyc tracking"]);
    wrong.run(&["rm", "/usr/local/bin/date"]);
    assert_eq!([whole(well), whole(wrong)], [Some(desk.word()), Some(desk.word())]);
}

/// A host whose node goes is remembered by the others until it was told to leave.
fn vanished(desk: &Desk<'_>, stays: &Host, goes: &Host) {
    let target = fs::read_to_string(desk.estate.project().join("targets/lab.kdl")).unwrap();
    let node = "host \"e2\" address=\"10.77.0.44\" { role \"box\" }";
    assert!(target.contains(node));
    let write = |with: &str| desk.estate.write("targets/lab.kdl", &target.replace(node, with));
    // The members of a group name each other nowhere here, so nothing else changes.
    write("");
    let texts = [
        "e2 is in no spec any more and was not told to leave: it had something when plan ",
        "goes on unseen",
        "`leave`",
    ];
    has(&desk.wharf(&[stays], 0, &["plan"]), &texts);
    has(&desk.wharf(&[stays], 0, &["apply", "--yes"]), &texts);
    has(&desk.wharf(&[stays], 0, &["status"]), &texts);
    assert_eq!(whole(goes), Some(desk.word()));
    write(&node.replace("role \"box\"", "leave"));
    assert!(!desk.wharf(&[stays, goes], 0, &["apply", "--yes", "--limit", "e2"]).contains("in no spec"));
    assert_eq!(goes.run(&["podman", "ps", "--all", "--quiet"]), "");
    write("");
    assert!(!desk.wharf(&[stays], 0, &["plan"]).contains("in no spec"));
}

#[test]
fn what_is_wrong_is_said_and_the_others_go_on() {
    if !can() {
        return;
    }
    let estate = Estate::new("lab-wrong", "lab-wrong");
    estate.write("targets/lab.kdl", &TARGET.replace("RECIPIENT", &estate.recipient()));
    estate.write("specs/lab.kdl", &SPEC.replace("EXTRA", ""));
    let Some(estate) = estate.make(&["lab-box"]) else { return };
    let lab = Lab::new();
    let boot = |name, address| lab.boot(Release::Trixie, name, address, None);
    let (Some(e1), Some(e2)) = (boot("e1", "10.77.0.43"), boot("e2", "10.77.0.44")) else { return };
    let mut desk = Desk { estate: &estate, lab: &lab, turn: 0, extra: "" };
    desk.wharf(&[&e1], 0, &["apply", "--yes", "--limit", "e1"]);
    images(&desk, &e2);
    leases(&mut desk, &e1);
    disks(&mut desk, &e1);
    services(&mut desk, &e1);
    hosts(&mut desk, &e1, &e2);
    vanished(&desk, &e1, &e2);
}
