//! Maintainer scripts, judged in parts: what debhelper generated is known by its shape, the rest by its digest.
//!
//! preinst, postinst, config and the `triggers` file are judged; prerm and postrm never run in an image.

mod judge;
mod rest;
mod shape;
mod unjudged;
mod words;

pub use judge::{ChangedScript, Judgement, judge};
pub use rest::Rest;
pub use unjudged::{Unjudged, UnjudgedScripts};

use crate::estate::{ScriptKind, Snippet};

/// The scripts that are judged, in the order in which dpkg runs them.
pub const JUDGED: [ScriptKind; 4] =
    [ScriptKind::Preinst, ScriptKind::Config, ScriptKind::Postinst, ScriptKind::Triggers];

/// A maintainer script in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What people wrote; none where that can do nothing.
    pub rest: Option<Rest>,
    /// What debhelper generated, in order.
    pub generated: Vec<Generated>,
}

/// A generated snippet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Tool and shape.
    pub snippet: Snippet,
    /// The text between its two comments.
    pub text: String,
}

impl Script {
    /// Takes a script apart. A snippet without its end, and a script that is not sh's, stay whole in the rest.
    pub fn split(kind: ScriptKind, text: &str) -> Self {
        if kind != ScriptKind::Triggers && !is_shell(text) {
            return Self { rest: Some(Rest::whole(text)), generated: Vec::new() };
        }
        let mut rest = String::with_capacity(text.len());
        let mut generated = Vec::new();
        // The tool of the snippet that is open, its first line, and its body.
        let mut open: Option<(String, String, String)> = None;
        for line in text.split_inclusive('\n') {
            if let Some(tool) = begins(line) {
                if let Some((_, head, body)) = open.replace((tool, line.to_owned(), String::new())) {
                    rest.push_str(&head);
                    rest.push_str(&body);
                }
            } else if ends(line)
                && let Some((tool, _, body)) = open.take()
            {
                let snippet = Snippet { tool, shape: shape::shape(&body) };
                generated.push(Generated { snippet, text: body });
            } else if let Some((_, _, body)) = &mut open {
                body.push_str(line);
            } else {
                rest.push_str(line);
            }
        }
        if let Some((_, head, body)) = open {
            rest.push_str(&head);
            rest.push_str(&body);
        }
        Self { rest: Rest::of(kind, &rest), generated }
    }
}

/// The tool that begins a snippet here: `# Automatically added by dh_installinit/13.24.2`. Its version is not part
/// of what it is.
fn begins(line: &str) -> Option<String> {
    let words = line.trim().strip_prefix("# Automatically added by ")?;
    let tool = words.split('/').next().unwrap_or(words);
    let plain = !tool.is_empty() && tool.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let versioned = words.split_whitespace().count() == 1;
    (plain && versioned).then(|| tool.to_owned())
}

fn ends(line: &str) -> bool {
    line.trim() == "# End automatically added section"
}

/// Whether `#!` names a shell; a text without it is run by sh (execvp(3)), a program is not.
fn is_shell(text: &str) -> bool {
    if text.contains('\0') {
        return false;
    }
    let Some(line) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else { return true };
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or("");
    let program = if program.ends_with("/env") { words.next().unwrap_or("") } else { program };
    matches!(program.rsplit('/').next(), Some("sh" | "bash" | "dash"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_snippet_without_its_end_stays_in_the_rest() {
        let text = "#!/bin/sh\nset -e\n# Automatically added by dh_installinit/13.24.2\nupdate-rc.d x defaults\n";
        let script = Script::split(ScriptKind::Postinst, text);
        assert_eq!(script.generated, []);
        assert_eq!(script.rest.unwrap().text, "update-rc.d x defaults");
    }

    #[test]
    fn a_snippet_that_begins_within_another_does_not_hide_it() {
        let text = "# Automatically added by dh_a\nrm /x\n# Automatically added by dh_b\ny\n# End automatically added section\n";
        let script = Script::split(ScriptKind::Postinst, text);
        assert_eq!(script.rest.unwrap().text, "rm /x");
        assert_eq!(script.generated.len(), 1);
        assert_eq!(script.generated[0].snippet.tool, "dh_b");
    }

    #[test]
    fn a_line_that_only_mentions_the_comment_begins_nothing() {
        // openstack-pkg-tools takes its own snippets out with sed.
        let text = "sed -i '/# Automatically added by dh_installinit/,/End automatically added section/d' x\nrm x\n";
        let script = Script::split(ScriptKind::Postinst, text);
        assert_eq!(script.generated, []);
        assert_eq!(script.rest.unwrap().text, text.trim_end());
    }

    #[test]
    fn one_shape_for_every_version_of_debhelper() {
        // memcached 1.6.18-1+deb12u1 (debhelper 13.11.4) and cron-daemon-common 3.0pl1-197 (13.24.2); trixie's
        // template no longer sends the output away, so these are two shapes of one tool.
        let script = |version: &str, name: &str, output: &str| {
            let text = format!(
                "#!/bin/sh\nset -e\n# Automatically added by dh_installtmpfiles{version}\nif [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ] || [ \"$1\" = \"abort-deconfigure\" ] || [ \"$1\" = \"abort-remove\" ] ; then\n\tif [ -x \"$(command -v systemd-tmpfiles)\" ]; then\n\t\tsystemd-tmpfiles ${{DPKG_ROOT:+--root=\"$DPKG_ROOT\"}} --create {name} {output}|| true\n\tfi\nfi\n# End automatically added section\nexit 0\n"
            );
            Script::split(ScriptKind::Postinst, &text)
        };
        let old = script("/13.11.4", "memcached.conf", ">/dev/null ");
        assert_eq!(old.rest, None);
        assert_eq!(old.generated[0].snippet, script("", "a.conf b.conf", ">/dev/null ").generated[0].snippet);
        assert_ne!(old.generated[0].snippet, script("/13.24.2", "memcached.conf", "").generated[0].snippet);
        assert!(old.generated[0].text.contains("memcached.conf"));
    }

    #[test]
    fn a_perl_script_stays_whole() {
        let text =
            "#!/usr/bin/perl -w\n# Automatically added by dh_x\n# c\nprint 1;\n# End automatically added section\n";
        let script = Script::split(ScriptKind::Postinst, text);
        assert_eq!(script.generated, []);
        assert_eq!(script.rest.unwrap().text, text);
    }

    #[test]
    fn a_program_is_kept_to_the_byte() {
        let text = "\u{7f}ELF\0\n# c\n\n exit 0\n";
        assert_eq!(Script::split(ScriptKind::Preinst, text).rest.unwrap().text, text);
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_a_panic(
            lines in prop::collection::vec("# Automatically added by dh_[ab](/1)?|# End automatically added section|\\PC{0,20}|#!/bin/sh", 0..12)
        ) {
            let text = lines.join("\n");
            for kind in JUDGED {
                Script::split(kind, &text);
            }
        }
    }
}
