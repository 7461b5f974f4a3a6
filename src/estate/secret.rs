//! Secrets as the language knows them: how they are made, and who uses them. Values are elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use crate::name::{CellName, NameError, SecretName, ServiceName};
use crate::spec::Span;

/// `generate "keystone-db" length=32 alphabet="alnum"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generate {
    /// How it is made.
    pub rule: Rule,
    /// Whether each cell has its own.
    pub per_cell: bool,
    /// Where the node stands.
    pub span: Span,
}

/// How a secret is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// So many letters.
    Text {
        /// How many.
        length: u16,
        /// Out of which.
        alphabet: Alphabet,
    },
    /// So many random bytes.
    Bytes {
        /// How many.
        length: u16,
    },
    /// A Fernet key: 32 random bytes in URL-safe base64.
    Fernet,
    /// A random UUID (RFC 9562, version 4).
    Uuid,
    /// An ssh key of Ed25519: the private one as NAME, the public one as NAME.pub.
    SshEd25519,
    /// A certificate authority: the certificate as NAME, the key as NAME.key.
    Authority {
        /// Its common name.
        common_name: String,
        /// How long it holds.
        lifetime: Lifetime,
    },
    /// A certificate of an authority of the same estate: the chain as NAME, the key as NAME.key.
    Certificate {
        /// The authority.
        ca: SecretName,
        /// Names and addresses that it is for; the first is its common name.
        names: Vec<String>,
        /// How long it holds.
        lifetime: Lifetime,
    },
}

/// How long a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Days from its making to its end.
    pub days: u32,
    /// How many days before its end another is made.
    pub renew: u32,
}

/// Which letters a text is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// Letters and digits.
    Alnum,
    /// Lower-case letters and digits.
    Lower,
    /// Lower-case hexadecimal digits.
    Hex,
    /// Decimal digits.
    Digits,
    /// What stands in a URL as it is: letters, digits, `-`, `.`, `_` and `~` (RFC 3986, 2.3).
    Url,
}

impl Alphabet {
    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alnum => "alnum",
            Self::Lower => "lower",
            Self::Hex => "hex",
            Self::Digits => "digits",
            Self::Url => "url",
        }
    }

    /// Its letters.
    pub fn letters(self) -> &'static [u8] {
        match self {
            Self::Alnum => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            Self::Lower => b"abcdefghijklmnopqrstuvwxyz0123456789",
            Self::Hex => b"0123456789abcdef",
            Self::Digits => b"0123456789",
            Self::Url => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~",
        }
    }

    /// How many letters it takes to be as hard to guess as so many random bits.
    pub fn length_for(self, bits: u32) -> u16 {
        let count = self.letters().len() as f64;
        // At most 64 / log2(10) for what is asked here.
        (f64::from(bits) / count.log2()).ceil() as u16
    }
}

impl Rule {
    /// The word of `kind=`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Bytes { .. } => "bytes",
            Self::Fernet => "fernet",
            Self::Uuid => "uuid",
            Self::SshEd25519 => "ssh-ed25519",
            Self::Authority { .. } => "ca",
            Self::Certificate { .. } => "certificate",
        }
    }

    /// What is put behind a dot to name the other half of a pair: `pub`, `key`.
    pub fn companion(&self) -> Option<&'static str> {
        match self {
            Self::SshEd25519 => Some("pub"),
            Self::Authority { .. } | Self::Certificate { .. } => Some("key"),
            Self::Text { .. } | Self::Bytes { .. } | Self::Fernet | Self::Uuid => None,
        }
    }

    /// All that it makes: `name`, and the other half of a pair.
    pub fn makes(&self, name: &SecretName) -> impl Iterator<Item = SecretName> + use<> {
        let other = self.companion().and_then(|other| SecretName::new(format!("{name}.{other}")).ok());
        std::iter::once(name.clone()).chain(other)
    }
}

/// As a `generate` node says it, whatever is `renew`ed when: what a value was made by.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { length, alphabet } => write!(f, "length={length} alphabet=\"{}\"", alphabet.as_str()),
            Self::Bytes { length } => write!(f, "kind=\"bytes\" length={length}"),
            Self::Fernet | Self::Uuid | Self::SshEd25519 => write!(f, "kind=\"{}\"", self.kind()),
            Self::Authority { common_name, lifetime } => {
                write!(f, "kind=\"ca\" common-name=\"{common_name}\" days={}", lifetime.days)
            }
            Self::Certificate { ca, names, lifetime } => {
                write!(f, "kind=\"certificate\" ca=\"{ca}\" names=\"{}\" days={}", names.join("|"), lifetime.days)
            }
        }
    }
}

/// The secrets of an estate: those that are made, and those that are used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Secrets {
    /// How they are made, by name.
    pub rules: BTreeMap<SecretName, Generate>,
    /// Who uses them, by name.
    pub uses: BTreeMap<SecretName, Vec<SecretUser>>,
    /// Names of secrets of which each cell has its own, with the name of the rule: `nova-ssh.pub` is made by `nova-ssh`.
    pub per_cell: BTreeMap<SecretName, SecretName>,
}

/// Who uses a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUser {
    /// The service.
    pub service: ServiceName,
    /// Where it says so; the `config` node for one that a template names.
    pub span: Span,
}

/// What a cell's own of a secret is called: `nova-ssh-cell1.pub` of `nova-ssh.pub`, which the rule `nova-ssh` makes.
pub(super) fn in_cell(name: &SecretName, rule: &SecretName, cell: &CellName) -> Result<SecretName, NameError> {
    let other_half = name.as_str().strip_prefix(rule.as_str()).unwrap_or_default();
    SecretName::new(format!("{rule}-{cell}{other_half}"))
}

impl Secrets {
    /// What a secret is called for those of a cell, or outside of cells: its own name, unless each cell has its own.
    pub fn of(&self, name: &SecretName, cell: Option<&CellName>) -> SecretName {
        let own = cell.zip(self.per_cell.get(name)).and_then(|(cell, rule)| in_cell(name, rule, cell).ok());
        own.unwrap_or_else(|| name.clone())
    }

    /// The rule that makes a secret, and the name that it stands under: `nova-ssh` for `nova-ssh.pub`.
    pub fn rule(&self, name: &SecretName) -> Option<(&SecretName, &Rule)> {
        let own = self.rules.get_key_value(name);
        let pair = || {
            let (first, _) = name.as_str().rsplit_once('.')?;
            let found = self.rules.get_key_value(first)?;
            found.1.rule.makes(found.0).any(|made| made == *name).then_some(found)
        };
        own.or_else(pair).map(|(name, generate)| (name, &generate.rule))
    }

    /// Every name that is made or used, sorted.
    pub fn names(&self) -> Vec<SecretName> {
        let made = self.rules.iter().flat_map(|(name, generate)| generate.rule.makes(name));
        let mut names: Vec<SecretName> = made.chain(self.uses.keys().cloned()).collect();
        names.sort();
        names.dedup();
        names
    }
}
