//! A folder of one's own .debs as an archive: the digests that the lock takes down are the trust.

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::sync::Arc;

use crate::deb::file::read_info;
use crate::deb::record::{PackageRecord, SuiteFacts};
use crate::digest::Digest;

use super::ArchiveError;

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
    let control = read_info(&mut file).map_err(|fault| fault.to_string())?.control;
    file.rewind().map_err(|error| error.to_string())?;
    let (sha256, size) = Digest::of_reader(&mut file).map_err(|error| error.to_string())?;
    let path = path.file_name().and_then(|name| name.to_str()).ok_or("its name is not UTF-8")?.to_owned();
    PackageRecord::of_control(&control, path, size, sha256, suite)
}
