//! Analytics for a person: a table by day, one by model and one by API key, exact to the last digit.

use billing_model::{Analytics, DaySpend, KeySpend, ModelSpend, OtherAmount, Total, one_line};
use billing_report::table::{Fitted, Room};

use crate::text;

/// Characters of a name or an id that are shown where there is room for them.
const MOST_OF_A_NAME: usize = 200;

/// Characters of a word.
const MOST_OF_A_WORD: usize = 40;

/// Below the tables: a reader would take the columns for all that was spent.
const WHAT_THE_SUMS_ARE_OF: &str =
    "USD includes bundled credits. Earned credits, VCU and others are in no sum.\n";

/// In the place of tables: what was spent may be of a currency that analytics have no column for.
const NOTHING_OF_OTHERS: &str =
    "The service does not sum up other currencies, such as earned credits and VCU.\n";

pub(super) struct Shown {
    pub(super) text: String,
    /// The columns that had no room, by table.
    pub(super) left_out: Vec<(&'static str, Vec<String>)>,
}

/// All of it, in so many columns of a terminal.
pub(super) fn shown(analytics: &Analytics, room: Room) -> Shown {
    // A service may give the newest first.
    let mut days: Vec<&DaySpend> = analytics.by_date.iter().collect();
    days.sort_by_key(|day| day.date);
    let span = match (days.first(), days.last()) {
        (Some(first), Some(last)) if first.date == last.date => format!("on {} (UTC)", first.date),
        (Some(first), Some(last)) => format!("from {} to {} (UTC)", first.date, last.date),
        _ => format!("in {}", one_line(&analytics.lookback, MOST_OF_A_WORD)),
    };
    let others = |day: &DaySpend| day.others.iter().any(OtherAmount::is_something);
    let something = days.iter().flat_map(|day| &day.others).filter(|other| other.is_something());
    let more = text::not_shown(something.map(|other| other.name.as_str()));
    let is_quiet = |day: &DaySpend| day.usd.is_zero() && day.diem.is_zero();
    if days.iter().all(|day| is_quiet(day)) && analytics.by_model.is_empty() && analytics.by_key.is_empty() {
        let more = more.as_deref().unwrap_or(NOTHING_OF_OTHERS);
        let text = format!("No USD, bundled credits or DIEM were spent {span}.\n{more}");
        return Shown { text, left_out: Vec::new() };
    }
    // A day on which something else was spent is none without spend.
    days.retain(|day| !is_quiet(day) || others(day));
    let mut shown = Shown { text: format!("Spend {span}, before refunds.\n"), left_out: Vec::new() };
    let quiet = analytics.by_date.len() - days.len();
    shown.add("By day", &by_day(&days), &[&["DIEM"]], room);
    match quiet {
        0 => {}
        1 => shown.text.push_str("1 day without spend is not listed.\n"),
        quiet => shown.text.push_str(&format!("{quiet} days without spend are not listed.\n")),
    }
    shown.add("By model", &by_model(&analytics.by_model), &[&["type"], &["units", "unit"], &["DIEM"]], room);
    shown.add("By API key", &by_key(&analytics.by_key), &[&["id"], &["units"], &["DIEM"]], room);
    shown.text.push_str(&format!("\n{WHAT_THE_SUMS_ARE_OF}{}", more.unwrap_or_default()));
    shown
}

impl Shown {
    /// A table below its name; nothing where it has no rows.
    fn add<const N: usize>(
        &mut self,
        name: &'static str,
        rows: &[[String; N]],
        giving_way: &[&[&str]],
        room: Room,
    ) {
        if rows.len() < 2 {
            return;
        }
        let Fitted { text, left_out } = Fitted::new(rows, giving_way, room);
        self.text.push_str(&format!("\n{name}\n{text}"));
        if !left_out.is_empty() {
            self.left_out.push((name, left_out));
        }
    }
}

fn by_day(days: &[&DaySpend]) -> Vec<[String; 3]> {
    let mut rows = vec![["day", "USD", "DIEM"].map(str::to_owned)];
    rows.extend(days.iter().map(|day| [day.date.to_string(), day.usd.to_string(), day.diem.to_string()]));
    if days.len() > 1 {
        let sum = |of: fn(&DaySpend) -> &Total| {
            let mut sum = Total::default();
            days.iter().for_each(|day| sum.merge(of(day)));
            sum.to_string()
        };
        rows.push(["all".to_owned(), sum(|day| &day.usd), sum(|day| &day.diem)]);
    }
    rows
}

fn by_model(models: &[ModelSpend]) -> Vec<[String; 6]> {
    let mut rows = vec![["model", "type", "units", "unit", "USD", "DIEM"].map(str::to_owned)];
    for model in models {
        let word = |word: &str| one_line(word, MOST_OF_A_WORD);
        rows.push([
            one_line(&model.model_name, MOST_OF_A_NAME),
            model.model_type.as_deref().map_or_else(|| "-".to_owned(), word),
            model.total_units.to_string(),
            word(&model.unit_type),
            model.total_usd.to_string(),
            model.total_diem.to_string(),
        ]);
        rows.extend(model.breakdown.iter().map(|part| {
            [
                format!("  {}", one_line(&part.kind, MOST_OF_A_NAME)),
                String::new(),
                part.units.to_string(),
                String::new(),
                part.usd.to_string(),
                part.diem.to_string(),
            ]
        }));
    }
    rows
}

fn by_key(keys: &[KeySpend]) -> Vec<[String; 5]> {
    let mut rows = vec![["key", "id", "units", "USD", "DIEM"].map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
        let id = key.api_key_id.as_deref().map_or_else(|| "-".to_owned(), |id| one_line(id, MOST_OF_A_NAME));
        let name = one_line(&key.description, MOST_OF_A_NAME);
        [
            // A key need not be called anything.
            if name.trim().is_empty() { id.clone() } else { name },
            id,
            key.total_units.to_string(),
            key.total_usd.to_string(),
            key.total_diem.to_string(),
        ]
    }));
    rows
}
