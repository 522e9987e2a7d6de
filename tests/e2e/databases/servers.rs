//! Several servers of one database: each answers for all, but for what each counts by itself.

use billing_testkit::{Postgres, Stop};

use crate::billing::{ndjson, run};
use crate::conversation::{Answer, Connection, Request};
use crate::host::{BALANCE, HISTORY, Host, USAGE};
use crate::ingest::post;
use crate::ledger::{noted, real_entries};
use crate::place::Place;

/// Makes a key to the account `default`.
fn key(ledger: &str, kind: &str) -> String {
    run(&["keys", "create", "--ledger", ledger, "--kind", kind]).done().text().trim_end().to_owned()
}

fn ids(ledger: &str) -> Vec<String> {
    let list = run(&["keys", "list", "--ledger", ledger, "--json"]).done();
    let lines = list.text().lines().filter_map(|line| line.trim().strip_prefix(r#""id": ""#));
    lines.map(|line| line.trim_end_matches("\",").to_owned()).collect()
}

#[test]
fn a_walk_goes_on_at_another_server_and_a_revoked_key_opens_none() {
    let Some(postgres) = Postgres::need() else { return };
    let (url, place) = (postgres.database(), Place::new());
    let entries = &real_entries()[..1_000];
    run(&["import", &place.write("some.ndjson", ndjson(entries)), "--ledger", &url]).done();
    let (admin, ingest) = (key(&url, "admin"), key(&url, "ingest"));
    let hosts = [(); 3].map(|()| Host::start(&url, &[]));
    let get = |host: &Host, target: &str| host.ask(&Request::get(target).bearing(&admin));

    let (mut walked, mut pages) = (Vec::new(), 0);
    let mut target =
        format!("{HISTORY}?pageSize=100&until=2026-07-01T00:00:00Z").replace("until", "endTimestamp");
    loop {
        let page: Answer = get(&hosts[pages % 3], &target);
        assert_eq!(page.status, 200, "{}", page.text());
        let page = billing_model::Page::from_history_json(page.text()).unwrap();
        walked.extend(page.entries);
        pages += 1;
        // What comes in meanwhile, at any of them, is of the next walk.
        let name = format!("batch-{pages}");
        let rows = ndjson(&[noted("2026-05-01T00:00:00Z", &name)]);
        let batch = post(&ingest, &name, "application/x-ndjson", rows);
        for host in &hosts {
            let stored = host.ask(&batch);
            assert_eq!(stored.status, 201, "{}", stored.text());
        }
        match page.paging {
            billing_model::Paging::ByCursor(Some(cursor)) => target = format!("{HISTORY}?cursor={cursor}"),
            _ => break,
        }
    }
    assert_eq!(pages, 10);
    assert!(walked == entries);
    let total = |answer: Answer| billing_model::Page::from_usage_json(answer.text()).unwrap().paging;
    for host in &hosts {
        let billing_model::Paging::ByNumber(numbers) = total(get(host, &format!("{USAGE}?limit=1"))) else {
            panic!("no numbers")
        };
        assert_eq!(numbers.total, 1_010, "each batch is there once");
    }

    for id in ids(&url) {
        run(&["keys", "revoke", &id, "--ledger", &url]).done();
    }
    for host in &hosts {
        for target in [USAGE, HISTORY, BALANCE] {
            assert_eq!(get(host, target).status, 401, "at the next request");
        }
        let refused = host.ask(&post(&ingest, "late", "application/x-ndjson", Vec::new()));
        assert_eq!(refused.status, 401);
    }
}

#[test]
fn each_server_counts_its_own_requests_and_connections() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let url = postgres.database();
    let admin = key(&url, "admin");
    let limited = format!("{url}&connections=5");
    let flags = ["--rate-limit", "1", "--metrics-listen", "127.0.0.1:0"];
    let hosts = [(); 2].map(|()| Host::start(&limited, &flags));
    let ask = |host: &Host| host.ask(&Request::get(BALANCE).bearing(&admin)).status;
    assert_eq!(hosts.each_ref().map(ask), [200, 200]);
    assert_eq!(hosts.each_ref().map(ask), [429, 429]);

    let metrics = |host: &Host| {
        let mut operator = Connection::open(&host.metrics_address()).unwrap();
        operator.ask(&Request::get("/metrics")).unwrap().text().to_owned()
    };
    for host in &hosts {
        let text = metrics(host);
        for line in [
            "# TYPE billing_ledger_connections gauge",
            "billing_ledger_connections{state=\"busy\"} 0",
            "billing_ledger_connections_allowed 5",
            "billing_ledger_calls_waiting 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        let idle =
            text.lines().find_map(|line| line.strip_prefix("billing_ledger_connections{state=\"idle\"} "));
        let idle: usize = idle.unwrap().parse().unwrap();
        assert!((1..=5).contains(&idle), "{text}");
    }
    postgres.stop(Stop::Fast);
    assert_eq!(hosts.each_ref().map(|host| host.ask(&Request::get("/readyz")).status), [503, 503]);
    assert!(metrics(&hosts[0]).contains("billing_ledger_connections{state=\"idle\"} 0"));
}
