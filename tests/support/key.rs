//! Throwaway OpenPGP keys: a primary key that certifies, and a subkey that signs, as Debian's archive keys are made.

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, KeyType, SignedKeyDetails, SignedPublicKey,
    SignedPublicSubKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, PubKeyInner, PublicKey, PublicSubkey, SecretKey, SecretSubkey, Signature, SignatureConfig, SignatureType,
    Subpacket, SubpacketData, UserId,
};
use pgp::ser::Serialize as _;
use pgp::types::{Duration, KeyDetails as _, KeyVersion, Password, SigningKey, Tag, Timestamp};
use rand::rngs::OsRng;

/// How a key is made; the default is a good one.
#[derive(Debug, Clone)]
pub struct KeyOptions {
    /// Seconds since 1970.
    pub created: u32,
    /// Seconds after `created` at which the primary key is no longer good.
    pub primary_lasts: Option<u32>,
    /// Seconds after `created` at which the subkey is no longer good.
    pub subkey_lasts: Option<u32>,
    /// Whether the subkey's binding says that it may sign.
    pub subkey_signs: bool,
    /// Whether the subkey answers the binding, as a signing subkey must.
    pub back_signature: bool,
    /// Revoke the primary key.
    pub revoked: bool,
    /// Revoke the subkey.
    pub subkey_revoked: bool,
    /// The hash of all self-signatures.
    pub hash: HashAlgorithm,
    /// The algorithm of both keys.
    pub algorithm: KeyType,
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self {
            created: 1_700_000_000,
            primary_lasts: None,
            subkey_lasts: None,
            subkey_signs: true,
            back_signature: true,
            revoked: false,
            subkey_revoked: false,
            hash: HashAlgorithm::Sha512,
            algorithm: KeyType::Ed25519Legacy,
        }
    }
}

/// A key with its certificate.
pub struct Key {
    certificate: SignedPublicKey,
    primary: SecretKey,
    subkey: SecretSubkey,
}

fn signature(
    typ: SignatureType,
    signer: &impl SigningKey,
    hash: HashAlgorithm,
    created: u32,
    extra: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(typ, signer.algorithm(), hash);
    let mut data = vec![
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(created)),
        SubpacketData::IssuerFingerprint(signer.fingerprint()),
    ];
    data.extend(extra);
    config.hashed_subpackets = data.into_iter().map(|data| Subpacket::regular(data).unwrap()).collect();
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(signer.legacy_key_id())).unwrap()];
    config
}

impl Default for Key {
    fn default() -> Self {
        Self::new(&KeyOptions::default())
    }
}

impl Key {
    pub fn new(options: &KeyOptions) -> Self {
        let KeyOptions { created, hash, .. } = *options;
        let password = Password::empty();
        let inner = |params| {
            PubKeyInner::new(KeyVersion::V4, options.algorithm.to_alg(), Timestamp::from_secs(created), None, params)
                .unwrap()
        };
        let (public, secret) = options.algorithm.generate(OsRng).unwrap();
        let public = PublicKey::from_inner(inner(public)).unwrap();
        let primary = SecretKey::new(public.clone(), secret).unwrap();
        let (sub_public, sub_secret) = options.algorithm.generate(OsRng).unwrap();
        let sub_public = PublicSubkey::from_inner(inner(sub_public)).unwrap();
        let subkey = SecretSubkey::new(sub_public.clone(), sub_secret).unwrap();

        let lasts = |seconds: Option<u32>| {
            seconds.map(|seconds| SubpacketData::KeyExpirationTime(Duration::from_secs(seconds)))
        };
        let flags = |set: fn(&mut KeyFlags)| {
            let mut flags = KeyFlags::default();
            set(&mut flags);
            SubpacketData::KeyFlags(flags)
        };

        let id = UserId::from_str(Default::default(), "A Test Archive <archive@example.org>").unwrap();
        let mut extra = vec![flags(|flags| flags.set_certify(true))];
        extra.extend(lasts(options.primary_lasts));
        let certification = signature(SignatureType::CertPositive, &primary, hash, created, extra)
            .sign_certification(&primary, &public, &password, Tag::UserId, &id)
            .unwrap();

        let mut extra = Vec::new();
        extra.push(if options.subkey_signs {
            flags(|flags| flags.set_sign(true))
        } else {
            flags(|flags| flags.set_encrypt_comms(true))
        });
        extra.extend(lasts(options.subkey_lasts));
        if options.back_signature {
            let back = signature(SignatureType::KeyBinding, &subkey, hash, created, Vec::new())
                .sign_primary_key_binding(&subkey, &sub_public, &password, &public)
                .unwrap();
            extra.push(SubpacketData::EmbeddedSignature(Box::new(back)));
        }
        let binding = signature(SignatureType::SubkeyBinding, &primary, hash, created, extra)
            .sign_subkey_binding(&primary, &public, &password, &sub_public)
            .unwrap();
        let mut bindings = vec![binding];
        if options.subkey_revoked {
            bindings.push(
                signature(SignatureType::SubkeyRevocation, &primary, hash, created + 1, Vec::new())
                    .sign_subkey_binding(&primary, &public, &password, &sub_public)
                    .unwrap(),
            );
        }
        let mut revocations = Vec::new();
        if options.revoked {
            revocations.push(
                signature(SignatureType::KeyRevocation, &primary, hash, created + 1, Vec::new())
                    .sign_key(&primary, &password, &public)
                    .unwrap(),
            );
        }
        let details = SignedKeyDetails::new(revocations, Vec::new(), vec![id.into_signed(certification)], Vec::new());
        let certificate = SignedPublicKey::new(public, details, vec![SignedPublicSubKey::new(sub_public, bindings)]);
        Self { certificate, primary, subkey }
    }

    /// The certificate, as a keyring file holds it.
    pub fn binary(&self) -> Vec<u8> {
        self.certificate.to_bytes().unwrap()
    }

    /// The certificate with ASCII armour.
    pub fn armored(&self) -> String {
        self.certificate.to_armored_string(ArmorOptions::default()).unwrap()
    }

    /// The fingerprint of the subkey that signs, upper-case hex.
    pub fn signer(&self) -> String {
        format!("{:X}", self.subkey.fingerprint())
    }

    /// The fingerprint of the primary key, upper-case hex.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.primary.fingerprint())
    }

    fn sign(&self, typ: SignatureType, data: &[u8], created: u32, hash: HashAlgorithm) -> Signature {
        signature(typ, &self.subkey, hash, created, Vec::new()).sign(&self.subkey, &Password::empty(), data).unwrap()
    }

    /// A clearsigned text, as InRelease is one.
    pub fn clearsign(&self, text: &str, created: u32) -> String {
        Self::clearsign_with(&[self], text, created, HashAlgorithm::Sha512)
    }

    /// A clearsigned text with several signatures.
    pub fn clearsign_with(keys: &[&Self], text: &str, created: u32, hash: HashAlgorithm) -> String {
        let text = text.strip_suffix('\n').unwrap_or(text);
        CleartextSignedMessage::new_many(text, |normalized| {
            // White space at the ends of lines is not signed (RFC 9580, 7.2); `new_many` leaves that to us.
            let signed: Vec<&str> = normalized.split("\r\n").map(|line| line.trim_end_matches([' ', '\t'])).collect();
            let signed = signed.join("\r\n");
            Ok(keys.iter().map(|key| key.sign(SignatureType::Text, signed.as_bytes(), created, hash)).collect())
        })
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap()
    }

    /// An armoured signature beside its text, as Release.gpg is one.
    pub fn detached(&self, text: &str, created: u32) -> String {
        let signature = self.sign(SignatureType::Binary, text.as_bytes(), created, HashAlgorithm::Sha512);
        DetachedSignature::new(signature).to_armored_string(ArmorOptions::default()).unwrap()
    }
}
