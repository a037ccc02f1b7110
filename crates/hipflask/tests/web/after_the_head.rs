//! Sessions that are used after their response head was sent.

use std::sync::{Arc, Mutex};

use hipflask::Session;
use http_body_util::{BodyExt as _, Full};

use crate::front::{Ask, FRONTS, Front, block_on, on_axum, sessions, view};
use crate::log::logged;

/// The session of a request that has been answered, after a view that did this with it.
fn kept(front: &dyn Front, work: impl Fn(&Session) + Send + Sync + 'static) -> Session {
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    let work = Arc::new(work);
    let keeping = view(move |_| {
        let (keep, work) = (keep.clone(), work.clone());
        async move {
            let session = hipflask::session().await?;
            work(&session);
            *keep.lock().unwrap() = Some(session);
            Ok("done")
        }
    });
    front.answer(&sessions(), keeping, Ask::get("/"));
    kept.lock().unwrap().take().unwrap()
}

#[test]
fn late_change_warns_and_names_the_keys() {
    type Act = fn(&Session);
    let acts: [(&str, Act, &[&str]); 15] = [
        ("set", |s| s.set("late", 1).unwrap(), &["late"]),
        ("insert", |s| s.insert("late", 1).unwrap(), &["late"]),
        ("remove", |s| drop(s.remove("a").unwrap()), &["a"]),
        ("pop", |s| assert_eq!(s.pop::<u8>("a").unwrap(), Some(1)), &["a"]),
        ("pop_item", |s| drop(s.pop_item().unwrap()), &["l"]),
        ("clear", |s| s.clear().unwrap(), &["a", "l"]),
        ("set_default", |s| drop(s.set_default("late", 1).unwrap()), &["late"]),
        ("update", |s| s.update([("x", 1), ("y", 2)]).unwrap(), &["x", "y"]),
        ("edit", |s| s.edit(|e| e.at("l")?.push(2)).unwrap(), &["l"]),
        ("increment", |s| drop(s.increment("a", 1).unwrap()), &["a"]),
        ("push", |s| s.push("l", 2).unwrap(), &["l"]),
        ("flash", |s| s.flash("hi").unwrap(), &["_flashes"]),
        ("flash_as", |s| s.flash_as("error", "hi").unwrap(), &["_flashes"]),
        ("set_permanent", |s| s.set_permanent(true).unwrap(), &["_permanent"]),
        ("with", |s| s.with(|data| data.set("late", 1)).unwrap().unwrap(), &["late"]),
    ];
    for front in FRONTS {
        for (name, act, keys) in acts {
            let session =
                kept(front, |s| s.update([("a", 1.into()), ("l", hipflask::Value::List(vec![]))]).unwrap());
            let ((), log) = logged(|| act(&session));
            assert_eq!(log.len(), 1, "{name}: {log:?}");
            assert!(log[0].starts_with("WARN") && log[0].contains("the change is lost"), "{name}: {log:?}");
            assert!(keys.iter().all(|key| log[0].contains(&format!("{key:?}"))), "{name}: {log:?}");
        }
    }
}

#[test]
fn late_read_does_not_warn() {
    for front in FRONTS {
        let session = kept(front, |s| s.set("a", 1).unwrap());
        let ((), log) = logged(|| {
            assert_eq!(session.get::<u8>("a").unwrap(), Some(1));
            assert_eq!((session.len().unwrap(), session.pop::<u8>("zz").unwrap()), (1, None));
            assert!(session.flashed_messages().unwrap().is_empty());
            session.set("a", 1).unwrap();
        });
        assert_eq!(log, [""; 0], "{}", front.name());
    }
}

#[test]
fn streaming_body_reads_and_its_changes_warn() {
    let sessions = sessions();
    let app = axum::Router::new().route(
        "/",
        axum::routing::get(|session: Session| async move {
            session.set("user", "ada").unwrap();
            let body = Full::from("page for ").map_frame(move |frame| {
                assert!(hipflask::current().is_none(), "the body is outside of the request");
                session.set("late", true).unwrap();
                frame.map_data(|data| data)
            });
            axum::body::Body::new(body)
        }),
    );
    let (answer, log) = logged(|| block_on(on_axum::send(app.layer(sessions.layer()), Ask::get("/"), 0)));
    assert!(answer.session(&sessions).unwrap().contains("user"));
    assert!(!answer.session(&sessions).unwrap().contains("late"));
    assert!(log.len() == 1 && log[0].contains(r#"["late"]"#), "{log:?}");
}

#[test]
fn late_first_read_warns_about_vary() {
    let sessions = sessions();
    let request = sessions.begin(["a=b"]);
    assert!(block_on(request.finish()).unwrap().is_empty());
    let (session, log) = logged(|| {
        let session = block_on(request.open()).unwrap();
        assert!(session.is_empty().unwrap());
        session
    });
    assert!(log.len() == 1 && log[0].contains("Vary: Cookie"), "{log:?}");
    assert!(session.is_empty().unwrap());
}
