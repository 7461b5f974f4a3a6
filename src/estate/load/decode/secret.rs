//! How secrets are made: `generate`.

use std::net::IpAddr;

use crate::name::SecretName;
use crate::spec::{Mistake, Reader, Spanned};

use super::super::super::{Alphabet, Generate, Lifetime, Rule};
use super::super::value::{Days, GenerateKind, only};
use super::service::{plain, spanned_property};

/// The least that a text must be worth: nobody tries 2^64.
const BITS: u32 = 64;
/// podman takes no secret of 512,000 bytes or more.
const LONGEST: u16 = 4096;
/// A hundred years.
const DAYS: u32 = 36_500;

/// What each kind takes beside its name and `kind=`.
fn properties(kind: GenerateKind) -> &'static [&'static str] {
    match kind {
        GenerateKind::Text => &["length", "alphabet"],
        GenerateKind::Bytes => &["length"],
        GenerateKind::Fernet | GenerateKind::Uuid | GenerateKind::SshEd25519 => &[],
        GenerateKind::Ca => &["common-name", "days", "renew"],
        GenerateKind::Certificate => &["ca", "names", "days", "renew"],
    }
}

/// Reads a `generate` node.
pub(super) fn generate(reader: &mut Reader<'_, '_>) -> Option<(SecretName, Generate)> {
    let before = reader.log().len();
    let name: Option<SecretName> = reader.argument("a secret's name");
    let kind = match reader.property_value("kind") {
        Some(value) => reader.read(value),
        None => Some(GenerateKind::Text),
    };
    let span = reader.span();
    // All of them are known, whatever is wrong with one.
    const PROPERTIES: [&str; 7] = ["length", "alphabet", "common-name", "ca", "names", "days", "renew"];
    for property in PROPERTIES {
        reader.property_value(property);
    }
    let per_cell = reader.property::<EachCell>("per").is_some();
    let kind = kind?;
    for property in PROPERTIES {
        if properties(kind).contains(&property) {
            continue;
        }
        if let Some(value) = reader.property_value(property) {
            let known: Vec<String> = properties(kind).iter().map(|name| format!("`{name}`")).collect();
            let help = match known.is_empty() {
                true => "this kind takes no other property".to_owned(),
                false => format!("this kind takes {}", known.join(", ")),
            };
            let message = format!("a secret of the kind `{}` has no `{property}`", kind.as_str());
            reader.mistake(Mistake::new("unknown-property", value.span, message).label("take this away").help(help));
        }
    }
    let rule = match kind {
        GenerateKind::Text => text(reader),
        GenerateKind::Bytes => length(reader, 16).map(|length| Rule::Bytes { length: length.unwrap_or(32) }),
        GenerateKind::Fernet => Some(Rule::Fernet),
        GenerateKind::Uuid => Some(Rule::Uuid),
        GenerateKind::SshEd25519 => Some(Rule::SshEd25519),
        GenerateKind::Ca => authority(reader),
        GenerateKind::Certificate => certificate(reader),
    };
    if reader.log().len() > before {
        return None;
    }
    let (name, rule) = (name?, rule?);
    if rule.makes(&name).count() == 1 && rule.companion().is_some() {
        let message = format!("`{name}` is too long: the other half of its pair could not be named");
        reader.mistake(Mistake::new("bad-value", span, message).label("this name"));
        return None;
    }
    Some((name, Generate { rule, per_cell, span }))
}

/// `per="cell"`.
#[derive(Debug, Clone, Copy)]
struct EachCell;

impl crate::spec::FromValue for EachCell {
    fn from_value(value: &crate::spec::Value) -> Result<Self, Mistake> {
        only(value, "a part with secrets of its own", "cell").map(|()| Self)
    }
}

/// `length=`; an inner none where it is not given.
fn length(reader: &mut Reader<'_, '_>, least: u16) -> Option<Option<u16>> {
    let Some(value) = reader.property_value("length") else { return Some(None) };
    let length: u16 = reader.read(value)?;
    if (least..=LONGEST).contains(&length) {
        return Some(Some(length));
    }
    let message = format!("a length of {length} is out of range: {least} to {LONGEST} is allowed");
    let mistake = Mistake::new("out-of-range", value.span, message).label(format!("should be {least} to {LONGEST}"));
    let help = "what must be shorter can be set by hand: wharf secrets set NAME";
    reader.mistake(if length < least { mistake.help(help) } else { mistake });
    None
}

fn text(reader: &mut Reader<'_, '_>) -> Option<Rule> {
    let alphabet = match reader.property_value("alphabet") {
        Some(value) => reader.read(value)?,
        None => Alphabet::Alnum,
    };
    let length = length(reader, alphabet.length_for(BITS))?;
    Some(Rule::Text { length: length.unwrap_or_else(|| alphabet.length_for(BITS).max(32)), alphabet })
}

/// `days=` and `renew=`, with what holds where they are not given.
fn lifetime(reader: &mut Reader<'_, '_>, default: u32, renew: u32) -> Option<Lifetime> {
    let days = match reader.property_value("days") {
        Some(value) => {
            let Days(days) = reader.read::<NumberOfDays>(value)?.0;
            days
        }
        None => default,
    };
    let Some(value) = reader.property_value("renew") else {
        return Some(Lifetime { days, renew: (days / 3).min(renew) });
    };
    let Days(renew) = reader.read(value)?;
    if renew >= days {
        let message = format!("`renew` is {renew} days before the end of what holds {days} days");
        let mistake = Mistake::new("out-of-range", value.span, message).label("would be made anew each time");
        reader.mistake(mistake.help("give `renew` less than `days`"));
        return None;
    }
    Some(Lifetime { days, renew })
}

/// A bare number of days.
struct NumberOfDays(Days);

impl crate::spec::FromValue for NumberOfDays {
    fn from_value(value: &crate::spec::Value) -> Result<Self, Mistake> {
        let days = crate::spec::integer(value, 1, DAYS.into())?;
        u32::try_from(days)
            .map(|days| Self(Days(days)))
            .map_err(|error| Mistake::new("out-of-range", value.span, error.to_string()))
    }
}

fn authority(reader: &mut Reader<'_, '_>) -> Option<Rule> {
    let name = reader.node().property("common-name");
    if name.is_none() {
        reader.required::<String>("common-name", "common-name=\"Internal CA\"");
    }
    let common_name = plain(reader, "common-name");
    let lifetime = lifetime(reader, 3650, 365);
    let common_name = common_name?;
    if common_name.is_empty() || common_name.chars().count() > 64 || common_name.chars().any(char::is_control) {
        let span = name.map_or(reader.span(), |value| value.span);
        let mistake = Mistake::new("bad-value", span, "a common name has 1 to 64 letters (RFC 5280, ub-common-name)");
        reader.mistake(mistake.label("not a common name"));
        return None;
    }
    Some(Rule::Authority { common_name, lifetime: lifetime? })
}

fn certificate(reader: &mut Reader<'_, '_>) -> Option<Rule> {
    if reader.node().property("ca").is_none() {
        reader.required::<String>("ca", "ca=\"internal-ca\", the name of a secret of kind=\"ca\"");
    }
    let ca: Option<Spanned<SecretName>> = spanned_property(reader, "ca");
    let value = reader.node().property("names");
    let text: Option<String> = match value {
        Some(_) => plain(reader, "names"),
        None => reader.required("names", "names=\"internal.example|10.0.0.1\""),
    };
    let lifetime = lifetime(reader, 365, 30);
    let mut names = Vec::new();
    for name in text?.split('|').map(str::trim) {
        if !is_name(name) {
            let span = value.map_or(reader.span(), |value| value.span);
            let message = format!("`{name}` is neither a host's name nor an address");
            let mistake = Mistake::new("bad-value", span, message).label("in this list");
            reader.mistake(mistake.help("names are joined by `|`: names=\"internal.example|*.apps.example|10.0.0.1\""));
            return None;
        }
        names.push(name.to_owned());
    }
    Some(Rule::Certificate { ca: ca?.value, names, lifetime: lifetime? })
}

/// A name of DNS, one with `*` for its first label, or an address.
fn is_name(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let rest = text.strip_prefix("*.").unwrap_or(text);
    let numeric = rest.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    crate::name::HostName::new(rest).is_ok() && !numeric
}
