//! From what an image is told and holds to its documents.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::estate::{Compression, Health, ImageConfig};
use crate::name::ArchName;

use super::document::{
    Configuration, ContainerConfig, Descriptor, Empty, Healthcheck, History, Index, Manifest, Platform, RootFs,
    canonical, media,
};
use super::{OciError, Store};

/// The annotation of a manifest that holds the name of its `arch` node.
pub(super) const ARCH: &str = "io.wharf.arch";
/// The label that holds the health check for engines that do not read it from the configuration.
const HEALTH: &str = "io.wharf.health";

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRecord {
    /// How it is compressed.
    pub compression: Compression,
    /// Of the compressed bytes.
    pub digest: Digest,
    /// Of the uncompressed bytes.
    pub diff_id: Digest,
    /// Compressed bytes.
    pub size: u64,
    /// What it is, for people: `packages of base`.
    pub created_by: String,
}

impl LayerRecord {
    fn descriptor(&self) -> Descriptor {
        let media_type = match self.compression {
            Compression::Zstd => media::LAYER_ZSTD,
            Compression::Gzip => media::LAYER_GZIP,
        };
        Descriptor::new(media_type, self.digest, self.size)
    }
}

/// What an image says of itself (image-spec 1.1, annotations.md: `org.opencontainers.image.…`). Nothing that is not
/// told is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotations {
    /// `title`: the image's name.
    pub title: Option<String>,
    /// `description`: the summary.
    pub description: Option<String>,
    /// `version`: the upstream version.
    pub version: Option<String>,
    /// `base.name` and `base.digest`: the parent's ref and manifest.
    pub base: Option<(String, Digest)>,
    /// Others, by their full keys.
    pub other: BTreeMap<String, String>,
}

impl Annotations {
    fn to_map(&self, created: &str) -> BTreeMap<String, String> {
        let base = self.base.as_ref();
        let known = [
            ("title", self.title.clone()),
            ("description", self.description.clone()),
            ("version", self.version.clone()),
            ("created", Some(created.to_owned())),
            ("base.name", base.map(|(name, _)| name.clone())),
            ("base.digest", base.map(|(_, digest)| digest.to_string())),
        ];
        let known =
            known.into_iter().filter_map(|(key, text)| Some((format!("org.opencontainers.image.{key}"), text?)));
        self.other.clone().into_iter().chain(known).collect()
    }
}

/// All that an image's configuration and manifest follow from.
#[derive(Debug, Clone)]
pub struct ImageRecord<'a> {
    /// What the engine is told.
    pub config: &'a ImageConfig,
    /// The `arch` node's name.
    pub arch: &'a ArchName,
    /// Its `oci`: `amd64`.
    pub oci_arch: &'a str,
    /// The lowest first.
    pub layers: Vec<LayerRecord>,
    /// Seconds since 1970.
    pub created: i64,
    /// What it says of itself.
    pub annotations: Annotations,
}

/// The bytes of an image's documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// [`media::CONFIG`]
    pub config: Vec<u8>,
    /// [`media::MANIFEST`]
    pub manifest: Vec<u8>,
}

impl ImageRecord<'_> {
    /// The documents' bytes; equal records give equal bytes.
    pub fn documents(&self) -> Result<Documents, OciError> {
        let created = created_text(self.created)?;
        let platform = Platform::linux(self.oci_arch);
        let history = |layer: &LayerRecord| History {
            created: Some(created.clone()),
            created_by: Some(layer.created_by.clone()),
            empty_layer: false,
        };
        let configuration = Configuration {
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            created: Some(created.clone()),
            config: container(self.config)?,
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: self.layers.iter().map(|layer| layer.diff_id).collect(),
            },
            history: self.layers.iter().map(history).collect(),
        };
        let config = canonical(&configuration)?;
        let mut annotations = self.annotations.to_map(&created);
        annotations.insert(ARCH.to_owned(), self.arch.to_string());
        let manifest = canonical(&Manifest {
            schema_version: 2,
            media_type: media::MANIFEST.to_owned(),
            config: Descriptor::of(media::CONFIG, &config),
            layers: self.layers.iter().map(LayerRecord::descriptor).collect(),
            annotations,
        })?;
        Ok(Documents { config, manifest })
    }

    /// Puts the documents into the store and names the manifest, with its platform.
    pub fn write(&self, store: &Store) -> Result<Descriptor, OciError> {
        let documents = self.documents()?;
        store.put_bytes(media::CONFIG, &documents.config)?;
        let manifest = store.put_bytes(media::MANIFEST, &documents.manifest)?;
        Ok(Descriptor { platform: Some(Platform::linux(self.oci_arch)), ..manifest })
    }
}

/// The index over the arches of an image: manifests as [`ImageRecord::write`] names them, sorted by the arch's name.
/// Its annotations are those of the image; `created` is the newest of the arches'.
pub fn index(
    arches: &BTreeMap<ArchName, Descriptor>,
    annotations: &Annotations,
    created: i64,
) -> Result<Vec<u8>, OciError> {
    let entries = arches.iter().map(|(arch, manifest)| {
        let mut entry = manifest.bare();
        entry.platform.clone_from(&manifest.platform);
        entry.annotations.insert(ARCH.to_owned(), arch.to_string());
        entry
    });
    let annotations = annotations.to_map(&created_text(created)?);
    Ok(canonical(&Index { annotations, ..Index::of(entries.collect()) })?)
}

/// Seconds since 1970 as RFC 3339 in UTC: `2026-11-21T09:15:44Z`.
pub fn created_text(seconds: i64) -> Result<String, OciError> {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).map_err(|_| OciError::Created(seconds))
}

/// What the container's engine is told (config.md, `config`).
pub fn container(config: &ImageConfig) -> Result<ContainerConfig, OciError> {
    let mut labels = config.labels.clone();
    if let Some(health) = &config.health {
        labels.insert(HEALTH.to_owned(), health_label(health)?);
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Ok(ContainerConfig {
        user: text(&config.user),
        exposed_ports: config.expose.iter().map(|port| (port.clone(), Empty {})).collect(),
        env: config.env.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.command.clone(),
        volumes: config.volumes.iter().map(|volume| (volume.path.to_string(), Empty {})).collect(),
        working_dir: config.workdir.as_ref().map(ToString::to_string).unwrap_or_default(),
        labels,
        stop_signal: text(&config.stop_signal),
        healthcheck: config.health.as_ref().map(healthcheck),
    })
}

fn healthcheck(health: &Health) -> Healthcheck {
    let nanoseconds = |milliseconds: u64| milliseconds.saturating_mul(1_000_000);
    let kind = if health.command.len() == 1 { "CMD-SHELL" } else { "CMD" };
    Healthcheck {
        test: [kind.to_owned()].into_iter().chain(health.command.iter().cloned()).collect(),
        interval: nanoseconds(health.interval_ms),
        timeout: nanoseconds(health.timeout_ms),
        start_period: nanoseconds(health.start_ms),
        retries: health.retries,
    }
}

fn health_label(health: &Health) -> Result<String, OciError> {
    #[derive(serde::Serialize)]
    struct Label<'a> {
        command: &'a [String],
        interval_ms: u64,
        retries: u32,
        start_ms: u64,
        timeout_ms: u64,
    }
    let Health { command, interval_ms, timeout_ms, retries, start_ms } = health;
    Ok(serde_json::to_string(&Label {
        command,
        interval_ms: *interval_ms,
        retries: *retries,
        start_ms: *start_ms,
        timeout_ms: *timeout_ms,
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::Volume;
    use crate::path::ImagePath;

    fn config() -> ImageConfig {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        ImageConfig {
            env: pairs(&[("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")]),
            expose: vec!["5000/tcp".into(), "53/udp".into()],
            volumes: vec![Volume { path: ImagePath::new("/var/lib/keystone").unwrap() }],
            user: Some("keystone".into()),
            workdir: Some(ImagePath::new("/srv").unwrap()),
            labels: pairs(&[("b", "2"), ("a", "1")]),
            entrypoint: vec!["tini".into(), "--".into()],
            command: vec!["apache2ctl".into(), "-D".into(), "FOREGROUND".into()],
            stop_signal: Some("SIGWINCH".into()),
            health: Some(Health {
                command: vec!["healthcheck_curl".into(), "http://localhost:5000/v3".into()],
                interval_ms: 30_000,
                timeout_ms: 10_000,
                retries: 3,
                start_ms: 60_000,
            }),
        }
    }

    fn record<'a>(config: &'a ImageConfig, arch: &'a ArchName) -> ImageRecord<'a> {
        let layer = |text: &str, compression| LayerRecord {
            compression,
            digest: Digest::of(text.as_bytes()),
            diff_id: Digest::of(text.to_uppercase().as_bytes()),
            size: text.len() as u64,
            created_by: format!("packages of {text}"),
        };
        let annotations = Annotations {
            title: Some("keystone".into()),
            description: Some("OpenStack identity service".into()),
            version: Some("27.0.0".into()),
            base: Some(("base:debian-trixie-x86_64".into(), Digest::of(b"base"))),
            other: [("io.wharf.distro".to_owned(), "debian-trixie".to_owned())].into(),
        };
        ImageRecord {
            config,
            arch,
            oci_arch: "amd64",
            layers: vec![layer("base", Compression::Zstd), layer("keystone", Compression::Gzip)],
            created: 1_795_252_544,
            annotations,
        }
    }

    fn x86_64() -> ArchName {
        ArchName::new("x86_64").unwrap()
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_time_without_a_date_is_refused() {
        assert!(matches!(created_text(i64::MAX), Err(OciError::Created(i64::MAX))));
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        assert_eq!(created_text(0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(created_text(-1).unwrap(), "1969-12-31T23:59:59Z");
        assert_eq!(created_text(1_709_210_096).unwrap(), "2024-02-29T12:34:56Z");
    }

    #[test]
    fn the_configuration_has_these_bytes() {
        let (config, arch) = (config(), x86_64());
        insta::assert_snapshot!(
            text(record(&config, &arch).documents().unwrap().config),
            @r#"{"architecture":"amd64","config":{"Cmd":["apache2ctl","-D","FOREGROUND"],"Entrypoint":["tini","--"],"Env":["LANG=C.UTF-8","PATH=/usr/bin:/bin"],"ExposedPorts":{"5000/tcp":{},"53/udp":{}},"Healthcheck":{"Interval":30000000000,"Retries":3,"StartPeriod":60000000000,"Test":["CMD","healthcheck_curl","http://localhost:5000/v3"],"Timeout":10000000000},"Labels":{"a":"1","b":"2","io.wharf.health":"{\"command\":[\"healthcheck_curl\",\"http://localhost:5000/v3\"],\"interval_ms\":30000,\"retries\":3,\"start_ms\":60000,\"timeout_ms\":10000}"},"StopSignal":"SIGWINCH","User":"keystone","Volumes":{"/var/lib/keystone":{}},"WorkingDir":"/srv"},"created":"2026-11-21T09:15:44Z","history":[{"created":"2026-11-21T09:15:44Z","created_by":"packages of base"},{"created":"2026-11-21T09:15:44Z","created_by":"packages of keystone"}],"os":"linux","rootfs":{"diff_ids":["sha256:cbf36a964ba8c0894fcc9ec491b4d1dd94d221a7dc88308e9c6b892445a8574b","sha256:dc2e496334e72a92e11a3a736c3f3d6ec12f7c9a60403ebc76f093960b6b5042"],"type":"layers"}}"#
        );
    }

    #[test]
    fn the_manifest_has_these_bytes() {
        let (config, arch) = (config(), x86_64());
        insta::assert_snapshot!(
            text(record(&config, &arch).documents().unwrap().manifest),
            @r#"{"annotations":{"io.wharf.arch":"x86_64","io.wharf.distro":"debian-trixie","org.opencontainers.image.base.digest":"sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2","org.opencontainers.image.base.name":"base:debian-trixie-x86_64","org.opencontainers.image.created":"2026-11-21T09:15:44Z","org.opencontainers.image.description":"OpenStack identity service","org.opencontainers.image.title":"keystone","org.opencontainers.image.version":"27.0.0"},"config":{"digest":"sha256:61b546ce0c37bfb409b1e0df7d8ea394402a9a4c27f907088fa292cd1d4091bf","mediaType":"application/vnd.oci.image.config.v1+json","size":1018},"layers":[{"digest":"sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2","mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","size":4},{"digest":"sha256:4cc7a4b341d8ce3315ea112ebb01e664bd328e88781db0f4bbc0e3f65e201bf9","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":8}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#
        );
    }

    #[test]
    fn an_image_that_is_told_nothing_says_nothing() {
        let (config, arch) = (ImageConfig::default(), x86_64());
        let record = ImageRecord { layers: Vec::new(), annotations: Annotations::default(), ..record(&config, &arch) };
        let documents = record.documents().unwrap();
        insta::assert_snapshot!(
            text(documents.config),
            @r#"{"architecture":"amd64","config":{},"created":"2026-11-21T09:15:44Z","os":"linux","rootfs":{"diff_ids":[],"type":"layers"}}"#
        );
    }

    #[test]
    fn the_index_is_sorted_by_the_name_of_the_arch() {
        let arch = |name: &str| ArchName::new(name).unwrap();
        let manifest = |oci: &str| Descriptor {
            platform: Some(Platform::linux(oci)),
            ..Descriptor::of(media::MANIFEST, oci.as_bytes())
        };
        let arches = [(arch("x86_64"), manifest("amd64")), (arch("aarch64"), manifest("arm64"))].into();
        insta::assert_snapshot!(
            text(index(&arches, &Annotations::default(), 0).unwrap()),
            @r#"{"annotations":{"org.opencontainers.image.created":"1970-01-01T00:00:00Z"},"manifests":[{"annotations":{"io.wharf.arch":"aarch64"},"digest":"sha256:f69162950f235e3cdbbad33f1f912d1a504be90d8a37d002c735d6f3e3882265","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"arm64","os":"linux"},"size":5},{"annotations":{"io.wharf.arch":"x86_64"},"digest":"sha256:5861314d7fccb39c2192173240eab44fa35ca66426201ca2acd0630a6258dd51","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"amd64","os":"linux"},"size":5}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#
        );
    }

    #[test]
    fn a_health_check_of_one_word_is_a_shells() {
        let health =
            Health { command: vec!["true && true".into()], interval_ms: 0, timeout_ms: 0, retries: 0, start_ms: 0 };
        assert_eq!(healthcheck(&health).test, ["CMD-SHELL", "true && true"]);
    }

    #[test]
    fn the_documents_are_valid_to_oci_spec() {
        let (config, arch) = (config(), x86_64());
        let documents = record(&config, &arch).documents().unwrap();
        let read: oci_spec::image::ImageConfiguration = serde_json::from_slice(&documents.config).unwrap();
        let told = read.config().as_ref().unwrap();
        assert_eq!(read.architecture(), &oci_spec::image::Arch::Amd64);
        assert_eq!(told.cmd().as_ref().unwrap(), &config.command);
        assert_eq!(told.exposed_ports().as_ref().unwrap().len(), 2);
        assert_eq!(told.volumes().as_ref().unwrap().as_slice(), ["/var/lib/keystone"]);
        let manifest: oci_spec::image::ImageManifest = serde_json::from_slice(&documents.manifest).unwrap();
        assert_eq!(manifest.config().digest().to_string(), Digest::of(&documents.config).to_string());
        assert_eq!(manifest.layers().len(), read.rootfs().diff_ids().len());
        assert_eq!(manifest.annotations().as_ref().unwrap()["org.opencontainers.image.version"], "27.0.0");
    }
}
