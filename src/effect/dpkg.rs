//! dpkg's and apt's own files: what is installed, what triggers wait for what, which packages nobody asked for by
//! name, and which paths were left out, so that dpkg and apt work in the image and scanners see what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::deb::PackageInfo;
use crate::estate::ScriptKind;
use crate::path::PathError;
use crate::tree::{Tree, TreeError};

use super::{Context, at, status};

const NAME: &str = "dpkg";

/// Why the database cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum DpkgError {
    /// A line of a `triggers` member.
    #[error("the `triggers` file of `{package}` has a line that deb-triggers(5) does not know: `{line}`")]
    #[diagnostic(code(wharf::effect::triggers))]
    Trigger {
        /// Whose.
        package: String,
        /// The line.
        line: String,
    },
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Writes the databases.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), DpkgError> {
    if context.packages.is_empty() {
        return Ok(());
    }
    let base = at("/var/lib/dpkg")?;
    tree.insert(&base.join("status")?, context.file(NAME, status::file(context.packages)))?;
    for name in ["available", "diversions", "statoverride"] {
        if tree.get(&base.join(name)?).is_none() {
            tree.insert(&base.join(name)?, context.file(NAME, String::new()))?;
        }
    }
    tree.insert(&base.join("info/format")?, context.file(NAME, "1\n"))?;
    // dpkg 1.22's own script records the architecture that it was made for, to notice when that changes.
    let records_it = |package: &&PackageInfo| {
        package.name.as_str() == "dpkg"
            && package.script(ScriptKind::Postinst).is_some_and(|text| text.contains("arch-native"))
    };
    if let Some(dpkg) = context.packages.iter().find(records_it) {
        tree.insert(&base.join("arch-native")?, context.file(NAME, format!("{}\n", dpkg.arch)))?;
    }
    for name in ["alternatives", "info", "parts", "triggers", "updates"] {
        if tree.get(&base.join(name)?).is_none() {
            tree.insert(&base.join(name)?, context.dir(NAME))?;
        }
    }
    let triggers = base.join("triggers")?;
    tree.insert(&triggers.join("File")?, context.file(NAME, String::new()))?;
    tree.insert(&triggers.join("Unincorp")?, context.file(NAME, String::new()))?;
    for (name, text) in self::triggers(context.packages)? {
        tree.insert(&triggers.join(&name)?, context.file(NAME, text))?;
    }
    if tree.lookup(&at("/etc/dpkg/dpkg.cfg.d")?).is_some() && !context.distro.filters.rules.is_empty() {
        tree.insert(&at("/etc/dpkg/dpkg.cfg.d/wharf")?, context.file(NAME, filters(context)))?;
    }
    if context.packages.iter().any(|package| package.name.as_str() == "apt") {
        apt(tree, context)?;
    }
    Ok(())
}

/// Files of `/var/lib/dpkg/triggers` by name: who is interested in which (deb-triggers(5)). Paths share `File`.
fn triggers(packages: &[PackageInfo]) -> Result<BTreeMap<String, String>, DpkgError> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for package in packages {
        for line in package.members.get("triggers").map(String::as_str).unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let wrong = || DpkgError::Trigger { package: package.name.to_string(), line: line.to_owned() };
            let Some((directive, trigger)) = line.split_once(char::is_whitespace) else {
                if line.is_empty() {
                    continue;
                }
                return Err(wrong());
            };
            let trigger = trigger.trim();
            let suffix = match directive {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                "activate" | "activate-await" | "activate-noawait" => continue,
                _ => return Err(wrong()),
            };
            let name = package.info_name();
            if trigger.starts_with('/') {
                let _ = writeln!(files.entry("File".to_owned()).or_default(), "{trigger} {name}{suffix}");
            } else if trigger.contains('/') || trigger.is_empty() {
                return Err(wrong());
            } else {
                let _ = writeln!(files.entry(trigger.to_owned()).or_default(), "{name}{suffix}");
            }
        }
    }
    Ok(files)
}

/// dpkg.cfg(5) for what was left out, so that what is installed later leaves out the same. `dpkg --verify` does not
/// ask it (measured with dpkg 1.22): to it, what was left out is missing.
fn filters(context: &Context<'_>) -> String {
    let mut text = format!("# What {} leaves out of its packages.\n", context.distro.name);
    for (include, glob) in &context.distro.filters.rules {
        let _ = writeln!(text, "path-{}={glob}", if *include { "include" } else { "exclude" });
    }
    text
}

/// apt's record of what was only pulled in, and the directories that it wants.
fn apt(tree: &mut Tree, context: &Context<'_>) -> Result<(), DpkgError> {
    for path in ["/var/lib/apt/lists/partial", "/var/cache/apt/archives/partial"] {
        if tree.lookup(&at(path)?).is_none() {
            tree.insert(&at(path)?, context.dir(NAME))?;
        }
    }
    let asked = asked(context);
    let text = context.packages.iter().filter(|package| !asked.contains(package.name.as_str())).fold(
        String::new(),
        |mut text, package| {
            // apt knows packages of all architectures by the native one.
            let arch = if package.arch == "all" { &context.arch.debian } else { &package.arch };
            let _ = write!(text, "Package: {}\nArchitecture: {arch}\nAuto-Installed: 1\n\n", package.name);
            text
        },
    );
    if !text.is_empty() {
        tree.insert(&at("/var/lib/apt/extended_states")?, context.file(NAME, text))?;
    }
    Ok(())
}

/// Packages that somebody named: those of every level, what provides a name that is no package, and the essential ones.
fn asked<'a>(context: &Context<'a>) -> BTreeSet<&'a str> {
    let named: BTreeSet<&str> =
        context.image.levels.iter().flat_map(|level| &level.packages).map(|package| package.name.as_str()).collect();
    let real: BTreeSet<&str> = context.packages.iter().map(|package| package.name.as_str()).collect();
    context
        .packages
        .iter()
        .filter(|package| {
            let yes = |field| package.control.get(field).is_some_and(|value| value == "yes");
            let provides = package.control.get("Provides").unwrap_or_default();
            let stands_in = provides
                .split(',')
                .filter_map(|one| one.split([' ', '(', '\n']).find(|part| !part.is_empty()))
                .any(|name| named.contains(name) && !real.contains(name));
            named.contains(package.name.as_str()) || yes("Essential") || yes("Protected") || stands_in
        })
        .map(|package| package.name.as_str())
        .collect()
}
