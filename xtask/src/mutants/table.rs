//! The checks to remove, and how.

/// A change that takes one check out of hipflask-core.
#[derive(Debug)]
pub(super) struct Mutant {
    /// The behaviour that is missing with the change.
    pub(super) removes: &'static str,
    /// Under `crates/hipflask-core/`.
    pub(super) file: &'static str,
    /// Every occurrence of this text,
    pub(super) from: &'static str,
    /// becomes this one.
    pub(super) to: &'static str,
    /// Unit tests with one of these in their names are run.
    pub(super) tests: &'static [&'static str],
}

const SIGNING: &[&str] = &["signing::"];
const CODEC: &[&str] = &["codec::"];
const JSON: &[&str] = &["tagged::", "session::", "codec::"];

const MAC: &str = "src/signing/mac.rs";
const KEY: &str = "src/signing/key.rs";
const SIGNER: &str = "src/signing/signer.rs";
const TIMESTAMP: &str = "src/signing/timestamp.rs";
const PAYLOAD: &str = "src/signing/payload.rs";
const CODEC_RS: &str = "src/codec.rs";
const DATA: &str = "src/session/data.rs";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    // the MAC
    Mutant { removes: "SHA-1 signatures are compared", file: MAC, tests: SIGNING,
        from: "Sha1::is(&pads.state::<Sha1, 64>(message), given())", to: "given().len() == 20 && pads.state::<Sha1, 64>(message).len() == 5" },
    Mutant { removes: "SHA-256 signatures are compared", file: MAC, tests: SIGNING,
        from: "Sha256::is(&pads.state::<Sha256, 64>(message), given())", to: "given().len() == 32 && pads.state::<Sha256, 64>(message).len() == 8" },
    Mutant { removes: "SHA-512 signatures are compared", file: MAC, tests: SIGNING,
        from: "Sha512::is(&pads.state::<Sha512, 128>(message), given())", to: "given().len() == 64 && pads.state::<Sha512, 128>(message).len() == 8" },
    Mutant { removes: "every word of a signature is compared", file: MAC, tests: SIGNING,
        from: "state.iter().zip(words)", to: "state.iter().zip(words).take(4)" },
    Mutant { removes: "the salt goes into the key", file: MAC, tests: SIGNING,
        from: "Self::new(digest, secret).tag(salt)", to: "Self::new(digest, secret).tag(&salt[..0])" },
    Mutant { removes: "the secret goes into the key", file: MAC, tests: SIGNING,
        from: "&mut [salt, b\"signer\", secret].concat()", to: "&mut [salt, b\"signer\", &secret[..0]].concat()" },
    // keys
    Mutant { removes: "the salt is the one that was given", file: SIGNER, tests: SIGNING,
        from: "Mac::derived(digest, derivation, key.bytes(), &salt)", to: "Mac::derived(digest, derivation, key.bytes(), b\"cookie-session\")" },
    Mutant { removes: "the first key signs", file: SIGNER, tests: SIGNING,
        from: "self.macs[0].tag(text.as_bytes())", to: "self.macs[self.macs.len() - 1].tag(text.as_bytes())" },
    Mutant { removes: "the first key makes a bare signature", file: SIGNER, tests: SIGNING,
        from: "self.macs[0].tag(value)", to: "self.macs[self.macs.len() - 1].tag(value)" },
    Mutant { removes: "keys that are being rotated out verify", file: SIGNER, tests: SIGNING,
        from: "self.macs.iter().position(", to: "self.macs.iter().take(1).position(" },
    Mutant { removes: "keys are tried in their order", file: SIGNER, tests: SIGNING,
        from: "self.macs.iter().position(", to: "self.macs.iter().rposition(" },
    Mutant { removes: "Flask's fallbacks are tried from last to first", file: KEY, tests: SIGNING,
        from: "keys[1..].reverse();", to: "keys[1..].rotate_left(0);" },
    Mutant { removes: "an empty key is refused", file: SIGNER, tests: SIGNING,
        from: ".position(|key| key.is_empty())", to: ".position(|_| false)" },
    Mutant { removes: "a key is not shown", file: KEY, tests: SIGNING,
        from: "f.write_str(\"SecretKey(..)\")", to: "f.write_str(&String::from_utf8_lossy(&self.bytes))" },
    // a signed value
    Mutant { removes: "a signature is verified", file: SIGNER, tests: SIGNING,
        from: "let Some(key) = self.verify(value, signature)", to: "let Some(key) = self.verify(value, signature).or(Some(0))" },
    Mutant { removes: "a signature has one spelling", file: SIGNER, tests: SIGNING,
        from: "mac.verifies(value, || base64::decode_strict(signature, &mut given).unwrap_or_default())",
        to: "let _ = &mut given; let decoded = base64::decode(signature).unwrap_or_default(); mac.verifies(value, || &decoded)" },
    Mutant { removes: "a separator stands before the signature", file: SIGNER, tests: SIGNING,
        from: "&& *separator == self.separator", to: "&& *separator < 0xFF" },
    Mutant { removes: "a separator is none of the letters of a signature", file: SIGNER, tests: SIGNING,
        from: "separator.is_ascii_alphanumeric() ||", to: "" },
    // the time
    Mutant { removes: "a timestamp must be there", file: TIMESTAMP, tests: SIGNING,
        from: ".ok_or(SignatureError::TimestampMissing)?", to: ".unwrap_or((stamped, b\"ZVPxAA\"))" },
    Mutant { removes: "a timestamp must be readable", file: TIMESTAMP, tests: SIGNING,
        from: ".ok_or(SignatureError::TimestampMalformed)?", to: ".unwrap_or(now)" },
    Mutant { removes: "a timestamp has at most eight bytes", file: TIMESTAMP, tests: SIGNING,
        from: ".filter(|bytes| bytes.len() <= LONGEST_TIMESTAMP)", to: "" },
    Mutant { removes: "a timestamp ends with the year 9999", file: TIMESTAMP, tests: SIGNING,
        from: "(secs <= LAST_SECOND).then_some(", to: "(secs <= u64::MAX).then_some(" },
    Mutant { removes: "the text of a timestamp is bounded", file: TIMESTAMP, tests: SIGNING,
        from: "if text.len() > LONGEST_TIMESTAMP_TEXT", to: "if text.len() > usize::MAX - 1" },
    Mutant { removes: "the age is checked", file: TIMESTAMP, tests: SIGNING,
        from: "age.check(issued_at, now)?;", to: "let _ = (age, now);" },
    Mutant { removes: "too old is refused", file: TIMESTAMP, tests: SIGNING,
        from: "if age > max_age.as_secs()", to: "if age > u64::MAX - 1" },
    Mutant { removes: "an age equal to the greatest passes", file: TIMESTAMP, tests: SIGNING,
        from: "if age > max_age.as_secs()", to: "if age >= max_age.as_secs()" },
    Mutant { removes: "the future is refused", file: TIMESTAMP, tests: SIGNING,
        from: "issued - now > self.leeway.as_secs()", to: "issued - now > u64::MAX - 1" },
    Mutant { removes: "the leeway is accepted", file: TIMESTAMP, tests: SIGNING,
        from: "issued - now > self.leeway.as_secs()", to: "issued > now" },
    // the payload
    Mutant { removes: "what inflates is bounded", file: PAYLOAD, tests: SIGNING,
        from: ".ok_or(PayloadError::NotBase64)?, self.max_inflated)", to: ".ok_or(PayloadError::NotBase64)?, usize::MAX >> 1)" },
    Mutant { removes: "the bound on what inflates is 1 MiB", file: PAYLOAD, tests: SIGNING,
        from: "MAX_INFLATED: usize = 1 << 20", to: "MAX_INFLATED: usize = 1 << 24" },
    Mutant { removes: "a deflated payload is whole", file: PAYLOAD, tests: SIGNING,
        from: "            return Err(PayloadError::NotZlib);", to: "            return Ok(json);" },
    // the cookie
    Mutant { removes: "a cookie is verified before it is read", file: CODEC_RS, tests: CODEC,
        from: "let signed = self.signer.unsign(value, now, self.age)?;",
        to: "let parts = split_unverified(value, b'.').ok_or(SignatureError::NoSeparator)?; let _ = now; \
             let signed = crate::signing::Unsigned { value: parts.value, issued_at: parts.timestamp, key: 0 };" },
    Mutant { removes: "a cookie is signed with Flask's salt", file: CODEC_RS, tests: CODEC,
        from: "salt: b\"cookie-session\".to_vec()", to: "salt: b\"itsdangerous\".to_vec()" },
    Mutant { removes: "a cookie grows too old in 31 days", file: CODEC_RS, tests: CODEC,
        from: "age: Age::at_most(DEFAULT_LIFETIME)", to: "age: Age::at_most(Duration::MAX)" },
    Mutant { removes: "a cookie may be 5 s ahead", file: CODEC_RS, tests: CODEC,
        from: ".leeway(DEFAULT_LEEWAY)", to: ".leeway(DEFAULT_LIFETIME)" },
    // JSON
    Mutant { removes: "the depth of JSON is limited", file: "src/tagged/lex.rs", tests: JSON,
        from: "self.levels.checked_sub(1)", to: "Some(self.levels.wrapping_sub(1))" },
    Mutant { removes: "the digits of a number are bounded", file: "src/tagged/lex.rs", tests: JSON,
        from: "if whole > Int::MAX_DIGITS", to: "if whole > usize::MAX - 1" },
    Mutant { removes: "the reader's length is bounded", file: "src/tagged/read.rs", tests: JSON,
        from: "if text.len() > MAX_BYTES", to: "if text.len() > usize::MAX - 1" },
    Mutant { removes: "the scan's length is bounded", file: "src/tagged/scan.rs", tests: JSON,
        from: "if text.len() > MAX_BYTES", to: "if text.len() > usize::MAX - 1" },
    Mutant { removes: "nothing follows the value", file: "src/tagged/lex.rs", tests: JSON,
        from: "if self.at < self.bytes().len()", to: "if self.at > self.bytes().len()" },
    Mutant { removes: "tags with unusual content are checked", file: "src/tagged/scan.rs", tests: JSON,
        from: "if !is_canonical {", to: "if !is_canonical && false {" },
    Mutant { removes: "a tag has no other keys", file: "src/tagged/scan.rs", tests: JSON,
        from: "self.tag(key)? == Some(tag)", to: "self.tag(key)?.is_some()" },
    Mutant { removes: "only what is spelled as we spell it is copied", file: DATA, tests: JSON,
        from: "Source::Json(json)) if member.canonical =>", to: "Source::Json(json)) =>" },
    Mutant { removes: "values of a session are not shown", file: DATA, tests: JSON,
        from: ".field(\"keys\", &self.keys().collect::<Vec<_>>())", to: ".field(\"keys\", &self.to_dict())" },
    Mutant { removes: "a value set is not nested too deep", file: DATA, tests: JSON,
        from: "value.unreadable(MAX_DEPTH - 2 - inside)", to: "value.unreadable(MAX_DEPTH + 2 - inside)" },
    Mutant { removes: "an integer set has no more digits than are read", file: "src/value/mod.rs", tests: JSON,
        from: "Self::Int(number) if !number.is_readable()", to: "Self::Int(number) if false && !number.is_readable()" },
    Mutant { removes: "a session that could not be read back is not written", file: CODEC_RS, tests: CODEC,
        from: "if json.len() <= MAX_INFLATED", to: "if json.len() <= usize::MAX - 1" },
];
