//! minijinja's errors as mistakes of a person: where, what, and the nearest right name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::filter::{Advice, BUILTIN, FUNCTIONS, OWN};
use super::{Context, Fault};
use crate::spec::did_you_mean;

/// How many keys of a context are looked at for the nearest name.
const MAX_NAMES: usize = 10_000;

pub(super) struct Reporter<'a> {
    pub texts: &'a BTreeMap<String, Arc<str>>,
    pub context: &'a Context,
}

impl Reporter<'_> {
    /// The mistake behind an error of the template `name`.
    pub(super) fn error(&self, error: &Error, name: &str) -> Fault {
        // An include wraps the error of what it includes: the innermost says what is wrong, the others how one got there.
        let mut way = Vec::new();
        let mut inner = error;
        while let Some(next) = std::error::Error::source(inner).and_then(|source| source.downcast_ref::<Error>()) {
            way.push(format!("{}:{}", inner.name().unwrap_or(name), inner.line().unwrap_or(1)));
            inner = next;
        }
        let advice = std::error::Error::source(inner).and_then(|source| source.downcast_ref::<Advice>());
        let (code, message, help) = self.words(inner);
        let help = advice.map(|advice| advice.0.clone()).or(help);
        let path = (!way.is_empty()).then(|| format!("included from {}", way.join(", ")));
        let lines: Vec<String> = help.into_iter().chain(path).collect();
        let help = (!lines.is_empty()).then(|| lines.join("\n"));
        let template = inner.name().unwrap_or(name);
        let Some(text) = self.texts.get(template) else { return Fault::nowhere(code, message).help(help) };
        Fault::at(code, message, template, text, range(inner, text)).label("").help(help)
    }

    fn words(&self, error: &Error) -> (&'static str, String, Option<String>) {
        let detail = error.detail().unwrap_or("");
        let quoted = || detail.split('`').nth(1).unwrap_or("");
        let either = |otherwise: &str| if detail.is_empty() { otherwise.to_owned() } else { detail.to_owned() };
        match error.kind() {
            ErrorKind::UndefinedError => ("undefined", either("an undefined value is used"), self.near(quoted())),
            ErrorKind::UnknownFilter => {
                let word = detail.split_whitespace().nth(1).unwrap_or("");
                let known = BUILTIN.iter().chain(&OWN).copied();
                ("unknown-filter", format!("no filter is named `{word}`"), did_you_mean(word, known))
            }
            ErrorKind::UnknownTest => ("unknown-test", detail.to_owned(), None),
            ErrorKind::UnknownFunction => {
                let word = detail.split_whitespace().next().unwrap_or("");
                let known = self.names();
                let known = known.iter().map(String::as_str).chain(FUNCTIONS);
                ("unknown-function", format!("no function is named `{word}`"), did_you_mean(word, known))
            }
            ErrorKind::TemplateNotFound => {
                let word = detail.split(['"', '\'']).nth(1).unwrap_or("");
                let near = did_you_mean(word, self.texts.keys().map(String::as_str));
                let help = near.unwrap_or_else(|| "templates lie below `templates/`".to_owned());
                ("no-template", format!("there is no template `{word}`"), Some(help))
            }
            ErrorKind::SyntaxError => ("template-syntax", either("the template cannot be read"), None),
            ErrorKind::OutOfFuel => {
                ("template-work", "the template takes more steps than a configuration file may".to_owned(), None)
            }
            kind => ("template", either(&kind.to_string()), None),
        }
    }

    fn names(&self) -> BTreeSet<String> {
        keys(&self.context.value)
    }

    /// The nearest name to an undefined expression: among its siblings, else among all names of the context.
    fn near(&self, expression: &str) -> Option<String> {
        let (parent, word) = match (expression.strip_suffix("\"]"), expression.rsplit_once('.')) {
            (Some(indexed), _) => indexed.rsplit_once("[\"").map(|(parent, word)| (Some(parent), word))?,
            (None, _) if expression.ends_with(']') => return None,
            (None, Some((parent, word))) => (Some(parent), word),
            (None, None) => (None, expression),
        };
        let Some(parent) = parent else {
            let names = self.names();
            return did_you_mean(word, names.iter().map(String::as_str).chain(FUNCTIONS));
        };
        let mut value = self.context.value.clone();
        for part in parent.split('.') {
            value = value.get_attr(part).unwrap_or_default();
        }
        let siblings = keys(&value);
        if siblings.is_empty() {
            let mut all = BTreeSet::new();
            all_keys(&self.context.value, &mut all, 0);
            self.context.names.members.values().for_each(|value| all_keys(value, &mut all, 0));
            did_you_mean(word, all.iter().map(String::as_str))
        } else {
            let all = siblings.iter().take(12).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let more = if siblings.len() > 12 { ", …" } else { "" };
            did_you_mean(word, siblings.iter().map(String::as_str)).or(Some(format!("`{parent}` has {all}{more}")))
        }
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    if value.kind() != ValueKind::Map {
        return BTreeSet::new();
    }
    value.try_iter().into_iter().flatten().map(|key| key.to_string()).collect()
}

fn all_keys(value: &Value, out: &mut BTreeSet<String>, depth: usize) {
    if depth > 16 || out.len() > MAX_NAMES {
        return;
    }
    let map = value.kind() == ValueKind::Map;
    if !map && value.kind() != ValueKind::Seq {
        return;
    }
    for item in value.try_iter().into_iter().flatten() {
        if map {
            out.insert(item.to_string());
            all_keys(&value.get_item(&item).unwrap_or_default(), out, depth + 1);
        } else {
            all_keys(&item, out, depth + 1);
        }
    }
}

/// The bytes that an error is about, else its line.
fn range(error: &Error, text: &str) -> std::ops::Range<usize> {
    if let Some(range) = error.range().filter(|range| !range.is_empty() && text.get(range.clone()).is_some()) {
        let part = text.get(range.clone()).unwrap_or("");
        let line = part.find('\n').unwrap_or(part.len());
        return range.start..range.start + line.max(1);
    }
    let before = error.line().unwrap_or(1).saturating_sub(2);
    let start = match error.line() {
        None | Some(0 | 1) => 0,
        Some(_) => text.match_indices('\n').nth(before).map_or(text.len(), |(at, _)| at + 1),
    };
    let line = text.get(start..).unwrap_or("").split('\n').next().unwrap_or("");
    let blank = line.len() - line.trim_start().len();
    start + blank..start + line.trim_end().len().max(blank)
}
