//! Fetching from a server that misbehaves, and into a cache that does.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wharf::digest::Digest;
use wharf::fetch::{Area, Cache, FetchError, Http, HttpSettings, Location, Wanted};

use super::support::server::{Fault, Server};

const PATH: &str = "/pool/g%2B%2B.deb";

struct Scene {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    cache: Cache,
    server: Server,
    http: Http,
    advanced: AtomicU64,
}

fn settings() -> HttpSettings {
    HttpSettings {
        environment_proxies: false,
        attempts: 3,
        pause: Duration::from_millis(1),
        silence: Duration::from_millis(400),
        ..HttpSettings::default()
    }
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        std::fs::create_dir(folder.path().join("pool")).unwrap();
        std::fs::write(folder.path().join("pool/g++.deb"), &bytes).unwrap();
        Self {
            cache: Cache::open(&folder.path().join("cache")).unwrap(),
            server: Server::new(folder.path()),
            http: Http::new(settings()),
            bytes,
            folder,
            advanced: AtomicU64::new(0),
        }
    }

    fn wanted(&self) -> Wanted<'static> {
        Wanted { what: "g++.deb", area: Area::Deb, digest: Digest::of(&self.bytes), size: self.bytes.len() as u64 }
    }

    fn place(&self) -> Location {
        Location::parse(&self.server.url()).unwrap().join("pool/g++.deb")
    }

    fn fetch_from(&self, places: &[Location]) -> Result<PathBuf, FetchError> {
        self.http
            .download(&self.cache, &self.wanted(), places, &|count| {
                self.advanced.fetch_add(count, Ordering::SeqCst);
            })
            .map(|fetched| fetched.path)
    }

    fn fetch(&self) -> Result<PathBuf, FetchError> {
        self.fetch_from(&[self.place()])
    }

    /// The message of the error, with the port taken out, and nothing left in the cache.
    fn fails(&self) -> String {
        let message = self.fetch().unwrap_err().to_string();
        self.nothing_is_left();
        message.replace(&self.server.url(), "http://mirror")
    }

    fn nothing_is_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.folder.path().join("cache/debs")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    fn succeeds(&self) {
        let path = self.fetch().unwrap();
        assert_eq!(std::fs::read(path).unwrap(), self.bytes);
        assert_eq!(self.advanced.load(Ordering::SeqCst), self.bytes.len() as u64);
    }
}

#[test]
fn a_missing_file_is_not_tried_again() {
    let scene = Scene::new();
    scene.server.fault(PATH, Fault::Status(404));
    insta::assert_snapshot!(scene.fails(), @"http://mirror/pool/g%2B%2B.deb does not exist");
    assert_eq!(scene.server.requests().len(), 1);
}

#[test]
fn a_refusal_is_not_tried_again() {
    let scene = Scene::new();
    scene.server.fault(PATH, Fault::Status(403));
    insta::assert_snapshot!(scene.fails(), @"http://mirror/pool/g%2B%2B.deb was refused with HTTP status 403");
    assert_eq!(scene.server.requests().len(), 1);
}

#[test]
fn an_announced_length_that_is_wrong_is_refused_before_a_byte_is_read() {
    let scene = Scene::new();
    scene.server.fault(PATH, Fault::Bytes(b"<html>log in</html>".to_vec()));
    insta::assert_snapshot!(scene.fails(), @"http://mirror/pool/g%2B%2B.deb has 19 bytes, expected 800000");
}

#[test]
fn no_more_is_read_than_the_index_says() {
    let scene = Scene::new();
    scene.server.fault(PATH, Fault::Endless(vec![0; 1_000_000]));
    insta::assert_snapshot!(scene.fails(), @"http://mirror/pool/g%2B%2B.deb has more than 800000 bytes, expected 800000");
    assert!(scene.advanced.load(Ordering::SeqCst) <= 800_000);
}

#[test]
fn a_file_of_the_right_length_and_wrong_bytes_is_refused() {
    let scene = Scene::new();
    scene.server.fault(PATH, Fault::Bytes(vec![7; scene.bytes.len()]));
    insta::assert_snapshot!(scene.fails(), @"http://mirror/pool/g%2B%2B.deb is not the expected file: its sha256 is eb8f9fc9085b9264569e06c465dd34967471bf07ce7662ba01b0cc8ea35acdf8, expected 2fadeb03b6d797daf4d2a3fdfdbe5662d50eaa343fc153b249894a336bf0ebba");
}

#[test]
fn a_server_that_stays_broken_is_given_up() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.server.fault(PATH, Fault::Status(503));
    }
    insta::assert_snapshot!(scene.fails(), @"http://mirror/pool/g%2B%2B.deb cannot be fetched: HTTP status 503 (3 attempts)");
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.server.fault(PATH, Fault::Slow(Duration::from_secs(3)));
    }
    let start = Instant::now();
    assert!(matches!(scene.fetch(), Err(FetchError::Unreachable { attempts: 3, .. })));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn nobody_listening_is_said_so() {
    let scene = Scene::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = Location::parse(&format!("http://127.0.0.1:{port}/a.deb")).unwrap();
    let message = scene.fetch_from(&[nowhere]).unwrap_err().to_string().replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(message, @"http://127.0.0.1:PORT/a.deb cannot be fetched: Connection refused (os error 111) (3 attempts)");
}

#[test]
fn a_busy_server_is_waited_for_as_long_as_it_says() {
    let scene = Scene::new();
    scene.server.fault(PATH, Fault::RetryAfter(429, 1));
    let start = Instant::now();
    scene.succeeds();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_cut_download_goes_on_where_it_ended() {
    let scene = Scene::new();
    // More cuts than attempts: each brings something, so none is a failure in a row.
    for _ in 0..5 {
        scene.server.fault(PATH, Fault::Cut(100_000));
    }
    scene.succeeds();
    let requests = scene.server.requests();
    assert_eq!(requests.first().unwrap(), "GET /pool/g%2B%2B.deb");
    assert_eq!(requests.last().unwrap(), "GET /pool/g%2B%2B.deb bytes=500000-");
}

#[test]
fn a_server_without_ranges_starts_anew() {
    let scene = Scene::new();
    scene.server.fault(PATH, Fault::Cut(100_000));
    scene.server.fault(PATH, Fault::Whole);
    scene.succeeds();
}

#[test]
fn pieces_of_two_versions_are_not_put_together() {
    let scene = Scene::new();
    // The first answer is of another version of the same length: the whole is wrong, and fetched once more.
    let mut other = vec![9; 700_000];
    other.truncate(300_000);
    scene.server.fault(PATH, Fault::Endless(other));
    scene.succeeds();
    assert_eq!(scene.server.requests().len(), 3);
}

#[test]
fn the_next_place_is_asked_when_one_fails() {
    let scene = Scene::new();
    let path = scene.fetch_from(&[
        Location::parse(&scene.server.url()).unwrap().join("none.deb"),
        Location::parse(&scene.folder.path().join("nowhere").to_string_lossy()).unwrap(),
        Location::parse(&scene.folder.path().join("pool/g++.deb").to_string_lossy()).unwrap(),
    ]);
    assert!(path.is_ok());
    let other = Scene::new();
    let error = other.fetch_from(&[other.place().join("x"), other.place().join("y")]).unwrap_err();
    assert!(error.is_missing());
    insta::assert_snapshot!(error, @"g++.deb could not be fetched from any of 2 places");
}

#[test]
fn offline_takes_the_cache_and_folders_only() {
    let mut scene = Scene::new();
    scene.http = Http::new(HttpSettings { offline: true, ..settings() });
    insta::assert_snapshot!(scene.fails(), @"g++.deb is not in the cache, and `--offline` forbids to fetch it");
    assert!(scene.server.requests().is_empty());
    let disk = Location::Folder(scene.folder.path().join("pool/g++.deb"));
    assert!(scene.fetch_from(&[scene.place(), disk]).is_ok());
    assert!(scene.fetch().is_ok());
}

#[test]
fn a_spoilt_file_of_the_cache_is_fetched_again() {
    let scene = Scene::new();
    let path = scene.fetch().unwrap();
    let mut bytes = scene.bytes.clone();
    bytes[5] ^= 1;
    for spoilt in [bytes, Vec::new()] {
        std::fs::write(&path, spoilt).unwrap();
        scene.server.requests();
        assert_eq!(std::fs::read(scene.fetch().unwrap()).unwrap(), scene.bytes);
        assert_eq!(scene.server.requests().len(), 1);
    }
    scene.fetch().unwrap();
    assert!(scene.server.requests().is_empty());
}

#[test]
fn many_threads_fetch_a_file_once() {
    let scene = Scene::new();
    scene.server.fault(PATH, Fault::Slow(Duration::from_millis(100)));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| scene.fetch().unwrap());
        }
    });
    assert_eq!(scene.server.requests().len(), 1);
}

#[test]
fn small_files_are_bounded_too() {
    let scene = Scene::new();
    assert_eq!(scene.http.read(&scene.place(), 800_000).unwrap(), scene.bytes);
    assert!(matches!(scene.http.read(&scene.place(), 799_999), Err(FetchError::Size { .. })));
    scene.server.fault(PATH, Fault::Cut(10));
    assert_eq!(scene.http.read(&scene.place(), 800_000).unwrap(), scene.bytes);
}
