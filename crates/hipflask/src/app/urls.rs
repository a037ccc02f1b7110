//! Paths of named routes: Flask's `url_for`.

use std::fmt;

use crate::quote::{quote, quote_plus};

/// The characters that Werkzeug does not encode in a query.
const QUERY: &[u8] = b"!$'()*,/:;?@";

/// The named routes of an app.
#[derive(Debug, Clone, Default)]
pub(super) struct Urls(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    endpoint: String,
    path: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Value(String),
}

/// The values for a URL: names with all of their values, in the order given.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<(String, Vec<String>)>);

impl Values {
    pub(super) fn push(&mut self, name: &str, values: Vec<String>) {
        self.0.push((name.to_owned(), values));
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, values)| given == name && !values.is_empty())
    }

    /// Takes the last value of a name out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(given, _)| given == name)?;
        self.0.remove(at).1.pop()
    }
}

impl Urls {
    /// Adds a route with a path as axum has it: `/user/{name}`, `/files/{*path}`.
    pub(super) fn add(&mut self, endpoint: String, path: &str) {
        self.0.push(Rule { endpoint, path: path.to_owned(), parts: parts(path) });
    }

    /// The name of the route with this path.
    pub(super) fn endpoint_of(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|rule| rule.path == path).map(|rule| rule.endpoint.as_str())
    }

    /// The path with its query. Values that the path has no place for go into the query.
    pub(super) fn build(&self, endpoint: &str, values: &mut Values) -> Result<String, UrlError> {
        let mut rules: Vec<&Rule> = self.0.iter().filter(|rule| rule.endpoint == endpoint).collect();
        if rules.is_empty() {
            return Err(UrlError::NoEndpoint {
                endpoint: endpoint.to_owned(),
                nearest: self.nearest(endpoint),
            });
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.names().count()));
        let fits = |rule: &&&Rule| rule.names().all(|name| values.has(name));
        match rules.iter().find(fits) {
            Some(rule) => Ok(rule.build(values)),
            None => {
                let missing = rules.iter().flat_map(|rule| rule.names()).filter(|name| !values.has(name));
                let missing = missing.map(ToOwned::to_owned).collect();
                Err(UrlError::MissingValues { endpoint: endpoint.to_owned(), missing })
            }
        }
    }

    fn nearest(&self, endpoint: &str) -> Option<String> {
        let common = |rule: &&Rule| {
            let known = rule.endpoint.as_bytes();
            let letters = known.iter().filter(|letter| endpoint.as_bytes().contains(letter)).count();
            2 * letters >= known.len().max(endpoint.len())
        };
        self.0.iter().find(common).map(|rule| rule.endpoint.clone())
    }
}

impl Rule {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    fn build(&self, values: &mut Values) -> String {
        let mut url = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => quote(&mut url, text, b"!$&'()*+,/:;=@%"),
                Part::Value(name) => {
                    quote(&mut url, &values.take(name).unwrap_or_default(), b"!$&'()*+,/:;=@");
                }
            }
        }
        for (name, values) in &values.0 {
            for value in values {
                url.push(if url.contains('?') { '&' } else { '?' });
                quote_plus(&mut url, name, QUERY);
                url.push('=');
                quote_plus(&mut url, value, QUERY);
            }
        }
        url
    }
}

fn parts(path: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some((text, after)) = rest.split_once('{') {
        parts.push(Part::Text(text.to_owned()));
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        parts.push(Part::Value(name.trim_start_matches('*').to_owned()));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    parts
}

/// A URL cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No app is handling a request here.
    #[error(
        "Working outside of request context. `url_for` knows the routes of the `App` that handles the current request; a \
         task that was spawned by a handler does not have it: build the URL before."
    )]
    OutsideRequest,
    /// No route has this name.
    #[error("Could not build url for endpoint {endpoint:?}.{}", DidYouMean(nearest))]
    NoEndpoint {
        /// The name.
        endpoint: String,
        /// A name that exists and is like it.
        nearest: Option<String>,
    },
    /// The route's path has more places than there are values.
    #[error("Could not build url for endpoint {endpoint:?}. Did you forget to specify values {missing:?}?")]
    MissingValues {
        /// The name of the route.
        endpoint: String,
        /// The names of the values.
        missing: Vec<String>,
    },
}

struct DidYouMean<'n>(&'n Option<String>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, " Did you mean {nearest:?} instead?"),
            None => f.write_str(" A route gets its name from `.route(name, path, ..)`."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_with_most_matching_parameters_is_taken() {
        let mut urls = Urls::default();
        urls.add("list".into(), "/list");
        urls.add("list".into(), "/list/{page}");
        let build = |pairs: &[(&str, &str)]| {
            let mut values = Values::default();
            pairs.iter().for_each(|(name, value)| values.push(name, vec![(*value).to_owned()]));
            urls.build("list", &mut values).unwrap()
        };
        assert_eq!(build(&[("page", "2"), ("q", "a b")]), "/list/2?q=a+b");
        assert_eq!(build(&[("q", "x")]), "/list?q=x");
    }

    #[test]
    fn wrong_endpoint_name_gets_a_suggestion() {
        let mut urls = Urls::default();
        urls.add("index".into(), "/");
        urls.add("user".into(), "/user/{name}");
        let error = |endpoint| urls.build(endpoint, &mut Values::default()).unwrap_err().to_string();
        assert_eq!(
            error("idnex"),
            "Could not build url for endpoint \"idnex\". Did you mean \"index\" instead?"
        );
        assert_eq!(
            error("user"),
            "Could not build url for endpoint \"user\". Did you forget to specify values [\"name\"]?"
        );
    }
}
