//! What integration tests share: .debs, signed archives and an HTTP server, all made on the spot.
#![allow(dead_code)]

pub mod archive;
pub mod deb;
pub mod key;
pub mod place;
pub mod podman;
pub mod server;

/// Whether a test that lacks something may leave: it may not under CI. Says aloud what is missing.
pub fn skip(what: &str) {
    eprintln!("skipped: {what}");
    assert!(std::env::var_os("CI").is_none(), "under CI nothing is skipped: {what}");
}
