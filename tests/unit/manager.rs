//! A real systemd that runs units: a user's manager in namespaces of its own. What it hands to a program is the truth about
//! quoting.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::oracle::has;
use crate::support::skip;

/// Run in new mount, process and cgroup namespaces; the machine's mounts stay as they are.
const ENTER: &str = r#"set -e
umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user
export XDG_RUNTIME_DIR=/run/user HOME="$1" SYSTEMD_UNIT_PATH="$1/units:/usr/lib/systemd/user"
export SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=warning
timeout 60 /lib/systemd/systemd --user --unit=wharf-all.service
"#;

/// The program that writes down what it is called with, and its environment.
pub const RECORDER: &str = "/usr/local/libexec/wharf-recorder";

const RECORD: &str = "#!/bin/sh\nprintf '%s\\0' \"$@\" > \"$WHARF_OUT.args\"\nenv -0 > \"$WHARF_OUT.env\"\n";

/// What a unit's program got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, String>,
}

fn words(path: &Path) -> Option<Vec<String>> {
    let text = String::from_utf8(fs::read(path).ok()?).unwrap();
    Some(text.strip_suffix('\0').unwrap_or(&text).split('\0').map(str::to_owned).collect())
}

/// Runs each service and gives what its program got; [`RECORDER`] is the program. Services of any other type are made
/// oneshots. None where this machine cannot.
pub fn run(units: &[(String, String)]) -> Option<BTreeMap<String, Record>> {
    if !rustix::process::geteuid().is_root() {
        skip("a manager of one's own takes root");
        return None;
    }
    if !Path::new("/lib/systemd/systemd").is_file() || !has("unshare") {
        skip("systemd is not installed");
        return None;
    }
    let folder = tempfile::Builder::new().prefix("manager-").tempdir().unwrap();
    let (home, mut all) = (folder.path().to_str().unwrap(), String::from("[Unit]\nDefaultDependencies=no\n"));
    let recorder = folder.path().join("recorder");
    fs::write(&recorder, RECORD).unwrap();
    assert!(Command::new("chmod").arg("755").arg(&recorder).status().unwrap().success());
    fs::create_dir(folder.path().join("units")).unwrap();
    for (name, text) in units {
        let text = text.replace(RECORDER, recorder.to_str().unwrap());
        fs::write(folder.path().join("units").join(name), text).unwrap();
        let _ = writeln!(all, "Wants={name}\nAfter={name}");
        let drop_in = folder.path().join("units").join(format!("{name}.d"));
        fs::create_dir(&drop_in).unwrap();
        let text = format!(
            "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStop=\nExecStopPost=\nEnvironment=WHARF_OUT={home}/{name}\n"
        );
        fs::write(drop_in.join("oracle.conf"), text).unwrap();
    }
    all.push_str("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'kill -TERM $$PPID'\n");
    fs::write(folder.path().join("units/wharf-all.service"), all).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--cgroup", "--fork", "--kill-child", "--propagation", "private"]);
    let output = command
        .args(["sh", "-c", ENTER, "sh", home])
        .env_clear()
        .env("PATH", "/usr/bin:/usr/sbin:/bin:/sbin")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let records = units.iter().map(|(name, _)| {
        let arguments = words(&folder.path().join(format!("{name}.args"))).unwrap_or_else(|| panic!("{name}: {said}"));
        let environment = words(&folder.path().join(format!("{name}.env"))).unwrap();
        let pair = |text: &String| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        (name.clone(), Record { arguments, environment: environment.iter().filter_map(pair).collect() })
    });
    Some(records.collect())
}
