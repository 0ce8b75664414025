//! Parameters of the group: patched to what the runbook expects, or neutralised.

use super::super::act::{Act, Acted, Looked};
use super::super::cluster::{self, done, no_sign};
use super::super::context::{Look, Patience, Stop};
use super::super::diagnosis;
use super::super::settings::{self, GROUP, Group, SQL, Seen};
use super::super::settings_findings::ALL;
use crate::clients::Trouble;
use crate::clients::rds::{Apply, Change, ParameterSetting};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Choice, Event, Finding, NoteKind, Outcome};
use crate::runbook::plan::SettingCheck;
use crate::runbook::setting::same;

/// Key of an action's note of what it changes.
const PARAMETER: &str = "parameter";

/// A parameter that is not in the group, or not live, as the runbook expects it.
struct Patch {
    parameter: ParameterSetting,
    label: String,
}

/// What could be patched now.
fn patches(seen: &Seen, expected: &[SettingCheck]) -> Vec<Patch> {
    let open = |one: &&SettingCheck| {
        let dynamic = !seen.group.is_static(&one.name);
        let waits = seen.group.parameter(&one.name).and_then(|own| own.apply_method.as_deref());
        let stuck = seen.judge(one).verdict == Verdict::Settling || waits == Some("pending-reboot");
        !seen.group_holds(one) || (dynamic && stuck)
    };
    expected.iter().filter(open).filter_map(|one| patch(seen, one)).collect()
}

fn patch(seen: &Seen, setting: &SettingCheck) -> Option<Patch> {
    let value = seen.group.wanted(setting, seen.server.unit(&setting.name))?;
    let apply = apply(&seen.group, &setting.name);
    let now = seen.group.value(&setting.name).unwrap_or("not set");
    let label = format!("{}: {now} → {value}, {}", setting.name, when(apply));
    Some(Patch { parameter: ParameterSetting { name: setting.name.clone(), value, apply }, label })
}

/// RDS refuses to apply a static parameter at once.
fn apply(group: &Group, name: &str) -> Apply {
    if group.is_static(name) { Apply::PendingReboot } else { Apply::Immediate }
}

fn when(apply: Apply) -> &'static str {
    match apply {
        Apply::Immediate => "at once",
        Apply::PendingReboot => "with the next restart",
    }
}

fn set(group: &Group, patches: &[Patch]) -> Change {
    let parameters = patches.iter().map(|patch| patch.parameter.clone()).collect();
    Change::SetParameters { group: group.name().to_owned(), parameters }
}

/// What holds before any change of the group.
fn preconditions(look: &Look, group: &Group) -> Vec<Precondition> {
    let before = look.partition.cluster.group_before.as_deref();
    let engines = group.name().starts_with("default.") || before == Some(group.name());
    let words = if engines { "the engine's own group, which cannot be changed" } else { "the rollout's group" };
    vec![
        cluster::available(&group.cluster),
        Precondition::require(!engines, format!("{} is {words}", group.name())),
        Precondition::now(group.statuses().text, Holds::Yes),
    ]
}

pub(super) async fn brief_patch(look: &Look) -> Result<Brief, Trouble> {
    let expected = settings::expected(&look.partition);
    let seen = Seen::read(look, &expected, false).await?;
    let patches = patches(&seen, &expected);
    let mut brief = look.brief(format!("Set parameters of {} as the runbook expects them", seen.group.name()));
    brief.preconditions = preconditions(look, &seen.group);
    if patches.is_empty() {
        let same = "group and writer have every value that the runbook expects: there is nothing to patch";
        brief.preconditions.push(Precondition::now(same, Holds::No));
    }
    let target = &look.tools.aws.target;
    brief.choices =
        patches.iter().map(|one| Choice { id: one.parameter.name.clone(), label: one.label.clone() }).collect();
    if patches.len() > 1 {
        brief.choices.push(Choice { id: ALL.to_owned(), label: format!("all {} at once", patches.len()) });
    }
    brief.calls = patches.chunks(1).map(|one| set(&seen.group, one).call(target)).collect();
    Ok(brief)
}

pub(super) async fn run_patch(act: &mut Act) -> Result<Outcome, Stop> {
    let expected = settings::expected(&act.partition);
    let seen = read(act, &expected).await?;
    let chosen = chosen_patches(act, &seen, &expected)?;
    let names = chosen.iter().map(|one| one.parameter.name.as_str()).collect::<Vec<_>>().join(", ");
    for one in &chosen {
        act.check(in_group(&one.parameter.name, &one.parameter.value, Verdict::Pending)).await?;
    }
    let (look, wanted) = (act.look.clone(), chosen.iter().map(|one| one.parameter.clone()).collect::<Vec<_>>());
    let looking = || async {
        let group = Group::read(&look).await?;
        let open = wanted.iter().find(|one| !holds(&group, one));
        match open {
            None => done("the group holds what was sent"),
            Some(one) => no_sign(format!("{} is {}", one.name, group.value(&one.name).unwrap_or("not set"))),
        }
    };
    let before = chosen.iter().map(|one| one.label.as_str()).collect::<Vec<_>>().join("; ");
    let before = [(PARAMETER, names.clone()), ("change", before)];
    send(act, format!("patch {names}"), set(&seen.group, &chosen), before, looking).await?;
    let group = settle(act, &expected, |group| wanted.iter().map(|one| (one.clone(), holds(group, one))).collect());
    let group = group.await?;
    let text = format!(
        "fix {names} in the template, so that it does not drift back: patched by hand in {} ({})",
        group.name(),
        chosen.iter().map(|one| one.label.as_str()).collect::<Vec<_>>().join("; ")
    );
    follow_up(act, text, wanted.iter().map(|one| group.evidence(&one.name)).collect()).await?;
    Ok(outcome(&wanted))
}

/// What the attempt patches: as its intent says, if there is one; else as was chosen, or the first.
fn chosen_patches(act: &Act, seen: &Seen, expected: &[SettingCheck]) -> Result<Vec<Patch>, Stop> {
    if let Some(names) = act.intended().and_then(|intended| intended.action.before.get(PARAMETER)) {
        let meant = |one: &&SettingCheck| names.split(", ").any(|name| name == one.name);
        return Ok(expected.iter().filter(meant).filter_map(|one| patch(seen, one)).collect());
    }
    let mut patches = patches(seen, expected);
    match act.attempt.choice.as_deref() {
        Some(ALL) => {}
        Some(name) => patches.retain(|one| one.parameter.name == name),
        None => patches.truncate(1),
    }
    if patches.is_empty() {
        let what = act.attempt.choice.as_deref().unwrap_or("every parameter");
        let finding = Finding::unknown(format!("{what} is as the runbook expects it already"))
            .because(Evidence::now(GROUP, format!("nothing differs in {}", seen.group.name())))
            .meaning("nothing was sent")
            .way_out("look at the step again that asked for it");
        return Err(finding.into());
    }
    Ok(patches)
}

/// Whether the group holds a value, to be applied as it was sent.
fn holds(group: &Group, wanted: &ParameterSetting) -> bool {
    let Some(own) = group.parameter(&wanted.name) else { return false };
    let waits = own.apply_method.as_deref() == Some("pending-reboot");
    own.value.as_deref().is_some_and(|value| same(value, &wanted.value)) && waits == (wanted.apply != Apply::Immediate)
}

pub(super) async fn brief_neutralise(look: &Look) -> Result<Brief, Trouble> {
    let group = Group::read(look).await?;
    let mut brief = look.brief(format!("Take a parameter of {} back to the engine's default", group.name()));
    brief.preconditions = preconditions(look, &group);
    let own: Vec<_> = group.own().collect();
    if own.is_empty() {
        let none = "nothing in the group differs from the engine's defaults";
        brief.preconditions.push(Precondition::now(none, Holds::No));
    }
    for parameter in own {
        let (name, apply) = (&parameter.name, apply(&group, &parameter.name));
        let value = parameter.value.as_deref().unwrap_or("not set");
        let label = format!("{name}: {value} → the engine's default, {}", when(apply));
        brief.choices.push(Choice { id: name.clone(), label });
        brief.calls.push(reset(&group, name).call(&look.tools.aws.target));
    }
    Ok(brief)
}

fn reset(group: &Group, name: &str) -> Change {
    Change::ResetParameter { group: group.name().to_owned(), name: name.to_owned(), apply: apply(group, name) }
}

pub(super) async fn run_neutralise(act: &mut Act) -> Result<Outcome, Stop> {
    let intended = act.intended().and_then(|intended| intended.action.before.get(PARAMETER)).cloned();
    let Some(name) = intended.or_else(|| act.attempt.choice.clone()) else {
        let finding = Finding::unknown("no parameter was chosen")
            .meaning("nothing was sent: which one hurts is for you to say")
            .way_out("pull the lever again and choose the parameter");
        return Err(finding.into());
    };
    let group = Group::read(act).await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let value = group.value(&name).unwrap_or("not set").to_owned();
    let apply = apply(&group, &name);
    act.check(in_group(&name, "the engine's default", Verdict::Pending).seeing(&value)).await?;
    let (look, reset_name) = (act.look.clone(), name.clone());
    let looking = || async {
        let group = Group::read(&look).await?;
        match is_default(&group, &reset_name) {
            true => done(format!("{reset_name} is at the engine's default")),
            false => no_sign(format!("{reset_name} is still set in {}", group.name())),
        }
    };
    let before = [(PARAMETER, name.clone()), ("change", format!("{name}: {value} → the engine's default"))];
    send(act, format!("neutralise {name}"), reset(&group, &name), before, looking).await?;
    let expected = [SettingCheck { name: name.clone(), expect: crate::runbook::plan::Expectation::Recorded }];
    let sought = name.clone();
    let after = settle(act, &expected, |group| {
        let value = group.value(&sought).unwrap_or("the engine's default").to_owned();
        vec![(ParameterSetting { name: sought.clone(), value, apply }, is_default(group, &sought))]
    });
    let after = after.await?;
    let text = format!("take {name} out of the template or correct it there: {value} was neutralised by hand");
    follow_up(act, text, vec![after.evidence(&name)]).await?;
    Ok(outcome(&[ParameterSetting { name, value, apply }]))
}

fn is_default(group: &Group, name: &str) -> bool {
    !group.own().any(|parameter| parameter.name == name)
}

async fn read(act: &Act, expected: &[SettingCheck]) -> Result<Seen, Stop> {
    Ok(Seen::read(act, expected, false).await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?)
}

async fn send<L>(
    act: &mut Act,
    key: String,
    change: Change,
    before: [(&'static str, String); 2],
    looking: impl Fn() -> L,
) -> Result<(), Stop>
where
    L: Future<Output = Result<Looked, Trouble>>,
{
    if let Acted::Refused(trouble) = act.change(key, change, before, looking).await? {
        return Err(diagnosis::of_trouble(act, &trouble).into());
    }
    act.verifying().await
}

fn in_group(name: &str, expected: &str, verdict: Verdict) -> Check {
    Check::new(format!("group {name}"), format!("{name} in the group"), GROUP, verdict).expecting(expected)
}

/// Waits until the group holds what was sent, and the writer's server has what is dynamic.
async fn settle(
    act: &mut Act,
    expected: &[SettingCheck],
    wanted: impl Fn(&Group) -> Vec<(ParameterSetting, bool)>,
) -> Result<Group, Stop> {
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = Seen::read(act, expected, false).await;
        if let Some(seen) = act.bear(&mut patience, seen).await? {
            let mut all = true;
            for (parameter, held) in wanted(&seen.group) {
                let verdict = |holds| if holds { Verdict::Passed } else { Verdict::Settling };
                let value = seen.group.value(&parameter.name).unwrap_or("not set");
                act.check(in_group(&parameter.name, &parameter.value, verdict(held)).seeing(value)).await?;
                all &= held;
                if let Some((live, shown)) = live(&seen, &parameter) {
                    let check = Check::new(&parameter.name, format!("{} is live", parameter.name), SQL, verdict(live));
                    act.check(check.seeing(format!("{shown} on {}", seen.server.name()))).await?;
                    all &= live;
                }
            }
            if all {
                return Ok(seen.group);
            }
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, "the new value", patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

/// Whether the writer's server has the value of the group, and what it shows; none where a restart or a formula stands in
/// between, or the role may not read it.
fn live(seen: &Seen, parameter: &ParameterSetting) -> Option<(bool, String)> {
    let setting = seen.server.setting(&parameter.name)?;
    let value = seen.group.value(&parameter.name)?;
    if parameter.apply == Apply::PendingReboot || value.contains('{') {
        return None;
    }
    Some((same(&setting.value, value), seen.server.shown(&parameter.name)?.to_owned()))
}

async fn follow_up(act: &mut Act, text: String, evidence: Vec<Evidence>) -> Result<(), Stop> {
    let (step, by) = (act.reference(), act.attempt.by.clone());
    let note = Event::Noted {
        partition: Some(step.partition.clone()),
        step: Some(step),
        by,
        text,
        note: NoteKind::FollowUp,
        evidence,
    };
    act.recorder.record(note).await?;
    Ok(())
}

/// A static parameter is in the group, and not yet in any server.
fn outcome(changed: &[ParameterSetting]) -> Outcome {
    let waiting: Vec<&str> =
        changed.iter().filter(|one| one.apply == Apply::PendingReboot).map(|one| one.name.as_str()).collect();
    if waiting.is_empty() {
        return Outcome::Passed;
    }
    let waiting = format!("{}: live on an instance once that is rebooted", waiting.join(", "));
    Outcome::PassedWithWarnings { warnings: vec![waiting] }
}
