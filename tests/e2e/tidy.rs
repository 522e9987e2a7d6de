//! The rules of the house hold, and each of them would notice if it did not.
//!
//! The tests of xtask stand here because a plain `cargo test` leaves that package out.

mod gate;

use xtask::readme::test_command;
use xtask::tidy::{self, Violation, violations};
use xtask::workspace::{Dependency, Member, Resolved, Source, Workspace};

#[test]
fn the_workspace_keeps_its_rules() {
    let violations = tidy::check().unwrap();
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} violations\n{}", lines.len(), lines.join("\n"));
}

/// The real workspace is read. An empty one would break no rule either.
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

/// The circles of a crate of these files, beside its front page, as a list of files.
#[track_caller]
fn check_circles(files: &[(&str, &str)], expect: &[&str]) {
    let mut workspace = sound();
    let path = |name: &str| format!("crates/billing-http/src/{name}");
    for (name, text) in files {
        workspace.sources.retain(|source| source.path != path(name));
        workspace.sources.push(Source { path: path(name), text: format!("//! What it is.\n{text}\n") });
    }
    let found = circles(&workspace);
    let expect: Vec<_> = expect.iter().map(|names| names.split(' ').map(path).collect::<Vec<_>>()).collect();
    let listed = |message: &str| message.split(['(', ')']).nth(1).unwrap_or_default().replace(", ", " ");
    let listed: Vec<_> = found.iter().map(|violation| listed(&violation.message)).collect();
    assert_eq!(
        listed,
        expect.iter().map(|paths| paths.join(" ")).collect::<Vec<_>>(),
        "{files:?}\n{found:?}"
    );
    let first: Vec<_> = found.iter().map(|violation| &violation.file).collect();
    assert_eq!(first, expect.iter().map(|paths| &paths[0]).collect::<Vec<_>>());
}

fn circles(workspace: &Workspace) -> Vec<Violation> {
    let found = violations(workspace).into_iter();
    found.filter(|violation| violation.rule == "circle").collect()
}

/// `a.rs` says this, and `b.rs` uses what is in `a.rs`: a circle, when `a.rs` uses `b.rs`.
#[track_caller]
fn check_use(a: &str, is_use: bool) {
    let files =
        [("lib.rs", "mod a;\nmod b;"), ("a.rs", a), ("b.rs", "use crate::a::A;\npub struct B<'b>(&'b A);")];
    check_circles(&files, if is_use { &["a.rs b.rs"] } else { &[] });
}

#[test]
fn whatever_names_a_file_uses_it() {
    for a in [
        "use crate::b::B;",
        "use crate::b;\nfn new() { b::new() }",
        "use super::b::{B as Other};",
        "fn new() -> crate::b::B { todo!() }",
        "fn new<'a>(at: &'a str, sign: char) -> bool { sign == '\"' || at == crate::b::NAME }",
        "fn new() { let r#type = assert_eq!(super::b::NAME, \"\\\"\"); }",
        "#[arg(value_parser = crate::b::parse)]\nstruct A;",
        "mod inner {\n    use super::super::b::B;\n}",
        "use std::{\n    fmt,\n    io::{self, Read},\n};\nuse crate::{\n    // A comment, too.\n    c::{C, D as _},\n    b::{self, new},\n};",
        "#[cfg(not(test))]\nuse crate::b::B;",
        "#[cfg(test)]\nuse std::fmt;\nuse crate::b::B;",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n}\nfn new() { crate::b::new() }",
    ] {
        check_use(a, true);
    }
}

#[test]
fn what_is_not_built_or_names_nothing_of_the_crate_uses_no_file() {
    for a in [
        "",
        "pub struct A;",
        "use b::B;\nuse ::b::B as C;\nuse std::b;",
        "#[cfg(test)]\nuse crate::b::B;",
        "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n    fn new() { crate::b::new() }\n}",
        "#[cfg(all(test, unix))]\n#[derive(Debug)]\npub(crate) fn new() -> [B; 2] { crate::b::new() }",
        "struct A {\n    #[cfg(test)]\n    b: crate::b::B,\n}",
        "#![cfg(test)]\nuse crate::b::B;",
        "/// Like [`B`](crate::b::B).\n// use crate::b::B;\n/* /* */ use crate::b::B; */\nstruct A;",
        "const A: [&str; 3] = [\"use crate::b::B; \\\" crate::b::B\", r#\"\"crate::b::B\"#, r\"crate::b::B\"];",
        "pub(in crate::b) fn new() {}",
    ] {
        check_use(a, false);
    }
}

#[test]
fn a_circle_goes_through_any_number_of_files() {
    let lib = ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\nmod e;");
    let (a, b) = (("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c::C;"));
    let (d, e) = (("d.rs", "use crate::{c::C, e::E};"), ("e.rs", "use crate::a::A;"));
    check_circles(&[lib, a, b, ("c.rs", ""), d, e], &[]);
    check_circles(&[lib, a, b, ("c.rs", "use crate::a::A;"), d, e], &["a.rs b.rs c.rs"]);
    check_circles(
        &[lib, a, b, ("c.rs", "use crate::b::B;"), ("d.rs", "use crate::e::E;"), ("e.rs", "use crate::d;")],
        &["b.rs c.rs", "d.rs e.rs"],
    );
}

#[test]
fn who_hands_an_item_on_is_not_where_it_stands() {
    let (a, b) = (("a.rs", "use crate::B;"), ("b.rs", "use super::A;"));
    check_circles(&[("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;"), a, b], &["a.rs b.rs"]);
    check_circles(
        &[("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::A;\npub use b::B;"), a, b, ("c.rs", "")],
        &[],
    );
    // A file that re-exports an item is used too.
    let lib = ("lib.rs", "mod a;\nmod b;\nmod c;");
    let (a, c) = (("a.rs", "use crate::b::C;"), ("c.rs", ""));
    check_circles(&[lib, a, ("b.rs", "pub use crate::c::C;\nuse crate::a;"), c], &["a.rs b.rs"]);
    check_circles(
        &[lib, a, ("b.rs", "pub use crate::c::C;"), ("c.rs", "use crate::a;")],
        &["a.rs b.rs c.rs"],
    );
}

#[test]
fn a_module_and_its_children_are_one_room() {
    let lib = ("lib.rs", "mod a;\nmod b;");
    let a = ("a.rs", "mod one;\nmod two;\npub use one::One;\nuse two::Two;\npub struct A;");
    let (one, two) = (("a/one.rs", "use super::{A, two::Two};"), ("a/two.rs", "use super::A;"));
    // What goes on between the parent and its children is their own business.
    check_circles(&[lib, a, one, two, ("b.rs", "use crate::a::One;")], &[]);
    // But rooms side by side form no circle, whoever in them it is;
    check_circles(
        &[lib, a, one, ("a/two.rs", "use crate::b::B;"), ("b.rs", "use crate::a::One;")],
        &["a.rs b.rs"],
    );
    // nor do the children of one, by their own names or by those that their parent gives them.
    for two in ["use super::one::One;", "use super::One;", "use crate::a::One;"] {
        check_circles(&[lib, a, one, ("a/two.rs", two), ("b.rs", "")], &["a/one.rs a/two.rs"]);
    }
    // Tests in a file of their own are left out.
    let tested = ("a.rs", "mod one;\n#[cfg(test)]\nmod two;");
    check_circles(&[lib, tested, one, ("a/two.rs", "use super::one::One;"), ("b.rs", "")], &[]);
    // A file elsewhere, and a crate that is a program.
    let elsewhere = "#[path = \"../src/else/where.rs\"]\nmod a;\nmod b;";
    let files = [("else/where.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")];
    check_circles(&[&[("lib.rs", elsewhere)], &files[..]].concat(), &["b.rs else/where.rs"]);
    check_circles(&[&[("main.rs", elsewhere)], &files[..]].concat(), &["b.rs else/where.rs"]);
}
