//! Values that only images and targets have: modes, owners, tiers, times, ports, bounds on versions.

use crate::name::{AccountName, PackageName};
use crate::spec::{FromValue, Mistake, Scalar, Value, did_you_mean, from_text, integer};
use crate::version::PodmanVersion;

use super::super::{
    Alphabet, Compression, Format, Layering, Listen, Mode, Namespace, Notify, OnChange, OnFailure, OncePer, Owner,
    Package, Relation, Relax, Restart, Scope, ScriptKind, TaskEvent, TaskPhase, Text, Tier, Transport, Undo,
    UnknownFormat, UpdateFailure,
};
use super::decode::{Events, Order, Quorum, Start, UndoWord};

/// One of a few words.
fn word<T: Copy>(value: &Value, what: &str, words: &[(&'static str, T)]) -> Result<T, Mistake> {
    let text = from_text(value, what, |text| Ok::<_, String>(text.to_owned()))?;
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*meaning);
    }
    let names = words.iter().map(|(word, _)| *word);
    let all: Vec<String> = names.clone().map(|word| format!("`{word}`")).collect();
    let help = did_you_mean(&text, names).unwrap_or_else(|| match all.as_slice() {
        [only] => format!("there is only {only}"),
        all => format!("it is one of {}", all.join(", ")),
    });
    Err(Mistake::new("bad-value", value.span, format!("`{text}` is not {what}"))
        .label(format!("not {what}"))
        .help(help))
}

/// The one word that may stand there.
pub(super) fn only(value: &Value, what: &str, the: &'static str) -> Result<(), Mistake> {
    word(value, what, &[(the, ())])
}

impl FromValue for Tier {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        let words =
            [("maintained", Self::Maintained), ("best-effort", Self::BestEffort), ("unmaintained", Self::Unmaintained)];
        word(value, "a tier", &words)
    }
}

impl FromValue for Compression {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        word(value, "a compression", &[("zstd", Self::Zstd), ("gzip", Self::Gzip)])
    }
}

impl FromValue for Layering {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        word(value, "a way of layering", &[("lineage", Self::Lineage)])
    }
}

impl FromValue for ScriptKind {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        let kinds = [Self::Config, Self::Preinst, Self::Postinst, Self::Triggers];
        word(value, "a script that is judged", &kinds.map(|kind| (kind.as_str(), kind)))
    }
}

/// `"own"` of `versions`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnVersions;

impl FromValue for OwnVersions {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        word(value, "a choice of versions", &[("own", Self)])
    }
}

impl FromValue for Format {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        let mut help = None;
        let read = from_text(value, "a format", |text| {
            text.parse().inspect_err(|error: &UnknownFormat| help = Some(error.help.clone()))
        });
        read.map_err(|mistake| mistake.help_if(help))
    }
}

impl FromValue for PodmanVersion {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        let read = from_text(value, "a version", str::parse);
        read.map_err(|mistake| mistake.help("write what `podman --version` says: podman=\"5.4\""))
    }
}

impl FromValue for Mode {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        if let Scalar::Integer(number) = value.scalar {
            return Err(Mistake::new("wrong-type", value.span, "a mode is written as text")
                .label("a number here would be read as decimal")
                .help(format!("write mode=\"{number:04}\"")));
        }
        from_text(value, "a mode", |text| {
            let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
            let mode = octal.then(|| u16::from_str_radix(text, 8).ok()).flatten();
            mode.map(Self).ok_or_else(|| format!("`{text}` is not a mode: three or four octal digits, as 0750"))
        })
    }
}

impl FromValue for Owner {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        match &value.scalar {
            Scalar::Integer(_) => u32::from_value(value).map(Self::Id),
            Scalar::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
                from_text(value, "an account", |text| text.parse().map(Self::Id))
            }
            _ => AccountName::from_value(value).map(Self::Name),
        }
    }
}

/// A text that holds no reference: what cannot differ from host to host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain(pub String);

impl FromValue for Plain {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        let text = String::from_value(value)?;
        match text.replace("$${", "").contains("${") {
            false => Ok(Self(text.replace("$${", "${"))),
            true => Err(Mistake::new("variable", value.span, "what is known only on a host cannot stand here")
                .label("in this text")
                .help("`${host}`, `${address}`, `${port}` and their like stand in env, command, health, config and the like")),
        }
    }
}

impl FromValue for Text {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        match &value.scalar {
            Scalar::Integer(number) => Ok(Self::template(number.to_string())),
            Scalar::Bool(truth) => Ok(Self::template(truth.to_string())),
            Scalar::Float(number) => Ok(Self::template(number.to_string())),
            _ => String::from_value(value).map(Self::template),
        }
    }
}

/// A port's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PortNumber(pub u16);

impl FromValue for PortNumber {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        let number = integer(value, 1, 65535)?;
        u16::try_from(number).map(Self).map_err(|error| Mistake::new("out-of-range", value.span, error.to_string()))
    }
}

/// A number, or a share of all: `10%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Portion(pub String);

impl FromValue for Portion {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        if let Scalar::Integer(_) = value.scalar {
            return u32::from_value(value).map(|number| Self(number.to_string()));
        }
        from_text(value, "a number or a percentage", |text| {
            let number = text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok());
            match number {
                Some(0..=100) => Ok(Self(text.to_owned())),
                _ => Err(format!("`{text}` is no portion: a number, or a percentage as 10%")),
            }
        })
    }
}

macro_rules! words {
    ($($type:ty, $what:literal: $($word:literal = $value:expr),+;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Result<Self, Mistake> {
                word(value, $what, &[$(($word, $value)),+])
            }
        }
    )*};
}

words! {
    Scope, "a scope": "cloud" = Self::Cloud, "cell" = Self::Cell, "host" = Self::Host;
    Transport, "a transport": "tcp" = Self::Tcp, "udp" = Self::Udp;
    Listen, "a choice of addresses": "host" = Self::Host, "all" = Self::All, "local" = Self::Local;
    OnChange, "what a change takes": "restart" = Self::Restart, "reload" = Self::Reload, "nothing" = Self::Nothing;
    Relax, "what can be relaxed": "read-only" = Self::ReadOnly, "new-privileges" = Self::NewPrivileges,
        "capabilities" = Self::Capabilities, "seccomp" = Self::Seccomp, "apparmor" = Self::AppArmor,
        "label" = Self::Label, "privileged" = Self::Privileged;
    Namespace, "a namespace": "pid" = Self::Pid, "ipc" = Self::Ipc, "uts" = Self::Uts, "cgroup" = Self::Cgroup;
    Notify, "what says that it is up": "healthy" = Self::Healthy, "running" = Self::Running, "itself" = Self::Itself;
    OnFailure, "what an unhealthy container meets": "none" = Self::None, "kill" = Self::Kill;
    Restart, "when it is started again": "always" = Self::Always, "on-failure" = Self::OnFailure, "no" = Self::No;
    OncePer, "for how many it runs once": "cloud" = Self::Cloud, "cell" = Self::Cell, "host" = Self::Host;
    TaskPhase, "a phase": "expand" = Self::Expand, "migrate" = Self::Migrate, "contract" = Self::Contract;
    UpdateFailure, "what a failure does": "pause" = Self::Pause, "rollback" = Self::Rollback,
        "continue" = Self::Continue;
    Alphabet, "an alphabet": "alnum" = Self::Alnum, "lower" = Self::Lower, "hex" = Self::Hex,
        "digits" = Self::Digits, "url" = Self::Url;
    GenerateKind, "a kind of secret that can be made": "text" = Self::Text, "bytes" = Self::Bytes,
        "fernet" = Self::Fernet, "uuid" = Self::Uuid, "ssh-ed25519" = Self::SshEd25519, "ca" = Self::Ca,
        "certificate" = Self::Certificate;
    Start, "a point in time": "start" = Self;
    Order, "an order": "rolling" = Self(true), "together" = Self(false);
    Quorum, "a quorum": "majority" = Self;
}

impl FromValue for UndoWord {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        let safe = word(value, "a way to undo", &[("none", false), ("safe", true)])?;
        Ok(Self(if safe { Undo::Safe } else { Undo::None }))
    }
}

impl FromValue for Events {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        let text = from_text(value, "events", |text| Ok::<_, String>(text.to_owned()))?;
        let mut events = Vec::new();
        for part in text.split('|') {
            let one = Value { scalar: Scalar::Text(part.trim().to_owned()), span: value.span };
            let words = [("bootstrap", TaskEvent::Bootstrap), ("upgrade", TaskEvent::Upgrade)];
            events.push(word(&one, "an event of a service's life", &words)?);
        }
        Ok(Self(events))
    }
}

/// A time in milliseconds: `30s`, `1m30s`, `500ms`, `2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Millis(pub u64);

impl FromValue for Millis {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        if let Scalar::Integer(number) = value.scalar {
            return Err(Mistake::new("wrong-type", value.span, "a time needs its unit")
                .label("no unit")
                .help(format!("write \"{number}s\" for seconds; units are ms, s, m and h")));
        }
        from_text(value, "a time", |text| {
            millis(text).map(Self).ok_or_else(|| format!("`{text}` is not a time: as 30s, 1m30s, 500ms or 2h"))
        })
    }
}

/// `kind=` of `generate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GenerateKind {
    Text,
    Bytes,
    Fernet,
    Uuid,
    SshEd25519,
    Ca,
    Certificate,
}

impl GenerateKind {
    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Fernet => "fernet",
            Self::Uuid => "uuid",
            Self::SshEd25519 => "ssh-ed25519",
            Self::Ca => "ca",
            Self::Certificate => "certificate",
        }
    }
}

/// A number of days: `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days(pub u32);

impl FromValue for Days {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        if let Scalar::Integer(number) = value.scalar {
            return Err(Mistake::new("wrong-type", value.span, "a time needs its unit")
                .label("no unit")
                .help(format!("write \"{number}d\" for days")));
        }
        from_text(value, "a number of days", |text| {
            let digits = text.strip_suffix('d').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            let days = digits.and_then(|digits| digits.parse::<u32>().ok()).filter(|days| (1..=36_500).contains(days));
            days.map(Self).ok_or_else(|| format!("`{text}` is no number of days: as 30d"))
        })
    }
}

fn millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0u64;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let unit = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        if unit >= last {
            return None;
        }
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        (rest, last) = (after, unit);
    }
    (last != u64::MAX).then_some(total)
}

/// An `ExposedPorts` entry: `5000` is `5000/tcp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port(pub String);

impl FromValue for Port {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        if let Scalar::Integer(_) = value.scalar {
            return integer(value, 1, 65535).map(|port| Self(format!("{port}/tcp")));
        }
        from_text(value, "a port", |text| {
            let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let number = number.parse::<u16>().ok().filter(|number| *number > 0);
            match (number, protocol) {
                (Some(number), "tcp" | "udp" | "sctp") => Ok(Self(format!("{number}/{protocol}"))),
                _ => Err(format!("`{text}` is not a port: 1 to 65535, with /tcp, /udp or /sctp")),
            }
        })
    }
}

impl FromValue for Package {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        from_text(value, "a package", |text| {
            let at = text.find(['=', '<', '>']).unwrap_or(text.len());
            let (name, bound) = text.split_at_checked(at).unwrap_or((text, ""));
            let name = PackageName::new(name).map_err(|error| error.to_string())?;
            let relations = [
                (">=", Relation::AtLeast),
                ("<=", Relation::AtMost),
                (">>", Relation::Later),
                ("<<", Relation::Earlier),
                ("=", Relation::Equal),
            ];
            let mut found =
                relations.iter().filter_map(|(sign, relation)| Some((*relation, bound.strip_prefix(sign)?)));
            let version = match (bound, found.next()) {
                ("", _) => None,
                (_, Some((relation, version))) if is_version(version, relation) => Some((relation, version.to_owned())),
                _ => {
                    return Err(format!(
                        "`{text}` has no bound on a version that can be read: write `{name}=1.2-3`, `{name}=1.*`, \
                         or one of >= <= >> <<"
                    ));
                }
            };
            Ok(Self { name, version, span: value.span })
        })
    }
}

/// Letters that a Debian version may hold (Policy 5.6.12), and globs where equality is asked for.
fn is_version(text: &str, relation: Relation) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".+-~:".contains(c);
    !text.is_empty() && text.chars().all(|c| plain(c) || relation == Relation::Equal && "*?[]".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_or_with_wrong_units_are_refused() {
        for bad in ["", "30", "s", "5s1m", "1s1s", "-1s", "1.5s", "99999999999999999999h"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
        assert_eq!(millis("1m30s"), Some(90_000));
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("2h"), Some(7_200_000));
    }
}
