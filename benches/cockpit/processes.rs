//! What the system knows of processes and of itself.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Of proc(5), in a second: Linux's USER_HZ, the same on x86-64 and on Arm.
const TICKS: u64 = 100;

/// Processor time of a process and of its children that ended.
pub fn processor(process: u32) -> Result<Duration, String> {
    // proc(5): utime, stime, cutime and cstime are the fields 14 to 17, in ticks.
    let fields = stat(process).ok_or("the process ended")?;
    let ticks: u64 = fields.iter().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// The fields of a process from its state on: its name, in parentheses, may hold blanks.
fn stat(process: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

/// Resident memory in megabytes.
pub fn resident(process: u32) -> Result<f64, String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).map_err(|_| "the process ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("proc(5) has no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| "VmRSS is no number")?;
    Ok(kilobytes / 1024.0)
}

/// Runs a command to its end, or kills it after a time.
pub fn output(mut command: Command, limit: Duration) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
    let (process, ended) = (child.id(), std::sync::mpsc::channel());
    std::thread::spawn(move || ended.0.send(child.wait_with_output()));
    match ended.1.recv_timeout(limit) {
        Ok(output) => output.map_err(|error| format!("{name}: {error}")),
        Err(_) => {
            kill(process);
            Err(format!("{name} was not done within {limit:?}"))
        }
    }
}

/// Ends a child and those that it started.
pub fn end(mut child: Child) {
    end_children(child.id());
    let _ = child.kill();
    let until = Instant::now() + Duration::from_secs(5);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills every process that descends from this one.
pub fn end_children(of: u32) {
    for child in children(of) {
        end_children(child);
        kill(child);
    }
}

fn kill(process: u32) {
    if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn children(of: u32) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let processes = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| stat(*process).is_some_and(|fields| fields.get(1) == Some(&of.to_string()))).collect()
}
