//! `copy`.

use hipflask_core::value::Value;

use super::{DAY, Filled, counts, directory, id, lines, user};
use crate::support::{Ran, run};

pub(super) fn copy(from: &Filled, to: &str, options: &[&str]) -> Ran {
    run(&[&["store", "copy", &from.url, to], options].concat())
}

/// A database with sessions in it.
fn database(sessions: usize) -> (tempfile::TempDir, Filled) {
    let directory = tempfile::tempdir().unwrap();
    let filled = Filled::at(format!("sqlite:{}/app.db", directory.path().display()));
    for number in 0..sessions {
        filled.put(&id(number), &user(number as i64), DAY);
    }
    (directory, filled)
}

#[test]
fn copies_keep_ids_values_and_expiry() {
    let (directory, from) = database(20);
    let sqlite = |name: &str| format!("sqlite:{}/{name}", directory.path().display());
    let files = format!("file:{}/files", directory.path().display());
    let ran = copy(&from, &files, &[]);
    assert_eq!((ran.code, &counts(&ran)["copied"]), (Some(0), &20.into()), "{ran:?}");
    let ids = directory.path().join("ids.txt");
    std::fs::write(&ids, (0..20).map(|number| id(number) + "\n").collect::<String>()).unwrap();
    let files = Filled::at(files);
    assert!(files.data(&id(0)).unwrap().starts_with(b"\x80\x04"), "pickle in files");
    let json = sqlite("json.db");
    let ran = copy(&files, &json, &["--ids-from", ids.to_str().unwrap(), "--format", "json"]);
    assert_eq!((ran.code, &counts(&ran)["copied"]), (Some(0), &20.into()), "{ran:?}");
    let json = Filled::at(json);
    assert!(json.data(&id(0)).unwrap().starts_with(b"{"));
    let back = sqlite("back.db");
    assert_eq!(copy(&json, &back, &[]).code, Some(0));
    assert_eq!(Filled::at(back).all(), from.all());
    assert_eq!(from.all().len(), 20);
}

#[test]
fn a_second_run_reports_different_sessions() {
    let (directory, from) = database(5);
    let to = format!("sqlite:{}/to.db", directory.path().display());
    assert_eq!(copy(&from, &to, &[]).code, Some(0));
    let again = counts(&copy(&from, &to, &[]));
    assert_eq!((&again["copied"], &again["already_there"]), (&0.into(), &5.into()));
    let there = Filled::at(&*to);
    there.end(&id(1));
    there.put(&id(1), &user(99), DAY);
    let ran = copy(&from, &to, &[]);
    assert_eq!((ran.code, &counts(&ran)["different"]), (Some(1), &1.into()));
    assert_eq!(lines(&ran)[0]["reason"], "different");
    assert_eq!(lines(&ran)[0]["hash"], *super::key(&id(1)).short_hash());
}

#[test]
fn a_journal_continues_a_move_during_use() {
    let (directory, from) = database(4);
    let to = format!("sqlite:{}/to.db", directory.path().display());
    let journal = directory.path().join("move.journal");
    let with = ["--journal", journal.to_str().unwrap()];
    assert_eq!(copy(&from, &to, &with).code, Some(0));
    let there = Filled::at(&*to);
    // One changes at the source, one logs out at the destination, one is new.
    from.end(&id(0));
    from.put(&id(0), &user(100), DAY);
    there.end(&id(1));
    from.put(&id(9), &user(9), DAY);
    let ran = copy(&from, &to, &with);
    let counts = counts(&ran);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for (name, expected) in [("copied", 1), ("updated", 1), ("deleted_there", 1), ("already_there", 2)] {
        assert_eq!(counts[name], expected, "{name}: {counts}");
    }
    assert_eq!((there.data(&id(0)), there.data(&id(1))), (from.data(&id(0)), None));
    // One logs out at the source.
    from.end(&id(3));
    let ran = copy(&from, &to, &with);
    assert_eq!((ran.code, &super::counts(&ran)["missing"]), (Some(0), &1.into()));
    assert!(there.data(&id(3)).is_some());
    let ran = copy(&from, &to, &[&with[..], &["--delete-missing"]].concat());
    assert_eq!((ran.code, &super::counts(&ran)["deleted"]), (Some(0), &1.into()), "{ran:?}");
    assert_eq!((there.data(&id(3)), there.data(&id(9))), (None, from.data(&id(9))));
    // An empty source is more likely the wrong one.
    for number in [0, 1, 2, 9] {
        from.end(&id(number));
    }
    let ran = copy(&from, &to, &[&with[..], &["--delete-missing"]].concat());
    assert_eq!((ran.code, &super::counts(&ran)["missing"]), (Some(0), &3.into()), "{ran:?}");
    assert!(ran.err.contains("the source is empty"), "{}", ran.err);
    let wrong = copy(&there, &from.url, &with);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("not a journal of this source and this destination"), "{}", wrong.err);
}

#[test]
fn changes_of_type_must_be_accepted() {
    let (directory, from) = directory(1);
    from.put(&id(5), &[("pos", Value::Tuple(vec![1.into(), 2.into()]))], DAY);
    from.put(&id(6), &[("bio", Value::Markup("<b>".into()))], DAY);
    from.put_data(&id(7), b"garbage", DAY);
    let flash = Value::Tuple(vec!["message".into(), "hello".into()]);
    from.put(&id(8), &[("_flashes", Value::List(vec![flash]))], DAY);
    let ids = directory.path().join("ids.txt");
    std::fs::write(&ids, [0, 5, 6, 7, 8, 99].map(|number| id(number) + "\n").concat()).unwrap();
    let to = format!("sqlite:{}/to.db", directory.path().display());
    let options = ["--ids-from", ids.to_str().unwrap()];
    let ran = copy(&from, &to, &options);
    assert_eq!(ran.code, Some(1));
    let counted = counts(&ran);
    for (name, expected) in [("copied", 2), ("refused", 2), ("unreadable", 1), ("not_found", 1)] {
        assert_eq!(counted[name], expected, "{name}: {counted}");
    }
    assert!(ran.out.contains(r#"\"pos\" (tuple to list) would become another type"#), "{}", ran.out);
    assert!(ran.out.contains("msgpack cannot hold Markup"), "{}", ran.out);
    let accepted = copy(&from, &to, &[&options[..], &["--accept-changes"]].concat());
    let counted = counts(&accepted);
    for (name, expected) in [("copied", 1), ("changed", 1), ("already_there", 2), ("refused", 1)] {
        assert_eq!(counted[name], expected, "{name}: {counted}");
    }
    let people = copy(&from, &to, &[&options[..], &["--human"]].concat()).out;
    let people = people.replace(directory.path().to_str().unwrap(), "/srv");
    insta::assert_snapshot!("copy-with-problems", people);
}

#[test]
fn directories_need_ids_to_leave_files() {
    let (directory, from) = directory(3);
    let other = format!("file:{}/other", directory.path().display());
    assert_eq!(counts(&copy(&from, &other, &[]))["copied"], 3);
    assert_eq!(Filled::at(other).data(&id(2)), from.data(&id(2)));
    let to = format!("sqlite:{}/to.db", directory.path().display());
    let ran = copy(&from, &to, &[]);
    assert_eq!((ran.code, &*ran.out), (Some(2), ""));
    insta::assert_snapshot!("copy-without-ids", ran.err);
}

#[test]
fn a_store_is_not_copied_onto_itself() {
    let (_directory, from) = database(3);
    let ran = copy(&from, &from.url, &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("the same place"), "{}", ran.err);
    let ran = copy(&from, &format!("{}?table=moved", from.url), &[]);
    assert_eq!((ran.code, &counts(&ran)["copied"]), (Some(0), &3.into()), "another table: {ran:?}");
    let ran = copy(&from, &from.url, &["--to-prefix", "shop:"]);
    assert_eq!((ran.code, &counts(&ran)["copied"]), (Some(0), &3.into()), "{ran:?}");
    assert_eq!(from.all().len(), 6);
}

#[test]
fn sessions_without_expiry_get_one_on_request() {
    let (directory, from) = directory(1);
    let file = std::fs::read_dir(directory.path().join("sessions")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..4].fill(0);
    std::fs::write(&file, bytes).unwrap();
    let other = format!("file:{}/other", directory.path().display());
    let refused = copy(&from, &other, &[]);
    assert_eq!((refused.code, &counts(&refused)["refused"]), (Some(1), &1.into()));
    assert!(refused.out.contains("it never expires at the source"), "{}", refused.out);
    assert_eq!(copy(&from, &other, &["--endless-lifetime", "31d"]).code, Some(0));
    let ends = Filled::at(other);
    let listed = lines(&super::store(&ends, &["ls"]));
    let left = listed[0]["expires_at"].as_u64().unwrap() - super::now().as_secs();
    assert!((31 * DAY - 5..=31 * DAY).contains(&left), "{left}");
}
