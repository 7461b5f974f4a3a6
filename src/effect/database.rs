//! The image's passwd(5), group(5), shadow(5) and gshadow(5) as values.

use std::fmt::Write as _;

use crate::estate::Owner;
use crate::path::ImagePath;
use crate::tree::{Tree, TreeError};

/// One line of passwd(5), and of shadow(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub name: String,
    /// Second field while there is no shadow file.
    pub password: String,
    pub uid: u32,
    pub gid: u32,
    pub gecos: String,
    pub home: String,
    pub shell: String,
    /// Fields of shadow(5) after the name.
    pub shadow: Shadow,
}

/// Which tool's hand the shadow line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shadow {
    /// pwconv(8) over a line without a password: `*:DAY:0:99999:7:::`.
    Converted,
    /// useradd(8) `--system`: `!:DAY::::::`.
    Useradd,
    /// systemd-sysusers(8): `!*:DAY::::::`.
    Sysusers,
    /// systemd-sysusers(8), `u!`: expired since 1970, `!*:DAY:::::1:`.
    SysusersLocked,
}

/// One line of group(5), and of gshadow(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub name: String,
    pub password: String,
    pub gid: u32,
    pub members: Vec<String>,
    pub shadow: Shadow,
}

/// All accounts of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Database {
    pub users: Vec<User>,
    pub groups: Vec<Group>,
}

/// A line that is none of its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of `{path}` is none of its format: `{text}`")]
pub struct LineError {
    path: ImagePath,
    line: usize,
    text: String,
}

impl Database {
    /// Reads the masters or the finished files; a file that is absent is empty.
    pub fn read(tree: &Tree, passwd: &ImagePath, group: &ImagePath) -> Result<Self, DatabaseError> {
        let mut database = Self::default();
        for (line, text) in tree.read_text(passwd)?.unwrap_or_default().lines().enumerate() {
            if text.is_empty() {
                continue;
            }
            let user = parse_user(text).ok_or_else(|| LineError {
                path: passwd.clone(),
                line: line + 1,
                text: text.into(),
            })?;
            database.users.push(user);
        }
        for (line, text) in tree.read_text(group)?.unwrap_or_default().lines().enumerate() {
            if text.is_empty() {
                continue;
            }
            let found = parse_group(text).ok_or_else(|| LineError {
                path: group.clone(),
                line: line + 1,
                text: text.into(),
            })?;
            database.groups.push(found);
        }
        Ok(database)
    }

    /// The finished accounts of an image.
    pub fn of(tree: &Tree) -> Result<Self, DatabaseError> {
        Self::read(tree, &super::at("/etc/passwd")?, &super::at("/etc/group")?)
    }

    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// A user's id; root is 0 in every image.
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.user(name).map(|user| user.uid).or((name == "root").then_some(0))
    }

    /// A group's id; root is 0 in every image.
    pub fn gid(&self, name: &str) -> Option<u32> {
        self.group(name).map(|group| group.gid).or((name == "root").then_some(0))
    }

    /// The ids that an `owner` and a `group` mean: root without either, the owner's own group without a group.
    pub fn ids(&self, owner: Option<&Owner>, group: Option<&Owner>) -> Result<(u32, u32), NoSuchAccount> {
        let user = owner.map(|owner| self.owner_uid(owner)).transpose()?;
        let gid = match (group, owner) {
            (Some(group), _) => self.owner_gid(group)?,
            (None, Some(Owner::Name(name))) => match self.gid(name.as_str()) {
                Some(gid) => gid,
                None => self.user(name.as_str()).map_or(0, |user| user.gid),
            },
            (None, Some(Owner::Id(id))) => *id,
            (None, None) => 0,
        };
        Ok((user.unwrap_or(0), gid))
    }

    pub fn owner_uid(&self, owner: &Owner) -> Result<u32, NoSuchAccount> {
        match owner {
            Owner::Id(id) => Ok(*id),
            Owner::Name(name) => self.uid(name.as_str()).ok_or_else(|| self.no_user(name.as_str())),
        }
    }

    pub fn owner_gid(&self, group: &Owner) -> Result<u32, NoSuchAccount> {
        match group {
            Owner::Id(id) => Ok(*id),
            Owner::Name(name) => self.gid(name.as_str()).ok_or_else(|| self.no_group(name.as_str())),
        }
    }

    pub fn no_user(&self, name: &str) -> NoSuchAccount {
        NoSuchAccount {
            what: "user",
            name: name.into(),
            nearest: super::nearest(name, self.users.iter().map(|u| u.name.as_str())),
        }
    }

    pub fn no_group(&self, name: &str) -> NoSuchAccount {
        NoSuchAccount {
            what: "group",
            name: name.into(),
            nearest: super::nearest(name, self.groups.iter().map(|g| g.name.as_str())),
        }
    }

    /// passwd(5); with `shadow`, passwords are there.
    pub fn passwd(&self, shadow: bool) -> String {
        self.users.iter().fold(String::new(), |mut out, user| {
            let password = if shadow { "x" } else { &user.password };
            let User { name, uid, gid, gecos, home, shell, .. } = user;
            let _ = writeln!(out, "{name}:{password}:{uid}:{gid}:{gecos}:{home}:{shell}");
            out
        })
    }

    /// group(5).
    pub fn group_file(&self, shadow: bool) -> String {
        self.groups.iter().fold(String::new(), |mut out, group| {
            let password = if shadow { "x" } else { &group.password };
            let _ = writeln!(out, "{}:{password}:{}:{}", group.name, group.gid, group.members.join(","));
            out
        })
    }

    /// shadow(5); `day` counts from 1970.
    pub fn shadow(&self, day: i64) -> String {
        self.users.iter().fold(String::new(), |mut out, user| {
            let rest = match user.shadow {
                Shadow::Converted => format!("{}:{day}:0:99999:7:::", user.password),
                Shadow::Useradd => format!("!:{day}::::::"),
                Shadow::Sysusers => format!("!*:{day}::::::"),
                Shadow::SysusersLocked => format!("!*:{day}:::::1:"),
            };
            let _ = writeln!(out, "{}:{rest}", user.name);
            out
        })
    }

    /// gshadow(5).
    pub fn gshadow(&self) -> String {
        self.groups.iter().fold(String::new(), |mut out, group| {
            let password = match group.shadow {
                Shadow::Converted => group.password.as_str(),
                Shadow::Useradd => "!",
                Shadow::Sysusers | Shadow::SysusersLocked => "!*",
            };
            let _ = writeln!(out, "{}:{password}::{}", group.name, group.members.join(","));
            out
        })
    }
}

/// Why the accounts of an image cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// A line that is none.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] crate::path::PathError),
}

/// A user or group that the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}` in this image{}", .nearest.as_ref().map(|near| format!(", but `{near}`")).unwrap_or_default())]
pub struct NoSuchAccount {
    what: &'static str,
    name: String,
    nearest: Option<String>,
}

fn parse_user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let user = User {
        name: fields.next().filter(|name| !name.is_empty())?.to_owned(),
        password: fields.next()?.to_owned(),
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
        gecos: fields.next()?.to_owned(),
        home: fields.next()?.to_owned(),
        shell: fields.next()?.to_owned(),
        shadow: Shadow::Converted,
    };
    fields.next().is_none().then_some(user)
}

fn parse_group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let group = Group {
        name: fields.next().filter(|name| !name.is_empty())?.to_owned(),
        password: fields.next()?.to_owned(),
        gid: fields.next()?.parse().ok()?,
        members: fields.next()?.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect(),
        shadow: Shadow::Converted,
    };
    fields.next().is_none().then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_another_format_are_refused() {
        for bad in ["", "root", "root:x:zero:0::/:/bin/sh", ":x:0:0:::", "root:x:0:0:root:/root:/bin/sh:"] {
            assert!(parse_user(bad).is_none(), "{bad}");
        }
        assert!(parse_group("a:x:-1:").is_none());
        assert_eq!(parse_group("a:x:1:b,c").unwrap().members, ["b", "c"]);
    }

    proptest! {
        #[test]
        fn a_line_that_is_read_is_written_the_same(line in "[a-z]{1,4}:[x*!]?:[0-9]{1,5}:[0-9]{1,5}:[a-z ]{0,5}:/[a-z]{0,3}:/[a-z]{0,3}") {
            if let Some(user) = parse_user(&line) {
                let round = parse_user(Database { users: vec![user.clone()], groups: vec![] }.passwd(false).trim_end());
                prop_assert_eq!(round, Some(user));
            }
        }
    }
}
