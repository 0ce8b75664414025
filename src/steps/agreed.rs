//! Whether the witnesses agree on the writer, before anything is fired that rests on who it is: the RDS API alone may lag
//! behind by seconds, and the reader that it names may be the writer.

use super::context::Look;
use crate::runbook::check::{Holds, Precondition};
use crate::runbook::council::Standing;
use crate::runbook::lever::Lever;
use crate::runbook::names::InstanceId;
use crate::runbook::plan::StepKind;
use crate::runbook::topology::Rounds;

/// What of a step's preconditions the witnesses say; none where it does not rest on who the writer is, or nobody watches.
pub(super) fn precondition(look: &Look) -> Option<Precondition> {
    let standing = look.witnesses.as_ref()?;
    let short = |id: &InstanceId| look.partition.cluster.short_name(id).to_owned();
    let (holds, text) = match &look.step.kind {
        StepKind::RestartReader | StepKind::FlushDemoted | StepKind::Failover | StepKind::VerifySql(_) => {
            judge(standing, short)
        }
        // What takes back is pulled just because they do not agree.
        StepKind::Lever(Lever::FailBack) => {
            let (holds, text) = judge(standing, short);
            (if holds == Holds::No { Holds::Mind } else { holds }, text)
        }
        _ => return None,
    };
    Some(Precondition::now(text, holds))
}

/// They must agree on fresh words; after a dispute, in enough rounds. Before there were that many rounds at all, it is only
/// said.
fn judge(standing: &Standing, short: impl Fn(&InstanceId) -> String) -> (Holds, String) {
    let Standing { agreement, dissents, rounds, disputed } = standing;
    let against: Vec<String> =
        dissents.iter().map(|dissent| format!("{}: {}", dissent.witness, short(&dissent.says))).collect();
    let of = format!("{rounds} of {} rounds", Rounds::ENOUGH);
    match &agreement.writer {
        None if agreement.voices() == 0 => {
            (Holds::Mind, "no witness was heard lately; RDS alone is believed".to_owned())
        }
        None => (Holds::No, format!("witnesses do not agree on the writer: {}", against.join(", "))),
        Some(writer) if !against.is_empty() => {
            (Holds::No, format!("witnesses say {} is the writer, but {}", short(writer), against.join(", ")))
        }
        Some(writer) if *rounds >= Rounds::ENOUGH => {
            let voices = agreement.voices();
            (Holds::Yes, format!("all {voices} witnesses name {} the writer, {of}", short(writer)))
        }
        Some(writer) if *disputed => {
            (Holds::No, format!("witnesses name {} the writer again, {of} so far", short(writer)))
        }
        Some(writer) => (Holds::Mind, format!("witnesses name {} the writer, {of} so far", short(writer))),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::runbook::council::Council;
    use crate::runbook::witness::{Testimony, Witness, Word};

    fn judged(rounds: &[(&str, &str)], silent_for_s: i64) -> (Holds, String) {
        let start = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1_800_000_000);
        let mut council = Council::default();
        let mut now = start;
        for (api, endpoint) in rounds {
            now += jiff::SignedDuration::from_secs(1);
            let says = |witness, writer: &str| {
                Testimony::new(witness, Word::Writer { instance: writer.into(), writes: None }, now, now)
            };
            council.hear(vec![says(Witness::SqlEndpoint, endpoint), says(Witness::ApiWriter, api)], true, now);
        }
        judge(&council.standing(now + jiff::SignedDuration::from_secs(silent_for_s)), ToString::to_string)
    }

    #[test]
    fn nothing_that_rests_on_the_writer_is_fired_while_the_witnesses_differ_or_have_only_just_agreed_again() {
        let agreed = ("b", "b");
        let differ = ("a", "b");
        for (rounds, silent, holds, words) in [
            (vec![agreed; 4], 0, Holds::Yes, "all 2 witnesses name b the writer, 3 of 3 rounds"),
            (vec![agreed; 2], 0, Holds::Mind, "witnesses name b the writer, 2 of 3 rounds so far"),
            (vec![agreed, differ], 0, Holds::No, "witnesses say b is the writer, but API writer: a"),
            (vec![differ, agreed, agreed], 0, Holds::No, "witnesses name b the writer again, 2 of 3 rounds so far"),
            (vec![differ, agreed, agreed, agreed], 0, Holds::Yes, "all 2 witnesses name b the writer, 3 of 3 rounds"),
            (vec![agreed; 4], 60, Holds::Mind, "no witness was heard lately; RDS alone is believed"),
        ] {
            assert_eq!(judged(&rounds, silent), (holds, words.to_owned()), "{rounds:?}");
        }
    }
}
