//! A safe call: a [`Flow`] creates a portal, or renames one.
//!
//! Neither call can be undone or rehearsed, and there is no idempotency key; after a lost response
//! only the list of the org's portals shows what happened. A [`Flow`] is a state machine without
//! clock, random source or I/O: a driver takes the next [`Step`], performs it once, and reports
//! the [`Event`]. Everything the driver must honor is in the step; it reports facts, and only the
//! flow classifies them. Times are durations on one monotonic clock of the driver's.
//!
//! # Rules
//! Where a rule is also kept elsewhere, by the ledger, the driver or the transport, only the flow's part
//! is here.
//!
//! 1. **Baseline.** A complete list comes right before every attempt, and one from a cache or with more
//!    pages counts for nothing, neither for presence nor for absence. *The* baseline is the first list of
//!    the operation, kept over adoptions. Only a token without the scope READ attempts without one, and
//!    then cannot verify.
//! 2. **Intent before attempt.** [`Step::Record`] comes before [`Step::Send`], and the time is checked
//!    again after it.
//! 3. **Certain rejections are an allow-list**: documented codes under their documented status. A
//!    rejection determines its own attempt only: a negative outcome needs every attempt determined.
//!    Everything else leaves the attempt in doubt, a 407 included, which a gateway may send for the copy of
//!    one that is at work. A redirect and a rejection of another kind would come again, so they are only
//!    verified. After any other 401, a new token is worth one try.
//! 4. **Rejections that an own copy may have caused** (`ALREADY_USED`, `LIMIT_REACHED`, of a rename
//!    `INVALID_DATA`) are verified by a list at once, where presence counts, and by one that begins a
//!    list lag later. A name is another org's if and only if that list equals the baseline; only then a
//!    fallback is tried. 429 and other codes say nothing of a copy: rule 5.
//! 5. **Absence counts late, presence at once.** Absence needs a list that began one processing time plus
//!    one list lag after the end of the last attempt in doubt. Meanwhile the flow polls, ever more slowly.
//! 6. **No origin without evidence**: see [`Origin`](crate::outcome::Origin). Success for another name is
//!    evidence of an effect: the outcome is unknown, and names it.
//! 7. **Portals can be renamed**, so they are matched by id. In doubt, one that neither the baseline nor
//!    another entry explains, and that shows signs of a rename, may be the one: no further attempt, and
//!    the outcome is unknown.
//! 8. **Repeat only where harmless**: at most twice in doubt, after a backoff and a list; a 429 does not
//!    count. A create may be repeated in doubt, since names are unique; a rename only after a list proves
//!    that it did not happen, and shows the portal under its old name.
//! 12. **Rate limits**: the flow waits as long as `Retry-After` requests, at least the backoff, with
//!     jitter. A wait beyond the deadline ends the sending at once; lists go on until then. A throttle of
//!     the accounts server is a rate limit.
//! 13. **It ends** by [`Policy::deadline`], and an attempt begins only if it, its processing time, the list
//!     lag and a list fit before that. With nothing in doubt, a request that fails is tried five times
//!     within 20 s.
//! 14. **One place.** If the credentials lead to another API later, nothing more is sent.
//!
//! [`Flow::abandon`] is true at any moment, and [`Flow::recover`] never sends anything but lists.
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | what it holds |
//! |---|---|
//! | `tests` | a unit test of each rule |
//! | `kernel::events` | what an event means |
//! | `kernel::state` | what the exhaustive test of portal-proof tells flows apart by |
//! | `kernel` | [`Flow`]: its state, its steps and the moves between them |
//! | `effect` | a create or a rename, and the outcomes of both |
//! | `create`, `rename` | what is specific to each |
//! | `responses` | which rejections are certain |
//! | `evidence` | what is known of an org's portals |
//! | `step` | what a flow and its driver exchange |
//! | `policy` | times and limits |

mod create;
mod effect;
mod evidence;
mod kernel;
mod policy;
mod rename;
mod responses;
mod step;
#[cfg(test)]
mod tests;

pub use evidence::{Evidence, Receipt};
pub use kernel::Flow;
#[doc(hidden)]
pub use kernel::{IfAbsent, InFlight, Phase};
pub use policy::{DeadlineTooShort, Jitter, NameTaken, Policy};
pub use step::{Activity, Event, Step, TokenId, UnexpectedEvent};

pub use crate::intent::{Baseline, Intent, KnownPortal};
pub use crate::oauth::TokenError;
pub use crate::transport::{NoResponse, NotSent, TransportError};
