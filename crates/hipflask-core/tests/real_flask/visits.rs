//! Requests: random steps on `flask.session` in a view of real Flask, and the same steps on our
//! session.

use hipflask_core::codec::SessionCodec;
use hipflask_core::cookie::{CookieConfig, SameSite, values};
use hipflask_core::plan::{CookieOp, Profile, Rules, plan};
use hipflask_core::session::{EntryError, SessionDict};
use hipflask_core::signing::Compression;
use hipflask_core::value::{Dict, Value, ValueError};
use hipflask_testkit::describe::{describe, parse};
use hipflask_testkit::oracle::serde_json::{Map, Value as Json, json};
use hipflask_testkit::oracle::{RealFlask, Settings, StepSeen, Visit, Visited};
use hipflask_testkit::rng::TestRng;

use crate::common::{NOW, described, dict, json_of};

const VISITS: usize = 6000;

/// The result of a step: a value, or the class of Python's error.
type Outcome = Result<Value, &'static str>;

/// A way to use a session: its name among the `STEPS` of `wire/judge.py`, the names of Flask that
/// it covers, its arguments, and our implementation.
struct Step {
    name: &'static str,
    covers: &'static [&'static str],
    arguments: fn(&mut Random<'_>) -> Vec<Json>,
    ours: fn(&mut SessionDict, &[Json]) -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "touch", covers: &[], arguments: |_| vec![], ours: |_, _| none() },
    Step {
        name: "set",
        covers: &["__setitem__"],
        arguments: |random| vec![random.new_key(), random.value()],
        ours: |session, a| fits(session.insert(key(a), value(&a[1]))),
    },
    Step {
        name: "delete",
        covers: &["__delitem__"],
        arguments: |random| vec![random.key()],
        ours: |session, a| session.remove(key(a)).map(|_| Value::None).ok_or("KeyError"),
    },
    Step {
        name: "get",
        covers: &["get"],
        arguments: |random| vec![random.key()],
        ours: |session, a| Ok(session.value(key(a)).cloned().unwrap_or(Value::None)),
    },
    Step {
        name: "item",
        covers: &["__getitem__"],
        arguments: |random| vec![random.key()],
        ours: |session, a| session.value(key(a)).cloned().ok_or("KeyError"),
    },
    Step {
        name: "contains",
        covers: &["__contains__"],
        arguments: |random| vec![random.key()],
        ours: |session, a| Ok(session.contains(key(a)).into()),
    },
    Step {
        name: "len",
        covers: &["__len__"],
        arguments: |_| vec![],
        ours: |session, _| Ok(session.len().into()),
    },
    Step {
        name: "is_empty",
        covers: &["__len__"],
        arguments: |_| vec![],
        ours: |session, _| Ok(session.is_empty().into()),
    },
    Step {
        name: "keys",
        covers: &["keys", "__iter__"],
        arguments: |_| vec![],
        ours: |session, _| Ok(Value::List(session.keys().cloned().map(Value::Str).collect())),
    },
    Step {
        name: "reversed",
        covers: &["__reversed__"],
        arguments: |_| vec![],
        ours: |session, _| Ok(Value::List(session.keys().rev().cloned().map(Value::Str).collect())),
    },
    Step {
        name: "values",
        covers: &["values"],
        arguments: |_| vec![],
        ours: |session, _| Ok(Value::List(session.values().cloned().collect())),
    },
    Step {
        name: "items",
        covers: &["items"],
        arguments: |_| vec![],
        ours: |session, _| {
            let pair =
                |(key, value): (&_, &Value)| Value::Tuple(vec![Value::Str(Clone::clone(key)), value.clone()]);
            Ok(Value::List(session.items().map(pair).collect()))
        },
    },
    Step {
        name: "copy",
        covers: &["copy", "__or__", "__ror__"],
        arguments: |_| vec![],
        ours: |session, _| Ok(session.to_dict().into()),
    },
    Step {
        name: "pop",
        covers: &["pop"],
        arguments: |random| vec![random.key()],
        ours: |session, a| session.remove(key(a)).ok_or("KeyError"),
    },
    Step {
        name: "pop",
        covers: &["pop"],
        arguments: |random| vec![random.key(), random.value()],
        ours: |session, a| Ok(session.remove(key(a)).unwrap_or_else(|| value(&a[1]))),
    },
    Step {
        name: "popitem",
        covers: &["popitem"],
        arguments: |_| vec![],
        ours: |session, _| match session.pop_item() {
            Some((key, value)) => Ok(Value::Tuple(vec![Value::Str(key), value])),
            None => Err("KeyError"),
        },
    },
    Step {
        name: "setdefault",
        covers: &["setdefault"],
        arguments: |random| vec![random.new_key(), random.value()],
        ours: |session, a| {
            Ok(session.set_default(key(a), value(&a[1])).expect("no value is too deep").clone())
        },
    },
    Step {
        name: "update",
        covers: &["update"],
        arguments: |random| vec![random.dict()],
        ours: |session, a| fits(session.update(entries(&a[0]))),
    },
    Step {
        name: "merge",
        covers: &["__ior__"],
        arguments: |random| vec![random.dict()],
        ours: |session, a| fits(session.update(entries(&a[0]))),
    },
    Step {
        name: "clear",
        covers: &["clear"],
        arguments: |_| vec![],
        ours: |session, _| {
            session.clear();
            none()
        },
    },
    Step {
        name: "append",
        covers: &[],
        arguments: |random| vec![random.new_key(), random.value()],
        ours: append,
    },
    Step {
        name: "flag",
        covers: &["modified", "accessed", "permanent", "new"],
        arguments: |random| {
            let flag = *random.rng.pick(&["modified", "accessed", "permanent", "permanent", "new"]);
            vec![flag.into(), random.rng.once_in(2).into()]
        },
        ours: |session, a| {
            let wanted = a[1].as_bool().expect("a flag");
            match text(&a[0]) {
                "modified" => session.set_modified(wanted),
                "accessed" => session.set_accessed(wanted),
                "permanent" => session.set_permanent(wanted),
                _ => session.set_new(wanted),
            }
            none()
        },
    },
    Step {
        name: "read_flag",
        covers: &["modified", "accessed", "permanent", "new"],
        arguments: |random| vec![(*random.rng.pick(&["modified", "accessed", "permanent", "new"])).into()],
        ours: |session, a| {
            Ok(match text(&a[0]) {
                "modified" => session.is_modified().into(),
                "accessed" => session.is_accessed().into(),
                // Flask returns the value of the key, whatever it is; its truth is compared after
                // each step.
                "permanent" => session.value("_permanent").cloned().unwrap_or_else(|| false.into()),
                _ => session.is_new().into(),
            })
        },
    },
    Step {
        name: "flash",
        covers: &[],
        arguments: |random| match random.rng.below(3) {
            0 => vec![random.value()],
            _ => vec![random.value(), random.category()],
        },
        ours: |session, a| match a {
            [message] => fits(session.flash(value(message))),
            [message, category] => fits(session.flash_as(text(category), value(message))),
            _ => unreachable!("a flash has one or two arguments"),
        },
    },
    Step {
        name: "flashed",
        covers: &[],
        arguments: |random| {
            let mut options = Map::new();
            if random.rng.once_in(2) {
                options.insert("with_categories".into(), random.rng.once_in(2).into());
            }
            if random.rng.once_in(2) {
                let filter: Vec<Json> = (0..random.rng.below(3)).map(|_| random.category()).collect();
                options.insert("category_filter".into(), filter.into());
            }
            vec![options.into()]
        },
        ours: |session, a| {
            let filter = a[0]["category_filter"].as_array().filter(|filter| !filter.is_empty());
            let wanted =
                |category| filter.is_none_or(|filter| filter.iter().any(|one| category == text(one)));
            let messages =
                session.flashed_messages().iter().filter(|flash| wanted(flash.category.to_string()));
            let shown = messages.map(|flash| match a[0]["with_categories"].as_bool() {
                Some(true) => Value::Tuple(vec![Value::Str(flash.category.clone()), flash.message.clone()]),
                _ => flash.message.clone(),
            });
            Ok(Value::List(shown.collect()))
        },
    },
];

/// The attributes of Flask's session that no step covers.
const LEFT_OUT: &[(&str, &str)] = &[
    ("__eq__", "Python's 1 == 1.0 == True; ours asks whether the two would be written alike"),
    ("on_update", "the callback by which Flask's dict notices its changes"),
    ("fromkeys", "makes a new object"),
    ("__class_getitem__", "for type checkers"),
    ("__annotations__", "for type checkers"),
    ("__orig_bases__", "for type checkers"),
    ("__abstractmethods__", "of Python's abstract classes"),
    ("_abc_impl", "of Python's abstract classes"),
    ("_MutableMapping__marker", "of Python's abstract classes"),
    ("__slots__", "of Python's abstract classes"),
    ("__static_attributes__", "of Python's classes from 3.13 on"),
    ("__firstlineno__", "of Python's classes from 3.13 on"),
];

#[test]
fn steps_cover_every_method_of_real_flask() {
    let covered = |name: &str| STEPS.iter().any(|step| step.covers.contains(&name));
    let left_out = |name: &str| LEFT_OUT.iter().any(|(known, _)| *known == name);
    let methods = RealFlask::start().unwrap().session_methods().unwrap();
    let forgotten: Vec<_> = methods.iter().filter(|name| !covered(name) && !left_out(name)).collect();
    assert!(forgotten.is_empty(), "Flask's session has {forgotten:?}: add a step to wire/judge.py and here");
    let gone =
        STEPS.iter().flat_map(|step| step.covers).find(|name| !methods.iter().any(|known| known == *name));
    assert_eq!(gone, None, "Flask's session has no such method");
}

#[test]
fn sequences_of_steps_end_as_in_real_flask() {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    let sessions = flask.generate(&Settings::default(), rng.seed(), 500).unwrap();
    let donors: Vec<Value> =
        sessions.iter().flat_map(|one| dict(&one.opened).values().cloned().collect::<Vec<_>>()).collect();
    let cookies: Vec<String> = sessions.into_iter().map(|session| session.cookie).collect();
    let mut seen = [0; 4];
    for _ in 0..VISITS / 500 {
        let visits: Vec<(Visit, Vec<&Step>)> = (0..500).map(|_| visit(&mut rng, &donors, &cookies)).collect();
        let questions: Vec<Visit> = visits.iter().map(|(visit, _)| visit.clone()).collect();
        for (visited, (visit, steps)) in flask.visit(&questions).unwrap().iter().zip(&visits) {
            seen[compare(visit, steps, visited)] += 1;
        }
    }
    assert!(seen.iter().all(|&often| often > VISITS / 50), "set, permanent, removed, left: {seen:?}");
}

/// A request: with or without a cookie, a configuration, and some steps.
fn visit<'s>(rng: &mut TestRng, donors: &[Value], cookies: &[String]) -> (Visit, Vec<&'s Step>) {
    let mut config = Map::new();
    for (name, choices) in CONFIGURATIONS {
        if rng.once_in(4) {
            config.insert((*name).to_owned(), rng.pick(&choices()).clone());
        }
    }
    let cookie = match rng.below(6) {
        0 => None,
        1 => Some(
            (*rng.pick(&[
                "session=",
                "session=forged.ZVPxAA.x; a=b",
                "a=b",
                "session=e30.ZVPxAA.6lbnt5hnd_0io3lLtLhrudzUJW0",
            ]))
            .to_owned(),
        ),
        _ => Some(format!("theme=dark; session={}", rng.pick(cookies))),
    };
    let at = NOW.as_secs() + *rng.pick(&[0, 0, 1, 3600, 3601, 2_678_400, 2_678_401]);
    let steps: Vec<&Step> = (0..rng.below(9)).map(|_| rng.pick(STEPS)).collect();
    let mut random = Random { rng, donors };
    let spoken = steps.iter().map(|step| {
        let mut words = vec![Json::from(step.name)];
        words.extend((step.arguments)(&mut random));
        Json::Array(words)
    });
    let steps_asked = spoken.collect();
    let settings = Settings { at, ..Settings::default() };
    (Visit { settings, config, cookie, steps: steps_asked }, steps)
}

type Choices = fn() -> Vec<Json>;

const CONFIGURATIONS: &[(&str, Choices)] = &[
    ("SESSION_REFRESH_EACH_REQUEST", || vec![false.into(), true.into()]),
    ("PERMANENT_SESSION_LIFETIME", || vec![3600.into(), 5_000_000.into()]),
    ("SESSION_COOKIE_DOMAIN", || vec!["example.com".into()]),
    ("SESSION_COOKIE_PATH", || vec!["/app".into()]),
    ("SESSION_COOKIE_SECURE", || vec![true.into()]),
    ("SESSION_COOKIE_HTTPONLY", || vec![false.into()]),
    ("SESSION_COOKIE_SAMESITE", || vec!["Lax".into(), "Strict".into()]),
    ("SESSION_COOKIE_PARTITIONED", || vec![true.into()]),
    ("MAX_COOKIE_SIZE", || vec![0.into(), 200.into()]),
];

/// Makes the same steps with our session and compares after each. Returns the cookie.
fn compare(visit: &Visit, steps: &[&Step], visited: &Visited) -> usize {
    let shown = || format!("{visit:#?}\n{visited:#?}");
    let now = hipflask_core::time::UnixTime::from_secs(visit.settings.at);
    let lifetime = std::time::Duration::from_secs(
        visit.config.get("PERMANENT_SESSION_LIFETIME").and_then(Json::as_u64).unwrap_or(2_678_400),
    );
    let codec = SessionCodec::builder("k")
        .lifetime(Some(lifetime))
        .compression(Compression::AsFlask)
        .build()
        .unwrap();
    let mut session = open(&codec, visit.cookie.as_deref(), now);
    session.set_new(false);
    let mut flashed = false;
    for ((step, asked), theirs) in steps.iter().zip(&visit.steps).zip(&visited.steps) {
        let arguments = &asked.as_array().expect("a step is a list")[1..];
        // The work of a front at each access. Flashes are taken once for a request; after that,
        // taking them is not an access.
        let touches = step.name != "flashed" || !flashed;
        session.set_accessed(session.is_accessed() || touches);
        flashed |= step.name == "flashed";
        let outcome = (step.ours)(&mut session, arguments);
        assert_eq!(seen_by_us(&session, outcome), *theirs_of(theirs), "{}: {asked}\n{}", step.name, shown());
    }
    let rules = Rules {
        refresh_each_request: visit
            .config
            .get("SESSION_REFRESH_EACH_REQUEST")
            .and_then(Json::as_bool)
            .unwrap_or(true),
        profile: Profile::Flask,
    };
    let plan = plan(session.flags(), rules);
    let header =
        |name: &str| visited.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    assert_eq!(header("Vary"), plan.vary_cookie.then_some("Cookie"), "{}", shown());
    let config = cookie_config(&visit.config);
    match plan.cookie {
        CookieOp::Leave => {
            assert_eq!(header("Set-Cookie"), None, "{}", shown());
            3
        }
        CookieOp::Remove => {
            assert_eq!(header("Set-Cookie"), Some(config.removal().as_str()), "{}", shown());
            2
        }
        CookieOp::Set { expires } => {
            let value = codec.sign(&session, now).unwrap();
            let ours = config.set(&value, expires.then(|| now.saturating_add(lifetime)));
            let theirs = header("Set-Cookie").unwrap_or_else(|| panic!("{}", shown()));
            let theirs_value = theirs["session=".len()..].split(';').next().expect("split gives one");
            assert_eq!(json_of(&value), json_of(theirs_value), "{}", shown());
            assert_eq!(ours.replace(&value, ""), theirs.replace(theirs_value, ""), "{}", shown());
            if cfg!(feature = "stock-zlib") {
                assert_eq!(ours, theirs, "{}", shown());
                let warned: Vec<String> =
                    config.check_size(&value, &ours).err().iter().map(ToString::to_string).collect();
                assert_eq!(warned, visited.warnings, "{}", shown());
            }
            usize::from(expires)
        }
    }
}

/// The session of the first cookie of that name, or a new one.
fn open(codec: &SessionCodec, header: Option<&str>, now: hipflask_core::time::UnixTime) -> SessionDict {
    let value = values(header.map(str::as_bytes), "session").next();
    let opened = value.and_then(|value| codec.open(value.as_bytes(), now).ok());
    opened.map_or_else(SessionDict::new, |opened| opened.session)
}

fn cookie_config(config: &Map<String, Json>) -> CookieConfig {
    let flag = |name: &str| config.get(name).and_then(Json::as_bool);
    let word = |name: &str| config.get(name).and_then(Json::as_str);
    let mut builder = CookieConfig::builder()
        .domain(word("SESSION_COOKIE_DOMAIN"))
        .path(word("SESSION_COOKIE_PATH").unwrap_or("/"))
        .secure(flag("SESSION_COOKIE_SECURE").unwrap_or(false))
        .http_only(flag("SESSION_COOKIE_HTTPONLY").unwrap_or(true))
        .same_site(word("SESSION_COOKIE_SAMESITE").map(|mode| mode.parse::<SameSite>().unwrap()))
        .partitioned(flag("SESSION_COOKIE_PARTITIONED").unwrap_or(false));
    if let Some(most) = config.get("MAX_COOKIE_SIZE").and_then(Json::as_u64) {
        builder = builder.max_size(usize::try_from(most).unwrap());
    }
    builder.build().unwrap()
}

/// A session after a step: its result or error, its flags and its content.
#[derive(Debug, PartialEq)]
struct After {
    outcome: Result<String, String>,
    flags: [bool; 4],
    session: String,
}

fn seen_by_us(session: &SessionDict, outcome: Outcome) -> After {
    After {
        outcome: outcome.map(|value| describe(&value)).map_err(str::to_owned),
        flags: [session.is_accessed(), session.is_modified(), session.is_permanent(), session.is_new()],
        session: described(session),
    }
}

fn theirs_of(step: &StepSeen) -> Box<After> {
    let outcome = match (&step.result, &step.error) {
        (Some(result), None) => Ok(result.clone()),
        (None, Some(error)) => Err(error.clone()),
        other => panic!("a step gives a result or an error: {other:?}"),
    };
    let flags = [step.accessed, step.modified, step.permanent, step.new];
    Box::new(After { outcome, flags, session: step.session.clone() })
}

/// `session[key].append(value)`: a change inside a value, which we notice and Flask does not.
fn append(session: &mut SessionDict, arguments: &[Json]) -> Outcome {
    let was = session.is_modified();
    let edited = session.edit(|edit| edit.at(key(arguments))?.push(value(&arguments[1])));
    assert_eq!(session.is_modified(), was || edited.is_ok(), "the change was seen");
    session.set_modified(was);
    match edited {
        Ok(()) => none(),
        Err(EntryError { problem: ValueError::NoSuchKey { .. }, .. }) => Err("KeyError"),
        Err(_) => Err("AttributeError"),
    }
}

fn none() -> Outcome {
    Ok(Value::None)
}

fn fits(outcome: Result<(), EntryError>) -> Outcome {
    // Random values are shallow. The other refusal is a `_flashes` that is not a list.
    outcome.map(|()| Value::None).map_err(|_| "AttributeError")
}

fn key(arguments: &[Json]) -> &str {
    text(&arguments[0])
}

fn text(word: &Json) -> &str {
    word.as_str().expect("a text")
}

fn value(description: &Json) -> Value {
    parse(text(description)).unwrap()
}

fn entries(description: &Json) -> Vec<(hipflask_core::value::Text, Value)> {
    dict(text(description)).into_entries()
}

/// The arguments of steps.
struct Random<'r> {
    rng: &'r mut TestRng,
    donors: &'r [Value],
}

impl Random<'_> {
    /// A key from a small set, so that steps use the same keys.
    fn key(&mut self) -> Json {
        (*self.rng.pick(&[
            "a",
            "b",
            "username",
            "email",
            "cart",
            "_permanent",
            "_flashes",
            "\u{e9}",
            " t",
            "__",
        ]))
        .into()
    }

    /// A key to set. A separate test sets `_flashes` to other values than lists.
    fn new_key(&mut self) -> Json {
        (*self.rng.pick(&["a", "b", "username", "email", "cart", "_permanent", "\u{e9}", " t", "\u{1F600}"]))
            .into()
    }

    fn value(&mut self) -> Json {
        match self.rng.below(3) {
            0 => (*self.rng.pick(&[
                "N",
                "T",
                "F",
                "i0",
                "i1",
                "f0000000000000000",
                "s",
                "s61",
                "[]",
                "[i1]",
                "()",
                "{}",
                "m",
                "b",
            ]))
            .into(),
            _ => describe(self.rng.pick(self.donors)).into(),
        }
    }

    fn dict(&mut self) -> Json {
        let entries =
            (0..self.rng.below(3)).map(|_| (text(&self.new_key()).to_owned(), value(&self.value())));
        describe(&Value::Dict(entries.collect::<Dict>())).into()
    }

    fn category(&mut self) -> Json {
        (*self.rng.pick(&["message", "error", "warning", "e", ""])).into()
    }
}

/// COMPATIBILITY.md, "The session".
#[test]
fn is_new_differs_from_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    let codec = SessionCodec::builder("k").build().unwrap();
    let good = "session=eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74";
    for (cookie, is_new) in [(None, true), (Some("session=forged.ZVPxAA.x"), true), (Some(good), false)] {
        assert_eq!(open(&codec, cookie, NOW).is_new(), is_new);
        let steps = vec![json!(["touch"])];
        let visit = Visit { cookie: cookie.map(str::to_owned), steps, ..Visit::default() };
        assert!(!flask.visit(&[visit]).unwrap()[0].steps[0].new);
    }
}

/// COMPATIBILITY.md, "The session".
#[test]
fn unpaired_flashes_are_skipped_where_real_flask_fails() {
    let mut flask = RealFlask::start().unwrap();
    for flashes in ["[i7]", "[()]", "[(s61)]", "[N,(s61,s62)]"] {
        let set = json!(["set", "_flashes", flashes]);
        let steps = vec![set, json!(["flashed", {}])];
        let visited = flask.visit(&[Visit { steps, ..Visit::default() }]).unwrap();
        assert!(visited[0].steps[1].error.is_some(), "{flashes}");
        let mut session = SessionDict::new();
        session.insert("_flashes", parse(flashes).unwrap()).unwrap();
        assert_eq!(session.flashed_messages().len(), usize::from(flashes.contains("s62")), "{flashes}");
    }
}
