//! A place whose site has real PostgreSQL servers, where they are installed.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Place, ROLLOUT};

/// How long such a site takes at most until it is ready: eight servers are made.
const LIMIT: Duration = Duration::from_secs(90);

/// A place with a site of real servers; where there are none, with the embedded ones, and why.
pub fn with_real_servers(speed: u32) -> (Place, Result<(), String>) {
    match real(speed) {
        Ok(place) => (place, Ok(())),
        Err(why) => (Place::with_site(speed), Err(why)),
    }
}

fn real(speed: u32) -> Result<Place, String> {
    let mut place = Place::new();
    let (site, state) = (place.site(), place.state());
    fs::create_dir_all(state).map_err(|error| error.to_string())?;
    let log = place.path().join("site.log");
    let mut command = place.command(&[]);
    command.args(["sim", "--postgres", "real", "--own-session", "--speed", &speed.to_string(), "--rollout", ROLLOUT]);
    command.arg("--dir").arg(&site).arg("--env-file").arg(site.join("environment"));
    let words = fs::File::create(&log).map_err(|error| error.to_string())?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words).spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    let until = Instant::now() + LIMIT;
    while place.address().is_none() {
        if let Ok(Some(_)) = child.try_wait() {
            let words = fs::read_to_string(&log).unwrap_or_default();
            return Err(words.lines().last().unwrap_or("the site ended").to_owned());
        }
        if Instant::now() > until {
            crate::processes::end(child);
            return Err(format!("the servers were not ready within {LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // Ends with the place; somebody has to see it off.
    std::thread::spawn(move || child.wait());
    place.lead_to_the_site();
    Ok(place)
}
