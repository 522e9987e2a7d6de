//! `--jq`: what an expression makes of a report's JSON. It reads no file, no variable and no clock.

use std::thread;

use anyhow::{Context, anyhow};
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Exn, Vars, compile, data};
use jaq_json::{Val, read};

use crate::exit::Failure;

/// The most characters of an expression, and of a value, that an error shows.
const SHOWN: usize = 40;
const SHOWN_OF_A_VALUE: usize = 200;

/// Functions that read the environment or the clock, or write to stderr, and those that are made of them. The zone of local time is in
/// the environment.
const LEFT_OUT: [&str; 9] = [
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "halt_error",
];

/// Reading JSON takes as much stack as it is deep, and a text can be as deep as it is long.
const BOUNDED: &str = r#"
def fromjson: if isstring and (utf8bytelength > 100000) then error("fromjson takes texts up to 100000 bytes")
    else fromjson_of_any_length end;
"#;

/// The name that the library's own function has instead.
const UNBOUNDED: (&str, &str) = ("fromjson", "fromjson_of_any_length");

/// What jq has and the library leaves to its own program: rows of a spreadsheet.
const ROWS: &str = r#"
def @csv: [.[] | if isstring then "\"" + (split("\"") | join("\"\"")) + "\""
    elif isarray or isobject then error("a row of @csv has texts and numbers, not \(.)")
    elif . == null then "" else tostring end] | join(",");
def @tsv: [.[] | if isstring then split("\\") | join("\\\\") | split("\t") | join("\\t") | split("\n") | join("\\n")
        | split("\r") | join("\\r")
    elif isarray or isobject then error("a row of @tsv has texts and numbers, not \(.)")
    elif . == null then "" else tostring end] | join("\t");
"#;

/// The most characters of an expression. Each may be a level of its syntax, and [`STACK`] has room for so many.
const MOST_CHARS: usize = 10_000;

/// Bytes of the stack on which an expression is read and runs. Each level of its syntax and of a recursion takes some, and what is not
/// touched takes no memory.
const STACK: usize = 256 << 20;

/// A checked expression.
pub(super) struct Expression(jaq_core::Filter<data::JustLut<Val>>);

impl Expression {
    /// Checks an expression.
    ///
    /// # Errors
    /// Wrong usage, which says where it stops to be one.
    pub(super) fn new(code: &str) -> Result<Self, Failure> {
        if code.chars().nth(MOST_CHARS).is_some() {
            return Err(Failure::usage(anyhow!(
                "--jq: the expression has more than {MOST_CHARS} characters"
            )));
        }
        on_a_long_stack(|| compiled(code)).map(Self)
    }

    /// Hands out its results one by one, each as a line. Texts have no quotes; numbers have all their digits, unless the expression
    /// calculates.
    ///
    /// # Errors
    /// When it fails on this JSON, as with the member of a number, and what `write` fails with. What came before has been handed out.
    pub(super) fn run(
        &self,
        json: &str,
        mut write: impl FnMut(&str) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        on_a_long_stack(|| {
            let input = read::parse_single(json.as_bytes())
                .map_err(|error| Failure::failed(anyhow!("--jq cannot read the report: {error}")))?;
            let context = Ctx::<data::JustLut<Val>>::new(&self.0.lut, Vars::new([]));
            for result in self.0.id.run((context, input)) {
                match result {
                    Ok(value) => write(&(text(&value) + "\n"))?,
                    Err(exception) => return ended(exception.get_halt()),
                }
            }
            Ok(())
        })
    }
}

/// How results end that do not come to their end. `halt` is no error; its code is, because the codes of this program have meanings.
fn ended(halt: Result<i32, Exn<Val>>) -> Result<(), Failure> {
    match halt {
        Ok(0) => Ok(()),
        Ok(code) => Err(wrong(&format!("halt({code}) asks for an exit code, and halt alone is taken"))),
        Err(exception) => {
            let said = exception.get_err().map(|error| text(&error.into_val())).unwrap_or_default();
            Err(wrong(&short(&said, SHOWN_OF_A_VALUE)).hint(ENVELOPE))
        }
    }
}

/// Reads an expression.
fn compiled(code: &str) -> Result<jaq_core::Filter<data::JustLut<Val>>, Failure> {
    let own = |code| load::parse(code, |parser| parser.defs()).into_iter().flatten();
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(own(BOUNDED));
    let defs = defs.chain(jaq_json::defs()).chain(own(ROWS));
    let loader = Loader::new(defs.filter(|def| !LEFT_OUT.contains(&def.name)));
    let arena = Arena::default();
    let unread = |errors: load::Errors<&str, ()>| {
        let first = errors.into_iter().next().map(|(file, error)| told(file.code, error));
        wrong(&first.unwrap_or_default())
    };
    let modules = loader.load(&arena, File { code, path: () }).map_err(unread)?;
    // The loader takes data without reading it, and the compiler trusts that somebody has.
    load::import(&modules, |_| Err(String::new())).map_err(unread)?;
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let funs = funs.filter(|(name, ..)| !LEFT_OUT.contains(name)).map(|(name, arguments, fun)| {
        let name = if name == UNBOUNDED.0 { UNBOUNDED.1 } else { name };
        (name, arguments, fun)
    });
    Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
        let first = errors.into_iter().next().and_then(|(file, errors)| {
            let (name, undefined) = errors.into_iter().next()?;
            Some(format!("{}: there is no such {}", place(file.code, name), undefined_kind(&undefined)))
        });
        wrong(&first.unwrap_or_default())
    })
}

/// Works on a thread whose stack has room for deep syntax. An expression that calls itself without end still comes to the end of it,
/// and the system ends the program then.
fn on_a_long_stack<T: Send>(work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let worker = worker.context("--jq needs a thread of its own").map_err(Failure::failed)?;
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A value as it is printed.
fn text(value: &Val) -> String {
    match value {
        Val::TStr(text) => String::from_utf8_lossy(text).into_owned(),
        value => value.to_string(),
    }
}

/// The hint for an expression that does not fit the JSON.
const ENVELOPE: &str =
    "the JSON has .meta, .rows and .totals; --jq . prints all of it, docs/report.schema.json describes it";

fn wrong(said: &str) -> Failure {
    Failure::usage(anyhow!("--jq: {said}"))
        .hint("it is an expression of jq, such as '.rows[] | [.model, .spend] | @csv'")
}

/// What is wrong with an expression, and where.
fn told(code: &str, error: load::Error<&str>) -> String {
    let said = match error {
        load::Error::Io(errors) => {
            errors.into_iter().next().map(|(path, _)| (path, "modules are not read".to_owned()))
        }
        load::Error::Lex(errors) => {
            errors.into_iter().next().map(|(expect, at)| (at, format!("{} expected", expect.as_str())))
        }
        load::Error::Parse(errors) => {
            errors.into_iter().next().map(|(expect, at)| (at, format!("{} expected", expect.as_str())))
        }
    };
    said.map(|(at, said)| format!("{}: {said}", place(code, at))).unwrap_or_default()
}

/// Where a part of an expression stands in it.
fn place(code: &str, part: &str) -> String {
    // What is not a part of it lies in the definitions that come with jaq.
    let start = load::span(code, part).start;
    let Some(before) = code.get(..start) else { return format!("`{}`", short(part, SHOWN)) };
    match part.is_empty() {
        true => format!("at the end of `{}`", short(code, SHOWN)),
        false => format!("at character {}, `{}`", before.chars().count() + 1, short(part, SHOWN)),
    }
}

fn undefined_kind(undefined: &compile::Undefined) -> &'static str {
    match undefined {
        compile::Undefined::Filter(_) => "function",
        other => other.as_str(),
    }
}

fn short(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"rows":[{"model":"a","spend":"34.2430983650000000176"},{"model":"b\n","spend":"1"}],
        "n":0.1000000000000000055511151231257827,"total":12345678901234567890}"#;

    fn lines(code: &str) -> String {
        let mut lines = String::new();
        let write = |line: &str| {
            lines.push_str(line);
            Ok(())
        };
        match Expression::new(code).and_then(|expression| expression.run(JSON, write)) {
            Ok(()) => lines,
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn results_are_lines_with_every_digit() {
        for (code, expect) in [
            (".rows[].spend", "34.2430983650000000176\n1\n"),
            (".rows[0]", "{\"model\":\"a\",\"spend\":\"34.2430983650000000176\"}\n"),
            (".n, .total", "0.1000000000000000055511151231257827\n12345678901234567890\n"),
            (".rows | length", "2\n"),
            (".rows[] | [.model, .spend] | @tsv", "a\t34.2430983650000000176\nb\\n\t1\n"),
            ("[\"a\\\"b,\", 1.50, null, true] | @csv", "\"a\"\"b,\",1.50,,true\n"),
            ("[[1]] | @csv", "--jq: a row of @csv has texts and numbers, not [1]"),
            (".rows[] | select(.model | test(\"^A$\"; \"i\")) | .spend", "34.2430983650000000176\n"),
            ("[.rows[].spend | tonumber] | add | . > 35", "true\n"),
            ("empty", ""),
            ("1, halt, 2", "1\n"),
            ("null, true", "null\ntrue\n"),
            ("\"[1.50]\" | fromjson", "[1.50]\n"),
        ] {
            assert_eq!(lines(code), expect, "{code}");
        }
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        for (code, said) in [
            (".rows[", "--jq: at the end of `.rows[`: closing bracket expected"),
            (".rows[] |", "--jq: at the end of `.rows[] |`: term expected"),
            (".rows } x", "--jq: at character 7, `} x`: token expected"),
            ("é + nothing", "--jq: at character 1, `é + nothing`: token expected"),
            ("1 + nothing(2)", "--jq: at character 5, `nothing`: there is no such function"),
            ("$x", "--jq: at character 1, `$x`: there is no such variable"),
            ("", "--jq: at the end of ``: term expected"),
            (".rows.model", "--jq: cannot index "),
            ("error(\"no\")", "--jq: no"),
        ] {
            let found = lines(code);
            assert!(found.starts_with(said), "{code}: {found}");
        }
    }

    #[test]
    fn nothing_is_read_but_the_report() {
        for code in [
            "env",
            "$ENV",
            "now",
            "0 | localtime",
            "0 | strflocaltime(\"%H\")",
            "input",
            "inputs",
            "import \"a\" as a; .",
            "import \"a\" as $a; $a",
            "include \"a\"; .",
        ] {
            let found = lines(code);
            assert!(
                found.starts_with("--jq: at character ") || found.starts_with("--jq: `"),
                "{code}: {found}"
            );
        }
        assert_eq!(lines("0 | gmtime | mktime"), "0\n");
        assert!(lines("import \"a\" as $a; $a").ends_with("modules are not read"));
    }

    /// Its syntax is read level by level, and a thread has two megabytes of stack for them.
    #[test]
    fn a_deep_expression_is_read() {
        let half = MOST_CHARS / 2;
        assert_eq!(lines(&format!("{}1{}", "(".repeat(half - 1), ")".repeat(half - 1))), "1\n");
        assert!(lines(&"[".repeat(MOST_CHARS)).starts_with("--jq: at "));
        assert_eq!(lines(&format!("{}1", "-".repeat(MOST_CHARS - 1))), "-1\n");
        assert_eq!(lines("def f: if . > 9999 then . else . + 1 | f end; 0 | [f] | .[0]"), "10000\n");
        assert_eq!(lines("(\"[\" * 100000) + \"\" | try fromjson catch \"deep\""), "deep\n");
        let said = lines("\"[\" * 1000000 | fromjson");
        assert_eq!(said, "--jq: fromjson takes texts up to 100000 bytes");
        for code in ["-".repeat(100_000), "(".repeat(MOST_CHARS + 1)] {
            assert_eq!(lines(&code), "--jq: the expression has more than 10000 characters");
        }
    }

    #[test]
    fn results_are_handed_out_one_by_one() {
        let expression = Expression::new("repeat(1)").unwrap();
        let mut left = 3;
        let stopped = expression.run(JSON, |line| {
            assert_eq!(line, "1\n");
            left -= 1;
            if left > 0 { Ok(()) } else { Err(Failure::failed(anyhow!("enough"))) }
        });
        assert_eq!(stopped.unwrap_err().to_string(), "enough");
        assert!(lines("1, halt(5)").starts_with("--jq: halt(5) asks for an exit code"));
        assert_eq!(lines("1, halt(0), 2"), "1\n");
    }
}
