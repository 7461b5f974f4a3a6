//! tmpfiles.d(5): the lines of the `.conf` files that packages' scripts hand to systemd-tmpfiles, as far as they
//! are about what an image keeps. Left to the running system: `/run`, `/tmp`, `/dev`, `/proc` and `/sys`; lines
//! that hold only at boot (`!`), that clean up (`r`, `R`, `x`, `X`), that name this machine or boot (`%m`, `%b`,
//! `%H`, `%v`, `%l`), that need a credential (`^`), and attributes and access lists (`h`, `t`, `a`).

use globset::GlobBuilder;

use crate::path::{ImagePath, PathError};
use crate::tree::{Kind, Node, Tree, TreeError};

use super::database::{Database, DatabaseError, NoSuchAccount};
use super::{Context, at, shell};

const NAME: &str = "tmpfiles";

/// A file or a line that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum TmpfilesError {
    /// No such file.
    #[error("the scripts of `{package}` name `{file}`, which is in none of the tmpfiles.d directories")]
    #[diagnostic(code(wharf::effect::tmpfiles_missing))]
    NoFile {
        /// Whose script.
        package: String,
        /// The name.
        file: String,
    },
    /// A line.
    #[error("line {line} of `{path}` {why}: `{text}`")]
    #[diagnostic(
        code(wharf::effect::tmpfiles_line),
        help("an image's own file of the same name below /etc/tmpfiles.d takes the place of the package's")
    )]
    Line {
        /// The file.
        path: ImagePath,
        /// From 1.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// Accounts.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What one line wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    action: Action,
    path: String,
    mode: Option<Mode>,
    /// The name, and whether it is only for what is made anew (`:`).
    user: Option<(String, bool)>,
    group: Option<(String, bool)>,
    argument: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Dir,
    /// `e`, `z`, `Z`: only what is there.
    Adjust {
        dirs_only: bool,
        recursive: bool,
    },
    File {
        truncate: bool,
    },
    Link {
        replace: bool,
        only_if_target: bool,
    },
    Copy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mode {
    bits: u16,
    /// `~`: bits that the node does not have already are masked.
    masked: bool,
    /// `:`: only for what is made anew.
    new_only: bool,
}

/// Follows the files of every call that is worth this effect.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), TmpfilesError> {
    let mut database = None;
    let mut done: Vec<String> = Vec::new();
    for (call, used) in context.uses(NAME) {
        let mut files = used.arguments.clone();
        if files.is_empty() {
            for command in shell::commands(&call.text) {
                let words = command.arguments_of("systemd-tmpfiles").unwrap_or_default();
                files.extend(words.iter().filter(|w| w.literal && w.text.ends_with(".conf")).map(|w| w.text.clone()));
            }
        }
        for file in files {
            if done.contains(&file) {
                continue;
            }
            let Some((path, text)) = super::read_conf(tree, "tmpfiles.d", &file)? else {
                return Err(TmpfilesError::NoFile { package: call.package.to_string(), file });
            };
            done.push(file);
            let database = match &database {
                Some(database) => database,
                None => database.insert(Database::of(tree)?),
            };
            for (number, line) in text.lines().enumerate() {
                let fail = |why| TmpfilesError::Line { path: path.clone(), line: number + 1, text: line.into(), why };
                if let Some(parsed) = parse(line, context).map_err(fail)? {
                    follow(tree, context, database, &parsed).map_err(|error| match error {
                        Failure::NoAccount(missing) => fail(format!("gives a path away: {missing}")),
                        Failure::Tree(error) => error.into(),
                        Failure::Path(error) => error.into(),
                    })?;
                }
            }
        }
    }
    Ok(())
}

enum Failure {
    NoAccount(NoSuchAccount),
    Tree(TreeError),
    Path(PathError),
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

/// One line; none where there is nothing to do in an image.
fn parse(line: &str, context: &Context<'_>) -> Result<Option<Line>, String> {
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let fields = super::fields(trimmed).ok_or("has a quote that does not end")?;
    let field = |at: usize| fields.get(at).map(String::as_str).filter(|text| *text != "-" && !text.is_empty());
    let kind = fields.first().map(String::as_str).unwrap_or_default();
    let (letter, modifiers) = kind.split_at_checked(1).ok_or("has no type")?;
    if let Some(strange) = modifiers.chars().find(|c| !"+!-=~^$?".contains(*c)) {
        return Err(format!("has the modifier `{strange}`, which tmpfiles.d(5) does not know"));
    }
    let plus = modifiers.contains('+');
    let action = match letter {
        "d" | "D" | "v" | "q" | "Q" => Action::Dir,
        "e" => Action::Adjust { dirs_only: true, recursive: false },
        "z" => Action::Adjust { dirs_only: false, recursive: false },
        "Z" => Action::Adjust { dirs_only: false, recursive: true },
        "f" => Action::File { truncate: plus },
        "F" => Action::File { truncate: true },
        "L" => Action::Link { replace: plus, only_if_target: modifiers.contains('?') },
        "C" => Action::Copy,
        "p" | "b" | "c" | "w" | "r" | "R" | "x" | "X" | "h" | "H" | "t" | "T" | "a" | "A" => return Ok(None),
        _ => return Err(format!("has the type `{letter}`, which tmpfiles.d(5) does not know")),
    };
    if modifiers.contains(['!', '^']) {
        return Ok(None);
    }
    let Some(path) = expand(field(1).ok_or("has no path")?, context)? else { return Ok(None) };
    let within = |dir: &str| path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if ["/run", "/var/run", "/tmp", "/var/tmp", "/dev", "/proc", "/sys"].into_iter().any(within) {
        return Ok(None);
    }
    let mode = field(2).map(parse_mode).transpose()?;
    let account = |text: &str| match text.strip_prefix(':') {
        Some(name) => (name.to_owned(), true),
        None => (text.to_owned(), false),
    };
    // The argument is the rest of the line, blanks and all; quotes around the whole of it are taken away.
    let argument = match fields.get(6..) {
        Some(rest) if !rest.is_empty() && rest != ["-"] => expand(&rest.join(" "), context)?,
        _ => None,
    };
    Ok(Some(Line { action, path, mode, user: field(3).map(account), group: field(4).map(account), argument }))
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    let bits = u16::from_str_radix(text.trim_start_matches(['~', ':']), 8).ok().filter(|bits| *bits <= 0o7777);
    let bits = bits.ok_or_else(|| format!("has the mode `{text}`, which is none"))?;
    let prefix: String = text.chars().take_while(|c| "~:".contains(*c)).collect();
    Ok(Mode { bits, masked: prefix.contains('~'), new_only: prefix.contains(':') })
}

/// Specifiers resolved; none where the line is about one machine or one boot.
fn expand(text: &str, context: &Context<'_>) -> Result<Option<String>, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some('C') => out.push_str("/var/cache"),
            Some('L') => out.push_str("/var/log"),
            Some('S') => out.push_str("/var/lib"),
            Some('T') => out.push_str("/tmp"),
            Some('V') => out.push_str("/var/tmp"),
            Some('t') => out.push_str("/run"),
            Some('h') => out.push_str("/root"),
            Some('u' | 'g') => out.push_str("root"),
            Some('U' | 'G') => out.push('0'),
            // systemd's own names of architectures (systemd.unit(5), ConditionArchitecture=)
            Some('a') => out.push_str(match context.arch.name.as_str() {
                "x86_64" => "x86-64",
                "aarch64" => "arm64",
                "ppc64le" => "ppc64-le",
                other => other,
            }),
            Some('b' | 'H' | 'l' | 'm' | 'q' | 'v') => return Ok(None),
            Some(other) => return Err(format!("holds `%{other}`, which is not known before the system runs")),
            None => return Err("ends in a lone `%`".to_owned()),
        }
    }
    Ok(Some(out))
}

fn follow(tree: &mut Tree, context: &Context<'_>, database: &Database, line: &Line) -> Result<(), Failure> {
    let uid =
        line.user.as_ref().map(|(name, _)| id(name, database.uid(name), || database.no_user(name))).transpose()?;
    let gid =
        line.group.as_ref().map(|(name, _)| id(name, database.gid(name), || database.no_group(name))).transpose()?;
    let made = |node: Node, default: u16| {
        node.with_mode(line.mode.map_or(default, |mode| mode.bits)).owned_by(uid.unwrap_or(0), gid.unwrap_or(0))
    };
    if let Action::Adjust { dirs_only, recursive } = line.action {
        let glob = GlobBuilder::new(&line.path).literal_separator(true).build().map(|glob| glob.compile_matcher());
        let Ok(glob) = glob else { return Ok(()) };
        let mut paths: Vec<ImagePath> = Vec::new();
        for (path, node) in tree.iter() {
            let hit = glob.is_match(path.as_str())
                || (recursive && paths.first().is_some_and(|first| path.is_within(first)))
                || (recursive && paths.iter().any(|above| path.is_within(above)));
            if hit && (!dirs_only || node.is_dir()) {
                paths.push(path.clone());
            }
        }
        for path in paths {
            adjust(tree, &path, line, uid, gid);
        }
        return Ok(());
    }
    let path = at(&line.path)?;
    let there = tree.lookup(&path).map(|(path, node)| (path, node.is_dir()));
    match line.action {
        Action::Dir => match there {
            Some((path, true)) => adjust(tree, &path, line, uid, gid),
            Some(_) => {}
            None => {
                tree.insert(&path, made(context.dir(NAME), 0o755))?;
            }
        },
        Action::File { truncate } => match there {
            Some((path, false)) if !truncate => adjust(tree, &path, line, uid, gid),
            Some((_, true)) => {}
            _ => {
                let text = line.argument.as_deref().map(unescape).unwrap_or_default();
                tree.insert(&path, made(context.file(NAME, text), 0o644))?;
            }
        },
        Action::Link { replace, only_if_target } => {
            // Without a target, systemd takes the factory's copy.
            let target = line.argument.clone().unwrap_or_else(|| format!("/usr/share/factory{path}"));
            let aim = path.resolve_link(&target)?;
            let missing = only_if_target && tree.lookup(&aim).is_none();
            let stands = tree.get(&tree.resolve_parent(&path)?).map(Node::is_dir);
            if !missing && (stands.is_none() || (replace && stands == Some(false))) {
                tree.insert(&path, context.link(NAME, target))?;
            }
        }
        Action::Copy => {
            let source = line.argument.clone().unwrap_or_else(|| format!("/usr/share/factory{path}"));
            copy(tree, context, &at(&source)?, &path)?;
            if let Some((path, _)) = tree.lookup(&path) {
                adjust(tree, &path, line, uid, gid);
            }
        }
        Action::Adjust { .. } => {}
    }
    Ok(())
}

fn id(name: &str, found: Option<u32>, missing: impl Fn() -> NoSuchAccount) -> Result<u32, Failure> {
    name.parse().ok().or(found).ok_or_else(|| Failure::NoAccount(missing()))
}

/// Mode and owner of what is there, as far as the line says.
fn adjust(tree: &mut Tree, path: &ImagePath, line: &Line, uid: Option<u32>, gid: Option<u32>) {
    let says = |account: &Option<(String, bool)>| account.as_ref().is_some_and(|(_, new_only)| !new_only);
    let mode = line.mode.filter(|mode| !mode.new_only);
    let (user, group) = (uid.filter(|_| says(&line.user)), gid.filter(|_| says(&line.group)));
    let Some(node) = tree.get(path) else { return };
    if matches!(node.kind, Kind::Symlink(_)) {
        return;
    }
    let bits = mode.map_or(node.mode, |mode| if mode.masked { mask(mode.bits, node) } else { mode.bits });
    let wanted = (bits, user.unwrap_or(node.uid), group.unwrap_or(node.gid));
    if wanted != (node.mode, node.uid, node.gid)
        && let Some(node) = tree.get_mut(path)
    {
        (node.mode, node.uid, node.gid) = wanted;
    }
}

/// tmpfiles.d(5), `~`: bits that the node has for nobody are taken out; special bits are for directories.
fn mask(mut bits: u16, node: &Node) -> u16 {
    for class in [0o111, 0o222, 0o444] {
        if node.mode & class == 0 {
            bits &= !class;
        }
    }
    if node.is_dir() { bits } else { bits & 0o777 }
}

fn copy(tree: &mut Tree, context: &Context<'_>, from: &ImagePath, to: &ImagePath) -> Result<(), Failure> {
    let Some((from, node)) = tree.lookup(from).map(|(path, node)| (path, node.clone())) else { return Ok(()) };
    // systemd copies into an empty directory, never over what is there.
    let empty = tree.lookup(to).is_none_or(|(path, node)| node.is_dir() && tree.children(&path).next().is_none());
    if !empty {
        return Ok(());
    }
    let inside: Vec<(ImagePath, Node)> = tree.below(&from).map(|(path, node)| (path.clone(), node.clone())).collect();
    for (path, mut node) in [(from.clone(), node)].into_iter().chain(inside) {
        let Some(rest) = path.as_str().strip_prefix(from.as_str()) else { continue };
        node.origin = crate::tree::Origin::Effect(NAME);
        node.mtime = context.mtime;
        tree.insert(&at(&format!("{to}{rest}"))?, node)?;
    }
    Ok(())
}

/// C escapes of an argument: `\n`, `\t`, `\\`, `\xNN`.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                out.extend(u8::from_str_radix(&digits, 16).ok().filter(u8::is_ascii).map(char::from));
            }
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}
