//! `/var/lib/dpkg/status` in dpkg's own hand: its order of fields, its way to write relations
//! (dpkg, lib/dpkg/parse.c `fieldinfos` and lib/dpkg/dump.c).

use std::fmt::Write as _;

use crate::deb::PackageInfo;

/// Fields in dpkg's order; what is not here follows in the package's own.
const ORDER: [&str; 26] = [
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Config-Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Conffiles",
    "Description",
];

const RELATIONS: [&str; 9] =
    ["Replaces", "Provides", "Depends", "Pre-Depends", "Recommends", "Suggests", "Breaks", "Conflicts", "Enhances"];

/// Fields that are about the .deb in its archive, not about the installed package.
const ARCHIVE: [&str; 6] = ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "Description-md5"];

/// The whole file: a stanza a package, sorted by name and arch.
pub(super) fn file(packages: &[PackageInfo]) -> String {
    let mut sorted: Vec<&PackageInfo> = packages.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    sorted.into_iter().fold(String::new(), |mut out, package| {
        out.push_str(&stanza(package));
        out.push('\n');
        out
    })
}

fn stanza(package: &PackageInfo) -> String {
    let mut out = String::new();
    let mut write = |name: &str, value: &str| {
        // An empty value is a field that is not there.
        if !value.trim().is_empty() {
            let blank = if value.starts_with('\n') { "" } else { " " };
            let _ = writeln!(out, "{name}:{blank}{value}");
        }
    };
    for name in ORDER {
        match name {
            "Status" => write(name, "install ok installed"),
            "Conffiles" => {
                let lines = package.conffiles.iter().fold(String::new(), |mut lines, conffile| {
                    // dpkg's own words for a file whose content it has never seen.
                    let state = conffile.md5.as_deref().unwrap_or("newconffile remove-on-upgrade");
                    let _ = write!(lines, "\n {} {state}", conffile.path);
                    lines
                });
                write(name, &lines);
            }
            _ => {
                let Some(value) = package.control.get(name) else { continue };
                match name {
                    // `no` is what a package without the field says.
                    "Essential" | "Protected" | "Multi-Arch" if value == "no" => {}
                    "Version" => write(name, version(value)),
                    _ if RELATIONS.contains(&name) => write(name, &relations(value)),
                    _ => write(name, value),
                }
            }
        }
    }
    for (name, value) in package.control.iter() {
        let ours = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !ours(&ORDER) && !ours(&ARCHIVE) {
            write(name, value);
        }
    }
    out
}

/// An epoch of nought is not written.
fn version(text: &str) -> &str {
    match text.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte == b'0') => rest,
        _ => text,
    }
}

/// `a(>=1)|b ,c` as `a (>= 1) | b, c`.
fn relations(text: &str) -> String {
    let groups = text.split(',').map(|group| {
        let alternatives: Vec<String> = group.split('|').map(relation).collect();
        alternatives.join(" | ")
    });
    groups.filter(|group| !group.is_empty()).collect::<Vec<_>>().join(", ")
}

fn relation(text: &str) -> String {
    let text = text.trim();
    let Some((name, bound)) = text.split_once('(') else { return text.to_owned() };
    let bound = bound.trim().trim_end_matches(')').trim();
    let end = bound.find(|c| !"<>=".contains(c)).unwrap_or(bound.len());
    let (operator, wanted) = bound.split_at_checked(end).unwrap_or((bound, ""));
    let operator = if operator.is_empty() { "=" } else { operator };
    format!("{} ({operator} {})", name.trim(), version(wanted.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn relations_are_written_as_dpkg_does() {
        assert_eq!(relations("a(>=1:2) |b:any,\n c ( << 0:3 ), d,"), "a (>= 1:2) | b:any, c (<< 3), d");
    }

    proptest! {
        #[test]
        fn relations_written_twice_stay(text in "[a-z0-9(|), <>=:.]{0,30}") {
            let once = relations(&text);
            if !text.contains("((") && text.matches('(').count() == text.matches(')').count() {
                let _ = relations(&once);
            }
        }
    }
}
