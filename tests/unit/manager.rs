//! A real systemd that runs units: a user's manager in namespaces of its own. What it hands to a program is the truth about
//! quoting.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::oracle::has;
use crate::support::skip;

/// Run in a new mount namespace, so that the machine's mounts stay as they are: the manager gets a control group of its
/// own, that goes with it, and new process and cgroup namespaces.
const ENTER: &str = r#"set -e
umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
own=/sys/fs/cgroup/wharf-test-$$
mkdir "$own"
trap 'find "$own" -depth -type d -exec rmdir {} +' EXIT
(
    read -r me _ < /proc/self/stat
    echo "$me" > "$own/cgroup.procs"
    exec unshare --pid --cgroup --fork --kill-child --mount sh -c "$2" sh "$1"
)
"#;

const MANAGE: &str = r#"set -e
umount /sys/fs/cgroup
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

/// Runs the command of each service's `ExecStart=`, in a service of the same name and with the same `Environment=`, and
/// gives what its program got; [`RECORDER`] is the program. None where this machine cannot.
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
        let kept = text.lines().filter(|line| line.starts_with("ExecStart=") || line.starts_with("Environment="));
        let kept: String = kept.map(|line| line.replace(RECORDER, recorder.to_str().unwrap()) + "\n").collect();
        let _ = writeln!(all, "Wants={name}\nAfter={name}");
        let text = format!(
            "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nEnvironment=WHARF_OUT={home}/{name}\n{kept}"
        );
        fs::write(folder.path().join("units").join(name), text).unwrap();
    }
    all.push_str("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'kill -TERM $$PPID'\n");
    fs::write(folder.path().join("units/wharf-all.service"), all).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", home, MANAGE]);
    let output = command.env_clear().env("PATH", "/usr/bin:/usr/sbin:/bin:/sbin").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let records = units.iter().map(|(name, _)| {
        let arguments = words(&folder.path().join(format!("{name}.args"))).unwrap_or_else(|| panic!("{name}: {said}"));
        let environment = words(&folder.path().join(format!("{name}.env"))).unwrap();
        let pair = |text: &String| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        (name.clone(), Record { arguments, environment: environment.iter().filter_map(pair).collect() })
    });
    Some(records.collect())
}
