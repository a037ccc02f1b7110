//! Session cookies in both directions: we read those that Flask signs, Flask reads those that we
//! sign, and sessions survive a trip through us.

use hipflask_core::session::SessionDict;
use hipflask_core::signing::Compression;
use hipflask_core::tagged::KeyOrder;
use hipflask_core::value::{Dict, Int, Text, Value};
use hipflask_testkit::describe::{describe, parse};
use hipflask_testkit::oracle::{GeneratedSession, RealFlask, Settings};
use hipflask_testkit::rng::TestRng;

use crate::common::{BATCH, NOW, codec, described, dict, json_of, opened};

const SESSIONS: usize = 20_000;

/// Yields `SESSIONS` random sessions that Flask has signed, in batches.
fn for_each_batch(mut look: impl FnMut(&mut RealFlask, &mut TestRng, &[GeneratedSession])) {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    for _ in 0..SESSIONS / BATCH {
        let sessions = flask.generate(&Settings::default(), rng.seed(), BATCH).unwrap();
        assert_eq!(sessions.len(), BATCH);
        look(&mut flask, &mut rng, &sessions);
    }
}

#[test]
fn sessions_signed_by_real_flask_are_opened() {
    let codec = codec(Compression::default());
    let mut deflated = 0;
    for_each_batch(|_, _, sessions| {
        for session in sessions {
            let ours = codec.open(session.cookie.as_bytes(), NOW).unwrap();
            assert_eq!(described(&ours.session), session.opened, "{}", session.cookie);
            assert_eq!((ours.issued_at, ours.key), (NOW, 0));
            deflated += usize::from(session.cookie.starts_with('.'));
        }
    });
    assert!(deflated > SESSIONS / 10, "only {deflated} cookies were deflated");
}

#[test]
fn signed_sessions_open_in_real_flask() {
    let rules = [Compression::WhenItPays, Compression::AsFlask, Compression::Never];
    for_each_batch(|flask, _, sessions| {
        for codec in rules.map(codec) {
            let cookies: Vec<String> = sessions
                .iter()
                .map(|session| codec.sign(&SessionDict::from_dict(dict(&session.value)), NOW).unwrap())
                .collect();
            let verdicts = flask.open(&Settings::default(), &cookies).unwrap();
            for (session, verdict) in sessions.iter().zip(&verdicts) {
                assert_eq!(opened(verdict), session.opened, "{}", session.value);
            }
        }
    });
}

#[test]
fn signed_bytes_equal_those_of_real_flask() {
    let (plain, as_flask) = (codec(Compression::Never), codec(Compression::AsFlask));
    for_each_batch(|_, _, sessions| {
        for session in sessions {
            let ours = SessionDict::from_dict(dict(&session.value));
            if !session.cookie.starts_with('.') {
                assert_eq!(plain.sign(&ours, NOW).unwrap(), session.cookie, "{}", session.value);
            }
            let cookie = as_flask.sign(&ours, NOW).unwrap();
            if cfg!(feature = "stock-zlib") {
                assert_eq!(cookie, session.cookie, "{}", session.value);
            }
            assert_eq!(json_of(&cookie), json_of(&session.cookie), "{}", session.value);
        }
    });
}

#[test]
fn real_flask_reads_changed_sessions_unharmed() {
    let mut plain_cookies = 0;
    let as_flask = codec(Compression::AsFlask);
    let mut donors: Vec<Value> = vec![Value::None];
    for_each_batch(|flask, rng, sessions| {
        donors.extend(
            sessions.iter().flat_map(|session| dict(&session.value).values().cloned().collect::<Vec<_>>()),
        );
        let mut expected = Vec::new();
        let mut ours = Vec::new();
        for session in sessions {
            let mut passing = as_flask.open(session.cookie.as_bytes(), NOW).unwrap().session;
            let mut model = dict(&session.opened);
            change(rng, &donors, &mut passing, &mut model);
            assert_eq!(described(&passing), describe(&Value::Dict(model.clone())));
            expected.push(describe(&Value::Dict(model)));
            ours.push(passing);
        }
        donors.truncate(2000);
        let theirs = flask.sign(&Settings::default(), &expected).unwrap();
        let cookies: Vec<String> = ours.iter().map(|ours| as_flask.sign(ours, NOW).unwrap()).collect();
        let ours_read = flask.open(&Settings::default(), &cookies).unwrap();
        let theirs: Vec<String> = theirs.into_iter().map(Result::unwrap).collect();
        let theirs_read = flask.open(&Settings::default(), &theirs).unwrap();
        for (index, expected) in expected.iter().enumerate() {
            let (ours, theirs) = (&cookies[index], &theirs[index]);
            assert_eq!(ours_read[index], theirs_read[index], "{expected}");
            assert_eq!(json_of(ours), json_of(theirs), "{expected}");
            // Another zlib may save bytes where the stock one does not.
            let both_plain = !ours.starts_with('.') && !theirs.starts_with('.');
            if cfg!(feature = "stock-zlib") || both_plain {
                assert_eq!(ours, theirs, "{expected}");
                plain_cookies += 1;
            }
        }
    });
    assert!(plain_cookies > SESSIONS / 4, "only {plain_cookies} cookies were compared to the byte");
}

/// One change, made to our session by its methods and to a plain dict directly.
fn change(rng: &mut TestRng, donors: &[Value], ours: &mut SessionDict, model: &mut Dict) {
    let present: Vec<Text> = model.keys().cloned().collect();
    let donor = rng.pick(donors).clone();
    let key = match present.as_slice() {
        [] => Text::new("new"),
        keys if rng.once_in(3) => Text::new(format!("{}+", rng.pick(keys))),
        keys => rng.pick(keys).clone(),
    };
    match rng.below(7) {
        0 | 1 => {
            ours.insert(key.clone(), donor.clone()).unwrap();
            model.insert(key, donor);
        }
        2 => assert_eq!(ours.remove(&key), model.remove(&key)),
        3 => assert_eq!(ours.pop_item(), model.pop_item()),
        4 => {
            // Appends to a list if there is one, and otherwise replaces the value by a list.
            let edited = ours.edit(|edit| edit.at(&key)?.push(donor.clone()));
            match model.get_mut(&key) {
                Some(Value::List(items)) => {
                    items.push(donor);
                    edited.unwrap();
                }
                _ => assert!(edited.is_err()),
            }
        }
        5 => {
            let edited = ours.edit(|edit| edit.at(&key)?.insert("in", donor.clone()));
            match model.get_mut(&key) {
                Some(Value::Dict(inside)) => {
                    inside.insert("in", donor);
                    edited.unwrap();
                }
                _ => assert!(edited.is_err()),
            }
        }
        _ => {
            let sum = ours.increment(key.clone(), -1);
            match model.get(&key) {
                Some(Value::Int(number)) => {
                    let sum = number + &Int::from(-1);
                    model.insert(key, Value::Int(sum));
                }
                None => drop(model.insert(key, -1)),
                Some(_) => assert!(sum.is_err()),
            }
        }
    }
}

#[test]
fn unchanged_sessions_are_written_as_by_real_flask() {
    for_each_batch(|flask, _, sessions| {
        let opened: Vec<&str> = sessions.iter().map(|session| session.opened.as_str()).collect();
        let again = flask.sign(&Settings::default(), &opened).unwrap();
        for (session, again) in sessions.iter().zip(again) {
            let expected = json_of(&again.unwrap());
            let written = |session: &SessionDict| {
                String::from_utf8(session.to_json(KeyOrder::Sorted).unwrap()).unwrap()
            };
            let ours = SessionDict::from_json(json_of(&session.cookie)).unwrap();
            assert_eq!(written(&ours), expected, "copied as text");
            assert_eq!(parse(&session.opened), Ok(Value::Dict(ours.to_dict())));
            assert_eq!(written(&SessionDict::from_dict(ours.to_dict())), expected, "read and written");
        }
    });
}
