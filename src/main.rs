//! The `wharf` command: parse arguments, run one verb, turn the outcome into an exit code.

/// Thousands of hosts are millions of short texts: glibc's own takes half as long again (docs/design/services.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    wharf::cli::main(std::env::args_os())
}
