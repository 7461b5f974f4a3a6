//! Hosts as they are in the field, on this machine: a systemd that booted, with its podman, in namespaces of its own.
//!
//! ```ignore
//! let lab = Lab::new();
//! let host = lab.boot(Release::Trixie, "h1", "10.77.0.11", Some(&store));
//! host.put(&units);                                   // what `wharf units --to` wrote
//! host.run(&["systemctl", "start", "wharf-lab.target"]);
//! ```
//!
//! Nothing of the machine's is changed: mounts and links are in private namespaces, and each host has a control group of
//! its own. A host ends when it is dropped, and when the test that has it is killed: its keeper reads a pipe.

mod client;
mod cuts;
mod deploy;
mod ends;
mod estate;
mod host;
mod image;
mod mixed;
mod modes;
mod multinode;
mod nova;
mod removal;
mod roll;
mod runs;
mod timings;
mod user;
mod verbs;
mod whole;
mod wrong;

pub use host::{Host, Lab, Release};
