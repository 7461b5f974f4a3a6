//! `Packages` indexes, read a stanza at a time: Debian's has 65,000 of them and 50 MB.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use crate::digest::Digest;
use crate::name::PackageName;

use super::record::{Field, MultiArch, PackageRecord, Priority, Relations, SuiteFacts};
use super::release::Form;

/// An index that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is cut or not compressed as its name says.
    #[error("it cannot be unpacked: {0}")]
    Unpack(#[from] io::Error),
    /// A stanza lacks what every package has.
    #[error("the package `{package}` that ends at line {line} has no usable `{field}`")]
    Field {
        /// `Package`, as far as it is known.
        package: String,
        /// Of the stanza's end, counted from 1.
        line: usize,
        /// Its name.
        field: &'static str,
    },
}

/// No index unpacks to more than this many bytes.
const LIMIT: u64 = 2 << 30;

/// What an index holds.
#[derive(Debug, Default)]
pub struct Index {
    /// In the order of the file.
    pub packages: Vec<PackageRecord>,
    /// Names that are no package names, and so can be asked for by nobody.
    pub skipped: Vec<String>,
}

impl Index {
    /// Reads a compressed index. Packages of other arches than `arch` and `all` are left out.
    pub fn read(packed: impl Read, form: Form, arch: &str, suite: &Arc<SuiteFacts>) -> Result<Self, IndexError> {
        let packed = BufReader::with_capacity(64 << 10, packed);
        match form {
            Form::Plain => Self::parse(packed.take(LIMIT), arch, suite),
            Form::Gz => Self::parse(buffered(flate2::bufread::MultiGzDecoder::new(packed)), arch, suite),
            Form::Xz => Self::parse(buffered(liblzma::bufread::XzDecoder::new_multi_decoder(packed)), arch, suite),
        }
    }

    /// Reads an index's text.
    pub fn parse(mut text: impl BufRead, arch: &str, suite: &Arc<SuiteFacts>) -> Result<Self, IndexError> {
        let mut index = Self::default();
        let mut stanza = Vec::with_capacity(4 << 10);
        let mut line = 0;
        loop {
            let start = stanza.len();
            let count = text.read_until(b'\n', &mut stanza)?;
            line += usize::from(count > 0);
            let blank = stanza.get(start..).unwrap_or_default().iter().all(u8::is_ascii_whitespace);
            if blank {
                stanza.truncate(start);
                if !stanza.is_empty() {
                    index.take(&String::from_utf8_lossy(&stanza), line, arch, suite)?;
                    stanza.clear();
                }
            }
            if count == 0 {
                return Ok(index);
            }
        }
    }

    fn take(&mut self, stanza: &str, line: usize, arch: &str, suite: &Arc<SuiteFacts>) -> Result<(), IndexError> {
        let fields = Fields::of(stanza);
        let missing = |field| IndexError::Field { package: fields.package.trim().to_owned(), line, field };
        if fields.package.is_empty() {
            return Err(missing("Package"));
        }
        if fields.architecture != arch && fields.architecture != "all" {
            return if fields.architecture.is_empty() { Err(missing("Architecture")) } else { Ok(()) };
        }
        let Ok(name) = PackageName::new(fields.package) else {
            self.skipped.push(fields.package.to_owned());
            return Ok(());
        };
        if fields.version.is_empty() || fields.version.contains(char::is_whitespace) {
            return Err(missing("Version"));
        }
        // A path that leaves the archive names nothing in it.
        let inside = |path: &&str| !path.starts_with('/') && !path.split('/').any(|part| part == "..");
        let path = Some(fields.filename).filter(|path| !path.is_empty()).filter(inside);
        let record = PackageRecord {
            source: source(fields.source, &name, fields.version),
            version: fields.version.to_owned(),
            arch: fields.architecture.to_owned(),
            relations: Relations::new(|field| fields.relations.get(field as usize).copied()),
            essential: fields.essential.eq_ignore_ascii_case("yes"),
            multi_arch: MultiArch::parse(fields.multi_arch),
            priority: Priority::parse(fields.priority),
            path: path.ok_or_else(|| missing("Filename"))?.trim_start_matches("./").to_owned(),
            size: fields.size.parse().map_err(|_| missing("Size"))?,
            installed_size: fields.installed_size.parse().unwrap_or(0),
            sha256: Digest::from_hex(fields.sha256).map_err(|_| missing("SHA256"))?,
            suite: Arc::clone(suite),
            name,
        };
        self.packages.push(record);
        Ok(())
    }
}

fn buffered(reader: impl Read) -> impl BufRead {
    BufReader::with_capacity(64 << 10, reader.take(LIMIT))
}

/// `Source: name (version)`; both default to the package's own (Debian Policy 5.6.1).
pub(crate) fn source(field: &str, name: &PackageName, version: &str) -> (PackageName, String) {
    let (source, rest) = field.split_once('(').unwrap_or((field, ""));
    let version = rest.split_once(')').map_or(version, |(inner, _)| inner.trim());
    (PackageName::new(source.trim()).unwrap_or_else(|_| name.clone()), version.to_owned())
}

/// The values that a record is made from; empty where a field is missing.
#[derive(Default)]
struct Fields<'a> {
    package: &'a str,
    version: &'a str,
    architecture: &'a str,
    source: &'a str,
    essential: &'a str,
    multi_arch: &'a str,
    priority: &'a str,
    filename: &'a str,
    size: &'a str,
    installed_size: &'a str,
    sha256: &'a str,
    relations: [&'a str; 7],
}

impl<'a> Fields<'a> {
    fn of(stanza: &'a str) -> Self {
        let mut fields = Self::default();
        let mut rest = stanza;
        while !rest.is_empty() {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            let here = rest;
            rest = after;
            let Some((name, value)) = line.split_once(':') else { continue };
            let Some(place) = fields.place(name) else { continue };
            // A value goes on where lines start with white space.
            let mut end = line.len();
            while rest.starts_with([' ', '\t']) {
                let (more, next) = rest.split_once('\n').unwrap_or((rest, ""));
                end += 1 + more.len();
                rest = next;
            }
            let from = line.len() - value.len();
            *place = here.get(from..end).unwrap_or(value).trim();
        }
        fields
    }

    /// Where the value of a field goes. Names are compared without case, after their first letter and length.
    fn place(&mut self, name: &str) -> Option<&mut &'a str> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let relation = |field: Field| is(field.as_str()).then_some(field as usize);
        let place = match (name.as_bytes().first()?.to_ascii_lowercase(), name.len()) {
            (b'p', 7) if is("Package") => &mut self.package,
            (b'v', 7) if is("Version") => &mut self.version,
            (b'a', 12) if is("Architecture") => &mut self.architecture,
            (b's', 6) if is("Source") => &mut self.source,
            (b's', 6) if is("SHA256") => &mut self.sha256,
            (b's', 4) if is("Size") => &mut self.size,
            (b'f', 8) if is("Filename") => &mut self.filename,
            (b'e', 9) if is("Essential") => &mut self.essential,
            (b'm', 10) if is("Multi-Arch") => &mut self.multi_arch,
            (b'p', 8) if is("Priority") => &mut self.priority,
            (b'i', 14) if is("Installed-Size") => &mut self.installed_size,
            (b'p' | b'd' | b'r' | b'c' | b'b', 6..=11) => {
                let at = Field::ALL.into_iter().find_map(relation)?;
                self.relations.get_mut(at)?
            }
            _ => return None,
        };
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> Result<Index, IndexError> {
        Index::parse(text.as_bytes(), "amd64", &Arc::new(SuiteFacts::default()))
    }

    fn stanza(extra: &str) -> String {
        format!(
            "Package: hello\nVersion: 1:2-3\nArchitecture: amd64\nFilename: pool/h.deb\nSize: 5\nSHA256: {HEX}\n{extra}\n"
        )
    }

    #[test]
    fn a_stanza_without_what_every_package_has_is_refused() {
        for field in ["Version", "Filename", "Size", "SHA256", "Architecture"] {
            let text: String =
                stanza("").lines().filter(|line| !line.starts_with(field)).map(|line| format!("{line}\n")).collect();
            let error = read(&text).unwrap_err().to_string();
            assert_eq!(error, format!("the package `hello` that ends at line 6 has no usable `{field}`"));
        }
        let out = stanza("").replace("pool/h.deb", "pool/../../etc/passwd");
        assert!(read(&out).is_err());
        assert!(Index::read(&b"\xfd7zXZ\0cut"[..], Form::Xz, "amd64", &Arc::default()).is_err());
    }

    #[test]
    fn fields_are_read_whatever_their_case_and_lines() {
        let index = read(&stanza(
            "depends: a,\n b (>= 1),\n\tc\nDescription: no\n Depends: not this\nSource: hi (4)\nPRIORITY: required\nEssential: yes\nMulti-Arch: same\nProvides: x\nInstalled-Size: 7\n",
        ))
        .unwrap();
        let record = &index.packages[0];
        assert_eq!(record.relations.get(Field::Depends), Some("a,\n b (>= 1),\n\tc"));
        assert_eq!(record.relations.get(Field::Provides), Some("x"));
        assert_eq!(record.source, (PackageName::new("hi").unwrap(), "4".to_owned()));
        assert_eq!((record.priority, record.essential, record.multi_arch), (Priority::Required, true, MultiArch::Same));
        assert_eq!((record.size, record.installed_size), (5, 7));
    }

    #[test]
    fn stanzas_are_parted_by_blank_lines_and_the_last_needs_none() {
        let other = stanza("").replace("amd64", "all").replace("hello", "other");
        let text = format!("\n{}\n\n{}", stanza(""), other.trim_end());
        let names: Vec<_> = read(&text).unwrap().packages.into_iter().map(|record| record.name.to_string()).collect();
        assert_eq!(names, ["hello", "other"]);
    }

    #[test]
    fn foreign_packages_are_left_out_and_odd_names_are_told() {
        let index =
            read(&format!("{}\n{}", stanza("").replace("amd64", "i386"), stanza("").replace("hello", "Hello_World")))
                .unwrap();
        assert!(index.packages.is_empty());
        assert_eq!(index.skipped, ["Hello_World"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(Package|Size|Depends|\\PC{0,3})(: ?\\PC{0,5})?(\n[ ]?\\PC{0,9}){0,9}") {
            let _ = read(&text);
        }
    }
}
