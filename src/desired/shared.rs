//! What many members share, made once: the members of groups as templates see them, and templates themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::config::{Context, Forged, Shared, Templates};
use crate::estate::FileSource;
use crate::name::{CapabilityName, ServiceName};

use super::Ground;
use super::member::members;

/// What is made once for all members.
pub(super) struct Common {
    /// Every text below templates/.
    pub templates: Templates,
    /// Those that cannot be read, and why.
    pub unreadable: BTreeMap<String, String>,
    /// A context with the functions.
    pub context: Context,
    /// Names of secrets.
    pub secrets: BTreeSet<String>,
    /// The members of each group, without a port.
    groups: BTreeMap<ServiceName, Shared>,
    /// The members of each group at the port of something that it provides.
    provided: BTreeMap<(ServiceName, CapabilityName), Shared>,
}

impl Common {
    /// Reads all of it.
    pub fn new(ground: Ground<'_>) -> Result<Self, Forged> {
        let (mut texts, mut unreadable) = (BTreeMap::new(), BTreeMap::new());
        for (name, source) in &ground.project.templates {
            match text(source) {
                Ok(text) => {
                    texts.insert(name.clone(), text);
                }
                Err(why) => {
                    unreadable.insert(name.clone(), why);
                }
            }
        }
        let (mut all, mut groups, mut provided) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for group in ground.placed.groups.values() {
            let list = Value::Array(members(ground, group, None));
            groups.insert(group.name.clone(), Shared::new("members", &list)?);
            all.insert(group.name.to_string(), list);
            let service = ground.project.services.get(&group.service);
            for capability in service.into_iter().flat_map(|service| service.provides.keys()) {
                let port = group.ports.get(capability).map(|port| port.number);
                let list = Value::Array(members(ground, group, port));
                provided.insert((group.name.clone(), capability.clone()), Shared::new("members", &list)?);
            }
        }
        let context = Context::new(&Map::new(), &all, BTreeSet::new())?;
        // One that a rule makes may be named before it is made.
        let ruled = ground.placed.secrets.names().into_iter().map(|name| name.to_string());
        let secrets = ground.vault.names().into_iter().map(|name| name.to_string()).chain(ruled).collect();
        Ok(Self { templates: Templates::new(texts), unreadable, context, secrets, groups, provided })
    }

    /// The members of a group.
    pub fn members(&self, group: &ServiceName) -> Option<&Shared> {
        self.groups.get(group)
    }

    /// The members of a group at the port of a capability.
    pub fn provided(&self, group: &ServiceName, capability: &CapabilityName) -> Option<&Shared> {
        self.provided.get(&(group.clone(), capability.clone()))
    }
}

/// A file as text.
pub(super) fn text(source: &FileSource) -> Result<String, String> {
    let bytes = source.read().map_err(|error| error.to_string())?;
    String::from_utf8(bytes.into_owned()).map_err(|_| "it is not UTF-8".to_owned())
}
