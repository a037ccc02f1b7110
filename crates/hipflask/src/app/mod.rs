//! [`App`]: a front on axum that reads like Flask.

mod body;
mod context;
mod error;
mod form;
mod hosts;
mod limits;
mod login;
mod pages;
mod request;
mod serve;
#[cfg(test)]
mod serve_tests;
mod socket;
mod urls;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse};
use axum::routing::{MethodRouter, Route};
use minijinja::Value as Jinja;
use tower_layer::Layer;
use tower_service::Service;

pub use self::error::{AppError, Error, Result};
pub use self::form::{BadForm, Form};
pub use self::login::{fresh_login_required, login_required};
pub use self::pages::redirect;
pub use self::urls::UrlError;
pub use axum::response::Response;

use self::context::{RequestContext, Scoped, Shared};
use self::hosts::TrustedHosts;
use self::limits::Limits;
use self::serve::Caught;
use self::urls::{Urls, Values};
use crate::csrf::Csrf;
use crate::engine::Sessions;
use crate::inspector::Inspector;
use crate::login::{FlaskLoginBuilder, preload};
use crate::quote::quote;
use crate::settings::ConfigError;
use crate::settings::SessionsBuilder;
use crate::templates::{TemplateError, Templates, TemplatesBuilder};
use hipflask_core::signing::SecretKey;

/// An app as Flask has it: named routes, sessions, templates and a server. A thin front on axum,
/// whose handlers, extractors and layers work in it.
///
/// ```no_run
/// use axum::routing::{get, post};
/// use hipflask::{App, Form, Response, Result, Session, redirect, url_for};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Login { username: String }
///
/// async fn index(session: Session) -> Result<String> {
///     Ok(match session.get::<String>("username")? {
///         Some(name) => format!("Logged in as {name}"),
///         None => "You are not logged in".into(),
///     })
/// }
///
/// async fn login(session: Session, form: Form<Login>) -> Result<Response> {
///     session.set("username", &form.username)?;
///     Ok(redirect(url_for("index")?))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<()> {
///     let app = App::new("login")
///         .secret_key("a key of your own")
///         .route("index", "/", get(index))
///         .route("login", "/login", post(login));
///     app.run("127.0.0.1:5000").await?;
///     Ok(())
/// }
/// ```
#[must_use = "an app does nothing before `run` or `into_router`"]
#[doc(alias = "Flask")]
pub struct App {
    name: Cow<'static, str>,
    router: Router,
    layers: Vec<Box<dyn FnOnce(Router) -> Router + Send>>,
    urls: Urls,
    has_fallback: bool,
    sessions: SessionsBuilder,
    ready: Option<Sessions>,
    templates: TemplatesBuilder,
    root: String,
    trusted_hosts: Option<Vec<String>>,
    max_content_length: usize,
    limits: Limits,
    purge_interval: Option<Duration>,
    debug: bool,
    debug_in_release: bool,
    inspector: Option<Inspector>,
    csrf: Option<Change<Csrf>>,
    login: Option<Change<FlaskLoginBuilder>>,
    /// The first thing that was wrong.
    problem: Option<AppError>,
}

/// A function that changes settings when the app is built.
type Change<T> = Box<dyn FnOnce(T) -> T + Send>;

/// The default limit of a body's size.
const MAX_CONTENT_LENGTH: usize = 2 * 1024 * 1024;

impl App {
    /// An app without routes. The name is for the log.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            router: Router::new(),
            layers: Vec::new(),
            urls: Urls::default(),
            has_fallback: false,
            sessions: Sessions::builder(),
            ready: None,
            templates: Templates::builder(),
            root: String::new(),
            trusted_hosts: None,
            max_content_length: MAX_CONTENT_LENGTH,
            limits: Limits::for_open_files(limits::open_files()),
            purge_interval: None,
            debug: false,
            debug_in_release: false,
            inspector: None,
            csrf: None,
            login: None,
            problem: None,
        }
    }

    /// The key that signs the session: Flask's `app.secret_key`.
    #[doc(alias = "SECRET_KEY")]
    pub fn secret_key(self, key: impl Into<SecretKey>) -> Self {
        self.configure(|sessions| sessions.secret_key(key))
    }

    /// Adds a route under a name, which [`url_for`] takes: Flask's `@app.route(path)` above a
    /// function of that name.
    ///
    /// The path is written as in axum: `/user/{name}`, `/files/{*path}`.
    pub fn route(mut self, name: impl Into<String>, path: &str, handler: MethodRouter) -> Self {
        self = self.endpoint(name, path);
        if self.problem.is_none() {
            self.router = self.router.route(path, handler);
        }
        self
    }

    /// Gives a route of [`merge`](Self::merge) a name.
    pub fn endpoint(mut self, name: impl Into<String>, path: &str) -> Self {
        let name = name.into();
        if path.contains('<') {
            let better = path.replace("<path:", "{*").replace(['<'], "{").replace('>', "}");
            self.fail(AppError::FlaskPath { endpoint: name, path: path.to_owned(), better });
        } else {
            self.urls.add(name, path);
        }
        self
    }

    /// Adds the routes of an axum router. It must have its state already.
    pub fn merge(mut self, router: Router) -> Self {
        self.router = self.router.merge(router);
        self
    }

    /// Answers what no route answers, in place of Flask's 404 page.
    pub fn fallback<H: Handler<T, ()>, T: 'static>(mut self, handler: H) -> Self {
        self.router = self.router.fallback(handler);
        self.has_fallback = true;
        self
    }

    /// Adds a layer around every route, inside the session layer, so that it can use the session.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error: Into<Infallible>, Response: IntoResponse, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.layers.push(Box::new(|router| router.layer(layer)));
        self
    }

    /// Configures the session: `app.configure(|sessions| sessions.cookie_secure(true))`.
    #[doc(alias = "config")]
    pub fn configure(mut self, change: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Self {
        self.sessions = change(self.sessions);
        self
    }

    /// Refuses forms without a valid token, as Flask-WTF's `CSRFProtect(app)` does. Templates have
    /// `{{ form.hidden_tag() }}` and `{{ csrf_token() }}`. See [`csrf`](crate::csrf).
    #[doc(alias = "CSRFProtect")]
    pub fn csrf(self) -> Self {
        self.configure_csrf(|csrf| csrf)
    }

    /// [`csrf`](Self::csrf) with other settings: `app.configure_csrf(|csrf| csrf.exempt("/hooks/"))`.
    pub fn configure_csrf(mut self, change: impl FnOnce(Csrf) -> Csrf + Send + 'static) -> Self {
        self.csrf = Some(match self.csrf {
            Some(before) => Box::new(|csrf| change(before(csrf))),
            None => Box::new(change),
        });
        self
    }

    /// Shares logins with Flask-Login. The login view is the name of a route. Templates have
    /// `current_user`. See [`login`](crate::login).
    ///
    /// ```
    /// use hipflask::App;
    ///
    /// async fn load_user(id: String) -> Option<String> {
    ///     Some(id) // An app asks its database.
    /// }
    ///
    /// # use axum::routing::get;
    /// let app = App::new("shop")
    ///     .secret_key("the SECRET_KEY of the Flask app")
    ///     .login(|login| login.load(load_user).login_view("login"))
    ///     .route("login", "/login", get(async || "the form"));
    /// # app.into_router()?;
    /// # Ok::<(), hipflask::AppError>(())
    /// ```
    #[doc(alias = "LoginManager")]
    pub fn login(
        mut self,
        change: impl FnOnce(FlaskLoginBuilder) -> FlaskLoginBuilder + Send + 'static,
    ) -> Self {
        self.login = Some(Box::new(change));
        self
    }

    /// Takes over what environment variables say: `FLASK_SECRET_KEY` and so on with the prefix `FLASK`.
    #[doc(alias = "from_prefixed_env")]
    pub fn env(self, prefix: &str) -> Self {
        self.try_configure(|sessions| sessions.env(prefix))
    }

    /// Takes over the settings of a TOML text, under Flask's names.
    #[doc(alias = "from_file")]
    #[cfg(feature = "toml")]
    pub fn toml(self, text: &str) -> Self {
        self.try_configure(|sessions| sessions.toml(text))
    }

    fn try_configure(
        mut self,
        change: impl FnOnce(SessionsBuilder) -> std::result::Result<SessionsBuilder, ConfigError>,
    ) -> Self {
        match change(std::mem::take(&mut self.sessions)) {
            Ok(sessions) => self.sessions = sessions,
            Err(error) => self.fail(error.into()),
        }
        self
    }

    /// Uses an engine that was built before, in place of what is configured here.
    pub fn sessions(mut self, sessions: Sessions) -> Self {
        self.ready = Some(sessions);
        self
    }

    /// Reads templates from this directory: Flask's `templates`.
    #[doc(alias = "template_folder")]
    pub fn templates(self, directory: impl Into<PathBuf>) -> Self {
        self.configure_templates(|templates| templates.directory(directory))
    }

    /// Adds a template that is part of the program: `.template("page.html", include_str!("page.html"))`.
    pub fn template(self, name: impl Into<Cow<'static, str>>, source: impl Into<Cow<'static, str>>) -> Self {
        self.configure_templates(|templates| templates.template(name, source))
    }

    /// For everything else about templates.
    #[doc(alias = "jinja_env")]
    pub fn configure_templates(mut self, change: impl FnOnce(TemplatesBuilder) -> TemplatesBuilder) -> Self {
        self.templates = change(self.templates);
        self
    }

    /// Where the app is mounted, if it is not at the root of the site: the session's cookie goes to
    /// that path only, and the URLs of [`url_for`] begin with it. The router that mounts it has to
    /// bring the requests there:
    /// `Router::new().nest_service("/shop", app.application_root("/shop").into_router()?)`.
    #[doc(alias = "APPLICATION_ROOT")]
    pub fn application_root(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.root = path.trim_end_matches('/').to_owned();
        self.configure(|sessions| sessions.cookie_path(path))
    }

    /// The hosts that requests may name in their `Host` header; all unless set. A name that begins
    /// with a dot includes its subdomains; ports are not looked at. A request to any other host is
    /// answered with 400.
    ///
    /// Set it if the app builds URLs with `_external`, for mails for example: otherwise the sender
    /// of the request chooses the host in them.
    ///
    /// ```
    /// # use hipflask::App;
    /// let app = App::new("shop").trusted_hosts(["example.org", ".shop.example.org"]);
    /// ```
    #[doc(alias = "TRUSTED_HOSTS")]
    pub fn trusted_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.trusted_hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the size limit of a request's body in bytes. The default is 2 MiB.
    #[doc(alias = "MAX_CONTENT_LENGTH")]
    pub const fn max_content_length(mut self, bytes: usize) -> Self {
        self.max_content_length = bytes;
        self
    }

    /// Limits the connections that [`run`](Self::run) serves at once: 512 unless set, or half of
    /// the files that the process may open (`ulimit -n`) if that is fewer, because stores and
    /// templates need file descriptors as well. Further visitors wait until a connection ends, and
    /// a WebSocket is one until it ends. Behind a reverse proxy, allow as many as the proxy opens.
    pub fn max_connections(mut self, connections: usize) -> Self {
        if connections == 0 {
            self.fail(AppError::ZeroLimit { limit: "max_connections" });
        }
        self.limits.connections = connections;
        self
    }

    /// Limits the time in which a client sends the head of a request to [`run`](Self::run), from
    /// its first byte, or from the start of a new connection: 30 s unless set. That is enough for a
    /// slow phone, while a client that sends half a head keeps its connection no longer.
    pub fn head_timeout(mut self, limit: Duration) -> Self {
        self.limits.head = self.time_limit("head_timeout", limit);
        self
    }

    /// Limits the time for which [`run`](Self::run) keeps a connection without a request: 75 s
    /// unless set. A reverse proxy must give up its idle connections sooner, or it sends requests
    /// into connections that are just being closed; nginx and the load balancers of AWS do so after
    /// 60 s. Without a proxy a shorter time lets new visitors in sooner when all connections are
    /// taken.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.limits.idle = self.time_limit("idle_timeout", limit);
        self
    }

    /// Limits the time for which [`run`](Self::run) waits for a client that sends a body, or takes
    /// a response: 30 s unless set. Every 500 bytes earn back a second of it, so that a large file
    /// may take long. A request whose body is too slow is answered with 408; a connection that does
    /// not take its response is closed. The time in which the app itself reads or sends nothing
    /// does not count, and so streams and WebSockets may be silent.
    pub fn body_timeout(mut self, limit: Duration) -> Self {
        self.limits.body = self.time_limit("body_timeout", limit);
        self
    }

    /// Drops the records of expired sessions when [`run`](Self::run) starts and after every
    /// `interval`. For sessions in files and SQL tables, which keep them otherwise: see
    /// [`Sessions::purge_expired`].
    #[cfg(feature = "store")]
    #[doc(alias = "flask session_cleanup")]
    pub const fn purge_every(mut self, interval: Duration) -> Self {
        self.purge_interval = Some(interval);
        self
    }

    fn time_limit(&mut self, name: &'static str, limit: Duration) -> Duration {
        if limit.is_zero() {
            self.fail(AppError::ZeroLimit { limit: name });
        }
        limits::bounded(limit)
    }

    /// Turns on debugging: failed requests get a page that explains the error, changed template
    /// files are read again, and the [session inspector](crate::inspector) answers at
    /// `/_hipflask/session`. For development only; a release build does not start with it.
    pub const fn debug(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// Lets a release build start with [`debug`](Self::debug), where nobody but developers can
    /// reach it: errors show what is in the program, and the inspector shows the session's cookie
    /// to scripts.
    pub const fn danger_debug_in_release(mut self, allowed: bool) -> Self {
        self.debug_in_release = allowed;
        self
    }

    /// Uses this inspector, which others may share, with or without [`debug`](Self::debug).
    pub fn inspector(mut self, inspector: Inspector) -> Self {
        self.inspector = Some(inspector);
        self
    }

    /// The app as a plain axum router, to go on with or to mount in another.
    ///
    /// # Errors
    /// [`AppError`] for whatever was wrong in the calls before.
    pub fn into_router(self) -> std::result::Result<Router, AppError> {
        Ok(self.build()?.0)
    }

    fn build(mut self) -> std::result::Result<(Router, Sessions), AppError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.debug && !self.debug_in_release && !cfg!(debug_assertions) {
            return Err(AppError::DebugInRelease);
        }
        // A release build was checked for consent above.
        let inspector = self.inspector.or_else(|| self.debug.then(Inspector::danger_even_in_release));
        let trusted_hosts = self.trusted_hosts.unwrap_or(std::mem::take(&mut self.sessions.trusted_hosts));
        let trusted_hosts =
            TrustedHosts::new(trusted_hosts).map_err(|entry| AppError::TrustedHost { entry })?;
        let sessions = match self.ready {
            Some(sessions) => sessions,
            None => self.sessions.build_even_without_key()?,
        };
        let templates = self.templates.reload(self.debug);
        let templates = templates.global("request", Jinja::from_object(request::RequestObject));
        let templates = templates.global("url_for", Jinja::from_function(request::url_for)).build()?;
        let login =
            self.login.map(|change| login::build(&sessions, change, &self.urls, &self.root)).transpose()?;
        let router = match self.csrf {
            Some(change) => {
                let csrf = change(sessions.csrf()?);
                let limit = csrf.form_limit().min(self.max_content_length);
                self.router.layer(csrf.body_limit(limit).layer())
            }
            None => self.router,
        };
        let shared = Shared {
            urls: self.urls,
            templates,
            debug: self.debug,
            root: self.root,
            trusted_hosts,
            sessions: sessions.clone(),
        };
        // Added after the check of form tokens: missing routes and methods are reported first.
        let router = router.method_not_allowed_fallback(pages::method_not_allowed);
        let router = if self.has_fallback { router } else { router.fallback(pages::not_found) };
        let router = self.layers.into_iter().fold(router, |router, layer| layer(router));
        let router = match login {
            Some(login) => router.layer(login.layer()),
            None => router,
        };
        let router = router
            .layer(DefaultBodyLimit::max(self.max_content_length))
            .layer(middleware::from_fn(|request, next: Next| Caught { handler: next.run(request) }));
        let router = match inspector {
            Some(inspector) => router.layer(inspector.layer(&sessions)),
            None => router.layer(sessions.layer()),
        };
        Ok((router.layer(middleware::from_fn_with_state(Arc::new(shared), in_context)), sessions))
    }

    /// Serves the app on an address such as `127.0.0.1:5000` (port 0 takes a free one), prints
    /// where it listens, and ends with Ctrl-C or SIGTERM, when the requests that run have been
    /// answered. It limits connections and the time of their clients: see
    /// [`max_connections`](Self::max_connections), [`head_timeout`](Self::head_timeout),
    /// [`idle_timeout`](Self::idle_timeout) and [`body_timeout`](Self::body_timeout).
    ///
    /// # Errors
    /// [`AppError`] for whatever was wrong in the calls before, and for an address that is not free.
    pub async fn run(self, address: &str) -> std::result::Result<(), AppError> {
        let (name, limits) = (self.name.clone(), self.limits);
        let interval = self.purge_interval;
        let (router, sessions) = self.build()?;
        tracing::info!(app = %name, address, "starting");
        let listener = serve::bind(address).await?;
        tokio::select! {
            ended = serve::serve(listener, router, limits) => ended,
            never = purging(sessions, interval) => match never {},
        }
    }

    /// [`run`](Self::run) on the address that the command line of the program asks for, as
    /// `flask run` does: `--host`, `--port` and `--debug`; `--help` explains them.
    ///
    /// # Errors
    /// As [`run`](Self::run), and for arguments that make no sense.
    #[doc(alias = "flask run")]
    pub async fn run_from_args(self) -> std::result::Result<(), AppError> {
        let Some((address, debug)) = parse(std::env::args().skip(1))? else {
            serve::print_help(&self.name);
            return Ok(());
        };
        let debug = debug || self.debug;
        self.debug(debug).run(&address).await
    }

    fn fail(&mut self, problem: AppError) {
        self.problem.get_or_insert(problem);
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.name).field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// The outermost layer: makes the request the current one, and gives a failure its page.
async fn in_context(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let debug = shared.debug;
    let context = Arc::new(RequestContext::new(shared, &request));
    if !context.has_trusted_host() {
        tracing::debug!(host = context.named_host(), "a request names a host that the app does not trust");
        return pages::untrusted_host(context.named_host());
    }
    if hosts::has_bad_label(context.host()) {
        return pages::bad_request(None);
    }
    let response = Scoped { request: context, handler: next.run(request) }.await;
    pages::explain(response, debug)
}

/// Purges the store of the sessions, if there is one and it is requested, until this is dropped.
#[cfg_attr(
    not(feature = "store"),
    expect(unused_variables, reason = "without stores there is nothing to purge")
)]
async fn purging(sessions: Sessions, interval: Option<Duration>) -> Infallible {
    #[cfg(feature = "store")]
    if let Some(interval) = interval {
        return sessions.purge_every(interval).await;
    }
    std::future::pending().await
}

/// The address and whether to debug; `None` if help is wanted.
fn parse(
    mut arguments: impl Iterator<Item = String>,
) -> std::result::Result<Option<(String, bool)>, AppError> {
    let (mut host, mut port, mut debug) = ("127.0.0.1".to_owned(), 5000, false);
    while let Some(argument) = arguments.next() {
        let (name, given) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let mut value = || given.clone().or_else(|| arguments.next());
        match name.as_str() {
            "--help" => return Ok(None),
            "--host" | "-h" => {
                host = value().ok_or_else(|| AppError::Arguments("--host needs an address".into()))?
            }
            "--port" | "-p" => {
                let number = value().and_then(|value| value.parse::<u16>().ok());
                port =
                    number.ok_or_else(|| AppError::Arguments("--port needs a number up to 65535".into()))?;
            }
            "--debug" => debug = true,
            other => return Err(AppError::Arguments(format!("{other} is unknown"))),
        }
    }
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Ok(Some((address, debug)))
}

/// Renders a template of the app that handles the current request: Flask's `render_template`.
///
/// ```
/// use axum::response::Html;
/// use hipflask::{Result, context, render_template};
///
/// async fn page() -> Result<Html<String>> {
///     Ok(render_template("page.html", context! { title => "Hello" }).await?)
/// }
/// ```
///
/// It is `async` because a session in a store has to be loaded before the template can use it.
///
/// # Errors
/// [`TemplateError`] if there is no such template, something in it fails, or no app is handling a
/// request here.
pub async fn render_template(
    name: &str,
    context: impl Into<Jinja>,
) -> std::result::Result<Html<String>, TemplateError> {
    let app = current_templates()?;
    load_session().await?;
    app.shared.templates.render(name, context).map(Html)
}

/// Renders a template that is given as text: Flask's `render_template_string`. The text must be the
/// program's own.
///
/// # Errors
/// As [`render_template`].
pub async fn render_template_string(
    source: &str,
    context: impl Into<Jinja>,
) -> std::result::Result<Html<String>, TemplateError> {
    let app = current_templates()?;
    load_session().await?;
    app.shared.templates.render_string(source, context).map(Html)
}

/// Loads a session that is in a store, and the user that is logged in, because templates cannot wait.
async fn load_session() -> std::result::Result<(), TemplateError> {
    match crate::current() {
        Some(request) => {
            request.load().await.map_err(TemplateError::of)?;
            // Flask-Login loads the user of every page.
            preload(&request).await.map_err(TemplateError::of)
        }
        None => Ok(()),
    }
}

fn current_templates() -> std::result::Result<Arc<RequestContext>, TemplateError> {
    context::current().ok_or_else(TemplateError::outside_request)
}

/// The URL of a route of the app that handles the current request: Flask's `url_for`. With values
/// it is the macro of the same name.
///
/// ```
/// use hipflask::url_for;
///
/// async fn links() -> hipflask::Result<String> {
///     let home = url_for("index")?;                                     // /
///     let user = url_for!("user", name = "Ada L", page = 2, _anchor = "top")?; // /user/Ada%20L?page=2#top
///     Ok(format!("{home} {user}"))
/// }
/// ```
///
/// # Errors
/// [`UrlError`] if there is no such route, a value is missing, or no app is handling a request here.
pub fn url_for(endpoint: &str) -> std::result::Result<String, UrlError> {
    url_for_with(endpoint, &[])
}

/// [`url_for`] with values: what the macro calls. Names that the path has no place for go into the
/// query; `_anchor`, `_external` and `_scheme` mean what they mean in Flask.
///
/// # Errors
/// As [`url_for`].
pub fn url_for_with(
    endpoint: &str,
    values: &[(&str, &dyn fmt::Display)],
) -> std::result::Result<String, UrlError> {
    let mut all = Values::default();
    values.iter().for_each(|(name, value)| all.push(name, vec![value.to_string()]));
    build_url(endpoint, all)
}

/// The URL of a route with values; see [the function](fn@crate::url_for).
#[macro_export]
macro_rules! url_for {
    ($endpoint:expr $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::url_for_with($endpoint, &[$((stringify!($name), &$value as &dyn ::std::fmt::Display)),*])
    };
}

fn build_url(endpoint: &str, mut values: Values) -> std::result::Result<String, UrlError> {
    let request = context::current().ok_or(UrlError::OutsideRequest)?;
    let anchor = values.take("_anchor");
    let scheme = values.take("_scheme");
    let external = values.take("_external").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let path = request.shared.urls.build(endpoint, &mut values)?;
    let mut url = String::new();
    if external || scheme.is_some() {
        match scheme.as_deref().unwrap_or(request.scheme()) {
            "" => {}
            "https" | "wss" => url.push_str("https:"),
            _ => url.push_str("http:"),
        }
        url.push_str("//");
        url.push_str(&request.host().to_ascii_lowercase());
    }
    // One slash before the path, as in Werkzeug: browsers take what follows two for a host.
    let prefix = request.prefix.trim_matches('/');
    if !prefix.is_empty() {
        url.push('/');
        url.push_str(prefix);
    }
    url.push('/');
    url.push_str(path.trim_start_matches('/'));
    if let Some(anchor) = anchor {
        url.push('#');
        quote(&mut url, &anchor, b"%!#$&'()*+,/:;=?@");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn command_line_is_that_of_flask_run() {
        let of = |words: &[&str]| parse(words.iter().map(|&word| word.to_owned()));
        let served = |words: &[&str]| of(words).unwrap().unwrap();
        assert_eq!(served(&[]), ("127.0.0.1:5000".into(), false));
        assert_eq!(served(&["-h", "::1", "-p", "0", "--debug"]), ("[::1]:0".into(), true));
        assert_eq!(served(&["--host=0.0.0.0", "--port=81"]), ("0.0.0.0:81".into(), false));
        assert!(of(&["--port", "0", "--help"]).unwrap().is_none());
        for (words, complaint) in [
            (&["--prot"][..], "--prot is unknown"),
            (&["--port", "x"], "a number"),
            (&["--host"], "an address"),
        ] {
            assert!(of(words).unwrap_err().to_string().contains(complaint), "{words:?}");
        }
    }
}
