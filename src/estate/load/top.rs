//! Top-level nodes, sorted by what they define, each spec with what extends it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::spec::{FromValue, Log, Mistake, Node, Reader, Span, Value, did_you_mean};

use super::super::{Compression, Layering};
use super::gather::Gathered;
use super::merge::{Part, Rank, merge};
use super::scope::BUILT_IN;
use super::shape::{Holder, Shape, key};

const KINDS: [&str; 5] = ["arch", "distro", "estate", "image", "service"];
/// Defined by later parts of the language: read, and left alone.
const LATER: [&str; 1] = ["validation"];
const OTHERS: [&str; 6] = ["let", "import", "extend", "want", "compression", "layering"];

/// All that a project says, by kind and name.
#[derive(Debug, Default)]
pub(super) struct Top<'a> {
    pub arches: BTreeMap<&'a str, Spec<'a>>,
    pub distros: BTreeMap<&'a str, Spec<'a>>,
    pub images: BTreeMap<&'a str, Spec<'a>>,
    pub services: BTreeMap<&'a str, Spec<'a>>,
    pub estates: BTreeMap<&'a str, Spec<'a>>,
    /// By folder.
    pub lets: BTreeMap<usize, BTreeMap<String, Value>>,
    /// Names of `want` nodes of the project itself.
    pub wants: Vec<&'a Value>,
    pub compression: Compression,
    pub layering: Layering,
}

/// A spec and what extends it.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    pub kind: &'static str,
    pub folder: usize,
    node: &'a Node,
    /// The node, without what extends remove.
    base: Cow<'a, Node>,
    extends: Vec<&'a Node>,
}

impl<'a> Spec<'a> {
    /// Where its head is.
    pub fn span(&self) -> Span {
        self.node.span
    }

    /// Its name as a type.
    pub fn name<T: FromValue>(&self, log: &mut Log) -> Option<T> {
        let mut reader = Reader::new(self.node, log);
        let name = reader.argument("a name");
        reader.any_children();
        reader.finish();
        name
    }

    /// As messages call it: ``image `keystone` ``.
    pub fn title(&self) -> String {
        format!("{} `{}`", self.kind, self.node.key().unwrap_or_default())
    }

    /// Its nodes and those of its extends; conditions are not looked into.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let base = self.base.children.iter().map(|node| (None, node));
        let extends = self.extends.iter().enumerate();
        let extends = extends.flat_map(|(at, extend)| extend.children.iter().map(move |node| (Some(at), node)));
        base.chain(extends.filter(|(_, node)| *node.name != *"remove"))
            .map(|(extend, node)| Part { node: Cow::Borrowed(node), rank: Rank { extend, depth: 0 } })
            .collect()
    }

    /// Its nodes and those of its extends, merged.
    pub fn nodes(&self, holder: Holder, log: &mut Log) -> Vec<Cow<'_, Node>> {
        merge(holder, &self.title(), self.parts(), log)
    }

    fn apply_removals(&mut self, holder: Holder, log: &mut Log) {
        let removals = self.extends.iter().flat_map(|extend| extend.children.iter());
        let removals: Vec<&Node> = removals.filter(|node| *node.name == *"remove").collect();
        for node in removals {
            let mut reader = Reader::new(node, log);
            let name: Option<String> = reader.argument("the name of a node");
            let what: Vec<(String, Span)> =
                reader.rest().iter().filter_map(|value| Some((reader.read::<String>(value)?, value.span))).collect();
            reader.finish();
            let Some(name) = name else { continue };
            let Some(shape) = holder.shape(&name) else {
                let mistake = Mistake::new("unknown-node", node.span, format!("{} knows no `{name}`", self.kind));
                log.push(mistake.label("nothing to remove").help_if(did_you_mean(&name, holder.names())));
                continue;
            };
            let wanted: Vec<Option<&(String, Span)>> =
                if what.is_empty() { vec![None] } else { what.iter().map(Some).collect() };
            for wanted in wanted {
                if !remove(self.base.to_mut(), &name, shape, wanted.map(|(what, _)| what.as_str())) {
                    let (what, span) =
                        wanted.map_or((String::new(), node.span), |(what, span)| (format!(" {what:?}"), *span));
                    let message = format!("{} has no `{name}{what}` to remove", self.title());
                    let mistake = Mistake::new("nothing-to-remove", span, message).label("not there");
                    log.push(mistake.help("`remove` takes away what the spec itself says, not what other extends add"));
                }
            }
        }
    }
}

/// Takes nodes, or parts of nodes, out of `node`, also inside conditions. Says whether there was anything.
fn remove(node: &mut Node, name: &str, shape: Shape, what: Option<&str>) -> bool {
    let mut found = false;
    for child in node.children.iter_mut().filter(|child| matches!(child.name.value.as_str(), "when" | "unless")) {
        found |= remove(child, name, shape, what);
    }
    node.children.retain_mut(|child| {
        if *child.name != *name {
            return true;
        }
        let Some(what) = what else {
            found = true;
            return false;
        };
        match shape {
            Shape::Keyed | Shape::Scalar | Shape::Ordered => {
                let hit = child.key() == Some(what) || key(child) == what;
                found |= hit;
                !hit
            }
            Shape::Map => {
                let before = child.properties.len();
                child.properties.retain(|property| *property.name != *what);
                found |= child.properties.len() != before;
                !child.properties.is_empty()
            }
            Shape::Values => {
                let named = child.key() == Some(what);
                let before = child.properties.len();
                child.properties.retain(|property| *property.name != *what);
                found |= named || child.properties.len() != before;
                if named {
                    child.arguments.clear();
                    child.children.clear();
                }
                !(child.arguments.is_empty() && child.properties.is_empty())
            }
            Shape::Layers => {
                let file = child.property("file").and_then(|value| value.as_text());
                let hit = child.key() == Some(what) || file.is_some_and(|file| super::super::is_file(file, what));
                found |= hit;
                !hit
            }
            Shape::List => {
                let before = child.arguments.len();
                // A package is named without its bound.
                let plain = |text: &str| text.split(['=', '<', '>']).next().unwrap_or(text).to_owned();
                child.arguments.retain(|value| {
                    let text = match &value.scalar {
                        crate::spec::Scalar::Integer(number) => number.to_string(),
                        _ => value.as_text().unwrap_or_default().to_owned(),
                    };
                    text != what && (name != "packages" || plain(&text) != what)
                });
                found |= child.arguments.len() != before;
                // `packages recommends=#true` says something of its own.
                !child.arguments.is_empty() || (name == "packages" && !child.properties.is_empty())
            }
        }
    });
    found
}

impl<'a> Top<'a> {
    /// Sorts all top-level nodes.
    pub fn sort(gathered: &'a Gathered, log: &mut Log) -> Self {
        let mut top = Self::default();
        let mut definitions: BTreeMap<(&'static str, &str), Vec<(usize, &Node)>> = BTreeMap::new();
        let mut extends: BTreeMap<(&'static str, &str), Vec<&Node>> = BTreeMap::new();
        let (mut compression, mut layering) = (None, None);
        for (folder, node) in &gathered.nodes {
            let name = node.name.value.as_str();
            if let Some(mark) = node.mark.as_ref().filter(|_| !KINDS.contains(&name)) {
                let mistake = Mistake::new("annotation", mark.span, format!("`(replace)` means nothing for `{name}`"));
                log.push(
                    mistake
                        .label("take this away")
                        .help("it stands in front of an image, a service, a distro, an arch or an estate"),
                );
            }
            if let Some(kind) = KINDS.iter().copied().find(|kind| *kind == name) {
                match node.key() {
                    Some(key) => definitions.entry((kind, key)).or_default().push((*folder, node)),
                    None => {
                        Reader::new(node, log).argument::<String>("a name");
                    }
                }
                continue;
            }
            match name {
                "let" => top.read_let(*folder, node, log),
                "extend" => {
                    let (kind, target) = match (node.arguments.first(), node.arguments.get(1)) {
                        (Some(kind), Some(target)) => (kind.as_text().unwrap_or_default(), target.as_text()),
                        _ => ("", None),
                    };
                    match (KINDS.iter().copied().find(|known| *known == kind), target) {
                        (Some(kind), Some(target)) => {
                            let mut reader = Reader::new(node, log);
                            reader.optional_value();
                            reader.optional_value();
                            reader.any_children();
                            reader.finish();
                            extends.entry((kind, target)).or_default().push(node);
                        }
                        _ if LATER.contains(&kind) => {}
                        _ => {
                            let mistake = Mistake::new("missing", node.span, "`extend` needs a kind and a name");
                            let help = did_you_mean(kind, KINDS)
                                .unwrap_or_else(|| "write extend image \"keystone\" { … }".to_owned());
                            log.push(mistake.label("which spec?").help(help));
                        }
                    }
                }
                "want" if *folder == 0 => {
                    let mut reader = Reader::new(node, log);
                    let first = reader.value("an image");
                    top.wants.extend(first.into_iter().chain(reader.rest()));
                    reader.finish();
                }
                "compression" if *folder == 0 => once(&mut compression, node, log),
                "layering" if *folder == 0 => once(&mut layering, node, log),
                // Read with the texts; those of an import are its own business.
                "import" | "want" | "compression" | "layering" => {}
                _ if LATER.contains(&name) => {}
                _ => {
                    let known = KINDS.iter().chain(&LATER).chain(&OTHERS).copied();
                    let message = format!("unknown node `{name}`");
                    let help = did_you_mean(name, known).or_else(|| match Holder::Image.shape(name) {
                        Some(_) => Some("it stands inside an `image`".to_owned()),
                        None if Holder::Service.shape(name).is_some() => {
                            Some("it stands inside a `service`".to_owned())
                        }
                        None if Holder::Estate.shape(name).is_some() => Some("it stands inside an `estate`".to_owned()),
                        None => {
                            let known = "image, service, estate, distro, arch, let, import, extend and want";
                            Some(format!("a file holds {known} nodes"))
                        }
                    });
                    log.push(
                        Mistake::new("unknown-node", node.name.span, message).label("not known here").help_if(help),
                    );
                }
            }
        }
        top.compression = compression.map(|(value, _)| value).unwrap_or_default();
        top.layering = layering.map(|(value, _)| value).unwrap_or_default();
        top.settle(definitions, extends, log);
        top
    }

    fn read_let(&mut self, folder: usize, node: &'a Node, log: &mut Log) {
        let mut reader = Reader::new(node, log);
        let known = self.lets.entry(folder).or_default();
        for property in reader.any_properties() {
            if BUILT_IN.contains(&property.name.as_str()) {
                let message = format!("`{}` is a built-in name", *property.name);
                reader.mistake(Mistake::new("duplicate", property.name.span, message).label("choose another"));
            } else if let Some(first) = known.get(property.name.value.as_str()) {
                let message = format!("`{}` is defined twice", *property.name);
                let mistake = Mistake::new("duplicate", property.name.span, message).label("again here");
                reader.mistake(mistake.also(first.span, "first here"));
            } else {
                known.insert(property.name.value.clone(), property.value.clone());
            }
        }
        reader.finish();
    }

    /// Chooses one definition a name and joins it with its extends.
    fn settle(
        &mut self,
        definitions: BTreeMap<(&'static str, &'a str), Vec<(usize, &'a Node)>>,
        mut extends: BTreeMap<(&'static str, &'a str), Vec<&'a Node>>,
        log: &mut Log,
    ) {
        for ((kind, name), nodes) in definitions {
            let (replacing, plain): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|(_, node)| node.mark.is_some());
            let rivals = if replacing.is_empty() { &plain } else { &replacing };
            for (one, next) in rivals.iter().zip(rivals.iter().skip(1)) {
                // One's own is the one that can be changed.
                let ((_, first), (_, other)) = if one.0 < next.0 { (next, one) } else { (one, next) };
                let message = format!("there are two of {kind} `{name}`");
                let mistake =
                    Mistake::new("duplicate", other.span, message).label("the second").also(first.span, "the first");
                let help = format!("rename one, or mark the one that counts: (replace){kind} \"{name}\"");
                log.push(mistake.help(help));
            }
            if let ([(_, node), ..], true) = (replacing.as_slice(), plain.is_empty()) {
                let message = format!("{kind} `{name}` replaces nothing");
                let mistake = Mistake::new("nothing-to-replace", node.span, message).label("no namesake");
                log.push(mistake.help("take `(replace)` away, or import what it replaces"));
            }
            let Some((folder, node)) = rivals.first().copied() else { continue };
            let mut extends = extends.remove(&(kind, name)).unwrap_or_default();
            // What extends say has no order; sorting by content makes that true of what depends on order.
            extends.sort_by_cached_key(|node| canonical(node));
            let mut spec = Spec { kind, folder, node, base: Cow::Borrowed(node), extends };
            let (holder, table) = match kind {
                "arch" => (Holder::Arch, &mut self.arches),
                "distro" => (Holder::Distro, &mut self.distros),
                "service" => (Holder::Service, &mut self.services),
                "estate" => (Holder::Estate, &mut self.estates),
                _ => (Holder::Image, &mut self.images),
            };
            spec.apply_removals(holder, log);
            table.insert(name, spec);
        }
        for ((kind, name), nodes) in extends {
            let table = match kind {
                "arch" => &self.arches,
                "distro" => &self.distros,
                "service" => &self.services,
                "estate" => &self.estates,
                _ => &self.images,
            };
            for node in nodes {
                let span = node.arguments.get(1).map_or(node.span, |value| value.span);
                let mistake = Mistake::new("unknown-name", span, format!("there is no {kind} `{name}` to extend"));
                log.push(mistake.label("not known").help_if(did_you_mean(name, table.keys().copied())));
            }
        }
    }
}

fn once<T: FromValue>(slot: &mut Option<(T, Span)>, node: &Node, log: &mut Log) {
    let mut reader = Reader::new(node, log);
    let value = reader.argument("a value");
    match slot {
        Some((_, first)) => {
            let mistake = Mistake::new("duplicate", node.span, format!("`{}` is set twice", *node.name));
            let first = *first;
            reader.mistake(mistake.label("again here").also(first, "first here"));
        }
        None => *slot = value.map(|value| (value, node.span)),
    }
    reader.finish();
}

/// A text of a node that says nothing of where it stands.
fn canonical(node: &Node) -> String {
    fn write(node: &Node, text: &mut String) {
        let _ = write!(text, "{:?}", node.name);
        for value in &node.arguments {
            let _ = write!(text, " {:?}", value.scalar);
        }
        for property in &node.properties {
            let _ = write!(text, " {:?}={:?}", property.name, property.value.scalar);
        }
        text.push('{');
        for child in &node.children {
            write(child, text);
        }
        text.push('}');
    }
    let mut text = String::new();
    write(node, &mut text);
    text
}
