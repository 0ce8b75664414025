//! Files that people write: what is wrong with them is said with file, line and key, and nothing half understood gets through.

use std::path::Path;
use std::sync::LazyLock;

use aurora_cockpit::app::keymap::Keymap;
use aurora_cockpit::config::settings::Settings;
use aurora_cockpit::config::{self, Problems, scenario as scenarios};
use aurora_cockpit::runbook::plan::Plan;
use aurora_cockpit::ui::theme::Themes;

use crate::{is_harmless, scratch};

/// A rollout file is understood whole, or refused with places.
pub fn rollout(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match config::load_text("fuzz.toml", &text, None) {
        Ok(plan) => is_kept_whole(&plan),
        Err(problems) => are_placed(&problems, "fuzz.toml", &text),
    }
}

/// The journal keeps the plan: a resume must find the same one.
fn is_kept_whole(plan: &Plan) {
    let kept = serde_json::to_string(plan).expect("a plan can be kept");
    let read: Plan = serde_json::from_str(&kept).expect("a plan that was kept can be read");
    assert!(read == *plan, "a plan was kept as another one:\n{plan:#?}\n{read:#?}");
    assert!(!plan.partitions.is_empty(), "a rollout without partitions");
}

/// A scenario names what there is, or is refused with places.
pub fn scenario(data: &[u8]) {
    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let (name, text) = config::SHIPPED;
        config::load_text(name, text, None).expect("the shipped rollout")
    });
    let text = String::from_utf8_lossy(data);
    match scenarios::read("fuzz.toml", &text, &PLAN) {
        Ok(scenario) => {
            for staged in scenario.situations {
                let place = staged.partition.as_ref();
                assert!(place.is_none_or(|name| PLAN.partitions.iter().any(|there| there.name == *name)), "{place:?}");
            }
        }
        Err(problems) => are_placed(&problems, "fuzz.toml", &text),
    }
}

/// Settings with their keys, and themes: by turns.
pub fn settings(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    if which % 2 == 0 {
        let path = scratch("config.toml", text.as_bytes());
        let read = Settings::load(&path, true).and_then(|settings| Keymap::with(&settings.keys));
        read.map_or_else(|problems| are_placed(&problems, &path.display().to_string(), &text), |_| ());
    } else {
        let path = scratch("theme.toml", text.as_bytes());
        let mut themes = Themes::default();
        if let Err(problems) = themes.add(&path) {
            are_placed(&problems, &path.display().to_string(), &text);
        }
    }
}

fn are_placed(problems: &Problems, file: &str, text: &str) {
    let lines = text.lines().count().max(1) + 1;
    assert!(problems.iter().next().is_some(), "refused for nothing");
    for problem in problems.iter() {
        assert_eq!(Path::new(&problem.file), Path::new(file), "{problem}");
        assert!(problem.line <= lines, "line {} of {lines}: {problem}", problem.line);
        assert!(problem.line == 0 || problem.column > 0, "{problem}");
        assert!(!problem.message.trim().is_empty(), "a problem without words");
    }
    let told = problems.to_string();
    assert!(is_harmless(&told), "what is said of a file steers the terminal: {told:?}");
}
