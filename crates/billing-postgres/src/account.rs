//! The accounts of a ledger: their names and their allocations.

use billing_ledger::{Account, AccountId, Error, ErrorKind, Funds, check_account_name};
use billing_model::{Currency, Day, Decimal, Total, decimal_text, parse_decimal};
use tokio_postgres::Row;

use crate::connections::Limit;
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::row::count;
use crate::session::Session;
use crate::text;

/// The sums of all entries of each currency, of the account `accounts.id`. The database adds `numeric` exactly.
const BALANCES: &str = "LEFT JOIN LATERAL (
        SELECT currency, sum(amount)::text AS net, sum(entries)::bigint AS entries
        FROM balances WHERE account = accounts.id GROUP BY indexed_currency, currency
    ) AS nets ON true";

impl PostgresLedger {
    pub(crate) fn account(&self, name: &str) -> Result<Option<AccountId>, Error> {
        self.connections().ask(Limit::Patience, async |session| find(session, name).await)
    }

    pub(crate) fn create_account(&self, name: &str) -> Result<AccountId, Error> {
        // An existing account is found without a lock, and even if its name is against today's rules.
        if let Some(account) = self.account(name)? {
            return Ok(account);
        }
        check_account_name(name)?;
        self.connections().write(Limit::Patience, async |session| {
            // Whoever makes an account has this row, so after it nobody else makes one of the same name.
            let lock = "SELECT last FROM numbers WHERE name = 'account' FOR NO KEY UPDATE";
            session.row(lock, &[]).await?;
            if let Some(account) = find(session, name).await? {
                return Ok(account);
            }
            // No number is given twice, so a batch or a cursor of a removed account never belongs to another one.
            let next = "UPDATE numbers SET last = last + 1 WHERE name = 'account' RETURNING last";
            let id: i64 = session.row(next, &[]).await?.try_get(0)?;
            let sql = "INSERT INTO accounts (id, name) VALUES ($1, $2)";
            session.execute(sql, &[&id, &text::kept(name)]).await?;
            Ok(AccountId(id))
        })
    }

    pub(crate) fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = format!(
                "SELECT diem_allocation, nets.currency, nets.net, id, name, nets.entries FROM accounts {BALANCES}
                 ORDER BY name"
            );
            let mut accounts: Vec<Account> = Vec::new();
            for row in session.rows(&sql, &[]).await? {
                let id = AccountId(row.try_get(3)?);
                let (net, entries) = match net(&row)? {
                    Some(net) => (Some(net), count(&row, 5)?),
                    None => (None, 0),
                };
                match accounts.last_mut().filter(|last| last.id == id) {
                    Some(account) => {
                        account.entries += entries;
                        account.nets.extend(net);
                    }
                    None => accounts.push(Account {
                        id,
                        name: text::read(row.try_get(4)?).into_owned(),
                        entries,
                        diem_allocation: allocation(&row)?,
                        nets: net.into_iter().collect(),
                    }),
                }
            }
            accounts.iter_mut().for_each(|account| sort(&mut account.nets));
            Ok(accounts)
        })
    }

    pub(crate) fn set_diem_allocation(
        &self,
        account: AccountId,
        allocation: Option<Decimal>,
    ) -> Result<(), Error> {
        let text = allocation.map(decimal_text);
        if allocation.is_some_and(|allocation| allocation.is_negative()) {
            let text = text.unwrap_or_default();
            let message = format!("`{text}` is no allocation: an account gets 0 DIEM a day or more");
            return Err(Error::new(ErrorKind::InvalidAllocation, message));
        }
        self.connections().write(Limit::Patience, async |session| {
            let sql = "UPDATE accounts SET diem_allocation = $2 WHERE id = $1";
            match session.execute(sql, &[&account.0, &text]).await? {
                0 => Err(Failure::unknown_account(account)),
                _ => Ok(()),
            }
        })
    }

    pub(crate) fn funds(&self, account: AccountId, day: Day) -> Result<Funds, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            // It is one statement, so it is of one moment.
            let sql = format!(
                "SELECT diem_allocation, nets.currency, nets.net,
                     (SELECT sum(amount)::text FROM rollups WHERE account = $1 AND day = $2 AND currency = 'DIEM')
                 FROM accounts {BALANCES} WHERE id = $1"
            );
            let rows = session.rows(&sql, &[&account.0, &day.0]).await?;
            let first = rows.first().ok_or_else(|| Failure::unknown_account(account))?;
            let mut nets =
                rows.iter().filter_map(|row| net(row).transpose()).collect::<Result<Vec<_>, _>>()?;
            sort(&mut nets);
            Ok(Funds {
                diem_allocation: allocation(first)?,
                diem_of_day: total_if_any(first, 3)?.unwrap_or_default(),
                nets,
            })
        })
    }
}

async fn find(session: Session<'_>, name: &str) -> Result<Option<AccountId>, Failure> {
    let row = session.row_if_any("SELECT id FROM accounts WHERE name = $1", &[&text::kept(name)]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.map(AccountId))
}

/// Puts sums in the order of their currencies, which the database does not know.
fn sort(nets: &mut [(Currency, Total)]) {
    nets.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
}

/// The allocation, from the first column.
fn allocation(row: &Row) -> Result<Option<Decimal>, Failure> {
    Ok(row.try_get::<_, Option<&str>>(0)?.map(parse_decimal).transpose()?)
}

/// A currency and the sum of its entries, from the second and the third column; none for an account without entries.
fn net(row: &Row) -> Result<Option<(Currency, Total)>, Failure> {
    match (row.try_get::<_, Option<&str>>(1)?, total_if_any(row, 2)?) {
        (Some(currency), Some(net)) => Ok(Some((Currency::from(&*text::read(currency)), net))),
        _ => Ok(None),
    }
}

fn total_if_any(row: &Row, column: usize) -> Result<Option<Total>, Failure> {
    Ok(row.try_get::<_, Option<&str>>(column)?.map(str::parse).transpose()?)
}
