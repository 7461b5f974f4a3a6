//! Drive podman: images of the store into a storage of their own, and programs run in them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Why podman cannot do what was asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PodmanError {
    /// It cannot be started.
    #[error("`podman` cannot be started: {0}")]
    #[diagnostic(
        code(wharf::podman::missing),
        help("install it: `apt-get install podman` on Debian, `dnf install podman` on Fedora")
    )]
    Missing(io::Error),
    /// It ended with an error.
    #[error("`podman {verb}` gave exit code {code}:\n{output}")]
    #[diagnostic(code(wharf::podman::command))]
    Command {
        /// The sub-command.
        verb: String,
        /// Its exit code; none after a signal.
        code: String,
        /// The end of what it printed.
        output: String,
        /// What may help, where the output is a known one.
        #[help]
        help: Option<String>,
    },
    /// A folder for its storage cannot be made.
    #[error("`{}` cannot hold podman's storage: {source}", .path.display())]
    #[diagnostic(code(wharf::podman::storage))]
    Storage {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// What a program gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; none where a signal or the timeout ended it.
    pub code: Option<i32>,
    /// Standard output and standard error, in that order.
    pub text: String,
    /// It did not end in time.
    pub timed_out: bool,
}

/// podman with a storage of its own, which is taken away in the end.
#[derive(Debug)]
pub struct Podman {
    storage: tempfile::TempDir,
    /// What runs: podman takes no path of more than 50 characters here.
    state: tempfile::TempDir,
}

impl Podman {
    /// Makes a storage below `folder`.
    pub fn open(folder: &Path) -> Result<Self, PodmanError> {
        let wrong = |source| PodmanError::Storage { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(wrong)?;
        let storage = tempfile::Builder::new().prefix("podman-").tempdir_in(folder).map_err(wrong)?;
        let state = tempfile::Builder::new().prefix("wharf-").tempdir().map_err(wrong)?;
        let podman = Self { storage, state };
        podman.run(&["--version"], Duration::from_secs(60))?;
        Ok(podman)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command.arg("--root").arg(self.storage.path().join("root"));
        command.arg("--runroot").arg(self.state.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], timeout: Duration) -> Result<Output, PodmanError> {
        let mut command = self.command();
        command.args(arguments);
        let output = finish(command, timeout).map_err(PodmanError::Missing)?;
        Self::check(arguments.first().copied().unwrap_or_default(), output)
    }

    fn check(verb: &str, output: Output) -> Result<Output, PodmanError> {
        if output.code == Some(0) {
            return Ok(output);
        }
        Err(PodmanError::Command {
            verb: verb.to_owned(),
            code: output.code.map_or_else(|| "none".to_owned(), |code| code.to_string()),
            help: known(&output.text),
            output: end(&output.text, 20),
        })
    }

    /// Brings an image of an OCI layout into the storage and gives its id. `arch` is OCI's name for it.
    pub fn pull(&self, store: &Path, reference: &str, arch: &str) -> Result<String, PodmanError> {
        // podman 4.3 makes a name of the path, and a folder that begins with a dot is none: it has to stand beside it.
        let store = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
        let name = store.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut command = self.command();
        command.current_dir(store.parent().unwrap_or(&store));
        command.args(["pull", "--quiet", "--arch", arch, &format!("oci:{name}:{reference}")]);
        let output = Self::check("pull", finish(command, Duration::from_secs(1800)).map_err(PodmanError::Missing)?)?;
        Ok(output.text.lines().last().unwrap_or_default().trim().to_owned())
    }

    /// Runs a program in a new container that is gone afterwards.
    pub fn try_run(
        &self,
        image: &str,
        arch: &str,
        program: &[String],
        timeout: Duration,
    ) -> Result<Output, PodmanError> {
        let mut command = self.command();
        command.args(["run", "--rm", "--network=none", "--pull=never", "--arch", arch]);
        let limit = timeout.as_secs().max(1).to_string();
        command.args(["--timeout", &limit, "--entrypoint", ""]).arg(image).args(program);
        // podman ends the container itself; the margin is for podman's own work.
        let mut output = finish(command, timeout + Duration::from_secs(30)).map_err(PodmanError::Missing)?;
        output.timed_out |= output.code == Some(137) || output.code == Some(255) && output.text.contains("timeout");
        Ok(output)
    }

    /// Starts the image's own command in a new container and gives the container's id.
    pub fn start(&self, image: &str, arch: &str) -> Result<Container<'_>, PodmanError> {
        let arguments =
            ["run", "--detach", "--network=none", "--pull=never", "--no-healthcheck", "--arch", arch, image];
        let output = self.run(&arguments, Duration::from_secs(300))?;
        let id = output.text.split_whitespace().next().unwrap_or_default().to_owned();
        Ok(Container { podman: self, id })
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.run(&["rm", "--all", "--force", "--time", "0"], Duration::from_secs(120));
        let _ = self.run(&["rmi", "--all", "--force"], Duration::from_secs(300));
        // Files of other users of a user namespace can be taken away only inside it.
        if std::fs::remove_dir_all(self.storage.path()).is_err() {
            let path = self.storage.path().to_string_lossy().into_owned();
            let _ = self.run(&["unshare", "rm", "-rf", &path], Duration::from_secs(120));
        }
    }
}

/// A running container; it ends when this is dropped.
#[derive(Debug)]
pub struct Container<'a> {
    podman: &'a Podman,
    id: String,
}

impl Container<'_> {
    /// Runs a program inside.
    pub fn exec(&self, program: &[String], timeout: Duration) -> Result<Output, PodmanError> {
        let mut command = self.podman.command();
        command.args(["exec", &self.id]).args(program);
        finish(command, timeout).map_err(PodmanError::Missing)
    }

    /// Whether its command still runs.
    pub fn running(&self) -> bool {
        let format = ["inspect", "--format", "{{.State.Running}}", &self.id];
        self.podman.run(&format, Duration::from_secs(60)).is_ok_and(|output| output.text.trim() == "true")
    }

    /// The end of what its command printed.
    pub fn logs(&self) -> String {
        match self.podman.run(&["logs", "--tail", "30", &self.id], Duration::from_secs(60)) {
            Ok(output) => output.text,
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.podman.run(&["rm", "--force", "--time", "5", &self.id], Duration::from_secs(120));
    }
}

/// Runs a command to its end, or ends it after `timeout`.
fn finish(mut command: Command, timeout: Duration) -> io::Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(move || drain(out));
        let err = scope.spawn(move || drain(err));
        let (status, timed_out) = wait(&mut child, timeout)?;
        let mut text = out.join().unwrap_or_default();
        text.push_str(&err.join().unwrap_or_default());
        Ok(Output { code: status.code(), text, timed_out })
    })
}

fn drain(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    // More than this is no answer that a person reads.
    let _ = stream.map(|stream| stream.take(16 << 20).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child, timeout: Duration) -> io::Result<(ExitStatus, bool)> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, false));
        }
        if start.elapsed() > timeout {
            child.kill()?;
            return Ok((child.wait()?, true));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The last `count` lines.
fn end(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// What helps against well-known answers.
fn known(text: &str) -> Option<String> {
    let answers = [
        (
            "exec format error",
            "this machine has no handler for the image's architecture: as root, `apt-get install qemu-user-static binfmt-support`",
        ),
        (
            "cgroups in hybrid mode",
            "this machine mounts cgroup v1 and v2 side by side: set `cgroups=\"disabled\"` in the file that CONTAINERS_CONF names",
        ),
        (
            "no subuid ranges found",
            "give the user a range: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`",
        ),
    ];
    answers.iter().find(|(part, _)| text.to_lowercase().contains(part)).map(|(_, help)| (*help).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Duration) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        finish(command, timeout).unwrap()
    }

    #[test]
    fn output_holds_both_streams_and_the_exit_code() {
        let output = shell("echo out; echo err >&2; exit 3", Duration::from_secs(20));
        assert_eq!(output, Output { code: Some(3), text: "out\nerr\n".to_owned(), timed_out: false });
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let output = shell("exec sleep 60", Duration::from_millis(50));
        assert!(output.timed_out);
        assert_eq!(output.code, None);
    }

    #[test]
    fn known_answers_have_help() {
        assert!(known("Error: exec /bin/sh: Exec format error").unwrap().contains("qemu-user-static"));
        assert_eq!(known("something else"), None);
    }

    #[test]
    fn only_the_end_of_long_output_is_shown() {
        assert_eq!(end("1\n2\n3\n", 2), "2\n3");
        assert_eq!(end("1", 2), "1");
    }
}
