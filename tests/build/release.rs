//! `build` writes the manifests down, and units name them.

use std::collections::BTreeMap;
use std::fs;

use super::Yard;

const ESTATE: &str = r#"
service "greeter" {
    role "front"
    health #null
}
estate "small" {
    distro "trixie"
    services "greeter"
    host "h1" address="10.0.0.1" { role "front" }
}
"#;

fn release(yard: &Yard, name: &str) -> Option<String> {
    fs::read_to_string(yard.project().join(format!("releases/{name}.kdl"))).ok()
}

/// The lines that a build's document asks for, by image and arch.
fn lines(out: &str) -> BTreeMap<(String, String), String> {
    let document: serde_json::Value = serde_json::from_str(out).unwrap();
    let images = document["images"].as_array().unwrap().iter();
    images
        .map(|built| {
            let [image, distro, arch, digest] =
                ["image", "distro", "arch", "digest"].map(|key| built[key].as_str().unwrap());
            let line = format!("image \"{image}\" distro=\"{distro}\" arch=\"{arch}\" manifest=\"{digest}\"\n");
            ((image.to_owned(), arch.to_owned()), line)
        })
        .collect()
}

#[test]
fn a_project_without_an_estate_gets_a_release_only_where_it_is_named() {
    let yard = Yard::good();
    yard.run(0, &["build"]);
    assert!(!yard.project().join("releases").exists());
    let (out, said) = yard.run(0, &["--json", "build", "--release", "2026.1"]);
    assert!(said.contains("wrote releases/2026.1.kdl"), "{said}");
    let text = release(&yard, "2026.1").unwrap();
    assert!(lines(&out).values().all(|line| text.contains(line)), "{text}");
    assert_eq!(release(&yard, "current"), None);
}

#[test]
fn an_estate_s_units_name_what_was_built() {
    let yard = Yard::good();
    yard.put("targets/small.kdl", ESTATE);
    let refused = yard.refused(&["units"]);
    assert!(refused.contains("`greeter` for trixie on x86_64 is in no release"), "{refused}");
    assert!(refused.contains("build it: wharf build greeter --distro trixie --arch x86_64"), "{refused}");
    // As that help says; then the rest, beside what is there.
    let (first, said) = yard.run(0, &["--json", "build", "greeter", "--distro", "trixie", "--arch", "x86_64"]);
    assert!(said.contains("wrote releases/current.kdl"), "{said}");
    let head = "// Written by wharf: the manifests that units name. Keep it in git.\n";
    let mut known = lines(&first);
    assert_eq!(release(&yard, "current").unwrap(), format!("{head}{}", known.values().cloned().collect::<String>()));
    let (all, _) = yard.run(0, &["--json", "build"]);
    known.extend(lines(&all));
    let text = release(&yard, "current").unwrap();
    assert_eq!(known.len(), 6);
    assert_eq!(text, format!("{head}{}", known.values().cloned().collect::<String>()));
    // The same again is left alone.
    let (_, said) = yard.run(0, &["build"]);
    assert!(!said.contains("releases/current.kdl"), "{said}");
    let (_, _) = yard.run(0, &["units", "--to", &yard.folder.path().join("to").display().to_string()]);
    let unit = fs::read_to_string(yard.folder.path().join("to/h1/etc/containers/systemd/greeter.container")).unwrap();
    let digest = known[&("greeter".to_owned(), "x86_64".to_owned())].split('"').nth(7).unwrap().to_owned();
    assert!(unit.contains(&format!("\nImage=localhost/wharf/greeter@{digest}\n")), "{unit}");
}

#[test]
fn a_release_that_cannot_be_read_is_left_as_it_is() {
    let yard = Yard::good();
    yard.put("targets/small.kdl", ESTATE);
    let broken = "image \"greeter\" distro=\"trixie\" arch=\"x86_64\" manifest=\"sha256:12\"\n";
    yard.put("releases/current.kdl", broken);
    let refused = yard.refused(&["build"]);
    assert!(refused.contains("releases/current.kdl:1:"), "{refused}");
    assert_eq!(release(&yard, "current").unwrap(), broken);
    let refused = yard.refused(&["units"]);
    assert!(refused.contains("releases/current.kdl:1:"), "{refused}");
}
