//! Specs resolved: inheritance, conditions and variables gone, one value per image, distro and arch.
//!
//! [`Project`] holds everything that the build half needs; nothing below it reads KDL again.

mod arch;
mod catalogue;
mod distro;
mod files;
mod folder;
mod format;
mod hosts;
mod image;
mod load;
mod place;
mod project;
mod secret;
mod service;
mod text;

pub use arch::{Arch, LoaderCache};
pub use catalogue::{Entry as CatalogueEntry, EntryKind as CatalogueEntryKind, entries as catalogue_entries};
pub use distro::{
    Alternative, Archive, ArchiveSource, Bytecode, Distro, Diversion, EFFECTS, EffectUse, Filters, Pin, ScriptKind,
    ScriptRule, Snippet, SnippetRule, UcfFile, Worth,
};
pub use files::{FileSource, Template, Tree, TreeContent, TreeFile};
pub use folder::unpack_catalogue;
pub use format::{Format, UnknownFormat};
pub use hosts::{Bind, Cell, Estate, External, ExternalProvide, Host, Interface, RoleChanges, Share, Stamp, Vip};
pub use image::{
    Account, Attr, Compression, CopySource, Dir, File, FileContent, Health, Image, ImageConfig, Layering, Level, Link,
    Mode, Omit, Owner, Package, Program, Relation, Run, ScriptDecision, Step, StepCopy, StepMount, StepSecret, Support,
    Test, Tier, Volume,
};
pub use load::{find_root, load};
pub use place::{Binding, Front, Group, Placed, Provider, is_file, volume};
pub use project::{ImageKey, ImageSpec, Project};
pub use secret::{Alphabet, Generate, Lifetime, Rule, SecretUser, Secrets};
pub use service::{
    Change, Config, ConfigContent, Container, Grant, HostDir, HostNeeds, KeyChange, Life, Limits, Listen, Mount,
    MountSource, Namespace, Need, Network, Notify, OnChange, OnFailure, OncePer, Override, Overrides, Port, Provide,
    Publish, Relax, Reload, Restart, RunAs, Scope, SecretUse, Service, Stateful, Task, TaskEvent, TaskPhase, TaskWhen,
    Tmpfs, Transport, Undo, Update, UpdateFailure, VarValue,
};
pub use text::Text;
