//! YAML to values, on the events of `saphyr-parser`: spans, anchors and tags are ours to judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{MAX_DEPTH, MAX_NODES, Malformed, Map, Node, Place, Value, scalar};

struct Reader<'a> {
    name: &'a Arc<str>,
    parser: Parser<'a, StrInput<'a>>,
    /// Finished values that an alias may name, with how many values each has.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
}

fn at(span: Span, message: impl Into<String>) -> Malformed {
    Malformed::at(span.start.line().max(1), span.start.col() + 1, message)
}

fn scan_error(error: &ScanError) -> Malformed {
    let mark = error.marker();
    Malformed::at(mark.line().max(1), mark.col() + 1, error.info().to_owned())
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Malformed> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(scan_error(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Malformed> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(at(span, format!("the document has more than {MAX_NODES} values"))
                .help("aliases count as often as they are used"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Malformed> {
        if depth > MAX_DEPTH {
            return Err(at(span, format!("lists and mappings nest deeper than {MAX_DEPTH}")));
        }
        let before = self.nodes;
        self.count(1, span)?;
        let place = Place::line(self.name, span.start.line().max(1));
        let (value, anchor, tag) = match event {
            Event::Alias(id) => {
                let Some((node, nodes)) = self.anchors.get(&id) else {
                    return Err(at(span, "the alias stands inside the value that it names"));
                };
                let (mut node, nodes) = (node.clone(), *nodes);
                self.count(nodes, span)?;
                if depth + depth_of(&node) > MAX_DEPTH {
                    return Err(at(span, format!("lists and mappings nest deeper than {MAX_DEPTH}")));
                }
                node.place = place;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let (value, tag) = scalar(&text, style, tag.as_deref());
                (value, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => list.push(self.node(event, span, depth + 1)?),
                    }
                }
                (Value::List(list), anchor, other_tag(tag.as_deref(), "seq"))
            }
            Event::MappingStart(anchor, tag) => {
                (Value::Map(self.map(depth)?), anchor, other_tag(tag.as_deref(), "map"))
            }
            _ => return Err(at(span, "expected a value")),
        };
        let node = Node { value, place, tag };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<Map, Malformed> {
        let mut map = Map::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(map);
            }
            let key = self.node(event, span, depth + 1)?;
            if matches!(key.value, Value::List(_) | Value::Map(_)) || key.tag.is_some() {
                return Err(at(span, "a key must be a text, a number or a truth value"));
            }
            let (event, value_span) = self.next()?;
            let node = self.node(event, value_span, depth + 1)?;
            let name = key.value.name().unwrap_or_default().to_owned();
            if map.insert(key.value, node).is_err() {
                let first = map.get(&name).and_then(|node| node.place.number());
                let error = at(span, format!("the key `{name}` stands twice in one mapping"));
                return Err(Malformed { first, ..error });
            }
        }
    }
}

fn depth_of(node: &Node) -> usize {
    let inner = match &node.value {
        Value::List(list) => list.iter().map(depth_of).max(),
        Value::Map(map) => map.iter().map(|(_, node)| depth_of(node)).max(),
        _ => return 0,
    };
    inner.unwrap_or(0) + 1
}

/// A tag that is kept: all but the one of the core schema that the value has anyway, and the non-specific `!`.
fn other_tag(tag: Option<&Tag>, own: &str) -> Option<String> {
    let tag = tag?;
    let core = tag.is_yaml_core_schema();
    if core && tag.suffix == own || !core && tag.handle.is_empty() && matches!(tag.suffix.as_str(), "" | "!") {
        None
    } else if core {
        Some(format!("!!{}", tag.suffix))
    } else if tag.handle == "!" || tag.handle.is_empty() && tag.suffix.starts_with('!') {
        Some(format!("{}{}", tag.handle, tag.suffix))
    } else {
        Some(format!("!<{}{}>", tag.handle, tag.suffix))
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> (Value, Option<String>) {
    let quoted = || match style {
        ScalarStyle::DoubleQuoted => Value::Text(super::unescaped(text.to_owned())),
        _ => Value::Text(text.to_owned()),
    };
    match tag {
        None if style == ScalarStyle::Plain => (scalar::bare(text), None),
        None => (quoted(), None),
        Some(tag) if tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "int" | "float" | "bool" | "null") => {
            match scalar::bare(text) {
                Value::Text(_) | Value::Word(_) => (quoted(), other_tag(Some(tag), "str")),
                value => (value, None),
            }
        }
        Some(tag) => (quoted(), other_tag(Some(tag), "str")),
    }
}

pub(super) fn parse(name: &Arc<str>, text: &str) -> Result<Node, Malformed> {
    let mut reader = Reader { name, parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0 };
    let mut root = None;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (_, span) if root.is_some() => {
                return Err(at(span, "a second document begins here").help("one document a file can be merged"));
            }
            (event, span) => root = Some(reader.node(event, span, 0)?),
        }
    }
    Ok(root.unwrap_or_else(|| Node::new(Value::Null, Place::line(name, 1))))
}
