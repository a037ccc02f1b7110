//! MessagePack as msgspec 0.22 writes it.

use hipflask_core::session::{Part, SessionDict};
use hipflask_core::steps;
use hipflask_core::time::DateTime;
use hipflask_core::value::{Dict, Int, MAX_DEPTH, Text, Value};

use super::budget::{Budget, FIRST_ITEMS};
use super::{
    EncodeError, Format, OpaqueValues, Original, Originals, Problem, Raw, Record, RecordError, key_text,
    room_for,
};

pub(super) fn read(data: &[u8]) -> Result<Record, RecordError> {
    let mut reader = Reader::of(data);
    let record = match reader.map_length()? {
        Some(length) => reader.session(length)?,
        None => {
            let value = reader.value(MAX_DEPTH)?;
            Record { dict: Record::of_pairs(value)?, opaque: OpaqueValues::default() }
        }
    };
    if reader.tokens.at == data.len() { Ok(record) } else { Err(reader.tokens.malformed()) }
}

/// Opens a record as a session whose values are checked, but not read. Returns `None` if that is
/// impossible: the record is damaged, is not a map with texts for keys, or contains a value that a
/// [`Value`] cannot hold. [`read`] then says why.
pub(super) fn open(data: &[u8]) -> Option<SessionDict> {
    let mut reader = Reader::of(data);
    let length = reader.map_length().ok()??;
    reader.budget.entries(length)?;
    let mut members = Vec::with_capacity(length.min(FIRST_ITEMS));
    for _ in 0..length {
        let Token::Str(key) = reader.tokens.next()? else { return None };
        let key = Text::new(core::str::from_utf8(key).ok()?);
        let start = reader.tokens.at;
        reader.skip(MAX_DEPTH - 1)?;
        members.push((key, start as u32..reader.tokens.at as u32));
    }
    (reader.tokens.at == data.len()).then(|| SessionDict::from_record(data.into(), members, checked))
}

/// Returns `true` if a record can be read, without building its values if possible.
pub(super) fn is_readable(data: &[u8]) -> bool {
    open(data).is_some() || read(data).is_ok()
}

/// Reads a value that [`open`] has checked.
fn checked(data: &[u8]) -> Value {
    let mut reader = Reader::of(data);
    reader.value(MAX_DEPTH).unwrap_or(Value::None)
}

/// The smallest part of MessagePack: a scalar, or the head of a collection. Nothing is checked yet.
#[derive(Clone, Copy)]
enum Token<'d> {
    None,
    Bool(bool),
    Int(i64),
    /// A number that may be larger than an `i64`.
    Unsigned(u64),
    Float(f64),
    Str(&'d [u8]),
    Bytes(&'d [u8]),
    List(usize),
    Dict(usize),
    Extension(i8, &'d [u8]),
}

/// Splits MessagePack into tokens: the only place that knows the heads of its values.
struct Tokens<'d> {
    data: &'d [u8],
    at: usize,
}

impl<'d> Tokens<'d> {
    /// Returns the next token; `None` if the bytes end too early or are not MessagePack.
    #[inline(always)]
    fn next(&mut self) -> Option<Token<'d>> {
        let head = *self.data.get(self.at)?;
        steps::count(1);
        self.at += 1;
        Some(match head {
            0x00..=0x7F => Token::Int(i64::from(head)),
            0x80..=0x8F => Token::Dict(usize::from(head & 0x0F)),
            0x90..=0x9F => Token::List(usize::from(head & 0x0F)),
            0xA0..=0xBF => Token::Str(self.take(usize::from(head & 0x1F))?),
            0xC0 => Token::None,
            0xC1 => return None,
            0xC2 => Token::Bool(false),
            0xC3 => Token::Bool(true),
            0xC4 => Token::Bytes(self.sized::<1>()?),
            0xC5 => Token::Bytes(self.sized::<2>()?),
            0xC6 => Token::Bytes(self.sized::<4>()?),
            0xC7 => self.extension_after::<1>()?,
            0xC8 => self.extension_after::<2>()?,
            0xC9 => self.extension_after::<4>()?,
            0xCA => Token::Float(f64::from(f32::from_be_bytes(self.array()?))),
            0xCB => Token::Float(f64::from_be_bytes(self.array()?)),
            0xCC => Token::Int(i64::from(u8::from_be_bytes(self.array()?))),
            0xCD => Token::Int(i64::from(u16::from_be_bytes(self.array()?))),
            0xCE => Token::Int(i64::from(u32::from_be_bytes(self.array()?))),
            0xCF => Token::Unsigned(u64::from_be_bytes(self.array()?)),
            0xD0 => Token::Int(i64::from(i8::from_be_bytes(self.array()?))),
            0xD1 => Token::Int(i64::from(i16::from_be_bytes(self.array()?))),
            0xD2 => Token::Int(i64::from(i32::from_be_bytes(self.array()?))),
            0xD3 => Token::Int(i64::from_be_bytes(self.array()?)),
            0xD4..=0xD8 => self.extension(1 << (head - 0xD4))?,
            0xD9 => Token::Str(self.sized::<1>()?),
            0xDA => Token::Str(self.sized::<2>()?),
            0xDB => Token::Str(self.sized::<4>()?),
            0xDC => Token::List(self.length::<2>()?),
            0xDD => Token::List(self.length::<4>()?),
            0xDE => Token::Dict(self.length::<2>()?),
            0xDF => Token::Dict(self.length::<4>()?),
            0xE0..=0xFF => Token::Int(i64::from(head as i8)),
        })
    }

    fn extension_after<const N: usize>(&mut self) -> Option<Token<'d>> {
        let length = self.length::<N>()?;
        self.extension(length)
    }

    fn extension(&mut self, length: usize) -> Option<Token<'d>> {
        let [kind] = self.array()?;
        Some(Token::Extension(kind as i8, self.take(length)?))
    }

    /// Takes a length of `N` bytes, and then that many bytes.
    fn sized<const N: usize>(&mut self) -> Option<&'d [u8]> {
        let length = self.length::<N>()?;
        self.take(length)
    }

    fn length<const N: usize>(&mut self) -> Option<usize> {
        self.array::<N>().map(|bytes| big_endian(&bytes) as usize)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.data.get(self.at..)?.first_chunk::<N>()?;
        steps::count(N);
        self.at += N;
        Some(bytes)
    }

    fn take(&mut self, length: usize) -> Option<&'d [u8]> {
        let taken = self.data.get(self.at..)?.get(..length)?;
        steps::count(length);
        self.at += length;
        Some(taken)
    }

    const fn malformed(&self) -> RecordError {
        RecordError::Malformed { format: Format::Msgpack, at: self.at }
    }
}

/// Reads MessagePack event by event, without building [`Value`]s: the bytes of a
/// [`Part::Raw`](hipflask_core::session::Part::Raw).
///
/// ```
/// use hipflask_store::record::{MsgpackEvent, MsgpackReader};
/// let mut reader = MsgpackReader::of(b"\x92\xa4pear\x01");
/// assert!(matches!(reader.next()?, MsgpackEvent::List(2)));
/// assert!(matches!(reader.next()?, MsgpackEvent::Str("pear")));
/// assert!(matches!(reader.next()?, MsgpackEvent::Int(1)));
/// # Ok::<(), hipflask_store::record::RecordError>(())
/// ```
pub struct MsgpackReader<'d>(Reader<'d>);

/// A scalar value, or the start of a collection.
#[derive(Debug, PartialEq)]
pub enum MsgpackEvent<'d> {
    /// `nil`.
    None,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Str(&'d str),
    /// Bytes.
    Bytes(&'d [u8]),
    /// The start of a list with this number of values.
    List(usize),
    /// The start of a dict with this number of entries, each of which is a key and its value. A key
    /// may be any value.
    Dict(usize),
    /// A rare value as a whole: a date, or an integer that is not an `i64`.
    Value(Value),
}

impl<'d> MsgpackReader<'d> {
    /// Reads the value at the beginning of `data`.
    #[must_use]
    pub const fn of(data: &'d [u8]) -> Self {
        Self(Reader::of(data))
    }

    /// Returns the next event.
    ///
    /// # Errors
    /// [`RecordError`] if the bytes end too early or are not MessagePack.
    #[expect(
        clippy::should_implement_trait,
        reason = "the caller knows how many events follow, and the bytes may end at any of them"
    )]
    pub fn next(&mut self) -> Result<MsgpackEvent<'d>, RecordError> {
        self.0.event()
    }
}

/// Shows the position, never the bytes.
impl core::fmt::Debug for MsgpackReader<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let tokens = &self.0.tokens;
        write!(f, "MsgpackReader(at byte {} of {})", tokens.at, tokens.data.len())
    }
}

/// Reads values, or skips and checks them, within a budget.
struct Reader<'d> {
    tokens: Tokens<'d>,
    budget: Budget,
    /// A value was read that a [`Value`] shows only in part.
    is_partial: bool,
}

impl<'d> Reader<'d> {
    const fn of(data: &'d [u8]) -> Self {
        Self { tokens: Tokens { data, at: 0 }, budget: Budget::of(data.len()), is_partial: false }
    }

    /// Reads the head of the map that begins here. Returns `None`, and reads nothing, if it is not a map.
    fn map_length(&mut self) -> Result<Option<usize>, RecordError> {
        if !matches!(self.tokens.data.get(self.tokens.at), Some(0x80..=0x8F | 0xDE | 0xDF)) {
            return Ok(None);
        }
        match self.tokens.next() {
            Some(Token::Dict(length)) => Ok(Some(length)),
            _ => Err(self.tokens.malformed()),
        }
    }

    fn session(&mut self, length: usize) -> Result<Record, RecordError> {
        let (mut dict, mut originals) = (Dict::new(), Originals::default());
        self.budget.entries(length).ok_or(RecordError::TooLarge)?;
        for _ in 0..length {
            let (key_at, before) = (self.tokens.at, self.budget);
            self.is_partial = false;
            let key = self.value(MAX_DEPTH - 1)?;
            let value_at = self.tokens.at;
            let value = self.value(MAX_DEPTH - 1)?;
            let shown_key = key_text(&key);
            if self.is_partial || !matches!(key, Value::Str(_)) {
                self.budget.twice_since(before).ok_or(RecordError::TooLarge)?;
                self.budget.entries(1).ok_or(RecordError::TooLarge)?;
                let data = self.tokens.data;
                let raw = Raw::Msgpack {
                    key: data[key_at..value_at].into(),
                    value: data[value_at..self.tokens.at].into(),
                };
                originals.insert(shown_key.clone(), Original { shown: value.clone(), raw });
            } else {
                originals.overwrite(&shown_key);
            }
            dict.insert(shown_key, value);
        }
        Ok(Record { dict, opaque: originals.finish() })
    }

    /// Skips a value and checks it as [`value`](Self::value) does, without building it. Fails on a
    /// value that a [`Value`] shows only in part.
    fn skip(&mut self, levels: usize) -> Option<()> {
        match self.tokens.next()? {
            Token::None | Token::Bool(_) | Token::Int(_) | Token::Unsigned(_) | Token::Float(_) => Some(()),
            // Nearly all texts are short ASCII, which this check finds in a few steps.
            Token::Str(text) => (text.is_ascii() || core::str::from_utf8(text).is_ok()).then_some(()),
            Token::Bytes(_) => Some(()),
            Token::List(length) => {
                let inside = levels.checked_sub(1)?;
                self.budget.items(length)?;
                (0..length).try_for_each(|_| self.skip(inside))
            }
            Token::Dict(length) => {
                let inside = levels.checked_sub(1)?;
                self.budget.entries(length)?;
                (0..length).try_for_each(|_| {
                    // The keys must be texts.
                    let head = self.tokens.data.get(self.tokens.at)?;
                    matches!(head, 0xA0..=0xBF | 0xD9..=0xDB).then_some(())?;
                    self.skip(inside)?;
                    self.skip(inside)
                })
            }
            Token::Extension(kind, data) => {
                let is_date = self.extension(kind, data).is_ok() && !self.is_partial;
                is_date.then_some(())
            }
        }
    }

    fn value(&mut self, levels: usize) -> Result<Value, RecordError> {
        Ok(match self.event()? {
            MsgpackEvent::None => Value::None,
            MsgpackEvent::Bool(value) => Value::Bool(value),
            MsgpackEvent::Int(number) => Value::from(number),
            MsgpackEvent::Float(number) => Value::Float(number),
            MsgpackEvent::Str(text) => Value::from(text),
            MsgpackEvent::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            MsgpackEvent::List(length) => self.list(length, levels)?,
            MsgpackEvent::Dict(length) => self.dict(length, levels)?,
            MsgpackEvent::Value(value) => value,
        })
    }

    fn event(&mut self) -> Result<MsgpackEvent<'d>, RecordError> {
        let Some(token) = self.tokens.next() else { return Err(self.tokens.malformed()) };
        Ok(match token {
            Token::None => MsgpackEvent::None,
            Token::Bool(value) => MsgpackEvent::Bool(value),
            Token::Int(number) => MsgpackEvent::Int(number),
            Token::Unsigned(number) => {
                i64::try_from(number).map_or_else(|_| MsgpackEvent::Value(number.into()), MsgpackEvent::Int)
            }
            Token::Float(number) => MsgpackEvent::Float(number),
            Token::Str(text) => match core::str::from_utf8(text) {
                Ok(text) => MsgpackEvent::Str(text),
                Err(_) => return Err(self.malformed_before(text.len())),
            },
            Token::Bytes(bytes) => MsgpackEvent::Bytes(bytes),
            Token::List(length) => MsgpackEvent::List(length),
            Token::Dict(length) => MsgpackEvent::Dict(length),
            Token::Extension(kind, data) => MsgpackEvent::Value(self.extension(kind, data)?),
        })
    }

    fn list(&mut self, length: usize, levels: usize) -> Result<Value, RecordError> {
        let inside = levels.checked_sub(1).ok_or(RecordError::TooDeep)?;
        self.budget.items(length).ok_or(RecordError::TooLarge)?;
        let mut items = Vec::with_capacity(length.min(FIRST_ITEMS));
        for _ in 0..length {
            items.push(self.value(inside)?);
        }
        Ok(Value::List(items))
    }

    fn dict(&mut self, length: usize, levels: usize) -> Result<Value, RecordError> {
        let inside = levels.checked_sub(1).ok_or(RecordError::TooDeep)?;
        self.budget.entries(length).ok_or(RecordError::TooLarge)?;
        let mut dict = Dict::new();
        for _ in 0..length {
            let key = self.value(inside)?;
            if !matches!(key, Value::Str(_)) {
                self.is_partial = true;
            }
            let value = self.value(inside)?;
            dict.insert(key_text(&key), value);
        }
        Ok(Value::Dict(dict))
    }

    fn extension(&mut self, kind: i8, data: &[u8]) -> Result<Value, RecordError> {
        if kind != -1 {
            self.is_partial = true;
            return Ok(Value::Bytes(data.to_vec()));
        }
        let date = self.timestamp(data);
        date.map(Value::DateTime).ok_or_else(|| self.malformed_before(data.len()))
    }

    fn timestamp(&mut self, data: &[u8]) -> Option<DateTime> {
        let (seconds, nanos) = match data.len() {
            4 => (i64::try_from(big_endian(data)).ok()?, 0),
            8 => {
                let both = big_endian(data);
                ((both & 0x3_FFFF_FFFF) as i64, both >> 34)
            }
            12 => (big_endian(&data[4..]) as i64, big_endian(&data[..4])),
            _ => return None,
        };
        self.is_partial |= nanos % 1000 != 0;
        let micros = i64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)? / 1000;
        DateTime::from_unix_micros(seconds.checked_mul(1_000_000)?.checked_add(micros)?)
    }

    /// Returns the error for the last bytes that were read.
    const fn malformed_before(&self, bytes: usize) -> RecordError {
        RecordError::Malformed { format: Format::Msgpack, at: self.tokens.at - bytes }
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub(super) fn write(dict: &Dict, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
    write_parts(dict.len(), dict.iter().map(|(key, value)| (key, Part::Value(value))), opaque)
}

/// Writes this number of keys and values. A raw value is msgpack, because only msgpack is
/// [opened](open) unread.
pub(super) fn write_parts<'s>(
    length: usize,
    parts: impl Iterator<Item = (&'s Text, Part<'s>)>,
    opaque: &OpaqueValues,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(USUAL_LENGTH);
    let within = |key: &Text, written: Result<(), Problem>| {
        written.map_err(|problem| EncodeError { key: key.clone(), format: Format::Msgpack, problem })
    };
    within(&Text::default(), head(&mut out, length, MAP))?;
    for (key, part) in parts {
        let value = match part {
            Part::Value(value) => value,
            Part::Raw(bytes) => {
                within(key, text(&mut out, key))?;
                out.extend_from_slice(bytes);
                continue;
            }
        };
        if let Some(Raw::Msgpack { key, value }) = opaque.original(key, value) {
            out.extend_from_slice(key);
            out.extend_from_slice(value);
            continue;
        }
        within(key, text(&mut out, key).and_then(|()| one(&mut out, value, MAX_DEPTH - 1)))?;
    }
    Ok(out)
}

fn one(out: &mut Vec<u8>, value: &Value, levels: usize) -> Result<(), Problem> {
    match value {
        Value::None => out.push(0xC0),
        Value::Bool(false) => out.push(0xC2),
        Value::Bool(true) => out.push(0xC3),
        Value::Int(number) => int(out, number)?,
        Value::Float(number) => {
            out.push(0xCB);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Str(held) => text(out, held)?,
        Value::Bytes(bytes) => {
            sized(out, bytes.len(), &[0xC4, 0xC5, 0xC6])?;
            out.extend_from_slice(bytes);
        }
        Value::List(items) | Value::Tuple(items) => {
            let inside = levels.checked_sub(1).ok_or(Problem::TooDeep)?;
            head(out, items.len(), ARRAY)?;
            items.iter().try_for_each(|item| one(out, item, inside))?;
        }
        Value::Dict(dict) => {
            let inside = levels.checked_sub(1).ok_or(Problem::TooDeep)?;
            head(out, dict.len(), MAP)?;
            dict.iter().try_for_each(|(key, value)| text(out, key).and_then(|()| one(out, value, inside)))?;
        }
        Value::DateTime(date) => timestamp(out, *date),
        Value::Uuid(id) => text(out, &id.to_string().into())?,
        Value::Markup(_) => return Err(Problem::Markup),
        _ => return Err(Problem::Unknown),
    }
    Ok(())
}

fn int(out: &mut Vec<u8>, number: &Int) -> Result<(), Problem> {
    let (first, width, bits) = match (number.as_i64(), number.as_u64()) {
        (Some(small @ -32..=127), _) => {
            out.push(small as u8);
            return Ok(());
        }
        (_, Some(number)) => {
            let width = width_of(number);
            (0xCC, width, number)
        }
        (Some(negative), None) => {
            let width = match negative {
                -0x80..=-1 => 0,
                -0x8000..=-1 => 1,
                -0x8000_0000..=-1 => 2,
                _ => 3,
            };
            (0xD0, width, negative as u64)
        }
        (None, None) => return Err(Problem::BigInt),
    };
    out.push(first + width);
    out.extend_from_slice(&bits.to_be_bytes()[8 - (1 << width)..]);
    Ok(())
}

const fn width_of(number: u64) -> u8 {
    match number {
        0..=0xFF => 0,
        0x100..=0xFFFF => 1,
        0x1_0000..=0xFFFF_FFFF => 2,
        _ => 3,
    }
}

fn text(out: &mut Vec<u8>, text: &Text) -> Result<(), Problem> {
    let text = text.as_str().ok_or(Problem::Surrogate)?;
    if text.len() < 32 {
        out.push(0xA0 | text.len() as u8);
    } else {
        sized(out, text.len(), &[0xD9, 0xDA, 0xDB])?;
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn timestamp(out: &mut Vec<u8>, date: DateTime) {
    let micros = date.unix_micros();
    let (seconds, nanos) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) as u64 * 1000);
    match u64::try_from(seconds) {
        Ok(seconds) if seconds >> 32 == 0 && nanos == 0 => {
            out.extend_from_slice(&[0xD6, 0xFF]);
            out.extend_from_slice(&(seconds as u32).to_be_bytes());
        }
        Ok(seconds) if seconds >> 34 == 0 => {
            out.extend_from_slice(&[0xD7, 0xFF]);
            out.extend_from_slice(&(nanos << 34 | seconds).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[0xC7, 12, 0xFF]);
            out.extend_from_slice(&(nanos as u32).to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}

/// The heads of a collection: for up to 15 items, then with 16 and 32 bits of length.
type Heads = [u8; 3];
const MAP: Heads = [0x80, 0xDE, 0xDF];
const ARRAY: Heads = [0x90, 0xDC, 0xDD];

fn head(out: &mut Vec<u8>, length: usize, [few, short, long]: Heads) -> Result<(), Problem> {
    match length {
        0..=15 => out.push(few | length as u8),
        16..=0xFFFF => {
            out.push(short);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(long);
            out.extend_from_slice(&u32::try_from(length).map_err(|_| Problem::TooLong)?.to_be_bytes());
        }
    }
    Ok(())
}

/// The initial capacity, which is enough for most sessions and costs no more than a smaller one.
const USUAL_LENGTH: usize = 512;

/// Writes a length of 8, 16 or 32 bits, each with its own head.
fn sized(out: &mut Vec<u8>, length: usize, heads: &[u8; 3]) -> Result<(), Problem> {
    room_for(out, length)?;
    let width = width_of(length as u64);
    let head = heads.get(usize::from(width)).ok_or(Problem::TooLong)?;
    out.push(*head);
    out.extend_from_slice(&(length as u32).to_be_bytes()[4 - (1 << width)..]);
    Ok(())
}
