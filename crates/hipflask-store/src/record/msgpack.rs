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
    let record = match map_length(&mut reader)? {
        Some(length) => reader.session(length)?,
        None => {
            let value = reader.value(MAX_DEPTH)?;
            Record { dict: Record::of_pairs(value)?, opaque: OpaqueValues::default() }
        }
    };
    if reader.at == data.len() { Ok(record) } else { Err(reader.malformed()) }
}

/// The session of a record, its values checked and not read. `None` if that cannot be: it is damaged, no map of texts, or holds
/// what a [`Value`] cannot; [`read`] tells then.
pub(super) fn open(data: &[u8]) -> Option<SessionDict> {
    let mut reader = Reader::of(data);
    let length = map_length(&mut reader).ok()??;
    let mut skipper = Skipper { data, at: reader.at, budget: reader.budget };
    skipper.budget.entries(length)?;
    let mut members = Vec::with_capacity(length.min(FIRST_ITEMS));
    for _ in 0..length {
        let key = Text::new(skipper.text()?);
        let start = skipper.at;
        skipper.value(MAX_DEPTH - 1)?;
        members.push((key, start as u32..skipper.at as u32));
    }
    (skipper.at == data.len()).then(|| SessionDict::from_record(data.into(), members, checked))
}

/// Goes over values and checks them as [`Reader`] does, without making any.
struct Skipper<'d> {
    data: &'d [u8],
    at: usize,
    budget: Budget,
}

impl<'d> Skipper<'d> {
    fn value(&mut self, levels: usize) -> Option<()> {
        let head = *self.data.get(self.at)?;
        steps::count(1);
        self.at += 1;
        match head {
            0x00..=0x7F | 0xC0 | 0xC2 | 0xC3 | 0xE0..=0xFF => Some(()),
            0xA0..=0xBF => self.skip_letters(usize::from(head & 0x1F)),
            0xD9 => self.number(1).and_then(|length| self.skip_letters(length)),
            0xDA => self.number(2).and_then(|length| self.skip_letters(length)),
            0xDB => self.number(4).and_then(|length| self.skip_letters(length)),
            0x80..=0x8F => self.map(usize::from(head & 0x0F), levels),
            0xDE => self.number(2).and_then(|length| self.map(length, levels)),
            0xDF => self.number(4).and_then(|length| self.map(length, levels)),
            0x90..=0x9F => self.array(usize::from(head & 0x0F), levels),
            0xDC => self.number(2).and_then(|length| self.array(length, levels)),
            0xDD => self.number(4).and_then(|length| self.array(length, levels)),
            0xCC | 0xD0 => self.take(1).map(drop),
            0xCD | 0xD1 => self.take(2).map(drop),
            0xCA | 0xCE | 0xD2 => self.take(4).map(drop),
            0xCB | 0xCF | 0xD3 => self.take(8).map(drop),
            0xC4 => self.number(1).and_then(|length| self.take(length)).map(drop),
            0xC5 => self.number(2).and_then(|length| self.take(length)).map(drop),
            0xC6 => self.number(4).and_then(|length| self.take(length)).map(drop),
            // Dates and what is no msgpack are rare, and have rules of their own.
            0xC1 | 0xC7..=0xC9 | 0xD4..=0xD8 => self.extension(),
        }
    }

    fn array(&mut self, length: usize, levels: usize) -> Option<()> {
        let inside = levels.checked_sub(1)?;
        self.budget.items(length)?;
        (0..length).try_for_each(|_| self.value(inside))
    }

    fn map(&mut self, length: usize, levels: usize) -> Option<()> {
        let inside = levels.checked_sub(1)?;
        self.budget.entries(length)?;
        (0..length).try_for_each(|_| {
            // A key, which is text.
            matches!(self.data.get(self.at)?, 0xA0..=0xBF | 0xD9..=0xDB).then_some(())?;
            self.value(inside)?;
            self.value(inside)
        })
    }

    /// A value that is text.
    fn text(&mut self) -> Option<&'d str> {
        let head = *self.data.get(self.at)?;
        self.at += 1;
        let length = match head {
            0xA0..=0xBF => usize::from(head & 0x1F),
            0xD9 => self.number(1)?,
            0xDA => self.number(2)?,
            0xDB => self.number(4)?,
            _ => return None,
        };
        self.letters(length)
    }

    fn letters(&mut self, length: usize) -> Option<&'d str> {
        core::str::from_utf8(self.take(length)?).ok()
    }

    /// Nearly all texts are short ASCII, which this tells in a few steps.
    fn skip_letters(&mut self, length: usize) -> Option<()> {
        let letters = self.take(length)?;
        (letters.is_ascii() || core::str::from_utf8(letters).is_ok()).then_some(())
    }

    fn extension(&mut self) -> Option<()> {
        let mut reader = Reader { at: self.at - 1, ..Reader::of(self.data) };
        reader.value(0).ok().filter(|_| !reader.is_partial)?;
        self.at = reader.at;
        Some(())
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        self.take(bytes).map(|bytes| big_endian(bytes) as usize)
    }

    fn take(&mut self, length: usize) -> Option<&'d [u8]> {
        let taken = self.data.get(self.at..)?.get(..length)?;
        steps::count(length);
        self.at += length;
        Some(taken)
    }
}

/// Whether a record can be read, found out without building its values.
pub(super) fn is_readable(data: &[u8]) -> bool {
    open(data).is_some() || read(data).is_ok()
}

/// A value that a [`Skipper`] has gone over.
fn checked(data: &[u8]) -> Value {
    let mut reader = Reader::of(data);
    reader.value(MAX_DEPTH).unwrap_or(Value::None)
}

/// The length of the map that begins here, with its head read; `None`, and nothing read, if it is no map.
fn map_length(reader: &mut Reader<'_>) -> Result<Option<usize>, RecordError> {
    let length = match reader.data.first() {
        Some(head @ 0x80..=0x8F) => usize::from(head & 0x0F),
        Some(0xDE) => return reader.after_head(2).map(Some),
        Some(0xDF) => return reader.after_head(4).map(Some),
        _ => return Ok(None),
    };
    reader.at = 1;
    Ok(Some(length))
}

/// Reads a value of MessagePack piece by piece, for those whose objects are no [`Value`]s: the bytes of a
/// [`Part::Raw`](hipflask_core::session::Part::Raw).
///
/// ```
/// use hipflask_store::record::{MsgpackEvent, MsgpackReader};
/// let mut pieces = MsgpackReader::of(b"\x92\xa4pear\x01");
/// assert!(matches!(pieces.next()?, MsgpackEvent::List(2)));
/// assert!(matches!(pieces.next()?, MsgpackEvent::Str("pear")));
/// assert!(matches!(pieces.next()?, MsgpackEvent::Int(1)));
/// # Ok::<(), hipflask_store::record::RecordError>(())
/// ```
pub struct MsgpackReader<'d>(Reader<'d>);

/// A value, or what opens one.
#[derive(Debug, PartialEq)]
pub enum MsgpackEvent<'d> {
    /// `nil`.
    None,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Str(&'d str),
    /// Bytes.
    Bytes(&'d [u8]),
    /// A list; so many values follow.
    List(usize),
    /// A dict; so many keys follow, each with its value behind it. A key may be any value.
    Dict(usize),
    /// What is rare, as a whole: dates, and whole numbers that do not fit.
    Value(Value),
}

impl<'d> MsgpackReader<'d> {
    /// Of the value at the beginning of `data`.
    #[must_use]
    pub const fn of(data: &'d [u8]) -> Self {
        Self(Reader::of(data))
    }

    /// The next one.
    ///
    /// # Errors
    /// [`RecordError`] where the bytes end, or are no MessagePack.
    #[expect(
        clippy::should_implement_trait,
        reason = "there is no end to tell: whoever asks knows how many follow"
    )]
    pub fn next(&mut self) -> Result<MsgpackEvent<'d>, RecordError> {
        self.0.piece()
    }
}

/// Shows the place, never the bytes.
impl core::fmt::Debug for MsgpackReader<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MsgpackReader(at byte {} of {})", self.0.at, self.0.data.len())
    }
}

struct Reader<'d> {
    data: &'d [u8],
    at: usize,
    budget: Budget,
    /// Whether something was read that a [`Value`] shows only in part.
    is_partial: bool,
}

impl<'d> Reader<'d> {
    const fn of(data: &'d [u8]) -> Self {
        Self { data, at: 0, budget: Budget::of(data.len()), is_partial: false }
    }

    fn after_head(&mut self, bytes: usize) -> Result<usize, RecordError> {
        self.at += 1;
        self.number(bytes).map(|length| length as usize)
    }

    fn session(&mut self, length: usize) -> Result<Record, RecordError> {
        let (mut dict, mut originals) = (Dict::new(), Originals::default());
        self.budget.entries(length).ok_or(RecordError::TooLarge)?;
        for _ in 0..length {
            let (key_at, before) = (self.at, self.budget);
            self.is_partial = false;
            let key = self.value(MAX_DEPTH - 1)?;
            let value_at = self.at;
            let value = self.value(MAX_DEPTH - 1)?;
            let shown_key = key_text(&key);
            if self.is_partial || !matches!(key, Value::Str(_)) {
                self.budget.twice_since(before).ok_or(RecordError::TooLarge)?;
                self.budget.entries(1).ok_or(RecordError::TooLarge)?;
                let raw = Raw::Msgpack {
                    key: self.data[key_at..value_at].into(),
                    value: self.data[value_at..self.at].into(),
                };
                originals.insert(shown_key.clone(), Original { shown: value.clone(), raw });
            } else {
                originals.overwrite(&shown_key);
            }
            dict.insert(shown_key, value);
        }
        Ok(Record { dict, opaque: originals.finish() })
    }

    fn value(&mut self, levels: usize) -> Result<Value, RecordError> {
        Ok(match self.piece()? {
            MsgpackEvent::None => Value::None,
            MsgpackEvent::Bool(value) => Value::Bool(value),
            MsgpackEvent::Int(number) => Value::from(number),
            MsgpackEvent::Float(number) => Value::Float(number),
            MsgpackEvent::Str(text) => Value::from(text),
            MsgpackEvent::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            MsgpackEvent::List(length) => self.array(length, levels)?,
            MsgpackEvent::Dict(length) => self.map(length, levels)?,
            MsgpackEvent::Value(value) => value,
        })
    }

    fn piece(&mut self) -> Result<MsgpackEvent<'d>, RecordError> {
        let head = self.take(1)?[0];
        Ok(match head {
            0x00..=0x7F => MsgpackEvent::Int(i64::from(head)),
            0x80..=0x8F => MsgpackEvent::Dict(usize::from(head & 0x0F)),
            0x90..=0x9F => MsgpackEvent::List(usize::from(head & 0x0F)),
            0xA0..=0xBF => self.text(usize::from(head & 0x1F))?,
            0xC0 => MsgpackEvent::None,
            0xC2 => MsgpackEvent::Bool(false),
            0xC3 => MsgpackEvent::Bool(true),
            0xC4..=0xC6 => {
                let length = self.number(1 << (head - 0xC4))?;
                MsgpackEvent::Bytes(self.take(length as usize)?)
            }
            0xC7..=0xC9 => {
                let length = self.number(1 << (head - 0xC7))?;
                MsgpackEvent::Value(self.extension(length as usize)?)
            }
            0xCA => MsgpackEvent::Float(f64::from(f32::from_bits(self.number(4)? as u32))),
            0xCB => MsgpackEvent::Float(f64::from_bits(self.number(8)?)),
            0xCC..=0xCF => {
                let number = self.number(1 << (head - 0xCC))?;
                i64::try_from(number).map_or_else(|_| MsgpackEvent::Value(number.into()), MsgpackEvent::Int)
            }
            0xD0 => MsgpackEvent::Int(i64::from(self.number(1)? as i8)),
            0xD1 => MsgpackEvent::Int(i64::from(self.number(2)? as i16)),
            0xD2 => MsgpackEvent::Int(i64::from(self.number(4)? as i32)),
            0xD3 => MsgpackEvent::Int(self.number(8)? as i64),
            0xD4..=0xD8 => MsgpackEvent::Value(self.extension(1 << (head - 0xD4))?),
            0xD9..=0xDB => {
                let length = self.number(1 << (head - 0xD9))?;
                self.text(length as usize)?
            }
            0xDC | 0xDD => MsgpackEvent::List(self.number(2 << (head - 0xDC) as usize)? as usize),
            0xDE | 0xDF => MsgpackEvent::Dict(self.number(2 << (head - 0xDE) as usize)? as usize),
            0xE0..=0xFF => MsgpackEvent::Int(i64::from(head as i8)),
            0xC1 => return Err(self.malformed()),
        })
    }

    fn array(&mut self, length: usize, levels: usize) -> Result<Value, RecordError> {
        let inside = levels.checked_sub(1).ok_or(RecordError::TooDeep)?;
        self.budget.items(length).ok_or(RecordError::TooLarge)?;
        let mut items = Vec::with_capacity(length.min(FIRST_ITEMS));
        for _ in 0..length {
            items.push(self.value(inside)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, length: usize, levels: usize) -> Result<Value, RecordError> {
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

    fn text(&mut self, length: usize) -> Result<MsgpackEvent<'d>, RecordError> {
        let at = self.at;
        match core::str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(MsgpackEvent::Str(text)),
            Err(_) => Err(RecordError::Malformed { format: Format::Msgpack, at }),
        }
    }

    fn extension(&mut self, length: usize) -> Result<Value, RecordError> {
        let kind = self.take(1)?[0] as i8;
        let at = self.at;
        let data = self.take(length)?;
        if kind != -1 {
            self.is_partial = true;
            return Ok(Value::Bytes(data.to_vec()));
        }
        let date = self.timestamp(data);
        date.map(Value::DateTime).ok_or(RecordError::Malformed { format: Format::Msgpack, at })
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

    fn number(&mut self, bytes: usize) -> Result<u64, RecordError> {
        self.take(bytes).map(big_endian)
    }

    fn take(&mut self, length: usize) -> Result<&'d [u8], RecordError> {
        let rest = &self.data[self.at..];
        let taken = rest.get(..length).ok_or_else(|| self.malformed())?;
        steps::count(length);
        self.at += length;
        Ok(taken)
    }

    const fn malformed(&self) -> RecordError {
        RecordError::Malformed { format: Format::Msgpack, at: self.at }
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub(super) fn write(dict: &Dict, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
    write_parts(dict.len(), dict.iter().map(|(key, value)| (key, Part::Value(value))), opaque)
}

/// Writes so many keys and values. A raw one is msgpack, because nothing else is [opened](open) so.
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

/// Room for most sessions, so that it need not grow; the allocator gives as much as fast as less.
const USUAL_LENGTH: usize = 512;

/// A length of 8, 16 or 32 bits, each with its own head.
fn sized(out: &mut Vec<u8>, length: usize, heads: &[u8; 3]) -> Result<(), Problem> {
    room_for(out, length)?;
    let width = width_of(length as u64);
    let head = heads.get(usize::from(width)).ok_or(Problem::TooLong)?;
    out.push(*head);
    out.extend_from_slice(&(length as u32).to_be_bytes()[4 - (1 << width)..]);
    Ok(())
}
