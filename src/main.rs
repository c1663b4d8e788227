//! Arguments → [`voice_terminal::cli`] → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    voice_terminal::cli::main()
}
