//! CTranslate2 weights to ggml, so that weights which a package carries can be used by whisper.cpp.
//!
//! The two formats hold the same tensors under other names. Renaming does it, but for the
//! projections of attention, which CTranslate2 stacks row by row. One-dimensional tensors, the
//! positional embeddings and the biases of the convolutions become 32-bit floats, everything else
//! stays 16-bit, as in the files that whisper.cpp publishes.

mod ctranslate2;
mod mel;
mod vocabulary;

use std::collections::BTreeMap;
use std::io::{self, Write};

use ctranslate2::Variable;

const MAGIC: i32 = 0x6767_6d6c;
const AUDIO_CONTEXT: i32 = 1500;
const TEXT_CONTEXT: i32 = 448;
const F16: i32 = 1;
/// GPT-2's tokens. The special ones after them are added by whisper.cpp itself.
const TOKENS: usize = 50_257;

/// Weights that can't be converted.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConvertError {
    /// Not what its format says.
    #[error("the weights are damaged")]
    Damaged,
    /// A tensor is missing.
    #[error("the weights lack {0}")]
    Missing(String),
    /// A kind of model that isn't known.
    #[error("{0} can't be converted")]
    Unsupported(String),
    /// The disk.
    #[error("the model can't be written: {0}")]
    Io(#[from] io::Error),
}

/// Converts; `weights` is `model.bin`, `tokenizer` is `tokenizer.json`.
pub(super) fn ctranslate2_to_ggml(
    weights: &[u8],
    tokenizer: &[u8],
    out: &mut impl Write,
) -> Result<(), ConvertError> {
    let source = Source { variables: ctranslate2::read(weights)? };
    let embedding = source.get("decoder/embeddings/weight")?;
    let [vocabulary, width] = embedding.dims[..] else { return Err(ConvertError::Damaged) };
    let heads = source.get("encoder/num_heads")?.integer().ok_or(ConvertError::Damaged)?;
    let (encoder_layers, decoder_layers) = (source.layers("encoder"), source.layers("decoder"));
    let int = |number: usize| i32::try_from(number).map_err(|_| ConvertError::Damaged);

    let header = [
        MAGIC,
        int(vocabulary)?,
        AUDIO_CONTEXT,
        int(width)?,
        heads,
        int(encoder_layers)?,
        TEXT_CONTEXT,
        int(width)?,
        heads,
        int(decoder_layers)?,
        int(mel::MELS)?,
        F16,
        int(mel::MELS)?,
        int(mel::BINS)?,
    ];
    for number in header {
        out.write_all(&number.to_le_bytes())?;
    }
    for weight in mel::filters() {
        out.write_all(&weight.to_le_bytes())?;
    }
    let tokens = vocabulary::tokens(tokenizer, TOKENS)?;
    out.write_all(&int(tokens.len())?.to_le_bytes())?;
    for token in tokens {
        out.write_all(&int(token.len())?.to_le_bytes())?;
        out.write_all(&token)?;
    }

    let mut target = Target { source: &source, out };
    target.coder("encoder", encoder_layers)?;
    target.coder("decoder", decoder_layers)?;
    Ok(())
}

struct Source<'a> {
    variables: BTreeMap<String, Variable<'a>>,
}

impl<'a> Source<'a> {
    fn get(&self, name: &str) -> Result<&Variable<'a>, ConvertError> {
        self.variables.get(name).ok_or_else(|| ConvertError::Missing(name.to_owned()))
    }

    fn layers(&self, part: &str) -> usize {
        (0..1000)
            .take_while(|n| self.variables.contains_key(&format!("{part}/layer_{n}/ffn/linear_0/weight")))
            .count()
    }
}

struct Target<'a, W> {
    source: &'a Source<'a>,
    out: &'a mut W,
}

impl<W: Write> Target<'_, W> {
    fn coder(&mut self, part: &str, layers: usize) -> Result<(), ConvertError> {
        self.whole(
            &format!("{part}/position_encodings/encodings"),
            &format!("{part}.positional_embedding"),
            Width::Full,
        )?;
        if part == "encoder" {
            for conv in ["conv1", "conv2"] {
                self.whole(
                    &format!("encoder/{conv}/weight"),
                    &format!("encoder.{conv}.weight"),
                    Width::Half,
                )?;
                self.column(&format!("encoder/{conv}/bias"), &format!("encoder.{conv}.bias"))?;
            }
        } else {
            self.whole("decoder/embeddings/weight", "decoder.token_embedding.weight", Width::Half)?;
        }
        let last = if part == "encoder" { "encoder.ln_post" } else { "decoder.ln" };
        self.norm(&format!("{part}/layer_norm"), last)?;
        for layer in 0..layers {
            let (from, to) = (format!("{part}/layer_{layer}"), format!("{part}.blocks.{layer}"));
            self.norm(&format!("{from}/self_attention/layer_norm"), &format!("{to}.attn_ln"))?;
            let heads = [("query", true), ("key", false), ("value", true)];
            self.stacked(&format!("{from}/self_attention/linear_0"), &format!("{to}.attn"), &heads)?;
            self.linear(&format!("{from}/self_attention/linear_1"), &format!("{to}.attn.out"))?;
            if part == "decoder" {
                self.norm(&format!("{from}/attention/layer_norm"), &format!("{to}.cross_attn_ln"))?;
                self.stacked(
                    &format!("{from}/attention/linear_0"),
                    &format!("{to}.cross_attn"),
                    &heads[..1],
                )?;
                self.stacked(
                    &format!("{from}/attention/linear_1"),
                    &format!("{to}.cross_attn"),
                    &heads[1..],
                )?;
                self.linear(&format!("{from}/attention/linear_2"), &format!("{to}.cross_attn.out"))?;
            }
            self.norm(&format!("{from}/ffn/layer_norm"), &format!("{to}.mlp_ln"))?;
            self.linear(&format!("{from}/ffn/linear_0"), &format!("{to}.mlp.0"))?;
            self.linear(&format!("{from}/ffn/linear_1"), &format!("{to}.mlp.2"))?;
        }
        Ok(())
    }

    fn norm(&mut self, from: &str, to: &str) -> Result<(), ConvertError> {
        self.whole(&format!("{from}/gamma"), &format!("{to}.weight"), Width::Full)?;
        self.whole(&format!("{from}/beta"), &format!("{to}.bias"), Width::Full)
    }

    fn linear(&mut self, from: &str, to: &str) -> Result<(), ConvertError> {
        self.whole(&format!("{from}/weight"), &format!("{to}.weight"), Width::Half)?;
        self.whole(&format!("{from}/bias"), &format!("{to}.bias"), Width::Full)
    }

    /// Takes apart projections that are stacked by rows. Keys have no bias in Whisper.
    fn stacked(&mut self, from: &str, to: &str, parts: &[(&str, bool)]) -> Result<(), ConvertError> {
        let weight = self.source.get(&format!("{from}/weight"))?;
        let [rows, columns] = weight.dims[..] else { return Err(ConvertError::Damaged) };
        let (weights, biases) = (weight.floats()?, self.source.get(&format!("{from}/bias"))?.floats()?);
        let height = rows / parts.len();
        if height * parts.len() != rows || biases.len() != rows {
            return Err(ConvertError::Damaged);
        }
        for (n, (part, has_bias)) in parts.iter().enumerate() {
            let range = n * height * columns..(n + 1) * height * columns;
            self.tensor(&format!("{to}.{part}.weight"), &[height, columns], &weights[range], Width::Half)?;
            if *has_bias {
                let bias = &biases[n * height..(n + 1) * height];
                self.tensor(&format!("{to}.{part}.bias"), &[height], bias, Width::Full)?;
            }
        }
        Ok(())
    }

    fn whole(&mut self, from: &str, to: &str, width: Width) -> Result<(), ConvertError> {
        let variable = self.source.get(from)?;
        self.tensor(to, &variable.dims, &variable.floats()?, width)
    }

    /// A bias that ggml wants as a column.
    fn column(&mut self, from: &str, to: &str) -> Result<(), ConvertError> {
        let numbers = self.source.get(from)?.floats()?;
        self.tensor(to, &[numbers.len(), 1], &numbers, Width::Full)
    }

    fn tensor(
        &mut self,
        name: &str,
        dims: &[usize],
        numbers: &[f32],
        width: Width,
    ) -> Result<(), ConvertError> {
        let int = |number: usize| i32::try_from(number).map_err(|_| ConvertError::Damaged);
        let mut bytes = Vec::with_capacity(numbers.len() * 4 + 64);
        for number in [int(dims.len())?, int(name.len())?, width as i32] {
            bytes.extend(number.to_le_bytes());
        }
        for dim in dims.iter().rev() {
            bytes.extend(int(*dim)?.to_le_bytes());
        }
        bytes.extend(name.as_bytes());
        match width {
            Width::Full => bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            Width::Half => {
                bytes.extend(numbers.iter().flat_map(|number| half::f16::from_f32(*number).to_le_bytes()));
            }
        }
        Ok(self.out.write_all(&bytes)?)
    }
}

/// ggml's types of tensors.
#[derive(Clone, Copy)]
enum Width {
    Full = 0,
    Half = 1,
}
