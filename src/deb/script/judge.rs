//! What scripts are worth: the image's own decision, else the distro's table, else nobody knows.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::estate::{Distro, ScriptDecision, ScriptKind, ScriptRule, Snippet, SnippetRule, Worth};
use crate::name::PackageName;
use crate::spec::Span;

use super::super::{Call, PackageInfo};
use super::{JUDGED, Rest, Script, Unjudged};

/// What the scripts of an image's packages are worth.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// Everything that is worth something, packages in the order given; what is ignored is not here.
    pub calls: Vec<Call>,
    /// Scripts that are judged by what their predecessor was worth.
    pub changed: Vec<ChangedScript>,
    /// What nobody judged: no image can be made of it.
    pub unjudged: Vec<Unjudged>,
    /// Decisions of the image that no script of its packages asked for.
    pub unused: Vec<Span>,
}

/// A script whose rest is not the one that was judged; it locks with the old judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedScript {
    /// Whose script.
    pub package: PackageName,
    /// The version that carries it.
    pub version: String,
    /// Which.
    pub kind: ScriptKind,
    /// What was judged.
    pub was: Digest,
    /// What is there now.
    pub rest: Rest,
    /// Where the judgement stands.
    pub span: Span,
}

/// A table, ready to look things up in.
struct Table<'a> {
    snippets: BTreeMap<&'a Snippet, &'a SnippetRule>,
    scripts: BTreeMap<(&'a PackageName, ScriptKind), Vec<&'a ScriptRule>>,
}

/// Judges the scripts of `packages`, which are in the order in which dpkg would configure them. `decisions` are
/// those of the image's `from` chain, the root's first: the last one that speaks of a script wins.
///
/// A decision of the image covers the rest of a script, and snippets that the distro's table does not know; a
/// snippet that it does know keeps its worth.
pub fn judge<'a>(
    packages: impl IntoIterator<Item = &'a PackageInfo>,
    distro: &Distro,
    decisions: &[&ScriptDecision],
) -> Judgement {
    let mut table = Table {
        snippets: distro.snippets.iter().map(|rule| (&rule.snippet, rule)).collect(),
        scripts: BTreeMap::new(),
    };
    for rule in &distro.scripts {
        table.scripts.entry((&rule.package, rule.kind)).or_default().push(rule);
    }
    let mut judgement = Judgement::default();
    let mut used = vec![false; decisions.len()];
    for package in packages {
        for kind in JUDGED {
            let Some(text) = package.script(kind) else { continue };
            let decision = decisions.iter().zip(&mut used).rev().find(|(decision, _)| {
                decision.package == package.name && decision.kind.is_none_or(|wanted| wanted == kind)
            });
            let decision = decision.map(|(decision, used)| {
                *used = true;
                &decision.worth
            });
            judgement.script(package, kind, &Script::split(kind, text), decision, &table, distro);
        }
    }
    judgement.unused =
        decisions.iter().zip(used).filter(|(_, used)| !used).map(|(decision, _)| decision.span).collect();
    judgement
}

impl Judgement {
    fn script(
        &mut self,
        package: &PackageInfo,
        kind: ScriptKind,
        script: &Script,
        decision: Option<&Worth>,
        table: &Table<'_>,
        distro: &Distro,
    ) {
        if let Some(rest) = &script.rest {
            let rules = table.scripts.get(&(&package.name, kind)).map_or(&[][..], Vec::as_slice);
            // A script may differ from arch to arch or from suite to suite: any of several judgements may fit.
            let fits = rules.iter().find(|rule| rule.rest.is_none_or(|judged| judged == rest.digest));
            match (decision, fits, rules.last()) {
                (Some(worth), ..) => self.call(package, kind, &rest.text, worth),
                (None, Some(rule), _) => self.call(package, kind, &rest.text, &rule.worth),
                (None, None, Some(rule)) => {
                    self.changed.push(ChangedScript {
                        package: package.name.clone(),
                        version: package.version.clone(),
                        kind,
                        was: rule.rest.unwrap_or(rest.digest),
                        rest: rest.clone(),
                        span: rule.span,
                    });
                    self.call(package, kind, &rest.text, &rule.worth);
                }
                (None, None, None) => self.unjudged.push(Unjudged::Script {
                    distro: distro.name.clone(),
                    package: package.name.clone(),
                    version: package.version.clone(),
                    kind,
                    rest: rest.clone(),
                }),
            }
        }
        for generated in &script.generated {
            match (table.snippets.get(&generated.snippet), decision) {
                (Some(rule), _) => self.call(package, kind, &generated.text, &rule.worth),
                (None, Some(worth)) => self.call(package, kind, &generated.text, worth),
                (None, None) => self.unjudged.push(Unjudged::Snippet {
                    distro: distro.name.clone(),
                    package: package.name.clone(),
                    version: package.version.clone(),
                    kind,
                    generated: generated.clone(),
                }),
            }
        }
    }

    fn call(&mut self, package: &PackageInfo, kind: ScriptKind, text: &str, worth: &Worth) {
        if *worth != Worth::default() {
            self.calls.push(Call { package: package.name.clone(), kind, text: text.to_owned(), worth: worth.clone() });
        }
    }
}
