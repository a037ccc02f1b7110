//! Our own process, killed between any two steps of its saving. It is this test program again, told
//! by a variable what to be.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use hipflask::Sessions;
use hipflask_testkit::rng::TestRng;
use hipflask_testkit::servers::Redis;

const URL: &str = "HIPFLASK_TEST_URL";
const COOKIE: &str = "HIPFLASK_TEST_COOKIE";

async fn engine(url: &str) -> Sessions {
    Sessions::builder().store_url(url).await.unwrap().build().unwrap()
}

/// The session's other content, long enough for a torn write.
fn text(number: u64) -> String {
    number.to_string().repeat(3000)
}

/// Counts in the session and says each number once it is saved; between two numbers a session of
/// another visitor begins and ends, and its cookie is said then.
async fn write_for_ever(url: &str, cookie: &str) {
    let sessions = engine(url).await;
    let say = |word: &str, what: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{word} {what}").and_then(|()| out.flush()).unwrap();
    };
    loop {
        let request = sessions.begin([cookie]);
        let session = request.open().await.unwrap();
        let number = session.get::<u64>("n").unwrap().unwrap() + 1;
        session.set("n", number).unwrap();
        session.set("text", text(number)).unwrap();
        let _ = request.finish().await.unwrap();
        say("saved", &number.to_string());

        let request = sessions.begin([""]);
        request.open().await.unwrap().set("other", number).unwrap();
        let header = request.finish().await.unwrap().set_cookie.unwrap();
        let other = header.split(';').next().unwrap();
        let request = sessions.begin([other]);
        request.open().await.unwrap().destroy().unwrap();
        let _ = request.finish().await.unwrap();
        say("ended", other);
    }
}

/// Not a test: what the process does.
#[tokio::test]
async fn a_process_of_these_tests() {
    let Ok(url) = std::env::var(URL) else { return };
    write_for_ever(&url, &std::env::var(COOKIE).unwrap()).await;
}

async fn loses_nothing_when_it_is_killed(url: &str) {
    let sessions = engine(url).await;
    let request = sessions.begin([""]);
    let session = request.open().await.unwrap();
    session.set("n", 0).unwrap();
    session.set("text", text(0)).unwrap();
    let header = request.finish().await.unwrap().set_cookie.unwrap();
    let cookie = header.split(';').next().unwrap();

    let mut rng = TestRng::fresh();
    let (mut saved, mut ended) = (0, Vec::new());
    for round in 0..25 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::a_process_of_these_tests", "--nocapture"])
            .envs([(URL, url), (COOKIE, cookie)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (begun, it_has_begun) = std::sync::mpsc::channel();
        let reading = std::thread::spawn(move || {
            let tell = |line: &String| {
                if line.starts_with("saved ") {
                    let _ = begun.send(());
                }
            };
            lines.map_while(Result::ok).inspect(tell).collect::<Vec<_>>()
        });
        it_has_begun.recv_timeout(Duration::from_secs(60)).expect("it saves");
        // Now it may be anywhere in its loop.
        std::thread::sleep(Duration::from_micros(rng.below(120_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reading.join().unwrap() {
            match line.split_once(' ') {
                Some(("saved", number)) => saved = number.parse::<u64>().unwrap(),
                Some(("ended", other)) => ended.push(other.to_owned()),
                _ => {}
            }
        }
        let session = sessions.begin([cookie]).open().await.unwrap();
        let found =
            session.get::<u64>("n").unwrap().unwrap_or_else(|| panic!("{round}: the session is gone"));
        assert!(
            found == saved || found == saved + 1,
            "round {round}: {found} after {saved} was acknowledged"
        );
        assert!(
            session.get::<String>("text").unwrap() == Some(text(found)),
            "round {round}: the record is torn"
        );
        saved = found;
    }
    for other in &ended {
        assert!(
            sessions.begin([other.as_str()]).open().await.unwrap().is_new().unwrap(),
            "an ended session is back"
        );
    }
    eprintln!("{url}: {saved} saves and {} ends over 25 kills", ended.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_saves_survive_a_kill_redis_real_server() {
    loses_nothing_when_it_is_killed(&Redis::start().unwrap().url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_saves_survive_a_kill_directory() {
    let directory = tempfile::tempdir().unwrap();
    loses_nothing_when_it_is_killed(&format!("file:{}", directory.path().display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_saves_survive_a_kill_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    loses_nothing_when_it_is_killed(&format!("sqlite:{}/app.db", directory.path().display())).await;
}
