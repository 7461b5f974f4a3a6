//! The secrets of an estate: one age file each, how its values are made, and what hosts know them as.
//!
//! | module | noun |
//! |---|---|
//! | `value` | [`Secret`]: bytes that are wiped and never printed |
//! | `safe` | [`Safe`]: all secrets of an estate, and the JSON inside its file |
//! | `vault` | [`Vault`]: the file `secrets/ESTATE.age` |
//! | `key` | [`Identities`] that read it, [`Recipients`] that it is written for |
//! | `make` | secrets made by rule |
//! | `sheet` | the text that a person edits |
//! | `state` | what is there, what lacks |
//!
//! The clock is the caller's, and so is the randomness of values. Keys of certificates and what age encrypts with are
//! drawn by the libraries that make them, from the system.

mod error;
mod key;
mod make;
mod safe;
mod sheet;
mod state;
mod value;
mod vault;

pub use error::SecretsError;
pub use key::{Identities, NewIdentity, Recipients};
pub use make::{Made, NoRandom, Random, Request, Why, ends, make};
pub use safe::{Entry, Safe};
pub use sheet::{Changes, Sheet, SheetError};
pub use state::{State, Status, statuses};
pub use value::{Buffer, Secret, copy};
pub use vault::{Held, Vault};
