//! A configuration file of a service on a host: a template rendered, checked, and overridden.

use std::collections::BTreeSet;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::check::{self, Parsed};
use super::document::{Document, Node};
use super::ini::{self, Ini};
use super::{Context, Fault, Format, Lookup, Place, Rendered, RevealError, Templates, secret};
use crate::digest::Digest;
use crate::path::ImagePath;
use crate::spec::did_you_mean;

/// What one layer changes in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Keys of an INI file.
    Ini(Vec<ini::Change>),
    /// A mapping that is merged into a YAML or JSON file, with null for what goes.
    Document(Node),
}

impl Layer {
    fn place(&self) -> Option<&Place> {
        match self {
            Self::Ini(changes) => changes.first().map(|change| &change.place),
            Self::Document(node) => Some(&node.place),
        }
    }
}

/// An override that does not fit its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Misfit {
    /// Where it was written.
    pub place: Place,
    /// What is wrong; lower-case.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Why there is no file.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// The template, or what it gave.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// An override.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// A value of a file, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Which: `[DEFAULT] debug`, `clouds.own.auth[0]`.
    pub name: String,
    /// The value as people may see it: secrets are named, not shown.
    pub value: String,
    /// Where it was written: a line of a template, or a spec.
    pub place: Place,
}

/// A file as it goes to a host.
#[derive(Debug, Clone)]
pub struct File {
    path: ImagePath,
    format: Format,
    text: Arc<str>,
    secrets: BTreeSet<String>,
    parsed: Parsed,
    rendered: Rendered,
}

impl File {
    /// Renders `template` for the file at `path`, reads it as `format`, and puts the layers on top, weakest first. All
    /// overrides that do not fit are given, not the first. The same input gives the same file.
    pub fn make(
        templates: &Templates,
        template: &str,
        path: &ImagePath,
        format: Format,
        context: &Context,
        layers: &[Layer],
    ) -> Result<Self, Vec<Refusal>> {
        let rendered = templates.render(template, format, context).map_err(|fault| vec![Refusal::from(fault)])?;
        Self::merged(rendered, path, format, layers)
    }

    /// The same of a text that is no template, which messages call `name`.
    pub fn of_text(
        name: &str,
        text: String,
        path: &ImagePath,
        format: Format,
        layers: &[Layer],
    ) -> Result<Self, Vec<Refusal>> {
        let rendered = Rendered::of_text(name, text).map_err(|fault| vec![Refusal::from(fault)])?;
        Self::merged(rendered, path, format, layers)
    }

    fn merged(rendered: Rendered, path: &ImagePath, format: Format, layers: &[Layer]) -> Result<Self, Vec<Refusal>> {
        let one = |fault: Fault| vec![Refusal::from(fault)];
        let mut parsed = check::read(format, &rendered).map_err(one)?;
        let mut misfits = Vec::new();
        let mut merge = Merge { misfits: &mut misfits, gone: BTreeSet::new() };
        for layer in layers {
            match (&mut parsed, layer) {
                (Parsed::Ini(ini), Layer::Ini(changes)) => merge.ini(ini, changes),
                (Parsed::Document(document), Layer::Document(node)) => merge.document(document, node),
                (_, layer) => merge.unlike(layer, format),
            }
        }
        if !misfits.is_empty() {
            return Err(misfits.into_iter().map(Refusal::from).collect());
        }
        let text = match &parsed {
            _ if layers.is_empty() => rendered.text().to_owned(),
            Parsed::Text => rendered.text().to_owned(),
            Parsed::Ini(ini) => ini.render(),
            Parsed::Document(document) => document.render(),
        };
        // An override may have taken the last use of a secret away.
        let secrets = secret::names(&text).unwrap_or_else(|_| rendered.secrets().clone());
        Ok(Self { path: path.clone(), format, text: text.into(), secrets, parsed, rendered })
    }

    /// Where it lies in the container.
    pub fn path(&self) -> &ImagePath {
        &self.path
    }

    /// What it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The text, with a marker where each secret goes. [`secret::masked`] makes it fit for people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of [`Self::text`]: one allocation, whoever asks.
    pub fn bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.text).into()
    }

    /// The names of the secrets that it holds: a file with one is a secret itself.
    pub fn secrets(&self) -> &BTreeSet<String> {
        &self.secrets
    }

    /// The digest of the text with its markers: equal for equal files, and silent on the values of secrets.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// The bytes, with the secrets put in.
    pub fn reveal(&self, lookup: &Lookup<'_>) -> Result<Zeroizing<Vec<u8>>, RevealError> {
        secret::reveal(&self.text, self.format, lookup)
    }

    /// Every option with its value and where that was written; none for a plain text.
    pub fn settings(&self) -> Vec<Setting> {
        let setting = |name: String, value: &str, place: &Place| Setting {
            name,
            value: secret::masked(value),
            place: self.origin(place),
        };
        match &self.parsed {
            Parsed::Text => Vec::new(),
            Parsed::Ini(ini) => ini
                .settings()
                .map(|(name, value)| setting(name, value.value.as_deref().unwrap_or(""), &value.place))
                .collect(),
            Parsed::Document(document) => {
                document.settings().into_iter().map(|(name, value, place)| setting(name, &value, place)).collect()
            }
        }
    }

    /// A line of the rendered text as the line of the template that made it.
    fn origin(&self, place: &Place) -> Place {
        let rendered = match place {
            Place::Line { text, line } if **text == *check::RENDERED => self.rendered.source(*line),
            _ => None,
        };
        rendered.map_or_else(|| place.clone(), |source| Place::line(&source.template.into(), source.line))
    }
}

/// Layers on their way into a file.
struct Merge<'a> {
    misfits: &'a mut Vec<Misfit>,
    /// What a weaker layer removed already: to remove it again is no mistake.
    gone: BTreeSet<String>,
}

impl Merge<'_> {
    fn ini(&mut self, ini: &mut Ini, changes: &[ini::Change]) {
        for change in changes {
            let name = format!("[{}] {}", change.section, change.key);
            match ini.apply(change) {
                Err(unsayable) => {
                    let place = unsayable.place.clone();
                    self.misfits.push(Misfit { place, message: unsayable.to_string(), help: None });
                }
                Ok(false) if change.values.is_empty() && !self.gone.contains(&name) => {
                    self.misfits.push(nothing_to_remove(ini, change));
                }
                Ok(_) if change.values.is_empty() => {
                    self.gone.insert(name);
                }
                Ok(_) => {}
            }
        }
    }

    fn document(&mut self, document: &mut Document, layer: &Node) {
        let mut removed = BTreeSet::new();
        layer.removals("", &mut removed);
        for missing in document.merge(layer) {
            removed.remove(&missing.path);
            if self.gone.contains(&missing.path) {
                continue;
            }
            let word = missing.path.rsplit('.').next().unwrap_or("");
            let help = did_you_mean(word, missing.known.iter().map(String::as_str));
            let message = format!("there is no key `{}` to remove", missing.path);
            self.misfits.push(Misfit { place: missing.place, message, help });
        }
        self.gone.extend(removed);
    }

    fn unlike(&mut self, layer: &Layer, format: Format) {
        let Some(place) = layer.place().cloned() else { return };
        let message = match (format, layer) {
            (Format::Text, _) => "the file is plain text, of which no part can be overridden".to_owned(),
            (_, Layer::Ini(_)) => format!("the file is {format}, which has no sections"),
            (_, Layer::Document(_)) => format!("the file is {format}: its keys stand in sections"),
        };
        let help = match format {
            Format::Text => {
                Some("say what the file is by `as=` on its `config` node, or change the template".to_owned())
            }
            _ => None,
        };
        self.misfits.push(Misfit { place, message, help });
    }
}

fn nothing_to_remove(ini: &Ini, change: &ini::Change) -> Misfit {
    let (message, help) = match ini.section(&change.section) {
        None => {
            let near = did_you_mean(&change.section, ini.sections().iter().map(ini::Section::name));
            (format!("there is no section `{}` to remove `{}` from", change.section, change.key), near)
        }
        Some(section) => {
            let near = did_you_mean(&change.key, section.options().iter().map(ini::Opt::key));
            (format!("section `{}` has no key `{}` to remove", change.section, change.key), near)
        }
    };
    Misfit { place: change.place.clone(), message, help }
}
