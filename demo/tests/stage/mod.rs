//! The demo, a browser in front of it, and what a visitor can do.

use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;

/// Starts the demo and a browser, opens a tutorial and lets `tell` use it. The browser is closed
/// whatever happens.
pub(crate) async fn story<F>(tutorial: u8, tell: impl FnOnce(Story) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let demo = Server::start(env!("CARGO_BIN_EXE_hipflask-demo"), &["--port", "0"], "Listening on ");
    let driver = Server::start("chromedriver", &["--port=0"], "started successfully on port ");
    let profile = tempfile::tempdir().unwrap();
    let client = browser(&driver, profile.path()).await;
    client.goto(&format!("{}/#tutorial-{tutorial}", demo.said)).await.unwrap();
    let told = tokio::spawn(tell(Story { client: client.clone(), tutorial })).await;
    client.close().await.unwrap();
    if let Err(panic) = told {
        std::panic::resume_unwind(panic.into_panic());
    }
}

async fn browser(driver: &Server, profile: &Path) -> Client {
    let profile = format!("--user-data-dir={}", profile.display());
    let arguments: Vec<&str> = FLAGS.iter().copied().chain([profile.as_str()]).collect();
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".into(), serde_json::json!({ "args": arguments }));
    let mut builder = ClientBuilder::new(HttpConnector::new());
    let address = format!("http://127.0.0.1:{}", driver.said.trim_end_matches('.'));
    builder.capabilities(capabilities).connect(&address).await.expect(MISSING)
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
        let start = Instant::now();
        loop {
            // While one page replaces another, the document has no body.
            let text = match self.client.find(Locator::Css("body")).await {
                Ok(body) => body.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if text.contains(expected) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{expected:?} does not show in:\n{text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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

/// A program that says where it listens, and is ended with the test.
struct Server {
    child: Child,
    /// The text that follows the awaited words.
    said: String,
    /// A program that prints and is not listened to may end.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(program: &str, arguments: &[&str], words: &str) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}. {MISSING}"));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let lines = output.by_ref().lines().map_while(Result::ok);
        let said = { lines }.find_map(|line| Some(line.split_once(words)?.1.trim().to_owned()));
        let said = said.unwrap_or_else(|| panic!("{program} ended and never said {words:?}"));
        Self { child, said, _output: output }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The longest time to wait for something to appear.
const PATIENCE: Duration = Duration::from_secs(20);

const MISSING: &str = "These tests need the Debian packages chromium, chromium-driver and fonts-dejavu-core; \
                       `cargo xtask setup` installs them as root";

/// As root in a container, without the services that a browser likes to call.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,1000",
];
