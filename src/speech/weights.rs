//! Whisper's weights in the form that this processor multiplies quickest.
//!
//! A model comes with 16-bit floats. Processors that know `bfloat16` multiply twice as many of those at a time, so
//! where ggml was built for one, the matrices are turned into it on their way from the disk: what takes most of the
//! time then takes two thirds of it. Three of eleven bits of precision go, which is no less than the 8 bits that others
//! decode the same weights with.
//!
//! The file is whisper.cpp's: eleven numbers, the filters, the vocabulary, and then tensor after tensor, each with its
//! number of dimensions, the length of its name, its type, its dimensions and its name before its numbers.

use std::ops::Range;

/// What ggml calls the kinds of numbers in a tensor.
const F32: i32 = 0;
const F16: i32 = 1;
const BF16: i32 = 30;
/// What whisper.cpp calls a file whose matrices are `F16`, or `BF16`.
const MOSTLY_F16: i32 = 1;
const MOSTLY_BF16: i32 = 24;
/// Where the file says which.
const KIND: Range<usize> = 44..48;
/// Where the filters begin.
const FILTERS: usize = 48;
const MAGIC: i32 = 0x6767_6d6c;

/// Whether ggml multiplies `bfloat16` by instructions of their own. A build for this processor knows it.
pub(super) fn bfloat_is_quick() -> bool {
    whisper_rs::print_system_info().contains("AVX512_BF16 = 1")
}

/// Turns a model's matrices into `bfloat16`. What is no model of 16-bit floats stays as it is; whisper.cpp has its
/// own words for what is damaged.
pub(super) fn to_bfloat(model: &mut [u8]) {
    if let Some(tensors) = matrices(model) {
        model[KIND].copy_from_slice(&MOSTLY_BF16.to_le_bytes());
        for tensor in tensors {
            model[tensor.kind].copy_from_slice(&BF16.to_le_bytes());
            for number in model[tensor.numbers].as_chunks_mut::<2>().0 {
                *number = half::bf16::from_f32(half::f16::from_le_bytes(*number).to_f32()).to_le_bytes();
            }
        }
    }
}

/// Where a tensor's type and its numbers stand.
struct Tensor {
    kind: Range<usize>,
    numbers: Range<usize>,
}

/// The matrices of 16-bit floats, if the file is one of these and whole.
fn matrices(model: &[u8]) -> Option<Vec<Tensor>> {
    let int = |at: usize| Some(i32::from_le_bytes(*model.get(at..)?.first_chunk()?));
    let size = |at: usize| usize::try_from(int(at)?).ok();
    if int(0)? != MAGIC || int(KIND.start)? != MOSTLY_F16 {
        return None;
    }
    let mut at = FILTERS + 8 + size(FILTERS)?.checked_mul(size(FILTERS + 4)?)?.checked_mul(4)?;
    let tokens = size(at)?;
    at += 4;
    for _ in 0..tokens {
        at = at.checked_add(4 + size(at)?)?;
    }
    let mut tensors = Vec::new();
    while at < model.len() {
        let (dimensions, name) = (size(at)?, size(at + 4)?);
        let kind = at + 8..at + 12;
        at += 12;
        let mut count = 1_usize;
        for _ in 0..dimensions {
            count = count.checked_mul(size(at)?)?;
            at += 4;
        }
        let name = model.get(at..at.checked_add(name)?)?;
        at += name.len();
        let width = match int(kind.start)? {
            F32 => 4,
            F16 => 2,
            _ => return None,
        };
        let numbers = at..at.checked_add(count.checked_mul(width)?)?;
        model.get(numbers.clone())?;
        at = numbers.end;
        // whisper.cpp wants those of the convolutions as 16-bit floats whatever the others are.
        if width == 2 && !name.windows(4).any(|part| part == b"conv") {
            tensors.push(Tensor { kind, numbers });
        }
    }
    Some(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(numbers: &[i32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn tensor(name: &str, kind: i32, numbers: &[u8], dims: &[i32]) -> Vec<u8> {
        let length = |it: usize| i32::try_from(it).unwrap();
        let head = ints(&[length(dims.len()), length(name.len()), kind]);
        [head, ints(dims), name.as_bytes().to_vec(), numbers.to_vec()].concat()
    }

    fn halves(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| half::f16::from_f32(*number).to_le_bytes()).collect()
    }

    fn model(kind: i32) -> Vec<u8> {
        let head = ints(&[MAGIC, 2, 1500, 4, 1, 1, 448, 4, 1, 1, 2, kind]);
        let filters = [ints(&[1, 2]), vec![0; 8]].concat();
        let vocabulary = [ints(&[2, 1]), b"a".to_vec(), ints(&[2]), b"bc".to_vec()].concat();
        let tensors = [
            tensor("encoder.positional_embedding", F32, &ints(&[7, 8]), &[2, 1]),
            tensor("encoder.conv1.weight", F16, &halves(&[1.5, -2.0]), &[2, 1]),
            tensor("decoder.blocks.0.mlp.0.weight", F16, &halves(&[1.001, -3.0, 0.0, 65504.0]), &[2, 2]),
        ];
        [head, filters, vocabulary, tensors.concat()].concat()
    }

    #[test]
    fn only_matrices_change() {
        let (before, mut after) = (model(MOSTLY_F16), model(MOSTLY_F16));
        to_bfloat(&mut after);
        let matrix: Vec<f32> = after[after.len() - 8..]
            .as_chunks::<2>()
            .0
            .iter()
            .map(|number| half::bf16::from_le_bytes(*number).to_f32())
            .collect();
        assert_eq!(matrix, [1.0, -3.0, 0.0, 65536.0]);
        let changed: Vec<usize> = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
        let name = "decoder.blocks.0.mlp.0.weight".len();
        let kind = after.len() - 8 - name - 8 - 4;
        assert!(
            changed.iter().all(|at| KIND.contains(at) || *at == kind || *at >= after.len() - 8),
            "{changed:?}"
        );
        assert_eq!(after[kind], 30);
    }

    #[test]
    fn what_is_damaged_or_of_another_kind_stays_as_it_is() {
        let whole = model(MOSTLY_F16);
        for length in 0..whole.len() {
            let mut part = whole[..length].to_vec();
            // Where a tensor ends, the file may end.
            if matrices(&part).is_none() {
                to_bfloat(&mut part);
                assert_eq!(part, whole[..length]);
            }
        }
        for kind in [0, 2, 7, 24] {
            let mut other = model(kind);
            to_bfloat(&mut other);
            assert_eq!(other, model(kind));
        }
        let mut huge = whole;
        huge[FILTERS..FILTERS + 8].fill(0x7f);
        assert!(matrices(&huge).is_none());
    }
}
