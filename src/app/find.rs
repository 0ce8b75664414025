//! Finding a partition among many: the palette over partitions alone, grouped, and narrowed by what is typed.

use super::fleet::{Fleet, Standing};
use super::palette::{Entry, Finder, Row};
use super::state::State;

/// How the partitions are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    /// By how they stand: what calls comes first.
    #[default]
    Standing,
    /// By account and region, each with how far it is.
    Account,
    /// Not at all: in the rollout's order.
    Order,
}

impl Grouping {
    /// The one after it.
    pub fn next(self) -> Self {
        match self {
            Self::Standing => Self::Account,
            Self::Account => Self::Order,
            Self::Order => Self::Standing,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standing => "what calls first",
            Self::Account => "by account",
            Self::Order => "in order",
        }
    }
}

/// The partitions that what was typed fits, group by group, the best of each group first. Names, infrastructures, regions and
/// how they stand can be typed.
pub fn rows(state: &State, words: &str, grouping: Grouping) -> Vec<Row> {
    let fleet = Fleet::of(state);
    let mut finder = Finder::of(words);
    let partitions = state.run.plan.partitions.iter().enumerate();
    let names = state.run.plan.partitions.iter().map(|partition| partition.name.as_str().len()).max().unwrap_or(0);
    let places = state.run.plan.partitions.iter().map(|partition| partition.infrastructure.len()).max().unwrap_or(0);
    let found = partitions.filter_map(|(place, partition)| {
        let production = if partition.production { "production · " } else { "" };
        let label = format!(
            "{:names$}  {:places$}  {production}{}",
            partition.name.as_str(),
            partition.infrastructure,
            fleet.words(place)
        );
        let (behind, all) = state.run.progress(&partition.name);
        let row = Row { key: format!("{behind}/{all}"), ..Row::of(Entry::Partition(place), label) };
        let (score, row) = finder.fits(row)?;
        Some((score, fleet.standing(place), place, row))
    });
    let mut found: Vec<(u32, Standing, usize, Row)> = found.collect();
    let accounts = accounts(state);
    let group = |standing: Standing, place: usize| match grouping {
        Grouping::Standing => standing as usize,
        Grouping::Account => accounts.get(place).copied().unwrap_or(0),
        Grouping::Order => 0,
    };
    found.sort_by_key(|(score, standing, place, _)| (group(*standing, *place), std::cmp::Reverse(*score), *place));
    let row = |(_, standing, place, row): (u32, Standing, usize, Row)| {
        let group = match grouping {
            Grouping::Standing => standing.to_string(),
            Grouping::Account => account(state, place),
            Grouping::Order => String::new(),
        };
        Row { group, ..row }
    };
    found.into_iter().map(row).collect()
}

/// For each partition the number of its account and region, in the order in which the rollout comes to them.
fn accounts(state: &State) -> Vec<usize> {
    let mut known: Vec<String> = Vec::new();
    let number = |place| {
        let name = account(state, place);
        known.iter().position(|each| *each == name).unwrap_or_else(|| {
            known.push(name);
            known.len() - 1
        })
    };
    (0..state.run.plan.partitions.len()).map(number).collect()
}

fn account(state: &State, place: usize) -> String {
    let Some(partition) = state.run.plan.partitions.get(place) else { return String::new() };
    let target = &partition.aws;
    let account = target.profile.as_deref().or(target.account.as_deref()).unwrap_or("the environment's account");
    format!("{account} · {}", target.region)
}
