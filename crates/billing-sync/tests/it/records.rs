//! Records of what was walked when a window ends within one.

use std::collections::BTreeMap;

use billing_http::Border;
use billing_model::{Currency, Timestamp, Total, UsageEntry, WholeSet};
use billing_testkit::{Book, OwnedLedger as _, entry_at};

use crate::house::{House, at, client, history, run, serve};

/// Records say what the ledger has, and lie side by side. Returns their ends.
fn assert_sound(house: &House) -> Vec<Timestamp> {
    let records = house.ledger.owned_coverage(house.account).unwrap();
    assert!(records.windows(2).all(|pair| pair[1].since == Some(pair[0].until)), "{records:?}");
    let entries = house.entries();
    for record in &records {
        let of_record =
            |entry: &&UsageEntry| record.since <= Some(entry.timestamp) && entry.timestamp < record.until;
        let mut sums = BTreeMap::<Currency, Total>::new();
        let inside: Vec<_> = entries.iter().filter(of_record).collect();
        inside.iter().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
        assert_eq!(record.whole_set, inside.into_iter().collect::<WholeSet>(), "{record:?}");
        assert_eq!(record.sums, sums.into_iter().collect::<Vec<_>>(), "{record:?}");
    }
    assert_eq!(records[0].since, None);
    records.into_iter().map(|record| record.until).collect()
}

/// Some 20,000 entries arrive within one record: it becomes several.
#[tokio::test]
async fn a_record_into_which_much_arrives_is_cut() {
    for house in House::both() {
        let all = history(100, 0);
        let (upstream, service) = serve(Book::new(all), 0).await;
        let client = client(&upstream);
        run(&house.sync(), &client, 0).await.0.unwrap();
        assert_eq!(assert_sound(&house), [at(0)]);
        let late: Vec<_> = (0..20_000).map(|number| entry_at(at(-40_000 + number), "-1")).collect();
        service.lock().unwrap().0.record(late);
        let synced = run(&house.sync(), &client, 0).await.0.unwrap();
        assert_eq!((synced.done.added, synced.done.walked), (20_000, 20_100));
        assert_eq!(synced.held.len(), 1);
        let ends = assert_sound(&house);
        assert!(ends.len() > 1 && ends.last() == Some(&at(0)), "{ends:?}");
        assert_eq!(run(&house.sync().full(true), &client, 0).await.0.unwrap().done.added, 0);
        assert_eq!(assert_sound(&house), ends);
    }
}

#[tokio::test]
async fn a_proof_of_a_part_mends_that_part() {
    for house in House::both() {
        let all = history(2_000, 0);
        let (upstream, service) = serve(Book::new(all.clone()), 0).await;
        let client = client(&upstream);
        run(&house.sync(), &client, 0).await.0.unwrap();
        let borders = [-900_000, -500_000, -300_000, -100_000].map(at);
        // One entry of each part is another one.
        let mut right = all.clone();
        let firsts: Vec<usize> = [borders[0], borders[1], borders[2], borders[3]]
            .map(|border| all.iter().position(|entry| entry.timestamp >= border).unwrap())
            .to_vec();
        for first in &firsts {
            right[*first] = entry_at(all[*first].timestamp, "-7");
        }
        service.lock().unwrap().0 = Book::new(right.clone());
        let proof = house.proof().since(Border::At(borders[1])).until(Border::At(borders[2])).repair(true);
        let verified = proof.run(&client, || at(0), |_| ()).await.unwrap();
        assert_eq!((verified.done.added, verified.done.vanished, verified.repaired.is_some()), (1, 1, true));
        assert_eq!(assert_sound(&house), [borders[1], borders[2], at(0)]);
        let held = house.entries();
        let is_right = firsts.iter().map(|first| held.contains(&right[*first])).collect::<Vec<_>>();
        assert_eq!(is_right, [false, true, false, false]);
        // Then all of it.
        let verified = house.proof().repair(true).run(&client, || at(0), |_| ()).await.unwrap();
        assert_eq!((verified.done.added, verified.done.vanished), (3, 3));
        assert_eq!(assert_sound(&house).last(), Some(&at(0)));
        // Of one instant they may stand in another order.
        let set = |entries: &[UsageEntry]| entries.iter().collect::<WholeSet>();
        assert_eq!((set(&house.entries()), house.removed()), (set(&right), 4));
        let verified = house.proof().run(&client, || at(0), |_| ()).await.unwrap();
        assert!(verified.is_proven() && verified.different_windows == 0);
    }
}
