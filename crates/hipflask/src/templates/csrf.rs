//! `csrf_token()`, `csrf_meta_tag()` and `form.hidden_tag()` in templates, as Flask-WTF has them.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, from_args};
use minijinja::{Environment, Error, Value as Jinja};

use super::session::{current_session, failed};
use crate::csrf::{hidden_field, meta_tag};
use crate::engine::CsrfSettings;

/// Flask-WTF's `form`, as far as it concerns the token: for pages that have no form of their own.
#[derive(Debug)]
struct FormObject;

impl Object for FormObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        (name == "csrf_token").then(|| field().unwrap_or_else(Jinja::from))
    }
}

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_function("csrf_token", token);
    environment.add_function("csrf_meta_tag", || rendered(meta_tag));
    environment.add_function("csrf_field", field);
    environment.add_global("form", Jinja::from_object(FormObject));
}

/// `form.hidden_tag()`, of our form and of every other object. `None` for other methods.
pub(super) fn method(name: &str, args: &[Jinja]) -> Option<Result<Jinja, Error>> {
    (name == "hidden_tag").then(|| {
        let () = from_args(args)?;
        field()
    })
}

fn token() -> Result<String, Error> {
    current_session()?.csrf_token().map_err(failed)
}

fn field() -> Result<Jinja, Error> {
    rendered(hidden_field)
}

/// HTML with the token of the session.
fn rendered(html: fn(&CsrfSettings, &str) -> String) -> Result<Jinja, Error> {
    let session = current_session()?;
    let token = session.csrf_token().map_err(failed)?;
    Ok(Jinja::from_safe_string(html(&session.engine().surroundings().csrf, &token)))
}
