//! `${name}`: what a name stands for at a place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::text::escaped;
use crate::spec::{Expansion, Log, Mistake, Node, Scalar, Span, Value, did_you_mean, expand, has_reference};

/// Names that every image has without a `let`.
pub(super) const BUILT_IN: [&str; 7] = ["arch", "debian-arch", "distro", "image", "oci-arch", "triplet", "version"];

/// Names that have a value only where a service runs. `port.NAME`, `needs.NAME.host` and `vars.NAME` are others.
pub(super) const MEMBER: [&str; 8] = ["address", "cell", "estate", "host", "index", "name", "port", "service"];

/// Why a text cannot be expanded.
struct Unknown {
    message: String,
    help: Option<String>,
}

impl<T: Into<String>> From<T> for Unknown {
    fn from(message: T) -> Self {
        Self { message: message.into(), help: None }
    }
}

/// Names that have a value only where a need is granted, in the `grant` of a `provides`.
const GRANT: [&str; 2] = ["need.name", "need.user"];

/// What names stand for.
pub(super) struct Scope<'a> {
    /// The image's own `let`s.
    pub own: BTreeMap<&'a str, &'a Value>,
    /// Top-level `let`s, by folder.
    pub top: &'a BTreeMap<usize, BTreeMap<String, Value>>,
    /// Built-ins; those that lack have no value here.
    pub built_in: BTreeMap<&'static str, String>,
    /// Which folder a text belongs to.
    pub owner: &'a dyn Fn(Span) -> usize,
}

impl Scope<'_> {
    fn lookup(&self, name: &str, at: Span, keep: bool, inside: &mut Vec<String>) -> Result<Expansion, Unknown> {
        if name == "version" {
            return match keep {
                true => Ok(Expansion::Keep),
                false => Err("`${version}` is known only when packages are chosen: it may stand in `summary`, \
                              `env` and `label`"
                    .into()),
            };
        }
        if let Some(text) = self.built_in.get(name) {
            return Ok(Expansion::Text(text.clone()));
        }
        let top = self.top.get(&(self.owner)(at));
        let value = self.own.get(name).copied().or_else(|| top.and_then(|top| top.get(name)));
        let Some(value) = value else {
            let names = self.own.keys().copied().chain(top.into_iter().flatten().map(|(name, _)| name.as_str()));
            let near = did_you_mean(name, names.chain(BUILT_IN));
            let near = near.unwrap_or_else(|| format!("write `$${{{name}}}` where the text itself is meant"));
            return Err(Unknown { message: format!("unknown variable `{name}`"), help: Some(near) });
        };
        let text = match &value.scalar {
            Scalar::Text(text) => text.clone(),
            Scalar::Integer(number) => number.to_string(),
            other => return Err(format!("`{name}` is {}, not a text", other.kind()).into()),
        };
        if inside.iter().any(|other| other == name) {
            inside.push(name.to_owned());
            return Err(format!("`{name}` is made of itself: {}", inside.join(" → ")).into());
        }
        inside.push(name.to_owned());
        let text = expand(&text, |reference| self.lookup(reference.name, value.span, keep, inside))?;
        inside.pop();
        Ok(Expansion::Text(text))
    }

    /// The node with every text a template in which only what a service's host knows is left to fill in.
    pub fn template<'n>(&self, node: Cow<'n, Node>, log: &mut Log) -> Option<Cow<'n, Node>> {
        if !node.any_text(&|text| text.contains("${")) {
            return Some(node);
        }
        let before = log.len();
        let grants = node.name.value == "provides";
        let mut node = node.into_owned();
        node.for_each_value(&mut |value| {
            let at = value.span;
            let Scalar::Text(text) = &mut value.scalar else { return };
            if !has_reference(text) {
                return;
            }
            let lookup = |name: &str| {
                let known = MEMBER.contains(&name) || (grants && GRANT.contains(&name));
                if known || ["port.", "needs.", "vars."].iter().any(|start| name.starts_with(start)) {
                    return Ok(Expansion::Keep);
                }
                match self.lookup(name, at, false, &mut Vec::new())? {
                    Expansion::Text(text) => Ok(Expansion::Text(escaped(&text))),
                    Expansion::Keep => Ok(Expansion::Keep),
                }
            };
            // An escape stays one.
            let doubled = text.replace("$${", "$$${");
            match expand(&doubled, |reference| lookup(reference.name)) {
                Ok(expanded) => *text = expanded,
                Err(Unknown { message, help }) => {
                    log.push(Mistake::new("variable", at, message).label("in this text").help_if(help));
                }
            }
        });
        (log.len() == before).then_some(Cow::Owned(node))
    }

    /// The node with every text expanded; none where that is impossible.
    pub fn expand<'n>(&self, node: Cow<'n, Node>, log: &mut Log) -> Option<Cow<'n, Node>> {
        if !node.any_text(&has_reference) {
            return Some(node);
        }
        let before = log.len();
        let keep = matches!(node.name.value.as_str(), "summary" | "env" | "label");
        let mut node = node.into_owned();
        node.for_each_value(&mut |value| {
            let at = value.span;
            if let Scalar::Text(text) = &mut value.scalar
                && has_reference(text)
            {
                // The build could not tell it from the reference.
                let expanded = match keep && text.contains("$${version}") {
                    true => Err("here `${version}` is always the version; the text itself cannot be written".into()),
                    false => expand(text, |reference| self.lookup(reference.name, at, keep, &mut Vec::new())),
                };
                match expanded {
                    Ok(expanded) => *text = expanded,
                    Err(Unknown { message, help }) => {
                        log.push(Mistake::new("variable", at, message).label("in this text").help_if(help));
                    }
                }
            }
        });
        (log.len() == before).then_some(Cow::Owned(node))
    }
}
