//! The tutorials: the text, the forms and the program of each.

use hipflask::App;

#[path = "../../crates/hipflask/examples/app_login.rs"]
#[expect(dead_code, reason = "each program has its own main")]
mod app_login;
#[path = "../../crates/hipflask/examples/tutorial_1.rs"]
#[expect(dead_code, reason = "each program has its own main")]
mod tutorial_1;
#[path = "../../crates/hipflask/examples/tutorial_2.rs"]
#[expect(dead_code, reason = "each program has its own main")]
mod tutorial_2;
#[path = "../../crates/hipflask/examples/tutorial_3.rs"]
#[expect(dead_code, reason = "each program has its own main")]
mod tutorial_3;
#[path = "../../crates/hipflask/examples/tutorial_4.rs"]
#[expect(dead_code, reason = "each program has its own main")]
mod tutorial_4;
#[path = "../../crates/hipflask/examples/tutorial_5.rs"]
#[expect(dead_code, reason = "each program has its own main")]
mod tutorial_5;

/// A tutorial, as the page shows it.
pub(crate) struct Tutorial {
    pub(crate) number: u8,
    pub(crate) title: &'static str,
    /// The description. The page replaces `{place}` with the address of the store.
    pub(crate) about: &'static str,
    pub(crate) actions: &'static [Action],
    pub(crate) app: fn() -> App,
    /// `true` if its sessions are in a store.
    pub(crate) stored: bool,
}

/// A form with one button, with or without fields.
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

/// The encoding of a form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

impl Tutorial {
    /// The path prefix of the program, without a slash at the end.
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

pub(crate) const ALL: [Tutorial; 6] = [
    Tutorial {
        number: 1,
        title: "The session itself",
        about: "Flask's <code>session</code> is a proxy; <code>session._get_current_object()</code> is the session behind \
                it. Here <code>hipflask::session().await?</code> is that object, anywhere below the layer.",
        actions: &[get("Get the session", "/get_session"), get("Set the session", "/set_session")],
        app: tutorial_1::app,
        stored: false,
    },
    Tutorial {
        number: 2,
        title: "Log in, log out",
        about: "Login stores the name in the session, and logout pops it. Logging out removes the cookie, because \
                nothing else is left in the session.",
        actions: &[
            post("Log in", "/login", &[field("username", "User name", "alice")]),
            get("Who am I?", "/"),
            get("Log out", "/logout"),
        ],
        app: tutorial_2::app,
        stored: false,
    },
    Tutorial {
        number: 3,
        title: "Sessions in files",
        about: "Flask-Session with <code>SESSION_TYPE=filesystem</code>: the session is a file on the server, and the \
                cookie contains only its id. Sessions are kept in <code>{place}</code>. The inspector \
                shows the id and the record.",
        actions: &[
            post("Set the session", "/set_session", &[field("username", "User name", "bob")]),
            get("Get the session", "/get_session"),
            get("Set without a form", "/set_session"),
        ],
        app: tutorial_3::app,
        stored: true,
    },
    Tutorial {
        number: 4,
        title: "A form stored in the session",
        about: "The session stores what a user enters into a form, and another page reads it. The cookie is \
                signed, not encrypted: look at its payload.",
        actions: &[
            post(
                "Greet me",
                "/greeting",
                &[field("name", "First name", "Ada"), field("lastname", "Last name", "Lovelace")],
            ),
            get("Show session data", "/session-data"),
        ],
        app: tutorial_4::app,
        stored: false,
    },
    Tutorial {
        number: 5,
        title: "Everything a session can do",
        about: "Set, get, update, pop, clear, and dicts as values. Flask forgets a change inside a dict without \
                <code>session.modified = True</code>; <code>edit</code> notices it.",
        actions: &[
            get("Set msg, show it", "/"),
            get("Get", "/get"),
            get("Update", "/update"),
            get("Pop", "/pop"),
            get("Set several", "/several"),
            get("List all", "/items"),
            get("Set a dict", "/item"),
            get("Its keys", "/item/keys"),
            get("Its tuples", "/item/tuples"),
            get("Pop its name", "/item/pop-name"),
            get("Pop the dict", "/item/pop"),
            get("Nest a dict", "/nested"),
            get("Pop the inner", "/nested/pop"),
            get("Clear", "/clear"),
        ],
        app: tutorial_5::app,
        stored: false,
    },
    Tutorial {
        number: 6,
        title: "Who is logged in",
        about: "Flask-Login and Flask-WTF: a login that the browser remembers, a page that needs a fresh login, and a \
                form with a token. Lose the session, as when the browser is closed: the second cookie brings the user \
                back, but not for the page that needs a fresh login.",
        actions: &[
            post(
                "Log in",
                "/login",
                &[field("user", "User name", "ada"), field("remember", "Remember me", "yes")],
            ),
            get("Who am I?", "/"),
            get("Open the form", "/form"),
            post("Send without a token", "/form", &[]),
            get("Needs a fresh login", "/fresh"),
            get("Lose the session", "/lose-session"),
            get("Log out", "/logout"),
        ],
        app: || app_login::app("a key of the demo alone".into()),
        stored: false,
    },
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use hipflask::store::memory::MemoryStore;
    use http::header::CONTENT_TYPE;
    use http::{Request, StatusCode};
    use tower::ServiceExt;

    use super::{ALL, Method};

    #[tokio::test]
    async fn every_button_and_form_matches_its_route() {
        for tutorial in &ALL {
            let app = (tutorial.app)();
            let store = || Arc::new(MemoryStore::new());
            let app = if tutorial.stored { app.configure(|sessions| sessions.store(store())) } else { app };
            let router = app.into_router().unwrap();
            for action in tutorial.actions {
                let fields: Vec<String> =
                    action.fields.iter().map(|field| format!("{}={}", field.name, field.value)).collect();
                let request = Request::builder().uri(action.path);
                let request = match action.method {
                    Method::Get => request.body(Body::empty()),
                    Method::Post => request
                        .method("POST")
                        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                        .body(fields.join("&").into()),
                };
                let status = router.clone().oneshot(request.unwrap()).await.unwrap().status();
                // The program may refuse to remove a key from a dict that does not exist yet, and a
                // visitor who is not logged in.
                let is_refused = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED].contains(&status);
                assert!(
                    is_refused && tutorial.number == 6 || !status.is_client_error(),
                    "{}: {status}",
                    action.path
                );
            }
        }
    }
}
