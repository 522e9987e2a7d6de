//! What holds on every connection.

use billing_testkit::Postgres;

use super::*;

const OPENING: Opening = Opening { may_create: true, may_be_unfinished: false };

fn connections(url: &str) -> Connections {
    Connections::open(url.parse().unwrap(), Settings::COMMAND, OPENING).unwrap()
}

async fn shown(session: Session<'_>, setting: &str) -> Result<String, Failure> {
    Ok(session.row(&format!("SHOW {setting}"), &[]).await?.try_get(0)?)
}

/// A long import over a slow line failed when a statement took longer than a call may.
#[test]
fn nothing_ends_the_work_of_a_connection_that_was_taken() {
    let Some(postgres) = Postgres::need() else { return };
    let connections = connections(&postgres.database());
    let client = connections.take().unwrap();
    for setting in ["statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"] {
        let value = connections.on(Limit::Patience, shown(Session(&client), setting)).unwrap();
        assert_eq!(value, "0", "{setting}");
    }
}

#[test]
fn a_commit_is_as_durable_as_the_server_says_or_more() {
    let Some(postgres) = Postgres::need() else { return };
    let cases = [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ];
    for (set, expected) in cases {
        let url = postgres.database();
        let name = postgres.sql(&url, "SELECT current_database()");
        postgres.sql(&url, &format!("ALTER DATABASE {name} SET synchronous_commit = {set}"));
        let value = connections(&url)
            .write(Limit::Patience, async |session| shown(session, "synchronous_commit").await);
        assert_eq!(value.unwrap(), expected, "{set}");
    }
}

#[test]
fn the_isolation_is_ours_whatever_the_database_has_as_its_own() {
    let Some(postgres) = Postgres::need() else { return };
    let url = postgres.database();
    let name = postgres.sql(&url, "SELECT current_database()");
    postgres.sql(&url, &format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"));
    let connections = connections(&url);
    for limit in [Limit::Patience, Limit::Longer(Duration::from_secs(1)), Limit::None] {
        let isolation = async |session: Session<'_>| shown(session, "transaction_isolation").await;
        assert_eq!(connections.write(limit, isolation).unwrap(), "read committed");
        assert_eq!(connections.read(limit, isolation).unwrap(), "repeatable read");
    }
}

/// PostgreSQL answers COMMIT with success in a transaction that has failed, and stores nothing.
#[test]
fn a_failed_statement_that_nobody_read_is_an_error_of_the_commit() {
    let Some(postgres) = Postgres::need() else { return };
    let connections = connections(&postgres.database());
    let stored = connections.write(Limit::Patience, async |session| {
        session.execute("UPDATE numbers SET last = 7 WHERE name = 'account'", &[]).await?;
        let _unread = session.run("SELECT 1 / 0").await;
        Ok(())
    });
    assert_eq!(stored.unwrap_err().kind(), ErrorKind::Busy);
    let last = connections.write(Limit::Patience, async |session| {
        let sql = "SELECT last FROM numbers WHERE name = 'account'";
        Ok(session.row(sql, &[]).await?.try_get::<_, i64>(0)?)
    });
    assert_eq!(last.unwrap(), 0);
    assert_eq!(connections.state().open, 1, "the connection is used again");
}

#[test]
fn a_value_that_a_statement_does_not_take_is_no_database_that_is_away() {
    let Some(postgres) = Postgres::need() else { return };
    let connections = connections(&postgres.database());
    let values: [Values<'_>; 2] = [&[&"a text"], &[]];
    for values in values {
        let asked = connections
            .ask(Limit::Patience, async |session| session.row("SELECT $1::bigint", values).await.map(drop));
        let error = asked.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Engine, "{error}");
    }
}
