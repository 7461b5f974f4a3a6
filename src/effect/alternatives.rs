//! update-alternatives(1): generic names, the links in `/etc/alternatives`, and dpkg's record of the choices.
//!
//! Alternatives come from judgements (`alternative` nodes) and from `update-alternatives --install …` in the text
//! of scripts that are worth this effect. The highest priority wins, unless the image itself brings the link
//! `/etc/alternatives/NAME`: then that choice holds, and is recorded as made by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use globset::GlobBuilder;

use crate::estate::{Alternative, Filters};
use crate::path::{ImagePath, PathError};
use crate::tree::{Kind, Origin, Tree, TreeError};

use super::{Context, at, shell};

const NAME: &str = "alternatives";

/// Why alternatives cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum AlternativeError {
    /// Arguments that only a shell can know.
    #[error("the {kind} of `{package}` gives update-alternatives `{argument}`, which only a running shell knows")]
    #[diagnostic(
        code(wharf::effect::alternative_not_literal),
        help(
            "give its `script` node the alternatives: `alternative \"/usr/bin/x\" name=\"x\" path=\"/usr/bin/y\" priority=50`"
        )
    )]
    NotLiteral {
        /// Whose script.
        package: String,
        /// Which.
        kind: &'static str,
        /// The argument.
        argument: String,
    },
    /// Arguments that are none of `--install`'s.
    #[error(
        "the {kind} of `{package}` calls update-alternatives in a way that update-alternatives(1) does not have: `{arguments}`"
    )]
    #[diagnostic(code(wharf::effect::alternative_form))]
    Form {
        /// Whose script.
        package: String,
        /// Which.
        kind: &'static str,
        /// All of them.
        arguments: String,
    },
    /// What it points at is not there.
    #[error("`{package}` offers `{path}` as `{name}`, and it is not in this image")]
    #[diagnostic(
        code(wharf::effect::alternative_without_path),
        help(
            "if it is left out on purpose, a filter of the distro says so; else its `script` node names the wrong path"
        )
    )]
    NoPath {
        /// Whose script.
        package: String,
        /// The name in `/etc/alternatives`.
        name: String,
        /// What it would point at.
        path: ImagePath,
    },
    /// Two generic names for one alternative.
    #[error("`{package}` registers `{name}` at `{second}`, which is at `{first}` already")]
    #[diagnostic(code(wharf::effect::alternative_link))]
    TwoLinks {
        /// Whose script.
        package: String,
        /// The name in `/etc/alternatives`.
        name: String,
        /// The one generic name.
        first: ImagePath,
        /// The other.
        second: ImagePath,
    },
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A link group.
struct Group {
    link: ImagePath,
    /// Name to generic link of what moves along.
    slaves: BTreeMap<String, ImagePath>,
    /// By path: priority, and slave paths by name.
    choices: BTreeMap<ImagePath, (i32, BTreeMap<String, ImagePath>)>,
}

/// Registers all alternatives.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), AlternativeError> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for call in context.calls {
        let mut found = call.worth.alternatives.clone();
        if call.worth.effects.iter().any(|used| used.name == NAME) {
            found.extend(of_text(&call.text).map_err(|strange| match strange {
                Strange::NotLiteral(argument) => AlternativeError::NotLiteral {
                    package: call.package.to_string(),
                    kind: call.kind.as_str(),
                    argument,
                },
                Strange::Form(arguments) => {
                    AlternativeError::Form { package: call.package.to_string(), kind: call.kind.as_str(), arguments }
                }
            })?);
        }
        for one in found {
            if tree.lookup(&one.path).is_none() {
                if left_out(&context.distro.filters, &one.path) {
                    continue;
                }
                let package = call.package.to_string();
                return Err(AlternativeError::NoPath { package, name: one.name, path: one.path });
            }
            let group = groups.entry(one.name.clone()).or_insert_with(|| Group {
                link: one.link.clone(),
                slaves: BTreeMap::new(),
                choices: BTreeMap::new(),
            });
            if group.link != one.link {
                let (package, first, second) = (call.package.to_string(), group.link.clone(), one.link);
                return Err(AlternativeError::TwoLinks { package, name: one.name, first, second });
            }
            let mut slaves = BTreeMap::new();
            for (link, name, path) in one.slaves {
                group.slaves.insert(name.clone(), link);
                slaves.insert(name, path);
            }
            group.choices.insert(one.path, (one.priority, slaves));
        }
    }
    for (name, group) in &groups {
        register(tree, context, name, group)?;
    }
    Ok(())
}

fn register(tree: &mut Tree, context: &Context<'_>, name: &str, group: &Group) -> Result<(), AlternativeError> {
    let dir = at("/etc/alternatives")?;
    let own = tree.get(&dir.join(name)?).and_then(|node| match (&node.kind, &node.origin) {
        (Kind::Symlink(target), Origin::Tree(..) | Origin::Node(..)) => at(target).ok(),
        _ => None,
    });
    // The first of equals, in the order in which update-alternatives keeps them: by path.
    let best = group.choices.iter().fold(None, |best: Option<(&ImagePath, i32)>, (path, (priority, _))| match best {
        Some((_, highest)) if highest >= *priority => best,
        _ => Some((path, *priority)),
    });
    let chosen = own.as_ref().or(best.map(|(path, _)| path));
    if let Some(chosen) = chosen {
        link(tree, context, &group.link, &dir.join(name)?, chosen)?;
        let none = BTreeMap::new();
        let slaves = group.choices.get(chosen).map_or(&none, |(_, slaves)| slaves);
        for (slave, path) in slaves {
            // What a filter left out is skipped, as update-alternatives does with what is not there.
            if let Some(generic) = group.slaves.get(slave).filter(|_| tree.lookup(path).is_some()) {
                link(tree, context, generic, &dir.join(slave)?, path)?;
            }
        }
    }
    let mut record = format!("{}\n{}\n", if own.is_some() { "manual" } else { "auto" }, group.link);
    for (slave, generic) in &group.slaves {
        let _ = write!(record, "{slave}\n{generic}\n");
    }
    record.push('\n');
    for (path, (priority, slaves)) in &group.choices {
        let _ = write!(record, "{path}\n{priority}\n");
        for slave in group.slaves.keys() {
            let _ = writeln!(record, "{}", slaves.get(slave).map_or("", ImagePath::as_str));
        }
    }
    record.push('\n');
    tree.insert(&at("/var/lib/dpkg/alternatives")?.join(name)?, context.file(NAME, record))?;
    Ok(())
}

/// The generic link, and the one in `/etc/alternatives`. What is no link stays, and so does what the image brings.
fn link(
    tree: &mut Tree,
    context: &Context<'_>,
    generic: &ImagePath,
    through: &ImagePath,
    path: &ImagePath,
) -> Result<(), AlternativeError> {
    for (at, to) in [(through, path), (generic, through)] {
        let stands = tree.get(&tree.resolve_parent(at)?);
        let ours = stands.is_none_or(|node| {
            matches!(node.kind, Kind::Symlink(_)) && !matches!(node.origin, Origin::Tree(..) | Origin::Node(..))
        });
        if ours {
            tree.insert(at, context.link(NAME, to.as_str()))?;
        }
    }
    Ok(())
}

enum Strange {
    NotLiteral(String),
    Form(String),
}

/// Every `update-alternatives --install` of a script.
fn of_text(text: &str) -> Result<Vec<Alternative>, Strange> {
    let mut found = Vec::new();
    for command in shell::commands(text) {
        let Some(words) = command.arguments_of("update-alternatives") else { continue };
        // Redirections stand behind the arguments.
        let words: Vec<_> = words.iter().take_while(|word| !word.text.contains(['>', '<'])).collect();
        if !words.iter().any(|word| word.text == "--install") {
            continue;
        }
        if let Some(word) = words.iter().find(|word| !word.literal) {
            return Err(Strange::NotLiteral(word.text.clone()));
        }
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        found.push(install(&texts).ok_or_else(|| Strange::Form(texts.join(" ")))?);
    }
    Ok(found)
}

fn install(words: &[&str]) -> Option<Alternative> {
    let mut master = None;
    let mut slaves = Vec::new();
    let mut rest = words;
    while let Some((option, after)) = rest.split_first() {
        rest = match (*option, after) {
            ("--install", [link, name, path, priority, after @ ..]) => {
                master = Some((at(link).ok()?, (*name).to_owned(), at(path).ok()?, priority.parse().ok()?));
                after
            }
            ("--slave", [link, name, path, after @ ..]) => {
                slaves.push((at(link).ok()?, (*name).to_owned(), at(path).ok()?));
                after
            }
            ("--quiet" | "--force" | "--verbose" | "--debug" | "--skip-auto", after) => after,
            ("--altdir" | "--admindir" | "--log", [_, after @ ..]) => after,
            _ => return None,
        };
    }
    let (link, name, path, priority) = master?;
    (!name.contains('/') && slaves.iter().all(|(_, name, _)| !name.contains('/'))).then_some(Alternative {
        link,
        name,
        path,
        priority,
        slaves,
    })
}

/// Whether the distro's filters leave `path` out: dpkg.cfg(5), the last rule that matches holds.
fn left_out(filters: &Filters, path: &ImagePath) -> bool {
    let hit = |glob: &str| {
        // fnmatch(3) knows no braces.
        let glob = glob.replace('{', "[{]").replace('}', "[}]");
        GlobBuilder::new(&glob)
            .literal_separator(false)
            .build()
            .is_ok_and(|g| g.compile_matcher().is_match(path.as_str()))
    };
    filters.rules.iter().rev().find(|(_, glob)| hit(glob)).is_some_and(|(include, _)| !include)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arguments_that_are_none_are_refused() {
        let bad =
            ["--install /a a", "--install a a /b 1", "--install /a a /b x", "--slave /a a /b", "--install /a a/b /c 1"];
        for text in bad {
            assert!(install(&text.split(' ').collect::<Vec<_>>()).is_none(), "{text}");
        }
        assert!(matches!(of_text("update-alternatives --install /a a $X 1"), Err(Strange::NotLiteral(_))));
        assert!(of_text("update-alternatives --remove a /b || true").is_ok_and(|found| found.is_empty()));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "update-alternatives [a-z/ $-]{0,40}") {
            let _ = of_text(&text);
        }
    }
}
