//! What a host answers: frames, facts, the manifest that it keeps.
#![no_main]
use libfuzzer_sys::fuzz_target;
use wharf::host::{Facts, Frames, Generation, Lease};

fuzz_target!(|text: &str| {
    let _ = Generation::read(text);
    let _ = Lease::read(text);
    let mut frames = Frames::new(text.as_bytes());
    let mut read = Vec::new();
    while let Ok(Some(frame)) = frames.read() {
        read.push(frame);
    }
    let _ = Facts::read(&read);
});
