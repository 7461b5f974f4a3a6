//! Control stanzas (deb822(5), Debian Policy 5): fields in their order, names matched without case.

use std::fmt;

/// One stanza.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Control {
    fields: Vec<(String, String)>,
}

/// A text that is not made of stanzas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}: `{text}`")]
pub struct ControlError {
    /// Counted from 1.
    pub line: usize,
    problem: Problem,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    NoColon,
    NoName,
    NoField,
    Repeated,
    NoStanza,
    Several,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoColon => "expected `Field: value`",
            Self::NoName => "a field's name holds no white space and does not start with `-`",
            Self::NoField => "a continuation line with no field before it",
            Self::Repeated => "a field that this stanza already has",
            Self::NoStanza => "no field at all",
            Self::Several => "more than one stanza",
        })
    }
}

impl Control {
    /// From fields in order. Values hold continuation lines with their leading space, lines joined by `\n`.
    pub fn new(fields: Vec<(String, String)>) -> Self {
        Self { fields }
    }

    /// Reads exactly one stanza, as a .deb's `control` or a `Release` file has it.
    pub fn parse(text: &str) -> Result<Self, ControlError> {
        let mut all = Self::parse_all(text)?.into_iter();
        let only = all.next().ok_or(ControlError { line: 1, problem: Problem::NoStanza, text: String::new() })?;
        match all.next() {
            None => Ok(only),
            Some((line, _)) => Err(ControlError { line, problem: Problem::Several, text: String::new() }),
        }
        .map(|(_, control)| control)
    }

    /// Reads all stanzas, each with the number of its first line. Blank lines part them, lines that start with `#` are comments.
    pub fn parse_all(text: &str) -> Result<Vec<(usize, Self)>, ControlError> {
        let mut all = Vec::new();
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut first = 1;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let wrong =
                |problem| ControlError { line: number, problem, text: line.chars().take(80).collect::<String>() };
            if line.starts_with('#') {
                continue;
            }
            if line.trim().is_empty() {
                if !fields.is_empty() {
                    all.push((first, Self::ended(std::mem::take(&mut fields))));
                }
                continue;
            }
            if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut().ok_or_else(|| wrong(Problem::NoField))?;
                value.push('\n');
                value.push_str(line);
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| wrong(Problem::NoColon))?;
            if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
                return Err(wrong(Problem::NoName));
            }
            if fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(wrong(Problem::Repeated));
            }
            if fields.is_empty() {
                first = number;
            }
            fields.push((name.to_owned(), value.trim_start().to_owned()));
        }
        if !fields.is_empty() {
            all.push((first, Self::ended(fields)));
        }
        Ok(all)
    }

    /// White space is cut off where a value ends, and only there: dpkg keeps it at the end of the lines within.
    fn ended(mut fields: Vec<(String, String)>) -> Self {
        for (_, value) in &mut fields {
            value.truncate(value.trim_end().len());
        }
        Self { fields }
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The stanza as a control file holds it, with a newline at its end.
impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            let gap = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
            writeln!(f, "{name}:{gap}{value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(text: &str) -> String {
        Control::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_stanza_is_refused_with_its_line() {
        insta::assert_snapshot!(message("Package: a\nnonsense\n"), @"line 2: expected `Field: value`: `nonsense`");
        insta::assert_snapshot!(message(" x\n"), @"line 1: a continuation line with no field before it: ` x`");
        insta::assert_snapshot!(message("A b: c\n"), @"line 1: a field's name holds no white space and does not start with `-`: `A b: c`");
        insta::assert_snapshot!(message("A: 1\na: 2\n"), @"line 2: a field that this stanza already has: `a: 2`");
        insta::assert_snapshot!(message("# only\n"), @"line 1: no field at all: ``");
        insta::assert_snapshot!(message("A: 1\n\nB: 2\n"), @"line 3: more than one stanza: ``");
    }

    #[test]
    fn continuation_lines_keep_their_space_and_comments_go() {
        let control =
            Control::parse("Package: a\n# no\nDescription: short\n long\n .\n end  \nConffiles:\n /etc/a 00\n")
                .unwrap();
        assert_eq!(control.get("description"), Some("short\n long\n .\n end"));
        assert_eq!(control.get("Conffiles"), Some("\n /etc/a 00"));
        assert_eq!(control.to_string(), "Package: a\nDescription: short\n long\n .\n end\nConffiles:\n /etc/a 00\n");
    }

    #[test]
    fn white_space_at_the_end_of_lines_within_a_value_stays() {
        let control = Control::parse("Package: a \nDescription: short \n long  \n end \nSection: x\n").unwrap();
        assert_eq!(control.to_string(), "Package: a\nDescription: short \n long  \n end\nSection: x\n");
    }

    #[test]
    fn stanzas_know_their_lines() {
        let all = Control::parse_all("\nA: 1\n\n \nB: 2\n").unwrap();
        assert_eq!(all.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 5]);
    }

    proptest! {
        #[test]
        fn a_stanza_reads_what_it_prints(values in proptest::collection::btree_map("[A-Z][a-z]{1,6}", "([!-~]{1,9}( [!-~]{1,9}){0,2})?", 1..6)) {
            let control = Control::new(values.into_iter().collect());
            prop_assert_eq!(Control::parse(&control.to_string()), Ok(control));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = Control::parse_all(&text);
        }
    }
}
