//! `cargo bench --bench estate [-- HOSTS]`: a made estate of 1,000 hosts × 60 services, read, rendered, and compared with what was
//! rendered before; then planned, from facts of hosts that have all of it, and of hosts on which one service is down. Prints
//! seconds by the clock, and of processor time for all threads.
//!
//! Every service has a file that differs from host to host, one that does not, and needs another service.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use wharf::config::File;
use wharf::desired::{Desired, Ground, Vault, desired};
use wharf::host::{Content, Facts, FileSeen, Generation, Header, UnitSeen};
use wharf::name::SecretName;
use wharf::plan::{Aim, Known, Purpose, content, plan};
use wharf::release::Release;

// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct NoVault;

impl Vault for NoVault {
    fn object(&self, _: &SecretName) -> Option<String> {
        None
    }

    fn object_of(&self, _: &str, _: &File) -> Result<String, String> {
        Err("there are no secrets".to_owned())
    }

    fn names(&self) -> Vec<SecretName> {
        Vec::new()
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn project(root: &Path, hosts: usize, services: usize) {
    let mut specs = String::from(
        "import \"catalogue\"\nimage \"app\" {\n    build-for distro=\"debian-trixie\"\n    health \"true\"\n}\n",
    );
    for number in 0..services {
        let role = if number < 6 { "control" } else { "compute" };
        let scope = if number < 6 { "cloud" } else { "host" };
        let needs = if number < 6 { String::new() } else { format!("    needs \"api{}\"\n", number % 6) };
        let provides =
            if number < 6 { format!("    provides \"api{number}\" port={}\n", 7000 + number) } else { String::new() };
        let _ = write!(
            specs,
            "service \"s{number}\" {{\n    image \"app\"\n    role \"{role}\"\n    scope \"{scope}\"\n{needs}{provides}    \
             var workers=4\n    env WORKERS=\"${{vars.workers}}\" HERE=\"${{address}}\"\n    mount \"/var/lib/s{number}\" volume=\"data\"\n    \
             config \"/etc/s{number}/own.conf\" template=\"own.conf.j2\" as=\"oslo\"\n    \
             config \"/etc/s{number}/common.conf\" template=\"common.conf.j2\" as=\"oslo\"\n    \
             limits memory=\"1G\" pids=512 nofile=65536\n}}\n"
        );
    }
    write(root, "specs/services.kdl", &specs);
    let own: String = (0..12).map(|line| format!("option_{line} = {line}\n")).collect();
    write(
        root,
        "templates/own.conf.j2",
        &format!("[DEFAULT]\nhost = {{{{ host.name }}}}\nlisten = {{{{ self.address }}}}\n{own}"),
    );
    let common = "[api]\n{% for name, need in needs | dictsort %}\nservers = {{ need.members | map(attribute=\"address\") | join(\",\") }}\nport = {{ need.port }}\n{% endfor %}\nworkers = {{ vars.workers }}\n";
    write(root, "templates/common.conf.j2", &format!("{common}{own}"));
    let mut estate = String::from("estate \"large\" {\n");
    for number in 0..hosts {
        // Each host runs all services: the estate is as large as it can be.
        let roles = if number < 3 { "\"control\" \"compute\"" } else { "\"compute\"" };
        let _ = writeln!(
            estate,
            "    host \"h{number:04}\" address=\"10.{}.{}.{}\" {{ role {roles} }}",
            number / 62500,
            number / 250 % 250,
            number % 250 + 1
        );
    }
    estate.push_str("}\n");
    write(root, "targets/large.kdl", &estate);
    let digest = "0".repeat(64);
    write(
        root,
        "releases/current.kdl",
        &format!("image \"app\" distro=\"debian-trixie\" arch=\"x86_64\" manifest=\"sha256:{digest}\"\n"),
    );
}

/// Seconds of processor time that all threads had so far, to a hundredth (proc_pid_stat(5): utime and stime).
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap());
    f64::from(ticks.sum::<u32>()) / 100.0
}

/// What a host says that has all of it, and all of it up.
fn having(content: Content) -> Facts {
    let header = Header {
        estate: wharf::name::EstateName::new("large").unwrap(),
        plan: "0123456789ab".to_owned(),
        commit: None,
        who: "op@desk".to_owned(),
        when: "2026-01-01T00:00:00Z".to_owned(),
        why: None,
        wharf: "0.1.0".to_owned(),
    };
    let up = || UnitSeen { load: "loaded".to_owned(), active: "active".to_owned(), ..UnitSeen::default() };
    let seen = |file: &wharf::host::FileRecord| FileSeen {
        sha256: Some(file.sha256),
        mode: file.mode.into(),
        uid: file.uid,
        gid: file.gid,
    };
    Facts {
        arch: "x86_64".to_owned(),
        podman: Some("5.4.2".to_owned()),
        current: 1,
        files: content.files.iter().map(|(path, file)| (path.clone(), seen(file))).collect(),
        units: content.meanings.values().map(|meaning| (meaning.unit().service().to_string(), up())).collect(),
        images: content.images.keys().cloned().collect(),
        generation: Some(Generation::new(1, header, content)),
        ..Facts::default()
    }
}

/// Plans: nothing to do, then one service that is down everywhere.
fn plans(ground: Ground<'_>, all: &Desired) {
    let timed = |what: &str, work: &mut dyn FnMut() -> String| {
        let (start, worked) = (Instant::now(), processor());
        let said = work();
        let (took, worked) = (start.elapsed().as_secs_f64(), processor() - worked);
        println!("{what}: {took:.2} s ({worked:.2} s of processor time){said}");
    };
    let mut wanted = std::collections::BTreeMap::new();
    timed("contents", &mut || {
        wanted = all.hosts.iter().map(|(name, host)| (name.clone(), content(host))).collect();
        String::new()
    });
    let mut known: Known = wanted.iter().map(|(name, content)| (name.clone(), Ok(having(content.clone())))).collect();
    let aim = Aim::of(Purpose::Forward);
    timed("planned, nothing to do", &mut || {
        assert!(plan(ground, &wanted, &known, &aim).is_empty(), "something is to be done");
        String::new()
    });
    for facts in known.values_mut().flatten() {
        if let Some(unit) = facts.units.get_mut("s10.service") {
            unit.active = "failed".to_owned();
        }
    }
    timed("planned, one service down everywhere", &mut || {
        let plan = plan(ground, &wanted, &known, &aim);
        format!(": {} hosts in {} waves", plan.changed().len(), plan.waves.len())
    });
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    // 54 services on every host and 6 on three make 60 × 1,000 almost to the unit; six more close the gap.
    let hosts = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1000);
    project(folder.path(), hosts, 66);
    let mut before: Option<Desired> = None;
    for round in 1..=3 {
        let start = Instant::now();
        let project = wharf::estate::load(folder.path()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let read = start.elapsed();
        let text = fs::read_to_string(folder.path().join("releases/current.kdl")).unwrap();
        let release = Release::read("releases/current.kdl", &text).unwrap();
        let estate = project.estates.values().find(|estate| estate.name.as_str() == "large").unwrap();
        let placed = &project.placed[&estate.name];
        let ground = Ground { project: &project, estate, placed, release: &release, vault: &NoVault };
        let (start, worked) = (Instant::now(), processor());
        let all = desired(ground, estate.hosts.keys()).unwrap();
        let (rendered, worked) = (start.elapsed(), processor() - worked);
        let units: usize = all.hosts.values().map(|host| host.meanings.len()).sum();
        let files: usize = all.hosts.values().map(|host| host.files.len()).sum();
        println!(
            "round {round}: read {:.2} s, rendered {:.2} s ({worked:.2} s of processor time): {} hosts, {} services, {units} \
             units, {files} files",
            read.as_secs_f64(),
            rendered.as_secs_f64(),
            all.hosts.len(),
            placed.groups.len(),
        );
        if let Some(before) = &before {
            let start = Instant::now();
            assert!(*before == all, "two rounds differ");
            println!("round {round}: compared with the last {:.2} s", start.elapsed().as_secs_f64());
        }
        if round == 3 {
            plans(ground, &all);
        }
        before = Some(all);
    }
}
