//! A host, and the network that hosts are in.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::place::scratch;
use crate::unit::roots::unpacked;

const KEEPER: &str = include_str!("keeper.sh");
const BOOT: &str = include_str!("boot.sh");

/// A program in a host, in a control group that is none of its services'.
const ENTER: &str = "mkdir -p /sys/fs/cgroup/lab && echo $$ > /sys/fs/cgroup/lab/cgroup.procs && exec \"$@\"";

/// The network between hosts: a bridge in a namespace that a process holds open.
const SWITCH: &str = "set -e; ip link set lo up; ip link add hosts type bridge; ip address add 10.77.0.1/16 dev hosts; \
                      ip link set hosts up; echo up; cat > /dev/null";

/// What hosts in the lab need beside what a release calls its minimum.
const PROGRAMS: &str = "--include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,podman,crun,nftables,\
                        iproute2,fuse-overlayfs,passwd,uidmap,procps,netavark,aardvark-dns,openssh-server";

/// The storage of podman where hosts share images.
const SHARING: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\n\
                       graphroot = \"/var/lib/containers/storage\"\n\
                       [storage.options]\nadditionalimagestores = [\"/mnt/images\"]\n";

/// What a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Debian 13: podman 5.4, with Quadlet.
    Trixie,
    /// Debian 12: podman 4.3, without.
    Bookworm,
}

impl Release {
    /// Its root, made once; none where it cannot be had here, which was said then.
    pub fn root(self) -> Option<PathBuf> {
        let (suite, network) = match self {
            Self::Trixie => ("trixie", "passt"),
            Self::Bookworm => ("bookworm", "slirp4netns,runc"),
        };
        unpacked("lab-hosts", suite, &["--variant=minbase", &format!("{PROGRAMS},{network}")])
    }

    /// podman's, for what this machine keeps to itself: controllers of cgroups, and here and there the right to raise a
    /// limit, which podman 4.3 and crun 1.8 take for granted.
    fn configuration(self) -> &'static str {
        const CAP_SYS_RESOURCE: u64 = 1 << 24;
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        let all = u64::from_str_radix(capabilities.trim(), 16).unwrap() & CAP_SYS_RESOURCE != 0;
        match self {
            Self::Bookworm if !all => {
                "[containers]\npids_limit = 0\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\n\
                 [engine]\nruntime = \"runc\"\n"
            }
            _ => "[containers]\npids_limit = 0\n",
        }
    }
}

/// A process that ends when its standard input does.
struct Held {
    child: Child,
}

impl Held {
    /// Starts it and waits for its first line.
    fn start(command: &mut Command) -> (Self, String) {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self { child }, line.trim().to_owned())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Hosts that see each other.
pub struct Lab {
    switch: Held,
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
        let (switch, said) = Held::start(Command::new("unshare").args(["--net", "sh", "-c", SWITCH]));
        assert_eq!(said, "up");
        static DESKS: AtomicUsize = AtomicUsize::new(0);
        let desk = scratch(&format!("desk/{}", DESKS.fetch_add(1, Ordering::Relaxed)));
        key(&desk.join("key"));
        Self { switch, images: None, desk }
    }

    /// A program that sees the hosts' network.
    pub fn outside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.switch.child.id().to_string(), "--net"]).arg(program);
        command
    }

    /// An ssh configuration that leads to some hosts.
    pub fn ssh(&self, hosts: &[&Host]) -> PathBuf {
        let known: String = hosts
            .iter()
            .map(|host| {
                let key = fs::read_to_string(host.folder.join("upper/etc/ssh/ssh_host_ed25519_key.pub")).unwrap();
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
        // Closed to nobody who owns what is in it; its parents are this test's.
        for made in ["upper/etc/containers", "upper/etc/systemd/system", "work", "root", "containers", "home"] {
            fs::create_dir_all(folder.join(made)).unwrap();
        }
        let etc = folder.join("upper/etc");
        fs::write(etc.join("containers/containers.conf"), release.configuration()).unwrap();
        if self.images.is_some() {
            fs::write(etc.join("containers/storage.conf"), SHARING).unwrap();
        }
        fs::write(etc.join("hostname"), format!("{name}\n")).unwrap();
        fs::write(etc.join("hosts"), format!("127.0.0.1 localhost\n{address} {name}\n")).unwrap();
        fs::create_dir_all(etc.join("ssh")).unwrap();
        key(&etc.join("ssh/ssh_host_ed25519_key"));
        let authorized = folder.join("upper/root/.ssh");
        fs::create_dir_all(&authorized).unwrap();
        fs::set_permissions(folder.join("upper/root"), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(&authorized, Permissions::from_mode(0o700)).unwrap();
        fs::copy(self.desk.join("key.pub"), authorized.join("authorized_keys")).unwrap();
        // The kernel is the machine's.
        std::os::unix::fs::symlink("/dev/null", etc.join("systemd/system/systemd-modules-load.service")).unwrap();
        let mut host = Host {
            keeper: None,
            folder,
            root,
            mounts: [store, self.images.as_deref()].map(|path| path.map(Path::to_owned)),
            switch: self.switch.child.id(),
            init: 0,
            name: name.to_owned(),
            address: address.to_owned(),
        };
        host.boot_again();
        Some(host)
    }
}

/// A pair of keys of its own.
fn key(path: &Path) {
    let _ = fs::remove_file(path);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"]).arg(path);
    assert!(command.status().unwrap().success());
}

/// A program in the network of a process.
fn ip(of: u32, words: &[&str]) -> Result<(), String> {
    let of = of.to_string();
    let output = Command::new("nsenter").args(["--target", &of, "--net", "ip"]).args(words).output().unwrap();
    let said = || format!("ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.status.success().then_some(()).ok_or_else(said)
}

/// A host that is up.
pub struct Host {
    /// None where it crashed.
    keeper: Option<Held>,
    folder: PathBuf,
    /// What it begins as.
    root: PathBuf,
    /// What it sees at /mnt/store and at /mnt/images.
    mounts: [Option<PathBuf>; 2],
    /// The process that holds the network between hosts.
    switch: u32,
    /// Its init, as the machine knows it.
    init: u32,
    name: String,
    address: String,
}

impl Drop for Host {
    fn drop(&mut self) {
        // The host ends before its folder is taken away.
        drop(self.keeper.take());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Host {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Boots a host that crashed, with the disk that it had.
    pub fn boot_again(&mut self) {
        assert!(self.keeper.is_none(), "{} is up", self.name);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", KEEPER, "keeper"]);
        command.arg(&self.root).arg(&self.folder).args([&self.name, BOOT]);
        command.args(self.mounts.iter().map(|path| path.as_deref().unwrap_or(Path::new(""))));
        let (keeper, outer) = Held::start(&mut command);
        self.keeper = Some(keeper);
        let again = self.init != 0;
        let children = format!("/proc/{outer}/task/{outer}/children");
        self.init = self.until("its first process", || {
            fs::read_to_string(&children).unwrap_or_default().trim().parse::<u32>().ok()
        });
        self.until("its init", || fs::read_to_string(self.at("/proc/1/comm")).ok().filter(|name| name == "systemd\n"));
        self.plug();
        self.until("its manager", || {
            let state = self.try_run(&["systemctl", "is-system-running", "--wait"]);
            let state = String::from_utf8(state.stdout).unwrap();
            // A health check may fail before what it asks is up.
            let is_up = state == "running\n" || state == "degraded\n" && again;
            assert!(is_up || state != "degraded\n", "{}{}", self.run(&["systemctl", "--failed"]), self.journal("*"));
            is_up.then_some(())
        });
    }

    /// Its link to the others.
    fn plug(&self) {
        // An interface's name has 15 characters at most.
        assert!(self.name.len() <= 15, "{}", self.name);
        let init = self.init.to_string();
        // The link that it had before a crash goes a little later than its processes.
        let link = ["link", "add", &self.name, "type", "veth", "peer", "name", "eth0", "netns", &init];
        self.until("its link", || ip(self.switch, &link).ok());
        ip(self.switch, &["link", "set", &self.name, "master", "hosts", "up"]).unwrap();
        ip(self.init, &["address", "add", &format!("{}/16", self.address), "dev", "eth0"]).unwrap();
        // Its card stays in it when it boots anew: others know it by that.
        let bytes: Vec<u8> = self.address.split('.').map(|byte| byte.parse().unwrap()).collect();
        let card = format!("02:00:{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"));
        ip(self.init, &["link", "set", "eth0", "address", &card]).unwrap();
        ip(self.init, &["link", "set", "eth0", "up"]).unwrap();
    }

    /// Takes it from the network: nobody reaches it, it reaches nobody, and all that it runs goes on.
    pub fn cut(&self) {
        ip(self.switch, &["link", "set", &self.name, "down"]).unwrap();
    }

    /// Gives it back to the network.
    pub fn join(&self) {
        ip(self.switch, &["link", "set", &self.name, "up"]).unwrap();
    }

    /// The power goes: every process ends at once, unasked. The disk stays.
    pub fn crash(&mut self) {
        let init = rustix::process::Pid::from_raw(i32::try_from(self.init).unwrap()).unwrap();
        rustix::process::kill_process(init, rustix::process::Signal::KILL).unwrap();
        drop(self.keeper.take());
    }

    /// Somebody shuts it down: its services end in order.
    pub fn shut_down(&mut self) {
        self.run(&["systemctl", "--no-block", "poweroff"]);
        let init = Path::new("/proc").join(self.init.to_string());
        let begun = Instant::now();
        while init.exists() && fs::read_to_string(init.join("status")).is_ok_and(|status| !status.contains("State:\tZ"))
        {
            assert!(begun.elapsed() < Duration::from_secs(120), "{} does not end", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(self.keeper.take());
    }

    /// A path of the host, as the machine knows it.
    pub fn at(&self, path: &str) -> PathBuf {
        Path::new(&format!("/proc/{}/root", self.init)).join(path.trim_start_matches('/'))
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
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.init.to_string(),
            "--all",
            "--wdns=/",
            "env",
            "-i",
            "HOME=/root",
            "LANG=C.UTF-8",
        ]);
        command.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(["sh", "-c", ENTER, "sh"]).args(words);
        command
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
                self.name,
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same with bytes for its standard input.
    pub fn feed(&self, words: &[&str], bytes: &[u8]) {
        let mut child = self.command(words).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        assert!(child.wait().unwrap().success(), "{words:?} on {}", self.name);
    }

    /// The same; its standard output.
    pub fn answer(&self, words: &[&str], bytes: &[u8]) -> String {
        let mut command = self.command(words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?} on {}", self.name);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for something of the host, not for ever.
    pub fn until<T>(&self, what: &str, is: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = is() {
                return found;
            }
            if begun.elapsed() > Duration::from_secs(120) {
                let mut console = String::new();
                let file = fs::File::open(self.folder.join("console"));
                let _ = file.and_then(|mut file| file.read_to_string(&mut console));
                panic!("{what} of {} did not come: {console}{}", self.name, self.journal("*"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The end of a unit's journal.
    pub fn journal(&self, unit: &str) -> String {
        let output = self.try_run(&["journalctl", "--no-pager", "--lines=60", "--unit", unit]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
