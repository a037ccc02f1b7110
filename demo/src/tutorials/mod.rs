//! The tutorials: what the page says of each, what can be done with it, and the program itself.

use std::error::Error;

use axum::Router;
use hipflask::Sessions;
use hipflask::inspector::Inspector;

mod tutorial_1;
mod tutorial_2;
mod tutorial_4;
mod tutorial_5;

/// A tutorial, as the page shows it.
pub(crate) struct Tutorial {
    pub(crate) number: u8,
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) actions: &'static [Action],
    /// `None` where the program cannot be written yet.
    pub(crate) router: Option<Build>,
}

/// Makes a tutorial's program for a path that it is mounted below.
type Build = fn(prefix: &str) -> Result<Router, Box<dyn Error>>;

/// A form of one button, with or without fields.
pub(crate) struct Action {
    pub(crate) button: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) fields: &'static [Field],
}

/// A field of a form.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) value: &'static str,
}

/// How a form is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

impl Tutorial {
    /// The path that its program is below, without the slash at the end.
    pub(crate) fn prefix(&self) -> String {
        format!("/tutorial/{}", self.number)
    }
}

impl Method {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }
}

const fn get(button: &'static str, path: &'static str) -> Action {
    Action { button, method: Method::Get, path, fields: &[] }
}

const fn post(button: &'static str, path: &'static str, fields: &'static [Field]) -> Action {
    Action { button, method: Method::Post, path, fields }
}

const fn field(name: &'static str, label: &'static str, value: &'static str) -> Field {
    Field { name, label, value }
}

pub(crate) const ALL: [Tutorial; 5] = [
    Tutorial {
        number: 1,
        title: "The session itself",
        about: "Flask's <code>session</code> is a proxy; <code>session._get_current_object()</code> is the session behind \
                it. Here <code>hipflask::session().await?</code> is that object, anywhere below the layer.",
        actions: &[get("Get the session", "/get_session"), get("Set the session", "/set_session")],
        router: Some(|prefix| with_sessions(prefix, tutorial_1::router(), tutorial_1::KEY)),
    },
    Tutorial {
        number: 2,
        title: "Log in, log out",
        about: "The name is kept in the session at login and popped at logout. Logging out removes the cookie, because \
                nothing else is left in the session.",
        actions: &[
            post("Log in", "/login", &[field("username", "User name", "alice")]),
            get("Who am I?", "/"),
            get("Log out", "/logout"),
        ],
        router: Some(|prefix| with_sessions(prefix, tutorial_2::router(), tutorial_2::KEY)),
    },
    Tutorial {
        number: 3,
        title: "Sessions in files",
        about: "Flask-Session with <code>SESSION_TYPE=filesystem</code>: the session is a file on the server, and the \
                cookie carries only its id. This tutorial arrives with the file store.",
        actions: &[],
        router: None,
    },
    Tutorial {
        number: 4,
        title: "A form kept in the session",
        about: "What a visitor types into a form is kept in the session and read again on another page. The cookie is \
                signed, not encrypted: look at its payload.",
        actions: &[
            post(
                "Greet me",
                "/greeting",
                &[field("name", "First name", "Ada"), field("lastname", "Last name", "Lovelace")],
            ),
            get("Show session data", "/session-data"),
        ],
        router: Some(|prefix| with_sessions(prefix, tutorial_4::router(), tutorial_4::KEY)),
    },
    Tutorial {
        number: 5,
        title: "Everything a session can do",
        about: "Set, get, update, pop, clear; dicts as values, and a change inside of one, which Flask forgets without \
                <code>session.modified = True</code> and <code>edit</code> notices by itself.",
        actions: &[
            get("Show the page", "/"),
            get("Set", "/set"),
            get("Get", "/get"),
            get("Update", "/update"),
            get("Pop", "/pop"),
            get("Set several", "/several"),
            get("Set a dict", "/dict"),
            get("Pop inside the dict", "/nested-pop"),
            get("Clear", "/clear"),
        ],
        router: Some(|prefix| with_sessions(prefix, tutorial_5::router(), tutorial_5::KEY)),
    },
];

/// A tutorial's routes with its sessions, watched by an inspector of its own.
fn with_sessions(prefix: &str, router: Router, key: &str) -> Result<Router, Box<dyn Error>> {
    let sessions = Sessions::builder().secret_key(key).cookie_path(prefix).build()?;
    Ok(router.layer(Inspector::new()?.layer(&sessions)))
}
