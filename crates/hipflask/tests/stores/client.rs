//! The test client before a store that has to be waited for.

use axum::Router;
use axum::routing::get;
use hipflask::test::TestClient;
use hipflask::{Session, SessionError, Sessions};
use hipflask_testkit::servers::Redis;

async fn index(session: Session) -> Result<String, SessionError> {
    session.increment("visits", 1)?;
    Ok(session.get::<String>("username")?.unwrap_or("nobody".into()))
}

#[tokio::test]
async fn session_transaction_waits_for_the_store_real_server() {
    let redis = Redis::start().unwrap();
    let sessions = Sessions::builder().store_url(&redis.url()).await.unwrap().build().unwrap();
    let app = Router::new().route("/", get(index)).layer(sessions.layer());
    let mut client = TestClient::new(app, &sessions);
    client.session_transaction(|session| session.set("username", "ada")).await.unwrap();
    assert_eq!(client.get("/").await.text(), "ada");
    assert_eq!(client.session_transaction(|session| session.get("visits")).await, Ok(Some(1)));
    let refused = client.session(|session| session.get::<u8>("visits")).unwrap_err();
    assert!(refused.to_string().ends_with("in a test, use `session_transaction`"), "{refused}");
}
