//! Closures with the app's own error type, and the hash that identifies a session.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use hipflask::store::memory::MemoryStore;
use hipflask::test::TestClient;
use hipflask::{EntryError, Session, SessionError, Sessions, ValueError};

#[derive(Debug)]
enum ShopError {
    SoldOut,
    #[allow(dead_code, reason = "shown by Debug")]
    Session(SessionError),
}

impl From<SessionError> for ShopError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<EntryError> for ShopError {
    fn from(error: EntryError) -> Self {
        Self::Session(error.into())
    }
}

impl From<ValueError> for ShopError {
    fn from(error: ValueError) -> Self {
        EntryError::about("basket".into(), error).into()
    }
}

async fn buy(session: Session) -> String {
    let bought = session.try_transact(|s| match s.get::<u32>("left")? {
        None | Some(0) => {
            s.set("tried", true)?;
            Err(ShopError::SoldOut)
        }
        Some(left) => Ok(s.set("left", left - 1)?),
    });
    let bought = bought.await;
    format!(
        "{bought:?} left {:?} tried {}",
        session.value("left").unwrap(),
        session.contains("tried").unwrap()
    )
}

async fn eat(session: Session) -> String {
    let eaten = session.try_edit(|s| match s.at("basket")?.remove("pear")? {
        Some(_) => Ok(()),
        None => {
            s.at("basket")?.remove("plum")?;
            Err(ShopError::SoldOut)
        }
    });
    format!("{eaten:?} {:?}", session.value("basket").unwrap())
}

fn kinds() -> [Sessions; 2] {
    let key = "a key that is long enough";
    let builder = || Sessions::builder().secret_key(key);
    [builder().build().unwrap(), builder().store(Arc::new(MemoryStore::new())).build().unwrap()]
}

fn client(sessions: &Sessions) -> TestClient<Router> {
    let app = Router::new().route("/buy", get(buy)).route("/eat", get(eat)).route("/hash", get(hash));
    TestClient::new(app.layer(sessions.layer()), sessions)
}

#[tokio::test]
async fn transact_returns_the_apps_own_error() {
    for sessions in kinds() {
        let mut client = client(&sessions).with("left", 1);
        assert_eq!(client.get("/buy").await.text(), "Ok(()) left Some(Int(0)) tried false");
        assert_eq!(client.get("/buy").await.text(), "Err(SoldOut) left Some(Int(0)) tried false");
        let mut client = client.with("left", "none");
        let text = client.get("/buy").await.text();
        assert!(text.starts_with("Err(Session(") && text.contains("left"), "{text}");
    }
}

#[tokio::test]
async fn edit_returns_the_apps_own_error() {
    for sessions in kinds() {
        let basket = std::collections::BTreeMap::from([("pear", 1), ("plum", 2)]);
        let mut client = client(&sessions).with("basket", basket);
        let left = client.get("/eat").await.text();
        assert!(left.starts_with("Ok(())") && !left.contains("pear"), "{left}");
        let same = client.get("/eat").await.text();
        assert_eq!(same, left.replace("Ok(())", "Err(SoldOut)"), "the change of the closure is undone");
        let text = TestClient::new(Router::new().route("/eat", get(eat)).layer(sessions.layer()), &sessions)
            .get("/eat")
            .await
            .text();
        assert!(text.starts_with("Err(Session("), "{text}");
    }
}

async fn hash(session: Session) -> String {
    session.id_hash().unwrap().unwrap_or_else(|| "none".to_owned())
}

#[tokio::test]
async fn id_hash_is_that_of_the_record() {
    let [cookie, stored] = kinds();
    assert_eq!(client(&cookie).with("a", 1).get("/hash").await.text(), "none");
    let mut client = client(&stored);
    assert_eq!(client.get("/hash").await.text(), "none", "nothing is saved yet");
    let mut client = client.with("a", 1);
    let hash = client.get("/hash").await.text();
    let id = client.jar().get("session").unwrap().to_owned();
    assert!(hash.len() == 8 && !id.contains(&hash), "{hash}");
    let key = hipflask::store::Key::new("session:", &id);
    assert_eq!(hash, key.unwrap().short_hash());
}
