//! Templates to texts: minijinja with strict rules, no way to the world, and a source map.
//!
//! `trim_blocks` and `lstrip_blocks` are on: a line that only holds a block leaves nothing behind. The last line keeps its
//! end. Nothing is escaped by itself. An undefined name is an error wherever it is used, in `{% if %}` too.

mod filter;
mod report;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use tests::shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, ObjectRepr};
use minijinja::{Environment, OutputSpan, OutputSpanKind, UndefinedBehavior, Value};

use super::secret::{self, Op};
use super::{Fault, Format};

/// How many steps a rendering may take: some seconds' worth.
const FUEL: u64 = 5_000_000;
/// How deep includes and macros may call each other.
const RECURSION: usize = 64;
/// How large a rendered file may be, in bytes.
const MAX_SIZE: usize = 16 << 20;

/// The texts below `templates/`, compiled when they are first used.
pub struct Templates {
    texts: Arc<BTreeMap<String, Arc<str>>>,
    /// The first text that holds what only wharf may write.
    forged: Option<String>,
    /// One for each format, since `quote` is about the file's own.
    environments: [OnceLock<Environment<'static>>; Format::ALL.len()],
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.texts.keys()).finish()
    }
}

/// What a template sees: values by name, the members of services, and which secrets it may name.
#[derive(Debug, Clone)]
pub struct Context {
    values: BTreeMap<String, Value>,
    /// The values and the functions.
    value: Value,
    names: Arc<Names>,
    functions: Arc<BTreeMap<String, Value>>,
}

#[derive(Debug)]
struct Names {
    members: Arc<BTreeMap<String, Value>>,
    /// What each is, by the name that templates have for it.
    secrets: Arc<BTreeMap<String, String>>,
}

/// A text that only wharf may hold came from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` holds U+E5EC or U+E5ED, which stand for secrets in wharf's texts")]
pub struct Forged {
    /// Where in the context.
    pub path: String,
}

impl Context {
    /// Makes a context. `values` are the names that templates see, `members` what `members(NAME)` gives for each service,
    /// `secrets` what `secret(NAME)` may ask for.
    pub fn new(
        values: &serde_json::Map<String, serde_json::Value>,
        members: &BTreeMap<String, serde_json::Value>,
        secrets: BTreeSet<String>,
    ) -> Result<Self, Forged> {
        let members = members.iter().map(convert).collect::<Result<_, Forged>>()?;
        let values = values.iter().map(convert).collect::<Result<_, Forged>>()?;
        Ok(Self::of(values, Arc::new(members), themselves(secrets)))
    }

    /// A context without values, whose `members(NAME)` are facts that were read already, and secrets by the names that
    /// templates have for them.
    pub fn of_members(members: BTreeMap<String, Shared>, secrets: Arc<BTreeMap<String, String>>) -> Self {
        let members = members.into_iter().map(|(name, Shared(list))| (name, list)).collect();
        Self::of(BTreeMap::new(), Arc::new(members), secrets)
    }

    /// The same context with more or other values, and other secrets. What is not named is shared, so that the facts of an
    /// estate are read once for all its hosts.
    pub fn with(
        &self,
        values: &serde_json::Map<String, serde_json::Value>,
        secrets: BTreeSet<String>,
    ) -> Result<Self, Forged> {
        let mut all = self.values.clone();
        all.extend(values.iter().map(convert).collect::<Result<BTreeMap<_, _>, Forged>>()?);
        Ok(Self::of(all, Arc::clone(&self.names.members), themselves(secrets)))
    }

    /// The same context with more or other values, and facts that many contexts share: by their path, as `host` and
    /// `self.members`, they are put beside what `values` says.
    pub fn placed(
        &self,
        values: &serde_json::Map<String, serde_json::Value>,
        shared: &BTreeMap<String, Shared>,
    ) -> Result<Self, Forged> {
        let mut all = self.values.clone();
        for (name, value) in values {
            all.insert(name.clone(), converted(value, name, shared)?);
        }
        let whole = shared.iter().filter(|(path, _)| !path.contains('.'));
        all.extend(whole.map(|(name, Shared(value))| (name.clone(), value.clone())));
        Ok(Self::with_names(all, Arc::clone(&self.names), Arc::clone(&self.functions)))
    }

    fn of(
        values: BTreeMap<String, Value>,
        members: Arc<BTreeMap<String, Value>>,
        secrets: Arc<BTreeMap<String, String>>,
    ) -> Self {
        let names = Arc::new(Names { members, secrets });
        let functions = Arc::new(filter::functions(&names));
        Self::with_names(values, names, functions)
    }

    fn with_names(values: BTreeMap<String, Value>, names: Arc<Names>, functions: Arc<BTreeMap<String, Value>>) -> Self {
        let all = values.iter().chain(functions.iter());
        let value = Value::from_pairs(all.map(|(name, value)| (name.clone(), value.clone())));
        Self { values, value, names, functions }
    }
}

/// Secrets that templates call by their own names.
fn themselves(secrets: BTreeSet<String>) -> Arc<BTreeMap<String, String>> {
    Arc::new(secrets.into_iter().map(|name| (name.clone(), name)).collect())
}

fn convert((name, value): (&String, &serde_json::Value)) -> Result<(String, Value), Forged> {
    Ok((name.clone(), converted(value, name, &BTreeMap::new())?))
}

/// A fact that many contexts share, read once.
#[derive(Debug, Clone)]
pub struct Shared(Value);

impl Shared {
    /// Reads a fact; `path` is what messages call it.
    pub fn new(path: &str, value: &serde_json::Value) -> Result<Self, Forged> {
        converted(value, path, &BTreeMap::new()).map(Self)
    }
}

/// A value without parts as templates see it; none where it has some, or holds what stands for a secret.
fn plain(value: &serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) if !secret::holds_marker(text) => Value::from(text.as_str()),
        serde_json::Value::String(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_) => return None,
    })
}

/// A value as templates see it; refused where it holds what stands for a secret.
fn converted(value: &serde_json::Value, path: &str, shared: &BTreeMap<String, Shared>) -> Result<Value, Forged> {
    if let Some(value) = plain(value) {
        return Ok(value);
    }
    match value {
        serde_json::Value::Array(list) => {
            Ok(Value::from(list.iter().map(|value| converted(value, path, shared)).collect::<Result<Vec<_>, _>>()?))
        }
        serde_json::Value::Object(map) => {
            let entry = |(key, value): (&String, &serde_json::Value)| {
                if secret::holds_marker(key) {
                    return Err(Forged { path: path.to_owned() });
                }
                let value = match plain(value) {
                    Some(value) => value,
                    None => converted(value, &format!("{path}.{key}"), shared)?,
                };
                Ok((key.clone(), value))
            };
            let mut all = map.iter().map(entry).collect::<Result<Vec<_>, Forged>>()?;
            for (full, Shared(value)) in shared {
                let key = full.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'));
                all.extend(key.filter(|key| !key.contains('.')).map(|key| (key.to_owned(), value.clone())));
            }
            Ok(Value::from_pairs(all))
        }
        _ => Err(Forged { path: path.to_owned() }),
    }
}

/// What `secret(NAME)` gives: it can be written and encoded, and nothing else.
#[derive(Debug)]
struct Secret {
    name: String,
}

impl Object for Secret {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut minijinja::State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, minijinja::Error> {
        Err(filter::refused(method))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&secret::marker(Op::Value, &self.name))
    }
}

/// A line of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The template, by its path below `templates/`.
    pub template: String,
    /// The line, from 1.
    pub line: usize,
}

/// A rendered text, with a marker where each secret goes, and which part of which template made it.
#[derive(Debug, Clone)]
pub struct Rendered {
    text: String,
    secrets: BTreeSet<String>,
    spans: Vec<OutputSpan>,
    texts: Arc<BTreeMap<String, Arc<str>>>,
    template: String,
    /// Whether the text is that of `template` itself.
    plain: bool,
}

impl Templates {
    /// Takes the texts by their paths below `templates/`, as `include` names them.
    pub fn new(texts: BTreeMap<String, String>) -> Self {
        let texts: BTreeMap<String, Arc<str>> = texts.into_iter().map(|(path, text)| (path, Arc::from(text))).collect();
        let forged = texts.iter().find(|(_, text)| secret::holds_marker(text)).map(|(path, _)| path.clone());
        Self { texts: Arc::new(texts), forged, environments: Default::default() }
    }

    /// The paths.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// Which of the values called `names` a template may read, as `self.address` and `needs`; none where it takes in other
    /// templates, or is none. Equal values give equal texts.
    ///
    /// Every word of the text counts: minijinja's own list of undeclared variables leaves out `self`, and what a
    /// `set` of the same name reads.
    pub fn reads<'a>(&self, name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<BTreeSet<String>> {
        let text = self.texts.get(name)?;
        if ["include", "import", "extends", "debug"].iter().any(|word| text.contains(word)) {
            return None;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut reads = BTreeSet::new();
        for value in names {
            for (at, _) in text.match_indices(value) {
                let (before, after) = (text.get(..at)?, text.get(at + value.len()..)?);
                if before.ends_with(is_word) || after.starts_with(is_word) {
                    continue;
                }
                let inner = after.strip_prefix('.').map(|rest| rest.split(|c| !is_word(c)).next().unwrap_or_default());
                reads.insert(match inner {
                    Some(inner) if !inner.is_empty() => format!("{value}.{inner}"),
                    _ => value.to_owned(),
                });
            }
        }
        Some(reads)
    }

    fn environment(&self, format: Format) -> Option<&Environment<'static>> {
        let index = Format::ALL.iter().position(|own| *own == format)?;
        Some(self.environments.get(index)?.get_or_init(|| {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(UndefinedBehavior::Strict);
            environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
            environment.set_fuel(Some(FUEL));
            environment.set_recursion_limit(RECURSION);
            environment.set_debug(true);
            let syntax =
                SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
            if let Ok(syntax) = syntax {
                environment.set_syntax(syntax);
            }
            let texts = Arc::clone(&self.texts);
            environment.set_loader(move |name| Ok(texts.get(name).map(|text| text.to_string())));
            filter::install(&mut environment, format);
            environment
        }))
    }

    /// Renders a template for a file of a format.
    pub fn render(&self, name: &str, format: Format, context: &Context) -> Result<Rendered, Fault> {
        let report = report::Reporter { texts: &self.texts, context };
        let environment = self.environment(format).ok_or_else(|| Fault::nowhere("template", "no such format"))?;
        if let Some((path, text)) = self.forged.as_ref().and_then(|path| self.texts.get_key_value(path)) {
            let at = text.find(secret::MARKS).unwrap_or(0);
            let message = "the template holds U+E5EC or U+E5ED, which stand for secrets in wharf's texts";
            return Err(Fault::at("reserved-character", message, path, text, at..at + 3));
        }
        let template = environment.get_template(name).map_err(|error| report.error(&error, name))?;
        let context = context.value.clone();
        let (text, spans) = template.render_with_spans(context).map_err(|error| report.error(&error, name))?;
        let texts = Arc::clone(&self.texts);
        let mut rendered =
            Rendered { text, secrets: BTreeSet::new(), spans, texts, template: name.to_owned(), plain: false };
        if rendered.text.len() > MAX_SIZE {
            let size = MAX_SIZE >> 20;
            return Err(rendered.fault(0, "template-size", &format!("the file would be larger than {size} MiB")));
        }
        match secret::names(&rendered.text) {
            Ok(names) => rendered.secrets = names,
            Err(damage) => {
                let message = "a secret is cut or changed here";
                let help = "a secret can be written whole, joined to other text, and passed through `quote`, `to_json`, \
                            `urlencode` and `b64encode`";
                return Err(rendered.fault(damage.at, "secret-changed", message).help(Some(help.to_owned())));
            }
        }
        Ok(rendered)
    }
}

impl Rendered {
    /// A text that no template made: each line is from the same line of `name`.
    pub fn of_text(name: &str, text: String) -> Result<Self, Fault> {
        let own: Arc<str> = Arc::from(text.as_str());
        if let Some(at) = text.find(secret::MARKS) {
            let message = "the text holds U+E5EC or U+E5ED, which stand for secrets in wharf's texts";
            return Err(Fault::at("reserved-character", message, name, &own, at..at + 3));
        }
        let texts = Arc::new(BTreeMap::from([(name.to_owned(), own)]));
        Ok(Self { text, secrets: BTreeSet::new(), spans: Vec::new(), texts, template: name.to_owned(), plain: true })
    }

    /// The text with markers, which are equal where the secrets' names and encodings are.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of the secrets that it holds.
    pub fn secrets(&self) -> &BTreeSet<String> {
        &self.secrets
    }

    /// The template and the bytes in it that made the byte `at` of the text.
    fn origin(&self, at: usize) -> Option<(&str, std::ops::Range<usize>)> {
        if self.plain {
            return Some((&self.template, at..self.text.len()));
        }
        let index = self.spans.partition_point(|span| span.output_range().start <= at);
        let span = self.spans.get(index.saturating_sub(1))?;
        let mut range = span.source_range();
        if span.kind() == OutputSpanKind::Raw {
            // Written as it stands: the very byte is known.
            let offset = at.saturating_sub(span.output_range().start).min(range.len());
            range.start += offset;
        }
        Some((span.name(), range))
    }

    /// Where the byte of a line begins that is not blank.
    fn line_start(&self, line: usize) -> usize {
        let start = match line.checked_sub(2) {
            Some(before) => self.text.match_indices('\n').nth(before).map_or(self.text.len(), |(at, _)| at + 1),
            None => 0,
        };
        let rest = self.text.get(start..).unwrap_or("");
        let blank = rest.find(|c: char| c == '\n' || !c.is_whitespace()).unwrap_or(0);
        start + blank
    }

    /// The line of the template, or of one that it includes, that made a line of the text.
    pub fn source(&self, line: usize) -> Option<Source> {
        let (template, range) = self.origin(self.line_start(line))?;
        let before = self.texts.get(template)?.get(..range.start)?;
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Some(Source { template: template.to_owned(), line })
    }

    /// A mistake at a byte of the text, shown where the template makes it.
    fn fault(&self, at: usize, code: &'static str, message: &str) -> Fault {
        let Some((template, range)) = self.origin(at) else {
            let text = self.texts.get(&self.template).cloned().unwrap_or_default();
            return Fault::at(code, message, &self.template, &text, 0..0);
        };
        let Some(text) = self.texts.get(template) else { return Fault::nowhere(code, message) };
        // To the end of the line at most.
        let line = text.get(range.clone()).and_then(|part| part.find('\n')).map_or(range.end, |at| range.start + at);
        Fault::at(code, message, template, text, range.start..line)
    }

    /// A mistake in a line of the text, or at a column of it.
    pub(super) fn fault_in_line(&self, line: usize, column: Option<usize>, code: &'static str, message: &str) -> Fault {
        let first = self.line_start(line);
        let start = self.text.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let at = column.and_then(|column| {
            let rest = self.text.get(start..)?;
            rest.char_indices().nth(column.saturating_sub(1)).map(|(offset, _)| start + offset)
        });
        self.fault(at.unwrap_or(first).max(first), code, message)
    }

    /// A line of the text, as people may see it.
    pub(super) fn shown(&self, line: usize) -> String {
        let text = self.text.split('\n').nth(line.saturating_sub(1)).unwrap_or("");
        secret::masked(text.trim())
    }
}
