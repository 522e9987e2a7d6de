//! What goes wrong inside: 500 without a word too many, and the cause in the log.

use std::fmt::{Debug, Write};
use std::fs;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Subscriber, set_default};
use tracing::{Event, Metadata};

use crate::house::{HISTORY, House, USAGE, entries};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        write!(self.0.lock().unwrap(), "{} ", event.metadata().level()).unwrap();
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0.lock().unwrap(), "{field}: {value:?}").unwrap();
    }
}

#[tokio::test]
async fn a_damaged_ledger_is_an_error_that_only_the_log_explains() {
    let house = House::with(&entries(3000));
    for file in fs::read_dir(house.directory.path()).unwrap() {
        let path = file.unwrap().path();
        // The third file beside the two is the memory that the ledger's connections share.
        if !path.to_string_lossy().ends_with("-shm") {
            let len = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            fs::write(&path, vec![0xa5; len]).unwrap();
        }
    }
    let log = Log::default();
    let listening = set_default(log.clone());
    for path in [USAGE, HISTORY] {
        for accept in ["application/json", "text/csv"] {
            let answer = house.ask(path, &[("accept", accept)]).await;
            assert_eq!(answer.status, 500, "{}", answer.body);
            assert_eq!(answer.body, r#"{"error":"Internal server error"}"#);
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    drop(listening);
    let log = log.0.lock().unwrap();
    assert_eq!(log.matches("ERROR").count(), 4, "{log}");
    assert!(log.contains("ledger.db"), "{log}");
    let last_of_key = &house.key[house.key.len() - 20..];
    assert!(!log.contains(last_of_key), "{log}");
}
