//! Which `script` nodes of images decide something. One that decides nothing anywhere is most likely misspelt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::deb::script::JUDGED;
use crate::estate::{Image, Project, ScriptDecision, ScriptKind};
use crate::layer::Fragment;
use crate::name::{ImageName, PackageName};
use crate::spec::{Mistake, Span, did_you_mean};

/// What was seen of `script` nodes, image by image.
#[derive(Debug, Default)]
pub(super) struct Decided {
    used: BTreeSet<Span>,
    idle: BTreeMap<Span, Idle>,
    /// Images that were judged, on whatever distro and arch.
    judged: BTreeSet<ImageName>,
}

/// A node where it decided nothing.
#[derive(Debug)]
struct Idle {
    decision: ScriptDecision,
    image: ImageName,
    /// The scripts of the image's packages.
    scripts: BTreeMap<PackageName, Vec<ScriptKind>>,
}

impl Decided {
    /// Takes up an image whose scripts were judged; `unused` of its nodes decided nothing in it.
    pub fn image(&mut self, image: &Image, unused: &[Span], packages: &[Arc<Fragment>]) {
        self.judged.insert(image.name.clone());
        for decision in image.levels.iter().flat_map(|level| &level.scripts) {
            if !unused.contains(&decision.span) {
                self.used.insert(decision.span);
                continue;
            }
            // What is said is about an image that has the package, where one has.
            if self.idle.get(&decision.span).is_none_or(|idle| !idle.scripts.contains_key(&decision.package)) {
                let (decision, image) = (decision.clone(), image.name.clone());
                let infos = packages.iter().filter_map(|fragment| fragment.package.as_ref());
                let scripts = infos
                    .map(|info| {
                        let kinds = JUDGED.into_iter().filter(|kind| info.script(*kind).is_some());
                        (info.name.clone(), kinds.collect())
                    })
                    .collect();
                self.idle.insert(decision.span, Idle { decision, image, scripts });
            }
        }
    }

    /// A mistake for each node that decided nothing in any image. A node that an image inherits which was not judged
    /// may be meant for that one.
    pub fn mistakes(self, project: &Project) -> Vec<Mistake> {
        let unknown: BTreeSet<Span> = project
            .images
            .values()
            .filter(|image| project.wanted.contains(&image.name) && !self.judged.contains(&image.name))
            .flat_map(|image| image.levels.iter().flat_map(|level| &level.scripts))
            .map(|decision| decision.span)
            .collect();
        let idle = self.idle.iter().filter(|(span, _)| !self.used.contains(span) && !unknown.contains(span));
        idle.map(|(span, idle)| idle.mistake(*span)).collect()
    }
}

impl Idle {
    fn mistake(&self, span: Span) -> Mistake {
        let ScriptDecision { package, kind, .. } = &self.decision;
        let image = &self.image;
        let names = |kinds: &[ScriptKind]| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        let (why, help) = match (self.scripts.get(package), kind) {
            (None, _) => {
                let known = self.scripts.iter().filter(|(_, kinds)| !kinds.is_empty()).map(|(name, _)| name.as_str());
                let help = did_you_mean(package.as_str(), known);
                let help = help.unwrap_or_else(|| format!("`wharf show {image} --packages` prints what it holds"));
                (format!("image `{image}` holds no package `{package}`"), help)
            }
            (Some(kinds), _) if kinds.is_empty() => {
                (format!("package `{package}` has no maintainer script that is judged"), "take the node out".to_owned())
            }
            (Some(kinds), Some(kind)) if !kinds.contains(kind) => {
                (format!("package `{package}` has no {}", kind.as_str()), format!("it has: {}", names(kinds)))
            }
            (Some(_), _) => (
                format!("a later `script` node decides about `{package}`"),
                "of the nodes of an image and of its ancestors the last one wins: take this one out".to_owned(),
            ),
        };
        Mistake::new("unused-script", span, format!("this `script` node decides nothing: {why}")).help(help)
    }
}
