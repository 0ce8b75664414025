//! The pages, as small as they can be and still be used by a browser.

use serde_json::json;

use super::requests::{EMAIL_HASH, NOISE, Profile};

const STYLE: &str = "body{font-family:sans-serif;margin:3rem;background:#fcfcfa;color:#222}\
    form{display:grid;gap:.75rem;max-width:20rem}[role=alert]{color:#a00}nav a{margin-right:1rem}";

/// The sign-in page, with a banner where there is something to say.
pub fn sign_in(banner: Option<&str>) -> String {
    let banner = banner.map_or_else(String::new, |text| format!("<p role=\"alert\" class=\"banner\">{text}</p>"));
    page(
        "Sign in",
        &format!(
            "<h1>Sign in</h1>{banner}\
             <form method=\"post\" action=\"/signin\">\
             <label>Username <input name=\"username\" type=\"text\" autocomplete=\"username\" required></label>\
             <label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
             <button type=\"submit\">Sign in</button></form>"
        ),
    )
}

/// The items page: it shows its content once its requests are through, as the real one does.
pub fn items(user: &str, profile: &Profile, retried: bool, noise: bool) -> String {
    let mut requests: Vec<_> = profile.requests.to_vec();
    let hashes = || profile.requests.iter().filter(|(_, path, _)| *path == EMAIL_HASH).count();
    if retried && hashes() > 1 {
        // The page itself asks again after a refusal.
        let first = requests.iter().position(|(_, path, _)| *path == EMAIL_HASH);
        first.map(|index| requests.remove(index));
    }
    let requests: Vec<_> = requests.iter().map(|(method, path, _)| json!({ "method": method, "path": path })).collect();
    let console: Vec<_> = profile
        .console
        .iter()
        .chain(noise.then_some(&NOISE))
        .map(|(text, times)| json!({ "text": text, "times": times }))
        .collect();
    let data = json!({ "user": user, "requests": requests, "console": console }).to_string().replace('<', "\\u003c");
    page(
        "Items",
        &format!(
            "<div id=\"app\"></div><script type=\"application/json\" id=\"data\">{data}</script><script>{SCRIPT}</script>"
        ),
    )
}

/// Signing in comes first, then everything else at once.
const SCRIPT: &str = r#"
const data = JSON.parse(document.getElementById("data").textContent);
async function ask(request) {
  let answer = await fetch(request.path, { method: request.method, credentials: "same-origin" });
  if (answer.status === 401) answer = await fetch(request.path, { method: request.method, credentials: "same-origin" });
  return answer;
}
function show(failed) {
  const app = document.getElementById("app");
  const nav = document.createElement("nav");
  for (const title of ["Dashboard", "Items", "Order Queue", "Receiving"]) {
    const link = document.createElement("a");
    link.textContent = title;
    link.href = "/items";
    nav.append(link);
  }
  const user = document.createElement("p");
  user.id = "user-menu";
  user.textContent = data.user;
  const state = document.createElement("p");
  state.textContent = failed ? failed + " requests failed" : "Items are up to date";
  state.id = failed ? "trouble" : "ready";
  const title = document.createElement("h1");
  title.textContent = "Items";
  app.append(nav, user, title, state);
}
(async () => {
  const first = data.requests.filter(request => request.path.startsWith("/api/auth/"));
  const rest = data.requests.filter(request => !request.path.startsWith("/api/auth/"));
  let failed = 0;
  const count = answer => { if (!answer.ok) failed += 1; };
  for (const request of first) count(await ask(request));
  for (const answer of await Promise.all(rest.map(ask))) count(answer);
  for (const line of data.console) for (let n = 0; n < line.times; n += 1) console.error(line.text);
  show(failed);
})();
"#;

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>{body}</body></html>"
    )
}
