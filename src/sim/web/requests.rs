//! How the application of each partition behaved on the day of the execution log: its requests and how long each took.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The request that is refused at first and then answered.
pub const EMAIL_HASH: &str = "/api/pylon/email-hash";

/// A request with how long it takes.
type Timed = (&'static str, &'static str, u64);

/// What a partition's application is like.
#[derive(Debug)]
pub struct Profile {
    /// How long the items page takes to arrive.
    pub page: Duration,
    /// The requests that the page makes, in their order.
    pub requests: &'static [Timed],
    /// Whether the first request for the e-mail hash is refused.
    pub hash_needs_retry: bool,
    /// What the page writes to the browser's console as errors.
    pub console: &'static [(&'static str, usize)],
    /// How often each request was made, so that repeated ones take their own times.
    made: Mutex<HashMap<(String, String), usize>>,
}

const DEV: &[Timed] = &[
    ("POST", "/api/auth/secret-hash", 3384),
    ("POST", "/api/auth/cognito-idp", 1203),
    ("POST", "/api/auth/secret-hash", 3289),
    ("GET", EMAIL_HASH, 88),
    ("GET", EMAIL_HASH, 141),
    ("POST", "/api/arda/user-account/query", 436),
    ("POST", "/api/arda/tenant/query", 402),
    ("POST", "/api/arda/items/query-ssrm", 2579),
    ("POST", "/api/arda/kanban/kanban-card/details/requesting", 3463),
    ("POST", "/api/arda/kanban/kanban-card/details/requested", 2663),
    ("POST", "/api/arda/kanban/kanban-card/details/in-process", 2449),
    ("POST", "/api/arda/kanban/kanban-card/details/requesting", 2751),
    ("POST", "/api/arda/kanban/kanban-card/details/requested", 2444),
    ("POST", "/api/arda/kanban/kanban-card/details/in-process", 471),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 574),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 536),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 488),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=7f1c", 515),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=a90e", 447),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=c332", 398),
    ("GET", "/api/arda/feature-flags", 164),
    ("GET", "/api/arda/notifications", 231),
];

const STAGE: &[Timed] = &[
    ("POST", "/api/auth/secret-hash", 318),
    ("POST", "/api/auth/cognito-idp", 1099),
    ("POST", "/api/auth/secret-hash", 296),
    ("GET", EMAIL_HASH, 112),
    ("POST", "/api/arda/user-account/query", 352),
    ("POST", "/api/arda/tenant/query", 331),
    ("POST", "/api/arda/items/query-ssrm", 531),
    ("POST", "/api/arda/kanban/kanban-card/details/requesting", 562),
    ("POST", "/api/arda/kanban/kanban-card/details/requested", 547),
    ("POST", "/api/arda/kanban/kanban-card/details/in-process", 508),
    ("POST", "/api/arda/kanban/kanban-card/details/requesting", 486),
    ("POST", "/api/arda/kanban/kanban-card/details/requested", 475),
    ("POST", "/api/arda/kanban/kanban-card/details/in-process", 421),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 593),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 519),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 399),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=7f1c", 387),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=a90e", 366),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=c332", 344),
    ("GET", "/api/arda/feature-flags", 121),
    ("GET", "/api/arda/notifications", 187),
    ("GET", "/api/arda/workspaces", 254),
];

const DEMO: &[Timed] = &[
    ("POST", "/api/auth/secret-hash", 3599),
    ("POST", "/api/auth/cognito-idp", 876),
    ("POST", "/api/auth/secret-hash", 3439),
    ("GET", EMAIL_HASH, 97),
    ("GET", EMAIL_HASH, 148),
    ("POST", "/api/arda/user-account/query", 2010),
    ("POST", "/api/arda/tenant/query", 388),
    ("POST", "/api/arda/items/query-ssrm", 1545),
    ("POST", "/api/arda/kanban/kanban-card/details/requesting", 1190),
    ("POST", "/api/arda/kanban/kanban-card/details/requested", 2563),
    ("POST", "/api/arda/kanban/kanban-card/details/in-process", 1206),
    ("POST", "/api/arda/kanban/kanban-card/details/requesting", 462),
    ("POST", "/api/arda/kanban/kanban-card/details/requested", 517),
    ("POST", "/api/arda/kanban/kanban-card/details/in-process", 449),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 428),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=7f1c", 371),
    ("GET", "/api/arda/feature-flags", 142),
    ("GET", "/api/arda/notifications", 209),
    ("GET", "/api/arda/workspaces", 263),
];

const PROD: &[Timed] = &[
    ("POST", "/api/auth/secret-hash", 604),
    ("POST", "/api/auth/cognito-idp", 746),
    ("POST", "/api/auth/secret-hash", 581),
    ("GET", EMAIL_HASH, 118),
    ("POST", "/api/arda/user-account/query", 412),
    ("POST", "/api/arda/tenant/query", 396),
    ("POST", "/api/arda/items/query-ssrm", 717),
    ("POST", "/api/arda/kanban/kanban-card/details/requesting", 702),
    ("POST", "/api/arda/kanban/kanban-card/details/requested", 688),
    ("POST", "/api/arda/kanban/kanban-card/details/in-process", 671),
    ("POST", "/api/arda/kanban/kanban-card/details/requesting", 658),
    ("POST", "/api/arda/kanban/kanban-card/details/requested", 644),
    ("POST", "/api/arda/kanban/kanban-card/details/in-process", 577),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 794),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 612),
    ("POST", "/api/arda/kanban/kanban-card/query-details-by-item", 533),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=7f1c", 471),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=a90e", 452),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=c332", 437),
    ("GET", "/api/arda/kanban/kanban-card/query-by-item?eId=e071", 418),
    ("GET", "/api/arda/feature-flags", 133),
    ("GET", "/api/arda/notifications", 204),
    ("GET", "/api/arda/workspaces", 268),
    ("GET", "/api/arda/suppliers", 341),
];

const ZERO_WORKSPACES: &str =
    "[WorkspaceSwitcher] Zero workspaces returned — this should never happen for an authenticated user.";
const NO_LICENSE: &str = "AG Grid Enterprise License: License Key Not Found";

/// An error on the console that has nothing to do with the backend, and how often.
pub const NOISE: (&str, usize) = ("ResizeObserver loop completed with undelivered notifications.", 3);

impl Profile {
    /// The profile of a partition of that name; partitions that the log does not know are like stage.
    pub fn of(partition: &str) -> Self {
        let (page, requests, retry, console): (u64, _, _, &[_]) = match partition {
            "dev" => (4193, DEV, true, &[(ZERO_WORKSPACES, 7)]),
            "demo" => (4919, DEMO, true, &[(NO_LICENSE, 7)]),
            "prod" => (449, PROD, false, &[]),
            _ => (598, STAGE, false, &[]),
        };
        let page = Duration::from_millis(page);
        Self { page, requests, hash_needs_retry: retry, console, made: Mutex::default() }
    }

    /// How long this request takes this time; none where the backend has no such path.
    pub fn next_duration(&self, method: &str, path: &str) -> Option<Duration> {
        let alike: Vec<u64> =
            self.requests.iter().filter(|(verb, at, _)| *verb == method && *at == path).map(|(_, _, ms)| *ms).collect();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let count = made.entry((method.to_owned(), path.to_owned())).or_default();
        let index = *count % alike.len().max(1);
        *count += 1;
        alike.get(index).copied().map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests, median and requests over 500 ms, as the execution log counts them.
    #[test]
    fn figures_are_those_of_the_log() {
        for (partition, count, median, slow) in
            [("dev", 22, 536, 12), ("stage", 22, 399, 7), ("demo", 19, 462, 9), ("prod", 24, 577, 13)]
        {
            let profile = Profile::of(partition);
            let mut times: Vec<u64> = profile.requests.iter().map(|(_, _, ms)| *ms).collect();
            times.sort_unstable();
            assert_eq!(times.len(), count, "{partition}");
            assert_eq!(times[times.len() / 2], median, "{partition}");
            assert_eq!(times.iter().filter(|ms| **ms > 500).count(), slow, "{partition}");
        }
    }

    #[test]
    fn a_repeated_request_takes_its_own_time_each_time() {
        let profile = Profile::of("dev");
        let next = || profile.next_duration("POST", "/api/auth/secret-hash").map(|taken| taken.as_millis());
        assert_eq!([next(), next(), next()], [Some(3384), Some(3289), Some(3384)]);
        assert_eq!(profile.next_duration("GET", "/api/none"), None);
    }
}
