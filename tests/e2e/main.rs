//! The whole, from outside: the real program, its server, real files and sockets. Table of contents.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

// What the tests stand on: the program, a ledger that is served, a service that follows a script, the forms of answers.
mod authority;
mod billing;
mod conversation;
mod copies;
mod host;
mod ledger;
mod place;
mod process;
mod schemas;
mod scripted;
mod source;

// Nothing lost, nothing doubled.
mod arrivals;
mod clocks;
mod currencies;
#[cfg(unix)]
mod database_kills;
mod ingest;
mod numbers;
mod other_fields;
mod page_sizes;
mod round_trip;
mod windows;

// What goes wrong says so, and leaves nothing behind.
mod answers;
#[cfg(target_os = "linux")]
mod crowds;
mod files;
mod from_ledger;
mod hangs;
mod import_reports;
mod imports;
mod interrupts;
#[cfg(target_os = "linux")]
mod kills;
mod malformed;
mod outages;
mod outputs;
#[cfg(target_os = "linux")]
mod overload;
mod proxies;
mod refusals;
mod repeats;
mod resumes;
mod summaries;
#[cfg(target_os = "linux")]
mod terminals;
mod trust;
mod typed;
mod words;

// What a machine cannot run is said.
#[cfg(target_os = "linux")]
mod left_out;

// The other commands.
mod accounts;
mod backups;
mod browsers;
mod check;
mod commands;
mod completions;
mod databases;
mod demo;
mod endpoint_life;
mod keys;
mod listening;
mod man_pages;
mod metrics;
mod moves;
mod names;
mod operations_docs;
#[cfg(target_os = "linux")]
mod own_ledger;
#[cfg(target_os = "linux")]
mod packages;
mod picture;
mod questions;
mod rates;
mod records;
mod removals;
mod report_page;
mod reports;
mod restores;
mod serving;
mod status;
mod statusline;
mod sync_docs;
mod syncs;
mod tls;
mod today;
mod verifies;
