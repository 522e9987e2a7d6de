//! Tests of the balance.

use billing_model::{Balance, Currency, UsageEntry, parse_decimal};
use billing_testkit::entry_at;

use crate::house::{BALANCE, House};

fn entry(at: &str, currency: Currency, amount: &str) -> UsageEntry {
    UsageEntry { currency, ..entry_at(at.parse().unwrap(), amount) }
}

/// The clock of the house is at 8 July.
#[tokio::test]
async fn a_balance_is_credits_less_debits_and_the_allowance_of_the_day() {
    let house = House::with(&[]);
    let ask = async || {
        let answer = house.ask(BALANCE, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")));
        (Balance::from_json(&answer.body).unwrap(), answer.body)
    };
    let nothing = r#"{"canConsume":false,"consumptionCurrency":null,"balances":{"diem":null,"usd":null,"bundledCredits":null,"earnedCredits":null},"diemEpochAllocation":0}"#;
    assert_eq!(ask().await.1, nothing);
    house.import(
        "ours",
        &[
            entry("2026-07-07T23:59:59.999Z", Currency::Diem, "-9"),
            entry("2026-07-08T00:00:00Z", Currency::Diem, "-0.0000008"),
            entry("2026-06-01T00:00:00Z", Currency::Usd, "25"),
            entry("2026-06-02T00:00:00Z", Currency::Usd, "-0.0023000000000000004"),
            entry("2026-06-02T00:00:00Z", Currency::BundledCredits, "5"),
            entry("2026-06-02T00:00:00Z", Currency::Vcu, "5"),
        ],
    );
    house.import("theirs", &[entry("2026-06-01T00:00:00Z", Currency::Usd, "1000")]);
    let (balance, _) = ask().await;
    assert_eq!((balance.can_consume, balance.consumption_currency), (true, Some(Currency::BundledCredits)));
    let allocate = |amount: &str| {
        house
            .ledger
            .set_diem_allocation(house.account("ours"), Some(parse_decimal(amount).unwrap()))
            .unwrap();
    };
    allocate("10");
    assert_eq!(
        ask().await.1,
        r#"{"canConsume":true,"consumptionCurrency":"DIEM","balances":{"diem":9.9999992,"usd":24.9976999999999999996,"bundledCredits":5,"earnedCredits":null},"diemEpochAllocation":10}"#
    );
    house.import("ours", &[entry("2026-07-08T00:00:00Z", Currency::Usd, "-30")]);
    assert_eq!(ask().await.0.balances.usd, None, "what is owed is not told");
    allocate("0.0000008");
    assert_eq!(ask().await.0.consumption_currency, Some(Currency::BundledCredits), "spent for today");
}
