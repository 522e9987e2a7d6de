//! A pattern that names of models fit or not.

use std::fmt;
use std::str::FromStr;

use glob::Pattern;

/// A pattern of names of models: `*` stands for any text, `?` for one character, `[ab]` for a or b. Upper and lower case differ:
/// names of models have none but lower.
///
/// ```
/// use billing_report::ModelPattern;
/// let pattern: ModelPattern = "claude-*".parse()?;
/// assert!(pattern.matches("claude-opus-4-6") && !pattern.matches("zai-org-glm-5-1"));
/// # Ok::<(), billing_report::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPattern(Pattern);

impl ModelPattern {
    /// True when all of a name fits.
    pub fn matches(&self, model: &str) -> bool {
        self.0.matches(model)
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}

/// A text that is no pattern, such as `[a`. Put a character that stands for itself into brackets: `[[]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at character {position}")]
pub struct PatternError {
    problem: &'static str,
    /// From 1.
    position: usize,
}

impl FromStr for ModelPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let error = |error: glob::PatternError| PatternError { problem: error.msg, position: error.pos + 1 };
        Pattern::new(text).map(Self).map_err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_names() {
        for (pattern, model, expect) in [
            ("claude-*", "claude-opus-4-6", true),
            ("claude-*", "my-claude-opus", false),
            ("claude-*", "Claude-opus", false),
            ("*", "", true),
            ("*/*", "a/b", true),
            ("*", "a/b", true),
            ("gpt-?", "gpt-5", true),
            ("gpt-?", "gpt-55", false),
            ("[ab]x", "bx", true),
            ("[[]x", "[x", true),
        ] {
            let pattern: ModelPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(model), expect, "{pattern} {model}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_where() {
        for (text, expect) in [
            ("[a", "invalid range pattern at character 1"),
            ("ab[", "invalid range pattern at character 3"),
            ("***", "wildcards are either regular `*` or recursive `**` at character 3"),
        ] {
            assert_eq!(text.parse::<ModelPattern>().unwrap_err().to_string(), expect);
        }
    }
}
