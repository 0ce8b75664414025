//! A stretch of time over a row of cells.

use jiff::{SignedDuration, Timestamp};

/// Steps between two ticks, in seconds.
const STEPS: [i64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200];

/// A stretch of time over a row of cells.
#[derive(Debug, Clone, Copy)]
pub struct TimeScale {
    /// Time at the left edge of the first cell.
    pub from: Timestamp,
    /// Time at the right edge of the last cell.
    pub to: Timestamp,
    /// Number of cells.
    pub cells: usize,
}

impl TimeScale {
    /// The cell in which a moment lies, as if there were cells on either side as well.
    pub fn cell(&self, at: Timestamp) -> i64 {
        let span = self.to.duration_since(self.from).as_millis().max(1);
        let offset = at.duration_since(self.from).as_millis();
        (offset * self.cells as i128).div_euclid(span) as i64
    }

    /// The cells between two moments, cut to those that there are.
    pub fn cells_between(&self, from: Timestamp, to: Timestamp) -> std::ops::Range<usize> {
        let cut = |at| self.cell(at).clamp(0, self.cells as i64) as usize;
        cut(from)..cut(to)
    }

    /// Ticks at round distances from `origin`, at least `apart` cells from each other, each with its distance in seconds.
    pub fn ticks(&self, origin: Timestamp, apart: usize) -> Vec<(usize, i64)> {
        let span = self.to.duration_since(self.from);
        let most = (self.cells / apart.max(1)).max(1) as i64;
        let step = STEPS.into_iter().find(|step| span.as_secs() / step < most).unwrap_or(STEPS[STEPS.len() - 1]);
        let first = self.from.duration_since(origin).as_millis().div_euclid(i128::from(step) * 1_000) as i64;
        let last = self.to.duration_since(origin).as_secs() / step + 1;
        (first..=last)
            .map(|count| count * step)
            .filter_map(|seconds| {
                let cell = self.cell(origin + SignedDuration::from_secs(seconds));
                (0..self.cells as i64).contains(&cell).then_some((cell as usize, seconds))
            })
            .collect()
    }
}

/// A distance in time with its sign: `−4:00`, `+15`, `now`.
pub fn relative(seconds: i64) -> String {
    let sign = if seconds < 0 { "−" } else { "+" };
    match seconds.abs() {
        0 => "now".to_owned(),
        short @ 0..=59 => format!("{sign}{short} s"),
        long => format!("{sign}{}:{:02}", long / 60, long % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_fall_into_their_cells() {
        let from = Timestamp::UNIX_EPOCH;
        let scale = TimeScale { from, to: from + SignedDuration::from_secs(40), cells: 80 };
        assert_eq!(scale.cell(from), 0);
        assert_eq!(scale.cell(from + SignedDuration::from_millis(499)), 0);
        assert_eq!(scale.cell(from + SignedDuration::from_millis(500)), 1);
        assert_eq!(scale.cell(from - SignedDuration::from_millis(1)), -1);
        assert_eq!(scale.cells_between(from - SignedDuration::from_secs(9), scale.to), 0..80);
    }

    #[test]
    fn ticks_are_round_and_not_crowded() {
        let zero = Timestamp::UNIX_EPOCH;
        let scale = TimeScale {
            from: zero - SignedDuration::from_secs(2),
            to: zero + SignedDuration::from_secs(38),
            cells: 80,
        };
        let ticks: Vec<i64> = scale.ticks(zero, 10).into_iter().map(|(_, seconds)| seconds).collect();
        assert_eq!(ticks, [0, 10, 20, 30]);
    }
}
