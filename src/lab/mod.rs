//! Hosts to rehearse on, on this machine: a systemd that booted, with sshd and podman, in namespaces of its own.
//!
//! ```text
//! switch (network namespace, bridge)  ←  keeper (mount namespace, control group)  →  host (all namespaces)
//! ```
//!
//! Nothing of the machine's is changed: mounts and links are in private namespaces, and each host has a control group of
//! its own. A host ends when its keeper's standard input does: the pipe of a [`Machine`] that is dropped, or the named pipe of
//! a [`Rehearsal`] that its switch holds open. The boot is that of a container's init (systemd's container interface).

mod machine;
mod network;
mod rehearsal;
mod seed;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use machine::{Machine, Make};
pub use network::{Hold, Network};
pub use rehearsal::{Place, Rehearsal, Standing};
pub use seed::{Seed, key};

/// What a lab takes of the machine that it is on.
const TOOLS: [&str; 6] = ["ip", "mkfifo", "nsenter", "setpriv", "ssh-keygen", "unshare"];

/// Why there is no lab.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LabError {
    /// Namespaces of this kind are root's.
    #[error("a lab takes root: its hosts mount file systems, make network links and boot a systemd of their own")]
    #[diagnostic(code(wharf::lab::root), help("run this as root (`sudo wharf lab …`), on a machine that is yours"))]
    NotRoot,
    /// A program that is not there.
    #[error("the lab needs `{tool}`, which this machine does not have")]
    #[diagnostic(code(wharf::lab::tool), help("on Debian: apt install util-linux coreutils iproute2 openssh-client"))]
    Tool {
        /// Its name.
        tool: &'static str,
    },
    /// A program that did not do it.
    #[error("{what}: {said}")]
    #[diagnostic(code(wharf::lab::program))]
    Program {
        /// What it was to do.
        what: String,
        /// What it said.
        said: String,
    },
    /// A file that cannot be read, written or made.
    #[error("{}: {source}", path.display())]
    #[diagnostic(code(wharf::lab::file))]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A host that did not come up.
    #[error("{what} of the host `{host}` did not come: {said}")]
    #[diagnostic(code(wharf::lab::boot))]
    Boot {
        /// Its name.
        host: String,
        /// What was waited for.
        what: &'static str,
        /// The end of its console.
        said: String,
    },
    /// A lab that is up.
    #[error("the lab of this project is up")]
    #[diagnostic(code(wharf::lab::up), help("`wharf lab list` says what is in it; `wharf lab down` ends it"))]
    Up,
    /// A name that is too long for an interface.
    #[error(
        "`{0}` is too long for a host of the lab: its link is named after it, and a link's name has 15 characters at most"
    )]
    #[diagnostic(code(wharf::lab::name))]
    Name(String),
    /// Hosts that one network cannot hold.
    #[error("the lab is one IPv4 network, and {0}")]
    #[diagnostic(
        code(wharf::lab::address),
        help("hosts that are rehearsed together need IPv4 addresses that share their first 8 bits")
    )]
    Address(String),
}

/// Whether this process may make hosts here.
pub fn may() -> Result<(), LabError> {
    if !rustix::process::geteuid().is_root() {
        return Err(LabError::NotRoot);
    }
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    match TOOLS.into_iter().find(|tool| !folders.iter().any(|folder| folder.join(tool).is_file())) {
        Some(tool) => Err(LabError::Tool { tool }),
        None => Ok(()),
    }
}

/// A failure at a path.
fn at(path: &Path) -> impl FnOnce(io::Error) -> LabError {
    let path = path.to_owned();
    move |source| LabError::File { path, source }
}

/// Runs a program that has to end well; its standard output.
fn run(command: &mut Command, what: &str) -> Result<String, LabError> {
    let wrong = |said: String| LabError::Program { what: what.to_owned(), said };
    let output = command.output().map_err(|error| wrong(format!("{}: {error}", command.get_program().display())))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(wrong(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}
