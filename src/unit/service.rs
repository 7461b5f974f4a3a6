//! Plain services, timers and targets: what runs on a host outside of containers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Scope;
use super::container::{Life, MeaningError, Notify, Reload, Restart, Run};
use super::file::UnitFile;
use super::head::{Head, line};
use super::name::{ObjectName, UnitKind, UnitName};
use super::period::Period;
use super::quote;
use super::say::Unsayable;
use crate::path::ImagePath;

const SERVICE: &str = "Service";

/// What a service is made of. Its programs run on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceParts {
    /// The unit's name without its type.
    pub unit: ObjectName,
    /// Description, order, what starts it.
    #[serde(default)]
    pub head: Head,
    /// What ends its run. A service cannot be healthy: nothing looks at it.
    #[serde(default)]
    pub run: Run,
    /// Programs before it, each with its arguments.
    #[serde(default)]
    pub before: Vec<Vec<String>>,
    /// The program with its arguments; several only where it runs once and ends.
    pub exec: Vec<Vec<String>>,
    /// Programs that stop it.
    #[serde(default)]
    pub stop: Vec<Vec<String>>,
    /// Programs after its end, whatever that was.
    #[serde(default)]
    pub after: Vec<Vec<String>>,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Its user.
    #[serde(default)]
    pub user: Option<String>,
    /// Its group.
    #[serde(default)]
    pub group: Option<String>,
    /// Where it starts.
    #[serde(default)]
    pub workdir: Option<ImagePath>,
    /// How it lives.
    #[serde(default)]
    pub life: Life,
}

/// A service whose parts go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ServiceParts", into = "ServiceParts")]
pub struct Service(ServiceParts);

impl ServiceParts {
    /// A service that runs one program.
    pub fn new(unit: ObjectName, exec: Vec<String>) -> Self {
        Self {
            unit,
            head: Head::default(),
            run: Run::default(),
            before: Vec::new(),
            exec: vec![exec],
            stop: Vec::new(),
            after: Vec::new(),
            environment: BTreeMap::new(),
            user: None,
            group: None,
            workdir: None,
            life: Life::default(),
        }
    }
}

impl Service {
    /// Checks that the parts go together.
    pub fn new(parts: ServiceParts) -> Result<Self, MeaningError> {
        let once = matches!(parts.run, Run::Oneshot { .. });
        if parts.exec.is_empty() || (parts.exec.len() > 1 && !once) {
            return Err(MeaningError::Nothing);
        }
        for words in [&parts.before, &parts.exec, &parts.stop, &parts.after].into_iter().flatten() {
            let program = words.first().map_or("", String::as_str);
            // Signs before a path, and variables in it, are systemd's; a path has none of them.
            if !program.starts_with('/') || program.contains(['$', '\\']) || program.chars().any(char::is_control) {
                return Err(MeaningError::Program(program.to_owned()));
            }
        }
        if parts.run == Run::Service(Notify::Healthy) {
            return Err(MeaningError::HealthyWithoutHealth);
        }
        if let (true, Some(restart @ (Restart::Always | Restart::OnSuccess))) = (once, parts.life.restart) {
            return Err(MeaningError::OneshotRestarts(restart.to_string()));
        }
        let start = |c: char| c.is_ascii_alphabetic() || c == '_';
        let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if let Some(name) = parts.environment.keys().find(|name| !name.starts_with(start) || !name.chars().all(rest)) {
            return Err(MeaningError::Variable(name.clone()));
        }
        if let Some(key) = parts.life.taken() {
            return Err(MeaningError::Taken(key.to_owned()));
        }
        Ok(Self(parts))
    }

    /// What it is made of.
    pub fn parts(&self) -> &ServiceParts {
        &self.0
    }

    pub(super) fn unit(&self, scope: Scope) -> Result<UnitFile, Unsayable> {
        let parts = &self.0;
        let mut file = UnitFile::new(parts.unit.unit(UnitKind::Service));
        let unit = file.name().to_string();
        for (key, value) in [("User", &parts.user), ("Group", &parts.group)] {
            if let (Scope::User, Some(value)) = (scope, value) {
                let why = "a user's own manager cannot become another".to_owned();
                return Err(Unsayable::Text { unit, key: key.to_owned(), text: value.clone(), why });
            }
        }
        let texts = [&parts.before, &parts.exec, &parts.stop, &parts.after].into_iter().flatten().flatten();
        for text in texts.chain(parts.environment.values()) {
            if let Some(why) = quote::unsayable(text) {
                let (key, why) = ("ExecStart".to_owned(), why.to_owned());
                return Err(Unsayable::Text { unit, key, text: text.clone(), why });
            }
        }
        for (name, value) in &parts.environment {
            // systemd drops a variable whose value has other control characters (env-util.c, env_value_is_valid).
            if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
                let why = "systemd takes no control characters there but tab and newline".to_owned();
                return Err(Unsayable::Text { unit, key: format!("Environment={name}"), text: value.clone(), why });
            }
        }
        parts.head.write_unit(&mut file)?;
        let kind = match parts.run {
            Run::Service(Notify::Container) => "notify",
            Run::Service(_) => "exec",
            Run::Oneshot { .. } => "oneshot",
        };
        line(&mut file, SERVICE, "Type", kind)?;
        if parts.run == (Run::Oneshot { remain: true }) {
            line(&mut file, SERVICE, "RemainAfterExit", "yes")?;
        }
        for (key, value) in [("User", &parts.user), ("Group", &parts.group)] {
            if let Some(value) = value {
                line(&mut file, SERVICE, key, quote::percent(value))?;
            }
        }
        if let Some(path) = &parts.workdir {
            line(&mut file, SERVICE, "WorkingDirectory", quote::percent(path.as_str()))?;
        }
        for (name, value) in &parts.environment {
            line(&mut file, SERVICE, "Environment", quote::list([format!("{name}={value}")]))?;
        }
        let lists = [
            ("ExecStartPre", &parts.before),
            ("ExecStart", &parts.exec),
            ("ExecStop", &parts.stop),
            ("ExecStopPost", &parts.after),
        ];
        for (key, commands) in lists {
            for words in commands {
                line(&mut file, SERVICE, key, quote::command(words))?;
            }
        }
        match &parts.life.reload {
            Some(Reload::Command(words)) => line(&mut file, SERVICE, "ExecReload", quote::command(words))?,
            Some(Reload::Signal(signal)) => {
                let signal = quote::argument(signal);
                let signal = quote::word(&signal);
                line(&mut file, SERVICE, "ExecReload", format!("/bin/kill -s {signal} $MAINPID"))?;
            }
            None => {}
        }
        parts.life.write(&mut file, None, None)?;
        parts.head.write_end(&mut file)?;
        Ok(file)
    }
}

impl TryFrom<ServiceParts> for Service {
    type Error = MeaningError;

    fn try_from(parts: ServiceParts) -> Result<Self, MeaningError> {
        Self::new(parts)
    }
}

impl From<Service> for ServiceParts {
    fn from(service: Service) -> Self {
        service.0
    }
}

/// What a timer is made of (systemd.timer(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerParts {
    /// The unit's name without its type.
    pub unit: ObjectName,
    /// Description, order, what starts it.
    #[serde(default)]
    pub head: Head,
    /// What it starts; the service of its own name where none is given.
    #[serde(default)]
    pub starts: Option<UnitName>,
    /// Points in time (systemd.time(7), "Calendar Events").
    #[serde(default)]
    pub calendar: Vec<String>,
    /// After the machine's boot.
    #[serde(default)]
    pub on_boot: Option<Period>,
    /// After the timer's own start.
    #[serde(default)]
    pub on_active: Option<Period>,
    /// After the last start of what it starts.
    #[serde(default)]
    pub on_unit_active: Option<Period>,
    /// After the last end of what it starts.
    #[serde(default)]
    pub on_unit_inactive: Option<Period>,
    /// How exact it is; systemd's minute where none is given.
    #[serde(default)]
    pub accuracy: Option<Period>,
    /// Up to how much later, by chance, so that hosts do not act all at once.
    #[serde(default)]
    pub random_delay: Option<Period>,
    /// Whether a time that passed while the machine was off is made up for.
    #[serde(default)]
    pub persistent: bool,
}

/// A timer that fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TimerParts", into = "TimerParts")]
pub struct Timer(TimerParts);

impl TimerParts {
    /// A timer without a time yet.
    pub fn new(unit: ObjectName) -> Self {
        Self {
            unit,
            head: Head::default(),
            starts: None,
            calendar: Vec::new(),
            on_boot: None,
            on_active: None,
            on_unit_active: None,
            on_unit_inactive: None,
            accuracy: None,
            random_delay: None,
            persistent: false,
        }
    }
}

impl Timer {
    /// Checks that it fires.
    pub fn new(parts: TimerParts) -> Result<Self, MeaningError> {
        // After a start or an end that nothing causes comes nothing.
        if parts.calendar.is_empty() && parts.on_boot.is_none() && parts.on_active.is_none() {
            return Err(MeaningError::NeverFires);
        }
        Ok(Self(parts))
    }

    /// What it is made of.
    pub fn parts(&self) -> &TimerParts {
        &self.0
    }

    pub(super) fn unit(&self) -> Result<UnitFile, Unsayable> {
        const TIMER: &str = "Timer";
        let parts = &self.0;
        let mut file = UnitFile::new(parts.unit.unit(UnitKind::Timer));
        parts.head.write_unit(&mut file)?;
        for time in &parts.calendar {
            line(&mut file, TIMER, "OnCalendar", quote::percent(time))?;
        }
        let periods = [
            ("OnBootSec", parts.on_boot),
            ("OnActiveSec", parts.on_active),
            ("OnUnitActiveSec", parts.on_unit_active),
            ("OnUnitInactiveSec", parts.on_unit_inactive),
            ("AccuracySec", parts.accuracy),
            ("RandomizedDelaySec", parts.random_delay),
        ];
        for (key, period) in periods {
            if let Some(period) = period {
                line(&mut file, TIMER, key, period.to_string())?;
            }
        }
        if parts.persistent {
            line(&mut file, TIMER, "Persistent", "true")?;
        }
        if let Some(unit) = &parts.starts {
            line(&mut file, TIMER, "Unit", unit.service().to_string())?;
        }
        parts.head.write_end(&mut file)?;
        Ok(file)
    }
}

impl TryFrom<TimerParts> for Timer {
    type Error = MeaningError;

    fn try_from(parts: TimerParts) -> Result<Self, MeaningError> {
        Self::new(parts)
    }
}

impl From<Timer> for TimerParts {
    fn from(timer: Timer) -> Self {
        timer.0
    }
}

/// A target: a name for what is up together. `head.wants` holds its units, so that none of them has to be enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The unit's name without its type.
    pub unit: ObjectName,
    /// Description, its units, what starts it.
    #[serde(default)]
    pub head: Head,
}

impl Target {
    pub(super) fn unit(&self) -> Result<UnitFile, Unsayable> {
        let mut file = UnitFile::new(self.unit.unit(UnitKind::Target));
        self.head.write_unit(&mut file)?;
        self.head.write_end(&mut file)?;
        if file.sections().is_empty() {
            line(&mut file, "Unit", "Description", quote::percent(self.unit.as_str()))?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> ObjectName {
        ObjectName::new("a").unwrap()
    }

    fn refused(change: fn(&mut ServiceParts)) -> String {
        let mut parts = ServiceParts::new(name(), vec!["/bin/true".to_owned()]);
        change(&mut parts);
        Service::new(parts).unwrap_err().to_string()
    }

    #[test]
    fn parts_that_do_not_go_together_are_refused() {
        let once = Run::Oneshot { remain: false };
        assert_eq!(refused(|parts| parts.exec.clear()), "it runs nothing");
        assert_eq!(refused(|parts| parts.exec.push(vec!["/bin/true".to_owned()])), "it runs nothing");
        for program in ["", "true", "-/bin/true", "/bin/$x", "/bin/a\\b"] {
            let mut parts = ServiceParts::new(name(), vec![program.to_owned()]);
            parts.run = once;
            assert_eq!(Service::new(parts), Err(MeaningError::Program(program.to_owned())));
        }
        assert_eq!(
            refused(|parts| parts.run = Run::Service(Notify::Healthy)),
            "it counts as started when it is healthy, and has no health check"
        );
        assert_eq!(
            refused(|parts| drop(parts.environment.insert("1A".to_owned(), String::new()))),
            "`1A` cannot name an environment variable"
        );
        assert_eq!(
            refused(|parts| parts.life.lines = vec![("ExecStart".to_owned(), "/bin/x".to_owned())]),
            "`ExecStart=` in [Service] is not free: it is said otherwise, or podman's generator does not support it"
        );
    }

    #[test]
    fn a_variable_that_systemd_would_drop_is_refused() {
        let mut parts = ServiceParts::new(name(), vec!["/bin/true".to_owned()]);
        parts.environment.insert("A".to_owned(), "a\rb".to_owned());
        let said = Service::new(parts).unwrap().unit(Scope::System).unwrap_err().to_string();
        assert_eq!(
            said,
            "a.service: `Environment=A` cannot hold `a\\rb`: systemd takes no control characters there but tab and newline"
        );
    }

    #[test]
    fn a_users_service_cannot_be_anothers() {
        let mut parts = ServiceParts::new(name(), vec!["/bin/true".to_owned()]);
        parts.user = Some("b".to_owned());
        let service = Service::new(parts).unwrap();
        assert!(service.unit(Scope::System).is_ok());
        let said = service.unit(Scope::User).unwrap_err().to_string();
        assert_eq!(said, "a.service: `User` cannot hold `b`: a user's own manager cannot become another");
    }

    #[test]
    fn a_timer_that_never_fires_is_refused() {
        let mut parts = TimerParts::new(name());
        parts.on_unit_active = Some(Period::from_secs(5));
        assert_eq!(Timer::new(parts.clone()), Err(MeaningError::NeverFires));
        parts.on_boot = Some(Period::from_secs(5));
        assert!(Timer::new(parts).is_ok());
    }
}
