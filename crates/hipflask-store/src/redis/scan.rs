//! Pages of records. A cluster's masters are listed one after another, in the order of their first slots.

use ::redis::Value;
use hipflask_core::time::UnixTime;

use super::command;
use super::connection::{Connection, Effect, Node, Request, malformed_reply};
use super::fault::Fault;
use crate::store::{Cursor, Entry, Key, Page, Scan};

/// The beginning of a page.
#[derive(Debug, PartialEq, Eq)]
struct Position {
    /// The first slot of the master that is being listed; 0 if there is only one server.
    slot: u16,
    /// That master. Another server would not understand the cursor.
    node: Option<Node>,
    /// The server's cursor.
    cursor: String,
}

impl Position {
    fn parse(words: &str) -> Option<Self> {
        let (cursor, rest) = words.split_once(' ')?;
        let (slot, node) = rest.split_once(' ')?;
        let node = if node.is_empty() { None } else { Some(Node::parse(node)?) };
        let is_number = !cursor.is_empty() && cursor.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(Self { slot: slot.parse().ok()?, node, cursor: cursor.to_owned() })
    }

    fn into_cursor(self) -> Cursor {
        let node = self.node.map_or_else(String::new, |node| format!("{}:{}", node.host, node.port));
        Cursor::new(format!("{} {} {node}", self.cursor, self.slot))
    }
}

pub(super) async fn page(connection: &Connection, scan: &Scan, now: UnixTime) -> Result<Page, Fault> {
    let after = match &scan.after {
        Some(cursor) => Some(Position::parse(cursor.as_str()).ok_or_else(malformed_reply)?),
        None => None,
    };
    let masters = connection.masters().await?;
    let Some((here, next)) = choose(after, masters.as_deref()) else { return Ok(Page::default()) };
    let node = here.node.clone().unwrap_or_else(|| Node { host: String::new(), port: 0 });
    let keys = command::scan(&here.cursor, &scan.prefix, scan.limit);
    let mut answers = connection.ask(&Request::AtNode(node.clone(), keys), Effect::Read).await?;
    let (cursor, keys) = command::scanned(answers.next().ok_or_else(malformed_reply)?)?;
    let next = if cursor == "0" { next } else { Some(Position { cursor, ..here }) };
    let entries = entries(connection, node, keys, scan, now).await?;
    Ok(Page { entries, next: next.map(Position::into_cursor) })
}

/// Chooses the position of this page, and the one that follows when its master has no more keys.
fn choose(after: Option<Position>, masters: Option<&[(u16, Node)]>) -> Option<(Position, Option<Position>)> {
    let Some(masters) = masters else {
        let cursor = after.map_or_else(|| "0".to_owned(), |position| position.cursor);
        return Some((Position { slot: 0, node: None, cursor }, None));
    };
    let start = |at: usize| {
        let (slot, node) = masters.get(at)?;
        Some(Position { slot: *slot, node: Some(node.clone()), cursor: "0".to_owned() })
    };
    let Some(after) = after else { return Some((start(0)?, start(1))) };
    let at = masters.iter().position(|(slot, _)| *slot >= after.slot)?;
    let here = start(at)?;
    // Another master took over: list it from the beginning, so that no record is missing.
    let here = if here.slot == after.slot && here.node == after.node { after } else { here };
    Some((here, start(at + 1)))
}

async fn entries(
    connection: &Connection,
    node: Node,
    keys: Vec<String>,
    scan: &Scan,
    now: UnixTime,
) -> Result<Vec<Entry>, Fault> {
    let keys: Vec<Key> = keys.iter().filter_map(|key| Key::new("", key).ok()).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let commands = command::look_at(keys.iter().map(Key::as_str), scan.with_data);
    let mut answers = connection.ask(&Request::AtNode(node, commands), Effect::Read).await?;
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        let (Some(found), Some(left)) = (answers.next(), answers.next()) else {
            return Err(malformed_reply().into());
        };
        let (bytes, data) = match found {
            Value::Int(length) => (usize::try_from(length).unwrap_or(0), None),
            Value::BulkString(data) => (data.len(), Some(data)),
            // Deleted meanwhile, moved to another node, or not a string and therefore not a record.
            _ => continue,
        };
        match left {
            Value::Int(command::GONE) => {}
            Value::Int(left) => {
                entries.push(Entry { key, bytes, expires: command::expires(left, now), data })
            }
            _ => {}
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::{Position, choose};
    use crate::redis::connection::Node;

    fn node(name: &str) -> Node {
        Node { host: name.to_owned(), port: 7000 }
    }

    fn masters() -> Vec<(u16, Node)> {
        vec![(0, node("a")), (5461, node("b")), (10923, node("c"))]
    }

    fn position(slot: u16, name: &str, cursor: &str) -> Position {
        Position { slot, node: Some(node(name)), cursor: cursor.to_owned() }
    }

    #[test]
    fn position_round_trips_through_cursor() {
        for place in [position(5461, "::1", "77"), Position { slot: 0, node: None, cursor: "0".to_owned() }] {
            let words =
                Position { node: place.node.clone(), cursor: place.cursor.clone(), ..place }.into_cursor();
            assert_eq!(Position::parse(words.as_str()), Some(place));
        }
        for words in ["", "1", "x 0 ", " 0 ", "1 70000 ", "1 0 a", "1 0 a:b"] {
            assert_eq!(Position::parse(words), None, "{words:?}");
        }
    }

    #[test]
    fn every_master_is_listed() {
        let masters = masters();
        let (here, next) = choose(None, Some(&masters)).unwrap();
        assert_eq!((here, next), (position(0, "a", "0"), Some(position(5461, "b", "0"))));
        let (here, next) = choose(Some(position(10923, "c", "9")), Some(&masters)).unwrap();
        assert_eq!((here, next), (position(10923, "c", "9"), None));
    }

    #[test]
    fn new_master_is_listed_from_the_beginning() {
        let masters = vec![(0, node("a")), (5461, node("new"))];
        let (here, _) = choose(Some(position(5461, "b", "9")), Some(&masters)).unwrap();
        assert_eq!(here, position(5461, "new", "0"));
    }
}
