//! `/etc/ld.so.cache` and the links by SONAME, as ldconfig(8) makes them (libc-bin's postinst and triggers),
//! for any arch on any host. ldconfig's own auxiliary cache holds inode numbers and is never made.

mod cache;
mod dirs;
mod elf;

use std::collections::{BTreeMap, BTreeSet};

use crate::estate::LoaderCache;
use crate::path::{ImagePath, PathError};
use crate::tree::{Content, Kind, Node, Origin, Tree, TreeError};

use self::cache::{Entry, Hwcaps, by_version, encode};
use self::dirs::{LibraryDir, library_dirs};
use self::elf::SharedObject;
use super::Context;

const ORIGIN: Origin = Origin::Effect("ld.so.cache");
const CACHE: &str = "/etc/ld.so.cache";

/// Why there is no loader cache.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LdSoCacheError {
    /// Configuration files in a circle.
    #[error("`{0}` is included by itself")]
    #[diagnostic(code(wharf::ld_so_cache), help("take the `include` out of the file"))]
    IncludeLoop(ImagePath),
    /// A pattern that is none.
    #[error("`{file}` includes `{pattern}`, which is no pattern: {why}")]
    #[diagnostic(code(wharf::ld_so_cache), help("correct the `include` (glob(7))"))]
    Pattern {
        /// The file.
        file: ImagePath,
        /// What it includes.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A library whose bytes cannot be read.
    #[error("the library `{path}` cannot be read: {why}")]
    #[diagnostic(code(wharf::ld_so_cache))]
    Unreadable {
        /// The library.
        path: ImagePath,
        /// The system's word.
        why: String,
    },
    /// The tree refused something.
    #[error(transparent)]
    #[diagnostic(code(wharf::ld_so_cache))]
    Tree(#[from] TreeError),
    /// A name that no image can hold.
    #[error(transparent)]
    #[diagnostic(code(wharf::ld_so_cache))]
    Path(#[from] PathError),
}

/// Writes the cache and the missing links. An image without a dynamic loader gets neither.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), LdSoCacheError> {
    let loader = &context.arch.loader;
    if tree.lookup(&ImagePath::new(&loader.interpreter)?).is_none() {
        return Ok(());
    }
    let mut entries = Vec::new();
    let mut hwcaps = BTreeSet::new();
    for dir in library_dirs(tree, &context.arch.triplet)? {
        let libraries = scan(tree, &dir, loader)?;
        for (soname, library) in &libraries {
            if dir.hwcaps.is_none() && !library.by_link {
                link(tree, &dir.path, soname, &library.name, context.mtime)?;
            }
            // A link by SONAME survives an upgrade of what it points at; hwcaps directories hold no such links.
            let name = if dir.hwcaps.is_none() { soname } else { &library.name };
            entries.push(Entry {
                soname: soname.clone(),
                path: format!("{}/{name}", dir.name),
                flags: library.flags,
                hwcaps: dir.hwcaps.clone().map(|name| Hwcaps { name, isa_level: library.isa_level }),
            });
        }
        hwcaps.extend(dir.hwcaps);
    }
    let bytes = encode(entries, &hwcaps, &generator(tree)?);
    tree.insert(&ImagePath::new(CACHE)?, Node::file(bytes, ORIGIN, context.mtime))?;
    Ok(())
}

struct Library {
    name: String,
    by_link: bool,
    flags: u32,
    isa_level: u32,
}

/// The newest library of each SONAME in a directory. Links that lead nowhere are taken away, as ldconfig does.
fn scan(tree: &mut Tree, dir: &LibraryDir, loader: &LoaderCache) -> Result<BTreeMap<String, Library>, LdSoCacheError> {
    let mut found: BTreeMap<String, Library> = BTreeMap::new();
    let mut stale = Vec::new();
    for (path, node) in tree.children(&dir.path) {
        let name = path.file_name();
        let is_link = matches!(node.kind, Kind::Symlink(_));
        if node.is_dir() || !(names_library(name) || is_link && dir.hwcaps.is_some()) || is_temporary(name) {
            continue;
        }
        let (path, node) = match tree.lookup(path) {
            Some((path, node)) => (path, node),
            None => {
                if is_link && name.contains(".so.") {
                    stale.push(path.clone());
                }
                continue;
            }
        };
        let Kind::File(content) = &node.kind else { continue };
        let object = SharedObject::read(content)
            .map_err(|error| LdSoCacheError::Unreadable { path: path.clone(), why: error.to_string() })?;
        let Some(object) = object else { continue };
        let Some(flags) = flags(&object, loader) else { continue };
        let soname = object.soname.unwrap_or_else(|| name.to_owned());
        // A link whose name is neither the SONAME nor its `.so` for ld(1) counts as a file.
        let by_link = is_link && (name == soname || name.ends_with(".so") && soname.starts_with(name));
        let soname = if by_link { name.to_owned() } else { soname };
        let library = Library { name: name.to_owned(), by_link, flags, isa_level: object.isa_level };
        match found.get_mut(&soname) {
            Some(known) => {
                let newer = by_version(&known.name, name).is_lt();
                if !by_link && known.by_link || by_link == known.by_link && newer {
                    *known = Library { flags: known.flags, ..library };
                }
            }
            None => {
                found.insert(soname, library);
            }
        }
    }
    for path in stale {
        tree.remove(&path);
    }
    Ok(found)
}

/// `lib*.so*`, `ld-*.so*`, `ld.so.*`, `ld64.so.*`
fn names_library(name: &str) -> bool {
    (name.starts_with("lib") || name.starts_with("ld-")) && name.contains(".so")
        || name.starts_with("ld.so.")
        || name.starts_with("ld64.so.")
}

/// Names under which package managers and prelink write.
fn is_temporary(name: &str) -> bool {
    let prelink = name.rsplit_once(".#prelink#").is_some_and(|(_, rest)| rest.is_empty() || rest.len() == 7);
    prelink || name.contains(';') || name.ends_with(".dpkg-new") || name.ends_with(".dpkg-tmp")
}

/// The flags word of a library; none where the loader of this arch, and its 32-bit brothers, cannot use it.
fn flags(object: &SharedObject, loader: &LoaderCache) -> Option<u32> {
    const X86_64: u16 = 62;
    const I386: u16 = 3;
    match (object.machine, object.is_64) {
        (machine, true) if machine == loader.machine => Some(loader.flags),
        (X86_64, false) if loader.machine == X86_64 => Some(0x0803),
        (I386, false) if loader.machine == X86_64 => Some(0x0003),
        _ => None,
    }
}

/// Makes `dir/soname` lead to `dir/name`, unless it does or a file stands there.
fn link(tree: &mut Tree, dir: &ImagePath, soname: &str, name: &str, mtime: i64) -> Result<(), LdSoCacheError> {
    // A SONAME with a `/` is a path, not a name in this directory.
    if soname.is_empty() || soname.contains('/') {
        return Ok(());
    }
    let Ok(at) = dir.join(soname) else { return Ok(()) };
    let aim = tree.lookup(&dir.join(name)?).map(|(path, _)| path);
    let now = tree.lookup(&at).map(|(path, _)| path);
    let is_file = tree.get(&at).is_some_and(|node| !matches!(node.kind, Kind::Symlink(_)));
    if now == aim || is_file {
        return Ok(());
    }
    tree.insert(&at, Node::symlink(name, ORIGIN, mtime))?;
    Ok(())
}

/// What ldconfig of this image calls itself in its caches: the text stands in its program. Nobody but
/// `ldconfig -p` reads it, so wharf gives its own name where there is no ldconfig.
fn generator(tree: &Tree) -> Result<String, LdSoCacheError> {
    let found = match tree.lookup(&ImagePath::new("/sbin/ldconfig")?) {
        Some((path, Node { kind: Kind::File(content), .. })) => {
            in_program(content).map_err(|error| LdSoCacheError::Unreadable { path, why: error.to_string() })?
        }
        _ => None,
    };
    Ok(found.unwrap_or_else(|| "wharf".to_owned()))
}

fn in_program(content: &Content) -> std::io::Result<Option<String>> {
    let program = content.read()?;
    Ok(program
        .split(|byte| *byte == 0)
        .filter_map(|text| std::str::from_utf8(text).ok())
        .find(|text| text.starts_with("ldconfig (") && text.contains(" release version "))
        .map(str::to_owned))
}

#[cfg(test)]
mod tests;
