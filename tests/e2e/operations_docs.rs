//! docs/operations.md and docs/grafana.json: command lines that the program takes, rights that are enough and no more, metrics that there
//! are.

use std::collections::BTreeSet;

use billing_testkit::Postgres;
use serde::Deserialize;

use crate::billing::{ndjson, run};
use crate::conversation::{Connection, Request};
use crate::host::Host;
use crate::ingest::post;
use crate::ledger::noted;
use crate::place::Place;
use crate::sync_docs::{calls, is_taken};

const DOCS: &str = include_str!("../../docs/operations.md");
const SERVER: &str = include_str!("../../docs/server.md");
const DASHBOARD: &str = include_str!("../../docs/grafana.json");

/// The blocks of a language in the document.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    DOCS.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn what_the_document_says_can_be_typed() {
    let calls = calls(DOCS);
    let named: BTreeSet<&str> = calls.iter().map(|call| call[0].as_str()).collect();
    assert!(["check", "keys", "serve", "status"].iter().all(|name| named.contains(name)), "{calls:?}");
    calls.iter().for_each(|call| is_taken(call));
}

#[test]
fn the_rights_that_are_given_are_enough_and_no_more() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let place = Place::new();
    let [roles, rights] = blocks("sql").try_into().unwrap();
    // A database is made by a statement of its own.
    for statement in roles.split_inclusive(';') {
        postgres.sql(&postgres.url("postgres"), statement);
    }
    let url_of = |role: &str| postgres.url("billing").replace("billing@", &format!("{role}@"));
    let [owner, server, reader] = ["billing_owner", "billing_server", "billing_reader"].map(url_of);
    postgres.sql(&owner, rights);
    let file = place.write("some.ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")]));
    run(&["import", &file, "--ledger", &server]).failed(1, "permission denied for schema billing");
    let key = run(&["keys", "create", "--ledger", &owner]).done();
    let ingest = run(&["keys", "create", "--kind", "ingest", "--ledger", &server]).done();

    run(&["import", &file, "--ledger", &server]).done();
    run(&["accounts", "set", "--diem-allocation", "1", "--ledger", &server]).done();
    let host = Host::start(&server, &[]);
    let batch = |name: &str| {
        let rows = ndjson(&[noted("2026-05-02T00:00:00Z", "")]);
        post(ingest.text().trim_end(), name, "application/x-ndjson", rows)
    };
    assert_eq!(host.ask(&batch("one")).status, 201);
    assert_eq!(
        host.export(key.text().trim_end(), &["-o", "-", "--format", "ndjson"]).done().entries().len(),
        2
    );
    assert_eq!(host.ask(&Request::get("/readyz")).status, 200);
    for reading in [&server, &reader] {
        run(&["check", "--ledger", reading]).done();
        run(&["report", "--ledger", reading]).done();
        run(&["statusline", "--ledger", reading]).done();
        run(&["status", "--ledger", reading]).done();
        assert_eq!(
            run(&["export", "--from-ledger", reading, "--format", "ndjson"]).done().entries().len(),
            2
        );
    }
    run(&["import", &file, "--again", "--ledger", &reader]).failed(1, "permission denied for table");
    let refused = |url: &str, sql: &str| {
        let mut psql = std::process::Command::new(postgres.programs().join("psql"));
        let done = psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]).output().unwrap();
        assert!(!done.status.success(), "{sql}");
    };
    refused(&server, "DROP TABLE billing.entries");
    refused(&server, "TRUNCATE billing.entries");
    refused(&server, "CREATE TABLE billing.mine (id int)");
    refused(&reader, "DELETE FROM billing.entries");
    refused(&reader, "CREATE TEMPORARY TABLE mine (id int)");
    // A server of readers alone says that it takes no batch.
    let reading = Host::start(&reader, &[]);
    assert_eq!(reading.ask(&batch("one")).status, 201, "it is there");
    let answer = reading.ask(&batch("other"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("the ledger can only be read"), "{}", answer.text());
}

#[derive(Deserialize)]
struct Dashboard {
    panels: Vec<Panel>,
}

#[derive(Deserialize)]
struct Panel {
    id: u32,
    title: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    expr: String,
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c == '_';
    text.split(|c: char| !is_of_name(c)).filter(|word| word.starts_with("billing_")).collect()
}

#[test]
fn every_metric_that_is_spoken_of_is_there() {
    let Some(postgres) = Postgres::need() else { return };
    let url = postgres.database();
    let ingest = run(&["keys", "create", "--kind", "ingest", "--ledger", &url]).done();
    let host = Host::start(&url, &["--metrics-listen", "127.0.0.1:0"]);
    let batch = ndjson(&[noted("2026-05-02T00:00:00Z", "")]);
    assert_eq!(host.ask(&post(ingest.text().trim_end(), "1", "application/x-ndjson", batch)).status, 201);
    let mut operator = Connection::open(&host.metrics_address()).unwrap();
    let answer = operator.ask(&Request::get("/metrics")).unwrap();
    let there = metrics(answer.text());

    let dashboard: Dashboard = serde_json::from_str(DASHBOARD).unwrap();
    let ids: BTreeSet<u32> = dashboard.panels.iter().map(|panel| panel.id).collect();
    assert_eq!(ids.len(), dashboard.panels.len(), "each panel has its own number");
    let expressions =
        dashboard.panels.iter().flat_map(|panel| &panel.targets).map(|target| target.expr.as_str());
    let rules = blocks("yaml");
    let asked: BTreeSet<&str> = expressions.chain(rules.iter().copied()).flat_map(metrics).collect();
    assert!(asked.len() > 10, "{asked:?}");
    for name in &asked {
        assert!(there.contains(name), "{name} is not in {there:?}");
    }
    let of_pool = dashboard.panels.iter().any(|panel| {
        panel.title.contains("Connections") && panel.targets[0].expr.contains("billing_ledger_connections")
    });
    assert!(of_pool);
    // And every metric is in the document, but for the parts of histograms.
    let (_, section) = SERVER.split_once("\n### Metrics\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let documented = metrics(section);
    for name in there {
        let base = ["_bucket", "_sum", "_count", "_total"].iter().find_map(|end| name.strip_suffix(end));
        let is_of_another_currency = name.contains("_spend_") || name.contains("_credit_");
        let is_named = documented.contains(name) || base.is_some_and(|base| documented.contains(base));
        let has_total = documented.contains(format!("{name}_total").as_str());
        assert!(is_named || has_total || is_of_another_currency, "{name} is not documented");
    }
}
