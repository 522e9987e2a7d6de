//! One of the two ledgers, with what is open at it. It names accounts and entries by their places, so that one story is for both.

use std::collections::BTreeMap;
use std::sync::Arc;

use billing_ledger::{
    AccountId, Amendment, Batch, Change, Coverage, Error, FileContent, Filter, Import, KeyKind, Ledger,
    NewKey, Position, Snapshot, Source, Turn, WalkQuery,
};
use billing_model::{Currency, Timestamp, Total, UsageEntry, WholeSet};
use billing_testkit::OwnedLedger as _;
use proptest::sample::Index;

use crate::requests::{Server, last_requests, now};
use crate::said::{SERVER, Said};
use crate::story::{BATCHES, Changed, FILES, Imported, KEYS, Look, NAMES, Sent, Step};

const NS_PER_HOUR: i64 = 3_600_000_000_000;

/// Entries of one call of an import.
const WRITTEN_AT_ONCE: usize = 7;

/// Opens a ledger, or makes it.
pub(crate) type Open = Box<dyn Fn() -> Arc<dyn Ledger>>;

pub(crate) struct Side {
    open: Open,
    /// What is open: before the ledger it is of.
    server: Server,
    import: Option<Box<dyn Import>>,
    walks: Vec<Walk>,
    ledger: Arc<dyn Ledger>,
    /// All that were made, also those that were removed since.
    accounts: Vec<AccountId>,
    steps: i64,
}

struct Walk {
    account: AccountId,
    filter: Filter,
    limit: u32,
    snapshot: Option<Snapshot>,
    after: Option<Position>,
}

impl Side {
    pub(crate) fn new(open: Open) -> Self {
        let ledger = open();
        let server = Server::over(Arc::clone(&ledger));
        Self { open, server, import: None, walks: Vec::new(), ledger, accounts: Vec::new(), steps: 0 }
    }

    /// Does a step, looks, and tells everything.
    pub(crate) fn tell(&mut self, step: &Step, look: &Look) -> Said {
        let mut said = Said::default();
        self.steps += 1;
        self.take(step, &mut said);
        self.note_known(&mut said);
        let account = self.at(&look.account);
        said.account(&*self.ledger, account, look);
        let newest = self.ledger.owned_blocks(0).map_or(0, |blocks| blocks.len() as u64);
        said.whole(&*self.ledger, newest.saturating_sub(look.enough as u64));
        for request in &look.requests {
            self.server.ask(&reader(account), request, &mut said);
        }
        said
    }

    /// Tells all that there is to know.
    pub(crate) fn tell_all(&mut self, look: &Look) -> Said {
        let mut said = Said::default();
        said.whole(&*self.ledger, 0);
        for account in self.accounts.clone() {
            said.account(&*self.ledger, account, look);
            last_requests().for_each(|request| self.server.ask(&reader(account), &request, &mut said));
        }
        while !self.walks.is_empty() {
            self.go_on(0, &mut said);
        }
        said
    }

    fn take(&mut self, step: &Step, said: &mut Said) {
        let ledger = Arc::clone(&self.ledger);
        match step {
            Step::Account { name, is_copy } => {
                let made = ledger.create_account(NAMES[*name]);
                if let Ok(account) = made {
                    if !self.accounts.contains(&account) {
                        self.accounts.push(account);
                        self.let_in(account, said);
                    }
                    if *is_copy {
                        said.outcome("source", ledger.set_source(account, &self.source(None)));
                    }
                }
                said.outcome("account", made);
            }
            Step::BadName(name) => said.outcome("account", ledger.create_account(name)),
            Step::Batches(sent) => {
                let batches: Vec<_> = sent.iter().map(|sent| self.batch(sent)).collect();
                said.outcome("batches", ledger.store_batches(&batches));
            }
            Step::Import(imported) => said.outcome("import", self.import(imported)),
            Step::Begin(account) => {
                let begun = ledger.import(self.at(account)).map(|import| self.import = Some(import));
                said.outcome("begun", begun);
            }
            Step::Write(entries) => {
                if let Some(import) = &mut self.import {
                    said.outcome("written", import.write(entries));
                }
            }
            Step::End { is_dropped } => {
                let import = self.import.take().filter(|_| !is_dropped);
                said.outcome("ended", import.map(|import| import.finish()).transpose());
            }
            Step::Change(changed) => said.outcome("change", ledger.change(&self.change(changed))),
            Step::Repair(changed, window) => {
                said.outcome("repair", ledger.repair(&self.change(changed), *window));
            }
            Step::Source(account, synced_at) => {
                let account = self.at(account);
                said.outcome("source", ledger.set_source(account, &self.source(*synced_at)));
                said.outcome(
                    "turn",
                    ledger.take_turn(account, "one").map(|turn| matches!(turn, Turn::Taken(_))),
                );
            }
            Step::Allocation(account, diem) => {
                said.outcome("allocation", ledger.set_diem_allocation(self.at(account), *diem));
            }
            Step::Key { number, account, kind, description } => {
                let id = format!("key-{number}");
                let digest = ledger.key_material().digest(&id);
                let (account, last_six) = (self.at(account), "ey-xyz");
                let created_at = self.now();
                let key = NewKey { account, id: &id, kind: *kind, description, digest, last_six, created_at };
                // A second key of one id is nothing that can happen, because ids are random.
                if ledger.authenticate(&id).is_ok_and(|found| found.is_none())
                    && ledger.keys().is_ok_and(|keys| keys.iter().all(|key| key.id != id))
                {
                    said.outcome("key", ledger.add_key(&key));
                }
            }
            Step::Revoke(number) => {
                said.outcome("revoked", ledger.revoke_key(&format!("key-{number}"), self.now()));
            }
            Step::Uses(uses) => {
                let uses: Vec<_> =
                    uses.iter().map(|(number, hour)| (format!("key-{number}"), hours(*hour))).collect();
                let uses: Vec<_> = uses.iter().map(|(id, at)| (id.as_str(), *at)).collect();
                said.outcome("uses", ledger.record_key_uses(&uses));
            }
            Step::Remove(account) => {
                let account = self.at(account);
                for key in [reader(account), writer(account)] {
                    said.outcome("revoked", ledger.revoke_key(&key, self.now()));
                }
                said.outcome("removed", ledger.remove_account(account));
            }
            Step::Open { account, filter, limit } => {
                let (account, filter) = (self.at(account), filter.clone());
                self.walks.push(Walk { account, filter, limit: *limit, snapshot: None, after: None });
                self.go_on(self.walks.len() - 1, said);
            }
            Step::GoOn(walk, pages) => {
                for _ in 0..*pages {
                    if !self.walks.is_empty() {
                        self.go_on(walk.index(self.walks.len()), said);
                    }
                }
            }
            Step::Post { account, key, entries } => {
                self.server.post(&writer(self.at(account)), key, entries, said);
            }
            Step::Reopen => self.reopen(ledger),
        }
    }

    fn reopen(&mut self, ledger: Arc<dyn Ledger>) {
        self.import = None;
        // A server stores what is left when it is dropped.
        self.server = Server::over(Arc::new(billing_testkit::MemoryLedger::new().unwrap()));
        drop(ledger);
        self.ledger = (self.open)();
        self.server = Server::over(Arc::clone(&self.ledger));
    }

    /// An account by its place, or one that was never there.
    fn at(&self, index: &Index) -> AccountId {
        let place = index.index(self.accounts.len() * 8 + 1);
        self.accounts.get(place / 8).copied().unwrap_or(AccountId(1_000_000))
    }

    fn now(&self) -> Timestamp {
        hours(self.steps)
    }

    /// Keys for the server.
    fn let_in(&self, account: AccountId, said: &mut Said) {
        for (id, kind) in [(reader(account), KeyKind::Admin), (writer(account), KeyKind::Ingest)] {
            let digest = self.ledger.key_material().digest(&id);
            let (created_at, description) = (hours(0), "");
            let key = NewKey { account, id: &id, kind, description, digest, last_six: SERVER, created_at };
            said.outcome("let in", self.ledger.add_key(&key));
        }
    }

    /// Notes what is looked up by a name.
    fn note_known(&self, said: &mut Said) {
        for name in NAMES {
            said.outcome(name, self.ledger.account(name));
        }
        for number in 0..KEYS {
            let key = format!("key-{number}");
            said.outcome(&key, self.ledger.authenticate(&key));
        }
        for account in &self.accounts {
            for content in 0..FILES {
                said.outcome("file", self.ledger.imported_file(*account, &[content; 32]));
            }
            for (key, version) in BATCHES.iter().flat_map(|key| [(key, 0), (key, 1)]) {
                said.outcome("batch", self.ledger.find_batch(*account, key, &[version; 32]));
            }
        }
    }

    fn source(&self, synced_at: Option<Timestamp>) -> Source {
        Source {
            base_url: "https://api.example.com/\u{1}".to_owned(),
            key_fingerprint: self.steps.to_string(),
            settle: Source::SETTLE,
            synced_at,
        }
    }

    fn batch(&self, sent: &Sent) -> Batch {
        Batch {
            account: self.at(&sent.account),
            idempotency_key: sent.key.clone(),
            digest: [sent.version; 32],
            received_at: self.now(),
            entries: sent.entries.clone().into(),
        }
    }

    fn import(&self, imported: &Imported) -> Result<Option<u64>, Error> {
        let mut import = self.ledger.import(self.at(&imported.account))?;
        for file in &imported.files {
            file.entries.chunks(WRITTEN_AT_ONCE).try_for_each(|entries| import.write(entries))?;
            import.end_file(FileContent {
                name: file.name.clone(),
                sha256: [file.content; 32],
                imported_at: self.now(),
                again: file.again,
            });
        }
        import.write(&imported.rest)?;
        if imported.is_dropped { Ok(None) } else { import.finish().map(Some) }
    }

    fn change(&self, changed: &Changed) -> Change {
        let account = self.at(&changed.account);
        let entries = self.ledger.placed_entries(account).unwrap_or_default();
        let place = |index: &Index| (!entries.is_empty()).then(|| index.get(&entries).0);
        let mut remove: Vec<_> = changed.remove.iter().filter_map(place).collect();
        if changed.is_lost {
            remove.push(Position { timestamp_ns: 1, sequence: 1_000_000 });
        } else {
            remove.sort_unstable();
            remove.dedup();
        }
        let amendment = |(index, api_key_id, other_fields): &(Index, Option<String>, _)| {
            let (api_key_id, other_fields) = (api_key_id.clone(), Clone::clone(other_fields));
            place(index).map(|position| Amendment { position, api_key_id, other_fields })
        };
        let mut amend: Vec<_> = changed.amend.iter().filter_map(amendment).collect();
        if !changed.is_lost {
            amend.retain(|amendment| !remove.contains(&amendment.position));
        }
        let state = || {
            let page = self.ledger.positioned_page(account, &Filter::default(), None, None, 1);
            page.map_or(0, |page| page.snapshot.end)
        };
        let seen = changed.seen.map(|off| state() + off);
        let mut cover = Vec::new();
        if let Some((first, is_open, lengths)) = &changed.cover {
            let mut at = *first;
            for length in lengths {
                let since = (at > *first || !is_open).then_some(at);
                cover.push(record(since, at + length, &changed.add));
                at += length;
            }
        }
        let add = changed.add.clone().into();
        Change { account, at: self.now(), remove, amend, add, seen, cover }
    }

    /// The next page of a walk.
    fn go_on(&mut self, which: usize, said: &mut Said) {
        let walk = &mut self.walks[which];
        let Walk { account, filter, limit, snapshot, after } = walk;
        let query =
            WalkQuery { account: *account, filter, snapshot: *snapshot, after: *after, limit: *limit };
        match said.page(&*self.ledger, &query) {
            Some(page) if page.next.is_some() => {
                (walk.snapshot, walk.after) = (Some(page.snapshot), page.next)
            }
            _ => drop(self.walks.remove(which)),
        }
    }
}

/// The key of an account with which its server is asked.
fn reader(account: AccountId) -> String {
    format!("reader-{}", account.0)
}

/// The key of an account with which batches are sent to its server.
fn writer(account: AccountId) -> String {
    format!("writer-{}", account.0)
}

fn hours(hours: i64) -> Timestamp {
    Timestamp::from_unix_ns(hours * NS_PER_HOUR)
}

/// A record of the hours from one to another, with these entries.
fn record(since: Option<i64>, until: i64, entries: &[UsageEntry]) -> Coverage {
    let mut sums = BTreeMap::<Currency, Total>::new();
    entries.iter().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
    Coverage {
        since: since.map(hours),
        until: hours(until),
        as_of: now(),
        sums: sums.into_iter().collect(),
        whole_set: entries.iter().collect::<WholeSet>(),
    }
}
