//! What a sku says of itself: the model, the kind of usage, the unit.

use std::fmt;

/// A sku taken apart, by its end first: a model's name may hold nearly anything.
///
/// Reading never fails and never loses text. What fits no known form is of [`ModelType::Other`], has no model and no
/// kind, and is there whole in [`Sku::as_str`].
///
/// ```
/// use billing_model::{ModelType, Sku, UnitType, UsageKind};
/// let sku = Sku::parse("llama-3.3-70b-llm-cache-input-mtoken");
/// assert_eq!((sku.model(), sku.kind()), (Some("llama-3.3-70b"), Some(UsageKind::CacheRead)));
/// assert_eq!((sku.model_type(), sku.unit_type()), (ModelType::Llm, UnitType::Mtoken));
/// assert_eq!(Sku::parse("a-product-of-2030").model_type(), ModelType::Other);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sku<'a> {
    text: &'a str,
    model: Option<&'a str>,
    model_type: ModelType,
    kind: Option<UsageKind>,
}

/// What kind of product is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ModelType {
    /// A language model.
    Llm,
    /// A model that turns text into vectors. Its skus look like those of a language model; its name tells it.
    Embedding,
    /// A model that makes or edits images.
    Image,
    /// A model that makes videos.
    Video,
    /// A model that makes music or sounds.
    Music,
    /// A search of the web.
    Search,
    /// A credit, or a sku of an unknown form.
    Other,
}

impl ModelType {
    /// The type in one word, `llm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Embedding => "embedding",
            Self::Image => "image",
            Self::Video => "video",
            Self::Music => "music",
            Self::Search => "search",
            Self::Other => "other",
        }
    }

    /// The type as usage analytics call it, `LLM`; `None` where they have no word for it. `EMBEDDING` and `MUSIC` are ours,
    /// the others upstream's. Upstream's `TTS` and `ASR` are never said here: no form of a sku is known for them.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Llm => Some("LLM"),
            Self::Embedding => Some("EMBEDDING"),
            Self::Image => Some("IMAGE"),
            Self::Video => Some("VIDEO"),
            Self::Music => Some("MUSIC"),
            Self::Search | Self::Other => None,
        }
    }
}

/// What of a model was used. The order is that of a breakdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum UsageKind {
    /// Tokens read.
    Input,
    /// Tokens written.
    Output,
    /// Tokens read from the cache.
    CacheRead,
    /// Tokens written to the cache.
    CacheWrite,
    /// Tokens written to the cache for five minutes.
    CacheWrite5m,
    /// Tokens written to the cache for an hour.
    CacheWrite1h,
    /// Tokens read, at the price of long contexts.
    ExtendedInput,
    /// Tokens written, at the price of long contexts.
    ExtendedOutput,
    /// Tokens read from the cache, at the price of long contexts.
    ExtendedCacheRead,
    /// Tokens written to the cache, at the price of long contexts.
    ExtendedCacheWrite,
    /// Tokens written to the cache for five minutes, at the price of long contexts.
    ExtendedCacheWrite5m,
    /// Tokens written to the cache for an hour, at the price of long contexts.
    ExtendedCacheWrite1h,
    /// An image.
    Unit,
    /// A fixed fee for an image or a piece of music.
    Fixed,
    /// A fixed fee for the edit of an image.
    EditFixed,
    /// A video by its length, at the rate of a resolution.
    DurationRate,
    /// A video by its resolution.
    Resolution,
    /// A piece of music by its length.
    DurationBased,
    /// A request, flat.
    Request,
}

impl UsageKind {
    /// The kind in one word, `cache_read`.
    pub fn as_str(self) -> &'static str {
        self.names().0
    }

    /// The kind as the breakdown of usage analytics calls it, `Cache Read`. Upstream's words are known for input,
    /// output and the cache; the others are ours.
    pub fn label(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Input => ("input", "Input"),
            Self::Output => ("output", "Output"),
            Self::CacheRead => ("cache_read", "Cache Read"),
            Self::CacheWrite => ("cache_write", "Cache Write"),
            Self::CacheWrite5m => ("cache_write_5m", "Cache Write 5m"),
            Self::CacheWrite1h => ("cache_write_1h", "Cache Write 1h"),
            Self::ExtendedInput => ("extended_input", "Extended Input"),
            Self::ExtendedOutput => ("extended_output", "Extended Output"),
            Self::ExtendedCacheRead => ("extended_cache_read", "Extended Cache Read"),
            Self::ExtendedCacheWrite => ("extended_cache_write", "Extended Cache Write"),
            Self::ExtendedCacheWrite5m => ("extended_cache_write_5m", "Extended Cache Write 5m"),
            Self::ExtendedCacheWrite1h => ("extended_cache_write_1h", "Extended Cache Write 1h"),
            Self::Unit => ("unit", "Unit"),
            Self::Fixed => ("fixed", "Fixed"),
            Self::EditFixed => ("edit_fixed", "Edit Fixed"),
            Self::DurationRate => ("duration_rate", "Duration Rate"),
            Self::Resolution => ("resolution", "Resolution"),
            Self::DurationBased => ("duration_based", "Duration Based"),
            Self::Request => ("request", "Request"),
        }
    }
}

/// What the units of an entry count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum UnitType {
    /// Millions of tokens.
    Mtoken,
    /// Images.
    Image,
    /// Videos, or what a video is charged by.
    Video,
    /// Pieces of music, or what one is charged by.
    Music,
    /// Requests.
    Request,
    /// What only the sku's owner knows.
    Unit,
}

impl UnitType {
    /// The unit in one word, `mtoken`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mtoken => "mtoken",
            Self::Image => "image",
            Self::Video => "video",
            Self::Music => "music",
            Self::Request => "request",
            Self::Unit => "unit",
        }
    }

    /// The unit as usage analytics call it. `tokens` are counted in millions all the same. `requests` and `units` are
    /// our words. What a unit of a video or a piece of music is differs from sku to sku, so these are just `units`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Mtoken => "tokens",
            Self::Image => "images",
            Self::Request => "requests",
            Self::Video | Self::Music | Self::Unit => "units",
        }
    }
}

impl<'a> Sku<'a> {
    /// Takes a sku apart.
    pub fn parse(text: &'a str) -> Self {
        if text == "search-augmentation" {
            return Self { text, model: None, model_type: ModelType::Search, kind: Some(UsageKind::Request) };
        }
        let found = tokens(text).or_else(|| image(text)).or_else(|| video(text)).or_else(|| music(text));
        match found.and_then(|(model, ..)| model_name(model)).zip(found) {
            None => Self { text, model: None, model_type: ModelType::Other, kind: None },
            Some((model, (_, ModelType::Llm, kind))) if names_embedding(model) => {
                Self { text, model: Some(model), model_type: ModelType::Embedding, kind: Some(kind) }
            }
            Some((model, (_, model_type, kind))) => {
                Self { text, model: Some(model), model_type, kind: Some(kind) }
            }
        }
    }

    /// The whole sku, as it came.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The model, without an `-api` at its end, which is a way to it and not another model; `None` for what has none
    /// and for a sku of an unknown form. Never empty.
    pub fn model(&self) -> Option<&'a str> {
        self.model
    }

    /// What kind of product it is.
    pub fn model_type(&self) -> ModelType {
        self.model_type
    }

    /// What of it was used; `None` for credits and for a sku of an unknown form.
    pub fn kind(&self) -> Option<UsageKind> {
        self.kind
    }

    /// What its units count.
    pub fn unit_type(&self) -> UnitType {
        match self.model_type {
            ModelType::Llm | ModelType::Embedding => UnitType::Mtoken,
            ModelType::Image => UnitType::Image,
            ModelType::Video => UnitType::Video,
            ModelType::Music => UnitType::Music,
            ModelType::Search => UnitType::Request,
            ModelType::Other => UnitType::Unit,
        }
    }
}

impl fmt::Display for Sku<'_> {
    /// The whole sku.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text)
    }
}

/// What stands before a known end, and what the end says.
type Form<'a> = (&'a str, ModelType, UsageKind);

/// `{model}-llm-[extended-]{input|output|cache-input|cache-write[-5m|-1h]}-mtoken`
fn tokens(text: &str) -> Option<Form<'_>> {
    let (model, used) = text.strip_suffix("-mtoken")?.rsplit_once("-llm-")?;
    let kind = match used {
        "input" => UsageKind::Input,
        "output" => UsageKind::Output,
        "cache-input" => UsageKind::CacheRead,
        "cache-write" => UsageKind::CacheWrite,
        "cache-write-5m" => UsageKind::CacheWrite5m,
        "cache-write-1h" => UsageKind::CacheWrite1h,
        "extended-input" => UsageKind::ExtendedInput,
        "extended-output" => UsageKind::ExtendedOutput,
        "extended-cache-input" => UsageKind::ExtendedCacheRead,
        "extended-cache-write" => UsageKind::ExtendedCacheWrite,
        "extended-cache-write-5m" => UsageKind::ExtendedCacheWrite5m,
        "extended-cache-write-1h" => UsageKind::ExtendedCacheWrite1h,
        _ => return None,
    };
    Some((model, ModelType::Llm, kind))
}

/// `{model}-image-unit` and `{model}[-edit]-fixed-[1K-][websearch-]1img`
fn image(text: &str) -> Option<Form<'_>> {
    if let Some(model) = text.strip_suffix("-image-unit") {
        return Some((model, ModelType::Image, UsageKind::Unit));
    }
    let sized = strip_measure(text, "img")?;
    let sized = sized.strip_suffix("-websearch").unwrap_or(sized);
    let model = strip_measure(sized, "K").unwrap_or(sized).strip_suffix("-fixed")?;
    Some(match model.strip_suffix("-edit") {
        Some(model) => (model, ModelType::Image, UsageKind::EditFixed),
        None => (model, ModelType::Image, UsageKind::Fixed),
    })
}

/// `{model}[-text-to-video]-{duration-rate|resolution}-1080p`
fn video(text: &str) -> Option<Form<'_>> {
    const TASKS: [&str; 4] = ["-text-to-video", "-image-to-video", "-video-to-video", "-reference-to-video"];
    let charged = ["p", "k", "K"].iter().find_map(|unit| strip_measure(text, unit))?;
    let (model, kind) = match charged.strip_suffix("-duration-rate") {
        Some(model) => (model, UsageKind::DurationRate),
        None => (charged.strip_suffix("-resolution")?, UsageKind::Resolution),
    };
    let model = TASKS.iter().find_map(|task| model.strip_suffix(task)).unwrap_or(model);
    Some((model, ModelType::Video, kind))
}

/// `{model}-duration-based-60s` and `{model}-fixed[-1min]`
fn music(text: &str) -> Option<Form<'_>> {
    if let Some(model) = strip_measure(text, "s").and_then(|text| text.strip_suffix("-duration-based")) {
        return Some((model, ModelType::Music, UsageKind::DurationBased));
    }
    let model = strip_measure(text, "min").unwrap_or(text).strip_suffix("-fixed")?;
    Some((model, ModelType::Music, UsageKind::Fixed))
}

/// The text before `-{digits}{unit}`.
fn strip_measure<'a>(text: &'a str, unit: &str) -> Option<&'a str> {
    let measured = text.strip_suffix(unit)?;
    let before = measured.trim_end_matches(|digit: char| digit.is_ascii_digit());
    (before.len() < measured.len()).then_some(before)?.strip_suffix('-')
}

/// The name of a model without an `-api` at its end, if there is a name.
fn model_name(model: &str) -> Option<&str> {
    let name = model.strip_suffix("-api").filter(|name| !name.is_empty()).unwrap_or(model);
    (!name.is_empty()).then_some(name)
}

fn names_embedding(model: &str) -> bool {
    model.split('-').any(|word| matches!(word, "embedding" | "embeddings" | "embed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CASES: &str = include_str!("../../../tests/data/sku-cases.csv");

    fn check(text: &str, expect: [&str; 4]) {
        let sku = Sku::parse(text);
        let kind = sku.kind().map_or("", UsageKind::as_str);
        let found = [sku.model().unwrap_or(""), sku.model_type().as_str(), kind, sku.unit_type().as_str()];
        assert_eq!(found, expect, "{text}");
        assert_eq!(sku.as_str(), text);
    }

    #[test]
    fn known_skus_are_taken_apart_as_the_table_says() {
        let mut lines = CASES.lines();
        assert_eq!(lines.next(), Some("sku,model,type,kind,evidence"));
        for line in lines {
            let [text, model, model_type, kind, _] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            check(text, [model, model_type, kind, Sku::parse(text).unit_type().as_str()]);
        }
    }

    #[test]
    fn every_form_has_its_unit() {
        for (text, expect) in [
            ("a-llm-input-mtoken", ["a", "llm", "input", "mtoken"]),
            ("a-llm-b-llm-output-mtoken", ["a-llm-b", "llm", "output", "mtoken"]),
            ("a-llm-extended-cache-write-1h-mtoken", ["a", "llm", "extended_cache_write_1h", "mtoken"]),
            ("nomic-embed-text-llm-input-mtoken", ["nomic-embed-text", "embedding", "input", "mtoken"]),
            ("embedded-1-llm-input-mtoken", ["embedded-1", "llm", "input", "mtoken"]),
            ("a-image-unit", ["a", "image", "unit", "image"]),
            ("a-fixed-2K-websearch-1img", ["a", "image", "fixed", "image"]),
            ("a-edit-fixed-websearch-4img", ["a", "image", "edit_fixed", "image"]),
            ("a-b-image-to-video-duration-rate-720p", ["a-b", "video", "duration_rate", "video"]),
            ("a-resolution-4k", ["a", "video", "resolution", "video"]),
            ("a-duration-based-120s", ["a", "music", "duration_based", "music"]),
            ("a-fixed-1min", ["a", "music", "fixed", "music"]),
            ("search-augmentation", ["", "search", "request", "request"]),
            ("credit-purchase", ["", "other", "", "unit"]),
        ] {
            check(text, expect);
        }
    }

    #[test]
    fn usage_analytics_have_words_of_their_own() {
        for (text, model_type, unit_type) in [
            ("a-llm-input-mtoken", Some("LLM"), "tokens"),
            ("text-embedding-a-llm-input-mtoken", Some("EMBEDDING"), "tokens"),
            ("a-image-unit", Some("IMAGE"), "images"),
            ("a-duration-rate-720p", Some("VIDEO"), "units"),
            ("a-duration-based-60s", Some("MUSIC"), "units"),
            ("search-augmentation", None, "requests"),
            ("credit-purchase", None, "units"),
            ("a-product-of-2030", None, "units"),
        ] {
            let sku = Sku::parse(text);
            assert_eq!(
                (sku.model_type().label(), sku.unit_type().label()),
                (model_type, unit_type),
                "{text}"
            );
        }
    }

    #[test]
    fn what_fits_no_form_is_kept_whole() {
        for text in [
            "",
            "-",
            "-llm-input-mtoken",
            "-fixed",
            "llm-input-mtoken",
            "a-llm-thought-mtoken",
            "a-input-mtoken",
            "a-fixed-img",
            "a-fixed-1K",
            "a-duration-rate",
            "a-resolution-p",
            "a-duration-based-s",
            "A-LLM-INPUT-MTOKEN",
            "a-fixed-٣img",
            "search-augmentation-2",
            "a-llm-input-mtoken ",
            "é-1é-img",
        ] {
            check(text, ["", "other", "", "unit"]);
        }
        check("-api-fixed", ["-api", "music", "fixed", "music"]);
    }

    fn any_end() -> impl Strategy<Value = String> {
        prop_oneof![
            "-llm-(extended-)?(input|output|cache-input|cache-write(-5m|-1h)?)-mtoken",
            "-image-unit",
            "(-edit)?-fixed-([124]K-)?(websearch-)?[1-9]img",
            "(-(text|image|video|reference)-to-video)?-(duration-rate|resolution)-(720p|1080p|4k)",
            "-duration-based-[1-9]0s",
            "-fixed(-[1-9]min)?",
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_kept(text in "(\\PC|-|[0-9]|-fixed|-llm-|-mtoken|1img|K|-api|-edit|-1|p|min|s){0,12}") {
            let sku = Sku::parse(&text);
            prop_assert_eq!(sku.as_str(), &text);
            prop_assert!(sku.model().is_none_or(|model| !model.is_empty() && text.starts_with(model)));
            prop_assert_eq!(sku.model().is_some(), sku.kind().is_some() && sku.model_type() != ModelType::Search);
        }

        #[test]
        fn a_model_before_any_known_end_comes_back(
            model in "\\PC{0,4}[a-z0-9.]{1,8}(-[a-z0-9.]{1,8}|-llm|-image|-fixed|-1img|-2026-06-14|-embedding){0,4}",
            api in any::<bool>(), end in any_end(),
        ) {
            // Nobody can tell these ends of a name from what follows a name.
            prop_assume!(!["-edit", "-api", "-to-video"].iter().any(|end| model.ends_with(end)));
            let text = format!("{model}{}{end}", if api { "-api" } else { "" });
            let sku = Sku::parse(&text);
            prop_assert_eq!(sku.model(), Some(model.as_str()));
            prop_assert!(sku.kind().is_some() && sku.model_type() != ModelType::Other);
        }
    }
}
