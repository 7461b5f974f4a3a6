//! A service on its hosts, and a host with its services.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::{Exit, Failure, Global, chosen_estate};
use super::Arguments;
use crate::config::{Place, Setting};
use crate::desired::{Ground, Member, Wrong, context, members_on, settings};
use crate::estate::{Estate, Group, Host, Placed, Project, Provider};
use crate::release::Release;
use crate::spec::{Log, Span, did_you_mean};
use crate::ui::Screen;

/// A name that is not there.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let message = format!("there is no {what} `{name}`");
    match did_you_mean(name, known) {
        Some(help) => Failure::with_help(message, help),
        None => Failure::plain(message),
    }
}

/// Prints a service: its groups, and on one host all that its templates see.
pub(super) fn service(project: &Project, arguments: &Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let estate = chosen_estate(project, global)?;
    let placed = project.placed.get(&estate.name).ok_or_else(|| Failure::plain("the estate has no places"))?;
    let name = arguments.name.as_str();
    let groups: Vec<&Group> =
        placed.groups.values().filter(|group| group.name.as_str() == name || group.service.as_str() == name).collect();
    if groups.is_empty() {
        let known = placed.groups.values().flat_map(|group| [group.name.as_str(), group.service.as_str()]);
        let what = format!("service in the estate `{}` called", estate.name);
        return Err(unknown(&what, name, known));
    }
    let Some(host) = &arguments.host else {
        if global.json {
            let groups: Vec<Value> = groups.iter().map(|group| group_json(group)).collect();
            screen.document(&json!({ "version": 1, "estate": estate.name.as_str(), "groups": groups }));
        } else {
            let pages: Vec<String> = groups.iter().map(|group| page(project, group)).collect();
            screen.out(&pages.join("\n"));
        }
        return Ok(Exit::Done);
    };
    let host = find_host(estate, host)?;
    let release = Release::default();
    let vault = arguments.vault.open(project, estate)?;
    let ground = Ground { project, estate, placed, release: &release, vault: &vault };
    let mut log = Log::new();
    let members = members_on(ground, host, &mut log);
    let here: Vec<&Member<'_>> = members.iter().filter(|member| groups.iter().any(|group| group.name == member.group.name)).collect();
    if here.is_empty() {
        let hosts: Vec<String> = groups.iter().flat_map(|group| &group.members).map(ToString::to_string).collect();
        let message = format!("`{name}` does not run on {}", host.name);
        return Err(Failure::with_help(message, format!("it runs on {}", hosts.join(", "))));
    }
    let mut wrong = Wrong { mistakes: log, faults: Vec::new() };
    let files = settings(ground, &here, &mut wrong);
    let mut shown = Vec::new();
    for (member, files) in here.into_iter().zip(files) {
        shown.push((member, context(member, &mut wrong.mistakes), files));
    }
    if !wrong.mistakes.is_empty() || !wrong.faults.is_empty() {
        return Err(super::super::units::reported(project, wrong));
    }
    if global.json {
        let all: Vec<Value> = shown
            .iter()
            .map(|(member, values, files)| {
                let files: Vec<Value> = files.iter().map(|(path, list)| json!({ "path": path, "settings": list.iter().map(|setting| setting_json(project, setting)).collect::<Vec<_>>() })).collect();
                let variables: Vec<Value> = member
                    .variables()
                    .into_iter()
                    .map(|(name, span)| json!({ "name": name, "value": variable(values, name), "place": spec_place(project, span) }))
                    .collect();
                json!({
                    "name": member.group.name.as_str(), "host": host.name.as_str(), "context": values,
                    "variables": variables, "files": files,
                })
            })
            .collect();
        screen.document(&json!({ "version": 1, "estate": estate.name.as_str(), "services": all }));
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for (member, values, files) in shown {
        let _ = writeln!(text, "{} on {}\n\nTemplates see", member.group.name, host.name);
        let pretty = serde_json::to_string_pretty(&values).unwrap_or_default();
        for line in pretty.lines() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "  and the functions members(NAME), secret(NAME)");
        let variables = member.variables();
        if !variables.is_empty() {
            text.push_str("\nVariables\n");
        }
        for (name, span) in variables {
            let _ = writeln!(text, "  {name} = {}  ({})", variable(&values, name), spec_place(project, span));
        }
        for (path, list) in files {
            let _ = writeln!(text, "\n{path}");
            for setting in list {
                let _ = writeln!(text, "  {} = {}  ({})", setting.name, setting.value, place(project, &setting.place));
            }
        }
    }
    screen.out(&text);
    Ok(Exit::Done)
}

fn find_host<'a>(estate: &'a Estate, name: &str) -> Result<&'a Host, Failure> {
    let found = estate.hosts.values().find(|host| host.name.as_str() == name);
    found.ok_or_else(|| {
        unknown(&format!("host in the estate `{}` called", estate.name), name, estate.hosts.keys().map(|name| name.as_str()))
    })
}

/// A place as `FILE:LINE`.
fn place(project: &Project, place: &Place) -> String {
    match place {
        Place::Line { text, line } => match project.templates.get(&**text) {
            Some(template) => format!("{}:{line}", template.shown),
            None => format!("{text}, line {line}"),
        },
        Place::Spec(span) => spec_place(project, *span),
    }
}

fn spec_place(project: &Project, span: Span) -> String {
    let (line, _) = project.sources.line_column(span);
    format!("{}:{line}", project.sources.name(span.source))
}

fn setting_json(project: &Project, setting: &Setting) -> Value {
    json!({ "name": setting.name, "value": setting.value, "place": place(project, &setting.place) })
}

fn provider(provider: &Provider) -> Option<&str> {
    match provider {
        Provider::Nobody => None,
        Provider::Group(name) | Provider::External(name) => Some(name.as_str()),
    }
}

fn group_json(group: &Group) -> Value {
    let ports: Vec<Value> = group
        .ports
        .iter()
        .map(|(name, port)| json!({ "name": name.as_str(), "port": port.number, "transport": port.transport.as_str() }))
        .collect();
    let needs: Vec<Value> = group
        .needs
        .iter()
        .map(|(name, need)| {
            json!({ "name": name.as_str(), "capability": need.capability.as_str(), "provider": provider(&need.provider), "order": need.order })
        })
        .collect();
    let members: Vec<&str> = group.members.iter().map(|host| host.as_str()).collect();
    json!({
        "name": group.name.as_str(), "service": group.service.as_str(),
        "cell": group.cell.as_ref().map(|cell| cell.as_str()),
        "instance": group.instance.as_ref().map(|name| name.as_str()),
        "stamped": group.stamped, "members": members, "ports": ports, "needs": needs,
    })
}

fn page(project: &Project, group: &Group) -> String {
    let mut text = String::new();
    let service = project.services.get(&group.service);
    let summary = service.and_then(|service| service.summary.as_ref()).map(|summary| format!(": {summary}"));
    let _ = writeln!(text, "{}{}", group.name, summary.unwrap_or_default());
    if let Some(service) = service {
        let _ = writeln!(text, "  image    {}", *service.image);
    }
    if let Some(cell) = &group.cell {
        let _ = writeln!(text, "  cell     {cell}");
    }
    let hosts: Vec<&str> = group.members.iter().map(|host| host.as_str()).collect();
    let _ = writeln!(text, "  hosts    {}", hosts.join(" "));
    for (name, port) in &group.ports {
        let _ = writeln!(text, "  port     {name} {}/{}", port.number, port.transport.as_str());
    }
    for (name, need) in &group.needs {
        let _ = writeln!(text, "  needs    {name} from {}", provider(&need.provider).unwrap_or("nobody"));
    }
    for config in service.into_iter().flat_map(|service| service.configs.values()) {
        let _ = writeln!(text, "  file     {}", config.path);
    }
    text
}

/// Prints a host.
pub(super) fn host(project: &Project, name: &str, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let estate = chosen_estate(project, global)?;
    let host = find_host(estate, name)?;
    let placed: Option<&Placed> = project.placed.get(&estate.name);
    let groups: Vec<&Group> = placed.into_iter().flat_map(|placed| placed.on(&host.name)).collect();
    let roles: Vec<&str> = host.roles.iter().map(|role| role.as_str()).collect();
    if global.json {
        let networks: Vec<Value> = host
            .networks
            .iter()
            .map(|(name, found)| json!({ "name": name.as_str(), "address": found.address.to_string(), "interface": found.interface }))
            .collect();
        let groups: Vec<Value> = groups.iter().map(|group| group_json(group)).collect();
        screen.document(&json!({
            "version": 1, "estate": estate.name.as_str(), "name": host.name.as_str(), "address": host.address.to_string(),
            "cell": host.cell.as_ref().map(|cell| cell.as_str()), "roles": roles, "networks": networks, "groups": groups,
        }));
        return Ok(Exit::Done);
    }
    let mut text = format!("{}\n  address  {}\n", host.name, host.address);
    if let Some(cell) = &host.cell {
        let _ = writeln!(text, "  cell     {cell}");
    }
    if !roles.is_empty() {
        let _ = writeln!(text, "  roles    {}", roles.join(" "));
    }
    for (name, found) in &host.networks {
        let on = found.interface.as_ref().map(|name| format!(" on {name}")).unwrap_or_default();
        let _ = writeln!(text, "  network  {name} {}{on}", found.address);
    }
    for group in groups {
        let ports: Vec<String> = group.ports.iter().map(|(name, port)| format!("{name} {}", port.number)).collect();
        let ports = if ports.is_empty() { String::new() } else { format!(" ({})", ports.join(", ")) };
        let _ = writeln!(text, "  runs     {}{ports}", group.name);
    }
    screen.out(&text);
    Ok(Exit::Done)
}

/// The value of a variable, out of what templates see.
fn variable<'v>(values: &'v Value, name: &str) -> &'v Value {
    values.get("vars").and_then(|vars| vars.get(name)).unwrap_or(&Value::Null)
}
