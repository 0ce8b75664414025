//! Where private names, and what has the shape of one, stand in a text.

use std::collections::BTreeSet;
use std::ops::Range;

/// Stands for a masked character, a column each.
pub const DOT: char = '•';

/// Stands where a text was cut.
const CUT: char = '…';

/// Letters of a name that must be left before a cut for it to be taken for the name.
const LEAST_CUT: usize = 2;

/// Names shorter than this are not looked for across lines: they are not broken, and are found where nobody wrote them.
const LEAST_BROKEN: usize = 8;

/// What is private.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    names: BTreeSet<Name>,
    /// The same, the longest first: one that holds another goes as a whole.
    sorted: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    text: String,
    /// Whether it is one only between what is neither letter nor digit; and then capitals are others.
    word: bool,
}

impl Mask {
    /// A person's or a role's name: as a whole, and the parts of it.
    pub(super) fn person(&mut self, name: &str) {
        let parts = name.split_whitespace().filter(|part| part.chars().count() > 2);
        for text in parts.chain([name.trim()]).filter(|text| !text.is_empty()) {
            self.names.insert(Name { text: text.to_owned(), word: true });
        }
    }

    /// A host's name, with or without a port.
    pub(super) fn host(&mut self, host: &str) {
        let host = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => host,
        };
        let host = host.trim_end_matches('.');
        if host.contains('.') {
            self.anywhere(host);
        } else if !host.is_empty() {
            self.names.insert(Name { text: host.to_owned(), word: true });
        }
    }

    /// What is private wherever it stands, in whatever letters.
    pub(super) fn anywhere(&mut self, text: &str) {
        if !text.is_empty() {
            self.names.insert(Name { text: text.to_ascii_lowercase(), word: false });
        }
    }

    pub(super) fn finish(mut self) -> Self {
        self.sorted = self.names.iter().cloned().collect();
        self.sorted.sort_by_key(|name| std::cmp::Reverse(name.text.len()));
        self
    }

    /// The private stretches of a text, in bytes; they may overlap.
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut places = shapes(text);
        let lower = text.to_ascii_lowercase();
        for name in &self.sorted {
            let text = if name.word { text } else { &lower };
            let found = text.match_indices(&name.text).map(|(at, found)| at..at + found.len());
            places.extend(found.filter(|place| !name.word || stands_alone(text, place)));
            places.extend(cut(text, name));
        }
        places
    }

    /// The stretches of known names that are broken over the ends of lines, in bytes of the lines put together.
    pub fn broken(&self, joined: &str, ends: &[usize]) -> Vec<Range<usize>> {
        let lower = joined.to_ascii_lowercase();
        let mut places = Vec::new();
        for name in self.sorted.iter().filter(|name| name.text.len() >= LEAST_BROKEN) {
            let text = if name.word { joined } else { &lower };
            let found = text.match_indices(&name.text).map(|(at, found)| at..at + found.len());
            places.extend(found.filter(|place| ends.iter().any(|end| place.start < *end && *end < place.end)));
        }
        places
    }

    /// The text with what is private masked.
    pub fn hide(&self, text: &str) -> String {
        let places = self.places(text);
        let is_private = |at: usize| places.iter().any(|place| place.contains(&at));
        text.char_indices().map(|(at, letter)| if is_private(at) { DOT } else { letter }).collect()
    }
}

/// Whether what stands there is a word of its own.
fn stands_alone(text: &str, place: &Range<usize>) -> bool {
    let in_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let before = text[..place.start].chars().next_back();
    let after = text[place.end..].chars().next();
    !before.is_some_and(in_word) && !after.is_some_and(in_word)
}

/// Where the beginning of a name stands before a cut. Of a host, its first label alone is no secret: an instance has it.
fn cut(text: &str, name: &Name) -> Vec<Range<usize>> {
    let shortest = name.text.find('.').filter(|_| !name.word).map_or(LEAST_CUT, |dot| dot + 1);
    let before_cuts = text.match_indices(CUT).map(|(at, _)| &text[..at]);
    let begins = |before: &str| {
        let lengths = name.text.char_indices().map(|(at, _)| at).skip_while(|at| *at < shortest);
        let longest = lengths.filter(|length| before.ends_with(&name.text[..*length])).last()?;
        let place = before.len() - longest..before.len();
        (!name.word || stands_alone(before, &place)).then_some(place)
    };
    before_cuts.filter_map(begins).collect()
}

/// What is private by its shape: accounts, addresses, the hosts of AWS, mail addresses and home directories.
fn shapes(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for run in runs(text, |letter| letter.is_ascii_alphanumeric() || ".-_@+".contains(letter)) {
        let word = &text[run.clone()];
        let lower = word.to_ascii_lowercase();
        // Full stops end sentences.
        let bare = lower.trim_end_matches(['.', '-']);
        let is_mail = bare.split_once('@').is_some_and(|(who, host)| !who.is_empty() && host.contains('.'));
        if is_mail || bare.ends_with(".amazonaws.com") || bare.ends_with(".compute.internal") {
            places.push(run.start..run.start + bare.len());
        }
        for part in runs(word, |letter| letter.is_ascii_digit() || letter == '.') {
            let part = run.start + part.start..run.start + part.end;
            let address = text[part.clone()].trim_end_matches('.');
            if address.parse::<std::net::Ipv4Addr>().is_ok() {
                places.push(part.start..part.start + address.len());
            }
        }
    }
    places.extend(runs(text, |letter| letter.is_ascii_digit()).filter(|run| run.len() == ACCOUNT));
    for home in ["/home/", "/Users/"] {
        let after = text.match_indices(home).map(|(at, _)| at + home.len());
        places.extend(after.map(|at| {
            let ends = |letter: char| letter == '/' || letter.is_whitespace() || "\"'`:│".contains(letter);
            at..text[at..].find(ends).map_or(text.len(), |end| at + end)
        }));
    }
    places
}

/// Digits of an AWS account.
const ACCOUNT: usize = 12;

/// The longest stretches of such characters.
fn runs(text: &str, belongs: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(&belongs)?;
        let end = text[start..].find(|letter| !belongs(letter)).map_or(text.len(), |end| start + end);
        from = end;
        Some(start..end)
    })
}
