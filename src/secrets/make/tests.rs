use miette::Diagnostic as _;
use proptest::prelude::*;

use super::super::{NewIdentity, Recipients};
use super::*;
use crate::estate::{Alphabet, Lifetime};
use crate::name::EstateName;
use crate::spec::{Origin, Sources, Span};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = certificate::DAY;

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn names(texts: &[&str]) -> BTreeSet<SecretName> {
    texts.iter().map(|text| name(text)).collect()
}

fn random(bytes: &mut [u8]) -> Result<(), NoRandom> {
    use ring::rand::SecureRandom as _;
    ring::rand::SystemRandom::new().fill(bytes).map_err(|_| NoRandom)
}

fn safe() -> Safe {
    let recipient = NewIdentity::make().recipient;
    let recipients = Recipients::parse(&EstateName::new("e").unwrap(), [recipient.as_str()]).unwrap();
    Safe::new(&recipients, &mut random).unwrap()
}

fn rules(rules: &[(&str, Rule)]) -> BTreeMap<SecretName, Generate> {
    let source = Sources::default().add("x".to_owned(), String::new(), Origin::Project);
    let span = Span { source, start: 0, len: 0 };
    rules.iter().map(|(text, rule)| (name(text), Generate { rule: rule.clone(), per_cell: false, span })).collect()
}

fn ca(days: u32, renew: u32) -> Rule {
    Rule::Authority { common_name: "Test CA".to_owned(), lifetime: Lifetime { days, renew } }
}

fn certificate(days: u32, renew: u32) -> Rule {
    let names = vec!["internal.example".to_owned(), "10.0.0.1".to_owned(), "fd00::1".to_owned()];
    Rule::Certificate { ca: name("ca"), names, lifetime: Lifetime { days, renew } }
}

const TEXT: Rule = Rule::Text { length: 32, alphabet: Alphabet::Alnum };

fn run(
    safe: &mut Safe,
    rules: &BTreeMap<SecretName, Generate>,
    only: &[&str],
    rotate: &[&str],
    now: i64,
) -> Result<Vec<(String, Why)>, SecretsError> {
    let (only, rotate) = (names(only), names(rotate));
    let made = make(safe, &Request { rules, only: &only, rotate: &rotate, now }, &mut random)?;
    Ok(made.into_iter().map(|made| (made.name.to_string(), made.why)).collect())
}

fn set(safe: &mut Safe, text: &str, value: &[u8]) {
    safe.put(name(text), Entry { value: Secret::copied(value), rule: None, made: None }).unwrap();
}

fn said(error: SecretsError) -> String {
    format!("{error} ({})", error.help().map(|help| help.to_string()).unwrap_or_default())
}

#[test]
fn names_without_a_rule_get_the_nearest_and_halves_their_pair() {
    let rules = rules(&[("keystone-db", TEXT), ("nova-ssh", Rule::SshEd25519)]);
    let mut safe = safe();
    let error = said(run(&mut safe, &rules, &["keystone-bd"], &[], NOW).unwrap_err());
    assert_eq!(error, "no rule makes `keystone-bd` (did you mean `keystone-db`?)");
    let error = said(run(&mut safe, &rules, &[], &["nova-ssh.pub"], NOW).unwrap_err());
    assert_eq!(error, "no rule makes `nova-ssh.pub` (it is the other half of `nova-ssh`: name that)");
    assert!(safe.entries().is_empty());
}

#[test]
fn half_a_pair_is_refused_and_nothing_is_made() {
    let rules = rules(&[("a", TEXT), ("nova-ssh", Rule::SshEd25519)]);
    let mut safe = safe();
    set(&mut safe, "nova-ssh.pub", b"x");
    let error = said(run(&mut safe, &rules, &[], &[], NOW).unwrap_err());
    assert!(error.starts_with("`nova-ssh.pub` is there and `nova-ssh` is not"), "{error}");
    assert!(error.contains("--rotate nova-ssh"), "{error}");
    assert_eq!(safe.entries().len(), 1);
    assert_eq!(run(&mut safe, &rules, &[], &["nova-ssh"], NOW).unwrap(), [("nova-ssh".to_owned(), Why::Missing)]);
}

#[test]
fn what_is_there_stays_however_it_came_there() {
    let rules = rules(&[("a", TEXT), ("b", TEXT), ("c", TEXT)]);
    let mut safe = safe();
    set(&mut safe, "a", b"by hand");
    assert_eq!(run(&mut safe, &rules, &["b"], &[], NOW).unwrap(), [("b".to_owned(), Why::Missing)]);
    let before = safe.entries().clone();
    assert_eq!(run(&mut safe, &rules, &[], &[], NOW).unwrap(), [("c".to_owned(), Why::Missing)]);
    assert_eq!(run(&mut safe, &rules, &[], &[], NOW + 1).unwrap(), []);
    for (name, entry) in before {
        assert_eq!(safe.entries()[&name], entry);
    }
    let old = safe.entries()[&name("b")].clone();
    assert_eq!(run(&mut safe, &rules, &[], &["b"], NOW + 2).unwrap(), [("b".to_owned(), Why::Rotated)]);
    let new = &safe.entries()[&name("b")];
    assert_ne!(new.value, old.value);
    assert_eq!(new.made, Some(NOW + 2));
}

#[test]
fn without_random_bytes_nothing_is_made() {
    let rules = rules(&[("a", TEXT)]);
    let mut safe = safe();
    let request = Request { rules: &rules, only: &names(&[]), rotate: &names(&[]), now: NOW };
    let error = make(&mut safe, &request, &mut |_| Err(NoRandom)).unwrap_err();
    assert!(matches!(error, SecretsError::NoRandom));
    assert!(safe.entries().is_empty());
}

#[test]
fn an_authority_that_cannot_sign_is_said() {
    let rules = rules(&[("ca", ca(3650, 365)), ("cert", certificate(365, 30))]);
    let mut good = safe();
    run(&mut good, &rules, &[], &[], NOW).unwrap();
    let value = |text: &str| good.entries()[&name(text)].value.clone();
    let (ca_pem, ca_key, leaf) = (value("ca"), value("ca.key"), value("cert"));
    let other_key = value("cert.key");
    for (certificate, key, now, why) in [
        (b"x".as_slice(), ca_key.expose(), NOW, "`ca` is no certificate"),
        (leaf.expose(), other_key.expose(), NOW, "`ca` is the certificate of no authority"),
        (ca_pem.expose(), b"x", NOW, "`ca.key` is no private key in PKCS #8"),
        (ca_pem.expose(), other_key.expose(), NOW, "`ca.key` is not the key of `ca`"),
        (ca_pem.expose(), ca_key.expose(), NOW + 4000 * DAY, "`ca` has ended"),
    ] {
        let mut safe = safe();
        set(&mut safe, "ca", certificate);
        set(&mut safe, "ca.key", key);
        let error = said(run(&mut safe, &rules, &[], &[], now).unwrap_err());
        assert!(error.starts_with(&format!("a certificate cannot be made for `cert`: {why}")), "{error}");
        assert!(error.contains("--rotate ca"), "{error}");
    }
}

#[test]
fn a_certificate_makes_its_authority_where_that_lacks() {
    let rules = rules(&[("ca", ca(3650, 365)), ("cert", certificate(365, 30)), ("other", TEXT)]);
    let mut safe = safe();
    let made = run(&mut safe, &rules, &["cert"], &[], NOW).unwrap();
    assert_eq!(made, [("ca".to_owned(), Why::Missing), ("cert".to_owned(), Why::Missing)]);
    let names: Vec<&str> = safe.entries().keys().map(SecretName::as_str).collect();
    assert_eq!(names, ["ca", "ca.key", "cert", "cert.key"]);
    let end = ends(&safe.entries()[&name("cert")].value).unwrap();
    assert!((NOW + 365 * DAY..NOW + 366 * DAY).contains(&end));
}

#[test]
fn a_certificate_is_renewed_when_its_end_is_near_and_not_before() {
    let rules = rules(&[("ca", ca(3650, 365)), ("cert", certificate(365, 30))]);
    let mut safe = safe();
    run(&mut safe, &rules, &[], &[], NOW).unwrap();
    let authority = safe.entries()[&name("ca")].clone();
    assert_eq!(run(&mut safe, &rules, &[], &[], NOW + 334 * DAY).unwrap(), []);
    assert_eq!(run(&mut safe, &rules, &[], &[], NOW + 336 * DAY).unwrap(), [("cert".to_owned(), Why::Renewed)]);
    assert_eq!(safe.entries()[&name("ca")], authority);
    // One that was set by hand is not ours to renew.
    let by_hand = safe.entries()[&name("cert")].value.clone();
    set(&mut safe, "cert", by_hand.expose());
    assert_eq!(run(&mut safe, &rules, &[], &[], NOW + 1000 * DAY).unwrap(), []);
}

#[test]
fn a_renewed_authority_is_trusted_before_it_signs() {
    let rules = rules(&[("ca", ca(100, 40)), ("cert", certificate(50, 10))]);
    let mut safe = safe();
    run(&mut safe, &rules, &[], &[], NOW).unwrap();
    let (old_ca, old_key) = (safe.entries()[&name("ca")].value.clone(), safe.entries()[&name("ca.key")].value.clone());
    // Both are due: the certificate gets the old authority's signature, for as long as that one holds.
    let made = run(&mut safe, &rules, &[], &[], NOW + 65 * DAY).unwrap();
    assert_eq!(made, [("ca".to_owned(), Why::Renewed), ("cert".to_owned(), Why::Renewed)]);
    let bundle = safe.entries()[&name("ca")].value.clone();
    assert!(bundle.text().unwrap().ends_with(old_ca.text().unwrap()));
    assert_ne!(safe.entries()[&name("ca.key")].value, old_key);
    let leaf = safe.entries()[&name("cert")].value.clone();
    assert_eq!(ends(&leaf), ends(&old_ca));
    assert!(is_signed(&leaf, &old_ca) && !is_signed(&leaf, &bundle));
    // The next one comes from the new authority.
    let made = run(&mut safe, &rules, &[], &[], NOW + 95 * DAY).unwrap();
    assert_eq!(made, [("cert".to_owned(), Why::Renewed)]);
    assert!(is_signed(&safe.entries()[&name("cert")].value, &bundle));
    // What has ended leaves the bundle.
    run(&mut safe, &rules, &[], &["ca"], NOW + 130 * DAY).unwrap();
    assert_eq!(safe.entries()[&name("ca")].value.text().unwrap().matches("BEGIN").count(), 2);
}

#[test]
fn a_rotation_of_both_signs_with_the_new_authority() {
    let rules = rules(&[("ca", ca(3650, 365)), ("cert", certificate(365, 30))]);
    let mut safe = safe();
    run(&mut safe, &rules, &[], &[], NOW).unwrap();
    run(&mut safe, &rules, &[], &["ca"], NOW + DAY).unwrap();
    let bundle = safe.entries()[&name("ca")].value.clone();
    assert!(!is_signed(&safe.entries()[&name("cert")].value, &bundle));
    run(&mut safe, &rules, &[], &["ca", "cert"], NOW + 2 * DAY).unwrap();
    let bundle = safe.entries()[&name("ca")].value.clone();
    assert!(is_signed(&safe.entries()[&name("cert")].value, &bundle));
    assert_eq!(bundle.text().unwrap().matches("BEGIN").count(), 3);
}

/// Whether the first certificate of a chain is signed by the first of a bundle.
fn is_signed(chain: &Secret, bundle: &Secret) -> bool {
    let first = |secret: &Secret| x509_parser::pem::Pem::iter_from_buffer(secret.expose()).next().unwrap().unwrap();
    let (leaf, authority) = (first(chain), first(bundle));
    let (leaf, authority) = (leaf.parse_x509().unwrap(), authority.parse_x509().unwrap());
    leaf.verify_signature(Some(authority.public_key())).is_ok()
}

proptest! {
    #[test]
    fn texts_have_their_length_and_their_letters(
        length in 11u16..200,
        alphabet in proptest::sample::select(vec![Alphabet::Alnum, Alphabet::Lower, Alphabet::Hex, Alphabet::Digits, Alphabet::Url]),
        seed in any::<u64>(),
    ) {
        let mut state = seed;
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
            Ok(())
        };
        let text = letters::text(length.into(), alphabet.letters(), &mut random).unwrap();
        prop_assert_eq!(text.expose().len(), usize::from(length));
        prop_assert!(text.expose().iter().all(|byte| alphabet.letters().contains(byte)));
        let again = letters::text(length.into(), alphabet.letters(), &mut random).unwrap();
        prop_assert_ne!(again, text);
    }

    #[test]
    fn lengths_are_worth_the_bits_that_were_asked_for(bits in 1u32..257) {
        for alphabet in [Alphabet::Alnum, Alphabet::Lower, Alphabet::Hex, Alphabet::Digits, Alphabet::Url] {
            let worth = |length: u16| f64::from(length) * (alphabet.letters().len() as f64).log2();
            let length = alphabet.length_for(bits);
            prop_assert!(worth(length) >= f64::from(bits) - 1e-9);
            prop_assert!(worth(length - 1) < f64::from(bits));
        }
    }

    #[test]
    fn uuids_and_fernet_keys_have_their_form(bytes in proptest::array::uniform32(any::<u8>())) {
        let mut random = |into: &mut [u8]| {
            into.iter_mut().zip(bytes).for_each(|(into, byte)| *into = byte);
            Ok(())
        };
        let uuid = letters::uuid(&mut random).unwrap();
        let text = uuid.text().unwrap();
        let parts: Vec<usize> = text.split('-').map(str::len).collect();
        prop_assert_eq!(parts, [8, 4, 4, 4, 12]);
        prop_assert!(text.chars().all(|c| c == '-' || c.is_ascii_hexdigit() && !c.is_ascii_uppercase()));
        prop_assert_eq!(&text[14..15], "4");
        prop_assert!("89ab".contains(&text[19..20]));
        let fernet = letters::fernet(&mut random).unwrap();
        let plain = fernet.text().unwrap().replace('-', "+").replace('_', "/");
        let read = super::super::safe::from_base64(&plain).unwrap();
        prop_assert_eq!(read.expose(), bytes);
    }
}

#[test]
fn no_letter_is_likelier_than_others() {
    // Every byte once: each letter comes out as often as the others.
    let mut next = 0u8;
    let mut random = |bytes: &mut [u8]| {
        for byte in bytes {
            *byte = next;
            next = next.wrapping_add(1);
        }
        Ok(())
    };
    let letters = Alphabet::Alnum.letters();
    let text = letters::text(248, letters, &mut random).unwrap();
    for letter in letters {
        assert_eq!(text.expose().iter().filter(|byte| *byte == letter).count(), 4);
    }
}
