//! The service, as far as a flow can meet it: the org's portals with their earlier names, what a
//! list must show, and what an attempt whose connection ended may still do.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::world::{Driver, World};

/// The names of a create and its fallback, one of neither, and one that only a rename gives, as the
/// service spells them. A rename is from the first to the second.
pub(super) const SPELLED: [&str; 4] = ["FIRST1", "SECOND2", "ANOTHER3", "RENAMED4"];
pub(super) const RENAMED: u8 = 3;

/// How many portals an org may have here.
pub(super) const SLOTS: usize = 3;

/// One name that a portal has or had, in 16 bits, so that a service is a few words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Version(u16);

impl Version {
    const EXISTS: u16 = 1;
    const OURS: u16 = 2;
    /// The list under way shows at least this version.
    const DUE: u16 = 4;
    const NAME: u32 = 4;
    const LAG: u32 = 6;
    /// How often the portal was renamed.
    const RENAMES: u32 = 8;

    fn new(name: u8, lag: u8, renames: u8, flags: u16) -> Self {
        assert!(name < 4 && lag < 4 && renames < 4, "a version has two bits for each");
        let numbers = [(name, Self::NAME), (lag, Self::LAG), (renames, Self::RENAMES)];
        let numbers = numbers.map(|(number, shift)| u16::from(number) << shift);
        Self(numbers.into_iter().fold(Self::EXISTS | flags, |bits, number| bits | number))
    }

    fn number(self, shift: u32) -> u8 {
        (self.0 >> shift & 3) as u8
    }

    pub(super) fn exists(self) -> bool {
        self.0 & Self::EXISTS != 0
    }

    pub(super) fn name(self) -> u8 {
        self.number(Self::NAME)
    }

    /// For how long a list may yet miss it.
    fn lag(self) -> u8 {
        self.number(Self::LAG)
    }

    pub(super) fn renames(self) -> u8 {
        self.number(Self::RENAMES)
    }

    pub(super) fn is_ours(self) -> bool {
        self.0 & Self::OURS != 0
    }

    /// What a list shows of it: no lag, and nobody sees whose it is.
    fn shown(self) -> Self {
        if self.exists() { Self::new(self.name(), 0, self.renames(), 0) } else { Self(0) }
    }
}

/// Who created a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    /// It was there when the flow began.
    Before,
    /// This call: the flow, or one that takes over from it.
    Us,
    /// Another create of this machine, that ended before.
    Machine,
    Colleague,
}

/// A portal of the org, with the versions that a list may show: the oldest in the lowest bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) maker: Option<Maker>,
    /// For how long yet nobody renames it, where anybody may.
    young: u8,
    versions: u64,
}

impl Slot {
    const EMPTY: Self = Self { maker: None, young: 0, versions: 0 };

    fn len(self) -> u32 {
        (u64::BITS - self.versions.leading_zeros()).div_ceil(16)
    }

    fn version(self, index: u32) -> Version {
        Version((self.versions >> (16 * index) & 0xffff) as u16)
    }

    pub(super) fn versions(self) -> impl Iterator<Item = Version> {
        (0..self.len()).map(move |index| self.version(index))
    }

    pub(super) fn current(self) -> Option<Version> {
        (self.versions != 0).then(|| self.version(self.len() - 1))
    }

    fn is_named(self, name: u8) -> bool {
        self.current().is_some_and(|version| version.name() == name)
    }

    fn push(&mut self, version: Version) {
        assert!(self.has_room(), "no more versions than there is room for");
        self.versions |= u64::from(version.0) << (16 * self.len());
    }

    fn has_room(self) -> bool {
        self.len() < 4
    }

    /// The first version that the list under way must show.
    fn due(self) -> Option<u32> {
        let due = self.versions & Self::of_all(Version::DUE);
        (due != 0).then(|| due.trailing_zeros() / 16)
    }

    /// Up to which version no list can miss them.
    fn certain(self) -> Option<u32> {
        (0..self.len()).rev().find(|index| self.version(*index).lag() == 0)
    }

    const fn of_all(flag: u16) -> u64 {
        flag as u64 * 0x0001_0001_0001_0001
    }

    fn tick(&mut self) {
        self.young = self.young.saturating_sub(1);
        for index in 0..self.len() {
            if self.version(index).lag() > 0 {
                self.versions -= 1 << (16 * index + Version::LAG);
            }
        }
    }

    fn list_begins(&mut self) {
        if let Some(index) = self.certain() {
            self.versions |= u64::from(Version::DUE) << (16 * index);
        }
    }

    fn list_ends(&mut self) {
        self.versions &= !Self::of_all(Version::DUE);
    }

    /// Versions that no list can show any more are forgotten: one under way, or a later one.
    fn tidy(&mut self) {
        if let Some(first) = self.due().or(self.certain()) {
            self.versions >>= 16 * first;
        }
    }

    /// What the list under way may show of it: a version, or nothing.
    fn views(self, is_complete: bool) -> impl Iterator<Item = Version> {
        let due = self.due();
        // Nothing was due when the list began: the portal was too young, or not there.
        let nothing = (due.is_none() || !is_complete).then_some(Version(0));
        let from = if is_complete { due.unwrap_or(0) } else { 0 };
        nothing.into_iter().chain((from..self.len()).map(move |index| self.version(index)))
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(maker) = self.maker else { return f.write_str("-") };
        write!(f, "{maker:?}")?;
        for version in self.versions() {
            write!(f, ":{}", SPELLED[usize::from(version.name())])?;
            if version.lag() > 0 {
                write!(f, "~{}", version.lag())?;
            }
        }
        Ok(())
    }
}

/// All times are relative to now, so states of different histories meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) slots: [Slot; SLOTS],
    /// The names that another org has, one bit each.
    pub(super) foreign: u8,
    /// For how long yet a copy of an attempt for that name may be processed, although its
    /// connection ended.
    pub(super) pending: [u8; 2],
    /// How often somebody else may yet rename a portal, and for how long not a new one.
    pub(super) renames: u8,
    young: u8,
}

impl Hash for Service {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut makers = 0;
        for slot in &self.slots {
            let maker = slot.maker.map_or(0, |maker| maker as u64 + 1);
            hasher.write_u64(slot.versions);
            makers = makers << 8 | maker << 5 | u64::from(slot.young);
        }
        let [first, second] = self.pending;
        let rest = u32::from_le_bytes([self.foreign, first, second, self.renames]);
        hasher.write_u64(makers << 32 | u64::from(rest));
    }
}

/// What a list shows of each slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct View(pub(super) [Version; SLOTS]);

/// One record of a list.
pub(super) struct Record {
    id: usize,
    name: u8,
    renames: u8,
}

impl Record {
    pub(super) fn body(&self, bare: bool) -> String {
        let name = SPELLED[usize::from(self.name)];
        if bare {
            return format!(r#"{{"name":"{name}"}}"#);
        }
        let modified = ["16:13:33", "16:14:02", "16:14:03", "16:14:04"][usize::from(self.renames)];
        format!(
            r#"{{"created_time":"2021-11-25T16:13:33+05:30","modified_time":"2021-11-25T{modified}+05:30","name":"{name}","active":true,"zaid":"10{}"}}"#,
            self.id
        )
    }
}

impl View {
    pub(super) fn records(self) -> impl Iterator<Item = Record> {
        self.0
            .into_iter()
            .enumerate()
            .filter(|(_, version)| version.exists())
            .map(|(id, version)| Record { id, name: version.name(), renames: version.renames() })
    }

    /// The same as if nobody had renamed anything: where the call is a rename, under the old name.
    pub(super) fn without_renames(mut self, is_rename: bool) -> Self {
        for version in self.0.iter_mut().filter(|version| version.exists()) {
            let is_by_others = is_rename && version.name() == RENAMED;
            *version = Version::new(if is_by_others { 0 } else { version.name() }, 0, 0, 0);
        }
        self
    }

    pub(super) fn names(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().filter(|version| version.exists()).map(Version::name)
    }

    pub(super) fn shows(self, name: u8) -> bool {
        self.names().any(|shown| shown == name)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names().map(|name| SPELLED[usize::from(name)]);
        f.debug_list().entries(names).finish()
    }
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    Create {
        name: u8,
    },
    /// Of the first name to the second.
    Rename,
}

impl Deed {
    fn pending(self) -> usize {
        match self {
            Self::Create { name } => usize::from(name),
            Self::Rename => 0,
        }
    }
}

/// What happens on the service without this flow's doing.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "a violation shows them by Debug")]
pub(super) enum Act {
    /// A copy of an attempt whose connection ended is processed after all.
    Process(Deed),
    /// Somebody else of the org creates a portal.
    Colleague(u8),
    /// Another create of this machine does, at the same time.
    Machine,
    /// Another org takes the name.
    AnotherOrg(u8),
    /// Somebody else of the org renames a portal.
    Rename { slot: usize, to: u8 },
}

impl Service {
    /// Every service that the flow may find. A run after a certain outcome finds one of them too.
    pub(super) fn all(world: &World) -> Vec<Self> {
        let mut services = Vec::new();
        for foreign in (0..4).filter(|foreign| foreign & !world.others == 0) {
            services.push(Self::new(foreign, world));
        }
        for name in 0..3 {
            let with: Vec<_> = services
                .iter()
                .filter(|service| {
                    world.before >> name & 1 != 0
                        && !service.is_foreign(name)
                        && (!world.limited || service.is_empty())
                })
                .flat_map(|service| {
                    let young =
                        (1..=world.lag).map(|lag| service.with(Maker::Colleague, name, lag));
                    let young = young.filter(|_| world.colleagues >> name & 1 != 0);
                    young.chain([service.with(Maker::Before, name, 0)])
                })
                .collect();
            services.extend(with);
        }
        if world.is_rename {
            services.retain(|service| service.has(0) || service.foreign == 0);
        }
        if world.receipt {
            services.retain(|service| !service.shows(2));
            services = services
                .into_iter()
                .flat_map(|service| {
                    (0..=world.lag).map(move |lag| service.with(Maker::Machine, 2, lag))
                })
                .collect();
        }
        services
    }

    fn new(foreign: u8, world: &World) -> Self {
        let World { renames, young, .. } = *world;
        Self { slots: [Slot::EMPTY; SLOTS], foreign, pending: [0; 2], renames, young }
    }

    /// The same with one more portal that a list may miss for `lag` yet.
    pub(super) fn with(mut self, maker: Maker, name: u8, lag: u8) -> Self {
        let ours = if maker == Maker::Us { Version::OURS } else { 0 };
        let slot = self.slots.iter_mut().find(|slot| slot.maker.is_none()).expect("a free slot");
        slot.maker = Some(maker);
        let may_be_renamed = self.renames > 0 && maker != Maker::Before;
        slot.young = if may_be_renamed { self.young } else { 0 };
        slot.push(Version::new(name, lag, 0, ours));
        self
    }

    pub(super) fn made_by(&self, maker: Maker) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.maker == Some(maker))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.maker.is_none())
    }

    /// Whether a portal of the org has that name, or a list may show that one has.
    pub(super) fn shows(&self, name: u8) -> bool {
        self.slots.iter().any(|slot| slot.versions().any(|version| version.name() == name))
    }

    pub(super) fn has(&self, name: u8) -> bool {
        self.slots.iter().any(|slot| slot.is_named(name))
    }

    pub(super) fn is_foreign(&self, name: u8) -> bool {
        self.foreign & (1 << name) != 0
    }

    pub(super) fn is_taken(&self, name: u8) -> bool {
        self.is_foreign(name) || self.has(name)
    }

    /// Whether a request would take effect now.
    pub(super) fn can(&self, deed: Deed, limited: bool) -> bool {
        match deed {
            Deed::Create { name } => {
                !self.is_taken(name)
                    && (!limited || self.is_empty())
                    && self.slots.iter().any(|slot| slot.maker.is_none())
            }
            Deed::Rename => {
                let can = |slot: Slot| slot.is_named(0) && slot.has_room();
                self.slots.into_iter().any(can) && !self.is_taken(1)
            }
        }
    }

    /// The request is processed, where it can take effect.
    pub(super) fn process(self, deed: Deed, lag: u8) -> Self {
        match deed {
            Deed::Create { name } => self.with(Maker::Us, name, lag),
            Deed::Rename => {
                let slot = self.slots.iter().position(|slot| slot.is_named(0)).expect("there");
                self.renamed(slot, 1, lag, Version::OURS)
            }
        }
    }

    fn renamed(mut self, slot: usize, to: u8, lag: u8, flags: u16) -> Self {
        let before = self.slots[slot].current().expect("it exists");
        // What this call did stays a part of it, also if somebody gives the portal its old name back.
        let ours = before.0 & Version::OURS;
        self.slots[slot].push(Version::new(to, lag, before.renames() + 1, flags | ours));
        self.tidied()
    }

    pub(super) fn ended(mut self, deed: Deed, processing: u8) -> Self {
        let pending = &mut self.pending[deed.pending()];
        *pending = processing.max(*pending);
        self
    }

    /// Whether an attempt may yet take effect, now or once a name is free.
    pub(super) fn has_pending(&self) -> bool {
        self.pending != [0; 2]
    }

    /// Whether an attempt of that name may yet take effect.
    pub(super) fn is_pending(&self, deed: Deed, limited: bool) -> bool {
        self.pending[deed.pending()] > 0 && self.can(deed, limited)
    }

    /// One unit of time. What was pending until then is lost for good.
    pub(super) fn ticked(mut self) -> Self {
        self.slots.iter_mut().for_each(Slot::tick);
        self.pending = self.pending.map(|left| left.saturating_sub(1));
        self.tidied()
    }

    /// A list begins: it shows at least what no list can miss now.
    pub(super) fn list_begun(mut self) -> Self {
        self.slots.iter_mut().for_each(Slot::list_begins);
        self
    }

    pub(super) fn list_ended(mut self) -> Self {
        self.slots.iter_mut().for_each(Slot::list_ends);
        self.tidied()
    }

    fn tidied(mut self) -> Self {
        self.slots.iter_mut().for_each(Slot::tidy);
        self
    }

    /// Everything that a list which ends now may show.
    pub(super) fn views(&self, is_complete: bool) -> Vec<View> {
        let mut views = vec![View([Version(0); SLOTS])];
        for (index, slot) in self.slots.iter().enumerate() {
            let shown = slot.views(is_complete);
            views = shown
                .flat_map(|version| {
                    let version = version.shown();
                    views.iter().map(move |view| {
                        let mut view = *view;
                        view.0[index] = version;
                        view
                    })
                })
                .collect();
        }
        views
    }

    /// Everything that can still happen to what was attempted, once the call has ended.
    pub(super) fn late_acts(&self, world: &World) -> Vec<(Act, Self)> {
        let mut acts = self.acts(world);
        acts.retain(|(act, _)| matches!(act, Act::Process(_) | Act::Rename { .. }));
        acts
    }

    /// Everything that others can do now.
    pub(super) fn acts(&self, world: &World) -> Vec<(Act, Self)> {
        let mut acts = Vec::new();
        let deeds: &[Deed] = if world.is_rename {
            &[Deed::Rename]
        } else {
            &[Deed::Create { name: 0 }, Deed::Create { name: 1 }]
        };
        for &deed in deeds {
            if self.is_pending(deed, world.limited) {
                acts.push((Act::Process(deed), self.process(deed, world.lag)));
            }
        }
        for name in 0..RENAMED {
            let free = !self.is_taken(name);
            let has_room = self.slots.iter().any(|slot| slot.maker.is_none());
            if world.colleagues >> name & 1 != 0
                && free
                && has_room
                && (!world.limited || self.is_empty())
            {
                let after = self.with(Maker::Colleague, name, world.lag);
                acts.push((Act::Colleague(name), after));
            }
            if world.others >> name & 1 != 0 && free {
                let after = Self { foreign: self.foreign | 1 << name, ..*self };
                acts.push((Act::AnotherOrg(name), after));
            }
        }
        let free = !self.is_taken(2) && self.slots.iter().any(|slot| slot.maker.is_none());
        if world.driver == Driver::NoLock && free {
            acts.push((Act::Machine, self.with(Maker::Machine, 2, world.lag)));
        }
        if self.renames > 0 {
            for slot in (0..SLOTS).filter(|slot| self.slots[*slot].maker.is_some()) {
                for to in 0..=RENAMED {
                    let allowed = world.renames_to >> to & 1 != 0;
                    let is_old = self.slots[slot].young == 0;
                    if allowed && is_old && !self.is_taken(to) && self.slots[slot].has_room() {
                        let mut after = self.renamed(slot, to, world.lag, 0);
                        after.renames -= 1;
                        if after.renames == 0 {
                            after.slots.iter_mut().for_each(|slot| slot.young = 0);
                        }
                        acts.push((Act::Rename { slot, to }, after));
                    }
                }
            }
        }
        acts
    }

    /// An attempt that can never take effect any more can be forgotten, where names stay.
    pub(super) fn without_impossible(mut self, world: &World) -> Self {
        if self.renames == 0 && !world.is_rename {
            for name in 0..2 {
                if !self.can(Deed::Create { name }, world.limited) {
                    self.pending[usize::from(name)] = 0;
                }
            }
        }
        self
    }
}

impl Default for View {
    fn default() -> Self {
        Self([Version::default(); SLOTS])
    }
}
