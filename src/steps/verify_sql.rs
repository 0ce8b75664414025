//! Steps 3 and 6: settings by SQL on the writer, each over a new session, cross-checked against the parameter group.
//!
//! A value that is right may be right by coincidence: the group's own formula yields the engine's default on a small
//! class. So what cannot be read by SQL, and what a formula yields, is held against the group and its apply status too.

use crate::clients::postgres::{Session, StatementsProbe};
use crate::clients::rds::{ClusterView, ParameterView};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome};
use crate::runbook::formula;
use crate::runbook::plan::{Expectation, SettingCheck, StepKind, VerifySql};

use super::context::{Look, Noting, Patience, Stop};
use super::diagnosis;

const GROUP: &str = "rds:DescribeDBClusterParameters";
const SQL: &str = "SQL on the writer";

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

/// What the settings are held against besides SQL.
struct Group {
    parameters: Vec<ParameterView>,
    cluster: ClusterView,
}

impl Group {
    async fn read(look: &Look) -> Result<Self, Trouble> {
        let cluster = look.cluster().await?;
        let parameters = look.tools.aws.rds.cluster_parameters(&cluster.parameter_group).await?;
        Ok(Self { parameters, cluster })
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|parameter| parameter.name == name)?.value.as_deref()
    }

    /// The apply status of the writer.
    fn status(&self) -> &str {
        self.cluster.writer().map_or("unknown", |writer| writer.group_status.as_str())
    }

    fn class(&self) -> &str {
        self.cluster.writer().and_then(|writer| writer.class()).unwrap_or("unknown")
    }
}

pub(super) async fn run(act: &mut Noting, spec: &VerifySql) -> Result<Outcome, Stop> {
    for setting in &spec.settings {
        act.check(pending(setting)).await?;
    }
    if spec.statements {
        act.check(statements_check(Verdict::Pending)).await?;
    }
    act.verifying().await?;
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = look(act, spec).await;
        if let Some(seen) = act.bear(&mut patience, seen).await? {
            let all = judge(act, spec, &seen).await?;
            if all {
                return Ok(outcome(act));
            }
            // Waiting mends a parameter that is on its way; a missing extension or library it does not.
            if let Some(statements @ (StatementsProbe::ExtensionMissing | StatementsProbe::NotPreloaded)) =
                seen.statements
            {
                return Err(statements_finding(act, statements, &seen.group).into());
            }
        }
        if patience.is_over() {
            return Err(stuck(act, spec, patience.trouble.as_ref()).await.into());
        }
        act.wait(act.pause).await?;
    }
}

struct Seen {
    group: Group,
    values: Vec<Result<String, Trouble>>,
    statements: Option<StatementsProbe>,
    instance: Option<String>,
}

async fn look(act: &Noting, spec: &VerifySql) -> Result<Seen, Trouble> {
    let (session, group) = tokio::try_join!(act.tools.sql(), Group::read(act))?;
    let who = session.who_am_i().await?;
    if !who.is_writer {
        // After a failover the endpoint's name leads to the old writer for a while: its values are not the writer's.
        let reader = who.instance.as_deref().unwrap_or("an instance");
        return Err(Trouble::new(
            SQL,
            TroubleKind::Unreachable,
            format!("the writer endpoint leads to {reader}, a reader"),
        ));
    }
    let mut values = Vec::new();
    for setting in &spec.settings {
        values.push(show(&session, &setting.name).await?);
    }
    let statements = if spec.statements { Some(session.statements_probe().await?) } else { None };
    Ok(Seen { group, values, statements, instance: who.instance })
}

/// A setting's value; that the role may not read it is an answer, not trouble.
async fn show(session: &Session, name: &str) -> Result<Result<String, Trouble>, Trouble> {
    match session.show(name).await {
        Ok(value) => Ok(Ok(value)),
        Err(trouble) if trouble.kind == TroubleKind::Denied => Ok(Err(trouble)),
        Err(trouble) => Err(trouble),
    }
}

async fn judge(act: &mut Noting, spec: &VerifySql, seen: &Seen) -> Result<bool, Stop> {
    if let Some(instance) = &seen.instance {
        act.witness(SQL, format!("answered by {instance}")).await?;
    }
    let mut all = true;
    for (setting, value) in spec.settings.iter().zip(&seen.values) {
        let check = match value {
            Ok(value) => by_value(act, setting, value, &seen.group),
            Err(_) => by_group(setting, &seen.group),
        };
        all &= matches!(check.verdict, Verdict::Passed | Verdict::Unreadable | Verdict::Warning);
        act.check(check).await?;
    }
    if let Some(statements) = seen.statements {
        let (verdict, words) = match statements {
            StatementsProbe::Rows(rows) => (Verdict::Passed, format!("{rows} rows")),
            StatementsProbe::ExtensionMissing => (Verdict::Failed, "relation does not exist".to_owned()),
            StatementsProbe::NotPreloaded => {
                (Verdict::Failed, "must be loaded via shared_preload_libraries".to_owned())
            }
        };
        all &= verdict == Verdict::Passed;
        act.check(statements_check(verdict).seeing(words)).await?;
    }
    Ok(all)
}

fn pending(setting: &SettingCheck) -> Check {
    check(setting, Verdict::Pending, SQL)
}

fn check(setting: &SettingCheck, verdict: Verdict, source: &str) -> Check {
    let check = Check::new(&setting.name, &setting.name, source, verdict);
    match &setting.expect {
        Expectation::Is(value) | Expectation::Contains(value) => check.expecting(value),
        Expectation::Formula(formula) => check.expecting(formula),
        Expectation::Recorded => check,
    }
}

fn statements_check(verdict: Verdict) -> Check {
    Check::new("pg_stat_statements", "pg_stat_statements answers", SQL, verdict)
}

fn by_value(look: &Look, setting: &SettingCheck, value: &str, group: &Group) -> Check {
    let (holds, seen) = match &setting.expect {
        Expectation::Is(expected) => (value == expected, value.to_owned()),
        Expectation::Contains(expected) => (value.split(',').any(|each| each.trim() == expected), value.to_owned()),
        Expectation::Recorded => (true, format!("{value}, recorded")),
        Expectation::Formula(formula) => in_band(look, &setting.name, formula, value, group),
    };
    let verdict = if holds { Verdict::Passed } else { Verdict::Settling };
    check(setting, verdict, SQL).seeing(seen)
}

/// Within the band of the class, and because of the group, not by coincidence with the engine's default.
fn in_band(_: &Look, name: &str, formula: &str, value: &str, group: &Group) -> (bool, String) {
    let class = group.class();
    let in_group = group.value(name).is_some_and(|own| own.replace(' ', "") == formula.replace(' ', ""));
    let Some(band) = formula::band(formula, class) else {
        return (in_group, format!("{value}; no band is known for {class}"));
    };
    let within = value.parse().is_ok_and(|value: u64| band.contains(&value));
    let own = if in_group { "the group has the formula" } else { "the group has another value" };
    (within && in_group, format!("{value} on {class} ({} to {}), {own}", band.start(), band.end()))
}

/// For a role without pg_read_all_settings: the group's own value and its apply status take the place of SHOW.
fn by_group(setting: &SettingCheck, group: &Group) -> Check {
    let value = group.value(&setting.name).unwrap_or("not in the group");
    let holds = match &setting.expect {
        Expectation::Is(expected) => value == expected,
        Expectation::Contains(expected) => value.split(',').any(|each| each.trim() == expected),
        Expectation::Formula(formula) => value.replace(' ', "") == formula.replace(' ', ""),
        Expectation::Recorded => true,
    };
    let live = matches!(setting.expect, Expectation::Recorded) || group.status() == "in-sync";
    let verdict = if holds && live { Verdict::Unreadable } else { Verdict::Settling };
    check(setting, verdict, GROUP).seeing(format!("SHOW: permission denied; group: {value}, {}", group.status()))
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

fn statements_finding(act: &Noting, probe: StatementsProbe, group: &Group) -> Finding {
    let evidence = |words: &str| Evidence::now(SQL, words);
    let status = Evidence::now("rds:DescribeDBClusters", format!("writer's parameter group {}", group.status()));
    let finding = match probe {
        StatementsProbe::ExtensionMissing => {
            let later = act.partition.steps.iter().any(|step| matches!(step.kind, StepKind::Deploy(_)));
            let finding = Finding::of("extension-missing", "the extension pg_stat_statements was not created here yet")
                .because(evidence("relation \"pg_stat_statements\" does not exist"));
            if later {
                finding.way_out("the new init container creates it; deploy the chart, then look again")
            } else {
                finding
            }
        }
        StatementsProbe::NotPreloaded | StatementsProbe::Rows(_) => {
            Finding::of("preload-missing", "the writer runs without pg_stat_statements in shared_preload_libraries")
                .because(evidence("pg_stat_statements must be loaded via shared_preload_libraries"))
                .because(status)
                .meaning("it was not restarted since the group was attached; the chart's init container would fail")
                .way_out("reboot that instance: it is the writer, so writes fail for some 10 to 15 s")
        }
    };
    diagnosis::with_guide(act, finding)
}

/// What did not turn in time, and which of the two causes it is: the group is wrong, or it was not applied.
async fn stuck(act: &Noting, spec: &VerifySql, trouble: Option<&Trouble>) -> Finding {
    let Ok(group) = Group::read(act).await else { return diagnosis::time_over(act, "the settings", trouble) };
    let open: Vec<&SettingCheck> = spec
        .settings
        .iter()
        .filter(|setting| {
            act.attempt.checks.iter().any(|check| check.id == setting.name && check.verdict == Verdict::Settling)
        })
        .collect();
    let Some(first) = open.first() else { return diagnosis::time_over(act, "the settings", trouble) };
    let names = open.iter().map(|setting| setting.name.as_str()).collect::<Vec<_>>().join(", ");
    let own = group.value(&first.name).unwrap_or("not set");
    let situation = match &first.expect {
        Expectation::Formula(_) => "max-connections-wrong",
        _ if group.status() == "in-sync" && open.len() == 1 => "dynamic-one-wrong",
        _ => "dynamic-stuck",
    };
    let mut finding = Finding::of(situation, format!("not as expected: {names}"))
        .because(Evidence::now(GROUP, format!("{} = {own}", first.name)))
        .because(Evidence::now("rds:DescribeDBClusters", format!("writer's parameter group {}", group.status())));
    for check in act.attempt.checks.iter().filter(|check| check.verdict == Verdict::Settling) {
        let seen = check.seen.clone().unwrap_or_default();
        finding = finding.because(Evidence {
            source: check.source.clone(),
            text: format!("{} = {seen}", check.label),
            at: check.at,
        });
    }
    diagnosis::with_guide(act, finding)
}
