//! `billing balance`: what is left to spend.

use billing_model::{Balance, Currency, Total, one_line};
use billing_report::table::{Fitted, Room};

use crate::args;
use crate::asking::{Question, ask};
use crate::exit::Failure;
use crate::{stdout, text};

/// Characters of a currency that are shown.
const MOST_OF_A_CURRENCY: usize = 40;

pub(crate) fn run(args: &args::Balance) -> Result<(), Failure> {
    let answer = ask(&args.asked, Question::Balance, async |client| client.balance().await)?;
    match args.json {
        true => stdout::print_json(&answer.text),
        false => stdout::print(&shown(&answer.value, stdout::room())),
    }
}

/// What is left of each currency, and what the next request is charged in.
fn shown(balance: &Balance, room: Room) -> String {
    let left = &balance.balances;
    let allocation = &balance.diem_epoch_allocation;
    let mut rows = vec![["", "left", "a day"].map(str::to_owned)];
    let mut add = |currency: Currency, left: Option<&Total>, a_day: String| {
        if let Some(left) = left {
            rows.push([one_line(currency.as_str(), MOST_OF_A_CURRENCY), left.to_string(), a_day]);
        }
    };
    add(Currency::Diem, left.diem.as_ref(), allocation.to_string());
    add(Currency::EarnedCredits, left.earned_credits.as_ref(), String::new());
    add(Currency::BundledCredits, left.bundled_credits.as_ref(), String::new());
    add(Currency::Usd, left.usd.as_ref(), String::new());
    left.others.iter().for_each(|other| add(other.currency(), other.amount.as_ref(), String::new()));
    if left.diem.is_none() {
        rows.iter_mut().for_each(|row| row[2].clear());
    }
    let no_number = left.others.iter().filter(|other| other.amount.is_none());
    let more = text::not_shown(no_number.map(|other| other.name.as_str()));
    let table = match rows.len() {
        1 if balance.can_consume || more.is_some() => {
            "The service lists no currency with something left.\n".to_owned()
        }
        1 => "Nothing is left of any currency.\n".to_owned(),
        _ => Fitted::new(&rows, &[], room).text,
    };
    let more = more.unwrap_or_default();
    let currency = balance.consumption_currency.as_ref();
    let currency = currency.map(|currency| one_line(currency.as_str(), MOST_OF_A_CURRENCY));
    let next = match (balance.can_consume, currency.filter(|name| !name.trim().is_empty())) {
        (true, Some(currency)) => format!("The next request is charged in {currency}."),
        (true, None) => "A request would be served.".to_owned(),
        (false, _) => "A request would be refused.".to_owned(),
    };
    format!("{table}{more}{next}\n")
}
