//! The one word that decides whether a call is admitted.
//!
//! ```text
//!  63                                        5 4    3 2    0
//! ┌───────────────────────────────────────────┬──────┬──────┐
//! │ generation                                │ gate │ state│
//! └───────────────────────────────────────────┴──────┴──────┘
//! ```
//!
//! The generation is counted up by every transition. It has 59 bits: at one transition per
//! nanosecond they would last for 18 years, so it never comes round, and a permit kept for however
//! long is never taken for one of the present generation.

use super::state::{Gate, State};

/// State, gate and generation of one moment, in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

/// What the word says of the gate; the time until which it refuses lies beside the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Let it pass.
    Pass,
    /// Refuse, unless the time has come.
    Refuse,
    /// Ask the state machine.
    Ask,
}

const STATE_BITS: u32 = 3;
const GATE_BITS: u32 = 2;
const GENERATION_SHIFT: u32 = STATE_BITS + GATE_BITS;

impl Word {
    pub(crate) fn new(state: State, gate: Gate, generation: u64) -> Self {
        let state = match state {
            State::Closed => 0,
            State::Open => 1,
            State::HalfOpen => 2,
            State::Isolated => 3,
            State::Disabled => 4,
        };
        let gate = match gate {
            Gate::Pass => 0,
            Gate::Refuse { .. } => 1,
            Gate::Ask => 2,
        };
        Self(generation << GENERATION_SHIFT | gate << STATE_BITS | state)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    #[inline]
    pub(crate) fn sign(self) -> Sign {
        match self.0 >> STATE_BITS & 3 {
            0 => Sign::Pass,
            1 => Sign::Refuse,
            _ => Sign::Ask,
        }
    }

    #[inline]
    pub(crate) fn state(self) -> State {
        match self.0 & 7 {
            0 => State::Closed,
            1 => State::Open,
            2 => State::HalfOpen,
            3 => State::Isolated,
            _ => State::Disabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_comes_out_as_it_went_in() {
        let gates =
            [(Gate::Pass, Sign::Pass), (Gate::Refuse { until: None }, Sign::Refuse), (Gate::Ask, Sign::Ask)];
        for state in [State::Closed, State::Open, State::HalfOpen, State::Isolated, State::Disabled] {
            for (gate, sign) in gates {
                for generation in [0, 1, (1 << 59) - 1] {
                    let word = Word::from_bits(Word::new(state, gate, generation).bits());
                    assert_eq!((word.state(), word.sign(), word.generation()), (state, sign, generation));
                }
            }
        }
    }
}
