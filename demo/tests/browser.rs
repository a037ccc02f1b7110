//! A real browser uses each tutorial of the demo. `cargo xtask setup` installs the browser.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod stage;

use stage::story;

#[tokio::test]
async fn real_browser_sets_and_gets_tutorial_1() {
    story(1, |story| async move {
        story.press("Get the session", "Username: Guest, Logged in: False").await;
        story.inspector_says("only read").await;
        assert_eq!(story.cookie("session").await, None);
        story.press("Set the session", "Session variables set").await;
        story.inspector_says("modified and is not empty: saved").await;
        story.press("Get the session", "Username: GeekforGeeks, Logged in: True").await;
        story.inspector_says("\"username\": \"GeekforGeeks\"").await;
        story.screenshot("tutorial-1").await;
    })
    .await;
}

#[tokio::test]
async fn real_browser_logs_out_of_tutorial_2() {
    story(2, |story| async move {
        story.press("Who am I?", "You are not logged in").await;
        story.fill("username", "Ada <Lovelace>").await;
        story.press("Log in", "Logged in as Ada <Lovelace>").await;
        story.inspector_says("\"username\": \"Ada <Lovelace>\"").await;
        let cookie = story.cookie("session").await.expect("the login is in the browser");
        assert_eq!(cookie.split('.').count(), 3, "{cookie}");
        story.press("Who am I?", "Logged in as Ada <Lovelace>").await;
        story.screenshot("tutorial-2").await;
        story.press("Log out", "You are not logged in").await;
        // The redirect to `/` followed the logout; the page shows both.
        story.inspector_says("GET / 200").await;
        story.inspector_says("GET /logout 302").await;
        story.inspector_says("nothing is left in it: its cookie is removed").await;
        assert_eq!(story.cookie("session").await, None);
    })
    .await;
}

#[tokio::test]
async fn real_browser_stores_tutorial_3_in_a_file() {
    story(3, |story| async move {
        story.page_says("kept in file:").await;
        story.press("Get the session", "No session data found.").await;
        assert_eq!(story.cookie("session").await, None);
        story.fill("username", "Ada <Lovelace>").await;
        story.press("Set the session", "Session data set successfully!").await;
        let id = story.cookie("session").await.expect("the id is in the browser");
        assert!(id.len() == 43 && !id.contains('.'), "{id}");
        story.inspector_says("A record was created under a new id.").await;
        story.inspector_says("bytes of pickle").await;
        story.inspector_says("\"username\": \"Ada <Lovelace>\"").await;
        story.press("Get the session", "Session username: Ada <Lovelace>").await;
        story.press("Set without a form", "Session data set successfully!").await;
        story.press("Get the session", "Session username: Ada <Lovelace>").await;
        assert_eq!(story.cookie("session").await, Some(id));
        story.screenshot("tutorial-3").await;
    })
    .await;
}

#[tokio::test]
async fn real_browser_sends_the_form_of_tutorial_4() {
    story(4, |story| async move {
        story.press("Show session data", "Session Data:").await;
        story.fill("name", "Grace").await;
        story.fill("lastname", "Hopper").await;
        story.press("Greet me", "Hello Grace Hopper").await;
        story.press("Show session data", "Session Data: Grace Hopper").await;
        story.inspector_says("\"lastname\": \"Hopper\"").await;
        assert!(story.cookie("session").await.is_some());
        story.screenshot("tutorial-4").await;
    })
    .await;
}

#[tokio::test]
async fn real_browser_sets_and_clears_in_tutorial_5() {
    story(5, |story| async move {
        story.press("Set msg, show it", "Hello").await;
        story.press("Get", "Hello").await;
        story.press("Update", "Hello, Soumitra").await;
        story.press("Get", "Hello, Soumitra").await;
        story.press("Pop", "None").await;
        story.press("Get", "None").await;
        story.press("Set several", "hi  ->  Hi").await;
        story.press("List all", "hello  ->  Hello\nhi  ->  Hi").await;
        story.press("Set a dict", "name -> Soumitra").await;
        story.inspector_says("\"address\": \"Earth\"").await;
        story.press("Its tuples", "('name', 'Soumitra')").await;
        story.press("Pop its name", "address -> Earth").await;
        story.inspector_says("modified and is not empty: saved").await;
        story.press("Its keys", "address -> Earth\nemail -> soumitra@email.com").await;
        story.press("Nest a dict", "('key', {").await;
        story.screenshot("tutorial-5").await;
        story.press("Pop the inner", "").await;
        story.inspector_says("\"item\": {}").await;
        story.press("Pop the dict", "hello  ->  Hello").await;
        story.press("Clear", "").await;
        story.inspector_says("nothing is left in it: its cookie is removed").await;
        assert_eq!(story.cookie("session").await, None);
    })
    .await;
}

#[tokio::test]
async fn real_browser_is_remembered_in_tutorial_6() {
    story(6, |story| async move {
        story.press("Needs a fresh login", "Unauthorized").await;
        story.press("Log in", "Logged in as ada").await;
        story.inspector_says("\"_user_id\": \"ada\"").await;
        let remembered = story.cookie("remember_token").await.expect("the browser remembers the user");
        assert!(remembered.starts_with("ada|"), "{remembered}");
        story.press("Needs a fresh login", "ada has just logged in").await;
        story.press("Send without a token", "The CSRF token is missing.").await;
        story.press("Open the form", "ada has a form with a token").await;
        story.press_in_answer("Send", "The form had the right token").await;
        story.screenshot("tutorial-6").await;
        story.press("Lose the session", "Remembered as ada, without a password").await;
        story.press("Needs a fresh login", "Unauthorized").await;
        story.press("Log out", "You are not logged in").await;
        assert_eq!(story.cookie("remember_token").await, None);
    })
    .await;
}

#[tokio::test]
async fn real_browser_shows_every_tutorial_on_a_phone() {
    story(2, |story| async move {
        story.as_wide_as_a_phone().await;
        story.press("Log in", "Logged in as alice").await;
        story.inspector_says("\"username\": \"alice\"").await;
        story.fits_in_the_width().await;
        story.screenshot("phone").await;
        story.go_to("Sessions in files").await;
        story.page_says("the cookie contains only its id").await;
    })
    .await;
}
