//! `wharf secrets rekey` and `keygen`

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use serde::Serialize;

use super::super::{Exit, Failure, Global};
use super::place::{Desk, identity_file};
use crate::secrets::{NewIdentity, SecretsError};
use crate::ui::Screen;

/// What `wharf --json secrets keygen` prints (docs/json.md).
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    recipient: &'a str,
    identity: String,
}

/// Encrypts the file for the recipients that the estate names.
pub fn rekey(desk: &Desk, screen: &Screen) -> Result<Exit, Failure> {
    let recipients = desk.recipients()?;
    let mut held = desk.take()?;
    let identities = desk.identities()?;
    let mut safe = held.read(&identities)?;
    let before = safe.recipients().to_vec();
    safe.rekey(&recipients);
    held.write(&safe)?;
    let after = safe.recipients();
    for text in after.iter().filter(|text| !before.contains(text)) {
        screen.say(&format!("new: {text}"));
    }
    let gone: Vec<&String> = before.iter().filter(|text| !after.contains(text)).collect();
    for text in &gone {
        screen.say(&format!("gone: {text}"));
    }
    if !gone.is_empty() {
        screen.say("who is gone knows what was there: `wharf secrets generate --rotate NAME` and an apply make it worthless");
    }
    if matches!(desk.vault.read(&identities), Err(SecretsError::NotForYou { .. })) {
        screen.say("your own identity does not read it any more");
    }
    screen.say(&format!("{} is encrypted for {}", desk.shown(), people(after.len())));
    Ok(Exit::Done)
}

fn people(count: usize) -> String {
    if count == 1 { "1 recipient".to_owned() } else { format!("{count} recipients") }
}

/// Makes an identity.
pub fn keygen(told: Option<PathBuf>, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let path = identity_file(told).ok_or_else(|| {
        Failure::with_help("there is no folder for an identity", "name a file with --identity or WHARF_IDENTITY")
    })?;
    let fault = |error: io::Error| Failure::plain(format!("{} cannot be written: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
    }
    let NewIdentity { line, recipient } = NewIdentity::make();
    let opened = File::options().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::with_help(
            format!("{} is there already", path.display()),
            "what only it can read would be lost; name another file with --identity",
        ),
        _ => fault(error),
    })?;
    let mut write = || {
        file.write_all(format!("# public key: {recipient}\n").as_bytes())?;
        file.write_all(line.expose())?;
        file.sync_all()
    };
    if let Err(error) = write() {
        let _ = fs::remove_file(&path);
        return Err(fault(error));
    }
    screen.say(&format!("wrote {}; keep a copy where it does not get lost. In the estate:", path.display()));
    if global.json {
        screen.document(&Document { version: 1, recipient: &recipient, identity: path.display().to_string() });
    } else {
        screen.out(&format!("recipient \"{recipient}\"\n"));
    }
    Ok(Exit::Done)
}
