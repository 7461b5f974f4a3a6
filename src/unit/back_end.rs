//! The two ways to write a unit: for podman's generator, and as the service that it would have made.

use std::borrow::Cow;

use super::file::UnitFile;
use super::head::{Head, line};
use super::name::{ObjectName, UnitName};
use super::quote;
use super::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

/// Where podman is on every distro that wharf knows, and where its generator expects it.
pub(super) const PODMAN: &str = "/usr/bin/podman";

const SERVICE: &str = "Service";

/// A unit for podman's generator.
pub(super) struct Quadlet<'a> {
    pub(super) head: &'a Head,
    pub(super) say: &'a Sayings,
    /// Lines of `[Service]`.
    pub(super) service: &'a [(&'static str, String)],
}

impl Quadlet<'_> {
    /// `[Unit]`, podman's section and `[Service]`.
    pub(super) fn start(&self, unit: UnitName, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        let mut file = UnitFile::new(unit);
        self.head.write_unit(&mut file)?;
        let section = self.say.section().as_str();
        let mut arguments = Vec::new();
        for saying in self.say.list() {
            let said = saying.quadlet(self.say.unit(), version)?;
            if saying.key.name == "PodmanArgs" {
                // They stand last in the section, behind those that take a key's place.
                arguments.extend(said.lines.into_iter().map(|(_, value)| value));
                continue;
            }
            for (key, value) in said.lines {
                line(&mut file, section, key, value)?;
            }
            arguments.extend(said.arguments.iter().map(|word| Cow::Owned(quote::arguments(&[word]))));
        }
        for argument in arguments {
            line(&mut file, section, "PodmanArgs", argument)?;
        }
        for (key, value) in self.service {
            line(&mut file, SERVICE, key, value)?;
        }
        Ok(file)
    }

    /// The whole file.
    pub(super) fn write(&self, unit: UnitName, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        let mut file = self.start(unit, version)?;
        self.head.write_end(&mut file)?;
        Ok(file)
    }
}

/// A service that runs podman once and counts as active after that.
pub(super) fn once(
    unit: UnitName,
    head: &Head,
    words: &[String],
    service: &[(&'static str, String)],
) -> Result<UnitFile, Unsayable> {
    let mut line: Vec<&str> = vec![PODMAN];
    line.extend(words.iter().map(String::as_str));
    oneshot(unit, head, quote::command(&line), service)
}

fn oneshot(
    unit: UnitName,
    head: &Head,
    command: String,
    service: &[(&'static str, String)],
) -> Result<UnitFile, Unsayable> {
    let mut file = UnitFile::new(unit);
    head.write_unit(&mut file)?;
    line(&mut file, "Unit", "RequiresMountsFor", "%t/containers")?;
    line(&mut file, SERVICE, "Type", "oneshot")?;
    line(&mut file, SERVICE, "RemainAfterExit", "yes")?;
    line(&mut file, SERVICE, "SyslogIdentifier", "%N")?;
    line(&mut file, SERVICE, "ExecStart", command)?;
    for (key, value) in service {
        line(&mut file, SERVICE, key, value)?;
    }
    head.write_end(&mut file)?;
    Ok(file)
}

/// A service that makes a volume or a network where there is none of its name. podman 4.3 has no `create --ignore`.
pub(super) fn create(
    unit: UnitName,
    head: &Head,
    what: &str,
    name: &ObjectName,
    say: &Sayings,
    version: PodmanVersion,
    service: &[(&'static str, String)],
) -> Result<UnitFile, Unsayable> {
    let mut flags = Vec::new();
    for saying in say.list() {
        flags.extend(saying.flags(say.unit(), version)?);
    }
    flags.push(name.to_string());
    if version >= PodmanVersion::QUADLET {
        let words: Vec<String> = [what, "create", "--ignore"].into_iter().map(str::to_owned).chain(flags).collect();
        return once(unit, head, &words, service);
    }
    let script = format!("{PODMAN} {what} exists {name} || exec {PODMAN} {what} create \"$@\"");
    let words: Vec<&str> =
        ["/bin/sh", "-c", &script, "sh"].into_iter().chain(flags.iter().map(String::as_str)).collect();
    oneshot(unit, head, quote::command(&words), service)
}
