//! What one key says, for the podman that is there: a line where its generator has the key and reads the value as meant,
//! else the argument of podman that says the same, else a refusal.

use std::borrow::Cow;
use std::fmt;

use super::file::FileError;
use super::key::{Flag, Key, QuadletSection, Reading};
use super::quote;
use crate::version::PodmanVersion;

/// What a key is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Texts, each a value of its own; for [`Reading::Command`] the words.
    Texts(Vec<String>),
    /// Yes or no.
    Bool(bool),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// The key.
    pub key: Key,
    /// What it is set to.
    pub value: Value,
}

/// What must go into the unit for a saying: lines of its section, and arguments for PodmanArgs=.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said<'a> {
    /// Keys and values as the file has them.
    pub lines: Vec<(&'static str, Cow<'a, str>)>,
    /// Words for podman's command line, as they are meant.
    pub arguments: Vec<String>,
}

/// A meaning that has no text on the podman that is there. The unit's name is in it, the host's is for who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum Unsayable {
    /// A key that this podman does not have, and no argument that says the same.
    #[error("{unit}: `{key}` needs podman {needs}, and there is podman {has}")]
    #[diagnostic(help("update podman on the host, or leave out what needs `{key}`"))]
    Version {
        /// The unit's file.
        unit: String,
        /// The key, or what there is none for.
        key: String,
        /// The first podman that can say it.
        needs: PodmanVersion,
        /// The podman on the host.
        has: PodmanVersion,
    },
    /// A value that no quotes can hold.
    #[error("{unit}: `{key}` cannot hold `{}`: {why}", .text.escape_debug())]
    #[diagnostic(help("give it another value"))]
    Text {
        /// The unit's file.
        unit: String,
        /// The key.
        key: String,
        /// The value.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A line that no unit file can hold.
    #[error("{unit}: {error}")]
    Line {
        /// The unit's file.
        unit: String,
        /// What is wrong with it.
        error: FileError,
    },
    /// A key that podman has never had.
    #[error("{unit}: [{section}] has no key `{key}`")]
    Key {
        /// The unit's file.
        unit: String,
        /// The section.
        section: &'static str,
        /// The name.
        key: String,
    },
}

/// A text as a line has it; none where no line can hold it.
fn rewritten<'a>(text: Cow<'a, str>, write: impl Fn(&str) -> Option<Cow<'_, str>>) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => write(text),
        Cow::Owned(text) => write(&text).map(|line| Cow::Owned(line.into_owned())),
    }
}

impl Saying {
    fn text(&self, unit: &str, text: &str, why: &str) -> Unsayable {
        let (unit, key) = (unit.to_owned(), self.key.name.to_owned());
        Unsayable::Text { unit, key, text: text.to_owned(), why: why.to_owned() }
    }

    fn check(&self, unit: &str, version: PodmanVersion) -> Result<(), Unsayable> {
        let Value::Texts(texts) = &self.value else { return Ok(()) };
        let why = |text: &str| quote::unsayable(text).or_else(|| self.key.spoils(text, version));
        match texts.iter().find_map(|text| why(text).map(|why| (text, why))) {
            Some((text, why)) => Err(self.text(unit, text, why)),
            None => Ok(()),
        }
    }

    /// The arguments of podman that say it, for a command line that wharf writes itself. Keys that have none (they name a
    /// position, a unit, or what podman is told otherwise) are an error.
    pub fn flags(&self, unit: &str, version: PodmanVersion) -> Result<Vec<String>, Unsayable> {
        self.check(unit, version)?;
        let (since, words) = match (self.key.flag, &self.value) {
            (Flag::Value(flag, since), Value::Texts(texts)) => {
                (since, texts.iter().map(|text| format!("{flag}{}", self.key.item(text, version))).collect())
            }
            (Flag::Switch(flag, since), Value::Bool(true)) => (since, vec![flag.to_owned()]),
            (Flag::Switch(flag, since), Value::Bool(false)) => (since, vec![format!("{flag}=false")]),
            (Flag::When(flag, since), Value::Bool(true)) => (since, vec![flag.to_owned()]),
            (Flag::When(..), Value::Bool(false)) => (PodmanVersion::OLDEST, Vec::new()),
            _ => return Err(self.version(unit, version, self.key.since)),
        };
        if version < since { Err(self.version(unit, version, since)) } else { Ok(words) }
    }

    fn version(&self, unit: &str, has: PodmanVersion, needs: PodmanVersion) -> Unsayable {
        Unsayable::Version { unit: unit.to_owned(), key: self.key.name.to_owned(), needs, has }
    }

    /// What the file says for podman's generator.
    pub fn quadlet(&self, unit: &str, version: PodmanVersion) -> Result<Said<'_>, Unsayable> {
        self.check(unit, version)?;
        let count = if let Value::Texts(texts) = &self.value { texts.len() } else { 1 };
        let since = if count > 1 { self.key.many } else { self.key.since };
        if version >= since
            && let Some(said) = self.lines(unit, version)?
        {
            return Ok(said);
        }
        self.instead(unit, version, since)
    }

    /// The lines for each value; values that the reading cannot hold go to PodmanArgs. None where no line can say it.
    fn lines(&self, unit: &str, version: PodmanVersion) -> Result<Option<Said<'_>>, Unsayable> {
        let name = self.key.name;
        let texts = match &self.value {
            Value::Bool(yes) => {
                let word = if *yes { "true" } else { "false" };
                return Ok(Some(Said { lines: vec![(name, word.into())], ..Said::default() }));
            }
            Value::Texts(texts) => texts,
        };
        let mut said = Said::default();
        for text in texts {
            let item = self.key.item(text, version);
            let line = match self.key.reading {
                Reading::Command => {
                    said.lines = vec![(name, quote::arguments(texts).into())];
                    break;
                }
                Reading::One | Reading::Each | Reading::Bool => rewritten(item, quote::raw),
                Reading::Words => rewritten(item, quote::unescaped),
                Reading::Args | Reading::Pairs => Some(quote::arguments(&[item]).into()),
            };
            match line {
                Some(line) => said.lines.push((name, line)),
                None => {
                    let one = Self { key: self.key, value: Value::Texts(vec![text.clone()]) };
                    if matches!(self.key.flag, Flag::None) {
                        return Err(self.text(unit, text, "podman's generator would read it otherwise"));
                    }
                    said.arguments.extend(one.instead(unit, version, self.key.since)?.arguments);
                }
            }
        }
        Ok(Some(said))
    }

    fn instead(&self, unit: &str, version: PodmanVersion, key_since: PodmanVersion) -> Result<Said<'_>, Unsayable> {
        let arguments_since = Key::arguments_since(self.key.section);
        let flag_since = match self.key.flag {
            Flag::Value(_, since) | Flag::Switch(_, since) | Flag::When(_, since) => Some(since),
            Flag::None => None,
        };
        let needs = match (flag_since, arguments_since) {
            (Some(flag), Some(arguments)) if version >= key_since => flag.max(arguments),
            (Some(flag), Some(arguments)) => flag.max(arguments).min(key_since),
            _ => key_since,
        };
        if version < needs || flag_since.is_none() {
            return Err(self.version(unit, version, needs));
        }
        Ok(Said { lines: Vec::new(), arguments: self.flags(unit, version)? })
    }
}

/// What a unit says in one section, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sayings {
    unit: String,
    section: QuadletSection,
    list: Vec<Saying>,
}

impl Sayings {
    /// Nothing yet, for the unit of this name.
    pub fn new(unit: impl ToString, section: QuadletSection) -> Self {
        Self { unit: unit.to_string(), section, list: Vec::new() }
    }

    /// The unit's name.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The section.
    pub fn section(&self) -> QuadletSection {
        self.section
    }

    /// What is said, in order.
    pub fn list(&self) -> &[Saying] {
        &self.list
    }

    fn push(&mut self, name: &str, value: Value) -> Result<(), Unsayable> {
        let key = Key::find(self.section, name).ok_or_else(|| Unsayable::Key {
            unit: self.unit.clone(),
            section: self.section.as_str(),
            key: name.to_owned(),
        })?;
        self.list.push(Saying { key, value });
        Ok(())
    }

    /// Says a text before all that is said already.
    pub fn first(&mut self, name: &str, text: impl ToString) -> Result<(), Unsayable> {
        self.text(name, text)?;
        self.list.rotate_right(1);
        Ok(())
    }

    /// Says a text.
    pub fn text(&mut self, name: &str, text: impl ToString) -> Result<(), Unsayable> {
        self.one(name, text.to_string())
    }

    fn one(&mut self, name: &str, text: String) -> Result<(), Unsayable> {
        self.push(name, Value::Texts(vec![text]))
    }

    fn many(&mut self, name: &str, texts: Vec<String>) -> Result<(), Unsayable> {
        if texts.is_empty() { Ok(()) } else { self.push(name, Value::Texts(texts)) }
    }

    /// Says a text where there is one.
    pub fn maybe<T: ToString>(&mut self, name: &str, text: Option<&T>) -> Result<(), Unsayable> {
        text.map_or(Ok(()), |text| self.one(name, text.to_string()))
    }

    /// Says texts; nothing where there are none.
    pub fn texts<T: ToString>(&mut self, name: &str, texts: impl IntoIterator<Item = T>) -> Result<(), Unsayable> {
        self.many(name, texts.into_iter().map(|text| text.to_string()).collect())
    }

    /// Says `NAME=VALUE` for each.
    pub fn pairs<'a, V: fmt::Display + 'a>(
        &mut self,
        name: &str,
        pairs: impl IntoIterator<Item = (&'a String, &'a V)>,
    ) -> Result<(), Unsayable> {
        self.many(name, pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect())
    }

    /// Says yes or no.
    pub fn switch(&mut self, name: &str, on: bool) -> Result<(), Unsayable> {
        self.push(name, Value::Bool(on))
    }

    /// Arguments of podman for which there never was a key.
    pub fn argument(&mut self, argument: impl Into<String>) -> Result<(), Unsayable> {
        self.one("PodmanArgs", argument.into())
    }
}
