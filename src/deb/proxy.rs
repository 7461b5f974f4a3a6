//! The proxies of the build host's apt (apt.conf(5), apt-transport-http(1)).

use std::path::{Path, PathBuf};

use crate::fetch::Proxies;

/// The proxies that texts of apt.conf(5) name; of several words for one the last counts.
pub(super) fn proxies<'a>(texts: impl IntoIterator<Item = &'a str>) -> Proxies {
    let (mut http, mut https) = (None, None);
    for (key, value) in texts.into_iter().flat_map(settings) {
        match key.as_str() {
            "acquire::http::proxy" => http = Some(value),
            "acquire::https::proxy" => https = Some(value),
            _ => {}
        }
    }
    let https = https.or_else(|| http.clone());
    let named =
        |proxy: Option<String>| proxy.filter(|proxy| !proxy.is_empty() && !proxy.eq_ignore_ascii_case("direct"));
    Proxies { http: named(http), https: named(https) }
}

/// Files of settings below `etc`, in the order in which apt reads them.
pub(super) fn files(etc: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(etc.join("apt.conf.d")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_none_or(|ending| ending == "conf") && path.is_file()).collect();
    files.sort();
    files.push(etc.join("apt.conf"));
    files
}

/// Every setting with a value, keys whole and in small letters.
fn settings(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut scopes, mut words): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut chars = text.chars().peekable();
    let mut at_start = true;
    while let Some(c) = chars.next() {
        let begins_line = at_start;
        at_start = c == '\n' || (at_start && c.is_whitespace());
        match (c, chars.peek()) {
            // `#clear` and `#include` set no proxy.
            ('#', _) if begins_line => skip_line(&mut chars, &mut at_start),
            ('/', Some('/')) => skip_line(&mut chars, &mut at_start),
            ('/', Some('*')) => {
                let mut last = ' ';
                chars.next();
                for c in chars.by_ref() {
                    if (last, c) == ('*', '/') {
                        break;
                    }
                    last = c;
                }
            }
            ('"', _) => words.push(chars.by_ref().take_while(|c| *c != '"').collect()),
            ('{', _) => {
                scopes.push(std::mem::take(&mut words).into_iter().next().unwrap_or_default());
            }
            ('}', _) => {
                words.clear();
                scopes.pop();
            }
            (';', _) => {
                let mut words = std::mem::take(&mut words).into_iter();
                if let (Some(name), Some(value)) = (words.next(), words.next()) {
                    let key: Vec<&str> = scopes.iter().map(String::as_str).chain([name.as_str()]).collect();
                    found.push((key.join("::").to_ascii_lowercase(), value));
                }
            }
            (c, _) if c.is_whitespace() => {}
            (c, _) => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !matches!(c, '"' | '{' | '}' | ';')) {
                    word.push(c);
                }
                words.push(word);
            }
        }
    }
    found
}

fn skip_line(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, at_start: &mut bool) {
    while chars.next_if(|c| *c != '\n').is_some() {}
    *at_start = true;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> (Option<String>, Option<String>) {
        let Proxies { http, https } = proxies([text]);
        (http, https)
    }

    #[test]
    fn comments_and_other_settings_name_no_proxy() {
        let text = "// Acquire::http::Proxy \"http://a/\";\n# Acquire::http::Proxy \"http://b/\";\n/* Acquire::http::Proxy\n \"http://c/\"; */\nAPT::Install-Recommends \"false\";\nAcquire::http { Proxy-Auto-Detect \"/x\"; Proxy::deb.example \"http://d/\"; };\nDPkg::Post-Invoke { \"rm -f /x || true\"; };\n";
        assert_eq!(of(text), (None, None));
    }

    #[test]
    fn both_hands_are_read_and_https_goes_the_way_of_http_unless_told() {
        let proxy = Some("http://proxy.example:3128/".to_owned());
        assert_eq!(of("Acquire::http::Proxy \"http://proxy.example:3128/\";"), (proxy.clone(), proxy.clone()));
        let nested = "Acquire {\n  HTTP {\n    proxy \"http://proxy.example:3128/\"; // ours\n  };\n  https::Proxy DIRECT;\n};\n";
        assert_eq!(of(nested), (proxy.clone(), None));
        assert_eq!(of("Acquire::https::Proxy \"http://proxy.example:3128/\";"), (None, proxy));
        assert_eq!(of("Acquire::http::Proxy \"http://a/\"; Acquire::http::Proxy \"\";"), (None, None));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(Acquire|::|\\{|\\}|;|\"|/\\*|//|#|\n| |\\PC){0,30}") {
            let _ = of(&text);
        }
    }
}
