//! Configuration files beside those who read them: oslo.config and PyYAML, from PyPI. The validator of JSON schemas is
//! there too.

mod oslo;
mod yaml;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::support::skip;

const PACKAGES: [&str; 3] = ["oslo.config==10.7.0", "PyYAML==6.0.4", "jsonschema==4.25.1"];

/// A Python that has the packages; none, said aloud, where it cannot be had. Kept between runs.
pub fn python() -> Option<PathBuf> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config-oracle");
    let python = folder.join("bin/python");
    let stamp = folder.join("wharf-packages");
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == PACKAGES.join("\n")) {
        return Some(python);
    }
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            skip(&format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)));
            false
        }
        Err(error) => {
            skip(&format!("{command:?}: {error}"));
            false
        }
    };
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        && run(Command::new(&python).args(pip).args(PACKAGES));
    made.then(|| std::fs::write(&stamp, PACKAGES.join("\n")).unwrap())?;
    Some(python)
}

/// Runs a script of this repository with a JSON document as its input, and reads one from its output.
pub fn ask(python: &Path, script: &str, input: &serde_json::Value) -> serde_json::Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let mut child = Command::new(python)
        .arg("-I")
        .args(["-X", "utf8"])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "the oracle ended with {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Many values of a strategy, the same in every run.
fn many<T>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}
