//! Lists of what runs: services, hosts, cells, estates.

use serde::Serialize;

use super::Global;
use crate::estate::{Cell, Estate, Project};
use crate::release::CURRENT;
use crate::spec::Origin;
use crate::ui::{Screen, table};

/// One document of a list.
#[derive(Serialize)]
struct Document<'a, T> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    estate: Option<&'a str>,
    #[serde(flatten)]
    list: T,
}

#[derive(Serialize)]
struct Services<'a> {
    services: Vec<ServiceLine<'a>>,
}

#[derive(Serialize)]
struct ServiceLine<'a> {
    name: &'a str,
    image: &'a str,
    scope: &'static str,
    roles: Vec<&'a str>,
    needs: Vec<&'a str>,
    provides: Vec<&'a str>,
    tier: &'static str,
    import: Option<&'a str>,
    summary: Option<&'a str>,
}

/// Every service of the project and its imports.
pub(super) fn services(project: &Project, global: &Global, screen: &Screen) {
    let lines: Vec<ServiceLine<'_>> = project
        .services
        .values()
        .map(|service| ServiceLine {
            name: service.name.as_str(),
            image: service.image.as_str(),
            scope: service.scope.as_str(),
            roles: service.roles.iter().map(|role| role.as_str()).collect(),
            needs: service.needs.keys().map(|name| name.as_str()).collect(),
            provides: service.provides.keys().map(|name| name.as_str()).collect(),
            tier: service.tier.as_str(),
            import: import(&service.origin),
            summary: service.summary.as_deref(),
        })
        .collect();
    if global.json {
        return screen.document(&Document { version: 1, estate: None, list: Services { services: lines } });
    }
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            vec![
                line.name.to_owned(),
                line.image.to_owned(),
                line.scope.to_owned(),
                words(&line.roles),
                words(&line.needs),
                words(&line.provides),
                line.summary.unwrap_or_default().to_owned(),
            ]
        })
        .collect();
    screen.out(&table(&["NAME", "IMAGE", "SCOPE", "ROLES", "NEEDS", "PROVIDES", "SUMMARY"], &rows));
}

#[derive(Serialize)]
struct Hosts<'a> {
    hosts: Vec<HostLine<'a>>,
}

#[derive(Serialize)]
struct HostLine<'a> {
    name: &'a str,
    address: String,
    cell: Option<&'a str>,
    roles: Vec<&'a str>,
    podman: Option<String>,
    leave: bool,
    maintenance: Option<&'a str>,
    runs: Vec<&'a str>,
}

/// Every host of an estate.
pub(super) fn hosts(project: &Project, estate: &Estate, global: &Global, screen: &Screen) {
    let placed = project.placed.get(&estate.name);
    let lines: Vec<HostLine<'_>> = estate
        .hosts
        .values()
        .map(|host| HostLine {
            name: host.name.as_str(),
            address: host.address.to_string(),
            cell: host.cell.as_ref().map(|cell| cell.as_str()),
            roles: host.roles.iter().map(|role| role.as_str()).collect(),
            podman: host.podman.as_ref().map(|version| version.value.to_string()),
            leave: host.leave,
            maintenance: host.maintenance.as_deref(),
            runs: placed
                .and_then(|placed| placed.hosts.get(&host.name))
                .into_iter()
                .flatten()
                .map(|name| name.as_str())
                .collect(),
        })
        .collect();
    if global.json {
        let estate = Some(estate.name.as_str());
        return screen.document(&Document { version: 1, estate, list: Hosts { hosts: lines } });
    }
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let state = match (line.leave, line.maintenance) {
                (true, _) => "leaves".to_owned(),
                (false, Some(reason)) => format!("maintenance: {reason}"),
                (false, None) => String::new(),
            };
            vec![
                line.name.to_owned(),
                line.address.clone(),
                line.cell.unwrap_or("-").to_owned(),
                words(&line.roles),
                words(&line.runs),
                state,
            ]
        })
        .collect();
    screen.out(&table(&["NAME", "ADDRESS", "CELL", "ROLES", "RUNS", "STATE"], &rows));
}

#[derive(Serialize)]
struct Cells<'a> {
    cells: Vec<CellLine<'a>>,
}

#[derive(Serialize)]
struct CellLine<'a> {
    name: &'a str,
    number: Option<u16>,
    release: &'a str,
    hosts: Vec<&'a str>,
    shares: Vec<&'a str>,
    groups: Vec<&'a str>,
}

/// The release that a cell is on: its own, else the estate's.
fn release<'a>(estate: &'a Estate, cell: &'a Cell) -> &'a str {
    let own = cell.release.as_ref().map(|release| &release.value);
    own.or(estate.release()).map_or(CURRENT, |name| name.as_str())
}

/// Every cell of an estate.
pub(super) fn cells(project: &Project, estate: &Estate, global: &Global, screen: &Screen) {
    let placed = project.placed.get(&estate.name);
    let lines: Vec<CellLine<'_>> = estate
        .cells
        .values()
        .map(|cell| {
            let hosts = estate.hosts.values().filter(|host| host.cell.as_ref() == Some(&cell.name));
            let groups = placed.into_iter().flat_map(|placed| placed.groups.values());
            CellLine {
                name: cell.name.as_str(),
                number: cell.number,
                release: release(estate, cell),
                hosts: hosts.map(|host| host.name.as_str()).collect(),
                shares: cell.shares.iter().flat_map(|share| &share.hosts).map(|host| host.as_str()).collect(),
                groups: groups
                    .filter(|group| group.cell.as_ref() == Some(&cell.name))
                    .map(|group| group.name.as_str())
                    .collect(),
            }
        })
        .collect();
    if global.json {
        let estate = Some(estate.name.as_str());
        return screen.document(&Document { version: 1, estate, list: Cells { cells: lines } });
    }
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let number = line.number.map(|number| number.to_string());
            vec![
                line.name.to_owned(),
                number.unwrap_or_else(|| "-".to_owned()),
                line.release.to_owned(),
                words(&line.hosts),
                words(&line.shares),
                words(&line.groups),
            ]
        })
        .collect();
    screen.out(&table(&["NAME", "NUMBER", "RELEASE", "HOSTS", "SHARES", "RUNS"], &rows));
}

#[derive(Serialize)]
struct Estates<'a> {
    estates: Vec<EstateLine<'a>>,
}

#[derive(Serialize)]
struct EstateLine<'a> {
    name: &'a str,
    hosts: usize,
    cells: usize,
    groups: usize,
    import: Option<&'a str>,
    summary: Option<&'a str>,
}

/// Every estate.
pub(super) fn estates(project: &Project, global: &Global, screen: &Screen) {
    let lines: Vec<EstateLine<'_>> = project
        .estates
        .values()
        .map(|estate| EstateLine {
            name: estate.name.as_str(),
            hosts: estate.hosts.len(),
            cells: estate.cells.len(),
            groups: project.placed.get(&estate.name).map_or(0, |placed| placed.groups.len()),
            import: import(&estate.origin),
            summary: estate.summary.as_deref(),
        })
        .collect();
    if global.json {
        return screen.document(&Document { version: 1, estate: None, list: Estates { estates: lines } });
    }
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            vec![
                line.name.to_owned(),
                line.hosts.to_string(),
                line.cells.to_string(),
                line.groups.to_string(),
                line.import.unwrap_or("-").to_owned(),
                line.summary.unwrap_or_default().to_owned(),
            ]
        })
        .collect();
    screen.out(&table(&["NAME", "HOSTS", "CELLS", "SERVICES", "IMPORT", "SUMMARY"], &rows));
}

fn import(origin: &Origin) -> Option<&str> {
    match origin {
        Origin::Project => None,
        Origin::Import(name) => Some(name),
    }
}

fn words(words: &[&str]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}
