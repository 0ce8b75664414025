//! What was measured, as a table for people and as JSON for programs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};

use crate::readme;

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
        let at = |of_hundred| digits(self.percentile(of_hundred));
        match self.values.len() {
            0 => "nothing came".to_owned(),
            1 => format!("{} {}", at(100.0), self.unit),
            // Of few, the ninety-ninth is the greatest.
            n @ 2..100 => format!("{} {} (max {}, n = {n})", at(50.0), self.unit, at(100.0)),
            n => format!("{} {} (p99 {}, max {}, n = {n})", at(50.0), self.unit, at(99.0), at(100.0)),
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
            "values": if self.values.len() <= 60 { Some(&self.values) } else { None },
        })
    }
}

/// As many digits as say something.
fn digits(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    /// The median is at most this, in the figure's unit.
    Median(f64),
    /// Ninety-nine of a hundred are at most this.
    P99(f64),
    /// The least of them is at least this.
    AtLeast(f64),
}

impl Asked {
    fn words(self, unit: &str) -> String {
        match self {
            Self::Median(most) => format!("≤ {most} {unit}"),
            Self::P99(most) => format!("p99 ≤ {most} {unit}"),
            Self::AtLeast(least) => format!("≥ {least} {unit}"),
        }
    }

    fn is_held(self, by: &Series) -> bool {
        match self {
            Self::Median(most) => by.percentile(50.0) <= most,
            Self::P99(most) => by.percentile(99.0) <= most,
            Self::AtLeast(least) => by.percentile(0.0) >= least,
        }
    }
}

/// Measurements, or why there are none.
pub type Taken = Result<Series, String>;

/// One figure, beside what somebody would use instead.
pub struct Figure {
    what: String,
    ours: Taken,
    asked: Option<Asked>,
    beside: Vec<(String, Taken)>,
}

impl Figure {
    /// A figure that nothing stands beside yet.
    pub fn new(what: impl Into<String>, ours: Taken, asked: Option<Asked>) -> Self {
        Self { what: what.into(), ours, asked, beside: Vec::new() }
    }

    /// Puts somebody else's beside it.
    pub fn beside(mut self, who: impl Into<String>, theirs: Taken) -> Self {
        self.beside.push((who.into(), theirs));
        self
    }

    fn is_held(&self) -> Option<bool> {
        Some(self.asked?.is_held(self.ours.as_ref().ok()?))
    }

    fn row(&self) -> String {
        let unit = self.ours.as_ref().map_or("", |series| series.unit);
        let asked = match (self.asked, self.is_held()) {
            (None, _) => String::new(),
            (Some(asked), None) => asked.words(unit),
            (Some(asked), Some(true)) => format!("{}: held", asked.words(unit)),
            (Some(asked), Some(false)) => format!("{}: **not held**", asked.words(unit)),
        };
        let told = |taken: &Taken| match taken {
            Ok(series) => series.cells(),
            Err(why) => format!("not measured: {}", why.replace(['|', '\n'], " ")),
        };
        let beside: Vec<String> = self.beside.iter().map(|(who, theirs)| format!("{who}: {}", told(theirs))).collect();
        format!("| {} | {} | {asked} | {} |", self.what, told(&self.ours), beside.join("; "))
    }

    fn json(&self) -> Value {
        let told = |taken: &Taken| match taken {
            Ok(series) => series.json(),
            Err(why) => json!({ "not_measured": why }),
        };
        let beside = self.beside.iter().map(|(who, theirs)| json!({ "who": who, "figure": told(theirs) }));
        json!({
            "what": self.what,
            "ours": told(&self.ours),
            "asked": self.asked.map(|asked| asked.words(self.ours.as_ref().map_or("", |series| series.unit))),
            "held": self.is_held(),
            "beside": beside.collect::<Vec<_>>(),
        })
    }
}

/// Takes a measurement; what goes wrong in it is its own, and says why there is none.
pub fn take<T>(measure: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(measure)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        let words = words.unwrap_or_else(|| "it broke off".to_owned());
        // A screen may follow.
        Err(words.lines().next().unwrap_or_default().to_owned())
    })
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
        "build": readme::build(),
        "figures": figures.iter().map(Figure::json).collect::<Vec<_>>(),
    })
}
