//! Everything on each host, put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::estate::{Host, Owner};
use crate::host::Account;
use crate::name::{HostName, ServiceName};
use crate::path::ImagePath;
use crate::spec::{Log, Mistake, Span, Spanned};
use crate::unit::{self, Meaning, Pod, Scope, UnitName};

use super::files::{Here, mounted};
use super::member::{Member, members_on};
use super::shared::Common;
use super::{Desired, Ground, HostDesired, HostFile, Wrong, meaning, storage};

/// A unit, and what it is there for.
#[derive(Debug, Clone)]
struct Unit {
    meaning: Meaning,
    scope: Scope,
    /// The account whose manager runs it.
    account: Option<Account>,
    /// The groups that ask for it; none for what is the estate's.
    of: BTreeSet<ServiceName>,
    span: Span,
}

/// Units by the name under which systemd knows them.
type Units = BTreeMap<String, Unit>;

/// What some hosts shall have.
pub(super) fn all<'a>(ground: Ground<'a>, hosts: impl IntoIterator<Item = &'a HostName>) -> Result<Desired, Wrong> {
    let common = match Common::new(ground) {
        Ok(common) => common,
        Err(error) => {
            let mistake = Mistake::new("reserved-character", ground.estate.span, error.to_string());
            return Err(Wrong { mistakes: vec![mistake], faults: Vec::new() });
        }
    };
    let wanted: Vec<&Host> = hosts.into_iter().filter_map(|name| ground.estate.hosts.get(name)).collect();
    let found: Vec<(HostName, HostDesired, Wrong)> = wanted
        .par_iter()
        .map(|host| {
            let mut wrong = Wrong::default();
            let desired = one(ground, host, &common, &mut wrong);
            (host.name.clone(), desired, wrong)
        })
        .collect();
    let mut all = Wrong::default();
    let mut said: Vec<(Option<Span>, String)> = Vec::new();
    let mut desired = Desired::default();
    for (name, host, wrong) in found {
        // One service on many hosts makes one mistake.
        for mistake in wrong.mistakes {
            let words = (mistake.span, mistake.message.replace(name.as_str(), ""));
            if !said.contains(&words) {
                said.push(words);
                all.mistakes.push(mistake);
            }
        }
        for fault in wrong.faults {
            if !all.faults.iter().any(|other| other.code == fault.code && other.place() == fault.place()) {
                all.faults.push(fault);
            }
        }
        desired.hosts.insert(name, host);
    }
    if all.mistakes.is_empty() && all.faults.is_empty() { Ok(desired) } else { Err(all) }
}

fn one(ground: Ground<'_>, host: &Host, common: &Common, wrong: &mut Wrong) -> HostDesired {
    let log = &mut wrong.mistakes;
    let mut desired = HostDesired::default();
    if host.leave {
        return desired;
    }
    let version = host.podman();
    let members = members_on(ground, host, log);
    let mut units = Units::new();
    let target = |scope| {
        let meaning = Meaning::Target(Box::new(meaning::target(ground.estate, scope)?));
        let name = meaning.unit().to_string();
        Some((name, Unit { meaning, scope, account: None, of: BTreeSet::new(), span: ground.estate.span }))
    };
    units.extend(target(Scope::System));
    let here = Here::default();
    for member in &members {
        member.check_needs(&mut wrong.mistakes);
        let mounted = mounted(member, common, &here, &mut desired.files, wrong);
        let log = &mut wrong.mistakes;
        let wanted = meaning::wanted(member, &mounted, log);
        desired.secrets.extend(wanted.secrets);
        desired.images.extend(wanted.image);
        let (scope, account) = match &member.service.container.run_as {
            None => (Scope::System, None),
            Some(Spanned { value, .. }) => (Scope::User, Some(Account { name: value.account.clone(), uid: value.uid })),
        };
        for meaning in wanted.meanings {
            add(&mut units, member, meaning, (scope, account.clone()), log);
        }
        if let Some(account) = &member.service.container.run_as {
            let path = format!("/var/lib/systemd/linger/{}", account.value.account);
            let file = desired.files.entry(path).or_insert_with(|| HostFile::plain([], BTreeSet::new()));
            file.of.insert(member.group.name.clone());
        }
    }
    pods(&mut units);
    // A user's manager does not know the system's units: it has a target of the same name, for what it runs.
    let users = units.values().any(|unit| unit.scope == Scope::User).then(|| target(Scope::User)).flatten();
    let log = &mut wrong.mistakes;
    for (name, Unit { meaning, scope, account, of, span }) in units.into_iter().chain(users) {
        match common.written(&name, meaning, version, scope) {
            Ok(Some(written)) => {
                let path = unit_path(&written.file, scope, account.as_ref().map(|account| account.uid));
                if !written.asks.is_empty() {
                    desired.asks.insert(path.clone(), written.asks.clone());
                }
                desired.accounts.extend(account.map(|account| (path.clone(), account)));
                desired.files.insert(path.clone(), HostFile::plain(Arc::clone(&written.bytes), of));
                desired.meanings.insert(path, Arc::clone(&written.meaning));
            }
            Ok(None) => {}
            Err(error) => {
                let message = format!("{name} on {}: {error}", host.name);
                log.push(Mistake::new("unsayable", span, message).label("of this"));
            }
        }
    }
    host_files(&members, ground, &mut desired, log);
    desired
}

/// Adds a unit; two that say different things under one name are a mistake.
fn add(
    units: &mut Units,
    member: &Member<'_>,
    meaning: Meaning,
    (scope, account): (Scope, Option<Account>),
    log: &mut Log,
) {
    let name = meaning.unit().service().to_string();
    let of = member.group.name.clone();
    match units.get_mut(&name) {
        Some(known) if known.meaning != meaning => {
            let message =
                format!("two units of {} would be called `{name}` and say different things", member.host.name);
            let mistake = Mistake::new("duplicate", member.service.span, message).label("of this");
            log.push(mistake.also(known.span, "and of this"));
        }
        Some(known) => {
            known.of.insert(of);
        }
        None => {
            let of = BTreeSet::from([of]);
            units.insert(name, Unit { meaning, scope, account, of, span: member.service.span });
        }
    }
}

/// A unit for each pod that containers say they are in, with their ports and network.
fn pods(units: &mut Units) {
    struct Found {
        pod: Pod,
        scope: Scope,
        account: Option<Account>,
        of: BTreeSet<ServiceName>,
        span: Span,
    }
    let mut pods: BTreeMap<String, Found> = BTreeMap::new();
    for Unit { meaning, scope, account, of, span } in units.values_mut() {
        let Meaning::Container(container) = meaning else { continue };
        let Some((name, _)) = container.parts().pod.clone() else { continue };
        let mut parts = container.parts().clone();
        let new = || Found {
            pod: Pod::new(name.clone()),
            scope: *scope,
            account: account.clone(),
            of: BTreeSet::new(),
            span: *span,
        };
        let found = pods.entry(name.to_string()).or_insert_with(new);
        found.of.extend(of.iter().cloned());
        let pod = &mut found.pod;
        // A container in a pod has the pod's network.
        let network = std::mem::take(&mut parts.network);
        if pod.network.networks.is_empty() {
            pod.network.networks = network.networks;
        }
        pod.network.publish.extend(network.publish);
        for entry in network.hosts {
            if !pod.network.hosts.contains(&entry) {
                pod.network.hosts.push(entry);
            }
        }
        if let Ok(changed) = unit::Container::new(parts) {
            **container = changed;
        }
    }
    for Found { pod, scope, account, of, span } in pods.into_values() {
        let meaning = Meaning::Pod(Box::new(pod));
        let name = meaning.unit().service().to_string();
        units.insert(name, Unit { meaning, scope, account, of, span });
    }
}

/// Where a unit's file lies: for a user's own, in the folder that podman and systemd read for that user.
fn unit_path(file: &UnitName, scope: Scope, uid: Option<u32>) -> String {
    let kind = file.kind();
    let folder = match (scope, uid, kind.is_quadlet()) {
        (Scope::User, Some(uid), true) => format!("/etc/containers/systemd/users/{uid}"),
        (Scope::User, _, false) => "/etc/systemd/user".to_owned(),
        _ => Scope::System.folder(kind).to_owned(),
    };
    format!("{folder}/{file}")
}

/// Kernel parameters, modules and folders that services ask of their host.
fn host_files(members: &[Member<'_>], ground: Ground<'_>, desired: &mut HostDesired, log: &mut Log) {
    let mut sysctls: BTreeMap<&str, (&str, Span)> = BTreeMap::new();
    let mut modules: BTreeSet<&str> = BTreeSet::new();
    let mut of: [BTreeSet<ServiceName>; 3] = Default::default();
    let mut dirs: BTreeMap<&ImagePath, (String, Span)> = BTreeMap::new();
    for member in members {
        let (span, wants) = (member.service.span, &member.service.host);
        let any = [!wants.sysctls.is_empty(), !wants.modules.is_empty(), !wants.dirs.is_empty()];
        for (groups, _) in of.iter_mut().zip(any).filter(|(_, any)| *any) {
            groups.insert(member.group.name.clone());
        }
        for (name, value) in &wants.sysctls {
            match sysctls.get(name.as_str()) {
                Some((other, first)) if *other != value.as_str() => {
                    let message = format!("`{name}` of {} would be {other} and {value}", member.host.name);
                    let mistake = Mistake::new("conflict", span, message).label("of this service");
                    log.push(mistake.also(*first, "and of this"));
                }
                _ => {
                    sysctls.insert(name, (value, span));
                }
            }
        }
        modules.extend(wants.modules.iter().map(String::as_str));
        for (path, dir) in &wants.dirs {
            let owner: Option<&Owner> = dir.owner.as_ref();
            let (uid, gid) = storage::owner(member, owner, dir.group.as_ref(), span, log);
            let mode = dir.mode.map_or(0o755, |mode| mode.0);
            let line = format!("d {path} {mode:04o} {uid} {gid} -");
            match dirs.get(path) {
                Some((other, first)) if *other != line => {
                    let message = format!("{path} of {} would have two owners or modes", member.host.name);
                    let mistake = Mistake::new("conflict", span, message).label("of this service");
                    log.push(mistake.also(*first, "and of this"));
                }
                _ => {
                    dirs.insert(path, (line, span));
                }
            }
        }
    }
    let estate = &ground.estate.name;
    let [sysctls_of, modules_of, dirs_of] = of;
    let mut put = |path: String, lines: Vec<String>, of| {
        if !lines.is_empty() {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            desired.files.insert(path, HostFile::plain(text.into_bytes(), of));
        }
    };
    let lines = sysctls.into_iter().map(|(name, (value, _))| format!("{name} = {value}")).collect();
    put(format!("/etc/sysctl.d/60-wharf-{estate}.conf"), lines, sysctls_of);
    put(
        format!("/etc/modules-load.d/wharf-{estate}.conf"),
        modules.into_iter().map(str::to_owned).collect(),
        modules_of,
    );
    put(format!("/etc/tmpfiles.d/wharf-{estate}.conf"), dirs.into_values().map(|(line, _)| line).collect(), dirs_of);
}
