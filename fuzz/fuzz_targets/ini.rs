//! INI files in both dialects: what reads is written as it was read, and is a layer that changes nothing.
#![no_main]
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use wharf::config::ini::{Dialect, Ini};

fuzz_target!(|text: &str| {
    let name = Arc::from("fuzz");
    for dialect in [Dialect::Oslo, Dialect::Plain] {
        if let Ok(ini) = Ini::parse(dialect, &name, text) {
            assert_eq!(Ini::parse(dialect, &name, &ini.render()).as_ref(), Ok(&ini));
            let mut same = ini.clone();
            for change in ini.changes() {
                assert_eq!(same.apply(&change), Ok(false));
            }
        }
    }
});
