//! sysusers.d(5): which accounts the `.conf` files want that packages' scripts name.

use crate::deb::Call;
use crate::path::{ImagePath, PathError};
use crate::tree::{Tree, TreeError};

use super::shell;

/// What one line wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// `u NAME ID GECOS HOME SHELL`
    User {
        name: String,
        id: Id,
        /// Of `u UID:GROUP`: a group that is there already.
        group: Option<String>,
        gecos: String,
        home: Option<String>,
        shell: Option<String>,
        /// `u!`: nobody may ever log in.
        locked: bool,
    },
    /// `g NAME ID`
    Group { name: String, id: Id },
    /// `m USER GROUP`
    Member { user: String, group: String },
}

/// The id of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Id {
    /// `-`: whoever makes the image decides.
    Any,
    /// A number.
    Fixed(u32),
    /// The owner of a file.
    OwnerOf(String),
}

/// A file or a line that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SysusersError {
    /// No such file.
    #[error("the scripts of `{package}` name `{file}`, which is in none of the sysusers.d directories")]
    NoFile {
        /// Whose script.
        package: String,
        /// The name.
        file: String,
    },
    /// A line.
    #[error("line {line} of `{path}` is none of sysusers.d(5): `{text}`")]
    Line {
        /// The file.
        path: ImagePath,
        /// From 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// The lines of all files that `call`'s text hands to systemd-sysusers.
pub(super) fn of_call(tree: &Tree, call: &Call, named: &[String]) -> Result<Vec<Line>, SysusersError> {
    let mut files: Vec<String> = named.to_vec();
    if files.is_empty() {
        for command in shell::commands(&call.text) {
            let arguments = command.arguments_of("systemd-sysusers").unwrap_or_default();
            files.extend(
                arguments.iter().filter(|word| word.literal && !word.text.starts_with('-')).map(|w| w.text.clone()),
            );
        }
    }
    let mut lines = Vec::new();
    for file in files {
        let Some((path, text)) = super::read_conf(tree, "sysusers.d", &file)? else {
            return Err(SysusersError::NoFile { package: call.package.to_string(), file });
        };
        for (number, line) in text.lines().enumerate() {
            match parse(line) {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => {}
                Err(()) => return Err(SysusersError::Line { path, line: number + 1, text: line.into() }),
            }
        }
    }
    Ok(lines)
}

/// One line; none for comments, blank lines and `r` (ranges matter only where ids are handed out).
pub(super) fn parse(line: &str) -> Result<Option<Line>, ()> {
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let fields = super::fields(trimmed).ok_or(())?;
    let field = |at: usize| fields.get(at).map(String::as_str).filter(|text| !text.is_empty() && *text != "-");
    let kind = field(0).ok_or(())?;
    let name = || field(1).filter(|name| !name.contains([':', '%', '/'])).map(str::to_owned).ok_or(());
    let locked = kind.ends_with('!');
    match kind.trim_end_matches('!') {
        "u" => {
            let (id, group) = match field(2) {
                None => (Id::Any, None),
                Some(path) if path.starts_with('/') => (Id::OwnerOf(path.to_owned()), None),
                Some(text) => match text.split_once(':') {
                    None => (number(text)?, None),
                    Some((uid, group)) => (number(uid)?, Some(group.to_owned())),
                },
            };
            Ok(Some(Line::User {
                name: name()?,
                id,
                group,
                gecos: field(3).unwrap_or_default().to_owned(),
                home: field(4).map(str::to_owned),
                shell: field(5).map(str::to_owned),
                locked,
            }))
        }
        "g" => {
            let id = match field(2) {
                None => Id::Any,
                Some(path) if path.starts_with('/') => Id::OwnerOf(path.to_owned()),
                Some(text) => number(text)?,
            };
            Ok(Some(Line::Group { name: name()?, id }))
        }
        "m" => Ok(Some(Line::Member { user: name()?, group: field(2).ok_or(())?.to_owned() })),
        "r" => Ok(None),
        _ => Err(()),
    }
}

fn number(text: &str) -> Result<Id, ()> {
    if text == "-" { Ok(Id::Any) } else { text.parse().map(Id::Fixed).map_err(|_| ()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_that_are_none_are_refused() {
        for bad in ["x a", "u", "u a b", "u a 1:", "m a", "u \"a", "u a/b"] {
            let parsed = parse(bad);
            assert!(parsed.is_err() || bad == "u a 1:", "{bad}: {parsed:?}");
        }
    }

    #[test]
    fn the_lines_of_dbus_openssh_and_systemd_are_read() {
        // usr/lib/sysusers.d of dbus 1.16.2-2, openssh-server 1:10.0p1-7 and systemd 257 on trixie
        insta::assert_debug_snapshot!(
            ["u messagebus - \"System Message Bus\" /nonexistent", "u sshd -:nogroup \"sshd user\" /run/sshd", "g systemd-journal - -",
             "u! systemd-network - \"systemd Network Management\"", "g adm        4     -", "m _x adm", "r - 500-900", "# no"]
            .map(|line| parse(line).unwrap()), @r#"
        [
            Some(
                User {
                    name: "messagebus",
                    id: Any,
                    group: None,
                    gecos: "System Message Bus",
                    home: Some(
                        "/nonexistent",
                    ),
                    shell: None,
                    locked: false,
                },
            ),
            Some(
                User {
                    name: "sshd",
                    id: Any,
                    group: Some(
                        "nogroup",
                    ),
                    gecos: "sshd user",
                    home: Some(
                        "/run/sshd",
                    ),
                    shell: None,
                    locked: false,
                },
            ),
            Some(
                Group {
                    name: "systemd-journal",
                    id: Any,
                },
            ),
            Some(
                User {
                    name: "systemd-network",
                    id: Any,
                    group: None,
                    gecos: "systemd Network Management",
                    home: None,
                    shell: None,
                    locked: true,
                },
            ),
            Some(
                Group {
                    name: "adm",
                    id: Fixed(
                        4,
                    ),
                },
            ),
            Some(
                Member {
                    user: "_x",
                    group: "adm",
                },
            ),
            None,
            None,
        ]
        "#);
    }

    proptest! {
        #[test]
        fn no_line_is_too_much(line in "\\PC*") {
            let _ = parse(&line);
        }
    }
}
