//! The index page.

use std::fmt::Write;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::tutorials::{ALL, Action, Tutorial};

/// The page and its files; it loads nothing from other hosts. `place` is the address of the store.
pub(crate) fn router(place: &str) -> Router {
    let page = html(place);
    Router::new()
        .route("/", get(|| async { ([(CONTENT_SECURITY_POLICY, POLICY)], Html(page)) }))
        .route("/demo.css", get(|| async { ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
        .route("/demo.js", get(|| async { ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT) }))
        .route("/favicon.svg", get(|| async { ([(CONTENT_TYPE, "image/svg+xml")], ICON) }))
        .fallback(|| async { (StatusCode::NOT_FOUND, Html(NOTHING_HERE)) })
}

fn html(place: &str) -> String {
    let (mut tabs, mut sections) = (String::new(), String::new());
    for tutorial in &ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(
            tabs,
            "<a href=\"#tutorial-{0}\"><b>{0}</b> <span>{1}</span></a>",
            tutorial.number, tutorial.title
        );
        sections.push_str(&section(tutorial));
    }
    PAGE.replace("{tabs}", &tabs).replace("{sections}", &sections).replace("{place}", &escaped(place))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn section(tutorial: &Tutorial) -> String {
    let Tutorial { number, title, about, .. } = tutorial;
    let (buttons, forms): (Vec<&Action>, Vec<_>) =
        tutorial.actions.iter().partition(|action| action.fields.is_empty());
    let all =
        |actions: Vec<&Action>| actions.into_iter().map(|action| form(tutorial, action)).collect::<String>();
    let (forms, buttons) = (all(forms), all(buttons));
    let frames = frames(tutorial);
    format!(
        "<section id=\"tutorial-{number}\">\n<div class=\"use\">\n<h2>{title}</h2>\n<p>{about}</p>\n{forms}<div class=\"buttons\">\n{buttons}</div>\n</div>\n\
         {frames}</section>\n"
    )
}

fn form(tutorial: &Tutorial, action: &Action) -> String {
    let Action { button, method, path, .. } = action;
    let fields: String = action
        .fields
        .iter()
        .map(|field| {
            format!(
                "<label>{}<input name=\"{}\" value=\"{}\" autocomplete=\"off\"></label>\n",
                field.label, field.name, field.value
            )
        })
        .collect();
    format!(
        "<form method=\"{}\" action=\"{}{path}\" target=\"answer-{}\">\n{fields}<button>{button}</button>\n\
         <code>{} {path}</code>\n</form>\n",
        method.word(),
        tutorial.prefix(),
        tutorial.number,
        method.word().to_uppercase(),
    )
}

/// The program's page, without scripts, and the inspector's view of it. The browser loads both when they
/// become visible.
fn frames(tutorial: &Tutorial) -> String {
    let (number, prefix) = (tutorial.number, tutorial.prefix());
    format!(
        "<div class=\"panel answer\">\n<h3>What the server answered</h3>\n\
         <iframe name=\"answer-{number}\" title=\"Answer of tutorial {number}\" sandbox=\"allow-forms \
         allow-same-origin\" srcdoc=\"{NO_ANSWER}\"></iframe>\n</div>\n\
         <div class=\"panel inspector\">\n<h3>Session inspector</h3>\n\
         <iframe name=\"inspector-{number}\" title=\"Session inspector of tutorial {number}\" loading=\"lazy\" \
         src=\"{prefix}/_hipflask/session\"></iframe>\n</div>\n"
    )
}

const NOTHING_HERE: &str = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>Nothing is here. \
                            <a href=\"/\">The tutorials are on the first page.</a></p>\n";
const NO_ANSWER: &str = "<p>Press a button.</p>";

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const ICON: &str = include_str!("flask.svg");
const POLICY: &str = "default-src 'self'; form-action 'self'; base-uri 'none'";

#[cfg(test)]
mod tests {
    use super::{ALL, html};

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = html("file:/<b>");
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("{tabs}"), "{page}");
        assert_eq!(page.matches("<section").count(), ALL.len());
        assert!(page.contains("kept in <code>file:/&lt;b&gt;</code>"));
    }
}
