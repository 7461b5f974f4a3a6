//! A service on a host: what its texts refer to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::estate::{Binding, Group, Host, Image, ImageKey, Overrides, Port, Provider, Service, Text, VarValue};
use crate::name::{CapabilityName, HostName, SecretName};
use crate::spec::{Log, Mistake, Scalar, Span};

use super::Ground;

/// One service of one group on one host.
pub struct Member<'a> {
    /// What it is made of.
    pub ground: Ground<'a>,
    /// Its group.
    pub group: &'a Group,
    /// Its service.
    pub service: &'a Service,
    /// Its host.
    pub host: &'a Host,
    /// Its image.
    pub image: &'a Image,
    /// Which image that is.
    pub key: ImageKey,
    /// Its place among the group's members.
    pub index: usize,
}

/// A name whose value is being made, and those that it is made for.
struct Inside<'a> {
    name: &'a str,
    outer: Option<&'a Inside<'a>>,
}

/// The services of a host, in the order of their groups' names.
pub fn members_on<'a>(ground: Ground<'a>, host: &'a Host, log: &mut Log) -> Vec<Member<'a>> {
    let mut members = Vec::new();
    for group in ground.placed.on(&host.name) {
        let Some(service) = ground.project.services.get(&group.service) else { continue };
        let Some((distro, arch)) = ground.estate.target(host, ground.project) else { continue };
        let key = ImageKey { image: service.image.value.clone(), distro: distro.clone(), arch };
        let Some(image) = ground.project.images.get(&key) else {
            let message = format!("the image `{}` is not built for {}", key.image, host.name);
            log.push(Mistake::new("unbuildable", service.image.span, message).label("this image"));
            continue;
        };
        let index = group.index_of(&host.name).unwrap_or(0);
        members.push(Member { ground, group, service, host, image, key, index });
    }
    members
}

impl<'a> Member<'a> {
    /// Where it listens.
    pub fn address(&self) -> IpAddr {
        self.address_on(self.host)
    }

    /// Where the group's member on a host listens.
    fn address_on(&self, host: &Host) -> IpAddr {
        self.ground.estate.address(host, self.service.on_network.as_ref().map(|name| &name.value))
    }

    /// The port of the first capability that has one, by name.
    pub fn port(&self) -> Option<&Port> {
        let provided = self.service.provides.keys().find_map(|name| self.group.ports.get(name));
        provided.or_else(|| self.group.ports.values().next())
    }

    /// What a secret is called that its service asks for: there is one for each cell of some.
    pub fn secret(&self, name: &SecretName) -> SecretName {
        self.ground.placed.secrets.of(name, self.group.cell.as_ref())
    }

    /// Changes, weakest first, each with where it stands.
    pub fn changes(&self) -> Vec<&'a Overrides> {
        let Ground { estate, .. } = self.ground;
        let mut layers = vec![&self.service.own];
        layers.extend(self.group.instance.as_ref().and_then(|name| self.service.instances.get(name)));
        if self.group.stamped {
            layers.extend(estate.stamps.get(&self.group.name).map(|stamp| &stamp.own));
        }
        layers.push(&estate.own);
        let roles = estate.roles_on(self.host, self.group.cell.as_ref());
        layers.extend(roles.into_iter().filter_map(|role| estate.roles.get(role)).map(|changes| &changes.own));
        let cell = self.group.cell.as_ref().or(self.host.cell.as_ref());
        layers.extend(cell.and_then(|cell| estate.cells.get(cell)).map(|cell| &cell.own));
        layers.push(&self.host.own);
        layers
    }

    /// Where each variable gets its value, by name.
    pub fn variables(&self) -> BTreeMap<&'a str, Span> {
        let all = self.changes().into_iter().flat_map(|own| &own.vars);
        all.map(|(name, value)| (name.as_str(), value.span)).collect()
    }

    /// A text with all references filled in; a mistake at `span` where one has no value.
    pub fn fill(&self, text: &Text, span: Span, log: &mut Log) -> String {
        match text.fill(|name| self.value(name)) {
            Ok(text) => text,
            Err(name) => {
                log.push(self.valueless(&name, span));
                String::new()
            }
        }
    }

    /// A word of a grant of this provider's, for a need that others call `name` and `user`.
    pub fn fill_grant(&self, text: &Text, (name, user): (&str, &str)) -> Result<String, String> {
        text.fill(|key| match key {
            "need.name" => Some(name.to_owned()),
            "need.user" => Some(user.to_owned()),
            key => self.value(key),
        })
    }

    /// The mistake of a name that has no value here.
    fn valueless(&self, name: &str, span: Span) -> Mistake {
        let message = format!("`${{{name}}}` has no value for `{}` on {}", self.group.name, self.host.name);
        Mistake::new("variable", span, message).label("in a text of this").help_if(self.hint(name))
    }

    /// Reports needs whose `name` or `user` cannot be completed.
    pub fn check_needs(&self, log: &mut Log) {
        for (name, need) in &self.service.needs {
            let answered = self.group.needs.get(name).is_some_and(|binding| binding.provider != Provider::Nobody);
            for text in [&need.name, &need.user].into_iter().flatten().filter(|_| answered) {
                if let Err(name) = self.fill_need(text, None) {
                    log.push(self.valueless(&name, need.span));
                }
            }
        }
    }

    /// A text of a need. What it is called follows from no need: it could be its own.
    fn fill_need(&self, text: &Text, inside: Option<&Inside<'_>>) -> Result<String, String> {
        text.fill(|name| if name.starts_with("needs.") { None } else { self.value_in(name, inside) })
    }

    fn hint(&self, name: &str) -> Option<String> {
        let listed = |names: Vec<String>| (!names.is_empty()).then(|| format!("it has {}", names.join(", ")));
        if name == "port" || name.starts_with("port.") {
            return listed(self.group.ports.keys().map(|name| format!("`${{port.{name}}}`")).collect())
                .or_else(|| Some("it has no port: `provides … port=` or `port` gives it one".to_owned()));
        }
        if name.starts_with("needs.") {
            let needs = self.group.needs.keys().map(|name| format!("`${{needs.{name}.host}}`"));
            return listed(needs.collect());
        }
        None
    }

    /// What a name of a text stands for.
    fn value(&self, name: &str) -> Option<String> {
        self.value_in(name, None)
    }

    /// The same inside of what other names stand for; none for one that is made of itself.
    fn value_in(&self, name: &str, outer: Option<&Inside<'_>>) -> Option<String> {
        if std::iter::successors(outer, |inside| inside.outer).any(|inside| inside.name == name) {
            return None;
        }
        let inside = Inside { name, outer };
        match name {
            "address" => Some(self.address().to_string()),
            "cell" => self.group.cell.as_ref().or(self.host.cell.as_ref()).map(ToString::to_string),
            "estate" => Some(self.ground.estate.name.to_string()),
            "host" => Some(self.host.name.to_string()),
            "index" => Some(self.index.to_string()),
            "name" => Some(self.group.name.to_string()),
            "port" => self.port().map(|port| port.number.to_string()),
            "service" => Some(self.service.name.to_string()),
            _ => {
                if let Some(port) = name.strip_prefix("port.") {
                    let name = CapabilityName::new(port).ok()?;
                    return self.group.ports.get(&name).map(|port| port.number.to_string());
                }
                if let Some(variable) = name.strip_prefix("vars.") {
                    let changes = self.changes();
                    let value = changes.iter().rev().find_map(|own| own.vars.get(variable))?;
                    return match &value.value {
                        VarValue::One(Scalar::Text(text)) => {
                            Text::template(text).fill(|name| self.value_in(name, Some(&inside))).ok()
                        }
                        VarValue::One(scalar) => Some(super::text::scalar(scalar)),
                        _ => None,
                    };
                }
                let (need, what) = name.strip_prefix("needs.")?.rsplit_once('.')?;
                let need = CapabilityName::new(need).ok()?;
                let facts = self.need_in(self.group.needs.get(&need)?, &need, Some(&inside))?;
                match facts.get(what)? {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                }
            }
        }
    }

    /// What a template sees of a need, but for a group's members; nothing where nobody answers it.
    pub fn need(&self, binding: &Binding, name: &CapabilityName) -> Option<Value> {
        self.need_in(binding, name, None)
    }

    fn need_in(&self, binding: &Binding, name: &CapabilityName, inside: Option<&Inside<'_>>) -> Option<Value> {
        let Ground { estate, placed, project, .. } = self.ground;
        let asked = self.service.needs.get(name);
        let fill = |text: &Option<Text>| text.as_ref().and_then(|text| self.fill_need(text, inside).ok());
        let (account, user) = (asked.and_then(|need| fill(&need.name)), asked.and_then(|need| fill(&need.user)));
        let secret = asked.and_then(|need| need.secret.as_ref()).map(|secret| self.secret(&secret.value).to_string());
        let (host, port, protocol, members, provider) = match &binding.provider {
            Provider::Nobody => return None,
            Provider::External(name) => {
                let provide = estate.externals.get(name)?.provides.get(&binding.capability)?;
                let members: Vec<Value> = provide
                    .addresses
                    .iter()
                    .map(|address| json!({ "name": address, "address": address, "port": provide.port }))
                    .collect();
                (provide.addresses.first()?.clone(), provide.port, provide.protocol.clone(), members, name)
            }
            Provider::Group(name) => {
                let group = placed.groups.get(name)?;
                let service = project.services.get(&group.service)?;
                let provide = service.provides.get(&binding.capability)?;
                let port = group.ports.get(&binding.capability).map(|port| port.number);
                let vip = provide.balance.as_ref().and_then(|name| estate.vips.get(&name.value));
                let host = match vip {
                    Some(vip) => vip.name.clone().unwrap_or_else(|| vip.address.to_string()),
                    None => {
                        // Its own host's, where there is one.
                        let near = group.index_of(&self.host.name).unwrap_or(0);
                        let host = estate.hosts.get(group.members.get(near)?)?;
                        estate.address(host, service.on_network.as_ref().map(|name| &name.value)).to_string()
                    }
                };
                (host, port, provide.protocol.clone(), Vec::new(), name)
            }
        };
        Some(json!({
            "host": host, "port": port, "protocol": protocol, "members": members, "provider": provider.as_str(),
            "name": account, "user": user, "secret": secret,
        }))
    }
}

/// A group's members, as templates see them.
pub fn members(ground: Ground<'_>, group: &Group, port: Option<u16>) -> Vec<Value> {
    let network = ground.project.services.get(&group.service).and_then(|service| service.on_network.as_ref());
    let hosts = group.members.iter().filter_map(|name| ground.estate.hosts.get(name));
    hosts
        .enumerate()
        .map(|(index, host)| {
            let address = ground.estate.address(host, network.map(|name| &name.value)).to_string();
            match port {
                Some(port) => json!({ "name": host.name.as_str(), "address": address, "port": port }),
                None => json!({ "name": host.name.as_str(), "address": address, "index": index }),
            }
        })
        .collect()
}

/// The names of hosts that can hold a VIP.
pub fn holders<'a>(ground: Ground<'a>, vip: &'a crate::estate::Vip) -> impl Iterator<Item = &'a HostName> {
    ground.estate.hosts.values().filter(|host| !host.leave && vip.is_for(host)).map(|host| &host.name)
}

/// A value of KDL as JSON; `fill` completes texts.
fn json_of(scalar: &Scalar, fill: &mut dyn FnMut(&str) -> String) -> Value {
    match scalar {
        Scalar::Text(text) => Value::String(fill(text)),
        Scalar::Integer(number) => {
            i64::try_from(*number).map_or_else(|_| Value::String(number.to_string()), Value::from)
        }
        Scalar::Float(number) => Value::from(*number),
        Scalar::Bool(truth) => Value::Bool(*truth),
        Scalar::Null => Value::Null,
    }
}

/// A variable as JSON.
pub fn var_json(value: &VarValue, fill: &mut dyn FnMut(&str) -> String) -> Value {
    match value {
        VarValue::One(scalar) => json_of(scalar, fill),
        VarValue::List(list) => Value::Array(list.iter().map(|scalar| json_of(scalar, fill)).collect()),
        VarValue::Map(map) => {
            Value::Object(map.iter().map(|(name, value)| (name.clone(), var_json(value, fill))).collect())
        }
    }
}
