//! What a walker does when a page keeps failing, or when the paging breaks: it begins a new pass at its anchor, and asks
//! in another way.

use std::sync::atomic::Ordering;

use billing_model::Timestamp;

use crate::endpoint::Route;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::pass::Pass;
use crate::planner::{LEAST_WINDOW, unix_ns, wider};
use crate::reply::Failure;
use crate::retry::Class;

use super::Walker;

/// Times that a walk may go back without handing out anything in between.
const MAX_RETURNS: u32 = 20;

/// Times that it may do so with a pass that asks for more than it keeps.
const MAX_WIDE_RETURNS: u32 = 2;

/// Times in a row that a window may be halved.
const MAX_NARROWINGS: u32 = 10;

/// What a walker has tried since it last handed something out. Entries begin it anew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    /// Times that it went back to its anchor.
    pub(super) returns: u32,
    /// Halvings of what is left.
    narrowings: u32,
    /// The last way around a failure that was taken.
    detour: Detour,
}

impl Tried {
    /// Begins the ways around anew, for another part of the window. How often the walker went back goes on counting.
    pub(super) fn begin_again(&mut self) {
        *self = Self { returns: self.returns, ..Self::default() };
    }
}

/// The ways around a page that keeps failing, the plain ones first. Each comes when the ones before it have failed too, or do
/// not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Detour {
    /// None so far.
    #[default]
    None,
    /// The same window from the anchor on, with new cursors: the one that failed may be broken.
    Anew,
    /// Without an end: the service may hang because nothing lies in the window.
    WithoutEnd,
    /// The window as it is, where more was asked for than it has.
    Exactly,
    /// The first half of what is left, again and again: the service may take too long for all of it.
    Narrower,
    /// All that is left, once more: it may have been the moment and not the question.
    Plainly,
    /// The same from the last entry on, so that something lies in it: what is left behind a gap may be empty.
    FromLastEntry,
}

impl Walker {
    /// Finds another way to the page that failed, or gives up with its error. The next request is then the first one of a
    /// new pass.
    pub(super) fn go_around(&mut self, failure: Failure) -> Result<(), Error> {
        let Failure { class, error, successor, .. } = failure;
        // The service says itself that it takes too long.
        if matches!(error.status(), Some(504 | 524)) {
            self.shared.too_much.store(true, Ordering::Relaxed);
        }
        match error.kind() {
            ErrorKind::CursorLost => {
                self.shared.lost_cursors.fetch_add(1, Ordering::Relaxed);
                self.client.notify(&Event::CursorRefused);
                self.go_back(error)?;
                // Cursors that live for a few pages only do not get through what is asked for before the window.
                if self.tried.returns > MAX_WIDE_RETURNS {
                    self.pass.ask_exactly();
                }
                Ok(())
            }
            // The service does not have this endpoint, and nobody has named it.
            ErrorKind::NotFound if self.walk.takes_either() && self.is_untouched() => {
                self.switch(error, false)
            }
            // The service has ended this endpoint, and names the other one.
            ErrorKind::Gone if self.route == Route::Usage => {
                let usable = successor.is_some_and(|link| {
                    self.client.is_own(&link) && link.trim_end_matches('/').ends_with("billing/usage-history")
                });
                if usable { self.switch(error, true) } else { Err(error) }
            }
            _ if !self.is_extra && self.client.is_for_narrowing(&error) => self.take_detour(error),
            // A service that seems not to be there may only hang on a window in which nothing lies.
            ErrorKind::Unavailable
                if class == Class::Transient
                    && !self.is_extra
                    && self.next_detour() == Some(Detour::WithoutEnd) =>
            {
                self.take_detour(error)
            }
            _ => Err(error),
        }
    }

    /// True before the first page.
    fn is_untouched(&self) -> bool {
        self.pass.request.is_none() && self.is_whole()
    }

    /// True when there is another way to the page that is asked for.
    pub(super) fn has_detour(&self) -> bool {
        self.next_detour().is_some()
    }

    /// The next way around a failure, in the order of [`Detour`]. A way that would ask the same question again is left out.
    fn next_detour(&self) -> Option<Detour> {
        let is_at_cursor = self.pass.request.is_some();
        // Where entries are known to lie at the start, the window is not empty.
        let may_be_empty = self.pass.overlap.is_over() && self.pass.asked.until.is_some();
        let is_short = wider(self.pass.since, self.pass.until) != self.pass.since;
        let is_wider = is_short && self.pass.asked.since != self.pass.since;
        let may_be_endless =
            self.pass.until == self.window.until() && !self.shared.endless_failed.load(Ordering::Relaxed);
        // Behind a span that was walked by itself there may be nothing.
        let from_last_entry = (self.anchor.has_gap() && !is_at_cursor).then_some(Detour::FromLastEntry);
        match self.tried.detour {
            Detour::None if is_at_cursor => Some(Detour::Anew),
            // A short window that was asked for exactly, because of its cursors, is asked for wider again. That may come more
            // than once, but going back is counted.
            Detour::None | Detour::Anew if is_short && !is_wider => Some(Detour::Anew),
            Detour::None | Detour::Anew if !is_at_cursor && may_be_empty && may_be_endless => {
                Some(Detour::WithoutEnd)
            }
            _ if !is_at_cursor && self.tried.detour < Detour::Exactly && is_wider => Some(Detour::Exactly),
            Detour::FromLastEntry => None,
            Detour::Plainly => from_last_entry,
            // A service that has never answered is more likely not there than slow.
            _ if self.client.has_answered() && self.middle().is_some() => Some(Detour::Narrower),
            Detour::None | Detour::Anew => from_last_entry,
            _ => Some(Detour::Plainly),
        }
    }

    fn take_detour(&mut self, error: Error) -> Result<(), Error> {
        let Some(detour) = self.next_detour() else { return Err(error) };
        // It was tried, and has failed: nobody has to try it again.
        if self.tried.detour == Detour::WithoutEnd {
            self.shared.endless_failed.store(true, Ordering::Relaxed);
        }
        match detour {
            Detour::Narrower => self.narrow(error)?,
            Detour::WithoutEnd => {
                self.restart(self.pass.until);
                self.pass.ask_without_end();
            }
            Detour::Exactly => {
                self.restart(self.pass.until);
                self.pass.ask_exactly();
            }
            Detour::Plainly => self.restart(self.window.until()),
            Detour::FromLastEntry => {
                self.anchor.go_back_to_last_entry(self.window.since());
                self.restart(self.window.until());
            }
            Detour::Anew | Detour::None => self.go_back(error)?,
        }
        self.tried.detour = detour;
        Ok(())
    }

    /// Goes on at the other endpoint, at the anchor.
    fn switch(&mut self, error: Error, gone: bool) -> Result<(), Error> {
        let (from, to) = (self.route, self.route.other());
        if self.missing.contains(&to) {
            return Err(error);
        }
        let is_untouched = self.is_untouched();
        self.missing.push(from);
        self.route = to;
        // The other endpoint may refuse what this one took: a currency, say.
        if let Err(fault) = self.first_request() {
            if !is_untouched {
                return Err(error);
            }
            let message = format!("the service has no endpoint {from}, and {to} does not take this {fault}");
            return Err(Error::of(ErrorKind::Unsupported).with_message(message));
        }
        if self.client.replace(from, gone) {
            self.client.notify(&Event::Switched { from, to, gone });
        }
        self.go_back(error)
    }

    /// Begins a pass at the anchor, for a fault of the paging. Gives up with `error` when that has led nowhere too often.
    pub(super) fn go_back(&mut self, error: Error) -> Result<(), Error> {
        self.tried.returns += 1;
        if self.tried.returns > MAX_RETURNS {
            return Err(error);
        }
        if let Some(at) = self.anchor.last_entry() {
            self.client.notify(&Event::Reanchored { at });
        }
        self.restart(self.pass.until);
        Ok(())
    }

    /// Begins anew at the anchor, instead of going on with the cursor that it has.
    pub(crate) fn forget_cursor(&mut self) {
        if self.pass.request.is_some() {
            self.restart(self.pass.until);
        }
    }

    /// Asks for the first half of what is left: the service fails on all of it, or takes too long. Gives up with `error`
    /// when there is nothing left to halve.
    fn narrow(&mut self, error: Error) -> Result<(), Error> {
        let Some(middle) = self.middle() else { return Err(error) };
        self.tried.narrowings += 1;
        self.shared.narrowings.fetch_add(1, Ordering::Relaxed);
        self.client.notify(&Event::Narrowed { error: &error, until: middle });
        self.restart(Some(middle));
        self.pass.ask_exactly();
        Ok(())
    }

    /// The middle of what is left of the pass; `None` when it is not to be halved once more.
    fn middle(&self) -> Option<Timestamp> {
        // Where a ledger without a start begins, nobody knows; halving comes near it soon.
        let since = self.anchor.instant().unwrap_or(Timestamp::from_unix_ns(0));
        let middle_ns = (unix_ns(since) + unix_ns(self.pass.until?)) / 2;
        let middle = Timestamp::from_unix_ns(i64::try_from(middle_ns).ok()?).floor_ms();
        let narrowings = self.tried.narrowings.max(self.shared.narrowings.load(Ordering::Relaxed));
        // A service that hangs on short windows would only hang the more, unless it has said that it takes too long.
        let is_long = unix_ns(middle) - unix_ns(since) >= i128::try_from(LEAST_WINDOW.as_nanos()).ok()?;
        let may_be_short = self.shared.too_much.load(Ordering::Relaxed);
        (narrowings < MAX_NARROWINGS && since < middle && (is_long || may_be_short)).then_some(middle)
    }

    /// Begins a pass at the anchor, and asks for it in the way that worked last: the others have failed.
    pub(super) fn restart_by_the_same_way(&mut self) {
        self.restart(self.pass.until);
        match self.tried.detour {
            Detour::Exactly => self.pass.ask_exactly(),
            Detour::WithoutEnd => self.pass.ask_without_end(),
            _ if self.is_led_astray() => self.pass.ask_exactly(),
            _ => {}
        }
    }

    /// Begins a pass at the anchor.
    pub(super) fn restart(&mut self, until: Option<Timestamp>) {
        self.pass = Pass::new(self.anchor.instant(), until, self.anchor.overlap());
        self.ending.has_restarted = true;
    }
}
