//! How long an apply takes, beside the least that ssh takes and beside ansible-core doing the same work.
//!
//! `WHARF_TIMINGS="10 7" cargo test --test wharf -- --nocapture lab::timings` is the whole of it: so many hosts, so many
//! rounds. Its figures stand in docs/design/deploy.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::estate::Estate;
use super::runs::can;
use super::{Host, Lab, Release};
use crate::support::skip;

/// The files of the service that changes.
const FILES: usize = 30;

const SERVICE: &str = r#"
service "lab-NAME" {
    image "memcached"
    role "box"
    var word="WORD"
    CONFIGS
    command "memcached" "-l" "127.0.0.1" "-p" "PORT"
    health "true" interval="2s" timeout="1s" retries=3 start="5s"
    stop timeout="2s"
    update max-unavailable="100%" healthy-for="0s" deadline="200s"
}
"#;

/// What a file holds.
fn text(number: usize, word: &str) -> String {
    let lines: String = (0..40).map(|line| format!("option_{line} = {word} of file {number}\n")).collect();
    format!("[section]\n{lines}")
}

/// Services that run: of one every file says the word, the others have none.
fn spec(word: &str) -> String {
    let configs = (0..FILES).map(|number| {
        let text = text(number, "${vars.word}").replace('\n', "\\n");
        format!("config \"/etc/box/{number}.conf\" \"{text}\" as=\"text\"\n    ")
    });
    let configs: String = configs.collect();
    let services = ["box", "rest", "more"].into_iter().zip(0..).map(|(name, number)| {
        let service = SERVICE.replace("NAME", name).replace("PORT", &(11411 + number).to_string());
        service.replace("WORD", word).replace("CONFIGS", if number == 0 { &configs } else { "" })
    });
    format!("import \"catalogue\"\n{}", services.collect::<String>())
}

fn target(recipient: &str, hosts: usize) -> String {
    let hosts: String =
        (1..=hosts).map(|n| format!("    host \"t{n}\" address=\"{}\" {{ role \"box\" }}\n", address(n))).collect();
    format!(
        "estate \"lab-timings\" {{\n    registry \"registry.lab.example/wharf\"\n    distro \"debian-trixie\"\n    \
         limits \"unenforced\"\n    {recipient}\n{hosts}}}\n"
    )
}

fn address(number: usize) -> String {
    format!("10.77.0.{}", 100 + number)
}

/// ansible-core of PyPI in a folder of its own, made once.
fn ansible() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ansible");
    let program = home.join("bin/ansible-playbook");
    if !program.exists() {
        let ran = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let made = ran(Command::new("python3").args(["-m", "venv"]).arg(&home))
            && ran(Command::new(home.join("bin/pip")).args(["install", "--quiet", "ansible-core"]));
        if !made {
            let _ = fs::remove_dir_all(&home);
            skip("no ansible-core from PyPI");
            return None;
        }
    }
    Some(program)
}

/// What ansible does: the same files, the same reload, the same restart. Nothing is asked of hosts that it does not need.
fn playbook(folder: &Path) -> PathBuf {
    let book = folder.join("book.yml");
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {src: files/, dest: /etc/box/, mode: \"0644\"}\n      \
                notify: again\n  handlers:\n    - name: again\n      systemd_service: {name: lab-box.service, \
                daemon_reload: true, state: restarted}\n";
    fs::create_dir_all(folder.join("files")).unwrap();
    fs::write(&book, text).unwrap();
    book
}

struct Bench<'a> {
    estate: &'a Estate,
    lab: &'a Lab,
    hosts: Vec<&'a Host>,
    forks: String,
    ansible: PathBuf,
    folder: PathBuf,
}

fn timed(mut command: Command) -> Duration {
    let begun = Instant::now();
    let output: Output = command.output().unwrap();
    let took = begun.elapsed();
    let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
    assert!(output.status.success(), "{command:?}: {}{}", said[0], said[1]);
    took
}

impl Bench<'_> {
    fn apply(&self) -> Duration {
        timed(self.estate.operate(self.lab, &self.hosts, &["apply", "--yes", "--forks", &self.forks]))
    }

    /// A connection to every host at once, and nothing done there.
    fn ssh(&self) -> Duration {
        let config = self.lab.ssh(&self.hosts);
        let each = "for host; do ssh -F \"$config\" \"$host\" true & done; wait";
        let mut command = self.lab.outside("sh");
        command.args(["-c", each, "sh"]).env("config", config);
        command.args((1..=self.hosts.len()).map(address));
        timed(command)
    }

    fn ansible(&self, word: &str) -> Duration {
        let book = playbook(&self.folder);
        for number in 0..FILES {
            fs::write(self.folder.join(format!("files/{number}.conf")), text(number, word)).unwrap();
        }
        let config = self.lab.ssh(&self.hosts);
        let inventory = self.folder.join("hosts");
        let lines: String = (1..=self.hosts.len()).map(|number| address(number) + "\n").collect();
        let python = "[all:vars]\nansible_python_interpreter=/usr/bin/python3\n";
        fs::write(&inventory, format!("[all]\n{lines}{python}")).unwrap();
        let mut command = self.lab.outside(&self.ansible);
        command.arg("-i").arg(inventory).args(["--forks", &self.forks]).arg(book).current_dir(&self.folder);
        command.env("HOME", &self.folder).env("ANSIBLE_PIPELINING", "True").env("LC_ALL", "C.UTF-8");
        let control = "-o ControlMaster=auto -o ControlPersist=60s";
        command.env("ANSIBLE_SSH_ARGS", format!("-F {} {control}", config.display()));
        command.env("ANSIBLE_SSH_CONTROL_PATH_DIR", self.folder.join("cp"));
        timed(command)
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
fn an_apply_takes_a_fraction_of_what_ansible_takes() {
    if !can() {
        return;
    }
    let size = std::env::var("WHARF_TIMINGS").unwrap_or_else(|_| "3 3".to_owned());
    let size: Vec<usize> = size.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let (count, rounds) = (size[0], size[1]);
    let Some(ansible) = ansible() else { return };
    let estate = Estate::new("lab-timings", "lab-timings");
    let write = |word: &str| estate.write("specs/lab.kdl", &spec(word));
    write("begin");
    estate.write("targets/lab.kdl", &target(&estate.recipient(), count));
    let Some(estate) = estate.make(&["memcached"]) else { return };
    let write = |word: &str| estate.write("specs/lab.kdl", &spec(word));
    let lab = Lab::new();
    let boot = |n: usize| lab.boot(Release::Python, &format!("t{n}"), &address(n), None);
    let Some(hosts) = (1..=count).map(boot).collect::<Option<Vec<Host>>>() else { return };
    let folder = estate.project().join("../ansible");
    fs::create_dir_all(&folder).unwrap();
    let bench =
        Bench { estate: &estate, lab: &lab, hosts: hosts.iter().collect(), forks: count.to_string(), ansible, folder };
    eprintln!("first apply: {:.2?}", bench.apply());
    bench.ansible("begin");
    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..rounds {
        let word = format!("round-{round}");
        times[0].push(bench.ssh());
        times[1].push(bench.apply());
        write(&word);
        times[2].push(bench.apply());
        times[3].push(bench.ansible(&word));
        for host in &bench.hosts {
            let seen = host.run(&["podman", "exec", "lab-box", "head", "-n", "2", "/etc/box/7.conf"]);
            assert!(seen.contains(&format!("{word} of file 7")), "{seen}");
            assert!(host.run(&["head", "-n", "2", "/etc/box/7.conf"]).contains(&word));
        }
    }
    let [ssh, nothing, change, others] = times.map(median);
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    eprintln!("{count} hosts, {rounds} rounds, medians:");
    eprintln!("  ssh HOST true     {ssh:.2?}");
    eprintln!("  apply, no change  {nothing:.2?}: {:.1} of ssh's", ratio(nothing, ssh));
    eprintln!("  apply, {FILES} files   {change:.2?}");
    eprintln!("  ansible, the same {others:.2?}: {:.1} of wharf's", ratio(others, change));
    // Beside other tests it is not measured as it is by itself.
    let least = if std::env::var_os("WHARF_TIMINGS").is_some() { 5.0 } else { 4.0 };
    assert!(ratio(others, change) >= least, "ansible takes {:.1} times as long", ratio(others, change));
}
