//! A tool: packages of the distro, unpacked into a folder of the cache to be run on the build host.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::fetch::{Area, Cache, CacheError};
use crate::path::ImagePath;
use crate::tree::{Kind, Tree};

/// What a tool needs not run.
const LEFT_OUT: [&str; 3] = ["/usr/share", "/var", "/dev"];

/// Why a tool cannot be unpacked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ToolError {
    /// The cache cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] CacheError),
    /// A file cannot be read or written.
    #[error("the tool's `{path}` cannot be unpacked to `{}`: {why}", .to.display())]
    #[diagnostic(code(wharf::tool), help("free space in the cache's folder, or name another with `--cache DIR`"))]
    Write {
        /// The path in the tool.
        path: ImagePath,
        /// Where it goes.
        to: PathBuf,
        /// The system's word.
        why: io::Error,
    },
}

/// The folder of the tool `key`, which is the digest of all that it follows from; made of `tree` where it is not
/// there. It is written beside and renamed: what is there is whole. `tree` is the merged packages.
pub fn unpack(cache: &Cache, key: &Digest, tree: &Tree) -> Result<PathBuf, ToolError> {
    if let Some(found) = cache.find(Area::Tool, key) {
        return Ok(found);
    }
    let _guard = cache.work_on(Area::Tool, key)?;
    if let Some(found) = cache.find(Area::Tool, key) {
        return Ok(found);
    }
    let path = cache.path(Area::Tool, key);
    let root = ImagePath::root();
    let wrong = |why| ToolError::Write { path: root.clone(), to: path.clone(), why };
    let folder = path.parent().unwrap_or(Path::new("."));
    let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(folder).map_err(wrong)?;
    write(tree, beside.path())?;
    fs::set_permissions(beside.path(), fs::Permissions::from_mode(0o755)).map_err(wrong)?;
    fs::rename(beside.keep(), &path).map_err(wrong)?;
    Ok(path)
}

/// Directories first, links last: no file is ever written through a link. Links are relative and stay inside.
fn write(tree: &Tree, into: &Path) -> Result<(), ToolError> {
    let left_out =
        |path: &ImagePath| LEFT_OUT.iter().any(|dir| ImagePath::new(dir).is_ok_and(|dir| path.is_within(&dir)));
    let mut links = Vec::new();
    for (path, node) in tree.iter().filter(|(path, _)| !path.is_root() && !left_out(path)) {
        let to = into.join(path.relative());
        let wrong = |why| ToolError::Write { path: path.clone(), to: to.clone(), why };
        match &node.kind {
            Kind::Dir => fs::create_dir(&to).map_err(wrong)?,
            Kind::File(content) => {
                fs::write(&to, content.read().map_err(wrong)?).map_err(wrong)?;
                let mode = if node.mode & 0o111 == 0 { 0o644 } else { 0o755 };
                fs::set_permissions(&to, fs::Permissions::from_mode(mode)).map_err(wrong)?;
            }
            Kind::Symlink(target) => {
                if let Ok(target) = path.resolve_link(target) {
                    links.push((path, to, target));
                }
            }
            // Its first name may come later in the order: a link serves as well.
            Kind::Hardlink(target) => links.push((path, to, target.clone())),
        }
    }
    for (path, to, target) in links {
        let up = "../".repeat(path.components().count().saturating_sub(1));
        let text = format!("{up}{}", target.relative());
        let text = if text.is_empty() { "." } else { &text };
        symlink(text, &to).map_err(|why| ToolError::Write { path: path.clone(), to: to.clone(), why })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Node, Origin};

    fn tree(nodes: Vec<(&str, Node)>) -> Tree {
        let mut tree = Tree::default();
        for (path, node) in nodes {
            tree.insert(&ImagePath::new(path).unwrap(), node).unwrap();
        }
        tree
    }

    fn by() -> Origin {
        Origin::Effect("test")
    }

    #[test]
    fn links_never_lead_out_of_the_tool() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let nodes = vec![
            ("/usr/lib/x", Node::file("x", by(), 0)),
            ("/usr/lib/absolute", Node::symlink("/usr/lib/x", by(), 0)),
            ("/usr/lib/climbing", Node::symlink("../../../../../../etc/passwd", by(), 0)),
            ("/lib", Node::symlink("usr/lib", by(), 0)),
            ("/usr/share/doc/x", Node::file("x", by(), 0)),
        ];
        let tool = unpack(&cache, &Digest::of(b"tool"), &tree(nodes)).unwrap();
        let target = |path: &str| fs::read_link(tool.join(path)).unwrap().display().to_string();
        assert_eq!(target("usr/lib/climbing"), "../../etc/passwd");
        assert_eq!(target("lib"), "usr/lib");
        assert_eq!(fs::read_to_string(tool.join("lib/absolute")).unwrap(), "x");
        assert!(!tool.join("usr/share").exists());
    }

    #[test]
    fn set_id_bits_are_not_kept_and_what_is_there_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let key = Digest::of(b"tool");
        let nodes = vec![("/usr/bin/x", Node::file("x", by(), 0).with_mode(0o4755))];
        let tool = unpack(&cache, &key, &tree(nodes)).unwrap();
        assert_eq!(fs::metadata(tool.join("usr/bin/x")).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(unpack(&cache, &key, &Tree::default()).unwrap(), tool);
        assert_eq!(fs::read_dir(tool.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_left_where_a_file_cannot_be_read() {
        struct Gone;
        impl crate::tree::Blob for Gone {
            fn read_at(&self, _: u64, _: u64) -> io::Result<Vec<u8>> {
                Err(io::Error::other("gone"))
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let content = crate::tree::Content::Blob { blob: std::sync::Arc::new(Gone), offset: 0, size: 1 };
        let key = Digest::of(b"tool");
        let error = unpack(&cache, &key, &tree(vec![("/usr/bin/x", Node::file(content, by(), 0))])).unwrap_err();
        assert!(error.to_string().ends_with(": gone"), "{error}");
        assert_eq!(cache.find(Area::Tool, &key), None);
        assert_eq!(fs::read_dir(cache.path(Area::Tool, &key).parent().unwrap()).unwrap().count(), 0);
    }
}
