//! Several callers at once: one wins, and all know who.

use hipflask_store::{Created, Deleted, DeletedIf, Replaced};

use super::together::together;
use super::{Bench, LIFETIME, now};

const CALLERS: u8 = 8;

pub(super) async fn all(bench: &Bench) {
    for round in 0..5 {
        one_creates(bench, round).await;
        one_replaces(bench, round).await;
        one_deletes(bench, round).await;
        what_is_deleted_stays_so(bench, round).await;
        nothing_is_lost(bench, round).await;
    }
}

async fn one_creates(bench: &Bench, round: u8) {
    let key = bench.key(&format!("race-create-{round}"));
    let data: Vec<[u8; 1]> = (0..CALLERS).map(|caller| [caller]).collect();
    let answers = together(data.iter().map(|data| bench.store.create(&key, data, LIFETIME, now()))).await;
    let winners: Vec<usize> = winners(&answers, |answer| matches!(answer, Ok(Created::Created(_))));
    assert_eq!(winners.len(), 1, "create: exactly one caller succeeds");
    let held = bench.data(&key).await;
    assert_eq!(held.as_deref(), Some(&data[winners[0]][..]), "create: the winner's data is stored");
}

async fn one_replaces(bench: &Bench, round: u8) {
    let key = bench.key(&format!("race-replace-{round}"));
    let base = bench.made(&key, b"base").await;
    let data: Vec<[u8; 1]> = (0..CALLERS).map(|caller| [caller]).collect();
    let answers =
        together(data.iter().map(|data| bench.store.replace(&key, &base, data, LIFETIME, now()))).await;
    let winners = winners(&answers, |answer| matches!(answer, Ok(Replaced::Replaced(_))));
    assert_eq!(winners.len(), 1, "replace: exactly one caller succeeds");
    let winner = &data[winners[0]][..];
    let held = bench.data(&key).await;
    assert_eq!(held.as_deref(), Some(winner), "replace: the winner's data is stored");
    for answer in answers {
        match answer.expect("replace") {
            Replaced::Conflict(current) => {
                assert_eq!(current.data, winner, "replace: a conflict returns the winner's data")
            }
            Replaced::Replaced(_) => {}
            Replaced::Gone => panic!("replace: an existing record is not gone"),
        }
    }
}

async fn one_deletes(bench: &Bench, round: u8) {
    let key = bench.key(&format!("race-delete-{round}"));
    let _ = bench.made(&key, b"x").await;
    let answers = together((0..CALLERS).map(|_| bench.store.delete(&key, now()))).await;
    assert_eq!(
        winners(&answers, |answer| matches!(answer, Ok(Deleted::Deleted))).len(),
        1,
        "delete: exactly one caller reports the deletion"
    );
    let stored = bench.made(&key, b"y").await;
    let answers = together((0..CALLERS).map(|_| bench.store.delete_if(&key, &stored, now()))).await;
    assert_eq!(
        winners(&answers, |answer| matches!(answer, Ok(DeletedIf::Deleted))).len(),
        1,
        "delete_if: exactly one caller reports the deletion"
    );
}

/// Writers, touchers and one who deletes: whatever the order, at the end nothing is there.
async fn what_is_deleted_stays_so(bench: &Bench, round: u8) {
    let key = bench.key(&format!("race-end-{round}"));
    let base = bench.made(&key, b"base").await;
    let (key, base) = (&key, &base);
    together((0..CALLERS).map(|caller| async move {
        match caller {
            4 => drop(bench.store.delete(key, now()).await.expect("delete")),
            0 | 7 => drop(bench.store.touch(key, LIFETIME, now()).await.expect("touch")),
            _ => drop(bench.store.replace(key, base, &[caller], LIFETIME, now()).await.expect("replace")),
        }
    }))
    .await;
    assert_eq!(
        bench.load(key).await,
        None,
        "replace, touch: a record that was deleted meanwhile is not re-created"
    );
}

/// Each caller adds its own byte by replacing what it read, until it succeeds.
async fn nothing_is_lost(bench: &Bench, round: u8) {
    let key = bench.key(&format!("race-add-{round}"));
    let _ = bench.made(&key, b"").await;
    let key = &key;
    together((0..CALLERS).map(|caller| async move {
        let mut stored = bench.load(key).await.expect("load: an existing record is found");
        loop {
            super::together::give_way().await;
            let data = [&*stored.data, &[caller]].concat();
            match bench.store.replace(key, &stored, &data, LIFETIME, now()).await.expect("replace") {
                Replaced::Replaced(_) => break,
                Replaced::Conflict(current) => stored = current,
                Replaced::Gone => panic!("replace: an existing record is not gone"),
            }
        }
    }))
    .await;
    let mut data = bench.data(key).await.expect("load: an existing record is found");
    data.sort_unstable();
    assert_eq!(data, (0..CALLERS).collect::<Vec<u8>>(), "replace: every write that succeeded is kept, once");
}

fn winners<T>(answers: &[T], won: impl Fn(&T) -> bool) -> Vec<usize> {
    answers.iter().enumerate().filter(|(_, answer)| won(answer)).map(|(place, _)| place).collect()
}
