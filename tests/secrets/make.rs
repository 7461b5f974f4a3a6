//! What is made by rule, judged by the tools that use it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::world::World;
use crate::oracle::{has, run, stdout};

const RULES: &str = "\
generate \"ca\" kind=\"ca\" common-name=\"Internal CA\"
generate \"web\" kind=\"certificate\" ca=\"ca\" names=\"internal.example|*.apps.example|10.0.0.1|fd00::1\" days=90
generate \"key\" kind=\"ssh-ed25519\"
generate \"fernet\" kind=\"fernet\"
generate \"uuid\" kind=\"uuid\"
generate \"bytes\" kind=\"bytes\" length=48
generate \"pin\" length=20 alphabet=\"digits\"";

impl World {
    /// Writes a secret to a file beside the project.
    fn save(&self, name: &str) -> String {
        let path = self.path(name);
        fs::write(&path, self.command(&["get", name]).output().unwrap().stdout).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn rules_are_kept() {
    let world = World::new(RULES);
    world.out(&["generate"]);
    let get = |name: &str| world.out(&["get", name]);
    assert!(get("api-db").len() == 24 && get("api-db").bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert!(get("pin").len() == 20 && get("pin").bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(get("fernet").len(), 44);
    assert_eq!(get("uuid").split('-').count(), 5);
    assert_eq!(world.command(&["get", "bytes"]).output().unwrap().stdout.len(), 48);
    // Again, nothing; by name, that one alone.
    let sealed = fs::read(world.vault()).unwrap();
    let (_, said) = world.ends(0, &["generate"]);
    assert!(said.contains("nothing to make"), "{said}");
    assert_eq!(fs::read(world.vault()).unwrap(), sealed);
    let (before, other) = (get("pin"), get("api-db"));
    let (_, said) = world.ends(0, &["generate", "--rotate", "pin"]);
    assert!(said.contains("made `pin` anew"), "{said}");
    assert_ne!(get("pin"), before);
    assert_eq!(get("api-db"), other);
}

#[test]
fn openssl_verifies_a_certificate_against_its_authority() {
    if !has("openssl") {
        return;
    }
    let world = World::new(RULES);
    world.out(&["generate"]);
    let (ca, web, key) = (world.save("ca"), world.save("web"), world.save("web.key"));
    for purpose in ["sslserver", "sslclient"] {
        stdout("openssl", &["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &ca, &web]);
    }
    for name in ["internal.example", "x.apps.example"] {
        stdout("openssl", &["verify", "-verify_hostname", name, "-CAfile", &ca, &web]);
    }
    for address in ["10.0.0.1", "fd00::1"] {
        stdout("openssl", &["verify", "-verify_ip", address, "-CAfile", &ca, &web]);
    }
    let wrong = run("openssl", &["verify", "-verify_hostname", "other.example", "-CAfile", &ca, &web]);
    assert!(!wrong.status.success());
    let of_certificate = stdout("openssl", &["x509", "-noout", "-pubkey", "-in", &web]);
    assert_eq!(stdout("openssl", &["pkey", "-pubout", "-in", &key]), of_certificate);
    let text = stdout("openssl", &["x509", "-noout", "-text", "-in", &ca]);
    assert!(text.contains("CN = Internal CA") && text.contains("CA:TRUE, pathlen:0"), "{text}");
}

#[test]
fn an_authority_that_is_rotated_stays_trusted_until_certificates_follow() {
    if !has("openssl") {
        return;
    }
    let world = World::new(RULES);
    world.out(&["generate"]);
    let (old_ca, old_web) = (fs::read(world.save("ca")).unwrap(), world.save("web"));
    let (_, said) = world.ends(0, &["generate", "--rotate", "ca"]);
    assert!(said.contains("wharf secrets generate --rotate web"), "{said}");
    let ca = world.save("ca");
    stdout("openssl", &["verify", "-CAfile", &ca, &old_web]);
    world.out(&["generate", "--rotate", "web"]);
    let web = world.save("web");
    stdout("openssl", &["verify", "-CAfile", &ca, &web]);
    fs::write(world.path("old"), old_ca).unwrap();
    let old = world.path("old");
    assert!(!run("openssl", &["verify", "-CAfile", old.to_str().unwrap(), &web]).status.success());
}

#[test]
fn an_authority_of_somebody_else_signs_too() {
    if !has("openssl") {
        return;
    }
    let world = World::new(RULES);
    let at = |name: &str| world.path(name).to_str().unwrap().to_owned();
    // A root, and an authority below it with an RSA key, as openssl makes them.
    for (name, subject, signer) in [("root", "/CN=Root", None), ("sub", "/O=Corp/CN=Sub", Some("root"))] {
        let mut arguments = vec!["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", subject];
        let (key, certificate) = (at(&format!("{name}.key")), at(&format!("{name}.pem")));
        arguments.extend(["-keyout", &key, "-out", &certificate]);
        let signed = signer.map(|signer| (at(&format!("{signer}.pem")), at(&format!("{signer}.key"))));
        if let Some((certificate, key)) = &signed {
            arguments.extend(["-CA", certificate, "-CAkey", key]);
        }
        stdout("openssl", &arguments);
    }
    world.out(&["set", "ca", "--file", &at("sub.pem")]);
    let (_, said) = world.ends(1, &["generate"]);
    assert!(said.contains("`ca` is there and `ca.key` is not"), "{said}");
    world.out(&["set", "ca.key", "--file", &at("sub.key")]);
    world.out(&["generate"]);
    assert_eq!(world.out(&["get", "ca"]), fs::read_to_string(at("sub.pem")).unwrap());
    // The chain brings the authority along: a client knows the root alone.
    let web = world.save("web");
    stdout("openssl", &["verify", "-CAfile", &at("root.pem"), "-untrusted", &web, &web]);
    let end = |path: &str| stdout("openssl", &["x509", "-noout", "-enddate", "-in", path]);
    let day = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(day(&end(&web)), day(&end(&at("sub.pem"))), "none outlasts its authority");
}

#[test]
fn ssh_reads_its_keys() {
    if !has("ssh-keygen") {
        return;
    }
    let world = World::new(RULES);
    world.out(&["generate"]);
    let key = world.save("key");
    let public = world.out(&["get", "key.pub"]);
    assert!(!public.contains('\n'));
    assert_eq!(stdout("ssh-keygen", &["-y", "-f", &key]).trim_end(), public);
    let message = world.path("message");
    fs::write(&message, "hello").unwrap();
    stdout("ssh-keygen", &["-Y", "sign", "-q", "-n", "test", "-f", &key, message.to_str().unwrap()]);
    assert!(world.path("message.sig").exists());
}

#[test]
fn age_reads_the_file() {
    if !has("age") {
        return;
    }
    let world = World::new(RULES);
    world.out(&["generate"]);
    let (key, vault) = (world.path("keys/me"), world.vault());
    let text = stdout("age", &["-d", "-i", key.to_str().unwrap(), vault.to_str().unwrap()]);
    let inside: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&String> = inside["secrets"].as_object().unwrap().keys().collect();
    assert!(names.is_sorted() && names.len() == 11, "{names:?}");
    assert_eq!(inside["secrets"]["pin"]["text"].as_str().unwrap(), world.out(&["get", "pin"]));
    assert_eq!(inside["secrets"]["pin"]["rule"], "length=20 alphabet=\"digits\"");
    assert!(fs::read_to_string(&vault).unwrap().starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
}
