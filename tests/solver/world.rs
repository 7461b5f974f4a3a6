//! The archive as apt's lists have it.

use std::collections::BTreeMap;
use std::sync::Arc;

use wharf::deb::{Control, MultiArch, PackageRecord, Priority, Relations, SuiteFacts, Universe, Version};
use wharf::digest::Digest;
use wharf::name::PackageName;

use super::apt::Apt;

/// Every package of trixie: as the solver has it, and its stanza by name and version.
pub struct World {
    pub universe: Universe,
    pub stanzas: BTreeMap<(String, String), Control>,
}

pub fn world(apt: &Apt) -> World {
    let (mut records, mut stanzas) = (Vec::new(), BTreeMap::new());
    for list in apt.lists() {
        let text = std::fs::read_to_string(&list).unwrap();
        let suite = if list.to_str().unwrap().contains("trixie-updates") { "trixie-updates" } else { "trixie" };
        let suite = Arc::new(SuiteFacts { archive: "debian".into(), name: suite.into(), ..SuiteFacts::default() });
        for (_, stanza) in Control::parse_all(&text).unwrap() {
            records.push(record(&stanza, &suite));
            stanzas
                .insert((stanza.get("Package").unwrap().to_owned(), stanza.get("Version").unwrap().to_owned()), stanza);
        }
    }
    World { universe: Universe::new(records, Vec::new()), stanzas }
}

fn record(stanza: &Control, suite: &Arc<SuiteFacts>) -> PackageRecord {
    let name = PackageName::new(stanza.get("Package").unwrap()).unwrap();
    PackageRecord {
        version: stanza.get("Version").unwrap().to_owned(),
        arch: stanza.get("Architecture").unwrap().to_owned(),
        source: (name.clone(), String::new()),
        name,
        relations: Relations::new(|field| stanza.get(field.as_str())),
        essential: stanza.get("Essential") == Some("yes"),
        multi_arch: stanza.get("Multi-Arch").map(MultiArch::parse).unwrap_or_default(),
        priority: Priority::parse(stanza.get("Priority").unwrap_or_default()),
        path: stanza.get("Filename").unwrap().to_owned(),
        size: 0,
        installed_size: 0,
        sha256: Digest::of(stanza.get("SHA256").unwrap().as_bytes()),
        suite: Arc::clone(suite),
    }
}

impl World {
    pub fn newest(&self, name: &str) -> &Control {
        let versions =
            self.stanzas.range((name.to_owned(), String::new())..).take_while(|((other, _), _)| other == name);
        versions.max_by_key(|((_, version), _)| Version::new(version.as_str()).unwrap()).unwrap().1
    }

    /// A dpkg status in which all of these are installed.
    pub fn status(&self, set: &BTreeMap<String, String>) -> String {
        let mut status = String::new();
        for (name, version) in set {
            status += "Status: install ok installed\n";
            for (field, value) in self.stanzas[&(name.clone(), version.clone())].iter() {
                status += &format!("{field}: {value}\n");
            }
            status.push('\n');
        }
        status
    }
}
