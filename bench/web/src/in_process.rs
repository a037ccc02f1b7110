//! Calls the apps as functions: no sockets, no HTTP, one thread.

use std::future::Future;
use std::rc::Rc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service as ActixService, ServiceResponse};
use actix_web::rt::{System, SystemRunner};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, Uri, header};
use axum::routing::RouterIntoService;
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use crate::measure::{Plan, Row, measure, processor_time};
use crate::on_actix::with_app;
use crate::on_axum;
use crate::operations::{Operation, fill_path};
use crate::payload::{M, Payload, S};
use crate::peer::{Peer, is_wanted};
use crate::visit::{Reply, Visitor};

/// A measured row.
pub struct Timed {
    pub peer: Peer,
    pub operation: Operation,
    pub payload: Payload,
    pub ns: f64,
    pub set_cookies: usize,
}

/// An app that can be called.
trait App: 'static {
    type Response;
    fn ask(&mut self, request: &Ask) -> impl Future<Output = Self::Response>;
    /// Returns the whole body and the number of `Set-Cookie` headers.
    fn body(response: Self::Response) -> impl Future<Output = (Bytes, usize)>;
    fn reply(response: Self::Response) -> impl Future<Output = Reply>;
}

/// A request that is repeated, in both frameworks' types.
struct Ask {
    uri: Uri,
    cookie: HeaderValue,
    actix_uri: actix_http::Uri,
    actix_cookie: actix_http::header::HeaderValue,
}

impl Ask {
    fn new(path: &str, cookie: &str) -> Self {
        // Slices of the input, as a parser returns them.
        let bytes = Bytes::copy_from_slice(cookie.as_bytes());
        Self {
            uri: path.parse().expect("a path"),
            cookie: HeaderValue::from_maybe_shared(bytes.clone()).expect("a cookie"),
            actix_uri: path.parse().expect("a path"),
            actix_cookie: actix_http::header::HeaderValue::from_maybe_shared(bytes).expect("a cookie"),
        }
    }
}

impl App for RouterIntoService<Body> {
    type Response = Response<Body>;

    async fn ask(&mut self, ask: &Ask) -> Response<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = ask.uri.clone();
        request.headers_mut().insert(header::COOKIE, ask.cookie.clone());
        self.call(request).await.unwrap_or_else(|never| match never {})
    }

    async fn body(mut response: Response<Body>) -> (Bytes, usize) {
        let cookies = response.headers().get_all(header::SET_COOKIE).iter().count();
        let frame = response.body_mut().frame().await.and_then(Result::ok);
        (frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default(), cookies)
    }

    async fn reply(response: Response<Body>) -> Reply {
        let (head, body) = response.into_parts();
        let texts = |name| head.headers.get_all(name).iter().map(text).collect::<Vec<_>>();
        Reply {
            status: head.status.as_u16(),
            set_cookies: texts(header::SET_COOKIE),
            varies: texts(header::VARY).iter().any(|line| line.contains("Cookie")),
            body: lossy(&body.collect().await.map(|body| body.to_bytes()).unwrap_or_default()),
        }
    }
}

struct Actix<S>(S);

impl<S, B> App for Actix<S>
where
    S: ActixService<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;

    async fn ask(&mut self, ask: &Ask) -> ServiceResponse<B> {
        let mut request = actix_http::Request::new();
        let head = request.head_mut();
        head.uri = ask.actix_uri.clone();
        head.headers.insert(actix_http::header::COOKIE, ask.actix_cookie.clone());
        self.0.call(request).await.expect("the app answers")
    }

    async fn body(response: ServiceResponse<B>) -> (Bytes, usize) {
        let cookies = response.headers().get_all(actix_http::header::SET_COOKIE).count();
        (response.into_body().try_into_bytes().unwrap_or_default(), cookies)
    }

    async fn reply(response: ServiceResponse<B>) -> Reply {
        let texts = |name| {
            let lines = response.headers().get_all(name);
            lines.map(|line| lossy(line.as_bytes())).collect::<Vec<_>>()
        };
        Reply {
            status: response.status().as_u16(),
            set_cookies: texts(actix_http::header::SET_COOKIE),
            varies: texts(actix_http::header::VARY).iter().any(|line| line.contains("Cookie")),
            body: lossy(&response.into_body().try_into_bytes().unwrap_or_default()),
        }
    }
}

fn text(value: &HeaderValue) -> String {
    lossy(value.as_bytes())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Measures all rows whose name contains `only`.
pub fn run(plan: Plan, only: &str) -> Result<Vec<Timed>, String> {
    let system = Rc::new(System::new());
    let (mut rows, mut about) = (Vec::new(), Vec::new());
    for operation in Operation::ALL {
        for payload in [S, M] {
            for peer in Peer::ALL {
                if !is_wanted(only, operation, payload, peer) {
                    continue;
                }
                let name = format!("{}/{}/{}", operation.name(), payload.name, peer.name());
                let visitor = Visitor::new(peer, operation, payload);
                let (row, set_cookies) = row(&system, name, visitor, peer, operation, payload)?;
                rows.push(row);
                about.push((peer, operation, payload, set_cookies));
            }
        }
    }
    if rows.is_empty() {
        return Err(format!("no row's name contains `{only}`"));
    }
    measure(&mut rows, plan, |round| {
        if round % 10 == 0 {
            eprint!("\r{} rows, round {round} of {} ", about.len(), plan.rounds);
        }
    });
    eprintln!("\r{:<40}\r", "");
    let timed = |(row, (peer, operation, payload, set_cookies)): (&Row, _)| Timed {
        peer,
        operation,
        payload,
        ns: row.median(),
        set_cookies,
    };
    Ok(rows.iter().zip(about).map(timed).collect())
}

fn row(
    system: &Rc<SystemRunner>,
    name: String,
    visitor: Visitor,
    peer: Peer,
    operation: Operation,
    payload: Payload,
) -> Result<(Row, usize), String> {
    if peer.framework() == Peer::Axum {
        // Turns every handler into a service once, as a server does, not for each request.
        let app = system.block_on(async { on_axum::app(peer).await.with_state(()) }).into_service();
        return row_of(system.clone(), name, app, visitor, operation, payload);
    }
    with_app!(peer, make => {
        let app = Actix(system.block_on(actix_web::test::init_service(make())));
        row_of(system.clone(), name, app, visitor, operation, payload)
    })
}

/// Fills the session, checks one request thoroughly, and then repeats it for the measurement.
fn row_of<A: App>(
    system: Rc<SystemRunner>,
    name: String,
    mut app: A,
    mut visitor: Visitor,
    operation: Operation,
    payload: Payload,
) -> Result<(Row, usize), String> {
    let path = operation.path(payload);
    let filled = system
        .block_on(async { A::reply(app.ask(&Ask::new(&fill_path(payload), &visitor.cookie())).await).await });
    visitor.keep(&filled)?;
    for _ in 0..2 {
        system.block_on(check(&mut app, &mut visitor, &path))?;
    }
    let set_cookies = visitor.set_cookies();
    let run = move |times: u32| {
        system.block_on(async {
            let ask = Ask::new(&path, &visitor.cookie());
            let mut expected = visitor.expected();
            let start = processor_time();
            for _ in 0..times {
                let (body, cookies) = A::body(app.ask(&ask).await).await;
                assert!(expected.is_met(&body, cookies), "{}", visitor.complain("a wrong answer"));
            }
            let taken = processor_time() - start;
            visitor.went_by(times.into());
            // The session contains what the last round wrote.
            check(&mut app, &mut visitor, &path).await.unwrap_or_else(|wrong| panic!("{wrong}"));
            taken
        })
    };
    Ok((Row::measured_elsewhere(name, run), set_cookies))
}

async fn check<A: App>(app: &mut A, visitor: &mut Visitor, path: &str) -> Result<(), String> {
    let reply = A::reply(app.ask(&Ask::new(path, &visitor.cookie())).await).await;
    visitor.check(&reply)
}
