//! passwd, group, shadow and gshadow: base-passwd's masters, the accounts that packages' scripts and their
//! sysusers.d files make, and the image's own. Ids never come from what happened to be free: they are the
//! image's `account` nodes', the script's judgement's, or the distro's.

use std::collections::{BTreeMap, BTreeSet};

use crate::estate::Account;
use crate::name::AccountName;
use crate::path::PathError;
use crate::spec::Span;
use crate::tree::{Tree, TreeError};

use super::database::{Database, DatabaseError, Group, NoSuchAccount, Shadow, User};
use super::sysusers::{self, Id, Line, SysusersError};
use super::{Context, at};

/// Why the accounts cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum AccountError {
    /// Packages make accounts for which nobody fixed an id.
    #[error("packages make accounts that have no fixed id: {}", list(.missing))]
    #[diagnostic(
        code(wharf::effect::account_without_id),
        help("give each an id in the image, or for all images in the distro; these ids are free:\n{}", nodes(.missing))
    )]
    NoId {
        /// What is missing, with an id that is free.
        missing: Vec<Missing>,
    },
    /// Two names, one id.
    #[error("`{first}` and `{second}` both have {what} {id}")]
    #[diagnostic(code(wharf::effect::account_id_taken), help("give one of their `account` nodes another id"))]
    Taken {
        /// `uid` or `gid`.
        what: &'static str,
        /// The id.
        id: u32,
        /// Who had it.
        first: String,
        /// Who wants it too.
        second: String,
        /// The node of the second, where it has one.
        span: Option<Span>,
    },
    /// An id that Debian fixed otherwise.
    #[error("the account `{name}` has {what} {is} in this distribution, and cannot have {wanted}")]
    #[diagnostic(
        code(wharf::effect::account_fixed),
        help("files of packages are owned by that number: take uid= and gid= out of the node, or use another account")
    )]
    Fixed {
        /// The account.
        name: AccountName,
        /// `uid` or `gid`.
        what: &'static str,
        /// What it is.
        is: u32,
        /// What the node says.
        wanted: u32,
        /// The node.
        span: Span,
    },
    /// A membership in a group that is not there.
    #[error("`{member}` cannot be in its group: {why}")]
    #[diagnostic(
        code(wharf::effect::no_such_group),
        help("make the group with `account \"…\" gid=… group-only=#true`")
    )]
    NoGroup {
        /// Who.
        member: String,
        /// What is missing.
        why: NoSuchAccount,
        /// The node, where there is one.
        span: Option<Span>,
    },
    /// sysusers.d
    #[error(transparent)]
    Sysusers(#[from] SysusersError),
    /// A file that cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl AccountError {
    /// Where a person wrote what is wrong.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Taken { span, .. } | Self::NoGroup { span, .. } => *span,
            Self::Fixed { span, .. } => Some(*span),
            _ => None,
        }
    }
}

/// An account without an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// The package that makes it.
    pub package: String,
    /// Whether it is a group alone.
    pub group_only: bool,
    /// An id that nothing uses yet.
    pub free: u32,
}

fn list(missing: &[Missing]) -> String {
    let names: Vec<String> = missing.iter().map(|one| format!("`{}` (made by {})", one.name, one.package)).collect();
    names.join(", ")
}

fn nodes(missing: &[Missing]) -> String {
    let lines: Vec<String> = missing
        .iter()
        .map(|Missing { name, group_only, free, .. }| match group_only {
            true => format!("    account \"{name}\" gid={free} group-only=#true"),
            false => format!("    account \"{name}\" uid={free} gid={free}"),
        })
        .collect();
    lines.join("\n")
}

/// What somebody wants made.
struct Wish {
    name: String,
    by: By,
    uid: Option<u32>,
    gid: Option<u32>,
    group_only: bool,
    /// A primary group other than its own.
    group: Option<String>,
    gecos: String,
    home: Option<String>,
    shell: Option<String>,
    groups: Vec<String>,
    shadow: Shadow,
}

enum By {
    Package(String),
    Image(Span),
}

impl By {
    fn span(&self) -> Option<Span> {
        match self {
            Self::Package(_) => None,
            Self::Image(span) => Some(*span),
        }
    }
}

struct Maker<'a> {
    database: Database,
    /// Names whose ids are Debian's own.
    masters: BTreeSet<String>,
    context: &'a Context<'a>,
    missing: BTreeMap<String, Missing>,
    members: Vec<(String, String, Option<Span>)>,
}

/// Makes all accounts of the image.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), AccountError> {
    let (passwd, group) = (at("/etc/passwd")?, at("/etc/group")?);
    let base = context.calls_for("base-passwd").next();
    let database = match base {
        Some(_) => Database::read(
            tree,
            &at("/usr/share/base-passwd/passwd.master")?,
            &at("/usr/share/base-passwd/group.master")?,
        )?,
        None => Database::read(tree, &passwd, &group)?,
    };
    let masters =
        database.users.iter().map(|u| &u.name).chain(database.groups.iter().map(|g| &g.name)).cloned().collect();
    let mut maker = Maker { database, masters, context, missing: BTreeMap::new(), members: Vec::new() };
    for wish in wishes(tree, context, &mut maker.members)? {
        maker.make(wish)?;
    }
    if !maker.missing.is_empty() {
        return Err(AccountError::NoId { missing: maker.missing.into_values().collect() });
    }
    let database = maker.finish()?;
    if database.users.is_empty() && database.groups.is_empty() {
        return Ok(());
    }
    // passwd's postinst turns shadow passwords on; without the package nothing could read them.
    let shadow = tree.lookup(&at("/usr/sbin/pwconv")?).is_some();
    let file = |text: String| context.file("accounts", text);
    tree.insert(&passwd, file(database.passwd(shadow)))?;
    tree.insert(&group, file(database.group_file(shadow)))?;
    if shadow {
        let gid = database.gid("shadow").unwrap_or(0);
        let day = context.mtime.div_euclid(86_400);
        tree.insert(&at("/etc/shadow")?, file(database.shadow(day)).with_mode(0o640).owned_by(0, gid))?;
        tree.insert(&at("/etc/gshadow")?, file(database.gshadow()).with_mode(0o640).owned_by(0, gid))?;
    }
    for path in ["/etc/subuid", "/etc/subgid"] {
        if base.is_some_and(|call| call.text.contains(path)) && tree.lookup(&at(path)?).is_none() {
            tree.insert(&at(path)?, file(String::new()))?;
        }
    }
    Ok(())
}

fn wishes(
    tree: &Tree,
    context: &Context<'_>,
    members: &mut Vec<(String, String, Option<Span>)>,
) -> Result<Vec<Wish>, AccountError> {
    let mut wishes = Vec::new();
    for call in context.calls {
        for account in &call.worth.accounts {
            wishes.push(Wish::of(account, By::Package(call.package.to_string())));
        }
        for used in call.worth.effects.iter().filter(|used| used.name == "sysusers") {
            for line in sysusers::of_call(tree, call, &used.arguments)? {
                match line {
                    Line::Member { user, group } => members.push((user, group, None)),
                    Line::Group { name, id } => wishes.push(Wish {
                        gid: known(tree, &id)?.map(|(_, gid)| gid),
                        group_only: true,
                        shadow: Shadow::Sysusers,
                        ..Wish::new(name, By::Package(call.package.to_string()))
                    }),
                    Line::User { name, id, group, gecos, home, shell, locked } => {
                        let ids = known(tree, &id)?;
                        wishes.push(Wish {
                            uid: ids.map(|(uid, _)| uid),
                            gid: ids.map(|(_, gid)| gid),
                            group,
                            gecos,
                            // systemd-sysusers's own defaults, not useradd's
                            home: Some(home.unwrap_or_else(|| "/".to_owned())),
                            shell,
                            shadow: if locked { Shadow::SysusersLocked } else { Shadow::Sysusers },
                            ..Wish::new(name, By::Package(call.package.to_string()))
                        });
                    }
                }
            }
        }
    }
    wishes.extend(context.image.accounts.values().map(|account| Wish::of(account, By::Image(account.span))));
    Ok(wishes)
}

fn known(tree: &Tree, id: &Id) -> Result<Option<(u32, u32)>, AccountError> {
    Ok(match id {
        Id::Any => None,
        Id::Fixed(id) => Some((*id, *id)),
        Id::OwnerOf(path) => tree.lookup(&at(path)?).map(|(_, node)| (node.uid, node.gid)),
    })
}

impl Wish {
    fn new(name: String, by: By) -> Self {
        Self {
            name,
            by,
            uid: None,
            gid: None,
            group_only: false,
            group: None,
            gecos: String::new(),
            home: None,
            shell: None,
            groups: Vec::new(),
            shadow: Shadow::Useradd,
        }
    }

    fn of(account: &Account, by: By) -> Self {
        Self {
            uid: account.uid,
            gid: account.gid,
            group_only: account.group_only,
            home: account.home.as_ref().map(ToString::to_string),
            shell: account.shell.as_ref().map(ToString::to_string),
            gecos: account.gecos.clone().unwrap_or_default(),
            groups: account.groups.iter().map(ToString::to_string).collect(),
            ..Self::new(account.name.to_string(), by)
        }
    }
}

impl Maker<'_> {
    fn make(&mut self, mut wish: Wish) -> Result<(), AccountError> {
        let own = self.context.image.accounts.get(wish.name.as_str());
        let distro = self.context.distro.accounts.get(wish.name.as_str());
        for group in std::mem::take(&mut wish.groups) {
            self.members.push((wish.name.clone(), group, wish.by.span()));
        }
        if self.masters.contains(&wish.name) {
            return self.keep_master(&wish);
        }
        // What a package makes takes the image's word on everything that the image's node says.
        if let Some(own) = own {
            wish.uid = own.uid.or(wish.uid);
            wish.gid = own.gid.or(own.uid).or(wish.gid);
            wish.home = own.home.as_ref().map(ToString::to_string).or(wish.home);
            wish.shell = own.shell.as_ref().map(ToString::to_string).or(wish.shell);
            wish.gecos = own.gecos.clone().unwrap_or(wish.gecos);
        }
        wish.uid = wish.uid.or_else(|| distro.and_then(|account| account.uid));
        wish.gid = wish.gid.or_else(|| distro.and_then(|account| account.gid)).or(wish.uid);
        if wish.group_only {
            if self.database.group(&wish.name).is_some() {
                return Ok(());
            }
            match wish.gid {
                Some(gid) => self.group(&wish, gid)?,
                None => self.miss(&wish),
            }
            return Ok(());
        }
        if self.database.user(&wish.name).is_some() {
            return Ok(());
        }
        let Some(uid) = wish.uid else {
            self.miss(&wish);
            return Ok(());
        };
        let gid = match &wish.group {
            Some(group) => match group.parse().ok().or_else(|| self.database.gid(group)) {
                Some(gid) => gid,
                None => return Err(self.no_group(&wish.name, group, wish.by.span())),
            },
            None => match self.database.gid(&wish.name) {
                Some(gid) => gid,
                None => {
                    let gid = wish.gid.unwrap_or(uid);
                    // The id of one of the distro's own groups, nogroup mostly: no group of its own.
                    let shared = |group: &Group| group.gid == gid && self.masters.contains(&group.name);
                    if !self.database.groups.iter().any(shared) {
                        self.group(&wish, gid)?;
                    }
                    gid
                }
            },
        };
        if let Some(other) = self.database.users.iter().find(|user| user.uid == uid) {
            return Err(taken("uid", uid, &other.name, &wish));
        }
        self.database.users.push(User {
            name: wish.name,
            password: "!".to_owned(),
            uid,
            gid,
            gecos: wish.gecos,
            home: wish.home.unwrap_or_else(|| "/nonexistent".to_owned()),
            shell: wish.shell.unwrap_or_else(|| "/usr/sbin/nologin".to_owned()),
            shadow: wish.shadow,
        });
        Ok(())
    }

    fn group(&mut self, wish: &Wish, gid: u32) -> Result<(), AccountError> {
        if self.database.group(&wish.name).is_some() {
            return Ok(());
        }
        if let Some(other) = self.database.groups.iter().find(|group| group.gid == gid) {
            return Err(taken("gid", gid, &other.name, wish));
        }
        self.database.groups.push(Group {
            name: wish.name.clone(),
            password: "!".to_owned(),
            gid,
            members: Vec::new(),
            shadow: wish.shadow,
        });
        Ok(())
    }

    /// An account of the distribution stays as it is; the image may give it a home and a shell, never other ids.
    fn keep_master(&mut self, wish: &Wish) -> Result<(), AccountError> {
        let By::Image(span) = wish.by else { return Ok(()) };
        let fixed = |what, is: Option<u32>, wanted: Option<u32>| match (is, wanted) {
            (Some(is), Some(wanted)) if is != wanted => match AccountName::new(wish.name.clone()) {
                Ok(name) => Err(AccountError::Fixed { name, what, is, wanted, span }),
                Err(_) => Ok(()),
            },
            _ => Ok(()),
        };
        fixed("gid", self.database.group(&wish.name).map(|group| group.gid), wish.gid)?;
        if let Some(user) = self.database.users.iter_mut().find(|user| user.name == wish.name) {
            fixed("uid", Some(user.uid), wish.uid)?;
            user.home = wish.home.clone().unwrap_or_else(|| std::mem::take(&mut user.home));
            user.shell = wish.shell.clone().unwrap_or_else(|| std::mem::take(&mut user.shell));
        }
        Ok(())
    }

    fn miss(&mut self, wish: &Wish) {
        let package = match &wish.by {
            By::Package(package) => package.as_str(),
            By::Image(_) => "the image itself",
        };
        if self.missing.contains_key(&wish.name) {
            return;
        }
        let fixed = || self.context.distro.accounts.values().chain(self.context.image.accounts.values());
        let taken: BTreeSet<u32> = fixed()
            .flat_map(|account| [account.uid, account.gid])
            .flatten()
            .chain(self.database.users.iter().map(|user| user.uid))
            .chain(self.database.groups.iter().map(|group| group.gid))
            .chain(self.missing.values().map(|missing| missing.free))
            .collect();
        // Debian Policy 9.2.2: dynamically allocated system users are 100 to 999.
        let free = (100..=999).find(|id| !taken.contains(id)).unwrap_or(999);
        let (name, package, group_only) = (wish.name.clone(), package.to_owned(), wish.group_only);
        self.missing.insert(name.clone(), Missing { name, package, group_only, free });
    }

    fn no_group(&self, member: &str, group: &str, span: Option<Span>) -> AccountError {
        AccountError::NoGroup { member: member.to_owned(), why: self.database.no_group(group), span }
    }

    fn finish(mut self) -> Result<Database, AccountError> {
        for (member, group, span) in std::mem::take(&mut self.members) {
            match self.database.groups.iter_mut().find(|found| found.name == group) {
                Some(group) if group.members.contains(&member) => {}
                Some(group) => group.members.push(member),
                None => return Err(self.no_group(&member, &group, span)),
            }
        }
        Ok(self.database)
    }
}

fn taken(what: &'static str, id: u32, first: &str, wish: &Wish) -> AccountError {
    AccountError::Taken { what, id, first: first.to_owned(), second: wish.name.clone(), span: wish.by.span() }
}
