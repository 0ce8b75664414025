//! A sign-in by HTTP alone, where there is no browser: what the server does is seen, what the page's scripts do is not.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, Url};
use secrecy::ExposeSecret as _;

use super::{Credentials, SignIn, Visit, Visited};
use crate::clients::cause::{is_connect, root_words};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::event::{AppMeasure, AppRequest};
use crate::runbook::text::{clean_line, mask};

const CALL: &str = "http check";

/// How much of a page is read, in bytes: a sign-in page is a hundredth of it, and one without end must not fill the memory.
const LONGEST_PAGE: usize = 2 << 20;

/// How many forms of a page are looked at, and how far into each, in bytes.
const MOST_FORMS: usize = 32;
const LONGEST_FORM: usize = 64 << 10;

/// Signs in by HTTP: the front page, its sign-in form, the page where that leads.
pub async fn http_check(visit: &Visit, credentials: &Credentials) -> Result<Visited, Trouble> {
    match tokio::time::timeout(visit.limit, check(visit, credentials)).await {
        Ok(visited) => visited,
        Err(_) => {
            let words = format!("{} took longer than {} s", visit.url, visit.limit.as_secs());
            Err(Trouble::new(CALL, TroubleKind::NoAnswer, words))
        }
    }
}

async fn check(visit: &Visit, credentials: &Credentials) -> Result<Visited, Trouble> {
    let client = Client::builder().cookie_store(true).connect_timeout(Duration::from_secs(5)).build();
    let client = client.map_err(|error| trouble(&error))?;
    let secrets = [credentials.username.expose_secret(), credentials.password.expose_secret()];
    let spoken = |text: &str| mask(&clean_line(text), &secrets);
    let mut requests = Vec::new();
    let front = fetch("GET", client.get(&visit.url), &mut requests).await?;
    let notices = banner(&front.body).map(|text| spoken(&text)).into_iter().collect();
    let Some(form) = Form::find(&front.body) else {
        return Ok(visited(SignIn::NoForm, notices, &front, requests, &spoken));
    };
    let action =
        front.url.join(&form.action).map_err(|error| Trouble::new(CALL, TroubleKind::Malformed, error.to_string()))?;
    if action.origin() != front.url.origin() {
        // The credentials belong to this application, whatever its page says.
        let words = format!("the sign-in form leads to {action}, elsewhere than {}; nothing was sent", front.url);
        return Err(Trouble::new(CALL, TroubleKind::Refused, words));
    }
    let fields = form.filled(secrets[0], secrets[1]);
    let landing = fetch("POST", client.post(action).form(&fields), &mut requests).await?;
    let is_in = landing.status < 400 && Form::find(&landing.body).is_none();
    let sign_in = if is_in {
        SignIn::Accepted
    } else {
        SignIn::Refused { banner: banner(&landing.body).map(|text| spoken(&text)) }
    };
    if sign_in == SignIn::Accepted {
        for path in &visit.requests {
            ask(&client, &landing.url, path, &mut requests).await?;
        }
    }
    Ok(visited(sign_in, notices, &landing, requests, &spoken))
}

/// Gets a path of the application's; again where it is refused at first, as its own page does.
async fn ask(client: &Client, page: &Url, path: &str, requests: &mut Vec<AppRequest>) -> Result<(), Trouble> {
    let url = page.join(path).map_err(|error| Trouble::new(CALL, TroubleKind::Malformed, error.to_string()))?;
    for _ in 0..2 {
        if fetch("GET", client.get(url.clone()), requests).await?.status != 401 {
            break;
        }
    }
    Ok(())
}

fn visited(
    sign_in: SignIn,
    notices: Vec<String>,
    page: &Page,
    requests: Vec<AppRequest>,
    spoken: &dyn Fn(&str) -> String,
) -> Visited {
    let measure = AppMeasure {
        by: "http".to_owned(),
        landed: Some(spoken(page.url.as_str())),
        timings: vec![("responseStart".to_owned(), page.start), ("responseEnd".to_owned(), page.end)],
        requests,
        console_errors: Vec::new(),
        anomalies: Vec::new(),
        screenshot: None,
    };
    Visited { sign_in, notices, measure }
}

/// A page with how long it took, redirections included.
struct Page {
    url: Url,
    status: u16,
    body: String,
    /// Milliseconds until its head was there.
    start: u64,
    /// Milliseconds until it was there.
    end: u64,
}

async fn fetch(
    method: &str,
    request: reqwest::RequestBuilder,
    requests: &mut Vec<AppRequest>,
) -> Result<Page, Trouble> {
    let began = Instant::now();
    let millis = |began: Instant| u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (client, request) = request.build_split();
    let request = request.map_err(|error| trouble(&error))?;
    let path = request.url().path().to_owned();
    let answer: Response = client.execute(request).await.map_err(|error| trouble(&error))?;
    let (url, status, start) = (answer.url().clone(), answer.status().as_u16(), millis(began));
    let body = beginning(answer).await?;
    let end = millis(began);
    requests.push(AppRequest { method: method.to_owned(), url: path, status, millis: end });
    Ok(Page { url, status, body, start, end })
}

/// A page's text, as much of it as is read of any.
async fn beginning(mut answer: Response) -> Result<String, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| trouble(&error))? {
        body.extend_from_slice(&chunk[..chunk.len().min(LONGEST_PAGE - body.len())]);
        if body.len() == LONGEST_PAGE {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn trouble(error: &reqwest::Error) -> Trouble {
    let kind = if error.is_builder() {
        TroubleKind::Refused
    } else if error.is_connect() || is_connect(error) {
        TroubleKind::Unreachable
    } else if error.is_decode() {
        TroubleKind::Malformed
    } else {
        TroubleKind::NoAnswer
    };
    Trouble::new(CALL, kind, root_words(error))
}

/// What a page says to whoever wants to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInPage {
    /// Names of the fields that are sent, hidden ones first; none where there is no sign-in form.
    pub fields: Option<Vec<String>>,
    /// What it says in an alert, such as that a session has expired.
    pub alert: Option<String>,
}

/// Reads a page. It may be anything, of any length.
pub fn sign_in_page(page: &str) -> SignInPage {
    let names = |form: Form| form.filled("", "").into_iter().map(|(name, _)| name.to_owned()).collect();
    SignInPage { fields: Form::find(page).map(names), alert: banner(page) }
}

/// A sign-in form: one with a password field.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    action: String,
    /// Name of the field for the user's name.
    username: String,
    /// Name of the field for the password.
    password: String,
    /// Fields that the page filled in itself, against forged requests for one.
    hidden: Vec<(String, String)>,
}

impl Form {
    /// The first sign-in form of a page.
    fn find(page: &str) -> Option<Self> {
        let mut rest = page;
        for _ in 0..MOST_FORMS {
            let start = find_tag(rest, "<form")?;
            let (form_tag, after) = tag(&rest[start..]);
            let inner = &after[..after.floor_char_boundary(LONGEST_FORM)];
            let inner = &inner[..find_tag(inner, "</form").unwrap_or(inner.len())];
            if let Some(form) = Self::read(form_tag, inner) {
                return Some(form);
            }
            rest = after;
        }
        None
    }

    fn read(form_tag: &str, inner: &str) -> Option<Self> {
        let (mut username, mut password, mut hidden) = (None, None, Vec::new());
        let mut rest = inner;
        while let Some(start) = find_tag(rest, "<input") {
            let (input, after) = tag(&rest[start..]);
            rest = after;
            let Some(name) = attribute(input, "name") else { continue };
            match attribute(input, "type").unwrap_or_default().to_ascii_lowercase().as_str() {
                "password" => password = password.or(Some(name)),
                "hidden" => hidden.push((name, attribute(input, "value").unwrap_or_default())),
                "" | "text" | "email" => username = username.or(Some(name)),
                _ => {}
            }
        }
        let action = attribute(form_tag, "action").unwrap_or_default();
        Some(Self { action, username: username?, password: password?, hidden })
    }

    fn filled<'a>(&'a self, username: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
        let given = [(self.username.as_str(), username), (self.password.as_str(), password)];
        self.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(given).collect()
    }
}

/// What the page says in an element with the role of an alert.
fn banner(page: &str) -> Option<String> {
    let start = page.find("role=\"alert\"").or_else(|| page.find("role='alert'"))?;
    let after = &page[start..];
    let inner = &after[after.find('>')? + 1..];
    let mut text = String::new();
    let mut in_tag = false;
    for c in inner[..inner.find("</")?].chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => in_tag = false,
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    let text = unescape(text.trim());
    (!text.is_empty()).then_some(text)
}

/// Where the next tag begins that reads so, bracket included, in large letters or small ones. It looks no further than there: a
/// page may hold a hundred thousand tags.
fn find_tag(page: &str, tag: &str) -> Option<usize> {
    let is_it = |at: &usize| {
        let rest = &page[*at..];
        rest.get(..tag.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(tag))
            && rest[tag.len()..].starts_with(|c: char| c.is_whitespace() || "/>".contains(c))
    };
    page.match_indices('<').map(|(at, _)| at).find(is_it)
}

/// The tag at the beginning, without its brackets, and what comes after it. A bracket in quotes ends no tag.
fn tag(text: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return (&text[1..at], &text[at + 1..]),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    (&text[text.len().min(1)..], "")
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let key = format!("{name}=");
    let at = lower.match_indices(&key).map(|(at, _)| at).find(|at| lower[..*at].ends_with(char::is_whitespace))?;
    let value = &tag[at + key.len()..];
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
        _ => value.split(|c: char| c.is_whitespace() || c == '>').next(),
    };
    value.map(unescape)
}

fn unescape(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_in_form_is_found_among_others() {
        let page = r#"<form action="/search"><input name=q></form>
            <FORM method="post" action='/signin?a=1&amp;b=2'>
            <input type="hidden" name="csrf" value="x>y&quot;"><input type="checkbox" name="remember">
            <input name="email" type="email"><input type=password name=secret></FORM>"#;
        let form = Form::find(page);
        let expected = Form {
            action: "/signin?a=1&b=2".to_owned(),
            username: "email".to_owned(),
            password: "secret".to_owned(),
            hidden: vec![("csrf".to_owned(), "x>y\"".to_owned())],
        };
        assert_eq!(form, Some(expected));
        assert_eq!(Form::find("<format><input type=password name=p>"), None);
    }

    #[test]
    fn a_page_of_nothing_but_tags_is_read_in_no_time() {
        let began = Instant::now();
        for piece in
            ["<input name=a>", "<form>", "<form><input '", "<form a='", "</form", "<input type=password name=p>", "<"]
        {
            let page = piece.repeat(LONGEST_PAGE / piece.len());
            assert_eq!(Form::find(&format!("<form>{page}")), None, "{piece}");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn banners_are_read_as_text() {
        assert_eq!(banner(r#"<p role="alert" class="b">It&#39;s <b>wrong.</p>"#).as_deref(), Some("It's wrong."));
        assert_eq!(banner("<p>nothing</p>"), None);
    }
}
