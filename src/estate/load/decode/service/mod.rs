//! What a service's own node says.

mod container;
mod life;
mod overrides;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::name::{CapabilityName, ImageName, SecretName, ServiceName};
use crate::path::ImagePath;
use crate::spec::{Log, Mistake, Node, Reader, Scalar, Spanned, unknown_child};

use super::super::super::{
    Config, ConfigContent, Grant, HostDir, HostNeeds, Listen, Need, Overrides, Port, Provide, Scope, SecretUse,
    Service, TaskEvent, TaskWhen, Text, Tier, Undo,
};
use super::super::gather::Gathered;
use super::super::shape::Holder;
use super::super::top::Spec;
use super::super::value::{Plain, PortNumber};

pub(super) use overrides::{overrides, read as read_overrides, read_more};

/// Reads the merged, expanded nodes of a service.
pub(in super::super) fn service(
    name: ServiceName,
    spec: &Spec<'_>,
    nodes: &[Cow<'_, Node>],
    gathered: &Gathered,
    log: &mut Log,
) -> Option<Service> {
    let image = ImageName::new(name.as_str()).ok()?;
    let mut service = Service {
        image: Spanned::new(image, spec.span()),
        name,
        summary: None,
        tier: Tier::BestEffort,
        roles: Vec::new(),
        scope: Scope::default(),
        on_network: None,
        needs: BTreeMap::new(),
        provides: BTreeMap::new(),
        ports: BTreeMap::new(),
        configs: BTreeMap::new(),
        secrets: BTreeMap::new(),
        generates: BTreeMap::new(),
        container: Default::default(),
        life: life::default(),
        tasks: Vec::new(),
        update: life::default_update(),
        instances: BTreeMap::new(),
        own: Overrides::default(),
        host: HostNeeds::default(),
        origin: gathered.sources.origin(spec.span().source).clone(),
        span: spec.span(),
    };
    for node in nodes {
        read(&mut service, node, gathered, log);
    }
    Some(service)
}

fn read(service: &mut Service, node: &Node, gathered: &Gathered, log: &mut Log) {
    let name = node.name.value.as_str();
    if name == "let" || container::read(&mut service.container, node, log) {
        return;
    }
    if life::read(&mut service.life, node, log) || overrides::read(&mut service.own, node, Some(&service.name), log) {
        return;
    }
    let mut reader = Reader::new(node, log);
    match name {
        "summary" => service.summary = reader.argument::<Plain>("one line of text").map(|Plain(text)| text),
        "tier" => service.tier = reader.argument("a tier").unwrap_or(service.tier),
        "image" => {
            let value = reader.value("an image");
            if let Some((value, name)) = value.and_then(|value| Some((value, reader.read(value)?))) {
                service.image = Spanned::new(name, value.span);
            }
        }
        "role" => service.roles.extend(spanned(&mut reader, "a role")),
        "scope" => service.scope = reader.argument("a scope").unwrap_or(service.scope),
        "on-network" => service.on_network = spanned(&mut reader, "a network").pop(),
        "needs" => needs(service, &mut reader),
        "provides" => provides(service, &mut reader),
        "port" => {
            let name: Option<CapabilityName> = reader.argument("what the port is for");
            let value = reader.value("a port's number");
            let number = value.and_then(|value| reader.read(value));
            let port = number.map(|PortNumber(number)| port(&mut reader, number));
            if let (Some(name), Some(port)) = (name, port) {
                service.ports.insert(name, port);
            }
        }
        "config" => {
            if let Some(config) = config(&mut reader, gathered) {
                service.configs.insert(config.path.clone(), config);
            }
        }
        "secret" => service.secrets.extend(secret(&mut reader)),
        "generate" => service.generates.extend(super::secret::generate(&mut reader)),
        "task" => {
            service.tasks.extend(life::task(&mut reader));
        }
        "update" => service.update = life::update(&mut reader),
        "instance" => {
            let name: Option<ServiceName> = reader.argument("a name");
            let changes = overrides(&mut reader, &["port", "env", "command"], Some(&service.name));
            service.instances.extend(name.map(|name| (name, changes)));
        }
        "host-sysctl" => {
            let (key, value) = (reader.argument::<Plain>("a kernel parameter"), kernel_value(&mut reader));
            let pair = key.zip(value).map(|(Plain(key), value)| (key, value));
            service.host.sysctls.extend(pair);
        }
        "host-module" => {
            let modules: Vec<Plain> = reader.arguments("a kernel module");
            service.host.modules.extend(modules.into_iter().map(|Plain(name)| name));
        }
        "host-dir" => {
            let path = path(&mut reader, "a folder of the host");
            let dir = HostDir {
                owner: reader.property("owner"),
                group: reader.property("group"),
                mode: reader.property("mode"),
            };
            service.host.dirs.extend(path.map(|path| (path, dir)));
        }
        _ => {
            log.push(unknown_child(node, "service", Holder::Service.names()));
            return;
        }
    }
    reader.finish();
}

/// All further arguments with their places.
pub(super) fn spanned<T: crate::spec::FromValue>(reader: &mut Reader<'_, '_>, what: &str) -> Vec<Spanned<T>> {
    let first = reader.value(what);
    let values = first.into_iter().chain(reader.rest());
    values.filter_map(|value| Some(Spanned::new(reader.read(value)?, value.span))).collect()
}

/// A property with its place.
pub(super) fn spanned_property<T: crate::spec::FromValue>(
    reader: &mut Reader<'_, '_>,
    name: &'static str,
) -> Option<Spanned<T>> {
    let value = reader.property_value(name)?;
    Some(Spanned::new(reader.read(value)?, value.span))
}

/// The next argument as a path, which is the same on every host.
pub(super) fn path(reader: &mut Reader<'_, '_>, what: &str) -> Option<ImagePath> {
    let value = reader.value(what)?;
    reader.read::<Plain>(value)?;
    reader.read(value)
}

/// The value of a kernel parameter: a number or a text, the same on every host.
pub(super) fn kernel_value(reader: &mut Reader<'_, '_>) -> Option<String> {
    let value = reader.value("its value")?;
    match value.scalar {
        Scalar::Integer(number) => Some(number.to_string()),
        _ => reader.read::<Plain>(value).map(|Plain(text)| text),
    }
}

/// A text that means itself.
pub(super) fn plain(reader: &mut Reader<'_, '_>, name: &'static str) -> Option<String> {
    reader.property::<Plain>(name).map(|Plain(text)| text)
}

fn needs(service: &mut Service, reader: &mut Reader<'_, '_>) {
    let capabilities: Vec<Spanned<CapabilityName>> = spanned(reader, "a capability");
    let alias: Option<Spanned<CapabilityName>> = spanned_property(reader, "as");
    if let (Some(alias), true) = (&alias, capabilities.len() > 1) {
        let mistake = Mistake::new("extra-argument", alias.span, "`as` can name one need only");
        reader.mistake(mistake.label("which of them?").help("write a `needs` node for each"));
    }
    let need = |capability: Spanned<CapabilityName>, reader: &mut Reader<'_, '_>| Need {
        capability,
        order: reader.property("order").unwrap_or(true),
        optional: reader.property("optional").unwrap_or(false),
        name: reader.property("name"),
        user: reader.property("user"),
        secret: spanned_property(reader, "secret"),
        span: reader.span(),
    };
    for capability in capabilities {
        let name = alias.as_ref().map_or_else(|| capability.value.clone(), |alias| alias.value.clone());
        let need = need(capability, reader);
        if let Some(first) = service.needs.get(&name) {
            let message = format!("`{}` needs `{name}` twice", service.name);
            let mistake = Mistake::new("duplicate", need.capability.span, message).label("again here");
            reader.mistake(mistake.also(first.span, "first here").help("`as` gives a need a name of its own"));
            continue;
        }
        service.needs.insert(name, need);
    }
}

fn provides(service: &mut Service, reader: &mut Reader<'_, '_>) {
    let name: Option<CapabilityName> = reader.argument("a capability");
    let number: Option<PortNumber> = reader.property("port");
    let port = number.map(|PortNumber(number)| port(reader, number));
    let mut provide = Provide {
        port,
        protocol: plain(reader, "protocol"),
        balance: spanned_property(reader, "balance"),
        check: plain(reader, "check"),
        grant: None,
        span: reader.span(),
    };
    if let (Some(balance), None) = (&provide.balance, &provide.port) {
        let mistake = Mistake::new("missing", balance.span, "a load balancer needs a port").label("no `port`");
        reader.mistake(mistake.help("write provides \"…\" port=5000 balance=\"internal\""));
    }
    for child in reader.children(&["grant"]) {
        let mut inner = Reader::new(child, reader.log());
        let run = inner.property_value("run").and_then(|value| inner.read::<Text>(value)).map(|text| vec![text]);
        let secret = spanned_property(&mut inner, "secret");
        inner.property::<Plain>("once-per");
        let mut words = Vec::new();
        for child in inner.children(&["run"]) {
            let mut run = Reader::new(child, inner.log());
            words.extend(run.arguments::<Text>("a program"));
            run.finish();
        }
        let run = run.unwrap_or(words);
        if run.is_empty() {
            let mistake = Mistake::new("missing", child.span, "`grant` runs nothing").label("no `run`");
            inner.mistake(mistake.help("write grant secret=\"…\" { run \"program\" \"argument\" }"));
        }
        inner.finish();
        provide.grant = Some(Grant { run, secret, span: child.span });
    }
    service.provides.extend(name.map(|name| (name, provide)));
}

/// `protocol="udp"` of a `port`, `transport=` of a `provides`, `listen=` of both.
pub(super) fn port(reader: &mut Reader<'_, '_>, number: u16) -> Port {
    Port {
        number,
        transport: reader.property("transport").unwrap_or_default(),
        listen: reader.property("listen").unwrap_or(Listen::Host),
        span: reader.span(),
    }
}

fn config(reader: &mut Reader<'_, '_>, gathered: &Gathered) -> Option<Config> {
    let path = path(reader, "a path in the container");
    let text: Option<Text> = reader.optional_argument();
    let mut from = |name: &'static str| {
        let value = reader.property_value(name)?;
        let Plain(file) = reader.read(value)?;
        match gathered.template(value.span, &file) {
            Ok(source) => Some((file, source)),
            Err(mistake) => {
                reader.mistake(mistake);
                None
            }
        }
    };
    let (template, source) = (from("template"), from("source"));
    let span = reader.span();
    let given = [text.is_some(), template.is_some(), source.is_some()].into_iter().filter(|given| *given).count();
    if given > 1 {
        let mistake = Mistake::new("duplicate", span, "a file has one origin").label("several are given");
        reader.mistake(mistake.help("keep one of `template=`, `source=` and the text"));
    }
    let content = match (text, template, source) {
        (Some(text), ..) => ConfigContent::Text(text),
        (_, Some((name, source)), _) => ConfigContent::Template(name, source),
        (_, _, Some((name, source))) => ConfigContent::Source(name, source),
        (None, None, None) => ConfigContent::Overrides,
    };
    let config = Config {
        path: path?,
        content,
        format: reader.property("as"),
        owner: reader.property("owner"),
        group: reader.property("group"),
        mode: reader.property("mode"),
        on_change: reader.property("on-change").unwrap_or_default(),
        span,
    };
    Some(config)
}

/// Reads a `secret` node.
fn secret(reader: &mut Reader<'_, '_>) -> Option<(SecretName, SecretUse)> {
    let name: Option<SecretName> = reader.argument("a secret's name");
    let used = SecretUse {
        env: plain(reader, "env"),
        path: reader.property("path"),
        owner: reader.property("owner"),
        group: reader.property("group"),
        mode: reader.property("mode"),
        span: reader.span(),
    };
    if used.env.is_some() && used.path.is_some() {
        let mistake = Mistake::new("duplicate", used.span, "a secret is a variable or a file").label("both are given");
        reader.mistake(mistake.help("keep one of `env=` and `path=`"));
    }
    Some((name?, used))
}

/// Properties or pairs of arguments whose names are the person's own.
pub(super) fn texts(reader: &mut Reader<'_, '_>) -> Vec<(Spanned<String>, Text)> {
    let mut found = Vec::new();
    for property in reader.any_properties() {
        if property.value.scalar == Scalar::Null {
            continue;
        }
        found.extend(reader.read::<Text>(&property.value).map(|text| (property.name.clone(), text)));
    }
    if reader.node().properties.is_empty() {
        let name = &*reader.node().name;
        let mistake =
            Mistake::new("missing", reader.span(), format!("`{name}` needs properties")).label("says nothing");
        let help = format!("write {name} NAME=\"value\"");
        reader.mistake(mistake.help(help));
    }
    found
}

/// `before="start"`, `after="start"`.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Start;

/// `on="bootstrap|upgrade"`.
#[derive(Debug, Clone)]
pub(in super::super) struct Events(pub Vec<TaskEvent>);

/// `undo="none"` or `undo="safe"`.
#[derive(Debug, Clone)]
pub(in super::super) struct UndoWord(pub Undo);

/// `order="rolling"`: whether it is.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Order(pub bool);

/// `quorum="majority"`.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Quorum;

/// Where a task stands.
fn when(reader: &mut Reader<'_, '_>, before: bool, after: bool) -> TaskWhen {
    if before && after {
        let span = reader.span();
        let mistake = Mistake::new("duplicate", span, "a task is before or after the start").label("both are given");
        reader.mistake(mistake.help("keep one of `before=` and `after=`"));
    }
    if after { TaskWhen::AfterStart } else { TaskWhen::BeforeStart }
}
