//! What a role may see. Most of what the cockpit asks for is open to everybody; two things are not.

use super::Session;
use super::session::column;
use crate::clients::Trouble;
use crate::runbook::text::clean_line;

/// What a role may see beyond its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The role.
    pub user: String,
    /// Whether it reads all settings, those of superusers included (`pg_read_all_settings`).
    pub settings: bool,
    /// Whether it reads the text of others' statements and sessions (`pg_read_all_stats`).
    pub statistics: bool,
}

impl Rights {
    /// What will not be seen, and the grant that mends it, in one plain line; none where nothing is missing.
    pub fn gap(&self) -> Option<String> {
        const SETTINGS: &str = "settings such as shared_preload_libraries are judged by the parameter group instead";
        const STATISTICS: &str = "statements and sessions of other roles are seen without their text";
        let (grant, loses) = match (self.settings, self.statistics) {
            (true, true) => return None,
            (false, true) => ("pg_read_all_settings", SETTINGS.to_owned()),
            (true, false) => ("pg_read_all_stats", STATISTICS.to_owned()),
            // It holds both of them.
            (false, false) => ("pg_monitor", format!("{SETTINGS}, and {STATISTICS}")),
        };
        let role = self.user.replace('"', "\"\"");
        // What mends it first: a log pane cuts the end of a line.
        Some(format!("missing: GRANT {grant} TO \"{role}\"; without it, {loses}"))
    }
}

impl Session {
    /// What the session's role may see. The predefined roles are there since PostgreSQL 10; `usage` is what a role has
    /// without a SET ROLE, and superusers have it of all.
    pub async fn rights(&self) -> Result<Rights, Trouble> {
        const CALL: &str = "SELECT pg_has_role(…)";
        let sql = "SELECT current_user::text, pg_has_role(current_user, 'pg_read_all_settings', 'usage'), \
                   pg_has_role(current_user, 'pg_read_all_stats', 'usage')";
        let row = self.row(CALL, sql, &[]).await?;
        Ok(Rights {
            user: clean_line(&column::<String>(CALL, &row, 0)?),
            settings: column(CALL, &row, 1)?,
            statistics: column(CALL, &row, 2)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_says_what_is_lost_and_what_mends_it() {
        let of =
            |settings, statistics| Rights { user: "prod-operations.ItemDb".to_owned(), settings, statistics }.gap();
        assert_eq!(of(true, true), None);
        for (settings, statistics, lost, grant) in [
            (false, true, "shared_preload_libraries", "GRANT pg_read_all_settings TO \"prod-operations.ItemDb\";"),
            (true, false, "without their text", "GRANT pg_read_all_stats TO \"prod-operations.ItemDb\";"),
            (false, false, "parameter group instead, and statements", "GRANT pg_monitor TO"),
        ] {
            let gap = of(settings, statistics).unwrap_or_default();
            assert!(gap.contains(lost) && gap.contains(grant), "{gap}");
        }
        let odd = Rights { user: "a\"b".to_owned(), settings: false, statistics: false }.gap().unwrap_or_default();
        assert!(odd.contains("TO \"a\"\"b\";"), "{odd}");
    }
}
