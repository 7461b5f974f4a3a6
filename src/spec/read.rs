//! Reading typed values out of a node: what was asked for is known, the rest is reported as unknown.

use super::{Mistake, Node, Scalar, Span, Value, did_you_mean};

/// Where mistakes are collected.
pub type Log = Vec<Mistake>;

/// A type that a value can be read as.
pub trait FromValue: Sized {
    /// Reads it; the mistake says what was expected instead.
    fn from_value(value: &Value) -> Result<Self, Mistake>;
}

/// The mistake of a value of the wrong kind.
pub(super) fn wrong_kind(value: &Value, expected: &str) -> Mistake {
    Mistake::new("wrong-type", value.span, format!("expected {expected}, found {}", value.scalar.kind()))
        .label(format!("should be {expected}"))
}

/// Reads a text through `parse`; its error becomes the mistake's message.
pub fn from_text<T, E: std::fmt::Display>(
    value: &Value,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Mistake> {
    let text = value.as_text().ok_or_else(|| wrong_kind(value, expected))?;
    parse(text)
        .map_err(|error| Mistake::new("bad-value", value.span, error.to_string()).label(format!("not {}", expected)))
}

/// Reads a whole number within bounds.
pub fn integer(value: &Value, low: i128, high: i128) -> Result<i128, Mistake> {
    match value.scalar {
        Scalar::Integer(number) if (low..=high).contains(&number) => Ok(number),
        Scalar::Integer(number) => Err(Mistake::new(
            "out-of-range",
            value.span,
            format!("{number} is out of range: {low} to {high} is allowed"),
        )
        .label(format!("should be {low} to {high}"))),
        _ => Err(wrong_kind(value, "a whole number")),
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        value.as_text().map(str::to_owned).ok_or_else(|| wrong_kind(value, "a text"))
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self, Mistake> {
        match value.scalar {
            Scalar::Bool(truth) => Ok(truth),
            _ => Err(wrong_kind(value, "#true or #false")),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Result<Self, Mistake> {
                let number = integer(value, <$type>::MIN.into(), <$type>::MAX.into())?;
                Self::try_from(number).map_err(|error| Mistake::new("out-of-range", value.span, error.to_string()))
            }
        }
    )*};
}
integers!(u16, u32, i32);

macro_rules! texts {
    ($($type:ty = $what:literal),* $(,)?) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Result<Self, Mistake> {
                from_text(value, $what, str::parse)
            }
        }
    )*};
}
texts!(
    crate::name::ImageName = "an image name",
    crate::name::DistroName = "a distro name",
    crate::name::ArchName = "an arch name",
    crate::name::PackageName = "a package name",
    crate::name::AccountName = "an account name",
    crate::name::TreeName = "a tree name",
    crate::name::ServiceName = "a service name",
    crate::name::EstateName = "an estate name",
    crate::name::HostName = "a host name",
    crate::name::CellName = "a cell name",
    crate::name::RoleName = "a role name",
    crate::name::NetworkName = "a network name",
    crate::name::CapabilityName = "a capability",
    crate::name::ReleaseName = "a release",
    crate::name::SecretName = "a secret's name",
    crate::name::VolumeName = "a volume name",
    std::net::IpAddr = "an address",
    crate::path::ImagePath = "an absolute path",
    crate::digest::Digest = "a sha256 digest",
);

/// Reads one node.
#[derive(Debug)]
pub struct Reader<'a, 'l> {
    node: &'a Node,
    next: usize,
    properties: Vec<&'static str>,
    children: bool,
    log: &'l mut Log,
}

impl<'a, 'l> Reader<'a, 'l> {
    /// Begins with a node.
    pub fn new(node: &'a Node, log: &'l mut Log) -> Self {
        Self { node, next: 0, properties: Vec::new(), children: false, log }
    }

    /// The node.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// From its name to its last value.
    pub fn span(&self) -> Span {
        self.node.span
    }

    /// Where mistakes go.
    pub fn log(&mut self) -> &mut Log {
        self.log
    }

    /// Reports a mistake.
    pub fn mistake(&mut self, mistake: Mistake) {
        self.log.push(mistake);
    }

    /// A value read as a type, its mistake reported.
    pub fn read<T: FromValue>(&mut self, value: &Value) -> Option<T> {
        T::from_value(value).map_err(|mistake| self.log.push(mistake)).ok()
    }

    /// The next argument, where there is one.
    pub fn optional_value(&mut self) -> Option<&'a Value> {
        let value = self.node.arguments.get(self.next)?;
        self.next += 1;
        Some(value)
    }

    /// The next argument; one that lacks is a mistake. `what` says what it is: `a path`.
    pub fn value(&mut self, what: &str) -> Option<&'a Value> {
        let value = self.optional_value();
        if value.is_none() {
            let message = format!("`{}` needs {what}", *self.node.name);
            self.log.push(Mistake::new("missing", self.node.span, message).label(format!("{what} expected")));
        }
        value
    }

    /// The next argument as a type.
    pub fn argument<T: FromValue>(&mut self, what: &str) -> Option<T> {
        let value = self.value(what)?;
        self.read(value)
    }

    /// The next argument as a type, where there is one.
    pub fn optional_argument<T: FromValue>(&mut self) -> Option<T> {
        let value = self.optional_value()?;
        self.read(value)
    }

    /// All further arguments.
    pub fn rest(&mut self) -> &'a [Value] {
        let rest = self.node.arguments.get(self.next..).unwrap_or_default();
        self.next = self.node.arguments.len();
        rest
    }

    /// All further arguments as a type. None at all is a mistake: `what` says what they are.
    pub fn arguments<T: FromValue>(&mut self, what: &str) -> Vec<T> {
        let first = self.value(what);
        let rest = self.rest();
        first.into_iter().chain(rest).filter_map(|value| self.read(value)).collect()
    }

    /// A property's value.
    pub fn property_value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.properties.push(name);
        self.node.property(name)
    }

    /// A property as a type.
    pub fn property<T: FromValue>(&mut self, name: &'static str) -> Option<T> {
        let value = self.property_value(name)?;
        self.read(value)
    }

    /// A property that must be there. `example` shows it: `reason="…"`.
    pub fn required<T: FromValue>(&mut self, name: &'static str, example: &str) -> Option<T> {
        let value = self.property_value(name);
        if value.is_none() {
            let message = format!("`{}` needs the property `{name}`", *self.node.name);
            self.log.push(
                Mistake::new("missing", self.node.span, message)
                    .label(format!("`{name}` is missing"))
                    .help(format!("write {example}")),
            );
        }
        self.read(value?)
    }

    /// All properties: for nodes whose property names are the person's own, as `env`.
    pub fn any_properties(&mut self) -> &'a [super::Property] {
        for property in &self.node.properties {
            // Known from now on; only their values are judged.
            let twice = self.node.properties.iter().filter(|other| *other.name == *property.name).count() > 1;
            if twice {
                self.log.push(twice_given(property));
            }
        }
        self.properties.clear();
        self.properties.push("*");
        &self.node.properties
    }

    /// The children, each of which must be one of `known`; others are reported and left out.
    pub fn children(&mut self, known: &[&'static str]) -> Vec<&'a Node> {
        self.children = true;
        let (good, bad): (Vec<_>, Vec<_>) =
            self.node.children.iter().partition(|child| known.contains(&child.name.value.as_str()));
        for child in bad {
            self.log.push(unknown_child(child, &self.node.name, known.iter().copied()));
        }
        good
    }

    /// The children as they are, for others to judge.
    pub fn any_children(&mut self) -> &'a [Node] {
        self.children = true;
        &self.node.children
    }

    /// Reports all that nobody asked for.
    pub fn finish(self) {
        let name = &*self.node.name;
        for value in self.node.arguments.get(self.next..).unwrap_or_default() {
            let message = match self.next {
                0 => format!("`{name}` takes no argument"),
                1 => format!("`{name}` takes one argument"),
                count => format!("`{name}` takes {count} arguments"),
            };
            self.log.push(Mistake::new("extra-argument", value.span, message).label("one too many"));
        }
        if self.properties != ["*"] {
            for (at, property) in self.node.properties.iter().enumerate() {
                if !self.properties.contains(&property.name.value.as_str()) {
                    let known = self.properties.iter().copied();
                    let message = format!("unknown property `{}` of `{name}`", *property.name);
                    let help = did_you_mean(&property.name, known.clone()).or_else(|| {
                        let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
                        (!known.is_empty()).then(|| format!("`{name}` knows {}", known.join(", ")))
                    });
                    let mistake = Mistake::new("unknown-property", property.name.span, message);
                    self.log.push(mistake.label("not known here").help_if(help));
                } else if self.node.properties.iter().take(at).any(|other| *other.name == *property.name) {
                    self.log.push(twice_given(property));
                }
            }
        }
        if !self.children {
            for child in &self.node.children {
                let message = format!("`{name}` holds no other nodes");
                self.log.push(Mistake::new("unknown-node", child.name.span, message).label("nothing may stand here"));
            }
        }
    }
}

fn twice_given(property: &super::Property) -> Mistake {
    let message = format!("the property `{}` is given twice", *property.name);
    Mistake::new("duplicate", property.name.span, message).label("once is enough")
}

/// The mistake of a node that nobody knows there.
pub fn unknown_child<'a>(child: &Node, parent: &str, known: impl Iterator<Item = &'a str> + Clone) -> Mistake {
    let help = did_you_mean(&child.name, known.clone()).or_else(|| {
        let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
        (!known.is_empty() && known.len() <= 12).then(|| format!("known here: {}", known.join(", ")))
    });
    Mistake::new("unknown-node", child.name.span, format!("unknown node `{}` in `{parent}`", *child.name))
        .label("not known here")
        .help_if(help)
}
