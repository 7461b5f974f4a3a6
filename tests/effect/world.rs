//! A small image to run effects over.

use std::collections::{BTreeMap, BTreeSet};

use wharf::deb::{Call, Control, PackageInfo};
use wharf::effect::{self, Context, EffectError};
use wharf::estate::{
    Account, Arch, Distro, EffectUse, Filters, Image, ImageConfig, Layering, Level, LoaderCache, ScriptKind, Support,
    Tier, Worth,
};
use wharf::name::{AccountName, ArchName, DistroName, ImageName, PackageName};
use wharf::path::ImagePath;
use wharf::spec::{Origin as TextOrigin, Sources, Span};
use wharf::tree::{Kind, Node, Origin, Tree};

/// Noon of some day in 2026: shadow's day is 20781.
pub const MTIME: i64 = 20_781 * 86_400 + 43_200;

pub struct World {
    pub image: Image,
    pub arch: Arch,
    pub distro: Distro,
    pub packages: Vec<PackageInfo>,
    pub calls: Vec<Call>,
    pub tree: Tree,
    pub mtime: i64,
}

pub fn span() -> Span {
    let source = Sources::default().add("specs/image.kdl".into(), String::new(), TextOrigin::Project);
    Span { source, start: 0, len: 0 }
}

pub fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

pub fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

pub fn level(image: &str) -> Level {
    Level {
        image: name::<ImageName>(image),
        packages: vec![],
        essential: None,
        recommends: false,
        pins: vec![],
        trees: vec![],
        dirs: vec![],
        files: vec![],
        links: vec![],
        attrs: vec![],
        omits: vec![],
        scripts: vec![],
        build_packages: vec![],
        steps: vec![],
    }
}

pub fn account(text: &str, id: Option<u32>) -> Account {
    Account {
        name: name(text),
        uid: id,
        gid: id,
        groups: vec![],
        home: None,
        shell: None,
        gecos: None,
        group_only: false,
        span: span(),
    }
}

pub fn package(text: &str, fields: &[(&str, &str)]) -> PackageInfo {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let base = [("Package".to_owned(), text.to_owned()), ("Version".to_owned(), "1".to_owned())];
    PackageInfo {
        name: name(text),
        version: "1".into(),
        arch: "amd64".into(),
        control: Control::new(base.into_iter().chain(fields).collect()),
        members: BTreeMap::new(),
        conffiles: vec![],
    }
}

impl World {
    pub fn new() -> Self {
        Self {
            image: Image {
                name: name("app"),
                distro: name("debian-trixie"),
                arch: name("x86_64"),
                summary: None,
                support: support(),
                levels: vec![level("app")],
                accounts: BTreeMap::new(),
                config: ImageConfig::default(),
                version_from: None,
                own_versions: false,
                layering: Layering::Lineage,
                tests: vec![],
                span: span(),
            },
            arch: Arch {
                name: name::<ArchName>("x86_64"),
                oci: "amd64".into(),
                debian: "amd64".into(),
                triplet: "x86_64-linux-gnu".into(),
                qemu: "qemu-x86_64-static".into(),
                loader: LoaderCache {
                    flags: 0x0303,
                    machine: 62,
                    interpreter: "/lib64/ld-linux-x86-64.so.2".into(),
                    hwcaps: vec![],
                },
            },
            distro: Distro {
                name: name::<DistroName>("debian-trixie"),
                default: true,
                arches: vec![],
                archives: vec![],
                pins: vec![],
                filters: Filters::default(),
                snippets: vec![],
                scripts: vec![],
                bytecode: None,
                accounts: BTreeMap::new(),
                tier: None,
                span: span(),
            },
            packages: vec![],
            calls: vec![],
            tree: Tree::default(),
            mtime: MTIME,
        }
    }

    /// What a package ships.
    pub fn ship(&mut self, at: &str, text: &str) -> &mut Self {
        let node = Node::file(text, Origin::Package(name("some-package")), 0);
        self.place(at, node)
    }

    pub fn ship_link(&mut self, at: &str, target: &str) -> &mut Self {
        let node = Node::symlink(target, Origin::Package(name("some-package")), 0);
        self.place(at, node)
    }

    pub fn ship_dir(&mut self, at: &str, mode: u16) -> &mut Self {
        let node = Node::dir(Origin::Package(name("some-package")), 0).with_mode(mode);
        self.place(at, node)
    }

    fn place(&mut self, at: &str, node: Node) -> &mut Self {
        let mut parent = path(at).parent();
        while let Some(dir) = parent {
            if self.tree.get(&dir).is_none() {
                self.tree.place(dir.clone(), Node::dir(Origin::Package(name("some-package")), 0));
            }
            parent = dir.parent();
        }
        self.tree.place(path(at), node);
        self
    }

    /// A script that was judged to be worth `effects`.
    pub fn call(&mut self, package: &str, text: &str, effects: &[&str]) -> &mut Worth {
        let effects =
            effects.iter().map(|name| EffectUse { name: (*name).into(), arguments: vec![] }).collect::<Vec<_>>();
        self.calls.push(Call {
            package: name(package),
            kind: ScriptKind::Postinst,
            text: text.into(),
            worth: Worth { effects, ..Worth::default() },
        });
        &mut self.calls.last_mut().unwrap().worth
    }

    pub fn distro_account(&mut self, text: &str, id: u32) -> &mut Self {
        self.distro.accounts.insert(name::<AccountName>(text), account(text, Some(id)));
        self
    }

    pub fn image_account(&mut self, account: Account) -> &mut Self {
        self.image.accounts.insert(account.name.clone(), account);
        self
    }

    pub fn level(&mut self) -> &mut Level {
        self.image.levels.last_mut().unwrap()
    }

    pub fn run(&mut self) -> Result<&mut Self, EffectError> {
        let context = Context {
            image: &self.image,
            arch: &self.arch,
            distro: &self.distro,
            packages: &self.packages,
            calls: &self.calls,
            mtime: self.mtime,
        };
        effect::run(&mut self.tree, &context)?;
        Ok(self)
    }

    /// The message and the help of what went wrong.
    pub fn fails(&mut self) -> String {
        use miette::Diagnostic as _;
        let error = self.run().err().unwrap();
        match error.help() {
            Some(help) => format!("{error}\nhelp: {help}"),
            None => error.to_string(),
        }
    }

    pub fn text(&self, at: &str) -> String {
        self.tree.read_text(&path(at)).unwrap().unwrap_or_else(|| panic!("no {at}"))
    }

    /// `mode uid:gid` and what it is.
    pub fn stat(&self, at: &str) -> String {
        let Some(node) = self.tree.get(&path(at)) else { return "-".into() };
        let kind = match &node.kind {
            Kind::Dir => "dir".to_owned(),
            Kind::File(_) => "file".to_owned(),
            Kind::Symlink(target) => format!("-> {target}"),
            Kind::Hardlink(to) => format!("= {to}"),
        };
        format!("{:04o} {}:{} {kind}", node.mode, node.uid, node.gid)
    }

    /// What somebody wrote, one line a path.
    pub fn touched(&self) -> String {
        let touched: BTreeSet<&ImagePath> = self.tree.touched().map(|(path, _)| path).collect();
        touched.iter().map(|path| format!("{path} {}\n", self.stat(path.as_str()))).collect()
    }
}

fn support() -> Support {
    Support { tier: Tier::Maintained, deprecated_since: None, removed_in: None, unbuildable: None }
}

pub fn package_name(text: &str) -> PackageName {
    name(text)
}
