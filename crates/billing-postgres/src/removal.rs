//! Removes an account that has nothing.

use billing_ledger::{AccountId, Error, ErrorKind};

use crate::connections::Limit;
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::row::count;
use crate::session::Session;
use crate::text;

/// What an account may have that prevents its removal: each with its word in the singular and in the plural, and a
/// statement that counts it. Sums and counts without entries are a fault of the ledger. They prevent the removal too,
/// so that no trace of the fault is lost.
const CONTENT: [(&str, &str, &str); 6] = [
    ("entry", "entries", "SELECT COALESCE(SUM(entries), 0)::bigint FROM balances WHERE account = $1"),
    // These exist only in a damaged ledger.
    (
        "entry without a sum",
        "entries without a sum",
        "SELECT COUNT(*) FROM entries WHERE account = $1 AND NOT EXISTS (SELECT FROM balances WHERE account = $1)",
    ),
    (
        "entry that was taken out",
        "entries that were taken out",
        "SELECT COUNT(*) FROM removed WHERE account = $1",
    ),
    ("batch", "batches", "SELECT COUNT(*) FROM receipts WHERE account = $1"),
    ("imported file", "imported files", "SELECT COUNT(*) FROM files WHERE account = $1"),
    (
        "sum without entries",
        "sums without entries",
        "SELECT COUNT(*) FROM rollups WHERE account = $1 AND NOT EXISTS (SELECT FROM entries WHERE account = $1)",
    ),
];

/// A key prevents a removal only.
const KEYS: (&str, &str, &str) = (
    "key that is not revoked",
    "keys that are not revoked",
    "SELECT COUNT(*) FROM keys WHERE account = $1 AND revoked_ns IS NULL",
);

/// True for an account without any of these. It only looks for a first row of each.
const IS_BARE: &str = "
    SELECT NOT EXISTS (SELECT FROM entries WHERE account = $1)
       AND NOT EXISTS (SELECT FROM receipts WHERE account = $1)
       AND NOT EXISTS (SELECT FROM files WHERE account = $1)
       AND NOT EXISTS (SELECT FROM balances WHERE account = $1)
       AND NOT EXISTS (SELECT FROM rollups WHERE account = $1)
       AND NOT EXISTS (SELECT FROM counts WHERE account = $1)
       AND NOT EXISTS (SELECT FROM removed WHERE account = $1)
       AND NOT EXISTS (SELECT FROM blocks WHERE account = $1)";

const HAS_KEYS: &str = "SELECT EXISTS (SELECT FROM keys WHERE account = $1 AND revoked_ns IS NULL)";

/// What goes with an account. What was walked means nothing without entries, nor do unused numbers.
pub(crate) const GOES_WITH_IT: [&str; 5] = ["coverage", "unused", "sources", "turns", "keys"];

impl PostgresLedger {
    pub(crate) fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        let name = self.connections().write(Limit::Patience, async |session| {
            // Who writes to the account has a lock of it that this one excludes, so all that was stored is seen from here on.
            let sql = "SELECT name FROM accounts WHERE id = $1 FOR UPDATE";
            let row = session.row_if_any(sql, &[&account.0]).await?;
            let row = row.ok_or_else(|| Failure::unknown_account(account))?;
            if !is_bare(session, account).await? || holds(session, HAS_KEYS, account).await? {
                return Ok(Some(text::read(row.try_get(0)?).into_owned()));
            }
            // Who records uses of keys locks them in the order of their ids, so neither waits for the other.
            let sql = "SELECT FROM keys WHERE account = $1 ORDER BY id FOR UPDATE";
            session.execute(sql, &[&account.0]).await?;
            for table in GOES_WITH_IT {
                session.execute(&format!("DELETE FROM {table} WHERE account = $1"), &[&account.0]).await?;
            }
            session.execute("DELETE FROM accounts WHERE id = $1", &[&account.0]).await?;
            Ok(None)
        })?;
        let Some(name) = name else { return Ok(()) };
        // Counting may take a while, and others wait to write: so it is done without the lock.
        self.connections().read(Limit::Patience, async |session| {
            let obstacles = obstacles(session, account).await?.join(", ");
            let detail = format!("the account `{name}` cannot be removed: it has {obstacles}");
            Err(Failure::Kind(ErrorKind::AccountInUse, detail))
        })
    }
}

/// True for an account in which nothing was recorded.
pub(crate) async fn is_bare(session: Session<'_>, account: AccountId) -> Result<bool, Failure> {
    holds(session, IS_BARE, account).await
}

async fn holds(session: Session<'_>, sql: &str, account: AccountId) -> Result<bool, Failure> {
    Ok(session.row(sql, &[&account.0]).await?.try_get(0)?)
}

/// What was recorded in the account, in words.
pub(crate) async fn content(session: Session<'_>, account: AccountId) -> Result<Vec<String>, Failure> {
    let mut words = words(session, account, &CONTENT).await?;
    if words.is_empty() {
        words.push("sums that no entry made".to_owned());
    }
    Ok(words)
}

/// What prevents the removal of the account, in words.
async fn obstacles(session: Session<'_>, account: AccountId) -> Result<Vec<String>, Failure> {
    let content = match is_bare(session, account).await? {
        true => Vec::new(),
        false => content(session, account).await?,
    };
    Ok([content, words(session, account, &[KEYS]).await?].concat())
}

async fn words(
    session: Session<'_>,
    account: AccountId,
    of: &[(&str, &str, &str)],
) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    for (one, many, sql) in of {
        match count(&session.row(sql, &[&account.0]).await?, 0)? {
            0 => {}
            1 => words.push(format!("1 {one}")),
            n => words.push(format!("{n} {many}")),
        }
    }
    Ok(words)
}
