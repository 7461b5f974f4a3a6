//! Quoting: what a text must look like in a unit file so that systemd, or podman's generator and then systemd, read the
//! very same text again (systemd.service(5) "Command lines", systemd.syntax(7) "Quoting"; podman pkg/systemd/parser).
//!
//! Both readers split words alike: quotes and C escapes. podman's generator changes neither `%` nor `$`, so these are
//! doubled once, for systemd, whichever way a text goes. What they differ in:
//!
//! * podman's generator stops at an empty word (and drops all that follow), and passes a lone `;` on without quotes,
//!   which systemd reads as the end of a command. Both are written with `%i`, that is empty outside of templates.
//! * It writes U+0080 as one byte, which is no UTF-8; so C1 controls are refused for all.

use std::borrow::Cow;

use super::say::Unsayable;

/// Whether a text is printable ASCII and blanks alone: nearly every one is, which needs one pass without branches.
pub(super) fn printable(text: &str) -> bool {
    text.bytes().fold(true, |all, byte| all & (b' '..=b'~').contains(&byte))
}

/// Why a text can be no word at all; none if it can.
pub fn unsayable(text: &str) -> Option<&'static str> {
    if printable(text) {
        None
    } else if text.contains('\0') {
        Some("a NUL byte ends every argument")
    } else if text.chars().any(|c| ('\u{80}'..='\u{9f}').contains(&c)) {
        Some("podman's generator spoils the control characters U+0080 to U+009F")
    } else {
        None
    }
}

/// Refuses the first of some words that can be none.
pub(super) fn check(unit: &str, key: &str, words: &[String]) -> Result<(), Unsayable> {
    match words.iter().find_map(|text| unsayable(text).map(|why| (text, why))) {
        Some((text, why)) => {
            let (unit, key) = (unit.to_owned(), key.to_owned());
            Err(Unsayable::Text { unit, key, text: text.clone(), why: why.to_owned() })
        }
        None => Ok(()),
    }
}

/// A word in quotes where it needs some: for systemd and for podman's generator alike. `%` and `$` are left as they are.
pub fn word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '\\');
    if !text.is_empty() && text != ";" && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// Some signs doubled wherever they stand.
fn doubled<'a>(text: &'a str, signs: &[char]) -> Cow<'a, str> {
    // ASCII all of them.
    if !text.bytes().any(|byte| signs.contains(&char::from(byte))) {
        return Cow::Borrowed(text);
    }
    let mut longer = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        longer.push(c);
        if signs.contains(&c) {
            longer.push(c);
        }
    }
    Cow::Owned(longer)
}

/// `%` doubled: systemd expands specifiers in nearly every value.
pub fn percent(text: &str) -> Cow<'_, str> {
    doubled(text, &['%'])
}

/// `%` and `$` doubled: a text that ends in an Exec line.
pub fn argument(text: &str) -> Cow<'_, str> {
    doubled(text, &['%', '$'])
}

/// Words with a blank between them, each in quotes where it needs some.
fn joined<'a>(words: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut line = String::new();
    for (index, text) in words.enumerate() {
        if index > 0 {
            line.push(' ');
        }
        line.push_str(&word(&text));
    }
    line
}

/// The words of an Exec line that systemd itself reads. The first word is a program's path: systemd expands no variable
/// in it, so its `$` stays single.
pub fn command<S: AsRef<str>>(words: &[S]) -> String {
    joined(words.iter().enumerate().map(|(index, text)| match index {
        0 => percent(text.as_ref()),
        _ => argument(text.as_ref()),
    }))
}

/// Arguments that podman's generator splits and hands on to systemd.
pub fn arguments<S: AsRef<str>>(words: &[S]) -> String {
    joined(words.iter().map(|text| match text.as_ref() {
        "" => Cow::Borrowed("%i"),
        ";" => Cow::Borrowed("%i;"),
        text => argument(text),
    }))
}

/// A value that podman's generator takes as it stands, whole, and hands on to systemd; none where it would be read as
/// another one: it loses blanks and (before 5.8.2, all) double quotes at its ends.
pub fn raw(text: &str) -> Option<Cow<'_, str>> {
    let spoiled = text.is_empty()
        || text == ";"
        || (!printable(text) && text.chars().any(char::is_control))
        || text.trim() != text
        || text.starts_with('"')
        || text.ends_with(['"', '\\']);
    (!spoiled).then(|| argument(text))
}

/// A word that podman's generator splits without reading escapes (DropCapability=, Sysctl=, AddDevice=, LogOpt=, UIDMap=),
/// and hands on to systemd; none where no quotes can hold it.
pub fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    let spoiled = text.is_empty()
        || text == ";"
        || text.starts_with('-')
        || (!printable(text) && text.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' ')));
    let text = argument(text);
    let quote = match (text.contains('"'), text.contains('\'')) {
        _ if spoiled => return None,
        (true, true) => return None,
        (true, false) => '\'',
        (false, true) => '"',
        (false, false) if text.contains(' ') || text.ends_with('\\') => '"',
        (false, false) => return Some(text),
    };
    Some(Cow::Owned(format!("{quote}{text}{quote}")))
}

/// The words of a list that systemd expands specifiers in, but no variables: Environment=, RequiresMountsFor=.
pub fn list<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    joined(words.into_iter().map(|text| Cow::Owned(percent(text.as_ref()).into_owned())))
}

/// Splits a line into words as systemd does (extract_first_word with EXTRACT_UNQUOTE and EXTRACT_CUNESCAPE); none where
/// systemd refuses the line. Escapes of single bytes above 0x7f are refused here: they are no whole characters.
pub fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut current: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => current.get_or_insert_default().push(unescape(&mut chars)?),
            c if Some(c) == quote => quote = None,
            c if quote.is_some() => current.get_or_insert_default().push(c),
            '"' | '\'' => {
                quote = Some(c);
                current.get_or_insert_default();
            }
            ' ' | '\t' | '\n' | '\r' => words.extend(current.take()),
            c => current.get_or_insert_default().push(c),
        }
    }
    words.extend(current);
    quote.is_none().then_some(words)
}

/// One C escape, its backslash read already (systemd's cunescape_one).
fn unescape(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let (digits, radix, first) = match chars.next()? {
        'a' => return Some('\u{7}'),
        'b' => return Some('\u{8}'),
        'f' => return Some('\u{c}'),
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        'v' => return Some('\u{b}'),
        's' => return Some(' '),
        c @ ('\\' | '"' | '\'') => return Some(c),
        'x' => (2, 16, None),
        'u' => (4, 16, None),
        'U' => (8, 16, None),
        c @ '0'..='7' => (2, 8, Some(c)),
        _ => return None,
    };
    let text: String = first.into_iter().chain(chars.by_ref().take(digits)).collect();
    let whole =
        text.chars().count() == digits + usize::from(first.is_some()) && text.chars().all(|c| c.is_digit(radix));
    let value = u32::from_str_radix(&text, radix).ok().filter(|value| whole && *value != 0)?;
    // `\x` and octal escapes are bytes: above 0x7f they would be parts of a character.
    char::from_u32(value).filter(|c| digits > 2 || c.is_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What systemd makes of `%` and `$` where no specifier but `%%` and `%i`, and no variable, occurs.
    fn expand(text: &str) -> String {
        let mut chars = text.chars();
        let mut out = String::new();
        while let Some(c) = chars.next() {
            match c {
                '%' => match chars.next() {
                    Some('%') => out.push('%'),
                    Some('i') => {}
                    other => panic!("%{other:?} in {text:?}"),
                },
                '$' => {
                    assert_eq!(chars.next(), Some('$'), "{text:?}");
                    out.push('$');
                }
                c => out.push(c),
            }
        }
        out
    }

    #[test]
    fn a_line_that_systemd_refuses_has_no_words() {
        for bad in ["\"a", "'a", "a\\", "\\q", "\\x4", "\\x00", "\\u12", "\\xff", "\\9", "\\000"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_are_split_as_systemd_splits_them() {
        let words = split("a  'b c'd \"\" \"\\\"\\x20\\u00e4\\101\" \\s\t\\'").unwrap();
        assert_eq!(words, ["a", "b cd", "", "\" äA", " ", "'"]);
    }

    #[test]
    fn what_cannot_be_said_is_named() {
        assert_eq!(unsayable("a\0b"), Some("a NUL byte ends every argument"));
        assert!(unsayable("a\u{80}").is_some() && unsayable("\u{9f}").is_some());
        assert_eq!(unsayable("ä\u{a0}\u{7f}\n"), None);
        for text in ["", ";", " a", "a ", "\"a", "a\"", "a\\", "a\nb", "\u{a0}a"] {
            assert_eq!(raw(text), None, "{text:?}");
        }
        assert_eq!(raw("a \"b\" $c %d\\e").as_deref(), Some("a \"b\" $$c %%d\\e"));
        for text in ["", ";", "-a", "a\tb", "a\n", "'\"", "\u{a0}"] {
            assert_eq!(unescaped(text), None, "{text:?}");
        }
        assert_eq!(unescaped("a \"b\\").as_deref(), Some("'a \"b\\'"));
    }

    #[test]
    fn an_empty_word_and_a_lone_semicolon_pass_through_podmans_generator() {
        assert_eq!(arguments(&["", ";", "a;", "b"]), "%i %i; a; b");
        assert_eq!(command(&["/bin/x$y", "", ";", "$z"]), "/bin/x$y \"\" \";\" $$z");
    }

    proptest! {
        #[test]
        fn systemd_reads_the_words_that_were_meant(words in prop::collection::vec("(\\PC|[ \t\n\r\u{1}\u{1b}\u{7f}\"'\\\\$$%%i;äß☃]){0,8}", 0..5)) {
            let line: Vec<&str> = std::iter::once("/bin/x").chain(words.iter().map(String::as_str)).collect();
            let read = split(&command(&line)).unwrap();
            let read: Vec<String> = read.iter().map(|text| expand(text)).collect();
            prop_assert_eq!(&read, &line);
            let read = split(&arguments(&words)).unwrap();
            let read: Vec<String> = read.iter().map(|text| expand(text)).collect();
            prop_assert_eq!(&read, &words);
        }
    }
}
