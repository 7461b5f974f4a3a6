//! Images before they meet a target: their nodes under their conditions, and their heads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::name::{ArchName, DistroName, ImageName};
use crate::spec::{Log, Mistake, Node, Reader, Span, Spanned, Value, did_you_mean};

use super::super::{Arch, Distro, Tier};
use super::merge::{Part, Rank, merge};
use super::shape::{HEAD, Holder};
use super::top::{Spec, Top};

/// A distro and an arch.
#[derive(Debug)]
pub(super) struct Target {
    pub distro: DistroName,
    pub arch: ArchName,
    /// The lower of the distro's and the arch's tier.
    pub tier: Option<Tier>,
    /// What `${…}` has without a `let`.
    pub built_in: BTreeMap<&'static str, String>,
}

impl Target {
    pub fn new(distro: &Distro, arch: &Arch, tier: Option<Tier>) -> Self {
        let built_in = BTreeMap::from([
            ("arch", arch.name.to_string()),
            ("oci-arch", arch.oci.clone()),
            ("debian-arch", arch.debian.clone()),
            ("triplet", arch.triplet.clone()),
            ("distro", distro.name.to_string()),
        ]);
        Self { distro: distro.name.clone(), arch: arch.name.clone(), tier: tier.max(distro.tier), built_in }
    }

    /// Stands in where a project has no targets, so that its images are read all the same.
    pub fn nowhere() -> Option<Self> {
        let names = ["arch", "oci-arch", "debian-arch", "triplet", "distro"];
        let built_in = names.into_iter().map(|name| (name, "none".to_owned())).collect();
        Some(Self { distro: DistroName::new("none").ok()?, arch: ArchName::new("none").ok()?, tier: None, built_in })
    }
}

/// The names that conditions may use.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pub arches: &'a [&'a str],
    pub distros: &'a [&'a str],
}

/// `arch="a|b" distro="c"`: no names, any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Match {
    pub arches: Vec<String>,
    pub distros: Vec<String>,
}

impl Match {
    fn read(reader: &mut Reader<'_, '_>, names: &Names<'_>) -> Self {
        let arches = reader.property_value("arch").map(|value| list(reader, value, "arch", names.arches));
        let distros = reader.property_value("distro").map(|value| list(reader, value, "distro", names.distros));
        Self { arches: arches.unwrap_or_default(), distros: distros.unwrap_or_default() }
    }

    pub fn holds(&self, target: &Target) -> bool {
        let is = |list: &[String], name: &str| list.is_empty() || list.iter().any(|known| known == name);
        is(&self.arches, target.arch.as_str()) && is(&self.distros, target.distro.as_str())
    }

    /// How many properties it has.
    pub fn precision(&self) -> usize {
        usize::from(!self.arches.is_empty()) + usize::from(!self.distros.is_empty())
    }
}

/// `"a|b"`, each a known name.
fn list(reader: &mut Reader<'_, '_>, value: &Value, kind: &str, known: &[&str]) -> Vec<String> {
    let text: String = reader.read(value).unwrap_or_default();
    let names: Vec<String> = text.split('|').map(|name| name.trim().to_owned()).collect();
    for name in names.iter().filter(|name| !known.contains(&name.as_str()) && value.as_text().is_some()) {
        let mistake = Mistake::new("unknown-name", value.span, format!("there is no {kind} `{name}`"));
        reader.mistake(mistake.label("not known").help_if(did_you_mean(name, known.iter().copied())));
    }
    names
}

/// `when …` or `unless …`
#[derive(Debug)]
pub(super) struct Condition {
    unless: bool,
    of: Match,
}

impl Condition {
    pub fn holds(&self, target: &Target) -> bool {
        self.of.holds(target) != self.unless
    }
}

/// A node of an image and the conditions that it stands under, by number.
#[derive(Debug)]
pub(super) struct Conditional<'a> {
    pub part: Part<'a>,
    pub conditions: Vec<usize>,
}

/// An image before it meets a target.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub name: ImageName,
    pub title: String,
    pub folder: usize,
    pub span: Span,
    pub parts: Vec<Conditional<'a>>,
    pub conditions: Vec<Condition>,
    pub head: Head,
}

/// What holds wherever the image is built.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub from: Option<Spanned<ImageName>>,
    pub tier: Option<Tier>,
    pub support: Vec<(Match, Tier)>,
    pub deprecated_since: Option<String>,
    pub removed_in: Option<String>,
    pub build_for: Vec<Match>,
    pub unbuildable: Vec<(Match, String)>,
}

/// Reads every image as far as no target is needed.
pub(super) fn plans<'a>(top: &'a Top<'a>, names: &Names<'_>, log: &mut Log) -> BTreeMap<ImageName, Plan<'a>> {
    let mut plans = BTreeMap::new();
    for spec in top.images.values() {
        let Some(name) = spec.name::<ImageName>(log) else { continue };
        plans.insert(name.clone(), plan(name, spec, names, log));
    }
    plans
}

fn plan<'a>(name: ImageName, spec: &'a Spec<'a>, names: &Names<'_>, log: &mut Log) -> Plan<'a> {
    let title = spec.title();
    let (mut heads, mut parts, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
    for part in spec.parts() {
        if HEAD.contains(&part.node.name.value.as_str()) {
            heads.push(part);
        } else if let Cow::Borrowed(node) = part.node {
            flatten(node, part.rank, &[], &mut parts, &mut conditions, names, log);
        }
    }
    let heads = merge(Holder::Image, &title, heads, log);
    let head = head(&heads, names, log);
    Plan { name, title, folder: spec.folder, span: spec.span(), parts, conditions, head }
}

fn flatten<'a>(
    node: &'a Node,
    rank: Rank,
    under: &[usize],
    parts: &mut Vec<Conditional<'a>>,
    conditions: &mut Vec<Condition>,
    names: &Names<'_>,
    log: &mut Log,
) {
    let name = node.name.value.as_str();
    if !matches!(name, "when" | "unless") {
        if !under.is_empty() && (HEAD.contains(&name) || name == "remove") {
            let mistake = Mistake::new("not-here", node.name.span, format!("`{name}` cannot depend on a condition"));
            log.push(mistake.label("move this out of the block"));
            return;
        }
        parts.push(Conditional { part: Part { node: Cow::Borrowed(node), rank }, conditions: under.to_vec() });
        return;
    }
    let mut reader = Reader::new(node, log);
    let of = Match::read(&mut reader, names);
    if of.precision() == 0 {
        let mistake =
            Mistake::new("missing", node.span, format!("`{name}` has no condition")).label("always or never?");
        reader.mistake(mistake.help(format!("write {name} arch=\"ppc64le\" {{ … }}, distro=\"…\", or both")));
    }
    reader.any_children();
    reader.finish();
    let under: Vec<usize> = under.iter().copied().chain([conditions.len()]).collect();
    conditions.push(Condition { unless: name == "unless", of });
    for child in &node.children {
        flatten(child, Rank { depth: rank.depth + 1, ..rank }, &under, parts, conditions, names, log);
    }
}

fn head(nodes: &[Cow<'_, Node>], names: &Names<'_>, log: &mut Log) -> Head {
    let mut head = Head::default();
    for node in nodes {
        let mut reader = Reader::new(node, log);
        match node.name.value.as_str() {
            "from" => {
                let value = reader.value("an image");
                head.from = value.and_then(|value| Some(Spanned::new(reader.read(value)?, value.span)));
            }
            "tier" => head.tier = reader.argument("a tier"),
            "support" => {
                let of = somewhere(&mut reader, names);
                let tier = reader.required("tier", "tier=\"best-effort\"");
                head.support.extend(tier.map(|tier| (of, tier)));
            }
            "deprecated" => {
                head.deprecated_since = reader.required("since", "since=\"2026.2\"");
                head.removed_in = reader.property("removed");
            }
            "unbuildable" => {
                let of = somewhere(&mut reader, names);
                let reason = reader.required("reason", "reason=\"…\"");
                head.unbuildable.extend(reason.map(|reason| (of, reason)));
            }
            _ => head.build_for.push(somewhere(&mut reader, names)),
        }
        reader.finish();
    }
    head
}

/// `arch=`, `distro=` or both.
fn somewhere(reader: &mut Reader<'_, '_>, names: &Names<'_>) -> Match {
    let of = Match::read(reader, names);
    if of.precision() == 0 {
        let name = reader.node().name.value.clone();
        let mistake = Mistake::new("missing", reader.span(), format!("`{name}` does not say where"));
        reader.mistake(mistake.label("where?").help("give arch=, distro= or both"));
    }
    of
}
