//! The lab of a project: one host for each of an estate, until somebody ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::machine::{self, kill};
use super::network::{self, ip, processes};
use super::{Hold, LabError, Machine, Make, Network, Seed, at, key, run};
use crate::digest::Digest;

const SWEEP: &str = include_str!("sweep.sh");

/// So many boot at once.
const FORKS: usize = 4;

/// A host that is to be.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub address: IpAddr,
    /// Its addresses on networks, by the network's name.
    pub networks: BTreeMap<String, IpAddr>,
    /// A name of the operator's ssh configuration.
    pub alias: Option<String>,
    /// What it begins as.
    pub root: PathBuf,
}

/// A host of a lab that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub address: String,
    /// `up`, `cut` or `crashed`.
    pub state: &'static str,
}

/// What is written down of a lab.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    hosts: Vec<Make>,
}

/// The lab of a project, up or not.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    folder: PathBuf,
}

impl Rehearsal {
    /// The one in a folder, which is made where it is not there yet.
    pub fn open(folder: &Path) -> Result<Self, LabError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        Ok(Self { folder: fs::canonicalize(folder).map_err(at(folder))? })
    }

    /// The ssh configuration that leads to its hosts.
    pub fn config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    /// Where roots are kept between labs.
    pub fn roots(&self) -> PathBuf {
        self.folder.join("roots")
    }

    fn pipe(&self) -> PathBuf {
        self.folder.join("hold")
    }

    fn hosts(&self) -> PathBuf {
        self.folder.join("hosts")
    }

    /// How its control groups begin: with what no other lab of the machine has.
    fn group(&self) -> String {
        let digest = Digest::of(self.folder.as_os_str().as_encoded_bytes());
        format!("{}.", digest.hex().chars().take(12).collect::<String>())
    }

    /// The process that holds its network open, where it is up.
    pub fn switch(&self) -> Option<u32> {
        processes(network::NAME, 0, &self.pipe()).first().copied()
    }

    /// The keepers of hosts in a folder.
    fn keepers(&self, below: &Path) -> Vec<u32> {
        processes(machine::NAME, 1, below)
    }

    /// Boots the hosts; `told` hears of each that is up. `wharf` is the program that carries connections. Ends what it began
    /// where one does not come up.
    pub fn up(&self, places: &[Place], wharf: &Path, told: &(dyn Fn(&str) + Sync)) -> Result<(), LabError> {
        if self.switch().is_some() {
            return Err(LabError::Up);
        }
        // What a lab left that was ended otherwise.
        self.down()?;
        let done = self.boot(places, wharf, told);
        if done.is_err() {
            self.down()?;
        }
        done
    }

    fn boot(&self, places: &[Place], wharf: &Path, told: &(dyn Fn(&str) + Sync)) -> Result<(), LabError> {
        let (addresses, own) = addresses(places)?;
        if let Some(place) = places.iter().find(|place| place.name.len() > 15) {
            return Err(LabError::Name(place.name.clone()));
        }
        run(Command::new("mkfifo").args(["-m", "0600"]).arg(self.pipe()), "a named pipe")?;
        let operator = self.folder.join("key");
        key(&operator)?;
        let operator = self.folder.join("key.pub");
        let lines: String = places.iter().map(|place| format!("{} {}\n", place.address, place.name)).collect();
        let mut makes = Vec::new();
        for (place, addresses) in places.iter().zip(addresses) {
            let folder = self.hosts().join(&place.name);
            Seed { name: &place.name, hosts: &lines, operator: &operator, shares: false }.sow(&place.root, &folder)?;
            let group = self.group() + &place.name;
            let root = fs::canonicalize(&place.root).map_err(at(&place.root))?;
            makes.push(Make { name: place.name.clone(), addresses, root, folder, mounts: [None, None], group });
        }
        self.write_config(places, &makes, wharf)?;
        let record = serde_json::to_vec(&Record { hosts: makes.clone() });
        let path = self.folder.join("hosts.json");
        fs::write(&path, record.unwrap_or_default()).map_err(at(&path))?;
        let hold = Hold::Pipe(self.pipe());
        let network = Network::new(&own, &hold)?;
        let (queue, wrong) = (Mutex::new(makes.into_iter()), Mutex::new(Vec::new()));
        let next = || queue.lock().ok()?.next();
        std::thread::scope(|scope| {
            for _ in 0..FORKS.min(places.len()) {
                scope.spawn(|| {
                    while let Some(make) = next() {
                        let name = make.name.clone();
                        match Machine::boot(make, &network, hold.clone()) {
                            Ok(_) => told(&name),
                            Err(error) => wrong.lock().map(|mut wrong| wrong.push(error)).unwrap_or_default(),
                        }
                    }
                });
            }
        });
        match wrong.into_inner().unwrap_or_default().into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Writes how its hosts are reached: by ssh through a program that enters the network.
    fn write_config(&self, places: &[Place], makes: &[Make], wharf: &Path) -> Result<(), LabError> {
        let quoted = |path: &Path| format!("\"{}\"", path.display());
        let (mut text, mut known) = (String::new(), String::new());
        for (place, make) in places.iter().zip(makes) {
            let path = make.folder.join("upper/etc/ssh/ssh_host_ed25519_key.pub");
            let public = fs::read_to_string(&path).map_err(at(&path))?;
            let _ = write!(known, "{} {public}", place.address);
            let alias = place.alias.as_ref().map(|alias| format!(" {alias}")).unwrap_or_default();
            let _ = writeln!(text, "Host {}{alias} {}\n    HostName {}", place.name, place.address, place.address);
        }
        let shell = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''").replace('%', "%%"));
        let _ = writeln!(
            text,
            "Host *\n    User root\n    IdentityFile {}\n    IdentitiesOnly yes\n    UserKnownHostsFile {}\n    \
             StrictHostKeyChecking yes\n    HostKeyAlgorithms ssh-ed25519\n    ProxyCommand {} lab wire --lab {} %h %p",
            quoted(&self.folder.join("key")),
            quoted(&self.folder.join("known_hosts")),
            shell(wharf),
            shell(&self.folder)
        );
        for (name, text) in [("known_hosts", known), ("ssh_config", text)] {
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(at(&path))?;
        }
        Ok(())
    }

    /// Ends all that belongs to the lab, however much of it is there. Roots stay. Whether there was anything.
    pub fn down(&self) -> Result<bool, LabError> {
        let switch = processes(network::NAME, 0, &self.pipe());
        let mut any = !switch.is_empty();
        for process in switch {
            kill(process)?;
        }
        // Their pipe has ended: they end their hosts, and take the control groups away.
        let wait = || {
            for _ in 0..100 {
                if self.keepers(&self.hosts()).is_empty() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        };
        wait();
        for process in self.keepers(&self.hosts()) {
            any = true;
            // Its host ends with it.
            kill(process)?;
        }
        wait();
        self.sweep(&self.group())?;
        for name in ["hold", "hosts.json", "key", "key.pub", "known_hosts", "ssh_config"] {
            let path = self.folder.join(name);
            match fs::remove_file(&path) {
                Ok(()) => any = true,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(at(&path)(error)),
            }
        }
        match fs::remove_dir_all(self.hosts()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(any),
            Err(error) => Err(at(&self.hosts())(error)),
        }
    }

    /// Ends what is left in control groups that begin so, and takes them away.
    fn sweep(&self, group: &str) -> Result<(), LabError> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SWEEP, "wharf-lab-sweep", group]);
        let left = run(&mut command, "control groups of the lab")?;
        match left.trim() {
            "" => Ok(()),
            left => {
                Err(LabError::Program { what: "control groups of the lab".to_owned(), said: format!("{left} stays") })
            }
        }
    }

    /// Takes the roots away that none of these is.
    pub fn prune(&self, used: &BTreeSet<PathBuf>) -> Result<(), LabError> {
        let Ok(entries) = fs::read_dir(self.roots()) else { return Ok(()) };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| !used.contains(path)) {
            fs::remove_dir_all(&path).map_err(at(&path))?;
        }
        Ok(())
    }

    fn makes(&self) -> Vec<Make> {
        let text = fs::read(self.folder.join("hosts.json")).unwrap_or_default();
        serde_json::from_slice::<Record>(&text).map(|record| record.hosts).unwrap_or_default()
    }

    /// Its hosts and how they are; none where the lab is not up.
    pub fn standing(&self) -> Vec<Standing> {
        let Some(switch) = self.switch() else { return Vec::new() };
        let state = |make: &Make| {
            let link = ["-o", "link", "show", "dev", &make.name, "up"];
            let shown = run(network::inside(switch, "ip").args(link), "a link");
            match (self.keepers(&make.folder).is_empty(), shown) {
                (true, _) => "crashed",
                (false, Ok(text)) if !text.trim().is_empty() => "up",
                (false, _) => "cut",
            }
        };
        let address = |make: &Make| make.addresses.first().map(|(address, _)| address.clone()).unwrap_or_default();
        self.makes()
            .iter()
            .map(|make| Standing { name: make.name.clone(), address: address(make), state: state(make) })
            .collect()
    }

    fn make(&self, name: &str) -> Result<(u32, Make), LabError> {
        let none = || LabError::Program {
            what: format!("the host `{name}`"),
            said: "it is not in the lab, or the lab is not up".to_owned(),
        };
        let make = self.makes().into_iter().find(|make| make.name == name).ok_or_else(none)?;
        Ok((self.switch().ok_or_else(none)?, make))
    }

    /// Takes a host from the network, or gives it back.
    pub fn link(&self, name: &str, up: bool) -> Result<(), LabError> {
        let (switch, make) = self.make(name)?;
        ip(switch, &["link", "set", &make.name, if up { "up" } else { "down" }])
    }

    /// The power of a host goes; its disk stays.
    pub fn crash(&self, name: &str) -> Result<(), LabError> {
        let (_, make) = self.make(name)?;
        for process in self.keepers(&make.folder) {
            kill(process)?;
        }
        self.sweep(&(make.group + "-"))
    }

    /// Boots a host that crashed.
    pub fn boot_again(&self, name: &str) -> Result<(), LabError> {
        let (switch, make) = self.make(name)?;
        match self.keepers(&make.folder).is_empty() {
            true => Machine::boot_from(make, switch, Hold::Pipe(self.pipe())).map(drop),
            false => Err(LabError::Program { what: format!("the host `{name}`"), said: "it is up".to_owned() }),
        }
    }
}

/// The addresses of each host with the lengths of their prefixes, and the bridge's.
#[expect(clippy::type_complexity, reason = "used once")]
fn addresses(places: &[Place]) -> Result<(Vec<Vec<(String, u8)>>, String), LabError> {
    let v4 = |address: IpAddr| match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(address) => Err(LabError::Address(format!("{address} is an IPv6 address"))),
    };
    let main = places.iter().map(|place| v4(place.address)).collect::<Result<Vec<_>, _>>()?;
    let prefix = prefix(&main)?;
    let mut networks: BTreeMap<&str, Vec<Ipv4Addr>> = BTreeMap::new();
    for (name, address) in places.iter().flat_map(|place| &place.networks) {
        networks.entry(name).or_default().push(v4(*address)?);
    }
    let mut prefixes = BTreeMap::new();
    for (name, addresses) in networks {
        prefixes.insert(name, self::prefix(&addresses)?);
    }
    let of = |place: &Place| {
        let more = place
            .networks
            .iter()
            .map(|(name, address)| (address.to_string(), prefixes.get(name.as_str()).copied().unwrap_or(24)));
        let mut all = vec![(place.address.to_string(), prefix)];
        all.extend(more.filter(|(address, _)| *address != place.address.to_string()));
        all
    };
    // The last address of the network that no host has: virtual ones are rarely there.
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let first = main.first().map_or(0, |address| address.to_bits());
    let own =
        (1..256).map(|back| Ipv4Addr::from_bits((first | !mask).wrapping_sub(back))).find(|own| !main.contains(own));
    let own = own.ok_or_else(|| LabError::Address("its network is full".to_owned()))?;
    Ok((places.iter().map(of).collect(), format!("{own}/{prefix}")))
}

/// The length of the smallest prefix that holds these, 24 at most.
fn prefix(addresses: &[Ipv4Addr]) -> Result<u8, LabError> {
    let Some(first) = addresses.first() else { return Ok(24) };
    let different = addresses.iter().fold(0, |different, address| different | (address.to_bits() ^ first.to_bits()));
    match different.leading_zeros().min(24) {
        short @ 0..8 => Err(LabError::Address(format!("its hosts share {short} bits of their addresses"))),
        length => Ok(u8::try_from(length).unwrap_or(24)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, address: &str) -> Place {
        Place {
            name: name.to_owned(),
            address: address.parse().unwrap(),
            networks: BTreeMap::new(),
            alias: None,
            root: PathBuf::new(),
        }
    }

    #[test]
    fn hosts_keep_their_addresses_in_a_network_that_holds_all() {
        let (all, own) = addresses(&[place("a", "10.77.0.11"), place("b", "10.77.1.12")]).unwrap();
        assert_eq!(all, [[("10.77.0.11".to_owned(), 23)], [("10.77.1.12".to_owned(), 23)]]);
        assert_eq!(own, "10.77.1.254/23");
        let (_, own) = addresses(&[place("a", "192.0.2.254")]).unwrap();
        assert_eq!(own, "192.0.2.253/24");
    }

    #[test]
    fn what_one_network_cannot_hold_is_refused() {
        let far = addresses(&[place("a", "10.0.0.1"), place("b", "192.168.0.1")]).unwrap_err();
        assert_eq!(far.to_string(), "the lab is one IPv4 network, and its hosts share 0 bits of their addresses");
        let six = addresses(&[place("a", "2001:db8::1")]).unwrap_err();
        assert_eq!(six.to_string(), "the lab is one IPv4 network, and 2001:db8::1 is an IPv6 address");
    }

    #[test]
    fn labs_of_two_folders_have_control_groups_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let lab = |name: &str| Rehearsal::open(&folder.path().join(name)).unwrap();
        assert_ne!(lab("a").group(), lab("b").group());
        assert_eq!(lab("a").switch(), None);
        assert_eq!(lab("a").standing(), []);
    }
}
