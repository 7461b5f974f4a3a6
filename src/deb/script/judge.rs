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
    /// The rests of scripts that somebody judged, or that take over a judgement: what a later one is compared with.
    pub rests: Vec<Rest>,
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
                (None, Some(rule), _) => {
                    self.rests.push(rest.clone());
                    self.call(package, kind, &rest.text, &rule.worth);
                }
                (None, None, Some(rule)) => {
                    self.rests.push(rest.clone());
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::deb::Control;
    use crate::deb::script::UnjudgedScripts;
    use crate::estate::{EffectUse, Filters};
    use crate::name::DistroName;
    use crate::spec::{Origin, Sources};

    const SYSUSERS: &str = "# Automatically added by dh_installsysusers/13.24.2\nsystemd-sysusers x.conf\n# End automatically added section\n";

    fn span(start: u32) -> Span {
        Span { source: Sources::default().add(String::new(), String::new(), Origin::Project), start, len: 1 }
    }

    fn package(name: &str, members: &[(&str, &str)]) -> PackageInfo {
        PackageInfo {
            name: PackageName::new(name).unwrap(),
            version: "1.2-3".to_owned(),
            arch: "all".to_owned(),
            control: Control::new(Vec::new()),
            members: members.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            conffiles: Vec::new(),
        }
    }

    fn effect(name: &str) -> Worth {
        Worth { effects: vec![EffectUse { name: name.to_owned(), arguments: Vec::new() }], ..Worth::default() }
    }

    fn rule(package: &str, text: Option<&str>, worth: Worth) -> ScriptRule {
        let rest = text.map(|text| Script::split(ScriptKind::Postinst, text).rest.unwrap().digest);
        let package = PackageName::new(package).unwrap();
        ScriptRule { package, kind: ScriptKind::Postinst, rest, worth, reason: None, span: span(7) }
    }

    fn decision(package: &str, kind: Option<ScriptKind>, worth: Worth, at: u32) -> ScriptDecision {
        ScriptDecision { package: PackageName::new(package).unwrap(), kind, worth, span: span(at) }
    }

    fn distro(snippets: Vec<SnippetRule>, scripts: Vec<ScriptRule>) -> Distro {
        Distro {
            name: DistroName::new("debian-trixie").unwrap(),
            default: true,
            arches: Vec::new(),
            archives: Vec::new(),
            pins: Vec::new(),
            filters: Filters::default(),
            snippets,
            scripts,
            bytecode: None,
            accounts: BTreeMap::new(),
            tier: None,
            span: span(0),
        }
    }

    fn effects(judgement: &Judgement) -> Vec<&str> {
        judgement.calls.iter().flat_map(|call| &call.worth.effects).map(|used| used.name.as_str()).collect()
    }

    fn render(judgement: Judgement) -> String {
        let mut out = String::new();
        let error = UnjudgedScripts::new(judgement.unjudged).unwrap();
        let theme = miette::GraphicalTheme::none();
        let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(200).without_cause_chain();
        handler.render_report(&mut out, &error).unwrap();
        out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_script_that_nobody_judged_is_shown_with_the_three_ways_out() {
        let text = "#!/bin/sh\nset -e\n# make it\nif [ \"$1\" = configure ]; then\n\tmkdir -p /srv/x\nfi\n";
        let found = package("x11-thing", &[("postinst", text)]);
        let judgement = judge([&found, &found], &distro(Vec::new(), Vec::new()), &[]);
        assert_eq!(judgement.calls, []);
        insta::assert_snapshot!(render(judgement), @r#"
        wharf::script::unjudged

          x a part of a maintainer script was never judged
          help: nothing was locked: wharf drops no script in silence, so each part needs a judgement

        Error: wharf::script::unjudged

          x the postinst of `x11-thing` 1.2-3 was never judged for debian-trixie; it says
          |     if [ "$1" = configure ]; then
          |     mkdir -p /srv/x
          |     fi
          help: read it, and paste one of these into the spec (docs/guide/scripts.md says what each means):
                extend distro "debian-trixie" {
                    // nothing in it matters in an image
                    script "x11-thing" kind="postinst" rest="sha256:db677ea03e7bdd611df4e8d72e1854e24b01f77047ad9b19621d7d2416353713" effect="ignore" reason="…"
                    // wharf does what it would do: an effect by name, or children as account, dir, link, attr
                    script "x11-thing" kind="postinst" rest="sha256:db677ea03e7bdd611df4e8d72e1854e24b01f77047ad9b19621d7d2416353713" { effect "…"; reason "…" }
                    // it has to be run, and wharf runs none: images that hold it are refused
                    script "x11-thing" kind="postinst" rest="sha256:db677ea03e7bdd611df4e8d72e1854e24b01f77047ad9b19621d7d2416353713" effect="run" reason="…"
                }
                or, for one image alone, in its node: script "x11-thing" kind="postinst" effect="ignore"
        "#);
    }

    #[test]
    fn a_snippet_that_nobody_judged_is_shown_with_the_nodes_for_its_shape() {
        let found = package("x11-thing", &[("postinst", SYSUSERS)]);
        insta::assert_snapshot!(render(judge([&found], &distro(Vec::new(), Vec::new()), &[])), @r#"
        wharf::script::unjudged

          x a part of a maintainer script was never judged
          help: nothing was locked: wharf drops no script in silence, so each part needs a judgement

        Error: wharf::script::unjudged

          x the postinst of `x11-thing` 1.2-3 holds a snippet of dh_installsysusers that was never judged for debian-trixie; it says
          |     systemd-sysusers x.conf
          help: the judgement holds for every package with a snippet of this shape; paste one of these into the spec:
                extend distro "debian-trixie" {
                    // nothing in it matters in an image
                    snippet "dh_installsysusers" shape="sha256:a8a88c859d59a06db0ca60bb7b280cec2e3a7c4003b640d4ba91c356edf95864" effect="ignore"
                    // wharf does what it would do: an effect by name
                    snippet "dh_installsysusers" shape="sha256:a8a88c859d59a06db0ca60bb7b280cec2e3a7c4003b640d4ba91c356edf95864" effect="…"
                    // it has to be run, and wharf runs none: images that hold it are refused
                    snippet "dh_installsysusers" shape="sha256:a8a88c859d59a06db0ca60bb7b280cec2e3a7c4003b640d4ba91c356edf95864" effect="run"
                }
                or, for one image alone, in its node: script "x11-thing" kind="postinst" effect="ignore"
        "#);
    }

    #[test]
    fn a_long_script_is_shown_without_its_middle() {
        let text: String = (0..90).map(|line| format!("step {line}\n")).collect();
        let found = package("xx", &[("preinst", &text)]);
        let judgement = judge([&found], &distro(Vec::new(), Vec::new()), &[]);
        let message = judgement.unjudged[0].to_string();
        assert_eq!(message.lines().count(), 42);
        assert!(message.contains("    step 29\n    … 50 lines …\n    step 80\n"), "{message}");
    }

    #[test]
    fn every_kind_that_dpkg_runs_at_installation_is_judged_and_no_other() {
        let members =
            ["config", "preinst", "postinst", "prerm", "postrm"].map(|kind| (kind, "#!/bin/sh\nrm -f /srv/x\n"));
        let mut found = package("xx", &members);
        found.members.insert("triggers".to_owned(), "interest-noawait /srv\n".to_owned());
        let judgement = judge([&found], &distro(Vec::new(), Vec::new()), &[]);
        let kinds: Vec<ScriptKind> = judgement
            .unjudged
            .iter()
            .map(|part| match part {
                Unjudged::Script { kind, .. } | Unjudged::Snippet { kind, .. } => *kind,
            })
            .collect();
        assert_eq!(kinds, JUDGED);
    }

    #[test]
    fn a_changed_script_keeps_its_worth_and_is_named() {
        let found = package("xx", &[("postinst", "mkdir /new\n")]);
        let old = rule("xx", Some("mkdir /old\n"), effect("pam"));
        let was = old.rest.unwrap();
        let judgement = judge([&found], &distro(Vec::new(), vec![old]), &[]);
        assert_eq!(effects(&judgement), ["pam"]);
        assert_eq!(judgement.unjudged, []);
        assert_eq!(judgement.changed[0].was, was);
        assert_eq!(judgement.changed[0].rest.text, "mkdir /new");
    }

    #[test]
    fn any_of_several_judgements_of_one_script_may_fit() {
        let found = package("xx", &[("postinst", "mkdir /arm\n")]);
        let rules = vec![
            rule("xx", Some("mkdir /amd\n"), effect("pam")),
            rule("xx", Some("mkdir /arm\n"), effect("shells")),
            rule("xx", Some("mkdir /ppc\n"), effect("ucf")),
        ];
        let judgement = judge([&found], &distro(Vec::new(), rules), &[]);
        assert_eq!((effects(&judgement), judgement.changed.len()), (vec!["shells"], 0));
    }

    #[test]
    fn a_judgement_without_a_digest_fits_any_text() {
        let found = package("xx", &[("postinst", "mkdir /x\n")]);
        let judgement = judge([&found], &distro(Vec::new(), vec![rule("xx", None, effect("pam"))]), &[]);
        assert_eq!((effects(&judgement), judgement.changed.len()), (vec!["pam"], 0));
    }

    #[test]
    fn the_image_decides_before_the_distro_and_the_last_of_its_chain_first() {
        let found = package("xx", &[("postinst", &format!("mkdir /x\n{SYSUSERS}"))]);
        let shape = Script::split(ScriptKind::Postinst, SYSUSERS).generated[0].snippet.clone();
        let snippets = vec![SnippetRule { snippet: shape, worth: effect("sysusers"), span: span(0) }];
        let distro = distro(snippets, vec![rule("xx", Some("mkdir /x\n"), effect("pam"))]);
        let parent = decision("xx", Some(ScriptKind::Postinst), effect("ucf"), 1);
        let child = decision("xx", None, effect("shells"), 2);
        assert_eq!(effects(&judge([&found], &distro, &[])), ["pam", "sysusers"]);
        assert_eq!(effects(&judge([&found], &distro, &[&parent])), ["ucf", "sysusers"]);
        assert_eq!(effects(&judge([&found], &distro, &[&parent, &child])), ["shells", "sysusers"]);
        let ignore = decision("xx", None, Worth::default(), 3);
        assert_eq!(effects(&judge([&found], &distro, &[&ignore])), ["sysusers"]);
    }

    #[test]
    fn a_decision_covers_a_snippet_that_the_distro_does_not_know() {
        let found = package("xx", &[("postinst", SYSUSERS)]);
        let ignore = decision("xx", None, Worth::default(), 3);
        let judgement = judge([&found], &distro(Vec::new(), Vec::new()), &[&ignore]);
        assert_eq!(judgement, Judgement::default());
    }

    #[test]
    fn a_decision_that_nothing_asked_for_is_named() {
        let found = package("xx", &[("postinst", "mkdir /x\n")]);
        let decisions = [
            decision("xx", None, effect("pam"), 1),
            decision("xy", None, effect("pam"), 2),
            decision("xx", Some(ScriptKind::Config), effect("pam"), 3),
        ];
        let decisions: Vec<&ScriptDecision> = decisions.iter().collect();
        let judgement = judge([&found], &distro(Vec::new(), Vec::new()), &decisions);
        assert_eq!(judgement.unused.iter().map(|span| span.start).collect::<Vec<_>>(), [2, 3]);
    }
}
