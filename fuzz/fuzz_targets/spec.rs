//! A project of one KDL file.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let specs = folder.path().join("specs");
    if std::fs::create_dir(&specs).is_ok() && std::fs::write(specs.join("fuzz.kdl"), text).is_ok() {
        let _ = wharf::estate::load(folder.path());
    }
});
