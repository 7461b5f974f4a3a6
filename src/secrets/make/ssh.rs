//! ssh keys of Ed25519, as OpenSSH writes them (PROTOCOL.key of OpenSSH; RFC 8709).

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use super::super::SecretsError;
use super::super::safe::base64;
use super::super::value::{Buffer, Secret};
use super::Random;

const KIND: &[u8] = b"ssh-ed25519";

/// The private and the public key. The comment is what ssh shows of them.
pub(super) fn pair(comment: &str, random: &mut Random<'_>) -> Result<(Secret, Secret), SecretsError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    random(seed.as_mut())?;
    let mut check = [0u8; 4];
    random(&mut check)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).map_err(|_| SecretsError::NoRandom)?;
    let point = pair.public_key().as_ref();

    let mut public = Buffer::default();
    string(&mut public, KIND);
    string(&mut public, point);

    let mut inner = Buffer::with_capacity(256);
    inner.push(&check);
    inner.push(&check);
    string(&mut inner, KIND);
    string(&mut inner, point);
    let mut both = Zeroizing::new([0u8; 64]);
    for (to, from) in both.iter_mut().zip(seed.iter().chain(point)) {
        *to = *from;
    }
    string(&mut inner, both.as_ref());
    string(&mut inner, comment.as_bytes());
    for padding in 1u8..8 {
        if inner.bytes().len().is_multiple_of(8) {
            break;
        }
        inner.push(&[padding]);
    }

    let mut whole = Buffer::with_capacity(512);
    whole.push(b"openssh-key-v1\0");
    string(&mut whole, b"none");
    string(&mut whole, b"none");
    string(&mut whole, b"");
    whole.push(&1u32.to_be_bytes());
    string(&mut whole, public.bytes());
    string(&mut whole, inner.bytes());

    let mut encoded = Buffer::with_capacity(1024);
    base64(&mut encoded, whole.bytes());
    let mut private = Buffer::with_capacity(1024);
    private.push(b"-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for line in encoded.bytes().chunks(70) {
        private.push(line);
        private.push(b"\n");
    }
    private.push(b"-----END OPENSSH PRIVATE KEY-----\n");

    let mut line = Buffer::with_capacity(256);
    line.push(KIND);
    line.push(b" ");
    base64(&mut line, public.bytes());
    line.push(format!(" {comment}").as_bytes());
    Ok((private.into_secret(), line.into_secret()))
}

/// A string of the ssh protocol: its length and its bytes (RFC 4251, 5).
fn string(out: &mut Buffer, bytes: &[u8]) {
    // Nothing here is longer than a few hundred bytes.
    out.push(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.push(bytes);
}
