//! Which secrets the services of an estate use, and how they are made.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{CellName, SecretName};
use crate::spec::{Log, Mistake, Span, did_you_mean};

use super::super::secret::in_cell;
use super::super::{ConfigContent, Generate, Rule, SecretUser, Secrets, Service};
use super::{Ground, Group, Placed};

/// Gathers them, and reports rules that cannot be kept.
pub(super) fn gather(ground: &Ground<'_>, placed: &Placed, log: &mut Log) -> Secrets {
    let mut groups: Vec<(&Service, &Group)> =
        placed.groups.values().filter_map(|group| Some((ground.services.get(&group.service)?, group))).collect();
    groups.sort_by_key(|(service, group)| (&service.name, &group.name));
    let mut services: Vec<&Service> = groups.iter().map(|(service, _)| *service).collect();
    services.dedup_by_key(|service| &service.name);
    let mut secrets = Secrets { rules: ground.estate.generates.clone(), ..Secrets::default() };
    let mut said: BTreeMap<&SecretName, &Generate> = BTreeMap::new();
    for service in &services {
        for (name, generate) in &service.generates {
            // What the estate says is for all of its services.
            if ground.estate.generates.contains_key(name) {
                continue;
            }
            match said.insert(name, generate) {
                Some(first) if (&first.rule, first.per_cell) != (&generate.rule, generate.per_cell) => {
                    let message = format!("`{name}` is made in two ways");
                    let mistake = Mistake::new("duplicate", generate.span, message).label("otherwise here");
                    let help = format!("a `generate \"{name}\"` in the estate decides");
                    log.push(mistake.also(first.span, "first here").help(help));
                }
                _ => {
                    secrets.rules.insert(name.clone(), generate.clone());
                }
            }
        }
    }
    for (name, generate) in secrets.rules.iter().filter(|(_, generate)| generate.per_cell) {
        secrets.per_cell.extend(generate.rule.makes(name).map(|made| (made, name.clone())));
    }
    let mut cells: BTreeMap<SecretName, BTreeSet<Option<CellName>>> = BTreeMap::new();
    for (service, group) in groups {
        uses(service, |name, span| {
            if let Some(rule) = secrets.per_cell.get(name) {
                cells.entry(rule.clone()).or_default().insert(group.cell.clone());
            }
            let own = secrets.of(name, group.cell.as_ref());
            let users = secrets.uses.entry(own).or_default();
            let user = SecretUser { service: service.name.clone(), span };
            if !users.contains(&user) {
                users.push(user);
            }
        });
    }
    each_cell(ground, &mut secrets, cells, log);
    pairs(&secrets, log);
    authorities(&secrets, log);
    secrets
}

/// A rule of each cell's own in the place of one that says `per="cell"`: for the cells whose groups use what it makes, and
/// for all where nobody says so.
fn each_cell(
    ground: &Ground<'_>,
    secrets: &mut Secrets,
    mut cells: BTreeMap<SecretName, BTreeSet<Option<CellName>>>,
    log: &mut Log,
) {
    let rules: Vec<(SecretName, Generate)> = secrets
        .rules
        .iter()
        .filter(|(_, rule)| rule.per_cell)
        .map(|(name, rule)| (name.clone(), rule.clone()))
        .collect();
    // An authority is there for each cell of what it signs.
    for (name, generate) in &rules {
        if let Rule::Certificate { ca, .. } = &generate.rule
            && let Some(of) = cells.get(name).cloned()
        {
            cells.entry(ca.clone()).or_default().extend(of);
        }
    }
    for (name, generate) in rules {
        let every = || ground.estate.cells.keys().cloned().map(Some).collect();
        let wanted: BTreeSet<Option<CellName>> = cells.remove(&name).unwrap_or_else(every);
        if wanted.is_empty() || wanted.contains(&None) {
            // Those outside of cells have the one of its own name.
        } else {
            secrets.rules.remove(&name);
        }
        for cell in wanted.into_iter().flatten() {
            let own = in_cell(&name, &name, &cell);
            let own = own.and_then(|own| {
                generate.rule.makes(&name).try_for_each(|made| in_cell(&made, &name, &cell).map(|_| ())).map(|()| own)
            });
            let own = match own {
                Ok(own) => own,
                Err(error) => {
                    log.push(Mistake::new("bad-value", generate.span, error.to_string()).label("too long with a cell"));
                    continue;
                }
            };
            let mut generate = generate.clone();
            if let Rule::Certificate { ca, .. } = &mut generate.rule {
                *ca = secrets.of(ca, Some(&cell));
            }
            if let Some(other) = secrets.rules.get(&own) {
                let message = format!("`{own}` is made for the cell `{cell}`, and by a rule of that name");
                let mistake = Mistake::new("duplicate", other.span, message).label("this one");
                log.push(mistake.also(generate.span, "makes it as well").help("give one of them another name"));
            }
            secrets.rules.insert(own, generate);
        }
    }
}

fn uses(service: &Service, mut add: impl FnMut(&SecretName, Span)) {
    let of_tasks = service.tasks.iter().flat_map(|task| &task.secrets);
    for (name, used) in service.secrets.iter().chain(of_tasks) {
        add(name, used.span);
    }
    for secret in service.needs.values().filter_map(|need| need.secret.as_ref()) {
        add(&secret.value, secret.span);
    }
    let grants = service.provides.values().filter_map(|provide| provide.grant.as_ref());
    for secret in grants.filter_map(|grant| grant.secret.as_ref()) {
        add(&secret.value, secret.span);
    }
    for config in service.configs.values() {
        if let ConfigContent::Template(_, source) = &config.content
            && let Ok(bytes) = source.read()
        {
            for name in named(&String::from_utf8_lossy(&bytes)) {
                add(&name, config.span);
            }
        }
    }
}

/// The secrets that a template calls by a name that is written out: `secret("NAME")`, `secret('NAME')`.
fn named(template: &str) -> Vec<SecretName> {
    let mut names = Vec::new();
    for (at, word) in template.match_indices("secret") {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        if template.get(..at).is_some_and(|before| before.ends_with(is_part)) {
            continue;
        }
        let rest = template.get(at + word.len()..).unwrap_or_default().trim_start();
        let Some(rest) = rest.strip_prefix('(').map(str::trim_start) else { continue };
        let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { continue };
        let inner = rest.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        names.extend(inner.and_then(|(name, _)| SecretName::new(name).ok()));
    }
    names.sort();
    names.dedup();
    names
}

/// Names that two rules would give to what they make.
fn pairs(secrets: &Secrets, log: &mut Log) {
    for (name, generate) in &secrets.rules {
        for made in generate.rule.makes(name).filter(|made| made != name) {
            if let Some(other) = secrets.rules.get(&made) {
                let message = format!("`{made}` is the other half of `{name}`, and made by itself too");
                let mistake = Mistake::new("duplicate", other.span, message).label("this one");
                log.push(mistake.also(generate.span, "makes it as well").help("give one of them another name"));
            }
        }
    }
}

/// Certificates whose authority is none.
fn authorities(secrets: &Secrets, log: &mut Log) {
    let known = secrets.rules.iter().filter(|(_, generate)| matches!(generate.rule, Rule::Authority { .. }));
    let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
    for (name, generate) in &secrets.rules {
        let Rule::Certificate { ca, lifetime, .. } = &generate.rule else { continue };
        match secrets.rules.get(ca) {
            Some(Generate { rule: Rule::Authority { lifetime: of_ca, .. }, span, .. }) => {
                if lifetime.days > of_ca.days {
                    let message =
                        format!("`{name}` would hold {} days, and `{ca}` holds {}", lifetime.days, of_ca.days);
                    let mistake =
                        Mistake::new("out-of-range", generate.span, message).label("longer than its authority");
                    log.push(mistake.also(*span, "its authority").help("give `days` less"));
                }
            }
            Some(other) => {
                let message = format!("`{ca}` is no certificate authority");
                let mistake = Mistake::new("unknown-name", generate.span, message).label("its `ca`");
                log.push(mistake.also(other.span, format!("this is `kind=\"{}\"`", other.rule.kind())));
            }
            None => {
                let message = format!("there is no certificate authority `{ca}`");
                let help = did_you_mean(ca.as_str(), known.iter().copied()).unwrap_or_else(|| {
                    format!(
                        "write generate \"{ca}\" kind=\"ca\" common-name=\"…\"; a certificate and key that were set by \
                         hand as `{ca}` and `{ca}.key` stay as they are"
                    )
                });
                log.push(Mistake::new("unknown-name", generate.span, message).label("its `ca`").help(help));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_names_its_secrets() {
        let text = "a={{ secret(\"x-y\") }} {{ secret ( 'z' ) | urlencode }} {{ my_secret('no') }} {{ secret(name) }} \
                    {{ self.secret('no') }} secret secret( secret('Not A Name') {{ secret(\"x-y\") }}";
        let names: Vec<String> = named(text).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["x-y", "z"]);
    }
}
