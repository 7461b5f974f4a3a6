//! A service: an image that runs somewhere, with all that its unit will say.

use std::collections::BTreeMap;

use crate::name::{AccountName, CapabilityName, ImageName, NetworkName, RoleName, SecretName, ServiceName, VolumeName};
use crate::path::ImagePath;
use crate::spec::{Origin, Scalar, Span, Spanned};

use super::{FileSource, Format, Generate, Health, Mode, Owner, Text, Tier};

/// `service "keystone" { … }`: what holds wherever it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// As `keystone`.
    pub name: ServiceName,
    /// One line for people.
    pub summary: Option<String>,
    /// How well it is looked after.
    pub tier: Tier,
    /// The image that it runs; its namesake unless told.
    pub image: Spanned<ImageName>,
    /// A host that holds any of these runs it.
    pub roles: Vec<Spanned<RoleName>>,
    /// How far one of it reaches.
    pub scope: Scope,
    /// The hosts' network that it talks on.
    pub on_network: Option<Spanned<NetworkName>>,
    /// What it needs of others, by the name that it calls it.
    pub needs: BTreeMap<CapabilityName, Need>,
    /// What others need of it.
    pub provides: BTreeMap<CapabilityName, Provide>,
    /// Further ports that it listens on, by name.
    pub ports: BTreeMap<CapabilityName, Port>,
    /// Files that are mounted into it, by path.
    pub configs: BTreeMap<ImagePath, Config>,
    /// Secrets that it gets as such.
    pub secrets: BTreeMap<SecretName, SecretUse>,
    /// How secrets are made that it uses.
    pub generates: BTreeMap<SecretName, Generate>,
    /// The container's own way of running.
    pub container: Container,
    /// When it counts as up, and what happens when it is not.
    pub life: Life,
    /// One-shot containers around it, in the order in which they are written.
    pub tasks: Vec<Task>,
    /// How a fleet of it is changed.
    pub update: Update,
    /// Several of it on one host, by name; one without a name where there are none.
    pub instances: BTreeMap<ServiceName, Overrides>,
    /// Values for its templates, and changes to its configuration.
    pub own: Overrides,
    /// What it asks of its host.
    pub host: HostNeeds,
    /// Whether the project or an import defines it.
    pub origin: Origin,
    /// The service's own node.
    pub span: Span,
}

/// How far one service reaches: who shares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Scope {
    /// One for the estate.
    #[default]
    Cloud,
    /// One for each cell.
    Cell,
    /// One for each host; its members know nothing of each other.
    Host,
}

impl Scope {
    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Cell => "cell",
            Self::Host => "host",
        }
    }
}

/// `needs "database" as="api_db" name="nova_api" user="nova" secret="nova-db" order=#false optional=#true`
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// What is needed.
    pub capability: Spanned<CapabilityName>,
    /// Whether it has to be up first.
    pub order: bool,
    /// Whether it may lack.
    pub optional: bool,
    /// The name of what is made for it there: a database, a vhost.
    pub name: Option<Text>,
    /// The account that is made for it there.
    pub user: Option<Text>,
    /// The secret of that account.
    pub secret: Option<Spanned<SecretName>>,
    /// Where the node stands.
    pub span: Span,
}

/// `provides "identity" port=5000 protocol="http" listen="host" balance="internal" check="GET /v3"`
#[derive(Debug, Clone, PartialEq)]
pub struct Provide {
    /// Where it is listened on; a capability need not have a port.
    pub port: Option<Port>,
    /// What is spoken there, for those who connect: `http`, `mysql`, `amqp`.
    pub protocol: Option<String>,
    /// The VIP before it.
    pub balance: Option<Spanned<NetworkName>>,
    /// How a load balancer asks whether it is well: `GET /v3`.
    pub check: Option<String>,
    /// How an account is made for a need of it.
    pub grant: Option<Grant>,
    /// Where the node stands.
    pub span: Span,
}

/// `grant run="…" secret="…" once-per="binding"`
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// What is run in a container of the service, with `need.*` known.
    pub run: Vec<Text>,
    /// The secret that lets it in.
    pub secret: Option<Spanned<SecretName>>,
    /// Where the node stands.
    pub span: Span,
}

/// A port that a service listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// 1 to 65535.
    pub number: u16,
    /// Which kind.
    pub transport: Transport,
    /// Who may reach it.
    pub listen: Listen,
    /// Where it is written.
    pub span: Span,
}

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// As podman and systemd write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// On which address of its host something listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Listen {
    /// The host's address on the service's network.
    #[default]
    Host,
    /// Every address.
    All,
    /// The loopback.
    Local,
}

/// `config "/etc/keystone/keystone.conf" template="keystone.conf.j2" as="ini" owner="keystone" mode="0640"`
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where it is in the container.
    pub path: ImagePath,
    /// What it is made of.
    pub content: ConfigContent,
    /// What it claims to be.
    pub format: Option<Format>,
    /// root unless told; a name is one of the image's accounts.
    pub owner: Option<Owner>,
    /// The owner's group unless told.
    pub group: Option<Owner>,
    /// 0644 unless told.
    pub mode: Option<Mode>,
    /// What a change of it takes.
    pub on_change: OnChange,
    /// Where the node stands.
    pub span: Span,
}

impl Config {
    /// What it claims to be, by what its node says, else by its name.
    pub fn format(&self) -> Option<Format> {
        self.format.or_else(|| Format::of_path(&self.path))
    }
}

/// What a config file is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigContent {
    /// A template below templates/, by its path there.
    Template(String, FileSource),
    /// A file below templates/ as it is.
    Source(String, FileSource),
    /// A text in the node.
    Text(Text),
    /// Only what overrides say.
    Overrides,
}

/// What a change of a file takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChange {
    /// The service is started anew.
    #[default]
    Restart,
    /// It is told to read its files again.
    Reload,
    /// It reads them by itself.
    Nothing,
}

/// `secret "keystone-admin" env="ADMIN_PASSWORD"` or `path="/run/secrets/admin" owner= mode=`
#[derive(Debug, Clone, PartialEq)]
pub struct SecretUse {
    /// An environment variable; a file where none.
    pub env: Option<String>,
    /// The file; /run/secrets/NAME unless told.
    pub path: Option<ImagePath>,
    /// root unless told.
    pub owner: Option<Owner>,
    /// The owner's group unless told.
    pub group: Option<Owner>,
    /// 0400 unless told.
    pub mode: Option<Mode>,
    /// Where the node stands.
    pub span: Span,
}

/// The container's own way of running.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Container {
    /// Variables, by name.
    pub env: BTreeMap<String, Text>,
    /// Instead of the image's.
    pub entrypoint: Option<Vec<Text>>,
    /// Instead of the image's.
    pub command: Option<Vec<Text>>,
    /// Instead of the image's.
    pub user: Option<String>,
    /// Instead of the image's.
    pub workdir: Option<ImagePath>,
    /// Volumes and folders of the host, by path in the container.
    pub mounts: BTreeMap<ImagePath, Mount>,
    /// Memory as a folder, by path.
    pub tmpfs: BTreeMap<ImagePath, Tmpfs>,
    /// The host's network unless told.
    pub network: Network,
    /// Ports of the host that lead into it, where it has a network of its own.
    pub publish: Vec<Publish>,
    /// Devices of the host, as podman's --device takes them.
    pub devices: Vec<Text>,
    /// Kernel capabilities that it keeps, without `CAP_`.
    pub capabilities: Vec<String>,
    /// What is not hardened, each with its reason.
    pub relax: BTreeMap<Relax, String>,
    /// Namespaces of the host that it shares.
    pub share: Vec<Namespace>,
    /// Kernel parameters of its own namespaces.
    pub sysctls: BTreeMap<String, Spanned<String>>,
    /// Bounds.
    pub limits: Limits,
    /// Names for addresses, in its /etc/hosts.
    pub add_hosts: BTreeMap<String, Text>,
    /// Whether the names of all members of its group are there too.
    pub names_members: bool,
    /// OCI labels.
    pub labels: BTreeMap<String, Text>,
    /// The pod that it runs in.
    pub pod: Option<Spanned<ServiceName>>,
    /// The ordinary account of the host that runs it.
    pub run_as: Option<Spanned<RunAs>>,
    /// A time zone of the image.
    pub timezone: Option<String>,
}

/// `run-as "nova" uid=2001 gid=2001`: an account of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    /// Its name.
    pub account: AccountName,
    /// Its id, which is the superuser's in its containers.
    pub uid: u32,
    /// The id of its group, likewise; the same number unless told.
    pub gid: u32,
}

/// `mount "/var/lib/mysql" volume="mariadb"` or `host="/dev/log"`
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Not to be written.
    pub read_only: bool,
    /// Further options of podman's --volume: `rslave`, `z`.
    pub options: Vec<String>,
    /// Where the node stands.
    pub span: Span,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq)]
pub enum MountSource {
    /// A volume. The group's own unless `shared=#true`.
    Volume {
        /// Its name.
        name: VolumeName,
        /// Whether every service that names it means the same one.
        shared: bool,
    },
    /// A path of the host.
    Host(Text),
}

/// `tmpfs "/run/keystone" size="64M" mode="0750"`
#[derive(Debug, Clone, PartialEq)]
pub struct Tmpfs {
    /// As podman takes it.
    pub size: Option<String>,
    /// Of its root.
    pub mode: Option<Mode>,
}

/// Which network a container is in.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Network {
    /// The host's.
    #[default]
    Host,
    /// None at all.
    None,
    /// One of podman's, which wharf makes on the host.
    Own {
        /// Its name.
        name: NetworkName,
        /// In CIDR notation.
        subnet: Option<String>,
        /// Whether nothing leads out of it.
        internal: bool,
        /// Where the node stands.
        span: Span,
    },
}

/// `publish 8080 to=80 protocol="tcp" listen="host"`
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    /// The port of the host.
    pub port: Port,
    /// The container's.
    pub to: u16,
}

/// What may be relaxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relax {
    /// The root file system may be written.
    ReadOnly,
    /// Processes may gain privileges.
    NewPrivileges,
    /// podman's default capabilities stay.
    Capabilities,
    /// No seccomp filter.
    Seccomp,
    /// No AppArmor profile.
    AppArmor,
    /// No SELinux label.
    Label,
    /// All of it: --privileged.
    Privileged,
}

/// A namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// Processes.
    Pid,
    /// System V IPC and POSIX queues.
    Ipc,
    /// The host's name.
    Uts,
    /// Control groups.
    Cgroup,
}

/// `limits memory="2G" pids=2048 nofile=65536 nproc=… memlock=… cpus="2" shm="64M"`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// Bytes, as podman takes them.
    pub memory: Option<String>,
    /// Processes.
    pub pids: Option<u32>,
    /// Cores.
    pub cpus: Option<String>,
    /// Of /dev/shm.
    pub shm: Option<String>,
    /// `nofile`, `nproc`, `memlock`, … by name: soft and hard.
    pub ulimits: BTreeMap<String, String>,
}

/// When it counts as up, and what happens when it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// Instead of the image's; `health #null` for none.
    pub health: Option<Option<Spanned<Health>>>,
    /// When systemd takes it for started.
    pub notify: Option<Spanned<Notify>>,
    /// What podman does when it is no longer healthy.
    pub on_failure: OnFailure,
    /// Whether it keeps data; `one-way` where a new image changes them at its start.
    pub stateful: Option<Stateful>,
    /// When it is started again.
    pub restart: Restart,
    /// Between the end and the next start, in milliseconds.
    pub restart_delay_ms: u64,
    /// How long it may take to end, in milliseconds.
    pub stop_timeout_ms: u64,
    /// Instead of the image's.
    pub stop_signal: Option<String>,
    /// How long a start may take; out of the health budget unless told.
    pub start_timeout_ms: Option<Spanned<u64>>,
    /// How it is told to read its files again.
    pub reload: Option<Reload>,
    /// Services of the same host that are started before it.
    pub after: Vec<Spanned<ServiceName>>,
}

/// When systemd takes a service for started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// Its health check passed.
    Healthy,
    /// The container runs.
    Running,
    /// It says so itself (sd_notify(3)).
    Itself,
}

/// What podman does with an unhealthy container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Nothing.
    #[default]
    None,
    /// Kills it, and systemd starts it anew.
    Kill,
}

/// `stateful one-way=#true`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stateful {
    /// Whether a new image changes its data at its start.
    pub one_way: bool,
}

/// When systemd starts a service again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// However it ended.
    #[default]
    Always,
    /// When it ended badly.
    OnFailure,
    /// Never.
    No,
}

/// `reload signal="SIGHUP"` or `reload "haproxy-reload"`
#[derive(Debug, Clone, PartialEq)]
pub enum Reload {
    /// A signal to its first process.
    Signal(String),
    /// A program in it.
    Command(Vec<Text>),
}

/// `task "db-sync" run="keystone-manage db_sync" before="start" once-per="cloud" on="bootstrap|upgrade"`
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name within the service.
    pub name: String,
    /// Program and arguments; a text of several words is a shell's.
    pub run: Vec<Text>,
    /// Whether it runs before or after the service's start.
    pub when: TaskWhen,
    /// For how many it runs once.
    pub once_per: OncePer,
    /// At which events; always where empty.
    pub on: Vec<TaskEvent>,
    /// Which part of an upgrade it is.
    pub phase: Option<TaskPhase>,
    /// What goes back does with it.
    pub undo: Undo,
    /// Whether it may be run again after nobody knows how it ended.
    pub idempotent: bool,
    /// A calendar time at which it runs on every host, as systemd.time(7) writes it; then it is no part of an apply.
    pub schedule: Option<String>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// The account in the container; the service's unless told.
    pub user: Option<String>,
    /// Secrets that it gets beside the service's.
    pub secrets: BTreeMap<SecretName, SecretUse>,
    /// Where the node stands.
    pub span: Span,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskWhen {
    /// Before the first container of the service starts.
    #[default]
    BeforeStart,
    /// After it is up.
    AfterStart,
}

/// For how many a task runs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OncePer {
    /// The estate.
    #[default]
    Cloud,
    /// Each cell.
    Cell,
    /// Each host.
    Host,
}

/// An event of a service's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskEvent {
    /// It was not there before.
    Bootstrap,
    /// Its image is another one.
    Upgrade,
}

/// A part of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskPhase {
    /// Before the first new container.
    Expand,
    /// After the last.
    Migrate,
    /// In an apply of its own.
    Contract,
}

/// What going back does with a task.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Undo {
    /// Nothing can undo it.
    #[default]
    None,
    /// Old code runs on the new state.
    Safe,
    /// This program undoes it.
    Run(Vec<Text>),
}

/// `update order="rolling" max-unavailable=1 healthy-for="10s" deadline="5m" on-failure="pause"`
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// One after the other, or all of a wave at once.
    pub rolling: bool,
    /// How many may be down at once: a number or `10%`.
    pub max_unavailable: String,
    /// How many go first, alone.
    pub canary: Option<u32>,
    /// How many may fail before it stops: a number or `2%`.
    pub max_failed: String,
    /// Whether a majority must stay up.
    pub quorum: bool,
    /// How long it has to be healthy, in milliseconds.
    pub healthy_for_ms: u64,
    /// How long one host may take, in milliseconds.
    pub deadline_ms: u64,
    /// What a failure does.
    pub on_failure: UpdateFailure,
    /// What must hold before the next host: a program in the container.
    pub ready: Vec<Text>,
    /// What is run before one is stopped.
    pub drain: Vec<Text>,
    /// What is run after it is up again.
    pub undrain: Vec<Text>,
    /// Where the node stands.
    pub span: Option<Span>,
}

/// What a failed update does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateFailure {
    /// Stops, and leaves all as it is.
    #[default]
    Pause,
    /// Takes the host's unit back.
    Rollback,
    /// Goes on with the others.
    Continue,
}

/// What a service asks of its host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostNeeds {
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// Kernel modules.
    pub modules: Vec<String>,
    /// Folders, by path.
    pub dirs: BTreeMap<ImagePath, HostDir>,
}

/// `host-dir "/var/lib/nova" owner="nova" mode="0750"`
#[derive(Debug, Clone, PartialEq)]
pub struct HostDir {
    /// root unless told; a name is one of the image's accounts.
    pub owner: Option<Owner>,
    /// The owner's group unless told.
    pub group: Option<Owner>,
    /// 0755 unless told.
    pub mode: Option<Mode>,
}

/// What a service, estate, role, cell or host changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides {
    /// `var`: values for templates, by name.
    pub vars: BTreeMap<String, Spanned<VarValue>>,
    /// `override`: changes to files.
    pub files: Vec<Override>,
    /// `port`: other numbers for ports, by name.
    pub ports: BTreeMap<CapabilityName, Spanned<u16>>,
    /// `env`: variables, by name.
    pub env: BTreeMap<String, Spanned<Text>>,
    /// `command`: instead of the service's. Of instances alone.
    pub command: Option<Vec<Text>>,
}

/// A value of `var`: one, a list, or values by name.
#[derive(Debug, Clone, PartialEq)]
pub enum VarValue {
    /// One value.
    One(Scalar),
    /// Several.
    List(Vec<Scalar>),
    /// By name.
    Map(BTreeMap<String, VarValue>),
}

/// `override "keystone" file="keystone.conf" { section "DEFAULT" { debug #true; old #null } }`
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Whose file; the service's own where it stands in a service.
    pub service: Option<Spanned<ServiceName>>,
    /// Its path in the container, or the last part of it.
    pub file: Spanned<String>,
    /// What changes.
    pub change: Change,
    /// Where the node stands.
    pub span: Span,
}

/// A change to a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Of an INI file, by section and key; several values repeat the key, none takes it away.
    Sections(BTreeMap<String, BTreeMap<String, Spanned<Vec<Text>>>>),
    /// Of a YAML or JSON file.
    Keys(BTreeMap<String, Spanned<KeyChange>>),
}

/// A change to one key of a YAML or JSON file.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyChange {
    /// It goes.
    Remove,
    /// One value.
    One(Scalar),
    /// A list.
    List(Vec<Scalar>),
    /// Changes below it.
    Keys(BTreeMap<String, Spanned<KeyChange>>),
}
