//! Roles of one host that say different things.

use std::collections::BTreeMap;

use crate::name::HostName;
use crate::spec::{Log, Mistake, Span};

use super::super::{Change, Config, KeyChange, Overrides, VarValue};
use super::{Ground, Group, Placed, is_file};

const HELP: &str = "set it in the host itself: that counts most";

/// Reports each pair of places once, whatever the number of hosts that have both roles.
pub(super) fn report(ground: &Ground<'_>, placed: &Placed, log: &mut Log) {
    let estate = ground.estate;
    if estate.roles.len() < 2 {
        return;
    }
    let mut said: Vec<(Span, Span)> = Vec::new();
    for host in estate.hosts.values() {
        for group in placed.on(&host.name) {
            let roles = estate.roles_on(host, group.cell.as_ref());
            let roles: Vec<&Overrides> =
                roles.into_iter().filter_map(|role| estate.roles.get(role)).map(|changes| &changes.own).collect();
            if roles.len() < 2 {
                continue;
            }
            let cell = group.cell.as_ref().or(host.cell.as_ref()).and_then(|cell| estate.cells.get(cell));
            let stronger: Vec<&Overrides> = cell.map(|cell| &cell.own).into_iter().chain([&host.own]).collect();
            let mut clash = |message: String, first: Span, second: Span| {
                if !said.contains(&(first, second)) {
                    said.push((first, second));
                    let mistake = Mistake::new("conflict", second, message).label("this one");
                    log.push(mistake.also(first, "and this one").help(HELP));
                }
            };
            vars(&host.name, &roles, &stronger, &mut clash);
            let configs = ground.services.get(&group.service).into_iter().flat_map(|service| service.configs.values());
            for config in configs {
                options(&host.name, group, config, &roles, &stronger, &mut clash);
            }
        }
    }
}

fn vars(host: &HostName, roles: &[&Overrides], stronger: &[&Overrides], clash: &mut impl FnMut(String, Span, Span)) {
    let mut seen: BTreeMap<&str, (&VarValue, Span)> = BTreeMap::new();
    for (name, value) in roles.iter().flat_map(|own| &own.vars) {
        if stronger.iter().any(|own| own.vars.contains_key(name)) {
            continue;
        }
        match seen.get(name.as_str()) {
            Some((other, first)) if **other != value.value => {
                clash(format!("two roles of {host} give `{name}` different values"), *first, value.span);
            }
            _ => {
                seen.insert(name, (&value.value, value.span));
            }
        }
    }
}

/// The names that lead to an option, and what it becomes.
type Options<'a> = BTreeMap<Vec<&'a str>, (String, Span)>;

fn options(
    host: &HostName,
    group: &Group,
    config: &Config,
    roles: &[&Overrides],
    stronger: &[&Overrides],
    clash: &mut impl FnMut(String, Span, Span),
) {
    let strongest: Vec<Options<'_>> = stronger.iter().map(|own| changed(own, group, config)).collect();
    let mut seen: Options<'_> = BTreeMap::new();
    for role in roles {
        let mine = changed(role, group, config);
        for (path, (value, span)) in &mine {
            // A value, and values below it, exclude each other.
            let rival = seen.iter().find(|(other, (known, _))| {
                (*other == path && known != value)
                    || (other.len() != path.len() && (other.starts_with(path) || path.starts_with(other)))
            });
            let decided = strongest.iter().flat_map(BTreeMap::keys).any(|stronger| path.starts_with(stronger));
            if let (Some((_, (_, first))), false) = (rival, decided) {
                let name = path.join(".");
                let message = format!(
                    "two roles of {host} give `{name}` in {} of `{}` different values",
                    config.path, group.name
                );
                clash(message, *first, *span);
            }
        }
        seen.extend(mine);
    }
}

/// What changes make of the options of a file.
fn changed<'a>(own: &'a Overrides, group: &Group, config: &Config) -> Options<'a> {
    let mut found = Options::new();
    let mine = own.files.iter().filter(|change| {
        let named = change.service.as_ref().is_none_or(|name| name.value == group.service || name.value == group.name);
        named && is_file(config.path.as_str(), &change.file)
    });
    for change in mine {
        match &change.change {
            Change::Sections(sections) => {
                for (section, keys) in sections {
                    let all = keys.iter().map(|(key, values)| {
                        (vec![section.as_str(), key.as_str()], (format!("{:?}", values.value), values.span))
                    });
                    found.extend(all);
                }
            }
            Change::Keys(keys) => below(keys, &[], &mut found),
        }
    }
    found
}

fn below<'a>(keys: &'a BTreeMap<String, crate::spec::Spanned<KeyChange>>, above: &[&'a str], found: &mut Options<'a>) {
    for (key, change) in keys {
        let path: Vec<&str> = above.iter().copied().chain([key.as_str()]).collect();
        match &change.value {
            KeyChange::Keys(inner) => below(inner, &path, found),
            value => {
                found.insert(path, (format!("{value:?}"), change.span));
            }
        }
    }
}
