//! The two formats of an answer, and how the server chooses one.

use axum::http::Method;
use billing_csv::Columns;
use billing_model::{Pagination, Paging, UsageEntry};

use crate::house::{HISTORY, House, START, USAGE, entries, send};

fn header_row(columns: Columns) -> String {
    columns.names().collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn usage_is_json_newest_first_unless_asked_otherwise() {
    let ours = entries(201);
    let house = House::with(&ours);
    let answer = house.ask(USAGE, &[]).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding, Authorization, Prefer"));
    assert_eq!(answer.header("content-disposition"), None);
    assert_eq!(answer.header("x-pagination-total"), None);
    let page = answer.usage_page();
    assert_eq!(page.paging, Paging::ByNumber(Pagination::new(200, 1, 201)));
    assert_eq!(page.warning, None);
    assert_eq!(page.entries.len(), 200);
    assert!(page.entries.iter().map(|entry| entry.timestamp).rev().is_sorted());
    let rest = house.ask(&format!("{USAGE}?page=2"), &[]).await.usage_page();
    assert_eq!(rest.entries, ours[..1]);
    let beyond = house.ask(&format!("{USAGE}?page=3"), &[]).await.usage_page();
    assert_eq!((beyond.entries.len(), beyond.paging), (0, Paging::ByNumber(Pagination::new(200, 3, 201))));
    let ascending = house.ask(&format!("{USAGE}?sortOrder=asc"), &[]).await.usage_page();
    assert_eq!(ascending.entries, ours[..200]);
}

#[tokio::test]
async fn usage_as_csv_has_its_paging_in_headers() {
    let ours = entries(30);
    let house = House::with(&ours);
    let answer = house.ask(&format!("{USAGE}?sortOrder=asc&limit=7&page=2"), &[("accept", "text/csv")]).await;
    for (name, expect) in [
        ("content-type", "text/csv; charset=utf-8"),
        ("content-disposition", "attachment; filename=billing_usage.csv"),
        ("x-pagination-limit", "7"),
        ("x-pagination-page", "2"),
        ("x-pagination-total", "30"),
        ("x-pagination-total-pages", "5"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(expect), "{name}");
    }
    assert_eq!(answer.header("preference-applied"), None);
    assert_eq!(answer.body.lines().next(), Some(header_row(Columns::Documented).as_str()));
    let without_key = |entry: &UsageEntry| UsageEntry { api_key_id: None, ..entry.clone() };
    assert_eq!(answer.csv_entries(), ours[7..14].iter().map(without_key).collect::<Vec<_>>());
}

#[tokio::test]
async fn history_as_csv_has_its_cursor_in_a_header() {
    let ours = entries(15);
    let house = House::with(&ours);
    let csv = [("accept", "text/csv"), ("prefer", "include=apiKeyId")];
    let first = house.ask(&format!("{HISTORY}?pageSize=10"), &csv).await;
    for (name, expect) in [
        ("content-type", "text/csv; charset=utf-8"),
        ("content-disposition", "attachment; filename=billing-usage-history-20260708T091530123Z.csv"),
        ("preference-applied", "include=apiKeyId"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(first.header(name), Some(expect), "{name}");
    }
    assert_eq!(first.header("x-pagination-total"), None);
    let cursor = first.header("x-next-cursor").unwrap();
    assert!(cursor.len() <= 512 && cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    let last = house.ask(&format!("{HISTORY}?cursor={cursor}"), &csv).await;
    assert_eq!(last.header("x-next-cursor"), None);
    for answer in [&first, &last] {
        assert_eq!(answer.body.lines().next(), Some(header_row(Columns::WithApiKeyId).as_str()));
    }
    assert_eq!([first.csv_entries(), last.csv_entries()].concat(), ours);
}

#[tokio::test]
async fn the_form_may_change_in_a_walk() {
    let ours = entries(25);
    let house = House::with(&ours);
    let first = house.ask(&format!("{HISTORY}?pageSize=10"), &[]).await.history_page();
    let Paging::ByCursor(Some(cursor)) = first.paging else { panic!("{:?}", first.paging) };
    let csv = [("accept", "text/csv"), ("prefer", "include=apiKeyId")];
    let second = house.ask(&format!("{HISTORY}?cursor={cursor}"), &csv).await;
    assert_eq!(second.csv_entries(), ours[10..20]);
    let token = second.header("x-next-cursor").unwrap();
    let third = house.ask(&format!("{HISTORY}?cursor={token}"), &[]).await.history_page();
    assert_eq!((third.entries.as_slice(), third.paging), (&ours[20..], Paging::ByCursor(None)));
}

#[tokio::test]
async fn an_empty_page_is_a_page() {
    let house = House::with(&[]);
    assert_eq!(
        house.ask(USAGE, &[]).await.body,
        r#"{"data":[],"pagination":{"limit":200,"page":1,"total":0,"totalPages":0}}"#
    );
    assert_eq!(house.ask(HISTORY, &[]).await.body, r#"{"data":[],"nextCursor":null}"#);
    for path in [USAGE, HISTORY] {
        let answer = house.ask(path, &[("accept", "text/csv")]).await;
        assert_eq!(answer.body, format!("{}\n", header_row(Columns::Documented)));
    }
}

#[tokio::test]
async fn filters_narrow_both_routes_and_their_ends_differ() {
    let ours = entries(90);
    let house = House::with(&ours);
    let at = |position: usize| ours[position].timestamp;
    // The end of the window is inclusive on the older route, and exclusive on the newer one.
    for (uri, expect) in [
        (format!("{USAGE}?sortOrder=asc&limit=500&startDate={}&endDate={}", at(9), at(15)), &ours[9..18]),
        (format!("{HISTORY}?startTimestamp={}&endTimestamp={}", at(9), at(15)), &ours[9..15]),
        (format!("{USAGE}?sortOrder=asc&limit=500&startDate={}", at(60)), &ours[60..]),
        (format!("{HISTORY}?startTimestamp={START}"), &ours[..]),
    ] {
        let answer = house.ask(&uri, &[("accept", "text/csv"), ("prefer", "include=apiKeyId")]).await;
        assert_eq!(answer.csv_entries(), expect, "{uri}");
    }
    for (uri, currency) in [
        (format!("{USAGE}?sortOrder=asc&limit=500&currency=VCU"), "VCU"),
        (format!("{USAGE}?sortOrder=asc&limit=500&currency=BUNDLED_CREDITS"), "BUNDLED_CREDITS"),
        (format!("{HISTORY}?currency=USD"), "USD"),
        (format!("{HISTORY}?currency=EARNED_CREDITS"), "EARNED_CREDITS"),
    ] {
        let answer = house.ask(&uri, &[("accept", "text/csv"), ("prefer", "include=apiKeyId")]).await;
        let expect: Vec<_> =
            ours.iter().filter(|entry| entry.currency.as_str() == currency).cloned().collect();
        assert_eq!(answer.csv_entries(), expect, "{uri}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let house = House::with(&entries(3));
    let authorization = format!("Bearer {}", house.key);
    for path in [USAGE, HISTORY] {
        let got = house.ask(path, &[]).await;
        let head = send(house.router(), Method::HEAD, path, &[("authorization", &authorization)]).await;
        assert_eq!((head.status, head.body.as_str()), (got.status, ""));
        assert_eq!(head.header("content-length"), Some(got.body.len().to_string().as_str()));
        assert_eq!(head.header("content-type"), got.header("content-type"));
    }
}
