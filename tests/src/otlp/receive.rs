//! The two servers of the sink: http/protobuf and gRPC, both without size limits.
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request as HttpRequest;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use opentelemetry_proto::tonic::collector::trace::v1 as traces;
use prost::Message;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Request, Status, async_trait};
use tower_http::decompression::RequestDecompressionLayer;

use super::{Arrival, Received, Store, decode};

/// Serves until `stop`. A fault of a server ends up where a failing spec shows it.
pub(super) async fn serve(
    http: std::net::TcpListener,
    grpc: std::net::TcpListener,
    store: Store,
    stop: CancellationToken,
) {
    let ended = tokio::select! {
        () = stop.cancelled() => return,
        ended = serve_http(http, store.clone()) => ended,
        ended = serve_grpc(grpc, store.clone()) => ended,
    };
    let why = ended.err().map_or_else(|| "it returned".to_owned(), |fault| format!("{fault:#}"));
    store.keep(|received| received.unreadable.push(format!("a server of the sink ended: {why}")));
}

async fn serve_http(listener: std::net::TcpListener, store: Store) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let routes = Router::new()
        .route("/v1/traces", post(http_traces))
        .route("/v1/metrics", post(http_metrics))
        .route("/v1/logs", post(http_logs))
        .layer(DefaultBodyLimit::disable())
        .layer(RequestDecompressionLayer::new())
        .layer(from_fn_with_state(store.clone(), arrived))
        .with_state(store);
    Ok(axum::serve(listener, routes).await?)
}

async fn arrived(State(store): State<Store>, request: HttpRequest, next: Next) -> Response {
    store.came(request.uri().path(), request.headers());
    next.run(request).await
}

async fn http_traces(State(store): State<Store>, body: Bytes) -> Response {
    let answer = traces::ExportTraceServiceResponse::default();
    accept(&store, "/v1/traces", body, decode::spans, &answer)
}

async fn http_metrics(State(store): State<Store>, body: Bytes) -> Response {
    let answer = metrics::ExportMetricsServiceResponse::default();
    accept(&store, "/v1/metrics", body, decode::metrics, &answer)
}

async fn http_logs(State(store): State<Store>, body: Bytes) -> Response {
    let answer = logs::ExportLogsServiceResponse::default();
    accept(&store, "/v1/logs", body, decode::logs, &answer)
}

fn accept<M: Message + Default>(
    store: &Store,
    path: &'static str,
    body: Bytes,
    add: fn(&mut Received, M),
    answer: &impl Message,
) -> Response {
    store.arrived(path, || body.clone());
    match M::decode(body) {
        Ok(request) => {
            store.keep(|received| add(received, request));
            let protobuf = [(header::CONTENT_TYPE, "application/x-protobuf")];
            (protobuf, answer.encode_to_vec()).into_response()
        }
        Err(fault) => {
            store.keep(|received| received.unreadable.push(format!("{path}: {fault}")));
            StatusCode::BAD_REQUEST.into_response()
        }
    }
}

impl Store {
    fn came(&self, path: &str, headers: &HeaderMap) {
        let text = headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let arrival = Arrival { path: path.to_owned(), headers: text.collect() };
        self.keep(|received| received.requests.push(arrival));
    }
}

async fn serve_grpc(listener: std::net::TcpListener, store: Store) -> anyhow::Result<()> {
    use logs::logs_service_server::LogsServiceServer;
    use metrics::metrics_service_server::MetricsServiceServer;
    use traces::trace_service_server::TraceServiceServer;

    let listener = tokio::net::TcpListener::from_std(listener)?;
    tonic::transport::Server::builder()
        .add_service(
            TraceServiceServer::new(store.clone()).max_decoding_message_size(usize::MAX).accept_compressed(Gzip),
        )
        .add_service(
            MetricsServiceServer::new(store.clone()).max_decoding_message_size(usize::MAX).accept_compressed(Gzip),
        )
        .add_service(LogsServiceServer::new(store).max_decoding_message_size(usize::MAX).accept_compressed(Gzip))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await?;
    Ok(())
}

#[async_trait]
impl traces::trace_service_server::TraceService for Store {
    async fn export(
        &self,
        request: Request<traces::ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<traces::ExportTraceServiceResponse>, Status> {
        self.came("grpc:traces", &request.metadata().clone().into_headers());
        let export = request.into_inner();
        self.arrived("/v1/traces", || export.encode_to_vec().into());
        self.keep(|received| decode::spans(received, export));
        Ok(tonic::Response::new(Default::default()))
    }
}

#[async_trait]
impl metrics::metrics_service_server::MetricsService for Store {
    async fn export(
        &self,
        request: Request<metrics::ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<metrics::ExportMetricsServiceResponse>, Status> {
        self.came("grpc:metrics", &request.metadata().clone().into_headers());
        let export = request.into_inner();
        self.arrived("/v1/metrics", || export.encode_to_vec().into());
        self.keep(|received| decode::metrics(received, export));
        Ok(tonic::Response::new(Default::default()))
    }
}

#[async_trait]
impl logs::logs_service_server::LogsService for Store {
    async fn export(
        &self,
        request: Request<logs::ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<logs::ExportLogsServiceResponse>, Status> {
        self.came("grpc:logs", &request.metadata().clone().into_headers());
        let export = request.into_inner();
        self.arrived("/v1/logs", || export.encode_to_vec().into());
        self.keep(|received| decode::logs(received, export));
        Ok(tonic::Response::new(Default::default()))
    }
}
