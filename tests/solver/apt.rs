//! apt with a state of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A private apt for trixie: nothing of the host's state is read but the address of its Debian archive.
pub struct Apt {
    config: PathBuf,
    folder: PathBuf,
}

impl Apt {
    /// Made once for all tests of a run.
    pub fn set_up() -> Result<&'static Self, String> {
        static APT: OnceLock<Result<Apt, String>> = OnceLock::new();
        APT.get_or_init(Self::make).as_ref().map_err(Clone::clone)
    }

    fn make() -> Result<Self, String> {
        let address = crate::oracle::debian_address().ok_or("no apt source for a Debian archive in /etc/apt")?;
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        if !Path::new(keyring).exists() {
            return Err(format!("{keyring} (package debian-archive-keyring)"));
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apt-trixie");
        for name in ["lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        std::fs::write(folder.join("status"), "").unwrap();
        let source = |suite: &str| format!("deb [signed-by={keyring}] {address} {suite} main\n");
        std::fs::write(folder.join("etc/sources.list"), source("trixie") + &source("trixie-updates")).unwrap();
        let at = folder.display();
        let config = folder.join("etc/apt.conf");
        std::fs::write(
            &config,
            format!(
                "Dir::Etc \"{at}/etc\";\nDir::Etc::sourcelist \"{at}/etc/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
                 Dir::State \"{at}\";\nDir::State::lists \"{at}/lists\";\nDir::State::status \"{at}/status\";\n\
                 Dir::Cache \"{at}/cache\";\nAPT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
                 APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nAcquire::GzipIndexes \"false\";\nDebug::NoLocking \"true\";\n"
            ),
        )
        .unwrap();
        let apt = Self { config, folder };
        let update = apt.command("apt-get").arg("update").output().map_err(|_| "apt-get".to_owned())?;
        if apt.lists().is_empty() {
            return Err(format!("an index of trixie: {}", String::from_utf8_lossy(&update.stderr)));
        }
        Ok(apt)
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    pub fn lists(&self) -> Vec<PathBuf> {
        let mut lists: Vec<PathBuf> = std::fs::read_dir(self.folder.join("lists"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().ends_with("_Packages"))
            .collect();
        lists.sort();
        lists
    }

    /// What apt would install: name and version; none where it says that it cannot.
    pub fn install(&self, names: &[&str], recommends: bool) -> Option<BTreeMap<String, String>> {
        let recommends = format!("APT::Install-Recommends={recommends}");
        // Not `-s`: that also simulates dpkg, which takes ten times as long.
        let arguments = ["-qq", "-y", "--print-uris", "-o", &recommends, "install"];
        let output = self.command("apt-get").args(arguments).args(names).output().unwrap();
        if !output.status.success() {
            return None;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let file = |line: &str| {
            let mut parts = line.split(' ').nth(1)?.split('_');
            Some((parts.next()?.to_owned(), parts.next()?.replace("%3a", ":")))
        };
        Some(text.lines().filter_map(file).collect())
    }

    /// Whether apt finds a system of these packages whole.
    pub fn check(&self, name: &str, stanzas: &str) -> Result<(), String> {
        let status = self.folder.join(format!("status-{name}"));
        std::fs::write(&status, stanzas).unwrap();
        let option = format!("Dir::State::status={}", status.display());
        // A cache of its own: this status is asked about once.
        let cache = ["Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache="];
        let output = self
            .command("apt-get")
            .args([
                "-qq",
                "-o",
                &option,
                "-o",
                cache[0],
                "-o",
                cache[1],
                "-o",
                "Dir::Etc::sourcelist=/dev/null",
                "check",
            ])
            .output()
            .unwrap();
        let _ = std::fs::remove_file(&status);
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}
