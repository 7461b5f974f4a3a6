//! `wharf secrets generate`

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::{Exit, Failure, Global};
use super::place::{Desk, now, random};
use crate::estate::{Rule, Secrets};
use crate::name::{EstateName, SecretName};
use crate::secrets::{Made, Request, State, Why, make, statuses};
use crate::ui::Screen;

/// What `wharf --json secrets generate` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    estate: &'a EstateName,
    made: Vec<Line<'a>>,
    /// To be set by hand.
    missing: Vec<SecretName>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    name: &'a SecretName,
    why: &'static str,
}

fn word(why: Why) -> &'static str {
    match why {
        Why::Missing => "missing",
        Why::Rotated => "rotated",
        Why::Renewed => "renewed",
    }
}

/// Makes them.
pub fn run(
    desk: &Desk,
    names: Vec<SecretName>,
    rotate: Vec<SecretName>,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let secrets = desk.secrets();
    let (mut held, mut safe) = desk.hold(screen)?;
    let (only, rotate): (BTreeSet<_>, BTreeSet<_>) = (names.into_iter().collect(), rotate.into_iter().collect());
    let request = Request { rules: &secrets.rules, only: &only, rotate: &rotate, now: now() };
    let made = make(&mut safe, &request, &mut random)?;
    if !made.is_empty() {
        held.write(&safe)?;
    }
    let after = statuses(&secrets, Some(&safe), request.now);
    let missing = after.iter().filter(|status| status.state == State::Missing && secrets.rule(&status.name).is_none());
    let missing: Vec<SecretName> = missing.map(|status| status.name.clone()).collect();
    if global.json {
        let made = made.iter().map(|Made { name, why }| Line { name, why: word(*why) }).collect();
        screen.document(&Document { version: 1, estate: desk.name(), made, missing });
        return Ok(Exit::Done);
    }
    for Made { name, why } in &made {
        screen.say(&match why {
            Why::Missing => format!("made `{name}`"),
            Why::Rotated => format!("made `{name}` anew"),
            Why::Renewed => format!("renewed `{name}`"),
        });
    }
    say_signed(&secrets, &made, screen);
    for status in after.iter().filter(|status| status.state == State::OtherRule) {
        if let Some((rule, _)) = secrets.rule(&status.name).filter(|(rule, _)| **rule == status.name) {
            screen.say(&format!(
                "`{rule}` was made by another rule than it has now: `wharf secrets generate --rotate {rule}`"
            ));
        }
    }
    for name in &missing {
        screen.say(&format!("no rule makes `{name}`: wharf secrets set {name}"));
    }
    match made.len() {
        0 => screen.say("nothing to make"),
        1 => screen.say(&format!("1 secret made, in {}", desk.shown())),
        count => screen.say(&format!("{count} secrets made, in {}", desk.shown())),
    }
    Ok(Exit::Done)
}

/// Certificates that the old key of an authority still signs.
fn say_signed(secrets: &Secrets, made: &[Made], screen: &Screen) {
    let is_made = |name: &SecretName| made.iter().any(|made| made.name == *name);
    for Made { name, .. } in made.iter().filter(|made| made.why != Why::Missing) {
        let signed = secrets.rules.iter().filter(|(other, generate)| {
            matches!(&generate.rule, Rule::Certificate { ca, .. } if ca == name) && !is_made(other)
        });
        let signed: Vec<&str> = signed.map(|(name, _)| name.as_str()).collect();
        if !signed.is_empty() {
            screen.say(&format!(
                "`{name}` holds the new authority and the old one. Once every host has it, sign again: \
                 wharf secrets generate --rotate {}",
                signed.join(" --rotate ")
            ));
        }
    }
}
