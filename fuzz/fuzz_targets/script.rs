//! Maintainer scripts.
#![no_main]
use libfuzzer_sys::fuzz_target;
use wharf::deb::script::Script;
use wharf::estate::ScriptKind;

fuzz_target!(|text: &str| {
    for kind in [ScriptKind::Config, ScriptKind::Preinst, ScriptKind::Postinst, ScriptKind::Triggers] {
        let _ = Script::split(kind, text);
    }
});
