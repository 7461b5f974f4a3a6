//! What `systemd-analyze verify` says.

use std::fs;
use std::process::Command;

use wharf::unit::Scope;

use crate::oracle::has;

/// Whether systemd takes these units, and says nothing of them.
pub fn verify(scope: Scope, files: &[(String, String)]) {
    if !has("systemd-analyze") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("verify-").tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=yes", "--generators=no"]);
    command.arg(if scope == Scope::System { "--system" } else { "--user" });
    command.args(files.iter().map(|(name, _)| folder.path().join(name)));
    let runtime = folder.path().join("run");
    fs::create_dir(&runtime).unwrap();
    let output = command.env("XDG_RUNTIME_DIR", runtime).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Of other packages' units nothing is our business.
    let said: Vec<&str> =
        said.lines().filter(|line| files.iter().any(|(name, _)| line.contains(name.as_str()))).collect();
    assert_eq!(said, Vec::<&str>::new());
}
