//! What a sample says on the question "who is the writer?": the lanes of the failover timeline.

use super::sample::{HttpView, Reading, Role, Sample, Source, SqlView, WriteProbe};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::InstanceId;
use crate::runbook::witness::{Testimony, Witness, Word};

impl Source {
    /// The witnesses for whom this source speaks; none for those that say nothing on the writer.
    pub fn witnesses(&self) -> Vec<Witness> {
        match self {
            Self::Api => vec![Witness::ApiStatus, Witness::ApiWriter],
            Self::Events => vec![Witness::Events],
            Self::Dns => vec![Witness::Dns],
            Self::SqlEndpoint => vec![Witness::SqlEndpoint],
            Self::Writes => vec![Witness::Writes],
            Self::SqlInstance(instance) => vec![Witness::SqlInstance(instance.clone())],
            Self::App => vec![Witness::Application],
            Self::Pods => vec![Witness::Pods],
            Self::Load(_) | Self::Statements | Self::Metrics | Self::SlowLog | Self::Rights | Self::Log(_) => {
                Vec::new()
            }
        }
    }
}

impl Sample {
    /// What this sample has to say on the timeline.
    pub fn testimony(&self) -> Vec<Testimony> {
        self.words().into_iter().map(|(witness, word)| self.testify(witness, word)).collect()
    }

    fn testify(&self, witness: Witness, word: Word) -> Testimony {
        let said = Testimony::new(witness, word, self.asked(), self.at);
        Testimony { unaware: self.unaware, steady: self.steady, clock: self.clock, again: self.again, ..said }
    }

    fn words(&self) -> Vec<(Witness, Word)> {
        let witnesses = self.source.witnesses();
        match &self.said {
            Err(trouble) => witnesses
                .into_iter()
                // That the events cannot be read is no event.
                .filter(|witness| *witness != Witness::Events)
                .map(|witness| (witness, Word::Silent { reason: silence(trouble) }))
                .collect(),
            Ok(Reading::Lines(lines)) => witnesses
                .into_iter()
                .flat_map(|witness| lines.iter().map(move |line| (witness.clone(), line)))
                .map(|(witness, line)| {
                    let text =
                        line.code.as_deref().map_or(line.text.as_str(), |code| code.trim_start_matches("RDS-EVENT-"));
                    (witness, Word::Happened { text: text.to_owned() })
                })
                .collect(),
            Ok(reading) => witnesses
                .into_iter()
                .filter_map(|witness| word(&witness, reading).map(|word| (witness, word)))
                .collect(),
        }
    }
}

/// What a reading lets a witness say.
fn word(witness: &Witness, reading: &Reading) -> Option<Word> {
    match (witness, reading) {
        (Witness::ApiStatus, Reading::Cluster(cluster)) => {
            Some(Word::Status { text: cluster.status.clone(), healthy: cluster.status == "available" })
        }
        (_, Reading::Cluster(cluster)) => Some(named(cluster.writer.clone(), "nobody is named writer")),
        (_, Reading::Dns(dns)) => {
            let end = dns.chain.last().map_or("nowhere", String::as_str);
            Some(named(dns.leads_to.clone(), &format!("leads to {end}")))
        }
        (_, Reading::Sql(sql)) => Some(session(sql)),
        (_, Reading::Http(HttpView { status, .. })) => {
            Some(Word::Status { text: status.to_string(), healthy: *status < 500 })
        }
        (_, Reading::Pods(pods)) => Some(Word::Status {
            text: format!("{}/{} ready", pods.ready, pods.wanted),
            healthy: pods.ready >= pods.wanted,
        }),
        (
            _,
            Reading::Load(_)
            | Reading::Statements(_)
            | Reading::Metrics(_)
            | Reading::SlowLog(_)
            | Reading::PodLog(_)
            | Reading::Rights(_)
            | Reading::Lines(_),
        ) => None,
    }
}

fn named(writer: Option<InstanceId>, otherwise: &str) -> Word {
    match writer {
        Some(instance) => Word::Writer { instance, writes: None },
        None => Word::Silent { reason: otherwise.to_owned() },
    }
}

/// The word of a SQL session: of the instance it ended on, whatever that one believes of others.
fn session(sql: &SqlView) -> Word {
    match (sql.role, &sql.instance) {
        (Role::Writer, Some(instance)) => {
            Word::Writer { instance: instance.clone(), writes: sql.write.map(|write| write == WriteProbe::Accepted) }
        }
        (Role::Writer, None) => Word::Status { text: "a writer".to_owned(), healthy: true },
        (Role::Reader, _) => Word::Reader,
    }
}

/// Why a witness is silent, in the few words that fit a lane.
fn silence(trouble: &Trouble) -> String {
    let words = match trouble.kind {
        // 57P0x: the server says itself that it goes down, comes up or threw the session out.
        TroubleKind::Unreachable if trouble.code.as_deref().is_some_and(|code| code.starts_with("57P")) => "restarting",
        TroubleKind::Unreachable => "no connection",
        TroubleKind::NoAnswer => "cut",
        TroubleKind::SignedOut => "signed out",
        TroubleKind::Denied => "not permitted",
        TroubleKind::Throttled => "throttled",
        TroubleKind::NotFound => "not found",
        TroubleKind::Refused | TroubleKind::Malformed => "unclear answer",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_says_which_kind_it_is() {
        let trouble = |kind, code: &str| Trouble::new("SQL", kind, "").with_code(code);
        assert_eq!(silence(&trouble(TroubleKind::Unreachable, "57P03")), "restarting");
        assert_eq!(silence(&trouble(TroubleKind::Unreachable, "08006")), "no connection");
        assert_eq!(silence(&trouble(TroubleKind::NoAnswer, "")), "cut");
    }
}
