//! YAML and JSON documents: values that know where they were written, merged key by key.
//!
//! A stronger layer is a document too: mappings merge, anything else takes the place of what was there, and null removes
//! a key (JSON Merge Patch, RFC 7396).

mod json;
mod scalar;
#[cfg(test)]
mod tests;
mod write;
mod yaml;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) use scalar::is_word;
pub(super) use write::escaped_char;

use super::secret::{self, Op};
use super::{Malformed, Place};

/// How deep lists and mappings may nest: what is deeper is no configuration, and this keeps the stack whole.
pub const MAX_DEPTH: usize = 128;
/// How many values a document may have once its aliases are followed.
pub const MAX_NODES: usize = 200_000;

/// A value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`, `~`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as it is written: `010`, `1e400` and `0x1F` stay what they are.
    Number(String),
    /// A text.
    Text(String),
    /// A text that YAML 1.2 reads as such when it stands bare, and that is written bare again: programs that still read YAML 1.1
    /// take `no` or `12:30` for something else, and go on doing so.
    Word(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
}

/// A mapping, in the order in which it was written; a key stands once. `1` and `"1"` are two keys.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: Vec<(Value, Node)>,
    /// Where each key stands, by whether it is a text and what is written.
    index: BTreeMap<(bool, String), usize>,
}

/// Compares keys, values and their order.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Map {}

/// A value, where it was written, and its YAML tag where that is not one of the core schema.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub place: Place,
    /// `!vault`, `!!binary`
    tag: Option<String>,
}

/// Compares by value and tag, not by place.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.tag == other.tag
    }
}

impl Eq for Node {}

impl Value {
    /// The text of a scalar as a key or a number is named; none for null, lists and mappings.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Text(text) | Self::Word(text) => Some(text),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Null => Some("null"),
            Self::List(_) | Self::Map(_) => None,
        }
    }
}

impl Node {
    /// Joins a value with its place.
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place, tag: None }
    }

    /// The paths that the node, as a layer, removes.
    pub(super) fn removals(&self, path: &str, out: &mut BTreeSet<String>) {
        let Value::Map(map) = &self.value else { return };
        for (key, node) in map.iter() {
            let path = below(path, key);
            match node.value {
                Value::Null => {
                    out.insert(path);
                }
                _ => node.removals(&path, out),
            }
        }
    }
}

impl Map {
    /// A mapping without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys and their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Value, &Node)> {
        self.entries.iter().map(|(key, node)| (key, node))
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn id(key: &Value) -> (bool, String) {
        (matches!(key, Value::Text(_) | Value::Word(_)), key.name().unwrap_or_default().to_owned())
    }

    /// Where a key stands: the text itself, else the number or truth value that is written so.
    fn position(&self, key: &Value) -> Option<usize> {
        let (text, name) = Self::id(key);
        self.index.get(&(text, name.clone())).or_else(|| self.index.get(&(!text, name)).filter(|_| text)).copied()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let at = self.position(&Value::Text(key.to_owned()))?;
        self.entries.get(at).map(|(_, node)| node)
    }

    /// Adds a key behind the others, or gives back its value where the key is there already.
    pub fn insert(&mut self, key: Value, node: Node) -> Result<(), Node> {
        match self.index.entry(Self::id(&key)) {
            Entry::Occupied(_) => Err(node),
            Entry::Vacant(place) => {
                place.insert(self.entries.len());
                self.entries.push((key, node));
                Ok(())
            }
        }
    }

    fn remove(&mut self, at: usize) {
        self.entries.remove(at);
        self.index = self.entries.iter().enumerate().map(|(at, (key, _))| (Self::id(key), at)).collect();
    }
}

/// Which syntax a document has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// JSON (RFC 8259), without doubled keys.
    Json,
    /// YAML 1.2 with its core schema, one document, without doubled keys.
    Yaml,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    syntax: Syntax,
    root: Node,
}

/// A key that a stronger layer removes and that was not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The path of the key: `a.b`.
    pub path: String,
    /// The keys that stand where it was looked for.
    pub known: Vec<String>,
    /// Where the removal was written.
    pub place: Place,
}

impl Document {
    /// Reads a text. `name` is what messages call it.
    pub fn parse(syntax: Syntax, name: &Arc<str>, text: &str) -> Result<Self, Malformed> {
        let root = match syntax {
            Syntax::Json => json::parse(name, text)?,
            Syntax::Yaml => yaml::parse(name, text)?,
        };
        Ok(Self { syntax, root })
    }

    /// The syntax that it is read and written in.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// The value of the whole.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Puts a stronger layer on top: mappings merge by key, anything else replaces, null removes. Keys keep their order; new ones
    /// stand behind them, sorted. Gives the removals that found nothing.
    pub fn merge(&mut self, layer: &Node) -> Vec<Missing> {
        let mut missing = Vec::new();
        merge(&mut self.root, layer, "", &mut missing);
        missing
    }

    /// The text: comments and anchors are gone, the order of keys is kept.
    pub fn render(&self) -> String {
        match self.syntax {
            Syntax::Json => write::json(&self.root),
            Syntax::Yaml => write::yaml(&self.root),
        }
    }

    /// Every scalar and every empty list or mapping, with its path: `a.b[0].c`, `a."b.c"`.
    pub fn settings(&self) -> Vec<(String, String, &Place)> {
        let mut out = Vec::new();
        settings(&self.root, "", &mut out);
        out
    }
}

fn merge(base: &mut Node, layer: &Node, path: &str, missing: &mut Vec<Missing>) {
    let Value::Map(changes) = &layer.value else {
        *base = layer.clone();
        return;
    };
    if !matches!(base.value, Value::Map(_)) {
        *base = Node::new(Value::Map(Map::new()), layer.place.clone());
    }
    let Value::Map(own) = &mut base.value else { return };
    let mut new = Vec::new();
    for (key, change) in changes.iter() {
        let at = own.position(key);
        let path = below(path, key);
        match (at, &change.value) {
            (Some(at), Value::Null) => {
                own.remove(at);
            }
            (None, Value::Null) => {
                let known = own.iter().filter_map(|(key, _)| key.name().map(str::to_owned)).collect();
                missing.push(Missing { path, known, place: change.place.clone() });
            }
            (Some(at), _) => {
                if let Some((_, node)) = own.entries.get_mut(at) {
                    merge(node, change, &path, missing);
                }
            }
            (None, _) => {
                let mut node = Node::new(Value::Null, change.place.clone());
                // A new mapping has nothing to remove, and no null is set by an override.
                merge(&mut node, change, &path, missing);
                new.push((key.clone(), node));
            }
        }
    }
    new.sort_by(|(a, _), (b, _)| a.name().cmp(&b.name()));
    for (key, node) in new {
        // Two spellings of one new key (`1` and `"1"`) are two keys.
        let _ = own.insert(key, node);
    }
}

/// The text that stands between double quotes, where the secrets in it are escaped for them: the escape goes with the quotes.
fn unescaped(text: String) -> String {
    if secret::holds_marker(&text) { secret::without(&text, Op::Json) } else { text }
}

/// The path of a key below another.
fn below(path: &str, key: &Value) -> String {
    let name = key.name().unwrap_or("?");
    let bare = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/'));
    let dot = if path.is_empty() { "" } else { "." };
    if bare { format!("{path}{dot}{name}") } else { format!("{path}{dot}\"{}\"", name.escape_debug()) }
}

fn settings<'a>(node: &'a Node, path: &str, out: &mut Vec<(String, String, &'a Place)>) {
    match &node.value {
        Value::Map(map) if !map.is_empty() => {
            for (key, node) in map.iter() {
                settings(node, &below(path, key), out);
            }
        }
        Value::List(list) if !list.is_empty() => {
            for (index, node) in list.iter().enumerate() {
                let mut at = path.to_owned();
                let _ = write!(at, "[{index}]");
                settings(node, &at, out);
            }
        }
        Value::Map(_) => out.push((path.to_owned(), "{}".to_owned(), &node.place)),
        Value::List(_) => out.push((path.to_owned(), "[]".to_owned(), &node.place)),
        scalar => out.push((path.to_owned(), scalar.name().unwrap_or_default().to_owned(), &node.place)),
    }
}
