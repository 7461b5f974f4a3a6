//! How nodes of one name combine when a spec is extended: adding, merging by key, or one value only.

use crate::spec::Node;

/// How nodes of one name combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value: the stronger replaces the weaker.
    Scalar,
    /// All of them, order without meaning.
    List,
    /// All of them, in order: only one extend may add any.
    Ordered,
    /// One a key (the first argument); properties and children merge.
    Keyed,
    /// Properties are the keys, as of `env`.
    Map,
    /// Properties are the keys, or the first argument is the key of all that follows, as of `var`.
    Values,
    /// All of them, the stronger later; what two of one strength change must be the same, as of `override`.
    Layers,
}

/// Which kind of node holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Image,
    Distro,
    Archive,
    Arch,
    Service,
    Estate,
    Cell,
    HostNode,
    Changes,
}

/// Nodes of an image that are not subject to conditions and whose texts are not expanded.
pub(super) const HEAD: [&str; 6] = ["from", "tier", "support", "deprecated", "unbuildable", "build-for"];

/// Every node that an image knows, with its shape.
pub(super) const IMAGE: [(&str, Shape); 34] = [
    ("from", Shape::Scalar),
    ("summary", Shape::Scalar),
    ("tier", Shape::Scalar),
    ("support", Shape::List),
    ("deprecated", Shape::Scalar),
    ("unbuildable", Shape::List),
    ("build-for", Shape::List),
    ("packages", Shape::List),
    ("pin", Shape::List),
    ("account", Shape::Keyed),
    ("tree", Shape::List),
    ("dir", Shape::Keyed),
    ("file", Shape::Keyed),
    ("link", Shape::Keyed),
    ("attr", Shape::Keyed),
    ("omit", Shape::List),
    ("script", Shape::Keyed),
    ("env", Shape::Map),
    ("expose", Shape::List),
    ("volume", Shape::List),
    ("user", Shape::Scalar),
    ("workdir", Shape::Scalar),
    ("label", Shape::Map),
    ("entrypoint", Shape::Scalar),
    ("command", Shape::Scalar),
    ("stop-signal", Shape::Scalar),
    ("health", Shape::Scalar),
    ("test", Shape::Keyed),
    ("version-from", Shape::Scalar),
    ("versions", Shape::Scalar),
    ("layering", Shape::Scalar),
    ("run", Shape::Ordered),
    ("copy", Shape::Ordered),
    ("let", Shape::Map),
];

const DISTRO: [(&str, Shape); 11] = [
    ("default", Shape::Scalar),
    ("arches", Shape::List),
    ("tier", Shape::Scalar),
    ("archive", Shape::Keyed),
    ("pin", Shape::List),
    ("filters", Shape::Ordered),
    ("account", Shape::Keyed),
    ("snippet", Shape::Keyed),
    ("script", Shape::Keyed),
    ("bytecode", Shape::Scalar),
    ("let", Shape::Map),
];

const ARCHIVE: [(&str, Shape); 7] = [
    ("url", Shape::Scalar),
    ("snapshot", Shape::Scalar),
    ("origin", Shape::Scalar),
    ("label", Shape::Scalar),
    ("suites", Shape::List),
    ("components", Shape::List),
    ("keyring", Shape::Scalar),
];

const ARCH: [(&str, Shape); 6] = [
    ("oci", Shape::Scalar),
    ("debian", Shape::Scalar),
    ("triplet", Shape::Scalar),
    ("qemu", Shape::Scalar),
    ("loader", Shape::Scalar),
    ("tier", Shape::Scalar),
];

const SERVICE: [(&str, Shape); 50] = [
    ("summary", Shape::Scalar),
    ("tier", Shape::Scalar),
    ("image", Shape::Scalar),
    ("role", Shape::List),
    ("scope", Shape::Scalar),
    ("on-network", Shape::Scalar),
    ("needs", Shape::List),
    ("provides", Shape::Keyed),
    ("port", Shape::Keyed),
    ("config", Shape::Keyed),
    ("secret", Shape::Keyed),
    ("generate", Shape::Keyed),
    ("env", Shape::Map),
    ("entrypoint", Shape::Scalar),
    ("command", Shape::Scalar),
    ("user", Shape::Scalar),
    ("workdir", Shape::Scalar),
    ("mount", Shape::Keyed),
    ("tmpfs", Shape::Keyed),
    ("network", Shape::Scalar),
    ("publish", Shape::List),
    ("device", Shape::List),
    ("capability", Shape::List),
    ("relax", Shape::List),
    ("share", Shape::List),
    ("sysctl", Shape::Keyed),
    ("limits", Shape::Map),
    ("add-host", Shape::Map),
    ("names", Shape::Scalar),
    ("label", Shape::Map),
    ("pod", Shape::Scalar),
    ("run-as", Shape::Scalar),
    ("timezone", Shape::Scalar),
    ("health", Shape::Scalar),
    ("notify", Shape::Scalar),
    ("stateful", Shape::Scalar),
    ("restart", Shape::Scalar),
    ("stop", Shape::Scalar),
    ("start-timeout", Shape::Scalar),
    ("reload", Shape::Scalar),
    ("after", Shape::List),
    ("task", Shape::Keyed),
    ("update", Shape::Scalar),
    ("instance", Shape::Keyed),
    ("var", Shape::Values),
    ("override", Shape::Layers),
    ("host-sysctl", Shape::Keyed),
    ("host-module", Shape::List),
    ("host-dir", Shape::Keyed),
    ("let", Shape::Map),
];

const CHANGES: [(&str, Shape); 4] =
    [("var", Shape::Values), ("override", Shape::Layers), ("env", Shape::Map), ("port", Shape::Keyed)];

const ESTATE: [(&str, Shape); 18] = [
    ("summary", Shape::Scalar),
    ("registry", Shape::Scalar),
    ("distro", Shape::Scalar),
    ("services", Shape::List),
    ("host", Shape::Keyed),
    ("cell", Shape::Keyed),
    ("vip", Shape::Keyed),
    ("stamp", Shape::List),
    ("bind", Shape::List),
    ("external", Shape::Keyed),
    ("role", Shape::Keyed),
    ("recipient", Shape::List),
    ("generate", Shape::Keyed),
    ("limits", Shape::Scalar),
    ("releases", Shape::Scalar),
    ("var", Shape::Values),
    ("override", Shape::Layers),
    ("let", Shape::Map),
];

const CELL: [(&str, Shape); 8] = [
    ("host", Shape::Keyed),
    ("share", Shape::List),
    ("stamp", Shape::List),
    ("bind", Shape::List),
    ("external", Shape::Keyed),
    ("release", Shape::Scalar),
    ("var", Shape::Values),
    ("override", Shape::Layers),
];

const HOST: [(&str, Shape); 6] = [
    ("role", Shape::List),
    ("network", Shape::Keyed),
    ("leave", Shape::Scalar),
    ("maintenance", Shape::Scalar),
    ("var", Shape::Values),
    ("override", Shape::Layers),
];

impl Holder {
    fn table(self) -> &'static [(&'static str, Shape)] {
        match self {
            Self::Image => &IMAGE,
            Self::Distro => &DISTRO,
            Self::Archive => &ARCHIVE,
            Self::Arch => &ARCH,
            Self::Service => &SERVICE,
            Self::Estate => &ESTATE,
            Self::Cell => &CELL,
            Self::HostNode => &HOST,
            Self::Changes => &CHANGES,
        }
    }

    /// The names that it knows.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        self.table().iter().map(|(name, _)| *name)
    }

    /// How nodes of a name combine; none where it does not know the name.
    pub fn shape(self, name: &str) -> Option<Shape> {
        self.table().iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape)
    }

    /// What a child of that name holds, where it has shapes of its own.
    pub fn inner(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Distro, "archive") => Some(Self::Archive),
            (Self::Estate, "cell") => Some(Self::Cell),
            (Self::Estate | Self::Cell, "host") => Some(Self::HostNode),
            (Self::Estate, "role") | (Self::Service, "instance") => Some(Self::Changes),
            _ => None,
        }
    }
}

/// Properties that belong to the key of a node of that name. A distro may know one script in several versions.
pub(super) fn key_properties(name: &str) -> &'static [&'static str] {
    match name {
        "script" => &["kind", "rest"],
        "snippet" => &["shape"],
        _ => &[],
    }
}

/// What tells nodes of one name apart: the first argument, and the properties that belong to the key.
pub(super) fn key(node: &Node) -> String {
    let first = node.key().unwrap_or_default();
    let others = key_properties(&node.name).iter();
    let others = others.map(|name| node.property(name).and_then(|value| value.as_text()).unwrap_or_default());
    std::iter::once(first).chain(others).collect::<Vec<_>>().join("\n")
}
