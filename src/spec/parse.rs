//! KDL text to [`Node`]s.

use kdl::{KdlDocument, KdlEntry, KdlIdentifier, KdlNode, KdlValue};

use super::{Mistake, Node, Property, Scalar, SourceId, Span, Spanned, Value};

/// How deep nodes may nest. The KDL parser descends on the stack, so a limit stands before it.
pub const MAX_DEPTH: usize = 32;

/// Reads a text. Every mistake of its syntax is reported; where it is no KDL there are no nodes.
pub fn parse(source: SourceId, text: &str) -> (Vec<Node>, Vec<Mistake>) {
    let at = Places { source, text };
    if let Some(mistake) = too_deep(&at) {
        return (Vec::new(), vec![mistake]);
    }
    match KdlDocument::parse_v2(text) {
        Err(error) => (Vec::new(), at.syntax_mistakes(&error)),
        Ok(document) => {
            let mut mistakes = Vec::new();
            let nodes = document.nodes().iter().map(|node| at.node(node, true, &mut mistakes)).collect();
            (nodes, mistakes)
        }
    }
}

struct Places<'a> {
    source: SourceId,
    text: &'a str,
}

impl Places<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let start = start.min(self.text.len());
        let end = end.clamp(start, self.text.len());
        Span { source: self.source, start: number(start), len: number(end - start) }
    }

    fn identifier(&self, identifier: &KdlIdentifier) -> Spanned<String> {
        let span = identifier.span();
        let place = self.trimmed(span.offset(), span.offset() + span.len());
        Spanned::new(identifier.value().to_owned(), place)
    }

    /// The span without white space around it.
    fn trimmed(&self, start: usize, end: usize) -> Span {
        let text = self.text.get(start..end).unwrap_or("");
        let lead = text.len() - text.trim_start().len();
        self.span(start + lead, start + lead + text.trim().len())
    }

    fn node(&self, node: &KdlNode, top: bool, mistakes: &mut Vec<Mistake>) -> Node {
        let name = self.identifier(node.name());
        let mut end = (name.span.start + name.span.len) as usize;
        let mark = node.ty().map(|mark| self.identifier(mark));
        if let Some(mark) = mark.as_ref().filter(|mark| !top || *mark.value != *"replace") {
            let mistake = Mistake::new("annotation", mark.span, format!("`({})` means nothing here", **mark));
            let help = "only `(replace)` in front of a whole spec has a meaning";
            mistakes.push(mistake.label("take this away").help(help));
        }
        let (mut arguments, mut properties) = (Vec::new(), Vec::new());
        for entry in node.entries() {
            let span = entry.span();
            end = end.max(span.offset() + span.len());
            if let Some(mark) = entry.ty() {
                let mark = self.identifier(mark);
                let mistake = Mistake::new("annotation", mark.span, format!("`({})` means nothing here", *mark));
                mistakes.push(mistake.label("take this away"));
            }
            let value = Value { scalar: scalar(entry.value()), span: self.value_span(entry) };
            match entry.name() {
                Some(name) => properties.push(Property { name: self.identifier(name), value }),
                None => arguments.push(value),
            }
        }
        let children = node.children().map(KdlDocument::nodes).unwrap_or_default();
        let children = children.iter().map(|child| self.node(child, false, mistakes)).collect();
        let span = self.trimmed(name.span.start as usize, end);
        Node { name, mark, arguments, properties, children, span }
    }

    /// The value of an entry as it is written: behind `name=`, without white space.
    fn value_span(&self, entry: &KdlEntry) -> Span {
        let span = entry.span();
        let whole = self.trimmed(span.offset(), span.offset() + span.len());
        let end = (whole.start + whole.len) as usize;
        let Some(name) = entry.name() else { return whole };
        let after = name.span().offset() + name.span().len();
        let rest = self.text.get(after..end).unwrap_or("");
        match rest.find('=') {
            Some(at) => self.trimmed(after + at + 1, end),
            None => whole,
        }
    }

    fn syntax_mistakes(&self, error: &kdl::KdlError) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> = Vec::new();
        for diagnostic in &error.diagnostics {
            let (start, len) = (diagnostic.span.offset(), diagnostic.span.len());
            let mut span = self.span(start, start + len);
            let text = self.text.get(start..start + len).unwrap_or("");
            // A malformed number is given a span from the top of the file: the token at its end is meant.
            if text.trim().contains(char::is_whitespace) {
                let text = text.trim_end();
                let from = text.rfind(char::is_whitespace).map_or(0, |at| at + 1);
                span = self.span(start + from, start + text.len());
            }
            let message = diagnostic.message.as_deref().unwrap_or("this is not KDL").trim_end_matches('.');
            let mut first = message.chars();
            let message = first.next().map_or(String::new(), |c| c.to_lowercase().chain(first).collect::<String>());
            let mistake = Mistake::new("syntax", span, message)
                .label(diagnostic.label.clone().unwrap_or_else(|| "here".to_owned()))
                .help_if(diagnostic.help.clone());
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
        if mistakes.is_empty() {
            mistakes.push(Mistake::new("syntax", self.span(0, 0), "this is not KDL"));
        }
        mistakes
    }
}

fn scalar(value: &KdlValue) -> Scalar {
    match value {
        KdlValue::String(text) => Scalar::Text(text.clone()),
        KdlValue::Integer(number) => Scalar::Integer(*number),
        KdlValue::Float(number) => Scalar::Float(*number),
        KdlValue::Bool(truth) => Scalar::Bool(*truth),
        KdlValue::Null => Scalar::Null,
    }
}

/// Looks for nodes or comments that nest too deep, and for strings and comments without an end, outside of which
/// braces cannot be told apart.
fn too_deep(at: &Places<'_>) -> Option<Mistake> {
    let bytes = at.text.as_bytes();
    let starts = |from: usize, text: &[u8]| bytes.get(from..).is_some_and(|rest| rest.starts_with(text));
    let open = |start: usize, len: usize, what: &str| {
        let mistake = Mistake::new("syntax", at.span(start, start + len), format!("this {what} has no end"));
        Some(mistake.label("begins here"))
    };
    let (mut here, mut depth) = (0, 0usize);
    while let Some(byte) = bytes.get(here) {
        let start = here;
        match byte {
            b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let message = format!("nodes nest deeper than {MAX_DEPTH}");
                    return Some(Mistake::new("syntax", at.span(here, here + 1), message).label("one too deep"));
                }
            }
            b'}' => depth = depth.saturating_sub(1),
            b'/' if starts(here, b"//") => {
                here += bytes.get(here..)?.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - here);
                continue;
            }
            b'/' if starts(here, b"/*") => {
                let mut nested = 0usize;
                loop {
                    if starts(here, b"/*") {
                        nested += 1;
                        here += 2;
                    } else if starts(here, b"*/") {
                        nested -= 1;
                        here += 2;
                    } else if here >= bytes.len() {
                        return open(start, 2, "comment");
                    } else {
                        here += 1;
                    }
                    if nested > MAX_DEPTH {
                        let message = format!("comments nest deeper than {MAX_DEPTH}");
                        return Some(Mistake::new("syntax", at.span(start, start + 2), message).label("begins here"));
                    }
                    if nested == 0 {
                        break;
                    }
                }
                continue;
            }
            b'#' => {
                let hashes = bytes.get(here..)?.iter().take_while(|byte| **byte == b'#').count();
                if starts(here + hashes, b"\"") {
                    let quotes = if starts(here + hashes, b"\"\"\"") { 3 } else { 1 };
                    let end = [vec![b'"'; quotes], vec![b'#'; hashes]].concat();
                    here += hashes + quotes;
                    while !starts(here, &end) {
                        if here >= bytes.len() {
                            return open(start, hashes + quotes, "text");
                        }
                        here += 1;
                    }
                    here += end.len();
                } else {
                    here += hashes;
                }
                continue;
            }
            b'"' => {
                let end: &[u8] = if starts(here, b"\"\"\"") { b"\"\"\"" } else { b"\"" };
                here += end.len();
                while !starts(here, end) {
                    if here >= bytes.len() {
                        return open(start, end.len(), "text");
                    }
                    here += if starts(here, b"\\") { 2 } else { 1 };
                }
                here += end.len();
                continue;
            }
            _ => {}
        }
        here += 1;
    }
    None
}
