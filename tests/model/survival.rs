//! Whatever the service does, and however often the program is killed, the file is the ledger's window.

use billing_http::{Endpoint, Error, ErrorKind};
use billing_model::UsageEntry;
use billing_sink::{FileSink, Plain, drain};
use billing_testkit::Book;
use proptest::prelude::*;

use crate::export::{any_life, entries_in, export};
use crate::fault::{any_script, undisturbed};
use crate::ledger::any_ledger;
use crate::order::{Order, any_draft};
use crate::service::{Service, serve};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(640))]

    #[test]
    fn an_export_survives_faults_and_kills(
        ledger in any_ledger(),
        draft in any_draft(&[Endpoint::Usage, Endpoint::UsageHistory, Endpoint::Auto]),
        mut script in any_script(),
        life in any_life(),
    ) {
        let order = draft.of(&ledger.0);
        // A client that asks for `usage-history` by name uses no other endpoint.
        script.is_old &= order.endpoint == Endpoint::Auto;
        let expected = Book::new(ledger.0.clone()).entries(order.window, order.currency.as_ref());
        // A plain walk does not get through an empty window either.
        script.is_reluctant &= !expected.is_empty();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (file, plain) = runtime.block_on(async {
            let service = Service::new(&ledger.0, &order, script.clone());
            let is_hopeless = service.serves_no_window() && script.fails_pages();
            let (upstream, _) = serve(service).await;
            let excuses = |error: &Error| {
                script.excuses(error) || (is_hopeless && error.kind() == ErrorKind::Unavailable)
            };
            let file = export(&order, &life, &upstream, excuses).await;
            (file, undisturbed_export(&ledger.0, &order).await)
        });
        let file = match file {
            Ok(file) => file,
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
        };
        prop_assert_eq!(entries_in(&file), expected);
        prop_assert!(file == plain, "the same entries in other bytes");
    }
}

/// One window after the other, all on as few pages as it takes, of a service without a fault, into memory.
async fn undisturbed_export(ledger: &[UsageEntry], order: &Order) -> Vec<u8> {
    let order = Order { endpoint: Endpoint::UsageHistory, page_size: None, is_csv: false, ..order.clone() };
    let (upstream, _) = serve(Service::new(ledger, &order, undisturbed())).await;
    let walk = order.walk(order.window).concurrency(1).build().unwrap();
    let sink = FileSink::new(order.format, Plain(Vec::new()));
    drain(walk.stretches(&order.client(&upstream)), sink).await.unwrap().output
}
