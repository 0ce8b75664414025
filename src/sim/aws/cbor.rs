//! CBOR, as Smithy's RPC v2 protocol has it, to and from the same values as JSON.

use minicbor::data::{IanaTag, Type};
use minicbor::decode::Error;
use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Value};

/// Members that are moments; CBOR tags them, where JSON has bare numbers.
const MOMENTS: [&str; 4] = ["AlignedStartTime", "AlignedEndTime", "Timestamp", "Timestamps"];

/// Depth beyond which an input makes no sense.
const DEEPEST: usize = 32;

/// Reads one value.
pub(super) fn read(bytes: &[u8]) -> Result<Value, Error> {
    value(&mut Decoder::new(bytes), DEEPEST)
}

fn value(from: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    let Some(depth) = depth.checked_sub(1) else { return Err(Error::message("nested too deeply")) };
    Ok(match from.datatype()? {
        Type::Bool => from.bool()?.into(),
        Type::Null | Type::Undefined => from.skip().map(|()| Value::Null)?,
        Type::F16 | Type::F32 | Type::F64 => from.f64()?.into(),
        Type::String => from.str()?.into(),
        Type::StringIndef => from.str_iter()?.collect::<Result<String, _>>()?.into(),
        Type::Tag => {
            // The only tag that these services are sent is that of a moment, whose content says it all.
            from.tag()?;
            value(from, depth)?
        }
        Type::Array | Type::ArrayIndef => {
            let length = from.array()?;
            let mut items = Vec::new();
            while more(from, length, items.len())? {
                items.push(value(from, depth)?);
            }
            items.into()
        }
        Type::Map | Type::MapIndef => {
            let length = from.map()?;
            let mut members = Map::new();
            while more(from, length, members.len())? {
                let name = from.str()?.to_owned();
                members.insert(name, value(from, depth)?);
            }
            members.into()
        }
        _ => from.i64()?.into(),
    })
}

/// Whether a list or map goes on; takes the break of one without a length.
fn more(from: &mut Decoder<'_>, length: Option<u64>, read: usize) -> Result<bool, Error> {
    match length {
        Some(length) => Ok((read as u64) < length),
        None if from.datatype()? == Type::Break => from.skip().map(|()| false),
        None => Ok(true),
    }
}

/// Writes one value.
pub(super) fn write(value: &Value) -> Vec<u8> {
    let mut to = Encoder::new(Vec::new());
    // Writing into memory cannot fail; what was written by then would be refused by the reader.
    if let Err(error) = put(&mut to, value) {
        tracing::error!(%error, "an answer could not be written as CBOR");
    }
    to.into_writer()
}

fn put(to: &mut Encoder<Vec<u8>>, value: &Value) -> Result<(), EncodeError<std::convert::Infallible>> {
    match value {
        Value::Null => to.null()?.ok(),
        Value::Bool(flag) => to.bool(*flag)?.ok(),
        Value::String(text) => to.str(text)?.ok(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => to.i64(whole)?.ok(),
            None => to.f64(number.as_f64().unwrap_or_default())?.ok(),
        },
        Value::Array(items) => {
            to.array(items.len() as u64)?;
            items.iter().try_for_each(|item| put(to, item))
        }
        Value::Object(members) => {
            to.map(members.len() as u64)?;
            members.iter().try_for_each(|(name, member)| {
                to.str(name)?;
                if MOMENTS.contains(&name.as_str()) { put_moment(to, member) } else { put(to, member) }
            })
        }
    }
}

/// Writes a moment, or a list of them.
fn put_moment(to: &mut Encoder<Vec<u8>>, value: &Value) -> Result<(), EncodeError<std::convert::Infallible>> {
    if let Value::Array(moments) = value {
        to.array(moments.len() as u64)?;
        return moments.iter().try_for_each(|moment| put_moment(to, moment));
    }
    to.tag(IanaTag::Timestamp)?;
    put(to, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let value = serde_json::json!({ "a": [1, -2, 0.5, null, true], "Timestamp": 1_700_000_000, "b": { "c": "d" } });
        assert_eq!(read(&write(&value)).expect("readable"), value);
    }

    #[test]
    fn maps_and_lists_without_a_length_are_read() {
        let bytes = [0xbf, 0x61, b'a', 0x9f, 0x01, 0x02, 0xff, 0xff];
        assert_eq!(read(&bytes).expect("readable"), serde_json::json!({ "a": [1, 2] }));
    }
}
