//! What an estate's own node says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::name::{CapabilityName, CellName, EstateName, HostName, NetworkName, RoleName, ServiceName};
use crate::spec::{FromValue, Log, Mistake, Node, Reader, Spanned, unknown_child};

use super::super::super::{
    Bind, Cell, Estate, External, ExternalProvide, Host, Interface, Overrides, RoleChanges, Share, Stamp, Vip,
};
use super::super::gather::Gathered;
use super::super::shape::Holder;
use super::super::top::Spec;
use super::super::value::{Plain, PortNumber};
use super::service::{overrides, plain, read_more, read_overrides, spanned, spanned_property};

/// Reads the merged, expanded nodes of an estate.
pub(in super::super) fn estate(
    name: EstateName,
    spec: &Spec<'_>,
    nodes: &[Cow<'_, Node>],
    gathered: &Gathered,
    log: &mut Log,
) -> Estate {
    let mut estate = Estate {
        name,
        summary: None,
        registry: None,
        distro: None,
        services: Vec::new(),
        hosts: BTreeMap::new(),
        cells: BTreeMap::new(),
        vips: BTreeMap::new(),
        stamps: BTreeMap::new(),
        binds: Vec::new(),
        externals: BTreeMap::new(),
        own: Overrides::default(),
        roles: BTreeMap::new(),
        recipients: Vec::new(),
        generates: BTreeMap::new(),
        limits_unenforced: false,
        releases: Vec::new(),
        skew: 1,
        origin: gathered.sources.origin(spec.span().source).clone(),
        span: spec.span(),
    };
    for node in nodes {
        read(&mut estate, node, None, log);
    }
    estate
}

/// Reads a node of an estate, or of a cell in it.
fn read(estate: &mut Estate, node: &Node, cell: Option<&CellName>, log: &mut Log) {
    let mut reader = Reader::new(node, log);
    match node.name.value.as_str() {
        "let" => return,
        "host" => {
            if let Some(host) = host(&mut reader, cell) {
                let span = host.span;
                let name = host.name.clone();
                unique(&mut estate.hosts, name, host, |host| host.span, span, "host", &mut reader);
            }
        }
        "stamp" => {
            if let Some((name, stamp)) = stamp(&mut reader, cell) {
                let span = stamp.span;
                unique(&mut estate.stamps, name, stamp, |stamp| stamp.span, span, "stamp", &mut reader);
            }
        }
        "bind" => estate.binds.extend(bind(&mut reader, cell)),
        "external" => {
            if let Some((name, external)) = external(&mut reader, cell) {
                let span = external.span;
                unique(&mut estate.externals, name, external, |other| other.span, span, "external", &mut reader);
            }
        }
        _ if cell.is_some() => {
            let known = ["host", "share", "stamp", "bind", "external", "release", "var", "override"];
            log.push(unknown_child(node, "cell", known.into_iter()));
            return;
        }
        "summary" => estate.summary = reader.argument::<Plain>("one line of text").map(|Plain(text)| text),
        "registry" => {
            let found: Option<Spanned<Plain>> = spanned(&mut reader, "a registry's name").pop();
            estate.registry = found.map(|name| Spanned::new(name.value.0, name.span));
        }
        "distro" => estate.distro = spanned(&mut reader, "a distro").pop(),
        "services" => estate.services.extend(spanned(&mut reader, "a service")),
        "vip" => {
            if let Some((name, vip)) = vip(&mut reader) {
                let span = vip.span;
                unique(&mut estate.vips, name, vip, |vip| vip.span, span, "vip", &mut reader);
            }
        }
        "role" => {
            let name: Option<RoleName> = reader.argument("a role");
            let own = overrides(&mut reader, &[], None);
            let span = node.span;
            estate.roles.extend(name.map(|name| (name, RoleChanges { own, span })));
        }
        "cell" => {
            cells(estate, node, reader);
            return;
        }
        "recipient" => {
            let found: Vec<Spanned<Plain>> = spanned(&mut reader, "an age recipient");
            if found.iter().any(|one| is_secret_key(&one.value.0)) {
                // At no place: else the line would be shown.
                let message = format!("a `recipient` of the estate `{}` is a secret key", estate.name);
                let help = "whoever reads the spec has it: take it away, make another by `wharf secrets keygen`, and \
                            rotate what it could read";
                reader.mistake(Mistake::nowhere("bad-value", message).help(help));
                return reader.finish();
            }
            for Spanned { value: Plain(text), span } in found {
                match ["age1", "ssh-ed25519 ", "ssh-rsa "].iter().any(|start| text.trim_start().starts_with(start)) {
                    true => estate.recipients.push(Spanned::new(text, span)),
                    false => {
                        let mistake = Mistake::new("bad-value", span, "this is no age recipient");
                        let help = "it begins with age1, ssh-ed25519 or ssh-rsa; `wharf secrets keygen` makes one";
                        reader.mistake(mistake.label("not a recipient").help(help));
                    }
                }
            }
        }
        "generate" => estate.generates.extend(super::secret::generate(&mut reader)),
        "limits" => estate.limits_unenforced = reader.argument::<Unenforced>("`unenforced`").is_some(),
        "releases" => {
            estate.releases = spanned(&mut reader, "a release");
            estate.skew = reader.property("skew").unwrap_or(1);
        }
        "var" | "override" => {
            read_overrides(&mut estate.own, node, None, log);
            return;
        }
        _ => {
            log.push(unknown_child(node, "estate", Holder::Estate.names()));
            return;
        }
    }
    reader.finish();
}

/// Whether a text is a private key of age or ssh.
fn is_secret_key(text: &str) -> bool {
    text.to_ascii_uppercase().contains("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY")
}

/// Keeps one of a name, and reports the second.
fn unique<K: Ord + std::fmt::Display, V>(
    map: &mut BTreeMap<K, V>,
    name: K,
    value: V,
    place: impl Fn(&V) -> crate::spec::Span,
    span: crate::spec::Span,
    kind: &str,
    reader: &mut Reader<'_, '_>,
) {
    if let Some(first) = map.get(&name) {
        let mistake = Mistake::new("duplicate", span, format!("there are two of {kind} `{name}`"));
        reader.mistake(mistake.label("the second").also(place(first), "the first").help("rename one"));
        return;
    }
    map.insert(name, value);
}

/// `unenforced` of `limits`.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Unenforced;

fn host(reader: &mut Reader<'_, '_>, cell: Option<&CellName>) -> Option<Host> {
    let name: Option<HostName> = reader.argument("a name");
    let address: Option<IpAddr> = reader.required("address", "address=\"10.77.0.11\"");
    let mut host = Host {
        name: name?,
        address: address.unwrap_or(IpAddr::from([0, 0, 0, 0])),
        ssh: plain(reader, "ssh"),
        user: plain(reader, "user"),
        local: reader.property("local").unwrap_or(false),
        podman: spanned_property(reader, "podman"),
        arch: spanned_property(reader, "arch"),
        distro: spanned_property(reader, "distro"),
        roles: Vec::new(),
        networks: BTreeMap::new(),
        cell: cell.cloned(),
        own: Overrides::default(),
        leave: false,
        maintenance: None,
        span: reader.span(),
    };
    for child in reader.children(&["role", "network", "var", "override", "leave", "maintenance"]) {
        let mut inner = Reader::new(child, reader.log());
        match child.name.value.as_str() {
            "role" => host.roles.extend(spanned(&mut inner, "a role")),
            "network" => {
                let name: Option<NetworkName> = inner.argument("a network");
                let address: Option<IpAddr> = inner.property("address");
                let interface = plain(&mut inner, "interface");
                let interface = Interface { address: address.unwrap_or(host.address), interface };
                host.networks.extend(name.map(|name| (name, interface)));
            }
            "leave" => host.leave = true,
            "maintenance" => host.maintenance = inner.argument::<Plain>("the reason").map(|Plain(reason)| reason),
            _ => {
                read_overrides(&mut host.own, child, None, reader.log());
                continue;
            }
        }
        inner.finish();
    }
    Some(host)
}

fn cells(estate: &mut Estate, node: &Node, mut reader: Reader<'_, '_>) {
    let name: Option<CellName> = reader.argument("a name");
    let number = reader.property("number");
    let children = reader.any_children();
    let Some(name) = name else { return reader.finish() };
    let mut cell = Cell {
        name: name.clone(),
        // `cell1` is the first one.
        number: number.or_else(|| {
            let digits = name.as_str().trim_start_matches(|c: char| !c.is_ascii_digit());
            digits.parse().ok()
        }),
        shares: Vec::new(),
        release: None,
        own: Overrides::default(),
        span: node.span,
    };
    for child in children {
        let mut inner = Reader::new(child, reader.log());
        match child.name.value.as_str() {
            "share" => {
                let hosts = spanned(&mut inner, "a host");
                let mut roles = Vec::new();
                for child in inner.children(&["role"]) {
                    let mut role = Reader::new(child, inner.log());
                    roles.extend(spanned(&mut role, "a role"));
                    role.finish();
                }
                if roles.is_empty() {
                    let mistake = Mistake::new("missing", child.span, "`share` does not say what for");
                    let help = "write share \"c1\" { role \"cell-control\" }";
                    inner.mistake(mistake.label("no `role`").help(help));
                }
                cell.shares.push(Share { hosts, roles });
            }
            "release" => cell.release = spanned(&mut inner, "a release").pop(),
            "var" | "override" => {
                read_overrides(&mut cell.own, child, None, reader.log());
                continue;
            }
            _ => {
                read(estate, child, Some(&name), reader.log());
                continue;
            }
        }
        inner.finish();
    }
    let span = cell.span;
    unique(&mut estate.cells, name, cell, |cell| cell.span, span, "cell", &mut reader);
    reader.finish();
}

fn stamp(reader: &mut Reader<'_, '_>, cell: Option<&CellName>) -> Option<(ServiceName, Stamp)> {
    let service: Option<Spanned<ServiceName>> = {
        let value = reader.value("a service");
        value.and_then(|value| Some(Spanned::new(reader.read(value)?, value.span)))
    };
    let name: Option<ServiceName> = reader.property("as");
    let given: Option<CellName> = reader.property("in");
    let shift = reader.property("shift");
    let span = reader.span();
    let mut hosts = Vec::new();
    let mut own = Overrides::default();
    for child in reader.children(&["on", "var", "override", "env", "port"]) {
        match child.name.value.as_str() {
            "on" => {
                let mut inner = Reader::new(child, reader.log());
                hosts.extend(spanned(&mut inner, "a host"));
                inner.finish();
            }
            "var" | "override" => {
                read_overrides(&mut own, child, service.as_ref().map(|name| &name.value), reader.log());
            }
            _ => read_more(&mut own, child, reader.log()),
        }
    }
    if hosts.is_empty() {
        let mistake = Mistake::new("missing", span, "`stamp` does not say where").label("on which hosts?");
        reader.mistake(mistake.help("write stamp \"mariadb\" as=\"mariadb-cell1\" { on \"c1\" \"c2\" \"c3\" }"));
    }
    let service = service?;
    let name = name.or_else(|| {
        // In a cell, a stamp is called after it.
        let cell = cell.or(given.as_ref())?;
        ServiceName::new(format!("{}-{cell}", service.value)).ok()
    });
    if name.is_none() {
        let mistake = Mistake::new("missing", span, "`stamp` needs a name of its own").label("no `as`");
        reader.mistake(mistake.help(format!("write stamp \"{0}\" as=\"{0}-…\"", *service)));
    }
    Some((name?, Stamp { service, cell: cell.cloned().or(given), hosts, shift, own, span }))
}

fn bind(reader: &mut Reader<'_, '_>, cell: Option<&CellName>) -> Option<Bind> {
    let value = reader.value("a service");
    let service = value.and_then(|value| Some(Spanned::new(reader.read(value)?, value.span)));
    let mut given: Option<CellName> = None;
    let mut needs = BTreeMap::new();
    for property in reader.any_properties() {
        if *property.name == *"in" {
            given = reader.read(&property.value);
            continue;
        }
        let provider = reader.read::<ServiceName>(&property.value);
        needs.extend(provider.map(|name| (property.name.value.clone(), Spanned::new(name, property.value.span))));
    }
    if reader.node().properties.iter().all(|property| *property.name == *"in") {
        let mistake = Mistake::new("missing", reader.span(), "`bind` binds nothing").label("to what?");
        reader.mistake(mistake.help("write bind \"nova-compute\" messaging=\"rabbitmq-cell1\""));
    }
    Some(Bind { service: service?, cell: cell.cloned().or(given), needs, span: reader.span() })
}

fn external(reader: &mut Reader<'_, '_>, cell: Option<&CellName>) -> Option<(ServiceName, External)> {
    let name: Option<ServiceName> = reader.argument("a name");
    let given: Option<CellName> = reader.property("in");
    let span = reader.span();
    let mut provides = BTreeMap::new();
    for child in reader.children(&["provides"]) {
        let mut inner = Reader::new(child, reader.log());
        let capability: Option<CapabilityName> = inner.argument("a capability");
        let mut addresses: Vec<String> = plain(&mut inner, "address").into_iter().collect();
        let port = inner.property::<PortNumber>("port").map(|PortNumber(number)| number);
        let transport = inner.property("transport").unwrap_or_default();
        let protocol = plain(&mut inner, "protocol");
        for more in inner.children(&["address"]) {
            let mut innermost = Reader::new(more, inner.log());
            let found: Vec<Plain> = innermost.arguments("an address or a name");
            addresses.extend(found.into_iter().map(|Plain(text)| text));
            innermost.finish();
        }
        if addresses.is_empty() {
            let mistake = Mistake::new("missing", child.span, "where is it?").label("no `address`");
            inner.mistake(mistake.help("write provides \"database\" address=\"db.example\" port=3306"));
        }
        inner.finish();
        let provide = ExternalProvide { addresses, port, transport, protocol, span: child.span };
        provides.extend(capability.map(|capability| (capability, provide)));
    }
    if provides.is_empty() {
        let mistake = Mistake::new("missing", span, "`external` provides nothing").label("no `provides`");
        reader.mistake(mistake);
    }
    Some((name?, External { provides, cell: cell.cloned().or(given), span }))
}

fn vip(reader: &mut Reader<'_, '_>) -> Option<(NetworkName, Vip)> {
    let name: Option<NetworkName> = reader.argument("a name");
    let address: Option<IpAddr> = reader.required("address", "address=\"10.77.0.100\"");
    let network = spanned_property(reader, "on-network");
    let dns = plain(reader, "name");
    let span = reader.span();
    let mut roles: Vec<Spanned<RoleName>> = spanned_property(reader, "on").into_iter().collect();
    for child in reader.children(&["role"]) {
        let mut inner = Reader::new(child, reader.log());
        roles.extend(spanned(&mut inner, "a role"));
        inner.finish();
    }
    if roles.is_empty() {
        let mistake = Mistake::new("missing", span, "which hosts can hold it?").label("no `on`");
        reader.mistake(mistake.help("name a role: vip \"internal\" address=\"…\" on=\"network\""));
    }
    Some((name?, Vip { address: address?, roles, network, name: dns, span }))
}

impl FromValue for Unenforced {
    fn from_value(value: &crate::spec::Value) -> Result<Self, Mistake> {
        super::super::value::only(value, "what limits are", "unenforced").map(|()| Self)
    }
}
