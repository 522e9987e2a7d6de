//! What the parts and the whole cost, each beside a floor: the least that anything could cost that does the same.
//!
//! A benchmark whose name starts with `floor` is the yardstick of its group; `cargo xtask bench` prints the ratios.
//! Both are measured in the same run, because machines differ and so do their hours.

mod history;

mod formats;

mod ledger;

mod walk;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    // Short: the medians move by a few percent between runs anyway, and the whole must end within minutes.
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    formats::run(&mut criterion);
    ledger::run(&mut criterion);
    walk::run(&mut criterion);
    criterion.final_summary();
}
