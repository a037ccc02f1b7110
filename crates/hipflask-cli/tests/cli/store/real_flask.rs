//! Sessions that real Flask-Session wrote.

use hipflask_testkit::oracle::RealFlask;
use hipflask_testkit::servers::{FlaskSession, Redis};
use serde_json::json;

use super::copying::copy;
use super::{Filled, counts, key, lines, store};

#[test]
fn real_flask_session_moves_from_redis_to_sql() {
    let server = Redis::start().unwrap();
    let mut flask = FlaskSession::on_redis(&server.url()).unwrap();
    let ada = flask.login(&json!({"user": "ada", "api_key": "s3cret"})).unwrap();
    let bob = flask.login(&json!({"user": "bob"})).unwrap();
    let redis = Filled::at(server.url());
    assert_eq!(lines(&store(&redis, &["ls"])).len(), 2);
    let shown = lines(&store(&redis, &["show", &key(&ada).short_hash()])).remove(0);
    assert_eq!((&shown["session"]["user"], &shown["hidden"]), (&"ada".into(), &json!(["api_key"])));

    // The app moves to a database, and nobody is logged out.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.db");
    let mut moved = FlaskSession::on_sql(&format!("sqlite:///{}", file.display()), &[]).unwrap();
    assert_eq!(moved.show(&ada).unwrap(), None);
    let to = format!("sqlite:{}", file.display());
    assert_eq!(counts(&copy(&redis, &to, &[]))["copied"], 2);
    assert_eq!(moved.show(&ada).unwrap().unwrap()["user"], "ada");
    assert_eq!(moved.update(&bob, &json!({"n": 1})).unwrap().unwrap()["user"], "bob");

    assert_eq!(store(&redis, &["rm", "--where", "user=ada", "--yes"]).code, Some(0));
    assert_eq!(flask.show(&ada).unwrap(), None, "our logout is Flask's");
    assert_eq!(flask.show(&bob).unwrap().unwrap()["user"], "bob");
}

#[test]
fn real_flask_session_moves_from_files_to_redis() {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("flask_session");
    let config = json!({"SESSION_TYPE": "filesystem", "SESSION_FILE_DIR": files});
    let mut flask = RealFlask::start().unwrap();
    let mut login = |steps: serde_json::Value| {
        let question = json!({"config": config, "visits": [{"cookie": null, "steps": steps}]});
        let visits: Vec<serde_json::Value> =
            flask.ask("session_visits", question.as_object().unwrap().clone()).unwrap();
        visits[0]["sid"].as_str().unwrap().to_owned()
    };
    let plain = login(json!([["set", "user", "s616461"]]));
    let pair = login(json!([["set", "pair", "(i1,i2)"]]));
    let from = Filled::at(format!("file:{}", files.display()));
    assert_eq!(lines(&store(&from, &["ls"])).len(), 2);
    let shown = lines(&store(&from, &["show", &key(&plain).short_hash()])).remove(0);
    assert_eq!(shown["session"]["user"], "ada");

    let server = Redis::start().unwrap();
    let ids = directory.path().join("ids.txt");
    std::fs::write(&ids, format!("{plain}\n{pair}\n")).unwrap();
    let ran = copy(&from, &server.url(), &["--ids-from", ids.to_str().unwrap()]);
    let counted = counts(&ran);
    assert_eq!((ran.code, &counted["copied"], &counted["refused"]), (Some(1), &1.into(), &1.into()));
    let mut moved = FlaskSession::on_redis(&server.url()).unwrap();
    assert_eq!(moved.show(&plain).unwrap().unwrap()["user"], "ada");

    // And back again, where a pickle waits for it.
    let redis = Filled::at(server.url());
    let back = format!("file:{}", directory.path().join("back").display());
    assert_eq!(counts(&copy(&redis, &back, &[]))["copied"], 1);
    assert!(Filled::at(back).data(&plain).unwrap().starts_with(b"\x80\x04"));
}
