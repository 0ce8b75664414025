//! The rollout's last act: the pull request is merged once every partition runs it.

use super::act::{Act, Acted, Looked};
use super::context::{Look, Patience, Stop};
use super::diagnosis;
use crate::clients::{Trouble, forge};
use crate::runbook::check::{Check, Precondition, Verdict};
use crate::runbook::event::{Action, Brief, Outcome};
use crate::runbook::plan::CloseSpec;

pub(super) async fn brief(look: &Look, spec: &CloseSpec) -> Result<Brief, Trouble> {
    let request = forge::pull_request(&spec.repository, spec.number).await?;
    let mut brief = look.brief(format!("Merge {}#{}: {}", spec.repository, spec.number, request.title));
    brief.calls.push(forge::merge_call(&spec.repository, spec.number));
    let merged = request.state == "MERGED";
    brief.preconditions = vec![
        Precondition::require(merged || request.state == "OPEN", format!("it is {}", request.state.to_lowercase())),
        Precondition::require(request.red().next().is_none(), "no check is red"),
    ];
    brief.already_done = merged.then(|| "it is merged already".to_owned());
    Ok(brief)
}

pub(super) async fn run(act: &mut Act, spec: &CloseSpec) -> Result<Outcome, Stop> {
    let merged = |verdict| Check::new("merged", format!("#{} merged", spec.number), "gh pr view", verdict);
    act.check(merged(Verdict::Pending)).await?;
    let look = || async {
        let request = forge::pull_request(&spec.repository, spec.number).await?;
        Ok(match request.state.as_str() {
            "MERGED" => Looked::Done("it is merged".to_owned()),
            state => Looked::NoSign(format!("it is {}", state.to_lowercase())),
        })
    };
    // A merge of which it is not known whether it was carried out is looked up, so that the journal says what became of it.
    if act.intended().is_none()
        && let Ok(Looked::Done(seen)) = look().await
    {
        act.check(merged(Verdict::Passed).seeing(seen)).await?;
        return Ok(Outcome::Passed);
    }
    let call = forge::merge_call(&spec.repository, spec.number);
    let action = Action { key: format!("merge #{}", spec.number), call, before: Default::default() };
    let (repository, number) = (spec.repository.clone(), spec.number);
    let acted = act
        .act(action, look, |controls| async move { forge::merge(&controls, &repository, number).await.map(|()| None) })
        .await?;
    if let Acted::Refused(trouble) = acted {
        return Err(diagnosis::of_trouble(act, &trouble).into());
    }
    act.verifying().await?;
    // A merge may be queued behind others.
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = act.bear(&mut patience, look().await).await?;
        match seen {
            Some(Looked::Done(seen)) => {
                act.check(merged(Verdict::Passed).seeing(seen)).await?;
                return Ok(Outcome::Passed);
            }
            Some(Looked::NoSign(seen) | Looked::Undone(seen)) => {
                act.check(merged(Verdict::Settling).seeing(seen)).await?
            }
            None => {}
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, "the merge", patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}
