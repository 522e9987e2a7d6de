//! The first line of a request: its method, the form of its target, its version.

use fastrand::Rng;

use super::case::{Case, Draft, Says, Then};
use super::kinds::{pick, word};
use super::stakes::{READS, Stakes};
use crate::host::USAGE;

/// Bytes of a head, at most, as the server has it.
const HEAD: usize = 128 << 10;

pub(crate) fn noise(rng: &mut Rng, _: &Stakes) -> Case {
    let mut bytes: Vec<u8> = match rng.u8(0..3) {
        0 => (0..rng.usize(1..300)).map(|_| rng.u8(..)).collect(),
        1 => (0..rng.usize(1..300)).map(|_| rng.u8(b' '..0x7f)).collect(),
        _ => pick(
            rng,
            &[&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"SSH-2.0-x", b"\0\0\0\0", b"{}"],
        )
        .to_vec(),
    };
    // Line ends may stand before a request, and alone they are none.
    bytes.insert(0, pick(rng, b"\0\x01\x7f\x80\xff\"(:{"));
    bytes.extend_from_slice(b"\r\n\r\n");
    Case::no_request(bytes, &[400]).then(Then::HalfClose)
}

pub(crate) fn no_version(rng: &mut Rng, stakes: &Stakes) -> Case {
    let end = pick(rng, &["", " ", "  "]);
    let draft = Draft::of_line(format!("GET {}{end}", pick(rng, &READS))).key(&stakes.admin);
    let bytes = if rng.bool() { draft.bytes() } else { format!("GET {USAGE}\r\n").into_bytes() };
    Case::no_request(bytes, &[400]).then(Then::HalfClose)
}

pub(crate) fn odd_version(rng: &mut Rng, stakes: &Stakes) -> Case {
    let versions = [
        "HTTP/2.0",
        "HTTP/2",
        "HTTP/3",
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/1.10",
        "HTTP/1",
        "HTTP/11",
        "http/1.1",
        "HTPP/1.1",
        "HTTP/1.1x",
        "HTTP /1.1",
        "HTTP/-1.1",
        "HTTP/1,1",
        "ICY",
        "HTTP/1.1 HTTP/1.1",
        "RTSP/1.0",
    ];
    let line = format!("GET {} {}", pick(rng, &READS), pick(rng, &versions));
    Case::no_request(Draft::of_line(line).key(&stakes.admin).bytes(), &[400])
}

pub(crate) fn h2_preface(rng: &mut Rng, _: &Stakes) -> Case {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    if rng.bool() {
        // An empty frame of settings.
        bytes.extend_from_slice(b"\0\0\0\x04\0\0\0\0\0");
    }
    Case::no_request(bytes, &[400])
}

pub(crate) fn odd_method(rng: &mut Rng, stakes: &Stakes) -> Case {
    let methods =
        ["", "G@T", "GE\tT", "G(ET", "\"GET\"", "GET\0", "GET:", "G\x7fET", "GÉT", "[GET]", "GET\x08"];
    let line = format!("{} {} HTTP/1.1", pick(rng, &methods), pick(rng, &READS));
    Case::no_request(Draft::of_line(line).key(&stakes.admin).bytes(), &[400])
}

pub(crate) fn unknown_method(rng: &mut Rng, stakes: &Stakes) -> Case {
    let method = match rng.u8(0..3) {
        0 => word(rng, 200),
        1 => pick(
            rng,
            &["get", "Get", "GETT", "BREW", "PROPFIND", "M-SEARCH", "PRI", "QUERY", "!#$%&'*+-.^_`|~"],
        )
        .to_owned(),
        _ => word(rng, 5) + "X",
    };
    let draft = Draft::new(&method, pick(rng, &READS));
    Case::refused(if rng.bool() { draft.key(&stakes.admin) } else { draft }.bytes(), &[405])
}

pub(crate) fn wrong_method(rng: &mut Rng, stakes: &Stakes) -> Case {
    let method = pick(rng, &["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"]);
    let paths = [&READS[..], &["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"]].concat();
    let draft = Draft::new(method, pick(rng, &paths)).key(&stakes.admin);
    Case::refused(draft.bytes(), &[405])
}

pub(crate) fn odd_target(rng: &mut Rng, stakes: &Stakes) -> Case {
    let odd = pick(
        rng,
        &[
            &b"\0"[..],
            b"\x01",
            b"\x08",
            b"\t",
            b"\x1f",
            b"\x7f",
            b" ",
            b"\xff",
            b"\xc3(",
            b"\xc0\xaf",
            b"\xed\xa0\x80",
            b"\xf8\x88\x80\x80\x80",
            b"\x80",
        ],
    );
    let (start, end) = pick(rng, &[("?limit=", ""), ("/", ""), ("?", "=1"), ("?currency=US", "D"), ("", "")]);
    let target = [USAGE.as_bytes(), start.as_bytes(), odd, end.as_bytes(), b"x"].concat();
    Case::no_request(Draft::new("GET", target).key(&stakes.admin).bytes(), &[400])
}

pub(crate) fn long_target(rng: &mut Rng, stakes: &Stakes) -> Case {
    let target = format!("{USAGE}?x={}", "x".repeat(rng.usize(65_536..100_000)));
    Case::no_request(Draft::new("GET", target).key(&stakes.admin).bytes(), &[414])
}

pub(crate) fn target_beyond_the_head(rng: &mut Rng, stakes: &Stakes) -> Case {
    let target = format!("{USAGE}?x={}", "x".repeat(HEAD + rng.usize(1..HEAD)));
    Case::no_request(Draft::new("GET", target).key(&stakes.admin).bytes(), &[414, 431])
}

/// RFC 9112 3.2: a proxy's form, an authority, a star.
pub(crate) fn other_form(rng: &mut Rng, stakes: &Stakes) -> Case {
    let at =
        |origin: &str, rest: &str| Draft::new("GET", format!("{origin}{rest}")).key(&stakes.admin).bytes();
    let origin = pick(rng, &["http://other.test", "https://a:b@other.test:1", "HTTP://[::1]:80", "ftp://x"]);
    match rng.u8(0..5) {
        0 => Case::refused(at(origin, &format!("{USAGE}?limit=0")), &[400]).saying(Says::Details),
        1 => Case::refused(at(origin, "/api/v2/billing/usage"), &[404]),
        2 => Case::refused(at(origin, "/nothing"), &[404]),
        3 => Case::refused(Draft::new("OPTIONS", "*").bytes(), &[404]),
        _ => Case::refused(at(pick(rng, &["other.test:443", "*", "localhost"]), ""), &[404]),
    }
}

pub(crate) fn connect(rng: &mut Rng, stakes: &Stakes) -> Case {
    let (target, statuses): (_, &[u16]) = pick(
        rng,
        &[
            ("other.test:443", &[404][..]),
            ("127.0.0.1:1", &[404]),
            ("[::1]:443", &[404]),
            // There is something at `/`, for GET.
            ("http://other.test/", &[405]),
        ],
    );
    Case::refused(Draft::new("CONNECT", target).key(&stakes.admin).bytes(), statuses)
}

pub(crate) fn http_10(rng: &mut Rng, stakes: &Stakes) -> Case {
    let (target, statuses): (_, &[u16]) = pick(
        rng,
        &[
            ("/nothing", &[404][..]),
            ("/api/v1/billing/usage?limit=0", &[400]),
            ("/api/v1/billing/usage?page=x", &[400]),
        ],
    );
    let draft = Draft::of_line(format!("GET {target} HTTP/1.0")).key(&stakes.admin);
    Case::refused(draft.bytes(), statuses).then(Then::End)
}

pub(crate) fn head(rng: &mut Rng, stakes: &Stakes) -> Case {
    let (target, statuses): (_, &[u16]) = pick(
        rng,
        &[
            ("/nothing", &[404][..]),
            ("/api/v1/billing/usage?limit=0", &[400]),
            ("/api/v1/billing/usage-history?pageSize=1", &[400]),
            ("/api/v1/billing/usage-analytics?lookback=0d", &[400]),
        ],
    );
    let case = Case::refused(Draft::new("HEAD", target).key(&stakes.admin).bytes(), statuses);
    Case { is_head: true, ..case }
}
