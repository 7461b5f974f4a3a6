//! A host, and the network that hosts are in: the product's lab, where whatever goes wrong ends the test.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wharf::lab::{Hold, Machine, Make, Network, Seed, key};

use super::image;
use crate::support::place::scratch;

/// What a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Debian 13: podman 5.4, with Quadlet.
    Trixie,
    /// Debian 12: podman 4.3, without.
    Bookworm,
    /// Trixie with Python, which other tools want of a host.
    Python,
}

impl Release {
    /// Its root, made once; none where it cannot be had here, which was said then.
    pub fn root(self) -> Option<PathBuf> {
        match self {
            Self::Trixie => image::root("debian-trixie", "lab-host"),
            Self::Bookworm => image::root("debian-bookworm", "lab-host"),
            Self::Python => image::root("debian-trixie", "lab-host-python"),
        }
    }
}

/// Hosts that see each other.
pub struct Lab {
    network: Network,
    /// Images that all of its hosts have at /mnt/images.
    images: Option<PathBuf>,
    /// What whoever operates the hosts has: a key, and those of the hosts.
    desk: PathBuf,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.desk);
        if let Some(images) = &self.images {
            let _ = fs::remove_dir_all(images);
        }
    }
}

impl Lab {
    pub fn new() -> Self {
        let network = Network::new("10.77.0.1/16", &Hold::Value).unwrap();
        static DESKS: AtomicUsize = AtomicUsize::new(0);
        let desk = scratch(&format!("desk/{}", DESKS.fetch_add(1, Ordering::Relaxed)));
        key(&desk.join("key")).unwrap();
        Self { network, images: None, desk }
    }

    /// A program that sees the hosts' network.
    pub fn outside(&self, program: impl AsRef<OsStr>) -> Command {
        self.network.command(program)
    }

    /// An ssh configuration that leads to some hosts.
    pub fn ssh(&self, hosts: &[&Host]) -> PathBuf {
        let known: String = hosts
            .iter()
            .map(|host| {
                let key =
                    fs::read_to_string(host.machine.folder().join("upper/etc/ssh/ssh_host_ed25519_key.pub")).unwrap();
                format!("{} {key}", host.address)
            })
            .collect();
        let path = |name: &str| self.desk.join(name).display().to_string();
        fs::write(path("known_hosts"), known).unwrap();
        let text = format!(
            "Host *\n    User root\n    IdentityFile {}\n    IdentitiesOnly yes\n    UserKnownHostsFile {}\n    \
             StrictHostKeyChecking yes\n",
            path("key"),
            path("known_hosts")
        );
        fs::write(path("config"), text).unwrap();
        self.desk.join("config")
    }

    /// A lab whose hosts share their images, in a folder of this name: each is unpacked once, by whichever host asks
    /// first.
    pub fn sharing(name: &str) -> Self {
        let mut lab = Self::new();
        lab.images = Some(scratch(&format!("images/{name}")));
        lab
    }

    /// Boots a host; `store` is an OCI layout that it sees, with images to load. None where its root cannot be had.
    pub fn boot(&self, release: Release, name: &str, address: &str, store: Option<&Path>) -> Option<Host> {
        let root = release.root()?;
        // Hosts of two labs may have one name.
        static HOSTS: AtomicUsize = AtomicUsize::new(0);
        let folder = scratch(&format!("lab/{}-{name}", HOSTS.fetch_add(1, Ordering::Relaxed)));
        let operator = self.desk.join("key.pub");
        let hosts = format!("{address} {name}\n");
        let seed = Seed { name, hosts: &hosts, operator: &operator, shares: self.images.is_some() };
        seed.sow(&root, &folder).unwrap();
        let make = Make {
            name: name.to_owned(),
            addresses: vec![(address.to_owned(), 16)],
            root,
            folder: folder.clone(),
            mounts: [store, self.images.as_deref()].map(|path| path.map(Path::to_owned)),
            group: name.to_owned(),
        };
        let machine = Machine::boot(make, &self.network, Hold::Value).unwrap_or_else(|error| panic!("{error}"));
        Some(Host { machine, address: address.to_owned(), _folder: Folder(folder) })
    }
}

/// A folder that goes with its host, after it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A host that is up.
pub struct Host {
    machine: Machine,
    address: String,
    _folder: Folder,
}

impl Host {
    pub fn name(&self) -> &str {
        self.machine.name()
    }

    /// Boots a host that crashed, with the disk that it had.
    pub fn boot_again(&mut self) {
        assert!(!self.machine.is_up(), "{} is up", self.name());
        self.machine.boot_again().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Takes it from the network: nobody reaches it, it reaches nobody, and all that it runs goes on.
    pub fn cut(&self) {
        self.machine.cut().unwrap();
    }

    /// Gives it back to the network.
    pub fn join(&self) {
        self.machine.join().unwrap();
    }

    /// The power goes: every process ends at once, unasked. The disk stays.
    pub fn crash(&mut self) {
        self.machine.crash().unwrap();
    }

    /// Somebody shuts it down: its services end in order.
    pub fn shut_down(&mut self) {
        self.machine.shut_down().unwrap_or_else(|error| panic!("{error}"));
    }

    /// A path of the host, as the machine knows it.
    pub fn at(&self, path: &str) -> PathBuf {
        self.machine.at(path)
    }

    /// Writes a file of the host.
    pub fn write(&self, path: &str, bytes: &[u8], (uid, gid): (u32, u32), mode: u32) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, bytes).unwrap();
        chown(&at, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(&at, Permissions::from_mode(mode)).unwrap();
    }

    /// A program that begins in the host as root.
    pub fn command(&self, words: &[impl AsRef<OsStr>]) -> Command {
        self.machine.command(words)
    }

    /// Runs a program in the host, however it ends.
    pub fn try_run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a program in the host that has to end well; its standard output.
    pub fn run(&self, words: &[&str]) -> String {
        let output = self.try_run(words);
        if !output.status.success() {
            panic!(
                "{words:?} on {}: {}\n{}{}",
                self.name(),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        // The journal has what programs wrote, whatever that is.
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same with bytes for its standard input.
    pub fn feed(&self, words: &[&str], bytes: &[u8]) {
        let mut child = self.command(words).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        assert!(child.wait().unwrap().success(), "{words:?} on {}", self.name());
    }

    /// The same; its standard output.
    pub fn answer(&self, words: &[&str], bytes: &[u8]) -> String {
        let mut command = self.command(words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?} on {}", self.name());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for something of the host, not for ever.
    pub fn until<T>(&self, what: &str, is: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let asked = Instant::now();
            if let Some(found) = is() {
                return found;
            }
            // A question costs the host its time too: most of it is for what is waited for.
            let pause = asked.elapsed() * 2;
            if begun.elapsed() > Duration::from_secs(120) {
                let console = self.machine.console();
                panic!("{what} of {} did not come: {console}{}", self.name(), self.journal("*"));
            }
            std::thread::sleep(pause.clamp(Duration::from_millis(100), Duration::from_secs(2)));
        }
    }

    /// The end of a unit's journal.
    pub fn journal(&self, unit: &str) -> String {
        self.machine.journal(unit)
    }
}
