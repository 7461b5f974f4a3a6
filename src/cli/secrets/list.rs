//! `wharf secrets list`

use serde::Serialize;

use super::super::{Exit, Failure, Global};
use super::place::{Desk, now};
use crate::name::{EstateName, SecretName, ServiceName};
use crate::secrets::{State, Status, statuses};
use crate::ui::{Screen, table};

/// What `wharf --json secrets list` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    estate: &'a EstateName,
    secrets: Vec<Line<'a>>,
    recipients: &'a [String],
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    name: &'a SecretName,
    state: &'static str,
    kind: &'static str,
    used_by: &'a [ServiceName],
    made: Option<i64>,
    ends: Option<i64>,
}

impl<'a> Line<'a> {
    fn of(status: &'a Status) -> Self {
        let Status { name, state, kind, users, made, ends } = status;
        Self { name, state: state.as_str(), kind, used_by: users, made: *made, ends: *ends }
    }
}

/// Lists them.
pub fn run(desk: &Desk, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let safe = desk.read()?;
    let found = statuses(&desk.secrets(), safe.as_ref(), now());
    if global.json {
        let recipients = safe.as_ref().map(|safe| safe.recipients()).unwrap_or_default();
        let secrets = found.iter().map(Line::of).collect();
        screen.document(&Document { version: 1, estate: desk.name(), secrets, recipients });
        return Ok(Exit::Done);
    }
    if let Some(safe) = &safe {
        desk.say_drift(safe, screen);
    }
    let date = |seconds: i64| {
        jiff::Timestamp::from_second(seconds).map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
    };
    let row = |status: &Status| {
        let users: Vec<&str> = status.users.iter().map(ServiceName::as_str).collect();
        let ends = status.ends.map(date).unwrap_or_default();
        vec![
            status.name.to_string(),
            status.kind.to_owned(),
            status.state.as_str().to_owned(),
            ends,
            users.join(" "),
        ]
    };
    screen.out(&table(&["NAME", "KIND", "STATE", "ENDS", "USED BY"], &found.iter().map(row).collect::<Vec<_>>()));
    let missing = found.iter().filter(|status| status.state == State::Missing).count();
    if missing > 0 {
        screen.say(&format!(
            "{missing} missing: `wharf secrets generate` makes those with a rule, `wharf secrets set NAME` sets others"
        ));
    }
    Ok(Exit::Done)
}
