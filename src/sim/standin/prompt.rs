//! The prompt of a sign-in: answered at its terminal, or elsewhere (the browser's page, the app's fingerprint), or by nobody.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{SiteClient, say};

/// Site time after which somebody approves elsewhere, if anybody does.
const ELSEWHERE: Duration = Duration::from_secs(8);

/// A prompt.
pub struct Prompt {
    /// What it says.
    pub says: String,
    /// Site time for which it waits.
    pub waits: Duration,
}

/// Prompts, waits and then has the site sign in; answers the exit code.
pub async fn sign_in(site: &SiteClient, name: &str, mut args: Vec<String>, prompt: &Prompt) -> i32 {
    say(&prompt.says);
    let speed = site.speed().await;
    let began = Instant::now();
    let (typed, mut is_typed) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // A standard input that is at its end answers nothing.
        if std::io::stdin().read_line(&mut line).is_ok_and(|length| length > 0) {
            let _ = typed.send(());
        }
    });
    let by_hand = |args: &mut Vec<String>| args.push("--by-hand".to_owned());
    tokio::select! {
        Ok(()) = &mut is_typed => by_hand(&mut args),
        () = tokio::time::sleep(ELSEWHERE.div_f64(speed)) => {}
    }
    let answer = match site.answer(name, args.clone()).await {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    if answer.code == 0 || args.last().is_some_and(|last| last == "--by-hand") {
        say("\n");
        return answer.say();
    }
    // Nobody has approved it elsewhere: it waits on for its operator.
    tokio::select! {
        Ok(()) = &mut is_typed => {
            by_hand(&mut args);
            match site.answer(name, args).await {
                Ok(answer) => answer.say(),
                Err(code) => code,
            }
        }
        () = tokio::time::sleep_until(began + prompt.waits.div_f64(speed)) => {
            say("\n");
            answer.say()
        }
    }
}
