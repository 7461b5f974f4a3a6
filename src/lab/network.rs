//! The network that hosts are in.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{LabError, run};

const SWITCH: &str = include_str!("switch.sh");

/// What the process of a switch is called.
pub(super) const NAME: &str = "wharf-lab-switch";

/// How long something of the lab lives.
#[derive(Debug, Clone)]
pub enum Hold {
    /// As long as the value that stands for it.
    Value,
    /// As long as anybody holds this named pipe open, which is the switch.
    Pipe(PathBuf),
}

/// A process that ends when its standard input does.
#[derive(Debug)]
pub(super) struct Held {
    pub child: Child,
    ours: bool,
}

impl Held {
    /// Starts it and waits for its first line; `stdin` is what it lives by, where that is not this value.
    pub fn start(
        command: &mut Command,
        hold: &Hold,
        stdin: Option<File>,
        log: Option<File>,
    ) -> Result<(Self, String), LabError> {
        let what = "a process of the lab begins";
        let wrong = |said: String| LabError::Program { what: what.to_owned(), said };
        let ours = matches!(hold, Hold::Value);
        command.stdin(stdin.map_or_else(|| if ours { Stdio::piped() } else { Stdio::null() }, Stdio::from));
        command.stdout(Stdio::piped());
        if let Some(log) = log {
            command.stderr(log);
        }
        if !ours {
            // A key pressed at a terminal ends whoever began it, not the lab.
            command.process_group(0);
        }
        let mut child =
            command.spawn().map_err(|error| wrong(format!("{}: {error}", command.get_program().display())))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|error| wrong(error.to_string()))?;
        }
        Ok((Self { child, ours }, line.trim().to_owned()))
    }

    /// Waits until it ended, which something else brought about.
    pub fn ended(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.ours {
            self.ended();
        }
    }
}

/// A network namespace with a bridge, and the process that holds it open.
#[derive(Debug)]
pub struct Network {
    process: u32,
    // Kept for its end.
    _held: Option<Held>,
}

impl Network {
    /// Makes one; `address` is the bridge's own, with the length of the network's prefix.
    pub fn new(address: &str, hold: &Hold) -> Result<Self, LabError> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", SWITCH, NAME]);
        match hold {
            Hold::Value => command.arg(""),
            Hold::Pipe(path) => command.arg(path),
        };
        let (held, said) = Held::start(command.arg(address), hold, None, None)?;
        match said.as_str() {
            "up" => Ok(Self { process: held.child.id(), _held: Some(held) }),
            _ => Err(LabError::Program {
                what: "a network for the lab".to_owned(),
                said: "it did not come up".to_owned(),
            }),
        }
    }

    /// The process that holds it open.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// A program that sees it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        inside(self.process, program)
    }
}

/// A program in the network of a process.
pub(super) fn inside(process: u32, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &process.to_string(), "--net", "--"]).arg(program);
    command
}

/// `ip` in the network of a process.
pub(super) fn ip(of: u32, words: &[&str]) -> Result<(), LabError> {
    run(inside(of, "ip").args(words), &format!("ip {}", words.join(" "))).map(drop)
}

/// Processes with these two words in a row in what they were started with, `second` as it begins.
pub(super) fn processes(first: &str, skip: usize, second: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let second = second.as_os_str().as_encoded_bytes();
    let pid = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let is = |pid: &u32| {
        let Ok(words) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
        words.iter().position(|word| *word == first.as_bytes()).is_some_and(|index| {
            words
                .get(index + 1 + skip)
                .and_then(|word| word.strip_prefix(second))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    };
    entries.filter_map(Result::ok).filter_map(pid).filter(is).collect()
}
