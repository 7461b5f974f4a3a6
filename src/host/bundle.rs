//! What a host is sent to stage: a tar of blobs, files by content, secrets and generations.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::generation::{Generation, is_content};
use super::step::{Step, steps};

/// A tar in memory. It may hold secrets, so its bytes are wiped when it goes; it never lies on a disk here, and on the host
/// in memory alone.
pub struct Bundle {
    tar: tar::Builder<Wiped>,
    sent: BTreeSet<String>,
}

/// A bundle that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A name that tar cannot say.
    #[error("{0}")]
    Tar(#[from] std::io::Error),
}

/// Bytes that are wiped when they go, also when they move to more room.
#[derive(Default)]
struct Wiped(Zeroizing<Vec<u8>>);

impl std::io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(4096).next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Default for Bundle {
    fn default() -> Self {
        Self::new()
    }
}

impl Bundle {
    /// An empty one.
    pub fn new() -> Self {
        Self { tar: tar::Builder::new(Wiped::default()), sent: BTreeSet::new() }
    }

    fn add(&mut self, path: String, bytes: &[u8], (uid, gid): (u32, u32), mode: u32) -> Result<(), BundleError> {
        if self.sent.contains(&path) {
            return Ok(());
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_uid(u64::from(uid));
        header.set_gid(u64::from(gid));
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        self.tar.append_data(&mut header, &path, bytes)?;
        self.sent.insert(path);
        Ok(())
    }

    /// Adds the bytes of a file of a generation, which lies at `path` on the host.
    ///
    /// # Errors
    /// Where tar cannot say its name.
    pub fn file(&mut self, path: &str, bytes: &[u8], owner: (u32, u32), mode: u16) -> Result<(), BundleError> {
        if is_content(path) {
            let name = path.rsplit('/').next().unwrap_or_default();
            return self.add(format!("files/{name}"), bytes, owner, u32::from(mode));
        }
        let digest = crate::digest::Digest::of(bytes);
        self.add(format!("blobs/{}", digest.hex()), bytes, (0, 0), 0o600)
    }

    /// Adds a secret under podman's name for it.
    ///
    /// # Errors
    /// Where tar cannot say its name.
    pub fn secret(&mut self, object: &str, value: &[u8]) -> Result<(), BundleError> {
        self.add(format!("secrets/{object}"), value, (0, 0), 0o600)
    }

    /// Adds a generation with what is done to make it the live one, to take it back, and the paths that are written though
    /// the lists say that they are the same.
    ///
    /// # Errors
    /// Where tar cannot say its name.
    pub fn generation(
        &mut self,
        generation: &Generation,
        does: &[Step],
        undo: &[Step],
        force: &str,
    ) -> Result<(), BundleError> {
        let content = &generation.content;
        let folder = format!("generations/{}", generation.number);
        let names = |names: Vec<&String>| names.into_iter().fold(String::new(), |text, name| text + name + "\n");
        let secrets = names(content.secrets.keys().collect());
        let images = names(content.images.keys().collect());
        let estate = if content.is_empty() { String::new() } else { format!("{}\n", generation.header.estate) };
        let files = [
            ("manifest.json", generation.text()),
            ("files", content.file_list()),
            ("contents", content.content_list()),
            ("units", content.unit_list()),
            ("secrets", secrets),
            ("images", images),
            ("volumes", content.volume_list()),
            ("estate", estate),
            ("do", steps(does)),
            ("undo", steps(undo)),
            ("force", force.to_owned()),
            ("plan", generation.header.plan.clone() + "\n"),
            ("result", "staged\n".to_owned()),
        ];
        for (name, text) in files {
            self.add(format!("{folder}/{name}"), text.as_bytes(), (0, 0), 0o600)?;
        }
        Ok(())
    }

    /// The bytes to send.
    ///
    /// # Errors
    /// Never: they lie in memory.
    pub fn finish(mut self) -> Result<Zeroizing<Vec<u8>>, BundleError> {
        // A tar that is cut off between two files looks like a whole one.
        self.add("whole".to_owned(), b"", (0, 0), 0o600)?;
        Ok(self.tar.into_inner()?.0)
    }
}
