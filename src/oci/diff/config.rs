//! Fields of the configuration.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::oci::Configuration;

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// As the configuration names it; keys behind a dot: `config.Env.PATH`, `config.Labels.a`.
    pub field: String,
    /// Before; null where it is not there.
    pub old: Value,
    /// Now; null where it is not there.
    pub new: Value,
}

/// Every field that differs, sorted. `history` and `rootfs` follow from the layers and are left out.
pub(super) fn changes(old: &Configuration, new: &Configuration) -> Result<Vec<FieldChange>, serde_json::Error> {
    let (old, new) = (fields(old)?, fields(new)?);
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |field: &String| {
        let value = |fields: &BTreeMap<String, Value>| fields.get(field).cloned().unwrap_or(Value::Null);
        FieldChange { field: field.clone(), old: value(&old), new: value(&new) }
    };
    Ok(names.into_iter().map(change).filter(|change| change.old != change.new).collect())
}

fn fields(configuration: &Configuration) -> Result<BTreeMap<String, Value>, serde_json::Error> {
    let mut fields = BTreeMap::new();
    let Value::Object(top) = serde_json::to_value(configuration)? else { return Ok(fields) };
    for (name, value) in top {
        match (name.as_str(), value) {
            ("history" | "rootfs", _) => {}
            ("config", Value::Object(config)) => {
                for (name, value) in config {
                    field(&mut fields, &name, value);
                }
            }
            (_, value) => {
                fields.insert(name, value);
            }
        }
    }
    Ok(fields)
}

fn field(fields: &mut BTreeMap<String, Value>, name: &str, value: Value) {
    match value {
        Value::Array(items) if name == "Env" => {
            for item in items {
                let text = item.as_str().unwrap_or_default();
                let (key, value) = text.split_once('=').unwrap_or((text, ""));
                fields.insert(format!("config.Env.{key}"), value.into());
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                fields.insert(format!("config.{name}.{key}"), value);
            }
        }
        value => {
            fields.insert(format!("config.{name}"), value);
        }
    }
}
