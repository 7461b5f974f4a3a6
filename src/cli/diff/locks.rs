//! What changed between two locks, for people.

use super::section::{Section, change};
use crate::lock::{LockDiff, PackageDiff, TargetDiff};

pub(super) fn sections(diff: &LockDiff) -> Vec<Section> {
    diff.targets.iter().flat_map(of_target).collect()
}

fn of_target(target: &TargetDiff) -> Vec<Section> {
    let title = format!("{} {}", target.distro, target.arch);
    let mut sections = vec![Section { title, depth: 1, ..Section::default() }];
    if !target.packages.is_empty() {
        sections.push(Section {
            title: format!("packages ({})", target.packages.len()),
            depth: 2,
            head: &["", "package", "version", "also"],
            rows: target.packages.iter().map(package).collect(),
            note: None,
        });
    }
    if !target.images.is_empty() {
        let rows = target.images.iter().map(|image| {
            let sign = match (image.in_old, image.in_new) {
                (false, true) => "+",
                (true, false) => "-",
                _ => "~",
            };
            let names = |sign: char, names: &[crate::name::PackageName]| {
                names.iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>()
            };
            let held = [names('+', &image.added), names('-', &image.removed)].concat().join(" ");
            vec![sign.to_owned(), image.name.to_string(), held]
        });
        sections.push(Section {
            title: format!("images ({})", target.images.len()),
            depth: 2,
            head: &["", "image", "packages"],
            rows: rows.collect(),
            note: None,
        });
    }
    sections
}

fn package(package: &PackageDiff) -> Vec<String> {
    let (sign, version) = if package.old == package.new {
        ("~".to_owned(), package.new.clone().unwrap_or_default())
    } else {
        change(package.old.as_deref(), package.new.as_deref())
    };
    let mut also = Vec::new();
    if package.rebuilt {
        also.push("rebuilt".to_owned());
    }
    if !package.scripts.is_empty() {
        also.push(format!("scripts: {}", package.scripts.join(", ")));
    }
    vec![sign, package.name.to_string(), version, also.join("; ")]
}
