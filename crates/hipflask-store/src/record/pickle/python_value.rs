//! Values of Python that a [`Value`] cannot hold.

use hipflask_core::value::{Text, Value};
use jiff::civil;

use super::super::civil::Fields;

/// A value with its type in Python.
#[derive(Clone)]
pub(in crate::record) enum PythonValue {
    Value(Value),
    ByteArray(Vec<u8>),
    List(Vec<PythonValue>),
    Tuple(Vec<PythonValue>),
    Set(Vec<PythonValue>),
    FrozenSet(Vec<PythonValue>),
    Dict(Vec<(PythonValue, PythonValue)>),
    OrderedDict(Vec<(PythonValue, PythonValue)>),
    Date(civil::Date),
    Time(civil::Time, Option<i32>),
    DateTime(Fields),
    TimeDelta(i32, i32, i32),
    TimeZone(i32),
    Decimal(Text),
}
