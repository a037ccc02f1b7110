//! `current_user` in templates, as Flask-Login has it.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, from_args};
use minijinja::{Error, ErrorKind, State, Value as Jinja};

use super::convert::refuse;
use crate::login::{LoadedUser, LoginRequest};
use crate::request;

/// Flask-Login's `current_user`: the user of the current request, or an anonymous one.
#[derive(Debug)]
pub(super) struct CurrentUser;

impl Object for CurrentUser {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        attribute(name).unwrap_or_else(|error| Some(Jinja::from(error)))
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        args: &[Jinja],
    ) -> Result<Jinja, Error> {
        match name {
            "get_id" => {
                let () = from_args(args)?;
                Ok(user()?.1.map_or_else(|| Jinja::from(()), |user| user.id.into()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// The user of the current request. Templates cannot wait, so it must have been loaded before.
fn user() -> Result<(Arc<LoginRequest>, Option<LoadedUser>), Error> {
    let request = request::current();
    let login = request.as_ref().and_then(|request| LoginRequest::of(request.shared()));
    let login =
        login.ok_or_else(|| refuse("current_user needs a login layer around the handler".to_owned()))?;
    let user = login.known().ok_or_else(|| {
        refuse("the user has not been loaded; take an `Option<LoginUser>` in the handler, or use `render_template`".to_owned())
    })?;
    Ok((login, user))
}

fn attribute(name: &str) -> Result<Option<Jinja>, Error> {
    let (login, user) = user()?;
    Ok(match (name, user) {
        ("is_authenticated" | "is_active", user) => Some(user.is_some().into()),
        ("is_anonymous", user) => Some(user.is_none().into()),
        (name, Some(user)) => {
            let shown = login.shown(&user.user).and_then(|shown| shown.get_attr(name).ok());
            let shown = shown.filter(|value| !value.is_undefined());
            shown.or_else(|| (name == "id").then(|| user.id.into()))
        }
        (_, None) => None,
    })
}
