//! A shared cache in front of the app never gives one visitor what was rendered for another.

use std::collections::HashMap;

use hipflask::Sessions;
use hipflask_testkit::rng::TestRng;

use crate::front::{Answer, Ask, FRONTS, Front, View, builder, cookie, sessions, view};

/// A cache as greedy as the rules let it be: it keeps every GET with status 200 that does not say
/// otherwise, with its `Set-Cookie`, without asking again.
#[derive(Default)]
struct Cache {
    kept: HashMap<&'static str, Vec<(Ask, Answer)>>,
    hits: usize,
}

impl Cache {
    fn answer(&mut self, ask: &Ask, origin: impl FnOnce() -> Answer) -> Answer {
        let kept = self.kept.entry(ask.path).or_default();
        if let Some((_, answer)) = kept.iter().find(|(first, answer)| serves(first, answer, ask)) {
            self.hits += 1;
            return answer.clone();
        }
        let answer = origin();
        let control = answer.all("cache-control").join(",");
        if answer.status == 200 && !control.contains("no-store") && !control.contains("private") {
            kept.push((ask.clone(), answer.clone()));
        }
        answer
    }
}

/// Returns `true` if a response to `first` may answer `ask`: every header that it varies by is the same.
fn serves(first: &Ask, answer: &Answer, ask: &Ask) -> bool {
    let value = |ask: &Ask, name: &str| -> Vec<String> {
        ask.headers.iter().filter(|(held, _)| *held == name).map(|(_, value)| value.clone()).collect()
    };
    let names = answer.vary().join(",").to_lowercase();
    let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.all(|name| name != "*" && value(first, name) == value(ask, name))
}

/// The views, by path. `/` means all of them, chosen by the query.
const ACTS: [&str; 8] =
    ["/?untouched", "/?get", "/?contains", "/?len", "/?write", "/?refresh", "/?clear", "/extracted"];

/// Renders the visitor's name into whatever it reads.
fn app(asks: Vec<Ask>) -> View {
    view(move |number| {
        let act = asks[number].path;
        async move {
            if act == "/?untouched" || act == "/?refresh" {
                return Ok("the same for all".to_owned());
            }
            let session = hipflask::session().await?;
            Ok(match act {
                "/?get" => session.get::<String>("username")?.unwrap_or_default(),
                "/?contains" => session.contains("username").unwrap().to_string(),
                "/?len" => session.len().unwrap().to_string(),
                "/?write" => {
                    session.increment("n", 1)?;
                    session.get::<String>("username")?.unwrap_or_default()
                }
                _ => {
                    session.clear().unwrap();
                    "signed out".to_owned()
                }
            })
        }
    })
}

/// Visitors with their cookies: signed in or not, for a while or until the browser closes.
fn visitors(sessions: &Sessions) -> Vec<Option<String>> {
    let named = |name: &str, permanent: bool| {
        Some(cookie(sessions, |session| {
            session.set("username", name).unwrap();
            if permanent {
                session.set_permanent(true);
            }
        }))
    };
    let forged = Some(format!("{}=forged", sessions.cookie().name()));
    vec![None, named("ada", false), named("bob", false), named("eve", true), named("joe", true), forged]
}

/// Returns `true` if the cache gave a visitor a page that the app would not give.
fn leak(front: &dyn Front, sessions: &Sessions, spoil: fn(&mut Answer)) -> Option<String> {
    let visitors = visitors(sessions);
    let mut rng = TestRng::fresh();
    let mut hits = 0;
    for _ in 0..6 {
        let mut asks = Vec::new();
        for _ in 0..60 {
            let path = ACTS[rng.below(ACTS.len())];
            let visitor = &visitors[rng.below(visitors.len())];
            asks.push(visitor.iter().fold(Ask::get(path), |ask, cookie| ask.cookie(cookie)));
        }
        let straight = front.answer_all(sessions, app(asks.clone()), asks.clone());
        let mut cache = Cache::default();
        for (ask, straight) in asks.iter().zip(&straight) {
            let mut origin = straight.clone();
            spoil(&mut origin);
            let got = cache.answer(ask, || origin);
            // A cache may leave out a refresh; it may not hand out a cookie or a page that is another's.
            let strange = got.set_cookies().iter().any(|cookie| !straight.set_cookies().contains(cookie));
            if got.body != straight.body || strange {
                return Some(format!("{ask_path} gave {got:?} instead of {straight:?}", ask_path = ask.path));
            }
        }
        hits += cache.hits;
    }
    assert!(hits > 20, "the cache was of no use");
    None
}

#[test]
fn cache_never_serves_another_visitors_page() {
    for front in FRONTS {
        let strict = builder().secret_key("k".repeat(32)).profile(hipflask::Profile::Strict).build().unwrap();
        let calm = builder().refresh_each_request(false).build().unwrap();
        for sessions in [sessions(), strict, calm] {
            assert_eq!(leak(front, &sessions, |_| ()), None, "{}", front.name());
        }
    }
}

#[test]
fn cache_test_finds_a_leak_without_vary() {
    for front in FRONTS {
        let without_vary = |answer: &mut Answer| answer.headers.retain(|(name, _)| name != "vary");
        assert!(leak(front, &sessions(), without_vary).is_some(), "{}", front.name());
        let only_where_a_cookie_is_set = |answer: &mut Answer| {
            if answer.set_cookies().is_empty() {
                answer.headers.retain(|(name, _)| name != "vary");
            }
        };
        assert!(leak(front, &sessions(), only_where_a_cookie_is_set).is_some(), "{}", front.name());
    }
}
