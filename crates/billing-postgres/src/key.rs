//! API keys, of which the ledger keeps a digest and the last six characters.

use std::collections::HashMap;

use billing_ledger::{AccountId, Error, Key, KeyDigest, KeyKind, NewKey, Principal};
use billing_model::Timestamp;
use tokio_postgres::Row;

use crate::connections::Limit;
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::text;

impl PostgresLedger {
    pub(crate) fn principal(&self, digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = "SELECT account, kind, id, digest FROM keys WHERE digest = $1 AND revoked_ns IS NULL";
            let row = session.row_if_any(sql, &[&digest.0.as_slice()]).await?;
            row.as_ref().map(principal_from_row).transpose()
        })
    }

    pub(crate) fn add_key(&self, key: &NewKey<'_>) -> Result<String, Error> {
        let NewKey { account, id, kind, description, digest, last_six, created_at } = *key;
        let created_ns = unix_ns(created_at)?;
        self.connections().write(Limit::Patience, async |session| {
            // The account stays until the key is there; others may write to it meanwhile.
            let sql = "SELECT name FROM accounts WHERE id = $1 FOR KEY SHARE";
            let row = session.row_if_any(sql, &[&account.0]).await?;
            let row = row.ok_or_else(|| Failure::unknown_account(account))?;
            let sql = "INSERT INTO keys (id, account, kind, description, digest, last_six, created_ns)
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let (id, description, last_six) = (text::kept(id), text::kept(description), text::kept(last_six));
            session
                .execute(
                    sql,
                    &[
                        &id,
                        &account.0,
                        &kind.as_str(),
                        &description,
                        &digest.0.as_slice(),
                        &last_six,
                        &created_ns,
                    ],
                )
                .await?;
            own(&row, 0)
        })
    }

    pub(crate) fn keys(&self) -> Result<Vec<Key>, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = "SELECT keys.id, accounts.name, kind, description, last_six, created_ns, revoked_ns, last_used_ns
                       FROM keys JOIN accounts ON accounts.id = keys.account ORDER BY created_ns, keys.id";
            session.rows(sql, &[]).await?.iter().map(key_from_row).collect()
        })
    }

    pub(crate) fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        let at_ns = unix_ns(at)?;
        self.connections().write(Limit::Patience, async |session| {
            let sql = "UPDATE keys SET revoked_ns = $2 WHERE id = $1 AND revoked_ns IS NULL";
            Ok(session.execute(sql, &[&text::kept(id), &at_ns]).await? == 1)
        })
    }

    pub(crate) fn record_key_uses(&self, uses: &[(&str, Timestamp)]) -> Result<(), Error> {
        let ids: Vec<_> = uses.iter().map(|(id, _)| text::kept(id)).collect();
        let times = uses.iter().map(|(_, at)| unix_ns(*at)).collect::<Result<Vec<_>, Error>>()?;
        self.connections().write(Limit::Patience, async |session| {
            // Two servers that record uses of the same keys take the locks in one order, so that neither waits for the other.
            let lock = "SELECT FROM keys WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
            session.execute(lock, &[&ids]).await?;
            let sql = "UPDATE keys SET last_used_ns = last.at_ns
                       FROM (SELECT id, max(at_ns) AS at_ns FROM unnest($1::text[], $2::bigint[]) AS uses (id, at_ns) GROUP BY id) AS last
                       WHERE keys.id = last.id AND (last_used_ns IS NULL OR last_used_ns < last.at_ns)";
            session.execute(sql, &[&ids, &times]).await.map(drop)
        })
    }

    pub(crate) fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = "SELECT id, description FROM keys WHERE account = $1 AND description <> ''";
            let rows = session.rows(sql, &[&account.0]).await?;
            rows.iter().map(|row| Ok((own(row, 0)?, own(row, 1)?))).collect()
        })
    }
}

fn unix_ns(at: Timestamp) -> Result<i64, Error> {
    at.unix_ns().ok_or_else(|| Error::timestamp(at))
}

fn principal_from_row(row: &Row) -> Result<(Principal, KeyDigest), Failure> {
    let principal = Principal {
        account: AccountId(row.try_get(0)?),
        kind: KeyKind::from_text(row.try_get(1)?),
        key_id: own(row, 2)?,
    };
    let digest = row.try_get::<_, &[u8]>(3)?.try_into();
    Ok((principal, KeyDigest(digest.map_err(|_| Failure::damaged("a digest of a key has not 32 bytes"))?)))
}

fn key_from_row(row: &Row) -> Result<Key, Failure> {
    Ok(Key {
        id: own(row, 0)?,
        account: own(row, 1)?,
        kind: KeyKind::from_text(row.try_get(2)?),
        description: own(row, 3)?,
        last_six: own(row, 4)?,
        created_at: Timestamp::from_unix_ns(row.try_get(5)?),
        revoked_at: row.try_get::<_, Option<i64>>(6)?.map(Timestamp::from_unix_ns),
        last_used_at: row.try_get::<_, Option<i64>>(7)?.map(Timestamp::from_unix_ns),
    })
}

/// The text of a column.
fn own(row: &Row, column: usize) -> Result<String, Failure> {
    Ok(text::read(row.try_get(column)?).into_owned())
}
