//! A thousand requests that no SDK would send: each gets its protocol's own error, and the site goes on.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use fastrand::Rng;
use reqwest::{Client, Method, RequestBuilder};

use super::tests::endpoint;
use crate::sim::world::now;

/// A request that a real client could have sent.
#[derive(Clone)]
struct Request {
    service: &'static str,
    content_type: &'static str,
    target: Option<&'static str>,
    cbor: bool,
    path: &'static str,
    body: Vec<u8>,
}

fn requests() -> Vec<Request> {
    let form = |service, body: &str| Request {
        service,
        content_type: "application/x-www-form-urlencoded; charset=utf-8",
        target: None,
        cbor: false,
        path: "/",
        body: body.into(),
    };
    let json = |service, target, body: &str| Request {
        content_type: "application/x-amz-json-1.1",
        target: Some(target),
        ..form(service, body)
    };
    // {"MetricDataQueries": [], "StartTime": 1(0), "EndTime": 1(1e9)}
    let cbor = b"\xa3\x71MetricDataQueries\x80\x69StartTime\xc1\x00\x67EndTime\xc1\x1a\x3b\x9a\xca\x00".to_vec();
    let data = "/service/GraniteServiceVersion20100801/operation/GetMetricData";
    vec![
        form("rds", "Action=DescribeDBClusters&Version=2014-10-31&MaxRecords=20&Filters.Filter.1.Name=engine"),
        form(
            "rds",
            "Action=ModifyDBClusterParameterGroup&Version=2014-10-31&DBClusterParameterGroupName=x&Parameters.Parameter.1.ParameterName=y",
        ),
        form("rds", "Action=DescribeEvents&Version=2014-10-31&Duration=30&StartTime=2026-05-14T19%3A03%3A03Z"),
        form("cloudformation", "Action=DescribeStackEvents&Version=2010-05-15&StackName=Alpha001-Compute&NextToken=5"),
        form("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
        json("secretsmanager", "secretsmanager.GetSecretValue", r#"{"SecretId":"Alpha001-SentryDsn"}"#),
        json(
            "pi",
            "PerformanceInsightsv20180227.GetResourceMetrics",
            r#"{"ServiceType":"RDS","Identifier":"db-X","StartTime":1,"EndTime":1e9,"PeriodInSeconds":60,"MetricQueries":[{"Metric":"db.load.avg"}]}"#,
        ),
        json(
            "logs",
            "Logs_20140328.FilterLogEvents",
            r#"{"logGroupName":"/aws/rds/cluster/alpha001-prod-auroracluster/postgresql","limit":5,"nextToken":"7","startTime":-9223372036854775808}"#,
        ),
        Request { content_type: "application/cbor", cbor: true, path: data, body: cbor, ..form("monitoring", "") },
    ]
}

/// Sends a request with one or more things wrong with it.
fn spoilt(client: &Client, address: &str, key: &str, rng: &mut Rng) -> (RequestBuilder, &'static str) {
    let mut request = rng.choice(requests()).unwrap();
    for _ in 0..rng.usize(1..4) {
        let place = rng.usize(..request.body.len().max(1));
        match rng.u8(..8) {
            0 => request.body.truncate(place),
            1 if !request.body.is_empty() => request.body[place] = rng.u8(..),
            2 => request.body.extend((0..rng.usize(1..40)).map(|_| rng.u8(..))),
            3 => request
                .body
                .splice(
                    place..place,
                    rng.choice([&b"%zz"[..], b"%", b"&&==", b"\0", b"9999999999999999999", b"-1", b"{{[["])
                        .unwrap()
                        .iter()
                        .copied(),
                )
                .for_each(drop),
            4 => request.body = (0..rng.usize(..200)).map(|_| rng.u8(..)).collect(),
            5 => {
                request.target =
                    rng.choice([None, Some("x"), Some(""), Some("Logs_20140328.Nothing"), Some("...")]).unwrap()
            }
            6 => {
                request.content_type =
                    rng.choice(["text/plain", "application/json", "multipart/form-data", ""]).unwrap()
            }
            _ => request.body.clear(),
        }
    }
    let at = now();
    let (day, moment) = (at.strftime("%Y%m%d"), at.strftime("%Y%m%dT%H%M%SZ").to_string());
    let service = request.service;
    let good = format!(
        "AWS4-HMAC-SHA256 Credential={key}/{day}/us-east-1/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
        "5a".repeat(32)
    );
    let authorization = match rng.u8(..6) {
        0 => Some(good[..rng.usize(..good.len())].to_owned()),
        1 => Some(good.replacen('/', "//", 1)),
        2 if rng.bool() => None,
        _ => Some(good),
    };
    let method =
        rng.choice([Method::POST, Method::POST, Method::POST, Method::GET, Method::PUT, Method::DELETE]).unwrap();
    let mut builder =
        client.request(method, format!("{address}{}", request.path)).header("content-type", request.content_type);
    builder = builder.header("x-amz-date", if rng.u8(..20) == 0 { "yesterday".to_owned() } else { moment });
    if let Some(authorization) = authorization {
        builder = builder.header("authorization", authorization);
    }
    if let Some(target) = request.target {
        builder = builder.header("x-amz-target", target);
    }
    if request.cbor {
        builder = builder.header("smithy-protocol", "rpc-v2-cbor");
    }
    (builder.body(request.body), service)
}

#[tokio::test]
async fn a_thousand_malformed_requests_get_the_protocols_own_errors() {
    let (site, config) = endpoint(1.0).await;
    let address = config.endpoint_url().unwrap().to_owned();
    let key = site.read(|world| world.accounts[1].access_key.clone());
    let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut rng = Rng::with_seed(479);
    let mut refused = 0;
    for number in 0..1000 {
        let (request, service) = spoilt(&client, &address, &key, &mut rng);
        let answer = request.send().await.unwrap_or_else(|error| panic!("{number} {service}: no answer: {error:?}"));
        let status = answer.status();
        assert!(!status.is_server_error(), "{number} {service}: {status}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let body = answer.bytes().await.unwrap();
        if status.is_success() {
            continue;
        }
        refused += 1;
        let code = match kind.as_str() {
            "text/xml" => {
                let text = String::from_utf8(body.to_vec()).unwrap();
                text.split_once("<Code>").and_then(|(_, rest)| Some(rest.split_once("</Code>")?.0.to_owned()))
            }
            "application/cbor" => super::cbor::read(&body).unwrap()["__type"].as_str().map(str::to_owned),
            "application/x-amz-json-1.1" => {
                serde_json::from_slice::<serde_json::Value>(&body).unwrap()["__type"].as_str().map(str::to_owned)
            }
            other => panic!("{number} {service}: {status} as {other}"),
        };
        assert!(code.is_some_and(|code| !code.is_empty()), "{number} {service}: {status} without a code");
    }
    assert!(refused > 700, "only {refused} of 1000 were refused");
    let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    assert!(identity.account().is_some(), "the site goes on");
}
