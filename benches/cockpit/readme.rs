//! Where the README has what a bench measured, with the day and the machine.

use std::fs;
use std::path::Path;

/// Ends what a bench has written there.
const END: &str = "<!-- /figures -->";

/// Puts what that bench measured into its place.
///
/// # Errors
/// If there is no place for it.
pub fn write(bench: &str, figures: &str) -> Result<(), String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let begin = format!("<!-- figures: written by `cargo bench --bench {bench} -- --readme` -->");
    let (before, rest) = text.split_once(&begin).ok_or_else(|| format!("README.md has no place for {bench}"))?;
    let (_, after) = rest.split_once(END).ok_or("README.md does not say where the figures end")?;
    let (day, machine, build) = (jiff::Timestamp::now().strftime("%Y-%m-%d"), machine(), build());
    let text = format!("{before}{begin}\n\n{day}, {machine}, {build} build.\n\n{figures}\n{END}{after}");
    fs::write(&file, text).map_err(|error| error.to_string())
}

/// How it was built.
pub fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

/// Processors and memory, in words.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("\tunknown");
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = kilobytes.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0);
    let gigabytes = kilobytes / 1_048_576.0;
    format!("{cores} cores of {}, {gigabytes:.0} GB", model.trim_start_matches([' ', '\t', ':']))
}
