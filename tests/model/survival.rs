//! Whatever the service does, and however often the program dies: the file is the ledger's window.

use billing_http::Endpoint;
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
        let mut order = draft.of(&ledger.0);
        // A service that has never given a page is not asked for less, but taken for one that is not there.
        order.asks_the_time |= script.slow_beyond.is_some();
        // Who asks for `usage-history` by name gets no other.
        script.is_old &= order.endpoint == Endpoint::Auto;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (file, plain) = runtime.block_on(async {
            let (upstream, _) = serve(Service::new(&ledger.0, order.window, script.clone())).await;
            let file = export(&order, &life, &upstream, |error| script.excuses(error)).await;
            (file, undisturbed_export(&ledger.0, &order).await)
        });
        let file = match file {
            Ok(file) => file,
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
        };
        let expected = Book::new(ledger.0).entries(order.window, order.currency.as_ref());
        prop_assert_eq!(entries_in(&file), expected);
        prop_assert!(file == plain, "the same entries in other bytes");
    }
}

/// One window after the other, all on as few pages as it takes, of a service without a fault, into memory.
async fn undisturbed_export(ledger: &[UsageEntry], order: &Order) -> Vec<u8> {
    let order = Order { endpoint: Endpoint::UsageHistory, page_size: None, is_csv: false, ..order.clone() };
    let (upstream, _) = serve(Service::new(ledger, order.window, undisturbed())).await;
    let walk = order.walk().concurrency(1).build().unwrap();
    let sink = FileSink::new(order.format, Plain(Vec::new()));
    drain(walk.stretches(&order.client(&upstream)), sink).await.unwrap().output
}
