//! What a host leaves when it ends: nothing.

use std::process::Command;

use super::runs::can;
use super::{Lab, Release};

/// Control groups of hosts that are there, wherever the machine has them mounted.
fn groups() -> String {
    let script = "mount -t cgroup2 cgroup2 /mnt && ls -d /mnt/wharf-lab-ends* 2>/dev/null || true";
    let mut command = Command::new("unshare");
    let output = command.args(["--mount", "--propagation", "private", "sh", "-c", script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_host_that_is_dropped_leaves_no_process_mount_or_control_group() {
    if !can() {
        return;
    }
    let mounts = || std::fs::read_to_string("/proc/mounts").unwrap().matches("lab/ends").count();
    let lab = Lab::new();
    let Some(host) = lab.boot(Release::Trixie, "ends", "10.77.0.31", None) else { return };
    let process = host.at("/");
    assert!(process.exists() && groups().contains("wharf-lab-ends"));
    assert_eq!(mounts(), 0, "the machine sees none of its mounts");
    drop(host);
    assert!(!process.exists());
    assert_eq!(groups(), "");
}
