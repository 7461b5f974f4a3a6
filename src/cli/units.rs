//! `wharf units`: the files that each host would get.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Exit, Failure, Global, chosen_estate, load_project};
use crate::desired::{Desired, Ground, HostDesired, ImageNeed, SecretSource, Wrong, desired};
use crate::digest::Digest;
use crate::estate::{Estate, Project};
use crate::name::{HostName, ReleaseName, ServiceName};
use crate::release::{self, Release};
use crate::spec::{Mistakes, did_you_mean};
use crate::ui::Screen;
use crate::unit::{Ask, Meaning};

/// Arguments of `wharf units`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Files land at DIR/HOST/PATH, with DIR/HOST.json beside, which names their owners, modes and digests, the\n\
                        images, and the secrets by podman's names for them; no secret's value is in any of it.\n\nExamples:\n  \
                        wharf units --to out\n  wharf units --estate multinode --host control1 --to out\n  \
                        wharf units --service keystone\n  \
                        git diff --no-index old out               # what a change of specs does to every host")]
pub struct Arguments {
    /// Write the files below this folder, which must be empty or not be there; list them otherwise
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Only for this host; may repeat
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Only what is there for this service or group; may repeat
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// The release whose manifests units name: releases/NAME.kdl; the last of the estate's `releases`, else `current`,
    /// unless told. Cells that name a release stay on it
    #[arg(long, value_name = "NAME")]
    release: Option<ReleaseName>,
    #[command(flatten)]
    vault: super::vault::VaultOptions,
}

/// Writes or lists the files.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let project = load_project(global)?;
    let estate = chosen_estate(&project, global)?;
    let hosts = hosts(estate, &arguments.hosts)?;
    let services = services(&project, estate, &arguments.services)?;
    let release = read_releases(&project, estate, arguments.release.as_ref())?;
    let vault = arguments.vault.open(&project, estate)?;
    let placed = project.placed.get(&estate.name).ok_or_else(|| Failure::plain("the estate has no places"))?;
    let ground = Ground { project: &project, estate, placed, release: &release, vault: &vault };
    let mut desired = desired(ground, hosts).map_err(|wrong| reported(&project, wrong))?;
    if !services.is_empty() {
        for host in desired.hosts.values_mut() {
            keep(host, &services);
        }
    }
    if let Some(folder) = &arguments.to {
        write(folder, &desired)?;
    }
    let documents: Vec<Document<'_>> = desired.hosts.iter().map(|(name, host)| document(name, host)).collect();
    if global.json {
        screen.document(&All { version: 1, estate: estate.name.as_str(), hosts: documents });
    } else {
        screen.out(&listing(&documents));
    }
    Ok(Exit::Done)
}

/// What is wrong, with the texts that are to blame.
pub(super) fn reported(project: &Project, wrong: Wrong) -> Failure {
    let Wrong { mistakes, faults } = wrong;
    let mut reports: Vec<miette::Report> = faults.into_iter().map(miette::Report::new).collect();
    if !mistakes.is_empty() {
        reports.extend(Failure::from(Mistakes::new(project.sources.clone(), mistakes)).reports);
    }
    Failure { reports, code: 1 }
}

/// The release that an estate runs, with those of cells that stay on another.
pub(super) fn read_releases(project: &Project, estate: &Estate, told: Option<&ReleaseName>) -> Result<Release, Failure> {
    let current = ReleaseName::new(release::CURRENT).map_err(|error| Failure::plain(error.to_string()))?;
    let mut found = read_release(project, told.or(estate.release()).unwrap_or(&current))?;
    for (cell, own) in estate.cells.iter().filter_map(|(name, cell)| Some((name, cell.release.as_ref()?))) {
        found.cells.insert(cell.clone(), read_release(project, own)?);
    }
    Ok(found)
}

/// A release of the project; an empty one where nothing was built yet.
pub(super) fn read_release(project: &Project, name: &ReleaseName) -> Result<Release, Failure> {
    let path = Release::path(name);
    let missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    match fs::read_to_string(project.root.join(&path)) {
        Ok(text) => Ok(Release::read(&path, &text)?),
        Err(error) if missing(&error) && name.as_str() == release::CURRENT => Ok(Release::default()),
        Err(error) if missing(&error) => {
            let known = releases(&project.root);
            let help = did_you_mean(name.as_str(), known.iter().map(String::as_str));
            let help = help.unwrap_or_else(|| format!("`wharf build --release {name}` writes {path}"));
            Err(Failure::with_help(format!("there is no release `{name}`: no {path}"), help))
        }
        Err(error) => Err(Failure::plain(format!("{path} cannot be read: {error}"))),
    }
}

/// The names of a project's releases.
fn releases(root: &Path) -> Vec<String> {
    let entries = root.join("releases").read_dir().into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(".kdl").map(str::to_owned)).collect();
    names.sort();
    names
}

fn hosts<'a>(estate: &'a Estate, named: &[String]) -> Result<Vec<&'a HostName>, Failure> {
    if named.is_empty() {
        return Ok(estate.hosts.keys().collect());
    }
    named
        .iter()
        .map(|name| {
            estate.hosts.keys().find(|known| known.as_str() == name).ok_or_else(|| {
                let message = format!("the estate `{}` has no host `{name}`", estate.name);
                match did_you_mean(name, estate.hosts.keys().map(HostName::as_str)) {
                    Some(help) => Failure::with_help(message, help),
                    None => Failure::plain(message),
                }
            })
        })
        .collect()
}

fn services(project: &Project, estate: &Estate, named: &[String]) -> Result<Vec<ServiceName>, Failure> {
    let groups = project.placed.get(&estate.name).map(|placed| &placed.groups);
    let mut found = Vec::new();
    for name in named {
        let of = groups.into_iter().flatten().filter(|(_, group)| group.name.as_str() == name || group.service.as_str() == name);
        let before = found.len();
        found.extend(of.map(|(name, _)| name.clone()));
        if found.len() == before {
            let known = groups.into_iter().flatten().flat_map(|(name, group)| [name.as_str(), group.service.as_str()]);
            let message = format!("no service `{name}` runs in the estate `{}`", estate.name);
            return Err(match did_you_mean(name, known) {
                Some(help) => Failure::with_help(message, help),
                None => Failure::plain(message),
            });
        }
    }
    Ok(found)
}

/// Leaves only what is there for some services.
fn keep(host: &mut HostDesired, services: &[ServiceName]) {
    host.files.retain(|_, file| file.of.iter().any(|name| services.contains(name)));
    let files = &host.files;
    host.meanings.retain(|path, _| files.contains_key(path));
    host.asks.retain(|path, _| files.contains_key(path));
    let (mut secrets, mut images) = (BTreeSet::new(), BTreeSet::new());
    for meaning in host.meanings.values() {
        if let Meaning::Container(container) = &**meaning {
            let parts = container.parts();
            secrets.extend(parts.storage.secrets.iter().map(|secret| secret.name.to_string()));
            images.insert(parts.image.to_string());
        }
    }
    host.secrets.retain(|name, _| secrets.contains(name));
    host.images.retain(|name, _| images.contains(name));
}

/// The folder of a host below `to`, with all its files.
fn write(to: &Path, desired: &Desired) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::plain(format!("{} cannot be written: {error}", path.display()));
    if to.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("{} is not empty", to.display());
        return Err(Failure::with_help(message, "name a new folder: files of an older run would stay in this one"));
    }
    for (name, host) in &desired.hosts {
        let root = to.join(name.as_str());
        fs::create_dir_all(&root).map_err(|error| failed(&root, error))?;
        for (path, file) in &host.files {
            let path = root.join(path.trim_start_matches('/'));
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
            }
            fs::write(&path, &file.bytes).map_err(|error| failed(&path, error))?;
            let mode = fs::Permissions::from_mode(u32::from(file.mode));
            fs::set_permissions(&path, mode).map_err(|error| failed(&path, error))?;
        }
        let manifest = to.join(format!("{name}.json"));
        let mut text = serde_json::to_string_pretty(&document(name, host)).map_err(|error| Failure::plain(error.to_string()))?;
        text.push('\n');
        fs::write(&manifest, text).map_err(|error| failed(&manifest, error))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct All<'a> {
    version: u32,
    estate: &'a str,
    hosts: Vec<Document<'a>>,
}

/// A host: docs/json.md has its shape.
#[derive(Serialize)]
struct Document<'a> {
    host: &'a HostName,
    files: Vec<FileLine<'a>>,
    images: &'a BTreeMap<String, ImageNeed>,
    secrets: &'a BTreeMap<String, SecretSource>,
    asks: &'a BTreeMap<String, Vec<Ask>>,
}

#[derive(Serialize)]
struct FileLine<'a> {
    path: &'a str,
    services: &'a BTreeSet<ServiceName>,
    uid: u32,
    gid: u32,
    mode: String,
    sha256: Digest,
}

fn document<'a>(name: &'a HostName, host: &'a HostDesired) -> Document<'a> {
    let files = host.files.iter().map(|(path, file)| FileLine {
        path,
        services: &file.of,
        uid: file.uid,
        gid: file.gid,
        mode: format!("{:04o}", file.mode),
        sha256: file.digest(),
    });
    Document { host: name, files: files.collect(), images: &host.images, secrets: &host.secrets, asks: &host.asks }
}

fn listing(documents: &[Document<'_>]) -> String {
    let mut text = String::new();
    for document in documents {
        let _ = writeln!(text, "{}", document.host);
        for file in &document.files {
            let _ = write!(text, "  {} {}:{} {}", file.mode, file.uid, file.gid, file.path);
            for (index, name) in file.services.iter().enumerate() {
                let _ = write!(text, "{}{name}", if index == 0 { "  " } else { ", " });
            }
            text.push('\n');
        }
        for name in document.secrets.keys() {
            let _ = writeln!(text, "  secret {name}");
        }
    }
    text
}
