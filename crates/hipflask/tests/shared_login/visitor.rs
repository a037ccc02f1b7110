//! A browser that visits both halves.

use crate::client::{Jar, Reply, exchange};

/// A browser with its cookies.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) jar: Jar,
    pub(crate) agent: String,
    /// `true` behind a proxy that speaks https with the browser.
    pub(crate) https: bool,
}

impl Visitor {
    pub(crate) fn get(&mut self, address: &str, path: &str) -> Reply {
        self.send(address, "GET", path, "")
    }

    pub(crate) fn post(&mut self, address: &str, path: &str, form: &str) -> Reply {
        self.send(address, "POST", path, form)
    }

    fn send(&mut self, address: &str, method: &str, path: &str, form: &str) -> Reply {
        let Self { jar, agent, https } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        head += &format!("User-Agent: {agent}\r\nX-Forwarded-For: 203.0.113.9\r\n{}", jar.line());
        if *https {
            head += "X-Forwarded-Proto: https\r\nReferer: https://localhost/form\r\n";
        }
        if method == "POST" {
            let kind = "Content-Type: application/x-www-form-urlencoded";
            head += &format!("{kind}\r\nContent-Length: {}\r\n", form.len());
        }
        let reply = exchange(address, &format!("{head}\r\n{form}"));
        jar.take_all(&reply);
        reply
    }
}
