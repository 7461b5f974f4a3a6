//! A .deb: ar, its compressed members, tar, the control file.
#![no_main]
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wharf::deb::{Spool, file};

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let mut spool = Spool::new(folder.path());
    let _ = file::read(Path::new("fuzz.deb"), bytes, bytes.len() as u64, None, &mut spool);
});
