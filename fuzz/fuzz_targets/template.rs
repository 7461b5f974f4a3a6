//! A template of one file, for a file of every format: whatever it says, there is a file or a message.
#![no_main]
use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use wharf::config::{Context, File, Format, Templates};
use wharf::path::ImagePath;

fuzz_target!(|text: &str| {
    let values = serde_json::json!({"self": {"name": "a", "port": 1}, "vars": {"x": ["a b", true, null, {"k": "v"}]}});
    let secrets = BTreeSet::from(["s".to_owned()]);
    let (Some(values), Ok(path)) = (values.as_object(), ImagePath::new("/etc/x")) else { return };
    let Ok(context) = Context::new(values, &BTreeMap::new(), secrets) else { return };
    let templates = Templates::new(BTreeMap::from([("x".to_owned(), text.to_owned())]));
    for format in Format::ALL {
        if let Ok(file) = File::make(&templates, "x", &path, format, &context, &[]) {
            let _ = file.settings();
            let _ = file.reveal(&|_| Some(b"a\"b$ c".to_vec().into()));
        }
    }
});
