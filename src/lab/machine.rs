//! One host.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::network::{Held, inside, ip};
use super::{Hold, LabError, Network, at, run};

const KEEPER: &str = include_str!("keeper.sh");
const BOOT: &str = include_str!("boot.sh");

/// What the process of a keeper is called.
pub(super) const NAME: &str = "wharf-lab-keeper";

/// A program in a host, in a control group that is none of its services'.
const ENTER: &str = "mkdir -p /sys/fs/cgroup/lab && echo $$ > /sys/fs/cgroup/lab/cgroup.procs && exec \"$@\"";

/// How long a host may take for a step of its boot, on a machine that has other work too.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a host is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Make {
    /// Its name; its link has it too.
    pub name: String,
    /// Its addresses, each with the length of the network's prefix.
    pub addresses: Vec<(String, u8)>,
    /// What it begins as.
    pub root: PathBuf,
    /// What it changes, and what [`super::Seed`] wrote. Closed to nobody who owns what is in it.
    pub folder: PathBuf,
    /// What it sees at /mnt/store and at /mnt/images.
    pub mounts: [Option<PathBuf>; 2],
    /// What its control group is called.
    pub group: String,
}

/// A host that booted.
#[derive(Debug)]
pub struct Machine {
    make: Make,
    hold: Hold,
    /// None where it crashed.
    keeper: Option<Held>,
    /// The process that holds the network between hosts.
    network: u32,
    /// Its init, as the machine knows it.
    init: u32,
    /// Whether it has what it left when it ran before.
    again: bool,
}

impl Machine {
    /// Boots a host for the first time.
    pub fn boot(make: Make, network: &Network, hold: Hold) -> Result<Self, LabError> {
        // An interface's name has 15 characters at most.
        if make.name.len() > 15 {
            return Err(LabError::Name(make.name));
        }
        let mut machine = Self { make, hold, keeper: None, network: network.process(), init: 0, again: false };
        machine.boot_again()?;
        Ok(machine)
    }

    /// Boots a host that booted before, by whoever it was.
    pub fn boot_from(make: Make, network: u32, hold: Hold) -> Result<Self, LabError> {
        let mut machine = Self { make, hold, keeper: None, network, init: 0, again: true };
        machine.boot_again()?;
        Ok(machine)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.make.name
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.keeper.is_some()
    }

    /// Boots a host that crashed, with the disk that it had.
    pub fn boot_again(&mut self) -> Result<(), LabError> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", KEEPER, NAME]);
        command.arg(&self.make.root).arg(&self.make.folder).args([&self.make.name, BOOT]);
        command.args(self.make.mounts.iter().map(|path| path.as_deref().unwrap_or(Path::new(""))));
        command.arg(&self.make.group);
        let (stdin, log) = match &self.hold {
            Hold::Value => (None, None),
            Hold::Pipe(path) => {
                let log = self.make.folder.join("keeper.log");
                (Some(File::open(path).map_err(at(path))?), Some(File::create(&log).map_err(at(&log))?))
            }
        };
        let again = std::mem::replace(&mut self.again, true);
        let (keeper, outer) = Held::start(&mut command, &self.hold, stdin, log)?;
        self.keeper = Some(keeper);
        let children = format!("/proc/{outer}/task/{outer}/children");
        self.init = self.until("the first process", || {
            fs::read_to_string(&children).unwrap_or_default().trim().parse::<u32>().ok()
        })?;
        self.until("the init", || fs::read_to_string(self.at("/proc/1/comm")).ok().filter(|name| name == "systemd\n"))?;
        self.plug()?;
        let state = self.until("the manager", || {
            let mut command = self.command(&["systemctl", "is-system-running", "--wait"]);
            let output = command.stdin(Stdio::null()).output().ok()?;
            let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            matches!(state.as_str(), "running" | "degraded").then_some(state)
        })?;
        // Of a host that boots again, a health check may fail before what it asks is up.
        match state == "running" || again {
            true => Ok(()),
            false => {
                let said = run(&mut self.command(&["systemctl", "--failed", "--no-pager"]), "units that failed")?;
                Err(LabError::Boot {
                    host: self.make.name.clone(),
                    what: "a whole boot",
                    said: said + &self.journal("*"),
                })
            }
        }
    }

    /// Its link to the others.
    fn plug(&self) -> Result<(), LabError> {
        let (name, init) = (self.make.name.as_str(), self.init.to_string());
        // The link that it had before a crash goes a little later than its processes.
        let link = ["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", &init];
        self.until("the link", || ip(self.network, &link).ok())?;
        ip(self.network, &["link", "set", name, "master", "hosts", "up"])?;
        for (address, prefix) in &self.make.addresses {
            ip(self.init, &["address", "add", &format!("{address}/{prefix}"), "dev", "eth0"])?;
        }
        // Its card stays in it when it boots anew: others know it by that.
        ip(self.init, &["link", "set", "eth0", "address", &self.card()])?;
        ip(self.init, &["link", "set", "eth0", "up"])
    }

    /// The address of its card: one that nobody sells (IEEE 802, locally administered), made of its name.
    fn card(&self) -> String {
        let name = crate::digest::Digest::of(self.make.name.as_bytes()).hex();
        let pairs = name.as_bytes().chunks(2).take(5).map(|pair| String::from_utf8_lossy(pair).into_owned());
        std::iter::once("02".to_owned()).chain(pairs).collect::<Vec<_>>().join(":")
    }

    /// Takes it from the network: nobody reaches it, it reaches nobody, and all that it runs goes on.
    pub fn cut(&self) -> Result<(), LabError> {
        ip(self.network, &["link", "set", &self.make.name, "down"])
    }

    /// Gives it back to the network.
    pub fn join(&self) -> Result<(), LabError> {
        ip(self.network, &["link", "set", &self.make.name, "up"])
    }

    /// The power goes: every process ends at once, unasked. The disk stays.
    pub fn crash(&mut self) -> Result<(), LabError> {
        kill(self.init)?;
        if let Some(mut keeper) = self.keeper.take() {
            match self.hold {
                Hold::Value => keeper.ended(),
                // It reads a pipe that others hold open.
                Hold::Pipe(_) => kill(keeper.child.id())?,
            }
        }
        Ok(())
    }

    /// Somebody shuts it down: its services end in order. The disk stays.
    pub fn shut_down(&mut self) -> Result<(), LabError> {
        run(&mut self.command(&["systemctl", "--no-block", "poweroff"]), "a host that shuts down")?;
        let status = Path::new("/proc").join(self.init.to_string()).join("status");
        self.until("the end of all services", || {
            let ended = fs::read_to_string(&status).map_or(true, |text| text.contains("State:\tZ"));
            ended.then_some(())
        })?;
        self.crash()
    }

    /// A path of the host, as the machine knows it.
    pub fn at(&self, path: &str) -> PathBuf {
        Path::new(&format!("/proc/{}/root", self.init)).join(path.trim_start_matches('/'))
    }

    /// The folder of what it changes.
    pub fn folder(&self) -> &Path {
        &self.make.folder
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

    /// A program that sees the host's network and nothing else of it.
    pub fn beside(&self, program: impl AsRef<OsStr>) -> Command {
        inside(self.init, program)
    }

    /// The end of its console.
    pub fn console(&self) -> String {
        let text = fs::read(self.make.folder.join("console")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }

    /// The end of a unit's journal.
    pub fn journal(&self, unit: &str) -> String {
        let mut command = self.command(&["journalctl", "--no-pager", "--lines=60", "--unit", unit]);
        let output = command.stdin(Stdio::null()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }

    /// Waits for something of the host, not for ever.
    fn until<T>(&self, what: &'static str, is: impl Fn() -> Option<T>) -> Result<T, LabError> {
        let begun = Instant::now();
        loop {
            if let Some(found) = is() {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                let said = self.console();
                return Err(LabError::Boot { host: self.make.name.clone(), what, said });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Ends a process at once. One that is gone is as good.
pub(super) fn kill(process: u32) -> Result<(), LabError> {
    use rustix::process::{Pid, Signal, kill_process};
    let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return Ok(()) };
    match kill_process(pid, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(LabError::Program { what: format!("the end of process {process}"), said: error.to_string() }),
    }
}
