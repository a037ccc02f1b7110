//! Clients that hammer one session: each of their changes counts, and none of them is sent away.
#![allow(clippy::print_stdout, reason = "the test harness hides it by default")]

use std::sync::Arc;
use std::time::Duration;

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_store::Store;
use hipflask_store::id::Ids;
use hipflask_store::save::{Opened, ServerSessions, Slot};
use tokio::task::JoinSet;

const NOW: UnixTime = UnixTime::from_secs(4_000_000_000);
const CLIENTS: usize = 8;
const TIMES: usize = 50;

/// Eight clients, each of which adds one fifty times as fast as it can. `processes` share the
/// session; a store each.
pub(crate) async fn nobody_starves(processes: Vec<Arc<dyn Store>>) {
    let sessions: Vec<_> = processes
        .into_iter()
        .map(|store| {
            let ids = Ids::builder().build().unwrap();
            Arc::new(ServerSessions::new(store, ids, Duration::from_secs(600)))
        })
        .collect();
    let (mut session, mut slot) = (SessionDict::new(), Slot::default());
    session.set("n", 0).unwrap();
    let _ = sessions[0].save(&mut session, &mut slot, NOW).await.unwrap();
    let cookie = sessions[0].ids().to_cookie(slot.id().unwrap());
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (sessions, cookie) = (Arc::clone(&sessions[client % sessions.len()]), cookie.clone());
        clients.spawn(async move {
            for time in 0..TIMES {
                let opened = sessions.open(cookie.as_bytes(), NOW).await.unwrap();
                let Opened::Found { mut session, mut slot } = opened else { panic!("{opened:?}") };
                session.increment("n", 1).unwrap();
                if let Err(error) = sessions.save(&mut session, &mut slot, NOW).await {
                    panic!("client {client}, time {time}: {error}: {:?}", sessions.stats());
                }
            }
        });
    }
    clients.join_all().await;
    let Opened::Found { session, .. } = sessions[0].open(cookie.as_bytes(), NOW).await.unwrap() else {
        panic!("it is there");
    };
    assert_eq!(session.get::<usize>("n").unwrap(), Some(CLIENTS * TIMES));
    let conflicts: u64 = sessions.iter().map(|sessions| sessions.stats().conflicts).sum();
    println!("{} processes: {conflicts} conflicts for {} increments", sessions.len(), CLIENTS * TIMES);
}
