//! Where libraries are looked for: `/etc/ld.so.conf` (ldconfig(8)) and the built-in directories.

use std::collections::BTreeSet;

use crate::path::ImagePath;
use crate::tree::{Tree, TreeError};

use super::LdSoCacheError;

/// Files that include each other deeper than this include themselves.
const MAX_DEPTH: usize = 16;

/// A directory of libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LibraryDir {
    /// As the configuration names it; the cache's paths begin with it.
    pub name: String,
    /// Where that leads.
    pub path: ImagePath,
    /// The `NAME` of `glibc-hwcaps/NAME`.
    pub hwcaps: Option<String>,
}

/// All directories in ldconfig's order, each once, every one before its `glibc-hwcaps` sub-directories.
pub(super) fn library_dirs(tree: &Tree, triplet: &str) -> Result<Vec<LibraryDir>, LdSoCacheError> {
    let mut dirs = Dirs { tree, seen: BTreeSet::new(), found: Vec::new() };
    dirs.read(&ImagePath::new("/etc/ld.so.conf")?, 0)?;
    // Debian's glibc is configured with the multiarch directories and looks at the classic ones after them.
    for name in [&format!("/lib/{triplet}"), &format!("/usr/lib/{triplet}"), "/lib", "/usr/lib"] {
        dirs.add(name)?;
    }
    Ok(dirs.found)
}

struct Dirs<'a> {
    tree: &'a Tree,
    seen: BTreeSet<ImagePath>,
    found: Vec<LibraryDir>,
}

impl Dirs<'_> {
    fn read(&mut self, file: &ImagePath, depth: usize) -> Result<(), LdSoCacheError> {
        if depth > MAX_DEPTH {
            return Err(LdSoCacheError::IncludeLoop(file.clone()));
        }
        let Some(text) = self.tree.read_text(file)? else { return Ok(()) };
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim_ascii_start();
            let directive = |name: &str| {
                let (word, rest) = line.split_at_checked(name.len())?;
                (word.eq_ignore_ascii_case(name) && rest.starts_with([' ', '\t'])).then_some(rest)
            };
            if let Some(patterns) = directive("include").filter(|_| line.starts_with("include")) {
                for pattern in patterns.split([' ', '\t']).filter(|pattern| !pattern.is_empty()) {
                    for included in self.matches(file, pattern)? {
                        self.read(&included, depth + 1)?;
                    }
                }
            } else if !line.is_empty() && directive("hwcap").is_none() {
                self.add(line)?;
            }
        }
        Ok(())
    }

    /// The files that an include's pattern (glob(7)) names, sorted.
    fn matches(&self, file: &ImagePath, pattern: &str) -> Result<Vec<ImagePath>, LdSoCacheError> {
        let base = match pattern.starts_with('/') {
            true => ImagePath::root(),
            false => file.parent().unwrap_or_else(ImagePath::root),
        };
        let mut places = vec![base];
        for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
            let mut next = Vec::new();
            for place in places {
                if part.contains(['*', '?', '[']) {
                    let glob = globset::GlobBuilder::new(&part.replace('{', "[{]").replace('}', "[}]"))
                        .literal_separator(true)
                        .build()
                        .map_err(|error| LdSoCacheError::Pattern {
                            file: file.clone(),
                            pattern: pattern.to_owned(),
                            why: error.kind().to_string(),
                        })?
                        .compile_matcher();
                    let dir = self.tree.resolve(&place)?;
                    for (child, _) in self.tree.children(&dir) {
                        let name = child.file_name();
                        if (!name.starts_with('.') || part.starts_with('.')) && glob.is_match(name) {
                            next.push(place.join(name)?);
                        }
                    }
                } else if let Ok(path) = place.resolve_link(&format!("{}/{part}", place.as_str()))
                    && self.tree.lookup(&path).is_some()
                {
                    next.push(path);
                }
            }
            places = next;
        }
        places.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(places)
    }

    fn add(&mut self, name: &str) -> Result<(), LdSoCacheError> {
        let name = name.trim_ascii_end().trim_end_matches('/');
        // A relative one means nothing in an image; `/` alone is what ldconfig skips too.
        let Ok(path) = ImagePath::root().resolve_link(name) else { return Ok(()) };
        if !name.starts_with('/') || !self.add_one(name, &path, None)? {
            return Ok(());
        }
        let parent = self.tree.resolve(&path.join("glibc-hwcaps")?)?;
        let subdirs: Vec<String> = self.tree.children(&parent).map(|(path, _)| path.file_name().to_owned()).collect();
        for sub in subdirs {
            // The loader cannot look up a name with a `:`.
            if !sub.starts_with('.') && !sub.contains(':') {
                self.add_one(&format!("{name}/glibc-hwcaps/{sub}"), &parent.join(&sub)?, Some(sub))?;
            }
        }
        Ok(())
    }

    fn add_one(&mut self, name: &str, path: &ImagePath, hwcaps: Option<String>) -> Result<bool, TreeError> {
        let Some((path, node)) = self.tree.lookup(path) else { return Ok(false) };
        if !node.is_dir() || !self.seen.insert(path.clone()) {
            return Ok(false);
        }
        self.found.push(LibraryDir { name: name.to_owned(), path, hwcaps });
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::tree;
    use super::*;
    use proptest::prelude::*;

    fn names(files: &[(&str, &str)]) -> Result<Vec<String>, LdSoCacheError> {
        library_dirs(&tree(files), "x86_64-linux-gnu").map(|dirs| dirs.into_iter().map(|dir| dir.name).collect())
    }

    #[test]
    fn a_file_that_includes_itself_is_an_error() {
        let error = names(&[("/etc/ld.so.conf", "include /etc/*.conf\n")]).unwrap_err();
        insta::assert_snapshot!(error, @"`/etc/ld.so.conf` is included by itself");
    }

    #[test]
    fn each_directory_counts_once_by_its_first_name() {
        let found = names(&[
            ("/etc/ld.so.conf", "include ld.so.conf.d/*.conf /nowhere/*\n/opt/lib/ # ours\nhwcap 1 nosegneg\n"),
            ("/etc/ld.so.conf.d/b.conf", "/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n/missing\nrelative\n"),
            ("/etc/ld.so.conf.d/a.conf", "  /usr/local/lib\t\n"),
            ("/etc/ld.so.conf.d/.hidden.conf", "/usr/lib\n"),
            ("/lib", "-> usr/lib"),
            ("/usr/lib/x86_64-linux-gnu/libx.so.1", ""),
            ("/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libx.so.1", ""),
            ("/usr/local/lib/x", ""),
            ("/opt/lib/x", ""),
        ])
        .unwrap();
        assert_eq!(
            found,
            [
                "/usr/local/lib",
                "/lib/x86_64-linux-gnu",
                "/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3",
                "/opt/lib",
                "/lib"
            ]
        );
    }

    proptest! {
        #[test]
        fn no_configuration_makes_it_panic(text in "(include |/|\\*|\\[|\\{|#|\\PC|\n){0,30}") {
            let _ = names(&[("/etc/ld.so.conf", &text), ("/etc/a.conf", "/lib"), ("/usr/lib/x", "")]);
        }
    }
}
