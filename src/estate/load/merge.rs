//! A spec and what extends it, made one list of nodes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::spec::{Log, Mistake, Node, Property, Span};

use super::shape::{Holder, Shape, key, key_properties};

/// A node of a spec, and how strong it is.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub node: Cow<'a, Node>,
    pub rank: Rank,
}

/// How strong a node is: what an extend says is stronger than the spec, what a deeper condition says stronger than
/// what stands outside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rank {
    /// Which extend it stands in; none for the spec itself.
    pub extend: Option<usize>,
    /// How many conditions it stands in.
    pub depth: usize,
}

impl Rank {
    fn strength(self) -> (bool, usize) {
        (self.extend.is_some(), self.depth)
    }
}

/// Merges parts. `owner` names the spec in messages: ``image `keystone` ``.
pub(super) fn merge<'a>(holder: Holder, owner: &str, parts: Vec<Part<'a>>, log: &mut Log) -> Vec<Cow<'a, Node>> {
    let mut slots: Vec<(Option<Shape>, Vec<Part<'a>>)> = Vec::new();
    let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
    let parts = parts.into_iter().flat_map(|part| match holder.shape(&part.node.name) {
        Some(Shape::Values) => values(part),
        _ => vec![part],
    });
    for part in parts {
        let shape = holder.shape(&part.node.name);
        let name = || part.node.name.value.clone();
        let slot_key = match shape {
            Some(Shape::Scalar | Shape::Map) => Some((name(), String::new())),
            // What is done step by step has one order, whatever its nodes are called.
            Some(Shape::Ordered) => Some((String::new(), String::new())),
            Some(Shape::Keyed) => Some((name(), key(&part.node))),
            Some(Shape::Values) => variable(&part.node).map(|(variable, _)| (name(), variable.to_owned())),
            Some(Shape::Layers) => Some((name(), String::new())),
            Some(Shape::List) | None => None,
        };
        let slot = slot_key.clone().and_then(|slot_key| known.get(&slot_key).copied());
        match slot.and_then(|slot| slots.get_mut(slot)) {
            Some((_, pieces)) => pieces.push(part),
            None => {
                if let Some(slot_key) = slot_key {
                    known.insert(slot_key, slots.len());
                }
                slots.push((shape, vec![part]));
            }
        }
    }
    let mut merged = Vec::new();
    for (shape, mut pieces) in slots {
        pieces.sort_by_key(|piece| piece.rank.strength());
        match shape {
            Some(Shape::Scalar) => {
                report_equals(owner, &pieces, log);
                merged.extend(pieces.pop().map(|piece| piece.node));
            }
            Some(Shape::Keyed) => merged.extend(keyed(holder, owner, pieces, log)),
            Some(Shape::Map) => merged.extend(map(owner, pieces, log)),
            Some(Shape::Values) => {
                report_values(owner, &pieces, log);
                merged.extend(pieces.pop().map(|piece| piece.node));
            }
            Some(Shape::Layers) => {
                report_layers(owner, &pieces, log);
                merged.extend(pieces.into_iter().map(|piece| piece.node));
            }
            Some(Shape::Ordered) => {
                report_order(owner, &pieces, log);
                merged.extend(pieces.into_iter().map(|piece| piece.node));
            }
            Some(Shape::List) | None => merged.extend(pieces.into_iter().map(|piece| piece.node)),
        }
    }
    merged
}

fn clash(owner: &str, what: &str, (first, first_rank): (Span, Rank), (second, second_rank): (Span, Rank)) -> Mistake {
    let (message, help) = match (first_rank.extend, second_rank.extend) {
        (Some(one), Some(other)) if one != other => (
            format!("{what} is set by two extends of {owner}"),
            "extends have no order, so neither can win: set it in one of them",
        ),
        _ if first_rank.depth > 0 => (
            format!("{what} of {owner} is set by two conditions that hold at once"),
            "let the conditions exclude each other, or nest one in the other",
        ),
        _ => (format!("{what} of {owner} is set twice"), "keep one of them"),
    };
    Mistake::new("duplicate", second, message).label("set again here").also(first, "set first here").help(help)
}

/// A node for each variable that a `var` node sets.
fn values(part: Part<'_>) -> Vec<Part<'_>> {
    let node = &part.node;
    let named = usize::from(!node.arguments.is_empty() || !node.children.is_empty());
    if named + node.properties.len() < 2 {
        return vec![part];
    }
    let with = |node: Node| Part { node: Cow::Owned(node), rank: part.rank };
    let bare =
        Node { arguments: Vec::new(), properties: Vec::new(), children: Vec::new(), ..node.clone().into_owned() };
    let named = (named > 0).then(|| with(Node { properties: Vec::new(), ..node.clone().into_owned() }));
    let others =
        node.properties.iter().map(|property| with(Node { properties: vec![property.clone()], ..bare.clone() }));
    named.into_iter().chain(others).collect()
}

/// The variable that a `var` node of one variable sets, and where it is named.
pub(super) fn variable(node: &Node) -> Option<(&str, Span)> {
    let named = node.arguments.first().and_then(|value| Some((value.as_text()?, value.span)));
    named.or_else(|| node.properties.first().map(|property| (property.name.as_str(), property.name.span)))
}

fn report_values(owner: &str, pieces: &[Part<'_>], log: &mut Log) {
    for (one, other) in pieces.iter().zip(pieces.iter().skip(1)) {
        if one.rank.strength() == other.rank.strength()
            && let (Some((name, first)), Some((_, second))) = (variable(&one.node), variable(&other.node))
        {
            log.push(clash(owner, &format!("`{name}`"), (first, one.rank), (second, other.rank)));
        }
    }
}

/// Options that two extends change to different values: neither can win.
fn report_layers(owner: &str, pieces: &[Part<'_>], log: &mut Log) {
    let mut seen: Vec<(Vec<&str>, &Node, &str, Rank)> = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.rank.extend.is_some()) {
        let file = piece.node.property("file").and_then(|value| value.as_text()).unwrap_or_default();
        let mut found = Vec::new();
        options(&piece.node, &mut vec![piece.node.key().unwrap_or_default()], &mut found);
        for (path, node) in found {
            let rival = seen.iter().find(|(known, other, of, rank)| {
                *known == path && rank.extend != piece.rank.extend && same_file(of, file) && *other != node
            });
            if let Some((_, other, _, rank)) = rival {
                let what = format!("`{}` of {file}", *node.name);
                log.push(clash(owner, &what, (other.span, *rank), (node.span, piece.rank)));
            }
            seen.push((path, node, file, piece.rank));
        }
    }
}

/// Every option below an `override`, by the names that lead there.
fn options<'n>(node: &'n Node, path: &mut Vec<&'n str>, found: &mut Vec<(Vec<&'n str>, &'n Node)>) {
    for child in &node.children {
        path.push(&child.name);
        // `section "DEFAULT"` is another one for each name.
        let named = child.key().filter(|_| *child.name == *"section" && !child.children.is_empty());
        path.extend(named);
        match child.children.iter().any(|inner| *inner.name != *"-") {
            true => options(child, path, found),
            false => found.push((path.clone(), child)),
        }
        path.truncate(path.len() - 1 - usize::from(named.is_some()));
    }
}

/// Whether two names can mean one file: a path, or the last part of it.
fn same_file(one: &str, other: &str) -> bool {
    let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
    one == other || (last(one) == last(other) && !(one.contains('/') && other.contains('/')))
}

fn report_equals(owner: &str, pieces: &[Part<'_>], log: &mut Log) {
    for (one, other) in pieces.iter().zip(pieces.iter().skip(1)) {
        if one.rank.strength() == other.rank.strength() {
            let what = format!("`{}`", *one.node.name);
            log.push(clash(owner, &what, (one.node.span, one.rank), (other.node.span, other.rank)));
        }
    }
}

fn report_order(owner: &str, pieces: &[Part<'_>], log: &mut Log) {
    let first = pieces.iter().find(|piece| piece.rank.extend.is_some());
    let other = first.and_then(|first| {
        pieces.iter().find(|piece| piece.rank.extend.is_some() && piece.rank.extend != first.rank.extend)
    });
    if let (Some(first), Some(other)) = (first, other) {
        let name = &*first.node.name;
        let message = format!("`{name}` is given by two extends of {owner}");
        let help = format!("the order of `{name}` matters and extends have none: put them in one extend");
        let mistake = Mistake::new("duplicate", other.node.span, message).label("given again here");
        log.push(mistake.also(first.node.span, "given first here").help(help));
    }
}

fn keyed<'a>(holder: Holder, owner: &str, mut pieces: Vec<Part<'a>>, log: &mut Log) -> Option<Cow<'a, Node>> {
    pieces.dedup_by(|other, one| {
        let twice = one.rank == other.rank;
        if twice {
            let what = format!("`{} {:?}`", *one.node.name, one.node.key().unwrap_or_default());
            log.push(clash(owner, &what, (one.node.span, one.rank), (other.node.span, other.rank)));
        }
        twice
    });
    if pieces.len() < 2 {
        return pieces.into_iter().next().map(|piece| piece.node);
    }
    let mut result: Option<Node> = None;
    let mut arguments: Option<(Span, Rank)> = None;
    let mut children = Vec::new();
    let mut properties = Properties::default();
    for piece in &pieces {
        let node = result.get_or_insert_with(|| Node {
            arguments: piece.node.arguments.iter().take(1).cloned().collect(),
            properties: Vec::new(),
            children: Vec::new(),
            ..piece.node.clone().into_owned()
        });
        if piece.node.arguments.len() > 1 {
            let here = (piece.node.span, piece.rank);
            if let Some(first) =
                arguments.filter(|(_, rank)| rank.strength() == piece.rank.strength() && *rank != piece.rank)
            {
                let what = format!("`{} {:?}`", *piece.node.name, piece.node.key().unwrap_or_default());
                log.push(clash(owner, &what, first, here));
            }
            arguments = Some(here);
            node.arguments = piece.node.arguments.clone();
            node.span = piece.node.span;
        }
        let title = format!("`{} {:?}` of {owner}", *piece.node.name, piece.node.key().unwrap_or_default());
        for property in &piece.node.properties {
            let is_key = key_properties(&piece.node.name).contains(&property.name.as_str());
            properties.set(&title, property, piece.rank, !is_key, log);
        }
        children.extend(piece.node.children.iter().map(|child| Part { node: Cow::Borrowed(child), rank: piece.rank }));
    }
    let mut node = result?;
    node.properties = properties.finish();
    node.children = match holder.inner(&node.name) {
        Some(inner) => {
            let owner = format!("`{} {:?}`", *node.name, node.key().unwrap_or_default());
            merge(inner, &owner, children, log).into_iter().map(Cow::into_owned).collect()
        }
        None => children.into_iter().map(|child| child.node.into_owned()).collect(),
    };
    Some(Cow::Owned(node))
}

fn map<'a>(owner: &str, pieces: Vec<Part<'a>>, log: &mut Log) -> Option<Cow<'a, Node>> {
    let mut result: Option<Node> = None;
    let mut properties = Properties::default();
    for piece in pieces {
        for property in &piece.node.properties {
            properties.set(owner, property, piece.rank, true, log);
        }
        match &mut result {
            None => result = Some(piece.node.into_owned()),
            Some(node) => {
                node.arguments.extend(piece.node.arguments.iter().cloned());
                node.children.extend(piece.node.children.iter().cloned());
            }
        }
    }
    let mut node = result?;
    node.properties = properties.finish();
    Some(Cow::Owned(node))
}

#[derive(Debug, Default)]
struct Properties(Vec<(Property, Rank)>);

impl Properties {
    fn set(&mut self, owner: &str, property: &Property, rank: Rank, strict: bool, log: &mut Log) {
        match self.0.iter_mut().find(|(known, _)| *known.name == *property.name) {
            None => self.0.push((property.clone(), rank)),
            Some((known, known_rank)) => {
                if strict && known_rank.strength() == rank.strength() {
                    let what = format!("`{}`", *property.name);
                    log.push(clash(owner, &what, (known.name.span, *known_rank), (property.name.span, rank)));
                }
                (*known, *known_rank) = (property.clone(), rank);
            }
        }
    }

    fn finish(self) -> Vec<Property> {
        self.0.into_iter().map(|(property, _)| property).collect()
    }
}
