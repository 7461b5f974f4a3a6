//! Control stanzas, and the relations in them.
#![no_main]
use libfuzzer_sys::fuzz_target;
use wharf::deb::{AllOf, Control, Provided, Version};

fuzz_target!(|text: &str| {
    let _ = Control::parse_all(text);
    let _ = AllOf::parse(text);
    let _ = Provided::parse(text);
    let _ = text.parse::<Version>();
});
