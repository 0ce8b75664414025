//! RDS parameter formulas, such as `LEAST({DBInstanceClassMemory/9531392},5000)`, checked against a band.
//!
//! `DBInstanceClassMemory` is the class's memory less what the operating system and RDS keep: 88 to 92 % of the nominal
//! figure in two reports, 89 % in the execution log (401 on db.t3.medium). So a formula yields a band, not one figure.

use std::ops::RangeInclusive;

/// Share of the nominal memory that is left to the database, at the least and at the most.
const USABLE: (f64, f64) = (0.85, 0.95);

/// How deep functions may stand in each other; RDS's own have two.
const DEEPEST: usize = 16;

/// The values that a formula may yield on an instance class; none if the formula or the class is not understood.
pub fn band(formula: &str, class: &str) -> Option<RangeInclusive<u64>> {
    let nominal = class_memory(class)? as f64;
    let one = evaluate(formula.trim(), nominal * USABLE.0, DEEPEST)?;
    let other = evaluate(formula.trim(), nominal * USABLE.1, DEEPEST)?;
    // What is divided by the memory falls as it grows.
    Some(one.min(other).floor() as u64..=one.max(other).ceil() as u64)
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
        size => times(size)?.checked_mul(large * 2)?,
    };
    gib.checked_mul(1 << 30)
}

/// vCPUs of an instance class; none for a family that is not known.
pub fn class_vcpus(class: &str) -> Option<u32> {
    class_memory(class)?;
    let (_, size) = class.strip_prefix("db.")?.split_once('.')?;
    Some(match size {
        "small" | "medium" | "large" => 2,
        "xlarge" => 4,
        size => u32::try_from(times(size)?).ok()?.checked_mul(4)?,
    })
}

/// The number in a size such as `8xlarge`.
fn times(size: &str) -> Option<u64> {
    size.strip_suffix("xlarge")?.parse().ok()
}

/// Evaluates a formula of RDS: numbers, `{A/B}` and `{A*B}` of them, `LEAST`, `GREATEST`, `SUM`.
fn evaluate(formula: &str, memory: f64, depth: usize) -> Option<f64> {
    let deeper = depth.checked_sub(1)?;
    for (name, fold) in [
        ("LEAST", f64::min as fn(f64, f64) -> f64),
        ("GREATEST", f64::max),
        ("SUM", |left: f64, right: f64| left + right),
    ] {
        if let Some(arguments) = formula.strip_prefix(name).and_then(|rest| rest.trim().strip_prefix('(')) {
            let arguments = arguments.strip_suffix(')')?;
            let values: Option<Vec<f64>> =
                split(arguments).into_iter().map(|each| evaluate(each.trim(), memory, deeper)).collect();
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
    fn what_no_formula_of_rds_reads_like_is_not_understood() {
        let deep = format!("{}1{}", "SUM(".repeat(200_000), ")".repeat(200_000));
        assert_eq!(band(&deep, "db.r7g.large"), None, "the stack holds");
        assert_eq!(class_memory("db.r7g.9999999999999999999xlarge"), None);
        assert_eq!(class_vcpus("db.r7g.4294967295xlarge"), None);
        let falling = band("{DBInstanceClassMemory/DBInstanceClassMemory}", "db.r7g.large").expect("a formula");
        assert!(falling.contains(&1));
        let falling = band("{9000000000000/DBInstanceClassMemory}", "db.r7g.large").expect("a formula");
        assert!(falling.start() < falling.end(), "{falling:?}");
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
