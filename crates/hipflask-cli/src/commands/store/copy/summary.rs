//! The results of a copy, counted and shown.

use hipflask_store::copy::Outcome;

use crate::commands::store::output::{Json, Output};
use crate::failure::Failure;
use crate::human::{self, Page};

/// The number of sessions with each result.
#[derive(Debug, Default)]
pub(super) struct CopySummary {
    copied: u64,
    updated: u64,
    changed: u64,
    already_there: u64,
    different: u64,
    deleted_there: u64,
    deleted: u64,
    expired: u64,
    missing: u64,
    unreadable: u64,
    refused: u64,
    pub(super) not_found: u64,
    shown: usize,
}

impl CopySummary {
    /// Counts a result. Returns its name and details if it is reported separately.
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
            Outcome::EndedThere => return plain(&mut self.deleted_there),
            Outcome::Ended => return plain(&mut self.deleted),
            Outcome::Expired => return plain(&mut self.expired),
            Outcome::Missing => return plain(&mut self.missing),
            Outcome::Different => {
                self.different += 1;
                return Some((
                    "different",
                    "the destination has another session under this key, which was not replaced".to_owned(),
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

    /// The number of sessions that were not copied.
    pub(super) const fn left_behind(&self) -> u64 {
        self.different + self.unreadable + self.refused + self.not_found
    }

    /// Returns `true` if one more problem is shown separately.
    pub(super) fn is_shown(&mut self) -> bool {
        self.shown += 1;
        self.shown <= SHOWN_LIMIT
    }

    pub(super) fn write(
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
            ("deleted_there", self.deleted_there),
            ("deleted", self.deleted),
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
            (false, _) => page.doubtful(&format!("Stopped: {copied} copied; run it again to continue")),
            (true, 0) => page.good(&format!("{copied} copied")),
            (true, left) => page.doubtful(&format!("{copied} copied, {left} not")),
        }
        page.row("from", from);
        page.row("to", to);
        let of_interest = counts.iter().zip(LABELS).skip(1).filter(|((_, count), _)| *count > 0);
        for ((_, count), (label, meaning)) in of_interest {
            page.row(label, &format!("{}: {meaning}", human::number(*count)));
        }
        if self.shown > SHOWN_LIMIT {
            page.row("", &format!("The first {SHOWN_LIMIT} are listed above; --json lists all."));
        }
        output.line(page.text().as_bytes())?;
        output.flush()
    }
}

fn plain(count: &mut u64) -> Option<(&'static str, String)> {
    *count += 1;
    None
}

/// The label and the explanation of each count.
const LABELS: [(&str, &str); 12] = [
    ("copied", ""),
    ("updated", "had changed at the source since the last run"),
    ("changed", "have values that changed their types (--accept-changes)"),
    ("there", "were already at the destination"),
    ("different", "the destination has another session under the key, which may be newer"),
    ("gone there", "were deleted at the destination since the last run, and stay deleted"),
    ("deleted", "were deleted at the source, and now also at the destination"),
    ("expired", "have just expired"),
    ("missing", "were copied before and are no longer at the source (--delete-missing deletes them)"),
    ("unreadable", "are not sessions, or cannot be read"),
    ("refused", "cannot be stored unchanged at the destination (--accept-changes may help)"),
    ("unknown", "of the given ids do not have a session at the source"),
];

/// The number of problems that are shown separately.
const SHOWN_LIMIT: usize = 20;
