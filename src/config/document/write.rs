//! Values to text, always in the same form.

use std::fmt::Write as _;

use super::{Node, Value, scalar};
use crate::config::secret::{self, Op};

/// Writes a character as it stands between double quotes; good for JSON, and for YAML, whose escapes hold those of JSON.
pub(crate) fn escaped_char(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // What YAML does not count as printable (5.1), or takes for a line break.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        c => out.push(c),
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    out.push_str(&secret::encoded(text, Op::Json, |text, out| text.chars().for_each(|c| escaped_char(c, out))));
    out.push('"');
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

pub(super) fn json(node: &Node) -> String {
    let mut out = String::new();
    json_node(node, 0, &mut out);
    out.push('\n');
    out
}

fn json_node(node: &Node, depth: usize, out: &mut String) {
    match &node.value {
        Value::Map(map) if !map.is_empty() => {
            for (index, (key, node)) in map.iter().enumerate() {
                out.push_str(if index == 0 { "{\n" } else { ",\n" });
                indent(depth + 1, out);
                quoted(key.name().unwrap_or_default(), out);
                out.push_str(": ");
                json_node(node, depth + 1, out);
            }
            out.push('\n');
            indent(depth, out);
            out.push('}');
        }
        Value::List(list) if !list.is_empty() => {
            for (index, node) in list.iter().enumerate() {
                out.push_str(if index == 0 { "[\n" } else { ",\n" });
                indent(depth + 1, out);
                json_node(node, depth + 1, out);
            }
            out.push('\n');
            indent(depth, out);
            out.push(']');
        }
        Value::Map(_) => out.push_str("{}"),
        Value::List(_) => out.push_str("[]"),
        Value::Text(text) | Value::Word(text) => quoted(text, out),
        scalar => out.push_str(scalar.name().unwrap_or_default()),
    }
}

pub(super) fn yaml(node: &Node) -> String {
    let mut out = String::new();
    yaml_node(node, 0, Before::Nothing, &mut out);
    out
}

/// What stands on the line before a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Key,
    Dash,
}

fn yaml_scalar(value: &Value, out: &mut String) {
    match value {
        Value::Text(text) if !scalar::safe_bare(text) => quoted(text, out),
        value => out.push_str(value.name().unwrap_or_default()),
    }
}

fn yaml_node(node: &Node, depth: usize, before: Before, out: &mut String) {
    let mut before = before;
    if let Some(tag) = &node.tag {
        if before == Before::Key {
            out.push(' ');
        }
        out.push_str(tag);
        before = Before::Key;
    }
    match &node.value {
        Value::Map(map) if !map.is_empty() => {
            for (index, (key, node)) in map.iter().enumerate() {
                if index > 0 || before == Before::Key {
                    if index == 0 {
                        out.push('\n');
                    }
                    indent(depth, out);
                }
                let start = out.len();
                yaml_scalar(key, out);
                if out.len() - start > 1000 {
                    // A key on one line with its value has at most 1024 characters (YAML 1.2.2, 8.2.2).
                    out.insert_str(start, "? ");
                    out.push('\n');
                    indent(depth, out);
                }
                out.push(':');
                yaml_node(node, depth + 1, Before::Key, out);
            }
        }
        Value::List(list) if !list.is_empty() => {
            for (index, node) in list.iter().enumerate() {
                if index > 0 || before == Before::Key {
                    if index == 0 {
                        out.push('\n');
                    }
                    indent(depth, out);
                }
                out.push_str("- ");
                yaml_node(node, depth + 1, Before::Dash, out);
            }
        }
        value => {
            if before == Before::Key {
                out.push(' ');
            }
            match value {
                Value::Map(_) => out.push_str("{}"),
                Value::List(_) => out.push_str("[]"),
                Value::Word(text) if node.tag.is_some() => quoted(text, out),
                Value::Word(text) if before == Before::Nothing && text.starts_with(['-', '.']) => {
                    // At the edge of the page a bare `---` would begin a document.
                    out.push(' ');
                    out.push_str(text);
                }
                value => yaml_scalar(value, out),
            }
            out.push('\n');
        }
    }
}
