//! What is there of an estate's secrets, and what lacks.

use super::Safe;
use super::make::ends;
use crate::estate::{Rule, Secrets};
use crate::name::{SecretName, ServiceName};

/// How a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is there.
    Present,
    /// It is not.
    Missing,
    /// It is there, and neither used nor made.
    Unused,
    /// It is there, made by another rule than the spec has now.
    OtherRule,
    /// It is a certificate that has ended, or is to be made anew.
    Ending,
}

impl State {
    /// The word for people and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Missing => "missing",
            Self::Unused => "unused",
            Self::OtherRule => "other-rule",
            Self::Ending => "ending",
        }
    }
}

/// A secret without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: SecretName,
    /// How it stands.
    pub state: State,
    /// `by-hand`, or the kind of its rule.
    pub kind: &'static str,
    /// Who uses it.
    pub users: Vec<ServiceName>,
    /// When it was made or set, in seconds since 1970.
    pub made: Option<i64>,
    /// When it ends, for certificates.
    pub ends: Option<i64>,
}

/// Every secret that is there, made or used, sorted. Without a safe all of them lack.
pub fn statuses(secrets: &Secrets, safe: Option<&Safe>, now: i64) -> Vec<Status> {
    let mut names = secrets.names();
    names.extend(safe.into_iter().flat_map(|safe| safe.entries().keys().cloned()));
    names.sort();
    names.dedup();
    let status = |name: SecretName| {
        let entry = safe.and_then(|safe| safe.entries().get(&name));
        let rule = secrets.rule(&name);
        let users = secrets.uses.get(&name).into_iter().flatten().map(|user| user.service.clone());
        let mut users: Vec<ServiceName> = users.collect();
        users.dedup();
        let ends = entry.and_then(|entry| ends(&entry.value));
        let renew = match rule.map(|(_, rule)| rule) {
            Some(Rule::Authority { lifetime, .. } | Rule::Certificate { lifetime, .. }) => i64::from(lifetime.renew),
            _ => 30,
        };
        let state = match (entry, rule) {
            (None, _) => State::Missing,
            (Some(_), _) if ends.is_some_and(|end| end.saturating_sub(renew * 86_400) <= now) => State::Ending,
            (Some(entry), Some((_, rule))) if entry.rule.as_ref().is_some_and(|by| *by != rule.to_string()) => {
                State::OtherRule
            }
            (Some(_), None) if !secrets.uses.contains_key(&name) => State::Unused,
            (Some(_), _) => State::Present,
        };
        let made_by = entry.is_none_or(|entry| entry.rule.is_some()).then_some(rule).flatten();
        let kind = made_by.map_or("by-hand", |(_, rule)| rule.kind());
        Status { name, state, kind, users, made: entry.and_then(|entry| entry.made), ends }
    };
    names.into_iter().map(status).collect()
}
