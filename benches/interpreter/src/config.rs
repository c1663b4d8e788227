//! Of the configuration, what the interpreter reads.

/// What may be done without asking.
#[derive(Debug, Clone)]
pub struct Safety {
    pub allow: Vec<String>,
    pub minimum_confidence: f32,
    pub confirm_ai: bool,
}

impl Default for Safety {
    fn default() -> Self {
        Self { allow: Vec::new(), minimum_confidence: 0.35, confirm_ai: true }
    }
}
