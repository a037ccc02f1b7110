//! The stack machine of a pickle.

use std::collections::HashMap;

use hipflask_core::steps;
use hipflask_core::value::{BigInt, Int, Text};

use super::super::budget::Budget;
use super::super::{Format, RecordError};
use super::globals::{self, forbidden};
use super::node::{Arena, Global, Node, NodeId};

/// The maximum length of an integer in bytes, which is more than the 4300 digits that Python prints.
const MAX_INT_BYTES: usize = 2048;

/// The cost of a node, including the growth of the arena.
const NODE: usize = 2 * size_of::<Node>();

/// The cost of a stack entry, which moves to a list or dict later.
const PLACE: usize = 24;

/// The cost of a MARK.
const MARK: usize = 16;

/// The cost of a memo entry, including the growth of the memo.
const MEMO: usize = 48;

/// Runs a pickle to its STOP. Returns its values and the rest of the budget.
pub(super) fn run(data: &[u8]) -> Result<(Arena, Budget), RecordError> {
    let mut machine = Machine {
        data,
        at: 0,
        arena: Arena::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        budget: Budget::of(data.len()),
    };
    while machine.step()? {}
    machine.arena.root = machine.pop()?;
    Ok((machine.arena, machine.budget))
}

struct Machine<'d> {
    data: &'d [u8],
    at: usize,
    arena: Arena,
    stack: Vec<NodeId>,
    /// The height of the stack at each MARK.
    marks: Vec<usize>,
    memo: HashMap<u64, NodeId>,
    /// Every step counts the bytes that it allocates or copies, so that a short pickle cannot copy
    /// a long list many times.
    budget: Budget,
}

impl<'d> Machine<'d> {
    /// Executes one opcode. Returns `false` after STOP.
    fn step(&mut self) -> Result<bool, RecordError> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return Ok(false),
            0x80 => {
                if self.take(1)?[0] > 5 {
                    return Err(self.malformed());
                }
            }
            0x95 => drop(self.length(8)?),
            _ => {
                let done = self.scalar(opcode)? || self.collection(opcode)? || self.stack_or_memo(opcode)?;
                if !done && !self.object(opcode)? {
                    return Err(forbidden(&format!("opcode 0x{opcode:02x}")));
                }
            }
        }
        Ok(true)
    }

    fn scalar(&mut self, opcode: u8) -> Result<bool, RecordError> {
        let node = match opcode {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'J' => Node::Int(Int::from(self.number(4)? as u32 as i32)),
            b'K' => Node::Int(Int::from(self.number(1)?)),
            b'M' => Node::Int(Int::from(self.number(2)?)),
            0x8A => {
                let length = self.number(1)? as usize;
                self.long(length)?
            }
            0x8B => {
                let length = self.length(4)?;
                self.long(length)?
            }
            b'G' => {
                let bits = self.take(8)?.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                Node::Float(f64::from_bits(bits))
            }
            b'I' | b'L' | b'F' => {
                let line = self.line()?;
                text_number(opcode, line).ok_or_else(|| self.malformed())?
            }
            b'X' => self.text(4)?,
            0x8C => self.text(1)?,
            0x8D => self.text(8)?,
            b'V' => {
                let line = self.line()?;
                Node::Str(raw_unicode_escape(line).ok_or_else(|| self.malformed())?)
            }
            // Text of Python 2. Python 3 only reads it if it is ASCII.
            b'U' => self.ascii(1)?,
            b'T' => self.ascii(4)?,
            b'S' => {
                let line = self.line()?;
                Node::Str(quoted(line).ok_or_else(|| self.malformed())?)
            }
            b'C' => Node::Bytes(self.sized(1)?.to_vec()),
            b'B' => Node::Bytes(self.sized(4)?.to_vec()),
            0x8E => Node::Bytes(self.sized(8)?.to_vec()),
            0x96 => Node::ByteArray(self.sized(8)?.to_vec()),
            _ => return Ok(false),
        };
        self.push(node)?;
        Ok(true)
    }

    fn collection(&mut self, opcode: u8) -> Result<bool, RecordError> {
        match opcode {
            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b')' => self.push(Node::Tuple(Vec::new()))?,
            0x8F => self.push(Node::Set(Vec::new()))?,
            b'l' => {
                let items = self.marked()?;
                self.push(Node::List(items))?;
            }
            b't' => {
                let items = self.marked()?;
                self.push(Node::Tuple(items))?;
            }
            0x91 => {
                let items = self.marked()?;
                self.push(Node::FrozenSet(items))?;
            }
            b'd' => {
                let items = self.marked()?;
                let entries = self.pairs(&items)?;
                self.push(Node::Dict(entries))?;
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Node::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(&[item])?;
            }
            b'e' => {
                let items = self.marked()?;
                self.extend_list(&items)?;
            }
            0x90 => {
                let items = self.marked()?;
                match self.top()? {
                    Node::Set(held) => held.extend_from_slice(&items),
                    _ => return Err(self.malformed()),
                }
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.extend_dict(&items)?;
            }
            b'u' => {
                let items = self.marked()?;
                self.extend_dict(&items)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn stack_or_memo(&mut self, opcode: u8) -> Result<bool, RecordError> {
        match opcode {
            b'(' => self.mark()?,
            b'0' => match self.marks.last() {
                Some(height) if *height == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            b'1' => drop(self.marked()?),
            b'2' => {
                let top = self.peek()?;
                self.push_id(top)?;
            }
            0x94 => {
                let index = self.memo.len() as u64;
                self.memoize(index)?;
            }
            b'q' => {
                let index = self.number(1)?;
                self.memoize(index)?;
            }
            b'r' => {
                let index = self.number(4)?;
                self.memoize(index)?;
            }
            b'p' => {
                let index = self.index()?;
                self.memoize(index)?;
            }
            b'h' => {
                let index = self.number(1)?;
                self.recall(index)?;
            }
            b'j' => {
                let index = self.number(4)?;
                self.recall(index)?;
            }
            b'g' => {
                let index = self.index()?;
                self.recall(index)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn object(&mut self, opcode: u8) -> Result<bool, RecordError> {
        match opcode {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let global = Global::find(&String::from_utf8_lossy(module), &String::from_utf8_lossy(name))?;
                self.push(Node::Global(global))?;
            }
            0x93 => {
                let names = self.pop_many(2)?;
                let [Node::Str(module), Node::Str(name)] = [names[0], names[1]].map(|id| self.arena.get(id))
                else {
                    return Err(self.malformed());
                };
                let global = Global::find(&module.to_string_lossy(), &name.to_string_lossy())?;
                self.push(Node::Global(global))?;
            }
            b'R' | 0x81 => {
                let both = self.pop_many(2)?;
                let (Node::Global(callable), Node::Tuple(args)) =
                    (self.arena.get(both[0]), self.arena.get(both[1]))
                else {
                    return Err(self.malformed());
                };
                let copied = globals::copied(&self.arena, args);
                self.budget.take(copied).ok_or(RecordError::TooLarge)?;
                steps::count(copied);
                let made = globals::call(&self.arena, *callable, args);
                let made = made.ok_or_else(|| forbidden(&format!("{callable:?} with other arguments")))?;
                self.push(made)?;
            }
            b'b' => {
                let both = self.pop_many(2)?;
                let made = globals::build(&self.arena, self.arena.get(both[0]), self.arena.get(both[1]));
                self.arena.nodes[both[0] as usize] = made.ok_or_else(|| forbidden("BUILD"))?;
                self.push_id(both[0])?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn extend_list(&mut self, items: &[NodeId]) -> Result<(), RecordError> {
        steps::count(items.len());
        match self.top()? {
            Node::List(held) => held.extend_from_slice(items),
            _ => return Err(self.malformed()),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[NodeId]) -> Result<(), RecordError> {
        let entries = self.pairs(items)?;
        match self.top()? {
            Node::Dict(held) | Node::OrderedDict(held) => held.extend_from_slice(&entries),
            _ => return Err(self.malformed()),
        }
        Ok(())
    }

    fn pairs(&self, items: &[NodeId]) -> Result<Vec<(NodeId, NodeId)>, RecordError> {
        steps::count(items.len());
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.malformed());
        }
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    }

    fn push(&mut self, node: Node) -> Result<(), RecordError> {
        self.count(NODE)?;
        let id = self.arena.nodes.len() as NodeId;
        self.arena.nodes.push(node);
        self.push_id(id)
    }

    fn push_id(&mut self, id: NodeId) -> Result<(), RecordError> {
        self.count(PLACE)?;
        self.stack.push(id);
        Ok(())
    }

    fn mark(&mut self) -> Result<(), RecordError> {
        self.count(MARK)?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), RecordError> {
        self.budget.take(bytes).ok_or(RecordError::TooLarge)
    }

    /// Returns the height of the stack at the last MARK, below which nothing may be popped.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<NodeId, RecordError> {
        if self.stack.len() <= self.floor() {
            return Err(self.malformed());
        }
        self.stack.pop().ok_or_else(|| self.malformed())
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<NodeId>, RecordError> {
        match self.stack.len().checked_sub(count) {
            Some(from) if from >= self.floor() => Ok(self.stack.split_off(from)),
            _ => Err(self.malformed()),
        }
    }

    /// Pops the last MARK and everything above it.
    fn marked(&mut self) -> Result<Vec<NodeId>, RecordError> {
        let from = self.marks.pop().ok_or_else(|| self.malformed())?;
        steps::count(self.stack.len() - from);
        Ok(self.stack.split_off(from))
    }

    fn peek(&self) -> Result<NodeId, RecordError> {
        self.stack.last().copied().ok_or_else(|| self.malformed())
    }

    fn top(&mut self) -> Result<&mut Node, RecordError> {
        let id = self.peek()?;
        Ok(&mut self.arena.nodes[id as usize])
    }

    fn memoize(&mut self, index: u64) -> Result<(), RecordError> {
        let id = self.peek()?;
        self.count(MEMO)?;
        self.memo.insert(index, id);
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Result<(), RecordError> {
        let id = self.memo.get(&index).copied().ok_or_else(|| self.malformed())?;
        self.push_id(id)
    }

    /// Reads an integer in two's complement, little-endian.
    fn long(&mut self, length: usize) -> Result<Node, RecordError> {
        if length > MAX_INT_BYTES {
            return Err(RecordError::TooLarge);
        }
        Ok(Node::Int(BigInt::from_signed_bytes_le(self.take(length)?).into()))
    }

    fn text(&mut self, width: usize) -> Result<Node, RecordError> {
        let bytes = self.sized(width)?;
        Text::from_bytes(bytes).map(Node::Str).ok_or_else(|| self.malformed())
    }

    fn ascii(&mut self, width: usize) -> Result<Node, RecordError> {
        let bytes = self.sized(width)?;
        match core::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Ok(Node::Str(text.into())),
            _ => Err(self.malformed()),
        }
    }

    fn sized(&mut self, width: usize) -> Result<&'d [u8], RecordError> {
        let length = self.length(width)?;
        self.take(length)
    }

    fn length(&mut self, width: usize) -> Result<usize, RecordError> {
        let length = self.number(width)?;
        usize::try_from(length).map_err(|_| self.malformed())
    }

    /// Reads a little-endian number.
    fn number(&mut self, width: usize) -> Result<u64, RecordError> {
        Ok(self.take(width)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn index(&mut self) -> Result<u64, RecordError> {
        let line = self.line()?;
        let text = core::str::from_utf8(line).map_err(|_| self.malformed())?;
        text.parse().map_err(|_| self.malformed())
    }

    fn line(&mut self) -> Result<&'d [u8], RecordError> {
        let rest = &self.data[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n');
        steps::count(length.unwrap_or(rest.len()));
        let length = length.ok_or_else(|| self.malformed())?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn take(&mut self, length: usize) -> Result<&'d [u8], RecordError> {
        let taken = self.data[self.at..].get(..length).ok_or_else(|| self.malformed())?;
        steps::count(length);
        self.at += length;
        Ok(taken)
    }

    const fn malformed(&self) -> RecordError {
        RecordError::Malformed { format: Format::Pickle, at: self.at }
    }
}

/// Parses a number of protocol 0, which is a line of text.
fn text_number(opcode: u8, line: &[u8]) -> Option<Node> {
    Some(match (opcode, line) {
        (b'I', b"00") => Node::Bool(false),
        (b'I', b"01") => Node::Bool(true),
        (b'F', line) => Node::Float(core::str::from_utf8(line).ok()?.parse().ok()?),
        (_, line) => Node::Int(Int::parse(line.strip_suffix(b"L").unwrap_or(line))?),
    })
}

/// Parses a text of protocol 0: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
fn raw_unicode_escape(line: &[u8]) -> Option<Text> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        let digits = match rest {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            _ => 0,
        };
        let point = if digits == 0 {
            rest = after;
            u32::from(*byte)
        } else {
            let (hex, after) = rest[2..].split_at_checked(digits)?;
            rest = after;
            u32::from_str_radix(core::str::from_utf8(hex).ok()?, 16).ok()?
        };
        push_code_point(&mut bytes, point)?;
    }
    Text::from_bytes(&bytes)
}

fn push_code_point(bytes: &mut Vec<u8>, point: u32) -> Option<()> {
    if (0xD800..0xE000).contains(&point) {
        let low = [point >> 6, point].map(|bits| 0x80 | (bits & 0x3F) as u8);
        bytes.extend_from_slice(&[0xED, low[0], low[1]]);
    } else {
        bytes.extend_from_slice(char::from_u32(point)?.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(())
}

/// Parses a quoted text of Python 2.
fn quoted(line: &[u8]) -> Option<Text> {
    let (quote @ (b'\'' | b'"'), inside) = line.split_first()? else { return None };
    let mut inside = inside.strip_suffix(&[*quote])?;
    let mut text = Vec::with_capacity(inside.len());
    while let [byte, after @ ..] = inside {
        inside = after;
        if *byte != b'\\' {
            text.push(*byte);
            continue;
        }
        let [escape, after @ ..] = inside else { return None };
        inside = after;
        text.push(match escape {
            b'\\' | b'\'' | b'"' => *escape,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let (hex, after) = inside.split_at_checked(2)?;
                inside = after;
                u8::from_str_radix(core::str::from_utf8(hex).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    core::str::from_utf8(&text).ok().filter(|text| text.is_ascii()).map(Text::from)
}
