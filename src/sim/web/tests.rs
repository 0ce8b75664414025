#![allow(clippy::unwrap_used)]

use reqwest::redirect::Policy;
use tokio::net::TcpListener;

use super::*;
use crate::sim::testing;

/// The application of dev, so fast that its answer times vanish.
async fn application() -> (Arc<Site>, String, reqwest::Client) {
    let site = testing::site(20_000.0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = router(site.clone(), "dev");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = reqwest::Client::builder().cookie_store(true).redirect(Policy::limited(5)).build().unwrap();
    (site, address, client)
}

async fn sign_in(site: &Site, address: &str, client: &reqwest::Client) -> reqwest::Response {
    let (username, password) = site.read(|world| vault::sign_in(world, "dev"));
    let form = [("username", username), ("password", password)];
    client.post(format!("{address}/signin")).form(&form).send().await.unwrap()
}

#[tokio::test]
async fn the_front_page_leads_to_the_sign_in_page_and_from_there_to_the_items() {
    let (site, address, client) = application().await;
    let front = client.get(&address).send().await.unwrap();
    assert_eq!((front.url().path(), front.status().as_u16()), ("/signin", 200));
    let landed = sign_in(&site, &address, &client).await;
    assert_eq!((landed.url().path(), landed.url().query()), ("/items", Some("justSignedIn=true")));
    assert!(landed.text().await.unwrap().contains("/api/arda/items/query-ssrm"));
}

#[tokio::test]
async fn a_wrong_password_stays_on_the_sign_in_page_with_a_banner() {
    let (_site, address, client) = application().await;
    let form = [("username", "somebody"), ("password", "wrong")];
    let answer = client.post(format!("{address}/signin")).form(&form).send().await.unwrap();
    assert_eq!(answer.url().path(), "/signin");
    assert!(answer.text().await.unwrap().contains("role=\"alert\""));
    let items = client.get(format!("{address}/items")).send().await.unwrap();
    assert_eq!(items.url().path(), "/signin");
}

#[tokio::test]
async fn a_session_of_another_day_has_expired() {
    let (_site, address, client) = application().await;
    let items = client.get(format!("{address}/items")).header("cookie", "session=old").send().await.unwrap();
    assert!(items.text().await.unwrap().contains("Your session has expired"));
}

#[tokio::test]
async fn the_first_email_hash_is_refused_and_the_second_answered() {
    let (site, address, client) = application().await;
    let ask = || client.get(format!("{address}{}", requests::EMAIL_HASH)).send();
    assert_eq!(ask().await.unwrap().status().as_u16(), 401, "not signed in");
    sign_in(&site, &address, &client).await;
    let statuses = [ask().await.unwrap().status().as_u16(), ask().await.unwrap().status().as_u16()];
    assert_eq!(statuses, [401, 200]);
}

#[tokio::test]
async fn without_a_writer_everything_but_the_pages_answers_503() {
    let (site, address, client) = application().await;
    sign_in(&site, &address, &client).await;
    site.change(|world| world.partition("dev").unwrap().cluster.writer = None);
    let health = client.get(format!("{address}/health")).send().await.unwrap();
    assert_eq!(health.status().as_u16(), 503);
    let items = client.post(format!("{address}/api/arda/items/query-ssrm")).send().await.unwrap();
    assert_eq!(items.status().as_u16(), 503);
}
