//! Ids: those of real Flask-Session are read, and ours are taken there.

use hipflask_store::id::{IdError, Ids};
use hipflask_testkit::oracle::RealFlask;
use serde_json::json;

use crate::files::{Visit, visit};

#[test]
fn signed_ids_work_with_real_flask_session() {
    let directory = tempfile::tempdir().unwrap();
    let mut flask = RealFlask::start().unwrap();
    let config = json!({
        "SESSION_TYPE": "filesystem", "SESSION_FILE_DIR": directory.path(), "SESSION_USE_SIGNER": true,
    });
    let ids = Ids::builder().signed("k").build().unwrap();
    for _ in 0..50 {
        let made = visit(&mut flask, &config, None, json!([["set", "a", "i1"]]));
        let id = ids.read(made.cookie().as_bytes()).unwrap();
        assert_eq!((id.as_str(), ids.to_cookie(&id)), (&*made.sid, made.cookie()));
        let found = visit(&mut flask, &config, Some(&ids.to_cookie(&id)), json!([]));
        assert_eq!((&found.sid, &*found.session), (&made.sid, "{s5f7065726d616e656e74:T,s61:i1}"));
        let forged = made.cookie().replace('.', "-.");
        assert!(matches!(ids.read(forged.as_bytes()), Err(IdError::BadSignature(_))));
        let refused = visit(&mut flask, &config, Some(&forged), json!([]));
        assert_eq!(refused.session, "{s5f7065726d616e656e74:T}");
    }
}

#[test]
fn ids_of_every_length_from_real_flask_session() {
    let mut flask = RealFlask::start().unwrap();
    for bytes in [16, 17, 18, 31, 32, 33, 64, 96] {
        let directory = tempfile::tempdir().unwrap();
        let config = json!({
            "SESSION_TYPE": "filesystem", "SESSION_FILE_DIR": directory.path(), "SESSION_ID_LENGTH": bytes,
        });
        let ids = Ids::builder().bytes(bytes).build().unwrap();
        for _ in 0..20 {
            let Visit { sid, .. } = visit(&mut flask, &config, None, json!([["set", "a", "i1"]]));
            assert_eq!(ids.read(sid.as_bytes()).unwrap().as_str(), sid);
            assert_eq!(ids.fresh().unwrap().as_str().len(), sid.len());
        }
    }
}
