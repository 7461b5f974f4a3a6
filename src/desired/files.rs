//! Configuration files of a member: rendered, changed by overrides, and where they are mounted from.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::{Context, File, Forged, Format, Layer, Place, Refusal, Setting, Shared, document, ini};
use crate::estate::{Change, Config, ConfigContent, KeyChange, OnChange, Override, Provider, Text, is_file};
use crate::name::SecretName;
use crate::path::ImagePath;
use crate::spec::{Log, Mistake, Scalar, Span, Spanned};
use crate::unit::ObjectName;

use super::member::Member;
use super::shared::{Common, text};
use super::{HostFile, SecretSource, Wrong, context, meaning, storage};

/// Where a mounted file comes from.
#[derive(Debug, Clone)]
pub enum ConfigPlace {
    /// A file of the host, or the folder that holds it, and what of the container it covers.
    Host {
        /// The host's path.
        path: ImagePath,
        /// The container's.
        target: ImagePath,
    },
    /// A secret of podman's.
    Secret {
        /// podman's name of it.
        object: ObjectName,
        /// What it is made of.
        source: SecretSource,
    },
}

/// A file as a container sees it.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// Its path there.
    pub path: ImagePath,
    /// Where it comes from.
    pub place: ConfigPlace,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions.
    pub mode: u16,
}

/// The files of a member; those that lie on the host are added to `host`.
pub(super) fn mounted(
    member: &Member<'_>,
    common: &Common,
    here: &Here,
    host: &mut BTreeMap<String, HostFile>,
    wrong: &mut Wrong,
) -> Vec<Mounted> {
    let mut found = Vec::new();
    if member.service.configs.is_empty() {
        return found;
    }
    let sight = Sight::new(member, common, here, &mut wrong.mistakes);
    for config in member.service.configs.values() {
        let Some(file) = make(config, &sight, wrong) else { continue };
        let log = &mut wrong.mistakes;
        let (uid, gid) = storage::owner(member, config.owner.as_ref(), config.group.as_ref(), config.span, log);
        let mode = config.mode.map_or(0o644, |mode| mode.0);
        let Some(place) = place(member, config, &file, (uid, gid, mode), host, log) else { continue };
        found.push(Mounted { path: config.path.clone(), place, uid, gid, mode });
    }
    found
}

/// Every option of every file of a member, by the file's path, with where it comes from.
pub(super) fn settings(member: &Member<'_>, common: &Common, wrong: &mut Wrong) -> Vec<(String, Vec<Setting>)> {
    let here = Here::default();
    let sight = Sight::new(member, common, &here, &mut wrong.mistakes);
    let mut found = Vec::new();
    for config in member.service.configs.values() {
        let Some(file) = make(config, &sight, wrong) else { continue };
        let mut settings = file.settings();
        if matches!(config.content, ConfigContent::Text(_)) {
            // A text in a spec has no file of its own: its node is the place.
            for setting in settings.iter_mut().filter(|setting| matches!(setting.place, Place::Line { .. })) {
                setting.place = Place::Spec(config.span);
            }
        }
        found.push((config.path.to_string(), settings));
    }
    found
}

/// What all templates on one host see alike, made when the first of them asks.
#[derive(Default)]
pub(super) struct Here {
    facts: OnceCell<Map<String, Value>>,
    shared: OnceCell<Result<BTreeMap<String, Shared>, Forged>>,
}

impl Here {
    fn facts(&self, member: &Member<'_>) -> &Map<String, Value> {
        self.facts.get_or_init(|| context::host_facts(member))
    }

    /// The same as templates read it.
    fn shared(&self, member: &Member<'_>) -> Result<&BTreeMap<String, Shared>, &Forged> {
        let read = |(name, value): (&String, &Value)| Ok((name.clone(), Shared::new(name, value)?));
        self.shared.get_or_init(|| self.facts(member).iter().map(read).collect()).as_ref()
    }
}

/// What templates of a member see; made into a context when one is rendered.
struct Sight<'a, 'm> {
    member: &'a Member<'m>,
    common: &'a Common,
    here: &'a Here,
    own: Map<String, Value>,
    context: OnceCell<Option<Context>>,
}

impl<'a, 'm> Sight<'a, 'm> {
    fn new(member: &'a Member<'m>, common: &'a Common, here: &'a Here, log: &mut Log) -> Self {
        Self { member, common, here, own: context::facts(member, log), context: OnceCell::new() }
    }

    /// What a name stands for, but for the members of groups.
    fn fact(&self, name: &str) -> Option<&Value> {
        self.own.get(name).or_else(|| self.here.facts(self.member).get(name))
    }

    fn context(&self, log: &mut Log) -> Option<&Context> {
        self.context.get_or_init(|| self.read().map_err(|error| log.push(self.forged(&error))).ok()).as_ref()
    }

    fn read(&self) -> Result<Context, Forged> {
        let Self { member, common, .. } = self;
        let mut shared = self.here.shared(member).map_err(Forged::clone)?.clone();
        shared.extend(common.members(&member.group.name).map(|list| ("self.members".to_owned(), list.clone())));
        for (name, binding) in &member.group.needs {
            if let Provider::Group(group) = &binding.provider {
                let list = common.provided(group, &binding.capability);
                shared.extend(list.map(|list| (format!("needs.{name}.members"), list.clone())));
            }
        }
        common.context(member.group).placed(&self.own, &shared)
    }

    fn forged(&self, error: &Forged) -> Mistake {
        Mistake::new("reserved-character", self.member.service.span, error.to_string()).label("of this")
    }
}

/// The file of a `config` node; what is wrong is said.
fn make(config: &Config, sight: &Sight<'_, '_>, wrong: &mut Wrong) -> Option<Arc<File>> {
    let Sight { member, common, .. } = sight;
    let log = &mut wrong.mistakes;
    let format = config.format().unwrap_or(Format::Text);
    let layers = layers(member, config, log);
    let made = match &config.content {
        ConfigContent::Template(name, _) => {
            if let Some(why) = common.unreadable.get(name) {
                let message = format!("{} cannot be read: {why}", shown(member, name));
                log.push(Mistake::new("unreadable", config.span, message).label("named here"));
                return None;
            }
            let fact = |name: &str| sight.fact(name);
            let key = common.key(name, member, config.path.as_str(), fact).filter(|_| layers.is_empty());
            if let Some(file) = key.as_ref().and_then(|key| common.made(key)) {
                return Some(file);
            }
            let context = sight.context(log)?;
            let made = File::make(&common.templates, name, &config.path, format, context, &layers).map(Arc::new);
            made.map(|file| match key {
                Some(key) => common.keep(key, file),
                None => file,
            })
        }
        ConfigContent::Source(name, source) => match text(source) {
            Ok(text) => File::of_text(name, text, &config.path, format, &layers).map(Arc::new),
            Err(why) => {
                let message = format!("{} cannot be read: {why}", shown(member, name));
                log.push(Mistake::new("unreadable", config.span, message).label("named here"));
                return None;
            }
        },
        ConfigContent::Text(text) => {
            let text = member.fill(text, config.span, log);
            File::of_text("the text in the spec", text, &config.path, format, &layers).map(Arc::new)
        }
        ConfigContent::Overrides => {
            File::of_text("nothing", empty(format), &config.path, format, &layers).map(Arc::new)
        }
    };
    match made {
        Ok(file) => Some(file),
        Err(refusals) => {
            for refusal in refusals {
                match refusal {
                    Refusal::Misfit(misfit) => {
                        let span = match misfit.place {
                            Place::Spec(span) => span,
                            Place::Line { .. } => config.span,
                        };
                        let mistake = Mistake::new("override", span, misfit.message).label("this change");
                        wrong.mistakes.push(mistake.help_if(misfit.help));
                    }
                    Refusal::Fault(mut fault) => {
                        let (path, group, host) = (&config.path, &member.group.name, &member.host.name);
                        fault.message = format!("{}, for {path} of `{group}` on {host}", fault.message);
                        let own = matches!(config.content, ConfigContent::Text(_) | ConfigContent::Overrides);
                        wrong.faults.push(if own { fault } else { fault.renamed(|name| shown(member, name)) });
                    }
                }
            }
            None
        }
    }
}

/// What messages call a file below templates/.
fn shown(member: &Member<'_>, name: &str) -> String {
    let known = member.ground.project.templates.get(name);
    known.map_or_else(|| format!("templates/{name}"), |template| template.shown.clone())
}

/// A file of a format that says nothing.
fn empty(format: Format) -> String {
    match format {
        Format::Json => "{}\n".to_owned(),
        Format::Yaml => "{}\n".to_owned(),
        Format::Text | Format::Ini | Format::Oslo => String::new(),
    }
}

/// What changes a file, weakest first.
fn layers(member: &Member<'_>, config: &Config, log: &mut Log) -> Vec<Layer> {
    let changes = member.changes();
    let mine = changes.iter().flat_map(|own| &own.files).filter(|change| {
        let service = change
            .service
            .as_ref()
            .is_none_or(|name| name.value == member.service.name || name.value == member.group.name);
        service && is_file(config.path.as_str(), &change.file)
    });
    let mine: Vec<&Override> = mine.collect();
    mine.into_iter()
        .map(|change| match &change.change {
            Change::Sections(sections) => {
                let mut all = Vec::new();
                for (section, options) in sections {
                    for (key, values) in options {
                        let place = Place::Spec(values.span);
                        let values = values.value.iter().map(|text| {
                            let text = member.fill(text, values.span, log);
                            crate::config::Layered::new(Some(text), place.clone())
                        });
                        let values = values.collect();
                        all.push(ini::Change { section: section.clone(), key: key.clone(), values, place });
                    }
                }
                Layer::Ini(all)
            }
            Change::Keys(keys) => Layer::Document(node_of_keys(member, keys, change.span, log)),
        })
        .collect()
}

/// Keys of an override as a mapping.
fn node_of_keys(
    member: &Member<'_>,
    keys: &BTreeMap<String, Spanned<KeyChange>>,
    span: Span,
    log: &mut Log,
) -> document::Node {
    let mut map = document::Map::new();
    for (key, value) in keys {
        let node = node_of(member, value, log);
        // Keys of a map are different ones.
        let _ = map.insert(document::Value::Text(key.clone()), node);
    }
    document::Node::new(document::Value::Map(map), Place::Spec(span))
}

fn node_of(member: &Member<'_>, change: &Spanned<KeyChange>, log: &mut Log) -> document::Node {
    let mut one = |scalar: &Scalar| match scalar {
        Scalar::Null => document::Value::Null,
        Scalar::Bool(truth) => document::Value::Bool(*truth),
        Scalar::Integer(number) => document::Value::Number(number.to_string()),
        Scalar::Float(number) => document::Value::Number(number.to_string()),
        Scalar::Text(text) => document::Value::Text(member.fill(&Text::template(text.clone()), change.span, log)),
    };
    let place = Place::Spec(change.span);
    let value = match &change.value {
        KeyChange::Remove => document::Value::Null,
        KeyChange::One(scalar) => one(scalar),
        KeyChange::List(list) => {
            let items = list.iter().map(|item| document::Node::new(one(item), place.clone()));
            document::Value::List(items.collect())
        }
        KeyChange::Keys(keys) => return node_of_keys(member, keys, change.span, log),
    };
    document::Node::new(value, place)
}

/// Where a file is mounted from.
fn place(
    member: &Member<'_>,
    config: &Config,
    file: &File,
    (uid, gid, mode): (u32, u32, u16),
    host: &mut BTreeMap<String, HostFile>,
    log: &mut Log,
) -> Option<ConfigPlace> {
    let group = member.group.name.clone();
    let account = member.service.container.run_as.as_ref().map(|account| &account.value);
    // Of the ids in a container of an ordinary account, the host knows one alone: the superuser is that account. Who
    // else is, /etc/subuid of the host says; podman reads it, for its secrets.
    let foreign = account.is_some() && (uid, gid) != (0, 0);
    if foreign || !file.secrets().is_empty() {
        let label = format!("{}-{}", member.group.name, config.path.file_name());
        let object = match member.ground.vault.object_of(&label, file) {
            Ok(object) => object,
            Err(why) => {
                let message = format!("{} of `{}`: {why}", config.path, member.group.name);
                let label = if foreign { "not the superuser's, so a secret of podman's" } else { "holds secrets" };
                log.push(Mistake::new("no-secret", config.span, message).label(label));
                return None;
            }
        };
        let secrets = file.secrets().iter().filter_map(|name| SecretName::new(name.as_str()).ok()).collect();
        let source = SecretSource::File { service: group, path: config.path.to_string(), secrets };
        return match ObjectName::new(object) {
            Ok(object) => Some(ConfigPlace::Secret { object, source }),
            Err(error) => {
                log.push(meaning::refused(member, config.span, &error.to_string()));
                None
            }
        };
    }
    let (uid, gid) = account.map_or((uid, gid), |account| (account.uid, account.gid));
    let put = |path: &ImagePath, host: &mut BTreeMap<String, HostFile>| {
        let new = || HostFile { bytes: file.bytes(), uid, gid, mode, of: BTreeSet::new() };
        // Groups may have the same file.
        host.entry(path.to_string()).or_insert_with(new).of.insert(group);
    };
    if config.on_change == OnChange::Restart {
        // By content: a file that changes is another file, and the unit says so.
        let key = crate::digest::Digest::of(format!("{uid} {gid} {mode:o} {}", file.digest()).as_bytes());
        let path = meaning::content_path(&key)?;
        put(&path, host);
        return Some(ConfigPlace::Host { path, target: config.path.clone() });
    }
    // Where it stays: replaced by rename while the container runs.
    let (folder, name) = config.path.as_str().rsplit_once('/')?;
    let live = format!("/var/lib/wharf/live/{}{folder}", member.group.name);
    let path = ImagePath::new(&format!("{live}/{name}")).ok()?;
    put(&path, host);
    if config.on_change == OnChange::Nothing {
        // The container keeps the file that it started with.
        return Some(ConfigPlace::Host { path, target: config.path.clone() });
    }
    // A mounted file would stay what it was: the folder is mounted, and covers all that the image has there.
    let beside =
        member.service.configs.values().find(|other| {
            other.on_change != OnChange::Reload && other.path.as_str().starts_with(&format!("{folder}/"))
        });
    if let Some(other) = beside {
        let message = format!("{} is read again, so all of {folder} comes from the host", config.path);
        let mistake = Mistake::new("conflict", config.span, message).label("covers its folder");
        log.push(mistake.also(other.span, "which hides this").help("put one of them into another folder"));
    }
    Some(ConfigPlace::Host { path: ImagePath::new(&live).ok()?, target: ImagePath::new(folder).ok()? })
}
