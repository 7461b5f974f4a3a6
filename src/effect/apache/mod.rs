//! Apache's modules, configuration and sites, enabled as a2enmod(8), a2enconf(8) and a2ensite(8) do it in
//! apache2's own postinst and in the snippets of dh_apache2.
//!
//! What is enabled comes from the effect's arguments, else from the script's text: `a2enmod -m -q NAME`,
//! `apache2_invoke enmod NAME`, `apache2_switch_mpm NAME`, with `for x in …` loops around them.

use std::collections::BTreeSet;

use crate::deb::Call;
use crate::name::PackageName;
use crate::path::{ImagePath, PathError};
use crate::tree::{Kind, Node, Origin, Tree, TreeError};

use super::Context;

const ORIGIN: Origin = Origin::Effect("apache2");
const HELPER: &str = "/usr/share/apache2/apache2-maintscript-helper";

/// What can be enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// `mods-available/NAME.load`, with `NAME.conf` where there is one.
    Module,
    /// `conf-available/NAME.conf`
    Conf,
    /// `sites-available/NAME.conf`
    Site,
}

impl Piece {
    fn of_effect(name: &str) -> Option<Self> {
        match name {
            "apache2-modules" => Some(Self::Module),
            "apache2-confs" => Some(Self::Conf),
            "apache2-sites" => Some(Self::Site),
            _ => None,
        }
    }

    /// The last part of `a2enmod` and `apache2_invoke enmod`.
    fn of_command(name: &str) -> Option<Self> {
        match name {
            "enmod" => Some(Self::Module),
            "enconf" => Some(Self::Conf),
            "ensite" => Some(Self::Site),
            _ => None,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Module => "mods",
            Self::Conf => "conf",
            Self::Site => "sites",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Module => "load",
            Self::Conf | Self::Site => "conf",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Conf => "conf",
            Self::Site => "site",
        }
    }
}

/// Why something of Apache cannot be enabled.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ApacheError {
    /// A call from which nothing can be read.
    #[error("the {kind} of `{package}` is judged to be worth `{effect}`, but enables nothing that can be read from it")]
    #[diagnostic(
        code(wharf::apache),
        help("name what it enables: `effect \"{effect}\" \"NAME\"`, or judge the script to be worth `ignore`")
    )]
    NothingNamed {
        /// Whose script.
        package: PackageName,
        /// Which.
        kind: &'static str,
        /// The effect.
        effect: String,
    },
    /// A name that is not there.
    #[error("`{package}` enables the {} `{name}` of Apache, but there is no `{path}`", .piece.noun())]
    #[diagnostic(
        code(wharf::apache),
        help("add the package that holds it, or judge the script of `{package}` without it")
    )]
    Missing {
        /// Whose script.
        package: PackageName,
        /// What it enables.
        piece: Piece,
        /// By this name.
        name: String,
        /// Where that should be.
        path: String,
    },
    /// Two modules that exclude each other.
    #[error("`{package}` enables the module `{name}` of Apache, which excludes `{other}`, and that is enabled")]
    #[diagnostic(
        code(wharf::apache),
        help("judge the script of `{package}`, or the one that enables `{other}`, without it")
    )]
    Conflict {
        /// Whose script.
        package: PackageName,
        /// The module.
        name: String,
        /// The enabled one.
        other: String,
    },
    /// Configuration whose module is not enabled.
    #[error("`{package}` enables `{name}` of Apache, which needs the module `{module}`, and that is not enabled")]
    #[diagnostic(code(wharf::apache), help("enable it too: `effect \"apache2-modules\" \"{module}\"`"))]
    NeedsModule {
        /// Whose script.
        package: PackageName,
        /// The configuration or site.
        name: String,
        /// What it needs.
        module: String,
    },
    /// The tree refused something.
    #[error(transparent)]
    #[diagnostic(code(wharf::apache))]
    Tree(#[from] TreeError),
    /// A name that no image can hold.
    #[error(transparent)]
    #[diagnostic(code(wharf::apache))]
    Path(#[from] PathError),
}

/// One thing that a script does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    /// `a2enmod NAME`; a package does it with `-m`, else it counts as the administrator's doing.
    Enable { piece: Piece, name: String, by_package: bool },
    /// `apache2_switch_mpm NAME`
    SwitchMpm(String),
}

/// Enables what the judged scripts do.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), ApacheError> {
    // Packages that are configured before apache2 have their wishes deferred until it is.
    let (own, others): (Vec<&Call>, Vec<&Call>) =
        context.calls.iter().partition(|call| call.package.as_str() == "apache2");
    for call in own.into_iter().chain(others) {
        let mut apache = Apache { tree, package: &call.package, mtime: context.mtime, busy: BTreeSet::new() };
        for action in actions(call)? {
            apache.act(&action)?;
        }
    }
    Ok(())
}

/// What the effects of a call do, in order.
fn actions(call: &Call) -> Result<Vec<Action>, ApacheError> {
    let written = read(&call.text);
    let mut all = Vec::new();
    let mut whole = None;
    for used in &call.worth.effects {
        let Some(piece) = Piece::of_effect(&used.name) else { continue };
        if used.arguments.is_empty() {
            whole = Some(used);
        }
        for name in &used.arguments {
            let same = |action: &&Action| matches!(action, Action::Enable { piece: p, name: n, .. } if *p == piece && n == name);
            let enable = Action::Enable { piece, name: name.clone(), by_package: true };
            all.push(written.iter().find(same).cloned().unwrap_or(enable));
        }
    }
    if let Some(used) = whole {
        if written.is_empty() {
            return Err(ApacheError::NothingNamed {
                package: call.package.clone(),
                kind: call.kind.as_str(),
                effect: used.name.clone(),
            });
        }
        all.extend(written);
    }
    Ok(all)
}

/// Reads the commands of a shell text. Names that only a running shell knows are passed over.
fn read(text: &str) -> Vec<Action> {
    let text = text.replace("\\\n", " ").replace(';', "\n");
    let mut actions = Vec::new();
    let mut values: (String, Vec<String>) = Default::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().map(|word| word.trim_matches('"')).collect();
        let words: &[&str] = match words.as_slice() {
            ["do" | "then" | "!" | "if", rest @ ..] => rest,
            words => words,
        };
        match words {
            ["for", variable, "in", list @ ..] => {
                values = (format!("${variable}"), list.iter().map(|word| (*word).to_owned()).collect());
            }
            ["done", ..] => values = Default::default(),
            ["apache2_invoke", command, name, ..] => {
                for name in expand(name, &values) {
                    let piece = Piece::of_command(command);
                    actions.extend(piece.map(|piece| Action::Enable { piece, name, by_package: true }));
                }
            }
            ["apache2_switch_mpm", name, ..] => {
                actions.extend(expand(name, &values).into_iter().map(Action::SwitchMpm));
            }
            [command, arguments @ ..] => {
                let Some(piece) = command.strip_prefix("a2").and_then(Piece::of_command) else { continue };
                let by_package = arguments.contains(&"-m");
                let names =
                    arguments.iter().take_while(|word| !matches!(**word, "||" | "&&" | "|" | ">" | ">/dev/null"));
                for name in names.filter(|word| !word.starts_with('-')).flat_map(|word| expand(word, &values)) {
                    actions.push(Action::Enable { piece, name, by_package });
                }
            }
            [] => {}
        }
    }
    actions
}

fn expand(word: &str, (variable, values): &(String, Vec<String>)) -> Vec<String> {
    let braced = format!("${{{}}}", variable.trim_start_matches('$'));
    match word {
        _ if !variable.is_empty() && (word == variable || word == braced) => values.clone(),
        _ if word.contains(['$', '`', '*']) => Vec::new(),
        _ => vec![word.to_owned()],
    }
}

struct Apache<'a> {
    tree: &'a mut Tree,
    package: &'a PackageName,
    mtime: i64,
    /// Modules whose dependencies are being enabled.
    busy: BTreeSet<String>,
}

impl Apache<'_> {
    fn act(&mut self, action: &Action) -> Result<(), ApacheError> {
        // A module that is used without the server's package is enabled by nobody.
        if self.tree.lookup(&ImagePath::new(HELPER)?).is_none() {
            return Ok(());
        }
        match action {
            Action::Enable { piece, name, by_package } => self.enable(*piece, name, *by_package),
            Action::SwitchMpm(name) => {
                let wanted = format!("mpm_{}", name.trim_start_matches("mpm_"));
                for mpm in self.enabled_mpms()?.into_iter().filter(|mpm| *mpm != wanted) {
                    self.disable(&mpm)?;
                }
                self.enable(Piece::Module, &wanted, true)
            }
        }
    }

    fn enable(&mut self, piece: Piece, name: &str, by_package: bool) -> Result<(), ApacheError> {
        let name = name.strip_suffix(piece.suffix()).and_then(|stem| stem.strip_suffix('.')).unwrap_or(name);
        let threaded = |mpms: &[String]| mpms.iter().any(|mpm| mpm != "mpm_prefork");
        let name = match (piece, name) {
            (Piece::Module, "cgi") if threaded(&self.enabled_mpms()?) => "cgid",
            _ => name,
        };
        let available = available(piece, name, piece.suffix())?;
        let Some(text) = self.tree.read_text(&available)? else {
            let (package, name, path) = (self.package.clone(), name.to_owned(), available.to_string());
            return Err(ApacheError::Missing { package, piece, name, path });
        };
        match piece {
            Piece::Module => {
                if !self.busy.insert(name.to_owned()) {
                    return Ok(());
                }
                for needed in listed(&text, "Depends") {
                    self.enable(piece, needed, by_package)?;
                }
                self.busy.remove(name);
                if let Some(other) = listed(&text, "Conflicts").find(|other| self.is_enabled(other)) {
                    let (package, name, other) = (self.package.clone(), name.to_owned(), other.to_owned());
                    return Err(ApacheError::Conflict { package, name, other });
                }
            }
            Piece::Conf | Piece::Site => {
                if let Some(module) = listed(&text, "Depends").find(|module| !self.is_enabled(module)) {
                    let (package, name, module) = (self.package.clone(), name.to_owned(), module.to_owned());
                    return Err(ApacheError::NeedsModule { package, name, module });
                }
            }
        }
        if piece == Piece::Module && self.tree.lookup(&self::available(piece, name, "conf")?).is_some() {
            self.link(piece, name, "conf")?;
        }
        if self.link(piece, name, piece.suffix())? {
            self.mark(piece, name, if by_package { "enabled_by_maint" } else { "enabled_by_admin" })?;
        }
        Ok(())
    }

    /// Makes the link; says no where something stands there already.
    fn link(&mut self, piece: Piece, name: &str, suffix: &str) -> Result<bool, ApacheError> {
        let path = enabled(piece, name, suffix)?;
        if self.tree.lookup(&path).is_some() {
            return Ok(false);
        }
        let target = format!("../{}-available/{name}.{suffix}", piece.folder());
        self.tree.insert(&path, Node::symlink(target, ORIGIN, self.mtime))?;
        Ok(true)
    }

    fn disable(&mut self, module: &str) -> Result<(), ApacheError> {
        for suffix in ["load", "conf"] {
            let path = enabled(Piece::Module, module, suffix)?;
            if self.tree.get(&path).is_some_and(|node| matches!(node.kind, Kind::Symlink(_))) {
                self.tree.remove(&path);
            }
        }
        self.mark(Piece::Module, module, "disabled_by_maint")
    }

    /// Notes who did it, and forgets who did the contrary.
    fn mark(&mut self, piece: Piece, name: &str, state: &str) -> Result<(), ApacheError> {
        let states = ImagePath::new(&format!("/var/lib/apache2/{}", piece.noun()))?;
        for old in ["enabled_by_maint", "enabled_by_admin", "disabled_by_maint", "disabled_by_admin"] {
            self.tree.remove(&states.join(old)?.join(name)?);
        }
        self.tree.insert(&states.join(state)?.join(name)?, Node::file(Vec::new(), ORIGIN, self.mtime))?;
        Ok(())
    }

    fn is_enabled(&self, module: &str) -> bool {
        enabled(Piece::Module, module, "load").is_ok_and(|path| self.tree.lookup(&path).is_some())
    }

    fn enabled_mpms(&self) -> Result<Vec<String>, ApacheError> {
        let dir = self.tree.resolve(&ImagePath::new("/etc/apache2/mods-enabled")?)?;
        let names = self.tree.children(&dir).filter_map(|(path, _)| path.file_name().strip_suffix(".load"));
        Ok(names.filter(|name| name.starts_with("mpm_")).map(str::to_owned).collect())
    }
}

fn available(piece: Piece, name: &str, suffix: &str) -> Result<ImagePath, PathError> {
    ImagePath::new(&format!("/etc/apache2/{}-available/{name}.{suffix}", piece.folder()))
}

fn enabled(piece: Piece, name: &str, suffix: &str) -> Result<ImagePath, PathError> {
    ImagePath::new(&format!("/etc/apache2/{}-enabled/{name}.{suffix}", piece.folder()))
}

/// The words of the line `# FIELD: …` in the comment at the head of a configuration file.
fn listed<'a>(text: &'a str, field: &str) -> impl Iterator<Item = &'a str> {
    let head = text.lines().take_while(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#'));
    let mut values = head.filter_map(|line| line.strip_prefix("# ")?.strip_prefix(field)?.strip_prefix(':'));
    values.next().unwrap_or_default().split_ascii_whitespace()
}

#[cfg(test)]
mod tests;
