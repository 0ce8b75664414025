//! What was measured, as a table for people and as JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};

/// Several measurements of one thing.
#[derive(Debug, Clone)]
pub struct Series {
    values: Vec<f64>,
    unit: &'static str,
}

impl Series {
    /// Of these values.
    pub fn new(unit: &'static str, values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { values, unit }
    }

    /// Of these times, in milliseconds.
    pub fn millis(times: impl IntoIterator<Item = Duration>) -> Self {
        Self::new("ms", times.into_iter().map(|time| time.as_secs_f64() * 1000.0))
    }

    /// The value below which so many of a hundred lie (nearest rank).
    pub fn percentile(&self, of_hundred: f64) -> f64 {
        let rank = (of_hundred / 100.0 * self.values.len() as f64).ceil() as usize;
        self.values.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
    }

    fn cells(&self) -> String {
        let cell =
            |value: f64| format!("{}{}", if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }, "");
        match self.values.len() {
            0 => "-".to_owned(),
            1 => format!("{} {}", cell(self.values[0]), self.unit),
            n => format!(
                "{} {} (p99 {}, max {}, {n} times)",
                cell(self.percentile(50.0)),
                self.unit,
                cell(self.percentile(99.0)),
                cell(self.percentile(100.0))
            ),
        }
    }

    fn json(&self) -> Value {
        json!({
            "unit": self.unit,
            "n": self.values.len(),
            "median": self.percentile(50.0),
            "p90": self.percentile(90.0),
            "p99": self.percentile(99.0),
            "max": self.percentile(100.0),
        })
    }
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Of a hundred measurements, so many.
    pub of_hundred: f64,
    /// At most this, in the figure's unit.
    pub at_most: f64,
}

/// One figure, beside what somebody would use instead.
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The cockpit's.
    pub ours: Series,
    /// What is asked, where something is.
    pub budget: Option<Budget>,
    /// Others', by name; what could not be measured says why.
    pub peers: Vec<(String, Result<Series, String>)>,
}

impl Figure {
    /// A figure that nothing stands beside.
    pub fn new(what: impl Into<String>, ours: Series, budget: Option<Budget>) -> Self {
        Self { what: what.into(), ours, budget, peers: Vec::new() }
    }

    /// Puts somebody else's beside it.
    pub fn beside(mut self, who: &str, theirs: Result<Series, String>) -> Self {
        self.peers.push((who.to_owned(), theirs));
        self
    }

    fn is_held(&self) -> Option<bool> {
        self.budget.map(|Budget { of_hundred, at_most }| self.ours.percentile(of_hundred) <= at_most)
    }

    fn row(&self) -> String {
        let asked = self.budget.map_or_else(
            || "-".to_owned(),
            |Budget { of_hundred, at_most }| {
                let which = if of_hundred == 50.0 { "median".to_owned() } else { format!("p{of_hundred:.0}") };
                let held = if self.is_held() == Some(true) { "held" } else { "**not held**" };
                format!("{which} ≤ {at_most} {}: {held}", self.ours.unit)
            },
        );
        let peers: Vec<String> = self
            .peers
            .iter()
            .map(|(who, theirs)| match theirs {
                Ok(series) => format!("{who}: {}", series.cells()),
                Err(why) => format!("{who}: not measured, {why}"),
            })
            .collect();
        format!("| {} | {} | {asked} | {} |", self.what, self.ours.cells(), peers.join("; "))
    }

    fn json(&self) -> Value {
        let peers = self.peers.iter().map(|(who, theirs)| match theirs {
            Ok(series) => json!({ "who": who, "figure": series.json() }),
            Err(why) => json!({ "who": who, "not_measured": why }),
        });
        json!({
            "what": self.what,
            "ours": self.ours.json(),
            "asked": self.budget.map(|budget| json!({ "of_hundred": budget.of_hundred, "at_most": budget.at_most })),
            "held": self.is_held(),
            "beside": peers.collect::<Vec<_>>(),
        })
    }
}

/// The figures as a table in Markdown.
pub fn table(figures: &[Figure]) -> String {
    let rows: Vec<String> = figures.iter().map(Figure::row).collect();
    format!(
        "| what | aurora-cockpit | asked | beside it, in the same run |\n| --- | --- | --- | --- |\n{}\n",
        rows.join("\n")
    )
}

/// The figures for programs, with the machine and the day.
pub fn json(figures: &[Figure], machine: &str) -> Value {
    json!({
        "at": jiff::Timestamp::now().to_string(),
        "machine": machine,
        "profile": if cfg!(debug_assertions) { "debug" } else { "release" },
        "figures": figures.iter().map(Figure::json).collect::<Vec<_>>(),
    })
}
