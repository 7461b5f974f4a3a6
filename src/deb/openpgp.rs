//! Signatures of archives (RFC 9580), verified against the distro's keyring.
//!
//! A signature counts where a key of the keyring made it, that key may sign, was neither expired nor revoked, and no
//! hash on the way is weaker than SHA-256. Third parties' signatures on a certificate are of no account.

use std::fmt;
use std::io::Cursor;

use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{Fingerprint, KeyDetails, PublicParams, Tag, VerifyingKey};

/// Certificates that may sign an archive.
#[derive(Clone)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

/// A file that is no keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no OpenPGP certificates, binary or ASCII-armoured, could be read: {reason}")]
pub struct KeyringError {
    reason: String,
}

/// Why a text is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It holds no signature that could be read.
    #[error("it is not a signed text: {0}")]
    Unsigned(String),
    /// Nobody of the keyring signed it.
    #[error("it is signed by {}, and no such key is in the keyring (which holds {})", list(.signers), list(.keyring))]
    UnknownSigner {
        /// Fingerprints or ids of who signed, upper-case hex.
        signers: Vec<String>,
        /// Fingerprints of the keyring's primary keys.
        keyring: Vec<String>,
    },
    /// Signatures by keys of the keyring were found, and none counts.
    #[error("its signature does not count: {}", list(.0))]
    Rejected(Vec<Rejection>),
}

impl SignatureError {
    /// Whether the text is not the one that was signed.
    pub fn is_tampered(&self) -> bool {
        self.has(&[Reason::Bad])
    }

    fn has(&self, reasons: &[Reason]) -> bool {
        matches!(self, Self::Rejected(all) if all.iter().any(|one| reasons.contains(&one.reason)))
    }

    /// What a person can do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unsigned(_) => "an archive has to be signed: check the address",
            Self::UnknownSigner { .. } => {
                "this is another archive, or the archive has a new key that belongs into the distro's keyring"
            }
            _ if self.is_tampered() => "the mirror is broken or hostile: use another one",
            _ if self.has(&[Reason::FromFuture]) => "this machine's clock is wrong",
            _ if self.has(&[Reason::KeyExpired, Reason::Revoked, Reason::SignatureExpired]) => {
                "the mirror is out of date, or the archive's newer key belongs into the distro's keyring"
            }
            Self::Rejected(_) => "the archive has to sign with a stronger key or hash, or another of its keys",
        }
    }
}

/// A signature by a key of the keyring that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The fingerprint of the key, upper-case hex.
    pub key: String,
    /// Why.
    pub reason: Reason,
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The text was changed after it was signed.
    Bad,
    /// SHA-1 or weaker.
    WeakHash,
    /// Too short, or of an algorithm that is no longer trusted.
    WeakKey,
    /// The key is not for signing.
    NotForSigning,
    /// Nothing valid says that the key belongs to its certificate.
    Unbound,
    /// The key was past its time.
    KeyExpired,
    /// The key was taken back.
    Revoked,
    /// The signature is past its time.
    SignatureExpired,
    /// Made after now.
    FromFuture,
    /// Made before its key, or at no time at all.
    BeforeKey,
    /// It asks for something that wharf does not know.
    UnknownCritical,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, reason } = self;
        match reason {
            Reason::Bad => write!(f, "the text is not the one that {key} signed"),
            Reason::WeakHash => write!(f, "{key} signed with a hash weaker than SHA-256"),
            Reason::WeakKey => write!(f, "{key} is a key of an algorithm or a length that is no longer trusted"),
            Reason::NotForSigning => write!(f, "{key} is not a key for signing"),
            Reason::Unbound => write!(f, "{key} is not validly bound to its certificate"),
            Reason::KeyExpired => write!(f, "{key} has expired"),
            Reason::Revoked => write!(f, "{key} was revoked"),
            Reason::SignatureExpired => write!(f, "the signature of {key} has expired"),
            Reason::FromFuture => write!(f, "the signature of {key} is dated in the future"),
            Reason::BeforeKey => write!(f, "the signature of {key} is dated before that key was made"),
            Reason::UnknownCritical => write!(f, "the signature of {key} has a critical part that is not known here"),
        }
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    if items.is_empty() {
        return "nobody".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// When keys and signatures have to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Now, in seconds since 1970.
    Now(i64),
    /// When the signature was made: for old states of an archive that a lock names by date.
    Signing,
}

/// How far a clock may be behind that of the archive, in seconds.
pub(crate) const CLOCK_SLACK: i64 = 600;

impl Keyring {
    /// Reads certificates, binary or armoured; several blocks of armour may follow each other.
    /// A certificate that cannot be read is passed over while another can.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let wrong = |reason: String| KeyringError { reason };
        let mut certificates = Vec::new();
        let mut reason = "the file is empty".to_owned();
        let mut take = |all: &mut dyn Iterator<Item = Result<SignedPublicKey, pgp::errors::Error>>| {
            for certificate in all {
                match certificate {
                    Ok(certificate) => certificates.push(certificate),
                    Err(error) => reason = error.to_string(),
                }
            }
        };
        const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
        match std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN")) {
            Some(text) => {
                for block in text.split(BEGIN).skip(1) {
                    let armored = format!("{BEGIN}{block}");
                    let (mut all, _) = SignedPublicKey::from_armor_many(Cursor::new(armored.as_bytes()))
                        .map_err(|error| wrong(error.to_string()))?;
                    take(&mut all);
                }
            }
            None => {
                let mut all =
                    SignedPublicKey::from_bytes_many(Cursor::new(bytes)).map_err(|error| wrong(error.to_string()))?;
                take(&mut all);
            }
        }
        if certificates.is_empty() { Err(wrong(reason)) } else { Ok(Self { certificates }) }
    }

    /// Fingerprints of the primary keys, upper-case hex.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(|certificate| hex(&certificate.fingerprint())).collect()
    }

    /// Verifies a clearsigned text, as InRelease is one, and gives what was signed, and nothing else of the file.
    pub fn clearsigned(&self, text: &[u8], at: At) -> Result<String, SignatureError> {
        let unsigned = |reason: String| SignatureError::Unsigned(reason);
        let text = std::str::from_utf8(text).map_err(|error| unsigned(error.to_string()))?;
        if !text.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") {
            return Err(unsigned("it does not start with `-----BEGIN PGP SIGNED MESSAGE-----`".to_owned()));
        }
        let (message, _) = CleartextSignedMessage::from_string(text).map_err(|error| unsigned(error.to_string()))?;
        let signed = message.signed_text();
        self.judge(message.signatures(), signed.as_bytes(), at)?;
        Ok(signed.replace("\r\n", "\n"))
    }

    /// Verifies a text by the signatures beside it (Release.gpg), binary or armoured.
    pub fn detached(&self, text: &[u8], signatures: &[u8], at: At) -> Result<(), SignatureError> {
        let unsigned = |error: pgp::errors::Error| SignatureError::Unsigned(error.to_string());
        let all: Vec<DetachedSignature> = if signatures.starts_with(b"-----BEGIN") {
            let (all, _) = DetachedSignature::from_armor_many(Cursor::new(signatures)).map_err(unsigned)?;
            all.collect::<Result<_, _>>().map_err(unsigned)?
        } else {
            DetachedSignature::from_bytes_many(Cursor::new(signatures))
                .map_err(unsigned)?
                .collect::<Result<_, _>>()
                .map_err(unsigned)?
        };
        let signatures: Vec<Signature> = all.into_iter().map(|one| one.signature).collect();
        self.judge(&signatures, text, at)
    }

    /// One good signature is enough, as it is for apt.
    fn judge(&self, signatures: &[Signature], text: &[u8], at: At) -> Result<(), SignatureError> {
        if signatures.is_empty() {
            return Err(SignatureError::Unsigned("it carries no signature".to_owned()));
        }
        let mut rejections = Vec::new();
        let mut unknown = Vec::new();
        for signature in signatures {
            let mut known = false;
            for certificate in &self.certificates {
                for signer in Signer::all_of(certificate).filter(|signer| signer.made(signature)) {
                    known = true;
                    match signer.check(signature, text, at) {
                        Ok(()) => return Ok(()),
                        Err(reason) => rejections.push(Rejection { key: hex(&signer.key().fingerprint()), reason }),
                    }
                }
            }
            if !known {
                let prints = signature.issuer_fingerprint().into_iter().map(hex);
                let ids = signature.issuer_key_id().into_iter().map(|id| id.to_string().to_uppercase());
                unknown.push(prints.chain(ids).next().unwrap_or_else(|| "an unnamed key".to_owned()));
            }
        }
        if rejections.is_empty() {
            Err(SignatureError::UnknownSigner { signers: unknown, keyring: self.fingerprints() })
        } else {
            Err(SignatureError::Rejected(rejections))
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.fingerprints()).finish()
    }
}

fn hex(fingerprint: &Fingerprint) -> String {
    format!("{fingerprint:X}")
}

/// A key of a certificate that may have made a signature.
#[derive(Clone, Copy)]
struct Signer<'a> {
    certificate: &'a SignedPublicKey,
    /// None for the primary key.
    subkey: Option<&'a SignedPublicSubKey>,
}

/// What a certificate's own, valid signatures say of a key.
struct Standing {
    signs: bool,
    /// Seconds since 1970.
    expires: Option<i64>,
}

impl<'a> Signer<'a> {
    fn all_of(certificate: &'a SignedPublicKey) -> impl Iterator<Item = Self> {
        let subkeys = certificate.public_subkeys.iter().map(Some);
        std::iter::once(None).chain(subkeys).map(move |subkey| Self { certificate, subkey })
    }

    fn key(&self) -> &'a dyn KeyDetails {
        match self.subkey {
            Some(subkey) => &subkey.key,
            None => &self.certificate.primary_key,
        }
    }

    /// Whether the signature names this key as its maker.
    fn made(&self, signature: &Signature) -> bool {
        let prints = signature.issuer_fingerprint();
        if prints.is_empty() {
            return signature.issuer_key_id().contains(&&self.key().legacy_key_id());
        }
        prints.contains(&&self.key().fingerprint())
    }

    fn check(&self, signature: &Signature, text: &[u8], at: At) -> Result<(), Reason> {
        if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
            return Err(Reason::NotForSigning);
        }
        strong(signature)?;
        strong_key(self.key().public_params())?;
        let verified = match self.subkey {
            Some(subkey) => signature.verify(&subkey.key, text),
            None => signature.verify(&self.certificate.primary_key, text),
        };
        verified.map_err(|_| Reason::Bad)?;

        let made = signature.created().map(|time| i64::from(time.as_secs())).ok_or(Reason::BeforeKey)?;
        let when = match at {
            At::Now(now) => now,
            At::Signing => made,
        };
        if made > when + CLOCK_SLACK {
            return Err(Reason::FromFuture);
        }
        if made < i64::from(self.key().created_at().as_secs()) {
            return Err(Reason::BeforeKey);
        }
        if signature
            .signature_expiration_time()
            .is_some_and(|time| time.as_secs() > 0 && made + i64::from(time.as_secs()) <= when)
        {
            return Err(Reason::SignatureExpired);
        }

        let primary = self.primary()?;
        if expired(&primary, when) {
            return Err(Reason::KeyExpired);
        }
        let standing = match self.subkey {
            Some(subkey) => self.bound(subkey)?,
            None => primary,
        };
        if expired(&standing, when) {
            return Err(Reason::KeyExpired);
        }
        if standing.signs { Ok(()) } else { Err(Reason::NotForSigning) }
    }

    /// What the newest valid self-signature says of the primary key, which must be neither weak nor revoked.
    fn primary(&self) -> Result<Standing, Reason> {
        let Self { certificate, .. } = *self;
        let primary = &certificate.primary_key;
        strong_key(primary.public_params())?;
        let details = &certificate.details;
        if details.revocation_signatures.iter().any(|one| one.verify_key(primary).is_ok()) {
            return Err(Reason::Revoked);
        }
        let direct = details
            .direct_signatures
            .iter()
            .filter(|one| one.typ() == Some(SignatureType::Key) && by(one, primary) && one.verify_key(primary).is_ok());
        let on_users = details.users.iter().flat_map(|user| {
            user.signatures.iter().filter(move |one| {
                one.is_certification()
                    && one.typ() != Some(SignatureType::CertRevocation)
                    && by(one, primary)
                    && one.verify_certification(primary, Tag::UserId, &user.id).is_ok()
            })
        });
        newest(direct.chain(on_users), primary.created_at().as_secs())
    }

    /// What the newest valid binding says of a subkey, which must answer it where it may sign, and not be revoked.
    fn bound(&self, subkey: &SignedPublicSubKey) -> Result<Standing, Reason> {
        let primary = &self.certificate.primary_key;
        let valid = |typ| {
            subkey
                .signatures
                .iter()
                .filter(move |one| one.typ() == Some(typ) && one.verify_subkey_binding(primary, &subkey.key).is_ok())
        };
        if valid(SignatureType::SubkeyRevocation).next().is_some() {
            return Err(Reason::Revoked);
        }
        // Without the answer of the subkey, anyone could claim another's key as their own.
        let answered = valid(SignatureType::SubkeyBinding).filter(|one| {
            !signs(one)
                || one.embedded_signature().is_some_and(|back| {
                    strong(back).is_ok() && back.verify_primary_key_binding(&subkey.key, primary).is_ok()
                })
        });
        newest(answered, subkey.key.created_at().as_secs())
    }
}

/// Whether the primary key made this signature on itself: most signatures on a certificate are others'.
fn by(signature: &Signature, primary: &impl VerifyingKey) -> bool {
    signature.issuer_fingerprint().contains(&&primary.fingerprint())
        || signature.issuer_key_id().contains(&&primary.legacy_key_id())
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>, key_created: u32) -> Result<Standing, Reason> {
    let mut weak = None;
    let newest = signatures
        .filter(|one| match strong(one) {
            Ok(()) => true,
            Err(reason) => {
                weak = Some(reason);
                false
            }
        })
        .max_by_key(|one| one.created().map(|time| time.as_secs()));
    let Some(newest) = newest else { return Err(weak.unwrap_or(Reason::Unbound)) };
    let lasts = newest.key_expiration_time().map(|time| time.as_secs()).filter(|seconds| *seconds > 0);
    Ok(Standing { signs: signs(newest), expires: lasts.map(|seconds| i64::from(key_created) + i64::from(seconds)) })
}

/// Whether a self-signature lets its key sign; old ones without flags mean every use.
fn signs(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        let mut flags = config.hashed_subpackets().filter_map(|part| match &part.data {
            SubpacketData::KeyFlags(flags) => Some(flags.sign()),
            _ => None,
        });
        flags.next().unwrap_or(true)
    })
}

fn expired(standing: &Standing, when: i64) -> bool {
    standing.expires.is_some_and(|expires| expires <= when)
}

fn strong(signature: &Signature) -> Result<(), Reason> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => {}
        _ => return Err(Reason::WeakHash),
    }
    let unknown = signature.config().is_none_or(|config| {
        config.hashed_subpackets().any(|part| {
            part.is_critical
                && matches!(
                    part.data,
                    SubpacketData::Experimental(..) | SubpacketData::Other(..) | SubpacketData::Notation(_)
                )
        })
    });
    if unknown { Err(Reason::UnknownCritical) } else { Ok(()) }
}

fn strong_key(params: &PublicParams) -> Result<(), Reason> {
    match params {
        // Two numbers with two bytes before each: an exponent, and more than that of 2048 bits.
        PublicParams::RSA(_) if params.write_len() > 2 + 256 + 2 => Ok(()),
        PublicParams::ECDSA(_) | PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => {
            Ok(())
        }
        _ => Err(Reason::WeakKey),
    }
}
