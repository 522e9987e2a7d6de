//! `billing verify`: proves that an account has what the service has, or mends it. billing-sync does the job; this file has the
//! words for it.

mod json;
mod tables;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use billing_sync::{Verified, VerifyJob};

use crate::clock::now;
use crate::exit::{Exit, Failure};
use crate::keeping::{Asked, Telling, holder, of_ledger, requests, what_was_done};
use crate::progress::Shown;
use crate::runtime::runtime;
use crate::text::grouped;
use crate::{accounts, args, interrupt, ledgers, stdout, terminal, text};

pub(crate) fn run(args: &args::Verify) -> Result<(), Failure> {
    let asked = Asked::new(&args.walking, &args.ledger, args.since.as_deref(), args.until.as_deref())?;
    let ledger = ledgers::open(&asked.place).map_err(of_ledger)?.shared();
    let account =
        ledger.account(&args.account)?.ok_or_else(|| accounts::no_account(&asked.place, &args.account))?;
    let verify = VerifyJob::of(ledger, account)
        .since(asked.since())
        .until(asked.until())
        .repair(args.repair)
        .accept_vanished(args.accept_vanished)
        .holder(holder())
        .endpoint(args.walking.endpoint.into())
        .page_size(args.walking.page_size)
        .concurrency(args.walking.concurrency);
    let runtime = runtime(std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)))?;
    let mut interrupted = runtime.block_on(async { interrupt::watch(false) })?;
    let telling = Telling::new(if args.json { Shown::Kept } else { Shown::All });
    let observe = |event: &billing_sync::Event<'_>| telling.tell(event);
    let ended = asked.run(&runtime, &mut interrupted, &telling, args.repair, async |client| {
        verify.run(client, now, observe).await
    });
    let progress = telling.progress();
    progress.end();
    // Tasks that still fetch pages are not needed any more.
    runtime.shutdown_background();
    let verified = ended?;
    let printed = match args.json {
        true => json::json(&asked, args, &verified, progress.elapsed(), &progress.kept())
            .and_then(|json| stdout::print_json(&json)),
        false => stdout::print(&tables::tables(&verified, stdout::room())),
    };
    if !args.json {
        lines(&asked, args, &verified, progress.elapsed()).iter().for_each(|line| terminal::note(line));
    }
    // The exit code says it even when nobody reads the list.
    if !verified.is_proven() {
        return Err(differs(&asked, args, &verified));
    }
    printed
}

/// The lines of the summary for people.
fn lines(asked: &Asked<'_>, args: &args::Verify, verified: &Verified, elapsed: Duration) -> Vec<String> {
    let account = accounts::shown(&args.account);
    let (done, service) = (verified.done, &asked.base_url);
    let mut lines = Vec::new();
    lines.push(match (done.windows, verified.different_windows) {
        (0, _) => format!(
            "account `{account}`: nothing that is held in this window is final, so nothing was compared"
        ),
        (windows, 0) => format!(
            "account `{account}`: {} in {} agree with {service}",
            text::entries(done.walked),
            counted(windows, "window")
        ),
        (windows, different) => {
            format!("account `{account}`: {} from {service}", differ(different, "window", windows))
        }
    });
    if let Some(repaired) = verified.repaired {
        lines.push(format!(
            "repaired: {}; counts, sums and blocks were made anew",
            what_was_done(repaired, false)
        ));
    }
    let days = &verified.days;
    lines.push(match (&days.unread, days.compared, days.different.len() as u64) {
        (Some(why), ..) => format!("its usage analytics were not compared: {why}"),
        (None, 0, _) => "no day that is held whole to compare with its usage analytics".to_owned(),
        (None, compared, 0) => {
            let agree = if compared == 1 { "agrees" } else { "agree" };
            format!("{} {agree} with its usage analytics", counted(compared, "day"))
        }
        (None, compared, _) => {
            let different: BTreeSet<_> = days.different.iter().map(|day| day.day).collect();
            format!("{} from its usage analytics", differ(different.len() as u64, "day", compared))
        }
    });
    lines.push(requests(verified.traffic, elapsed));
    lines
}

/// The failure for an account that differs.
fn differs(asked: &Asked<'_>, args: &args::Verify, verified: &Verified) -> Failure {
    let service = &asked.base_url;
    let account = accounts::shown(&args.account);
    if verified.done.windows == 0 {
        let error = anyhow!("nothing of account `{account}` was compared");
        return Failure::new(Exit::Incomplete, error)
            .hint("`billing status` shows what it holds, and what of it is final");
    }
    if verified.different_windows > 0 && verified.repaired.is_none() {
        let error = anyhow!("account `{account}` differs from {service}");
        return Failure::new(Exit::Differs, error)
            .hint("--repair replaces what differs, whoever changed it, and makes counts and sums anew");
    }
    Failure::new(Exit::Differs, anyhow!("account `{account}` differs from the usage analytics of {service}"))
        .hint("all entries agree, so the service contradicts itself: try again in a while, or ask whoever runs it")
}

/// `1 window of 1 differs`, `3 windows of 1,204 differ`.
fn differ(different: u64, noun: &str, all: u64) -> String {
    let differ = if different == 1 { "differs" } else { "differ" };
    format!("{} of {} {differ}", counted(different, noun), grouped(all))
}

/// `1 window`, `1,204 windows`.
fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}
