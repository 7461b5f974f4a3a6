//! Sections to lines that read back as the same.

use super::read::blank;
use super::{Dialect, Ini};

const BREAK: [char; 2] = ['\n', '\r'];

/// Says why a section cannot have the name.
pub(super) fn section(dialect: Dialect, name: &str) -> Result<(), &'static str> {
    match (dialect, name) {
        (Dialect::Oslo, "") => Err("is empty: oslo.config knows no key outside a section"),
        (Dialect::Plain, "") => Ok(()),
        _ if name.contains(BREAK) => Err("holds a line break"),
        (Dialect::Plain, _) if name.trim_matches(blank) != name => Err("begins or ends with a blank"),
        _ => Ok(()),
    }
}

/// Says why a section cannot hold the key.
pub(super) fn key(dialect: Dialect, key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        Err("is empty")
    } else if key.contains(BREAK) {
        Err("holds a line break")
    } else if key.contains('=') || dialect == Dialect::Oslo && key.contains(':') {
        Err("holds what parts a key from its value")
    } else if key.trim_matches(blank) != key {
        Err("begins or ends with a blank")
    } else if key.starts_with('[') {
        Err("begins as a section does")
    } else if key.starts_with(['#', ';']) {
        Err("begins as a comment does")
    } else {
        Ok(())
    }
}

/// Says why no line has the value.
pub(super) fn value(dialect: Dialect, value: Option<&str>) -> Result<(), &'static str> {
    let Some(value) = value else {
        return if dialect == Dialect::Oslo { Err("is missing: oslo.config wants one") } else { Ok(()) };
    };
    let mut lines = value.split('\n');
    let first = lines.next().unwrap_or("");
    if value.contains('\r') {
        Err("holds a carriage return, which would end the line")
    } else if dialect == Dialect::Plain && first.trim_matches(blank) != first {
        Err("begins or ends with a blank, which would be lost")
    } else if lines.clone().any(str::is_empty) {
        Err("has an empty line, which would end it")
    } else if dialect == Dialect::Plain && lines.clone().any(|line| line.starts_with(['#', ';'])) {
        Err("has a further line that begins as a comment does")
    } else if lines.any(|line| line.trim_matches(blank) != line) {
        Err("has a further line that begins or ends with a blank, which would be lost")
    } else {
        Ok(())
    }
}

/// The first line of a value, in quotes where it would read back otherwise.
fn first(dialect: Dialect, text: &str, out: &mut String) {
    let edges = text.trim_matches(blank) != text;
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let quoted = quote.is_some_and(|quote| text.ends_with(quote));
    if dialect == Dialect::Oslo && (edges || quoted) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(text);
    }
}

pub(super) fn render(ini: &Ini) -> String {
    let mut out = String::new();
    for section in &ini.sections {
        if !out.is_empty() {
            out.push('\n');
        }
        if !section.name.is_empty() {
            out.push('[');
            out.push_str(&section.name);
            out.push_str("]\n");
        }
        for option in &section.options {
            for value in &option.values {
                out.push_str(&option.key);
                if let Some(value) = &value.value {
                    out.push_str(" =");
                    let mut lines = value.split('\n');
                    let line = lines.next().unwrap_or("");
                    if !line.is_empty() {
                        out.push(' ');
                        first(ini.dialect, line, &mut out);
                    }
                    for line in lines {
                        out.push_str("\n    ");
                        out.push_str(line);
                    }
                }
                out.push('\n');
            }
        }
    }
    out
}
