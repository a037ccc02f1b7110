//! The other spellings of a session: keys in the order of insertion, and the plain JSON of
//! itsdangerous.

use hipflask_core::codec::SessionCodec;
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{Compression, UrlSafeSerializer, UrlSafeTimedSerializer};
use hipflask_core::tagged::{KeyOrder, to_string_plain};
use hipflask_core::value::Value;
use hipflask_testkit::oracle::serde_json::{Map, Value as Json};
use hipflask_testkit::oracle::{RealFlask, Settings};
use hipflask_testkit::rng::TestRng;

use crate::common::{BATCH, NOW, described, dict, json_of};

#[test]
fn unsorted_keys_are_written_as_by_real_flask() {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    let codec = SessionCodec::builder("k")
        .compression(Compression::Never)
        .key_order(KeyOrder::Insertion)
        .build()
        .unwrap();
    for _ in 0..3 {
        let sessions = flask.generate(&Settings::default(), rng.seed(), BATCH).unwrap();
        let values: Vec<&str> = sessions.iter().map(|session| session.value.as_str()).collect();
        let cookies = flask.sign_unsorted(&Settings::default(), &values).unwrap();
        for (value, theirs) in values.iter().zip(cookies) {
            let (ours, theirs) = (SessionDict::from_dict(dict(value)), theirs.unwrap());
            let cookie = codec.sign(&ours, NOW).unwrap();
            assert_eq!(json_of(&cookie), json_of(&theirs), "{value}");
            // And again from a cookie, in the order of the cookie.
            let passing = codec.open(cookie.as_bytes(), NOW).unwrap().session;
            let again = codec.sign(&passing, NOW).unwrap();
            let fresh = codec.sign(&SessionDict::from_dict(passing.to_dict()), NOW).unwrap();
            assert_eq!(json_of(&again), json_of(&fresh), "{}", described(&passing));
        }
    }
}

#[test]
fn plain_json_equals_itsdangerous_of_real_flask() {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    let (mut dumped, mut refused) = (0, 0);
    for timed in [false, true] {
        let sessions = flask.generate(&Settings::default(), rng.seed(), 2 * BATCH).unwrap();
        let values: Vec<String> = sessions.into_iter().map(|session| session.value).collect();
        let question = Map::from_iter([
            ("keys".to_owned(), vec!["6b"].into()),
            ("timed".to_owned(), timed.into()),
            ("values".to_owned(), values.iter().map(|value| Json::from(value.as_str())).collect()),
        ]);
        let theirs: Vec<Json> = flask.ask("url_safe", question).unwrap();
        for (value, theirs) in values.iter().zip(theirs) {
            let Ok(json) = to_string_plain(&Value::Dict(dict(value))) else {
                let class = theirs["error"].as_str();
                assert!(matches!(class, Some("TypeError" | "UnicodeEncodeError")), "{value} {theirs}");
                refused += 1;
                continue;
            };
            let text = theirs["cookie"].as_str().unwrap_or_else(|| panic!("{value} {theirs}"));
            let read = if timed {
                let age = hipflask_core::signing::Age::at_most(core::time::Duration::ZERO);
                UrlSafeTimedSerializer::with_keys("k")
                    .unwrap()
                    .loads_json(text.as_bytes(), NOW, age)
                    .map(|(json, _)| json)
            } else {
                UrlSafeSerializer::with_keys("k").unwrap().loads_json(text.as_bytes())
            };
            assert_eq!(String::from_utf8(read.unwrap()).unwrap(), json, "{value}");
            dumped += 1;
        }
    }
    assert!(dumped > BATCH && refused > BATCH / 2, "{dumped} dumped, {refused} refused");
}
