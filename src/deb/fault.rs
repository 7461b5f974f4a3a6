//! What can be wrong with a .deb.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::name::PackageName;

/// A .deb that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{}`{}` cannot be used: {fault}", .package.as_ref().map(|name| format!("package `{name}` in ")).unwrap_or_default(), .file.display())]
#[diagnostic(code(wharf::deb), help("{}", .fault.help()))]
pub struct DebError {
    /// The file.
    pub file: PathBuf,
    /// The package, once the file has said which.
    pub package: Option<PackageName>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a .deb; paths are as the package names them.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system said no.
    #[error("reading it ends with: {0}")]
    Io(io::Error),
    /// No place to keep what was unpacked.
    #[error("what it holds cannot be kept: {0}")]
    Spool(io::Error),
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// No ar archive.
    #[error("it is no Debian package: it does not begin with `!<arch>`")]
    NotAr,
    /// A header of the ar archive.
    #[error("a header of its ar archive is broken")]
    ArHeader,
    /// It ends too early.
    #[error("it ends in the middle of {0}")]
    Truncated(String),
    /// Other bytes than expected.
    #[error("its digest is {found}, not {expected}")]
    OtherDigest {
        /// What the lock or the index says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// `debian-binary` of another major version.
    #[error("its format is `{}`, not 2.x", .0.escape_default())]
    Format(String),
    /// Members in another order than deb(5) has them.
    #[error("it has `{found}` where {wanted} is expected")]
    MemberOrder {
        /// What is there.
        found: String,
        /// What deb(5) wants.
        wanted: &'static str,
    },
    /// A member is not there.
    #[error("it has no {0}")]
    MemberMissing(&'static str),
    /// A compression that is not read.
    #[error("`{0}` is compressed in a way that wharf does not read")]
    Codec(String),
    /// A decoder's word.
    #[error("`{member}` cannot be unpacked: {why}")]
    Unpack {
        /// The ar member.
        member: String,
        /// The decoder's word.
        why: String,
    },
    /// More bytes than one would ever expect.
    #[error("`{member}` unpacks to more than {limit} bytes")]
    Bomb {
        /// The ar member.
        member: String,
        /// The bound.
        limit: u64,
    },
    /// More members than one would ever expect.
    #[error("`{member}` has more than {limit} members")]
    TooMany {
        /// The ar member.
        member: String,
        /// The bound.
        limit: u64,
    },
    /// A header of a tar member.
    #[error("a header in `{member}` is broken: {why}")]
    TarHeader {
        /// The ar member.
        member: String,
        /// What is wrong.
        why: String,
    },
    /// A path that leaves the image, or is none.
    #[error("{0}")]
    Path(String),
    /// Something that no image holds.
    #[error("`{path}` is {what}")]
    Kind {
        /// Where.
        path: String,
        /// `a device node`
        what: &'static str,
    },
    /// A symbolic link that climbs.
    #[error("the symbolic link `{path}` leaves the image: `{}`", .target.escape_default())]
    LinkLeaves {
        /// Where.
        path: String,
        /// Its text.
        target: String,
    },
    /// A symbolic link without a usable text.
    #[error("the symbolic link `{path}` has a text that is {why}")]
    LinkText {
        /// Where.
        path: String,
        /// `empty`
        why: &'static str,
    },
    /// A hard link to something else than an earlier file of the package.
    #[error("the hard link `{path}` leads to `{}`, which is no file before it in the package", .target.escape_default())]
    HardlinkTarget {
        /// Where.
        path: String,
        /// Its text.
        target: String,
    },
    /// The same path twice.
    #[error("it has `{0}` twice")]
    Twice(String),
    /// Two paths that are one once `/bin`, `/lib` and so on are links into `/usr`.
    #[error("it has both `{first}` and `{second}`, which are one path in an image with merged /usr")]
    MergedTwice {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// A path below something that is no directory.
    #[error("it has `{path}` below `{above}`, which is no directory")]
    BelowFile {
        /// The path.
        path: String,
        /// What is no directory.
        above: String,
    },
    /// A member of control.tar.
    #[error("its control member `{}` {why}", .name.escape_default())]
    Control {
        /// The member.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Fault {
    /// What a person can do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Io(_) => "look at the disk that the cache is on",
            Self::Spool(_) => "free space in the cache's folder, or name another with `--cache DIR`",
            Self::Empty | Self::Truncated(_) | Self::OtherDigest { .. } | Self::Unpack { .. } => {
                "the file is damaged: take it away and fetch it again; an archive of one's own needs a whole .deb"
            }
            Self::NotAr | Self::ArHeader | Self::Format(_) | Self::MemberOrder { .. } | Self::MemberMissing(_) => {
                "deb(5) says how a package is made; `dpkg-deb --info FILE` says what dpkg thinks of this one"
            }
            Self::Codec(_) => "build the package again with `dpkg-deb -Zxz`, `-Zzstd` or `-Zgzip`",
            Self::Bomb { .. } | Self::TooMany { .. } => {
                "no package of Debian comes near the limit: do not use this file unless you know who made it"
            }
            Self::TarHeader { .. }
            | Self::Path(_)
            | Self::Kind { .. }
            | Self::LinkLeaves { .. }
            | Self::LinkText { .. }
            | Self::HardlinkTarget { .. }
            | Self::Twice(_)
            | Self::MergedTwice { .. }
            | Self::BelowFile { .. } => "the package has to be built again without it: tell those who make it",
            Self::Control { .. } => "the package has to be built again with a valid control archive (deb-control(5))",
        }
    }
}
