//! Replies and the expected replies.

/// A reply.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    pub set_cookies: Vec<String>,
    pub varies: bool,
}

/// The expected reply of each request in a round.
pub struct Expected {
    text: String,
    number: Option<u64>,
    set_cookies: usize,
}

impl Expected {
    /// Expects this text or, if there is a number, any greater number.
    pub fn new(text: String, number: Option<u64>, set_cookies: usize) -> Self {
        Self { text, number, set_cookies }
    }

    pub fn is_met(&mut self, body: &[u8], set_cookies: usize) -> bool {
        let is_right = match &mut self.number {
            None => body == self.text.as_bytes(),
            Some(number) => {
                *number += 1;
                std::str::from_utf8(body).is_ok_and(|body| body.parse() == Ok(*number))
            }
        };
        is_right && set_cookies == self.set_cookies
    }

    /// Expects the replies of many clients in any order.
    pub fn is_met_in_any_order(&self, body: &[u8], set_cookies: usize) -> bool {
        let is_right = match self.number {
            None => body == self.text.as_bytes(),
            Some(before) => std::str::from_utf8(body)
                .ok()
                .and_then(|body| body.parse::<u64>().ok())
                .is_some_and(|number| number > before),
        };
        is_right && set_cookies == self.set_cookies
    }
}
