//! What this process holds in its memory is nobody else's: no core file is made of it, and no other process of the same user
//! reads it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Begins every command. What is started inherits the limit: a program that was handed secrets leaves no core file either,
/// unless it raises the limit itself.
pub(super) fn keep_memory() {
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    // Neither is ever refused to a process for itself; were it, the night would have to go on all the same.
    let _ = setrlimit(Resource::Core, limit);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
