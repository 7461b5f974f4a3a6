//! Many hosts at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::estate::Host;
use crate::host::{Call, Destination, Facts, Frame, Generation, Hops, Link, LinkError, Remembered, Ssh, Text, script};
use crate::name::HostName;
use crate::plan::{Known, Memory};

/// How long a phase that starts nothing may take.
pub(super) const QUICK: Duration = Duration::from_secs(120);

/// Behind a jump host not all connections may begin at once; with few hosts it does not matter.
const MANY: usize = 8;

/// The ways to hosts.
pub struct Fleet<'a> {
    links: BTreeMap<HostName, Link<'a>>,
    forks: usize,
}

impl<'a> Fleet<'a> {
    /// Ways to hosts; none is made yet.
    pub fn new(ssh: &'a Ssh, hops: &'a Hops, hosts: &[&Host], forks: usize) -> Self {
        let jumps = hosts.len() > MANY;
        let links = each(hosts, forks, |host| {
            let destination = match host.local {
                true => Destination::Local,
                false => Destination::Ssh {
                    name: host.ssh.clone().unwrap_or_else(|| host.address.to_string()),
                    user: host.user.clone(),
                },
            };
            (host.name.clone(), Link::new(ssh, hops, destination, jumps))
        });
        Self { links: links.into_iter().collect(), forks }
    }

    /// The way to a host.
    pub fn link(&self, host: &HostName) -> Option<&Link<'a>> {
        self.links.get(host)
    }

    /// Asks hosts what they are. `paths` and `units` say what to look at on each.
    pub fn probe(&self, what: impl Fn(&HostName) -> (Vec<String>, Vec<String>) + Sync) -> Known {
        let hosts: Vec<&HostName> = self.links.keys().collect();
        let found = each(&hosts, self.forks, |host| {
            let (paths, units) = what(host);
            let frames = self.call(host, &Call::Probe { paths, units }, &[], QUICK);
            let facts = frames
                .map_err(|error| error.line())
                .and_then(|frames| Facts::read(&frames).map_err(|error| error.to_string()));
            ((*host).clone(), facts)
        });
        found.into_iter().collect()
    }

    /// The generations that hosts keep, oldest first; and why some did not say.
    pub fn kept(&self) -> (BTreeMap<HostName, Vec<Kept>>, BTreeMap<HostName, String>) {
        let hosts: Vec<&HostName> = self.links.keys().collect();
        let found = each(&hosts, self.forks, |host| {
            let frames = self.call(host, &Call::Generations, &[], QUICK).map_err(|error| error.line());
            ((*host).clone(), frames.map(|frames| kept(&frames)))
        });
        let (mut kept, mut absent) = (BTreeMap::new(), BTreeMap::new());
        for (host, found) in found {
            match found {
                Ok(found) => {
                    kept.insert(host, found);
                }
                Err(why) => {
                    absent.insert(host, why);
                }
            }
        }
        (kept, absent)
    }

    /// What files of hosts say, up to so many bytes, by path; what cannot be had is missing.
    pub fn texts(&self, paths: &BTreeMap<HostName, Vec<String>>, most: u64) -> BTreeMap<String, Text> {
        let hosts: Vec<(&HostName, &Vec<String>)> =
            paths.iter().filter(|(host, _)| self.links.contains_key(*host)).collect();
        let found = each(&hosts, self.forks, |(host, paths)| {
            let call = Call::Show { paths: (*paths).clone(), most };
            Frame::texts(&self.call(host, &call, &[], QUICK).unwrap_or_default())
        });
        found.into_iter().flatten().collect()
    }

    /// How many KiB volumes hold, by host; a volume that cannot be looked at is missing.
    pub fn sizes(&self, volumes: &BTreeMap<HostName, Vec<String>>) -> BTreeMap<HostName, BTreeMap<String, u64>> {
        let hosts: Vec<(&HostName, &Vec<String>)> =
            volumes.iter().filter(|(host, _)| self.links.contains_key(*host)).collect();
        let found = each(&hosts, self.forks, |(host, volumes)| {
            let frames = self.call(host, &Call::Sizes { volumes: (*volumes).clone() }, &[], QUICK).unwrap_or_default();
            let size = |frame: &Frame| {
                let (kib, name) = frame.text.split_once(' ')?;
                Some((name.to_owned(), kib.parse().ok()?))
            };
            ((*host).clone(), frames.iter().filter(|frame| frame.name == "volume").filter_map(size).collect())
        });
        found.into_iter().collect()
    }

    /// Tells hosts what an apply left behind. Whoever is not heard learns it from the next one.
    pub fn remember(&self, who: &[&HostName], memory: &Memory, since: &Remembered) {
        let hosts = memory.there.iter().map(|name| (name.clone(), since.clone())).collect();
        let call = Call::Remember { hosts, gone: memory.gone.clone() };
        each(who, self.forks, |host| self.call(host, &call, &[], QUICK).is_ok());
    }

    /// Ends a host's lease, whoever has it.
    ///
    /// # Errors
    /// As [`Link::run`].
    pub fn release(&self, host: &HostName) -> Result<(), LinkError> {
        self.call(host, &Call::Release { token: None }, &[], QUICK).map(|_| ())
    }

    /// One call of one host; all that it answers.
    ///
    /// # Errors
    /// As [`Link::run`].
    pub fn call(&self, host: &HostName, call: &Call, payload: &[u8], limit: Duration) -> Result<Vec<Frame>, LinkError> {
        let mut frames = Vec::new();
        self.stream(host, call, payload, limit, false, &mut |frame| frames.push(frame))?;
        Ok(frames)
    }

    /// One call of one host; its answers as they come.
    ///
    /// # Errors
    /// As [`Link::run`].
    pub fn stream(
        &self,
        host: &HostName,
        call: &Call,
        mut payload: &[u8],
        limit: Duration,
        fresh: bool,
        each: &mut dyn FnMut(Frame),
    ) -> Result<(), LinkError> {
        match self.links.get(host) {
            Some(link) => link.run(&script(call), &mut payload, limit, fresh, each),
            None => Err(LinkError::Unreachable { said: "it is no host of this run".to_owned() }),
        }
    }

    /// Ends all connections.
    pub fn close(&self) {
        let links: Vec<&Link<'_>> = self.links.values().collect();
        each(&links, self.forks, |link| link.close());
    }
}

/// A generation that a host keeps.
#[derive(Debug, Clone)]
pub struct Kept {
    /// It.
    pub generation: Generation,
    /// How it ended: `confirmed`, `undone`, `held`, `staged`.
    pub result: String,
}

/// Frames `result` and `manifest` of each generation. One that cannot be read is passed over: nobody can go back to it.
fn kept(frames: &[Frame]) -> Vec<Kept> {
    let mut found = Vec::new();
    let mut result = String::new();
    for frame in frames {
        match frame.name.as_str() {
            "result" => result = frame.text.trim().to_owned(),
            "manifest" => found.extend(
                Generation::read(&frame.text).ok().map(|generation| Kept { generation, result: result.clone() }),
            ),
            _ => {}
        }
    }
    found.sort_by_key(|kept| kept.generation.number);
    found
}

/// Does something with each of many, with so many at once; the results in their order.
pub fn each<T: Sync, R: Send>(items: &[T], at_once: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue: Mutex<VecDeque<(usize, &T)>> = Mutex::new(items.iter().enumerate().collect());
    let found: Mutex<BTreeMap<usize, R>> = Mutex::new(BTreeMap::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while let Some((index, item)) = next() {
                    let result = work(item);
                    found.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}
