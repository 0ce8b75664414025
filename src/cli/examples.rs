//! Examples for `--help`, a few of each command; a test tries every one of them on the real command line.

/// Of the program as a whole.
pub const ALL: &str = "\
Examples:
  aurora-cockpit demo
  aurora-cockpit init rollout.toml --profile Dev-Admin --profile Prod-Admin
  aurora-cockpit rehearse --rollout rollout.toml
  aurora-cockpit run --rollout rollout.toml";

/// Of `run`.
pub const RUN: &str = "\
Examples:
  aurora-cockpit run --rollout rollout.toml
  aurora-cockpit run --rollout rollout.toml --overlay ~/my-machine.toml
  aurora-cockpit run --rollout rollout.toml --new
  aurora-cockpit run --rollout rollout.toml --take-over ada";

/// Of `monitor`.
pub const MONITOR: &str = "\
Examples:
  aurora-cockpit monitor
  aurora-cockpit monitor /srv/cockpit/runs/pdev-479-20260514T181200Z
  aurora-cockpit monitor --rollout rollout.toml
  aurora-cockpit monitor --rollout rollout.toml --write-probe";

/// Of `demo`.
pub const DEMO: &str = "\
Examples:
  aurora-cockpit demo
  aurora-cockpit demo --speed 60
  aurora-cockpit demo --scenario worst-night --seed 42";

/// Of `rehearse`.
pub const REHEARSE: &str = "\
Examples:
  aurora-cockpit rehearse --rollout rollout.toml
  aurora-cockpit rehearse --rollout rollout.toml --auto --speed 100 --only dev,stage
  aurora-cockpit rehearse --rollout rollout.toml --scenario worst-night";

/// Of `sim`.
pub const SIM: &str = "\
Examples:
  aurora-cockpit sim --speed 10 --env-file site.env
  aurora-cockpit sim --rollout rollout.toml --dir site --env-file site.env";

/// Of `check`.
pub const CHECK: &str = "\
Examples:
  aurora-cockpit check --rollout rollout.toml
  aurora-cockpit check --rollout rollout.toml --partition prod --output json";

/// Of `exec`.
pub const EXEC: &str = "\
Examples:
  aurora-cockpit exec --rollout rollout.toml --partition dev --step snapshot --yes
  aurora-cockpit exec --rollout rollout.toml --partition prod --step failover --confirm prod-cluster
  aurora-cockpit exec --rollout rollout.toml --partition dev --step reader --skip 'restarted by hand at 22:10'";

/// Of `status`.
pub const STATUS: &str = "\
Examples:
  aurora-cockpit status
  aurora-cockpit status --output json";

/// Of `report`.
pub const REPORT: &str = "\
Examples:
  aurora-cockpit report > execution-log.md
  aurora-cockpit report --output html --out execution-log.html";

/// Of `replay`.
pub const REPLAY: &str = "\
Examples:
  aurora-cockpit replay
  aurora-cockpit replay --speed 60";

/// Of `verify`.
pub const VERIFY: &str = "\
Examples:
  aurora-cockpit verify
  aurora-cockpit verify --report execution-log.md
  aurora-cockpit verify --output json";

/// Of `config`.
pub const CONFIG: &str = "\
Examples:
  aurora-cockpit config validate rollout.toml
  aurora-cockpit config show rollout.toml
  aurora-cockpit config schema > rollout.schema.json";

/// Of `config validate`.
pub const VALIDATE: &str = "\
Examples:
  aurora-cockpit config validate rollout.toml
  aurora-cockpit config validate rollout.toml --overlay ~/my-machine.toml";

/// Of `config show`.
pub const SHOW: &str = "\
Examples:
  aurora-cockpit config show rollout.toml
  aurora-cockpit config show rollout.toml | jq '.partitions[].name'";

/// Of `config schema`.
pub const SCHEMA: &str = "\
Examples:
  aurora-cockpit config schema > rollout.schema.json";

/// Of `completions`.
pub const COMPLETIONS: &str = "\
Examples:
  aurora-cockpit completions bash > ~/.local/share/bash-completion/completions/aurora-cockpit
  aurora-cockpit completions zsh > ~/.zfunc/_aurora-cockpit
  aurora-cockpit completions fish > ~/.config/fish/completions/aurora-cockpit.fish";

/// Of `man`.
pub const MAN: &str = "\
Examples:
  aurora-cockpit man > aurora-cockpit.1
  aurora-cockpit man | man -l -";

/// Of `init`.
pub const INIT: &str = "\
Examples:
  aurora-cockpit init
  aurora-cockpit init rollout.toml --profile Dev-Admin --profile Prod-Admin
  aurora-cockpit init rollout.toml --profile Dev-Admin --region us-east-1,eu-west-1 --cluster '*-orders' --force";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{Command, CommandFactory as _, Parser as _};

    use crate::cli::args::Cli;

    /// The words of an example up to where the shell takes over, quotes taken off.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(['>', '|']).next().unwrap();
        let parts = line.split('\'').enumerate();
        parts
            .flat_map(|(index, part)| match index % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            })
            .collect()
    }

    /// Every command that is shown to people, with the words that lead to it.
    fn shown(command: &Command, path: &[String]) -> Vec<(Vec<String>, Command)> {
        let below = command.get_subcommands().filter(|below| !below.is_hide_set());
        let below = below.flat_map(|below| shown(below, &[path, &[below.get_name().to_owned()]].concat()));
        [(path.to_vec(), command.clone())].into_iter().chain(below).collect()
    }

    #[test]
    fn every_command_has_examples_of_itself_and_every_one_is_understood() {
        let commands = shown(&Cli::command(), &["aurora-cockpit".to_owned()]);
        assert!(commands.len() > 18, "{}", commands.len());
        for (path, command) in commands {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<_> = help.lines().filter_map(|line| line.strip_prefix("  ")).map(words).collect();
            assert!(help.starts_with("Examples:\n") && !examples.is_empty(), "{path:?} has no examples");
            for example in examples {
                assert!(example.starts_with(&path), "{path:?}: {example:?} is an example of something else");
                let parsed = Cli::try_parse_from(&example);
                assert!(parsed.is_ok(), "{example:?}: {}", parsed.err().unwrap());
            }
        }
    }
}
