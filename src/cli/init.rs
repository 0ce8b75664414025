//! `init`: a first rollout file, drafted from the clusters that the given profiles lead to. It reads and changes nothing.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use futures::future::join_all;
use jiff::tz::TimeZone;

use super::args::InitArgs;
use super::{Failure, exit, print};
use crate::clients::aws::{Accounts, Profile, profiles};
use crate::clients::rds::{ClusterView, MemberView};
use crate::clients::{Trouble, TroubleKind};
use crate::clock;
use crate::config;
use crate::config::draft::{self, Found, Member, Survey};
use crate::runbook::plan::AwsTarget;
use crate::runbook::text::clean_line;

pub(super) async fn init(args: &InitArgs) -> Result<u8, Failure> {
    // Before anybody is asked: the answers would have nowhere to go.
    if !args.force && args.file.symlink_metadata().is_ok() {
        return Err(not_written(&args.file, "it is there already", "name another file, or write over it with --force"));
    }
    if args.profile.is_empty() {
        write(&args.file, config::MINIMAL, args.force)?;
        let name = args.file.display();
        print(&format!(
            "{name} is written, an example; with --profile P the clusters that are there are put into it\nnext: edit it, {}",
            next(&args.file)
        ))?;
        return Ok(exit::DONE);
    }
    let survey = survey(args).await?;
    if survey.clusters.is_empty() {
        return Err(nothing_found(args, &survey.remarks));
    }
    write(&args.file, &draft::text(&survey), args.force)?;
    let said: Vec<_> = survey.remarks.iter().map(|remark| format!("  {remark}\n")).collect();
    let left_out = if said.is_empty() { String::new() } else { format!("not in it:\n{}", said.concat()) };
    print(&format!(
        "{} is written with {} of Aurora PostgreSQL; nothing was changed anywhere\n{left_out}next: read it, {}",
        args.file.display(),
        counted(survey.clusters.len()),
        next(&args.file)
    ))?;
    // Never a file without a word that would be refused later.
    config::load(&args.file, None).map(|_| exit::DONE).map_err(|problems| {
        Failure::failed(format!("{} needs a hand before it can be used\n{problems}", args.file.display()))
    })
}

fn counted(clusters: usize) -> String {
    if clusters == 1 { "1 cluster".to_owned() } else { format!("{clusters} clusters") }
}

fn next(file: &Path) -> String {
    let name = file.display();
    format!("`aurora-cockpit config validate {name}`, `aurora-cockpit rehearse --rollout {name}`\n")
}

fn not_written(file: &Path, why: impl std::fmt::Display, way_out: &str) -> Failure {
    Failure::usage(format!("{} is not written: {why}; {way_out}", file.display()))
}

/// Writes the file; over one that is there only where that was asked for.
fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    let mut out = options.write(true).open(file).map_err(|error| not_written(file, error, "name another file"))?;
    out.write_all(text.as_bytes()).map_err(Failure::failed)
}

/// What was asked for and what became of it, where there is nothing to write.
fn nothing_found(args: &InitArgs, remarks: &[String]) -> Failure {
    let mut asked = format!("profiles {}", args.profile.join(", "));
    for (what, which) in [("regions", &args.region), ("clusters", &args.cluster)] {
        if !which.is_empty() {
            asked.push_str(&format!("; {what} {}", which.join(", ")));
        }
    }
    let remarks: Vec<_> = remarks.iter().map(|remark| format!("\n  {remark}")).collect();
    let file = args.file.display();
    Failure::failed(format!(
        "no Aurora PostgreSQL cluster was found, {file} is not written; asked: {asked}{}",
        remarks.concat()
    ))
}

/// Asks every profile in each of its regions, all at once; one that fails leaves a remark.
async fn survey(args: &InitArgs) -> Result<Survey, Failure> {
    let known = profiles().await;
    let known = known.map_err(|error| Failure::usage(format!("the AWS configuration cannot be read: {error}")))?;
    let read_at = clock::now();
    let mut remarks = Vec::new();
    let mut targets: Vec<AwsTarget> = Vec::new();
    for name in &args.profile {
        match regions(name, &known, &args.region) {
            Ok(regions) => targets.extend(regions.into_iter().map(|region| target(name, region))),
            Err(remark) => remarks.push(remark),
        }
    }
    // What is named twice is asked once.
    let mut asked = BTreeSet::new();
    targets.retain(|target| asked.insert((target.profile.clone(), target.region.clone())));
    let accounts = Accounts::default();
    let visits = join_all(targets.iter().map(|target| visit(&accounts, target))).await;
    let mut clusters: Vec<Found> = Vec::new();
    for (target, visit) in targets.iter().zip(visits) {
        remarks.extend(visit.remarks.iter().map(|remark| format!("{}: {remark}", place(target))));
        let all = visit.clusters.len();
        let wanted = visit.clusters.into_iter().filter(|found| is_wanted(&found.id, &args.cluster));
        let wanted: Vec<_> = wanted.collect();
        if wanted.is_empty() && visit.reached {
            remarks.push(format!("{}: {}", place(target), none_of(all)));
        }
        for found in wanted {
            match clusters.iter().find(|other| is_same(other, &found)) {
                Some(other) => {
                    remarks.push(format!("{}: {} is in it through {}", place(target), found.id, other.profile))
                }
                None => clusters.push(found),
            }
        }
    }
    // A machine whose zone nobody told has one of no use.
    let zone = TimeZone::system();
    let here = zone.iana_name().filter(|name| TimeZone::get(name).is_ok()).map(str::to_owned);
    let time_zone = here.unwrap_or_else(|| "UTC".to_owned());
    let remarks = remarks.iter().map(|remark| clean_line(remark)).collect();
    Ok(Survey { read_at, time_zone, clusters, remarks })
}

fn target(profile: &str, region: String) -> AwsTarget {
    AwsTarget { profile: Some(profile.to_owned()), region, account: None }
}

fn place(target: &AwsTarget) -> String {
    format!("profile {} in {}", target.profile.as_deref().unwrap_or("default"), target.region)
}

fn none_of(all: usize) -> String {
    match all {
        0 => "has no Aurora PostgreSQL cluster there".to_owned(),
        all => format!("has {} there, none of the wanted name", counted(all)),
    }
}

/// Whether two profiles lead to the same cluster.
fn is_same(one: &Found, other: &Found) -> bool {
    let key = |found: &Found| (found.account.clone(), found.region.clone(), found.id.clone());
    let same_profile = one.account.is_some() || one.profile == other.profile;
    same_profile && key(one) == key(other)
}

/// The regions in which a profile is asked: those that were named, else its own, else the environment's. Or why it is not.
fn regions(name: &str, known: &[Profile], wanted: &[String]) -> Result<Vec<String>, String> {
    let Some(profile) = known.iter().find(|profile| profile.name == name) else {
        let help = config::meant(name, known.iter().map(|profile| profile.name.as_str()));
        let help = help.unwrap_or_else(|| "the AWS configuration has none at all: `aws configure sso`".to_owned());
        return Err(format!("profile {name}: the AWS configuration has no such profile; {help}"));
    };
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let own = profile.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
    own.map(|region| vec![region])
        .ok_or_else(|| format!("profile {name}: the AWS configuration gives it no region; name one with --region"))
}

/// What a profile led to in one region.
#[derive(Debug, Default)]
struct Visit {
    clusters: Vec<Found>,
    /// Whether RDS answered.
    reached: bool,
    remarks: Vec<String>,
}

async fn visit(accounts: &Accounts, target: &AwsTarget) -> Visit {
    let aws = accounts.open(target).await;
    let (caller, fleet) = tokio::join!(aws.identity.caller(), aws.rds.fleet());
    let (views, unread) = match fleet {
        Ok(fleet) => fleet,
        Err(trouble) => return Visit { remarks: vec![in_words(target, &trouble)], ..Visit::default() },
    };
    let account = caller.as_ref().ok().map(|caller| caller.account.clone());
    let partly = [caller.err(), unread].into_iter().flatten();
    let remarks = partly.map(|trouble| format!("its clusters, but not all about them: {}", in_words(target, &trouble)));
    Visit {
        clusters: views.into_iter().map(|view| found(target, account.clone(), view)).collect(),
        reached: true,
        remarks: remarks.collect(),
    }
}

/// What happened, and the way out.
fn in_words(target: &AwsTarget, trouble: &Trouble) -> String {
    let profile = target.profile.as_deref().unwrap_or("default");
    let way_out = match trouble.kind {
        TroubleKind::SignedOut => format!("`aws sso login --profile {profile}`, then once more"),
        TroubleKind::Denied => format!("the role of {profile} has to be allowed {}", trouble.call),
        TroubleKind::Unreachable | TroubleKind::NoAnswer => {
            "look at the network, the region and the profile, then once more".to_owned()
        }
        _ => "then once more".to_owned(),
    };
    format!("{trouble}; {way_out}")
}

fn found(target: &AwsTarget, account: Option<String>, view: ClusterView) -> Found {
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    let member = |member: &MemberView| Member {
        id: member.id.to_string(),
        is_writer: member.is_writer,
        class: member.class().map(str::to_owned),
    };
    Found {
        profile: target.profile.clone().unwrap_or_default(),
        region: target.region.clone(),
        account,
        status: view.status.clone(),
        members: view.members.iter().map(member).collect(),
        endpoint: view.endpoint.as_ref().map(|host| format!("{host}:{}", view.port.unwrap_or(5432))),
        id: view.id,
        engine_version: view.engine_version,
        parameter_group: said(view.parameter_group),
        insights_mode: view.insights_mode,
        insights_retention_days: view.insights_retention_days,
    }
}

/// Whether a cluster was asked for: all of them are where none was named.
fn is_wanted(id: &str, wanted: &[String]) -> bool {
    let like = |pattern: &String| matches(&id.to_lowercase(), &pattern.to_lowercase());
    wanted.is_empty() || wanted.iter().any(like)
}

/// Whether a text is of that pattern, in which `*` stands for anything and `?` for one character.
fn matches(text: &str, pattern: &str) -> bool {
    let mut after = pattern.chars();
    match after.next() {
        None => text.is_empty(),
        Some('*') => {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(&text[at..], after.as_str()))
        }
        Some(wanted) => {
            let mut rest = text.chars();
            rest.next().is_some_and(|each| wanted == '?' || wanted == each) && matches(rest.as_str(), after.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_pattern_takes_what_it_says() {
        let table = [
            ("alpha-dev", "alpha-dev", true),
            ("alpha-dev", "Alpha-DEV", true),
            ("alpha-dev", "alpha-*", true),
            ("alpha-dev", "*dev", true),
            ("alpha-dev", "*a-d*", true),
            ("alpha-dev", "alpha-de?", true),
            ("alpha-dev", "*", true),
            ("alpha-dev", "alpha", false),
            ("alpha-dev", "alpha-dev?", false),
            ("alpha-dev", "*prod*", false),
            ("alpha-dev", "", false),
        ];
        for (id, pattern, expected) in table {
            assert_eq!(is_wanted(id, &[pattern.to_owned()]), expected, "{id} {pattern}");
        }
        assert!(is_wanted("alpha-dev", &[]));
    }

    #[test]
    fn a_profile_is_asked_where_it_was_told_or_at_home() {
        let home = |name: &str| Profile { name: name.to_owned(), region: Some("eu-west-1".to_owned()) };
        let known = [home("Dev-Admin"), home("Prod-Admin")];
        assert_eq!(regions("Dev-Admin", &known, &[]).unwrap(), ["eu-west-1"]);
        let two = ["us-east-1".to_owned(), "us-west-2".to_owned()];
        assert_eq!(regions("Dev-Admin", &known, &two).unwrap(), two);
        let unknown = regions("Dev-Admn", &known, &two).unwrap_err();
        assert!(unknown.contains("no such profile") && unknown.contains("Dev-Admin"), "{unknown}");
        assert!(regions("x", &[], &[]).unwrap_err().contains("aws configure sso"));
    }
}
