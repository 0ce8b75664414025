//! What a failover meets and goes on through: a status that came too early, an API that lags, an application that heals, a
//! class that stays queued.

use jiff::{SignedDuration, Timestamp};

use super::Move;
use super::watched::Watch;
use crate::clients::rds::{ClusterView, MemberView};
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{Finding, Outcome};
use crate::runbook::plan::StepKind;
use crate::runbook::witness::Witness;
use crate::steps::act::Act;
use crate::steps::cluster::DESCRIBE;
use crate::steps::context::Stop;

/// What lasts no longer than this is the usual way of things and not worth a word.
const WORTH_A_WORD: SignedDuration = SignedDuration::from_secs(1);
/// The same for an application that fails after it has its writer again.
const APPLICATION_WORTH_A_WORD: SignedDuration = SignedDuration::from_secs(5);

/// How long nobody may have looked at something that is said to last.
const UNSEEN: SignedDuration = SignedDuration::from_secs(15);

/// Something that lasts for a while, as it was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Aside {
    seen: Option<(Timestamp, Timestamp, String)>,
}

impl Aside {
    /// Notes that it was so at a moment, and how it showed. Where nobody looked for long, nothing is known of the time between.
    pub(super) fn notice(&mut self, at: Timestamp, text: String) {
        let before = self.seen.as_ref().filter(|(_, last, _)| at.duration_since(*last) <= UNSEEN);
        let first = before.map_or(at, |(first, ..)| *first);
        self.seen = Some((first, at, text));
    }

    /// Since when, until when it was last seen, and how it showed last; none where that was too short to speak of.
    pub(super) fn lasting(&self, at_least: SignedDuration) -> Option<(Timestamp, Timestamp, &str)> {
        let (first, last, text) = self.seen.as_ref()?;
        (last.duration_since(*first) >= at_least).then_some((*first, *last, text.as_str()))
    }

    /// Whether it was seen at all.
    pub(super) fn is_noticed(&self) -> bool {
        self.seen.is_some()
    }

    /// It is over, or nothing is known of it any more.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }
}

impl Watch {
    /// Notes what is odd and passes, and says it once it has passed.
    pub(super) async fn notice_asides(
        &mut self,
        act: &mut Act,
        cluster: &ClusterView,
        asked: Timestamp,
    ) -> Result<(), Stop> {
        let Move { from, to } = self.direction.clone();
        let writer = cluster.writer().map(|writer| &writer.id);
        let available = |member: &MemberView| member.status() == Some("available");
        let looks_over = cluster.status == "available" && cluster.members.iter().all(available);
        if !self.moved && looks_over && writer == Some(&from) {
            let text = format!("cluster and instances available, {from} still the writer");
            self.race.notice(asked, text);
        }
        if self.moved
            && let Some(finding) = self.race(act)
        {
            act.remark(finding).await?;
            self.race.forget();
        }
        let elsewhere = self.timeline.lanes.iter().filter(|(witness, _)| **witness != Witness::ApiWriter);
        let ahead: Vec<String> =
            elsewhere.filter(|(_, lane)| self.names_new(&lane.last)).map(|(witness, _)| witness.to_string()).collect();
        if writer == Some(&from) && !ahead.is_empty() {
            self.stale.notice(asked, format!("{} name {to}, DescribeDBClusters names {from}", ahead.join(", ")));
        }
        if writer == Some(&to)
            && let Some(finding) = self.stale(act)
        {
            act.remark(finding).await?;
            self.stale.forget();
        }
        Ok(())
    }

    fn race(&self, act: &Act) -> Option<Finding> {
        let (first, last, text) = self.race.lasting(WORTH_A_WORD)?;
        let cause = format!("everything read available until {}, before anything had moved", self.after(last));
        let waited = format!("{text}, from {} to {}", self.after(first), self.after(last));
        Some(
            Finding::of("wait-race", cause)
                .because(Evidence { source: DESCRIBE.to_owned(), text: waited, at: last })
                .meaning(
                    "a waiter that asks for `available` alone would have been through; here a change had to be seen",
                )
                .way_out(format!("nothing; {} waited for the writer to move", act.step.title)),
        )
    }

    fn stale(&self, act: &Act) -> Option<Finding> {
        let (first, last, text) = self.stale.lasting(WORTH_A_WORD)?;
        let lagged = last.duration_since(first).as_secs_f64();
        let cause = format!("DescribeDBClusters named the old writer for {lagged:.0} s after others named the new one");
        let seen = format!("{text}, from {} to {}", self.after(first), self.after(last));
        Some(
            Finding::of("stale-describe", cause)
                .because(Evidence { source: DESCRIBE.to_owned(), text: seen, at: last })
                .meaning("the witnesses disagreed meanwhile; nothing goes on before they agree")
                .way_out(format!("nothing; {} waited for agreement", act.step.title)),
        )
    }

    /// The application failed for longer than the writer was gone, and is well again.
    pub(super) fn healed(&self) -> Option<Finding> {
        let (first, last, text) = self.failing.lasting(APPLICATION_WORTH_A_WORD)?;
        let length = last.duration_since(first).as_secs_f64();
        let seen = format!("{text} from {} to {}, and well since", self.after(first), self.after(last));
        Some(
            Finding::of("app-5xx", format!("the application answered 5xx for {length:.0} s after the writer was back"))
                .because(Evidence { source: "HTTP".to_owned(), text: seen, at: last })
                .meaning("its pools held on to the old writer, and let go by themselves")
                .way_out("nothing; the deployment need not be restarted"),
        )
    }
}

/// Whether the demoted writer keeps a class that is queued: a failover does not flush it.
pub(super) async fn swap(act: &mut Act, direction: &Move, cluster: Option<&ClusterView>) -> Result<Outcome, Stop> {
    let demoted = &direction.from;
    let member = cluster.and_then(|cluster| cluster.member(demoted));
    let Some((queued, class)) = member.and_then(|member| Some((member.pending_class()?, member.class()?))) else {
        return Ok(Outcome::Passed);
    };
    let follows = act.partition.steps.iter().find(|step| step.kind == StepKind::FlushDemoted);
    let next = match follows {
        Some(step) => format!("{} {} flushes it and waits for the class", step.label, step.title),
        None => "flush the instance, or reboot it where that does not take".to_owned(),
    };
    let follows = follows.is_some();
    let label = format!("{demoted} keeps its class, {queued} queued");
    let seen = if follows { "flushed next" } else { "still queued" };
    let evidence = Evidence::now(DESCRIBE, format!("{demoted} {class}, PendingModifiedValues class {queued}"));
    let finding = Finding::of("demoted-not-swapped", format!("{demoted} keeps {class}: {queued} is queued"))
        .because(evidence)
        .meaning("a failover does not flush what is queued; the writer is not affected")
        .way_out(next)
        .lever("flush-instance", Some(demoted.as_str()))
        .lever("reboot-instance", Some(demoted.as_str()));
    act.check(Check::new("swap", label, DESCRIBE, Verdict::Warning).seeing(seen)).await?;
    let warning = format!("class {queued} is still queued on {demoted}");
    act.remark(finding).await?;
    Ok(if follows { Outcome::Passed } else { Outcome::PassedWithWarnings { warnings: vec![warning] } })
}
