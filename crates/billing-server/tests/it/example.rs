//! The example as a program: entries that were recorded with it come out of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use billing_testkit::wire::{Connection, Request};

/// Kills the program when the test ends, whatever its result.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_over_a_ledger_in_memory_is_a_program_of_25_lines() {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/in_memory");
    assert!(program.exists(), "`cargo test -p billing-server` builds the example; with `--test` it does not");
    let source = include_str!("../../examples/in_memory.rs");
    assert!(source.lines().count() <= 25);

    let mut program = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let _program = Program(program);
    let mut line = || lines.next().unwrap();
    let (admin, ingest, base_url) = (line(), line(), line());
    let mut connection = Connection::to(&base_url).unwrap();

    let row = r#"{"timestamp":"2026-06-14T19:52:45.087Z","sku":"a","pricePerUnitUsd":1,"units":1,"amount":-0.1,"currency":"USD","notes":""}"#;
    let post = Request::post("/api/v1/billing/usage", format!("{row}\n")).bearing(&ingest);
    let post = post.header("content-type", "application/x-ndjson").header("idempotency-key", "1");
    let answer = connection.ask(&post).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    let get = Request::get("/api/v1/billing/usage-history").bearing(&admin);
    let answer = connection.ask(&get).unwrap();
    assert!(answer.status == 200 && answer.text().contains(r#""amount":-0.1,"#), "{answer:?}");
}
