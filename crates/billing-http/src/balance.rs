//! Reads what is left to spend.

use billing_model::Balance;
use reqwest::header::HeaderMap;

use crate::answer::Answer;
use crate::call::{Call, Request};
use crate::client::{Client, Persistence};
use crate::error::Error;
use crate::reply::Failure;
use crate::timer::Timer;

impl Client {
    /// Reads `GET /billing/balance`: what is left to spend, trying again as the policy has it.
    ///
    /// ```
    /// use billing_http::{ApiKey, Client};
    /// # use billing_testkit::{Reply, Upstream};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let body = r#"{"canConsume":true,"consumptionCurrency":"DIEM","balances":{"diem":12.50,"usd":null},"diemEpochAllocation":100}"#;
    /// # let upstream = Upstream::start(move |_| Reply::json(200, body)).await;
    /// # let base_url = upstream.base_url();
    /// let client = Client::builder(base_url, ApiKey::new("admin-key")?).build()?;
    /// let answer = client.balance().await?;
    /// assert!(answer.value.can_consume && answer.text.contains("\"diem\":12.50,"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error`] with the last try's failure and the number of tries.
    pub async fn balance(&self) -> Result<Answer<Balance>, Error> {
        let sent = self.send(&BalanceCall, Persistence::Full, &mut Timer::default()).await;
        sent.map(|sent| sent.answer).map_err(|failure| failure.error)
    }
}

/// It asks for nothing more.
struct BalanceCall;

impl Call for BalanceCall {
    type Answer = Answer<Balance>;

    fn request(&self) -> Request<'_> {
        Request::reading("billing/balance", String::new())
    }

    fn read(&self, _headers: &HeaderMap, body: Vec<u8>) -> Result<Answer<Balance>, Failure> {
        Answer::from_json(body, Balance::from_json)
    }
}
