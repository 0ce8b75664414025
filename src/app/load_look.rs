//! How the operator looks at the load.

use super::load_history::Resolution;

/// What the load pane shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadLook {
    /// The seconds near now, or the minutes of the hour.
    pub resolution: Resolution,
    /// Instance by instance; else the writer's role, whoever holds it.
    pub by_instance: bool,
    /// What stands in the chart's place.
    pub table: Option<LoadTable>,
}

/// What can stand in the chart's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadTable {
    /// The statements that make the load.
    Statements,
    /// Before and after the last flip.
    Change,
}

impl LoadLook {
    /// From the seconds to the hour, or back. A table makes room for what was asked for.
    pub fn turn_resolution(&mut self) {
        self.resolution = match self.resolution {
            Resolution::Seconds => Resolution::Minutes,
            Resolution::Minutes => Resolution::Seconds,
        };
        self.table = None;
    }

    /// From the role to the instances, or back.
    pub fn turn_whose(&mut self) {
        self.by_instance = !self.by_instance;
        self.table = None;
    }

    /// Puts a table in the chart's place, or the chart back.
    pub fn turn_table(&mut self, table: LoadTable) {
        self.table = if self.table == Some(table) { None } else { Some(table) };
    }
}
