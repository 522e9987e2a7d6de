//! The window of an export as texts, for the runs that continue it.

use std::collections::BTreeMap;

use billing_model::{TimeWindow, Timestamp, ValueError};

pub(crate) fn settled(window: TimeWindow) -> BTreeMap<String, String> {
    let ends = [("since", window.since()), ("until", window.until())];
    ends.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at?.to_string()))).collect()
}

/// The window that a place has kept. Each that was settled has an end, so without one the place has lost it: the whole ledger is
/// not what was asked for.
pub(crate) fn window(settled: &BTreeMap<String, String>) -> Result<TimeWindow, Option<ValueError>> {
    let time = |name| settled.get(name).map(|text| text.parse::<Timestamp>()).transpose();
    let (since, until) = (time("since")?, time("until")?);
    Ok(TimeWindow::new(since, Some(until.ok_or(None)?))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_model::ValueErrorKind;

    #[test]
    fn a_window_without_an_end_was_lost() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let until = at("2026-07-01T00:00:00Z");
        for since in [None, at("2026-06-01T00:00:00Z")] {
            let kept = settled(TimeWindow::new(since, until).unwrap());
            assert_eq!(window(&kept).unwrap(), TimeWindow::new(since, until).unwrap());
            let mut lost = kept.clone();
            lost.remove("until");
            assert_eq!(window(&lost), Err(None));
            lost.insert("until".to_owned(), "June".to_owned());
            assert_eq!(window(&lost).unwrap_err().unwrap().kind(), ValueErrorKind::NotATimestamp);
        }
    }
}
