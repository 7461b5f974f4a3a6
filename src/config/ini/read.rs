//! Lines to sections, after oslo.config's `BaseParser.parse`, line by line.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Dialect, Ini, Layered, Malformed, Opt, Place, Section};

/// What Python's `str.strip` takes away: Unicode's white space and the four separators U+001C to U+001F.
pub(super) fn blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The lines of a text as Python's `open()` gives them: `\n`, `\r\n` and `\r` end one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take().filter(|text| !text.is_empty())?;
        let Some(at) = text.find(['\n', '\r']) else { return Some(text) };
        let (line, end) = text.split_at(at);
        rest = end.strip_prefix("\r\n").or_else(|| end.get(1..));
        Some(line)
    })
}

/// An assignment whose continuation lines are still coming.
struct Open {
    key: String,
    value: Option<Vec<String>>,
    line: usize,
}

struct Reader<'a> {
    name: &'a Arc<str>,
    ini: Ini,
    /// Where each section stands, and in it each key.
    index: BTreeMap<String, (usize, BTreeMap<String, usize>)>,
    /// The section at hand.
    section: Option<String>,
    open: Option<Open>,
}

impl Reader<'_> {
    fn enter(&mut self, name: &str) {
        let id = self.ini.dialect.section_id(name);
        self.index.entry(id.clone()).or_insert_with(|| {
            self.ini.sections.push(Section { name: name.to_owned(), options: Vec::new() });
            (self.ini.sections.len() - 1, BTreeMap::new())
        });
        self.section = Some(id);
    }

    fn close(&mut self) -> Result<(), Malformed> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if self.section.is_none() {
            if self.ini.dialect == Dialect::Oslo {
                return Err(Malformed::line(open.line, format!("`{}` stands before the first section", open.key))
                    .help("write `[DEFAULT]` above it"));
            }
            self.enter("");
        }
        let value = open.value.map(|lines| lines.join("\n"));
        let value = Layered::new(value, Place::line(self.name, open.line));
        let entry = self.section.as_ref().and_then(|id| self.index.get_mut(id));
        let Some((at, keys)) = entry else { return Ok(()) };
        let Some(section) = self.ini.sections.get_mut(*at) else { return Ok(()) };
        match keys.get(&open.key).and_then(|key| section.options.get_mut(*key)) {
            Some(option) => option.values.push(value),
            None => {
                keys.insert(open.key.clone(), section.options.len());
                section.options.push(Opt { key: open.key, values: vec![value] });
            }
        }
        Ok(())
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), Malformed> {
        let line = line.trim_end_matches(blank);
        if line.is_empty() {
            return self.close();
        }
        if line.starts_with([' ', '\t']) {
            return self.continuation(number, line);
        }
        self.close()?;
        if line.starts_with('[') {
            let name = section_name(self.ini.dialect, number, line)?;
            self.enter(name);
        } else if !line.starts_with(['#', ';']) {
            self.open = Some(assignment(self.ini.dialect, number, line)?);
        }
        Ok(())
    }

    fn continuation(&mut self, number: usize, line: &str) -> Result<(), Malformed> {
        let text = line.trim_start_matches(blank);
        if self.ini.dialect == Dialect::Plain && text.starts_with(['#', ';']) {
            return Ok(());
        }
        match (&mut self.open, self.ini.dialect) {
            (Some(Open { value: Some(value), .. }), _) => {
                value.push(text.to_owned());
                Ok(())
            }
            (_, Dialect::Plain) => self.line(number, text),
            (_, Dialect::Oslo) => Err(Malformed::line(number, "an indented line continues a value, and none is open")
                .help("take the blanks away; a comment or an empty line ends a value of several lines")),
        }
    }
}

fn section_name(dialect: Dialect, number: usize, line: &str) -> Result<&str, Malformed> {
    let inner = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let Some(name) = inner else {
        return Err(
            Malformed::line(number, "a section's line must end with `]`").help("a comment needs a line of its own")
        );
    };
    let bare = match dialect {
        Dialect::Oslo => name,
        Dialect::Plain => name.trim_matches(blank),
    };
    if bare.is_empty() { Err(Malformed::line(number, "the section has no name")) } else { Ok(bare) }
}

fn assignment(dialect: Dialect, number: usize, line: &str) -> Result<Open, Malformed> {
    let separators: &[char] = if dialect == Dialect::Oslo { &['=', ':'] } else { &['='] };
    let Some(at) = line.find(separators) else {
        if dialect == Dialect::Plain {
            return Ok(Open { key: line.to_owned(), value: None, line: number });
        }
        return Err(Malformed::line(number, "expected a section, a comment, or a key with `=` or `:`"));
    };
    let (key, value) = line.split_at(at);
    let key = key.trim_matches(blank);
    if key.is_empty() {
        return Err(Malformed::line(number, "the key before `=` is empty"));
    }
    let value = value.get(1..).unwrap_or("").trim_matches(blank);
    let value = if dialect == Dialect::Oslo { unquoted(value) } else { value };
    Ok(Open { key: key.to_owned(), value: Some(vec![value.to_owned()]), line: number })
}

/// Takes one pair of equal quotes off; a lone quote is its own pair, as in oslo.config.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return if rest.is_empty() { rest } else { rest.strip_suffix(quote).unwrap_or(value) };
        }
    }
    value
}

pub(super) fn parse(dialect: Dialect, name: &Arc<str>, text: &str) -> Result<Ini, Malformed> {
    let mut reader = Reader { name, ini: Ini::empty(dialect), index: BTreeMap::new(), section: None, open: None };
    for (index, line) in lines(text).enumerate() {
        reader.line(index + 1, line)?;
    }
    reader.close()?;
    Ok(reader.ini)
}
