//! Real outputs, and what is told of them: `tests/data/reading`.
