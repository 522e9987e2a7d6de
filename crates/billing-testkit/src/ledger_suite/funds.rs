//! What an account has.

use crate::entry_at;
use billing_ledger::{Account, AccountId, ErrorKind, Funds};
use billing_model::{Currency, Day, Timestamp, UsageEntry, parse_decimal};

use super::house::{House, Make, import};

fn entry(at: &str, currency: Currency, amount: &str) -> UsageEntry {
    UsageEntry { currency, ..entry_at(at.parse().unwrap(), amount) }
}

pub fn funds_are_the_nets_and_the_diem_of_the_day(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let today = Day::of("2026-06-15T12:00:00Z".parse::<Timestamp>().unwrap()).unwrap();
    assert_eq!(
        ledger.funds(*account, today).unwrap(),
        Funds { diem_allocation: None, diem_of_day: Default::default(), nets: vec![] }
    );
    import(
        ledger,
        *account,
        &[
            entry("2026-06-14T23:59:59.999999999Z", Currency::Diem, "-5"),
            entry("2026-06-15T00:00:00Z", Currency::Diem, "-1.0000000000000000000000000001"),
            entry("2026-06-15T23:59:59.999999999Z", Currency::Diem, "0.25"),
            entry("2026-06-16T00:00:00Z", Currency::Diem, "-7"),
            entry("2026-06-01T00:00:00Z", Currency::Usd, "25"),
            entry("2026-06-15T00:00:00Z", Currency::Usd, "-8e-7"),
            entry("2026-06-15T00:00:00Z", Currency::from("NEW"), "3"),
        ],
    );
    let theirs = ledger.create_account("theirs").unwrap();
    import(ledger, theirs, &[entry("2026-06-15T00:00:00Z", Currency::Usd, "1000")]);
    ledger.set_diem_allocation(*account, Some(parse_decimal("10.5").unwrap())).unwrap();
    let funds = ledger.funds(*account, today).unwrap();
    assert_eq!(funds.diem_allocation, Some(parse_decimal("10.5").unwrap()));
    assert_eq!(funds.diem_of_day.to_string(), "-0.7500000000000000000000000001");
    let accounts = ledger.accounts().unwrap();
    let listed: Vec<_> = accounts.iter().map(|account| (account.name.as_str(), account.entries)).collect();
    assert_eq!(listed, [("ours", 7), ("theirs", 1)]);
    assert_eq!(accounts[0].nets, funds.nets, "each account has its own");
    assert_eq!(accounts[1].nets, [(Currency::Usd, "1000".parse().unwrap())]);
    let mut nets: Vec<_> = funds.nets.iter().map(|(currency, net)| format!("{currency} {net}")).collect();
    nets.sort();
    assert_eq!(nets, ["DIEM -12.7500000000000000000000000001", "NEW 3", "USD 24.9999992"]);
}

pub fn an_allocation_is_set_and_taken_back(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let list = |allocation: Option<&str>| {
        let diem_allocation = allocation.map(|text| parse_decimal(text).unwrap());
        let (name, nets) = ("ours".to_owned(), Vec::new());
        vec![Account { id: *account, name, entries: 0, diem_allocation, nets }]
    };
    assert_eq!(ledger.accounts().unwrap(), list(None));
    for allocation in [Some("0"), Some("0.1"), None] {
        ledger.set_diem_allocation(*account, allocation.map(|text| parse_decimal(text).unwrap())).unwrap();
        assert_eq!(ledger.accounts().unwrap(), list(allocation));
    }
    let error = ledger.set_diem_allocation(*account, Some(parse_decimal("-1").unwrap())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAllocation);
    let error = ledger.set_diem_allocation(AccountId(99), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownAccount);
    assert_eq!(ledger.funds(AccountId(99), Day(0)).unwrap_err().kind(), ErrorKind::UnknownAccount);
}
