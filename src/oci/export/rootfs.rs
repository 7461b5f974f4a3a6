//! `rootfs:DIR`: the root file system as files, with owners, modes, times, hard links and extended attributes.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use crate::oci::{Flat, Manifest, Meta, Node, NodeKind, OciError, Store};
use crate::path::ImagePath;

/// Writes the tree of an image into `to`, a new or an empty folder. It is made beside and renamed when whole.
///
/// Nothing in the image can lead a write out of the folder: every parent of every path of a [`Flat`] is a directory
/// that was made here.
pub fn write_root(store: &Store, manifest: &Manifest, to: &Path) -> Result<(), OciError> {
    if !rustix::process::geteuid().is_root() {
        return Err(OciError::NotRoot(to.to_owned()));
    }
    let at = |source| OciError::Write { path: to.to_owned(), source };
    match fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() != io::ErrorKind::NotADirectory => return Err(at(error)),
        Ok(false) | Err(_) => return Err(OciError::Exists(to.to_owned())),
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = tempfile::Builder::new().prefix(".new-").tempdir_in(folder).map_err(at)?;
    // One deeper, so that the root's own mode does not keep the temporary folder from being removed.
    let root = new.path().join("root");
    let flat = Flat::of(store, manifest)?;
    Writer { root: &root }.write(store, &flat)?;
    fs::rename(&root, to).map_err(at)
}

struct Writer<'a> {
    root: &'a Path,
}

impl Writer<'_> {
    fn at(&self, path: &ImagePath) -> PathBuf {
        if path.is_root() { self.root.to_owned() } else { self.root.join(path.relative()) }
    }

    fn write(&self, store: &Store, flat: &Flat) -> Result<(), OciError> {
        let wrong = |path: &ImagePath| {
            let path = self.at(path);
            move |source| OciError::Write { path, source }
        };
        fs::create_dir(self.root).map_err(wrong(&ImagePath::root()))?;
        let dirs: Vec<(&ImagePath, &Node)> = flat.iter().filter(|(_, node)| node.kind == NodeKind::Dir).collect();
        for (path, _) in dirs.iter().filter(|(path, _)| !path.is_root()) {
            fs::create_dir(self.at(path)).map_err(wrong(path))?;
        }
        flat.files(store, &mut |node, bytes| {
            let Some(path) = node.paths.first() else { return Ok(()) };
            let to = self.at(path);
            File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&to)
                .and_then(|mut file| io::copy(bytes, &mut file).map(drop))
                .and_then(|()| self.dress(&to, node))
                .and_then(|()| self.link(node))
                .map_err(wrong(path))
        })?;
        for (path, node) in flat.iter().filter(|(path, node)| node.paths.first() == Some(path)) {
            let to = self.at(path);
            let make = |kind, major, minor| {
                let device = rustix::fs::makedev(major, minor);
                Ok(rustix::fs::mknodat(CWD, &to, kind, Mode::from_raw_mode(0o600), device)?)
            };
            match &node.kind {
                NodeKind::Dir | NodeKind::File(_) => continue,
                NodeKind::Symlink(target) => symlink(target, &to),
                NodeKind::Char(major, minor) => make(FileType::CharacterDevice, *major, *minor),
                NodeKind::Block(major, minor) => make(FileType::BlockDevice, *major, *minor),
                NodeKind::Fifo => make(FileType::Fifo, 0, 0),
            }
            .and_then(|()| self.dress(&to, node))
            .and_then(|()| self.link(node))
            .map_err(wrong(path))?;
        }
        // A directory's time changes with what is put into it: innermost last put, first dressed.
        fs::set_permissions(self.root, Permissions::from_mode(0o755)).map_err(wrong(&ImagePath::root()))?;
        dirs.iter().rev().try_for_each(|(path, node)| self.dress(&self.at(path), node).map_err(wrong(path)))
    }

    fn link(&self, node: &Node) -> io::Result<()> {
        let Some((first, others)) = node.paths.split_first() else { return Ok(()) };
        // rustix and not std: the latter may follow a symbolic link that has two names.
        let to = |path| Ok(rustix::fs::linkat(CWD, self.at(first), CWD, self.at(path), AtFlags::empty())?);
        others.iter().try_for_each(to)
    }

    /// Owner first: a change of owner takes setuid and capabilities away.
    fn dress(&self, path: &Path, node: &Node) -> io::Result<()> {
        let Meta { mode, uid, gid, mtime, xattrs } = &node.meta;
        let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::other(format!("{id} is no user or group id")));
        std::os::unix::fs::lchown(path, Some(id(*uid)?), Some(id(*gid)?))?;
        if !matches!(node.kind, NodeKind::Symlink(_)) {
            fs::set_permissions(path, Permissions::from_mode(u32::from(*mode)))?;
        }
        for (name, value) in xattrs {
            rustix::fs::lsetxattr(path, name.as_str(), value, XattrFlags::empty())?;
        }
        let seconds = i64::try_from(*mtime).map_err(io::Error::other)?;
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}
