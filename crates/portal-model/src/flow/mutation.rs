//! The rules of the flow, broken on purpose: what the proof must notice.

/// One rule broken. Outside of tests none is, and the compiler removes the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    /// Rule 1: a POST without a look before it.
    NoBaseline,
    /// Rule 2: names compared letter by letter.
    ExactNames,
    /// Rule 3: a refusal is believed although an earlier POST is in doubt.
    DoubtForgotten,
    /// Rule 3: a look-up counts at once.
    NothingSettles,
    /// Rule 4: a POST is sent however late it is.
    NoTimeKept,
    /// Rule 5: a refused token is replaced as often as it is refused.
    EveryTokenReplaced,
    /// Rule 5: what the service asks for after a 429 is ignored.
    Impatient,
    /// Rule 6: the intent comes after the POST.
    IntentTooLate,
}

#[cfg(not(test))]
impl Mutation {
    #[expect(clippy::unused_self, reason = "tests ask it of a mutation")]
    pub(super) const fn is_on(self) -> bool {
        false
    }
}

#[cfg(test)]
thread_local! {
    static ON: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
impl Mutation {
    pub(super) fn is_on(self) -> bool {
        ON.get() == Some(self)
    }

    /// Does `work` with the rule broken, in this thread.
    pub(super) fn during<T>(self, work: impl FnOnce() -> T) -> T {
        ON.set(Some(self));
        let result = work();
        ON.set(None);
        result
    }
}
