//! A rollout over a fleet: the shipped one's steps, over as many partitions and accounts as are asked for.

use std::fmt::Write as _;

use aurora_cockpit::config;

/// The rollout file of a fleet: `partitions` of them over `accounts`, the last one of each account its production.
pub fn rollout(partitions: usize, accounts: usize) -> String {
    let (_, shipped) = config::SHIPPED;
    let begins = shipped.find("[[partitions]]").expect("it has partitions");
    let ends = begins + shipped[begins..].find("# ----").expect("and steps after them");
    let each = partitions.div_ceil(accounts);
    let (mut text, mut usual, mut production) = (String::new(), Vec::new(), Vec::new());
    for number in 0..partitions {
        let infrastructure = format!("Alpha{:03}", number / each + 1);
        let is_last = number % each == each - 1 || number + 1 == partitions;
        let name = if is_last { format!("prod{:02}", number / each + 1) } else { format!("tenant{:03}", number + 1) };
        let profile = format!("{infrastructure}-Admin");
        let _ = writeln!(text, "[[partitions]]\nname = \"{name}\"\ninfrastructure = \"{infrastructure}\"");
        let _ = writeln!(text, "aws.profile = \"{profile}\"");
        let _ = writeln!(text, "vars = {{ op_item = \"{name}-app\", oam_vault = \"{name}-OAM\" }}");
        if is_last {
            text += "production = true\ncluster.apply_immediately = false\ncluster.class_after = \"db.r7g.large\"\n";
        }
        text.push('\n');
        if is_last { &mut production } else { &mut usual }.push(name);
    }
    let steps = shipped[ends..]
        .replace("partitions = [\"prod\"]", &format!("partitions = {production:?}"))
        .replace("partitions = [\"dev\", \"stage\", \"demo\"]", &format!("partitions = {usual:?}"));
    format!("{}{text}{steps}", &shipped[..begins])
}
