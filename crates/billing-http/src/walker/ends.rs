//! Whether to believe that a page is the last one.

use std::time::Duration;

use billing_model::HistoryQuery;

use crate::broken_paging::LostCursor;
use crate::endpoint::Route;
use crate::error::{Error, ErrorKind};
use crate::resume::Overlap;

use super::{Walker, WindowPage};

/// Answers in a row that may lack the entries that were there before.
const MAX_STALE_ANSWERS: u32 = 4;

/// Sizes of the pages in which a walker asks what follows a full page without a cursor. The first is the largest, so that
/// entries of one instant do not fill it. The others share no factor with it nor with each other, so that no ledger fills its
/// last page in all three.
const OTHER_SIZES: [u32; 3] = [HistoryQuery::MAX_PAGE_SIZE, 997, 991];

/// Times that an end is asked for again, when no cursor led to it and one had led on before.
const CONFIRMATIONS: u32 = 3;

/// The wait before a service is asked again whose copy may lag behind. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// What a walker knows of the end that it was told.
///
/// A page without a cursor says that it is the last one. There are two reasons to doubt it. Where the page is full, its cursor
/// may have been lost on the way: then the walker *makes sure*, and asks what follows in pages of another size. Where no
/// cursor led to the page, it may be that of a copy of the ledger that lags behind: then the walker asks for the end again,
/// to have it *confirmed*.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ending {
    /// True while it makes sure that a page without a cursor was the last.
    pub(super) is_making_sure: bool,
    /// True when the page of which it makes sure has said itself that nothing follows, and no cursor has come since.
    pub(super) is_told: bool,
    /// True when a page without a cursor was not the last. Those after it are looked at as if they were not either.
    pub(super) has_lost_cursor: bool,
    /// True when it has begun anew somewhere, without the cursor that it had.
    pub(super) has_restarted: bool,
    /// True while it asks for an end to be confirmed. Whatever goes wrong with that, the end is believed.
    pub(super) is_confirming: bool,
    /// Times that it has asked so, with nothing new in between.
    pub(super) confirmations: u32,
}

impl Walker {
    /// True where a page that says that it is the last is believed at its word: a body that says so cannot have lost its cursor
    /// on the way, as a header can.
    pub(super) fn is_believed_at_once(&self) -> bool {
        self.client.ends_in_the_body() && !self.ending.has_lost_cursor
    }

    /// Asks what follows a page without a cursor, in pages of another size. Where nothing follows, such a page is not full.
    pub(super) fn make_sure(&mut self) {
        // When all sizes were tried, the last one has brought something new, and the first one is right again.
        let size = self.other_size().or_else(|| self.other_sizes().next());
        self.restart_by_the_same_way();
        self.pass.page_size = size;
        self.ending.is_making_sure = true;
    }

    /// Sizes that are not the one that is walked in.
    fn other_sizes(&self) -> impl Iterator<Item = u32> + use<> {
        let walks_in = self.walk.page_size(self.route);
        OTHER_SIZES.into_iter().filter(move |size| *size != walks_in)
    }

    /// True when cursors get lost again and again. Then no more is asked for than what is left: an answer that begins at the
    /// last entry cannot end before it.
    pub(super) fn is_led_astray(&self) -> bool {
        self.ending.has_lost_cursor && self.tried.returns > 1
    }

    /// The next size to ask in; `None` when all were tried.
    fn other_size(&self) -> Option<u32> {
        match self.pass.page_size {
            None => self.other_sizes().next(),
            Some(tried) => self.other_sizes().skip_while(|size| *size != tried).nth(1),
        }
    }

    /// Takes in a page that was to make sure, and leaves it open: it is full too, has no cursor, and brings nothing new.
    pub(super) async fn take_full_again(&mut self) -> Result<(), Error> {
        // In another size it may not be full.
        if self.pass.overlap.is_over() && self.other_size().is_some() {
            self.make_sure();
            return Ok(());
        }
        // It says that nothing follows, and yet it ends before what came already. So it has lost its cursor, and others may.
        self.ending.has_lost_cursor |= !self.pass.overlap.is_over();
        if self.ending.has_lost_cursor {
            let error = self.inconsistent(LostCursor);
            if self.tried.returns >= MAX_STALE_ANSWERS {
                return Err(error);
            }
            self.client.pause(FIRST_PAUSE * (1 << self.tried.returns)).await;
            (self.ending.is_making_sure, self.ending.is_told) = (false, false);
            self.go_back(error)?;
            if self.is_led_astray() {
                self.pass.ask_exactly();
            }
            return Ok(());
        }
        self.believe().await
    }

    /// Takes a full page without a cursor for the last of its pass, where its body says so. A header that is not there says
    /// nothing.
    pub(super) async fn believe(&mut self) -> Result<(), Error> {
        if !self.client.ends_in_the_body() {
            return Err(self.inconsistent(LostCursor));
        }
        self.ending.is_making_sure = false;
        self.pass.overlap = Overlap::default();
        self.finish().await
    }

    /// Asks once more what follows, where the answer may be of a copy of the ledger that lags behind. True when it asks, and
    /// false when the end is believed.
    ///
    /// # Errors
    /// When the entries that were handed out last stay away.
    pub(super) async fn asks_again(&mut self) -> Result<bool, Error> {
        if !self.pass.overlap.is_over() {
            // The pass has ended before the entries that were handed out last.
            let error = Error::of(ErrorKind::Moved).with_message("entries that were there before are gone");
            if self.tried.returns < MAX_STALE_ANSWERS {
                // Another copy may answer next.
                self.client.pause(FIRST_PAUSE * (1 << self.tried.returns)).await;
                self.go_back(error)?;
                return Ok(true);
            }
            // Where a page has said before that nothing follows, its word stands, as nobody knows better. Else this is a fault.
            if !self.ending.is_told && !self.ending.is_confirming {
                return Err(error);
            }
            self.ending.is_making_sure = false;
            self.pass.overlap = Overlap::default();
        } else if self.is_doubtful() {
            self.client.pause(FIRST_PAUSE * (2 << self.ending.confirmations)).await;
            self.ending.confirmations += 1;
            self.ending.is_confirming = true;
            self.restart_by_the_same_way();
            return Ok(true);
        }
        Ok(false)
    }

    /// Ends the walk where it was told that it ends, because to ask again has failed.
    pub(super) fn conclude(&mut self) -> WindowPage {
        self.ending.is_confirming = false;
        self.finish_at(false);
        WindowPage { entries: Vec::new(), total: None, leads_on: false, end: self.end }
    }

    /// True for an end to which no cursor led, in a walk that had a cursor before: the page that says so may be of a copy that
    /// lags behind.
    fn is_doubtful(&self) -> bool {
        let is_first_of_pass = self.pass.request.is_none() && self.pass.page_size.is_none();
        self.route == Route::UsageHistory
            && self.ending.has_restarted
            && is_first_of_pass
            && self.pass.until == self.window.until()
            && self.pass.beyond == 0
            && self.anchor.last_entry().is_some()
            && !self.ending.is_told
            && self.ending.confirmations < CONFIRMATIONS
    }

    /// Asks once more what follows the last entry: another walker has found entries behind the end that this one came to.
    pub(crate) fn doubt(&mut self) {
        self.end = None;
        (self.ending.is_told, self.ending.is_confirming, self.ending.confirmations) = (false, false, 0);
        self.restart(self.window.until());
    }
}
