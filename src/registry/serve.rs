//! A store as a registry on the loopback: what is asked for by digest is given, nothing is taken.
//!
//! Hosts see it through their ssh connection; podman pulls from it what it lacks, layer by layer, and keeps names and digests.

use std::io::{self, Cursor, Read, Write as _};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tiny_http::{HTTPVersion, Header, Method, Request, Response, Server, StatusCode};

use crate::digest::Digest;
use crate::oci::Store;

/// How many requests are answered at once. A host's podman asks for three layers at a time (containers-image's own limit is
/// six).
const WORKERS: usize = 32;
/// The largest manifest that registries have to take (OCI distribution spec 1.1, "Pushing Manifests").
const MANIFEST: u64 = 4 << 20;

/// A registry that is up until it is dropped.
pub struct Served {
    server: Arc<Server>,
    workers: Vec<JoinHandle<()>>,
    port: u16,
}

impl Served {
    /// Its port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        for _ in &self.workers {
            self.server.unblock();
        }
        for worker in self.workers.drain(..) {
            // A panic there has ended one answer.
            let _ = worker.join();
        }
    }
}

/// Serves a store on a free port of the loopback.
///
/// # Errors
/// Where no port is free.
pub fn serve(store: Arc<Store>) -> io::Result<Served> {
    let server = Server::http((Ipv4Addr::LOCALHOST, 0)).map_err(io::Error::other)?;
    let port = server.server_addr().to_ip().map(|address| address.port());
    let port = port.ok_or_else(|| io::Error::other("the server has no port"))?;
    let server = Arc::new(server);
    let workers = (0..WORKERS).map(|_| {
        let (server, store) = (Arc::clone(&server), Arc::clone(&store));
        thread::spawn(move || {
            while let Ok(request) = server.recv() {
                answer(request, &store);
            }
        })
    });
    Ok(Served { workers: workers.collect(), server, port })
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Whether this is a registry.
    Base,
    Manifest(Digest),
    Blob(Digest),
    /// What is not served.
    Other,
}

/// `/v2/`, `/v2/NAME/manifests/DIGEST`, `/v2/NAME/blobs/DIGEST`. Any name has all that the store has.
fn asked(url: &str) -> Asked {
    let path = url.split('?').next().unwrap_or_default();
    let Some(rest) = path.strip_prefix("/v2/") else { return Asked::Other };
    if rest.is_empty() {
        return Asked::Base;
    }
    let mut parts = rest.rsplitn(3, '/');
    let digest = parts.next().and_then(|digest| digest.parse::<Digest>().ok());
    match (parts.next(), digest, parts.next()) {
        (Some("manifests"), Some(digest), Some(_)) => Asked::Manifest(digest),
        (Some("blobs"), Some(digest), Some(_)) => Asked::Blob(digest),
        _ => Asked::Other,
    }
}

/// Answers by HTTP 1.0, after which the connection ends (RFC 9112, 9.3). One that is kept has a thread of tiny_http to
/// itself, and of several that come at once some wait until another one's is free: podman keeps them for 90 s.
fn give(request: Request, response: Response<impl Read>) -> io::Result<()> {
    let (asked, is_head) = (request.headers().to_vec(), *request.method() == Method::Head);
    let mut writer = request.into_writer();
    response.raw_print(&mut writer, HTTPVersion(1, 0), &asked, is_head, None)?;
    writer.flush()
}

fn answer(request: Request, store: &Store) {
    // Whoever asked may have gone.
    let _ = match (request.method(), asked(request.url())) {
        (Method::Get | Method::Head, Asked::Base) => give(request, Response::from_string("{}")),
        (Method::Get | Method::Head, Asked::Manifest(digest)) => manifest(request, store, &digest),
        (Method::Get | Method::Head, Asked::Blob(digest)) => match store.open_blob(&digest) {
            Ok(file) => {
                let length = file.metadata().ok().and_then(|metadata| usize::try_from(metadata.len()).ok());
                let headers = headers("application/octet-stream", &digest);
                give(request, Response::new(StatusCode(200), headers, file, length, None))
            }
            Err(_) => unknown(request, "BLOB_UNKNOWN"),
        },
        (_, Asked::Other) => unknown(request, "NAME_UNKNOWN"),
        _ => give(request, Response::empty(405)),
    };
}

fn manifest(request: Request, store: &Store, digest: &Digest) -> io::Result<()> {
    let small =
        store.open_blob(digest).ok().and_then(|file| file.metadata().ok()).is_some_and(|data| data.len() <= MANIFEST);
    let bytes = if small { store.read(digest).ok() } else { None };
    let kind = bytes.as_ref().and_then(|bytes| {
        let document: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        document.get("mediaType")?.as_str().map(str::to_owned)
    });
    match (bytes, kind) {
        (Some(bytes), Some(kind)) => {
            let length = bytes.len();
            let headers = headers(&kind, digest);
            give(request, Response::new(StatusCode(200), headers, Cursor::new(bytes), Some(length), None))
        }
        _ => unknown(request, "MANIFEST_UNKNOWN"),
    }
}

fn headers(kind: &str, digest: &Digest) -> Vec<Header> {
    let digest = digest.to_string();
    let header = |name: &str, value: &str| Header::from_bytes(name.as_bytes(), value.as_bytes()).ok();
    [
        header("Content-Type", kind),
        header("Docker-Content-Digest", &digest),
        header("Docker-Distribution-Api-Version", "registry/2.0"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// OCI distribution spec 1.1, "Error Codes".
fn unknown(request: Request, code: &str) -> io::Result<()> {
    let text = format!("{{\"errors\":[{{\"code\":\"{code}\"}}]}}");
    give(request, Response::from_string(text).with_status_code(404))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    fn get(port: u16, method: &str, path: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(bytes[..at].to_vec()).unwrap(), bytes[at + 4..].to_vec())
    }

    #[test]
    fn what_is_in_the_store_is_given_by_digest_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let blob = store.put_bytes("application/octet-stream", b"bytes of a layer").unwrap();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = store.put(kind, &serde_json::json!({"schemaVersion": 2, "mediaType": kind})).unwrap();
        let served = serve(Arc::clone(&store)).unwrap();
        let ask = |method, path: &str| get(served.port(), method, path);
        assert!(ask("GET", "/v2/").0.starts_with("HTTP/1.0 200"));
        let (head, body) = ask("GET", &format!("/v2/a/b/blobs/{}", blob.digest));
        assert!(head.contains("200 OK") && head.contains("Content-Length: 16"), "{head}");
        assert_eq!(body, b"bytes of a layer");
        let (head, body) = ask("HEAD", &format!("/v2/a/blobs/{}", blob.digest));
        assert!(head.contains("200 OK") && body.is_empty(), "{head}");
        let (head, _) = ask("GET", &format!("/v2/a/manifests/{}", manifest.digest));
        assert!(head.contains(kind) && head.contains(&manifest.digest.to_string()), "{head}");
        let nothing = Digest::of(b"nothing");
        for path in [
            format!("/v2/a/blobs/{nothing}"),
            format!("/v2/a/manifests/{nothing}"),
            // A blob that is no manifest is none.
            format!("/v2/a/manifests/{}", blob.digest),
            "/v2/a/manifests/latest".to_owned(),
            "/v2/a/blobs/../../etc/passwd".to_owned(),
            "/".to_owned(),
        ] {
            assert!(ask("GET", &path).0.starts_with("HTTP/1.0 404"), "{path}");
        }
        for method in ["PUT", "POST", "DELETE"] {
            assert!(ask(method, &format!("/v2/a/blobs/{}", blob.digest)).0.starts_with("HTTP/1.0 405"), "{method}");
        }
    }

    #[test]
    fn whoever_keeps_a_connection_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let served = serve(Arc::new(Store::open(folder.path()).unwrap())).unwrap();
        let open = |_| TcpStream::connect((Ipv4Addr::LOCALHOST, served.port())).unwrap();
        let mut streams: Vec<TcpStream> = (0..40).map(open).collect();
        for stream in &mut streams {
            stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        }
        let mut kept = Vec::new();
        for (number, stream) in streams.into_iter().enumerate() {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap_or_else(|error| panic!("{number}: {error}"));
            // What a client does that would ask for more.
            match line.trim_end() {
                "HTTP/1.1 200 OK" => kept.push(stream),
                other => assert_eq!(other, "HTTP/1.0 200 OK"),
            }
        }
    }
}
