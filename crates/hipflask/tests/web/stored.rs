//! Sessions in a store, behind both fronts.

use std::sync::Arc;
use std::time::Duration;

use hipflask::store::Store;
use hipflask::store::memory::MemoryStore;
use hipflask::store::record::Format;
use hipflask::{SessionError, Sessions, SessionsBuilder, Value};
use hipflask_testkit::faults::{Fault, When};
use hipflask_testkit::store_spy::{SpyStore, StoreMethod};

use crate::front::{Answer, Ask, FRONTS, Front, View, block_on, builder, untouched, view};

pub(crate) fn engine() -> (Sessions, SpyStore) {
    engine_with(|builder| builder)
}

pub(crate) fn engine_with(configure: fn(SessionsBuilder) -> SessionsBuilder) -> (Sessions, SpyStore) {
    let spy = SpyStore::new(MemoryStore::new());
    let store: Arc<dyn Store> = Arc::new(spy.clone());
    (configure(builder()).store(store).build().unwrap(), spy)
}

/// A view that works on the session and answers with its keys.
pub(crate) fn working(work: fn(&hipflask::Session) -> Result<(), SessionError>) -> View {
    view(move |_| async move {
        let session = hipflask::session().await?;
        work(&session)?;
        Ok(format!("{:?}", session.keys()?))
    })
}

pub(crate) fn set_a() -> View {
    working(|session| session.set("a", 1))
}

pub(crate) fn id(answer: &Answer) -> String {
    let line = answer.set_cookies()[0];
    line.split(';').next().unwrap().to_owned()
}

pub(crate) fn ask(cookie: &str) -> Ask {
    Ask::get("/").cookie(cookie)
}

pub(crate) fn signed_in(front: &dyn Front, sessions: &Sessions) -> String {
    id(&front.answer(sessions, set_a(), Ask::get("/")))
}

#[test]
fn each_step_costs_one_store_call() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let first = front.answer(&sessions, set_a(), Ask::get("/"));
        let line = first.set_cookies()[0];
        assert_eq!(line.split('=').nth(1).unwrap().find(';'), Some(43), "{line}");
        // Permanent by default, as in Flask-Session.
        assert!(line.ends_with("; Expires=Fri, 15 Dec 2023 22:13:20 GMT; HttpOnly; Path=/"), "{line}");
        assert_eq!(spy.calls(), [StoreMethod::Create]);

        spy.forget();
        let read = front.answer(&sessions, working(|_| Ok(())), ask(&id(&first)));
        assert_eq!((read.body.as_str(), read.vary()), (r#"["_permanent", "a"]"#, vec!["Cookie"]));
        assert_eq!(spy.calls(), [StoreMethod::Load]);

        spy.forget();
        front.answer(&sessions, untouched(), ask(&id(&first))).is_untouched();
        assert_eq!(spy.calls(), []);

        let changed = front.answer(&sessions, working(|session| session.set("b", 2)), ask(&id(&first)));
        assert_eq!(id(&changed), id(&first));
        assert_eq!(spy.calls(), [StoreMethod::Load, StoreMethod::Replace]);
    }
}

#[test]
fn empty_sessions_and_foreign_ids_create_no_record() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let visit = front.answer(&sessions, working(|_| Ok(())), Ask::get("/"));
        assert_eq!((visit.set_cookies(), visit.body.as_str()), (vec![], r#"["_permanent"]"#));
        assert_eq!(spy.calls(), []);

        let planted = format!("session={}", "A".repeat(43));
        let login = front.answer(&sessions, set_a(), ask(&planted));
        assert_ne!(id(&login), planted);
        spy.forget();
        let odd = front.answer(&sessions, working(|_| Ok(())), ask("session=../../etc/passwd"));
        assert_eq!((odd.status, spy.calls()), (200, vec![]));
    }
}

/// Each would do harm in some store, or is an id that nobody made.
fn odd_ids() -> impl Iterator<Item = String> {
    let good = "VE5rPIvv2swAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    (0..10_000_usize).map(move |number| match number % 10 {
        0 => "../".repeat(number % 40) + "etc/passwd",
        1 => format!("\"{good}\\015\\012flush_all {number}\""),
        2 => format!("{good}{number}"),
        3 => good[..number % 43].to_owned(),
        4 => good.replace('V', ["%00", "é", "/", "+", "=", "*", "?"][number / 10 % 7]),
        5 => "A".repeat(44 + number),
        6 => format!("6F9619FF-8B86-4011-B42D-{number:012}"),
        7 => format!("{{\"$gt\":\"{number}\"}}"),
        8 => format!("'OR {number}=1--"),
        _ => format!("{good}.{number}"),
    })
}

#[test]
fn malformed_ids_never_reach_the_store() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let asks: Vec<_> = odd_ids().map(|id| ask(&format!("session={id}"))).collect();
        for answer in front.answer_all(&sessions, working(|_| Ok(())), asks.clone()) {
            assert_eq!((answer.status, answer.body.as_str()), (200, r#"["_permanent"]"#));
            assert_eq!(answer.set_cookies(), Vec::<&str>::new());
        }
        assert_eq!(spy.calls(), []);
        // Nor is one adopted by a request that fills its session.
        for answer in front.answer_all(&sessions, set_a(), asks.into_iter().step_by(100).collect()) {
            assert_eq!((answer.status, answer.set_cookies().len()), (200, 1));
        }
        assert!(spy.calls().iter().all(|call| *call == StoreMethod::Create));
    }
}

#[test]
fn clear_and_destroy_delete_record_and_cookie() {
    for front in FRONTS {
        for end in [
            (|session| {
                session.clear().unwrap();
                Ok(())
            }) as fn(&hipflask::Session) -> Result<(), SessionError>,
            hipflask::Session::destroy,
        ] {
            let (sessions, _) = engine();
            let cookie = signed_in(front, &sessions);
            let ended = front.answer(&sessions, working(end), ask(&cookie));
            assert!(ended.set_cookies()[0].starts_with("session=; Expires=Thu, 01 Jan 1970"));
            let after = front.answer(&sessions, working(|_| Ok(())), ask(&cookie));
            assert_eq!(after.body, r#"["_permanent"]"#);
        }
    }
}

#[test]
fn regenerate_moves_session_and_kills_old_id() {
    for front in FRONTS {
        let (sessions, _) = engine();
        let old = signed_in(front, &sessions);
        let login = front.answer(&sessions, working(hipflask::Session::regenerate), ask(&old));
        let new = id(&login);
        assert_ne!(new, old);
        let keys = |cookie: &str| front.answer(&sessions, working(|_| Ok(())), ask(cookie)).body;
        assert_eq!(
            (keys(&new).as_str(), keys(&old).as_str()),
            (r#"["_permanent", "a"]"#, r#"["_permanent"]"#)
        );

        let cleared = front.answer(
            &sessions,
            working(|session| {
                session.clear().unwrap();
                session.regenerate()?;
                session.set("user", "ada")
            }),
            ask(&new),
        );
        assert_ne!(id(&cleared), new);
        assert_eq!(keys(&new), r#"["_permanent"]"#);
    }
}

#[test]
fn overlapping_requests_lose_and_revive_nothing() {
    let (sessions, _) = engine();
    block_on(async {
        let open = async |cookie: &str| {
            let request = sessions.begin([cookie]);
            let session = request.open().await.unwrap();
            (request, session)
        };
        let (request, session) = open("").await;
        session.set("n", 0).unwrap();
        let header = request.finish().await.unwrap().set_cookie.unwrap();
        let cookie = header.split(';').next().unwrap();

        let (first, one) = open(cookie).await;
        let (second, two) = open(cookie).await;
        one.set("a", 1).unwrap();
        two.set("b", 2).unwrap();
        one.increment("n", 1).unwrap();
        two.increment("n", 1).unwrap();
        let _ = (first.finish().await.unwrap(), second.finish().await.unwrap());
        let (_, now) = open(cookie).await;
        assert_eq!(now.get::<i64>("n").unwrap(), Some(2));
        assert!(now.contains("a").unwrap() && now.contains("b").unwrap());

        let (slow, writer) = open(cookie).await;
        let (logout, session) = open(cookie).await;
        session.clear().unwrap();
        assert!(logout.finish().await.unwrap().set_cookie.unwrap().starts_with("session=;"));
        writer.set("late", 1).unwrap();
        assert_eq!(slow.finish().await.unwrap().set_cookie, None);
        let (_, after) = open(cookie).await;
        assert!(after.is_new().unwrap() && !after.contains("late").unwrap(), "an ended session stays ended");
    });
}

#[test]
fn transact_and_save_now_save_before_the_response() {
    let (sessions, spy) = engine();
    block_on(async {
        let request = sessions.begin([""]);
        let session = request.open().await.unwrap();
        session.transact(|data| data.increment("n", 1)).await.unwrap();
        assert_eq!(spy.calls(), [StoreMethod::Create]);
        session.set("a", 1).unwrap();
        session.save_now().await.unwrap();
        assert_eq!(spy.calls(), [StoreMethod::Create, StoreMethod::Replace]);
        let cookie = request.finish().await.unwrap().set_cookie.unwrap();
        assert_eq!(spy.calls(), [StoreMethod::Create, StoreMethod::Replace], "nothing was left to save");
        let again = sessions.begin([cookie.split(';').next().unwrap()]).open().await.unwrap();
        assert_eq!((again.get::<i64>("n").unwrap(), again.get::<i64>("a").unwrap()), (Some(1), Some(1)));
    });
}

/// Flask keeps the messages that were taken with the request: later calls give the same ones,
/// whatever is saved between.
#[test]
fn taken_messages_stay_after_an_early_save() {
    let (sessions, _) = engine();
    block_on(async {
        let request = sessions.begin([""]);
        let session = request.open().await.unwrap();
        session.set("user", "ada").unwrap();
        session.flash("one").unwrap();
        let header = request.finish().await.unwrap().set_cookie.unwrap();
        let cookie = header.split(';').next().unwrap();

        let request = sessions.begin([cookie]);
        let session = request.open().await.unwrap();
        let texts =
            || session.flashed_messages().unwrap().iter().map(|m| m.text().into_owned()).collect::<Vec<_>>();
        assert_eq!(texts(), ["one"]);
        session.save_now().await.unwrap();
        assert_eq!(texts(), ["one"]);
        session.transact(|data| data.increment("n", 1)).await.unwrap();
        session.flash("two").unwrap();
        assert_eq!(texts(), ["one"], "a message flashed after the first look shows in the next request");
        let _ = request.finish().await.unwrap();

        let request = sessions.begin([cookie]);
        let session = request.open().await.unwrap();
        let taken = session.transact(|data| Ok(data.flashed_messages().len())).await.unwrap();
        assert_eq!(
            (taken, session.flashed_messages().unwrap()[0].text().into_owned()),
            (1, "two".to_owned())
        );
        let _ = request.finish().await.unwrap();
        let session = sessions.begin([cookie]).open().await.unwrap();
        assert!(session.flashed_messages().unwrap().is_empty());
    });
}

#[test]
fn unstorable_value_fails_at_set_naming_its_key() {
    let huge = || hipflask::Int::parse(b"123456789012345678901234567890").unwrap();
    let markup = || Value::Markup("<b>".into());
    let (sessions, spy) = engine();
    let (json, _) = engine_with(|builder| builder.serialization_format(Format::Json));
    block_on(async {
        let request = sessions.begin([""]);
        let session = request.open().await.unwrap();
        session.set("n", i64::MAX).unwrap();
        session
            .edit(|data| {
                data.insert("good", 1);
                Ok(())
            })
            .unwrap();
        let edited = session.edit(|data| {
            data.insert("good", 2);
            data.insert("bio", markup());
            data.insert("other", 3);
            Ok(())
        });
        for (result, key) in [
            (session.set("bio", markup()), "bio"),
            (session.insert("bio", markup()), "bio"),
            (session.set("bio", vec![("deep", markup())]), "bio"),
            (session.set("big", huge()), "big"),
            (session.set_default("bio", markup()).map(drop), "bio"),
            (session.update([("first", Value::from(1)), ("bio", markup()), ("last", 1.into())]), "bio"),
            (session.push("list", markup()), "list"),
            (session.increment("n", huge()).map(drop), "n"),
            (session.flash(markup()), "_flashes"),
            (edited, "bio"),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.key().unwrap(), &hipflask::Text::from(key), "{error}");
            assert!(error.to_string().contains("msgpack cannot hold "), "{error}");
            assert_eq!(error.status(), 500);
        }
        assert_eq!(format!("{:?}", session.keys().unwrap()), r#"["_permanent", "n", "good", "first"]"#);
        assert_eq!((session.get("n"), session.get("good")), (Ok(Some(i64::MAX)), Ok(Some(1))));
        let _ = request.finish().await.unwrap();
        assert_eq!(spy.calls(), [StoreMethod::Create]);

        // JSON has integers of any size.
        let session = json.begin([""]).open().await.unwrap();
        session.set("big", huge()).unwrap();
        let error = session.set("bio", markup()).unwrap_err();
        assert!(error.to_string().contains("JSON cannot hold Markup"), "{error}");
        // A cookie holds all of them.
        let session = crate::front::sessions().begin([""]).open().await.unwrap();
        session.set("bio", markup()).unwrap();
    });
}

#[test]
fn unloaded_session_is_an_error_not_empty() {
    let (sessions, _) = engine();
    let cookie = signed_in(FRONTS[0], &sessions);
    let request = sessions.begin([cookie.as_str()]);
    assert!(block_on(request.finish()).unwrap().is_empty());
    assert!(!request.is_opened());
}

#[test]
fn ids_can_be_signed_and_records_configured() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let sessions = builder()
        .permanent_lifetime(Duration::from_secs(60))
        .store(Arc::clone(&store))
        .use_signer(true)
        .session_permanent(false)
        .key_prefix("app:")
        .build()
        .unwrap();
    for front in FRONTS {
        let answer = front.answer(&sessions, set_a(), Ask::get("/"));
        let line = answer.set_cookies()[0];
        assert!(line.ends_with("; HttpOnly; Path=/") && !line.contains("Expires"), "{line}");
        let (bare, _) =
            id(&answer).rsplit_once('.').map(|(id, sig)| (id.to_owned(), sig.to_owned())).unwrap();
        let keys = |cookie: &str| front.answer(&sessions, working(|_| Ok(())), ask(cookie)).body;
        assert_eq!(keys(&id(&answer)), r#"["a"]"#);
        assert_eq!(keys(&bare), "[]", "an id without its signature is nobody's");
    }
}

#[test]
fn session_is_readable_during_save() {
    let (sessions, spy) = engine();
    let cookie = signed_in(FRONTS[0], &sessions);
    for fails in [false, true] {
        let request = sessions.begin([cookie.as_str()]);
        let session = block_on(request.open()).unwrap();
        session.set("b", fails).unwrap();
        let held = session.clone();
        spy.meanwhile(StoreMethod::Replace, move || {
            assert_eq!(held.value("b").unwrap(), Some(Value::Bool(fails)))
        });
        spy.set_fault(fails.then_some(Fault::of(StoreMethod::Replace, When::Before)));
        assert_eq!(block_on(request.finish()).is_err(), fails);
        assert_eq!(session.value("b").unwrap(), Some(Value::Bool(fails)));
        // Whoever is alone with it has it again when it is saved, or not.
        let request = sessions.begin([cookie.as_str()]);
        block_on(request.open()).unwrap().set("c", fails).unwrap();
        spy.set_fault(fails.then_some(Fault::of(StoreMethod::Replace, When::Before)));
        assert_eq!(block_on(request.finish()).is_err(), fails);
        assert_eq!(block_on(request.open()).unwrap().value("c").unwrap(), Some(Value::Bool(fails)));
    }
}
