//! `billing demo`: the whole system on made-up data, without key and network.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use billing_csv::Columns;
use billing_format::Format;
use billing_http::{ApiKey, Client, Endpoint, Walk};
use billing_ledger::KeyKind;
use billing_model::{Sink, Stretch, Summary, TimeWindow, Timestamp, UsageEntry, WholeDigest, WholeSet};
use billing_sample::History;
use billing_sink::{AtomicFile, FileSink, drain};
use billing_sqlite::SqliteLedger;
use chrono::Utc;
use futures::TryStreamExt;

use crate::args;
use crate::exit::{Exit, Failure};
use crate::ledger_place::LedgerPlace;
use crate::runtime::runtime;
use crate::{ledgers, serve, stdout, text};

/// Entries made and recorded at a time.
const BATCH: usize = 1000;

/// Entries that may be recorded next.
const IN_A_BATCH: u64 = 3;

/// Marks a directory as the demo's own.
const MARK: &str = ".billing-demo";

/// Where the demo keeps what it makes.
struct Place {
    ledger: PathBuf,
    key: PathBuf,
    /// A key that records, and something to record.
    ingest_key: PathBuf,
    batch: PathBuf,
    export: PathBuf,
}

pub(crate) fn run(args: &args::Demo) -> Result<(), Failure> {
    let place = Place::prepare(&args.dir)?;
    let start = Instant::now();
    let ledger = ledgers::open_or_create(&LedgerPlace::File(place.ledger.clone()))?;
    let account = ledger.create_account("demo")?;
    let mut recorded = WholeSet::EMPTY;
    let mut import = ledger.import(account)?;
    let mut history = History::new(args.seed, args.entries);
    loop {
        let batch: Vec<UsageEntry> = history.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        batch.iter().for_each(|entry| recorded.add(WholeDigest::of(entry)));
        import.write(&batch)?;
    }
    import.finish()?;
    stdout::print(&format!(
        "recorded {} made-up entries in {} ({})\n",
        text::grouped(recorded.entries()),
        place.ledger.display(),
        text::seconds(start.elapsed())
    ))?;
    let now = Timestamp::from(Utc::now());
    let (_, secret) = ledger.create_key(account, KeyKind::Admin, "demo", now)?;
    let (_, ingest_secret) = ledger.create_key(account, KeyKind::Ingest, "demo, to record", now)?;
    for (path, secret) in [(&place.key, &secret), (&place.ingest_key, &ingest_secret)] {
        write_secret(path, secret.expose())
            .map_err(|error| Failure::failed(error.context(format!("cannot write `{}`", path.display()))))?;
    }
    write_batch(&place.batch, args.seed).map_err(|error| {
        Failure::failed(error.context(format!("cannot write `{}`", place.batch.display())))
    })?;
    let key = ApiKey::new(secret.expose())?;

    runtime(2)?.block_on(async {
        let listener = serve::listen("--listen", ([127, 0, 0, 1], 0).into()).await?;
        let base_url = serve::base_url("http", listener.local_addr().map_err(Failure::failed)?);
        // No signal is caught while the demo runs: Ctrl-C ends it, not only its server.
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve::serve(
            listener,
            ledger.shared(),
            serve::config(),
            async { drop(stopped.await) },
            serve::Says::default(),
        ));
        stdout::print(&format!("serving it at {base_url}\n\n"))?;
        show(&base_url, key, &place, recorded).await?;
        if args.serve {
            let told_to_stop = serve::stop_signal()?;
            stdout::print(&while_serving(&base_url, &place))?;
            told_to_stop.await;
            drop(stop);
            server.await.map_err(Failure::failed)??;
        } else {
            stdout::print(&next_commands(&program(), &place))?;
        }
        Ok(())
    })
}

impl Place {
    fn of(dir: &Path) -> Self {
        Self {
            ledger: dir.join("ledger.db"),
            key: dir.join("api-key"),
            ingest_key: dir.join("ingest-key"),
            batch: dir.join("batch.ndjson"),
            export: dir.join("usage.csv"),
        }
    }

    /// Makes the directory, and takes away what an earlier demo made in it. A directory that no demo made is left alone:
    /// its ledger may be a real one.
    fn prepare(dir: &Path) -> Result<Self, Failure> {
        let place = Self::of(dir);
        let prepare = || -> anyhow::Result<()> {
            let mark = dir.join(MARK);
            if dir.exists() && !mark.exists() && fs::read_dir(dir)?.next().is_some() {
                bail!("it is not empty and no demo made it; give another --dir");
            }
            fs::create_dir_all(dir)?;
            fs::write(&mark, "Made by `billing demo`, which replaces what is here.\n")?;
            // Not under a server that somebody started over it.
            SqliteLedger::discard(&place.ledger)?;
            remove_if_there(&place.key)?;
            remove_if_there(&place.ingest_key)
        };
        prepare()
            .with_context(|| format!("cannot use the directory `{}`", dir.display()))
            .map_err(Failure::failed)?;
        Ok(place)
    }
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a key where only its owner reads it.
fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")?;
    Ok(())
}

/// Writes what may be recorded next, of another history.
fn write_batch(path: &Path, seed: u64) -> anyhow::Result<()> {
    let mut batch = Vec::new();
    for entry in History::new(seed.wrapping_add(1), IN_A_BATCH) {
        entry.write_json(&mut batch);
        batch.push(b'\n');
    }
    Ok(fs::write(path, batch)?)
}

/// Exports everything over both endpoints, and compares.
async fn show(base_url: &str, key: ApiKey, place: &Place, recorded: WholeSet) -> Result<(), Failure> {
    let client = Client::builder(base_url, key).build()?;
    let file = FileSink::new(Format::Csv(Columns::WithApiKeyId), AtomicFile::create(&place.export)?);
    let by_cursor = walk(&client, Endpoint::UsageHistory, file).await?;
    let by_number = walk(&client, Endpoint::Usage, Counted).await?;
    let exported = &by_cursor.summary;
    let (Some(first), Some(last)) = (exported.first, exported.last) else {
        return stdout::print("nothing was recorded, so nothing is exported\n");
    };
    stdout::print(&format!(
        "{} entries from {first}\n  to {last}\n\n{}\n",
        text::grouped(exported.entries),
        text::amounts(exported)
    ))?;
    for (route, exported) in [("/billing/usage-history", &by_cursor), ("/billing/usage", &by_number)] {
        stdout::print(&format!(
            "{route:<22}  {:>9} entries  {:>7}  {:>9} entries/s\n",
            text::grouped(exported.summary.entries),
            text::seconds(exported.elapsed),
            text::grouped(text::rate(exported.summary.entries, exported.elapsed)),
        ))?;
    }
    if by_cursor.entries != recorded
        || by_number.entries != recorded
        || by_number.summary != by_cursor.summary
    {
        return Err(Failure::new(
            Exit::Incomplete,
            anyhow!("the exports are not the entries that were recorded"),
        ));
    }
    stdout::print(&format!(
        "the two exports are the same entries, and those that were recorded\n{} is written\n\n",
        place.export.display()
    ))
}

struct Exported {
    summary: Summary,
    entries: WholeSet,
    elapsed: Duration,
}

async fn walk(
    client: &Client,
    endpoint: Endpoint,
    sink: impl Sink<Error = billing_sink::Error>,
) -> Result<Exported, Failure> {
    let start = Instant::now();
    let mut entries = WholeSet::EMPTY;
    let walk = Walk::over(TimeWindow::ALL).endpoint(endpoint).build().map_err(Failure::usage)?;
    let count =
        |stretch: &Stretch| stretch.entries.iter().for_each(|entry| entries.add(WholeDigest::of(entry)));
    let drained = drain(walk.stretches(client).inspect_ok(count), sink).await?;
    Ok(Exported { summary: drained.summary, entries, elapsed: start.elapsed() })
}

/// Takes entries for the sake of their count alone.
struct Counted;

impl Sink for Counted {
    type Output = ();
    type Error = billing_sink::Error;

    fn write(&mut self, _: &[UsageEntry]) -> Result<(), billing_sink::Error> {
        Ok(())
    }

    fn finish(self) -> Result<(), billing_sink::Error> {
        Ok(())
    }
}

/// The program as it was called, so that the commands can be copied.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "billing".to_owned())
}

fn next_commands(billing: &str, place: &Place) -> String {
    let Place { ledger, key, ingest_key, batch, .. } = place;
    let [ledger, key, ingest_key, batch] = [ledger, key, ingest_key, batch].map(|path| path.display());
    format!(
        "Next, in one terminal:\n  {billing} serve --ledger {ledger}\n\nand in another, in the same directory:\n  \
         export BILLING_BASE_URL=localhost:8787/api/v1\n  \
         {billing} export --api-key-file {key} \\\n      --month 2026-06 -o june.csv\n  \
         {billing} analytics --api-key-file {key} \\\n      --month 2026-06\n  \
         {billing} record {batch} \\\n      --api-key-file {ingest_key} --idempotency-key demo-1\n  \
         {billing} balance --api-key-file {key}\n  \
         {billing} report --ledger {ledger} --by model\n"
    )
}

fn while_serving(base_url: &str, place: &Place) -> String {
    let key = place.key.display();
    let curl = format!("curl -H \"Authorization: Bearer $(cat {key})\"");
    format!(
        "The server stays up until Ctrl-C. In another terminal:\n  {curl} \\\n      '{base_url}/billing/usage?limit=2'\n  \
         {curl} -H 'Accept: text/csv' \\\n      '{base_url}/billing/usage-history?pageSize=10'\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_next_fits_a_terminal() {
        let next = next_commands("billing", &Place::of(Path::new("billing-demo")));
        assert!(next.lines().all(|line| line.chars().count() <= 80), "{next}");
        insta::assert_snapshot!(next, @r#"
        Next, in one terminal:
          billing serve --ledger billing-demo/ledger.db

        and in another, in the same directory:
          export BILLING_BASE_URL=localhost:8787/api/v1
          billing export --api-key-file billing-demo/api-key \
              --month 2026-06 -o june.csv
          billing analytics --api-key-file billing-demo/api-key \
              --month 2026-06
          billing record billing-demo/batch.ndjson \
              --api-key-file billing-demo/ingest-key --idempotency-key demo-1
          billing balance --api-key-file billing-demo/api-key
          billing report --ledger billing-demo/ledger.db --by model
        "#);
    }
}
