//! Flask-Session and we on one server: what one writes the other reads.

use std::time::Duration;

use hipflask_store::{Created, Deleted, Replaced, Stored};
use hipflask_testkit::servers::FlaskSession;
use serde_json::json;

use super::{AnyStore, HOUR, ends_in, fresh, key, now};

/// Returns the record once Flask-Session's last write has arrived: by default pymemcache does not
/// wait for it.
async fn settled(store: &AnyStore, id: &str, expected: Option<&[u8]>) -> Option<Stored> {
    for _ in 0..1000 {
        let found = store.load(&key(id), now()).await.unwrap();
        if found.as_ref().map(|stored| stored.data.as_slice()) == expected {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{id} never became {expected:?}");
}

pub(crate) async fn share_sessions(store: AnyStore, mut flask: FlaskSession) {
    // They write, we read: their bytes, their hour.
    let id = flask.login(&json!({"user": "ada", "n": 1})).unwrap();
    let theirs = flask.record(&json!({"_permanent": true, "user": "ada", "n": 1})).unwrap();
    let stored = settled(&store, &id, Some(&theirs)).await.expect("theirs is found");
    ends_in(&stored, HOUR);

    // Reading in Python writes the same bytes again, which is not a conflict. Rust changes it and
    // Python reads it.
    assert_eq!(flask.show(&id).unwrap().unwrap()["n"], 1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let ours = flask.record(&json!({"_permanent": true, "user": "ada", "n": 2})).unwrap();
    let answer = store.replace(&key(&id), &stored, &ours, HOUR, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Replaced(_)), "{answer:?}");
    assert_eq!(flask.show(&id).unwrap(), Some(json!({"_permanent": true, "user": "ada", "n": 2})));

    // Python changes it, which is a conflict.
    let seen = settled(&store, &id, Some(&ours)).await.unwrap();
    flask.update(&id, &json!({"n": 3})).unwrap();
    let theirs = flask.record(&json!({"_permanent": true, "user": "ada", "n": 3})).unwrap();
    settled(&store, &id, Some(&theirs)).await;
    match store.replace(&key(&id), &seen, &ours, HOUR, now()).await.unwrap() {
        Replaced::Conflict(current) => {
            assert_eq!(current.data, theirs);
            ends_in(&current, HOUR);
        }
        other => panic!("{other:?}"),
    }

    // Their logout is ours, and nothing that we saw earlier brings the session back.
    flask.logout(&id).unwrap();
    settled(&store, &id, None).await;
    assert_eq!(store.replace(&key(&id), &seen, &ours, HOUR, now()).await.unwrap(), Replaced::Gone);
    assert_eq!(flask.show(&id).unwrap(), None);

    // We make one, they read it, and our logout is theirs.
    for _ in 0..20 {
        let id = fresh("made-by-us");
        let answer = store.create(&key(&id), &ours, HOUR, now()).await.unwrap();
        assert!(matches!(answer, Created::Created(_)));
        assert_eq!(flask.show(&id).unwrap(), Some(json!({"_permanent": true, "user": "ada", "n": 2})));
        assert_eq!(flask.update(&id, &json!({"n": 4})).unwrap().unwrap()["n"], 4);
        let theirs = flask.record(&json!({"_permanent": true, "user": "ada", "n": 4})).unwrap();
        settled(&store, &id, Some(&theirs)).await;
        assert_eq!(store.delete(&key(&id), now()).await.unwrap(), Deleted::Deleted);
        assert_eq!(flask.show(&id).unwrap(), None);
    }
    // With several servers theirs are on more than one, and we find each.
    for number in 0..20 {
        let id = flask.login(&json!({"number": number})).unwrap();
        let theirs = flask.record(&json!({"_permanent": true, "number": number})).unwrap();
        settled(&store, &id, Some(&theirs)).await;
    }
}
