//! YAML and JSON: what reads is written in a form that reads the same.
#![no_main]
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use wharf::config::document::{Document, Syntax};

fuzz_target!(|text: &str| {
    let name = Arc::from("fuzz");
    for syntax in [Syntax::Json, Syntax::Yaml] {
        if let Ok(document) = Document::parse(syntax, &name, text) {
            assert_eq!(Document::parse(syntax, &name, &document.render()).as_ref(), Ok(&document));
            let _ = document.settings();
            let mut merged = document.clone();
            let _ = merged.merge(document.root());
        }
    }
});
