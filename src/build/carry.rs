//! What steps changed in an ancestor, carried into what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::path::ImagePath;
use crate::tree::{Content, Kind, Node, Tree};

/// Files of lines that begin with a name: who adds a line does not take others away.
const NAMED: [&str; 6] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"];

/// The paths at which two trees differ. Another mtime alone is no difference.
pub(super) fn differing(one: &Tree, other: &Tree) -> io::Result<BTreeSet<ImagePath>> {
    let mut paths = BTreeSet::new();
    for (path, node) in one.iter() {
        if !same((one, Some(node)), (other, other.get(path)))? {
            paths.insert(path.clone());
        }
    }
    paths.extend(other.iter().filter(|(path, _)| one.get(path).is_none()).map(|(path, _)| path.clone()));
    Ok(paths)
}

/// Carries what made `is` of `was`, at `paths`, over to `now`. A path that `now` itself has otherwise than `was` stays as
/// it is there, but for lines of accounts.
pub(super) fn carry(was: &Tree, is: &Tree, paths: &BTreeSet<ImagePath>, now: &mut Tree) -> io::Result<()> {
    let mut put: BTreeMap<&ImagePath, Option<Node>> = BTreeMap::new();
    for path in paths {
        let (before, after) = (was.get(path), is.get(path));
        if same((was, before), (now, now.get(path)))? {
            put.insert(path, after.cloned());
        } else if NAMED.contains(&path.as_str())
            && let (Some(before), Some(after), Some(here)) = (before, after, now.get(path))
        {
            let lines = joined(&text(before)?, &text(after)?, &text(here)?);
            put.insert(path, Some(Node { kind: Kind::File(lines.into()), ..here.clone() }));
        }
    }
    for (path, node) in put {
        match node {
            None => now.remove(path),
            Some(node) => {
                now.place(path.clone(), node);
                // Counts as touched.
                now.get_mut(path);
            }
        }
    }
    Ok(())
}

/// `here` with the lines that are in `after` and not in `before`, unless their name has one already.
pub(super) fn joined(before: &str, after: &str, here: &str) -> String {
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let known: BTreeSet<String> = here.lines().map(name).collect();
    let new = after.lines().filter(|line| !before.lines().any(|old| old == *line) && !known.contains(&name(line)));
    here.lines().chain(new).map(|line| format!("{line}\n")).collect()
}

pub(super) fn text(node: &Node) -> io::Result<String> {
    match &node.kind {
        Kind::File(content) => Ok(String::from_utf8_lossy(&content.read()?).into_owned()),
        _ => Ok(String::new()),
    }
}

/// Whether two nodes, each of its tree, are the same but for the mtime.
pub(super) fn same(one: (&Tree, Option<&Node>), other: (&Tree, Option<&Node>)) -> io::Result<bool> {
    let (Some(first), Some(second)) = (one.1, other.1) else { return Ok(one.1.is_none() && other.1.is_none()) };
    let followed = |(tree, node): (&'_ Tree, &Node)| match &node.kind {
        Kind::Hardlink(to) => tree.get(to).cloned().unwrap_or_else(|| node.clone()),
        _ => node.clone(),
    };
    let (first, second) = (followed((one.0, first)), followed((other.0, second)));
    if (first.mode, first.uid, first.gid, &first.capability)
        != (second.mode, second.uid, second.gid, &second.capability)
    {
        return Ok(false);
    }
    match (&first.kind, &second.kind) {
        (Kind::Dir, Kind::Dir) => Ok(true),
        (Kind::Symlink(one), Kind::Symlink(other)) => Ok(one == other),
        (Kind::File(one), Kind::File(other)) => holds_same(one, other),
        _ => Ok(false),
    }
}

fn holds_same(one: &Content, other: &Content) -> io::Result<bool> {
    match (one, other) {
        _ if one.size() != other.size() => Ok(false),
        (Content::Blob { blob: one, offset: here, .. }, Content::Blob { blob: other, offset: there, .. })
            if std::sync::Arc::ptr_eq(one, other) && here == there =>
        {
            Ok(true)
        }
        (one, other) => Ok(one.read()? == other.read()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Origin;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            let node = Node::file(*text, Origin::Effect("test"), 7);
            tree.insert(&ImagePath::new(path).unwrap(), node).unwrap();
        }
        tree
    }

    fn carried(was: &[(&str, &str)], is: &[(&str, &str)], now: &[(&str, &str)]) -> String {
        let (was, is, mut now) = (tree(was), tree(is), tree(now));
        let paths = differing(&was, &is).unwrap();
        carry(&was, &is, &paths, &mut now).unwrap();
        let shown = now.iter().filter(|(_, node)| !node.is_dir());
        shown.map(|(path, node)| format!("{path}={}\n", text(node).unwrap().replace('\n', "|"))).collect()
    }

    #[test]
    fn what_the_child_does_not_touch_is_as_the_steps_left_it() {
        let was = [("/a", "1"), ("/b", "1"), ("/c", "1"), ("/d", "1")];
        // Changed, taken away, brought by a step; and by the child.
        let is = [("/a", "2"), ("/b", "1"), ("/d", "2"), ("/e", "1")];
        let now = [("/a", "1"), ("/b", "3"), ("/c", "1"), ("/d", "3"), ("/f", "1")];
        insta::assert_snapshot!(carried(&was, &is, &now), @"
        /a=2
        /b=3
        /d=3
        /e=1
        /f=1
        ");
    }

    #[test]
    fn accounts_of_both_stay() {
        let was = [("/etc/passwd", "root:0\n")];
        let is = [("/etc/passwd", "root:0\nstep:1\nboth:3\n")];
        let now = [("/etc/passwd", "root:0\nchild:2\nboth:4\n")];
        insta::assert_snapshot!(carried(&was, &is, &now), @"/etc/passwd=root:0|child:2|both:4|step:1|");
    }
}
