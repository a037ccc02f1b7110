//! Formatting a `float` as Python's `repr` and `json` do.

/// Appends Python's spelling: the shortest digits that are read back as an equal number, without an
/// exponent for decimal exponents from -4 to 15, otherwise `d.ddde±XX`. `NaN`, `Infinity` and
/// `-Infinity` are spelled as by `json`.
pub(crate) fn write_repr(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    if number.is_infinite() {
        return out.extend_from_slice(b"Infinity");
    }
    if number == 0.0 {
        return out.extend_from_slice(b"0.0");
    }
    if write_hundredths(out, number.abs()) {
        return;
    }
    write_shortest(out, number.abs());
}

/// Appends a number of at most 15 digits, at most two of them after the point, such as a price.
/// Returns `false` for other numbers.
///
/// No two decimals of 15 digits are the same `f64`. So if such a decimal is read back as an equal
/// number, it is the shortest one.
///
/// Without it, the row `encode-sign/L` of `bench/instructions.json` has 8 % more instructions, and
/// `encode-sign/M` 6 %.
fn write_hundredths(out: &mut Vec<u8>, number: f64) -> bool {
    let hundredths = (number * 100.0 + 0.5) as u64;
    if hundredths >= 10_u64.pow(15) || hundredths as f64 / 100.0 != number {
        return false;
    }
    out.extend_from_slice(itoa::Buffer::new().format(hundredths / 100).as_bytes());
    let (tenth, hundredth) = ((hundredths / 10 % 10) as u8, (hundredths % 10) as u8);
    out.extend_from_slice(&[b'.', b'0' + tenth, b'0' + hundredth]);
    if hundredth == 0 {
        out.pop();
    }
    true
}

fn write_shortest(out: &mut Vec<u8>, number: f64) {
    let (digits, length, exponent) = shortest_digits(number);
    let digits = &digits[..length];
    match exponent {
        -4..=-1 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + exponent.unsigned_abs() as usize - 1, b'0');
            out.extend_from_slice(digits);
        }
        0..=15 => write_plain(out, digits, exponent.unsigned_abs() as usize + 1),
        _ => write_scientific(out, digits, exponent),
    }
}

/// Appends `digits` with the point after `whole` of them, and zeros for missing digits.
fn write_plain(out: &mut Vec<u8>, digits: &[u8], whole: usize) {
    if digits.len() > whole {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    } else {
        out.extend_from_slice(digits);
        out.resize(out.len() + whole - digits.len(), b'0');
        out.extend_from_slice(b".0");
    }
}

fn write_scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let exponent = exponent.unsigned_abs();
    if exponent >= 100 {
        out.push(b'0' + (exponent / 100) as u8);
    }
    out.push(b'0' + (exponent / 10 % 10) as u8);
    out.push(b'0' + (exponent % 10) as u8);
}

/// Returns the significant digits of a positive number without zeros at either end, and the decimal
/// exponent of the first one.
fn shortest_digits(number: f64) -> ([u8; 24], usize, i32) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(number).as_bytes();
    let (mantissa, exponent) = match text.iter().position(|&byte| byte == b'e') {
        Some(at) => (&text[..at], read_exponent(&text[at + 1..])),
        None => (text, 0),
    };
    let whole = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let (mut digits, mut length, mut leading) = ([0u8; 24], 0, 0);
    for &digit in mantissa.iter().filter(|&&byte| byte != b'.') {
        if length == 0 && digit == b'0' {
            leading += 1;
        } else if length < digits.len() {
            digits[length] = digit;
            length += 1;
        }
    }
    while length > 1 && digits[length - 1] == b'0' {
        length -= 1;
    }
    (digits, length, exponent + whole as i32 - 1 - leading)
}

fn read_exponent(text: &[u8]) -> i32 {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    let number = digits.fold(0i32, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    if text.first() == Some(&b'-') { -number } else { number }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The right-hand side was printed by `json.dumps` of Python 3.11.7.
    #[test]
    fn floats_are_spelled_as_python_spells_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (1e-5, "1e-05"),
            (2.5e-8, "2.5e-08"),
            (5e-324, "5e-324"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (1e100, "1e+100"),
            (1e22, "1e+22"),
            (12.5, "12.5"),
            (100.0, "100.0"),
            (-1234.5, "-1234.5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, expected) in cases {
            let mut out = Vec::new();
            write_repr(&mut out, number);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    proptest! {
        #[test]
        fn prices_are_spelled_as_all_other_numbers(
            number in (0..2_000_000_000_000_000_u64, 0..5_i32).prop_map(|(digits, places)| digits as f64 / 10_f64.powi(places)),
        ) {
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            if number > 0.0 && write_hundredths(&mut fast, number) {
                write_shortest(&mut slow, number);
                prop_assert_eq!(fast, slow, "{}", number);
            }
        }
    }

    #[test]
    fn only_prices_are_written_as_hundredths() {
        let taken = |number| write_hundredths(&mut Vec::new(), number);
        assert!([0.01, 1.1, 19.9, 0.07, 1e12, 9_999_999_999_999.99].into_iter().all(taken));
        assert!(![0.001, 1.005, 1e13, 10_000_000_000_000.01, 5e-324, f64::MAX].into_iter().any(taken));
    }
}
