//! The three sessions that all benchmarks use, as Flask writes them.

/// A session as Flask's tagged JSON, and the keys that operations read.
#[derive(Clone, Copy)]
pub struct Payload {
    pub name: &'static str,
    pub json: &'static str,
    /// Its first key in Flask's order.
    pub first: &'static str,
    /// Its last key in Flask's order, and the text under it.
    pub last: (&'static str, &'static str),
    pub keys: usize,
}

/// Only a user name.
pub const S: Payload = Payload {
    name: "S",
    json: include_str!("../payloads/s.json"),
    first: "username",
    last: ("username", "alice"),
    keys: 1,
};

/// A user's id, a CSRF token, two flashes, a small cart and a date: 378 bytes.
pub const M: Payload = Payload {
    name: "M",
    json: include_str!("../payloads/m.json"),
    first: "_flashes",
    last: ("user_id", "a42017"),
    keys: 6,
};

/// A shop's full session, with every tag of Flask except the escape: 2.9 kB.
pub const L: Payload = Payload {
    name: "L",
    json: include_str!("../payloads/l.json"),
    first: "_flashes",
    last: ("user_id", "a42017"),
    keys: 12,
};

pub const ALL: [Payload; 3] = [S, M, L];

/// The text under [`Payload::first`]: the name in S, otherwise the second flash.
pub const SECOND_FLASH: &str = "One item in your cart is sold out.";

impl Payload {
    pub fn first_text(&self) -> &'static str {
        if self.keys == 1 { self.last.1 } else { SECOND_FLASH }
    }

    pub fn has_flashes(&self) -> bool {
        self.keys > 1
    }
}

/// The value that `open-change-save` sets the last key to.
pub const CHANGED: &str = "b99999";

pub const KEY: &str = "a secret key for measuring, 32 B";

/// The time of all operations, in seconds since 1970.
pub const NOW: u64 = 1_700_000_000;
