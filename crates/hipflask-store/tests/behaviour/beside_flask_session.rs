//! Flask-Session and we on one place: what one writes the other reads.

use hipflask_testkit::servers::FlaskSession;
use serde_json::json;

use super::*;

/// They and we write, change and end sessions of each other. Returns a record as both write it,
/// which lives under no id.
pub(crate) async fn share_sessions(store: &AnyStore, flask: &mut FlaskSession) -> Vec<u8> {
    // They write, we read.
    let before = now();
    let id = flask.login(&json!({"user": "ada", "n": 1})).unwrap();
    let stored = store.load(&key(&id), now()).await.unwrap().expect("theirs is found");
    assert_eq!(stored.data, flask.record(&json!({"_permanent": true, "user": "ada", "n": 1})).unwrap());
    let ends = stored.expires.unwrap().as_secs();
    let (earliest, latest) =
        (before.saturating_add(HOUR).as_secs(), now().saturating_add(HOUR).as_secs() + 1);
    assert!((earliest..=latest).contains(&ends), "{earliest} <= {ends} <= {latest}");

    // Rust changes it and Python reads it; then Python changes it, which is a conflict for Rust.
    let ours = flask.record(&json!({"_permanent": true, "user": "ada", "n": 2})).unwrap();
    let answer = store.replace(&key(&id), &stored, &ours, HOUR, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Replaced(_)));
    assert_eq!(flask.show(&id).unwrap(), Some(json!({"_permanent": true, "user": "ada", "n": 2})));
    let seen = store.load(&key(&id), now()).await.unwrap().unwrap();
    flask.update(&id, &json!({"n": 3})).unwrap();
    let theirs = flask.record(&json!({"_permanent": true, "user": "ada", "n": 3})).unwrap();
    match store.replace(&key(&id), &seen, &ours, HOUR, now()).await.unwrap() {
        Replaced::Conflict(current) => assert_eq!(current.data, theirs),
        other => panic!("{other:?}"),
    }

    // Their logout is ours.
    flask.logout(&id).unwrap();
    assert_eq!(store.load(&key(&id), now()).await.unwrap(), None);
    assert_eq!(store.replace(&key(&id), &seen, &ours, HOUR, now()).await.unwrap(), Replaced::Gone);

    // We make one, they read it, and our logout is theirs.
    let id = "VE5rPIvv2sw-made-by-us";
    assert!(matches!(store.create(&key(id), &ours, HOUR, now()).await.unwrap(), Created::Created(_)));
    assert_eq!(flask.show(id).unwrap(), Some(json!({"_permanent": true, "user": "ada", "n": 2})));
    assert_eq!(flask.update(id, &json!({"n": 4})).unwrap().unwrap()["n"], 4);
    assert_eq!(store.delete(&key(id), now()).await.unwrap(), Deleted::Deleted);
    assert_eq!(flask.show(id).unwrap(), None);
    ours
}
