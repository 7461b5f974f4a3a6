//! What a host's script answers: named pieces of bytes, each with its length before it.
//!
//! A line `wharf 1` begins the answer, so that what a login shell prints before it does no harm; then frames, each a line
//! `NAME LENGTH` and so many bytes; the frame `end` is last, so that an answer that was cut off is known as such.

use std::io::{BufRead, Read as _};

/// The line before all frames.
const BEGIN: &str = "wharf 1";
/// The frame after all others.
const END: &str = "end";
/// More than any frame has.
const MOST: u64 = 64 << 20;
/// More than any line before the frames, and any head of one.
const LINE: u64 = 64 << 10;

/// A named piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is: `facts`, `event`, …
    pub name: String,
    /// Its bytes, as text; what is not UTF-8 is replaced.
    pub text: String,
}

/// What a host shows of a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// All of it.
    Whole(String),
    /// It is no text; how many bytes it has.
    Binary(u64),
    /// It is larger than what was asked for; how many bytes it has.
    Large(u64),
}

impl Frame {
    /// The files that an answer shows, by their paths.
    pub fn texts(frames: &[Self]) -> Vec<(String, Text)> {
        let mut found = Vec::new();
        let mut path = "";
        for frame in frames {
            let size = || frame.text.trim().parse().unwrap_or(0);
            let text = match frame.name.as_str() {
                "path" => {
                    path = &frame.text;
                    continue;
                }
                "file" => Text::Whole(frame.text.clone()),
                "binary" => Text::Binary(size()),
                "large" => Text::Large(size()),
                _ => continue,
            };
            found.push((path.to_owned(), text));
        }
        found
    }
}

/// An answer that is none.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It ended before its last frame.
    #[error("the answer was cut off")]
    Cut,
    /// Not what a script of ours says.
    #[error("`{0}` is no frame")]
    Head(String),
    /// It is larger than any that is asked for.
    #[error("the frame `{0}` has {1} bytes, more than any has")]
    Large(String, u64),
    /// It could not be read.
    #[error("the answer could not be read: {0}")]
    Read(#[from] std::io::Error),
}

/// Reads frames one after the other.
pub struct Frames<R> {
    from: R,
    begun: bool,
    ended: bool,
}

impl<R: BufRead> Frames<R> {
    /// Frames of what is read from `from`.
    pub fn new(from: R) -> Self {
        Self { from, begun: false, ended: false }
    }

    /// Whether the script was heard at all.
    pub fn begun(&self) -> bool {
        self.begun
    }

    fn line(&mut self) -> Result<String, FrameError> {
        let mut line = Vec::new();
        self.from.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(FrameError::Cut);
        }
        line.pop();
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// The next frame; none after the last.
    pub fn read(&mut self) -> Result<Option<Frame>, FrameError> {
        while !self.begun {
            self.begun = self.line()? == BEGIN;
        }
        if self.ended {
            return Ok(None);
        }
        let head = self.line()?;
        let (name, length) = head.split_once(' ').ok_or_else(|| FrameError::Head(head.clone()))?;
        let length: u64 = length.parse().map_err(|_| FrameError::Head(head.clone()))?;
        if length > MOST {
            return Err(FrameError::Large(name.to_owned(), length));
        }
        if name == END {
            self.ended = true;
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = self.from.by_ref().take(length).read_to_end(&mut bytes)?;
        if (read as u64) < length {
            return Err(FrameError::Cut);
        }
        Ok(Some(Frame { name: name.to_owned(), text: String::from_utf8_lossy(&bytes).into_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(String, String)>, FrameError> {
        let mut frames = Frames::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(frame) = frames.read()? {
            found.push((frame.name, frame.text));
        }
        Ok(found)
    }

    #[test]
    fn an_answer_without_its_end_is_cut_off() {
        for text in
            ["", "motd", "wharf 1\n", "wharf 1\nfacts 5\nab", "wharf 1\nfacts 2\nab", "wharf 1\nfacts 2\nabend 0"]
        {
            assert!(matches!(all(text), Err(FrameError::Cut)), "{text:?}");
        }
    }

    #[test]
    fn what_a_login_shell_prints_first_is_passed_over() {
        let found = all("Welcome!\nfacts 1\nwharf 1\nfacts 3\na\nbend 0\nlogout\n").unwrap();
        assert_eq!(found, [("facts".to_owned(), "a\nb".to_owned())]);
    }

    #[test]
    fn a_head_that_is_none_is_refused() {
        assert!(matches!(all("wharf 1\nfacts\n"), Err(FrameError::Head(_))));
        assert!(matches!(all("wharf 1\nfacts x\n"), Err(FrameError::Head(_))));
        assert!(matches!(all("wharf 1\nfacts 99999999999\n"), Err(FrameError::Large(..))));
    }

    proptest::proptest! {
        #[test]
        fn frames_that_were_written_are_read(pieces in proptest::collection::vec(("[a-z]{1,9}", "\\PC*"), 0..6)) {
            proptest::prop_assume!(pieces.iter().all(|(name, _)| name != END));
            let mut text = "noise\nwharf 1\n".to_owned();
            for (name, piece) in &pieces {
                text.push_str(&format!("{name} {}\n{piece}", piece.len()));
            }
            text.push_str("end 0\n");
            proptest::prop_assert_eq!(all(&text).unwrap(), pieces);
        }

        #[test]
        fn no_answer_makes_it_panic(text in "\\PC*") {
            let _ = all(&format!("wharf 1\n{text}"));
        }
    }
}
