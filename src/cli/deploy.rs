//! What all verbs that talk to hosts share: the project, what hosts shall have, the ways to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::units::{read_releases, reported};
use super::vault::{Opened, VaultOptions};
use super::{Failure, Global, chosen_estate, load_project};
use crate::apply::Fleet;
use crate::desired::{Desired, Ground, desired};
use crate::estate::{Estate, Host, Placed, Project};
use crate::host::{Content, Header, Hops, Ssh};
use crate::name::{HostName, ReleaseName, ServiceName};
use crate::plan::{self, Known};
use crate::release::Release;
use crate::spec::did_you_mean;
use crate::ui::Screen;

/// Which hosts, and how they are reached.
#[derive(Debug, clap::Args)]
pub struct ReachOptions {
    /// Only these hosts, roles, cells or services, commas between them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub limit: Vec<String>,
    /// Talk to so many hosts at once
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub forks: usize,
    /// An ssh configuration instead of the user's
    #[arg(long, value_name = "FILE", env = "WHARF_SSH_CONFIG")]
    pub ssh_config: Option<PathBuf>,
    /// Give a host so many seconds to answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub connect_timeout: u64,
}

impl ReachOptions {
    /// For how long a host is looked for that was lost while it changes: six tries.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.connect_timeout.max(1)).saturating_mul(6)
    }
}

/// Options of verbs that say what hosts shall have.
#[derive(Debug, clap::Args)]
pub struct HostOptions {
    #[command(flatten)]
    pub reach: ReachOptions,
    /// The release whose manifests units name: releases/NAME.kdl; the last of the estate's `releases`, else `current`,
    /// unless told. Cells that name a release stay on it
    #[arg(long, value_name = "NAME")]
    pub release: Option<ReleaseName>,
    #[command(flatten)]
    pub vault: VaultOptions,
}

/// The project and its estate, read and opened.
pub struct Deploy {
    pub project: Project,
    estate: crate::name::EstateName,
    pub release: Release,
    pub vault: Opened,
    ssh: Ssh,
    hops: Hops,
    forks: usize,
    limit: Limit,
    // Last: the sockets go when nobody uses them.
    _sockets: tempfile::TempDir,
}

/// What `--limit` leaves in.
#[derive(Debug, Clone, Default)]
struct Limit {
    /// None for all.
    hosts: Option<BTreeSet<HostName>>,
    /// None for all.
    groups: Option<BTreeSet<ServiceName>>,
}

impl Deploy {
    /// Reads the project and opens its secrets.
    pub fn open(options: &HostOptions, global: &Global) -> Result<Self, Failure> {
        let mut deploy = Self::reach(&options.reach, global)?;
        deploy.release = read_releases(&deploy.project, deploy.estate()?, options.release.as_ref())?;
        deploy.vault = options.vault.open(&deploy.project, deploy.estate()?)?.keeping();
        Ok(deploy)
    }

    /// Reads the project and asks its hosts what they are.
    pub fn look(options: &ReachOptions, global: &Global) -> Result<(Self, Known), Failure> {
        let deploy = Self::reach(options, global)?;
        let fleet = deploy.fleet()?;
        let known = deploy.probe(&fleet, &Desired::default());
        fleet.close();
        drop(fleet);
        Ok((deploy, known))
    }

    /// Prints a document of this estate.
    pub fn document<T: serde::Serialize>(&self, body: T, screen: &Screen) {
        #[derive(serde::Serialize)]
        struct Document<'a, T> {
            version: u32,
            estate: &'a str,
            #[serde(flatten)]
            body: T,
        }
        screen.document(&Document { version: 1, estate: self.estate.as_str(), body });
    }

    /// Reads the project, for what needs neither manifests nor secrets.
    pub fn reach(options: &ReachOptions, global: &Global) -> Result<Self, Failure> {
        let project = load_project(global)?;
        let estate = chosen_estate(&project, global)?;
        let name = estate.name.clone();
        let limit = limit(&project, estate, &options.limit)?;
        let sockets = sockets()?;
        let ssh = Ssh {
            program: "ssh".into(),
            config: options.ssh_config.clone(),
            sockets: sockets.path().to_owned(),
            connect: Duration::from_secs(options.connect_timeout),
        };
        Ok(Self {
            project,
            estate: name,
            release: Release::default(),
            vault: Opened::closed(),
            ssh,
            hops: Hops::default(),
            forks: options.forks.max(1),
            limit,
            _sockets: sockets,
        })
    }

    pub fn estate(&self) -> Result<&Estate, Failure> {
        self.project.estates.get(&self.estate).ok_or_else(|| Failure::plain("the estate is gone"))
    }

    pub fn placed(&self) -> Result<&Placed, Failure> {
        self.project.placed.get(&self.estate).ok_or_else(|| Failure::plain("the estate has no places"))
    }

    pub fn ground(&self) -> Result<Ground<'_>, Failure> {
        let (estate, placed) = (self.estate()?, self.placed()?);
        Ok(Ground { project: &self.project, estate, placed, release: &self.release, vault: &self.vault })
    }

    /// The hosts that are not left out.
    pub fn hosts(&self) -> Result<Vec<&Host>, Failure> {
        let within = |host: &&Host| self.limit.hosts.as_ref().is_none_or(|names| names.contains(&host.name));
        Ok(self.estate()?.hosts.values().filter(within).collect())
    }

    /// The hosts that are.
    pub fn outside(&self) -> Result<BTreeSet<HostName>, Failure> {
        let within: BTreeSet<&HostName> = self.hosts()?.into_iter().map(|host| &host.name).collect();
        Ok(self.estate()?.hosts.keys().filter(|name| !within.contains(name)).cloned().collect())
    }

    /// The only groups that are to be changed; none where all are.
    pub fn groups(&self) -> Option<&BTreeSet<ServiceName>> {
        self.limit.groups.as_ref()
    }

    /// Hosts that run a commit which is not in the history of this project as it is here.
    pub fn newer(&self, known: &Known) -> BTreeMap<HostName, String> {
        let mut contained: BTreeMap<String, bool> = BTreeMap::new();
        let root = &self.project.root;
        let mut found = BTreeMap::new();
        if commit(root).is_none() {
            return found;
        }
        for (name, facts) in known.iter().filter_map(|(name, facts)| Some((name, facts.as_ref().ok()?))) {
            let Some(commit) = facts.generation.as_ref().and_then(|live| live.header.commit.as_deref()) else {
                continue;
            };
            let commit = commit.trim_end_matches("-dirty").to_owned();
            let is_here = contained
                .entry(commit.clone())
                .or_insert_with(|| git(root, &["merge-base", "--is-ancestor", &commit, "HEAD"]).is_some());
            if !*is_here {
                found.insert(name.clone(), commit);
            }
        }
        found
    }

    /// The ways to them, but for those that are in maintenance; to nobody where nobody is to be asked.
    pub fn fleet_of(&self, ask: bool) -> Result<Fleet<'_>, Failure> {
        let hosts: Vec<&Host> = self.hosts()?.into_iter().filter(|host| ask && host.maintenance.is_none()).collect();
        Ok(Fleet::new(&self.ssh, &self.hops, &hosts, self.forks))
    }

    /// The ways to them, but for those that are in maintenance.
    pub fn fleet(&self) -> Result<Fleet<'_>, Failure> {
        self.fleet_of(true)
    }

    /// The ways to hosts of the estate, whatever the limit is, but for those that are in maintenance.
    pub fn fleet_to(&self, names: &BTreeSet<HostName>) -> Result<Fleet<'_>, Failure> {
        let hosts = self.estate()?.hosts.values().filter(|host| names.contains(&host.name));
        let hosts: Vec<&Host> = hosts.filter(|host| host.maintenance.is_none()).collect();
        Ok(Fleet::new(&self.ssh, &self.hops, &hosts, self.forks))
    }

    /// What hosts of the estate are, whatever the limit is; those in maintenance are not asked.
    pub fn ask(&self, names: &BTreeSet<HostName>) -> Result<Known, Failure> {
        let fleet = self.fleet_to(names)?;
        let known = self.probe(&fleet, &Desired::default());
        fleet.close();
        Ok(known)
    }

    /// What they shall have.
    pub fn desired(&self) -> Result<Desired, Failure> {
        let hosts = self.hosts()?;
        desired(self.ground()?, hosts.into_iter().map(|host| &host.name))
            .map_err(|wrong| reported(&self.project, wrong))
    }

    /// What is to be asked of them.
    pub fn probe(&self, fleet: &Fleet<'_>, desired: &Desired) -> Known {
        fleet.probe(|host| {
            let Some(desired) = desired.hosts.get(host) else { return Default::default() };
            let paths = desired.files.keys().cloned().collect();
            (paths, plan::content(desired).units().into_iter().collect())
        })
    }

    /// What hosts shall have, where only some services are to be changed: the others stay what they are.
    pub fn wanted(&self, desired: &Desired, known: &Known) -> BTreeMap<HostName, Content> {
        let content = |(name, host): (&HostName, _)| {
            let wanted = plan::content(host);
            let Some(groups) = &self.limit.groups else { return (name.clone(), wanted) };
            let facts = known.get(name).and_then(|facts| facts.as_ref().ok());
            let applied =
                facts.and_then(|facts| facts.generation.as_ref()).map(|generation| generation.content.clone());
            (name.clone(), plan::after(&applied.unwrap_or_default(), &wanted, groups, false))
        };
        desired.hosts.iter().map(content).collect()
    }

    /// Who applies, when and why.
    pub fn header(&self, plan: &str, why: Option<String>) -> Header {
        Header {
            estate: self.estate.clone(),
            plan: plan.to_owned(),
            commit: commit(&self.project.root),
            who: who(),
            when: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            why,
            wharf: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A folder of this run alone, whose path is short enough for sockets (unix(7): 108 bytes).
fn sockets() -> Result<tempfile::TempDir, Failure> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let places = runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
    for place in places.filter(|place| place.is_dir()) {
        let Ok(folder) = tempfile::Builder::new().prefix("wharf-").tempdir_in(place) else { continue };
        // OpenSSH adds a name of 40 and, while it makes the socket, 17 more.
        if folder.path().as_os_str().len() + 60 < 104 {
            return Ok(folder);
        }
    }
    Err(Failure::with_help("there is no folder for ssh's sockets", "set TMPDIR to a folder with a short path"))
}

/// The account and machine of the person who runs this.
fn who() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "unknown".to_owned());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{machine}")
}

/// The commit that a project is at, where it lies in git.
fn commit(root: &Path) -> Option<String> {
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let dirty = git(root, &["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    Some(if dirty { format!("{commit}-dirty") } else { commit })
}

/// What git says; none where it does not end well.
fn git(root: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(words).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// What `--limit` means: a host, a role, a cell, a service or a group.
fn limit(project: &Project, estate: &Estate, words: &[String]) -> Result<Limit, Failure> {
    let mut limit = Limit::default();
    let groups = project.placed.get(&estate.name).map(|placed| &placed.groups);
    for word in words {
        let is_cell = estate.cells.keys().any(|cell| cell.as_str() == word);
        let hosts: Vec<HostName> = estate
            .hosts
            .values()
            .filter(|host| {
                host.name.as_str() == word
                    || host.roles.iter().any(|role| role.value.as_str() == word)
                    || is_cell && host.cell.as_ref().is_some_and(|cell| cell.as_str() == word)
            })
            .map(|host| host.name.clone())
            .collect();
        let named = groups.into_iter().flatten().filter(|(name, group)| {
            name.as_str() == word
                || group.service.as_str() == word
                || is_cell && group.cell.as_ref().is_some_and(|cell| cell.as_str() == word)
        });
        let named: Vec<(ServiceName, Vec<HostName>)> =
            named.map(|(name, group)| (name.clone(), group.members.clone())).collect();
        match (hosts.is_empty(), named.is_empty(), is_cell) {
            (true, true, _) => {
                let known = estate.hosts.keys().map(HostName::as_str);
                let known = known.chain(estate.cells.keys().map(|cell| cell.as_str()));
                let known = known.chain(groups.into_iter().flatten().map(|(name, _)| name.as_str()));
                let help = did_you_mean(word, known)
                    .unwrap_or_else(|| "--limit takes hosts, roles, cells and services".to_owned());
                return Err(Failure::with_help(format!("`{word}` is nothing in the estate `{}`", estate.name), help));
            }
            // All of its own hosts, and its groups wherever they run.
            (_, false, true) => {
                limit.groups.get_or_insert_default().extend(named.iter().map(|(name, _)| name.clone()));
                let all = limit.hosts.get_or_insert_default();
                all.extend(hosts);
                all.extend(named.into_iter().flat_map(|(_, members)| members));
            }
            (false, ..) => limit.hosts.get_or_insert_default().extend(hosts),
            (true, false, false) => {
                limit.groups.get_or_insert_default().extend(named.iter().map(|(name, _)| name.clone()));
                limit.hosts.get_or_insert_default().extend(named.into_iter().flat_map(|(_, members)| members));
            }
        }
    }
    Ok(limit)
}
