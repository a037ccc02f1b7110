//! A visitor in a real browser, behind nginx: the login and the form's page are Flask's, the rest is Rust's.

use std::path::Path;

use fantoccini::{Client, Locator};
use hipflask_testkit::servers::HttpProgram;

use crate::browser::{page_says, with_profile};

#[tokio::test]
async fn axum_remembers_the_login_of_a_real_browser() {
    tell("shared_login").await;
}

#[tokio::test]
async fn actix_remembers_the_login_of_a_real_browser() {
    tell("shared_login_actix").await;
}

async fn tell(example: &str) {
    let environment = [("SECRET_KEY", "a key of this test"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let flask = HttpProgram::python("crates/hipflask/examples/shared_login.py", &environment).unwrap();
    let rust = HttpProgram::example(example, &environment).unwrap();
    let nginx = HttpProgram::nginx(&configuration(&flask.address(), &rust.address())).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let site = format!("http://{}", nginx.address());
    visit(profile.path(), &site, log_in_and_send_form).await;
    visit(profile.path(), &site, come_back).await;
}

async fn visit<F>(profile: &Path, site: &str, story: impl FnOnce(Client, String) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let site = site.to_owned();
    with_profile(profile, |client| story(client, site)).await;
}

/// The login and the form's page come from Flask, and the form goes to Rust.
async fn log_in_and_send_form(client: Client, site: String) {
    client.goto(&format!("{site}/")).await.unwrap();
    let field = client.find(Locator::Css("input[name=user]")).await.unwrap();
    field.send_keys("ada").await.unwrap();
    client.find(Locator::Css("input[name=remember]")).await.unwrap().click().await.unwrap();
    client.find(Locator::Css("button")).await.unwrap().click().await.unwrap();
    page_says(&client, "\"ada\"").await;
    assert_eq!(answer(&client, "GET", "/me").await, r#"200 {"fresh":true,"user":"ada"}"#);
    client.goto(&format!("{site}/form")).await.unwrap();
    assert!(client.source().await.unwrap().contains("Made by Flask."));
    client.find(Locator::Css("button")).await.unwrap().click().await.unwrap();
    page_says(&client, "ok").await;
    assert!(answer(&client, "POST", "/form").await.contains("The CSRF token is missing."));
}

/// The browser has lost the session's cookie and kept the one that remembers the user.
async fn come_back(client: Client, site: String) {
    client.goto(&format!("{site}/form")).await.unwrap();
    assert_eq!(answer(&client, "GET", "/me").await, r#"200 {"fresh":false,"user":"ada"}"#);
    assert!(answer(&client, "GET", "/fresh").await.starts_with("401"));
    assert!(answer(&client, "GET", "/logout").await.starts_with(r#"200 {"fresh":false,"user":null}"#));
    assert!(client.get_all_cookies().await.unwrap().iter().all(|cookie| cookie.name() != "remember_token"));
}

/// The status and the body of a request that the page sends; redirects are followed.
async fn answer(client: &Client, method: &str, path: &str) -> String {
    let script = format!(
        "const request = new XMLHttpRequest(); request.open('{method}', '{path}', false); request.send();
         return request.status + ' ' + request.responseText.trim();"
    );
    client.execute(&script, Vec::new()).await.unwrap().as_str().unwrap().to_owned()
}

/// The configuration of the examples on these ports, with the form's page at Flask.
fn configuration(flask: &str, rust: &str) -> String {
    include_str!("../../examples/shared_login.nginx.conf")
        .replace("server 127.0.0.1:5000", &format!("server {flask}"))
        .replace("server 127.0.0.1:8000", &format!("server {rust}"))
        .replace("listen 127.0.0.1:8080", "listen 127.0.0.1:{port}")
        .replace(
            "location = /form {",
            "location = /form { if ($request_method = GET) { proxy_pass http://flask; }",
        )
}
