//! What a member's container sees beside its image: volumes, files, secrets, devices; and whose they are.

use std::collections::BTreeMap;

use crate::estate::{self, MountSource, Owner, Relax, SecretUse};
use crate::name::{AccountName, SecretName};
use crate::path::ImagePath;
use crate::spec::{Log, Mistake, Span};
use crate::unit::ObjectName;
use crate::unit::container::{Mount, Secret, SecretAs, Source, Storage, Tmpfs};

use super::SecretSource;
use super::files::{ConfigPlace, Mounted};
use super::meaning::refused;
use super::member::Member;
use super::text::bytes;

/// The mounts, secrets and devices of a member.
pub(super) fn storage(
    member: &Member<'_>,
    mounted: &[Mounted],
    volumes: &mut BTreeMap<ObjectName, Span>,
    secrets: &mut BTreeMap<String, SecretSource>,
    log: &mut Log,
) -> Storage {
    let spec = &member.service.container;
    let mut storage = Storage::default();
    for (path, mount) in &spec.mounts {
        let mut options = mount.options.clone();
        if mount.read_only {
            options.push("ro".to_owned());
        }
        let source = match &mount.source {
            MountSource::Host(text) => {
                let text = member.fill(text, mount.span, log);
                match ImagePath::new(&text) {
                    Ok(path) => Source::Bind(path),
                    Err(error) => {
                        log.push(refused(member, mount.span, &error.to_string()));
                        continue;
                    }
                }
            }
            MountSource::Volume { name, shared } => {
                match ObjectName::new(estate::volume(member.group, name, *shared)) {
                    Ok(name) => {
                        volumes.insert(name.clone(), mount.span);
                        Source::Volume { name: name.clone(), unit: Some(name) }
                    }
                    Err(error) => {
                        log.push(refused(member, mount.span, &error.to_string()));
                        continue;
                    }
                }
            }
        };
        storage.mounts.push(Mount { source, target: path.clone(), options });
    }
    for file in mounted {
        match &file.place {
            ConfigPlace::Host { path, target } => {
                let source = Source::Bind(path.clone());
                storage.mounts.push(Mount { source, target: target.clone(), options: vec!["ro".to_owned()] });
            }
            ConfigPlace::Secret { object, source } => {
                secrets.insert(object.to_string(), source.clone());
                let seen = SecretAs::File {
                    target: file.path.clone(),
                    uid: file.uid,
                    gid: file.gid,
                    mode: u32::from(file.mode),
                };
                storage.secrets.push(Secret { name: object.clone(), seen });
            }
        }
    }
    storage.secrets.extend(given(member, &member.service.secrets, secrets, log));
    for (path, tmpfs) in &spec.tmpfs {
        let size = tmpfs.size.as_ref().map(|size| format!("size={size}"));
        let mode = tmpfs.mode.map(|mode| format!("mode={:04o}", mode.0));
        storage.tmpfs.push(Tmpfs { target: path.clone(), options: size.into_iter().chain(mode).collect() });
    }
    storage.devices = spec.devices.iter().map(|device| member.fill(device, member.service.span, log)).collect();
    storage.read_only = !spec.relax.contains_key(&Relax::ReadOnly) && !spec.relax.contains_key(&Relax::Privileged);
    storage.shm = spec.limits.shm.as_deref().and_then(bytes);
    storage
}

/// Secrets as a container gets them; those of a cell where they are one for each.
pub(super) fn given(
    member: &Member<'_>,
    uses: &BTreeMap<SecretName, SecretUse>,
    secrets: &mut BTreeMap<String, SecretSource>,
    log: &mut Log,
) -> Vec<Secret> {
    let mut found = Vec::new();
    for (asked, used) in uses {
        let name = member.secret(asked);
        let Some(object) = member.ground.vault.object(&name) else {
            log.push(missing_secret(member, name.as_str(), used.span));
            continue;
        };
        let seen = match &used.env {
            Some(variable) => SecretAs::Environment(variable.clone()),
            None => {
                let (uid, gid) = owner(member, used.owner.as_ref(), used.group.as_ref(), used.span, log);
                // The same path in every cell.
                let target = used.path.clone().or_else(|| ImagePath::new(&format!("/run/secrets/{asked}")).ok());
                let Some(target) = target else { continue };
                SecretAs::File { target, uid, gid, mode: used.mode.map_or(0o400, |mode| u32::from(mode.0)) }
            }
        };
        match ObjectName::new(object) {
            Ok(object) => {
                secrets.insert(object.to_string(), SecretSource::Value(name));
                found.push(Secret { name: object, seen });
            }
            Err(error) => log.push(refused(member, used.span, &error.to_string())),
        }
    }
    found
}

/// Whether two secrets would be at one place of a container.
pub(super) fn same_place(one: &SecretAs, other: &SecretAs) -> bool {
    match (one, other) {
        (SecretAs::File { target, .. }, SecretAs::File { target: other, .. }) => target == other,
        (one, other) => one == other,
    }
}

/// The mistake of a secret that has no value.
fn missing_secret(member: &Member<'_>, name: &str, span: Span) -> Mistake {
    let message = format!("the secret `{name}` of `{}` has no value", member.group.name);
    let help = format!("wharf secrets set {name}, or give it a rule and run wharf secrets generate");
    Mistake::new("no-secret", span, message).label("asked for here").help(help)
}

/// The numbers of an owner and a group: the image's accounts, else those that its distro fixes.
pub(super) fn owner(
    member: &Member<'_>,
    owner: Option<&Owner>,
    group: Option<&Owner>,
    span: Span,
    log: &mut Log,
) -> (u32, u32) {
    let distro = member.ground.project.distros.get(&member.key.distro);
    let account = |name: &AccountName| {
        member.image.accounts.get(name).or_else(|| distro.and_then(|distro| distro.accounts.get(name)))
    };
    let mut unknown = |name: &AccountName| {
        let message = format!("the image `{}` has no account `{name}` with a fixed id", member.key.image);
        let known = member.image.accounts.keys().map(AccountName::as_str);
        let help = crate::spec::did_you_mean(name.as_str(), known);
        let mistake = Mistake::new("unknown-name", span, message).label("whose file?").help_if(help);
        if !log.iter().any(|known| known.message == mistake.message) {
            log.push(mistake);
        }
        0
    };
    let uid = match owner {
        None => 0,
        Some(Owner::Id(id)) => *id,
        Some(Owner::Name(name)) if name.as_str() == "root" => 0,
        Some(Owner::Name(name)) => account(name).and_then(|found| found.uid).unwrap_or_else(|| unknown(name)),
    };
    let gid = match group.or(owner) {
        None => 0,
        Some(Owner::Id(id)) => *id,
        Some(Owner::Name(name)) if name.as_str() == "root" => 0,
        Some(Owner::Name(name)) => account(name).and_then(|found| found.gid).unwrap_or_else(|| unknown(name)),
    };
    (uid, gid)
}
