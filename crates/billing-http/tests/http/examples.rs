//! The examples, as programs against a service: they do what their first lines say.

use std::path::PathBuf;
use std::process::Output;

use billing_model::UsageEntry;
use billing_testkit::{Book, Upstream, entry_at};
use tokio::process::Command;

/// Entries of June, and one of July.
fn ledger() -> Vec<UsageEntry> {
    let at = |text: &str| text.parse().unwrap();
    let june = (1..=30).map(|day| entry_at(at(&format!("2026-06-{day:02}T12:00:00Z")), "-0.1"));
    june.chain([entry_at(at("2026-07-01T00:00:00Z"), "-7")]).collect()
}

async fn run(example: &str, base_url: &str, args: &[&str]) -> Output {
    // Beside the directory of the test programs.
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples").join(example);
    assert!(program.exists(), "`cargo test -p billing-http` builds the examples; with `--test` it does not");
    let mut command = Command::new(program);
    command.args(args).env_clear().env("BILLING_BASE_URL", base_url).env("BILLING_API_KEY", "secret-key");
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[tokio::test]
async fn the_examples_do_what_they_say() {
    let mut book = Book::new(ledger());
    let upstream = Upstream::start(move |request| book.answer(request)).await;
    let base_url = upstream.base_url();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();

    let output = run("stream", &base_url, &[]).await;
    assert_eq!(text(output.stdout), "USD: 30 entries, 3 spent\n");

    run("export", &base_url, &[&path("june.csv")]).await;
    assert_eq!(std::fs::read_to_string(path("june.csv")).unwrap().lines().count(), 31);

    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");

    let output = run("observe", &base_url, &[]).await;
    let (said, traced) = (text(output.stdout), text(output.stderr));
    assert!(said.contains("all of usage-history\n30 entries, "), "{said}");
    // Each request is a span, with its path and the number of the try, and without the key.
    assert!(
        traced.contains("request{method=\"GET\" path=\"billing/usage-history\" try_number=1}"),
        "{traced}"
    );
    assert!(!traced.contains("secret"), "{traced}");
}
