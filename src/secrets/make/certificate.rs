//! Certificates of an estate's own authority (RFC 5280), with P-256 keys.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use x509_parser::pem::Pem;
use zeroize::Zeroizing;

use super::super::SecretsError;
use super::super::value::{Buffer, Secret};
use crate::name::SecretName;

/// Seconds.
pub(super) const DAY: i64 = 86_400;

/// When a certificate ends, in seconds since 1970: the first of a chain or bundle. None where it is none.
pub fn ends(chain: &Secret) -> Option<i64> {
    let pem = Pem::iter_from_buffer(chain.expose()).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// A new authority, self-signed. The bundle also holds what the old one held and has not ended: until every host has
/// the new bundle, certificates of the old authority stay trusted.
pub(super) fn authority(
    name: &SecretName,
    common_name: &str,
    days: u32,
    old: Option<&Secret>,
    now: i64,
) -> Result<(Secret, Secret), SecretsError> {
    let wrong = |why: String| fault(name, why, None);
    let key = key(name)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = called(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, name, now.saturating_sub(DAY), later(now, days))?;
    let certificate = params.self_signed(&*key).map_err(|error| wrong(error.to_string()))?;
    let mut bundle = Buffer::with_capacity(4096);
    bundle.push(certificate.pem().as_bytes());
    for pem in old.into_iter().flat_map(|old| Pem::iter_from_buffer(old.expose())).flatten() {
        let end = pem.parse_x509().ok().map(|certificate| certificate.validity().not_after.timestamp());
        if end.is_some_and(|end| end > now) {
            block(&mut bundle, &pem);
        }
    }
    Ok((bundle.into_secret(), private(&key)))
}

/// A new certificate: the chain (without a root that signed itself) and its key.
pub(super) fn certificate(
    name: &SecretName,
    (ca, certificate, ca_key): (&SecretName, Option<&Secret>, Option<&Secret>),
    names: &[String],
    days: u32,
    now: i64,
) -> Result<(Secret, Secret), SecretsError> {
    let help = || Some(format!("`wharf secrets generate --rotate {ca}` makes the authority anew"));
    let wrong = |why: &str| fault(name, why.to_owned(), help());
    let (Some(certificate), Some(ca_key)) = (certificate, ca_key) else {
        return Err(wrong(&format!("`{ca}` or `{ca}.key` is not there")));
    };
    let unread = || wrong(&format!("`{ca}` is no certificate"));
    let pem = Pem::iter_from_buffer(certificate.expose()).next().and_then(Result::ok).ok_or_else(unread)?;
    let issuer = pem.parse_x509().map_err(|_| unread())?;
    if !issuer.is_ca() {
        return Err(wrong(&format!("`{ca}` is the certificate of no authority")));
    }
    let end = issuer.validity().not_after.timestamp();
    if end <= now {
        return Err(wrong(&format!("`{ca}` has ended")));
    }
    let text = ca_key.text().ok_or_else(|| wrong(&format!("`{ca}.key` is no PEM")))?;
    let ca_key = KeyPair::from_pem(text).map_err(|_| wrong(&format!("`{ca}.key` is no private key in PKCS #8")))?;
    let ca_key = Zeroizing::new(ca_key);
    if issuer.public_key().subject_public_key.data != ca_key.der_bytes() {
        return Err(wrong(&format!("`{ca}.key` is not the key of `{ca}`")));
    }
    let is_root = issuer.issuer() == issuer.subject();
    let signer = Issuer::from_ca_cert_der(&pem.contents.as_slice().into(), &*ca_key)
        .map_err(|error| fault(name, format!("`{ca}`: {error}"), None))?;

    let key = key(name)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(|error| fault(name, error.to_string(), None))?;
    // A common name has at most 64 letters; what counts are the alternative names.
    params.distinguished_name =
        names.first().filter(|name| name.len() <= 64).map_or_else(DistinguishedName::new, |name| called(name));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let begin = now.saturating_sub(DAY).max(issuer.validity().not_before.timestamp());
    set_validity(&mut params, name, begin, later(now, days).min(end))?;
    let certificate = params.signed_by(&*key, &signer).map_err(|error| fault(name, error.to_string(), None))?;
    let mut chain = Buffer::with_capacity(4096);
    chain.push(certificate.pem().as_bytes());
    if !is_root {
        block(&mut chain, &pem);
    }
    Ok((chain.into_secret(), private(&key)))
}

fn fault(name: &SecretName, why: String, help: Option<String>) -> SecretsError {
    SecretsError::Certificate { name: name.clone(), why, help }
}

fn key(name: &SecretName) -> Result<Zeroizing<KeyPair>, SecretsError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .map(Zeroizing::new)
        .map_err(|error| fault(name, error.to_string(), None))
}

/// PKCS #8 in PEM (RFC 5958, RFC 7468).
fn private(key: &KeyPair) -> Secret {
    Secret::new(key.serialize_pem().into_bytes())
}

fn called(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// So many days from now, in the day's last second: dates are cut to whole days.
fn later(now: i64, days: u32) -> i64 {
    now.saturating_add(i64::from(days) * DAY + DAY - 1)
}

/// Whole days: a clock that is somewhat wrong does no harm.
fn set_validity(params: &mut CertificateParams, name: &SecretName, begin: i64, end: i64) -> Result<(), SecretsError> {
    let (year, month, of_month) = day(name, begin)?;
    params.not_before = rcgen::date_time_ymd(year, month, of_month);
    let (year, month, of_month) = day(name, end)?;
    params.not_after = rcgen::date_time_ymd(year, month, of_month);
    Ok(())
}

/// Year, month and day, as rcgen takes them.
fn day(name: &SecretName, seconds: i64) -> Result<(i32, u8, u8), SecretsError> {
    let date = jiff::Timestamp::from_second(seconds).map(|time| jiff::tz::Offset::UTC.to_datetime(time).date());
    let parts = date
        .ok()
        .filter(|date| (1950..=9998).contains(&date.year()))
        .and_then(|date| Some((date.year().into(), u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?)));
    parts.ok_or_else(|| fault(name, "its dates are out of reach".to_owned(), None))
}

/// Adds a block of PEM (RFC 7468).
fn block(out: &mut Buffer, pem: &Pem) {
    let mut encoded = Buffer::default();
    super::super::safe::base64(&mut encoded, &pem.contents);
    out.push(format!("-----BEGIN {}-----\n", pem.label).as_bytes());
    for line in encoded.bytes().chunks(64) {
        out.push(line);
        out.push(b"\n");
    }
    out.push(format!("-----END {}-----\n", pem.label).as_bytes());
}
