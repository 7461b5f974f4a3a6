//! Questions on the terminal.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::super::Failure;
use crate::secrets::{Buffer, Secret};
use crate::ui::Screen;

/// A terminal that shows nothing, until this goes.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut modes = before.clone();
        // Letter by letter, and Ctrl-C as a letter: else it would end wharf with the terminal still mute.
        modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(&stdin, OptionalActions::Flush, &modes)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// One line, which is not shown.
pub fn hidden(question: &str, screen: &Screen) -> Result<Secret, Failure> {
    let fault = |error: io::Error| Failure::plain(format!("the terminal: {error}"));
    screen.ask(question);
    let mut stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(fault)?;
    let line = {
        let _hidden = Hidden::new().map_err(fault)?;
        let mut letter = [0u8; 1];
        let mut line = Buffer::default();
        loop {
            let ended = stdin.read(&mut letter).map_err(fault)? == 0;
            match letter {
                _ if ended => break Some(line),
                [b'\n' | b'\r' | 4] => break Some(line),
                [3] => break None,
                [8 | 127] => line.take_letter(),
                [21] => line = Buffer::default(),
                letter => line.push(&letter),
            }
        }
    };
    screen.ask("\n");
    line.map(Buffer::into_secret).ok_or_else(|| Failure::plain("nothing was changed"))
}

/// Whether to go on: yes unless told no; no where nobody can be asked.
pub fn agreed(question: &str, screen: &Screen) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    screen.ask(&format!("{question} [Y/n] "));
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => false,
        Ok(_) => !line.trim().to_lowercase().starts_with('n'),
    }
}
