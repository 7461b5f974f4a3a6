//! The `wharf` command: parse arguments, run one verb, turn the outcome into an exit code.

fn main() -> std::process::ExitCode {
    wharf::cli::main(std::env::args_os())
}
