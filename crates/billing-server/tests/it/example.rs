//! The example, as a program: what is recorded with it comes out of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Ends the program with the test, however that ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
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
    let address = base_url.strip_prefix("http://").and_then(|url| url.strip_suffix("/api/v1")).unwrap();

    let row = r#"{"timestamp":"2026-06-14T19:52:45.087Z","sku":"a","pricePerUnitUsd":1,"units":1,"amount":-0.1,"currency":"USD","notes":""}"#;
    let post = format!(
        "POST /api/v1/billing/usage HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {ingest}\r\nContent-Type: application/x-ndjson\r\nIdempotency-Key: 1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{row}\n",
        row.len() + 1
    );
    assert!(ask(address, &post).starts_with("HTTP/1.1 201"), "{}", ask(address, &post));
    let get = format!(
        "GET /api/v1/billing/usage-history HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {admin}\r\nConnection: close\r\n\r\n"
    );
    let answer = ask(address, &get);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""amount":-0.1,"#), "{answer}");
}
