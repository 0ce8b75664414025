//! Secrets that were read, known again by their fingerprints, so that they are masked wherever they turn up.
//!
//! A script may well print what it was given to keep, and not beside a word such as `password=`. Of a secret nothing is
//! remembered but its length and a fingerprint under a key of this process's own (Rabin and Karp's rolling one): enough to
//! find it in a text, too little to tell it.

use serde::{Deserialize, Serialize};

use super::text::{MASK, mask};

/// Shortest secret that is known by its fingerprint: shorter ones would blot out innocent text.
const SHORTEST: usize = 8;

/// A prime of Mersenne's, so that a remainder takes no division; fingerprints are remainders of it.
const PRIME: u64 = (1 << 61) - 1;

/// What is remembered of secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    key: u64,
    /// By their lengths.
    prints: Vec<Print>,
}

/// One secret, in one way to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Print {
    /// Bytes that it is long.
    length: usize,
    /// The key to the power of that.
    weight: u64,
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
        let weight = (0..text.len()).fold(1, |weight, _| times(weight, self.key));
        let print = text.bytes().fold(0, |print, byte| self.add(print, byte));
        let print = Print { length: text.len(), weight, print };
        if !self.prints.contains(&print) {
            self.prints.push(print);
            self.prints.sort_unstable_by_key(|print| print.length);
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
        let mut places = Vec::new();
        if self.is_empty() {
            return places;
        }
        let prints = self.prefixes(text.as_bytes());
        for same in self.prints.chunk_by(|one, other| one.length == other.length) {
            let Print { length, weight, .. } = same[0];
            for (from, (before, to)) in prints.iter().zip(prints.iter().skip(length)).enumerate() {
                let print = minus(*to, times(*before, weight));
                let is_known = same.iter().any(|known| known.print == print);
                // Whoever is so unlucky that another text has a secret's fingerprint must not be cut in the middle of a letter.
                if is_known && text.is_char_boundary(from) && text.is_char_boundary(from + length) {
                    places.push((from, from + length));
                }
            }
        }
        places
    }

    /// The fingerprint of everything before each byte, and of it all: that of a stretch is the difference of two.
    fn prefixes(&self, bytes: &[u8]) -> Vec<u64> {
        let mut prints = Vec::with_capacity(bytes.len() + 1);
        prints.push(0);
        let mut print = 0;
        for byte in bytes {
            print = self.add(print, *byte);
            prints.push(print);
        }
        prints
    }

    fn add(&self, print: u64, byte: u8) -> u64 {
        plus(times(print, self.key), u64::from(byte) + 1)
    }
}

fn times(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    // Both halves are below the prime, as both factors are.
    plus(product as u64 & PRIME, (product >> 61) as u64)
}

fn plus(left: u64, right: u64) -> u64 {
    let sum = left + right;
    if sum >= PRIME { sum - PRIME } else { sum }
}

fn minus(left: u64, right: u64) -> u64 {
    if left >= right { left - right } else { left + PRIME - right }
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
