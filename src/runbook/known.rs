//! Secrets that were read, known again by their fingerprints, so that they are masked wherever they turn up.
//!
//! A script may well print what it was given to keep, and not beside a word such as `password=`. Of a secret nothing is
//! remembered but its length and a fingerprint under a key of this process's own (Rabin and Karp's rolling one): enough to
//! find it in a text, too little to tell it.

use serde::{Deserialize, Serialize};

use super::text::{MASK, mask};

/// Shortest secret that is known by its fingerprint: shorter ones would blot out innocent text.
const SHORTEST: usize = 8;

/// A prime; fingerprints are remainders of it.
const PRIME: u64 = (1 << 61) - 1;

/// What is remembered of secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    key: u64,
    prints: Vec<Print>,
}

/// One secret, in one way to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Print {
    /// Bytes that it is long.
    length: usize,
    print: u64,
}

impl Known {
    /// Nothing yet; `key` is a number that nobody else knows.
    pub fn by(key: u64) -> Self {
        Self { key: key % (PRIME - 1) + 1, prints: Vec::new() }
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    /// Remembers a secret, also as it stands in an address and in JSON. A short one is not remembered, and none of small
    /// letters alone: what is a password in one place is the name of a database in another.
    pub fn remember(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < SHORTEST || secret.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            return;
        }
        self.take(secret);
        self.take(&form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>());
        self.take(&percent(secret));
        let json = serde_json::Value::from(secret).to_string();
        self.take(json.trim_matches('"'));
    }

    fn take(&mut self, text: &str) {
        let print = Print { length: text.len(), print: self.print(text.as_bytes()) };
        if !self.prints.contains(&print) {
            self.prints.push(print);
        }
    }

    /// The text without what is remembered, and without whatever has a secret's shape.
    pub fn hide(&self, text: &str) -> String {
        let mut places = self.places(text);
        if places.is_empty() {
            return mask(text, &[]);
        }
        places.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut shown = 0;
        for (from, to) in places {
            if from > shown || out.is_empty() {
                out.push_str(&text[shown..from]);
                out.push_str(MASK);
            }
            shown = shown.max(to);
        }
        out.push_str(&text[shown..]);
        mask(&out, &[])
    }

    /// Where remembered secrets stand, from and to which byte.
    fn places(&self, text: &str) -> Vec<(usize, usize)> {
        let mut lengths: Vec<usize> = self.prints.iter().map(|print| print.length).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let bytes = text.as_bytes();
        let found = lengths.into_iter().filter(|length| *length <= bytes.len()).flat_map(|length| {
            let prints = self.prints.iter().filter(|print| print.length == length).map(|print| print.print);
            let prints: Vec<u64> = prints.collect();
            let ends = self.windows(bytes, length).filter(move |(_, print)| prints.contains(print));
            ends.map(move |(end, _)| (end - length, end)).collect::<Vec<_>>()
        });
        // Whoever is so unlucky that another text has a secret's fingerprint must not be cut in the middle of a letter.
        found.filter(|(from, to)| text.is_char_boundary(*from) && text.is_char_boundary(*to)).collect()
    }

    fn print(&self, bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |print, byte| self.add(print, *byte))
    }

    fn add(&self, print: u64, byte: u8) -> u64 {
        times(print, self.key).wrapping_add(u64::from(byte) + 1) % PRIME
    }

    /// The fingerprint of every stretch of that length, with the byte at which it ends.
    fn windows<'a>(&'a self, bytes: &'a [u8], length: usize) -> impl Iterator<Item = (usize, u64)> + 'a {
        // What the byte that leaves the stretch has weighed.
        let weight = (1..length).fold(1, |weight, _| times(weight, self.key));
        let mut print = 0;
        bytes.iter().enumerate().filter_map(move |(at, byte)| {
            if at >= length {
                let leaves = times(weight, u64::from(bytes[at - length]) + 1);
                print = (print + PRIME - leaves) % PRIME;
            }
            print = self.add(print, *byte);
            (at + 1 >= length).then_some((at + 1, print))
        })
    }
}

fn times(left: u64, right: u64) -> u64 {
    // The remainder is below the prime, which fits.
    (u128::from(left) * u128::from(right) % u128::from(PRIME)) as u64
}

/// As an address has it: a form has `+` for a blank.
fn percent(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(secrets: &[&str]) -> Known {
        let mut known = Known::by(0x5eed_1234_5678);
        secrets.iter().for_each(|secret| known.remember(secret));
        known
    }

    #[test]
    fn a_secret_is_known_again_however_it_is_written() {
        let known = known(&["p@ss wörd\"7", "hunter2hunter2"]);
        for (text, hidden) in [
            ("it is p@ss wörd\"7.", "it is ••••••."),
            ("hunter2hunter2hunter2hunter2", "••••••"),
            (r#"["p@ss wörd\"7"]"#, r#"["••••••"]"#),
            ("postgres:app?p=p%40ss+w%C3%B6rd%227", "postgres:app?p=••••••"),
            ("p%40ss%20w%C3%B6rd%227", "••••••"),
            ("hunter2 alone", "hunter2 alone"),
            ("PGPASSWORD=other", "PGPASSWORD=••••••"),
        ] {
            assert_eq!(known.hide(text), hidden, "{text}");
        }
    }

    #[test]
    fn what_could_be_a_name_is_not_remembered() {
        let known = known(&["operations", "a1b2c3", "", "item-database"]);
        assert!(known.is_empty());
        assert_eq!(known.hide("operations a1b2c3"), "operations a1b2c3");
    }

    #[test]
    fn nothing_of_the_secret_is_kept() {
        let kept = serde_json::to_string(&known(&["hunter2hunter2"])).expect("JSON");
        assert!(!kept.contains("hunter"), "{kept}");
        let read: Known = serde_json::from_str(&kept).expect("the same");
        assert_eq!(read.hide("hunter2hunter2"), MASK);
    }

    proptest! {
        #[test]
        fn a_known_secret_never_gets_through(
            key in any::<u64>(), before in ".*", secret in "[A-Z0-9é]{8,40}", after in ".*",
        ) {
            let mut known = Known::by(key);
            known.remember(&secret);
            let hidden = known.hide(&format!("{before}{secret}{after}"));
            prop_assert!(!hidden.contains(&secret));
        }

        #[test]
        fn what_is_not_known_is_left_alone(text in "[a-zà-ü .,]{0,60}") {
            prop_assert_eq!(known(&["hunter2hunter2"]).hide(&text), text);
        }
    }
}
