//! A way to a host: the system's OpenSSH with one connection kept open, or no way at all where the host is this one.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::absence::{LinkError, absent};
use super::frame::{Frame, FrameError, Frames};

/// How many connections begin at once behind one jump host: sshd drops further ones from ten on (sshd_config(5),
/// "MaxStartups").
const STARTS: usize = 8;
/// How often a connection that was dropped at its start is tried.
const TRIES: u32 = 4;
/// How much of what a host says on standard error is kept.
const SAID: usize = 8 << 10;

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// This machine.
    Local,
    /// Somewhere that ssh knows.
    Ssh {
        /// A name of the ssh configuration, or an address.
        name: String,
        /// The account there, where the estate says one.
        user: Option<String>,
    },
}

/// What all ssh processes of a run share.
#[derive(Debug, Clone)]
pub struct Ssh {
    /// The program.
    pub program: PathBuf,
    /// A configuration instead of the user's.
    pub config: Option<PathBuf>,
    /// A short path to a folder of this run alone, for the sockets of open connections.
    pub sockets: PathBuf,
    /// How long a connection may take to be made.
    pub connect: Duration,
}

/// Places for connections that are being made, by the host that they go through.
#[derive(Debug, Default)]
pub struct Hops(Mutex<BTreeMap<String, Arc<Places>>>);

#[derive(Debug)]
struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place that is held.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        *locked(&self.0.free) += 1;
        self.0.freed.notify_one();
    }
}

/// A panic of another thread spoils no number.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hops {
    fn place(&self, hop: &str) -> Place {
        let places = {
            let mut all = locked(&self.0);
            let new = || Arc::new(Places { free: Mutex::new(STARTS), freed: Condvar::new() });
            Arc::clone(all.entry(hop.to_owned()).or_insert_with(new))
        };
        let free = locked(&places.free);
        let mut free = places.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        drop(free);
        Place(places)
    }
}

/// A host that is talked to.
#[derive(Debug)]
pub struct Link<'a> {
    ssh: &'a Ssh,
    hops: &'a Hops,
    destination: Destination,
    /// The jump host that it is behind, once it is known.
    hop: Option<String>,
    connected: AtomicBool,
}

impl<'a> Link<'a> {
    /// A link that is not made yet. `jumps` says whether to look up which jump host it goes through.
    pub fn new(ssh: &'a Ssh, hops: &'a Hops, destination: Destination, jumps: bool) -> Self {
        let hop = if jumps { ssh.hop(&destination) } else { None };
        Self { ssh, hops, destination, hop, connected: AtomicBool::new(false) }
    }

    /// Runs a script there: `script` first, then `payload`, on its standard input. Frames are given to `each` as they come.
    /// `fresh` makes a connection of its own, to see whether one can still be made.
    ///
    /// # Errors
    /// Says whether the host was heard at all.
    pub fn run(
        &self,
        script: &str,
        payload: &mut (dyn Read + Send),
        limit: Duration,
        fresh: bool,
        each: &mut dyn FnMut(Frame),
    ) -> Result<(), LinkError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let held = (!self.connected.load(Ordering::Relaxed) || fresh)
                .then(|| self.hop.as_deref().map(|hop| self.hops.place(hop)))
                .flatten();
            let result = self.once(script, payload, limit, fresh, held, each);
            match result {
                // sshd drops connections at random when many begin; nothing was read of the payload then.
                Err(LinkError::Unreachable { said }) if tries < TRIES && dropped(&said) => {
                    thread::sleep(self.pause(tries));
                }
                result => return result,
            }
        }
    }

    /// A pause that differs from host to host, so that those that were dropped together do not come back together.
    fn pause(&self, tries: u32) -> Duration {
        let name = match &self.destination {
            Destination::Local => "",
            Destination::Ssh { name, .. } => name,
        };
        let spread = name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))) % 400;
        Duration::from_millis((100 + spread) << tries.min(6))
    }

    fn command(&self, length: usize, fresh: bool) -> Command {
        // A shell of its own, as root; what follows on standard input is read to the byte.
        let inner = format!("eval \"$(head -c {length})\"");
        match &self.destination {
            Destination::Local => {
                let mut command = Command::new("sh");
                command.args(["-c", AS_ROOT, "sh", &inner]);
                command
            }
            Destination::Ssh { name, user } => {
                let mut command = self.ssh.command(fresh);
                if let Some(user) = user {
                    command.args(["-l", user]);
                }
                command.arg("--").arg(name).arg(format!("exec sh -c '{AS_ROOT}' sh '{inner}'"));
                command
            }
        }
    }

    fn once(
        &self,
        script: &str,
        payload: &mut (dyn Read + Send),
        limit: Duration,
        fresh: bool,
        held: Option<Place>,
        each: &mut dyn FnMut(Frame),
    ) -> Result<(), LinkError> {
        let mut command = self.command(script.len(), fresh);
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| LinkError::Program { program: program.clone(), error })?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            let error = std::io::Error::other("it has no standard streams");
            return Err(LinkError::Program { program, error });
        };
        let child = Mutex::new(child);
        let (done, over) = mpsc::channel::<()>();
        let late = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                // Where the script ends early nobody reads on; its exit code says why.
                let sent =
                    stdin.write_all(script.as_bytes()).and_then(|()| std::io::copy(payload, &mut stdin).map(|_| ()));
                drop(stdin);
                sent
            });
            let said = scope.spawn(move || last(stderr));
            let (child, late) = (&child, &late);
            scope.spawn(move || {
                if over.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                    late.store(true, Ordering::Relaxed);
                    // It may have ended by itself.
                    let _ = locked(child).kill();
                }
            });
            let mut held = held;
            let mut frames = Frames::new(BufReader::new(stdout));
            let read = loop {
                match frames.read() {
                    Ok(Some(frame)) => {
                        held.take();
                        self.connected.store(true, Ordering::Relaxed);
                        each(frame);
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            let heard = frames.begun();
            let status = waited(child);
            drop(done);
            let said = said.join().unwrap_or_default();
            if late.load(Ordering::Relaxed) {
                return Err(LinkError::Late(limit));
            }
            let status = status.map_err(|error| LinkError::Program { program: program.clone(), error })?;
            match (read, status.code()) {
                (Ok(()), Some(0)) => Ok(()),
                (_, Some(255) | None) if !heard => Err(absent(said)),
                (_, Some(255) | None) => Err(LinkError::Lost { said }),
                (Err(FrameError::Cut) | Ok(()), Some(code)) if code != 0 => Err(LinkError::Failed { code, said }),
                (Err(FrameError::Cut), _) => Err(LinkError::Lost { said }),
                (Err(error), _) => Err(LinkError::Frame(error)),
                (Ok(()), _) => Ok(()),
            }
        })
    }

    /// Makes a port of the host lead to one of this machine's loopback; the host's port.
    ///
    /// # Errors
    /// Where the connection is not open, or the host's sshd forwards nothing.
    pub fn forward(&self, port: u16) -> Result<u16, LinkError> {
        let Destination::Ssh { name, user } = &self.destination else { return Ok(port) };
        let mut command = self.ssh.command(false);
        command.args(["-O", "forward", "-R", &format!("127.0.0.1:0:127.0.0.1:{port}")]);
        if let Some(user) = user {
            command.args(["-l", user]);
        }
        command.arg("--").arg(name).stdin(Stdio::null());
        let program = self.ssh.program.display().to_string();
        let output = command.output().map_err(|error| LinkError::Program { program, error })?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let text = String::from_utf8_lossy(&output.stdout);
        match (output.status.success(), text.trim().parse::<u16>()) {
            (true, Ok(port)) => Ok(port),
            _ => Err(LinkError::Failed { code: output.status.code().unwrap_or(255), said }),
        }
    }

    /// Ends the connection.
    pub fn close(&self) {
        let Destination::Ssh { name, user } = &self.destination else { return };
        if !self.connected.load(Ordering::Relaxed) {
            return;
        }
        let mut command = self.ssh.command(false);
        command.args(["-O", "exit"]);
        if let Some(user) = user {
            command.args(["-l", user]);
        }
        command.arg("--").arg(name).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // It ends by itself after a minute.
        let _ = command.status();
    }
}

/// Runs $1 as root: where the account is another, sudo has to let it without a question.
const AS_ROOT: &str = "if [ \"$(id -u)\" = 0 ]; then exec sh -c \"$1\"; else exec sudo -n -- sh -c \"$1\"; fi";

impl Ssh {
    fn command(&self, fresh: bool) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(config) = &self.config {
            command.arg("-F").arg(config);
        }
        command.arg("-T");
        let socket = if fresh { "none".to_owned() } else { format!("{}/%C", self.sockets.display()) };
        let options = [
            "BatchMode=yes".to_owned(),
            format!("ConnectTimeout={}", self.connect.as_secs().max(1)),
            // A host that vanishes is missed after one and a half times as long.
            format!("ServerAliveInterval={}", self.connect.as_secs().div_ceil(2).max(1)),
            "ServerAliveCountMax=3".to_owned(),
            "LogLevel=ERROR".to_owned(),
            "ControlMaster=auto".to_owned(),
            format!("ControlPath={socket}"),
            "ControlPersist=60".to_owned(),
        ];
        for option in options {
            command.arg("-o").arg(option);
        }
        // What it says is looked at.
        command.env("LC_ALL", "C");
        command
    }

    /// The first jump host of a destination, as ssh's own configuration has it.
    fn hop(&self, destination: &Destination) -> Option<String> {
        let Destination::Ssh { name, .. } = destination else { return None };
        let mut command = Command::new(&self.program);
        if let Some(config) = &self.config {
            command.arg("-F").arg(config);
        }
        let output = command.args(["-G", "--"]).arg(name).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let jump = text.lines().find_map(|line| line.strip_prefix("proxyjump "))?;
        jump.split(',').next().filter(|hop| *hop != "none").map(str::to_owned)
    }
}

/// Whether sshd dropped the connection for being one of too many.
fn dropped(said: &str) -> bool {
    ["kex_exchange_identification", "Connection reset by", "Connection closed by"]
        .iter()
        .any(|text| said.contains(text))
}

/// Waits without keeping the lock, so that the child can be ended meanwhile.
fn waited(child: &Mutex<Child>) -> std::io::Result<std::process::ExitStatus> {
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = locked(child).try_wait()? {
            return Ok(status);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The last of what is read, as lines joined by `; `.
fn last(mut from: impl Read) -> String {
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        kept.extend(buffer.iter().take(count));
        let over = kept.len().saturating_sub(SAID);
        kept.drain(..over);
    }
    let text = String::from_utf8_lossy(&kept);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(script: &str, payload: &[u8], limit: u64) -> (Result<(), LinkError>, Vec<(String, String)>) {
        let ssh = Ssh {
            program: "ssh".into(),
            config: None,
            sockets: "/nonexistent".into(),
            connect: Duration::from_secs(1),
        };
        let hops = Hops::default();
        let link = Link::new(&ssh, &hops, Destination::Local, false);
        let mut found = Vec::new();
        let mut payload = payload;
        let result = link.run(script, &mut payload, Duration::from_secs(limit), false, &mut |frame| {
            found.push((frame.name, frame.text));
        });
        (result, found)
    }

    #[test]
    fn a_script_reads_its_payload_to_the_byte() {
        let payload: Vec<u8> = b"it's \"\\ $HOME\n".iter().copied().cycle().take(300_000).collect();
        let script = "echo 'wharf 1'; n=$(wc -c); printf 'count %s\\n%s' ${#n} \"$n\"; echo end 0\n";
        let (result, found) = here(script, &payload, 20);
        result.unwrap();
        assert_eq!(found, [("count".to_owned(), "300000".to_owned())]);
    }

    #[test]
    fn a_script_that_ends_badly_says_its_last_words() {
        let (result, _) = here("echo 'wharf 1'; echo what went wrong >&2; exit 7", b"", 20);
        assert_eq!(result.unwrap_err().to_string(), "the script ended with 7: what went wrong");
    }

    #[test]
    fn a_script_that_does_not_end_is_ended() {
        let (result, found) = here("echo 'wharf 1'; printf 'event 2\\nhi'; exec sleep 100", b"", 1);
        assert!(matches!(result, Err(LinkError::Late(_))), "{result:?}");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn an_answer_without_its_end_is_lost_though_the_script_ends_well() {
        let (result, _) = here("echo 'wharf 1'; exit 0", b"", 20);
        assert!(matches!(result, Err(LinkError::Lost { .. })), "{result:?}");
    }

    #[test]
    fn places_behind_a_jump_host_are_given_back() {
        let hops = Hops::default();
        let held: Vec<Place> = (0..STARTS).map(|_| hops.place("jump")).collect();
        let other = hops.place("other");
        thread::scope(|scope| {
            let waits = scope.spawn(|| hops.place("jump"));
            drop(held);
            waits.join().unwrap();
        });
        drop(other);
    }
}
