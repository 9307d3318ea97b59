//! Which release answers, and that it does.

use axum::Json;
use serde::Serialize;
use shared::telemetry;
use utoipa::ToSchema;

/// The version of the contract under `/api/v1`.
const CONTRACT: &str = "1.0.0";
const PREFIX: &str = "/api/v1";

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Version {
    service: &'static str,
    git_version: String,
    api_version: &'static str,
    api_prefix: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
    service: &'static str,
    version: HealthVersion,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthVersion {
    git: String,
    api: &'static str,
}

/// Which release this is.
#[utoipa::path(get, path = "/version", responses((status = 200, description = "The release.", body = Version)))]
pub(crate) async fn version() -> Json<Version> {
    let git_version = telemetry::version();
    Json(Version { service: "api", git_version, api_version: CONTRACT, api_prefix: PREFIX })
}

/// That the process answers; whether it is ready is told on the address of `HEALTH_ADDR`.
#[utoipa::path(get, path = "/health", responses((status = 200, description = "It answers.", body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    let version = HealthVersion { git: telemetry::version(), api: CONTRACT };
    Json(Health { status: "healthy", service: "api", version })
}
