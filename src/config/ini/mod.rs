//! INI files: sections of keys, each with one or more values.
//!
//! [`Dialect::Oslo`] is what oslo.config reads (its `oslo_config/iniparser.py`); [`Dialect::Plain`] is what most other
//! programs agree on.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use super::{Layered, Malformed, Place};

/// Which rules an INI file follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// oslo.config: every key in a section and with a value, quotes around a value taken off, section names alike
    /// whatever their case (but for `DEFAULT`).
    Oslo,
    /// Keys may stand before the first section and without `=`; values are as written; names are told apart by case.
    Plain,
}

impl Dialect {
    /// What all names of one section have in common (oslo.config: `_normalize_group_name`).
    fn section_id(self, name: &str) -> String {
        match self {
            Self::Oslo if name != "DEFAULT" => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }

    /// Whether two names mean the same section.
    fn same_section(self, a: &str, b: &str) -> bool {
        a == b || self.section_id(a) == self.section_id(b)
    }
}

/// An INI file: sections in the order of their first appearance, in each its keys likewise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ini {
    dialect: Dialect,
    sections: Vec<Section>,
}

/// A section. The name is empty for what stands before the first one ([`Dialect::Plain`] only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    name: String,
    options: Vec<Opt>,
}

/// A key and all its values in their order; never without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opt {
    key: String,
    values: Vec<Layered<Option<String>>>,
}

/// What a stronger layer says of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The section; empty for what stands before the first one.
    pub section: String,
    /// The key.
    pub key: String,
    /// The values that take the place of all that the key had; none removes the key.
    pub values: Vec<Layered<Option<String>>>,
    /// Where the change was written.
    pub place: Place,
}

/// A name or a value that no line of the dialect says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {why}")]
pub struct Unsayable {
    /// The name or value, as a person reads it.
    pub what: String,
    /// Why not.
    pub why: &'static str,
    /// Where it was written.
    pub place: Place,
}

impl Section {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The keys, in order.
    pub fn options(&self) -> &[Opt] {
        &self.options
    }
}

impl Opt {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The values, in order; a value is none where the key stands alone on its line.
    pub fn values(&self) -> &[Layered<Option<String>>] {
        &self.values
    }
}

impl Ini {
    /// A file without a section.
    pub fn empty(dialect: Dialect) -> Self {
        Self { dialect, sections: Vec::new() }
    }

    /// Reads a text. `name` is what messages call it.
    pub fn parse(dialect: Dialect, name: &Arc<str>, text: &str) -> Result<Self, Malformed> {
        read::parse(dialect, name, text)
    }

    /// The rules that it follows.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The sections, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// A section by its name, as the dialect tells names apart.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|own| self.dialect.same_section(&own.name, name))
    }

    /// The values of a key; none where it is not set.
    pub fn get(&self, section: &str, key: &str) -> Option<&[Layered<Option<String>>]> {
        let section = self.section(section)?;
        section.options.iter().find(|option| option.key == key).map(Opt::values)
    }

    /// The file as a layer above others: a change for each of its keys.
    pub fn changes(&self) -> Vec<Change> {
        let of = |section: &Section, option: &Opt| {
            let place = option.values.first()?.place.clone();
            let (section, key) = (section.name.clone(), option.key.clone());
            Some(Change { section, key, values: option.values.clone(), place })
        };
        let all = self.sections.iter().flat_map(|section| section.options.iter().map(move |option| (section, option)));
        all.filter_map(|(section, option)| of(section, option)).collect()
    }

    /// Says whether the dialect has a line for the change.
    fn sayable(&self, change: &Change) -> Result<(), Unsayable> {
        write::section(self.dialect, &change.section).map_err(|why| Unsayable {
            what: format!("the section name `{}`", change.section.escape_debug()),
            why,
            place: change.place.clone(),
        })?;
        write::key(self.dialect, &change.key).map_err(|why| Unsayable {
            what: format!("the key `{}`", change.key.escape_debug()),
            why,
            place: change.place.clone(),
        })?;
        for value in &change.values {
            write::value(self.dialect, value.value.as_deref()).map_err(|why| Unsayable {
                what: format!("the value of `{}`", change.key),
                why,
                place: value.place.clone(),
            })?;
        }
        Ok(())
    }

    /// Puts a stronger layer on top: a key that it names gets its values in place of all those it had, a key
    /// without values goes, what is new stands behind the rest. Gives whether anything is otherwise now.
    pub fn apply(&mut self, change: &Change) -> Result<bool, Unsayable> {
        self.sayable(change)?;
        let dialect = self.dialect;
        let section = self.sections.iter_mut().find(|own| dialect.same_section(&own.name, &change.section));
        let option = |values| Opt { key: change.key.clone(), values };
        let Some(section) = section else {
            if change.values.is_empty() {
                return Ok(false);
            }
            let new = Section { name: change.section.clone(), options: vec![option(change.values.clone())] };
            // What has no section can only stand before the first.
            let at = if new.name.is_empty() { 0 } else { self.sections.len() };
            self.sections.insert(at, new);
            return Ok(true);
        };
        let own = section.options.iter().position(|option| option.key == change.key);
        let own = own.and_then(|at| section.options.get_mut(at).map(|option| (at, option)));
        match own {
            Some((at, _)) if change.values.is_empty() => {
                section.options.remove(at);
                Ok(true)
            }
            Some((_, own)) => {
                let other = own.values != change.values;
                own.values.clone_from(&change.values);
                Ok(other)
            }
            None if change.values.is_empty() => Ok(false),
            None => {
                section.options.push(option(change.values.clone()));
                Ok(true)
            }
        }
    }

    /// The text: comments are gone, values of a key stand together.
    pub fn render(&self) -> String {
        write::render(self)
    }

    /// Every value with the key as `[section] key`, in the order of the file.
    pub fn settings(&self) -> impl Iterator<Item = (String, &Layered<Option<String>>)> {
        self.sections.iter().flat_map(|section| {
            section.options.iter().flat_map(move |option| {
                let at = match section.name.as_str() {
                    "" => option.key.clone(),
                    name => format!("[{name}] {}", option.key),
                };
                option.values.iter().map(move |value| (at.clone(), value))
            })
        })
    }
}
