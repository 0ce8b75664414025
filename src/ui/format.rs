//! Times and figures as they stand on screen: short, of one width class each, with a unit.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How old something is: `0.3 s`, `12 s`, `4 min`, `2 h`.
pub fn age(duration: Duration) -> String {
    match duration.as_secs() {
        0..=9 if duration.as_millis() < 9_950 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5_999 => format!("{} min", (seconds + 30) / 60),
        seconds @ 6_000..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// An age whose tenths say nothing: `2 s`, `4 min`.
pub fn age_in_seconds(duration: Duration) -> String {
    if duration.as_secs() < 100 { format!("{} s", duration.as_secs()) } else { age(duration) }
}

/// An age where nothing moves and the datum is fresh, as an upper bound: a counter of seconds would say no more of it than
/// that its source is asked in time.
pub fn age_in_steps(duration: Duration) -> String {
    match duration.as_secs() {
        0..15 => "<15 s".to_owned(),
        15..30 => "<30 s".to_owned(),
        30..60 => "<60 s".to_owned(),
        60..100 => age(Duration::from_secs(100)),
        _ => age(duration),
    }
}

/// How long something took: `0:24`, `12:05`, `1:04:10`.
pub fn took(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

pub use crate::runbook::outlook::roughly;

/// Seconds with a tenth: `11.8 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// A time before or after a moment, to the millisecond: `+0:12.345`, `−1:04:10.002`.
pub fn signed(duration: SignedDuration) -> String {
    let sign = if duration.is_negative() { '−' } else { '+' };
    let length = duration.unsigned_abs();
    format!("{sign}{}.{:03}", took(length), length.subsec_millis())
}

/// A count with its thousands parted: `1,204`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut parted = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            parted.push(',');
        }
        parted.push(digit);
    }
    parted
}

/// A time of day to the minute.
pub fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

/// A time of day to the minute, with its day where that is another than today.
pub fn minute_of_day(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, today) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()).date());
    let days = at.date().duration_since(today).as_hours() / 24;
    let format = match days {
        0 => "%H:%M",
        1..=6 => "%a %H:%M",
        _ => "%Y-%m-%d %H:%M",
    };
    at.strftime(format).to_string()
}

/// A time of day to the second.
pub fn second(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// A time of day to the millisecond.
pub fn millisecond(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S.%3f").to_string()
}

/// A time of day to the second, with its zone.
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S %Z").to_string()
}

/// An instance class without the `db.` that every one of them has.
pub fn class(class: &str) -> &str {
    class.strip_prefix("db.").unwrap_or(class)
}

/// A figure with as many digits as say something: `0.04`, `12.4`, `880`.
pub fn figure(value: f64) -> String {
    match value {
        value if value < 0.095 => format!("{value:.2}"),
        value if value < 999.5 => format!("{value:.1}"),
        value if value < 99_950.0 => format!("{value:.0}"),
        value => format!("{:.0}k", value / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let of = |millis| age(Duration::from_millis(millis));
        assert_eq!(of(300), "0.3 s");
        assert_eq!(of(9_940), "9.9 s");
        assert_eq!(of(9_960), "9 s");
        assert_eq!(of(59_000), "59 s");
        assert_eq!(of(240_000), "4 min");
        assert_eq!(of(7_300_000), "2 h");
    }

    #[test]
    fn an_age_in_steps_is_never_less_than_the_age() {
        let of = |seconds| age_in_steps(Duration::from_secs(seconds));
        assert_eq!([of(0), of(14), of(15), of(59)], ["<15 s", "<15 s", "<30 s", "<60 s"]);
        assert_eq!([of(60), of(99), of(100), of(240)], ["2 min", "2 min", "2 min", "4 min"]);
    }

    #[test]
    fn counts_are_parted_and_times_have_a_sign() {
        for (number, text) in [(0, "0"), (999, "999"), (1_204, "1,204"), (1_000_000, "1,000,000")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(signed(SignedDuration::from_millis(12_345)), "+0:12.345");
        assert_eq!(signed(SignedDuration::from_millis(-3_850_002)), "−1:04:10.002");
    }

    #[test]
    fn a_time_of_another_day_says_which() {
        let zone = TimeZone::fixed(jiff::tz::offset(-7));
        let at = |text: &str| -> Timestamp { text.parse().expect("a moment") };
        let now = at("2026-05-14T17:30:00Z");
        for (then, words) in [
            ("2026-05-15T06:00:00Z", "23:00"),
            ("2026-05-15T08:00:00Z", "Fri 01:00"),
            ("2026-05-20T08:00:00Z", "Wed 01:00"),
            ("2026-05-22T08:00:00Z", "2026-05-22 01:00"),
            ("2026-05-14T06:00:00Z", "2026-05-13 23:00"),
        ] {
            assert_eq!(minute_of_day(at(then), now, &zone), words);
        }
    }

    #[test]
    fn durations_are_clocks() {
        assert_eq!(took(Duration::from_secs(24)), "0:24");
        assert_eq!(took(Duration::from_secs(3_850)), "1:04:10");
        assert_eq!(roughly(Duration::from_secs(61 * 60)), "61 min");
        assert_eq!(roughly(Duration::from_secs(3 * 3_600)), "3 h");
    }
}
