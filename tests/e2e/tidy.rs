//! The rules of the house hold, and each of them would notice if it did not.
//!
//! The tests of xtask stand here because a plain `cargo test` leaves that package out.

use xtask::readme::test_command;
use xtask::tidy::{self, violations};
use xtask::workspace::{Dependency, Member, Resolved, Source, Workspace};

#[test]
fn the_workspace_keeps_its_rules() {
    let violations = tidy::check().unwrap();
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} violations\n{}", lines.len(), lines.join("\n"));
}

/// The real workspace is read, not an empty one: nothing breaks a rule where there is nothing.
#[test]
fn the_whole_workspace_is_read() {
    let workspace = Workspace::read().unwrap();
    let member = |name: &str| workspace.members.iter().find(|member| member.name == name).unwrap();
    assert!(!member("xtask").is_default && !member("xtask").is_tested);
    let csv = member("billing-csv");
    assert!(csv.is_default && csv.is_tested);
    assert_eq!(csv.directory, "crates/billing-csv");
    assert_eq!(csv.library.as_deref(), Some("crates/billing-csv/src/lib.rs"));
    assert!(
        csv.dependencies.iter().any(|dependency| dependency.name == "billing-model" && !dependency.is_dev)
    );
    assert!(csv.dependencies.iter().any(|dependency| dependency.name == "proptest" && dependency.is_dev));
    let serde_json = workspace.resolved.iter().find(|package| package.name == "serde_json").unwrap();
    assert!(serde_json.features.iter().any(|feature| feature == "raw_value"));
    assert!(workspace.sources.iter().any(|source| source.path == "tests/e2e/tidy.rs"));
    assert!(!workspace.sources.iter().any(|source| source.path.starts_with("target")));
    assert!(workspace.documents.iter().any(|document| document.path == "docs/decisions.md"));
}

const FRONT_PAGE: &str = "//! What it is.\n//!\n//! ```\n//! assert_eq!(1 + 1, 2);\n//! ```\n\nmod thing;\n\n\
                          pub use thing::{One, Two};\n";

/// Two crates and xtask, with nothing wrong in them.
fn sound() -> Workspace {
    let member = |name: &str, directory: &str| Member {
        name: name.to_owned(),
        directory: directory.to_owned(),
        description: Some("What it is.".to_owned()),
        rust_version: Some("1.95.0".to_owned()),
        library: Some(format!("{directory}/src/lib.rs")),
        is_default: name != "xtask",
        is_tested: name != "xtask",
        manifest: "[dependencies]\nserde.workspace = true\n[lints]\nworkspace = true\n".to_owned(),
        ..Member::default()
    };
    let members = vec![
        member("billing-model", "crates/billing-model"),
        member("billing-http", "crates/billing-http"),
        member("xtask", "xtask"),
    ];
    let source = |member: &Member| Source {
        path: format!("{}/src/lib.rs", member.directory),
        text: FRONT_PAGE.to_owned(),
    };
    Workspace {
        manifest: "[workspace.dependencies]\nserde = \"1\"\n".to_owned(),
        sources: members.iter().map(source).collect(),
        members,
        resolved: vec![package("serde_json", &["raw_value"]), package("rust_decimal", &["std"])],
        documents: vec![
            document("README.md", "# It\n"),
            document("docs/export.md", "## The `key`, or none\n"),
        ],
        paths: ["README.md", "docs", "docs/export.md"].map(str::to_owned).to_vec(),
    }
}

fn document(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn package(name: &str, features: &[&str]) -> Resolved {
    Resolved { name: name.to_owned(), features: features.iter().map(ToString::to_string).collect() }
}

fn depends(name: &str) -> Dependency {
    Dependency { name: name.to_owned(), is_dev: false }
}

/// The sound workspace with one change breaks this rule in this file, and no other; with no rule, it breaks none.
#[track_caller]
fn check(change: impl FnOnce(&mut Workspace), expect: Option<(&str, &str)>) {
    let mut workspace = sound();
    change(&mut workspace);
    let found = violations(&workspace);
    let found: Vec<_> = found.iter().map(|violation| (violation.rule, violation.file.as_str())).collect();
    assert_eq!(found, expect.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_sound_workspace_breaks_no_rule() {
    check(|_| (), None);
}

#[test]
fn dependencies_go_one_way() {
    let (model, http) = ("crates/billing-model/Cargo.toml", "crates/billing-http/Cargo.toml");
    for (member, name, expect) in [
        (1, "billing-model", None),
        (0, "billing-http", Some(("own-crates", model))),
        (1, "xtask", Some(("own-crates", http))),
        (1, "reqwest", None),
        (0, "reqwest", Some(("others-crates", model))),
        (0, "tokio", Some(("others-crates", model))),
        (1, "tokio", None),
        (1, "anyhow", Some(("others-crates", http))),
        (2, "anyhow", None),
        (1, "wiremock", Some(("dev-only", http))),
        (1, "tempfile", Some(("dev-only", http))),
        (1, "bytes", None),
    ] {
        check(|workspace| workspace.members[member].dependencies.push(depends(name)), expect);
        // What only tests use binds nobody.
        let dev = Dependency { is_dev: true, ..depends(name) };
        check(|workspace| workspace.members[member].dependencies.push(dev), None);
    }
}

#[test]
fn a_crate_that_no_rule_knows_is_a_violation() {
    check(
        |workspace| {
            workspace.members[1].name = "billing-other".to_owned();
            workspace.members[1].directory = "crates/billing-other".to_owned();
        },
        Some(("own-crates", "crates/billing-other/Cargo.toml")),
    );
}

#[test]
fn features_that_touch_money_are_off_in_the_whole_graph() {
    let expect = Some(("forbidden-feature", "Cargo.lock"));
    for (name, feature, expect) in [
        ("serde_json", "arbitrary_precision", expect),
        ("serde_json", "float_roundtrip", None),
        ("rust_decimal", "serde", expect),
        ("rust_decimal", "serde-float", expect),
        ("rust_decimal", "serde-with-str", expect),
        ("rust_decimal", "maths", None),
        ("chrono", "serde", None),
    ] {
        check(|workspace| workspace.resolved.push(package(name, &[feature])), expect);
    }
}

#[test]
fn what_the_root_offers_is_taken() {
    let unused = Some(("unused-dependency", "Cargo.toml"));
    for (member, expect) in [
        ("[dependencies]\nbytes.workspace = true", None),
        ("[dependencies]\nbytes = { workspace = true, features = [\"std\"] }", None),
        ("[dependencies]\nbytes={workspace=true}", None),
        ("[dev-dependencies]\nbytes.workspace = true", None),
        ("[target.'cfg(unix)'.dependencies]\nbytes.workspace = true", None),
        ("[dependencies.bytes]\nworkspace = true", None),
        ("", unused),
        ("[dependencies]\nbytes = \"1\"", unused),
        ("[dependencies]\n# bytes.workspace = true", unused),
        ("[package.metadata]\nbytes.workspace = true", unused),
    ] {
        check(
            |workspace| {
                workspace.manifest.push_str("# with a comment\nbytes = \"1\"   # and another\n");
                workspace.members[1].manifest.push_str(member);
            },
            expect,
        );
    }
}

#[test]
fn every_package_pays_its_dues() {
    let http = |rule: &'static str| Some((rule, "crates/billing-http/Cargo.toml"));
    check(|workspace| workspace.members[1].description = None, http("description"));
    check(|workspace| workspace.members[1].description = Some(" ".to_owned()), http("description"));
    check(|workspace| workspace.members[1].rust_version = None, http("rust-version"));
    check(|workspace| workspace.members[1].rust_version = Some("1.90.0".to_owned()), http("rust-version"));
    check(|workspace| workspace.members[1].features.push("tls".to_owned()), http("features"));
    check(
        |workspace| workspace.members[1].directory = "crates/http".to_owned(),
        Some(("directory", "crates/http/Cargo.toml")),
    );
}

#[test]
fn lints_are_taken_from_the_workspace() {
    let lints = Some(("lints", "crates/billing-http/Cargo.toml"));
    for (manifest, expect) in [
        ("[lints]\nworkspace = true", None),
        ("lints.workspace = true\n[package]", None),
        ("", lints),
        ("[lints]\nworkspace = false", lints),
        ("[lints]\n# workspace = true", lints),
        ("[lints.rust]\nunsafe_code = \"forbid\"", lints),
        ("[package]\nworkspace = true", lints),
    ] {
        check(|workspace| workspace.members[1].manifest = manifest.to_owned(), expect);
    }
}

#[test]
fn a_plain_test_run_leaves_no_test_out() {
    let rule = "default-members";
    check(
        |workspace| workspace.members[1].is_default = false,
        Some((rule, "crates/billing-http/Cargo.toml")),
    );
    check(|workspace| workspace.members[2].is_default = true, Some((rule, "xtask/Cargo.toml")));
    check(|workspace| workspace.members[2].is_tested = true, Some((rule, "xtask/Cargo.toml")));
}

#[test]
fn files_are_named_after_things() {
    for (path, is_fine) in [
        ("crates/billing-http/src/utils.rs", false),
        ("crates/billing-http/src/test_utils.rs", false),
        ("crates/billing-http/src/helpers/clock.rs", false),
        ("crates/billing-http/tests/common/mod.rs", false),
        ("crates/billing-http/src/session_manager.rs", false),
        ("crates/billing-http/src/commonality.rs", true),
        ("crates/billing-http/src/retry.rs", true),
    ] {
        let source = Source { path: path.to_owned(), text: "//! What it is.\n".to_owned() };
        check(|workspace| workspace.sources.push(source), (!is_fine).then_some(("file-name", path)));
    }
}

#[test]
fn files_are_short_and_say_what_they_hold() {
    let path = "crates/billing-http/src/retry.rs";
    for (text, expect) in [
        ("//! What it is.\n".repeat(500), None),
        ("//! What it is.\n".repeat(501), Some(("file-length", path))),
        ("fn retry() {}\n".to_owned(), Some(("first-line", path))),
        (String::new(), Some(("first-line", path))),
    ] {
        check(|workspace| workspace.sources.push(Source { path: path.to_owned(), text }), expect);
    }
}

#[test]
fn links_lead_somewhere() {
    for (line, is_fine) in [
        ("[it](docs/export.md)", true),
        ("[it](docs)", true),
        ("[it](docs/export.md#the-key-or-none)", true),
        ("[it](#it) and [it](https://example.com/nowhere.md#at-all)", true),
        ("`[it](nowhere.md)`\n```\n[it](nowhere.md)\n# No heading\n```", true),
        ("![it](docs/nowhere.svg)", false),
        ("[it](export.md)", false),
        ("[it](../docs/export.md)", false),
        ("[it](docs/export.md#the-key)", false),
        ("[it](docs#it)", false),
        ("[it](#no-heading)", false),
    ] {
        check(
            |workspace| workspace.documents[0].text.push_str(line),
            (!is_fine).then_some(("link", "README.md")),
        );
    }
    // Seen from where the document stands.
    let up = "[it](../README.md#it) [key](export.md) [key](#the-key-or-none)";
    check(|workspace| workspace.documents[1].text.push_str(up), None);
}

#[test]
fn front_pages_hold_no_logic() {
    let path = "crates/billing-http/src/lib.rs";
    let front_page = Some(("front-page", path));
    for (more, expect) in [
        ("#[cfg(unix)] mod wire; // why\n/// About it.\npub mod walk;\n", None),
        ("#![expect(\n    missing_docs,\n    reason = \"[none]\"\n)]\nuse std::fmt;\n", None),
        ("pub fn start() {}\n", front_page),
        ("fn start() { let x = 1; }\n", front_page),
        ("#[derive(Debug)]\npub struct Client;\n", front_page),
        ("const LIMIT: usize = 3;\n", front_page),
        ("#[cfg(test)]\nmod tests { fn one() {} }\n", front_page),
        ("pub mod walk { pub use crate::thing::One; }\n", front_page),
        ("macro_rules! nothing { () => {}; }\n", front_page),
    ] {
        check(|workspace| workspace.sources[1].text.push_str(more), expect);
    }
    // The crates that others use show how; xtask has no users.
    let bare = || "//! What it is.\n".to_owned();
    check(|workspace| workspace.sources[1].text = bare(), front_page);
    check(|workspace| workspace.sources[2].text = bare(), None);
    check(
        |workspace| workspace.sources[1].text = format!("{}//! ```\n//! one();\n//! ```\n", bare()),
        front_page,
    );
}

#[test]
fn the_readme_says_how_to_run_the_tests() {
    for (readme, expect) in [
        ("```\ncargo test\n```", Some("cargo test")),
        ("```sh\n$ cargo test --workspace   # every test\n```", Some("cargo test --workspace")),
        ("```\ncargo run -- demo\ncargo test --workspace\n```", Some("cargo test --workspace")),
        ("```\ncargo run\n```\ncargo test\n```\ncargo test --doc\n```", Some("cargo test --doc")),
        ("cargo test --workspace", None),
        ("Run `cargo test --workspace`.", None),
        ("```\n# cargo test\ncargo testify\n```", None),
        ("", None),
    ] {
        assert_eq!(test_command(readme), expect, "{readme}");
    }
}
