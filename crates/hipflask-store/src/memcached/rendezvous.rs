//! Distributes keys over several servers by the rule of pymemcache's `HashClient`.
//!
//! Rendezvous hashing: each server has a score for each key, and the highest wins. Python and Rust
//! must choose the same server, or each sees half of the sessions.

/// Returns the index of the server for `key`. `nodes` are `host:port` or the path of a socket,
/// spelled as in the Python configuration. If scores are equal, the node with the greater text
/// wins.
///
/// Same as pymemcache 4.0.0, `RendezvousHash.get_node` with `murmur3_32` and seed 0.
pub(super) fn server_of<'a>(nodes: impl Iterator<Item = &'a str>, key: &str) -> Option<usize> {
    let mut text = String::new();
    let scored = nodes.enumerate().map(|(index, node)| {
        text.clear();
        text.push_str(node);
        text.push('-');
        text.push_str(key);
        (murmur3_32(text.as_bytes()), node, index)
    });
    scored.max().map(|(_, _, index)| index)
}

/// Austin Appleby's MurmurHash3 for 32 bits, seed 0.
fn murmur3_32(data: &[u8]) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let mix = |block: u32| block.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let (blocks, tail) = data.as_chunks::<4>();
    let mut hash = blocks.iter().fold(0_u32, |hash, block| {
        (hash ^ mix(u32::from_le_bytes(*block))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    if !tail.is_empty() {
        hash ^= mix(tail.iter().rev().fold(0, |block, byte| block << 8 | u32::from(*byte)));
    }
    // A hash of 32 bits takes the length modulo 2^32.
    #[expect(clippy::cast_possible_truncation, reason = "so it is defined")]
    let length = data.len() as u32;
    hash ^= length;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::{murmur3_32, server_of};

    /// pymemcache 4.0.0: `murmur3_32(text)`.
    const HASHES: &[(&str, u32)] = &[
        ("", 0x0000_0000),
        ("a", 0x3c25_69b2),
        ("ab", 0x9bbf_d75f),
        ("abc", 0xb3dd_93fa),
        ("abcd", 0x43ed_676a),
        ("session:VE5rPIvv2sw", 0x3ae6_76ac),
        ("127.0.0.1:11211-session:0123456789", 0x6458_dea1),
    ];

    /// pymemcache 4.0.0: `RendezvousHash(NODES).get_node(f"session:{number}")`, for each number from 0.
    const NODES: &[&str] =
        &["127.0.0.1:11211", "127.0.0.1:11212", "cache.example:11211", "/run/memcached.sock"];
    const PLACES: &str = "11331000303313120131102002231100133013201102122000313223021021022123020023202230";

    #[test]
    fn hashes_equal_those_of_pymemcache() {
        for (text, hash) in HASHES {
            assert_eq!(murmur3_32(text.as_bytes()), *hash, "{text}");
        }
    }

    #[test]
    fn keys_go_to_the_servers_of_pymemcache() {
        for (number, place) in PLACES.chars().enumerate() {
            let chosen = server_of(NODES.iter().copied(), &format!("session:{number}"));
            assert_eq!(chosen, place.to_digit(10).map(|place| place as usize), "session:{number}");
        }
    }

    #[test]
    fn removed_server_moves_only_its_own_keys() {
        for number in 0..1000 {
            let key = format!("session:{number}");
            let before = server_of(NODES.iter().copied(), &key);
            if before != Some(3) {
                assert_eq!(server_of(NODES[..3].iter().copied(), &key), before);
            }
        }
    }
}
