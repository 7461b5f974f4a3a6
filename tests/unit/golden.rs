//! Whole meanings: their text for several podmans as goldens, and the judges of all of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use wharf::unit::{Container, Meaning, PodmanVersion, Scope, UnitFile, UnitKind, UnitName, asks, quote, units};

use super::manager::{self, RECORDER};
use super::meanings::{self, image, keystone};
use super::odd::canonical;
use super::roots;
use super::verify::verify;

fn version(text: &str) -> PodmanVersion {
    text.parse().unwrap()
}

fn file(meaning: &Meaning, version: PodmanVersion, scope: Scope) -> UnitFile {
    units(meaning, &version, scope).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

/// The meanings that a manager can have: a user's own runs nothing as another user.
fn fit(scope: Scope) -> Vec<Meaning> {
    let others = |meaning: &Meaning| matches!(meaning, Meaning::Service(service) if service.parts().user.is_some());
    meanings::all().into_iter().filter(|meaning| scope == Scope::System || !others(meaning)).collect()
}

/// All texts of a meaning: once each, with the versions that have it.
fn golden(meaning: &Meaning) -> String {
    let mut texts: Vec<(String, Vec<String>)> = Vec::new();
    for minor in ["4.3", "4.4", "4.6", "4.7", "4.9", "5.0", "5.2", "5.4", "5.6", "5.8"] {
        let asked = asks(meaning, &version(minor));
        let text = match units(meaning, &version(minor), Scope::System) {
            Ok(files) => files.iter().map(|file| format!("{}\n{}", file.name(), file.render())).collect(),
            Err(error) => format!("! {}\n", error.to_string().replace(minor, "X")),
        };
        let text = if asked.is_empty() { text } else { format!("asked: {asked:?}\n{text}") };
        match texts.last_mut().filter(|(last, _)| *last == text) {
            Some((_, versions)) => versions.push(minor.to_owned()),
            None => texts.push((text, vec![minor.to_owned()])),
        }
    }
    texts.iter().fold(String::new(), |mut all, (text, versions)| {
        let _ = writeln!(all, "==== podman {} {text}", versions.join(" "));
        all
    })
}

#[test]
fn a_meaning_has_a_text_for_each_podman() {
    let mut kinds: BTreeMap<&str, String> = BTreeMap::new();
    for meaning in meanings::all() {
        kinds.entry(meaning.unit().kind().as_str()).or_default().push_str(&golden(&meaning));
    }
    for (kind, text) in kinds {
        insta::assert_snapshot!(format!("of_{kind}"), text);
    }
}

#[test]
fn the_same_meaning_gives_the_same_bytes_and_they_are_read_back() {
    for meaning in meanings::all() {
        for minor in ["4.3", "4.9", "5.4", "5.8"] {
            let Ok(files) = units(&meaning, &version(minor), Scope::System) else { continue };
            assert_eq!(files, units(&meaning.clone(), &version(minor), Scope::System).unwrap());
            for file in files {
                assert_eq!(UnitFile::parse(file.name().clone(), &file.render()), Ok(file));
            }
        }
        let json = serde_json::to_string(&meaning).unwrap();
        assert_eq!(serde_json::from_str::<Meaning>(&json).unwrap(), meaning);
    }
}

#[test]
fn generators_take_all_units_for_the_system_and_for_a_user() {
    for root in roots::all() {
        for scope in [Scope::System, Scope::User] {
            for minor in ["4.7", "4.9", "5.0", "5.2", &root.version.to_string()] {
                let files: Vec<UnitFile> = fit(scope)
                    .iter()
                    // Below 5.0 a pod's containers name it without a .pod, and its unit is no Quadlet.
                    .map(|meaning| file(meaning, version(minor), scope))
                    .filter(|file| file.name().kind().is_quadlet())
                    .collect();
                let texts: Vec<(String, String)> =
                    files.iter().map(|file| (file.name().to_string(), file.render())).collect();
                let texts = texts.iter().map(|(name, text)| (name.clone(), text.as_str()));
                let generated = root.generate(texts, scope == Scope::User, None);
                assert!(generated.good, "for {minor} on {}: {}", root.version, generated.said);
                let complaints = generated.said.lines().filter(|line| !line.contains("Loading source unit file"));
                assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&str>::new(), "for {minor} on {}", root.version);
                for file in &files {
                    assert!(!generated.service(&file.name().service().to_string()).is_empty());
                }
            }
        }
    }
}

#[test]
fn systemd_takes_all_plain_units() {
    for scope in [Scope::System, Scope::User] {
        for minor in ["4.3", "4.4"] {
            let files: Vec<(String, String)> = fit(scope)
                .iter()
                .map(|meaning| file(meaning, version(minor), scope))
                .filter(|file| !file.name().kind().is_quadlet())
                .map(|file| (file.name().to_string(), file.render()))
                .collect();
            assert!(files.len() >= 9, "{minor}: {files:?}");
            verify(scope, &files);
        }
    }
}

#[test]
fn systemd_takes_what_the_generators_make_beside_the_plain_units() {
    for root in roots::all() {
        for minor in ["4.7", "4.9", "5.0", &root.version.to_string()] {
            let files: Vec<(String, String)> = meanings::all()
                .iter()
                .map(|meaning| file(meaning, version(minor), Scope::System))
                .map(|file| (file.name().to_string(), file.render()))
                .collect();
            let (quadlets, plain): (Vec<_>, Vec<_>) =
                files.into_iter().partition(|(name, _)| UnitName::new(name).unwrap().kind().is_quadlet());
            let quadlets = quadlets.iter().map(|(name, text)| (name.clone(), text.as_str()));
            let generated = root.generate(quadlets, false, None);
            verify(Scope::System, &generated.services.into_iter().chain(plain).collect::<Vec<_>>());
        }
    }
}

#[test]
fn volumes_networks_pods_and_images_are_made_alike_by_plain_units() {
    let command = |text: &str| {
        let key = if text.contains("ExecStartPre=") { "ExecStartPre=" } else { "ExecStart=" };
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let words = [quote::split(line).unwrap(), vec!["END".to_owned()]].concat();
        let (mut flags, _) = canonical(&words, "END");
        // The generator of a podman without ExitPolicy= says `stop` first; the last one counts.
        if flags.iter().any(|flag| flag == "--exit-policy=continue") {
            flags.retain(|flag| flag != "--exit-policy=stop");
        }
        flags
    };
    let objects = [UnitKind::Volume, UnitKind::Network, UnitKind::Pod, UnitKind::Image];
    let objects = || meanings::all().into_iter().filter(|meaning| objects.contains(&meaning.unit().kind()));
    for root in roots::all() {
        let files: Vec<UnitFile> = objects().map(|meaning| file(&meaning, root.version, Scope::System)).collect();
        let texts: Vec<(String, String)> = files.iter().map(|file| (file.name().to_string(), file.render())).collect();
        let texts = texts.iter().map(|(name, text)| (name.clone(), text.as_str()));
        let generated = root.generate(texts, false, None);
        for meaning in objects() {
            let plain = file(&meaning, version("4.4"), Scope::System);
            assert!(!plain.name().kind().is_quadlet());
            let made = generated.service(&plain.name().to_string());
            assert_eq!(command(&plain.render()), command(made), "{} on {}", plain.name(), root.version);
        }
    }
}

#[test]
fn podman_is_told_the_same_by_every_version_s_unit() {
    // What 4.3 cannot say is left out: how its start is waited for.
    let mut parts = keystone();
    parts.run = Default::default();
    let meaning = Meaning::Container(Box::new(Container::new(parts).unwrap()));
    let others: Vec<Meaning> =
        meanings::all().into_iter().filter(|meaning| meaning.unit().kind() != UnitKind::Container).collect();
    let run = |name: &str, text: &str| {
        let text = text.replace("/usr/bin/podman", RECORDER);
        let records = manager::run(&[(name.to_owned(), text)])?;
        Some(canonical(&records[name].arguments, &image().to_string()))
    };
    let plain = file(&meaning, version("4.3"), Scope::System);
    let Some(expected) = run("keystone.service", &plain.render()) else { return };
    assert!(expected.0.iter().any(|flag| flag == "--user=keystone:42425"), "{expected:?}");
    for root in roots::all() {
        for minor in ["4.7", "4.8", "4.9", "5.0", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7", "5.8"] {
            if version(minor) > root.version {
                continue;
            }
            let files = others.iter().chain([&meaning]).map(|meaning| file(meaning, version(minor), Scope::System));
            let texts: Vec<(String, String)> = files
                .filter(|file| file.name().kind().is_quadlet())
                .map(|file| (file.name().to_string(), file.render()))
                .collect();
            let texts = texts.iter().map(|(name, text)| (name.clone(), text.as_str()));
            let generated = root.generate(texts, false, Some(RECORDER));
            assert!(generated.good, "{}", generated.said);
            let Some(told) = run("keystone.service", generated.service("keystone.service")) else { return };
            assert_eq!(told, expected, "for {minor} on {}", root.version);
        }
    }
}
