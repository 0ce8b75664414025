//! What is wrong with settings, by what server, group and apply status say together.

use std::time::Duration;

use super::context::Look;
use super::diagnosis;
use super::settings::{self, SQL, Seen};
use crate::clients::Trouble;
use crate::clients::postgres::StatementsProbe;
use crate::runbook::check::{Evidence, Verdict};
use crate::runbook::event::{Finding, Outcome, Way};
use crate::runbook::lever::Lever;
use crate::runbook::plan::{SettingCheck, Step, StepKind};

/// The choice of the hot patch that takes every parameter at once.
pub const ALL: &str = "all";

/// Where a session's value comes from if not from the server's configuration.
const OVERRIDES: [&str; 3] = ["user", "database", "database user"];

/// A setting that the role may not read.
pub fn unreadable(name: &str, trouble: &Trouble) -> Finding {
    Finding::of("setting-unreadable", format!("the role may not read {name}"))
        .because(Evidence::now(&trouble.call, trouble.to_string()))
        .meaning("not a failure: what the library does, the group and its apply status are looked at instead")
        .way_out("none is needed; a role with pg_read_all_settings could read it")
}

/// The extension is not there yet, and a later step makes it.
pub fn extension_deferred(deploy: &Step) -> Finding {
    Finding::of("extension-missing", "pg_stat_statements was not created in this database yet")
        .because(Evidence::now(SQL, "relation \"pg_stat_statements\" does not exist"))
        .meaning(format!("deferred: the init container of step {} creates it", deploy.label))
        .way_out(format!("none is needed now: it is looked at again after step {}", deploy.label))
}

/// The extension is not there although the step that makes it is behind us, or there is none.
pub fn extension_missing(look: &Look, seen: &Seen, deploy: Option<&Step>) -> Finding {
    let finding = Finding::of("extension-missing", "pg_stat_statements was not created in this database")
        .because(Evidence::now(
            SQL,
            format!("relation \"pg_stat_statements\" does not exist on {}", seen.server.name()),
        ))
        .meaning("the snapshot stays until the extension answers");
    match deploy {
        Some(deploy) => finding
            .way_out(format!("the init container that creates it did not run: deploy again (step {})", deploy.label))
            .offering(Way::Back { step: deploy.id.clone() }),
        None => diagnosis::with_guide(look, finding).again(),
    }
}

/// The writer runs without the library.
pub fn preload_missing(look: &Look, seen: &Seen) -> Finding {
    const NAME: &str = "shared_preload_libraries";
    let expected = settings::expected(&look.partition);
    let setting = expected.iter().find(|setting| setting.name == NAME);
    let in_group = setting.is_none_or(|setting| seen.group_holds(setting));
    let (instance, status) = (seen.server.name(), seen.status());
    let proved = seen.server.statements == Some(StatementsProbe::NotPreloaded) || seen.server.shown(NAME).is_some();
    let cause = if proved {
        format!("{instance} runs without pg_stat_statements in {NAME}")
    } else {
        format!("{instance} is {status}, and nothing proves that it runs with pg_stat_statements in {NAME}")
    };
    let finding = Finding::of("preload-missing", cause);
    let said = match (seen.server.statements, seen.server.shown(NAME)) {
        (Some(StatementsProbe::NotPreloaded), _) => {
            "pg_stat_statements must be loaded via shared_preload_libraries".to_owned()
        }
        (_, Some(value)) => format!("{NAME} = {value}"),
        (_, None) => format!("SHOW {NAME}: permission denied"),
    };
    let finding = finding.because(Evidence::now(SQL, said));
    with_restart(look, seen, finding, NAME, in_group)
}

/// A static setting is not as expected: the group has it wrong, or the writer was not restarted with it.
fn static_wrong(look: &Look, seen: &Seen, setting: &SettingCheck) -> Finding {
    let name = setting.name.as_str();
    if name == "shared_preload_libraries" {
        return preload_missing(look, seen);
    }
    let check = seen.judge(setting);
    let words = check.seen.unwrap_or_default();
    let expected = check.expected.unwrap_or_default();
    let cause = format!("{name} on {} is {words}; expected {expected}", seen.server.name());
    let finding =
        if name == "max_connections" { Finding::of("max-connections-wrong", cause) } else { Finding::unknown(cause) };
    let finding = finding.because(Evidence { source: check.source, text: format!("{name} = {words}"), at: check.at });
    with_restart(look, seen, finding, name, seen.group_holds(setting))
}

/// The way out of a static setting: into the group where it is not there, then into the writer by a restart.
fn with_restart(look: &Look, seen: &Seen, finding: Finding, name: &str, in_group: bool) -> Finding {
    let writer = seen.server.name();
    let locked = match look.partition.steps.iter().find(|step| matches!(step.kind, StepKind::Deploy(_))) {
        Some(deploy) => format!("; step {} stays locked", deploy.label),
        None => String::new(),
    };
    let finding = finding.because(seen.group.evidence(name)).because(seen.group.statuses());
    let finding = if in_group {
        finding
            .meaning(format!("{writer} did not pick up what the group holds{locked}"))
            .way_out(format!("reboot {writer}: it is the writer, so writes fail for 10 to 15 s; or roll back"))
            .lever(Lever::RebootInstance.name(), seen.member().map(|member| member.id.as_str()))
    } else {
        finding
            .meaning(format!("the group itself is wrong, so a restart would not mend it{locked}"))
            .way_out(format!("patch {name} in {}, then reboot {writer}; or roll back", seen.group.name()))
            .lever(Lever::HotPatch.name(), Some(name))
    };
    finding.offering(Way::RollBack)
}

/// What waiting does not mend: the group itself is wrong, or a static value is, which only a restart changes.
pub fn beyond_waiting(look: &Look, seen: &Seen, open: &[&SettingCheck]) -> Option<Finding> {
    if look.partition.cluster.group_before.as_deref() == Some(seen.group.name()) {
        return Some(not_attached(look, seen));
    }
    let (fixed, dynamic): (Vec<_>, Vec<_>) = open.iter().copied().partition(|one| seen.group.is_static(&one.name));
    let wrong: Vec<&SettingCheck> = dynamic.into_iter().filter(|one| !seen.group_holds(one)).collect();
    if !wrong.is_empty() {
        return Some(wrong_in_group(look, seen, &wrong));
    }
    // What the server itself shows counts for more than what its apply status suggests.
    let shown = fixed.iter().find(|one| seen.server.shown(&one.name).is_some());
    let fixed = shown.or(fixed.first()).filter(|one| seen.status() != "applying" || !seen.group_holds(one))?;
    Some(static_wrong(look, seen, fixed))
}

/// The deploy left the cluster on the group of before.
fn not_attached(look: &Look, seen: &Seen) -> Finding {
    let cluster = &look.partition.cluster.id;
    let deploy = look.partition.steps.iter().find(|step| matches!(step.kind, StepKind::Command(_)));
    let finding = Finding::of("group-not-attached", format!("{cluster} is still on {}", seen.group.name()))
        .because(Evidence::now(settings::MEMBERS, format!("DBClusterParameterGroup = {}", seen.group.name())))
        .meaning("nothing of the rollout is live in this cluster");
    match deploy {
        Some(deploy) => finding
            .way_out(format!("check the template's HEAD, then run step {} again", deploy.label))
            .offering(Way::Back { step: deploy.id.clone() }),
        None => diagnosis::with_guide(look, finding),
    }
}

/// Dynamic parameters that the group itself has wrong.
fn wrong_in_group(look: &Look, seen: &Seen, wrong: &[&SettingCheck]) -> Finding {
    let finding = Finding::of("dynamic-one-wrong", format!("wrong in the parameter group itself: {}", list(wrong)))
        .meaning("every instance has the wrong value; a reboot would not change it")
        .way_out(format!(
            "patch {} in {} at once, and fix it in the template, so that the next deploy does not bring it back",
            list(wrong),
            seen.group.name()
        ));
    let finding = patched(with_sides(finding, seen, wrong), wrong);
    diagnosis::with_guide(look, finding).offering(Way::RollBack)
}

/// What did not turn in time, and which of the causes it is.
pub fn stuck(look: &Look, seen: &Seen, open: &[&SettingCheck]) -> Finding {
    if let Some(finding) = beyond_waiting(look, seen, open) {
        return finding;
    }
    let (instance, status) = (seen.server.name(), seen.status());
    let overridden = open.iter().find_map(|one| {
        let source = seen.server.setting(&one.name)?.source.as_str();
        OVERRIDES.contains(&source).then_some((one.name.as_str(), source))
    });
    let of = |cause: String| with_sides(Finding::of("dynamic-stuck", cause), seen, open);
    if let Some((name, source)) = overridden {
        return of(format!("{name} is set for the {source}, which hides what the group holds"))
            .because(Evidence::now("pg_settings", format!("{name}: source {source}")))
            .meaning("the group's value is live for other roles and databases")
            .way_out(format!("have the setting of the {source} taken back (ALTER … RESET {name}), then look again"))
            .again_after(look.step.retry_after);
    }
    match status {
        "pending-reboot" => patched(
            of(format!("the group holds the values and never passed them on: {instance} is pending-reboot"))
                .meaning("dynamic parameters wait for no reboot: the construct gave them the wrong apply method"),
            open,
        )
        .way_out(
            "patch them in the group with ApplyMethod=immediate, and file the construct's bug; or roll back. \
             A reboot is no remedy: the next deploy brings it back",
        )
        .offering(Way::RollBack),
        "in-sync" => patched(
            of(format!("RDS calls {instance} in-sync, and its server still has the old values"))
                .meaning("the group is right and counts as passed on: RDS will not pass it on again by itself"),
            open,
        )
        .way_out("send the values to the group once more, with ApplyMethod=immediate; if that does not help, roll back")
        .offering(Way::RollBack),
        _ => of(format!("the group holds the values, and {instance} is still {status}"))
            .meaning("RDS is still passing them on")
            .way_out("wait a little and look again; if it stays so, roll back")
            .again_after(look.step.retry_after.max(Duration::from_secs(1)))
            .offering(Way::RollBack),
    }
}

/// Offers the hot patch: of all at once where there are several.
fn patched(finding: Finding, wrong: &[&SettingCheck]) -> Finding {
    match wrong {
        [one] => finding.lever(Lever::HotPatch.name(), Some(&one.name)),
        _ => finding.lever(Lever::HotPatch.name(), Some(ALL)),
    }
}

/// Each setting as SQL and as the group has it, and what RDS says of the group on the instances.
fn with_sides(finding: Finding, seen: &Seen, open: &[&SettingCheck]) -> Finding {
    let sides = open.iter().flat_map(|one| {
        let shown = seen.server.shown(&one.name).unwrap_or("not readable");
        let expected = seen.judge(one).expected.unwrap_or_default();
        let sql = format!("{} = {shown} on {}, expected {expected}", one.name, seen.server.name());
        [Evidence::now(SQL, sql), seen.group.evidence(&one.name)]
    });
    sides.chain([seen.group.statuses()]).fold(finding, Finding::because)
}

fn list(settings: &[&SettingCheck]) -> String {
    settings.iter().map(|setting| setting.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Parameters that this rollout took back to the engine's default.
pub fn neutralised(look: &Look) -> Vec<&str> {
    let lever = look.so_far.levers.iter().filter(|lever| lever.id.as_str() == Lever::Neutralise.name());
    let acted = lever.flat_map(|lever| &lever.attempts).flat_map(|attempt| &attempt.actions);
    acted
        .filter(|action| action.may_have_acted())
        .filter_map(|action| action.action.before.get("parameter").map(String::as_str))
        .collect()
}

/// Settings that were right when they were verified and are not any more.
pub fn turned_back(look: &Look, seen: &Seen, open: &[&SettingCheck]) -> Option<Finding> {
    let first = open.first()?;
    let Some((deleted, at)) = deletion(look) else { return Some(stuck(look, seen, open)) };
    let wrong: Vec<&SettingCheck> = open.iter().copied().filter(|one| !seen.group_holds(one)).collect();
    if wrong.is_empty() {
        return Some(stuck(look, seen, open));
    }
    let deleted = Evidence { source: "cockpit".to_owned(), text: format!("snapshot {deleted} was deleted"), at };
    let mut finding = Finding::of(
        "regret-after-delete",
        format!("{} is not as it was verified, and the snapshot is gone", first.name),
    );
    finding = wrong.iter().filter_map(|one| verified(look, one)).fold(finding, Finding::because);
    finding = with_sides(finding, seen, &wrong).because(deleted);
    finding = wrong.iter().fold(finding, |finding, one| finding.lever(Lever::Neutralise.name(), Some(&one.name)));
    finding = wrong.iter().fold(finding, |finding, one| finding.lever(Lever::HotPatch.name(), Some(&one.name)));
    Some(finding.meaning("the cluster serves, and a restore is gone for good; the go-ahead waits").way_out(format!(
        "neutralise {} in the group (the engine's default), or patch it back once it is known who changed it",
        list(&wrong)
    )))
}

/// The snapshot that was deleted at the rollout's end, and when.
fn deletion(look: &Look) -> Option<(String, jiff::Timestamp)> {
    look.partition.steps.iter().find_map(|step| {
        let StepKind::DeleteSnapshot(spec) = &step.kind else { return None };
        let attempts = &look.so_far.step(&step.id)?.attempts;
        let mut deleted = attempts.iter().flat_map(|attempt| &attempt.actions).filter(|action| action.may_have_acted());
        deleted.next_back().map(|action| (spec.id.clone(), action.at))
    })
}

/// What a setting was when it was verified.
fn verified(look: &Look, setting: &SettingCheck) -> Option<Evidence> {
    let passed = |outcome: &Outcome| matches!(outcome, Outcome::Passed | Outcome::PassedWithWarnings { .. });
    let attempts = look.so_far.steps.iter().flat_map(|step| &step.attempts);
    let checks = attempts.filter(|attempt| attempt.outcome.as_ref().is_some_and(passed)).flat_map(|one| &one.checks);
    let mut same = checks.filter(|check| check.id == setting.name && check.verdict == Verdict::Passed);
    let check = same.next_back()?;
    let seen = check.seen.clone().unwrap_or_default();
    Some(Evidence {
        source: check.source.clone(),
        text: format!("{} = {seen}, when verified", setting.name),
        at: check.at,
    })
}
