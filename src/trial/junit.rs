//! JUnit XML, as CI systems read it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Case, Outcome};

/// One `testsuite` per image, distro and arch, in order.
pub fn junit(cases: &[Case]) -> String {
    let mut suites: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        suites.entry(format!("{}:{}-{}", case.image, case.distro, case.arch)).or_default().push(case);
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (suite, cases) in suites {
        let failures = cases.iter().filter(|case| case.outcome != Outcome::Passed).count();
        let time: f64 = cases.iter().map(|case| case.seconds).sum();
        let suite = escape(&suite);
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{suite}\" tests=\"{}\" failures=\"{failures}\" time=\"{time:.3}\">",
            cases.len()
        );
        for case in cases {
            let name = escape(&case.name);
            let _ = write!(xml, "    <testcase classname=\"{suite}\" name=\"{name}\" time=\"{:.3}\"", case.seconds);
            match &case.outcome {
                Outcome::Passed => xml.push_str("/>\n"),
                Outcome::Failed { why, output } => {
                    let _ = writeln!(
                        xml,
                        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                        escape(why),
                        escape(output)
                    );
                }
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// XML 1.0 text: the five entities; characters that XML cannot hold become `?`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' | '\n' | '\r' => escaped.push(char),
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => escaped.push('?'),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_suite_per_image_and_escapes_what_was_printed() {
        let case = |name: &str, outcome| Case {
            image: "memcached".parse().unwrap(),
            distro: "debian-trixie".parse().unwrap(),
            arch: "x86_64".parse().unwrap(),
            name: name.to_owned(),
            outcome,
            seconds: 0.25,
        };
        let failed = Outcome::Failed { why: "`<x>` is not there".to_owned(), output: "a & b\u{1b}[0m\n".to_owned() };
        insta::assert_snapshot!(junit(&[case("starts", Outcome::Passed), case("stops", failed)]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
          <testsuite name="memcached:debian-trixie-x86_64" tests="2" failures="1" time="0.500">
            <testcase classname="memcached:debian-trixie-x86_64" name="starts" time="0.250"/>
            <testcase classname="memcached:debian-trixie-x86_64" name="stops" time="0.250">
              <failure message="`&lt;x&gt;` is not there">a &amp; b?[0m
        </failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
