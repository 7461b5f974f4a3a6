//! Which secrets the services of an estate use, and how they are made.

use std::collections::BTreeMap;

use crate::name::SecretName;
use crate::spec::{Log, Mistake, Span, did_you_mean};

use super::super::{ConfigContent, Generate, Rule, SecretUser, Secrets, Service};
use super::{Ground, Placed};

/// Gathers them, and reports rules that cannot be kept.
pub(super) fn gather(ground: &Ground<'_>, placed: &Placed, log: &mut Log) -> Secrets {
    let mut services: Vec<&Service> =
        placed.groups.values().filter_map(|group| ground.services.get(&group.service)).collect();
    services.sort_by_key(|service| &service.name);
    services.dedup_by_key(|service| &service.name);
    let mut secrets = Secrets { rules: ground.estate.generates.clone(), uses: BTreeMap::new() };
    let mut said: BTreeMap<&SecretName, &Generate> = BTreeMap::new();
    for service in &services {
        uses(service, &mut secrets.uses);
        for (name, generate) in &service.generates {
            // What the estate says is for all of its services.
            if ground.estate.generates.contains_key(name) {
                continue;
            }
            match said.insert(name, generate) {
                Some(first) if first.rule != generate.rule => {
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
    pairs(&secrets, log);
    authorities(&secrets, log);
    secrets
}

fn uses(service: &Service, uses: &mut BTreeMap<SecretName, Vec<SecretUser>>) {
    let mut add = |name: &SecretName, span: Span| {
        uses.entry(name.clone()).or_default().push(SecretUser { service: service.name.clone(), span });
    };
    for (name, used) in &service.secrets {
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
            Some(Generate { rule: Rule::Authority { lifetime: of_ca, .. }, span }) => {
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
