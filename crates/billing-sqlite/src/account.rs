//! The accounts of a ledger: their names and their allocations.

use billing_ledger::{Account, AccountId, Error, ErrorKind, Funds, check_account_name};
use billing_model::{Currency, Day, Decimal, Total, decimal_text, parse_decimal};
use rusqlite::{Connection, OptionalExtension};

use crate::error::failure;
use crate::ledger::SqliteLedger;
use crate::removal;
use crate::row::{count, parse};
use crate::strings::{self, Texts};

impl SqliteLedger {
    /// The account of this name, if there is one.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn account(&self, name: &str) -> Result<Option<AccountId>, Error> {
        self.0.connections.read(|connection| find(connection, name))
    }

    /// Makes an account, or finds the one that has this name already.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] for a new name that nobody can read: empty, longer than 128 characters, with a space at
    /// either end, with control characters or such that change the direction of reading. Or when the ledger cannot be
    /// written.
    pub(crate) fn create_account(&self, name: &str) -> Result<AccountId, Error> {
        // An existing account is found even while an import is writing, and even if its name is against today's rules.
        if let Some(account) = self.account(name)? {
            return Ok(account);
        }
        let connections = &self.0.connections;
        check_account_name(name)?;
        let created = connections.write(|connection| {
            let id = removal::next_account(connection)?;
            let sql = "INSERT INTO accounts (id, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            connection.execute(sql, (id, name))?;
            find(connection, name)
        })?;
        created.ok_or_else(|| failure(ErrorKind::UnknownAccount, connections.path(), name))
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.0.connections.read(|connection| {
            // The column has integers, so the engine's sum is exact.
            let sql = "SELECT id, name, (SELECT COALESCE(SUM(entries), 0) FROM balances WHERE account = id),
                       diem_allocation FROM accounts ORDER BY name";
            let mut select = connection.prepare(sql)?;
            let accounts = select.query_map([], |row| {
                Ok(Account {
                    id: AccountId(row.get(0)?),
                    name: row.get(1)?,
                    entries: count(row, 2)?,
                    diem_allocation: row
                        .get::<_, Option<String>>(3)?
                        .map(|_| parse(row, 3, parse_decimal))
                        .transpose()?,
                    nets: Vec::new(),
                })
            })?;
            let with_nets = |account: rusqlite::Result<Account>| {
                let account = account?;
                Ok(Account { nets: nets(connection, account.id)?, ..account })
            };
            accounts.map(with_nets).collect()
        })
    }

    /// Sets the DIEM that an account may spend each UTC day, or that it has none.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAccount`], [`ErrorKind::InvalidAllocation`] for an allocation below zero, or when the ledger
    /// cannot be written.
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
        let changed = self.0.connections.write(|connection| {
            let sql = "UPDATE accounts SET diem_allocation = ?2 WHERE id = ?1";
            connection.execute(sql, (account.0, text))
        })?;
        if changed == 0 { Err(self.unknown_account(account)) } else { Ok(()) }
    }

    /// What an account has, with the DIEM of one day.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAccount`], or when the ledger cannot be read.
    pub(crate) fn funds(&self, account: AccountId, day: Day) -> Result<Funds, Error> {
        let found = self.0.connections.read(|connection| {
            let sql = "SELECT diem_allocation FROM accounts WHERE id = ?1";
            let allocation = connection
                .prepare_cached(sql)?
                .query_row([account.0], |row| {
                    row.get::<_, Option<String>>(0)?.map(|_| parse(row, 0, parse_decimal)).transpose()
                })
                .optional()?;
            let Some(diem_allocation) = allocation else { return Ok(None) };
            Ok(Some(Funds {
                diem_allocation,
                diem_of_day: diem_of_day(connection, account, day)?,
                nets: nets(connection, account)?,
            }))
        })?;
        found.ok_or_else(|| self.unknown_account(account))
    }
}

fn diem_of_day(connection: &Connection, account: AccountId, day: Day) -> rusqlite::Result<Total> {
    let Some(diem) = strings::find(connection, Currency::Diem.as_str())? else {
        return Ok(Total::default());
    };
    let mut select = connection
        .prepare_cached("SELECT amount FROM rollups WHERE account = ?1 AND day = ?2 AND currency = ?3")?;
    let mut rows = select.query((account.0, day.0, diem))?;
    let mut sum = Total::default();
    while let Some(row) = rows.next()? {
        sum.merge(&parse(row, 0, str::parse)?);
    }
    Ok(sum)
}

fn nets(connection: &Connection, account: AccountId) -> rusqlite::Result<Vec<(Currency, Total)>> {
    let mut texts = Texts::default();
    let mut select = connection
        .prepare_cached("SELECT currency, amount FROM balances WHERE account = ?1 ORDER BY currency")?;
    let mut rows = select.query([account.0])?;
    let mut nets: Vec<(Currency, Total)> = Vec::new();
    while let Some(row) = rows.next()? {
        let currency = Currency::from(texts.text(connection, row.get(0)?)?);
        let amount = parse(row, 1, str::parse)?;
        match nets.last_mut() {
            Some((same, net)) if *same == currency => net.merge(&amount),
            _ => nets.push((currency, amount)),
        }
    }
    nets.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(nets)
}

pub(crate) fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<AccountId>> {
    connection
        .prepare_cached("SELECT id FROM accounts WHERE name = ?1")?
        .query_row([name], |row| row.get(0).map(AccountId))
        .optional()
}
