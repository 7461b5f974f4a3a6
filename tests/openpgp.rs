//! Which signatures count.

use pgp::composed::KeyType;
use pgp::crypto::hash::HashAlgorithm;
use wharf::deb::{At, Keyring, Reason, SignatureError};

use super::support::key::{Key, KeyOptions};
use super::support::skip;

const MADE: u32 = 1_763_208_000;
const NOW: At = At::Now(MADE as i64 + 3600);
const TEXT: &str = "Origin: Test\n- dashed\nSHA256:\n 00 1 a  \n";

fn keyring(key: &Key) -> Keyring {
    Keyring::parse(&key.binary()).unwrap()
}

/// The one reason for which a text signed by such a key does not count.
fn reason(options: KeyOptions, at: At) -> Reason {
    let key = Key::new(&options);
    match keyring(&key).clearsigned(key.clearsign(TEXT, MADE).as_bytes(), at) {
        Err(SignatureError::Rejected(all)) if all.len() == 1 => {
            assert_eq!(all[0].key, key.signer());
            all[0].reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_changed_text_is_refused() {
    let key = Key::default();
    let changed = key.clearsign(TEXT, MADE).replace("00 1 a", "00 1 b");
    let error = keyring(&key).clearsigned(changed.as_bytes(), NOW).unwrap_err();
    assert!(error.is_tampered());
    assert_eq!(
        error.to_string(),
        format!("its signature does not count: the text is not the one that {} signed", key.signer())
    );
}

#[test]
fn a_stranger_is_named() {
    let (ours, theirs) = (Key::default(), Key::default());
    let error = keyring(&ours).clearsigned(theirs.clearsign(TEXT, MADE).as_bytes(), NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "it is signed by {}, and no such key is in the keyring (which holds {})",
            theirs.signer(),
            ours.fingerprint()
        )
    );
}

#[test]
fn text_around_the_signed_one_is_refused() {
    let key = Key::default();
    let good = key.clearsign(TEXT, MADE);
    for bad in [format!("Origin: Evil\n{good}"), format!("{good}\nOrigin: Evil\n"), TEXT.to_owned(), String::new()] {
        let error = keyring(&key).clearsigned(bad.as_bytes(), NOW).unwrap_err();
        assert!(matches!(error, SignatureError::Unsigned(_)), "{error}");
    }
}

#[test]
fn keys_that_may_not_sign_do_not_count() {
    assert_eq!(reason(KeyOptions { subkey_signs: false, ..Default::default() }, NOW), Reason::NotForSigning);
    assert_eq!(reason(KeyOptions { back_signature: false, ..Default::default() }, NOW), Reason::Unbound);
    let algorithm = KeyType::Rsa(2048);
    assert_eq!(
        reason(KeyOptions { hash: HashAlgorithm::Sha1, algorithm, ..Default::default() }, NOW),
        Reason::WeakHash
    );
    assert_eq!(reason(KeyOptions { algorithm: KeyType::Rsa(1024), ..Default::default() }, NOW), Reason::WeakKey);
    assert_eq!(reason(KeyOptions { revoked: true, ..Default::default() }, NOW), Reason::Revoked);
    assert_eq!(reason(KeyOptions { subkey_revoked: true, ..Default::default() }, NOW), Reason::Revoked);
    assert_eq!(reason(KeyOptions { created: MADE + 7, ..Default::default() }, NOW), Reason::BeforeKey);
}

#[test]
fn expiry_is_judged_now_or_when_the_text_was_signed() {
    let lasts = MADE - KeyOptions::default().created;
    for options in [
        KeyOptions { primary_lasts: Some(lasts), ..Default::default() },
        KeyOptions { subkey_lasts: Some(lasts), ..Default::default() },
    ] {
        assert_eq!(reason(options.clone(), NOW), Reason::KeyExpired);
        assert_eq!(reason(options, At::Signing), Reason::KeyExpired);
    }
    let key = Key::new(&KeyOptions { primary_lasts: Some(lasts + 60), ..Default::default() });
    let text = key.clearsign(TEXT, MADE);
    assert!(keyring(&key).clearsigned(text.as_bytes(), At::Signing).is_ok());
    assert!(keyring(&key).clearsigned(text.as_bytes(), NOW).is_err());
}

#[test]
fn a_signature_from_the_future_or_of_a_weak_hash_does_not_count() {
    let key = Key::default();
    let future = keyring(&key).clearsigned(key.clearsign(TEXT, MADE).as_bytes(), At::Now(i64::from(MADE) - 3600));
    assert!(matches!(future, Err(SignatureError::Rejected(all)) if all[0].reason == Reason::FromFuture));
    // Ed25519 takes no weak hash in the first place.
    let key = Key::new(&KeyOptions { algorithm: KeyType::Rsa(2048), ..Default::default() });
    let weak = Key::clearsign_with(&[&key], TEXT, MADE, HashAlgorithm::Sha1);
    let weak = keyring(&key).clearsigned(weak.as_bytes(), NOW);
    assert!(matches!(weak, Err(SignatureError::Rejected(all)) if all[0].reason == Reason::WeakHash));
}

#[test]
fn one_good_signature_is_enough() {
    let (ours, theirs) = (Key::default(), Key::default());
    let revoked = Key::new(&KeyOptions { revoked: true, ..Default::default() });
    let text = Key::clearsign_with(&[&theirs, &revoked, &ours], TEXT, MADE, HashAlgorithm::Sha256);
    let keyring = Keyring::parse(&[revoked.binary(), ours.binary()].concat()).unwrap();
    // Dashes are taken back, white space at the ends of lines is not signed (RFC 9580, 7.2).
    insta::assert_snapshot!(keyring.clearsigned(text.as_bytes(), NOW).unwrap(), @"
    Origin: Test
    - dashed
    SHA256:
     00 1 a
    ");
}

#[test]
fn a_detached_signature_is_over_every_byte() {
    let key = Key::default();
    let signature = key.detached(TEXT, MADE);
    let keyring = keyring(&key);
    assert_eq!(keyring.detached(TEXT.as_bytes(), signature.as_bytes(), NOW), Ok(()));
    let error = keyring.detached(TEXT.trim_end().as_bytes(), signature.as_bytes(), NOW).unwrap_err();
    assert!(error.is_tampered());
    assert!(matches!(keyring.detached(b"", b"", NOW), Err(SignatureError::Unsigned(_))));
}

#[test]
fn keyrings_are_binary_or_armored_and_hold_several() {
    let (a, b) = (Key::default(), Key::default());
    let both = vec![a.fingerprint(), b.fingerprint()];
    assert_eq!(Keyring::parse(&[a.binary(), b.binary()].concat()).unwrap().fingerprints(), both);
    assert_eq!(Keyring::parse((a.armored() + &b.armored()).as_bytes()).unwrap().fingerprints(), both);
    for bad in [&b""[..], b"hello", b"-----BEGIN PGP MESSAGE-----\n\nAA==\n-----END PGP MESSAGE-----\n"] {
        assert!(Keyring::parse(bad).is_err());
    }
}

#[test]
fn gpgv_agrees_with_what_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Key::default(), Key::default());
    std::fs::write(folder.path().join("keyring.gpg"), ours.binary()).unwrap();
    let good = ours.clearsign(TEXT, MADE);
    for (text, counts) in
        [(good.clone(), true), (good.replace("Origin", "Orogin"), false), (theirs.clearsign(TEXT, MADE), false)]
    {
        assert_eq!(keyring(&ours).clearsigned(text.as_bytes(), NOW).is_ok(), counts);
        let path = folder.path().join("InRelease");
        std::fs::write(&path, &text).unwrap();
        let output = std::process::Command::new("gpgv")
            .arg("--homedir")
            .arg(folder.path())
            .arg("--keyring")
            .arg(folder.path().join("keyring.gpg"))
            .arg(&path)
            .output();
        let Ok(output) = output else { return skip("no gpgv") };
        assert_eq!(output.status.success(), counts, "{}", String::from_utf8_lossy(&output.stderr));
    }
}
