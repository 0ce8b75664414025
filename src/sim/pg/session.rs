//! A session with one instance: authentication, transactions, the simple and the extended protocol.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use futures::{Sink, stream};
use pgwire::api::auth::cleartext::CleartextPasswordAuthStartupHandler;
use pgwire::api::auth::md5pass::{Md5PasswordAuthStartupHandler, hash_md5_password};
use pgwire::api::auth::{AuthSource, LoginInfo, Password, ServerParameterProvider, StartupHandler};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{DataRowEncoder, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireServerHandlers, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use tokio_util::sync::CancellationToken;

use super::command::Command;
use super::seen::{Seen, Session};
use super::settings;
use super::token::Wanted;
use super::value::{SqlError, Value};
use crate::runbook::plan::SecretSource;
use crate::sim::weather::Blow;
use crate::sim::world::{Site, now};

/// One session: which instance it is with, and what is its own.
#[derive(Debug)]
pub struct Server {
    /// The site.
    pub site: Arc<Site>,
    /// Cluster identifier.
    pub cluster: String,
    /// Instance identifier.
    pub instance: String,
    session: Mutex<Session>,
    /// Cut, the connection ends without a word.
    cut: CancellationToken,
}

/// What pgwire asks for each part of the protocol.
pub struct Handlers {
    server: Arc<Server>,
    startup: Arc<SignIn>,
}

/// How a role shows who it is.
enum SignIn {
    /// By its password.
    Password(Md5PasswordAuthStartupHandler<Server, Server>),
    /// By a token, which is sent as it is. RDS asks for TLS then; the loopback needs none.
    Token(CleartextPasswordAuthStartupHandler<Tokens, Arc<Server>>),
}

impl Handlers {
    /// Handlers for a new session with an instance.
    pub fn new(site: Arc<Site>, cluster: String, instance: String) -> Self {
        let server =
            Arc::new(Server { site, cluster, instance, session: Mutex::default(), cut: CancellationToken::new() });
        let startup = if server.takes_tokens() {
            SignIn::Token(CleartextPasswordAuthStartupHandler::new(Tokens(server.clone()), server.clone()))
        } else {
            SignIn::Password(Md5PasswordAuthStartupHandler::new(server.clone(), server.clone()))
        };
        Self { server, startup: Arc::new(startup) }
    }

    /// What the session's connection hangs on.
    pub fn cut(&self) -> CancellationToken {
        self.server.cut.clone()
    }
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.server.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.server.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.startup.clone()
    }
}

#[async_trait]
impl StartupHandler for SignIn {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match self {
            Self::Password(handler) => handler.on_startup(client, message).await,
            Self::Token(handler) => handler.on_startup(client, message).await,
        }
    }
}

impl Server {
    /// Whether IAM vouches for the plan's role.
    fn takes_tokens(&self) -> bool {
        self.site.read(|world| {
            let place = world.partitions.iter().position(|partition| partition.cluster.id == self.cluster);
            let sql = place.and_then(|place| world.plan.partitions.get(place)?.sql.as_ref());
            sql.is_some_and(|sql| sql.password == SecretSource::Iam)
        })
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> Result<Seen, SqlError> {
        let session = self.session().clone();
        let gone = || SqlError::new("57P01", "terminating connection due to administrator command");
        Seen::by(&self.site, &self.cluster, &self.instance, session).ok_or_else(gone)
    }

    /// Notes who the client is; the protocol tells it with the start of the session.
    fn meet(&self, client: &impl ClientInfo) {
        let mut session = self.session();
        if session.user.is_empty() {
            let said = |name: &str| client.metadata().get(name).cloned().unwrap_or_default();
            session.user = said("user");
            session.database = client.metadata().get("database").cloned().unwrap_or_else(|| said("user"));
            session.application = said("application_name");
            session.pid = client.pid_and_secret_key().0;
            session.settings = startup_settings(&said("options"));
        }
    }

    /// Lets the weather strike a statement.
    async fn weathers(&self) {
        match self.site.weather.meets("postgres", false) {
            None => {}
            Some(Blow::Slow(time)) => tokio::time::sleep(time).await,
            Some(_) => {
                self.cut.cancel();
                // The connection goes, and this with it.
                std::future::pending().await
            }
        }
    }

    /// Answers a statement.
    fn answer(
        &self,
        command: &Command,
        parameters: &[Value],
        status: TransactionStatus,
        format: &Format,
    ) -> Result<Response, SqlError> {
        if status == TransactionStatus::Error && !matches!(command, Command::End(_)) {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(SqlError::new("25P02", message));
        }
        let seen = self.seen()?;
        self.site.ledger.count("postgres", &command.name(), &self.instance, matches!(command, Command::Write(_)));
        if let Some(fault) = self.site.fault("postgres", &command.name()) {
            return Err(SqlError::new(fault.code, fault.message));
        }
        match command {
            Command::Select(select) => {
                let rows = select.rows(&seen, parameters)?;
                answer_rows(&command.columns(), rows, format, "SELECT")
            }
            Command::Show(name) => {
                let shown = settings::show(&seen, name)?;
                answer_rows(&command.columns(), vec![vec![Value::Text(shown)]], format, "SHOW")
            }
            Command::Set(name, value) => self.set(&seen, name, value.as_deref()),
            Command::Begin(read_only) => {
                if *read_only == Some(false) && !seen.is_writer() {
                    return Err(SqlError::new("0A000", "cannot set transaction read-write mode during recovery"));
                }
                self.session().read_only = *read_only;
                Ok(Response::TransactionStart(Tag::new("BEGIN")))
            }
            Command::End(tag) => {
                self.session().read_only = None;
                let tag = if status == TransactionStatus::Error { "ROLLBACK" } else { tag };
                Ok(Response::TransactionEnd(Tag::new(tag)))
            }
            Command::Housekeeping(tag) => Ok(Response::Execution(Tag::new(tag))),
            Command::Write(tag) if seen.is_read_only() => {
                Err(SqlError::new("25006", format!("cannot execute {tag} in a read-only transaction")))
            }
            Command::Write(tag) => {
                Err(SqlError::new("42501", format!("permission denied: {tag} at the simulated site")))
            }
        }
    }

    fn set(&self, seen: &Seen, name: &str, value: Option<&str>) -> Result<Response, SqlError> {
        if !settings::is_settable(seen, name) {
            return Err(SqlError::new("55P02", format!("parameter \"{name}\" cannot be changed now")));
        }
        let mut session = self.session();
        match (name, value) {
            ("transaction_read_only", Some("off")) if !seen.is_writer() => {
                return Err(SqlError::new("0A000", "cannot set transaction read-write mode during recovery"));
            }
            ("transaction_read_only", value) => session.read_only = value.map(|value| value == "on"),
            ("application_name", value) => session.application = value.unwrap_or_default().to_owned(),
            (_, Some(value)) => {
                session.settings.insert(name.to_owned(), settings::normal(name, value));
            }
            (_, None) => {
                session.settings.remove(name);
            }
        }
        Ok(Response::Execution(Tag::new("SET")))
    }
}

/// The settings that a client gives with the start of the session: `-c name=value -c …`.
fn startup_settings(options: &str) -> BTreeMap<String, String> {
    let settings = options.split_whitespace().filter(|word| *word != "-c").filter_map(|word| word.split_once('='));
    settings.map(|(name, value)| (name.to_lowercase(), settings::normal(name, value))).collect()
}

/// The password of the plan's role, hashed as the protocol has it.
#[async_trait]
impl AuthSource for Server {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let user = login.user().unwrap_or_default().to_owned();
        let known = self.site.read(|world| {
            let place = world.partitions.iter().position(|partition| partition.cluster.id == self.cluster)?;
            let role = &world.plan.partitions.get(place)?.sql.as_ref()?.user;
            (*role == user).then(|| world.partitions[place].sql_password.clone())
        });
        // An unknown role fails at the password, as in PostgreSQL: a random one cannot be guessed.
        let password = known.unwrap_or_else(|| format!("{:032x}", fastrand::u128(..)));
        let salt = fastrand::u32(..).to_be_bytes().to_vec();
        let hash = hash_md5_password(&user, &password, &salt);
        Ok(Password::new(Some(salt), hash.into_bytes()))
    }
}

/// Who looks at tokens.
#[derive(Debug)]
struct Tokens(Arc<Server>);

#[async_trait]
impl AuthSource for Tokens {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        // There is none to compare with.
        Err(PgWireError::InvalidPassword(login.user().unwrap_or_default().to_owned()))
    }

    async fn verify_password(&self, login: &LoginInfo, presented: &[u8]) -> PgWireResult<Option<()>> {
        let server = &self.0;
        let user = login.user().unwrap_or_default().to_owned();
        let wanted = server.site.read(|world| {
            let wanted = Wanted::of(world, &server.cluster, &server.instance, &user);
            let planned = world.plan.partitions.iter().filter_map(|planned| planned.sql.as_ref());
            wanted.filter(|_| planned.into_iter().any(|sql| sql.user == user))
        });
        let refused = match wanted.map(|wanted| wanted.verify(&String::from_utf8_lossy(presented), now())) {
            Some(Ok(())) => return Ok(None),
            Some(Err(why)) => why,
            None => "there is no such role",
        };
        tracing::debug!(%user, refused, "a token was refused");
        // What RDS says, whatever is wrong with the token.
        let message = format!("PAM authentication failed for user \"{user}\"");
        let refusal = ErrorInfo::new("FATAL".to_owned(), "28000".to_owned(), message);
        Err(PgWireError::UserError(Box::new(refusal)))
    }
}

impl ServerParameterProvider for Server {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        self.meet(client);
        let seen = self.seen().ok()?;
        let told = ["server_version", "server_encoding", "client_encoding", "datestyle", "timezone", "in_hot_standby"];
        let more = ["application_name", "is_superuser", "standard_conforming_strings", "intervalstyle"];
        let told = told.into_iter().chain(more).filter_map(|name| {
            let spelled = match name {
                "datestyle" => "DateStyle",
                "timezone" => "TimeZone",
                "intervalstyle" => "IntervalStyle",
                other => other,
            };
            Some((spelled.to_owned(), settings::show(&seen, name).ok()?))
        });
        Some(told.collect())
    }
}

#[async_trait]
impl SimpleQueryHandler for Server {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.meet(client);
        self.weathers().await;
        let mut status = client.transaction_status();
        let mut answers = Vec::new();
        for command in Command::parse(query)? {
            match self.answer(&command, &[], status, &Format::UnifiedText) {
                Ok(answer) => {
                    status = match &answer {
                        Response::TransactionStart(_) => status.to_in_transaction_state(),
                        Response::TransactionEnd(_) => status.to_idle_state(),
                        _ => status,
                    };
                    answers.push(answer);
                }
                // What follows a failed statement of the same text is not executed.
                Err(error) => {
                    answers.push(Response::Error(Box::new(error.into())));
                    break;
                }
            }
        }
        Ok(answers)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Server {
    type Statement = Prepared;
    type QueryParser = Bind;

    fn query_parser(&self) -> Arc<Bind> {
        Arc::new(Bind)
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _max_rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.meet(client);
        self.weathers().await;
        let Prepared { command, text } = &portal.statement.statement;
        let begun = Instant::now();
        let mut parameters = Vec::new();
        for (position, kind) in command.parameters().iter().enumerate() {
            parameters.push(parameter(portal, position, kind)?);
        }
        let answer = self.answer(command, &parameters, client.transaction_status(), &portal.result_column_format)?;
        self.site.asked.count(&self.instance, self.seen()?.started, text, begun.elapsed());
        Ok(answer)
    }
}

/// A statement of the extended protocol, with the text that pg_stat_statements has of it.
#[derive(Debug, Clone)]
pub struct Prepared {
    command: Command,
    text: String,
}

/// Parses statements of the extended protocol.
#[derive(Debug)]
pub struct Bind;

#[async_trait]
impl QueryParser for Bind {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _client: &C, sql: &str, _types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut commands = Command::parse(sql)?;
        if commands.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(SqlError::new("42601", message).into());
        }
        Ok(commands.pop().map(|command| Prepared { command, text: sql.to_owned() }))
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<Type>> {
        Ok(prepared.command.parameters().to_vec())
    }

    fn get_result_schema(&self, prepared: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        Ok(fields(&prepared.command.columns(), format.unwrap_or(&Format::UnifiedBinary)))
    }
}

fn parameter(portal: &Portal<Prepared>, position: usize, kind: &Type) -> PgWireResult<Value> {
    let value = match *kind {
        Type::BOOL => portal.parameter::<bool>(position, kind)?.map(Value::Bool),
        Type::INT4 => portal.parameter::<i32>(position, kind)?.map(|number| Value::Int(number.into())),
        Type::INT8 => portal.parameter::<i64>(position, kind)?.map(Value::Int),
        Type::FLOAT8 => portal.parameter::<f64>(position, kind)?.map(Value::Float),
        Type::TEXT_ARRAY => portal
            .parameter::<Vec<Option<String>>>(position, kind)?
            .map(|texts| Value::List(texts.into_iter().flatten().collect())),
        Type::INT8_ARRAY => portal
            .parameter::<Vec<Option<i64>>>(position, kind)?
            .map(|numbers| Value::List(numbers.into_iter().flatten().map(|number| number.to_string()).collect())),
        Type::TEXT | Type::NAME | Type::VARCHAR => portal.parameter::<String>(position, kind)?.map(Value::Text),
        _ => return Err(SqlError::beyond(format_args!("a parameter of type {kind}")).into()),
    };
    Ok(value.unwrap_or(Value::Null))
}

fn fields(columns: &[(String, Type)], format: &Format) -> Vec<FieldInfo> {
    let field = |(position, (name, kind)): (usize, &(String, Type))| {
        FieldInfo::new(name.clone(), None, None, kind.clone(), format.format_for(position))
    };
    columns.iter().enumerate().map(field).collect()
}

fn answer_rows(
    columns: &[(String, Type)],
    rows: Vec<Vec<Value>>,
    format: &Format,
    tag: &str,
) -> Result<Response, SqlError> {
    let fields = Arc::new(fields(columns, format));
    let mut encoder = DataRowEncoder::new(fields.clone());
    let mut encoded = Vec::new();
    for row in rows {
        for (value, (_, kind)) in row.iter().zip(columns) {
            value.encode(kind, &mut encoder).map_err(|error| SqlError::new("XX000", error.to_string()))?;
        }
        encoded.push(Ok(encoder.take_row()));
    }
    let mut response = QueryResponse::new(fields, stream::iter(encoded));
    response.set_command_tag(tag);
    Ok(Response::Query(response))
}
