//! `wharf logs`: what services wrote to their hosts' journals.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::deploy::{Deploy, ReachOptions};
use super::{Exit, Failure, Global};
use crate::apply::each;
use crate::host::{Call, LinkError};
use crate::name::{HostName, ServiceName};
use crate::spec::did_you_mean;
use crate::ui::Screen;

/// How long lines may take that are there.
const ONCE: Duration = Duration::from_secs(120);
/// How long somebody may look on.
const LONG: Duration = Duration::from_secs(30 * 24 * 3600);

/// Arguments of `wharf logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Lines of several hosts are put in the order of their times, the host's name first. What programs print may hold\n\
                        what they should not print; wharf looks into none of it.\n\nExamples:\n  wharf logs keystone\n  \
                        wharf logs mariadb --host c1a --since \"1 hour ago\" --lines 500\n  wharf logs keystone --follow\n  \
                        wharf logs keystone --json | jq -r .text")]
pub struct Arguments {
    /// A service, or a group as `wharf list hosts` names it
    #[arg(value_name = "SERVICE")]
    service: String,
    #[command(flatten)]
    reach: ReachOptions,
    /// Only of this host; may repeat
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<HostName>,
    /// Go on with what is written from now on
    #[arg(short, long)]
    follow: bool,
    /// From then on, as journalctl(1) takes it: `1 hour ago`, `2026-01-31 12:00`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// So many lines of each host at most; with --since all unless told
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,
}

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
struct Line {
    /// Seconds since 1970; those of the line before where it says none.
    time: f64,
    text: String,
}

/// `SECONDS HOST PROGRAM[PID]: TEXT`, as journalctl(1) prints `short-unix`; the host's own name goes.
fn line(text: &str, before: f64) -> Line {
    let mut words = text.splitn(3, ' ');
    match (words.next().and_then(|word| word.parse::<f64>().ok()), words.next(), words.next()) {
        (Some(time), Some(_), Some(rest)) => Line { time, text: rest.to_owned() },
        _ => Line { time: before, text: text.to_owned() },
    }
}

/// A time as people read it.
fn clock(time: f64) -> String {
    #[allow(clippy::cast_possible_truncation)]
    let millis = (time * 1000.0) as i64;
    jiff::Timestamp::from_millisecond(millis)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        .unwrap_or_default()
}

/// What journalctl(1) looks for: the unit of a group and those of its tasks; of a user's manager where one runs it.
fn matches(groups: &[(ServiceName, bool, Vec<String>)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, user, tasks) in groups {
        let field = if *user { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" };
        for unit in std::iter::once(name.to_string()).chain(tasks.iter().map(|task| format!("{name}-task-{task}"))) {
            found.push(format!("{field}={unit}.service"));
            // What systemd says of it.
            found.push(format!("{}={unit}.service", if *user { "USER_UNIT" } else { "UNIT" }));
        }
    }
    // Of different fields one is enough only where a `+` stands between them.
    let mut words = Vec::new();
    for word in found {
        if !words.is_empty() {
            words.push("+".to_owned());
        }
        words.push(word);
    }
    words
}

/// Shows.
pub fn run(arguments: Arguments, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let deploy = Deploy::reach(&arguments.reach, global)?;
    let placed = deploy.placed()?;
    let word = arguments.service.as_str();
    let groups: Vec<_> =
        placed.groups.values().filter(|group| group.name.as_str() == word || group.service.as_str() == word).collect();
    if groups.is_empty() {
        let known = placed.groups.values().flat_map(|group| [group.name.as_str(), group.service.as_str()]);
        let help = did_you_mean(word, known).unwrap_or_else(|| "`wharf list services` has them".to_owned());
        return Err(Failure::with_help(format!("the estate runs no service `{word}`"), help));
    }
    let units: Vec<(ServiceName, bool, Vec<String>)> = groups
        .iter()
        .map(|group| {
            let service = deploy.project.services.get(&group.service);
            let user = service.is_some_and(|service| service.container.run_as.is_some());
            let tasks = service.into_iter().flat_map(|service| &service.tasks).map(|task| task.name.to_string());
            (group.name.clone(), user, tasks.collect())
        })
        .collect();
    let within: Vec<&HostName> = deploy.hosts()?.into_iter().map(|host| &host.name).collect();
    let members = |host: &&HostName| groups.iter().any(|group| group.members.contains(host));
    let hosts: Vec<&HostName> = match arguments.hosts.is_empty() {
        true => within.into_iter().filter(members).collect(),
        false => within.into_iter().filter(|host| arguments.hosts.contains(host)).collect(),
    };
    if let Some(host) = arguments.hosts.iter().find(|host| !hosts.contains(host)) {
        let known = deploy.estate()?.hosts.keys().map(HostName::as_str);
        let help = did_you_mean(host.as_str(), known).unwrap_or_else(|| "`wharf list hosts` has them".to_owned());
        return Err(Failure::with_help(format!("there is no host `{host}`"), help));
    }
    let elsewhere: Vec<&str> =
        hosts.iter().filter(|host| !members(host)).map(|host| host.as_str()).collect();
    if !elsewhere.is_empty() {
        let on: BTreeSet<&str> =
            groups.iter().flat_map(|group| &group.members).map(|host| host.as_str()).collect();
        let on: Vec<&str> = on.into_iter().collect();
        return Err(Failure::with_help(
            format!("`{word}` does not run on {}", elsewhere.join(", ")),
            format!("it runs on {}", on.join(", ")),
        ));
    }
    let lines = arguments.lines.or(arguments.since.is_none().then_some(100));
    let call = Call::Logs { matches: matches(&units), since: arguments.since.clone(), lines, follow: arguments.follow };
    let fleet = deploy.fleet()?;
    let wide = hosts.iter().map(|host| host.as_str().len()).max().unwrap_or(0);
    let print = |host: &HostName, line: &Line| {
        if global.json {
            let value = serde_json::json!({"host": host, "time": line.time, "text": line.text});
            screen.out(&format!("{value}\n"));
        } else {
            screen.out(&format!("{:<wide$}  {}  {}\n", host.as_str(), clock(line.time), line.text));
        }
    };
    let found: Mutex<Vec<(Line, &HostName)>> = Mutex::default();
    let limit = if arguments.follow { LONG } else { ONCE };
    // Those that are followed are all listened to at once.
    let at_once = if arguments.follow { hosts.len() } else { arguments.reach.forks };
    let results: Vec<Result<(), LinkError>> = each(&hosts, at_once, |host| {
        let mut before = 0.0;
        fleet.stream(host, &call, &[], limit, false, &mut |frame| {
            // Now and then it says that it is still there.
            if frame.name != "line" {
                return;
            }
            let line = line(&frame.text, before);
            before = line.time;
            if arguments.follow {
                print(host, &line);
            } else {
                found.lock().unwrap_or_else(PoisonError::into_inner).push((line, host));
            }
        })
    });
    fleet.close();
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by(|(one, _), (other, _)| one.time.total_cmp(&other.time));
    found.iter().for_each(|(line, host)| print(host, line));
    if found.is_empty() && !arguments.follow && results.iter().any(Result::is_ok) {
        let since = arguments.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
        screen.say(&format!("the journals of the hosts that answered have no line of `{word}`{since}"));
    }
    let mut exit = Exit::Done;
    for (host, result) in hosts.iter().zip(results) {
        if let Err(error) = result {
            screen.say(&format!("{host}: {}", error.line()));
            exit = Exit::Unreachable;
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_and_no_name_of_the_hosts_own() {
        let found = line("1767225600.250000 somewhere keystone[12]: 200 OK  GET", 1.0);
        assert_eq!(found, Line { time: 1_767_225_600.25, text: "keystone[12]: 200 OK  GET".to_owned() });
        assert_eq!(clock(found.time), "2026-01-01T00:00:00.250Z");
        assert_eq!(line("-- Boot 1234 --", 7.0), Line { time: 7.0, text: "-- Boot 1234 --".to_owned() });
    }

    #[test]
    fn a_group_and_its_tasks_are_looked_for() {
        let groups = [(ServiceName::new("k").unwrap(), false, vec!["db".to_owned()])];
        let expected = "_SYSTEMD_UNIT=k.service + UNIT=k.service + _SYSTEMD_UNIT=k-task-db.service + UNIT=k-task-db.service";
        assert_eq!(matches(&groups).join(" "), expected);
    }
}
