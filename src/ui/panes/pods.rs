//! The application's pods: the deployment, the secret that they start with, each pod, and the end of a log.

use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::style::Style;
use ratatui::text::Line;

use super::Slot;
use crate::app::live::{Dated, Freshness, Live};
use crate::app::log::{Level, level_of};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::plan::{DeploySpec, Partition, StepKind};
use crate::ui::text::{Spans, column, column_right, fit_spans, span, spread, width, wrap};
use crate::ui::{format, symbols};
use crate::watch::sample::{
    EndedRun, ExternalView, Gap, Glimpse, InitView, PodLog, PodView, PodsView, SecretView, Source,
};

/// Columns from which a pod's whole name is shown, and not only what tells it from the others.
const WIDE: usize = 100;
/// Lines of the log that are left in sight however much there is to say of the pods.
const LEAST_LOG: usize = 3;

/// Draws the pods.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let state = slot.state;
    let (partition, _) = state.looked_at();
    let live = state.live_here();
    let trouble = live.and_then(|live| live.troubles.get(&Source::Pods));
    let pods = live.and_then(|live| live.pods.as_ref());
    let fresh =
        pods.map_or(Freshness::Live, |pods| pods.freshness(state.now, state.pace_of(&partition.name).metered()));
    let remark = pods.map_or_else(Spans::new, |pods| remark(slot, pods, fresh));
    let inner = slot.panel(buffer, slot.title("application pods"), remark);
    let room = usize::from(inner.width);
    let (Some(live), Some(pods)) = (live, pods) else {
        slot.empty(buffer, inner, &nothing_yet(slot, partition, trouble));
        return;
    };
    let statuses = pods.value.pods.iter().map(|pod| pod.status.len()).max().unwrap_or_default();
    let told = Told { slot, live, spec: deploy(partition), fresh, room, statuses };
    let mut lines = told.trouble(trouble);
    lines.extend(told.deployment(&pods.value));
    lines.extend(pods.value.secret.iter().flat_map(|secret| told.secret(secret, &pods.value.gaps)));
    for pod in &pods.value.pods {
        lines.extend(told.pod(pod, pods.value.secret.as_ref()));
    }
    lines.extend(pods.value.gaps.iter().flat_map(|gap| told.gap(gap)));
    let height = usize::from(inner.height);
    lines.extend(told.log(height.saturating_sub(lines.len())));
    let scrolled = state.scrolled(slot.pane).min(lines.len().saturating_sub(height));
    crate::ui::panel::lines(buffer, inner, lines.into_iter().skip(scrolled).map(Line::from));
}

/// `2/2 ready · 3 s old`.
fn remark(slot: &Slot<'_>, pods: &Dated<PodsView>, fresh: Freshness) -> Spans {
    let theme = slot.theme;
    let PodsView { ready, wanted, .. } = pods.value;
    let style = if ready >= wanted { theme.ok() } else { theme.mind() };
    let age = slot.age(pods.age(slot.state.now), fresh);
    vec![
        span(format!("{ready}/{wanted} ready"), theme.aged(style, fresh)),
        span(" · ", theme.faint()),
        span(format!("{age} old"), theme.age(fresh)),
    ]
}

fn nothing_yet(slot: &Slot<'_>, partition: &Partition, trouble: Option<&(Timestamp, Trouble)>) -> Vec<(String, Style)> {
    let theme = slot.theme;
    match trouble {
        _ if partition.kubernetes.is_none() || deploy(partition).is_none() => {
            vec![("This rollout deploys no application here, so that no pods are watched.".to_owned(), theme.faint())]
        }
        None => vec![("Kubernetes has not answered yet.".to_owned(), theme.faint())],
        Some((since, trouble)) => {
            let what = match trouble.kind {
                TroubleKind::Denied => "the pods may not be read",
                TroubleKind::SignedOut => "the pods cannot be read: sign in again",
                _ => "the pods cannot be read",
            };
            vec![
                (format!("{} {what}", symbols::MIND), theme.mind()),
                (trouble.to_string(), theme.plain()),
                (format!("for {}", format::age_in_seconds(slot.state.since(*since))), theme.faint()),
            ]
        }
    }
}

/// How the plan's deploy step names what it deploys.
fn deploy(partition: &Partition) -> Option<&DeploySpec> {
    partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Deploy(spec) => Some(spec),
        _ => None,
    })
}

/// What there is to tell, line by line.
struct Told<'a> {
    slot: &'a Slot<'a>,
    live: &'a Live,
    spec: Option<&'a DeploySpec>,
    fresh: Freshness,
    room: usize,
    /// Columns of the longest status.
    statuses: usize,
}

impl Told<'_> {
    fn aged(&self, style: Style) -> Style {
        self.slot.theme.aged(style, self.fresh)
    }

    /// Why what follows is of the past.
    fn trouble(&self, trouble: Option<&(Timestamp, Trouble)>) -> Vec<Spans> {
        let theme = self.slot.theme;
        let Some((since, trouble)) = trouble else { return Vec::new() };
        let age = format::age_in_seconds(self.slot.state.since(*since));
        let words = format!("{} not read for {age}: {trouble}", symbols::MIND);
        wrap(&[span(words, theme.mind())], self.room).into_iter().take(2).collect()
    }

    /// `operations 2.24.0 · revision 43 · 2 wanted, 2 updated, 2 ready`.
    fn deployment(&self, view: &PodsView) -> Vec<Spans> {
        let theme = self.slot.theme;
        let name = self.spec.map_or("deployment", |spec| &spec.deployment);
        let mut line = vec![span(name.to_owned(), self.aged(theme.strong()))];
        if let Some(image) = &view.image {
            line.push(span(format!(" {}", tag(image)), self.aged(theme.bright())));
        }
        let revision = view.revision.as_ref().map(|revision| format!(" · revision {revision}"));
        line.extend(revision.map(|words| span(words, self.aged(theme.faint()))));
        let style = |good: bool| self.aged(if good { theme.plain() } else { theme.mind() });
        if view.image.is_some() {
            let updated = view.updated >= view.wanted;
            line.push(span(format!(" · {} wanted, ", view.wanted), self.aged(theme.faint())));
            line.push(span(format!("{} updated, ", view.updated), style(updated)));
            line.push(span(format!("{} ready", view.ready), style(view.ready >= view.wanted)));
        }
        let mut lines = vec![fit_spans(line, self.room)];
        if view.progress.as_deref() == Some("ProgressDeadlineExceeded") {
            let words = format!("{} its rollout does not get on: ProgressDeadlineExceeded", symbols::FAILED);
            lines.push(fit_spans(vec![span(words, self.aged(theme.danger()))], self.room));
        }
        lines
    }

    /// Whether the secret is there, since when, and how its ExternalSecret stands.
    fn secret(&self, secret: &SecretView, gaps: &[Gap]) -> Vec<Spans> {
        let theme = self.slot.theme;
        let mut line = vec![span(format!("secret {} ", secret.name), self.aged(theme.faint()))];
        let denied = gaps.iter().any(|gap| gap.trouble.kind == TroubleKind::Denied && gap.what.contains("metadata"));
        let (glyph, words, style) = match &secret.made {
            Glimpse::There(made) => {
                let at = format::second(*made, &self.slot.state.zone);
                (symbols::OK, format!("made {at}, {} ago", format::age(self.slot.state.since(*made))), theme.ok())
            }
            Glimpse::Missing => (symbols::NOT_YET, "not there yet".to_owned(), theme.faint()),
            Glimpse::Unseen if denied => (symbols::UNREADABLE, "not permitted".to_owned(), theme.faint()),
            Glimpse::Unseen => (symbols::UNREADABLE, "not seen".to_owned(), theme.faint()),
        };
        line.push(span(format!("{glyph} "), self.aged(style)));
        line.push(span(words, self.aged(theme.plain())));
        line.push(span(" · ExternalSecret ", self.aged(theme.faint())));
        line.extend(self.external(&secret.external));
        let mut lines = vec![fit_spans(line, self.room)];
        if let Glimpse::There(ExternalView { ready: Some(false), message: Some(message), .. }) = &secret.external {
            lines.push(self.beneath(vec![span(message.clone(), self.aged(theme.danger()))]));
        }
        lines
    }

    fn external(&self, external: &Glimpse<ExternalView>) -> Spans {
        let theme = self.slot.theme;
        let (glyph, words, style) = match external {
            Glimpse::There(view) => match view.ready {
                Some(true) => {
                    let ago = view.refreshed.map(|at| format!(" {} ago", format::age(self.slot.state.since(at))));
                    (symbols::OK, format!("synced{}", ago.unwrap_or_default()), theme.ok())
                }
                Some(false) => {
                    let reason = view.reason.clone().filter(|reason| !reason.is_empty());
                    (symbols::FAILED, reason.unwrap_or_else(|| "not ready".to_owned()), theme.danger())
                }
                None => (symbols::SETTLING, "its operator has not looked at it yet".to_owned(), theme.running()),
            },
            Glimpse::Missing => (symbols::NOT_YET, "not there yet".to_owned(), theme.faint()),
            Glimpse::Unseen => (symbols::UNREADABLE, "not seen".to_owned(), theme.faint()),
        };
        vec![span(format!("{glyph} {words}"), self.aged(style))]
    }

    /// A pod: how it stands, and beneath it what is not as it should be.
    fn pod(&self, pod: &PodView, secret: Option<&SecretView>) -> Vec<Spans> {
        let theme = self.slot.theme;
        let early = secret.and_then(|secret| pod.before_secret(secret));
        let (glyph, style) = self.stands(pod, early);
        let status = if is_broken(&pod.status) { theme.danger() } else { theme.plain() };
        let restarts = if pod.restarts > 0 { theme.mind() } else { theme.faint() };
        let left = vec![
            span(format!("{glyph} "), self.aged(style)),
            span(format!("{}  ", self.name(&pod.name)), self.aged(theme.plain())),
            span(column(&pod.status, self.statuses), self.aged(status)),
            span(column_right(&format!("{}×", pod.restarts), 4), self.aged(restarts)),
            span(column_right(&self.age(pod.created), 8), self.aged(theme.faint())),
        ];
        let right = secret.map_or_else(Spans::new, |secret| self.start(pod, secret, early));
        // What stands beside the columns goes beneath them where it has no room.
        let fits = width(&left) + width(&right) < self.room;
        let mut lines = Vec::new();
        if fits || right.is_empty() {
            lines.push(spread(left, right, self.room).spans);
        } else {
            lines.push(fit_spans(left, self.room));
            lines.push(self.beneath(right));
        }
        lines.extend(pod.init.as_ref().filter(|_| !pod.leaves()).map(|init| self.init(init)));
        if pod.restarts > 0 || is_broken(&pod.status) {
            lines.extend(pod.last.as_ref().map(|last| self.ended(last)));
        }
        lines
    }

    fn beneath(&self, spans: Spans) -> Spans {
        let mut line = vec![span("  ", Style::new())];
        line.extend(spans);
        fit_spans(line, self.room)
    }

    fn stands(&self, pod: &PodView, early: Option<SignedDuration>) -> (&'static str, Style) {
        let theme = self.slot.theme;
        match (pod.ready, early) {
            _ if self.fresh != Freshness::Live => (symbols::STALE, theme.age(self.fresh)),
            _ if pod.leaves() => (symbols::SETTLING, theme.faint()),
            _ if is_broken(&pod.status) => (symbols::FAILED, theme.danger()),
            (true, Some(_)) => (symbols::MIND, theme.mind()),
            (true, None) => (symbols::HEALTHY, theme.ok()),
            (false, _) => (symbols::SETTLING, theme.running()),
        }
    }

    /// A pod's name, or where there is little room, what tells it from the others.
    fn name(&self, name: &str) -> String {
        let prefix = self.spec.map(|spec| format!("{}-", spec.deployment));
        match prefix.and_then(|prefix| name.strip_prefix(&prefix)) {
            Some(rest) if self.room < WIDE => format!("…{rest}"),
            _ => name.to_owned(),
        }
    }

    fn age(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(String::new, |at| format::age_in_seconds(self.slot.state.since(at)))
    }

    /// Its start against the secret's: what it took from the secret is of its start.
    fn start(&self, pod: &PodView, secret: &SecretView, early: Option<SignedDuration>) -> Spans {
        let theme = self.slot.theme;
        let apart = |by: SignedDuration| format::age_in_seconds(by.unsigned_abs());
        let verb = if self.room < WIDE { "" } else { "started " };
        if let Some(early) = early {
            let words = format!("{} {verb}{} before the secret", symbols::MIND, apart(early));
            return vec![span(words, self.aged(theme.mind()))];
        }
        let (Some(started), Glimpse::There(made), true) = (pod.started, &secret.made, pod.takes_secret) else {
            return Spans::new();
        };
        let words = format!("{verb}{} after the secret", apart(started.duration_since(*made)));
        vec![span(words, self.aged(theme.faint()))]
    }

    /// `init container 3 of 6, kanban-db: CrashLoopBackOff`.
    fn init(&self, init: &InitView) -> Spans {
        let theme = self.slot.theme;
        let InitView { name, place, of, waits } = init;
        let (words, style) = match waits {
            Some(reason) if is_broken(reason) => (format!(": {reason}"), theme.danger()),
            Some(reason) => (format!(" waits: {reason}"), theme.faint()),
            None => (" runs".to_owned(), theme.running()),
        };
        self.beneath(vec![
            span(format!("init container {place} of {of}, {name}"), self.aged(theme.plain())),
            span(words, self.aged(style)),
        ])
    }

    /// `its last run ended 4 min ago: OOMKilled, exit code 137`.
    fn ended(&self, last: &EndedRun) -> Spans {
        let theme = self.slot.theme;
        let ago = last.finished.map(|at| format!(" {} ago", self.age(Some(at))));
        let reason = last.reason.as_ref().map(|reason| format!("{reason}, "));
        let style = if last.code == 0 { theme.faint() } else { theme.mind() };
        let words = format!(
            "its last run ended{}: {}exit code {}",
            ago.unwrap_or_default(),
            reason.unwrap_or_default(),
            last.code
        );
        self.beneath(vec![span(words, self.aged(style))])
    }

    /// What may not be read, and what is not seen without it.
    fn gap(&self, gap: &Gap) -> Vec<Spans> {
        let theme = self.slot.theme;
        let words = match gap.trouble.kind {
            TroubleKind::Denied => format!("{} {} may not be read: {}", symbols::UNREADABLE, gap.what, gap.loses),
            _ => format!("{} {} was not read: {}", symbols::MIND, gap.what, gap.trouble),
        };
        wrap(&[span(words, self.aged(theme.mind()))], self.room).into_iter().take(2).collect()
    }

    /// The end of the log of the pod that most needs a look, as far as there is room.
    fn log(&self, room: usize) -> Vec<Spans> {
        let theme = self.slot.theme;
        let state = self.slot.state;
        let Some(Dated { value: PodLog { pod, container, before, lines }, at }) = &self.live.pod_log else {
            return Vec::new();
        };
        let pace = state.pace_of(&state.looked_at().0.name);
        let fresh = crate::app::live::freshness(state.since(*at), pace.metered());
        let run = if *before { ", the run before" } else { "" };
        let lines = match lines {
            Ok(lines) => lines,
            Err(trouble) => {
                let words = match trouble.kind {
                    TroubleKind::Denied => {
                        format!("{} the pods' logs may not be read: their last lines are not seen", symbols::UNREADABLE)
                    }
                    // It has not begun, or is gone already.
                    TroubleKind::NotFound | TroubleKind::Refused => {
                        format!("{} {container} has no log yet", symbols::NOT_YET)
                    }
                    _ => format!("{} its log was not read: {trouble}", symbols::MIND),
                };
                return vec![fit_spans(vec![span(words, theme.aged(theme.mind(), fresh))], self.room)];
            }
        };
        let title =
            vec![span(format!("log of {} · {container}{run}", self.name(pod)), theme.aged(theme.faint(), fresh))];
        let age = self.slot.age(state.since(*at), fresh);
        let mut told = vec![spread(title, vec![span(age, theme.age(fresh))], self.room).spans];
        let shown = room.saturating_sub(1).max(LEAST_LOG);
        told.extend(lines.iter().skip(lines.len().saturating_sub(shown)).map(|line| {
            let style = match level_of(line) {
                Level::Error => theme.danger(),
                Level::Warning => theme.mind(),
                Level::Info | Level::Notice => theme.plain(),
            };
            fit_spans(vec![span(line.clone(), theme.aged(style, fresh))], self.room)
        }));
        if lines.is_empty() {
            told.push(vec![span("nothing yet", theme.faint())]);
        }
        told
    }
}

/// An image by what changes with a release: its tag, or the beginning of its digest.
fn tag(image: &str) -> String {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    match (last.rsplit_once(':'), digest) {
        (Some((_, tag)), _) => tag.to_owned(),
        (None, Some(digest)) => digest.chars().take(19).collect(),
        (None, None) => "latest".to_owned(),
    }
}

/// Whether a status says that something went wrong, and not that it is on its way.
fn is_broken(status: &str) -> bool {
    const WORDS: [&str; 7] = ["BackOff", "Err", "OOMKilled", "ExitCode", "Signal", "Invalid", "Exceeded"];
    WORDS.iter().any(|word| status.contains(word)) || matches!(status, "Failed" | "Evicted" | "Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_called_by_what_changes() {
        for (image, called) in [
            ("ghcr.io/arda-cards/operations:2.24.0", "2.24.0"),
            ("localhost:5000/operations", "latest"),
            ("localhost:5000/operations:1", "1"),
            ("ghcr.io/a/b:1.2@sha256:0123456789abcdef0123", "1.2"),
            ("ghcr.io/a/b@sha256:0123456789abcdef0123", "sha256:0123456789ab"),
        ] {
            assert_eq!(tag(image), called, "{image}");
        }
    }

    #[test]
    fn what_went_wrong_is_told_from_what_is_on_its_way() {
        for broken in ["CrashLoopBackOff", "Init:Error", "ImagePullBackOff", "ErrImagePull", "OOMKilled", "Evicted"] {
            assert!(is_broken(broken), "{broken}");
        }
        for fine in ["Running", "Init:2/6", "PodInitializing", "Pending", "Terminating", "ContainerCreating"] {
            assert!(!is_broken(fine), "{fine}");
        }
    }
}
