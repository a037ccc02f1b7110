//! URLs that an app builds, and the hosts that it answers for.

use std::fmt::Display;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::get;
use hipflask::{App, Result, url_for, url_for_with};
use hipflask_testkit::oracle::RealFlask;
use hipflask_testkit::oracle::serde_json::{Map, Value, json};
use serde::Deserialize;

use crate::{KEY, Reply, send};

/// The URL of a route that is not the one of the request, in an app under `mount`.
async fn built(mount: &str, path: &str, values: Vec<(&'static str, String)>) -> String {
    let build = async move || -> Result<String> {
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, value as &dyn Display)).collect();
        Ok(url_for_with("target", &values)?)
    };
    let app = App::new("urls").secret_key(KEY).route("build", "/build/it", get(build));
    let app = app.route("target", path, get("target"));
    let (router, uri) = if mount.is_empty() {
        (app.into_router().unwrap(), "/build/it".to_owned())
    } else {
        let app = app.application_root(mount).into_router().unwrap();
        (Router::new().nest_service(mount, app), format!("{mount}/build/it"))
    };
    let request = Request::get(uri).header(header::HOST, "h").body(Body::empty()).unwrap();
    send(router, request).await.body
}

#[tokio::test]
async fn a_built_url_never_names_another_host() {
    for (path, value, expected) in [
        ("/{name}", "/evil.example", "/evil.example"),
        ("/{name}", "//evil.example", "/evil.example"),
        ("/{name}", "\\evil.example", "/%5Cevil.example"),
        ("/{name}", "/\\evil.example", "/%5Cevil.example"),
        ("/{name}", "\t/evil.example", "/%09/evil.example"),
        ("/{*name}", "/evil.example", "/evil.example"),
        ("/u/{name}", "/evil.example", "/u//evil.example"),
        ("/{name}", "", "/"),
    ] {
        assert_eq!(built("", path, vec![("name", value.into())]).await, expected, "{path} {value:?}");
        let mounted = built("/pre", path, vec![("name", value.into())]).await;
        assert_eq!(mounted, format!("/pre{expected}"), "{path} {value:?}");
    }
}

const VALUES: [&str; 26] = [
    "ada",
    "5",
    "",
    "/",
    "//",
    "/evil.example",
    "//evil.example",
    "///evil.example/x",
    "\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "http://evil.example",
    ".",
    "..",
    "../x",
    "/../x",
    "?x=1",
    "#x",
    "%2f%2Fevil.example",
    "\t/evil.example",
    "\r\nSet-Cookie: a=b",
    "\u{0}\u{7f}",
    "é/€",
    "😀",
    "a b+c&d=e;f,g:h@i",
    "!$'()*~[]{}|^`<>\"",
];

#[tokio::test]
async fn real_flask_builds_the_same_urls() {
    let rules = [
        ("/<name>", "/{name}"),
        ("/<path:name>", "/{*name}"),
        ("/user/<name>", "/user/{name}"),
        ("/<name>/edit", "/{name}/edit"),
        ("/fixed", "/fixed"),
    ];
    let options: [&[(&str, &str)]; 5] = [
        &[],
        &[("_external", "true")],
        &[("_external", "true"), ("_scheme", "https")],
        &[("_external", "true"), ("_scheme", "javascript")],
        &[("_external", "true"), ("_scheme", "")],
    ];
    let (mut ours, mut cases) = (Vec::new(), Vec::new());
    for (rule, path) in rules {
        for value in VALUES {
            for mount in ["", "/pre"] {
                for options in options {
                    let mut values = Map::from_iter([("name".to_owned(), json!(value))]);
                    values.extend(options.iter().map(|&(name, value)| {
                        (name.to_owned(), if name == "_external" { json!(true) } else { json!(value) })
                    }));
                    cases.push(json!({
                        "rule": rule, "values": values, "base_url": format!("http://h{mount}"),
                    }));
                    let given =
                        [("name", value)].iter().chain(options).map(|&(n, v)| (n, v.to_owned())).collect();
                    ours.push(built(mount, path, given).await);
                }
            }
        }
    }
    #[derive(Deserialize)]
    struct Theirs {
        url: String,
    }
    let question = Map::from_iter([("cases".to_owned(), Value::from(cases.clone()))]);
    let theirs: Vec<Theirs> = RealFlask::start().unwrap().ask("url_for", question).unwrap();
    for ((case, ours), theirs) in cases.iter().zip(ours).zip(theirs) {
        assert_eq!(ours, theirs.url, "{case}");
    }
}

async fn visit(app: App, host: &str) -> Reply {
    let index = async || -> Result<String> { Ok(url_for!("index", _external = true)?) };
    let router = app.secret_key(KEY).route("index", "/", get(index)).into_router().unwrap();
    send(router, Request::get("/").header(header::HOST, host).body(Body::empty()).unwrap()).await
}

const HOSTS: [&str; 31] = [
    "example.org",
    "example.org:80",
    "example.org:443",
    "example.org:8000",
    "example.org:0",
    "example.org:080",
    "example.org:65535",
    "example.org:65536",
    "example.org:99999",
    "example.org:",
    "example.org:8x",
    "EXAMPLE.org",
    "example.org.",
    "www.example.org",
    "a.b.example.org:5000",
    ".example.org",
    "evilexample.org",
    "example.org.evil.example",
    "evil.example",
    "user@example.org",
    "example.org/evil",
    "example.org,evil.example",
    "e\"<script>",
    "exa_mple.org",
    "127.0.0.1:5000",
    "[::1]",
    "[::1]:5000",
    "[not-ip]",
    "a..example.org",
    "a.very-long-label-of-more-than-63-characters-that-no-host-name-can-have.example.org",
    "..",
];

#[tokio::test]
async fn real_flask_trusts_the_same_hosts() {
    let lists = [
        json!(null),
        json!([]),
        json!("example.org"),
        json!(["example.org"]),
        json!([".example.org"]),
        json!(["example.org:8000", "127.0.0.1"]),
        json!(["other.example", ".www.example.org"]),
    ];
    let cases: Vec<Value> = lists
        .iter()
        .flat_map(|trusted| HOSTS.map(|host| json!({ "trusted": trusted, "host": host })))
        .collect();
    #[derive(Deserialize)]
    struct Theirs {
        status: u16,
        page: String,
    }
    let question = Map::from_iter([("cases".to_owned(), Value::from(cases.clone()))]);
    let theirs: Vec<Theirs> = RealFlask::start().unwrap().ask("hosts", question).unwrap();
    for (case, theirs) in cases.iter().zip(theirs) {
        let host = case["host"].as_str().unwrap();
        let setting = match &case["trusted"] {
            Value::Null => String::new(),
            trusted => format!("TRUSTED_HOSTS = {trusted}"),
        };
        let ours = visit(App::new("hosts").toml(&setting), host).await;
        assert_eq!((ours.status, &ours.body), (theirs.status, &theirs.page), "{case}");
    }
}

#[tokio::test]
async fn untrusted_host_gets_a_400() {
    let app = || App::new("hosts").trusted_hosts(["example.org", "[::1]"]);
    let trusted = visit(app(), "example.org:8000").await;
    assert_eq!((trusted.status, trusted.body.as_str()), (200, "http://example.org:8000/"));
    assert_eq!(visit(app(), "[::1]:5000").await.body, "http://[::1]:5000/");
    let refused = visit(app(), "evil.example").await;
    assert_eq!((refused.status, refused.header("set-cookie")), (400, None));
    assert!(refused.body.contains("<p>Host &#39;evil.example&#39; is not trusted.</p>"), "{}", refused.body);
    // No route, no session and no fallback is reached.
    let router = app().secret_key(KEY).fallback(async || "mine").into_router().unwrap();
    let twice = Request::get("/").header(header::HOST, "example.org").header(header::HOST, "evil.example");
    assert_eq!(send(router.clone(), twice.body(Body::empty()).unwrap()).await.status, 400);
    let absolute = Request::get("http://evil.example/").body(Body::empty()).unwrap();
    assert_eq!(send(router.clone(), absolute).await.status, 400);
    assert_eq!(send(router, Request::get("/").body(Body::empty()).unwrap()).await.status, 400);
}

#[test]
fn invalid_trusted_host_is_an_error() {
    for entry in ["", ".", "a..b", "https://example.org", "*.example.org", "exämple.org", "example.org/"] {
        let error = App::new("hosts").secret_key(KEY).trusted_hosts([entry]).into_router().unwrap_err();
        let expected = format!("{entry:?} in the trusted hosts (TRUSTED_HOSTS) is not a host name; ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    let error = App::new("hosts").toml("TRUSTED_HOSTS = 5").into_router().unwrap_err().to_string();
    assert_eq!(error, "TRUSTED_HOSTS is int, but must be a list of host names: [\"example.org\"]");
    assert!(App::new("hosts").toml("TRUSTED_HOST = 'a'").into_router().is_err());
}
