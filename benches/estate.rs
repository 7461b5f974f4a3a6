//! `cargo bench --bench estate [-- HOSTS]`: a made estate of 1,000 hosts × 60 services, read, rendered, and compared with what was
//! rendered before. Prints seconds by the clock, and of processor time for all threads.
//!
//! Every service has a file that differs from host to host, one that does not, and needs another service.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use wharf::config::File;
use wharf::desired::{Desired, Ground, Vault, desired};
use wharf::name::SecretName;
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
        before = Some(all);
    }
}
