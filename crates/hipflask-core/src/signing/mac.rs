//! HMAC with a precomputed key state, and the derivation of signing keys.
//!
//! The block functions are those of `sha1` and `sha2`, which choose the processor's own at run
//! time. The padding is ours for two reasons. The precomputed state can be wiped. And with
//! `-C target-cpu=native` the crate `hmac` becomes up to 115 times slower on some processors, while
//! this module does not: `native` in `bench/` times both as `sha1/*/ours` and `sha1/*/rustcrypto`.
//! In an ordinary build they take the same time.

use core::{fmt, str::FromStr};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::error::{SignerConfigError, SignerSetting};
use crate::steps;

/// The hash of the HMAC and the key derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Digest {
    /// SHA-1, as in Flask: 20 bytes, 27 characters. The collisions of SHA-1 do not break HMAC-SHA1.
    #[default]
    Sha1,
    /// SHA-256: 32 bytes, 43 characters.
    Sha256,
    /// SHA-512: 64 bytes, 86 characters.
    Sha512,
}

impl Digest {
    /// Returns the length of a signature in bytes, before encoding.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Always returns `false`: every digest has bytes.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        })
    }
}

impl FromStr for Digest {
    type Err = SignerConfigError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha512" => Self::Sha512,
            _ => return Err(SignerConfigError::unknown(SignerSetting::Digest, name, "sha1, sha256, sha512")),
        })
    }
}

/// The way in which the key of the HMAC is derived from the secret key and the salt. `H` is the
/// signer's [`Digest`].
///
/// It keeps signatures for different purposes apart. It does not make a strong key of a password.
/// The names are those of `key_derivation` in itsdangerous 2.2.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Derivation {
    /// `H(salt + key)`.
    Concat,
    /// `H(salt + "signer" + key)`: the default of itsdangerous.
    #[default]
    DjangoConcat,
    /// `HMAC(key, salt)`, as in Flask.
    Hmac,
    /// The secret key itself; the salt has no effect.
    None,
}

impl fmt::Display for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Concat => "concat",
            Self::DjangoConcat => "django-concat",
            Self::Hmac => "hmac",
            Self::None => "none",
        })
    }
}

impl FromStr for Derivation {
    type Err = SignerConfigError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "concat" => Self::Concat,
            "django-concat" => Self::DjangoConcat,
            "hmac" => Self::Hmac,
            "none" => Self::None,
            _ => {
                let expected = "concat, django-concat, hmac, none";
                return Err(SignerConfigError::unknown(SignerSetting::Derivation, name, expected));
            }
        })
    }
}

/// An HMAC with a precomputed key state.
#[derive(Clone)]
pub(super) enum Mac {
    Sha1(Pads<[u32; 5]>),
    Sha256(Pads<[u32; 8]>),
    Sha512(Pads<[u64; 8]>),
}

impl Mac {
    /// Creates the HMAC under `key`, of any length.
    pub(super) fn new(digest: Digest, key: &[u8]) -> Self {
        match digest {
            Digest::Sha1 => Self::Sha1(Pads::new::<Sha1, 64>(key)),
            Digest::Sha256 => Self::Sha256(Pads::new::<Sha256, 64>(key)),
            Digest::Sha512 => Self::Sha512(Pads::new::<Sha512, 128>(key)),
        }
    }

    /// Creates the HMAC under the key derived from `secret` and `salt`.
    pub(super) fn derived(digest: Digest, derivation: Derivation, secret: &[u8], salt: &[u8]) -> Self {
        let mut key = match derivation {
            Derivation::Concat => hash(digest, &mut [salt, secret].concat()),
            Derivation::DjangoConcat => hash(digest, &mut [salt, b"signer", secret].concat()),
            Derivation::Hmac => Self::new(digest, secret).tag(salt),
            Derivation::None => return Self::new(digest, secret),
        };
        let mac = Self::new(digest, key.bytes());
        key.zeroize();
        mac
    }

    /// Returns `true` if `given` is the MAC of `message`. The time does not depend on the position
    /// of a difference. `given` is called after the hash has been started, while most of the
    /// processor is idle.
    #[inline]
    pub(super) fn verifies<'g>(&self, message: &[u8], given: impl FnOnce() -> &'g [u8]) -> bool {
        match self {
            Self::Sha1(pads) => Sha1::is(&pads.state::<Sha1, 64>(message), given()),
            Self::Sha256(pads) => Sha256::is(&pads.state::<Sha256, 64>(message), given()),
            Self::Sha512(pads) => Sha512::is(&pads.state::<Sha512, 128>(message), given()),
        }
    }

    /// Returns the MAC of `message`.
    pub(super) fn tag(&self, message: &[u8]) -> Tag {
        match self {
            Self::Sha1(pads) => pads.tag::<Sha1, 64>(message),
            Self::Sha256(pads) => pads.tag::<Sha256, 64>(message),
            Self::Sha512(pads) => pads.tag::<Sha512, 128>(message),
        }
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac(..)")
    }
}

/// The result of a hash or HMAC. The code wipes it if it is a key; a signature is public.
pub(super) struct Tag {
    bytes: [u8; LONGEST_TAG],
    len: usize,
}

impl Zeroize for Tag {
    fn zeroize(&mut self) {
        self.bytes.zeroize();
        self.len.zeroize();
    }
}

impl Tag {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The states after the inner and the outer padded key. It wipes itself when dropped.
#[derive(Clone)]
pub(super) struct Pads<S: Zeroize> {
    inner: S,
    outer: S,
}

impl<S: Zeroize> Zeroize for Pads<S> {
    fn zeroize(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl<S: Zeroize> Drop for Pads<S> {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl<S: Zeroize> ZeroizeOnDrop for Pads<S> {}

impl<S: Copy + Zeroize> Pads<S> {
    fn new<H: Hash<BLOCK, State = S>, const BLOCK: usize>(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        if key.len() <= BLOCK {
            block[..key.len()].copy_from_slice(key);
        } else {
            let mut hashed = digest::<H, BLOCK>(key);
            block[..hashed.len].copy_from_slice(hashed.bytes());
            hashed.zeroize();
        }
        let pad = |byte: u8| {
            let mut padded = block.map(|b| b ^ byte);
            let mut state = H::INITIAL;
            H::compress(&mut state, &[padded]);
            padded.zeroize();
            state
        };
        let pads = Self { inner: pad(0x36), outer: pad(0x5c) };
        block.zeroize();
        pads
    }

    fn tag<H: Hash<BLOCK, State = S>, const BLOCK: usize>(&self, message: &[u8]) -> Tag {
        tag_of::<H, BLOCK>(&self.state::<H, BLOCK>(message))
    }

    fn state<H: Hash<BLOCK, State = S>, const BLOCK: usize>(&self, message: &[u8]) -> S {
        let mut state = self.inner;
        finish::<H, BLOCK>(&mut state, BLOCK, message);
        let mut block = [0; BLOCK];
        let len = H::write(&state, &mut block);
        state = self.outer;
        finish_block::<H, BLOCK>(&mut state, block, len, BLOCK + len);
        state
    }
}

/// A hash, as its block function and its constants.
trait Hash<const BLOCK: usize> {
    type State: Copy + Zeroize;
    const INITIAL: Self::State;
    /// The number of bytes at the end of the last block for the length.
    const LENGTH: usize;

    fn compress(state: &mut Self::State, blocks: &[[u8; BLOCK]]);
    /// Writes the hash to the beginning of `out` and returns its length.
    fn write(state: &Self::State, out: &mut [u8]) -> usize;
    /// Returns `true` if the hash is `given`, in constant time. It compares words, because
    /// comparing bytes takes a seventh of the time of a short MAC.
    fn is(state: &Self::State, given: &[u8]) -> bool;
}

macro_rules! hashes {
    ($($name:ident: [$word:ty; $words:literal], $block:literal, $length:literal, $compress:path, $initial:expr;)*) => {$(
        struct $name;

        impl Hash<$block> for $name {
            type State = [$word; $words];
            const INITIAL: Self::State = $initial;
            const LENGTH: usize = $length;

            fn compress(state: &mut Self::State, blocks: &[[u8; $block]]) {
                $compress(state, blocks);
            }

            fn write(state: &Self::State, out: &mut [u8]) -> usize {
                write(state.map(<$word>::to_be_bytes).as_flattened(), out)
            }

            fn is(state: &Self::State, given: &[u8]) -> bool {
                let (words, rest) = given.as_chunks();
                let pairs = state.iter().zip(words);
                let differences = pairs.fold(0, |all, (word, given)| all | word ^ <$word>::from_be_bytes(*given));
                rest.is_empty() && words.len() == state.len() && differences.ct_eq(&0).into()
            }
        }
    )*};
}

hashes! {
    Sha1: [u32; 5], 64, 8, sha1::block_api::compress, [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    Sha256: [u32; 8], 64, 8, sha2::block_api::compress256, [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ];
    Sha512: [u64; 8], 128, 16, sha2::block_api::compress512, [
        0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
    ];
}

/// Hashes `message` and wipes it, because it contains a secret key.
fn hash(digest_: Digest, message: &mut Vec<u8>) -> Tag {
    let tag = match digest_ {
        Digest::Sha1 => digest::<Sha1, 64>(message),
        Digest::Sha256 => digest::<Sha256, 64>(message),
        Digest::Sha512 => digest::<Sha512, 128>(message),
    };
    message.zeroize();
    tag
}

fn digest<H: Hash<BLOCK>, const BLOCK: usize>(message: &[u8]) -> Tag {
    let mut state = H::INITIAL;
    finish::<H, BLOCK>(&mut state, 0, message);
    tag_of::<H, BLOCK>(&state)
}

/// Hashes the rest of a message into `state`, which contains `before` bytes (whole blocks) already.
fn finish<H: Hash<BLOCK>, const BLOCK: usize>(state: &mut H::State, before: usize, message: &[u8]) {
    steps::count(message.len());
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    if !blocks.is_empty() {
        H::compress(state, blocks);
    }
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    finish_block::<H, BLOCK>(state, last, rest.len(), before + message.len());
}

/// Hashes `last`. Its first `len` bytes are the end of a message of `total` bytes, and the others
/// are zero.
#[inline(always)]
fn finish_block<H: Hash<BLOCK>, const BLOCK: usize>(
    state: &mut H::State,
    mut last: [u8; BLOCK],
    len: usize,
    total: usize,
) {
    last[len] = 0x80;
    if len + 1 + H::LENGTH > BLOCK {
        H::compress(state, &[last]);
        last = [0; BLOCK];
    }
    // A slice is shorter than 2^61 bytes, so the upper half of a 16-byte length stays zero.
    let bits = total as u64 * 8;
    last[BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
    H::compress(state, &[last]);
}

fn tag_of<H: Hash<BLOCK>, const BLOCK: usize>(state: &H::State) -> Tag {
    let mut bytes = [0; LONGEST_TAG];
    let len = H::write(state, &mut bytes);
    Tag { bytes, len }
}

fn write(hash: &[u8], out: &mut [u8]) -> usize {
    out[..hash.len()].copy_from_slice(hash);
    hash.len()
}

/// The length of a SHA-512 tag.
pub(super) const LONGEST_TAG: usize = 64;

#[cfg(test)]
mod tests {
    use ::hmac::{Hmac, KeyInit, Mac as _};
    use proptest::prelude::*;

    use super::*;

    fn reference(digest: Digest, key: &[u8], message: &[u8]) -> Vec<u8> {
        macro_rules! with {
            ($hash:ty) => {
                Hmac::<$hash>::new_from_slice(key)
                    .unwrap()
                    .chain_update(message)
                    .finalize()
                    .into_bytes()
                    .to_vec()
            };
        }
        match digest {
            Digest::Sha1 => with!(sha1::Sha1),
            Digest::Sha256 => with!(sha2::Sha256),
            Digest::Sha512 => with!(sha2::Sha512),
        }
    }

    fn check(digest: Digest, key: &[u8], message: &[u8]) {
        let (mac, expected) = (Mac::new(digest, key), reference(digest, key, message));
        assert_eq!(mac.tag(message).bytes(), expected, "{digest} {} {}", key.len(), message.len());
        assert!(mac.verifies(message, || &expected));
        for place in 0..expected.len() {
            let mut wrong = expected.clone();
            wrong[place] ^= 1 << (place % 8);
            assert!(!mac.verifies(message, || &wrong), "{digest}, byte {place} changed");
        }
        assert!(!mac.verifies(message, || &expected[..expected.len() - 1]));
        assert!(!mac.verifies(message, || &expected[..expected.len() - 8]));
        for more in 1..=8 {
            let longer = [expected.as_slice(), &[0; 8][..more]].concat();
            assert!(!mac.verifies(message, || &longer));
        }
        assert!(!mac.verifies(message, || &[]));
    }

    #[test]
    fn our_padding_agrees_at_every_block_edge() {
        let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
            for len in 0..300 {
                check(digest, b"a key", &bytes[..len]);
                check(digest, &bytes[..len], b"a message");
            }
        }
    }

    #[test]
    fn names_are_those_of_python() {
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
            assert_eq!(digest.to_string().parse(), Ok(digest));
        }
        for derivation in [Derivation::Concat, Derivation::DjangoConcat, Derivation::Hmac, Derivation::None] {
            assert_eq!(derivation.to_string().parse(), Ok(derivation));
        }
        let error = "md5".parse::<Digest>().unwrap_err();
        assert_eq!(error.to_string(), r#"unknown digest "md5"; take one of sha1, sha256, sha512"#);
        assert!("Hmac".parse::<Derivation>().is_err());
        assert_eq!((Digest::default(), Derivation::default()), (Digest::Sha1, Derivation::DjangoConcat));
    }

    proptest! {
        #[test]
        fn our_padding_agrees_with_the_hmac_crate(
            digest in prop::sample::select(vec![Digest::Sha1, Digest::Sha256, Digest::Sha512]),
            key in prop::collection::vec(any::<u8>(), 0..400),
            message in prop::collection::vec(any::<u8>(), 0..3000),
        ) {
            check(digest, &key, &message);
        }
    }
}
