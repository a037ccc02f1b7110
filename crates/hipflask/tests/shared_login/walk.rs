//! Random steps of one visitor, and what both halves must say after each.

use hipflask_testkit::rng::TestRng;
use serde_json::{Value, json};

use crate::client::{Jar, Reply};
use crate::visitor::Visitor;

/// The way to both halves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Http,
    Https,
}

/// A visitor, and what is known of the login.
pub(crate) struct Walk {
    halves: [String; 2],
    visitor: Visitor,
    user: Option<&'static str>,
    is_fresh: bool,
    remembered: Option<&'static str>,
    form: Option<Form>,
    /// The number of steps of each kind, by its place in `KINDS`.
    pub(crate) counts: [usize; KINDS.len()],
}

/// A form that was fetched.
struct Form {
    token: String,
    is_valid: bool,
}

type Kind = fn(&mut Walk, half: usize, rng: &mut TestRng);

const KINDS: [Kind; 9] = [
    Walk::log_in,
    Walk::log_out,
    Walk::confirm,
    Walk::visit_fresh_page,
    Walk::fetch_form,
    Walk::submit_form,
    Walk::submit_form,
    Walk::close_browser,
    Walk::change_agent,
];

const FLASK: usize = 0;

const USERS: [(&str, &str); 6] = [
    ("ada", "ada"),
    ("7", "7"),
    ("a b", "a+b"),
    ("é", "%C3%A9"),
    ("x|y", "x%7Cy"),
    ("\"q\",\\", "%22q%22%2C%5C"),
];

impl Walk {
    pub(crate) fn new(halves: [String; 2], place: Place) -> Self {
        let https = place == Place::Https;
        let visitor = Visitor { jar: Jar::default(), agent: "Agent/0".into(), https };
        Self {
            halves,
            visitor,
            user: None,
            is_fresh: false,
            remembered: None,
            form: None,
            counts: [0; KINDS.len()],
        }
    }

    pub(crate) fn step(&mut self, rng: &mut TestRng) {
        let kind = rng.below(KINDS.len());
        self.counts[kind] += 1;
        KINDS[kind](self, rng.below(2), rng);
    }

    /// Asks both, each with the same cookies, and goes on with the cookies of one of them.
    pub(crate) fn halves_agree(&mut self, rng: &mut TestRng) {
        let expected = json!({ "user": self.user, "fresh": self.user.is_some() && self.is_fresh });
        let mut visitors = [self.visitor.clone(), self.visitor.clone()];
        let first = rng.below(2);
        for half in [first, 1 - first] {
            let reply = visitors[half].get(&self.halves[half], "/me");
            let said: Value = serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"));
            assert_eq!(said, expected, "half {half} after {:?}, {reply:?}", self.counts);
        }
        let [flask, rust] = visitors;
        self.visitor = if rng.once_in(2) { flask } else { rust };
    }

    fn log_in(&mut self, half: usize, rng: &mut TestRng) {
        let (user, escaped) = *rng.pick(&USERS);
        let remembers = rng.once_in(2);
        let form = format!("user={escaped}{}", if remembers { "&remember=on" } else { "" });
        let reply = self.visitor.post(&self.halves[half], "/login", &form);
        is_redirect_to_me(&reply);
        (self.user, self.is_fresh) = (Some(user), true);
        if remembers {
            self.remembered = Some(user);
        }
        // Ours renews the form's token with the login; Flask-Login does not know it.
        if half != FLASK
            && let Some(form) = &mut self.form
        {
            form.is_valid = false;
        }
    }

    fn log_out(&mut self, half: usize, _: &mut TestRng) {
        is_redirect_to_me(&self.visitor.get(&self.halves[half], "/logout"));
        (self.user, self.remembered) = (None, None);
    }

    fn confirm(&mut self, half: usize, _: &mut TestRng) {
        let reply = self.visitor.post(&self.halves[half], "/confirm", "");
        match self.user {
            Some(_) => is_redirect_to_me(&reply),
            None => assert_eq!(reply.status, 401, "{reply:?}"),
        }
        self.is_fresh = self.user.is_some();
    }

    fn visit_fresh_page(&mut self, half: usize, _: &mut TestRng) {
        let reply = self.visitor.get(&self.halves[half], "/fresh");
        let expected = if self.user.is_some() && self.is_fresh { 200 } else { 401 };
        assert_eq!(reply.status, expected, "half {half}: {reply:?}");
    }

    fn fetch_form(&mut self, half: usize, _: &mut TestRng) {
        let reply = self.visitor.get(&self.halves[half], "/form");
        assert_eq!(reply.status, 200, "{reply:?}");
        let token = reply.body.split_once("name=\"csrf_token\"").and_then(|(_, rest)| {
            let tag = rest.split_once('>')?.0;
            Some(tag.split_once("value=\"")?.1.split_once('"')?.0.to_owned())
        });
        self.form = Some(Form { token: token.unwrap_or_else(|| panic!("{reply:?}")), is_valid: true });
    }

    /// Both refuse or accept it for the same reason.
    fn submit_form(&mut self, half: usize, rng: &mut TestRng) {
        let token = match &self.form {
            Some(form) if !rng.once_in(5) => form.token.clone(),
            _ => String::new(),
        };
        let is_valid = !token.is_empty() && self.form.as_ref().is_some_and(|form| form.is_valid);
        let field = format!("csrf_token={token}");
        let mut second = self.visitor.clone();
        let replies = [
            self.visitor.post(&self.halves[half], "/form", &field),
            second.post(&self.halves[1 - half], "/form", &field),
        ];
        for reply in &replies {
            assert_eq!(reply.status == 200, is_valid, "half {half} first: {replies:?}");
        }
        assert_eq!(reason(&replies[0]), reason(&replies[1]), "half {half} first: {replies:?}");
    }

    fn close_browser(&mut self, _: usize, _: &mut TestRng) {
        self.visitor.jar.0.remove("session");
        (self.user, self.is_fresh) = (self.remembered, false);
        if let Some(form) = &mut self.form {
            form.is_valid = false;
        }
    }

    /// As if somebody else had the cookies: a login stays, but is not fresh.
    fn change_agent(&mut self, _: usize, rng: &mut TestRng) {
        let agent = format!("Agent/{}", rng.next());
        self.visitor.agent = agent;
        self.is_fresh = false;
    }
}

#[track_caller]
fn is_redirect_to_me(reply: &Reply) {
    assert!(
        reply.status == 302 && reply.header("Location").is_some_and(|to| to.ends_with("/me")),
        "{reply:?}"
    );
}

/// The sentence that says why a form was refused.
fn reason(reply: &Reply) -> Option<String> {
    let begin = reply.body.find("The CSRF ").or_else(|| reply.body.find("The referrer "))?;
    let sentence = &reply.body[begin..];
    Some(sentence[..=sentence.find('.')?].to_owned())
}
