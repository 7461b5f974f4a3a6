//! How long work says how far it is, to whoever listens; the screen is [`crate::ui`]'s.

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Reading archives' indexes, in bytes.
    Index,
    /// Choosing packages, in images.
    Solve,
    /// Downloading packages, in bytes.
    Fetch,
    /// Turning packages into fragments, in packages.
    Unpack,
    /// Compiling python, in packages.
    Bytecode,
    /// Building images, in images.
    Build,
}

/// Listens to long work. Called from many threads.
pub trait Progress: Send + Sync {
    /// `total` more units of `phase` are to come.
    fn expect(&self, phase: Phase, total: u64);
    /// `units` of `phase` are done; `what` is the thing that was worked on, for people.
    fn advance(&self, phase: Phase, units: u64, what: &str);
    /// One thing of `phase` is whole, all its units advanced; `cached` of them cost nothing, the cache had it.
    fn whole(&self, phase: Phase, cached: Option<u64>);
    /// All of `phase` is done.
    fn finish(&self, phase: Phase);
    /// A line that a person should see, once: an older mirror passed over, an arch that lags.
    fn note(&self, line: &str);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn expect(&self, _: Phase, _: u64) {}
    fn advance(&self, _: Phase, _: u64, _: &str) {}
    fn whole(&self, _: Phase, _: Option<u64>) {}
    fn finish(&self, _: Phase) {}
    fn note(&self, _: &str) {}
}
