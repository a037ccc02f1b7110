//! `SESSION_SERIALIZATION_FORMAT`, as we and Flask-Session read it.

use hipflask::{Sessions, Value};
use hipflask_testkit::servers::{FlaskSession, Redis};
use serde_json::json;

/// Both sides with the same setting, and then with different ones, share one session.
#[tokio::test(flavor = "multi_thread")]
async fn configured_format_shared_with_real_flask_real_server() {
    let server = Redis::start().unwrap();
    for (ours, theirs) in [("json", "json"), ("msgpack", "msgpack"), ("json", "msgpack"), ("msgpack", "json")]
    {
        let settings = [
            ("SESSION_TYPE", "redis"),
            ("SESSION_REDIS", &server.url()),
            ("SESSION_SERIALIZATION_FORMAT", ours),
        ];
        let variables = settings.map(|(name, value)| (format!("FLASK_{name}"), value.to_owned()));
        let builder = Sessions::builder().variables("FLASK", variables).unwrap();
        let sessions = builder.connect().await.unwrap().build().unwrap();
        let mut flask = FlaskSession::on_redis_as(&server.url(), theirs).unwrap();

        // We write, they read and change, we read.
        let request = sessions.begin([""]);
        let session = request.open().await.unwrap();
        session.set("user", "ada").unwrap();
        session.set("cart", vec![("pear", 2)]).unwrap();
        let header = request.finish().await.unwrap().set_cookie.unwrap();
        let cookie = header.split(';').next().unwrap();
        let id = cookie.strip_prefix("session=").unwrap();
        let begin = server.ask(&["getrange", &format!("session:{id}"), "0", "0"]).unwrap();
        assert_eq!(begin == "{", ours == "json", "{begin}");
        let shown = flask.show(id).unwrap().unwrap();
        assert_eq!(shown, json!({"_permanent": true, "user": "ada", "cart": [["pear", 2]]}));
        flask.update(id, &json!({"n": 1})).unwrap();
        let request = sessions.begin([cookie]);
        let session = request.open().await.unwrap();
        assert_eq!(
            session.value("cart").unwrap(),
            Some(Value::List(vec![Value::List(vec!["pear".into(), 2.into()])]))
        );
        assert_eq!(session.increment("n", 1).unwrap(), 2.into());
        let _ = request.finish().await.unwrap();
        assert_eq!(flask.show(id).unwrap().unwrap()["n"], 2);

        // They make one, byte for byte what we write under the same setting.
        let values = json!({"_permanent": true, "user": "bob", "n": 1});
        let id = flask.login(&json!({"user": "bob", "n": 1})).unwrap();
        let request = sessions.begin([format!("session={id}").as_str()]);
        let session = request.open().await.unwrap();
        assert_eq!(session.get::<String>("user").unwrap().as_deref(), Some("bob"));
        session.set("n", 2).unwrap();
        let _ = request.finish().await.unwrap();
        if ours == theirs {
            let key = format!("session:{id}");
            let theirs = flask.record(&json!({"_permanent": true, "user": "bob", "n": 2})).unwrap();
            assert_eq!(server.ask(&["strlen", &key]).unwrap(), theirs.len().to_string());
            if ours == "json" {
                assert_eq!(server.ask(&["get", &key]).unwrap().into_bytes(), theirs);
            }
        }
        assert_ne!(flask.show(&id).unwrap().unwrap(), values);
        flask.logout(&id).unwrap();
        assert!(sessions.begin([format!("session={id}").as_str()]).open().await.unwrap().is_new().unwrap());
    }
}
