//! Text from outside, made fit to be shown and kept: no control sequences, no hidden characters, no secrets.
//!
//! Whatever a program, a pod, a query or an API says may hold escape sequences that would move the cursor, retitle the
//! terminal or hide what follows. Nothing of that may reach the terminal, the journal or the report.

/// What stands where a secret was.
pub const MASK: &str = "••••••";

/// Columns between tab stops, as terminals have them.
const TAB: usize = 8;

/// Shortest value that is masked wherever it occurs; shorter ones would blot out innocent text.
const SHORTEST_SECRET: usize = 4;

/// Text without control sequences, bidirectional and zero-width controls; tabs as spaces; lines end in `\n`.
///
/// A lone carriage return becomes a line's end, so that nothing can be hidden behind it.
pub fn clean(text: &str) -> String {
    clean_telling(text, |_, _| {})
}

/// As [`clean`]; `coloured` is told the parameters of each sequence that colours what follows it (SGR), and how many bytes of
/// the cleaned text stand before it.
pub(super) fn clean_telling(text: &str, mut coloured: impl FnMut(&str, usize)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' | '\u{9b}' => {
                let colours = if c == '\x1b' { skip_escape(&mut rest) } else { skip_csi(&mut rest) };
                if let Some(parameters) = colours {
                    coloured(&parameters, out.len());
                }
            }
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' | '\n' | '\u{2028}' | '\u{2029}' | '\u{85}' => {
                out.push('\n');
                column = 0;
            }
            '\t' => {
                let width = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            c if c.is_control() || is_hidden(c) => {}
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// As [`clean`], on one line: what were lines are parted by a space.
pub fn clean_line(text: &str) -> String {
    let cleaned = clean(text);
    cleaned.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The lines that a terminal would be left with, cleaned: of a line that was redrawn in place, only the last drawing.
///
/// Programs draw their progress by going back to the line's start (`\r`, `CSI G`) and writing over it. For a log, the
/// last state is the one that matters. The final line is kept even without its end.
pub fn terminal_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = redrawn(text).split('\n').map(last_drawing).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The text with `\n` at the end of each line and `\r` wherever a program goes back to a line's start.
pub(super) fn redrawn(text: &str) -> String {
    text.replace("\r\n", "\n").replace("\x1b[1G", "\r").replace("\x1b[G", "\r")
}

/// What a line reads after its last drawing that is not empty.
fn last_drawing(line: &str) -> String {
    let mut drawings = line.rsplit('\r').map(clean);
    drawings.find(|drawing| !drawing.trim().is_empty()).unwrap_or_default().trim_end().to_owned()
}

/// What a text from outside holds that may reach neither terminal nor file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hostile {
    /// Control sequences that do more than colour a line or redraw it.
    pub escapes: bool,
    /// Characters that turn their neighbours around or are not seen.
    pub hidden: bool,
    /// What has the shape of a secret.
    pub secrets: bool,
}

impl Hostile {
    /// What is hostile in a text; none where nothing is.
    pub fn of(raw: &str) -> Option<Self> {
        let cleaned = clean(raw);
        let hostile = Self {
            escapes: steers(raw),
            hidden: raw
                .chars()
                .any(|c| matches!(c, '\u{200b}' | '\u{2060}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')),
            secrets: mask_shapes(&cleaned) != cleaned,
        };
        (hostile != Self::default()).then_some(hostile)
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            escapes: self.escapes || other.escapes,
            hidden: self.hidden || other.hidden,
            secrets: self.secrets || other.secrets,
        }
    }
}

/// Whether a text steers the terminal beyond what programs usually do: colours, and going back to the line's start.
fn steers(raw: &str) -> bool {
    let mut rest = raw.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' if rest.peek() == Some(&'[') => {
                rest.next();
                while rest.next_if(|c| (' '..='?').contains(c)).is_some() {}
                if !matches!(rest.next(), Some('m' | 'G' | 'K')) {
                    return true;
                }
            }
            '\x1b' | '\x07' | '\u{80}'..='\u{9f}' => return true,
            _ => {}
        }
    }
    false
}

/// Text with every occurrence of a known secret, and everything that has the shape of one, replaced by [`MASK`].
///
/// Shapes: AWS access keys, JSON web tokens, `user:password@` and DSN keys in addresses, and values after words such as
/// `password=` or `Bearer `.
pub fn mask(text: &str, secrets: &[&str]) -> String {
    let mut known: Vec<&str> =
        secrets.iter().map(|secret| secret.trim()).filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
    // Longest first: a secret that holds another must go as a whole.
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut text = text.to_owned();
    for secret in known {
        text = text.replace(secret, MASK);
    }
    mask_shapes(&text)
}

/// Replaces what looks like a secret.
fn mask_shapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut last = ' ';
    while let Some(c) = rest.chars().next() {
        // Most places begin nothing: a text is gone through as fast as it is read.
        let begins = c == ':' || (c.is_ascii_alphabetic() && !last.is_ascii_alphanumeric());
        if let Some((shown, hidden)) = begins.then(|| secret_at(rest)).flatten() {
            out.push_str(&rest[..shown]);
            out.push_str(MASK);
            last = ' ';
            rest = &rest[shown + hidden..];
        } else {
            out.push(c);
            last = c;
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// What the tokens of GitHub and of 1Password's service accounts begin with.
const TOKENS: [&str; 7] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "ops_"];

/// Longest token that is looked at, in bytes: each place of a text is looked at, so that no look may go far.
const LONGEST_TOKEN: usize = 8 * 1024;

/// If a secret begins here, at a colon or a word: how many bytes before it may be shown, and how many bytes it is long.
fn secret_at(text: &str) -> Option<(usize, usize)> {
    if let Some(after) = text.strip_prefix("://") {
        let authority = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        let userinfo = after[..authority].rfind('@')?;
        return (userinfo > 0).then_some((3, userinfo));
    }
    if text.starts_with("AKIA") || text.starts_with("ASIA") {
        let length = run(text, 21, "");
        return (length == 20).then_some((0, length));
    }
    if text.starts_with("eyJ") {
        let head = run(text, LONGEST_TOKEN, "-_=");
        let length = if text[head..].starts_with('.') { run(text, usize::MAX, "-_.=") } else { 0 };
        return (length > 40).then_some((0, length));
    }
    if TOKENS.iter().any(|token| text.starts_with(token)) {
        let length = run(text, usize::MAX, "_-.=");
        return (length > 30).then_some((0, length));
    }
    let (lead, quote) = secret_word(text)?;
    let rest = &text[lead..];
    if rest.starts_with(MASK) {
        return None;
    }
    let value = match quote {
        Some(quote) => rest.find([quote, '\n', '\r']).unwrap_or(rest.len()),
        // A header's value has a scheme before the secret: it goes as a whole.
        None if word_of(text).eq_ignore_ascii_case("authorization") => {
            rest.find(['\r', '\n', '"', '\'']).unwrap_or(rest.len())
        }
        None => {
            let end = |c: char| c.is_whitespace() || c.is_control() || "\"'&".contains(c);
            rest[..rest.find(end).unwrap_or(rest.len())].trim_end_matches([',', ';', ')', '}', ']']).len()
        }
    };
    (value > 0).then_some((lead, value))
}

/// How far a text goes on with letters, digits and what else belongs to it; at most so many bytes.
fn run(text: &str, most: usize, more: &str) -> usize {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || more.as_bytes().contains(byte);
    text.bytes().take(most).take_while(belongs).count()
}

/// The word that a text begins with; a very long one is none that speaks of a secret.
fn word_of(text: &str) -> &str {
    &text[..run(text, 40, "_")]
}

/// Length of a word with its separator after which a secret stands, such as `password=`, `"secretKey": "`, `Bearer ` and
/// `PASSWORD '`; and the quote that ends the secret, where it is in quotes.
fn secret_word(text: &str) -> Option<(usize, Option<char>)> {
    let word = word_of(text);
    if !speaks_of_a_secret(word) {
        return None;
    }
    let after = &text[word.len()..];
    let is_between = |c: char| (c.is_whitespace() && c != '\n') || "\"'=:".contains(c);
    let separator = after.find(|c: char| !is_between(c)).unwrap_or(after.len());
    let between = &after[..separator];
    // A key in quotes has its value in quotes, or it is a number: `'op://vault/item/password': error` is a sentence.
    let is_sentence = between.starts_with(['"', '\''])
        && !between[1..].contains(['"', '\''])
        && !after[separator..].starts_with(|c: char| c.is_ascii_digit());
    let is_sql = between.starts_with(char::is_whitespace) && between.trim_start() == "'";
    let separates = (between.contains(['=', ':']) && !is_sentence)
        || (word.eq_ignore_ascii_case("bearer") && separator > 0)
        || (is_sql && word.to_ascii_lowercase().ends_with("password"));
    // A key's own closing quote opens nothing.
    let quote = between.rsplit(['=', ':']).next().filter(|_| between.contains(['=', ':']) || is_sql);
    let quote = quote.and_then(|last| last.chars().find(|c| matches!(c, '"' | '\'')));
    separates.then_some((word.len() + separator, quote))
}

/// Whether what stands after such a word, and a sign between them, is a secret.
fn speaks_of_a_secret(word: &str) -> bool {
    const WORDS: [&str; 7] = ["authorization", "bearer", "token", "idtoken", "pwd", "privatekey", "signature"];
    const ENDS: [&str; 10] = [
        "password",
        "passwd",
        "passphrase",
        "secretaccesskey",
        "secretkey",
        "sessiontoken",
        "accesstoken",
        "refreshtoken",
        "clientsecret",
        "apikey",
    ];
    // Most words are none of these, and every place of a text is looked at.
    if word.len() < 3 {
        return false;
    }
    let word: String = word.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect();
    WORDS.contains(&word.as_str()) || ENDS.iter().any(|end| word.ends_with(end))
}

/// A word as a POSIX shell needs it: bare where it is harmless, in single quotes otherwise.
pub fn shell_word(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A command line as one would type it into a POSIX shell.
pub fn shell_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(shell_word).collect::<Vec<_>>().join(" ")
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows an ESC; answers its parameters where it was one that colours.
fn skip_escape(rest: &mut Rest<'_>) -> Option<String> {
    match rest.peek() {
        Some('[') => {
            rest.next();
            return skip_csi(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        _ => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next_if(|c| ('0'..='~').contains(c));
        }
    }
    None
}

/// Skips parameters, intermediates and the final byte of a control sequence; a broken one ends where it breaks. Answers the
/// parameters of one that colours.
fn skip_csi(rest: &mut Rest<'_>) -> Option<String> {
    let mut parameters = String::new();
    while let Some(c) = rest.next_if(|c| (' '..='?').contains(c)) {
        parameters.push(c);
    }
    (rest.next_if(|c| ('@'..='~').contains(c)) == Some('m')).then_some(parameters)
}

/// Skips a control string up to its terminator; one without terminator ends with its line, so that it hides no more.
fn skip_string(rest: &mut Rest<'_>) {
    while let Some(c) = rest.next_if(|c| !matches!(c, '\n' | '\r')) {
        match c {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Characters that change how their neighbours are shown, or that are not seen at all.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_sequences_go_and_what_they_wrap_stays() {
        for (raw, cleaned) in [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07after", "after"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bPq#0;2\x1b\\sixel", "sixel"),
            ("\u{9b}2Jc1", "c1"),
            ("\u{9d}0;title\u{9c}c1", "c1"),
            ("\x1b(Bascii\x1b7", "ascii"),
            ("bell\x07 back\x08", "bell back"),
            ("\x1b]unterminated\nnext line", "\nnext line"),
            ("\x1b[31\nbroken", "\nbroken"),
            ("user\u{202e}txt.exe\u{200b}", "usertxt.exe"),
            ("a\tb\r\nc\rd", "a       b\nc\nd"),
            ("Überfahrt ✓ 日本", "Überfahrt ✓ 日本"),
        ] {
            assert_eq!(clean(raw), cleaned, "{raw:?}");
        }
    }

    #[test]
    fn a_line_redrawn_in_place_reads_as_it_ended() {
        let raw = "start\r\n 10%\r 50%\r100% done\r\n\x1b[2K\x1b[1Gstack ok\n\nlast";
        assert_eq!(terminal_lines(raw), ["start", "100% done", "stack ok", "", "last"]);
        assert_eq!(terminal_lines("kept\r"), ["kept"]);
        assert!(terminal_lines("").is_empty());
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(clean_line("  first\n\n\tsecond \r\n"), "first second");
    }

    #[test]
    fn secrets_are_masked_by_value_and_by_shape() {
        for (raw, masked) in [
            ("the word hunter22 twice hunter22", "the word •••••• twice ••••••"),
            ("https://a1b2c3@o1.ingest.sentry.io/42", "https://••••••@o1.ingest.sentry.io/42"),
            ("postgres://app:p@ss@host:5432/db", "postgres://••••••@host:5432/db"),
            ("https://host/path@2", "https://host/path@2"),
            ("key AKIAABCDEFGHIJKLMNOP.", "key ••••••."),
            ("PGPASSWORD=geheim psql", "PGPASSWORD=•••••• psql"),
            (r#"{"password": "geheim"}"#, r#"{"password": "••••••"}"#),
            ("-H 'Authorization: Bearer abc.def' next", "-H 'Authorization: ••••••' next"),
            ("sent Bearer abc.def next", "sent Bearer •••••• next"),
            ("the password of the writer", "the password of the writer"),
            (r#"{"password":12345678}"#, r#"{"password":••••••}"#),
            (r#"{"SecretAccessKey": "a/b,c d", "Token": "x"}"#, r#"{"SecretAccessKey": "••••••", "Token": "••••••"}"#),
            ("ALTER ROLE app PASSWORD 'a;b c' VALID", "ALTER ROLE app PASSWORD '••••••' VALID"),
            ("DB_PASSWORD: ab,c;d, next", "DB_PASSWORD: ••••••, next"),
            ("dbPassword=x&user=y", "dbPassword=••••••&user=y"),
            ("?X-Amz-Security-Token=a%2Fb&X-Amz-Signature=00ff", "?X-Amz-Security-Token=••••••&X-Amz-Signature=••••••"),
            ("gh auth ghp_0123456789012345678901234567890123 ok", "gh auth •••••• ok"),
            ("password=\u{1b}[1mx", "password=\u{1b}[1mx"),
            ("NextToken=17, secret be-sentry-dsn: not found", "NextToken=17, secret be-sentry-dsn: not found"),
            (
                "could not read secret 'op://Arda-DevOAM/ARDA-API-KEY/password': error initializing client",
                "could not read secret 'op://Arda-DevOAM/ARDA-API-KEY/password': error initializing client",
            ),
            (
                "op://vault/item/password:\nAlpha002-Secrets: create",
                "op://vault/item/password:\nAlpha002-Secrets: create",
            ),
        ] {
            assert_eq!(mask(raw, &["hunter22", "abc"]), masked, "{raw}");
        }
        let token = format!("eyJ{}.{}", "a".repeat(30), "b".repeat(30));
        assert_eq!(mask(&format!("token {token} end"), &[]), "token •••••• end");
        assert_eq!(mask("a short one stays: abc", &["abc"]), "a short one stays: abc");
    }

    #[test]
    fn command_lines_can_be_pasted() {
        assert_eq!(shell_line(["aws", "rds", "--name", "it's me", ""]), r"aws rds --name 'it'\''s me' ''");
    }

    #[test]
    fn colours_are_usual_and_what_steers_a_terminal_is_not() {
        let hostile = |escapes, hidden, secrets| Some(Hostile { escapes, hidden, secrets });
        for (raw, found) in [
            ("\x1b[32mINFO\x1b[0m started\x1b[K\r\n", None),
            ("plain, https://host/path", None),
            ("\x1b]0;title\x07", hostile(true, false, false)),
            ("\x1b[2Jgone", hostile(true, false, false)),
            ("user\u{202e}txt.exe", hostile(false, true, false)),
            ("PGPASSWORD=geheim", hostile(false, false, true)),
        ] {
            assert_eq!(Hostile::of(raw), found, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_gets_through(text in any::<String>()) {
            let cleaned = clean(&text);
            prop_assert!(cleaned.chars().all(|c| c == '\n' || !(c.is_control() || is_hidden(c))));
            prop_assert_eq!(clean(&cleaned), cleaned);
        }

        #[test]
        fn a_known_secret_never_gets_through(before in ".*", secret in "[a-z0-9]{8,20}", after in ".*") {
            let masked = mask(&format!("{before}{secret}{after}"), &[&secret]);
            prop_assert!(!masked.contains(&secret));
        }
    }
}
