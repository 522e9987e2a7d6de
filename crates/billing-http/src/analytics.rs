//! Reads what was spent, by day, by model and by API key.

use billing_model::{Analytics, AnalyticsQuery};
use reqwest::header::HeaderMap;

use crate::answer::Answer;
use crate::call::{Call, Request};
use crate::client::{Client, Persistence};
use crate::error::Error;
use crate::reply::Failure;
use crate::timer::Timer;

impl Client {
    /// Reads `GET /billing/usage-analytics`: what was spent on whole UTC days, trying again as the policy has it.
    ///
    /// ```
    /// use billing_http::{ApiKey, Client};
    /// use billing_model::AnalyticsQuery;
    /// # use billing_testkit::{Reply, Upstream};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let body = r#"{"lookback":"1d","byDate":[{"date":"2026-06-14","USD":1.50,"DIEM":0}],"byModel":[],"byModelDaily":[],"topModels":[],"byKey":[],"byKeyDaily":[],"topKeyNames":[]}"#;
    /// # let upstream = Upstream::start(move |_| Reply::json(200, body)).await;
    /// # let base_url = upstream.base_url();
    /// let client = Client::builder(base_url, ApiKey::new("admin-key")?).build()?;
    /// let answer = client.analytics(&AnalyticsQuery::builder().lookback(1).build()?).await?;
    /// assert_eq!(answer.value.by_date[0].usd.to_string(), "1.5");
    /// assert!(answer.text.contains("\"USD\":1.50,"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error`] with the last try's failure and the number of tries.
    pub async fn analytics(&self, query: &AnalyticsQuery) -> Result<Answer<Analytics>, Error> {
        let sent = self.send(query, Persistence::Full, &mut Timer::default()).await;
        sent.map(|sent| sent.answer).map_err(|failure| failure.error)
    }
}

impl Call for AnalyticsQuery {
    type Answer = Answer<Analytics>;

    fn request(&self) -> Request<'_> {
        Request::reading("billing/usage-analytics", self.query_string())
    }

    fn read(&self, _headers: &HeaderMap, body: Vec<u8>) -> Result<Answer<Analytics>, Failure> {
        Answer::from_json(body, Analytics::from_json)
    }
}
