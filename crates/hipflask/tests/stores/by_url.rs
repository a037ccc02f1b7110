//! Each form of a URL reaches its store.

use hipflask::Sessions;
use hipflask_testkit::servers::{
    MariaDb, Memcached, MongoFront, Moto, Postgres, Redis, RedisCluster, RedisSentinel,
};

/// One visitor's requests, by two engines that know nothing of each other but the URL.
async fn is_reached_by(url: &str, kind: &str) {
    let engine = async || match Sessions::builder().store_url(url).await {
        Ok(builder) => builder.build().unwrap(),
        Err(error) => panic!("{url}: {error}"),
    };
    let (one, other) = (engine().await, engine().await);
    assert_eq!(one.server_sessions().unwrap().store().describe().kind, kind, "{url}");
    let request = one.begin([""]);
    let session = request.open().await.unwrap();
    session.set("user", url).unwrap();
    let header = request.finish().await.unwrap().set_cookie.unwrap();
    let cookie = header.split(';').next().unwrap();

    let request = other.begin([cookie]);
    let session = request.open().await.unwrap();
    assert_eq!(session.get::<String>("user").unwrap().as_deref(), Some(url));
    session.increment("visits", 1).unwrap();
    assert!(request.finish().await.unwrap().set_cookie.is_some());

    let request = one.begin([cookie]);
    let session = request.open().await.unwrap();
    assert_eq!(session.get::<u8>("visits").unwrap(), Some(1), "{url}");
    session.destroy().unwrap();
    assert!(request.finish().await.unwrap().set_cookie.unwrap().starts_with("session=;"));
    assert!(other.begin([cookie]).open().await.unwrap().is_new().unwrap(), "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_url_reaches_its_store_real_server() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().display();
    let (redis, tls) = (Redis::start().unwrap(), Redis::start_with_tls().unwrap());
    let (cluster, sentinel) = (RedisCluster::start().unwrap(), RedisSentinel::start().unwrap());
    let memcached = [Memcached::start().unwrap(), Memcached::start().unwrap()];
    let on_socket = Memcached::start_on_socket().unwrap();
    let (postgres, mariadb) = (Postgres::start().unwrap(), MariaDb::start().unwrap());
    let (mongo, moto) = (MongoFront::start().unwrap(), Moto::start().unwrap());
    let valkey = redis.url().replace("redis://", "valkey://");
    let nodes = memcached.each_ref().map(Memcached::node).join(",");
    let ca = tls.certificate();
    for (url, kind) in [
        (format!("file:{place}/files?mode=600&sync=true"), "file"),
        (format!("sqlite:{place}/app.db"), "sqlite"),
        (format!("sqlite:///{place}/other.db?wal=true"), "sqlite"),
        (redis.url(), "redis"),
        (valkey, "redis"),
        (redis.socket_url(), "redis"),
        (redis.socket_url().replace("redis+unix", "unix") + "?db=1", "redis"),
        (format!("{}?ca={}&timeout=20", tls.url(), ca.display()), "redis"),
        (cluster.url(), "redis"),
        (sentinel.url(), "redis"),
        (memcached[0].url(), "memcached"),
        (format!("memcached://{nodes}"), "memcached"),
        (on_socket.url(), "memcached"),
        (postgres.url("postgres", "postgres"), "postgres"),
        (postgres.url("postgres", "postgres").replace("postgres://", "postgresql://"), "postgres"),
        (mariadb.url("root", "test"), "mysql"),
        (mariadb.url("root", "test").replace("mysql://", "mariadb://") + "?table=others", "mysql"),
        (mongo.url(), "mongodb"),
        (format!("{}?collection=others", mongo.url()), "mongodb"),
        (format!("dynamodb://Sessions?region=us-east-1&endpoint={}&timeout=20", moto.endpoint()), "dynamodb"),
    ] {
        is_reached_by(&url, kind).await;
    }
}

/// Why no engine can be had at `url`.
async fn complaint(url: &str) -> String {
    match Sessions::builder().store_url(url).await {
        Ok(_) => panic!("{url}: nothing is there"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_store_is_named_without_its_password() {
    let nothing = "nothing listens at its address; start it, or check its address and the network";
    for (url, place, what) in [
        ("redis://u:hush@127.0.0.1:1/2", "redis store at redis://127.0.0.1:1/2", nothing),
        ("valkey://:hush@127.0.0.1:1", "redis store at redis://127.0.0.1:1/0", nothing),
        ("rediss://:hush@127.0.0.1:1", "redis store at rediss://127.0.0.1:1/0", nothing),
        ("redis+unix:///nothing/here", "redis store at redis+unix:///nothing/here?db=0", nothing),
        ("redis+cluster://:hush@127.0.0.1:1", "redis store at redis+cluster://127.0.0.1:1", nothing),
        (
            "redis+sentinel://:hush@127.0.0.1:1/main?sentinel_password=hush",
            "redis store at redis+sentinel://127.0.0.1:1/main/0",
            nothing,
        ),
        ("memcached://127.0.0.1:1", "memcached store at memcached://127.0.0.1:1", nothing),
        ("memcached+unix:///nothing/here", "memcached store at memcached+unix:///nothing/here", nothing),
        ("postgres://u:hush@127.0.0.1:1/db", "postgres store at postgres://u@127.0.0.1:1/db", nothing),
        ("mysql://u:hush@127.0.0.1:1/db", "mysql store at mysql://u@127.0.0.1:1/db", nothing),
        ("mongodb://u:hush@127.0.0.1:1/db?timeout=2", "mongodb store at mongodb://127.0.0.1:1/db", nothing),
        (
            "dynamodb://Sessions?region=x&endpoint=http://127.0.0.1:1",
            "dynamodb store at dynamodb://Sessions?region=x&endpoint=http://127.0.0.1:1",
            "its endpoint does not answer; start it, or check its address and the network",
        ),
        (
            "sqlite:/nothing/here.db",
            "sqlite store at sqlite:/nothing/here.db",
            "its directory does not exist",
        ),
    ] {
        let said = complaint(url).await;
        assert!(said.contains(place) && said.contains(what) && !said.contains("hush"), "{url}: {said}");
    }
    // A file, where no directory can be made.
    let file = tempfile::NamedTempFile::new().unwrap();
    let place = format!("file:{}/sessions", file.path().display());
    let said = complaint(&place).await;
    assert!(said.contains(&format!("file store at {place}: ")), "{said}");
}
