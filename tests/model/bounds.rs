//! What a walk costs: requests, and pages in memory.

use std::time::Duration;

use billing_http::Endpoint;
use billing_model::{UsageEntry, UsageQuery};
use billing_testkit::{Book, Upstream};
use futures::StreamExt;
use proptest::prelude::*;

use crate::arrivals::around;
use crate::fault::{Script, undisturbed};
use crate::ledger::any_ledger;
use crate::order::any_draft;
use crate::service::Service;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn a_walk_asks_for_little_more_than_its_pages(
        ledger in any_ledger(),
        draft in any_draft(&[Endpoint::Usage, Endpoint::UsageHistory]),
        concurrency in 1u32..=16,
        keeps_milliseconds: bool,
        // The page that all the others wait for.
        slow in 1usize..20,
        wait_ms in 0u64..2,
    ) {
        let order = draft.of(&ledger.0);
        let book = Book::new(ledger.0.clone());
        let expected = book.entries(order.window, order.currency.as_ref());
        // What the service sends from around the window comes on pages too.
        let sent = book.entries(around(order.window), order.currency.as_ref()).len();
        let pages = sent.div_ceil(order.page_size.unwrap_or(UsageQuery::MAX_LIMIT) as usize);
        // At the end of a part, a page is not full. Behind a burst, as many parts as there are walkers are too short,
        // until parts have grown over the quiet time.
        let most_requests = 2 * pages + 20 * concurrency as usize;
        let script = Script { keeps_milliseconds, ..undisturbed() };
        let mut service = Service::new(&ledger.0, &order, script);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (walked, requests, most_at_once, most_held) = runtime.block_on(async {
            let upstream = Upstream::start(move |request| {
                let reply = service.answer(request);
                let wait_ms = if service.requests == slow { 10 } else { wait_ms };
                reply.after(Duration::from_millis(wait_ms))
            })
            .await;
            let walk = order.walk(order.window).concurrency(concurrency).max_pages(most_requests as u64).build().unwrap();
            let mut stretches = Box::pin(walk.stretches(&order.client(&upstream)));
            let mut walked: Vec<UsageEntry> = Vec::new();
            let (mut taken, mut most_held) = (0, 0);
            while let Some(stretch) = stretches.next().await {
                most_held = most_held.max(upstream.requests().len() - taken);
                taken += 1;
                walked.extend(stretch.unwrap().entries);
            }
            (walked, upstream.requests().len(), upstream.most_at_once(), most_held)
        });
        prop_assert_eq!(walked, expected);
        let parallel = concurrency as usize;
        // Walkers that were called back at the end of the ledger bring nothing, and the service may not have noticed
        // that they left.
        let called_back = parallel - 1;
        prop_assert!(most_at_once <= parallel + called_back, "{most_at_once} requests at the same time");
        // Each of their requests counts as a page that is still to come.
        prop_assert!(most_held <= 10 * parallel, "{most_held} pages in memory");
        prop_assert!(requests <= most_requests, "{requests} requests for {pages} pages");
    }
}
