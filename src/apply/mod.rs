//! Walks a plan: leases, images, stages, waves, confirmations.
//!
//! Every phase is one round trip to each host, to as many hosts at once as `forks` says. What a host is in the middle of it
//! goes on with by itself; what nobody confirms it takes back by itself.

mod attend;
mod event;
mod fleet;
mod lease;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::desired::{Desired, SecretSource};
use crate::host::{Content, Header, Lease};
use crate::name::{HostName, SecretName};
use crate::plan::{Known, Plan};

pub use attend::{Attend, attend};
pub use event::{Event, Phase};
pub use fleet::{Fleet, Kept, each};
pub use walk::walk;

/// What gives the values of secrets.
pub trait Values: Sync {
    /// What podman's secret `object` holds; the error is why it has no value.
    fn object(&self, object: &str, source: &SecretSource) -> Result<Zeroizing<Vec<u8>>, String>;
    /// What a secret holds.
    fn secret(&self, name: &SecretName) -> Result<Zeroizing<Vec<u8>>, String>;
}

/// What an apply is made of.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// What is done.
    pub plan: &'a Plan,
    /// What hosts shall have.
    pub wanted: &'a BTreeMap<HostName, Content>,
    /// The same with its bytes.
    pub desired: &'a Desired,
    /// What the plan was made of.
    pub known: &'a Known,
    /// Secrets.
    pub values: &'a dyn Values,
    /// Who, when, why.
    pub header: &'a Header,
    /// How.
    pub options: &'a Options,
}

/// How a plan is applied.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many hosts are talked to at once.
    pub forks: usize,
    /// What tells this run's leases from others'.
    pub token: String,
    /// This run's process, as its machine knows it.
    pub process: String,
    /// Whether the process of a lease is one of this machine that is gone.
    pub gone: fn(&str) -> bool,
    /// How many older generations hosts keep.
    pub keep: u32,
    /// For how long a host is looked for that was lost while it changes.
    pub patience: Duration,
    /// Where hosts pull images from that are served here, by the port on this machine.
    pub served: Option<Served>,
}

/// A registry on this machine's loopback that hosts see through their connection.
#[derive(Debug, Clone)]
pub struct Served {
    /// Its port.
    pub port: u16,
    /// The registry that it stands for: what units' images are called after.
    pub prefix: String,
}

/// How an apply ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Hosts that have all that is wanted.
    pub done: BTreeSet<HostName>,
    /// Hosts that could not be changed, and why.
    pub failed: BTreeMap<HostName, String>,
    /// Hosts that went back to what they had.
    pub undone: BTreeSet<HostName>,
    /// Hosts that are on the new generation, and nobody confirmed it.
    pub held: BTreeSet<HostName>,
    /// Hosts that somebody else is changing, and their lease.
    pub locked: BTreeMap<HostName, Lease>,
    /// Hosts that are no longer as the plan has them.
    pub stale: BTreeSet<HostName>,
}
