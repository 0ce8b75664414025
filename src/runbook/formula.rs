//! RDS parameter formulas, such as `LEAST({DBInstanceClassMemory/9531392},5000)`, checked against a band.
//!
//! `DBInstanceClassMemory` is the class's memory less what the operating system and RDS keep: 88 to 92 % of the nominal
//! figure in two reports, 89 % in the execution log (401 on db.t3.medium). So a formula yields a band, not one figure.

use std::ops::RangeInclusive;

/// Share of the nominal memory that is left to the database, at the least and at the most.
const USABLE: (f64, f64) = (0.85, 0.95);

/// The values that a formula may yield on an instance class; none if the formula or the class is not understood.
pub fn band(formula: &str, class: &str) -> Option<RangeInclusive<u64>> {
    let nominal = class_memory(class)? as f64;
    let low = evaluate(formula.trim(), nominal * USABLE.0)?;
    let high = evaluate(formula.trim(), nominal * USABLE.1)?;
    Some(low.floor() as u64..=high.ceil() as u64)
}

/// Nominal memory of an instance class in bytes; none for a family that is not known.
pub fn class_memory(class: &str) -> Option<u64> {
    let (family, size) = class.strip_prefix("db.")?.split_once('.')?;
    let large: u64 = match family {
        "t3" | "t4g" => 8,
        "r3" | "r4" => 15,
        "r5" | "r6g" | "r6gd" | "r6i" | "r6id" | "r7g" | "r7i" | "r8g" => 16,
        "x2g" => 32,
        _ => return None,
    };
    let gib = match size {
        "small" => large / 4,
        "medium" => large / 2,
        "large" => large,
        "xlarge" => large * 2,
        size => large * 2 * size.strip_suffix("xlarge")?.parse::<u64>().ok()?,
    };
    Some(gib << 30)
}

/// vCPUs of an instance class; none for a family that is not known.
pub fn class_vcpus(class: &str) -> Option<u32> {
    class_memory(class)?;
    let (_, size) = class.strip_prefix("db.")?.split_once('.')?;
    Some(match size {
        "small" | "medium" | "large" => 2,
        "xlarge" => 4,
        size => 4 * size.strip_suffix("xlarge")?.parse::<u32>().ok()?,
    })
}

/// Evaluates a formula of RDS: numbers, `{A/B}` and `{A*B}` of them, `LEAST`, `GREATEST`, `SUM`.
fn evaluate(formula: &str, memory: f64) -> Option<f64> {
    for (name, fold) in [
        ("LEAST", f64::min as fn(f64, f64) -> f64),
        ("GREATEST", f64::max),
        ("SUM", |left: f64, right: f64| left + right),
    ] {
        if let Some(arguments) = formula.strip_prefix(name).and_then(|rest| rest.trim().strip_prefix('(')) {
            let arguments = arguments.strip_suffix(')')?;
            let values: Option<Vec<f64>> =
                split(arguments).into_iter().map(|each| evaluate(each.trim(), memory)).collect();
            return values?.into_iter().reduce(fold);
        }
    }
    if let Some(inner) = formula.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return term(inner, memory);
    }
    formula.parse().ok()
}

fn term(term: &str, memory: f64) -> Option<f64> {
    if let Some((left, right)) = term.split_once('/') {
        return Some(factor(left, memory)? / factor(right, memory)?);
    }
    if let Some((left, right)) = term.split_once('*') {
        return Some(factor(left, memory)? * factor(right, memory)?);
    }
    factor(term, memory)
}

fn factor(factor: &str, memory: f64) -> Option<f64> {
    match factor.trim() {
        "DBInstanceClassMemory" => Some(memory),
        number => number.parse().ok(),
    }
}

/// Splits arguments at the commas that stand outside brackets.
fn split(arguments: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0usize, 0, Vec::new());
    for (at, character) in arguments.char_indices() {
        match character {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&arguments[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&arguments[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTIONS: &str = "LEAST({DBInstanceClassMemory/9531392},5000)";

    #[test]
    fn the_figure_of_the_execution_log_is_within_the_band() {
        let band = band(CONNECTIONS, "db.t3.medium").expect("a known class");
        assert!(band.contains(&401), "{band:?}");
        // Not so wide that the runbook's own guess of about 800 would pass.
        assert!(!band.contains(&800) && !band.contains(&500), "{band:?}");
    }

    #[test]
    fn the_cap_holds_on_a_large_class() {
        assert_eq!(band(CONNECTIONS, "db.r7g.4xlarge"), Some(5000..=5000));
    }

    #[test]
    fn what_is_not_understood_yields_nothing() {
        assert_eq!(band(CONNECTIONS, "db.serverless"), None);
        assert_eq!(band("LEAST({AllocatedStorage/1},5)", "db.t3.medium"), None);
        assert_eq!(band("", "db.t3.medium"), None);
    }

    #[test]
    fn classes_have_the_memory_that_aws_lists() {
        let table = [
            ("db.t3.medium", 4, 2),
            ("db.t4g.large", 8, 2),
            ("db.r6g.xlarge", 32, 4),
            ("db.r7g.large", 16, 2),
            ("db.r7g.2xlarge", 64, 8),
            ("db.x2g.large", 32, 2),
            ("db.r5.24xlarge", 768, 96),
        ];
        for (class, gib, vcpus) in table {
            assert_eq!(class_memory(class), Some(gib << 30), "{class}");
            assert_eq!(class_vcpus(class), Some(vcpus), "{class}");
        }
    }
}
