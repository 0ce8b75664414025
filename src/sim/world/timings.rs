//! How long things take, in seconds of the execution log.

use std::time::Duration;

/// Durations that the log shows to differ between partitions, in site seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timings {
    /// From asking for a snapshot until it is available.
    pub snapshot: f64,
    /// From the accepted failover until the cluster is available again.
    pub failover: f64,
}

/// The durations of a partition by its name; those that the log does not know get usual ones.
pub fn of(partition: &str) -> Timings {
    match partition {
        "dev" => Timings { snapshot: 241.0, failover: 273.0 },
        "stage" => Timings { snapshot: 333.0, failover: 38.0 },
        "demo" => Timings { snapshot: 213.0, failover: 36.0 },
        "prod" => Timings { snapshot: 338.0, failover: 35.0 },
        _ => Timings { snapshot: 240.0, failover: 36.0 },
    }
}

/// Reboot of an instance until it is available.
pub const REBOOT: f64 = 63.0;
/// The deploy's own restart of the writer.
pub const DEPLOY_RESTARTS_WRITER: f64 = 127.0;
/// The deploy's own restart of a reader.
pub const DEPLOY_RESTARTS_READER: f64 = 65.0;
/// From the attachment of a parameter group until its dynamic values are live.
pub const DYNAMIC: f64 = 88.0;
/// How long a cluster configures monitoring after its insights mode changed.
pub const INSIGHTS: f64 = 150.0;
/// A restore from a snapshot.
pub const RESTORE: f64 = 7200.0;

/// The least patience that a rollout keeps, however fast its site is: looks, connections and programs take their own time.
const LEAST_PATIENCE: Duration = Duration::from_secs(10);

/// How long the rollout waits here before it calls something stuck, where it waits `patience` for real.
pub fn patience(patience: Duration, speed: f64) -> Duration {
    patience.div_f64(speed).max(LEAST_PATIENCE.min(patience))
}

/// How long the rollout waits here before it tries again, where it waits `pause` for real.
pub fn pause(pause: Duration, speed: f64) -> Duration {
    pause.div_f64(speed).max(Duration::from_secs(1).min(pause))
}
