//! Python's pickle, by a closed list: read in all protocols and never executed, written in protocol 4.
//!
//! The machine has its own stack and keeps what it builds in one arena, so that neither deep nor shared nor cyclic structures
//! can exhaust the stack of a thread or the memory.

mod globals;
mod machine;
mod node;
mod python_value;
mod to_record;
mod write;

use super::{EncodeError, OpaqueValues, Record, RecordError};
use hipflask_core::value::Dict;

pub(super) use python_value::PythonValue;

pub(super) fn read(data: &[u8]) -> Result<Record, RecordError> {
    let (arena, budget) = machine::run(data)?;
    to_record::record(&arena, budget)
}

pub(super) fn write(dict: &Dict, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
    write::write(dict, opaque)
}
