//! [`Int`]: a Python `int`.

use core::fmt;
use core::str::FromStr;

use num_bigint::BigInt;

use crate::steps;

/// A Python `int`: an integer of any size.
///
/// Integers of 64 bits are stored inline. Text of more than [`MAX_DIGITS`](Int::MAX_DIGITS) digits
/// is refused, as CPython refuses it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Int(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Small(i64),
    /// An integer outside the range of `Small`.
    Big(Box<BigInt>),
}

impl Int {
    /// The most decimal digits that are read: CPython's default limit.
    pub const MAX_DIGITS: usize = 4300;

    /// Returns the number as `i64`, if it fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Small(number) => Some(number),
            Repr::Big(_) => None,
        }
    }

    /// Returns the number as `u64`, if it fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match &self.0 {
            Repr::Small(number) => u64::try_from(*number).ok(),
            Repr::Big(number) => u64::try_from(&**number).ok(),
        }
    }

    /// Returns the number as `i128`, if it fits.
    #[must_use]
    pub fn as_i128(&self) -> Option<i128> {
        match &self.0 {
            Repr::Small(number) => Some(i128::from(*number)),
            Repr::Big(number) => i128::try_from(&**number).ok(),
        }
    }

    /// Returns the number as `u128`, if it fits.
    #[must_use]
    pub fn as_u128(&self) -> Option<u128> {
        match &self.0 {
            Repr::Small(number) => u128::try_from(*number).ok(),
            Repr::Big(number) => u128::try_from(&**number).ok(),
        }
    }

    /// Returns the number as any integer type of Rust, if it fits.
    ///
    /// ```
    /// use hipflask_core::value::Int;
    /// assert_eq!(Int::from(200).to::<u8>(), Some(200));
    /// assert_eq!(Int::from(200).to::<i8>(), None);
    /// assert_eq!(Int::from(u128::MAX).to::<u128>(), Some(u128::MAX));
    /// ```
    #[must_use]
    #[inline]
    pub fn to<T: TryFrom<i64> + TryFrom<i128> + TryFrom<u128>>(&self) -> Option<T> {
        match &self.0 {
            Repr::Small(number) => T::try_from(*number).ok(),
            Repr::Big(_) => match self.as_i128() {
                Some(number) => T::try_from(number).ok(),
                None => T::try_from(self.as_u128()?).ok(),
            },
        }
    }

    /// Returns `true` if it has no more than [`MAX_DIGITS`](Self::MAX_DIGITS) digits.
    pub(crate) fn is_readable(&self) -> bool {
        match &self.0 {
            Repr::Small(_) => true,
            Repr::Big(number) => {
                number.bits() < BITS_OF_MOST_DIGITS
                    || number.bits() == BITS_OF_MOST_DIGITS
                        && number.magnitude().to_string().len() <= Self::MAX_DIGITS
            }
        }
    }

    /// Returns the number as a big integer, whatever its size.
    #[must_use]
    pub fn to_big(&self) -> BigInt {
        match &self.0 {
            Repr::Small(number) => BigInt::from(*number),
            Repr::Big(number) => BigInt::clone(number),
        }
    }

    /// Parses digits with an optional minus sign: the integers of JSON. Returns `None` for any
    /// other text and for too many digits.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        if digits.is_empty() || digits.len() > Self::MAX_DIGITS {
            return None;
        }
        if digits.len() <= SHORT {
            return Self::short(negative, digits);
        }
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // Each group of digits is added to all words before it. The limit on the digits limits that
        // as well.
        steps::count((digits.len() / DIGITS_OF_A_WORD).pow(2) / 2);
        BigInt::parse_bytes(text, 10).map(Self::from)
    }

    /// Parses a number that takes few steps. Returns `None` for all others.
    pub(crate) fn parse_short(text: &[u8]) -> Option<Self> {
        match text {
            [b'-', digits @ ..] if (1..=SHORT).contains(&digits.len()) => Self::short(true, digits),
            digits if (1..=SHORT).contains(&digits.len()) => Self::short(false, digits),
            _ => None,
        }
    }

    fn short(negative: bool, digits: &[u8]) -> Option<Self> {
        let mut number = 0i64;
        for byte in digits {
            number = match byte.wrapping_sub(b'0') {
                digit @ 0..=9 => number * 10 + i64::from(digit),
                _ => return None,
            };
        }
        Some(Self::from(if negative { -number } else { number }))
    }
}

impl core::ops::Add<&Int> for &Int {
    type Output = Int;

    fn add(self, other: &Int) -> Int {
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let Some(sum) = a.checked_add(*b)
        {
            return sum.into();
        }
        (self.to_big() + other.to_big()).into()
    }
}

impl From<i64> for Int {
    fn from(number: i64) -> Self {
        Self(Repr::Small(number))
    }
}

impl From<BigInt> for Int {
    fn from(number: BigInt) -> Self {
        Self(i64::try_from(&number).map_or_else(|_| Repr::Big(Box::new(number)), Repr::Small))
    }
}

macro_rules! from_integers {
    ($($small:ty),*; $($wide:ty),*) => {
        $(impl From<$small> for Int {
            fn from(number: $small) -> Self {
                Self(Repr::Small(i64::from(number)))
            }
        })*
        $(impl From<$wide> for Int {
            fn from(number: $wide) -> Self {
                i64::try_from(number).map_or_else(|_| BigInt::from(number).into(), Self::from)
            }
        })*
    };
}
from_integers!(i8, i16, i32, u8, u16, u32; u64, i128, u128, usize, isize);

impl FromStr for Int {
    type Err = NotAnInt;

    fn from_str(text: &str) -> Result<Self, NotAnInt> {
        Self::parse(text.as_bytes()).ok_or(NotAnInt)
    }
}

/// The text is not an integer of at most [`Int::MAX_DIGITS`] digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an integer of at most {} decimal digits", Int::MAX_DIGITS)]
pub struct NotAnInt;

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(number) => number.fmt(f),
            Repr::Big(number) => number.fmt(f),
        }
    }
}

impl fmt::Debug for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number of bits of the smallest integer that has too many digits.
const BITS_OF_MOST_DIGITS: u64 = 14_285;

/// The number of decimal digits that a machine word can represent.
const DIGITS_OF_A_WORD: usize = 19;

/// The number of digits that always fit into an `i64`.
const SHORT: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_around_64_bits_have_one_form() {
        for text in
            ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"]
        {
            let number: Int = text.parse().unwrap();
            assert_eq!(number.to_string(), text);
            assert_eq!(number, Int::from(text.parse::<i128>().unwrap()));
        }
        assert_eq!("18446744073709551615".parse::<Int>().unwrap().as_u64(), Some(u64::MAX));
    }

    #[test]
    fn more_digits_than_cpython_reads_are_refused() {
        assert!("9".repeat(4300).parse::<Int>().is_ok());
        assert_eq!("9".repeat(4301).parse::<Int>(), Err(NotAnInt));
        for text in ["", "-", "+1", "1.0", "１"] {
            assert_eq!(text.parse::<Int>(), Err(NotAnInt), "{text}");
        }
    }

    #[test]
    fn the_greatest_number_of_digits_is_recognised() {
        let most: Int = "9".repeat(Int::MAX_DIGITS).parse().unwrap();
        assert!(most.is_readable());
        assert!(!(&most + &Int::from(1)).is_readable());
        assert_eq!((&most + &Int::from(1)).to_big().bits(), BITS_OF_MOST_DIGITS);
    }

    #[test]
    fn a_sum_grows_beyond_64_bits() {
        let sum = &Int::from(i64::MAX) + &Int::from(1);
        assert_eq!(sum.to_string(), "9223372036854775808");
    }
}
