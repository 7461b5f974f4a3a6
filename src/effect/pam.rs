//! `/etc/pam.d/common-*`, as pam-auth-update(8) makes them of `/usr/share/pam-configs` in a fresh installation:
//! every profile that is on by default, over the templates in `/usr/share/pam`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::path::{ImagePath, PathError};
use crate::tree::{Origin, Tree, TreeError};

use super::{Context, at};

const NAME: &str = "pam";

/// Stacks, and the type that their lines begin with.
const STACKS: [(&str, &str); 5] = [
    ("auth", "auth"),
    ("account", "account"),
    ("password", "password"),
    ("session", "session"),
    ("session-noninteractive", "session"),
];

const PRIMARY: &str = "# here are the per-package modules (the \"Primary\" block)";
const FALLBACK: &str = "# here's the fallback if no module succeeds";
const ADDITIONAL: &str = "# and here are more per-package modules (the \"Additional\" block)";
const END: &str = "# end of pam-auth-update config";
/// Keeps a stack without primary modules intact.
const PERMIT: &str = "[default=1]\t\t\tpam_permit.so\n";

/// Why the stacks cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum PamError {
    /// No template.
    #[error("`{0}`, the template of a PAM stack, is not in this image")]
    #[diagnostic(code(wharf::effect::pam_without_template))]
    NoTemplate(ImagePath),
    /// A template without the marks.
    #[error("`{0}` has not the four marks of pam-auth-update")]
    #[diagnostic(code(wharf::effect::pam_template))]
    Template(ImagePath),
    /// A profile.
    #[error("`{path}` is no profile of pam-auth-update: {why}")]
    #[diagnostic(code(wharf::effect::pam_profile))]
    Profile {
        /// The file.
        path: ImagePath,
        /// What is wrong.
        why: &'static str,
    },
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A profile of `/usr/share/pam-configs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Profile {
    id: String,
    priority: i64,
    on: bool,
    conflicts: Vec<String>,
    fields: BTreeMap<String, String>,
}

impl Profile {
    /// Lines for a place in a stack: the first profile of a block has its own.
    fn lines(&self, stack: &str, first: bool) -> Option<&str> {
        let get = |field: &str| self.fields.get(field).map(String::as_str).filter(|text| !text.is_empty());
        first.then(|| get(&format!("{stack}-Initial"))).flatten().or_else(|| get(stack))
    }

    fn is(&self, stack: &str, kind: &str) -> bool {
        self.fields.get(&format!("{stack}-Type")).is_some_and(|found| found == kind)
    }
}

/// Writes the five stacks, and `/var/lib/pam`. A stack that the image brings itself stays.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), PamError> {
    if context.calls_for(NAME).next().is_none() {
        return Ok(());
    }
    let dir = at("/usr/share/pam-configs")?;
    let paths: Vec<ImagePath> = tree.children(&dir).map(|(path, _)| path.clone()).collect();
    let mut profiles = Vec::new();
    for path in paths {
        let id = path.file_name();
        if id.ends_with('~') || (id.starts_with('#') && id.ends_with('#')) {
            continue;
        }
        let Some(text) = tree.read_text(&path)? else { continue };
        profiles.push(parse(id, &text).map_err(|why| PamError::Profile { path: path.clone(), why })?);
    }
    profiles.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| b.id.cmp(&a.id)));
    let enabled = enabled(&profiles);
    let saved = at("/var/lib/pam")?;
    let seen: String = profiles.iter().map(|profile| format!("{}\n", profile.id)).collect();
    tree.insert(&saved.join("seen")?, context.file(NAME, seen))?;
    for (stack, word) in STACKS {
        let template = at("/usr/share/pam")?.join(&format!("common-{stack}"))?;
        let text = tree.read_text(&template)?.ok_or_else(|| PamError::NoTemplate(template.clone()))?;
        let made = fill(&text, stack, word, &enabled).ok_or(PamError::Template(template))?;
        let path = at("/etc/pam.d")?.join(&format!("common-{stack}"))?;
        let own = tree.get(&path).is_some_and(|node| matches!(node.origin, Origin::Tree(..) | Origin::Node(..)));
        if !own {
            tree.insert(&path, context.file(NAME, made))?;
        }
        tree.insert(&saved.join(stack)?, context.file(NAME, record(stack, &enabled)))?;
    }
    Ok(())
}

/// Profiles that are on by default; of two that conflict, the one of lower priority goes.
fn enabled(profiles: &[Profile]) -> Vec<&Profile> {
    let mut enabled: Vec<&Profile> = profiles.iter().filter(|profile| profile.on).collect();
    let mut at = 0;
    while let Some(profile) = enabled.get(at).copied() {
        enabled.retain(|other| other.id == profile.id || !profile.conflicts.contains(&other.id));
        at += 1;
    }
    enabled
}

fn parse(id: &str, text: &str) -> Result<Profile, &'static str> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        match line.split_once(':') {
            Some((name, value))
                if !name.is_empty()
                    && !name.contains(char::is_whitespace)
                    && (value.is_empty() || value.starts_with(char::is_whitespace)) =>
            {
                let name = name.strip_suffix("-Final").unwrap_or(name).to_owned();
                fields.insert(name.clone(), value.trim().to_owned());
                current = Some(name);
            }
            _ => {
                let line = line.trim();
                let Some(name) = &current else {
                    if line.is_empty() {
                        continue;
                    }
                    return Err("it begins with no field");
                };
                let value = fields.entry(name.clone()).or_default();
                if !line.is_empty() {
                    if !value.is_empty() {
                        value.push('\n');
                    }
                    value.push_str(line);
                }
            }
        }
    }
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    // pam_tally is gone: a profile that names it counts as none.
    let stale = fields.values().any(|value| value.contains("pam_tally"));
    let mut profile = Profile {
        id: id.to_owned(),
        priority: field("Priority").parse().map_err(|_| "its Priority is no number")?,
        on: field("Default") == "yes" && !stale,
        conflicts: field("Conflicts").split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        fields: BTreeMap::new(),
    };
    if field("Session-Interactive-Only") != "yes" {
        for suffix in ["", "-Type", "-Initial"] {
            if let Some(value) = fields.get(&format!("Session{suffix}")).cloned() {
                fields.insert(format!("Session-noninteractive{suffix}"), value);
            }
        }
    }
    profile.fields = fields;
    Ok(profile)
}

/// `session-noninteractive` as profiles name it: `Session-noninteractive`.
fn field_name(stack: &str) -> String {
    let mut chars = stack.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// The template with its two blocks filled; none where its marks are not there in order.
fn fill(template: &str, stack: &str, word: &str, enabled: &[&Profile]) -> Option<String> {
    let mut out = String::new();
    let mut marks = [PRIMARY, FALLBACK, ADDITIONAL, END].into_iter().enumerate().peekable();
    for line in template.lines() {
        let mark = marks.next_if(|(_, mark)| line.starts_with(mark)).map(|(at, _)| at);
        let inside = mark.is_none() && matches!(marks.peek(), Some((1 | 3, _)));
        if inside {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        match mark {
            Some(0) => out.push_str(&block(stack, word, "Primary", enabled)),
            Some(2) => out.push_str(&block(stack, word, "Additional", enabled)),
            _ => {}
        }
    }
    marks.next().is_none().then_some(out)
}

fn block(stack: &str, word: &str, kind: &str, enabled: &[&Profile]) -> String {
    let stack = field_name(stack);
    let lines: Vec<&str> = enabled
        .iter()
        .filter(|profile| profile.is(&stack, kind))
        .enumerate()
        .filter_map(|(at, profile)| profile.lines(&stack, at == 0))
        .flat_map(str::lines)
        .collect();
    if lines.is_empty() && kind == "Primary" {
        return format!("{word}\t{PERMIT}");
    }
    // `end` is how many lines are left to jump over; a jump in the additional block stays one short.
    let mut left = lines.len() - usize::from(kind == "Additional" && !lines.is_empty());
    let mut out = String::new();
    for line in lines {
        let (head, options) = split(line);
        let options: Vec<&str> = options.split_whitespace().collect();
        let _ = writeln!(out, "{word}\t{} {}", head.replace("end", &left.to_string()), options.join(" "));
        left = left.saturating_sub(1);
    }
    out
}

/// `[success=end default=ignore]\tpam_unix.so` and the options behind it.
fn split(line: &str) -> (&str, &str) {
    let control = if line.starts_with('[') {
        line.find(']').map_or(line.len(), |at| at + 1)
    } else {
        line.find(char::is_whitespace).unwrap_or(line.len())
    };
    let (control, rest) = line.split_at_checked(control).unwrap_or((line, ""));
    let module = rest.trim_start();
    let end = module.find(char::is_whitespace).unwrap_or(module.len());
    let options = module.get(end..).unwrap_or_default();
    let head = control.len() + (rest.len() - module.len()) + end;
    (line.get(..head).unwrap_or(line), options)
}

/// What pam-auth-update keeps of a stack to know its own lines again.
fn record(stack: &str, enabled: &[&Profile]) -> String {
    let stack = field_name(stack);
    let mut out = String::new();
    for kind in ["Primary", "Additional"] {
        let block: Vec<_> = enabled.iter().filter(|profile| profile.is(&stack, kind)).enumerate().collect();
        if block.is_empty() && kind == "Primary" {
            let _ = write!(out, "Module: null\n{PERMIT}");
        }
        for (at, profile) in block {
            if let Some(lines) = profile.lines(&stack, at == 0) {
                let _ = writeln!(out, "Module: {}\n{lines}", profile.id);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_profile_without_a_priority_is_refused() {
        assert_eq!(parse("x", "Name: x\nDefault: yes\n"), Err("its Priority is no number"));
        assert_eq!(parse("x", "\tpam_x.so\n"), Err("it begins with no field"));
    }

    #[test]
    fn a_template_without_its_marks_is_refused() {
        assert_eq!(fill("# nothing\n", "auth", "auth", &[]), None);
        assert_eq!(fill(&format!("{PRIMARY}\n{ADDITIONAL}\n{FALLBACK}\n{END}\n"), "auth", "auth", &[]), None);
    }

    #[test]
    fn of_two_that_conflict_the_weaker_goes() {
        let strong = parse("a", "Default: yes\nPriority: 9\nConflicts: b, c\n").unwrap();
        let weak = parse("b", "Default: yes\nPriority: 1\n").unwrap();
        let profiles = [strong, weak];
        assert_eq!(enabled(&profiles).iter().map(|profile| profile.id.as_str()).collect::<Vec<_>>(), ["a"]);
    }

    proptest! {
        #[test]
        fn no_profile_is_too_much(text in "([A-Za-z-]{0,9}:[ \t]?\\PC{0,9}\n|\\PC{0,9}\n){0,9}") {
            if let Ok(profile) = parse("x", &text) {
                block("auth", "auth", "Primary", &[&profile]);
                record("session", &[&profile]);
            }
        }
    }
}
