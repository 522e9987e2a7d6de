//! Blocks: the pieces in which another system is fed with a ledger.

use std::ops::ControlFlow;

use billing_ledger::{Block, Ledger};
use billing_sample::History;

use crate::OwnedLedger as _;

use super::changes::is_its_entries;
use super::house::{House, Make, import, taking};

/// Numbers of blocks behind one.
fn numbers(ledger: &dyn Ledger, after: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let lend = &mut |block: &Block| {
        numbers.push(block.number);
        ControlFlow::Continue(())
    };
    ledger.blocks(after, lend).unwrap();
    numbers
}

/// For an import of any size, and for a removal of any size.
pub fn blocks_are_of_at_most_so_many_entries_and_have_them(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let most = usize::try_from(Block::MOST_ENTRIES).unwrap();
    let entries: Vec<_> = History::new(7, 2 * Block::MOST_ENTRIES + 1).collect();
    import(ledger, *account, &entries);
    let places: Vec<_> =
        ledger.placed_entries(*account).unwrap().into_iter().map(|(place, _)| place).collect();
    ledger.change(&taking(*account, places[..most + 1].iter().copied())).unwrap();
    let blocks = ledger.owned_blocks(0).unwrap();
    let sizes: Vec<_> =
        blocks.iter().map(|(block, _)| (block.entries(), block.removed_at.is_some())).collect();
    let most = Block::MOST_ENTRIES;
    assert_eq!(sizes, [(most, false), (most, false), (1, false), (most, true), (1, true)]);
    for (block, entries) in blocks {
        is_its_entries(&block, &entries.into_iter().collect()).unwrap();
    }
}

pub fn blocks_are_numbered_over_all_accounts(make: Make) {
    let house = House::of(make);
    let ledger = &*house.ledger;
    assert!(numbers(ledger, 0).is_empty());
    let mut accounts = Vec::new();
    for n in 0..4 {
        let (_, account) = house.another();
        import(ledger, account, &History::new(n, 10).collect::<Vec<_>>());
        accounts.push(account);
    }
    import(ledger, accounts[1], &[]);
    assert_eq!(numbers(ledger, 0), [1, 2, 3, 4], "nothing makes no block");
    assert_eq!(
        (numbers(ledger, 2), numbers(ledger, 4), numbers(ledger, u64::MAX)),
        (vec![3, 4], vec![], vec![])
    );
    let blocks = ledger.owned_blocks(0).unwrap();
    assert!(blocks.iter().map(|(block, _)| block.account).eq(accounts));
    let mut lent = 0;
    ledger
        .blocks(0, &mut |_| {
            lent += 1;
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(lent, 1);
    for nowhere in [0, 5, u64::MAX] {
        ledger.block_entries(nowhere, &mut |_, _| panic!("of block {nowhere}")).unwrap();
    }
}
