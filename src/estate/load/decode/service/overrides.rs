//! What services, estates, roles, cells and hosts change.

use std::collections::BTreeMap;

use crate::name::{CapabilityName, ServiceName};
use crate::spec::{Log, Mistake, Node, Reader, Scalar, Spanned, Value};

use super::super::super::super::{Change, KeyChange, Override, Overrides, Text, VarValue};
use super::super::super::value::{Plain, PortNumber};
use super::container::is_variable;
use super::texts;

/// The nodes of [`Overrides`] that stand everywhere.
const OVERRIDES: [&str; 2] = ["var", "override"];

/// All of a node's children, which hold nothing but changes; `more` are those of `port`, `env` and `command` that may
/// stand there.
pub(in super::super) fn overrides(
    reader: &mut Reader<'_, '_>,
    more: &[&'static str],
    service: Option<&ServiceName>,
) -> Overrides {
    let mut found = Overrides::default();
    let known: Vec<&'static str> = OVERRIDES.into_iter().chain(more.iter().copied()).collect();
    for child in reader.children(&known) {
        if !read(&mut found, child, service, reader.log()) {
            read_more(&mut found, child, reader.log());
        }
    }
    found
}

/// `port`, `env` and `command` as changes.
pub(in super::super) fn read_more(own: &mut Overrides, node: &Node, log: &mut Log) {
    let mut reader = Reader::new(node, log);
    match node.name.value.as_str() {
        "port" => {
            let name: Option<CapabilityName> = reader.argument("what the port is for");
            let number: Option<Spanned<PortNumber>> = super::spanned(&mut reader, "a port's number").pop();
            let pair = name.zip(number).map(|(name, number)| (name, Spanned::new(number.value.0, number.span)));
            own.ports.extend(pair);
        }
        "env" => {
            for (key, value) in texts(&mut reader) {
                if !is_variable(&key) {
                    let mistake = Mistake::new("bad-value", key.span, format!("`{}` cannot name a variable", *key));
                    reader.mistake(mistake.label("letters, digits and `_`, the first no digit"));
                }
                let span = key.span;
                own.env.insert(key.value, Spanned::new(value, span));
            }
        }
        _ => own.command = Some(reader.arguments("a program")),
    }
    reader.finish();
}

/// Reads a `var` or an `override`; false where it is something else.
pub(in super::super) fn read(own: &mut Overrides, node: &Node, service: Option<&ServiceName>, log: &mut Log) -> bool {
    match node.name.value.as_str() {
        "var" => {
            vars(own, node, log);
            true
        }
        "override" => {
            own.files.extend(read_override(node, service, log));
            true
        }
        _ => false,
    }
}

/// `var workers=4`, `var "dns" "a" "b"`, `var "peers" { a 1; b { - "x" } }`
fn vars(own: &mut Overrides, node: &Node, log: &mut Log) {
    let mut found: Vec<(Spanned<String>, VarValue)> = Vec::new();
    let mut reader = Reader::new(node, log);
    for property in reader.any_properties() {
        found.push((property.name.clone(), VarValue::One(property.value.scalar.clone())));
    }
    let named = node.arguments.first();
    let rest: Vec<Scalar> = node.arguments.iter().skip(1).map(|value| value.scalar.clone()).collect();
    reader.rest();
    let children = reader.any_children();
    reader.finish();
    if let Some(named) = named {
        let name = named.as_text().map(str::to_owned);
        let name = name.unwrap_or_else(|| {
            log.push(Mistake::new("wrong-type", named.span, "`var` needs a name").label("should be a text"));
            String::new()
        });
        let value = match (rest.as_slice(), children) {
            ([], []) => None,
            ([one], []) => Some(VarValue::One(one.clone())),
            (_, []) => Some(VarValue::List(rest)),
            (_, children) => below(children, log),
        };
        match value {
            Some(value) => found.push((Spanned::new(name, named.span), value)),
            None => {
                let mistake = Mistake::new("missing", node.span, format!("`{name}` gets no value")).label("no value");
                log.push(mistake.help("write var name=\"value\", or var \"name\" \"a\" \"b\" for a list"));
            }
        }
    } else if found.is_empty() {
        let mistake = Mistake::new("missing", node.span, "`var` names nothing").label("says nothing");
        log.push(mistake.help("write var name=\"value\""));
    }
    for (name, value) in found {
        if !is_variable(&name) {
            let mistake = Mistake::new("bad-value", name.span, format!("`{}` cannot name a variable", *name));
            log.push(mistake.label("letters, digits and `_`, the first no digit"));
        }
        if let Some(first) = own.vars.get(&name.value) {
            let mistake = Mistake::new("duplicate", name.span, format!("`{}` is set twice", *name)).label("again here");
            log.push(mistake.also(first.span, "first here"));
        }
        own.vars.insert(name.value, Spanned::new(value, name.span));
    }
}

/// Children as values by name, or as a list where each is called `-`.
fn below(children: &[Node], log: &mut Log) -> Option<VarValue> {
    if children.iter().all(|child| *child.name == *"-") {
        let one = |child: &Node| child.arguments.first().map(|value| value.scalar.clone());
        return Some(VarValue::List(children.iter().filter_map(one).collect()));
    }
    let mut map = BTreeMap::new();
    for child in children {
        let values: Vec<Scalar> = child.arguments.iter().map(|value| value.scalar.clone()).collect();
        let value = match (values.as_slice(), child.children.as_slice()) {
            ([one], []) => VarValue::One(one.clone()),
            ([], []) => VarValue::List(Vec::new()),
            (_, []) => VarValue::List(values),
            (_, children) => below(children, log)?,
        };
        if map.insert(child.name.value.clone(), value).is_some() {
            let message = format!("`{}` is set twice", *child.name);
            log.push(Mistake::new("duplicate", child.name.span, message).label("again here"));
        }
    }
    Some(VarValue::Map(map))
}

/// `override "keystone" file="keystone.conf" { section "DEFAULT" { debug #true; old #null } }`
fn read_override(node: &Node, service: Option<&ServiceName>, log: &mut Log) -> Option<Override> {
    let mut reader = Reader::new(node, log);
    let given: Option<&Value> = reader.optional_value();
    let named = given.and_then(|value| Some(Spanned::new(reader.read(value)?, value.span)));
    let named = named.or_else(|| service.map(|service| Spanned::new(service.clone(), node.span)));
    let file = reader.property_value("file");
    let file = file.and_then(|value| Some(Spanned::new(reader.read::<Plain>(value)?.0, value.span)));
    if file.is_none() {
        let mistake = Mistake::new("missing", node.span, "`override` does not say of which file").label("which file?");
        reader
            .mistake(mistake.help("write override \"keystone\" file=\"keystone.conf\" { section \"DEFAULT\" { … } }"));
    }
    let mut sections: BTreeMap<String, BTreeMap<String, Spanned<Vec<Text>>>> = BTreeMap::new();
    let mut keys = BTreeMap::new();
    for child in reader.children(&["section", "keys"]) {
        let mut inner = Reader::new(child, reader.log());
        if *child.name == *"section" {
            let name: Option<Plain> = inner.argument("the section's name");
            let children = inner.any_children();
            inner.finish();
            let section = name.map(|Plain(name)| sections.entry(name).or_default());
            if let Some(section) = section {
                options(section, children, reader.log());
            }
        } else {
            let children = inner.any_children();
            inner.finish();
            keys.extend(changes(children, reader.log()));
        }
    }
    let change = match (sections.is_empty(), keys.is_empty()) {
        (false, true) => Some(Change::Sections(sections)),
        (true, false) => Some(Change::Keys(keys)),
        (true, true) => {
            let mistake = Mistake::new("missing", node.span, "`override` changes nothing").label("empty");
            let help =
                "`section \"NAME\" { key \"value\" }` changes an INI file, `keys { key \"value\" }` YAML and JSON";
            reader.mistake(mistake.help(help));
            None
        }
        (false, false) => {
            let mistake = Mistake::new("duplicate", node.span, "a file has sections or keys").label("both are given");
            reader.mistake(mistake.help("`section` is for INI files, `keys` for YAML and JSON"));
            None
        }
    };
    reader.finish();
    Some(Override { service: named, file: file?, change: change?, span: node.span })
}

fn options(section: &mut BTreeMap<String, Spanned<Vec<Text>>>, nodes: &[Node], log: &mut Log) {
    for node in nodes {
        let mut reader = Reader::new(node, log);
        let removes = matches!(node.arguments.as_slice(), [only] if only.is_null());
        let values: Vec<Text> = match removes {
            true => {
                reader.rest();
                Vec::new()
            }
            false => reader.arguments("a value, or #null to take the option away"),
        };
        reader.finish();
        if let Some(first) = section.get(node.name.value.as_str()) {
            let mistake = Mistake::new("duplicate", node.name.span, format!("`{}` is set twice", *node.name));
            let help = "several values stand behind one another: option \"a\" \"b\"";
            log.push(mistake.label("again here").also(first.span, "first here").help(help));
        }
        section.insert(node.name.value.clone(), Spanned::new(values, node.span));
    }
}

fn changes(nodes: &[Node], log: &mut Log) -> BTreeMap<String, Spanned<KeyChange>> {
    let mut found = BTreeMap::new();
    for node in nodes {
        let values: Vec<Scalar> = node.arguments.iter().map(|value| value.scalar.clone()).collect();
        let list = !node.children.is_empty() && node.children.iter().all(|child| *child.name == *"-");
        let items = || node.children.iter().filter_map(|child| child.arguments.first());
        let change = match (values.as_slice(), node.children.as_slice()) {
            ([Scalar::Null], []) => KeyChange::Remove,
            ([one], []) => KeyChange::One(one.clone()),
            (_, []) => KeyChange::List(values),
            (_, _) if list => KeyChange::List(items().map(|value| value.scalar.clone()).collect()),
            (_, children) => KeyChange::Keys(changes(children, log)),
        };
        if found.insert(node.name.value.clone(), Spanned::new(change, node.span)).is_some() {
            let message = format!("`{}` is set twice", *node.name);
            log.push(Mistake::new("duplicate", node.name.span, message).label("again here"));
        }
    }
    found
}
