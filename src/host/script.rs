//! The script that a host is sent: the library, and one call of it.

use std::collections::{BTreeMap, BTreeSet};

use super::probe::Remembered;
use crate::name::HostName;

/// What hosts run; the same text is kept there for boots.
const LIBRARY: &str = concat!(
    include_str!("script/base.sh"),
    "\n",
    include_str!("script/account.sh"),
    "\n",
    include_str!("script/probe.sh"),
    "\n",
    include_str!("script/logs.sh"),
    "\n",
    include_str!("script/hide.sh"),
    "\n",
    include_str!("script/lease.sh"),
    "\n",
    include_str!("script/memory.sh"),
    "\n",
    include_str!("script/stage.sh"),
    "\n",
    include_str!("script/switch.sh"),
    "\n",
    include_str!("script/step.sh"),
    "\n",
    include_str!("script/task.sh"),
    "\n",
    include_str!("script/activate.sh"),
    "\n",
    include_str!("script/boot.sh"),
    "\n",
    include_str!("script/back.sh"),
    "\n",
    include_str!("script/collect.sh"),
);

/// What a script does: one round trip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Tells what the host is; nothing is changed.
    Probe {
        /// Paths to look at beside those of the live generation.
        paths: Vec<String>,
        /// Units to ask about.
        units: Vec<String>,
    },
    /// Shows files.
    Show {
        /// Their paths.
        paths: Vec<String>,
        /// How many bytes one may have.
        most: u64,
    },
    /// Tells how much volumes hold.
    Sizes {
        /// Their names.
        volumes: Vec<String>,
    },
    /// Tells what units wrote to the journal.
    Logs {
        /// Matches of journalctl(1): `FIELD=VALUE`, `+` between those of which one is enough.
        matches: Vec<String>,
        /// As journalctl(1) takes it.
        since: Option<String>,
        /// How many lines at most; none for all.
        lines: Option<u64>,
        /// Whether to go on with what is written from now on.
        follow: bool,
    },
    /// Tells of every generation that is kept.
    Generations,
    /// Takes the lease.
    Lease {
        /// Who asks.
        token: String,
        /// For how many seconds.
        seconds: u64,
        /// Lines that say who, when, which plan and why.
        says: String,
        /// The token of somebody who is known to be gone: theirs is taken over.
        over: Option<String>,
    },
    /// Another call, under a lease: where it is not ours any more nothing is done.
    Held {
        /// Whose lease it is.
        token: String,
        /// For how many seconds it lasts from now on.
        seconds: u64,
        /// What is done.
        call: Box<Self>,
    },
    /// Does nothing.
    Nothing,
    /// Gives the lease back; with no token whoever has it.
    Release {
        /// Whose.
        token: Option<String>,
    },
    /// Pulls images that are not there.
    Pull {
        /// Their references.
        references: Vec<String>,
        /// A registries.conf(5) for this alone.
        registries: Option<String>,
    },
    /// Puts generations beside the live one. Takes a [`Bundle`](super::Bundle) as payload.
    Stage,
    /// Makes a generation the live one.
    Activate {
        /// Its number.
        to: u64,
        /// The number of the one before it; 0 where there is none.
        from: u64,
        /// The plan that it is of.
        plan: String,
        /// Whether it may be taken back by itself, and after how many seconds.
        back: Option<u64>,
    },
    /// Makes the live generation the one that stays.
    Confirm {
        /// Its number.
        number: u64,
        /// How many older ones are kept.
        keep: u32,
    },
    /// Ends what somebody began and nobody confirmed: confirms what ended well, takes back what may be taken back.
    Attend {
        /// How many older generations are kept.
        keep: u32,
    },
    /// Takes the unconfirmed generation back.
    Undo,
    /// Leaves the unconfirmed generation as it is: the host does not take it back by itself.
    Hold,
    /// Runs a provider's program in its container, once. Takes a secret as payload.
    Grant {
        /// podman's name of the container.
        container: String,
        /// Program and arguments.
        run: Vec<String>,
        /// What its record is called.
        record: String,
        /// What tells this run of it from another.
        identity: String,
    },
    /// Remembers which hosts have something of the estate.
    Remember {
        /// Those that have, and since which apply that is known.
        hosts: BTreeMap<HostName, Remembered>,
        /// Those that have nothing any more.
        gone: BTreeSet<HostName>,
    },
    /// Records what became of tasks of a group that another host runs for all of it.
    Record {
        /// `due` before anything of the plan is done, `elsewhere` before it is run, `done` after.
        state: &'static str,
        /// Their records' names, and what identifies them.
        tasks: Vec<(String, String)>,
    },
}

/// A text as one word of sh (POSIX 2.2.2).
pub(super) fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Lines as one word.
fn lines<T: AsRef<str>>(lines: &[T]) -> String {
    word(&lines.iter().map(|line| format!("{}\n", line.as_ref())).collect::<String>())
}

/// The text that a host's sh runs.
pub fn script(call: &Call) -> String {
    // One command: of a text that was cut off nothing is run.
    format!("{{\n{LIBRARY}\necho 'wharf 1'\n{} || exit\necho 'end 0'\n}}\n", words(call))
}

/// The words of a call.
fn words(call: &Call) -> String {
    match call {
        Call::Probe { paths, units } => format!("probe {} {}", lines(paths), lines(units)),
        Call::Show { paths, most } => format!("show {} {most}", lines(paths)),
        Call::Sizes { volumes } => format!("sizes {}", lines(volumes)),
        Call::Logs { matches, since, lines, follow } => format!(
            "logs {} {} {} {}",
            word(&matches.join(" ")),
            word(since.as_deref().unwrap_or_default()),
            lines.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
            word(if *follow { "follow" } else { "" })
        ),
        Call::Generations => "generations".to_owned(),
        Call::Lease { token, seconds, says, over } => {
            let over = over.as_deref().unwrap_or_default();
            format!("lease_take {} {seconds} {} {}", word(token), word(says), word(over))
        }
        Call::Held { token, seconds, call } => format!("lease_hold {} {seconds} || exit\n{}", word(token), words(call)),
        Call::Nothing => ":".to_owned(),
        Call::Release { token } => format!("lease_release {}", word(token.as_deref().unwrap_or("any"))),
        Call::Pull { references, registries } => {
            format!("pull {} {}", lines(references), word(registries.as_deref().unwrap_or_default()))
        }
        Call::Stage => "stage".to_owned(),
        Call::Activate { to, from, plan, back } => {
            let (how, seconds) = match back {
                Some(seconds) => ("auto", *seconds),
                None => ("held", 0),
            };
            format!("activate {to} {from} {} {how} {seconds} {}", word(plan), word(LIBRARY))
        }
        Call::Confirm { number, keep } => format!("confirm {number} {keep}"),
        Call::Attend { keep } => format!("attend {keep}"),
        Call::Undo => "undo 'its activation did not end well'".to_owned(),
        Call::Hold => "hold".to_owned(),
        Call::Grant { container, run, record, identity } => {
            let run: Vec<String> = run.iter().map(|text| word(text)).collect();
            format!("grant {} {identity} {} {}", word(record), word(container), run.join(" "))
        }
        Call::Remember { hosts, gone } => {
            let hosts: Vec<String> =
                hosts.iter().map(|(name, since)| format!("{name} {} {}", since.plan, since.when)).collect();
            let gone: Vec<&str> = gone.iter().map(HostName::as_str).collect();
            format!("remember {} {}", lines(&hosts), lines(&gone))
        }
        Call::Record { state, tasks } => {
            let tasks: Vec<String> = tasks.iter().map(|(name, identity)| format!("{name} {identity}")).collect();
            format!("record {state} {}", lines(&tasks))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_texts_are_one_word() {
        for text in ["", "it's", "a b", "$HOME `x` \\ \"", "line\nline", "!"] {
            let output = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", word(text))]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), text);
        }
    }

    #[test]
    fn of_a_script_that_was_cut_off_nothing_is_run() {
        let whole = script(&Call::Show { paths: vec!["/etc/hostname".to_owned()], most: 1 << 20 });
        // Beside its end, where the call is, so many places that every part of it is one.
        let ends = (0..whole.len()).step_by(997).chain(whole.len() - 90..whole.len() - 2);
        for end in ends {
            let output = std::process::Command::new("sh").args(["-c", "eval \"$1\"", "sh", &whole[..end]]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), "", "{end} of {}", whole.len());
        }
    }

    #[test]
    fn a_host_says_no_value_of_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let said = |text: &str| {
            let script = format!(
                "{LIBRARY}\netc={at} account=\nmkdir -p {at}/generations/3\n\
                 printf '%s\\n' token.11 conf.22 gone.33 short.44 > {at}/generations/3/secrets\n\
                 coded() {{ printf '%b' \"$1\" | base64 -w 0; }}\n\
                 printf '{{\"i1\":\"%s\",\"i2\": \"%s\",\"i4\":\"%s\"}}\\n' \"$(coded \"$TOKEN\")\" \"$(coded \"$CONF\")\" \"$(coded abc)\" > {at}/secretsdata.json\n\
                 podman() {{ for name; do case $name in token.11) echo i1 token.11 {at} ;; conf.22) echo i2 conf.22 {at} ;; \
                 short.44) echo i4 short.44 {at} ;; esac; done; return 125; }}\n\
                 put_clean journal \"$SAID\"\n"
            );
            let mut command = std::process::Command::new("sh");
            command.env("TOKEN", "a*b?[c]$d%e").env("SAID", text).env(
                "CONF",
                "[database]\\nconnection = mysql+pymysql://api:word-of-it@10.0.0.1/api?charset=utf8\\nadmin_token = 'as-it-is'\\n  a line that is long\\ndebug = true\\n",
            );
            let output = command.args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            let said = String::from_utf8(output.stdout).unwrap();
            let (head, text) = said.split_once('\n').unwrap();
            assert_eq!(head, format!("journal {}", text.len()));
            text.to_owned()
        };
        assert_eq!(said("x a*b?[c]$d%e y a*b?[c]$d%e"), "x <secret token.11> y <secret token.11>");
        // Others that a pattern would find stay, and so does what is no secret at all.
        for text in ["a-b-c$d%e", "abc", "debug = true", "10.0.0.1", ""] {
            assert_eq!(said(text), text);
        }
        assert_eq!(said("denied: word-of-it for api"), "denied: <secret conf.22> for api");
        assert_eq!(said("as-it-is"), "<secret conf.22>");
        assert_eq!(said("one\na line that is long\ntwo"), "one\n<secret conf.22>\ntwo");
    }

    #[test]
    fn what_a_deadline_bounds_shares_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        // A start that takes two seconds, and a container that never gets well.
        let script = format!(
            "{LIBRARY}\nrun={at} PATH={at}/bin:$PATH\nmkdir {at}/bin\n\
             printf '%s\\n' '#!/bin/sh' 'case $* in *start*) sleep 2 ;; *show*) echo active ;; esac' > {at}/bin/systemctl\n\
             printf '%s\\n' '#!/bin/sh' 'case $* in *inspect*) echo running starting ;; esac' > {at}/bin/podman\n\
             printf '%s\\n' '#!/bin/sh' > {at}/bin/journalctl\nchmod +x {at}/bin/*\n\
             printf '%s\\n' 'deadline 5 1' 'start 100 box.service' 'gate 100 1 box' > {at}/do\nperform {at}/do 0 1 {at}/at\n\
             printf '%s\\n' 'gate 1 0 box' > {at}/do\nperform {at}/do 0 1\necho bounds:$end$by\n"
        );
        let begun = std::time::Instant::now();
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(begun.elapsed().as_secs() < 60, "{said}");
        assert_eq!(said.matches("health of box: box is starting when its time is over").count(), 2, "{said}");
        // It bounds the list that it stands in alone.
        assert!(said.ends_with("bounds:\n"), "{said}");
        assert_eq!(std::fs::read_to_string(folder.path().join("at")).unwrap(), "2\n");
    }

    #[test]
    fn a_host_remembers_others_until_it_is_told_that_they_have_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let names = |names: &[&str]| names.iter().map(|name| HostName::new(*name).unwrap()).collect::<BTreeSet<_>>();
        let told = |plan: &str, hosts: &[&str], gone: &[&str]| {
            let since = |name| (name, Remembered { plan: plan.to_owned(), when: format!("at-{plan}") });
            let call = Call::Remember { hosts: names(hosts).into_iter().map(since).collect(), gone: names(gone) };
            let script = format!("{LIBRARY}\netc={at}\n{}\n", words(&call));
            assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
            std::fs::read_to_string(folder.path().join("hosts")).unwrap_or_default()
        };
        // A host that is nobody's remembers nothing.
        assert_eq!(told("p0", &["a"], &[]), "");
        std::fs::write(folder.path().join("estate"), "e\n").unwrap();
        assert_eq!(told("p1", &["b", "a"], &[]), "a p1 at-p1\nb p1 at-p1\n");
        assert_eq!(told("p2", &["a", "aa"], &[]), "a p2 at-p2\naa p2 at-p2\nb p1 at-p1\n");
        assert_eq!(told("p3", &["c"], &["a", "b"]), "aa p2 at-p2\nc p3 at-p3\n");
        assert_eq!(told("p4", &[], &["c", "aa"]), "");
    }

    #[test]
    fn every_script_is_one_that_sh_reads() {
        let calls = [
            Call::Probe { paths: vec!["/a b".to_owned()], units: vec!["it's.service".to_owned()] },
            Call::Generations,
            Call::Stage,
            Call::Undo,
            Call::Activate { to: 2, from: 1, plan: "p".to_owned(), back: Some(3) },
            Call::Held { token: "t".to_owned(), seconds: 3, call: Box::new(Call::Hold) },
        ];
        for call in calls {
            let output = std::process::Command::new("sh").args(["-n", "-c", &script(&call)]).output().unwrap();
            assert!(output.status.success(), "{call:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
