//! The load of an instance, made from its story: what it waits for while it serves, when everybody reconnects, when idle.
//!
//! Nothing is recorded: the load of any second follows from the instance's marks and from the second itself, so that two
//! callers see the same curve and a later look at an earlier time sees what was there.

use jiff::Timestamp;

use crate::sim::pg::statements;
use crate::sim::world::aurora::{Instance, LoadChange};

/// A wait event with the share that it has of an instance's load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wait {
    /// Name as PI answers it.
    pub name: &'static str,
    /// Type as PI answers it.
    pub kind: &'static str,
    /// Share of the load of ordinary work.
    serving: f64,
    /// Share of the additional load while everybody reconnects.
    reconnecting: f64,
}

/// What PostgreSQL on Aurora waits for under this application.
pub(super) const WAITS: [Wait; 8] = [
    Wait { name: "CPU", kind: "CPU", serving: 0.46, reconnecting: 0.30 },
    Wait { name: "IO:DataFileRead", kind: "IO", serving: 0.19, reconnecting: 0.28 },
    Wait { name: "IO:XactSync", kind: "IO", serving: 0.14, reconnecting: 0.06 },
    Wait { name: "Client:ClientRead", kind: "Client", serving: 0.09, reconnecting: 0.14 },
    Wait { name: "LWLock:buffer_mapping", kind: "LWLock", serving: 0.04, reconnecting: 0.10 },
    Wait { name: "Lock:transactionid", kind: "Lock", serving: 0.04, reconnecting: 0.02 },
    Wait { name: "IO:AuroraStorageLogAllocate", kind: "IO", serving: 0.03, reconnecting: 0.02 },
    Wait { name: "LWLock:lock_manager", kind: "LWLock", serving: 0.01, reconnecting: 0.08 },
];

/// Site seconds after which a reconnect burst has lost most of its force.
const BURST_FADES: f64 = 25.0;
/// Site seconds after which nothing of it is left.
const BURST_ENDS: f64 = 150.0;

/// The load that an instance carried at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadModel<'a> {
    instance: &'a Instance,
    /// Average active sessions of ordinary work.
    usual: f64,
    speed: f64,
    /// What makes its curve its own.
    seed: u64,
}

impl<'a> LoadModel<'a> {
    /// The load of an instance of a partition, at a site of that speed.
    pub fn new(instance: &'a Instance, partition: &str, speed: f64) -> Self {
        let seed = instance.resource_id.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        Self { instance, usual: statements::active_sessions(partition), speed, seed }
    }

    /// Average active sessions by wait event in the `period` seconds before `end`; none while the server was down, when
    /// nobody measured.
    pub fn waits(&self, end: i64, period: i64) -> Option<[f64; WAITS.len()]> {
        // Of a minute every fifth second is looked at: a mean of twelve is near enough, and hours are asked for.
        let step = (period / 12).max(1);
        let mut sum = [0.0; WAITS.len()];
        let mut samples = 0.0;
        let mut second = end - period + step;
        while second <= end {
            if let Some(waits) = self.waits_at(second) {
                samples += 1.0;
                for (total, load) in sum.iter_mut().zip(waits) {
                    *total += load;
                }
            }
            second += step;
        }
        (samples > 0.0).then(|| sum.map(|total| total / samples))
    }

    /// What the instance did at one second, and since how many site seconds.
    pub fn doing(&self, second: i64) -> Option<(LoadChange, f64)> {
        let mark = self.instance.load_marks.iter().rev().find(|mark| mark.time.as_second() <= second);
        let mark = mark.or(self.instance.load_marks.first())?;
        Some((mark.what, (second as f64 - moment(mark.time)) * self.speed))
    }

    /// How much of a reconnect burst is left at one second: from 1 down to 0.
    pub fn burst(&self, second: i64) -> f64 {
        match self.doing(second) {
            Some((LoadChange::ReconnectBurst, since)) if since < BURST_ENDS => (-since.max(0.0) / BURST_FADES).exp(),
            _ => 0.0,
        }
    }

    /// Whether Performance Insights measures the instance.
    pub fn is_measured(&self) -> bool {
        self.instance.insights
    }

    /// Average active sessions of ordinary work.
    pub fn usual(&self) -> f64 {
        self.usual
    }

    /// The waits at one second.
    fn waits_at(&self, second: i64) -> Option<[f64; WAITS.len()]> {
        let burst = self.burst(second);
        let ordinary = match self.doing(second)?.0 {
            LoadChange::Down => return None,
            LoadChange::Idle => 0.0,
            LoadChange::Serves | LoadChange::ReconnectBurst => 1.0,
        };
        let mut waits = [0.0; WAITS.len()];
        for (index, (load, wait)) in waits.iter_mut().zip(WAITS).enumerate() {
            // Work comes in waves of a minute or so, and no second is quite like the other.
            let wave = 1.0 + 0.25 * (second as f64 / 37.0 + index as f64).sin();
            let rough = 0.35 + 1.3 * self.noise(second, index as u64);
            let reconnecting = (1.5 + 3.0 * self.usual) * wait.reconnecting * burst;
            *load = ordinary * self.usual * wait.serving * wave * rough + reconnecting * rough;
        }
        Some(waits)
    }

    /// A number from 0 to 1 that stays the same for an instance, a second and a wait event.
    pub fn noise(&self, second: i64, index: u64) -> f64 {
        let mut bits =
            self.seed ^ (second as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn moment(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}
