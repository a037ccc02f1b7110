//! `hipflask play` in a real browser, and as other sites would try to use it.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

#[path = "../../../../demo/tests/stage/browser.rs"]
#[expect(dead_code, reason = "other tests use all of it")]
mod browser;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use browser::{Server, with_browser};
use fantoccini::key::Key;
use fantoccini::{Client, Locator};

/// Flask 3.1.3, SECRET_KEY "k", clock 1700000000, session {"a": 1}.
const COOKIE: &str = "eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74";

/// Starts the page and returns its address without the slash.
fn play() -> (Server, String) {
    let server = Server::start(env!("CARGO_BIN_EXE_hipflask"), &["play"], "Open ");
    let address = server.said.split_once("/ in").unwrap().0.to_owned();
    (server, address)
}

async fn fill(client: &Client, field: &str, text: &str) {
    let field = client.find(Locator::Css(&format!("#play-{field}"))).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

async fn press(client: &Client, button: &str) {
    let button = format!("#play button[value={button}]");
    client.find(Locator::Css(&button)).await.unwrap().click().await.unwrap();
}

/// Returns the value or text of a part of the page as soon as it contains `expected`.
async fn wait_for(client: &Client, part: &str, expected: &str) -> String {
    let start = Instant::now();
    let script =
        format!("const part = document.querySelector('#play-{part}'); return part.value || part.innerText;");
    loop {
        let text = client.execute(&script, Vec::new()).await.unwrap();
        let text = text.as_str().unwrap_or_default().to_owned();
        if text.contains(expected) {
            return text;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{expected:?} does not show in: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn use_page(client: &Client) {
    fill(client, "cookie", &format!("Set-Cookie: session={COOKIE}; Path=/")).await;
    press(client, "decode").await;
    wait_for(client, "answer", "Not verified").await;
    wait_for(client, "answer", "2023-11-14 22:13:20 UTC").await;
    wait_for(client, "session", "\"a\": 1").await;
    fill(client, "key", "k").await;
    press(client, "verify").await;
    wait_for(client, "answer", "Refused: expired").await;
    fill(client, "session", r#"{"n": NaN, "pair": {" t": [1, "<b>"]}}"#).await;
    press(client, "sign").await;
    let cookie = wait_for(client, "signed", ".").await;
    fill(client, "cookie", &cookie).await;
    fill(client, "key", "new").await;
    client.find(Locator::Css("#play summary")).await.unwrap().click().await.unwrap();
    fill(client, "fallbacks", "other\nk").await;
    press(client, "verify").await;
    wait_for(client, "answer", "signed with older key 2").await;
    wait_for(client, "answer", " days from now").await;
    let session = wait_for(client, "session", "NaN").await;
    assert_eq!(session, "{\n  \"n\": NaN,\n  \"pair\": {\" t\": [1, \"<b>\"]}\n}");
    wait_for(client, "tags", "\" t\" tuple").await;
}

async fn fits_a_phone(client: &Client) {
    client.set_window_size(390, 844).await.unwrap();
    let script = "const page = document.documentElement; return page.scrollWidth - page.clientWidth;";
    assert_eq!(client.execute(script, Vec::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn real_browser_decodes_verifies_edits_and_signs() {
    let (_server, address) = play();
    with_browser(|client| async move {
        client.goto(&address).await.unwrap();
        use_page(&client).await;
        fits_a_phone(&client).await;
        let picture = client.screenshot().await.unwrap();
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("play.png"), picture).unwrap();
    })
    .await;
}

#[tokio::test]
async fn real_browser_needs_only_the_keyboard() {
    let (_server, address) = play();
    with_browser(|client| async move {
        client.goto(&address).await.unwrap();
        let tab = String::from(char::from(Key::Tab));
        let enter = String::from(char::from(Key::Enter));
        let typed = |text: String| {
            let client = client.clone();
            async move { client.active_element().await.unwrap().send_keys(&text).await.unwrap() }
        };
        typed(tab.clone()).await;
        typed(format!("{COOKIE}{tab}")).await;
        typed(format!("k{enter}")).await;
        wait_for(&client, "answer", "Refused: expired").await;
    })
    .await;
}

#[tokio::test]
async fn real_browser_keeps_other_sites_out() {
    let (_server, address) = play();
    let (_other, other_site) = play();
    with_browser(|client| async move {
        // Another port is another origin, and this one allows no script of ours but that of a test.
        client.goto(&format!("{other_site}/missing")).await.unwrap();
        let request = r#"{"method": "POST", "headers": {"Content-Type": "application/json"}, "body": "{}"}"#;
        let script = format!(
            "return fetch('{address}/answer', {request}).then(() => 'answered', (error) => String(error))"
        );
        let outcome = client.execute(&script, Vec::new()).await.unwrap();
        assert!(outcome.as_str().unwrap().starts_with("TypeError"), "{outcome}");
    })
    .await;
}

/// `cargo xtask book` builds the page for WebAssembly, where Debian's compiler for it can be had.
#[tokio::test]
async fn real_browser_uses_webassembly_in_the_book() {
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/book");
    if !Path::new(book).join("play/hipflask.wasm").exists() {
        eprintln!("SKIPPED: `cargo xtask book` has built no WebAssembly");
        return;
    }
    let arguments = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", book];
    let server = Server::start("python3", &arguments, "Serving HTTP on ");
    let address = server.said.split_once('(').unwrap().1.split_once(')').unwrap().0.to_owned();
    with_browser(|client| async move {
        client.goto(&format!("{address}play.html")).await.unwrap();
        use_page(&client).await;
        let asked =
            "return performance.getEntriesByType('resource').some(({name}) => name.endsWith('/answer'));";
        assert_eq!(client.execute(asked, Vec::new()).await.unwrap(), false, "no server answers");
        let picture = client.screenshot().await.unwrap();
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("play-book.png"), picture).unwrap();
    })
    .await;
}

/// Sends a request as another program or site would, and returns the answer.
fn send(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn play_answers_its_own_page_only() {
    let (_server, address) = play();
    let host = address.trim_start_matches("http://");
    let post = |host: &str, origin: &str, kind: &str| {
        let request = r#"{"action": "decode", "cookie": "x"}"#;
        send(
            &address,
            &format!(
                "POST /answer HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{request}",
                request.len()
            ),
        )
    };
    let json = "application/json";
    let good = post(host, &address, json);
    assert!(good.starts_with("HTTP/1.1 200") && good.contains("Refused: malformed"), "{good}");
    assert!(!good.to_ascii_lowercase().contains("access-control"), "{good}");
    for (host, origin, kind, status) in [
        (host, "http://evil.example", json, "403"),
        (host, "null", json, "403"),
        (host, &address, "text/plain", "403"),
        ("evil.example", "http://evil.example", json, "421"),
    ] {
        let answer = post(host, origin, kind);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[test]
fn play_listens_on_this_machine_only() {
    let (_server, address) = play();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    let port = address.rsplit(':').next().unwrap();
    // The same machine by another of its addresses.
    assert!(TcpStream::connect(format!("127.0.0.2:{port}")).is_err());
}

#[test]
fn a_used_port_is_an_error_in_words() {
    let (_server, address) = play();
    let port = address.rsplit(':').next().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hipflask"))
        .args(["play", "--port", port])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains(&format!("cannot listen on port {port}")) && error.contains("--port 0"),
        "{error}"
    );
}
