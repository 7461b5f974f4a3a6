//! The shape of a snippet: its text with the words that differ from package to package taken out, so that
//! one digest stands for one of debhelper's templates (debhelper, autoscripts/).
//!
//! Taken out is only what a template has a placeholder for: comments, the file lists of known helpers, paths,
//! quoted literals, file names. Programs, options, operators, variables and unquoted words of other programs
//! stay: a template that calls something else is another shape.

use crate::digest::Digest;

use super::words::{Line, Token, lines, tokens};

/// What stands for words that were taken out.
const HOLE: &str = "@";

/// Programs of templates whose literal arguments are names of the package's own things.
const NAMING: [&str; 16] = [
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "dpkg-maintscript-helper",
    "for",
    "install-info",
    "invoke-rc.d",
    "py3compile",
    "pycompile",
    "pypy3compile",
    "pypycompile",
    "register-python-modules",
    "systemd-sysusers",
    "systemd-tmpfiles",
    "update-alternatives",
    "update-rc.d",
    "update-xmlcatalog",
];

/// Words that say what is done, wherever they stand: dpkg's own (deb-postinst(5)), those of init-system-helpers.
const VERBS: [&str; 24] = [
    "abort-deconfigure",
    "abort-install",
    "abort-remove",
    "abort-upgrade",
    "configure",
    "debian-installed",
    "defaults",
    "deconfigure",
    "disable",
    "enable",
    "in",
    "install",
    "mask",
    "purge",
    "reload",
    "remove",
    "restart",
    "start",
    "stop",
    "triggered",
    "unmask",
    "update-state",
    "upgrade",
    "was-enabled",
];

/// What dpkg-maintscript-helper(1) can do; at a first install all of them do nothing, so they are one shape.
const CONFFILE_MOVES: [&str; 4] = ["dir_to_symlink", "mv_conffile", "rm_conffile", "symlink_to_dir"];

/// Words behind which a command begins.
const LEADING: [&str; 9] = ["if", "elif", "then", "else", "do", "while", "until", "!", "{"];

/// What a line of a snippet comes down to: digests of all of them together are the shape.
pub(super) fn shape_text(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in lines(text) {
        let line = match line {
            Line::Idle(_) => continue,
            Line::Here(_) => HOLE.to_owned(),
            // Two spellings of one guard: debhelper of bookworm and of trixie.
            Line::Code(code) => shape_line(&code.replace("${DPKG_ROOT:-}", "$DPKG_ROOT")),
        };
        if out.last() != Some(&line) {
            out.push(line);
        }
    }
    out.join("\n")
}

/// The digest of a snippet's shape.
pub(super) fn shape(text: &str) -> Digest {
    Digest::of(shape_text(text).as_bytes())
}

fn shape_line(code: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut command: Option<String> = None;
    for token in tokens(code) {
        let word = match token {
            Token::Control(control) => {
                command = None;
                out.push(control);
                continue;
            }
            Token::Word(word) => word,
        };
        let shaped = match &command {
            None if LEADING.contains(&word.as_str()) => word,
            None => match word.split_once('=') {
                Some((name, value)) if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                    // A value may be a path of the package; the name stays, and so does any other value.
                    if value.contains('/') && !value.contains(['$', '`']) { format!("{name}={HOLE}") } else { word }
                }
                _ => {
                    command = Some(word.clone());
                    word
                }
            },
            Some(command) if replaced(command, &word) => HOLE.to_owned(),
            Some(_) => word.trim_matches(['\'', '"']).to_owned(),
        };
        if shaped == HOLE && out.last().is_some_and(|last| last == HOLE) {
            continue;
        }
        out.push(shaped);
        // `--slave @ --slave @`: any number of them is one template.
        if let [.., a, b, c, d] = out.as_slice()
            && a == c
            && b == d
            && d == HOLE
            && a.starts_with('-')
        {
            out.truncate(out.len() - 2);
        }
    }
    out.join(" ")
}

/// Whether `word`, an argument of `command`, belongs to the package rather than the template.
fn replaced(command: &str, word: &str) -> bool {
    let bare = word.trim_matches(['\'', '"']);
    let quoted = bare.len() != word.len();
    let literal = bare.chars().all(|c| c.is_alphanumeric() || (quoted && c == ' ') || "@%+:,.~_/\\-#".contains(c));
    // Before the option, so that `--id "-//OASIS//DTD…"` has a hole too.
    if quoted && literal && bare.contains('/') {
        return true;
    }
    if !literal || bare.is_empty() || bare.starts_with('-') || VERBS.contains(&bare) || bare == "/dev/null" {
        return false;
    }
    if command == "dpkg-maintscript-helper" && !bare.contains(['/', '.']) && !quoted {
        // A move that this table does not know stays; a package's name or version does not.
        return !bare.contains('_') || CONFFILE_MOVES.contains(&bare);
    }
    quoted || bare.contains(['/', '.']) || NAMING.contains(&command)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_taken_out_and_verbs_are_not() {
        let one = "if deb-systemd-helper --quiet was-enabled 'a.service'; then\n\tdeb-systemd-helper enable 'a.service' >/dev/null || true\nfi\n";
        assert_eq!(shape(one), shape(&one.replace("a.service", "b@.timer")));
        assert_ne!(shape(one), shape(&one.replace("was-enabled", "debian-installed")));
        assert_ne!(shape(one), shape(&one.replace("enable '", "mask '")));
        insta::assert_snapshot!(shape_text(one), @r"
        if deb-systemd-helper --quiet was-enabled @ ; then
        deb-systemd-helper enable @ >/dev/null || true
        fi
        ");
    }

    #[test]
    fn another_program_or_another_mode_is_another_shape() {
        for (one, other) in [
            ("rm /etc/x\n", "cat /etc/x\n"),
            ("chmod 0755 /x\n", "chmod 4755 /x\n"),
            ("chmod -R a /x\n", "chmod a /x\n"),
            ("[ -x /x ] && a\n", "[ -d /x ] && a\n"),
            ("a >/dev/null\n", "a >/etc/passwd\n"),
            (
                "dpkg-maintscript-helper rm_conffile /a 1 -- \"$@\"\n",
                "dpkg-maintscript-helper new_verb /a 1 -- \"$@\"\n",
            ),
        ] {
            assert_ne!(shape(one), shape(other), "{one} {other}");
        }
    }

    #[test]
    fn the_number_of_files_units_and_slaves_does_not_matter() {
        for (one, other) in [
            ("systemd-tmpfiles --create a.conf || true\n", "systemd-tmpfiles --create a.conf b.conf || true\n"),
            (
                "dpkg-maintscript-helper rm_conffile /a 1:2-3\\~ -- \"$@\"\n",
                "dpkg-maintscript-helper rm_conffile /b 2 b -- \"$@\"\ndpkg-maintscript-helper mv_conffile /b /c 2\\~ -- \"$@\"\n",
            ),
            ("py3compile -p a \n", "py3compile -p b /usr/share/b /usr/lib/b\n"),
            (
                "update-alternatives --install /a a /b 5 \\\n --slave /c c /d \\\n --slave /e e /f\n",
                "update-alternatives --install /x x /y 70 --slave /c c /d\n",
            ),
            ("cat << DATA\n/a default\nDATA\n", "cat << DATA\n/b 0755 root root\n/c default\nDATA\n"),
        ] {
            assert_eq!(shape_text(one), shape_text(other));
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_shape(text in "\\PC{0,60}|[a-z'\"=$ /.\n@-]{0,60}") {
            prop_assert_eq!(shape(&text), shape(&text));
        }
    }
}
