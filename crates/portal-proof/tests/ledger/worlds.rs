//! The worlds that are searched: who wants what, and what goes wrong.

use super::world::{CREATE, Deed, Reply, WORLD, Wish, World};

const KEYED: Wish = Wish { key: Some("key"), ..CREATE };
const OTHER_KEY: Wish = Wish { key: Some("other key"), ..CREATE };
const AT_ONCE: Wish = Wish { at_once: true, ..KEYED };
const OTHER: Wish = Wish { deed: Deed::Create(1), ..CREATE };
const ANOTHER: Wish = Wish { allow_another: true, ..CREATE };
const RENAME: Wish = Wish { deed: Deed::Rename(0, 1), ..CREATE };

/// The same create twice.
pub(super) const TWICE: World = World { title: "create twice", ..WORLD };
/// The same, under one key.
pub(super) const KEYED_TWICE: World = World { title: "one key", wishes: &[KEYED, KEYED], ..WORLD };
/// The same, one of them under a key, or each under a key of its own.
const ONE_KEYED: World =
    World { title: "with key and without", wishes: &[KEYED, CREATE], is_symmetric: false, ..WORLD };
const TWO_KEYS: World =
    World { title: "two keys", wishes: &[KEYED, OTHER_KEY], is_symmetric: false, ..WORLD };
/// One key whose name is told as taken at once, and the same again, or another name then.
const AT_ONCE_TWICE: World =
    World { title: "one key at once", wishes: &[AT_ONCE, AT_ONCE], ..WORLD };
const AT_ONCE_NAMES: World = World {
    title: "one key at once, two names",
    wishes: &[AT_ONCE, Wish { deed: Deed::Create(1), ..AT_ONCE }],
    is_symmetric: false,
    ..WORLD
};
/// Two names in one org, which may have one portal.
pub(super) const TWO_NAMES: World =
    World { title: "two names", wishes: &[CREATE, OTHER], is_symmetric: false, ..WORLD };
/// The same, by another credential, with which the org's id is not known.
pub(super) const TWO_CREDENTIALS: World = World {
    title: "two credentials",
    wishes: &[CREATE, Wish { knows_org: false, ..OTHER }],
    is_symmetric: false,
    ..WORLD
};
/// A create, and a rename of its portal.
pub(super) const RENAMED: World =
    World { title: "create and rename", wishes: &[CREATE, RENAME], is_symmetric: false, ..WORLD };
/// The same rename twice.
const RENAME_TWICE: World =
    World { title: "rename twice", wishes: &[RENAME, RENAME], before: Some(0), ..WORLD };
/// A create under a key, and a rename of its portal: who asks again hears the name by now.
pub(super) const KEY_RENAMED: World =
    World { title: "key and rename", wishes: &[KEYED, RENAME], is_symmetric: false, ..WORLD };
/// The same, renamed back, or with the name given to a portal of another key.
const KEY_RENAMED_BACK: World = World {
    title: "key and rename, and back",
    wishes: &[KEYED, RENAME, Wish { deed: Deed::Rename(1, 0), ..CREATE }],
    is_symmetric: false,
    ..WORLD
};
const NAME_GIVEN_AGAIN: World = World {
    title: "two keys and rename",
    wishes: &[
        Wish { allow_another: true, ..KEYED },
        RENAME,
        Wish { allow_another: true, ..OTHER_KEY },
    ],
    is_symmetric: false,
    ..WORLD
};
/// A rename under a key, and one back.
const KEYED_RENAME: World = World {
    title: "rename under a key, and back",
    wishes: &[
        Wish { deed: Deed::Rename(0, 1), ..KEYED },
        Wish { deed: Deed::Rename(1, 0), ..CREATE },
    ],
    before: Some(0),
    is_symmetric: false,
    ..WORLD
};
/// The same create twice, whatever else the org has.
const ANOTHER_TWICE: World =
    World { title: "another portal twice", wishes: &[ANOTHER, ANOTHER], ..WORLD };
/// Three at once.
const THREE: World = World { title: "create thrice", wishes: &[CREATE, CREATE, CREATE], ..WORLD };
const TWICE_RENAMED: World = World {
    title: "create twice and rename",
    wishes: &[CREATE, CREATE, RENAME],
    is_symmetric: false,
    ..WORLD
};
const THREE_NAMES: World = World {
    title: "two names, one twice",
    wishes: &[CREATE, OTHER, OTHER],
    is_symmetric: false,
    ..WORLD
};

const REPLIES: &[Reply] =
    &[Reply::Limited, Reply::NewCode, Reply::Used, Reply::Missing, Reply::Rejected];

/// What goes wrong.
fn with(what: &str, world: World) -> World {
    let world = match what {
        "replies" => World { replies: REPLIES, ..world },
        "asked again" => World { restarts: 1, ..world },
        "killed" => World { kills: 1, restarts: 1, recovers: true, ..world },
        "killed twice" => World { kills: 2, restarts: 2, recovers: true, ..world },
        "frozen" => World { freezes: 1, ..world },
        "stale" => World { freezes: 1, stale: true, ..world },
        "frozen twice" => World { freezes: 2, ..world },
        "frozen, killed" => World { freezes: 1, kills: 1, restarts: 1, recovers: true, ..world },
        "no responses" => World { lost: 1, ..world },
        "no responses, killed" => World { lost: 2, kills: 1, restarts: 1, ..world },
        "no responses, frozen" => World { lost: 1, freezes: 1, ..world },
        "stopped" => World { stops: 1, restarts: 1, recovers: true, ..world },
        "stopped, killed" => World { stops: 1, kills: 1, restarts: 1, ..world },
        "colleague" => World { renames: 1, kills: 1, restarts: 1, ..world },
        "colleague, frozen" => World { renames: 1, freezes: 1, ..world },
        "replies, killed" => {
            World { replies: REPLIES, kills: 1, restarts: 1, recovers: true, ..world }
        }
        "replies, colleague" => {
            World { replies: REPLIES, renames: 1, kills: 1, restarts: 1, ..world }
        }
        "foreign" => World { replies: REPLIES, foreign: true, kills: 1, restarts: 1, ..world },
        "long" => World { deadline: 10, kills: 1, restarts: 1, recovers: true, ..world },
        other => panic!("{other}"),
    };
    World { title: format!("{}, {what}", world.title).leak(), ..world }
}

/// Every attempt fits once, so that only who adopts makes a second one.
const BRIEF: u8 = 5;

/// With the time for one attempt.
pub(super) fn short() -> Vec<World> {
    let worlds = middle().into_iter();
    worlds.map(|world| World { deadline: BRIEF, ..world }).collect()
}

/// With the time for two.
pub(super) fn middle() -> Vec<World> {
    let all = [TWICE, KEYED_TWICE, TWO_NAMES, TWO_CREDENTIALS, RENAMED, RENAME_TWICE];
    let mut worlds = Vec::new();
    for world in all {
        let what = ["replies", "killed", "frozen", "stale", "no responses", "stopped", "colleague"];
        worlds.extend(what.map(|what| with(what, world)));
    }
    worlds.extend([AT_ONCE_TWICE, AT_ONCE_NAMES].map(|world| with("replies", world)));
    for what in ["asked again", "killed", "colleague"] {
        worlds.extend([KEY_RENAMED, KEYED_RENAME].map(|world| with(what, world)));
    }
    worlds
}

pub(super) fn long() -> Vec<World> {
    let brief = |world: World| World { deadline: BRIEF, ..world };
    let mut worlds = Vec::new();
    for world in
        [TWICE, KEYED_TWICE, ONE_KEYED, TWO_KEYS, TWO_NAMES, TWO_CREDENTIALS, RENAMED, RENAME_TWICE]
    {
        let twice = ["killed twice", "frozen twice", "frozen, killed", "no responses, killed"];
        worlds.extend(twice.map(|what| with(what, brief(world))));
        let both =
            ["stopped, killed", "no responses, frozen", "replies, killed", "replies, colleague"];
        worlds.extend(both.map(|what| with(what, brief(world))));
        let more = ["colleague, frozen", "foreign"];
        worlds.extend(more.map(|what| with(what, world)));
    }
    for world in [ONE_KEYED, TWO_KEYS] {
        let what = ["replies", "killed", "frozen", "stale", "no responses", "stopped", "colleague"];
        worlds.extend(what.map(|what| with(what, world)));
    }
    for world in [AT_ONCE_TWICE, AT_ONCE_NAMES] {
        worlds.extend(["replies, killed", "foreign"].map(|what| with(what, brief(world))));
    }
    for world in [AT_ONCE_TWICE, AT_ONCE_NAMES] {
        worlds.push(with("replies, colleague", brief(world)));
    }
    for world in [KEY_RENAMED, KEYED_RENAME] {
        let what = ["replies, killed", "replies, colleague", "frozen, killed"];
        worlds.extend(what.map(|what| with(what, brief(world))));
    }
    for world in [KEY_RENAMED_BACK, NAME_GIVEN_AGAIN] {
        worlds.extend(["asked again", "killed"].map(|what| with(what, brief(world))));
    }
    worlds.push(with("colleague", ANOTHER_TWICE));
    worlds.push(with("long", TWICE));
    worlds.push(with("long", RENAMED));
    for world in [THREE, TWICE_RENAMED, THREE_NAMES] {
        let what = ["replies", "killed", "frozen", "stopped"];
        worlds.extend(what.map(|what| with(what, brief(world))));
    }
    worlds
}
