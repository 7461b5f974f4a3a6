//! What of a script a person wrote: generated snippets gone, and what cannot do anything gone.

use crate::digest::Digest;
use crate::estate::ScriptKind;

use super::words::{Line, Token, lines, tokens};

/// The part of a script that debhelper did not write, normalised: no `#!`, comments, blank lines, indentation,
/// `set -e`, or `exit 0` at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// The normalised text.
    pub text: String,
    /// Its digest, by which it was judged.
    pub digest: Digest,
}

impl Rest {
    /// The rest of a script, none where nothing is left or what is left can do nothing.
    pub(super) fn of(kind: ScriptKind, text: &str) -> Option<Self> {
        let normal = match kind {
            ScriptKind::Triggers => interests(text),
            _ => normalise(text),
        };
        let idle = normal.is_empty() || (kind != ScriptKind::Triggers && Reader::of(&normal).idle());
        (!idle).then(|| Self { digest: Digest::of(normal.as_bytes()), text: normal })
    }

    /// A script in another language than sh, or a program: kept to the byte.
    pub(super) fn whole(text: &str) -> Self {
        Self { digest: Digest::of(text.as_bytes()), text: text.to_owned() }
    }
}

/// The `interest` lines of a `triggers` file (deb-triggers(5)), sorted. An `activate` line only wakes the interest
/// of another package, which is judged there.
fn interests(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut interests: Vec<String> = text
        .lines()
        .map(|line| words(line.split('#').next().unwrap_or("")))
        .filter(|line| !line.is_empty() && !line.starts_with("activate"))
        .collect();
    interests.sort();
    interests.dedup();
    interests.join("\n")
}

fn normalise(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in lines(text) {
        match line {
            Line::Idle(_) => {}
            Line::Here(line) => out.push(line.to_owned()),
            Line::Code(code) => {
                let code = code.trim();
                if !matches!(code, "set -e" | "set -eu" | "set -u") {
                    out.push(code.to_owned());
                }
            }
        }
    }
    while out.last().is_some_and(|line| matches!(line.as_str(), "exit 0" | ":" | "true")) {
        out.pop();
    }
    out.join("\n")
}

/// Reads a script to see whether it can do anything at all.
struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn of(text: &str) -> Self {
        Self { tokens: tokens(text), at: 0 }
    }

    fn word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn control(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Control(control)) => Some(control),
            _ => None,
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let is = self.word() == Some(word);
        self.at += usize::from(is);
        is
    }

    fn separators(&mut self) {
        while self.control().is_some_and(|control| matches!(control, "\n" | ";" | "&&" | "||")) {
            self.at += 1;
        }
    }

    /// Whether the whole text does nothing; any form that is not known says no.
    fn idle(mut self) -> bool {
        self.list(0, &[]) && self.at == self.tokens.len()
    }

    /// Commands up to one of `ends` or the text's end.
    fn list(&mut self, depth: usize, ends: &[&str]) -> bool {
        if depth > 16 {
            return false;
        }
        loop {
            self.separators();
            match self.word() {
                None => return self.control().is_none_or(|control| control == ";;"),
                Some(word) if ends.contains(&word) => return true,
                Some("case") => {
                    if !self.case(depth) {
                        return false;
                    }
                }
                Some("if") => {
                    if !self.condition(depth) {
                        return false;
                    }
                }
                Some(_) => {
                    if !self.simple() {
                        return false;
                    }
                }
            }
        }
    }

    fn case(&mut self, depth: usize) -> bool {
        self.at += 1;
        if !self.word().is_some_and(pure) {
            return false;
        }
        self.at += 1;
        if !self.take("in") {
            return false;
        }
        loop {
            self.separators();
            if self.take("esac") {
                return true;
            }
            // The pattern: words and `|` up to `)`.
            loop {
                match self.tokens.get(self.at) {
                    Some(Token::Word(_)) => self.at += 1,
                    Some(Token::Control(control)) if control == "|" || control == "(" => self.at += 1,
                    Some(Token::Control(control)) if control == ")" => break,
                    _ => return false,
                }
            }
            self.at += 1;
            if !self.list(depth + 1, &["esac"]) {
                return false;
            }
            if self.control() == Some(";;") {
                self.at += 1;
            }
        }
    }

    fn condition(&mut self, depth: usize) -> bool {
        self.at += 1;
        loop {
            if !self.list(depth + 1, &["then"]) || !self.take("then") {
                return false;
            }
            if !self.list(depth + 1, &["elif", "else", "fi"]) {
                return false;
            }
            if self.take("elif") {
                continue;
            }
            if self.take("else") && !self.list(depth + 1, &["fi"]) {
                return false;
            }
            return self.take("fi");
        }
    }

    /// A command that changes nothing: tests, messages, ends.
    fn simple(&mut self) -> bool {
        let mut words: Vec<&str> = Vec::new();
        let mut at = self.at;
        while let Some(Token::Word(word)) = self.tokens.get(at) {
            words.push(word);
            at += 1;
        }
        let words = match words.as_slice() {
            ["!", rest @ ..] => rest,
            all => all,
        };
        let idle = words.iter().all(|word| pure(word))
            && matches!(
                words,
                [":" | "true" | "false" | "[" | "test" | "echo" | "exit" | "return" | "set", ..]
                    | ["dpkg", "--compare-versions", ..]
            );
        self.at = at;
        idle
    }
}

/// A word that runs nothing and writes nowhere but to a terminal. A backquote behind a backslash is text.
fn pure(word: &str) -> bool {
    let runs = word.contains("$(") || word.replace("\\`", "").contains('`');
    let writes = word.contains(['>', '<']) && !matches!(word, ">&2" | "1>&2" | ">/dev/null" | "2>/dev/null" | "2>&1");
    let quoted = word.starts_with(['\'', '"']);
    !runs && (!writes || quoted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rest(text: &str) -> Option<String> {
        Rest::of(ScriptKind::Postinst, text).map(|rest| rest.text)
    }

    #[test]
    fn the_skeleton_of_dh_make_is_worth_nothing() {
        let text = "#!/bin/sh\n# postinst script for x\n#\nset -e\n\ncase \"$1\" in\n    configure)\n    ;;\n\n    abort-upgrade|abort-remove|abort-deconfigure)\n    ;;\n\n    *)\n        echo \"postinst called with unknown argument \\`$1'\" >&2\n        exit 1\n    ;;\nesac\n\n\nexit 0\n";
        assert_eq!(rest(text), None);
    }

    #[test]
    fn an_empty_condition_is_worth_nothing() {
        assert_eq!(
            rest(
                "#!/bin/sh -e\nif [ \"$1\" = configure ] && dpkg --compare-versions \"$2\" lt 3; then\n\t:\nelse\n\ttrue\nfi\n"
            ),
            None
        );
        assert_eq!(rest("#!/bin/sh\nset -e\n\nexit 0"), None);
    }

    #[test]
    fn what_can_do_something_stays() {
        for text in [
            "rm -f /etc/x\n",
            "case \"$1\" in\n*) rm /x ;;\nesac\n",
            "case \"$(rm /x)\" in\n*) ;;\nesac\n",
            "if rm /x; then\n:\nfi\n",
            "if [ -e /x ]; then rm /x; fi\n",
            "echo x > /etc/x\n",
            "echo `rm /x`\n",
            "echo x | tee /etc/x\n",
            "case x in\nx) ;;\n",
            "if true; then\n",
            "f() { :; }\n",
            "exec 3>/etc/x\n",
            "( rm /x )\n",
            "true & rm /x\n",
            "X=$(rm /x)\n",
        ] {
            assert!(rest(text).is_some(), "{text}");
        }
    }

    #[test]
    fn layout_and_comments_do_not_reach_the_digest() {
        let one = Rest::of(ScriptKind::Postinst, "#!/bin/sh\nset -e\n# a\nmkdir /x\n\n\tchown y /x\n").unwrap();
        let other = Rest::of(ScriptKind::Postinst, "#!/bin/sh -e\nmkdir /x\nchown y /x\nexit 0\n").unwrap();
        assert_eq!(one.digest, other.digest);
        assert_eq!(one.text, "mkdir /x\nchown y /x");
    }

    #[test]
    fn what_looks_like_a_comment_in_a_file_that_is_written_reaches_the_digest() {
        let text = "cat > /etc/x <<EOF\n# one\nEOF\n";
        assert_eq!(rest(text).unwrap(), text.trim_end());
    }

    #[test]
    fn only_interests_count_among_triggers() {
        let rest = |text| Rest::of(ScriptKind::Triggers, text).map(|rest| rest.text);
        assert_eq!(rest("# Triggers added by dh_makeshlibs/13.24.2\nactivate-noawait ldconfig\n"), None);
        assert_eq!(
            rest("interest  b # x\n interest-noawait a\nactivate c\n").unwrap(),
            "interest b\ninterest-noawait a"
        );
    }

    proptest! {
        #[test]
        fn any_text_has_a_rest_or_none(text in "\\PC{0,60}|(case|in|esac|if|then|fi|;|;;|\\)|x|\"|`|\n| ){0,30}") {
            let first = Rest::of(ScriptKind::Postinst, &text);
            if let Some(rest) = &first {
                prop_assert_eq!(rest.digest, Digest::of(rest.text.as_bytes()));
            }
        }
    }
}
