//! Why secrets cannot be read, written or made. No message holds a value.

use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::name::{EstateName, SecretName};
use crate::spec::did_you_mean;

/// Why secrets cannot be read, written or made.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SecretsError {
    /// Nothing says who reads.
    #[error("there is no identity to read secrets with: {searched}")]
    #[diagnostic(help(
        "`wharf secrets keygen` makes one; another is named by --identity FILE or the variable WHARF_IDENTITY"
    ))]
    NoIdentity {
        /// Where it was looked for.
        searched: String,
    },
    /// A file holds no identity.
    #[error("{} holds no identity: {why}", path.display())]
    #[diagnostic(help(
        "an identity file holds lines AGE-SECRET-KEY-1…, as `wharf secrets keygen` and age-keygen write them, or one \
         ssh private key without a passphrase"
    ))]
    BadIdentity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file is not encrypted for these identities.
    #[error("{} is not encrypted for the identity in {}", path.display(), identity.display())]
    #[diagnostic(help(
        "who can read it adds your recipient to the estate and runs `wharf secrets rekey`; another identity is named \
         by --identity FILE"
    ))]
    NotForYou {
        /// The secrets.
        path: PathBuf,
        /// The identity file.
        identity: PathBuf,
    },
    /// There is no file yet.
    #[error("the estate `{estate}` has no secrets yet: there is no {}", path.display())]
    #[diagnostic(help("`wharf secrets generate` or `wharf secrets set NAME` makes the file"))]
    NoFile {
        /// The estate.
        estate: EstateName,
        /// Where the file would be.
        path: PathBuf,
    },
    /// A file is no age file, or some of it has changed.
    #[error("{} cannot be decrypted: {why}", path.display())]
    #[diagnostic(help("git has its history; one that git merged line by line is broken, take one side whole"))]
    Damaged {
        /// The secrets.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// What was encrypted is not what wharf writes.
    #[error("what {} holds was not written by wharf: line {line}, column {column} of the decrypted text", path.display())]
    #[diagnostic(help("docs/design/secrets.md says what stands inside"))]
    Foreign {
        /// The secrets.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A later wharf wrote it.
    #[error("{} is of version {version}, and this wharf knows 1", path.display())]
    #[diagnostic(help("a newer wharf reads it"))]
    Newer {
        /// The secrets.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// No secret of that name.
    #[error("there is no secret `{name}`")]
    Unknown {
        /// The name.
        name: SecretName,
        /// What may have been meant.
        #[help]
        help: Option<String>,
    },
    /// Nothing says how it is made.
    #[error("no rule makes `{name}`")]
    NoRule {
        /// The name.
        name: SecretName,
        /// What may have been meant.
        #[help]
        help: Option<String>,
    },
    /// Nobody could read what is written.
    #[error("the estate `{estate}` names nobody who can read its secrets")]
    #[diagnostic(help(
        "`wharf secrets keygen` makes a key and prints the node to paste into the estate: recipient \"age1…\""
    ))]
    NoRecipients {
        /// The estate.
        estate: EstateName,
    },
    /// A recipient that is none.
    #[error("{what} is no recipient: {why}")]
    #[diagnostic(help("a recipient begins with age1, ssh-ed25519 or ssh-rsa; `wharf secrets keygen` prints one"))]
    BadRecipient {
        /// The text, or what stands for one that must not be shown.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An identity where a recipient belongs.
    #[error("a `recipient` of the estate `{estate}` is a secret key")]
    #[diagnostic(help(
        "whoever reads the spec has it: take it away, make another by `wharf secrets keygen`, and rotate what it could read"
    ))]
    IdentityAsRecipient {
        /// The estate.
        estate: EstateName,
    },
    /// Somebody else is at it.
    #[error("another wharf is changing {}", path.display())]
    #[diagnostic(help("wait until it is done; an editor that is still open counts"))]
    Busy {
        /// The secrets.
        path: PathBuf,
    },
    /// It is not what was read.
    #[error("{} was changed by something else meanwhile", path.display())]
    #[diagnostic(help("nothing was written: do it again on what is there now"))]
    Changed {
        /// The secrets.
        path: PathBuf,
    },
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A value that podman does not take.
    #[error("the value of `{name}` is {size} bytes long")]
    #[diagnostic(help("podman takes secrets of 1 to 511999 bytes"))]
    Size {
        /// The secret.
        name: SecretName,
        /// Its length.
        size: usize,
    },
    /// One half of a pair.
    #[error("`{there}` is there and `{missing}` is not")]
    #[diagnostic(help(
        "they are halves of one pair: set the other one by hand, or `wharf secrets generate --rotate {rule}` makes both anew"
    ))]
    Half {
        /// The half that is there.
        there: SecretName,
        /// The half that is not.
        missing: SecretName,
        /// The rule that makes both.
        rule: SecretName,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made for `{name}`: {why}")]
    Certificate {
        /// The secret.
        name: SecretName,
        /// Why.
        why: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// The system gives no randomness.
    #[error("the system gives no random bytes")]
    #[diagnostic(help("getrandom(2) says when that happens"))]
    NoRandom,
}

impl SecretsError {
    /// For `map_err` of what touches a path.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }

    /// That there is no secret of that name, with the nearest of those that are known.
    pub fn unknown<'a>(name: &SecretName, known: impl IntoIterator<Item = &'a str>) -> Self {
        let help = did_you_mean(name.as_str(), known);
        let help = help.or_else(|| Some("`wharf secrets list` shows all that there are".to_owned()));
        Self::Unknown { name: name.clone(), help }
    }
}
