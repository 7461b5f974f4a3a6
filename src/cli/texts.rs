//! `wharf plan --diff`: what files and units say now, and what they will say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::course::Planned;
use crate::apply::Fleet;
use crate::desired::HostDesired;
use crate::digest::Digest;
use crate::host::{Content, Facts, Text};
use crate::name::HostName;
use crate::plan::{Change, Reason};
use crate::unit::Meaning;
use crate::unit::container::{Container, Source};

/// Larger files are said to be so, in bytes.
const MOST: u64 = 256 << 10;

/// Old texts, by their digests.
pub type Texts = BTreeMap<Digest, Text>;

/// What one file said and will say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    /// Where it lies; `GROUP:PATH` where a container sees it.
    label: String,
    old: Option<Side>,
    new: Option<Digest>,
}

/// Where the old text lies on its host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Side {
    digest: Digest,
    path: String,
}

/// A difference that some hosts have alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// What differs: a path, or `GROUP:PATH` where a container sees it.
    pub object: String,
    /// Where.
    pub hosts: BTreeSet<HostName>,
    /// Unified, or a sentence where it cannot be shown.
    pub text: String,
}

/// All differences of a plan. Old texts are asked for, unless they are known.
pub fn differences(planned: &Planned, fleet: &Fleet<'_>, texts: &mut Texts) -> Vec<Difference> {
    let mut pairs: BTreeMap<Pair, BTreeSet<HostName>> = BTreeMap::new();
    let mut new: BTreeMap<Digest, Text> = BTreeMap::new();
    let mut said: BTreeMap<(String, String), BTreeSet<HostName>> = BTreeMap::new();
    let empty = (Content::default(), HostDesired::default());
    for (name, host) in &planned.plan.hosts {
        let Some(facts) = planned.known.get(name).and_then(|facts| facts.as_ref().ok()) else { continue };
        let wanted = planned.wanted.get(name).unwrap_or(&empty.0);
        let desired = planned.desired.hosts.get(name).unwrap_or(&empty.1);
        let sight = Sight { facts, wanted };
        for change in &host.changes {
            for pair in sight.pairs(change) {
                if let Some((digest, path)) = pair.new.zip(sight.source(&pair))
                    && let Some(file) = desired.files.get(&path)
                {
                    new.entry(digest).or_insert_with(|| text(&file.bytes));
                }
                pairs.entry(pair).or_default().insert(name.clone());
            }
            for place in change.reasons.iter().filter_map(secret) {
                let object = format!("{}:{place}", change.object);
                said.entry((object, "another secret, not shown\n".to_owned())).or_default().insert(name.clone());
            }
        }
    }
    ask(&pairs, fleet, texts);
    let mut found: Vec<Difference> =
        said.into_iter().map(|((object, text), hosts)| Difference { object, hosts, text }).collect();
    for (pair, hosts) in pairs {
        let text = unified(&pair, texts, &new);
        // What has other owners or modes says the same.
        found.extend((!text.is_empty()).then(|| Difference { object: pair.label.clone(), hosts, text }));
    }
    found.sort_by(|one, other| (&one.object, &one.text).cmp(&(&other.object, &other.text)));
    found
}

fn secret(reason: &Reason) -> Option<&str> {
    match reason {
        Reason::Secret { place } => Some(place),
        _ => None,
    }
}

/// Asks one host for each old text that is not known yet.
fn ask(pairs: &BTreeMap<Pair, BTreeSet<HostName>>, fleet: &Fleet<'_>, texts: &mut Texts) {
    let mut wanted: BTreeMap<HostName, Vec<String>> = BTreeMap::new();
    let mut of: BTreeMap<&str, Digest> = BTreeMap::new();
    for (pair, hosts) in pairs {
        let (Some(side), Some(host)) = (&pair.old, hosts.first()) else { continue };
        if !texts.contains_key(&side.digest) && of.insert(&side.path, side.digest).is_none() {
            wanted.entry(host.clone()).or_default().push(side.path.clone());
        }
    }
    for (path, text) in fleet.texts(&wanted, MOST) {
        texts.extend(of.get(path.as_str()).map(|digest| (*digest, text)));
    }
}

/// Bytes as what is shown of them.
fn text(bytes: &[u8]) -> Text {
    let size = bytes.len() as u64;
    match std::str::from_utf8(bytes) {
        _ if size > MOST => Text::Large(size),
        Ok(text) if !text.contains('\0') => Text::Whole(text.to_owned()),
        _ => Text::Binary(size),
    }
}

fn unified(pair: &Pair, old: &Texts, new: &BTreeMap<Digest, Text>) -> String {
    let gone = Text::Whole(String::new());
    let before = match &pair.old {
        None => Some(&gone),
        Some(side) => old.get(&side.digest),
    };
    let after = match &pair.new {
        None => Some(&gone),
        Some(digest) => new.get(digest).or_else(|| old.get(digest)),
    };
    let (old_name, new_name) = (
        if pair.old.is_some() { pair.label.as_str() } else { "/dev/null" },
        if pair.new.is_some() { pair.label.as_str() } else { "/dev/null" },
    );
    match (before, after) {
        (Some(Text::Whole(before)), Some(Text::Whole(after))) => {
            TextDiff::from_lines(before, after).unified_diff().context_radius(3).header(old_name, new_name).to_string()
        }
        (Some(Text::Binary(size)), _) | (_, Some(Text::Binary(size))) => format!("binary, {size} bytes\n"),
        (Some(Text::Large(size)), _) | (_, Some(Text::Large(size))) => format!("{size} bytes: too large to be shown\n"),
        (None, _) => "the host no longer has its old text, or was not asked\n".to_owned(),
        (_, None) => String::new(),
    }
}

/// What one host has and shall have.
struct Sight<'a> {
    facts: &'a Facts,
    wanted: &'a Content,
}

/// Files by content.
const CONTENT: &str = "/var/lib/wharf/files/";

impl Sight<'_> {
    fn applied(&self) -> Option<&Content> {
        self.facts.generation.as_ref().map(|generation| &generation.content)
    }

    /// The path below which the new bytes of a pair lie.
    fn source(&self, pair: &Pair) -> Option<String> {
        match pair.label.starts_with('/') {
            true => Some(pair.label.clone()),
            false => pair.new.map(|digest| format!("{CONTENT}{}", digest.hex())),
        }
    }

    /// The files that a change is about.
    fn pairs(&self, change: &Change) -> Vec<Pair> {
        let mut found = Vec::new();
        if change.object.starts_with('/') {
            found.extend(self.file(&change.object));
            return found;
        }
        let path = |content: &Content| {
            let mut meanings = content.meanings.iter();
            meanings.find(|(_, meaning)| meaning.unit().to_string() == change.object).map(|(path, _)| path.clone())
        };
        let path = path(self.wanted).or_else(|| self.applied().and_then(path));
        let Some(path) = path else { return found };
        found.extend(self.file(&path));
        let (old, new) = (self.applied().and_then(|content| mounts(content, &path)), mounts(self.wanted, &path));
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let targets: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for target in targets.into_iter().filter(|target| old.get(*target) != new.get(*target)) {
            let digest = |side: &BTreeMap<String, String>| -> Option<Digest> {
                format!("sha256:{}", side.get(target)?.strip_prefix(CONTENT)?).parse().ok()
            };
            let side = digest(&old).map(|digest| Side { path: format!("{CONTENT}{}", digest.hex()), digest });
            let pair = Pair { label: format!("{}:{target}", change.object), old: side, new: digest(&new) };
            found.extend((pair.old.is_some() || pair.new.is_some()).then_some(pair));
        }
        found
    }

    /// A file at a path of its own.
    fn file(&self, path: &str) -> Option<Pair> {
        let old = self
            .applied()
            .and_then(|content| content.files.get(path))
            .map(|file| Side { digest: file.sha256, path: format!("/etc/wharf/blobs/{}", file.sha256.hex()) });
        let new = self.wanted.files.get(path).map(|file| file.sha256);
        (old.as_ref().map(|side| side.digest) != new).then(|| Pair { label: path.to_owned(), old, new })
    }
}

/// The files that a container mounts: their paths on the host by those that it sees.
fn mounts(content: &Content, path: &str) -> Option<BTreeMap<String, String>> {
    let Meaning::Container(container) = &**content.meanings.get(path)? else { return None };
    Some(binds(container).collect())
}

fn binds(container: &Container) -> impl Iterator<Item = (String, String)> {
    container.parts().storage.mounts.iter().filter_map(|mount| match &mount.source {
        Source::Bind(path) => Some((mount.target.to_string(), path.to_string())),
        Source::Volume { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_or_too_long_is_said_and_not_shown() {
        assert_eq!(text(b"one\n"), Text::Whole("one\n".to_owned()));
        assert_eq!(text(b"o\0e"), Text::Binary(3));
        assert_eq!(text(b"\xff\xfe"), Text::Binary(2));
        assert_eq!(text(&vec![b'a'; 300 << 10]), Text::Large(300 << 10));
    }
}
