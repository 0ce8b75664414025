//! A program's output on its way to a file: as it was printed, with its colours, but for its secrets.
//!
//! Line by line, because a secret is known by the words before it. What stands in a line that has not ended, such as a
//! prompt or a bar of progress, is let through as well when nothing follows for a moment; where the rest of the line turns
//! it into a secret, the line is written anew over what was shown.

use super::known::Known;
use super::text::clean;

/// Longest line that is waited for, in bytes: a longer one comes in pieces, so that memory stays small.
const LONGEST: usize = 64 * 1024;

/// Goes to the line's start and empties it.
const ANEW: &[u8] = b"\r\x1b[0m\x1b[K";

/// What holds secrets back.
#[derive(Debug, Default)]
pub struct Sieve {
    known: Known,
    /// The line that has not ended.
    line: Vec<u8>,
    /// How many bytes of it were let through.
    shown: usize,
    /// Whether what was let through of it is not what was printed.
    masked: bool,
}

impl Sieve {
    /// Holds back what is known, and what has a secret's shape.
    pub fn of(known: Known) -> Self {
        Self { known, ..Self::default() }
    }

    /// Takes in what was printed; answers what may be kept of it by now.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        // Going back to the line's start ends a drawing of it, as going on to the next one does.
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || piece.ends_with(b"\r") {
                self.end(self.line.len(), &mut out);
            }
            while self.line.len() > LONGEST {
                self.end(end_of_piece(&self.line), &mut out);
            }
        }
        out
    }

    /// Whether something of the line was not let through yet.
    pub fn waits(&self) -> bool {
        self.shown < self.line.len()
    }

    /// What stands in the line that has not ended.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.waits() {
            self.show(self.line.len(), &mut out);
        }
        out
    }

    /// Lets the line through up to that byte, and begins another one.
    fn end(&mut self, at: usize, out: &mut Vec<u8>) {
        self.show(at, out);
        self.line.drain(..at);
        (self.shown, self.masked) = (0, false);
    }

    fn show(&mut self, to: usize, out: &mut Vec<u8>) {
        match hidden(&self.line[..to], &self.known) {
            None if !self.masked => out.extend_from_slice(&self.line[self.shown.min(to)..to]),
            None => {
                out.extend_from_slice(ANEW);
                out.extend_from_slice(&self.line[..to]);
                self.masked = false;
            }
            Some(hidden) => {
                if self.shown > 0 {
                    out.extend_from_slice(ANEW);
                }
                out.extend_from_slice(hidden.as_bytes());
                self.masked = true;
            }
        }
        self.shown = to;
    }
}

/// A line without its secrets; none where it has none. Its colours stay where they do not hide one.
fn hidden(line: &[u8], known: &Known) -> Option<String> {
    let raw = String::from_utf8_lossy(line);
    let masked = known.hide(&raw);
    let shown = masked.trim_end_matches(['\n', '\r']);
    let seen = clean(shown);
    if seen == shown {
        return (masked != *raw).then_some(masked);
    }
    let clean_seen = known.hide(&seen);
    if clean_seen != seen {
        // Control sequences stand within the secret, or between it and its word.
        let end = &masked[shown.len()..];
        return Some(format!("{clean_seen}{end}"));
    }
    (masked != *raw).then_some(masked)
}

/// Where a line that is too long is parted: between words, if there are any.
fn end_of_piece(line: &[u8]) -> usize {
    let tail = LONGEST - LONGEST / 16;
    let blank = line[tail..LONGEST].iter().rposition(u8::is_ascii_whitespace);
    blank.map_or(LONGEST, |at| tail + at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known() -> Known {
        let mut known = Known::by(7);
        known.remember("hunter2hunter2");
        known
    }

    /// All of it, printed at once and in pieces, with a silence after each.
    fn kept(raw: &[u8], pieces: usize, silences: bool) -> Vec<u8> {
        let mut sieve = Sieve::of(known());
        let mut out = Vec::new();
        for piece in raw.chunks(pieces.max(1)) {
            out.extend(sieve.take(piece));
            if silences {
                out.extend(sieve.rest());
            }
        }
        out.extend(sieve.rest());
        out
    }

    #[test]
    fn lines_without_a_secret_stay_as_they_were() {
        let raw = b"\x1b[32mok\x1b[0m\r\n 10%\r 50%\r100%\r\nprompt: \xff\xf0\x9f";
        for pieces in 1..20 {
            assert_eq!(kept(raw, pieces, false), raw);
            assert_eq!(kept(raw, pieces, true), raw, "a silence changes nothing");
        }
    }

    #[test]
    fn secrets_are_held_back_and_colours_stay() {
        for (raw, out) in [
            ("\x1b[32mgot hunter2hunter2\x1b[0m\r\n", "\x1b[32mgot ••••••\x1b[0m\r\n"),
            ("PGPASSWORD=geheim psql\n", "PGPASSWORD=•••••• psql\n"),
            ("password=\x1b[1mgeheim\x1b[0m\r\n", "password=••••••\r\n"),
            ("hunter2\x1b[1mhunter2\r\n", "••••••\r\n"),
            ("\x1b]0;password=geheim\x07title\n", "\x1b]0;password=••••••\x07title\n"),
            ("a\u{200b} hunter2\u{200b}hunter2", "a ••••••"),
        ] {
            let kept = kept(raw.as_bytes(), 1024, false);
            assert_eq!(String::from_utf8_lossy(&kept), out, "{raw:?}");
        }
    }

    #[test]
    fn what_was_shown_before_it_became_a_secret_is_drawn_over() {
        let mut sieve = Sieve::of(known());
        assert_eq!(sieve.take(b"password=gehe"), b"");
        assert_eq!(sieve.rest(), "password=••••••".as_bytes());
        assert_eq!(sieve.take(b"im\r\n"), [ANEW, "password=••••••\r".as_bytes(), b"\n"].concat());
    }

    #[test]
    fn a_gigantic_line_takes_little_memory() {
        let mut sieve = Sieve::of(known());
        let (mut longest, mut out) = (0, 0);
        for _ in 0..100 {
            out += sieve.take(&[b'x'; 10_000]).len();
            longest = longest.max(sieve.line.len());
        }
        out += sieve.rest().len();
        assert_eq!(out, 1_000_000);
        assert!(longest <= LONGEST, "{longest}");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_added(raw in prop::collection::vec(any::<u8>(), 0..200), pieces in 1_usize..50) {
            prop_assume!(hidden(&raw, &known()).is_none());
            prop_assert_eq!(kept(&raw, pieces, true), raw);
        }

        #[test]
        fn a_known_secret_is_never_kept(before in "[a-z \r\n]{0,80}", after in ".{0,80}", pieces in 1_usize..50) {
            let raw = format!("{before}hunter2hunter2{after}\n");
            let kept = kept(raw.as_bytes(), pieces, false);
            prop_assert!(!String::from_utf8_lossy(&kept).contains("hunter2hunter2"));
        }
    }
}
