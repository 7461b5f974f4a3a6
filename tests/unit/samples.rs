//! A value for every key, and what must stand beside it.

use wharf::unit::key::{Key, QuadletSection, Reading};
use wharf::unit::{PodmanVersion, Saying, Value};

/// The image of every sample.
pub const IMAGE: &str = "registry.example/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub const SECTIONS: [QuadletSection; 6] = [
    QuadletSection::Container,
    QuadletSection::Pod,
    QuadletSection::Network,
    QuadletSection::Volume,
    QuadletSection::Image,
    QuadletSection::Quadlet,
];

/// The value: `yes` for a switch; several texts with a bar between.
fn text(key: &Key) -> &'static str {
    match key.name {
        "AddCapability" | "DropCapability" => "net_admin",
        "AddDevice" => "/dev/null|/dev/zero:/dev/a b:rw",
        "AddHost" => "db:10.0.0.2",
        "Annotation" | "Label" => "a=b c|d=",
        "AppArmor" => "unconfined",
        "Arch" => "arm64",
        "AuthFile" => "/etc/auth.json",
        "AutoUpdate" => "registry",
        "CertDir" => "/etc/certs",
        "CgroupsMode" => "enabled",
        "ContainerName" | "PodName" | "NetworkName" | "VolumeName" | "HostName" | "ServiceName" => "web",
        "ContainersConfModule" => "/etc/m.conf",
        "Creds" => "a:b",
        "DNS" => "10.0.0.1|10.0.0.2",
        "DNSOption" => "ndots:2",
        "DNSSearch" => "example.org",
        "DecryptionKey" => "/etc/key",
        "Device" => "/dev/sda1",
        "Driver" if key.section == QuadletSection::Volume => "local",
        "Driver" => "bridge",
        "Entrypoint" => r#"["/bin/a","b c"]"#,
        "Environment" => "A=b c|B=100%$",
        "EnvironmentFile" => "/etc/a b.env",
        "Exec" | "ReloadCmd" => "/bin/a|b c||$x",
        "ExitPolicy" => "continue",
        "ExposeHostPort" => "80",
        "GIDMap" | "UIDMap" => "0:10000:10",
        "Gateway" => "10.89.1.1",
        "GlobalArgs" => "--log-level=debug",
        "Group" | "User" | "GID" | "UID" | "GroupAdd" => "10",
        "HealthCmd" | "HealthStartupCmd" => r#"["CMD-SHELL","a \"b\""]"#,
        "HealthInterval" | "HealthStartPeriod" | "HealthTimeout" | "HealthStartupInterval" | "HealthStartupTimeout" => {
            "30s"
        }
        "HealthLogDestination" => "/var/log",
        "HealthMaxLogCount"
        | "HealthMaxLogSize"
        | "HealthRetries"
        | "HealthStartupRetries"
        | "HealthStartupSuccess"
        | "Retry" => "3",
        "HealthOnFailure" => "kill",
        "IP" => "10.89.1.5",
        "IP6" => "fd00::5",
        "IPAMDriver" => "host-local",
        "IPRange" => "10.89.1.128/25",
        "Image" | "ImageTag" => IMAGE,
        "InterfaceName" => "br7",
        "LogDriver" => "journald",
        "LogOpt" => "tag=a b",
        "Mask" => "/proc/a b",
        "Memory" | "ShmSize" => "64m",
        "Mount" => "type=tmpfs,destination=/a b",
        "Network" => "none",
        "NetworkAlias" => "db|cache",
        "Notify" => "healthy",
        "OS" => "linux",
        "Options" if key.section == QuadletSection::Volume => "ro",
        "Options" => "mtu=1400",
        "PidsLimit" => "100",
        "Pod" => "web.pod",
        "PodmanArgs" if key.section == QuadletSection::Container => "--pid=host|--title=a b",
        "PodmanArgs" => "--label=a=b c",
        "Policy" => "missing",
        "PublishPort" => "127.0.0.1:80:80/tcp",
        "Pull" => "never",
        "ReloadSignal" | "StopSignal" => "SIGHUP",
        "RemapGid" | "RemapUid" => "0:10000:10",
        "RemapUidSize" => "100",
        "RemapUsers" => "auto",
        "RetryDelay" => "5s",
        "Rootfs" => "/srv/root",
        "SeccompProfile" => "/etc/seccomp.json",
        "Secret" => "pw,type=mount,target=/run/a b",
        "SecurityLabelFileType" | "SecurityLabelType" => "a_t",
        "SecurityLabelLevel" => "s0:c1,c2",
        "StopTimeout" => "30",
        "SubGIDMap" | "SubUIDMap" => "containers",
        "Subnet" => "10.89.1.0/24",
        "Sysctl" => "net.ipv4.ping_group_range=0 0",
        "Timezone" => "Europe/Berlin",
        "Tmpfs" => "/run:size=1m",
        "Type" => "ext4",
        "Ulimit" => "nofile=1024:2048|nproc=10:10",
        "Unmask" => "ALL",
        "UserNS" => "auto:size=100",
        "Variant" => "v8",
        "Volume" => "/srv:/srv:ro|web:/a b",
        "WorkingDir" => "/srv/a b",
        _ => "yes",
    }
}

/// A key set to its sample.
pub fn saying(key: Key) -> Saying {
    let value = match text(&key) {
        "yes" => Value::Bool(true),
        texts => Value::Texts(texts.split('|').map(str::to_owned).collect()),
    };
    assert_eq!(matches!(value, Value::Bool(_)), key.reading == Reading::Bool, "{} has no sample", key.name);
    Saying { key, value }
}

/// Lines without which podman's generator refuses the key, and those without which it refuses the section.
fn beside(key: &Key) -> &'static str {
    match (key.section, key.name) {
        (QuadletSection::Container, "Rootfs") => "",
        (QuadletSection::Container, "Group") => "Image=registry.example/a:1\nUser=1\n",
        (QuadletSection::Container, "RemapGid" | "RemapUid") => "Image=registry.example/a:1\nRemapUsers=manual\n",
        (QuadletSection::Container, "RemapUidSize") => "Image=registry.example/a:1\nRemapUsers=auto\n",
        (QuadletSection::Container, "Image") => "",
        (QuadletSection::Container, _) => "Image=registry.example/a:1\n",
        (QuadletSection::Pod, "RemapGid" | "RemapUid") => "RemapUsers=manual\n",
        (QuadletSection::Pod, "RemapUidSize") => "RemapUsers=auto\n",
        (QuadletSection::Network, "Gateway" | "IPRange") => "Subnet=10.89.1.0/24\n",
        // Without a device podman 5.4 refuses both.
        (QuadletSection::Volume, "Type" | "Options") => "Device=/dev/sda1\n",
        (QuadletSection::Volume, "Image") => "Driver=image\n",
        (QuadletSection::Image, "Image") => "",
        (QuadletSection::Image, _) => "Image=registry.example/a:1\n",
        (QuadletSection::Quadlet, _) => "",
        _ => "",
    }
}

/// The end of the file's name for a section.
pub fn kind(section: QuadletSection) -> &'static str {
    match section {
        QuadletSection::Container | QuadletSection::Quadlet => "container",
        QuadletSection::Pod => "pod",
        QuadletSection::Network => "network",
        QuadletSection::Volume => "volume",
        QuadletSection::Image => "image",
    }
}

/// A unit with these lines of the key's section.
pub fn unit(key: &Key, lines: &[(&str, String)]) -> String {
    let lines: String = lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    match key.section {
        QuadletSection::Quadlet => format!("[Container]\nImage=registry.example/a:1\n[Quadlet]\n{lines}"),
        section => format!("[{}]\n{}{lines}", section.as_str(), beside(key)),
    }
}

/// All keys with their samples.
pub fn all() -> impl Iterator<Item = Saying> {
    SECTIONS.into_iter().flat_map(Key::all).map(saying)
}

/// The minor version before one.
pub fn before(version: PodmanVersion) -> PodmanVersion {
    let minors = [4, 5, 6, 7, 8, 9].map(|minor| PodmanVersion::new(4, minor));
    let majors = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|minor| PodmanVersion::new(5, minor));
    let older = minors.into_iter().chain(majors).rfind(|older| *older < version);
    older.unwrap_or(PodmanVersion::OLDEST)
}
