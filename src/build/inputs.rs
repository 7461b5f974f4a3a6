//! What the choice of an image's packages follows from, as one digest: the lock keeps it to say when it is stale.

use std::fmt::Write as _;

use crate::digest::Digest;
use crate::estate::{Archive, ArchiveSource, Bytecode, Distro, Image, Level, Pin, Relation};

/// The digest over wanted packages, bounds, pins and archives of an image on its distro. Places in
/// the specs, summaries, files and whatever else moves no package do not count.
pub fn digest(image: &Image, distro: &Distro) -> Digest {
    let mut text = String::new();
    for archive in distro.archives.iter().filter(|archive| archive.serves(&image.arch)) {
        archive_line(&mut text, archive);
    }
    pins(&mut text, &distro.pins);
    for level in &image.levels {
        level_lines(&mut text, level);
    }
    let _ = writeln!(text, "own {}", image.own_versions);
    Digest::of(text.as_bytes())
}

/// The same with the packages that only the image's steps need; none where there are none.
pub fn builder_digest(image: &Image, distro: &Distro) -> Option<Digest> {
    let packages = image.build_packages();
    if packages.is_empty() {
        return None;
    }
    let mut text = format!("builder of {}\n", digest(image, distro));
    for package in packages {
        let _ = writeln!(text, "package {} {:?}", package.name, package.version);
    }
    Some(Digest::of(text.as_bytes()))
}

/// The same for the packages of a tool.
pub fn tool_digest(packages: &[crate::name::PackageName], distro: &Distro) -> Digest {
    let mut text = String::from("tool\n");
    for archive in &distro.archives {
        archive_line(&mut text, archive);
    }
    pins(&mut text, &distro.pins);
    for package in packages {
        let _ = writeln!(text, "package {package}");
    }
    Digest::of(text.as_bytes())
}

/// The digest over what the packages of a distro are read by: its filters, and how python is compiled.
pub fn reading(distro: &Distro) -> Digest {
    let mut text = String::new();
    for rule in &distro.filters.rules {
        let _ = writeln!(text, "filter {rule:?}");
    }
    if let Some(Bytecode { interpreter, packages: _, tag, dirs, span: _ }) = &distro.bytecode {
        let _ = writeln!(text, "bytecode {interpreter:?} tag={tag:?} dirs={dirs:?}");
    }
    Digest::of(text.as_bytes())
}

fn archive_line(text: &mut String, archive: &Archive) {
    let _ = match &archive.source {
        // Where it is fetched from is no input: no byte depends on it.
        ArchiveSource::Remote { suites, components, origin, label, .. } => writeln!(
            text,
            "archive {} suites={suites:?} components={components:?} origin={origin:?} label={label:?}",
            archive.name
        ),
        ArchiveSource::Dir(_) => writeln!(text, "archive {} folder", archive.name),
    };
}

fn pins(text: &mut String, pins: &[Pin]) {
    for pin in pins {
        let Pin { packages, version, suite, origin, label, archive, priority, span: _ } = pin;
        let _ = writeln!(
            text,
            "pin {packages:?} version={version:?} suite={suite:?} origin={origin:?} label={label:?} archive={archive:?} {priority}"
        );
    }
}

fn level_lines(text: &mut String, level: &Level) {
    let essential = level.essential.is_some();
    let _ = writeln!(text, "level {} essential={essential} recommends={}", level.image, level.recommends);
    pins(text, &level.pins);
    let mut packages: Vec<String> = level
        .packages
        .iter()
        .map(|package| match &package.version {
            None => package.name.to_string(),
            Some((relation, version)) => format!("{} {} {version}", package.name, sign(*relation)),
        })
        .collect();
    packages.sort();
    packages.dedup();
    for package in packages {
        let _ = writeln!(text, "package {package}");
    }
}

fn sign(relation: Relation) -> &'static str {
    match relation {
        Relation::Equal => "=",
        Relation::AtLeast => ">=",
        Relation::AtMost => "<=",
        Relation::Later => ">>",
        Relation::Earlier => "<<",
    }
}
