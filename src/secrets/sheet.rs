//! The text that a person edits: a secret a line.
//!
//! ```text
//! # a comment
//! keystone-db: the value, as it stands
//! nova-ssh: |
//!     several lines, each behind four blanks,
//!     the last one ended too
//! token: |-
//!     several lines,
//!     the last one not ended
//! logo: base64 iVBORw0KGgo=
//! ```

use std::collections::BTreeMap;

use miette::Diagnostic;

use super::safe::{base64, from_base64};
use super::value::{Buffer, Secret};
use super::{Entry, Safe, SecretsError};
use crate::name::SecretName;

const INDENT: &str = "    ";

/// Secrets as a person left them.
#[derive(Debug)]
pub struct Sheet(BTreeMap<SecretName, Secret>);

/// What cannot be read in a sheet. It quotes nothing: any word may belong to a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("line {line}: {why}")]
#[diagnostic(help(
    "a secret is NAME: VALUE on a line, or NAME: | and lines behind four blanks, or NAME: base64 BYTES"
))]
pub struct SheetError {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// What a sheet changed: names alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// They were not there.
    pub added: Vec<SecretName>,
    /// They have another value.
    pub changed: Vec<SecretName>,
    /// They are gone.
    pub removed: Vec<SecretName>,
}

impl Sheet {
    /// The text for a person, below some words of comment.
    pub fn write(safe: &Safe, comment: &str) -> Buffer {
        let mut out = Buffer::with_capacity(16 * 1024);
        for line in comment.lines() {
            out.push(format!("# {line}").trim_end().as_bytes());
            out.push(b"\n");
        }
        for (name, entry) in safe.entries() {
            if let Some(rule) = &entry.rule {
                out.push(format!("# made by {}\n", rule.replace(char::is_control, " ")).as_bytes());
            }
            out.push(name.as_str().as_bytes());
            out.push(b": ");
            value(&mut out, &entry.value);
        }
        out
    }

    /// Reads it back.
    pub fn read(text: &[u8]) -> Result<Self, SheetError> {
        let text = std::str::from_utf8(text).map_err(|error| {
            let before = text.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            SheetError { line, why: "this is not UTF-8; bytes are written as base64" }
        })?;
        let mut secrets = BTreeMap::new();
        let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).split('\n').enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            let wrong = |why| SheetError { line: at + 1, why };
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                return Err(wrong("this line belongs to nothing: only lines below `NAME: |` begin with blanks"));
            }
            let (name, rest) = line.split_once(':').ok_or_else(|| wrong("there is no `NAME:`"))?;
            let name = SecretName::new(name.trim_end()).map_err(|_| {
                wrong("what stands before the colon is no name: lower-case letters, digits and single `-`, `_` or `.`")
            })?;
            if !rest.is_empty() && !rest.starts_with(' ') {
                return Err(wrong("there is no blank behind the colon"));
            }
            let rest = rest.trim();
            let value = match rest {
                "" => return Err(wrong("there is no value behind the colon")),
                "|" | "|-" => {
                    let mut block = Buffer::with_capacity(4096);
                    let mut pending = 0usize;
                    let mut begun = false;
                    while let Some((_, line)) = lines.peek() {
                        match line.strip_prefix(INDENT) {
                            Some(text) => {
                                for _ in 0..pending {
                                    block.push(b"\n");
                                }
                                pending = 0;
                                if begun {
                                    block.push(b"\n");
                                }
                                block.push(text.as_bytes());
                                begun = true;
                            }
                            None if line.trim().is_empty() => pending += 1,
                            None => break,
                        }
                        lines.next();
                    }
                    if !begun {
                        return Err(wrong("there are no lines behind four blanks below this one"));
                    }
                    if rest == "|" {
                        block.push(b"\n");
                    }
                    block.into_secret()
                }
                _ => match rest.strip_prefix("base64 ") {
                    Some(encoded) => from_base64(encoded.trim()).ok_or_else(|| wrong("this is not base64"))?,
                    None if rest.starts_with('|') => {
                        return Err(wrong("a value that begins with `|` is written as base64, or below `NAME: |-`"));
                    }
                    None => Secret::copied(rest.as_bytes()),
                },
            };
            if secrets.insert(name, value).is_some() {
                return Err(wrong("this name stands there twice"));
            }
        }
        Ok(Self(secrets))
    }

    /// Brings the safe to what the sheet says. What a person changed counts as set by hand, at `now`.
    pub fn apply(self, safe: &mut Safe, now: Option<i64>) -> Result<Changes, SecretsError> {
        let mut changes = Changes::default();
        let gone: Vec<SecretName> = safe.entries().keys().filter(|name| !self.0.contains_key(*name)).cloned().collect();
        for name in gone {
            safe.remove(&name);
            changes.removed.push(name);
        }
        for (name, value) in self.0 {
            match safe.entries().get(&name) {
                Some(entry) if entry.value == value => continue,
                Some(_) => changes.changed.push(name.clone()),
                None => changes.added.push(name.clone()),
            }
            safe.put(name, Entry { value, rule: None, made: now })?;
        }
        Ok(changes)
    }
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

fn value(out: &mut Buffer, value: &Secret) {
    let text = value.text().filter(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')));
    match text {
        Some(text) if is_plain(text) => out.push(text.as_bytes()),
        Some(text) if is_block(text) => {
            out.push(if text.ends_with('\n') { b"|" } else { b"|-" });
            for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                out.push(b"\n");
                if !line.is_empty() {
                    out.push(INDENT.as_bytes());
                    out.push(line.as_bytes());
                }
            }
        }
        _ => {
            out.push(b"base64 ");
            base64(out, value.expose());
        }
    }
    out.push(b"\n");
}

/// Whether a value means itself behind the colon.
fn is_plain(text: &str) -> bool {
    text.trim() == text
        && !text.contains('\n')
        && !text.starts_with('|')
        && !text.starts_with("base64 ")
        && !text.is_empty()
}

/// Whether a value survives being written as lines: no blank lines at its edges, no blanks that editors take away.
fn is_block(text: &str) -> bool {
    let inner = text.strip_suffix('\n').unwrap_or(text);
    text.contains('\n')
        && !inner.starts_with('\n')
        && !inner.ends_with('\n')
        && inner.split('\n').all(|line| line.trim_end() == line)
        && !inner.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::{NewIdentity, Recipients};
    use super::*;
    use crate::name::EstateName;
    use proptest::prelude::*;

    fn safe(values: &BTreeMap<String, Vec<u8>>) -> Safe {
        let recipient = NewIdentity::make().recipient;
        let recipients = Recipients::parse(&EstateName::new("e").unwrap(), [recipient.as_str()]).unwrap();
        let mut safe = Safe::new(&recipients, &mut |_| Ok(())).unwrap();
        for (name, value) in values {
            let entry = Entry { value: Secret::copied(value), rule: None, made: None };
            safe.put(SecretName::new(name.as_str()).unwrap(), entry).unwrap();
        }
        safe
    }

    fn of(values: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        values.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_cannot_be_read_is_said_without_a_word_of_it() {
        for (text, line, why) in [
            ("geheim", 1, "there is no `NAME:`"),
            ("a: b\n\nGEHEIM: x", 3, "what stands before the colon"),
            ("a:geheim", 1, "there is no blank behind the colon"),
            ("a:", 1, "there is no value"),
            ("# x\na:  ", 2, "there is no value"),
            ("  geheim", 1, "this line belongs to nothing"),
            ("a: |\nb: c", 1, "there are no lines"),
            ("a: |\n  geheim", 1, "there are no lines"),
            ("a: |geheim", 1, "a value that begins with `|`"),
            ("a: base64 geheim!", 1, "this is not base64"),
            ("a: x\na: geheim", 2, "this name stands there twice"),
            ("a: |\n    x\n  geheim", 3, "this line belongs to nothing"),
        ] {
            let error = Sheet::read(text.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.why.starts_with(why), "{text:?}: {error}");
            assert!(!error.to_string().to_lowercase().contains("geheim"));
        }
        assert_eq!(Sheet::read(b"a: b\nc: \xff").unwrap_err().line, 2);
    }

    #[test]
    fn values_are_written_as_people_would() {
        let values = of(&[
            ("a", "plain: with # all sorts"),
            ("b", "-----BEGIN-----\n\nx\n-----END-----\n"),
            ("c", "one\ntwo"),
            ("d", " blanks "),
            ("e", "|"),
            ("f", "\n"),
            ("g", "base64 x"),
        ]);
        let text = Sheet::write(&safe(&values), "one\n\ntwo");
        insta::assert_snapshot!(std::str::from_utf8(text.bytes()).unwrap(), @"
        # one
        #
        # two
        a: plain: with # all sorts
        b: |
            -----BEGIN-----

            x
            -----END-----
        c: |-
            one
            two
        d: base64 IGJsYW5rcyA=
        e: base64 fA==
        f: base64 Cg==
        g: base64 YmFzZTY0IHg=
        ");
    }

    #[test]
    fn what_changed_is_named_and_counts_as_set_by_hand() {
        let mut safe = safe(&of(&[("a", "1"), ("b", "2"), ("c", "3")]));
        let kept = Entry { value: Secret::copied(b"1"), rule: Some("r".into()), made: Some(1) };
        safe.put(SecretName::new("a").unwrap(), kept.clone()).unwrap();
        let changes = Sheet::read(b"a: 1\r\nb: 4\nd: 5\n").unwrap().apply(&mut safe, Some(9)).unwrap();
        let names = |names: &[SecretName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let Changes { added, changed, removed } = &changes;
        assert_eq!((names(added), names(changed), names(removed)), ("d".into(), "b".into(), "c".into()));
        assert_eq!(safe.entries().get("a"), Some(&kept));
        assert_eq!(safe.entries().get("b").unwrap().made, Some(9));
    }

    proptest! {
        #[test]
        fn a_sheet_that_nobody_changes_changes_nothing(
            texts in proptest::collection::btree_map("[a-z][a-z0-9]{0,6}", "[ -~\n\t\r|é]{1,40}", 0..6),
            bytes in proptest::collection::btree_map("[a-z][a-z0-9]{7,9}", proptest::collection::vec(any::<u8>(), 1..40), 0..4),
        ) {
            let values = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).chain(bytes).collect();
            let mut safe = safe(&values);
            let text = Sheet::write(&safe, "words\nof comment");
            let changes = Sheet::read(text.bytes()).unwrap().apply(&mut safe, None).unwrap();
            prop_assert!(changes.is_empty(), "{:?}", changes);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-c:|\\- \nbase64=#]{0,60}") {
            let _ = Sheet::read(text.as_bytes());
        }
    }
}
