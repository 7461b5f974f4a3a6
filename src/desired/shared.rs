//! What many members share, made once: the members of groups as templates see them, and templates themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use serde_json::Value;

use crate::config::{Context, File, Forged, Shared, Templates};
use crate::estate::{FileSource, Group};
use crate::name::{CapabilityName, CellName, ServiceName};
use crate::unit::{self, Ask, Meaning, PodmanVersion, Scope, UnitName, Unsayable};

use super::Ground;
use super::context::FACTS;
use super::member::{Member, members};

/// A unit as it lies on hosts.
pub(super) struct Written {
    /// What it means.
    pub meaning: Arc<Meaning>,
    /// The name of its file.
    pub file: UnitName,
    /// Its text.
    pub bytes: Arc<[u8]>,
    /// What wharf has to do for it.
    pub asks: Vec<Ask>,
}

/// What no two members of a group have alike: a file that follows from one of these is no other's.
const SINGLE: [&str; 4] = ["host", "host.name", "self", "self.index"];

/// What is made once for all members.
pub(super) struct Common {
    /// Every text below templates/.
    pub templates: Templates,
    /// Those that cannot be read, and why.
    pub unreadable: BTreeMap<String, String>,
    /// A context with the functions for each cell: secrets are called otherwise there.
    contexts: BTreeMap<CellName, Context>,
    /// The one that holds outside of cells.
    outside: Context,
    /// What each template reads, where that is known.
    reads: BTreeMap<String, BTreeSet<String>>,
    /// Files that were made of equal values already.
    files: Mutex<HashMap<String, Arc<File>>>,
    /// The unit that was last written under each name, for each kind of reader.
    units: Mutex<HashMap<(String, PodmanVersion, Scope), Arc<Written>>>,
    /// The members of each group, without a port.
    groups: BTreeMap<String, Shared>,
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
        let of_group = |group: &&Group| -> Result<_, Forged> {
            let list = |port| Shared::new("members", &Value::Array(members(ground, group, port)));
            let service = ground.project.services.get(&group.service);
            let capabilities = service.into_iter().flat_map(|service| service.provides.keys());
            let provided = capabilities.map(|capability| {
                let port = group.ports.get(capability).map(|port| port.number);
                Ok(((group.name.clone(), capability.clone()), list(port)?))
            });
            Ok((group.name.to_string(), list(None)?, provided.collect::<Result<Vec<_>, Forged>>()?))
        };
        let all: Vec<&Group> = ground.placed.groups.values().collect();
        let lists: Vec<_> = all.par_iter().map(of_group).collect();
        let (mut groups, mut provided) = (BTreeMap::new(), BTreeMap::new());
        for found in lists {
            let (name, list, at_ports) = found?;
            groups.insert(name, list);
            provided.extend(at_ports);
        }
        // One that a rule makes may be named before it is made.
        let ruled = ground.placed.secrets.names().into_iter().map(|name| name.to_string());
        let known = ground.vault.names().into_iter().map(|name| name.to_string()).chain(ruled);
        let known: BTreeMap<String, String> = known.map(|name| (name.clone(), name)).collect();
        let of_cell = |cell: &CellName| {
            let secrets = &ground.placed.secrets;
            let own = secrets.per_cell.keys().map(|name| (name.to_string(), secrets.of(name, Some(cell)).to_string()));
            let all = Arc::new(known.clone().into_iter().chain(own).collect());
            (cell.clone(), Context::of_members(groups.clone(), all))
        };
        let contexts = ground.estate.cells.keys().map(of_cell).collect();
        let outside = Context::of_members(groups.clone(), Arc::new(known.clone()));
        let templates = Templates::new(texts);
        let reads =
            templates.names().filter_map(|name| Some((name.to_owned(), templates.reads(name, FACTS)?))).collect();
        let (files, units) = Default::default();
        Ok(Self { templates, unreadable, contexts, outside, reads, files, units, groups, provided })
    }

    /// The context of a group's templates, without facts.
    pub fn context(&self, group: &Group) -> &Context {
        group.cell.as_ref().and_then(|cell| self.contexts.get(cell)).unwrap_or(&self.outside)
    }

    /// The members of a group.
    pub fn members(&self, group: &ServiceName) -> Option<&Shared> {
        self.groups.get(group.as_str())
    }

    /// What a file of a template follows from: all that the template reads, by the value of each name. None where that
    /// is not known, or where the file is of one member alone.
    pub fn key<'v>(
        &self,
        template: &str,
        member: &Member<'_>,
        path: &str,
        fact: impl Fn(&str) -> Option<&'v Value>,
    ) -> Option<String> {
        let reads = self.reads.get(template)?;
        if SINGLE.iter().any(|name| reads.contains(*name)) {
            return None;
        }
        let mut key = format!("{template}\n{path}\n{}\n", member.group.name);
        for read in reads {
            // Two names deep: the members of a group follow from its name.
            if read == "self.members" {
                continue;
            }
            let mut names = read.split('.');
            let first = names.next().and_then(&fact);
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

    /// Keeps a file for others with its key, and gives the one that is kept: another thread's, where that was faster.
    pub fn keep(&self, key: String, file: Arc<File>) -> Arc<File> {
        Arc::clone(self.files.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(file))
    }

    /// A unit written for a podman and a manager; that of another host where it means the same. `name` is what systemd
    /// calls it.
    pub fn written(
        &self,
        name: &str,
        meaning: Meaning,
        version: PodmanVersion,
        scope: Scope,
    ) -> Result<Option<Arc<Written>>, Unsayable> {
        let key = (name.to_owned(), version, scope);
        let units = || self.units.lock().unwrap_or_else(PoisonError::into_inner);
        let last = units().get(&key).cloned();
        if let Some(last) = last.filter(|last| *last.meaning == meaning) {
            return Ok(Some(last));
        }
        let Some(file) = unit::units(&meaning, &version, scope)?.into_iter().next() else { return Ok(None) };
        let asks = unit::asks(&meaning, &version);
        let bytes = Arc::from(file.render().into_bytes());
        let written = Arc::new(Written { meaning: Arc::new(meaning), file: file.name().clone(), bytes, asks });
        let mut units = units();
        // Two threads may have written it at once: the first one's is everybody's.
        match units.get(&key).filter(|first| first.meaning == written.meaning) {
            Some(first) => Ok(Some(Arc::clone(first))),
            None => {
                units.insert(key, Arc::clone(&written));
                Ok(Some(written))
            }
        }
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
