//! All that a lock names, brought in beforehand: into the cache, and into a folder that a rebuild needs no network for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::deb::archive::{Access, fetch_debs};
use crate::digest::{Digest, HashWriter};
use crate::estate::{Arch, Image, Project};
use crate::fetch::Area;
use crate::lock::{Lock, LockedPackage, Member};
use crate::name::{ArchName, DistroName};

use super::error::BuildError;

/// One .deb that a build needs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Input {
    /// Of this distro.
    pub distro: DistroName,
    /// The archive's name in the spec.
    pub archive: String,
    /// Path below the archive's address.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of the file.
    pub sha256: Digest,
    /// It was fetched now; the cache had it otherwise.
    pub fetched: bool,
    /// Where it is in the cache.
    #[serde(skip)]
    pub cached: PathBuf,
}

/// Why a folder of inputs was not made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum InputsError {
    /// Two files for one path.
    #[error("two archives named `{archive}` have different files at {path}")]
    #[diagnostic(
        code(wharf::inputs::clash),
        help("a folder of inputs has one place for each archive's name: fetch one distro at a time, by `--distro`")
    )]
    Clash {
        /// The archive's name.
        archive: String,
        /// Below its address.
        path: String,
    },
    /// A path that leaves the archive's folder.
    #[error("wharf.lock has the path {path}, which is none below an archive")]
    #[diagnostic(code(wharf::inputs::path), help("wharf writes no such path: `git log wharf.lock` shows who did"))]
    Path {
        /// As locked.
        path: String,
    },
    /// The cache's file is not what it was when it was fetched.
    #[error("{} is not the file that was fetched: its sha256 is {}, expected {}", .path.display(), .found.hex(), .expected.hex())]
    #[diagnostic(code(wharf::inputs::spoilt), help("delete it, and fetch again"))]
    Spoilt {
        /// In the cache.
        path: PathBuf,
        /// What the lock says.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// The file system.
    #[error("`{}` cannot be written: {source}", .path.display())]
    #[diagnostic(code(wharf::inputs::write), help("name another folder, or free space on this one"))]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Brings in the .debs of `images`, of their ancestors, and of the tools of their distros: those for machines of the
/// images' arches, and of this machine's. Sorted by distro, archive and path.
pub fn fetch(
    project: &Project,
    lock: &Lock,
    images: &[&Image],
    host: Option<&Arch>,
    access: Access<'_>,
) -> Result<Vec<Input>, Vec<BuildError>> {
    let mut inputs = Vec::new();
    let mut wrong = Vec::new();
    for (name, packages) in wanted(lock, images, host.map(|arch| &arch.name)) {
        let Some(distro) = project.distros.get(&name) else { continue };
        let here: BTreeSet<Digest> =
            packages.keys().filter(|sha256| access.cache.find(Area::Deb, sha256).is_some()).copied().collect();
        let mut found = match fetch_debs(access, distro, packages.values().copied(), &lock.suites) {
            Ok(found) => found,
            Err(error) => {
                wrong.push(error.into());
                continue;
            }
        };
        for (sha256, package) in packages {
            let cached = found.remove(&sha256).ok_or_else(|| vec![BuildError::NoFragment(package.name.clone())])?;
            let LockedPackage { archive, path, size, .. } = package.clone();
            let fetched = !here.contains(&sha256);
            inputs.push(Input { distro: name.clone(), archive, path, size, sha256, fetched, cached });
        }
    }
    inputs.sort_by(|a, b| (&a.distro, &a.archive, &a.path).cmp(&(&b.distro, &b.archive, &b.path)));
    if wrong.is_empty() { Ok(inputs) } else { Err(wrong) }
}

/// The packages, by distro, each .deb once.
fn wanted<'a>(
    lock: &'a Lock,
    images: &[&Image],
    host: Option<&ArchName>,
) -> BTreeMap<DistroName, BTreeMap<Digest, &'a LockedPackage>> {
    let mut wanted: BTreeMap<DistroName, BTreeMap<Digest, &LockedPackage>> = BTreeMap::new();
    let mut take = |distro: &DistroName, packages: Vec<&'a LockedPackage>| {
        let here = wanted.entry(distro.clone()).or_default();
        here.extend(packages.into_iter().map(|package| (package.sha256, package)));
    };
    for image in images {
        let builder = (!image.build_packages().is_empty()).then(|| Member::Builder(image.name.clone()));
        for member in image.levels.iter().map(|level| Member::Image(level.image.clone())).chain(builder) {
            take(&image.distro, lock.packages_of(&image.distro, &image.arch, &member).unwrap_or_default());
        }
    }
    for ((distro, arch), target) in &lock.targets {
        let mut here = images.iter().filter(|image| image.distro == *distro);
        if here.any(|image| image.arch == *arch || Some(arch) == host) {
            for tool in target.members.keys().filter(|member| matches!(member, Member::Tool(_))) {
                take(distro, target.packages_of(tool).collect());
            }
        }
    }
    wanted
}

/// Puts `inputs` below `folder` as `ARCHIVE/PATH`, which `--mirror ARCHIVE=FOLDER/ARCHIVE` reads. A file that is
/// there with the right bytes stays.
pub fn write_inputs(folder: &Path, inputs: &[Input]) -> Result<(), InputsError> {
    let mut places: BTreeMap<(&str, &str), &Input> = BTreeMap::new();
    for input in inputs {
        let words = [input.archive.as_str()].into_iter().chain(input.path.split('/'));
        for word in words {
            if matches!(word, "" | "." | "..") || word.contains(['/', '\0']) {
                return Err(InputsError::Path { path: input.path.clone() });
            }
        }
        match places.insert((&input.archive, &input.path), input) {
            Some(other) if other.sha256 != input.sha256 => {
                return Err(InputsError::Clash { archive: input.archive.clone(), path: input.path.clone() });
            }
            _ => {}
        }
    }
    for input in places.into_values() {
        let path = folder.join(&input.archive).join(&input.path);
        let is_there = File::open(&path)
            .and_then(|mut file| Digest::of_reader(&mut file))
            .is_ok_and(|(sha256, _)| sha256 == input.sha256);
        if !is_there {
            copy(input, &path)?;
        }
    }
    Ok(())
}

/// Writes beside and renames: a kill leaves no half of a file under its name.
fn copy(input: &Input, path: &Path) -> Result<(), InputsError> {
    let wrong = |source| InputsError::Write { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(wrong)?;
    let scratch = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(wrong)?;
    let mut out = HashWriter::new(scratch);
    let mut cached = File::open(&input.cached).map_err(wrong)?;
    io::copy(&mut cached, &mut out).and_then(|_| out.flush()).map_err(wrong)?;
    let (scratch, found, _) = out.finish();
    if found != input.sha256 {
        return Err(InputsError::Spoilt { path: input.cached.clone(), expected: input.sha256, found });
    }
    // A temporary file is its owner's alone; a mirror is for everyone.
    use std::os::unix::fs::PermissionsExt as _;
    scratch.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(wrong)?;
    scratch.persist(path).map_err(|error| wrong(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(folder: &Path, archive: &str, path: &str, bytes: &[u8]) -> Input {
        let cached = folder.join(Digest::of(bytes).hex());
        std::fs::write(&cached, bytes).unwrap();
        Input {
            distro: DistroName::new("debian-trixie").unwrap(),
            archive: archive.to_owned(),
            path: path.to_owned(),
            size: bytes.len() as u64,
            sha256: Digest::of(bytes),
            fetched: true,
            cached,
        }
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (archive, path) in
            [("debian", "pool/../../x.deb"), ("..", "x.deb"), ("debian", "/x.deb"), ("a/b", "x.deb"), ("debian", "")]
        {
            let inputs = [input(folder.path(), archive, path, b"x")];
            let to = folder.path().join("to");
            assert!(matches!(write_inputs(&to, &inputs), Err(InputsError::Path { .. })), "{archive} {path}");
            assert!(!to.exists());
        }
    }

    #[test]
    fn two_files_of_one_path_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let inputs =
            [input(folder.path(), "debian", "pool/x.deb", b"x"), input(folder.path(), "debian", "pool/x.deb", b"y")];
        let to = folder.path().join("to");
        assert!(matches!(write_inputs(&to, &inputs), Err(InputsError::Clash { .. })));
        assert!(!to.exists());
    }

    #[test]
    fn a_spoilt_file_of_the_cache_gets_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = [input(folder.path(), "debian", "pool/x.deb", b"x")];
        std::fs::write(&inputs[0].cached, b"spoilt").unwrap();
        let to = folder.path().join("to");
        assert!(matches!(write_inputs(&to, &inputs), Err(InputsError::Spoilt { .. })));
        assert_eq!(std::fs::read_dir(to.join("debian/pool")).unwrap().count(), 0);
    }

    #[test]
    fn a_wrong_file_is_replaced_and_a_right_one_stays() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let inputs = [input(folder.path(), "debian", "pool/x.deb", b"x")];
        let to = folder.path().join("to");
        let path = to.join("debian/pool/x.deb");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"half").unwrap();
        write_inputs(&to, &inputs).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        let inode = path.metadata().unwrap().ino();
        write_inputs(&to, &inputs).unwrap();
        assert_eq!(path.metadata().unwrap().ino(), inode);
    }
}
