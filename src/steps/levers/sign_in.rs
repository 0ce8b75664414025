//! Signing in, in a terminal that the operator sees and types into. It has passed when its effect is seen: 1Password knows
//! who we are, STS answers with the partition's account.

use std::time::Duration;

use super::super::act::Act;
use super::super::context::{Look, Patience, Stop};
use super::super::preflight::another_account;
use super::super::{diagnosis, program};
use crate::clients::program::{Ended, Spec};
use crate::clients::{Trouble, TroubleKind, onepassword};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome};
use crate::runbook::lever::Lever;

/// Silence after which the prompt is pointed out.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a session that was approved may take to be known everywhere.
const KNOWN_AFTER: Duration = Duration::from_secs(20);

pub(super) async fn brief(look: &Look, lever: &Lever) -> Result<Brief, Trouble> {
    let spec = program_of(look, lever);
    let (what, target) = match lever {
        Lever::SignInAws { profile } => (format!("Sign in to AWS with profile {profile}"), profile.clone()),
        _ => ("Sign in to 1Password".to_owned(), "1Password".to_owned()),
    };
    let mut brief = look.brief(what);
    brief.calls.push(Call { operation: spec.program.clone(), target, command_line: spec.command_line() });
    brief.preconditions.push(match witness(look, lever).await {
        Ok(Witnessed::SignedIn(who)) => {
            brief.already_done = Some(format!("signed in already: {who}"));
            Precondition::now(format!("signed in already: {who}"), Holds::Mind)
        }
        Ok(Witnessed::ElsewhereSignedIn(finding)) => Precondition::now(finding.cause, Holds::Mind),
        Err(trouble) => Precondition::now(trouble.to_string(), Holds::Yes),
    });
    Ok(brief)
}

fn program_of(look: &Look, lever: &Lever) -> Spec {
    let words: &[&str] = match lever {
        Lever::SignInAws { profile } => &["aws", "sso", "login", "--profile", profile],
        _ => &["op", "signin"],
    };
    let arguments: Vec<String> = words[1..].iter().map(|word| (*word).to_owned()).collect();
    Spec::new(words[0], &arguments, &look.run_dir)
}

pub(super) async fn run(act: &mut Act, lever: &Lever) -> Result<Outcome, Stop> {
    act.check(signed_in(lever, Verdict::Pending)).await?;
    let spec = program_of(act, lever);
    let ended = program::run(act, &spec, Default::default(), SILENCE).await?;
    act.verifying().await?;
    // A program that ended badly has not signed in by itself; somebody may have, elsewhere.
    let mut patience = Patience::new(if ended.is_success() { KNOWN_AFTER } else { Duration::ZERO });
    loop {
        match witness(act, lever).await {
            Ok(Witnessed::SignedIn(who)) => {
                act.check(signed_in(lever, Verdict::Passed).seeing(who)).await?;
                return Ok(Outcome::Passed);
            }
            Ok(Witnessed::ElsewhereSignedIn(finding)) => {
                act.check(signed_in(lever, Verdict::Failed).seeing(&finding.cause)).await?;
                return Err(finding.into());
            }
            Err(trouble) => patience.trouble = Some(trouble),
        }
        if patience.is_over() {
            let seen = patience.trouble.as_ref().map(ToString::to_string).unwrap_or_default();
            act.check(signed_in(lever, Verdict::Failed).seeing(seen)).await?;
            return Err(not_signed_in(act, &spec, &ended, patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

fn signed_in(lever: &Lever, verdict: Verdict) -> Check {
    match lever {
        Lever::SignInAws { .. } => Check::new("signed-in", "STS answers", "sts:GetCallerIdentity", verdict),
        _ => Check::new("signed-in", "1Password knows us", "op whoami", verdict),
    }
}

/// What the other side says of who we are.
enum Witnessed {
    SignedIn(String),
    /// To another account than the partition's.
    ElsewhereSignedIn(Finding),
}

async fn witness(look: &Look, lever: &Lever) -> Result<Witnessed, Trouble> {
    if *lever == Lever::SignInOp {
        return onepassword::whoami().await.map(Witnessed::SignedIn);
    }
    look.tools.aws.renew_session().await;
    let caller = look.tools.aws.identity.caller().await?;
    Ok(match another_account(&look.partition, &caller) {
        Some(finding) => Witnessed::ElsewhereSignedIn(finding),
        None => Witnessed::SignedIn(format!("account {}", caller.account)),
    })
}

fn not_signed_in(act: &Act, spec: &Spec, ended: &Ended, trouble: Option<&Trouble>) -> Finding {
    let command = spec.command_line();
    let words = program::last_output(act, 3).join(" · ");
    let unanswered = ["authorization timeout", "authorization to retrieve an SSO token has expired"];
    // Still signed out, as it was when the lever was pulled.
    let still = |cause: String| match trouble.map(|trouble| (trouble.kind, trouble.call.starts_with("op "))) {
        Some((TroubleKind::SignedOut, true)) => Finding::of("op-signed-out", cause),
        Some((TroubleKind::SignedOut, false)) => Finding::of("sso-expired", cause),
        _ => Finding::unknown(cause),
    };
    let finding = if unanswered.iter().any(|part| words.contains(part)) {
        still(format!("{command} was not approved in time"))
            .meaning("its prompt did not surface, or nobody answered it; nothing changed")
            .way_out("pull it again and answer the prompt: in the terminal shown, the browser or the app")
    } else if ended.is_success() {
        still(format!("{command} ended well, and the cockpit is not signed in"))
            .meaning("an approval may hold for one terminal only; nothing changed")
            .way_out(format!("run {command} in the shell from which the cockpit was started; it picks the session up"))
    } else if trouble.is_some_and(|trouble| trouble.kind == TroubleKind::Unreachable) {
        Finding::unknown(format!("{command} could not reach the other side"))
            .meaning("nothing changed")
            .way_out("check the network, then pull it again")
    } else {
        still(format!("{command} did not sign in")).meaning("nothing changed").way_out(format!(
            "read its output, or run {command} in a shell of your own; the cockpit picks the session up"
        ))
    };
    let finding = finding.because(Evidence::now(&command, format!("{}: {words}", program::how(ended)))).again();
    let finding = match trouble {
        Some(trouble) => finding.because(Evidence::now(&trouble.call, trouble.to_string())),
        None => finding,
    };
    diagnosis::with_guide(act, finding)
}
