//! Templates compared with real Flask's: the page, and the headers, which carry the session.

#![cfg(feature = "app")]
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use axum::routing::get;
use hipflask::hipflask_core::session::SessionDict;
use hipflask::hipflask_core::time::{DateTime, UnixTime};
use hipflask::hipflask_core::value::Uuid;
use hipflask::{App, Dict, Int, Result, Sessions, Value, context, render_template, render_template_string};
use hipflask_testkit::describe::describe;
use hipflask_testkit::oracle::RealFlask;
use hipflask_testkit::oracle::serde_json::{Map, json};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tower::ServiceExt as _;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Other templates that each snippet can use.
const MACROS: &str = "{% macro greet(name) %}{{ name }} {{ session.msg }}{% endmacro %}";
const BASE: &str =
    "<b>{% block body %}{% endblock %}</b>{% for m in get_flashed_messages() %}[{{ m }}]{% endfor %}";

/// Fragments of Flask apps' templates.
const SNIPPETS: &[&str] = &[
    // reading
    "{{ session['msg'] }}",
    "{{ session.msg }}",
    "{% if 'msg' in session %}\n\t{{ session['msg'] }}\n{% endif %}\n",
    "{% if 'absent' in session %}yes{% else %}no{% endif %}{% if 'absent' not in session %}!{% endif %}",
    "{{ session.absent }}{{ session['absent'] }}{{ session.get('absent') }}",
    "{{ session.get('absent', 'default') }} {{ session.get('msg', 'default') }} {{ session.get('nothing', 1) }}",
    "{{ session.absent is defined }} {{ session.msg is defined }} {{ session.nothing is none }}",
    "{% if session %}full{% else %}empty{% endif %} {{ session|length }}",
    // names that are also attributes
    "{% if 'items' in session %}{{ session['items'] }} {{ session['get'] }}{% endif %}",
    "{{ session.permanent }} {{ session.modified }} {{ session.accessed }}",
    "{% for key, value in session.items() %}{{ key }}={{ value }};{% endfor %}",
    "{% for key in session %}{{ key }} {% endfor %}",
    "{% for key in session.keys() %}{{ key }}|{% endfor %}{% for v in session.values() %}{{ v }}|{% endfor %}",
    "{{ session.items() }}",
    "{{ session.keys()|list }} {{ session.values()|list|length }}",
    "{% for key in session|sort %}{{ key }},{% endfor %}",
    "{% for key, value in session|dictsort %}{{ key }},{% endfor %}",
    "{% for key, value in session|items %}{{ loop.index }}{{ key }},{% endfor %}",
    // printing
    "{{ session }}",
    "{{ session.n }} {{ session.big }} {{ session.f }} {{ session.half }} {{ session.tiny }}",
    "{{ session.yes }} {{ session.nothing }} {{ true }} {{ none }} {{ 1e16 }} {{ 1.0 }} {{ 1.5e300 }}",
    "{{ session.list }} {{ session.pair }} {{ session.item }}",
    "{{ session.markup }} {{ session.bytes }} {{ session.id }} {{ session.when }}",
    "{{ [session.markup, session.bytes, session.id, session.when] }}",
    "{{ session.text }} {{ [session.text] }}",
    "{{ session.list[1] }} {{ session.list[-1] }} {{ session.list[0:2] }} {{ session.pair[0] }}",
    "{{ session.msg|e }} {{ session.msg|safe }} {{ session.markup|e }} {{ session.msg|escape|upper }}",
    "{{ session.msg|string }} {{ session.f|string }} {{ '3'|int + 1 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ 2 ** 10 }}",
    "{{ session.list|join(', ') }} {{ [1.0, 'a<']|join('|') }}",
    "{{ 'a' ~ session.n ~ 'b' }} {{ session.msg ~ '!' }}",
    "{{ session.msg|upper }} {{ 'Hello'.upper() }} {{ 'Hello'.replace('Hello', 'Bye') }} {{ 'a b c'.split() }}",
    "{{ session.msg|length }} {{ session.list|length }} {{ session.item|length }} {{ [2, 1]|first }}",
    "{{ session.get('msg')|tojson }} {{ session.get('list')|tojson }} {{ session.get('item')|tojson }} {{ 0.5|tojson }}",
    "{{ session.msg|urlencode }} {{ session.n|default('d') }} {{ session.absent|default('d') }}",
    "{% autoescape false %}{{ session.msg }}{% endautoescape %} {{ session.msg }}",
    "{% filter upper %}{{ session.msg }}{% endfilter %}",
    "{{ '%s and %s'|format(session.n, session.half) }} {{ '<b>%s</b>'|safe }}",
    "{{ 'x' if session.n == 3 else 'y' }} {{ session.n in [1, 2, 3] }} {{ 3 == 3.0 }} {{ session.n is number }}",
    // nested
    "{{ session['item']['key']['name'] }} {{ session.item.key.name }} {{ session.item.absent }}",
    "{% for item in session['item'].items() %}{{ item }}{% endfor %}",
    "{% for key, value in session['item']['key'].items() %}{{ key }} -> {{ value }};{% endfor %}",
    "{{ session.item.get('absent', 'd') }} {{ 'key' in session.item }} {{ session.item.keys()|list }}",
    "{{ session.item.items() }} {{ session.item.values() }}",
    "{% with item = session['item'] %}{{ item.key.address }}{% endwith %}",
    "{% set n = session.n %}{{ n }} {% for i in range(3) %}{{ i }}{% endfor %}",
    // not touching
    "nothing of the session",
    "{% if false %}{{ session.msg }}{% endif %}untouched",
    // changing
    "{% set _ = session.update({'a': 1, 'b': [1, 'x']}) %}{{ session.a }}",
    "{% set _ = session.update(c=2.5, d=none) %}{{ session.c }}",
    "{% set _ = session.update([('e', (1, 2))]) %}{{ session.e }}",
    "{% set _ = session.update() %}",
    "{{ session.pop('msg') }} {{ session.pop('msg', 'gone') }} {{ session.pop('msg', none) }}",
    "{{ session.setdefault('n', 5) }} {{ session.setdefault('new', 5) }} {{ session.setdefault('none') }}",
    "{% set _ = session.clear() %}{{ session|length }}",
    "{{ session.popitem() }}",
    "{% set _ = session.update({'m': session.get('markup', 1)}) %}{{ session.m }}",
    "{{ session.copy() == session.copy() }} {{ session.modified }}",
    // flashes
    "{{ get_flashed_messages() }}",
    "{{ get_flashed_messages(with_categories=true) }}",
    "{% for category, message in get_flashed_messages(with_categories=True) %}<li class={{ category }}>{{ message }}</li>{% endfor %}",
    "{{ get_flashed_messages(category_filter=['error']) }}{{ get_flashed_messages() }}",
    "{{ get_flashed_messages(true, ['message']) }}",
    "{{ get_flashed_messages(category_filter='error,info') }}",
    "{% with messages = get_flashed_messages() %}{% if messages %}{% for m in messages %}<li>{{ m }}</li>{% endfor %}{% endif %}{% endwith %}",
    // url_for and request
    "{{ url_for('index') }} {{ url_for('user', name='a b/ü<') }} {{ url_for('files', path='a/b c') }}",
    "{{ url_for('index', q='a b&c=d', page=2, t=true, n=none) }} <a href=\"{{ url_for('index', b=1, a=[1, 2]) }}\">",
    "{{ url_for('index', _anchor='top of page') }} {{ url_for('user', name='x', _external=true) }}",
    "{{ url_for('user', name='a b/c?d&e=f#g%é\\'\"<>~[]@:;,+$!*()', q='a b/c?d&e=f#g%é\\'\"<>~[]@:;,+$!*()') }}",
    "{{ url_for('index', _external=true, _scheme='https') }} {{ url_for('user') }}",
    "{{ request.method }} {{ request.path }} {{ request.args.x }} {{ request.args.get('y', 'no') }}",
    "{{ request.url }} {{ request.base_url }} {{ request.host }} {{ request.full_path }} {{ request.endpoint }}",
    "{{ request.url_root }} {{ request.host_url }} {{ request.scheme }} {{ request.is_secure }} {{ request.referrer }}",
    // other templates
    "{% import 'macros.html' as m %}{{ m.greet('Ada') }}",
    "{% from 'macros.html' import greet with context %}{{ greet('<Ada>') }}",
    "{% extends 'base.html' %}{% block body %}{{ session.msg }}{% endblock %}",
    "{% include 'macros.html' %}{# a comment #}{% raw %}{{ session.msg }}{% endraw %}",
    "{%- if session.n -%} tight {%- endif %}\n\n",
    "{{ session.msg == session['msg'] }} {{ not session }}",
];

#[test]
fn real_flask_templates_print_and_save_alike() {
    let cases = cases();
    let question = cases.iter().map(Case::question).collect();
    let mut flask = RealFlask::start().unwrap();
    let expected: Vec<Theirs> =
        flask.ask("render", Map::from_iter([("cases".to_owned(), question)])).unwrap();
    let differences: Vec<String> =
        cases.iter().zip(&expected).filter_map(|(case, flask)| case.difference(flask)).collect();
    assert!(differences.is_empty(), "{} of {}\n{}", differences.len(), cases.len(), differences.join("\n"));
}

/// Real Flask's answer: a page with headers, or an error.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Theirs {
    Page {
        page: String,
        headers: Vec<(String, String)>,
    },
    #[expect(dead_code, reason = "shown by a failed test")]
    Error {
        error: String,
        message: String,
    },
}

struct Case {
    session: Dict,
    template: &'static str,
    /// The name decides if the page is escaped; none is a template from a string.
    name: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let of = |template| {
        let sessions = [full(), Dict::new(), flashes()].map(|session| Case { session, template, name: None });
        // Whether a macro escapes is decided by the page here, and by the macro's own file in Jinja2.
        let names = ["page.html", if template.contains("import") { "page.xml" } else { "page.txt" }];
        sessions.into_iter().chain(names.map(|name| Case { session: full(), template, name: Some(name) }))
    };
    SNIPPETS.iter().copied().flat_map(of).collect()
}

fn full() -> Dict {
    let names = Dict::from([("name", "Soumitra"), ("address", "Earth")]);
    Dict::from([
        ("msg", Value::from("Hello <'\"&/>")),
        ("items", "a key called items".into()),
        ("get", 1.into()),
        ("permanent", "a key called permanent".into()),
        ("n", 3.into()),
        ("big", Int::parse(b"123456789012345678901234567890123456789012345").unwrap().into()),
        ("f", 1e16.into()),
        ("half", 0.5.into()),
        ("tiny", 0.00001.into()),
        ("yes", true.into()),
        ("nothing", Value::None),
        ("list", Value::List(vec![1.into(), "it's".into(), Value::None, 2.0.into()])),
        ("pair", Value::Tuple(vec!["a".into()])),
        ("item", Dict::from([("key", names)]).into()),
        ("markup", Value::Markup("<b>bold</b>".into())),
        ("bytes", Value::Bytes(b"a\x00'".to_vec())),
        ("id", Uuid::from_u128(1).into()),
        ("when", DateTime::from_unix_time(NOW).unwrap().into()),
        ("text", "zwölf \u{1F600} \n tab\t".into()),
    ])
}

fn flashes() -> Dict {
    let flash = |category: &str, message: &str| Value::Tuple(vec![category.into(), message.into()]);
    Dict::from([("_flashes", Value::List(vec![flash("message", "one & only"), flash("error", "<two>")]))])
}

impl Case {
    fn question(&self) -> hipflask_testkit::oracle::serde_json::Value {
        json!({
            "session": describe(&Value::Dict(self.session.clone())),
            "template": self.template,
            "name": self.name,
            "templates": {"macros.html": MACROS, "base.html": BASE},
        })
    }

    fn difference(&self, theirs: &Theirs) -> Option<String> {
        let ours = self.ours();
        match (&ours, theirs) {
            (Ok((page, headers)), Theirs::Page { page: expected, headers: expected_headers })
                if page == expected && opened(headers) == opened(expected_headers) =>
            {
                None
            }
            (Err(_), Theirs::Error { .. }) => None,
            _ => {
                let about = (self.template, self.session.len(), self.name);
                Some(format!("{about:?}\n   ours {ours:?}\n  flask {theirs:?}"))
            }
        }
    }

    /// The page and the headers, or the page that explains an error.
    fn ours(&self) -> Result<(String, Vec<(String, String)>), String> {
        let sessions = sessions();
        let session = SessionDict::from_dict(self.session.clone());
        let mut request = Request::get("/page?x=1").header(header::HOST, "localhost");
        if !session.is_empty() {
            let cookie = format!("session={}", sessions.sign(&session).unwrap());
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::empty()).unwrap();
        let router = self.app().sessions(sessions).into_router().map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (head, body) = router.oneshot(request).await.unwrap().into_parts();
            let page = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            if head.status.is_success() { Ok((page, of_session(&head.headers))) } else { Err(page) }
        })
    }

    fn app(&self) -> App {
        let (template, name) = (self.template, self.name);
        let page = async move || match name {
            Some(name) => render_template(name, context! {}).await,
            None => render_template_string(template, context! {}).await,
        };
        let app = App::new("templates")
            .template("macros.html", MACROS)
            .template("base.html", BASE)
            .route("index", "/", get(""))
            .route("user", "/user/{name}", get(""))
            .route("files", "/files/{*path}", get(""))
            .route("page", "/page", get(page));
        match name {
            Some(name) => app.template(name, template),
            None => app,
        }
    }
}

fn sessions() -> Sessions {
    Sessions::builder().secret_key("k").clock(|| NOW).build().unwrap()
}

/// The headers with what is in the cookie in place of its value, which depends on a build of zlib.
fn opened(headers: &[(String, String)]) -> Vec<(String, String)> {
    let open = |value: &String| match value.strip_prefix("session=").and_then(|rest| rest.split_once(';')) {
        Some((cookie, attributes)) if !cookie.is_empty() => {
            let session = sessions().verify(cookie).unwrap();
            format!("{};{attributes}", describe(&Value::Dict(session.to_dict())))
        }
        _ => value.clone(),
    };
    headers.iter().map(|(name, value)| (name.clone(), open(value))).collect()
}

/// In Flask's order.
fn of_session(headers: &HeaderMap) -> Vec<(String, String)> {
    let lines = |name: &'static str| {
        headers.get_all(name).iter().map(move |value| (name.to_owned(), value.to_str().unwrap().to_owned()))
    };
    lines("Vary").chain(lines("Set-Cookie")).collect()
}
