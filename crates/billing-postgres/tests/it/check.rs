//! The check finds what differs, and reports exactly that.

use billing_ledger::{AccountId, Checked, Difference, DifferenceKind, Ledger, Report};
use billing_postgres::{PostgresLedger, Settings};
use billing_testkit::Postgres;
use billing_testkit::check_cases::{IN_SMALL, is_found, small};

use crate::house::{empty, target};

#[track_caller]
pub(crate) fn check(url: &str) -> Report {
    PostgresLedger::check(target(url), Settings::COMMAND, |_| ()).unwrap()
}

/// A ledger that is copied and damaged.
pub(crate) struct Original {
    pub(crate) postgres: &'static Postgres,
    url: String,
    key_id: String,
}

impl Original {
    /// One that is filled so; `None` leaves the test out.
    #[track_caller]
    pub(crate) fn of(fill: fn(&dyn Ledger, AccountId)) -> Option<Self> {
        let (ledger, postgres, url) = empty()?;
        fill(&ledger, ledger.create_account("ours").unwrap());
        let key_id = ledger.keys().unwrap().first().map_or("no key".to_owned(), |key| key.id.clone());
        Some(Self { postgres, url, key_id })
    }

    /// A copy after this SQL.
    pub(crate) fn damaged(&self, sql: &str) -> String {
        let url = self.postgres.copy_of(&self.url);
        // A superuser's statements need not keep to what refers to what.
        self.postgres
            .sql(&url, &format!("SET search_path TO billing; SET session_replication_role = replica; {sql}"));
        url
    }

    /// Checks a copy after this SQL: these are all its differences.
    #[track_caller]
    pub(crate) fn differs(&self, sql: &str, expect: &str) {
        let url = self.damaged(sql);
        is_found(&check(&url), &self.key_id, sql, expect);
    }
}

#[test]
fn an_undamaged_ledger_is_clean() {
    let Some(original) = Original::of(small) else { return };
    let report = check(&original.damaged("SELECT 1"));
    assert_eq!((report.differences.as_slice(), report.is_clean()), (&[][..], true));
    // The slot of 64 days and one of the days have entries in both currencies. Texts stand in the entries.
    let checked = Checked {
        accounts: 1,
        entries: 6,
        counts: 2 + 3 + 5 + 5,
        rollups: 4,
        balances: 3,
        blocks: 2,
        receipts: 1,
        keys: 1,
        ..Checked::default()
    };
    assert_eq!(report.checked, checked);
    let Some((_ledger, _, url)) = empty() else { return };
    assert!(check(&url).is_clean(), "one without entries too");
}

#[test]
fn what_every_engine_finds_is_found() {
    let Some(original) = Original::of(small) else { return };
    IN_SMALL.iter().for_each(|(sql, expect)| original.differs(sql, expect));
}

#[test]
fn a_difference_says_whose_it_is() {
    let Some(original) = Original::of(small) else { return };
    let report = check(&original.damaged("UPDATE balances SET amount = '9.9' WHERE is_credit"));
    let expect = Difference {
        kind: DifferenceKind::Balance,
        account: Some("ours".to_owned()),
        place: "`USD`, credits".to_owned(),
        field: "amount",
        held: Some("9.9".to_owned()),
        expected: Some("10".to_owned()),
    };
    assert_eq!(
        (&report.differences[..], report.found),
        (&[expect][..], [(DifferenceKind::Balance, 1)].into())
    );
}

#[test]
fn counts_and_sums_are_compared() {
    let Some(original) = Original::of(small) else { return };
    let differs = |sql: &str, expect: &str| original.differs(sql, expect);
    differs(
        "INSERT INTO counts SELECT account, 4, currency, slot, entries FROM counts WHERE level = 0 AND entries = 5",
        "count, level 4, slot 322, `USD`: `entries` is 5 and should not be there",
    );
    let charges = "rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges";
    differs(
        "UPDATE rollups SET entries = 1 WHERE day = 20618 AND entries = 2",
        &format!("{charges}: `entries` is 1 and should be 2"),
    );
    differs(
        "UPDATE rollups SET amount = -0.30000000000000004, units = 'NaN' WHERE day = 20618 AND entries = 2",
        &format!(
            "{charges}: `amount` is -0.30000000000000004 and should be -0.3
             {charges}: `units` is `NaN` and should be 4"
        ),
    );
    let top_up = "rollup, day 20619, 2026-06-15, `top-up`, `USD`";
    differs(
        "UPDATE rollups SET is_credit = false WHERE is_credit",
        &format!(
            "{top_up}, no API key, charges: `entries` is 1 and should not be there
             {top_up}, no API key, credits: `entries` is missing and should be 1"
        ),
    );
    differs(
        "UPDATE rollups SET api_key_id = 'b' WHERE is_credit",
        &format!(
            "{top_up}, no API key, credits: `entries` is missing and should be 1
             {top_up}, API key `b`, credits: `entries` is 1 and should not be there"
        ),
    );
    differs(
        "UPDATE rollups SET line = '\\x07' WHERE is_credit",
        &format!(
            "{top_up}, no API key, credits: `line` is 07 and should be \
             733d9ad36c82eca612bf45237ce34fb35179f2f7244ab9aaa5cd4c0b9a552676"
        ),
    );
    differs(
        "UPDATE balances SET entries = 0 WHERE is_credit",
        "balance, `USD`, credits: `entries` is 0 and should be 1",
    );
    differs(
        "UPDATE balances SET currency = 'EUR' WHERE is_credit",
        "balance, `USD`, credits: `currency` is `EUR` and should be `USD`",
    );
    differs(
        "DELETE FROM balances WHERE is_credit",
        "balance, `USD`, credits: `entries` is missing and should be 1",
    );
}

#[test]
fn an_entry_that_changed_shows_in_what_is_kept_of_it() {
    let Some(original) = Original::of(small) else { return };
    original.differs(
        "UPDATE entries SET amount = '-0.11' WHERE sequence = 0",
        "rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges: `amount` is -0.3 and should be -0.31
         balance, `USD`, charges: `amount` is -2.3 and should be -2.31
         block, block 1: `entry_set` is a set of 4 and should be a set of 4
         block, block 1: `whole_set` is a set of 4 and should be a set of 4
         block, block 1, `USD`: `amount` is -1.3 and should be -1.31",
    );
}

#[test]
fn an_entry_that_cannot_be_read_is_named() {
    let Some(original) = Original::of(small) else { return };
    let entry = "entry, 2026-06-14T19:52:45.087Z, sequence 0";
    let differs = |set: &str, expect: &str| {
        original.differs(&format!("UPDATE entries SET {set} WHERE sequence = 0"), expect);
    };
    differs(
        "units = 'three'",
        &format!(
            "{entry}: `units` is `three` and should be a decimal number
             rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges: `units` is 4 and should be 2"
        ),
    );
    differs(
        "prompt_tokens = '1e'",
        &format!("{entry}: `prompt_tokens` is `1e` and should be a decimal number"),
    );
    // A number has only one valid form, in which it goes into answers, and so have other fields and texts.
    differs("amount = '-0.10'", &format!("{entry}: `amount` is `-0.10` and should be `-0.1`"));
    differs(
        "other_fields = '[1]'",
        &format!("{entry}: `other_fields` is `[1]` and should be a JSON object of other fields"),
    );
    differs(
        "notes = chr(1)",
        &format!(
            "{entry}: `notes` is ` ` and should be a text as texts are kept
             block, block 1: `entry_set` is a set of 4 and should be a set of 4
             block, block 1: `whole_set` is a set of 4 and should be a set of 4"
        ),
    );
}

#[test]
fn every_sequence_number_is_there_once() {
    let Some(original) = Original::of(small) else { return };
    let at = |instant: &str, sequence: u32| {
        format!("sequence, 2026-06-{instant}Z, sequence {sequence}: `sequence`")
    };
    // A number that is said to be unused is missed by nobody, and nobody has it.
    original.differs(
        "UPDATE accounts SET next_sequence = 10; INSERT INTO unused VALUES (1, 6, 8)",
        "sequence, sequence 9: `entries` is missing and should be 1
         block, sequence 9: `block` is missing and should be there",
    );
    original.differs(
        "INSERT INTO unused VALUES (1, 3, 3)",
        &format!(
            "{} is 3 and should be one of the 6 that were given
             block, block 1: `first_sequence` is 0, of 4 entries and should be \
                 the first number of so many entries of this block alone",
            at("15T00:00:00.000", 3)
        ),
    );
}

#[test]
fn receipts_keys_and_accounts_are_looked_at() {
    let Some(original) = Original::of(small) else { return };
    let differs = |sql: &str, expect: &str| original.differs(sql, expect);
    let at_most = "should be from 0 to 6, the entries that came";
    differs("UPDATE receipts SET entries = 7", &format!("receipt, `one`: `entries` is 7 and {at_most}"));
    differs(
        "INSERT INTO receipts SELECT account, sha256('two'), 'two', '\\x00', 5, received_ns FROM receipts",
        &format!(
            "receipt, `two`: `digest` is of length 1 and should be of length 32
             receipt, all receipts: `entries` is 7 and {at_most}"
        ),
    );
    differs(
        "UPDATE receipts SET key_sha256 = sha256('two')",
        "receipt, `one`: `key_sha256` is 3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3 and should be \
         7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
    );
    differs(
        "UPDATE keys SET account = 9, digest = '\\x01'",
        "key, `ID`: `account` is account 9 and should be an account that is there
         key, `ID`: `digest` is of length 1 and should be of length 32",
    );
    differs(
        "UPDATE accounts SET diem_allocation = '-1', renumbered_from = 7",
        "account, the account: `diem_allocation` is `-1` and should be a decimal number, 0 or more
         account, the account: `renumbered_from` is 7 and should be from 0 to 6",
    );
    differs(
        "INSERT INTO accounts (id, name, next_sequence) VALUES (9, 'new', 1)",
        "account, the number of the last account: `last` is 1 and should be 9 or more
         sequence, account `new`, sequence 0: `entries` is missing and should be 1
         block, account `new`, sequence 0: `block` is missing and should be there",
    );
    differs(
        "DELETE FROM accounts",
        "key, `ID`: `account` is account 1 and should be an account that is there
         account, account `1`, the account: `id` is missing and should be 1",
    );
    differs(
        "DELETE FROM numbers",
        "block, the number of the last block: `last` is missing and should be 2
         account, the number of the last account: `last` is missing and should be 1 or more",
    );
}

/// A lost account is one difference for each minute, and does not hide other differences.
#[test]
fn of_each_kind_some_are_listed_and_all_are_counted() {
    let Some(original) = Original::of(small) else { return };
    let many = Report::LISTED + 7;
    let report = check(&original.damaged(&format!(
        "INSERT INTO counts SELECT 5, 3, 'USD', slot, 1 FROM generate_series(1, {many}) AS slot;
         DELETE FROM balances WHERE is_credit"
    )));
    let found = [(DifferenceKind::Account, 1), (DifferenceKind::Count, many), (DifferenceKind::Balance, 1)];
    assert_eq!((report.found.clone(), report.total()), (found.into(), many + 2));
    let listed = |kind| report.differences.iter().filter(|difference| difference.kind == kind).count();
    assert_eq!((listed(DifferenceKind::Count) as u64, listed(DifferenceKind::Balance)), (Report::LISTED, 1));
}
