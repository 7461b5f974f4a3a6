//! `wharf secrets get` and `set`

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use super::super::{Exit, Failure, Global};
use super::place::{Desk, now};
use super::prompt;
use crate::name::SecretName;
use crate::secrets::{Buffer, Entry, Secret, SecretsError};
use crate::spec::did_you_mean;
use crate::ui::Screen;

/// Prints a value.
pub fn get(desk: &Desk, name: &SecretName, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let safe = desk.vault.read(&desk.identities()?)?;
    let value = safe.get(name)?;
    let mut out = Buffer::with_capacity(value.expose().len() + 1);
    if global.json {
        document(&mut out, name, value);
    } else {
        out.push(value.expose());
        if io::stdout().is_terminal() && !value.expose().ends_with(b"\n") {
            out.push(b"\n");
        }
    }
    screen.bytes(out.bytes());
    Ok(Exit::Done)
}

/// `{"version": 1, "name": …, "base64": …}`: base64, so that no value needs an escape.
fn document(out: &mut Buffer, name: &SecretName, value: &Secret) {
    out.push(format!("{{\n  \"version\": 1,\n  \"name\": \"{name}\",\n  \"base64\": \"").as_bytes());
    value.encode(out);
    out.push(b"\"\n}\n");
}

/// Sets a value.
pub fn set(
    desk: &Desk,
    name: SecretName,
    file: Option<PathBuf>,
    exact: bool,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let (mut held, mut safe) = desk.hold(screen)?;
    let value = match &file {
        Some(path) => {
            let opened = File::open(path).and_then(|mut file| read(&mut file));
            let value = opened.map_err(|source| SecretsError::Io { path: path.clone(), source })?;
            without_break(value, exact)
        }
        None if io::stdin().is_terminal() => prompt::hidden(&format!("Value of `{name}`: "), screen)?,
        None => {
            // Not through the standard library's buffer, which nobody wipes.
            let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
            let value = stdin.and_then(|mut stdin| read(&mut stdin));
            let value = value.map_err(|error| Failure::plain(format!("standard input: {error}")))?;
            without_break(value, exact)
        }
    };
    let secrets = desk.secrets();
    if !secrets.names().contains(&name) {
        let known = secrets.names();
        let near = did_you_mean(name.as_str(), known.iter().map(SecretName::as_str));
        let near = near.map(|near| format!(": {near}")).unwrap_or_default();
        screen.say(&format!("nothing in the estate `{}` uses `{name}` yet{near}", desk.name()));
    }
    let changed = safe.put(name.clone(), Entry { value, rule: None, made: Some(now()) })?;
    if !changed {
        screen.say(&format!("`{name}` has that value already"));
        return Ok(Exit::Done);
    }
    held.write(&safe)?;
    screen.say(&format!("set `{name}` in {}", desk.shown()));
    Ok(Exit::Done)
}

fn read(reader: &mut impl Read) -> io::Result<Secret> {
    let mut buffer = Buffer::default();
    // More than podman takes is refused later; it need not be read whole.
    let mut limited = reader.take(1 << 20);
    crate::secrets::copy(&mut limited, &mut buffer)?;
    buffer.flush()?;
    Ok(buffer.into_secret())
}

/// One line without the break that `echo` puts behind it.
fn without_break(value: Secret, exact: bool) -> Secret {
    let bytes = value.expose();
    let line = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    match line.filter(|line| !exact && !line.contains(&b'\n')) {
        Some(line) => Secret::copied(line),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_line_loses_its_break() {
        for (given, exact, kept) in [
            ("a\n", false, "a"),
            ("a\r\n", false, "a"),
            ("a", false, "a"),
            ("a\n", true, "a\n"),
            ("a\nb\n", false, "a\nb\n"),
            ("\n", false, ""),
            ("a\n\n", false, "a\n\n"),
        ] {
            assert_eq!(without_break(Secret::copied(given.as_bytes()), exact).expose(), kept.as_bytes(), "{given:?}");
        }
    }
}
