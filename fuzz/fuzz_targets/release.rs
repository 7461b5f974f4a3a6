//! Release files, their signatures, and keyrings.
#![no_main]
use libfuzzer_sys::fuzz_target;
use wharf::deb::{Keyring, Release};

fuzz_target!(|bytes: &[u8]| {
    let _ = Keyring::parse(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Release::parse(text);
    }
});
