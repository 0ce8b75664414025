//! How long the writer endpoint took no writes, from probes that were sent at one time and answered at another.
//!
//! Lengths are reckoned by the clock that nobody sets, wherever the words have one: a wall clock that is put right in the
//! middle of a failover must not make it longer, shorter or negative.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::event::Disruption;
use super::names::InstanceId;
use super::witness::{Steady, Testimony, Witness, Word};

/// How long after its last word the write probe counts as given up, so that SQL through the endpoint is listened to again.
const PROBE_SILENT: SignedDuration = SignedDuration::from_secs(5);

/// How long after the end of an outage another one still belongs to it: users feel a relapse as the same.
const RELAPSE: SignedDuration = SignedDuration::from_secs(60);

/// How long an outage goes on by the clock on the wall alone, after the last word that was heard of it.
const UNHEARD: SignedDuration = SignedDuration::from_secs(30);

/// Watches writes through the writer endpoint: by the write probe while it speaks, else by SQL through the endpoint.
///
/// A probe is sent at one time and answered at another; the truth changed somewhere between two probes. The beginning lies
/// between the last good probe's sending and the moment at which the first bad one's answer was due; the end between the
/// last bad one's sending and the first good one's answer. The middle of each is taken, and half of each width is the
/// uncertainty. A session that is cut while nothing was asked had stood until then, so that the beginning is that moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct WriteWatch {
    last_good: Option<Probe>,
    /// Whose the last good word was, where it said.
    writer: Option<InstanceId>,
    /// The write probe's last word.
    probed: Option<Moment>,
    outage: Option<Outage>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Probe {
    asked: Moment,
    at: Moment,
    /// Whether nobody had listened for a while before it was heard.
    unaware: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Outage {
    /// Between these it began.
    began: Probe,
    /// The last good word before it.
    last_good: Option<Moment>,
    last_bad_asked: Moment,
    recovered: Option<Moment>,
    /// The last word on it.
    heard: Moment,
}

/// A moment by the clock on the wall and by the one that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moment {
    wall: Timestamp,
    steady: Option<Steady>,
}

impl Moment {
    fn since(self, before: Self) -> SignedDuration {
        let steady = self.steady.zip(before.steady).and_then(|(steady, before)| steady.since(before));
        steady.unwrap_or_else(|| self.wall.duration_since(before.wall))
    }

    fn plus(self, time: SignedDuration) -> Self {
        let plus = |steady: Steady| Steady { elapsed: steady.elapsed + time, ..steady };
        Self { wall: self.wall + time, steady: self.steady.map(plus) }
    }
}

impl Probe {
    fn of(testimony: &Testimony) -> Self {
        let at = Moment { wall: testimony.at, steady: testimony.steady };
        Self { asked: at.plus(-testimony.at.duration_since(testimony.asked)), at, unaware: false }
    }

    fn width(self) -> SignedDuration {
        self.at.since(self.asked).max(SignedDuration::ZERO)
    }

    fn middle(self) -> Moment {
        self.asked.plus(self.width() / 2)
    }

    /// Whether nothing was asked: the witness noticed by itself.
    fn is_notice(self) -> bool {
        self.width() == SignedDuration::ZERO
    }
}

impl WriteWatch {
    /// Forgets what is over. An outage that goes on is kept: whoever notices it begins to watch it after it began.
    pub(super) fn begin(&mut self) {
        self.outage = self.outage.take().filter(|outage| outage.recovered.is_none());
    }

    pub(super) fn observe(&mut self, testimony: &Testimony) {
        let probe = self.widened(Probe::of(testimony), testimony.unaware);
        match testimony.witness {
            Witness::Writes => self.probed = Some(probe.at),
            Witness::SqlEndpoint if self.is_probed(probe.at) => return,
            Witness::SqlEndpoint => {}
            _ => return,
        }
        let (good, writer) = match &testimony.word {
            Word::Writer { writes, instance } => (writes.unwrap_or(true), Some(instance)),
            // Writes go through to somebody who cannot say who it is.
            Word::Status { healthy: true, .. } if testimony.witness == Witness::Writes => (true, None),
            Word::Reader | Word::Silent { .. } => (false, None),
            Word::Status { .. } | Word::Happened { .. } => return,
        };
        if good {
            self.moved(writer, probe);
            self.good(probe);
        } else {
            self.refused(probe);
        }
    }

    /// What is heard on waking may have been true at any time of the sleep, back to the last good word.
    fn widened(&self, probe: Probe, unaware: Duration) -> Probe {
        let slept = probe.at.plus(-SignedDuration::try_from(unaware).unwrap_or(SignedDuration::MAX));
        let good = self.last_good.map_or(slept, |good| good.asked);
        let earliest = if slept.since(good).is_negative() { good } else { slept };
        let is_wider = !unaware.is_zero() && earliest.since(probe.asked).is_negative();
        Probe { asked: if is_wider { earliest } else { probe.asked }, unaware: !unaware.is_zero(), ..probe }
    }

    /// Two good words that follow upon each other and name different writers: in between nobody looked, as when the program
    /// slept, and for all that is known writes were refused all the while, or hardly.
    fn moved(&mut self, writer: Option<&InstanceId>, probe: Probe) {
        let Some(writer) = writer else { return };
        let last = self.last_good;
        if last.is_some_and(|good| !probe.unaware && probe.asked.since(good.at).is_negative()) {
            return;
        }
        let before = self.writer.replace(writer.clone());
        let is_down = self.outage.as_ref().is_some_and(|outage| outage.recovered.is_none());
        if let Some(last) = last.filter(|_| !is_down && before.is_some_and(|before| before != *writer)) {
            let unseen = Probe { asked: last.asked, ..probe };
            self.bad(unseen, unseen, probe.asked);
        }
    }

    fn is_probed(&self, now: Moment) -> bool {
        self.probed.is_some_and(|probed| now.since(probed) < PROBE_SILENT)
    }

    fn good(&mut self, probe: Probe) {
        self.last_good = Some(probe);
        if let Some(outage) = &mut self.outage {
            outage.recovered.get_or_insert(probe.at);
            outage.heard = probe.at;
        }
    }

    fn refused(&mut self, probe: Probe) {
        // An answer that comes after that to a later question says nothing any more.
        if self.last_good.is_some_and(|good| probe.asked.since(good.asked).is_negative()) {
            return;
        }
        self.bad(probe, self.beginning(probe), probe.asked);
    }

    /// Writes were bad: `began` is where that began if it is news, and `asked` when they were asked for last.
    fn bad(&mut self, probe: Probe, began: Probe, asked: Moment) {
        let over = |outage: &Outage| outage.recovered.is_some_and(|at| probe.at.since(at) > RELAPSE);
        match &mut self.outage {
            Some(outage) if !over(outage) => {
                if !asked.since(outage.last_bad_asked).is_negative() {
                    outage.last_bad_asked = asked;
                }
                outage.recovered = None;
                outage.heard = probe.at;
            }
            _ => {
                let last_good = self.last_good.map(|good| good.at);
                self.outage =
                    Some(Outage { began, last_good, last_bad_asked: asked, recovered: None, heard: probe.at });
            }
        }
    }

    /// Between which moments an outage began whose first bad probe this is.
    fn beginning(&self, bad: Probe) -> Probe {
        let Some(good) = self.last_good.filter(|_| !bad.is_notice()) else { return bad };
        if bad.unaware {
            return Probe { asked: good.asked, ..bad };
        }
        // A write that hangs was in trouble when its answer was due, not when it was given up.
        let due = good.width().min(bad.width());
        Probe { asked: good.asked, at: bad.asked.plus(due), ..bad }
    }

    pub(super) fn down_since(&self) -> Option<Timestamp> {
        self.outage.as_ref().filter(|outage| outage.recovered.is_none()).and_then(|_| self.began_at())
    }

    /// When the last good write before the outage was answered.
    pub(super) fn last_good(&self) -> Option<Timestamp> {
        self.outage.as_ref()?.last_good.map(|good| good.wall)
    }

    /// When the first good write after the outage was answered.
    pub(super) fn first_good(&self) -> Option<Timestamp> {
        self.outage.as_ref()?.recovered.map(|good| good.wall)
    }

    pub(super) fn began_at(&self) -> Option<Timestamp> {
        self.outage.as_ref().map(|outage| outage.began.middle().wall)
    }

    pub(super) fn recovered_at(&self) -> Option<Timestamp> {
        let outage = self.outage.as_ref()?;
        let (length, _) = outage.recovered.map(|at| outage.until(at))?;
        Some(outage.began.middle().wall + length)
    }

    pub(super) fn disruption(&self, now: Timestamp) -> Option<Disruption> {
        let outage = self.outage.as_ref()?;
        let began = outage.began.width() / 2;
        let (length, uncertainty) = match outage.recovered {
            Some(at) => {
                let (length, ended) = outage.until(at);
                (length, began + ended)
            }
            None => (outage.so_far(now), began),
        };
        // It was as long as nothing at least.
        let most = length + uncertainty;
        let least = (length - uncertainty).max(SignedDuration::ZERO);
        let (length, uncertainty) = ((most + least) / 2, (most - least) / 2);
        Some(Disruption { length: length.unsigned_abs(), uncertainty: uncertainty.unsigned_abs() })
    }
}

impl Outage {
    /// How long it lasted if the first good answer came then, and how far its end may be off.
    fn until(&self, recovered: Moment) -> (SignedDuration, SignedDuration) {
        let end = Probe { asked: self.last_bad_asked, at: recovered, unaware: false };
        let length = end.middle().since(self.began.middle());
        (length.max(SignedDuration::ZERO), end.width() / 2)
    }

    fn so_far(&self, now: Timestamp) -> SignedDuration {
        let heard = self.heard.since(self.began.middle());
        // Nobody steadies the clock on the wall, so it counts only for what came after the last word.
        let unheard = now.duration_since(self.heard.wall).clamp(SignedDuration::ZERO, UNHEARD);
        (heard + unheard).max(SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(millis: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000) + SignedDuration::from_millis(millis)
    }

    /// A word of the write probe: asked and answered then, in milliseconds of both clocks.
    fn said(asked: i64, at: i64, word: &Word) -> Testimony {
        jumped(0, asked, at, word)
    }

    /// As [`said`], by a clock on the wall that was set by that many milliseconds meanwhile.
    fn jumped(jump: i64, asked: i64, at: i64, word: &Word) -> Testimony {
        let said = Testimony::new(Witness::Writes, word.clone(), wall(asked + jump), wall(at + jump));
        Testimony { steady: Some(Steady { begun: wall(0), elapsed: SignedDuration::from_millis(at) }), ..said }
    }

    fn endpoint(asked: i64, at: i64, word: &Word) -> Testimony {
        Testimony { witness: Witness::SqlEndpoint, ..said(asked, at, word) }
    }

    fn taken() -> Word {
        taken_by("a")
    }

    fn taken_by(instance: &str) -> Word {
        Word::Writer { instance: instance.into(), writes: Some(true) }
    }

    fn cut() -> Word {
        Word::Silent { reason: "cut".to_owned() }
    }

    /// Length and uncertainty in milliseconds after these words.
    fn measured(words: &[Testimony]) -> Option<(u128, u128)> {
        let mut watch = WriteWatch::default();
        for word in words {
            watch.observe(word);
        }
        let now = words.last()?.at;
        watch.disruption(now).map(|it| (it.length.as_millis(), it.uncertainty.as_millis()))
    }

    #[test]
    fn the_ends_lie_where_the_probes_put_them() {
        let (taken, cut) = (&taken(), &cut());
        let table = [
            // Between a probe that was answered at once and one that failed at once.
            (
                vec![said(1000, 1010, taken), said(1040, 1042, cut), said(5000, 5002, cut), said(5050, 5070, taken)],
                (4014, 56),
            ),
            // A write that hangs for three seconds was in trouble when its answer was due.
            (
                vec![said(1000, 1010, taken), said(1040, 4040, cut), said(5000, 5002, cut), said(5050, 5070, taken)],
                (4010, 60),
            ),
            // A session that was cut while nothing was asked had stood until then.
            (
                vec![
                    endpoint(1000, 1010, taken),
                    endpoint(9000, 9000, cut),
                    said(9050, 9051, cut),
                    said(9100, 9110, taken),
                ],
                (80, 30),
            ),
            // An answer to an older question comes after a newer one: no relapse.
            (
                vec![
                    said(0, 10, taken),
                    said(40, 42, cut),
                    said(500, 502, cut),
                    said(550, 560, taken),
                    said(520, 1520, cut),
                ],
                (509, 51),
            ),
            // A relapse belongs to the same outage.
            (
                vec![
                    said(0, 0, taken),
                    said(100, 100, cut),
                    said(200, 200, taken),
                    said(300, 300, cut),
                    said(400, 400, taken),
                ],
                (250, 50),
            ),
        ];
        for (words, expected) in table {
            assert_eq!(measured(&words), Some(expected), "{words:?}");
        }
    }

    #[test]
    fn a_writer_that_moved_while_nobody_looked_was_down_for_some_of_the_time() {
        let (before, after, cut) = (&taken_by("a"), &taken_by("b"), &cut());
        // Asleep for twenty seconds: nothing in between says how long it was.
        let slept = [said(0, 10, before), said(20_000, 20_010, after), said(20_250, 20_260, after)];
        assert_eq!(measured(&slept), Some((10_005, 10_005)));
        // What comes to grief on waking is no outage of its own.
        let woken = [
            said(0, 10, before),
            endpoint(20_000, 20_010, after),
            said(20_020, 20_021, cut),
            said(20_080, 20_090, after),
        ];
        assert_eq!(measured(&woken), Some((10_050, 10_040)));
        // Whatever is heard on waking, in whatever order, is of any time of the sleep.
        let heard = |asked, at, word| Testimony { unaware: Duration::from_secs(20), ..said(asked, at, word) };
        let (cut_noticed, cut_asked) = (heard(20_000, 20_000, cut), heard(20_010, 20_020, cut));
        let (old_answer, renewed) = (heard(400, 20_005, before), heard(20_050, 20_060, after));
        for words in [
            vec![&cut_noticed, &renewed],
            vec![&cut_asked, &renewed],
            vec![&old_answer, &cut_asked, &renewed],
            vec![&old_answer, &renewed],
            vec![&renewed, &cut_asked, &renewed],
        ] {
            let words: Vec<_> = [said(0, 10, before)].iter().chain(words).cloned().collect();
            let (length, uncertainty) = measured(&words).expect("it was down");
            assert!(
                (9_000..11_000).contains(&length) && uncertainty + 100 > length,
                "{length} ±{uncertainty}: {words:?}"
            );
        }
        // An answer that was long on its way names whoever it was then.
        let late = [said(0, 10, after), said(5, 2_000, before), said(2_010, 2_020, after)];
        assert_eq!(measured(&late), None);
    }

    #[test]
    fn a_clock_that_is_set_meanwhile_makes_no_difference() {
        let (taken, cut) = (&taken(), &cut());
        let words = |jump| {
            vec![
                said(1000, 1010, taken),
                said(1040, 1042, cut),
                jumped(jump, 5000, 5002, cut),
                jumped(jump, 5050, 5070, taken),
            ]
        };
        let steady = measured(&words(0));
        assert!(steady.is_some());
        for jump in [-3_600_000, -2_000, 2_000, 86_400_000] {
            assert_eq!(measured(&words(jump)), steady, "set by {jump} ms");
            // While it is still down, too.
            let mut watch = WriteWatch::default();
            words(jump)[..3].iter().for_each(|word| watch.observe(word));
            let so_far = watch.disruption(wall(5002 + jump)).expect("it is down").length.as_millis();
            assert_eq!(so_far, 3981, "set by {jump} ms");
        }
    }

    #[test]
    fn what_two_sessions_told_is_held_together_by_the_clock_on_the_wall() {
        // The session died in the middle of it; the next one counts anew.
        let mut later = said(5000, 5010, &taken());
        later.steady = Some(Steady { begun: wall(4000), elapsed: SignedDuration::from_millis(1010) });
        let words = [said(1000, 1010, &taken()), said(1040, 1042, &cut()), later];
        assert_eq!(measured(&words).map(|(length, _)| length), Some(2005));
    }

    #[test]
    fn the_probe_is_listened_to_while_it_speaks_and_the_endpoint_otherwise() {
        let (taken, cut) = (&taken(), &cut());
        // The endpoint's session names the new writer before a write goes through.
        let both = [
            said(0, 10, taken),
            said(40, 41, cut),
            endpoint(60, 80, taken),
            said(300, 301, cut),
            said(340, 360, taken),
        ];
        assert_eq!(measured(&both).map(|(length, _)| length), Some(309));
        // Long after the last probe.
        let later = [said(0, 10, taken), endpoint(20_000, 20_000, cut), endpoint(21_000, 21_010, taken)];
        assert_eq!(measured(&later).map(|(length, _)| length), Some(505));
    }

    #[test]
    fn another_outage_much_later_is_another_one() {
        let (taken, cut) = (&taken(), &cut());
        let words = [
            said(0, 0, taken),
            said(100, 100, cut),
            said(200, 200, taken),
            said(900_000, 900_000, taken),
            said(900_100, 900_100, cut),
            said(900_300, 900_300, taken),
        ];
        assert_eq!(measured(&words).map(|(length, _)| length), Some(100));
    }

    #[test]
    fn beginning_to_watch_keeps_an_outage_that_goes_on_and_forgets_one_that_is_over() {
        let mut watch = WriteWatch::default();
        watch.observe(&said(0, 10, &taken()));
        watch.observe(&said(40, 41, &cut()));
        watch.begin();
        assert!(watch.down_since().is_some());
        watch.observe(&said(400, 410, &taken()));
        watch.begin();
        assert_eq!(watch.disruption(wall(500)), None);
    }
}
