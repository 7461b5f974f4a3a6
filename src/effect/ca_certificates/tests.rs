use std::path::Path;
use std::process::Command;

use super::super::fixture::{MTIME, World, path, read_root, real_root, skip, tree};
use super::*;
use crate::deb::Call;
use crate::estate::{EffectUse, ScriptKind, Worth};
use crate::name::PackageName;

/// `C=DE, O="Example  Trust   Ä", CN="  Root One "`, UTF8String.
pub(super) const SPACES: &str = "\
-----BEGIN CERTIFICATE-----
MIIBmTCCAUugAwIBAgIUGNK0tO4/ur4igKNYWmqJj1TCMi4wBQYDK2VwMEExCzAJ
BgNVBAYTAkRFMRwwGgYDVQQKDBNFeGFtcGxlICBUcnVzdCAgIMOEMRQwEgYDVQQD
DAsgIFJvb3QgT25lIDAgFw0yNjExMjQxNTQwMzlaGA8yMTI2MTAzMTE1NDAzOVow
QTELMAkGA1UEBhMCREUxHDAaBgNVBAoME0V4YW1wbGUgIFRydXN0ICAgw4QxFDAS
BgNVBAMMCyAgUm9vdCBPbmUgMCowBQYDK2VwAyEAYUDujXNkgqA4Tzd7+UbYlsvS
vKfEbU6WHjJ0R8hOfEijUzBRMB0GA1UdDgQWBBRULxQjfF0tv/32xuS1kRRMWgO9
aDAfBgNVHSMEGDAWgBRULxQjfF0tv/32xuS1kRRMWgO9aDAPBgNVHRMBAf8EBTAD
AQH/MAUGAytlcANBAJ8Z+ogNA63OEzRUhmc0eu/B8nOnYilgEu/G6UKLD6VCsaHn
LFLLEAJB+ThRTolqawHkStBnNl47/VMPF+W8cgA=
-----END CERTIFICATE-----
";

/// `O="EXAMPLE trust ä", CN=x + OU=y`.
pub(super) const MULTI: &str = "\
-----BEGIN CERTIFICATE-----
MIIBeTCCASugAwIBAgIUehAZjn3Vg/BpbWAwYYLFKNEbnfowBQYDK2VwMDExGTAX
BgNVBAoMEEVYQU1QTEUgdHJ1c3Qgw6QxFDAIBgNVBAMMAXgwCAYDVQQLDAF5MCAX
DTI2MTEyNDE1NDAzOVoYDzIxMjYxMDMxMTU0MDM5WjAxMRkwFwYDVQQKDBBFWEFN
UExFIHRydXN0IMOkMRQwCAYDVQQDDAF4MAgGA1UECwwBeTAqMAUGAytlcAMhAGJz
93gs8tvgSnp00/eAF7+n4NJzES30XqZCiFhc9/0No1MwUTAdBgNVHQ4EFgQUTgDB
qRqsO/4ruTxmbsQRoq2sQfkwHwYDVR0jBBgwFoAUTgDBqRqsO/4ruTxmbsQRoq2s
QfkwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQC76I97TQ3X1RZb+sZNqg2Jnfwa
yFTCWkoeHaTtjoyTOW02gnaqIzbdmG5QXhqWRs0k17NzSWxR6Ts0VQsAZywE
-----END CERTIFICATE-----
";

/// `O="Größe GMBH", CN="T61 Root"`, T61String and PrintableString.
pub(super) const T61: &str = "\
-----BEGIN CERTIFICATE-----
MIIBDDCBvwIUIjV7RfcJZceezvBtfEwAykQAqpgwBQYDK2VwMCgxEzARBgNVBAoU
Ckdy9t9lIEdNQkgxETAPBgNVBAMTCFQ2MSBSb290MCAXDTI2MTEyNDE1NDAzOVoY
DzIxMjYxMDMxMTU0MDM5WjAoMRMwEQYDVQQKFApHcvbfZSBHTUJIMREwDwYDVQQD
EwhUNjEgUm9vdDAqMAUGAytlcAMhAK0L7Bh6+vgJzRVqrA2z3fCuHbG1on0eOVVt
3yHgblCIMAUGAytlcANBAKshhZYhvu8hj8rARRcxEusT8fhsDSqvGt96PjSIoiv1
m5PgcHA8yIA+ROkyy+ys0oFzok1hY92uYFH9CTjgRgI=
-----END CERTIFICATE-----
";

/// The same as BMPString: another certificate with the same hash.
pub(super) const BMP: &str = "\
-----BEGIN CERTIFICATE-----
MIIBMDCB4wIUFgyW7COvJc/Zdf6lvJOdOjaQl1wwBQYDK2VwMDoxHTAbBgNVBAoe
FABHAHIA9gDfAGUAIABHAE0AQgBIMRkwFwYDVQQDHhAAVAA2ADEAIABSAG8AbwB0
MCAXDTI2MTEyNDE1NDAzOVoYDzIxMjYxMDMxMTU0MDM5WjA6MR0wGwYDVQQKHhQA
RwByAPYA3wBlACAARwBNAEIASDEZMBcGA1UEAx4QAFQANgAxACAAUgBvAG8AdDAq
MAUGAytlcAMhAE80nhDuu4tpell4PYdn4T7O4v4JMjBE9ZZdiz5Ky+v2MAUGAytl
cANBAPEM/dJXDj/mV8tfAhfpg1e8Eqyf/CRtIf/Hp3jBkJWVtzlPR6UjB0jm2k6f
fGeHSRFfQnXhzjvB/dWPIisCAQ8=
-----END CERTIFICATE-----
";

fn world() -> World {
    let mut world = World::new("x86_64");
    let used = EffectUse { name: NAME.to_owned(), arguments: Vec::new() };
    world.calls.push(Call {
        package: PackageName::new(NAME).unwrap(),
        kind: ScriptKind::Postinst,
        text: String::new(),
        worth: Worth { effects: vec![used], ..Worth::default() },
    });
    world
}

fn made(files: &[(&str, &str)]) -> Result<Tree, CaCertificatesError> {
    let mut tree = tree(files);
    run(&mut tree, &world().context()).map(|()| tree)
}

/// What stands in `/etc/ssl/certs`, links with their text.
fn certs(tree: &Tree) -> String {
    let dir = path(CERTS);
    let line = |(path, node): (&ImagePath, &Node)| match &node.kind {
        Kind::Symlink(target) => format!("{} -> {target}", path.file_name()),
        _ => path.file_name().to_owned(),
    };
    tree.children(&dir).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn without_the_package_nothing_is_made() {
    let mut tree = tree(&[("/usr/share/ca-certificates/mozilla/a.crt", SPACES)]);
    run(&mut tree, &World::new("x86_64").context()).unwrap();
    assert_eq!(tree.touched().count(), 0);
}

#[test]
fn a_listed_certificate_that_is_not_there_is_an_error() {
    let error = made(&[(CONF, "mozilla/a.crt\n")]).unwrap_err();
    insta::assert_snapshot!(error, @"`/etc/ca-certificates.conf` lists `mozilla/a.crt`, which is not in `/usr/share/ca-certificates`");
}

#[test]
fn what_is_no_certificate_is_an_error() {
    let error = made(&[("/usr/local/share/ca-certificates/own.crt", "0\u{82}")]).unwrap_err();
    insta::assert_snapshot!(error, @"`/usr/local/share/ca-certificates/own.crt` holds no certificate in PEM form");
}

#[test]
fn the_bundle_and_both_kinds_of_links_are_made() {
    let tree = made(&[
        ("/usr/share/ca-certificates/mozilla/B (old), x.crt", T61.trim_end()),
        ("/usr/share/ca-certificates/mozilla/a.crt", SPACES),
        ("/usr/share/ca-certificates/mozilla/README", ""),
        ("/usr/local/share/ca-certificates/own/c.crt", BMP),
        ("/etc/ssl/certs/also.pem", MULTI),
        ("/etc/ssl/certs/again.PEM", SPACES),
    ])
    .unwrap();
    insta::assert_snapshot!(certs(&tree), @r"
    40d13177.0 -> B_=old=__x.pem
    40d13177.1 -> c.pem
    5a9c598d.0 -> a.pem
    B_=old=__x.pem -> /usr/share/ca-certificates/mozilla/B (old), x.crt
    a.pem -> /usr/share/ca-certificates/mozilla/a.crt
    again.PEM
    also.pem
    c.pem -> /usr/local/share/ca-certificates/own/c.crt
    ca-certificates.crt
    ed7bf13d.0 -> also.pem
    ");
    let bundle = tree.read_text(&path("/etc/ssl/certs/ca-certificates.crt")).unwrap().unwrap();
    assert_eq!(bundle, format!("{T61}{SPACES}{BMP}"));
    let conf = tree.read_text(&path(CONF)).unwrap().unwrap();
    assert_eq!(conf, format!("{CONF_HEAD}mozilla/B (old), x.crt\nmozilla/a.crt\n"));
    assert_eq!(tree.get(&path(CONF)).unwrap().mtime, MTIME);
}

#[test]
fn a_line_with_a_mark_switches_a_certificate_off() {
    let tree = made(&[
        (CONF, "!mozilla/a.crt"),
        ("/usr/share/ca-certificates/mozilla/a.crt", SPACES),
        ("/usr/share/ca-certificates/mozilla/b.crt", T61),
    ])
    .unwrap();
    assert_eq!(tree.read_text(&path(CONF)).unwrap().unwrap(), "!mozilla/a.crt\nmozilla/b.crt\n");
    assert_eq!(tree.read_text(&path("/etc/ssl/certs/ca-certificates.crt")).unwrap().unwrap(), T61);
}

/// Compares with what stands in the folder `root`, made by the real programs.
fn compare(tree: &Tree, root: &Path) {
    let mut expected = Tree::default();
    read_root(&mut expected, root, CERTS);
    let prefix = root.to_str().unwrap();
    assert_eq!(certs(tree), certs(&expected).replace(prefix, ""));
    let bundle = path("/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(tree.read_text(&bundle).unwrap(), expected.read_text(&bundle).unwrap());
}

#[test]
fn all_is_as_the_real_program_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let shared = root.join("usr/share/ca-certificates/mozilla");
    for dir in [&shared, &root.join("usr/local/share/ca-certificates"), &root.join("etc/ssl/certs")] {
        std::fs::create_dir_all(dir).unwrap();
    }
    for (name, text) in [("a.crt", SPACES), ("b (x).crt", T61), ("c.crt", BMP), ("d.crt", T61.trim_end())] {
        std::fs::write(shared.join(name), text).unwrap();
    }
    std::fs::write(root.join("usr/local/share/ca-certificates/own.crt"), MULTI).unwrap();
    for host in std::fs::read_dir("/usr/share/ca-certificates/mozilla").into_iter().flatten().flatten() {
        std::fs::copy(host.path(), shared.join(host.file_name())).unwrap();
    }
    let mut tree = Tree::default();
    read_root(&mut tree, root, "");
    run(&mut tree, &world().context()).unwrap();
    std::fs::write(root.join(CONF.trim_start_matches('/')), tree.read(&path(CONF)).unwrap().unwrap()).unwrap();
    let mut program = Command::new("update-ca-certificates");
    for (option, at) in [("certsconf", CONF), ("certsdir", SHARED), ("localcertsdir", LOCAL), ("etccertsdir", CERTS)] {
        program.arg(format!("--{option}")).arg(root.join(at.trim_start_matches('/')));
    }
    let ran = program.args(["--hooksdir", ""]).output();
    match ran {
        Ok(output) if output.status.success() => compare(&tree, root),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => skip(&format!("update-ca-certificates cannot be asked: {error}")),
    }
}

#[test]
fn all_is_as_in_a_real_root() {
    let Some(root) = real_root("x86_64") else { return };
    let mut tree = Tree::default();
    read_root(&mut tree, &root, SHARED);
    run(&mut tree, &world().context()).unwrap();
    compare(&tree, &root);
    let conf = std::fs::read_to_string(root.join(CONF.trim_start_matches('/'))).unwrap();
    assert_eq!(tree.read_text(&path(CONF)).unwrap().unwrap(), conf);
}
