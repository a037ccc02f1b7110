//! The last exchanges of each browser, in bounded memory.

use std::collections::{HashMap, VecDeque};

use super::exchange::Exchange;

/// The number of exchanges kept for each browser.
const EXCHANGES: usize = 8;
/// The number of browsers kept. The one that was silent longest is dropped first.
const BROWSERS: usize = 64;
/// The number of a browser's latest session cookies that identify it. Parallel requests may send older ones.
const COOKIES: usize = 4;

/// The browsers that were seen, by the id that each was given.
#[derive(Default)]
pub(super) struct Visitors {
    browsers: HashMap<String, Browser>,
    /// Counts exchanges, so that a page can tell whether there is a new one.
    clock: u64,
}

#[derive(Default)]
struct Browser {
    /// The session cookies that it may come with. Only its id and one of these together make it
    /// this browser, so an id that was planted elsewhere, or copied, is of no use once somebody has
    /// logged in.
    holds: Vec<Option<String>>,
    exchanges: VecDeque<(u64, Exchange)>,
    last: u64,
}

impl Visitors {
    /// The exchanges of the browser with this id and this session cookie, the newest first.
    pub(super) fn history(&self, id: Option<&str>, sent: Option<&str>) -> Vec<(u64, Exchange)> {
        let browser = id.and_then(|id| self.browsers.get(id)).filter(|browser| browser.holds(sent));
        browser.map_or_else(Vec::new, |browser| browser.exchanges.iter().rev().cloned().collect())
    }

    /// Remembers an exchange. Returns the id that the browser must be given, if it has none that
    /// counts; ids are only ever made by `new_id`.
    pub(super) fn record(
        &mut self,
        id: Option<&str>,
        exchange: Exchange,
        new_id: impl FnOnce() -> String,
    ) -> Option<String> {
        self.clock += 1;
        let number = self.clock;
        let known = id.filter(|id| {
            self.browsers.get(*id).is_some_and(|browser| browser.holds(exchange.sent.as_deref()))
        });
        if let Some(browser) = known.and_then(|id| self.browsers.get_mut(id)) {
            browser.add(number, exchange);
            return None;
        }
        if self.browsers.len() >= BROWSERS {
            self.forget_the_most_silent();
        }
        let id = new_id();
        self.browsers.entry(id.clone()).or_default().add(number, exchange);
        Some(id)
    }

    fn forget_the_most_silent(&mut self) {
        let silent = self.browsers.iter().min_by_key(|(_, browser)| browser.last);
        if let Some(id) = silent.map(|(id, _)| id.clone()) {
            self.browsers.remove(&id);
        }
    }
}

impl Browser {
    fn holds(&self, cookie: Option<&str>) -> bool {
        self.holds.iter().any(|held| held.as_deref() == cookie)
    }

    fn add(&mut self, number: u64, exchange: Exchange) {
        self.last = number;
        self.now_holds(exchange.held_after());
        if exchange.is_background() {
            return;
        }
        if self.exchanges.len() == EXCHANGES {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back((number, exchange));
    }

    /// With a login and with a logout, what was held before counts no longer.
    fn now_holds(&mut self, cookie: Option<&str>) {
        if self.holds(cookie) {
            return;
        }
        if cookie.is_none() || self.holds(None) {
            self.holds.clear();
        }
        if self.holds.len() == COOKIES {
            self.holds.remove(0);
        }
        self.holds.push(cookie.map(str::to_owned));
    }
}
