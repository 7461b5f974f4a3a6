//! Why a host did not answer, out of ssh's own words.

use std::time::Duration;

use super::frame::FrameError;

/// How a script ends where the host's lease is not ours any more.
const FOREIGN: i32 = 9;

/// Why a host did not answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// ssh could not be run.
    #[error("`{program}` cannot be run: {error}")]
    Program {
        /// ssh, or sh.
        program: String,
        /// Why.
        error: std::io::Error,
    },
    /// Its key is not the one that is known.
    #[error("its host key is not the one that is known: {}", key_of(.said))]
    HostKey {
        /// ssh's own words.
        said: String,
    },
    /// It does not let us in.
    #[error("it does not let us in: {said}")]
    Denied {
        /// ssh's own words.
        said: String,
    },
    /// It cannot be reached.
    #[error("it cannot be reached: {said}")]
    Unreachable {
        /// ssh's own words.
        said: String,
    },
    /// The connection ended in the middle.
    #[error("the connection was lost{}{said}", if said.is_empty() { "" } else { ": " })]
    Lost {
        /// What was said last.
        said: String,
    },
    /// It took longer than it may.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The script ended badly.
    #[error("{}", ended(*code, .said))]
    Failed {
        /// Its exit code.
        code: i32,
        /// What was said last.
        said: String,
    },
    /// It answered in another way than ours.
    #[error(transparent)]
    Frame(FrameError),
}

impl LinkError {
    /// Whether the host was not heard at all: nothing was done there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::HostKey { .. } | Self::Denied { .. } | Self::Unreachable { .. } | Self::Program { .. })
    }

    /// Whether the way to it went while it may have been doing what it was told.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Unreachable { .. } | Self::Late(_) | Self::Frame(_))
    }

    /// Whether somebody else has the host's lease.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Failed { code: FOREIGN, .. })
    }

    /// It in one line, with what to do.
    pub fn line(&self) -> String {
        match self.help() {
            Some(help) => format!("{self} ({help})"),
            None => self.to_string(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::HostKey { .. } => Some(
                "make sure that it is the host; then ssh-keygen -R takes the old key out of known_hosts, and ssh asks for the new one",
            ),
            Self::Denied { .. } => Some("ssh has to get in without a question: an agent or a key without a passphrase"),
            Self::Unreachable { .. } => Some("`maintenance \"reason\"` in the host's node leaves it out for now"),
            _ => None,
        }
    }
}

/// The script's last words; where it ended as it does when it says why, without a word around them.
fn ended(code: i32, said: &str) -> String {
    if (code == 1 || code == FOREIGN) && !said.is_empty() {
        said.to_owned()
    } else {
        format!("the script ended with {code}: {said}")
    }
}

/// What ssh says of a key, without its frame of `@`.
fn key_of(said: &str) -> String {
    let lines = said.split("; ").filter(|line| {
        ["The fingerprint for", "SHA256:", "Offending", "No ", "Host key for"]
            .iter()
            .any(|begin| line.starts_with(begin))
    });
    let found: Vec<&str> = lines.collect();
    if found.is_empty() { said.to_owned() } else { found.join(" ") }
}

/// Why a host was not heard, out of ssh's own words.
pub(super) fn absent(said: String) -> LinkError {
    let has = |text: &str| said.contains(text);
    if has("Host key verification failed") || has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        LinkError::HostKey { said }
    } else if has("Permission denied") || has("Too many authentication failures") {
        LinkError::Denied { said }
    } else {
        LinkError::Unreachable { said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_ssh_say_why_a_host_was_not_heard() {
        let refused = "ssh: connect to host 127.0.0.1 port 1: Connection refused";
        assert!(matches!(absent(refused.to_owned()), LinkError::Unreachable { .. }));
        assert!(matches!(absent("Host key verification failed.".to_owned()), LinkError::HostKey { .. }));
        assert!(matches!(absent("root@h: Permission denied (publickey).".to_owned()), LinkError::Denied { .. }));
    }
}
