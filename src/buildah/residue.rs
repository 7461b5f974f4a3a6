//! What programs and buildah itself leave behind, and no image keeps: it tells of the moment, not of the image.

use super::changes::{Change, Changes};
use crate::path::ImagePath;
use crate::tree::{Content, Kind, Node, Tree};

/// The times of an image.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Seconds since 1970: nothing in the image is newer.
    pub newest: i64,
}

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Paths that are as they were below, whatever a step made of them.
const KEPT: [&str; 12] = [
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/machine-id",
    "/etc/.pwd.lock",
    "/var/lib/dbus/machine-id",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers/Lock",
    "/var/lib/systemd/random-seed",
    "/root/.wget-hsts",
];

/// Folders of which nothing that is new stays.
const EMPTIED: [&str; 11] = [
    "/tmp",
    "/var/tmp",
    "/run",
    "/dev",
    "/proc",
    "/sys",
    "/var/lib/apt/lists",
    "/var/cache/apt",
    "/var/cache/debconf",
    "/root/.cache",
    "/var/log/apt",
];

/// Logs that programs write of their own.
const LOGS: [&str; 9] = [
    "/var/log/alternatives.log",
    "/var/log/btmp",
    "/var/log/dpkg.log",
    "/var/log/faillog",
    "/var/log/fontconfig.log",
    "/var/log/lastlog",
    "/var/log/tallylog",
    "/var/log/wtmp",
    "/var/log/bootstrap.log",
];

/// Copies of what was before: `/etc/passwd-`, `/var/lib/dpkg/status-old`.
fn is_backup(path: &str) -> bool {
    let accounts = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];
    let account = path.strip_prefix("/etc/").and_then(|name| name.strip_suffix('-'));
    account.is_some_and(|name| accounts.contains(&name)) || path.starts_with("/var/lib/dpkg/") && path.ends_with("-old")
}

fn is_residue(path: &str) -> bool {
    let below = |folder: &&str| path.strip_prefix(*folder).is_some_and(|rest| rest.starts_with('/'));
    KEPT.contains(&path) || LOGS.contains(&path) || EMPTIED.iter().any(below) || is_backup(path)
}

/// Takes residue out of `changes`, and what says when: mtimes that are later than the image, and the days of
/// `/etc/shadow` (shadow(5), "date of last password change"). `before` is the tree that the steps saw, `mounted` is what
/// was mounted in it: where there was nothing, an empty file or folder was made for it.
pub fn clean(changes: &mut Changes, before: &Tree, mounted: &[ImagePath], times: Times) {
    let folders = |path: &ImagePath| EMPTIED.contains(&path.as_str());
    changes.opaque.retain(|path| !folders(path) && !is_residue(path.as_str()));
    changes.paths.retain(|path, change| {
        // Such a folder itself is as it was, where it was.
        let folder = folders(path) && (before.get(path).is_some() || matches!(change, Change::Gone));
        let place = before.get(path).is_none() && mounted.iter().any(|mount| mount.is_within(path));
        !(folder || place || is_residue(path.as_str()))
    });
    for (path, change) in &mut changes.paths {
        let Change::Put(node) = change else { continue };
        node.mtime = node.mtime.min(times.newest);
        if path.as_str() == "/etc/shadow"
            && let Kind::File(content) = &mut node.kind
            && let Some(text) = days(content, before.get(path), times)
        {
            *content = text.into();
        }
    }
}

/// The lines that were not there before, with the image's day.
fn days(content: &Content, before: Option<&Node>, times: Times) -> Option<String> {
    let text = String::from_utf8(content.read().ok()?).ok()?;
    let known = match before.map(|node| &node.kind) {
        Some(Kind::File(content)) => String::from_utf8_lossy(&content.read().ok()?).into_owned(),
        _ => String::new(),
    };
    let known: Vec<&str> = known.lines().collect();
    let day = (times.newest / DAY).to_string();
    let lines = text.lines().map(|line| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if !known.contains(&line)
            && let Some(field) = fields.get_mut(2)
            && !field.is_empty()
        {
            *field = &day;
        }
        fields.join(":") + "\n"
    });
    Some(lines.collect())
}
