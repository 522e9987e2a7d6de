//! What can be bought, and for how much: models as the provider names them, with prices of about the right size.

use rust_decimal::Decimal;

/// A model that reads and writes text. Prices are in 10⁻⁵ USD per million tokens.
pub(crate) struct ChatModel {
    pub(crate) name: &'static str,
    pub(crate) input_price_e5: i64,
    pub(crate) output_price_e5: i64,
    /// Of models that keep a prompt's prefix for the next request.
    pub(crate) cache_price_e5: Option<i64>,
}

const fn chat(name: &'static str, input: i64, output: i64, cache: Option<i64>) -> ChatModel {
    ChatModel { name, input_price_e5: input, output_price_e5: output, cache_price_e5: cache }
}

/// The models that are talked to, the favourites more than once.
pub(crate) const CHAT_MODELS: [ChatModel; 12] = [
    chat("zai-org-glm-5-1", 154_000, 484_000, Some(29_000)),
    chat("zai-org-glm-5-1", 154_000, 484_000, Some(29_000)),
    chat("kimi-k2-7-code", 95_000, 400_000, Some(19_000)),
    chat("kimi-k2-7-code", 95_000, 400_000, Some(19_000)),
    chat("claude-sonnet-4-6", 360_000, 1_800_000, Some(36_000)),
    chat("openai-gpt-54-mini", 93_750, 562_500, Some(9_375)),
    chat("openai-gpt-54-mini", 93_750, 562_500, Some(9_375)),
    chat("llama-3.3-70b", 70_000, 280_000, None),
    chat("venice-uncensored", 20_000, 90_000, None),
    chat("venice-uncensored", 20_000, 90_000, None),
    chat("qwen3-235b", 15_000, 75_000, None),
    chat("qwen3-235b", 15_000, 75_000, None),
];

/// The model that turns text into numbers: cheap, so a short text costs less than a millionth of a dollar.
pub(crate) const EMBEDDING: ChatModel = chat("text-embedding-bge-m3", 15_000, 0, None);

/// Something with a price per piece, in 10⁻⁵ USD.
pub(crate) struct Piece {
    pub(crate) sku: &'static str,
    pub(crate) price_e5: i64,
    pub(crate) notes: &'static str,
}

const fn piece(sku: &'static str, price_e5: i64, notes: &'static str) -> Piece {
    Piece { sku, price_e5, notes }
}

/// Images, which come in batches.
pub(crate) const IMAGES: [Piece; 3] = [
    piece("venice-sd35-image-unit", 1_000, "Image Inference"),
    piece("flux-2-pro-image-unit", 4_000, "Image Inference"),
    piece("nano-banana-edit-fixed-1img", 4_000, "Image Inference"),
];

/// Clips, which come alone.
pub(crate) const CLIPS: [Piece; 2] = [
    piece("kling-v3-pro-text-to-video-duration-rate-1080p", 24_000, "Video Inference"),
    piece("elevenlabs-music-duration-based-60s", 69_000, "API Inference"),
];

/// A search of the web, charged beside the request that asked for it.
pub(crate) const SEARCH: Piece = piece("search-augmentation", 1_000, "API Inference");

/// The price as a decimal, in its shortest form.
pub(crate) fn price(price_e5: i64) -> Decimal {
    Decimal::new(price_e5, 5).normalize()
}
