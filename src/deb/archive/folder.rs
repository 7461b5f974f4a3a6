//! A folder of one's own .debs as an archive: the digests that the lock takes down are the trust.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;
use std::sync::Arc;

use crate::deb::ar::Ar;
use crate::deb::control::Control;
use crate::deb::decode::Packing;
use crate::deb::fault::Fault;
use crate::deb::record::{PackageRecord, SuiteFacts};
use crate::digest::Digest;

use super::ArchiveError;

/// No control member is longer.
const LIMIT: u64 = 16 << 20;

/// Reads every `*.deb` of the folder, sorted by name.
pub(super) fn read(archive: &str, dir: &Path) -> Result<Vec<PackageRecord>, ArchiveError> {
    let wrong = |path: &Path, reason: String| ArchiveError::Folder {
        archive: archive.to_owned(),
        path: path.to_owned(),
        reason,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| wrong(dir, error.to_string()))? {
        let path = entry.map_err(|error| wrong(dir, error.to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "deb") && path.is_file() {
            names.push(path);
        }
    }
    names.sort();
    let suite = Arc::new(SuiteFacts { archive: archive.to_owned(), ..SuiteFacts::default() });
    names.iter().map(|path| record(path, &suite).map_err(|reason| wrong(path, reason))).collect()
}

fn record(path: &Path, suite: &Arc<SuiteFacts>) -> Result<PackageRecord, String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let control = control(&mut file)?;
    file.rewind().map_err(|error| error.to_string())?;
    let (sha256, size) = Digest::of_reader(&mut file).map_err(|error| error.to_string())?;
    let path = path.file_name().and_then(|name| name.to_str()).ok_or("its name is not UTF-8")?.to_owned();
    PackageRecord::of_control(&control, path, size, sha256, suite)
}

/// The control stanza of a .deb (deb(5)): the member `control` of `control.tar`, which is before the data.
fn control(file: &mut File) -> Result<Control, String> {
    let said = |fault: Fault| fault.to_string();
    let mut ar = Ar::new(file).map_err(said)?;
    while let Some(member) = ar.next_member().map_err(said)? {
        if let Some(packing) = Packing::of(&member.name, "control.tar") {
            return stanza(packing.map_err(said)?.unpack(&mut ar).map_err(|error| error.to_string())?);
        }
    }
    Err("it has no control.tar".to_owned())
}

fn stanza(tar: impl Read) -> Result<Control, String> {
    let said = |error: io::Error| error.to_string();
    let mut tar = tar::Archive::new(tar.take(LIMIT));
    for entry in tar.entries().map_err(said)? {
        let mut entry = entry.map_err(said)?;
        if matches!(&*entry.path_bytes(), b"./control" | b"control") {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(said)?;
            return Control::parse(&text).map_err(|error| format!("its control file: {error}"));
        }
    }
    Err("its control.tar has no control file".to_owned())
}
