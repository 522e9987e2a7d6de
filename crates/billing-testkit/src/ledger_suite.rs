//! The tests that every engine of a ledger must pass, by one call: [`ledger_suite!`](crate::ledger_suite).

pub mod accounts;
pub mod batches;
pub mod blocks;
pub mod changes;
pub mod funds;
pub mod house;
pub mod imports;
pub mod keys;
pub mod numbered_pages;
pub mod rollups;
pub mod synced;
pub mod walks;

pub use house::Make;

/// The tests of an engine, each with an empty ledger of its own, which the argument makes: a [`Make`](crate::ledger_suite::Make).
///
/// ```
/// use std::any::Any;
///
/// use billing_ledger::Ledger;
/// use billing_testkit::MemoryLedger;
///
/// fn empty() -> (Box<dyn Ledger>, Box<dyn Any>) {
///     (Box::new(MemoryLedger::new().unwrap()), Box::new(()))
/// }
/// billing_testkit::ledger_suite!(empty);
/// ```
#[macro_export]
macro_rules! ledger_suite {
    ($make:expr) => {
        $crate::ledger_suite!(@tests $make;
            accounts::an_account_is_made_once,
            accounts::a_name_that_nobody_can_read_is_refused,
            accounts::an_account_that_is_found_needs_no_turn_at_writing,
            accounts::accounts_never_see_each_other,
            accounts::an_unknown_account_is_an_error,
            accounts::an_account_that_is_removed_is_nobodys_number,
            batches::every_batch_is_there_once,
            batches::a_batch_is_found_by_its_key_and_its_digest,
            batches::batches_of_many_writers_come_whole,
            blocks::blocks_are_of_at_most_so_many_entries_and_have_them,
            blocks::blocks_are_numbered_over_all_accounts,
            changes::a_change_is_seen_whole,
            changes::a_change_that_names_no_entry_changes_nothing,
            changes::a_time_that_a_ledger_cannot_hold_changes_nothing,
            changes::an_account_of_which_all_was_taken_out_is_in_use,
            funds::funds_are_the_nets_and_the_diem_of_the_day,
            funds::an_allocation_is_set_and_taken_back,
            keys::a_key_opens_its_account_until_it_is_revoked,
            keys::a_key_says_what_it_is_and_is_shown_only_when_asked,
            keys::times_that_a_ledger_cannot_hold_are_refused,
            keys::the_last_use_of_a_key_is_its_latest,
            keys::a_key_has_a_name_of_its_account_only,
            imports::an_import_that_does_not_end_stores_nothing,
            imports::an_instant_that_no_ledger_holds_fails_the_whole,
            imports::a_file_comes_in_once_unless_it_is_said,
            numbered_pages::pages_are_slices_of_the_whole,
            numbered_pages::pages_at_any_depth_are_right,
            numbered_pages::a_dense_minute_and_a_rare_currency_are_walked_whole,
            numbered_pages::a_page_of_nothing_still_has_a_total,
            rollups::sums_equal_a_recount_after_every_import,
            rollups::sums_are_right_when_there_are_more_of_them_than_an_import_gathers,
            rollups::a_look_at_charges_ends_when_it_is_told_to,
            synced::an_account_becomes_a_copy_only_while_it_has_nothing,
            synced::a_synced_account_takes_nothing_from_elsewhere,
            synced::a_long_import_and_a_source_exclude_each_other,
            synced::a_change_is_for_the_state_that_was_seen,
            synced::records_take_the_place_of_those_that_begin_in_their_time,
            synced::records_that_cannot_be_are_refused,
            synced::a_repair_of_what_is_right_is_its_change,
            synced::a_turn_is_one_holders_until_it_ends,
            synced::a_synced_account_without_entries_can_be_removed,
            walks::a_walk_of_any_page_size_is_the_same,
            walks::a_walk_sees_the_ledger_of_its_first_page,
            walks::a_walk_ends_where_entries_that_it_was_to_see_are_taken_out,
            walks::the_last_page_knows_that_it_is_the_last,
            walks::a_walk_passes_many_entries_of_one_instant,
            walks::positions_and_snapshots_from_nowhere_do_no_harm
        );
    };
    (@tests $make:expr; $($subject:ident :: $test:ident),*) => {
        $(
            #[test]
            fn $test() {
                $crate::ledger_suite::$subject::$test($make);
            }
        )*
    };
}
