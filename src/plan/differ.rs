//! One host: what it has beside what it shall have.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Class, Content, Drift, Facts, FileRecord, Odd, Reason};
use crate::unit::container::{Run, SecretAs, Source};
use crate::unit::{Container, Meaning};

/// What changes, by object.
pub(super) fn changes(applied: &Content, wanted: &Content, facts: &Facts) -> Vec<Change> {
    let mut found = Vec::new();
    let paths: BTreeSet<&String> = applied.files.keys().chain(wanted.files.keys()).collect();
    // Units first: files that they mount are judged by them.
    for path in paths.iter().filter(|path| is_unit(path, applied, wanted)) {
        found.extend(unit(path, applied, wanted, facts));
    }
    let replaced: BTreeSet<String> =
        found.iter().filter(|change| change.class == Class::Replace).map(|change| change.object.clone()).collect();
    if !replaced.is_empty() {
        users(&mut found, &replaced, wanted);
    }
    for path in paths.iter().filter(|path| !is_unit(path, applied, wanted) && !path.starts_with(CONTENT)) {
        found.extend(file(path, applied, wanted, facts));
    }
    // What was stopped and is asked for by nobody any more.
    let over = applied.halted.iter().filter(|(path, _)| !wanted.halted.contains_key(*path));
    for (_, halted) in over.filter(|(path, _)| !wanted.meanings.contains_key(*path)) {
        let (object, services) = (halted.meaning.unit().to_string(), halted.of.clone());
        found.push(Change { object, services, class: Class::Remove, reasons: vec![Reason::Gone], wave: 0 });
    }
    found.sort();
    found
}

/// Adds changes that were begun already to those that are to come. What the live generation does not hold has gone.
pub(super) fn again(changes: &mut Vec<Change>, begun: Vec<Change>, applied: &Content) {
    for change in begun {
        let is_held = applied.files.contains_key(&change.object)
            || applied.meanings.values().any(|meaning| meaning.unit().to_string() == change.object);
        if change.class == Class::Remove && !is_held {
            continue;
        }
        match changes.iter_mut().find(|other| other.object == change.object) {
            Some(other) => {
                other.class = other.class.max(change.class);
                other.reasons.extend(
                    change.reasons.into_iter().filter(|reason| !other.reasons.contains(reason)).collect::<Vec<_>>(),
                );
            }
            None => changes.push(change),
        }
    }
    changes.sort();
}

/// Adds that containers use networks and volumes that are made anew: they are started anew too.
fn users(found: &mut Vec<Change>, replaced: &BTreeSet<String>, wanted: &Content) {
    for (path, meaning) in &wanted.meanings {
        let Meaning::Container(container) = &**meaning else { continue };
        let uses = used(container).filter(|unit| replaced.contains(unit));
        let uses: Vec<Reason> = uses.map(|unit| Reason::Uses { unit }).collect();
        if uses.is_empty() {
            continue;
        }
        let object = meaning.unit().to_string();
        if let Some(change) = found.iter_mut().find(|change| change.object == object) {
            change.class = change.class.max(Class::Restart);
            change.reasons.extend(uses);
        } else if !is_task(container) {
            let services = wanted.files.get(path).map(|file| file.of.clone()).unwrap_or_default();
            found.push(Change { object, services, class: Class::Restart, reasons: uses, wave: 0 });
        }
    }
}

/// Files by content: named by what they hold, they never change.
const CONTENT: &str = "/var/lib/wharf/files/";

fn is_unit(path: &str, applied: &Content, wanted: &Content) -> bool {
    applied.meanings.contains_key(path) || wanted.meanings.contains_key(path)
}

/// The units of networks and volumes that a container uses.
fn used(container: &Container) -> impl Iterator<Item = String> {
    let parts = container.parts();
    let volumes = parts.storage.mounts.iter().filter_map(|mount| match &mount.source {
        Source::Volume { unit: Some(unit), .. } => Some(format!("{unit}.volume")),
        _ => None,
    });
    let networks = parts.network.networks.iter().filter_map(|network| match network {
        crate::unit::container::Net::Network { unit: Some(unit), .. } => Some(format!("{unit}.network")),
        _ => None,
    });
    volumes.chain(networks).collect::<Vec<_>>().into_iter()
}

/// Whether a container is a task: run by a plan or a timer, never up.
pub(super) fn is_task(container: &Container) -> bool {
    matches!(container.parts().run, Run::Oneshot { .. })
}

fn same_file(one: &FileRecord, other: &FileRecord) -> bool {
    (one.sha256, one.mode, one.uid, one.gid) == (other.sha256, other.mode, other.uid, other.gid)
}

/// Whether a file is on the host as a generation has it.
fn is_there(path: &str, record: &FileRecord, facts: &Facts) -> bool {
    facts.files.get(path).is_some_and(|seen| odd(record, seen).is_none())
}

fn odd(record: &FileRecord, seen: &crate::host::FileSeen) -> Option<Odd> {
    if seen.sha256 != Some(record.sha256) {
        return Some(Odd::Bytes);
    }
    let (is, was) = ((seen.mode, seen.uid, seen.gid), (u32::from(record.mode), record.uid, record.gid));
    let text = |(mode, uid, gid): (u32, u32, u32)| format!("{mode:04o} {uid}:{gid}");
    (is != was).then(|| Odd::Owner { is: text(is), was: text(was) })
}

/// What systemd says of a unit that should be up and is not; none where it is, or where it was not asked.
fn down(path: &str, meaning: &Meaning, content: &Content, facts: &Facts) -> Vec<(String, String)> {
    match meaning {
        Meaning::Container(container) if !is_task(container) => {}
        Meaning::Service(_) | Meaning::Timer(_) | Meaning::Target(_) => {}
        _ => return Vec::new(),
    }
    let units = content.units_of(path, meaning).into_iter();
    let seen = units.filter_map(|unit| Some((facts.units.get(&unit)?, unit))).filter(|(seen, _)| !seen.is_up());
    seen.map(|(seen, unit)| (unit, format!("{} ({})", seen.active, seen.sub))).collect()
}

fn unit(path: &str, applied: &Content, wanted: &Content, facts: &Facts) -> Option<Change> {
    let (old, new) = (applied.meanings.get(path), wanted.meanings.get(path));
    let meaning = new.or(old)?;
    let record = wanted.files.get(path).or_else(|| applied.files.get(path))?;
    let change = |class, reasons| {
        Some(Change { object: meaning.unit().to_string(), services: record.of.clone(), class, reasons, wave: 0 })
    };
    let runs = match &**meaning {
        Meaning::Container(container) => !is_task(container),
        Meaning::Service(_) | Meaning::Timer(_) | Meaning::Pod(_) => true,
        Meaning::Image(_) | Meaning::Network(_) | Meaning::Volume(_) | Meaning::Target(_) => false,
    };
    let (Some(old), Some(new)) = (old, new) else {
        return match (new.is_some(), runs) {
            (false, _) if wanted.halted.contains_key(path) => change(Class::Stop, vec![Reason::Asked]),
            (false, _) => change(Class::Remove, vec![Reason::Gone]),
            (true, true) if applied.halted.contains_key(path) => change(Class::Start, vec![Reason::Stopped]),
            (true, true) => change(Class::Start, vec![Reason::New]),
            (true, false) => change(Class::FileOnly, vec![Reason::New]),
        };
    };
    if old != new {
        let reasons = reasons(old, new);
        let only_said =
            reasons.iter().all(|reason| matches!(reason, Reason::Setting { name } if name == "description"));
        return match &**new {
            _ if only_said => change(Class::FileOnly, reasons),
            Meaning::Network(_) | Meaning::Volume(_) => change(Class::Replace, reasons),
            _ if runs => change(Class::Restart, reasons),
            _ => change(Class::FileOnly, reasons),
        };
    }
    let mut reasons = Vec::new();
    let mut class = Class::FileOnly;
    if applied.files.get(path).is_none_or(|applied| !same_file(applied, record)) {
        reasons.push(Reason::Words);
    } else if !is_there(path, record, facts) {
        reasons.push(Reason::Drift);
        // Nobody knows what runs there.
        class = if runs { Class::Restart } else { class };
    }
    if let Some((_, state)) = down(path, new, wanted, facts).into_iter().next() {
        reasons.push(Reason::Down { state });
        class = class.max(Class::Start);
    }
    if reasons.is_empty() { None } else { change(class, reasons) }
}

/// What differs between two meanings of one unit.
fn reasons(old: &Meaning, new: &Meaning) -> Vec<Reason> {
    let mut found = Vec::new();
    let (Meaning::Container(one), Meaning::Container(other)) = (old, new) else {
        settings(old, new, &[], &mut found);
        return found;
    };
    let (one, other) = (one.parts(), other.parts());
    if one.image != other.image {
        found.push(Reason::Image { from: one.image.digest().to_string(), to: other.image.digest().to_string() });
    }
    let mounts = |storage: &crate::unit::container::Storage| -> BTreeMap<String, String> {
        storage
            .mounts
            .iter()
            .map(|mount| (mount.target.to_string(), format!("{:?}", (&mount.source, &mount.options))))
            .collect()
    };
    let secrets = |storage: &crate::unit::container::Storage| -> BTreeMap<String, String> {
        let place = |seen: &SecretAs| match seen {
            SecretAs::Environment(name) => name.clone(),
            SecretAs::File { target, .. } => target.to_string(),
        };
        storage.secrets.iter().map(|secret| (place(&secret.seen), format!("{secret:?}"))).collect()
    };
    let differing = |one: BTreeMap<String, String>, other: BTreeMap<String, String>| -> BTreeSet<String> {
        let keys: BTreeSet<String> = one.keys().chain(other.keys()).cloned().collect();
        keys.into_iter().filter(|key| one.get(key) != other.get(key)).collect()
    };
    found.extend(
        differing(mounts(&one.storage), mounts(&other.storage)).into_iter().map(|path| Reason::Config { path }),
    );
    found.extend(
        differing(secrets(&one.storage), secrets(&other.storage)).into_iter().map(|place| Reason::Secret { place }),
    );
    settings(one, other, &["image", "mounts", "secrets"], &mut found);
    found
}

/// Adds the names of all that differs, down to the second level, but for some names.
fn settings<T: serde::Serialize>(one: &T, other: &T, but: &[&str], found: &mut Vec<Reason>) {
    let value = |of: &T| serde_json::to_value(of).unwrap_or_default();
    let (mut one, mut other) = (value(one), value(other));
    // The word for the kind is no part of it.
    for side in [&mut one, &mut other] {
        if let serde_json::Value::Object(map) = side
            && map.len() == 1
            && let Some(inner) = map.values().next().cloned()
        {
            *side = inner;
        }
    }
    let empty = serde_json::Map::new();
    let fields = |value: &serde_json::Value| value.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (one, other) = (fields(&one), fields(&other));
    let mut names = BTreeSet::new();
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for key in keys.into_iter().filter(|key| one.get(*key) != other.get(*key) && !but.contains(&key.as_str())) {
        match (one.get(key), other.get(key)) {
            (Some(serde_json::Value::Object(left)), Some(serde_json::Value::Object(right))) => {
                let inner: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
                let inner = inner.into_iter().filter(|name| left.get(*name) != right.get(*name));
                names.extend(inner.filter(|name| !but.contains(&name.as_str())).cloned());
            }
            _ => {
                names.insert(key.clone());
            }
        }
    }
    found.extend(names.into_iter().map(|name| Reason::Setting { name }));
}

/// A file that is no unit.
fn file(path: &str, applied: &Content, wanted: &Content, facts: &Facts) -> Option<Change> {
    let (old, new) = (applied.files.get(path), wanted.files.get(path));
    let services = new.or(old).map(|file| file.of.clone()).unwrap_or_default();
    let change =
        |class, reason| Some(Change { object: path.to_owned(), services, class, reasons: vec![reason], wave: 0 });
    match (old, new) {
        (Some(_), None) => change(Class::Remove, Reason::Gone),
        (None, Some(_)) => change(Class::FileOnly, Reason::New),
        (Some(old), Some(new)) if !same_file(old, new) => change(kind(path, wanted), Reason::File),
        (Some(_), Some(new)) if !is_there(path, new, facts) => change(kind(path, wanted), Reason::Drift),
        _ => None,
    }
}

/// What a change of a file takes: a container that mounts its folder reads it again, one that mounts the file itself keeps
/// what it began with.
fn kind(path: &str, wanted: &Content) -> Class {
    if reloaded(path, wanted).next().is_some() { Class::Reload } else { Class::FileOnly }
}

/// The units that read a file again when it changes.
pub(super) fn reloaded<'a>(path: &'a str, wanted: &'a Content) -> impl Iterator<Item = String> + 'a {
    wanted.meanings.values().filter_map(move |meaning| {
        let Meaning::Container(container) = &**meaning else { return None };
        let parts = container.parts();
        let mounts = parts.storage.mounts.iter().any(|mount| match &mount.source {
            Source::Bind(folder) => path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/')),
            Source::Volume { .. } => false,
        });
        (mounts && !is_task(container)).then(|| meaning.unit().service().to_string())
    })
}

/// What is not as wharf left it.
pub(super) fn drift(applied: &Content, facts: &Facts) -> Vec<Drift> {
    let mut found = Vec::new();
    for (path, record) in &applied.files {
        let odd = match facts.files.get(path) {
            None => Some(Odd::Missing),
            Some(seen) => odd(record, seen),
        };
        found.extend(odd.map(|odd| Drift { object: path.clone(), odd }));
    }
    for (path, meaning) in &applied.meanings {
        let down = down(path, meaning, applied, facts).into_iter();
        found.extend(down.map(|(object, state)| Drift { object, odd: Odd::Down { state } }));
    }
    let objects = applied.images.keys().filter(|name| !facts.images.contains(*name));
    let objects = objects.chain(applied.secrets.keys().filter(|name| !facts.secrets.contains(*name)));
    found.extend(objects.map(|name| Drift { object: name.clone(), odd: Odd::Missing }));
    found
}
