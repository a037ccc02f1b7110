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
    assert!(other.begin([cookie]).open().await.unwrap().is_new(), "{url}");
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
