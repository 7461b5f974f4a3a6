//! KDL nodes with a span on every value.

use super::{Span, Spanned};

/// A KDL node. Compares by what it says, not by where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: Spanned<String>,
    /// The type annotation in front of it: `replace` of `(replace)image "x"`.
    pub mark: Option<Spanned<String>>,
    /// Positional values, in order.
    pub arguments: Vec<Value>,
    /// `name=value`, in order; a name may stand twice, which readers refuse.
    pub properties: Vec<Property>,
    /// What stands between its braces.
    pub children: Vec<Node>,
    /// From its name to its last value, without the children.
    pub span: Span,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.mark == other.mark
            && self.arguments == other.arguments
            && self.properties == other.properties
            && self.children == other.children
    }
}

/// `name=value`
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// The name.
    pub name: Spanned<String>,
    /// The value.
    pub value: Value,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Value {
    /// The value.
    pub scalar: Scalar,
    /// The value as it is written, quotes included.
    pub span: Span,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.scalar == other.scalar
    }
}

/// What KDL 2 has for values.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `"text"` or `text`
    Text(String),
    /// `5000`, `0x0303`
    Integer(i128),
    /// `1.5`
    Float(f64),
    /// `#true`
    Bool(bool),
    /// `#null`
    Null,
}

impl Scalar {
    /// What kind of value it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a fraction",
            Self::Bool(_) => "a truth value",
            Self::Null => "nothing",
        }
    }
}

impl Value {
    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.scalar {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `#null`.
    pub fn is_null(&self) -> bool {
        self.scalar == Scalar::Null
    }
}

impl Node {
    /// The first argument as text: the key of nodes that have one.
    pub fn key(&self) -> Option<&str> {
        self.arguments.first().and_then(Value::as_text)
    }

    /// A property by name; the last where it stands twice.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties.iter().rev().find(|property| *property.name == name).map(|property| &property.value)
    }

    /// Whether `test` holds for any text in it or below it.
    pub fn any_text(&self, test: &impl Fn(&str) -> bool) -> bool {
        let here = self.arguments.iter().chain(self.properties.iter().map(|property| &property.value));
        here.filter_map(Value::as_text).any(test) || self.children.iter().any(|child| child.any_text(test))
    }

    /// Changes every value in it and below it.
    pub fn for_each_value(&mut self, change: &mut impl FnMut(&mut Value)) {
        self.arguments.iter_mut().for_each(&mut *change);
        self.properties.iter_mut().for_each(|property| change(&mut property.value));
        self.children.iter_mut().for_each(|child| child.for_each_value(change));
    }
}
