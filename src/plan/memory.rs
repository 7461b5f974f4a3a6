//! Hosts that have something of an estate, as the others remember them: one whose node is gone from the specs goes on running
//! what it has, and nobody asks it any more.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Content, Known};
use crate::estate::Estate;
use crate::host::Remembered;
use crate::name::HostName;

/// A host that others remember, and of which the specs know nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Vanished {
    /// Its name.
    pub host: HostName,
    /// When it was known to have something.
    #[serde(flatten)]
    pub since: Remembered,
    /// Who remembers it.
    pub by: BTreeSet<HostName>,
}

/// The hosts that vanished from an estate without being told to leave, as those that answered remember them.
pub fn vanished(estate: &Estate, known: &Known) -> Vec<Vanished> {
    let mut found: BTreeMap<&HostName, Vanished> = BTreeMap::new();
    for (by, facts) in known.iter().filter_map(|(by, facts)| Some((by, facts.as_ref().ok()?))) {
        if facts.estate.as_deref() != Some(estate.name.as_str()) {
            continue;
        }
        for (host, since) in facts.hosts.iter().filter(|(host, _)| !estate.hosts.contains_key(*host)) {
            let new = || Vanished { host: host.clone(), since: since.clone(), by: BTreeSet::new() };
            let vanished = found.entry(host).or_insert_with(new);
            if vanished.since.when < since.when {
                vanished.since = since.clone();
            }
            vanished.by.insert(by.clone());
        }
    }
    found.into_values().collect()
}

/// What is known of hosts after an apply: which have something of the estate, and which have nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Those that have.
    pub there: BTreeSet<HostName>,
    /// Those that have nothing, and those that are given up.
    pub gone: BTreeSet<HostName>,
}

impl Memory {
    /// After an apply to hosts that were as `known` has them: of those that it `touched` those in `done` have what is `wanted`,
    /// and of the others nobody knows what they have.
    pub fn of(
        estate: &Estate,
        wanted: &BTreeMap<HostName, Content>,
        known: &Known,
        (touched, done): (&BTreeSet<&HostName>, &BTreeSet<HostName>),
    ) -> Self {
        let mut memory = Self::default();
        for (name, host) in &estate.hosts {
            let has = match known.get(name) {
                // Nobody can empty a machine that is gone: who gives it up says both.
                _ if host.leave && host.maintenance.is_some() => false,
                _ if done.contains(name) => wanted.get(name).is_some_and(|content| !content.is_empty()),
                Some(Ok(facts)) if !touched.contains(name) => match &facts.generation {
                    Some(live) if live.content.is_empty() => false,
                    // Another estate's is none of ours.
                    Some(live) if live.header.estate != estate.name => continue,
                    Some(_) => true,
                    None => false,
                },
                _ => continue,
            };
            if has {
                memory.there.insert(name.clone())
            } else {
                memory.gone.insert(name.clone())
            };
        }
        memory
    }

    /// Whether a host that remembers so much has to be told.
    pub fn is_news(&self, remembered: &BTreeMap<HostName, Remembered>) -> bool {
        self.there.iter().any(|name| !remembered.contains_key(name))
            || self.gone.iter().any(|name| remembered.contains_key(name))
    }
}
