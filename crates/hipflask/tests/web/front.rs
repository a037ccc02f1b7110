//! One app on two frameworks, so that both get the same requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hipflask::{Compression, Session, SessionError, Sessions, SessionsBuilder};
use hipflask_testkit::clock::Clock;

/// The clock of the engine that [`sessions`] makes.
pub(crate) const NOW: u64 = 1_700_000_000;

/// The fronts that every shared test runs on.
pub(crate) const FRONTS: [&dyn Front; 2] = [&Axum, &Actix];

/// An engine with Flask's rules, the key that the judge uses unless told otherwise, and a clock that stands.
pub(crate) fn builder() -> SessionsBuilder {
    let clock = Clock::at(NOW);
    Sessions::builder()
        .secret_key("k")
        .compression(Compression::Never)
        .leeway(std::time::Duration::ZERO)
        .clock(move || clock.now())
}

pub(crate) fn sessions() -> Sessions {
    builder().build().unwrap()
}

/// The `Cookie` header of a visitor whose session holds what `fill` puts in.
pub(crate) fn cookie(
    sessions: &Sessions,
    fill: impl FnOnce(&mut hipflask::hipflask_core::session::SessionDict),
) -> String {
    let mut session = hipflask::hipflask_core::session::SessionDict::new();
    fill(&mut session);
    format!("{}={}", sessions.cookie().name(), sessions.sign(&session).unwrap())
}

/// A request.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Ask {
    pub(crate) fn new(method: &'static str, path: &'static str) -> Self {
        Self { method, path, headers: vec![] }
    }

    pub(crate) fn get(path: &'static str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn cookie(self, line: impl Into<String>) -> Self {
        self.header("cookie", line)
    }
}

/// The result of a view.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl From<&str> for Reply {
    fn from(body: &str) -> Self {
        Self { status: 200, headers: vec![], body: body.into() }
    }
}

impl From<String> for Reply {
    fn from(body: String) -> Self {
        body.as_str().into()
    }
}

impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self { status, ..Self::from("") }
    }
}

impl Reply {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// All values of the header, in their order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(held, _)| held == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.all("set-cookie")
    }

    pub(crate) fn vary(&self) -> Vec<&str> {
        self.all("vary")
    }

    /// The session in the cookie that the response sets.
    pub(crate) fn session(
        &self,
        sessions: &Sessions,
    ) -> Option<hipflask::hipflask_core::session::SessionDict> {
        let start = format!("{}=", sessions.cookie().name());
        let value = self.set_cookies().into_iter().find_map(|line| line.strip_prefix(&start))?;
        Some(sessions.verify(value.split(';').next()?).unwrap())
    }

    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        assert_eq!((self.set_cookies(), self.vary()), (vec![], vec![]));
    }
}

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The view at `/` for GET, HEAD and POST; it gets the number of the request. It is below a
/// middleware that obeys the request headers `x-stop` (answers 401 instead of the view, having set
/// `stopped`) and `x-after` (sets `after` when the view has answered). At `/extracted` a view takes
/// `Session` as its argument and tells `username`.
pub(crate) type View = Arc<dyn Fn(usize) -> Boxed<Result<Reply, SessionError>> + Send + Sync>;

pub(crate) fn view<F, R>(run: impl Fn(usize) -> F + Send + Sync + 'static) -> View
where
    F: Future<Output = Result<R, SessionError>> + Send + 'static,
    R: Into<Reply>,
{
    let run = Arc::new(run);
    Arc::new(move |number| {
        let running = run(number);
        Box::pin(async move { running.await.map(Into::into) })
    })
}

/// A view that does this with the session.
pub(crate) fn with_session(
    work: impl Fn(&Session) -> Result<(), SessionError> + Send + Sync + 'static,
) -> View {
    let work = Arc::new(work);
    view(move |_| {
        let work = work.clone();
        async move { work(&hipflask::session().await?).map(|()| "done") }
    })
}

/// A view that leaves the session alone.
pub(crate) fn untouched() -> View {
    view(async |_| Ok("done"))
}

async fn stop() -> Result<(), SessionError> {
    hipflask::session().await?.set("stopped", true)
}

async fn after() -> Result<(), SessionError> {
    hipflask::session().await?.set("after", true)
}

async fn extracted(session: Session) -> Result<String, SessionError> {
    Ok(session.get::<String>("username")?.unwrap_or_else(|| "nobody".into()))
}

/// A framework with that app in it.
pub(crate) trait Front: Sync {
    fn name(&self) -> &'static str;

    /// Sends the requests one after another and gives what came back.
    fn answer_all(&self, sessions: &Sessions, view: View, asks: Vec<Ask>) -> Vec<Answer>;

    /// One request to an app whose errors of the session have a page of their own: `the page of a 503`.
    fn answer_with_page(&self, sessions: &Sessions, view: View, ask: Ask) -> Answer;

    fn answer(&self, sessions: &Sessions, view: View, ask: Ask) -> Answer {
        self.answer_all(sessions, view, vec![ask]).remove(0)
    }
}

/// tower and axum.
pub(crate) struct Axum;

impl Front for Axum {
    fn name(&self) -> &'static str {
        "axum"
    }

    fn answer_all(&self, sessions: &Sessions, view: View, asks: Vec<Ask>) -> Vec<Answer> {
        let app = on_axum::app(view).layer(sessions.layer());
        block_on(async move {
            let mut answers = Vec::new();
            for (number, ask) in asks.into_iter().enumerate() {
                answers.push(on_axum::send(app.clone(), ask, number).await);
            }
            answers
        })
    }

    fn answer_with_page(&self, sessions: &Sessions, view: View, ask: Ask) -> Answer {
        use axum::response::IntoResponse as _;
        let layer = sessions.layer().error_page(|error: &SessionError| {
            let (status, text) = page(error);
            (http::StatusCode::from_u16(status).unwrap(), text).into_response()
        });
        block_on(on_axum::send(on_axum::app(view).layer(layer), ask, 0))
    }
}

fn page(error: &SessionError) -> (u16, String) {
    (error.status().as_u16(), format!("the page of a {}", error.status().as_u16()))
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Waits for a future that is ready at once, also inside of a runtime.
pub(crate) fn block_on_inside<T>(future: impl Future<Output = T>) -> T {
    let polled = std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    match polled {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

pub(crate) mod on_axum {
    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::HeaderMap;
    use axum::middleware::{Next, from_fn};
    use axum::response::{IntoResponse as _, Response};
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::{Answer, Ask, Reply, View};

    pub(crate) fn app(view: View) -> Router {
        let view = move |headers: HeaderMap| {
            let number = headers["x-number"].to_str().unwrap().parse().unwrap();
            let answering = view(number);
            async move { answering.await.map(response) }
        };
        Router::new()
            .route("/", get(view.clone()).post(view))
            .route("/extracted", get(super::extracted))
            .layer(from_fn(obey))
    }

    async fn obey(request: Request, next: Next) -> Response {
        let headers = request.headers();
        let (stop, after) = (headers.contains_key("x-stop"), headers.contains_key("x-after"));
        if stop {
            super::stop().await.unwrap();
            return http::StatusCode::UNAUTHORIZED.into_response();
        }
        let response = next.run(request).await;
        if after {
            super::after().await.unwrap();
        }
        response
    }

    fn response(reply: Reply) -> Response {
        let mut response = http::Response::builder().status(reply.status);
        for (name, value) in reply.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(reply.body)).unwrap()
    }

    pub(crate) async fn send(app: Router, ask: Ask, number: usize) -> Answer {
        let mut request = Request::builder().method(ask.method).uri(ask.path).header("x-number", number);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        read(response).await
    }

    pub(crate) async fn read(response: Response) -> Answer {
        let (head, body) = response.into_parts();
        let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Answer {
            status: head.status.as_u16(),
            headers: head.headers.iter().map(pair).collect(),
            body: String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap(),
        }
    }
}

/// actix-web.
pub(crate) struct Actix;

impl Front for Actix {
    fn name(&self) -> &'static str {
        "actix-web"
    }

    fn answer_all(&self, sessions: &Sessions, view: View, asks: Vec<Ask>) -> Vec<Answer> {
        use actix_web::dev::Service as _;
        actix_web::rt::System::new().block_on(async move {
            let app = actix_web::test::init_service(on_actix::app(view).wrap(sessions.middleware())).await;
            let mut answers = Vec::new();
            for (number, ask) in asks.into_iter().enumerate() {
                let request = on_actix::request(ask, number).to_request();
                answers.push(on_actix::answer(app.call(request).await).await);
            }
            answers
        })
    }

    fn answer_with_page(&self, sessions: &Sessions, view: View, ask: Ask) -> Answer {
        use actix_web::dev::Service as _;
        let middleware = sessions.middleware().error_page(|error| {
            let (status, text) = page(error);
            actix_web::HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap()).body(text)
        });
        actix_web::rt::System::new().block_on(async move {
            let app = actix_web::test::init_service(on_actix::app(view).wrap(middleware)).await;
            on_actix::answer(app.call(on_actix::request(ask, 0).to_request()).await).await
        })
    }
}

pub(crate) mod on_actix {
    use actix_web::body::{BoxBody, MessageBody, to_bytes};
    use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
    use actix_web::http::header::{HeaderName, HeaderValue};
    use actix_web::http::{Method, StatusCode};
    use actix_web::middleware::{Next, from_fn};
    use actix_web::{App, Error, HttpRequest, HttpResponse, test, web};

    use super::{Answer, Ask, Reply, View};

    pub(crate) fn app(
        view: View,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        >,
    > {
        let view = move |request: HttpRequest| {
            let number = request.headers().get("x-number").unwrap().to_str().unwrap().parse().unwrap();
            let answering = view(number);
            async move { answering.await.map(response) }
        };
        let at_root = web::resource("/")
            .route(web::get().to(view.clone()))
            .route(web::head().to(view.clone()))
            .route(web::post().to(view));
        App::new().service(at_root).route("/extracted", web::get().to(super::extracted)).wrap(from_fn(obey))
    }

    async fn obey(
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let wants = |name| request.headers().contains_key(name);
        let (stop, after) = (wants("x-stop"), wants("x-after"));
        if stop {
            super::stop().await.unwrap();
            return Ok(request.into_response(HttpResponse::Unauthorized().finish()));
        }
        let response = next.call(request).await?;
        if after {
            super::after().await.unwrap();
        }
        Ok(response.map_into_boxed_body())
    }

    fn response(reply: Reply) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(reply.status).unwrap());
        for header in reply.headers {
            response.append_header(header);
        }
        response.body(reply.body)
    }

    pub(crate) fn request(ask: Ask, number: usize) -> test::TestRequest {
        let method = Method::from_bytes(ask.method.as_bytes()).unwrap();
        let request = test::TestRequest::with_uri(ask.path).method(method);
        let request = request.insert_header(("x-number", number));
        ask.headers.into_iter().fold(request, |request, header| request.append_header(header))
    }

    pub(crate) async fn answer<B: MessageBody>(response: Result<ServiceResponse<B>, Error>) -> Answer {
        match response {
            Ok(response) => read(response.into_parts().1).await,
            Err(error) => read(error.error_response()).await,
        }
    }

    async fn read<B: MessageBody>(response: HttpResponse<B>) -> Answer {
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let (status, headers) = (response.status().as_u16(), response.headers().iter().map(pair).collect());
        let body = to_bytes(response.into_body()).await.unwrap_or_default();
        Answer { status, headers, body: String::from_utf8(body.into()).unwrap() }
    }
}
