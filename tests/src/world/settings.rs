//! The settings that a world's services get: what an operator would set, and a quick telemetry.

use super::{Service, World};
use crate::servers::{Roles, Servers};

/// A key that seals only what tests put in.
const TOKEN_KEY: &str = "dGVzdHMtdXNlLXRoaXMta2V5LWFuZC1uby1vdGhlcnM=";

/// Settings of `api init`: it needs no others.
pub(super) fn init(database: &str, servers: &Servers) -> Vec<(String, String)> {
    owned(&[
        ("DATABASE_URL", database),
        ("AMQP_URL", servers.amqp_url()),
        ("NAMESPACE", "template"),
        ("OTEL_SDK_DISABLED", "true"),
    ])
}

impl World {
    /// Where sign-in returns to.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}/auth/callback", self.api_url())
    }

    /// The database's URL as a role knows it, such as `api`.
    #[must_use]
    pub fn database_of(&self, role: &str) -> String {
        self.roles.url(&self.database, role)
    }

    /// Has the services use another password for the database: for servers that let everybody in.
    pub fn believe_password(&mut self, password: &str) {
        self.roles = Roles::of_worlds().with_password(password);
    }

    /// The environment of a service.
    #[must_use]
    pub fn settings(&self, service: Service) -> Vec<(String, String)> {
        let application = &self.application;
        let mut settings = owned(&[
            ("DATABASE_URL", &self.database_of(service.role())),
            ("AMQP_URL", self.servers.amqp_url()),
            ("NAMESPACE", &self.namespace),
            ("LOG_LEVEL", "debug"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &self.sink.http_url()),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "100"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ]);
        let more = match service {
            Service::Api => owned(&[
                ("REDIS_URL", self.servers.redis_url()),
                ("API_ADDR", &self.api.to_string()),
                ("PUBLIC_URL", &self.api_url()),
                ("FRONTEND_URL", &self.api_url()),
                ("REDIRECT_URIS", &self.redirect_uri()),
                ("TOKEN_KEY", TOKEN_KEY),
                ("COOKIE_SECURE", "false"),
                ("DISCORD_CLIENT_ID", &application.id.to_string()),
                ("DISCORD_CLIENT_SECRET", &application.client_secret),
                ("DISCORD_API_URL", &self.discord_url),
            ]),
            Service::Bot => owned(&[
                ("REDIS_URL", self.servers.redis_url()),
                ("DISCORD_TOKEN", &application.bot_token),
                ("DISCORD_API_URL", &self.discord_url),
                ("DISCORD_GATEWAY_URL", &self.gateway_url),
                ("FRONTEND_URL", &self.api_url()),
            ]),
            Service::NotificationDaemon | Service::StatusDaemon => Vec::new(),
        };
        settings.extend(more);
        settings.extend(self.more.lock().expect("nobody panics there").iter().cloned());
        settings
    }
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
