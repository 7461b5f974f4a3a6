//! What a set of packages must be, said a second time.

use std::collections::{BTreeMap, BTreeSet};

use wharf::deb::{AllOf, AnyOf, Dependency, Provided, Version};

use super::world::World;

/// Who has a name, by which version, and whether `:any` reaches it.
type Holder<'a> = (&'a str, Option<String>, bool);

/// dpkg's rules over the texts of the fields, written a second time and differently: what is broken in a set of packages.
pub fn broken(set: &BTreeMap<String, String>, world: &World) -> Vec<String> {
    let stanza = |name: &str| &world.stanzas[&(name.to_owned(), set[name].clone())];
    // (who, what, version): what each package is, and what it provides.
    let mut there: BTreeMap<&str, Vec<Holder<'_>>> = BTreeMap::new();
    for (name, version) in set {
        let allowed = stanza(name).get("Multi-Arch") == Some("allowed");
        there.entry(name).or_default().push((name, Some(version.clone()), allowed));
        for part in
            stanza(name).get("Provides").unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
        {
            let (what, version) = part
                .split_once(" (= ")
                .map_or((part, None), |(what, rest)| (what, Some(rest.trim_end_matches(')').to_owned())));
            there.entry(what.trim()).or_default().push((name, version, false));
        }
    }
    let holds = |who: &str, relation: &str, negative: bool| {
        let (what, bound) = relation
            .split_once('(')
            .map_or((relation, None), |(what, bound)| (what, Some(bound.trim_end_matches(')').trim())));
        let (what, any) =
            what.trim().split_once(':').map_or((what.trim(), false), |(what, arch)| (what, arch == "any"));
        there.get(what).into_iter().flatten().any(|(holder, version, allowed)| {
            let meets = match bound {
                None => true,
                Some(bound) => version.as_ref().is_some_and(|version| {
                    let (sign, bound) = bound.split_once(' ').unwrap();
                    let (version, bound) =
                        (Version::new(version.as_str()).unwrap(), Version::new(bound.trim()).unwrap());
                    match sign {
                        "<<" => version < bound,
                        "<=" => version <= bound,
                        "=" => version == bound,
                        ">=" => version >= bound,
                        ">>" => version > bound,
                        _ => panic!("{sign}"),
                    }
                }),
            };
            meets && (!any || negative || *allowed) && !(negative && *holder == who)
        })
    };
    let mut broken = Vec::new();
    for name in set.keys() {
        for field in ["Pre-Depends", "Depends"] {
            for any in
                stanza(name).get(field).unwrap_or_default().split(',').map(str::trim).filter(|any| !any.is_empty())
            {
                if !any.split('|').any(|relation| holds(name, relation.trim(), false)) {
                    broken.push(format!("{name} {field}: {any}"));
                }
            }
        }
        for field in ["Conflicts", "Breaks"] {
            for relation in
                stanza(name).get(field).unwrap_or_default().split(',').map(str::trim).filter(|any| !any.is_empty())
            {
                if holds(name, relation, true) {
                    broken.push(format!("{name} {field}: {relation}"));
                }
            }
        }
    }
    broken
}

/// Who could meet a relation, by its text, over the whole archive.
pub struct Index {
    holders: BTreeMap<String, Vec<(String, Option<Version>)>>,
}

impl Index {
    pub fn new(world: &World) -> Self {
        let mut holders: BTreeMap<String, Vec<(String, Option<Version>)>> = BTreeMap::new();
        for ((name, version), stanza) in &world.stanzas {
            let version = Version::new(version.as_str()).unwrap();
            holders.entry(name.clone()).or_default().push((name.clone(), Some(version)));
            for provided in Provided::parse(stanza.get("Provides").unwrap_or_default()).unwrap() {
                holders.entry(provided.name.to_string()).or_default().push((name.clone(), provided.version));
            }
        }
        Self { holders }
    }

    fn options(&self, any: &AnyOf) -> BTreeSet<&str> {
        let meets = |dependency: &Dependency, version: &Option<Version>| match version {
            Some(version) => dependency.admits(version),
            None => dependency.version.is_none(),
        };
        any.any
            .iter()
            .flat_map(|dependency| {
                let holders = self.holders.get(dependency.name.as_str()).into_iter().flatten();
                holders.filter(move |(_, version)| meets(dependency, version)).map(|(name, _)| name.as_str())
            })
            .collect()
    }

    /// The one smallest answer, where nothing leaves a choice; none where something does.
    pub fn only_answer(&self, world: &World, roots: &[&str], recommends: bool) -> Option<BTreeSet<String>> {
        let mut here: BTreeSet<String> = roots.iter().map(|name| (*name).to_owned()).collect();
        loop {
            let before = here.len();
            let mut choice = false;
            for name in here.clone() {
                let stanza = world.newest(&name);
                for field in ["Pre-Depends", "Depends", "Recommends"] {
                    if field == "Recommends" && !recommends {
                        continue;
                    }
                    for any in AllOf::parse(stanza.get(field).unwrap_or_default()).unwrap().all {
                        let options = self.options(&any);
                        if options.iter().any(|option| here.contains(*option))
                            || (options.is_empty() && field == "Recommends")
                        {
                            continue;
                        }
                        if options.len() == 1 {
                            here.extend(options.into_iter().map(str::to_owned));
                        } else {
                            choice = true;
                        }
                    }
                }
            }
            if here.len() == before {
                return (!choice).then_some(here);
            }
        }
    }
}
