//! The rules as data. To let a crate know another, add it here, with the reason in ARCHITECTURE.md.

/// Which crates of ours a crate may depend on. Dev-dependencies are free: a test may know more than what it tests.
/// A crate that is not in this table may not exist.
pub(super) const OWN: &[(&str, &[&str])] = &[
    ("billing-model", &[]),
    ("billing-copy", &["billing-ledger", "billing-model"]),
    ("billing-csv", &["billing-model"]),
    ("billing-format", &["billing-csv", "billing-model"]),
    ("billing-http", &["billing-model"]),
    ("billing-export", &["billing-format", "billing-http", "billing-model", "billing-sink"]),
    ("billing-report", &["billing-model"]),
    ("billing-sample", &["billing-model"]),
    ("billing-sink", &["billing-format", "billing-model"]),
    ("billing-ledger", &["billing-model"]),
    ("billing-engine", &["billing-ledger", "billing-model"]),
    ("billing-sqlite", &["billing-engine", "billing-ledger", "billing-model"]),
    ("billing-postgres", &["billing-engine", "billing-ledger", "billing-model"]),
    ("billing-sync", &["billing-http", "billing-ledger", "billing-model"]),
    (
        "billing-server",
        &["billing-csv", "billing-format", "billing-ledger", "billing-model", "billing-report"],
    ),
    (
        "billing-cli",
        &[
            "billing-copy",
            "billing-csv",
            "billing-export",
            "billing-format",
            "billing-http",
            "billing-ledger",
            "billing-model",
            "billing-postgres",
            "billing-report",
            "billing-sample",
            "billing-server",
            "billing-sink",
            "billing-sqlite",
            "billing-sync",
        ],
    ),
    // Its oracle answers in both forms, and its suite holds engines to the contract of a ledger.
    ("billing-testkit", &["billing-csv", "billing-ledger", "billing-model", "billing-sample"]),
    // Code that runs within rustdoc, so nothing else is built for it.
    ("billing-left-out", &[]),
    ("xtask", &[]),
    // These two have only tests and benchmarks.
    ("billing-benches", ALL),
    ("billing-tests", ALL),
];

/// Every crate of ours that another may depend on.
const ALL: &[&str] = &[
    "billing-cli",
    "billing-copy",
    "billing-csv",
    "billing-engine",
    "billing-export",
    "billing-format",
    "billing-http",
    "billing-ledger",
    "billing-left-out",
    "billing-model",
    "billing-postgres",
    "billing-report",
    "billing-sample",
    "billing-server",
    "billing-sink",
    "billing-sqlite",
    "billing-sync",
    "billing-testkit",
    "xtask",
];

/// Crates of others that only some of ours may use, and which. Dev-dependencies are free here too.
pub(super) const ONLY_IN: &[(&str, &[&str])] = &[
    // One way out to the network, one way in.
    ("reqwest", &["billing-http"]),
    ("axum", &["billing-server"]),
    // Engines of the ledger come and go behind the contract, and the reader of CSV may be exchanged.
    ("rusqlite", &["billing-sqlite"]),
    ("tokio-postgres", &["billing-postgres"]),
    ("tokio-postgres-rustls", &["billing-postgres"]),
    ("deadpool-postgres", &["billing-postgres"]),
    ("csv", &["billing-csv"]),
    ("csv-core", &["billing-csv"]),
    // Flags and untyped errors are for programs, not for libraries.
    ("clap", &["billing-cli"]),
    ("clap_complete", &["billing-cli"]),
    ("clap_mangen", &["billing-cli"]),
    ("comfy-table", &["billing-report"]),
    ("glob", &["billing-report"]),
    // A filter calculates in floating point, and stands behind all that is exact.
    ("jaq-core", &["billing-cli"]),
    ("jaq-json", &["billing-cli"]),
    ("jaq-std", &["billing-cli"]),
    ("anyhow", &["billing-cli", "xtask"]),
    ("cargo_metadata", &["xtask"]),
    ("avt", &["xtask"]),
    ("tar", &["xtask"]),
    // Crates for values, formats and files are synchronous, so that their users choose the runtime.
    (
        "tokio",
        &[
            "billing-benches",
            "billing-cli",
            "billing-export",
            "billing-http",
            // Its client moves the bytes of all connections, on a thread of its own.
            "billing-postgres",
            "billing-server",
            "billing-sync",
            "billing-testkit",
            "billing-tests",
        ],
    ),
];

/// What only tests and benchmarks use.
pub(super) const DEV_ONLY: &[&str] = &[
    "assert_cmd",
    "bigdecimal",
    "criterion",
    "insta",
    "jsonschema",
    "proptest",
    "rcgen",
    "tempfile",
    "wiremock",
];

/// The packages that are for tests and benchmarks as a whole, and may use [`DEV_ONLY`] openly.
pub(super) const TEST_PACKAGES: &[&str] = &["billing-benches", "billing-testkit", "billing-tests"];

/// Features that must be off in the whole graph, because one crate that turns one on turns it on for all: the package,
/// how the feature starts, and what would go wrong.
pub(super) const FORBIDDEN_FEATURES: &[(&str, &str, &str)] = &[
    (
        "serde_json",
        "arbitrary_precision",
        "it changes how every number in the build is read, and billing-model reads its own exactly without it",
    ),
    (
        "rust_decimal",
        "serde",
        "serde on Decimal goes through binary floating point: billing-model has the exact way",
    ),
];

/// Words that say nothing as the name of a file or directory of Rust sources.
pub(super) const FORBIDDEN_WORDS: &[&str] = &["common", "helper", "helpers", "manager", "util", "utils"];

/// The most lines of a Rust file. 150 to 400 are usual; a longer file is about two things.
pub(super) const LINES_MAX: usize = 500;

/// The package that a plain `cargo test` leaves out, because `cargo run` must find one program only.
pub(super) const OUTSIDE_DEFAULT: &str = "xtask";
