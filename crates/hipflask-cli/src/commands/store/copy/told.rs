//! What came of a copy, counted and told.

use hipflask_store::copy::Outcome;

use crate::commands::store::output::{Json, Output};
use crate::failure::Failure;
use crate::human::{self, Page};

/// What came of them all.
#[derive(Debug, Default)]
pub(super) struct Told {
    copied: u64,
    updated: u64,
    changed: u64,
    already_there: u64,
    different: u64,
    ended_there: u64,
    ended: u64,
    expired: u64,
    missing: u64,
    unreadable: u64,
    refused: u64,
    pub(super) not_found: u64,
    shown: usize,
}

impl Told {
    /// Counts one; what is to be said of it by itself, if anything.
    pub(super) fn count(&mut self, outcome: &Outcome) -> Option<(&'static str, String)> {
        let changes = match outcome {
            Outcome::Copied(changes) => {
                self.copied += 1;
                changes
            }
            Outcome::Updated(changes) => {
                self.updated += 1;
                changes
            }
            Outcome::AlreadyThere => return plain(&mut self.already_there),
            Outcome::EndedThere => return plain(&mut self.ended_there),
            Outcome::Ended => return plain(&mut self.ended),
            Outcome::Expired => return plain(&mut self.expired),
            Outcome::Missing => return plain(&mut self.missing),
            Outcome::Different => {
                self.different += 1;
                return Some((
                    "different",
                    "another session is there under this key; it was left alone".to_owned(),
                ));
            }
            Outcome::Unreadable(error) => {
                self.unreadable += 1;
                return Some(("unreadable", error.to_string()));
            }
            Outcome::Refused(refusal) => {
                self.refused += 1;
                return Some(("refused", refusal.to_string()));
            }
            other => {
                self.refused += 1;
                return Some(("refused", format!("{other:?}")));
            }
        };
        self.changed += u64::from(!changes.is_empty());
        let list = || changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        (!changes.is_empty()).then(|| ("changed", list()))
    }

    /// How many are at the source and not at the destination as they are there.
    pub(super) const fn left_behind(&self) -> u64 {
        self.different + self.unreadable + self.refused + self.not_found
    }

    /// Whether people are told of one more problem by itself.
    pub(super) fn is_shown(&mut self) -> bool {
        self.shown += 1;
        self.shown <= MOST_SHOWN
    }

    pub(super) fn summary(
        &self,
        output: &mut Output,
        from: &str,
        to: &str,
        is_whole: bool,
    ) -> Result<(), Failure> {
        let counts = [
            ("copied", self.copied),
            ("updated", self.updated),
            ("changed", self.changed),
            ("already_there", self.already_there),
            ("different", self.different),
            ("ended_there", self.ended_there),
            ("ended", self.ended),
            ("expired", self.expired),
            ("missing", self.missing),
            ("unreadable", self.unreadable),
            ("refused", self.refused),
            ("not_found", self.not_found),
        ];
        if output.is_json {
            let json = Json::new(is_whole && self.left_behind() == 0).raw("complete", is_whole);
            output.json(counts.iter().fold(json, |json, (name, count)| json.raw(name, count)))?;
            return output.flush();
        }
        let mut page = Page::default();
        let copied = human::sessions(self.copied);
        match (is_whole, self.left_behind()) {
            (false, _) => page.doubtful(&format!("Stopped: {copied} copied; run it again to go on")),
            (true, 0) => page.good(&format!("{copied} copied")),
            (true, left) => page.doubtful(&format!("{copied} copied, {left} not")),
        }
        page.row("from", from);
        page.row("to", to);
        let of_interest = counts.iter().zip(LABELS).skip(1).filter(|((_, count), _)| *count > 0);
        for ((_, count), (label, meaning)) in of_interest {
            page.row(label, &format!("{}: {meaning}", human::number(*count)));
        }
        if self.shown > MOST_SHOWN {
            page.row("", &format!("The first {MOST_SHOWN} were named above; --json names all."));
        }
        output.line(page.text().as_bytes())?;
        output.flush()
    }
}

fn plain(count: &mut u64) -> Option<(&'static str, String)> {
    *count += 1;
    None
}

/// What people read for each count.
const LABELS: [(&str, &str); 12] = [
    ("copied", ""),
    ("updated", "had changed at the source since the last run"),
    ("changed", "have values of other types now (--accept-changes)"),
    ("there", "were there already"),
    ("different", "another session is there under the key; left alone, as it may be newer"),
    ("gone there", "were ended at the destination since the last run, and stay so"),
    ("ended", "were ended at the source, and are at neither place now"),
    ("expired", "had just expired"),
    ("missing", "were copied earlier and are no longer at the source (--end-missing ends them)"),
    ("unreadable", "no sessions, or none that can be read"),
    ("refused", "the destination cannot hold them as they are (--accept-changes may help)"),
    ("unknown", "of the ids given, these have no session at the source"),
];

/// How many problems people are told of one by one.
const MOST_SHOWN: usize = 20;
