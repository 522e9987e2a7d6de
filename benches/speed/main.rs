//! Measures the parts and the whole. Each group has a floor: the least that the same task could cost.
//!
//! The name of a floor starts with `floor`, and `cargo xtask bench` prints the ratios to it. Both are measured in the
//! same run, because machines differ, and so do their hours.

mod history;

mod formats;

mod ledger;

mod walk;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    // The times are short, because all benchmarks have to end within minutes, and medians vary by a few percent between
    // runs anyway.
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
