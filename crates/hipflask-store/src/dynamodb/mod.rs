//! A DynamoDB table, with the records of Flask-Session.
//!
//! The table is that of Flask-Session 0.8: `Sessions` by default, billed per request, and created
//! if it is missing. Its hash key is `id` (a string). The other attributes are `val` (binary) and
//! `expiration` (a number: seconds since 1970).
//!
//! | | here | in Flask-Session 0.8 |
//! | --- | --- | --- |
//! | TTL of the table | enabled by [`ready`](crate::Store::ready) | never enabled, although intended |
//! | an expired item that still exists | not a session: DynamoDB may take days to remove it | a session |
//! | `expiration` | whole seconds in UTC, as the TTL requires | a fraction with many digits, wrong by the host's offset from UTC |
//! | two writers | the second one gets the first one's record | the second one wins |
//!
//! Reads are consistent, and each write has a condition. A load is one request, and so is a save,
//! even if it meets a conflict. The client does not repeat a write, because a repeated one would
//! conflict with itself. It repeats a write that DynamoDB rejected because of its load.
//!
//! # Configuration
//!
//! - [`DynamoDbStore::from_url`]: `dynamodb://Sessions?region=eu-west-1`, with
//!   `endpoint=http://127.0.0.1:8000` for an emulator, and `timeout` in seconds (5 by default). The
//!   keys come from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, and the
//!   region from `AWS_REGION` if the URL has none. An emulator (`http://`) needs no keys.
//! - [`DynamoDbStore::from_client`] takes a client, for example from `aws-config`, which supports
//!   profiles, containers and instance roles.
//!
//! The user needs `GetItem`, `PutItem`, `UpdateItem` and `DeleteItem`, and `Scan` for listings. At
//! startup the store calls `DescribeTable` and `DescribeTimeToLive`, and `CreateTable` and
//! `UpdateTimeToLive` if necessary.
//!
//! An item has at most 400 KB. This store is tested against moto's server, which has no capacity
//! limits and never removes expired items.

mod failure;
mod item;

use core::fmt;
use core::time::Duration;

pub use aws_sdk_dynamodb as sdk;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Config, Credentials, Region};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValue,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TableDescription, TimeToLiveSpecification,
    TimeToLiveStatus,
};
use aws_smithy_http_client::tls;
use hipflask_core::time::UnixTime;

use crate::store::{
    Created, Cursor, Deleted, DeletedIf, Description, Entry, ErrorKind, Key, Page, Replaced, Scan, Store,
    StoreError, Stored, Token, Touched, expiry,
};
use failure::{Attempt, NAME, explain, is_busy};
use item::{binary, number, stored, text};

/// A table of sessions. See the [module](self).
///
/// ```
/// use hipflask_store::dynamodb::DynamoDbStore;
/// use hipflask_store::Store;
/// let store = DynamoDbStore::from_url("dynamodb://Sessions?region=eu-west-1")?;
/// assert_eq!(store.describe().address, "dynamodb://Sessions?region=eu-west-1");
/// # Ok::<(), hipflask_store::dynamodb::DynamoDbError>(())
/// ```
#[derive(Clone)]
pub struct DynamoDbStore {
    client: Client,
    table: String,
    address: String,
    make_table: bool,
}

/// An invalid configuration of a DynamoDB store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DynamoDbError {
    /// The URL is not one of a table.
    #[error("not a DynamoDB URL; write `dynamodb://TABLE?region=REGION`")]
    BadUrl,
    /// A parameter is unknown or has an invalid value.
    #[error("invalid `{name}` in the URL; use region, endpoint and timeout (in seconds)")]
    BadParameter {
        /// The parameter.
        name: &'static str,
    },
    /// The region is missing.
    #[error("DynamoDB needs a region; add `region=` to the URL or set AWS_REGION")]
    NoRegion,
}

impl DynamoDbStore {
    /// Creates the store at `url`, without connecting.
    ///
    /// # Errors
    /// [`DynamoDbError`] if the URL is invalid or the region is missing.
    pub fn from_url(url: &str) -> Result<Self, DynamoDbError> {
        let rest = url.strip_prefix("dynamodb://").ok_or(DynamoDbError::BadUrl)?;
        let (table, query) = rest.split_once('?').unwrap_or((rest, ""));
        let table = match table.trim_end_matches('/') {
            "" => "Sessions",
            table => table,
        };
        if !table.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"_.-".contains(&letter)) {
            return Err(DynamoDbError::BadUrl);
        }
        let (mut region, mut endpoint, mut timeout) = (None, None, Duration::from_secs(5));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("region", value) => region = Some(value.to_owned()),
                ("endpoint", value) => endpoint = Some(value.replace("%3A", ":").replace("%2F", "/")),
                ("timeout", value) => {
                    let seconds =
                        value.parse().map_err(|_| DynamoDbError::BadParameter { name: "timeout" })?;
                    timeout = Duration::from_secs(seconds);
                }
                _ => return Err(DynamoDbError::BadParameter { name: "parameter" }),
            }
        }
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let region = region.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.ok_or(DynamoDbError::NoRegion)?;
        let mut address = format!("dynamodb://{table}?region={region}");
        let keys = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
        let is_emulator = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let keys = match keys {
            Some((id, secret)) => Some((id, secret, variable("AWS_SESSION_TOKEN"))),
            // An emulator requires a signature and does not check it.
            None if is_emulator => Some(("local".to_owned(), "local".to_owned(), None)),
            None => None,
        };
        let mut config = configuration(region, timeout);
        if let Some(endpoint) = endpoint {
            // An account in the address includes a password.
            if !endpoint.contains('@') {
                address = format!("{address}&endpoint={endpoint}");
            }
            config = config.endpoint_url(endpoint);
        }
        if let Some((id, secret, token)) = keys {
            config = config.credentials_provider(Credentials::new(id, secret, token, None, "environment"));
        }
        let client = Client::from_conf(config.build());
        Ok(Self { client, table: table.to_owned(), address, make_table: true })
    }

    /// Creates a store that uses `client` and `table`.
    #[must_use]
    #[doc(alias("SESSION_DYNAMODB", "SESSION_DYNAMODB_TABLE"))]
    pub fn from_client(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        let address = format!("dynamodb://{table}");
        Self { client, table, address, make_table: true }
    }

    /// Sets whether a missing table is created, which is the default.
    #[must_use]
    pub const fn make_table(mut self, make_table: bool) -> Self {
        self.make_table = make_table;
        self
    }

    async fn load(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        if key.is_at_rest() {
            return Ok(None);
        }
        let answer = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = answer.key("id", text(key)).send().await.map_err(explain)?;
        Ok(answer.item.and_then(|item| stored(&item)).filter(|stored| !stored.is_expired(now)))
    }

    async fn create(
        &self,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Created, StoreError> {
        if key.is_at_rest() {
            let what = "it only finds records by their keys";
            return Err(StoreError::new(NAME, ErrorKind::Unsupported, what));
        }
        let mut attempt = Attempt::default();
        loop {
            let put = self.client.put_item().table_name(&self.table).item("id", text(key));
            let put = put.item("val", binary(data)).item("expiration", number(expiry(now, ttl)));
            let put = put.condition_expression("attribute_not_exists(id) OR expiration <= :now");
            let put = put.expression_attribute_values(":now", number(now));
            match put.customize().config_override(once()).send().await {
                Ok(_) => return Ok(Created::Created(Token::Data)),
                Err(error) if is_busy(&error) && attempt.again().await => {}
                Err(error) => match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(_)) => return Ok(Created::Exists),
                    _ => return Err(explain(error)),
                },
            }
        }
    }

    async fn replace(
        &self,
        key: &Key,
        expected: &Stored,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Replaced, StoreError> {
        if key.is_at_rest() {
            return Ok(Replaced::Gone);
        }
        let condition = format!("{LIVE} AND val = :expected");
        let values = [
            (":data", binary(data)),
            (":expected", binary(&expected.data)),
            (":expiry", number(expiry(now, ttl))),
            (":now", number(now)),
        ];
        let set = "SET val = :data, expiration = :expiry";
        Ok(match self.update(key, set, &condition, &values).await? {
            Ok(()) => Replaced::Replaced(Token::Data),
            Err(found) => {
                found.filter(|found| !found.is_expired(now)).map_or(Replaced::Gone, Replaced::Conflict)
            }
        })
    }

    async fn touch(&self, key: &Key, ttl: Duration, now: UnixTime) -> Result<Touched, StoreError> {
        if key.is_at_rest() {
            return Ok(Touched::Gone);
        }
        let values = [(":expiry", number(expiry(now, ttl))), (":now", number(now))];
        let done = self.update(key, "SET expiration = :expiry", LIVE, &values).await?;
        Ok(if done.is_ok() { Touched::Touched } else { Touched::Gone })
    }

    /// Carries out `set` if `condition` holds. Otherwise returns the current record.
    async fn update(
        &self,
        key: &Key,
        set: &str,
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> Result<Result<(), Option<Stored>>, StoreError> {
        let mut attempt = Attempt::default();
        loop {
            let mut update = self.client.update_item().table_name(&self.table).key("id", text(key));
            update = update.update_expression(set).condition_expression(condition);
            update =
                update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            for (name, value) in values {
                update = update.expression_attribute_values(*name, value.clone());
            }
            match update.customize().config_override(once()).send().await {
                Ok(_) => return Ok(Ok(())),
                Err(error) if is_busy(&error) && attempt.again().await => {}
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                        return Ok(Err(failed.item().and_then(stored)));
                    }
                    _ => return Err(explain(error)),
                },
            }
        }
    }

    async fn delete(&self, key: &Key, now: UnixTime) -> Result<Deleted, StoreError> {
        if key.is_at_rest() {
            return Ok(Deleted::Gone);
        }
        let mut attempt = Attempt::default();
        loop {
            let delete = self.client.delete_item().table_name(&self.table).key("id", text(key));
            let delete = delete.return_values(ReturnValue::AllOld);
            match delete.customize().config_override(once()).send().await {
                Ok(answer) => {
                    let was = answer.attributes.as_ref().and_then(stored);
                    let was_live = was.is_some_and(|stored| !stored.is_expired(now));
                    return Ok(if was_live { Deleted::Deleted } else { Deleted::Gone });
                }
                Err(error) if is_busy(&error) && attempt.again().await => {}
                Err(error) => return Err(explain(error)),
            }
        }
    }

    async fn delete_if(&self, key: &Key, expected: &Stored, now: UnixTime) -> Result<DeletedIf, StoreError> {
        if key.is_at_rest() {
            return Ok(DeletedIf::Gone);
        }
        let mut attempt = Attempt::default();
        loop {
            let delete = self.client.delete_item().table_name(&self.table).key("id", text(key));
            let delete = delete.condition_expression(format!("{LIVE} AND val = :expected"));
            let delete = delete.expression_attribute_values(":now", number(now));
            let delete = delete.expression_attribute_values(":expected", binary(&expected.data));
            let delete =
                delete.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            match delete.customize().config_override(once()).send().await {
                Ok(_) => return Ok(DeletedIf::Deleted),
                Err(error) if is_busy(&error) && attempt.again().await => {}
                Err(error) => match error.as_service_error() {
                    Some(DeleteItemError::ConditionalCheckFailedException(failed)) => {
                        let found = failed.item().and_then(stored).filter(|found| !found.is_expired(now));
                        return Ok(found.map_or(DeletedIf::Gone, DeletedIf::Conflict));
                    }
                    _ => return Err(explain(error)),
                },
            }
        }
    }

    async fn scan(&self, scan: &Scan, now: UnixTime) -> Result<Page, StoreError> {
        let limit = i32::try_from(scan.limit.clamp(1, LONGEST_PAGE)).unwrap_or(i32::MAX);
        let mut ask = self.client.scan().table_name(&self.table).consistent_read(true).limit(limit);
        if !scan.prefix.is_empty() {
            ask = ask.filter_expression("begins_with(id, :prefix)");
            ask = ask.expression_attribute_values(":prefix", AttributeValue::S(scan.prefix.clone()));
        }
        if let Some(after) = &scan.after {
            ask = ask.exclusive_start_key("id", AttributeValue::S(after.as_str().to_owned()));
        }
        let answer = ask.send().await.map_err(explain)?;
        let entries = answer.items().iter().filter_map(|item| {
            let key = Key::new("", item.get("id")?.as_s().ok()?).ok()?;
            let Stored { data, expires, .. } = stored(item).filter(|stored| !stored.is_expired(now))?;
            Some(Entry { key, bytes: data.len(), expires, data: scan.with_data.then_some(data) })
        });
        let last = answer.last_evaluated_key().and_then(|key| key.get("id")?.as_s().ok());
        Ok(Page { entries: entries.collect(), next: last.map(Cursor::new) })
    }

    /// The backend removes expired records by itself.
    async fn purge_expired(&self, _: UnixTime) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let described = self.client.describe_table().table_name(&self.table).send().await;
        let table = match described {
            Ok(answer) => answer.table,
            Err(error) => {
                let is_missing =
                    error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception());
                let error = explain(error);
                match error.kind() {
                    _ if is_missing && self.make_table => Some(self.make().await?),
                    // The user may lack this permission and still be able to use the table.
                    ErrorKind::Refused => None,
                    _ => return Err(error),
                }
            }
        };
        if table.as_ref().is_some_and(|table| !is_session_table(table)) {
            let what = "the key of its table is not the string `id`";
            return Err(StoreError::new(NAME, ErrorKind::Misconfigured, what));
        }
        self.switch_on_ttl().await?;
        let probe =
            Key::new("hipflask:", "ready").map_err(|_| misconfigured("the key of the probe is invalid"))?;
        self.load(&probe, UnixTime::from_secs(0)).await.map(drop)
    }

    async fn make(&self) -> Result<TableDescription, StoreError> {
        let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let (Ok(id), Ok(key)) = (id.build(), key.build()) else {
            return Err(misconfigured("the definition of its table is invalid"));
        };
        let made =
            self.client.create_table().table_name(&self.table).billing_mode(BillingMode::PayPerRequest);
        let made = made.attribute_definitions(id).key_schema(key).send().await;
        if let Err(error) = made {
            // Another process may create it at the same time.
            if !error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) {
                return Err(explain(error));
            }
        }
        let wait = self.client.wait_until_table_exists().table_name(&self.table);
        wait.wait(TABLE_IN).await.map_err(|_| {
            StoreError::new(
                NAME,
                ErrorKind::Timeout,
                format!("its table was not created within {TABLE_IN:?}"),
            )
        })?;
        let described = self.client.describe_table().table_name(&self.table).send().await.map_err(explain)?;
        described.table.ok_or_else(|| misconfigured("its table was deleted again"))
    }

    async fn switch_on_ttl(&self) -> Result<(), StoreError> {
        let answer = match self.client.describe_time_to_live().table_name(&self.table).send().await {
            Ok(answer) => answer,
            Err(error) => return self.ttl_unknown(explain(error)),
        };
        let ttl = answer.time_to_live_description;
        let status = ttl.as_ref().and_then(|ttl| ttl.time_to_live_status());
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return match ttl.as_ref().and_then(|ttl| ttl.attribute_name()) {
                Some("expiration") | None => Ok(()),
                Some(_) => {
                    Err(misconfigured("the TTL of its table is on another attribute than `expiration`"))
                }
            };
        }
        let on = TimeToLiveSpecification::builder().enabled(true).attribute_name("expiration").build();
        let on = on.map_err(|_| misconfigured("the definition of its TTL is invalid"))?;
        let switch = self.client.update_time_to_live().table_name(&self.table).time_to_live_specification(on);
        match switch.send().await {
            Ok(_) => Ok(()),
            Err(error) => self.ttl_unknown(explain(error)),
        }
    }

    /// Without the TTL sessions still expire, but their items stay and cost money.
    fn ttl_unknown(&self, error: StoreError) -> Result<(), StoreError> {
        if error.kind() != ErrorKind::Refused {
            return Err(error);
        }
        tracing::warn!(
            table = self.table,
            "no permission to read or set the table's TTL; enable it for the attribute `expiration`, \
             or allow dynamodb:DescribeTimeToLive and dynamodb:UpdateTimeToLive"
        );
        Ok(())
    }
}

fn configuration(region: String, timeout: Duration) -> Builder {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder().operation_timeout(timeout).connect_timeout(timeout).build();
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .http_client(http)
        .timeout_config(timeouts)
}

/// Disables retries, for writes: a second attempt could conflict with the first.
fn once() -> Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

fn is_session_table(table: &TableDescription) -> bool {
    let is_id = |key: &KeySchemaElement| key.attribute_name() == "id" && *key.key_type() == KeyType::Hash;
    let is_text = |attribute: &AttributeDefinition| {
        attribute.attribute_name() == "id" && *attribute.attribute_type() == ScalarAttributeType::S
    };
    matches!(table.key_schema(), [key] if is_id(key)) && table.attribute_definitions().iter().any(is_text)
}

fn misconfigured(what: &str) -> StoreError {
    StoreError::new(NAME, ErrorKind::Misconfigured, what)
}

impl Store for DynamoDbStore {
    crate::async_store_methods!();

    fn describe(&self) -> Description {
        let mut description = Description::new(NAME, self.address.clone());
        description.max_bytes = Some(LONGEST_RECORD);
        description
    }
}

/// Shows the address.
impl fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbStore").field("address", &self.address).finish_non_exhaustive()
    }
}

/// An item without `expiration` never expires.
const LIVE: &str = "attribute_exists(id) AND (attribute_not_exists(expiration) OR expiration > :now)";

const TABLE_IN: Duration = Duration::from_secs(120);
const LONGEST_PAGE: usize = 1000;

/// 400 KB less the longest key, the names of the attributes and the expiry.
const LONGEST_RECORD: usize = 400 * 1024 - 300;
