//! Changes that were made outside of the session, in a dict without a log.

use super::data::SessionDict;
use super::error::EntryError;
use super::flash::FLASHES;
use crate::value::{Dict, Int, Text, Value};

impl SessionDict {
    /// Replaces the content by `now`, in its order, and logs the differences: for fronts with a
    /// dict of their own, such as Python's. Changes inside values are noticed.
    ///
    /// Pass `cleared` if the dict was cleared meanwhile, in `added` the number that was added to
    /// each key, and in `differs` a function that returns `true` for keys that differ although
    /// their values are equal. Flashed messages that were taken or added are logged as such.
    ///
    /// ```
    /// use hipflask_core::session::SessionDict;
    /// use hipflask_core::value::{Dict, Value};
    /// let mut session = SessionDict::from_dict(Dict::from([("a", 1), ("b", 2)]));
    /// session.adopt(Dict::from([("b", 2), ("c", 3)]), false, &Dict::new(), |_| false)?;
    /// let mut newest = Dict::from([("a", Value::from(1)), ("b", Value::from(7))]);
    /// session.changes().replay(&session.to_dict(), &mut newest);
    /// assert_eq!(newest, Dict::from([("b", Value::from(7)), ("c", Value::from(3))]));
    /// # Ok::<(), hipflask_core::session::EntryError>(())
    /// ```
    ///
    /// # Errors
    /// [`EntryError`] for a value that nests too deep. Then the session must not be used any more.
    pub fn adopt(
        &mut self,
        now: Dict,
        cleared: bool,
        added: &Dict<Int>,
        differs: impl Fn(&Text) -> bool,
    ) -> Result<(), EntryError> {
        if cleared {
            self.clear();
        }
        if !now.contains(FLASHES) {
            self.take_list(FLASHES);
        }
        self.keep(&now);
        let order: Vec<Text> = now.keys().cloned().collect();
        for (key, value) in now.into_entries() {
            if self.value(&key) != Some(&value) || differs(&key) {
                self.change(key, value, added)?;
            }
        }
        self.arrange(&order);
        Ok(())
    }

    fn change(&mut self, key: Text, value: Value, added: &Dict<Int>) -> Result<(), EntryError> {
        if let (Some(by), Value::Int(number)) = (added.get(&key), &value)
            && self.sum(&key, by).as_ref() == Some(number)
        {
            return self.increment(key, by.clone()).map(drop);
        }
        if key == FLASHES
            && let Some(pushed) = self.flashed_since(&value)
        {
            if pushed.is_empty() && self.value(FLASHES).is_none() {
                // Not in the log, so that messages which another request flashes meanwhile stay.
                self.put(key, value);
            }
            return pushed.into_iter().try_for_each(|item| self.push_value(FLASHES.into(), item));
        }
        self.insert(key, value)
    }

    fn sum(&self, key: &Text, by: &Int) -> Option<Int> {
        match self.value(key) {
            None => Some(by.clone()),
            Some(Value::Int(number)) => Some(number + by),
            Some(_) => None,
        }
    }

    /// Returns the messages that were flashed since the session was loaded, and logs whether the
    /// older ones were taken. Returns `None` if the value is not a list.
    fn flashed_since(&mut self, value: &Value) -> Option<Vec<Value>> {
        let Value::List(now) = value else { return None };
        let before = match self.value(FLASHES) {
            None => return Some(now.clone()),
            Some(Value::List(items)) => items,
            Some(_) => return None,
        };
        match now.strip_prefix(before.as_slice()) {
            Some(pushed) => Some(pushed.to_vec()),
            None => {
                self.take_list(FLASHES);
                Some(now.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(json: &str) -> Dict {
        SessionDict::from_json(json).unwrap().to_dict()
    }

    /// Returns the result on `newest` of a request that loaded `base` and saved `now`.
    fn replayed(base: &str, now: &str, newest: &str) -> Dict {
        let mut session = SessionDict::from_json(base).unwrap();
        session.adopt(dict(now), false, &Dict::new(), |_| false).unwrap();
        assert_eq!(session.to_dict(), dict(now));
        let mut newest = dict(newest);
        session.changes().replay(&session.to_dict(), &mut newest);
        newest
    }

    #[test]
    fn changes_elsewhere_are_logged_key_by_key() {
        let mut session = SessionDict::from_json(r#"{"a":1,"b":[1,2],"c":{"d":1}}"#).unwrap();
        session.adopt(session.to_dict(), false, &Dict::new(), |_| false).unwrap();
        assert!(!session.is_modified() && session.changes().is_empty());
        let newest = r#"{"a":5,"b":[9],"c":{"d":9},"e":1}"#;
        let now = r#"{"b":[1,2,3],"c":{"d":1}}"#;
        assert_eq!(
            replayed(r#"{"a":1,"b":[1,2],"c":{"d":1}}"#, now, newest),
            dict(r#"{"b":[1,2,3],"c":{"d":9},"e":1}"#)
        );
    }

    #[test]
    fn an_empty_list_of_flashes_is_kept() {
        let newest = r#"{"_flashes":[["m","1"],["m","other"]],"a":1}"#;
        for base in [r#"{"a":1}"#, r#"{"_flashes":[["m","1"]],"a":1}"#] {
            let left = replayed(base, r#"{"_flashes":[],"a":1}"#, newest);
            assert!(
                left.get("_flashes").is_some_and(|flashes| flashes != &Value::List(Vec::new())),
                "{base}"
            );
        }
    }

    #[test]
    fn clearing_removes_the_additions_of_another_request() {
        let mut session = SessionDict::from_json(r#"{"a":1,"b":2}"#).unwrap();
        session.adopt(dict(r#"{"a":1}"#), true, &Dict::new(), |_| false).unwrap();
        let mut newest = dict(r#"{"a":5,"z":1}"#);
        session.changes().replay(&session.to_dict(), &mut newest);
        assert_eq!(newest, dict(r#"{"a":1}"#));
    }

    #[test]
    fn additions_add_up_unless_the_number_is_set() {
        let sum = |now: i64| {
            let mut session = SessionDict::from_dict(Dict::from([("n", 3)]));
            let added = Dict::from([("n", Int::from(2)), ("m", Int::from(1))]);
            session.adopt(Dict::from([("n", now), ("m", 1)]), false, &added, |_| false).unwrap();
            let mut newest = Dict::from([("n", 100), ("m", 10)]);
            session.changes().replay(&session.to_dict(), &mut newest);
            (
                newest.get("n").and_then(Value::as_i64).unwrap(),
                newest.get("m").and_then(Value::as_i64).unwrap(),
            )
        };
        assert_eq!(sum(5), (102, 11));
        assert_eq!(sum(7), (7, 11));
    }

    #[test]
    fn messages_of_another_request_stay() {
        let base = r#"{"_flashes":[["m","1"],["m","2"]]}"#;
        let newest = r#"{"_flashes":[["m","1"],["m","2"],["m","other"]]}"#;
        for (now, expected) in [
            ("{}", r#"[["m","other"]]"#),
            (
                r#"{"_flashes":[["m","1"],["m","2"],["m","3"]]}"#,
                r#"[["m","1"],["m","2"],["m","other"],["m","3"]]"#,
            ),
            (r#"{"_flashes":[["m","3"]]}"#, r#"[["m","other"],["m","3"]]"#),
        ] {
            assert_eq!(replayed(base, now, newest), dict(&format!(r#"{{"_flashes":{expected}}}"#)), "{now}");
        }
        assert_eq!(
            replayed("{}", r#"{"_flashes":[["m","3"]]}"#, newest)
                .get("_flashes")
                .unwrap()
                .as_items()
                .unwrap()
                .len(),
            4
        );
    }

    #[test]
    fn the_order_follows_the_other_dict() {
        let mut session = SessionDict::from_json(r#"{"a":1,"b":2,"c":3}"#).unwrap();
        session.adopt(dict(r#"{"c":3,"d":4,"a":1}"#), false, &Dict::new(), |_| false).unwrap();
        assert_eq!(session.keys().map(|key| key.as_str().unwrap()).collect::<Vec<_>>(), ["c", "d", "a"]);
    }
}
