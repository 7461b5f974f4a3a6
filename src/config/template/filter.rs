//! Filters and functions for configuration files. None of them reads a clock, the environment or anything random.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, filters};

use super::super::document;
use super::super::secret::{self, Op};
use super::{Format, Names, Secret};
use crate::spec::did_you_mean;

/// The filters that are not minijinja's own, or not as they are there.
pub(super) const OWN: [&str; 8] =
    ["to_json", "tojson", "quote", "bool", "urlencode", "b64encode", "bracketed", "host_port"];
/// The functions, beside the context's names.
pub(super) const FUNCTIONS: [&str; 6] = ["secret", "members", "host_port", "range", "dict", "namespace"];
/// The filters of minijinja that are there.
pub(super) const BUILTIN: [&str; 40] = [
    "lower",
    "upper",
    "title",
    "capitalize",
    "replace",
    "length",
    "count",
    "dictsort",
    "items",
    "reverse",
    "trim",
    "join",
    "split",
    "lines",
    "default",
    "d",
    "round",
    "abs",
    "int",
    "float",
    "attr",
    "first",
    "last",
    "min",
    "max",
    "sort",
    "list",
    "string",
    "batch",
    "slice",
    "sum",
    "indent",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "map",
    "groupby",
    "unique",
    "format",
];

/// Advice that goes with an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Advice(pub String);

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn advised(message: impl Into<String>, advice: impl Into<String>) -> Error {
    wrong(message).with_source(Advice(advice.into()))
}

/// A secret where its value would be needed to go on.
pub(super) fn refused(filter: &str) -> Error {
    advised(
        format!("`{filter}` would need the value of a secret, which a template never sees"),
        "a secret can be written whole, joined to other text, and passed through `quote`, `to_json`, `urlencode` and \
         `b64encode`",
    )
}

/// The text of a value that is or holds a secret.
fn tainted(value: &Value) -> Option<String> {
    if value.downcast_object_ref::<Secret>().is_some() {
        return Some(value.to_string());
    }
    value.as_str().filter(|text| secret::holds_marker(text)).map(str::to_owned)
}

/// A value as text, markers and all; nothing but scalars has one.
fn text(filter: &str, value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number => Ok(value.to_string()),
        // minijinja would say `True`, as Python does.
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        _ if tainted(value).is_some() => Ok(value.to_string()),
        kind => Err(wrong(format!("`{filter}` takes a text, a number or a truth value, not a value of kind {kind}"))),
    }
}

fn urlencode(value: &Value) -> Result<String, Error> {
    Ok(secret::encoded(&text("urlencode", value)?, Op::Url, secret::url))
}

fn b64encode(value: &Value) -> Result<String, Error> {
    let text = text("b64encode", value)?;
    if secret::holds_marker(&text) {
        // Three bytes make four characters: only the whole can be encoded.
        return Ok(secret::marker(Op::Base64, &text));
    }
    let mut out = Vec::new();
    secret::base64(text.as_bytes(), &mut |bytes| out.extend_from_slice(bytes));
    String::from_utf8(out).map_err(|_| wrong("the encoded text is no UTF-8"))
}

fn json_text(text: &str, out: &mut String) {
    let escape = |text: &str, out: &mut String| text.chars().for_each(|c| document::escaped_char(c, out));
    out.push('"');
    out.push_str(&secret::encoded(text, Op::Json, escape));
    out.push('"');
}

fn json(value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > document::MAX_DEPTH {
        return Err(wrong("the value nests too deep for `to_json`"));
    }
    if let Some(text) = tainted(value) {
        json_text(&text, out);
        return Ok(());
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => {
            let number = value.to_string();
            if !number.starts_with(|c: char| c.is_ascii_digit() || c == '-') || number.contains("inf") {
                return Err(wrong(format!("JSON has no number `{number}`")));
            }
            out.push_str(&number);
        }
        ValueKind::String => json_text(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                json(&item, depth + 1, out)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                json_text(&key.to_string(), out);
                out.push_str(": ");
                json(&value.get_item(&key)?, depth + 1, out)?;
            }
            out.push('}');
        }
        kind => return Err(wrong(format!("`to_json` has no form for a value of kind {kind}"))),
    }
    Ok(())
}

fn to_json(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    json(value, 0, &mut out)?;
    Ok(out)
}

fn one_line(text: &str) -> Result<(), Error> {
    if text.contains(['\n', '\r']) {
        Err(wrong("a value of an INI file is one line, and this has more"))
    } else {
        Ok(())
    }
}

/// A value of an INI file in double quotes, in which `"` and `\` are escaped.
fn ini(value: &Value) -> Result<String, Error> {
    let text = text("quote", value)?;
    if secret::holds_marker(&text) {
        return Ok(secret::marker(Op::Ini, &text));
    }
    one_line(&text)?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A value that oslo.config reads back as it is: `$` doubled, quotes around it where they or blanks would be lost.
fn oslo(value: &Value) -> Result<String, Error> {
    let text = text("quote", value)?;
    if secret::holds_marker(&text) {
        return Ok(secret::marker(Op::Oslo, &text));
    }
    one_line(&text)?;
    if text.contains("\\$") {
        return Err(wrong(format!("the value {}", secret::UNSAYABLE_DOLLAR)));
    }
    let text = text.replace('$', "$$");
    let quoted = |quote| text.starts_with(quote) && text.ends_with(quote);
    let bare = text.trim() == text && !quoted('"') && !quoted('\'');
    Ok(if bare { text } else { format!("\"{text}\"") })
}

/// `true` or `false`, from what people write for it.
fn truth(value: &Value) -> Result<bool, Error> {
    let word = tainted(value).map_or_else(|| text("bool", value), |_| Err(refused("bool")))?;
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(advised(format!("`{word}` is no truth value"), "write `true` or `false`")),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// `host:port`, an IPv6 address in brackets.
fn host_port(host: &Value, port: &Value) -> Result<String, Error> {
    let number = port.to_string();
    let port = number.parse::<u16>().ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| wrong(format!("`{number}` is no port: expected 1 to 65535")))?;
    Ok(format!("{}:{port}", bracketed(&text("host_port", host)?)))
}

/// A filter of minijinja that would work on the marker in place of the secret.
fn guarded(environment: &mut Environment<'static>, name: &'static str, inner: Value) {
    environment.add_filter(name, move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
        let arguments = arguments.into_values();
        if arguments.iter().any(|value| tainted(value).is_some()) {
            return Err(refused(name));
        }
        inner.call(state, &arguments)
    });
}

/// Writes a value into the file: truth values in lower case, and nothing that has no one form.
fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let list = "write it out with `join`, a `for` loop or `to_json`";
    match value.kind() {
        ValueKind::Bool => out.write_str(if value.is_true() { "true" } else { "false" }).map_err(Error::from),
        ValueKind::None => {
            Err(advised("the value is null, which no file says alike", "give one with `default`, or use `to_json`"))
        }
        ValueKind::Seq | ValueKind::Iterable => Err(advised("the value is a list, which no file says alike", list)),
        ValueKind::Map => Err(advised("the value is a mapping, which no file says alike", list)),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// Puts the filters into an environment whose files are of a format.
pub(super) fn install(environment: &mut Environment<'static>, format: Format) {
    for name in ["safe", "escape", "e", "pprint", "zip", "chain"] {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
    guarded(environment, "lower", Value::from_function(filters::lower));
    guarded(environment, "upper", Value::from_function(filters::upper));
    guarded(environment, "title", Value::from_function(filters::title));
    guarded(environment, "capitalize", Value::from_function(filters::capitalize));
    guarded(environment, "replace", Value::from_function(filters::replace));
    guarded(environment, "length", Value::from_function(filters::length));
    guarded(environment, "count", Value::from_function(filters::length));
    guarded(environment, "reverse", Value::from_function(filters::reverse));
    guarded(environment, "trim", Value::from_function(filters::trim));
    guarded(environment, "split", Value::from_function(filters::split));
    guarded(environment, "lines", Value::from_function(filters::lines));
    guarded(environment, "first", Value::from_function(filters::first));
    guarded(environment, "last", Value::from_function(filters::last));
    guarded(environment, "int", Value::from_function(filters::int));
    guarded(environment, "float", Value::from_function(filters::float));
    environment.add_filter("to_json", to_json);
    environment.add_filter("tojson", to_json);
    environment.add_filter("bool", truth);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("bracketed", |host: &str| bracketed(host));
    environment.add_filter("host_port", host_port);
    match format {
        Format::Json | Format::Yaml => environment.add_filter("quote", to_json),
        Format::Ini => environment.add_filter("quote", ini),
        Format::Oslo => environment.add_filter("quote", oslo),
        Format::Text => environment.add_filter("quote", |_: &Value| -> Result<String, Error> {
            Err(advised(
                "`quote` does not know how a value is quoted here: the file is plain text",
                "say `as=\"oslo\"`, `\"ini\"`, `\"yaml\"` or `\"json\"` on the config node, or use `to_json`",
            ))
        }),
    }
    environment.add_filter("string", |value: &Value| text("string", value));
    environment.add_function("host_port", host_port);
    environment.set_formatter(write);
}

/// The functions that know the context.
pub(super) fn functions(names: &Arc<Names>) -> BTreeMap<String, Value> {
    let own = Arc::clone(names);
    let secret = Value::from_function(move |name: &str| {
        if let Some(name) = own.secrets.get(name) {
            return Ok(Value::from_object(Secret { name: name.clone() }));
        }
        let near = did_you_mean(name, own.secrets.keys().map(String::as_str));
        let help = near.unwrap_or_else(|| format!("add `secret \"{name}\"` to the service"));
        Err(advised(format!("the service has no secret `{name}`"), help))
    });
    let own = Arc::clone(names);
    let members = Value::from_function(move |name: &str| {
        own.members.get(name).cloned().ok_or_else(|| {
            let near = did_you_mean(name, own.members.keys().map(String::as_str));
            advised(format!("no service is named `{name}`"), near.unwrap_or_else(|| "see `wharf list`".to_owned()))
        })
    });
    BTreeMap::from([("secret".to_owned(), secret), ("members".to_owned(), members)])
}
