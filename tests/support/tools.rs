//! Tools that tests use where they are installed, and that must be there where the tests are the last word.

use std::env;

/// Says that a tool is missing; fails where the tools are required.
#[allow(clippy::print_stderr)]
pub fn missing(tool: &str) {
    let required = env::var("CI").is_ok_and(|ci| ci == "true")
        || env::var("COCKPIT_TEST_TOOLS").is_ok_and(|tools| tools == "required");
    assert!(!required, "{tool} is missing and required here; `bash tests/run.sh --tools` installs it");
    eprintln!("not run: {tool} missing");
}
