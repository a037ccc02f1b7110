//! The questions with their types. Every one is a batch, because a line to Python and back costs
//! more than a cookie.

use serde_json::{Map, Value};

use super::answers::{
    Cookie, DamagedCookie, DumpedCookie, GeneratedSession, Outcome, ParsedHeader, Refusal, ResponseHeaders,
    Verdict, Versions, Visited,
};
use super::questions::{SaveCase, Settings, Visit, object};
use super::{OracleError, RealFlask};

/// All return [`OracleError`] if the process does not answer; refusals by Flask are in the answers.
#[expect(clippy::missing_errors_doc, reason = "the same for every method, and said once above")]
impl RealFlask {
    /// Returns the versions of Python's packages.
    pub fn versions(&mut self) -> Result<Versions, OracleError> {
        self.ask("versions", Map::new())
    }

    /// Signs the described sessions inside an app context, as a request does: keys sorted at every level.
    pub fn sign(
        &mut self,
        settings: &Settings,
        values: &[impl AsRef<str>],
    ) -> Result<Vec<Result<String, Refusal>>, OracleError> {
        let mut question = settings.question();
        question.insert("values".to_owned(), list(values));
        self.signed("sign", question)
    }

    /// Signs the described sessions outside of an app context, where Flask keeps the order of insertion.
    pub fn sign_unsorted(
        &mut self,
        settings: &Settings,
        values: &[impl AsRef<str>],
    ) -> Result<Vec<Result<String, Refusal>>, OracleError> {
        let mut question = settings.question();
        question.insert("values".to_owned(), list(values));
        question.insert("sorted".to_owned(), false.into());
        self.signed("sign", question)
    }

    /// Opens cookies as Flask does with a lifetime of 31 days.
    pub fn open(
        &mut self,
        settings: &Settings,
        cookies: &[impl AsRef<str>],
    ) -> Result<Vec<Verdict>, OracleError> {
        let mut question = settings.question();
        question.insert("cookies".to_owned(), list(cookies));
        self.ask("open", question)
    }

    /// Opens cookies with a lifetime of `max_age` seconds, which may be negative; `None` means no limit.
    pub fn open_within(
        &mut self,
        settings: &Settings,
        max_age: Option<i64>,
        cookies: &[impl AsRef<str>],
    ) -> Result<Vec<Verdict>, OracleError> {
        let mut question = settings.question();
        question.insert("cookies".to_owned(), list(cookies));
        question.insert("max_age".to_owned(), max_age.into());
        self.ask("open", question)
    }

    /// Makes `count` random sessions and signs them; the same `seed` makes the same ones.
    pub fn generate(
        &mut self,
        settings: &Settings,
        seed: u64,
        count: usize,
    ) -> Result<Vec<GeneratedSession>, OracleError> {
        self.ask("generate", with_seed(settings.question(), seed, count))
    }

    /// Generates `count` damaged cookies.
    pub fn damage(
        &mut self,
        settings: &Settings,
        seed: u64,
        count: usize,
    ) -> Result<Vec<DamagedCookie>, OracleError> {
        self.ask("damage", with_seed(settings.question(), seed, count))
    }

    /// The cookies that Flask's request has, for each `Cookie` header. Each character is one byte.
    pub fn parse_cookie(
        &mut self,
        headers: &[impl AsRef<str>],
    ) -> Result<Vec<Vec<(String, String)>>, OracleError> {
        self.ask("parse_cookie", Map::from_iter([("headers".to_owned(), list(headers))]))
    }

    /// Makes `count` nasty `Cookie` headers.
    pub fn generate_headers(&mut self, seed: u64, count: usize) -> Result<Vec<ParsedHeader>, OracleError> {
        self.ask("generate_headers", with_seed(Map::new(), seed, count))
    }

    /// The `Set-Cookie` values that Werkzeug's `dump_cookie` makes of keyword arguments, the clock
    /// standing at `at`.
    pub fn dump_cookie(
        &mut self,
        at: u64,
        calls: &[Map<String, Value>],
    ) -> Result<Vec<Result<String, Refusal>>, OracleError> {
        let calls = calls.iter().cloned().map(Value::Object).collect();
        let question = Map::from_iter([("at".to_owned(), at.into()), ("calls".to_owned(), calls)]);
        let answers: Vec<Outcome<Header>> = self.ask("dump_cookie", question)?;
        Ok(answers.into_iter().map(|answer| answer.into_result().map(|made| made.header)).collect())
    }

    /// Makes `count` odd calls of `dump_cookie`, the clock standing at 1 700 000 000.
    pub fn generate_set_cookies(
        &mut self,
        seed: u64,
        count: usize,
    ) -> Result<Vec<DumpedCookie>, OracleError> {
        self.ask("generate_set_cookies", with_seed(Map::new(), seed, count))
    }

    /// The headers that Flask's `save_session` puts on a response.
    pub fn save(&mut self, cases: &[SaveCase]) -> Result<Vec<Result<ResponseHeaders, Refusal>>, OracleError> {
        let cases = cases.iter().map(|case| Value::Object(object(case))).collect();
        let answers: Vec<Outcome<ResponseHeaders>> =
            self.ask("session_cookie", Map::from_iter([("cases".to_owned(), cases)]))?;
        Ok(answers.into_iter().map(Outcome::into_result).collect())
    }

    /// Requests in which a view takes steps on `flask.session`: each step's result and flags, and
    /// the headers.
    pub fn visit(&mut self, visits: &[Visit]) -> Result<Vec<Visited>, OracleError> {
        let cases = visits.iter().map(|visit| Value::Object(object(visit))).collect();
        self.ask("visit", Map::from_iter([("cases".to_owned(), cases)]))
    }

    /// The names of all attributes of Flask's session that a plain Python object does not have.
    pub fn session_methods(&mut self) -> Result<Vec<String>, OracleError> {
        self.ask("session_methods", Map::new())
    }

    /// Gives encoded payloads, good or bad, a good signature.
    pub fn sign_payload(
        &mut self,
        settings: &Settings,
        payloads: &[impl AsRef<[u8]>],
    ) -> Result<Vec<String>, OracleError> {
        let payloads =
            payloads.iter().map(|payload| Value::from(crate::hex::encode(payload.as_ref()))).collect();
        let mut question = settings.question();
        question.insert("payloads".to_owned(), payloads);
        let answers: Vec<Cookie> = self.ask("sign_payload", question)?;
        Ok(answers.into_iter().map(|answer| answer.cookie).collect())
    }

    fn signed(
        &mut self,
        op: &str,
        question: Map<String, Value>,
    ) -> Result<Vec<Result<String, Refusal>>, OracleError> {
        let answers: Vec<Outcome<Cookie>> = self.ask(op, question)?;
        Ok(answers.into_iter().map(|answer| answer.into_result().map(|made| made.cookie)).collect())
    }
}

#[derive(serde::Deserialize)]
struct Header {
    header: String,
}

fn list(texts: &[impl AsRef<str>]) -> Value {
    texts.iter().map(|text| Value::from(text.as_ref())).collect()
}

fn with_seed(mut question: Map<String, Value>, seed: u64, count: usize) -> Map<String, Value> {
    question.insert("seed".to_owned(), seed.into());
    question.insert("count".to_owned(), count.into());
    question
}
