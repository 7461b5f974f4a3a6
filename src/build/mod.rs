//! Which images, in which order: the orchestrator of lock and build.

mod bytecode;
mod carry;
mod decided;
mod direct;
mod drift;
mod error;
mod fetch;
mod image;
mod inputs;
mod lock;
mod locking;
mod made;
mod scripts;
mod select;
mod steps;
mod store;
mod workshop;

pub use bytecode::{BytecodeError, Compilers, Uncompiled};
pub use drift::{Drift, drift};
pub use error::BuildError;
pub use fetch::{Input, InputsError, fetch, write_inputs};
pub use image::{Built, build, key};
pub use lock::{Stale, Upgrade, stale, with_ancestors};
pub use locking::{Locked, Wish, lock};
pub use made::Memory;
pub use scripts::ScriptChange;
pub use select::{Request, SelectError, select};
pub use steps::Secrets;
pub use store::{Outcome, build_all};
pub use workshop::Workshop;
