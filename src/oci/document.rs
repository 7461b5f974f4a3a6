//! The JSON documents of an image (OCI image-spec 1.1: descriptor.md, config.md, manifest.md, image-index.md) and their
//! one spelling: keys sorted, no white space, so that equal values are equal bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;

/// A document larger than this is not read (OCI distribution-spec 1.1, "Pushing manifests", names 4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// Media types (OCI image-spec 1.1, media-types.md).
pub mod media {
    /// An index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// A configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer, uncompressed.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer as gzip members.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer as zstd frames.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker's name for a layer as gzip members.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}

/// The bytes of a document: UTF-8 JSON without white space, every object's keys in byte order.
///
/// Sorted here and not by `serde_json`'s map, because any dependency may switch that to insertion order
/// (its feature `preserve_order`).
pub fn canonical(document: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&sorted(serde_json::to_value(document)?))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields: BTreeMap<String, Value> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Names a blob (descriptor.md). Fields that wharf does not know are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// What the blob is.
    #[serde(rename = "mediaType")]
    pub media_type: String,
    /// Of the blob's bytes.
    pub digest: Digest,
    /// The blob's bytes.
    pub size: u64,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
    /// Of a manifest in an index.
    #[serde(default, skip_serializing_if = "is_default")]
    pub platform: Option<Platform>,
    /// All else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Descriptor {
    /// A descriptor without annotations.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        let (annotations, other) = (BTreeMap::new(), BTreeMap::new());
        Self { media_type: media_type.to_owned(), digest, size, annotations, platform: None, other }
    }

    /// The descriptor of these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Media type, digest and size alone: the same blob wherever it is named.
    pub fn bare(&self) -> Self {
        Self::new(&self.media_type, self.digest, self.size)
    }
}

/// What an image runs on (image-index.md, "platform").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// Go's GOARCH: `amd64`.
    pub architecture: String,
    /// Go's GOOS: `linux`.
    pub os: String,
    /// Of the architecture: `v7`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on an architecture as an `arch` node's `oci` names it: `amd64`, `arm/v7`.
    pub fn linux(arch: &str) -> Self {
        let (architecture, variant) = match arch.split_once('/') {
            Some((architecture, variant)) => (architecture.to_owned(), Some(variant.to_owned())),
            None => (arch.to_owned(), None),
        };
        Self { architecture, os: "linux".to_owned(), variant }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// A manifest (manifest.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 2.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// [`media::MANIFEST`].
    #[serde(rename = "mediaType", default, skip_serializing_if = "is_default")]
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The lowest first.
    pub layers: Vec<Descriptor>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// An index (image-index.md), and a layout's `index.json`. Fields that wharf does not know are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// 2.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// [`media::INDEX`].
    #[serde(rename = "mediaType", default, skip_serializing_if = "is_default")]
    pub media_type: String,
    /// Manifests and indexes.
    pub manifests: Vec<Descriptor>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
    /// All else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Index {
    /// An index of these.
    pub fn of(manifests: Vec<Descriptor>) -> Self {
        let (annotations, other) = (BTreeMap::new(), BTreeMap::new());
        Self { schema_version: 2, media_type: media::INDEX.to_owned(), manifests, annotations, other }
    }
}

/// An image configuration (config.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Go's GOARCH.
    pub architecture: String,
    /// Of the architecture.
    #[serde(default, skip_serializing_if = "is_default")]
    pub variant: Option<String>,
    /// Go's GOOS.
    pub os: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "is_default")]
    pub created: Option<String>,
    /// What the engine is told.
    #[serde(default)]
    pub config: ContainerConfig,
    /// The layers' uncompressed digests.
    pub rootfs: RootFs,
    /// What each layer is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub history: Vec<History>,
}

/// What the engine is told (config.md, "config").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerConfig {
    /// Who runs.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub user: String,
    /// `5000/tcp`, each with an empty object.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `NAME=value`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// The program.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    /// The program, or the entry point's arguments.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub cmd: Vec<String>,
    /// Mount points, each with an empty object.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub volumes: BTreeMap<String, Empty>,
    /// Where the program starts.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub working_dir: String,
    /// Free text by key.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// `SIGTERM`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub stop_signal: String,
    /// Not in the OCI specification: Docker's field. podman 4.3 does not read it from an image.
    #[serde(skip_serializing_if = "is_default")]
    pub healthcheck: Option<Healthcheck>,
}

/// Go writes an empty map or list as `null`.
fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// `{}`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

/// A health check as Docker's image specification 1.2 has it; times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["CMD", program, argument…]` or `["CMD-SHELL", text]`.
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: u64,
    /// How long one may take.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: u64,
    /// During which failures do not count.
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: u64,
    /// Failures in a row that mean unhealthy.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: u32,
}

/// The layers' uncompressed digests (config.md, "rootfs").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The lowest first.
    pub diff_ids: Vec<Digest>,
}

/// What a layer is (config.md, "history").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// RFC 3339.
    #[serde(skip_serializing_if = "is_default")]
    pub created: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "is_default")]
    pub created_by: Option<String>,
    /// It changed the configuration alone: no layer belongs to it.
    #[serde(skip_serializing_if = "is_default")]
    pub empty_layer: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let text = r#"{"b":[{"z":1,"a":{"y":2,"x":3}}],"a":"é\u0000"}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let bytes = canonical(&value).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), r#"{"a":"é\u0000","b":[{"a":{"x":3,"y":2},"z":1}]}"#);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_is_read_as_it_was_and_written_the_same(value in value()) {
            let bytes = canonical(&value).unwrap();
            let read: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&read, &value);
            prop_assert_eq!(canonical(&read).unwrap(), bytes);
        }
    }

    #[test]
    fn a_descriptor_keeps_what_it_does_not_know() {
        let text = format!(
            r#"{{"artifactType":"x/y","digest":"{}","mediaType":"m","size":1,"urls":["http://a"]}}"#,
            Digest::of(b"")
        );
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(String::from_utf8(canonical(&descriptor).unwrap()).unwrap(), text);
    }

    #[test]
    fn a_config_with_nulls_is_read() {
        let config: ContainerConfig =
            serde_json::from_str(r#"{"Cmd":null,"Env":null,"Labels":null,"Volumes":null,"OnBuild":null}"#).unwrap();
        assert_eq!(config, ContainerConfig::default());
    }

    #[test]
    fn a_platform_may_have_a_variant() {
        assert_eq!(Platform::linux("arm/v7").to_string(), "linux/arm/v7");
        assert_eq!(Platform::linux("ppc64le").variant, None);
    }
}
