//! What is asked once: the balance and the analytics, as tables in any width and as the service sent them.

mod asking;

mod unanswered;

use billing_model::Currency;
use billing_testkit::Reply;

use self::asking::{ANALYTICS, BALANCE, ask, ask_command, of_service, row, server, shown};
use crate::billing::{finish, run};
use crate::ledger::Ledger;
use crate::scripted::Scripted;

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

    USD includes bundled credits. Earned credits, VCU and others are in no sum.
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

    USD includes bundled credits. Earned credits, VCU and others are in no sum.
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
    3d58bb03-f…64d6fe1b0  0.1000000000000000055

    USD includes bundled credits. Earned credits, VCU and others are in no sum.
    note: By day: no room for DIEM in 20 columns; --json has all of it
    note: By model: no room for type, units, unit, DIEM in 20 columns; --json has all of it
    note: By API key: no room for id, units, DIEM in 20 columns; --json has all of it
    ");
}

/// What is in a pipe is looked up by its names, and nobody said that it has 80 columns.
#[test]
fn no_name_is_cut_in_a_pipe() {
    let name = "a gateway whose name is as long as that of the machine on which it runs in the cellar";
    let body = ANALYTICS.replace("Gateway", name).replace("Llama 3.3 70B", name);
    let body = body.replace("key-1", "3d58bb03-f31a-4686-a763-de764d6fe1b0-de764d6fe1b0");
    let service = Scripted::answering(Reply::json(200, body.as_str()));
    let mut command = ask_command(&service.base_url(), "any-key", "80", &["analytics"]);
    command.env_remove("COLUMNS");
    let whole = finish(command, b"").done();
    assert_eq!(whole.text().matches(name).count(), 2, "{}", whole.text());
    // The columns are those of 80.
    assert!(whole.stderr.contains("note: By API key: no room for id in 80 columns"), "{}", whole.stderr);
    let cut = of_service(&body, "80", &["analytics"]);
    assert!(!cut.contains(name) && cut.contains('…'), "{cut}");
}

#[test]
fn what_analytics_do_not_have_is_not_said_to_be_nothing() {
    let spent = ["EUR", "EARNED_CREDITS", "VCU"]
        .map(|currency| row("01", "venice-sd35-image-unit", "-1", Currency::from(currency), None));
    let server = Ledger::of(&spent).serve();
    let run =
        finish(ask_command(&server.base_url, &server.key, "80", &["analytics", "--month", "2026-05"]), b"");
    insta::assert_snapshot!(shown(run), @"
    No USD, bundled credits or DIEM were spent from 2026-05-01 to 2026-05-31 (UTC).
    The service does not sum up other currencies, such as earned credits and VCU.
    ");
}

/// Services keep an answer for some minutes, which matters while a day goes on.
#[test]
fn figures_of_today_are_said_to_be_old_perhaps() {
    let service = Scripted::answering(Reply::json(200, ANALYTICS));
    let said =
        |flags: &[&str]| ask(&service.base_url(), "80", &[&["analytics"], flags].concat()).done().stderr;
    let note = "note: today has not ended, and figures may be ten minutes old\n";
    for flags in [&[][..], &["--days", "1"], &["--since", "yesterday"], &["--since", "today"]] {
        assert_eq!(said(flags), note, "{flags:?}");
    }
    for flags in [&["--month", "2026-06"][..], &["--since", "yesterday", "--until", "today"], &["--json"]] {
        assert_eq!(said(flags), "", "{flags:?}");
    }
}

#[test]
fn nothing_is_said_to_be_nothing() {
    let server = Ledger::of(&[]).serve();
    let shown = |words: &[&str]| shown(finish(ask_command(&server.base_url, &server.key, "80", words), b""));
    insta::assert_snapshot!(shown(&["analytics", "--month", "2026-05"]), @"
    No USD, bundled credits or DIEM were spent from 2026-05-01 to 2026-05-31 (UTC).
    The service does not sum up other currencies, such as earned credits and VCU.
    ");
    insta::assert_snapshot!(shown(&["analytics", "--since", "2026-05-01", "--until", "2026-05-02"]), @"
    No USD, bundled credits or DIEM were spent on 2026-05-01 (UTC).
    The service does not sum up other currencies, such as earned credits and VCU.
    ");
    insta::assert_snapshot!(shown(&["balance"]), @"
    Nothing is left of any currency.
    A request would be refused.
    ");
}

#[test]
fn the_published_answers_are_shown_in_any_width() {
    for width in ["80", "140"] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(of_service(ANALYTICS, width, &["analytics"]), @"
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

            USD includes bundled credits. Earned credits, VCU and others are in no sum.
            note: today has not ended, and figures may be ten minutes old
            ");
        }
    }
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
        GOLD                 7
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

/// What is left is not denied because this program knows no such currency.
#[test]
fn a_currency_that_nobody_knew_is_shown() {
    let shown = |body: &str| of_service(body, "80", &["balance"]);
    insta::assert_snapshot!(shown(r#"{"canConsume":true,"consumptionCurrency":"VCU","balances":{"diem":null,"usd":null,"vcu":50,"promoCredits":0.10},"diemEpochAllocation":0}"#), @"
                   left
    VCU              50
    PROMO_CREDITS   0.1
    The next request is charged in VCU.
    ");
    insta::assert_snapshot!(shown(r#"{"canConsume":true,"consumptionCurrency":"VCU","balances":{"diem":null,"usd":null,"vcu":null},"diemEpochAllocation":0}"#), @"
    The service lists no currency with something left.
    The next request is charged in VCU.
    ");
    insta::assert_snapshot!(shown(r#"{"canConsume":false,"consumptionCurrency":null,"balances":{"diem":null,"usd":null,"gold":{"oz":1},"a\u001b[2J":"much"},"diemEpochAllocation":0}"#), @"
    The service lists no currency with something left.
    The answer has more than is shown here: a [2J, gold. See --json.
    A request would be refused.
    ");
    for currency in [r#""""#, r#"" ""#, r#""\u200b""#, "null"] {
        let body = r#"{"canConsume":true,"consumptionCurrency":IT,"balances":{"diem":null,"usd":1},"diemEpochAllocation":0}"#;
        let body = body.replace("IT", currency);
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(&body), @"
                 left
            USD     1
            A request would be served.
            ");
        }
    }
}

#[test]
fn what_was_spent_in_a_currency_that_nobody_knew_is_said() {
    let days = |first: &str, second: &str| {
        let answer = r#"{"lookback":"2d","byDate":[{"date":"2026-05-01","USD":0,"DIEM":0 FIRST},{"date":"2026-05-02","USD":0,"DIEM":SECOND}],"byModel":[],"byModelDaily":[],"topModels":[],"byKey":[],"byKeyDaily":[],"topKeyNames":[]}"#;
        let body = answer.replace("FIRST", first).replace("SECOND", second);
        of_service(&body, "80", &["analytics", "--month", "2026-05"])
    };
    insta::assert_snapshot!(days(r#","EUR":5"#, "0"), @"
    No USD, bundled credits or DIEM were spent from 2026-05-01 to 2026-05-02 (UTC).
    The answer has more than is shown here: EUR. See --json.
    ");
    insta::assert_snapshot!(days(r#","EUR":5"#, r#"1,"GBP":0,"CHF":"0.5""#), @"
    Spend from 2026-05-01 to 2026-05-02 (UTC), before refunds.

    By day
    day         USD  DIEM
    2026-05-01    0     0
    2026-05-02    0     1
    all           0     1

    USD includes bundled credits. Earned credits, VCU and others are in no sum.
    The answer has more than is shown here: CHF, EUR. See --json.
    ");
    // Of nothing nothing is said.
    assert_eq!(days(r#","EUR":0,"GBP":null"#, "0"), days("", "0"));
    let many = days(r#","a":1,"b":1,"c":{},"d":"x","e":1,"f":1,"g":1"#, r#"0,"a":2"#);
    assert!(
        many.contains("\nThe answer has more than is shown here: a, b, c, d, e, 2 more. See --json.\n"),
        "{many}"
    );
}

#[test]
fn a_key_without_a_name_is_shown_by_its_id() {
    for name in ["", "  ", "\\u200b", "\\n\\t"] {
        let shown = of_service(&ANALYTICS.replace("Gateway", name), "140", &["analytics"]);
        assert!(shown.contains("\nkey-1    key-1  50000"), "{shown}");
    }
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
        (
            &["--lookback", "100d"],
            "\nhint: --since takes more days of a `billing serve`, 366; Venice sums up 90 at most\n",
        ),
        (
            &["--since", "last week"],
            "error: --since: `last week` is not a day\nhint: give days, as 2026-06-15, 2026-06, today, yesterday or tomorrow; ",
        ),
    ] {
        ask(&service.base_url(), "80", &[&["analytics"], flags].concat()).failed(2, said);
    }
    assert_eq!(service.requests().len(), 4);
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
