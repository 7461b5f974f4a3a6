//! How a service's container runs.

use std::collections::BTreeMap;

use crate::name::{NetworkName, VolumeName};
use crate::path::ImagePath;
use crate::spec::{FromValue, Log, Mistake, Node, Reader, Scalar, did_you_mean, has_reference};

use super::super::super::super::{Container, Limits, Mount, MountSource, Network, Publish, Relax, RunAs, Text, Tmpfs};
use super::super::super::value::{Plain, PortNumber};
use super::{plain, port, spanned, texts};

/// The limits that are no ulimits.
const LIMITS: [&str; 4] = ["memory", "pids", "cpus", "shm"];
/// What setrlimit(2) bounds, as podman's --ulimit names it.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
    "locks",
];

/// Reads a node that is about the container; false where it is about something else.
pub(super) fn read(container: &mut Container, node: &Node, log: &mut Log) -> bool {
    let mut reader = Reader::new(node, log);
    match node.name.value.as_str() {
        "env" => {
            for (key, value) in texts(&mut reader) {
                if is_variable(&key) {
                    container.env.insert(key.value, value);
                } else {
                    let mistake = Mistake::new("bad-value", key.span, format!("`{}` cannot name a variable", *key));
                    reader.mistake(mistake.label("letters, digits and `_`, the first no digit"));
                }
            }
        }
        "entrypoint" => container.entrypoint = Some(reader.arguments("a program")),
        "command" => container.command = Some(reader.arguments("a program")),
        "user" => {
            let value = reader.value("an account");
            container.user = value.and_then(|value| match value.scalar {
                Scalar::Integer(_) => reader.read::<u32>(value).map(|id| id.to_string()),
                _ => reader.read::<Plain>(value).map(|Plain(name)| name),
            });
        }
        "workdir" => container.workdir = reader.argument("a path"),
        "mount" => {
            if let Some((path, mount)) = mount(&mut reader) {
                container.mounts.insert(path, mount);
            }
        }
        "tmpfs" => {
            let path = super::path(&mut reader, "a path");
            let tmpfs = Tmpfs { size: plain(&mut reader, "size"), mode: reader.property("mode") };
            container.tmpfs.extend(path.map(|path| (path, tmpfs)));
        }
        "network" => container.network = network(&mut reader),
        "publish" => {
            let number = reader.argument("a port of the host");
            let to = reader.property("to").map(|PortNumber(number)| number);
            container.publish.extend(number.map(|PortNumber(number)| {
                let port = port(&mut reader, number);
                Publish { port, to: to.unwrap_or(number) }
            }));
        }
        "device" => container.devices.extend(reader.arguments::<Text>("a device")),
        "capability" => {
            for name in spanned::<Plain>(&mut reader, "a capability of the kernel") {
                let text = name.value.0.strip_prefix("CAP_").unwrap_or(&name.value.0).to_owned();
                if text.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit()) && !text.is_empty() {
                    container.capabilities.push(text);
                } else {
                    let mistake = Mistake::new("bad-value", name.span, format!("`{text}` is no capability"));
                    let help = "write it as capabilities(7) does: NET_ADMIN";
                    reader.mistake(mistake.label("not a capability").help(help));
                }
            }
        }
        "relax" => {
            let what: Vec<Relax> = reader.arguments("what is relaxed");
            let reason = reader.required::<Plain>("reason", "reason=\"…\"").map(|Plain(reason)| reason);
            container.relax.extend(what.into_iter().zip(std::iter::repeat(reason.unwrap_or_default())));
        }
        "share" => container.share.extend(reader.arguments::<super::super::super::super::Namespace>("a namespace")),
        "sysctl" => {
            let (key, value) = (reader.argument::<Plain>("a kernel parameter"), super::kernel_value(&mut reader));
            let pair = key.zip(value).map(|(Plain(key), value)| (key, crate::spec::Spanned::new(value, node.span)));
            container.sysctls.extend(pair);
        }
        "limits" => container.limits = limits(&mut reader),
        "add-host" => {
            for (key, value) in texts(&mut reader) {
                let text = value.as_written();
                if has_reference(text) || text.parse::<std::net::IpAddr>().is_ok() {
                    container.add_hosts.insert(key.value, value);
                    continue;
                }
                let message = format!("`{text}` of `{}` is no address", *key);
                let mistake = Mistake::new("bad-value", key.span, message).label("a name of which address?");
                reader.mistake(
                    mistake.help("write add-host NAME=\"10.0.0.9\", or `${needs.NAME.host}` where that is an address"),
                );
            }
        }
        "names" => container.names_members = reader.argument::<Members>("whose names").is_some(),
        "label" => container.labels.extend(texts(&mut reader).into_iter().map(|(key, value)| (key.value, value))),
        "pod" => container.pod = spanned(&mut reader, "a pod").pop(),
        "run-as" => {
            let account = spanned(&mut reader, "an account of the host").pop();
            let uid: Option<u32> = reader.required("uid", "uid=2001");
            let gid: Option<u32> = reader.property("gid");
            container.run_as = account.zip(uid).map(|(name, uid)| {
                let account = RunAs { account: name.value, uid, gid: gid.unwrap_or(uid) };
                crate::spec::Spanned::new(account, name.span)
            });
        }
        "timezone" => container.timezone = reader.argument::<Plain>("a time zone").map(|Plain(zone)| zone),
        _ => return false,
    }
    reader.finish();
    true
}

/// `members` of `names`.
#[derive(Debug, Clone, Copy)]
struct Members;

impl FromValue for Members {
    fn from_value(value: &crate::spec::Value) -> Result<Self, Mistake> {
        super::super::super::value::only(value, "a choice of names", "members").map(|()| Self)
    }
}

/// What POSIX lets a variable be called.
pub(super) fn is_variable(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn mount(reader: &mut Reader<'_, '_>) -> Option<(ImagePath, Mount)> {
    let path = super::path(reader, "a path in the container");
    let (volume, host) = (reader.property::<VolumeName>("volume"), reader.property::<Text>("host"));
    let shared = reader.property("shared").unwrap_or(false);
    let read_only = reader.property("read-only").unwrap_or(false);
    let options = plain(reader, "options").unwrap_or_default();
    let options = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    let span = reader.span();
    let source = match (volume, host) {
        (Some(name), None) => Some(MountSource::Volume { name, shared }),
        (None, Some(host)) => {
            if !host.as_written().starts_with('/') {
                let mistake = Mistake::new("bad-value", span, format!("`{}` is no absolute path", host.as_written()));
                reader.mistake(mistake.label("relative to what?"));
            }
            Some(MountSource::Host(host))
        }
        (None, None) => {
            let mistake = Mistake::new("missing", span, "`mount` does not say what is mounted").label("what?");
            reader.mistake(mistake.help("give volume=\"NAME\" or host=\"/path\""));
            None
        }
        (Some(_), Some(_)) => {
            let mistake = Mistake::new("duplicate", span, "a volume and a path of the host").label("both are given");
            reader.mistake(mistake.help("keep one of `volume=` and `host=`"));
            None
        }
    };
    Some((path?, Mount { source: source?, read_only, options, span }))
}

fn network(reader: &mut Reader<'_, '_>) -> Network {
    let Some(value) = reader.value("`host`, `none` or a name") else { return Network::default() };
    let (subnet, internal) = (plain(reader, "subnet"), reader.property("internal").unwrap_or(false));
    match value.as_text() {
        Some("host") => Network::Host,
        Some("none") => Network::None,
        _ => reader.read::<NetworkName>(value).map_or(Network::Host, |name| Network::Own {
            name,
            subnet,
            internal,
            span: value.span,
        }),
    }
}

fn limits(reader: &mut Reader<'_, '_>) -> Limits {
    let mut limits = Limits::default();
    let mut ulimits = BTreeMap::new();
    for property in reader.any_properties() {
        let name = property.name.value.as_str();
        let value = &property.value;
        match name {
            "memory" => limits.memory = size(reader, value),
            "shm" => limits.shm = size(reader, value),
            "pids" => limits.pids = reader.read(value),
            "cpus" => {
                let text = match value.scalar {
                    Scalar::Integer(number) => Some(number.to_string()),
                    Scalar::Float(number) => Some(number.to_string()),
                    _ => reader.read::<Plain>(value).map(|Plain(text)| text),
                };
                limits.cpus = text.filter(|text| {
                    let good = text.parse::<f64>().is_ok_and(|cores| cores > 0.0 && cores < 4_000_000.0);
                    if !good {
                        let mistake = Mistake::new("bad-value", value.span, format!("`{text}` is no number of cores"));
                        reader.mistake(mistake.label("as 2 or \"1.5\""));
                    }
                    good
                });
            }
            _ if ULIMITS.contains(&name) => {
                let text = match value.scalar {
                    Scalar::Integer(number) => Some(number.to_string()),
                    _ => reader.read::<Plain>(value).map(|Plain(text)| text),
                };
                let good = |part: &str| part == "unlimited" || part == "-1" || part.parse::<u64>().is_ok();
                match text {
                    Some(text) if text.split(':').all(good) && text.split(':').count() <= 2 => {
                        ulimits.insert(name.to_owned(), text);
                    }
                    Some(text) => {
                        let mistake = Mistake::new("bad-value", value.span, format!("`{text}` is no limit"));
                        reader.mistake(mistake.label("a number, `unlimited`, or soft:hard"));
                    }
                    None => {}
                }
            }
            _ => {
                let message = format!("unknown limit `{name}`");
                let mistake = Mistake::new("unknown-property", property.name.span, message).label("not known");
                reader.mistake(mistake.help_if(did_you_mean(name, LIMITS.into_iter().chain(ULIMITS))));
            }
        }
    }
    limits.ulimits = ulimits;
    limits
}

/// Bytes as podman takes them: `512M`, `2G`.
fn size(reader: &mut Reader<'_, '_>, value: &crate::spec::Value) -> Option<String> {
    let text = match value.scalar {
        Scalar::Integer(number) => number.to_string(),
        _ => reader.read::<Plain>(value)?.0,
    };
    let digits = text.trim_end_matches(['b', 'k', 'm', 'g', 't', 'B', 'K', 'M', 'G', 'T', 'i']);
    if digits.parse::<u64>().is_ok() {
        return Some(text);
    }
    let mistake = Mistake::new("bad-value", value.span, format!("`{text}` is no size")).label("as 512M or 2G");
    reader.mistake(mistake);
    None
}
