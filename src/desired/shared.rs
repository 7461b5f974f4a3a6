//! What many members share, made once: the members of groups as templates see them, and templates themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::config::{Context, File, Forged, Shared, Templates};
use crate::estate::{FileSource, Group};
use crate::name::{CapabilityName, CellName, ServiceName};

use super::Ground;
use super::context::FACTS;
use super::member::{Member, members};

/// What is made once for all members.
pub(super) struct Common {
    /// Every text below templates/.
    pub templates: Templates,
    /// Those that cannot be read, and why.
    pub unreadable: BTreeMap<String, String>,
    /// A context with the functions.
    pub context: Context,
    /// What each secret is called, by the name that templates have for it, outside of cells and in each.
    secrets: BTreeMap<Option<CellName>, Arc<BTreeMap<String, String>>>,
    /// What each template reads, where that is known.
    reads: BTreeMap<String, BTreeSet<String>>,
    /// Files that were made of equal values already.
    files: Mutex<HashMap<String, Arc<File>>>,
    /// The members of each group, without a port.
    groups: BTreeMap<ServiceName, Shared>,
    /// The members of each group at the port of something that it provides.
    provided: BTreeMap<(ServiceName, CapabilityName), Shared>,
}

impl Common {
    /// Reads all of it.
    pub fn new(ground: Ground<'_>) -> Result<Self, Forged> {
        let (mut texts, mut unreadable) = (BTreeMap::new(), BTreeMap::new());
        for (name, template) in &ground.project.templates {
            match text(&template.source) {
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
        let known = ground.vault.names().into_iter().map(|name| name.to_string()).chain(ruled);
        let known: BTreeMap<String, String> = known.map(|name| (name.clone(), name)).collect();
        let of_cell = |cell: &CellName| {
            let secrets = &ground.placed.secrets;
            let own = secrets.per_cell.keys().map(|name| (name.to_string(), secrets.of(name, Some(cell)).to_string()));
            (Some(cell.clone()), Arc::new(known.clone().into_iter().chain(own).collect()))
        };
        let mut secrets: BTreeMap<_, Arc<BTreeMap<String, String>>> = ground.estate.cells.keys().map(of_cell).collect();
        secrets.insert(None, Arc::new(known));
        let templates = Templates::new(texts);
        let reads =
            templates.names().filter_map(|name| Some((name.to_owned(), templates.reads(name, FACTS)?))).collect();
        let files = Mutex::default();
        Ok(Self { templates, unreadable, context, secrets, reads, files, groups, provided })
    }

    /// What secrets are called, by the names that templates of a group have for them.
    pub fn secrets(&self, group: &Group) -> Arc<BTreeMap<String, String>> {
        self.secrets.get(&group.cell).cloned().unwrap_or_default()
    }

    /// The members of a group.
    pub fn members(&self, group: &ServiceName) -> Option<&Shared> {
        self.groups.get(group)
    }

    /// What a file of a template follows from: all that the template reads. None where that is not known.
    pub fn key(&self, template: &str, member: &Member<'_>, path: &str, values: &Map<String, Value>) -> Option<String> {
        let mut key = format!("{template}\n{path}\n{}\n", member.group.name);
        for read in self.reads.get(template)? {
            // Two names deep: the members of a group follow from its name.
            if read == "self.members" {
                continue;
            }
            let mut names = read.split('.');
            let first = names.next().and_then(|name| values.get(name));
            let found = match (first, names.next()) {
                (Some(Value::Object(map)), Some(second)) => map.get(second).or(first),
                (first, _) => first,
            };
            if let Some(value) = found {
                let _ = writeln!(key, "{read}={value}");
            }
        }
        Some(key)
    }

    /// The file that was made for a key.
    pub fn made(&self, key: &str) -> Option<Arc<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Keeps a file for others with its key.
    pub fn keep(&self, key: String, file: &Arc<File>) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(file));
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
