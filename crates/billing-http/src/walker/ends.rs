//! When an end is believed.

use std::time::Duration;

use billing_model::HistoryQuery;

use crate::broken_paging::LostCursor;
use crate::error::{Error, ErrorKind};
use crate::resume::Overlap;
use crate::walk::Endpoint;

use super::{Walker, WindowPage};

/// Answers in a row without the entries that were there before.
const MAX_STALE_ANSWERS: u32 = 4;

/// Times that an end is asked for again, to which no cursor led, where a cursor had led on before.
const CONFIRMATIONS: u32 = 3;

/// The wait before a copy that may lag behind is asked again, which doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl Walker {
    /// Asks what follows a page without a cursor, in pages of another size: where there is nothing, they are not full.
    pub(super) fn make_sure(&mut self) {
        let page_size = self.page_size();
        self.restart_by_the_same_way();
        let largest = HistoryQuery::MAX_PAGE_SIZE;
        self.pass.page_size = Some(if page_size < largest { largest } else { largest - 1 });
        self.is_making_sure = true;
    }

    /// Takes a full page without a cursor for the last of its pass. In its body it says so; a header that is not there says
    /// nothing.
    pub(super) async fn believe(&mut self) -> Result<(), Error> {
        if !self.client.ends_in_the_body() {
            return Err(self.inconsistent(LostCursor));
        }
        self.is_making_sure = false;
        self.pass.overlap = Overlap::default();
        self.finish().await
    }

    /// Asks once more what follows, where a copy of the ledger that lags behind may have said that nothing does. True when it
    /// is to be asked; an error when what was there before stays away.
    pub(super) async fn asks_again(&mut self) -> Result<bool, Error> {
        if !self.pass.overlap.is_over() {
            let error = Error::of(ErrorKind::Moved).with_message("entries that were there before are gone");
            if self.returns < MAX_STALE_ANSWERS {
                // Another copy may answer next.
                self.client.pause(FIRST_PAUSE * (1 << self.returns)).await;
                self.go_back(error)?;
                return Ok(true);
            }
            // The page itself has said so, and nobody knows better.
            if !self.is_told && !self.is_confirming {
                return Err(error);
            }
            self.is_making_sure = false;
            self.pass.overlap = Overlap::default();
        } else if self.is_doubtful() {
            self.client.pause(FIRST_PAUSE * (2 << self.confirmations)).await;
            self.confirmations += 1;
            self.is_confirming = true;
            self.restart_by_the_same_way();
            return Ok(true);
        }
        Ok(false)
    }

    /// Ends the walk where it was told that it ends: to ask again has failed.
    pub(super) fn conclude(&mut self) -> WindowPage {
        self.is_confirming = false;
        self.finish_at(false);
        WindowPage { entries: Vec::new(), total: None, leads_on: false, end: self.end }
    }

    /// True for an end that a page says to which no cursor led, after one that had a cursor: it may be that of a copy that lags
    /// behind.
    fn is_doubtful(&self) -> bool {
        let is_first_of_pass = self.pass.request.is_none() && self.pass.page_size.is_none();
        self.route == Endpoint::UsageHistory
            && self.has_restarted
            && is_first_of_pass
            && self.pass.until == self.window.until()
            && self.pass.beyond == 0
            && self.anchor.timestamp().is_some()
            && !self.is_told
            && self.confirmations < CONFIRMATIONS
    }

    /// Asks once more what follows the last entry: another walker has found entries behind the end that this one came to.
    pub(crate) fn doubt(&mut self) {
        self.end = None;
        (self.is_told, self.is_confirming, self.confirmations) = (false, false, 0);
        self.restart(self.window.until());
    }
}
