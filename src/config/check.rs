//! Whether a rendered text is what its file claims to be.

use std::sync::Arc;

use super::document::{Document, Syntax};
use super::ini::{Dialect, Ini};
use super::secret::{self, Op};
use super::{Fault, Format, Malformed, Rendered, Source};

/// The name of rendered texts in places, until the template that made the line is looked for.
pub(super) const RENDERED: &str = "";

/// A rendered text, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Anything.
    Text,
    /// Sections and keys.
    Ini(Ini),
    /// YAML or JSON.
    Document(Document),
}

/// Reads a rendered text. What is wrong is shown at the line of the template that made it; the lines in the values'
/// places are those of the rendered text.
pub(super) fn read(format: Format, rendered: &Rendered) -> Result<Parsed, Fault> {
    let name: Arc<str> = Arc::from(RENDERED);
    let text = rendered.text();
    let parsed = match format {
        Format::Text => Ok(Parsed::Text),
        Format::Ini => Ini::parse(Dialect::Plain, &name, text).map(Parsed::Ini),
        Format::Oslo => Ini::parse(Dialect::Oslo, &name, text).map(Parsed::Ini),
        Format::Yaml => Document::parse(Syntax::Yaml, &name, text).map(Parsed::Document),
        Format::Json => Document::parse(Syntax::Json, &name, text).map(Parsed::Document),
    };
    let parsed = parsed.and_then(|parsed| {
        let misplaced = if rendered.secrets().is_empty() { None } else { misplaced(&parsed) };
        misplaced.map_or(Ok(parsed), Err)
    });
    parsed.map_err(|wrong| fault(format, rendered, wrong))
}

/// A secret that was quoted as a whole value and stands where it is none: its quotes would be read as part of it.
fn misplaced(parsed: &Parsed) -> Option<Malformed> {
    match parsed {
        Parsed::Text => None,
        Parsed::Ini(ini) => ini.settings().find_map(|(_, value)| {
            let text = value.value.as_deref()?;
            let quoted =
                secret::holds(text, &[Op::Ini, Op::Oslo]) && secret::pieces(text).is_ok_and(|all| all.len() > 1);
            let message = "a secret with `quote` is only a part of a value";
            let help = "`quote` is for a whole value: quote all of it, or use `urlencode` in a URL";
            quoted.then(|| Malformed::line(value.place.number().unwrap_or(1), message).help(help))
        }),
        Parsed::Document(document) => document.settings().into_iter().find_map(|(_, text, place)| {
            let message = "a secret with `quote` stands in single quotes, in a block, or in a bare word";
            let help = "`quote` brings its own quotes, and is for a whole value";
            let line = place.number().unwrap_or(1);
            secret::holds(&text, &[Op::Json]).then(|| Malformed::line(line, message).help(help))
        }),
    }
}

fn fault(format: Format, rendered: &Rendered, wrong: Malformed) -> Fault {
    let what = match format {
        Format::Text => "text",
        Format::Ini => "an INI file",
        Format::Oslo => "an INI file of oslo.config",
        Format::Yaml => "YAML",
        Format::Json => "JSON",
    };
    let message = format!("the rendered file is not {what}: {}", wrong.message);
    let first = wrong.first.and_then(|line| rendered.source(line));
    let first = first.map(|Source { template, line }| format!("the first is from {template}:{line}"));
    let help: Vec<String> = first.into_iter().chain(wrong.help).collect();
    let shown = rendered.shown(wrong.line);
    let label = match shown.chars().count() {
        0 => format!("line {} of the file is from here", wrong.line),
        1..=60 => format!("line {} of the file is `{shown}`", wrong.line),
        _ => format!("line {} of the file is `{}…`", wrong.line, shown.chars().take(60).collect::<String>()),
    };
    rendered
        .fault_in_line(wrong.line, wrong.column, "malformed-file", &message)
        .label(label)
        .help((!help.is_empty()).then(|| help.join("\n")))
}
