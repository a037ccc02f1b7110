//! Keys in hex, as JSON carries them.

pub(crate) use hipflask_core::hex::encode;
use serde::de::Error as _;
use serde::ser::SerializeSeq as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// For `#[serde(with)]` on a list of byte strings.
pub(crate) mod list {
    use super::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(keys: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        super::write(keys, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        super::read(deserializer)
    }
}

fn write<S: Serializer>(keys: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(keys.len()))?;
    for key in keys {
        list.serialize_element(&encode(key))?;
    }
    list.end()
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let keys = texts.iter().map(|text| decode(text));
    keys.collect::<Option<_>>().ok_or_else(|| D::Error::custom("a key is not hex"))
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn hex_round_trips_and_refuses_bad_text() {
        assert_eq!(encode(&[0, 0xff]), "00ff");
        assert_eq!(decode("00ff"), Some(vec![0, 0xff]));
        assert_eq!(decode("0"), None);
        assert_eq!(decode("zz"), None);
    }
}
