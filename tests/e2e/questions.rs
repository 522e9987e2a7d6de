//! What is asked once: the balance and the analytics, as tables in any width and as the service sent them.

use std::process::Command;

use billing_model::{Currency, Timestamp, UsageEntry};
use billing_testkit::{Reply, entry_at};

use crate::billing::{Run, command, finish, run};
use crate::ledger::{Ledger, Server};
use crate::place::Place;
use crate::process::Process;
use crate::scripted::Scripted;

/// One answer of the published contract each.
const ANALYTICS: &str = include_str!("../data/pages/usage-analytics.json");
const BALANCE: &str = include_str!("../data/pages/balance.json");

const ALL: &[&[&str]] = &[&["balance"], &["analytics"]];

fn ask_command(base_url: &str, key: &str, columns: &str, words: &[&str]) -> Command {
    let mut command = command(words);
    command.args(["--base-url", base_url]).env("BILLING_API_KEY", key).env("COLUMNS", columns);
    command
}

/// Asks with little patience.
fn ask(base_url: &str, columns: &str, words: &[&str]) -> Run {
    let mut command = ask_command(base_url, "any-key", columns, words);
    command.args(["--max-wait", "0"]);
    finish(command, b"")
}

/// What is shown of an answer in so many columns: what is printed, and what is said of it.
#[track_caller]
fn shown(run: Run) -> String {
    let run = run.done();
    format!("{}{}", run.text(), run.stderr)
}

fn of_service(body: &str, columns: &str, words: &[&str]) -> String {
    let service = Scripted::answering(Reply::json(200, body));
    shown(ask(&service.base_url(), columns, words))
}

/// What is said when there is no answer.
fn said(reply: Reply, words: &[&str]) -> String {
    let service = Scripted::answering(reply);
    let base_url = service.base_url();
    let address = base_url.strip_prefix("http://").unwrap().strip_suffix("/api/v1").unwrap();
    ask(&base_url, "80", words).said(address)
}

fn row(day: &str, sku: &str, amount: &str, currency: Currency, key: Option<&str>) -> UsageEntry {
    let at: Timestamp = format!("2026-05-{day}T10:00:00Z").parse().unwrap();
    UsageEntry { sku: sku.to_owned(), currency, api_key_id: key.map(str::to_owned), ..entry_at(at, amount) }
}

fn server() -> Server {
    let gateway = Some("3d58bb03-f31a-4686-a763-de764d6fe1b0");
    let ledger = Ledger::of(&[
        row("01", "zai-org-glm-5-1-llm-input-mtoken", "-0.1000000000000000055", Currency::Usd, gateway),
        row("01", "zai-org-glm-5-1-llm-output-mtoken", "-8e-7", Currency::Diem, gateway),
        row("03", "venice-sd35-image-unit", "-0.25", Currency::BundledCredits, None),
        row("03", "credit-purchase", "25", Currency::Usd, None),
        row("04", "something-new", "-1", Currency::from("LATER"), None),
    ]);
    run(&["accounts", "set", "--ledger", &ledger.path(), "--account", "default", "--diem-allocation", "10"])
        .done();
    ledger.serve()
}

#[test]
fn our_server_is_shown_in_any_width() {
    let server = server();
    let shown = |columns: &str, words: &[&str]| {
        shown(finish(ask_command(&server.base_url, &server.key, columns, words), b""))
    };
    insta::assert_snapshot!(shown("80", &["analytics", "--month", "2026-05"]), @"
    Spend from 2026-05-01 to 2026-05-31 (UTC), before refunds.

    By day
    day                           USD       DIEM
    2026-05-01  0.1000000000000000055  0.0000008
    2026-05-03                   0.25          0
    all         0.3500000000000000055  0.0000008
    29 days without spend are not listed.

    By model
    model            type      units  unit                      USD       DIEM
    venice-sd35      IMAGE  0.000044  images                   0.25          0
    zai-org-glm-5-1  LLM    0.000088  tokens  0.1000000000000000055  0.0000008
      Input                 0.000044          0.1000000000000000055          0
      Output                0.000044                              0  0.0000008

    By API key
    key                                      units                    USD       DIEM
    Web App                               0.000044                   0.25          0
    3d58bb03-f31a-4686-a763-de764d6fe1b0  0.000088  0.1000000000000000055  0.0000008
    note: By API key: no room for id in 80 columns; --json has all of it
    ");
    insta::assert_snapshot!(shown("140", &["analytics", "--since", "2026-05-03", "--until", "2026-05-04"]), @"
    Spend on 2026-05-03 (UTC), before refunds.

    By day
    day          USD  DIEM
    2026-05-03  0.25     0

    By model
    model        type      units  unit     USD  DIEM
    venice-sd35  IMAGE  0.000044  images  0.25     0

    By API key
    key      id     units   USD  DIEM
    Web App   -  0.000044  0.25     0
    ");
    insta::assert_snapshot!(shown("80", &["balance"]), @"
                            left  a day
    DIEM                      10     10
    USD   24.8999999999999999945
    The next request is charged in DIEM.
    ");
    insta::assert_snapshot!(shown("20", &["analytics", "--since", "2026-05-01", "--until", "2026-05-02"]), @"
    Spend on 2026-05-01 (UTC), before refunds.

    By day
    day                           USD
    2026-05-01  0.1000000000000000055

    By model
    model                              USD
    zai-org-glm-5-1  0.1000000000000000055
      Input          0.1000000000000000055
      Output                             0

    By API key
    key                                     USD
    3d58bb03-f31a-4686-…  0.1000000000000000055
    note: By day: no room for DIEM in 20 columns; --json has all of it
    note: By model: no room for type, units, unit, DIEM in 20 columns; --json has all of it
    note: By API key: no room for id, units, DIEM in 20 columns; --json has all of it
    ");
}

#[test]
fn nothing_is_said_to_be_nothing() {
    let server = Ledger::of(&[]).serve();
    let shown = |words: &[&str]| shown(finish(ask_command(&server.base_url, &server.key, "80", words), b""));
    insta::assert_snapshot!(shown(&["analytics", "--month", "2026-05"]), @"Nothing was spent from 2026-05-01 to 2026-05-31 (UTC).");
    insta::assert_snapshot!(shown(&["analytics", "--since", "2026-05-01", "--until", "2026-05-02"]), @"Nothing was spent on 2026-05-01 (UTC).");
    insta::assert_snapshot!(shown(&["balance"]), @"
    Nothing is left of any currency.
    A request would be refused.
    ");
}

#[test]
fn the_published_answers_are_shown_in_any_width() {
    insta::assert_snapshot!(of_service(ANALYTICS, "80", &["analytics"]), @"
    Spend from 2026-06-14 to 2026-06-15 (UTC), before refunds.

    By day
    day          USD       DIEM
    2026-06-14   2.5  0.0000008
    2026-06-15  1.25        0.5
    all         3.75  0.5000008

    By model
    model          type  units  unit     USD  DIEM
    Llama 3.3 70B  LLM   50000  tokens   3.5   0.5
      Input              30000             1  0.25
      Output             20000           2.5  0.25
    A later one    3D        3  steps   0.25     0

    By API key
    key      id     units   USD  DIEM
    Gateway  key-1  50000   3.5   0.5
    Web App  -          3  0.25     0
    ");
    insta::assert_snapshot!(of_service(ANALYTICS, "140", &["analytics"]), @"
    Spend from 2026-06-14 to 2026-06-15 (UTC), before refunds.

    By day
    day          USD       DIEM
    2026-06-14   2.5  0.0000008
    2026-06-15  1.25        0.5
    all         3.75  0.5000008

    By model
    model          type  units  unit     USD  DIEM
    Llama 3.3 70B  LLM   50000  tokens   3.5   0.5
      Input              30000             1  0.25
      Output             20000           2.5  0.25
    A later one    3D        3  steps   0.25     0

    By API key
    key      id     units   USD  DIEM
    Gateway  key-1  50000   3.5   0.5
    Web App  -          3  0.25     0
    ");
    insta::assert_snapshot!(of_service(BALANCE, "80", &["balance"]), @"
          left  a day
    DIEM  90.5    100
    USD     25
    The next request is charged in DIEM.
    ");
    // The oldest day first is the same, and so is what comes later.
    let (newest, oldest) = (
        r#"{ "date": "2026-06-15", "USD": 1.25, "DIEM": 0.5 }"#,
        r#"{ "date": "2026-06-14", "USD": 2.50, "DIEM": 8e-7 }"#,
    );
    assert!(ANALYTICS.contains(newest) && ANALYTICS.contains(oldest));
    let other = ANALYTICS.replace(newest, "NEWEST").replace(oldest, newest).replace("NEWEST", oldest);
    let later = other.replacen('{', r#"{"later":{"a":[1]},"#, 1);
    assert_eq!(of_service(&later, "80", &["analytics"]), of_service(ANALYTICS, "80", &["analytics"]));
}

#[test]
fn a_balance_of_another_day_is_understood() {
    let shown = |body: &str| of_service(body, "80", &["balance"]);
    insta::assert_snapshot!(
        shown(r#"{"canConsume":false,"consumptionCurrency":"VCU","balances":{"diem":-0.25,"usd":null,"gold":7,"bundledCredits":"1.50"},"diemEpochAllocation":0,"more":[]}"#),
        @"
                          left  a day
        DIEM             -0.25      0
        BUNDLED_CREDITS    1.5
        A request would be refused.
        "
    );
    insta::assert_snapshot!(
        shown(r#"{"canConsume":true,"consumptionCurrency":"GOLD","balances":{"diem":null,"usd":0.00000000000000000000000000012345678901234567890123456789},"diemEpochAllocation":0}"#),
        @"
                                           left
        USD  1.2345678901234567890123456789e-28
        The next request is charged in GOLD.
        "
    );
}

/// To the last byte, with one line break behind it.
#[test]
fn json_is_the_answer_as_it_came() {
    let analytics = ANALYTICS.trim_end().replacen('{', "{\r\n\t\"later\":1.50,", 1);
    let balance = r#"{ "later" : {"a":"\ud83d"}, "canConsume":true,"balances":{"diem":"1.50","usd":1E2},"diemEpochAllocation":1.0 }"#;
    for (words, body) in
        [(&["analytics", "--json"][..], analytics.as_str()), (&["balance", "--json"], balance)]
    {
        assert_eq!(of_service(body, "20", words), format!("{body}\n"));
        let body = format!("{body}\n");
        assert_eq!(of_service(&body, "20", words), body);
    }
}

#[test]
fn no_name_steers_the_terminal() {
    let hostile = r"a\u001b[2J\r\nhint: b\u202ec\u2066\u200b\ufeff\u009bd";
    let body =
        ANALYTICS.replace("Llama 3.3 70B", hostile).replace("Gateway", hostile).replace("Input", hostile);
    let text = of_service(&body, "140", &["analytics"]);
    assert!(text.contains("\na [2J hint: bc d"), "{text}");
    let steers = |c: char| c != '\n' && (c.is_control() || billing_model::is_invisible(c));
    assert!(!text.contains(steers), "{text:?}");
}

#[test]
fn the_days_that_are_asked_for_are_those_that_were_typed() {
    let service = Scripted::answering(Reply::json(200, ANALYTICS));
    for (flags, query) in [
        (&[][..], "lookback=7d"),
        (&["--lookback", "30d"], "lookback=30d"),
        (&["--month", "2026-02"], "endDate=2026-02-28&startDate=2026-02-01"),
        (&["--since", "2026-06-01", "--until", "2026-06-08"], "endDate=2026-06-07&startDate=2026-06-01"),
    ] {
        ask(&service.base_url(), "80", &[&["analytics"], flags].concat()).done();
        let request = service.requests().pop().unwrap();
        assert_eq!(
            (request.path.as_str(), request.query.as_str()),
            ("/api/v1/billing/usage-analytics", query)
        );
    }
    for (flags, said) in [
        (&["--since", "7d"][..], "--since: `7d` is not where a day begins"),
        (&["--since", "2026-06", "--until", "2026-06"], "--since 2026-06 is not before --until 2026-06"),
        (&["--until", "2026-06"], "--since <T>"),
        (&["--lookback", "7d", "--month", "2026-06"], "cannot be used with"),
        (&["--lookback", "12h"], "it is a number of days, as 30d"),
        (&["--lookback", "91d"], "this endpoint takes 1d to 90d"),
    ] {
        ask(&service.base_url(), "80", &[&["analytics"], flags].concat()).failed(2, said);
    }
    assert_eq!(service.requests().len(), 4);
}

#[test]
fn a_service_that_fails_is_told_what_it_may_be() {
    let html = Reply::new(200, "text/html", "<!doctype html><title>Sign in</title>");
    for words in ALL {
        let path = if words[0] == "balance" { "billing/balance" } else { "billing/usage-analytics" };
        let said = |reply: Reply| said(reply, words).replace(path, "PATH");
        insta::allow_duplicates! {
            insta::assert_snapshot!(said(Reply::error(429, "slow down").header("retry-after", "7")), @"
            error: GET http://ADDRESS/api/v1/PATH: 429 the service asks to come back in 7 s, which is longer than this client waits
            hint: the service asks for patience; try again later, or allow more with --max-wait
            exit code 5
            ");
            insta::assert_snapshot!(said(Reply::error(429, "slow down")), @"
            error: GET http://ADDRESS/api/v1/PATH: 429 slow down
            hint: the service asks for patience; try again later, or allow more with --max-wait
            exit code 5
            ");
            insta::assert_snapshot!(said(html.clone()), @"
            error: GET http://ADDRESS/api/v1/PATH: 200 with `text/html` instead of application/json: not the API; is there a proxy between?
            hint: check --base-url; a proxy or a login page may be in between
            exit code 1
            ");
            insta::assert_snapshot!(said(Reply::json(200, "")), @"
            error: GET http://ADDRESS/api/v1/PATH: 200 with an empty body instead of application/json: not the API; is there a proxy between?
            hint: check --base-url; a proxy or a login page may be in between
            exit code 1
            ");
            insta::assert_snapshot!(said(Reply::error(401, "Authentication failed")), @"
            error: GET http://ADDRESS/api/v1/PATH: 401 Authentication failed
            hint: the key is that of BILLING_API_KEY
            hint: an admin key of this service is needed; an inference key is refused
            exit code 4
            ");
            insta::assert_snapshot!(said(Reply::error(503, "closed")), @"
            error: GET http://ADDRESS/api/v1/PATH: 503 closed
            hint: the service fails; try again later
            exit code 5
            ");
            insta::assert_snapshot!(said(Reply::error(410, "ended")), @"
            error: GET http://ADDRESS/api/v1/PATH: 410 ended
            hint: the service has ended this route
            exit code 5
            ");
            insta::assert_snapshot!(said(Reply::json(200, BALANCE).cut_at(20)), @"
            error: GET http://ADDRESS/api/v1/PATH: the connection broke within the answer: end of file before message length reached
            hint: the answer broke off every time; try again
            exit code 6
            ");
        }
    }
    let too_long = || Reply::error(504, "The request took too long");
    insta::assert_snapshot!(said(too_long(), &["analytics"]), @"
    error: GET http://ADDRESS/api/v1/billing/usage-analytics: 504 The request took too long
    hint: to sum up so many days may take the service too long: ask for fewer, or try again later
    exit code 5
    ");
    insta::assert_snapshot!(said(too_long(), &["balance"]), @"
    error: GET http://ADDRESS/api/v1/billing/balance: 504 The request took too long
    hint: the service fails; try again later
    exit code 5
    ");
    insta::assert_snapshot!(said(Reply::json(200, r#"{"data":[]}"#), &["analytics"]), @"
    error: GET http://ADDRESS/api/v1/billing/usage-analytics: the answer cannot be read: the body is not an answer of usage analytics: missing field `lookback` at line 1 column 11
    hint: nothing was rounded or left out; report this if the service is right
    exit code 1
    ");
    insta::assert_snapshot!(said(Reply::json(200, "[]"), &["balance"]), @"
    error: GET http://ADDRESS/api/v1/billing/balance: the answer cannot be read: the body is not a balance: invalid type: sequence, expected a JSON object at line 1 column 0
    hint: nothing was rounded or left out; report this if the service is right
    exit code 1
    ");
    insta::assert_snapshot!(said(Reply::json(200, BALANCE.replace("90.5", "\"a lot\"")), &["balance"]), @"
    error: GET http://ADDRESS/api/v1/billing/balance: the answer cannot be read: the body is not a balance: `a lot` is not a decimal number at line 1 column 74
    hint: nothing was rounded or left out; report this if the service is right
    exit code 1
    ");
    insta::assert_snapshot!(said(Reply::error(404, "Not found"), &["analytics"]), @"
    error: GET http://ADDRESS/api/v1/billing/usage-analytics: 404 Not found
    hint: the service may have no analytics; otherwise check --base-url, and its path, such as /api/v1
    exit code 5
    ");
    insta::assert_snapshot!(said(Reply::error(404, "Not found"), &["balance"]), @"
    error: GET http://ADDRESS/api/v1/billing/balance: 404 Not found
    hint: the service may tell no balance; otherwise check --base-url, and its path, such as /api/v1
    exit code 5
    ");
    insta::assert_snapshot!(
        said(Reply::error(400, "Invalid date range"), &["analytics", "--since", "2026-01", "--until", "2026-05"]),
        @"
        error: GET http://ADDRESS/api/v1/billing/usage-analytics: 400 Invalid date range
        hint: 120 days may be more than the service sums up: Venice takes 90, `billing serve` 366
        exit code 2
        "
    );
    insta::assert_snapshot!(said(Reply::error(400, "Invalid date range"), &["analytics", "--month", "2026-01"]), @"
    error: GET http://ADDRESS/api/v1/billing/usage-analytics: 400 Invalid date range
    exit code 1
    ");
}

#[test]
fn a_base_url_without_its_path_is_told_what_it_may_be() {
    let server = server();
    let origin = server.base_url.strip_suffix("/api/v1").unwrap();
    let address = origin.strip_prefix("http://").unwrap();
    for words in ALL {
        let said = finish(ask_command(address, &server.key, "80", words), b"").said(address);
        assert!(said.contains("\nhint: the API may be at --base-url http://ADDRESS/api/v1\n"), "{said}");
    }
    // A key that records reads nothing.
    let ingest = server.key_of("ingest");
    let said = finish(ask_command(&server.base_url, &ingest, "80", &["balance"]), b"").said(address);
    assert!(
        said.contains("401 Admin API key required\nhint: the key is that of BILLING_API_KEY, "),
        "{said}"
    );
}

/// What is wrong with it is said before the key is looked for.
#[test]
fn the_way_to_the_service_is_that_of_an_export() {
    let record = &["record", "file", "--idempotency-key", "k"][..];
    let place = Place::new();
    place.write("file", "x");
    for words in ALL.iter().copied().chain([record]) {
        for (base_url, way, said) in [
            (
                "https://billing.example",
                &["--proxy", "ftp://x"][..],
                "hint: a proxy looks like http://HOST:PORT",
            ),
            ("https://billing.example", &["--cacert", "missing"], "--cacert `missing`"),
            ("http://billing.example", &[], "hint: the key goes only over https, or to this machine"),
            ("nowhere at all", &[], "hint: a base URL looks like https://api.venice.ai/api/v1"),
        ] {
            let mut command = ask_command(base_url, "", "80", words);
            command.args(way).current_dir(place.path(""));
            finish(command, b"").failed(2, said);
        }
    }
}

/// A refusal that says for how long is waited for.
#[test]
fn a_service_that_asks_for_patience_gets_it() {
    for words in ALL {
        let body = if words[0] == "balance" { BALANCE } else { ANALYTICS };
        let mut requests = 0;
        let service = Scripted::start(move |_| {
            requests += 1;
            match requests {
                1 => Reply::error(429, "slow down").header("retry-after", "1"),
                2 => Reply::error(504, "too long"),
                _ => Reply::json(200, body),
            }
        });
        let run = finish(ask_command(&service.base_url(), "any-key", "80", words), b"");
        assert_eq!(shown(run), of_service(body, "80", words));
        assert_eq!(service.requests().len(), 3);
    }
}

#[test]
fn what_is_interrupted_says_so() {
    let service = Scripted::answering(Reply::json(200, BALANCE).stalled());
    let process = Process::start(ask_command(&service.base_url(), "any-key", "80", &["balance"]));
    while service.requests().is_empty() {
        std::thread::yield_now();
    }
    process.signal("INT");
    let (code, printed, said) = process.end();
    assert_eq!((code, printed.as_str(), said.as_str()), (Some(130), "", "error: interrupted\n"));
}

#[test]
fn help_fits_a_terminal_and_has_examples() {
    for command in ["analytics", "balance", "record"] {
        for flag in ["-h", "--help"] {
            let help = run(&[command, flag]).done();
            let longest = help.text().lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(longest.chars().count() <= 80, "{longest}");
            let examples: Vec<_> = help.text().split_once("\nExamples:\n").unwrap().1.lines().collect();
            assert_eq!(examples.len(), 6, "{examples:?}");
            for example in examples.chunks(2) {
                assert!(example[0].starts_with(&format!("  billing {command}")), "{}", example[0]);
                assert!(example[1].starts_with("      ") && example[1].ends_with('.'), "{}", example[1]);
            }
            // No line of prose that the help had to break.
            assert!(
                help.text()
                    .lines()
                    .all(|line| line.split(' ').count() != 1 || line.is_empty() || line.ends_with(':'))
            );
        }
    }
}
