//! `wharf secrets edit`

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::super::{Exit, Failure};
use super::place::{Desk, now};
use super::prompt;
use super::scratch::Scratch;
use crate::name::SecretName;
use crate::secrets::{Buffer, Changes, Sheet};
use crate::ui::Screen;

/// Lets a person edit all secrets.
pub fn run(desk: &Desk, screen: &Screen) -> Result<Exit, Failure> {
    let (mut held, mut safe) = desk.hold(screen)?;
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let comment = comment(desk, &safe);
    let text = Sheet::write(&safe, &comment);
    let fault = |error: io::Error| Failure::plain(format!("the text to edit: {error}"));
    let signals = Signals::new().map_err(fault)?;
    let scratch = Scratch::new().map_err(fault)?;
    if !scratch.in_memory {
        let folder = scratch.path().display();
        screen.say(&format!("there is no folder in memory: the text lies in {folder} and is overwritten afterwards"));
    }
    let path = scratch.write(&format!("{}.txt", desk.name()), text.bytes()).map_err(fault)?;
    drop(text);
    let sheet = loop {
        edit(&editor, &path, &signals)?;
        let mut text = Buffer::default();
        File::open(&path).and_then(|mut file| crate::secrets::copy(&mut file, &mut text)).map_err(fault)?;
        match Sheet::read(text.bytes()) {
            Ok(sheet) => break sheet,
            Err(error) => {
                let again = Failure::from(error);
                again.reports.iter().for_each(|report| screen.report(report));
                if !prompt::agreed("Edit it again?", screen) {
                    return Err(Failure::plain("nothing was changed"));
                }
            }
        }
    };
    drop(scratch);
    drop(signals);
    let changes = sheet.apply(&mut safe, Some(now()))?;
    if changes.is_empty() {
        screen.say("nothing was changed");
        return Ok(Exit::Done);
    }
    held.write(&safe)?;
    let Changes { added, changed, removed } = &changes;
    for (names, word) in [(added, "added"), (changed, "changed"), (removed, "removed")] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            screen.say(&format!("{word} {}", names.join(", ")));
        }
    }
    screen.say(&format!("wrote {}", desk.shown()));
    Ok(Exit::Done)
}

/// What stands above the secrets.
fn comment(desk: &Desk, safe: &crate::secrets::Safe) -> String {
    let mut text = format!(
        "The secrets of the estate `{}`.\n\nNAME: VALUE, or NAME: | and lines behind four blanks (|- without a line \
         break after the last),\nor NAME: base64 BYTES. A line that is taken away takes the secret away.\n",
        desk.name()
    );
    let missing = desk.secrets();
    let missing = missing.names().into_iter().filter(|name| !safe.entries().contains_key(name));
    let missing: Vec<SecretName> = missing.collect();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(SecretName::as_str).collect();
        text.push_str(&format!("Missing: {}\n", names.join(", ")));
    }
    text.push('\n');
    text
}

/// Runs the editor as git does: its text is a shell's, so that it may have arguments.
fn edit(editor: &str, path: &Path, signals: &Signals) -> Result<(), Failure> {
    let failed = |why: String| {
        let message = format!("the editor `{editor}` {why}: nothing was changed");
        Failure::with_help(message, "VISUAL or EDITOR names another")
    };
    let script = script(editor);
    let child = Command::new("sh").arg("-c").arg(&script).arg(editor).arg(path).spawn();
    let mut child = child.map_err(|error| failed(format!("cannot be run: {error}")))?;
    let status = signals.wait(&mut child).map_err(|error| failed(error.to_string()))?;
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(failed(format!("ended badly ({status})"))),
        None => Err(Failure::plain("told to end: nothing was changed")),
    }
}

/// The shell's text. A plain program takes the shell's place, so that it is the editor itself that is told to end.
fn script(editor: &str) -> String {
    let assigns = editor.split_whitespace().next().is_some_and(|first| first.contains('='));
    let exec = if assigns || editor.contains(|c| ";&|<>()`\n".contains(c)) { "" } else { "exec " };
    format!("{exec}{editor} \"$@\"")
}

/// Signals that would end wharf and leave the text where it is. Until this goes they are only noted.
struct Signals {
    ids: Vec<SigId>,
    end: Arc<AtomicBool>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let keyboard = Arc::new(AtomicBool::new(false));
        let mut ids = Vec::new();
        // What the keyboard sends is the editor's to answer.
        let flags = [(SIGTERM, &end), (SIGHUP, &end), (SIGINT, &keyboard), (SIGQUIT, &keyboard)];
        for (signal, flag) in flags {
            ids.push(signal_hook::flag::register(signal, Arc::clone(flag))?);
        }
        Ok(Self { ids, end })
    }

    /// Waits for the editor; none where wharf was told to end, which ends the editor too.
    fn wait(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status).filter(|_| !self.end.load(Ordering::Relaxed)));
            }
            if self.end.load(Ordering::Relaxed) {
                if let Some(id) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                    let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
                }
                let until = Instant::now() + Duration::from_secs(2);
                while child.try_wait()?.is_none() && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(20));
                }
                let _ = child.kill();
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_program_takes_the_place_of_the_shell() {
        assert_eq!(script("code --wait=1"), "exec code --wait=1 \"$@\"");
        for editor in ["LANG=C vim", "cd /; vim", "(vim)", "true && vim"] {
            assert_eq!(script(editor), format!("{editor} \"$@\""));
        }
    }
}
