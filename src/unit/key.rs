//! The keys of Quadlet: the podman that first has each, how its generator reads it, and the argument of podman that says the
//! same (podman-systemd.unit(5), `pkg/systemd/quadlet/quadlet.go` of every release; docs/design/units.md).

use std::borrow::Cow;

use crate::version::PodmanVersion;

/// A section that podman's generator reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum QuadletSection {
    Container,
    Pod,
    Network,
    Volume,
    Image,
    Quadlet,
}

impl QuadletSection {
    /// The name between the brackets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "Container",
            Self::Pod => "Pod",
            Self::Network => "Network",
            Self::Volume => "Volume",
            Self::Image => "Image",
            Self::Quadlet => "Quadlet",
        }
    }
}

/// How podman's generator reads a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As it stands, the last line counts.
    One,
    /// As it stands, every line counts.
    Each,
    /// Yes or no.
    Bool,
    /// As words with quotes and escapes, every line counts.
    Args,
    /// As words with quotes and escapes, the last line counts.
    Command,
    /// As words with quotes and without escapes, every line counts.
    Words,
    /// As words `NAME=VALUE` with quotes and escapes, every line counts, sorted by name.
    Pairs,
}

/// The argument of podman that says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// The text, and the value behind it.
    Value(&'static str, PodmanVersion),
    /// The text for yes, the text and `=false` for no.
    Switch(&'static str, PodmanVersion),
    /// The text for yes, nothing for no.
    When(&'static str, PodmanVersion),
    /// There is none.
    None,
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its section.
    pub section: QuadletSection,
    /// Its name.
    pub name: &'static str,
    /// The first podman that has it.
    pub since: PodmanVersion,
    /// The first podman that takes more than one of it, where that is a later one.
    pub many: PodmanVersion,
    /// How its value is read.
    pub reading: Reading,
    /// What says the same.
    pub flag: Flag,
    /// Whether podman cuts the argument's value at commas.
    pub list: List,
}

/// Whether podman reads an argument's value as a line of comma-separated values (pflag's StringSlice), so that one with
/// commas or quotes in it needs quotes of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// It takes it as it is.
    Never,
    /// It did before this podman.
    Before(PodmanVersion),
    /// It does.
    Always,
}

const V4_3: PodmanVersion = PodmanVersion::OLDEST;
const V4_4: PodmanVersion = PodmanVersion::new(4, 4);
const V4_5: PodmanVersion = PodmanVersion::new(4, 5);
const V4_6: PodmanVersion = PodmanVersion::new(4, 6);
const V4_7: PodmanVersion = PodmanVersion::new(4, 7);
const V4_8: PodmanVersion = PodmanVersion::new(4, 8);
const V5_0: PodmanVersion = PodmanVersion::new(5, 0);
const V5_1: PodmanVersion = PodmanVersion::new(5, 1);
const V5_2: PodmanVersion = PodmanVersion::new(5, 2);
const V5_3: PodmanVersion = PodmanVersion::new(5, 3);
const V5_4: PodmanVersion = PodmanVersion::new(5, 4);
const V5_5: PodmanVersion = PodmanVersion::new(5, 5);
const V5_6: PodmanVersion = PodmanVersion::new(5, 6);
const V5_7: PodmanVersion = PodmanVersion::new(5, 7);
const V5_8: PodmanVersion = PodmanVersion::new(5, 8);
const V6_0: PodmanVersion = PodmanVersion::new(6, 0);

impl Key {
    const fn of(name: &'static str, since: PodmanVersion, reading: Reading, flag: Flag) -> Self {
        Self { section: QuadletSection::Container, name, since, many: since, reading, flag, list: List::Never }
    }

    /// A key whose argument every podman has that wharf writes for.
    const fn value(name: &'static str, since: PodmanVersion, reading: Reading, flag: &'static str) -> Self {
        Self::of(name, since, reading, Flag::Value(flag, V4_3))
    }

    const fn switch(name: &'static str, since: PodmanVersion, flag: &'static str) -> Self {
        Self::of(name, since, Reading::Bool, Flag::Switch(flag, V4_3))
    }

    const fn own(name: &'static str, since: PodmanVersion, reading: Reading) -> Self {
        Self::of(name, since, reading, Flag::None)
    }

    const fn many(self, many: PodmanVersion) -> Self {
        Self { many, ..self }
    }

    const fn list(self) -> Self {
        Self { list: List::Always, ..self }
    }

    const fn list_before(self, version: PodmanVersion) -> Self {
        Self { list: List::Before(version), ..self }
    }

    fn is_list(&self, version: PodmanVersion) -> bool {
        match self.list {
            List::Never => false,
            List::Before(other) => version < other,
            List::Always => true,
        }
    }

    /// Why podman would read another value than this one, however it is written; none if it does not.
    pub fn spoils(&self, text: &str, version: PodmanVersion) -> Option<&'static str> {
        // Measured with podman 4.3, 5.4 and 5.8: both go through a reader of lines.
        let lines = self.name == "Environment" || self.is_list(version);
        (lines && text.contains("\r\n")).then_some("podman takes the carriage return before a newline away")
    }

    /// A value as podman must be given it so that it reads this one.
    pub fn item<'a>(&self, text: &'a str, version: PodmanVersion) -> Cow<'a, str> {
        if self.is_list(version) && text.contains([',', '"', '\n', '\r']) {
            return Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")));
        }
        Cow::Borrowed(text)
    }

    /// The key of a section by its name.
    pub fn find(section: QuadletSection, name: &str) -> Option<Self> {
        let table = table(section);
        let key = table.get(table.binary_search_by(|key| key.name.cmp(name)).ok()?)?;
        Some(Self { section, ..*key })
    }

    /// All keys of a section, sorted by name.
    pub fn all(section: QuadletSection) -> impl Iterator<Item = Self> {
        table(section).iter().map(move |key| Self { section, ..*key })
    }

    /// The first podman that has the section's PodmanArgs=; none where there never is one.
    pub fn arguments_since(section: QuadletSection) -> Option<PodmanVersion> {
        Self::find(section, "PodmanArgs").map(|key| key.since)
    }
}

fn table(section: QuadletSection) -> &'static [Key] {
    match section {
        QuadletSection::Container => CONTAINER,
        QuadletSection::Pod => POD,
        QuadletSection::Network => NETWORK,
        QuadletSection::Volume => VOLUME,
        QuadletSection::Image => IMAGE,
        QuadletSection::Quadlet => QUADLET,
    }
}

use Reading::{Args, Bool, Command, Each, One, Pairs, Words};

#[rustfmt::skip]
const CONTAINER: &[Key] = &[
    Key::value("AddCapability", V4_4, Words, "--cap-add=").list(),
    Key::value("AddDevice", V4_4, Words, "--device=").list_before(V5_0),
    Key::value("AddHost", V5_3, Each, "--add-host=").list(),
    Key::value("Annotation", V4_4, Pairs, "--annotation=").list_before(V5_0),
    Key::value("AppArmor", V5_8, One, "--security-opt=apparmor="),
    Key::value("AutoUpdate", V4_6, One, "--label=io.containers.autoupdate="),
    Key::value("CgroupsMode", V5_3, One, "--cgroups="),
    Key::value("ContainerName", V4_4, One, "--name="),
    Key::own("ContainersConfModule", V4_8, Each),
    Key::value("DNS", V4_7, Each, "--dns=").list(),
    Key::value("DNSOption", V4_7, Each, "--dns-option=").list(),
    Key::value("DNSSearch", V4_7, Each, "--dns-search=").list(),
    Key::value("DropCapability", V4_4, Words, "--cap-drop=").list(),
    Key::value("Entrypoint", V5_0, One, "--entrypoint="),
    Key::value("Environment", V4_4, Pairs, "--env="),
    Key::value("EnvironmentFile", V4_4, Args, "--env-file=").list_before(V5_0),
    Key::switch("EnvironmentHost", V4_4, "--env-host"),
    Key::own("Exec", V4_4, Command),
    Key::value("ExposeHostPort", V4_4, Each, "--expose=").list(),
    Key::value("GIDMap", V4_8, Words, "--gidmap=").list(),
    Key::own("GlobalArgs", V4_8, Args),
    Key::own("Group", V4_4, One),
    Key::value("GroupAdd", V5_1, Each, "--group-add=").list(),
    Key::value("HealthCmd", V4_5, One, "--health-cmd="),
    Key::value("HealthInterval", V4_5, One, "--health-interval="),
    Key::of("HealthLogDestination", V5_3, One, Flag::Value("--health-log-destination=", V5_3)),
    Key::of("HealthMaxLogCount", V5_3, One, Flag::Value("--health-max-log-count=", V5_3)),
    Key::of("HealthMaxLogSize", V5_3, One, Flag::Value("--health-max-log-size=", V5_3)),
    Key::value("HealthOnFailure", V4_5, One, "--health-on-failure="),
    Key::value("HealthRetries", V4_5, One, "--health-retries="),
    Key::value("HealthStartPeriod", V4_5, One, "--health-start-period="),
    Key::of("HealthStartupCmd", V4_5, One, Flag::Value("--health-startup-cmd=", V4_4)),
    Key::of("HealthStartupInterval", V4_5, One, Flag::Value("--health-startup-interval=", V4_4)),
    Key::of("HealthStartupRetries", V4_5, One, Flag::Value("--health-startup-retries=", V4_4)),
    Key::of("HealthStartupSuccess", V4_5, One, Flag::Value("--health-startup-success=", V4_4)),
    Key::of("HealthStartupTimeout", V4_5, One, Flag::Value("--health-startup-timeout=", V4_4)),
    Key::value("HealthTimeout", V4_5, One, "--health-timeout="),
    Key::value("HostName", V4_6, One, "--hostname="),
    Key::switch("HttpProxy", V5_7, "--http-proxy"),
    Key::value("IP", V4_5, One, "--ip="),
    Key::value("IP6", V4_5, One, "--ip6="),
    Key::own("Image", V4_4, One),
    Key::value("Label", V4_4, Pairs, "--label="),
    Key::value("LogDriver", V4_5, One, "--log-driver="),
    Key::value("LogOpt", V5_2, Words, "--log-opt=").list_before(V5_0),
    Key::value("Mask", V4_6, Args, "--security-opt=mask="),
    Key::value("Memory", V5_5, One, "--memory="),
    Key::value("Mount", V4_5, Args, "--mount="),
    Key::value("Network", V4_4, Each, "--network="),
    Key::value("NetworkAlias", V5_2, Each, "--network-alias=").list(),
    Key::of("NoNewPrivileges", V4_4, Bool, Flag::When("--security-opt=no-new-privileges", V4_3)),
    Key::own("Notify", V4_4, One),
    Key::value("PidsLimit", V4_7, One, "--pids-limit="),
    Key::own("Pod", V5_0, One),
    Key::value("PodmanArgs", V4_4, Args, ""),
    Key::value("PublishPort", V4_4, Each, "--publish=").list(),
    Key::value("Pull", V4_6, One, "--pull="),
    Key::switch("ReadOnly", V4_4, "--read-only"),
    Key::switch("ReadOnlyTmpfs", V4_8, "--read-only-tmpfs"),
    Key::own("ReloadCmd", V5_5, Command),
    Key::own("ReloadSignal", V5_5, One),
    Key::own("RemapGid", V4_4, Words),
    Key::own("RemapUid", V4_4, Words),
    Key::own("RemapUidSize", V4_4, One),
    Key::own("RemapUsers", V4_4, One),
    Key::of("Retry", V5_5, One, Flag::Value("--retry=", V5_0)),
    Key::of("RetryDelay", V5_5, One, Flag::Value("--retry-delay=", V5_0)),
    Key::own("Rootfs", V4_5, One),
    Key::switch("RunInit", V4_4, "--init"),
    Key::value("SeccompProfile", V4_4, One, "--security-opt=seccomp="),
    Key::value("Secret", V4_5, Args, "--secret="),
    Key::of("SecurityLabelDisable", V4_5, Bool, Flag::When("--security-opt=label=disable", V4_3)),
    Key::value("SecurityLabelFileType", V4_5, One, "--security-opt=label=filetype:"),
    Key::value("SecurityLabelLevel", V4_5, One, "--security-opt=label=level:"),
    Key::of("SecurityLabelNested", V4_6, Bool, Flag::When("--security-opt=label=nested", V4_5)),
    Key::value("SecurityLabelType", V4_5, One, "--security-opt=label=type:"),
    Key::own("ServiceName", V5_3, One),
    Key::value("ShmSize", V4_7, One, "--shm-size="),
    Key::own("StartWithPod", V5_3, Bool),
    Key::value("StopSignal", V5_2, One, "--stop-signal="),
    Key::value("StopTimeout", V5_0, One, "--stop-timeout="),
    Key::value("SubGIDMap", V4_8, One, "--subgidname="),
    Key::value("SubUIDMap", V4_8, One, "--subuidname="),
    Key::value("Sysctl", V4_6, Words, "--sysctl=").list(),
    Key::value("Timezone", V4_4, One, "--tz="),
    Key::value("Tmpfs", V4_5, Each, "--tmpfs="),
    Key::value("UIDMap", V4_8, Words, "--uidmap=").list(),
    Key::value("Ulimit", V4_7, Each, "--ulimit=").many(V5_0).list(),
    Key::value("Unmask", V4_6, Args, "--security-opt=unmask="),
    Key::value("User", V4_4, One, "--user="),
    Key::value("UserNS", V4_5, One, "--userns="),
    Key::own("VolatileTmp", V4_4, Bool),
    Key::value("Volume", V4_4, Each, "--volume="),
    Key::value("WorkingDir", V4_6, One, "--workdir="),
];

#[rustfmt::skip]
const POD: &[Key] = &[
    Key::value("AddHost", V5_3, Each, "--add-host=").list(),
    Key::own("ContainersConfModule", V5_0, Each),
    Key::value("DNS", V5_3, Each, "--dns=").list(),
    Key::value("DNSOption", V5_3, Each, "--dns-option=").list(),
    Key::value("DNSSearch", V5_3, Each, "--dns-search=").list(),
    Key::value("ExitPolicy", V5_6, One, "--exit-policy="),
    Key::value("GIDMap", V5_3, Words, "--gidmap=").list(),
    Key::own("GlobalArgs", V5_0, Args),
    Key::value("HostName", V5_5, One, "--hostname="),
    Key::value("IP", V5_3, One, "--ip="),
    Key::value("IP6", V5_3, One, "--ip6="),
    Key::value("Label", V5_6, Pairs, "--label="),
    Key::value("Network", V5_0, Each, "--network="),
    Key::value("NetworkAlias", V5_2, Each, "--network-alias=").list(),
    Key::own("PodName", V5_0, One),
    Key::value("PodmanArgs", V5_0, Args, ""),
    Key::value("PublishPort", V5_0, Each, "--publish=").list(),
    Key::own("RemapGid", V5_3, Words),
    Key::own("RemapUid", V5_3, Words),
    Key::own("RemapUidSize", V5_3, One),
    Key::own("RemapUsers", V5_3, One),
    Key::own("ServiceName", V5_3, One),
    Key::value("ShmSize", V5_4, One, "--shm-size="),
    Key::own("StopTimeout", V5_7, One),
    Key::value("SubGIDMap", V5_3, One, "--subgidname="),
    Key::value("SubUIDMap", V5_3, One, "--subuidname="),
    Key::value("UIDMap", V5_3, Words, "--uidmap=").list(),
    Key::value("UserNS", V5_3, One, "--userns="),
    Key::value("Volume", V5_0, Each, "--volume="),
];

#[rustfmt::skip]
const NETWORK: &[Key] = &[
    Key::own("ContainersConfModule", V4_8, Each),
    Key::of("DNS", V4_7, Each, Flag::Value("--dns=", V4_4)).list(),
    Key::switch("DisableDNS", V4_4, "--disable-dns"),
    Key::value("Driver", V4_4, One, "--driver="),
    Key::value("Gateway", V4_4, Each, "--gateway="),
    Key::own("GlobalArgs", V4_8, Args),
    Key::value("IPAMDriver", V4_4, One, "--ipam-driver="),
    Key::value("IPRange", V4_4, Each, "--ip-range="),
    Key::switch("IPv6", V4_4, "--ipv6"),
    Key::of("InterfaceName", V5_6, One, Flag::Value("--interface-name=", V4_5)),
    Key::switch("Internal", V4_4, "--internal"),
    Key::value("Label", V4_4, Pairs, "--label="),
    Key::own("NetworkDeleteOnStop", V5_5, Bool),
    Key::own("NetworkName", V4_7, One),
    Key::value("Options", V4_4, Pairs, "--opt="),
    Key::value("PodmanArgs", V4_6, Args, ""),
    Key::own("ServiceName", V5_3, One),
    Key::value("Subnet", V4_4, Each, "--subnet="),
];

#[rustfmt::skip]
const VOLUME: &[Key] = &[
    Key::own("ContainersConfModule", V4_8, Each),
    Key::of("Copy", V4_4, Bool, Flag::When("--opt=copy", V4_3)),
    Key::value("Device", V4_4, One, "--opt=device="),
    Key::value("Driver", V4_8, One, "--driver="),
    Key::of("GID", V6_0, One, Flag::Value("--gid=", V5_6)),
    Key::own("GlobalArgs", V4_8, Args),
    Key::own("Group", V4_4, One),
    Key::own("Image", V4_8, One),
    Key::value("Label", V4_4, Pairs, "--label=").list_before(V4_6),
    Key::value("Options", V4_4, One, "--opt=o="),
    Key::value("PodmanArgs", V4_6, Args, ""),
    Key::own("ServiceName", V5_3, One),
    Key::value("Type", V4_4, One, "--opt=type="),
    Key::of("UID", V6_0, One, Flag::Value("--uid=", V5_6)),
    Key::own("User", V4_4, One),
    Key::own("VolumeName", V4_7, One),
];

#[rustfmt::skip]
const IMAGE: &[Key] = &[
    Key::switch("AllTags", V4_8, "--all-tags"),
    Key::value("Arch", V4_8, One, "--arch="),
    Key::value("AuthFile", V4_8, One, "--authfile="),
    Key::value("CertDir", V4_8, One, "--cert-dir="),
    Key::own("ContainersConfModule", V4_8, Each),
    Key::value("Creds", V4_8, One, "--creds="),
    Key::of("DecryptionKey", V4_8, One, Flag::Value("--decryption-key=", V4_4)).list_before(V5_0),
    Key::own("GlobalArgs", V4_8, Args),
    Key::own("Image", V4_8, One),
    Key::own("ImageTag", V4_8, One),
    Key::value("OS", V4_8, One, "--os="),
    Key::value("PodmanArgs", V4_8, Args, ""),
    Key::of("Policy", V5_6, One, Flag::Value("--policy=", V5_6)),
    Key::of("Retry", V5_5, One, Flag::Value("--retry=", V5_0)),
    Key::of("RetryDelay", V5_5, One, Flag::Value("--retry-delay=", V5_0)),
    Key::own("ServiceName", V5_3, One),
    Key::switch("TLSVerify", V4_8, "--tls-verify"),
    Key::value("Variant", V4_8, One, "--variant="),
];

const QUADLET: &[Key] = &[Key::own("DefaultDependencies", V5_3, Bool)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_commas_is_quoted_for_podmans_that_would_cut_it() {
        let item = |name, text, version| Key::find(QuadletSection::Container, name).unwrap().item(text, version);
        let ports = "net.ipv4.ip_local_reserved_ports=8080,9148";
        assert_eq!(item("Sysctl", ports, V5_8), format!("\"{ports}\""));
        assert_eq!(item("Annotation", "a=b,\"c\"", V4_8), "\"a=b,\"\"c\"\"\"");
        for (name, text, version) in [
            ("Sysctl", "a=b c", V5_8),
            ("Annotation", "a=b,\"c\"", V5_0),
            ("Environment", "a=b,\"c\"", V4_3),
            ("PodmanArgs", "--sysctl=a,b", V4_3),
        ] {
            assert_eq!(item(name, text, version), text, "{name}");
        }
    }

    #[test]
    fn a_line_end_that_podman_would_change_is_refused() {
        let spoils =
            |name, version| Key::find(QuadletSection::Container, name).unwrap().spoils("a=b\r\nc", version).is_some();
        assert!(spoils("Environment", V5_8) && spoils("Sysctl", V5_8) && spoils("Annotation", V4_8));
        assert!(!spoils("Label", V5_8) && !spoils("Annotation", V5_0));
    }

    #[test]
    fn keys_are_sorted_and_none_is_there_twice() {
        for section in [
            QuadletSection::Container,
            QuadletSection::Pod,
            QuadletSection::Network,
            QuadletSection::Volume,
            QuadletSection::Image,
        ] {
            let names: Vec<&str> = Key::all(section).map(|key| key.name).collect();
            assert!(names.is_sorted_by(|a, b| a < b), "{section:?}");
        }
    }
}
