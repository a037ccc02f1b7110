//! The demo, a browser in front of it, and what a visitor can do.

mod browser;

use std::future::Future;
use std::path::Path;

use fantoccini::{Client, Locator};

use browser::{Server, page_says, with_browser};

/// Starts the demo and a browser, opens a tutorial and lets `tell` use it.
pub(crate) async fn story<F>(tutorial: u8, tell: impl FnOnce(Story) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let demo = Server::start(env!("CARGO_BIN_EXE_hipflask-demo"), &["--port", "0"], "Listening on ");
    let page = format!("{}/#tutorial-{tutorial}", demo.said);
    with_browser(|client| {
        let told = tell(Story { client: client.clone(), tutorial });
        async move {
            client.goto(&page).await.unwrap();
            told.await;
        }
    })
    .await;
}

/// A tutorial that is open in a browser.
pub(crate) struct Story {
    client: Client,
    tutorial: u8,
}

impl Story {
    /// Types into a field of the tutorial's forms.
    pub(crate) async fn fill(&self, field: &str, text: &str) {
        let field = format!("#tutorial-{} input[name={field}]", self.tutorial);
        let field = self.client.find(Locator::Css(&field)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses a button and waits until the answer says `expected`.
    pub(crate) async fn press(&self, button: &str, expected: &str) {
        // What was answered before must not pass for the answer.
        let frame = format!("document.querySelector('iframe[name=answer-{}]')", self.tutorial);
        let script = format!("{frame}.contentDocument.body.textContent = 'waiting'");
        self.client.execute(&script, Vec::new()).await.unwrap();
        let path = format!("//section[@id='tutorial-{}']//button[text()='{button}']", self.tutorial);
        self.client.find(Locator::XPath(&path)).await.unwrap().click().await.unwrap();
        self.frame_says("answer", expected).await;
    }

    /// Presses a button of the page that the server answered with, and waits for the next one.
    pub(crate) async fn press_in_answer(&self, button: &str, expected: &str) {
        self.enter("answer").await;
        let path = format!("//button[text()='{button}']");
        self.client.find(Locator::XPath(&path)).await.unwrap().click().await.unwrap();
        self.page_says(expected).await;
        self.client.enter_parent_frame().await.unwrap();
    }

    /// Waits until the inspector says it.
    pub(crate) async fn inspector_says(&self, expected: &str) {
        self.frame_says("inspector", expected).await;
    }

    async fn frame_says(&self, frame: &str, expected: &str) {
        self.enter(frame).await;
        self.page_says(expected).await;
        self.client.enter_parent_frame().await.unwrap();
    }

    async fn enter(&self, frame: &str) {
        let frame = format!("iframe[name={frame}-{}]", self.tutorial);
        self.client.find(Locator::Css(&frame)).await.unwrap().enter_frame().await.unwrap();
    }

    /// Waits until the page says it.
    pub(crate) async fn page_says(&self, expected: &str) {
        page_says(&self.client, expected).await;
    }

    /// The value of a cookie that the browser holds for the tutorial.
    pub(crate) async fn cookie(&self, name: &str) -> Option<String> {
        self.enter("inspector").await;
        let cookies = self.client.get_all_cookies().await.unwrap();
        self.client.enter_parent_frame().await.unwrap();
        cookies.iter().find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
    }

    /// Follows a link by a part of what it says.
    pub(crate) async fn go_to(&self, link: &str) {
        let path = format!("//nav/a[contains(., '{link}')]");
        self.client.find(Locator::XPath(&path)).await.unwrap().click().await.unwrap();
    }

    pub(crate) async fn as_wide_as_a_phone(&self) {
        self.client.set_window_size(390, 844).await.unwrap();
    }

    /// Nothing of the page has to be reached by scrolling to the side.
    pub(crate) async fn fits_in_the_width(&self) {
        let script = "const page = document.documentElement; return page.scrollWidth - page.clientWidth;";
        assert_eq!(self.client.execute(script, Vec::new()).await.unwrap(), 0);
    }

    /// Leaves a picture in target/tmp, for people to look at.
    pub(crate) async fn screenshot(&self, name: &str) {
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("demo-{name}.png")), picture)
            .unwrap();
    }
}
