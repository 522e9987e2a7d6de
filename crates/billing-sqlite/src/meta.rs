//! Reads the page of the table `meta` from a file or a log without the engine.
//!
//! The table has a few short rows, so it is one page: a leaf of an index b-tree, because it has no rowid. Its form is
//! documented at sqlite.org/fileformat2.html, 1.6 and 2. A page that does not have exactly this form is no page of
//! `meta`.

/// The first table that was made in the file, so its page is the one behind the file's header.
pub(crate) const USUAL_ROOT: u32 = 2;

/// The rows of `meta`: the ledger's random number, and the name of its state.
const SECRET: &[u8] = b"secret";
const SEAL: &[u8] = b"seal";

const SEAL_BYTES: usize = 16;
const COOKIE_BYTES: usize = 4;
const STATE_BYTES: usize = SEAL_BYTES + COOKIE_BYTES;

/// A leaf of an index.
const LEAF: u8 = 0x0a;
const LEAF_HEADER: usize = 8;

/// A ledger's random number.
pub(crate) type Secret = [u8; 32];

/// The name of a state of a ledger. No two commits of any ledger have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// A random value; zero before the first seal.
    pub(crate) seal: [u8; SEAL_BYTES],
    /// SQLite's schema cookie. `VACUUM` changes it: it leaves the rows as they are, but puts them on other pages, where
    /// no log of the former pages fits.
    pub(crate) cookie: u32,
}

impl State {
    fn bytes(self) -> [u8; STATE_BYTES] {
        let mut bytes = [0; STATE_BYTES];
        bytes[..SEAL_BYTES].copy_from_slice(&self.seal);
        bytes[SEAL_BYTES..].copy_from_slice(&self.cookie.to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (seal, cookie) = bytes.split_first_chunk()?;
        Some(Self { seal: *seal, cookie: u32::from_be_bytes(cookie.try_into().ok()?) })
    }
}

/// The name of a state, and the state that it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) value: [u8; SEAL_BYTES],
    /// The cookie of the state, and the state before it. Version 2 of ledgers kept neither.
    pub(crate) chain: Option<(u32, State)>,
}

impl Seal {
    /// The row of `meta` that says that `state` continues `previous`.
    pub(crate) fn row(state: State, previous: State) -> [u8; 2 * STATE_BYTES] {
        let mut row = [0; 2 * STATE_BYTES];
        row[..STATE_BYTES].copy_from_slice(&state.bytes());
        row[STATE_BYTES..].copy_from_slice(&previous.bytes());
        row
    }

    pub(crate) fn parse(row: &[u8]) -> Option<Self> {
        if let Ok(value) = row.try_into() {
            return Some(Self { value, chain: None });
        }
        let (state, previous) = row.split_at_checked(STATE_BYTES)?;
        let (state, previous) = (State::parse(state)?, State::parse(previous)?);
        Some(Self { value: state.seal, chain: Some((state.cookie, previous)) })
    }
}

/// What the page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) secret: Secret,
    /// `None` before the first commit of a ledger of version 1 or 2.
    pub(crate) seal: Option<Seal>,
}

impl Meta {
    /// Reads the page; `None` when it is no page of `meta`.
    pub(crate) fn parse(page: &[u8]) -> Option<Self> {
        let cells = usize::from(u16_at(page, 3)?);
        if *page.first()? != LEAF {
            return None;
        }
        let (mut secret, mut seal) = (None, None);
        for cell in 0..cells {
            let start = usize::from(u16_at(page, LEAF_HEADER + 2 * cell)?);
            match row(page.get(start..)?, page.len())? {
                (SECRET, value) => secret = Some(value.try_into().ok()?),
                (SEAL, value) => seal = Some(Seal::parse(value)?),
                _ => {}
            }
        }
        Some(Self { secret: secret?, seal })
    }

    /// The seal of the state, zero before the first.
    pub(crate) fn seal(&self) -> [u8; SEAL_BYTES] {
        self.seal.map_or([0; SEAL_BYTES], |seal| seal.value)
    }
}

/// A row of two columns, a text and a blob, that lies whole in the page.
fn row(cell: &[u8], page_size: usize) -> Option<(&[u8], &[u8])> {
    let (length, cell) = varint(cell)?;
    // A longer row continues on another page. Section 2.3.2 of the format has the formula.
    if length > (page_size.checked_sub(12)? * 64 / 255).checked_sub(23)? {
        return None;
    }
    let record = cell.get(..length)?;
    let (header, rest) = varint(record)?;
    let types = record.get(record.len() - rest.len()..header)?;
    let (name, types) = varint(types)?;
    let (value, types) = varint(types)?;
    let is_text_and_blob = name >= 13 && name % 2 == 1 && value >= 12 && value % 2 == 0;
    if !types.is_empty() || !is_text_and_blob {
        return None;
    }
    let (name, value) = ((name - 13) / 2, (value - 12) / 2);
    let (name, rest) = record.get(header..)?.split_at_checked(name)?;
    (rest.len() == value).then_some((name, rest))
}

/// A number and the bytes behind it. No number in a page needs more than three bytes.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (place, byte) in bytes.iter().enumerate().take(3) {
        number = number << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[place + 1..]));
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::Connection;

    const PAGE: usize = 4096;

    /// The page as the engine writes it.
    fn page(secret: Secret, seal: &[u8]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = Connection::open(&path).unwrap();
        file.execute_batch(
            "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
             INSERT INTO meta VALUES ('other', x'00')",
        )
        .unwrap();
        let insert = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)";
        file.execute(insert, ("secret", secret)).unwrap();
        file.execute(insert, ("seal", [9; 16])).unwrap();
        file.execute(insert, ("seal", seal)).unwrap();
        let root: u32 = file.query_row("SELECT rootpage FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(root, USUAL_ROOT);
        std::fs::read(&path).unwrap()[PAGE..2 * PAGE].to_vec()
    }

    #[test]
    fn a_page_says_what_the_engine_wrote() {
        let (state, previous) = (State { seal: [1; 16], cookie: 5 }, State { seal: [2; 16], cookie: 4 });
        for (row, chain, value) in [
            (Seal::row(state, previous).to_vec(), Some((5, previous)), [1; 16]),
            (vec![3; 16], None, [3; 16]),
        ] {
            let meta = Meta { secret: [7; 32], seal: Some(Seal { value, chain }) };
            assert_eq!(Meta::parse(&page([7; 32], &row)), Some(meta));
        }
        assert_eq!(Meta::parse(&page([7; 32], &[1; 17])), None);
        assert_eq!(Meta::parse(&page([7; 32], &[1; 2000])), None, "it goes on elsewhere");
    }

    #[test]
    fn a_page_that_is_cut_or_changed_anywhere_is_no_panic() {
        let (state, previous) = (State { seal: [1; 16], cookie: 5 }, State { seal: [2; 16], cookie: 4 });
        let page = page([7; 32], &Seal::row(state, previous));
        let whole = Meta::parse(&page).unwrap();
        for length in 0..page.len() {
            assert_eq!(Meta::parse(&page[..length]), None, "of {length} bytes");
        }
        for place in (0..page.len()).filter(|place| page[*place] != 0 || *place < 64) {
            for flipped in 0..=u8::MAX {
                let mut other = page.clone();
                other[place] ^= flipped;
                // What is read is what is there: only a name, a value or a length can be another.
                let _ = Meta::parse(&other);
                if flipped == 0 {
                    assert_eq!(Meta::parse(&other), Some(whole));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Meta::parse(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = LEAF;
            }
            let _ = Meta::parse(&bytes);
        }
    }
}
