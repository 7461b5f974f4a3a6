//! What a configuration file claims to be.

use std::fmt;
use std::str::FromStr;

use crate::path::ImagePath;
use crate::spec::did_you_mean;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Anything: it is neither read nor merged.
    Text,
    /// INI, as most programs read it.
    Ini,
    /// INI, as oslo.config reads it.
    Oslo,
    /// YAML 1.2, one document.
    Yaml,
    /// JSON (RFC 8259).
    Json,
}

/// A word that is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no format of a file")]
pub struct UnknownFormat {
    /// The word.
    pub word: String,
    /// What to write.
    pub help: String,
}

impl Format {
    /// All, in the order in which messages name them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Ini, Self::Oslo, Self::Yaml, Self::Json];

    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Ini => "ini",
            Self::Oslo => "oslo",
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }

    /// What the name of a file says for sure: `.json`, `.yaml`, `.yml`, `.ini`. A `.conf` can be anything.
    pub fn of_path(path: &ImagePath) -> Option<Self> {
        let (_, suffix) = path.file_name().rsplit_once('.')?;
        match suffix {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "ini" => Some(Self::Ini),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == word).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str);
            let all = format!("the formats are {}", known.map(|name| format!("`{name}`")).join(", "));
            UnknownFormat { word: word.to_owned(), help: did_you_mean(word, known).unwrap_or(all) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_word_gets_the_nearest_or_all() {
        assert_eq!("yml".parse::<Format>().unwrap_err().help, "did you mean `yaml`?");
        let error = "toml".parse::<Format>().unwrap_err();
        assert_eq!(error.to_string(), "`toml` is no format of a file");
        assert_eq!(error.help, "the formats are `text`, `ini`, `oslo`, `yaml`, `json`");
    }

    #[test]
    fn only_sure_suffixes_are_believed() {
        let of = |path: &str| Format::of_path(&ImagePath::new(path).unwrap());
        assert_eq!(of("/etc/x.conf"), None);
        assert_eq!(of("/etc/json"), None);
        assert_eq!(of("/etc/x.yml"), Some(Format::Yaml));
        assert_eq!(of("/etc/policy.json"), Some(Format::Json));
    }

    #[test]
    fn each_format_reads_its_own_word() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }
}
