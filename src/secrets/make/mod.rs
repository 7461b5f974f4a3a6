//! Secrets made by rule.

mod certificate;
mod letters;
mod ssh;

use std::collections::{BTreeMap, BTreeSet};

use super::value::Secret;
use super::{Entry, Safe, SecretsError};
use crate::estate::{Generate, Rule};
use crate::name::SecretName;
use crate::spec::did_you_mean;

pub use certificate::ends;

/// Fills bytes that nobody can guess.
pub type Random<'a> = dyn FnMut(&mut [u8]) -> Result<(), NoRandom> + 'a;

/// The system gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandom;

impl From<NoRandom> for SecretsError {
    fn from(NoRandom: NoRandom) -> Self {
        Self::NoRandom
    }
}

/// What is to be made.
#[derive(Debug)]
pub struct Request<'a> {
    /// How secrets of the estate are made.
    pub rules: &'a BTreeMap<SecretName, Generate>,
    /// Only these; all where empty.
    pub only: &'a BTreeSet<SecretName>,
    /// Anew, although they are there.
    pub rotate: &'a BTreeSet<SecretName>,
    /// Seconds since 1970.
    pub now: i64,
}

/// Why a secret was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was not there.
    Missing,
    /// It was asked for.
    Rotated,
    /// A certificate whose end was near.
    Renewed,
}

/// A secret that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// As the rule names it.
    pub name: SecretName,
    /// Why.
    pub why: Why,
}

/// Makes what lacks, what is near its end, and what is to be made anew. What is there stays; so does all of it where
/// anything cannot be made.
pub fn make(safe: &mut Safe, request: &Request<'_>, random: &mut Random<'_>) -> Result<Vec<Made>, SecretsError> {
    for name in request.only.iter().chain(request.rotate) {
        if !request.rules.contains_key(name) {
            return Err(no_rule(name, request.rules));
        }
    }
    let mut due: BTreeMap<&SecretName, Why> = BTreeMap::new();
    for (name, generate) in request.rules {
        let wanted = request.only.is_empty() && request.rotate.is_empty()
            || request.only.contains(name)
            || request.rotate.contains(name);
        if wanted && let Some(why) = why(safe, name, &generate.rule, request)? {
            due.insert(name, why);
            authority(safe, &generate.rule, request, &mut due)?;
        }
    }
    let mut parts: Vec<(SecretName, Entry)> = Vec::new();
    let mut made = Vec::new();
    // Authorities first: certificates are signed by what is new of them.
    let (authorities, others): (Vec<_>, Vec<_>) =
        due.into_iter().partition(|(name, _)| matches!(rule(request, name), Some(Rule::Authority { .. })));
    for (name, why) in authorities.into_iter().chain(others) {
        let Some(rule) = rule(request, name) else { continue };
        // Hosts do not yet know an authority that is made anew in the same run: as long as the old one holds, it signs
        // all but what is asked for by name.
        let old_signs = why != Why::Rotated && holds(safe, rule, request.now);
        let value = |wanted: &SecretName| {
            let old = safe.entries().get(wanted).map(|entry| &entry.value);
            let new = parts.iter().find(|(made, _)| made == wanted).map(|(_, entry)| &entry.value);
            if old_signs { old.or(new) } else { new.or(old) }
        };
        let (first, second) = one(name, rule, &value, request.now, random)?;
        let text = rule.to_string();
        for (name, value) in rule.makes(name).zip(std::iter::once(first).chain(second)) {
            parts.push((name, Entry { value, rule: Some(text.clone()), made: Some(request.now) }));
        }
        made.push(Made { name: name.clone(), why });
    }
    for (name, entry) in parts {
        safe.put(name, entry)?;
    }
    made.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(made)
}

fn no_rule(name: &SecretName, rules: &BTreeMap<SecretName, Generate>) -> SecretsError {
    let other = rules.iter().find(|(first, generate)| generate.rule.makes(first).any(|made| made == *name));
    let help = match other {
        Some((first, _)) => Some(format!("it is the other half of `{first}`: name that")),
        None => did_you_mean(name.as_str(), rules.keys().map(SecretName::as_str)),
    };
    let help = help.unwrap_or_else(|| {
        format!("write generate \"{name}\" in the estate, or set it by hand: wharf secrets set {name}")
    });
    SecretsError::NoRule { name: name.clone(), help: Some(help) }
}

fn rule<'a>(request: &Request<'a>, name: &SecretName) -> Option<&'a Rule> {
    request.rules.get(name).map(|generate| &generate.rule)
}

/// Why a secret has to be made; none where it stays.
fn why(safe: &Safe, name: &SecretName, rule: &Rule, request: &Request<'_>) -> Result<Option<Why>, SecretsError> {
    if request.rotate.contains(name) {
        return Ok(Some(if safe.entries().contains_key(name) { Why::Rotated } else { Why::Missing }));
    }
    let there: Vec<(SecretName, bool)> =
        rule.makes(name).map(|part| (part.clone(), safe.entries().contains_key(&part))).collect();
    let (here, gone): (Vec<_>, Vec<_>) = there.into_iter().partition(|(_, there)| *there);
    match (here.first(), gone.first()) {
        (None, _) => Ok(Some(Why::Missing)),
        (Some((there, _)), Some((missing, _))) => {
            // A certificate that somebody else signed may come without its authority's key, a public key alone.
            Err(SecretsError::Half { there: there.clone(), missing: missing.clone(), rule: name.clone() })
        }
        (Some(_), None) => Ok(is_due(safe, name, rule, request.now).then_some(Why::Renewed)),
    }
}

/// Whether a certificate that wharf made is to be made anew.
fn is_due(safe: &Safe, name: &SecretName, rule: &Rule, now: i64) -> bool {
    let (Rule::Authority { lifetime, .. } | Rule::Certificate { lifetime, .. }) = rule else { return false };
    let entry = safe.entries().get(name).filter(|entry| entry.rule.is_some());
    let Some(end) = entry.and_then(|entry| ends(&entry.value)) else { return false };
    let near = end.saturating_sub(i64::from(lifetime.renew) * certificate::DAY) <= now;
    // What its authority cuts short would not last longer.
    near && (end <= now || authority_end(safe, rule).is_none_or(|of_ca| of_ca > end))
}

/// When the authority of a certificate ends.
fn authority_end(safe: &Safe, rule: &Rule) -> Option<i64> {
    let Rule::Certificate { ca, .. } = rule else { return None };
    ends(&safe.entries().get(ca)?.value)
}

/// Whether the authority of a certificate is there and has not ended.
fn holds(safe: &Safe, rule: &Rule, now: i64) -> bool {
    authority_end(safe, rule).is_some_and(|end| end > now)
}

/// The authority of a certificate is made with it, where it lacks.
fn authority<'a>(
    safe: &Safe,
    of: &Rule,
    request: &Request<'a>,
    due: &mut BTreeMap<&'a SecretName, Why>,
) -> Result<(), SecretsError> {
    if let Rule::Certificate { ca, .. } = of
        && let Some((name, generate)) = request.rules.get_key_value(ca)
        && !due.contains_key(name)
        && let Some(why) = why(safe, name, &generate.rule, request)?
    {
        due.insert(name, why);
    }
    Ok(())
}

/// Makes one: the value, and the other half of a pair.
fn one<'a>(
    name: &SecretName,
    rule: &Rule,
    value: &dyn Fn(&SecretName) -> Option<&'a Secret>,
    now: i64,
    random: &mut Random<'_>,
) -> Result<(Secret, Option<Secret>), SecretsError> {
    Ok(match rule {
        Rule::Text { length, alphabet } => (letters::text(usize::from(*length), alphabet.letters(), random)?, None),
        Rule::Bytes { length } => (letters::bytes(usize::from(*length), random)?, None),
        Rule::Fernet => (letters::fernet(random)?, None),
        Rule::Uuid => (letters::uuid(random)?, None),
        Rule::SshEd25519 => {
            let (private, public) = ssh::pair(name.as_str(), random)?;
            (private, Some(public))
        }
        Rule::Authority { common_name, lifetime } => {
            let (bundle, key) = certificate::authority(name, common_name, lifetime.days, value(name), now)?;
            (bundle, Some(key))
        }
        Rule::Certificate { ca, names, lifetime } => {
            let key = SecretName::new(format!("{ca}.key")).ok();
            let issuer = (ca, value(ca), key.as_ref().and_then(value));
            let (chain, key) = certificate::certificate(name, issuer, names, lifetime.days, now)?;
            (chain, Some(key))
        }
    })
}

#[cfg(test)]
mod tests;
