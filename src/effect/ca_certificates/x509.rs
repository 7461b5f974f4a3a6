//! Certificates as `openssl rehash` reads them: PEM (RFC 7468, leniently), and as much DER (X.690) as the
//! subject's hash needs.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

/// The DER of every certificate in a PEM file, in order; none where a block is broken.
pub(super) fn certificates(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines().map(str::trim_ascii) {
        if matches!(line, "-----BEGIN CERTIFICATE-----" | "-----BEGIN X509 CERTIFICATE-----") {
            block = Some(String::new());
        } else if line.starts_with("-----END ") {
            if let Some(block) = block.take() {
                found.push(base64(&block)?);
            }
        } else if let Some(block) = &mut block {
            block.push_str(line);
        }
    }
    Some(found)
}

/// RFC 4648, section 4, without white space.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// The name that OpenSSL looks a certificate up by: `5a9c598d` (X509_NAME_hash_ex(3), since 1.0: SHA-1 over
/// the canonical form of the subject).
pub(super) fn subject_hash(certificate: &[u8]) -> Option<String> {
    let hash = Sha1::digest(canonical_name(subject(certificate)?)?);
    let mut text = String::new();
    for byte in hash.iter().take(4).rev() {
        write!(text, "{byte:02x}").ok()?;
    }
    Some(text)
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;

/// Tag, content and what follows of the first element.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let (len, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            (len.iter().try_fold(0usize, |len, byte| len.checked_mul(256)?.checked_add(usize::from(*byte)))?, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    // Tags of more than one byte stand in no certificate.
    (tag & 0x1f != 0x1f).then_some((tag, content, rest))
}

fn elements(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, content, rest) = element(bytes)?;
        found.push((tag, content));
        bytes = rest;
    }
    Some(found)
}

fn wrap(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![tag];
    match content.len() {
        len @ ..0x80 => bytes.push(u8::try_from(len).ok()?),
        len => {
            let len = u32::try_from(len).ok()?.to_be_bytes();
            let len: Vec<u8> = len.into_iter().skip_while(|byte| *byte == 0).collect();
            bytes.push(0x80 | u8::try_from(len.len()).ok()?);
            bytes.extend(len);
        }
    }
    bytes.extend_from_slice(content);
    Some(bytes)
}

/// The content of `tbsCertificate.subject` (RFC 5280, 4.1).
fn subject(certificate: &[u8]) -> Option<&[u8]> {
    let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (SEQUENCE, to_be_signed, _) = element(certificate)? else { return None };
    let mut fields = elements(to_be_signed)?.into_iter().peekable();
    // The version is the only field that may be missing; serial, algorithm, issuer and validity follow.
    fields.next_if(|(tag, _)| *tag == 0xa0);
    let (SEQUENCE, subject) = fields.nth(4)? else { return None };
    Some(subject)
}

/// OpenSSL's canonical encoding of a name (crypto/x509/x_name.c): every string as UTF-8 in lower case, without
/// white space around it and with single blanks within; the outer SEQUENCE's header left out.
fn canonical_name(name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (tag, relative) in elements(name)? {
        let mut attributes = Vec::new();
        for (attribute_tag, attribute) in elements(relative)? {
            let parts = elements(attribute)?;
            let (SEQUENCE, &[(kind, oid), (string, value)]) = (attribute_tag, parts.as_slice()) else { return None };
            let value = match decode(string, value) {
                Some(text) => wrap(UTF8_STRING, canonical_text(&text?).as_bytes())?,
                None => wrap(string, value)?,
            };
            attributes.push(wrap(SEQUENCE, &[wrap(kind, oid)?, value].concat())?);
        }
        if tag != SET {
            return None;
        }
        attributes.sort();
        bytes.extend(wrap(SET, &attributes.concat())?);
    }
    Some(bytes)
}

/// The text of a string type that is made canonical; the outer none for all other types.
fn decode(tag: u8, bytes: &[u8]) -> Option<Option<String>> {
    match tag {
        UTF8_STRING => Some(String::from_utf8(bytes.to_vec()).ok()),
        // PrintableString, T61String, IA5String, VisibleString: read as Latin-1.
        0x13 | 0x14 | 0x16 | 0x1a => Some(Some(bytes.iter().map(|byte| char::from(*byte)).collect())),
        // UniversalString.
        0x1c => Some({
            let (chars, rest) = bytes.as_chunks();
            let text = chars.iter().map(|bytes| char::from_u32(u32::from_be_bytes(*bytes))).collect();
            if rest.is_empty() { text } else { None }
        }),
        // BMPString.
        0x1e => Some({
            let (chars, rest) = bytes.as_chunks();
            let text = chars.iter().map(|bytes| char::from_u32(u32::from(u16::from_be_bytes(*bytes)))).collect();
            if rest.is_empty() { text } else { None }
        }),
        _ => None,
    }
}

fn canonical_text(text: &str) -> String {
    // isspace(3) in the C locale: Rust's ASCII white space and the vertical tab.
    let words = text.split(|c: char| c.is_ascii_whitespace() || c == '\x0b').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BMP, MULTI, SPACES, T61};
    use super::*;
    use proptest::prelude::*;

    fn hash(pem: &str) -> Option<String> {
        subject_hash(certificates(pem)?.first()?)
    }

    /// `openssl x509 -noout -hash`
    #[test]
    fn hashes_are_openssls() {
        assert_eq!(hash(SPACES).as_deref(), Some("5a9c598d"));
        assert_eq!(hash(MULTI).as_deref(), Some("ed7bf13d"));
        assert_eq!(hash(T61).as_deref(), Some("40d13177"));
        assert_eq!(hash(BMP).as_deref(), Some("40d13177"));
    }

    #[test]
    fn a_broken_certificate_has_no_hash() {
        let der = certificates(SPACES).unwrap().remove(0);
        for len in [0, 1, 4, 50, 100] {
            assert_eq!(subject_hash(&der[..len]), None, "{len}");
        }
        assert_eq!(certificates("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), None);
        assert_eq!(certificates("no certificate"), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(changes in prop::collection::vec((0usize..400, any::<u8>()), 0..12)) {
            let mut der = certificates(SPACES).unwrap().remove(0);
            for (at, byte) in changes {
                if let Some(place) = der.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = subject_hash(&der);
        }

        #[test]
        fn lengths_survive(len in 0usize..70_000) {
            let bytes = wrap(SEQUENCE, &vec![7; len]).unwrap();
            let (tag, content, rest) = element(&bytes).unwrap();
            prop_assert_eq!((tag, content.len(), rest.len()), (SEQUENCE, len, 0));
        }
    }
}
