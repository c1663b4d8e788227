//! Which faults come when: the same for the same seed.

use super::fault::{Fault, Manner, Part};

/// Chance that can be played again (SplitMix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below this.
    pub(super) fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}

/// Faults at the same time; one, mostly two.
pub(super) type Case = Vec<Fault>;

/// The most telling ones, for every day.
pub(super) fn short() -> Vec<Case> {
    let cases = [
        "recogniser:kill",
        "primary:freeze+redis:reset",
        "tmux:kill",
        "tmux:freeze",
        "primary:slow",
        "sound:kill",
        "daemon:kill",
    ];
    cases.map(|case| parse(case).unwrap()).into()
}

/// `primary:kill+redis:freeze`
pub(super) fn parse(text: &str) -> Result<Case, String> {
    text.split('+').map(str::parse).collect()
}

/// As it is read.
pub(super) fn shown(case: &Case) -> String {
    case.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
}

/// The cases of a long run, without end. The daemon's own deaths come first, so that the rest is one process, of
/// which can be told whether it grows. Then each fault alone, and as many pairs; and again.
pub(super) struct Long {
    chance: Chance,
    faults: Vec<Fault>,
    waiting: Vec<Case>,
}

impl Long {
    pub(super) fn new(seed: u64, disk: bool) -> Self {
        let mut chance = Chance::new(seed);
        let mut faults = Fault::all(disk);
        let death = Fault { part: Part::Daemon, manner: Manner::Kill };
        faults.retain(|fault| *fault != death);
        let mut others = faults.clone();
        chance.shuffle(&mut others);
        // What a full disk didn't take dies with the program, as it tells.
        let survives = |fault: &Fault| !matches!(fault.part, Part::Daemon | Part::Disk);
        let with = others.into_iter().filter(survives).take(6);
        let mut waiting: Vec<Case> = with.map(|fault| vec![fault, death]).collect();
        waiting.push(vec![death]);
        waiting.push(vec![death]);
        Self { chance, faults, waiting }
    }

    fn round(&mut self) {
        let mut round: Vec<Case> =
            self.faults.iter().map(|fault| fault.needs().into_iter().chain([*fault]).collect()).collect();
        for _ in 0..round.len() {
            let one = self.faults[self.chance.below(self.faults.len())];
            let others: Vec<Fault> =
                self.faults.iter().copied().filter(|other| other.part != one.part).collect();
            round.push(vec![one, others[self.chance.below(others.len())]]);
        }
        self.chance.shuffle(&mut round);
        self.waiting = round;
    }
}

impl Iterator for Long {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        if self.waiting.is_empty() {
            self.round();
        }
        self.waiting.pop()
    }
}

mod tests {
    use super::*;

    #[test]
    fn a_seed_plays_the_same_faults_again() {
        let cases = |seed| Long::new(seed, true).take(200).map(|case| shown(&case)).collect::<Vec<_>>();
        assert_eq!(cases(7), cases(7));
        assert_ne!(cases(7), cases(8));
        for fault in Fault::all(true) {
            let alone = cases(7).iter().any(|case| case.ends_with(&fault.to_string()));
            assert!(alone, "{fault}");
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert!(parse("primary:kill+nonsense").is_err());
        let lost = |seed| cases(seed).contains(&"disk:full+daemon:kill".to_owned());
        assert!(!(0..50).any(lost));
    }
}
