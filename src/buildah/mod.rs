//! Drive buildah: run steps on top of layers that wharf wrote, and take what they changed.
//!
//! Each build has a storage of its own, which is gone when it ends. Every program is in namespaces of its own (mounts,
//! processes, and no network unless it is given), so that nothing of it outlives wharf: a killed wharf takes all of it along,
//! and what lies in the folder is taken away by the next one.

mod binfmt;
mod changes;
mod folder;
mod residue;
mod session;
mod version;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use binfmt::lacks;
pub use changes::{Change, Changes, read};
pub use folder::{Folder, clear, sweep};
pub use residue::{Times, clean};
pub use session::{Base, Mount, Session, Words};
pub use version::Version;

/// The oldest that is known to do what is asked of it.
pub const OLDEST: Version = Version(1, 28, 0);

/// Why buildah cannot do what was asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BuildahError {
    /// It, or what it needs, is not installed.
    #[error("`{program}` cannot be started: {error}")]
    #[diagnostic(code(wharf::buildah::missing), help("install {package}: `apt-get install {package}` on Debian"))]
    Missing {
        /// The program.
        program: &'static str,
        /// What holds it.
        package: &'static str,
        /// The system's word.
        error: io::Error,
    },
    /// It is too old.
    #[error("buildah is of version {found}; steps need {OLDEST} or later")]
    #[diagnostic(
        code(wharf::buildah::old),
        help("Debian 12 and later have one that will do; images without `run` need none")
    )]
    Old {
        /// Its version.
        found: Version,
    },
    /// It says no version.
    #[error("`buildah --version` says `{0}`, which holds no version")]
    #[diagnostic(code(wharf::buildah::version))]
    Unknown(String),
    /// The user may not have several ids.
    #[error("{0} has no range of subordinate ids, so nothing can be run as another account than its own")]
    #[diagnostic(
        code(wharf::buildah::subids),
        help(
            "as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`, and `apt-get install uidmap`"
        )
    )]
    NoRange(String),
    /// The kernel lets no namespaces be made.
    #[error("steps cannot be fenced in here: {0}")]
    #[diagnostic(
        code(wharf::buildah::namespaces),
        help(
            "an ordinary user needs user namespaces (`sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`), and a container that wharf runs in has to allow them"
        )
    )]
    Namespaces(String),
    /// The kernel does not run programs of an arch.
    #[error("programs of {arch} do not run here: the handler `{handler}` {why}")]
    #[diagnostic(
        code(wharf::buildah::handler),
        help("`apt-get install qemu-user-static binfmt-support` registers it; in a container, on its machine")
    )]
    Handler {
        /// The arch.
        arch: String,
        /// The name of the kernel's handler.
        handler: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A program of its own ended with an error.
    #[error("`buildah {verb}` gave exit code {code}:\n{output}")]
    #[diagnostic(code(wharf::buildah::command))]
    Command {
        /// The sub-command.
        verb: String,
        /// Its exit code; none after a signal.
        code: String,
        /// The end of what it printed.
        output: String,
    },
    /// A folder cannot be used.
    #[error("{}: {error}", .path.display())]
    #[diagnostic(code(wharf::buildah::folder))]
    Folder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// The layer that it wrote is not one.
    #[error("the layer that buildah wrote cannot be read: {0}")]
    #[diagnostic(code(wharf::buildah::layer))]
    Layer(String),
    /// A step left what no image can hold.
    #[error("the steps left {what} at {path}, which no image can hold")]
    #[diagnostic(code(wharf::buildah::kind), help("let the step remove it at its end"))]
    Kind {
        /// `a device`, `a fifo`.
        what: &'static str,
        /// Where.
        path: String,
    },
}

/// How a step ended that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its exit code; none after a signal.
    pub code: Option<i32>,
    /// The end of what it printed.
    pub output: String,
}

/// How layers are stored while steps run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The kernel lays them over each other.
    Overlay,
    /// Each is a whole copy: slower, and it takes more room.
    Vfs,
}

impl Driver {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Vfs => "vfs",
        }
    }
}

/// buildah as it is installed here.
#[derive(Debug, Clone)]
pub struct Buildah {
    /// Its version.
    pub version: Version,
    /// Whether it is not root that runs it.
    pub rootless: bool,
    /// What the kernel lets it use.
    pub driver: Driver,
}

impl Buildah {
    /// Finds it and looks whether it will do; what killed builds left in `place` is taken away.
    ///
    /// # Errors
    /// Where it, or what it needs beside it, is missing or too old, or the user cannot use it.
    pub fn find(place: &Path) -> Result<Self, BuildahError> {
        let output = Command::new("buildah").arg("--version").output();
        let output = output.map_err(|error| BuildahError::Missing { program: "buildah", package: "buildah", error })?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = Version::read(&said).ok_or(BuildahError::Unknown(said))?;
        if version < OLDEST {
            return Err(BuildahError::Old { found: version });
        }
        for (program, package) in [("unshare", "util-linux"), ("setpriv", "util-linux")] {
            let found = Command::new(program).arg("--version").output();
            found.map_err(|error| BuildahError::Missing { program, package, error })?;
        }
        let rootless = !rustix::process::geteuid().is_root();
        let mut buildah = Self { version, rootless, driver: Driver::Vfs };
        let probing =
            Session::new(&buildah.clone(), place).map(|session| session::probe(&mut buildah, session.folder()))?;
        probing?;
        sweep(&buildah, place);
        Ok(buildah)
    }
}
