#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

#[test]
fn probe() {
    match load_text(SHIPPED.0, SHIPPED.1, None) {
        Ok(plan) => println!("{}", serde_json::to_string_pretty(&plan.partitions[3]).unwrap()),
        Err(problems) => panic!("{problems}"),
    }
}
