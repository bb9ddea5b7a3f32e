//! Each rule, broken from outside: by an effect that misreads, a policy that promises less than it
//! keeps, or a driver that does not do its duty. The test must find what comes of it; production
//! code has no hook for this.
//!
//! What can't be broken from here, cargo-mutants breaks.

use std::time::Duration;

use crate::endpoint::{ApiVersion, Request, Response};
use crate::flow::create::Create;
use crate::flow::effect::sealed::Sealed;
use crate::flow::effect::{Effect, End, Finding, Listing, Repeat, Reply, Unusable};
use crate::flow::kernel::Flow;
use crate::flow::policy::Policy;
use crate::flow::rename::{Rename, RenameFact};
use crate::intent::{Baseline, Intent};
use crate::outcome::{Outcome, Owner, RenameOutcome, Unverified};
use crate::portal::Portal;

use super::machine::Machine;
use super::search::explore;
use super::service::Deed;
use super::subject::{Subject, Summary};
use super::world::{Alphabet, CREATE, Driver, Flaw, RENAME, Shape, World, policy};

/// A create with a flaw.
#[derive(Clone, Debug, PartialEq)]
struct FlawedCreate {
    real: Create,
    flaw: Flaw,
}

impl Sealed for FlawedCreate {}

impl Effect for FlawedCreate {
    type Fact = Portal;
    type Outcome = Outcome;
    const REPEAT: Repeat = Create::REPEAT;

    fn is_exclusive(&self, policy: &Policy) -> bool {
        self.real.is_exclusive(policy)
    }

    fn request(&self, version: ApiVersion) -> Request {
        self.real.request(version)
    }

    fn list(&self, version: ApiVersion) -> Request {
        self.real.list(version)
    }

    fn evidence(&self, response: &Response) -> Result<Listing, Unusable> {
        let mut listing = self.real.evidence(response)?;
        listing.is_complete |= self.flaw == Flaw::IncompleteCounts;
        Ok(listing)
    }

    fn classify(&self, response: &Response) -> Reply {
        use crate::outcome::Doubt;
        match (self.real.classify(response), self.flaw) {
            (Reply::Ambiguous(Doubt::ServerError(error)), Flaw::AnyCodeIsCertain)
            | (Reply::Finished(error), Flaw::UnknownCodeIsCertain) => Reply::Rejected(error),
            (Reply::Suspect(error), Flaw::UsedIsCertain) if error.is_already_used() => {
                Reply::Rejected(error)
            }
            (Reply::Suspect(error), Flaw::FullIsCertain) if !error.is_already_used() => {
                Reply::Rejected(error)
            }
            (Reply::RateLimited { .. }, Flaw::LimitedIsCertain) => {
                Reply::Rejected(crate::error::ApiError::no_permission(["busy"]))
            }
            (reply, _) => reply,
        }
    }

    fn compare(
        &self,
        policy: &Policy,
        before: Option<&Baseline>,
        now: &Listing,
        attempted: bool,
    ) -> Finding<Portal> {
        let mut now = now.clone();
        if self.flaw == Flaw::ExactNames {
            let sent = self.real.request(ApiVersion::V7).body;
            let sent = String::from_utf8(sent).unwrap();
            now.portals.retain(|portal| sent.contains(&portal.name));
        }
        if self.flaw == Flaw::NobodyRenames {
            for portal in &mut now.portals {
                portal.created_time = portal.modified_time;
            }
        }
        match self.real.compare(policy, before, &now, attempted) {
            _ if self.flaw == Flaw::NoBaseline && !attempted => Finding::Absent,
            finding => finding,
        }
    }

    fn known(&self, policy: &Policy) -> Finding<Self::Fact> {
        self.real.known(policy)
    }

    fn intent(&self, attempts: u32, baseline: Option<&Baseline>) -> Intent {
        match self.flaw {
            Flaw::IntentWithoutAttempts => self.real.intent(0, baseline),
            Flaw::IntentWithoutBaseline => self.real.intent(attempts, None),
            _ => self.real.intent(attempts, baseline),
        }
    }

    fn outcome(&self, end: End<Portal>) -> Outcome {
        match end {
            End::There { fact, before: None } if self.flaw == Flaw::AlwaysAppeared => {
                self.real.outcome(End::There { fact, before: Some(false) })
            }
            end => self.real.outcome(end),
        }
    }

    fn unresolved(&self, outcome: &Outcome) -> Option<Intent> {
        self.real.unresolved(outcome)
    }

    fn fallback(&self, outcome: &Outcome) -> Option<Self> {
        let real = match outcome {
            Outcome::NameTaken { name, .. } if self.flaw == Flaw::HastyFallback => {
                let taken = Outcome::NameTaken { name: name.clone(), owner: Owner::AnotherOrg };
                self.real.fallback(&taken)
            }
            outcome => self.real.fallback(outcome),
        };
        real.map(|real| Self { real, ..*self })
    }
}

impl Subject for FlawedCreate {
    type Real = Create;

    fn of(real: Create, world: &World) -> Self {
        Self { real, flaw: world.flaw }
    }

    fn start(world: &World, policy: &Policy) -> Flow<Create> {
        Create::start(world, policy)
    }

    fn resume(intent: &Intent, world: &World, policy: &Policy) -> (Create, u32) {
        Create::resume(intent, world, policy)
    }

    fn deed(&self) -> Deed {
        self.real.deed()
    }

    fn summary(outcome: &Outcome) -> Summary {
        Create::summary(outcome)
    }
}

/// A rename that is repeated in doubt, or with a flaw.
#[derive(Clone, Debug, PartialEq)]
struct FlawedRename<const IN_DOUBT: bool> {
    real: Rename,
    flaw: Flaw,
}

impl<const IN_DOUBT: bool> Sealed for FlawedRename<IN_DOUBT> {}

impl<const IN_DOUBT: bool> Effect for FlawedRename<IN_DOUBT> {
    type Fact = RenameFact;
    type Outcome = RenameOutcome;
    const REPEAT: Repeat = if IN_DOUBT { Repeat::InDoubt } else { Rename::REPEAT };

    fn is_exclusive(&self, policy: &Policy) -> bool {
        self.real.is_exclusive(policy)
    }

    fn request(&self, version: ApiVersion) -> Request {
        self.real.request(version)
    }

    fn list(&self, version: ApiVersion) -> Request {
        self.real.list(version)
    }

    fn evidence(&self, response: &Response) -> Result<Listing, Unusable> {
        let mut listing = self.real.evidence(response)?;
        listing.is_complete |= self.flaw == Flaw::IncompleteCounts;
        Ok(listing)
    }

    fn classify(&self, response: &Response) -> Reply {
        match (self.real.classify(response), self.flaw) {
            (Reply::Suspect(error), Flaw::UsedIsCertain) if error.is_already_used() => {
                Reply::Rejected(error)
            }
            (Reply::Suspect(error), Flaw::FullIsCertain) if !error.is_already_used() => {
                Reply::Rejected(error)
            }
            (reply, _) => reply,
        }
    }

    fn compare(
        &self,
        policy: &Policy,
        before: Option<&Baseline>,
        now: &Listing,
        attempted: bool,
    ) -> Finding<RenameFact> {
        match self.real.compare(policy, before, now, attempted) {
            Finding::Ambiguous(Unverified::RenamedElsewhere(_) | Unverified::Gone)
                if self.flaw == Flaw::NobodyRenames =>
            {
                Finding::Absent
            }
            finding => finding,
        }
    }

    fn known(&self, policy: &Policy) -> Finding<Self::Fact> {
        self.real.known(policy)
    }

    fn intent(&self, attempts: u32, baseline: Option<&Baseline>) -> Intent {
        self.real.intent(attempts, baseline)
    }

    fn outcome(&self, end: End<RenameFact>) -> RenameOutcome {
        self.real.outcome(end)
    }

    fn unresolved(&self, outcome: &RenameOutcome) -> Option<Intent> {
        self.real.unresolved(outcome)
    }

    fn fallback(&self, _: &RenameOutcome) -> Option<Self> {
        None
    }
}

impl<const IN_DOUBT: bool> Subject for FlawedRename<IN_DOUBT> {
    type Real = Rename;

    fn of(real: Rename, world: &World) -> Self {
        Self { real, flaw: world.flaw }
    }

    fn start(world: &World, policy: &Policy) -> Flow<Rename> {
        Rename::start(world, policy)
    }

    fn resume(intent: &Intent, world: &World, policy: &Policy) -> (Rename, u32) {
        Rename::resume(intent, world, policy)
    }

    fn deed(&self) -> Deed {
        Deed::Rename
    }

    fn summary(outcome: &RenameOutcome) -> Summary {
        Rename::summary(outcome)
    }
}

/// What is found in a world with a flow that has one policy and promises another.
fn found_by<E: Subject>((world, promised): Shape, given: Policy) -> String {
    match explore(&mut Machine::<E>::new(promised, given, world)) {
        Ok(_) => "nothing".to_owned(),
        Err(found) => found.violation,
    }
}

fn shape(world: World) -> Shape {
    (world, policy(&world, 7))
}

/// A create by an effect with a flaw.
fn found_with(flaw: Flaw, world: World) -> String {
    let (world, policy) = shape(World { flaw, ..world });
    found_by::<FlawedCreate>((world, policy.clone()), policy)
}

/// A create by a driver that does not do its duty.
fn found_under(driver: Driver, world: World) -> String {
    let (world, policy) = shape(World { driver, ..world });
    found_by::<Create>((world, policy.clone()), policy)
}

/// A create by a policy that differs from what it promises.
fn found_given(change: impl Fn(&mut Policy), world: World) -> String {
    let (world, promised) = shape(world);
    let mut given = promised.clone();
    change(&mut given);
    found_by::<Create>((world, promised), given)
}

fn found_in_rename<const IN_DOUBT: bool>(flaw: Flaw, world: World) -> String {
    let (world, policy) = shape(World { flaw, ..world });
    found_by::<FlawedRename<IN_DOUBT>>((world, policy.clone()), policy)
}

const KILLED: World = World { kills: true, ..CREATE };
const NOT_DONE: &str = "claims nothing was done, but it was";
const MAY_BE_DONE: &str = "claims nothing was done, but it may be yet";
const STOPPED: &str = "claims stopped with nothing done, but it may be";
const NOT_CLEARED: &str = "an attempt although no list clears the way";

#[test]
fn flawless_wrappers_are_not_caught() {
    assert_eq!(found_with(Flaw::None, CREATE), "nothing");
    assert_eq!(found_in_rename::<false>(Flaw::None, RENAME), "nothing");
}

#[test]
fn rule_1_without_baseline_is_caught() {
    let world = World { before: 0b100, ..CREATE };
    assert_eq!(found_with(Flaw::NoBaseline, world), NOT_CLEARED);
    assert_eq!(found_with(Flaw::IncompleteCounts, world), NOT_CLEARED);
}

#[test]
fn rule_2_missing_or_wrong_intent_is_caught() {
    assert_eq!(
        found_under(Driver::RecordsNothing, CREATE),
        "an attempt whose intent is not durable"
    );
    assert_eq!(
        found_with(Flaw::IntentWithoutAttempts, CREATE),
        "the durable intent has too few attempts"
    );
    assert_eq!(
        found_with(Flaw::IntentWithoutBaseline, CREATE),
        "the durable intent lacks what a list showed"
    );
    let slow_disk = World { slow_record: 4, ..CREATE };
    assert_eq!(found_under(Driver::StopsClock, slow_disk), "an attempt without time to verify it");
}

#[test]
fn rule_3_uncertain_rejections_are_caught() {
    let world = World { alphabet: Alphabet::Whole, ..CREATE };
    let by_that_error = "claims rejected, but not by that error";
    assert_eq!(found_with(Flaw::AnyCodeIsCertain, world), by_that_error);
    assert_eq!(found_with(Flaw::UnknownCodeIsCertain, CREATE), NOT_DONE);
}

#[test]
fn rule_4_rejections_by_own_copy_are_caught() {
    assert_eq!(found_with(Flaw::UsedIsCertain, CREATE), "claims another org's, but it is not");
    let limited = World { limited: true, ..CREATE };
    assert_eq!(found_with(Flaw::FullIsCertain, limited), NOT_DONE);
    let no_lag = found_given(|policy| policy.list_lag = Duration::ZERO, limited);
    assert_eq!(no_lag, NOT_DONE);
    assert_eq!(found_in_rename::<false>(Flaw::FullIsCertain, RENAME), NOT_DONE);
}

#[test]
fn rule_5_early_absence_is_caught() {
    // A service that takes longer than promised, and one that lists later.
    assert_eq!(found_given(|_| (), World { processing: 4, ..CREATE }), MAY_BE_DONE);
    assert_eq!(found_given(|_| (), World { lag: 2, ..CREATE }), NOT_DONE);
}

#[test]
fn rule_6_origin_without_evidence_is_caught() {
    let world = World { may_list: false, ..KILLED };
    assert_eq!(
        found_with(Flaw::AlwaysAppeared, world),
        "claims appeared, but absence was not seen"
    );
}

#[test]
fn rule_7_missed_rename_is_caught() {
    let world = World { renames: 1, renames_to: 0b1000, ..CREATE };
    assert_eq!(found_with(Flaw::NobodyRenames, world), NOT_DONE);
    let renamed = World { renames: 1, renames_to: 0b1000, ..RENAME };
    assert_eq!(found_in_rename::<false>(Flaw::NobodyRenames, renamed), STOPPED);
}

#[test]
fn rule_8_harmful_repeats_are_caught() {
    assert_eq!(found_in_rename::<true>(Flaw::None, RENAME), "a rename is repeated in doubt");
    assert_eq!(
        found_given(|policy| policy.max_attempts = 3, World { processing: 0, lag: 0, ..CREATE }),
        "more attempts than allowed"
    );
    let two = World { names: 2, others: 0b01, ..CREATE };
    assert_eq!(found_with(Flaw::HastyFallback, two), STOPPED);
    assert_eq!(found_with(Flaw::ExactNames, CREATE), STOPPED);
}

#[test]
fn rule_9_recovery_that_sends_is_caught() {
    assert_eq!(found_under(Driver::RecoverySends, KILLED), "an attempt by a recovery");
    assert_eq!(found_under(Driver::EndLongAgo, KILLED), STOPPED);
    assert_eq!(
        found_under(Driver::ForgetsAttempts, KILLED),
        "the durable intent has too few attempts"
    );
}

#[test]
fn rule_10_recovery_in_another_org_is_caught() {
    assert_eq!(found_under(Driver::RecoversElsewhere, KILLED), STOPPED);
}

#[test]
fn rule_11_two_creates_of_machine_are_caught() {
    let second = "a second portal of this machine in the org";
    assert_eq!(found_under(Driver::NoLock, CREATE), second);
    assert_eq!(found_under(Driver::NoReceipts, World { receipt: true, ..CREATE }), second);
}

#[test]
fn rule_12_early_tries_are_caught() {
    let early = "a try sooner than the service and the backoff allow";
    assert_eq!(found_under(Driver::DropsRetryAfter, CREATE), early);
    let brief = |policy: &mut Policy| {
        policy.backoff_base = Duration::ZERO;
        policy.backoff_max = Duration::ZERO;
    };
    assert_eq!(found_given(brief, CREATE), early);
    let limited = found_with(Flaw::LimitedIsCertain, CREATE);
    assert_eq!(limited, "claims rejected, but not by that error");
}

#[test]
fn rule_13_flow_without_end_is_caught() {
    let late = |policy: &mut Policy| policy.deadline += Duration::from_secs(1);
    assert_eq!(found_given(late, CREATE), "a wait of no use");
    let shorter = |policy: &mut Policy| policy.read_timeout = Duration::from_secs(2);
    assert_eq!(found_given(shorter, CREATE), "a request without time for it");
}
