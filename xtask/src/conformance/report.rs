//! The reports of a run of schemathesis, and what is wrong with the run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Schemathesis' own JSON report of the run, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Run {
    /// False when it was cut off.
    complete: bool,
    operations: Option<Operations>,
    test_cases: TestCases,
    failures: Vec<Group>,
    errors: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Operations {
    total: u64,
    tested: u64,
}

#[derive(Debug, Deserialize)]
struct TestCases {
    generated: u64,
    /// How many of them were sent without checks, as preparations.
    without_checks: u64,
}

impl TestCases {
    fn checked(&self) -> u64 {
        self.generated.saturating_sub(self.without_checks)
    }
}

/// Failures of one kind.
#[derive(Debug, Deserialize)]
struct Group {
    title: String,
    count: u64,
}

/// The result of a run.
pub(super) struct Report {
    run: Run,
    /// How often each check was made.
    checks: BTreeMap<String, u64>,
}

impl Report {
    /// Reads both reports: that of the run, and that of the hooks, which count checks.
    ///
    /// # Errors
    /// When one is not there or is not what it should be.
    pub(super) fn read(run: &Path, checks: &Path) -> Result<Self> {
        Ok(Self { run: parse(run)?, checks: parse(checks)? })
    }

    pub(super) fn summary(&self) -> String {
        let operations = self.run.operations.as_ref().map_or(0, |operations| operations.tested);
        let made: u64 = self.checks.values().sum();
        format!(
            "{operations} operations, {} cases, {made} checks of {} kinds",
            self.run.test_cases.checked(),
            self.checks.len()
        )
    }

    /// Everything that is wrong with the run.
    pub(super) fn complaints(&self, cases_min: u64) -> Vec<String> {
        let mut complaints = Vec::new();
        let Run { complete, operations, test_cases, failures, errors } = &self.run;
        if !complete {
            complaints.push("it did not come to its end".to_owned());
        }
        for group in failures.iter().chain(errors) {
            complaints.push(format!("{}: {}", group.title, group.count));
        }
        match operations {
            Some(Operations { total, tested }) if total == tested => {}
            other => complaints.push(format!("not every operation was tested: {other:?}")),
        }
        if test_cases.checked() < cases_min {
            complaints.push(format!("{} cases, at least {cases_min} are wanted", test_cases.checked()));
        }
        for (check, _) in self.checks.iter().filter(|(_, count)| **count == 0) {
            complaints.push(format!("the check `{check}` was never made"));
        }
        if self.checks.is_empty() {
            complaints.push("nothing was checked".to_owned());
        }
        complaints
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("schemathesis left no report at {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no such report", path.display()))
}
