//! Unit files as data: ordered sections of ordered entries, and their text (systemd.syntax(7)).

use super::name::UnitName;
use super::quote::printable;

/// One line: a key and its value as it stands in the file, escapes and quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a str,
    /// The value as the file has it.
    pub value: &'a str,
}

/// A section and its entries, in order; one key may stand in many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    name: String,
    /// The entries as the file has them, `KEY=VALUE` and a newline each: no key holds a `=`, no value a newline. One text,
    /// since a large estate has millions of lines.
    lines: String,
}

impl Section {
    /// The name between the brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entries in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let lines = self.lines.split_terminator('\n').filter_map(|line| line.split_once('='));
        lines.map(|(key, value)| Entry { key, value })
    }
}

/// A unit file: its name and its sections, each name once. What it holds can be rendered and read back as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    name: UnitName,
    sections: Vec<Section>,
}

/// A line that a unit file cannot hold, or a text that is no unit file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A section's name that would not be read back.
    #[error("`{}` cannot name a section: printable characters without brackets are wanted", .0.escape_debug())]
    Section(String),
    /// A key that would not be read back.
    #[error("`{}` cannot be a key: letters, digits and `-` are wanted", .0.escape_debug())]
    Key(String),
    /// A value that would not be read back.
    #[error("`{key}=` cannot hold `{}`: {why}", .value.escape_debug())]
    Value {
        /// Its key.
        key: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A line that is neither a section, nor an entry, nor a comment.
    #[error("line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Why a value cannot stand in a line as it is; none if it can.
pub(super) fn unwritable(value: &str) -> Option<&'static str> {
    if !printable(value) && value.chars().any(|c| c.is_control() && c != '\t') {
        Some("a control character would break the line")
    } else if value.trim() != value {
        Some("white space at its ends is not read")
    } else if value.ends_with('\\') {
        Some("a backslash at its end would continue the line")
    } else {
        None
    }
}

fn key_error(key: &str) -> Option<FileError> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (key.is_empty() || !key.bytes().all(valid)).then(|| FileError::Key(key.to_owned()))
}

impl UnitFile {
    /// An empty file.
    pub fn new(name: UnitName) -> Self {
        Self { name, sections: Vec::new() }
    }

    /// The file's name.
    pub fn name(&self) -> &UnitName {
        &self.name
    }

    /// The sections in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// All values of a key, in order.
    pub fn values<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
        let entries = self.sections.iter().filter(move |found| found.name == section).flat_map(Section::entries);
        entries.filter(move |entry| entry.key == key).map(|entry| entry.value)
    }

    /// Adds an empty section where there is none of that name.
    pub fn section(&mut self, section: &str) -> Result<(), FileError> {
        self.lines(section).map(|_| ())
    }

    /// The lines of a section, which is made where there is none.
    fn lines(&mut self, section: &str) -> Result<&mut String, FileError> {
        let place = match self.sections.iter().position(|found| found.name == section) {
            Some(place) => place,
            None => {
                let bad = |c: char| c.is_control() || matches!(c, '[' | ']');
                if section.is_empty() || section.trim() != section || section.contains(bad) {
                    return Err(FileError::Section(section.to_owned()));
                }
                self.sections.push(Section { name: section.to_owned(), lines: String::new() });
                self.sections.len() - 1
            }
        };
        let found = self.sections.get_mut(place).map(|found| &mut found.lines);
        found.ok_or_else(|| FileError::Section(section.to_owned()))
    }

    /// Adds a line at the end of a section, which is made where there is none. The value is taken as it is.
    pub fn add(&mut self, section: &str, key: &str, value: &str) -> Result<(), FileError> {
        if let Some(error) = key_error(key) {
            return Err(error);
        }
        if let Some(why) = unwritable(value) {
            return Err(FileError::Value { key: key.to_owned(), value: value.to_owned(), why });
        }
        let lines = self.lines(section)?;
        for part in [key, "=", value, "\n"] {
            lines.push_str(part);
        }
        Ok(())
    }

    /// The file's text.
    pub fn render(&self) -> String {
        // A line for each section's name, and one between two of them.
        let length = |section: &Section| section.name.len() + section.lines.len() + "\n[]\n".len();
        let mut text = String::with_capacity(self.sections.iter().map(length).sum());
        for section in &self.sections {
            let gap = if text.is_empty() { "[" } else { "\n[" };
            for part in [gap, &section.name, "]\n", &section.lines] {
                text.push_str(part);
            }
        }
        text
    }

    /// Reads a file's text by systemd's rules: comments are left out, a backslash at the end of a line continues it and
    /// stands for a blank, comments between such lines are passed over, and sections of one name are one.
    pub fn parse(name: UnitName, text: &str) -> Result<Self, FileError> {
        let mut file = Self::new(name);
        let mut section: Option<String> = None;
        let mut pending = String::new();
        let mut lines = text.split('\n').enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            let line = line.trim_start();
            if line.starts_with(['#', ';']) {
                continue;
            }
            pending.push_str(line);
            let slashes = pending.bytes().rev().take_while(|byte| *byte == b'\\').count();
            if slashes % 2 == 1 && lines.peek().is_some() {
                pending.pop();
                pending.push(' ');
                continue;
            }
            let whole = std::mem::take(&mut pending);
            let whole = whole.trim();
            let wrong = |why| FileError::Line { line: index + 1, why };
            if whole.is_empty() {
                continue;
            }
            if let Some(rest) = whole.strip_prefix('[') {
                let name = rest.strip_suffix(']').ok_or_else(|| wrong("a section's name ends in `]`"))?;
                file.section(name)?;
                section = Some(name.to_owned());
                continue;
            }
            let (key, value) = whole.split_once('=').ok_or_else(|| wrong("neither a section nor `KEY=VALUE`"))?;
            let section = section.as_ref().ok_or_else(|| wrong("no section stands before it"))?;
            file.add(section, key.trim(), value.trim())?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn name() -> UnitName {
        UnitName::new("a.service").unwrap()
    }

    fn parse(text: &str) -> Result<UnitFile, FileError> {
        UnitFile::parse(name(), text)
    }

    #[test]
    fn what_is_no_unit_file_is_refused_with_its_line() {
        let said: Vec<String> =
            ["A=b\n", "[Unit]\n\nnonsense\n", "[Unit\nA=b", "[Unit]\n=b\n", "[U[nit]\n", "[Unit]\nA b=c"]
                .iter()
                .map(|text| parse(text).unwrap_err().to_string())
                .collect();
        assert_snapshot!(said.join("\n"), @r"
        line 1: no section stands before it
        line 3: neither a section nor `KEY=VALUE`
        line 1: a section's name ends in `]`
        `` cannot be a key: letters, digits and `-` are wanted
        `U[nit` cannot name a section: printable characters without brackets are wanted
        `A b` cannot be a key: letters, digits and `-` are wanted
        ");
    }

    #[test]
    fn a_value_that_would_be_read_as_another_is_refused() {
        let mut file = UnitFile::new(name());
        for bad in ["a\nb", " a", "a ", "a\\", "a\u{a0}", "a\u{0}", "a\r", "a\u{85}b"] {
            assert!(file.add("Service", "ExecStart", bad).is_err(), "{bad:?}");
        }
        assert!(file.sections().is_empty());
    }

    #[test]
    fn continued_lines_are_one_and_comments_are_none() {
        let text = "# first\n[Service]\nExecStart=/bin/a \\\n# between\n;too\n   b\\\n\\\nc\nX-A = b \nExecStart=\n[Unit]\n[Service]\nY=\\\\\nZ=\\";
        let file = parse(text).unwrap_err();
        assert_eq!(file.to_string(), "`Y=` cannot hold `\\\\\\\\`: a backslash at its end would continue the line");
        let file = parse(&text[..text.len() - 9]).unwrap();
        assert_snapshot!(file.render(), @r"
        [Service]
        ExecStart=/bin/a  b  c
        X-A=b
        ExecStart=

        [Unit]
        ");
        assert_eq!(file.values("Service", "ExecStart").count(), 2);
    }

    proptest! {
        #[test]
        fn a_file_reads_what_it_renders(
            lines in prop::collection::vec(("(Unit|Service|X-[a-z ]{1,3}[a-z])", "[A-Za-z0-9-]{1,8}", "\\PC{0,24}"), 0..12)
        ) {
            let mut file = UnitFile::new(name());
            for (section, key, value) in lines {
                // Values that a file refuses are tried too; they must leave it as it was.
                let before = file.clone();
                if file.add(&section, &key, &value).is_err() {
                    prop_assert_eq!(&file, &before);
                }
            }
            prop_assert_eq!(parse(&file.render()), Ok(file));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(\\PC|\n|\\\\\n|\\[|\\]|=){0,60}") {
            if let Ok(file) = parse(&text) {
                prop_assert_eq!(parse(&file.render()), Ok(file));
            }
        }
    }
}
