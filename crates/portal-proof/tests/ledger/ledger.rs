//! The rows of the ledger, each once, and portal-ledger's own decisions over them.

use portal_ledger::decide::{self, Look};
use portal_ledger::outcome::{self, Pending};
use portal_ledger::{
    AttemptEnd, ClaimRequest, Ending, EndingKind, Entry, EntryId, Refusal, State, Wanted, Why,
};
use portal_model::flow::{Baseline, Flow};
use portal_model::operation::{CreateOperation, Operation, RenameOperation};
use portal_model::{Endpoint as _, Org, OrgIdentity, PortalName};
use serde_json::Value;

use super::Map;
use super::flows::Flows;
use super::service::{ROWS, View, response};
use super::world::{Broken, Deed, NAMES, NOW, PROCESSES, VERSION, Wish, World, ago, at};

/// The entries in their order, by number; 0 is none.
pub(super) type Rows = [u16; ROWS];

/// Who holds an entry, or made it, by number.
pub(super) type Id = u8;

/// The end of the last attempt: how long ago, and whether it may have taken effect.
pub(super) type Last = Option<(u8, bool)>;

/// An entry as it is now.
struct Row {
    entry: Entry,
    deed: Deed,
    /// The ids in it, one bit each.
    ids: u16,
}

/// What a claim leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decided {
    /// With how long attempts of those before may yet take effect, and the flow; no flow if there is
    /// nothing to determine.
    Granted { row: u8, is_new: bool, horizon: u8, flow: Option<u32> },
    /// With the outcome.
    Ended { row: u8, outcome: u16 },
    /// With the flow that looks meanwhile, and what may be done yet by others.
    Wait { why: Why, look: Option<u32>, pending: Pending },
    /// With the outcome.
    Blocked(u16),
}

type ClaimKey = (Rows, Claim, u8);

/// Which process claims, under which id; the row that it determines, counted from 1, or 0; how much of
/// its time it has spent; and the row that it lost, counted from 1, or 0.
pub(super) type Claim = (usize, Id, u8, u8, u8);
/// Who ends a row, how, with the end of its last attempt; and whether it only determines the row.
pub(super) type End = (Id, u16, Last, bool);

pub(super) struct Ledger {
    world: World,
    rows: Vec<Row>,
    numbers: Map<String, u16>,
    ticked: Map<u16, u16>,
    claims: Map<ClaimKey, (Rows, Decided)>,
    records: Map<(u16, Id, u32, Last, u8), Option<u16>>,
    ends: Map<(u16, End, u8), Option<u16>>,
}

impl Ledger {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            rows: Vec::new(),
            numbers: Map::default(),
            ticked: Map::default(),
            claims: Map::default(),
            records: Map::default(),
            ends: Map::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The entry in a row.
    pub(super) fn entry(&self, rows: &Rows, row: u8) -> &Entry {
        &self.rows[usize::from(rows[usize::from(row)]) - 1].entry
    }

    pub(super) fn deed(&self, rows: &Rows, row: u8) -> Deed {
        self.rows[usize::from(rows[usize::from(row)]) - 1].deed
    }

    pub(super) fn all(&self, rows: &Rows) -> impl Iterator<Item = (u8, &Entry)> {
        let numbers = rows.iter().take_while(|number| **number > 0);
        (0..).zip(numbers.map(|number| &self.rows[usize::from(*number) - 1].entry))
    }

    /// The ids that appear in the rows, one bit each.
    pub(super) fn ids(&self, rows: &Rows) -> u16 {
        let numbers = rows.iter().filter(|number| **number > 0);
        numbers.fold(0, |ids, number| ids | self.rows[usize::from(*number) - 1].ids)
    }

    /// One unit of time later.
    pub(super) fn tick(&mut self, rows: &mut Rows) {
        for number in rows.iter_mut().filter(|number| **number > 0) {
            let ticked = if let Some(ticked) = self.ticked.get(number) {
                *ticked
            } else {
                let entry = self.rows[usize::from(*number) - 1].entry.clone();
                let ticked = self.number(&entry, 1);
                self.ticked.insert(*number, ticked);
                ticked
            };
            *number = ticked;
        }
    }

    /// The number of an entry once `later` units have passed.
    fn number(&mut self, entry: &Entry, later: u64) -> u16 {
        let mut value = serde_json::to_value(entry).unwrap();
        let oldest = NOW - u64::from(self.world.oldest());
        age(&mut value, later, oldest);
        // Whether there was one is all that counts.
        let attempts = value["attempts"].as_u64().unwrap();
        value["attempts"] = attempts.min(1).into();
        if let Some(ended) = value["state"].get_mut("ended") {
            if ended["ending"]["kind"] == "not_done" {
                // Nothing waits for it.
                ended["at"][0]["since_boot"]["secs"] = oldest.into();
            }
            // Words for people.
            ended["ending"].as_object_mut().unwrap().remove("cause");
        }
        let key = value.to_string();
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let entry: Entry = serde_json::from_value(value.clone()).unwrap();
        let bit = |id: &Value| id.as_str().map_or(0, |id| 1 << id.parse::<u8>().unwrap());
        let ids = bit(&value["id"]) | bit(&value["state"]["open"]["holder"]);
        let deed = deed(&entry.operation);
        self.rows.push(Row { entry, deed, ids });
        let number = u16::try_from(self.rows.len()).unwrap();
        self.numbers.insert(key, number);
        number
    }

    fn read(&self, rows: &Rows) -> Vec<Entry> {
        let read = self.all(rows).map(|(row, entry)| {
            let mut entry = entry.clone();
            entry.order = u64::from(row) + 1;
            entry
        });
        read.collect()
    }

    /// What a process asks for. It goes on from a row, or does what it wishes.
    pub(super) fn request(&self, rows: &Rows, wish: usize, id: Id, recovers: u8) -> ClaimRequest {
        let wanted = match recovers {
            0 => Wanted::Do(operation(self.world.wishes[wish].deed)),
            row => Wanted::Recover(self.entry(rows, row - 1).id.clone()),
        };
        let wish_is = self.world.wishes[wish];
        let org = OrgIdentity::new("https://api.example", fingerprint(&wish_is));
        let org = match (wish_is.knows_org, self.world.broken) {
            (true, _) => org.with_org(Some(Org::new("7"))),
            (false, Broken::UnknownDiffers) => org.with_org(Some(Org::new("8"))),
            (false, _) => org,
        };
        let mut request = ClaimRequest::new(EntryId::new(id.to_string()), org, wanted);
        request.policy = self.world.policy(wish);
        request.key = wish_is.key.map(str::to_owned);
        if self.world.broken == Broken::KeyIgnored {
            request.key = None;
        }
        request
    }

    /// Claims, as if the clock had been read `ago` units before.
    pub(super) fn claim(
        &mut self,
        flows: &mut Flows,
        rows: &Rows,
        claim: Claim,
        read_ago: u8,
    ) -> (Rows, Decided) {
        let key = (*rows, claim, read_ago);
        let (wish, id, recovers, spent, lost) = claim;
        if let Some(known) = self.claims.get(&key) {
            return *known;
        }
        let mut request = self.request(rows, wish, id, recovers);
        request.lost = (lost > 0).then(|| self.entry(rows, lost - 1).id.clone());
        let now = ago(read_ago);
        let before: Vec<Entry> =
            self.read(rows).into_iter().map(|entry| self.seen(entry, &request)).collect();
        let (mut written, decision) = decide::claim(before.clone(), &request, &now);
        if let (Broken::NothingTaken, Ok(grant)) = (self.world.broken, &decision) {
            written.retain(|row| {
                let was_open = before.iter().any(|it| it.id == row.id && it.ending().is_none());
                row.id == grant.entry.id || !(was_open && row.ending().is_some())
            });
        }
        let mut after = *rows;
        for entry in written {
            let row = before.iter().position(|it| it.id == entry.id);
            let row = row.unwrap_or_else(|| after.iter().position(|it| *it == 0).expect("room"));
            after[row] = self.number(&entry, 0);
        }
        let decided = match decision {
            Ok(grant) => {
                let row = self.row_of(&after, &grant.entry.id);
                let is_new = rows[usize::from(row)] == 0;
                let horizon = grant.entry.horizon(&now, grant.entry.times.processing_time);
                let horizon = horizon.and_then(|horizon| horizon.since(&now)).unwrap_or_default();
                let horizon = u8::try_from(horizon.as_secs()).unwrap();
                let flow = outcome::flow(&request, &grant.entry, at(horizon), at(spent), VERSION);
                let flow = flow.map(|flow| {
                    let whose = (wish, false, spent, grant.has_rival);
                    let flow = flow.with_receipts(grant.receipts);
                    flows.start(flow, whose)
                });
                Decided::Granted { row, is_new, horizon, flow }
            }
            Err(Refusal::Ended(entry)) => {
                // Each process has ids of its own.
                let process = entry.id.as_str().parse::<usize>().unwrap() % PROCESSES;
                request.began = (process == wish).then(|| entry.id.clone());
                let outcome = flows.outcome_id(outcome::told(&request, &entry).outcome);
                Decided::Ended { row: self.row_of(&after, &entry.id), outcome }
            }
            Err(Refusal::Wait(wait)) => {
                let look = match (&request.wanted, wait.why) {
                    (Wanted::Do(_), Why::UnderWay | Why::InDoubt) | (Wanted::Recover(_), _) => None,
                    (Wanted::Do(operation), _) => {
                        let flow =
                            Flow::preview(operation.clone(), request.policy.clone(), VERSION);
                        Some(flows.start(flow.with_receipts(wait.receipts), (wish, true, 0, false)))
                    }
                };
                let pending = Pending::of(&request, &self.look(&after, &request));
                Decided::Wait { why: wait.why, look, pending }
            }
            Err(Refusal::Blocked(blocked)) => {
                Decided::Blocked(flows.outcome_id(outcome::blocked(&request, &blocked).outcome))
            }
        };
        self.claims.insert(key, (after, decided));
        (after, decided)
    }

    /// An entry as a broken ledger reads it for a claim.
    fn seen(&self, mut entry: Entry, request: &ClaimRequest) -> Entry {
        let is_rename = matches!(request.wanted, Wanted::Do(Operation::Rename(_)));
        match (self.world.broken, entry.ending()) {
            (Broken::UnknownEnds, Some(ending)) if ending.kind == EndingKind::Unknown => {
                if let State::Ended { ending, .. } = &mut entry.state {
                    *ending = Ending::new(EndingKind::NotDone);
                }
                entry
            }
            (Broken::RenameForgotten, Some(ending)) if ending.kind == EndingKind::Renamed => {
                if let State::Ended { ending, .. } = &mut entry.state {
                    *ending = Ending::new(EndingKind::NotDone);
                }
                entry
            }
            (Broken::RenameHastens, Some(_)) if is_rename => {
                if let State::Ended { at, .. } = &mut entry.state {
                    *at = ago(self.world.oldest()).into();
                }
                let order = entry.order;
                let mut value = serde_json::to_value(&entry).unwrap();
                value.as_object_mut().unwrap().remove("doubt_ended");
                let mut seen: Entry = serde_json::from_value(value).unwrap();
                seen.order = order;
                seen
            }
            _ => entry,
        }
    }

    /// What a claim would find.
    pub(super) fn look(&self, rows: &Rows, request: &ClaimRequest) -> Look {
        let entries = self.all(rows).map(|(_, entry)| entry.clone());
        decide::look(entries.collect(), request, &ago(0))
    }

    fn row_of(&self, rows: &Rows, id: &EntryId) -> u8 {
        self.all(rows).find(|(_, entry)| entry.id == *id).expect("a row").0
    }

    /// The flow of a process that adopted a row, if it compares with a list of its own.
    pub(super) fn with_own_baseline(
        &self,
        flows: &mut Flows,
        rows: &Rows,
        (wish, id, recovers, spent, _): Claim,
        (row, horizon): (u8, u8),
        list: View,
    ) -> Option<u32> {
        let request = self.request(rows, wish, id, recovers);
        let portals = portal_model::ListPortals.decode(&response(list)).unwrap();
        let mut entry = self.entry(rows, row).clone();
        let intent = entry.intent.take();
        entry.intent = intent.map(|intent| intent.with_baseline(Some(Baseline::of(&portals))));
        let flow = outcome::flow(&request, &entry, at(horizon), at(spent), VERSION)?;
        Some(flows.start(flow, (wish, false, spent, false)))
    }

    /// Records an attempt of the row that `id` holds; `None` if it does not.
    pub(super) fn record(
        &mut self,
        flows: &Flows,
        number: u16,
        (id, node, last): (Id, u32, Last),
        read_ago: u8,
    ) -> Option<u16> {
        let key = (number, id, node, last, read_ago);
        if let Some(known) = self.records.get(&key) {
            return *known;
        }
        let entry = self.rows[usize::from(number) - 1].entry.clone();
        let intent = flows.node(node).intent.as_ref().expect("something to record");
        let holder = EntryId::new(id.to_string());
        let written =
            decide::record(entry, &holder, intent, ended(last).as_ref(), &ago(read_ago)).ok();
        let after = written.map(|entry| self.number(&entry, 0));
        self.records.insert(key, after);
        after
    }

    /// Ends the row that `id` holds; `None` if it may not.
    pub(super) fn end(
        &mut self,
        flows: &Flows,
        number: u16,
        end: End,
        read_ago: u8,
    ) -> Option<u16> {
        let (id, outcome, last, is_recovered) = end;
        let key = (number, end, read_ago);
        if let Some(known) = self.ends.get(&key) {
            return *known;
        }
        let entry = self.rows[usize::from(number) - 1].entry.clone();
        let mut ending = Ending::of(flows.outcome(outcome));
        ending.is_recovered = is_recovered;
        let holder = EntryId::new(id.to_string());
        let written =
            decide::end(entry, &holder, &ending, ended(last).as_ref(), &ago(read_ago)).ok();
        let after = written.map(|entry| self.number(&entry, 0));
        self.ends.insert(key, after);
        after
    }

    /// Gives a row up, as a permit that is dropped does.
    pub(super) fn release(&mut self, number: u16, id: Id, last: Last) -> u16 {
        let entry = self.rows[usize::from(number) - 1].entry.clone();
        let released = decide::release(entry, &EntryId::new(id.to_string()), ended(last).as_ref());
        released.map_or(number, |entry| self.number(&entry, 0))
    }
}

/// That of the credential of a wish.
pub(super) fn fingerprint(wish: &Wish) -> &'static str {
    if wish.knows_org { "credential" } else { "another credential" }
}

fn ended(last: Last) -> Option<AttemptEnd> {
    last.map(|(units, in_doubt)| AttemptEnd::new(ago(units), in_doubt))
}

pub(super) fn operation(deed: Deed) -> Operation {
    let name = |name: u8| PortalName::parse(NAMES[usize::from(name)]).unwrap();
    match deed {
        Deed::Create(first) => CreateOperation::new(name(first)).into(),
        Deed::Rename(old, new) => RenameOperation::new(NAMES[usize::from(old)], name(new)).into(),
    }
}

pub(super) fn deed(operation: &Operation) -> Deed {
    let place =
        |name: &str| u8::try_from(NAMES.iter().position(|known| *known == name).unwrap()).unwrap();
    match operation {
        Operation::Create(create) => Deed::Create(place(create.name.as_str())),
        Operation::Rename(rename) => Deed::Rename(place(&rename.old), place(rename.new.as_str())),
    }
}

/// Makes every moment so much earlier, and none earlier than the oldest that matters.
fn age(value: &mut Value, later: u64, oldest: u64) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(since_boot)) = fields.get_mut("since_boot") {
                let seconds = since_boot["secs"].as_u64().unwrap();
                since_boot["secs"] = (seconds - later).max(oldest).into();
                return;
            }
            fields.values_mut().for_each(|value| age(value, later, oldest));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| age(value, later, oldest)),
        _ => {}
    }
}
