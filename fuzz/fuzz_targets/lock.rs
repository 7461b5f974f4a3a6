//! `wharf.lock`: what reads is written as it was read.
#![no_main]
use libfuzzer_sys::fuzz_target;
use wharf::lock::Lock;

fuzz_target!(|text: &str| {
    if let Ok(lock) = text.parse::<Lock>() {
        assert_eq!(lock.to_string().parse(), Ok(lock));
    }
});
