//! A place that commits at marks, as a database does, and fails at the step that a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use billing_export::{Found, Kept, Place};
use billing_model::{Mark, Sink, UsageEntry};
use billing_sink::Begun;

/// What it keeps. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Table(Arc<Mutex<Rows>>);

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) begun: Option<Begun>,
    pub(crate) entries: Vec<UsageEntry>,
    pub(crate) is_written: bool,
    /// How often each step is still to work before it fails once.
    pub(crate) fails: BTreeMap<&'static str, u32>,
    /// It does not keep what the export settles.
    pub(crate) loses_window: bool,
}

/// The step that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) &'static str);

impl Table {
    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap()
    }

    /// Lets a step fail once, when it has worked so often.
    pub(crate) fn fails(self, step: &'static str, after: u32) -> Self {
        self.rows().fails.insert(step, after);
        self
    }

    fn step(&self, step: &'static str) -> Result<MutexGuard<'_, Rows>, Failed> {
        let mut rows = self.rows();
        match rows.fails.get_mut(step) {
            Some(0) => {
                rows.fails.remove(step);
                return Err(Failed(step));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(rows)
    }

    /// What is there to go on with.
    pub(crate) fn kept(&self) -> Option<Kept> {
        let rows = self.rows();
        let begun = rows.begun.as_ref()?;
        Some(Kept { entries: begun.summary.entries, complete_until: begun.complete_until? })
    }
}

impl Place for Table {
    type Sink = Writing;

    fn open(&self, _: &BTreeMap<String, String>, restart: bool) -> Result<Found<Writing>, Failed> {
        let begun = self.step(if restart { "open anew" } else { "open" })?.begun.clone();
        let table = self.clone();
        let writing = |table| Writing { table, came: Vec::new() };
        Ok(match begun.filter(|_| !restart) {
            Some(begun) if self.rows().is_written => {
                Found::written(begun, move || table.step("close").map(drop))
            }
            Some(begun) => {
                Found::begun(begun, move || table.step("go on").map(drop).map(|()| writing(table.clone())))
            }
            None => Found::new(move |settled, started| {
                let mut rows = table.step("begin")?;
                let settled = if rows.loses_window { BTreeMap::new() } else { settled };
                rows.begun =
                    Some(Begun { settled, started, complete_until: None, summary: Default::default() });
                rows.entries.clear();
                drop(rows);
                Ok(writing(table.clone()))
            }),
        })
    }
}

pub(crate) struct Writing {
    table: Table,
    /// What was not marked yet.
    came: Vec<UsageEntry>,
}

impl Sink for Writing {
    type Output = ();
    type Error = Failed;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Failed> {
        self.table.step("write").map(drop)?;
        self.came.extend_from_slice(entries);
        Ok(())
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Failed> {
        let rows = &mut *self.table.step("mark")?;
        let begun = rows.begun.as_mut().unwrap();
        begun.summary.extend(&self.came);
        begun.complete_until = Some(mark.complete_until);
        rows.entries.append(&mut self.came);
        Ok(())
    }

    fn finish(self) -> Result<(), Failed> {
        self.table.step("finish")?.is_written = true;
        Ok(())
    }
}
