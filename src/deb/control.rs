//! Control stanzas (deb822(5), Debian Policy 5): fields in their order, names matched without case.

/// One stanza.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Control {
    fields: Vec<(String, String)>,
}

impl Control {
    /// From fields in order. Values hold continuation lines with their leading space, lines joined by `\n`.
    pub fn new(fields: Vec<(String, String)>) -> Self {
        Self { fields }
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
