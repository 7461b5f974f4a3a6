//! An HTTP/1.1 server on loopback that serves a folder, and can be told to misbehave.
//!
//! ```ignore
//! let server = Server::new(folder.path());
//! server.fault("/pool/a.deb", Fault::Cut(100));   // the next request of this path is cut after 100 bytes of body
//! http.get(&format!("{}/pool/a.deb", server.url()));
//! assert_eq!(server.requests(), ["GET /pool/a.deb", "GET /pool/a.deb bytes=100-"]);
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after this many bytes of the body.
    Cut(usize),
    /// Another status, with an empty body.
    Status(u16),
    /// A status with a `Retry-After` of this many seconds.
    RetryAfter(u16, u64),
    /// Other bytes, whole.
    Bytes(Vec<u8>),
    /// Other bytes, and no word on how many.
    Endless(Vec<u8>),
    /// Nothing for so long, then as usual.
    Slow(Duration),
    /// The range that was asked for is not heeded.
    Whole,
}

#[derive(Default)]
struct State {
    faults: Mutex<BTreeMap<String, VecDeque<Fault>>>,
    requests: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// A running server; dropping it stops it.
pub struct Server {
    port: u16,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `root` on a free port of 127.0.0.1.
    pub fn new(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let root = root.to_owned();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    break;
                }
                let (root, state) = (root.clone(), Arc::clone(&shared));
                std::thread::spawn(move || drop(serve(stream.unwrap(), &root, &state)));
            }
        });
        Self { port, state, thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next request of `path` goes wrong; several faults of one path are taken in turn.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.state.faults.lock().unwrap().entry(path.to_owned()).or_default().push_back(fault);
    }

    /// What was asked for so far: `GET /path`, and the range where there was one. Empties the log.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.requests.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// `g%2B%2B` is `g++`.
fn unquote(path: &str) -> String {
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        text.push_str(&part[2..]);
    }
    text
}

/// Answers the requests of one connection.
fn serve(mut stream: TcpStream, root: &Path, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let (mut range, mut if_range) = (None, None);
        let mut authorization = String::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "range" => range = Some(value.trim().to_owned()),
                "authorization" => authorization = format!(" {}", value.trim()),
                "if-range" => if_range = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let asked = range.as_ref().map(|range| format!(" {range}")).unwrap_or_default();
        state.requests.lock().unwrap().push(format!("{method} {path}{asked}{authorization}"));
        let fault = state.faults.lock().unwrap().get_mut(&path).and_then(VecDeque::pop_front);
        if !answer(&mut stream, &root.join(unquote(path.trim_start_matches('/'))), range, if_range, fault)? {
            return Ok(());
        }
    }
}

/// Answers one request; whether the connection goes on.
fn answer(
    stream: &mut TcpStream,
    path: &PathBuf,
    mut range: Option<String>,
    if_range: Option<String>,
    fault: Option<Fault>,
) -> std::io::Result<bool> {
    let mut cut = usize::MAX;
    match fault {
        None => {}
        Some(Fault::Cut(at)) => cut = at,
        Some(Fault::Whole) => range = None,
        Some(Fault::Slow(time)) => std::thread::sleep(time),
        Some(Fault::Status(code)) => {
            write!(stream, "HTTP/1.1 {code} Fault\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        Some(Fault::RetryAfter(code, seconds)) => {
            write!(stream, "HTTP/1.1 {code} Fault\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        Some(Fault::Bytes(bytes)) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
            stream.write_all(&bytes)?;
            return Ok(true);
        }
        Some(Fault::Endless(bytes)) => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&bytes)?;
            return Ok(false);
        }
    }
    let Some(mut file) = std::fs::File::open(path).ok().filter(|_| path.is_file()) else {
        write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(true);
    };
    let size = file.metadata()?.len();
    let tag = format!("\"{size}\"");
    let start = range
        .filter(|_| if_range.is_none_or(|value| value == tag))
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<u64>().ok());
    let mut body = Vec::new();
    file.seek(SeekFrom::Start(start.unwrap_or(0)))?;
    file.read_to_end(&mut body)?;
    match start {
        Some(start) if start >= size => {
            write!(stream, "HTTP/1.1 416 Range\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        Some(start) => write!(
            stream,
            "HTTP/1.1 206 Partial\r\nContent-Range: bytes {start}-{}/{size}\r\nContent-Length: {}\r\nETag: {tag}\r\n\r\n",
            size - 1,
            body.len()
        )?,
        None => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nETag: {tag}\r\n\r\n")?,
    }
    stream.write_all(body.get(..cut).unwrap_or(&body))?;
    Ok(cut >= body.len())
}
