//! Where things are: settings, state directory, rollout file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Failure;
use super::args::Common;
use crate::app::keymap::Keymap;
use crate::config::settings::Settings;
use crate::config::{self, paths};
use crate::journal::{self, JournalError, RunEntry};
use crate::runbook::event::Event;
use crate::runbook::plan::Plan;
use crate::runbook::state::Run;
use crate::session::{self, Opened, Options, Session, SessionError, Taken};
use crate::telemetry::{self, Telemetry};

/// Where things are.
#[derive(Debug)]
pub struct Place {
    /// The user's settings.
    pub settings: Settings,
    /// Where runs are kept.
    pub state_dir: PathBuf,
    /// The operator's name.
    pub operator: String,
    /// The overlay over rollout files.
    pub overlay: Option<PathBuf>,
    /// Name of the theme that was asked for.
    pub theme: Option<String>,
    /// Whether colour was forbidden.
    pub no_color: bool,
    /// Which key does what.
    pub keymap: Keymap,
    _telemetry: Option<Telemetry>,
}

impl Place {
    /// Reads the settings and begins the program's own log.
    ///
    /// # Errors
    /// If the settings are wrong or the state directory cannot be used.
    pub fn of(common: &Common) -> Result<Self, Failure> {
        let mut settings = settings(common)?;
        settings.share |= common.share;
        let keymap = Keymap::with(&settings.keys)
            .map_err(|problems| Failure::usage(format!("the settings file is refused\n{problems}")))?;
        let state_dir = state_dir(common, &settings)?;
        let telemetry = telemetry::start(&state_dir)
            .map_err(|error| Failure::usage(format!("{error}\nchoose another state directory with --state-dir")))?;
        let operator = common.operator.clone().or_else(|| settings.operator.clone()).unwrap_or_else(login_name);
        let overlay = common.overlay.clone().or_else(|| settings.overlay.clone());
        Ok(Self {
            settings,
            state_dir,
            operator,
            overlay,
            theme: common.theme.clone(),
            no_color: common.no_color,
            keymap,
            _telemetry: Some(telemetry),
        })
    }

    /// The plan of a rollout file, or of the shipped one.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn plan(&self, rollout: Option<&Path>) -> Result<Plan, Failure> {
        plan(rollout, self.overlay.as_deref())
    }

    /// The run of that name, or the latest.
    ///
    /// # Errors
    /// If there is none.
    pub fn run_entry(&self, name: Option<&str>) -> Result<RunEntry, Failure> {
        if let Some(directory) = name.filter(|name| name.contains('/')) {
            let none = || {
                Failure::usage(format!(
                    "there is no run in {directory} that you may read; its owner opens it with `group` in their settings"
                ))
            };
            return journal::runs::at(Path::new(directory)).ok_or_else(none);
        }
        let runs = journal::runs(&self.state_dir).map_err(Failure::failed)?;
        let found = match name {
            None => runs.into_iter().next(),
            Some(name) => runs.into_iter().find(|run| run.id == name),
        };
        found.ok_or_else(|| {
            let which = name.map_or_else(|| "no run".to_owned(), |name| format!("no run {name}"));
            Failure::usage(format!("there is {which} in {}; `aurora-cockpit run` begins one", self.state_dir.display()))
        })
    }

    /// A run, folded from its journal without taking its lock.
    ///
    /// # Errors
    /// If its journal cannot be read or is no run.
    pub fn read_run(&self, entry: &RunEntry) -> Result<(Run, Option<String>), Failure> {
        let path = entry.journal();
        let contents = journal::read(&path).map_err(Failure::failed)?;
        let run = session::fold(&path, &contents.entries).map_err(Failure::failed)?;
        Ok((run, contents.notice))
    }

    /// The run of that rollout that began last, if there is one. A rehearsed run is never taken up against a real site, nor a
    /// real one against a simulated site. Only the first record of each is read.
    ///
    /// # Errors
    /// If a run of that rollout cannot be read: it may be the one to go on with, and beginning another one beside it would
    /// repeat what is done.
    pub fn latest_of(&self, rollout: &str) -> Result<Option<RunEntry>, Failure> {
        for entry in journal::runs(&self.state_dir).map_err(Failure::failed)? {
            match journal::read_first(&entry.journal()).and_then(|first| first.map(|first| first.event()).transpose()) {
                Ok(Some(Event::RunStarted { plan, simulated, .. }))
                    if plan.id == rollout && simulated == is_simulated() =>
                {
                    return Ok(Some(entry));
                }
                // A cockpit that was killed before its first word has done nothing.
                Ok(_) => {}
                // The name tells whose run it is where the journal does not.
                Err(error) if entry.id.starts_with(&format!("{rollout}-")) => {
                    return Err(Failure::failed(unreadable(&entry, &error)));
                }
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// As [`Self::latest_of`], where that run is neither through nor stopped.
    ///
    /// # Errors
    /// As there.
    pub fn unfinished(&self, rollout: &str) -> Result<Option<RunEntry>, Failure> {
        let Some(entry) = self.latest_of(rollout)? else { return Ok(None) };
        let (run, _) = self.read_run(&entry)?;
        Ok((run.stopped.is_none() && !run.is_all_through()).then_some(entry))
    }

    /// Takes the controls: of the latest run of the plan's rollout, or of a new one. A run that is through is opened as well: a
    /// cockpit that was killed at its last record, and started again, must not begin everything anew.
    ///
    /// # Errors
    /// If somebody else holds them, or the journal cannot be used.
    pub async fn open(&self, plan: Plan, new: bool) -> Result<Opened, Failure> {
        self.open_from(plan, new, None).await
    }

    /// As [`Self::open`], taking the run over from the operator of that name, who holds it.
    ///
    /// # Errors
    /// As there, and if that operator's session does not hand it over.
    pub async fn open_from(&self, plan: Plan, new: bool, holder: Option<&str>) -> Result<Opened, Failure> {
        let latest = if new { None } else { self.latest_of(&plan.id)? };
        if let (Some(entry), Some(holder)) = (&latest, holder) {
            session::take_over(&entry.directory, &self.operator, holder).await.map_err(refused)?;
        }
        let held = latest.map(|entry| {
            Taken::take(&entry.id, self.options()).map_err(|error| match error {
                error @ SessionError::Journal(JournalError::Held { .. }) => refused(error),
                error => Failure::failed(unreadable(&entry, &error)),
            })
        });
        // What an operator has stopped is not gone on with.
        let Some(held) = held.transpose()?.filter(|held| held.run.stopped.is_none()) else {
            return Session::start(plan, self.options()).await.map_err(refused);
        };
        let mut opened = held.go_on().await.map_err(refused)?;
        let run = &opened.run;
        opened.notices.push(match run.is_all_through() {
            true => format!("run {} is through; `--new` begins another one", run.id),
            false => format!("run {} goes on", run.id),
        });
        if opened.run.plan != plan {
            let words = "the rollout file has changed since; the run goes on with the plan it began with";
            opened.notices.push(words.to_owned());
        }
        Ok(opened)
    }

    fn options(&self) -> Options {
        Options {
            state_dir: self.state_dir.clone(),
            operator: self.operator.clone(),
            simulated: is_simulated(),
            group: self.settings.group.clone(),
            pause: Duration::from_secs(1),
        }
    }
}

/// Whether the environment leads to a simulated site. For the label on screen, and for nothing else in the cockpit.
pub fn is_simulated() -> bool {
    crate::sim::launch::from_environment().is_some()
}

/// The plan of a rollout file, or of the shipped one.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn plan(rollout: Option<&Path>, overlay: Option<&Path>) -> Result<Plan, Failure> {
    let plan = match rollout {
        Some(file) => config::load(file, overlay),
        None => config::load_text(config::SHIPPED.0, config::SHIPPED.1, overlay),
    };
    plan.map_err(|problems| Failure::usage(format!("the rollout file is refused; nothing was started\n{problems}")))
}

/// The plan with the named partitions only; the whole of it where none is named.
///
/// # Errors
/// If the rollout has no partition of one of these names.
pub fn only(mut plan: Plan, wanted: &[String]) -> Result<Plan, Failure> {
    if wanted.is_empty() {
        return Ok(plan);
    }
    let known = || plan.partitions.iter().map(|partition| partition.name.as_str());
    if let Some(unknown) = wanted.iter().find(|name| !known().any(|known| known == name.as_str())) {
        let help = config::meant(unknown, known()).unwrap_or_default();
        return Err(Failure::usage(format!("--only: the rollout has no partition `{unknown}`; {help}")));
    }
    plan.partitions.retain(|partition| wanted.iter().any(|name| name == partition.name.as_str()));
    Ok(plan)
}

/// The user's settings.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn settings(common: &Common) -> Result<Settings, Failure> {
    let (file, asked_for) = match &common.config {
        Some(file) => (file.clone(), true),
        None => (paths::settings_file().map_err(Failure::usage)?, false),
    };
    Settings::load(&file, asked_for)
        .map_err(|problems| Failure::usage(format!("the settings file is refused\n{problems}")))
}

/// Where runs are kept.
///
/// # Errors
/// If there is no home directory.
pub fn state_dir(common: &Common, settings: &Settings) -> Result<PathBuf, Failure> {
    match common.state_dir.clone().or_else(|| settings.state_dir.clone()) {
        Some(dir) => Ok(dir),
        None => paths::state_dir().map_err(Failure::usage),
    }
}

fn login_name() -> String {
    ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "operator".to_owned())
}

/// A run that may be the one to go on with cannot be read.
fn unreadable(entry: &RunEntry, error: &dyn std::error::Error) -> String {
    let path = entry.journal();
    let (path, error) = (path.display().to_string(), error.to_string());
    // Most errors name the file themselves.
    let named = if error.contains(&path) { error } else { format!("{path}: {error}") };
    format!("{named}\n`--new` begins another run, and leaves this one as it is")
}

fn refused(error: SessionError) -> Failure {
    match &error {
        SessionError::Journal(JournalError::Held { .. }) => Failure::refused(format!(
            "{error}\n`aurora-cockpit run --take-over NAME`, with the holder's name, takes the run over"
        )),
        SessionError::NotHandedOver(_) => Failure::refused(error),
        _ => Failure::failed(error),
    }
}
