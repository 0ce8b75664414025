//! Steps 3 and 6: settings by SQL on the writer, each over a new session, cross-checked against the parameter group.

use crate::clients::postgres::StatementsProbe;
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome};
use crate::runbook::plan::{Expectation, SettingCheck, Step, StepKind, VerifySql};

use super::context::{Look, Noting, Patience, Stop};
use super::diagnosis;
use super::settings::{self, SQL, Seen};
use super::settings_findings as findings;

pub(super) fn brief(look: &Look, spec: &VerifySql) -> Brief {
    let mut statements: Vec<String> = spec.settings.iter().map(|setting| format!("SHOW {};", setting.name)).collect();
    if spec.statements {
        statements.push("SELECT count(*) FROM pg_stat_statements;".to_owned());
    }
    let mut brief = look.brief(format!("Read from the writer of {}, changing nothing", look.partition.cluster.id));
    let (user, database) =
        look.partition.sql.as_ref().map(|sql| (sql.user.as_str(), sql.database.as_str())).unwrap_or_default();
    brief.calls.push(Call {
        operation: "SQL".to_owned(),
        target: format!("{user} on {database}, writer endpoint"),
        command_line: statements.join(" "),
    });
    brief
}

pub(super) async fn run(act: &mut Noting, spec: &VerifySql) -> Result<Outcome, Stop> {
    for setting in &spec.settings {
        act.check(settings::check(setting, Verdict::Pending, SQL)).await?;
    }
    if spec.statements {
        act.check(statements_check(Verdict::Pending)).await?;
    }
    act.verifying().await?;
    let (mut patience, mut turning, mut last) = (Patience::new(act.step.limit), Turning::default(), None);
    loop {
        let seen = Seen::read(act, &spec.settings, spec.statements).await;
        if let Some(seen) = act.bear(&mut patience, seen).await? {
            let open = judge(act, spec, &seen).await?;
            turning.note(act, spec, &seen, &open).await?;
            if let Some(outcome) = statements(act, spec, &seen).await? {
                return Ok(outcome);
            }
            if open.is_empty() {
                turning.remark(act, &seen).await?;
                behind(act, spec, &seen).await?;
                return Ok(outcome(act));
            }
            if let Some(finding) = findings::beyond_waiting(act, &seen, &open) {
                return Err(finding.into());
            }
            last = Some(seen);
        }
        if patience.is_over() {
            let finding = match (&patience.trouble, &last) {
                (None, Some(seen)) => findings::stuck(act, seen, &not_yet(spec, seen)),
                (trouble, _) => diagnosis::time_over(act, "the settings", trouble.as_ref()),
            };
            return Err(finding.into());
        }
        act.wait(act.pause).await?;
    }
}

/// Writes down how everything stands; the settings that are not as expected yet.
async fn judge<'a>(act: &mut Noting, spec: &'a VerifySql, seen: &Seen) -> Result<Vec<&'a SettingCheck>, Stop> {
    act.witness(SQL, format!("answered by {}", seen.server.name())).await?;
    for (name, trouble) in seen.server.unreadable() {
        act.remark(findings::unreadable(name, trouble)).await?;
    }
    for setting in &spec.settings {
        act.check(seen.judge(setting)).await?;
    }
    if let Some(probe) = seen.server.statements {
        let (verdict, words) = match probe {
            StatementsProbe::Rows(rows) => (Verdict::Passed, format!("{rows} rows")),
            StatementsProbe::ExtensionMissing if !spec.statements => {
                (Verdict::Unreadable, "relation does not exist yet".to_owned())
            }
            StatementsProbe::ExtensionMissing => (Verdict::Failed, "relation does not exist".to_owned()),
            StatementsProbe::NotPreloaded => {
                (Verdict::Failed, "must be loaded via shared_preload_libraries".to_owned())
            }
        };
        act.check(statements_check(verdict).seeing(words)).await?;
    }
    Ok(not_yet(spec, seen))
}

fn not_yet<'a>(spec: &'a VerifySql, seen: &Seen) -> Vec<&'a SettingCheck> {
    spec.settings.iter().filter(|setting| seen.judge(setting).verdict == Verdict::Settling).collect()
}

fn statements_check(verdict: Verdict) -> Check {
    Check::new("pg_stat_statements", "pg_stat_statements answers", SQL, verdict)
}

/// What pg_stat_statements says where it is not there: waiting mends neither of its two halves.
async fn statements(act: &mut Noting, spec: &VerifySql, seen: &Seen) -> Result<Option<Outcome>, Stop> {
    match seen.server.statements {
        Some(StatementsProbe::NotPreloaded) => Err(findings::preload_missing(act, seen).into()),
        Some(StatementsProbe::ExtensionMissing) => {
            let deploy = act.partition.steps.iter().find(|step| matches!(step.kind, StepKind::Deploy(_))).cloned();
            match deploy {
                Some(deploy) if !is_behind(act, &deploy) => {
                    let reason = format!("the extension is created by step {}", deploy.label);
                    act.remark(findings::extension_deferred(&deploy)).await?;
                    Ok(spec.statements.then_some(Outcome::Deferred { until: deploy.id, reason }))
                }
                deploy if spec.statements => Err(findings::extension_missing(act, seen, deploy.as_ref()).into()),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

fn is_behind(look: &Look, step: &Step) -> bool {
    let run = look.so_far.step(&step.id);
    let passed = |outcome: &Outcome| matches!(outcome, Outcome::Passed | Outcome::PassedWithWarnings { .. });
    run.is_some_and(|run| {
        let last = run.standing().and_then(|attempt| attempt.outcome.as_ref());
        run.skipped.is_some() || last.is_some_and(passed)
    })
}

/// Instances beside the writer that still run without static parameters: they would take over so in the next failover.
async fn behind(act: &mut Noting, spec: &VerifySql, seen: &Seen) -> Result<(), Stop> {
    let expects = |setting: &SettingCheck| setting.expect != Expectation::Recorded;
    if !spec.settings.iter().any(|setting| expects(setting) && seen.group.is_static(&setting.name)) {
        return Ok(());
    }
    let waits = seen.group.cluster.readers().filter(|member| member.group_status == "pending-reboot");
    let waiting: Vec<String> = waits.map(|member| format!("{} pending-reboot", member.id)).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let seen = format!("{}: reboot it before it is promoted", waiting.join(", "));
    act.check(Check::new("members", "readers in-sync", settings::MEMBERS, Verdict::Warning).seeing(seen)).await
}

/// Passed; that the role may not read a setting is worth a line, not a warning: another check took its place.
fn outcome(act: &Noting) -> Outcome {
    let warnings: Vec<String> = act
        .attempt
        .concerns()
        .map(|check| format!("{}: {}", check.label, check.seen.clone().unwrap_or_default()))
        .collect();
    if warnings.is_empty() { Outcome::Passed } else { Outcome::PassedWithWarnings { warnings } }
}

/// Values that were old when they were first seen, and turned since.
#[derive(Debug, Default)]
struct Turning {
    old: Vec<(String, String)>,
    turned: Vec<Evidence>,
}

impl Turning {
    async fn note(
        &mut self,
        act: &mut Noting,
        spec: &VerifySql,
        seen: &Seen,
        open: &[&SettingCheck],
    ) -> Result<(), Stop> {
        for setting in &spec.settings {
            let Some(value) = seen.server.shown(&setting.name) else { continue };
            let known = self.old.iter().position(|(name, _)| *name == setting.name);
            let is_open = open.iter().any(|open| open.name == setting.name);
            match (known, is_open) {
                (None, true) => self.old.push((setting.name.clone(), value.to_owned())),
                (Some(known), false) => {
                    let (name, before) = self.old.swap_remove(known);
                    let turned = Evidence::now(SQL, format!("{name} turned from {before} to {value}"));
                    act.witness(SQL, &turned.text).await?;
                    self.turned.push(turned);
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn remark(self, act: &mut Noting, seen: &Seen) -> Result<(), Stop> {
        if self.turned.is_empty() {
            return Ok(());
        }
        let late = Finding::of("dynamic-late", format!("the values were late on {}", seen.server.name()))
            .meaning("nothing: dynamic values take a while to reach the instances, and they have")
            .way_out("none is needed");
        act.remark(self.turned.into_iter().fold(late, Finding::because)).await
    }
}

/// Whether what was verified still holds, some steps later: the rollout's last look before its go-ahead.
///
/// # Errors
/// If a setting is not as it was verified, or something cannot be written.
pub(super) async fn still_holds(act: &mut Noting) -> Result<(), Stop> {
    let expected = settings::expected(&act.partition);
    if expected.is_empty() || act.partition.sql.is_none() {
        return Ok(());
    }
    let check = |verdict| Check::new("settings", "settings are as they were verified", SQL, verdict);
    let seen = match Seen::read(act, &expected, false).await {
        Ok(seen) => seen,
        Err(trouble) => return act.check(check(Verdict::Warning).seeing(format!("not seen: {trouble}"))).await,
    };
    let neutralised = findings::neutralised(act);
    let (given_up, kept): (Vec<_>, Vec<_>) = expected.iter().partition(|one| neutralised.contains(&one.name.as_str()));
    let open: Vec<_> = kept.into_iter().filter(|one| seen.judge(one).verdict == Verdict::Settling).collect();
    if let Some(finding) = findings::turned_back(act, &seen, &open) {
        act.check(check(Verdict::Failed).seeing(finding.cause.clone())).await?;
        return Err(finding.into());
    }
    let names = given_up.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
    let (verdict, words) = match given_up.is_empty() {
        true => (Verdict::Passed, format!("{} on {}", expected.len(), seen.server.name())),
        false => (Verdict::Warning, format!("{names} at the engine's default, neutralised in this rollout")),
    };
    act.check(check(verdict).seeing(words)).await
}
