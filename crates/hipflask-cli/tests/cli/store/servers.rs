//! Every command on real servers.

use hipflask_testkit::servers;

use super::copying::copy;
use super::{DAY, Filled, alike, counts, id, key, lines, store, user};

/// Lists, looks, counts, copies to and fro, and ends. `by_itself` says whether the server drops
/// what has expired.
fn serves_an_operator(url: &str, by_itself: bool) {
    let filled = Filled::at(url);
    for number in 0..30 {
        filled.put(&id(number), &user((number % 3) as i64), DAY + number as u64);
    }
    let listed = lines(&store(&filled, &["ls", "--ids"]));
    assert_eq!(listed.len(), 30);
    assert!(listed.iter().any(|line| line["id"] == *id(7)), "ids are known");
    assert_eq!(lines(&store(&filled, &["count", "--where", "user_id=2"]))[0]["sessions"], 10);
    let shown = store(&filled, &["show", &key(&id(7)).short_hash()]);
    assert_eq!(lines(&shown)[0]["session"]["user_id"], 1);
    let purged = store(&filled, &["purge"]);
    assert_eq!((purged.code, &lines(&purged)[0]["expires_by_itself"]), (Some(0), &by_itself.into()));

    let directory = tempfile::tempdir().unwrap();
    let database = Filled::at(format!("sqlite:{}/app.db", directory.path().display()));
    assert_eq!(counts(&copy(&filled, &database.url, &[]))["copied"], 30);
    alike(&database.all(), &filled.all());

    assert_eq!(store(&filled, &["rm", "--where", "user_id=0", "--yes"]).code, Some(0));
    assert_eq!(store(&filled, &["rm", &id(1)]).code, Some(0));
    assert_eq!(filled.all().len(), 19);
    assert_eq!(counts(&copy(&database, &filled.url, &[]))["copied"], 11);
    assert_eq!(filled.all().len(), 30);
    let (_directory, files) = super::directory(1);
    assert_eq!(copy(&files, &filled.url, &[]).code, Some(2), "files do not know their ids");
    assert_eq!(store(&filled, &["rm", "--all", "--yes"]).code, Some(0));
    assert_eq!(store(&filled, &["count"]).out, "{\"ok\":true,\"sessions\":0,\"bytes\":0}\n");
}

#[test]
fn a_real_server_redis() {
    serves_an_operator(&servers::Redis::start().unwrap().url(), true);
}

#[test]
fn a_real_server_memcached() {
    serves_an_operator(&servers::Memcached::start().unwrap().url(), true);
}

#[test]
fn a_real_server_redis_cluster() {
    serves_an_operator(&servers::RedisCluster::start().unwrap().url(), true);
}

#[cfg(feature = "postgres")]
#[test]
fn a_real_server_postgres() {
    let server = servers::Postgres::start().unwrap();
    serves_an_operator(&server.url("postgres", "postgres"), false);
}

#[cfg(feature = "mysql")]
#[test]
fn a_real_server_mariadb() {
    serves_an_operator(&servers::MariaDb::start().unwrap().url("root", "test"), false);
}

#[cfg(feature = "dynamodb")]
#[test]
fn a_real_server_dynamodb_of_moto() {
    let server = servers::Moto::start().unwrap();
    let url = format!("dynamodb://Sessions?region=us-east-1&endpoint={}", server.endpoint());
    serves_an_operator(&url, true);
}

#[cfg(feature = "mongodb")]
#[test]
fn a_real_server_mongodb_front() {
    serves_an_operator(&servers::MongoFront::start().unwrap().url(), true);
}
