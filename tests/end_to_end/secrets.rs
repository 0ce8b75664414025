//! Secrets: whatever the rollout reads, and whatever is said to it, none of it is kept, shown, copied or handed on.
//!
//! Each source of a secret holds another one that nothing else holds (the site makes its own from a random seed; the others are
//! made here). A partition goes wrong and is taken through, with a deploy program that prints what it should not. Then every
//! byte that came of it is searched, in every way in which a secret may be written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aurora_cockpit::app::state::Pane;
use flate2::read::MultiGzDecoder;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::place::BINARY;
use crate::support::{BY_HAND, Cockpit, ENTER, Place, ROLLOUT, TAB, ledger, wait_until};

/// How many letters of a secret are enough to have told it: a screen breaks it over lines, and cuts it.
const TELLING: usize = 12;

/// Whose text is no secret.
const CONTROL: &str = "the control";

/// Ctrl-], which leaves a program's terminal.
const LEAVE: &str = "\x1d";

/// The secrets by where they stand, and the one text that is no secret and must be found everywhere.
struct Planted {
    canaries: BTreeMap<String, String>,
    control: String,
}

/// Searches for every secret, in every way to write one.
struct Search {
    /// What is looked for, with whose it is and how it is written.
    needles: Vec<(String, &'static str, Vec<u8>)>,
    /// Which of them begin with these four bytes: all are looked for at once.
    begin: HashMap<[u8; 4], Vec<usize>>,
    /// Whether any begins with these two.
    may_begin: Vec<bool>,
    searched: usize,
    places: usize,
    found: Vec<String>,
    controls: BTreeSet<String>,
}

impl Search {
    fn new(planted: &Planted) -> Self {
        let mut needles = Vec::new();
        for (source, secret) in &planted.canaries {
            assert!(secret.len() >= TELLING, "{source}: too short to be told from chance");
            needles.extend(ways(secret).into_iter().map(|(way, needle)| (source.clone(), way, needle)));
        }
        needles.extend(ways(&planted.control).into_iter().map(|(way, needle)| (CONTROL.to_owned(), way, needle)));
        let (mut begin, mut may_begin) = (HashMap::<[u8; 4], Vec<usize>>::new(), vec![false; 1 << 16]);
        for (index, (_, _, needle)) in needles.iter().enumerate() {
            begin.entry(needle[..4].try_into().expect("four bytes")).or_default().push(index);
            may_begin[usize::from(needle[0]) << 8 | usize::from(needle[1])] = true;
        }
        Self { needles, begin, may_begin, searched: 0, places: 0, found: Vec::new(), controls: BTreeSet::new() }
    }

    fn search(&mut self, place: &str, bytes: &[u8]) {
        self.searched += bytes.len();
        self.places += 1;
        for (at, window) in bytes.windows(4).enumerate() {
            if !self.may_begin[usize::from(window[0]) << 8 | usize::from(window[1])] {
                continue;
            }
            for index in self.begin.get(window).into_iter().flatten() {
                let (source, way, needle) = &self.needles[*index];
                if !bytes[at..].starts_with(needle) {
                    continue;
                }
                if source == CONTROL {
                    self.controls.insert(place.to_owned());
                    continue;
                }
                let around = &bytes[at.saturating_sub(60)..(at + needle.len() + 20).min(bytes.len())];
                self.found.push(format!("{source} ({way}) in {place}: {:?}", String::from_utf8_lossy(around)));
            }
        }
    }

    fn is_controlled(&self, place: &str) {
        let found = self.controls.iter().any(|found| found.starts_with(place));
        assert!(found, "the search is blind: what is no secret was not found in {place} either: {:?}", self.controls);
    }
}

/// The beginning and the end of a secret, as it may be written.
fn ways(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |text: &str, large: bool| {
        text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = if large { write!(hex, "{byte:02X}") } else { write!(hex, "{byte:02x}") };
            hex
        })
    };
    let json = |text: &str| Value::from(text).to_string().trim_matches('"').to_owned();
    let mut ways: Vec<(&str, String)> = Vec::new();
    for part in [&secret[..TELLING], &secret[secret.len() - TELLING..]] {
        ways.push(("as it is", part.to_owned()));
        ways.push(("percent-encoded", form_urlencoded::byte_serialize(part.as_bytes()).collect()));
        ways.push(("JSON", json(part)));
        ways.push(("hex", hex(part, false)));
        ways.push(("HEX", hex(part, true)));
    }
    // Base64 reads otherwise at each of three places; what rests on neighbours is left out.
    for shift in 0..3 {
        let text = aws_smithy_types::base64::encode([&b"xxx"[..shift], secret.as_bytes()].concat());
        let from = [0, 2, 3][shift];
        let whole = (shift + secret.len()) / 3 * 4;
        ways.push(("base64", text[from..whole].to_owned()));
    }
    ways.sort();
    ways.dedup_by(|one, other| one.1 == other.1);
    ways.into_iter().map(|(way, text)| (way, text.into_bytes())).collect()
}

fn seed() -> u64 {
    let seed = std::env::var("COCKPIT_SECRETS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(1..1 << 40));
    eprintln!("COCKPIT_SECRETS_SEED={seed}");
    seed
}

fn canary(random: &mut fastrand::Rng) -> String {
    std::iter::repeat_with(|| random.alphanumeric()).take(28).collect()
}

/// The shipped rollout, each partition with the password of its database from elsewhere.
fn rollout(place: &Path) -> PathBuf {
    let text = fs::read_to_string(ROLLOUT).expect("the shipped rollout");
    let text = [
        ("dev", "sql.password.op = \"op://Private/dev-database/password\""),
        ("demo", "sql.password.env = \"COCKPIT_TEST_DATABASE\""),
        ("prod", "sql.password.iam = true"),
    ]
    .iter()
    .fold(text, |text, (partition, line)| {
        let head = format!("[[partitions]]\nname = \"{partition}\"\n");
        assert!(text.contains(&head), "{partition}");
        text.replace(&head, &format!("{head}{line}\n"))
    });
    let file = place.join("rollout.toml");
    fs::write(&file, text).expect("a rollout file");
    file
}

/// Runs a stand-in of the site, as a shell would.
fn shell(place: &Place, script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).env_clear().envs(place.env()).output().expect("a shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Puts a secret of its own into every source.
fn plant(place: &mut Place, seed: u64) -> Planted {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut canaries = BTreeMap::new();
    // What the site holds: 1Password's items, Secrets Manager, the databases, the sessions of AWS.
    for reference in [
        "op://Private/Miguel-new-dev/password",
        "op://Arda-DevOAM/ARDA-API-KEY/password",
        "op://Arda-SystemsOAM/Amplify_GitHub_AccessToken/password",
    ] {
        canaries.insert(reference.to_owned(), shell(place, &format!("op read {reference}")));
    }
    let dsn = shell(place, "op read op://Arda-SystemsOAM/be-sentry-dsn/dsn");
    let key = dsn.strip_prefix("https://").and_then(|rest| rest.split_once('@')).expect("a DSN").0;
    canaries.insert("the key in the Sentry DSN".to_owned(), key.to_owned());
    let passwords = fs::read_to_string(place.site().join("pgpass")).expect("passwords");
    for line in passwords.lines() {
        let [.., user, password] = line.split(':').collect::<Vec<_>>()[..] else { panic!("{line}") };
        canaries.insert(format!("the database's password of {user}"), password.to_owned());
        if user.starts_with("demo") {
            place.set("COCKPIT_TEST_DATABASE", password);
        }
    }
    canaries.insert("the token of the AWS session".to_owned(), session_token(place, canary(&mut random)));
    let kubeconfig = PathBuf::from(&place.env()["KUBECONFIG"]);
    let token = canary(&mut random);
    let text = fs::read_to_string(&kubeconfig).expect("a kubeconfig");
    fs::write(&kubeconfig, text.replace("\"token\": \"simulated\"", &format!("\"token\": \"{token}\"")))
        .expect("written");
    canaries.insert("the token in the kubeconfig".to_owned(), token);
    // What the operator's shell holds.
    for name in ["PGPASSWORD", "OP_SERVICE_ACCOUNT_TOKEN", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    {
        let secret = canary(&mut random);
        place.set(name, &secret);
        canaries.insert(format!("{name} in the environment"), secret);
    }
    // What is said by others: a fixed text of the site's, in events, pods' logs and statements.
    canaries.insert("hostile text".to_owned(), "hunter2hunter2".to_owned());
    let control = canary(&mut random);
    let printed = talkative(place, &mut random, &control);
    canaries.extend(printed);
    Planted { canaries, control }
}

/// Gives the profiles' sessions that token; the site signs in whoever has its keys, whatever the token is.
fn session_token(place: &Place, token: String) -> String {
    let config = PathBuf::from(&place.env()["AWS_CONFIG_FILE"]);
    let text = fs::read_to_string(&config).expect("a configuration");
    let program =
        text.split_once("credential_process = ").expect("a program").1.split(" configure").next().expect("its name");
    let script = place.path().join("keys");
    // On no command line of ours either.
    let exchange = place.path().join("exchange");
    let line = format!("s/\"SessionToken\":\"simulated\"/\"SessionToken\":\"{token}\"/\n");
    fs::write(&exchange, line).expect("a line of sed's");
    let piped = format!("#!/bin/sh\n{program} \"$@\" | sed -f '{}'\n", exchange.display());
    fs::write(&script, piped).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("ours");
    fs::write(&config, text.replace(program, &script.display().to_string())).expect("written");
    let told = shell(
        place,
        &format!("'{}' configure export-credentials --format process --profile Alpha002-Admin", script.display()),
    );
    assert!(told.contains(&token), "{told}");
    token
}

/// Makes the deploy program print what it should not, and what is no secret.
fn talkative(place: &Place, random: &mut fastrand::Rng, control: &str) -> Vec<(String, String)> {
    let mut canaries = Vec::new();
    let mut secret = |what: &str| {
        let secret = canary(random);
        canaries.push((format!("printed by the deploy program: {what}"), secret.clone()));
        secret
    };
    let prints = [
        format!("echo 'no secret: {control}'"),
        "env | sort".to_owned(),
        "echo \"resolved: $(op read op://Arda-DevOAM/ARDA-API-KEY/password)\"".to_owned(),
        "echo \"curl -d '{\\\"k\\\":\\\"$(op read op://Private/Miguel-new-dev/password)\\\"}'\" >&2".to_owned(),
        "op read op://Arda-SystemsOAM/be-sentry-dsn/dsn".to_owned(),
        format!("echo \"+ psql -c \\\"ALTER ROLE app WITH PASSWORD '{}';\\\"\"", secret("ALTER ROLE")),
        format!("echo 'dsn postgres://app:{}@db:5432/item'", secret("a DSN")),
        format!("echo '> Authorization: Bearer {}'", secret("a header")),
        format!("echo '{{\"SecretAccessKey\": \"{}\"}}'", secret("JSON")),
        format!("printf 'db_password: \\033[1m%s\\033[0m\\r\\n' '{}'", secret("in bold letters")),
        format!("printf '\\033]0;token=%s\\007titled\\n' '{}'", secret("a window's title")),
        format!("printf 'password='; sleep 0.3; echo '{}'", secret("after a pause")),
        format!("printf '\\033[32mapi_key=%s\\033[0m' '{}'; sleep 0.3; echo", secret("without a line's end")),
        // What stands last is what a terminal shows.
        format!("echo 'no secret either: {control}'; sleep 1"),
    ];
    let tree = place.site().join("infrastructure");
    let script = tree.join("amm.sh");
    let text = fs::read_to_string(&script).expect("the deploy program");
    let (first, rest) = text.split_once('\n').expect("a script");
    // Once: a session masks what it has read itself, and the one that goes on without a screen has not read every item.
    let mark = place.path().join("said");
    let said = format!("if [ ! -e '{0}' ]; then : > '{0}'\n{1}\nfi", mark.display(), prints.join("\n"));
    fs::write(&script, format!("{first}\n{said}\n{rest}")).expect("written");
    let commit = "git -c user.name=x -c user.email=x@example.invalid commit -q -a -m 'Say more' && git push -q";
    shell(place, &format!("cd '{}' && {commit}", tree.display()));
    canaries
}

/// Looks at every process of the machine while the test goes on: at command lines, and at the environments of what this place
/// started.
struct Onlooker {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    thread: Option<std::thread::JoinHandle<usize>>,
}

impl Onlooker {
    fn begin(place: &Path) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeMap::new())));
        let (ends, sees, mark) = (stop.clone(), seen.clone(), place.display().to_string().into_bytes());
        let look = move || {
            let mut looks = 0;
            while !ends.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let Ok(command) = fs::read(process.path().join("cmdline")) else { continue };
                    let Ok(environment) = fs::read(process.path().join("environ")) else { continue };
                    if memchr::memmem::find(&environment, &mark).is_some() && !command.is_empty() {
                        sees.lock().expect("one at a time").insert(command, environment);
                    }
                }
                looks += 1;
                std::thread::sleep(Duration::from_millis(15));
            }
            looks
        };
        Self { stop, seen, thread: Some(std::thread::spawn(look)) }
    }

    /// The command lines with their environments, and how often it looked.
    fn end(mut self) -> (BTreeMap<Vec<u8>, Vec<u8>>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let looks = self.thread.take().expect("a thread").join().expect("it looked");
        (std::mem::take(&mut *self.seen.lock().expect("nobody else")), looks)
    }
}

/// What was put on the clipboard, decoded.
fn copied(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts = memchr::memmem::find_iter(bytes, b"\x1b]52;");
    let payloads = starts.filter_map(|at| {
        let rest = &bytes[at + 5..];
        let rest = &rest[memchr::memchr(b';', rest)? + 1..];
        let end = rest.iter().position(|byte| matches!(byte, 7 | 0x1b))?;
        aws_smithy_types::base64::decode(std::str::from_utf8(&rest[..end]).ok()?).ok()
    });
    payloads.collect()
}

/// Every file below the state directory but the site's own, which is the outside world.
fn kept_files(place: &Place) -> Vec<PathBuf> {
    let (mut files, mut directories) = (Vec::new(), vec![place.state()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let kind = entry.file_type().expect("a kind");
            match kind.is_dir() {
                true if entry.path() == place.site() => {}
                true => directories.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    files
}

/// Whatever is kept is its owner's alone, whatever the umask says.
fn are_private(place: &Place) -> usize {
    let files = kept_files(place);
    for file in &files {
        let about = fs::symlink_metadata(file).expect("a file");
        assert_eq!(about.mode() & 0o777, 0o600, "{} may be read by others", file.display());
        assert!(about.is_file() || about.file_type().is_socket(), "{}", file.display());
        let above = file.parent().expect("a directory");
        let mode = fs::metadata(above).expect("a directory").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{} may be entered by others", above.display());
    }
    files.len()
}

#[test]
fn no_secret_is_kept_shown_copied_or_handed_on() {
    let seed = seed();
    let rollouts = tempfile::tempdir().expect("a directory");
    let file = rollout(rollouts.path());
    let file = file.to_str().expect("a name in UTF-8");
    let mut place = Place::with_site_of_seed(60, file, seed);
    place.set("AURORA_COCKPIT_LOG", "debug");
    let planted = plant(&mut place, seed);
    let mut search = Search::new(&planted);
    let address = place.address().expect("a site");
    for situation in
        [r#"{"name": "hostile-text"}"#, r#"{"name": "op-timeout-after-deploy", "partition": "dev", "times": 1}"#]
    {
        assert!(ledger::send(&address, "POST", "/__sim/situations", situation).contains("200 OK"));
    }
    let onlooker = Onlooker::begin(place.path());

    // By hand as far as a deploy that fails, with another cockpit that looks on.
    let mut cockpit = Cockpit::start(&place, (200, 50), &["run", "--rollout", file]).keeping();
    cockpit.see("p  › Prerequisites");
    let mut monitor = Cockpit::start(&place, (200, 50), &["monitor"]).keeping();
    monitor.see("Prerequisites");
    BY_HAND[..3].iter().for_each(|step| cockpit.fire(*step));
    cockpit.open("2");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    // Its own terminal, with all that it printed.
    // Once its words are in the log, the screen knows of its terminal; the journal may be ahead of it.
    cockpit.see("program dev");
    cockpit.press("i");
    cockpit.wait_for("its terminal", |screen| {
        ["Ctrl-] leaves", "any key closes"].iter().any(|words| screen.contents().contains(words))
    });
    cockpit.see(&planted.control);
    cockpit.press(LEAVE);
    cockpit.see("✗ amm.sh");
    monitor.see("✗ amm.sh");
    // The log, copied, and copied once more with the screen shared.
    let log = Pane::ALL.iter().position(|pane| *pane == Pane::Log).expect("a log");
    cockpit.press(&TAB.repeat(log));
    for keys in ["z", "/", "no secret", ENTER, "c"] {
        cockpit.press(keys);
    }
    cockpit.see("sent to the terminal's clipboard");
    cockpit.press("S");
    // The mask of whoever operates.
    cockpit.see("•••@••");
    cockpit.press("c");
    cockpit.press("z");
    // Nothing runs, so that it is left at once.
    cockpit.press("q");
    let (bytes, screens) = cockpit.all_of_it();
    monitor.press("q");
    let (monitored, monitor_screens) = monitor.all_of_it();

    // The rest without a screen, and everything that is made of it afterwards.
    let rest = place.run(&["exec", "--rollout", file, "--partition", "dev", "--all", "--yes", "--output", "json"]);
    assert_eq!(rest.code, 0, "{rest:?}");
    let mut replay = Cockpit::start(&place, (200, 50), &["replay"]).keeping();
    replay.see("REPLAY");
    replay.press("l");
    replay.press("q");
    let (replayed, replay_screens) = replay.all_of_it();

    search.search("the terminal's bytes", &bytes);
    search.search("the monitor's bytes", &monitored);
    search.search("the replay's bytes", &replayed);
    for screen in screens.iter().chain(&monitor_screens).chain(&replay_screens) {
        search.search("a screen", screen.as_bytes());
        search.search("a screen, put together", screen.replace('\n', "").as_bytes());
    }
    let clipboard = copied(&bytes);
    assert!(!clipboard.is_empty(), "nothing was copied");
    clipboard.iter().for_each(|payload| search.search("the clipboard", payload));
    search.search("what exec said", format!("{}{}", rest.out, rest.err).as_bytes());
    for arguments in [
        &["report"][..],
        &["report", "--output", "html"],
        &["report", "--output", "json"],
        &["status"],
        &["status", "--output", "json"],
        &["verify"],
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        search.search(&arguments.join(" "), format!("{}{}", said.out, said.err).as_bytes());
    }
    for kept in kept_files(&place) {
        let name = kept.strip_prefix(place.state()).expect("below").display().to_string();
        let Ok(mut bytes) = fs::read(&kept) else { continue };
        if name.ends_with(".gz") {
            let mut text = Vec::new();
            // Its last piece may be missing.
            let _ = MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text);
            bytes = text;
        }
        search.search(&name, &bytes);
    }
    let (processes, looks) = onlooker.end();
    // What the operator's own shell holds is handed on to whatever is started; nothing that was read is.
    let own: Vec<&str> = planted
        .canaries
        .iter()
        .filter(|(source, _)| source.ends_with("in the environment"))
        .map(|(_, secret)| secret.as_str())
        .collect();
    let demo = place.env()["COCKPIT_TEST_DATABASE"].clone();
    for (command, environment) in &processes {
        search.search("a command line", command);
        let read = String::from_utf8_lossy(environment);
        let read = own.iter().chain([&demo.as_str()]).fold(read.into_owned(), |read, own| read.replace(own, ""));
        search.search("an environment", read.as_bytes());
    }
    let files = are_private(&place);

    assert!(
        search.found.is_empty(),
        "{} secrets were found:\n{}",
        search.found.len(),
        search.found[..search.found.len().min(40)].join("\n")
    );
    for place in ["the terminal's bytes", "a screen", "the clipboard", "runs/"] {
        search.is_controlled(place);
    }
    let Search { needles, searched, places, controls, .. } = &search;
    eprintln!(
        "secrets: {} planted, looked for in {} ways of writing; {places} places, {searched} bytes searched, {} processes in {looks} looks; 0 found; the control was found in {} places; {files} files are 0600 in directories of 0700",
        planted.canaries.len(),
        needles.len(),
        processes.len(),
        controls.len(),
    );
}

#[test]
fn a_cockpit_that_is_broken_off_leaves_no_core_file() {
    // Whether this machine makes core files at all, in the directory in which a program dies.
    let aborted = |script: &str, directory: &Path| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -c unlimited 2>/dev/null || ulimit -c $(ulimit -H -c); {script}")]);
        command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let place = Place::new();
    let site = place.path().join("site");
    let arguments = format!("sim --listen 127.0.0.1:0 --own-session --dir {0}/s --env-file {0}/s/env", site.display());
    fs::create_dir_all(&site).expect("a directory");
    let mut command = aborted(&format!("exec '{BINARY}' {arguments}"), &site);
    // Of a process that may not be dumped, /proc belongs to root; root itself would see no difference.
    let is_root = rustix::process::getuid().is_root();
    if is_root {
        for path in [place.path(), &site] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("ours");
        }
        command.uid(65_534).gid(65_534);
    }
    let mut child = command.env_clear().envs(place.env()).env("HOME", &site).spawn().expect("the binary starts");
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    wait_until("it has begun", || {
        fs::metadata(site.join("s/env")).is_ok() || child.try_wait().expect("a child").is_some()
    });
    let limits = fs::read_to_string(proc.join("limits")).expect("limits");
    let limit = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit").to_owned();
    assert_eq!(limit.split_whitespace().nth(4), Some("0"), "{limit}");
    assert_eq!(fs::metadata(proc.join("environ")).expect("its memory").uid(), 0, "others may read its memory");
    kill_process(Pid::from_child(&child), Signal::ABORT).expect("it lives");
    let ended = child.wait().expect("an end");
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(Signal::ABORT.as_raw()), false));

    let control = tempfile::tempdir().expect("a directory");
    let dumped = aborted("kill -ABRT $$", control.path()).status().expect("a shell").core_dumped();
    let made = fs::read_dir(&site)
        .expect("a directory")
        .flatten()
        .filter(|file| file.file_name().to_string_lossy().starts_with("core"));
    assert_eq!(made.count(), 0);
    eprintln!(
        "core files: none of the cockpit ({limit}); of another program in the same place: {}",
        if dumped { "made" } else { "not made either, this machine makes none" }
    );
}
