//! The catalogue that this binary carries: what the folders specs/, layers/ and targets/ of wharf's own repository held.

/// One entry of the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// As `specs/images/base.kdl`.
    pub path: &'static str,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug)]
#[allow(dead_code, reason = "a catalogue need not hold every kind")]
pub enum EntryKind {
    /// A directory.
    Dir,
    /// A file.
    File {
        /// Its content.
        bytes: &'static [u8],
        /// git's x bit.
        executable: bool,
    },
    /// A symbolic link, by its text.
    Symlink(&'static str),
}

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// Every entry, sorted by path.
pub fn entries() -> &'static [Entry] {
    ENTRIES
}
