//! Templates as Flask renders them, by minijinja.

mod convert;
#[cfg(feature = "csrf")]
mod csrf;
mod format;
#[cfg(feature = "login")]
mod login;
mod objects;
mod session;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use minijinja::context;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value as Jinja};

#[cfg(feature = "app")]
pub(crate) use self::format::{escaped, printed};

/// The templates of a program. Cheap to clone.
///
/// In every template stand `session` and `get_flashed_messages`, as in Flask. The session is that
/// of the request being handled; a template that does not use it does not touch it, and what a
/// template changes is saved.
///
/// ```
/// use hipflask::templates::{Templates, context};
/// let templates = Templates::builder()
///     .template("hello.html", "Hello {{ name }}{% if 'msg' in session %}: {{ session.msg }}{% endif %}")
///     .build()?;
/// # let sessions = hipflask::Sessions::builder().secret_key("a key of your own").build()?;
/// # use tower::{Layer, Service, service_fn};
/// # let mut handler = sessions.layer().layer(service_fn(|_: http::Request<()>| { let templates = templates.clone(); async move {
/// assert_eq!(templates.render("hello.html", context! { name => "<Ada>" })?, "Hello &lt;Ada&gt;");
/// # Ok::<_, hipflask::templates::TemplateError>(http::Response::new(())) }}));
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(handler.call(http::Request::new(())))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Templates(Arc<Environment<'static>>);

/// Makes [`Templates`].
#[must_use = "templates are read and checked by `build`"]
pub struct TemplatesBuilder {
    environment: Environment<'static>,
    directory: Option<PathBuf>,
    given: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    reload: bool,
}

impl Templates {
    /// Starts with no templates.
    pub fn builder() -> TemplatesBuilder {
        TemplatesBuilder { environment: environment(), directory: None, given: Vec::new(), reload: false }
    }

    /// Renders a template. Text is escaped if the name ends in `.html`, `.htm`, `.xml`, `.xhtml` or `.svg`.
    ///
    /// # Errors
    /// [`TemplateError`] if there is no such template, or something in it fails.
    pub fn render(&self, name: &str, context: impl Into<Jinja>) -> Result<String, TemplateError> {
        self.0.get_template(name)?.render(context).map_err(Into::into)
    }

    /// Renders a template that is given as text; what it prints is escaped.
    ///
    /// The text must be the program's own: who writes a template can read and change the session.
    ///
    /// # Errors
    /// [`TemplateError`] if something in it fails.
    pub fn render_string(&self, source: &str, context: impl Into<Jinja>) -> Result<String, TemplateError> {
        self.0.render_str(source, context).map_err(Into::into)
    }
}

impl TemplatesBuilder {
    /// Reads templates from this directory when they are first used: Flask's `templates`.
    #[doc(alias = "template_folder")]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// Adds a template that is part of the program. It goes before a file of its name.
    pub fn template(
        mut self,
        name: impl Into<Cow<'static, str>>,
        source: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.given.push((name.into(), source.into()));
        self
    }

    /// Adds a value or function for every template: Flask's `context_processor`.
    #[doc(alias = "context_processor")]
    pub fn global(mut self, name: &'static str, value: impl Into<Jinja>) -> Self {
        self.environment.add_global(name, value.into());
        self
    }

    /// Reads changed template files again, and shows the location of errors. The default is `false`.
    #[doc(alias = "TEMPLATES_AUTO_RELOAD")]
    pub const fn reload(mut self, reload: bool) -> Self {
        self.reload = reload;
        self
    }

    /// For everything else that minijinja can: filters, tests, syntax.
    pub fn environment(mut self, change: impl FnOnce(&mut Environment<'static>)) -> Self {
        change(&mut self.environment);
        self
    }

    /// Checks the templates that are part of the program.
    ///
    /// # Errors
    /// [`TemplateError`] for a template that cannot be parsed.
    pub fn build(mut self) -> Result<Templates, TemplateError> {
        self.environment.set_auto_reload(self.reload);
        self.environment.set_debug(self.reload);
        if let Some(directory) = self.directory {
            self.environment.set_loader(minijinja::path_loader(directory));
        }
        for (name, source) in self.given {
            self.environment.add_template_owned(name, source)?;
        }
        Ok(Templates(Arc::new(self.environment)))
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(format::auto_escape);
    environment.set_formatter(format::write);
    environment.set_unknown_method_callback(python_method);
    environment.add_filter("escape", |value: &Jinja| format::escape(value));
    environment.add_filter("e", |value: &Jinja| format::escape(value));
    environment.add_filter("string", |value: &Jinja| format::string(value));
    environment.add_filter("length", |value: &Jinja| format::length(value));
    environment.add_filter("count", |value: &Jinja| format::length(value));
    environment.add_global("session", Jinja::from_object(objects::SessionObject));
    environment.add_function("get_flashed_messages", session::get_flashed_messages);
    #[cfg(feature = "csrf")]
    csrf::add_to(&mut environment);
    #[cfg(feature = "login")]
    environment.add_global("current_user", Jinja::from_object(login::CurrentUser));
    environment
}

/// Python's methods of text, lists and dicts.
fn python_method(
    state: &mut State<'_, '_>,
    value: &Jinja,
    name: &str,
    args: &[Jinja],
) -> Result<Jinja, Error> {
    const CHANGING: [&str; 12] = [
        "append",
        "clear",
        "extend",
        "insert",
        "pop",
        "popitem",
        "remove",
        "reverse",
        "setdefault",
        "sort",
        "update",
        "add",
    ];
    #[cfg(feature = "csrf")]
    if let Some(result) = csrf::method(name, args) {
        return result;
    }
    if let (ValueKind::Map, Some(object), true) = (value.kind(), value.as_object(), args.is_empty()) {
        let pairs = object.try_iter_pairs().into_iter().flatten();
        if let Some(view) = convert::View::of(name, pairs) {
            return Ok(view);
        }
    }
    match value.kind() {
        ValueKind::Map | ValueKind::Seq if CHANGING.contains(&name) => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!(
                "a template cannot change a {} in place (.{name}); change the session with session.update(..), or the \
                 value in the handler with session.edit(..)",
                value.kind()
            ),
        )),
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.templates().map(|(name, _)| name).collect();
        f.debug_tuple("Templates").field(&names).finish()
    }
}

impl fmt::Debug for TemplatesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplatesBuilder")
            .field("directory", &self.directory)
            .field("templates", &self.given.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A template cannot be found, parsed or rendered. Names the template and the line.
pub struct TemplateError(Error);

#[cfg(feature = "app")]
impl TemplateError {
    pub(crate) fn outside_request() -> Self {
        Self(Error::new(
            ErrorKind::InvalidOperation,
            "Working outside of request context. `render_template` finds the templates of the `App` that handles the \
             current request; elsewhere use `Templates::render`.",
        ))
    }

    pub(crate) fn of(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(convert::refuse(error.to_string()).with_source(error))
    }
}

impl From<Error> for TemplateError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            ErrorKind::TemplateNotFound => {
                write!(
                    f,
                    "{}; look at `.templates(..)` or `.template(..)`, where it should have come from",
                    self.0
                )
            }
            _ => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for TemplateError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for TemplateError {
    fn into_response(self) -> axum_core::response::Response {
        crate::explain::internal_error(&self)
    }
}
