//! The service: the org's portals with the names that a list may yet show, and the attempts that may
//! yet take effect. All times are relative to now.

use portal_model::endpoint::Response;

use super::world::{Deed, GIVEN, LAG, NAMES, UNTOUCHED};

/// How many portals the org may have here, and how many names one of them in a row.
pub(super) const PORTALS: usize = 3;
const VERSIONS: usize = 3;
/// How many operations the ledger may hold here.
pub(super) const ROWS: usize = 6;

/// Who created a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    Before,
    /// An attempt of the operation in that row of the ledger.
    Row(u8),
}

/// One name that a portal has or had, and for how long yet a list may miss it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Version {
    name: u8,
    lag: u8,
    is_renamed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Portal {
    pub(super) maker: Maker,
    /// The oldest first. Those that no list can show any more are gone.
    versions: [Option<Version>; VERSIONS],
    /// For how long yet nobody else renames it.
    untouched: u8,
    /// Somebody was told that it is there.
    pub(super) is_told: bool,
    /// It was told before somebody wanted the same once more, without a key.
    pub(super) is_old: bool,
}

impl Portal {
    fn new(maker: Maker, name: u8, lag: u8, untouched: u8) -> Self {
        let first = Version { name, lag, is_renamed: false };
        let versions = [Some(first), None, None];
        Self { maker, versions, untouched, is_told: false, is_old: false }
    }

    fn names(&self) -> impl DoubleEndedIterator<Item = Version> {
        self.versions.into_iter().flatten()
    }

    pub(super) fn name(&self) -> u8 {
        self.names().next_back().map_or(GIVEN, |version| version.name)
    }

    pub(super) fn may_show(&self, name: u8) -> bool {
        self.names().any(|version| version.name == name)
    }

    fn rename(&mut self, name: u8) {
        let version = Version { name, lag: LAG, is_renamed: true };
        let free = self.versions.iter_mut().find(|version| version.is_none());
        *free.expect("room for a name") = Some(version);
    }

    fn tick(&mut self) {
        self.untouched = self.untouched.saturating_sub(1);
        for version in self.versions.iter_mut().flatten() {
            version.lag = version.lag.saturating_sub(1);
        }
        while let [Some(_), Some(Version { lag: 0, .. }), _] = self.versions {
            self.versions.rotate_left(1);
            self.versions[VERSIONS - 1] = None;
        }
    }

    /// What a list may show of it.
    fn shown(&self) -> impl Iterator<Item = Shown> {
        let is_young = self.names().next().is_some_and(|version| version.lag > 0);
        let nothing = is_young.then_some(Shown::default());
        let name = |version: Version| Shown(1 + version.name * 2 + u8::from(version.is_renamed));
        nothing.into_iter().chain(self.names().map(name))
    }
}

/// What a list shows of a portal: nothing, or a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shown(u8);

/// What a list shows.
pub(super) type View = [Shown; PORTALS];

/// The response to a list, in literal bytes.
pub(super) fn response(view: View) -> Response {
    let records = view.iter().enumerate().filter(|(_, shown)| shown.0 > 0).map(|(id, shown)| {
        let (name, is_renamed) = ((shown.0 - 1) / 2, shown.0.is_multiple_of(2));
        let (name, modified) = (NAMES[usize::from(name)], if is_renamed { 14 } else { 13 });
        format!(
            r#"{{"created_time":"2021-11-25T16:13:33+05:30","modified_time":"2021-11-25T16:{modified}:33+05:30","name":"{name}","active":true,"zaid":"10{id}"}}"#
        )
    });
    let records = records.collect::<Vec<_>>().join(",");
    if records.is_empty() {
        Response::new(204, "")
    } else {
        Response::new(200, format!(r#"{{"portals":[{records}]}}"#))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Service {
    pub(super) portals: [Option<Portal>; PORTALS],
    /// For how many units yet an attempt of each row may take effect whose connection ended.
    pub(super) open: [u8; ROWS],
    /// The same for those that were said to have done nothing.
    pub(super) denied: [u8; ROWS],
    /// The rows of which an attempt took effect, one bit each.
    pub(super) done: u8,
    /// How often a colleague may yet rename a portal.
    pub(super) renames: u8,
    pub(super) foreign: bool,
}

impl Service {
    pub(super) fn new(before: Option<u8>, renames: u8, foreign: bool) -> Self {
        let portal = before.map(|name| Portal::new(Maker::Before, name, 0, 0));
        let portals = [portal, None, None];
        Self { portals, open: [0; ROWS], denied: [0; ROWS], done: 0, renames, foreign }
    }

    pub(super) fn made(&self) -> impl Iterator<Item = &Portal> {
        self.portals.iter().flatten()
    }

    /// Whether a name is in use, here or elsewhere.
    pub(super) fn is_taken(&self, name: u8) -> bool {
        self.foreign && name == 0 || self.made().any(|portal| portal.name() == name)
    }

    /// Whether an attempt would take effect now.
    pub(super) fn can(&self, deed: Deed) -> bool {
        match deed {
            Deed::Create(name) => !self.is_taken(name),
            Deed::Rename(old, new) => {
                self.made().any(|portal| portal.name() == old) && !self.is_taken(new)
            }
        }
    }

    /// An attempt of a row takes effect.
    pub(super) fn perform(&mut self, deed: Deed, row: u8) {
        self.done |= 1 << row;
        match deed {
            Deed::Create(name) => {
                let free = self.portals.iter_mut().find(|portal| portal.is_none());
                *free.expect("room for a portal") =
                    Some(Portal::new(Maker::Row(row), name, LAG, UNTOUCHED));
            }
            Deed::Rename(old, new) => {
                let mut portals = self.portals.iter_mut().flatten();
                let portal = portals.find(|portal| portal.name() == old);
                portal.expect("a portal of the old name").rename(new);
            }
        }
    }

    /// The portals that a colleague may rename now, and what then is.
    pub(super) fn renamed(self) -> impl Iterator<Item = Self> {
        let may = self.renames > 0 && !self.is_taken(GIVEN);
        (0..PORTALS).filter_map(move |index| {
            let mut after = self;
            let portal = after.portals[index].as_mut()?;
            if !may || portal.untouched > 0 || portal.versions[VERSIONS - 1].is_some() {
                return None;
            }
            portal.rename(GIVEN);
            after.renames -= 1;
            Some(after)
        })
    }

    pub(super) fn tick(&mut self) {
        self.portals.iter_mut().flatten().for_each(Portal::tick);
        for left in self.open.iter_mut().chain(&mut self.denied) {
            *left = left.saturating_sub(1);
        }
    }

    /// Everything that a list may show now.
    pub(super) fn views(&self) -> Vec<View> {
        let mut views = vec![View::default()];
        for (index, portal) in self.portals.iter().enumerate() {
            let Some(portal) = portal else { continue };
            let shown: Vec<Shown> = portal.shown().collect();
            views = views
                .into_iter()
                .flat_map(|view| {
                    shown.iter().map(move |shown| {
                        let mut view = view;
                        view[index] = *shown;
                        view
                    })
                })
                .collect();
        }
        views
    }
}
