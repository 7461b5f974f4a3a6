//! A client that asks keystone for a token every 100 ms, whatever became of those that it asked for before.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::thread::JoinHandle;

use super::Lab;

/// Asks at the address $1 with the password that is the first line; ends with its standard input, after the last answer.
/// A line for each request: when it began, when it ended, the status.
const ASKS: &str = r#"set -u
read -r password
body="{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{\"user\":{\"name\":\"admin\",\"domain\":{\"id\":\"default\"},\"password\":\"$password\"}}}}}"
ask() {
    begun=$EPOCHREALTIME
    status=none
    if exec 3<>"/dev/tcp/$1/5000"; then
        printf 'POST /v3/auth/tokens HTTP/1.0\r\nHost: keystone\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' "${#body}" "$body" >&3
        read -r -t 30 _ status _ <&3
    fi 2>/dev/null
    echo "$begun $EPOCHREALTIME ${status:-none}"
}
until read -r -t 0.1 || [ $? -le 128 ]; do
    ask "$1" < /dev/null &
done
wait
"#;

/// It, while it asks.
pub struct Client {
    child: Child,
    input: ChildStdin,
    output: JoinHandle<Said>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Answer {
    /// In seconds.
    begun: f64,
    ended: f64,
    well: bool,
}

/// What became of all requests, in the order in which they began.
#[derive(Debug, PartialEq)]
pub struct Said(Vec<Answer>);

impl Client {
    /// Begins to ask, from outside of the hosts.
    pub fn start(lab: &Lab, address: &str, password: &str) -> Self {
        let mut command = lab.outside("bash");
        command.args(["-c", ASKS, "client", address]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{password}").unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let output = std::thread::spawn(|| Said::read(lines.map(|line| line.unwrap())));
        Self { child, input, output }
    }

    /// Waits for the last answer.
    pub fn end(mut self) -> Said {
        drop(self.input);
        let said = self.output.join().unwrap();
        assert!(self.child.wait().unwrap().success());
        said
    }
}

impl Said {
    fn read(lines: impl Iterator<Item = String>) -> Self {
        let answer = |line: String| {
            let words: Vec<&str> = line.split(' ').collect();
            let [begun, ended, status] = words[..] else { panic!("{line}") };
            Answer { begun: begun.parse().unwrap(), ended: ended.parse().unwrap(), well: status == "201" }
        };
        let mut answers: Vec<Answer> = lines.map(answer).collect();
        answers.sort_by(|one, other| one.begun.total_cmp(&other.begun));
        Self(answers)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn failed(&self) -> usize {
        self.0.iter().filter(|answer| !answer.well).count()
    }

    /// The longest time from a request that failed to the next that did not, in seconds.
    pub fn longest_failure(&self) -> f64 {
        let (mut longest, mut since) = (0.0_f64, None);
        for answer in &self.0 {
            match (answer.well, since) {
                (false, None) => since = Some(answer.begun),
                (true, Some(begun)) => {
                    longest = longest.max(answer.begun - begun);
                    since = None;
                }
                _ => {}
            }
        }
        match (since, self.0.last()) {
            (Some(begun), Some(last)) => longest.max(last.ended - begun),
            _ => longest,
        }
    }

    /// The longest time in which no token came, in seconds.
    pub fn longest_silence(&self) -> f64 {
        let Some(first) = self.0.first() else { return f64::INFINITY };
        let mut came: Vec<f64> = self.0.iter().filter(|answer| answer.well).map(|answer| answer.ended).collect();
        came.push(first.begun);
        came.extend(self.0.last().map(|last| last.begun));
        came.sort_by(f64::total_cmp);
        came.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
    }
}

#[test]
fn what_a_client_saw_is_measured_from_the_first_failure_to_the_next_success() {
    let said = |lines: &[&str]| Said::read(lines.iter().map(|line| (*line).to_owned()));
    let all = said(&[
        "1.0 1.2 201",
        "1.1 1.1 none",
        "1.2 31.2 none",
        "1.3 1.9 503",
        "4.5 4.6 201",
        "4.6 4.7 500",
        "4.7 5.0 201",
    ]);
    assert_eq!((all.len(), all.failed()), (7, 4));
    assert!((all.longest_failure() - 3.4).abs() < 1e-9, "{all:?}");
    assert!((all.longest_silence() - 3.4).abs() < 1e-9, "{all:?}");
    // One that never ends is as long as the client asked.
    let bad = said(&["1.0 1.2 201", "2.0 2.0 none", "9.0 12.0 none"]);
    assert!((bad.longest_failure() - 10.0).abs() < 1e-9);
    assert!((bad.longest_silence() - 7.8).abs() < 1e-9);
}
