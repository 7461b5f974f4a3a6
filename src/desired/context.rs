//! What templates see: the resolved estate from one service's place on one host.

use serde_json::{Map, Value, json};

use crate::estate::{Provider, Text};
use crate::spec::Log;

use super::member::{Member, holders, members, var_json};

/// All of it but functions and secrets: what `show service NAME --host H` prints.
pub fn context(member: &Member<'_>, log: &mut Log) -> Value {
    let mut whole = facts(member, log);
    whole.extend(host_facts(member));
    if let Some(Value::Object(own)) = whole.get_mut("self") {
        own.insert("members".to_owned(), Value::Array(members(member.ground, member.group, None)));
    }
    if let Some(Value::Object(needs)) = whole.get_mut("needs") {
        for (name, binding) in &member.group.needs {
            let Provider::Group(provider) = &binding.provider else { continue };
            let Some(group) = member.ground.placed.groups.get(provider) else { continue };
            let port = group.ports.get(&binding.capability).map(|port| port.number);
            if let Some(Value::Object(need)) = needs.get_mut(name.as_str()) {
                need.insert("members".to_owned(), Value::Array(members(member.ground, group, port)));
            }
        }
    }
    Value::Object(whole)
}

/// What templates see: the names of [`facts`].
pub(super) const FACTS: [&str; 7] = ["cell", "estate", "fronts", "host", "needs", "self", "vars"];

/// What templates see of a member, but for what they see of its host whatever runs there, and for the members of groups:
/// of these there may be many, and many see them.
pub(super) fn facts(member: &Member<'_>, log: &mut Log) -> Map<String, Value> {
    let mut whole = Map::new();
    whole.insert("self".to_owned(), own(member));
    whole.insert("cell".to_owned(), cell(member));
    whole.insert("needs".to_owned(), needs(member));
    whole.insert("vars".to_owned(), vars(member, log));
    whole
}

/// What all templates on the host of a member see alike.
pub(super) fn host_facts(member: &Member<'_>) -> Map<String, Value> {
    let mut whole = Map::new();
    whole.insert("host".to_owned(), host(member));
    whole.insert("estate".to_owned(), estate(member));
    whole.insert("fronts".to_owned(), fronts(member));
    whole
}

fn own(member: &Member<'_>) -> Value {
    let ports: Map<String, Value> =
        member.group.ports.iter().map(|(name, port)| (name.to_string(), Value::from(port.number))).collect();
    let network = member.service.on_network.as_ref().map(|name| &name.value);
    let interface =
        network.and_then(|name| member.host.networks.get(name)).and_then(|found| found.interface.as_deref());
    json!({
        "name": member.group.name.as_str(),
        "service": member.service.name.as_str(),
        "instance": member.group.instance.as_ref().map(|name| name.as_str()),
        "index": member.index,
        "address": member.address().to_string(),
        "port": member.port().map(|port| port.number),
        "ports": ports,
        "cell": member.group.cell.as_ref().map(|name| name.as_str()),
        "network": { "name": network.map(|name| name.as_str()), "interface": interface },
    })
}

fn host(member: &Member<'_>) -> Value {
    let host = member.host;
    let networks: Map<String, Value> = host
        .networks
        .iter()
        .map(|(name, found)| {
            (name.to_string(), json!({ "address": found.address.to_string(), "interface": found.interface }))
        })
        .collect();
    let roles: Vec<&str> = host.roles.iter().map(|role| role.as_str()).collect();
    json!({
        "name": host.name.as_str(),
        "address": host.address.to_string(),
        "arch": member.key.arch.as_str(),
        "roles": roles,
        "cell": host.cell.as_ref().map(|name| name.as_str()),
        "networks": networks,
    })
}

fn cell(member: &Member<'_>) -> Value {
    let name = member.group.cell.as_ref().or(member.host.cell.as_ref());
    match name.and_then(|name| member.ground.estate.cells.get(name)) {
        Some(cell) => json!({ "name": cell.name.as_str(), "number": cell.number }),
        None => Value::Null,
    }
}

fn estate(member: &Member<'_>) -> Value {
    let estate = member.ground.estate;
    let vips: Map<String, Value> = estate
        .vips
        .iter()
        .map(|(name, vip)| {
            let network = vip.network.as_ref().map_or(name, |network| &network.value);
            let interface = member.host.networks.get(network).and_then(|found| found.interface.as_deref());
            let holders: Vec<&str> = holders(member.ground, vip).map(|host| host.as_str()).collect();
            let facts = json!({
                "address": vip.address.to_string(), "name": vip.name, "interface": interface, "holders": holders,
            });
            (name.to_string(), facts)
        })
        .collect();
    let cells: Vec<&str> = estate.cells.keys().map(|name| name.as_str()).collect();
    json!({
        "name": estate.name.as_str(),
        "registry": estate.registry.as_ref().map(|name| name.value.as_str()),
        "cells": cells,
        "vips": vips,
    })
}

fn needs(member: &Member<'_>) -> Value {
    let needs = member.group.needs.iter();
    Value::Object(
        needs.map(|(name, binding)| (name.to_string(), member.need(binding, name).unwrap_or(Value::Null))).collect(),
    )
}

fn vars(member: &Member<'_>, log: &mut Log) -> Value {
    let mut vars = Map::new();
    let changes = member.changes();
    for own in changes {
        for (name, value) in &own.vars {
            let mut fill = |text: &str| member.fill(&Text::template(text), value.span, log);
            vars.insert(name.clone(), var_json(&value.value, &mut fill));
        }
    }
    Value::Object(vars)
}

fn fronts(member: &Member<'_>) -> Value {
    let ground = member.ground;
    let mut found = Vec::new();
    for (name, fronts) in &ground.placed.fronts {
        let Some(vip) = ground.estate.vips.get(name) else { continue };
        if !holders(ground, vip).any(|host| *host == member.host.name) {
            continue;
        }
        for front in fronts {
            let Some(group) = ground.placed.groups.get(&front.group) else { continue };
            let service = ground.project.services.get(&group.service);
            let provide = service.and_then(|service| service.provides.get(&front.capability));
            found.push(json!({
                "name": front.group.as_str(),
                "capability": front.capability.as_str(),
                "vip": { "name": name.as_str(), "address": vip.address.to_string() },
                "port": front.port,
                "protocol": provide.and_then(|provide| provide.protocol.as_deref()),
                "check": provide.and_then(|provide| provide.check.as_deref()),
                "members": members(ground, group, Some(front.port)),
            }));
        }
    }
    Value::Array(found)
}
