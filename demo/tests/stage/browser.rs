//! A real browser, and the programs that it visits. The tests of the command include this file.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;

/// Starts a browser and lets `tell` use it. The browser is closed whatever happens.
pub(crate) async fn with_browser<F>(tell: impl FnOnce(Client) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let profile = tempfile::tempdir().unwrap();
    with_profile(profile.path(), tell).await;
}

/// [`with_browser`] with the cookies that the browser left in `profile` when it was closed last.
pub(crate) async fn with_profile<F>(profile: &Path, tell: impl FnOnce(Client) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let driver = Server::start("chromedriver", &["--port=0"], "started successfully on port ");
    let client = browser(&driver, profile).await;
    let told = tokio::spawn(tell(client.clone())).await;
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

/// Waits until the page says it: a click returns before the next page is there.
pub(crate) async fn page_says(client: &Client, expected: &str) {
    let start = Instant::now();
    loop {
        // While one page replaces another, the document has no body.
        let text = match client.find(Locator::Css("body")).await {
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

/// The longest time to wait for something to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that says where it listens, and is ended with the test.
pub(crate) struct Server {
    child: Child,
    /// The text that follows the awaited words.
    pub(crate) said: String,
    /// A program that prints and is not listened to may end.
    _output: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(program: &str, arguments: &[&str], words: &str) -> Self {
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
