//! Literals in SQL: masked where a screen is shared, and always where they may be passwords.
//!
//! pg_stat_statements puts `$1` for the constants of what it can plan; utility statements (`ALTER ROLE … PASSWORD '…'`) it
//! keeps as they were typed. The lexical rules are those of PostgreSQL's own scanner (SQL Syntax, chapter 4.1); where a text
//! is cut or broken, what may be a literal counts as one.

use super::text::{MASK, mask};

/// Stands for a masked literal, as `$1` and its like stand for a normalised one.
const LITERAL: &str = "?";

/// Words after which, or within which, a string is taken for a secret.
const SECRET_WORDS: [&str; 5] = ["password", "passwd", "secret", "token", "credential"];

/// What statements of these objects say in strings is never shown: roles have passwords, and how a foreign server or a
/// publisher is reached holds one.
const SECRET_OBJECTS: [&str; 6] = ["role", "user", "group", "subscription", "server", "connection"];

/// A piece of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// A string in any of its forms.
    String,
    /// A number.
    Number,
    /// A comment.
    Comment,
    /// A keyword or a name.
    Word,
    /// Anything else: blanks, operators, parameters, quoted names.
    Other,
}

/// The text with every literal replaced by `?`, and without its comments: what remains is the statement's shape.
pub fn mask_literals(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    for (piece, text) in Pieces(sql) {
        match piece {
            Piece::String | Piece::Number => out.push_str(LITERAL),
            // A blank stays, so that its neighbours do not become one word.
            Piece::Comment => out.push(' '),
            Piece::Word | Piece::Other => out.push_str(text),
        }
    }
    out
}

/// The text with its secrets masked, as it may be kept and shown: strings of statements about roles, users, servers and
/// subscriptions, strings after a word such as `PASSWORD`, strings that speak of one, and whatever has a secret's shape.
pub fn mask_secrets(sql: &str) -> String {
    let guarded = speaks_of_secrets(sql);
    let mut out = String::with_capacity(sql.len());
    let mut after_secret = false;
    for (piece, text) in Pieces(sql) {
        match piece {
            Piece::String if guarded || after_secret || holds_secret_word(text) => out.push_str(MASK),
            // Comments are written by people, who write down what they had better not.
            Piece::Comment if holds_secret_word(text) => out.push(' '),
            _ => out.push_str(text),
        }
        match piece {
            Piece::Word => after_secret = holds_secret_word(text) || after_secret && is_between(text),
            Piece::String | Piece::Number => after_secret = false,
            Piece::Other | Piece::Comment => {}
        }
    }
    mask(&out, &[])
}

/// Whether it is a statement whose strings are never shown.
fn speaks_of_secrets(sql: &str) -> bool {
    let mut words = Pieces(sql).filter(|(piece, _)| *piece == Piece::Word).map(|(_, word)| word.to_ascii_lowercase());
    let makes = words.next().is_some_and(|first| first == "create" || first == "alter");
    makes && words.take(4).any(|word| SECRET_OBJECTS.contains(&word.as_str()))
}

fn holds_secret_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| lower.contains(word))
}

/// Words that may stand between `PASSWORD` and its value.
fn is_between(word: &str) -> bool {
    ["to", "is", "as", "encrypted"].iter().any(|between| word.eq_ignore_ascii_case(between))
}

/// The pieces of a text, one after the other; together they are the text.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = (Piece, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0;
        let first = rest.chars().next()?;
        let (piece, length) = piece_at(rest, first);
        let (text, rest) = rest.split_at(length);
        self.0 = rest;
        Some((piece, text))
    }
}

/// The piece at the beginning of a text that is not empty, with its length in bytes.
fn piece_at(rest: &str, first: char) -> (Piece, usize) {
    match first {
        '\'' => (Piece::String, string_end(rest, 1, false)),
        // A quoted name that is never closed may be anything.
        '"' => quoted_end(rest, 1).map_or((Piece::String, rest.len()), |end| (Piece::Other, end)),
        '$' => dollar(rest),
        '-' if rest.starts_with("--") => (Piece::Comment, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (Piece::Comment, comment_end(rest)),
        '0'..='9' => (Piece::Number, number_end(rest)),
        '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Piece::Number, number_end(rest)),
        c if begins_word(c) => word(rest),
        c => (Piece::Other, c.len_utf8()),
    }
}

fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii() && !c.is_whitespace()
}

fn continues_word(c: char) -> bool {
    begins_word(c) || c.is_ascii_digit() || c == '$'
}

/// A word, or a string that a letter begins: `E'…'`, `B'…'`, `X'…'`, `N'…'`, `U&'…'`.
fn word(rest: &str) -> (Piece, usize) {
    let end = rest.find(|c| !continues_word(c)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    match (name, after.chars().next()) {
        ("e" | "E", Some('\'')) => (Piece::String, string_end(rest, end + 1, true)),
        ("b" | "B" | "x" | "X" | "n" | "N", Some('\'')) => (Piece::String, string_end(rest, end + 1, false)),
        ("u" | "U", Some('&')) if after[1..].starts_with('\'') => (Piece::String, string_end(rest, end + 2, false)),
        _ => (Piece::Word, end),
    }
}

/// Where the string ends whose content begins at `from`: two quotes in it are one, and a backslash escapes where it may.
fn string_end(rest: &str, from: usize, escapes: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Where a quoted name ends; none where it does not.
fn quoted_end(rest: &str, from: usize) -> Option<usize> {
    rest[from..].find('"').map(|end| from + end + 1)
}

/// A parameter, a string in dollar quotes, or a lone dollar.
fn dollar(rest: &str) -> (Piece, usize) {
    let tag = rest[1..].find(|c| !(continues_word(c) && c != '$')).map_or(rest.len(), |end| end + 1);
    if rest[1..tag].starts_with(|c: char| c.is_ascii_digit()) {
        let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| end + 1);
        return (Piece::Other, digits);
    }
    if !rest[tag..].starts_with('$') {
        return (Piece::Other, 1);
    }
    let quote = &rest[..=tag];
    let end = rest[quote.len()..].find(quote).map_or(rest.len(), |end| quote.len() * 2 + end);
    (Piece::String, end)
}

/// Where a comment ends; comments nest.
fn comment_end(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Where a number ends, with whatever letters hang on to it: `0x1F`, `1_000`, `2.5e-3`.
fn number_end(rest: &str) -> usize {
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        let belongs = match c {
            // `1..10` are two numbers.
            '.' => before != '.' && !rest[at + 1..].starts_with('.'),
            '+' | '-' => matches!(before, 'e' | 'E') && rest[at + 1..].starts_with(|c: char| c.is_ascii_digit()),
            c => continues_word(c),
        };
        if !belongs {
            return at;
        }
        before = c;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_go_and_the_statements_shape_stays() {
        for (sql, masked) in [
            ("SELECT * FROM item WHERE eid = 'a''b' AND n > 1.5e-3", "SELECT * FROM item WHERE eid = ? AND n > ?"),
            ("SELECT $1, t1.c2 FROM t1 LIMIT 10", "SELECT $1, t1.c2 FROM t1 LIMIT ?"),
            (r"SELECT E'it\'s', U&'d\0061t', B'01', x'1F', N'n'", "SELECT ?, ?, ?, ?, ?"),
            ("DO $$ BEGIN PERFORM 'x'; END $$", "DO ?"),
            ("DO $body$ a $$ b $body$ LANGUAGE plpgsql", "DO ? LANGUAGE plpgsql"),
            ("SELECT /* who /* asks */ 'me' */ 1 -- and why\nFROM t", "SELECT   ?  \nFROM t"),
            (r#"SELECT "it's 5" FROM "t""x""#, r#"SELECT "it's 5" FROM "t""x""#),
            ("VALUES (1_000, .5, 0x1F, 1..10)", "VALUES (?, ?, ?, ?.?)"),
            ("SELECT 'cut in the mid", "SELECT ?"),
            ("SELECT $tag$ cut", "SELECT ?"),
            (r#"SELECT "cut 'x"#, "SELECT ?"),
            ("SELECT '日本', größe FROM münzen2", "SELECT ?, größe FROM münzen2"),
            (r"SELECT 'no escape\', 2", "SELECT ?, ?"),
            ("SELECT a$1$b, $a", "SELECT a$1$b, $a"),
        ] {
            assert_eq!(mask_literals(sql), masked, "{sql}");
        }
    }

    #[test]
    fn passwords_are_never_shown() {
        for sql in [
            "CREATE ROLE app LOGIN PASSWORD 'geheim1'",
            "ALTER ROLE app WITH ENCRYPTED PASSWORD 'geheim1' VALID UNTIL '2027-01-01'",
            "alter user app password $$geheim1$$",
            "ALTER/**/ROLE app PASSWORD E'geheim1'",
            "CREATE USER MAPPING FOR app SERVER far OPTIONS (user 'app', password 'geheim1')",
            "CREATE SUBSCRIPTION s CONNECTION 'host=h user=u password=geheim1' PUBLICATION p",
            "DO $$ BEGIN ALTER ROLE app PASSWORD 'geheim1'; END $$",
            "SELECT dblink_connect('host=h password=geheim1')",
            "SET app.secret TO 'geheim1'",
            "SET app.token = 'geheim1'",
            "SELECT 1 -- password is geheim1",
            "COPY t FROM PROGRAM 'curl https://me:geheim1@host/x'",
            "ALTER ROLE app PASSWORD 'geheim1",
        ] {
            let masked = mask_secrets(sql);
            assert!(!masked.contains("geheim1"), "{masked}");
            assert_eq!(mask_secrets(&masked), masked, "{sql}");
        }
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        for sql in [
            "SELECT name FROM item WHERE status = 'open' /* by screen 7 */",
            "SELECT password_changed_at FROM account WHERE eid = $1 AND status = 'open'",
            "CREATE INDEX ON t (a) WHERE status = 'open'",
        ] {
            assert_eq!(mask_secrets(sql), sql);
        }
    }

    /// A literal that holds the sentinel, in one of the forms that PostgreSQL knows.
    fn literal() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z ,;()]{0,6}".prop_map(|text| format!("'{text}7777{text}'")),
            "[a-z '\"]{0,6}".prop_map(|text| format!("$q${text}7777{text}$q$")),
            "[a-z]{0,6}".prop_map(|text| format!(r"E'\'{text}7777\\'")),
            "[a-z]{0,6}".prop_map(|text| format!("'it''s {text}7777'")),
            Just("7777".to_owned()),
            Just("7777.25e3".to_owned()),
            "[a-z '\"]{0,6}".prop_map(|text| format!("/* {text} /* 7777 */ {text} */")),
            "[a-z '\"]{0,6}".prop_map(|text| format!("--{text} 7777\n")),
        ]
    }

    proptest! {
        #[test]
        fn no_literal_survives(parts in prop::collection::vec(("[ (,=a-z]{0,4}[ (,=]", literal()), 0..8)) {
            let sql: String = parts.iter().map(|(before, literal)| format!("{before}{literal} ")).collect();
            prop_assert!(!mask_literals(&sql).contains("7777"), "{sql}");
        }

        #[test]
        fn what_is_masked_stays_as_it_is(text in any::<String>()) {
            let masked = mask_literals(&text);
            prop_assert_eq!(mask_literals(&masked), masked);
        }

        #[test]
        fn sql_like_noise_is_masked_once_and_for_all(text in r#"[-a-zE$'"/*\\0-9.;&U\n ]{0,40}"#) {
            let masked = mask_literals(&text);
            prop_assert_eq!(mask_literals(&masked), masked);
        }

        #[test]
        fn a_password_of_a_role_is_never_shown(
            verb in "(CREATE|alter) (ROLE|USER)",
            name in "[a-z]{1,8}",
            password in "[0-9]{6,12}",
        ) {
            let sql = format!("{verb} {name} PASSWORD '{password}'");
            prop_assert!(!mask_secrets(&sql).contains(&password));
        }
    }
}
