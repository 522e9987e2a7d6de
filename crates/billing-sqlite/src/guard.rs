//! Checks that file and log are still those of the open ledger, and belong together.
//!
//! The engine trusts the files under their names. If somebody puts another file in a ledger's place beside the ledger's
//! log, or copies over either while a server has them open, the ledger becomes a mixture of both. So the files are
//! checked with plain file handles before anything is written, and before anything that was read is handed out. A check
//! is three short reads. Only when pages were copied from the log into the file, the new frames of the log are read
//! too.
//!
//! What each way to put a file in the place of another one leads to:
//!
//! - *A copy by `billing`* has a seal of its own, which no log continues.
//! - *A copy by `cp` or SQLite's backup* has the seal of the state that was copied. Where the log has that state, file and
//!   log are exactly the last state of the log, page by page. Where it was begun anew since, the file is refused.
//! - *A copy by `VACUUM INTO`* has the seal of a state, but other pages; its cookie is another one.
//! - *A file killed while the log was copied into it* may be at any state in between, and its pages at several. The log has
//!   all that was being copied. Without the log such a file is not whole, and nothing in it says so: `billing restore`
//!   looks at every page.
//! - *A file or a log that was overwritten while it is open*: the file is at no state that the log has, or at one that is
//!   behind what was copied into it; the log does not end with the checksum that the engine's index of it has.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::file_id::FileId;
use crate::handles::Handles;
use crate::log::{COOKIE, Chain, Extent, Fit, INDEX, read_whole};
use crate::meta::{Meta, Secret, State, USUAL_ROOT};
use crate::paths::{real, with_suffix};

/// Bytes up to the end of the page of `meta`, which is the second one, with pages of the usual size. No ledger is
/// shorter.
const USUAL_START: usize = 2 << 12;

/// The handles to a ledger's files, and what was last seen in them.
pub(crate) struct Guard {
    root: u32,
    file: Arc<File>,
    log: Arc<File>,
    index: Arc<File>,
    log_place: Place,
    index_place: Place,
    seen: Mutex<Seen>,
}

/// A path, and the file that must be there.
struct Place {
    path: PathBuf,
    id: FileId,
}

/// The last result that was good.
#[derive(Default)]
struct Seen {
    look: Option<Look>,
    /// How many good looks there were.
    looks: u64,
    chain: Option<Chain>,
}

/// The findings of one look.
#[derive(PartialEq, Eq)]
struct Look {
    /// `None` while somebody writes the index.
    extent: Option<Extent>,
    alone: Alone,
    is_end: bool,
}

/// What is read of the file alone.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Alone {
    page_size: usize,
    cookie: u32,
    /// The page of `meta`; empty when the file is too short.
    page: Vec<u8>,
}

impl Guard {
    /// A guard for a file that the engine has open with a log; `None` when there is no log. Nothing was checked yet.
    pub(crate) fn new(handles: &Handles, path: &Path, root: u32) -> io::Result<Option<Self>> {
        let path = real(path);
        let (log, index) = (with_suffix(&path, "-wal"), with_suffix(&path, "-shm"));
        let (Some(file), Some(log_file), Some(index_file)) =
            (handles.read(&path)?, handles.read(&log)?, handles.read(&index)?)
        else {
            return Ok(None);
        };
        let (Some(log_place), Some(index_place)) = (Place::new(log)?, Place::new(index)?) else {
            return Ok(None);
        };
        let seen = Mutex::default();
        Ok(Some(Self { root, file, log: log_file, index: index_file, log_place, index_place, seen }))
    }

    /// The secret of the file alone; `None` when its page is not whole.
    pub(crate) fn secret(&self) -> io::Result<Option<Secret>> {
        let look = self.see()?;
        Ok(Meta::parse(&look.alone.page).map(|meta| meta.secret))
    }

    /// How many frames the log has.
    pub(crate) fn frames(&self) -> io::Result<u32> {
        Ok(self.extent()?.map_or(0, |extent| extent.frames))
    }

    /// Checks that the files still belong together. An earlier look has found so, or somebody has said so.
    pub(crate) fn fits(&self, secret: &Secret) -> io::Result<bool> {
        let has_moved = !self.log_place.is_same()? || !self.index_place.is_same()?;
        // Somebody is writing the index, or was killed at it. The next reader repairs it.
        Ok(!has_moved && self.look(secret)?.is_none_or(|fit| fit == Fit::Fits))
    }

    /// Looks at the files. An unproven or unsealed state counts as good from then on. `None` while somebody writes the
    /// index.
    pub(crate) fn look(&self, secret: &Secret) -> io::Result<Option<Fit>> {
        let mut before = None;
        loop {
            // Readers look at the same time. A reader whose look is older than the last good one looks once more.
            let looks = self.lock().looks;
            let look = self.see()?;
            let mut seen = self.lock();
            let fit = match &look.extent {
                Some(extent) => Some(self.judge(&mut seen, &look, extent, secret)?),
                None => None,
            };
            // Others write meanwhile, so a misfit counts only when two looks have found the same.
            if matches!(fit, None | Some(Fit::Foreign)) && before.as_ref() != Some(&look) {
                before = Some(look);
                continue;
            }
            if !matches!(fit, None | Some(Fit::Foreign)) {
                // An older look must not replace a newer one.
                if seen.looks == looks {
                    seen.looks += 1;
                    seen.look = Some(look);
                }
            }
            return Ok(fit);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn extent(&self) -> io::Result<Option<Extent>> {
        let mut index = [0; INDEX];
        Ok(read_whole(&self.index, &mut index, 0)?.then(|| Extent::of_index(&index)).flatten())
    }

    fn see(&self) -> io::Result<Look> {
        let extent = self.extent()?;
        let alone = Alone::read(&self.file, self.root)?;
        let is_end = extent.as_ref().map_or(Ok(true), |extent| extent.is_end_of(&self.log))?;
        Ok(Look { extent, alone, is_end })
    }

    fn judge(&self, seen: &mut Seen, look: &Look, extent: &Extent, secret: &Secret) -> io::Result<Fit> {
        // A log without frames does not say how large its pages are.
        if !look.is_end || (extent.frames > 0 && extent.page_size != look.alone.page_size) {
            return Ok(Fit::Foreign);
        }
        // A log only grows until it begins anew. An index that was put back would hide later commits.
        let before = seen.look.as_ref().and_then(|seen| seen.extent);
        if before.is_some_and(|before| before.salts == extent.salts && extent.frames < before.frames) {
            return Ok(Fit::Foreign);
        }
        if seen.look.as_ref().is_some_and(|seen| seen.is_as_good_as(look)) {
            return Ok(Fit::Fits);
        }
        let Some(state) = look.alone.state(secret) else { return Ok(Fit::Foreign) };
        let chain = match seen.chain.take() {
            Some(chain) if chain.salts() == extent.salts => chain,
            _ => Chain::new(extent.salts),
        };
        let chain = seen.chain.insert(chain);
        if !chain.read_on(&self.log, extent, self.root, secret)? {
            return Ok(Fit::Foreign);
        }
        let before = seen.look.as_ref().and_then(|seen| seen.alone.state(secret));
        let fit = chain.fit(&state, extent.copied, before.as_ref());
        let Some(seen) = &seen.look else {
            // A log without frames fits every file, because it changes nothing.
            return Ok(if extent.frames == 0 { Fit::Fits } else { fit });
        };
        let is_begun_anew = seen.extent.is_none_or(|seen| seen.salts != extent.salts);
        let is_same_state = before.is_some_and(|before| before.seal == state.seal);
        Ok(match fit {
            // The whole log was copied into the file, and has no state of its own since.
            Fit::Unsealed if is_begun_anew || is_same_state => Fit::Fits,
            Fit::Unproven if is_same_state => Fit::Fits,
            Fit::Fits => Fit::Fits,
            _ => Fit::Foreign,
        })
    }
}

impl Look {
    /// True when nothing has changed since a look that was good.
    fn is_as_good_as(&self, now: &Self) -> bool {
        let of = |look: &Self| look.extent.map(|extent| (extent.salts, extent.copied));
        of(self) == of(now) && self.alone == now.alone
    }
}

impl Alone {
    pub(crate) fn read(file: &File, root: u32) -> io::Result<Self> {
        // Reads header and page at once, which works when they are at their usual places.
        let mut start = vec![0; USUAL_START];
        if !read_whole(file, &mut start, 0)? {
            return Ok(Self::default());
        }
        let page_size = match u16::from_be_bytes([start[16], start[17]]) {
            // 65536 is the one size that two bytes cannot hold.
            1 => 1 << 16,
            size => usize::from(size),
        };
        let cookie =
            u32::from_be_bytes([start[COOKIE], start[COOKIE + 1], start[COOKIE + 2], start[COOKIE + 3]]);
        let at = root.saturating_sub(1) as usize * page_size;
        let page = if page_size > 0 && at > 0 && at + page_size == USUAL_START {
            start.split_off(at)
        } else {
            let mut page = vec![0; page_size];
            if !read_whole(file, &mut page, at as u64)? {
                page.clear();
            }
            page
        };
        Ok(Self { page_size, cookie, page })
    }

    /// The state of the file, if it is this ledger's.
    fn state(&self, secret: &Secret) -> Option<State> {
        let meta = Meta::parse(&self.page).filter(|meta| meta.secret == *secret)?;
        Some(State { seal: meta.seal(), cookie: self.cookie })
    }
}

impl Place {
    fn new(path: PathBuf) -> io::Result<Option<Self>> {
        Ok(FileId::at(&path)?.map(|id| Self { path, id }))
    }

    fn is_same(&self) -> io::Result<bool> {
        Ok(FileId::at(&self.path)? == Some(self.id))
    }
}

/// True when a file and the log beside it would be opened as one ledger, provided that nobody has them open.
pub(crate) fn would_fit(handles: &Handles, path: &Path, secret: &Secret) -> io::Result<bool> {
    let path = real(path);
    let Some(file) = handles.read(&path)? else { return Ok(false) };
    let Some(log) = handles.read(&with_suffix(&path, "-wal"))? else { return Ok(true) };
    let Some(extent) = Extent::of_log(&log)? else { return Ok(true) };
    let Some(state) = Alone::read(&file, USUAL_ROOT)?.state(secret) else { return Ok(false) };
    let mut chain = Chain::new(extent.salts);
    let is_read = chain.read_on(&log, &extent, USUAL_ROOT, secret)?;
    Ok(is_read && chain.fit(&state, 0, None) == Fit::Fits)
}
