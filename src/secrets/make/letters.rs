//! Texts and bytes that nobody can guess.

use zeroize::Zeroizing;

use super::super::value::{Buffer, Secret};
use super::{NoRandom, Random};

/// So many letters, each as likely as the others: bytes that would favour some are thrown away.
pub(super) fn text(length: usize, letters: &[u8], random: &mut Random<'_>) -> Result<Secret, NoRandom> {
    let mut text = Buffer::with_capacity(length);
    let fair = 256 - 256 % letters.len().max(1);
    let mut bytes = Zeroizing::new([0u8; 64]);
    while text.bytes().len() < length {
        random(bytes.as_mut())?;
        for byte in bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair) {
            if text.bytes().len() < length
                && let Some(letter) = letters.get(byte % letters.len().max(1))
            {
                text.push(&[*letter]);
            }
        }
    }
    Ok(text.into_secret())
}

/// So many bytes.
pub(super) fn bytes(length: usize, random: &mut Random<'_>) -> Result<Secret, NoRandom> {
    let mut bytes = Zeroizing::new(vec![0u8; length]);
    random(&mut bytes)?;
    Ok(Secret::copied(&bytes))
}

/// A Fernet key: 32 bytes in URL-safe base64 (Fernet's own specification, "Key Format").
pub(super) fn fernet(random: &mut Random<'_>) -> Result<Secret, NoRandom> {
    use base64::Engine as _;
    let key = bytes(32, random)?;
    let mut text = vec![0u8; 44];
    let count = base64::engine::general_purpose::URL_SAFE.encode_slice(key.expose(), &mut text);
    // 32 bytes are always 44 letters.
    text.truncate(count.unwrap_or_default());
    Ok(Secret::new(text))
}

/// A random UUID (RFC 9562, 5.4).
pub(super) fn uuid(random: &mut Random<'_>) -> Result<Secret, NoRandom> {
    let mut bytes = Zeroizing::new([0u8; 16]);
    random(bytes.as_mut())?;
    let mut text = Buffer::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        let byte = match at {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push(b"-");
        }
        let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
        text.push(&[digit(byte >> 4), digit(byte & 15)]);
    }
    Ok(text.into_secret())
}
