//! Files by HTTP or from a folder: bounded, retried, resumed, and verified while they come in.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};

use crate::digest::{Digest, HashWriter};

use super::cache::{Area, Cache};
use super::error::FetchError;
use super::location::Location;
use super::login::Logins;

/// How files are fetched.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Only the cache and folders.
    pub offline: bool,
    /// Take proxies from `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.
    pub environment_proxies: bool,
    /// Where the environment names no proxy.
    pub proxies: Proxies,
    /// Names and passwords for servers.
    pub logins: Logins,
    /// How often a request may fail in a row before it is given up.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each.
    pub pause: Duration,
    /// A server that says nothing for so long has failed.
    pub silence: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            offline: false,
            environment_proxies: true,
            proxies: Proxies::default(),
            logins: Logins::default(),
            attempts: 4,
            pause: Duration::from_millis(500),
            silence: Duration::from_secs(30),
        }
    }
}

/// Proxies by the protocol of what is fetched: `http://proxy.example:3128`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http://`.
    pub http: Option<String>,
    /// For `https://`.
    pub https: Option<String>,
}

/// An address may hold a password.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("http", &self.http.is_some()).field("https", &self.https.is_some()).finish()
    }
}

/// The longest pause that a server's `Retry-After` is granted.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Attempts in all, however much each brought.
const MOST_ATTEMPTS: u32 = 100;

/// A file that is wanted, and what it must be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// For people: the file's name.
    pub what: &'a str,
    /// Where it goes in the cache, by its digest.
    pub area: Area,
    /// Of its bytes.
    pub digest: Digest,
    /// Its length in bytes; never more is read.
    pub size: u64,
}

/// A file that is now in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// Which of the places had it; none where it was in the cache already.
    pub place: Option<usize>,
}

/// A client, shared by threads.
#[derive(Debug)]
pub struct Http {
    /// For `http://`.
    plain: ureq::Agent,
    /// For `https://`.
    secure: ureq::Agent,
    settings: HttpSettings,
}

/// How one attempt ended.
enum Ended {
    /// Another may go better, after this pause where the server named one.
    Transient(String, Option<Duration>),
    /// Another will not.
    Final(FetchError),
}

/// What came in so far.
struct Part<W> {
    file: W,
    hash: HashWriter<io::Sink>,
    size: u64,
    /// The most that it ever was: what was reported as progress.
    reported: u64,
    /// The server's word for this version of the file.
    validator: Option<String>,
    /// It was put together from more than one answer.
    resumed: bool,
}

/// Where bytes go, and how to begin again.
trait Sink: Write {
    fn restart(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn restart(&mut self) -> io::Result<()> {
        use io::Seek as _;
        self.set_len(0)?;
        self.rewind()
    }
}

impl Sink for Vec<u8> {
    fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

impl<W: Sink> Part<W> {
    fn new(file: W) -> Self {
        Self { file, hash: HashWriter::new(io::sink()), size: 0, reported: 0, validator: None, resumed: false }
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.restart()?;
        self.hash = HashWriter::new(io::sink());
        self.size = 0;
        self.validator = None;
        self.resumed = false;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn digest(&mut self) -> Digest {
        std::mem::replace(&mut self.hash, HashWriter::new(io::sink())).finish().1
    }
}

/// How long the file may be.
#[derive(Clone, Copy)]
struct Bound {
    /// The length, where it is known.
    exact: Option<u64>,
    limit: u64,
}

impl Http {
    /// A client that trusts the certificates that the system trusts.
    pub fn new(settings: HttpSettings) -> Self {
        let (plain, secure) = (settings.proxies.http.as_deref(), settings.proxies.https.as_deref());
        Self { plain: agent(&settings, plain), secure: agent(&settings, secure), settings }
    }
    /// Whether only the cache and folders may be used.
    pub fn offline(&self) -> bool {
        self.settings.offline
    }

    /// Reads a small file whole; longer than `limit` bytes is an error.
    pub fn read(&self, location: &Location, limit: u64) -> Result<Vec<u8>, FetchError> {
        let mut part = Part::new(Vec::new());
        let bound = Bound { exact: None, limit };
        self.pull(location, &mut part, bound, &location.to_string(), Path::new(""), &|_| ())?;
        Ok(part.file)
    }

    /// Brings a file into the cache from the first of `places` that has it, and says where it is.
    ///
    /// Whatever is in the cache is read and verified first, and thrown away where it is not the file. One thread of one
    /// process fetches a digest at a time; the others find it in the cache. `advance` hears of bytes, of each once.
    pub fn download(
        &self,
        cache: &Cache,
        wanted: &Wanted<'_>,
        places: &[Location],
        advance: &dyn Fn(u64),
    ) -> Result<Fetched, FetchError> {
        if let Some(path) = find_whole(cache, wanted) {
            advance(wanted.size);
            return Ok(Fetched { path, place: None });
        }
        let _alone = cache.work_on(wanted.area, &wanted.digest)?;
        if let Some(path) = find_whole(cache, wanted) {
            advance(wanted.size);
            return Ok(Fetched { path, place: None });
        }
        let spoilt = cache.path(wanted.area, &wanted.digest);
        match std::fs::remove_file(&spoilt) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(FetchError::Write { what: wanted.what.to_owned(), path: spoilt, source });
            }
            _ => {}
        }
        let mut tries = Vec::new();
        for (index, place) in places.iter().enumerate() {
            match self.download_from(cache, wanted, place, advance) {
                Ok(path) => return Ok(Fetched { path, place: Some(index) }),
                Err(error) if error.is_local() => return Err(error),
                Err(error) => tries.push(error),
            }
        }
        if !tries.is_empty() && tries.iter().all(|error| matches!(error, FetchError::Offline { .. })) {
            return Err(FetchError::Offline { what: wanted.what.to_owned() });
        }
        Err(FetchError::of_all(wanted.what, tries))
    }

    fn download_from(
        &self,
        cache: &Cache,
        wanted: &Wanted<'_>,
        place: &Location,
        advance: &dyn Fn(u64),
    ) -> Result<PathBuf, FetchError> {
        let scratch = cache.scratch(wanted.area)?;
        let folder = scratch.path().parent().map(PathBuf::from).unwrap_or_default();
        let file = scratch.reopen().map_err(|source| FetchError::Write {
            what: wanted.what.to_owned(),
            path: folder.clone(),
            source,
        })?;
        let mut part = Part::new(file);
        let bound = Bound { exact: Some(wanted.size), limit: wanted.size };
        let mut anew = false;
        loop {
            self.pull(place, &mut part, bound, wanted.what, &folder, advance)?;
            let found = part.digest();
            if found == wanted.digest {
                return Ok(cache.keep(wanted.area, &wanted.digest, scratch)?);
            }
            // Two versions of the file may have been put together: once more from its start.
            if !part.resumed || anew {
                return Err(FetchError::Digest { url: place.to_string(), expected: wanted.digest, found });
            }
            anew = true;
            part.restart().map_err(|source| FetchError::Write {
                what: wanted.what.to_owned(),
                path: folder.clone(),
                source,
            })?;
        }
    }

    /// Reads all of `location`, with retries.
    fn pull<W: Sink>(
        &self,
        location: &Location,
        part: &mut Part<W>,
        bound: Bound,
        what: &str,
        folder: &Path,
        advance: &dyn Fn(u64),
    ) -> Result<(), FetchError> {
        let write = |source| FetchError::Write { what: what.to_owned(), path: folder.to_path_buf(), source };
        let mut failures = 0u32;
        for attempt in 1.. {
            let before = part.size;
            let ended = match location {
                Location::Folder(path) => self.attempt_folder(path, part, bound, &write, advance),
                Location::Web(url) => self.attempt_web(url, location, part, bound, &write, advance),
            };
            let (reason, pause) = match ended {
                Ok(()) => return Ok(()),
                Err(Ended::Final(error)) => return Err(error),
                Err(Ended::Transient(reason, pause)) => (reason, pause),
            };
            failures = if part.size > before { 1 } else { failures + 1 };
            if failures >= self.settings.attempts || attempt >= MOST_ATTEMPTS {
                return Err(FetchError::Unreachable { url: location.to_string(), reason, attempts: attempt });
            }
            let usual = self.settings.pause.saturating_mul(1 << failures.saturating_sub(1).min(10));
            std::thread::sleep(pause.unwrap_or(usual).min(LONGEST_PAUSE));
        }
        Ok(())
    }

    fn attempt_folder<W: Sink>(
        &self,
        path: &Path,
        part: &mut Part<W>,
        bound: Bound,
        write: &dyn Fn(io::Error) -> FetchError,
        advance: &dyn Fn(u64),
    ) -> Result<(), Ended> {
        part.restart().map_err(|source| Ended::Final(write(source)))?;
        let wrong = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Ended::Final(FetchError::Missing { url: path.display().to_string() })
            }
            _ => Ended::Final(FetchError::Read { path: path.to_path_buf(), source }),
        };
        let mut file = File::open(path).map_err(wrong)?;
        copy(&mut file, part, bound, &path.display(), write, advance)?.map_err(wrong)?;
        match bound.exact {
            Some(expected) if part.size != expected => Err(Ended::Final(FetchError::Size {
                url: path.display().to_string(),
                expected,
                found: part.size.to_string(),
            })),
            _ => Ok(()),
        }
    }

    fn attempt_web<W: Sink>(
        &self,
        url: &str,
        shown: &Location,
        part: &mut Part<W>,
        bound: Bound,
        write: &dyn Fn(io::Error) -> FetchError,
        advance: &dyn Fn(u64),
    ) -> Result<(), Ended> {
        if self.settings.offline {
            return Err(Ended::Final(FetchError::Offline { what: shown.to_string() }));
        }
        let is_secure = url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"));
        let mut request = if is_secure { self.secure.get(url) } else { self.plain.get(url) };
        if let Some(value) = self.settings.logins.authorization(url) {
            // A redirect to wherever takes it nowhere: the client drops it.
            request = request.header("Authorization", value);
        }
        // Without a known length there is nothing to verify the pieces by.
        if part.size > 0 && bound.exact.is_some() {
            request = request.header("Range", format!("bytes={}-", part.size));
            if let Some(validator) = &part.validator {
                request = request.header("If-Range", validator);
            }
        }
        let mut response = request.call().map_err(|error| of_ureq(shown, error))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        match status {
            200 => {
                part.restart().map_err(|source| Ended::Final(write(source)))?;
                // A weak validator promises no equal bytes (RFC 9110, 13.1.5).
                part.validator =
                    header("etag").filter(|tag| !tag.starts_with("W/")).or_else(|| header("last-modified"));
                let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
                if let (Some(found), Some(expected)) = (length, bound.exact)
                    && found != expected
                {
                    let (url, found) = (shown.to_string(), found.to_string());
                    return Err(Ended::Final(FetchError::Size { url, expected, found }));
                }
            }
            206 => {
                let start = header("content-range")
                    .and_then(|range| range.trim().strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok());
                if start != Some(part.size) {
                    part.restart().map_err(|source| Ended::Final(write(source)))?;
                    return Err(Ended::Transient("the server sent another range than the one asked for".into(), None));
                }
                part.resumed = true;
            }
            416 => {
                part.restart().map_err(|source| Ended::Final(write(source)))?;
                return Err(Ended::Transient("the server has less of the file than it sent before".into(), None));
            }
            404 | 410 => return Err(Ended::Final(FetchError::Missing { url: shown.to_string() })),
            408 | 425 | 429 | 500..=599 => {
                let pause = header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
                return Err(Ended::Transient(format!("HTTP status {status}"), pause));
            }
            _ => return Err(Ended::Final(FetchError::Refused { url: shown.to_string(), status })),
        }
        let mut body = response.body_mut().as_reader();
        copy(&mut body, part, bound, shown, write, advance)?
            .map_err(|error| Ended::Transient(cut(part.size, bound, &error.to_string()), None))?;
        match bound.exact {
            Some(expected) if part.size < expected => {
                Err(Ended::Transient(cut(part.size, bound, "the connection was closed"), None))
            }
            _ => Ok(()),
        }
    }
}

fn agent(settings: &HttpSettings, proxy: Option<&str>) -> ureq::Agent {
    let environment = if settings.environment_proxies { ureq::Proxy::try_from_env() } else { None };
    let proxy = environment.or_else(|| ureq::Proxy::new(proxy?).ok());
    ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .proxy(proxy)
        .http_status_as_error(false)
        .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
        .max_idle_connections_per_host(16)
        .timeout_connect(Some(settings.silence))
        .timeout_recv_response(Some(settings.silence))
        .timeout_per_read(Some(settings.silence))
        .build()
        .new_agent()
}

fn cut(size: u64, bound: Bound, reason: &str) -> String {
    match bound.exact {
        Some(expected) => format!("{reason} after {size} of {expected} bytes"),
        None => format!("{reason} after {size} bytes"),
    }
}

/// Passes bytes on until the end; the inner error is the reader's.
fn copy<W: Sink>(
    reader: &mut dyn Read,
    part: &mut Part<W>,
    bound: Bound,
    shown: &dyn std::fmt::Display,
    write: &dyn Fn(io::Error) -> FetchError,
    advance: &dyn Fn(u64),
) -> Result<io::Result<()>, Ended> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(Ok(())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(error)),
        };
        if part.size + count as u64 > bound.limit {
            return Err(Ended::Final(FetchError::Size {
                url: shown.to_string(),
                expected: bound.limit,
                found: format!("more than {}", bound.limit),
            }));
        }
        part.take(buffer.get(..count).unwrap_or_default()).map_err(|source| Ended::Final(write(source)))?;
        if part.size > part.reported {
            advance(part.size - part.reported);
            part.reported = part.size;
        }
    }
}

/// Which errors of a request may pass.
fn of_ureq(shown: &Location, error: ureq::Error) -> Ended {
    use ureq::Error;
    match error {
        Error::Io(error) => Ended::Transient(error.to_string(), None),
        Error::Timeout(_) | Error::HostNotFound | Error::ConnectionFailed | Error::Protocol(_) => {
            Ended::Transient(error.to_string(), None)
        }
        other => {
            Ended::Final(FetchError::Unreachable { url: shown.to_string(), reason: other.to_string(), attempts: 1 })
        }
    }
}

/// The file in the cache, where it is there and whole.
fn find_whole(cache: &Cache, wanted: &Wanted<'_>) -> Option<PathBuf> {
    let path = cache.find(wanted.area, &wanted.digest)?;
    let mut file = File::open(&path).ok()?;
    let size = file.metadata().ok()?.len();
    (size == wanted.size && Digest::of_reader(&mut file).ok()?.0 == wanted.digest).then_some(path)
}
