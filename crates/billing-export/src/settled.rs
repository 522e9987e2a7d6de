//! The window of an export as texts, for the runs that continue it.

use std::collections::BTreeMap;

use billing_model::{TimeWindow, Timestamp, ValueError};

pub(crate) fn settled(window: TimeWindow) -> BTreeMap<String, String> {
    let ends = [("since", window.since()), ("until", window.until())];
    ends.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at?.to_string()))).collect()
}

pub(crate) fn window(settled: &BTreeMap<String, String>) -> Result<TimeWindow, ValueError> {
    let time = |name| settled.get(name).map(|text| text.parse::<Timestamp>()).transpose();
    TimeWindow::new(time("since")?, time("until")?)
}
