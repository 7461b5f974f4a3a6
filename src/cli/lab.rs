//! `wharf lab`: hosts to rehearse on, on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::{Exit, Failure, Global, chosen_estate, load_project, place, project_root};
use crate::estate::{Estate, Host};
use crate::lab::{Place, Rehearsal, Standing, may};
use crate::oci::export::{one_of, write_root};
use crate::oci::{Selected, Store};
use crate::spec::did_you_mean;
use crate::ui::Screen;
use crate::version::PodmanVersion;

const IMAGE: &str = "lab-host";
const ARCH: &str = "x86_64";

/// Arguments of `wharf lab`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Boots a host for each of an estate, in namespaces of this machine, from the image lab-host that wharf built; \
                        needs root.\n\nExamples:\n  wharf build lab-host --distro debian-trixie\n  wharf lab up\n  \
                        wharf plan --ssh-config .wharf/lab/ssh_config\n  wharf lab ssh aio podman ps\n  \
                        wharf lab crash aio; wharf lab boot aio\n  wharf lab down")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Boot a host for each of the estate
    Up {
        /// What all of them run; otherwise debian-bookworm for those of podman 4, debian-trixie for others
        #[arg(long, value_name = "DISTRO")]
        distro: Option<String>,
        /// The store that has lab-host; `.wharf/store` in the project otherwise
        #[arg(long, value_name = "DIR")]
        store: Option<PathBuf>,
    },
    /// End all of them, and take away what they were
    Down,
    /// Say which hosts there are, and how they are
    List,
    /// Log into a host, or run a command there
    Ssh {
        /// The host
        host: String,
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Take a host from the network; all that it runs goes on
    Cut {
        /// The host
        host: String,
    },
    /// Give a host back to the network
    Join {
        /// The host
        host: String,
    },
    /// Take a host's power: every process ends at once, the disk stays
    Crash {
        /// The host
        host: String,
    },
    /// Boot a host that crashed
    Boot {
        /// The host
        host: String,
    },
    /// Carry a connection of ssh into the lab
    #[command(hide = true)]
    Wire {
        #[arg(long)]
        lab: Option<PathBuf>,
        address: String,
        port: u16,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    ssh_config: PathBuf,
    hosts: &'a [Standing],
}

/// Does one of them.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    if let What::Wire { lab, address, port } = &arguments.what {
        return wire(lab.as_deref(), address, *port);
    }
    may()?;
    let root = project_root(global)?;
    let lab = Rehearsal::open(&root.join(".wharf/lab"))?;
    match arguments.what {
        What::Up { distro, store } => up(&lab, distro.as_deref(), store.as_deref(), global, screen),
        What::Down => {
            let was = lab.down()?;
            screen.say(if was { "the lab is down" } else { "there was no lab" });
            Ok(Exit::Done)
        }
        What::List => {
            let hosts = lab.standing();
            if global.json {
                screen.document(&Document { version: 1, ssh_config: lab.config(), hosts: &hosts });
            } else {
                screen.out(&lines(&hosts));
            }
            Ok(Exit::Done)
        }
        What::Ssh { host, command } => {
            known(&lab, &host)?;
            let mut ssh = Command::new("ssh");
            ssh.arg("-F").arg(lab.config()).arg(&host).args(if command.is_empty() { &[][..] } else { &["--"] }).args(command);
            Err(Failure::plain(format!("ssh cannot be run: {}", ssh.exec())))
        }
        What::Cut { host } => known(&lab, &host).and_then(|()| Ok(lab.link(&host, false)?)).map(|()| Exit::Done),
        What::Join { host } => known(&lab, &host).and_then(|()| Ok(lab.link(&host, true)?)).map(|()| Exit::Done),
        What::Crash { host } => known(&lab, &host).and_then(|()| Ok(lab.crash(&host)?)).map(|()| Exit::Done),
        What::Boot { host } => known(&lab, &host).and_then(|()| Ok(lab.boot_again(&host)?)).map(|()| Exit::Done),
        What::Wire { .. } => Ok(Exit::Done),
    }
}

fn up(lab: &Rehearsal, distro: Option<&str>, store: Option<&Path>, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let estate = chosen_estate(&project, global)?;
    let hosts: Vec<&Host> = estate.hosts.values().filter(|host| !host.local).collect();
    if hosts.is_empty() {
        return Err(Failure::with_help(
            format!("the estate `{}` has no host that ssh leads to", estate.name),
            "a lab boots the hosts whose nodes do not say `local`",
        ));
    }
    if lab.switch().is_some() {
        return Err(crate::lab::LabError::Up.into());
    }
    let store = Store::open_existing(&place::store(global, store))?;
    let mut roots: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut places = Vec::new();
    for host in hosts {
        let distro = distro.map_or_else(|| own_distro(host), str::to_owned);
        let root = match roots.get(&distro) {
            Some(root) => root.clone(),
            None => {
                let root = unpacked(lab, &store, &distro)?;
                roots.insert(distro, root.clone());
                root
            }
        };
        if host.user.as_deref().is_some_and(|user| user != "root") {
            return Err(Failure::with_help(
                format!("the host `{}` is reached as another account than root", host.name),
                "hosts of the lab have root's alone: leave `user` out where you rehearse",
            ));
        }
        places.push(Place {
            name: host.name.to_string(),
            address: host.address,
            networks: host.networks.iter().map(|(name, interface)| (name.to_string(), interface.address)).collect(),
            alias: host.ssh.clone(),
            root,
        });
    }
    lab.prune(&roots.into_values().collect::<BTreeSet<_>>())?;
    let wharf = std::env::current_exe().map_err(|error| Failure::plain(format!("wharf does not know its own path: {error}")))?;
    lab.up(&places, &wharf, &|host| screen.say(&format!("{host} is up")))?;
    let standing = lab.standing();
    if global.json {
        screen.document(&Document { version: 1, ssh_config: lab.config(), hosts: &standing });
    } else {
        screen.out(&lines(&standing));
        screen.say(&format!("next: wharf plan --estate {} --ssh-config {}", estate.name, lab.config().display()));
        screen.say(advice(estate));
    }
    Ok(Exit::Done)
}

/// What a host runs that is not told: the release whose podman it has.
fn own_distro(host: &Host) -> String {
    let old = host.podman.as_ref().is_some_and(|podman| podman.value < PodmanVersion::QUADLET);
    if old { "debian-bookworm" } else { "debian-trixie" }.to_owned()
}

/// What is worth knowing beside.
fn advice(estate: &Estate) -> &'static str {
    match estate.limits_unenforced {
        true => "the end: wharf lab down",
        false => "where this machine's kernel lets no host of the lab limit memory and processes, `limits \"unenforced\"` in the estate leaves that out",
    }
}

/// The root of a distro's lab-host, written once.
fn unpacked(lab: &Rehearsal, store: &Store, distro: &str) -> Result<PathBuf, Failure> {
    let name = format!("{IMAGE}:{distro}");
    let help = format!("`wharf build {IMAGE} --distro {distro} --arch {ARCH}` builds it (not as root)");
    let image = store.resolve(&name).map_err(|error| Failure::with_help(error.to_string(), help))?;
    let one: Selected = one_of(store, &name, &image, ARCH)?;
    let path = lab.roots().join(one.descriptor.digest.hex());
    if !path.exists() {
        fs::create_dir_all(lab.roots()).map_err(|error| Failure::plain(format!("{}: {error}", lab.roots().display())))?;
        write_root(store, &one.manifest, &path)?;
    }
    Ok(path)
}

fn lines(hosts: &[Standing]) -> String {
    hosts.iter().map(|host| format!("{:<15} {:<15} {}\n", host.name, host.address, host.state)).collect()
}

/// Whether the lab is up and has a host of this name.
fn known(lab: &Rehearsal, host: &str) -> Result<(), Failure> {
    let hosts = lab.standing();
    if hosts.is_empty() {
        return Err(Failure::with_help("there is no lab", "`wharf lab up` boots one"));
    }
    if hosts.iter().any(|known| known.name == host) {
        return Ok(());
    }
    let names = || hosts.iter().map(|known| known.name.as_str());
    let help = did_you_mean(host, names()).unwrap_or_else(|| format!("the lab has {}", names().collect::<Vec<_>>().join(", ")));
    Err(Failure::with_help(format!("there is no host `{host}` in the lab"), help))
}

/// Carries one connection: outside of the lab into its network, where the same program goes on.
fn wire(lab: Option<&Path>, address: &str, port: u16) -> Result<Exit, Failure> {
    let wrong = |error: io::Error| Failure::plain(format!("{address} port {port}: {error}"));
    if let Some(folder) = lab {
        may()?;
        let switch = Rehearsal::open(folder)?.switch();
        let switch = switch.ok_or_else(|| Failure::with_help("there is no lab", "`wharf lab up` boots one"))?;
        let own = std::env::current_exe().map_err(wrong)?;
        let mut command = Command::new("nsenter");
        command.args(["--target", &switch.to_string(), "--net", "--"]).arg(own).args(["lab", "wire", address]).arg(port.to_string());
        return Err(wrong(command.exec()));
    }
    let stream = TcpStream::connect((address, port)).map_err(wrong)?;
    let bare = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
    let (mut from, mut to) = (bare(io::stdin().as_fd()).map_err(wrong)?, bare(io::stdout().as_fd()).map_err(wrong)?);
    let mut there = stream.try_clone().map_err(wrong)?;
    std::thread::spawn(move || {
        let _ = pour(&mut from, &mut there);
        let _ = there.shutdown(std::net::Shutdown::Write);
    });
    // What comes back decides when it is over.
    let mut back = stream;
    pour(&mut back, &mut to).map_err(wrong)?;
    Ok(Exit::Done)
}

/// Passes on whatever comes, when it comes: `io::copy` leaves it to the kernel, which ssh's sockets do not suit.
fn pour(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..length).unwrap_or_default())?;
    }
}
