//! Hides values of a session that nobody should see by accident.

use hipflask_core::value::{Dict, Value};

/// Returns `true` if the value under a key with this name is likely to be a secret: a token, a
/// password, a one-time code.
///
/// Names are split into words at capitals and at everything but letters and digits.
///
/// ```
/// use hipflask_store::record::looks_secret;
/// assert!(looks_secret("csrf_token") && looks_secret("accessToken") && looks_secret("OTP"));
/// assert!(!looks_secret("user_id") && !looks_secret("authenticated") && !looks_secret("shopping"));
/// ```
#[must_use]
pub fn looks_secret(name: &str) -> bool {
    let words = words(name);
    let joined = words.concat();
    PARTS.iter().any(|part| joined.contains(part)) || words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// A session in which the values of secret-looking keys are hidden, at any depth.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Redacted {
    /// The session, with [`HIDDEN`] in place of each hidden value.
    pub dict: Dict,
    /// The paths of the hidden values: `oauth.access_token`.
    pub hidden: Vec<String>,
}

/// Hides the values of keys that [look secret](looks_secret).
///
/// ```
/// use hipflask_core::value::{Dict, Value};
/// use hipflask_store::record::{HIDDEN, redact};
/// let shown = redact(&Dict::from([("user", "ada"), ("csrf_token", "9a5e")]));
/// assert_eq!(shown.dict.get("csrf_token"), Some(&Value::from(HIDDEN)));
/// assert_eq!(shown.hidden, ["csrf_token"]);
/// ```
#[must_use]
pub fn redact(dict: &Dict) -> Redacted {
    let mut hidden = Vec::new();
    Redacted { dict: within(dict, "", &mut hidden), hidden }
}

fn within(dict: &Dict, above: &str, hidden: &mut Vec<String>) -> Dict {
    let entry = |(key, value): (&hipflask_core::value::Text, &Value)| {
        let path = format!("{above}{key}");
        let shown = if *value != Value::None && looks_secret(&key.to_string_lossy()) {
            hidden.push(path);
            Value::from(HIDDEN)
        } else {
            inside(value, &path, hidden)
        };
        (key.clone(), shown)
    };
    dict.iter().map(entry).collect()
}

fn inside(value: &Value, path: &str, hidden: &mut Vec<String>) -> Value {
    let mut all = |items: &[Value]| items.iter().map(|item| inside(item, path, hidden)).collect();
    match value {
        Value::List(items) => Value::List(all(items)),
        Value::Tuple(items) => Value::Tuple(all(items)),
        Value::Dict(dict) => Value::Dict(within(dict, &format!("{path}."), hidden)),
        other => other.clone(),
    }
}

/// Splits a name into words, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for letter in name.chars() {
        let begins = !letter.is_alphanumeric() || letter.is_uppercase() && after_small;
        if begins {
            words.push(String::new());
        }
        after_small = letter.is_lowercase() || letter.is_numeric();
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Replaces a hidden value.
pub const HIDDEN: &str = "(hidden)";

/// Parts of secret names, anywhere in the name.
const PARTS: [&str; 12] = [
    "token",
    "secret",
    "passw",
    "passphrase",
    "csrf",
    "xsrf",
    "apikey",
    "accesskey",
    "privatekey",
    "sessionkey",
    "credential",
    "codeverifier",
];

/// Words of secret names.
const WORDS: [&str; 17] = [
    "pwd",
    "pass",
    "nonce",
    "otp",
    "totp",
    "mfa",
    "pin",
    "jwt",
    "bearer",
    "auth",
    "authorization",
    "cookie",
    "sid",
    "cvv",
    "cvc",
    "ssn",
    "iban",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_names_are_recognized_in_every_spelling() {
        for name in [
            "csrf_token",
            "_csrf",
            "XSRF-TOKEN",
            "password",
            "passwd",
            "new_password2",
            "user.pwd",
            "api_key",
            "apiKey",
            "APIKEY",
            "access_token",
            "refreshToken",
            "client_secret",
            "_state_google_nonce",
            "totp",
            "mfa_code",
            "private_key",
            "aws_credentials",
            "jwt",
            "code_verifier",
            "oauth_token_secret",
            "id_token",
            "pin",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in [
            "",
            "user",
            "user_id",
            "_user_id",
            "_fresh",
            "_id",
            "_permanent",
            "_flashes",
            "cart",
            "authenticated",
            "author",
            "passenger",
            "spinner",
            "pinned",
            "key",
            "keys",
            "state",
            "next",
            "lang",
            "compass",
            "side",
        ] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_hidden_at_any_depth() {
        let inner = Dict::from([("access_token", "s3cret"), ("scope", "all")]);
        let dict: Dict = [
            ("oauth", Value::Dict(inner.clone())),
            ("list", Value::List(vec![Value::Dict(inner)])),
            ("password", Value::None),
            ("tokens", Value::List(vec![Value::from("s3cret")])),
        ]
        .into_iter()
        .collect();
        let shown = redact(&dict);
        assert!(!format!("{:?}", shown.dict).contains("s3cret"));
        assert_eq!(shown.hidden, ["oauth.access_token", "list.access_token", "tokens"]);
        assert_eq!(shown.dict.get("password"), Some(&Value::None));
        assert_eq!(shown.dict.len(), 4);
    }
}
