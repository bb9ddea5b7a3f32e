//! Beside the exhaustion: long random schedules with the patience and the time-outs of the
//! defaults, one flow after another over the same service. A unit of time is a tenth of a second.

use std::time::Duration;

use proptest::prelude::*;

use super::machine::{Lie, index, name};
use super::replies::{self, Said};
use super::server::{Fate, Holder, Server};
use super::truth::{self, ensure};
use crate::create::CreatePortal;
use crate::endpoint::ApiVersion;
use crate::flow::{CreateFlow, Intent, Jitter, Policy, Report, Step, TokenId};

/// What proptest drew, used up one by one.
struct Choices(std::vec::IntoIter<u32>);

/// There are no more of them.
struct Spent;

impl Choices {
    fn below(&mut self, bound: usize) -> Result<usize, Spent> {
        self.0.next().map(|drawn| drawn as usize % bound).ok_or(Spent)
    }

    fn of<T>(&mut self, mut all: Vec<T>) -> Result<T, Spent> {
        let index = self.below(all.len())?;
        Ok(all.swap_remove(index))
    }

    fn jitter(&mut self) -> Result<Jitter, Spent> {
        self.0.next().map(Jitter::from_bits).ok_or(Spent)
    }
}

enum Stop {
    Spent,
    Lie(Lie),
}

impl From<Spent> for Stop {
    fn from(_: Spent) -> Self {
        Self::Spent
    }
}

impl From<Lie> for Stop {
    fn from(lie: Lie) -> Self {
        Self::Lie(lie)
    }
}

struct Run {
    choices: Choices,
    policy: Policy,
    server: Server,
    now: u16,
}

impl Run {
    fn settle(&self) -> u16 {
        units(self.policy.settle)
    }

    /// A service in which the names that the flow wants may be free.
    fn renew_server(&mut self) -> Result<(), Stop> {
        let old = Holder::Colleague { hidden: 0 };
        let likely = vec![Holder::Nobody, Holder::Nobody, Holder::AnotherOrg, old];
        let another = vec![Holder::Nobody, Holder::Nobody, Holder::Nobody, old];
        let names =
            [self.choices.of(likely.clone())?, self.choices.of(likely)?, self.choices.of(another)?];
        let limited = self.choices.below(3)? == 0;
        self.server = Server { names, limited, pending: [0; 2] };
        Ok(())
    }

    /// Time passes, and others use it.
    fn pass(&mut self, units: u16) -> Result<(), Stop> {
        for part in [units / 2, units - units / 2] {
            let acts: Vec<_> = self.server.acts(self.settle()).collect();
            if !acts.is_empty() && self.choices.below(12)? == 0 {
                self.server = self.choices.of(acts)?.1;
            }
            self.server = self.server.pass(part);
            self.now += part;
        }
        Ok(())
    }

    /// One flow to its end, or until it is killed; gives what there is to resume.
    fn one_flow(&mut self, resumed: Option<Intent>) -> Result<Option<Intent>, Stop> {
        let mut in_doubt = resumed.is_some();
        let mut look = None;
        let mut tokens = 0;
        self.now = 0;
        let mut flow = match resumed {
            Some(intent) => CreateFlow::resume(intent, self.policy.clone(), ApiVersion::V7),
            None => CreateFlow::new(name(0), self.policy.clone(), ApiVersion::V7).or([name(1)]),
        };
        loop {
            let step = flow.step(at(self.now));
            let limit = units(flow.time_limit(at(self.now)));
            let killed = self.choices.below(50)? == 0;
            let takes = u16::try_from(self.choices.below(usize::from(limit) + 1)?).unwrap_or(0);
            ensure(self.now <= units(self.policy.deadline) + 3, "it went on past the deadline")?;
            let (said, report, fate) = match step {
                Step::Done(outcome) => {
                    truth::judge(&outcome, &self.server, in_doubt, look)?;
                    ensure(outcome.is_certain() == flow.intent().is_none(), "a wrong intent")?;
                    return Ok(flow.intent());
                }
                Step::Wait(time) => {
                    let late = u16::try_from(self.choices.below(3)?).unwrap_or(0);
                    self.pass(units(time + Duration::from_millis(99)) + late)?;
                    look = None;
                    continue;
                }
                Step::Authenticate { .. } => {
                    self.pass(takes / 8)?;
                    tokens += 1;
                    let token = (Said::Token, "", Report::Token(TokenId(tokens)));
                    let mut all = vec![token; 12];
                    all.extend(replies::without_a_token());
                    let (said, _, report) = self.choices.of(all)?;
                    look = None;
                    (said, report, None)
                }
                Step::LookUp(_) => {
                    let certain = self.server.certain();
                    look = Some(certain);
                    self.pass(takes)?;
                    let possible = u8::try_from(self.choices.below(8)?).unwrap_or(0);
                    let shown = (possible | certain) & self.server.ours();
                    let list = (Said::List(shown), "", Report::Answer(Server::list(shown)));
                    let mut all = replies::to_any_request();
                    all.extend(vec![list; 40]);
                    let (said, _, report) = self.choices.of(all)?;
                    (said, report, None)
                }
                Step::Send(request) => {
                    look = None;
                    let sent = CreatePortal::parse(&request.body).map_err(|e| format!("{e:?}"))?;
                    let name = index(sent.name.as_str());
                    ensure(flow.intent().is_some_and(|i| i.name == sent.name), "a wrong intent")?;
                    self.pass(takes)?;
                    let (said, report) = self.reply_to_post(name)?;
                    let fate = match said {
                        Said::Success => Fate::Applied,
                        Said::Nothing => self.choices.of(Fate::ALL.to_vec())?,
                        _ => Fate::Ignored,
                    };
                    let fate = if killed { self.choices.of(Fate::ALL.to_vec())? } else { fate };
                    let after = self.server.post(name, fate, self.settle());
                    self.server = after.unwrap_or(self.server);
                    in_doubt |= said == Said::Nothing;
                    (said, report, Some(fate))
                }
            };
            if killed {
                let made = self.server.made_by_us() != 0 || self.server.pending != [0; 2];
                ensure(flow.intent().is_some() || !made, "a portal of ours, and no intent")?;
                return Ok(flow.intent());
            }
            let jitter = self.choices.jitter()?;
            flow.report(at(self.now), jitter, report)
                .map_err(|unexpected| unexpected.to_string())?;
            let over = matches!(flow.step(at(self.now)), Step::Done(_));
            if !over && said != Said::Nothing && fate.is_some() && flow.intent().is_none() {
                in_doubt = false;
            }
        }
    }

    fn reply_to_post(&mut self, name: usize) -> Result<(Said, Report), Stop> {
        let mut all = replies::to_any_request();
        for (said, label, report) in replies::to_a_post(name) {
            let possible = match said {
                Said::Success => self.server.can_create(name),
                Said::AlreadyUsed => self.server.names[name] != Holder::Nobody,
                Said::LimitReached => self.server.is_full(),
                _ => true,
            };
            if possible {
                all.extend(vec![(said, label, report); 6]);
            }
        }
        let (said, _, report) = self.choices.of(all)?;
        Ok((said, report))
    }

    fn all_flows(&mut self) -> Result<(), Stop> {
        loop {
            self.renew_server()?;
            let mut intent = self.one_flow(None)?;
            while intent.is_some() {
                intent = self.one_flow(intent)?;
            }
        }
    }
}

fn at(units: u16) -> Duration {
    Duration::from_millis(100) * u32::from(units)
}

fn units(time: Duration) -> u16 {
    u16::try_from(time.as_millis() / 100).unwrap_or(u16::MAX)
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (1_u64..40, 1_u64..20, 0_u64..100, 1_u32..6, any::<bool>()).prop_map(
        |(attempt, settle, spare, max_posts, allow_another)| {
            let mut policy = Policy { max_posts, allow_another, ..Policy::default() };
            policy.attempt_timeout = Duration::from_secs(attempt);
            policy.settle = Duration::from_secs(settle);
            policy.deadline = policy.time_for_a_post() + Duration::from_secs(spare);
            policy
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_long_schedule_makes_the_flow_lie(
        choices in proptest::collection::vec(any::<u32>(), 10_000..20_000),
        policy in prop_oneof![Just(Policy::default()), any_policy()],
    ) {
        let server = Server { names: [Holder::Nobody; 3], limited: false, pending: [0; 2] };
        let mut run = Run { choices: Choices(choices.into_iter()), policy, server, now: 0 };
        if let Err(Stop::Lie(lie)) = run.all_flows() {
            prop_assert!(false, "{lie}");
        }
    }
}
