//! A partition's settings, seen from three sides: by SQL on the writer, in the parameter group, and by what RDS says of the
//! group on each instance.
//!
//! A value that is right may be right by coincidence: the group's own formula yields the engine's default on a small
//! class. So what cannot be read by SQL, and what a formula yields, is held against the group and its apply status too.

use super::context::Look;
use crate::clients::postgres::{Session, Setting, StatementsProbe};
use crate::clients::rds::{ClusterView, MemberView, ParameterView};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::formula;
use crate::runbook::plan::{Expectation, Partition, SettingCheck, StepKind};
use crate::runbook::setting::{in_group, lists, same};

/// The source of what the parameter group holds.
pub const GROUP: &str = "rds:DescribeDBClusterParameters";
/// The source of what the writer says.
pub const SQL: &str = "SQL on the writer";
/// The source of what RDS says of the group on the instances.
pub const MEMBERS: &str = "rds:DescribeDBClusters";

/// SQLSTATE of a setting that the role may not read.
const MAY_NOT_READ: &str = "42501";

/// What the rollout expects of every setting in the end. One that is checked twice, before and after the restart, is
/// expected as the later check says.
pub fn expected(partition: &Partition) -> Vec<SettingCheck> {
    let mut expected: Vec<SettingCheck> = Vec::new();
    for step in &partition.steps {
        let StepKind::VerifySql(spec) = &step.kind else { continue };
        for setting in spec.settings.iter().filter(|setting| setting.expect != Expectation::Recorded) {
            expected.retain(|known| known.name != setting.name);
            expected.push(setting.clone());
        }
    }
    expected
}

/// The cluster with what its parameter group holds.
#[derive(Debug, Clone)]
pub struct Group {
    /// The cluster.
    pub cluster: ClusterView,
    parameters: Vec<ParameterView>,
}

impl Group {
    pub async fn read(look: &Look) -> Result<Self, Trouble> {
        let cluster = look.cluster().await?;
        let parameters = look.tools.aws.rds.cluster_parameters(&cluster.parameter_group).await?;
        Ok(Self { parameters, cluster })
    }

    /// Name of the group that is attached.
    pub fn name(&self) -> &str {
        &self.cluster.parameter_group
    }

    pub fn parameter(&self, name: &str) -> Option<&ParameterView> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// What somebody set in the group, rather than the engine's defaults.
    pub fn own(&self) -> impl Iterator<Item = &ParameterView> {
        self.parameters.iter().filter(|parameter| parameter.source.as_deref() == Some("user"))
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameter(name)?.value.as_deref()
    }

    /// Whether only a restart makes it live.
    pub fn is_static(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|parameter| parameter.apply_type.as_deref() == Some("static"))
    }

    /// The value that the group must hold for what is expected; none where nothing is.
    pub fn wanted(&self, setting: &SettingCheck, unit: Option<&str>) -> Option<String> {
        let parameter = self.parameter(&setting.name);
        match &setting.expect {
            Expectation::Is(shown) => Some(in_group(shown, unit, parameter.and_then(|own| own.data_type.as_deref()))),
            Expectation::Formula(formula) => Some(formula.clone()),
            Expectation::Contains(entry) => Some(match self.value(&setting.name).filter(|list| !list.is_empty()) {
                Some(list) if lists(list, entry) => list.to_owned(),
                Some(list) => format!("{list},{entry}"),
                None => entry.clone(),
            }),
            Expectation::Recorded => None,
        }
    }

    /// Whether the group holds what is expected, and of its own: the engine's default may be the very same formula.
    pub fn holds(&self, setting: &SettingCheck, unit: Option<&str>) -> bool {
        let Some(wanted) = self.wanted(setting, unit) else { return true };
        let Some(parameter) = self.parameter(&setting.name) else { return false };
        let own = !matches!(setting.expect, Expectation::Formula(_)) || parameter.source.as_deref() == Some("user");
        own && parameter.value.as_deref().is_some_and(|value| same(value, &wanted))
    }

    /// The member that answers SQL; where it does not say who it is, the writer by the API, which may lag behind.
    pub fn answering(&self, instance: Option<&str>) -> Option<&MemberView> {
        instance.and_then(|id| self.cluster.member(&id.into())).or_else(|| self.cluster.writer())
    }

    /// What the group holds for a parameter, with how it is applied.
    pub fn evidence(&self, name: &str) -> Evidence {
        let words = match self.parameter(name) {
            None => format!("{name} is not in {}", self.name()),
            Some(parameter) => {
                let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
                let (kind, method) = (or_unknown(&parameter.apply_type), or_unknown(&parameter.apply_method));
                let value = parameter.value.as_deref().unwrap_or("not set");
                let source = or_unknown(&parameter.source);
                format!("{name} = {value} ({kind}, ApplyMethod {method}, source {source})")
            }
        };
        Evidence::now(GROUP, words)
    }

    /// What RDS says of the group on every instance.
    pub fn statuses(&self) -> Evidence {
        let word = |member: &MemberView| {
            let role = if member.is_writer { "writer" } else { "reader" };
            format!("{role} {} {}", member.id, member.group_status)
        };
        Evidence::now(MEMBERS, self.cluster.members.iter().map(word).collect::<Vec<_>>().join(", "))
    }
}

/// What the writer says.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its identifier, where it is Aurora's.
    pub instance: Option<String>,
    /// Whether pg_stat_statements answers, where that was asked.
    pub statements: Option<StatementsProbe>,
    shown: Vec<(String, Result<String, Trouble>)>,
    settings: Vec<Setting>,
}

impl Server {
    /// Asks over a new session, which must lead to the writer.
    async fn read(look: &Look, settings: &[SettingCheck], probe: bool) -> Result<Self, Trouble> {
        let session = look.tools.sql().await?;
        let who = session.who_am_i().await?;
        if !who.is_writer {
            // After a failover the endpoint's name leads to the old writer for a while: its values are not the writer's.
            let reader = who.instance.as_deref().unwrap_or("an instance");
            let message = format!("the writer endpoint leads to {reader}, a reader");
            return Err(Trouble::new(SQL, TroubleKind::Unreachable, message));
        }
        let mut shown = Vec::new();
        let mut by_use = probe;
        for setting in settings {
            let value = show(&session, &setting.name).await?;
            // Whoever may not read a setting can still see what it does.
            by_use |= value.is_err() && expects_preload(setting);
            shown.push((setting.name.clone(), value));
        }
        let statements = if by_use { Some(session.statements_probe().await?) } else { None };
        let names: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
        Ok(Self { instance: who.instance, statements, shown, settings: session.settings(&names).await? })
    }

    /// What `SHOW` says; none where the role may not read it.
    pub fn shown(&self, name: &str) -> Option<&str> {
        let (_, value) = self.shown.iter().find(|(known, _)| known == name)?;
        value.as_deref().ok()
    }

    /// Settings that the role may not read, each with the server's words.
    pub fn unreadable(&self) -> impl Iterator<Item = (&str, &Trouble)> {
        self.shown.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_ref().err()?)))
    }

    /// The unit in which a setting is counted.
    pub fn unit(&self, name: &str) -> Option<&str> {
        self.setting(name)?.unit.as_deref()
    }

    /// The setting as pg_settings has it; none where the role may not see it.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// The instance in words.
    pub fn name(&self) -> &str {
        self.instance.as_deref().unwrap_or("the writer")
    }
}

/// A setting's value; that the role may not read it is an answer, not trouble.
async fn show(session: &Session, name: &str) -> Result<Result<String, Trouble>, Trouble> {
    match session.show(name).await {
        Ok(value) => Ok(Ok(value)),
        Err(trouble) if trouble.is_code(MAY_NOT_READ) => Ok(Err(trouble)),
        Err(trouble) => Err(trouble),
    }
}

/// Server and group at one time.
#[derive(Debug, Clone)]
pub struct Seen {
    pub group: Group,
    pub server: Server,
}

impl Seen {
    pub async fn read(look: &Look, settings: &[SettingCheck], probe: bool) -> Result<Self, Trouble> {
        let (server, group) = tokio::try_join!(Server::read(look, settings, probe), Group::read(look))?;
        Ok(Self { group, server })
    }

    /// The instance that answered, as RDS sees it.
    pub fn member(&self) -> Option<&MemberView> {
        self.group.answering(self.server.instance.as_deref())
    }

    /// What RDS says of the group on the instance that answered.
    pub fn status(&self) -> &str {
        self.member().map_or("unknown", |member| member.group_status.as_str())
    }

    /// Whether the group holds what is expected.
    pub fn group_holds(&self, setting: &SettingCheck) -> bool {
        self.group.holds(setting, self.server.unit(&setting.name))
    }

    /// How a setting stands.
    pub fn judge(&self, setting: &SettingCheck) -> Check {
        match self.server.shown(&setting.name) {
            Some(value) => self.by_value(setting, value),
            None => self.by_group(setting),
        }
    }

    fn by_value(&self, setting: &SettingCheck, value: &str) -> Check {
        let (holds, seen) = match &setting.expect {
            Expectation::Is(expected) => (value == expected, value.to_owned()),
            Expectation::Contains(expected) => (lists(value, expected), value.to_owned()),
            Expectation::Recorded => (true, format!("{value}, recorded")),
            Expectation::Formula(formula) => self.in_band(setting, formula, value),
        };
        let verdict = if holds { Verdict::Passed } else { Verdict::Settling };
        check(setting, verdict, SQL).seeing(seen)
    }

    /// Within the band of the class, and because of the group, not by coincidence with the engine's default.
    fn in_band(&self, setting: &SettingCheck, formula: &str, value: &str) -> (bool, String) {
        let class = self.member().and_then(MemberView::class).unwrap_or("an unknown class");
        let holds = self.group_holds(setting);
        let Some(band) = formula::band(formula, class) else {
            return (holds, format!("{value}; no band is known for {class}"));
        };
        let within = value.parse().is_ok_and(|value: u64| band.contains(&value));
        let own = if holds { "the group has the formula" } else { "the group does not have the formula of its own" };
        (within && holds, format!("{value} on {class} ({} to {}), {own}", band.start(), band.end()))
    }

    /// For a role without pg_read_all_settings: what the library does, the group's own value and its apply status take the
    /// place of `SHOW`.
    fn by_group(&self, setting: &SettingCheck) -> Check {
        let value = self.group.value(&setting.name).unwrap_or("not set");
        let recorded = setting.expect == Expectation::Recorded;
        let proved = self.preload_by_use(setting);
        let holds = recorded || (self.group_holds(setting) && proved.unwrap_or(self.status() == "in-sync"));
        let verdict = if holds { Verdict::Unreadable } else { Verdict::Settling };
        let by_use = match proved {
            Some(true) => ", and the library answers",
            Some(false) => ", and the library is not loaded",
            None => "",
        };
        let seen = format!("SHOW: permission denied; group: {value}, {}{by_use}", self.status());
        check(setting, verdict, GROUP).seeing(seen)
    }

    /// Whether pg_stat_statements is loaded, by its answer; none where its answer does not tell.
    fn preload_by_use(&self, setting: &SettingCheck) -> Option<bool> {
        match self.server.statements.filter(|_| expects_preload(setting))? {
            StatementsProbe::Rows(_) => Some(true),
            StatementsProbe::NotPreloaded => Some(false),
            StatementsProbe::ExtensionMissing => None,
        }
    }
}

/// Whether a setting is that of the preload, expected with pg_stat_statements in it.
pub fn expects_preload(setting: &SettingCheck) -> bool {
    let library = Expectation::Contains("pg_stat_statements".to_owned());
    setting.name == "shared_preload_libraries" && setting.expect == library
}

/// A setting's check.
pub fn check(setting: &SettingCheck, verdict: Verdict, source: &str) -> Check {
    let check = Check::new(&setting.name, &setting.name, source, verdict);
    match &setting.expect {
        Expectation::Is(value) | Expectation::Contains(value) => check.expecting(value),
        Expectation::Formula(formula) => check.expecting(formula),
        Expectation::Recorded => check,
    }
}
