//! Every route on one screen, and what is around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use shared::error::Refusal;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::edge::{Edge, careful, edge};
use crate::extract::BODY;
use crate::fields::FORM;
use crate::problem::Problem;
use crate::trace::{Front, trace};
use crate::{Api, auth, docs, games, guilds, health, live, templates};

#[derive(OpenApi)]
#[openapi(info(title = "Game scheduler", description = "Game sessions of Discord servers."))]
struct Contract;

/// All of it.
pub fn router(api: Api) -> Router {
    let (edges, front) = (Edge::new(&api.web), Front::new(&api.web));
    let (routes, contract) = routes().split_for_parts();
    let (checked, contract_of_checks) = OpenApiRouter::<()>::new().routes(routes!(health::health)).split_for_parts();
    let contract = contract.merge_from(contract_of_checks);
    let pages = Router::new()
        .route("/openapi.json", get(docs::openapi).with_state(Arc::new(contract)))
        .route("/docs", get(docs::page));
    routes
        .with_state(api)
        .merge(pages)
        .fallback(async || Problem::from(Refusal::NotFound))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(edges.clone(), edge))
        // Around the edge: the client must be able to read a refusal too, and when to try again.
        .layer(edges.cors())
        .layer(from_fn_with_state(edges.clone(), careful))
        .layer(from_fn_with_state(front, trace))
        // Probes come all the time: no span, no metric.
        .merge(
            checked
                .method_not_allowed_fallback(async || Problem::method_not_allowed())
                .layer(from_fn_with_state(edges.clone(), edge))
                .layer(from_fn_with_state(edges, careful)),
        )
}

fn routes() -> OpenApiRouter<Api> {
    let forms = OpenApiRouter::new()
        .routes(routes!(games::create, games::list::list))
        .routes(routes!(games::one, games::update, games::cancel))
        .layer(DefaultBodyLimit::max(FORM));
    let others = OpenApiRouter::new()
        .routes(routes!(auth::login))
        .routes(routes!(auth::callback))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::user))
        .routes(routes!(guilds::list))
        .routes(routes!(guilds::one))
        .routes(routes!(guilds::config))
        .routes(routes!(guilds::channels))
        .routes(routes!(guilds::roles))
        .routes(routes!(templates::list))
        .routes(routes!(templates::one))
        .routes(routes!(games::join))
        .routes(routes!(games::leave))
        .routes(routes!(live::updates))
        .routes(routes!(health::version))
        .layer(DefaultBodyLimit::max(BODY));
    OpenApiRouter::with_openapi(Contract::openapi()).nest("/api/v1", forms.merge(others))
}

#[cfg(test)]
mod tests;
