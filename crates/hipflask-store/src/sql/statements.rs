//! The SQL statements. They are written once; each dialect supplies the few words that differ.

use core::fmt::Write as _;
use std::sync::Arc;

/// The words that differ between databases.
pub(super) struct Words {
    /// The table, quoted, with its schema.
    pub(super) table: String,
    /// The condition that a row has exactly the key `:key`.
    pub(super) is_key: &'static str,
    /// Converts a time from text; `{}` is the parameter.
    pub(super) time: &'static str,
    /// The column `expiry` as text.
    pub(super) expiry_text: &'static str,
    /// The column `id` as a 64-bit number.
    pub(super) id: &'static str,
    /// The length of `data` in bytes, as a 64-bit number.
    pub(super) length: &'static str,
    /// The clause that makes an INSERT of an existing key insert nothing; empty if the database has
    /// none, and the INSERT fails.
    pub(super) on_duplicate: &'static str,
    /// The expression for the next id, if the table does not number its rows.
    pub(super) next_id: Option<String>,
    /// Numbered parameters, `$1`, instead of `?`.
    pub(super) numbered: bool,
    /// The statements that create the table.
    pub(super) make: Vec<String>,
}

/// The statements for one table.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) load: Statement,
    pub(super) insert: Statement,
    pub(super) take_over: Statement,
    pub(super) replace: Statement,
    pub(super) touch: Statement,
    pub(super) delete_live: Statement,
    pub(super) delete_expired: Statement,
    pub(super) delete_if: Statement,
    pub(super) page: Statement,
    pub(super) page_with_data: Statement,
    pub(super) expired_ids: Statement,
    /// Without its list of ids: see [`Statements::purge`].
    purge: (String, bool, &'static str),
    /// They change nothing, and fail if the table is missing, has other columns, or is read-only
    /// for the user.
    pub(super) probes: Vec<Statement>,
    pub(super) make: Vec<Statement>,
}

impl Statements {
    pub(super) fn new(words: &Words) -> Self {
        let Words { table, is_key, expiry_text, id, length, on_duplicate, .. } = words;
        let (now, expiry) = (words.time.replace("{}", ":now"), words.time.replace("{}", ":expiry"));
        let say = |text: String| Statement::new(&text, words.numbered);
        let (next_id, id_column) = match &words.next_id {
            Some(next) => (format!("{next}, "), "id, "),
            None => (String::new(), ""),
        };
        let live = format!("{is_key} AND expiry > {now}");
        let expired = format!("{is_key} AND (expiry IS NULL OR expiry <= {now})");
        let page = |data: &str| {
            say(format!(
                "SELECT {id}, session_id, {length}, {expiry_text}{data} FROM {table} \
                 WHERE id > :after AND expiry > {now} AND data IS NOT NULL ORDER BY id LIMIT :limit"
            ))
        };
        Self {
            load: say(format!("SELECT data, {expiry_text} FROM {table} WHERE {live} AND data IS NOT NULL")),
            insert: say(format!(
                "INSERT INTO {table} ({id_column}session_id, data, expiry) \
                 VALUES ({next_id}:key, :data, {expiry}){on_duplicate}"
            )),
            take_over: say(format!("UPDATE {table} SET data = :data, expiry = {expiry} WHERE {expired}")),
            replace: say(format!(
                "UPDATE {table} SET data = :data, expiry = {expiry} WHERE {live} AND data = :expected"
            )),
            touch: say(format!("UPDATE {table} SET expiry = {expiry} WHERE {live}")),
            delete_live: say(format!("DELETE FROM {table} WHERE {live}")),
            delete_expired: say(format!("DELETE FROM {table} WHERE {expired}")),
            delete_if: say(format!("DELETE FROM {table} WHERE {live} AND data = :expected")),
            page: page(""),
            page_with_data: page(", data"),
            expired_ids: say(format!(
                "SELECT {id} FROM {table} WHERE id > :after AND expiry <= {now} ORDER BY id LIMIT :limit"
            )),
            purge: (table.clone(), words.numbered, words.time),
            probes: vec![
                say(format!(
                    "INSERT INTO {table} ({id_column}session_id, data, expiry) \
                     SELECT {id_column}session_id, data, expiry FROM {table} WHERE 1 = 0{on_duplicate}"
                )),
                say(format!("UPDATE {table} SET data = data, expiry = expiry WHERE 1 = 0")),
                say(format!("DELETE FROM {table} WHERE 1 = 0")),
            ],
            make: words.make.iter().map(|text| say(text.clone())).collect(),
        }
    }

    /// Returns a statement that deletes the rows with these ids if they have still expired: another
    /// writer may have reused one meanwhile.
    pub(super) fn purge(&self, ids: &[i64]) -> Statement {
        let (table, numbered, time) = &self.purge;
        let mut list = String::with_capacity(ids.len() * 12);
        for id in ids {
            let comma = if list.is_empty() { "" } else { ", " };
            let _ = write!(list, "{comma}{id}");
        }
        let now = time.replace("{}", ":now");
        let text = format!("DELETE FROM {table} WHERE id IN ({list}) AND expiry <= {now}");
        Statement { once: true, ..Statement::new(&text, *numbered) }
    }
}

/// A statement with the order of its parameters.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: Arc<str>,
    pub(super) order: Vec<Parameter>,
    /// The server should not cache it.
    pub(super) once: bool,
}

/// A parameter of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Key,
    Data,
    Expected,
    Now,
    Expiry,
    After,
    Limit,
}

impl Statement {
    /// Puts the database's placeholders where `text` names a parameter.
    fn new(text: &str, numbered: bool) -> Self {
        let (mut sql, mut order) = (String::with_capacity(text.len()), Vec::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(':') {
            sql.push_str(before);
            let found =
                NAMES.iter().find_map(|(name, parameter)| Some((after.strip_prefix(name)?, *parameter)));
            let Some((after, parameter)) = found else {
                sql.push(':');
                rest = after;
                continue;
            };
            order.push(parameter);
            if numbered {
                let _ = write!(sql, "${}", order.len());
            } else {
                sql.push('?');
            }
            rest = after;
        }
        sql.push_str(rest);
        Self { sql: sql.into(), order, once: false }
    }
}

const NAMES: &[(&str, Parameter)] = &[
    ("key", Parameter::Key),
    ("data", Parameter::Data),
    ("expected", Parameter::Expected),
    ("now", Parameter::Now),
    ("expiry", Parameter::Expiry),
    ("after", Parameter::After),
    ("limit", Parameter::Limit),
];

/// The values of a statement's parameters.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'a> {
    pub(super) key: &'a str,
    pub(super) data: &'a [u8],
    pub(super) expected: &'a [u8],
    pub(super) now: &'a str,
    pub(super) expiry: &'a str,
    pub(super) after: i64,
    pub(super) limit: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_placeholders_in_order() {
        let text =
            "UPDATE t SET data = :data WHERE k = :key AND b = :key AND expiry > CAST(:now AS timestamp)";
        let numbered = Statement::new(text, true);
        let expected = "UPDATE t SET data = $1 WHERE k = $2 AND b = $3 AND expiry > CAST($4 AS timestamp)";
        assert_eq!(&*numbered.sql, expected);
        assert_eq!(numbered.order, [Parameter::Data, Parameter::Key, Parameter::Key, Parameter::Now]);
        assert_eq!(Statement::new(text, false).sql.matches('?').count(), 4);
    }

    #[test]
    fn other_colons_stay() {
        let statement = Statement::new("SELECT to_char(expiry, 'HH24:MI:SS') WHERE a > :after", true);
        assert_eq!(&*statement.sql, "SELECT to_char(expiry, 'HH24:MI:SS') WHERE a > $1");
    }
}
