//! Paths of packages that were built before their distribution merged `/usr`: `/bin/x` is `/usr/bin/x`.
//! (Debian: DEP 17; usrmerge's convert-usrmerge.)

use crate::path::ImagePath;

/// Directories of the root that are links into `/usr`.
const ALIASES: [&str; 7] = ["bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"];

/// Whether `path` is one of the links themselves.
pub fn is_alias(path: &ImagePath) -> bool {
    ALIASES.contains(&path.relative())
}

/// Where a file at `path` really is; `/bin` itself too becomes `/usr/bin`.
pub fn merged(path: &ImagePath) -> ImagePath {
    match path.components().next() {
        Some(first) if ALIASES.contains(&first) => {
            ImagePath::new(&format!("/usr{path}")).unwrap_or_else(|_| path.clone())
        }
        _ => path.clone(),
    }
}

/// The text of a symbolic link that moves from `old` to `new`, so that it still leads to the same place. Absolute
/// texts, and those that lead there anyway, stay.
pub fn moved_link(old: &ImagePath, new: &ImagePath, target: &str) -> String {
    if old == new || target.starts_with('/') {
        return target.to_owned();
    }
    let (Ok(before), Ok(after)) = (old.resolve_link(target), new.resolve_link(target)) else {
        return target.to_owned();
    };
    let aim = merged(&before);
    if merged(&after) == aim {
        return target.to_owned();
    }
    let base: Vec<&str> = new.components().collect();
    let base = base.split_last().map_or(&[][..], |(_, dirs)| dirs);
    let parts: Vec<&str> = aim.components().collect();
    let shared = base.iter().zip(&parts).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..", base.len() - shared);
    let text = up.chain(parts.into_iter().skip(shared)).collect::<Vec<_>>().join("/");
    if text.is_empty() { ".".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    #[test]
    fn only_the_seven_directories_move() {
        for (old, new) in [
            ("/bin/sh", "/usr/bin/sh"),
            ("/lib64/ld.so", "/usr/lib64/ld.so"),
            ("/lib", "/usr/lib"),
            ("/library/x", "/library/x"),
            ("/usr/bin/x", "/usr/bin/x"),
            ("/opt/bin/x", "/opt/bin/x"),
            ("/", "/"),
        ] {
            assert_eq!(merged(&path(old)).as_str(), new);
        }
    }

    #[test]
    fn links_lead_where_they_led() {
        for (old, target, text) in [
            ("/bin/sh", "dash", "dash"),
            ("/sbin/init", "../lib/systemd/systemd", "../lib/systemd/systemd"),
            ("/sbin/x", "../bin/y", "../bin/y"),
            ("/lib/x", "../etc/y", "../../etc/y"),
            ("/lib/a/b", "../../var/lib/c", "../../../var/lib/c"),
            ("/lib/x", "../usr/lib/y", "y"),
            ("/lib/x", "../usr/share/y", "../share/y"),
            ("/lib/x", "/etc/y", "/etc/y"),
            ("/usr/lib/x", "../../lib/y", "../../lib/y"),
            ("/lib/x", "..", "../.."),
        ] {
            let old = path(old);
            let new = merged(&old);
            let moved = moved_link(&old, &new, target);
            assert_eq!(moved, text, "{old}");
            assert_eq!(merged(&new.resolve_link(&moved).unwrap()), merged(&old.resolve_link(target).unwrap()));
        }
    }
}
