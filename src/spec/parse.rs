//! KDL text to [`Node`]s.

use kdl::{KdlDocument, KdlEntry, KdlIdentifier, KdlNode, KdlValue};

use super::lex::lex;
use super::{Mistake, Node, Property, Scalar, SourceId, Span, Spanned, Value};

/// Reads a text. Every mistake of its syntax is reported; where it is no KDL there are no nodes.
pub fn parse(source: SourceId, text: &str) -> (Vec<Node>, Vec<Mistake>) {
    let at = Places { source, text };
    // The parser descends on the stack: what nests too deep must not reach it.
    if let Err(error) = lex(text) {
        let span = at.span(error.start, error.start + error.len);
        return (Vec::new(), vec![Mistake::new("syntax", span, error.message).label(error.label)]);
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
        let (mark, bad) = match node.ty().map(|mark| self.identifier(mark)) {
            Some(mark) if top && *mark.value == *"replace" => (Some(mark), None),
            bad => (None, bad),
        };
        if let Some(mark) = bad {
            let mistake = Mistake::new("annotation", mark.span, format!("`({})` means nothing here", *mark));
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
            let mistake = Mistake::new("syntax", span, lower(message))
                .label(diagnostic.label.clone().unwrap_or_else(|| "here".to_owned()))
                .help_if(diagnostic.help.as_deref().map(lower));
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

/// With a small first letter, as all our messages are.
fn lower(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
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
