//! Whose everything is that wharf leaves on a host, who may read it, and that no secret is where anybody could.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::estate::Estate;
use super::{Host, Lab};
use crate::build::ended;

/// Who looks for secrets.
pub struct Eyes {
    secrets: Vec<String>,
}

impl Eyes {
    pub fn new(secrets: Vec<String>) -> Self {
        assert!(secrets.iter().all(|secret| secret.len() >= 16), "too short to be searched for");
        Self { secrets }
    }

    /// A text has no secret.
    pub fn nothing_secret(&self, text: &str, what: &str) {
        for (number, secret) in self.secrets.iter().enumerate() {
            assert!(!text.contains(secret), "secret {number} is in {what}");
        }
    }

    /// Looks at the words and variables of every process while something is done: those of hosts of the lab are the machine's.
    pub fn watched<T>(&self, work: impl FnOnce() -> T) -> T {
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let (mut rounds, mut found) = (0_usize, Vec::new());
                let mut seen: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
                while !is_done.load(Ordering::Relaxed) || rounds == 0 {
                    rounds += 1;
                    let processes = fs::read_dir("/proc").unwrap().flatten();
                    let processes = processes.filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit());
                    for (process, name) in
                        processes.flat_map(|entry| ["cmdline", "environ"].map(|name| (entry.path(), name)))
                    {
                        // It may end meanwhile.
                        let path = process.join(name);
                        let Ok(bytes) = fs::read(&path) else { continue };
                        // What was searched is not searched again.
                        if seen.get(&path) == Some(&bytes) {
                            continue;
                        }
                        let holds = |secret: &String| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                        if self.secrets.iter().any(holds) {
                            let words = String::from_utf8_lossy(&bytes).chars().take(60).collect::<String>();
                            found.push(format!("{name} of {words}"));
                        }
                        seen.insert(path, bytes);
                    }
                    thread::sleep(Duration::from_millis(40));
                }
                found
            });
            let result = work();
            is_done.store(true, Ordering::Relaxed);
            let found = watch.join().unwrap();
            assert!(found.is_empty(), "a secret is in {found:?}");
            result
        })
    }
}

/// Who judges what lies on hosts.
pub struct Judge<'a> {
    pub estate: &'a Estate,
    pub lab: &'a Lab,
    pub eyes: &'a Eyes,
}

/// A file or a folder: its kind, its permissions, its owner and group.
type Seen = (char, u32, u32, u32);

impl Judge<'_> {
    pub fn judge(&self, hosts: &[&Host]) {
        let to = self.estate.project().join("../judged");
        let _ = fs::remove_dir_all(&to);
        let arguments = ["units", "--to", to.to_str().unwrap()];
        ended(0, &self.estate.operate(self.lab, hosts, &arguments).output().unwrap());
        for host in hosts {
            let document = fs::read(to.join(format!("{}.json", host.name()))).unwrap();
            self.modes(host, &serde_json::from_slice(&document).unwrap());
            self.secrets(host);
        }
    }

    /// Every file of the document as it says, and every other below wharf's folders as wharf keeps its own.
    fn modes(&self, host: &Host, document: &serde_json::Value) {
        // Not all of them are on every host.
        let find = "find /etc/wharf /var/lib/wharf /run/wharf /etc/containers/systemd /etc/systemd/system \
                    /etc/systemd/user /var/lib/systemd/linger -printf '%y %m %U %G %p\\n' 2> /dev/null || true";
        let said = host.run(&["sh", "-c", find]);
        let line = |line: &str| -> (String, Seen) {
            let mut words = line.splitn(5, ' ');
            let mut next = || words.next().unwrap();
            let kind = next().chars().next().unwrap();
            let mode = u32::from_str_radix(next(), 8).unwrap();
            let (uid, gid) = (next().parse().unwrap(), next().parse().unwrap());
            (next().to_owned(), (kind, mode, uid, gid))
        };
        let seen: BTreeMap<String, Seen> = said.lines().map(line).collect();
        let mut wanted = BTreeMap::new();
        for file in document["files"].as_array().unwrap() {
            let id = |key: &str| u32::try_from(file[key].as_u64().unwrap()).unwrap();
            let mode = u32::from_str_radix(file["mode"].as_str().unwrap(), 8).unwrap();
            wanted.insert(file["path"].as_str().unwrap().to_owned(), ('f', mode, id("uid"), id("gid")));
        }
        assert!(wanted.len() > 5, "{wanted:?}");
        for (path, seen) in &seen {
            let at = format!("{path} of {}", host.name());
            let own = ["/etc/wharf", "/var/lib/wharf", "/run/wharf"].iter().any(|root| path.starts_with(root));
            if let Some(wanted) = wanted.remove(path) {
                assert_eq!(*seen, wanted, "{at}");
                continue;
            }
            let units = ["wharf-", "lab-"].iter().any(|name| path.rsplit('/').next().unwrap().starts_with(name));
            if !own && !units || seen.0 == 'l' {
                continue;
            }
            let (kind, mode, uid, gid) = *seen;
            assert!(!path.ends_with(".new") && !path.contains("/stage."), "{at} is left over");
            // Files by content of generations that are kept are accounts' too.
            if !path.starts_with("/var/lib/wharf/files/") {
                assert_eq!((uid, gid), (0, 0), "{at}");
            }
            let expected = match (kind, path.as_str()) {
                ('d', "/run/wharf" | "/etc/wharf/blobs") => 0o700,
                ('d', _) => 0o755,
                ('f', path) if path.starts_with("/etc/wharf/blobs/") => 0o600,
                // What it was told to be; nobody else writes it.
                ('f', path) if path.starts_with("/var/lib/wharf/files/") => mode & !0o022,
                ('f', path) if path.starts_with("/etc/wharf/generations/") => 0o600,
                ('f', _) => 0o644,
                other => panic!("{at}: {other:?}"),
            };
            assert_eq!(mode, expected, "{at}: {mode:o}");
        }
        let missing: Vec<&String> = wanted
            .keys()
            .filter(|path| !path.starts_with("/var/lib/wharf/live/"))
            .filter(|path| host.try_run(&["test", "-e", path]).status.code() != Some(0))
            .collect();
        assert!(missing.is_empty(), "{missing:?} of {}", host.name());
    }

    /// No secret in any file but podman's own, in any unit or in the journal.
    fn secrets(&self, host: &Host) {
        for (number, secret) in self.eyes.secrets.iter().enumerate() {
            let roots = [
                "/etc",
                "/var/lib/wharf",
                "/var/log",
                "/var/lib/systemd",
                "/run/wharf",
                "/run/systemd",
                "/run/log",
                "/tmp",
                "/var/tmp",
                "/root",
            ];
            // On standard input: words of a program are what is searched.
            let script = format!("grep -rlsF -f - --devices=skip {} || true", roots.join(" "));
            let found = host.answer(&["sh", "-c", &script], format!("{secret}\n").as_bytes());
            assert_eq!(found, "", "secret {number} on {}", host.name());
        }
        self.eyes.nothing_secret(&host.run(&["journalctl", "--no-pager", "--output=export"]), "the journal");
        self.eyes.nothing_secret(&host.run(&["systemctl", "show", "*"]), "a unit");
    }
}
