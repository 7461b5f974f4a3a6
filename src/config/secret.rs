//! Secrets in texts: a template never sees a value, it writes a marker, and the value takes its place at the very end.
//!
//! A marker is U+E5EC, an operation's letter, `:`, its operand, U+E5ED. The operand of [`Op::Value`] is the name of a secret, that of
//! any other a text that may hold markers itself; it is escaped to letters, digits, `-`, `_`, `.` and `%`, so that no format
//! trips over a marker. The two characters are of Unicode's private use: they mean nothing, and what comes from outside may not
//! hold them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::Format;

const OPEN: char = '\u{e5ec}';
const CLOSE: char = '\u{e5ed}';
/// The characters that only wharf may write.
pub(super) const MARKS: [char; 2] = [OPEN, CLOSE];

/// Whether a text from outside holds what only wharf may write.
pub(super) fn holds_marker(text: &str) -> bool {
    !text.is_ascii() && text.contains(MARKS)
}

/// What is done with an operand when the secret is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// The value of the secret itself.
    Value,
    /// Percent-encoded, for URLs.
    Url,
    /// Base64 (RFC 4648, section 4).
    Base64,
    /// What stands between double quotes in JSON and YAML.
    Json,
    /// One value of an INI file.
    Ini,
    /// One value of a file of oslo.config.
    Oslo,
}

impl Op {
    const ALL: [(Self, char); 6] = [
        (Self::Value, 'v'),
        (Self::Url, 'u'),
        (Self::Base64, 'b'),
        (Self::Json, 'j'),
        (Self::Ini, 'i'),
        (Self::Oslo, 'o'),
    ];

    fn letter(self) -> char {
        Self::ALL.into_iter().find(|(op, _)| *op == self).map_or('v', |(_, letter)| letter)
    }
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text as it is.
    Text(&'a str),
    /// A marker.
    Marker(Op, String),
}

/// A text in which a marker was cut or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged {
    /// The byte where.
    pub at: usize,
}

/// The marker of an operation.
pub(super) fn marker(op: Op, operand: &str) -> String {
    let mut out = String::new();
    out.push(OPEN);
    out.push(op.letter());
    out.push(':');
    for byte in operand.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out.push(CLOSE);
    out
}

fn operand(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

/// Takes a text apart at its markers.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Damaged> {
    let mut out = Vec::new();
    if text.is_ascii() {
        // No marker is: most texts have none.
        out.extend((!text.is_empty()).then_some(Piece::Text(text)));
        return Ok(out);
    }
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or("");
        let Some(start) = rest.find([OPEN, CLOSE]) else {
            if !rest.is_empty() {
                out.push(Piece::Text(rest));
            }
            return Ok(out);
        };
        let damaged = Damaged { at: at + start };
        let (before, from) = rest.split_at(start);
        let inner = from.strip_prefix(OPEN).and_then(|inner| inner.split_once(CLOSE)).ok_or(damaged)?.0;
        let (letter, escaped) = inner.split_once(':').ok_or(damaged)?;
        let op = Op::ALL.into_iter().find(|(_, own)| letter.chars().eq([*own])).ok_or(damaged)?.0;
        let operand = operand(escaped).ok_or(damaged)?;
        if op != Op::Value {
            pieces(&operand).map_err(|_| damaged)?;
        }
        if !before.is_empty() {
            out.push(Piece::Text(before));
        }
        out.push(Piece::Marker(op, operand));
        at += start + OPEN.len_utf8() + inner.len() + CLOSE.len_utf8();
    }
}

/// The names of the secrets that a text holds, or the damage.
pub(super) fn names(text: &str) -> Result<BTreeSet<String>, Damaged> {
    let mut out = BTreeSet::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Text(_) => {}
            Piece::Marker(Op::Value, name) => {
                out.insert(name);
            }
            Piece::Marker(_, operand) => out.extend(names(&operand)?),
        }
    }
    Ok(out)
}

/// Encodes a text piece by piece: what is known now, secrets when they are put in. A damaged text stays as it is.
pub(super) fn encoded(text: &str, op: Op, plain: impl Fn(&str, &mut String)) -> String {
    let Ok(pieces) = pieces(text) else { return text.to_owned() };
    pieces.into_iter().fold(String::with_capacity(text.len()), |mut out, piece| {
        match piece {
            Piece::Text(text) => plain(text, &mut out),
            Piece::Marker(inner, operand) => out.push_str(&marker(op, &marker(inner, &operand))),
        }
        out
    })
}

/// Takes one encoding off the markers that have it.
pub(super) fn without(text: &str, op: Op) -> String {
    let Ok(pieces) = pieces(text) else { return text.to_owned() };
    pieces.into_iter().fold(String::with_capacity(text.len()), |mut out, piece| {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Marker(own, operand) if own == op => out.push_str(&operand),
            Piece::Marker(own, operand) => out.push_str(&marker(own, &operand)),
        }
        out
    })
}

/// Whether a text holds a marker of one of the operations.
pub(super) fn holds(text: &str, ops: &[Op]) -> bool {
    holds_marker(text)
        && pieces(text)
            .is_ok_and(|all| all.iter().any(|piece| matches!(piece, Piece::Marker(op, _) if ops.contains(op))))
}

/// The text for people: `<secret keystone-admin>` where a marker stands.
pub fn masked(text: &str) -> String {
    if !holds_marker(text) {
        return text.to_owned();
    }
    let Ok(pieces) = pieces(text) else { return "<secret>".to_owned() };
    pieces.into_iter().fold(String::new(), |mut out, piece| {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Marker(Op::Value, name) => {
                let _ = write!(out, "<secret {name}>");
            }
            Piece::Marker(Op::Base64, operand) => {
                let _ = write!(out, "<base64 of {}>", masked(&operand));
            }
            Piece::Marker(_, operand) => out.push_str(&masked(&operand)),
        }
        out
    })
}

/// Why a text cannot have its secrets put in. Never says a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum RevealError {
    /// No value.
    #[error("there is no value for the secret `{name}`")]
    Absent {
        /// The secret.
        name: String,
    },
    /// A value that does not fit where it is used.
    #[error("the value of the secret {name} {why}")]
    Unfit {
        /// The secret or secrets, in back quotes.
        name: String,
        /// Why; what a person can do.
        why: &'static str,
        /// What to do.
        #[help]
        help: &'static str,
    },
    /// A text that wharf did not write.
    #[error("the text holds half a marker of a secret")]
    Damaged,
}

/// Bytes that are overwritten when they go, also when they move to a larger place.
struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            // A vector that grows by itself would leave its old place as it was.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(self.0.capacity() * 2)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

/// Gives the value of a secret by its name.
pub type Lookup<'a> = dyn Fn(&str) -> Option<Zeroizing<Vec<u8>>> + 'a;

/// Puts the secrets into a text of a format. A value that would be read as something else there is refused.
pub(super) fn reveal(text: &str, format: Format, lookup: &Lookup<'_>) -> Result<Zeroizing<Vec<u8>>, RevealError> {
    let mut out = Buffer::with_capacity(text.len() + 256);
    for piece in pieces(text).map_err(|_| RevealError::Damaged)? {
        match piece {
            Piece::Text(text) => out.push(text.as_bytes()),
            Piece::Marker(Op::Value, name) => {
                let value = value(&name, lookup)?;
                unquoted(&name, &value, format)?;
                out.push(&value);
            }
            Piece::Marker(op, operand) => apply(op, &operand, lookup, &mut out)?,
        }
    }
    Ok(out.0)
}

fn value(name: &str, lookup: &Lookup<'_>) -> Result<Zeroizing<Vec<u8>>, RevealError> {
    lookup(name).ok_or_else(|| RevealError::Absent { name: name.to_owned() })
}

/// The operand with its own secrets in it.
fn inner(text: &str, lookup: &Lookup<'_>) -> Result<Zeroizing<Vec<u8>>, RevealError> {
    reveal(text, Format::Text, lookup)
}

fn apply(op: Op, operand: &str, lookup: &Lookup<'_>, out: &mut Buffer) -> Result<(), RevealError> {
    let value = inner(operand, lookup)?;
    let name = || {
        let names = names(operand).unwrap_or_default();
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let unfit = |why, help| RevealError::Unfit { name: name(), why, help };
    match op {
        Op::Value => out.push(&value),
        Op::Url => value.iter().for_each(|byte| url_byte(*byte, &mut |bytes| out.push(bytes))),
        Op::Base64 => base64(&value, &mut |bytes| out.push(bytes)),
        Op::Json => {
            let text = std::str::from_utf8(&value)
                .map_err(|_| unfit("is no UTF-8 text, and JSON and YAML hold nothing else", "use `b64encode`"))?;
            for c in text.chars() {
                json_char(c, &mut |bytes| out.push(bytes));
            }
        }
        Op::Ini => {
            line(&value).map_err(|why| unfit(why, "use `b64encode`"))?;
            out.push(b"\"");
            for byte in value.iter() {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b"\\");
                }
                out.push(&[*byte]);
            }
            out.push(b"\"");
        }
        Op::Oslo => {
            line(&value).map_err(|why| unfit(why, "use `b64encode`"))?;
            if value.windows(2).any(|pair| pair == b"\\$") {
                return Err(unfit(UNSAYABLE_DOLLAR, "make one without that pair"));
            }
            out.push(b"\"");
            for byte in value.iter() {
                if *byte == b'$' {
                    out.push(b"$");
                }
                out.push(&[*byte]);
            }
            out.push(b"\"");
        }
    }
    Ok(())
}

/// oslo.config reads `\$` as `$$`, in whatever company it stands (`cfg.py`, `_substitute`).
pub(super) const UNSAYABLE_DOLLAR: &str = "holds `\\$`, which oslo.config has no way to say";

fn line(value: &[u8]) -> Result<(), &'static str> {
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        Err("holds a line break, and a value of an INI file is one line")
    } else {
        Ok(())
    }
}

/// Says whether a value can stand in a text of a format as it is.
fn unquoted(name: &str, value: &[u8], format: Format) -> Result<(), RevealError> {
    let unfit = |why, help| Err(RevealError::Unfit { name: format!("`{name}`"), why, help });
    const QUOTE: &str = "write `{{ secret(…)|quote }}` in the template, without quotes of its own around it";
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let edges = edge(value.first()) || edge(value.last());
    match format {
        Format::Text => Ok(()),
        Format::Json => {
            if std::str::from_utf8(value).is_err() || value.iter().any(|byte| matches!(byte, b'"' | b'\\' | 0..=31)) {
                return unfit("holds characters that JSON does not take as they are", QUOTE);
            }
            Ok(())
        }
        Format::Yaml => {
            // Where it stands is not known here: bare, or in quotes of either kind.
            let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./+=@".contains(byte);
            let begins = value.first().is_some_and(|byte| byte.is_ascii_alphabetic());
            let word = std::str::from_utf8(value).is_ok_and(super::document::is_word);
            if !begins || !value.iter().all(inside) || word {
                return unfit("could be taken for something else in YAML as it is", QUOTE);
            }
            Ok(())
        }
        Format::Ini | Format::Oslo => {
            if let Err(why) = line(value) {
                return unfit(why, "use `b64encode`");
            }
            if edges {
                return unfit("begins or ends with a blank, which would be lost", QUOTE);
            }
            let quote = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'"' | b'\''));
            if format == Format::Oslo && (quote(value.first()) || quote(value.last())) {
                return unfit("begins or ends with a quote, which oslo.config may take off", QUOTE);
            }
            if format == Format::Oslo && value.contains(&b'$') {
                return unfit("holds `$`, with which oslo.config names another option", QUOTE);
            }
            Ok(())
        }
    }
}

/// Percent-encodes a text.
pub(super) fn url(text: &str, out: &mut String) {
    text.bytes().for_each(|byte| url_byte(byte, &mut |bytes| out.extend(bytes.iter().copied().map(char::from))));
}

/// Percent-encodes a byte unless it is unreserved (RFC 3986, 2.3).
fn url_byte(byte: u8, out: &mut dyn FnMut(&[u8])) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        out(&[byte]);
    } else {
        let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
        out(&[b'%', digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Base64 with padding (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| ALPHABET.get((bits & 63) as usize).copied().unwrap_or(b'=');
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let mut four = [digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)];
        for place in four.iter_mut().skip(chunk.len() + 1) {
            *place = b'=';
        }
        out(&four);
    }
}

/// A character as it stands between double quotes in JSON and YAML.
fn json_char(c: char, out: &mut dyn FnMut(&[u8])) {
    let mut text = Zeroizing::new(String::with_capacity(16));
    super::document::escaped_char(c, &mut text);
    out(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn damage_is_found_wherever_it_is() {
        let whole = marker(Op::Url, &format!("a{}", marker(Op::Value, "db")));
        assert!(names(&whole).is_ok());
        let chars: Vec<char> = whole.chars().collect();
        for cut in 1..chars.len() {
            let (head, tail) = chars.split_at(cut);
            assert!(names(&head.iter().collect::<String>()).is_err(), "{cut}");
            assert!(names(&tail.iter().collect::<String>()).is_err(), "{cut}");
        }
        assert!(names(&whole.to_uppercase()).is_err());
    }

    #[test]
    fn encodings_are_those_of_the_standards() {
        // RFC 4648, section 10; RFC 3986, section 2.
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            let mut out = Vec::new();
            base64(plain.as_bytes(), &mut |bytes| out.extend_from_slice(bytes));
            assert_eq!(out, encoded.as_bytes());
        }
        let mut out = String::new();
        url("aZ0-._~ /?#[]@!$&'()*+,;=%\u{fc}", &mut out);
        assert_eq!(out, "aZ0-._~%20%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25%C3%BC");
    }

    #[test]
    fn people_see_names_and_nothing_else() {
        let text = format!("a {} b", marker(Op::Base64, &format!("u:{}", marker(Op::Value, "db"))));
        assert_eq!(masked(&text), "a <base64 of u:<secret db>> b");
        assert_eq!(masked(&format!("x{OPEN}")), "<secret>");
    }

    proptest! {
        #[test]
        fn markers_survive_any_operand(operand in "[^\u{e5ec}\u{e5ed}]{0,12}", around in "[^\u{e5ec}\u{e5ed}]{0,4}") {
            let inner = marker(Op::Json, &operand);
            let text = format!("{around}{}{around}", marker(Op::Base64, &inner));
            let mut expected = vec![Piece::Marker(Op::Base64, inner)];
            if !around.is_empty() {
                expected.insert(0, Piece::Text(&around));
                expected.push(Piece::Text(&around));
            }
            prop_assert_eq!(pieces(&text), Ok(expected));
        }

        #[test]
        fn a_buffer_holds_what_was_pushed(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut buffer = Buffer::with_capacity(1);
            parts.iter().for_each(|part| buffer.push(part));
            prop_assert_eq!(buffer.0.to_vec(), parts.concat());
        }
    }
}
