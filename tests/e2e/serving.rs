//! `billing serve` as a service is run: a line when it is ready, an end when it is told to.

use std::net::TcpListener;

use crate::billing::{command, run};
use crate::conversation::{Connection, Request};
use crate::host::USAGE;
use crate::ledger::{Ledger, noted};
use crate::process::Process;

#[test]
fn it_says_where_it_is_and_ends_when_told() {
    for signal in ["TERM", "INT"] {
        for asked in [false, true] {
            let server = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
            let server = server.serve();
            let port = server
                .base_url
                .strip_prefix("http://127.0.0.1:")
                .and_then(|rest| rest.strip_suffix("/api/v1"));
            assert!(
                port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)),
                "{}",
                server.base_url
            );
            // Ready when it says so, and ready to be stopped as well.
            if asked {
                server.export(&[]).done();
            }
            server.process.signal(signal);
            let (code, printed, said) = server.process.end();
            assert_eq!((code, printed.as_str()), (Some(0), ""), "{signal}: {said}");
        }
    }
}

/// Idle connections do not keep the server from ending.
#[test]
fn it_ends_though_somebody_is_connected() {
    let server = Ledger::of(&[]).serve();
    let address = server.base_url.trim_start_matches("http://").trim_end_matches("/api/v1");
    let mut connection = Connection::open(address).unwrap();
    assert_eq!(connection.ask(&Request::get(USAGE)).unwrap().status, 401);
    server.process.signal("TERM");
    let (code, ..) = server.process.end();
    assert_eq!(code, Some(0));
}

#[test]
fn what_is_recorded_meanwhile_is_served() {
    let ledger = Ledger::of(&[]);
    let server = ledger.serve();
    assert_eq!(server.export(&["--format", "ndjson"]).done().entries(), []);
    let entry = noted("2026-05-01T00:00:00Z", "new");
    crate::ledger::record(&ledger.path(), std::slice::from_ref(&entry));
    assert_eq!(server.export(&["--format", "ndjson"]).done().entries(), [entry]);
}

/// What was asked for on the command line is there after the next start.
#[test]
fn a_ledger_outlives_its_server() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "kept")]);
    let first = ledger.serve();
    let key = first.key.clone();
    first.process.signal("TERM");
    assert_eq!(first.process.end().0, Some(0));
    let second = ledger.serve();
    assert_eq!(second.export_with(&key, &["--format", "ndjson"]).done().entries().len(), 1);
}

#[test]
fn it_does_not_start_without_a_ledger_or_an_address() {
    let ledger = Ledger::of(&[]);
    let missing = format!("{}-missing", ledger.path());
    run(&["serve", "--ledger", &missing, "--listen", "127.0.0.1:0"]).failed(1, "there is no ledger at");
    assert!(!std::path::Path::new(&missing).exists());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(&["serve", "--ledger", &ledger.path(), "--listen", &address]).failed(1, "cannot listen on");
    run(&["serve", "--ledger", &ledger.path(), "--listen", "everywhere"]).failed(2, "--listen");
    run(&["serve"]).failed(1, "billing/ledger.db`");
}

/// Plain http beyond this machine is allowed, and the server warns of it.
#[test]
fn listening_beyond_this_machine_is_said() {
    let ledger = Ledger::of(&[]);
    let mut process =
        Process::start(command(&["serve", "--ledger", &ledger.path(), "--listen", "0.0.0.0:0"]));
    assert!(process.line().starts_with("http://0.0.0.0:"));
    process.signal("TERM");
    let (code, _, said) = process.end();
    assert_eq!(code, Some(0));
    assert!(said.contains("warning: this is plain http"), "{said}");
}
