//! Tests of the pages about a session in a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Extension;
use axum::http::HeaderMap;
use axum::{Router, routing::get};
use hipflask_core::time::UnixTime;
use hipflask_store::memory::MemoryStore;
use hipflask_testkit::faults::{Fault, When};
use hipflask_testkit::store_spy::{SpyStore, StoreMethod};

use super::super::Inspector;
use super::{Browser, Site, sites};
use crate::{OnStoreFailure, Session, SessionError, Sessions};

/// An engine, the store that it uses, and the seconds since 1970 by its clock.
fn engine() -> (Sessions, SpyStore, Arc<AtomicU64>) {
    let (store, clock) = (SpyStore::new(MemoryStore::new()), Arc::new(AtomicU64::new(1_700_000_000)));
    let now = clock.clone();
    let sessions = Sessions::builder()
        .clock(move || UnixTime::from_secs(now.load(Ordering::Relaxed)))
        .permanent_lifetime(Duration::from_secs(7200))
        .store(Arc::new(store.clone()))
        .on_store_failure(|_| OnStoreFailure::ReadOnly)
        .build();
    (sessions.unwrap(), store, clock)
}

#[tokio::test]
async fn page_shows_the_effect_of_the_last_save() {
    let (sessions, spy, clock) = engine();
    for app in sites(&sessions).await {
        let mut browser = Browser::default();
        for (path, outcome) in [
            ("/read", "none"),
            ("/login", "created"),
            ("/read", "unchanged"),
            ("/keep", "unchanged"),
            ("later", ""),
            ("/read", "touched"),
            ("failing", ""),
            ("/read", "read_only"),
            ("/logout", "deleted"),
        ] {
            match path {
                "later" => drop(clock.fetch_add(400, Ordering::Relaxed)),
                "failing" => spy.set_fault(Some(Fault::of(StoreMethod::Load, When::Before))),
                path => {
                    browser.get(&app, path).await;
                    let record = &browser.shown(&app).await["last"]["record"];
                    assert_eq!(record["outcome"], outcome, "{path}: {record}");
                    assert!(!record["says"].as_str().unwrap().is_empty());
                }
            }
        }
        browser.get(&app, "/").await;
        assert!(browser.shown(&app).await["last"]["record"].is_null(), "nobody looked at the session");
        browser.set("session", &"A".repeat(43));
        browser.get(&app, "/read").await;
        assert_eq!(browser.shown(&app).await["last"]["record"]["outcome"], "unknown");
    }
}

#[tokio::test]
async fn record_is_shown_with_address_size_expiry_content() {
    let (sessions, ..) = engine();
    for app in sites(&sessions).await {
        let mut browser = Browser::default();
        browser.get(&app, "/login").await;
        let record = browser.shown(&app).await["last"]["record"].clone();
        let id = browser.cookie("session").unwrap().to_owned();
        let ids = sessions.server_sessions().unwrap().ids();
        assert_eq!(record["key"], ids.key(&ids.read(id.as_bytes()).unwrap()).short_hash());
        assert_eq!((&record["store"], &record["format"]), (&"memory".into(), &"msgpack".into()));
        assert_eq!((&record["size"], &record["expires_in"]), (&29.into(), &7200.into()));
        assert_eq!(record["json"], "{\n  \"_permanent\": true,\n  \"user\": \"<b>ada</b>\"\n}");
        let page = browser.text(&app, "/_hipflask/session").await;
        for part in [
            "A record was created under a new id.",
            "29 bytes of msgpack",
            "2 hours after this response",
            "&#34;user&#34;: &#34;&lt;b&gt;ada&lt;/b&gt;&#34;",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<b>ada"), "{page}");
    }
}

/// Another request is first: it changes the session, or ends it, while this one has it open.
#[tokio::test]
async fn merged_gone_and_moved_sessions_are_distinguished() {
    async fn overlap(
        session: Session,
        Extension(sessions): Extension<Sessions>,
        headers: HeaderMap,
        end: bool,
    ) -> Result<(), SessionError> {
        let other = sessions.begin([headers["cookie"].to_str().unwrap()]);
        let theirs = other.open().await?;
        if end {
            theirs.clear()?
        } else {
            theirs.increment("theirs", 1).map(drop)?
        }
        let _ = other.finish().await?;
        session.increment("ours", 1).map(drop)
    }
    let (sessions, ..) = engine();
    let routes = Router::new()
        .route("/login", get(|session: Session| async move { session.set("user", "ada") }))
        .route("/change", get(|session: Session| async move { session.increment("ours", 1).map(drop) }))
        .route("/merge", get(|s, e, h| overlap(s, e, h, false)))
        .route("/late", get(|s, e, h| overlap(s, e, h, true)))
        .route("/move", get(|session: Session| async move { session.regenerate() }));
    let layers =
        routes.layer(Inspector::danger_even_in_release().layer(&sessions)).layer(Extension(sessions));
    let (app, mut browser) = (Site::Tower(layers), Browser::default());
    let mut keys = Vec::new();
    for (path, outcome) in [
        ("/login", "created"),
        ("/change", "replaced"),
        ("/merge", "merged"),
        ("/move", "regenerated"),
        ("/late", "gone"),
    ] {
        browser.get(&app, path).await;
        let record = browser.shown(&app).await["last"]["record"].clone();
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(record["json"].is_null(), outcome == "gone", "{record}");
        if outcome == "merged" {
            let json = record["json"].as_str().unwrap();
            assert!(json.contains("\"ours\": 2") && json.contains("\"theirs\": 1"), "{json}");
        }
        keys.push(record["key"].as_str().unwrap().to_owned());
    }
    assert!(keys[0] == keys[2] && keys[2] != keys[3] && keys[3] == keys[4], "{keys:?}");
}
