//! A session whose keys a handler reads as Rust types. Hipflask resolves Flask's tags; peers that
//! do not know the tags need types for them.

#![allow(dead_code, reason = "only reading the fields from the cookie is measured")]

use serde::Deserialize;

use hipflask_core::session::{EntryError, SessionDict};

use crate::payload::{Payload, SECOND_FLASH};

#[derive(Deserialize)]
pub struct Cart {
    pub currency: String,
    pub items: Vec<Item>,
    pub note: Option<String>,
}

#[derive(Deserialize)]
pub struct Item {
    pub id: u64,
    pub name: Option<String>,
    pub price: f64,
    pub qty: u32,
}

#[derive(Deserialize)]
pub struct Visit {
    pub at: u64,
    pub id: u64,
    pub path: String,
}

#[derive(Deserialize)]
pub struct Settings {
    pub accessibility: Accessibility,
    pub language: String,
    pub notifications: Notifications,
    pub theme: String,
    pub timezone: String,
}

#[derive(Deserialize)]
pub struct Accessibility {
    pub contrast: String,
    pub font_scale: f64,
    pub motion: bool,
}

#[derive(Deserialize)]
pub struct Notifications {
    pub email: bool,
    pub push: bool,
    pub sms: bool,
}

/// The fields that both have under the same names.
macro_rules! session_of {
    ($name:ident, $flash:ty, $uuid:ty, $markup:ty, $date:ty, $bytes:ty) => {
        #[derive(Deserialize)]
        pub struct $name {
            #[serde(rename = "_flashes")]
            pub flashes: Option<Vec<$flash>>,
            pub cart: Option<Cart>,
            pub csrf_token: Option<String>,
            pub device: Option<$uuid>,
            pub greeting: Option<$markup>,
            pub last_seen: Option<$date>,
            pub permissions: Option<Vec<String>>,
            pub recent: Option<Vec<Visit>>,
            pub remember: Option<bool>,
            pub settings: Option<Settings>,
            pub token: Option<$bytes>,
            pub user_id: Option<String>,
            pub username: Option<String>,
        }

        impl $name {
            /// The number of keys, and the sum of the cart.
            fn summary(&self) -> (usize, u64) {
                let there = [
                    self.flashes.is_some(),
                    self.cart.is_some(),
                    self.csrf_token.is_some(),
                    self.device.is_some(),
                    self.greeting.is_some(),
                    self.last_seen.is_some(),
                    self.permissions.is_some(),
                    self.recent.is_some(),
                    self.remember.is_some(),
                    self.settings.is_some(),
                    self.token.is_some(),
                    self.user_id.is_some(),
                    self.username.is_some(),
                ];
                let items = self.cart.iter().flat_map(|cart| &cart.items);
                (
                    there.into_iter().filter(|there| *there).count(),
                    items.map(|item| u64::from(item.qty)).sum(),
                )
            }
        }
    };
}
session_of!(Ours, (String, String), String, String, String, Vec<u8>);
session_of!(Theirs, Tuple, Uuid, Markup, Date, Bytes);

macro_rules! tags {
    ($($name:ident($tag:literal): $content:ty),*) => {
        $(#[derive(Deserialize)]
        pub struct $name {
            #[serde(rename = $tag)]
            pub content: $content,
        })*
    };
}
tags!(Tuple(" t"): (String, String), Uuid(" u"): String, Markup(" m"): String, Date(" d"): String, Bytes(" b"): String);

impl Ours {
    pub fn read(session: &SessionDict) -> Result<Self, EntryError> {
        Ok(Self {
            flashes: session.get("_flashes")?,
            cart: session.get("cart")?,
            csrf_token: session.get("csrf_token")?,
            device: session.get("device")?,
            greeting: session.get("greeting")?,
            last_seen: session.get("last_seen")?,
            permissions: session.get("permissions")?,
            recent: session.get("recent")?,
            remember: session.get("remember")?,
            settings: session.get("settings")?,
            token: session.get("token")?,
            user_id: session.get("user_id")?,
            username: session.get("username")?,
        })
    }

    pub fn check(&self, payload: Payload) {
        let flash = self.flashes.as_ref().and_then(|flashes| flashes.get(1)).map(|(_, text)| text.as_str());
        assert_summary(self.summary(), flash, self.user_id.as_ref().or(self.username.as_ref()), payload);
    }
}

#[cfg(feature = "peers")]
impl Theirs {
    pub fn check(&self, payload: Payload) {
        let flash =
            self.flashes.as_ref().and_then(|flashes| flashes.get(1)).map(|flash| flash.content.1.as_str());
        assert_summary(self.summary(), flash, self.user_id.as_ref().or(self.username.as_ref()), payload);
    }
}

fn assert_summary(summary: (usize, u64), flash: Option<&str>, last: Option<&String>, payload: Payload) {
    let pieces = match payload.name {
        "S" => 0,
        "M" => 3,
        _ => 36,
    };
    assert_eq!(summary, (payload.keys, pieces));
    assert_eq!(flash, payload.has_flashes().then_some(SECOND_FLASH));
    assert_eq!(last.map(String::as_str), Some(payload.last.1));
}
