//! All secrets of an estate, and the text inside its file.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use zeroize::Zeroizing;

use super::make::Random;
use super::value::{Buffer, Secret};
use super::{Recipients, SecretsError};
use crate::name::SecretName;

/// The version of the text inside.
const VERSION: u32 = 1;

/// podman takes secrets of 1 to 511999 bytes.
const LARGEST: usize = 511_999;

/// All secrets of an estate.
#[derive(Debug)]
pub struct Safe {
    /// What names of podman's secrets are hashed with. Never changes.
    hash_key: Secret,
    /// Whom the file is encrypted for.
    recipients: Vec<String>,
    secrets: BTreeMap<SecretName, Entry>,
}

/// A secret and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Secret,
    /// The rule that it was made by, as a `generate` node says it; none where it was set by hand.
    pub rule: Option<String>,
    /// When it was made or set, in seconds since 1970.
    pub made: Option<i64>,
}

/// Why a text is not what [`Safe::write`] writes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is of this version.
    Newer(u32),
    /// Here it is something else; from 1.
    Foreign(usize, usize),
}

impl Safe {
    /// Without secrets, with a new hash key.
    pub fn new(recipients: &Recipients, random: &mut Random<'_>) -> Result<Self, SecretsError> {
        let mut key = Zeroizing::new([0u8; 32]);
        random(key.as_mut())?;
        let recipients = recipients.texts().to_vec();
        Ok(Self { hash_key: Secret::copied(key.as_ref()), recipients, secrets: BTreeMap::new() })
    }

    /// Every secret, sorted.
    pub fn entries(&self) -> &BTreeMap<SecretName, Entry> {
        &self.secrets
    }

    /// A secret; an error that names the nearest where there is none.
    pub fn get(&self, name: &SecretName) -> Result<&Secret, SecretsError> {
        let entry = self.secrets.get(name);
        entry
            .map(|entry| &entry.value)
            .ok_or_else(|| SecretsError::unknown(name, self.secrets.keys().map(SecretName::as_str)))
    }

    /// Puts a secret in its place; whether anything changed.
    pub fn put(&mut self, name: SecretName, entry: Entry) -> Result<bool, SecretsError> {
        let size = entry.value.expose().len();
        if !(1..=LARGEST).contains(&size) {
            return Err(SecretsError::Size { name, size });
        }
        if self.secrets.get(&name).is_some_and(|old| old.value == entry.value && old.rule == entry.rule) {
            return Ok(false);
        }
        self.secrets.insert(name, entry);
        Ok(true)
    }

    /// Takes a secret away.
    pub fn remove(&mut self, name: &SecretName) -> Option<Entry> {
        self.secrets.remove(name)
    }

    /// Whom the file is encrypted for.
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// Encrypts it for others from the next time that it is written.
    pub fn rekey(&mut self, recipients: &Recipients) {
        self.recipients = recipients.texts().to_vec();
    }

    /// What podman's secret of that value is called: `NAME-` and 12 hex digits of an HMAC-SHA256 over name and value.
    pub fn keyed_name(&self, name: &SecretName, value: &Secret) -> String {
        self.keyed_name_of(name.as_str(), value.expose())
    }

    /// As [`keyed_name`](Self::keyed_name), for a rendered file: letters of the label that podman does not take
    /// (`[a-zA-Z0-9][a-zA-Z0-9_.-]*`, 253 in all) become `-`; the hash is over the label as it is.
    pub fn keyed_name_of(&self, label: &str, bytes: &[u8]) -> String {
        use fmt::Write as _;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.hash_key.expose());
        let mut context = hmac::Context::with_key(&key);
        // The length keeps label and value apart.
        context.update(&(label.len() as u64).to_be_bytes());
        context.update(label.as_bytes());
        context.update(bytes);
        let hash = context.sign();
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
        let label = label.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let mut name: String = label.chars().map(plain).take(240).collect();
        if name.is_empty() {
            name.push('x');
        }
        name.push('-');
        for byte in hash.as_ref().iter().take(6) {
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// The JSON text inside the file: sorted, a line a secret.
    pub(super) fn write(&self) -> Buffer {
        let mut out = Buffer::with_capacity(4096);
        out.push(format!("{{\n  \"wharf-secrets\": {VERSION},\n  \"hash-key\": \"").as_bytes());
        base64(&mut out, self.hash_key.expose());
        out.push(b"\",\n  \"recipients\": [");
        for (at, recipient) in self.recipients.iter().enumerate() {
            out.push(if at == 0 { b"\n    " } else { b",\n    " });
            out.push(quoted(recipient).as_bytes());
        }
        out.push(b"\n  ],\n  \"secrets\": {");
        for (at, (name, entry)) in self.secrets.iter().enumerate() {
            out.push(if at == 0 { b"\n    " } else { b",\n    " });
            out.push(quoted(name.as_str()).as_bytes());
            match plain(&entry.value) {
                Some(text) => {
                    out.push(b": {\"text\": \"");
                    out.push(text.as_bytes());
                }
                None => {
                    out.push(b": {\"base64\": \"");
                    base64(&mut out, entry.value.expose());
                }
            }
            out.push(b"\"");
            if let Some(rule) = &entry.rule {
                out.push(format!(", \"rule\": {}", quoted(rule)).as_bytes());
            }
            if let Some(made) = entry.made {
                out.push(format!(", \"made\": {made}").as_bytes());
            }
            out.push(b"}");
        }
        out.push(if self.secrets.is_empty() { b"}\n}\n" } else { b"\n  }\n}\n" });
        out
    }

    /// Reads what [`write`](Self::write) wrote. The parser's own messages hold values: none is passed on.
    pub(super) fn read(text: &[u8]) -> Result<Self, Unread> {
        let foreign = |error: serde_json::Error| Unread::Foreign(error.line().max(1), error.column().max(1));
        let Head { version } = serde_json::from_slice(text).map_err(foreign)?;
        if version > VERSION {
            return Err(Unread::Newer(version));
        }
        let Inside { version: _, hash_key: Bytes(hash_key), recipients, secrets } =
            serde_json::from_slice(text).map_err(foreign)?;
        if version != VERSION || hash_key.expose().len() != 32 {
            return Err(Unread::Foreign(2, 1));
        }
        let mut safe = Self { hash_key, recipients, secrets: BTreeMap::new() };
        for (name, Line { text, base64, rule, made }) in secrets {
            let value = match (text, base64) {
                (Some(Text(value)), None) | (None, Some(Bytes(value))) => value,
                _ => return Err(Unread::Foreign(1, 1)),
            };
            safe.secrets.insert(name, Entry { value, rule, made });
        }
        Ok(safe)
    }
}

/// What holds no letter that JSON escapes: so that reading it needs no buffer of the parser's, which nobody wipes.
fn plain(value: &Secret) -> Option<&str> {
    value.text().filter(|text| !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')))
}

/// A text that is no secret, as JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Adds base64.
pub(super) fn base64(out: &mut Buffer, bytes: &[u8]) {
    for chunk in bytes.chunks(3 * 1024) {
        let mut encoded = Zeroizing::new([0u8; 4 * 1024]);
        // Four letters for each three bytes always fit.
        if let Ok(count) = STANDARD.encode_slice(chunk, encoded.as_mut()) {
            out.push(encoded.get(..count).unwrap_or_default());
        }
    }
}

/// Reads base64.
pub(super) fn from_base64(text: &str) -> Option<Secret> {
    let mut bytes = Zeroizing::new(vec![0u8; base64::decoded_len_estimate(text.len())]);
    let count = STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes.get(..count).map(Secret::copied)
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "wharf-secrets")]
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Inside {
    #[serde(rename = "wharf-secrets")]
    #[expect(dead_code, reason = "read before, in `Head`")]
    version: u32,
    hash_key: Bytes,
    recipients: Vec<String>,
    secrets: BTreeMap<SecretName, Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: Option<Text>,
    base64: Option<Bytes>,
    rule: Option<String>,
    made: Option<i64>,
}

struct Text(Secret);
struct Bytes(Secret);

struct Reading<T>(fn(&str) -> Option<T>);

impl<T> Visitor<'_> for Reading<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).ok_or_else(|| E::custom("not readable"))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reading(|text| Some(Self(Secret::copied(text.as_bytes())))))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reading(|text| from_base64(text).map(Self))).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::NewIdentity;
    use super::*;
    use crate::name::EstateName;
    use proptest::prelude::*;

    pub fn safe() -> Safe {
        let recipient = NewIdentity::make().recipient;
        let recipients = Recipients::parse(&EstateName::new("e").unwrap(), [recipient.as_str()]).unwrap();
        let mut next = 0u8;
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                next = next.wrapping_add(1);
                *byte = next;
            }
            Ok(())
        };
        Safe::new(&recipients, &mut random).unwrap()
    }

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    fn by_hand(value: &[u8]) -> Entry {
        Entry { value: Secret::copied(value), rule: None, made: None }
    }

    #[test]
    fn what_is_not_ours_is_refused_with_a_place_and_nothing_else() {
        let good = String::from_utf8(safe().write().bytes().to_vec()).unwrap();
        assert!(Safe::read(good.as_bytes()).is_ok());
        for bad in [
            String::new(),
            "{}".to_owned(),
            "geheim".to_owned(),
            good.replace("\"wharf-secrets\": 1", "\"wharf-secrets\": 0"),
            good.replace("\"wharf-secrets\": 1", "\"wharf-secrets\": \"geheim\""),
            good.replace("AQID", "AQ!D"),
            good.replace("AQID", ""),
            good.replace("\"secrets\": {}", "\"secrets\": {\"a\": {}}"),
            good.replace("\"secrets\": {}", "\"secrets\": {\"a\": {\"text\": \"x\", \"base64\": \"eA==\"}}"),
            good.replace("\"secrets\": {}", "\"secrets\": {\"Not A Name\": {\"text\": \"x\"}}"),
            good.replace("\"secrets\": {}", "\"secrets\": {}, \"more\": 1"),
        ] {
            assert_ne!(bad, good);
            assert!(matches!(Safe::read(bad.as_bytes()), Err(Unread::Foreign(..))), "{bad}");
        }
        let newer = good.replace("\"wharf-secrets\": 1", "\"wharf-secrets\": 2, \"unheard-of\": 1");
        assert_eq!(Safe::read(newer.as_bytes()).unwrap_err(), Unread::Newer(2));
    }

    #[test]
    fn values_that_podman_does_not_take_are_refused() {
        let mut safe = safe();
        assert!(matches!(safe.put(name("a"), by_hand(b"")), Err(SecretsError::Size { size: 0, .. })));
        assert!(matches!(safe.put(name("a"), by_hand(&vec![0; 512_000])), Err(SecretsError::Size { .. })));
        assert!(safe.put(name("a"), by_hand(&vec![0; 511_999])).unwrap());
        assert!(!safe.put(name("a"), by_hand(&vec![0; 511_999])).unwrap());
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        use miette::Diagnostic as _;
        let mut safe = safe();
        safe.put(name("keystone-db"), by_hand(b"x")).unwrap();
        let error = safe.get(&name("keystone-bd")).unwrap_err();
        assert_eq!(error.help().unwrap().to_string(), "did you mean `keystone-db`?");
    }

    #[test]
    fn a_keyed_name_changes_with_name_value_and_key() {
        let (one, mut other) = (safe(), safe());
        other.hash_key = Secret::copied(&[7; 32]);
        let a = one.keyed_name(&name("a"), &Secret::copied(b"x"));
        assert_eq!(a.len(), 14);
        assert_eq!(a, one.keyed_name_of("a", b"x"));
        let others = [
            one.keyed_name(&name("a"), &Secret::copied(b"y")),
            one.keyed_name(&name("b"), &Secret::copied(b"x")),
            one.keyed_name_of("ax", b""),
            other.keyed_name(&name("a"), &Secret::copied(b"x")),
        ];
        for other in others {
            assert_ne!(a.rsplit_once('-').unwrap().1, other.rsplit_once('-').unwrap().1);
        }
    }

    #[test]
    fn the_hash_is_the_one_that_openssl_gives() {
        // printf '\0\0\0\0\0\0\0\1ax' | openssl mac -digest SHA256 -macopt hexkey:0102…1f20 HMAC
        assert_eq!(safe().keyed_name_of("a", b"x"), "a-f719d6e392a5");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::btree_map("[a-z][a-z0-9]{0,8}", proptest::collection::vec(any::<u8>(), 1..200), 0..6),
                                   texts in proptest::collection::btree_map("[a-z][a-z0-9]{9,12}", ".{1,30}", 0..6), made in any::<Option<i64>>()) {
            let mut safe = safe();
            for (key, value) in values.iter().map(|(key, value)| (key, value.as_slice())).chain(texts.iter().map(|(key, value)| (key, value.as_bytes()))) {
                safe.put(name(key), Entry { value: Secret::copied(value), rule: made.map(|made| format!("\"{made}\\")), made }).unwrap();
            }
            let read = Safe::read(safe.write().bytes()).unwrap();
            prop_assert_eq!(&read.secrets, &safe.secrets);
            prop_assert_eq!(&read.hash_key, &safe.hash_key);
            prop_assert_eq!(&read.recipients, &safe.recipients);
            let (one, other) = (read.write(), safe.write());
            prop_assert_eq!(one.bytes(), other.bytes());
        }

        #[test]
        fn names_are_those_that_podman_takes(label in ".{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..9)) {
            let name = safe().keyed_name_of(&label, &bytes);
            prop_assert!(name.len() <= 253);
            prop_assert!(name.starts_with(|c: char| c.is_ascii_alphanumeric()));
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)));
        }

        #[test]
        fn base64_goes_there_and_back(bytes in proptest::collection::vec(any::<u8>(), 0..8000)) {
            let mut out = Buffer::default();
            base64(&mut out, &bytes);
            let read = from_base64(std::str::from_utf8(out.bytes()).unwrap()).unwrap();
            prop_assert_eq!(read.expose(), bytes);
        }
    }
}
