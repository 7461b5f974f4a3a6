//! `wharf secrets`: the secrets of an estate.

mod edit;
mod keys;
mod list;
mod make;
mod place;
mod prompt;
mod scratch;
mod value;

use std::path::PathBuf;

use super::{Exit, Failure, Global};
use crate::name::SecretName;
use crate::ui::Screen;

pub(super) use place::identities;

/// Arguments of `wharf secrets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The secrets of an estate lie in secrets/ESTATE.age, encrypted for its `recipient`s. Who reads or\n\
                        changes them needs an identity: --identity, else WHARF_IDENTITY, else wharf/identity in the\n\
                        user's configuration folder.\n\nExamples:\n  wharf secrets keygen\n  wharf secrets generate\n  \
                        wharf secrets list\n  wharf secrets set smtp-password < password\n  \
                        wharf secrets generate --rotate keystone-db\n  wharf --estate lab secrets edit\n\n\
                        Exit codes: 0 done, 1 error, 5 another wharf is changing them.")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Read secrets with the keys in this file [env: WHARF_IDENTITY]
    #[arg(long, value_name = "FILE", global = true)]
    identity: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List names, how they are made, and what lacks; no values
    #[command(after_help = "Examples:\n  wharf secrets list\n  \
                            wharf --json secrets list | jq -r '.secrets[] | select(.state == \"missing\").name'")]
    List,
    /// Print the value of a secret, as it is
    #[command(after_help = "Examples:\n  wharf secrets get keystone-db\n  wharf secrets get haproxy-cert.key > key.pem")]
    Get {
        /// Its name
        #[arg(value_name = "NAME")]
        name: SecretName,
    },
    /// Set a secret by hand: from standard input, a file, or asked for on a terminal
    #[command(after_help = "One line loses the line break at its end; anything longer, and bytes, stay as they are.\n\n\
                            Examples:\n  wharf secrets set smtp-password\n  \
                            wharf secrets set corp-ca --file ca.pem")]
    Set {
        /// Its name
        #[arg(value_name = "NAME")]
        name: SecretName,
        /// Take the value from here
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Keep the line break at the end of one line
        #[arg(long)]
        exact: bool,
    },
    /// Edit all of them in $VISUAL or $EDITOR
    #[command(after_help = "The text lies in memory (a tmpfs) where there is one, and is wiped afterwards.\n\n\
                            Examples:\n  wharf secrets edit\n  EDITOR='code --wait' wharf secrets edit")]
    Edit,
    /// Make all that lack and that a `generate` node makes; renew certificates whose end is near
    #[command(after_help = "What is there stays, however it came there.\n\nExamples:\n  wharf secrets generate\n  \
                            wharf secrets generate keystone-db\n  \
                            wharf secrets generate --rotate keystone-db --rotate nova-ssh")]
    Generate {
        /// Only these
        #[arg(value_name = "NAME")]
        names: Vec<SecretName>,
        /// Make this one anew; may be given several times
        #[arg(long, value_name = "NAME")]
        rotate: Vec<SecretName>,
    },
    /// Encrypt the file for the recipients that the estate names now
    #[command(after_help = "Values and the names of podman's secrets stay. Who is no longer a recipient still knows what\n\
                            they read: `generate --rotate` makes it worthless.\n\nExample:\n  wharf secrets rekey")]
    Rekey,
    /// Make an identity and print the recipient to paste into the estate
    #[command(after_help = "Written to --identity, else WHARF_IDENTITY, else wharf/identity in the user's configuration\n\
                            folder, readable by its owner alone. A file that is there stays.\n\n\
                            Examples:\n  wharf secrets keygen\n  wharf secrets keygen --identity /root/deploy.key")]
    Keygen,
}

/// Runs the verb.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let Arguments { verb, identity } = arguments;
    // No core file and no debugger of this user gets at what is decrypted.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    if let Verb::Keygen = verb {
        return keys::keygen(identity, global, screen);
    }
    let desk = place::Desk::open(identity, global)?;
    match verb {
        Verb::List => list::run(&desk, global, screen),
        Verb::Get { name } => value::get(&desk, &name, global, screen),
        Verb::Set { name, file, exact } => value::set(&desk, name, file, exact, screen),
        Verb::Edit => edit::run(&desk, screen),
        Verb::Generate { names, rotate } => make::run(&desk, names, rotate, global, screen),
        Verb::Rekey | Verb::Keygen => keys::rekey(&desk, screen),
    }
}
