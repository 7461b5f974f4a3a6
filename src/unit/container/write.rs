//! A container's unit: for podman's generator, and the service that it would make (`ConvertContainer`).

use super::{Container, Notify, Reload, Run};
use crate::unit::Scope;
use crate::unit::back_end::{PODMAN, Quadlet};
use crate::unit::file::UnitFile;
use crate::unit::head::{Head, line};
use crate::unit::health::Health;
use crate::unit::name::{UnitKind, UnitName};
use crate::unit::period::Period;
use crate::unit::quote;
use crate::unit::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

const SERVICE: &str = "Service";

/// The first podman whose `--sdnotify=healthy` works, and the first with `Notify=healthy`.
const HEALTHY_ARGUMENT: PodmanVersion = PodmanVersion::new(4, 7);
const HEALTHY_KEY: PodmanVersion = PodmanVersion::new(5, 0);
const POD: PodmanVersion = PodmanVersion::new(5, 0);
const RELOAD_KEYS: PodmanVersion = PodmanVersion::new(5, 5);
/// From here on podman's generator waits for the network by itself.
const NETWORK_ONLINE: PodmanVersion = PodmanVersion::new(5, 2);

impl Container {
    /// Whether this podman cannot tell systemd that the container is healthy, so that who starts it has to ask podman.
    pub fn health_is_asked(&self, version: PodmanVersion) -> bool {
        self.parts().run == Run::Service(Notify::Healthy) && version < HEALTHY_ARGUMENT
    }

    /// The unit's file.
    pub(in crate::unit) fn write(&self, version: PodmanVersion, scope: Scope) -> Result<UnitFile, Unsayable> {
        let parts = self.parts();
        let mut head = parts.head.clone();
        let mut say = self.say(version, &mut head)?;
        if version < NETWORK_ONLINE && scope == Scope::System {
            let online = UnitName::target("network-online");
            head.wants.insert(online.clone());
            head.after.insert(online);
        }
        if let Some((name, unit)) = &parts.pod {
            if version >= POD {
                say.text("Pod", unit.unit(UnitKind::Pod))?;
            } else {
                say.argument(format!("--pod={name}"))?;
                head.binds_to.insert(unit.unit(UnitKind::Pod));
                head.after.insert(unit.unit(UnitKind::Pod));
            }
        }
        if version < PodmanVersion::QUADLET {
            return self.plain(&head, &say, version);
        }
        self.quadlet(&head, say, version)
    }

    fn quadlet(&self, head: &Head, mut say: Sayings, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        let parts = self.parts();
        say.first("Image", &parts.image)?;
        say.first("ContainerName", &parts.name)?;
        match parts.run {
            Run::Service(Notify::Container) => say.text("Notify", "true")?,
            Run::Service(Notify::Healthy) if version >= HEALTHY_KEY => say.text("Notify", "healthy")?,
            Run::Service(Notify::Healthy) if version >= HEALTHY_ARGUMENT => say.argument("--sdnotify=healthy")?,
            Run::Service(_) | Run::Oneshot { .. } => {}
        }
        let mut service = Vec::new();
        if let Run::Oneshot { remain } = parts.run {
            service.push(("Type", "oneshot".to_owned()));
            service.extend(remain.then(|| ("RemainAfterExit", "yes".to_owned())));
        }
        match &parts.life.reload {
            Some(Reload::Command(words)) if version >= RELOAD_KEYS => say.texts("ReloadCmd", words)?,
            Some(Reload::Signal(signal)) if version >= RELOAD_KEYS => say.text("ReloadSignal", signal)?,
            _ => service.extend(self.exec_reload(say.unit())?),
        }
        say.texts("Exec", &parts.process.exec)?;
        let mut file = Quadlet { head, say: &say, service: &service }.start(self.unit(), version)?;
        parts.life.write(&mut file, self.budget(), parts.process.stop_timeout)?;
        head.write_end(&mut file)?;
        Ok(file)
    }

    fn budget(&self) -> Option<Period> {
        let healthy = self.parts().run == Run::Service(Notify::Healthy);
        self.parts().health.as_ref().filter(|_| healthy).map(Health::budget)
    }

    fn exec_reload(&self, unit: &str) -> Result<Option<(&'static str, String)>, Unsayable> {
        if let Some(Reload::Command(words)) = &self.parts().life.reload {
            quote::check(unit, "ExecReload", words)?;
        }
        Ok(self.parts().life.exec_reload(self.parts().name.as_str()).map(|line| ("ExecReload", line)))
    }

    fn plain(&self, head: &Head, say: &Sayings, version: PodmanVersion) -> Result<UnitFile, Unsayable> {
        let parts = self.parts();
        let unit = say.unit();
        let mut file = UnitFile::new(self.unit().service());
        let name = parts.name.as_str();
        let named = format!("--name={name}");
        let mut words: Vec<String> =
            [PODMAN, "run", &named, "--replace", "--rm", "--cgroups=split"].into_iter().map(str::to_owned).collect();
        let once = matches!(parts.run, Run::Oneshot { .. });
        if let Run::Service(notify) = parts.run {
            words.push(
                if notify == Notify::Container { "--sdnotify=container" } else { "--sdnotify=conmon" }.to_owned(),
            );
            words.push("-d".to_owned());
        }
        for saying in say.list() {
            words.extend(saying.flags(unit, version)?);
        }
        words.push(parts.image.to_string());
        quote::check(unit, "Exec", &parts.process.exec)?;
        words.extend(parts.process.exec.iter().cloned());

        head.write_unit(&mut file)?;
        line(&mut file, "Unit", "RequiresMountsFor", "%t/containers")?;
        line(&mut file, SERVICE, "Type", if once { "oneshot" } else { "notify" })?;
        match parts.run {
            Run::Service(_) => line(&mut file, SERVICE, "NotifyAccess", "all")?,
            Run::Oneshot { remain: true } => line(&mut file, SERVICE, "RemainAfterExit", "yes")?,
            Run::Oneshot { remain: false } => {}
        }
        let fixed = [
            ("KillMode", "mixed"),
            ("Delegate", "yes"),
            ("SyslogIdentifier", "%N"),
            ("Environment", "PODMAN_SYSTEMD_UNIT=%n"),
        ];
        for (key, value) in fixed {
            line(&mut file, SERVICE, key, value)?;
        }
        line(&mut file, SERVICE, "ExecStart", quote::command(&words))?;
        line(&mut file, SERVICE, "ExecStop", format!("{PODMAN} rm -v -f -i {name}"))?;
        line(&mut file, SERVICE, "ExecStopPost", format!("-{PODMAN} rm -v -f -i {name}"))?;
        if let Some((key, value)) = self.exec_reload(unit)? {
            line(&mut file, SERVICE, key, value)?;
        }
        parts.life.write(&mut file, self.budget(), parts.process.stop_timeout)?;
        head.write_end(&mut file)?;
        Ok(file)
    }
}
