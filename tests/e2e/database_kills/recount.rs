//! The ledger at the end, counted anew from what the clients sent, by nothing of the engine's own.

use std::collections::{BTreeMap, BTreeSet};

use billing_ledger::Ledger as _;
use billing_model::{Currency, Day, EntrySet, Total, UsageEntry, WholeSet};
use billing_postgres::{PostgresLedger, Settings};
use billing_testkit::OwnedLedger as _;

use crate::check;
use crate::host::Host;
use crate::ingest::{analytics_agree, rollups_are};

use super::clients::Clients;
use super::{ACCOUNTS, Rig};

impl Rig {
    /// The ledger is exactly what was acknowledged, and so is everything that it has counted. What it has, in words.
    #[track_caller]
    pub(super) fn is_exactly_what_was_acknowledged(&self, clients: &Clients, host: &Host) -> String {
        let ledger = PostgresLedger::open(self.url.parse().unwrap(), Settings::COMMAND).unwrap();
        let (mut batches, mut all_entries) = (0, 0);
        for (number, (name, admin)) in ACCOUNTS.iter().zip(&self.admin).enumerate() {
            let (sent, batches_sent) = clients.all(number);
            let found = host.export(admin, &["--until", "2026-07", "--format", "ndjson"]).done().entries();
            assert_eq!(whole_set(&found), whole_set(&sent), "the ledger is exactly what was acknowledged");
            assert!(found.is_sorted_by_key(|entry| entry.timestamp));
            analytics_agree(host, admin, &found);
            rollups_are(&ledger, name, &found);
            let account = ledger.account(name).unwrap().unwrap();
            let funds = ledger.funds(account, Day::of(found[0].timestamp).unwrap()).unwrap();
            assert_eq!(funds.nets, sums(&found));
            // Batches that failed took no numbers with them.
            let mut sequences: Vec<_> = ledger
                .placed_entries(account)
                .unwrap()
                .into_iter()
                .map(|(place, _)| place.sequence)
                .collect();
            sequences.sort_unstable();
            assert!(sequences.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no number is missing or twice");
            assert_eq!(sequences.len(), found.len());
            self.counts_are(account.0, &found);
            let receipts = format!("SELECT count(*) FROM billing.receipts WHERE account = {}", account.0);
            assert_eq!(self.postgres.sql(&self.url, &receipts), batches_sent.to_string());
            batches += batches_sent;
            all_entries += found.len();
        }
        let blocks = ledger.owned_blocks(0).unwrap();
        for (number, (block, entries)) in (1..).zip(&blocks) {
            assert_eq!(block.number, number, "blocks have no gap");
            let mut sequences: Vec<_> = entries.iter().map(|(place, _)| place.sequence).collect();
            sequences.sort_unstable();
            let entries: Vec<_> = entries.iter().map(|(_, entry)| entry.clone()).collect();
            assert!((block.first_sequence..).zip(&sequences).all(|(expect, found)| expect == *found));
            assert_eq!(block.entry_set, entries.iter().collect::<EntrySet>());
            assert_eq!(block.whole_set, whole_set(&entries));
            assert_eq!(block.sums, sums(&entries));
        }
        let in_blocks: usize = blocks.iter().map(|(_, entries)| entries.len()).sum();
        assert_eq!(in_blocks, all_entries, "each entry is in a block");
        check::is_clean(&self.url);
        format!(
            "{batches} batches of {all_entries} entries in {} blocks, {:?}",
            blocks.len(),
            clients.counts()
        )
    }

    /// The counts of every level come to the entries, currency by currency.
    #[track_caller]
    fn counts_are(&self, account: i64, entries: &[UsageEntry]) {
        let sql = format!(
            "SELECT DISTINCT sum(entries) FROM billing.counts WHERE account = {account} GROUP BY level, currency ORDER BY 1"
        );
        let mut of_currency = BTreeMap::<&Currency, usize>::new();
        entries.iter().for_each(|entry| *of_currency.entry(&entry.currency).or_default() += 1);
        let expect: BTreeSet<_> = of_currency.into_values().collect();
        let found: BTreeSet<usize> =
            self.postgres.sql(&self.url, &sql).lines().map(|count| count.parse().unwrap()).collect();
        assert!(expect.is_subset(&found), "{expect:?} {found:?}");
    }
}

fn sums(entries: &[UsageEntry]) -> Vec<(Currency, Total)> {
    let mut sums = BTreeMap::<Currency, Total>::new();
    entries.iter().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
    sums.into_iter().collect()
}

fn whole_set(entries: &[UsageEntry]) -> WholeSet {
    entries.iter().collect()
}
