//! What runs in a container, and as whom.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::path::ImagePath;
use crate::unit::period::Period;
use crate::unit::quote;
use crate::unit::say::{Sayings, Unsayable};
use crate::version::PodmanVersion;

/// The program and its surroundings. What is not given is the image's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// In place of the image's entrypoint; empty for none.
    pub entrypoint: Option<Vec<String>>,
    /// In place of the image's command.
    pub exec: Vec<String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Files of them, on the host.
    pub environment_files: Vec<ImagePath>,
    /// The user, by name or number.
    pub user: Option<String>,
    /// The group, by name or number; only beside a user.
    pub group: Option<String>,
    /// More groups.
    pub groups: Vec<String>,
    /// Where it starts.
    pub workdir: Option<ImagePath>,
    /// A time zone (`Europe/Berlin`), or `local`.
    pub timezone: Option<String>,
    /// Whether podman's init is its first process.
    pub init: bool,
    /// What asks it to end.
    pub stop_signal: Option<String>,
    /// How long it then has, in whole seconds, before it is killed.
    pub stop_timeout: Option<Period>,
}

/// What `LookupUint32` of podman before 4.8 reads as the number that it is; of anything else it makes 0, the superuser.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

impl Process {
    pub(super) fn say(&self, say: &mut Sayings, version: PodmanVersion) -> Result<(), Unsayable> {
        if let Some(words) = &self.entrypoint {
            // A text would be one program's name; an array is what it says.
            let array =
                if words.is_empty() { String::new() } else { serde_json::Value::from(words.clone()).to_string() };
            match array.as_str() {
                "" => say.argument("--entrypoint=")?,
                array => say.text("Entrypoint", array)?,
            }
        }
        match (&self.user, &self.group) {
            (None, _) => {}
            (Some(user), group) => {
                let numbers = is_number(user) && group.as_deref().is_none_or(is_number);
                let parts = [Some(user), group.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>();
                // Both by keys or neither: Group= has no argument of its own.
                let whole = parts.iter().all(|part| quote::raw(part).is_some());
                if version >= PodmanVersion::QUADLET && whole && (numbers || version >= PodmanVersion::new(4, 8)) {
                    say.text("User", user)?;
                    say.maybe("Group", group.as_ref())?;
                } else {
                    say.argument(format!("--user={}", parts.join(":")))?;
                }
            }
        }
        say.texts("GroupAdd", &self.groups)?;
        say.maybe("WorkingDir", self.workdir.as_ref())?;
        say.maybe("Timezone", self.timezone.as_ref())?;
        if self.init {
            say.switch("RunInit", true)?;
        }
        say.maybe("StopSignal", self.stop_signal.as_ref())?;
        say.maybe("StopTimeout", self.stop_timeout.map(Period::as_secs_up).as_ref())?;
        say.texts("EnvironmentFile", &self.environment_files)?;
        say.pairs("Environment", &self.environment)
    }
}
