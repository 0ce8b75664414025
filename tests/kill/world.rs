//! A world whose clocks are the test's: see `world.c`, which is preloaded into every process of a place.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use jiff::SignedDuration;

use crate::support::Place;

/// How many times as fast as the machine's the clocks of a night go where `KILL_PACE` says nothing else. The site, the
/// cockpit and the programs all live by them, so that only the test itself waits less.
const PACE: i64 = 4;

/// Where everything stands in the page, by words of 64 bits; see `struct world`.
const PACE_AT: u64 = 0;
const STEP_AT: u64 = 1;
const ORIGIN_AT: u64 = 2;
const ASKED_AT: u64 = 3;
const DISK_AT: u64 = 4;
const DENIED_AT: u64 = 5;

/// How a disk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// It takes what is written.
    Room = 0,
    /// It takes half of the next piece.
    Full = 1,
    /// It was mounted read-only.
    ReadOnly = 2,
}

/// The clocks of one place.
pub struct World {
    page: File,
}

impl World {
    /// Puts a place into a world of its own, before anything is started there.
    pub fn of(place: &mut Place, pace: i64) -> Self {
        let file = place.path().join("world");
        let page = OpenOptions::new().read(true).write(true).create_new(true).open(&file).expect("a page");
        let world = Self { page };
        world.write(DENIED_AT, 0);
        world.write(PACE_AT, pace);
        place.set("TEST_WORLD", file.to_str().expect("UTF-8"));
        place.set("LD_PRELOAD", library().to_str().expect("UTF-8"));
        world
    }

    /// Puts whoever is started in the place from now on into a world of its own: with the same clocks, until they are set.
    pub fn apart(&self, place: &mut Place) -> Self {
        let file = place.path().join("world-apart");
        let page = OpenOptions::new().read(true).write(true).create_new(true).open(&file).expect("a page");
        let world = Self { page };
        world.write(DENIED_AT, 0);
        for at in [PACE_AT, ORIGIN_AT] {
            world.write(at, self.read(at));
        }
        place.set("TEST_WORLD", file.to_str().expect("UTF-8"));
        world
    }

    /// Puts the wall clock forward, or back, for everybody who lives there, while they run.
    pub fn step(&self, by: SignedDuration) {
        self.write(STEP_AT, i64::try_from(by.as_nanos()).expect("a few years at most"));
    }

    /// Fills the disk, makes it read-only, or gives it room again, for everybody who lives there, while they run.
    pub fn disk(&self, disk: Disk) {
        self.write(DISK_AT, disk as i64);
    }

    /// How often something was not written, for a disk that takes nothing.
    pub fn denied(&self) -> i64 {
        self.read(DENIED_AT)
    }

    /// How often somebody has asked for the wall clock: what was preloaded is at work.
    pub fn asked(&self) -> i64 {
        self.read(ASKED_AT)
    }

    fn read(&self, place: u64) -> i64 {
        let mut bytes = [0; 8];
        self.page.read_exact_at(&mut bytes, place * 8).expect("a page");
        i64::from_ne_bytes(bytes)
    }

    fn write(&self, place: u64, value: i64) {
        self.page.write_all_at(&value.to_ne_bytes(), place * 8).expect("the page takes it");
    }
}

/// How many times as fast the clocks of a night go.
pub fn pace() -> i64 {
    std::env::var("KILL_PACE").ok().map_or(PACE, |pace| pace.parse().expect("KILL_PACE is a number"))
}

/// The library, compiled once by the C compiler that the build needs anyway.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (source, library) =
            (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kill/world.c"), directory.join("world.so"));
        // Several tests may do so at a time, each in a process of its own.
        let draft = directory.join(format!("world-{}.so", std::process::id()));
        let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        cc.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&draft).arg(source).arg("-ldl");
        let said = cc.output().expect("a C compiler: the build needs it anyway");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        fs::rename(draft, &library).expect("the library has its name");
        library
    })
}
