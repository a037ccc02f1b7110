//! Configuration from outside the program under Flask's names: environment variables, and what else
//! gives a dict.

use hipflask_core::tagged;
use hipflask_core::value::{Dict, Value};

use super::builder::SessionsBuilder;
use super::error::ConfigError;
use super::value::{Setting, same_site, seconds, text, texts, truth};
use super::{flask_login, flask_session, flask_wtf};
use crate::engine::Sessions;

const SETTINGS: &[Setting] = &[
    ("SECRET_KEY", |b, name, value| match value {
        Value::None => Ok(b),
        value => Ok(b.secret_key(text(name, value, KEY)?)),
    }),
    ("SECRET_KEY_FALLBACKS", |mut b, name, value| {
        b.fallbacks = fallbacks(name, value)?;
        Ok(b)
    }),
    ("PERMANENT_SESSION_LIFETIME", |b, name, value| Ok(b.permanent_lifetime(seconds(name, value)?))),
    ("SESSION_REFRESH_EACH_REQUEST", |b, name, value| Ok(b.refresh_each_request(truth(name, value)?))),
    ("SESSION_COOKIE_NAME", |b, name, value| Ok(b.cookie_name(text(name, value, "text")?))),
    ("SESSION_COOKIE_DOMAIN", |b, name, value| match value {
        Value::None | Value::Bool(false) => Ok(b.cookie_domain(None)),
        value => Ok(b.cookie_domain(text(name, value, "text")?)),
    }),
    ("APPLICATION_ROOT", |b, name, value| Ok(b.cookie_path(text(name, value, "text")?))),
    ("SESSION_COOKIE_PATH", |b, name, value| match value {
        Value::None => Ok(b),
        value => Ok(b.cookie_path(text(name, value, "text")?)),
    }),
    ("SESSION_COOKIE_HTTPONLY", |b, name, value| Ok(b.cookie_http_only(truth(name, value)?))),
    ("SESSION_COOKIE_SECURE", |b, name, value| Ok(b.cookie_secure(truth(name, value)?))),
    ("TRUSTED_HOSTS", |mut b, name, value| {
        b.trusted_hosts = texts(name, value, "a list of host names: [\"example.org\"]")?;
        Ok(b)
    }),
    ("TRUSTED_PROXIES", |mut b, name, value| {
        b.trusted_proxies = texts(name, value, "a list of addresses: [\"127.0.0.1\"]")?;
        Ok(b)
    }),
    ("SESSION_COOKIE_SAMESITE", |b, name, value| Ok(b.cookie_same_site(same_site(name, value)?))),
    ("SESSION_COOKIE_PARTITIONED", |b, name, value| Ok(b.cookie_partitioned(truth(name, value)?))),
    ("MAX_COOKIE_SIZE", |b, name, value| Ok(b.max_cookie_size(size(name, value)?))),
    ("SESSION_TYPE", |mut b, name, value| {
        if *value != Value::None {
            match text(name, value, "text")? {
                "cookie" | "null" => {}
                kind => b.store.name(name, kind)?,
            }
        }
        Ok(b)
    }),
];

fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().chain(&flask_session::SETTINGS).chain(&flask_login::SETTINGS).chain(&flask_wtf::SETTINGS)
}

const KEY: &str = "text; in an environment variable a key of digits needs JSON quotes: '\"123\"'";

impl Sessions {
    /// The configuration that Flask's `app.config.from_prefixed_env(prefix)` would load:
    /// `FLASK_SECRET_KEY`, `FLASK_SESSION_COOKIE_SAMESITE` and so on. Values are read as JSON, and
    /// as text where they are none. If they may ask for a store, use `connect_env`.
    ///
    /// # Errors
    /// [`ConfigError`] for whatever is missing or cannot work.
    pub fn from_env(prefix: &str) -> Result<Self, ConfigError> {
        Self::builder().env(prefix)?.build()
    }
}

impl SessionsBuilder {
    /// Takes over the environment variables that begin with `prefix` and an underscore.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that does not fit, or a name that is nearly one of Flask's.
    pub fn env(self, prefix: &str) -> Result<Self, ConfigError> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match (setting_of(&name, prefix), value.into_string()) {
                (None, _) => {}
                (Some(_), Ok(value)) => variables.push((name, value)),
                (Some(_), Err(_)) => return Err(not_utf8(name)),
            }
        }
        self.variables(prefix, variables)
    }

    /// [`env`](Self::env) with variables from elsewhere.
    ///
    /// # Errors
    /// As [`env`](Self::env).
    pub fn variables(
        mut self,
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        if prefix.is_empty() || prefix.ends_with('_') {
            return Err(ConfigError::Prefix { prefix: prefix.into() });
        }
        let ours = variables.into_iter().filter_map(|(name, text)| {
            let value = tagged::from_str_plain(&text).unwrap_or_else(|_| Value::from(text));
            Some((setting_of(&name, prefix)?.to_owned(), value))
        });
        self.variable_of_key = Some(format!("{prefix}_SECRET_KEY"));
        self.settings(&ours.collect())
    }

    /// Takes over settings under Flask's names, in Flask's order of precedence. Names that have
    /// nothing to do with sessions are passed over.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that does not fit, or a name that is nearly one of Flask's.
    pub fn settings(mut self, settings: &Dict) -> Result<Self, ConfigError> {
        for (name, take) in all() {
            if let Some(value) = settings.get(name) {
                self = take(self, name, value)?;
            }
        }
        let unknown = settings
            .keys()
            .map(ToString::to_string)
            .find(|name| looks_like_ours(name) && !all().any(|(known, _)| known == name));
        match unknown {
            Some(name) => Err(ConfigError::UnknownSetting { suggestion: nearest(&name), name }),
            None => Ok(self),
        }
    }
}

/// The setting that the variable of this name sets.
fn setting_of<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    name.strip_prefix(prefix)?.strip_prefix('_')
}

fn not_utf8(name: String) -> ConfigError {
    ConfigError::WrongType { name, found: "not valid UTF-8".into(), wanted: "text in UTF-8" }
}

/// Returns `true` if a name is one of our settings or a misspelled one. `DB_SECRET_KEY`, which only
/// ends like one, is not.
fn looks_like_ours(name: &str) -> bool {
    let begin = |name: &str| name.get(..4).map(str::to_ascii_uppercase);
    let is_alike = |known: &&str| begin(known) == begin(name) && letters_apart(known, name) <= 2;
    name.starts_with("SESSION_") || all().any(|(known, _)| is_alike(known))
}

/// The setting whose name is all but the same as a mistyped one.
fn nearest(name: &str) -> Option<&'static str> {
    let known = all().map(|(known, _)| *known).min_by_key(|known| letters_apart(known, name))?;
    (letters_apart(known, name) <= 3).then_some(known)
}

/// The number of letters in which two names differ, between their common start and end.
fn letters_apart(known: &str, name: &str) -> usize {
    let alike = |(a, b): &(u8, u8)| a.eq_ignore_ascii_case(b);
    let front = known.bytes().zip(name.bytes()).take_while(alike).count();
    let back = known.bytes().rev().zip(name.bytes().rev()).take_while(alike).count();
    known.len().max(name.len()) - (front + back).min(known.len().min(name.len()))
}

fn wrong(name: &str, value: &Value, wanted: &'static str) -> ConfigError {
    ConfigError::wrong(name, value, wanted)
}

fn size(name: &str, value: &Value) -> Result<usize, ConfigError> {
    let number = value.as_i64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| wrong(name, value, "a number of bytes, 0 for no limit"))
}

fn fallbacks(name: &str, value: &Value) -> Result<Vec<hipflask_core::signing::SecretKey>, ConfigError> {
    const WANTED: &str = "a list of keys: [\"old key\"]";
    let keys = match value {
        Value::None => &[],
        value => value.as_items().ok_or_else(|| wrong(name, value, WANTED))?,
    };
    let key = |key: &Value| match key.as_str() {
        Some(key) => Ok(key.into()),
        None => Err(ConfigError::WrongType {
            name: name.into(),
            found: format!("a list that contains {}", key.kind()),
            wanted: WANTED,
        }),
    };
    keys.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hipflask_core::cookie::SameSite;

    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Sessions, ConfigError> {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Sessions::builder().variables("FLASK", variables)?.build()
    }

    fn error(variables: &[(&str, &str)]) -> String {
        from(variables).unwrap_err().to_string()
    }

    #[test]
    fn environment_variables_are_read_as_flask_reads_them() {
        let sessions = from(&[
            ("FLASK_SECRET_KEY", "a long enough secret key"),
            ("FLASK_SECRET_KEY_FALLBACKS", r#"["older", "newer"]"#),
            ("FLASK_SESSION_COOKIE_NAME", "login"),
            ("FLASK_SESSION_COOKIE_SAMESITE", "lax"),
            ("FLASK_SESSION_COOKIE_SECURE", "true"),
            ("FLASK_APPLICATION_ROOT", "/app"),
            ("FLASK_PERMANENT_SESSION_LIFETIME", "60"),
            ("FLASK_DEBUG", "1"),
            ("OTHER_SECRET_KEY", "x"),
        ])
        .unwrap();
        let cookie = sessions.cookie();
        assert_eq!((cookie.name(), cookie.path(), cookie.is_secure()), ("login", "/app", true));
        assert_eq!(cookie.same_site(), Some(SameSite::Lax));
        assert_eq!(sessions.lifetime(), Duration::from_secs(60));
        assert!(!format!("{sessions:?}").contains("enough"));
    }

    #[test]
    fn the_cookie_path_goes_before_the_application_root() {
        let text =
            "SECRET_KEY = 'a long enough secret key'\nSESSION_COOKIE_PATH = '/a'\nAPPLICATION_ROOT = '/b'";
        assert_eq!(Sessions::from_toml(text).unwrap().cookie().path(), "/a");
    }

    #[test]
    fn a_bad_configuration_says_what_to_do() {
        assert!(error(&[]).contains("no secret key was set") && error(&[]).contains("FLASK_SECRET_KEY"));
        assert!(Sessions::from_toml("").unwrap_err().to_string().contains("SECRET_KEY in the configuration"));
        let key = ("FLASK_SECRET_KEY", "a long enough secret key");
        assert_eq!(
            error(&[key, ("FLASK_SESSION_COOKIE_SECURE", "yes")]),
            "SESSION_COOKIE_SECURE is str, but must be true or false, spelled so"
        );
        assert!(error(&[("FLASK_SECRET_KEY", "12345")]).contains("needs JSON quotes"));
        assert!(error(&[("FLASK_SECRET_KEY", "null")]).contains("no secret key was set"));
        assert!(error(&[key, ("FLASK_SECRET_KEY_FALLBACKS", "old")]).contains("a list of keys"));
        assert_eq!(
            error(&[key, ("FLASK_SESSION_COOKIE_SAMSITE", "Lax")]),
            "unknown setting SESSION_COOKIE_SAMSITE; did you mean SESSION_COOKIE_SAMESITE?"
        );
        let same_site = error(&[key, ("FLASK_SESSION_COOKIE_SAMESITE", "None")]);
        assert!(same_site.contains("SameSite") && same_site.contains("SESSION_COOKIE_SECURE"), "{same_site}");
        assert_eq!(
            error(&[key, ("FLASK_SESSION_COOKIE_SAMESITE", "Laxx")]),
            "SESSION_COOKIE_SAMESITE is \"Laxx\", but must be 'Strict', 'Lax', 'None' in quotes, or null"
        );
        assert_eq!(
            error(&[key, ("FLASK_SECRET_KEY_FALLBACKS", "[\"old\", 5]")]),
            "SECRET_KEY_FALLBACKS is a list that contains int, but must be a list of keys: [\"old key\"]"
        );
        assert!(error(&[key, ("FLASK_SESSION_TYPE", "redis")]).contains("has to be connected to"));
    }

    #[test]
    fn mistyped_setting_fails_and_foreign_one_is_ignored() {
        let key = ("FLASK_SECRET_KEY", "a long enough secret key");
        for (name, suggestion) in [
            ("SECRET_KEY_FALLBACK", "did you mean SECRET_KEY_FALLBACKS?"),
            ("SECRET_KEYS", "did you mean SECRET_KEY?"),
            ("secret_key", "did you mean SECRET_KEY?"),
            ("PERMANENT_SESSION_LIFETIM", "did you mean PERMANENT_SESSION_LIFETIME?"),
            ("SESSION_NOTHING_LIKE_IT", "docs/coming-from-flask.md"),
        ] {
            let variable = format!("FLASK_{name}");
            let text = error(&[key, (&variable, "s3cret")]);
            let names_it = text.starts_with(&format!("unknown setting {name}; "));
            assert!(names_it && text.ends_with(suggestion) && !text.contains("s3cret"), "{text}");
        }
        for foreign in
            ["DEBUG", "SECRET_ID", "DB_SECRET_KEY", "X_SECRET_KEY", "JWT_SECRET_KEY", "MAX_CONTENT_LENGTH"]
        {
            let variable = format!("FLASK_{foreign}");
            assert!(from(&[key, (&variable, "5")]).is_ok(), "{foreign}");
        }
    }

    #[test]
    fn every_setting_is_on_the_flask_page() {
        let page = include_str!("../../../../docs/coming-from-flask.md");
        for (name, _) in all() {
            let stands = [format!("`{name}`"), format!("`{name} ")].iter().any(|cell| page.contains(cell));
            assert!(stands, "{name} is missing in docs/coming-from-flask.md");
        }
    }

    #[test]
    fn impossible_prefix_is_an_error() {
        let prefix = |prefix: &str| Sessions::builder().variables(prefix, []).unwrap_err().to_string();
        for bad in ["", "FLASK_"] {
            let text = prefix(bad);
            assert!(text.starts_with(&format!("{bad:?} cannot be the prefix")), "{text}");
            assert!(text.ends_with("FLASK is the prefix of FLASK_SECRET_KEY"), "{text}");
        }
        assert_eq!(
            not_utf8("FLASK_SECRET_KEY".into()).to_string(),
            "FLASK_SECRET_KEY is not valid UTF-8, but must be text in UTF-8"
        );
    }

    #[test]
    fn toml_error_names_the_line_without_showing_it() {
        let text =
            Sessions::from_toml("SESSION_PERMANENT = true\nSECRET_KEY = s3cret").unwrap_err().to_string();
        assert!(text.starts_with("invalid TOML: line 2: "), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn strict_profile_has_defaults_and_refuses_short_keys() {
        use hipflask_core::plan::Profile;
        let strict = |key: &str| Sessions::builder().secret_key(key).profile(Profile::Strict).build();
        let sessions = strict(&"k".repeat(32)).unwrap();
        let header = sessions.cookie().set("v", None);
        assert_eq!(header, "__Host-session=v; Secure; HttpOnly; Path=/; SameSite=Lax");
        assert!(strict("short").unwrap_err().to_string().contains("needs 32"));
    }
}
