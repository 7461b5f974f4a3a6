//! Puts the catalogue into the binary: specs/, layers/ and targets/ of this repository as one static table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let wanted = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name.to_owned()));
    let root = wanted("CARGO_MANIFEST_DIR")?;
    let mut entries = Vec::new();
    for folder in ["layers", "specs", "targets", "templates"] {
        // A folder that is missing is watched as well: it may come.
        println!("cargo:rerun-if-changed={folder}");
        if root.join(folder).is_dir() {
            list(&root, folder, &mut entries)?;
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
    entries.sort();
    let mut table =
        String::from("/// Every file of the catalogue, sorted by path.\npub(super) static ENTRIES: &[Entry] = &[\n");
    for (path, kind) in entries {
        let _ = writeln!(table, "    Entry {{ path: {path:?}, kind: {kind} }},");
    }
    table.push_str("];\n");
    fs::write(wanted("OUT_DIR")?.join("catalogue.rs"), table)
}

/// Lists all below `relative`: directories too, so that empty ones stay.
fn list(root: &Path, relative: &str, entries: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(relative))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| io::Error::other(format!("{relative}: a name that is not UTF-8")))?;
        let path = format!("{relative}/{name}");
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            let target =
                target.to_str().ok_or_else(|| io::Error::other(format!("{path}: a link that is not UTF-8")))?;
            entries.push((path, format!("EntryKind::Symlink({target:?})")));
        } else if kind.is_dir() {
            entries.push((path.clone(), "EntryKind::Dir".to_owned()));
            list(root, &path, entries)?;
        } else {
            let executable = is_executable(&entry.metadata()?);
            let bytes = root.join(&path);
            let kind = format!("EntryKind::File {{ bytes: include_bytes!({bytes:?}), executable: {executable} }}");
            entries.push((path, kind));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_metadata: &fs::Metadata) -> bool {
    false
}
