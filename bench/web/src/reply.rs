//! What comes back, and what must come back.

/// What came back.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    pub set_cookies: Vec<String>,
    pub varies: bool,
}

/// What each reply of a round must be.
pub struct Expected {
    text: String,
    number: Option<u64>,
    set_cookies: usize,
}

impl Expected {
    /// This text; or, if there is a number, any number greater than it.
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

    /// Many visitors at once, whose replies come in any order.
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
