//! The inspector's page. Everything that came from a request is escaped.

use std::fmt::{self, Write};

use crate::session::RecordSeen;

use super::view::{Arrival, CookieView, SetView, View, Why};
use hipflask_core::plan::CookieOp;

/// The whole page: the fragment with a head. It has no style and no script inline, so that a strict
/// `Content-Security-Policy` lets it work.
pub(super) fn page(views: &[View]) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Session inspector</title>\n\
         <link rel=\"stylesheet\" href=\"inspector.css\">\n<script src=\"inspector.js\" defer></script>\n\
         <noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>\n</head>\n\
         <body>\n<main id=\"hipflask-inspector\">\n{}</main>\n</body>\n</html>\n",
        fragment(views)
    )
}

/// The newest exchange in full and a line for each earlier one.
pub(super) fn fragment(views: &[View]) -> String {
    let mut out = String::new();
    match views.split_first() {
        None => out.push_str(
            "<section class=\"hf\" data-exchange=\"0\"><p class=\"hf-why\">No response yet: use a page of this site, and \
             its session shows here.</p></section>\n",
        ),
        Some((last, earlier)) => {
            // Writing to a String cannot fail.
            let _ = exchange(&mut out, last, earlier);
        }
    }
    out
}

fn exchange(out: &mut String, view: &View, earlier: &[View]) -> fmt::Result {
    writeln!(out, "<section class=\"hf\" data-exchange=\"{}\">", view.number)?;
    writeln!(
        out,
        "<p class=\"hf-line\"><b>{}</b> <span class=\"hf-status\">{}</span> <time>{}</time></p>",
        Escaped(&view.request),
        view.status,
        view.at.to_http_date()
    )?;
    writeln!(out, "<p class=\"hf-why hf-{}\">{}</p>", effect(view), Escaped(&view.why.to_string()))?;
    let refused = if matches!(view.arrival, Arrival::Refused(_)) { " hf-refused" } else { "" };
    writeln!(out, "<p class=\"hf-arrival{refused}\">{}</p>", Escaped(&view.arrival.to_string()))?;
    flags(out, view)?;
    out.push_str("<div class=\"hf-cookies\">\n<div>\n<h2>Cookie as sent</h2>\n");
    match &view.sent {
        Some(value) => cookie(out, value, view)?,
        None => out.push_str("<p class=\"hf-none\">none</p>\n"),
    }
    out.push_str("</div>\n<div>\n<h2>Cookie as set</h2>\n");
    match &view.set {
        Some(line) => set(out, line, view)?,
        None => out.push_str("<p class=\"hf-none\">no Set-Cookie: the browser keeps what it has</p>\n"),
    }
    out.push_str("</div>\n</div>\n");
    if let Some(seen) = &view.record {
        record(out, seen, view)?;
    }
    let vary = view.vary.as_deref().unwrap_or("not sent");
    writeln!(out, "<p class=\"hf-head\"><code>Vary</code>: {}</p>", Escaped(vary))?;
    if !earlier.is_empty() {
        out.push_str("<h2>Before that</h2>\n<ol class=\"hf-earlier\">\n");
        for view in earlier {
            writeln!(
                out,
                "<li><b>{}</b> <span class=\"hf-status\">{}</span> {}</li>",
                Escaped(&view.request),
                view.status,
                Escaped(&view.why.to_string())
            )?;
        }
        out.push_str("</ol>\n");
    }
    out.push_str("</section>\n");
    Ok(())
}

fn record(out: &mut String, record: &RecordSeen, view: &View) -> fmt::Result {
    out.push_str("<div class=\"hf-record\">\n<h2>Record in the store</h2>\n");
    writeln!(out, "<p class=\"hf-why hf-{}\">{}</p>", record.outcome, Escaped(&record.says))?;
    out.push_str("<dl>\n");
    if let Some(key) = &record.key {
        writeln!(out, "<dt>key</dt><dd><code>#{}</code>, which stands for it in logs</dd>", Escaped(key))?;
    }
    writeln!(out, "<dt>store</dt><dd>{}: <code>{}</code></dd>", record.kind, Escaped(&record.place))?;
    if let Some(held) = &record.held {
        write!(out, "<dt>size</dt><dd>{} bytes of {}", held.bytes, Escaped(&held.format))?;
        match record.limit {
            Some(limit) => writeln!(
                out,
                " <meter min=\"0\" max=\"{limit}\" high=\"{}\" value=\"{}\"></meter> of {limit}</dd>",
                limit / 4 * 3,
                held.bytes
            )?,
            None => out.push_str("; the store sets no limit</dd>\n"),
        }
        match held.expires {
            Some(expires) => writeln!(
                out,
                "<dt>expires</dt><dd>{}, {} after this response</dd>",
                expires.to_http_date(),
                Span(expires.as_secs().saturating_sub(view.at.as_secs()))
            )?,
            None => out.push_str("<dt>expires</dt><dd>never</dd>\n"),
        }
        writeln!(
            out,
            "<dt class=\"hf-payload\">contents</dt><dd><pre>{}</pre></dd>",
            Escaped(&held.contents)
        )?;
    }
    out.push_str("</dl>\n</div>\n");
    Ok(())
}

fn flags(out: &mut String, view: &View) -> fmt::Result {
    let Some(flags) = view.flags else {
        out.push_str("<p class=\"hf-flags\">flags: none, nobody opened the session</p>\n");
        return Ok(());
    };
    out.push_str("<ul class=\"hf-flags\">");
    for (name, on) in flags {
        let (class, says) = if on { ("hf-on", "yes") } else { ("hf-off", "no") };
        write!(out, "<li class=\"{class}\">{name}: {says}</li>")?;
    }
    out.push_str("</ul>\n");
    Ok(())
}

fn set(out: &mut String, line: &SetView, view: &View) -> fmt::Result {
    let Some(value) = &line.cookie else {
        writeln!(out, "<p>removed:</p>\n<pre class=\"hf-cookie\">{}</pre>", Escaped(&line.header))?;
        return Ok(());
    };
    cookie(out, value, view)?;
    let attributes = line.header.split_once(';').map_or("", |(_, rest)| rest.trim());
    let size = line.header.len();
    write!(out, "<p class=\"hf-head\"><code>{}</code></p>\n<p class=\"hf-size\">", Escaped(attributes))?;
    match line.limit {
        0 => writeln!(out, "{size} bytes; no limit is set</p>"),
        limit => writeln!(
            out,
            "<meter min=\"0\" max=\"{limit}\" high=\"{}\" value=\"{size}\"></meter> {size} of {limit} bytes{}</p>",
            limit / 4 * 3,
            if size > limit { ": a browser may drop it" } else { "" }
        ),
    }
}

fn cookie(out: &mut String, cookie: &CookieView, view: &View) -> fmt::Result {
    out.push_str("<pre class=\"hf-cookie\">");
    match &cookie.parts {
        Some([payload, timestamp, signature]) => write!(
            out,
            "<span class=\"hf-payload\">{}</span>.<span class=\"hf-timestamp\">{}</span>.\
             <span class=\"hf-signature\">{}</span>",
            Escaped(payload),
            Escaped(timestamp),
            Escaped(signature)
        )?,
        None => write!(out, "{}", Escaped(&cookie.value))?,
    }
    let Some(verdict) = &cookie.verdict else {
        let (kind, meaning) = match view.arrival {
            Arrival::Ignored => ("value", "ignored: the app has no secret key to verify it"),
            _ => ("id", "of a session in the store; nothing of it is in the cookie"),
        };
        return writeln!(out, "</pre>\n<dl>\n<dt class=\"hf-payload\">{kind}</dt><dd>{meaning}</dd>\n</dl>");
    };
    out.push_str("</pre>\n<dl>\n");
    let deflated = if cookie.is_deflated { " (deflated)" } else { "" };
    let json = cookie.json.as_deref().unwrap_or("not the payload of a session");
    writeln!(out, "<dt class=\"hf-payload\">payload{deflated}</dt><dd><pre>{}</pre></dd>", Escaped(json))?;
    if let Some(signed_at) = cookie.signed_at {
        let age = view.at.as_secs().saturating_sub(signed_at.as_secs());
        writeln!(
            out,
            "<dt class=\"hf-timestamp\">signed</dt><dd>{}, {}</dd>",
            signed_at.to_http_date(),
            Age(age)
        )?;
    }
    let verdict = match verdict {
        Ok(key) => format!("good, by {key}"),
        Err(error) => format!("refused: {}", error.reason()),
    };
    writeln!(out, "<dt class=\"hf-signature\">signature</dt><dd>{}</dd>\n</dl>", Escaped(&verdict))
}

/// The effect on the cookie, as a class name.
fn effect(view: &View) -> &'static str {
    match view.why {
        Why::NotSaved(_) => "failed",
        Why::Planned(reason) => match reason.cookie() {
            CookieOp::Set { .. } => "set",
            CookieOp::Remove => "removed",
            CookieOp::Leave => "left",
        },
    }
}

/// The age, in the greatest unit that fits.
struct Age(u64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("just now"),
            seconds => write!(f, "{} before this response", Span(seconds)),
        }
    }
}

/// A time in the greatest unit that fits.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            seconds @ ..60 => (seconds, "second"),
            seconds @ 60..3600 => (seconds / 60, "minute"),
            seconds @ 3600..86400 => (seconds / 3600, "hour"),
            seconds => (seconds / 86400, "day"),
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

/// Text in HTML, between tags or in a quoted attribute.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&#34;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
