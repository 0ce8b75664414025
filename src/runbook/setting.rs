//! Values of PostgreSQL settings, as three sides write them: `SHOW` says `500ms` and `on`, pg_settings says `500` in the unit
//! `ms`, and a parameter group holds `500` and `1`, or a formula.

/// Units of time in milliseconds.
const TIMES: [(&str, f64); 6] =
    [("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("min", 60_000.0), ("h", 3_600_000.0), ("d", 86_400_000.0)];

/// Units of memory in bytes.
const SIZES: [(&str, f64); 6] = [
    ("B", 1.0),
    ("kB", 1_024.0),
    ("8kB", 8_192.0),
    ("MB", 1_048_576.0),
    ("GB", 1_073_741_824.0),
    ("TB", 1_099_511_627_776.0),
];

/// A value as `SHOW` prints it, in the form in which a parameter group holds it: a bare number in the setting's own unit, and
/// 1 and 0 where the group calls it a boolean.
pub fn in_group(shown: &str, unit: Option<&str>, data_type: Option<&str>) -> String {
    let shown = shown.trim();
    if data_type == Some("boolean") {
        return truth(shown).map_or_else(|| shown.to_owned(), |on| u8::from(on).to_string());
    }
    unit.and_then(|unit| in_unit(shown, unit)).unwrap_or_else(|| shown.to_owned())
}

/// Whether two values mean the same, both in the group's form.
pub fn same(one: &str, other: &str) -> bool {
    let plain = |value: &str| value.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    if plain(one) == plain(other) {
        return true;
    }
    let words = truth(one).zip(truth(other));
    words.is_some_and(|(one, other)| one == other)
}

/// Whether a list such as `shared_preload_libraries` has an entry.
pub fn lists(list: &str, entry: &str) -> bool {
    list.split(',').any(|each| each.trim() == entry)
}

fn truth(value: &str) -> Option<bool> {
    match value.trim().to_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn in_unit(shown: &str, unit: &str) -> Option<String> {
    let end = shown.find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '.')).unwrap_or(shown.len());
    let (number, suffix) = shown.split_at(end);
    let number: f64 = number.parse().ok()?;
    let suffix = suffix.trim();
    if suffix.is_empty() {
        return Some(shown.to_owned());
    }
    let table = if TIMES.iter().any(|(name, _)| *name == unit) { &TIMES } else { &SIZES };
    let factor = |wanted: &str| table.iter().find(|(name, _)| *name == wanted).map(|(_, factor)| *factor);
    Some((number * factor(suffix)? / factor(unit)?).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_show_prints_is_put_into_the_groups_form() {
        let of = |shown, unit| in_group(shown, unit, None);
        assert_eq!(of("500ms", Some("ms")), "500");
        assert_eq!(of("2s", Some("ms")), "2000");
        assert_eq!(of("1min", Some("s")), "60");
        assert_eq!(of("-1", Some("ms")), "-1");
        assert_eq!(of("10MB", Some("kB")), "10240");
        assert_eq!(of("128MB", Some("8kB")), "16384");
        assert_eq!(of("ddl", None), "ddl");
        assert_eq!(in_group("on", None, Some("boolean")), "1");
        // An enumeration that has `on` among its values stays as it is.
        assert_eq!(in_group("on", None, Some("string")), "on");
    }

    #[test]
    fn a_unit_of_another_kind_is_left_alone() {
        assert_eq!(in_group("500ms", Some("kB"), None), "500ms");
        assert_eq!(in_group("5 apples", Some("ms"), None), "5 apples");
    }

    #[test]
    fn spellings_of_one_value_are_the_same() {
        assert!(same("1", "on") && same("TRUE", "yes") && same("off", "0"));
        assert!(same("LEAST({DBInstanceClassMemory / 9531392}, 5000)", "LEAST({DBInstanceClassMemory/9531392},5000)"));
        assert!(!same("500", "-1") && !same("on", "0") && !same("ddl", "none"));
    }

    #[test]
    fn a_list_is_searched_by_whole_entries() {
        assert!(lists("rdsutils, pg_stat_statements", "pg_stat_statements"));
        assert!(!lists("pg_stat_statements_old", "pg_stat_statements"));
    }
}
