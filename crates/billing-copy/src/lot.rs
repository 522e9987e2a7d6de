//! Tells whether two lots of receipts, files or sums are the same, whatever their order, without holding either.

use billing_ledger::{CopiedFile, CopiedReceipt, Rollup};
use sha2::{Digest as _, Sha256};

/// How many there are, and the sum of their digests modulo 2¹²⁸.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lot {
    pub(crate) number: u64,
    sum: u128,
}

impl Lot {
    pub(crate) fn add_receipt(&mut self, receipt: &CopiedReceipt) {
        let CopiedReceipt { account, idempotency_key, digest, entries, received_ns } = receipt;
        self.add(
            Sha256::new()
                .chain_update(account.0.to_be_bytes())
                .chain_update(digest)
                .chain_update(entries.to_be_bytes())
                .chain_update(received_ns.to_be_bytes())
                // The only part of any length comes last.
                .chain_update(idempotency_key),
        );
    }

    pub(crate) fn add_file(&mut self, file: &CopiedFile) {
        let CopiedFile { account, sha256, copy, name, imported_ns, entries, first_sequence } = file;
        self.add(
            Sha256::new()
                .chain_update(account.0.to_be_bytes())
                .chain_update(sha256)
                .chain_update(copy.to_be_bytes())
                .chain_update(imported_ns.to_be_bytes())
                .chain_update(entries.to_be_bytes())
                .chain_update(first_sequence.to_be_bytes())
                .chain_update(name),
        );
    }

    pub(crate) fn add_rollup(&mut self, rollup: &Rollup<'_>) {
        let Rollup { day, sku, currency, api_key_id, is_credit, entries, amount, units } = rollup;
        // Texts are quoted, so that no two sums have the same words.
        let words =
            format!("{day:?} {sku:?} {currency:?} {api_key_id:?} {is_credit} {entries} {amount} {units}");
        self.add(Sha256::new().chain_update(words));
    }

    fn add(&mut self, of: Sha256) {
        let digest: [u8; 32] = of.finalize().into();
        let first = digest.first_chunk::<16>().map_or(0, |first| u128::from_be_bytes(*first));
        self.number += 1;
        self.sum = self.sum.wrapping_add(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_ledger::AccountId;

    fn receipt(key: &str, entries: u64) -> CopiedReceipt {
        let (account, digest, received_ns) = (AccountId(1), [7; 32], 5);
        CopiedReceipt { account, idempotency_key: key.to_owned(), digest, entries, received_ns }
    }

    fn lot(receipts: &[CopiedReceipt]) -> Lot {
        let mut lot = Lot::default();
        receipts.iter().for_each(|receipt| lot.add_receipt(receipt));
        lot
    }

    #[test]
    fn lots_are_equal_whatever_their_order_and_differ_by_any_part() {
        let (one, other) = (receipt("a", 1), receipt("b", 1));
        assert_eq!(lot(&[one.clone(), other.clone()]), lot(&[other.clone(), one.clone()]));
        assert_ne!(lot(&[one.clone(), other.clone()]), lot(&[one.clone(), one.clone()]));
        let parts = [
            CopiedReceipt { account: AccountId(2), ..one.clone() },
            CopiedReceipt { digest: [8; 32], ..one.clone() },
            CopiedReceipt { entries: 2, ..one.clone() },
            CopiedReceipt { received_ns: 6, ..one.clone() },
            other,
        ];
        for part in parts {
            assert_ne!(lot(&[part]), lot(std::slice::from_ref(&one)));
        }
        let mut files = Lot::default();
        let file = CopiedFile {
            account: AccountId(1),
            sha256: [1; 32],
            copy: 0,
            name: "a".to_owned(),
            imported_ns: 1,
            entries: 2,
            first_sequence: 3,
        };
        files.add_file(&file);
        let mut others = Lot::default();
        others.add_file(&CopiedFile { first_sequence: 4, ..file });
        assert_ne!(files, others);
    }
}
