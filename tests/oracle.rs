//! Other tools that judge what wharf writes.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::skip;

/// Whether a tool is there. Says so where it is not, and fails where CI says that it must be.
pub fn has(tool: &str) -> bool {
    let found =
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()));
    if !found {
        skip(&format!("{tool} is not installed"));
    }
    found
}

/// Whether this is root.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("it needs root");
    }
    root
}

/// Runs a tool; what it printed.
pub fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Runs a tool that must end well; its standard output.
pub fn stdout(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// podman in the folder `scratch`, with a storage of its own there, which needs no overlayfs; its standard output.
pub fn podman(scratch: &Path, arguments: &[&str]) -> String {
    let at = |name: &str| scratch.join(name).display().to_string();
    let storage = ["--root", &at("podman-root"), "--runroot", &at("podman-run"), "--storage-driver", "vfs"];
    let mut command = Command::new("podman");
    command.args(storage).args(arguments).current_dir(scratch);
    let output = command.output().unwrap();
    assert!(output.status.success(), "podman {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// wharf itself.
pub fn wharf(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_wharf"), arguments)
}

/// Both streams of a wharf that ended with this code. An error's lines are joined: where they break depends on how long
/// the path of a temporary folder is.
pub fn wharf_ends(code: i32, arguments: &[&str]) -> (String, String) {
    let output = wharf(arguments);
    let streams = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {streams:?}");
    let (out, said) = streams;
    (out, if code == 0 { said } else { joined(&said) })
}

/// The words of a diagnostic, without line breaks and the marks before its lines.
pub fn joined(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !matches!(*word, "|" | "│"));
    words.collect::<Vec<_>>().join(" ")
}

/// The address of the first Debian archive that the host's apt reads.
pub fn debian_address() -> Option<String> {
    let mut files = vec![std::path::PathBuf::from("/etc/apt/sources.list")];
    files
        .extend(std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path()));
    files.sort();
    let texts: Vec<String> = files.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    let words = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace);
    words
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.contains("://") && word.ends_with("/debian"))
        .map(Into::into)
}
